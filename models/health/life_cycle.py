"""The life of an own alert: raised, recovering, closed.

After a fault has ended a plant needs time to return to its old state; most false alarms fall into that time. So an
alert that clears first recovers, and closes only after it has stayed normal; a gap in the telemetry changes nothing.
The minimum duration before an alert rises lies in the assessment: its score is a median, so that more than half of the
last 15 rows stand past the line. Daemon, back-test and evidence all run `advance`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

RAISED, RECOVERING, CLOSED = "raised", "recovering", "closed"
CLOSE_AFTER_US = 86_400 * 1_000_000  # what comes back with each day's duty is one episode


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from the row that raised it to the row that closed it; `end` is None while it stands."""

    start: pd.Timestamp
    end: pd.Timestamp | None
    top: tuple[str, ...]  # largest mean contribution over the rows past the alert line first


def advance(stage: str, since_us: int, level: str, now_us: int, close_after_us: int = CLOSE_AFTER_US) -> str:
    """The stage after one more assessment.

    `stage` is held since `since_us` [us, UTC]; `level` is normal, warning, alert or unknown. An alert rises at the
    alert line, recovers below the warning line only (hysteresis), and closes after `close_after_us` of recovering.
    """
    if level == "alert":
        return RAISED
    if stage == RAISED and level == "normal":
        return RECOVERING
    if stage == RECOVERING and level == "normal" and now_us - since_us >= close_after_us:
        return CLOSED
    return stage


def episodes(
    times: pd.DatetimeIndex, words: np.ndarray, names: Sequence[str] = (), shares: np.ndarray | None = None,
    close_after_us: int = CLOSE_AFTER_US,
) -> tuple[Episode, ...]:  # fmt: skip
    """The alerts of one walked past, in order: `words` and `shares` (rows x names) are those of a Walk.

    Rows that are unknown, among them all that follow a telemetry gap until there is enough data again, change nothing.
    """
    at_us = pd.DatetimeIndex(times).as_unit("us").asi8.tolist()
    found: list[Episode] = []
    stage, since, start = "", 0, 0
    past: list[int] = []

    def told(end: int | None) -> Episode:
        return Episode(times[start], None if end is None else times[end], _largest(names, shares, past))

    for row, word in enumerate(words):
        after = advance(stage, since, word, at_us[row], close_after_us)
        if after == RAISED and not stage:
            start, past = row, []
        if after == RAISED and word == "alert":
            past.append(row)
        if after != stage:
            since = at_us[row]
        if after == CLOSED:
            found.append(told(row))
            after = ""
        stage = after
    return (*found, told(None)) if stage else tuple(found)


def _largest(names: Sequence[str], shares: np.ndarray | None, rows: Sequence[int]) -> tuple[str, ...]:
    if shares is None or not names:
        return ()
    mean = np.nansum(np.asarray(shares, float)[list(rows)], axis=0)
    return tuple(names[i] for i in np.argsort(-mean, kind="stable"))
