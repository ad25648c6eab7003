"""What every historian must do, written against the protocol alone: whoever keeps samples in another way runs these.

A case gets a Bench: the historian, the tags it knows, and `age`, which lets time pass over what was appended (a fold, a
purge, nothing). Each look is taken before and after.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from drivers.batch import Batch, batch_of
from drivers.record import FROM_ELSEWHERE, Reason, Sample, quality_of
from monitor.historian.gaps import BAD, NOTHING
from monitor.historian.store import Historian

START_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
START_S = START_MS // 1000
HOUR_S = 3_600
ALL = (0, 2**60)
KEYS = ["tag", "receive_us", "value", "reasons", "exact"]


@dataclass(frozen=True)
class Bench:
    """A historian at work; `tags` are names by the number that a batch uses."""

    historian: Historian
    tags: Sequence[str]
    age: Callable[[], None]

    def put(self, *samples: Sample, t_ms: int | None = None) -> None:
        """One tick; each sample came at its receive_us."""
        at_ms = max(sample.receive_us for sample in samples) // 1000 if t_ms is None else t_ms
        self.historian.append(batches_of(samples), at_ms)

    def looks(self) -> Iterable[Historian]:
        """The historian as it is now and as it is when time has passed."""
        yield self.historian
        self.age()
        yield self.historian


def batches_of(samples: Iterable[Sample]) -> list[Batch]:
    """A batch for each time of receipt, in order of coming."""
    by_time: dict[int, list[Sample]] = {}
    for sample in samples:
        by_time.setdefault(sample.receive_us, []).append(sample)
    return [batch_of("s", receive_us, rows) for receive_us, rows in by_time.items()]


def at(seconds: float, number: int, value: float | str | int | None, reasons: Reason = Reason.OK, **more) -> Sample:
    return Sample(number, START_MS * 1000 + round(seconds * 1e6), value, reasons, **more)


def told(bench: Bench, samples: Iterable[Sample], start_us: int = 0, end_us: int = 2**60) -> list[tuple]:
    """What `read` should give of these samples, as plain tuples."""
    rows = []
    for one in samples:
        if not start_us <= one.receive_us // 1000 * 1000 < end_us:
            continue
        batch = batch_of("", 0, [one])
        receive = one.receive_us // 1000 * 1000
        source = -1 if one.source_us is None else one.source_us // 1000 * 1000
        number = None if math.isnan(batch.value[0]) else float(batch.value[0])
        name, why, exact = bench.tags[one.tag], int(one.reasons), batch.exact.get(0)
        told_us = -1 if source == receive else source
        rows.append((name, receive, told_us, number, int(quality_of(one.reasons)), why, exact, one.detail or None))
    return sorted(rows, key=repr)


def rows_of(found: pd.DataFrame) -> list[tuple]:
    """The same from what `read` gave."""
    names = ["tag", "receive_us", "source_us", "value", "quality", "reasons", "exact", "detail"]
    rows = [tuple(row) for row in found[names].itertuples(index=False)]
    return sorted(((*row[:3], None if math.isnan(row[3]) else row[3], *row[4:]) for row in rows), key=repr)


samples = st.builds(
    at,
    st.one_of(st.integers(0, 7_300), st.integers(0, 7_300_000).map(lambda ms: ms / 1000)),
    st.integers(0, 3),
    st.one_of(st.floats(-1e9, 1e9), st.none(), st.sampled_from(["AUTO", "§ 'quoted'", ""]), st.integers(2**53, 2**60)),
    st.sampled_from([Reason.OK, Reason.STALE, Reason.SENSOR, Reason.ESTIMATED, Reason.MANUAL | Reason.SUBSTITUTE,
                     Reason.IMPORTED]),
    source_us=st.one_of(st.none(), st.integers(START_MS * 1000, START_MS * 1000 + 10**10)),
    detail=st.sampled_from(["", "timeout after 1.0 s"]),
)  # fmt: skip


def mended(sample: Sample) -> Sample:
    """None says that nothing was decoded: such a sample has a reason."""
    bare = sample.value is None and not sample.reasons
    return Sample(sample.tag, sample.receive_us, sample.value, Reason.COMMS if bare else sample.reasons,
                  sample.source_us, sample.detail)  # fmt: skip


ticks = st.lists(st.lists(samples.map(mended), max_size=6), max_size=8)  # of several batches, late, empty, doubled


def check_read(bench: Bench, given: Sequence[Sequence[Sample]], start_s: int, end_s: int) -> None:
    """Whatever was appended in whatever order is what is read, for any span, before and after."""
    for n, tick in enumerate(given):
        bench.historian.append(batches_of(tick), START_MS + 8_000_000 + 1_000 * n)
    everything = [one for tick in given for one in tick]
    edges = ((START_S + second) * 1_000_000 for second in (start_s, end_s))
    start_us, end_us = edges
    for historian in bench.looks():
        assert rows_of(historian.read(bench.tags, *ALL)) == told(bench, everything)
        found = historian.read(bench.tags, start_us, end_us)
        assert rows_of(found) == told(bench, everything, start_us, end_us)
        assert found.equals(found.sort_values(["tag", "receive_us"], kind="stable", ignore_index=True))
        one = historian.read(bench.tags[:1], start_us, end_us)
        assert rows_of(one) == told(bench, [s for s in everything if s.tag == 0], start_us, end_us)


def check_latest(bench: Bench, given: Sequence[Sequence[Sample]]) -> None:
    """The latest of each tag is the newest that we read ourselves; of two at one time the one that came later."""
    newest: dict[str, Sample] = {}
    for n, tick in enumerate(given):
        bench.historian.append(batches_of(tick), START_MS + 8_000_000 + 1_000 * n)
        for batch in batches_of(tick):
            for one in batch.rows():
                before = newest.get(bench.tags[one.tag])
                if not one.reasons & FROM_ELSEWHERE and (before is None or before.receive_us <= one.receive_us):
                    newest[bench.tags[one.tag]] = one
    for historian in bench.looks():
        found = historian.latest()
        assert {name: repr(replaced(one)) for name, one in found.items()} == {
            name: repr(replaced(one)) for name, one in newest.items()
        }


def replaced(sample: Sample) -> Sample:
    """The same without its number, which is the historian's own."""
    return Sample(0, sample.receive_us, sample.value, sample.reasons, sample.source_us, sample.detail)


def check_rollup(bench: Bench, given: Sequence[Sequence[Sample]], span_s: int, start_s: int, end_s: int) -> None:
    """A rollup is what a plain reckoning over the samples gives; our own count before those from elsewhere."""
    for n, tick in enumerate(given):
        bench.historian.append(batches_of(tick), START_MS + 8_000_000 + 1_000 * n)
    everything = [one for tick in given for one in tick]
    expected = {}
    for name, number in ((name, number) for number, name in enumerate(bench.tags)):
        for t_s in range(START_S - HOUR_S, START_S + 3 * HOUR_S, span_s):
            inside = [s for s in everything if s.tag == number and s.receive_us // 1_000_000 // span_s * span_s == t_s]
            mine = [s for s in inside if not s.reasons & FROM_ELSEWHERE] or inside
            if mine and START_S + start_s <= t_s < START_S + end_s:
                expected[name, t_s] = figures(mine)
    for historian in bench.looks():
        found = historian.rollup(bench.tags, span_s, START_S + start_s, START_S + end_s)
        rows = {(row.tag, row.t_s): row for row in found.itertuples(index=False)}
        assert rows.keys() == expected.keys()
        for key, (n, good, low, mean, high, last) in expected.items():
            row = rows[key]
            assert (row.n, row.good) == (n, good)
            if low is None:
                assert all(math.isnan(one) for one in (row.min, row.mean, row.max, row.last))
            else:
                assert (row.min, row.max) == (low, high)
                assert row.mean == pytest.approx(mean, rel=1e-9, abs=1e-6)
                assert row.last in last


def figures(mine: Sequence[Sample]) -> tuple:
    """n, good, min, mean, max, and what the last may be: of several in one ms any."""
    good = [one for one in mine if quality_of(one.reasons) == 0]
    numbers = [(one.receive_us // 1000, float(one.value)) for one in good if isinstance(one.value, int | float)]
    if not numbers:
        return len(mine), len(good), None, None, None, None
    values, newest = [value for _, value in numbers], max(ms for ms, _ in numbers)
    last = [value for ms, value in numbers if ms == newest]
    return len(mine), len(good), min(values), math.fsum(values) / len(values), max(values), last


def late_samples_find_their_place(bench: Bench) -> None:
    bench.put(at(10, 0, 1.0), at(10, 1, 5.0))
    bench.put(at(30, 0, 3.0))
    bench.put(at(20, 0, 2.0), at(10, 0, 1.5), t_ms=START_MS + 40_000)  # late, and a second one for a time there is
    for historian in bench.looks():
        found = historian.read([bench.tags[0]], *ALL)
        assert found["receive_us"].is_monotonic_increasing
        assert sorted(found["value"]) == [1.0, 1.5, 2.0, 3.0]  # nothing overwritten
        assert historian.latest()[bench.tags[0]].value == 3.0
        (row,) = historian.rollup([bench.tags[0]], 60, START_S, START_S + 60).itertuples()
        assert (row.n, row.min, row.max, row.last) == (4, 1.0, 3.0, 3.0)


def a_reading_by_hand_stands_beside_what_was_measured(bench: Bench) -> None:
    by_hand = Reason.MANUAL | Reason.SUBSTITUTE
    bench.put(*(at(second, 0, 2.0) for second in range(0, 60, 10)))
    bench.put(at(20, 0, 99.0, by_hand, detail="entered 2026-11-23T08:00Z"), t_ms=START_MS + 70_000)
    bench.put(at(130, 0, 98.0, by_hand), at(200, 0, 7.0, Reason.IMPORTED), t_ms=START_MS + 300_000)
    for historian in bench.looks():
        found = historian.read([bench.tags[0]], *ALL)
        assert len(found) == 9
        assert found.loc[found["value"] == 99.0, "detail"].tolist() == ["entered 2026-11-23T08:00Z"]
        assert historian.latest()[bench.tags[0]].value == 2.0
        rollup = historian.rollup([bench.tags[0]], 60, START_S, START_S + 300)
        assert rollup["n"].tolist() == [6, 1, 1]
        assert rollup["max"].fillna(-1).tolist() == [2.0, -1, 7.0]  # the minute's only sample is uncertain: no figure
        values, share = historian.frames("pump1", START_MS * 1000, (START_MS + 240_000) * 1000, 60)
        assert values["flow"].fillna(-1).tolist() == [2.0, -1, -1, 7.0]
        assert share["flow"].tolist() == [1.0, 0.0, 0.0, 1.0]


def an_hour_of_downtime_is_a_gap_and_bad_samples_are_another(bench: Bench) -> None:
    first = [at(second, 0, 1.0) for second in range(0, 60, 5)]
    after = [at(second, 0, 1.0) for second in range(3_655, 3_700, 5)]
    bad = [at(second, 0, None, Reason.COMMS) for second in range(3_700, 3_800, 5)]
    good = [at(second, 0, 2.0) for second in range(3_800, 3_900, 5)]
    for one in (*first, *after, *bad, *good):
        bench.put(one)
    bench.put(at(1_800, 0, 4.0, Reason.MANUAL | Reason.SUBSTITUTE), t_ms=START_MS + 4_000_000)
    begin, end = START_MS * 1000 - 600_000_000, START_MS * 1000 + 3_895_000_001
    for historian in bench.looks():
        found = historian.gaps(bench.tags[0], begin, end, 30)
        spans = [((one.start_us - START_MS * 1000) / 1e6, (one.end_us - START_MS * 1000) / 1e6) for one in found]
        assert spans == [(-600, 0), (55, 3_655), (3_700, 3_800)]
        assert [one.why for one in found] == [NOTHING, NOTHING, BAD]
        assert [(one.open_start, one.open_end) for one in found] == [(True, False), (False, False), (False, False)]
        assert historian.gaps(bench.tags[0], begin, end, 4_000) == []
        (never,) = historian.gaps(bench.tags[3], begin, end, 30)
        assert (never.why, never.open_start, never.open_end) == (NOTHING, True, True)


def frames_for_models_have_means_last_states_and_shares_of_good(bench: Bench) -> None:
    bench.put(at(0, 0, 10.0), at(0, 2, 1.0))
    bench.put(at(20, 0, 20.0), at(20, 2, 0.0))
    bench.put(at(40, 0, 1e6, Reason.SENSOR), at(40, 1, 5.0, Reason.FORCED))
    for historian in bench.looks():
        values, share = historian.frames("pump1", START_MS * 1000, (START_MS + 120_000) * 1000, 60)
        assert values.loc[values.index[0], ["flow", "running"]].tolist() == [15.0, 0.0]
        assert np.isnan(values["discharge_pressure"]).all()
        assert share["flow"].round(6).tolist() == [0.666667, 0.0]
        assert share["discharge_pressure"].tolist() == [0.0, 0.0]


def an_empty_tick_and_an_empty_question_are_nothing(bench: Bench) -> None:
    before = bench.historian.append([], START_MS)
    assert bench.historian.append([batch_of("s", START_MS * 1000, [])], START_MS) == before
    for historian in bench.looks():
        assert len(historian.read(bench.tags, *ALL)) == 0
        assert len(historian.read([], *ALL)) == 0
        assert len(historian.rollup(bench.tags, 60, START_S, START_S + 600)) == 0
        assert historian.latest() == {}
        assert historian.gaps(bench.tags[0], 5, 5, 1) == []
        assert len(historian.read(["no.such.tag"], *ALL)) == 0
        with pytest.raises(ValueError, match="rollup"):
            historian.rollup(bench.tags, 61, 0, 1)


def purging_and_looking_after_itself(bench: Bench) -> None:
    bench.put(at(0, 0, 1.0))
    bench.put(at(1, 0, 2.0))
    for historian in bench.looks():
        historian.purge(2**60)  # nothing leaves that lies nowhere else
        assert historian.read([bench.tags[0]], *ALL)["value"].tolist() == [
            1.0,
            2.0,
        ]
        assert historian.verify() == []
        how = historian.health()
        assert how.damaged == 0
        assert how.hot_bytes > 0


CASES = (
    late_samples_find_their_place,
    a_reading_by_hand_stands_beside_what_was_measured,
    an_hour_of_downtime_is_a_gap_and_bad_samples_are_another,
    frames_for_models_have_means_last_states_and_shares_of_good,
    an_empty_tick_and_an_empty_question_are_nothing,
    purging_and_looking_after_itself,
)
