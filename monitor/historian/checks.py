"""How a row of the hot file proves that no bit of it was flipped; SQLite itself notices next to none. Standard library.

A row of a small table carries the CRC-32 of its other cells as JSON. A rollup is one cell of 64 bytes that ends in its
sum: each of its 8-byte words times an odd number of its own, and those of its key, modulo 2**64, which numpy reckons
for thousands at once (monitor.historian.rollup). A single flipped bit always changes the sum.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

CELL = struct.Struct("<4I4dqQ")  # n, good, numbers, 0, min, mean, max, last, last_us, sum
_WORDS = struct.Struct("<7Q")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_MASK = (1 << 64) - 1
FACTORS = tuple(0x9E3779B97F4A7C15 * (2 * at + 1) & _MASK for at in range(10))  # of 7 words, then span, time and tag


def row_check(values: Iterable[Any]) -> int:
    """The check of a row of a small table."""
    return crc32(_encode(list(values)).encode())


def is_whole(row: Sequence[Any]) -> bool:
    """Whether a row, its check last, is as it was written."""
    return bool(row[-1] == row_check(row[:-1]))


def cell_is_whole(span_s: int, t_s: int, tag: int, cell: object) -> bool:
    """Whether the cell of this rollup is as it was written."""
    if not isinstance(cell, bytes) or len(cell) != CELL.size:
        return False
    words = (*_WORDS.unpack_from(cell), span_s, t_s, tag)
    told = int.from_bytes(cell[-8:], "little")
    made: int = sum(word * factor for word, factor in zip(words, FACTORS, strict=True))
    return made & _MASK == told
