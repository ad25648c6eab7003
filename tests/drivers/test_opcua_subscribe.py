"""Subscriptions against real servers: what is told, what silence means, what is lost and found again."""

import asyncio
import json
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import pytest_asyncio
from asyncua import ua

from drivers.errors import SourceDown
from drivers.opcua import open_source
from drivers.opcua.wire import Notification, Told
from drivers.record import Reason
from tests.drivers.servers import nodes, opcua_spec, put, variables
from tests.peers.launch import node_opcua, url_of

live = pytest.mark.asyncio(loop_scope="module")
pytestmark = [  # asyncua's server forgets to wait for a callback when a monitored node is deleted
    pytest.mark.filterwarnings("ignore:.*datachange_callback:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*datachange_callback:pytest.PytestUnraisableExceptionWarning"),
]
PERIOD_S = 0.2
KNOWN_S = 1.0 + 2 * PERIOD_S + 5.0  # the time-out, two periods, and a machine that does other things too
OVERFLOW = 0x480  # info type "data value", overflow
SEMANTICS_CHANGED = 0x4000


@pytest_asyncio.fixture(loop_scope="module")
async def source_of():
    sources = []

    async def make(url, names, **options):
        spec = opcua_spec(url, names, **{"mode": "subscribe", "alarms": False, "timeout_s": 1.0, **options})
        source = open_source(replace(spec, every_s=PERIOD_S))
        sources.append(source)
        await source.open()
        return source

    yield make
    for source in sources:
        await source.close()


async def taken(source):
    return list((await source.read(source.spec.tags)).rows())


async def until(source, found, seconds=20.0):
    """Read as the poller does until `found(row)` holds for one; all rows up to then."""
    rows = []
    async with asyncio.timeout(seconds):
        while not any(found(row) for row in rows):
            await asyncio.sleep(PERIOD_S)
            rows += await taken(source)
    return rows


@live
async def test_the_first_read_tells_all_and_later_ones_each_change_in_order_with_its_time(source_of, server):
    await variables(server, flow=1.0, level=2.0)
    source = await source_of(server.url, nodes("flow", "level"), sampling_ms=50.0, queue_size=20)
    assert [(row.tag, row.value) for row in await taken(source)] == [(0, 1.0), (1, 2.0)]
    start = datetime(2026, 11, 23, 13, 22, tzinfo=UTC)
    for step in range(5):
        await put(server, "flow", 10.0 + step, moment=start + timedelta(seconds=step))
        await asyncio.sleep(0.02)
    rows = [row for row in await until(source, lambda row: row.value == 14.0) if row.tag == 0 and row.value >= 10]
    assert [row.value for row in rows] == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert [row.source_us for row in rows] == [round(start.timestamp() * 1e6) + step * 1_000_000 for step in range(5)]
    assert source.counts.lost == 0


@live
async def test_a_value_that_does_not_change_is_told_again_and_is_not_suspected(source_of, server):
    await variables(server, still=3.0)
    source = await source_of(server.url, nodes("still"))
    await taken(source)
    rows = [await taken(source) for _ in range(20) if await asyncio.sleep(PERIOD_S) is None]
    told = [row for part in rows for row in part]
    assert 8 <= len(told) <= 13  # every second period
    assert {(row.value, row.reasons, row.detail) for row in told} == {(3.0, Reason.OK, "")}
    assert source.counts.lost == 0


@live
async def test_a_session_that_lives_while_an_item_is_dead_is_found_out_counted_and_mended(source_of, server):
    await variables(server, dead=1.0, alive=1.0)
    source = await source_of(server.url, nodes("dead", "alive"))
    await taken(source)
    await until(source, lambda row: row.tag == 0)
    (subscription,) = source._subscriptions._ids
    item = source._subscriptions._items[0]
    server.iserver.subscription_service.delete_monitored_items(
        ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription, MonitoredItemIds=[item.number])
    )
    await put(server, "dead", 2.0)
    rows = await until(source, lambda row: "monitored anew" in row.detail)
    assert rows[-1].value == 2.0
    assert "session alive, but the subscription did not tell this value" in rows[-1].detail
    assert source.counts.lost == 1
    assert source._subscriptions._ids == {subscription}
    await put(server, "dead", 3.0)
    await until(source, lambda row: row.tag == 0 and row.value == 3.0)
    assert source.counts.lost == 1


@live
async def test_a_subscription_that_the_server_forgot_is_made_anew_and_the_gap_marked(source_of, server):
    await variables(server, forgotten=1.0)
    source = await source_of(server.url, nodes("forgotten"))
    await taken(source)
    await until(source, lambda row: True)
    (old,) = source._subscriptions._ids
    await server.iserver.subscription_service.delete_subscriptions([old])
    source._publisher._orders[old].patience_s = 0.3  # not the seconds of two keep-alives
    rows = await until(source, lambda row: row.reasons == Reason.GAP)
    gap = next(row for row in rows if row.reasons == Reason.GAP)
    assert gap.value is None
    assert gap.detail == "values may be missing before this: no keep-alive came of the subscription"
    assert old not in source._subscriptions._ids
    await put(server, "forgotten", 5.0)
    await until(source, lambda row: row.value == 5.0)


@live
async def test_a_vanished_node_is_named_each_period_and_found_again_and_the_others_go_on(source_of, server):
    await variables(server, stays=1.0, leaves=2.0)
    source = await source_of(server.url, nodes("stays", "leaves", "never") | {"strange": "nsu=urn:nobody;s=x"})
    first = await taken(source)
    assert [row.value for row in first] == [1.0, 2.0, None, None]
    assert [row.reasons for row in first] == [Reason.OK, Reason.OK, Reason.CONFIG, Reason.CONFIG]
    assert "nsu=urn:plant;s=Pump.never: BadNodeIdUnknown" in first[2].detail
    assert "knows no namespace urn:nobody" in first[3].detail
    await server.delete_nodes([server.get_node(ua.NodeId("Pump.leaves", server.space))])
    await until(source, lambda row: row.tag == 1 and row.reasons == Reason.CONFIG)
    await asyncio.sleep(3 * PERIOD_S)
    rows = await taken(source)
    assert [row.tag for row in rows if row.tag] == [1, 2, 3]  # each of them, in this period too
    assert "nsu=urn:plant;s=Pump.leaves" in next(row.detail for row in rows if row.tag == 1)
    await put(server, "stays", 4.0)
    await variables(server, leaves=6.0)
    source._subscriptions._items[1].retry_s = 0.0  # not 10 s
    rows = await until(source, lambda row: row.tag == 1 and row.value == 6.0)
    assert any(row.tag == 0 and row.value == 4.0 for row in rows)
    await put(server, "leaves", 7.0)
    await until(source, lambda row: row.tag == 1 and row.value == 7.0 and not row.detail)


@live
async def test_a_sensor_that_fails_now_and_then_has_its_status_with_each_value(source_of, server):
    await variables(server, flips=1.0)
    source = await source_of(server.url, nodes("flips"), sampling_ms=50.0, queue_size=50)
    await taken(source)
    for step in range(6):
        await put(server, "flips", float(step), 0x808C0000 if step % 2 else 0)
        await asyncio.sleep(0.02)
    await put(server, "flips", 99.0)
    rows = await until(source, lambda row: row.value == 99.0)
    assert [row.reasons for row in rows[-7:]] == [Reason.OK, Reason.SENSOR] * 3 + [Reason.OK]
    assert all("BadSensorFailure" in row.detail for row in rows[-7:] if row.reasons)


@live
async def test_a_changed_unit_is_a_break_that_says_the_new_unit(source_of, server):
    await variables(server, scaled=1.0, bare=1.0)
    node = server.get_node(ua.NodeId("Pump.scaled", server.space))
    await node.add_property(ua.NodeId("eu", server.space), ua.QualifiedName("EngineeringUnits", 0),
                            ua.EUInformation(DisplayName=ua.LocalizedText("l/s")))  # fmt: skip
    for mode in ("subscribe", "poll"):
        await put(server, "scaled", 1.0)
        source = await source_of(server.url, nodes("scaled", "bare"), mode=mode)
        await taken(source)
        await put(server, "scaled", 0.278, SEMANTICS_CHANGED)
        await put(server, "bare", 2.0, SEMANTICS_CHANGED)
        rows = await until(source, lambda row: row.tag == 1 and row.reasons & Reason.SPEC)
        scaled = next(row for row in rows if row.tag == 0 and row.reasons & Reason.SPEC)
        assert scaled.value == 0.278
        assert scaled.detail.endswith("unit or scale changed; the server now says l/s")
        assert rows[-1].detail.endswith("unit or scale changed")
        assert all(Reason.SPEC | Reason.BREAK in row.reasons for row in (scaled, rows[-1]))
        await put(server, "bare", 2.0)


@live
async def test_what_queues_dropped_is_counted_and_told_with_the_next_value(source_of, server):
    await variables(server, many=0.0)
    source = await source_of(server.url, nodes("many"))
    await taken(source)
    (subscription,) = source._subscriptions._ids
    room = source._subscriptions._items[0].wishes.room

    def told(first, count, status=0):
        changes = tuple((0, Told(float(first + n), status, None)) for n in range(count))
        return Notification(subscription, 0, (), changes, (), (), False)

    source._subscriptions.hear(told(100, 1, OVERFLOW))
    rows = await until(source, lambda row: row.value == 100.0)
    assert rows[-1].detail == "values before this one were lost in the server's queue"
    assert rows[-1].reasons == Reason.OK
    assert source.counts.lost == 1
    for part in range(50):
        source._subscriptions.hear(told(1000 * part, 1000))
    rows = await taken(source)
    assert len(rows) == room
    assert rows[-1].value == 49_999.0
    assert rows[0].detail == f"{50_000 - room} values before this one were lost in our own queue"
    assert source.counts.lost == 1 + 50_000 - room


@live
async def test_thousands_of_items_are_spread_over_subscriptions_and_asked_for_in_parts(source_of, server):
    names = [f"n{number}" for number in range(1_200)]
    await variables(server, **dict.fromkeys(names, 1.0))
    source = await source_of(server.url, nodes(*names), timeout_s=10.0, batch=400)
    assert [row.value for row in await taken(source)] == [1.0] * 1_200
    assert len(source._subscriptions._ids) == 2
    assert source.explain()[0].startswith("1200 tags in 2 subscriptions: sampled every 100 ms, queue of 2; what is")


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    limits = {"maxNodesPerRead": 3, "maxMonitoredItemsPerCall": 2}
    with node_opcua(tmp_path_factory.mktemp("node"), nodes=8, every_ms=100, limits=limits) as running:
        yield running


def order(peer, **what):
    peer.tell(json.dumps(what))


def peer_nodes(*names):
    return nodes(*names, space="urn:peer", prefix="")


@live
async def test_node_opcua_with_small_limits_tells_every_step_of_its_counters(source_of, peer):
    names = [f"v{n}" for n in range(8)]
    source = await source_of(url_of(peer), peer_nodes(*names), sampling_ms=50.0, queue_size=10)
    assert source.client.batch["monitor"] == 2
    assert len(await taken(source)) == 8
    rows = []
    for _ in range(15):
        await asyncio.sleep(PERIOD_S)
        rows += await taken(source)
    values = [row.value for row in rows if row.tag == 3]
    assert len(values) > 10
    steps = [after - before for before, after in pairwise(values)]
    assert set(steps) <= {0.0, 1.0}
    assert source.counts.lost == 0


@live
async def test_node_opcua_that_ends_our_subscriptions_gives_a_gap_and_new_values(source_of, peer):
    source = await source_of(url_of(peer), peer_nodes("v0", "v1"))
    await taken(source)
    await until(source, lambda row: True)
    order(peer, do="end_subscriptions")
    rows = await until(source, lambda row: row.reasons == Reason.GAP)
    assert source.counts.lost >= 1
    assert rows[-1].detail.startswith("values may be missing before this: the server")
    (start,) = [row.value for row in await until(source, lambda row: row.tag == 1 and row.value) if row.tag == 1][:1]
    await until(source, lambda row: row.tag == 1 and row.value is not None and row.value > start + 3)
    order(peer, do="end_sessions")
    with pytest.raises(SourceDown):
        await until(source, lambda row: False)
    await source.open()
    assert len(await taken(source)) == 2


@live
async def test_a_server_that_is_killed_or_stopped_is_known_within_time_out_and_period_and_found_again(
    source_of, tmp_path
):
    with node_opcua(tmp_path, nodes=2, every_ms=100) as first:
        source = await source_of(url_of(first), peer_nodes("v0"))
        await taken(source)
        os.kill(first.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(SourceDown, match="no answer in time"):
            await until(source, lambda row: False)
        assert time.monotonic() - start < KNOWN_S
        os.kill(first.pid, signal.SIGCONT)
        await source.open()
        await until(source, lambda row: row.value is not None)
        port = first.port
        first.kill()
        start = time.monotonic()
        with pytest.raises(SourceDown):
            await until(source, lambda row: False)
        assert time.monotonic() - start < KNOWN_S
        with pytest.raises(SourceDown):
            await source.open()
    with node_opcua(tmp_path, nodes=2, every_ms=100, port=port, namespaces=["urn:a", "urn:b"]):
        await source.open()
        assert (await taken(source))[0].reasons == Reason.OK
        await until(source, lambda row: row.value is not None and row.value > 3)
