"""What is opened, read and printed, and who sits there."""

from __future__ import annotations

from collections.abc import Generator

from fallback_procedures.board import all_lines, table, value_rows
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused
from fallback_procedures.place import site_named, sites_to_ask
from fallback_procedures.questions import Ask, Reply, Talk, asked, role_asked, role_named
from fallback_procedures.seat import Seat, now_at
from fallback_procedures.triggers import last_known, moment
from fallback_procedures.view import document_lines
from fallback_procedures.words import LANGUAGES, _, clean, language, role_text, use_language


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
        if name.isdecimal() and not site and len(name) < 5:
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
    return [
        _("LAST KNOWN VALUES - not live"),
        seen.known.text,
        *(table(value_rows(rows), (30, 16, 12, 24)) or [_("none")]),
    ]


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


def to_list(seat: Seat, _given: str) -> Reply:
    seat.run_id, seat.opened = "", None
    return ""
