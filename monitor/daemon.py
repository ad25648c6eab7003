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
import json
import logging
import os
import signal
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from drivers.batch import Batch
from drivers.errors import AlertError, UserError
from drivers.record import Alert
from drivers.source import make_source
from drivers.vendor.status_bits import StatusBits
from monitor import command_socket, deeds, heartbeat
from monitor.alarms import AlarmList, Change, from_row, to_row
from monitor.claims import Claims, alert_of
from monitor.command_socket import Request
from monitor.heartbeat import Moment, build_status, last_known_text
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.intake import handed_over, read_handover, refuse
from monitor.jobs import HOT_KEEP_S, JOBS, TIMEOUT_S
from monitor.ledger import Draft, Entry, Ledger, entries
from monitor.lock import boot_id, hold_lock
from monitor.plant import Settings
from monitor.poller import LinkChange, Poller, phases
from monitor.publishing import binder_of, publish_folder, write_facts
from monitor.quality import STALE_LEAST_S, STALE_PERIODS, machine_of
from monitor.state import State
from monitor.survey import Survey, alarm_rows, feed_rows
from monitor.timetable import Timetable
from monitor.words import _, clean, parse_utc, utc_text
from monitor.worker import JobLost, Worker

LOG = logging.getLogger("handwheel.daemon")
TICK_S, LATEST_EVERY_S, MINUTE_S = 1.0, 5.0, 60.0
CLOCK_STEP_S = 0.5
SUSPECT_FOR_S = 3_600.0  # after a step of more than a second the clock is not believed for so long
BACKLOG = 3_600  # batches kept in memory while the store cannot be written
MESSAGES_PER_TICK = 20  # so that a thousand messages at once do not hold up the heartbeat
STORE_FAULTS = (sqlite3.Error, OSError)
STOP_ROLE = "administrator"  # only somebody with rights over the process can send it a signal
T = TypeVar("T")


class Writer:
    """The one thread that owns hot file and ledger. Every call waits for its turn and for the disk."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._settings, self._state = settings, state
        self.hot: HotFile
        self.ledger: Ledger

    async def do(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function in the writer thread and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def open(self) -> None:
        """Open both files. Raises UserError where one is damaged."""
        await self.do(self._open)

    def _open(self) -> None:
        self.hot = HotFile(self._state.hot)
        self.hot.publish_tags(self._settings)
        self.ledger = Ledger(self._state)

    async def close(self) -> None:
        """Flush and let go; other users can read the files afterwards."""
        await self.do(self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        for file in (self.hot, self.ledger):
            with suppress(*STORE_FAULTS):
                file.close()


class Daemon:
    """One life of the daemon."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings, self.state = settings, state
        self._boot_id, self._zone = boot_id(), ZoneInfo(settings.time_zone)
        self._start_s = time.monotonic()
        self._machine = machine_of(settings, self._start_s)
        self._survey = Survey(settings, self._machine, self._start_s)
        self._claims = Claims(settings)
        self._alarms = AlarmList()
        self._alarms_told: list[dict[str, Any]] = []
        self._assessments: dict[str, dict[str, Any]] = {}
        self._writer = Writer(settings, state)
        self._worker = Worker(state, settings.folder)
        self._pending: list[Batch] = []  # judged, not yet stored
        self._polls_lost = 0  # because the store could not be written for longer than the backlog lasts
        self._store = ("ok", "")
        self._clock = ("unknown", "")
        self._suspect_until_s = 0.0
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pollers: dict[str, Poller] = {}
        self._bits = StatusBits(())
        self._head = (0, "")
        self._last_runs: dict[str, dict[str, Any]] = {}
        self._refused: set[Path] = set()
        self._heard: deque[Alert] = deque()  # what devices said, not yet in the ledger
        self._owed: deque[Draft] = deque()  # entries of our own, not yet in the ledger
        self._under_way: set[str] = set()  # jobs asked for and not finished

    # life

    async def live(self) -> int:
        """Start, work until told to stop, and stop in order. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._writer.open()
        await self._take_up()
        phase_s = phases(self.settings.sources)
        for spec in self.settings.sources:
            self._pollers[spec.name] = Poller(
                make_source(spec), phase_s=phase_s[spec.name], on_batch=self._receive, on_change=self._link_changed,
                on_alerts=self._heard.extend,
            )  # fmt: skip
        timetable = Timetable(self.settings.jobs, self._last_starts(), self._run_job)
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
        records = await self._writer.do(lambda: list(entries(self.state, ("vendor_alert", "own_alert", "config"))))
        self._claims.learn(one for one in records if one.kind != "config")
        self._bits = StatusBits(self.settings.status_alerts, self._claims.standing())
        self._alarms = AlarmList(from_row(row) for row in reader.alarms())
        self._alarms_told = [to_row(one) for one in self._alarms]
        self._assessments = reader.assessments()
        self._last_runs = json.loads(reader.meta().get("last_runs", "{}"))
        drafts = [_own("restart", {"version": version("handwheel"), "config_sha256": self.settings.sha256}, now_us)]
        configured = next((one.data["sha256"] for one in reversed(records) if one.kind == "config"), None)
        if configured != self.settings.sha256:
            words = f"{len(self.settings.sources)} sources, {len(self.settings.tags)} tags"
            drafts.append(_own("config", {"sha256": self.settings.sha256, "words": words}, now_us))
        newest_ms = reader.newest_ms()
        if newest_ms is not None:
            gap = {"source": "all", "start": utc_text(newest_ms * 1000), "end": utc_text(now_us)}
            drafts.append(_own("gap", gap, now_us))
        await self._enter(drafts)
        await self._writer.do(publish_folder, self.settings, self.state)
        await self._writer.do(write_facts, self.state, self._head, now_us)

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
        if self._stop.is_set():
            heartbeat.mark_planned_stop(self.state, STOP_ROLE, moment)
        await self._writer.do(write_facts, self.state, self._head, moment.utc_us)
        await self._writer.close()
        LOG.info("stopped as planned")

    async def _tick_until_stopped(self) -> None:
        """Each second, on absolute times; a late tick is not made up for."""
        due_s, before = time.monotonic(), self._moment()
        every = {LATEST_EVERY_S: due_s + LATEST_EVERY_S, MINUTE_S: due_s + MINUTE_S}
        while not self._stop.is_set():
            now = self._moment()
            self._watch_clock(before, now)
            before = now
            self._look_around(now)
            await self._write_ledger()
            await self._commit(now, latest=now.mono_s >= every[LATEST_EVERY_S], minute=now.mono_s >= every[MINUTE_S])
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
        self._heard.extend(self._bits.take(checked))

    def _link_changed(self, change: LinkChange) -> None:
        if change.before == "down" and change.last_answer_us is not None:
            gap = {"source": change.source, "start": utc_text(change.last_answer_us), "end": utc_text(change.at_us)}
            self._owed.append(_own("gap", gap, change.at_us, site=change.site))

    async def _take_alert(self, alert: Alert, via: str) -> None:
        """Into the ledger, with its message, then onto the list of alarms; what is known already changes nothing."""
        draft = self._claims.draft(alert, via)
        if draft is None:
            return
        if alert.raw:
            await self._writer.do(self._writer.ledger.keep_raw, alert.raw, alert.received_us)
        await self._enter([draft])
        self._claims.entered(alert)
        self._to_alarms(alert)

    def _to_alarms(self, alert: Alert) -> None:
        now_us = _now_us()
        if alert.active:
            self._owe(self._alarms.raise_alert(alert, self._claims.site(alert.asset), now_us))
            return
        alarm = self._alarms.get(alert.alert_id)
        if alarm is not None and alarm.active:
            self._owe(self._alarms.apply(alarm.id, "return", now_us))

    async def _hear_devices(self) -> None:
        while self._heard:
            await self._take_alert(self._heard[0], "device")
            self._heard.popleft()

    async def _read_inbox(self) -> None:
        """Take finished messages over: ledger first, then delete; a crash in between is recognised the next time."""
        waiting = [path for path in handed_over(self.state) if path not in self._refused]
        for path in waiting[:MESSAGES_PER_TICK]:
            try:
                handover, raw = await self._writer.do(read_handover, path)
            except AlertError as fault:
                self._refuse(path, str(fault))
                continue
            await self._writer.do(self._writer.ledger.keep_raw, raw, handover.receive_us)
            for alert in handover.alerts:
                await self._take_alert(alert, "intake")
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
        """What only the passing of time brings: stale tags, silent links, sites without telemetry, shelves that end."""
        for batch in self._machine.overdue(now.mono_s, now.utc_us):
            self._survey.take(batch, now.mono_s)
            self._pending.append(batch)
        for spec in self.settings.sources:
            link = self._pollers[spec.name].link
            patience_s = max(STALE_PERIODS * spec.every_s, STALE_LEAST_S)
            silent = link.state == "down" and now.mono_s - link.since_s >= patience_s
            text = _("{source}: no answer: {why}").format(source=spec.name, why=link.note)
            self._watch(f"link:{spec.name}", silent, spec.site, "note", text, now)
        lost = self._survey.lost_s(now.mono_s)
        for site in self.settings.sites:
            text = _("{site}: telemetry lost").format(site=site.name)
            self._watch(f"telemetry:{site.id}", site.id in lost, site.id, "warning", text, now)
        for change in self._alarms.expire(now.utc_us, clock_valid=self._clock[0] != "suspect"):
            self._owe(change)

    def _watch(self, name: str, holds: bool, site: str, severity: str, text: str, now: Moment) -> None:
        """An alarm of our own making, on what we see of ourselves."""
        alarm = self._alarms.get(f"monitor:{name}")
        if holds == (alarm is not None and alarm.active):
            return
        if holds:
            alert = Alert(name, "monitor", "", "", name, severity, clean(text), now.utc_us)
            self._owe(self._alarms.raise_alert(alert, site, now.utc_us))
        else:
            self._owe(self._alarms.apply(f"monitor:{name}", "return", now.utc_us))

    def _owe(self, change: Change) -> None:
        self._owed.append(_of_alarm(change))

    async def _write_ledger(self) -> None:
        """What devices said, what lies in the inbox, and our own entries; while that fails, nothing is let go of."""
        try:
            await self._hear_devices()
            await self._read_inbox()
            owed = list(self._owed)
            await self._enter(owed)
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
        alarms = [to_row(one) for one in self._alarms]
        changed = alarms if alarms != self._alarms_told else None
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
        text = last_known_text(now, self._survey.last_known(), self._zone)
        try:
            await self._writer.do(self._publish, self._status(now, stopping), text, minute or stopping)
        except OSError as fault:
            LOG.error("cannot publish: %s", fault)

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
        await self._writer.do(write_facts, self.state, self._head, now.utc_us)
        changed = await self._writer.do(publish_folder, self.settings, self.state)
        if changed:
            LOG.info("published: %s", ", ".join(changed))
        if changed and not self._stop.is_set() and any(job.name == "binder" for job in self.settings.jobs):
            self._spawn(self._run_job("binder"))

    def _publish(self, status: Mapping[str, Any], last_known: str, sync: bool) -> None:
        heartbeat.publish(self.state, status, last_known, sync=sync)

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
            sources=self._survey.sources({name: one.link for name, one in self._pollers.items()}, now.mono_s),
            sites=self._survey.sites(now.mono_s),
            assets=self._survey.assets(self._assessments),
            alarms_top=alarm_rows(self._alarms),
            vendor=feed_rows(self.settings, self._claims, now.utc_us, now.mono_s - self._start_s),
            binder=binder_of(self.state),
            ledger=self._head,
        ) | {"worker": {"pid": self._worker.pid, "restarts": self._worker.restarts, "lost": self._worker.lost,
                        "job": self._worker.job, "jobs": self._last_runs}}  # fmt: skip

    # jobs

    def _last_starts(self) -> dict[str, datetime]:
        return {name: datetime.fromisoformat(run["started"]) for name, run in self._last_runs.items()}

    async def _run_job(self, name: str, args: Mapping[str, Any] | None = None) -> None:
        """One job in the worker, its result into ledger and hot file, its run into the table of last runs."""
        if name in self._under_way:
            return
        self._under_way.add(name)
        started_us = _now_us()
        try:
            result = await self._worker.ask(name, args or {}, started_us, TIMEOUT_S.get(name, max(TIMEOUT_S.values())))
            await self._take_result(result)
            ok, words = bool(result["ok"]), str(result["words"])
        except (JobLost, ValueError, KeyError, TypeError, *STORE_FAULTS) as fault:
            ok, words = False, str(fault) if isinstance(fault, JobLost) else f"{name}: result unusable: {fault!r}"
        finally:
            self._under_way.discard(name)
        before = self._last_runs.get(name, {})
        if not ok or not before.get("ok", False):
            LOG.log(logging.INFO if ok else logging.ERROR, "job %s: %s", name, clean(words, 400))
        self._last_runs[name] = {
            "started": utc_text(started_us), "ended": utc_text(_now_us()), "ok": ok, "words": clean(words, 400),
        }  # fmt: skip
        with suppress(*STORE_FAULTS):
            await self._writer.do(self._writer.hot.set_meta, "last_runs", json.dumps(self._last_runs))

    async def _take_result(self, result: Mapping[str, Any]) -> None:
        drafts = [Draft(**row) for row in result["ledger"]]
        await self._enter(drafts)
        if result["assessments"]:
            self._assessments |= {row["asset"]: row for row in result["assessments"]}
            await self._writer.do(self._writer.hot.set_assessments, result["assessments"])
            assets = [row["asset"] for row in result["assessments"]]
            await self._writer.do(self._writer.hot.set_verdicts, result["verdicts"], assets)
        for draft in drafts:
            if draft.kind == "own_alert":
                alert = alert_of(draft.data, draft.asset or "", draft.component or "", "own", draft.at_us)
                self._claims.add_own(alert.alert_id, alert.asset, alert.component)
                self._own_alert(alert)
        if result["purge_before_ms"] is not None:
            before_ms = min(int(result["purge_before_ms"]), _now_us() // 1000 - int(HOT_KEEP_S * 1000))
            await self._writer.do(self._writer.hot.purge, before_ms)

    def _own_alert(self, alert: Alert) -> None:
        """Our own model's alert: raised once, returned when it is closed; a change of its stage is no new alarm."""
        alarm = self._alarms.get(alert.alert_id)
        if alarm is None or not alarm.active or not alert.active:
            self._to_alarms(alert)

    # what people ask

    async def _carry_out(self, request: Request) -> dict[str, Any]:
        """One request of the command socket that its role may make; the answer says which entry it became."""
        now_us = _now_us()
        if request.verb == "run_job":
            return self._start_job(request)
        if request.verb not in deeds.RECORDED:
            raise UserError(f"{request.verb}: nothing waits for this here; see handwheel --help")
        draft = deeds.draft_of(request.verb, request.data, request.role, now_us, self.settings, self._claims.place)
        change = self._alarm_of_deed(draft, now_us)
        if request.verb == "sign_audit":
            await self._writer.do(self._known_audit, str(draft.data["audit_id"]))
        try:
            (entry,) = await self._enter([draft])
        except (ValueError, *STORE_FAULTS) as fault:
            raise UserError(f"{request.verb}: cannot be recorded: {clean(fault)}") from fault
        if change is not None:
            self._owed.extend(change())
        return {"n": entry.n, "head": entry.head}

    def _alarm_of_deed(self, draft: Draft, now_us: int) -> Callable[[], list[Draft]] | None:
        """What a deed does to the list of alarms: checked now, so that a refusal records nothing, done afterwards."""
        data = draft.data
        if draft.kind == "finding":  # findings judge: what was claimed of this component has been looked at
            open_claims = [
                one.id for one in self._alarms
                if one.active and one.origin in ("vendor", "own") and (one.asset, one.component) == (
                    draft.asset, draft.component or "")
            ]  # fmt: skip
            return lambda: [_of_alarm(self._alarms.apply(name, "return", now_us)) for name in open_claims]
        alarm = self._alarms.get(str(data.get("alert_id", "")))
        if draft.kind == "decision":  # who decides has seen it
            if alarm is None or alarm.acked or alarm.letter in "GHI":
                return None
            return lambda: [_of_alarm(self._alarms.apply(alarm.id, "acknowledge", now_us, note="decided"))]
        if draft.kind == "acknowledge":
            AlarmList([alarm] if alarm else []).apply(str(data["alert_id"]), "acknowledge", now_us)
            return lambda: [_of_alarm(self._alarms.apply(str(data["alert_id"]), "acknowledge", now_us))]
        if draft.kind == "shelve":
            name, reason, until_us = str(data["alert_id"]), str(data["reason"]), parse_utc(str(data["until"]))
            trial = AlarmList([alarm] if alarm else [])
            trial.apply(name, "shelve", now_us, note=reason, until_us=until_us)
            return lambda: [_of_alarm(self._alarms.apply(name, "shelve", now_us, note=reason, until_us=until_us))]
        return None

    def _known_audit(self, audit_id: str) -> None:
        if not any(audit_id in (one.data["audit_id"], utc_text(one.at_us)) for one in entries(self.state, ("audit",))):
            raise UserError(f"sign_audit: audit {clean(audit_id, 60)} is not in the ledger; see handwheel audit list")

    def _start_job(self, request: Request) -> dict[str, Any]:
        name = request.data.get("job")
        if name not in JOBS:
            raise UserError(f"run_job: {clean(name, 40)} is unknown; known: {', '.join(sorted(JOBS))}")
        if name in self._under_way:
            raise UserError(f"run_job: {name} is running already; wait for it")
        LOG.info("job %s asked for by %s", name, request.role)
        self._spawn(self._run_job(str(name), {"role": request.role}))
        return {"job": name, "words": f"{name}: started; its result goes into the ledger"}

    # small things

    async def _enter(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Append to the ledger; on the disk when this returns."""
        if not drafts:
            return []
        made = await self._writer.do(self._writer.ledger.append_many, drafts)
        self._head = (made[-1].n, made[-1].head)
        return made

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
