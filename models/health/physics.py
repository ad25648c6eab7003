"""Textbook formulas of pumps, each redone with a pocket calculator, and the columns that follow from them row by row.

References
----------
Karassik et al., Pump Handbook (affinity laws, hydraulic power). ISO 9906 (acceptance tests, head from gauges).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

DENSITY_KGM3 = 1000.0
GRAVITY_MS2 = 9.81
M_PER_BAR = 10.2  # head of one bar of cold water [m]
KWH_PER_M3M = 0.002725  # rho g / 3.6e6: energy that lifts 1 m3 by 1 m without loss [kWh/(m3 m)]
WATER_DEGC = 20.0  # where nobody measures it; from 5 to 25 degC the vapour pressure moves by 0.23 m
Columns = Mapping[str, np.ndarray]  # by quantity, one value per row: shape (rows,), or (assets, rows)
SPEED_RANGE = (0.60, 1.05)  # share of rated speed in which the affinity laws are trusted; above 1 for noise alone


@dataclass(frozen=True, slots=True)
class Rated:
    """What the nameplate says and which quantities the device computes itself (those are no independent evidence).

    For many assets at once each number is an array of shape (assets, 1) (models.health.batch).
    """

    flow_m3h: float | None = None
    head_m: float | None = None
    power_kw: float | None = None
    speed_hz: float = 50.0
    max_starts_per_h: float | None = None
    vibration_category: str = "II"
    gauge_height_m: float = 0.0
    estimated: tuple[str, ...] = ()
    best_flow_m3h: float | None = None  # at best efficiency; None: the rated flow
    npsh_required_m: float | None = None  # at rated flow and speed
    altitude_m: float = 0.0
    well_area_m2: float | None = None  # of the wet well that it pumps down


def given(number: float | np.ndarray | None) -> bool:
    """Whether the nameplate has this number, and it is not 0."""
    return number is not None and bool(np.all(number))


def hydraulic_power_kw(flow_m3h: float, head_m: float) -> float:
    """Hydraulic power [kW] = rho g Q H; flow [m3/h], head [m].

    >>> round(hydraulic_power_kw(100, 30), 3)
    8.175
    """
    return KWH_PER_M3M * flow_m3h * head_m


def head_m(
    suction_bar: float, discharge_bar: float, gauge_height_m: float = 0.0,
    suction_speed_ms: float = 0.0, discharge_speed_ms: float = 0.0, specific_gravity: float = 1.0,
) -> float:  # fmt: skip
    """Total head [m] from two gauges [bar], their height difference [m] and the water's speed in both pipes [m/s]."""
    lift = (discharge_bar - suction_bar) * M_PER_BAR / specific_gravity
    return lift + gauge_height_m + (discharge_speed_ms**2 - suction_speed_ms**2) / (2 * GRAVITY_MS2)


def efficiency(flow_m3h: float, head: float, power_kw: float) -> float:
    """Wire-to-water efficiency [share]; NaN without power."""
    return hydraulic_power_kw(flow_m3h, head) / power_kw if power_kw > 0 else math.nan


def specific_energy(head: float, efficiency_share: float) -> float:
    """Energy per volume [kWh/m3] = 0.002725 H / eta. It moves with head: no figure of health.

    >>> round(specific_energy(30, 0.65), 3), round(specific_energy(50, 0.70), 3), round(specific_energy(10, 0.45), 3)
    (0.126, 0.195, 0.061)
    """
    return KWH_PER_M3M * head / efficiency_share


def energy_per_head(flow_m3h: float, head: float, power_kw: float) -> float:
    """SE/H [kWh/(m3 m)] = P / (Q H): the figure of health; NaN without flow or head."""
    return power_kw / (flow_m3h * head) if flow_m3h * head > 0 else math.nan


def combined_uncertainty(*parts_percent: float) -> float:
    """Root of the sum of squares of independent relative uncertainties [%].

    >>> round(combined_uncertainty(2, 1, 1.5), 1)
    2.7
    """
    return math.sqrt(sum(part * part for part in parts_percent))


def imbalance_percent(currents: Sequence[float]) -> float:
    """Current imbalance [%]: the largest deviation from the mean of the phases over that mean; NaN when it is 0."""
    mean = sum(currents) / len(currents)
    return 100 * max(abs(one - mean) for one in currents) / mean if mean > 0 else math.nan


def atmosphere_m(altitude_m: float) -> float:
    """Head of the atmosphere [m of water] at an altitude [m] (international standard atmosphere).

    >>> [round(atmosphere_m(one), 2) for one in (0, 300, 500, 1000)]
    [10.33, 9.97, 9.73, 9.16]
    """
    head: float = 10.33 * (1 - 2.25577e-5 * altitude_m) ** 5.25588
    return head


def vapour_m(water_degc: float | np.ndarray) -> np.ndarray:
    """Head of the vapour pressure of water [m] at its temperature [degC] (Buck 1981).

    >>> vapour_m([10, 15, 20, 25]).round(2).tolist()
    [0.13, 0.17, 0.24, 0.32]
    """
    degc = np.asarray(water_degc, float)
    return np.asarray(0.61121 * np.exp((18.678 - degc / 234.5) * (degc / (257.14 + degc))) / GRAVITY_MS2)


def npsh_available_m(
    suction_bar: float | np.ndarray, water_degc: float | np.ndarray = WATER_DEGC, altitude_m: float = 0.0
) -> np.ndarray:
    """NPSH available [m] from the gauge pressure at the inlet [bar], without the velocity head.

    >>> round(float(npsh_available_m(-0.35, 20.0)), 2)
    6.52
    """
    return np.asarray(atmosphere_m(altitude_m) - vapour_m(water_degc) + np.multiply(suction_bar, M_PER_BAR))


def well_flow_m3h(area_m2: float, down_m: float, down_h: float, up_m: float, up_h: float) -> float:
    """What a pump moves [m3/h] out of a wet well: it fell `down_m` in `down_h`, and rose `up_m` in `up_h` before.

    >>> round(well_flow_m3h(6.0, 1.0, 6 / 60, 1.0, 12 / 60), 1)
    90.0
    """
    return area_m2 * (down_m / down_h + up_m / up_h)


def derived(values: pd.DataFrame, rated: Rated) -> pd.DataFrame:
    """`values` with what follows from them row by row (`derived_columns`)."""
    frame = pd.DataFrame(derived_columns(arrays(values), rated), values.index)
    frame.attrs = values.attrs
    return frame


def arrays(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of a frame by name."""
    return dict(zip(map(str, frame.columns), np.ascontiguousarray(frame.to_numpy(float).T), strict=True))


def derived_columns(columns: Columns, rated: Rated) -> dict[str, np.ndarray]:
    """The columns with what follows from them: head, figures at rated speed, efficiency, SE/H, over ambient.

    A column is added only where its parents exist. Nothing that rests on a flow computed inside the device is derived.
    """
    found = dict(columns)
    if "head" not in found and {"suction_pressure", "discharge_pressure"} <= set(found):
        found["head"] = head_m(found["suction_pressure"], found["discharge_pressure"], rated.gauge_height_m)  # type: ignore[assignment, arg-type]
    if {"bearing_temperature", "ambient_temperature"} <= set(found):
        found["bearing_over_ambient"] = found["bearing_temperature"] - found["ambient_temperature"]
    estimated = set(rated.estimated)
    if not {"flow", "head"} <= set(found) or "flow" in estimated or "head" in estimated:
        return found
    flow, head = found["flow"], found["head"]
    share = found["speed"] / rated.speed_hz if "speed" in found else np.ones(flow.shape)
    share = np.where((share >= SPEED_RANGE[0]) & (share <= SPEED_RANGE[1]) & (flow > 0), share, np.nan)
    found["flow_n"] = flow / share
    found["head_n"] = head / share**2
    if "power" in found and "power" not in estimated:
        power = found["power"]
        found["power_n"] = power / share**3
        hydraulic = KWH_PER_M3M * flow * head
        sound = np.isfinite(share) & (hydraulic > 0) & (power > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            found["efficiency"] = np.where(sound, 100 * hydraulic / power, np.nan)
            found["energy_per_head"] = np.where(sound, power / (flow * head), np.nan)
    return found
