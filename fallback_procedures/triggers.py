"""Which procedures apply now, and because of what.

Our blindness is not the plant's failure: when handwheel is dead, automation is probably still running. So BLIND
offers a manual round and reading, and whatever speaks of HAND is offered only after a person has declared CONTROL
LOST. Where the status is missing, stale beyond belief or cannot be read, nothing is claimed: everything is listed, by
consequence."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fallback_procedures.library import Library
from fallback_procedures.plain import read_plain
from fallback_procedures.procedure import SITE_ID, Applies, Procedure, site_type_of
from fallback_procedures.run import BELIEVED_S, Event, Period, elapsed, number_of, where_lost, word
from fallback_procedures.words import _, age_text, clean, event_text, local_text, role_text, seconds_of

STATUS_LIMIT = 5_000_000  # bytes; a plant of 10,000 assets has half of it
LOOK_S = 0.4  # so often a screen looks: what is dead is said within 2 s, what is hung within 5 s [s]
DEAD_S = 1.4  # the status is written each second; no process of that number and this old: dead [s]
HUNG_S = 3.0  # the process is there and the status this old: hung [s]
SITES = 5_000  # of one status
TICK_S = 2.0  # a value may be newer than the status by so much [s]
CALM_S = 60.0  # after a planned stop nothing is offered for so long [s]
STEP_S = 60.0  # by so much more the wall clock must tell to count: the others stood still, or it was set [s]


@dataclass(frozen=True)
class Now:
    """The moment, handed in so that all below are pure functions. `wall_s` since 1970, `mono_s` since boot. [s]

    A laptop whose lid was closed has slept: `mono_s` stood still then, as in the status of the daemon, and a plant does
    not; timers and ages of what a person did count `up_s`.
    """

    wall_s: float
    mono_s: float
    boot_id: str
    slept_s: float = 0.0  # since boot [s]

    @property
    def up_s(self) -> float:
        """Since boot, sleep counted. [s]"""
        return self.mono_s + self.slept_s


@dataclass(frozen=True)
class Site:
    """A site as the last status told of it. `lost_s`: how long nothing good has come from it, None if it comes. [s]"""

    id: str
    name: str
    type: str
    lost_s: float | None = None


@dataclass(frozen=True)
class Situation:
    """What is known of handwheel and sites. `word`: running, blind, stopped or unknown. Ages in [s], None unknown."""

    word: str
    text: str
    age_s: float | None
    sites: tuple[Site, ...] = ()
    simulated: bool = False
    binder: str = ""  # fingerprint of the binder that was printed, as the status told it

    def type_of(self, site: str) -> str:
        return next((one.type for one in self.sites if one.id == site), "")


@dataclass(frozen=True)
class Offer:
    """A procedure that applies at a site ("" = all), with the reason in words, and what was seen if it is for that."""

    id: str
    site: str
    because: str
    event: str = ""


def moment() -> Now:
    """The present moment of this machine."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = ""
    mono_s = time.monotonic()
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # not on every system
    slept_s = max(time.clock_gettime(clock) - mono_s, 0.0) if clock is not None else 0.0
    return Now(time.time(), mono_s, boot_id, slept_s)


def read_status(manual: Path | None) -> tuple[dict[str, Any] | None, str]:
    """status.json as it lies there, or None and why not."""
    if manual is None:
        return None, _("there is no state folder")
    path = manual / "status.json"
    try:
        raw = read_plain(path, STATUS_LIMIT + 1, manual)
        status = json.loads(raw.decode() if len(raw) <= STATUS_LIMIT else "")
    except FileNotFoundError:
        return None, _("handwheel has published nothing here")
    except (OSError, ValueError, RecursionError):
        return None, _("the status of handwheel cannot be read")
    if not isinstance(status, dict) or status.get("format") != 1:
        return None, _("the status of handwheel has another format")
    try:
        stop = json.loads(read_plain(manual / "planned_stop.json", STATUS_LIMIT, manual).decode())
        status["daemon"] = {**_table(status, "daemon"), "planned_stop": stop}
    except (OSError, ValueError, RecursionError):
        pass
    return status, ""


def pid_lives(pid: object) -> bool:
    """Whether a process of that number runs on this machine; True where that cannot be told."""
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0 or os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def situation(status: dict[str, Any] | None, why_not: str, now: Now, alive: bool, sheets: Library) -> Situation:
    """What the status means at this moment. `alive`: whether the daemon's process number is in use."""
    if status is None:
        return Situation(
            "unknown", _("state of handwheel unknown: {why}").format(why=why_not), None, _of_sheets(sheets)
        )
    sites = _sites(status, sheets)
    daemon, binder = _table(status, "daemon"), _table(status, "binder")
    base = Situation(
        "unknown", "", None, sites, status.get("simulated") is True, clean(binder.get("printed") or "", 70)
    )
    written, boot = number_of(status.get("mono_s")), status.get("boot_id")
    if written is None or not isinstance(boot, str) or not boot:
        why = _("the status of handwheel cannot be read")
        return replace(base, text=_("state of handwheel unknown: {why}").format(why=why))
    gone = _gone(status, now, "utc")
    if gone is None:
        text = _("handwheel is BLIND: no data since this machine started; age of its last word unknown; automation is "
                 "probably still running; look at SCADA or the local panel")  # fmt: skip
        return replace(base, word="blind", text=text)
    waited, age = now.mono_s - written, gone.age_s
    if waited < -1:
        text = _("state of handwheel unknown: its clock is ahead of this machine")
        return replace(base, word="unknown", text=text)
    stop = _planned_stop(daemon.get("planned_stop"), now)
    if stop is not None and not alive:
        role, at, since = stop
        if since is not None and since < CALM_S:
            text = _("handwheel was stopped by {role} at {at}").format(role=role, at=at)
            return replace(base, word="stopped", text=text, age_s=since)
        text = _(
            "handwheel is BLIND: stopped by {role} at {at}; automation is probably still running; "
            "look at SCADA or the local panel"
        )
        return replace(base, word="blind", text=text.format(role=role, at=at), age_s=age)
    if waited > HUNG_S or (age > DEAD_S and not alive):
        text = _(
            "handwheel is BLIND since {age}; automation is probably still running; look at SCADA or the local panel"
        )
        return replace(base, word="blind", text=text.format(age=age_text(age)), age_s=age)
    if _odd_sites(status):
        return replace(base, word="unknown", text=_("what handwheel says of its sites cannot be read"), age_s=age)
    lost = [site for site in sites if site.lost_s is not None]
    if lost:
        words = ", ".join(f"{site.id} ({age_text(site.lost_s)})" for site in lost)
        return replace(base, word="running", text=_("TELEMETRY LOST at {sites}").format(sites=words), age_s=age)
    return replace(base, word="running", text=_("handwheel is running"), age_s=age)


def offers(library: Library, known: Situation, period: Period | None, now: Now, language: str = "en") -> list[Offer]:
    """The procedures that apply, by consequence, each with its reason."""
    return _applying(library, known, period, now, language)[0]


def after_declaring(
    library: Library, known: Situation, period: Period | None, now: Now, language: str = "en"
) -> tuple[str, ...]:
    """What is for something that a person has seen, but moves the plant: only once CONTROL LOST is declared there."""
    return _applying(library, known, period, now, language)[1]


def _applying(
    library: Library, known: Situation, period: Period | None, now: Now, language: str
) -> tuple[list[Offer], tuple[str, ...]]:
    """What applies now, and the ids of what would if CONTROL LOST were declared."""
    found: list[Offer] = []
    waiting: list[str] = []
    for name in library.ids():
        versions = [entry.procedure for key, entry in library.entries.items() if key[0] == name and entry.procedure]
        entry = library.get(name, language)
        if entry is None:
            continue
        if entry.procedure is None:
            if known.word != "running" or (period and (period.events or period.declared)):
                found.append(Offer(name, "", _("this file has faults: whether it applies cannot be told, read it")))
            continue
        by_hand = any(procedure.moves_the_plant for procedure in versions)
        for condition in entry.procedure.applies:
            offered = _holding(name, condition, known, period, now)
            if by_hand:
                here = [one for one in offered if period and period.lost_at(one.site)]
                waiting += [f"{name} {one.site}".strip() for one in offered if one not in here
                            and condition.condition == "seen"]  # fmt: skip
                offered = here
            found += [one for one in offered if all((one.id, one.site) != (has.id, has.site) for has in found)]
    return found, tuple(dict.fromkeys(waiting))


def _holding(name: str, applies: Applies, known: Situation, period: Period | None, now: Now) -> list[Offer]:
    """Where one condition holds, and because of what."""
    if applies.condition == "control_lost" and period is not None and period.declared:
        words = _("CONTROL LOST declared by {role} {age}").format(
            role=role_text(period.declared_by), age=ago(period.age_s(now.wall_s, now.up_s, now.boot_id))
        )
        words += f": {where_lost(period)}" if period.sites else ""
        words += " (" + _("DRILL") + ")" if period.drill else ""
        return [Offer(name, site, words) for site in _matching(applies, known, period.sites)]
    if applies.condition == "seen" and period is not None:
        return [Offer(name, site, _said(event, period, now), event.event) for event in period.events
                if event.event == applies.event
                for site in _where(applies, known, event.site)]  # fmt: skip
    if applies.condition == "telemetry_lost" and known.word == "running":
        return [Offer(name, site.id, _("no data from {site} for {age}").format(site=site.id, age=age_text(site.lost_s)))
                for site in known.sites
                if site.lost_s is not None and site.lost_s >= applies.for_s
                and _fits(applies, site.id, site.type)]  # fmt: skip
    if applies.condition == "blind" and known.word == "blind":
        if known.age_s is None:
            return [Offer(name, "", _("handwheel is BLIND, age unknown"))]
        if known.age_s >= applies.for_s:
            return [Offer(name, "", _("handwheel is BLIND since {age}").format(age=age_text(known.age_s)))]
    if applies.condition == "stopped" and known.word == "blind" and (known.age_s or 0) >= max(applies.for_s, CALM_S):
        return [Offer(name, "", known.text)]
    return []


def _where(applies: Applies, known: Situation, site: str) -> list[str]:
    """The sites at which something was seen: the one that was named, if the condition is for it."""
    if not site:
        return _matching(applies, known, ())
    return [site] if _fits(applies, site, known.type_of(site)) else []


def _said(event: Event, period: Period, now: Now) -> str:
    """What a person has seen, who said so and when."""
    age = ago(elapsed(event.line, now.wall_s, now.up_s, now.boot_id))
    what = event_text(event.event) + (f" ({event.site})" if event.site else "")
    words = _("{event}, said by {role} {age}").format(event=what, role=role_text(word(event.line, "role")), age=age)
    return words + (" (" + _("DRILL") + ")" if period.drill else "")


def ago(seconds: float | None) -> str:
    """ "2m ago", or that the age is unknown. [s]"""
    return _("age unknown") if seconds is None else _("{age} ago").format(age=age_text(seconds))


def _matching(applies: Applies, known: Situation, declared: tuple[str, ...]) -> list[str]:
    """The declared sites to which a control_lost condition applies; [""] where it is for all or sites are unknown."""
    if not applies.site and not applies.site_type:
        return [""]
    names = declared or tuple(site.id for site in known.sites)
    if not names:
        return [""]  # nothing is known of the sites: better offered than hidden
    return [name for name in names if _fits(applies, name, known.type_of(name))]


def _fits(applies: Applies, site: str, site_type: str) -> bool:
    """Whether a condition is for this site; a site of unknown type is never left out."""
    if applies.site and applies.site != site:
        return False
    return not applies.site_type or not site_type or applies.site_type == site_type


def for_site(procedure: Procedure, site: str, site_type: str) -> bool:
    """Whether a procedure belongs into the set of a site: one of its conditions names it, its type, or all."""
    return any(_fits(one, site, site_type) for one in procedure.applies)


def _sites(status: dict[str, Any], sheets: Library) -> tuple[Site, ...]:
    found = []
    rows = status.get("sites")
    for row in rows[:SITES] if isinstance(rows, list) else ():
        if isinstance(row, dict) and re.fullmatch(SITE_ID, str(row.get("id"))):
            name, kind = clean(row["id"], 40), site_type_of(row.get("type"))
            written = sheets.sheet(name).site_type  # where the two differ neither is believed: shown rather than hidden
            kind = "" if kind and written and kind != written else kind or written
            found.append(Site(name, clean(row.get("name", ""), 60), kind, _span(row.get("lost_s"))))
    if found and not _odd_sites(status):
        return tuple(found)
    had = {site.id for site in found}
    return (*found, *(site for site in _of_sheets(sheets) if site.id not in had))


def _odd_sites(status: dict[str, Any]) -> bool:
    """Whether a row of the sites says what no daemon of ours does; then nothing is claimed of any of them."""
    rows = status.get("sites")
    return rows is not None and not (isinstance(rows, list) and len(rows) <= SITES and all(
        isinstance(row, dict) and isinstance(row.get("id"), str) and re.fullmatch(SITE_ID, row["id"])
        and (row.get("lost_s") is None or _span(row["lost_s"]) is not None) for row in rows))  # fmt: skip


def _of_sheets(library: Library) -> tuple[Site, ...]:
    return tuple(Site(sheet.site, sheet.name, sheet.site_type) for sheet in library.sheets.values())


def _planned_stop(stop: object, now: Now) -> tuple[str, str, float | None] | None:
    """(role, local time, seconds since) of a planned stop, as the daemon left it at SIGTERM."""
    if not isinstance(stop, dict):
        return None
    at, gone = seconds_of(stop.get("at")), _gone(stop, now, "at")
    since = gone.age_s if gone else None
    shown = local_text(at, "%H:%M") if at is not None else "?"
    return role_text(clean(stop.get("role") or "administrator", 30)), shown, since


class _Gone(NamedTuple):
    """How long ago the daemon wrote something [s]; `sure` is False where only the wall clock tells of so long."""

    age_s: float
    sure: bool


def _gone(told: dict[str, Any], now: Now, at: str) -> _Gone | None:
    """Since the daemon wrote this; None where that was another start of the machine. `at` names its UTC.

    By the clock that tells most: one stands still while a laptop sleeps, all but the wall clock while a virtual machine
    does. The wall clock is asked only of what is old, and not believed beyond a year.
    """
    mono, slept, utc = number_of(told.get("mono_s")), number_of(told.get("slept_s")), seconds_of(told.get(at))
    if mono is None or not now.boot_id or told.get("boot_id") != now.boot_id:
        return None
    age = now.mono_s - mono + (max(now.slept_s - slept, 0.0) if slept is not None and slept >= 0 else 0.0)
    wall = now.wall_s - utc if utc is not None and now.mono_s - mono > HUNG_S else age
    return _Gone(wall, False) if age + STEP_S < wall <= BELIEVED_S else _Gone(age, True)


def _table(status: dict[str, Any], key: str) -> dict[str, Any]:
    value = status.get(key)
    return value if isinstance(value, dict) else {}


def _span(value: object) -> float | None:
    """A length of time that can be: not negative. [s]"""
    number = number_of(value)
    return None if number is None or number < 0 else number


class Known(NamedTuple):
    """One line of last_known.txt: text as it stands there, `age` in words, `age_s` None where no clock can tell. [s]"""

    tag: str
    value: str
    quality: str
    age: str
    age_s: float | None


def last_known(manual: Path | None, status: dict[str, Any] | None, now: Now) -> list[tuple[str, str, str, str]]:
    """(tag, value, quality, age in words) of last_known.txt. An age is told only where a clock can be trusted."""
    return [row[:4] for row in known_values(manual, status, now)]


def known_values(manual: Path | None, status: dict[str, Any] | None, now: Now) -> list[Known]:
    """The rows of last_known.txt. The age is counted on the daemon's own clock where it still runs, else on ours, as
    where ours tells that all others stood still.

    A power cut may have torn it: what it lacks is in last_known_minute.txt, which was on the disk.
    """
    rows: dict[str, Known] = {}
    for path in (manual / "last_known.txt", manual / "last_known_minute.txt") if manual is not None else ():
        try:
            text = read_plain(path, STATUS_LIMIT, manual).decode("utf-8", "replace")
        except OSError:
            continue
        for row in _known(text.splitlines(), status, now):
            rows.setdefault(row.tag, row)
    return list(rows.values())


def _known(lines: list[str], status: dict[str, Any] | None, now: Now) -> list[Known]:
    boot = next((line.rsplit("boot ", 1)[1].strip() for line in lines[:4] if "boot " in line), "")
    same_boot = bool(boot) and bool(now.boot_id) and now.boot_id.startswith(boot)
    here = None  # this moment on the clock of the daemon, counted on from its last status
    gone = _gone(status, now, "utc") if status is not None and same_boot else None
    written = seconds_of(status.get("utc")) if status is not None else None
    if gone is not None and gone.sure and written is not None:
        here = written + gone.age_s
    rows = []
    for line in lines[:5000]:
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()] if "\0" not in line else []
        taken = seconds_of(cells[-1]) if len(cells) >= 4 else None
        if taken is None:
            continue
        since = None
        if here is not None and here - taken >= -TICK_S:
            since = max(here - taken, 0.0)
            age = ago(since)
        elif here is None and 0 <= now.wall_s - taken <= BELIEVED_S:
            age = _("about {age} ago by this machine's clock").format(age=age_text(now.wall_s - taken))
        else:
            age = _("age unknown")
        rows.append(Known(clean(cells[0], 40), clean(cells[1], 30), clean(cells[2], 30), age, since))
    return rows
