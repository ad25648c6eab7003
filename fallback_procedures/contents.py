"""The first page of a set, what is in it, and the last, what is missing."""

from __future__ import annotations

import hashlib
import json

from fallback_procedures.library import Library
from fallback_procedures.limits import missing_safety
from fallback_procedures.paper import Content, sheet_page, table
from fallback_procedures.sets import Plant, Section
from fallback_procedures.sheet import missing
from fallback_procedures.triggers import for_site
from fallback_procedures.words import _


def contents_page(
    first: Section, pages: list[Content], counts: list[int], mark: str, now_s: float, plant: Plant
) -> Content:
    """The first page of a set: what is in it, in order, with a hash per sheet and room to say who filed it."""
    rows = [
        [page["id"], page["title"] + (f" ({page['language']})" if page["language"] != first.language else ""),
         page["revision"], page["state"], page["hash"][:8], str(count)]
        for page, count in zip(pages, counts)
    ]  # fmt: skip
    head = ["", _("Title"), _("Revision"), _("State"), _("Hash"), _("Pages")]
    told = [
        [_("Fingerprint"), mark],
        [_("Use"), _("A sheet with another hash than in this list is out of date.") + " "
         + _("When this set is filed: handwheel-manual --mark-printed {mark}").format(mark=mark)],
        [_("Filed"), _("by (role)") + " ____________________   " + _("date") + " ______________"],
    ]  # fmt: skip
    code = f"HW:BINDER:{first.site or 'any'}:{first.language}:{mark}"
    return sheet_page("", _("Binder"), first.sheet, now_s, mark, code, plant.simulated, plant.ledger, [
        table(head, rows, [7, 44, 18, 15, 13, 9], pages=True)], facts=told, language=first.language)  # fmt: skip


def gaps(mine: list[Section], library: Library) -> list[tuple[str, list[list[str]]]]:
    """What a set lacks, as (heading, rows of id and words); headings without rows are left out."""
    asked, sheet = mine[0].language, mine[0].sheet
    unsafe, lacking, drafts, foreign, unread = [], [], [], [], []
    for one in mine:
        procedure, name = one.procedure, one.procedure.id
        safety = missing_safety(procedure, one.sheet)
        if one.master and not one.master.approved:
            drafts.append([name, _("NOT A MASTER")])
        if one.master:
            continue
        if safety:
            unsafe.append([name, ", ".join(safety)])
        if rest := [value for value in missing(procedure, one.sheet) if value not in safety]:
            lacking.append([name, ", ".join(rest)])
        if not procedure.approved:
            drafts.append([name, procedure.title])
        if procedure.language != asked:
            foreign.append([name, procedure.language.upper()])
        if procedure.unreviewed_translation:
            unread.append([name, procedure.title])
    faulty = [
        [entry.id, f"{entry.path.name}: " + _("line {n}: {text}").format(n=entry.faults[0].line,
                                                                         text=entry.faults[0].text)]
        for entry in library.entries.values() if entry.procedure is None and entry.faults and entry.language == asked
    ]  # fmt: skip
    station = []
    if nowhere := _nowhere(library):
        station.append(["", _("for no station of this plant, by their types: {ids}").format(ids=" ".join(nowhere))])
    if not sheet.approved_by:
        station.append(["", _("the site sheet is not approved") if sheet.values else _("there is no site sheet")])
    if not any(one.master for one in mine):
        station.append(["F10", _("there is no setpoint master list of this station; the form is blank")])
    told = [
        (_("DO NOT USE: safety limits that this station has not given"), unsafe),
        (_("Not in this binder: the file has faults"), faulty),
        (_("This station"), station),
        (_("Other site values that are missing"), lacking),
        (_("Not approved (DRAFT)"), drafts),
        (_("Not translated"), foreign),
        (_("Translation not yet reviewed (drill only)"), unread),
    ]
    return [(title, rows) for title, rows in told if rows]


def _nowhere(library: Library) -> list[str]:
    """The procedures whose APPLIES fits none of the stations that have a sheet."""
    stations = [(one.site, one.site_type) for one in library.sheets.values()]
    told = [entry.procedure for entry in library.entries.values() if entry.procedure and entry.procedure.applies]
    return sorted({one.id for one in told if stations and not any(for_site(one, *place) for place in stations)})


def gaps_page(mine: list[Section], library: Library, now_s: float, plant: Plant) -> Content:
    """The last page of a set: what is missing, so that somebody completes it."""
    told = gaps(mine, library)
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    warnings = [] if told else [_("Nothing is missing in this set.")]
    code = f"HW:GAPS:{mine[0].site or 'any'}:{mine[0].language}:{digest[:8]}"
    return sheet_page("", _("What is missing"), mine[0].sheet, now_s, digest, code, plant.simulated, plant.ledger,
                      [table(["", ""], rows, [10, 90], title) for title, rows in told], warnings=warnings,
                      language=mine[0].language)  # fmt: skip
