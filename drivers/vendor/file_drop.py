"""Vendor alerts that arrive as files: JSON, JSON lines, CSV and e-mail, by the field mapping of their feed.

A file is taken in whole or not at all. One record that cannot be understood rejects its file with the reason, nothing
of it is used, and the file is kept as it came; mended and dropped again it gives the same alert ids, so nothing counts
twice. Only mapped fields are read: senders, signatures and whatever else a mail says of persons stay in the raw bytes.
Pure: whoever reads the file refuses one larger than LIMIT_BYTES by its size, before it is read.
"""

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from drivers.errors import AlertError
from drivers.record import SEVERITIES, Alert
from drivers.source import FeedSpec

LIMIT_BYTES: Final = 1_000_000
HEADER_LIMIT: Final = 4_000  # characters; the standard library takes minutes over a header of a megabyte
FIELDS: Final = (
    "alert_id", "asset", "component", "failure_mode", "severity",
    "issued_at", "text", "action", "horizon_days", "active",
)  # fmt: skip
_TAKEN_BACK: Final = ("false", "0", "no", "off", "cleared", "closed", "inactive")
_STILL: Final = ("true", "1", "yes", "on", "raised", "open", "active", "")

Fields = Mapping[str, Any]


def parse(raw: bytes, feed: FeedSpec, receive_us: int, name: str) -> list[Alert]:
    """The alerts in one dropped file, all of them or AlertError: one line that says what, where and what to do.

    `receive_us` is when the file came, UTC [us]; `name` is only used in messages. Each alert carries the whole file in
    `raw`. An alert without an id of its own gets one from its content.
    """
    if len(raw) > LIMIT_BYTES:
        raise AlertError(f"{name}: {len(raw):,} bytes are more than the {LIMIT_BYTES:,} that an alert file may have")
    try:
        records = list(_RECORDS[feed.format](raw))
    except KeyError:
        known = ", ".join(_RECORDS)
        raise AlertError(f"{name}: feed {feed.name}: format {feed.format!r} is unknown; known: {known}") from None
    except _Unreadable as error:
        raise AlertError(f"{name}: {error}; ask the vendor to send it again") from None
    if not records:
        raise AlertError(f"{name}: holds no alert; ask the vendor to send it again")
    digest = hashlib.sha256(raw).hexdigest()
    alerts = []
    for number, record in enumerate(records, 1):
        try:
            alerts.append(_Reader(record, feed).alert(receive_us, raw, digest))
        except _Unreadable as error:
            raise AlertError(f"{name}: record {number} of {len(records)}: {error}") from None
    double, times = Counter(alert.alert_id for alert in alerts).most_common(1)[0]
    if times > 1:
        raise AlertError(f"{name}: alert id {_said(double)} stands for two records; ask the vendor to send it again")
    return alerts


class _Unreadable(Exception):
    """What cannot be understood, in words; `parse` says where."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """One record of a file, read through the mapping of its feed."""

    record: Fields
    feed: FeedSpec

    def alert(self, receive_us: int, raw: bytes, digest: str) -> Alert:
        asset = self._needed("asset")
        if asset not in self.feed.assets:
            raise _Unreadable(f"asset {_said(asset)} is unknown; add it to [feed.assets] of feed {self.feed.name}")
        component = self._text("component")
        return Alert(
            alert_id=self._text("alert_id") or self._own_id(),
            origin="vendor",
            asset=self.feed.assets[asset],
            component=self.feed.components.get(component, component),
            failure_mode=self._text("failure_mode"),
            severity=self._severity(),
            text=self._needed("text"),
            received_us=receive_us,
            issued_us=self._issued_us(),
            vendor=self.feed.vendor,
            feed=self.feed.name,
            action=self._text("action"),
            horizon_days=self._horizon(),
            raw_sha256=digest,
            active=self._active(),
            raw=raw,
        )

    def _text(self, field: str) -> str:
        """The vendor's value for one of our fields as text; "" if it is not mapped or not there."""
        theirs = self.feed.fields.get(field)
        if theirs is None:
            return ""
        value: Any = self.record.get(theirs)
        if value is None and theirs not in self.record:
            value = self.record
            for part in theirs.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return ""
        if not isinstance(value, str | int | float):
            raise _Unreadable(f"{theirs} is neither text nor number")
        text = str(value).strip()
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _Unreadable(f"{theirs} holds half a character and cannot be stored as text")
        return text

    def _needed(self, field: str) -> str:
        text = self._text(field)
        if text:
            return text
        theirs = self.feed.fields.get(field)
        if theirs is None:
            raise _Unreadable(f"feed {self.feed.name} maps nothing to {field}; add it to [feed.fields]")
        raise _Unreadable(f"{theirs} is missing; ask the vendor to send it again")

    def _severity(self) -> str:
        theirs = self._needed("severity")
        known = {own: own for own in SEVERITIES} | {one.casefold(): own for one, own in self.feed.severities.items()}
        if theirs.casefold() not in known:
            raise _Unreadable(
                f"severity {_said(theirs)} is unknown; known: {', '.join(known)}; "
                f"add it to [feed.severities] of feed {self.feed.name}"
            )
        return known[theirs.casefold()]

    def _issued_us(self) -> int | None:
        text = self._text("issued_at")
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            try:
                moment = parsedate_to_datetime(text)
            except (ValueError, OverflowError):
                raise _Unreadable(f"time {_said(text)} is not ISO 8601 (2026-11-20T07:10:00+01:00)") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(self.feed.time_zone))
        if not 1970 < moment.year < 2200:
            raise _Unreadable(f"time {_said(text)} is not of our age")
        return round(moment.timestamp() * 1e6)

    def _horizon(self) -> float | None:
        text = self._text("horizon_days")
        if not text:
            return None
        try:
            days = float(text.removesuffix("d").replace(",", "."))
        except ValueError:
            days = math.nan
        if not 0 <= days < 100_000:
            raise _Unreadable(f"{self.feed.fields['horizon_days']} is {_said(text)}, not a number of days")
        return days

    def _active(self) -> bool:
        text = self._text("active").casefold()
        if text not in _TAKEN_BACK and text not in _STILL:
            raise _Unreadable(f"{self.feed.fields['active']} is {_said(text)}, neither true nor false")
        return text not in _TAKEN_BACK

    def _own_id(self) -> str:
        said = json.dumps([self._text(field) for field in FIELDS], ensure_ascii=False)
        return f"{self.feed.name}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _json(raw: bytes) -> list[Fields]:
    found = _loaded(_utf8(raw))
    return _objects(found if isinstance(found, list) else [found])


def _json_lines(raw: bytes) -> list[Fields]:
    return _objects([_loaded(line, n) for n, line in enumerate(_utf8(raw).splitlines(), 1) if line.strip()])


def _csv(raw: bytes) -> list[Fields]:
    """Rows under a header; the separator is the one that the header has most of: comma, semicolon or tab."""
    text = _utf8(raw)
    if text.strip() and not text.endswith(("\n", "\r")):
        raise _Unreadable("does not end in a line break: half written?")
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise _Unreadable(f"line {reader.line_num}: {error}") from None
    names = [name.strip() for name in rows[0]] if rows else []
    if len(set(names)) != len(names):
        raise _Unreadable("two columns of the header have the same name")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise _Unreadable(f"row {number} has {len(row)} of {len(names)} columns")
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]


class _MailPolicy(EmailPolicy):
    """The standard policy, but no header of endless length is ever interpreted, in whatever part it stands."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        length = sum(len(line) for line in sourcelines)
        if length > HEADER_LIMIT:
            raise _Unreadable(f"has a header of {length:,} characters, at most {HEADER_LIMIT:,} are read")
        return super().header_source_parse(sourcelines)


def _mail(raw: bytes) -> list[Fields]:
    """Records of the attached JSON or CSV files, else one record of the text: its "Name: value" lines.

    Beside those lines a mapping may name "Subject", "Date" and "Body" (the whole text), and no other header.
    """
    message = message_from_bytes(raw, policy=_MailPolicy())
    if not isinstance(message, EmailMessage) or not message.keys():
        raise _Unreadable("is no e-mail: it has no header")
    records: list[Fields] = []
    for part in message.walk():
        kind = _attached(part)
        if kind:
            content = part.get_payload(decode=True)
            _undamaged(part)
            records.extend(_RECORDS[kind](content if isinstance(content, bytes) else b""))
    _undamaged(*message.walk())
    if records:
        return records
    body = message.get_body(("plain",))
    if body is None:
        raise _Unreadable("has neither plain text nor a JSON or CSV attachment")
    try:
        text = str(body.get_content(errors="strict"))
    except (UnicodeDecodeError, LookupError) as error:
        raise _Unreadable(f"its text cannot be decoded: {error}") from None
    _undamaged(body)
    lines = [line.partition(":") for line in text.splitlines()]
    said = {name.strip(): value.strip() for name, colon, value in lines if colon and value.strip()}
    return [said | {"Subject": str(message["Subject"] or ""), "Date": str(message["Date"] or ""), "Body": text.strip()}]


def _attached(part: EmailMessage) -> str:
    """The format of an attachment that may hold alerts, or ""."""
    name, kind = (part.get_filename() or "").casefold(), part.get_content_type()
    if part.is_multipart():
        return ""
    if name.endswith(".jsonl"):
        return "jsonl"
    if name.endswith(".json") or kind == "application/json":
        return "json"
    return "csv" if name.endswith(".csv") or kind == "text/csv" else ""


def _undamaged(*parts: Any) -> None:
    for part in parts:
        if part.defects:
            raise _Unreadable(f"is damaged or half written: {type(part.defects[0]).__name__}")


_RECORDS: Final = {"json": _json, "jsonl": _json_lines, "csv": _csv, "eml": _mail}


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"byte {error.start} (0x{raw[error.start]:02X}) is not UTF-8") from None


def _loaded(text: str, line: int = 0) -> Any:
    """JSON without the liberties: no double names, no NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise _Unreadable("an object has the same name twice")
        return dict(pairs)

    def constant(word: str) -> Any:
        raise _Unreadable(f"{word} is not JSON")

    if not text.strip():
        raise _Unreadable("is empty")
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=constant)
    except json.JSONDecodeError as error:
        where = f"line {line or error.lineno} column {error.colno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        ending = " (half written?)" if cut else ""
        raise _Unreadable(f"is not JSON at {where}{ending}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"is not JSON that can be read: {error}") from None


def _objects(found: Iterable[Any]) -> list[Fields]:
    records = list(found)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise _Unreadable(f"record {number} is a {type(record).__name__}, not an object with fields")
    return records


def _said(text: str) -> str:
    """Foreign text inside a message of ours: one line, escaped, short."""
    return ascii(text if len(text) <= 60 else text[:59] + "…")
