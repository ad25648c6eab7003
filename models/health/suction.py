"""Lines of the inlet: is there pressure enough that the water does not boil in the impeller?

References
----------
ANSI/HI 9.6.1 (NPSH margin 1.1 to 1.3 for ordinary water pumps). Buck 1981 (vapour pressure).
"""

from collections.abc import Iterator

import numpy as np

from models.health.judged import Rows, Track, root_sum, track
from models.health.limits import vibration_lines
from models.health.physics import SPEED_RANGE, WATER_DEGC, given, npsh_available_m

_OF_INLET = np.array(  # by place in WORDS
    ["whether the inlet is low cannot be told for its uncertainty", "", *["while the inlet pressure is low"] * 2],
    object,
)


def suction_lines(rows: Rows) -> Iterator[Track]:
    """The NPSH margin, and with vibration beside it a hint of cavitation: shaking more while the inlet is low.

    The requirement is that of the rated flow, brought to the speed of the row by its square, not below 60 % of it.
    """
    rated, limits = rows.rated, rows.limits
    if "suction_pressure" not in rows or rated.npsh_required_m is None or not given(rated.npsh_required_m):
        return
    water = rows["water_temperature"] if "water_temperature" in rows else np.full(rows.shape, WATER_DEGC)
    water = np.where(np.isfinite(water), water, WATER_DEGC)
    speed = rows["speed"] / rated.speed_hz if "speed" in rows else np.ones(rows.shape)
    required = np.where((speed >= SPEED_RANGE[0]) & (speed <= SPEED_RANGE[1]), rated.npsh_required_m * speed**2, np.nan)
    margin = npsh_available_m(rows["suction_pressure"], water, rated.altitude_m) / required
    recent = rows.recent(rows.steady, margin)
    value = recent.median(margin)
    u = root_sum(limits.u_suction_m / rated.npsh_required_m, recent.error(margin))
    warn, act = limits.npsh_margin
    low = track("npsh_margin", "1", "suction", value, recent.n, warn, u, (0.0, warn - act), warn - value,
                limits.coverage, side=-1)  # fmt: skip
    yield low
    base = rows.reference.medians.get("vibration", np.nan)
    if "vibration" in rows:
        recent = rows.recent(rows.steady, margin, rows["vibration"])
        shaking = recent.median(rows["vibration"])
        bc = vibration_lines(rated, limits)[1]
        u = root_sum(bc * limits.u_vibration / 100, recent.error(rows["vibration"]))
        more = np.where(low.code >= 2, shaking - base, np.where(low.code == 1, -np.abs(shaking - base), np.nan))
        yield track("cavitation", "mm/s", "vibration", shaking, recent.n, base, u,
                    (limits.vibration_step_percent * bc / 100, None), more, limits.coverage,
                    notes=_OF_INLET[low.code])  # fmt: skip
