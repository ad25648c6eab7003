"""History asked: the samples of some tags over a time, whether they are still hot or long folded into Parquet.

Of the cold part only the folders of the days asked for are looked into, of their files only the row groups that hold
the tags and the time, by their statistics.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drivers.batch import NO_TIME
from monitor.historian.arrays import text_column
from monitor.historian.cold import Cold, Stored, Unreachable, cold_of, in_quarantine, sites, stored
from monitor.historian.merging import WHOLE, pieces_in
from monitor.historian.parquet import WORKERS, TagFacts, day_of, opened, tag_facts
from monitor.historian.picking import picked
from monitor.historian.reader import HotReader, TagRow, folded_upto
from monitor.state import State

COLUMNS: Mapping[str, str] = {
    "tag": "str", "receive_us": "int64", "source_us": "int64", "value": "float64", "quality": "uint8",
    "reasons": "uint32",
}  # fmt: skip
TEXTS = ("exact", "detail")
_READ = ("tag", "source_ms", "receive_ms", "value", "quality", "reasons")

KINDS: Mapping[str, str] = {**COLUMNS, **dict.fromkeys(TEXTS, "object")}

_OPEN_AT_ONCE = 64  # files
_UNREADABLE = (OSError, pa.ArrowException, ValueError)

Kinds = Mapping[str, str]
Choose = Callable[[Mapping[str, TagFacts]], set[str]]
_Part = tuple[Sequence[str], dict[str, np.ndarray]]  # words, and columns of which `tag` is a place among them


def read(state: State, tags: Sequence[str], start_us: int, end_us: int, *, site: str | None = None) -> pd.DataFrame:
    """The samples of these tags with start_us <= receive < end_us (UTC [us]), whether still hot or long folded.

    Columns: tag (str), receive_us and source_us (i64, UTC [us], kept to the ms; source -1 where the device gave none or
    the receive time), value (f64, NaN where nothing was decoded or it is a text), quality (u8), reasons (u32), exact
    (a text, or an integer beyond 2**53) and detail (words that explain a reason), both None where there is none; sorted
    by tag and time. `attrs["damaged"]` names files and frames that were refused, and a place that was not reached.
    `site` narrows the search.
    """
    wanted = set(tags)
    return search(state, lambda facts: wanted & facts.keys(), start_us, end_us, site=site, kinds=KINDS, names=wanted)


def search(
    state: State, choose: Choose, start_us: int, end_us: int, *, site: str | None = None, kinds: Kinds = COLUMNS,
    names: Collection[str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """As `read`, for the tags that `choose` picks from what each file says of its tags; the columns `kinds`.

    `names`: all names that it can pick, where they are known beforehand.
    """
    start_us, end_us, cold = int(start_us), int(end_us), cold_of(state)
    low_ms, high_ms = -(-start_us // 1000), -(-end_us // 1000)  # the edges as history knows them, hot and cold alike
    while True:
        hot = HotReader(state.hot)
        hot_id = hot.meta().get("id", "")
        upto = folded_upto(state.history, hot_id)
        damaged: list[str] = []
        reached = True
        files: list[Stored] = []
        try:
            first, last = day_of(low_ms), day_of(high_ms - 1)
            damaged += [cold.shown(name) for name in in_quarantine(cold, site, first, last)]
            files = list(files_of(cold, site, start_us, end_us, (hot_id, upto)))
        except Unreachable as fault:
            reached = False
            damaged.append(str(fault))
        parts = _read(cold, files, hot, upto, choose, (low_ms, high_ms), damaged, kinds, names)
        # a fold in between has moved frames, or made one file of several: look again
        same = folded_upto(state.history, hot_id) == upto
        if same and (not reached or list(files_of(cold, site, start_us, end_us, (hot_id, upto))) == files):
            break
    found = _joined(parts, kinds)
    found.attrs["damaged"] = damaged + [f"hot frame {n}" for n in sorted(hot.damaged)]
    return found


def files_of(cold: Cold, site: str | None, start_us: int, end_us: int, folded: tuple[str, int]) -> Iterator[Stored]:
    """The files that count, of the days from start to end: no piece that part-0 holds or that a fold has not ended."""
    if end_us <= start_us:
        return
    first, last = day_of(start_us // 1000), day_of((end_us - 1) // 1000)
    hot_id, upto = folded
    for one_site in [site] if site else sites(cold):
        for _, found in groupby(stored(cold, one_site, first, last), attrgetter("day")):
            files = list(found)
            whole = next((one for one in files if one.name.endswith(f"/{WHOLE}")), None)
            held = _held(cold, whole.name) if whole and len(files) > 1 else {}
            for one in files:
                _, _, begin = one.stem.rpartition(f"-{hot_id}-") if hot_id else ("", "", "")
                if f"{one.stem}.parquet" not in held and not (begin.isdecimal() and int(begin) > upto):
                    yield one


def _held(cold: Cold, whole: str) -> Mapping[str, Any]:
    try:
        return pieces_in(cold, whole)
    except (OSError, pa.ArrowException, ValueError):
        return {}  # it cannot be read either, and is said to be damaged where its rows are asked for


def _read(
    cold: Cold, files: Sequence[Stored], hot: HotReader, after_n: int, choose: Choose, edges_ms: tuple[int, int],
    damaged: list[str], kinds: Kinds, names: Collection[str] | None,
) -> list[_Part]:  # fmt: skip
    """The parts of all files in their order, then that of the hot file; `choose` is asked in the same order."""
    columns = [*_READ, *(name for name in TEXTS if name in kinds)]
    parts: list[_Part | None] = []
    pending: list[Future[_Part | None]] = []

    def refuse(one: Stored, fault: Exception) -> None:
        if not isinstance(fault, FileNotFoundError):  # it became part of its day just now: all is read again
            damaged.append(cold.shown(one.name))

    def head(one: Stored) -> tuple[pq.ParquetFile, Mapping[str, TagFacts]] | None:
        try:
            file = opened(cold, one.name)
            return file, tag_facts(file.schema_arrow)
        except _UNREADABLE as fault:
            refuse(one, fault)
            return None

    def rows(one: Stored, file: pq.ParquetFile, names: Sequence[str]) -> _Part | None:
        try:
            with file:
                groups = _groups(file, names, *edges_ms)
                same = _same(file.metadata, groups, columns)
                differ = [name for name in columns if name not in same]
                table = file.read_row_groups(groups, columns=differ, use_threads=False) if groups else None
            return None if table is None else _rows_of(table, same, names, edges_ms, kinds)
        except _UNREADABLE as fault:
            refuse(one, fault)
            return None

    def hot_part() -> "Future[_Part]":
        known = hot.tags(retired=True, names=names)
        tags = {n: row.name for n, row in known.items() if choose({row.name: facts_of(row)})}
        return pool.submit(_read_hot, hot, tags, after_n, edges_ms, kinds)

    with ThreadPoolExecutor(WORKERS) as pool:
        newest = hot_part() if names is not None else None  # what is longest on its way begins first
        for at in range(0, len(files), _OPEN_AT_ONCE):
            parts += [one.result() for one in pending]
            some = files[at : at + _OPEN_AT_ONCE]
            heads = [(one, *told) for one, told in zip(some, pool.map(head, some), strict=True) if told is not None]
            asked = [(one, file, sorted(choose(facts))) for one, file, facts in heads]
            pending = [pool.submit(rows, *each) for each in asked]
        newest = newest or hot_part()
        parts += [*(one.result() for one in pending), newest.result()]
    return [part for part in parts if part is not None]


def _groups(file: pq.ParquetFile, names: Sequence[str], low_ms: int, high_ms: int) -> list[int]:
    """The row groups that may hold these tags (sorted) in this time; all of a file that is not known to be sorted."""
    about = file.metadata
    if not names:
        return []
    if b"handwheel.format" not in (about.metadata or {}):
        return list(range(about.num_row_groups))
    tag, receive = (about.schema.names.index(name) for name in ("tag", "receive_ms"))
    chosen = set()
    for name in names:
        word = name.encode()
        group = bisect_left(range(about.num_row_groups), word, key=lambda at: _edges(about, at, tag)[1])
        while group < about.num_row_groups and _edges(about, group, tag)[0] <= word:
            first_ms, last_ms = _edges(about, group, receive)
            if last_ms >= low_ms and first_ms < high_ms:
                chosen.add(group)
            group += 1
    return sorted(chosen)


def _edges(about: pq.FileMetaData, group: int, column: int) -> tuple[Any, Any]:
    told = about.row_group(group).column(column).statistics
    if told is None or not told.has_min_max:
        raise ValueError(f"row group {group} does not say what lies in it")
    return told.min_raw, told.max_raw


def _same(about: pq.FileMetaData, groups: Sequence[int], columns: Sequence[str]) -> dict[str, int | None]:
    """The columns that say the same in all rows of these groups, and what: a code, or nothing. They need no reading."""
    found: dict[str, int | None] = {}
    for name in columns:
        at = about.schema.names.index(name)
        chunks = [about.row_group(group).column(at) for group in groups]
        told = [chunk.statistics for chunk in chunks]
        if not all(one is not None and one.has_null_count for one in told):
            continue
        if all(one.null_count == chunk.num_values for one, chunk in zip(told, chunks, strict=True)):
            found[name] = None
        elif name in ("quality", "reasons") and all(one.has_min_max and not one.null_count for one in told):
            codes = {code for one in told for code in (one.min_raw, one.max_raw)}
            if len(codes) == 1:
                found[name] = codes.pop()
    return found


def _rows_of(
    table: pa.Table, same: Mapping[str, int | None], names: Sequence[str], edges_ms: tuple[int, int], kinds: Kinds
) -> _Part:
    words = table["tag"].unify_dictionaries().combine_chunks()
    place = {name: at for at, name in enumerate(names)}
    places = np.array([place.get(word, -1) for word in words.dictionary.to_pylist()], np.int64)
    codes = words.indices.to_numpy()
    mine = np.flatnonzero(places[codes] >= 0)
    receive_ms = table["receive_ms"].cast(pa.int64()).to_numpy()[mine]
    rows = mine[(receive_ms >= edges_ms[0]) & (receive_ms < edges_ms[1])]
    count = len(rows)

    def column(name: str, kind: str, none: Any) -> np.ndarray:
        if name in same:
            return np.full(count, none if same[name] is None else same[name], kind)
        told = table[name].cast(pa.int64()) if kind == "int64" else table[name]
        if told.null_count and kind == "object":
            return np.asarray(told.take(pa.array(rows)).to_numpy(), object)
        return np.asarray((pc.fill_null(told, none) if told.null_count else told).to_numpy()[rows], kind)

    receive_us, source_us = column("receive_ms", "int64", 0) * 1000, column("source_ms", "int64", NO_TIME)
    chosen = {
        "tag": places[codes[rows]], "receive_us": receive_us,
        "source_us": np.where(source_us == NO_TIME, NO_TIME, source_us * 1000),
        "value": column("value", "float64", np.nan), "quality": column("quality", "uint8", 0),
        "reasons": column("reasons", "uint32", 0),
    }  # fmt: skip
    return names, chosen | {name: column(name, "object", None) for name in TEXTS if name in kinds}


def _read_hot(hot: HotReader, found: Mapping[int, str], after_n: int, edges_ms: tuple[int, int], kinds: Kinds) -> _Part:
    low_ms, high_ms = edges_ms
    words = sorted(set(found.values()))
    chosen = np.array(sorted(found), np.int64)
    place = np.array([words.index(found[number]) for number in chosen.tolist()], np.int64)
    parts: list[dict[str, np.ndarray]] = []
    for one in picked(hot.frames(after_n, 2**62, 1_000), chosen, hot.damaged) if found else ():
        receive_ms = one.receive_us // 1000
        mine = np.flatnonzero((receive_ms >= low_ms) & (receive_ms < high_ms))
        if len(mine):
            source_ms = one.source_us[mine] // 1000
            none = (one.source_us[mine] == NO_TIME) | (source_ms == receive_ms[mine])
            parts.append(
                {
                    "tag": place[np.searchsorted(chosen, one.tag[mine])], "receive_us": receive_ms[mine] * 1000,
                    "source_us": np.where(none, NO_TIME, source_ms * 1000), "value": one.value[mine],
                    "quality": one.quality[mine], "reasons": one.reasons[mine],
                    **{name: text_column(getattr(one, name), len(one.tag))[mine] for name in TEXTS if name in kinds},
                }
            )  # fmt: skip
    empty = {name: np.array([], "int64" if name == "tag" else kind) for name, kind in kinds.items()}
    return words, {name: np.concatenate([empty[name], *(part[name] for part in parts)]) for name in kinds}


def _joined(parts: Sequence[_Part], kinds: Kinds) -> pd.DataFrame:
    """The rows of all parts, sorted by tag and time; of one tag and ms in the order of the parts."""
    words = sorted({word for names, _ in parts for word in names})
    place = {word: at for at, word in enumerate(words)}
    columns = {name: np.concatenate([part[name] for _, part in parts]) for name in kinds}
    columns["tag"] = np.concatenate(
        [np.array([place[word] for word in names], np.int64)[part["tag"]] for names, part in parts]
    )
    tag, receive_us = columns["tag"], columns["receive_us"]
    step, later = np.diff(tag), np.diff(receive_us) >= 0
    if not ((step > 0) | ((step == 0) & later)).all():
        order = np.lexsort((receive_us, tag))
        columns = {name: column[order] for name, column in columns.items()}
    told = pa.DictionaryArray.from_arrays(columns["tag"].astype(np.int32), pa.array(words, pa.string()))
    named = {"tag": told.cast(pa.string()).to_pandas()}
    words_too = {name: pd.Series(columns[name], dtype="object") for name in TEXTS if name in kinds}  # or NaN
    return pd.DataFrame({**columns, **named, **words_too}).astype({"tag": "str"})


def facts_of(row: TagRow) -> TagFacts:
    """What Parquet says of a tag, from the hot file's table."""
    return {"asset": row.asset, "quantity": row.quantity, "unit": row.unit, "description": row.description}
