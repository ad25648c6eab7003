"""Status bits: raised once, taken back once, silent about what nobody could read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from drivers.source import StatusAlert
from drivers.vendor.status_bits import StatusBits

SERVICE = StatusAlert(2, "pump1", "bearing", "wear", "warning", "bearing service", "SmartPump")


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
