"""`handwheel export ledger` and its kinds: entries as CSV or as JSON lines. What was erased is told, not left out."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from monitor.ledger import Record, entries
from monitor.reports.sheet import guarded
from monitor.sqlite_file import reading
from monitor.state import State
from monitor.transfer.sheets import Dialect
from monitor.words import local_text, utc_text

KINDS_OF: Mapping[str, tuple[str, ...]] = {  # what is asked for -> kinds of entries
    "findings": ("finding",),
    "work_orders": ("work_order",),
    "alerts": ("vendor_alert",),
    "own_alerts": ("own_alert",),
    "decisions": ("decision",),
    "failures": ("failure",),
    "events": ("event",),
    "costs": ("cost",),
}
HEAD: Mapping[str, str] = {  # the columns that each entry has, and what they mean
    "n": "number of the entry in the chain",
    "at_utc": "when it was entered, or when it happened where it was brought in afterwards (via import), UTC",
    "at_local": "the same in local time with its offset",
    "kind": "what kind of entry",
    "role": "in the name of which role; no person is recorded",
    "via": "by which way it came",
    "site": "site",
    "asset": "asset",
    "component": "component of the asset",
    "erased": "true: its body was erased under a rule, only number and digest are left",
}
_QUANTITY = re.compile(r"-?[0-9]+\.[0-9]+ [^\s.]{1,12}")
_WORDS = ("text", "cause", "note", "reason", "why", "words", "version")  # what people or programs said stays as it was
_FLUSH_AT = 1 << 20  # characters


class Counted:
    """Entries of these kinds and this time as a stream; counts those that were erased, whose kind nobody knows."""

    def __init__(self, state: State, kinds: Sequence[str] | None, span: tuple[int, int] | None) -> None:
        """`span` is start_us <= at < end_us; None: from the first to the last."""
        self._state, self._kinds, self._span = state, kinds, span
        self.rows = self.erased = 0

    def __iter__(self) -> Iterator[Record]:
        self.rows, self.erased = 0, _erased(self._state)
        start_us, end_us = self._span or (None, None)
        for one in entries(self._state, self._kinds, start_us, end_us):
            self.rows += 1
            yield one


def _erased(state: State) -> int:
    try:
        with reading(state.bodies) as db:
            return int(db.execute("SELECT count(*) FROM body WHERE body IS NULL").fetchone()[0])
    except FileNotFoundError:
        return 0


def write_lines(out: BinaryIO, found: Counted) -> None:
    """One JSON object per line."""
    for one in found:
        out.write(json.dumps(as_json(one), ensure_ascii=False).encode() + b"\n")


def as_json(one: Record) -> dict[str, Any]:
    """An entry as a line of JSON tells it; of an erased one only its number is left."""
    return {
        "n": one.n, "kind": one.kind, "at": None if one.erased else utc_text(one.at_us), "role": one.role,
        "via": one.via, "site": one.site, "asset": one.asset, "component": one.component, "data": dict(one.data),
        "erased": one.erased,
    }  # fmt: skip


def write_csv(out: BinaryIO, found: Counted, dialect: Dialect, zone: ZoneInfo) -> None:
    """A column for each field that any of the entries has; what is nested stands as JSON in its cell."""
    names: dict[str, None] = {}
    for one in found:
        names.update(dict.fromkeys(one.data))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=dialect.separator, lineterminator="\r\n")
    writer.writerow([*HEAD, *(guarded(f"data.{name}" if name in HEAD else name) for name in names)])
    out.write(dialect.mark)
    for one in found:
        at = [None, None] if one.erased else [_utc(one.at_us, dialect), _local(one.at_us, dialect, zone)]
        head = [one.n, *at, one.kind, one.role, one.via, one.site, one.asset, one.component, one.erased]
        data = [_quantity(one.data.get(name), dialect) if name not in _WORDS else one.data.get(name) for name in names]
        writer.writerow([_cell(value, dialect) for value in (*head, *data)])
        if buffer.tell() > _FLUSH_AT:
            _flush(buffer, out)
    _flush(buffer, out)


def _flush(buffer: io.StringIO, out: BinaryIO) -> None:
    out.write(buffer.getvalue().encode())
    buffer.seek(0)
    buffer.truncate()


def _utc(us: int, dialect: Dialect) -> str:
    text = utc_text(us)
    if not dialect.day_first:
        return text
    return f"{text[8:10]}.{text[5:7]}.{text[:4]} {text[11:23].replace('.', ',')}"


def _local(us: int, dialect: Dialect, zone: ZoneInfo) -> str:
    """Local time with its offset. A date that Excel reads cannot carry it: in the German dialect it is a text."""
    text = local_text(us, zone, "%d.%m.%Y %H:%M:%S" if dialect.day_first else "%Y-%m-%dT%H:%M:%S")
    return text if dialect.day_first else text.replace(" ", "")


def _quantity(value: object, dialect: Dialect) -> object:
    """A number with its unit has the decimal mark of its sheet."""
    if dialect.comma and isinstance(value, str) and _QUANTITY.fullmatch(value):
        return value.replace(".", ",", 1)
    return value


def _cell(value: object, dialect: Dialect) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).replace(".", ",") if dialect.comma else repr(value)
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return guarded(value) if isinstance(value, str) else value
