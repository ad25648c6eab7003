"""Lines of use: how often a pump starts, and whether the pumps of one duty share the work."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from models.health.judged import Rows, Track, track
from models.health.limits import starts_limit
from models.health.physics import Rated
from models.health.state import row_starts, running_share

HOUR_S, ENOUGH_S = 3600.0, 3000.0
DUTY_DAYS, LEAST_DAYS, LEAST_HOURS = 30, 20, 24.0  # of known rows, and of hours that the group ran in all


def use_lines(rows: Rows) -> Iterator[Track]:
    """Starts per hour, and the share of the group's run hours."""
    allowed = starts_limit(rows.rated)
    if allowed is not None and ("starts" in rows or "running" in rows):
        yield _starts(rows, allowed)
    if "duty_share" in rows.beside:
        share = rows.beside["duty_share"][..., rows.at]
        off = rows.limits.duty_share_percent - 50
        yield track("duty_balance", "%", "use", share, np.isfinite(share).astype(int), 50.0, 0.0, (off, None),
                    np.abs(share - 50), rows.limits.coverage,
                    needs=f"needs {LEAST_DAYS} known days of {DUTY_DAYS} of each pump of the duty, and "
                          f"{LEAST_HOURS:g} hours of running")  # fmt: skip


def _starts(rows: Rows, allowed: float) -> Track:
    """Starts in the last hour, from the counter where it is known, else from the run signal.

    The run signal misses starts between two rows: rows too long to show too many say so.
    """
    value, n, blind = np.full(rows.asked, np.nan), np.zeros(rows.asked, int), np.zeros(rows.asked, bool)
    most = HOUR_S / (2 * rows.every_s)
    for name in ("running", "starts"):
        if name in rows:
            counted, seen = _last_hour(rows, name)
            known = np.isfinite(counted)
            value, n = np.where(known, counted, value), np.where(known, seen, n)
            blind = np.where(known, (name == "running") & (most <= allowed), blind)
    excess = np.where(blind & (value <= allowed), np.nan, value - allowed)
    told = f"rows of {rows.every_s:g} s show at most {most:.3g} starts per hour; needs the counter of starts"
    return track("starts_per_h", "1/h", "starts", value, n, allowed, 0.0, (0.0, None), excess, rows.limits.coverage,
                 needs="needs 50 minutes of good data", notes=np.where(blind, told, "").astype(object))  # fmt: skip


def _last_hour(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Starts per hour in the hour up to each asked row, and the good rows behind it; NaN with less than 50 minutes."""
    known = np.flatnonzero(np.isfinite(rows[name]))
    if not len(known):
        return np.full(rows.asked, np.nan), np.zeros(rows.asked, int)
    one, row, start = rows[name].ravel()[known], known % rows.shape[-1], row_starts(rows.shape)
    if name == "starts":
        new = np.maximum(np.diff(one, prepend=one[:1]), 0.0)  # a counter that was set back has started no pump
    else:
        on = one > 0.5
        new = np.concatenate([[False], on[1:] & ~on[:-1]]).astype(float)
    new[1:][row[1:] < row[:-1]] = 0.0  # another asset begins
    total = np.cumsum(new)
    last = np.searchsorted(known, start + rows.at, side="right") - 1
    oldest = np.searchsorted(rows.time_s, rows.time_s[rows.at] - HOUR_S, side="left")
    first = np.searchsorted(known, start + oldest)
    seen = first <= last
    first, last = np.where(seen, first, 0), np.where(seen, last, 0)
    seconds = np.where(seen, rows.time_s[row[last]] - rows.time_s[row[first]], 0.0)
    enough = seconds >= ENOUGH_S
    value = np.where(enough, (total[last] - total[first]) * HOUR_S / np.where(enough, seconds, 1.0), np.nan)
    return value, np.where(seen, last - first + 1, 0)


def hours_run(values: pd.DataFrame, rated: Rated, every_s: float) -> pd.Series:
    """Hours run in each row: from the hour counter, else from the run signal, speed or power; NaN where unknown."""
    if "run_hours" in values:
        counted = values["run_hours"].ffill()
        told = counted.diff().where(values["run_hours"].notna())
        return told.where((told >= 0) & (told <= 24.0))  # an exchanged counter tells nothing in that row
    return pd.Series(running_share(values, rated, (len(values),)) * every_s / HOUR_S, values.index)


def duty_shares(hours: pd.DataFrame, every_s: float, days: int = DUTY_DAYS) -> pd.DataFrame:
    """Each pump's run hours in the last `days`, beside the mean of the others of its duty: 50 % is an even share. [%]

    `hours` has one column per pump of the group, hours run per row (`hours_run`). NaN where any of them is unknown for
    more than a third of the time, or where they ran less than a day in all.

    Of two pumps it is the pump's share of the hours: 420 h and 180 h are 70 % and 30 %.
    """
    window, least = f"{days}D", LEAST_DAYS / DUTY_DAYS * days * 86400 / every_s
    total = hours.rolling(window, min_periods=1).sum()
    known = (hours.rolling(window, min_periods=1).count() >= least).all(axis=1)
    others = (total.sum(axis=1).to_numpy()[:, None] - total) / max(len(hours.columns) - 1, 1)
    enough = known & (total.sum(axis=1) >= LEAST_HOURS) & (len(hours.columns) > 1)
    return (100 * total / (total + others)).where(enough)
