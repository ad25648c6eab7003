"""Where a procedure leads: which steps can be reached, and whether every way comes to an end.

A step leads to the next one, to where its GO TO send the reader, and back where a REPEAT says so. An end is the last
step (HAND BACK follows it) or a GO TO that leaves for another procedure.
"""

from __future__ import annotations

import re

from fallback_procedures.procedure import Procedure, Step

END = ""  # behind the last step, or in another procedure


def ways(procedure: Procedure) -> dict[str, set[str]]:
    """For each step the steps that can follow it; END where the procedure is left."""
    order = [step.number for step in procedure.steps]
    told: dict[str, set[str]] = {}
    for step, following in zip(procedure.steps, [*order[1:], END]):
        told[step.number] = {target.step if not target.document else END for target in step.targets if target.leave}
        if not always_leaves(step):
            told[step.number].add(following)
    return told


def always_leaves(step: Step) -> bool:
    """Whether the step is nothing but a GO TO, so that nobody comes to the one behind it from there."""
    return bool(re.match(r"GO TO ", step.text))


def never_reached(procedure: Procedure) -> list[str]:
    """The steps that no way from the first one leads to."""
    if not procedure.steps:
        return []
    told, seen, open_steps = ways(procedure), set(), [procedure.steps[0].number]
    while open_steps:
        number = open_steps.pop()
        if number not in seen:
            seen.add(number)
            open_steps += [one for one in told.get(number, ()) if one != END]
    return [step.number for step in procedure.steps if step.number not in seen]


def never_ending(procedure: Procedure) -> list[str]:
    """The steps from which no way leads to an end."""
    told = ways(procedure)
    ending = {END}
    while True:
        more = {number for number, following in told.items() if following & ending} - ending
        if not more:
            return [step.number for step in procedure.steps if step.number not in ending]
        ending |= more
