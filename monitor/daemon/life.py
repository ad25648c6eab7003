"""`handwheel run`: reads the plant and keeps what it read; writes nothing to it, and needs nobody to go on.

One asyncio task per connection; one writer thread that alone owns hot file and ledger; one worker process for whatever
is heavy. Each second what came in is judged, committed as one frame, and published for screen and fallback, in this
order, so that what is shown was stored. Everything that must survive (alerts, decisions, gaps, steps of the clock)
goes into the ledger before anybody is told that it did. A source, the store, the worker or the intake may fail: the
rest goes on and says so.

SIGTERM and Ctrl-C are a planned stop: it is marked, everything is flushed, the exit code is 0 within seconds. After
SIGKILL the files are as they were at the last commit.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.batch import Batch
from drivers.errors import AlertError
from drivers.record import Alert
from drivers.source import make_source
from drivers.vendor.status_bits import StatusBits
from monitor import command_socket, heartbeat
from monitor.claims import Claims
from monitor.command_socket import Request
from monitor.daemon.alarms import Alarm, AlarmList, Change, from_row, to_row
from monitor.daemon.breaks import Breaks
from monitor.daemon.desk import Desk
from monitor.daemon.dispatch import Dispatch
from monitor.daemon.poller import DETAIL_LIMIT, LinkChange, Poller, cause_of, phases, share_lines
from monitor.daemon.publishing import binder_of, head_told, publish_folder, write_facts
from monitor.daemon.supervisor import Worker
from monitor.daemon.survey import RejectedFolder, Survey, alarm_rows, feed_rows
from monitor.daemon.timetable import Timetable
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.handover import handed_over, read_handover, refuse
from monitor.heartbeat import LastKnown, Moment, build_status, last_known_text
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, entries
from monitor.lock import boot_id, hold_lock
from monitor.pace import unhurried
from monitor.plant import Settings
from monitor.quality import STALE_LEAST_S, STALE_PERIODS, machine_of
from monitor.sqlite_file import damaged
from monitor.state import State, atomic_write
from monitor.words import _, clean, utc_text

LOG = logging.getLogger("handwheel.daemon")
TICK_S, LATEST_EVERY_S, MINUTE_S, HOUR_S = 1.0, 5.0, 60.0, 3_600.0
CLOCK_STEP_S = 0.5
SUSPECT_FOR_S = 3_600.0  # after a step of more than a second the clock is not believed for so long
BACKLOG = 3_600  # batches kept in memory while the store cannot be written
LAST_KNOWN_AT_ONCE, LAST_KNOWN_REST = 500, 20  # lines; times what writing them all took
INBOX_S = 0.5  # how long a tick takes messages in, so that a thousand at once do not hold up the heartbeat
SILENT_TOLD = 3  # devices or assets named in one alarm
ALERTS_PER_TICK = 100  # of devices
ALERTS_WAITING = 10_000  # a device that tells more than can be written is cut off here
STOP_ROLE = "administrator"  # only somebody with rights over the process can send it a signal


class Daemon:
    """One life of the daemon."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings, self.state = settings, state
        self._boot_id, self._zone = boot_id(), ZoneInfo(settings.time_zone)
        self._start_s = time.monotonic()
        self._machine = machine_of(settings, self._start_s)
        self._survey = Survey(settings, self._machine, self._start_s)
        self._rejected = RejectedFolder(state.rejected)
        self._claims = Claims(settings)
        self._breaks = Breaks(settings.tags, {asset.id: asset.site for asset in settings.assets})
        self._alarms = AlarmList()
        self._causes: dict[str, str] = {}  # by name of an alarm of our own: the kind of trouble that it tells
        self._alarms_told: list[Alarm] = []  # as they stand in the hot file
        self._writer = Writer(settings, state)
        self._worker = Worker(state, settings.folder)
        self._jobs = Dispatch(self._worker, self._writer, self._claims, self._own_alert)
        self._pending: list[Batch] = []  # judged, not yet stored
        self._polls_lost = 0  # because the store could not be written for longer than the backlog lasts
        self._store = ("ok", "")
        self._clock = ("unknown", "")
        self._published = True
        self._last_known_due_s = 0.0  # monotonic [s]
        self._suspect_until_s = 0.0
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pollers: dict[str, Poller] = {}
        self._bits = StatusBits(())
        self._refused: set[Path] = set()
        self._heard: deque[Alert] = deque()  # what devices said, not yet in the ledger
        self._alerts_lost, self._alerts_lost_us = 0, 0  # how many were cut off, and since when (UTC) [us]
        self._owed: deque[Draft] = deque()  # entries of our own, not yet in the ledger

    # life

    async def live(self) -> int:
        """Start, work until told to stop, and stop in order. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._writer.open()
            await self._take_up()
        except sqlite3.Error as fault:
            raise damaged(self.state.root, fault) from fault
        phase_s = phases(self.settings.sources)
        standing = [alert for alert in self._claims.standing() if alert.feed == "opcua"]
        sources = [
            make_source(replace(spec, options={**spec.options, "standing": standing} if standing else spec.options))
            for spec in self.settings.sources
        ]
        share_lines(sources)
        for source in sources:
            name = source.spec.name
            self._pollers[name] = Poller(
                source, phase_s=phase_s[name], on_batch=self._receive, on_change=self._link_changed,
                on_alerts=self._hear,
            )  # fmt: skip
        timetable = Timetable(self.settings.jobs, self._jobs.last_starts(), self._jobs.run)
        polling = [asyncio.create_task(one.run(), name=f"poll {name}") for name, one in self._pollers.items()]
        try:
            async with command_socket.serve(self.state, self.settings, self._carry_out):
                heartbeat.clear_planned_stop(self.state)
                late = timetable.start(datetime.now(UTC))
                LOG.info("running: %d sources, %d tags, state %s%s", len(polling), len(self.settings.tags),
                         self.state.root, f"; done once now: {', '.join(late)}" if late else "")  # fmt: skip
                await self._tick_until_stopped()
        finally:
            timetable.stop()
            await self._wind_up(polling)
        return 0

    async def _take_up(self) -> None:
        """Take up where the last life ended: claims, alarms, last runs; and say since when nothing was read."""
        now_us = _now_us()
        reader = HotReader(self.state.hot)
        told = head_told(self.state)
        records = await self._writer.do(lambda: list(entries(self.state, ("vendor_alert", "own_alert", "config"))))
        self._claims.learn(one for one in records if one.kind != "config")
        names = {tag.number: tag.name for tag in self.settings.tags}
        self._bits = StatusBits(self.settings.status_alerts, self._claims.standing(), names)
        try:
            self._alarms = AlarmList(from_row(row) for row in reader.alarms())
            self._jobs.take_up(reader)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise damaged(self.state.hot, fault) from fault
        self._desk = Desk(self.settings, self.state, self._writer, self._claims, self._alarms, self._owe)
        self._alarms_told = list(self._alarms)
        self._learn_noise()
        drafts = [_own("restart", {"version": version("handwheel"), "config_sha256": self.settings.sha256}, now_us)]
        configured = next((one.data["sha256"] for one in reversed(records) if one.kind == "config"), None)
        if configured != self.settings.sha256:
            words = f"{len(self.settings.sources)} sources, {len(self.settings.tags)} tags"
            drafts.append(_own("config", {"sha256": self.settings.sha256, "words": words}, now_us))
        if told > self._writer.head[0]:
            LOG.error("the ledger has %d entries, %d were published: its tail is gone", self._writer.head[0], told)
            lost = {"source": "ledger", "start": utc_text(now_us), "end": utc_text(now_us), "entries_told": told}
            drafts.append(_own("gap", lost, now_us))
        newest_ms = reader.newest_ms()
        if newest_ms is not None:
            gap = {"source": "all", "start": utc_text(newest_ms * 1000), "end": utc_text(now_us)}
            drafts.append(_own("gap", gap, now_us))
        await self._writer.enter(drafts)
        await self._writer.do(publish_folder, self.settings, self.state)
        await self._writer.do(write_facts, self.state, self._writer.head, now_us)

    def _learn_noise(self) -> None:
        """What the last life knew of the noise of each sensor; without it a day passes before anything is said."""
        try:
            self._machine.noise.take_up(self.state.noise.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as fault:
            LOG.warning("%s: cannot be used (%s); the usual noise is learned anew", self.state.noise, clean(fault))

    async def _keep_noise(self) -> None:
        try:
            await self._writer.do(atomic_write, self.state.noise, self._machine.noise.saved())
        except OSError as fault:
            LOG.warning("%s: cannot be written (%s)", self.state.noise, fault.strerror)

    async def _wind_up(self, polling: Sequence[asyncio.Task[None]]) -> None:
        """A planned stop: nothing new, everything flushed, said as such."""
        for task in (*polling, *self._tasks):
            task.cancel()
        if polling or self._tasks:
            await asyncio.wait([*polling, *self._tasks], timeout=3.0)
        await self._worker.stop()
        moment = self._moment()
        self._owed.append(_own("stop", {"planned": self._stop.is_set()}, moment.utc_us))
        await self._write_ledger()
        await self._commit(moment, stopping=True)
        await self._keep_noise()
        try:
            if self._stop.is_set():
                heartbeat.mark_planned_stop(self.state, STOP_ROLE, moment)
            await self._writer.do(write_facts, self.state, self._writer.head, moment.utc_us)
        except OSError as fault:
            LOG.error("the stop cannot be marked: %s", fault)
        await self._writer.close()
        LOG.info("stopped as planned" if self._stop.is_set() else "stopped by a fault")

    async def _tick_until_stopped(self) -> None:
        """Each second, on absolute times; a late tick is not made up for."""
        due_s, before = time.monotonic(), self._moment()
        every = {period_s: due_s + period_s for period_s in (LATEST_EVERY_S, MINUTE_S, HOUR_S)}
        while not self._stop.is_set():
            now = self._moment()
            self._watch_clock(before, now)
            before = now
            self._look_around(now)
            await self._write_ledger()
            await self._commit(now, latest=now.mono_s >= every[LATEST_EVERY_S], minute=now.mono_s >= every[MINUTE_S])
            if now.mono_s >= every[HOUR_S]:
                await self._keep_noise()
            for period_s, next_s in every.items():
                if now.mono_s >= next_s:
                    every[period_s] = now.mono_s + period_s
            due_s = max(due_s + TICK_S, time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), due_s - time.monotonic())

    # what comes in

    def _receive(self, batch: Batch) -> None:
        """A batch from a poller: judged at once, stored with the next tick."""
        mono_s = time.monotonic()
        checked = self._machine.check(batch, mono_s)
        self._survey.take(checked, mono_s)
        self._pending.append(checked)
        self._owed.extend(self._breaks.take(checked, mono_s))
        self._hear(self._bits.take(checked))

    def _hear(self, alerts: Sequence[Alert]) -> None:
        """What devices say waits for the ledger; a flood that no ledger could follow is cut, counted and said."""
        room = ALERTS_WAITING - len(self._heard)
        self._heard.extend(alerts[:room])
        lost = len(alerts) - max(room, 0)
        if lost > 0:
            if not self._alerts_lost:
                self._alerts_lost_us = _now_us()
                LOG.error("more alerts come from devices than can be entered; those over %d are lost", ALERTS_WAITING)
            self._alerts_lost += lost

    def _link_changed(self, change: LinkChange) -> None:
        if change.before == "down" and change.last_answer_us is not None:
            gap = {"source": change.source, "start": utc_text(change.last_answer_us), "end": utc_text(change.at_us)}
            self._owed.append(_own("gap", gap, change.at_us, site=change.site))

    async def _take_alerts(self, alerts: Sequence[Alert], via: str) -> None:
        """Into the ledger, with their messages, then onto the list of alarms; what is known already changes nothing."""
        new = [(alert, draft) for alert in alerts if (draft := self._claims.draft(alert, via)) is not None]
        for raw, at_us in {alert.raw: alert.received_us for alert, _draft in new if alert.raw}.items():
            await self._writer.do(self._writer.ledger.keep_raw, raw, at_us)
        await self._writer.enter([draft for _alert, draft in new])
        for alert, _draft in new:
            self._claims.entered(alert)
            self._to_alarms(alert)
        if new and any(job.name == "score" for job in self.settings.jobs):
            self._spawn(self._jobs.run_soon("score"))

    def _to_alarms(self, alert: Alert) -> None:
        """A claim raises its alarm; the alarm says what still stands behind it, and ends with the last of that."""
        now_us = _now_us()
        if alert.active:
            self._owe(self._alarms.raise_alert(alert, self._claims.site(alert.asset), now_us))
        alarm = self._alarms.behind(alert)
        if alarm is None:
            return
        standing = self._claims.standing_of(alert.vendor, alarm.alert_ids)
        if standing:
            self._alarms.restate(alarm, standing)
        elif alarm.active and not alert.active:
            self._owe(self._alarms.apply(alarm.id, "return", now_us))

    async def _hear_devices(self) -> None:
        """A batch ends where an alert comes a second time: what the first did must be known by then."""
        room = ALERTS_PER_TICK
        while self._heard and room:
            batch: dict[str, Alert] = {}
            for alert in islice(self._heard, room):
                if alert.alert_id in batch:
                    break
                batch[alert.alert_id] = alert
            await self._take_alerts(list(batch.values()), "device")
            for _done in batch:
                self._heard.popleft()
            room -= len(batch)
        if self._alerts_lost and not self._heard:
            now_us = _now_us()
            gap = {"source": "alerts of devices", "start": utc_text(self._alerts_lost_us), "end": utc_text(now_us)}
            self._owed.append(_own("gap", gap | {"alerts_lost": self._alerts_lost}, now_us))
            self._alerts_lost = 0

    async def _read_inbox(self, until_s: float) -> None:
        """Take finished messages over: ledger first, then delete; a crash in between is recognised the next time."""
        for path in handed_over(self.state):
            if path in self._refused:
                continue
            if time.monotonic() >= until_s:
                return
            try:
                handover, raw = await self._writer.do(read_handover, path)
            except AlertError as fault:
                self._refuse(path, str(fault))
                continue
            await self._writer.do(self._writer.ledger.keep_raw, raw, handover.receive_us)
            await self._take_alerts(handover.alerts, "intake")
            try:
                handover.json.unlink()
                handover.raw.unlink(missing_ok=True)
            except OSError as fault:
                self._refused.add(path)
                LOG.error("%s: taken, but cannot be removed (%s)", clean(path), fault.strerror)

    def _refuse(self, path: Path, why: str) -> None:
        for one in (path.with_suffix(".raw"), path):
            try:
                refuse(one, why, self.state)
            except FileNotFoundError:
                continue
            except OSError as fault:
                self._refused.add(path)
                LOG.error("%s: cannot be moved away (%s)", clean(one), fault.strerror)

    # each second

    def _watch_clock(self, before: Moment, now: Moment) -> None:
        """A step of the clock against the monotonic one is entered; past entries stay as they are."""
        step_s = (now.utc_us - before.utc_us) / 1e6 - (now.mono_s - before.mono_s)
        if abs(step_s) > CLOCK_STEP_S:
            LOG.warning("the clock was set by %+.1f s", step_s)
            if abs(step_s) > 1.0:
                self._suspect_until_s = now.mono_s + SUSPECT_FOR_S
            self._owed.append(_own("clock_step", {"step": f"{step_s:.3f} s"}, now.utc_us))
        suspect = now.mono_s < self._suspect_until_s
        self._clock = ("suspect", f"set by more than a second within {SUSPECT_FOR_S / 3600:g} h") if suspect else (
            "unknown", "")  # fmt: skip

    def _look_around(self, now: Moment) -> None:
        """What only time brings: longer looks at quality, stale tags, silent links, lost sites, shelves that end."""
        self._machine.tick(now.mono_s)
        for batch in self._machine.overdue(now.mono_s, now.utc_us):
            self._survey.take(batch, now.mono_s)
            self._pending.append(batch)
        for spec in self.settings.sources:
            link = self._pollers[spec.name].link
            patience_s = max(STALE_PERIODS * spec.every_s, STALE_LEAST_S)
            down = link.state == "down" and now.mono_s - link.since_s >= patience_s
            silent = [who for who, since_s in link.silent.items() if now.mono_s - since_s >= patience_s]
            who = ""
            text = _("{source}: no answer: {why}").format(source=spec.name, why=link.note)
            if silent and link.state != "down":
                who = ", ".join(silent[:SILENT_TOLD]) + (" ..." if len(silent) > SILENT_TOLD else "")
                text = _("{source}: nothing from {who}: {why}").format(source=spec.name, who=who, why=link.why)
            cause = f"{who}: {cause_of(link.why)}"
            self._watch(f"link:{spec.name}", bool(down or silent), spec.site, "note", text, now, cause)
        lost = self._survey.lost_s(now.mono_s)
        for site in self.settings.sites:
            text = _("{site}: telemetry lost").format(site=site.name)
            self._watch(f"telemetry:{site.id}", site.id in lost, site.id, "warning", text, now)
        for change in self._alarms.expire(now.utc_us, clock_valid=self._clock[0] != "suspect"):
            self._owe(change)

    def _watch(
        self, name: str, holds: bool, site: str, severity: str, text: str, now: Moment, cause: str = ""
    ) -> None:  # fmt: skip
        """An alarm of our own making, on what we see of ourselves; its text follows the cause."""
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
            self._owe(self._alarms.raise_alert(alert, site, now.utc_us))
        else:
            self._owe(self._alarms.apply(f"monitor:{name}", "return", now.utc_us))

    def _owe(self, change: Change) -> None:
        self._owed.append(_of_alarm(change))

    async def _write_ledger(self) -> None:
        """What devices said, what lies in the inbox, and our own entries; while that fails, nothing is let go of."""
        try:
            await self._hear_devices()
            await self._read_inbox(time.monotonic() + INBOX_S)
            owed = list(self._owed)
            await self._writer.enter(owed)
            for _done in owed:
                self._owed.popleft()
        except STORE_FAULTS as fault:
            self._store_failed(fault)

    def _store_failed(self, fault: Exception) -> None:
        if self._store[0] == "ok":
            LOG.error("the store cannot be written: %s", fault)
        self._store = ("failing", clean(fault))

    async def _commit(self, now: Moment, *, latest: bool = False, minute: bool = False, stopping: bool = False) -> None:
        """Store what came in, then publish. A store that cannot be written is said and tried again; we go on."""
        batches, self._pending = list(self._pending), []
        alarms = list(self._alarms)  # each is a value: what changed is another one
        changed = [to_row(one) for one in alarms] if alarms != self._alarms_told else None
        try:
            await self._writer.do(self._store_tick, batches, changed, now.utc_us // 1000, latest)
            if minute or stopping:
                await self._each_minute(now)
        except STORE_FAULTS as fault:
            kept = [*batches, *self._pending]
            self._polls_lost += max(len(kept) - BACKLOG, 0)
            self._pending = kept[-BACKLOG:]
            self._store_failed(fault)
        else:
            if self._store[0] != "ok" and not self._owed:
                LOG.warning("the store can be written again; %d polls were lost", self._polls_lost)
                self._store, self._polls_lost = ("ok", ""), 0
            self._alarms_told = alarms
        sync = minute or stopping
        known = self._survey.last_known() if sync or now.mono_s >= self._last_known_due_s else None
        try:
            await self._writer.do(self._publish, self._status(now, stopping), now, known, sync)
            self._published = True
        except OSError as fault:
            if self._published:
                LOG.error("cannot publish: %s", fault)
            self._published = False

    def _store_tick(
        self, batches: Sequence[Batch], alarms: list[dict[str, Any]] | None, t_ms: int, latest: bool
    ) -> None:
        hot = self._writer.hot
        hot.append(batches, t_ms)
        if alarms is not None:
            hot.set_alarms(alarms)
        if latest:
            hot.write_latest(t_ms)

    async def _each_minute(self, now: Moment) -> None:
        """Rollups, and the copy for the fallback; the binder is rendered anew when its sources changed."""
        await self._writer.do(self._writer.hot.roll, now.utc_us // 1000)
        await self._writer.do(write_facts, self.state, self._writer.head, now.utc_us)
        changed = await self._writer.do(publish_folder, self.settings, self.state)
        if changed:
            LOG.info("published: %s", ", ".join(changed))
        if changed and not self._stop.is_set() and any(job.name == "binder" for job in self.settings.jobs):
            self._spawn(self._jobs.run("binder"))

    def _publish(self, status: Mapping[str, Any], now: Moment, known: Iterator[LastKnown] | None, sync: bool) -> None:
        """The last known values each second; where they are very many, they take a twentieth of the time at most."""

        def text() -> str:
            start_s = time.thread_time()
            made = last_known_text(now, unhurried(known or (), LAST_KNOWN_AT_ONCE), self._zone)
            self._last_known_due_s = now.mono_s + LAST_KNOWN_REST * (time.thread_time() - start_s)
            return made

        heartbeat.publish(self.state, status, text if known is not None else None, sync=sync)

    def _status(self, now: Moment, stopping: bool) -> dict[str, Any]:
        stopped = {"role": STOP_ROLE, "at": utc_text(now.utc_us)} if stopping and self._stop.is_set() else None
        return build_status(
            now,
            simulated=self.settings.simulated,
            pid=os.getpid(),
            state="stopped" if stopping else "running",
            planned_stop=stopped,
            clock=self._clock,
            store=self._store,
            sources=self._survey.sources(self._pollers, now.mono_s),
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
                        "jobs": self._jobs.last_runs}}  # fmt: skip

    # what is asked of us

    async def _carry_out(self, request: Request) -> Mapping[str, Any]:
        """One request of the command socket that its role may make."""
        if request.verb != "run_job":
            return await self._desk.record(request)
        name = self._jobs.check(request.data.get("job"))
        LOG.info("job %s asked for by %s", name, request.role)
        self._spawn(self._jobs.run(name, {"role": request.role}))
        return {"job": name, "words": _("{job}: started; its result goes into the ledger").format(job=name)}

    def _own_alert(self, alert: Alert) -> None:
        """Our own model's alert: raised once, returned when it is closed; a change of its stage is no new alarm."""
        alarm = self._alarms.behind(alert)
        if alarm is None or not alarm.active or not alert.active:
            self._to_alarms(alert)

    # small things

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            self._store = ("failing", clean(fault)) if isinstance(fault, sqlite3.Error) else self._store
            LOG.error("not recorded: %s", fault, exc_info=fault)

    def _moment(self) -> Moment:
        return Moment(self._boot_id, time.monotonic(), _now_us())


def run(settings: Settings, state: State) -> int:
    """Run until SIGTERM or Ctrl-C; returns 0. Raises UserError (one line) where STATE is held by another process."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # link states are ours to tell, once per change
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with hold_lock(state):
        return asyncio.run(_live(settings, state))


async def _live(settings: Settings, state: State) -> int:
    return await Daemon(settings, state).live()


def _own(kind: str, data: Mapping[str, Any], at_us: int, site: str | None = None) -> Draft:
    return Draft(kind, data, at_us, "daemon", site=site)


def _of_alarm(change: Change) -> Draft:
    alarm = change.alarm
    return Draft(
        "alarm", change.data(), change.at_us, "daemon", site=alarm.site or None, asset=alarm.asset or None,
        component=alarm.component or None,
    )  # fmt: skip


def _now_us() -> int:
    return time.time_ns() // 1000
