"""Cases in which other programs were seen to lie, on the real daemon with a real OPC UA server: it does not."""

import json
import time
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from asyncua import ua

from drivers.record import Quality, Reason
from monitor.historian.history import wide
from tests.acceptance.recording_proxy import RecordingProxy
from tests.acceptance.watched import Watched
from tests.acceptance.wire import SERVICES, faults
from tests.drivers.servers import opcua_server
from tests.peers.launch import node_opcua, url_of

pytestmark = [  # asyncua's server forgets to wait for a callback when a monitored node is deleted
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:.*datachange_callback:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*datachange_callback:pytest.PytestUnraisableExceptionWarning"),
]
BAD_SENSOR_FAILURE = 0x808C0000
NAMES = ("flow", "power", "level", "running")
UNITS = {"flow": "m3/h", "power": "kW", "level": "m", "running": "1"}


def source(url, space, ids):
    rows = "".join(
        f'  {{ node = "nsu={space};s={ids[name]}", name = "{name}", unit = "{UNITS[name]}" }},\n' for name in NAMES
    )
    return (
        f'[source]\nname = "pump1"\ndriver = "opcua"\nsite = "G"\nevery_s = 0.5\ntimeout_s = 2.0\nurl = "{url}"\n'
        f'mode = "subscribe"\n\n[[source.block]]\nasset = "pump1"\ntags = [\n{rows}]\n'
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(tmp_path_factory):
    async with opcua_server() as server:
        for name in NAMES:
            await server.pump.add_variable(ua.NodeId(f"Pump.{name}", server.space), name, 1.0)
        async with RecordingProxy("opcua", int(server.url.rsplit(":", 1)[1].strip("/"))) as proxy:
            url = f"opc.tcp://127.0.0.1:{proxy.port}/"
            text = source(url, "urn:plant", {name: f"Pump.{name}" for name in NAMES})
            async with Watched(tmp_path_factory.mktemp("plant"), text) as watched:
                watched.server, watched.proxy = server, proxy
                yield watched


def node(plant, name):
    return plant.server.get_node(ua.NodeId(f"Pump.{name}", plant.server.space))


async def put(plant, name, value, status=0):
    now = datetime.now(UTC)
    await node(plant, name).write_value(ua.DataValue(ua.Variant(value), ua.StatusCode(status), SourceTimestamp=now))


async def test_case_5_a_sensor_that_fails_now_and_then_has_its_status_with_each_value(plant):
    begun_us = time.time_ns() // 1000
    for turn in range(4):
        failed = turn % 2 == 1
        await put(plant, "flow", 10.0 + turn, BAD_SENSOR_FAILURE if failed else 0)
        seen = await plant.newest("flow", lambda one, failed=failed, turn=turn: one.quality == Quality.BAD
                                  if failed else one.value == 10.0 + turn)  # fmt: skip
        assert seen.reasons == (Reason.SENSOR if failed else Reason.OK)
    assert_never_good(plant, begun_us, bad={11.0, 13.0})
    await put(plant, "flow", 1.0)
    await plant.all_good()


def assert_never_good(plant, begun_us, bad):
    """Each value with the status it came with: no bad one is stored as good, and none reaches a model."""
    rows = plant.stored("flow", begun_us)
    assert [one for one in rows if one.quality == Quality.BAD]
    assert not bad & {one.value for one in rows if one.quality != Quality.BAD}
    assert {"BadSensorFailure" in one.detail for one in rows if one.quality == Quality.BAD and one.detail} == {True}
    frame, share = wide(plant.state, plant.settings, "pump1", begun_us, time.time_ns() // 1000, 0.2)
    assert len(frame["flow"].dropna()) >= 2
    assert not bad & set(frame["flow"].dropna())
    assert share["flow"].min() == 0.0


async def test_case_5_the_same_from_node_opcua_that_sends_a_number_with_the_bad_status(tmp_path):
    """FUXA and ThingsBoard were seen to store these numbers as if they were good."""
    with node_opcua(tmp_path, nodes=4, every_ms=1_000_000) as peer:
        text = source(url_of(peer), "urn:peer", {name: f"v{n}" for n, name in enumerate(NAMES)})
        async with Watched(tmp_path / "d", text) as watched:
            begun_us = time.time_ns() // 1000
            for turn in range(4):
                failed = turn % 2 == 1
                status = "BadSensorFailure" if failed else "Good"
                peer.tell(json.dumps({"do": "set", "node": "v0", "value": 10 + turn, "status": status, "hold": True}))
                await watched.newest("flow", lambda one, failed=failed, turn=turn: one.quality == Quality.BAD
                                     if failed else one.value == 10 + turn)  # fmt: skip
            assert_never_good(watched, begun_us, bad={11.0, 13.0})


async def test_case_6_an_item_that_is_dead_in_a_living_subscription_is_found_out_and_mended(plant):
    """The server changes the value and tells nobody: the session lives, the other items come, this one is silent."""
    before = await plant.newest("level", lambda one: one.value == 1.0)
    space = plant.server.iserver.aspace
    now = ua.DataValue(ua.Variant(7.5), ua.StatusCode(0))
    space._nodes[node(plant, "level").nodeid].attributes[ua.AttributeIds.Value].value = now
    await put(plant, "power", 2.0)
    await plant.newest("power", lambda one: one.value == 2.0)
    found = await plant.newest("level", lambda one: one.value == 7.5)
    assert found.receive_us > before.receive_us
    await put(plant, "level", 8.0)
    await plant.newest("level", lambda one: one.value == 8.0)


async def test_case_6_a_subscription_that_is_lost_while_the_session_lives_is_made_anew(plant):
    service = plant.server.iserver.subscription_service
    for name, value in (("flow", 21.0), ("level", 22.0)):
        await service.delete_subscriptions(list(service.subscriptions))
        await put(plant, name, value)
        await plant.newest(name, lambda one, value=value: one.value == value and one.quality == Quality.GOOD)
    await plant.all_good()


async def test_case_6_a_node_that_vanished_is_named_and_the_others_go_on_and_it_comes_back(plant):
    await plant.server.delete_nodes([node(plant, "power")])
    status = await plant.bench.until(lambda s: s["sources"][0]["state"] == "degraded")
    assert "Pump.power" in status["sources"][0]["note"]
    seen = await plant.newest("power", lambda one: one.quality == Quality.BAD)
    assert (seen.value, seen.reasons) == (None, Reason.CONFIG)
    for value in (31.0, 32.0):
        await put(plant, "flow", value)
        await plant.newest("flow", lambda one, value=value: one.value == value and one.quality == Quality.GOOD)
    await plant.server.pump.add_variable(ua.NodeId("Pump.power", plant.server.space), "power", 33.0)
    await plant.newest("power", lambda one: one.value == 33.0)
    await plant.all_good()


async def test_after_all_this_only_reads_and_subscriptions_have_crossed_the_wire(plant):
    record = plant.proxy.record
    assert not faults(record.requests, SERVICES), faults(record.requests, SERVICES)[:5]
    assert record.counts["Publish"] >= 5
    assert record.counts["CreateMonitoredItems"] >= 3
    assert record.counts["Read"] >= 2
