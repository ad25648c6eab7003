"""From hot to history: frames become verified Parquet pieces, and the pieces of a day that is over become one file.

Safe at any point of a crash: a piece is named after its first frame and written again as a whole, only frames up to
folded.json count as folded, and a day's file lists the pieces it holds. Nothing here removes a row from the hot file.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drivers.batch import NO_TIME
from monitor.historian.arrays import columns
from monitor.historian.cold import Cold, cold_of, days, in_folder, remove, sites, stored
from monitor.historian.frame import FrameError
from monitor.historian.parquet import (
    DAY_MS,
    FIELDS,
    TIME,
    HistoryError,
    TagFacts,
    by_tag_and_time,
    day_folder,
    day_of,
    opened,
    schema,
    tag_facts,
    write_verified,
)
from monitor.historian.reader import FOLDED, HotReader, TagRow, folded, folded_upto
from monitor.state import State, atomic_write

_GROUP_ROWS = 262_144
_FOLD_FRAMES = 2_000  # frames, and
_FOLD_ROWS = 2_000_000  # rows that are held in memory at once


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a fold did. Frames committed before `purge_before_ms` lie in verified Parquet and may leave the hot file."""

    frames: int
    rows: int
    files: tuple[str, ...]
    damaged: tuple[int, ...]  # frames whose checksum did not agree: left out, never believed
    purge_before_ms: int
    words: str


def fold(state: State, tags: Mapping[int, TagRow] | None = None, upto_ms: int | None = None) -> FoldResult:
    """Write all frames committed before `upto_ms` (UTC [ms]) to Parquet; make one file of each day that is over.

    `tags` are those of the hot file (default), by its own numbers. May be repeated after a crash at any point: a piece
    is named after its first frame, and only frames up to folded.json count as folded. Hot rows are left alone.
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
    for begin, end, parts, bad in _slices(hot, first, last):
        damaged += bad
        for (site, day), table in _by_day(parts, table_of_tags).items():
            facts = _facts(table_of_tags, table["tag"])
            form = schema(site, day, facts, {"handwheel.frames": f"{hot_id}:{begin}-{end}"})
            name = f"{day_folder(site, day)}/part-{hot_id}-{begin:012d}.parquet"
            files.append(write_verified(cold, name, form, _just(table.replace_schema_metadata(form.metadata))))
            rows += table.num_rows
        if hot.meta().get("id", "") != hot_id:
            raise HistoryError(f"{state.hot}: was replaced while it was folded; the next fold begins anew")
        note_folded(state.history, hot_id, end)
        frames += end - begin + 1
    before = upto_ms if upto_ms is not None else (hot.newest_ms() or 0) + 1
    files += _tidy(cold, day_of(before))
    words = f"{frames} frames, {rows} samples folded into {len(files)} files"
    if damaged:
        words += f"; {len(damaged)} damaged frames left out: {', '.join(map(str, damaged[:5]))}"
    return FoldResult(frames, rows, tuple(files), tuple(damaged), before, words)


def note_folded(history: Path, hot_id: str, n: int) -> None:
    """From now on the frames of this hot file up to `n` count as folded, and may leave it."""
    upto = folded(history) | {hot_id: n}
    text = json.dumps({"folded": upto, "crc": crc32(json.dumps(upto).encode())})
    for name in FOLDED:
        atomic_write(history / name, text)


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


def _just(table: pa.Table) -> Callable[[], Iterator[pa.Table]]:
    return lambda: iter([table])


_Parts = list[dict[str, np.ndarray]]


def _slices(hot: HotReader, first: int, last: int) -> Iterator[tuple[int, int, _Parts, list[int]]]:
    """(first frame, last frame, columns, damaged frames) of slices that fit into memory."""
    parts: _Parts = []
    bad: list[int] = []
    begin = n = count = rows = 0
    for n, _t_ms, crc, blob in hot.frames(first, last):
        begin = begin or n
        count += 1
        try:
            one = columns(blob, crc)
        except FrameError:
            bad.append(n)
        else:
            rows += len(one.tag)
            parts.append(
                {
                    "number": one.tag, "receive_us": one.receive_us, "source_us": one.source_us, "value": one.value,
                    "reasons": one.reasons, "quality": one.quality,
                    "exact": _texts(one.exact, len(one.tag)), "detail": _texts(one.detail, len(one.tag)),
                }
            )  # fmt: skip
        if count >= _FOLD_FRAMES or rows >= _FOLD_ROWS:
            yield begin, n, parts, bad
            parts, bad, begin, count, rows = [], [], 0, 0, 0
    if count:
        yield begin, n, parts, bad


def _texts(texts: Mapping[int, str], rows: int) -> np.ndarray:
    column = np.full(rows, None, object)
    for row, text in texts.items():
        column[row] = text
    return column


def _by_day(parts: _Parts, tags: Mapping[int, TagRow]) -> dict[tuple[str, str], pa.Table]:
    """The rows of frames as tables by (site, UTC day), sorted by tag and time."""
    if not parts:
        return {}
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    number = joined["number"]
    unknown = sorted(set(np.unique(number).tolist()) - set(tags))
    if unknown:
        raise ValueError(f"history: the hot file has no tag {unknown[:5]}")
    receive_ms, source_ms = joined["receive_us"] // 1000, joined["source_us"] // 1000
    no_source = (joined["source_us"] == NO_TIME) | (source_ms == receive_ms)
    numbers = np.unique(number)
    place = pa.array(np.searchsorted(numbers, number).astype(np.int32))

    def word(field: str) -> pa.Array:
        words = pa.array([getattr(tags[one], field) for one in numbers.tolist()], pa.string())
        return pa.DictionaryArray.from_arrays(place, words).dictionary_decode()

    table = pa.table(
        [
            word("asset"), word("name"),
            pa.array(source_ms, mask=no_source).cast(TIME), pa.array(receive_ms).cast(TIME),
            pa.array(joined["value"], from_pandas=True), pa.array(joined["exact"], pa.string()),
            pa.array(joined["quality"]), pa.array(joined["reasons"]), pa.array(joined["detail"], pa.string()),
        ],
        schema=pa.schema(FIELDS),
    )  # fmt: skip
    days = receive_ms // DAY_MS
    sites = np.array([tags[one].site for one in numbers.tolist()])[np.searchsorted(numbers, number)]
    return {
        (str(site), day_of(int(day) * DAY_MS)): by_tag_and_time(table.filter(pa.array((sites == site) & (days == day))))
        for site in np.unique(sites)
        for day in np.unique(days[sites == site])
    }


def _facts(tags: Mapping[int, TagRow], names: pa.ChunkedArray) -> dict[str, TagFacts]:
    used = set(pc.unique(names).to_pylist())
    # a retired tag never speaks for a configured one of the same name: the higher number is the newer
    return {
        row.name: {"asset": row.asset, "quantity": row.quantity, "unit": row.unit, "description": row.description}
        for _, row in sorted(tags.items())
        if row.name in used
    }


def _tidy(cold: Cold, today: str) -> list[str]:
    """Make one part-0 of the pieces of each day before `today`; pieces that it holds already are removed."""
    made = []
    for site in sites(cold):
        for day in days(cold, site):
            if day >= today:
                break
            folder = f"site={site}/date={day}"
            names = [one.name for one in in_folder(cold, folder)]
            whole = f"{folder}/part-0.parquet"
            pieces = [name for name in names if name != whole]
            if not pieces:
                continue
            held = pieces_in(cold, whole) if whole in names else {}
            fresh = [name for name in pieces if name.rpartition("/")[2] not in held]
            if fresh:
                made.append(_merge(cold, folder, ([whole] if whole in names else []) + fresh, held))
            for name in pieces:
                remove(cold, name)
    return made


def _merge(cold: Cold, folder: str, sources: Sequence[str], held: Mapping[str, Mapping[str, str]]) -> str:
    facts: dict[str, TagFacts] = {}
    origins = dict(held)
    sizes: dict[str, int] = {}
    for name in sources:
        with opened(cold, name) as file:
            facts.update(tag_facts(file.schema_arrow))
            words = file.schema_arrow.metadata.get(b"handwheel.origins", b"{}")
            names = file.read(columns=["tag"])["tag"]
        base = name.rpartition("/")[2]
        if base != "part-0.parquet":
            origins[base] = json.loads(words).get(base, {})
        for one in pc.value_counts(names).to_pylist():
            sizes[one["values"]] = sizes.get(one["values"], 0) + one["counts"]
    site, day = (word.partition("=")[2] for word in folder.split("/"))
    told = {"handwheel.pieces": json.dumps(sorted(origins))}
    if brought := {name: origin for name, origin in origins.items() if origin}:
        told["handwheel.origins"] = json.dumps(brought, sort_keys=True, ensure_ascii=False)
    form = schema(site, day, facts, told)

    def tables() -> Iterator[pa.Table]:
        for names in _groups(sizes):
            only = [("tag", "in", names)]
            parts = [
                pq.read_table(
                    cold.path(path), filesystem=cold.files, partitioning=None, filters=only,
                    page_checksum_verification=True,
                ).cast(pa.schema(FIELDS))
                for path in sources
            ]  # fmt: skip
            rows = pa.concat_tables(parts).combine_chunks()
            if rows.num_rows != sum(sizes[name] for name in names):  # a footer whose figures were damaged hides rows
                raise HistoryError(f"{cold.shown(folder)}: a file there is damaged; its day is not merged")
            yield by_tag_and_time(rows).replace_schema_metadata(form.metadata)

    return write_verified(cold, f"{folder}/part-0.parquet", form, tables)


def _groups(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Tags in order, in groups of about _GROUP_ROWS rows."""
    names: list[str] = []
    rows = 0
    for name in sorted(sizes):
        if names and rows + sizes[name] > _GROUP_ROWS:
            yield names
            names, rows = [], 0
        names.append(name)
        rows += sizes[name]
    if names:
        yield names


def pieces_in(cold: Cold, whole: str) -> dict[str, dict[str, str]]:
    """The pieces that a day's file holds, by name, with the origin of those that came from elsewhere."""
    with opened(cold, whole) as file:
        told = file.schema_arrow.metadata or {}
    origins = json.loads(told.get(b"handwheel.origins", b"{}"))
    return {name: origins.get(name, {}) for name in json.loads(told.get(b"handwheel.pieces", b"[]"))}
