"""Which key does what: one table for console and screen. The keys are the same in all languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Union

from fallback_procedures import from_paper, page_acts, period_acts, reading_acts, run_acts, seen_acts
from fallback_procedures.place import Look
from fallback_procedures.questions import Reply, Talk
from fallback_procedures.run import Run
from fallback_procedures.seat import Seat
from fallback_procedures.words import LANGUAGES, _

Act = Callable[[Seat, str], Union[Reply, Talk]]


@dataclass(frozen=True)
class Key:
    """A letter, its word in the line of keys, what it does, and whether it does something now.

    `takes`: on the console a text may stand behind the letter ("n sheet is wet").
    """

    letter: str
    word: str
    help: str
    act: Act
    now: bool = True
    takes: bool = False


def keys(seat: Seat, seen: Look) -> list[Key]:
    """The keys where the person is now; those that do something are told (`now`)."""
    run = seat.at_hand(seen)
    if seat.opened or run:
        here = page_keys(seat) if seat.opened else run_keys(run)
        back = Key("q", "", "", page_acts.to_list)  # who wants to leave the program leaves the page first
        return [*here, *(_quiet(key) for key in [*everywhere(seat, seen), back])]
    return [*everywhere(seat, seen), *list_keys(seat, seen)]


def find(known: list[Key], letter: str) -> Key | None:
    """The key of that letter; where capital and small letter mean the same, either."""
    for wanted in (letter, letter.lower(), letter.upper()):
        for key in known:
            if key.letter == wanted:
                return key
    return None


def key_line(known: list[Key], digits: str) -> str:
    """The keys that do something now, parted by two spaces. `digits`: what a number does, "" for nothing."""
    told = [f"{key.letter} {key.word}" for key in known if key.now]
    return "  ".join([*([digits] if digits else []), *told, "? " + _("help")])


def help_lines(run: Run | None = None) -> list[str]:
    """What to do without this program, and what each key does: those of a run first where one is at hand."""
    groups = [
        (_("IN A RUN"), run_keys(run)),
        (_("EVERYWHERE"), everywhere()),
        (_("IN THE LIST"), list_keys()),
        (_("READING A PROCEDURE"), page_keys()),
    ]
    if run is None:
        groups.append(groups.pop(0))
    return [
        _("If this screen is dead: another terminal, handwheel-manual --plain; then the printed binder; then F11."),
        _("Without this program: the printed binder. Without it: the text files beside this program (library/)."),
        _("Every entry is on disk before it is shown. Roles are stored, names are not; initials stay on paper."),
        _("A number opens what stands in the list, or changes to that run; in a run it is a value and never a key: x "
          "comes before. On the full screen the space bar does what the step asks next."),
        *(line for title, group in groups for line in (title, *(f" {key.letter}  {key.help}" for key in group))),
    ]  # fmt: skip


def next_act(run: Run) -> Act:
    """What the step at hand asks next."""
    if run.waiting_for():
        return run_acts.release
    if run.condition_open():
        return run_acts.done  # which asks first whether it is so
    if run.timer_waits():
        return run_acts.timer
    if run.open_readings():
        return reading_acts.take
    return run_acts.verify if run.needs_verifying() else run_acts.done


def _quiet(key: Key) -> Key:
    return Key(key.letter, key.word, key.help, key.act, False, key.takes)


def everywhere(seat: Seat | None = None, seen: Look | None = None) -> list[Key]:
    declared = bool(seen and seen.period.declared)
    everywhere_lost = bool(seen and declared and (not seen.period.sites or (
        seen.known.sites and all(seen.period.lost_at(site.id) for site in seen.known.sites))))  # fmt: skip
    beside = [Key("D", _("drill goes on"), _("a real period is open: the drill goes on beside it"),
                  period_acts.go_on_with_drill)] if seen and seen.real else []  # fmt: skip
    if seen and seen.others:
        beside.append(Key("Z", _("end the other"), _("two periods are open: end the other one, with a reason"),
                          period_acts.end_other))  # fmt: skip
    return [
        *beside,
        Key("c", _("CONTROL LOST"), _("a person declares CONTROL LOST. A dark handwheel alone is BLIND: "
            "automation is probably still running."), period_acts.declare, not everywhere_lost, True),
        Key("h", _("HAND BACK"), _("hand back: every asset is in automatic again, the period ends"),
            period_acts.hand_back, declared),
        Key("e", _("seen"), _("what do you see: gas, overflow, mains lost ...; what is for it is offered"),
            seen_acts.seen, True, True),
        Key("S", _("stable"), _("the station is stable by hand, once per period"), period_acts.stable,
            bool(seen and (declared or seen.period.drill) and not seen.period.stable)),
        Key("H", _("hand over"), _("the shift ends: its page, read, printed and kept"), period_acts.hand_over,
            bool(seen and seen.period.entries)),
        Key("E", _("from paper"), _("a line of a paper log, with its three times"), from_paper.from_paper, True, True),
        Key("a", _("all"), _("all procedures and forms; an id with its site opens one"), page_acts.open_typed,
            True, True),
        Key("k", _("last known"), _("last known values with their age, never live"), page_acts.last_values),
        Key("l", _("note"), _("a note: one sentence, roles and no names"), period_acts.note, True, True),
        Key("b", _("binder"), _("which printed pages are out of date"), page_acts.binder_state),
        Key("R", _("role"), _("who you are: the role that your entries carry"), page_acts.next_role, True, True),
        Key("L", "/".join(LANGUAGES), _("the next language: en, fr, de"), page_acts.next_language, True, True),
    ]  # fmt: skip


def list_keys(seat: Seat | None = None, seen: Look | None = None) -> list[Key]:
    begun = bool(seat and seat.desk.drill) or bool(seen and seen.period.entries and not seen.period.ended)
    return [
        Key("D", _("drill"), _("an exercise (DRILL), while no real period is open; every line and entry says so"),
            period_acts.begin_drill, not begun),
        Key("u", _("undo"), _("take back what was said last outside a run, by a new entry"), run_acts.undo,
            bool(seen and (seen.period.declared or seen.period.events or seen.period.stable))),
        Key("q", _("leave"), _("leave; an open period goes on at the next start"), period_acts.leave),
    ]  # fmt: skip


def page_keys(seat: Seat | None = None) -> list[Key]:
    drill = bool(seat and seat.desk.drill)
    return [
        Key("s", _("start drill") if drill else _("start"), _("start a run of this procedure"), run_acts.start),
        Key("p", _("print"), _("print it, or say where its file lies"), page_acts.print_opened),
        Key("x", _("list"), _("back to the list"), page_acts.to_list),
    ]


def run_keys(run: Run | None = None) -> list[Key]:
    step = run.step if run else None
    held = bool(run and run.waiting_for())
    waiting = bool(run and run.open_readings()) and not held
    verifying = bool(run and run.needs_verifying()) and not held and not waiting
    return [
        Key("o", _("release"), _("the role that a HOLD names releases it"), run_acts.release, held),
        Key("v", _("value"), _("a reading; 2.31 and 2,31 are the same; 2.31 @P2 also says at which pump it was read"),
            reading_acts.take, waiting, True),
        Key("d", _("done"), _("the step is done"), run_acts.done,
            bool(step) and not (held or waiting or verifying), True),
        Key("y", _("verified"), _("a second person, of any role, has verified the step alone"), run_acts.verify,
            verifying, True),
        Key("i", _("IF not met"), _("the condition of a step with IF is not met"), run_acts.not_met,
            bool(step and step.branch and step.branch.word == "IF")),
        Key("t", _("timer"), _("start the timer of the step"), run_acts.timer, bool(step and step.timer) and not held),
        Key("n", _("n/a"), _("the step is not applicable, with a reason"), run_acts.not_applicable,
            bool(step) and not held, True),
        Key("g", _("go to"), _("go on at another step"), run_acts.go_to, True, True),
        Key("u", _("undo"), _("take the last entry of this run back, by a new entry"), run_acts.undo),
        Key("r", _("repeat"), _("begin the next round of a REPEAT"), run_acts.again,
            bool(run and run.procedure.repeats), True),
        Key("m", _("until met"), _("what ends a REPEAT has come: it falls due no more"), run_acts.until_met,
            bool(run and run.procedure.repeats), True),
        Key("l", _("note"), _("a note on this step"), period_acts.note, True, True),
        Key("w", _("whole"), _("the whole procedure, with time and role of each mark"), run_acts.whole),
        Key("p", _("print"), _("print it, or say where its file lies"), page_acts.print_opened),
        Key("f", _("end"), _("end this run"), run_acts.finish),
        Key("x", _("list"), _("back to the list"), page_acts.to_list),
    ]  # fmt: skip
