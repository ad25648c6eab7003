"""Gaps: the spans of a tag in which nothing was recorded, or nothing that could be used."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

NOTHING, BAD = "nothing", "bad"


@dataclass(frozen=True, slots=True)
class Gap:
    """From the last sample before it to the first one after it (UTC) [us]; an open end may lie further out."""

    start_us: int
    end_us: int
    why: str  # NOTHING: no sample; BAD: samples, all of them bad
    open_start: bool = False  # no usable sample stands before it in the span that was asked for
    open_end: bool = False


def gaps(times_us: np.ndarray, bad: np.ndarray, start_us: int, end_us: int, longer_than_s: float) -> list[Gap]:
    """The gaps of more than `longer_than_s` [s] between start and end, in order of time.

    `times_us` (i64, UTC [us], ascending) and `bad` (bool) are the samples with start <= time < end. Between two samples
    that lie no further apart the first one holds.
    """
    longest_us = longer_than_s * 1e6
    begins_known = len(times_us) > 0 and times_us[0] == start_us and not bad[0]
    return [
        Gap(begin, end, why, begin == start_us and not begins_known, end == end_us)
        for begin, end, why in spans(times_us, bad, start_us, end_us, longest_us)
        if why and end - begin > longest_us
    ]


def spans(
    times_us: np.ndarray, bad: np.ndarray, start_us: int, end_us: int, longest_us: float
) -> Iterator[tuple[int, int, str]]:
    """(start, end, what holds) of each span in which the same holds: NOTHING, BAD or "" for usable samples."""
    edges = [start_us, *times_us.tolist(), end_us]
    held = [BAD if one else "" for one in bad.tolist()]
    begin, before = start_us, None
    for since, until, holds in zip(edges, edges[1:], [*held[:1], *held] or [""], strict=False):
        why = NOTHING if until - since > longest_us else holds
        if before is not None and why != before:
            yield begin, since, before
            begin = since
        before = why
    if before is not None:
        yield begin, end_us, before
