"""Rollups: what the samples of a minute and of an hour come to, tag by tag, as columns over all tag numbers.

min, mean, max and last come from good samples that are numbers; n counts all, good the good ones. Only what we read
ourselves counts: a reading that a person took, or a past that was brought in, lies beside it in history. Samples may
come late and in any order: what is added up here is joined with what the file holds already.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from drivers.record import FROM_ELSEWHERE
from monitor.historian.arrays import Columns
from monitor.historian.checks import CELL, FACTORS
from monitor.pace import unhurried

MINUTE_S, HOUR_S = 60, 3_600
KEEP_S = {MINUTE_S: 48 * HOUR_S, HOUR_S: 400 * 86_400}  # how long a rollup stays, by its span
CELLS: Final = np.dtype(
    [
        *((name, "<u4") for name in ("n", "good", "numbers", "zero")),
        *((name, "<f8") for name in ("min", "mean", "max", "last")),
        ("last_us", "<i8"),
        ("sum", "<u8"),
    ]
)
_ROWS_AT_ONCE: Final = 1_000
_NEVER: Final = np.iinfo(np.int64).min

Row = tuple[Any, ...]


class Bucket:
    """One span of time that begins at `t_s`: columns by tag number."""

    def __init__(self, size: int) -> None:
        self.n, self.good, self.numbers = (np.zeros(size, np.int64) for _ in range(3))
        self.total, self.last = np.zeros(size), np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.last_us = np.full(size, _NEVER)

    def add(self, tag: np.ndarray, time_us: np.ndarray, value: np.ndarray, good: np.ndarray) -> None:
        """Take in samples, in any order; a tag may come more than once."""
        size = len(self.n)
        self.n += np.bincount(tag, minlength=size)
        self.good += np.bincount(tag[good], minlength=size)
        number = good & np.isfinite(value)
        tag, time_us, value = tag[number], time_us[number], value[number]
        self.numbers += np.bincount(tag, minlength=size)
        self.total += np.bincount(tag, value, minlength=size)
        np.minimum.at(self.low, tag, value)
        np.maximum.at(self.high, tag, value)
        if (time_us[1:] < time_us[:-1]).any():
            order = np.argsort(time_us, kind="stable")
            tag, time_us, value = tag[order], time_us[order], value[order]
        newer = time_us >= self.last_us[tag]
        tag = tag[newer]
        self.last_us[tag], self.last[tag] = time_us[newer], value[newer]  # of several the last one stays

    def join(self, tag: np.ndarray, kept: np.ndarray) -> None:
        """Take in what the file holds of these tags (CELLS), each once: it is older than what was added."""
        with_number = kept["numbers"] > 0
        self.n[tag] += kept["n"]
        self.good[tag] += kept["good"]
        tag, kept = tag[with_number], kept[with_number]
        self.numbers[tag] += kept["numbers"]
        self.total[tag] += kept["mean"] * kept["numbers"]
        self.low[tag] = np.minimum(self.low[tag], kept["min"])
        self.high[tag] = np.maximum(self.high[tag], kept["max"])
        later = kept["last_us"] > self.last_us[tag]
        self.last_us[tag[later]], self.last[tag[later]] = kept["last_us"][later], kept["last"][later]

    def cells(self, span_s: int, t_s: int, tags: np.ndarray) -> np.ndarray:
        """These tags' rollups (CELLS); figures are NaN where no good sample was a number."""
        made = np.zeros(len(tags), CELLS)
        made["n"], made["good"], made["numbers"] = self.n[tags], self.good[tags], self.numbers[tags]
        none = self.numbers[tags] == 0
        mean = self.total[tags] / np.maximum(self.numbers[tags], 1)
        for name, column in (
            ("min", self.low[tags]),
            ("mean", mean),
            ("max", self.high[tags]),
            ("last", self.last[tags]),
        ):
            made[name] = np.where(none, np.nan, column)
        made["last_us"] = np.where(none, -1, self.last_us[tags])
        made["sum"] = sums(span_s, np.full(len(tags), t_s), tags, made)
        return made


def sums(span_s: int, t_s: np.ndarray, tags: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The sum (u64) that each cell should end in; arrays of shape (n,)."""
    words = np.ascontiguousarray(cells).view("<u8").reshape(len(cells), CELL.size // 8)
    total = np.full(len(cells), np.uint64(span_s * FACTORS[7] & (1 << 64) - 1))
    total += t_s.astype(np.uint64) * np.uint64(FACTORS[8]) + tags.astype(np.uint64) * np.uint64(FACTORS[9])
    for at, factor in enumerate(FACTORS[:7]):
        total += words[:, at] * np.uint64(factor)
    return total


def read_cells(span_s: int, rows: Sequence[tuple[int, int, bytes]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(t_s, tag, cells, damaged) of rows (t_s, tag, cell) of one span; what is damaged is counted and left out."""
    t_s, tag, cells, right = _proven(span_s, rows)
    if not right.all():  # one row of another length or kind puts all behind it out of place: each by itself then
        fit = [row for row in rows if [*map(type, row)] == [int, int, bytes] and len(row[2]) == CELL.size]
        t_s, tag, cells, right = _proven(span_s, fit)
        t_s, tag, cells = t_s[right], tag[right], cells[right]
    return t_s, tag, cells, len(rows) - len(cells)


def _proven(span_s: int, rows: Sequence[tuple[int, int, bytes]]) -> tuple[np.ndarray, ...]:
    """(t_s, tag, cells, whether each is whole)."""
    count = len(rows)
    try:
        t_s, tag = (np.fromiter((row[at] for row in rows), np.int64, count) for at in (0, 1))
        cells = np.frombuffer(b"".join([row[2] for row in rows]), CELLS, count)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0), np.empty(0), np.empty(0, CELLS), np.zeros(1, bool)
    return t_s, tag, cells, cells["sum"] == sums(span_s, t_s, tag, cells)


def added_up(parts: Iterable[Columns]) -> dict[tuple[int, int], Bucket]:
    """The buckets of these frames, by span and beginning [s]."""
    buckets: dict[tuple[int, int], Bucket] = {}
    for part in unhurried(parts):
        own = (part.reasons & np.uint32(FROM_ELSEWHERE)) == 0
        tag, receive_us, value = part.tag[own], part.receive_us[own], part.value[own]
        good = part.quality[own] == 0
        for span_s in KEEP_S:
            began_s = receive_us // (span_s * 1_000_000) * span_s
            for t_s in np.unique(began_s).tolist():
                within = began_s == t_s
                bucket = _with_room(buckets, (span_s, t_s), int(tag.max()) + 1)
                bucket.add(tag[within], receive_us[within], value[within], good[within])
    return buckets


def merge(db: sqlite3.Connection, span_s: int, t_s: int, bucket: Bucket) -> int:
    """Into the table, joined with what stands there; returns how many rollups there were found damaged.

    A damaged one stays as it is, told and believed by nobody: what would be put in its place would lack samples.
    """
    kept = list(
        unhurried(
            db.execute("SELECT t_s, tag, cell FROM rollup WHERE span_s = ? AND t_s = ?", (span_s, t_s)), _ROWS_AT_ONCE
        )
    )
    _, tag, cells, damaged = read_cells(span_s, kept)
    fresh = bucket.n > 0
    if damaged:
        gone = np.array([row[1] for row in kept if row[1] < len(fresh)], np.int64)
        fresh[np.setdiff1d(gone, tag)] = False
    mine = tag < len(fresh)
    mine[mine] = fresh[tag[mine]]
    bucket.join(tag[mine], cells[mine])
    tags = np.flatnonzero(fresh)
    for start in unhurried(range(0, len(tags), _ROWS_AT_ONCE)):
        some = tags[start : start + _ROWS_AT_ONCE]
        made = bucket.cells(span_s, t_s, some)
        # many rows to the statement: each one row would hand the interpreter over and wait for it
        told = [
            one for tag, cell in zip(some.tolist(), made, strict=True) for one in (span_s, t_s, tag, cell.tobytes())
        ]
        db.execute(f"INSERT OR REPLACE INTO rollup VALUES {', '.join(['(?, ?, ?, ?)'] * len(some))}", told)
    return damaged


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
