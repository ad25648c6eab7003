"""Where the fallback finds its files, and one look at all of them at one moment.

STATE is where the daemon published its copy for us (STATE/manual). Nothing here needs it: without it the shipped
library is used, and that is said.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fallback_procedures import shipped
from fallback_procedures.back import Watch
from fallback_procedures.desk import Desk
from fallback_procedures.journal import Line, catch_up
from fallback_procedures.library import Library
from fallback_procedures.open_period import Refused, Told
from fallback_procedures.plain import read_plain
from fallback_procedures.procedure import values_of
from fallback_procedures.run import Due, Period, elapsed
from fallback_procedures.triggers import (
    Now,
    Offer,
    Situation,
    after_declaring,
    for_site,
    moment,
    offers,
    pid_lives,
    read_status,
    situation,
)
from fallback_procedures.words import _, clean, local_text, seconds_of, use_time_zone

ENDED_S = 600.0  # so long each desk is told that somebody else has ended its period [s]
STICK, STICK_JOURNAL = "stick.json", "handwheel-journal"  # the mark of a USB stick; where it keeps what is recorded


@dataclass(frozen=True)
class Place:
    """`manual` is STATE/manual, None where there is none; `note` says what is missing, "" if nothing is.

    `stick`: when the USB stick was made on which this lies, "" where it lies on none.
    """

    manual: Path | None
    note: str = ""
    stick: str = ""

    @property
    def journal(self) -> Path | None:
        if self.manual and self.stick:  # beside what a newer stick replaces
            return self.manual.parent.parent / STICK_JOURNAL
        return self.manual / "journal" if self.manual else None

    @property
    def ledger(self) -> str:
        """The ledger's head as the daemon published it last, N:HEAD; "" where there is none that can be read."""
        try:
            words = []
            if self.manual:
                words = read_plain(self.manual / "facts" / "ledger_head.txt", 4096, self.manual).decode().split()[:6]
        except (OSError, ValueError):
            return ""
        told = ":".join(words[2::3])
        return told if re.fullmatch(r"[1-9][0-9]{0,15}:[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", told) else ""

    @property
    def binder(self) -> Path | None:
        """What handwheel has rendered; its own user alone may write there."""
        return self.manual / "binder" if self.manual else None

    @property
    def now(self) -> Path | None:
        """Pages that are printed in haste, by anybody of the group; on a stick beside what is recorded there."""
        return self.journal / "now" if self.journal and self.stick else self.manual / "now" if self.manual else None


def find(explicit: str | None) -> Place:
    """STATE/manual of --state, else beside this program, else /var/lib/handwheel, else ./state."""
    if explicit:
        manual = _absolute(explicit) / "manual"
        if manual.is_dir():
            return Place(manual, stick=_stick_of(manual))
        return Place(manual, _("{path} is not there: the shipped library is used").format(path=clean(manual)))
    beside = shipped.home()
    for state in (beside, beside / "state", Path("/var/lib/handwheel"), Path("state")):
        try:
            if (state / "manual").is_dir():
                manual = state.absolute() / "manual"
                return Place(manual, stick=_stick_of(manual))
        except OSError:
            continue
    return Place(None, _("no state folder was found: the shipped library is used; --state names one"))


def _stick_of(manual: Path) -> str:
    try:
        made = seconds_of(json.loads(read_plain(manual / STICK, 10_000, manual))["made"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        made = None
    return "?" if made is None else local_text(made)


def _absolute(text: str) -> Path:
    """A path as it was typed, from the root where that can be told: the folder we stand in may be gone."""
    try:
        return Path(text).expanduser().absolute()
    except (OSError, RuntimeError):
        return Path(text)


@dataclass(frozen=True)
class Look:
    """All that is known at one moment."""

    now: Now
    status: dict[str, Any] | None
    known: Situation
    period: Period
    offers: tuple[Offer, ...]
    due: tuple[Due, ...]
    warning: str = ""  # the folder of the entries is gone
    ended: Line = field(default_factory=Line)  # by which somebody else has ended the period that stood here, just now
    others: tuple[Told, ...] = ()  # periods that are open beside this one
    after_declaring: tuple[str, ...] = ()  # ids of what fits what was seen, but waits for CONTROL LOST
    to_read: tuple[str, ...] = ()  # ids of all procedures, where what applies cannot be told: to be read
    place: Place = Place(None)
    role: str = "operator"  # of who sits here
    real: str = ""  # in a drill: the real period that is open
    watch: Watch = field(default_factory=Watch)


def look(place: Place, library: Library, desk: Desk, language: str) -> Look:
    """Read status and journal now; from before only the entries are remembered, should their folder be gone."""
    now = moment()
    status, why_not = read_status(place.manual)
    if status is not None:  # a status that vanishes does not turn the clock
        use_time_zone(status.get("time_zone"))
    daemon = status.get("daemon") if status else None
    alive = pid_lives(daemon.get("pid")) if isinstance(daemon, dict) else True
    known = situation(status, why_not, now, alive, library)
    if place.stick:
        text = _("this is the stick of {at}: nothing on it is live; look at SCADA or the local panel")
        known = replace(known, word="unknown", text=text.format(at=place.stick), age_s=None)
    catch_up(place.journal)
    warning = desk.join().journal.tend()
    others = tuple(desk.others())
    since_s = elapsed(desk.ended, now.wall_s, now.up_s, now.boot_id) if desk.ended else None
    ended = desk.ended if since_s is not None and since_s < ENDED_S else Line()
    period = replace(desk.period(), drill=desk.drill)
    begun = {(run.procedure.id, run.site) for run in period.open_runs()}
    applying = [one for one in offers(library, known, period, now, language) if (one.id, one.site) not in begun]
    due = period.due(now.wall_s, now.up_s, now.boot_id)
    waiting = after_declaring(library, known, period, now, language)
    in_doubt = known.word in ("unknown", "blind") and not period.declared
    to_read = tuple(library.ids()) if in_doubt else ()
    desk.watch.take(known, now)
    return Look(now, status, known, period, tuple(applying), tuple(due), warning, ended, others, waiting, to_read,
                place, desk.role, desk.real(), desk.watch)  # fmt: skip


def sites_of(library: Library, known: Situation, name: str) -> list[str]:
    """The sites whose set holds a procedure, by its APPLIES; [""] where no site is known."""
    versions = [entry.procedure for key, entry in library.entries.items() if key[0] == name and entry.procedure]
    found = [
        site.id for site in known.sites if any(for_site(one, site.id, site.type) for one in versions if one.applies)
    ]
    if versions and versions[0].kind == "form":
        found = [site.id for site in known.sites]
    return found or [""]


def sites_to_ask(library: Library, known: Situation, name: str) -> list[str]:
    """The sites between which a person must choose to use a procedure: [""] where its text is the same for all."""
    entry = library.get(name, "en")
    if entry and entry.procedure and not values_of(entry.procedure.source):
        return [""]
    return sites_of(library, known, name)


def site_named(text: str, known: Situation) -> str:
    """The site a person typed, in any case; Refused for one that does not exist (where none is known, any is taken)."""
    typed = clean(text, 40)
    for site in known.sites:
        if typed.casefold() == site.id.casefold():
            return site.id
    if known.sites and typed:
        ids = " ".join(site.id for site in known.sites)
        raise Refused(_("there is no site {site}; sites are {ids}").format(site=typed, ids=ids))
    return typed


def no_drill_now(seen: Look) -> None:
    """Refused where an exercise may not begin: in another one, or over a period that is real."""
    if seen.period.drill:
        raise Refused(_("this is a drill already; q leaves it"))
    if seen.period.entries and not seen.period.ended:
        raise Refused(_("a real period is open: no drill now"))


def notes_at_start(place: Place, library: Library) -> list[str]:
    """What a person must know before anything else: what is missing, what is faulty."""
    return [note for note in (place.note, *library.notes) if note]
