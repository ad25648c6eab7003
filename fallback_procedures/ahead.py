"""What stands in the way of a person who goes on: what a step at hand still waits for, and what a way ahead passes by.

A page may send past a HOLD or a second person (GO TO); a person may with a reason only, and a HOLD that was passed so
holds each step behind it until it is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fallback_procedures.procedure import Step
from fallback_procedures.run import Run, elapsed
from fallback_procedures.sheet import span_s
from fallback_procedures.view import value_text
from fallback_procedures.words import _, age_text, role_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now


@dataclass(frozen=True)
class Passed:
    """What a way ahead leaves behind: hold, second_person, out_of_limits or timer, of a step, in words."""

    what: str
    step: str
    text: str


def passed(run: Run, number: str, now: Now) -> list[Passed]:
    """What a person who goes on at step `number` passes by; nothing on a way back, or where the page sends there."""
    found = []
    for step in () if sent_to(run, number) else steps_to(run, number):
        here = step.number == run.cursor
        if step.number in holds_passed(run, number):
            role = role_text(step.holds[0].role)
            text = _("HOLD of step {n}: {role} has not released it").format(n=step.number, role=role)
            found.append(Passed("hold", step.number, text))
        may_not_be_met = run.condition_open() if here else step.branch is not None and step.branch.word == "IF"
        verifies = run.needs_verifying() if here else bool(step.second_person) and step.number not in run.marks
        if verifies and not may_not_be_met:
            text = _("step {n}: no second person has verified it").format(n=step.number)
            found.append(Passed("second_person", step.number, text))
        if here:
            newest = {(one.name, one.asset): one for one in run.readings if one.mark in run.fresh}
            out = [one for one in newest.values() if one.in_limits is False]
            found += [Passed("out_of_limits", step.number, f"{one.name} {value_text(one)}") for one in out]
            wait = "" if run.waiting_for() else waits(run, now)
            found += [Passed("timer", step.number, wait)] if wait and step.number in run.timers else []
    return found


def steps_to(run: Run, number: str) -> list[Step]:
    """The steps from the one at hand up to the one before `number`; none where that does not lie ahead."""
    order = [step.number for step in run.procedure.steps]
    if run.cursor not in order or number not in order:
        return []
    return list(run.procedure.steps[order.index(run.cursor) : order.index(number)])


def sent_to(run: Run, number: str) -> bool:
    """Whether the page itself sends from the step at hand to that one; at a HOLD only what stands before the step."""
    step = run.step
    if step is None:
        return False
    before = {*(hold.line for hold in step.holds), *(notice.line for notice in step.notices)}
    targets = [one for one in step.targets if one.line in before] if run.waiting_for() else step.targets
    return any(one.leave and one.step == number for one in targets)


def holds_passed(run: Run, number: str) -> list[str]:
    """The steps whose HOLD nobody has released, on the way ahead to step `number` that the page does not name."""
    if sent_to(run, number):
        return []
    return [step.number for step in steps_to(run, number) if step.holds and step.number not in run.marks and (
            run.released.count(step.number) < len(step.holds) if step.number == run.cursor
            else not (all(hold.once for hold in step.holds) and step.number in run.released))]  # fmt: skip


def waits(run: Run, now: Now) -> str:
    """That the timer of the step at hand still runs, or was not started, and for how long; "" where nothing waits."""
    step = run.step
    length_s = span_s(step.timer, run.sheet) if step and step.timer else None
    if step is None or not length_s:
        return ""
    if step.number not in run.timers:
        return _("the timer of step {n} was not started: {time}").format(n=step.number, time=age_text(length_s))
    left_s = left(run, step.number, now)
    if left_s is None:
        return _("the timer of step {n}: time unknown, see the wrist watch").format(n=step.number)
    text = _("the timer of step {n} runs: {time} left").format(n=step.number, time=age_text(left_s))
    return text if left_s > 1 else ""  # who sees it end on the screen is not asked


def left(run: Run, number: str, now: Now) -> float | None:
    """How long the timer of a step still runs, 0 where it is out; None where no clock can tell. [s]"""
    step = run.procedure.step(number)
    length_s = span_s(step.timer, run.sheet) if step and step.timer else None
    since = elapsed(run.timers[number], now.wall_s, now.up_s, now.boot_id)
    return None if since is None else max((length_s or 0) - since, 0.0)
