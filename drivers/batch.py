"""Batch: one poll of one source as parallel arrays, so that thousands of samples cost one object, not thousands.

A Sample is its row. Text and integers beyond 2**53 do not fit a float64; they travel beside it in `exact`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from drivers.record import Reason, Sample, quality_of

NO_TIME = -1
EXACT_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Batch:
    """One poll of one source. All arrays have the shape (n_samples,)."""

    source: str
    receive_us: int  # UTC of the answer, of several the last [us]
    tag: np.ndarray  # i32
    source_us: np.ndarray  # i64, UTC [us]; -1 where the device gives no time
    value: np.ndarray  # f64; NaN only if nothing could be decoded
    quality: np.ndarray  # u8
    reasons: np.ndarray  # u32 bit set
    exact: Mapping[int, str] = field(default_factory=dict)  # row -> text, or an integer beyond 2**53
    detail: Mapping[int, str] = field(default_factory=dict)  # row -> words that explain a reason
    began_us: int | None = None  # UTC before the first question of a poll of several [us]: no row is older

    def __len__(self) -> int:
        return len(self.tag)

    def row(self, index: int) -> Sample:
        """Row `index` as a Sample."""
        number = float(self.value[index])
        value: float | str | None = number
        if index in self.exact:
            value = self.exact[index]
        elif math.isnan(number) and Reason(int(self.reasons[index])):
            value = None
        source_us = int(self.source_us[index])
        return Sample(
            tag=int(self.tag[index]),
            receive_us=self.receive_us,
            value=value,
            reasons=Reason(int(self.reasons[index])),
            source_us=None if source_us == NO_TIME else source_us,
            detail=self.detail.get(index, ""),
        )

    def rows(self) -> Iterator[Sample]:
        """All rows in order."""
        return (self.row(index) for index in range(len(self)))

    def with_reasons(self, extra: np.ndarray, detail: Mapping[int, str] | None = None) -> "Batch":
        """A copy with more reasons (u32, shape (n_samples,)); quality follows, values stay as they came."""
        reasons = self.reasons | extra.astype(np.uint32)
        merged = dict(self.detail)
        for row, words in (detail or {}).items():
            merged[row] = f"{merged[row]}; {words}" if merged.get(row) else words
        return Batch(
            self.source, self.receive_us, self.tag, self.source_us, self.value,
            quality_array(reasons), reasons, self.exact, merged, self.began_us,
        )  # fmt: skip


def quality_array(reasons: np.ndarray) -> np.ndarray:
    """Quality (u8) of each reason set (u32): the array form of `quality_of`."""
    return np.where(reasons & 0xFF, 2, np.where(reasons & 0x7FF00, 1, 0)).astype(np.uint8)


def batch_of(source: str, receive_us: int, samples: Iterable[Sample]) -> Batch:
    """Build a Batch from samples that arrived together. `receive_us` of the samples is not looked at."""
    rows = list(samples)
    exact: dict[int, str] = {}
    values = np.full(len(rows), np.nan)
    for index, sample in enumerate(rows):
        place(sample.value, index, values, exact)
    return Batch(
        source=source,
        receive_us=receive_us,
        tag=np.array([s.tag for s in rows], np.int32),
        source_us=np.array([NO_TIME if s.source_us is None else s.source_us for s in rows], np.int64),
        value=values,
        quality=np.array([quality_of(s.reasons) for s in rows], np.uint8),
        reasons=np.array([s.reasons for s in rows], np.uint32),
        exact=exact,
        detail={index: s.detail for index, s in enumerate(rows) if s.detail},
    )


def place(value: float | int | str | None, row: int, values: np.ndarray, exact: dict[int, str]) -> None:
    """Put a value into its row of `values` (f64), and beside it, into `exact`, what a float64 does not hold."""
    if isinstance(value, str):
        values[row], exact[row] = math.nan, value
        return
    values[row] = math.nan if value is None else value
    if isinstance(value, int) and abs(value) > EXACT_LIMIT:
        exact[row] = str(value)
