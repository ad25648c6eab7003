"""Alerts on their way into the ledger: what an entry says of them, and which the ledger has already.

A message can come twice (by file, mail and MQTT; a vendor repeats itself; a process was killed between writing and
deleting) and a device tells of its standing conditions again after each reconnection; each claim is entered once. Every
entry has both times, the vendor's and ours, and what is known of them: of messages and of the device's own status bits,
so that who was told first is measured, not asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from drivers.record import CLEAR, Alert
from drivers.vendor.file_drop import AHEAD, ISSUED, OWN_ID
from monitor.ledger import Draft, Record
from monitor.plant import Settings
from monitor.words import parse_utc, utc_text

DEVICE_FEEDS = ("status_bit", "opcua")
REPEAT_US = 14 * 86_400 * 1_000_000  # a claim without an id of the vendor's, said again after that, is a new one [us]
AHEAD_US = 86_400 * 1_000_000  # a vendor's time so far after ours is no zone and no skew, but wrong [us]
WAITED = "may_have_waited"  # key of Alert.extra: it may have come while we did not listen
LATE = "late_by"  # key of Alert.extra: so far is the time at which it says it came from that at which it was taken in
TRUSTED_US = 60_000_000  # no further apart than this, the first of these two times is believed [us]
_CLAIMED = "claimed_us"  # key of Alert.extra: when a handover says that it came, where that is not believed
_Claim = tuple[object, ...]


class Claims:
    """The vendor's claims that the ledger knows."""

    def __init__(self, settings: Settings) -> None:
        self.configure(settings)
        self._claims: set[_Claim] = set()  # what messages claimed
        self._said: set[tuple[_Claim, int]] = set()  # the same with the vendor's time
        self._latest: dict[tuple[str, str], Alert] = {}  # vendor, id -> what its messages claimed last
        self._told: dict[str, Alert] = {}  # a device's claims by their id: what it said of each last
        self._places: dict[str, tuple[str, str]] = {}  # alert id -> asset, component
        self._own: set[str] = set()  # alert ids of our own model: no vendor's message is taken for one of them
        self.heard_us: dict[str, int] = {}  # feed -> when its last message came (UTC) [us]
        self.repeated = 0

    def configure(self, settings: Settings) -> None:
        """From now on assets stand where these settings say."""
        self._simulated = settings.simulated
        self._sites = {asset.id: asset.site for asset in settings.assets}

    def learn(self, records: Iterable[Record]) -> None:
        """Take in entries of the ledger (vendor_alert, own_alert) at start.

        What was imported is the past of another program: people can decide on it, but it stands for nothing today. It
        keeps no alarm, and a message of today that says the same is new.
        """
        for record in records:
            data, place = record.data, (record.asset or "", record.component or "")
            name = str(data.get("alert_id", ""))
            if record.kind == "own_alert":
                self.add_own(name, *place)
            elif name not in self._own:
                self._places[name] = place
            if record.kind == "vendor_alert" and record.via != "import":
                self._note(alert_of(data, *place, "vendor", record.at_us))

    def place(self, alert_id: str) -> tuple[str, str] | None:
        """(asset, component) of a known alert."""
        return self._places.get(alert_id)

    def add_own(self, alert_id: str, asset: str, component: str) -> None:
        """Remember an alert of our own model, so that people can decide on it."""
        self._places[alert_id] = (asset, component)
        self._own.add(alert_id)

    def site(self, asset: str) -> str:
        """The site of an asset; "" for one that is not configured."""
        return self._sites.get(asset, "")

    def draft(self, alert: Alert, via: str, taken_us: int | None = None) -> Draft | None:
        """The entry for an alert, or None where the ledger has it already. `entered` says that it was written.

        It is of `taken_us` (UTC [us]; default: when the alert came): what others hand over is dated by our own clock.
        """
        if alert.feed in DEVICE_FEEDS:
            told = self._told.get(alert.alert_id)
            known = told is not None and (told.active, told.severity) == (alert.active, alert.severity)
        else:
            known = self._is_repeated(alert)
        if known:
            self.repeated += 1
            self._hear(alert)
            return None
        return Draft(
            "vendor_alert", self._data(alert), alert.received_us if taken_us is None else taken_us, via,
            site=self.site(alert.asset) or None, asset=alert.asset or None, component=alert.component or None,
        )  # fmt: skip

    def entered(self, alert: Alert) -> None:
        """The ledger has this alert now."""
        if alert.alert_id not in self._own:
            self._places[alert.alert_id] = (alert.asset, alert.component)
        self._note(alert)

    def standing(self) -> list[Alert]:
        """What devices still claim, as far as we were told."""
        return [alert for alert in self._told.values() if alert.active]

    def standing_of(self, vendor: str, alert_ids: Iterable[str]) -> list[Alert]:
        """Those of these claims of a vendor and of its devices that were not taken back, the newest issued last."""
        found: dict[str, Alert] = {}
        for name in alert_ids:
            for alert in (self._told.get(name), self._latest.get((vendor, name))):
                if alert is not None and alert.active:
                    found.setdefault(name, alert)
        return sorted(found.values(), key=spoken_us)

    def _is_repeated(self, alert: Alert) -> bool:
        """Whether a message says nothing new: delivered again, said again with another time, or overtaken."""
        claim, latest = _claim(alert), self._latest.get((alert.vendor, alert.alert_id))
        if latest is None or claim not in self._claims:
            return False
        if claim == _claim(latest):
            return OWN_ID not in alert.extra or alert.received_us - latest.received_us < REPEAT_US
        if alert.issued_us is None:
            return False  # raised, taken back and raised anew: a claim too many is better than one too few
        overtaken = latest.issued_us is not None and is_believable(alert) and alert.issued_us <= latest.issued_us
        return (claim, alert.issued_us) in self._said or overtaken

    def _note(self, alert: Alert) -> None:
        self._hear(alert)
        if alert.feed in DEVICE_FEEDS:
            self._told[alert.alert_id] = alert
            return
        claim = _claim(alert)
        self._claims.add(claim)
        issued_us = alert.issued_us if is_believable(alert) else None
        self._latest[alert.vendor, alert.alert_id] = replace(alert, issued_us=issued_us, raw=b"", extra={})
        if alert.issued_us is not None:
            self._said.add((claim, alert.issued_us))

    def _hear(self, alert: Alert) -> None:
        self.heard_us[alert.feed] = max(alert.received_us, self.heard_us.get(alert.feed, 0))

    def _data(self, alert: Alert) -> dict[str, Any]:
        return {
            "alert_id": alert.alert_id,
            "vendor": alert.vendor,
            "failure_mode": alert.failure_mode,
            "severity": alert.severity,
            "issued_at": None if alert.issued_us is None else utc_text(alert.issued_us),
            "received_at": utc_text(int(alert.extra.get(_CLAIMED, alert.received_us))),
            "text": alert.text,
            "recommended_action": alert.action,
            "horizon": None if alert.horizon_days is None else f"{alert.horizon_days:g} d",
            "raw_sha256": alert.raw_sha256,
            "feed": alert.feed,
            "active": alert.active,
            "simulated": self._simulated,
        } | _known_of_times(alert)


def taken_in(alert: Alert, taken_us: int) -> Alert:
    """A message's alert as it is taken in at `taken_us` (UTC [us]).

    Anybody who may hand over can write any time into a handover. One that is not the time of taking in, or nearly, is
    kept beside it and not believed: the message had come by then, and nobody knows how long before.
    """
    known = {key: value for key, value in alert.extra.items() if key not in (LATE, _CLAIMED)}
    if abs(taken_us - alert.received_us) <= TRUSTED_US:
        return replace(alert, extra=known)
    late = {LATE: f"{(taken_us - alert.received_us) / 1e6:.0f} s", _CLAIMED: str(alert.received_us)}
    return replace(alert, received_us=taken_us, extra=known | late)


def is_believable(alert: Alert) -> bool:
    """Whether the vendor's time, where there is one, is not more than a day after ours."""
    return alert.issued_us is None or alert.issued_us - alert.received_us <= AHEAD_US


def spoken_us(alert: Alert) -> int:
    """When it was said, UTC [us]: by the vendor's time where there is one to believe, else when it came."""
    return alert.received_us if alert.issued_us is None or not is_believable(alert) else alert.issued_us


def _known_of_times(alert: Alert) -> dict[str, str]:
    """What makes a time less than a point in time; nothing where both are."""
    known = {key: alert.extra[key] for key in (ISSUED, WAITED, LATE) if key in alert.extra}
    if not is_believable(alert):
        known[ISSUED] = AHEAD
    clear = alert.extra.get(CLEAR, "")
    return known | ({"clear_at": utc_text(int(clear))} if clear.isdecimal() else {})


def _claim(alert: Alert) -> _Claim:
    """What makes two messages the same claim, by whatever way they come."""
    return (alert.vendor, alert.alert_id, alert.asset, alert.component, alert.severity, alert.text, alert.active)


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
