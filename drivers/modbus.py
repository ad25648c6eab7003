"""Modbus TCP and RTU over TCP, read only, through pymodbus as transport and framing.

What pymodbus leaves open is closed here. It reports success for a wrong function code, for too few, too many or an odd
number of bytes; it lets a late answer satisfy the next question; it sits out its time-out after the peer has hung up.
So every answer is compared with its question, a connection on which anything was late or wrong is thrown away, and a
hang-up ends the question at once. Requests go one at a time, as serial lines and small controllers demand.

A device that gives no answer rests for 1, 2, 4 ... 30 s and costs the other devices of its line one time-out per try.
The source as a whole is down only if the connection fails or none of its devices answers.
"""

import asyncio
import logging
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from drivers import blocks, guard, registers
from drivers.batch import Batch, batch_of
from drivers.blocks import Block, Forbidden
from drivers.errors import ConfigError, SourceDown
from drivers.record import Alert, Reason, Sample, Tag
from drivers.source import Counts, SourceSpec

_FRAMERS: Final = {
    "modbus_tcp": (FramerType.SOCKET, guard.check_modbus_tcp),
    "modbus_rtu_over_tcp": (FramerType.RTU, guard.check_modbus_rtu),
}
_GAPS: Final = {"modbus_tcp": 16, "modbus_rtu_over_tcp": 4}  # a wasted word costs 2 ms on a serial line, nothing on TCP
_REQUESTS: Final[Mapping[str, type[ModbusPDU]]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
_EXCEPTIONS: Final = {
    1: ("illegal function", Reason.EXCEPTION),
    2: ("illegal data address", Reason.EXCEPTION),
    3: ("illegal data value", Reason.EXCEPTION),
    4: ("device failure", Reason.EXCEPTION | Reason.DEVICE),
    5: ("acknowledge, still working", Reason.EXCEPTION),
    6: ("device busy", Reason.EXCEPTION),
    7: ("negative acknowledge", Reason.EXCEPTION),
    8: ("memory parity error", Reason.EXCEPTION | Reason.DEVICE),
    10: ("gateway path unavailable", Reason.EXCEPTION | Reason.COMMS),
    11: ("gateway got no answer from the device", Reason.EXCEPTION | Reason.COMMS),
}
_BUSY: Final = (5, 6)
_GATEWAY: Final = (10, 11)
_TOO_MUCH: Final = (2, 3)  # an address or a length that the device does not have: a smaller block may do
_BUSY_PAUSE_S: Final = 0.5
_REST_MAX_S: Final = 30.0
_ASK_REFUSED_AGAIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a block could not be read."""

    reasons: Reason
    detail: str
    code: int = 0  # Modbus exception code; 0: no answer, or one that does not fit the question
    silent: bool = False


class _Unfit(Exception):
    """Bytes arrived that no answer can be made of."""


class _Answer(ModbusPDU):
    """The payload as it came, to be judged against the question; pymodbus's own classes judge nothing."""

    rtu_byte_count_pos = 2
    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = bytes(data)

    def __str__(self) -> str:  # pymodbus formats every answer for a log that is off
        return f"answer to function code {self.function_code}"


class _Coils(_Answer):
    function_code = 1


class _Discretes(_Answer):
    function_code = 2


class _Holdings(_Answer):
    function_code = 3


class _Inputs(_Answer):
    function_code = 4


def unpack(answer: ModbusPDU, block: Block) -> tuple[int, ...] | Failure:
    """The registers (or bits) of an answer, only if it is the answer to this block; pure."""
    asked = _REQUESTS[block.table].function_code
    where = f"device {block.device_id}, {block.table} {block.address} to {block.address + block.count - 1}"
    if block.device_id and answer.dev_id != block.device_id:
        return Failure(Reason.COMMS, f"{where}: device {answer.dev_id} answered instead")
    if answer.function_code == asked | 0x80:
        name, reasons = _EXCEPTIONS.get(answer.exception_code, ("unknown", Reason.EXCEPTION))
        return Failure(reasons, f"{where}: exception {answer.exception_code} ({name})", answer.exception_code)
    if answer.function_code != asked or not isinstance(answer, _Answer):
        return Failure(Reason.COMMS, f"{where}: answered with function code {answer.function_code}, asked was {asked}")
    bits = block.table in registers.BIT_TABLES
    size = -(-block.count // 8) if bits else 2 * block.count
    said, body = answer.payload[:1], answer.payload[1:]
    if said != bytes([size]) or len(body) != size:
        return Failure(Reason.COMMS, f"{where}: answered with {len(body)} bytes, {size} were asked for")
    if bits:
        return tuple(body[n // 8] >> n % 8 & 1 for n in range(block.count))
    return struct.unpack(f">{block.count}H", body)


class Line:
    """One guarded TCP connection to a device or gateway: ask one block, get words, a Failure, or ConnectionError."""

    def __init__(self, driver: str, host: str, port: int, timeout_s: float) -> None:
        self._framer, self._check = _FRAMERS[driver]
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._asking = False
        self._heard = 0  # bytes of the answer so far
        self._why = ""

    @property
    def client(self) -> AsyncModbusTcpClient | None:
        """The library's client behind the guard, while there is a connection."""
        return self._client

    async def open(self) -> None:
        """Connect anew; ConnectionError says why not."""
        self.close()
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=self._framer,
            timeout=self._timeout_s,
            retries=0,  # its retry would take the late answer to the first try
            reconnect_delay=0,  # a connection is opened when it is needed, by us
            trace_connect=self._on_connect,
        )
        for answer in (_Coils, _Discretes, _Holdings, _Inputs):
            client.register(answer)
        create, hear = client.ctx.call_create, client.ctx.callback_data

        async def guarded_create() -> tuple[guard.GuardedTransport, Any]:
            try:
                transport, protocol = await create()
            except OSError as error:
                self._why = os.strerror(error.errno) if error.errno else str(error)
                raise
            return guard.GuardedTransport(transport, self._check), protocol

        def judged(data: bytes, addr: tuple[Any, ...] | None = None) -> int:
            self._heard = len(data)
            try:
                return hear(data, addr)
            except (ModbusException, ValueError, IndexError, struct.error) as error:
                self._fail(_Unfit(str(error)))
                return len(data)

        client.ctx.call_create = guarded_create
        client.ctx.callback_data = judged  # type: ignore[method-assign]
        self._why = f"no connection within {self._timeout_s} s"
        if not await client.connect():
            raise ConnectionError(f"{self._host}:{self._port}: {self._why}")
        self._client = client

    @property
    def is_open(self) -> bool:
        return self._client is not None and self._client.connected

    def close(self) -> None:
        """Hang up; what was on its way is lost on purpose."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def ask(self, block: Block) -> tuple[int, ...] | Failure:
        """One request and its answer. Unless the answer fits, the connection must not be used again."""
        if self._client is None or not self._client.connected:
            raise ConnectionError(f"{self._host}:{self._port}: not connected")
        request = _REQUESTS[block.table](address=block.address, count=block.count, dev_id=block.device_id)
        self._asking, self._heard = True, 0
        try:
            return unpack(await self._client.execute(False, request), block)
        except _Unfit as error:
            return Failure(Reason.COMMS, f"device {block.device_id}: an answer that cannot be read: {error}")
        except ModbusException:
            heard = f", {self._heard} bytes of no valid answer" if self._heard else ""
            words = f"no answer from device {block.device_id} within {self._timeout_s} s{heard}"
            return Failure(Reason.COMMS, words, silent=True)
        except asyncio.CancelledError:
            self.close()  # the answer may still come
            raise
        finally:
            self._asking = False

    def _on_connect(self, connected: bool) -> None:
        if not connected:
            self._fail(ConnectionResetError(f"{self._host}:{self._port}: the other side hung up"))

    def _fail(self, error: Exception) -> None:
        if self._asking and self._client is not None and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(error)


@dataclass(slots=True)
class _Rest:
    """A device that gave no answer is left alone for a while."""

    failure: Failure
    until: float  # monotonic [s]
    tries: int


class ModbusSource:
    """A Source (drivers.source) over one Modbus connection."""

    def __init__(
        self,
        spec: SourceSpec,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self._clock_us, self._monotonic = clock_us, monotonic
        options = spec.options
        self._max_gap = int(options.get("max_gap", _GAPS[spec.driver]))
        self._max_words = int(options.get("max_words", 125))
        self._pause_s = float(options.get("workarounds", {}).get("pause_between_requests_s", 0.0))
        self._forbidden = tuple(Forbidden(**row) for row in options.get("forbidden", ()))
        self._devices = {blocks.register_of(tag).device_id for tag in spec.tags}
        for tag in spec.tags:
            if fault := registers.fault(blocks.register_of(tag)):
                raise ConfigError(f"source {spec.name}: tag {tag.name}: {fault}")
        self.line = Line(spec.driver, str(options["host"]), int(options["port"]), spec.timeout_s)
        self._plans: dict[tuple[int, ...], list[Block]] = {}
        self._split: set[_Key] = set()  # blocks that the device refused whole
        self._refused: dict[_Key, tuple[Failure, float]] = {}  # single values that it refused, and when to ask again
        self._resting: dict[int, _Rest] = {}
        self.counts = Counts()

    async def open(self) -> None:
        """Connect; SourceDown says why not. Every device gets a fresh chance."""
        self._resting.clear()
        try:
            await self.line.open()
        except ConnectionError as error:
            raise SourceDown(self.spec.name, str(error)) from None

    async def read(self, tags: Sequence[Tag]) -> Batch:
        """Read these tags once. SourceDown if the connection fails or no device of the source answers any more."""
        found: dict[int, registers.Decoded] = {}
        for block in self._planned(tags):
            await self._read(block, found)
        if self._devices and all(d in self._resting and self._resting[d].failure.silent for d in self._devices):
            self.line.close()
            raise SourceDown(self.spec.name, "; ".join(self._resting[d].failure.detail for d in sorted(self._devices)))
        now = self._clock_us()
        samples = []
        for tag in tags:
            value, reasons, detail = found[tag.number]
            if tag.estimated:
                reasons |= Reason.ESTIMATED
            samples.append(Sample(tag.number, now, value, reasons, None, detail))
        return batch_of(self.spec.name, now, samples)

    async def alerts(self) -> list[Alert]:
        """None: Modbus devices ask by status bits, which drivers.vendor.status_bits reads from the batches."""
        return []

    async def close(self) -> None:
        """Hang up. Never raises."""
        self.line.close()

    def explain(self) -> list[str]:
        """What will be asked, by cadence, with wire addresses."""
        told = []
        for every_s in sorted({tag.every_s or self.spec.every_s for tag in self.spec.tags}):
            group = [tag for tag in self.spec.tags if (tag.every_s or self.spec.every_s) == every_s]
            planned = self._planned(group)
            told.append(f"every {every_s:g} s: {blocks.told(planned)}")
            told.extend(f"  {line}" for line in blocks.lines(planned))
        return told

    def _planned(self, tags: Sequence[Tag]) -> list[Block]:
        key = tuple(tag.number for tag in tags)
        if key not in self._plans:
            self._plans[key] = blocks.plan(
                tags, max_gap=self._max_gap, max_words=self._max_words, forbidden=self._forbidden
            )
        return self._plans[key]

    async def _read(self, block: Block, found: dict[int, registers.Decoded]) -> None:
        """Read a block into `found`; one that is refused whole in halves. What fails is told for each of its tags."""
        key, known = _key(block), self._known(block)
        if known is None and key in self._split:
            await self._read_halves(block, found)
            return
        outcome = known or await self._ask_patiently(block)
        if isinstance(outcome, Failure):
            if known is None and outcome.code in _TOO_MUCH:
                if blocks.halves(block):
                    self._split.add(key)
                    await self._read_halves(block, found)
                    return
                self._refused[key] = outcome, self._monotonic() + _ASK_REFUSED_AGAIN_S
            found.update((tag.number, (None, outcome.reasons, outcome.detail)) for tag in block.tags)
            return
        for tag in block.tags:
            where = blocks.register_of(tag)
            start = where.address - block.address
            found[tag.number] = registers.decode(outcome[start : start + registers.length(where)], where)

    async def _read_halves(self, block: Block, found: dict[int, registers.Decoded]) -> None:
        for half in blocks.halves(block) or ():
            await self._read(half, found)

    def _known(self, block: Block) -> Failure | None:
        """The failure that makes asking pointless for now: the device rests, or has refused just this."""
        now = self._monotonic()
        rest = self._resting.get(block.device_id)
        if rest is not None and now < rest.until:
            return rest.failure
        refusal = self._refused.get(_key(block))
        if refusal is not None and now < refusal[1]:
            return refusal[0]
        self._refused.pop(_key(block), None)
        return None

    async def _ask_patiently(self, block: Block) -> tuple[int, ...] | Failure:
        """Ask once; once more if the device says that it is busy. Keeps account of devices that do not answer."""
        outcome = await self._ask(block)
        if isinstance(outcome, Failure) and outcome.code in _BUSY:
            await asyncio.sleep(_BUSY_PAUSE_S)
            outcome = await self._ask(block)
        if isinstance(outcome, Failure) and (outcome.silent or outcome.code in _GATEWAY):
            before = self._resting.get(block.device_id)
            tries = before.tries + 1 if before else 1
            pause_s = min(2.0 ** min(tries - 1, 8), _REST_MAX_S)
            self._resting[block.device_id] = _Rest(outcome, self._monotonic() + pause_s, tries)
        else:
            self._resting.pop(block.device_id, None)
        return outcome

    async def _ask(self, block: Block) -> tuple[int, ...] | Failure:
        """One question over a connection that is known to be clean; SourceDown if there is none to be had."""
        if self._pause_s:
            await asyncio.sleep(self._pause_s)
        try:
            if not self.line.is_open:
                await self.line.open()
            try:
                outcome = await self.line.ask(block)
            except ConnectionError:  # an idle connection is often closed just then: once more on a fresh one
                await self.line.open()
                outcome = await self.line.ask(block)
        except ConnectionError as error:
            self.line.close()
            raise SourceDown(self.spec.name, str(error)) from None
        if isinstance(outcome, Failure) and outcome.code == 0:
            self.line.close()
        return outcome


_Key = tuple[int, str, int, int]


def _key(block: Block) -> _Key:
    return block.device_id, block.table, block.address, block.count


def open_source(spec: SourceSpec) -> ModbusSource:
    """The Source for a spec, not yet connected; ConfigError if a tag cannot be read as configured."""
    # it reports each failed request with a dump of packets; we tell the same once, as a reason
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    return ModbusSource(spec)
