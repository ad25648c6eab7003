"""The hot frame: all samples of one commit as columns that `struct` can read, without any library.

Written by the daemon each tick (monitor.historian.arrays), read by the screen, the worker and anyone with twenty lines
of any language. Uncompressed, because one tag out of an hour of frames must be found in milliseconds; but what repeats
is written once, because each byte goes to the disk twice. Layout, little endian:

    magic "HWF2" | rows u32 | texts u32 | n i64 | t_ms i64
    tag i32 | receive_us i64 | source_us i64 | value f64 | reasons u32 | quality u8, each of them as
        runs u32 = 0 | a number for each row                 or
        runs u32 > 0 | runs * end u32 | runs * number        the same number up to row `end`, not included
        runs u32 = 2**32 - 1 | i32 for each row              source_us only: from receive_us on; -2**31 says -1
    JSON

In the runs of the column tag the number goes up by one from row to row. n and t_ms are the frame's number and time of
commit [ms], as beside it in the file. The JSON (length `texts`, may be 0) is {"exact": {row: text}, "detail":
{row: text}} for the few rows that have them. The CRC-32 of the whole blob stands beside it in the file: a flipped bit
is found, not believed.
"""

import json
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

MAGIC = b"HWF2"
HEAD = struct.Struct("<4sIIqq")
COUNT = struct.Struct("<I")
COLUMNS = "iqqdIB"
NEAR, NONE_NEAR = 0xFFFF_FFFF, -(1 << 31)
NO_TIME = -1
ROWS_LIMIT = 1 << 24  # no tick of a plant has so many: a damaged count must not fill the memory


class FrameError(ValueError):
    """A blob is not a frame, or its CRC does not agree."""


class Place(NamedTuple):
    """Where a column lies in a blob: its runs (0: a number for each row) and the byte at which their ends begin."""

    runs: int
    start: int


class Layout(NamedTuple):
    """Where everything lies in a blob."""

    rows: int
    n: int
    t_ms: int
    columns: tuple[Place, ...]
    texts_at: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The columns of one frame, each of length n; texts by row."""

    tag: Sequence[int]
    receive_us: Sequence[int]
    source_us: Sequence[int]  # -1 where the device gave no time
    value: Sequence[float]
    reasons: Sequence[int]
    quality: Sequence[int]
    exact: Mapping[int, str]
    detail: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.tag)

    def rows(self) -> Iterator[tuple[int, int, int, float, int, int]]:
        """(tag, receive_us, source_us, value, reasons, quality) of each row."""
        return zip(
            self.tag,
            self.receive_us,
            self.source_us,
            self.value,
            self.reasons,
            self.quality,
            strict=True,
        )


def layout(blob: bytes, crc: int | None = None) -> Layout:
    """Where everything lies. Raises FrameError if it is not a frame or the CRC (when given) does not agree."""
    if not isinstance(blob, bytes) or (crc is not None and crc32(blob) != crc):
        raise FrameError("the frame's checksum does not agree: the file was damaged or changed")
    try:
        magic, rows, texts, n, t_ms = HEAD.unpack_from(blob)
        if magic != MAGIC or rows > ROWS_LIMIT:
            raise FrameError(f"not a frame: it starts with {blob[:8]!r}")
        at, places = HEAD.size, list[Place]()
        for letter in COLUMNS:
            (runs,) = COUNT.unpack_from(blob, at)
            if runs == NEAR and len(places) != 2:
                raise FrameError("not a frame: only the source's time stands near another")
            places.append(Place(runs, at + COUNT.size))
            width = struct.calcsize(letter)
            at += COUNT.size + (rows * 4 if runs == NEAR else runs * (4 + width) if runs else rows * width)
    except struct.error as fault:
        raise FrameError(f"not a frame: {fault}") from fault
    if len(blob) != at + texts:
        raise FrameError(f"a frame of {rows} rows has {at + texts} bytes, not {len(blob)}")
    return Layout(rows, n, t_ms, tuple(places), at)


def proven(blob: bytes, crc: int, n: int, t_ms: int) -> Layout:
    """As `layout`; also number and time beside the blob must be those within it."""
    found = layout(blob, crc)
    if (found.n, found.t_ms) != (n, t_ms):
        raise FrameError(f"frame {n} says that it is frame {found.n} of {found.t_ms} ms")
    return found


def texts_of(blob: bytes, found: Layout) -> tuple[dict[int, str], dict[int, str]]:
    """(exact, detail) by row."""
    if len(blob) == found.texts_at:
        return {}, {}
    try:
        words = json.loads(blob[found.texts_at :])
        exact, detail = ({int(row): str(text) for row, text in words[name].items()} for name in ("exact", "detail"))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as fault:
        raise FrameError(f"not a frame: {fault}") from fault
    return exact, detail


def unpack(blob: bytes, crc: int | None = None) -> Frame:
    """The columns of a blob. Raises FrameError if it is not a frame or the CRC (when given) does not agree."""
    found = layout(blob, crc)
    columns: list[Sequence[Any]] = []
    for letter, place in zip(COLUMNS, found.columns, strict=True):
        if place.runs in (0, NEAR):
            near = place.runs == NEAR
            column = struct.unpack_from(f"<{found.rows}{'i' if near else letter}", blob, place.start)
            columns.append([_far(one, at) for one, at in zip(column, columns[1], strict=True)] if near else column)
            continue
        ends, numbers = _runs(blob, letter, place, found.rows)
        lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        step = int(letter == "i")
        columns.append(
            [number + row * step for number, length in zip(numbers, lengths, strict=True) for row in range(length)]
        )
    tag, receive_us, source_us, value, reasons, quality = columns
    return Frame(tag, receive_us, source_us, value, reasons, quality, *texts_of(blob, found))


def rows_of(
    blob: bytes, tag: int, crc: int | None = None, found: Layout | None = None
) -> list[tuple[int, int, float, int, str | None, str]]:
    """(receive_us, source_us, value, reasons, exact, detail) of each row of one tag, without unpacking the others.

    One tag out of an hour of frames is what a trend on the screen asks for. `found` is its layout, where that is known.
    Raises FrameError as `unpack` does.
    """
    found = found or layout(blob, crc)
    rows = _rows_with(blob, found, tag)
    if not rows:
        return []
    exact, detail = texts_of(blob, found)
    picked = [
        [
            _number(blob, letter, place, found.rows, row)
            for letter, place in zip("qqdI", found.columns[1:5], strict=True)
        ]
        for row in rows
    ]
    near = found.columns[2].runs == NEAR
    return [
        (
            receive_us,
            _far(source_us, receive_us) if near else source_us,
            value,
            reasons,
            exact.get(row),
            detail.get(row, ""),
        )
        for row, (receive_us, source_us, value, reasons) in zip(rows, picked, strict=True)
    ]


def _far(offset_us: int, receive_us: int) -> int:
    return NO_TIME if offset_us == NONE_NEAR else receive_us + offset_us


def _rows_with(blob: bytes, found: Layout, tag: int) -> list[int]:
    place, rows = found.columns[0], []
    if place.runs:
        ends, firsts = _runs(blob, "i", place, found.rows)
        for start, end, first in zip((0, *ends), ends, firsts, strict=False):
            if first <= tag < first + end - start:
                rows.append(start + tag - first)
        return rows
    needle, stop = struct.pack("<i", tag), place.start + 4 * found.rows
    at = blob.find(needle, place.start, stop)
    while at >= 0:
        row, between = divmod(at - place.start, 4)
        if not between:
            rows.append(row)
        at = blob.find(needle, at + 1, stop)
    return rows


def _number(blob: bytes, letter: str, place: Place, rows: int, row: int) -> Any:
    if place.runs == NEAR:
        return struct.unpack_from("<i", blob, place.start + row * 4)[0]
    if not place.runs:
        return struct.unpack_from(f"<{letter}", blob, place.start + row * struct.calcsize(letter))[0]
    ends, numbers = _runs(blob, letter, place, rows)
    return numbers[bisect_right(ends, row)]


def _runs(blob: bytes, letter: str, place: Place, rows: int) -> tuple[Sequence[int], Sequence[Any]]:
    """(ends, numbers) of a column's runs."""
    ends = struct.unpack_from(f"<{place.runs}I", blob, place.start)
    if ends[-1] != rows or any(end <= start for start, end in zip((0, *ends), ends, strict=False)):
        raise FrameError("not a frame: its runs do not follow one another")
    return ends, struct.unpack_from(f"<{place.runs}{letter}", blob, place.start + 4 * place.runs)
