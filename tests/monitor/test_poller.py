"""The poller with a source whose answers the test decides: on time, never piled up, never given up."""

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.errors import SourceDown
from drivers.record import Alert, Node, Quality, Reason, Sample, Tag
from drivers.source import Counts, SourceSpec
from monitor.daemon.poller import Cadence, Poller, phases


def made_spec(name="a", every_s=0.02, slow_s=None):
    tags = tuple(
        Tag(n, f"P1.{n}", "P1", "flow", "m3/h", name, Node(f"nsu=urn:x;s={n}"), every_s=slow_s if n == 2 else None)
        for n in range(3)
    )
    return SourceSpec(name, "scripted", "N", every_s, 1.0, tags, {"max_backoff_s": 0.05})


class Scripted:
    """A source that does what the test says: `answer` is a value, an exception to raise, or seconds to hang."""

    def __init__(self, spec, answer=1.0):
        self.spec, self.answer, self.raised, self.opened, self.closed = spec, answer, [], 0, 0
        self.counts = Counts()

    async def open(self):
        self.opened += 1

    async def read(self, tags):
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            await self.answer()
        if self.answer == "no news":
            return batch_of(self.spec.name, time.time_ns() // 1000, [])
        if self.answer == "gateway":
            words = "the gateway lives, the device behind it gives no answer"
            dead = [Sample(tag.number, 0, None, Reason.EXCEPTION | Reason.COMMS, None, words) for tag in tags]
            return batch_of(self.spec.name, time.time_ns() // 1000, dead)
        rows = [
            Sample(tag.number, 0, 1.0)
            if self.answer != "refuse tag 2" or tag.number != 2
            else Sample(2, 0, None, Reason.EXCEPTION, None, "exception 2")
            for tag in tags
        ]
        return batch_of(self.spec.name, time.time_ns() // 1000, rows)

    async def alerts(self):
        taken, self.raised = self.raised, []
        return taken

    async def close(self):
        self.closed += 1

    def explain(self):
        return []


class Bench:
    """A running poller and all it said."""

    def __init__(self, source):
        self.source, self.batches, self.changes, self.alerts = source, [], [], []
        self.poller = Poller(
            source, phase_s=0.0, on_batch=self.batches.append, on_change=self.changes.append,
            on_alerts=self.alerts.extend,
        )  # fmt: skip

    async def __aenter__(self):
        self.task = asyncio.create_task(self.poller.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.005)


async def test_a_source_is_polled_again_and_again_and_let_go_at_the_end():
    source = Scripted(made_spec())
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 5)
        assert bench.poller.link.state == "up"
        assert [change.after for change in bench.changes] == ["up"]
    assert (source.opened, source.closed) == (1, 1)


async def test_a_source_that_dies_is_bad_for_each_tag_and_comes_back_by_itself():
    source = Scripted(made_spec())
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 2)
        source.answer = SourceDown("a", "timeout after 1.0 s")
        await until(lambda: bench.poller.link.failures >= 5)
        assert bench.poller.link.state == "down"
        source.answer = 1.0
        await until(lambda: bench.poller.link.state == "up")
    assert [change.after for change in bench.changes] == ["up", "down", "up"]
    assert bench.changes[2].last_answer_us < bench.changes[1].at_us
    bad = [batch for batch in bench.batches if batch.quality.max() == Quality.BAD]
    assert len(bad) > 1
    assert all(Reason(int(bits)) == Reason.COMMS for batch in bad for bits in batch.reasons)
    assert bad[0].detail == dict.fromkeys(range(3), "timeout after 1.0 s")
    assert all(not batch.detail for batch in bad[1:])
    assert bench.poller.link.reconnects == 1
    assert source.opened >= 6


async def test_other_words_while_down_are_stored_once_more():
    source = Scripted(made_spec(), SourceDown("a", "timeout after 1.0 s"))
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 2)
        source.answer = SourceDown("a", "connection refused")
        await until(lambda: any("connection refused" in batch.detail.values() for batch in bench.batches))
        await until(lambda: not bench.batches[-1].detail)
    assert [change.after for change in bench.changes] == ["down"]


async def test_a_fault_of_the_driver_itself_is_stored_as_bad_and_polling_goes_on(caplog):
    source = Scripted(made_spec(), ZeroDivisionError("division by zero"))
    async with Bench(source) as bench:
        await until(lambda: bench.poller.link.failures >= 3)
        source.answer = 1.0
        await until(lambda: bench.poller.link.state == "up")
    assert bench.batches[0].detail[0] == "ZeroDivisionError: division by zero"
    assert sum("should not" in record.message for record in caplog.records) == 1


async def test_a_source_that_cannot_even_be_closed_is_down_and_is_tried_again(caplog):
    source = Scripted(made_spec(), SourceDown("a", "gone"))
    closing = source.close

    async def close():
        await closing()
        raise TypeError("half closed")

    source.close = close
    async with Bench(source) as bench:
        await until(lambda: source.closed > 1)
        assert bench.poller.link.state == "down"
        source.answer = 1.0
        await until(lambda: bench.poller.link.state == "up")
    assert caplog.text.count("failed in closing") == 2  # at the fall and at the end


async def test_a_device_that_refuses_one_tag_is_degraded_and_the_others_stay_good():
    source = Scripted(made_spec(slow_s=0.04), "refuse tag 2")
    async with Bench(source) as bench:
        await until(lambda: bench.poller.link.polls >= 6)
        assert bench.poller.link.note == "1 of 3 tags without an answer: exception 2"
        source.answer = 1.0
        await until(lambda: bench.poller.link.state == "up")
    assert [change.after for change in bench.changes] == ["degraded", "up"]


async def test_a_source_that_hangs_does_not_delay_another():
    released = asyncio.Event()
    hanging, alive = Scripted(made_spec("hangs"), released.wait), Scripted(made_spec("alive"))
    async with Bench(hanging) as first, Bench(alive) as second:
        await until(lambda: len(second.batches) >= 20)
        assert first.batches == []
        released.set()
        await until(lambda: first.poller.link.state == "up")
        await until(lambda: first.poller.link.skipped >= 1)
        assert len(first.batches) < 20


async def test_alerts_of_the_device_are_handed_on():
    source = Scripted(made_spec())
    alert = Alert("C-1", "vendor", "P1", "", "dry_running", "warning", "dry", 1)
    async with Bench(source) as bench:
        source.raised = [alert]
        await until(lambda: bench.alerts == [alert])


@given(
    st.sampled_from([1.0, 5.0, 60.0]),
    st.one_of(st.none(), st.sampled_from([2.0, 30.0])),
    st.lists(st.floats(0.0, 200.0), max_size=30),
)
def test_due_times_neither_drift_nor_pile_up(every_s, slow_s, waits):
    spec = made_spec(every_s=every_s, slow_s=slow_s)
    cadence, now_s, taken, skipped = Cadence(spec, 100.0), 100.0, {0: 0, 2: 0}, 0
    for wait_s in waits:
        now_s += wait_s
        tags, missed = cadence.take(now_s)
        skipped += missed
        for number in taken:
            taken[number] += number in {tag.number for tag in tags}
        assert cadence.next_s > now_s
        assert (cadence.next_s - 100.0) % min(every_s, slow_s or every_s) == pytest.approx(0.0, abs=1e-9) or slow_s
        assert cadence.take(now_s) == ([], 0)
    fast = int((now_s - 100.0) // every_s) + 1 if waits else 0
    slow = int((now_s - 100.0) // (slow_s or every_s)) + 1 if waits else 0
    polled = taken[0] + (taken[2] if slow_s and slow_s != every_s else 0)
    assert polled + skipped == fast + (slow if slow_s and slow_s != every_s else 0)


async def test_a_device_with_few_slots_is_let_go_of_and_not_hurried():
    spec = made_spec()
    few = SourceSpec(*[getattr(spec, key) for key in spec.__slots__[:6]], {"max_clients": 4, "max_backoff_s": 60.0})
    source = Scripted(few, SourceDown("a", "timeout after 1.0 s"))
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 10)
        assert (source.opened, source.closed) == (1, 1)
        assert bench.poller._try_again_s - time.monotonic() > 50


async def test_a_subscription_without_news_is_a_link_that_answers():
    source = Scripted(made_spec(), "no news")
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 3)
        assert (bench.poller.link.state, len(bench.batches[-1])) == ("up", 0)
        assert bench.poller.link.last_answer_s is not None


async def test_a_gateway_that_only_speaks_for_dead_devices_is_no_answer():
    source = Scripted(made_spec(), "gateway")
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 3)
        link = bench.poller.link
        assert (link.state, link.last_answer_s) == ("down", None)
        assert link.note == "3 of 3 tags without an answer: the gateway lives, the device behind it gives no answer"
        assert (source.opened, source.closed) == (1, 0)
        source.answer = 1.0
        await until(lambda: link.last_answer_s is not None)
        assert (link.state, link.note) == ("up", "")
    assert [change.after for change in bench.changes] == ["down", "up"]


async def test_other_causes_are_told_once_each_however_often_they_take_turns(caplog):
    source = Scripted(made_spec(), SourceDown("a", "no answer within 1.0 s"))
    async with Bench(source) as bench:
        await until(lambda: bench.poller.link.failures)
        for turn in range(40):
            kind = f"word{chr(97 + turn // 2)}" if turn % 2 else "certificate 00:11 is not the pinned one"
            source.answer = SourceDown("a", f"{kind} {turn}")
            await until(lambda at=turn: bench.poller.link.note.endswith(f" {at}"))
        assert bench.poller.link.note.startswith("word")
        assert bench.poller.link.why == bench.poller.link.note
    assert len(bench.changes) == 1
    told = [record.getMessage() for record in caplog.records if "still down, but now" in record.getMessage()]
    assert len(told) == 7
    assert sum("certificate" in one for one in told) == 1


async def test_an_asset_of_which_nothing_is_answered_is_named_and_one_that_misses_a_tag_is_not():
    spec = made_spec()
    source = Scripted(replace(spec, tags=(*spec.tags[:2], replace(spec.tags[2], asset="P2"))), "refuse tag 2")
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 3)
        assert list(bench.poller.link.silent) == ["P2"]
        source.answer = SourceDown("a", "no answer")
        await until(lambda: bench.poller.link.failures)
        assert list(bench.poller.link.silent) == ["P2", "P1"]
        source.answer = 1.0
        await until(lambda: not bench.poller.link.silent)
    source = Scripted(spec, "refuse tag 2")
    async with Bench(source) as bench:
        await until(lambda: len(bench.batches) >= 3)
        assert (bench.poller.link.state, bench.poller.link.silent) == ("degraded", {})


def test_sources_start_spread_over_their_period():
    specs = [made_spec(f"s{n}", every_s=5.0) for n in range(5)]
    assert list(phases(specs).values()) == [0.0, 1.0, 2.0, 3.0, 4.0]
