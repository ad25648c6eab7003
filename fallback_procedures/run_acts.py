"""What a person says at a run: start, done, condition, left out, go to, repeat, timer, release, undo, end.

Each is a talk as in questions.py; what is kept is an entry of the desk.
"""

from __future__ import annotations

from collections.abc import Generator

from fallback_procedures.ahead import waits
from fallback_procedures.journal import Line
from fallback_procedures.judging import out_lines, ways_out
from fallback_procedures.limits import missing_safety
from fallback_procedures.open_period import Moved, Refused
from fallback_procedures.procedure import Step
from fallback_procedures.questions import (
    YES,
    Ask,
    Reply,
    Talk,
    asked,
    reason_asked,
    role_asked,
    role_named,
    sentence,
    yes_or_no,
)
from fallback_procedures.reading_acts import take_all
from fallback_procedures.run import elapsed, where_lost, word
from fallback_procedures.run_desk import STANDS_IN, taken_here
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import span_s
from fallback_procedures.triggers import ago, moment
from fallback_procedures.view import document_lines, entry_text, repeat_text, span_text, spoken
from fallback_procedures.words import _, language, role_text


def start(seat: Seat, _given: str) -> Reply:
    """Begin a run of the procedure that is read."""
    name, site = seat.opened or ("", "")
    entry = seat.library.get(name, language())
    if entry is None or entry.procedure is None or not entry.procedure.steps:
        raise Refused(_("this page has no steps: p prints it"))
    sheet = seat.library.sheet(site)
    seat.run_id = seat.desk.start(moment(), entry.procedure, sheet, site)
    seat.opened = None
    return "! " + _("SITE VALUE MISSING - DO NOT USE") if missing_safety(entry.procedure, sheet) else ""


def done(seat: Seat, given: str) -> Talk:
    """Mark the step at hand done; with an IF it is asked first whether it is so."""
    run = seat.run()
    if run.condition_open() and not run.waiting_for() and run.step:
        return (yield from _condition(seat, run.step, given))
    yield from _tick(seat, given)
    return ""


def _tick(seat: Seat, given: str, goto: str = "") -> Generator[Ask, str, None]:
    """Mark the step at hand done; with a reading out of limits, or a timer that has not run out, a reason is asked."""
    run = seat.desk.ready(seat.run_id)
    wait = waits(run, moment())
    lines, ways = (*out_lines(run), *([wait] if wait else [])), ways_out(run)
    if ways and not goto:
        goto, given = yield from _way_asked(ways, lines, given)
    elif lines:
        given = yield from reason_asked(_("Why is the step done all the same?"), lines, given)
    seat.desk.done(moment(), seat.run_id, given, goto)


def _way_asked(ways: list[str], note: tuple[str, ...], given: str) -> Generator[Ask, str, tuple[str, str]]:
    """Out of limits, and the page says where to go: there, or on to the next step with a reason."""
    prompt = _("Enter: GO TO step {n}, as the page says; x: back; a reason in words: done all the same:")
    if len(ways) > 1:
        prompt = _("Number: GO TO step {n}, as the page says; Enter: back; a reason in words: done all the same:")
    prompt = prompt.format(n=" / ".join(ways))

    def read(text: str) -> tuple[str, str]:
        if text.lower() == "x" or (not text and len(ways) > 1):
            return "", ""
        return (text or ways[0], "") if text in ("", *ways) else ("", sentence(text))

    try:
        if given:
            return read(given)
    except Refused:
        pass
    found = yield from asked(Ask(prompt, note=note), read, stays=True)
    if found == ("", ""):
        raise Refused(_("went back; this was not kept"))
    return found


def _condition(seat: Seat, step: Step, given: str) -> Talk:
    """A step with IF: where it is not so it is passed, where it is so all that it asks for is asked, one after the
    other, and it is marked; an action that is a GO TO is followed."""
    branch, goto, run = step.branch, gone_to(step), seat.run()
    condition = spoken(branch.condition if branch else "", run.sheet)
    then = _("y: GO TO step {n}").format(n=goto) if goto else _("y: do it, then it is marked")
    prompt = _("IF {condition}: is it so now? {then}; n: not met:").format(condition=condition, then=then)
    if not (yield from asked(Ask(prompt), yes_or_no)):
        return (yield from not_met(seat, ""))
    told = timer(seat, "") if run.timer_waits() else ""
    if run.open_readings():
        told = yield from take_all(seat, (told,) if told else ())
        if seat.run().open_readings() or seat.run().out_of_limits():
            return told
    elif told:
        return told
    if seat.run().needs_verifying():
        yield from verify(seat, "")
    yield from _tick(seat, given, goto)
    return _("Step {n} is marked. GO TO step {goto}.").format(n=step.number, goto=goto) if goto else told


def gone_to(step: Step) -> str:
    """The step that the action of a condition sends to, where it begins with a GO TO; else ""."""
    action = step.branch.action if step.branch else ""
    found = next((one.step for one in step.targets if one.leave and one.step), "")
    return found if found and action.startswith(f"GO TO step {found}") else ""


def not_applicable(seat: Seat, given: str) -> Talk:
    """Leave the step at hand out; asked once, because a word typed by mistake may begin with the letter of this key."""
    number = seat.run().cursor
    if not given and not (yield from asked(Ask(_("Leave step {n} out? y/n:").format(n=number)), yes_or_no)):
        raise Refused(_("nothing was done"))
    reason = yield from reason_asked(_("reason (roles, no names):"), given=given)
    seat.desk.not_applicable(moment(), seat.run_id, reason)
    return _("Step {n} is left out.").format(n=number)


def go_to(seat: Seat, given: str) -> Talk:
    """Go on at another step; ahead past what is open there a reason is asked."""

    def read(text: str) -> tuple[str, tuple[str, ...]]:
        open_ones = seat.desk.passed_by(moment(), seat.run_id, text.strip())
        return text.strip(), tuple(one.text for one in open_ones)

    number, open_ones = read(given) if given else (yield from asked(Ask(_("step:")), read))
    if number in ways_out(seat.run()):
        seat.desk.done(moment(), seat.run_id, goto=number)
        return ""
    why = ""
    if open_ones:
        prompt = _("The page does not send to step {n} from here. Why past this all the same?").format(n=number)
        why = yield from reason_asked(prompt, open_ones)
    seat.desk.go_to(moment(), seat.run_id, number, why)
    return ""


def again(seat: Seat, given: str) -> Talk:
    """Begin the next round of a REPEAT."""
    index = yield from _which_repeat(seat, given)
    seat.desk.again(moment(), seat.run_id, index)
    return ""


def until_met(seat: Seat, given: str) -> Talk:
    """What ends a REPEAT has come: asked once, and before its first round is done with a reason only."""
    index = yield from _which_repeat(seat, given)
    run = seat.run()
    text = repeat_text(run.procedure.repeats[index], run.sheet).rstrip(".")
    if not (yield from asked(Ask(_('Ends the rounds "{text}": is it so? y/n:').format(text=text)), yes_or_no)):
        raise Refused(_("nothing was done"))
    why = ""
    if not run.round_done(index):
        why = yield from reason_asked(_("No round of it is done yet. Why does it end all the same?"))
    seat.desk.until_met(moment(), seat.run_id, index, why)
    return _('Ended: "{text}". It falls due no more; u takes that back.').format(text=text)


def _which_repeat(seat: Seat, given: str) -> Generator[Ask, str, int]:
    repeats = seat.run().procedure.repeats

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() and len(text) < 3 else 1 if len(repeats) == 1 else 0
        if not 0 < number <= len(repeats):
            raise Refused(_("nothing is to be repeated here"))
        return number - 1

    if given or len(repeats) < 2:
        return read(given)
    return (yield from asked(Ask(_("which repeat (1 to {n})?").format(n=len(repeats))), read))


def timer(seat: Seat, _given: str) -> str:
    seat.desk.timer(moment(), seat.run_id)
    step, sheet = seat.run().step, seat.run().sheet
    length_s = span_s(step.timer, sheet) if step and step.timer else None
    return _("The timer runs: {time}.").format(time=span_text(length_s or 0))


def release(seat: Seat, _given: str) -> Talk:
    """The role that a HOLD names releases the step, or who stands in for it."""
    role = seat.run().waiting_for()
    if role is None:
        raise Refused(_("nothing is held here"))
    known = (role, STANDS_IN[role]) if role in STANDS_IN else (role,)
    who = yield from role_asked(_("Nobody else may: who has released this step now?"), known=known)
    seat.desk.release(moment(), seat.run_id, who)
    return ""


def verify(seat: Seat, given: str) -> Talk:
    """A second person, of any role, has verified the step at hand alone."""
    if not seat.run().needs_verifying():
        raise Refused(_("there is nothing to verify here"))
    role = role_named(given) if given else (yield from role_asked(_("Which second person has verified it alone?")))
    seat.desk.verify(moment(), seat.run_id, role)
    return _("Verified.")


def not_met(seat: Seat, _given: str) -> Talk:
    """The condition of the step at hand is not met; what was read there says otherwise, and is told before."""
    run = seat.run()
    here = taken_here(run)
    if here:
        prompt = _("Read at this step: {readings}. Is the condition not met all the same? y/n:").format(readings=here)
        if not (yield from asked(Ask(prompt), yes_or_no)):
            raise Refused(_("nothing was done"))
    seat.desk.not_met(moment(), seat.run_id, bool(here))
    return _("Step {n}: condition not met.").format(n=run.cursor)


def undo(seat: Seat, _given: str) -> Reply | Talk:
    here = seat.at_hand(seat.look())
    if here is None:
        return _undo_said(seat)
    last = seat.desk.newest(here.id)
    return _undo_foreign(seat, here.id, last) if last and last.mark in seat.foreign else _undo_of(seat, here.id)


def _undo_foreign(seat: Seat, run_id: str, last: Line) -> Talk:
    """What another person has entered in this run is told before it is taken back."""
    now, role = moment(), role_text(word(last, "role"))
    age = ago(elapsed(last, now.wall_s, now.up_s, now.boot_id))
    prompt = _("y takes back: {what}, said by {role} {age}:").format(what=entry_text(last), role=role, age=age)
    if (yield Ask(prompt)).lower() not in YES:
        raise Refused(_("nothing was done"))
    return _undo_of(seat, run_id)


def _undo_of(seat: Seat, run_id: str) -> str:
    gone = seat.desk.undo(moment(), run_id)["undoes_mark"]
    line = next(one for one in seat.look().period.entries if one.mark == gone)
    return _("Taken back by a new entry: {what}.").format(what=entry_text(line))


def _undo_said(seat: Seat) -> Talk:
    """What was said last of the whole period, by whoever said it: told before it is taken back."""
    look = seat.look()
    last = seat.desk.newest()
    if last is None:
        raise Refused(_("there is nothing to undo"))
    role, what = role_text(word(last, "role")), entry_text(last)
    if any(line.mark == last.mark for line in seat.unheard(look)):
        raise Moved(_("{role} has just said: {what}; nothing was taken back").format(role=role, what=what))
    if last["kind"] == "declared":
        return (yield from _undo_lost(seat, last))
    age = ago(elapsed(last, look.now.wall_s, look.now.up_s, look.now.boot_id))
    prompt = _("y takes back: {what}, said by {role} {age}:").format(what=what, role=role, age=age)
    if (yield Ask(prompt)).lower() not in YES:
        raise Refused(_("nothing was done"))
    now = seat.desk.newest()
    if now is None or now.mark != last.mark:
        raise Refused(_("nothing was done"))  # another terminal has said something since
    seat.desk.undo(moment())
    return _("Taken back by a new entry: {what}.").format(what=what)


def _undo_lost(seat: Seat, last: Line) -> Talk:
    """CONTROL LOST was declared for a site where it is not so: what is done by hand there is told first."""
    period = seat.look().period
    sites = [site for site, line in period.lost.items() if line.mark == last.mark]
    runs = [run.id for run in period.open_runs() if run.site in sites or "" in sites]
    where = ", ".join(site or _("all stations") for site in sites)
    prompt = _("y takes back that CONTROL LOST was declared for {where}; runs that go on there: {runs}:")
    if (yield Ask(prompt.format(where=where, runs=", ".join(runs) or _("none")))).lower() not in YES:
        raise Refused(_("nothing was done"))
    now = seat.desk.newest()
    if now is None or now.mark != last.mark:
        raise Refused(_("nothing was done"))  # another terminal has said something since
    seat.desk.undo(moment())
    period = seat.look().period
    left = where_lost(period) if period.declared else _("CONTROL LOST is not declared")
    return _("Taken back by a new entry.") + f" {left}"


def whole(seat: Seat, _given: str) -> Reply:
    run = seat.run()
    return document_lines(run.procedure, run.sheet, seat.width, language(), run)


def finish(seat: Seat, _given: str) -> Talk:
    """End the run at hand."""
    run = seat.run()
    left = run.left()
    prompt = _("Steps {steps} are not marked. y ends the run all the same:").format(steps=", ".join(left))
    if left and (yield Ask(prompt)).lower() not in YES:
        raise Refused(_("nothing was done"))
    seat.desk.finish(moment(), run.id)
    seat.run_id = ""
    return _("{run} has ended.").format(run=run.id)
