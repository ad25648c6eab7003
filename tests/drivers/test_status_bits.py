"""Status bits: raised once, taken back once, silent about what nobody could read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from drivers.source import Code, StatusAlert
from drivers.vendor.status_bits import StatusBits

SERVICE = StatusAlert(2, "pump1", "bearing", "wear", "warning", "bearing service", "SmartPump")
TABLE = {
    48: Code("overload", "motor", "overload", "critical"),
    57: Code("dry running", "", "dry_running", "critical"),
}
ALARM = StatusAlert(2, "pump1", "pump", "", "warning", "grundfos_alarm", "Grundfos", "code", TABLE)
WORD = StatusAlert(2, "pump1", "", "drive", "warning", "", "Danfoss", "bits", {
    2: Code("earth fault", "motor", "earth_fault", "critical"),
    9: Code("inverter overloaded", "", "overload", "warning"),
})  # fmt: skip


def batch(value, at=0, reasons=Reason.OK, tag=2):
    return batch_of("pump1", at, [Sample(9, at, 5.0), Sample(tag, at, value, reasons)])


def test_a_bit_raises_an_alert_when_it_is_set_and_takes_it_back_when_it_is_cleared():
    bits = StatusBits([SERVICE])
    assert bits.take(batch(0, 1)) == []
    (raised,) = bits.take(batch(1, 2))
    assert bits.take(batch(1, 3)) == []
    (taken_back,) = bits.take(batch(0, 4))
    (again,) = bits.take(batch(1, 5))
    assert (raised.asset, raised.component, raised.failure_mode) == ("pump1", "bearing", "wear")
    assert (raised.origin, raised.feed, raised.vendor, raised.text) == (
        "vendor", "status_bit", "SmartPump", "bearing service",
    )  # fmt: skip
    assert (raised.active, raised.received_us, taken_back.active, taken_back.received_us) == (True, 2, False, 4)
    assert taken_back.alert_id == raised.alert_id != again.alert_id


def test_a_bit_that_is_set_at_first_sight_raises_its_alert():
    assert [one.active for one in StatusBits([SERVICE]).take(batch(1))] == [True]


def test_what_could_not_be_read_changes_nothing():
    bits = StatusBits([SERVICE])
    assert len(bits.take(batch(1))) == 1
    for value in (None, 0):
        assert bits.take(batch(value, 1, Reason.COMMS)) == []
    assert bits.take(batch(1, 2)) == []
    assert bits.take(batch(0, 3, tag=7)) == []


def test_an_alert_that_stood_before_a_restart_is_not_told_again_but_is_taken_back():
    (raised,) = StatusBits([SERVICE]).take(batch(1))
    bits = StatusBits([SERVICE], standing=[raised, replace(raised, feed="smartpump_mail", failure_mode="other")])
    assert bits.take(batch(1, 1)) == []
    (taken_back,) = bits.take(batch(0, 2))
    assert (taken_back.alert_id, taken_back.active) == (raised.alert_id, False)


@pytest.mark.parametrize("nothing", [[], [StatusAlert(3, "p", "", "x", "note", "t", "v")]])
def test_other_tags_are_no_business_of_ours(nothing):
    assert StatusBits(nothing).take(batch(1)) == []


@given(st.lists(st.tuples(st.sampled_from([0, 1, None]), st.sampled_from([Reason.OK, Reason.COMMS, Reason.STALE]))))
def test_whatever_comes_alerts_alternate_and_follow_the_last_readable_bit(steps):
    bits, alerts, last = StatusBits([SERVICE]), [], 0
    for at, (value, reasons) in enumerate(steps):
        alerts += bits.take(batch(value, at, reasons if value is not None else Reason.COMMS))
        if value is not None and reasons != Reason.COMMS:
            last = value
    assert [one.active for one in alerts] == [n % 2 == 0 for n in range(len(alerts))]
    assert len({one.alert_id for one in alerts if one.active}) == sum(one.active for one in alerts)
    assert (alerts[-1].active if alerts else False) == bool(last)


def told(alerts):
    return [(one.text, one.active) for one in alerts]


def test_a_code_is_looked_up_and_none_is_the_end_of_it():
    bits = StatusBits([ALARM])
    assert bits.take(batch(0)) == []
    (raised,) = bits.take(batch(48, 1))
    assert (raised.text, raised.component, raised.failure_mode, raised.severity) == (
        "overload (code 48)", "motor", "overload", "critical",
    )  # fmt: skip
    assert bits.take(batch(48, 2)) == []
    (ended,) = bits.take(batch(0, 3))
    assert (ended.alert_id, ended.active) == (raised.alert_id, False)


def test_a_code_that_gives_way_to_another_is_ended_before_the_other_is_raised():
    bits = StatusBits([ALARM])
    (first,) = bits.take(batch(48, 1))
    ended, raised = bits.take(batch(57, 2))
    assert (ended.alert_id, ended.active, ended.component) == (first.alert_id, False, "motor")
    assert (raised.active, raised.failure_mode, raised.component) == (True, "dry_running", "pump")


def test_a_code_that_the_table_does_not_know_is_told_with_its_number():
    (raised,) = StatusBits([ALARM]).take(batch(77))
    assert (raised.text, raised.failure_mode, raised.severity) == (
        "code 77, not in the table grundfos_alarm", "code 77", "warning",
    )  # fmt: skip
    assert told(StatusBits([WORD]).take(batch(1 << 5))) == [("bit 5, not in the vendor's table", True)]


@pytest.mark.parametrize("value", [48.5, -1, -48.0, 2.0**64])
def test_a_value_that_no_register_of_codes_can_have_is_told_not_guessed(value):
    for row in (ALARM, WORD):
        ((text, active),) = told(StatusBits([row]).take(batch(value)))
        assert active and text.startswith("code ") and "not in" in text


def test_each_bit_of_an_alarm_word_is_an_alert_of_its_own():
    bits = StatusBits([WORD])
    assert told(bits.take(batch(0b100, 1))) == [("earth fault (bit 2)", True)]
    assert told(bits.take(batch(0b10_0000_0100, 2))) == [("inverter overloaded (bit 9)", True)]
    assert told(bits.take(batch(0b10_0000_0000, 3))) == [("earth fault (bit 2)", False)]
    assert told(bits.take(batch(0, 4))) == [("inverter overloaded (bit 9)", False)]


def test_the_highest_bits_of_a_word_of_64_are_seen():
    assert told(StatusBits([WORD]).take(batch((1 << 63) + 4))) == [
        ("earth fault (bit 2)", True), ("bit 63, not in the vendor's table", True),
    ]  # fmt: skip


@pytest.mark.parametrize("row", [SERVICE, ALARM, WORD])
@pytest.mark.parametrize(
    ("value", "reasons"),
    [(None, Reason.COMMS), (65535, Reason.SENTINEL), (0, Reason.SENTINEL), (0, Reason.SUBSTITUTE), (0, Reason.INITIAL),
     (4, Reason.DEVICE), (0, Reason.MANUAL)],
)  # fmt: skip
def test_what_the_device_did_not_say_itself_changes_nothing(row, value, reasons):
    bits = StatusBits([row])
    assert bits.take(batch(value, 1, reasons)) == []
    assert len(bits.take(batch(48, 2))) == (2 if row is WORD else 1)
    assert bits.take(batch(value, 3, reasons)) == []
    assert bits.take(batch(48, 4)) == []


def test_codes_that_stood_before_a_restart_are_known_by_the_name_of_their_tag():
    raised = StatusBits([WORD], names={2: "pump1.alarm_word"}).take(batch(0b10_0000_0100))
    after = StatusBits([replace(WORD, tag=7)], standing=raised, names={7: "pump1.alarm_word"})
    assert after.take(batch(0b10_0000_0100, 1, tag=7)) == []
    assert told(after.take(batch(0b100, 2, tag=7))) == [("inverter overloaded (bit 9)", False)]


def test_two_registers_with_one_table_do_not_end_each_others_alerts():
    bits = StatusBits([ALARM, replace(ALARM, tag=3, severity="note")])
    (alarm,) = bits.take(batch(48, 1))
    (warning,) = bits.take(batch(48, 2, tag=3))
    assert alarm.alert_id != warning.alert_id
    assert bits.take(batch(0, 3, tag=3))[0].alert_id == warning.alert_id
    assert bits.take(batch(48, 4)) == []


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 4, 512, 516])), max_size=12))
def test_the_alerts_that_stand_are_always_the_bits_of_the_last_good_word(words):
    bits, standing, last = StatusBits([WORD]), {}, 0
    for at, word in enumerate(words):
        for one in bits.take(batch(word, at, Reason.OK if word is not None else Reason.COMMS)):
            assert (one.alert_id in standing) is not one.active
            standing.pop(one.alert_id, None)
            if one.active:
                standing[one.alert_id] = one
        last = last if word is None else word
    assert len(standing) == last.bit_count()


def test_a_claim_says_when_the_device_was_last_seen_without_it():
    bits = StatusBits([ALARM])
    (first,) = bits.take(batch(48, 10))
    bits.take(batch(0, 20))
    bits.take(batch(None, 30, Reason.COMMS))
    (second,) = bits.take(batch(48, 40))
    assert "clear_us" not in first.extra  # it may have stood for years
    assert second.extra["clear_us"] == "20"  # the bad reading at 30 said nothing


def test_what_was_read_early_in_a_long_poll_is_known_clear_only_from_its_beginning():
    bits = StatusBits([ALARM])
    bits.take(replace(batch(0, 2_000_000), began_us=500_000))
    (alert,) = bits.take(replace(batch(48, 9_000_000), began_us=7_500_000))
    assert (alert.extra["clear_us"], alert.received_us) == ("500000", 9_000_000)
