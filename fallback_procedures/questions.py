"""What an act asks before it is done: the same questions in the same order on console and screen.

An act answers at once or talks first: it is a generator that yields questions, is sent the answers and returns what is
said at its end. Whoever goes back closes it, and what was not kept until then is not kept: no front end can hold half
an answer. A refusal is raised (Refused) and ends it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, TypeVar, Union

from fallback_procedures.board import all_lines, run_place, table
from fallback_procedures.desk import STANDS_IN, Desk, Moved, Refused, checked, moved
from fallback_procedures.library import Library, load
from fallback_procedures.place import Look, Place, look, site_named, sites_to_ask
from fallback_procedures.procedure import Reading, Step
from fallback_procedures.run import Line, Run, where_lost
from fallback_procedures.sheet import bounds, limits_text, missing_safety, span_s
from fallback_procedures.triggers import last_known, moment
from fallback_procedures.view import document_lines, entry_text, judged, out_lines, span_text, spoken, unit_text
from fallback_procedures.words import LANGUAGES, ROLES, _, clean, decimal_of, language, role_text, use_language

T = TypeVar("T")
YES = ("y", "j", "o", "yes", "ja", "oui")
NO = ("n", "no", "nein", "non")


@dataclass(frozen=True)
class Ask:
    """One question. `page` is what a person reads before it, `note` what stands right above it.

    `anew` gives the page as it is now, where it may change while the question stands.
    """

    prompt: str
    page: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    anew: Callable[[], tuple[str, ...]] | None = None


Reply = Union[str, list]  # one sentence, or a page of lines to read
Talk = Generator[Ask, str, Reply]


@dataclass
class Seat:
    """One person at work: texts, journal, and what is at hand: a run, an opened procedure, else the list."""

    place: Place
    library: Library
    desk: Desk
    width: int = 79
    run_id: str = ""
    opened: tuple[str, str] | None = None  # a procedure that is read, with its site
    chosen: list[tuple[str, str]] = field(default_factory=list)  # what the numbers in the list mean
    asking: str = ""  # the reading that was asked on the screen
    left: bool = False

    def look(self) -> Look:
        return look(self.place, self.library, self.desk, language())

    def run(self) -> Run:
        """The run at hand; Refused where there is none."""
        run = self.at_hand(self.look())
        if run is None:
            raise Refused(_("this run is not open"))
        return run

    def show(self, seen: Look) -> None:
        """What this person sees now: their next act is meant for that step and that reading."""
        run = self.at_hand(seen)
        self.desk.shown = run.stand if run else None
        self.asking = run.open_readings()[0].name if run and run.open_readings() else ""

    def news(self, seen: Look) -> str:
        """What somebody else has done to the run at hand since this person saw it."""
        run = seen.period.runs.get(self.run_id)
        return moved(self.desk.shown, run) if run else ""

    def resume(self) -> str:
        """Go on with the run that was worked at last, and say so; "" where none is open."""
        runs = self.look().period.open_runs()
        if not runs:
            return ""
        last = max(runs, key=lambda run: run.last_n)
        self.run_id = last.id
        told = _("Resumed: {runs}").format(runs=", ".join(run.id for run in runs))
        return told if len(runs) == 1 else told + "; " + now_at(last)

    def at_hand(self, seen: Look) -> Run | None:
        run = seen.period.runs.get(self.run_id)
        return None if run is None or run.finished else run


def asked(ask: Ask, read: Callable[[str], T]) -> Generator[Ask, str, T]:
    """Ask until the answer can be read; an empty one that cannot be read ends the act."""
    note = ask.note
    while True:
        text = yield Ask(ask.prompt, ask.page, note, ask.anew)
        try:
            return read(text)
        except Moved:
            raise
        except Refused as fault:
            if not text:
                raise
            note = (f"! {fault}",)


def now_at(run: Run) -> str:
    """Which run is at hand now: "now P-05-1 H 2/7"."""
    return _("now {run}").format(run=run_place(run))


def yes_or_no(text: str) -> bool:
    """An answer that is either."""
    if text.lower() not in (*YES, *NO):
        raise Refused(_("answer y or n"))
    return text.lower() in YES


def roles_told(known: tuple[str, ...] = ROLES) -> str:
    """The roles with their numbers: "1=operator 2=shift lead"."""
    return " ".join(f"{index}={role_text(role)}" for index, role in enumerate(known, 1))


def role_named(text: str, known: tuple[str, ...] = ROLES) -> str:
    """A role by its number, its name, or as a person says it."""
    if text.isdigit() and 0 < int(text) <= len(known):
        return known[int(text) - 1]
    for role in known:
        if text.casefold() in (role, role_text(role).casefold()):
            return role
    raise Refused(_("nothing was done: a role is needed"))


def role_asked(question: str, page: tuple[str, ...] = (), known: tuple[str, ...] = ROLES) -> Generator[Ask, str, str]:
    """A role, asked until it is one."""
    prompt = f"{question} {roles_told(known)}:"
    return (yield from asked(Ask(prompt, page), lambda text: role_named(text, known)))


def word_asked(prompt: str, word: str, otherwise: str, page: tuple[str, ...] = ()) -> Generator[Ask, str, None]:
    """A word that nobody types by accident, asked until it is right; Enter alone ends the act with `otherwise`."""

    def read(text: str) -> None:
        if text != word:
            raise Refused(_("not {word}; Enter alone goes back").format(word=word) if text else otherwise)

    yield from asked(Ask(prompt, page), read)


# -- reading ---


def choose(seat: Seat, number: int) -> Reply | Talk:
    """What a number in the list means: a run, or a procedure that applies."""
    if not 0 < number <= len(seat.chosen):
        raise Refused(_("there is no {id}").format(id=number))
    first, second = seat.chosen[number - 1]
    if first == "run":
        seat.run_id, seat.opened = second, None
        return now_at(seat.run())
    return open_one(seat, first, second)


def open_one(seat: Seat, name: str, site: str = "") -> Reply | Talk:
    """Read a procedure or form; one with faults is shown as it is."""
    entry = seat.library.get(name, language())
    if entry is None:
        raise Refused(_("there is no {id}").format(id=clean(name, 10)))
    if entry.procedure is None:
        faults = ["! " + _("line {n}: {text}").format(n=fault.line, text=fault.text) for fault in entry.faults[:5]]
        text = [clean(line, seat.width) for line in entry.text.splitlines()[:300]]
        return [_("This file has faults and cannot be run; it is shown as it is:"), *faults, *text]
    known = seat.look().known
    sites = sites_to_ask(seat.library, known, name)
    if not site and len(sites) > 1:
        return _open_at(seat, name, sites)
    seat.opened = (name, site_named(site or sites[0], known))
    return ""


def _open_at(seat: Seat, name: str, sites: list[str]) -> Talk:
    prompt = _("Which site ({sites})?").format(sites=" ".join(sites))
    site = yield from asked(Ask(prompt), lambda text: site_named(text, seat.look().known))
    seat.opened = (name, site)
    return ""


def opened_lines(seat: Seat) -> list[str]:
    """The procedure that is read."""
    name, site = seat.opened or ("", "")
    entry = seat.library.get(name, language())
    if entry is None or entry.procedure is None:
        return []
    return document_lines(entry.procedure, seat.library.sheet(site), seat.width, language())


def open_typed(seat: Seat, given: str) -> Talk:
    """All procedures and forms, and the one that a person names: by its id, its number in the list, or by the code on
    a sheet in the hand, of which it is said whether it is current."""

    def read(text: str) -> Reply | Talk:
        name, _space, site = text.partition(" ")
        if name.upper().startswith("HW:"):
            return sheet_in_hand(seat, name)
        if name.isdigit() and not site and len(name) < 5:
            return choose(seat, int(name))
        return open_one(seat, name.upper(), site.strip()) if name else ""

    ask = Ask(_("id to open:"), tuple(all_lines(seat.library, seat.width)))
    opened = read(given) if given else (yield from asked(ask, read))
    return (yield from opened) if isinstance(opened, Generator) else opened


def sheet_in_hand(seat: Seat, code: str) -> Reply:
    """Whether the sheet with this code is the current one; letters may be typed as they come."""
    from fallback_procedures.shelf import identify

    parts = code.split(":")
    if len(parts) > 2 and parts[1].upper() not in ("BINDER", "GAPS"):
        code = ":".join(["HW", parts[1].upper(), *(part.lower() for part in parts[2:])])
    word, said = identify(seat.place, load(seat.place.manual), code)
    if word == "no code":
        raise Refused(said)
    return [said]


def last_values(seat: Seat, _given: str) -> Reply:
    seen = seat.look()
    rows = last_known(seat.place.manual, seen.status, seen.now)
    return [_("LAST KNOWN VALUES - not live"), seen.known.text, *(table(rows, (30, 16, 12, 24)) or [_("none")])]


def binder_state(seat: Seat, _given: str) -> Reply:
    from fallback_procedures.shelf import status, status_lines

    whole = load(seat.place.manual)  # what is on the shelf is on it in every language
    return status_lines(seat.place, status(seat.place, whole, moment().wall_s))


def print_opened(seat: Seat, _given: str) -> Reply:
    """Print what is read, or the procedure of the run at hand."""
    from fallback_procedures.binder import Unprintable
    from fallback_procedures.copies import Wanted, print_one

    how = Wanted(drill=seat.desk.drill)
    name, site = seat.opened or (seat.run().procedure.id, seat.run().site)
    try:
        return "  ".join(print_one(seat.place, seat.library, name, site, language(), how).lines)
    except Unprintable as fault:
        raise Refused(str(fault)) from fault


def next_role(seat: Seat, given: str) -> Talk:
    """Who sits here."""
    seat.desk.role = role_named(given) if given else (yield from role_asked(_("Who are you?")))
    return _("you: {role}").format(role=role_text(seat.desk.role))


def next_language(seat: Seat, given: str) -> Reply:
    """The next language, or the one named; a run goes on in the language it was begun in."""
    wanted = given.lower() if given else LANGUAGES[(LANGUAGES.index(language()) + 1) % len(LANGUAGES)]
    if wanted not in LANGUAGES:
        raise Refused(_("languages are {languages}").format(languages=" ".join(LANGUAGES)))
    seat.library = load(seat.place.manual, (use_language(wanted),))
    return _("English. A run that has begun stays in its language.")


# -- a run ---


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


def to_list(seat: Seat, _given: str) -> Reply:
    seat.run_id, seat.opened = "", None
    return ""


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
    return _take_given(seat, given) if given else _take_all(seat)


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


def _take_all(seat: Seat, told: tuple[str, ...] = ()) -> Generator[Ask, str, str]:
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


def done(seat: Seat, given: str) -> Talk:
    """Mark the step at hand done; with an IF it is asked first whether it is so."""
    run = seat.run()
    if run.condition_open() and not run.waiting_for() and run.step:
        return (yield from _condition(seat, run.step, given))
    yield from _tick(seat, given)
    return ""


def _tick(seat: Seat, given: str, goto: str = "") -> Generator[Ask, str, None]:
    """Mark the step at hand done; with a reading out of limits a reason is asked."""
    lines = out_lines(seat.desk.ready(seat.run_id))
    if lines and not given:
        given = yield Ask(_("Why is the step done all the same?"), note=tuple(lines))
    seat.desk.done(moment(), seat.run_id, given, goto)


def _condition(seat: Seat, step: Step, given: str) -> Talk:
    """A step with IF: where it is not so it is passed, where it is so all that it asks for is asked, one after the
    other, and it is marked; an action that is a GO TO is followed."""
    branch, goto, run = step.branch, gone_to(step), seat.run()
    condition = spoken(branch.condition if branch else "", run.sheet)
    then = _("y: GO TO step {n}").format(n=goto) if goto else _("y: do it, then it is marked")
    prompt = _("IF {condition}: is it so now? {then}; n: not met:").format(condition=condition, then=then)
    if not (yield from asked(Ask(prompt), yes_or_no)):
        seat.desk.not_met(moment(), seat.run_id)
        return _("Step {n}: condition not met.").format(n=step.number)
    told = timer(seat, "") if run.timer_waits() else ""
    if run.open_readings():
        told = yield from _take_all(seat, (told,) if told else ())
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
    reason = given or (yield Ask(_("reason (roles, no names):")))
    seat.desk.not_applicable(moment(), seat.run_id, reason)
    return _("Step {n} is left out.").format(n=number)


def go_to(seat: Seat, given: str) -> Talk:
    def go(number: str) -> None:
        seat.desk.go_to(moment(), seat.run_id, number.strip())

    if given:
        go(given)
    else:
        yield from asked(Ask(_("step:")), go)
    return ""


def again(seat: Seat, given: str) -> Talk:
    """Begin the next round of a REPEAT."""
    index = yield from _which_repeat(seat, given)
    seat.desk.again(moment(), seat.run_id, index)
    return ""


def until_met(seat: Seat, given: str) -> Talk:
    """What ends a REPEAT has come."""
    index = yield from _which_repeat(seat, given)
    until = spoken(seat.run().procedure.repeats[index].until, seat.run().sheet)
    seat.desk.until_met(moment(), seat.run_id, index)
    return _("It has come: {until}. That repeat falls due no more.").format(until=until)


def _which_repeat(seat: Seat, given: str) -> Generator[Ask, str, int]:
    repeats = seat.run().procedure.repeats

    def read(text: str) -> int:
        number = int(text) if text.isdigit() and len(text) < 3 else 1 if len(repeats) == 1 else 0
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


def not_met(seat: Seat, _given: str) -> Reply:
    seat.desk.not_met(moment(), seat.run_id)
    return ""


def undo(seat: Seat, _given: str) -> Reply | Talk:
    here = seat.at_hand(seat.look())
    last = seat.desk.newest(here.id if here else "")
    if last and last["kind"] == "declared":
        return _undo_lost(seat, last)
    gone = seat.desk.undo(moment(), here.id if here else "")["undoes"]
    line = next(one for one in seat.look().period.entries if one["n"] == gone)
    return _("Taken back by a new entry: {what}.").format(what=entry_text(line))


def _undo_lost(seat: Seat, last: Line) -> Talk:
    """CONTROL LOST was declared for a site where it is not so: what is done by hand there is told first."""
    period = seat.look().period
    sites = [site for site, line in period.lost.items() if line["n"] == last["n"]]
    runs = [run.id for run in period.open_runs() if run.site in sites or "" in sites]
    where = ", ".join(site or _("all stations") for site in sites)
    prompt = _("y takes back that CONTROL LOST was declared for {where}; runs that go on there: {runs}:")
    if (yield Ask(prompt.format(where=where, runs=", ".join(runs) or _("none")))).lower() not in YES:
        raise Refused(_("nothing was done"))
    now = seat.desk.newest()
    if now is None or now["n"] != last["n"]:
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
