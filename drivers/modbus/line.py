"""One guarded connection to a device, a gateway or a serial line: one question at a time, one owner of the time-out.

pymodbus makes the connection and moves the bytes. What it makes of them is not used: it reports success for a wrong
function code and for too few, too many or an odd number of bytes, it lets a late answer satisfy the next question, and
it sits out its time-out after the peer has hung up. So the bytes go to drivers.modbus.answers as they come, a
connection on which anything was late or wrong is to be thrown away, and a hang-up ends the question at once.
"""

import asyncio
import errno
import os
import termios
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from drivers.guard import GuardedTransport
from drivers.modbus.answers import LONGEST, Failure, Mbap, Question, Rtu, unfit
from drivers.record import Reason
from drivers.source import Counts

Client = AsyncModbusTcpClient | AsyncModbusSerialClient
FRAMINGS: Final[Mapping[str, type[Mbap | Rtu]]] = {
    "modbus_tcp": Mbap,
    "modbus_rtu_over_tcp": Rtu,
    "modbus_rtu": Rtu,
}
_LONGEST_FRAME: Final = 256  # bytes, RTU
_BITS_PER_BYTE: Final = 11  # on a serial line, with start, parity and stop
_QUIET_BYTES: Final = 3.5  # between two frames (MODBUS over Serial Line V1.02, 2.5.1.1)
_QUIET_LEAST_S: Final = 0.00175  # the same above 19200 baud


class Unusable(ConnectionError):
    """The line is there, but not as it is configured."""


class _Ear(asyncio.BufferedProtocol):
    """Receives into a buffer of its own.

    Otherwise asyncio makes one of 256 kB for each piece that comes, which costs more than all that is done with it.
    """

    def __init__(self, inner: asyncio.BaseProtocol, hear: Callable[[bytes], None]) -> None:
        self._inner, self._hear = inner, hear
        self._buffer = bytearray(LONGEST)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._hear(bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)


class Line:
    """Ask one question, get its payload, a Failure, or ConnectionError."""

    def __init__(self, driver: str, options: Mapping[str, Any], timeout_s: float, counts: Counts) -> None:
        self._options, self._timeout_s, self._counts = options, timeout_s, counts
        self.framing = FRAMINGS[driver]
        self.serial = driver == "modbus_rtu"
        self.name = str(options["line"]) if self.serial else f"{options['host']}:{options['port']}"
        self._byte_s = _BITS_PER_BYTE / int(options.get("baud", 9600)) if self.serial else 0.0
        self._quiet_s = max(_QUIET_BYTES * self._byte_s, _QUIET_LEAST_S) if self.serial else 0.0
        self._client: Client | None = None
        self._answer: asyncio.Future[bytes | Failure] | None = None
        self._question: Question | None = None
        self._transaction = b""
        self._number = 0
        self._heard = b""  # of the answer so far
        self._heard_s = 0.0  # monotonic [s]
        self._unasked = 0  # bytes since the answer; a repeated answer does no harm over TCP, more is no conversation
        self._why = ""

    @property
    def client(self) -> Client | None:
        """The library's client behind the guard, while there is a connection."""
        return self._client

    @property
    def is_open(self) -> bool:
        return self._client is not None and self._client.connected

    async def open(self) -> None:
        """Connect anew; ConnectionError says why not, Unusable where the settings are why."""
        self.close()
        unusable = False
        client = self._new_client()
        create, made = client.ctx.call_create, client.ctx.connection_made

        async def guarded_create() -> tuple[GuardedTransport, Any]:
            nonlocal unusable
            try:
                transport, protocol = await create()
            except termios.error:  # of an adapter that cannot do what is asked of it; no OSError
                unusable, self._why = True, f"the line refuses {self._manner()}"
                raise OSError(self._why) from None
            except (OSError, ValueError) as error:
                number = getattr(error, "errno", None)
                self._why = os.strerror(number) if number and number > 0 else str(error)  # a name that is unknown
                if number == errno.EAGAIN:  # the lock on a serial port
                    self._why = "another program has it open"
                raise OSError(self._why) from None
            if not self.serial:
                transport.set_protocol(_Ear(protocol, self._hear))
            return GuardedTransport(transport, self.framing.check), protocol

        def guarded_made(transport: asyncio.Transport) -> None:  # the serial transport comes in by this door
            made(GuardedTransport(transport, self.framing.check))

        client.ctx.call_create = guarded_create
        client.ctx.connection_made = guarded_made  # type: ignore[method-assign,assignment]
        client.ctx.data_received = self._hear  # type: ignore[method-assign]
        client.ctx.trace_connect = partial(self._on_connect, client)
        self._why = f"no connection within {self._timeout_s} s"
        if not await client.connect():
            raise (Unusable if unusable else ConnectionError)(f"{self.name}: {self._why}")
        self._client = client
        self._counts.connects += 1

    def close(self) -> None:
        """Hang up; what was on its way is lost on purpose."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def ask(self, question: Question) -> bytes | Failure:
        """One question and its payload. Unless the answer fits, the connection must not be used again."""
        if self._quiet_s:
            await asyncio.sleep(self._heard_s + self._quiet_s - time.monotonic())
        client = self._client
        if client is None or not client.connected:
            raise ConnectionError(f"{self.name}: not connected")
        sent, timeout_s = question.sent, self._timeout_s
        if self.framing.numbered:
            self._number = self._number % 0xFFFF + 1
            self._transaction = self._number.to_bytes(2, "big")
            sent = self._transaction + sent
        elif self.serial:
            timeout_s += (len(sent) + (question.total or _LONGEST_FRAME)) * self._byte_s
        loop = asyncio.get_running_loop()
        self._answer, self._question, self._heard = loop.create_future(), question, b""
        self._unasked = 0
        self._counts.requests += 1
        client.ctx.transport.write(sent)  # type: ignore[attr-defined]
        timer = loop.call_later(timeout_s, self._give_up)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.close()  # the answer may still come
            raise
        finally:
            timer.cancel()
            self._answer = None

    def _hear(self, data: bytes) -> None:
        answer, question = self._answer, self._question
        self._heard_s = time.monotonic()
        if answer is None or question is None or answer.done():
            self._counts.unfit += 1
            self._unasked += len(data)
            if not self.framing.numbered or self._unasked > LONGEST:
                self.close()  # who speaks unasked may have answered the question before last
            return
        heard = self._heard + data if self._heard else data
        outcome = self.framing.take(heard, question, self._transaction)
        if outcome is None and len(heard) <= LONGEST:
            self._heard = heard
            return
        if outcome is None:
            outcome = unfit(question, f"answered with more than {LONGEST} bytes")
        if isinstance(outcome, Failure):
            self._counts.exceptions += outcome.code > 0
            self._counts.unfit += outcome.code == 0
        answer.set_result(outcome)

    def _give_up(self) -> None:
        if self._answer is None or self._question is None or self._answer.done():
            return
        if self._heard:
            self._counts.unfit += 1
            outcome = self.framing.amiss(self._heard, self._question, self._transaction)
        else:
            self._counts.timeouts += 1
            words = f"no answer from device {self._question.device_id} within {self._timeout_s} s"
            outcome = Failure(Reason.COMMS, words)
        self._answer.set_result(outcome)

    def _on_connect(self, client: Client, connected: bool) -> None:
        if not connected and client is self._client and self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(f"{self.name}: the other side hung up"))

    def _manner(self) -> str:
        """How the serial line is to be driven: "9600 baud 8E1"."""
        options = self._options
        return f"{options.get('baud', 9600)} baud 8{options.get('parity', 'E')}{options.get('stop_bits', 1)}"

    def _new_client(self) -> Client:
        # no retries: the second try would take the late answer to the first; no reconnecting behind our back
        alike: dict[str, Any] = {"timeout": self._timeout_s, "retries": 0, "reconnect_delay": 0}
        if not self.serial:
            return AsyncModbusTcpClient(str(self._options["host"]), port=int(self._options["port"]), **alike)
        return AsyncModbusSerialClient(
            self.name,
            baudrate=int(self._options.get("baud", 9600)),
            parity=str(self._options.get("parity", "E")),
            stopbits=int(self._options.get("stop_bits", 1)),
            **alike,
        )
