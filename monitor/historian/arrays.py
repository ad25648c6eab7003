"""A hot frame as numpy columns: to write it, for rollups, for folding into Parquet. The screen, without numpy, uses
frame.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from drivers.batch import Batch
from monitor.historian.frame import HEAD, MAGIC, column_starts

_TYPES = ("<i4", "<i8", "<i8", "<f8", "<u4", "u1")


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


def pack(frame: Columns) -> tuple[bytes, int]:
    """The blob that holds these columns, and its CRC-32."""
    texts = b""
    if frame.exact or frame.detail:
        told = {"exact": frame.exact, "detail": frame.detail}
        texts = json.dumps(told, ensure_ascii=False).encode()  # JSON makes strings of the row numbers
    arrays = (frame.tag, frame.receive_us, frame.source_us, frame.value, frame.reasons, frame.quality)
    parts = [np.ascontiguousarray(array, kind).data for array, kind in zip(arrays, _TYPES, strict=True)]
    blob = b"".join([HEAD.pack(MAGIC, len(frame.tag), len(texts)), *parts, texts])
    return blob, crc32(blob)


def columns(blob: bytes, crc: int | None = None) -> Columns:
    """The columns of a blob, as read-only views of it.

    Raises FrameError if it is not a frame or the CRC (when given) does not agree.
    """
    rows, starts = column_starts(blob, crc)
    views = [np.frombuffer(blob, kind, rows, start) for kind, start in zip(_TYPES, starts, strict=False)]
    texts = json.loads(blob[starts[6] :]) if len(blob) > starts[6] else {"exact": {}, "detail": {}}
    exact = {int(row): str(text) for row, text in texts["exact"].items()}
    detail = {int(row): str(text) for row, text in texts["detail"].items()}
    return Columns(views[0], views[1], views[2], views[3], views[4], views[5], exact, detail)
