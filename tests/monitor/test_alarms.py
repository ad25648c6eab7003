"""The alarm life cycle: scenarios as sentences, and what must hold in any order of events."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.record import Alert
from monitor.daemon.alarms import (
    EVENTS,
    STATES,
    Alarm,
    AlarmList,
    Refused,
    alarm_of,
    expired,
    from_row,
    priority_of,
    ranked,
    step,
    to_row,
)

NOW = 1_795_440_000_000_000
HOUR = 3_600_000_000
PLAIN = Alarm("A-1", "P1", "seal", "vendor", 2, "replace seals", NOW)


def test_nobody_takes_back_what_another_said():
    alarms = AlarmList()
    said = Alert("7", "vendor", "P1", "seal", "leak", "warning", "", NOW, vendor="A")
    own = replace(said, alert_id="o", origin="own", vendor="")
    blind = replace(said, alert_id="link:plc", origin="monitor", vendor="")
    for alert in (said, own, blind):
        alarms.raise_alert(alert, "N", NOW)
    for alert in (said, own, blind):
        assert alarms.behind(replace(alert, active=False)).alert_ids == (alert.alert_id,)
        assert alarms.behind(replace(alert, origin="vendor", vendor="B", active=False)) is None
    for name in ("o", "link:plc", *(one.id for one in alarms)):
        assert alarms.behind(replace(said, alert_id=name, active=False)) is None


def walk(alarm, *events):
    """The state names on the way; "refused" where an event was."""
    states = []
    for event in events:
        try:
            alarm = step(alarm, event, NOW, note="because", until_us=NOW + HOUR).alarm
            states.append(alarm.state)
        except Refused:
            states.append("refused")
    return states


def test_alarm_acknowledged_then_gone_is_normal():
    assert walk(PLAIN, "alarm", "acknowledge", "return") == ["UNACK", "ACKED", "NORM"]


def test_alarm_gone_before_anybody_saw_it_waits_to_be_acknowledged():
    assert walk(PLAIN, "alarm", "return", "acknowledge") == ["UNACK", "RTNUN", "NORM"]


def test_an_acknowledged_alarm_that_comes_again_is_told_again():
    assert walk(PLAIN, "alarm", "acknowledge", "alarm") == ["UNACK", "ACKED", "UNACK"]
    assert walk(PLAIN, "alarm", "return", "alarm") == ["UNACK", "RTNUN", "UNACK"]


def test_a_latched_alarm_stays_until_somebody_resets_it():
    latched = replace(PLAIN, latched=True)
    assert walk(latched, "alarm", "return", "reset", "acknowledge", "reset") == [
        "UNACK", "LATUN", "refused", "LATAK", "NORM",
    ]  # fmt: skip


def test_what_is_shelved_goes_on_living_and_is_told_anew_when_it_leaves():
    assert walk(PLAIN, "alarm", "acknowledge", "shelve", "acknowledge", "unshelve") == [
        "UNACK", "ACKED", "SHLVD", "refused", "UNACK",
    ]  # fmt: skip
    assert walk(PLAIN, "shelve", "alarm", "unshelve") == ["SHLVD", "SHLVD", "UNACK"]
    assert walk(PLAIN, "alarm", "shelve", "return", "unshelve") == ["UNACK", "SHLVD", "SHLVD", "NORM"]


def test_out_of_service_stands_before_suppressed_stands_before_shelved():
    assert walk(PLAIN, "shelve", "suppress", "remove", "restore", "unsuppress", "unshelve") == [
        "SHLVD", "DSUPR", "OOSRV", "DSUPR", "SHLVD", "NORM",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("priority", "hours", "note", "words"),
    [
        (2, 8.01, "noise", "8 h at most"),
        (1, 1.01, "noise", "1 h at most"),
        (2, 0, "noise", "must lie ahead"),
        (2, 1, "  ", "write a reason"),
        (1, 1, "seal ordered", ""),
        (3, 8, "seal ordered", ""),
    ],
)
def test_a_shelf_has_a_reason_and_an_end(priority, hours, note, words):
    alarm = replace(PLAIN, priority=priority)
    until = NOW + int(hours * HOUR)
    if words:
        with pytest.raises(Refused, match=words):
            step(alarm, "shelve", NOW, note=note, until_us=until)
    else:
        assert step(alarm, "shelve", NOW, note=note, until_us=until).alarm.shelved_until_us == until


def test_a_shelf_ends_with_its_time_and_at_once_when_the_clock_is_not_to_be_trusted():
    shelved = step(PLAIN, "shelve", NOW, note="noise", until_us=NOW + HOUR).alarm
    assert [expired(shelved, NOW + HOUR - 1), expired(shelved, NOW + HOUR)] == [False, True]
    assert expired(shelved, NOW - 99 * HOUR, clock_valid=False)
    assert not expired(PLAIN, NOW + HOUR)


def test_advice_is_never_of_the_highest_priority_unless_it_was_rationalised():
    alert = Alert("V-1", "vendor", "P1", "seal", "wear", "critical", "replace NOW", NOW)
    assert [priority_of(replace(alert, severity=word)) for word in ("critical", "warning", "note")] == [2, 2, 3]
    assert priority_of(alert, rationalised=1) == 1


def test_two_alerts_on_one_thing_are_one_alarm_and_two_vendors_are_two():
    alert = Alert("V-1", "vendor", "P1", "seal", "wear", "warning", "replace", NOW, vendor="SmartPump")
    again = replace(alert, alert_id="V-2", text="replace, second notice")
    other = replace(alert, vendor="Other")
    ids = [alarm_of(one, "N", NOW).id for one in (alert, again, other)]
    assert ids == ["vendor:SmartPump:P1:seal:wear"] * 2 + ["vendor:Other:P1:seal:wear"]


def test_operators_read_the_unacknowledged_first_and_then_by_priority():
    def made(name, priority, *events):
        alarm = Alarm(name, "P1", "", "plc", priority, "", NOW)
        for event in events:
            alarm = step(alarm, event, NOW).alarm
        return alarm

    mixed = [
        made("acked", 1, "alarm", "acknowledge"),
        made("low", 3, "alarm"),
        made("gone", 2, "alarm", "return"),
        made("high", 2, "alarm"),
    ]
    assert [one.id for one in ranked(mixed)] == ["high", "low", "gone", "acked"]


flags = st.booleans()
events = st.tuples(
    st.sampled_from(EVENTS), st.integers(0, 10 * HOUR), st.sampled_from(["", "because"]), st.integers(0, 10 * HOUR)
)


@given(flags, st.sampled_from([1, 2, 3]), st.lists(events, max_size=60))
def test_in_any_order_of_events_nothing_is_lost_and_nothing_is_silent(latched, priority, story):
    alarm, active, log = replace(PLAIN, latched=latched, priority=priority), False, []
    for event, after_us, note, shelf_us in story:
        at_us = NOW + after_us
        before = alarm
        try:
            change = step(alarm, event, at_us, note=note, until_us=at_us + shelf_us)
        except Refused as refusal:
            assert "\n" not in str(refusal)
            continue
        alarm = change.alarm
        log.append(change)
        active = {"alarm": True, "return": False}.get(event, active)
        assert alarm.active == active  # suppression never hides what the process does
        assert (change.before, change.after) == (before.letter, alarm.letter)
        assert alarm.letter in STATES
        left = before.letter in "GHI" and alarm.letter not in "GHI"
        assert not left or (alarm.letter == "B" if active else alarm.letter in "AE")
        assert not (event == "acknowledge" and before.acked)
        assert not (event == "reset" and before.active)
        if event == "shelve":
            assert note and 0 < shelf_us <= (1 if priority == 1 else 8) * HOUR
        assert json.loads(json.dumps(change.data()))["after"] == alarm.state
        assert from_row(json.loads(json.dumps(to_row(alarm)))) == alarm
    assert all(one.after == two.before for one, two in pairwise(log))


def test_the_list_holds_one_alarm_per_thing_until_it_is_normal_again():
    open_alarms = AlarmList()
    alert = Alert("V-1", "vendor", "P1", "seal", "wear", "warning", "replace", NOW, vendor="SmartPump")
    open_alarms.raise_alert(alert, "N", NOW)
    open_alarms.apply("V-1", "acknowledge", NOW)
    again = replace(alert, alert_id="V-2", text="replace now", severity="note")
    assert open_alarms.raise_alert(again, "N", NOW + HOUR).after == "B"
    (alarm,) = open_alarms
    assert (alarm.alert_ids, alarm.text, alarm.priority, alarm.site) == (("V-1", "V-2"), "replace now", 3, "N")
    open_alarms.apply("V-2", "acknowledge", NOW)
    open_alarms.apply(alarm.id, "return", NOW)
    assert list(open_alarms) == []
    with pytest.raises(Refused, match="no such alarm"):
        open_alarms.apply("V-2", "acknowledge", NOW)


def test_the_list_leaves_shelves_whose_time_is_over_and_tells_anew():
    open_alarms = AlarmList()
    alert = Alert("V-1", "vendor", "P1", "seal", "wear", "warning", "replace", NOW)
    open_alarms.raise_alert(alert, "N", NOW)
    open_alarms.apply("V-1", "shelve", NOW, note="seal ordered", until_us=NOW + HOUR)
    assert open_alarms.expire(NOW + HOUR - 1) == []
    (change,) = open_alarms.expire(NOW + HOUR)
    assert (change.event, change.before, change.after) == ("unshelve", "G", "B")
