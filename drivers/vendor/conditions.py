"""OPC UA alarms & conditions (Part 9) -> alerts.

A condition is known by its id and branch: the null branch is its present state, another an older state that nobody has
acknowledged yet. An alert is raised when a condition becomes active and taken back, under the same id, when it returns
or is missing from a refresh. We acknowledge, comment and shelve nothing on the vendor's system, and ask for no field
that names a person.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua

from drivers.record import Alert
from drivers.source import SourceSpec

_REFRESH_START, _REFRESH_END, _REFRESH_REQUIRED = 2787, 2788, 2789  # event types
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
    """Condition events -> alerts, keyed by condition and branch: pure, one event at a time."""

    def __init__(self, spec: SourceSpec) -> None:
        self._name = spec.name
        self._vendor = str(spec.options.get("vendor", ""))
        self._assets: Mapping[str, str] = spec.options.get("assets", {})
        self._components: Mapping[str, str] = spec.options.get("components", {})
        self._own = {tag.asset for tag in spec.tags}
        self._active: dict[tuple[str, str], Alert] = {}
        self._suspect: set[tuple[str, str]] = set()
        self._ready: list[Alert] = []

    def take(self) -> list[Alert]:
        """The alerts since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def hear(self, fields: Mapping[str, Any], now_us: int) -> bool:
        """Take in one event; true if the server says that a refresh is needed."""
        kind = fields.get("EventType")
        number = kind.Identifier if isinstance(kind, ua.NodeId) and kind.NamespaceIndex == 0 else None
        if number == _REFRESH_REQUIRED:
            return True
        if number == _REFRESH_START:
            self._suspect = set(self._active)
        elif number == _REFRESH_END:
            for key in self._suspect & set(self._active):
                self._close(key, now_us, b"")
            self._suspect = set()
        condition = fields.get("NodeId")
        if number in (_REFRESH_START, _REFRESH_END) or not isinstance(condition, ua.NodeId) or condition.is_null():
            return False
        branch = fields.get("BranchId")
        if not isinstance(branch, ua.NodeId) or branch.is_null():
            branch = None
        key = (_said(condition.to_string()), _said(branch.to_string()) if branch else "")
        self._suspect.discard(key)
        active = fields.get("ActiveState/Id")
        if active is None:
            active = fields.get("Retain")
        if not active:
            self._close(key, now_us, _raw(fields))
        elif key not in self._active or self._active[key].severity != _severity(fields.get("Severity")):
            self._raise(key, fields, now_us)
        return False

    def _raise(self, key: tuple[str, str], fields: Mapping[str, Any], now_us: int) -> None:
        raw = _raw(fields)
        issued_us = micros(fields.get("ActiveState/TransitionTime")) or micros(fields.get("Time"))
        source, name = _said(str(fields.get("SourceName") or "")), _said(str(fields.get("ConditionName") or ""))
        known = self._active.get(key)
        alert = Alert(
            alert_id=known.alert_id if known else f"opcua:{self._name}:{':'.join(filter(None, key))}@{issued_us}",
            origin="vendor",
            asset=self._asset(source),
            component=self._components.get(name, self._components.get(source, "")),
            failure_mode=name,
            severity=_severity(fields.get("Severity")),
            text=_text(fields.get("Message")) or name,
            received_us=now_us,
            issued_us=issued_us,
            vendor=self._vendor,
            feed="opcua",
            raw_sha256=hashlib.sha256(raw).hexdigest(),
            raw=raw,
            extra={"severity": str(fields.get("Severity")), "source": source, "condition": key[0]},
        )
        self._active[key] = alert
        self._ready.append(alert)

    def _close(self, key: tuple[str, str], now_us: int, raw: bytes) -> None:
        known = self._active.pop(key, None)
        if known is None:
            return
        self._ready.append(
            Alert(
                known.alert_id, known.origin, known.asset, known.component, known.failure_mode, known.severity,
                known.text, now_us, known.issued_us, known.vendor, known.feed, active=False, raw=raw,
                raw_sha256=hashlib.sha256(raw).hexdigest() if raw else "", extra=known.extra,
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
