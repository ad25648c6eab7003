"""Delays: an interval where we saw both ends, "cannot tell" where we did not, and never a difference of two clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.delays import NOTICED_S, Delay, arrivals, summary, transit
from monitor.ledger import Record
from monitor.words import utc_text

S = 1_000_000
HOUR = 3_600 * S
DAY = 24 * HOUR
T0 = 20_000 * DAY


def entry(n, at_us, feed, active=True, component="seal", asset="pump1", **more):
    data = {"alert_id": f"A{n}", "feed": feed, "active": active, "received_at": utc_text(at_us)} | more
    return Record(n, "vendor_alert", at_us, None, "daemon", "G", asset, component, data)


def bit(n, at_us, clear_us=None, **more):
    return entry(n, at_us, "status_bit", **({} if clear_us is None else {"clear_at": utc_text(clear_us)}), **more)


def step(n, seconds):
    return Record(n, "clock_step", T0, None, "daemon", None, None, None, {"step": f"{seconds:.3f} s"})


def only(*records):
    (found,) = arrivals(records)
    return found.delay


def test_a_message_after_the_bit_is_after_it_by_an_interval_of_one_poll():
    delay = only(bit(1, T0, T0 - 5 * S), entry(2, T0 + HOUR, "mail"))
    assert delay == Delay(3_600 - NOTICED_S, 3_605.0)
    assert delay.word == "after"


def test_a_message_before_the_last_reading_without_the_bit_was_first():
    delay = only(entry(1, T0 - HOUR, "mail"), bit(2, T0, T0 - 5 * S))
    assert (delay.word, delay.high_s) == ("before", -3_595.0)


def test_a_message_between_two_readings_tells_nothing():
    assert only(entry(1, T0 - 2 * S, "mail"), bit(2, T0, T0 - 5 * S)).word == "cannot_tell"
    assert only(bit(1, T0, T0 - 5 * S), entry(2, T0 + 1 * S, "mail")).word == "cannot_tell"


def test_a_bit_that_stood_when_we_first_looked_bounds_the_delay_from_below_only():
    assert only(bit(1, T0), entry(2, T0 + HOUR, "mail")) == Delay(
        3_600 - NOTICED_S, None, "the bit was set when we first looked"
    )
    assert only(entry(1, T0 - HOUR, "mail"), bit(2, T0)).word == "cannot_tell"


def test_a_message_that_may_have_waited_for_us_is_no_proof_against_the_vendor():
    delay = only(bit(1, T0, T0 - 5 * S), entry(2, T0 + DAY, "mail", may_have_waited="yes"))
    assert (delay.word, delay.low_s) == ("cannot_tell", None)


def test_a_time_that_the_daemon_did_not_believe_tells_nothing_of_who_was_first():
    """A handover says that it came an hour before the bit, or a year after; it was taken in an hour after it."""
    for claimed_us in (T0 - HOUR, T0 + 365 * DAY):
        late = entry(2, T0 + HOUR, "mail", received_at=utc_text(claimed_us), late_by="7200 s")
        assert only(bit(1, T0, T0 - 5 * S), late) == Delay(
            None, 3_605.0, "the message may have waited while we did not listen"
        )


def test_a_step_of_our_clock_in_between_makes_the_difference_worthless():
    assert only(bit(1, T0, T0 - S), step(2, -7200), entry(3, T0 + HOUR, "mail")).word == "cannot_tell"
    assert only(bit(1, T0, T0 - S), step(2, 0.7), entry(3, T0 + HOUR, "mail")).word == "after"
    assert only(step(1, 7200), bit(2, T0, T0 - S), entry(3, T0 + HOUR, "mail")).word == "after"


@pytest.mark.parametrize(
    "other",
    [{"component": "bearing"}, {"asset": "pump2"}, {"component": ""}, {"active": False}, {"feed": "opcua"}],
)
def test_what_is_not_of_the_same_part_or_no_message_is_not_paired(other):
    feed, more = other.get("feed", "mail"), {key: value for key, value in other.items() if key != "feed"}
    assert arrivals([bit(1, T0, T0 - S), entry(2, T0 + HOUR, feed, **more)]) == ()


def test_without_a_component_the_failure_mode_says_that_it_is_the_same():
    told = [bit(1, T0, T0 - S, component="", failure_mode="wear"), entry(2, T0 + HOUR, "mail", failure_mode="wear")]
    assert len(arrivals(told)) == 1
    assert arrivals([bit(1, T0, component=""), entry(2, T0 + HOUR, "mail", component="")]) == ()


def test_a_reminder_of_the_vendor_does_not_count_as_a_second_delay():
    told = [bit(1, T0, T0 - S), entry(2, T0 + HOUR, "mail"), entry(3, T0 + 3 * DAY, "mail")]
    assert [one.alert_id for one in arrivals(told)] == ["A2"]


def test_a_message_belongs_to_the_bit_that_stood_when_it_came_not_to_a_nearer_one():
    told = [
        bit(1, T0, T0 - S), entry(2, T0 + 3 * DAY, "mail"),
        bit(3, T0 + 3 * DAY + HOUR, T0 + 3 * DAY + HOUR - S, alert_id="later"),
    ]  # fmt: skip
    assert arrivals(told)[0].bit_us == T0
    ended = entry(9, T0 + HOUR, "status_bit", active=False, alert_id="A1")
    assert arrivals([told[0], ended, *told[1:]])[0].bit_us == T0 + 3 * DAY + HOUR


def test_a_summary_counts_what_cannot_be_told_apart():
    told = [
        bit(1, T0, T0 - S), entry(2, T0 + HOUR, "mail"),
        bit(3, T0, T0 - S, component="bearing"), entry(4, T0 + 3 * HOUR, "mail", component="bearing"),
        bit(5, T0, T0 - S, component="motor"), entry(6, T0 - HOUR, "mail", component="motor"),
        bit(7, T0, component="impeller"), entry(8, T0 - HOUR, "mail", component="impeller"),
    ]  # fmt: skip
    found = summary(arrivals(told))
    assert (found.pairs, found.after, found.before, found.unclear) == (4, 2, 1, 1)
    assert found.median_s == 2 * 3600 - NOTICED_S
    assert summary(()) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issued_us": None}, "no time of its own"),
        ({"basis": "zone assumed"}, "no zone"),
        ({"basis": "not believable: more than a day after it was received"}, "not believable"),
        ({"clock": "suspect"}, "our clock was suspect"),
        ({}, "skew between the two clocks is not known"),
        ({"issued_us": T0 + 600 * S}, "ahead of ours by at least 10m"),
        ({"skew_s": (-90.0, -70.0)}, "contradict"),
    ],
)
def test_the_vendors_time_alone_is_never_a_delay(change, why):
    known = {"issued_us": T0 - 60 * S, "received_us": T0} | change
    told = transit(known.pop("issued_us"), known.pop("received_us"), **known)
    assert (told.low_s, told.high_s) == (0.0, None)
    assert why in told.why


@given(st.floats(0, 1e5), st.floats(-1e4, 1e4), st.floats(0.001, 100))
def test_with_a_known_skew_the_true_delay_lies_in_the_interval(delay_s, ahead_s, doubt_s):
    issued = T0 + round(ahead_s * S)  # by the vendor's clock, at T0 by ours
    told = transit(issued, T0 + round(delay_s * S), skew_s=(ahead_s - doubt_s, ahead_s + doubt_s))
    assert told.low_s - 1e-5 <= delay_s <= told.high_s + 1e-5
    assert transit(issued, T0, waited=True, skew_s=(ahead_s - 1, ahead_s + 1)).low_s == 0.0
