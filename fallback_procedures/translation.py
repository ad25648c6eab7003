"""Whether a translation says the same as the English text: all that is not words must be the same in both.

Steps, readings, units, limits, releases, times, links and the numbers in a sentence are compared; the words wait for a
person who reads both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from fallback_procedures.procedure import TEXT_UNITS, UNITS, Procedure, Reading, Step, values_of

SAME_UNITS = {"%LEL": "%LEL", "%UEG": "%LEL", "%LIE": "%LEL", "Umdr.": "a count"}  # one unit in three languages


def differences(translated: Procedure, original: Procedure) -> Iterator[tuple[int, str]]:
    """(line of the translation, what differs there); nothing where both say the same."""
    there = {"en": "in English"}.get(original.language, f"in the text in {original.language}")
    for what in ("id", "kind", "revision", "effective", "forms", "review_by"):
        own, other = getattr(translated, what), getattr(original, what)
        if own != other:
            yield 1, f"{what.replace('_', ' ')} is {told(own)}, {there} {told(other)}"
    if [one.text for one in translated.applies] != [one.text for one in original.applies]:
        yield 1, f"APPLIES is another one than {there}"
    numbers, others = ([step.number for step in one.steps] for one in (translated, original))
    if numbers != others:
        yield 1, f"it has the steps {told(numbers)}, {there} {told(others)}"
        return
    for own_step, other_step in zip(translated.steps, original.steps):
        for what, own, other in zip(PARTS, shape(own_step), shape(other_step)):
            if own != other:
                own, other = apart(own, other) if what == "readings" else (own, other)
                yield own_step.line, f"step {own_step.number}: {what}: {told(own)}, {there} {told(other)}"
    repeats = [[(one.first, one.last, one.every, one.for_s, one.then) for one in text.repeats]
               for text in (translated, original)]  # fmt: skip
    if repeats[0] != repeats[1]:
        yield (translated.repeats[0].line if translated.repeats else 1), f"the repeats are others than {there}"
    for what in ("purpose", "when", "needs", "hand_back"):
        own, other = getattr(translated, what), getattr(original, what)
        if figures(own) != figures(other):
            yield 1, f"{what.replace('_', ' ').upper()}: {told(figures(own))}, {there} {told(figures(other))}"
    if translated.kind == "form" and values_of("\n".join(translated.page)) != values_of("\n".join(original.page)):
        yield 1, f"the page has other site values than {there}"


def apart(own: object, other: object) -> tuple[object, object]:
    """Of two lists as long as each other what differs; else all of both."""
    if not (isinstance(own, list) and isinstance(other, list) and len(own) == len(other)):
        return own, other
    rows = [(one, two) for one, two in zip(own, other) if one != two]
    return [one for one, _two in rows], [two for _one, two in rows]


PARTS = ("warnings", "releases", "readings", "parts", "condition", "links", "timer", "numbers")


def shape(step: Step) -> tuple[object, ...]:
    """All of a step that a translation may not change, in the order of PARTS."""
    texts = [step.text, step.expect, step.if_not, step.if_twice, step.second_person,
             *(one.text for one in step.notices), *(one.text for one in step.holds)]  # fmt: skip
    return (
        [one.kind for one in step.notices],
        [(one.role, one.once) for one in step.holds],
        [band(one) for one in step.readings],
        [bool(text) for text in texts[1:5]],
        step.branch.word if step.branch else "",
        [(one.leave, one.step, one.document) for one in step.targets],
        step.timer,
        figures(" ".join(texts)),
    )


def band(one: Reading) -> str:
    """The unit and the limits of a reading, as they stand in the text."""
    unit = SAME_UNITS.get(one.unit, one.unit if one.unit in (*UNITS, *TEXT_UNITS) else "a count")
    if (one.low.value or one.high.value) and unit != "a count":
        unit = one.unit  # the sheet gives its values in one unit for all languages
    ends = []
    for end in (one.low, one.high):
        default = "=" + end.default.split(" ")[0] if end.default else ""  # its unit is that of the reading
        ends.append(f"{{{end.value}{default}}}" if end.value else end.number or "-")
    return f"{unit} {'safety ' if one.safety else ''}limits {' to '.join(ends)}" if one.limited else unit


def figures(text: str) -> list[str]:
    """The numbers and the names of site values in a text, sorted; a decimal comma is a decimal point."""
    found = [f"{{{name}}}" for name in values_of(text)]
    found += [one.replace(",", ".") for one in re.findall(r"\d+(?:[.,]\d+)?", re.sub(r"\{[^}]*\}", "", text))]
    return sorted(Counter(found).elements())


def told(value: object) -> str:
    return ", ".join(str(one) for one in value) or "none" if isinstance(value, (list, tuple)) else str(value)
