"""What the drills have shown: the records that the journals hold, and when a station's next one falls due.

Twelve months per station, and after any change of panel, controller or procedure (practice.md 4.1): a change is said,
and nobody is forced. A drill counts for the station that its record names, if a step was done in it; monitor/drills.py
has the same rule for the drills that the ledger knows. Roles and paper are looked at, never a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fallback_procedures.journal import Line, names, read_lines
from fallback_procedures.procedure import is_date
from fallback_procedures.replay import taken_back
from fallback_procedures.run import number_of
from fallback_procedures.words import _, clean, local_text, seconds_of, utc_text

if TYPE_CHECKING:
    from fallback_procedures.library import Library

FURTHEST_YEARS = 5
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
    steps: int = 0  # done in it


@dataclass(frozen=True)
class Due:
    """When a station's next drill is due: `word` is ok, soon, late or never (none was recorded); dates as text."""

    station: str
    last: str
    due: str
    word: str
    changed: bool = False  # the procedures have changed since
    idle: str = ""  # the day of a later drill in which no step was done


def history(folder: Path | None) -> list[Drill]:
    """All drills whose records lie in the journals of STATE/manual/journal, the oldest first. Reads, writes nothing."""
    found = []
    for name in names(folder):
        lines = read_lines(folder / name)[0] if folder else []
        undone = taken_back(lines)
        standing = [line for line in lines if line["n"] not in undone]
        steps = sum(line["kind"] == "done" for line in standing)
        found += [_drill(line, steps) for line in standing if line["kind"] == "drill_record"]
    return sorted((drill for drill in found if drill), key=lambda drill: drill.at)


def _drill(line: Line, steps: int) -> Drill | None:
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
        steps,
    )  # fmt: skip


def due(drills: list[Drill], sites: list[str], now_s: float, library: Library | None = None) -> list[Due]:
    """Each site's last drill and next date, the most urgent first. `now_s` since 1970 [s]

    With the library it is also said whether what was drilled reads differently today.
    """
    rows = []
    for site in sites:
        mine = [drill for drill in reversed(drills) if drill.station == site]
        last = next((drill for drill in mine if drill.steps), None)
        idle = _day(mine[0].at) if mine and not mine[0].steps else ""
        if last is None:
            rows.append(Due(site, "", "", "never", idle=idle))
            continue
        date = last.next_due or a_year_after(last.at)
        left = (seconds_of(date + "T00:00:00Z") or 0.0) - now_s
        word = "late" if left < 0 else "soon" if left < SOON_S else "ok"
        changed = library is not None and any(
            mark not in library.content_hashes(name, site) for name, mark in last.content.items()
        )
        rows.append(Due(site, _day(last.at), date, word, changed, idle))
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


def due_lines(rows: list[Due]) -> list[str]:
    """One line per station in words."""
    words = {"late": _("LATE"), "never": _("no drill was recorded"), "soon": _("due soon"), "ok": _("in order")}
    lines = []
    for row in rows:
        text = f"{row.station}: {words[row.word]}"
        if row.last:
            text += "; " + _("last drill {last}, next due {due}").format(last=row.last, due=row.due)
        if row.idle:
            text += "; " + _("no step was done in the drill of {date}: it does not count").format(date=row.idle)
        lines.append(text + ("; " + _("the procedures have changed since") if row.changed else ""))
    return lines
