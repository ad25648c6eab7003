"""Another configuration under a daemon that runs: all of it or nothing; what did not change goes on undisturbed."""

import asyncio
import logging
from datetime import UTC, datetime

from drivers.errors import UserError
from monitor.daemon import metrics
from monitor.daemon.difference import difference, renumbered
from monitor.daemon.drafts import of_configuration, of_contracts
from monitor.daemon.parts import Parts
from monitor.daemon.polling import exchanged, make_sources
from monitor.daemon.stopping import STOP_S
from monitor.daemon.telling import in_a_line
from monitor.daemon.writer import STORE_FAULTS
from monitor.heartbeat import Moment
from monitor.plant import Settings
from monitor.settings import load
from monitor.words import _, clean

LOG = logging.getLogger("handwheel.daemon")


async def try_to_reload(parts: Parts, role: str | None) -> tuple[list[str], str]:
    """(what changed, why nothing did): also in the log, for whoever sent a signal."""
    try:
        changes = await _reload(parts, role)
    except UserError as fault:
        for line in str(fault).splitlines():
            LOG.error("not reloaded: %s", line)
        return [], str(fault)
    for line in changes or ["no file has changed"]:
        LOG.info("reloaded: %s", line)
    return changes, ""


async def _reload(parts: Parts, role: str | None) -> list[str]:
    """What changed, in words, as the ledger has it. Raises UserError: then nothing was changed."""
    if parts.stop.asked or not parts.ready or parts.reloading:
        raise UserError(_("reload: the daemon starts, stops or reloads just now; try again"))
    parts.reloading = True
    parts.systemd.reloading()
    try:
        read = await asyncio.to_thread(load, parts.settings.folder)  # seconds, for a large plant: not in the loop
        async with parts.turn:
            return await _exchange(parts, renumbered(parts.settings, read), role)
    finally:
        parts.reloading = False
        parts.systemd.ready(in_a_line(parts))


async def _exchange(parts: Parts, new: Settings, role: str | None) -> list[str]:
    old, polling, now = parts.settings, parts.polling, parts.moment()
    if new.state != old.state:
        raise UserError(_("site.toml: paths.state: cannot be changed while the daemon runs; start it anew"))
    if new.sha256 == old.sha256:
        return []
    changes = difference(old, new)
    ending, beginning = exchanged(old.sources, new.sources)
    sources = make_sources([one for one in new.sources if one.name in beginning], parts.claims.standing())
    timetable = parts.timetable_of(new.jobs)
    if new.metrics_port != old.metrics_port:
        try:
            await parts.endpoint.listen(new.metrics_port)
        except OSError as fault:
            words = _("site.toml: metrics.port: {port} cannot be opened ({why}); choose another one")
            raise UserError(words.format(port=new.metrics_port, why=fault.strerror)) from fault
    await polling.end(ending)
    try:
        await _flush(parts, now)
        contracts = await parts.writer.do(of_contracts, parts.state, new, now.utc_us, role)
        entered = [of_configuration(old, new, changes, role, now.utc_us), *contracts]
        await parts.writer.reconfigure(old, new, entered)
    except (ValueError, *STORE_FAULTS) as fault:
        again = [one for one in old.sources if one.name in ending]
        polling.start(old.sources, make_sources(again, parts.claims.standing()))
        if new.metrics_port != old.metrics_port:
            await metrics.try_to_listen(parts.endpoint, old.metrics_port)
        raise UserError(_("reload: cannot be recorded, nothing was changed: {why}").format(why=clean(fault))) from fault
    _adopt(parts, new, now)
    for name in ending - beginning:
        del polling.pollers[name]
    polling.start(new.sources, sources)
    parts.timetable.stop()
    parts.timetable = timetable
    timetable.start(datetime.now(UTC))
    return changes


async def _flush(parts: Parts, now: Moment) -> None:
    """All that was judged by the old configuration is on the disk. Raises STORE_FAULTS."""
    await parts.storing.settle(STOP_S)
    await parts.hearing.take_all()
    await parts.storing.pay()
    await parts.storing.commit(now, latest=True)
    if parts.storing.state[0] != "ok":
        raise OSError(parts.storing.state[1])


def _adopt(parts: Parts, new: Settings, now: Moment) -> None:
    """Everything that knows the configuration gets the new one."""
    parts.judging.adopt(new, now)
    parts.watch.forget(parts.settings, new, now)
    parts.settings = new
    parts.claims.configure(new)
    parts.desk.configure(new)
    parts.door.settings = new
    parts.worker.outdate()
