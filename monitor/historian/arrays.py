"""A hot frame as numpy columns, for rollups and for folding into Parquet. The screen, without numpy, uses frame.py."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.historian.frame import column_starts

_TYPES = ("<i4", "<i8", "<i8", "<f8", "<u4", "u1")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a frame as read-only views of its blob, each of shape (n_rows,)."""

    tag: np.ndarray  # i32
    receive_us: np.ndarray  # i64, UTC [us]
    source_us: np.ndarray  # i64, UTC [us]; -1 where the device gave no time
    value: np.ndarray  # f64
    reasons: np.ndarray  # u32
    quality: np.ndarray  # u8
    exact: Mapping[int, str]
    detail: Mapping[int, str]


def columns(blob: bytes, crc: int | None = None) -> Columns:
    """The columns of a blob. Raises FrameError if it is not a frame or the CRC (when given) does not agree."""
    rows, starts = column_starts(blob, crc)
    views = [np.frombuffer(blob, kind, rows, start) for kind, start in zip(_TYPES, starts, strict=False)]
    texts = json.loads(blob[starts[6] :]) if len(blob) > starts[6] else {"exact": {}, "detail": {}}
    exact = {int(row): str(text) for row, text in texts["exact"].items()}
    detail = {int(row): str(text) for row, text in texts["detail"].items()}
    return Columns(views[0], views[1], views[2], views[3], views[4], views[5], exact, detail)
