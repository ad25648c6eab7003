"""What a person says about the whole period: control lost, what is seen, stable, shift hand-over, drill, the end.

Each is a talk as in questions.py; what is kept is an entry of the desk.
"""

from __future__ import annotations

from collections.abc import Generator

from fallback_procedures import shift
from fallback_procedures.back import Condition, conditions
from fallback_procedures.board import other_text
from fallback_procedures.desk import desk
from fallback_procedures.drills import a_year_after, due, due_lines, history, lies_ahead
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused, Told
from fallback_procedures.place import no_drill_now, site_named
from fallback_procedures.questions import (
    YES,
    Ask,
    Reply,
    Talk,
    asked,
    reason_asked,
    role_asked,
    role_named,
    roles_told,
    word_asked,
)
from fallback_procedures.run import where_lost
from fallback_procedures.seat import Seat
from fallback_procedures.triggers import moment
from fallback_procedures.view import entry_text, spoken
from fallback_procedures.words import (
    RELEASERS,
    _,
    role_text,
    utc_text,
)


def declare(seat: Seat, given: str) -> Talk:
    """A person judges that control is lost."""
    lost = seat.look().period
    if lost.declared and not lost.sites:
        raise Refused(_("CONTROL LOST is already declared: {where}").format(where=where_lost(lost)))
    means = _("CONTROL LOST means: panel, SCADA and telephone agree that automation does not control the plant.")
    page = (_("CONTROL LOST is already declared: {where}").format(where=where_lost(lost)),) if lost.declared else ()
    role = yield from role_asked(means + " " + _("Who judges so?"), page)
    why = yield from reason_asked(_("Why (one sentence):"), given=given)

    def read(text: str) -> tuple[str, ...]:
        return tuple(site_named(part, seat.look().known) for part in text.split())

    known = [site.id for site in seat.look().known.sites]
    told = " ".join(known)
    sites = yield from asked(Ask(_("Sites ({sites}), with spaces between; Enter for all:").format(sites=told)), read)
    where = _("at {sites}").format(sites=" ".join(sites)) if sites else _("at ALL sites: {sites}").format(sites=told)
    prompt = _("CONTROL LOST {where}. Write LOST to declare it, Enter alone goes back:").format(where=where)
    yield from word_asked(prompt, "LOST", _("nothing was declared"))
    seat.desk.declare(moment(), why, sites, role)
    told = where_lost(seat.look().period)
    return _("CONTROL LOST is declared.") + f" {told}; " + _("you: {role}").format(role=role_text(seat.desk.role))


def note(seat: Seat, given: str) -> Talk:
    """Keep a sentence, of the run at hand or of the period."""
    text = given or (yield Ask(_("note (roles, no names):")))
    seat.desk.note(moment(), text, seat.run_id)
    return seat.kept()


def stable(seat: Seat, given: str) -> Talk:
    """The station is stable by hand, by a person's judgement, once."""
    if seat.look().period.stable:
        raise Refused(_("the station was said to be stable by hand already"))
    prompt = _("Is every station at hand held by hand, in its limits? y keeps the time:")
    if (yield Ask(prompt)).lower() not in YES:
        raise Refused(_("nothing was done"))
    against = [_("OUT OF LIMITS NOW") + "  " + line for line in shift.out_of_limits(seat.look())]
    against += [_("SEEN AND NOT OVER") + "  " + line for line in shift.not_over(seat.look())]
    if against:
        prompt = _("Why is it stable all the same (one sentence; Enter alone: it is not)?")
        why = yield from reason_asked(prompt, tuple(against))
        given = f"{given} {why}".strip()
    seat.desk.stable(moment(), given)
    minutes = seat.look().period.minutes_to_stable()
    told = "?" if minutes is None else f"{minutes:.0f}"
    return _("Stable by hand after {minutes} min.").format(minutes=told)


def hand_over(seat: Seat, _given: str) -> Talk:
    """The shift ends: the page is read, printed if asked, and who takes over is named."""
    look = seat.look()
    if not look.period.entries:
        raise Refused(_("nothing was recorded here that could be handed over"))
    page = tuple(shift.page_lines(look, seat.library, seat.width))
    told: tuple[str, ...] = ()
    prompt = _("Read it aloud. Who takes over? {roles}  p prints:").format(roles=roles_told())
    shown = tuple(
        line.removeprefix(_("DRILL")).removeprefix("  ") for line in page
    )  # each line of a drill says so here anyway
    while True:
        typed = yield Ask(prompt, shown, told)
        if typed.lower() == "p":
            told = tuple(_printed(seat, page))
            continue
        try:
            role = role_named(typed)
            break
        except Refused as fault:
            if not typed:
                raise
            told = (f"! {fault}",)
    text = yield Ask(_("One sentence for the next shift (Enter: none; roles, no names):"))
    seat.desk.hand_over(moment(), role, text)
    return _("The shift is handed over.") + " " + _("you: {role}").format(role=role_text(role))


def _printed(seat: Seat, page: tuple[str, ...]) -> list[str]:
    """Write the hand-over page beside those that are printed in haste, and send it to the printer."""
    from fallback_procedures.copies import written_now
    from fallback_procedures.printing import send

    name = f"F9_{utc_text(moment().wall_s, 0).replace(':', '')}.txt"
    path = written_now(seat.place, name, ("\n".join(page) + "\n").encode())
    if path is None:
        return [_("the page cannot be written anywhere: copy it by hand")]
    return [_("file: {path}").format(path=path), *send(path).lines]


# -- drill and end ---


def begin_drill(seat: Seat, _given: str) -> Talk:
    """From here on an exercise, asked once; when each station's next one is due is told before."""
    look = seat.look()
    no_drill_now(look)
    rows = due(history(seat.place.journal, seat.place.manual), [site.id for site in look.known.sites], look.now.wall_s,
               load(seat.place.manual))  # fmt: skip
    yield from word_asked(_("Write DRILL to begin an exercise, Enter alone goes back:"), "DRILL",
                          _("nothing was done"), tuple(due_lines(rows)))  # fmt: skip
    no_drill_now(seat.look())
    seat.desk, seat.run_id = desk(seat.place.journal, moment(), seat.desk.role, True), ""
    return _("DRILL: nothing here is real; q leaves the drill.")


def go_on_with_drill(seat: Seat, _given: str) -> Talk:
    """A real period was opened while this drill went on: whoever trains says that it goes on, once for that period."""
    prompt = _("A REAL PERIOD IS OPEN. Write DRILL if this exercise goes on beside it, Enter alone goes back:")
    yield from word_asked(prompt, "DRILL", _("nothing was done"))
    seat.desk.beside = seat.desk.real()
    return _("DRILL: nothing here is real; q leaves the drill.")


def drill_record(seat: Seat) -> Generator[Ask, str, None]:
    """What the drill has shown (form F7), in a few questions."""
    period, now = seat.look().period, moment()
    known = seat.look().known
    ids = [site.id for site in known.sites]
    at = next((run.site for run in period.runs.values() if run.site), period.sites[0] if len(period.sites) == 1 else "")
    at = at if at in ids or not ids else ""

    def named(text: str) -> str:
        site = site_named(text or at, known)
        if not site:
            raise Refused(_("which station was it?"))
        return site

    note = (_("No step was done: it is recorded so, and does not count for the next date."),) if period.idle() else ()
    prompt = _("DRILL RECORD. Station ({sites}; Enter: {site}):").format(sites=" ".join(ids) or "-", site=at or "-")
    station = yield from asked(Ask(prompt, note=note), named)
    scenario = yield Ask(_("What was played, in one sentence:"))
    gaps: list[dict[str, str]] = []
    while True:
        gap = yield Ask(_("What was missing or wrong? (Enter: nothing more)"))
        if not gap:
            break
        where = yield Ask(_("Where (procedure and step)?"))
        change = yield Ask(_("What is to be changed?"))
        role = yield from role_asked(_("By whom?"), stays=True)
        gaps.append({"where": where, "gap": gap, "change": change, "role": role})

    def date(text: str) -> str:
        if text and not lies_ahead(text, moment().wall_s):
            raise Refused(_("the next drill lies ahead: a date as 2027-11-23, tomorrow to five years on"))
        return text

    planned = a_year_after(now.wall_s)
    day = yield from asked(Ask(_("Next drill due (Enter: {date}):").format(date=planned)), date)
    seat.desk.record_drill(moment(), station, scenario, gaps, next_due=day or planned)


def hand_back(seat: Seat, _given: str) -> Talk:
    """Every asset is back in automatic: the conditions are shown, what is not met needs a reason, the period ends."""
    period = seat.look().period
    if not period.declared:
        raise Refused(_("CONTROL LOST was not declared"))

    def page() -> tuple[str, ...]:
        look = seat.look()
        told = [f"{run.id}: {spoken(run.procedure.hand_back, run.sheet)}" for run in look.period.runs.values()]
        return (_("HAND BACK. Conditions:"), *map(condition_line, conditions(look, seat.library)), *told)

    ask = Ask(_("Who hands back?") + f" {roles_told()}:", page(), anew=page)
    role = yield from asked(ask, role_named)
    prompt = _("Which second person agrees? (Enter: nobody) {roles}:").format(roles=roles_told(RELEASERS))
    second = yield from asked(Ask(prompt), lambda text: role_named(text, RELEASERS) if text else "")
    told: set[str] = set()
    why = ""
    while True:  # what has changed while a question stood is asked anew
        found = [one for one in conditions(seat.look(), seat.library, second) if one.met is not True]
        unmet = [f"{one.text}: {one.why}" for one in found]
        if told and {one.text for one in found} <= told:
            break
        if {one.text for one in found} - told:
            open_ones = tuple(map(condition_line, found))
            why = yield from reason_asked(_("Not all is met. Why all the same?"), open_ones)
        told = {one.text for one in found} | {""}
        yield from word_asked(
            _("Write AUTO when every asset is back in automatic, Enter alone goes back:"),
            "AUTO",
            _("nothing was handed back"),
        )
    if seat.desk.drill:
        yield from drill_record(seat)
    seat.desk.hand_back(moment(), why, second, unmet, role)
    seat.desk, seat.run_id = desk(seat.place.journal, moment(), seat.desk.role, seat.desk.drill), ""
    left = [entry_text(one.line) for one in seat.look().period.events]
    going_on = " " + _("What was seen and is not over goes on: {events}.").format(events=", ".join(left))
    return _("Handed back. The period has ended.") + (going_on if left else "")


def condition_line(one: Condition) -> str:
    """A condition with whether it is met, and why."""
    word = {True: _("met"), False: _("NOT MET"), None: _("CANNOT BE TOLD")}[one.met]
    return f"{'[x]' if one.met else '[ ]'} {one.text}: {word} ({one.why})"


def end_other(seat: Seat, _given: str) -> Talk:
    """Two periods are open: a person who has looked at the other one ends it, by role and with a reason."""
    others = seat.look().others
    if not others:
        raise Refused(_("no other period is open"))
    page = [f"{number} {other_text(one)}, " + _("{n} entries").format(n=one.entries)
            for number, one in enumerate(others[:9], 1)]  # fmt: skip

    def read(text: str) -> Told:
        if not (text.isdecimal() and 0 < int(text) <= len(page)):
            raise Refused(_("a number from 1 to {n}").format(n=len(page)))
        return others[int(text) - 1]

    other = yield from asked(Ask(_("Which one ends? Its number:"), tuple(page)), read)
    role = yield from role_asked(_("Who ends it?"))
    why = yield from reason_asked(_("Why does it end (one sentence)?"))
    yield from word_asked(_("Write END to end {name}, Enter alone goes back:").format(name=other_text(other)), "END",
                          _("nothing was done"))  # fmt: skip
    seat.desk.end_other(moment(), other.name, why, role)
    return _("{name} has ended.").format(name=other.name)


def leave(seat: Seat, _given: str) -> Reply | Talk:
    """Leave the manual. A round that was never CONTROL LOST and has no open run ends with it; a drill is asked."""
    period = seat.look().period
    if period.drill and period.entries and not period.ended:
        return _leave_drill(seat)
    seat.left = True
    if period.declared and not period.ended:
        return _("The period stays open; start handwheel-manual again to go on.")
    if period.events and not period.ended:
        return _("What was seen stays open; start handwheel-manual again to go on.")
    if period.entries and not period.open_runs() and not period.ended:
        seat.desk.close(moment())
    return ""


def _leave_drill(seat: Seat) -> Talk:
    prompt = _("y ends the drill with its record, Enter leaves it open for the next start:")
    if (yield Ask(prompt)).lower() in YES:
        yield from drill_record(seat)
        seat.desk.close(moment())
    seat.left = True
    return ""
