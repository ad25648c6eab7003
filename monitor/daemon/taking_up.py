"""Taking up where the last life ended: claims, alarms, last runs, noise; and the ledger says since when nobody read.

The heads that were published last are compared with the ledger: one that lost its tail, or was exchanged, is said.
"""

import logging

from monitor import installed
from monitor.daemon.alarms import from_row
from monitor.daemon.clock import Clock, boottime_s
from monitor.daemon.drafts import gap, now_us, of_contracts, own, quarantined
from monitor.daemon.parts import Parts
from monitor.daemon.publishing import head_told, publish_folder, write_facts
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, entries
from monitor.ledger.reading import head_at, last_at
from monitor.sqlite_file import damaged
from monitor.state import State
from monitor.words import _

LOG = logging.getLogger("handwheel.daemon")


async def take_up(parts: Parts) -> None:
    """Begin; the writer has its files open. Raises sqlite3.Error, or UserError where the hot file is damaged."""
    settings, state, writer, at_us = parts.settings, parts.state, parts.writer, now_us()
    reader = HotReader(state.hot)
    told = head_told(state)
    records = await writer.do(lambda: list(entries(state, ("vendor_alert", "own_alert", "config"))))
    parts.claims.learn(one for one in records if one.kind != "config")
    parts.judging.watch_status(settings)
    try:
        parts.alarms.take_up(from_row(row) for row in reader.alarms())
        parts.jobs.take_up(reader)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise damaged(state.hot, fault) from fault
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
    drafts += _not_as_told(state, writer.head[0], told, at_us)
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


def _not_as_told(state: State, entries_now: int, told: tuple[int, str], at_us: int) -> list[Draft]:
    """The gap where the ledger is not the one whose head was published (`told`: entries, head)."""
    n, head = told
    if n > entries_now:
        LOG.error("the ledger has %d entries, %d were published: its tail is gone", entries_now, n)
    elif n and (found := head_at(state, n)) != head:
        LOG.error("the ledger's entry %d has head %s, %s was published: this is another chain", n, found, head)
    else:
        return []
    return [gap("ledger", at_us, at_us, counts={"entries_told": n}, head_told=head)]


async def _record_program(parts: Parts) -> dict[str, str]:
    """Which files run from now on, for whoever asks later whether they were changed."""
    try:
        return {"program_sha256": await parts.writer.do(installed.record, parts.state)}
    except OSError as fault:
        LOG.warning("%s: cannot be written (%s)", parts.state.program, fault.strerror)
        return {}
