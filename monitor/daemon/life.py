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
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

from drivers.batch import Batch
from drivers.errors import UserError
from drivers.vendor.status_bits import StatusBits
from monitor import command_socket, heartbeat, installed
from monitor.claims import Claims
from monitor.command_socket import Request
from monitor.daemon import metrics
from monitor.daemon.alarms import AlarmList, from_row
from monitor.daemon.breaks import Breaks
from monitor.daemon.clock import Clock, boottime_s, read_kernel, time_services
from monitor.daemon.desk import Desk
from monitor.daemon.difference import difference, renumbered, unchanged
from monitor.daemon.disk import why
from monitor.daemon.dispatch import Dispatch
from monitor.daemon.drafts import gap, now_us, of_alarm, of_configuration, own, quarantined
from monitor.daemon.files import Files
from monitor.daemon.hearing import Hearing
from monitor.daemon.notify import ServiceManager
from monitor.daemon.poller import LinkChange
from monitor.daemon.polling import Polling, exchanged, make_sources
from monitor.daemon.publishing import Publisher, binder_of, head_told, publish_folder, write_facts
from monitor.daemon.room import Room
from monitor.daemon.security_desk import SecurityDesk
from monitor.daemon.sparing import Sparing
from monitor.daemon.storing import PATIENCE_S, Storing
from monitor.daemon.supervisor import Worker
from monitor.daemon.survey import RejectedFolder, Survey, alarm_rows, feed_rows, values_told
from monitor.daemon.timetable import Timetable
from monitor.daemon.watch import Watch
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.heartbeat import Moment, build_status
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, entries
from monitor.ledger.contracts import changed_contracts
from monitor.ledger.reading import head_at
from monitor.lock import boot_id, hold_lock
from monitor.plant import Job, Settings
from monitor.quality import machine_of
from monitor.security_log import SecurityLog
from monitor.settings import load
from monitor.sqlite_file import WAL_BYTES, damaged
from monitor.state import State, atomic_write, read_plain
from monitor.words import _, clean, utc_text

LOG = logging.getLogger("handwheel.daemon")
TICK_S, LATEST_EVERY_S, MINUTE_S, HOUR_S = 1.0, 5.0, 60.0, 3_600.0
CHANGES_TOLD = 300  # lines of an answer; the ledger has more
NOISE_LIMIT = 64_000_000  # bytes; some dozens for each tag
STOP_S = 4.5  # a stop that takes longer is given up
STOP_SOON_S = 1.0  # and after so long whatever can be left out is: the disk is slow
STOP_ROLE = "administrator"  # only somebody with rights over the process can send it a signal


class Daemon:
    """One life of the daemon."""

    def __init__(self, settings: Settings, state: State, sparing: Sparing | None = None) -> None:
        """`sparing`: the filter of the log, which counts what it holds back."""
        self._sparing = sparing or Sparing()
        self._systemd = ServiceManager()
        self.settings, self.state = settings, state
        self._boot_id, self._zone = boot_id(), ZoneInfo(settings.time_zone)
        self._start_s = time.monotonic()
        self._machine = machine_of(settings, self._start_s)
        self._survey = Survey(settings, self._machine, self._start_s)
        self._rejected = RejectedFolder(state.rejected)
        self._claims = Claims(settings)
        self._breaks = Breaks(settings.tags, {asset.id: asset.site for asset in settings.assets})
        self._bits = StatusBits(())
        self._alarms = AlarmList()
        self._writer = Writer(settings, state)
        self._storing = Storing(self._writer, self._alarms)
        self._publisher = Publisher(state)
        self._watch = Watch(self._alarms, self._storing.owe)
        self._hearing = Hearing(
            state, self._writer, self._claims, self._alarms, self._storing.owe, lambda: self._ask_soon("score")
        )
        self._desk = Desk(
            settings, state, self._writer, self._claims, self._alarms, lambda one: self._storing.owe(of_alarm(one))
        )
        self._worker = Worker(state, settings.folder)
        self._clock = Clock(self._moment(), boottime_s())
        self._jobs = Dispatch(
            self._worker, self._writer, self._claims, self._hearing.own_alert, lambda: self._clock.health.suspect
        )
        self._room = Room(
            settings, state, self._writer, self._storing.owe, self._jobs.run, lambda: self._clock.health.suspect
        )
        self._timetable = self._timetable_of(())
        self._turn = asyncio.Lock()  # of a tick, or of a new configuration
        self._stop = asyncio.Event()
        self._stop_s = float("inf")  # when it was asked for (monotonic) [s]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._security = SecurityLog(state.security_log)
        self._security_desk = SecurityDesk(self._security, self._writer)
        self._polling = Polling(self._receive, self._link_changed, self._hearing.hear)
        self._ready = self._reloading = False
        self._version = version("handwheel")
        self._told: Mapping[str, Any] | None = None  # the status that was published last
        self._endpoint = metrics.Endpoint(self._metrics)
        self._access: Counter[str] = Counter()  # messages over the socket: "admitted", or why refused

    # life

    async def live(self) -> int:
        """Start, work until told to stop, and stop in order. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_soon)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._try_to_reload(None)))
        try:
            await self._writer.open()
            self._files = Files(self.settings, self.state, self._writer)
            await self._take_up()
        except sqlite3.Error as fault:
            raise damaged(self.state.root, fault) from fault
        sources = make_sources(self.settings.sources, self._claims.standing())
        self._timetable = self._timetable_of(self.settings.jobs)
        self._polling.start(self.settings.sources, sources)
        try:
            async with command_socket.serve(
                self.state, self.settings, self._carry_out, self._note_access
            ) as self._door:
                heartbeat.clear_planned_stop(self.state)
                late = self._timetable.start(datetime.now(UTC))
                if any(self.state.imports.glob("*/facts.json")):  # what a last life did not end
                    self._spawn(self._jobs.run_soon("take_imports", 0.5))
                LOG.info("running: %d sources, %d tags, state %s%s", len(sources), len(self.settings.tags),
                         self.state.root, f"; done once now: {', '.join(late)}" if late else "")  # fmt: skip
                await metrics.try_to_listen(self._endpoint, self.settings.metrics_port)
                await self._tick_until_stopped()
                self._systemd.stopping()
                if self._stop.is_set():
                    self._mark_stop()
        finally:
            self._timetable.stop()
            self._endpoint.close()
            await self._wind_up()
        return 0

    def _stop_soon(self) -> None:
        """SIGTERM and Ctrl-C; a second one changes nothing."""
        if not self._stop.is_set():
            self._stop.set()
            self._stop_s = time.monotonic()
            asyncio.get_running_loop().call_later(STOP_S, self._give_up)

    def _give_up(self) -> None:
        """Something does not let us end in order: better an end without than a process that nobody can end."""
        LOG.error("stopped, but not everything could be flushed within %g s: the disk does not answer", STOP_S)
        _leave(1)

    async def _take_up(self) -> None:
        """Take up where the last life ended: claims, alarms, last runs; and say since when nothing was read."""
        at_us = now_us()
        reader = HotReader(self.state.hot)
        n, head = head_told(self.state)
        records = await self._writer.do(lambda: list(entries(self.state, ("vendor_alert", "own_alert", "config"))))
        self._claims.learn(one for one in records if one.kind != "config")
        names = {tag.number: tag.name for tag in self.settings.tags}
        self._bits = StatusBits(self.settings.status_alerts, self._claims.standing(), names)
        try:
            self._alarms.take_up(from_row(row) for row in reader.alarms())
            self._jobs.take_up(reader)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise damaged(self.state.hot, fault) from fault
        self._learn_noise()
        self._clock = Clock(self._moment(), boottime_s(), reader.meta().get("clock", ""))
        self._watch_clock(self._moment())
        started = {"version": self._version, "config_sha256": self.settings.sha256}
        drafts = [own("restart", started | await self._record_program(), at_us)]
        configured = next((one.data["sha256"] for one in reversed(records) if one.kind == "config"), None)
        if configured != self.settings.sha256:
            words = f"{len(self.settings.sources)} sources, {len(self.settings.tags)} tags"
            drafts.append(own("config", {"sha256": self.settings.sha256, "words": words}, at_us))
        drafts += await self._writer.do(self._contracts, self.settings, at_us)
        if n > self._writer.head[0]:
            LOG.error("the ledger has %d entries, %d were published: its tail is gone", self._writer.head[0], n)
            drafts.append(gap("ledger", at_us, at_us, counts={"entries_told": n}, head_told=head))
        elif n and (found := head_at(self.state, n)) != head:
            LOG.error("the ledger's entry %d has head %s, %s was published: this is another chain", n, found, head)
            drafts.append(gap("ledger", at_us, at_us, counts={"entries_told": n}, head_told=head))
        newest_ms = reader.newest_ms()
        if newest_ms is not None:
            drafts.append(gap("all", newest_ms * 1000, at_us))
        if (lost := self._writer.abandoned) is not None:
            words = _("{file}: was damaged; it is kept as {kept}, a new one was begun")
            self._files.news = words.format(file=self.state.hot.name, kept=lost.moved_to)
            LOG.error("%s (%s)", self._files.news, lost.why)
            drafts += [quarantined(self.state.hot.name, lost.why, lost.moved_to), gap("all", lost.last_us, at_us)]
        await self._writer.enter(drafts)
        await self._writer.do(publish_folder, self.settings, self.state)
        await self._writer.do(write_facts, self.state, self._writer.head, at_us)

    def _contracts(self, settings: Settings, at_us: int) -> list[Draft]:
        """What was agreed anew, otherwise, or no longer, since the ledger was told last."""
        return changed_contracts(settings.contracts, entries(self.state, ("contract",)), at_us)

    async def _record_program(self) -> dict[str, str]:
        """Which files run from now on, for whoever asks later whether they were changed."""
        try:
            return {"program_sha256": await self._writer.do(installed.record, self.state)}
        except OSError as fault:
            LOG.warning("%s: cannot be written (%s)", self.state.program, fault.strerror)
            return {}

    def _learn_noise(self) -> None:
        """What the last life knew of the noise of each sensor; without it a day passes before anything is said."""
        try:
            self._machine.noise.take_up(read_plain(self.state.noise, NOISE_LIMIT))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as fault:
            LOG.warning("%s: cannot be used (%s); the usual noise is learned anew", self.state.noise, clean(fault))

    async def _keep_noise(self) -> None:
        try:
            await self._writer.do(atomic_write, self.state.noise, self._machine.noise.saved())
        except OSError as fault:
            LOG.warning("%s: cannot be written (%s)", self.state.noise, fault.strerror)

    async def _seal(self) -> None:
        try:
            await self._writer.seal(now_us())
        except STORE_FAULTS as fault:
            LOG.warning("the ledger cannot be sealed now: %s", clean(fault))

    def _mark_stop(self) -> None:
        try:
            heartbeat.mark_planned_stop(self.state, STOP_ROLE, self._moment())
        except OSError as fault:
            LOG.error("the stop cannot be marked: %s", fault)

    async def _wind_up(self) -> None:
        """Nothing new, everything flushed, said as such; on a slow disk what can be made anew is left out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._polling.end(), self._worker.stop())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=0.5)
        moment = self._moment()
        self._storing.owe(own("stop", {"planned": self._stop.is_set()}, moment.utc_us))
        with suppress(TimeoutError):
            await self._storing.settle(STOP_S)
        await self._storing.in_time(partial(self._store, moment, ()), STOP_S)
        await self._seal()
        with suppress(*STORE_FAULTS):
            await self._writer.do(write_facts, self.state, self._writer.head, moment.utc_us)
            await self._writer.do(self._security.flush, moment.utc_us)
        await self._publish(moment, sync=True, stopping=True)
        for work in (self._each_minute, self._keep_noise):
            if time.monotonic() - self._stop_s < STOP_SOON_S:
                with suppress(*STORE_FAULTS):
                    await work()
        self._publisher.close()
        await self._writer.close(slow_disk=time.monotonic() - self._stop_s > STOP_SOON_S)
        LOG.info("stopped as planned" if self._stop.is_set() else "stopped by a fault")

    # a new configuration

    async def _try_to_reload(self, role: str | None) -> tuple[list[str], str]:
        """(what changed, why nothing did): also in the log, for whoever sent a signal."""
        try:
            changes = await self._reload(role)
        except UserError as fault:
            for line in str(fault).splitlines():
                LOG.error("not reloaded: %s", line)
            return [], str(fault)
        for line in changes or ["no file has changed"]:
            LOG.info("reloaded: %s", line)
        return changes, ""

    async def _reload(self, role: str | None) -> list[str]:
        """Read the configuration again, all or nothing; what did not change goes on undisturbed.

        Returns what changed, in words, as the ledger has it. Raises UserError: then nothing was changed.
        """
        if self._stop.is_set() or not self._ready or self._reloading:
            raise UserError(_("reload: the daemon starts, stops or reloads just now; try again"))
        self._reloading = True
        self._systemd.reloading()
        try:
            read = await asyncio.to_thread(load, self.settings.folder)  # seconds, for a large plant: not in the loop
            async with self._turn:
                return await self._exchange(renumbered(self.settings, read), role)
        finally:
            self._reloading = False
            self._systemd.ready(self._words())

    async def _exchange(self, new: Settings, role: str | None) -> list[str]:
        old, now = self.settings, self._moment()
        if new.state != old.state:
            raise UserError(_("site.toml: paths.state: cannot be changed while the daemon runs; start it anew"))
        if new.sha256 == old.sha256:
            return []
        changes = difference(old, new)
        ending, beginning = exchanged(old.sources, new.sources)
        sources = make_sources([one for one in new.sources if one.name in beginning], self._claims.standing())
        timetable = self._timetable_of(new.jobs)
        if new.metrics_port != old.metrics_port:
            try:
                await self._endpoint.listen(new.metrics_port)
            except OSError as fault:
                words = _("site.toml: metrics.port: {port} cannot be opened ({why}); choose another one")
                raise UserError(words.format(port=new.metrics_port, why=fault.strerror)) from fault
        await self._polling.end(ending)
        try:
            await self._flush(now)
            contracts = await self._writer.do(self._contracts, new, now.utc_us)
            entered = [of_configuration(old, new, changes, role, now.utc_us), *contracts]
            await self._writer.reconfigure(old, new, entered)
        except (ValueError, *STORE_FAULTS) as fault:
            again = [one for one in old.sources if one.name in ending]
            self._polling.start(old.sources, make_sources(again, self._claims.standing()))
            if new.metrics_port != old.metrics_port:
                await metrics.try_to_listen(self._endpoint, old.metrics_port)
            raise UserError(
                _("reload: cannot be recorded, nothing was changed: {why}").format(why=clean(fault))
            ) from fault
        self._adopt(new, now)
        for name in ending - beginning:
            del self._polling.pollers[name]
        self._polling.start(new.sources, sources)
        self._timetable.stop()
        self._timetable = timetable
        timetable.start(datetime.now(UTC))
        return changes

    def _adopt(self, new: Settings, now: Moment) -> None:
        """Everything that knows the configuration gets the new one; what is remembered of unchanged tags stays."""
        old, machine = self.settings, machine_of(new, now.mono_s)
        machine.take_over(self._machine, [tag.number for tag in unchanged(old, new)])
        survey = Survey(new, machine, now.mono_s)
        survey.take_over(self._survey)
        names = {tag.number: tag.name for tag in new.tags}
        if new.status_alerts != old.status_alerts:
            self._bits = StatusBits(new.status_alerts, self._claims.standing(), names)
        self._watch.forget(old, new, now)
        self._machine, self._survey, self.settings = machine, survey, new
        self._zone = ZoneInfo(new.time_zone)
        self._breaks = Breaks(new.tags, {asset.id: asset.site for asset in new.assets})
        self._claims.configure(new)
        self._desk.configure(new)
        self._door.settings = new
        self._worker.outdate()

    async def _flush(self, now: Moment) -> None:
        """All that was judged by the old configuration is on the disk. Raises STORE_FAULTS."""
        await self._storing.settle(STOP_S)
        await self._hearing.take_all()
        await self._storing.pay()
        await self._storing.commit(now, latest=True)
        if self._storing.state[0] != "ok":
            raise OSError(self._storing.state[1])

    # each second

    async def _tick_until_stopped(self) -> None:
        """Each second, on absolute times; a late tick is not made up for."""
        due_s = time.monotonic()
        every = {period_s: due_s + period_s for period_s in (LATEST_EVERY_S, MINUTE_S, HOUR_S)}
        while not self._stop.is_set():
            async with self._turn:
                now = self._moment()
                self._watch_clock(now)
                self._look_around(now)
                over = {period_s for period_s, next_s in every.items() if now.mono_s >= next_s}
                await self._storing.in_time(partial(self._store, now, over))
                await self._publish(now, sync=MINUTE_S in over)
            for period_s, next_s in every.items():
                if now.mono_s >= next_s:
                    every[period_s] = now.mono_s + period_s
            self._say_that_we_live(now)
            due_s = max(due_s + TICK_S, time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), due_s - time.monotonic())

    def _say_that_we_live(self, now: Moment) -> None:
        """To the service manager: this tick is over, and pollers had their turn.

        A disk that hangs is lived through for as long as the watchdog waits; after that a new start is tried.
        """
        for line in self._sparing.quiet(now.utc_us / 1e6):
            LOG.warning("%s", line)
        if not self._ready and self._polling.begun:
            self._ready = True
            self._systemd.ready(self._words())
        if self._ready:
            self._systemd.status(self._words())
        if self._polling.gets_on(now.mono_s) and self._writer.waits_s <= (self._systemd.watchdog_s or 0.0):
            self._systemd.alive(now.mono_s)

    def _words(self) -> str:
        """How it goes, in one line."""
        links = [one.link.state for one in self._polling.pollers.values()]
        failing = "" if self._storing.state[0] == "ok" else f"; the store cannot be written: {self._storing.state[1]}"
        return f"{links.count('up')} of {len(links)} sources answer, {len(self.settings.tags)} tags{failing}"

    def _receive(self, batch: Batch) -> None:
        """A batch from a poller: judged at once, stored with the next tick."""
        mono_s = time.monotonic()
        checked = self._machine.check(batch, mono_s)
        self._survey.take(checked, mono_s)
        self._storing.keep(checked)
        self._storing.owe_all(self._breaks.take(checked, mono_s))
        self._hearing.hear(self._bits.take(checked))

    def _link_changed(self, change: LinkChange) -> None:
        if change.before == "down" and change.last_answer_us is not None:
            self._storing.owe(gap(change.source, change.last_answer_us, change.at_us, site=change.site))

    def _watch_clock(self, now: Moment) -> None:
        """A step of the clock is entered, and so is the time that the machine slept; past entries stay as they are."""
        before = self._clock.health
        seen = self._clock.look(now, boottime_s(), read_kernel(), time_services())
        if (health := self._clock.health).state != before.state:
            LOG.log(logging.WARNING if health.suspect else logging.INFO, "clock %s: %s", health.state, health.note)
        if seen.step_s is not None:
            LOG.warning("the clock was set by %+.1f s", seen.step_s)
            self._storing.owe(own("clock_step", {"step": f"{seen.step_s:.3f} s"}, now.utc_us))
        if seen.slept_s is not None:
            LOG.warning("the machine slept for %.0f s", seen.slept_s)
            self._storing.owe(gap("all", now.utc_us - round(seen.slept_s * 1e6), now.utc_us))
        if seen.step_s is not None or seen.slept_s is not None:
            self._timetable.clock_set(datetime.now(UTC))

    def _look_around(self, now: Moment) -> None:
        """What only time brings: longer looks at quality, stale tags, and what the watch sees."""
        self._machine.tick(now.mono_s)
        for batch in self._machine.overdue(now.mono_s, now.utc_us):
            self._survey.take(batch, now.mono_s)
            self._storing.keep(batch)
        lost = self._survey.lost_s(now.mono_s)
        self._watch.look(self.settings, self._polling.pollers, lost, now, clock_valid=not self._clock.health.suspect)

    async def _write_ledger(self) -> None:
        """What devices said, what lies in the inbox, and our own entries; while that fails, nothing is let go of."""
        try:
            self._storing.owe_all(await self._writer.do(self._files.look))
            await self._hearing.take()
            await self._storing.pay()
        except STORE_FAULTS as fault:
            self._storing.failed(fault)

    async def _store(self, now: Moment, over: Collection[float]) -> None:
        """Ledger first, then what came in as a frame, then what is done every few seconds, each minute, each hour."""
        await self._write_ledger()
        await self._storing.commit(now, latest=LATEST_EVERY_S in over)
        if LATEST_EVERY_S in over:
            await self._look_at_disk(now)
        try:
            if LATEST_EVERY_S in over:
                await self._writer.do(self._security.flush, now.utc_us)
            if MINUTE_S in over:
                await self._each_minute()
        except STORE_FAULTS as fault:
            self._storing.failed(fault)
        if HOUR_S in over:
            await self._keep_noise()
            await self._seal()

    async def _publish(self, now: Moment, *, sync: bool, stopping: bool = False) -> None:
        """What was stored is shown; also to who asks, where it cannot be published."""
        self._told = self._status(now, stopping)
        patience_s = STOP_SOON_S if stopping else PATIENCE_S
        await self._publisher.publish(
            self._told, self._survey.last_known, now, self._zone, sync=sync, patience_s=patience_s
        )

    async def _look_at_disk(self, now: Moment) -> None:
        files, self._files.news = self._files.words or self._files.news, ""
        self._watch.tell("files", bool(files), "warning", files, now, cause=files)
        await self._room.look()
        self._watch.tell("disk", self._room.full, "warning", self._room.words, now, cause=self._room.cause)
        if self._room.due(now) and not self._stop.is_set():
            self._spawn(self._room.make(now))

    async def _each_minute(self) -> None:
        """Rollups, and the copy for the fallback; the binder is rendered anew when its sources changed."""
        at_us = now_us()
        await self._writer.do(write_facts, self.state, self._writer.head, at_us)
        await self._writer.do(self._writer.hot.roll, None if self._clock.health.suspect else at_us // 1000)
        size = await self._writer.do(self._writer.hot.shorten_wal)
        words = _("hot.sqlite: somebody holds one view of it for long; {size} MB wait beside it")
        self._watch.tell("reader", size > 4 * WAL_BYTES, "note", words.format(size=round(size / 1e6)), self._moment())
        for one in await self._writer.do(self._writer.hot.set_aside):
            LOG.error("frame %d of the hot file is damaged and was set aside: %s", one.n, one.file)
            self._storing.owe(quarantined(f"{self.state.hot.name}, frame {one.n}", one.why, one.file))
        await self._writer.do(self._writer.hot.set_meta, "clock", self._clock.saved())
        changed = await self._writer.do(publish_folder, self.settings, self.state)
        if changed:
            LOG.info("published: %s", ", ".join(changed))
            self._ask_soon("binder")

    def _status(self, now: Moment, stopping: bool) -> dict[str, Any]:
        stopped = {"role": STOP_ROLE, "at": utc_text(now.utc_us)} if stopping and self._stop.is_set() else None
        return build_status(
            now,
            simulated=self.settings.simulated,
            pid=os.getpid(),
            state="stopped" if stopping else "running",
            planned_stop=stopped,
            clock=self._clock.health.to_json(),
            store=self._room.store(self._storing.state),
            sources=self._survey.sources(self._polling.pollers, now.mono_s),
            sites=self._survey.sites(now.mono_s),
            assets=self._survey.assets(self._jobs.assessments),
            alarms_top=alarm_rows(self._alarms),
            rejected=self._rejected.look(now.utc_us),
            time_zone=self.settings.time_zone,
            vendor=feed_rows(self.settings, self._claims, now.utc_us, now.mono_s - self._start_s),
            binder=binder_of(self.state),
            ledger=self._writer.head,
        ) | {"worker": {"pid": self._worker.pid, "restarts": self._worker.restarts, "lost": self._worker.lost,
                        "job": self._worker.job, "progress": self._worker.progress,
                        "jobs": self._jobs.last_runs},
             "socket": dict(self._access), "disk": self._room.to_json(),
             "overload": self._overload(), "backlog": self._storing.backlog, "wal_bytes": self._storing.wal_bytes,
             "timetable": {name: at.isoformat() for name, at in self._timetable.next_runs().items()}}  # fmt: skip

    def _metrics(self) -> str:
        links = [one.link for one in self._polling.pollers.values()]
        told = self._told
        return metrics.text(told, links, time.monotonic(), self._version) if told else ""

    def _overload(self) -> dict[str, Any]:
        """What was lost or left out because there was too much of it, since the start; `at`: when last."""
        lost, pollers = self._storing.lost, self._polling.pollers.values()
        at_us = max(self._storing.lost_us, self._hearing.lost_us)
        return {
            "at": utc_text(at_us) if at_us else None,
            "polls_lost": lost["polls"],
            "samples_lost": lost["samples"],
            "entries_lost": lost["entries"],
            "alerts_lost": self._hearing.lost,
            "values_lost": sum(one.source.counts.lost for one in pollers),
            "polls_skipped": sum(one.link.skipped for one in pollers),
            "pollers_failed": self._polling.crashed,
            "clients_refused": self._access[command_socket.TOO_MANY],
            "log_lines_held": self._sparing.held,
        }

    # what is asked of us

    async def _carry_out(self, request: Request) -> Mapping[str, Any]:
        """One request of the command socket that its role may make."""
        if request.verb == "status":
            return {"status": self._told or {}, "values": values_told(self._survey.last_known())}
        if request.verb == "security_log":
            return await self._security_desk.answer(request)
        if request.verb == "reload":
            # a client that gives up must not break it off in the middle
            changes, error = await asyncio.shield(self._spawn(self._try_to_reload(request.role)))
            if error:
                raise UserError(error)
            return {"changes": changes[:CHANGES_TOLD]}
        if request.verb == "confirm_clock":
            return await self._confirm_clock(request.role)
        if request.verb != "run_job":
            made = await self._desk.record(request)
            if request.verb == "import":
                self._spawn(self._jobs.run_soon("take_imports", 0.5))
            return made
        name = self._jobs.check(request.data.get("job"))
        LOG.info("job %s asked for by %s", name, request.role)
        self._spawn(self._jobs.run(name, {"role": request.role}))
        return {"job": name, "words": _("{job}: started; its result goes into the ledger").format(job=name)}

    async def _confirm_clock(self, role: str) -> Mapping[str, Any]:
        """A person compared the clock: entered as a step of nothing, by role, and believed."""
        data = {"step": "0.000 s", "confirmed": True}
        try:
            (made,) = await self._writer.enter([replace(own("clock_step", data, now_us()), role=role)])
        except STORE_FAULTS as fault:
            raise UserError(_("confirm_clock: cannot be recorded: {why}").format(why=why(fault))) from fault
        self._clock.confirm()
        return {"n": made.n, "head": made.head}

    def _note_access(self, uid: int, verb: str, allowed: bool, role: str, why: str) -> None:
        """Each message of the command socket, before it is carried out."""
        self._access["admitted" if allowed else why] += 1
        self._security.note(now_us(), uid, verb, "" if allowed else why, role)

    def _timetable_of(self, jobs: Sequence[Job]) -> Timetable:
        return Timetable(jobs, self._jobs.last_starts(), self._start_job, self._jobs.leave_out)

    async def _start_job(self, name: str) -> None:
        """What the timetable calls: the job is a task of ours, which a stop can end in order."""
        if not self._stop.is_set():
            self._spawn(self._jobs.run(name))

    # small things

    def _ask_soon(self, name: str) -> None:
        """A job that something new asks for, where it is on the timetable."""
        if not self._stop.is_set() and any(job.name == name for job in self.settings.jobs):
            self._spawn(self._jobs.run_soon(name))

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            if isinstance(fault, sqlite3.Error):
                self._storing.failed(fault)
            LOG.error("not recorded: %s", fault, exc_info=fault)

    def _moment(self) -> Moment:
        return Moment(self._boot_id, time.monotonic(), now_us())


def run(settings: Settings, state: State) -> int:
    """Run until SIGTERM or Ctrl-C; returns 0. Raises UserError (one line) where STATE is held by another process."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be obeyed it must not end us
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sparing = Sparing()
    for handler in logging.getLogger().handlers:
        handler.addFilter(sparing)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # link states are ours to tell, once per change
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with hold_lock(state):
        return asyncio.run(_live(settings, state, sparing))


async def _live(settings: Settings, state: State, sparing: Sparing) -> int:
    code = await Daemon(settings, state, sparing).live()
    _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process now: a name that no server resolves, or a disk, may keep a library's thread for minutes."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
