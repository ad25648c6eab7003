"""The operating state of each row: everything learned and judged later is learned and judged per state.

A pump that starts, stops or stands still is not a sick pump. Start-up and the 60 s after a stop are masked. The state
of a row rests on that row and earlier ones alone.
"""

import numpy as np
import pandas as pd

from models.health.physics import Rated

OFF, STARTING, STEADY, STOPPING, UNKNOWN = "off", "starting", "steady", "stopping", "unknown"
MASK_S = 60.0
SETTLE_S = 5400.0  # three to four time constants of a bearing housing
GAP_ROWS = 5  # a longer stretch without a known state is a telemetry gap


def running_share(values: pd.DataFrame, rated: Rated) -> np.ndarray:
    """Share of each row's time in which the pump ran: from `running`, else speed, else power; NaN if none is known."""
    share = np.full(len(values), np.nan)
    if "running" in values:
        share = values["running"].to_numpy(float)
    for name, full in (("speed", rated.speed_hz), ("power", rated.power_kw)):
        if name in values and full:
            level = values[name].to_numpy(float)
            told = np.where(np.isnan(level), np.nan, (level > 0.1 * full).astype(float))
            share = np.where(np.isnan(share), told, share)
    return share


def settled(values: pd.DataFrame, rated: Rated, every_s: float) -> np.ndarray:
    """Whether the pump has run without a break, and in sight, for SETTLE_S: a bearing's heat means something then."""
    on = running_share(values, rated) >= 0.95
    time_s = _seconds(values.index)
    begins = on & ~np.concatenate([[False], on[:-1]])
    begins[1:] |= np.diff(time_s) > GAP_ROWS * every_s
    since = time_s[np.maximum.accumulate(np.where(begins, np.arange(len(on)), 0))] if len(on) else time_s
    return np.asarray(on & (time_s - since >= SETTLE_S))


def operating_state(values: pd.DataFrame, rated: Rated, every_s: float, mask_s: float = MASK_S) -> pd.Series:
    """The state of each row: off, starting, steady, stopping or unknown.

    `values` is indexed by UTC time with one row per `every_s` [s]; a row may be the mean over its time, so a row in
    which the pump both ran and stood is a transition. The first known row after a gap counts as one too, because
    nobody saw when it began; rows much longer than the mask are not masked.
    """
    share = running_share(values, rated)
    n = len(share)
    if n == 0:
        return pd.Series([], index=values.index, dtype=object)
    level = np.where(np.isnan(share), -1, np.where(share >= 0.95, 2, np.where(share <= 0.05, 0, 1)))
    time_s = _seconds(values.index)
    new = np.ones(n, bool)
    new[1:] = (level[1:] != level[:-1]) | (np.diff(time_s) > GAP_ROWS * every_s)
    since = time_s[np.maximum.accumulate(np.where(new, np.arange(n), 0))]
    fresh = (time_s - since < mask_s) if every_s <= 10 * mask_s else np.zeros(n, bool)
    was_on = np.concatenate([[False], level[:-1] == 2])
    state = np.full(n, UNKNOWN, dtype=object)
    state[level == 2] = STEADY
    state[(level == 2) & fresh] = STARTING
    state[level == 0] = OFF
    state[(level == 0) & fresh] = STOPPING
    state[(level == 1) & ~was_on] = STARTING
    state[(level == 1) & was_on] = STOPPING
    return pd.Series(state, index=values.index)


def stretches(index: pd.DatetimeIndex, known: np.ndarray, every_s: float) -> np.ndarray:
    """A number per row that grows at each telemetry gap: rows on both sides of a gap never share a lagged state.

    `known` marks the rows with usable data, whatever the state; a gap is more than GAP_ROWS rows without one.
    """
    time_s = _seconds(index)
    last = np.maximum.accumulate(np.where(known, time_s, -np.inf))
    before = np.concatenate([[-np.inf], last[:-1]])
    gap = known & np.isfinite(before) & (time_s - before > (GAP_ROWS + 1) * every_s)
    return np.cumsum(gap)


def _seconds(index: pd.Index) -> np.ndarray:
    return np.asarray(pd.DatetimeIndex(index).as_unit("us").asi8 / 1e6)
