"""Blocks of registers -> the arrays of a Batch, straight from the bytes of an answer: `registers.decode`, compiled.

What is known beforehand is worked out once: which bytes of an answer belong to which row, in which order, as which
kind. A poll then gathers, unpacks and scales whole columns. Rows that are anything but a plain number below 2**53
(text, BCD, exponents, and whatever looks like a sentinel, a NaN or a loop out of its range) go through the scalar
reference one by one, so what is said of them is written in one place only.
"""

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.batch import EXACT_LIMIT, NO_TIME, Batch, place, quality_array
from drivers.blocks import Block, register_of
from drivers.record import Reason, Register, Tag
from drivers.registers import BIT_TABLES, FORMATS, MA_HAIR, MA_MEASURES, WHOLE, decode, length

_LIMIT_SQUARED: Final = float(EXACT_LIMIT) ** 2
_BIT: Final = "bit"
_BYTE: Final = "B"


@dataclass(slots=True)
class Rows:
    """One poll while its answers come in: the changing columns of a Batch."""

    value: np.ndarray
    reasons: np.ndarray
    exact: dict[int, str]
    detail: dict[int, str]
    judged: bool = False  # some row has got a reason; until then `reasons` is what all polls share

    def add(self, row: int, reasons: Reason, detail: str) -> None:
        """Say of a row why it is as it is."""
        if reasons:
            if not self.judged:
                self.reasons, self.judged = self.reasons.copy(), True
            self.reasons[row] |= np.uint32(reasons)
        if detail:
            self.detail[row] = detail


class Group:
    """The tags that are read together, in the order of the Batch that they become."""

    def __init__(self, source: str, tags: Sequence[Tag]) -> None:
        self.tags = tuple(tags)
        self._source = source
        self._row = {tag.number: row for row, tag in enumerate(self.tags)}
        self._tag = _fixed(np.array([tag.number for tag in self.tags], np.int32))
        self._no_time = _fixed(np.full(len(self.tags), NO_TIME, np.int64))
        self._nothing = _fixed(np.full(len(self.tags), np.nan))
        self._good = _fixed(np.zeros(len(self.tags), np.uint8))
        estimated = [Reason.ESTIMATED if tag.estimated else Reason.OK for tag in self.tags]
        self._reasons = _fixed(np.array(estimated, np.uint32))

    def begin(self) -> Rows:
        """Rows in which nothing was decoded yet."""
        return Rows(self._nothing.copy(), self._reasons, {}, {})

    def compile(self, block: Block) -> "Columns":
        """What turns the answers to this block into rows of the group."""
        return Columns(block, [self._row[tag.number] for tag in block.tags])

    def batch(self, rows: Rows, receive_us: int, began_us: int | None = None) -> Batch:
        """The Batch of a poll whose blocks are all in; the times are UTC [us]."""
        quality = quality_array(rows.reasons) if rows.judged else self._good
        return Batch(
            self._source,
            receive_us,
            self._tag,
            self._no_time,
            rows.value,
            quality,
            rows.reasons,
            rows.exact,
            rows.detail,
            began_us,
        )


class Columns:
    """One block, compiled: which bytes of its answer make which rows."""

    def __init__(self, block: Block, rows: Sequence[int]) -> None:
        self._size = -(-block.count // 8) if block.table in BIT_TABLES else 2 * block.count
        self._bits_only = block.table in BIT_TABLES
        self._start = block.address
        every = [(register_of(tag), row) for tag, row in zip(block.tags, rows, strict=True)]
        self._register = dict(zip(rows, (register for register, _ in every), strict=True))
        plain = [(register, row) for register, row in every if _is_plain(register)]
        self._always = [row for register, row in every if not _is_plain(register)]
        self._rows = np.array([row for _, row in plain], np.int64)
        self._at = _slice_of(self._rows)
        places = [at for register, _ in plain for at in _places(register, self._start)]
        self._form = struct.Struct(">" + "".join(_form(register) for register, _ in plain))
        self._gather = None if places == list(range(self._size)) else np.array(places, np.int64)
        bits = [(at, register) for at, (register, _) in enumerate(plain) if register.kind == _BIT]
        self._bit_at = np.array([at for at, _ in bits], np.int64) if bits else None
        self._bit = np.array([2.0 ** _bit_in_byte(register, self._start) for _, register in bits])
        self._lay_out([register for register, _ in plain])
        bare = self._scale is None and self._ma is None
        # squares of 32-bit floats and of integers cannot overflow
        self._calm = bare and "d" not in self._form.format
        # numbers of 32 bits and fewer, taken as they are: all finite if their sum is, and exact in any case
        self._bare = (
            bare and self._sentinels is None and self._bit_at is None and not set("dqQ") & set(self._form.format)
        )

    def _lay_out(self, plain: Sequence[Register]) -> None:
        """Scales, sentinels and loops as columns; None where no row has any."""
        self._scale = self._offset = self._ma = self._sentinels = None
        if any((one.scale, one.offset) != (1, 0) for one in plain):
            self._scale = np.array([float(one.scale) for one in plain])
            # x + -0.0 is x to the last bit, 0.0 + -0.0 too
            self._offset = np.array([one.offset + 0.0 if (one.scale, one.offset) != (1, 0) else -0.0 for one in plain])
        if any(one.ma is not None for one in plain):
            self._ma = np.array([np.nan if one.ma is None else one.ma for one in plain])
        if any(one.sentinels for one in plain):
            meant = [_suspects(one) for one in plain]
            self._sentinels = np.full((max(map(len, meant)), len(plain)), np.nan)
            for at, numbers in enumerate(meant):
                self._sentinels[: len(numbers), at] = numbers

    def decode(self, payload: bytes, rows: Rows) -> None:
        """Decode an answer into its rows. `payload`: the registers as they came; coils packed eight to the byte."""
        if len(payload) != self._size:
            raise ValueError(f"{len(payload)} bytes are no answer to a block of {self._size}")
        if self._calm:
            odd = self._plain(payload, rows)
        else:
            with np.errstate(invalid="ignore", over="ignore"):  # what overflows is odd, and so is a NaN
                odd = self._plain(payload, rows)
        for row in (*self._always, *odd):
            self._refer(row, payload, rows)

    def refuse(self, reasons: Reason, detail: str, rows: Rows) -> None:
        """No value for any tag of the block, and why."""
        for row in self._register:
            rows.add(row, reasons, detail)

    def _plain(self, payload: bytes, rows: Rows) -> list[int]:
        """Fill in all rows that are plain numbers; returns those that have to be looked at one by one."""
        data = payload if self._gather is None else np.frombuffer(payload, np.uint8).take(self._gather).data
        numbers = self._form.unpack(data)
        raw = array("d", numbers)
        if self._bare and math.isfinite(sum(numbers)):  # between two answers few operations cost less than fast ones
            rows.value[self._at] = raw
            return []
        return self._judged(np.frombuffer(raw), rows)

    def _judged(self, raw: np.ndarray, rows: Rows) -> list[int]:
        """The same where bits, scales, sentinels or numbers of 64 bits are among them, or one is no number."""
        if self._bit_at is not None:
            raw[self._bit_at] = (raw[self._bit_at] // self._bit) % 2
        value = raw
        # a sum of squares below the limit's square clears all at once, of NaN and infinity too
        clear = raw.dot(raw) < _LIMIT_SQUARED
        if self._scale is not None:
            value = raw * self._scale
            clear &= value.dot(value) < _LIMIT_SQUARED
            value += self._offset
            clear &= value.dot(value) < _LIMIT_SQUARED
        rows.value[self._at] = value
        if clear and self._ma is None and self._sentinels is None:
            return []
        odd = self._odd(raw)
        return self._rows[odd].tolist() if odd.any() else []

    def _odd(self, raw: np.ndarray) -> np.ndarray:
        """Which rows may be more or less than the number that they look like."""
        odd: np.ndarray = ~(np.abs(raw) < EXACT_LIMIT)
        if self._scale is not None:
            value = raw * self._scale
            odd |= ~(np.abs(value) < EXACT_LIMIT) | ~(np.abs(value + self._offset) < EXACT_LIMIT)
        if self._ma is not None:
            current = raw * self._ma
            odd |= (current < MA_MEASURES[0] - MA_HAIR) | (current > MA_MEASURES[1] + MA_HAIR)
        if self._sentinels is not None:
            odd |= (raw == self._sentinels).any(axis=0)
        return odd

    def _refer(self, row: int, payload: bytes, rows: Rows) -> None:
        """One row by the scalar reference."""
        register = self._register[row]
        at, count = register.address - self._start, length(register)
        exponent = None
        if self._bits_only:
            words: tuple[int, ...] = (payload[at // 8] >> at % 8 & 1,)
        else:
            words = struct.unpack_from(f">{count}H", payload, 2 * at)
            if register.exponent_at is not None:
                (exponent,) = struct.unpack_from(">H", payload, 2 * (register.exponent_at - self._start))
        value, reasons, detail = decode(words, register, exponent)
        place(value, row, rows.value, rows.exact)
        rows.add(row, reasons, detail)


def _fixed(array: np.ndarray) -> np.ndarray:
    """An array that many batches share, and that nobody may change."""
    array.flags.writeable = False
    return array


def _slice_of(rows: np.ndarray) -> np.ndarray | slice:
    """Neighbouring rows as a slice, which is several times faster to fill."""
    if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return slice(int(rows[0]), int(rows[0]) + len(rows))
    return rows


def _is_plain(register: Register) -> bool:
    if register.kind == _BIT:  # its sentinel is a pattern of the whole register
        return not register.sentinels or register.table in BIT_TABLES
    return register.kind in FORMATS and not register.kind.startswith("bcd") and register.exponent_at is None


def _form(register: Register) -> str:
    return _BYTE if register.kind == _BIT else FORMATS[register.kind]


def _places(register: Register, start: int) -> list[int]:
    """Where the bytes of a value lie in the answer, the most significant first."""
    at = register.address - start
    if register.table in BIT_TABLES:
        return [at // 8]
    swapped = register.order in ("BADC", "DCBA")
    words = range(length(register))
    if register.order in ("CDAB", "DCBA"):
        words = words[::-1]
    places = [2 * (at + word) + byte for word in words for byte in ((1, 0) if swapped else (0, 1))]
    if register.kind == _BIT:
        return [places[0 if (register.bit or 0) >= 8 else 1]]
    if register.kind.endswith(("_high", "_low")):
        return [places[0 if register.kind.endswith("_high") else 1]]
    return places


def _bit_in_byte(register: Register, start: int) -> int:
    return (register.address - start) % 8 if register.table in BIT_TABLES else (register.bit or 0) % 8


def _suspects(register: Register) -> list[float]:
    """Numbers that may be a declared sentinel: itself, its pattern read with a sign or without, its nearest float."""
    if register.kind == _BIT:
        return []
    form = struct.Struct(f">{FORMATS[register.kind]}")
    if register.kind in WHOLE:
        all_ones = 2 ** (8 * form.size)
        return [float(number) for one in register.sentinels for number in (one, one - all_ones, one + all_ones)]
    return [form.unpack(form.pack(one))[0] for one in register.sentinels]
