"""Sends jobs to the worker and takes in what they made: ledger first, then hot file, then the list of alarms.

The table of last runs lies in the hot file: by it the next life of the daemon knows what it missed.
"""

import asyncio
import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from drivers.record import Alert
from monitor.claims import Claims, alert_of
from monitor.daemon.supervisor import JobLost, Worker
from monitor.daemon.timetable import TIMEOUT_S
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.historian.reader import HotReader
from monitor.ledger import Draft
from monitor.transfer.hours import bring_hours
from monitor.words import _, clean, utc_text

LOG = logging.getLogger("handwheel.jobs")
HOT_KEEP_S = 6 * 3_600.0  # samples stay in the hot file for so long, though they lie in history
SOON_S = 10.0  # a job that is asked for by what happens rests so long after its last run
REMOVING = ("purge", "retention")
DONE = ("purge", "quarantine")  # entries of what has left its place already: owed until they can be written
_WORDS_LIMIT = 400


class Dispatch:
    """The daemon's end of the jobs. `on_own_alert` gets each entry of our own model as an alert, `owe` each entry of
    what is done that cannot be written now."""

    def __init__(
        self, worker: Worker, writer: Writer, claims: Claims, on_own_alert: Callable[[Alert, bool], None],
        owe: Callable[[Draft], None], clock_suspect: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Nothing is removed while `clock_suspect`: no age can be believed then."""
        self.worker = worker
        self._writer, self._claims, self._on_own_alert = writer, claims, on_own_alert
        self._owe, self._clock_suspect = owe, clock_suspect
        self.assessments: dict[str, dict[str, Any]] = {}  # by asset: what the models said last
        self.last_runs: dict[str, dict[str, Any]] = {}
        self._under_way: dict[str, int] = {}  # job -> since when, UTC [us]
        self._awaited: set[str] = set()  # jobs that `run_soon` will start
        self._ended_s: dict[str, float] = {}  # monotonic [s]
        self._left_out: Counter[str] = Counter()  # runs since the job's last one

    def take_up(self, reader: HotReader) -> None:
        """Go on where the last life ended."""
        self.assessments = reader.assessments()
        self.last_runs = last_runs(reader)

    def last_starts(self) -> dict[str, datetime]:
        """When each job was last started, UTC; also those that are at work."""
        starts = {name: datetime.fromisoformat(run["started"]) for name, run in self.last_runs.items()}
        return starts | {name: datetime.fromtimestamp(at_us / 1e6, UTC) for name, at_us in self._under_way.items()}

    def check(self, name: object) -> str:
        """The name of a job that may be started now. Raises UserError in one line."""
        if not isinstance(name, str) or name not in TIMEOUT_S:
            known = ", ".join(sorted(TIMEOUT_S))
            raise UserError(_("run_job: {job} is unknown; known: {known}").format(job=clean(name, 40), known=known))
        if name in self._under_way:
            raise UserError(_("run_job: {job} is running already; wait for it").format(job=name))
        if name in REMOVING and self._clock_suspect():
            raise UserError(_("run_job: {job}: the clock is in doubt, and nothing leaves by its word").format(job=name))
        return name

    async def run(self, name: str, args: Mapping[str, Any] | None = None) -> None:
        """Do one job, unless it is under way already, and note how it went."""
        if name in self._under_way:
            self.leave_out(name, "it is still at its last run")
            return
        started_us = _now_us()
        if name in REMOVING and self._clock_suspect():  # asked after the time was taken: the job goes by that time
            self.leave_out(name, "the clock is in doubt, and nothing leaves by its word")
            return
        self._under_way[name] = started_us
        then: list[str] = []
        try:
            result = await self.worker.ask(name, args or {}, started_us, TIMEOUT_S[name])
            await self._take(result)
            ok, words, then = bool(result["ok"]), str(result["words"]), list(result["then"])
        except JobLost as fault:
            ok, words = False, str(fault)
        except (UserError, ValueError, KeyError, TypeError, *STORE_FAULTS) as fault:
            ok, words = False, f"{name}: its result could not be taken in ({type(fault).__name__}: {fault})"
        finally:
            del self._under_way[name]
            self._ended_s[name] = time.monotonic()
        await self._note(name, started_us, ok, clean(words, _WORDS_LIMIT))
        for follows in then:
            await self.run_soon(follows, 0.5)

    async def run_soon(self, name: str, rest_s: float = SOON_S) -> None:
        """Do a job as soon as it has rested since its last run, once for all who ask for it meanwhile."""
        if name in self._awaited:
            return
        self._awaited.add(name)
        try:
            while name in self._under_way or time.monotonic() < self._ended_s.get(name, -rest_s) + rest_s:
                await asyncio.sleep(min(rest_s, 0.5))
        finally:
            self._awaited.discard(name)
        await self.run(name)

    def leave_out(self, name: str, why: str = "the daemon came too late to it") -> None:
        """A run that did not happen: counted, and said once until the job runs again."""
        if not self._left_out[name]:
            LOG.warning("%s: a run was left out, because %s", name, why)
        self._left_out[name] += 1
        if name in self.last_runs:
            self.last_runs[name]["left_out"] = self.last_runs[name].get("left_out", 0) + 1

    async def _note(self, name: str, started_us: int, ok: bool, words: str) -> None:
        before = self.last_runs.get(name, {})
        if ok != before.get("ok") or (not ok and words != before.get("words")):
            LOG.log(logging.INFO if ok else logging.ERROR, "%s: %s", name, words.removeprefix(f"{name}: "))
        ended, left_out = utc_text(_now_us()), before.get("left_out", 0)
        self.last_runs[name] = {
            "started": utc_text(started_us), "ended": ended, "ok": ok, "words": words,
            "succeeded": ended if ok else before.get("succeeded"),
            "left_out": left_out if before else self._left_out[name],
        }  # fmt: skip
        self._left_out[name] = 0
        with suppress(*STORE_FAULTS):
            await self._writer.do(self._writer.hot.set_meta, "last_runs", json.dumps(self.last_runs))

    async def _take(self, result: Mapping[str, Any]) -> None:
        drafts = [Draft(**row) for row in result["ledger"]]
        try:
            await self._writer.enter([draft for draft in drafts if draft.kind != "erasure"])
        except STORE_FAULTS:
            for draft in drafts:
                if draft.kind in DONE:
                    self._owe(draft)
            raise
        for draft in drafts:
            if draft.kind == "erasure":
                if self._clock_suspect():
                    raise ValueError("the clock came into doubt meanwhile, and nothing leaves by its word")
                await self._writer.erase(draft)
        if result["assessments"]:
            self.assessments |= {row["asset"]: row for row in result["assessments"]}
            await self._writer.do(self._writer.hot.set_assessments, result["assessments"])
            assets = [row["asset"] for row in result["assessments"]]
            await self._writer.do(self._writer.hot.set_verdicts, result["verdicts"], assets)
        for draft in drafts:
            if draft.kind == "own_alert" and draft.via != "import":
                alert = alert_of(draft.data, draft.asset or "", draft.component or "", "own", draft.at_us)
                self._claims.add_own(alert.alert_id, alert.asset, alert.component)
                self._on_own_alert(alert, draft.data.get("stage") == "recovering")
        for folder in map(Path, result["brought_in"]):
            for hours_s, values in bring_hours(folder):
                with suppress(KeyError):  # a tag that is not configured any more has no place on the screen
                    await self._writer.do(self._writer.hot.bring_in, hours_s, values)
            shutil.rmtree(folder, ignore_errors=True)
        if result["purge_before_ms"] is not None and not self._clock_suspect():
            before_ms = min(int(result["purge_before_ms"]), _now_us() // 1000 - int(HOT_KEEP_S * 1000))
            await self._writer.do(self._writer.hot.purge, before_ms)


def last_runs(reader: HotReader) -> dict[str, dict[str, Any]]:
    """The table of last runs, by job: started, ended, ok, words, succeeded, left_out; times as UTC text."""
    told = json.loads(reader.meta().get("last_runs", "{}"))
    for run in told.values():
        datetime.fromisoformat(run["started"])
    return dict(told)


def _now_us() -> int:
    return time.time_ns() // 1000
