"""A hot frame as numpy columns: to write it, for rollups, for folding into Parquet. The screen, without numpy, uses
frame.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from drivers.batch import Batch
from monitor.historian.frame import COUNT, HEAD, MAGIC, NEAR, NO_TIME, NONE_NEAR, FrameError, Place, layout, texts_of

TYPES = ("<i4", "<i8", "<i8", "<f8", "<u4", "u1")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a frame, each of shape (n_rows,)."""

    tag: np.ndarray  # i32
    receive_us: np.ndarray  # i64, UTC [us]
    source_us: np.ndarray  # i64, UTC [us]; -1 where the device gave no time
    value: np.ndarray  # f64
    reasons: np.ndarray  # u32
    quality: np.ndarray  # u8
    exact: Mapping[int, str]
    detail: Mapping[int, str]


def joined(batches: Sequence[Batch]) -> Columns:
    """These batches, at least one, one after the other."""
    rows = [len(batch) for batch in batches]
    exact: dict[int, str] = {}
    detail: dict[int, str] = {}
    start = 0
    for batch, count in zip(batches, rows, strict=True):
        if batch.exact:
            exact.update((start + row, words) for row, words in batch.exact.items())
        if batch.detail:
            detail.update((start + row, words) for row, words in batch.detail.items())
        start += count
    return Columns(
        np.concatenate([batch.tag for batch in batches]),
        np.repeat(np.array([batch.receive_us for batch in batches], np.int64), rows),
        np.concatenate([batch.source_us for batch in batches]),
        np.concatenate([batch.value for batch in batches]),
        np.concatenate([batch.reasons for batch in batches]),
        np.concatenate([batch.quality for batch in batches]),
        exact,
        detail,
    )


def pack(frame: Columns, n: int = 0, t_ms: int = 0) -> tuple[bytes, int]:
    """The blob that holds these columns as frame `n` committed at `t_ms` (UTC [ms]), and its CRC-32."""
    texts = b""
    if frame.exact or frame.detail:
        told = {"exact": frame.exact, "detail": frame.detail}
        texts = json.dumps(told, ensure_ascii=False).encode()  # JSON makes strings of the row numbers
    arrays = (frame.tag, frame.receive_us, frame.source_us, frame.value, frame.reasons, frame.quality)
    near = (None, None, frame.receive_us, None, None, None)
    parts = [part for column in zip(arrays, TYPES, near, strict=True) for part in _packed(*column)]
    blob = b"".join([HEAD.pack(MAGIC, len(frame.tag), len(texts), n, t_ms), *parts, texts])
    return blob, crc32(blob)


def _packed(array: np.ndarray, kind: str, receive_us: np.ndarray | None) -> tuple[bytes, ...]:
    """A column as it lies in the blob: each number, or what says the same in fewer bytes."""
    column = np.ascontiguousarray(array, kind)
    bits = column.view(f"<u{column.itemsize}")  # a NaN is the same as the one before it where its bits are
    if kind == TYPES[0]:
        bits = bits - np.arange(len(bits), dtype=bits.dtype)
    starts = np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]])[: len(bits)])
    if not len(starts) or len(starts) * (4 + column.itemsize) >= column.nbytes:
        if receive_us is not None:
            none = column == NO_TIME
            near = np.where(none, NONE_NEAR, column - receive_us)
            if ((near > NONE_NEAR) & (near < -NONE_NEAR) | none).all():
                return COUNT.pack(NEAR), near.astype("<i4").tobytes()
        return COUNT.pack(0), column.tobytes()
    ends = np.append(starts[1:], len(column)).astype("<u4")
    return COUNT.pack(len(starts)), ends.tobytes(), column[starts].tobytes()


def columns(blob: bytes, crc: int | None = None) -> Columns:
    """The columns of a blob, read-only.

    Raises FrameError if it is not a frame or the CRC (when given) does not agree.
    """
    found = layout(blob, crc)
    views = [_unpacked(blob, kind, place, found.rows) for kind, place in zip(TYPES, found.columns, strict=True)]
    if found.columns[2].runs == NEAR:
        views[2] = np.where(views[2] == NONE_NEAR, NO_TIME, views[1] + views[2])
    return Columns(views[0], views[1], views[2], views[3], views[4], views[5], *texts_of(blob, found))


def _unpacked(blob: bytes, kind: str, place: Place, rows: int) -> np.ndarray:
    if place.runs == NEAR:
        return np.frombuffer(blob, "<i4", rows, place.start)
    if not place.runs:
        return np.frombuffer(blob, kind, rows, place.start)
    ends = np.frombuffer(blob, "<u4", place.runs, place.start).astype(np.int64)
    numbers = np.frombuffer(blob, kind, place.runs, place.start + 4 * place.runs)
    lengths = np.diff(ends, prepend=0)
    if ends[-1] != rows or (lengths <= 0).any():
        raise FrameError("not a frame: its runs do not follow one another")
    if kind == TYPES[0]:
        numbers = numbers - (ends - lengths).astype(np.int32)
        column = np.repeat(numbers, lengths) + np.arange(rows, dtype=np.int32)
    else:
        column = np.repeat(numbers, lengths)
    column.flags.writeable = False
    return column


def text_column(texts: Mapping[int, str], rows: int) -> np.ndarray:
    """Texts by row as a column (object), None where there is none."""
    column = np.full(rows, None, object)
    for row, text in texts.items():
        column[row] = text
    return column
