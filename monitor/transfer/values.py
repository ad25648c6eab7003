"""`handwheel export values`: samples or rollups of some tags over a span, as CSV or Parquet, as a stream."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drivers.record import Quality, Reason
from monitor.historian.parquet import TIME, TagFacts
from monitor.transfer.samples import Piece
from monitor.transfer.sheets import Dialect, head_bytes, number_cells, rows_bytes, text_cells, time_cells

ROLLUPS = {"1min": 60, "1h": 3_600}  # seconds
_CSV_ROWS = 65_536

# column -> (type, unit, what it means): the columns of both outputs, and what SCHEMA and docs/history.md say of them
Columns = Mapping[str, tuple[pa.DataType, str, str]]
SAMPLES: Columns = {
    "site": (pa.string(), "", "site of the asset"),
    "asset": (pa.string(), "", "asset that the tag belongs to"),
    "tag": (pa.string(), "", "measured point"),
    "unit": (pa.string(), "", "unit of value; 1 where it has none"),
    "receive": (
        TIME,
        "UTC",
        "when it was received; of imported and manual rows the time that their origin gives",
    ),
    "source": (TIME, "UTC", "when the device says that it was measured; empty where it gave no time or the same"),
    "value": (
        pa.float64(),
        "as in unit",
        "as decoded, never clamped or filled; empty where there is no number",
    ),
    "exact": (pa.string(), "", "a text, or an integer beyond 2**53 with all its digits"),
    "quality": (pa.string(), "", "good, uncertain or bad"),
    "reasons": (pa.string(), "", "why it has its quality: words of the house with a blank between; ok where none"),
    "detail": (pa.string(), "", "more in words"),
}
BUCKETS: Columns = {
    "site": SAMPLES["site"],
    "asset": SAMPLES["asset"],
    "tag": SAMPLES["tag"],
    "unit": SAMPLES["unit"],
    "start": (TIME, "UTC", "when the bucket begins"),
    "span_s": (pa.int64(), "s", "length of the bucket"),
    "n": (pa.int64(), "samples", "all samples received in it"),
    "good": (pa.int64(), "samples", "those of good quality"),
    "share_good": (pa.float64(), "share", "good / n"),
    "min": (pa.float64(), "as in unit", "least of the good numbers; empty where there is none"),
    "mean": (pa.float64(), "as in unit", "arithmetic mean of the good numbers"),
    "max": (pa.float64(), "as in unit", "greatest of the good numbers"),
    "last": (pa.float64(), "as in unit", "last of the good numbers"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tags: all given conditions must hold; of several names or patterns one."""

    tags: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def __call__(self, site: str, name: str, facts: TagFacts) -> bool:
        return _is_one(name, self.tags) and _is_one(facts.get("asset", ""), self.assets) and _is_one(site, self.sites)


def _is_one(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def sample_table(piece: Piece) -> pa.Table:
    """The rows of a piece in the columns of SAMPLES."""
    rows = piece.rows
    return pa.table(
        [
            _same(piece.site, len(rows)), rows["asset"], rows["tag"], rows["unit"],
            rows["receive_ms"], rows["source_ms"], rows["value"], rows["exact"],
            _words(rows["quality"], lambda one: Quality(one).name.lower()),
            _words(rows["reasons"], lambda one: " ".join(Reason(one).words)), rows["detail"],
        ],
        schema=_schema(SAMPLES),
    )  # fmt: skip


def bucket_table(piece: Piece, span_s: int) -> pa.Table:
    """The rollups of a piece, in the columns of BUCKETS. A bucket never crosses a UTC day, so none is cut in two."""
    rows = piece.rows
    start = pc.multiply(pc.divide(rows["receive_ms"].cast(pa.int64()), span_s * 1000), span_s * 1000)
    good = pc.equal(rows["quality"], 0)
    number = pc.if_else(pc.and_(good, pc.is_finite(pc.fill_null(rows["value"], np.nan))), rows["value"], None)
    told = pa.table(
        {
            "asset": rows["asset"], "tag": rows["tag"], "unit": rows["unit"], "start": start,
            "n": _same(1, len(rows)), "good": good.cast(pa.int64()), "value": number, "last": number,
        }
    )  # fmt: skip
    made = told.group_by(["asset", "tag", "unit", "start"], use_threads=False).aggregate(
        [
            ("n", "sum"), ("good", "sum"), ("value", "min"), ("value", "mean"), ("value", "max"),
            ("last", "last"),  # the rows are in order of time; nulls are passed over
        ]
    )  # fmt: skip
    size = len(made)
    return pa.table(
        [
            _same(piece.site, size), made["asset"], made["tag"], made["unit"],
            made["start"].cast(TIME), _same(span_s, size), made["n_sum"], made["good_sum"],
            pc.divide(made["good_sum"].cast(pa.float64()), made["n_sum"].cast(pa.float64())),
            made["value_min"], made["value_mean"], made["value_max"], made["last_last"],
        ],
        schema=_schema(BUCKETS),
    )  # fmt: skip


def write_csv(out: BinaryIO, tables: Iterator[pa.Table], columns: Columns,
              dialect: Dialect, zone: ZoneInfo) -> int:  # fmt: skip
    """Write tables with these columns; each time stands in UTC and local. Returns the number of rows."""
    out.write(head_bytes(csv_head(columns, dialect), dialect))
    count = 0
    for table in tables:
        for at in range(0, len(table), _CSV_ROWS):
            some = table.slice(at, _CSV_ROWS)
            cells: list[pa.Array] = []
            for name, (kind, _, _) in columns.items():
                if kind == TIME:
                    cells += [*time_cells(some[name], None, dialect), *time_cells(some[name], zone, dialect)]
                elif kind == pa.string():
                    cells.append(text_cells(some[name], dialect))
                else:
                    cells.append(number_cells(some[name], dialect))
            out.write(rows_bytes(cells, dialect))
        count += len(table)
    return count


def csv_head(columns: Columns, dialect: Dialect) -> list[str]:
    """The names in the first line: a time has one in UTC, one in local time and, where needed, one for the offset."""
    names = []
    for name, (kind, _, _) in columns.items():
        local = [f"{name}_local", f"{name}_offset"] if dialect.day_first else [f"{name}_local"]
        names += [f"{name}_utc", *local] if kind == TIME else [name]
    return names


def write_parquet(out: BinaryIO, tables: Iterator[pa.Table], columns: Columns) -> int:
    """Write tables with these columns, zstd, with page checksums. Returns the number of rows."""
    count = 0
    with _writer(out, _schema(columns)) as writer:
        for table in tables:
            writer.write_table(table)
            count += len(table)
    return count


@contextmanager
def _writer(out: BinaryIO, form: pa.Schema) -> Iterator[pq.ParquetWriter]:
    with pq.ParquetWriter(out, form, compression="zstd", write_page_checksum=True, version="2.6") as writer:
        yield writer


def _schema(columns: Columns) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, kind, metadata={"unit": unit, "meaning": words})
            for name, (kind, unit, words) in columns.items()
        ]
    )


def _words(numbers: pa.ChunkedArray, word: Callable[[int], str]) -> pa.Array:
    coded = numbers.combine_chunks().dictionary_encode()
    return pa.array([word(one) for one in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _same(value: str | int, size: int) -> pa.Array:
    return pa.repeat(value, size)
