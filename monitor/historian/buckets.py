"""Rollups of any span: those that the hot file keeps, and for all others what the samples themselves come to.

A rollup of the hot file counts only for a time that the file saw as a whole. What it does not have - an older time, one
before this file began, one that was found damaged - is added up from the samples, hot and cold, by the same code.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from drivers.record import FROM_ELSEWHERE
from monitor.historian.arrays import columns
from monitor.historian.frame import FrameError, proven
from monitor.historian.query import read
from monitor.historian.reader import HotReader, Pending
from monitor.historian.rollup import KEEP_S, Bucket, read_cells
from monitor.state import State

FIGURES = ("n", "good", "min", "mean", "max", "last")
_CELLS_AT_ONCE = 1 << 20
_ROWS_AT_ONCE = 5_000_000  # samples that are read at once, at one each second


def rollup(state: State, tags: Sequence[str], span_s: int, start_s: int, end_s: int) -> pd.DataFrame:
    """The buckets of these tags with start <= t_s < end (UTC [s]), of 60 s or 3600 s each.

    Columns: tag (str), t_s, n, good (i64), min, mean, max, last (f64, NaN where no good sample was a number); sorted by
    tag and time; a bucket without samples is no row. Where a bucket has samples that we read ourselves, only they
    count. ValueError for another span.
    """
    if span_s not in KEEP_S:
        raise ValueError(f"rollup: spans are {', '.join(map(str, KEEP_S))} s, not {span_s}")
    names = sorted(set(tags))
    first, last = -(-start_s // span_s), -(-end_s // span_s)  # number of the bucket since 1970
    hot = HotReader(state.hot)
    known = {number: row.name for number, row in hot.tags(retired=True).items() if row.name in names}
    held = hot.pending(sorted(known), span_s, first * span_s, last * span_s)
    at_once = max(_CELLS_AT_ONCE // max(len(names), 1), 1)
    parts = [
        _Grid(names, span_s, begin, min(begin + at_once, last)).filled(state, known, held)
        for begin in range(first, last, at_once)
        if names
    ]
    found = pd.concat(parts, ignore_index=True) if parts else _table([], np.empty(0, int), np.empty(0, int), {})
    return found.sort_values(["tag", "t_s"], ignore_index=True)


class _Grid:
    """The buckets `begin` to `end` of some tags: one cell for each tag and bucket, tag by tag."""

    def __init__(self, names: Sequence[str], span_s: int, begin: int, end: int) -> None:
        self._names, self._span_s, self._begin, self._slots = names, span_s, begin, end - begin
        self._place = {name: at for at, name in enumerate(names)}
        self._size = len(names) * self._slots

    def filled(self, state: State, known: dict[int, str], held: Pending) -> pd.DataFrame:
        """From the hot file what it has, the rest from samples; `known` are its tags by number."""
        bucket = Bucket(self._size)
        lost = self._from_hot(bucket, known, held)
        whole_from = self._slots if held.since_ms is None else -(-held.since_ms // (1000 * self._span_s)) - self._begin
        there: np.ndarray = (bucket.n > 0).reshape(len(self._names), self._slots)
        there[:, : max(whole_from, 0)] = False
        there.reshape(-1)[lost] = False
        parts = [self._rows(bucket, there)]
        for begin, end in self._spans(np.flatnonzero(~there.all(axis=0))):
            has_all = np.all(there[:, begin:end], axis=1).tolist()
            short = [name for name, has in zip(self._names, has_all, strict=True) if not has]
            own, others = self._from_samples(state, short, begin, end)
            missing = ~there
            parts.append(self._rows(own, missing & (own.n > 0).reshape(there.shape)))
            parts.append(self._rows(others, missing & ((own.n == 0) & (others.n > 0)).reshape(there.shape)))
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def _from_hot(self, bucket: Bucket, known: dict[int, str], held: Pending) -> np.ndarray:
        """Into `bucket` what the hot file holds; returns the cells whose rollup is damaged."""
        of_number = np.full(max(known, default=-1) + 2, -1)  # the last one: no tag of ours
        rank = np.zeros_like(of_number)  # a name that had another unit before has several numbers
        seen: dict[str, int] = {}
        for number, name in known.items():
            of_number[number], rank[number] = self._place[name], seen.get(name, 0)
            seen[name] = rank[number] + 1
        for n, t_ms, crc, blob in held.frames:
            try:
                proven(blob, crc, n, t_ms)
                one = columns(blob)
            except FrameError:
                continue
            mine = of_number[np.minimum(one.tag, len(of_number) - 1)] >= 0
            mine &= (one.reasons & np.uint32(FROM_ELSEWHERE)) == 0
            self._add(bucket, of_number[one.tag[mine]], one.receive_us[mine], one.value[mine], one.quality[mine])
        t_s, tag, cells, damaged = read_cells(self._span_s, held.rows)
        for one_rank in range(max(seen.values(), default=0)):
            key, inside = self._keys(of_number[tag], t_s)
            inside &= rank[tag] == one_rank
            bucket.join(key[inside], cells[inside])
        if not damaged:
            return np.empty(0, int)
        whole = set(zip(t_s.tolist(), tag.tolist(), strict=True))
        gone = np.array([row[:2] for row in held.rows if row[:2] not in whole], np.int64)
        key, inside = self._keys(of_number[gone[:, 1]], gone[:, 0])
        lost: np.ndarray = key[inside]
        return lost

    def _from_samples(self, state: State, names: Sequence[str], begin: int, end: int) -> tuple[Bucket, Bucket]:
        """What our own samples come to, and what those from elsewhere do."""
        own, others = Bucket(self._size), Bucket(self._size)
        slots = max(int(_ROWS_AT_ONCE / len(names)) // self._span_s, 3_600 // self._span_s)
        for since in range(begin, end, slots):
            edges = ((self._begin + slot) * self._span_s * 1_000_000 for slot in (since, min(since + slots, end)))
            found = read(state, names, *edges)
            place = found["tag"].map(self._place).to_numpy(np.int64)
            elsewhere = (found["reasons"].to_numpy() & np.uint32(FROM_ELSEWHERE)) != 0
            told = (place, *(found[name].to_numpy() for name in ("receive_us", "value", "quality")))
            for bucket, mine in ((own, ~elsewhere), (others, elsewhere)):
                self._add(bucket, *(column[mine] for column in told))
        return own, others

    def _add(self, bucket: Bucket, place: np.ndarray, us: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        key, inside = self._keys(place, us // 1_000_000)
        bucket.add(key[inside], us[inside], value[inside], quality[inside] == 0)

    def _keys(self, place: np.ndarray, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(cell, whether it is one of ours) for a tag's place at a time."""
        slot = t_s // self._span_s - self._begin
        return place * self._slots + slot, (place >= 0) & (slot >= 0) & (slot < self._slots)

    def _spans(self, short: np.ndarray) -> Iterator[tuple[int, int]]:
        """Begin and end of each run of buckets among these, which are short of something."""
        for run in np.split(short, np.flatnonzero(np.diff(short) > 1) + 1):
            if len(run):
                yield int(run[0]), int(run[-1]) + 1

    def _rows(self, bucket: Bucket, chosen: np.ndarray) -> pd.DataFrame:
        key = np.flatnonzero(chosen)
        cells = bucket.cells(self._span_s, 0, key)
        t_s = (self._begin + key % self._slots) * self._span_s
        return _table(self._names, key // self._slots, t_s, {name: cells[name] for name in FIGURES})


def _table(names: Sequence[str], place: np.ndarray, t_s: np.ndarray, cells: dict[str, np.ndarray]) -> pd.DataFrame:
    words = np.array([*names, ""], object)[place]
    figures = {
        name: cells.get(name, np.empty(0)).astype(np.int64 if name in ("n", "good") else float) for name in FIGURES
    }
    return pd.DataFrame({"tag": pd.Series(words, dtype="str"), "t_s": t_s.astype(np.int64), **figures})
