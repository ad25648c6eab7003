"""Lines of the machine itself: vibration, heat and phase currents. Most need no reference: a new pump has them at once.

References
----------
ISO 10816-7, ISO 20816-3 (zones and criterion II: a change of a quarter of the line B/C). NEMA MG 1 (current, winding).
"""

import math
from collections.abc import Iterator

import numpy as np

from models.health.features import PHASES, imbalance
from models.health.judged import Rows, Track, root_sum, track
from models.health.limits import vibration_lines, vibration_zone


def machine_lines(rows: Rows) -> Iterator[Track]:
    """Vibration zone and step, bearing, winding, and the imbalance of the phases."""
    limits, none = rows.limits, np.nan
    if "vibration" in rows:
        yield from _vibration(rows)
    heat = {"bearing_temperature": limits.bearing_degc, "winding_temperature": limits.winding_degc}
    for name, (warn, act) in heat.items():
        if name in rows:
            recent = rows.recent(rows.steady, rows[name])
            value = recent.median(rows[name])
            u = root_sum(limits.u_temperature_k, recent.error(rows[name]))
            yield track(name, "degC", "temperature", value, recent.n, warn, u, (0.0, act - warn), value - warn,
                        limits.coverage)  # fmt: skip
    if "bearing_over_ambient" in rows:
        name = "bearing_over_ambient"
        recent = rows.recent(rows.steady, rows[name])
        value, base = recent.median(rows[name]), rows.reference.medians.get(name, none)
        u = root_sum(limits.u_temperature_k * math.sqrt(2), recent.error(rows[name]))
        yield track(name, "K", "temperature", value, recent.n, base, u, limits.bearing_rise_k, value - base,
                    limits.coverage)  # fmt: skip
    if all(name in rows for name in PHASES):
        share, _mean = imbalance([rows[name] for name in PHASES])
        recent = rows.recent(rows.steady, share)
        value = recent.median(share)
        u = root_sum(limits.u_current, recent.error(share))
        yield track("current_imbalance", "%", "current", value, recent.n, 0.0, u, limits.imbalance_percent, value,
                    limits.coverage)  # fmt: skip


def _vibration(rows: Rows) -> Iterator[Track]:
    limits = rows.limits
    bounds = vibration_lines(rows.rated, limits)
    recent = rows.recent(rows.steady, rows["vibration"])
    value, base = recent.median(rows["vibration"]), rows.reference.medians.get("vibration", np.nan)
    random = recent.error(rows["vibration"])
    u = root_sum(bounds[1] * limits.u_vibration / 100, random)
    zones = np.where(np.isfinite(value), "zone " + vibration_zone(value, bounds), "")
    yield track("vibration", "mm/s", "vibration", value, recent.n, bounds[1], u, (0.0, bounds[2] - bounds[1]),
                value - bounds[1], limits.coverage, notes=zones)  # fmt: skip
    step = np.abs(value - base)
    yield track("vibration_step", "mm/s", "vibration", value, recent.n, base, u,
                (limits.vibration_step_percent * bounds[1] / 100, None), step, limits.coverage)  # fmt: skip
