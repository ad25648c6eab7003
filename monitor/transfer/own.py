"""Files in our own columns, from a template or an export, maybe through a spreadsheet: they need no mapping."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.plant import Settings
from monitor.settings.reader import nearest
from monitor.transfer.columns import STORED, TIMES, Recorded
from monitor.transfer.dates import ANY
from monitor.transfer.entries import HEAD
from monitor.transfer.mapping import ENCODINGS, FileTable, RecordMapping, Times
from monitor.words import clean

PROVENANCE = ("import", "line", "file_sha256")  # what an entry that was brought in says of where it comes from
_IGNORED = (*HEAD, *PROVENANCE, "feed", "raw_sha256", "clear_at", "may_have_waited")
_LOOKED_AT = 1_000_000  # bytes


def own_mapping(path: Path, what: str, of: Recorded, settings: Settings, encoding: str | None) -> RecordMapping:
    """What the headings of such a file say by themselves. Raises UserError where they are not ours."""
    text = _start(path, encoding)
    line = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=line.count)
    try:
        headings = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        headings = []
    found, utc, number = _fields(headings, of)
    missing = [name for name, needed in of.fields.items() if needed and name not in found]
    if missing:
        words = "none of its headings is one of ours; say with --map what its columns mean"
        if found:
            near = nearest(missing[0], headings)
            words = f"column {', '.join(missing)} is missing{near}; see handwheel import template {what}, or give --map"
        raise UserError(f"{clean(path)}: line 1: {words}")
    decimal = "," if separator != "," else "."
    file = FileTable(encoding=encoding or "utf-8", separator=separator, decimal=decimal)  # type: ignore[arg-type]
    times = Times((), ANY, ZoneInfo(settings.time_zone), "refuse")
    said = repr((sorted(found.items()), separator, decimal, encoding, settings.time_zone))
    sha256 = hashlib.sha256(said.encode()).hexdigest()
    columns = {field: (heading,) for field, heading in found.items()}
    return RecordMapping(
        file, times, columns, {}, {}, {}, sha256, frozenset(of.fields), own=True, utc=frozenset(utc), number=number
    )


def _start(path: Path, encoding: str | None) -> str:
    if encoding is not None and encoding not in ENCODINGS:
        raise UserError(f"--encoding {clean(encoding, 20)}: unknown; known: {', '.join(ENCODINGS)}")
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except OSError as fault:
        raise UserError(f"{clean(path)}: cannot be read ({fault.strerror}); mend its name or its rights") from fault
    if encoding is None and start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{clean(path)}: is UTF-16, as Excel's Unicode text; add --encoding utf-16")
    cut = start if len(start) < _LOOKED_AT else start.rpartition(b"\n")[0]
    try:
        return cut.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        line = cut[: fault.start].count(b"\n") + 1
        words = f"is not {encoding or 'UTF-8'}; if Excel on Windows wrote it, add --encoding cp1252"
        raise UserError(f"{clean(path)}: line {line}: {words}") from None


def _fields(headings: Sequence[str], of: Recorded) -> tuple[dict[str, str], set[str], str | None]:
    """(field -> heading, fields whose times are UTC, heading of the old number)."""
    names: Mapping[str, str] = {field: field for field in of.fields} | {there: ours for ours, there in STORED.items()}
    dated = of.at[0] if of.at[0] in of.fields else ""
    found: dict[str, str] = {}
    utc, number = set(), None
    for heading in headings:
        name = heading.strip().lstrip("\ufeff").lower().replace(" ", "_")
        if name == "at_utc" and dated and dated not in found:
            found[dated] = heading.strip()
            utc.add(dated)
        elif name in names and names[name] in of.fields:
            found[names[name]] = heading.strip()
            utc.discard(names[name])
        elif name == "n":
            number = heading.strip()
    return found, utc, number


def is_comment(raw: str) -> bool:
    """Whether a line of a file of ours is one: it begins with # in its first cell."""
    return raw.lstrip("\ufeff \"'").startswith("#")


def strange(headings: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The headings that mean nothing here."""
    known = {*taken, *_IGNORED}
    return [one for one in headings if one not in taken and one.lower() not in known]


def times_of(of: Recorded) -> list[str]:
    """The fields of a record that are times."""
    return [one.name for one in of.columns if one.form in (TIMES, "day")]
