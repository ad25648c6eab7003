"""What a page says, as plain data, and the page as PDF through typst where that is installed.

Text (textpage.py), PDF (page.typ) and HTML (hypertext.py) say the same, from the same content. Text reaches typst as
data and never as markup, so nothing in a procedure or a sheet can act on the page. A warning stands on the same page as
its step; every page says what it is, how old it is and when it is too old.
"""

from __future__ import annotations

import json
import time
from typing import Any

from fallback_procedures import shipped
from fallback_procedures.library import content_hash
from fallback_procedures.limits import limits_text, missing_safety
from fallback_procedures.procedure import Procedure, Repeat, Step
from fallback_procedures.sheet import Sheet, filled, missing
from fallback_procedures.view import (
    doubt_text,
    hold_words,
    notice_word,
    repeat_lines,
    span_words,
    spoken,
    status_note,
    unit_text,
)
from fallback_procedures.words import _, language, local_text, utc_text

VALID_S = 365 * 86_400  # a paper copy is too old after a year, or when its review is due [s]
LONG = 2000  # characters of a step that may not fit on one page: it may break
BLANK = "_" * 24  # where a form asks for a value that the site has not given
Content = dict[str, Any]


def content(
    procedure: Procedure,
    sheet: Sheet,
    printed_s: float,
    asked: str = "",
    simulated: bool = False,
    ledger: str = "",
    drill: bool = False,
    beside: str = "",
) -> Content:
    """All that a page says, as plain data. `printed_s` since 1970 [s]; `asked`: the language that was wanted.

    `ledger`: its head (N:HEAD), so that this paper can prove later what the ledger held when it was printed.
    `simulated`: the plant is a simulated one, and every page says so. `drill`: every line says DRILL.
    `beside`: the language of the sheet that stands before this one and holds where the two differ.
    """
    digest, sheet = content_hash(procedure, sheet), sheet.in_language(procedure.language)
    jumps = any(step.holds or step.notices for step in procedure.steps) and any(
        target.step for step in procedure.steps for target in step.targets
    )
    lacking, unsafe = missing(procedure, sheet), missing_safety(procedure, sheet)
    stamps = []
    if drill:
        stamps.append(("mark", _("DRILL: an exercise; nothing here is a real run")))
    if unsafe:
        stamps.append(("stop", _("SITE VALUE MISSING - DO NOT USE")))
    if procedure.unreviewed_translation:
        told = _("translation not yet reviewed: drill only")
        told += (
            "; " + _("what holds is the sheet before it ({language})").format(language=beside.upper()) if beside else ""
        )
        stamps.append(("mark", told))
    if asked and asked != procedure.language and not beside:
        stamps.append(("mark", _("TRANSLATION MISSING: shown in {language}").format(
            language=procedure.language.upper())))  # fmt: skip
    warnings = [] if procedure.approved else [_("DRAFT: a plant expert must approve it before use")]
    if unsafe:
        warnings.append(_("SITE VALUE MISSING - DO NOT USE") + ": " + ", ".join(unsafe))
    elif lacking:
        warnings.append(_("SITE VALUE MISSING") + f" ({len(lacking)}): " + ", ".join(lacking))
    if procedure.doubt:
        warnings.append(procedure.doubt)
    if sheet.doubt:
        warnings.append(doubt_text(sheet))
    elif sheet.site and not sheet.approved_by:
        warnings.append(_("the site sheet is not approved"))
    expires = min(time.strftime("%Y-%m-%d", time.gmtime(printed_s + VALID_S)), procedure.review_by)
    code = f"HW:{procedure.id}:r{procedure.revision}:{procedure.effective}:{digest[:8]}"
    return {
        **_frame(sheet, printed_s, expires, digest, code, simulated, ledger),
        "id": procedure.id,
        "title": procedure.title,
        "language": procedure.language,
        "header": _("rev {rev}, effective {date}").format(rev=procedure.revision, date=procedure.effective),
        "revision": f"r{procedure.revision} {procedure.effective}",
        "state": _("approved") if procedure.approved else _("DRAFT"),
        "draft": status_note(procedure) if procedure.approved else _("DRAFT"),
        "drill": _("DRILL") if drill else "",
        "across": _("DRILL") if drill else _("DO NOT USE") if unsafe else "" if procedure.approved else _("DRAFT"),
        "stamps": [{"kind": kind, "text": text} for kind, text in stamps],
        "warnings": warnings,
        "facts": [
            [label, spoken(text, sheet)]
            for label, text in (
                (_("Purpose"), procedure.purpose),
                (_("When"), procedure.when),
                (_("Needs"), procedure.needs),
                (_("Rule"), _("who is sent to a step begins with the warnings and the HOLD above it") if jumps else ""),
                (_("Owner"), f"{procedure.owner}; " + _("review by {date}").format(date=procedure.review_by)),
            )
            if text
        ],
        "blocks": [_step(step, sheet, procedure.repeats) for step in procedure.steps],
        "ends": [
            [label, spoken(text, sheet)]
            for label, text in ((_("Hand back"), procedure.hand_back), (_("Forms"), ", ".join(procedure.forms)))
            if text
        ],
        "page": [filled(line, sheet, BLANK) for line in procedure.page],
        "sign": []
        if procedure.kind == "form"
        else [
            _("performed by (role, initials)"),
            _("verified by (role, initials)"),
            _("reviewed by shift lead"),
            _("deviations"),
        ],
    }  # fmt: skip


def sheet_page(
    name: str, title: str, sheet: Sheet, printed_s: float, digest: str, code: str, simulated: bool, ledger: str,
    tables: list[Content], **more: Any,
) -> Content:  # fmt: skip
    """A page that is no procedure: the contents of a set, the setpoint master list, what is missing."""
    expires = time.strftime("%Y-%m-%d", time.gmtime(printed_s + VALID_S))
    return {**_frame(sheet, printed_s, expires, digest, code, simulated, ledger), "id": name, "title": title,
            "language": language(), "header": "", "revision": "", "state": "", "draft": "", "drill": "", "across": "",
            "stamps": [], "warnings": [], "facts": [], "blocks": [], "ends": [], "page": [], "sign": [],
            "tables": tables, **more}  # fmt: skip


def table(head: list[str], rows: list[list[str]], columns: list[int], title: str = "", **more: bool) -> Content:
    """A table of a page; `columns` are shares of its width. `airy`: room to write; `pages`: the last column counts."""
    return {"title": title, "head": head, "rows": rows, "columns": columns, "airy": False, "pages": False, **more}


def _frame(
    sheet: Sheet, printed_s: float, expires: str, digest: str, code: str, simulated: bool, ledger: str
) -> Content:
    """What stands around every page: whose it is, which, how old and until when."""
    return {
        "station": f"{sheet.site} {sheet.name}".strip() or "____________________",
        "simulated": _("SIMULATED") if simulated else "",
        "hash": digest,
        "qr": code,
        "printed": f"{utc_text(printed_s, 0)} ({local_text(printed_s)})",
        "printed_word": _("printed"),
        "expires": _("written copies expire on {date}").format(date=expires),
        "ledger": _("ledger {head}").format(head=ledger) if ledger else "",
        "page_word": _("page"),
        "of_word": _("of"),
        "time_word": _("time"),
        "initials_word": _("init."),
        "in_limits_word": _("in limits Y/N"),
        "tables": [],
    }


def _repeat(repeat: Repeat, sheet: Sheet) -> str:
    return " ".join(" ".join(repeat_lines(repeat, sheet, 500)).split())


def _step(step: Step, sheet: Sheet, repeats: tuple[Repeat, ...]) -> Content:
    under = [
        {
            "name": reading.name,
            "unit": unit_text(reading.unit),
            "limits": limits_text(reading, sheet),
            "judge": reading.has_band,
        }
        for reading in step.readings
    ]
    said = [
        [word, spoken(text, sheet)]
        for word, text in (
            (_("Expect"), step.expect),
            (_("If not"), step.if_not),
            (_("If twice"), step.if_twice),
            (_("Timer"), span_words(step.timer, sheet) + "   " + _("from __:__ to __:__") if step.timer else ""),
        )
        if text
    ]
    second = (
        [_("Second person") + f": {spoken(step.second_person, sheet)}", _("signature ________")]
        if step.second_person
        else []
    )
    told = [step.text, *second, *(notice.text for notice in step.notices), *(text for _word, text in said)]
    return {
        "again": [
            line
            for one in repeats
            if one.last == step.number
            for line in (_repeat(one, sheet), _("next round at") + "   __:__" * 6)
        ],
        # beside the place for time and initials, where every reading fits there on one line
        "narrow": all(
            len(f"{one['name']} {one['unit']} {one['limits']}") + (16 if one["judge"] else 0) < 48 for one in under
        ),
        "long": sum(len(text) for text in told) + 100 * len(under) > LONG,
        "repeats": [_repeat(one, sheet) for one in repeats if one.first == step.number],
        "notices": [
            {"kind": one.kind, "word": notice_word(one.kind), "text": spoken(one.text, sheet)} for one in step.notices
        ],
        "holds": [
            [
                _("HOLD") + f" ({hold_words(hold.role, hold.once)}): {spoken(hold.text, sheet)}",
                _("signature ________ time __:__"),
            ]
            for hold in step.holds
        ],
        "number": step.number,
        "critical": bool(step.second_person),
        "text": spoken(step.text, sheet),
        "readings": under,
        "said": said,
        "second": second,
    }


# -- PDF ---


def can_make_pdf() -> bool:
    """Whether typst is installed here."""
    import importlib.util

    return importlib.util.find_spec("typst") is not None


def pdf(title: str, pages: list[Content], printed_s: float, paper: str = "a4") -> bytes:
    """One tagged PDF of these contents, on A4 or letter, fonts inside. ImportError where typst is missing."""
    import typst

    data = {
        "title": title,
        "language": language(),
        "paper": paper,
        "pages": [{**page, "drawing": code_drawing(page["qr"])} for page in pages],
    }
    made: bytes = typst.compile(
        shipped.read("page.typ"),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=int(printed_s),
    )
    return made


def code_drawing(text: str) -> str:
    """The QR code of a text as SVG; "" where segno is not installed (the text stands beside it)."""
    try:
        import segno
    except ImportError:
        return ""
    rows = segno.make(text, error="m", micro=False).matrix
    dark = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, cell in enumerate(row) if cell)
    size = len(rows)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
            f'<path d="{dark}"/></svg>')  # fmt: skip
