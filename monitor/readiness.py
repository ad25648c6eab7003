"""Could the plant be run by hand tonight: is the binder on the shelf the current one, was it practised, is all home?

Read by the drift audit and by the doctor. What the fallback knows is asked of it as a child process.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor import heartbeat
from monitor.drills import due_drills
from monitor.ledger import Record, entries
from monitor.plant import Settings
from monitor.state import State, read_plain
from monitor.words import _, clean, utc_text

PASS, WARN, FAIL, CANNOT_TELL = "PASS", "WARN", "FAIL", "CANNOT TELL"
CHILD_TIMEOUT_S = 60.0
JOURNAL_LIMIT = 50_000_000  # bytes
_ENDS = (b'"kind":"handed_back"', b'"kind":"closed"')
_SHOWN = 8  # names of procedures in one line


@dataclass(frozen=True, slots=True)
class Look:
    """One answer: its word, and what was seen or what to do."""

    name: str
    word: str
    words: str
    subject: str = ""  # the station
    n: int = 1


def looks(state: State, settings: Settings, now_us: int) -> Iterator[Look]:
    """All of them."""
    told = binder_status(state)
    yield judged_binder(told)
    yield from stations(told)
    periods = list(entries(state, ("period",))) if state.ledger.is_file() else []
    yield from drills(periods, settings, now_us, told)
    yield from brought_home(state, periods)


def binder_status(state: State) -> Mapping[str, Any]:
    """What the fallback says of its binder, asked as a child process; else what the daemon published; else nothing."""
    command = (sys.executable, "-m", "fallback_procedures", "--binder-status", "--json", "--state",
               os.fspath(state.root))  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S, check=False)
        told = json.loads(done.stdout)
        if done.returncode == 0 and isinstance(told, dict) and "current" in told:
            return told
    except (OSError, ValueError, subprocess.TimeoutExpired):
        pass  # the published copy below says the same, a little older
    published = (heartbeat.read(state) or {}).get("binder")
    return published if isinstance(published, dict) else {}


def judged_binder(told: Mapping[str, Any]) -> Look:
    """The look at the fingerprints `printed` and `current`; either may be missing."""
    printed, current = (clean(told.get(name) or "", 20) for name in ("printed", "current"))
    if not current:
        return Look("binder", CANNOT_TELL, _("no binder was rendered yet"), n=0)
    if not printed:
        return Look("binder", WARN, _("nobody recorded that binder {current} was printed").format(current=current))
    if printed != current:
        words = _("binder {printed} is on the shelf, {current} is current; print it")
        return Look("binder", FAIL, words.format(printed=printed, current=current))
    return Look("binder", PASS, _("binder {current} is printed").format(current=current))


def stations(told: Mapping[str, Any]) -> Iterator[Look]:
    """What is out of date on the shelf of each station, where something was printed: "en/R/P-03" is a page of R."""
    pages = told.get("reprint")
    if not told.get("printed") or not isinstance(pages, list):
        return
    by: dict[str, dict[str, None]] = {}
    for page in pages:
        parts = clean(page, 80).split("/")
        if len(parts) == 3:
            by.setdefault(parts[1], {})[parts[2]] = None
    for site, names in sorted(by.items()):
        shown = ", ".join(list(names)[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
        words = _("changed since it was printed: {names}").format(names=shown)
        yield Look("binder", WARN, words, site, len(names))


def drills(
    periods: Iterable[Record], settings: Settings, now_us: int, told: Mapping[str, Any] | None = None
) -> Iterator[Look]:
    """The next drill of each station: of the ledger, and of a journal that the fallback has and nobody took in yet."""
    rows = (told or {}).get("drills")
    known = [one for one in (rows if isinstance(rows, list) else ()) if isinstance(one, dict)]
    journals: list[Mapping[str, Any]] = [
        {"drill": True, "start": _begun(one["last"], now_us), "drilled": [one.get("station")],
         "next_due": one.get("due")} for one in known if one.get("last")]  # fmt: skip
    journals += [{"drill": True, "start": f"{one.get('aside')}T00:00:00Z",
                  "not_drilled": {str(one.get("station")): one.get("why")}}
                 for one in known if one.get("aside") and one.get("why")]  # fmt: skip
    told_of = [*journals, *(record.data for record in periods)]
    for one in due_drills(told_of, [site.id for site in settings.sites], now_us):
        yield Look("drill", WARN if one.overdue(now_us) else PASS, one.words(now_us), one.site)


def _begun(day: object, now_us: int) -> str:
    """When a day began on which a drill was; the fallback names it as it is at the plant, in UTC it may lie ahead."""
    text = f"{day}T00:00:00Z"
    return min(text, utc_text(now_us)) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", str(day)) else text


def brought_home(state: State, periods: Iterable[Record]) -> Iterator[Look]:
    """Whether each journal that has ended is in the ledger."""
    known = [one.data for one in periods]
    shas = {str(one["sha256"]) for one in known}
    waiting: list[str] = []
    for path in sorted(state.journal.glob("*.jsonl")):
        try:
            raw = read_plain(path, JOURNAL_LIMIT)
        except OSError:
            waiting.append(path.name)
            continue
        if any(mark in raw for mark in _ENDS) and hashlib.sha256(raw).hexdigest() not in shas:
            waiting.append(path.name)
    if waiting:
        words = _("{n} journals that have ended are not in the ledger: {names}; handwheel import period {folder}")
        shown = ", ".join(clean(name, 40) for name in waiting[:3])
        yield Look("periods", WARN, words.format(n=len(waiting), names=shown, folder=clean(state.root)), n=len(waiting))
    elif known:
        exercises = sum(one["drill"] is True for one in known)
        words = _("{n} journals are in the ledger, {drills} of them drills")
        yield Look("periods", PASS, words.format(n=len(known), drills=exercises), n=len(known))
