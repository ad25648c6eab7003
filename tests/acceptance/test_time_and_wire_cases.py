"""Cases of time and of bytes: devices that come back a hundred times, six hours away, late answers, byte orders."""

import asyncio
import random
import struct
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from drivers.errors import SourceDown
from drivers.modbus.source import ModbusSource, open_source
from drivers.record import Quality, Reason, Register
from drivers.registers import decode
from drivers.sim.modbus_server import Memory, ModbusServer
from drivers.source import make_source
from monitor.daemon.poller import Poller
from monitor.settings import load
from tests.acceptance.recording_proxy import RecordingProxy
from tests.acceptance.wire import crc16
from tests.drivers.servers import hostile_server, mbap, spec, tag
from tests.monitor.plant_bench import configure

HOURS_S = 3_600.0


def device(value=7):
    memory = Memory()
    memory.put(Register(1, "holding", 0, "u16"), value)
    return ModbusServer(memory)


def one_tag(folder, port, configured, table="holding", base="wire0", at=0):
    """The spec of a source with one tag, from its configuration file."""
    config = configure(folder / "config", 1)
    (config / "sources" / "pump1.toml").write_text(
        f'[source]\nname = "pump1"\ndriver = "modbus_tcp"\nsite = "G"\nevery_s = 5\nhost = "127.0.0.1"\n'
        f'port = {port}\n{configured}\n\n[[source.block]]\nasset = "pump1"\ntable = "{table}"\n'
        f'address_base = "{base}"\norder = "ABCD"\ntags = [\n'
        f'  {{ at = {at}, name = "flow", as = "u16", unit = "m3/h" }},\n]\n'
    )
    return load(config).sources[0]


async def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.005)


async def killed_and_restarted(times):
    """A device that goes away and comes back, again and again; the link each time goes down and up by itself."""
    server = device()
    await server.start()
    batches, changes = [], []
    often = replace(spec(server.port, [tag(0)], timeout_s=1.0, max_backoff_s=0.02), every_s=0.02)
    poller = Poller(open_source(often), phase_s=0.0, on_batch=batches.append, on_change=changes.append, on_alerts=list)
    task = asyncio.create_task(poller.run())
    try:
        for _ in range(times):
            await until(lambda: poller.link.state == "up")
            await server.stop()
            await until(lambda: poller.link.state == "down")
            await server.start()
        await until(lambda: poller.link.state == "up")
        return poller, batches, changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


async def test_case_4_a_device_that_is_killed_and_restarted_again_and_again_always_comes_back():
    poller, batches, changes = await killed_and_restarted(100)
    assert poller.link.reconnects == 100
    assert [one.after for one in changes] == ["up", *["down", "up"] * 100]
    good = [batch.value[0] for batch in batches if batch.quality[0] == Quality.GOOD]
    assert set(good) == {7.0}
    assert {int(batch.reasons[0]) for batch in batches if batch.quality[0] != Quality.GOOD} == {int(Reason.COMMS)}


@pytest.mark.parametrize(
    ("configured", "ceiling_s"), [("", 10.0), ("max_clients = 1", 60.0), ("max_backoff_s = 25.0", 25.0)]
)
async def test_case_4_after_six_hours_away_it_is_read_within_the_ceiling_however_it_is_set(
    tmp_path, configured, ceiling_s
):
    """The hours are simulated, the connections that are refused meanwhile are real."""
    server, now, tries = device(), [1000.0], []
    await server.start()
    batches = []
    source = make_source(one_tag(tmp_path, server.port, configured))
    opening = source.open

    async def counted():
        tries.append(now[0])
        await opening()

    source.open = counted

    async def sleep(seconds):
        now[0] += max(seconds, 0.001)
        await asyncio.sleep(0)

    poller = Poller(source, phase_s=0.0, on_batch=batches.append, on_change=lambda _: None, on_alerts=list,
                    monotonic=lambda: now[0], sleep=sleep)  # fmt: skip
    task = asyncio.create_task(poller.run())
    try:
        await until(lambda: poller.link.state == "up")
        await server.stop()
        await until(lambda: poller.link.state == "down")
        gone_s = now[0]
        await until(lambda: now[0] > gone_s + 6 * HOURS_S, 60.0)
        assert poller.link.state == "down"
        away = [one for one in tries if gone_s < one < gone_s + 6 * HOURS_S]
        waits = [after - before for before, after in pairwise(away)]
        assert max(waits) <= ceiling_s + 1.0
        assert 6 * HOURS_S / ceiling_s * 0.9 < len(away) < 6 * HOURS_S / ceiling_s * 1.1 + 20
        await server.start()
        back_s = now[0]
        seen = len(batches)
        await until(lambda: poller.link.state == "up")
        # the simulated clock runs on while a real socket connects: what counts is that the next try is enough
        assert len([one for one in tries if one > back_s]) <= 2
        assert len(batches) > seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


@pytest.mark.parametrize("driver", ["modbus_tcp", "modbus_rtu_over_tcp"])
async def test_case_7_of_thousands_of_answers_around_the_time_out_none_is_taken_by_a_later_question(driver):
    """Each question gets the number of its arrival as its answer, some time before or after the time-out of 40 ms."""
    rng, asked, outcomes = random.Random(7), Counter(), Counter()

    async def respond(request, writer):
        device_id = request[0 if driver != "modbus_tcp" else 6]
        asked[device_id] += 1
        number = asked[device_id]
        count = int.from_bytes(request[4:6] if driver != "modbus_tcp" else request[10:12], "big")
        pdu = bytes([3, 2 * count]) + struct.pack(">H", number) * count

        async def later():
            await asyncio.sleep(rng.choice([0.0, 0.0, rng.uniform(0.02, 0.09), rng.uniform(0.035, 0.05)]))
            frame = bytes([device_id]) + pdu
            writer.write(mbap(request, pdu) if driver == "modbus_tcp" else frame + crc16(frame))

        tasks.add(asyncio.create_task(later()))

    async def one_device(number, port):
        ahead_s = [0.0]
        one = ModbusSource(spec(port, [tag(0, device_id=number)], driver=driver, timeout_s=0.04),
                           monotonic=lambda: ahead_s[0])  # fmt: skip
        for _ in range(60):
            ahead_s[0] += 100.0  # who did not answer has had its rest: the next question comes at once
            before = asked[number]
            try:
                row = (await one.read(one.spec.tags)).row(0)
            except SourceDown:
                outcomes["refused"] += 1
                continue
            if row.value is not None:
                outcomes["taken"] += 1
                assert before < row.value <= asked[number], "an answer to an earlier question"
        await one.close()

    tasks = set()
    async with hostile_server(respond) as port:
        await asyncio.gather(*(one_device(number, port) for number in range(1, 26)))
        await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes["taken"] > 200
    assert outcomes["refused"] > 200


RAW = {  # kind: value, its bytes from the most significant on
    "u16": (0xABCD, "abcd"),
    "i16": (-2, "fffe"),
    "u32": (0x01020304, "01020304"),
    "i32": (-2, "fffffffe"),
    "u64": (0x0102030405060708, "0102030405060708"),
    "i64": (-2, "fffffffffffffffe"),
    "f32": (-118.625, "c2ed4000"),
    "f64": (-118.625, "c05da80000000000"),
}
PLACES = {  # order: where each byte of the value stands on the wire, for 2, 4 and 8 bytes
    "ABCD": ([0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7]),
    "CDAB": ([0, 1], [2, 3, 0, 1], [6, 7, 4, 5, 2, 3, 0, 1]),
    "BADC": ([1, 0], [1, 0, 3, 2], [1, 0, 3, 2, 5, 4, 7, 6]),
    "DCBA": ([1, 0], [3, 2, 1, 0], [7, 6, 5, 4, 3, 2, 1, 0]),
}


@pytest.mark.parametrize("order", PLACES)
async def test_case_10_every_type_in_every_byte_order_from_its_bytes_on_the_wire(order):
    tags = [tag(n, kind, 10 * n, order=order) for n, kind in enumerate(RAW)]
    wire = bytearray(2 * 80)
    for one, (_, text) in zip(tags, RAW.values(), strict=True):
        raw = bytes.fromhex(text)
        places = PLACES[order][{2: 0, 4: 1, 8: 2}[len(raw)]]
        wire[20 * one.number : 20 * one.number + len(raw)] = bytes(raw[place] for place in places)

    async def respond(request, writer):
        address, count = struct.unpack(">HH", request[8:12])
        writer.write(mbap(request, bytes([3, 2 * count]) + wire[2 * address : 2 * (address + count)]))

    async with hostile_server(respond) as port:
        source = open_source(spec(port, tags))
        rows = list((await source.read(tags)).rows())
        await source.close()
    for row, one, (value, _) in zip(rows, tags, RAW.values(), strict=True):
        assert row.quality == Quality.GOOD
        assert row.value == (value if abs(value) <= 2**53 else str(value)), (one.where.kind, order)
        words = struct.unpack_from(">4H", wire + bytes(8), 20 * one.number)
        assert decode(words[: max(len(RAW[one.where.kind][1]) // 4, 1)], one.where)[0] == value


@pytest.mark.parametrize(
    ("base", "table", "at", "code", "wire"),
    [
        ("wire0", "holding", 100, 3, 100),
        ("reg1", "holding", 101, 3, 100),
        ("4xxxx", "holding", 40101, 3, 100),
        ("4xxxxx", "holding", 400101, 3, 100),
        ("wire0", "input", 0, 4, 0),
        ("reg1", "input", 1, 4, 0),
        ("4xxxx", "input", 30001, 4, 0),
        ("4xxxxx", "input", 300001, 4, 0),
    ],
)
async def test_case_10_each_way_to_write_an_address_asks_for_the_same_place_on_the_wire(
    tmp_path, base, table, at, code, wire
):
    memory = Memory()
    memory.put(Register(1, table, wire, "u16"), 4711)
    server = ModbusServer(memory)
    await server.start()
    try:
        async with RecordingProxy("tcp", server.port) as proxy:
            source = make_source(one_tag(tmp_path, proxy.port, "", table, base, at))
            assert (await source.read(source.spec.tags)).row(0).value == 4711
            await source.close()
        assert [(one.what, one.detail) for one in proxy.record.requests] == [(f"FC {code}", f"device 1: 1 from {wire}")]
    finally:
        await server.stop()
