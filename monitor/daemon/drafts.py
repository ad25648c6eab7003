"""The daemon's own entries of the ledger: restarts, gaps, and each change of an alarm."""

import time
from collections.abc import Mapping
from typing import Any

from monitor.daemon.alarms import Change
from monitor.ledger import Draft
from monitor.words import utc_text


def own(kind: str, data: Mapping[str, Any], at_us: int, site: str | None = None) -> Draft:
    """An entry of the daemon's own making."""
    return Draft(kind, data, at_us, "daemon", site=site)


def gap(source: str, start_us: int, end_us: int, *, site: str | None = None, **more: int) -> Draft:
    """From `start_us` to `end_us` (UTC [us]) nothing came from `source`, or what came was lost."""
    return own("gap", {"source": source, "start": utc_text(start_us), "end": utc_text(end_us), **more}, end_us, site)


def of_alarm(change: Change) -> Draft:
    """One transition of an alarm."""
    alarm = change.alarm
    return Draft(
        "alarm", change.data(), change.at_us, "daemon", site=alarm.site or None, asset=alarm.asset or None,
        component=alarm.component or None,
    )  # fmt: skip


def now_us() -> int:
    """The machine's clock, UTC [us]."""
    return time.time_ns() // 1000
