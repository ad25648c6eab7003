"""The hot frame: all samples of one commit as plain columns that `struct` can read, without any library.

Written by the daemon each tick (monitor.historian.arrays), read by the screen, the worker and anyone with ten lines of
any language. Uncompressed, because one tag out of an hour of frames must be found in milliseconds. Layout, little
endian:

    magic "HWF1" | n u32 | texts u32
    tag n*i32 | receive_us n*i64 | source_us n*i64 | value n*f64 | reasons n*u32 | quality n*u8
    JSON

The JSON (length `texts`, may be 0) is {"exact": {row: text}, "detail": {row: text}} for the few rows that have them.
The CRC-32 of the whole blob stands beside it in the file: a flipped bit is found, not believed.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"HWF1"
HEAD = struct.Struct("<4sII")
_COLUMNS = "iqqdIB"


class FrameError(ValueError):
    """A blob is not a frame, or its CRC does not agree."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The columns of one frame, each a tuple of length n; texts by row."""

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


def unpack(blob: bytes, crc: int | None = None) -> Frame:
    """The columns of a blob. Raises FrameError if it is not a frame or the CRC (when given) does not agree."""
    if crc is not None and crc32(blob) != crc:
        raise FrameError("the frame's checksum does not agree: the file was damaged or changed")
    try:
        magic, rows, texts = HEAD.unpack_from(blob)
        if magic != MAGIC:
            raise FrameError(f"not a frame: it starts with {magic!r}")
        at = HEAD.size
        columns = []
        for letter in _COLUMNS:
            form = struct.Struct(f"<{rows}{letter}")
            columns.append(form.unpack_from(blob, at))
            at += form.size
        if len(blob) != at + texts:
            raise FrameError(f"a frame of {rows} rows has {at + texts} bytes, not {len(blob)}")
        words = json.loads(blob[at:]) if texts else {"exact": {}, "detail": {}}
        exact = {int(row): str(text) for row, text in words["exact"].items()}
        detail = {int(row): str(text) for row, text in words["detail"].items()}
    except (struct.error, ValueError, KeyError, AttributeError, TypeError) as fault:
        raise (fault if isinstance(fault, FrameError) else FrameError(f"not a frame: {fault}")) from fault
    tag, receive_us, source_us, value, reasons, quality = columns
    return Frame(tag, receive_us, source_us, value, reasons, quality, exact, detail)


def column_starts(blob: bytes, crc: int | None = None) -> tuple[int, tuple[int, ...]]:
    """(rows, byte at which each of the six columns starts, then the JSON): for who wants single columns without a copy.

    Raises FrameError if the blob is not a frame or the CRC (when given) does not agree.
    """
    if crc is not None and crc32(blob) != crc:
        raise FrameError("the frame's checksum does not agree: the file was damaged or changed")
    if len(blob) < HEAD.size or not blob.startswith(MAGIC):
        raise FrameError("not a frame")
    _, rows, texts = HEAD.unpack_from(blob)
    starts = [HEAD.size]
    for letter in _COLUMNS:
        starts.append(starts[-1] + rows * struct.calcsize(f"<{letter}"))
    if len(blob) != starts[-1] + texts:
        raise FrameError(f"a frame of {rows} rows has {starts[-1] + texts} bytes, not {len(blob)}")
    return rows, tuple(starts)


def rows_of(blob: bytes, tag: int, crc: int | None = None) -> list[tuple[int, int, float, int, str | None, str]]:
    """(receive_us, source_us, value, reasons, exact, detail) of each row of one tag, without unpacking the others.

    One tag out of an hour of frames is what a trend on the screen asks for. Raises FrameError as `unpack` does.
    """
    _, starts = column_starts(blob, crc)
    needle, found = struct.pack("<i", tag), []
    at = blob.find(needle, starts[0], starts[1])
    while at >= 0:
        row, between = divmod(at - starts[0], 4)
        if not between:
            found.append(row)
        at = blob.find(needle, at + 1, starts[1])
    if not found:
        return []
    texts = json.loads(blob[starts[6] :]) if len(blob) > starts[6] else {"exact": {}, "detail": {}}
    out = []
    for row in found:
        (receive_us,) = struct.unpack_from("<q", blob, starts[1] + 8 * row)
        (source_us,) = struct.unpack_from("<q", blob, starts[2] + 8 * row)
        (value,) = struct.unpack_from("<d", blob, starts[3] + 8 * row)
        (reasons,) = struct.unpack_from("<I", blob, starts[4] + 4 * row)
        out.append(
            (receive_us, source_us, value, reasons, texts["exact"].get(str(row)), texts["detail"].get(str(row), ""))
        )
    return out
