"""The mapping file of an import: what each column of a foreign file means. Nothing that could be read in two ways is
guessed: the form of times, their zone, the decimal mark and the unit are said, or it is a fault with its line.
"""

import codecs
import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from drivers.record import Reason, Tag, reasons_of
from monitor.plant import Settings
from monitor.settings.reader import Reader, SettingsError, nearest
from monitor.settings.shapes import Table
from monitor.shipped import shipped_folder
from monitor.transfer.dates import ANY

ENCODINGS = ("utf-8", "cp1252", "iso-8859-1", "iso-8859-15", "cp850", "utf-16")
CMMS = "maps/cmms"  # below the folder of what comes with handwheel
ZONED = ("epoch_s", "epoch_ms")  # forms of time that need no zone
QUALITIES: Mapping[str, Reason] = {  # what OPC UA's own fall-back by severity is (drivers.opcua.status)
    "good": Reason.OK,
    "uncertain": Reason.SPEC,
    "bad": Reason.EXCEPTION,
}


class FileTable(Table):
    format: Literal["csv", "parquet"] = "csv"
    encoding: str = "utf-8"
    separator: Literal[",", ";", "\t", "|"] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ".", ",", " ", "'"] = ""
    skip_lines: int = Field(0, ge=0, le=1_000)


class TimeTable(Table):
    column: str | None = None
    columns: list[str] = Field(default_factory=list, max_length=4)
    form: str = Field(min_length=1, max_length=60)
    zone: str | None = None
    twice: Literal["refuse", "first", "second", "in_order"] = "refuse"


class LongTable(Table):
    tag: str
    value: str
    quality: str | None = None
    detail: str | None = None


class MissingTable(Table):
    none: list[str] = Field(default_factory=lambda: [""], max_length=100)  # no sample stands there
    bad: list[str] = Field(default_factory=list, max_length=100)  # a sample of which the value was lost


class QualityTable(Table):
    opc: bool = False  # status codes of OPC UA, decimal or 0x...
    words: dict[str, str] = Field(default_factory=dict)


class TagTable(Table):
    origin: str = Field(alias="from", min_length=1)
    to: str
    unit: str
    factor: float = 1.0
    offset: float = 0.0
    text: bool = False


class ValuesFile(Table):
    file: FileTable
    time: TimeTable
    long: LongTable | None = None  # a row per sample; without it a column per tag
    missing: MissingTable = MissingTable()
    quality: QualityTable = QualityTable()
    tag: list[TagTable] = Field(min_length=1, max_length=20_000)


class RecordsFile(Table):
    base: str = ""  # a mapping that comes with handwheel: what this file says is laid over it
    file: FileTable
    time: TimeTable
    columns: dict[str, str | list[str]] = Field(min_length=1)  # field of the entry -> heading, or those it may have
    optional: list[str] = Field(default_factory=list)  # fields whose column a file need not have
    fixed: dict[str, str | bool] = Field(default_factory=dict)  # field -> the same for each row
    words: dict[str, dict[str, str | bool]] = Field(default_factory=dict)  # field -> their word -> ours
    units: dict[str, str] = Field(default_factory=dict)  # field -> unit behind the number


@dataclass(frozen=True, slots=True)
class Target:
    """Where the values of one foreign name go."""

    tag: Tag
    site: str
    factor: float
    offset: float
    text: bool
    unit: str  # of the file


@dataclass(frozen=True, slots=True)
class Times:
    """How the file writes times."""

    columns: tuple[str, ...]
    form: str
    zone: ZoneInfo | None
    twice: str


@dataclass(frozen=True, slots=True)
class ValueMapping:
    """A mapping that was read and proved."""

    file: FileTable
    times: Times
    long: LongTable | None
    missing: frozenset[str]
    lost: frozenset[str]
    qualities: Mapping[str, Reason]
    opc: bool
    targets: Mapping[str, Target]
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordMapping:
    """The same for records."""

    file: FileTable
    times: Times
    columns: Mapping[str, tuple[str, ...]]  # field -> headings, of which a file has one
    fixed: Mapping[str, str | bool]
    words: Mapping[str, Mapping[str, str | bool]]
    units: Mapping[str, str]
    sha256: str
    optional: frozenset[str] = frozenset()
    own: bool = False  # of our own making: lines that begin with # are comments, texts may be guarded
    utc: frozenset[str] = frozenset()  # fields whose times are UTC where they name no zone
    number: str | None = None  # heading of the number that each row had in the ledger it comes from


def load_values(path: Path, settings: Settings) -> ValueMapping:
    """The mapping of a file of samples. Raises SettingsError with a line for each fault."""
    reader = Reader(path.parent)
    told = reader.table(ValuesFile, reader.toml(path.name), path.name)
    if told is None:
        raise SettingsError(reader.faults)
    times = _times(reader, path.name, told.file, told.time)
    _file(reader, path.name, told.file)
    qualities = {}
    for word, ours in told.quality.words.items():
        try:
            qualities[word] = QUALITIES[ours] if ours in QUALITIES else reasons_of([ours])
        except KeyError:
            known = [*QUALITIES, *(one.words[0] for one in Reason if one)]
            reader.fault(path.name, ["quality", "words", word], f"{ours!r} is no quality{nearest(ours, known)}")
    if (told.quality.opc or told.quality.words) and not (told.long and told.long.quality):
        reader.fault(path.name, ["quality"], "no column holds it; name it in long.quality")
    targets = _targets(reader, path.name, told, settings)
    if reader.faults:
        raise SettingsError(reader.faults)
    return ValueMapping(
        told.file, times, told.long, frozenset(told.missing.none), frozenset(told.missing.bad), qualities,
        told.quality.opc, targets, _sha256(reader, path),
    )  # fmt: skip


def load_records(path: Path, fields: Mapping[str, bool], utility_zone: str = "UTC") -> RecordMapping:
    """The mapping of a file of records; `fields`: name -> whether it is needed. Zone "utility" is `utility_zone`."""
    reader = Reader(path.parent)
    table = reader.toml(path.name)
    below = ""
    if table is not None and (base := table.get("base")):
        found = shipped(str(base))
        if found is None:
            reader.fault(path.name, ["base"], f"{str(base)[:60]!r} is unknown{nearest(str(base), shipped_names())}")
            raise SettingsError(reader.faults)
        below = found.read_text("utf-8")
        table = _laid_over(tomllib.loads(below), table)
    told = reader.table(RecordsFile, table, path.name)
    if told is None:
        raise SettingsError(reader.faults)
    _file(reader, path.name, told.file)
    zoned = told.time.model_copy(update={"zone": utility_zone}) if told.time.zone == "utility" else told.time
    times = _times(reader, path.name, told.file, zoned, own_column=False)
    columns = {name: (one,) if isinstance(one, str) else tuple(one) for name, one in told.columns.items()}
    columns = {name: headings for name, headings in columns.items() if any(headings)}  # "" takes one of the base out
    for table_name in ("columns", "fixed", "words", "units"):
        for name in getattr(told, table_name):
            if name not in fields:
                reader.fault(path.name, [table_name, name], f"is no field of it{nearest(name, fields)}")
    for name, needed in fields.items():
        if needed and name not in columns and name not in told.fixed:
            reader.fault(path.name, ["columns"], f"{name} is missing; name its column, or give it in [fixed]")
        if needed and name in told.optional and name not in told.fixed:
            reader.fault(path.name, ["optional"], f"{name} is needed; take it out, or give it in [fixed] too")
    if reader.faults:
        raise SettingsError(reader.faults)
    sha256 = hashlib.sha256((reader.texts[path.name] + below).encode()).hexdigest()
    return RecordMapping(
        told.file, times, columns, told.fixed, told.words, told.units, sha256, frozenset(told.optional)
    )


def shipped_names() -> list[str]:
    """The mappings of records that come with handwheel."""
    return sorted(path.stem for path in (shipped_folder() / CMMS).glob("*.toml"))


def shipped(name: str) -> Path | None:
    """Where a mapping of records lies that comes with handwheel; None where there is none of this name."""
    return shipped_folder() / CMMS / f"{name}.toml" if name in shipped_names() else None


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One TOML table over another: tables join, all else is replaced."""
    joined = dict(below)
    for name, value in above.items():
        mine = joined.get(name)
        joined[name] = _laid_over(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return joined


def _file(reader: Reader, name: str, told: FileTable) -> None:
    if told.format == "parquet":
        return
    try:
        known = codecs.lookup(told.encoding).name in {codecs.lookup(one).name for one in ENCODINGS}
    except (LookupError, ValueError):
        known = False
    if not known:
        reader.fault(name, ["file", "encoding"], f"{told.encoding!r} is unknown; known: {', '.join(ENCODINGS)}")
    if told.separator is None:
        reader.fault(name, ["file"], 'separator is missing; say ",", ";", "|" or "\\t"')
    if told.decimal is None:
        reader.fault(name, ["file"], 'decimal is missing: 1,234 may be 1.234 or 1234; say "." or ","')
    if told.decimal and told.decimal == told.thousands:
        reader.fault(name, ["file", "thousands"], "is the decimal mark too; one of them is wrong")
    if told.separator == told.decimal:
        reader.fault(name, ["file", "decimal"], "is the separator too; one of them is wrong")


def _times(reader: Reader, name: str, file: FileTable, told: TimeTable, *, own_column: bool = True) -> Times:
    columns = tuple(told.columns) if told.columns else (told.column,) if told.column else ()
    if own_column and not columns:
        reader.fault(name, ["time"], "column is missing; name the column of the time, or columns = [date, time]")
    if told.column and told.columns:
        reader.fault(name, ["time"], "column and columns together; keep one of them")
    zone = None
    if told.zone is not None:
        try:
            zone = ZoneInfo(told.zone)
        except (KeyError, ValueError, OSError):
            reader.fault(name, ["time", "zone"], f"{told.zone!r} is unknown; write for example Europe/Berlin or UTC")
    if told.form not in ("iso", *((ANY,) if not own_column else ()), *ZONED) and "%" not in told.form:
        reader.fault(name, ["time", "form"], 'say "iso", "epoch_s", "epoch_ms" or a pattern like "%d.%m.%Y %H:%M:%S"')
    elif "%" in told.form and not any(f"%{one}" in told.form for one in "zZ") and told.zone is None:
        reader.fault(name, ["time"], "zone is missing: the form names none; say for example Europe/Berlin or UTC")
    elif "%" in told.form and "%y" in told.form:
        reader.fault(name, ["time", "form"], "a year of two digits is not taken; which century is not known")
    return Times(columns, told.form, zone, told.twice)


def _targets(reader: Reader, name: str, told: ValuesFile, settings: Settings) -> dict[str, Target]:
    tags = {tag.name: tag for tag in settings.tags}
    sites = {asset.id: asset.site for asset in settings.assets}
    targets: dict[str, Target] = {}
    for at, one in enumerate(told.tag):
        place: list[str | int] = ["tag", at]
        tag = tags.get(one.to)
        if tag is None:
            reader.fault(name, [*place, "to"], f"{one.to!r} is not configured{nearest(one.to, tags)}")
            continue
        if one.origin in targets:
            reader.fault(name, [*place, "from"], f"{one.origin!r} is there twice; remove one")
        if one.unit != tag.unit and (one.factor, one.offset) == (1.0, 0.0):
            reader.fault(
                name, [*place, "unit"],
                f"the file has {one.unit!r}, {tag.name} is in {tag.unit!r}: give factor (and offset), ours = theirs * "
                "factor + offset",
            )  # fmt: skip
        if one.factor == 0 or not math.isfinite(one.factor) or not math.isfinite(one.offset):
            reader.fault(name, [*place, "factor"], "must be a number other than 0")
        targets[one.origin] = Target(tag, sites[tag.asset], one.factor, one.offset, one.text, one.unit)
    return targets


def _sha256(reader: Reader, path: Path) -> str:
    return hashlib.sha256(reader.texts[path.name].encode()).hexdigest()
