"""Modbus answers that went wrong on the way: made by class, with the truth known, and put through the real line.

The truth: what an honest device says to the question. An answer may be refused, always. It may be taken only if it is
that truth. One kind of damage nobody can see: other data inside an otherwise perfect Modbus TCP frame, because that
frame has no checksum. `perfect` finds these by a parser of its own, and they are counted apart. In RTU the same needs
a checksum that fits by chance, one in 65,536 of frames damaged at random.
"""

import asyncio
import random
import re
import struct
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

from drivers.blocks import Block
from drivers.guard import GuardedTransport
from drivers.modbus.answers import Failure, Question, question_of
from drivers.modbus.line import FRAMINGS, Line
from drivers.source import Counts
from tests.acceptance.wire import crc16

TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


def truth(device_id: int, function: int, address: int, count: int) -> bytes:
    """The payload of an honest device: each place has a word of its own, told by where it stands."""
    words = [(place * 40_503 + device_id * 9_973 + function * 7_919 + 1) & 0xFFFF for place in
             range(address, address + count)]  # fmt: skip
    if function > 2:
        return struct.pack(f">{count}H", *words)
    return sum((word >> 7 & 1) << n for n, word in enumerate(words)).to_bytes((count + 7) // 8, "little")


def honest(request: bytes, rtu: bool) -> bytes:
    """The frame that an honest device gives to a request frame."""
    device_id, pdu = (request[0], request[1:-2]) if rtu else (request[6], request[7:])
    function, address, count = struct.unpack(">BHH", pdu)
    return framed(request, answer_pdu(device_id, function, address, count), rtu)


def answer_pdu(device_id: int, function: int, address: int, count: int) -> bytes:
    payload = truth(device_id, function, address, count)
    return bytes([function, len(payload)]) + payload


def framed(request: bytes, pdu: bytes, rtu: bool) -> bytes:
    """A frame that carries this PDU as an answer to the request."""
    if rtu:
        frame = request[:1] + pdu
        return frame + crc16(frame)
    return request[:4] + struct.pack(">HB", len(pdu) + 1, request[6]) + pdu


def perfect(stream: bytes, request: bytes, rtu: bool) -> list[bytes]:
    """The payloads of all frames in a stream that are perfect answers to the request, true or not."""
    function = request[1] if rtu else request[7]
    count = int.from_bytes(request[4:6] if rtu else request[10:12], "big")
    size = 2 * count if function > 2 else (count + 7) // 8
    found = []
    if rtu:
        head = bytes([request[0], function, size])
        for at in range(len(stream) - size - 4):
            frame = stream[at : at + size + 5]
            if frame.startswith(head) and crc16(frame[:-2]) == frame[-2:]:
                found.append(frame[3:-2])
        return found
    head = request[:4] + struct.pack(">HBBB", size + 3, request[6], function, size)
    while len(stream) >= 9:
        length = 6 + int.from_bytes(stream[4:6], "big")
        if stream.startswith(head) and len(stream) >= length:
            found.append(stream[9:length])
        stream = stream[length:]
    return found


def _flip(rng: random.Random, frame: bytes, first: int, last: int, bits: int) -> bytes:
    data = bytearray(frame)
    for place in rng.sample(range(first * 8, last * 8), bits):
        data[place // 8] ^= 1 << place % 8
    return bytes(data)


def _other_pdu(rng: random.Random, request: bytes, rtu: bool) -> bytes:
    """An answer that is right for another question: elsewhere, or of another length, or of another table."""
    device_id, pdu = (request[0], request[1:-2]) if rtu else (request[6], request[7:])
    function, address, count = struct.unpack(">BHH", pdu)
    table = function if rng.random() < 0.7 else rng.randrange(1, 5)
    elsewhere = (address + rng.randrange(1, 500)) & 0x3FFF
    return answer_pdu(device_id, table, elsewhere, min(rng.choice([count, rng.randrange(1, 125)]), 125))


def mutate(kind: str, rng: random.Random, request: bytes, rtu: bool) -> bytes:
    """What arrives instead of the honest answer, or around it."""
    good = honest(request, rtu)
    head = 3 if rtu else 9
    pdu = good[1:-2] if rtu else good[7:]
    match kind:
        case "untouched":
            return good
        case "one to three bits":
            return _flip(rng, good, 0, len(good), rng.randrange(1, 4))
        case "header bits":
            return _flip(rng, good, 0, head, rng.randrange(1, 4))
        case "data bits":
            return _flip(rng, good, head, len(good) - 2 if rtu else len(good), rng.randrange(1, 9))
        case "bytes at random":
            data = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(data)
        case "bytes lost":
            at = rng.randrange(len(good))
            return good[:at] + good[at + rng.randrange(1, 6) :]
        case "bytes added":
            at = rng.randrange(len(good) + 1)
            return good[:at] + rng.randbytes(rng.randrange(1, 6)) + good[at:]
        case "bytes exchanged":
            data = bytearray(good)
            at = rng.randrange(len(data) - 1)
            data[at], data[at + 1] = data[at + 1], data[at]
            return bytes(data)
        case "cut short":
            return good[: rng.randrange(len(good))]
        case "said twice":
            return good + good
        case "then rubbish":
            return good + rng.randbytes(rng.randrange(1, 40))
        case "after rubbish":
            return rng.randbytes(rng.randrange(1, 40)) + good
        case "after an echo":
            return request + good
        case "echo":
            return request
        case "rubbish":
            return rng.randbytes(rng.randrange(1, 300))
        case "text":
            return b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
        case "flood":
            return bytes([rng.choice([0, 0xFF, request[0]])]) * rng.randrange(1000, 3000)
        case "nothing":
            return b""
        case "other device":
            if rtu:
                frame = bytes([request[0] ^ rng.randrange(1, 256)]) + good[1:-2]
                return frame + crc16(frame)
            return good[:6] + bytes([good[6] ^ rng.randrange(1, 256)]) + good[7:]
        case "other function":
            return framed(request, bytes([pdu[0] ^ rng.randrange(1, 128)]) + pdu[1:], rtu)
        case "other question":
            return framed(request, _other_pdu(rng, request, rtu), rtu)
        case "other transaction":
            other = (int.from_bytes(request[:2], "big") ^ rng.randrange(1, 0x10000)).to_bytes(2, "big")
            return good if rtu else other + good[2:]
        case "count lies":
            return framed(request, pdu[:1] + bytes([pdu[1] ^ rng.randrange(1, 256)]) + pdu[2:], rtu)
        case "too few":
            kept = pdu[2 : 2 + rng.randrange(len(pdu) - 2)]
            return framed(request, pdu[:1] + bytes([len(kept)]) + kept, rtu)
        case "too many":
            more = (pdu[2:] + rng.randbytes(rng.randrange(1, 40)))[:251]
            return framed(request, pdu[:1] + bytes([len(more)]) + more, rtu)
        case "length lies":
            return good[:4] + rng.randrange(0x10000).to_bytes(2, "big") + good[6:] if not rtu else good[:-1]
        case "an exception":
            return framed(request, bytes([pdu[0] | 0x80, rng.randrange(256)]), rtu)
        case "exception of another":
            return framed(request, bytes([(pdu[0] ^ rng.randrange(1, 8)) | 0x80, rng.randrange(256)]), rtu)
        case "exception cut":
            return framed(request, bytes([pdu[0] | 0x80, 2]), rtu)[:-1]
    raise KeyError(kind)


KINDS = (
    "untouched", "one to three bits", "header bits", "data bits", "bytes at random", "bytes lost", "bytes added",
    "bytes exchanged", "cut short", "said twice", "then rubbish", "after rubbish", "after an echo", "echo", "rubbish",
    "text", "flood", "nothing", "other device", "other function", "other question", "other transaction", "count lies",
    "too few", "too many", "length lies", "an exception", "exception of another", "exception cut",
)  # fmt: skip
LATE = "an answer to the last question"  # comes before this one is asked: on a line that is not thrown away


@dataclass
class Tally:
    """What became of the answers."""

    asked: Counter = field(default_factory=Counter)  # by framing and class
    taken: Counter = field(default_factory=Counter)
    unseen: Counter = field(default_factory=Counter)  # taken, untrue, and undetectable by anybody
    refused: Counter = field(default_factory=Counter)  # by reason
    wrong: list = field(default_factory=list)  # taken, untrue: none may be here

    def add(self, other: "Tally") -> None:
        for name in ("asked", "taken", "unseen", "refused"):
            getattr(self, name).update(getattr(other, name))
        self.wrong += other.wrong

    def plain(self) -> dict:
        return {name: dict(getattr(self, name)) for name in ("asked", "taken", "unseen", "refused")} | {
            "wrong": self.wrong
        }

    @classmethod
    def of(cls, plain: dict) -> "Tally":
        return cls(*(Counter(plain[name]) for name in ("asked", "taken", "unseen", "refused")), plain["wrong"])

    def lines(self) -> list[str]:
        rows = [f"  {'class':<42}{'asked':>10}{'taken':>10}{'unseen':>10}"]
        rows += [f"  {kind:<42}{n:>10,}{self.taken[kind]:>10,}{self.unseen[kind]:>10,}"
                 for kind, n in sorted(self.asked.items())]  # fmt: skip
        rows += [f"  refused: {why:<60}{n:>10,}" for why, n in self.refused.most_common()]
        return rows


class _Wire(asyncio.Transport):
    """The far end of the line: each request is answered by the bytes that the test wants to arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.reply = None

    def write(self, data):
        self.sent = data
        asyncio.get_running_loop().call_soon(self.reply, data)

    def close(self):
        pass


class Bench:
    """A real Line of one framing, its far end in memory: the same guard, the same checks, no socket."""

    def __init__(self, driver: str) -> None:
        self.driver, self.rtu = driver, driver != "modbus_tcp"
        self.wire = _Wire()
        self.counts = Counts()
        self.line = self._new()

    def _new(self) -> Line:
        line = Line(self.driver, {"host": "memory", "port": 0}, 1.0, self.counts)
        transport = GuardedTransport(self.wire, line.framing.check)
        line._client = SimpleNamespace(connected=True, close=lambda: None, ctx=SimpleNamespace(transport=transport))
        return line

    async def ask(self, question: Question, kind: str, rng: random.Random) -> tuple[bytes | Failure, bytes, bytes]:
        """(what the line made of it, the request, all that arrived)."""
        stream = b""
        if kind == LATE:
            stream = mutate("other question", rng, self.wire.sent or b"\0\1\0\0\0\6\1\3\0\0\0\1\0\0", self.rtu)
            self.line._hear(stream)
        if not self.line.is_open:  # an RTU line that heard something unasked was thrown away
            self.line = self._new()
        arrived = stream

        def reply(request: bytes) -> None:
            nonlocal arrived
            data = honest(request, self.rtu) if kind == LATE else mutate(kind, rng, request, self.rtu)
            arrived = data
            for piece in _pieces(rng, data):
                self.line._hear(piece)
            self.line._give_up()  # the time-out, as it were

        self.wire.reply = reply
        outcome = await self.line.ask(question)
        if isinstance(outcome, Failure):
            self.line = self._new()  # as ModbusSource does
        return outcome, self.wire.sent, arrived


def _pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """As TCP and serial drivers deliver: mostly whole, often in pieces, seldom byte by byte."""
    way = rng.random()
    if way < 0.6 or len(data) < 2:
        return [data] if data else []
    if way < 0.97 or len(data) > 300:
        at = rng.randrange(1, len(data))
        return [data[:at], data[at:]]
    return [data[n : n + 1] for n in range(len(data))]


def _question(rng: random.Random, driver: str) -> Question:
    function = rng.choice([1, 2, 3, 3, 3, 4, 4])
    count = rng.randrange(1, 126) if function > 2 else rng.randrange(1, 500)
    block = Block(rng.randrange(1, 248), TABLES[function], rng.randrange(0x4000), count, ())
    return question_of(block, FRAMINGS[driver])


async def run(seed: str, count: int) -> Tally:
    """Ask `count` questions, half of them in each framing, each class equally often; judge every answer."""
    rng, tally = random.Random(seed), Tally()
    benches = [Bench("modbus_tcp"), Bench("modbus_rtu_over_tcp")]
    kinds = (*KINDS, LATE)
    for number in range(count):
        bench = benches[number % 2]
        kind = kinds[number // 2 % len(kinds)]
        question = _question(rng, bench.driver)
        async with asyncio.timeout(30):  # a hang is a fault too
            outcome, request, arrived = await bench.ask(question, kind, rng)
        name = f"{'RTU' if bench.rtu else 'TCP'} {kind}"
        tally.asked[name] += 1
        if isinstance(outcome, Failure):
            if kind in ("untouched", "said twice"):
                tally.wrong.append([name, "an honest answer was refused", request.hex(), outcome.detail])
            tally.refused[_reason(outcome)] += 1
            continue
        true = honest(request, bench.rtu)[3:-2] if bench.rtu else honest(request, bench.rtu)[9:]
        tally.taken[name] += 1
        if outcome == true:
            continue
        if outcome in perfect(arrived, request, bench.rtu):
            tally.unseen[name] += 1
        else:
            tally.wrong.append([name, request.hex(), arrived.hex(), outcome.hex()])
    return tally


def _reason(failure: Failure) -> str:
    """The words of a failure without its numbers."""
    if failure.code:
        return "an exception"
    words = re.sub(r"^device \d+, \w+ \d+ to \d+: ", "", failure.detail)
    return re.sub(r"\d[\d.]*", "N", re.sub(r": [0-9a-f]+( \(\d+ bytes\))?$", "", words))
