"""Alarms of our own making, on what we see of ourselves: links, telemetry of a site, and whatever else is told here.

They follow the cause that holds now: the same trouble in other words is one alarm, whose text changes with its cause.
"""

from collections.abc import Callable, Mapping

from drivers.record import Alert
from monitor.daemon.alarms import AlarmList
from monitor.daemon.drafts import of_alarm
from monitor.daemon.poller import DETAIL_LIMIT, Poller, cause_of
from monitor.heartbeat import Moment
from monitor.ledger import Draft
from monitor.plant import Settings
from monitor.quality import STALE_LEAST_S, STALE_PERIODS
from monitor.words import _, clean

SILENT_TOLD = 3  # devices or assets named in one alarm


class Watch:
    """Looks at ourselves each second."""

    def __init__(self, alarms: AlarmList, owe: Callable[[Draft], None]) -> None:
        self._alarms, self._owe = alarms, owe
        self._causes: dict[str, str] = {}  # by name of an alarm: the kind of trouble that it tells

    def look(
        self, settings: Settings, pollers: Mapping[str, Poller], lost: Mapping[str, float], now: Moment,
        *, clock_valid: bool,
    ) -> None:  # fmt: skip
        """Silent links, lost sites (`lost`: site -> since when [s]) and shelves that end."""
        for spec in settings.sources:
            link = pollers[spec.name].link
            patience_s = max(STALE_PERIODS * spec.every_s, STALE_LEAST_S)
            down = link.state == "down" and now.mono_s - link.since_s >= patience_s
            silent = [who for who, since_s in link.silent.items() if now.mono_s - since_s >= patience_s]
            who = ""
            text = _("{source}: no answer: {why}").format(source=spec.name, why=link.note)
            if silent and link.state != "down":
                who = ", ".join(silent[:SILENT_TOLD]) + (" ..." if len(silent) > SILENT_TOLD else "")
                text = _("{source}: nothing from {who}: {why}").format(source=spec.name, who=who, why=link.why)
            cause = f"{who}: {cause_of(link.why)}"
            self.tell(f"link:{spec.name}", bool(down or silent), "note", text, now, site=spec.site, cause=cause)
        for site in settings.sites:
            text = _("{site}: telemetry lost").format(site=site.name)
            self.tell(f"telemetry:{site.id}", site.id in lost, "warning", text, now, site=site.id)
        for change in self._alarms.expire(now.utc_us, clock_valid=clock_valid):
            self._owe(of_alarm(change))

    def forget(self, old: Settings, new: Settings, now: Moment) -> None:
        """What is no longer configured raises no alarm any more."""
        gone = {f"link:{one.name}" for one in old.sources} - {f"link:{one.name}" for one in new.sources}
        gone |= {f"telemetry:{one.id}" for one in old.sites} - {f"telemetry:{one.id}" for one in new.sites}
        for name in gone:
            self.tell(name, False, "note", "", now)
            self._causes.pop(name, None)

    def holds(self, name: str) -> bool:
        """Whether the alarm `monitor:NAME` is active."""
        alarm = self._alarms.get(f"monitor:{name}")
        return alarm is not None and alarm.active

    def seen(self, name: str, now: Moment) -> None:
        """An alarm on what is over stands until a person acknowledged it."""
        alarm = self._alarms.get(f"monitor:{name}")
        if alarm is not None and alarm.active and alarm.acked:
            self.tell(name, False, "note", "", now)

    def tell(
        self, name: str, holds: bool, severity: str, text: str, now: Moment, *, site: str = "", cause: str = ""
    ) -> None:  # fmt: skip
        """Raise the alarm `monitor:NAME` while something holds, return it when it does not; once per change."""
        alarm, text = self._alarms.get(f"monitor:{name}"), clean(text, DETAIL_LIMIT)
        new = self._causes.get(name) != cause
        self._causes[name] = cause
        if holds and alarm is not None and alarm.active:
            if new and text != alarm.text:
                self._alarms.reword(alarm.id, text)
            return
        if not holds and (alarm is None or not alarm.active):
            return
        if holds:
            alert = Alert(name, "monitor", "", "", name, severity, text, now.utc_us)
            self._owe(of_alarm(self._alarms.raise_alert(alert, site, now.utc_us)))
        else:
            self._owe(of_alarm(self._alarms.apply(f"monitor:{name}", "return", now.utc_us)))
