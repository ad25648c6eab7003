"""A Modbus device as small as it can be: TCP or RTU frames over TCP, reads only, several device ids.

Written here and not taken from the library that our driver uses, so that the two ends of a test do not share their
mistakes, and because a device must be able to misbehave: refuse a block, fall silent, vanish.
Source: Modbus Application Protocol V1.1b3; Modbus over Serial Line V1.02 (frame and CRC).
"""

import asyncio
import contextlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.record import Register
from drivers.registers import encode, length

TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}  # by function code
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, GATEWAY_NO_RESPONSE = 1, 2, 3, 0x0B
Place = tuple[int, str]  # device id, table


@dataclass(slots=True)
class Memory:
    """The words of all devices behind one address, and what is wrong with them."""

    words: dict[Place, dict[int, int]] = field(default_factory=dict)
    refused: dict[Place, set[int]] = field(default_factory=dict)  # reads that touch these get exception 2
    silent: set[int] = field(default_factory=set)  # device ids that never answer

    def put(self, register: Register, value: float | None) -> None:
        """Store a value as the device would; a bit leaves the other bits of its word alone."""
        words = self.words.setdefault((register.device_id, register.table), {})
        if register.kind == "bit" and register.bit is not None:
            mask = 1 << register.bit
            word = words.get(register.address, 0)
            words[register.address] = word | mask if value else word & ~mask
            return
        for offset, word in enumerate(encode(value, register)):
            words[register.address + offset] = word

    def fill(self, registers: Iterable[Register], word: int) -> None:
        """Put the same word into every register of these values."""
        for register in registers:
            words = self.words.setdefault((register.device_id, register.table), {})
            full = word if register.table in ("holding", "input") else word & 1
            words.update({register.address + offset: full for offset in range(length(register))})

    def answer(self, device_id: int, request: bytes) -> bytes | None:
        """The answer (PDU) to a request (PDU), or None for silence. Registers between used ones read as 0."""
        function = request[0]
        if device_id in self.silent:
            return None
        if device_id not in {unit for unit, _ in self.words}:
            return bytes([function | 0x80, GATEWAY_NO_RESPONSE])
        if function not in TABLES or len(request) != 5:
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        address, count = struct.unpack(">HH", request[1:])
        bits = function in (1, 2)
        if not 1 <= count <= (2000 if bits else 125):
            return bytes([function | 0x80, ILLEGAL_VALUE])
        place = (device_id, TABLES[function])
        words = self.words.get(place, {})
        asked = range(address, address + count)
        if not words or address < min(words) or asked[-1] > max(words) or self.refused.get(place, set()) & set(asked):
            return bytes([function | 0x80, ILLEGAL_ADDRESS])
        values = [words.get(one, 0) for one in asked]
        if bits:
            packed = sum(value << index for index, value in enumerate(values)).to_bytes((count + 7) // 8, "little")
        else:
            packed = struct.pack(f">{count}H", *values)
        return bytes([function, len(packed)]) + packed


class ModbusServer:
    """Serves one Memory on one TCP port of the loopback."""

    def __init__(self, memory: Memory, *, rtu: bool = False) -> None:
        self.memory = memory
        self.rtu = rtu
        self.port = 0
        self.silent = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes a free one, which is kept for later starts."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port or self.port, limit=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await (self._rtu(reader, writer) if self.rtu else self._tcp(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, protocol, size, device_id = struct.unpack(">HHHB", await reader.readexactly(7))
            if protocol != 0 or not 2 <= size <= 254:
                return  # not Modbus: hang up
            answer = self.memory.answer(device_id, await reader.readexactly(size - 1))
            if answer is not None and not self.silent:
                writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, device_id) + answer)
                await writer.drain()

    async def _rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(256):
            # every allowed request is 8 bytes in one piece; whatever is damaged or foreign gets no answer, as on a line
            if len(data) < 4 or crc(data[:-2]) != data[-2:]:
                continue
            answer = self.memory.answer(data[0], data[1:-2])
            known = data[0] in {unit for unit, _ in self.memory.words}
            if answer is not None and known and not self.silent:
                frame = data[:1] + answer
                writer.write(frame + crc(frame))
                await writer.drain()


def crc(frame: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)
