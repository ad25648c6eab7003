"""`handwheel jobs`: what the worker did last, how it went, and when it is due again; also while no daemon runs."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitor import heartbeat
from monitor.daemon.dispatch import last_runs
from monitor.daemon.timetable import TIMEOUT_S, Timetable
from monitor.historian.reader import HotReader
from monitor.lock import lock_is_free
from monitor.state import State
from monitor.words import _, age_text, clean, local_text, parse_utc

if TYPE_CHECKING:
    from monitor.plant import Job, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Print a block of lines per job; exit code 1 where the last run of one failed."""
    runs, status = last_runs(HotReader(state.hot)), heartbeat.read(state) or {}
    lives = heartbeat.liveness(state, status or None).word == "running"
    due, worker = (status.get("timetable", {}), status.get("worker", {})) if lives else ({}, {})
    zone, now = ZoneInfo(settings.time_zone), datetime.now(UTC)
    if not lives and not lock_is_free(state):
        print(_("the daemon has not spoken lately: it starts, or it hangs; see handwheel doctor"))
    elif not lives:
        print(_("no daemon runs, so no job is started: handwheel run, or systemctl start handwheel"))
    if not settings.jobs:
        print(_("no job is on the timetable; see timetable.toml"))
    for job in settings.jobs:
        print("\n".join(lines(job, runs.get(job.name), due.get(job.name), zone, now, lives=lives)))
        if job.name == worker.get("job"):
            print(at_work(worker, zone, now))
    if worker.get("job") and worker["job"] not in {job.name for job in settings.jobs}:
        print(clean(worker["job"], 40), at_work(worker, zone, now), sep="\n")
    return int(any(not runs[job.name]["ok"] for job in settings.jobs if job.name in runs))


def lines(
    job: "Job", run: dict[str, Any] | None, due: str | None, zone: ZoneInfo, now: datetime, *, lives: bool
) -> list[str]:
    """What is known of one job; `due` is when a living daemon will start it (UTC), `lives` whether there is one."""
    often = f"cron {job.cron} UTC" if job.cron else _("every {n} s").format(n=f"{job.every_s or 0:g}")
    found = [f"{job.name}  ({often})"]
    if run is None:
        found.append(_("  never ran"))
    else:
        start, end = (local_text(parse_utc(run[key]), zone) for key in ("started", "ended"))
        went = _("went well") if run["ok"] else _("FAILED")
        found.append(_("  last: {start} to {end}, {went}: {words}").format(
            start=start, end=end, went=went, words=clean(run["words"], 400)))  # fmt: skip
        if not run["ok"]:
            succeeded = run.get("succeeded")
            found.append(_("  went well last: {when}").format(
                when=local_text(parse_utc(succeeded), zone) if succeeded else _("never")))  # fmt: skip
        if run.get("left_out"):
            found.append(_("  left out: {n} runs, because it was late or still at work").format(n=run["left_out"]))
    if due is None and run is not None:
        due = _next(job, run, now)
    when = local_text(parse_utc(due), zone) if due else _("as soon as the daemon runs")
    if due and not lives:
        return [*found, _("  next: {when}, if the daemon runs then").format(when=when)]
    return [*found, _("  next: {when}").format(when=when)]


def at_work(worker: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> str:
    """Since when the worker is at its job, and whether that is longer than the job may take."""
    since_us = parse_utc(worker["since"])
    took_s, may_s = now.timestamp() - since_us / 1e6, TIMEOUT_S.get(worker["job"], 0.0)
    words = _("  at work since {when}, for {age}").format(when=local_text(since_us, zone), age=age_text(took_s))
    return words + (_("; stuck? It may take {age}").format(age=age_text(may_s)) if took_s > may_s else "")


def _next(job: "Job", run: dict[str, Any], now: datetime) -> str | None:
    """When a daemon that started now would start the job; None: at once, because it was missed."""
    last = datetime.fromisoformat(run["started"])
    table = Timetable([job], {job.name: last}, _nothing)
    if table.missed(now):
        return None
    due = table.due(job.name, last, last + timedelta(microseconds=1))
    return due.astimezone(UTC).isoformat() if due else None


async def _nothing(_name: str) -> None:
    """Nothing is started by who only looks."""
