"""When telemetry of a tag was missing in a span of days, in one pass over history and without holding it in memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from drivers.record import FROM_ELSEWHERE, Quality
from monitor.historian.gaps import NOTHING, Gap, gaps
from monitor.historian.parquet import DAY_MS, day_of
from monitor.progress import Tell, silent
from monitor.state import State
from monitor.transfer.samples import Reading, day_us

_DAY_US = DAY_MS * 1000


def gaps_of(
    state: State, longer_s: Mapping[str, float], start_us: int, end_us: int, spill: Path, tell: Tell = silent
) -> list[tuple[str, Gap]]:
    """(tag, gap) of each tag of `longer_s` (what is longer than so many seconds counts [s]) between two times (UTC).

    What people read, or what came from elsewhere, neither ends a gap nor makes one. `spill` is an empty folder.
    """
    seen: dict[tuple[str, str], list[Gap]] = {}
    for piece in Reading(state, spill).pieces(lambda _site, name, _facts: name in longer_s, start_us, end_us, tell):
        rows = piece.rows
        low, high = max(day_us(piece.day), start_us), min(day_us(piece.day) + _DAY_US, end_us)
        for name in pc.unique(rows["tag"]).to_pylist():
            mine = rows.filter(pc.equal(rows["tag"], name))
            own = pc.equal(pc.bit_wise_and(mine["reasons"].cast("int64"), int(FROM_ELSEWHERE)), 0)
            mine = mine.filter(own)
            times = mine["receive_ms"].cast("int64").to_numpy() * 1000
            bad = mine["quality"].cast("int64").to_numpy() == int(Quality.BAD)
            seen[name, piece.day] = gaps(times, bad, low, high, longer_s[name])
    found: list[tuple[str, Gap]] = []
    for name in longer_s:
        joined: list[Gap] = []
        for low in range(start_us // _DAY_US * _DAY_US, end_us, _DAY_US):
            edges = max(low, start_us), min(low + _DAY_US, end_us)
            whole = [Gap(*edges, NOTHING)] if (edges[1] - edges[0]) / 1e6 > longer_s[name] else []
            for gap in seen.get((name, day_of(low // 1000)), whole):
                if joined and joined[-1].end_us == gap.start_us:
                    joined[-1] = replace(joined[-1], end_us=gap.end_us)
                else:
                    joined.append(gap)
        found += [(name, gap) for gap in joined]
    return found
