"""Whether what was judged last still is of now: a pump that has run since is not judged by what it did before.

A pump that stands keeps the index of its last run, as long as it was seen to stand.
"""

from dataclasses import replace
from datetime import tzinfo
from math import ceil
from typing import NamedTuple

import numpy as np

from models.health import Assessment
from models.health.assessment import IN_THE_DARK, NO_GOOD_DATA, TOO_FEW
from models.health.detector import LAGS, SMOOTH_LEAST
from models.health.judged import Line
from models.health.state import GAP_ROWS, MASK_S, OFF, STEADY
from monitor.historian.rollup import MINUTE_S
from monitor.judge.own_alerts import LEVEL_OF
from monitor.judge.reservations import word_of
from monitor.words import _, age_text, local_text, parse_utc

NOW_S = 900.0  # how old a judged row may be where the pump is read live and runs
HOLE_S = 7200.0  # unseen for longer, a pump may have run as long as a judgement takes
DAY_US = 86_400_000_000
ROWS_NEEDED = LAGS - 1 + SMOOTH_LEAST
FEW = (TOO_FEW, NO_GOOD_DATA, IN_THE_DARK)


class Judged(NamedTuple):
    """An assessment, the distance of its rows [s], and the longest time without a good sample since its index [s]."""

    found: Assessment
    every_s: float
    hole_s: float = 0.0


def of_now(newest: Judged, told: Judged, live: bool, now_us: int, zone: tzinfo) -> Judged:
    """`told`, or an unknown where it is of rows before the present run; `newest` is of the rows nearest to now.

    An asset that is `live` gives values now: its rows are old after NOW_S, those of others after two of them.
    """
    found, every_s = told.found, told.every_s
    now = newest.found if live else found
    if found.index is None or found.index_at is None:
        return told
    at_us = parse_utc(found.index_at)
    limit_us = 1e6 * (NOW_S if live else max(NOW_S, 2 * every_s))
    if now_us - at_us <= limit_us:
        return told
    blind = told.hole_s > max(HOLE_S, 2 * every_s)
    stands = now.state == found.state == OFF or (now is found and found.state != STEADY)
    ran_us = parse_utc(now.lines_at) - at_us if now.lines_at else 0
    if stands and not blind and ran_us <= 1e6 * (NOW_S if now is found else every_s):
        return told
    form = "%H:%M" if now_us - at_us < DAY_US else "%Y-%m-%d %H:%M"
    words = _("last judged at {time}; since then too few rows").format(time=local_text(at_us, zone, form))
    if stands and blind:
        words = _("last judged at {time}; since then unseen for {age}: it may have run").format(
            time=local_text(at_us, zone, form), age=age_text(told.hole_s))  # fmt: skip
    if now is not found:
        few = not now.reasons or any(one in FEW for one in now.reasons)
        return newest._replace(found=replace(now, reasons=(words, *now.reasons))) if few else newest
    fresh = found.lines_at is not None and now_us - parse_utc(found.lines_at) <= limit_us
    lines = found.lines if fresh else tuple(_silent(one, words, live) for one in found.lines)
    return told._replace(found=replace(found, index=None, word=word_of(lines), score=None, contributions=(),
                                       lines=lines, reasons=(words, *found.reasons)))  # fmt: skip


def unseen_s(seen: np.ndarray, time_us: np.ndarray, since_us: int, every_s: float) -> float:
    """The longest time without a good sample in the rows after `since_us` [us, UTC]; `seen` marks the rows with one."""
    rows = np.flatnonzero(seen[time_us > since_us])
    count = int((time_us > since_us).sum())
    return float(np.diff(rows, prepend=-1, append=count).max() - 1) * every_s


def while_learning(found: Assessment, seen: np.ndarray, every_s: float) -> Assessment:
    """An assessment that lacks rows of now only, in words that say how long that takes.

    `seen` marks the minutes with a good sample, up to now; `every_s` [s] is the distance of the rows that come first.
    """
    rows = np.append(np.flatnonzero(seen), len(seen))
    after = np.flatnonzero(np.diff(rows) > GAP_ROWS + 1) + 1  # where a stretch begins
    count = len(seen) - int(rows[after[-1] if len(after) else 0])
    needed = ceil((ROWS_NEEDED * every_s + MASK_S) / MINUTE_S) + 1  # and the minute in which it began
    if found.index is not None or TOO_FEW not in found.reasons or count >= needed:
        return found
    words = _("learning what is now: {n} of {needed} minutes").format(n=count, needed=needed)
    return replace(found, reasons=(words, *(one for one in found.reasons if one != TOO_FEW)))


def _silent(line: Line, why: str, live: bool) -> Line:
    """A line that rests on the last steady row; that of a sensor that stands still rests on the last row of all."""
    if line.word not in LEVEL_OF or (live and line.name == "frozen"):
        return line
    return replace(line, word="cannot_tell", note=why)
