"""What the instruments of a pump make of the truth: class, resolution, slow drift inside the class, outliers, gaps."""

from collections.abc import Mapping

import numpy as np

from drivers.sim.year.faults import Effects
from drivers.sim.year.pump import Floats, YearPump, stream
from drivers.sim.year.world import DAY, DAYS, Flags, wandering

OUTLIERS = 1e-5  # per sample
CUT_OFF = 0.005  # of rated flow: below it a flow meter shows 0
# per quantity: noise as a share of the value, drift as a share of the value (k = 1), resolution [unit]
CLASS: Mapping[str, tuple[float, float, float]] = {
    "flow": (0.008, 0.004, 0.1), "suction_pressure": (0.0, 0.001, 0.005), "discharge_pressure": (0.001, 0.0015, 0.01),
    "power": (0.006, 0.003, 0.05), "current": (0.006, 0.003, 0.05), "current_l1": (0.006, 0.003, 0.05),
    "current_l2": (0.006, 0.003, 0.05), "current_l3": (0.006, 0.003, 0.05), "vibration": (0.05, 0.015, 0.01),
    "bearing_temperature": (0.0, 0.0, 0.1), "ambient_temperature": (0.0, 0.0, 0.1), "speed": (0.0005, 0.0, 0.05),
    "level": (0.002, 0.001, 0.005),
}  # fmt: skip
# and noise and drift in the unit itself
ABSOLUTE: Mapping[str, tuple[float, float]] = {
    "suction_pressure": (0.004, 0.003), "discharge_pressure": (0.004, 0.003), "bearing_temperature": (0.25, 0.3),
    "ambient_temperature": (0.2, 0.3),
}  # fmt: skip


def shown(pump: YearPump, seed: int, tag: str, true: Floats, effects: Effects) -> Floats:
    """The samples of one instrument, one a minute, faults of the instrument included."""
    rng = stream(seed, pump.number, f"noise of {tag}")
    count = len(true)
    noise, drift, resolution = CLASS[tag]
    noise_abs, drift_abs = ABSOLUTE.get(tag, (0.0, 0.0))
    wander = wandering(stream(seed, pump.number, f"drift of {tag}"), DAY, 60 * DAY, count)
    wander = wander - wander[0]  # what counts is the change since the instrument was put in
    value = true * (1 + drift * wander) * effects.gain.get(tag, 1.0) + drift_abs * wander
    value = value + (noise * np.abs(value) + noise_abs) * rng.standard_normal(count)
    odd = stream(seed, pump.number, f"outliers of {tag}")
    hits = odd.integers(0, DAYS * DAY, odd.poisson(OUTLIERS * DAYS * DAY))
    size = odd.uniform(0.2, 2.5, len(hits))
    value[hits[hits < count]] *= size[hits < count]
    if tag == "flow":
        value = np.where(np.abs(value) < CUT_OFF * pump.flow_m3h, 0.0, value)
    value = np.round(value / resolution) * resolution
    if effects.frozen and effects.frozen[0] == tag:
        first, last = effects.frozen[1:]
        value[first:last] = value[min(first, count - 1)]
    return np.asarray(value)


def tag_seen(pump: YearPump, seed: int, tag: str, station: Flags) -> Flags:
    """The minutes in which this tag was good: when the station was seen, but for some hours a year of its own."""
    rng = stream(seed, pump.number, f"lost {tag}")
    good = station.copy()
    for _ in range(int(rng.poisson(2.0))):
        first = int(rng.uniform(0, DAYS * DAY))
        good[first : first + int(rng.uniform(20, 720))] = False
    return good


def averaged(value: Floats, good: Flags, rows: int) -> tuple[Floats, Floats]:
    """Means over `rows` samples each of the good ones, NaN without any; and the share that was good."""
    usable = len(value) // rows * rows
    weight = good[:usable].reshape(-1, rows)
    total = (value[:usable].reshape(-1, rows) * weight).sum(axis=1)
    n = weight.sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan), n / rows


def last_of(value: Floats, good: Flags, rows: int) -> Floats:
    """The last sample of each `rows` of a counter; NaN where none was good."""
    usable = len(value) // rows * rows
    seen = good[:usable].reshape(-1, rows)
    last = rows - 1 - np.argmax(seen[:, ::-1], axis=1)
    taken = value[:usable].reshape(-1, rows)[np.arange(len(last)), last]
    return np.where(seen.any(axis=1), taken, np.nan)
