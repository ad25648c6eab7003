"""A procedure as plain lines of a given width, with what a run has filled in: the one renderer of console and screen.

Pure functions; a line never exceeds its width and says everything without colour.
"""

from __future__ import annotations

import re

from fallback_procedures.limits import limits_text, missing_safety
from fallback_procedures.own_files import OfSite
from fallback_procedures.procedure import Procedure, Reading, Repeat, Span, Step
from fallback_procedures.run import Due, Line, Run, Taken, word
from fallback_procedures.sheet import OTHER, Sheet, filled, span_s
from fallback_procedures.words import (
    _,
    age_text,
    clean,
    clock_text,
    event_text,
    number_shown,
    role_text,
    steps_text,
    wrapped,
)


def spoken(text: str, sheet: Sheet) -> str:
    """A sentence of a procedure with its site values, the fixed words of the format in the reader's language."""
    text = filled(text, sheet)
    for fixed, told in (
        ("GO TO step", _("GO TO step")),
        ("REFER TO step", _("REFER TO step")),
        ("GO TO", _("GO TO")),
        ("REFER TO", _("REFER TO")),
    ):
        text = text.replace(fixed, told)
    text = re.sub(r"\b(P-[0-9]{2}) step ([1-9][0-9]?[a-z]?)", lambda of: f"{of[1]} {steps_text(of[2], of[2])}", text)
    for fixed, told in (("IF", _("IF")), ("WHEN", _("WHEN")), ("WHILE", _("WHILE")), ("THEN", _("THEN"))):
        text = " ".join(told if part == fixed else part for part in text.split(" "))
    return text


def notice_word(kind: str) -> str:
    """DANGER, CAUTION or NOTE in the reader's language."""
    return {"DANGER": _("DANGER"), "CAUTION": _("CAUTION"), "NOTE": _("NOTE")}[kind]


def status_note(procedure: Procedure) -> str:
    """What a reader must know before trusting a text: DRAFT or who approved it; an unreviewed translation."""
    if procedure.approved:
        note = _("approved by {role} on {date}").format(
            role=role_text(procedure.approved_by), date=procedure.status.split()[-1]
        )
    else:
        note = _("DRAFT: a plant expert must approve it before use")
    if procedure.unreviewed_translation:
        note += "; " + _("translation not yet reviewed: drill only")
    if procedure.doubt:
        note += f" ({procedure.doubt})"
    return note


def doubt_text(own: OfSite) -> str:
    """Why a site's own file is not believed, or not as approved."""
    return _("NOT BELIEVED: {why}").format(why=own.doubt)


def beside(left: str, right: str, width: int) -> str:
    """Two texts on one line, the left one cut where they do not fit."""
    room = width - len(right) - 2
    return f"{left[:room]:<{room}}  {right}" if right and room > 10 else left[:width]


def head_lines(procedure: Procedure, sheet: Sheet, width: int, language: str) -> list[str]:
    """What stands above the steps: id, revision, state of approval, purpose, trigger, needs."""
    lines = wrapped(
        f"{procedure.id}  {procedure.title}   "
        + _("rev {rev} of {date}").format(rev=procedure.revision, date=procedure.effective),
        width,
    )
    lines += wrapped(status_note(procedure), width)
    if procedure.language != language:
        lines += wrapped(
            _("TRANSLATION MISSING: shown in {language}").format(language=procedure.language.upper()), width
        )
    if sheet.doubt:
        lines += wrapped(doubt_text(sheet), width)
    missing = missing_safety(procedure, sheet)
    if missing:
        lines += wrapped(_("SITE VALUE MISSING - DO NOT USE") + ": " + ", ".join(missing), width)
    for label, text in (
        (_("Purpose"), procedure.purpose),
        (_("When"), procedure.when),
        (_("Needs"), procedure.needs),
        (_("Hand back"), procedure.hand_back),
        (_("Forms"), ", ".join(procedure.forms)),
    ):
        if text:
            lines += wrapped(spoken(text, sheet), width, f"{label + ':':<12}", " " * 12)
    return lines


def document_lines(procedure: Procedure, sheet: Sheet, width: int, language: str, run: Run | None = None) -> list[str]:
    """A whole procedure or form to read; with a run, the time and role of each mark."""
    sheet = sheet.in_language(procedure.language)
    lines = [*head_lines(procedure, sheet, width, language), "-" * width]
    for step in procedure.steps:
        mark = marked(run, step.number) if run else "[ ]"
        lines += step_lines(step, sheet, width, mark, run, procedure.repeats)
        lines += mark_lines(run, step.number, width) if run else []
    for repeat in procedure.repeats:
        lines += repeat_lines(repeat, sheet, width)
    for told in deviations(run) if run else ():
        lines += wrapped(told, width, _("DEVIATION") + "  ", "    ")
    page = [filled(line, sheet) for line in procedure.page]
    return lines + [line[at : at + width] for line in page for at in range(0, max(len(line), 1), width)]


def repeat_lines(repeat: Repeat, sheet: Sheet, width: int) -> list[str]:
    """When which steps come again, under its word."""
    return wrapped(repeat_text(repeat, sheet), width, _("REPEAT") + "  ", "        ")


def repeat_text(repeat: Repeat, sheet: Sheet) -> str:
    """When which steps come again."""
    text = _("{steps} every {every} until {until}")
    if repeat.then:
        text = _("{steps} every {every} for {lasting}, then every {then} until {until}")
    return text.format(
        steps=steps_text(repeat.first, repeat.last),
        every=span_words(repeat.every, sheet),
        lasting=span_text(repeat.for_s),
        then=span_words(repeat.then, sheet) if repeat.then else "",
        until=spoken(repeat.until, sheet),
    )


def span_words(span: Span, sheet: Sheet) -> str:
    """A length of time at this site; a default and a missing one say what they are."""
    seconds = span_s(span, sheet)
    if seconds is None:
        return "____ (" + _("SITE VALUE MISSING") + f": {span.value})"
    own = not span.value or span.value in sheet.values
    return span_text(seconds) + ("" if own else " (" + _("DEFAULT, NOT YOUR SITE") + ")")


def span_text(seconds: int) -> str:
    """A length of time as procedures write it: "30 s", "15 min", "4 h"."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def hold_words(role: str, once: bool) -> str:
    """Who releases a HOLD, and whether once for the whole run."""
    return role_text(role) + (", " + _("once per run") if once else "")


def step_lines(
    step: Step, sheet: Sheet, width: int, mark: str, run: Run | None = None, repeats: tuple[Repeat, ...] = ()
) -> list[str]:
    """A step with its warnings above it, its readings under it, and the `repeats` (or those of the run) that begin."""
    lines: list[str] = []
    for repeat in run.procedure.repeats if run else repeats:
        lines += repeat_lines(repeat, sheet, width) if repeat.first == step.number else []
    for notice in step.notices:
        lines += wrapped(spoken(notice.text, sheet), width, f"{notice_word(notice.kind)}  ", "    ")
    for index, hold in enumerate(step.holds):
        freed = run is not None and run.released.count(step.number) > index
        state = _("released") if freed else _("needs {role}").format(role=hold_words(hold.role, hold.once))
        lines += wrapped(_("HOLD") + f" ({state}): {spoken(hold.text, sheet)}", width, "", "    ")
    label = f"{mark} {step.number:>3}  "
    critical = "(!) " if step.second_person else ""
    lines += wrapped(critical + spoken(step.text, sheet), width, label, " " * len(label))
    under = " " * len(label)
    for reading in step.readings:
        lines += reading_lines(reading, step.number, sheet, width, under, run)
    for label_text, text in (
        (_("Expect"), step.expect),
        (_("If not"), step.if_not),
        (_("If twice"), step.if_twice),
        (_("Second person"), step.second_person),
        (_("Timer"), span_words(step.timer, sheet) if step.timer else ""),
    ):
        if text:
            lines += wrapped(f"{label_text}: {spoken(text, sheet)}", width, under, under + "  ")
    return lines


def reading_lines(
    reading: Reading, step: str, sheet: Sheet, width: int, under: str, run: Run | None = None
) -> list[str]:
    """A reading with its value, else its blank, and its limits; one of a step before or a round before says so."""
    taken = newest(run, reading.name) if run else None
    value, before = f"________ {unit_text(reading.unit)}".rstrip(), ""
    if run and taken and taken.step == step and (taken.mark in run.fresh if run.cursor == step else step in run.marks):
        now = {one.asset: one for one in run.readings if one.name == reading.name and one.mark in run.fresh}
        value = "; ".join(map(value_text, now.values() if run.cursor == step else [taken]))
    elif taken:
        when = clock_text(taken.at)
        before = "   (" + _("before, at {time}: {value}").format(time=when, value=value_text(taken)) + ")"
    text = f"{reading.name}: {value}   {limits_text(reading, sheet)}".rstrip() + before
    return wrapped(text, width, under, under + "  ")


def unit_text(unit: str) -> str:
    """A unit as it stands behind a blank; none behind one for words."""
    return {"text": "", "yes/no": _("yes/no")}.get(unit, unit)


def newest(run: Run, name: str) -> Taken | None:
    """The newest reading of that name in a run."""
    return next((taken for taken in reversed(run.readings) if taken.name == name), None)


def value_text(taken: Taken) -> str:
    """A reading as it was taken, with the word on its limits, and where if that was said."""
    judged = {True: _("in limits"), False: _("OUT OF LIMITS"), None: ""}[taken.in_limits]
    answers = {"yes": _("yes"), "no": _("no")}
    if taken.unit in ("yes/no", "text", "HH:MM"):
        return answers.get(taken.value, taken.value) if taken.unit == "yes/no" else taken.value
    return f"{number_shown(taken.value)} {taken.unit} {judged}".rstrip() + at_asset(taken.asset)


def at_asset(asset: str) -> str:
    """Where a value was taken, behind it: " (P2)"; "" where nobody has said so."""
    name = _("another one") if asset == OTHER else clean(asset, 20)
    return f" ({name})" if asset else ""


def behind_text(run: Run) -> str:
    """How it stands behind the last step: all are marked, or which are not."""
    left = run.left()
    return _("not marked: {steps}").format(steps=" ".join(left)) if left else _("all steps marked")


def mark_of(run: Run, number: str) -> str:
    """[x] done, [>] out of limits and gone as the page says, [n] not applicable, [i] condition not met, [ ] open."""
    mark = run.marks.get(number)
    if mark and mark.goto:
        return "[>]"
    return {None: "[ ]", "done": "[x]", "not_met": "[i]"}.get(mark.kind if mark else None, "[n]")


def marked(run: Run, number: str) -> str:
    """The mark of a step, with > before the one at hand."""
    return (">" if number == run.cursor else " ") + mark_of(run, number)


def marked_by(run: Run, number: str) -> str:
    """Role and time of a mark; "" where there is none."""
    mark = run.marks.get(number)
    return f"{role_text(mark.role)}  {clock_text(mark.at)}" if mark else ""


def mark_lines(run: Run, number: str, width: int) -> list[str]:
    """Who marked a step and when, and the reason where one was given."""
    mark = run.marks.get(number)
    reason = f": {clean(mark.reason)}" if mark and mark.reason else ""
    reason = (
        ": " + _("out of limits, gone to step {n}").format(n=clean(mark.goto, 10)) if mark and mark.goto else reason
    )
    return wrapped(marked_by(run, number) + reason, width, "          ", "          ") if mark else []


def owed_lines(run: Run, width: int) -> list[str]:
    """The HOLDs that were passed by and still hold the step at hand."""
    lines: list[str] = []
    for number in run.owed:
        step = run.procedure.step(number)
        for hold in step.holds[run.released.count(number) :] if step else ():
            state = _("needs {role}").format(role=hold_words(hold.role, hold.once))
            of = _("of step {n}, passed by").format(n=number)
            lines += wrapped(_("HOLD") + f" {of} ({state}): {spoken(hold.text, run.sheet)}", width, "", "    ")
    return lines


def deviations(run: Run) -> list[str]:
    """What was done otherwise than the page says: passed by, or done all the same, each with role, time and reason."""
    told = []
    for line in run.detours:
        text = ", ".join(passed_text(Line(one)) for one in line["passed"] if isinstance(one, dict))
        told.append((line["n"], f"{text}: {role_text(word(line, 'role'))} {clock_text(line.get('at'))}: "
                     f"{clean(line.get('text', ''))}"))  # fmt: skip
    told += [(0, _("step {n} done").format(n=number) + f": {marked_by(run, number)}: {clean(mark.reason)}")
             for number, mark in run.marks.items() if mark.kind == "done" and mark.reason]  # fmt: skip
    return [text for _n, text in sorted(told)]


def passed_text(one: Line) -> str:
    """One thing that was passed by, as its entry names it."""
    words = {
        "hold": _("HOLD of step {n} passed by"),
        "second_person": _("step {n} not verified, passed by"),
        "out_of_limits": _("step {n} out of limits, passed by"),
        "timer": _("step {n} before its time, passed by"),
        "first_round": _("rounds from step {n} ended before the first was done"),
    }
    return words.get(word(one, "what"), "{n}").format(n=word(one, "step"))


def entry_text(line: Line) -> str:
    """What an entry that can be taken back has said."""
    step = word(line, "step")
    if line["kind"] == "done" and line.get("out_of_limits") is True:
        return _("step {n} out of limits, gone to step {goto}").format(n=step, goto=word(line, "goto"))
    if line["kind"] in ("reading", "paper"):
        kept = [word(line, key) for key in ("name", "value", "unit")]
        taken = Taken(kept[0], kept[1], kept[2], None, "", step, line.mark, word(line, "asset"))
        return clean(f"{taken.name} {value_text(taken)}" if taken.value else word(line, "text"))
    if line["kind"] in ("seen", "seen_over"):
        event = event_text(word(line, "event"))
        where = word(line, "site") or _("all stations")
        event += f" ({where})"
        return event if line["kind"] == "seen" else _("it is over: {event}").format(event=event)
    if line["kind"] == "declared":
        told = line.get("sites")
        sites = [clean(site, 40) for site in told] if isinstance(told, list) else []
        return _("CONTROL LOST at {sites}").format(sites=", ".join(sites) or _("all stations"))
    words = {
        "done": _("step {n} done"),
        "not_applicable": _("step {n} left out"),
        "not_met": _("step {n}, condition not met"),
        "verified": _("step {n} verified"),
        "released": _("step {n} released"),
        "goto": _("gone to step {n}"),
        "timer": _("timer of step {n}"),
        "round": _("round begun at step {n}"),
        "repeat_over": _("the end of a repeat"),
        "finished": _("the end of the run"),
        "stable": _("stable by hand"),
    }
    return words.get(line["kind"], "{n}").format(n=step)


def due_line(due: Due) -> str:
    """What falls due, and when."""
    return f"{due.text}{', ' if due.in_s is not None and due.in_s <= 0 else ' '}{due_words(due)}"


def due_words(due: Due) -> str:
    """When something falls due: in how long, since when it is late, or that no clock can tell."""
    if due.in_s is None:
        return _("time unknown, see the wrist watch")
    if due.in_s > 0:
        return _("in {age}").format(age=age_text(due.in_s))
    return _("LATE {age}").format(age=age_text(-due.in_s))
