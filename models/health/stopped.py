"""Lines of the pump that stands, and of the wet well between stops: what leaks back, how fast it is pumped down.

Only rows past the mask after a stop count, and only while no other pump moves the same water.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from models.health.judged import NO_REFERENCE, Rows, Track, information, root_sum, silent, track
from models.health.physics import given, well_flow_m3h

STRETCH_ROWS = 3  # a fill or a pump-down with fewer rows has no rate
LEAST_STEPS = 10  # a change of level below so many uncertainties has none either
BETWEEN_ROWS = 4  # masked rows between fill and pump-down
FELL = 10.0  # of the pressure while it ran [%]: the outlet has fallen to the inlet
NO_CYCLES = "needs 5 pump-downs with this pump alone, each of 3 rows and more, has {n}"


def stopped_lines(rows: Rows) -> Iterator[Track]:
    """Leak-back from the flow, else from the wet well; a hint from the pressures; the pump-down time."""
    yield from _leak(rows)
    pressures = {"suction_pressure", "discharge_pressure"}
    if all(name in rows for name in pressures):
        lift = rows["discharge_pressure"] - rows["suction_pressure"]
        stands, runs = rows.recent(rows.off, lift), rows.recent(rows.steady, lift)
        at_work = runs.median(lift)
        value = 100 * stands.median(lift) / np.where(at_work > 0, at_work, np.nan)
        hint = np.where(value < FELL, "the outlet falls to the inlet after a stop: look at the check valve", "")
        yield information("pressure_held", "%", "check_valve", value, stands.n, notes=hint.astype(object),
                          needs="needs 5 good rows while running and 5 while stopped, has {n} stopped")  # fmt: skip
    if "level" in rows.beside:
        yield from _pump_down(rows)


def _leak(rows: Rows) -> Iterator[Track]:
    """Flow against the pump's direction while it stands [% of rated flow]."""
    limits, rated = rows.limits, rows.rated
    measured = "flow" in rows and "flow" not in rated.estimated
    well = "level" in rows.beside and "inflow" in rows.beside and given(rated.well_area_m2)
    if not measured and not well:
        return
    if rated.flow_m3h is None or not given(rated.flow_m3h):
        yield silent(rows, "leak_back", "%", "check_valve", "needs the rated flow of this pump")
        return
    if measured:
        back = -100 * rows["flow"] / rated.flow_m3h
        u: np.ndarray | float = limits.u_zero_flow
    else:
        rise, minutes = _rise(rows)
        assert rated.well_area_m2 is not None
        back = 100 * (rated.well_area_m2 * rise - rows.beside["inflow"]) / rated.flow_m3h
        change = 60 * limits.u_level_m * np.sqrt(2) / minutes * rated.well_area_m2
        u = 100 * root_sum(change, rows.beside["inflow"] * limits.u_flow / 100) / rated.flow_m3h
    recent = rows.recent(rows.off, back)
    value = recent.median(back)
    sure = limits.u_flow / 100 * np.abs(value)
    own = u if isinstance(u, float) else recent.median(u)
    yield track("leak_back", "%", "check_valve", value, recent.n, 0.0,
                root_sum(own, sure, recent.error(back)), limits.leak_percent, value, limits.coverage,
                needs="needs 5 good values while stopped, has {n}")  # fmt: skip


def _alone(rows: Rows) -> np.ndarray:
    others = rows.beside.get("others_running")
    return np.ones(rows.shape, bool) if others is None else np.asarray(others <= 0.05)


Stretches = tuple[np.ndarray, np.ndarray, np.ndarray]


def _each(rows: Rows, one: Callable[[Rows, np.ndarray, Stretches], np.ndarray]) -> np.ndarray:
    """What `one` finds in the level and the stretches of each asset: two arrays of the rows' shape."""
    good = np.isfinite(rows.beside["level"]) & _alone(rows)
    kinds = np.where(good & rows.off, 1, np.where(good & rows.steady, 2, 0)).reshape(-1, rows.shape[-1])
    levels = rows.beside["level"].reshape(kinds.shape)
    found = [one(rows, level, _stretches(rows, kind)) for level, kind in zip(levels, kinds, strict=True)]
    return np.stack(found, axis=1).reshape((2, *rows.shape))


def _stretches(rows: Rows, kind: np.ndarray) -> Stretches:
    """(kind, first row, last row) of each stretch in which the well only fills (1) or this pump alone pumps (2)."""
    new = np.ones(len(kind), bool)
    new[1:] = (kind[1:] != kind[:-1]) | (np.diff(rows.time_s) > 1.5 * rows.every_s)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(kind)) - 1 if len(first) else first
    real = kind[first] > 0
    return kind[first][real], first[real], last[real]


def _rise(rows: Rows) -> np.ndarray:
    """How fast the level rose since the well began to fill [m/h], and for how long [min]; NaN outside of a fill."""
    return _each(rows, _rise_of_one)


def _rise_of_one(rows: Rows, level: np.ndarray, found: Stretches) -> np.ndarray:
    rise, minutes = both = np.full((2, len(level)), np.nan)
    for kind, first, last in zip(*found, strict=True):
        if kind == 1 and last - first >= STRETCH_ROWS - 1:
            part = slice(first + STRETCH_ROWS - 1, last + 1)
            minutes[part] = (rows.time_s[part] - rows.time_s[first]) / 60
            rise[part] = 60 * (level[part] - level[first]) / minutes[part]
    return both


def pump_downs(rows: Rows) -> np.ndarray:
    """Time to pump the well down by 1 m if nothing flowed in, and its uncertainty [min/m], in the row after a cycle.

    1 / (fall / its time + rise before / its time): inflow is taken as constant over the two. NaN at all other rows.
    """
    return _each(rows, _pump_downs_of_one)


def _pump_downs_of_one(rows: Rows, level: np.ndarray, stretches: Stretches) -> np.ndarray:
    found, sure = both = np.full((2, len(level)), np.nan)
    time_s = rows.time_s
    kinds, firsts, lasts = stretches
    least = LEAST_STEPS * rows.limits.u_level_m
    for i in range(1, len(kinds)):
        (up, down), (end, begin) = (lasts[i - 1] - firsts[i - 1], lasts[i] - firsts[i]), (lasts[i - 1], firsts[i])
        if (kinds[i - 1], kinds[i]) != (1, 2) or min(up, down) < STRETCH_ROWS - 1 or lasts[i] + 1 >= len(found):
            continue
        fell, rose = level[begin] - level[lasts[i]], level[end] - level[firsts[i - 1]]
        if time_s[begin] - time_s[end] > (BETWEEN_ROWS + 1) * rows.every_s or fell < least or rose < 0:
            continue
        hours = (time_s[lasts[i]] - time_s[begin]) / 3600, (time_s[end] - time_s[firsts[i - 1]]) / 3600
        speed = well_flow_m3h(1.0, fell, hours[0], rose, hours[1])
        found[lasts[i] + 1] = 60 / speed
        sure[lasts[i] + 1] = 60 / speed**2 * rows.limits.u_level_m * math.hypot(1 / hours[0], 1 / hours[1])
    return both


def _pump_down(rows: Rows) -> Iterator[Track]:
    times, sure = pump_downs(rows)
    recent = rows.recent(np.ones(rows.shape, bool), times)
    value, base = recent.median(times), rows.reference.medians.get("pump_down", np.nan)
    warn, act = rows.limits.pump_down_percent
    u = root_sum(recent.error(times), recent.median(sure))
    yield track("pump_down", "min/m", "well", value, recent.n, base, u, (warn * base / 100, act * base / 100),
                value - base, rows.limits.coverage, needs=NO_CYCLES, unknown=NO_REFERENCE)  # fmt: skip
    if rows.rated.well_area_m2 is not None and given(rows.rated.well_area_m2):
        flow = 60 * rows.rated.well_area_m2 / value
        yield information("well_flow", "m3/h", "well", flow, recent.n, 60 * rows.rated.well_area_m2 * u / value**2,
                          needs=NO_CYCLES)  # fmt: skip
