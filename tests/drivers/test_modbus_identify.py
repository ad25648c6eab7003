"""Device identification (function code 43 / 14): on request, in parts, and never believed further than it holds."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerType
from pymodbus.pdu.device import ModbusDeviceIdentification

from drivers.errors import SourceDown
from drivers.modbus.answers import Failure, Mbap, Rtu, sealed
from drivers.modbus.identify import Part, parsed, question
from drivers.modbus.source import open_source
from tests.drivers.servers import good_pdu, hostile_server, mbap, memory, modbus_server, spec, tag

OBJECTS = {0: b"Acme", 1: b"P-100", 2: b"V2.3", 3: b"urn:acme", 4: b"Pump", 5: b"100", 6: b"rev \xe9", 128: b"x" * 100,
           129: b"y" * 100, 200: b"z" * 30}  # fmt: skip


def told(request_pdu, objects=OBJECTS, conformity=0x83):
    """What an honest device says: as many objects as fit, then more to follow."""
    level, first = request_pdu[2], request_pdu[3]
    last = {1: 2, 2: 6, 3: 255}[level]
    body, count, more, following = b"", 0, 0, 0
    for number, data in objects.items():
        if not first <= number <= last:
            continue
        if len(body) + len(data) + 2 > 253 - 7:
            more, following = 0xFF, number
            break
        body += bytes([number, len(data)]) + data
        count += 1
    return bytes([43, 14, level, conformity, more, following, count]) + body


async def identified(respond, driver="modbus_tcp", **options):
    async with hostile_server(respond) as port:
        source = open_source(spec(port, [tag(0)], driver=driver, **options))
        await source.open()
        try:
            return await source.identify(1), source
        finally:
            await source.close()


@pytest.mark.parametrize("driver", ["modbus_tcp", "modbus_rtu_over_tcp"])
async def test_all_objects_of_all_levels_are_told_over_several_answers(driver):
    async def respond(request, writer):
        if driver == "modbus_tcp":
            writer.write(mbap(request, told(request[7:])))
            return
        frame = sealed(request[:1] + told(request[1:-2]))
        for part in (frame[:9], frame[9:50], frame[50:]):
            if part:
                writer.write(part)
                await asyncio.sleep(0.005)

    found, source = await identified(respond, driver)
    assert found == OBJECTS
    assert source.counts.requests == 4  # basic, regular, extended in two


@pytest.mark.parametrize("framer", [FramerType.SOCKET, FramerType.RTU])
async def test_the_identification_of_pymodbus_own_server_is_read(framer):
    driver = "modbus_tcp" if framer == FramerType.SOCKET else "modbus_rtu_over_tcp"
    identity = ModbusDeviceIdentification(info_name={"VendorName": "Acme", "ProductCode": "P-100", "ModelName": "100"})
    async with modbus_server(memory({0: [5]}), framer, identity=identity) as server:
        source = open_source(spec(server.port, [tag(0)], driver=driver))
        await source.open()
        found = await source.identify(1)
        assert (await source.read(source.spec.tags)).row(0).value == 5
        await source.close()
    assert (found[0], found[1], found[5]) == (b"Acme", b"P-100", b"100")


async def test_a_device_without_regular_objects_gives_its_basic_ones():
    async def respond(request, writer):
        pdu = told(request[7:]) if request[9] == 1 else bytes([0xAB, 3])
        writer.write(mbap(request, pdu))

    found, _ = await identified(respond)
    assert found == {n: OBJECTS[n] for n in (0, 1, 2)}


async def test_a_device_that_knows_no_identification_says_so_and_is_polled_on():
    async def respond(request, writer):
        if request[7] == 43:
            if request[6] == 1:
                writer.write(mbap(request, bytes([0xAB, 1])))
        else:
            writer.write(mbap(request, good_pdu(request, 5)))

    async with hostile_server(respond) as port:
        source = open_source(spec(port, [tag(0), tag(1, device_id=2)], timeout_s=0.2))
        refused, silent = await source.identify(1), await source.identify(2)
        assert "exception 1 (illegal function)" in refused.detail
        assert "no answer from device 2" in silent.detail
        assert [row.value for row in (await source.read(source.spec.tags)).rows()] == [5, 5]
        await source.close()
    with pytest.raises(SourceDown):
        await source.identify(1)


HOSTILE = {
    "another level": lambda pdu: pdu[:2] + b"\2" + pdu[3:],
    "another type": lambda pdu: pdu[:1] + b"\x0d" + pdu[2:],
    "an object longer than the answer": lambda pdu: pdu[:8] + b"\xff" + pdu[9:],
    "more objects than there are": lambda pdu: pdu[:6] + b"\xff" + pdu[7:],
    "fewer objects than there are": lambda pdu: pdu[:6] + b"\1" + pdu[7:],
    "one object twice": lambda pdu: pdu.replace(b"\1\5P-100", b"\0\5P-100"),
    "no objects, more to follow, from the same": lambda pdu: pdu[:4] + b"\xff\0\0",
    "back to the first": lambda pdu: pdu[:4] + b"\xff\0" + pdu[6:],
    "neither end nor more": lambda pdu: pdu[:4] + b"\x77\0" + pdu[6:],
    "cut short": lambda pdu: pdu[:5],
    "nothing": lambda pdu: pdu[:1],
}


@pytest.mark.parametrize("lie", HOSTILE)
async def test_an_identification_that_lies_is_refused_and_counted(lie):
    async def respond(request, writer):
        writer.write(mbap(request, HOSTILE[lie](told(request[7:]))))

    found, source = await identified(respond)
    assert isinstance(found, Failure)
    assert source.counts.unfit == 1
    assert not source.line.is_open


async def test_a_device_that_never_ends_its_story_is_cut_off():
    async def respond(request, writer):
        first = request[10]
        following = bytes([0xFF, first + 1]) if first < 255 else b"\xff\xff"
        writer.write(mbap(request, bytes([43, 14, request[9], 0x83]) + following + bytes([1, first, 1, 65])))

    found, source = await identified(respond)
    assert isinstance(found, Failure)
    assert "more than 64 answers" in found.detail
    assert source.counts.requests == 64


@given(st.binary(max_size=60), st.integers(1, 3), st.integers(0, 255))
def test_any_bytes_are_an_identification_or_words(payload, level, first):
    part = parsed(bytes([14, level]) + payload, level, first)
    assert isinstance(part, str) or sum(len(one) + 2 for one in part.objects.values()) == len(payload) - 4
    if isinstance(part, Part) and part.following is not None:
        assert part.following > first


@given(st.binary(max_size=60), st.integers(0, 80))
def test_any_bytes_on_the_wire_are_no_crash(heard, cut):
    for framing, head in ((Mbap, b"\0\7\0\0\0\x1e\1"), (Rtu, b"\1")):
        asked = question(1, 1, 0, framing)
        for data in (heard, (head + told(bytes([43, 14, 1, 0])))[:cut] + heard):
            taken = framing.take(data, asked, b"\0\7")
            assert taken is None or isinstance(taken, bytes | Failure)
