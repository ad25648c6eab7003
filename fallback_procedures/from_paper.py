"""A line of a paper log, entered afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fallback_procedures.limits import asked_at
from fallback_procedures.open_period import Refused
from fallback_procedures.place import site_named
from fallback_procedures.procedure import Procedure, Reading, Step
from fallback_procedures.questions import Ask, Talk, asked
from fallback_procedures.reading_acts import asked_for, readable, with_asset
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import Sheet
from fallback_procedures.triggers import moment
from fallback_procedures.words import _, language, moment_typed


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
    now = moment()
    occurred = yield from asked(
        Ask(_("When was it so (14:05, or 2026-11-23 14:05)?")), lambda text: _time(text, now.wall_s)
    )
    recorded = yield from asked(
        Ask(_("When was it written down (Enter: at that time)?")),
        lambda text: _time(text, now.wall_s) if text else occurred,
    )
    for line in lines:
        seat.desk.transcribe(moment(), occurred, recorded, run_id=run_id, procedure=procedure, sheet=sheet,
                             step=step.number if step else "", **line)  # fmt: skip
    return _("Entered from paper: {n}. E for the next line.").format(n=len(lines))


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
    if at is None or at > now_s:
        raise Refused(_("a time as 14:05, or 2026-11-23 14:05, that has been"))
    return at
