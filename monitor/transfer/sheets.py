"""Tables as text that every spreadsheet reads and none is tricked by: RFC 4180, in two dialects.

Text that a spreadsheet would take for a formula gets an apostrophe before it. Numbers stay numbers, so -3.2 is safe.
The German dialect has semicolons, decimal commas, a mark of UTF-8 at its beginning, and dates as Excel reads them; as
no such date can carry an offset, the offset has a column of its own. Columns are made as a whole: a day has millions of
rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.historian.parquet import TIME

_FORMULA = r"^ *[=+\-@|\t\r\n＝＋－＠]"
_NUMBER = r"^-?[0-9]+$"  # an integer beyond 2**53 is kept as text and is a number all the same
_QUARTER_MS = 900_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV is written."""

    separator: str
    comma: bool  # the decimal mark
    mark: bytes  # what the file begins with
    day_first: bool  # 23.11.2026 13:22:05,800 instead of 2026-11-23T13:22:05.800


PLAIN = Dialect(",", False, b"", False)
EXCEL: dict[str, Dialect] = {
    "de": Dialect(";", True, b"\xef\xbb\xbf", True),
    "en": Dialect(",", False, b"\xef\xbb\xbf", False),
}


def head_bytes(names: Sequence[str], dialect: Dialect) -> bytes:
    """The first line."""
    return dialect.mark + dialect.separator.join(names).encode() + b"\r\n"


def rows_bytes(columns: Sequence[pa.Array | pa.ChunkedArray], dialect: Dialect) -> bytes:
    """The lines of these columns (all texts, made by the functions below); null is an empty cell."""
    flat = [pc.fill_null(_flat(column), "") for column in columns]
    if not len(flat[0]):
        return b""
    lines = pc.binary_join_element_wise(*flat, dialect.separator)
    lines = pc.binary_join_element_wise(lines, "\r\n", "")
    return b"".join(_buffer(chunk) for chunk in (lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]))


def text_cells(column: pa.Array | pa.ChunkedArray, dialect: Dialect) -> pa.Array:
    """Foreign text: no formula, quoted where it must be. Few texts stand for many rows, so each is made once."""
    coded = _flat(column).dictionary_encode()
    words = coded.dictionary.cast(pa.string())
    risky = pc.and_(pc.match_substring_regex(words, _FORMULA), pc.invert(pc.match_substring_regex(words, _NUMBER)))
    words = pc.if_else(risky, pc.binary_join_element_wise("'", words, ""), words)
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(words, '"', '""'), '"', "")
    special = pc.match_substring_regex(words, rf'[{dialect.separator}"\r\n]|^\s|\s$')
    return pa.DictionaryArray.from_arrays(coded.indices, pc.if_else(special, quoted, words)).dictionary_decode()


def number_cells(column: pa.Array | pa.ChunkedArray, dialect: Dialect) -> pa.Array:
    """Numbers with all digits that they have (the shortest text that reads back the same)."""
    text = pc.cast(_flat(column), pa.string())
    return pc.replace_substring(text, ".", ",") if dialect.comma else text


def time_cells(column: pa.Array | pa.ChunkedArray, zone: ZoneInfo | None, dialect: Dialect) -> list[pa.Array]:
    """Times [ms] in UTC (`zone` None) or local with offset: one column, in the German dialect two for local time."""
    ms = _flat(column).cast(pa.int64())
    if zone is None:
        text = _clock(ms, dialect)
        return [text if dialect.day_first else pc.binary_join_element_wise(text, "Z", "")]
    local, offsets = local_ms(ms, zone)
    text = _clock(local, dialect)
    if dialect.day_first:
        return [text, pc.binary_join_element_wise("UTC", offsets, "")]
    return [pc.binary_join_element_wise(text, offsets, "")]


def local_ms(ms: pa.Array, zone: ZoneInfo) -> tuple[pa.Array, pa.Array]:
    """(local time [ms] as a clock on the wall shows it, offset as "+01:00") of times in UTC [ms]."""
    given = pc.fill_null(ms, 0).to_numpy(zero_copy_only=False)
    quarters, place = np.unique(given // _QUARTER_MS, return_inverse=True)
    shown = [datetime.fromtimestamp(one * _QUARTER_MS / 1000, UTC).astimezone(zone) for one in quarters.tolist()]
    seconds = np.array([int((one.utcoffset() or UTC.utcoffset(None)).total_seconds()) for one in shown], np.int64)
    words = pa.array([f"{one:%z}"[:3] + ":" + f"{one:%z}"[3:5] for one in shown], pa.string())
    none = pc.is_null(ms).to_numpy(zero_copy_only=False)
    local = pa.array(given + 1000 * seconds[place], mask=none)
    taken = words.take(pa.array(place, mask=none))
    return local, taken


def _clock(ms: pa.Array, dialect: Dialect) -> pa.Array:
    text = ms.cast(TIME).cast(pa.timestamp("ms")).cast(pa.string())  # 2026-11-23 13:22:05.800
    if not dialect.day_first:
        return pc.replace_substring(text, " ", "T")
    year, month, day, rest = (pc.utf8_slice_codeunits(text, *span) for span in ((0, 4), (5, 7), (8, 10), (10, 23)))
    joined = pc.binary_join_element_wise(day, month, year, ".")
    return pc.binary_join_element_wise(joined, pc.replace_substring(rest, ".", ","), "")


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _buffer(lines: pa.Array) -> bytes:
    """The values of a text array as they lie in memory, one after the other."""
    width = np.int64 if pa.types.is_large_string(lines.type) else np.int32
    ends = np.frombuffer(lines.buffers()[1], width)[lines.offset : lines.offset + len(lines) + 1]
    return bytes(memoryview(lines.buffers()[2])[int(ends[0]) : int(ends[-1])])
