"""Where a run stood, entry after entry, and what of its procedure it went past: HOLDs, second persons, rounds. Pure.

The fallback decides at which step a run stands (fallback_procedures/replay.py). This follows it as far as a debrief
needs it: a text that cannot be understood has no steps, and nothing is said of it.
"""

from collections.abc import Iterator, Sequence

from monitor.periods.journal import Line, elapsed_s
from monitor.periods.procedure import Repeat, Text

MARKS = ("done", "not_applicable", "not_met")
LATE_S, LATE_SHARE = 60.0, 0.25  # a round is late by more than both: a minute, and a quarter of its time
ROUNDS = 10_000  # that are counted as missing
Found = tuple[str, Line, str, str]  # kind of a deviation, the entry that tells of it, step, words


def steps_of(text: Text, lines: Sequence[Line]) -> Iterator[tuple[Line, str, str]]:
    """Each entry of a run with the step at which the run stood before it and after it; "" behind the last step."""
    order = list(text.steps)
    cursor, marked = order[0] if order else "", set[str]()
    for line in lines:
        before, number = cursor, line.text("step", 10)
        if line.kind in MARKS and number in text.steps:
            marked.add(number)
            goes = line.text("goto", 10)
            if goes in text.steps:
                cursor, marked = goes, marked - set(order[order.index(goes) :])
            else:
                cursor = next((one for one in order[order.index(number) + 1 :] if one not in marked), "")
        elif line.kind == "goto" and number in text.steps:
            cursor, marked = number, marked - set(order[order.index(number) :])
        elif line.kind == "round" and (steps := range_of(text, line.data.get("repeat"))):
            cursor, marked = steps[0], marked - set(steps)
        yield line, before, cursor


def range_of(text: Text, index: object) -> list[str]:
    """The steps of a repeat; none where there is no such repeat."""
    if type(index) is not int or not 0 <= index < len(text.repeats):
        return []
    order, repeat = list(text.steps), text.repeats[index]
    if repeat.first not in order or repeat.last not in order:
        return []
    return order[order.index(repeat.first) : order.index(repeat.last) + 1]


def of_holds(text: Text, lines: Sequence[Line]) -> Iterator[Found]:
    """Steps that were done at a HOLD, or behind one that a GO TO went past, before its role had released it.

    So for a step that a second person has to verify, unless the entry itself tells that it was gone past (with its
    reason that is a deviation of its own). A GO TO that the text of the step names goes past nothing.
    """
    order = list(text.steps)
    released, verified, marked = set[str](), set[str](), set[str]()
    passed: dict[tuple[str, str], None] = {}  # (kind, step) gone past, and no step done since
    for line, before, after in steps_of(text, lines):
        number = line.text("step", 10)
        if line.kind == "released":
            released.add(number)
            passed.pop(("hold_passed", number), None)
        elif line.kind == "verified":
            verified.add(number)
            passed.pop(("verifying_passed", number), None)
        elif line.kind == "goto" and before in order and after in order:
            at, to = order.index(before), order.index(after)
            if after not in text.goes.get(before, ()):
                left = [one for one in order[at:to] if one not in marked]
                passed |= {("hold_passed", one): None for one in left if one in text.holds and one not in released}
                passed |= {("verifying_passed", one): None for one in left
                           if one in text.verified and one not in verified and one not in _told(line)}  # fmt: skip
            passed = {one: None for one in passed if order.index(one[1]) < to}
            marked -= set(order[to:])
        elif line.kind in MARKS:
            marked.add(number)
            if line.kind == "done":
                if number in text.holds and number not in released:
                    yield "not_released", line, number, ""
                for kind, step in passed:
                    yield kind, line, number, step
                passed = {}
        elif line.kind == "round":
            marked -= set(range_of(text, line.data.get("repeat")))
        if line.kind in (*MARKS, "goto", "round"):
            verified.discard(after)
            if after in text.holds and not text.holds[after].once:
                released.discard(after)


def _told(line: Line) -> set[str]:
    """The steps of which an entry tells that it went past their second person."""
    rows = line.data.get("passed")
    return {str(one.get("step")) for one in (rows if isinstance(rows, list) else ())
            if isinstance(one, dict) and one.get("what") == "second_person"}  # fmt: skip


def of_rounds(text: Text, lines: Sequence[Line], end: Line) -> Iterator[Found]:
    """Rounds of a repeat that came late, and those that never came until the run or the period ended."""
    for index, repeat in enumerate(text.repeats):
        steps = range_of(text, index)
        first = last = None
        for line, _before, after in steps_of(text, lines):
            if line.kind in ("repeat_over", "finished") and (
                line.kind == "finished" or line.data.get("repeat") == index
            ):
                yield from _missed(repeat, first, last, line)
                last = None
            elif line.kind == "round" and line.data.get("repeat") == index:
                since_s, took_s = _since(first, last), _since(last, line)
                due_s = repeat.due_s(since_s or 0.0)
                if took_s is not None and due_s and took_s - due_s > _slack(due_s):
                    yield "late", line, repeat.first, f"{(took_s - due_s) / 60:.0f}"
                first, last = first or line, line
            elif (
                first is None and steps and (after in steps or (line.kind in MARKS and line.text("step", 10) in steps))
            ):
                first = last = line
        yield from _missed(repeat, first, last, end)


def _missed(repeat: Repeat, first: Line | None, last: Line | None, end: Line) -> Iterator[Found]:
    since_s, left_s = _since(first, last), _since(last, end)
    if since_s is None or left_s is None:
        return
    count, at_s = 0, since_s
    while (step_s := repeat.due_s(at_s)) and at_s + step_s + _slack(step_s) < since_s + left_s and count < ROUNDS:
        count, at_s = count + 1, at_s + step_s
    if count:
        yield "missed", end, repeat.first, str(count)


def _since(first: Line | None, last: Line | None) -> float | None:
    return elapsed_s(first, last) if first and last else None


def _slack(due_s: float) -> float:
    return max(LATE_S, LATE_SHARE * due_s)
