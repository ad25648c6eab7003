"""The daemon's own entries of the ledger: restarts, gaps, and each change of an alarm."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.daemon.alarms import Change
from monitor.ledger import Draft, entries
from monitor.ledger.contracts import changed_contracts
from monitor.plant import Settings
from monitor.state import State
from monitor.words import clean, utc_text

CHANGES = 2_000  # lines of one entry


def own(kind: str, data: Mapping[str, Any], at_us: int, site: str | None = None) -> Draft:
    """An entry of the daemon's own making."""
    return Draft(kind, data, at_us, "daemon", site=site)


def gap(
    source: str, start_us: int, end_us: int, *, counts: Mapping[str, int] | None = None, site: str | None = None,
    **more: str,
) -> Draft:  # fmt: skip
    """From `start_us` to `end_us` (UTC [us]) nothing came from `source`, or what came was lost."""
    return own(
        "gap",
        {"source": source, "start": utc_text(start_us), "end": utc_text(end_us), **(counts or {}), **more},
        end_us,
        site,
    )


def quarantined(file: str, why: str, moved_to: str) -> Draft:
    """What was found damaged is never read again, and kept."""
    return own("quarantine", {"file": file, "why": clean(why), "moved_to": moved_to}, now_us())


def of_alarm(change: Change) -> Draft:
    """One transition of an alarm."""
    alarm = change.alarm
    return Draft(
        "alarm", change.data(), change.at_us, "daemon", site=alarm.site or None, asset=alarm.asset or None,
        component=alarm.component or None,
    )  # fmt: skip


def of_configuration(old: Settings, new: Settings, changes: Sequence[str], role: str | None, at_us: int) -> Draft:
    """Another configuration holds from now on: which files changed, and what is different, in words."""
    files = sorted(name for name in old.files.keys() | new.files.keys() if old.files.get(name) != new.files.get(name))
    data = {
        "sha256": new.sha256,
        "words": f"{len(changes)} changes",
        "files": files,
        "changes": list(changes[:CHANGES]),
    }
    return Draft("config", data, at_us, "daemon", role)


def of_contracts(state: State, settings: Settings, at_us: int, role: str | None = None) -> list[Draft]:
    """What was agreed anew, otherwise, or no longer, since the ledger was told last."""
    return changed_contracts(settings.contracts, entries(state, ("contract",)), at_us, role)


def now_us() -> int:
    """The machine's clock, UTC [us]."""
    return time.time_ns() // 1000
