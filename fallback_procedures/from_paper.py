"""A line of a paper log, entered afterwards."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

from fallback_procedures.limits import asked_at
from fallback_procedures.open_period import Refused
from fallback_procedures.place import site_named
from fallback_procedures.procedure import Procedure, Reading, Step
from fallback_procedures.questions import Ask, Talk, asked, yes_or_no
from fallback_procedures.reading_acts import asked_for, readable, with_asset
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import Sheet
from fallback_procedures.triggers import moment
from fallback_procedures.view import entry_text
from fallback_procedures.words import _, age_text, language, local_text, moment_typed, seconds_of

LONG_AGO_S = 12 * 3600.0  # who enters a log the morning after is not asked [s]


def from_paper(seat: Seat, given: str) -> Talk:
    """A line of a paper log, entered afterwards with its three times."""
    here = seat.at_hand(seat.look())
    first = _("Run or procedure on the paper, with its site (P-03 R); Enter: {here}").format(
        here=here.id if here else _("none")
    )
    named = partial(_on_paper, seat)
    procedure, sheet, run_id = named(given) if given else (yield from asked(Ask(first + ":"), named))
    step = None
    if procedure:
        step = yield from asked(Ask(_("step:")), lambda text: _step_of(procedure, text))
    lines: list[dict[str, str]] = []
    for reading in step.readings if step else ():
        known = asked_at(procedure.id, step, reading, sheet) if procedure and step else ()
        typed = yield from asked(Ask(f"{asked_for(reading)}:"), partial(_value, reading, known, sheet))
        if typed:
            value, asset = yield from with_asset(known, sheet, *typed)
            lines.append({"name": reading.name, "value": value, "asset": asset})
    if not lines:
        lines.append({"text": (yield Ask(_("What does the line say?")))})
    now, run = moment(), seat.look().period.runs.get(run_id)
    begun_s = seconds_of(run.started.get("at")) if run else None
    occurred = yield from _when(_("When was it so (14:05, or 2026-11-23 14:05)?"), now.wall_s, begun_s)
    recorded = yield from asked(
        Ask(_("When was it written down (Enter: at that time)?")),
        lambda text: _written(text, occurred, now.wall_s),
    )
    kept = [seat.desk.transcribe(moment(), occurred, recorded, run_id=run_id, procedure=procedure, sheet=sheet,
                                 step=step.number if step else "", **line) for line in lines]  # fmt: skip
    told = "; ".join(map(entry_text, kept))
    return _("Entered from paper: {what}, so at {time}. E for the next line.").format(
        what=told, time=local_text(occurred))  # fmt: skip


def _when(prompt: str, now_s: float, begun_s: float | None) -> Generator[Ask, str, float]:
    """When it was so; asked again where that is long ago, as a time of day that is still to come is of yesterday, or
    lies before the run began. [s]"""
    note: tuple[str, ...] = ()
    while True:
        at = yield from asked(Ask(prompt, note=note), lambda text: _time(text, now_s))
        before = begun_s is not None and at < begun_s - 60
        if now_s - at < LONG_AGO_S and not before:
            return at
        told = _("That was {time}, {age} ago").format(time=local_text(at), age=age_text(now_s - at))
        told += ", " + _("before this run began") if before else ""
        if (yield from asked(Ask(told + ": " + _("is that meant? y/n:")), yes_or_no)):
            return at
        note = (_("nothing was kept"),)


def _written(text: str, occurred: float, now_s: float) -> float:
    at = _time(text, now_s) if text else occurred
    if at < occurred:
        raise Refused(_("the order is: it was so, it was written down, it is entered now"))
    return at


def _on_paper(seat: Seat, typed: str) -> tuple[Procedure | None, Sheet, str]:
    """The procedure a person names, with the sheet and the run where there is one."""
    look = seat.look()
    name, _space, site = typed.upper().partition(" ")
    run = look.period.runs.get(name) if name else seat.at_hand(look)
    if run:
        return run.procedure, run.sheet, run.id
    if not name:
        return None, Sheet(), ""
    entry = seat.library.get(name, language())
    if entry is None or entry.procedure is None:
        raise Refused(_("there is no {id}").format(id=name[:10]))
    return entry.procedure, seat.library.sheet(site_named(site, look.known)), ""


def _step_of(procedure: Procedure, text: str) -> Step:
    step = procedure.step(text)
    if step is None:
        raise Refused(_("there is no step {n}").format(n=text[:10]))
    return step


def _value(reading: Reading, known: Sequence[str], sheet: Sheet, text: str) -> tuple[str, str] | None:
    return readable(reading, known, sheet, text) if text else None


def _time(text: str, now_s: float) -> float:
    at = moment_typed(text, now_s)
    if at is None or not 0 <= at <= now_s:
        raise Refused(_("a time as 14:05, or 2026-11-23 14:05, that has been"))
    return at
