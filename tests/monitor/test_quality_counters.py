"""What a step of a counter means, and what the machine says of it: forward, wrap, loss, reset, exchange, impossible."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Node, Reason, Register, Sample, Tag
from monitor.quality import QualityMachine
from monitor.quality.counters import KINDS, counter_step, measurable, modulus, resolution

UTC = 1_795_440_000_000_000


def register(kind, scale=1.0, **more):
    return Register(1, "holding", 0, kind, scale=scale, **more)


STEPS = [
    # previous, now, kind, scale, elapsed_s, most per h -> what, how much
    (100.0, 100.0, "u32", 1.0, 60, 50, "forward", 0.0),
    (100.0, 101.0, "u32", 1.0, 60, 50, "forward", 1.0),
    (100.0, 150.0, "u32", 1.0, 60, 50, "forward", 50.0),  # a meter that is itself read once an hour
    (100.0, 250.0, "u32", 1.0, 60, 50, "impossible", None),
    (100.0, 250.0, "u32", 1.0, 7200, 50, "forward", 150.0),  # after two hours without an answer
    (100.0, 2.5e8, "u32", 1.0, 60, None, "forward", 2.5e8 - 100),  # nobody knows what it can do
    (65_530.0, 4.0, "u16", 1.0, 60, 50, "wrap", 10.0),
    (6_553.0, 0.5, "u16", 0.1, 60, 50, "wrap", 1.1),
    (65_530.0, 4.0, "u16", 1.0, 60, None, "wrap", 10.0),
    (65_530.0, 4.0, "u16", 1.0, 86_400, 5000, "wrap", None),  # it may have gone round more than once
    (4_294_967_290.0, 14.0, "u32", 1.0, 60, 50, "wrap", 20.0),
    (65_530.0, 4.0, "u32", 1.0, 60, 50, "reset", None),  # a u32 does not end there
    (9_998.0, 3.0, "bcd16", 1.0, 60, 50, "wrap", 5.0),
    (65_530.0, 4.0, "f32", 1.0, 60, 50, "reset", None),
    (812.0, 0.0, "u32", 1.0, 60, 50, "reset", None),
    (812.0, 12.0, "u32", 1.0, 600, 50, "reset", None),  # and ran on
    (812.0, 500.0, "u32", 1.0, 60, 50, "exchange", None),
    (812.0, 808.0, "u32", 1.0, 60, 50, "loss", None),  # 5 min at 50 per hour: what a Janitza may lose with its power
    (812.0, 800.0, "u32", 1.0, 60, 50, "exchange", None),
    (812.0, 811.0, "u32", 1.0, 60, None, "exchange", None),
    (math.nan, 5.0, "u32", 1.0, 60, 50, "impossible", None),
]


@pytest.mark.parametrize(("previous", "now", "kind", "scale", "elapsed_s", "most", "what", "delta"), STEPS)
def test_each_step_is_told_apart(previous, now, kind, scale, elapsed_s, most, what, delta):
    step = counter_step(previous, now, register(kind, scale), elapsed_s, most)
    assert step.kind == what
    assert step.delta == (None if delta is None else pytest.approx(delta))


@given(
    st.sampled_from(["u16", "u32", "u64", "i32", "f32", "f64", "bcd16"]), st.floats(0.001, 1000),
    st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e6), st.none() | st.floats(0, 1e6),
)  # fmt: skip
def test_an_amount_is_never_negative_and_never_more_than_can_be(kind, scale, previous, now, elapsed_s, most):
    where = register(kind, scale)
    step = counter_step(previous, now, where, elapsed_s, most)
    assert step.kind in KINDS
    if step.delta is not None:
        assert step.kind in ("forward", "wrap")
        assert step.delta >= 0
        if most is not None:
            least = resolution(max(abs(previous), abs(now)), where)
            assert step.delta <= most * (elapsed_s + 3600) / 3600 + 2 * least + 1e-6
    assert (step.kind == "forward") <= (now >= previous)


@given(st.integers(0, 65_535), st.integers(0, 65_535))
def test_what_was_counted_over_the_end_is_what_was_counted(start, counted):
    step = counter_step(float(start), float((start + counted) % 65_536), register("u16"), 3600.0, 65_536.0 / 4)
    assert step.delta == counted if counted <= 65_536 / 2 else step.delta is None or step.delta < counted


@pytest.mark.parametrize(
    ("value", "where", "step"),
    [
        (1e6, register("f32"), 0.0625),  # practice.md 2.2
        (1e7, register("f32"), 1.0),
        (1e8, register("f32"), 8.0),
        (1e10, register("f32"), 1024.0),
        (1e5, register("f32", 0.001), 8e-3),  # 1e8 Wh, kept in kWh
        (1e5, register("u32", 0.1), 0.1),
        (1e5, register("f64"), math.ulp(1e5)),
        (1e5, Node("nsu=urn:x;s=a"), math.ulp(1e5)),
    ],
)
def test_a_counter_moves_in_steps_of_its_own(value, where, step):
    assert resolution(value, where) == pytest.approx(step)
    assert measurable(100.5 * step, value, where)
    assert not measurable(99 * step, value, where)


def test_nobody_says_where_a_scaled_exponent_begins_again():
    assert modulus(register("u32")) == 2.0**32
    assert modulus(register("u32", exponent_at=4)) is None
    assert modulus(register("f32")) is None
    assert modulus(Node("nsu=urn:x;s=a")) is None


# the machine

TAGS = (
    Tag(0, "M.volume", "M", "volume", "m3", "a", register("u16"), counter=True),
    Tag(1, "M.flow", "M", "flow", "m3/h", "a", register("f32"), low=0.0, high=50.0),
)


def told(*readings):
    """What the machine says of one reading a minute: reasons and words."""
    made, rows = QualityMachine(TAGS, {"a": 60.0}, {"M": "N"}, 0.0), []
    for minute, reading in enumerate(readings):
        sample = Sample(0, 0, reading)
        checked = made.check(batch_of("a", UTC + minute * 60_000_000, [sample]), minute * 60.0)
        assert np.array_equal(checked.value, [reading])  # as it came
        rows.append((Reason(int(checked.reasons[0])), checked.detail.get(0, "")))
    return rows


def test_a_counter_that_goes_on_is_said_nothing_of():
    assert told(10.0, 11.0, 11.0, 40.0) == [(Reason.OK, "")] * 4


def test_a_wrap_is_told_and_is_good():
    rows = told(65_530.0, 4.0, 5.0)
    assert rows[1] == (Reason.OK, "the counter went over its end and began again")
    assert rows[2] == (Reason.OK, "")


def test_a_reset_is_uncertain_once_and_then_the_new_count_goes_on():
    rows = told(812.0, 0.0, 1.0, 2.0)
    assert rows[1] == (Reason.SPEC | Reason.BREAK, "the counter was set to zero")
    assert rows[2:] == [(Reason.OK, "")] * 2


def test_another_meter_in_its_place_is_said_so_on_its_first_reading():
    rows = told(812.0, 300.0, 301.0)
    assert rows[1] == (
        Reason.SPEC | Reason.BREAK, "the counter stands lower than before: exchanged or set anew",
    )  # fmt: skip
    assert rows[2] == (Reason.OK, "")


def test_one_wild_reading_is_one_wild_reading():
    rows = told(812.0, 30_000.0, 813.0, 814.0)
    assert rows[1] == (Reason.RATE, "the counter ran further than it can in this time")
    assert rows[2:] == [(Reason.OK, "")] * 2


def test_a_little_lost_with_the_power_is_no_reset():
    assert told(812.0, 809.0, 810.0)[1] == (
        Reason.SPEC, "the counter lost a little, as after a power failure of the meter",
    )  # fmt: skip
