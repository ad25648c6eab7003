"""Vendor alerts that arrive as messages (files, MQTT): JSON, JSON lines, CSV and e-mail, by the mapping of their feed.

A message is taken in whole or not at all. One record that cannot be understood rejects its message with the reason,
nothing of it is used, and it is kept as it came; mended and sent again it gives the same alert ids, so nothing counts
twice. Only mapped fields are read: senders, signatures and whatever else a mail says of persons stay in the raw bytes.
Pure: whoever reads the bytes refuses more than LIMIT_BYTES by their size, before they are read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from drivers.errors import AlertError
from drivers.record import SEVERITIES, Alert
from drivers.source import FeedSpec
from drivers.vendor.formats import FORMATS, Fields, Unreadable, records
from drivers.vendor.personal import without_contacts

LIMIT_BYTES: Final = 1_000_000
ALERTS_LIMIT: Final = 10_000  # of one message: what is made of them must fit a handover
TEXT_LIMIT: Final = 10_000  # characters of one field
FIELDS: Final = (
    "alert_id", "asset", "component", "failure_mode", "severity",
    "issued_at", "text", "action", "horizon_days", "active",
)  # fmt: skip
OWN_ID: Final = "own_id"  # key of Alert.extra: the vendor gave no id
ISSUED: Final = "issued_basis"  # key of Alert.extra: why the vendor's time is no point in time; absent where it is one
AHEAD: Final = "not believable: more than a day after it was received"  # a value of ISSUED
_NOT_THE_CLAIM: Final = ("alert_id", "issued_at", "active")
_TAKEN_BACK: Final = ("false", "0", "no", "off", "cleared", "closed", "inactive")
_STILL: Final = ("true", "1", "yes", "on", "raised", "open", "active", "")
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?: ?(Z|z|[+-]\d\d:?\d\d))?", re.ASCII
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAIL_DATE: Final = re.compile(  # RFC 5322, without the obsolete forms
    rf"(?:({'|'.join(_WEEKDAYS)}), )?\d{{1,2}} [a-z]{{3}} (\d{{4}}) \d\d:\d\d(?::\d\d)?"
    r" ([+-]\d{4}|gmt|utc?)(?: \(\w+\))?",
    re.ASCII | re.IGNORECASE,
)
_DAYS: Final = re.compile(r"(\d{1,5})(?:[.,](\d{1,6}))? ?d?", re.ASCII)


def parse(raw: bytes, feed: FeedSpec, receive_us: int, name: str) -> list[Alert]:
    """The alerts in one message, all of them or AlertError: one line that says what, where and what to do.

    `receive_us` is when the message came, UTC [us]; `name` is only used in messages. Each alert carries the whole
    message in `raw`. An alert without an id of its own gets one from its content without the time, and comes once.
    """
    if len(raw) > LIMIT_BYTES:
        raise AlertError(f"{name}: {len(raw):,} bytes are more than the {LIMIT_BYTES:,} that an alert file may have")
    if feed.format not in FORMATS:
        known = ", ".join(FORMATS)
        raise AlertError(f"{name}: feed {feed.name}: format {feed.format!r} is unknown; known: {known}")
    try:
        found = records(raw, feed.format, feed.encoding)
    except Unreadable as error:
        raise AlertError(f"{name}: {error}; ask the vendor to send it again") from None
    if not found:
        raise AlertError(f"{name}: holds no alert; ask the vendor to send it again")
    if len(found) > ALERTS_LIMIT:
        raise AlertError(f"{name}: {len(found):,} alerts, at most {ALERTS_LIMIT:,} are taken; ask for smaller messages")
    digest = hashlib.sha256(raw).hexdigest()
    alerts: dict[str, Alert] = {}
    for number, record in enumerate(found, 1):
        try:
            alert = _Reader(record, feed).alert(receive_us, raw, digest)
        except Unreadable as error:
            raise AlertError(f"{name}: record {number} of {len(found)}: {error}") from None
        if alert.alert_id in alerts and OWN_ID not in alert.extra:
            double = _said(alert.alert_id)
            raise AlertError(f"{name}: alert id {double} stands for two records; ask the vendor to send it again")
        alerts.setdefault(alert.alert_id, alert)
    return list(alerts.values())


@dataclass(frozen=True, slots=True)
class _Reader:
    """One record of a message, read through the mapping of its feed."""

    record: Fields
    feed: FeedSpec

    def alert(self, receive_us: int, raw: bytes, digest: str) -> Alert:
        asset = self._needed("asset")
        if asset not in self.feed.assets:
            raise Unreadable(f"asset {_said(asset)} is unknown; add it to [feed.assets] of feed {self.feed.name}")
        component, alert_id = self._text("component"), self._text("alert_id")
        issued_us, basis = self._issued()
        extra = ({} if alert_id else {OWN_ID: "1"}) | ({ISSUED: basis} if basis else {})
        return Alert(
            alert_id=alert_id or self._own_id(),
            origin="vendor",
            asset=self.feed.assets[asset],
            component=self.feed.components.get(component, without_contacts(component)),
            failure_mode=without_contacts(self._text("failure_mode")),
            severity=self._severity(),
            text=without_contacts(self._needed("text")),
            received_us=receive_us,
            issued_us=issued_us,
            vendor=self.feed.vendor,
            feed=self.feed.name,
            action=without_contacts(self._text("action")),
            horizon_days=self._horizon(),
            raw_sha256=digest,
            active=self._active(),
            raw=raw,
            extra=extra,
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
        if isinstance(value, list | dict):
            raise Unreadable(f"{theirs} is not one text or number, or stands twice")
        text = str(value).strip()
        if len(text) > TEXT_LIMIT:
            raise Unreadable(f"{theirs} has {len(text):,} characters, at most {TEXT_LIMIT:,} are taken")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Unreadable(f"{theirs} holds half a character and cannot be stored as text")
        return text

    def _needed(self, field: str) -> str:
        text = self._text(field)
        if text:
            return text
        theirs = self.feed.fields.get(field)
        if theirs is None:
            raise Unreadable(f"feed {self.feed.name} maps nothing to {field}; add it to [feed.fields]")
        raise Unreadable(f"{theirs} is missing; ask the vendor to send it again")

    def _severity(self) -> str:
        theirs = self._needed("severity")
        known = {own: own for own in SEVERITIES} | {one.casefold(): own for one, own in self.feed.severities.items()}
        if theirs.casefold() not in known:
            raise Unreadable(
                f"severity {_said(theirs)} is unknown; known: {', '.join(known)}; "
                f"add it to [feed.severities] of feed {self.feed.name}"
            )
        return known[theirs.casefold()]

    def _issued(self) -> tuple[int | None, str]:
        """(when the vendor says that it sent this, UTC [us]; why that is no sure point in time, "" if it is one)."""
        text = self._text("issued_at")
        if not text:
            return None, ""
        iso, mail = _ISO.fullmatch(text), _MAIL_DATE.fullmatch(text)
        basis = ""
        try:
            if iso:
                moment = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", "").replace(",", ".").upper())
                basis = "" if iso[1] else "zone assumed" if ":" in text else "day only"
            elif mail:
                moment = parsedate_to_datetime(text)
                basis = "zone assumed" if mail[3] == "-0000" else ""  # RFC 5322 3.3: the zone is not known
                weekday = (mail[1] or _WEEKDAYS[moment.weekday()]).casefold()
                if weekday != _WEEKDAYS[moment.weekday()] or moment.year != int(mail[2]):  # 0026 is read as 2026
                    raise ValueError
            else:
                raise ValueError
        except ValueError:
            raise Unreadable(f"time {_said(text)} is not ISO 8601 (2026-11-20T07:10:00+01:00)") from None
        if moment.tzinfo is None:
            zone = ZoneInfo(self.feed.time_zone) if mail is None else UTC
            moment = moment.replace(tzinfo=zone)
            if moment.utcoffset() != moment.replace(fold=1).utcoffset():
                basis = "hour that comes twice or never"
        if not 1970 < moment.year < 2200:
            raise Unreadable(f"time {_said(text)} is not of our age")
        return round(moment.timestamp() * 1e6), basis

    def _horizon(self) -> float | None:
        text = self._text("horizon_days")
        if not text:
            return None
        if not _DAYS.fullmatch(text):
            raise Unreadable(f"{self.feed.fields['horizon_days']} is {_said(text)}, not a number of days")
        return float(text.removesuffix("d").replace(",", "."))

    def _active(self) -> bool:
        text = self._text("active").casefold()
        if text not in _TAKEN_BACK and text not in _STILL:
            raise Unreadable(f"{self.feed.fields['active']} is {_said(text)}, neither true nor false")
        return text not in _TAKEN_BACK

    def _own_id(self) -> str:
        """The same for the same claim, by whatever way and whenever it comes."""
        said = json.dumps([self._text(field) for field in FIELDS if field not in _NOT_THE_CLAIM], ensure_ascii=False)
        return f"{self.feed.vendor}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _said(text: str) -> str:
    """Foreign text inside a message of ours: one line, escaped, short, naming nobody's address."""
    text = without_contacts(text[:200])
    return ascii(text if len(text) <= 60 else text[:59] + "…")
