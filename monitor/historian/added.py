"""Rows that come from elsewhere: imports, readings by hand. They stand beside what we measured and never replace it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivers.batch import quality_array
from drivers.record import Reason
from monitor.historian.cold import Cold, in_folder
from monitor.historian.merging import WHOLE, pieces_in
from monitor.historian.parquet import (
    DAY_MS,
    FIELDS,
    HistoryError,
    TagFacts,
    as_table,
    by_tag_and_time,
    day_folder,
    day_of,
    row_groups,
    schema,
    write_verified,
)

_FROM_ELSEWHERE = int(Reason.IMPORTED | Reason.MANUAL)
_LEAST_MS, _MOST_MS = -(10**13), 10**13  # the years 1653 to 2286: beyond lies a wrong unit, not history


def add_rows(
    cold: Cold,
    site: str,
    table: pa.Table | Mapping[str, Any],
    tags: Mapping[str, TagFacts],
    *,
    origin: Mapping[str, str],
) -> list[str]:
    """Add rows that were not read by us to the days (UTC) to which their receive_ms belongs; returns the new files.

    `table` has the columns of parquet.FIELDS (tag, receive_ms and reasons at least; NaN in value becomes null), `tags`
    says for each tag name its asset, quantity, unit and description, and `origin` where the rows come from and when
    they were brought in, in words; it stays in the metadata of the file, also after the day is merged. Each row
    carries Reason.IMPORTED or Reason.MANUAL; its quality is that of its reasons. Each file is verified and named after
    the SHA-256 of its rows: the same rows brought again add nothing. The next fold makes them part of a day that is
    over. HistoryError where a time lies beyond the years 1653 to 2286 or a tag is not among `tags`.
    """
    given = dict(zip(table.column_names, table.columns, strict=True)) if isinstance(table, pa.Table) else dict(table)
    given["reasons"] = pa.array(np.asarray(given["reasons"], np.uint32))
    given["quality"] = quality_array(given["reasons"].to_numpy())
    if strange := sorted({str(name) for name in pc.unique(_flat(given["tag"])).to_pylist()} - set(tags)):
        raise HistoryError(f"history: no facts were given of tag {strange[0]}")
    rows = by_tag_and_time(as_table(tags, given, pa.schema(FIELDS)))
    if not pc.all(pc.not_equal(pc.bit_wise_and(rows["reasons"], pa.scalar(_FROM_ELSEWHERE, pa.uint32())), 0)).as_py():
        raise ValueError("history: rows that are added carry the reason imported or manual")
    times = rows["receive_ms"].cast(pa.int64()).to_numpy()
    if len(times) and not _LEAST_MS <= times.min() <= times.max() <= _MOST_MS:
        raise HistoryError("history: a time lies outside the years 1653 to 2286; look at its unit and its format")
    day_numbers = times // DAY_MS
    files = []
    for day_number in np.unique(day_numbers).tolist():
        one = rows.filter(pa.array(day_numbers == day_number)).combine_chunks()
        folder = day_folder(site, day_of(day_number * DAY_MS))
        piece = f"part-added-{_name_of(one)}.parquet"
        there = [stored.name.rpartition("/")[2] for stored in in_folder(cold, folder)]
        if piece in there or (WHOLE in there and piece in pieces_in(cold, f"{folder}/{WHOLE}")):
            continue
        facts = {name: tags[name] for name in pc.unique(one["tag"]).to_pylist()}
        told = {"handwheel.origins": json.dumps({piece: dict(origin)}, sort_keys=True, ensure_ascii=False)}
        form = schema(site, day_of(day_number * DAY_MS), facts, told)
        files.append(write_verified(cold, f"{folder}/{piece}", form, row_groups(one)))
    return files


def _flat(column: Any) -> pa.Array | pa.ChunkedArray:
    return column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, pa.string())


def _name_of(rows: pa.Table) -> str:
    """The first half of the SHA-256 over all cells, whichever way they lie in memory."""
    made = hashlib.sha256()
    for field in FIELDS:
        column = rows[field.name].combine_chunks()
        if pa.types.is_string(field.type):
            words = column.dictionary_encode()
            made.update(json.dumps(words.dictionary.to_pylist()).encode())
            column = words.indices
        elif pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        made.update(column.is_null().to_numpy(zero_copy_only=False).tobytes())
        made.update(np.ascontiguousarray(column.fill_null(0).to_numpy(zero_copy_only=False)).tobytes())
    return made.hexdigest()[:32]
