"""The writing rules for procedures (after DOE-STD-1029-92 and PPA AP-907-005), as far as a text can show them.

The parser has refused what cannot be understood; here stands what could be misunderstood by a tired person. Rules
L04, L13, L17, L18 and L20 are kept by the page (paper.py, page.typ). H1 and H2 are of this house: nothing that moves
the plant is offered before CONTROL LOST, and nothing orders what hurts. TR: a translation says what the English says.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fallback_procedures.flow import never_ending, never_reached
from fallback_procedures.library import Entry, Library, dated, load, original_of, read_entry
from fallback_procedures.place import Place
from fallback_procedures.procedure import UNITS, Procedure, Step, Target
from fallback_procedures.sheet import labels
from fallback_procedures.sheet_lint import disagreements
from fallback_procedures.translation import differences
from fallback_procedures.words import clean, encodable, harmless
from fallback_procedures.writing import (
    AND,
    AT_A_NUMBER,
    BOTH,
    CALCULATING,
    CRITICAL,
    EITHER,
    HURTS,
    NEGATIVE,
    ONE_OF,
    OR,
    RECORDING,
    ROUNDS,
    SHORT,
    STEPS,
    VAGUE,
    VERBS,
    WITHIN,
)

STEP_LINES = 44  # a step with its warnings stands on one page
NUMBER = r"(?<![\w.,/-])\d+(?:[.,]\d+)?(?![\w])"


class Finding(NamedTuple):
    """A rule that a line breaks."""

    line: int
    rule: str
    text: str


class Known(NamedTuple):
    """What there is beside the text: the steps of each procedure by id (forms have none), labels of the plant."""

    steps: Mapping[str, frozenset[str]]
    labels: frozenset[str] = frozenset()


def known(library: Library) -> Known:
    """What the texts of a library may refer to."""
    steps: dict[str, frozenset[str]] = {}
    for (name, _language), entry in library.entries.items():
        mine = frozenset(step.number for step in entry.procedure.steps) if entry.procedure else frozenset()
        steps[name] = steps.get(name, frozenset()) | mine
    return Known(steps, frozenset(label for sheet in library.sheets.values() for label in labels(sheet)))


def findings(procedure: Procedure, there: Known | None = None) -> list[Finding]:
    """All rules this procedure breaks. Without `there` its links to others and its labels are not checked."""
    found = [one for step in procedure.steps for one in _step(step, procedure)]
    found += _whole(procedure)
    if there is not None:
        found += _links(procedure, there)
    return sorted(found)


def first_word(text: str) -> str:
    return re.sub(r"[^\w'-]", "", text.split(" ", 1)[0]).lower() if text else ""


def _step(step: Step, procedure: Procedure) -> Iterator[Finding]:
    language, line = procedure.language, step.line
    verbs = set(VERBS[language].split())
    action = step.branch.action if step.branch else step.text
    first = first_word(action)
    if first not in verbs and not action.startswith(("GO TO", "REFER TO")):
        yield Finding(line, "L01", f"{first!r} is no approved verb to begin a step with")
    more = [found.group(1).lower() for found in re.finditer(rf"\b(?:{AND[language]}) (\w+)", action)]
    if any(word in verbs for word in [*more, *map(first_word, re.split(r"[.;:] +", action)[1:])]):
        yield Finding(line, "L01", "one action per step")
    for notice in step.notices:
        if any(first_word(sentence) in verbs for sentence in re.split(r"[.!] +", notice.text)):
            yield Finding(notice.line, "L03", f"a {notice.kind} tells what is, it orders nothing")
    block = 3 + sum(1 + len(one.text) // 75 for one in step.notices) + 2 * len(step.readings) + len(step.text) // 55
    if block > STEP_LINES:
        yield Finding(line, "L04", "the step and its warnings do not fit on one page")
    if step.branch and re.search(rf"\b({NEGATIVE[language]})\b", step.branch.condition):
        yield Finding(line, "L05", "a condition says what is, without not")
    if step.branch and _has(OR, language, step.branch.condition) and _has(BOTH, language, step.branch.condition):
        yield Finding(line, "L05", "and and or do not stand in one condition; write two steps")
    if ONE_OF[language] in step.text.lower() and len(_substeps(step, procedure)) < 2:
        yield Finding(line, "L06", f"alternatives are steps {_main(step)}a, {_main(step)}b, each with its box")
    if re.search(EITHER[language], step.text, re.IGNORECASE):
        yield Finding(line, "L06", "each alternative is a step of its own (a, b), with its box")
    yield from _timed(step, procedure, action)
    yield from _readings(step, first, action, language)
    if first in CALCULATING and not step.second_person:
        yield Finding(line, "L12", "a calculation that doses or decides has a Second person:")
    at = procedure.steps.index(step)
    guarded = any(one.second_person or one.holds for one in procedure.steps[max(at - 2, 0) : at + 1])
    if re.search(CRITICAL[language], action, re.IGNORECASE) and not guarded:
        yield Finding(line, "L12", "what is put under voltage is verified by a Second person:, or behind a HOLD")
    for text in (step.text, step.expect, step.if_not, step.if_twice, step.second_person):
        yield from _words(line, text, language)
    if len(re.sub(r"\{[^}]*\}", "x", step.text).split()) > 20:
        yield Finding(line, "L19", "a step has 20 words at most")


def _timed(step: Step, procedure: Procedure, action: str) -> Iterator[Finding]:
    """L07: a step against the clock tells when the clock began, when it ends, and what to do if it was too late."""
    if not re.search(WITHIN[procedure.language] + r" (\d+|\{\w+\}) ?(s|min|h)?\b", action, re.IGNORECASE):
        return
    so_far = procedure.steps[: procedure.steps.index(step) + 1]
    if not any(reading.unit == "HH:MM" for one in so_far for reading in one.readings):
        yield Finding(step.line, "L07", "a step before it records the start: a Reading: in HH:MM")
    if not step.timer:
        yield Finding(step.line, "L07", "a step against the clock has a Timer:, whose line takes the latest time")
    if not step.if_not:
        yield Finding(step.line, "L07", "If not: says what to do when it is too late")


def _readings(step: Step, first: str, action: str, language: str) -> Iterator[Finding]:
    if first in RECORDING[language].split() and not step.readings and not re.search(r"\bF\d", action):
        yield Finding(step.line, "L09", "what is read or calculated is written down: a Reading: or a form")
    for reading in step.readings:
        if reading.has_band and not step.if_not:
            yield Finding(reading.line, "L10", "If not: says what to do outside the limits")
    for hold in step.holds:
        if len(hold.text.split()) < 3:
            yield Finding(hold.line, "L11", "a HOLD says what is released, and after what")


def _main(step: Step) -> str:
    return re.sub(r"[a-z]", "", step.number)


def _substeps(step: Step, procedure: Procedure) -> list[Step]:
    return [one for one in procedure.steps if _main(one) == _main(step) and one.number != _main(one)]


def _has(words: Mapping[str, str], language: str, text: str) -> bool:
    return bool(re.search(rf"\b{words[language]}\b", text, re.IGNORECASE))


def _words(line: int, text: str, language: str) -> Iterator[Finding]:
    vague = re.search(rf"(?<!\w)({VAGUE[language]})(?!\w)", text, re.IGNORECASE)
    if vague and "±" not in text:
        yield Finding(line, "L14", f"{vague.group(1)!r} says nothing exact")
    for number in _bare_numbers(text, language):
        yield Finding(line, "L14", f"{number} has no unit (or one that is not known here)")
    hurts = re.search(HURTS[language], text, re.IGNORECASE)
    if hurts:
        yield Finding(line, "H2", f"nothing orders this: {hurts.group(0)!r}")
    for word in re.findall(r"\b[A-ZÄÖÜ]{2,}\b", re.sub(r'\{[^}]*\}|"[^"]*"', "", text)):
        if word not in SHORT and word not in UNITS:
            yield Finding(line, "L19", f"{word} is no abbreviation of the list")


def _bare_numbers(text: str, language: str) -> Iterator[str]:
    """Numbers without a unit: each with decimals, and each whole one behind "to", "above" ... that counts nothing."""
    text = re.sub(r"\{[^}]*\}", "x", text)
    text = re.sub(rf"\b{STEPS[language]} \d+[a-z]?((,| \w+) \d+[a-z]?)*", "", text, flags=re.IGNORECASE)
    for found in re.finditer(NUMBER, text):
        behind = text[found.end() :].strip()
        unit = behind.split(" ")[0].rstrip(".,:;)")
        through = re.match(
            r"(to|and|or|à|et|ou|bis|und|oder|-|\.\.) \d", behind
        )  # "5 to 10 min": its unit stands later
        if unit in UNITS or through:
            continue
        before = text[: found.start()].split()
        counts = re.match(r"[^\W\d_]{2,}", behind)  # "2 pumps"; "to 38." and "above 3, then" count nothing
        if re.search("[.,]", found.group()) or (
            before and re.fullmatch(AT_A_NUMBER[language], before[-1].lower()) and not counts
        ):
            yield found.group()


def _whole(procedure: Procedure) -> Iterator[Finding]:
    for repeat in procedure.repeats:
        order = [step.number for step in procedure.steps]
        again = procedure.steps[order.index(repeat.first) : order.index(repeat.last) + 1]
        if len(repeat.until.split()) < 2:
            yield Finding(repeat.line, "L08", "until says what ends the repeats")
        recorded = any(step.readings or re.search(r"\bF\d", step.text) for step in again)
        if re.search(ROUNDS[procedure.language], repeat.until, re.IGNORECASE) and not recorded:
            yield Finding(repeat.line, "L08", "rounds that are counted are recorded: a Reading: or a form")
    for number, count in Counter(_main(step) for step in procedure.steps if step.number != _main(step)).items():
        if count > 7:
            line = next(step.line for step in procedure.steps if _main(step) == number)
            yield Finding(line, "L14", f"step {number} has {count} substeps; 7 are allowed")
    if procedure.kind == "form":
        return
    if procedure.moves_the_plant and any(one.condition not in ("control_lost", "seen") for one in procedure.applies):
        told = f"it takes the plant by hand ({procedure.by_hand!r}), so APPLIES may only say control_lost or seen"
        yield Finding(1, "H1", told)
    if procedure.id != "P-18" and not re.search(r"GO TO|\bP-18\b", procedure.hand_back):
        yield Finding(1, "L16", "HAND BACK says where to go on")
    for number in never_reached(procedure):
        yield Finding(_line(procedure, number), "L16", f"no way leads to step {number}")
    for number in never_ending(procedure):
        yield Finding(_line(procedure, number), "L16", f"from step {number} no way leads to the end: GO TO goes round")


def _line(procedure: Procedure, number: str) -> int:
    step = procedure.step(number)
    return step.line if step else 1


def _links(procedure: Procedure, there: Known) -> Iterator[Finding]:
    """L15: what is referred to exists, there too. L02: a label in quotes is one of the plant."""
    for target in targets(procedure):
        if target.document and target.document not in there.steps:
            yield Finding(target.line, "L15", f"{target.document} is referred to and is not in the library")
        elif target.document and target.step and target.step not in there.steps[target.document]:
            yield Finding(target.line, "L15", f"{target.document} has no step {target.step}")
    told = {line: text for line, text in texts(procedure)}
    for line, text in told.items():
        linked = {target.document for target in targets(procedure)}
        for name in sorted({*re.findall(r"\bP-\d{2}\b", text)} - linked - set(there.steps)):
            yield Finding(line, "L15", f"{name} is not in the library")
        for name in sorted({*re.findall(r"\bF\d{1,2}\b", text)} - set(procedure.forms)):
            yield Finding(line, "L15", f"{name} is used and does not stand under FORMS")
        for label in re.findall(r'"([^"]*)"?', text):
            if label not in there.labels:
                yield Finding(
                    line, "L02", f'no sheet names the label "{label}"; add it to the row labels, or quote it not'
                )
    for name in sorted({*procedure.forms} - set(there.steps)):
        yield Finding(1, "L15", f"{name} is referred to and is not in the library")


def targets(procedure: Procedure) -> list[Target]:
    """All GO TO and REFER TO of a procedure, wherever they stand."""
    return [*procedure.targets, *(target for step in procedure.steps for target in step.targets)]


def texts(procedure: Procedure) -> Iterator[tuple[int, str]]:
    """(line, text) of each step with all that belongs to it, and of the head and HAND BACK."""
    yield 1, f"{procedure.purpose} {procedure.when} {procedure.needs} {procedure.hand_back}"
    for step in procedure.steps:
        parts = [step.text, step.expect, step.if_not, step.if_twice, step.second_person]
        parts += [one.text for one in step.notices] + [one.text for one in step.holds]
        yield step.line, " ".join(parts)
    for repeat in procedure.repeats:
        yield repeat.line, repeat.until


def sentences(library: Library, entries: list[Entry]) -> list[str]:
    """Faults and findings of these files, one line each: file, line, rule, text."""
    there, told = known(library), []
    every = {**library.entries, **{(entry.id, entry.language): entry for entry in entries}}
    for entry in entries:
        told += [f"{entry.path}: line {fault.line}: {fault.text}" for fault in entry.faults]
        found = findings(entry.procedure, there) if entry.procedure else []
        original = original_of(every, entry.id)
        ours = original and original.origin == "site" and entry.origin == "shipped"  # then nobody can mend this one
        if entry.procedure and original and original.procedure and entry.procedure.is_translation and not ours:
            found += [Finding(line, "TR", text) for line, text in differences(entry.procedure, original.procedure)]
        told += [f"{entry.path}: line {one.line}: {one.rule}: {one.text}" for one in found]
    return told


def check(files: list[str], place: Place) -> int:
    """`--check`: 0 where nothing was found, 1 with one line per finding, 2 for a file that cannot be read."""
    from fallback_procedures.sets import masters

    library = load(place.manual)
    entries = list(library.entries.values())
    if files:
        entries = []
        for name in files:
            entry = read_entry(Path(name), "site")
            if entry is None:
                told = harmless(f"handwheel-manual: {name}: cannot be read; name a procedure file")
                sys.stderr.write(encodable(told, sys.stderr.encoding or "ascii") + "\n")
                return 2
            entries.append(dated(entry, library.newest))
    lines = sentences(library, entries)
    lines += [f"{one.path}: {one.procedure.doubt}" for one in entries
              if one.procedure and one.procedure.doubt and one.origin == "site"]  # fmt: skip
    if not files:
        lines += [*library.own_lines, *masters(place, library).lines]
        said = {clean(line, 300) for line in lines}  # as the notes are
        lines += [note for note in library.notes if note not in said]
        english = [entry.procedure for entry in entries if entry.language == "en" and entry.procedure]
        for sheet in library.sheets.values():
            lines += [f"sheet of {sheet.site}: line {one.line}: {one.text}" for one in disagreements(sheet, english)]
    for line in lines:
        sys.stdout.write(encodable(harmless(line), sys.stdout.encoding or "ascii") + "\n")
    if not lines:
        sys.stdout.write(f"{len(entries)} files checked, nothing found\n")
    return 1 if lines else 0
