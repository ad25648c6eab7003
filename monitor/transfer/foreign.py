"""Foreign files read row by row, whatever they hold: a bad line costs itself, never its neighbours, and memory stays
bounded. Archives are not opened.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from drivers.errors import UserError
from monitor.transfer.mapping import FileTable
from monitor.words import clean

LINE_LIMIT = 1_000_000  # characters of one line
COLUMNS_LIMIT = 20_000
RAW_LIMIT = 4_000  # characters of a line that are kept to be shown
_ROWS = 16_384  # of a Parquet file at once
_GROUP_LIMIT = 2 << 30  # bytes that a row group says that it needs
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"SQLi": "a database",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a foreign file: its line, and its cells or the reason why it has none."""

    line: int
    cells: Sequence[Any]
    fault: str = ""
    raw: str = ""


class Foreign:
    """A file that is open: its headings, then its rows."""

    def __init__(self, path: Path, told: FileTable) -> None:
        """Raises UserError in one line where it cannot be read at all."""
        self.path, self._told = path, told
        try:
            with path.open("rb") as file:
                start = file.read(8)
            self.size = path.stat().st_size
        except OSError as fault:
            raise UserError(f"{clean(path)}: cannot be read ({fault.strerror}); mend its name or its rights") from fault
        for magic, words in _MAGIC.items():
            if start.startswith(magic):
                raise UserError(f"{clean(path)}: is {words}; unpack it, or save it as CSV (UTF-8), and import that")
        if (start[:4] == b"PAR1") != (told.format == "parquet"):
            raise UserError(f"{clean(path)}: is not {told.format}; mend file.format in the mapping")
        self.before = 0 if told.format == "parquet" else told.skip_lines + 1  # lines up to the headings
        self.blank = 0  # lines so far
        self.done = 0  # bytes or rows so far, out of `total`
        self.total = self.size
        self._parquet = self._open_parquet() if told.format == "parquet" else None
        self.head = self._parquet.schema_arrow.names if self._parquet else self._csv_head()

    def column(self, name: str, where: str) -> int:
        """The place of a heading. Raises UserError that names the headings there are."""
        found = [at for at, one in enumerate(self.head) if one == name]
        if len(found) != 1:
            word = "has no column" if not found else "has several columns"
            shown = ", ".join(clean(one, 30) for one in self.head[:20])
            raise UserError(f"{clean(self.path)}: {word} {clean(name, 60)!r} ({where}); there are: {shown}")
        return found[0]

    def rows(self) -> Iterator[Row]:
        """The rows in the order of the file."""
        return self._parquet_rows(self._parquet) if self._parquet else self._csv_rows()

    def _text(self) -> TextIO:
        plain = codecs.lookup(self._told.encoding).name == "utf-8"
        encoding = "utf-8-sig" if plain else self._told.encoding
        return io.TextIOWrapper(self.path.open("rb"), encoding, errors="replace", newline="")

    def _csv_head(self) -> list[str]:
        with self._text() as file:
            for number in range(self._told.skip_lines + 1):
                line = file.readline(LINE_LIMIT)
                if not line or (number == self._told.skip_lines and not line.strip()):
                    raise UserError(f"{clean(self.path)}: line {number + 1}: no headings there; see file.skip_lines")
        cells, fault = self._cells(line)
        if fault or len(line) >= LINE_LIMIT or len(cells) > COLUMNS_LIMIT:
            why = fault or f"more than {COLUMNS_LIMIT} columns or {LINE_LIMIT} characters"
            raise UserError(f"{clean(self.path)}: line {self._told.skip_lines + 1}: the headings cannot be read: {why}")
        return [one.strip() for one in cells]

    def _csv_rows(self) -> Iterator[Row]:
        with self._text() as file:
            number = 0
            while line := file.readline(LINE_LIMIT):
                number += 1
                too_long = len(line) >= LINE_LIMIT and not line.endswith(("\n", "\r"))
                while too_long and (more := file.readline(LINE_LIMIT)) and not more.endswith(("\n", "\r")):
                    pass
                self.done = file.buffer.tell()
                if number <= self.before:
                    continue
                if not line.strip():
                    self.blank += 1
                    continue
                if too_long:
                    yield Row(number, (), f"longer than {LINE_LIMIT} characters", line[:80])
                    continue
                cells, fault = self._cells(line)
                if not fault and len(cells) != len(self.head):
                    fault = f"has {len(cells)} columns, the headings are {len(self.head)}"
                yield Row(number, () if fault else cells, fault, line.rstrip("\r\n")[:RAW_LIMIT])

    def _cells(self, line: str) -> tuple[list[str], str]:
        if "\0" in line:
            return [], "holds a NUL byte"
        if "\ufffd" in line:
            return [], f"is not {self._told.encoding}; see file.encoding in the mapping"
        try:
            return next(csv.reader([line], delimiter=self._told.separator or ",", strict=True)), ""
        except (csv.Error, StopIteration) as fault:
            return [], f"is not CSV ({fault}); a quote must end on its line"

    def _open_parquet(self) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(self.path, page_checksum_verification=True)
            names = file.schema_arrow.names
        except (OSError, pa.ArrowException, ValueError) as fault:
            raise UserError(f"{clean(self.path)}: is not Parquet that can be read ({clean(fault, 120)})") from fault
        if len(names) > COLUMNS_LIMIT:
            raise UserError(f"{clean(self.path)}: has {len(names)} columns, at most {COLUMNS_LIMIT} are taken")
        for group in range(file.num_row_groups):
            if file.metadata.row_group(group).total_byte_size > _GROUP_LIMIT:
                raise UserError(f"{clean(self.path)}: row group {group} is larger than 2 GB; write it in smaller ones")
        self.total = file.metadata.num_rows
        return file

    def _parquet_rows(self, file: pq.ParquetFile) -> Iterator[Row]:
        nested = [one.name for one in file.schema_arrow if pa.types.is_nested(one.type)]
        names = [name for name in self.head if name not in nested]
        for name in nested:
            self.head[self.head.index(name)] = f"{name} (nested, not taken)"
        places = [self.head.index(name) for name in names]
        number = 0
        blank: list[Any] = [None] * len(self.head)
        batches = file.iter_batches(_ROWS, columns=names)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException, ValueError) as fault:
                yield Row(number + 1, (), f"from here on it cannot be read: {clean(fault, 120)}")
                return
            if batch is None:
                return
            columns = [_plain(batch.column(at)) for at in range(len(names))]
            for cells in zip(*columns, strict=True):
                number += 1
                row = blank.copy()
                for place, cell in zip(places, cells, strict=True):
                    row[place] = cell
                self.done = number
                yield Row(number, row)


def _plain(column: pa.Array) -> list[Any]:
    """Python values; times as UTC [us] where they have a zone, else naive."""
    if pa.types.is_timestamp(column.type):
        us = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        if column.type.tz is not None:
            return [None if one is None else Utc(one) for one in us.cast(pa.int64()).to_pylist()]
        return [None if one is None else one for one in us.to_pylist()]
    return list(column.to_pylist())


@dataclass(frozen=True, slots=True)
class Utc:
    """A moment that a typed file tells by itself [us]."""

    us: int
