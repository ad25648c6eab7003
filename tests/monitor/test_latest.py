"""The latest sample of each tag, and the work that leaves room for others."""

import time

from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from monitor.historian.arrays import joined
from monitor.historian.latest import Latest
from monitor.pace import unhurried

SAMPLES = st.builds(
    Sample,
    tag=st.integers(0, 4),
    receive_us=st.just(0),
    value=st.one_of(st.floats(-1e6, 1e6), st.none(), st.sampled_from(["AUTO", 2**60])),
    reasons=st.sampled_from([Reason.COMMS, Reason.COMMS | Reason.STALE]),
    source_us=st.none() | st.integers(0, 9),
    detail=st.sampled_from(["", "why"]),
)
TICKS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.lists(SAMPLES, min_size=1, max_size=5)), min_size=1, max_size=4)
)


def rows_of(columns):
    return {
        tag: (at, source, repr(value), reasons, quality, columns.exact.get(row), columns.detail.get(row))
        for row, (tag, at, source, value, reasons, quality) in enumerate(
            zip(
                columns.tag.tolist(), columns.receive_us.tolist(), columns.source_us.tolist(), columns.value.tolist(),
                columns.reasons.tolist(), columns.quality.tolist(), strict=True,
            )
        )
    }  # fmt: skip


@given(ticks=TICKS)
def test_of_any_ticks_the_newest_of_each_tag_is_kept_with_all_that_belongs_to_it(ticks):
    latest, wanted = Latest(), {}
    for tick in ticks:
        batches = [batch_of("s", at_us, samples) for at_us, samples in tick]
        latest.take(joined(batches))
        for batch in batches:
            for row in range(len(batch)):
                tag = int(batch.tag[row])
                if tag not in wanted or wanted[tag][0] <= batch.receive_us:
                    wanted[tag] = (batch.receive_us, int(batch.source_us[row]), repr(float(batch.value[row])),
                                   int(batch.reasons[row]), int(batch.quality[row]), batch.exact.get(row),
                                   batch.detail.get(row))  # fmt: skip
    assert rows_of(latest.columns()) == wanted
    assert latest.newest_us == max((row[0] for row in wanted.values()), default=None)


def test_a_tag_that_is_no_longer_configured_is_forgotten():
    latest = Latest()
    latest.take(joined([batch_of("s", 7, [Sample(0, 0, 1.0), Sample(1, 0, "AUTO"), Sample(5, 0, 3.0)])]))
    latest.keep(joined([batch_of("s", 7, [Sample(0, 0, 1.0), Sample(9, 0, 1.0)])]).tag)
    assert list(rows_of(latest.columns())) == [0]
    assert latest.columns().exact == {}


def test_a_long_work_rests_twice_as_long_as_it_works():
    start_s, work_s = time.monotonic(), time.thread_time()
    for _ in unhurried(range(4), 2):
        until_s = time.thread_time() + 0.01
        while time.thread_time() < until_s:
            pass
    worked_s = time.thread_time() - work_s
    assert time.monotonic() - start_s >= 2.9 * worked_s - 0.01


def test_a_work_in_pieces_loses_none():
    assert list(unhurried(range(7), 3)) == list(range(7))
    assert list(unhurried(())) == []
