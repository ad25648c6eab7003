"""Serial RTU over a pair of pseudo terminals: pymodbus's serial server, libmodbus, a cut cable, a busy port."""

import asyncio
import os
import tty
from contextlib import asynccontextmanager, suppress

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.errors import ConfigError, SourceDown, WriteRefused
from drivers.guard import GuardedTransport
from drivers.modbus.answers import sealed
from drivers.modbus.source import ModbusSource, open_source
from drivers.record import Reason
from drivers.source import SourceSpec
from tests.drivers.servers import tag
from tests.drivers.test_guard import ARGUMENTS, NAMED, all_other_methods
from tests.peers.launch import libmodbus


class Cable:
    """Two pseudo terminals with a wire between them: what is written to one end comes out of the other."""

    def __init__(self):
        self.masters, self.ends, self._slaves = [], [], []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self.masters.append(master)
            self._slaves.append(slave)  # kept open, or the master has nobody to talk to between two connections
            self.ends.append(os.ttyname(slave))
        for here, there in (self.masters, self.masters[::-1]):
            asyncio.get_running_loop().add_reader(here, self._carry, here, there)
        self.wire = lambda data: data  # what becomes of the bytes on their way

    def _carry(self, here, there):
        with suppress(OSError):
            os.write(there, self.wire(os.read(here, 1024)))

    def cut(self):
        for master in self.masters:
            asyncio.get_running_loop().remove_reader(master)
        for one in (*self.masters, *self._slaves):
            os.close(one)
        self.masters, self._slaves = [], []


@pytest.fixture
async def cable():
    made = Cable()
    yield made
    made.cut()


def serial(cable, tags, timeout_s=1.0, **options):
    options = {"line": cable.ends[0], "baud": 115_200, "parity": "N", "sole_master": True, **options}
    return SourceSpec("rtu", "modbus_rtu", "G", 5.0, timeout_s, tuple(tags), options)


@asynccontextmanager
async def server_at(cable, devices):
    server = ModbusSerialServer(devices, port=cable.ends[1], baudrate=115_200)
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()
        await asyncio.sleep(0)


@asynccontextmanager
async def scripted_at(cable, answer):
    """Whoever sits at the other end gives `answer(request)`, bytes or nothing."""
    loop = asyncio.get_running_loop()
    end = os.open(cable.ends[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def hear():
        if said := answer(os.read(end, 1024)):
            os.write(end, said)

    loop.add_reader(end, hear)
    try:
        yield end
    finally:
        loop.remove_reader(end)
        os.close(end)


def holding(device_id, *words, action=None):
    return SimDevice(device_id, simdata=[SimData(0, values=list(words), datatype=DataType.REGISTERS)], action=action)


async def values(source, tags=None):
    return [row.value for row in (await source.read(tags or source.spec.tags)).rows()]


async def test_a_line_that_refuses_its_parity_says_so_in_one_line(cable):
    """A pseudo terminal knows no parity; neither do some adapters."""
    source = open_source(serial(cable, [tag(0)], parity="E", baud=9600))
    with pytest.raises(SourceDown, match=r"/dev/pts/\d+: the line refuses 9600 baud 8E1") as down:
        await source.open()
    assert not down.value.unreachable
    await source.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (bytes([1, 4, 2, 0, 5]), "answered with function code 4, asked was 3"),
        (bytes([1, 3, 1, 5]), "answered with 1 bytes, 2 were asked for"),
        (bytes([1, 3, 4, 0, 5, 0, 6]), "answered with 4 bytes, 2 were asked for"),
        (bytes([9, 3, 2, 0, 5]), "device 9 answered instead"),
    ],
)
async def test_what_came_and_did_not_fit_is_told_as_such(cable, answer, words):
    async with scripted_at(cable, lambda _request: sealed(answer)):
        source = open_source(serial(cable, [tag(0)], timeout_s=0.2))
        with pytest.raises(SourceDown, match=f"device 1, holding 0 to 0: {words}"):
            await source.read(source.spec.tags)
        await source.close()


async def test_bent_bytes_and_an_echo_are_told_as_such(cable):
    bent = sealed(bytes([1, 3, 2, 0, 5]))[:-1] + b"\0"
    for answer, words in ((lambda _: bent, "no answer with a right checksum"), (bytes, "our own question came back")):
        async with scripted_at(cable, answer):
            source = open_source(serial(cable, [tag(0)], timeout_s=0.2))
            with pytest.raises(SourceDown, match=words):
                await source.read(source.spec.tags)
            await source.close()


async def test_two_devices_of_a_serial_line_are_read_by_their_numbers(cable):
    tags = [tag(0), tag(1, "f32", 1), tag(2, device_id=7)]
    async with server_at(cable, [holding(1, 40, 0x4086, 0x6666), holding(7, 41)]):
        source = open_source(serial(cable, tags))
        await source.open()
        for _ in range(3):
            assert await values(source) == [40, pytest.approx(4.2), 41]
        assert (source.counts.requests, source.counts.connects, source.counts.unfit) == (6, 1, 0)
        await source.close()


async def test_the_guard_stands_before_a_serial_line_too(cable):
    arrived = []

    async def watch(function, *_args):
        arrived.append(function)

    async with server_at(cable, [holding(1, 40, action=watch)]):
        source = open_source(serial(cable, [tag(0)]))
        await source.open()
        await values(source)
        client = source.line.client
        assert isinstance(client.ctx.transport, GuardedTransport)
        assert client.ctx.transport.get_extra_info("serial") is None
        for name in all_other_methods(client):
            with pytest.raises(WriteRefused, match="nothing left"):
                await getattr(client, name)(*ARGUMENTS.get(name, ()), **NAMED.get(name, {}), device_id=1)
        with pytest.raises(WriteRefused):
            client.ctx.send(sealed(bytes([1, 5, 0, 0, 0xFF, 0])))
        client.close()
        assert await values(source) == [40]
        await source.close()
    assert set(arrived) == {3}


async def test_a_dead_device_of_a_serial_line_costs_the_others_one_time_out(cable):
    asked = []

    def answer(request):
        asked.append(request[0])
        return sealed(bytes([request[0], 3, 2, 0, 10 * request[0]])) if request[0] != 2 else None

    async with scripted_at(cable, answer):
        source = open_source(serial(cable, [tag(n, device_id=n) for n in (1, 2, 3)], timeout_s=0.3))
        await source.open()
        assert await values(source) == [10, None, 30]
        rows = list((await source.read(source.spec.tags)).rows())
        assert [row.value for row in rows] == [10, None, 30]
        assert rows[1].reasons == Reason.COMMS
        assert asked == [1, 2, 3, 1, 3]
        await source.close()


async def test_a_late_answer_on_a_serial_line_serves_nobody_though_the_port_is_opened_anew(cable):
    loop, asked, late_s, now = asyncio.get_running_loop(), [], [0.35], [0.0]

    async with scripted_at(cable, lambda _request: None) as end:
        loop.remove_reader(end)

        def hear():
            request = os.read(end, 1024)
            asked.append(request)
            words = int.from_bytes(request[4:6], "big")
            frame = sealed(bytes([1, 3, 2 * words]) + bytes([0, len(asked)]) * words)
            loop.call_later(late_s[0], os.write, end, frame)

        loop.add_reader(end, hear)
        source = ModbusSource(serial(cable, [tag(0)], timeout_s=0.2), monotonic=lambda: now[0])
        for _ in range(3):
            with pytest.raises(SourceDown):
                await source.read(source.spec.tags)
            now[0] += 60
        late_s[0] = 0.0
        await asyncio.sleep(0.5)
        for _ in range(2):
            assert await values(source) == [len(asked)]
        await source.close()


async def test_a_cable_that_is_pulled_is_down_at_once_and_a_new_one_is_read(cable, tmp_path):
    by_id = tmp_path / "usb-adapter"
    by_id.symlink_to(cable.ends[0])
    async with server_at(cable, [holding(1, 40)]):
        source = open_source(serial(cable, [tag(0)], timeout_s=30.0, line=str(by_id)))
        await source.open()
        assert await values(source) == [40]
        asyncio.get_running_loop().call_later(0.2, cable.cut)
        cable.wire = lambda _data: b""  # the question never arrives; only the hang-up tells
        with pytest.raises(SourceDown):
            await asyncio.wait_for(source.read(source.spec.tags), 10)
    with pytest.raises(SourceDown):
        await source.open()
    other = Cable()
    by_id.unlink()
    by_id.symlink_to(other.ends[0])
    async with server_at(other, [holding(1, 41)]):
        await source.open()
        assert await values(source) == [41]
        await source.close()
    other.cut()


async def test_a_port_that_is_not_there_or_in_use_is_said_as_such(cable, tmp_path):
    source = open_source(serial(cable, [tag(0)], line=str(tmp_path / "ttyUSB9")))
    with pytest.raises(SourceDown, match=r"ttyUSB9: No such file or directory"):
        await source.open()
    first, second = open_source(serial(cable, [tag(0)])), open_source(serial(cable, [tag(0)]))
    await first.open()
    with pytest.raises(SourceDown, match=r"another program has it open"):
        await second.open()
    await first.close()


async def test_the_time_the_bytes_need_on_a_slow_line_is_no_silence(cable):
    """1,200 baud: 125 registers take 2.3 s; a pseudo terminal takes none, so the device plays it."""
    loop = asyncio.get_running_loop()
    async with scripted_at(cable, lambda _request: None) as end:
        loop.remove_reader(end)

        def hear():
            os.read(end, 1024)
            loop.call_later(0.6, os.write, end, sealed(bytes([1, 3, 80]) + bytes(80)))

        loop.add_reader(end, hear)
        source = open_source(serial(cable, [tag(0, "string", words=40)], timeout_s=0.2, baud=1200))
        assert await values(source) == [""]
        await source.close()


def test_a_serial_line_without_a_sole_master_is_refused():
    class NoCable:
        ends = ("/dev/ttyS0",)

    with pytest.raises(ConfigError, match=r"^source rtu: serial line /dev/ttyS0: a second master .* PLC or a gateway"):
        open_source(serial(NoCable, [tag(0)], sole_master=False))
    with pytest.raises(ConfigError, match="device_id 0 calls all devices"):
        open_source(serial(NoCable, [tag(0, device_id=0)]))


async def test_libmodbus_at_the_other_end_of_a_serial_line(cable, tmp_path):
    tags = [tag(0), tag(1, "f32", 1), tag(2, "bit", 3, table="coil"), tag(3, address=2000)]
    with libmodbus(tmp_path, "rtu", cable.ends[1], "115200", "9") as peer:
        peer.tell("h 0 40 16518 26214")
        peer.tell("c 3 1")
        moved = [tag(n, one.where.kind, one.where.address, device_id=9, table=one.where.table)
                 for n, one in enumerate(tags)]  # fmt: skip
        source = open_source(serial(cable, moved))
        rows = list((await source.read(source.spec.tags)).rows())
        assert [row.value for row in rows] == [40, pytest.approx(4.2), 1, None]
        assert "exception 2" in rows[3].detail
        assert peer.tell("log") == ["log 1=1 3=2"]
        peer.tell("silent 1")
        quick = open_source(serial(cable, moved, timeout_s=0.2))
        await source.close()
        with pytest.raises(SourceDown, match=r"no answer from device 9 within 0.2 s"):
            await quick.read(quick.spec.tags)
        peer.tell("silent 0")
        assert (await values(quick))[:3] == [40, pytest.approx(4.2), 1]
        await quick.close()
