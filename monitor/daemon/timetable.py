"""When which job runs: APScheduler in UTC, its store in memory and built from timetable.toml at each start.

What was missed while the daemon stood still is done once, not many times; a job that never ran counts as missed. For
that the daemon keeps its own table of last runs; APScheduler's stores are not trusted with it. Cron's Sunday is 0 or 7
and its Monday 1, while APScheduler counts from Monday = 0: weekdays are therefore handed over by name.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from drivers.errors import ConfigError
from monitor.plant import Job

TIMEOUT_S: Mapping[str, float] = {  # every job there is (monitor.jobs), and how long it may take
    "score": 300.0, "learn": 3_600.0, "fold": 3_600.0, "drift_audit": 1_800.0, "comparison_report": 1_800.0,
    "sovereignty_report": 600.0, "binder": 600.0, "verify": 7_200.0, "purge": 600.0, "retention": 600.0,
    "take_imports": 14_400.0, "take_periods": 3_600.0,
}  # fmt: skip
GRACE_S = 3_600  # later than this, a run is left out and counted
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIRST = ("binder", "learn")  # paper before models, models before what is made with them


class Timetable:
    """Runs each job at its time; never the same job twice at once."""

    def __init__(
        self, jobs: Sequence[Job], last_runs: Mapping[str, datetime], call: Callable[[str], Awaitable[None]],
        left_out: Callable[[str], None] = lambda _name: None,
    ) -> None:  # fmt: skip
        """`last_runs`: job -> its last start (UTC); `call` starts a job by its name and does not wait for its end;
        `left_out` is told of a run that came too late to be done."""
        self._left_out = left_out
        self._jobs, self._last_runs, self._call = jobs, last_runs, call
        self._triggers = {job.name: trigger_of(job) for job in jobs}
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S}
        )
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it warns of is counted here
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED)

    def start(self, now: datetime) -> list[str]:
        """Begin; returns the names of the jobs that were missed and are done once now."""
        late = self.missed(now)
        for job in self._jobs:
            first = self._triggers[job.name].get_next_fire_time(None, now)
            if job.name in late:
                first = now + timedelta(milliseconds=late.index(job.name))  # in this order
            if first is not None:
                self._scheduler.add_job(
                    self._call, self._triggers[job.name], args=(job.name,), id=job.name, next_run_time=first
                )
        self._scheduler.start()
        return late

    def clock_set(self, now: datetime) -> None:
        """The clock was set, or the machine slept: what was due meanwhile is done once, the rest from now on.

        Left alone, a job would wait for a time that the clock left behind, or catch up on each minute of a year.
        """
        if not self._scheduler.running:
            return
        for job in self._jobs:
            planned = self._scheduler.get_job(job.name)
            if planned is None:
                continue
            trigger = trigger_of(job)
            first = now if planned.next_run_time <= now else trigger.get_next_fire_time(None, now)
            planned.modify(trigger=trigger, next_run_time=first)

    def stop(self) -> None:
        """No more runs; those under way are the caller's."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def missed(self, now: datetime) -> list[str]:
        """Jobs that never ran, or whose time came between their last run and now; in the order in which to do them.

        A run that stands in the future was made while the clock was wrong: it counts as none.
        """
        late = []
        for name in self._triggers:
            last = self._last_runs.get(name)
            due = None if last is None else self.due(name, last, last + timedelta(microseconds=1))
            if last is None or last > now or (due is not None and due <= now):
                late.append(name)
        return sorted(late, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))

    def due(self, name: str, last: datetime, after: datetime) -> datetime | None:
        """When a job that ran at `last` is due, at `after` or later."""
        found: datetime | None = self._triggers[name].get_next_fire_time(last, after)
        return found

    def next_runs(self) -> dict[str, datetime]:
        """When each job is due next, UTC."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs() if job.next_run_time}

    def _missed(self, event: JobEvent) -> None:
        self._left_out(event.job_id)


def trigger_of(job: Job) -> BaseTrigger:
    """The trigger of a job. ConfigError where its cron expression cannot be used."""
    if job.every_s is not None:
        return IntervalTrigger(seconds=job.every_s, timezone=UTC)
    fields = (job.cron or "").split()
    try:
        minute, hour, day, month, weekday = fields
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekdays(weekday), timezone=UTC)
    except ValueError as fault:
        raise ConfigError(
            f"timetable.toml: job {job.name}: {job.cron!r} cannot be used ({fault}); write five fields, for example"
            " 0 6 * * 1"
        ) from fault


def weekdays(field: str) -> str:
    """The weekday field of a cron line (0 or 7 = Sunday, names, lists, ranges, steps) as names; "*" stays.

    ValueError where it is none.
    """
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
        start = _day(first)
        end = _day(last) if dash else 6 if step else start
        if dash and last == "7":
            end = 7
        if end < start or (step and int(step) < 1):
            raise ValueError(f"weekday {part!r} runs backwards")
        days |= {day % 7 for day in range(start, end + 1, int(step or 1))}
    return ",".join(_DAYS[day] for day in sorted(days))


def _day(text: str) -> int:
    if text in _DAYS:
        return _DAYS.index(text)
    number = int(text)
    if not 0 <= number <= 7:
        raise ValueError(f"weekday {text!r} is not 0 to 7")
    return number % 7
