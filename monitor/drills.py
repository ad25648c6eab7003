"""When a station was last run by hand as an exercise, and when that is due again: told by the ledger's drills.

Twelve months are the default (practice, 4.1); the record of a drill may name another day, until five years on. A drill
counts by the rule of monitor/periods/drilled.py, and not before it was. Standard library only: the screen says it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.words import _, age_text, clean, day_text, parse_utc, utc_text

FURTHEST_YEARS = 5
AHEAD_US = 60_000_000  # clocks of two machines differ


@dataclass(frozen=True, slots=True)
class Due:
    """The next drill of a station. `last_us` is None where there never was one, and then it is due now (UTC [us])."""

    site: str
    last_us: int | None
    due_us: int
    aside: str = ""  # a later drill that does not count, and why not, in words

    def overdue(self, now_us: int) -> bool:
        """Whether it should have been by now."""
        return self.due_us <= now_us

    def words(self, now_us: int) -> str:
        """When it was, and when it is due, in words."""
        return "; ".join(part for part in (self._dates(now_us), self.aside) if part)

    def _dates(self, now_us: int) -> str:
        if self.last_us is None:
            return _("no drill is on record")
        last, due = day_text(self.last_us), day_text(self.due_us)
        if self.overdue(now_us):
            age = age_text((now_us - self.due_us) / 1e6)
            return _("last drill {last}, due since {due} ({age})").format(last=last, due=due, age=age)
        return _("last drill {last}, next due {due}").format(last=last, due=due)


def due_drills(periods: Iterable[Mapping[str, Any]], sites: Sequence[str], now_us: int) -> list[Due]:
    """The next drill of each site, the most urgent first; `periods` are the data of ledger entries `period`.

    `drilled` names the stations for which a drill counts, `not_drilled` others that it names, and why it does not. A
    day that lies not ahead of the drill is not believed, nor a drill that lies ahead of `now_us` (UTC [us]).
    """
    found: dict[str, tuple[int, int]] = {}
    aside: dict[str, tuple[int, str]] = {}
    for data in periods:
        start_us = _time_us(data.get("start"))
        if data.get("drill") is not True or start_us is None:
            continue
        told, refused = data.get("drilled"), data.get("not_drilled")
        stations = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
        why_not = {str(one): str(why) for one, why in refused.items()} if isinstance(refused, dict) else {}
        if start_us > now_us + AHEAD_US:
            why_not |= dict.fromkeys(stations, "ahead")
            stations = []
        for site, why in why_not.items():
            aside[site] = max(aside.get(site, (0, "")), (start_us, why))
        due_us = _after(start_us, 1)
        asked_us = _time_us(f"{clean(data.get('next_due'), 20)}T00:00:00Z")
        if asked_us and start_us < asked_us <= _after(start_us, FURTHEST_YEARS):
            due_us = asked_us
        for site in stations:
            found[site] = max(found.get(site, (0, 0)), (start_us, due_us))
    rows = []
    for site in sites:
        last_us, due_us = found.get(site, (None, 0))
        at_us, why = aside.get(site, (0, ""))
        words = _("the drill of {date} does not count: {why}").format(date=day_text(at_us), why=why_words(why))
        rows.append(Due(site, last_us, due_us, words if why and at_us > (last_us or 0) else ""))
    return sorted(rows, key=lambda one: (one.due_us, one.site))


def why_words(why: str) -> str:
    """Why a drill does not count for a station."""
    words = {
        "idle": _("no step was done in it"), "elsewhere": _("no step was done at that station"),
        "short": _("it was over within a minute"), "ahead": _("it lies in the future"),
        "replaced": _("a later record of it names another station"),
    }  # fmt: skip
    return words.get(why, clean(why, 20))


def _after(us: int, years: int) -> int:
    """The beginning of the same day so many years later (UTC [us])."""
    day = utc_text(us)[:10]
    day = f"{int(day[:4]) + years}{day[4:] if day[4:] != '-02-29' else '-02-28'}"
    return _time_us(f"{day}T00:00:00Z") or us


def _time_us(text: object) -> int | None:
    try:
        return parse_utc(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
