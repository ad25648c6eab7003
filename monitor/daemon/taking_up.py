"""Taking up where the last life ended: claims, alarms, last runs, noise; and the ledger says since when nobody read.

A claim that the ledger has and the list of alarms lost, by a kill between the two or with a damaged hot file, is told
anew. The heads that were published last are compared with the ledger: one that lost its tail, or was exchanged, is
said.
"""

import logging
from collections.abc import Iterable

from drivers.record import Alert
from monitor import installed
from monitor.claims import alert_of
from monitor.daemon.alarms import AlarmList, alarm_of, from_row
from monitor.daemon.clock import Clock, boottime_s
from monitor.daemon.drafts import gap, now_us, of_contracts, own, quarantined
from monitor.daemon.parts import Parts
from monitor.daemon.publishing import publish_folder, write_facts
from monitor.historian.reader import HotReader
from monitor.ledger import Record, entries
from monitor.ledger.reading import head_at, last_at, published_head
from monitor.sqlite_file import damaged
from monitor.state import State
from monitor.words import _, clean

LOG = logging.getLogger("handwheel.daemon")
ORIGINS = {"vendor_alert": "vendor", "own_alert": "own"}


async def take_up(parts: Parts) -> None:
    """Begin; the writer has its files open. Raises sqlite3.Error, or UserError where the hot file is damaged."""
    settings, state, writer, at_us = parts.settings, parts.state, parts.writer, now_us()
    reader = HotReader(state.hot)
    told = published_head(state)
    records = await writer.do(lambda: list(entries(state, ("vendor_alert", "own_alert", "config"))))
    parts.claims.learn(one for one in records if one.kind != "config")
    parts.judging.watch_status(settings)
    try:
        parts.alarms.take_up(from_row(row) for row in reader.alarms())
        parts.jobs.take_up(reader)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise damaged(state.hot, fault) from fault
    for alert in await writer.do(lambda: without_alarm(entries(state, (*ORIGINS, "alarm", "restart")), parts.alarms)):
        LOG.warning("%s: it stands by the ledger and had no alarm; it is told anew", clean(alert.alert_id))
        parts.hearing.to_alarms(alert)
    parts.judging.learn_noise(state)
    newest_ms = reader.newest_own_ms()
    entered_us = await writer.do(last_at, state)
    recorded_us = max(entered_us or 0, (newest_ms or 0) * 1000) or None
    parts.clock = Clock(parts.moment(), boottime_s(), reader.meta().get("clock", ""), recorded_us)
    await writer.do(writer.hot.set_meta, "clock", parts.clock.saved())  # a doubt outlives also a kill within a minute
    started = {"version": parts.version, "config_sha256": settings.sha256}
    drafts = [own("restart", started | await _record_program(parts), at_us)]
    configured = next((one.data["sha256"] for one in reversed(records) if one.kind == "config"), None)
    if configured != settings.sha256:
        words = f"{len(settings.sources)} sources, {len(settings.tags)} tags"
        drafts.append(own("config", {"sha256": settings.sha256, "words": words}, at_us))
    drafts += await writer.do(of_contracts, state, settings, at_us)
    if words := _not_as_told(state, writer.head[0], told, writer.cut):
        LOG.error("%s", words)
        drafts.append(gap("ledger", at_us, at_us, counts={"entries_told": told[0]}, head_told=told[1]))
        parts.watch.tell("ledger", True, "critical", words, parts.moment())
    if newest_ms is not None:
        drafts.append(gap("all", newest_ms * 1000, at_us))
    if (lost := writer.abandoned) is not None:
        words = _("{file}: was damaged; it is kept as {kept}, a new one was begun")
        parts.files.news = words.format(file=state.hot.name, kept=lost.moved_to)
        LOG.error("%s (%s)", parts.files.news, lost.why)
        drafts += [quarantined(state.hot.name, lost.why, lost.moved_to), gap("all", lost.last_us, at_us)]
    await writer.enter(drafts)
    await writer.do(publish_folder, settings, state)
    await writer.do(write_facts, state, writer.head, at_us)


def without_alarm(records: Iterable[Record], alarms: AlarmList) -> list[Alert]:
    """The claims that a daemon took in and that stand by the ledger, of which no alarm is in the list.

    What was imported, or entered before the first start, never had one; an alarm that returned since has ended.
    """
    said: dict[tuple[str, str, str], tuple[int, Alert]] = {}
    returned: dict[str, int] = {}  # alarm -> entry
    started = False
    for one in records:
        started |= one.kind == "restart"
        if one.kind == "alarm" and one.data.get("event") == "return":
            returned[str(one.data.get("alarm_id"))] = one.n
        elif one.data.get("stage") == "recovering":
            continue  # no news of its own: where no alarm is, it makes none
        elif started and one.kind in ORIGINS and one.via != "import":
            alert = alert_of(one.data, one.asset or "", one.component or "", ORIGINS[one.kind], one.at_us)
            said[alert.origin, alert.vendor, alert.alert_id] = (one.n, alert)

    def lost(n: int, alert: Alert) -> bool:
        name = alarm_of(alert, "", 0).id
        alarm = alarms.get(name)  # of very many alerts behind it the first are not named
        raised_since = alarm is not None and alarm.active and alarm.since_us >= alert.received_us
        return n > returned.get(name, 0) and not raised_since and alarms.behind(alert) is None

    return [alert for n, alert in said.values() if alert.active and alert.alert_id and lost(n, alert)]


def _not_as_told(state: State, entries_now: int, told: tuple[int, str], cut: tuple[int, int] | None) -> str:
    """What is said where the ledger is not the one whose head was published (`told`: entries, head), or was cut."""
    n, head = told
    aside = (
        _("; bodies {first} to {last} are kept in bodies.sqlite, table orphan").format(first=cut[0], last=cut[1])
        if cut
        else ""
    )
    if n > entries_now or cut:
        words = _("ledger: its tail is gone, or an older copy was put back: it has {found} entries, {n} were published")
        return words.format(found=entries_now, n=n) + aside
    if n and (found := head_at(state, n)) != head:
        words = _("ledger: this is another chain: its entry {n} has head {found}, {head} was published")
        return words.format(n=n, found=found, head=head)
    return ""


async def _record_program(parts: Parts) -> dict[str, str]:
    """Which files run from now on, for whoever asks later whether they were changed."""
    try:
        return {"program_sha256": await parts.writer.do(installed.record, parts.state)}
    except OSError as fault:
        LOG.warning("%s: cannot be written (%s)", parts.state.program, fault.strerror)
        return {}
