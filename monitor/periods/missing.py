"""When telemetry of a tag was missing in a span of days, in one pass over history and without holding it in memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from drivers.record import FROM_ELSEWHERE, Quality
from monitor.historian.gaps import BAD, NOTHING, Gap, spans
from monitor.progress import Tell, silent
from monitor.state import State
from monitor.transfer.samples import Reading


def gaps_of(
    state: State, longer_s: Mapping[str, float], start_us: int, end_us: int, spill: Path, tell: Tell = silent
) -> list[tuple[str, Gap]]:
    """(tag, gap) of each tag of `longer_s` (what is longer than so many seconds counts [s]) between two times (UTC).

    What people read, or what came from elsewhere, neither ends a gap nor makes one. `spill` is an empty folder.
    """
    stretches = {name: Stretches(start_us, longest_s * 1e6) for name, longest_s in longer_s.items()}
    for piece in Reading(state, spill).pieces(lambda _site, name, _facts: name in longer_s, start_us, end_us, tell):
        rows = piece.rows
        for name in pc.unique(rows["tag"]).to_pylist():
            mine = rows.filter(pc.equal(rows["tag"], name))
            mine = mine.filter(pc.equal(pc.bit_wise_and(mine["reasons"].cast("int64"), int(FROM_ELSEWHERE)), 0))
            bad = mine["quality"].cast("int64").to_numpy() == int(Quality.BAD)
            stretches[name].take(mine["receive_ms"].cast("int64").to_numpy() * 1000, bad)
    return [(name, gap) for name, mine in stretches.items() for gap in mine.gaps(end_us)]


class Stretches:
    """The gaps of one tag, from samples that come day by day: what begins before midnight goes on behind it."""

    def __init__(self, start_us: int, longest_us: float) -> None:
        self._longest_us = longest_us
        self._last: tuple[int, bool | None] = (start_us, None)  # the newest sample, and whether it was bad
        self._found: list[Gap] = []

    def take(self, times_us: np.ndarray, bad: np.ndarray) -> None:
        """The samples of one day more (UTC [us], ascending)."""
        if not len(times_us):
            return
        self._until(int(times_us[0]), bool(bad[0]))
        if len(times_us) > 1:
            first, last = int(times_us[0]), int(times_us[-1])
            for begin, end, why in spans(times_us[:-1], bad[:-1], first, last, self._longest_us):
                self._add(begin, end, why)
        self._last = int(times_us[-1]), bool(bad[-1])

    def gaps(self, end_us: int) -> list[Gap]:
        """The gaps up to there; those that touch are one, of the sort it began with."""
        self._until(end_us, False)
        self._add(end_us, end_us, "")
        joined: list[Gap] = []
        for gap in self._found[:-1]:
            if joined and joined[-1].end_us == gap.start_us:
                joined[-1] = replace(joined[-1], end_us=gap.end_us)
            else:
                joined.append(gap)
        return joined

    def _until(self, next_us: int, next_bad: bool) -> None:
        """From the newest sample to the next moment: it holds, if that is not too far."""
        since_us, was_bad = self._last
        held = BAD if (next_bad if was_bad is None else was_bad) else ""
        self._add(since_us, next_us, NOTHING if next_us - since_us > self._longest_us else held)

    def _add(self, begin_us: int, end_us: int, why: str) -> None:
        """One stretch more; of those before it only the last can still grow, so a short one goes."""
        before = self._found[-1] if self._found else None
        if before and before.why == why and before.end_us == begin_us:
            self._found[-1] = replace(before, end_us=end_us)
            return
        if before and (not before.why or before.end_us - before.start_us <= self._longest_us):
            self._found.pop()
        self._found.append(Gap(begin_us, end_us, why))
