"""OPC UA alarms & conditions (Part 9) -> alerts.

A condition is known by its id and branch: the null branch is its present state, another an older state that nobody has
acknowledged yet. An alert is raised when a condition becomes active and taken back, under the same id, when it returns
or is missing from a refresh. We acknowledge, comment and shelve nothing on the vendor's system, and ask for no field
that names a person.

A refresh begins and ends with events of its own (Part 9, 5.5.7 and 5.11); what was known before and is not told in
between has ended. A server that does not end its refresh is asked again; after the third time, what it no longer lists
is taken back in words that say so. Refreshing is asked for by the server as well, and where its queue ran over.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua

from drivers.record import Alert
from drivers.source import SourceSpec
from drivers.vendor.personal import without_contacts

_REFRESH_START, _REFRESH_END, _REFRESH_REQUIRED, _QUEUE_OVERFLOW = 2787, 2788, 2789, 3035  # event types
REFRESH_US: Final = 15_000_000  # a refresh that has not ended after that is asked for again [us]
_REFRESHES: Final = 3
_TEXT_LIMIT: Final = 1_000  # characters of one field; what is longer is cut
_EVENT_FIELDS: Final = (
    (ua.ObjectIds.BaseEventType, ("EventId", "EventType", "SourceName", "Time", "Message", "Severity")),
    (ua.ObjectIds.ConditionType, ("ConditionName", "BranchId", "Retain")),
    (ua.ObjectIds.AcknowledgeableConditionType, ("AckedState/Id",)),
    (ua.ObjectIds.AlarmConditionType, ("ActiveState/Id", "ActiveState/TransitionTime")),
)


def micros(moment: Any) -> int | None:
    """UTC [us]; None for no time at all, which OPC UA writes as 1601."""
    if not isinstance(moment, datetime) or moment.year < 1970:
        return None
    return round(_aware(moment).timestamp() * 1e6)


class Conditions:
    """Condition events -> alerts, keyed by condition and branch: pure, one event at a time.

    The option `standing` holds the alerts that were active when the program last ran: what ended meanwhile is missing
    from the first refresh, and is taken back.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self._name = spec.name
        self._vendor = str(spec.options.get("vendor", ""))
        self._assets: Mapping[str, str] = spec.options.get("assets", {})
        self._components: Mapping[str, str] = spec.options.get("components", {})
        self._own = {tag.asset for tag in spec.tags}
        self._active: dict[tuple[str, str], Alert] = {}
        self._suspect: set[tuple[str, str]] = set()
        self._asked_us: int | None = None  # since when a refresh is under way
        self._unended = 0  # refreshes in a row that the server did not end
        self._ready: list[Alert] = []
        for alert in spec.options.get("standing", ()):
            key = self._key_of(alert.alert_id)
            if key:
                self._active[key] = alert

    def take(self) -> list[Alert]:
        """The alerts since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def hear(self, fields: Mapping[str, Any], now_us: int) -> bool:
        """Take in one event; true if the server says that a refresh is needed."""
        kind = fields.get("EventType")
        number = kind.Identifier if isinstance(kind, ua.NodeId) and kind.NamespaceIndex == 0 else None
        if number in (_REFRESH_REQUIRED, _QUEUE_OVERFLOW):
            return True
        if number == _REFRESH_START:
            self._suspect = set(self._active)
        elif number == _REFRESH_END:
            self._asked_us, self._unended = None, 0
            self._end_suspects(now_us)
        condition = fields.get("NodeId")
        if number in (_REFRESH_START, _REFRESH_END) or not isinstance(condition, ua.NodeId) or condition.is_null():
            return False
        branch = fields.get("BranchId")
        if not isinstance(branch, ua.NodeId) or branch.is_null():
            branch = None
        key = (_name(condition), _name(branch) if branch else "")
        self._suspect.discard(key)
        retain, active = fields.get("Retain"), fields.get("ActiveState/Id")
        if retain is False or not (retain if active is None else active):
            self._close(key, now_us, _raw(fields))
        elif key not in self._active or self._active[key].severity != _severity(fields.get("Severity")):
            self._raise(key, fields, now_us)
        return False

    def asked(self, now_us: int) -> None:
        """A refresh is being asked for: what is known now and not told by its end has ended."""
        self._asked_us, self._suspect = now_us, set(self._active)

    def refused(self) -> None:
        """The server does not refresh: what is known stays as it is until an event says otherwise."""
        self._asked_us, self._suspect = None, set()

    def overdue(self, now_us: int) -> bool:
        """Whether the refresh under way should have ended long ago and must be asked for again."""
        if self._asked_us is None or now_us - self._asked_us < REFRESH_US:
            return False
        self._asked_us = None
        self._unended += 1
        if self._unended < _REFRESHES:
            return True
        self._unended = 0
        self._end_suspects(now_us, " (no longer listed by the server, which did not end its refresh)")
        return False

    def _end_suspects(self, now_us: int, words: str = "") -> None:
        for key in self._suspect & set(self._active):
            self._close(key, now_us, b"", words)
        self._suspect = set()

    def _key_of(self, alert_id: str) -> tuple[str, str] | None:
        """Condition and branch of an alert of ours; None for that of another source."""
        start = f"opcua:{self._name}:"
        if not alert_id.startswith(start):
            return None
        condition, _, branch = alert_id.removeprefix(start).rpartition("@")[0].partition("|")
        return condition, branch

    def _raise(self, key: tuple[str, str], fields: Mapping[str, Any], now_us: int) -> None:
        raw = _raw(fields)
        issued_us = micros(fields.get("ActiveState/TransitionTime")) or micros(fields.get("Time"))
        source, name = _said(str(fields.get("SourceName") or "")), _said(str(fields.get("ConditionName") or ""))
        known = self._active.get(key)
        alert = Alert(
            alert_id=known.alert_id if known else f"opcua:{self._name}:{'|'.join(filter(None, key))}@{issued_us}",
            origin="vendor",
            asset=self._asset(source),
            component=self._components.get(name, self._components.get(source, "")),
            failure_mode=name,
            severity=_severity(fields.get("Severity")),
            text=without_contacts(_text(fields.get("Message"))) or name,
            received_us=now_us,
            issued_us=issued_us,
            vendor=self._vendor,
            feed="opcua",
            raw_sha256=hashlib.sha256(raw).hexdigest(),
            raw=raw,
            extra={"severity": _text(fields.get("Severity")), "source": source, "condition": key[0]},
        )
        self._active[key] = alert
        self._ready.append(alert)

    def _close(self, key: tuple[str, str], now_us: int, raw: bytes, words: str = "") -> None:
        known = self._active.pop(key, None)
        if known is None:
            return
        self._ready.append(
            replace(
                known, text=known.text + words, received_us=now_us, active=False, raw=raw,
                raw_sha256=hashlib.sha256(raw).hexdigest() if raw else "",
            )
        )  # fmt: skip

    def _asset(self, source: str) -> str:
        """Ours for theirs; else the same id, or the only asset of the source; "" rather than a guess."""
        if source in self._assets:
            return self._assets[source]
        if source in self._own:
            return source
        return next(iter(self._own)) if len(self._own) == 1 else ""


def _severity(number: Any) -> str:
    """OPC UA Part 5: 1-333 low, 334-666 medium, 667-1000 high."""
    if not isinstance(number, int) or number <= 333:
        return "note"
    return "warning" if number <= 666 else "critical"


def _raw(fields: Mapping[str, Any]) -> bytes:
    """The event as stable text: the fields that were asked for, in order of their names."""
    asked = {name.replace("/", "."): _plain(fields.get(name)) for name in (*_field_names(), "NodeId")}
    return json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return value[:_TEXT_LIMIT].hex()
    if isinstance(value, datetime):
        return _aware(value).isoformat()
    if isinstance(value, ua.NodeId):
        return _said(value.to_string())
    return _text(value)


def _text(value: Any) -> str:
    return _said(str(value.Text or "") if isinstance(value, ua.LocalizedText) else str(value or ""))


def _name(node: ua.NodeId) -> str:
    return _said(node.to_string()).replace("|", "%7C")  # which parts condition and branch in an alert id


def _said(text: str) -> str:
    """Foreign text that can be stored: cut where it is endless, escaped where it is no UTF-8."""
    cut = text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _field_names() -> list[str]:
    return [name for _, names in _EVENT_FIELDS for name in names]


def event_filter() -> ua.EventFilter:
    """The fields to ask for with each event; no where clause, which some servers cannot evaluate."""
    clauses = []
    for type_id, names in _EVENT_FIELDS:
        for name in names:
            path = [ua.QualifiedName(part, 0) for part in name.split("/")]
            clauses.append(
                ua.SimpleAttributeOperand(
                    TypeDefinitionId=ua.NodeId(ua.Int32(type_id)), BrowsePath=path, AttributeId=ua.AttributeIds.Value
                )
            )
    condition_id = ua.SimpleAttributeOperand(
        TypeDefinitionId=ua.NodeId(ua.Int32(ua.ObjectIds.ConditionType)), AttributeId=ua.AttributeIds.NodeId
    )
    return ua.EventFilter(SelectClauses=[*clauses, condition_id])
