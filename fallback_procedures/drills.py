"""What the drills have shown: the records that the journals hold, and when a station's next one falls due.

Twelve months per station, and after any change of panel, controller or procedure (practice.md 4.1): a change is said,
and nobody is forced. A drill counts for the station that its last record names, if a step was done in a run at that
station, or in one of no site, if it lasted a minute and does not lie in the future; monitor/periods/drilled.py has the
same rule for the drills that the ledger knows. Roles and paper are looked at, never a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fallback_procedures.journal import Line, glance, names, read_lines
from fallback_procedures.plain import read_plain
from fallback_procedures.procedure import is_date
from fallback_procedures.replay import taken_back
from fallback_procedures.run import elapsed, number_of, word
from fallback_procedures.words import _, clean, local_text, seconds_of, utc_text

if TYPE_CHECKING:
    from fallback_procedures.library import Library

FURTHEST_YEARS = 5
LIMIT = 1_000_000  # bytes of what handwheel tells
SHORT_S = 60.0  # what is over within this time was no drill [s]
AHEAD_S = 60.0  # clocks of two machines differ [s]
SOON_S = 30 * 86_400.0  # a drill due within this time is said to be due soon [s]


@dataclass(frozen=True)
class Drill:
    """A drill as its record tells it. `at` since 1970 [s]; `minutes` until stable by hand, None: nobody said so."""

    station: str
    at: float
    scenario: str
    procedures: tuple[str, ...]
    minutes: float | None
    gaps: tuple[dict[str, str], ...]
    next_due: str  # a date
    content: dict[str, str] = field(default_factory=dict)  # id -> SHA-256 of what its page said
    why: str = ""  # it does not count: idle, elsewhere, short or replaced
    latest: float = 0.0  # the latest time that its entries name [s]

    def set_aside(self, now_s: float) -> str:
        """Why it does not count for its station, in one word; "" where it does. `now_s` since 1970 [s]"""
        return "ahead" if self.latest > now_s + AHEAD_S else self.why


@dataclass(frozen=True)
class Due:
    """When a station's next drill is due: `word` is ok, soon, late or never (none was recorded); dates as text."""

    station: str
    last: str
    due: str
    word: str
    changed: bool = False  # the procedures have changed since
    aside: str = ""  # the day of a later drill that does not count
    why: str = ""  # why not: idle, elsewhere, short, replaced or ahead


def history(folder: Path | None, manual: Path | None = None) -> list[Drill]:
    """All drills, the oldest first: of the journals below `folder`, and those that the ledger knows, as handwheel has
    published them in STATE/manual: one on another machine left no journal here. Reads, writes nothing.
    """
    found = _of_the_ledger(manual) if manual else []
    for name in names(folder):
        ends = glance(folder / name) if folder else None
        if folder is None or (ends and not ends[0]["drill"]):
            continue
        lines = read_lines(folder / name)[0]
        undone = taken_back(lines)
        own = [line for line in lines if line["drill"]] if lines and lines[0]["drill"] else []
        standing = [line for line in own if line.mark not in undone]
        records = [line for line in standing if line["kind"] == "drill_record"]
        told = [_drill(line, _why_not(line, standing, own[0]), _latest(own)) for line in records]
        drills = [drill for drill in told if drill]
        found += [drill if drill is drills[-1] else replace(drill, why="replaced") for drill in drills]
    return sorted(found, key=lambda drill: drill.at)


def _of_the_ledger(manual: Path) -> list[Drill]:
    """What handwheel tells of the drills that it has taken in, and why one does not count."""
    try:
        told = json.loads(read_plain(manual / "facts" / "drills.json", LIMIT, manual))
    except (OSError, ValueError, RecursionError):
        return []
    rows = told.get("drills") if isinstance(told, dict) and told.get("format") == 1 else None
    found = [_drill(Line(row), clean(row.get("why") or "", 20), seconds_of(row.get("at")) or 0.0)
             for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []  # fmt: skip
    return [drill for drill in found if drill]


def _why_not(record: Line, lines: list[Line], first: Line) -> str:
    """Why the drill of these entries does not count for the station of its record, in one word; "" where it does."""
    site_of = {word(line, "run"): clean(word(line, "site"), 40) for line in lines if line["kind"] == "started"}
    done = {word(line, "run") for line in lines if line["kind"] == "done"} & set(site_of)
    if not done:
        return "idle"
    if not {site_of[run] for run in done} & {"", clean(record.get("station") or "", 40)}:
        return "elsewhere"
    at, mono_s = seconds_of(record.get("at")), number_of(record.get("mono_s"))
    boot = record.get("boot_id")
    lasted_s = elapsed(first, at or 0.0, mono_s or 0.0, boot if isinstance(boot, str) else "")
    return "short" if lasted_s is None or lasted_s < SHORT_S else ""


def _latest(lines: list[Line]) -> float:
    return max(seconds_of(line.get("at")) or 0.0 for line in lines)


def _drill(line: Line, why: str, latest: float) -> Drill | None:
    """The drill of a record; None where it has no station or time."""
    at, station, gaps, ids = seconds_of(line.get("at")), line.get("station"), line.get("gaps"), line.get("procedures")
    if at is None or not isinstance(station, str) or not station:
        return None
    due, content = line.get("next_due"), line.get("content")
    return Drill(
        clean(station, 40), at, clean(line.get("scenario") or "", 300),
        tuple(clean(one, 8) for one in ids[:50]) if isinstance(ids, list) else (), number_of(line.get("minutes")),
        tuple({str(key): clean(value, 300) for key, value in gap.items()} for gap in gaps[:200]
              if isinstance(gap, dict)) if isinstance(gaps, list) else (),
        due if isinstance(due, str) and lies_ahead(due, at) else "",
        {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {},
        why, latest,
    )  # fmt: skip


def due(drills: list[Drill], sites: list[str], now_s: float, library: Library | None = None) -> list[Due]:
    """Each site's last drill and next date, the most urgent first. `now_s` since 1970 [s]

    With the library it is also said whether what was drilled reads differently today.
    """
    rows = []
    for site in sites:
        mine = [drill for drill in reversed(drills) if drill.station == site]
        last = next((drill for drill in mine if not drill.set_aside(now_s)), None)
        why = mine[0].set_aside(now_s) if mine else ""
        aside = _day(mine[0].at) if why else ""
        if last is None:
            rows.append(Due(site, "", "", "never", aside=aside, why=why))
            continue
        date = last.next_due or a_year_after(last.at)
        left = (seconds_of(date + "T00:00:00Z") or 0.0) - now_s
        word = "late" if left < 0 else "soon" if left < SOON_S else "ok"
        changed = library is not None and any(
            mark not in library.content_hashes(name, site) for name, mark in last.content.items()
        )
        rows.append(Due(site, _day(last.at), date, word, changed, aside, why))
    order = {"late": 0, "never": 1, "soon": 2, "ok": 3}
    return sorted(rows, key=lambda row: (order[row.word], row.due, row.station))


def _day(seconds: float) -> str:
    return local_text(seconds, "%Y-%m-%d").split()[0]


def a_year_after(seconds: float, years: int = 1) -> str:
    """The date twelve months later. `seconds` since 1970 [s]"""
    text = utc_text(seconds)
    return f"{int(text[:4]) + years}{text[4:10] if text[4:10] != '-02-29' else '-02-28'}"


def lies_ahead(date: str, seconds: float) -> bool:
    """Whether a date is one to which a next drill can be put off: tomorrow to five years on. `seconds` since 1970"""
    return is_date(date) and len(date) == 10 and utc_text(seconds)[:10] < date <= a_year_after(seconds, FURTHEST_YEARS)


def why_words(why: str) -> str:
    """Why a drill does not count for its station."""
    return {
        "idle": _("no step was done in it"), "elsewhere": _("no step was done at that station"),
        "short": _("it was over within a minute"), "ahead": _("it lies in the future"),
        "replaced": _("a later record of it names another station"),
    }.get(why, why)  # fmt: skip


def due_lines(rows: list[Due]) -> list[str]:
    """One line per station in words."""
    words = {"late": _("LATE"), "never": _("no drill was recorded"), "soon": _("due soon"), "ok": _("in order")}
    lines = []
    for row in rows:
        text = f"{row.station}: {words[row.word]}"
        if row.last:
            text += "; " + _("last drill {last}, next due {due}").format(last=row.last, due=row.due)
        if row.aside:
            aside = _("the drill of {date} does not count: {why}")
            text += "; " + aside.format(date=row.aside, why=why_words(row.why))
        lines.append(text + ("; " + _("the procedures have changed since") if row.changed else ""))
    return lines
