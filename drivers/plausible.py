"""What registers could mean: every type and byte order, and which of them a known magnitude leaves. Pure.

A manual that is missing or wrong about word order is found out by something whose size is known: mains frequency, a
voltage, the reading on the device's own display. One decoding may only be suggested where it is the only one that fits
on each of several reads; where two fit, a person decides. The high word of a float alone brings it into a range: with
the word before it that is CDAB, with the word after it ABCD. So what lies beside the registers asked is looked at too.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.record import Register
from drivers.registers import ORDERS, WORDS, decode

KINDS: Final = ("u16", "i16", "f32", "u32", "i32", "f64", "u64", "i64")  # the likely ones first
RARE: Final = ("f16", "bcd16", "bcd32")  # shown, but too easily plausible by chance to be searched
SCALES: Final = (1.0, 0.1, 0.01, 0.001)  # of whole numbers, as devices use them
MAGNITUDES: Final[Mapping[str, tuple[tuple[float, float], ...]]] = {  # unit -> what a healthy plant shows
    "Hz": ((45.0, 55.0),),
    "V": ((180.0, 260.0), (340.0, 460.0)),
}
BESIDE: Final = max(WORDS[kind] for kind in KINDS) - 1  # registers by which a value can reach into a range
Ranges = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the registers at one wire address."""

    address: int
    kind: str
    order: str
    value: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decoding whose value was in a range on every read; `values` are scaled, one per read."""

    address: int
    kind: str
    order: str
    scale: float
    values: tuple[float, ...]
    same: tuple[str, ...] = ()  # other decodings that gave the very same values

    @property
    def words(self) -> range:
        """The wire addresses that it covers."""
        return range(self.address, self.address + WORDS[self.kind])

    @property
    def is_clear(self) -> bool:
        """Whether the decodings with the same values differ in sign only, not in length or order."""
        own = (WORDS[self.kind], self.order)
        return all((WORDS[kind], order) == own for kind, order in (other.split() for other in self.same))

    @property
    def weakness(self) -> int:
        """How easily it fits by chance: as it stands (0), one register with a scale (1), several with a scale (2)."""
        return 0 if self.scale == 1 else min(WORDS[self.kind], 2)

    def overlaps(self, other: "Candidate | range") -> bool:
        """Whether they share a register."""
        words = other if isinstance(other, range) else other.words
        return self.words.start < words.stop and words.start < self.words.stop


def readings(words: Mapping[int, int]) -> Iterator[Reading]:
    """Each number that these registers (wire address -> 0 to 65535) could be; what is no number is left out."""
    for address in sorted(words):
        for kind in (*KINDS, *RARE):
            length = WORDS[kind]
            found = [words.get(address + n) for n in range(length)]
            whole = [word for word in found if word is not None]
            if len(whole) < length:
                continue
            for order in ORDERS if length > 1 else ("ABCD",):
                value, _, _ = decode(whole, Register(1, "holding", address, kind, order))
                if isinstance(value, int | float):
                    yield Reading(address, kind, order, value)


def candidates(reads: Sequence[Mapping[int, int]], ranges: Ranges) -> list[Candidate]:
    """The decodings that lie within one of the ranges on every read, those with the very same values as one.

    Whole numbers are tried with each of SCALES, floats as they are.
    """
    series: dict[tuple[int, str, str], list[float]] = {}
    for words in reads:
        for one in (one for one in readings(words) if one.kind in KINDS):
            series.setdefault((one.address, one.kind, one.order), []).append(one.value)
    found: dict[tuple[int, tuple[float, ...]], Candidate] = {}
    for (address, kind, order), raw in series.items():
        if len(raw) < len(reads):
            continue
        for scale in (1.0,) if kind.startswith("f") else SCALES:
            values = tuple(value * scale for value in raw)
            if not any(all(low <= value <= high for value in values) for low, high in ranges):
                continue
            known = found.get((address, values))
            if known is None:
                found[address, values] = Candidate(address, kind, order, scale, values)
            else:
                same = (*known.same, f"{kind} {order}")
                found[address, values] = Candidate(address, known.kind, known.order, known.scale, values, same)
    return sorted(found.values(), key=lambda one: one.address)


def suggested(found: Sequence[Candidate], asked: range) -> list[Candidate]:
    """Those within the registers asked (wire addresses) that nothing contradicts: neither a rival nor a stronger fit.

    Where anything fits as it stands, nothing that needs a scale is suggested, nor a pair where one register does.
    """
    near = [one for one in found if one.overlaps(asked)]
    strongest = min((one.weakness for one in near), default=0)
    return [
        one
        for one in near
        if one.weakness == strongest
        and one.is_clear
        and asked.start <= one.words.start
        and one.words.stop <= asked.stop
        and not rivals(one, found)
    ]


def rivals(one: Candidate, found: Sequence[Candidate]) -> list[Candidate]:
    """Other decodings of some of its registers that fit too.

    A whole number that fits only with a scale is no rival of what fits as it stands.
    """
    return [
        other for other in found if other is not one and one.overlaps(other) and not (one.scale == 1 != other.scale)
    ]


def most_frequent(found: Sequence[Candidate]) -> tuple[str, int] | None:
    """The decoding ("f32 CDAB") that fits at the most addresses, and at how many; None if two fit as often."""
    counts = Counter(f"{one.kind} {one.order}" for one in found).most_common(2)
    return counts[0] if counts and (len(counts) == 1 or counts[0][1] > counts[1][1]) else None


def is_likely(reading: Reading) -> bool:
    """Whether a table for people should show it: nothing rare, no shadow of another type, nothing astronomic.

    Whole numbers of 64 bits begin where those of 32 bits end, signed ones where they are negative.
    """
    size = math.fabs(reading.value)
    if reading.kind in RARE:
        return False
    if reading.kind.startswith("f"):
        return 1e-3 <= size < 1e7
    if reading.kind.startswith("i"):
        return -(2**24) < reading.value < -1  # -1 is all ones: mostly "not available"
    return 0 < size < 2**24 if WORDS[reading.kind] < 4 else 2**32 <= size < 2**48
