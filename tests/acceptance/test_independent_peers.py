"""Our drivers on servers that we did not write: libmodbus (C) and node-opcua. Absent, these skip with the reason."""

import asyncio
import json

import pytest

from drivers.errors import SourceDown
from drivers.modbus.source import open_source as open_modbus
from drivers.opcua import open_source as open_opcua
from drivers.record import Quality, Reason
from drivers.registers import encode
from tests.drivers.servers import opcua_spec, spec, tag
from tests.peers.launch import libmodbus, node_opcua, url_of

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
VALUES = {
    "u16": 51966, "i16": -1234, "u32": 3_735_928_559, "i32": -2_000_000_001, "u64": 2**63 + 5, "i64": -(2**62) - 7,
    "f32": -1234.5, "f64": 6.02214076e23,
}  # fmt: skip


@pytest.fixture
def peer(tmp_path):
    with libmodbus(tmp_path) as running:
        yield running


async def rows(source):
    return list((await source.read(source.spec.tags)).rows())


def is_value(row, value):
    return row.value == (str(value) if isinstance(value, int) and abs(value) > 2**53 else value)


async def test_libmodbus_gives_every_type_in_every_order_as_it_was_put(peer):
    tags, said = [], []
    for order in ORDERS:
        for kind, value in VALUES.items():
            table = "holding" if len(tags) % 2 else "input"
            one = tag(len(tags), kind, 10 * len(tags), table=table, order=order)
            tags.append(one)
            said.append(value)
            peer.tell(f"{table[0]} {one.where.address} " + " ".join(map(str, encode(value, one.where))))
    source = open_modbus(spec(peer.port, tags))
    await source.open()
    found = await rows(source)
    await source.close()
    assert {row.quality for row in found} == {Quality.GOOD}
    assert all(is_value(row, value) for row, value in zip(found, said, strict=True))


async def test_libmodbus_bits_come_from_coils_and_discrete_inputs(peer):
    peer.tell("c 3 1 0 1 1 0 0 0 0 1")
    peer.tell("d 3 0 1 1")
    tags = [tag(n, "bit", 3 + n, table="coil") for n in range(9)]
    tags += [tag(9 + n, "bit", 3 + n, table="discrete") for n in range(3)]
    source = open_modbus(spec(peer.port, tags))
    await source.open()
    assert [row.value for row in await rows(source)] == [1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1]
    await source.close()


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
async def test_libmodbus_refuses_one_value_and_the_others_stay_good(peer, code):
    peer.tell("h 0 10 11 12 13 14 15 16 17")
    peer.tell(f"refuse 5 {code}")
    source = open_modbus(spec(peer.port, [tag(n, address=n) for n in range(8)] + [tag(8, address=2000)]))
    await source.open()
    found = await rows(source)
    await source.close()
    refused = found[5]
    assert refused.value is None
    assert Reason.EXCEPTION in refused.reasons
    assert f"exception {code} " in refused.detail
    if code not in (10, 11):  # a gateway that says its device is dead: the device rests as a whole
        assert "exception 2 " in found[8].detail  # libmodbus's own refusal
    if code in (2, 3):  # only these say that a smaller block may do
        assert [row.value for row in found[:8]] == [10, 11, 12, 13, 14, None, 16, 17]
    assert peer.tell("log")[0].split()[1].startswith("3=")


async def test_libmodbus_silent_or_hanging_up_is_a_source_that_is_down_and_comes_back(peer):
    peer.tell("h 0 7")
    source = open_modbus(spec(peer.port, [tag(0)], timeout_s=0.3))
    await source.open()
    peer.tell("silent 1")
    with pytest.raises(SourceDown, match=r"within 0.3 s"):
        await source.read(source.spec.tags)
    peer.tell("silent 0")
    await source.open()
    peer.tell("drop")
    assert (await rows(source))[0].value == 7
    await source.close()


@pytest.fixture(scope="module")
def ua_peer(tmp_path_factory):
    with node_opcua(tmp_path_factory.mktemp("node"), nodes=5, every_ms=100) as running:
        yield running


def order(peer, **what):
    answer = peer.tell(json.dumps(what))
    return json.loads(answer[0].split(" ", 1)[1]) if answer else None


def nodes(*names):
    return {name: f"nsu=urn:peer;s={name}" for name in names}


async def test_node_opcua_values_keep_their_status_and_a_vanished_node_is_named(ua_peer):
    order(ua_peer, do="set", node="v0", value=98.5, hold=True)
    order(ua_peer, do="set", node="v1", value=7.0, status="BadSensorFailure", hold=True)
    order(ua_peer, do="set", node="v2", value=5.0, status="UncertainLastUsableValue", hold=True)
    source = open_opcua(opcua_spec(url_of(ua_peer), nodes("v0", "v1", "v2", "v3"), alarms=False))
    await source.open()
    found = await rows(source)
    order(ua_peer, do="vanish", node="v3")
    after = await rows(source)
    order(ua_peer, do="appear", node="v3")
    again = await rows(source)
    await source.close()
    assert [row.reasons for row in found] == [Reason.OK, Reason.SENSOR, Reason.STALE, Reason.OK]
    assert (found[0].value, found[2].value) == (98.5, 5.0)
    assert all(row.source_us for row in found)
    assert (after[3].reasons, after[3].value) == (Reason.CONFIG, None)
    assert "nsu=urn:peer;s=v3" in after[3].detail
    assert [row.value for row in after[:3:2]] == [98.5, 5.0]
    assert again[3].reasons == Reason.OK


async def test_node_opcua_alarms_are_told_once_and_taken_back(ua_peer):
    source = open_opcua(opcua_spec(url_of(ua_peer), nodes("v0")))
    await source.open()

    async def until(active):
        heard = []
        async with asyncio.timeout(30):
            while not any(one.active == active for one in heard):
                heard += await source.alerts()
                await asyncio.sleep(0.05)
        return heard

    order(ua_peer, do="alarm", value=95.0)
    (raised,) = await until(True)
    await source.open()  # a reconnect: the refresh tells it again, we do not
    order(ua_peer, do="alarm", value=20.0)
    heard = await until(False)
    await source.close()
    # nobody acknowledged it, so the server also opens a branch for its past: a condition of its own (Part 9, 4.2)
    ended = [one for one in heard if one.alert_id == raised.alert_id]
    assert [one.active for one in ended] == [False]
    assert len({one.alert_id for one in heard} - {raised.alert_id}) <= 1
    assert raised.failure_mode == "TemperatureAlarm"
