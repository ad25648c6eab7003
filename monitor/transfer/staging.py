"""What an import would bring, decoded and put down in a folder of its own before anything is recorded.

STATE/imports/ID/ holds rows.parquet (samples in the order of the file) or entries.jsonl (records), rejects.csv, and
facts.json, which is written last: a folder without it is not finished and is never taken in.
"""

import csv
import hashlib
import json
import math
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from drivers.errors import UserError
from drivers.record import Quality, Reason, quality_of
from monitor.historian.parquet import DAY_MS, TIME, day_of
from monitor.progress import Tell, Work, silent
from monitor.reports.sheet import guarded
from monitor.state import atomic_write
from monitor.transfer.decoding import Decoded, Decoder, Refused, Strange
from monitor.transfer.foreign import Foreign, Row
from monitor.transfer.mapping import ValueMapping
from monitor.transfer.times import HOUR_US
from monitor.words import clean

ROWS = pa.schema(
    [
        pa.field("tag", pa.string(), nullable=False), pa.field("receive_ms", TIME, nullable=False),
        pa.field("value", pa.float64()), pa.field("exact", pa.string()),
        pa.field("reasons", pa.uint32(), nullable=False), pa.field("detail", pa.string()),
    ]
)  # fmt: skip
_AT_ONCE = 65_536  # rows
_SHOWN = 5
_HOLES = 1_000
_STRANGE_LIMIT = 1_000  # names that are counted apart


@dataclass(slots=True)
class Span:
    """What would come in of one tag."""

    rows: int = 0
    outside: int = 0  # of them outside of what the tag can be
    marks: int = 0  # of them numbers that stand for none
    least: float = math.inf  # of both
    most: float = -math.inf
    first_us: int = 2**62
    last_us: int = -(2**62)
    gap_us: int = 0  # the longest time between two neighbours in the order of the file
    gap_at_us: int = 0
    before_us: int | None = None
    step_us: int = 0  # the last time between two neighbours
    holes: list[tuple[int, int]] = field(default_factory=list)  # from, to: where about an hour is missing

    def add(self, at_us: int, value: float | None = None, reasons: Reason = Reason.OK) -> None:
        self.rows += 1
        self.outside += Reason.OUT_OF_RANGE in reasons
        self.marks += Reason.SENTINEL in reasons
        if value is not None and reasons & (Reason.OUT_OF_RANGE | Reason.SENTINEL):
            self.least, self.most = min(self.least, value), max(self.most, value)
        self.first_us, self.last_us = min(self.first_us, at_us), max(self.last_us, at_us)
        if self.before_us is not None and at_us > self.before_us:
            gap_us = at_us - self.before_us
            if gap_us > self.gap_us:
                self.gap_us, self.gap_at_us = gap_us, self.before_us
            if HOUR_US < gap_us <= HOUR_US + 1.5 * self.step_us and len(self.holes) < _HOLES:
                self.holes.append((self.before_us, at_us))
            self.step_us = gap_us
        self.before_us = at_us


@dataclass(slots=True)
class Found:
    """What a file holds."""

    rows: int = 0  # samples or entries that can come in
    rejected: int = 0  # cells or lines that cannot
    qualities: Counter[Quality] = field(default_factory=Counter)  # of the samples
    before: int = 0  # lines up to the headings; each line of the file is in one of these counts
    blank: int = 0
    whole: int = 0  # all that stands in it comes in
    part: int = 0  # some of it
    refused: int = 0  # nothing of it
    empty: int = 0  # no value stands in it
    unknown: int = 0  # of a name that the mapping does not have
    spans: dict[str, Span] = field(default_factory=dict)
    days: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    unmapped: list[str] = field(default_factory=list)  # headings that nothing maps
    shown: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)  # of records: what each was taken for
    remarks: list[str] = field(default_factory=list)  # of records: what is odd, with its lines

    @property
    def lines(self) -> int:
        """Lines of the file; of Parquet its rows."""
        return self.before + self.blank + self.whole + self.part + self.refused + self.empty + self.unknown


class Rejects:
    """rejects.csv: each line that did not come in, with its reason; made when the first one comes."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._file: TextIO | None = None

    def add(self, row: Row, why: str) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            self._file.write("line,why,text\r\n")
        raw = row.raw or ";".join("" if cell is None else str(cell) for cell in row.cells)
        csv.writer(self._file, lineterminator="\r\n").writerow([row.line, guarded(why), guarded(clean(raw, 4_000))])
        self.count += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Unfit(UserError):
    """A staged import that can never be taken in as it was recorded."""


def new_id() -> str:
    """The name of an import."""
    return secrets.token_hex(8)


def stage_values(path: Path, told: ValueMapping, folder: Path, now_us: int, show: Any, tell: Tell = silent) -> Found:
    """Decode a file of samples into `folder`; `show` makes the words of one decoded sample. Raises UserError."""
    file = Foreign(path, told.file)
    decoder = Decoder(file, told, now_us)
    found = Found(unmapped=decoder.strange)
    rejects = Rejects(folder / "rejects.csv")
    columns: dict[str, list[Any]] = {name: [] for name in ROWS.names}
    with (
        pq.ParquetWriter(folder / "rows.parquet", ROWS, compression="zstd", write_page_checksum=True) as writer,
        Work(clean(path.name, 40), file.total, tell) as work,
    ):
        try:
            for row in file.rows():
                work.add(max(file.done - work.done, 0))
                rows, rejected, strange = found.rows, found.rejected, False
                for one in decoder.decode(row):
                    if isinstance(one, Decoded):
                        _take(found, columns, one)
                        if len(found.shown) < _SHOWN:
                            found.shown.append(f"line {row.line}: {show(one)}")
                    elif isinstance(one, Strange):
                        strange = True
                        name = one.name if one.name in found.strange or len(found.strange) < _STRANGE_LIMIT else "..."
                        found.strange[name] += 1
                        rejects.add(row, f"{clean(one.name, 60)!r} is not in the mapping; add a [[tag]] for it")
                    else:
                        _refuse(found, rejects, row, one)
                if strange:
                    found.unknown += 1
                elif found.rejected > rejected:
                    found.part += found.rows > rows
                    found.refused += found.rows == rows
                elif found.rows > rows:
                    found.whole += 1
                else:
                    found.empty += 1
                    rejects.add(row, "no value stands there; see [missing] in the mapping")
                if len(columns["tag"]) >= _AT_ONCE:
                    writer.write_table(_table(columns))
            if columns["tag"]:
                writer.write_table(_table(columns))
        finally:
            rejects.close()
    found.before, found.blank = file.before, file.blank
    return found


def _refuse(found: Found, rejects: Rejects, row: Row, one: Refused) -> None:
    rejects.add(row, one.why)
    found.rejected += 1
    if len(found.faults) < _SHOWN:
        found.faults.append(f"line {row.line}: {one.why}")


def _take(found: Found, columns: Mapping[str, list[Any]], one: Decoded) -> None:
    name, at_ms = one.target.tag.name, one.at_us // 1000
    found.rows += 1
    found.spans.setdefault(name, Span()).add(one.at_us, one.value, one.reasons)
    found.qualities[quality_of(one.reasons)] += 1
    found.days[day_of(at_ms // DAY_MS * DAY_MS)] += 1
    row = (name, at_ms, one.value, one.exact, int(one.reasons), one.detail or None)
    for column, cell in zip(columns.values(), row, strict=True):
        column.append(cell)


def _table(columns: Mapping[str, list[Any]]) -> pa.Table:
    made = [
        pa.array(cells, pa.int64()).cast(TIME) if form.type == TIME else pa.array(cells, form.type)
        for cells, form in zip(columns.values(), ROWS, strict=True)
    ]
    for cells in columns.values():
        cells.clear()
    return pa.table(made, schema=ROWS)


@dataclass(frozen=True, slots=True)
class Facts:
    """facts.json: what the ledger is told of an import, and how its rows lie over the days."""

    id: str
    kind: str  # values, or what kind of records
    file: str
    sha256: str
    mapping_sha256: str
    rows: int
    rejected: int
    rows_sha256: str  # of rows.parquet or entries.jsonl
    start: str | None
    end: str | None
    days: Mapping[str, int]
    answers: str = ""  # what a person said of what could be read in two ways

    def entry(self) -> dict[str, Any]:
        """The data of the ledger's entry."""
        told = asdict(self)
        return {name: value for name, value in told.items() if name != "days" and (name, value) != ("answers", "")}


def write_facts(folder: Path, facts: Facts) -> None:
    """The last file of a folder."""
    atomic_write(folder / "facts.json", json.dumps(asdict(facts), ensure_ascii=False))


def read_facts(folder: Path) -> Facts:
    """Raises Unfit where the folder is not one that was finished, or says what cannot be."""
    try:
        told = json.loads((folder / "facts.json").read_text("utf-8"))
        facts = Facts(**told)
        if facts.id != folder.name or not isinstance(facts.days, dict) or not isinstance(facts.rows, int):
            raise ValueError("of another import")
        return facts
    except (OSError, ValueError, TypeError, RecursionError) as fault:
        raise Unfit(f"{clean(folder)}: cannot be taken in ({clean(fault, 120)}); import the file again") from fault


def prove(path: Path, sha256: str) -> None:
    """Raises Unfit where a staged file is not the one that was recorded."""
    if path.is_symlink() or not path.is_file() or digest(path) != sha256:
        raise Unfit(f"{path}: was changed since it was recorded; nothing of it is taken in, import the file again")


def digest(path: Path) -> str:
    """SHA-256 [hex] of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def staged(root: Path) -> Iterator[Path]:
    """The folders of imports that were finished, the oldest first."""
    found = [path.parent for path in root.glob("*/facts.json")]
    yield from sorted(found, key=lambda folder: (folder / "facts.json").stat().st_mtime_ns)
