"""What a person sees and says: an event, where it is, that it is over; and which procedures are for it."""

from __future__ import annotations

from dataclasses import replace

from fallback_procedures.board import list_lines
from fallback_procedures.open_period import Refused
from fallback_procedures.place import Look, site_named
from fallback_procedures.procedure import EVENTS
from fallback_procedures.questions import YES, Ask, Talk, asked
from fallback_procedures.seat import Seat
from fallback_procedures.triggers import after_declaring, moment, offers
from fallback_procedures.words import _, clock_text, event_text, language

ALL = ("all", "alle", "tous", "toutes", "tout", "partout", "überall")  # a site: everywhere


def seen(seat: Seat, given: str) -> Talk:
    """Say what is seen, or that it is over; what is for it stands in the list then."""
    look = seat.look()
    page = [f"{number:>2} {event_text(event)}{_open_since(look, event)}" for number, event in enumerate(EVENTS, 1)]
    sites = " ".join(site.id for site in look.known.sites)

    def read(text: str) -> tuple[str, str | None]:
        number, _space, site = text.partition(" ")
        if not (number.isdecimal() and 0 < int(number) <= len(EVENTS)):
            raise Refused(_("a number from 1 to {n}").format(n=len(EVENTS)))
        return EVENTS[int(number) - 1], where(site) if site.strip() else None

    def where(text: str) -> str:
        if text.strip().casefold() in ALL:
            return ""
        if not text.strip():
            raise Refused(_("nothing was done: where is it?"))
        return site_named(text, look.known)

    prompt = _("What do you see? Its number, with the site ({sites}):").format(sites=sites)
    if given:
        event, site = read(given)
    else:
        event, site = yield from asked(Ask(prompt, tuple(page)), read)
    if site is None and len(look.known.sites) > 1:
        text = _("{event}: where is it ({sites})? At all of them: all").format(
            event=event_text(event), sites=sites)  # fmt: skip
        site = yield from asked(Ask(text + ":"), where)
    site = site or ""
    if any((one.event, one.site) == (event, site) for one in look.period.events):
        if (yield Ask(_("It was said already. y: it is over:"))).lower() not in YES:
            raise Refused(_("nothing was done"))
        seat.desk.over(moment(), event, site)
        return _("It is over.")
    seat.desk.seen(moment(), event, site)
    return _for_it(seat, event, site)


def _for_it(seat: Seat, event: str, site: str) -> str:
    """The procedures for what was seen, and for nothing else, with their numbers in the list."""
    look = seat.look()
    alone = tuple(one for one in look.period.events if (one.event, one.site) == (event, site))
    period = replace(look.period, events=alone)
    waiting = after_declaring(seat.library, look.known, period, look.now, language())
    offered = {(one.id, one.site) for one in offers(seat.library, look.known, period, look.now, language())
               if one.event == event}  # fmt: skip
    rows = list_lines(look, seat.library, seat.width)[1]
    begun = [run.id for run in look.period.open_runs() if run.site in ("", site) or not site
             if any(one.event == event for one in run.procedure.applies)]  # fmt: skip
    told = []
    for number, (first, second) in enumerate(rows, 1):
        if (first, second) in offered or (first == "run" and second in begun):
            told.append(f"{number} {second}" if first == "run" else f"{number} {first} {second}".strip())
    where = site or _("all stations")
    lines = [seat.kept(), f"{event_text(event)} ({where})."]
    if told:
        lines.append(_("For it, in the list (x): {offers}.").format(offers=", ".join(told)))
    if waiting:
        ids_told = ", ".join(waiting)
        lines.append(_("after CONTROL LOST is declared (c): {ids}").format(ids=ids_told))
    return " ".join(lines)


def _open_since(look: Look, event: str) -> str:
    """Where and since when an event is open."""
    everywhere = _("all stations")
    found = [f"{one.site or everywhere} {clock_text(one.since)}" for one in look.period.events if one.event == event]
    said = _("said:")
    return f"  ({said} {', '.join(found)})" if found else ""
