"""The pieces of a day that is over become one file, also when more of it comes late.

Each piece is sorted, so they are read side by side, tag by tag, and never held in memory together. The day's file names
the pieces it holds: a crash between writing it and removing them doubles nothing.
"""

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import pyarrow as pa

from monitor.historian.cold import Cold, days, digest_of, in_folder, noted, remove, sites
from monitor.historian.parquet import (
    GROUP_ROWS,
    HistoryError,
    TagFacts,
    by_tag_and_time,
    opened,
    schema,
    tag_facts,
    tag_starts,
    write_verified,
)

WHOLE = "part-0.parquet"
_Origins = Mapping[str, Mapping[str, str]]  # piece -> where it comes from, empty for what we measured


def merge_days(cold: Cold, today: str) -> tuple[list[str], list[str]]:
    """Make one part-0 of the pieces of each day before `today`, remove what it holds; returns (files, faults).

    A day of which a file is damaged stays as it is and is a fault, in words.
    """
    made, faults = [], []
    for site in sites(cold):
        for day in days(cold, site):
            if day >= today:
                break
            folder = f"site={site}/date={day}"
            names = [one.name for one in in_folder(cold, folder)]
            whole = f"{folder}/{WHOLE}"
            pieces = [name for name in names if name != whole]
            if not pieces:
                continue
            try:
                held = pieces_in(cold, whole) if whole in names else {}
                if fresh := [name for name in pieces if name.rpartition("/")[2] not in held]:
                    made.append(_merge(cold, folder, ([whole] if whole in names else []) + fresh, held))
            except (HistoryError, OSError, pa.ArrowException, ValueError) as fault:
                faults.append(f"{cold.shown(folder)}: {fault}")
                continue
            for name in pieces:
                remove(cold, name)
    return made, faults


def pieces_in(cold: Cold, whole: str) -> dict[str, Mapping[str, str]]:
    """The pieces that a day's file holds, by name, with the origin of those that came from elsewhere."""
    with opened(cold, whole) as file:
        return pieces_of(file.schema_arrow)


def pieces_of(form: pa.Schema) -> dict[str, Mapping[str, str]]:
    """As `pieces_in`, of a schema."""
    told = form.metadata or {}
    origins = json.loads(told.get(b"handwheel.origins", b"{}"))
    return {name: origins.get(name, {}) for name in json.loads(told.get(b"handwheel.pieces", b"[]"))}


def _merge(cold: Cold, folder: str, sources: Sequence[str], held: _Origins) -> str:
    facts: dict[str, TagFacts] = {}
    origins = dict(held)
    rows = 0
    for name in sources:
        if (known := noted(cold, name)) and digest_of(cold, name) not in known:
            raise HistoryError(f"{cold.shown(name)}: is not as it was written")
        with opened(cold, name) as file:
            facts.update(tag_facts(file.schema_arrow))
            rows += file.metadata.num_rows
            base = name.rpartition("/")[2]
            if base != WHOLE:
                told = file.schema_arrow.metadata.get(b"handwheel.origins", b"{}")
                origins[base] = json.loads(told).get(base, {})
    site, day = (word.partition("=")[2] for word in folder.split("/"))
    told = {"handwheel.pieces": json.dumps(sorted(origins))}
    if brought := {name: origin for name, origin in origins.items() if origin}:
        told["handwheel.origins"] = json.dumps(brought, sort_keys=True, ensure_ascii=False)
    return write_verified(cold, f"{folder}/{WHOLE}", schema(site, day, facts, told), _side_by_side(cold, sources, rows))


def _side_by_side(cold: Cold, sources: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """The rows of all sources in order, as row groups. HistoryError if they are not so many."""
    waiting: list[pa.Table] = []
    waits = seen = 0
    for _, parts in groupby(heapq.merge(*(_by_tag(cold, name) for name in sources), key=itemgetter(0)), itemgetter(0)):
        one = [table for _, table in parts]
        size = sum(table.num_rows for table in one)
        if waiting and waits + size > GROUP_ROWS:
            yield _joined(waiting)
            waiting, waits = [], 0
        waiting += one
        waits += size
        seen += size
    if waiting:
        yield _joined(waiting)
    if seen != rows:
        raise HistoryError(f"history: {seen} rows were read of files that hold {rows}; nothing was changed")


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return by_tag_and_time(pa.concat_tables(tables))


def _by_tag(cold: Cold, name: str) -> Iterator[tuple[str, pa.Table]]:
    """(tag, its rows) of a file in order; of a tag that lies in two row groups one after the other."""
    with opened(cold, name) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False).replace_schema_metadata(None)
            starts = tag_starts(table["tag"])
            for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
                yield table["tag"][start].as_py(), table.slice(start, end - start)
