"""How a reading is asked for, doubted and taken."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

from fallback_procedures.ahead import waits
from fallback_procedures.judging import judged
from fallback_procedures.limits import asked_at, band_text, bounds, limits_word
from fallback_procedures.open_period import Refused
from fallback_procedures.procedure import TEXT_UNITS, Reading
from fallback_procedures.questions import YES, Ask, Reply, Talk, asked
from fallback_procedures.run import Run
from fallback_procedures.run_desk import asset_named, below_zero, checked
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import Sheet, others
from fallback_procedures.triggers import moment
from fallback_procedures.view import unit_text
from fallback_procedures.words import _, decimal_of


def reading_prompt(run: Run) -> str:
    """The reading that is asked now, with its unit; "" where none is."""
    waiting = () if run.waiting_for() else run.open_readings()
    if not waiting:
        return ""
    wait = _("timer not started (t)") if run.timer_waits() else waits(run, moment())
    return asked_for(waiting[0]) + (f", {wait}" if wait else "")


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


def _take_given(seat: Seat, typed: str) -> Talk:
    """A value for the reading that was asked on the screen."""
    run = seat.run()
    asked_last = [one for one in (run.step.readings if run.step else ()) if one.name == seat.asking]
    waiting = asked_last or run.open_readings()
    reading = waiting[0] if waiting else (yield from _again(run))
    known = _known(run, reading)
    value, asset = yield from with_asset(known, run.sheet, *readable(reading, known, run.sheet, typed))
    doubt = _far_off(run, reading, value, asset)
    if doubt and (yield Ask(doubt)).lower() not in YES:
        raise Refused(_("nothing was kept"))
    return "  ".join(_taken(seat, value, reading, asset))


def _known(run: Run, reading: Reading) -> tuple[str, ...]:
    return asked_at(run.procedure.id, run.step, reading, run.sheet) if run.step else ()


def _taken(seat: Seat, value: str, reading: Reading, asset: str) -> list[str]:
    taken = seat.desk.read(moment(), seat.run_id, value, reading.name, asset)
    return judged(taken, seat.run())


def readable(reading: Reading, known: Sequence[str], sheet: Sheet, typed: str) -> tuple[str, str]:
    """A value and where it was taken, as "21.5 @P2" says both; Refused where either is none. Words are never parted."""
    value, _at, asset = (typed, "", "") if reading.unit in TEXT_UNITS else typed.partition("@")
    checked(reading, value, sheet)
    return value.strip(), asset_named(asset, known, sheet) if asset.strip() else ""


def with_asset(known: Sequence[str], sheet: Sheet, value: str, asset: str) -> Generator[Ask, str, tuple[str, str]]:
    """A value with the asset it is of, which is asked for where the sheet knows several; "" where nobody can say."""
    if asset or not known:
        return value, asset
    told = [f"{number}={name}" for number, name in enumerate(known, 1)]
    told += ["0=" + _("another one")] if others(known, sheet) else []
    prompt = _("Which one ({assets})? Enter alone: cannot be said, the tightest limit holds:")
    ask = Ask(prompt.format(assets=" ".join(told)))
    return value, (yield from asked(ask, lambda text: asset_named(text, known, sheet) if text else ""))


def _far_off(run: Run, reading: Reading, value: str, asset: str) -> str:
    """The question whether a value is meant that lies ten times outside its limits, or below a zero under which
    nothing is; "" for any other."""
    number = decimal_of(value)
    if number is None or not number:
        return ""
    if below_zero(reading, number, run.sheet, asset):
        return _("{value} {unit} is below zero: really? y keeps it:").format(value=value, unit=reading.unit)
    if not reading.limited:
        return ""
    band = bounds(reading, run.sheet, asset)
    low, high = decimal_of(band.low or ""), decimal_of(band.high or "")
    if (high is None or high <= 0 or number < 10 * high) and (low is None or low <= 0 or 10 * number > low):
        return ""
    return _("{value} {unit}, and {limits}: really {unit}? y keeps it:").format(
        value=value, unit=reading.unit, limits=f"{limits_word(reading)} {band_text(reading, band)}")  # fmt: skip


def take_all(seat: Seat, told: tuple[str, ...] = ()) -> Generator[Ask, str, str]:
    """Each open reading of the step at hand; without one a reading again."""
    step = seat.run().step
    while step is not None:
        run = seat.run()
        waiting = run.open_readings()
        reading = waiting[0] if waiting else (yield from _again(run))
        told = tuple((yield from _take_one(seat, reading, told)))
        run = seat.run()
        if not run.open_readings() or run.readings[-1].in_limits is False:
            break
    return "  ".join(told)


def _again(run: Run) -> Generator[Ask, str, Reading]:
    """Which reading of the step at hand is taken again: the last, or asked where one is of several assets."""
    readings = run.step.readings if run.step else ()
    if len(readings) < 2 or not any(_known(run, one) for one in readings):
        return readings[-1]

    def read(text: str) -> Reading:
        if not (text.isdecimal() and 0 < int(text) <= len(readings)):
            raise Refused(_("a number from 1 to {n}").format(n=len(readings)))
        return readings[int(text) - 1]

    told = " ".join(f"{number}={one.name}" for number, one in enumerate(readings, 1))
    return (yield from asked(Ask(_("Which reading again ({readings})?").format(readings=told)), read))


def _take_one(seat: Seat, reading: Reading, note: tuple[str, ...]) -> Generator[Ask, str, list[str]]:
    while True:
        run = seat.run()
        ask = Ask(f"{reading_prompt(run) or asked_for(reading)}:", note=note)
        known = _known(run, reading)
        typed = yield from asked(ask, partial(readable, reading, known, run.sheet))
        value, asset = yield from with_asset(known, run.sheet, *typed)
        doubt = _far_off(run, reading, value, asset)
        if not doubt or (yield Ask(doubt)).lower() in YES:
            return _taken(seat, value, reading, asset)
        note = (_("nothing was kept"),)
