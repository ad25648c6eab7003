"""A set: what stands on one shelf, one station in one language, and in which order.

First page 0 (what to do alone) and the call-out list, because they are needed before anybody can read; then the
procedures, what harms people first; then the setpoint master list and the forms. A translation that nobody has reviewed
stands behind the sheet that holds, never in its place.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from fallback_procedures.library import Entry, Library, content_hash
from fallback_procedures.master import Master, master_page, read_master
from fallback_procedures.own_files import Own, own_of
from fallback_procedures.paper import Content, content
from fallback_procedures.place import Place, sites_of
from fallback_procedures.procedure import Procedure
from fallback_procedures.sheet import Sheet
from fallback_procedures.textpage import text_pages
from fallback_procedures.triggers import Now, Situation, last_known, moment, read_status, situation
from fallback_procedures.words import LANGUAGES, speaking, use_time_zone

FIRST = ("P-00", "F11")


@dataclass(frozen=True)
class Section:
    """One procedure or form of one site's set in one language."""

    procedure: Procedure
    sheet: Sheet
    site: str
    language: str  # of the set; the procedure's own differs where a translation is missing
    holds: Procedure | None = None  # the text that holds, where this one is a translation nobody has reviewed
    master: Master | None = None  # F10 with the site's own approved values

    @property
    def sha256(self) -> str:
        """Of all that its sheets say; what is live and when it was printed count for nothing. [hex]"""
        if self.master:
            return self.master.sha256
        digest = content_hash(self.procedure, self.sheet)
        if self.holds is None:
            return digest
        return hashlib.sha256(f"{content_hash(self.holds, self.sheet)} {digest}".encode()).hexdigest()

    @property
    def stem(self) -> str:
        return f"{self.language}/{self.site or 'any'}/{self.procedure.id}"


@dataclass(frozen=True)
class Plant:
    """What all pages of one rendering share."""

    simulated: bool
    ledger: str
    known: tuple[tuple[str, str, str, str], ...]  # the last known values


def sites(place: Place, library: Library) -> Situation:
    """The sites the binder is for: those of the last status, else those of the sheets."""
    status, why_not = read_status(place.manual)
    use_time_zone(status.get("time_zone") if status else None)
    return situation(status, why_not, Now(time.time(), 0.0, ""), False, library)


def masters(place: Place, library: Library) -> Own[Master]:
    """The approved setpoints by site, as the daemon published them, by the same rules as sheets."""
    if place.manual is None:
        return Own({}, {})
    return own_of(place.manual / "setpoints", place.manual, read_master, library.newest)


def master_of(own: Own[Master], site: str) -> Master | None:
    """The list of a site, or that a file of it is not believed; None where it has none."""
    doubt = own.doubts.get(site.casefold(), "")
    return own.found.get(site) or (Master(site, doubt=doubt) if doubt else None)


def sections(place: Place, library: Library, languages: tuple[str, ...] = LANGUAGES) -> list[Section]:
    """All sections, set by set (site, then language), each set in the order of its pages."""
    known, own = sites(place, library), masters(place, library)
    found = []
    for name in in_order(library):
        for site in sites_of(library, known, name):
            if known.sites and not site:
                continue  # for a type of station that this plant has not; the last page says so
            for one in languages:
                entry = library.get(name, one)
                if entry and entry.procedure:
                    master = master_of(own, site) if name == "F10" else None
                    holds = None if master else holding(library, entry)
                    found.append(Section(entry.procedure, library.sheet(site), site, one, holds, master))
    return sorted(found, key=lambda section: (section.site, section.language))


def in_order(library: Library) -> list[str]:
    """The ids as they stand in a set."""
    procedures, forms = library.ids(), library.ids("F")
    first = [name for name in FIRST if name in (*procedures, *forms)]
    forms.sort(key=lambda name: name != "F10")
    return [*first, *(name for name in (*procedures, *forms) if name not in first)]


def holding(library: Library, entry: Entry) -> Procedure | None:
    """The text that holds where this one is a translation nobody has reviewed: the approved one, else the original."""
    if entry.procedure is None or not entry.procedure.unreviewed_translation:
        return None
    others = [library.entries[entry.id, one].procedure for one in LANGUAGES if (entry.id, one) in library.entries]
    true = [one for one in others if one and not one.unreviewed_translation]
    true.sort(key=lambda one: not one.approved)
    return true[0] if true else None


def fingerprint(found: list[Section]) -> str:
    """Eight hex digits over the content of these sections; printing again does not change it."""
    lines = sorted(f"{section.stem} {section.sha256}" for section in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def sets(found: list[Section]) -> list[list[Section]]:
    """The sections set by set."""
    keys = sorted({(section.site, section.language) for section in found})
    return [[section for section in found if (section.site, section.language) == key] for key in keys]


def section_pages(section: Section, now_s: float, plant: Plant, drill: bool = False) -> list[Content]:
    """The sheets of a section: one, or the one that holds and its translation behind it."""
    if section.master:
        return [master_page(section.master, plant.known, section.sheet, now_s, plant.simulated, plant.ledger)]
    told = (section.sheet, now_s)
    if section.holds is None:
        return [content(section.procedure, *told, section.language, plant.simulated, plant.ledger, drill)]
    holds = section.holds
    with speaking(holds.language):  # one sheet speaks one language
        first = content(holds, *told, holds.language, plant.simulated, plant.ledger, drill)
    return [
        first,
        content(section.procedure, *told, section.language, plant.simulated, plant.ledger, drill, holds.language),
    ]


def as_text(pages: list[Content]) -> str:
    """Pages as one text, a form feed between two."""
    return "\f".join(text for page in pages for text in text_pages(page))


def plant_now(place: Place, library: Library) -> Plant:
    """What all pages share, as it is now."""
    status, _why = read_status(place.manual)
    known = tuple(last_known(place.manual, status, moment()))
    return Plant(sites(place, library).simulated, place.ledger, known)
