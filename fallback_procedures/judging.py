"""What a person is told of a reading just taken: in its limits, or by how much not and what is to be done then."""

from __future__ import annotations

import re
from decimal import Decimal

from fallback_procedures.limits import assets, band_text, bounds
from fallback_procedures.procedure import Step
from fallback_procedures.run import Run, Taken
from fallback_procedures.view import spoken, value_text
from fallback_procedures.words import _, decimal_of, number_shown

_GO_TO = re.compile(r"\bGO TO step ([1-9][0-9]?[a-z]?)(?![\w-])")


def judged(taken: Taken, run: Run) -> list[str]:
    """What to tell the person who has just taken a reading: in limits, or by how much not and what then."""
    step = run.procedure.step(taken.step)
    reading = next((one for one in step.readings if one.name == taken.name), None) if step else None
    if step is None or reading is None or taken.in_limits is None:
        return [value_text(taken)]
    band, value, guess = bounds(reading, run.sheet, taken.asset), decimal_of(taken.value), []
    if assets(reading, run.sheet) and not taken.asset:
        told = _("nobody has said which one: the tightest limit of all is taken, {limits}")
        guess = [told.format(limits=band_text(reading, band))]
    if taken.in_limits or value is None:
        return [value_text(taken), *guess]
    by = ""
    if band.high and value > Decimal(band.high):
        by = ": " + _("high by {by}").format(by=number_shown(str(value - Decimal(band.high)))) + f" {taken.unit}"
    elif band.low and value < Decimal(band.low):
        by = ": " + _("low by {by}").format(by=number_shown(str(Decimal(band.low) - value))) + f" {taken.unit}"
    elif value < 0:
        by = ": " + _("below zero, read it again")
    return [value_text(taken) + by, *guess, *_then(taken, step, run)]


def _then(taken: Taken, step: Step, run: Run) -> list[str]:
    """What is to be done after a reading out of limits, the first time and the second in a row."""
    lines = []
    twice = run.times_out(taken) >= 2
    if twice and step.if_twice:  # says all that is to be done now: no second order beside it
        return [_("If twice") + ": " + spoken(step.if_twice, run.sheet)]
    if twice:
        lines.append(_("OUT OF LIMITS TWICE: stop here and call the shift lead"))
    if step.if_not:
        lines.append(_("If not") + ": " + spoken(step.if_not, run.sheet))
    return lines


def ways_out(run: Run) -> list[str]:
    """The steps to which the page sends from the step at hand whose readings lie out of limits; each once."""
    step, out = run.step, run.out_of_limits()
    if step is None or not out or run.needs_verifying():
        return []
    told = [step.if_twice if step.if_twice and run.times_out(taken) >= 2 else step.if_not for taken in out]
    return list(dict.fromkeys(number for text in told for number in re.findall(_GO_TO, text)
                              if run.procedure.step(number)))  # fmt: skip


def out_lines(run: Run) -> list[str]:
    """What stands before the question why a step is done all the same: readings out of limits and the way out."""
    lines = [line for taken in run.out_of_limits() for line in judged(taken, run)]
    return list(dict.fromkeys(lines))
