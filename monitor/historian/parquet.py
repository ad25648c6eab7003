"""Parquet files of history: their columns, where they lie, and the one way in which such a file is written.

One folder per site and day, open to any tool. A file is sorted by tag and time, its pages carry checksums, its own
metadata say what each tag is. It is written under a temporary name, read back and compared, synced and only then
renamed: a file that is there under its name is whole.

The site is the folder's name (every tool that reads a whole folder makes a column of it) and stands in the metadata of
each file. It is no column of the file: two columns of one name are what such tools refuse.

Times are kept in ms. source_ms is null where the device gave no time or one equal to receive_ms.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drivers.batch import quality_array
from drivers.errors import UserError
from drivers.record import Reason
from monitor.historian.cold import Cold, cold_of, digest, note, noted, part_for, put
from monitor.state import State

FORMAT = "1"
DAY_MS = 86_400_000
_FIRST_DAY, _LAST_DAY = (day.toordinal() - date(1970, 1, 1).toordinal() for day in (date.min, date.max))
TIME = pa.timestamp("ms", tz="UTC")
FIELDS = (
    pa.field("asset", pa.string(), nullable=False),
    pa.field("tag", pa.string(), nullable=False),
    pa.field("source_ms", TIME),
    pa.field("receive_ms", TIME, nullable=False),
    pa.field("value", pa.float64()),
    pa.field("exact", pa.string()),
    pa.field("quality", pa.uint8(), nullable=False),
    pa.field("reasons", pa.uint32(), nullable=False),
    pa.field("detail", pa.string()),
)
_DELTA = {"receive_ms": "DELTA_BINARY_PACKED", "source_ms": "DELTA_BINARY_PACKED"}
_DICTIONARY = ["asset", "tag", "value", "exact", "quality", "reasons", "detail"]
_WORDS = ["asset", "tag"]  # in memory, too, as words of a dictionary
_WRITTEN = pa.schema(
    [field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in _WORDS else field for field in FIELDS]
)
GROUP_ROWS = 131_072  # rows of a group of a day: the one tag that is asked for, at 1 Hz
WORKERS = min(4, os.cpu_count() or 1)

TagFacts = Mapping[str, str]  # asset, quantity, unit, description


class HistoryError(UserError):
    """A Parquet file could not be written as meant, or cannot be read."""


def day_folder(site: str, day: str) -> str:
    """site=S/date=D; `day` is the UTC date as YYYY-MM-DD."""
    if not site or "/" in site or date.fromisoformat(day).isoformat() != day:
        raise ValueError(f"history: not a site and a day: {site!r}, {day!r}")
    return f"site={site}/date={day}"


def schema(site: str, day: str, tags: Mapping[str, TagFacts], extra: Mapping[str, str] | None = None) -> pa.Schema:
    """The columns of every file with its metadata: format, site, date and, as JSON, what each tag is."""
    facts = {
        name: {key: one.get(key, "") for key in ("asset", "description", "quantity", "unit")}
        for name, one in tags.items()
    }
    metadata = {
        "handwheel.format": FORMAT,
        "handwheel.site": site,
        "handwheel.date": day,
        "handwheel.tags": json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        **(extra or {}),
    }
    return pa.schema(FIELDS, metadata)


def write_day(
    state: State,
    site: str,
    day: str,
    table: pa.Table | Mapping[str, Any],
    tags: Mapping[str, TagFacts],
    *,
    part: str = "part-0",
    sync: bool = True,
) -> str:
    """Write one file of one site and UTC day, verified; returns where it lies.

    `table` has the columns of FIELDS (arrays of equal length, or an arrow table); source_ms, exact and detail may be
    missing, NaN in value becomes null. `tags` says for each tag name its asset, quantity, unit and description.
    `sync=False` leaves out fsync and reading back, for files that can be made again (the demo).
    """
    form = schema(site, day, tags)
    given = dict(zip(table.column_names, table.columns, strict=True)) if isinstance(table, pa.Table) else table
    rows = by_tag_and_time(as_table(tags, given, form))
    return write_verified(cold_of(state), f"{day_folder(site, day)}/{part}.parquet", form, row_groups(rows), sync=sync)


def write_grid(
    state: State,
    site: str,
    times_ms: np.ndarray,
    values: Mapping[str, np.ndarray],
    tags: Mapping[str, TagFacts],
    *,
    reasons: Mapping[str, np.ndarray] | None = None,
    sync: bool = True,
) -> list[str]:
    """Write many days at once: each tag of `values` (f64, shape (n,)) at the same ascending times (UTC [ms], (n,)).

    Reasons (u32, shape (n,)) by tag make the quality; a NaN without a reason is stored as a gap, never as good.
    """
    names = sorted(values)
    stacked = np.stack([np.asarray(values[name], np.float64) for name in names])
    why = np.stack([np.asarray((reasons or {}).get(name, np.zeros(len(times_ms))), np.uint32) for name in names])
    why[np.isnan(stacked) & (why == 0)] = Reason.GAP
    times = np.asarray(times_ms, np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(times // DAY_MS) != 0]) if len(times) else np.array([], np.int64)
    tag_words = pa.array(names, pa.string())
    asset_words = pa.array([tags[name]["asset"] for name in names], pa.string())

    cold = cold_of(state)
    whole = schema(site, "", tags)

    def one_day(span: tuple[int, int]) -> str:
        begin, end = span
        count = end - begin
        index = pa.array(np.repeat(np.arange(len(names), dtype=np.int32), count))
        cells = why[:, begin:end].ravel()
        columns = {
            "tag": tag_words.take(index),
            "asset": asset_words.take(index),
            "receive_ms": np.tile(times[begin:end], len(names)),
            "value": stacked[:, begin:end].ravel(),
            "quality": quality_array(cells),
            "reasons": cells,
        }
        day = day_of(int(times[begin]))
        form = whole.with_metadata({**whole.metadata, b"handwheel.date": day.encode()})
        table = as_table(tags, columns, form)
        name = f"{day_folder(site, day)}/part-0.parquet"
        return write_verified(cold, name, form, row_groups(table), sync=sync)

    spans = list(zip(starts.tolist(), [*starts[1:].tolist(), len(times)], strict=True))
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one_day, spans))


def write_verified(cold: Cold, name: str, form: pa.Schema, tables: Iterable[pa.Table], *, sync: bool = True) -> str:
    """Write sorted tables as row groups of one file and put it in place only after it reads back the same.

    Each table is taken, written, and remembered by checksums of its columns alone, so a whole day need not fit into
    memory. With `sync=False` it is neither read back nor synced. Returns where it lies.
    """
    part = part_for(cold, name)
    try:
        told = []
        with pq.ParquetWriter(
            part, _WRITTEN, compression="zstd", use_dictionary=_DICTIONARY, column_encoding=_DELTA,
            write_page_checksum=True, version="2.6", store_schema=False,
        ) as writer:  # fmt: skip
            writer.add_key_value_metadata(dict(form.metadata))
            for table in tables:
                group = _as_written(table)
                writer.write_table(group, row_group_size=group.num_rows or 1)
                if sync:
                    told.append(checksums(group))
        if sync:
            _verify(part, form, told)
            made = digest(part)
            before = noted(cold, name)
            note(cold, name, [*before[-1:], made, made][:2])  # while it is replaced, the old one and the new one hold
        put(cold, part, name, sync=sync)
        if sync and before:
            note(cold, name, [made, made])
    finally:
        part.unlink(missing_ok=True)
    return cold.shown(name)


def _verify(path: Path, form: pa.Schema, told: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
    words = f"{path}: does not read back as it was written; look at the disk before you go on"
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=_WORDS) as file:
            same = file.schema_arrow.metadata == form.metadata and file.num_row_groups == len(told)
            for group, sums in enumerate(told):
                same = same and checksums(file.read_row_group(group, use_threads=False)) == sums
    except (OSError, pa.ArrowException, ValueError) as fault:
        raise HistoryError(f"{words} ({fault})") from fault
    if not same:
        raise HistoryError(words)


def _as_written(table: pa.Table) -> pa.Table:
    """The rows in one piece of memory, asset and tag as words of a dictionary that holds no others."""
    columns = []
    for field in _WRITTEN:
        column = table[field.name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of a table without rows
            column = pa.array([], field.type)
        if field.name in _WORDS:
            words = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
            codes = words.indices.to_numpy()
            used = np.flatnonzero(np.bincount(codes, minlength=len(words.dictionary)))
            if len(used) < len(words.dictionary):
                place = np.zeros(len(words.dictionary), np.int32)
                place[used] = np.arange(len(used), dtype=np.int32)
                words = pa.DictionaryArray.from_arrays(place[codes], words.dictionary.take(pa.array(used)))
            column = words
        columns.append(column)
    return pa.table(columns, schema=_WRITTEN)


def checksums(table: pa.Table) -> dict[str, tuple[int, ...]]:
    """By column: rows, nulls, CRC-32 over which are null and over the bits of the others, whatever their encoding."""
    return {field.name: _checksum(table[field.name].combine_chunks()) for field in FIELDS}


def _checksum(column: pa.Array) -> tuple[int, ...]:
    rows, nulls = len(column), column.null_count
    if nulls == rows:
        return rows, nulls, 0, 0
    which = crc32(column.is_null().to_numpy(zero_copy_only=False)) if nulls else 0
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        sums = [crc32(word.encode()) for word in column.dictionary.to_pylist()]
        codes = column.indices.fill_null(0).to_numpy() if nulls else column.indices.to_numpy()
        numbers = np.array(sums, np.uint32)[codes]
    else:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        numbers = (column.fill_null(0) if nulls else column).to_numpy()
    return rows, nulls, which, crc32(np.ascontiguousarray(numbers).data)


def row_groups(table: pa.Table, most: int = GROUP_ROWS) -> Iterator[pa.Table]:
    """The parts of a sorted table, each of whole tags and of about `most` rows."""
    starts = tag_starts(table["tag"])
    begin = 0
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        if end - begin > most and start > begin:
            yield table.slice(begin, start - begin)
            begin = start
    if begin < table.num_rows:
        yield table.slice(begin)


def tag_starts(column: pa.ChunkedArray) -> list[int]:
    """The rows at which a tag begins, in a sorted column."""
    array = column.combine_chunks()
    codes = (array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()).indices.to_numpy()
    return np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]).tolist() if len(codes) else []


def opened(cold: Cold, name: str) -> pq.ParquetFile:
    """A file of the cold part, whose pages are checked as they are read."""
    return pq.ParquetFile(
        cold.path(name), filesystem=cold.files, page_checksum_verification=True, pre_buffer=not cold.local,
        read_dictionary=_WORDS,
    )  # fmt: skip


def by_tag_and_time(table: pa.Table) -> pa.Table:
    """The rows in the order of every file; those of one tag and ms stay as they came."""
    words = table["tag"].combine_chunks()
    if not isinstance(words, pa.DictionaryArray):
        words = pa.chunked_array([words]).dictionary_encode().combine_chunks() if len(words) else words
    if not table.num_rows:
        return table
    names = np.array(words.dictionary.to_pylist(), object)
    ranks = np.empty(len(names), np.int32)
    ranks[np.argsort(names, kind="stable")] = np.arange(len(names), dtype=np.int32)
    key, times = ranks[words.indices.to_numpy()], table["receive_ms"].cast(pa.int64()).to_numpy()
    step, later = np.diff(key), np.diff(times) >= 0
    if ((step > 0) | ((step == 0) & later)).all():
        return table
    return table.take(pa.array(np.lexsort((times, key))))


def tag_facts(form: pa.Schema) -> Mapping[str, TagFacts]:
    """What a file says of its tags, by name."""
    return _facts((form.metadata or {}).get(b"handwheel.tags", b"{}"))


@lru_cache(maxsize=16)  # the files of a day say the same, in 100 kB for a thousand tags
def _facts(told: bytes) -> Mapping[str, TagFacts]:
    facts: dict[str, TagFacts] = json.loads(told)
    return facts


def day_of(ms: int) -> str:
    """The UTC date of a time [ms] as YYYY-MM-DD; beyond what a date can be, the first or last there is."""
    days = min(max(ms // DAY_MS, _FIRST_DAY), _LAST_DAY)
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def as_table(tags: Mapping[str, TagFacts], table: Mapping[str, Any], form: pa.Schema) -> pa.Table:
    """The columns in the types and the order of FIELDS; those that may be missing as nulls."""
    given = dict(table)
    count = len(given["tag"])
    if "asset" not in given:
        given["asset"] = [tags[str(name)]["asset"] for name in given["tag"]]
    built = []
    for field in form:
        column = given.get(field.name)
        if column is None:
            built.append(pa.nulls(count, field.type))
        elif isinstance(column, pa.Array | pa.ChunkedArray):
            built.append(column.cast(field.type))
        elif field.type == TIME:
            built.append(pa.array(column, pa.int64()).cast(TIME))
        else:
            # from_pandas: NaN, which only says that nothing was decoded, becomes null
            built.append(pa.array(column, field.type, from_pandas=field.name == "value"))
    return pa.table(built, schema=form)
