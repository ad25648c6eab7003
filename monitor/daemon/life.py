"""`handwheel run`: reads the plant and keeps what it read; writes nothing to it, and needs nobody to go on.

One asyncio task per connection; one writer thread that alone owns hot file and ledger; one worker process for whatever
is heavy. Each second what came in is judged, committed as one frame, and published for screen and fallback, in this
order, so that what is shown was stored. Everything that must survive (alerts, decisions, gaps, steps of the clock)
goes into the ledger before anybody is told that it did. A source, the store, the worker or the intake may fail: the
rest goes on and says so.

SIGTERM and Ctrl-C are a planned stop: it is marked, everything is flushed, the exit code is 0 within five seconds, also
where a source never answers, the worker hangs or the disk is slow. A disk that does not answer at all cannot be waited
for: the process then ends without, says so, and its exit code is 1. After SIGKILL the files are as they were at the
last commit.
"""

import asyncio
import logging
import signal
import sqlite3
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn
from zoneinfo import ZoneInfo

from monitor import command_socket, heartbeat
from monitor.daemon import metrics, stopping
from monitor.daemon.answering import carry_out, note_access
from monitor.daemon.clock import boottime_s, read_kernel, time_services
from monitor.daemon.drafts import gap, now_us, own, quarantined
from monitor.daemon.files import Files
from monitor.daemon.parts import Parts
from monitor.daemon.polling import make_sources
from monitor.daemon.publishing import publish_folder, write_facts
from monitor.daemon.reloading import try_to_reload
from monitor.daemon.sparing import Sparing
from monitor.daemon.stopping import STOP_S, STOP_SOON_S, leave
from monitor.daemon.storing import PATIENCE_S
from monitor.daemon.taking_up import take_up
from monitor.daemon.telling import in_a_line, status_of
from monitor.daemon.writer import STORE_FAULTS
from monitor.heartbeat import Moment
from monitor.lock import hold_lock
from monitor.plant import Settings
from monitor.sqlite_file import WAL_BYTES, damaged
from monitor.state import State, atomic_write
from monitor.words import _, clean

LOG = logging.getLogger("handwheel.daemon")
TICK_S, LATEST_EVERY_S, MINUTE_S, HOUR_S = 1.0, 5.0, 60.0, 3_600.0


def run(settings: Settings, state: State) -> NoReturn:
    """Run until SIGTERM or Ctrl-C, then exit. Raises UserError (one line) where STATE is held by another process."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be obeyed it must not end us
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sparing = Sparing()
    for handler in logging.getLogger().handlers:
        handler.addFilter(sparing)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # link states are ours to tell, once per change
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with hold_lock(state):
        asyncio.run(_run(settings, state, sparing))


async def _run(settings: Settings, state: State, sparing: Sparing) -> NoReturn:
    await live(Parts(settings, state, sparing))
    leave(0)


async def live(parts: Parts) -> None:
    """Start, work until told to stop, and stop in order."""
    settings, state, loop = parts.settings, parts.state, asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, parts.stop.ask)
    loop.add_signal_handler(signal.SIGHUP, lambda: parts.tasks.spawn(try_to_reload(parts, None)))
    try:
        await parts.writer.open()
        parts.files = Files(settings, state, parts.writer)
        await take_up(parts)
        _watch_clock(parts, parts.moment())
    except sqlite3.Error as fault:
        raise damaged(state.root, fault) from fault
    sources = make_sources(settings.sources, parts.claims.standing())
    parts.timetable = parts.timetable_of(settings.jobs)
    parts.polling.start(settings.sources, sources)
    answer, note = partial(carry_out, parts), partial(note_access, parts)
    try:
        async with command_socket.serve(state, settings, answer, note) as parts.door:
            heartbeat.clear_planned_stop(state)
            late = parts.timetable.start(datetime.now(UTC))
            if any(state.imports.glob("*/facts.json")):  # what a last life did not end
                parts.tasks.spawn(parts.jobs.run_soon("take_imports", 0.5))
            if parts.journals.changed() or any(state.periods.glob("*.jsonl")):
                parts.tasks.spawn(parts.jobs.run_soon("take_periods", 0.5))
            LOG.info("running: %d sources, %d tags, state %s%s", len(sources), len(settings.tags), state.root,
                     f"; done once now: {', '.join(late)}" if late else "")  # fmt: skip
            await metrics.try_to_listen(parts.endpoint, settings.metrics_port)
            await _tick_until_stopped(parts)
            parts.systemd.stopping()
            if parts.stop.asked:
                stopping.mark(state, parts.moment())
    finally:
        parts.timetable.stop()
        parts.endpoint.close()
        await _wind_up(parts)


# each second


async def _tick_until_stopped(parts: Parts) -> None:
    """Each second, on absolute times; a late tick is not made up for."""
    due_s = time.monotonic()
    every = {period_s: due_s + period_s for period_s in (LATEST_EVERY_S, MINUTE_S, HOUR_S)}
    while not parts.stop.asked:
        async with parts.turn:
            now = parts.moment()
            _watch_clock(parts, now)
            _look_around(parts, now)
            over = {period_s for period_s, next_s in every.items() if now.mono_s >= next_s}
            await parts.storing.in_time(partial(_store, parts, now, over))
            await _publish(parts, now, sync=MINUTE_S in over)
        for period_s in over:
            every[period_s] = now.mono_s + period_s
        _say_that_we_live(parts, now)
        due_s = max(due_s + TICK_S, time.monotonic())
        await parts.stop.wait(due_s - time.monotonic())


def _watch_clock(parts: Parts, now: Moment) -> None:
    """A step of the clock is entered, and so is the time that the machine slept; past entries stay as they are."""
    before, owe = parts.clock.health, parts.storing.owe
    seen = parts.clock.look(now, boottime_s(), read_kernel(), time_services())
    if (health := parts.clock.health).state != before.state:
        LOG.log(logging.WARNING if health.suspect else logging.INFO, "clock %s: %s", health.state, health.note)
    if seen.step_s is not None:
        LOG.warning("the clock was set by %+.1f s", seen.step_s)
        owe(own("clock_step", {"step": f"{seen.step_s:.3f} s"}, now.utc_us))
    if seen.slept_s is not None:
        LOG.warning("the machine slept for %.0f s", seen.slept_s)
        owe(gap("all", now.utc_us - round(seen.slept_s * 1e6), now.utc_us))
    if seen.step_s is not None or seen.slept_s is not None:
        parts.timetable.clock_set(datetime.now(UTC))


def _look_around(parts: Parts, now: Moment) -> None:
    """What only time brings: longer looks at quality, stale tags, and what the watch sees."""
    parts.judging.tick(now)
    lost, clock_valid = parts.judging.survey.lost_s(now.mono_s), not parts.clock.health.suspect
    parts.watch.look(parts.settings, parts.polling.pollers, lost, now, clock_valid=clock_valid)


async def _store(parts: Parts, now: Moment, over: Collection[float]) -> None:
    """Ledger first, then what came in as a frame, then what is done every few seconds, each minute, each hour."""
    await _write_ledger(parts)
    await parts.storing.commit(now, latest=LATEST_EVERY_S in over)
    if LATEST_EVERY_S in over:
        await _look_at_disk(parts, now)
    try:
        if MINUTE_S in over:
            await _each_minute(parts)
    except STORE_FAULTS as fault:
        parts.storing.failed(fault)
    if LATEST_EVERY_S in over:
        await _keep_security(parts, now)
    if HOUR_S in over:
        await _keep_noise(parts)
        await _seal(parts)


async def _keep_security(parts: Parts, now: Moment) -> None:
    """Who was let in or refused; a file that cannot be written is said, and holds nothing else up."""
    try:
        await parts.writer.do(parts.security.flush, now.utc_us, parts.clock.health.suspect)
    except STORE_FAULTS as fault:
        parts.storing.failed(fault)


async def _write_ledger(parts: Parts) -> None:
    """What devices said, what lies in the inbox, and our own entries; while that fails, nothing is let go of."""
    try:
        parts.storing.owe_all(await parts.writer.do(parts.files.look))
        await parts.hearing.take()
        await parts.storing.pay()
    except STORE_FAULTS as fault:
        parts.storing.failed(fault)


async def _look_at_disk(parts: Parts, now: Moment) -> None:
    """Files that somebody took, and disks that fill: said as alarms, and room is made."""
    files, room, tell = parts.files, parts.room, parts.watch.tell
    words, files.news = files.words or files.news, ""
    parts.watch.seen("ledger", now)
    tell("files", bool(words), "warning", words, now, cause=words)
    await room.look()
    tell("disk", room.full, "warning", room.words, now, cause=room.cause)
    if room.due(now) and not parts.stop.asked:
        parts.tasks.spawn(room.make(now))


async def _each_minute(parts: Parts) -> None:
    """Rollups, and the copy for the fallback; the binder when its sources changed, a journal of it that has ended."""
    writer, state, at_us = parts.writer, parts.state, now_us()
    await writer.do(write_facts, state, writer.head, at_us)
    await writer.do(writer.hot.roll, None if parts.clock.health.suspect else at_us // 1000)
    size = await writer.do(writer.hot.shorten_wal)
    words = _("hot.sqlite: somebody holds one view of it for long; {size} MB wait beside it")
    words = words.format(size=round(size / 1e6))
    parts.watch.tell("reader", size > 4 * WAL_BYTES, "note", words, parts.moment())
    for one in await writer.do(writer.hot.set_aside):
        LOG.error("frame %d of the hot file is damaged and was set aside: %s", one.n, one.file)
        parts.storing.owe(quarantined(f"{state.hot.name}, frame {one.n}", one.why, one.file))
    await writer.do(writer.hot.set_meta, "clock", parts.clock.saved())
    changed = await writer.do(publish_folder, parts.settings, state)
    if changed:
        LOG.info("published: %s", ", ".join(changed))
        parts.ask_soon("binder")
    if await writer.do(parts.journals.changed) and not parts.stop.asked:
        parts.tasks.spawn(parts.jobs.run_soon("take_periods", 0.5))


async def _keep_noise(parts: Parts) -> None:
    try:
        await parts.writer.do(atomic_write, parts.state.noise, parts.judging.saved_noise())
    except OSError as fault:
        LOG.warning("%s: cannot be written (%s)", parts.state.noise, fault.strerror)


async def _seal(parts: Parts) -> None:
    try:
        await parts.writer.seal(now_us())
    except STORE_FAULTS as fault:
        LOG.warning("the ledger cannot be sealed now: %s", clean(fault))


async def _publish(parts: Parts, now: Moment, *, sync: bool, stopping: bool = False) -> None:
    """What was stored is shown; also to who asks, where it cannot be published."""
    parts.told = status_of(parts, now, stopping=stopping)
    zone, patience_s = ZoneInfo(parts.settings.time_zone), STOP_SOON_S if stopping else PATIENCE_S
    known = parts.judging.survey.last_known
    await parts.publisher.publish(parts.told, known, now, zone, sync=sync, patience_s=patience_s)


def _say_that_we_live(parts: Parts, now: Moment) -> None:
    """To the service manager: this tick is over, and pollers had their turn.

    A disk that hangs is lived through for as long as the watchdog waits; after that a new start is tried.
    """
    systemd = parts.systemd
    for line in parts.sparing.quiet(now.utc_us / 1e6):
        LOG.warning("%s", line)
    if not parts.ready and parts.polling.begun:
        parts.ready = True
        systemd.ready(in_a_line(parts))
    if parts.ready:
        systemd.status(in_a_line(parts))
    if parts.polling.gets_on(now.mono_s) and parts.writer.waits_s <= (systemd.watchdog_s or 0.0):
        systemd.alive(now.mono_s)


# the end


async def _wind_up(parts: Parts) -> None:
    """Nothing new, everything flushed, said as such; on a slow disk what can be made anew is left out."""
    stop, storing, writer = parts.stop, parts.storing, parts.writer
    parts.tasks.cancel()
    await asyncio.gather(parts.polling.end(), parts.worker.stop())
    await parts.tasks.ended(0.5)
    now = parts.moment()
    storing.owe(own("stop", {"planned": stop.asked}, now.utc_us))
    with suppress(TimeoutError):
        await storing.settle(STOP_S)
    await storing.in_time(partial(_store, parts, now, ()), STOP_S)
    await _seal(parts)
    with suppress(*STORE_FAULTS):
        await writer.do(write_facts, parts.state, writer.head, now.utc_us)
    await _keep_security(parts, now)
    await _publish(parts, now, sync=True, stopping=True)
    for work in (_each_minute, _keep_noise):
        if not stop.slow:
            with suppress(*STORE_FAULTS):
                await work(parts)
    parts.publisher.close()
    await writer.close(slow_disk=stop.slow)
    LOG.info("stopped as planned" if stop.asked else "stopped by a fault")
