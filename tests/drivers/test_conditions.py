"""OPC UA conditions as a machine of its own, and against node-opcua's ExclusiveLimitAlarm."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua import open_source
from drivers.source import SourceSpec
from drivers.vendor.conditions import REFRESH_US, Conditions
from tests.peers.launch import node_opcua

SPEC = SourceSpec("plant", "opcua", "G", 1.0, 4.0, (), {"vendor": "SmartPump", "assets": {"Pump 1": "pump1"}})
START, END, REQUIRED, OVERFLOW = ({"EventType": ua.NodeId(ua.Int32(number))} for number in (2787, 2788, 2789, 3035))
AT = datetime(2026, 11, 20, 7, 10, tzinfo=UTC)


def event(name="Wear", active=True, severity=500, branch=None, retain=None, at=AT, **more):
    return {
        "EventType": ua.NodeId(ua.Int32(9341)), "NodeId": ua.NodeId(name, 2), "ConditionName": name, "Time": at,
        "SourceName": "Pump 1", "Severity": severity, "Message": ua.LocalizedText(f"{name} {severity}"),
        "BranchId": ua.NodeId(branch, 2) if branch else ua.NodeId(), "ActiveState/Id": active,
        "Retain": active if retain is None else retain, "ActiveState/TransitionTime": at,
    } | more  # fmt: skip


def told(conditions):
    return [(one.text, one.active) for one in conditions.take()]


def play(conditions, *events, now_us=1):
    for one in events:
        conditions.hear(one, now_us)
    return told(conditions)


def test_a_condition_is_raised_once_and_taken_back_under_the_same_id():
    conditions = Conditions(SPEC)
    assert play(conditions, event(), event()) == [("Wear 500", True)]
    assert play(conditions, event(severity=900)) == [("Wear 900", True)]  # more severe: told again
    conditions.hear(event(active=False), 2)
    (ended,) = conditions.take()
    assert (ended.active, ended.asset, ended.alert_id) == (False, "pump1", "opcua:plant:ns=2;s=Wear@1795158600000000")


def test_a_refresh_takes_back_what_it_no_longer_lists():
    conditions = Conditions(SPEC)
    play(conditions, event("Wear"), event("Leak"))
    assert play(conditions, START, event("Leak"), END) == [("Wear 500", False)]
    assert play(conditions, START, event("Leak"), END) == []


def test_what_is_raised_while_a_refresh_goes_on_is_not_taken_back_by_its_end():
    conditions = Conditions(SPEC)
    assert play(conditions, START, event("Wear"), END) == [("Wear 500", True)]


def test_an_older_state_that_nobody_acknowledged_has_an_alert_of_its_own_until_it_is_no_longer_retained():
    conditions = Conditions(SPEC)
    assert play(conditions, event(), event(branch="b1")) == [("Wear 500", True), ("Wear 500", True)]
    assert play(conditions, event(branch="b1", retain=False)) == [("Wear 500", False)]  # active as it was then
    assert play(conditions, event(active=False, retain=True)) == [("Wear 500", False)]  # not yet acknowledged


def test_a_condition_that_was_disabled_has_ended():
    conditions = Conditions(SPEC)
    play(conditions, event())
    assert play(conditions, event(**{"ActiveState/Id": None, "Retain": False})) == [("Wear 500", False)]


@pytest.mark.parametrize("wish", [REQUIRED, OVERFLOW])
def test_the_server_may_ask_for_a_refresh_or_have_lost_events(wish):
    assert Conditions(SPEC).hear(wish, 1) is True
    assert Conditions(SPEC).hear(event(), 1) is False


def test_a_refresh_that_does_not_end_is_asked_for_three_times_and_then_said_to_be_unended():
    conditions, now = Conditions(SPEC), 0
    play(conditions, event("Wear"), event("Leak"))
    for again in (True, True, False):
        conditions.asked(now)
        assert not conditions.overdue(now + REFRESH_US - 1)
        conditions.hear(event("Leak"), now + 1)
        assert conditions.overdue(now + REFRESH_US) is again
        now += REFRESH_US
    ((text, active),) = told(conditions)
    assert (text, active) == ("Wear 500 (no longer listed by the server, which did not end its refresh)", False)
    assert not conditions.overdue(now + 10 * REFRESH_US)


def test_a_server_that_ends_its_refresh_is_not_asked_again():
    conditions = Conditions(SPEC)
    play(conditions, event("Wear"))
    conditions.asked(0)
    assert play(conditions, event("Wear"), END) == []
    assert not conditions.overdue(10 * REFRESH_US)


def test_a_server_that_refuses_to_refresh_takes_nothing_back():
    conditions = Conditions(SPEC)
    play(conditions, event("Wear"))
    conditions.asked(0)
    conditions.refused()
    assert not conditions.overdue(10 * REFRESH_US)
    assert told(conditions) == []


def test_what_ended_while_the_program_was_down_is_taken_back_by_the_first_refresh():
    before = Conditions(SPEC)
    for one in (event("Wear"), event("A|B", branch="b@1"), event("Leak")):
        before.hear(one, 1)
    standing = before.take()
    other = replace(standing[0], alert_id=standing[0].alert_id.replace("plant", "another"))
    after = Conditions(replace(SPEC, options={**SPEC.options, "standing": [*standing, other]}))
    assert play(after, START, event("A|B", branch="b@1"), event("Leak"), END) == [("Wear 500", False)]
    assert play(after, event("A|B", branch="b@1", retain=False)) == [("A|B 500", False)]


def test_a_message_that_names_an_address_is_told_without_it():
    conditions = Conditions(SPEC)
    conditions.hear(event(Message=ua.LocalizedText("call +49 351 1234567 at 14 bar")), 1)
    (alert,) = conditions.take()
    assert alert.text == "call [phone number] at 14 bar"
    assert json.loads(alert.raw)["Message"] == "call +49 351 1234567 at 14 bar"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["on", "off", "start", "end", "high"]))))
def test_whatever_comes_the_alerts_of_one_condition_alternate(steps):
    conditions, standing, refreshing = Conditions(SPEC), {}, False
    for name, step in steps:
        if step in ("start", "end"):
            conditions.hear(START if step == "start" else END, 1)
            refreshing = step == "start"
        else:
            conditions.hear(event(name, step != "off", 900 if step == "high" else 500), 1)
        for one in conditions.take():
            if one.active:
                standing[one.alert_id] = one
            else:
                del standing[one.alert_id]
    assert len(standing) <= 2
    assert refreshing in (True, False)


async def heard(source, count=1):
    found = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += await source.alerts()
            await asyncio.sleep(0.1)
    return found


def drive(peer, value):
    peer.tell(json.dumps({"do": "alarm", "value": value}))


async def test_a_limit_alarm_of_node_opcua_is_raised_refreshed_and_taken_back(tmp_path):
    with node_opcua(tmp_path, nodes=1) as peer:
        spec = replace(SPEC, options={"url": f"opc.tcp://127.0.0.1:{peer.port}", "vendor": "Peer"})
        source = open_source(spec)
        await source.open()
        drive(peer, 85.0)
        (raised,) = await heard(source)
        assert (raised.active, raised.failure_mode, raised.vendor) == (True, "TemperatureAlarm", "Peer")
        assert raised.issued_us is not None
        await source.open()  # a new session: the refresh tells it again, which is nothing new
        await asyncio.sleep(1.5)
        assert [one for one in await source.alerts() if not one.active] == []
        newcomer = open_source(replace(spec, options={**spec.options, "standing": [raised]}))
        await source.close()
        drive(peer, 20.0)  # ends while nobody listens
        await newcomer.open()
        (ended,) = await heard(newcomer)
        assert (ended.alert_id, ended.active) == (raised.alert_id, False)
        await newcomer.close()


async def test_a_server_that_cannot_refresh_is_heard_all_the_same(tmp_path):
    with node_opcua(tmp_path, nodes=1, refresh=False) as peer:
        options = {"url": f"opc.tcp://127.0.0.1:{peer.port}"}
        source = open_source(replace(SPEC, options=options))
        await source.open()
        drive(peer, 85.0)
        (raised,) = await heard(source)
        drive(peer, 20.0)
        found = await heard(source)
        assert (raised.alert_id, False) in [(one.alert_id, one.active) for one in found]
        await source.close()


async def test_subscriptions_that_node_opcua_drops_are_renewed_and_refreshed(tmp_path):
    with node_opcua(tmp_path, nodes=1) as peer:
        options = {"url": f"opc.tcp://127.0.0.1:{peer.port}"}
        source = open_source(replace(SPEC, options=options))
        await source.open()
        drive(peer, 85.0)
        (raised,) = await heard(source)
        peer.tell(json.dumps({"do": "end_subscriptions"}))
        drive(peer, 20.0)
        (ended,) = await heard(source)
        assert (ended.alert_id, ended.active) == (raised.alert_id, False)
        await source.close()
