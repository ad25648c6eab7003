"""Alerts on their way into the ledger: what an entry says of them, and which the ledger has already.

A message can come twice (a vendor repeats itself, a process was killed between writing and deleting) and a device tells
of its standing conditions again after each reconnection; each claim is entered once. A message also carries when the
device's own status bit for the same thing was last seen set by us: who was told first is measured, not asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drivers.record import Alert
from drivers.source import StatusAlert
from monitor.ledger import Draft, Record
from monitor.plant import Settings
from monitor.words import parse_utc, utc_text

DEVICE_FEEDS = ("status_bit", "opcua")


class Claims:
    """The vendor's claims that the ledger knows."""

    def __init__(self, settings: Settings) -> None:
        self._simulated = settings.simulated
        self._sites = {asset.id: asset.site for asset in settings.assets}
        self._messages: set[tuple[object, ...]] = set()  # what each message claimed
        self._open: dict[str, bool] = {}  # a device's claim: alert id -> still standing
        self._bits: dict[tuple[str, str], int] = {}  # asset, component -> when its status bit was last seen to rise
        self._bit_ids: dict[tuple[str, str, str], str] = {}  # asset, component, failure mode -> its newest alert
        self._places: dict[str, tuple[str, str]] = {}  # alert id -> asset, component
        self.heard_us: dict[str, int] = {}  # feed -> when its last message came (UTC) [us]
        self.repeated = 0

    def learn(self, records: Iterable[Record]) -> None:
        """Take in entries of the ledger (vendor_alert, own_alert) at start."""
        for record in records:
            data, place = record.data, (record.asset or "", record.component or "")
            name = str(data.get("alert_id", ""))
            self._places[name] = place
            if record.kind == "vendor_alert":
                self._note(alert_of(data, *place, "vendor", record.at_us))

    def place(self, alert_id: str) -> tuple[str, str] | None:
        """(asset, component) of a known alert."""
        return self._places.get(alert_id)

    def add_own(self, alert_id: str, asset: str, component: str) -> None:
        """Remember an alert of our own model, so that people can decide on it."""
        self._places[alert_id] = (asset, component)

    def site(self, asset: str) -> str:
        """The site of an asset; "" for one that is not configured."""
        return self._sites.get(asset, "")

    def enter(self, alert: Alert, via: str) -> Draft | None:
        """The entry for an alert, or None where the ledger has it already."""
        if alert.feed in DEVICE_FEEDS:
            known = self._open.get(alert.alert_id) == alert.active
        else:
            known = _claim(alert) in self._messages
        if known:
            self.repeated += 1
            return None
        draft = Draft(
            "vendor_alert", self._data(alert), alert.received_us, via,
            site=self.site(alert.asset) or None, asset=alert.asset or None, component=alert.component or None,
        )  # fmt: skip
        self._places[alert.alert_id] = (alert.asset, alert.component)
        self._note(alert)
        return draft

    def standing_bits(self, rows: Sequence[StatusAlert]) -> dict[StatusAlert, str]:
        """The status bits that stood when the ledger was last written, with the ids of their alerts."""
        found = {}
        for row in rows:
            name = self._bit_ids.get((row.asset, row.component, row.failure_mode), "")
            if self._open.get(name):
                found[row] = name
        return found

    def _note(self, alert: Alert) -> None:
        self.heard_us[alert.feed] = max(alert.received_us, self.heard_us.get(alert.feed, 0))
        if alert.feed not in DEVICE_FEEDS:
            self._messages.add(_claim(alert))
            return
        self._open[alert.alert_id] = alert.active
        if alert.active and alert.feed == "status_bit":
            self._bits[alert.asset, alert.component] = alert.received_us
            self._bit_ids[alert.asset, alert.component, alert.failure_mode] = alert.alert_id

    def _data(self, alert: Alert) -> dict[str, Any]:
        bit_us = None if alert.feed in DEVICE_FEEDS else self._bit_us(alert)
        return {
            "alert_id": alert.alert_id,
            "vendor": alert.vendor,
            "failure_mode": alert.failure_mode,
            "severity": alert.severity,
            "issued_at": None if alert.issued_us is None else utc_text(alert.issued_us),
            "received_at": utc_text(alert.received_us),
            "text": alert.text,
            "recommended_action": alert.action,
            "horizon": None if alert.horizon_days is None else f"{alert.horizon_days:g} d",
            "raw_sha256": alert.raw_sha256,
            "feed": alert.feed,
            "active": alert.active,
            "simulated": self._simulated,
            "status_bit_at": None if bit_us is None else utc_text(bit_us),
        }

    def _bit_us(self, alert: Alert) -> int | None:
        """When the status bit of the same asset (and component, where the message names one) was seen to rise."""
        return self._bits.get((alert.asset, alert.component)) or self._bits.get((alert.asset, ""))


def _claim(alert: Alert) -> tuple[object, ...]:
    """What makes two messages the same claim, in whatever file they come."""
    return (alert.feed, alert.alert_id, alert.asset, alert.component, alert.severity, alert.text, alert.active)


def alert_of(data: Mapping[str, Any], asset: str, component: str, origin: str, at_us: int) -> Alert:
    """An alert again from what an entry says of it, as far as an alarm needs it."""
    issued = data.get("issued_at")
    return Alert(
        alert_id=str(data.get("alert_id", "")),
        origin=origin,
        asset=asset,
        component=component,
        failure_mode=str(data.get("failure_mode") or ("health" if origin == "own" else "")),
        severity=str(data.get("severity") or "warning"),
        text=str(data.get("text", "")),
        received_us=at_us,
        issued_us=parse_utc(issued) if isinstance(issued, str) else None,
        vendor=str(data.get("vendor", "")),
        feed=str(data.get("feed", "")),
        active=data.get("active", True) is not False,
    )
