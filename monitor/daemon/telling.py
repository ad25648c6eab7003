"""How it goes: the status that is published each second, and one line for the service manager."""

import os
from typing import Any

from monitor import command_socket
from monitor.daemon.parts import Parts
from monitor.daemon.publishing import binder_of
from monitor.daemon.stopping import STOP_ROLE
from monitor.daemon.survey import alarm_rows, feed_rows
from monitor.heartbeat import Moment, build_status
from monitor.words import utc_text


def in_a_line(parts: Parts) -> str:
    """How many sources answer, and whether what they say is stored."""
    links = [one.link.state for one in parts.polling.pollers.values()]
    failing = "" if parts.storing.state[0] == "ok" else f"; the store cannot be written: {parts.storing.state[1]}"
    return f"{links.count('up')} of {len(links)} sources answer, {len(parts.settings.tags)} tags{failing}"


def status_of(parts: Parts, now: Moment, *, stopping: bool) -> dict[str, Any]:
    """What stands in status.json; `stopping`: with this the daemon takes its leave."""
    settings, survey, worker, storing = parts.settings, parts.judging.survey, parts.worker, parts.storing
    stopped = {"role": STOP_ROLE, "at": utc_text(now.utc_us)} if stopping and parts.stop.asked else None
    return build_status(
        now,
        simulated=settings.simulated,
        pid=os.getpid(),
        state="stopped" if stopping else "running",
        planned_stop=stopped,
        clock=parts.clock.health.to_json(),
        store=parts.room.store(storing.state),
        sources=survey.sources(parts.polling.pollers, now.mono_s),
        sites=survey.sites(now.mono_s),
        assets=survey.assets(parts.jobs.assessments),
        alarms_top=alarm_rows(parts.alarms),
        rejected=parts.rejected.look(now.utc_us),
        time_zone=settings.time_zone,
        vendor=feed_rows(settings, parts.claims, now.utc_us, now.mono_s - parts.start_s),
        binder=binder_of(parts.state),
        ledger=parts.writer.head,
    ) | {"ledger_lost": parts.watch.holds("ledger"),
         "worker": {"pid": worker.pid, "restarts": worker.restarts, "lost": worker.lost,
                    "job": worker.job, "since": utc_text(worker.since_us) if worker.job else None,
                    "progress": worker.progress, "jobs": parts.jobs.last_runs},
         "socket": dict(parts.access), "disk": parts.room.to_json(),
         "overload": _overload(parts), "backlog": storing.backlog, "wal_bytes": storing.wal_bytes,
         "timetable": {name: at.isoformat() for name, at in parts.timetable.next_runs().items()}}  # fmt: skip


def _overload(parts: Parts) -> dict[str, Any]:
    """What was lost or left out because there was too much of it, since the start; `at`: when last."""
    lost, pollers = parts.storing.lost, parts.polling.pollers.values()
    at_us = max(parts.storing.lost_us, parts.hearing.lost_us)
    return {
        "at": utc_text(at_us) if at_us else None,
        "polls_lost": lost["polls"],
        "samples_lost": lost["samples"],
        "entries_lost": lost["entries"],
        "alerts_lost": parts.hearing.lost,
        "values_lost": sum(one.source.counts.lost for one in pollers),
        "polls_skipped": sum(one.link.skipped for one in pollers),
        "pollers_failed": parts.polling.crashed,
        "clients_refused": parts.access[command_socket.TOO_MANY],
        "log_lines_held": parts.sparing.held,
    }
