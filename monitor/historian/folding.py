"""From hot to history: frames become verified Parquet pieces, and the pieces of a day that is over become one file.

Safe at any point of a crash: a piece is named after its first frame and written as a whole, only frames up to what
_folded.json says count as folded, what a fold left behind that did not end is cleared by the next one, and a day's file
lists the pieces it holds. Nothing here removes a row from the hot file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from drivers.batch import NO_TIME
from monitor.historian.arrays import Columns, columns, text_column
from monitor.historian.cold import Cold, cold_of, remove, sites, stored
from monitor.historian.frame import FrameError
from monitor.historian.hot import note_folded
from monitor.historian.merging import merge_days
from monitor.historian.parquet import DAY_MS, TIME, HistoryError, TagFacts, day_folder, day_of, schema, write_verified
from monitor.historian.reader import HotReader, TagRow, folded_upto
from monitor.progress import Tell, Work, silent
from monitor.state import State

_PIECE_FRAMES = 4_000  # frames, and
_PIECE_ROWS = 4_000_000  # rows that are held in memory at once: an hour of 1,000 tags at 1 Hz
_PIECE_GROUP_ROWS = 32_768
_KINDS = {
    "tag": "i4", "receive_us": "i8", "source_us": "i8", "value": "f8", "reasons": "u4", "quality": "u1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a fold did. Frames committed before `purge_before_ms` lie in verified Parquet and may leave the hot file."""

    frames: int
    rows: int
    files: tuple[str, ...]
    damaged: tuple[int, ...]  # frames whose checksum did not agree: left out, never believed
    faults: tuple[str, ...]  # days that could not be made one file, in words; their pieces stay
    purge_before_ms: int
    words: str


def fold(
    state: State, tags: Mapping[int, TagRow] | None = None, upto_ms: int | None = None, *, tell: Tell = silent
) -> FoldResult:
    """Write all frames committed before `upto_ms` (UTC [ms]) to Parquet; make one file of each day that is over.

    `tags` are those of the hot file (default), by its own numbers. May be repeated after a crash at any point. Hot rows
    are left alone. Raises Unreachable where the cold part lies elsewhere and does not answer.
    """
    hot, cold = HotReader(state.hot), cold_of(state)
    table_of_tags = hot.tags(retired=True) if tags is None else tags
    hot_id = hot.meta().get("id", "")
    first = folded_upto(state.history, hot_id)
    last = hot.last_before(upto_ms if upto_ms is not None else 2**62)
    _drop_unfinished(cold, hot, hot_id, first)
    files: list[str] = []
    damaged: list[int] = []
    frames = rows = 0
    with Work("folding", last - first, tell) as work:
        for piece in _pieces(hot, first, last):
            for site, day, facts, groups in _by_day(piece.rows, table_of_tags):
                form = schema(site, day, facts, {"handwheel.frames": f"{hot_id}:{piece.first}-{piece.last}"})
                name = f"{day_folder(site, day)}/part-{hot_id}-{piece.first:012d}.parquet"
                files.append(write_verified(cold, name, form, groups))
            damaged += piece.damaged
            if hot.meta().get("id", "") != hot_id:
                raise HistoryError(f"{state.hot}: was replaced while it was folded; the next fold begins anew")
            note_folded(state.history, hot_id, piece.last)
            frames += piece.last - piece.first + 1
            rows += len(piece.rows.tag)
            work.add(piece.last - piece.first + 1)
    before = upto_ms if upto_ms is not None else (hot.newest_ms() or 0) + 1
    merged, faults = merge_days(cold, day_of(before))
    files += merged
    words = f"{frames} frames, {rows} samples folded into {len(files)} files"
    if damaged:
        words += f"; {len(damaged)} damaged frames left out: {', '.join(map(str, damaged[:5]))}"
    if faults:
        words += f"; {len(faults)} days wait for `handwheel history verify`: {faults[0]}"
    return FoldResult(frames, rows, tuple(files), tuple(damaged), tuple(faults), before, words)


def write_newest(state: State, after_n: int, place: Cold) -> list[int]:
    """Write the frames behind `after_n` to another place, as a fold would; returns those that are damaged.

    For whoever gives history away: nothing counts as folded by it.
    """
    hot, damaged = HotReader(state.hot), list[int]()
    table_of_tags = hot.tags(retired=True)
    for piece in _pieces(hot, after_n, hot.last_before(2**62)):
        damaged += piece.damaged
        for site, day, facts, groups in _by_day(piece.rows, table_of_tags):
            name = f"{day_folder(site, day)}/part-{piece.first:012d}.parquet"
            write_verified(place, name, schema(site, day, facts), groups, sync=False)
    return damaged


def _drop_unfinished(cold: Cold, hot: HotReader, hot_id: str, first: int) -> None:
    """Remove the pieces of a fold that did not end: this one may reach less far, and would not write them all again."""
    oldest_ms = hot.oldest_ms(first)
    if oldest_ms is None:
        return
    for site in sites(cold):
        for one in stored(cold, site, day_of(oldest_ms - DAY_MS)):
            _, _, begin = one.stem.rpartition(f"-{hot_id}-")
            if begin.isdecimal() and int(begin) > first:
                remove(cold, one.name)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rows of consecutive frames that fit into memory together."""

    first: int
    last: int
    rows: Columns
    damaged: Sequence[int]


def _pieces(hot: HotReader, first: int, last: int) -> Iterator[_Piece]:
    frames: list[Columns] = []
    bad: list[int] = []
    begin = n = rows = 0
    for n, _t_ms, crc, blob in hot.frames(first, last):
        begin = begin or n
        try:
            frames.append(columns(blob, crc))
            rows += len(frames[-1].tag)
        except FrameError:
            bad.append(n)
        if len(frames) + len(bad) >= _PIECE_FRAMES or rows >= _PIECE_ROWS:
            yield _Piece(begin, n, _together(frames), bad)
            bad, begin, rows = [], 0, 0
    if begin:
        yield _Piece(begin, n, _together(frames), bad)


def _together(frames: list[Columns]) -> Columns:
    """The rows of all frames one after the other; the list is empty afterwards, so that they lie in memory once."""
    starts = np.cumsum([0, *(len(frame.tag) for frame in frames)]).tolist()
    exact = {at + row: text for at, one in zip(starts, frames, strict=False) for row, text in one.exact.items()}
    detail = {at + row: text for at, one in zip(starts, frames, strict=False) for row, text in one.detail.items()}
    tag, receive_us, source_us, value, reasons, quality = (
        np.concatenate([np.array([], kind), *(getattr(frame, name) for frame in frames)])
        for name, kind in _KINDS.items()
    )
    frames.clear()
    return Columns(tag, receive_us, source_us, value, reasons, quality, exact, detail)


def _by_day(
    given: Columns, tags: Mapping[int, TagRow]
) -> Iterator[tuple[str, str, dict[str, TagFacts], Iterator[pa.Table]]]:
    """(site, UTC day, facts of its tags, sorted rows as row groups) of these rows."""
    if not len(given.tag):
        return
    number = given.tag
    used = np.flatnonzero(np.bincount(number)).tolist()
    if unknown := sorted(set(used) - set(tags)):
        raise ValueError(f"history: the hot file has no tag {unknown[:5]}")
    # several tags of the hot file may have one name: a tag whose asset, quantity or unit changed is another one there
    places = sorted({(tags[one].site, tags[one].name) for one in used})
    rank = {place: at for at, place in enumerate(places)}
    ranks = np.zeros(1 + max(used, default=0), np.uint16 if len(places) < 2**16 else np.int32)
    ranks[used] = [rank[tags[one].site, tags[one].name] for one in used]
    key = ranks[number]
    receive_ms = given.receive_us // 1000
    order = np.argsort(key, kind="stable")  # of 16 bit: one pass over the rows, not a comparison of each
    key, times = key[order], receive_ms[order]
    if ((times[1:] < times[:-1]) & (key[1:] == key[:-1])).any():
        order = np.lexsort((receive_ms, ranks[number]))
        times = receive_ms[order]
    rows = _Rows(given, tags, used, receive_ms, pa.array([name for _, name in places], pa.string()), ranks)
    for site in sorted({site for site, _ in places}):
        low = next(at for at, place in enumerate(places) if place[0] == site)
        high = low + sum(place[0] == site for place in places)
        begin, end = np.searchsorted(key, [low, high])
        days = times[begin:end] // DAY_MS
        for day in np.unique(days[np.r_[True, days[1:] != days[:-1]]]).tolist():
            mine = order[begin:end][days == day]
            yield site, day_of(day * DAY_MS), rows.facts(mine), rows.groups(mine)


class _Rows:
    """The columns of many frames, from which tables of chosen rows are made."""

    def __init__(
        self, given: Columns, tags: Mapping[int, TagRow], used: Sequence[int], receive_ms: np.ndarray, names: pa.Array,
        ranks: np.ndarray,
    ) -> None:  # fmt: skip
        self._given, self._tags, self._number, self._receive_ms = given, tags, given.tag, receive_ms
        self._exact, self._detail = (
            text_column(texts, len(receive_ms)) if texts else None for texts in (given.exact, given.detail)
        )
        self._names, self._ranks = names, ranks
        words = sorted({tags[one].asset for one in used})
        self._assets = pa.array(words, pa.string())
        self._asset_of = np.zeros(len(ranks), np.int32)
        self._asset_of[list(used)] = np.searchsorted(np.array(words, object), [tags[one].asset for one in used])

    def facts(self, rows: np.ndarray) -> dict[str, TagFacts]:
        """What history says of the tags of these rows."""
        # a retired tag never speaks for a configured one of the same name: the higher number is the newer
        used = np.flatnonzero(np.bincount(self._number[rows])).tolist()
        return {
            row.name: {"asset": row.asset, "quantity": row.quantity, "unit": row.unit, "description": row.description}
            for row in (self._tags[one] for one in used)
        }

    def groups(self, rows: np.ndarray) -> Iterator[pa.Table]:
        """Tables of whole tags, of about _PIECE_GROUP_ROWS rows each."""
        keys = self._ranks[self._number[rows]]
        edges = [*np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]).tolist(), len(rows)]
        begin = 0
        for start, end in pairwise(edges):
            if end - begin > _PIECE_GROUP_ROWS and start > begin:
                yield self._table(rows[begin:start])
                begin = start
        yield self._table(rows[begin:])

    def _table(self, rows: np.ndarray) -> pa.Table:
        number, receive_ms, source_us = self._number[rows], self._receive_ms[rows], self._given.source_us[rows]
        source_ms = source_us // 1000
        no_source = (source_us == NO_TIME) | (source_ms == receive_ms)
        return pa.table(
            {
                "asset": pa.DictionaryArray.from_arrays(self._asset_of[number], self._assets),
                "tag": pa.DictionaryArray.from_arrays(self._ranks[number].astype(np.int32), self._names),
                "source_ms": pa.array(source_ms, mask=no_source).cast(TIME),
                "receive_ms": pa.array(receive_ms).cast(TIME),
                "value": pa.array(self._given.value[rows], from_pandas=True),
                "exact": _chosen(self._exact, rows),
                "quality": pa.array(self._given.quality[rows]),
                "reasons": pa.array(self._given.reasons[rows]),
                "detail": _chosen(self._detail, rows),
            }
        )


def _chosen(texts: np.ndarray | None, rows: np.ndarray) -> pa.Array:
    return pa.nulls(len(rows), pa.string()) if texts is None else pa.array(texts[rows], pa.string())
