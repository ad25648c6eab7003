"""How a reading is asked for, doubted and taken."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from fallback_procedures.open_period import Refused
from fallback_procedures.procedure import Reading
from fallback_procedures.questions import YES, Ask, Reply, Talk, asked
from fallback_procedures.run import Run
from fallback_procedures.run_desk import checked
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import bounds, limits_text
from fallback_procedures.triggers import moment
from fallback_procedures.view import judged, unit_text
from fallback_procedures.words import _, decimal_of


def reading_prompt(run: Run) -> str:
    """The reading that is asked now, with its unit; "" where none is."""
    waiting = () if run.waiting_for() else run.open_readings()
    if not waiting:
        return ""
    timer = ", " + _("timer not started (t)") if run.timer_waits() else ""
    return asked_for(waiting[0]) + timer


def asked_for(reading: Reading) -> str:
    """The name of a reading with its unit: "wet well level [m]"."""
    unit = unit_text(reading.unit)
    return reading.name + (f" [{unit}]" if unit else "")


def take(seat: Seat, given: str) -> Reply | Talk:
    """Take a reading; without a value each open one is asked, as long as they lie within their limits."""
    run = seat.run()
    if run.waiting_for() or not (run.step and run.step.readings):
        raise Refused(_("this step has no reading, or is held"))
    return _take_given(seat, given) if given else take_all(seat)


def _take_given(seat: Seat, value: str) -> Talk:
    """A value for the reading that was asked on the screen."""
    run = seat.run()
    names = [one.name for one in run.step.readings] if run.step else []
    name = seat.asking if seat.asking in names else run.open_readings()[0].name if run.open_readings() else names[-1]
    doubt = _far_off(run, name, value)
    if doubt and (yield Ask(doubt)).lower() not in YES:
        raise Refused(_("nothing was kept"))
    return "  ".join(_taken(seat, value, name))


def _taken(seat: Seat, value: str, name: str) -> list[str]:
    taken = seat.desk.read(moment(), seat.run_id, value, name)
    return judged(taken, seat.run())


def _far_off(run: Run, name: str, value: str) -> str:
    """The question whether a value ten times outside its limits has this unit at all; "" for any other."""
    reading = next((one for one in run.step.readings if one.name == name), None) if run.step else None
    number = decimal_of(value)
    if reading is None or number is None or not number or not reading.limited:
        return ""
    band = bounds(reading, run.sheet)
    low, high = decimal_of(band.low or ""), decimal_of(band.high or "")
    if (high is None or high <= 0 or number < 10 * high) and (low is None or low <= 0 or 10 * number > low):
        return ""
    return _("{value} {unit}, and {limits}: really {unit}? y keeps it:").format(
        value=value, unit=reading.unit, limits=limits_text(reading, run.sheet))  # fmt: skip


def take_all(seat: Seat, told: tuple[str, ...] = ()) -> Generator[Ask, str, str]:
    """Each open reading of the step at hand; without one the last again."""
    step = seat.run().step
    while step is not None:
        waiting = seat.run().open_readings()
        told = tuple((yield from _take_one(seat, waiting[0] if waiting else step.readings[-1], told)))
        run = seat.run()
        if not run.open_readings() or run.readings[-1].in_limits is False:
            break
    return "  ".join(told)


def _take_one(seat: Seat, reading: Reading, note: tuple[str, ...]) -> Generator[Ask, str, list[str]]:
    while True:
        run = seat.run()
        ask = Ask(f"{reading_prompt(run) or asked_for(reading)}:", note=note)
        value = yield from asked(ask, partial(_readable, reading, run))
        doubt = _far_off(run, reading.name, value)
        if not doubt or (yield Ask(doubt)).lower() in YES:
            return _taken(seat, value, reading.name)
        note = (_("nothing was kept"),)


def _readable(reading: Reading, run: Run, text: str) -> str:
    checked(reading, text, run.sheet)
    return text
