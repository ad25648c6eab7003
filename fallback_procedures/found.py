"""A period that lies open on the USB stick from which the program starts: of the last use, of another laptop, forged.

Nobody can tell by looking at it, so the person is asked whose it is before anything goes on in it. One that is not
theirs is ended by a role with a reason; nothing of it is deleted.
"""

from __future__ import annotations

from fallback_procedures.board import other_text
from fallback_procedures.open_period import Refused, Told, open_periods, put_aside
from fallback_procedures.place import Place
from fallback_procedures.questions import Ask, Talk, asked, reason_asked, role_asked, yes_or_no
from fallback_procedures.terminal import Terminal
from fallback_procedures.triggers import moment
from fallback_procedures.words import _, local_text, seconds_of


def found(place: Place, drill: bool = False) -> list[Told]:
    """The periods that are open on this stick; for a drill, drills as well. None where this is no stick."""
    kinds = dict.fromkeys((False, drill)) if place.stick else ()
    return [one for kind in kinds for one in open_periods(place.journal, kind)]


def found_text(one: Told) -> str:
    """What lies there."""
    at = seconds_of(one.since.get("at"))
    day = local_text(at) if at is not None else "?"  # the last use may be months ago
    what = other_text(one) + (", " + _("DRILL") if one.drill else "")
    return _("ON THIS STICK LIES AN OPEN PERIOD of {day}: {what}, {n} entries").format(
        day=day, what=what, n=one.entries
    )


def settle(place: Place, terminal: Terminal, drill: bool) -> bool:
    """Ask of each period that is open on this stick whose it is; False where the person leaves."""
    for one in found(place, drill):
        settled = False
        while not settled:
            talk = _whose(place, one)
            try:
                ask = next(talk)
                while True:
                    terminal.say(*ask.page, *ask.note)
                    answer = terminal.ask(ask.prompt)
                    if answer == "q":
                        return False
                    ask = talk.send(answer)
            except StopIteration as end:
                terminal.say(end.value)
                settled = True
            except Refused as fault:
                terminal.say(f"! {fault}")
    return True


def _whose(place: Place, one: Told) -> Talk:
    page = (f"! {found_text(one)}", _("It may be of the last use, of another laptop, or laid there by somebody."))
    prompt = _("Is it yours, of now? y goes on with it, n puts it aside (nothing is deleted), q leaves:")
    if (yield from asked(Ask(prompt, page), yes_or_no, stays=True)):
        return _("This period goes on.")
    role = yield from role_asked(_("Who puts it aside?"), stays=True)
    why = yield from reason_asked(_("Why is it not yours (one sentence)?"))
    journal = put_aside(place.journal, one, moment(), role, why)
    return _("It was put aside as ended, and lies here: {path}").format(path=journal.where)
