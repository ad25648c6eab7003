"""What registers could mean: every type and byte order, and which of them a known magnitude leaves. Pure.

A manual that is missing or wrong about word order is found out by something whose size is known: mains frequency, a
voltage, the reading on the device's own display. One decoding may only be suggested where it is the only one that fits
on each of several reads; where two fit, a person decides.
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


def suggested(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other candidate contradicts: the only one for each of the registers that it covers.

    A whole number that fits only with a scale contradicts nothing that fits as it stands.
    """
    plain = {address for one in found if one.scale == 1 for address in one.words}
    claims = [one for one in found if one.scale == 1 or not plain & set(one.words)]
    taken = Counter(address for one in claims for address in one.words)
    return [one for one in claims if all(taken[address] == 1 for address in one.words)]


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
