"""The parts of one daemon, made of a configuration and wired to each other; what each does stands in its own file."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from monitor.claims import Claims
from monitor.command_socket import Door
from monitor.daemon import metrics
from monitor.daemon.alarms import AlarmList
from monitor.daemon.clock import Clock, boottime_s
from monitor.daemon.desk import Desk
from monitor.daemon.dispatch import Dispatch
from monitor.daemon.drafts import gap, now_us, of_alarm
from monitor.daemon.files import Files
from monitor.daemon.hearing import Hearing
from monitor.daemon.journals import Journals
from monitor.daemon.judging import Judging
from monitor.daemon.notify import ServiceManager
from monitor.daemon.poller import LinkChange
from monitor.daemon.polling import Polling
from monitor.daemon.publishing import Publisher
from monitor.daemon.room import Room
from monitor.daemon.security_desk import SecurityDesk
from monitor.daemon.sparing import Sparing
from monitor.daemon.stopping import Stop
from monitor.daemon.storing import Storing
from monitor.daemon.supervisor import Worker
from monitor.daemon.survey import RejectedFolder
from monitor.daemon.tasks import Tasks
from monitor.daemon.timetable import Timetable
from monitor.daemon.watch import Watch
from monitor.daemon.writer import Writer
from monitor.heartbeat import Moment, slept_s
from monitor.lock import boot_id
from monitor.plant import Job, Settings
from monitor.security_log import SecurityLog
from monitor.state import State


class Parts:
    """All of them, in the order in which they need each other; a new configuration exchanges settings and timetable."""

    files: Files  # once the writer has opened them
    door: Door  # while the command socket answers

    def __init__(self, settings: Settings, state: State, sparing: Sparing | None = None) -> None:
        """`sparing`: the filter of the log, which counts what it holds back."""
        self.settings, self.state = settings, state
        self.version = version("handwheel")
        self._boot_id, self.start_s = boot_id(), time.monotonic()
        self.sparing = sparing or Sparing()
        self.systemd = ServiceManager()
        self.stop = Stop()
        self.turn = asyncio.Lock()  # of a tick, or of a new configuration
        self.ready = self.reloading = False
        self.told: Mapping[str, Any] | None = None  # the status that was published last
        self.access: Counter[str] = Counter()  # messages over the socket: "admitted", or why refused
        self.clock = Clock(self.moment(), boottime_s())
        self.rejected = RejectedFolder(state.rejected)
        self.journals = Journals(state)
        self.claims = Claims(settings)
        self.alarms = AlarmList()
        self.writer = Writer(settings, state)
        self.storing = Storing(self.writer, self.alarms)
        self.tasks = Tasks(self.storing.failed)
        self.hearing = Hearing(
            state, self.writer, self.claims, self.alarms, self.storing.owe, lambda: self.ask_soon("score")
        )
        self.judging = Judging(settings, self.claims, self.storing, self.hearing.hear, self.start_s)
        self.polling = Polling(self.judging.receive, self._link_changed, self.hearing.hear)
        self.watch = Watch(self.alarms, self.storing.owe)
        self.desk = Desk(
            settings, state, self.writer, self.claims, self.alarms, lambda one: self.storing.owe(of_alarm(one))
        )
        self.worker = Worker(state, settings.folder)
        self.jobs = Dispatch(
            self.worker, self.writer, self.claims, self.hearing.own_alert, self.storing.owe, self._clock_suspect
        )
        self.room = Room(settings, state, self.writer, self.storing.owe, self.jobs.run, self._clock_suspect)
        self.timetable = self.timetable_of(())
        self.security = SecurityLog(state.security_log)
        self.security_desk = SecurityDesk(self.security, self.writer)
        self.publisher = Publisher(state)
        self.endpoint = metrics.Endpoint(self._metrics)

    def moment(self) -> Moment:
        """Now, by all clocks."""
        return Moment(self._boot_id, time.monotonic(), now_us(), slept_s())

    def timetable_of(self, jobs: Sequence[Job]) -> Timetable:
        """A timetable of these jobs, not yet started, that knows when each ran last."""
        return Timetable(jobs, self.jobs.last_starts(), self._start_job, self.jobs.leave_out)

    async def _start_job(self, name: str) -> None:
        """What the timetable calls: the job is a task of ours, which a stop can end in order."""
        if not self.stop.asked:
            self.tasks.spawn(self.jobs.run(name))

    def ask_soon(self, name: str) -> None:
        """A job that something new asks for, where it is on the timetable."""
        if not self.stop.asked and any(job.name == name for job in self.settings.jobs):
            self.tasks.spawn(self.jobs.run_soon(name))

    def _link_changed(self, change: LinkChange) -> None:
        if change.before == "down" and change.last_answer_us is not None:
            self.storing.owe(gap(change.source, change.last_answer_us, change.at_us, site=change.site))

    def _clock_suspect(self) -> bool:
        """Also where it was set since the last look, a second ago at most: a job may begin in between."""
        return self.clock.health.suspect or self.clock.stepped_since(self.moment(), boottime_s())

    def _metrics(self) -> str:
        links = [one.link for one in self.polling.pollers.values()]
        return metrics.text(self.told, links, time.monotonic(), self.version) if self.told else ""
