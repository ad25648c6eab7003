"""The quality machine against a plain reading of its table, one tag at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import Batch, batch_of
from drivers.record import Node, Quality, Reason, Register, Sample, Tag
from monitor.plant import Asset
from monitor.quality import QualityMachine, down_batch
from tests.monitor.quality_reference import PlainMachine

SITES = {"P1": "N", "P2": "N", "T1": "N", "M1": "N", "X": "M"}


def tag(number, name, quantity, unit, kind="f32", source="a", **more):
    scale = more.pop("scale", 1.0)
    where = Register(1, "holding", number, kind, scale=scale) if kind else Node(f"nsu=urn:x;s={name}")
    asset = name.split(".", maxsplit=1)[0]
    return Tag(number, name, asset, quantity, unit, source, where, **more)


TAGS = (
    tag(0, "P1.running", "running", "1", "bit"),
    tag(1, "P1.flow", "flow", "m3/h", low=0.0, high=200.0),
    tag(2, "P1.bearing", "bearing_temperature", "degC", low=-20.0, high=150.0),
    tag(3, "P1.energy", "energy", "kWh", "u32", scale=1.0, counter=True),
    tag(4, "P1.vibration", "vibration", "mm/s", "u16", scale=0.01, low=0.0, high=50.0),
    tag(5, "T1.level", "level", "m", None, source="b", low=0.0, high=4.0),
    tag(6, "P2.running", "running", "1", None, source="b"),
    tag(7, "P2.power", "power", "kW", None, source="b", estimated=True),
    tag(8, "P1.volume", "volume", "m3", "f32", counter=True),
    tag(9, "P1.serial", "alarm_code", "1", "string"),
    tag(10, "M1.flow", "flow", "m3/h", None, source="b", low=0.0, high=200.0),
    tag(11, "M1.volume", "volume", "m3", "u16", source="b", scale=0.5, counter=True),
)
EVERY = {"a": 1.0, "b": 5.0}
UTC = 1_795_440_000_000_000


def machine(mono_s=0.0, tags=TAGS):
    return QualityMachine(tags, EVERY, SITES, mono_s)


def poll(made, samples, mono_s, source="a"):
    """Check one batch of {tag number: value or Sample} at a monotonic time."""
    rows = [one if isinstance(one, Sample) else Sample(n, 0, one) for n, one in samples.items()]
    return made.check(batch_of(source, UTC + round(mono_s * 1e6), rows), mono_s)


def reasons(batch):
    return {int(number): Reason(int(bits)) for number, bits in zip(batch.tag, batch.reasons, strict=True)}


values = st.one_of(
    st.sampled_from(
        [0.0, 1.0, 1.0, 20.0, 20.0, 20.5, 47.0, 100.0, 3e7, 2.0**32 - 3, -1.0, math.nan, math.inf, None, "TEXT"]
    ),
    st.floats(0, 4),
)
given_reasons = st.sampled_from([Reason.OK] * 6 + [Reason.COMMS, Reason.SUBSTITUTE, Reason.FORCED, Reason.SENSOR])
offsets = st.sampled_from([None, None, 0, -1_000_000, -60_000_000, -3_600_000_000, 6_000_000])
one_row = st.tuples(st.integers(0, 11), values, given_reasons, offsets)
STEADY = {0: 1.0, 1: 100.0, 2: 40.0, 3: 500.0, 4: 2.0, 5: 2.0, 6: 1.0, 7: 20.0, 8: 500.0, 10: 100.0, 11: 500.0}
polls = st.tuples(
    st.sampled_from([0.0, 1.0, 1.0, 5.0, 20.0, 61.0, 900.0, 1900.0, 3700.0]),
    st.sampled_from([None, 0.0, 0.0, 0.5]),  # the other tags of the source: absent, standing, moving by so much
    st.sampled_from(["a", "b"]),
    st.one_of(st.lists(one_row, max_size=8), st.lists(one_row, max_size=8, unique_by=lambda row: row[0])),
    st.integers(1, 12),
)
stories = st.lists(polls, max_size=25)


def told(story):
    """The batches of a story with their times; rows of one tag may come twice within one."""
    mono_s = 0.0
    for step_s, moving, source, rows, times in story:
        rows = [row for row in rows if TAGS[row[0]].source == source]
        for time in range(times):
            mono_s += step_s
            others = set() if moving is None else STEADY.keys() - {row[0] for row in rows}
            steady = [
                (
                    n,
                    STEADY[n] + (0.0 if TAGS[n].quantity == "running" else (moving or 0.0) * (time % 3)),
                    Reason.OK,
                    None,
                )
                for n in sorted(others)
                if TAGS[n].source == source
            ]
            now = UTC + round(mono_s * 1e6)
            samples = [
                Sample(n, now, value, why, None if at is None else now + at) for n, value, why, at in [*rows, *steady]
            ]
            yield batch_of(source, now, samples), mono_s


def said(batch):
    return [Reason(int(bits)) for bits in batch.reasons]


@settings(max_examples=70, deadline=None)
@given(stories)
def test_the_machine_says_what_a_plain_reading_of_its_table_says(story):
    made, plain = machine(), PlainMachine(TAGS, EVERY, SITES, 0.0)
    for batch, mono_s in told(story):
        checked = made.check(batch, mono_s)
        assert said(checked) == plain.check(batch, mono_s)
        unchanged(batch, checked)
        stale = {n: bits for batch in made.overdue(mono_s, UTC) for n, bits in reasons(batch).items()}
        assert stale == plain.overdue(mono_s)


@settings(max_examples=30, deadline=None)
@given(stories)
def test_the_same_story_is_judged_in_the_same_words_each_time(story):
    one, other = machine(), machine()
    for batch, mono_s in told(story):
        assert repr(list(one.check(batch, mono_s).rows())) == repr(list(other.check(batch, mono_s).rows()))
        one.tick(mono_s)
        other.tick(mono_s)


@settings(max_examples=30, deadline=None)
@given(stories, st.sets(st.integers(0, 11)))
def test_a_poll_in_two_parts_is_judged_as_in_one(story, apart):
    """The part with the running signals first: what a start explains cannot be known before it is heard of."""
    story = [(*rest, list({row[0]: row for row in rows}.values()), times) for *rest, rows, times in story]
    first = np.array([one.quantity == "running" or one.number in apart for one in TAGS])
    whole, parts = machine(), machine()
    for batch, mono_s in told(story):
        expected = said(whole.check(batch, mono_s))
        rows = [np.flatnonzero(first[batch.tag]), np.flatnonzero(~first[batch.tag])]
        found = [Reason.OK] * len(batch)
        for part in rows:
            cut = batch_of(batch.source, batch.receive_us, [batch.row(int(row)) for row in part])
            for row, bits in zip(part.tolist(), said(parts.check(cut, mono_s)), strict=True):
                found[row] = bits
        assert found == expected


def unchanged(before: Batch, after: Batch):
    """Nothing taken away, nothing made better, no value touched."""
    assert np.array_equal(before.value, after.value, equal_nan=True)
    assert np.array_equal(before.source_us, after.source_us)
    assert before.exact == after.exact
    assert (after.quality >= before.quality).all()
    assert (after.reasons & before.reasons == before.reasons).all()


def test_a_value_outside_the_sensor_is_kept_as_it_is_and_is_bad():
    checked = poll(machine(), {1: 700.0, 0: 1.0}, 1.0)
    assert checked.row(0) == Sample(1, UTC + 1_000_000, 700.0, Reason.OUT_OF_RANGE, None, "outside 0 .. 200")


def test_a_whole_number_that_no_float_holds_is_outside_the_sensor_like_any_other():
    tags = (tag(0, "P1.energy", "energy", "kWh", "u64", counter=True, low=0.0, high=1e12),)
    made = machine(tags=tags)
    for mono_s, words in ((1.0, "outside 0 .. 1e+12"), (2.0, "")):
        checked = poll(made, {0: 2**60}, mono_s)  # what a wrong byte order makes of a small one
        assert checked.row(0) == Sample(0, UTC + round(mono_s * 1e6), str(2**60), Reason.OUT_OF_RANGE, None, words)
    assert poll(made, {0: "TEXT"}, 3.0).quality[0] == Quality.GOOD
    assert poll(machine(tags=(replace(tags[0], high=None),)), {0: 2**60}, 1.0).quality[0] == Quality.GOOD


def test_words_are_stored_when_a_reason_appears_and_not_at_each_poll():
    made = machine()
    assert poll(made, {1: 700.0}, 1.0).detail == {0: "outside 0 .. 200"}
    assert poll(made, {1: 700.0}, 2.0).detail == {}
    assert poll(made, {1: 20.0}, 3.0).detail == {}
    assert poll(made, {1: 700.0}, 4.0).detail == {0: "outside 0 .. 200"}


def test_modes_flags_and_setpoints_of_a_healthy_pump_stand_still_honestly():
    tags = (
        TAGS[0],
        tag(1, "P1.alarm", "other", "1", "bit"),
        tag(2, "P1.mode", "other", "1", "u16", labels=((0, "auto"),)),
        tag(3, "P1.setpoint", "other", "bar", "f32", low=0.0, high=10.0),
        tag(4, "P1.energy_export", "other", "kWh", "u32"),
    )
    made = machine(tags=tags)
    for hour in range(48):
        checked = poll(made, {0: 1.0, 1: 0.0, 2: 0.0, 3: 4.2, 4: 17.0}, hour * 3600.0)
        assert set(reasons(checked).values()) == {Reason.OK}


@pytest.mark.parametrize(("rated_kw", "frozen"), [(None, True), (11.0, True), (0.37, False)])
def test_the_counter_of_a_small_pump_may_take_hours_for_its_step(rated_kw, frozen):
    pump = Asset("P1", "N", "P1", "pump", rated_power_kw=rated_kw)
    made = QualityMachine((TAGS[0], replace(TAGS[3], number=1)), EVERY, SITES, 0.0, assets=(pump,))
    for minute in range(0, 130, 10):
        checked = poll(made, {0: 1.0, 1: 812.0}, minute * 60.0)
    assert (reasons(checked)[1] == Reason.FROZEN) == frozen


def test_a_flow_that_never_moves_while_the_pump_runs_is_frozen_after_half_an_hour():
    made = machine()
    for minute in range(30):
        assert reasons(poll(made, {0: 1.0, 1: 98.7}, minute * 60.0))[1] == Reason.OK
    checked = poll(made, {0: 1.0, 1: 98.7}, 1800.0)
    assert reasons(checked)[1] == Reason.FROZEN
    assert checked.quality[1] == Quality.UNCERTAIN
    assert reasons(poll(made, {0: 1.0, 1: 98.8}, 1860.0))[1] == Reason.OK


def test_a_flow_that_never_moves_while_the_pump_stands_is_not_frozen():
    made = machine()
    assert all(reasons(poll(made, {0: 0.0, 1: 0.0}, hour * 3600.0))[1] == Reason.OK for hour in range(24))


def test_a_level_of_one_source_is_frozen_when_a_pump_of_another_source_ran():
    made = machine()
    for minute in range(61):
        poll(made, {0: 1.0}, minute * 60.0)
        checked = poll(made, {5: 2.31}, minute * 60.0, "b")
    assert reasons(checked)[5] == Reason.FROZEN


def test_a_counter_that_stands_while_the_pump_runs_is_told():
    made = machine()
    polled = [reasons(poll(made, {0: 1.0, 3: 4711.0}, minute * 60.0))[3] for minute in range(17)]
    assert polled[14:] == [Reason.OK, Reason.FROZEN, Reason.FROZEN]  # one step of 1 kWh: 15 minutes


def test_a_bearing_that_warms_by_six_degrees_in_a_minute_is_too_fast():
    made = machine()
    poll(made, {2: 40.0}, 0.0)
    assert reasons(poll(made, {2: 44.9}, 30.0))[2] == Reason.OK
    assert reasons(poll(made, {2: 46.0}, 59.0))[2] == Reason.RATE


def test_one_value_far_off_is_a_spike_and_a_start_is_none():
    made = machine()
    for second in range(12):
        poll(made, {0: 1.0, 1: 98.0 + second % 3}, float(second))
    assert reasons(poll(made, {0: 1.0, 1: 150.0}, 12.0))[1] == Reason.SPIKE
    assert reasons(poll(made, {0: 1.0, 1: 99.0}, 13.0))[1] == Reason.OK
    assert reasons(poll(made, {0: 0.0, 1: 0.0}, 14.0))[1] == Reason.OK


def test_a_silent_tag_grows_stale_once_and_keeps_its_old_time():
    made = machine()
    poll(made, {1: 98.7}, 10.0)
    assert all(1 not in reasons(batch) for batch in made.overdue(13.0, UTC))
    rows = {row.tag: row for batch in made.overdue(13.5, UTC + 13_500_000) for row in batch.rows()}
    assert rows[1] == Sample(1, UTC + 13_500_000, 98.7, Reason.STALE, UTC + 10_000_000)
    assert not any(1 in reasons(batch) for batch in made.overdue(99.0, UTC))
    assert reasons(poll(made, {1: 98.7}, 100.0))[1] == Reason.OK


def test_a_source_that_is_down_is_bad_without_a_value_and_is_not_called_stale():
    made = machine()
    poll(made, {1: 98.7}, 1.0)
    tags = [one for one in TAGS if one.source == "a"]
    down = made.check(down_batch("a", tags, UTC, "timeout after 1.0 s"), 2.0)
    flow = next(row for row in down.rows() if row.tag == 1)
    assert flow == Sample(1, UTC, None, Reason.COMMS, None, "timeout after 1.0 s")
    assert all(1 not in reasons(batch) for batch in made.overdue(60.0, UTC))


def test_what_the_device_computed_itself_is_good_and_says_so():
    checked = poll(machine(), {7: 12.0}, 1.0, "b")
    assert checked.row(0).reasons == Reason.ESTIMATED
    assert checked.quality[0] == Quality.GOOD


def test_a_changed_value_that_is_said_to_be_an_hour_old_is_a_matter_of_the_clock_until_one_is_not():
    """An unchanged value may keep its time for ever, and nobody knows when the first one changed."""
    made = machine()

    def told(mono_s, value, age_s, why=Reason.OK):
        now = UTC + round(mono_s * 1e6)
        batch = poll(made, {7: Sample(7, now, value, why, now - round(age_s * 1e6))}, mono_s, "b")
        return Reason.CLOCK in reasons(batch)[7], batch.detail.get(0, "")

    assert told(5, 20.0, 3600) == (False, "")
    assert told(10, 20.0, 3605) == (False, "")  # still the first
    assert told(15, 20.0, 3600) == (False, "")  # a new time, but no change
    assert told(20, 21.0, 50) == (False, "")
    assert told(140, 22.0, 61)[0]
    assert told(145, 23.0, 2) == (False, "")
    made = machine()
    assert told(5, 20.0, 3660) == (False, "")
    assert told(10, 21.0, 3660) == (True, "source time is 61 min old")
    assert told(15, 21.0, 3665) == (True, "")  # the same value grows no more credible
    assert told(20, None, 3665, Reason.COMMS) == (False, "")
    assert told(25, 25.0, 3660) == (False, "")  # it may have changed in the gap
    assert told(30, 26.0, 1) == (False, "")


@pytest.mark.parametrize(("offset_s", "expected"), [(4, Reason.OK), (6, Reason.CLOCK), (-600, Reason.OK)])
def test_a_source_time_in_the_future_is_a_matter_of_the_clock(offset_s, expected):
    now = UTC + 1_000_000
    sample = Sample(7, now, 12.0, Reason.OK, now + offset_s * 1_000_000)
    assert poll(machine(), {7: sample}, 1.0, "b").row(0).reasons == Reason.ESTIMATED | expected


def test_a_tag_with_its_own_cadence_is_given_its_own_time():
    slow = tuple(replace(one, every_s=60.0) if one.number == 1 else one for one in TAGS)
    made = machine(0.0, slow)
    poll(made, {1: 98.7, 2: 40.0}, 0.0)
    assert 1 not in reasons(made.overdue(170.0, UTC)[0])
    assert 1 in reasons(made.overdue(181.0, UTC)[0])


def test_a_pump_alone_at_its_site_needs_no_other_tag_of_the_site():
    made = QualityMachine(TAGS[:2], EVERY, SITES, 0.0)
    assert reasons(poll(made, {0: 1.0, 1: 98.7}, 1.0)) == {0: Reason.OK, 1: Reason.OK}
