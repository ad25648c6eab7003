"""The operating state of each row: everything learned and judged later is learned and judged per state.

A pump that starts, stops or stands still is not a sick pump. Start-up and the 60 s after a stop are masked. The state
of a row rests on that row and earlier ones alone. Arrays have shape (rows,), or (assets, rows) on one time axis.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.health.physics import Columns, Rated, given

OFF, STARTING, STEADY, STOPPING, UNKNOWN = "off", "starting", "steady", "stopping", "unknown"
STATES = np.array([UNKNOWN, OFF, STARTING, STEADY, STOPPING], object)
CODE: Mapping[str, int] = {str(word): code for code, word in enumerate(STATES)}
MASK_S = 60.0
SETTLE_S = 5400.0  # three to four time constants of a bearing housing
GAP_ROWS = 5  # a longer stretch without a known state is a telemetry gap


def running_share(columns: Columns | pd.DataFrame, rated: Rated, shape: tuple[int, ...]) -> np.ndarray:
    """Share of each row's time in which the pump ran: from `running`, else speed, else power; NaN if none is known."""
    share = np.asarray(columns["running"], float) if "running" in columns else np.full(shape, np.nan)
    for name, full in (("speed", rated.speed_hz), ("power", rated.power_kw)):
        if name in columns and given(full):
            level = np.asarray(columns[name], float)
            told = np.where(np.isnan(level), np.nan, (level > 0.1 * full).astype(float))  # type: ignore[operator]
            share = np.where(np.isnan(share), told, share)
    return share


def settled(share: np.ndarray, time_s: np.ndarray, every_s: float) -> np.ndarray:
    """Whether the pump has run without a break, and in sight, for SETTLE_S: a bearing's heat means something then."""
    on = share >= 0.95
    begins = on & ~_before(on, False)
    begins[..., 1:] |= np.diff(time_s) > GAP_ROWS * every_s
    return np.asarray(on & (time_s - time_s[_last(begins)] >= SETTLE_S)) if on.size else on


def state_codes(share: np.ndarray, time_s: np.ndarray, every_s: float, mask_s: float = MASK_S) -> np.ndarray:
    """The state of each row as its place in STATES, from the share of its time in which the pump ran.

    A row may be the mean over its time, so a row in which the pump both ran and stood is a transition. The first known
    row after a gap counts as one too, because nobody saw when it began; rows much longer than the mask are not masked.
    """
    if not share.size:
        return np.zeros(share.shape, np.int8)
    on, off, known = share >= 0.95, share <= 0.05, ~np.isnan(share)
    level = np.where(known, np.where(on, 2, np.where(off, 0, 1)), -1).astype(np.int8)
    new = np.ones(level.shape, bool)
    new[..., 1:] = (level[..., 1:] != level[..., :-1]) | (np.diff(time_s) > GAP_ROWS * every_s)
    fresh = time_s - time_s[_last(new)] < mask_s if every_s <= 10 * mask_s else np.zeros(level.shape, bool)
    was_on = _before(level == 2, False)
    code = np.where(level == 1, np.where(was_on, CODE[STOPPING], CODE[STARTING]), CODE[UNKNOWN])
    code = np.where(level == 2, np.where(fresh, CODE[STARTING], CODE[STEADY]), code)
    return np.where(level == 0, np.where(fresh, CODE[STOPPING], CODE[OFF]), code).astype(np.int8)


def operating_state(values: pd.DataFrame, rated: Rated, every_s: float, mask_s: float = MASK_S) -> pd.Series:
    """The state of each row: off, starting, steady, stopping or unknown.

    `values` is indexed by UTC time with one row per `every_s` [s].
    """
    share = running_share(values, rated, (len(values),))
    codes = state_codes(share, seconds(values.index), every_s, mask_s)
    return pd.Series(STATES[codes], index=values.index, dtype=object)


def stretches(time_s: np.ndarray, known: np.ndarray, every_s: float) -> np.ndarray:
    """A number per row that grows at each telemetry gap: rows on both sides of a gap never share a lagged state.

    `known` marks the rows with usable data, whatever the state; a gap is more than GAP_ROWS rows without one.
    """
    last = np.maximum.accumulate(np.where(known, time_s, -np.inf), axis=-1)
    before = _before(last, -np.inf)
    gap = known & np.isfinite(before) & (time_s - before > (GAP_ROWS + 1) * every_s)
    return np.cumsum(gap, axis=-1)


def seconds(index: pd.Index) -> np.ndarray:
    """The times of an index. [s]"""
    return np.asarray(pd.DatetimeIndex(index).as_unit("us").asi8 / 1e6)


def row_starts(shape: tuple[int, ...]) -> np.ndarray:
    """The place of each asset's first row where all rows stand one after the other; shape (..., 1)."""
    return np.arange(0, max(int(np.prod(shape)), 1), max(shape[-1], 1)).reshape((*shape[:-1], 1))


def _before(x: np.ndarray, first: object) -> np.ndarray:
    """Each row's predecessor."""
    found = np.empty_like(x)
    found[..., :1], found[..., 1:] = first, x[..., :-1]
    return found


def _last(flag: np.ndarray) -> np.ndarray:
    """The last row until each in which the flag stood; 0 before the first."""
    return np.asarray(np.maximum.accumulate(np.where(flag, np.arange(flag.shape[-1], dtype=np.int32), 0), axis=-1))
