"""Rollups: what the samples of a minute and of an hour come to, tag by tag, as columns over all tag numbers.

min, mean, max and last come from good samples that are numbers; n counts all, good the good ones. Samples may come late
and in any order: what is added up here is merged in the file with what is there already.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from monitor.historian.arrays import Columns
from monitor.pace import unhurried

MINUTE_S, HOUR_S = 60, 3_600
KEEP_S = {MINUTE_S: 48 * HOUR_S, HOUR_S: 400 * 86_400}  # how long a rollup stays, by its span
_ROWS_AT_ONCE: Final = 1_000
_COLUMNS: Final = 10
_NEVER: Final = np.iinfo(np.int64).min

Row = tuple[Any, ...]

# late samples merge into a bucket that is already there; the mean is weighted by good samples
_MERGE: Final = """
INSERT INTO rollup VALUES {rows}
ON CONFLICT (span_s, t_s, tag) DO UPDATE SET
    mean = CASE WHEN excluded.mean IS NULL THEN mean WHEN mean IS NULL THEN excluded.mean
           ELSE (mean * good + excluded.mean * excluded.good) / (good + excluded.good) END,
    min = min(coalesce(min, excluded.min), coalesce(excluded.min, min)),
    max = max(coalesce(max, excluded.max), coalesce(excluded.max, max)),
    last = CASE WHEN coalesce(excluded.last_us, -1) >= coalesce(last_us, -1) THEN excluded.last ELSE last END,
    last_us = max(coalesce(last_us, excluded.last_us), coalesce(excluded.last_us, last_us)),
    n = n + excluded.n, good = good + excluded.good
"""


class Bucket:
    """One span of time that begins at `t_s`: columns by tag number."""

    def __init__(self, size: int) -> None:
        self.n, self.good, self.numbers = (np.zeros(size, np.int32) for _ in range(3))
        self.total, self.last = np.zeros(size), np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.last_us = np.full(size, _NEVER)

    def add(self, tag: np.ndarray, time_us: np.ndarray, value: np.ndarray, good: np.ndarray) -> None:
        """Take in samples, in any order; a tag may come more than once."""
        size = len(self.n)
        self.n += np.bincount(tag, minlength=size).astype(np.int32)
        self.good += np.bincount(tag[good], minlength=size).astype(np.int32)
        number = good & np.isfinite(value)
        tag, time_us, value = tag[number], time_us[number], value[number]
        self.numbers += np.bincount(tag, minlength=size).astype(np.int32)
        self.total += np.bincount(tag, value, minlength=size)
        np.minimum.at(self.low, tag, value)
        np.maximum.at(self.high, tag, value)
        if (time_us[1:] < time_us[:-1]).any():
            order = np.argsort(time_us, kind="stable")
            tag, time_us, value = tag[order], time_us[order], value[order]
        newer = time_us >= self.last_us[tag]
        tag = tag[newer]
        self.last_us[tag], self.last[tag] = time_us[newer], value[newer]  # of several the last one stays

    def rows(self, span_s: int, t_s: int) -> Iterator[Row]:
        """The rows of the table rollup."""
        known = np.flatnonzero(self.n)
        for start in range(0, len(known), _ROWS_AT_ONCE):
            tags = known[start : start + _ROWS_AT_ONCE]
            mean = self.total[tags] / np.maximum(self.numbers[tags], 1)
            columns = (self.n, self.good, self.numbers, self.low, self.high, self.last, self.last_us)
            told = zip(tags.tolist(), mean.tolist(), *(column[tags].tolist() for column in columns), strict=True)
            for tag, middle, n, good, numbers, low, high, last, last_us in told:
                figures = (low, middle, high, last, last_us) if numbers else (None,) * 5
                yield (span_s, t_s, tag, n, good, *figures)


def added_up(parts: Iterable[Columns]) -> dict[tuple[int, int], Bucket]:
    """The buckets of these frames, by span and beginning [s]."""
    buckets: dict[tuple[int, int], Bucket] = {}
    for part in unhurried(parts):
        if not len(part.tag):
            continue
        good = part.quality == 0
        for span_s in KEEP_S:
            began_s = part.receive_us // (span_s * 1_000_000) * span_s
            for t_s in np.unique(began_s).tolist():
                within = began_s == t_s
                bucket = _with_room(buckets, (span_s, t_s), int(part.tag.max()) + 1)
                bucket.add(part.tag[within], part.receive_us[within], part.value[within], good[within])
    return buckets


def merge(db: sqlite3.Connection, rows: Iterator[Row]) -> None:
    """Into the table, many rows to the statement: each one row would hand the interpreter over and wait for it."""
    one = f"({', '.join('?' * _COLUMNS)})"
    for some in unhurried(iter(lambda: list(islice(rows, _ROWS_AT_ONCE)), [])):
        db.execute(_MERGE.format(rows=", ".join([one] * len(some))), [cell for row in some for cell in row])


def _with_room(buckets: dict[tuple[int, int], Bucket], key: tuple[int, int], size: int) -> Bucket:
    """The bucket of this key, large enough for `size` tag numbers."""
    bucket = buckets.get(key)
    if bucket is None or len(bucket.n) < size:
        grown = Bucket(size)
        if bucket is not None:
            for name, column in vars(bucket).items():
                vars(grown)[name][: len(column)] = column
        bucket = buckets[key] = grown
    return bucket
