"""The OPC UA driver against asyncua's own server: status codes, vanished nodes, restarts, alarms & conditions."""

import asyncio
import json
import logging
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.event_objects import LimitAlarm

from drivers.errors import ConfigError, SourceDown
from drivers.opcua import open_source
from drivers.opcua.client import GuardedClient
from drivers.opcua.status import decode, parse_node_id, reasons_of_status
from drivers.opcua.wire import Other, Told, WireError
from drivers.record import Quality, Reason, quality_of
from drivers.vendor.conditions import Conditions
from tests.drivers.servers import hostile_server, nodes, opcua_server, opcua_spec, put, variables

live = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def source_of():
    sources = []

    async def make(spec):
        source = open_source(spec)
        sources.append(source)
        await source.open()
        return source

    yield make
    for source in sources:
        await source.close()


async def rows(source):
    return list((await source.read(source.spec.tags)).rows())


async def until(condition, seconds=20.0):
    """Poll until `condition` holds; the time-out is only there so that a failure ends."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("code", "reasons", "quality"),
    [
        (0x00000000, Reason.OK, Quality.GOOD),
        (0x00960000, Reason.FORCED, Quality.GOOD),
        (0x00300000, Reason.OK, Quality.GOOD),
        (0x40900000, Reason.STALE, Quality.UNCERTAIN),
        (0x408F0000, Reason.STALE, Quality.UNCERTAIN),
        (0x40910000, Reason.SUBSTITUTE, Quality.UNCERTAIN),
        (0x40920000, Reason.INITIAL, Quality.UNCERTAIN),
        (0x40930000, Reason.SPEC, Quality.UNCERTAIN),
        (0x40940000, Reason.SPEC, Quality.UNCERTAIN),
        (0x40950000, Reason.SPEC, Quality.UNCERTAIN),
        (0x80890000, Reason.CONFIG, Quality.BAD),
        (0x808A0000, Reason.COMMS, Quality.BAD),
        (0x808B0000, Reason.DEVICE, Quality.BAD),
        (0x808C0000, Reason.SENSOR, Quality.BAD),
        (0x808D0000, Reason.DEVICE, Quality.BAD),
        (0x80310000, Reason.COMMS, Quality.BAD),
        (0x80320000, Reason.COMMS | Reason.INITIAL, Quality.BAD),
        (0x800A0000, Reason.COMMS, Quality.BAD),
        (0x80AE0000, Reason.COMMS, Quality.BAD),
        (0x80340000, Reason.CONFIG, Quality.BAD),
        (0x801F0000, Reason.CONFIG, Quality.BAD),
        (0x808C0500, Reason.SENSOR, Quality.BAD),  # with limit bits
        (0xC0000000, Reason.EXCEPTION, Quality.BAD),  # the reserved severity counts as bad
        (0x00004000, Reason.SPEC | Reason.BREAK, Quality.UNCERTAIN),  # semantics changed
    ],
)
def test_each_status_code_has_its_reasons(code, reasons, quality):
    assert reasons_of_status(code) == reasons
    assert quality_of(reasons) == quality


@pytest.mark.parametrize(
    ("raw", "value", "reasons"),
    [
        (True, 1, Reason.OK),
        (2**63 + 1, 2**63 + 1, Reason.OK),
        ("AUTO", "AUTO", Reason.OK),
        (math.nan, None, Reason.SENSOR),
        (math.inf, None, Reason.SENSOR),
        (None, None, Reason.INITIAL),
        (Other("an array of Double"), None, Reason.CONFIG),
        ("a\udcffb", None, Reason.CONFIG),  # bytes that are no UTF-8
        ("x" * 1001, None, Reason.CONFIG),
    ],
)
def test_only_numbers_and_text_become_values(raw, value, reasons):
    found, why, detail = decode(Told(raw, 0, None))
    assert (found, why) == (value, reasons)
    assert bool(detail) == bool(reasons)


@pytest.mark.parametrize(
    "text",
    ["ns=2;s=Pump", "s=", "nsu=urn:x", "nsu=urn:x;q=1", "i=abc", "i=4294967296", "g=1", "b=*", "", "nsu=;s=a"],
)
def test_a_node_named_by_index_or_badly_is_refused(text):
    with pytest.raises(ConfigError, match="nsu=URI;s=NAME"):
        parse_node_id(text)


def test_identifiers_may_hold_semicolons_and_equal_signs():
    assert parse_node_id("nsu=http://a/b;s=x;y=1 2") == ("http://a/b", "s", "x;y=1 2")
    assert parse_node_id("i=2258") == (None, "i", "2258")


@live
async def test_values_come_with_status_and_source_time(source_of, server):
    await variables(server, steady=0.0, forced=0.0, sensor=0.0, stale=0.0, text="")
    moment = datetime(2026, 11, 23, 13, 22, tzinfo=UTC)
    await put(server, "steady", 98.5, moment=moment)
    await put(server, "forced", 3.0, 0x00960000, moment)
    await put(server, "sensor", 7.0, 0x808C0000, moment)
    await put(server, "stale", 5.0, 0x40900000, moment)
    await put(server, "text", "AUTO", moment=moment)
    source = await source_of(opcua_spec(server.url, nodes("steady", "forced", "sensor", "stale", "text")))
    found = await rows(source)
    assert [(row.value, row.reasons) for row in found] == [
        (98.5, Reason.OK),
        (3.0, Reason.FORCED),
        (None, Reason.SENSOR),  # asyncua sends no value with a bad status
        (5.0, Reason.STALE),
        ("AUTO", Reason.OK),
    ]
    assert {row.source_us for row in found} == {round(moment.timestamp() * 1e6)}
    assert found[2].detail == "BadSensorFailure 0x808C0000"


@live
async def test_a_text_where_a_number_is_expected_is_kept_but_bad(source_of, server):
    await variables(server, wrong="")
    await put(server, "wrong", "[red]1.5")
    spec = opcua_spec(server.url, nodes("wrong"))
    source = await source_of(replace(spec, tags=(replace(spec.tags[0], unit="m"),)))
    (row,) = await rows(source)
    assert (row.value, row.reasons) == ("[red]1.5", Reason.CONFIG)
    assert quality_of(row.reasons) == Quality.BAD
    assert row.detail == "nsu=urn:plant;s=Pump.wrong: a text, where a number in m is expected"


@live
@pytest.mark.parametrize("mode", ["poll", "subscribe"])
async def test_values_that_are_none_are_bad_by_name_and_the_others_stay_right(source_of, server, mode):
    hostile = {
        "nan": math.nan, "endless": math.inf, "long": "x" * 1_000_000, "array": [1.0, 2.0], "bytes": b"\0\1",
        "huge": 2**64 - 1, "right": 4.25, "text": "\x1b[2J\u202e<b>",
    }  # fmt: skip
    kinds = {"huge": ua.VariantType.UInt64}
    folder = await server.nodes.objects.add_object(ua.NodeId(f"Hostile.{mode}", server.space), mode)
    for name, value in hostile.items():
        await folder.add_variable(ua.NodeId(f"{mode}.{name}", server.space), name, value, kinds.get(name))
    spec = opcua_spec(server.url, {name: f"nsu=urn:plant;s={mode}.{name}" for name in hostile}, mode=mode)
    source = await source_of(spec)
    found = {name: row for name, row in zip(hostile, await rows(source), strict=True)}
    assert found["right"].value == 4.25
    assert (found["huge"].value, found["huge"].reasons) == (str(2**64 - 1), Reason.OK)
    assert found["text"].value == hostile["text"]
    for name in ("nan", "endless", "long", "array", "bytes"):
        assert (found[name].value, quality_of(found[name].reasons)) == (None, Quality.BAD)
        assert len(found[name].detail) < 120
    assert f"nsu=urn:plant;s={mode}.long: a text of 1,000,000 characters" in found["long"].detail


@live
async def test_a_vanished_node_is_bad_by_name_and_the_others_go_on(source_of, server):
    await variables(server, flow=1.5, level=2.5)
    spec = opcua_spec(server.url, nodes("flow", "level", "never") | {"strange": "nsu=urn:nobody;s=x"})
    source = await source_of(spec)
    before = await rows(source)
    await server.delete_nodes([server.get_node(ua.NodeId("Pump.level", server.space))])
    after = await rows(source)
    assert [row.value for row in before] == [1.5, 2.5, None, None]
    assert [row.value for row in after] == [1.5, None, None, None]
    assert {row.reasons for row in after[1:]} == {Reason.CONFIG}
    assert "nsu=urn:plant;s=Pump.level" in after[1].detail
    assert "BadNodeIdUnknown" in after[1].detail
    assert "urn:nobody" in after[3].detail


@live
async def test_a_namespace_that_moved_at_a_restart_is_found_again(source_of):
    async with opcua_server() as server:
        await variables(server, flow=1.0)
        source = await source_of(opcua_spec(server.url, nodes("flow")))
        assert (await rows(source))[0].value == 1.0
        first = server.space
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(SourceDown):
        await rows(source)
    async with opcua_server(port, extra_namespaces=("urn:one", "urn:two")) as server:
        await variables(server, flow=2.0)
        assert server.space != first
        await source.open()
        assert (await rows(source))[0].value == 2.0


@live
async def test_a_long_list_is_read_in_batches_and_stays_in_order(source_of, server):
    names = [f"v{n}" for n in range(23)]
    await variables(server, **{name: float(n) for n, name in enumerate(names)})
    source = await source_of(opcua_spec(server.url, nodes(*names), batch=5))
    assert [row.value for row in await rows(source)] == [float(n) for n in range(23)]
    assert source.explain()[0] == "every 5 s: 5 requests for 23 tags"


@live
async def test_nobody_listening_is_said_as_such_and_closing_is_quiet():
    async with hostile_server(None) as port:
        pass
    source = open_source(opcua_spec(f"opc.tcp://127.0.0.1:{port}/", nodes("flow"), timeout_s=1.0))
    with pytest.raises(SourceDown, match=f"server: opc.tcp://127.0.0.1:{port}/"):
        await source.open()
    with pytest.raises(SourceDown, match="not connected"):
        await rows(source)
    await source.close()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400\r\n\r\n", b"ACKF\x08\0\0\0", b"\xff" * 64, b"MSGF\xff\xff\xff\x7f", None]
)
@live
async def test_a_server_that_speaks_nonsense_is_down_and_leaves_no_traceback(answer, caplog):
    async def respond(_request, writer):
        if answer is None:
            writer.close()
        else:
            writer.write(answer)

    async with hostile_server(respond) as port:
        source = open_source(opcua_spec(f"opc.tcp://127.0.0.1:{port}/", nodes("flow"), timeout_s=0.5))
        with pytest.raises(SourceDown):
            await source.open()
        await source.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def alarm(server, name="WearAlarm"):
    event = LimitAlarm()
    event.NodeId = ua.NodeId(f"Pump.{name}", server.space)
    event.add_property("NodeId", event.NodeId, ua.VariantType.NodeId)
    event.ConditionName = name
    event.SourceName = "Pump"
    event.BranchId = ua.NodeId()
    event.Severity = 500
    return event


async def fire(generator, active, message, retain=None):
    setattr(generator.event, "ActiveState/Id", active)
    generator.event.Retain = active if retain is None else retain
    generator.event.Message = ua.LocalizedText(message)
    await generator.trigger()


@live
async def test_a_condition_is_raised_once_taken_back_and_told_again_after_a_reconnect(source_of, server):
    generator = await server.get_event_generator(alarm(server), server.nodes.server)
    spec = opcua_spec(server.url, nodes("any"), vendor="SmartPump", components={"WearAlarm": "bearing"})
    source = await source_of(spec)
    await fire(generator, True, "bearing wear")
    (raised,) = await until(source.alerts)
    await fire(generator, True, "bearing wear, still")
    await source.open()  # reconnect: the refresh tells the same condition again
    await fire(generator, False, "back to normal")
    (taken_back,) = await until(source.alerts)
    await fire(generator, True, "bearing wear again")
    (again,) = await until(source.alerts)
    other = open_source(spec)
    await other.open()  # a newcomer learns what is active from the refresh alone
    (learnt,) = await until(other.alerts)
    await other.close()
    await fire(generator, False, "done")
    assert (raised.origin, raised.feed, raised.vendor) == ("vendor", "opcua", "SmartPump")
    assert (raised.asset, raised.component, raised.failure_mode) == ("p", "bearing", "WearAlarm")
    assert (raised.severity, raised.text, raised.active) == ("warning", "bearing wear", True)
    assert raised.issued_us <= raised.received_us
    assert json.loads(raised.raw)["Message"] == "bearing wear"
    assert (taken_back.alert_id, taken_back.active) == (raised.alert_id, False)
    assert again.alert_id != raised.alert_id
    assert learnt.alert_id == again.alert_id
    assert learnt.text == "bearing wear again"


@live
async def test_a_condition_that_ended_during_an_outage_is_taken_back_by_the_refresh(source_of, server):
    generator = await server.get_event_generator(alarm(server), server.nodes.server)
    source = await source_of(opcua_spec(server.url, {}))
    await fire(generator, True, "bearing wear")
    (raised,) = await until(source.alerts)
    await source.close()
    await fire(generator, False, "back to normal")
    await source.open()
    (taken_back,) = await until(source.alerts)
    assert (taken_back.alert_id, taken_back.active) == (raised.alert_id, False)


@live
async def test_a_lost_subscription_is_renewed_while_the_session_lives(source_of, server):
    generator = await server.get_event_generator(alarm(server), server.nodes.server)
    source = await source_of(opcua_spec(server.url, {}))
    await server.iserver.subscription_service.delete_subscriptions([source._events])
    source._publisher._orders[source._events].patience_s = 0.5  # not the 9 s of two missed keep-alives
    await fire(generator, True, "bearing wear")
    assert [one.text for one in await until(source.alerts)] == ["bearing wear"]
    await fire(generator, False, "done")


@live
async def test_events_that_can_no_longer_come_end_a_session_whose_values_go_on(source_of, server):
    await variables(server, still=1.0)
    source = await source_of(opcua_spec(server.url, nodes("still")))
    await rows(source)
    assert await source.alerts() == []
    source._publisher.fault = WireError("ten messages that cannot be read")
    await rows(source)
    with pytest.raises(SourceDown, match="ten messages"):
        await source.alerts()
    await source.open()
    assert await source.alerts() == []


@pytest.mark.parametrize(
    ("url", "port"), [("opc.tcp://[::1]/x", 4840), ("opc.tcp://plc/x", 4840), ("opc.tcp://plc:1", 1)]
)
def test_an_address_without_a_port_has_the_standard_s(url, port):
    assert GuardedClient(url, 1.0).server_url.port == port


def test_unknown_modes_and_half_configured_security_are_refused():
    with pytest.raises(ConfigError, match="mode 'push' is unknown"):
        open_source(opcua_spec("opc.tcp://127.0.0.1:1/", {}, mode="push"))
    with pytest.raises(ConfigError, match="needs certificate, private_key and server_certificate"):
        open_source(opcua_spec("opc.tcp://127.0.0.1:1/", {}, security="Basic256Sha256,SignAndEncrypt"))


@live
async def test_a_server_that_announces_a_message_without_end_is_hung_up_on():
    sent = 0

    async def respond(_request, writer):
        nonlocal sent
        writer.write(b"MSGF" + (0xFFFFFFF0).to_bytes(4, "little"))
        while True:
            writer.write(bytes(1_000_000))
            await writer.drain()  # ends with a ConnectionError once the other side is gone
            sent += 1_000_000

    async with hostile_server(respond) as port:
        source = open_source(opcua_spec(f"opc.tcp://127.0.0.1:{port}/", nodes("flow"), timeout_s=60.0))
        with pytest.raises(SourceDown):
            await source.open()
    assert sent < 64_000_000


def test_what_a_condition_says_can_be_stored_however_hostile_it_is():
    conditions = Conditions(opcua_spec("opc.tcp://127.0.0.1:1/", nodes("any")))
    event = {
        "NodeId": ua.NodeId("c\udcff" * 2000, 2), "ActiveState/Id": True, "SourceName": "s\udcff", "Severity": 10**6,
        "ConditionName": "n" * 100_000, "Message": ua.LocalizedText("m\udcff" + "x" * 100_000),
        "Time": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    }  # fmt: skip
    conditions.hear(event, 1)
    (alert,) = conditions.take()
    for text in (alert.alert_id, alert.failure_mode, alert.text, alert.raw.decode(), json.dumps(alert.extra)):
        text.encode()
    assert alert.text.startswith("m\\udcffx")
    assert len(alert.text) + len(alert.failure_mode) + len(alert.alert_id) < 10_000
    assert len(alert.raw) < 20_000
