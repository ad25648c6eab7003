"""A question in bytes, and the only answers that fit it: pure.

What an answer must look like is known before it comes, so it is compared, not interpreted: transaction, device,
function, byte count and length. Whatever differs is a Failure and never a value. A Modbus TCP frame of another
transaction is passed over; in RTU framing noise and the echo of our own question before the answer are, because the
checksum tells them apart. An echo alone can look like the answer to it (17 to 24 coils from 0x03xx on): what is the
same as our question byte for byte is never taken for one.

Numbers from MODBUS Application Protocol V1.1b3 and MODBUS over Serial Line V1.02.
"""

import struct
from dataclasses import dataclass
from typing import Final

from pymodbus.framer.rtu import FramerRTU

from drivers import guard
from drivers.blocks import Block
from drivers.record import Reason
from drivers.registers import BIT_TABLES

FUNCTIONS: Final = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
IDENTIFY: Final = 0x2B
LONGEST: Final = 1024  # more bytes than this to one question are no answer
_EXCEPTIONS: Final = {
    1: ("illegal function", Reason.EXCEPTION),
    2: ("illegal data address", Reason.EXCEPTION),
    3: ("illegal data value", Reason.EXCEPTION),
    4: ("device failure", Reason.EXCEPTION | Reason.DEVICE),
    5: ("acknowledge, still working", Reason.EXCEPTION),
    6: ("device busy", Reason.EXCEPTION),
    7: ("negative acknowledge", Reason.EXCEPTION),
    8: ("memory parity error", Reason.EXCEPTION | Reason.DEVICE),
    10: ("the gateway has no path to the device", Reason.EXCEPTION | Reason.COMMS),
    11: ("the gateway lives, the device behind it gives no answer", Reason.EXCEPTION | Reason.COMMS),
}
BUSY: Final = (5, 6)
BEHIND_GATEWAY: Final = (10, 11)
TOO_MUCH: Final = (2, 3)  # an address or a length that the device does not have: a smaller block may do


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question brought nothing."""

    reasons: Reason
    detail: str
    code: int = 0  # Modbus exception code; 0: no answer, or one that does not fit the question


@dataclass(frozen=True, slots=True)
class Question:
    """One request; made once per block and asked many times."""

    device_id: int
    function: int
    size: int  # payload bytes of a fitting answer; -1: it says so itself
    where: str  # "device 1, holding 0 to 9"
    sent: bytes  # the frame; Modbus TCP: without the transaction
    head: bytes  # how a fitting answer begins; Modbus TCP: without the transaction
    total: int  # its length as a frame [bytes]; 0: not known before


class Mbap:
    """Modbus TCP framing: transaction (2 bytes), 0 (2), length of the rest (2), device, then the function code."""

    check = staticmethod(guard.check_modbus_tcp)
    numbered = True

    @staticmethod
    def question(device_id: int, pdu: bytes, size: int, where: str) -> Question:
        sent = struct.pack(">HHB", 0, len(pdu) + 1, device_id) + pdu
        head = struct.pack(">HHBBB", 0, size + 3, device_id, pdu[0], size) if size >= 0 else b""
        return Question(device_id, pdu[0], size, where, sent, head, size + 9 if size >= 0 else 0)

    @staticmethod
    def take(heard: bytes, question: Question, transaction: bytes) -> bytes | Failure | None:
        """The payload in what was heard since the question, a Failure, or None while an answer may still come."""
        if len(heard) == question.total and heard.startswith(transaction + question.head) and question.device_id:
            return unfit(question, "our own question came back") if heard[2:] == question.sent else heard[9:]
        while len(heard) >= 8:
            zero, length = struct.unpack_from(">HH", heard, 2)
            if zero or not 3 <= length <= 254:
                return unfit(question, f"answered with what is not Modbus TCP: {heard[:16].hex()}")
            if len(heard) < 6 + length:
                return None
            if heard[:2] == transaction and heard[2 : 6 + length] == question.sent:
                return unfit(question, "our own question came back")
            if heard[:2] == transaction:
                return judge(heard[6], heard[7 : 6 + length], question)
            heard = heard[6 + length :]
        return None

    @staticmethod
    def amiss(heard: bytes, question: Question, transaction: bytes) -> Failure:
        """What was wrong with what came, when the time for an answer is over."""
        if len(heard) >= 6 and heard[:2] != transaction:
            asked = int.from_bytes(transaction, "big")
            words = f"answered with transaction {int.from_bytes(heard[:2], 'big')}, asked was {asked}"
            return unfit(question, words)
        return unfit(question, f"an answer that ends too early: {_shown(heard)}")


class Rtu:
    """RTU framing, on a serial line or in a TCP connection: device, function code, payload, checksum."""

    check = staticmethod(guard.check_modbus_rtu)
    numbered = False

    @staticmethod
    def question(device_id: int, pdu: bytes, size: int, where: str) -> Question:
        head = bytes([device_id, pdu[0], size]) if size >= 0 else bytes([device_id]) + pdu[:2]
        total = size + 5 if size >= 0 else 0
        return Question(device_id, pdu[0], size, where, sealed(bytes([device_id]) + pdu), head, total)

    @staticmethod
    def take(heard: bytes, question: Question, transaction: bytes) -> bytes | Failure | None:
        """The payload in what was heard since the question, a Failure, or None while an answer may still come."""
        if (frame := _sealed_in(heard, question.head, question.total, question.sent)) is None:
            frame = _sealed_in(heard, bytes([question.device_id, question.function | 0x80]), 5)
        return None if frame is None else judge(frame[0], frame[1:-2], question)

    @staticmethod
    def amiss(heard: bytes, question: Question, transaction: bytes) -> Failure:
        """What was wrong with what came, when the time for an answer is over."""
        if heard == question.sent:
            return unfit(question, "our own question came back, and no answer")
        frame = heard.removeprefix(question.sent)
        if len(frame) >= 5 and frame == sealed(frame[:-2]):
            told = judge(frame[0], frame[1:-2], question)
            if isinstance(told, Failure) and not told.code:
                return told
        return unfit(question, f"bytes that are no answer with a right checksum: {_shown(heard)}")


def question_of(block: Block, framing: type[Mbap | Rtu]) -> Question:
    """What is asked to read this block."""
    pdu = struct.pack(">BHH", FUNCTIONS[block.table], block.address, block.count)
    size = -(-block.count // 8) if block.table in BIT_TABLES else 2 * block.count
    where = f"device {block.device_id}, {block.table} {block.address} to {block.address + block.count - 1}"
    return framing.question(block.device_id, pdu, size, where)


def judge(device: int, pdu: bytes, question: Question) -> bytes | Failure:
    """The payload of an answer, only if it is the answer to this question. Device 0 means whoever is there."""
    if question.device_id and device != question.device_id:
        return unfit(question, f"device {device} answered instead")
    if pdu[0] == question.function | 0x80 and len(pdu) == 2:
        name, reasons = _EXCEPTIONS.get(pdu[1], ("unknown", Reason.EXCEPTION))
        return Failure(reasons, f"{question.where}: exception {pdu[1]} ({name})", pdu[1])
    if pdu[0] != question.function:
        return unfit(question, f"answered with function code {pdu[0]}, asked was {question.function}")
    if question.size < 0:
        return pdu[1:]
    if len(pdu) != question.size + 2 or pdu[1] != question.size:
        return unfit(question, f"answered with {len(pdu) - 2} bytes, {question.size} were asked for")
    return pdu[2:]


def unfit(question: Question, words: str) -> Failure:
    return Failure(Reason.COMMS, f"{question.where}: {words}")


def _shown(heard: bytes) -> str:
    return f"{heard[:16].hex()} ({len(heard)} bytes)"


def sealed(frame: bytes) -> bytes:
    """An RTU frame with its checksum."""
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")


def _sealed_in(heard: bytes, head: bytes, total: int, echo: bytes = b"") -> bytes | None:
    """The first frame in `heard` with this head and a right checksum, `total` bytes long (0: all that there are).

    What is `echo` byte for byte is passed over.
    """
    start = heard.find(head)
    while start >= 0:
        frame = heard[start : start + total if total else None]
        if len(frame) >= (total or 5) and frame != echo and frame == sealed(frame[:-2]):
            return frame
        start = heard.find(head, start + 1)
    return None
