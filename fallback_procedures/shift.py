"""The page of a shift hand-over: form F9, filled from the journal, to be read aloud and said back.

What only people know - who is outside, which locks are set, who was promised what - stays a line to write on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fallback_procedures.run import Run, Taken, safe, where_lost
from fallback_procedures.view import behind_text, deviations, due_line, spoken, value_text
from fallback_procedures.words import (
    _,
    event_text,
    language,
    local_text,
    role_text,
    seconds_of,
    wrapped,
)

if TYPE_CHECKING:
    from fallback_procedures.library import Library
    from fallback_procedures.place import Look


def page_lines(look: Look, library: Library, width: int = 80) -> list[str]:
    """The filled form in lines of at most `width` characters; in a drill each of them says DRILL."""
    mark = _("DRILL") + "  " if look.period.drill else ""
    room = min(width, 80) - len(mark)
    lines = [*_head(look, room), *_runs(look, room), *_warnings(look, room), *_notes(look, room)]
    lines += _by_hand(look, library, room)
    return [safe(mark + line).rstrip() for line in lines]


def _head(look: Look, width: int) -> list[str]:
    period = look.period
    sites = ", ".join(period.sites) or _("all stations")
    kind = _("DRILL") if period.drill else _("real period") if period.declared else _("round")
    lines = ["F9  " + _("SHIFT HAND-OVER"), "=" * width]
    since, now = _time(period.since.get("at")), local_text(look.now.wall_s)
    text = _("Station: {sites}   {kind} since {since}   now {now}")
    lines += wrapped(text.format(sites=sites, kind=kind, since=since, now=now), width)
    if period.declared:
        text = _("CONTROL LOST declared by {role}").format(role=role_text(period.declared_by))
        lines += wrapped(f"{text}: {where_lost(period)}", width)
    if period.stable:
        lines += wrapped(_("stable by hand since {since}").format(since=_time(period.stable.get("at"))), width)
    if period.shift:
        lines += wrapped(_("this shift since {since}").format(since=_time(period.shift.get("at"))), width)
    return lines


def _runs(look: Look, width: int) -> list[str]:
    """Each open run: its step, its newest readings with their times, what falls due and when."""
    lines = ["", _("OPEN PROCEDURES")]
    for run in look.period.open_runs():
        at = _("at step {n}").format(n=run.cursor) if run.cursor else behind_text(run)
        site = f" {run.site}" if run.site else ""
        lines += wrapped(f"{run.id}{site}  {run.procedure.title}, {at}", width, "  ", "      ")
        if run.step:
            lines += wrapped(spoken(run.step.text, run.sheet), width, "      ", "      ")
        for taken in _newest(run).values():
            lines += wrapped(f"{taken.name}: {_value(taken)}", width, "      ", "        ")
        for due in look.due:
            if due.run == run.id:
                lines += wrapped(due_line(due), width, "      ", "        ")
    return lines if len(lines) > 2 else [*lines, "  " + _("none")]


def out_of_limits(look: Look) -> list[str]:
    """The newest readings of open runs that lie out of their limits."""
    return [f"{run.id} {taken.name}: {_value(taken)}" for run in look.period.open_runs()
            for taken in _newest(run).values() if taken.in_limits is False]  # fmt: skip


def not_over(look: Look) -> list[str]:
    """What was seen, with its time, and is not over."""
    events = []
    for event in look.period.events:
        where = event.site or _("all stations")
        site = f" ({where})"
        text = f": {event.text}" if event.text else ""
        events.append(f"{_time(event.since)}  {event_text(event.event)}{site}{text}")
    return events


def _warnings(look: Look, width: int) -> list[str]:
    """What is out of limits, held or seen and not over."""
    runs, out, events = look.period.open_runs(), out_of_limits(look), not_over(look)
    held = [_("{run}: {role} must release step {n}").format(run=run.id, role=role_text(role), n=run.held_at())
            for run in runs for role in [run.waiting_for()] if role]  # fmt: skip
    lines = []
    otherwise = [f"{run.id}: {told}" for run in look.period.runs.values() for told in deviations(run)]
    for title, rows in ((_("OUT OF LIMITS NOW"), out), (_("HELD"), held), (_("SEEN AND NOT OVER"), events),
                        (_("DONE OTHERWISE THAN THE PAGE SAYS"), otherwise)):  # fmt: skip
        lines += ["", title]
        for row in rows or [_("none")]:
            lines += wrapped(row, width, "  ", "    ")
    return lines


def _notes(look: Look, width: int) -> list[str]:
    """What was noted since the shift began."""
    entries, shift = look.period.entries, look.period.shift
    begun = entries.index(shift) if shift else 0
    lines = ["", _("NOTES OF THIS SHIFT")]
    rows = [line for line in entries[begun:] if line["kind"] == "note"]
    if look.period.shift.get("text"):
        lines += wrapped(_("at the last hand-over: {text}").format(text=look.period.shift["text"]), width, "  ", "    ")
    for line in rows:
        run = f" {line['run']}" if line.get("run") else ""
        lines += wrapped(f"{_time(line.get('at'))}{run}  {line.get('text', '')}", width, "  ", "    ")
    return lines if len(lines) > 2 else [*lines, "  " + _("none")]


def _by_hand(look: Look, library: Library, width: int) -> list[str]:
    """What the journal does not know."""
    lines = [""]
    for site in sorted({run.site for run in look.period.open_runs() if run.site}):
        told = library.sheet(site).in_language(language()).values.get("hand_bypasses")
        if told:
            lines += wrapped(_("HAND bypasses at {site}: {what}").format(site=site, what=told), width)
    for text in (
        _("People outside, where, next call at"),
        _("Locks and tags: where, set by (role)"),
        _("Stopped, closed or out of service"),
        _("Authorities called, promised to whom, by when"),
        _("Keys, radios, torches, gas meters"),
    ):
        lines += [_blank(text, width), "", "_" * width, ""]
    return [*lines, _blank(_("Handed over by (role), time, signature"), width), "",
            _blank(_("Said back and taken by (role), time, signature"), width)]  # fmt: skip


def _blank(text: str, width: int) -> str:
    return f"{text} " + "_" * max(width - len(text) - 1, 4) if len(text) < width - 5 else text[:width]


def _newest(run: Run) -> dict[tuple[str, str], Taken]:
    """The newest reading of each name, at each asset."""
    return {(taken.name, taken.asset): taken for taken in run.readings}


def _value(taken: Taken) -> str:
    judged = " " + _("OUT OF LIMITS") if taken.in_limits is False else ""
    return f"{value_text(replace(taken, in_limits=None))} ({_time(taken.at)}){judged}"


def _time(text: object) -> str:
    at = seconds_of(text)
    return local_text(at, "%m-%d %H:%M").rsplit(" ", 1)[0] if at is not None else "?"
