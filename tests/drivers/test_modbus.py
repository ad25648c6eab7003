"""The Modbus driver: values, refusals, devices that are dead or behind a gateway, connections that come and go."""

import asyncio
import time
from contextlib import suppress

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.errors import ConfigError, SourceDown
from drivers.modbus.source import ModbusSource, open_source
from drivers.record import Quality, Reason
from drivers.registers import encode
from tests.drivers.servers import good_pdu, hostile_server, mbap, memory, modbus_server, one_read, registers, spec, tag


async def test_values_of_every_kind_come_over_the_wire_as_they_are(opened):
    tags = [
        tag(7, "u16", 0, scale=0.1),
        tag(3, "bit", 1, bit=7),
        tag(4, "f32", 16, order="CDAB"),
        tag(5, "u64", 18, order="DCBA"),
        tag(6, "string", 30, words=3),
    ]
    values = [123.4, 1, 4.2, 2**63 + 1, "PUMP 1"]
    words = {}
    for one, value in zip(tags, values, strict=True):
        words[one.where.address] = encode(value, one.where)
    words[2] = [0] * 14
    words[22] = [0] * 8
    async with modbus_server(memory(words)) as server:
        source = await opened(server.port, tags)
        rows = await one_read(source)
    assert [row.tag for row in rows] == [7, 3, 4, 5, 6]
    assert rows[0].value == pytest.approx(123.4)
    assert rows[1].value == 1
    assert rows[2].value == pytest.approx(4.2, rel=1e-7)
    assert rows[3].value == str(2**63 + 1)
    assert rows[4].value == "PUMP 1"
    assert {row.quality for row in rows} == {Quality.GOOD}
    assert abs(rows[0].receive_us - time.time() * 1e6) < 60e6


async def test_coils_and_discrete_inputs_and_input_registers_have_tables_of_their_own(opened):
    device = SimDevice(
        1,
        simdata=(
            [SimData(0, values=[True, False, True], datatype=DataType.BITS)],
            [SimData(0, values=[False, True], datatype=DataType.BITS)],
            registers({0: [11]}),
            registers({0: [22]}),
        ),
    )
    tags = [
        tag(0, "bit", 2, table="coil"),
        tag(1, "bit", 1, table="coil"),
        tag(2, "bit", 1, table="discrete"),
        tag(3, table="holding"),
        tag(4, table="input"),
    ]
    async with modbus_server(device) as server:
        rows = await one_read(await opened(server.port, tags))
    assert [row.value for row in rows] == [1, 0, 1, 11, 22]


async def test_a_declared_sentinel_is_bad_and_an_estimate_is_marked(opened):
    tags = [tag(0, sentinels=(65535.0,)), tag(1, address=1, estimated=True)]
    async with modbus_server(memory({0: [65535, 12]})) as server:
        rows = await one_read(await opened(server.port, tags))
    assert (rows[0].value, rows[0].reasons) == (None, Reason.SENTINEL)
    assert (rows[1].value, rows[1].reasons) == (12, Reason.ESTIMATED)


async def test_only_what_is_really_refused_becomes_bad_and_the_refusal_is_remembered(opened):
    asked = []

    async def refuse(_function, _start, address, count, _registers, _values):
        asked.append((address, count))
        return ExcCodes.ILLEGAL_ADDRESS if address <= 3 < address + count else None

    tags = [tag(n, address=n) for n in range(8)]
    async with modbus_server(memory({0: list(range(8))}, action=refuse)) as server:
        source = await opened(server.port, tags)
        rows = await one_read(source)
        first = len(asked)
        again = await one_read(source)
    assert [row.value for row in rows] == [0, 1, 2, None, 4, 5, 6, 7]
    assert rows[3].reasons == Reason.EXCEPTION
    assert "exception 2 (illegal data address)" in rows[3].detail
    assert "holding 3 to 3" in rows[3].detail
    assert [row.value for row in again] == [row.value for row in rows]
    assert len(asked) - first == 3
    assert (3, 1) not in asked[first:]
    assert source.counts.refused == 1
    assert "  refused: device 1, holding 3 to 3: exception 2 (illegal data address)" in source.explain()
    assert source.explain()[0] == "every 5 s: 4 requests touching 8 words for 8 tags"


async def test_a_refused_value_is_asked_for_again_after_a_while():
    refused, now = [True], [0.0]

    async def refuse(*_args):
        return ExcCodes.ILLEGAL_ADDRESS if refused[0] else None

    async with modbus_server(memory({0: [5]}, action=refuse)) as server:
        source = ModbusSource(spec(server.port, [tag(0)]), monotonic=lambda: now[0])
        await source.open()
        assert (await one_read(source))[0].reasons == Reason.EXCEPTION
        refused[0] = False
        assert (await one_read(source))[0].reasons == Reason.EXCEPTION
        now[0] = 301.0
        assert (await one_read(source))[0].value == 5
        await source.close()


async def test_a_device_that_refused_while_it_started_is_read_in_one_piece_again_after_an_hour():
    starting, now, asked = [True], [0.0], []

    async def refuse(_function, _start, address, count, _registers, _values):
        asked.append((address, count))
        return ExcCodes.ILLEGAL_ADDRESS if starting[0] and count > 1 else None

    async with modbus_server(memory({0: [5, 6]}, action=refuse)) as server:
        source = ModbusSource(spec(server.port, [tag(n, address=n) for n in range(2)]), monotonic=lambda: now[0])
        await source.open()
        assert [row.value for row in await one_read(source)] == [5, 6]
        starting[0] = False
        for at_s, expected in ((3_599.0, [(0, 1), (1, 1)]), (3_600.0, [(0, 2)]), (3_605.0, [(0, 2)])):
            now[0] = at_s
            asked.clear()
            assert [row.value for row in await one_read(source)] == [5, 6]
            assert asked == expected
        await source.close()


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        (ExcCodes.ILLEGAL_FUNCTION, Reason.EXCEPTION),
        (ExcCodes.DEVICE_FAILURE, Reason.EXCEPTION | Reason.DEVICE),
        (ExcCodes.GATEWAY_PATH_UNAVIABLE, Reason.EXCEPTION | Reason.COMMS),
        (ExcCodes.GATEWAY_NO_RESPONSE, Reason.EXCEPTION | Reason.COMMS),
    ],
)
async def test_each_exception_keeps_its_reason_and_its_number(opened, code, reasons):
    async def refuse(*_args):
        return code

    async with modbus_server(memory({0: [5]}, action=refuse)) as server:
        row = (await one_read(await opened(server.port, [tag(0)])))[0]
    assert (row.value, row.reasons) == (None, reasons)
    assert f"exception {int(code)}" in row.detail


async def test_a_busy_device_is_asked_once_more(opened):
    asked = []

    async def busy(*_args):
        asked.append(1)
        return ExcCodes.DEVICE_BUSY if len(asked) == 1 else None

    async with modbus_server(memory({0: [5]}, action=busy)) as server:
        assert (await one_read(await opened(server.port, [tag(0)])))[0].value == 5
    assert len(asked) == 2


async def test_rtu_over_tcp_with_three_devices_of_which_one_is_dead(opened):
    """The dead one is bad with a reason, rests, and costs the others one time-out; the others stay good."""

    async def dead(*_args):
        await asyncio.sleep(30)

    devices = [memory({0: [10 * n]}, n, action=dead if n == 2 else None) for n in (1, 2, 3)]
    tags = [tag(n, device_id=n) for n in (1, 2, 3)]
    async with modbus_server(devices, FramerType.RTU) as server:
        source = await opened(server.port, tags, driver="modbus_rtu_over_tcp", timeout_s=0.5)
        for _ in range(2):
            rows = await one_read(source)
            assert [row.value for row in rows] == [10, None, 30]
            assert rows[1].reasons == Reason.COMMS
            assert "no answer from device 2 within 0.5 s" in rows[1].detail


async def test_a_gateway_that_cannot_reach_one_device_marks_that_device_alone(opened):
    async def respond(request, writer):
        unreachable = request[6] == 2
        writer.write(mbap(request, bytes([request[7] | 0x80, 0x0B]) if unreachable else good_pdu(request, 40)))

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(1), tag(2, device_id=2), tag(3, device_id=3)])
        rows = await one_read(source)
    assert [row.value for row in rows] == [40, None, 40]
    assert rows[1].reasons == Reason.EXCEPTION | Reason.COMMS
    assert "the gateway lives, the device behind it gives no answer" in rows[1].detail


async def test_a_resting_device_is_not_asked_until_its_time_has_come():
    asked, now, silent = [], [0.0], [True]

    async def respond(request, writer):
        asked.append(request[6])
        if request[6] != 2 or not silent[0]:
            writer.write(mbap(request, good_pdu(request, 7)))

    async with hostile_server(respond) as port:
        source = ModbusSource(spec(port, [tag(1), tag(2, device_id=2)], timeout_s=0.4), monotonic=lambda: now[0])
        await source.open()
        for moment in (0.0, 0.5, 1.1, 2.0, 3.2):
            now[0] = moment
            rows = await one_read(source)
            assert [row.value for row in rows] == [7, None]
        assert asked.count(2) == 3  # at 0.0, then after 1 s, then after 2 s more
        silent[0], now[0] = False, 8.0
        assert [row.value for row in await one_read(source)] == [7, 7]
        await source.close()


async def test_of_several_dead_devices_one_is_tried_per_poll_and_last_even_over_new_connections():
    asked, now, dead = [], [0.0], {2, 3, 4}

    async def respond(request, writer):
        asked.append(request[6])
        if request[6] not in dead:
            writer.write(mbap(request, good_pdu(request, 7)))

    async with hostile_server(respond) as port:
        tags = [tag(n, device_id=n) for n in (1, 2, 3, 4, 5)]
        source = ModbusSource(spec(port, tags, timeout_s=0.3), monotonic=lambda: now[0])
        await source.open()
        assert [row.value for row in await one_read(source)] == [7, None, None, None, 7]
        assert asked == [1, 2, 3, 4, 5]  # the first time each costs its own time-out
        for _ in range(6):
            del asked[:]
            now[0] += 40.0
            await source.open()  # a connection of its own for each poll gives the dead no fresh chance
            assert [row.value for row in await one_read(source)] == [7, None, None, None, 7]
            assert asked[:2] == [1, 5]
            assert len(asked) == 3
        dead.clear()
        for _ in range(3):
            now[0] += 40.0
            rows = await one_read(source)
        assert [row.value for row in rows] == [7] * 5
        assert source.counts.timeouts == 9
        await source.close()


async def test_a_gateway_that_hangs_up_over_one_dead_device_does_not_take_the_others_along(opened):
    async def respond(request, writer):
        if request[6] == 2:
            writer.close()
        else:
            writer.write(mbap(request, good_pdu(request, 7)))

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(1), tag(2, device_id=2), tag(3, device_id=3)], timeout_s=5.0)
        for _ in range(3):
            rows = await one_read(source)
            assert [row.value for row in rows] == [7, None, 7]
        assert "device 2" in rows[1].detail and "the other side hung up" in rows[1].detail


async def test_a_line_that_is_cut_is_known_after_three_devices_and_whole_again_at_once():
    now, dead, asked = [0.0], set(), []

    async def respond(request, writer):
        asked.append(request[6])
        if request[6] in dead:
            writer.close()  # quicker than a time-out, and the same to us
        else:
            writer.write(mbap(request, good_pdu(request, 7)))

    async with hostile_server(respond) as port:
        tags = [tag(n, device_id=n) for n in range(1, 11)]
        source = ModbusSource(spec(port, tags, timeout_s=5.0), monotonic=lambda: now[0])
        assert [row.value for row in await one_read(source)] == [7] * 10
        dead.update(range(1, 11))
        for _ in range(2):
            del asked[:]
            now[0] += 5
            with pytest.raises(SourceDown, match=r"device 1, holding 0 to 0: .* hung up"):
                await source.read(source.spec.tags)
            assert len(set(asked)) == 3
        dead.clear()
        await source.read(source.spec.tags)
        assert [row.value for row in await one_read(source)] == [7] * 10
        dead.update((1, 2, 3))  # those that are asked first: the line is not cut
        with pytest.raises(SourceDown):
            await source.read(source.spec.tags)
        for _ in range(3):
            now[0] += 1
            with suppress(SourceDown):
                rows = await one_read(source)
        assert [row.value for row in rows] == [None] * 3 + [7] * 7
        await source.close()


async def test_when_a_silent_line_lives_again_each_device_gets_a_fresh_chance():
    now, alive = [0.0], [False]

    async def respond(request, writer):
        if alive[0]:
            writer.write(mbap(request, good_pdu(request, 7)))

    async with hostile_server(respond) as port:
        source = ModbusSource(
            spec(port, [tag(n, device_id=n) for n in (1, 2, 3)], timeout_s=0.5), monotonic=lambda: now[0]
        )
        for seconds in (0.0, 1.0, 0.0):
            now[0] += seconds
            with pytest.raises(SourceDown):
                await source.read(source.spec.tags)
        assert source.counts.requests == 5  # three, then one each time the poller asks
        alive[0] = True
        await source.read(source.spec.tags)
        assert [row.value for row in await one_read(source)] == [7, 7, 7]
        await source.close()


async def test_a_gateway_that_lives_while_its_only_device_is_dead_is_not_hung_up_on(opened):
    async def respond(request, writer):
        writer.write(mbap(request, bytes([request[7] | 0x80, 0x0B])))

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0), tag(1, address=300)])
        for _ in range(3):
            rows = await one_read(source)
        assert [row.reasons for row in rows] == [Reason.EXCEPTION | Reason.COMMS] * 2
        assert rows[0].detail == (
            "device 1, holding 0 to 0: exception 11 (the gateway lives, the device behind it gives no answer)"
        )
        assert (source.counts.exceptions, source.counts.connects) == (1, 1)


async def test_a_source_of_which_no_device_answers_is_down(opened):
    async def respond(_request, _writer):
        pass

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(1), tag(2, device_id=2)], timeout_s=0.2)
        with pytest.raises(SourceDown, match=r"line: no answer from device 1 within 0.2 s; no answer from device 2"):
            await source.read(source.spec.tags)


async def test_a_hang_up_is_noticed_at_once_and_not_after_the_time_out(opened):
    async def respond(_request, writer):
        writer.close()

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)], timeout_s=60.0)
        with pytest.raises(SourceDown, match="the other side hung up"):
            await asyncio.wait_for(source.read(source.spec.tags), 20)


async def test_a_connection_closed_while_idle_is_opened_again_unnoticed(opened):
    async def respond(request, writer):
        writer.write(mbap(request, good_pdu(request, 3)))
        await writer.drain()
        writer.close()

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)], timeout_s=5.0)
        for _ in range(5):
            assert (await one_read(source))[0].value == 3


async def test_nobody_listening_is_said_as_such():
    async with hostile_server(None) as port:
        pass
    source = open_source(spec(port, [tag(0)]))
    with pytest.raises(SourceDown, match=f"line: 127.0.0.1:{port}: Connection refused"):
        await source.open()
    with pytest.raises(SourceDown, match="Connection refused"):
        await source.read(source.spec.tags)
    await source.close()


async def test_a_killed_server_that_comes_back_is_read_again(opened):
    async with modbus_server(memory({0: [1]})) as server:
        source = await opened(server.port, [tag(0)])
        port = server.port
        assert (await one_read(source))[0].value == 1
    with pytest.raises(SourceDown):
        await source.read(source.spec.tags)
    for value in (2, 3):
        async with modbus_server(memory({0: [value]}), port=port):
            await source.open()
            assert (await one_read(source))[0].value == value


async def test_a_cancelled_read_leaves_no_answer_behind(opened):
    asked, release = [], asyncio.Event()

    async def respond(request, writer):
        asked.append(1)
        number = len(asked)
        if number == 1:
            await release.wait()
        writer.write(mbap(request, good_pdu(request, number)))

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)], timeout_s=30.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.read(source.spec.tags), 0.2)
        assert not source.line.is_open
        release.set()
        assert (await one_read(source))[0].value == 2


def test_the_plan_is_told_before_anything_is_asked():
    tags = [tag(0), tag(1, "f32", 16), tag(2, address=40, every_s=60.0)]
    assert open_source(spec(1, tags)).explain() == [
        "every 5 s: 1 request touching 18 words for 2 tags",
        "  device 1, holding, wire 0 to 17: p.t0 at 0, p.t1 at 16",
        "every 60 s: 1 request touching 1 word for 1 tag",
        "  device 1, holding, wire 40 to 40: p.t2 at 40",
    ]


def test_a_tag_that_cannot_be_read_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"source line: tag p.t0: kind 'u8' is unknown"):
        open_source(spec(1, [tag(0, "u8")]))


async def test_a_poll_of_several_questions_says_when_it_began():
    now = iter([100, 250])
    async with modbus_server(memory({0: [5], 500: [6]})) as server:
        source = ModbusSource(spec(server.port, [tag(0), tag(1, address=500)]), clock_us=lambda: next(now))
        await source.open()
        batch = await source.read(source.spec.tags)
        await source.close()
    assert (batch.began_us, batch.receive_us) == (100, 250)
    assert batch.with_reasons(batch.reasons).began_us == 100
