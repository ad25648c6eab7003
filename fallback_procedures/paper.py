"""Pages: as plain text of 80 columns with the standard library alone, and as PDF through typst where that is installed.

Both say the same, from the same content. Text reaches typst as data and never as markup, so nothing in a procedure or a
sheet can act on the page. A warning stands on the same page as its step; every page says what it is, how old it is and
when it is too old.
"""

from __future__ import annotations

import json
import time
from typing import Any

from fallback_procedures import shipped
from fallback_procedures.library import content_hash
from fallback_procedures.procedure import Procedure, Repeat, Step
from fallback_procedures.sheet import Sheet, filled, limits_text, missing, missing_safety
from fallback_procedures.view import hold_words, notice_word, repeat_lines, span_words, spoken, status_note, unit_text
from fallback_procedures.words import _, language, local_text, utc_text, wrapped

WIDTH = 80
LINES = 60  # of a text page, header and footer included: fits A4 and Letter at 6 lines per inch
VALID_S = 365 * 86_400  # a paper copy is too old after a year, or when its review is due [s]
BLANK = "_" * 24  # where a form asks for a value that the site has not given
Content = dict[str, Any]


def content(
    procedure: Procedure, sheet: Sheet, printed_s: float, asked: str = "", simulated: bool = False, ledger: str = ""
) -> Content:
    """All that a page says, as plain data. `printed_s` since 1970 [s]; `asked`: the language that was wanted.

    `ledger`: its head (N:HEAD), so that this paper can prove later what the ledger held when it was printed.

    `simulated`: the plant is a simulated one, and every page says so.
    """
    digest = content_hash(procedure, sheet)
    expires = min(time.strftime("%Y-%m-%d", time.gmtime(printed_s + VALID_S)), procedure.review_by)
    lacking, unsafe = missing(procedure, sheet), missing_safety(procedure, sheet)
    station = f"{sheet.site} {sheet.name}".strip() or "____________________"
    warnings = [] if procedure.approved else [_("DRAFT: a plant expert must approve it before use")]
    if procedure.unreviewed_translation:
        warnings.append(_("translation not yet reviewed: drill only"))
    if asked and asked != procedure.language:
        warnings.append(_("TRANSLATION MISSING: shown in {language}").format(language=procedure.language.upper()))
    if unsafe:
        warnings.append(_("SITE VALUE MISSING - DO NOT USE") + ": " + ", ".join(unsafe))
    elif lacking:
        warnings.append(_("SITE VALUE MISSING") + f" ({len(lacking)})")
    if sheet.site and not sheet.approved_by:
        warnings.append(_("the site sheet is not approved"))
    header = _("{id} rev {rev} of {date}").format(id=procedure.id, rev=procedure.revision, date=procedure.effective)
    return {
        "id": procedure.id,
        "title": procedure.title,
        "language": procedure.language,
        "simulated": _("SIMULATED") if simulated else "",
        "station": station,
        "header": header,
        "draft": "" if procedure.approved else _("DRAFT"),
        "status": status_note(procedure),
        "warnings": warnings,
        "hash": digest,
        "qr": f"HW:{procedure.id}:r{procedure.revision}:{procedure.effective}:{digest[:8]}",
        "printed": f"{utc_text(printed_s, 0)} ({local_text(printed_s)})",
        "printed_word": _("printed"),
        "expires": _("written copies expire on {date}").format(date=expires),
        "ledger": _("ledger {head}").format(head=ledger) if ledger else "",
        "page_word": _("page"),
        "of_word": _("of"),
        "facts": [
            [label, spoken(text, sheet)]
            for label, text in (
                (_("Purpose"), procedure.purpose),
                (_("When"), procedure.when),
                (_("Needs"), procedure.needs),
                (_("Owner"), f"{procedure.owner}; " + _("review by {date}").format(date=procedure.review_by)),
            )
            if text
        ],
        "blocks": [_step(step, sheet, procedure.repeats) for step in procedure.steps],
        "repeats": [_repeat(one, sheet) for one in procedure.repeats],
        "ends": [
            [label, spoken(text, sheet)]
            for label, text in ((_("Hand back"), procedure.hand_back), (_("Forms"), ", ".join(procedure.forms)))
            if text
        ],
        "page": [filled(line, sheet, BLANK) for line in procedure.page],
        "time_word": _("time"),
        "initials_word": _("init."),
        "in_limits_word": _("in limits Y/N"),
        "sign": []
        if procedure.kind == "form"
        else [
            _("performed by (role, initials)"),
            _("verified by (role, initials)"),
            _("reviewed by shift lead"),
            _("deviations"),
        ],
    }  # fmt: skip


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
        f"{word}: {spoken(text, sheet)}"
        for word, text in (
            (_("Expect"), step.expect),
            (_("If not"), step.if_not),
            (_("If twice"), step.if_twice),
            (_("Timer"), span_words(step.timer, sheet) + "   " + _("from __:__ to __:__") if step.timer else ""),
        )
        if text
    ]
    second = (
        _("Second person") + f": {spoken(step.second_person, sheet)}   " + _("signature ________")
        if step.second_person
        else ""
    )
    return {
        "repeats": [_repeat(one, sheet) for one in repeats if one.first == step.number],
        "notices": [
            {"kind": one.kind, "word": notice_word(one.kind), "text": spoken(one.text, sheet)} for one in step.notices
        ],
        "holds": [
            _("HOLD")
            + f" ({hold_words(hold.role, hold.once)}): {spoken(hold.text, sheet)}   "
            + _("signature ________ time __:__")
            for hold in step.holds
        ],
        "number": step.number,
        "critical": bool(step.second_person),
        "text": spoken(step.text, sheet),
        "readings": under,
        "said": said,
        "second": second,
    }


# -- plain text ---


def text_pages(page: Content) -> list[str]:
    """The pages as text, each at most 80 columns and 60 lines, header and footer on each."""
    blocks = _text_blocks(page)
    room = LINES - 8 - len(page["warnings"])
    pages: list[list[str]] = [[]]
    for block in blocks:
        while len(block) > room:  # a block longer than a page is a form's grid: it may be cut
            pages.append(block[:room])
            block = block[room:]
        if len(pages[-1]) + len(block) > room:
            pages.append([])
        pages[-1] += block
    pages = [lines for lines in pages if lines]
    return ["\n".join(_framed(page, lines, number, len(pages))) + "\n" for number, lines in enumerate(pages, 1)]


def _framed(page: Content, lines: list[str], number: int, last: int) -> list[str]:
    count = f"{page['page_word']} {number} {page['of_word']} {last}"
    head = [
        _two(f"{page['simulated']}  {page['station']}".strip(), count),
        *wrapped(f"{page['id']}  {page['title']}", WIDTH),
        _two(page["header"], page["qr"]),
        *(f"*** {warning} ***"[:WIDTH] for warning in page["warnings"]),
        "=" * WIDTH,
    ]
    foot = ["-" * WIDTH, f"{page['printed_word']} {page['printed']}"[:WIDTH], _two(page["expires"], page["ledger"])]
    return [*head, *lines, *foot]


def _two(left: str, right: str) -> str:
    return f"{left[: WIDTH - len(right) - 2]:<{WIDTH - len(right)}}{right}"


def _text_blocks(page: Content) -> list[list[str]]:
    blocks: list[list[str]] = []
    for label, text in page["facts"]:
        blocks.append(wrapped(text, WIDTH, f"{label + ':':<12}", " " * 12))
    blocks.append(["-" * WIDTH])
    place = f"__:__ {page['initials_word']} ____"
    for step in page["blocks"]:
        block: list[str] = []
        for repeat in step["repeats"]:
            block += wrapped(repeat, WIDTH, "", "        ")
        for notice in step["notices"]:
            block += wrapped(notice["text"], WIDTH, f"** {notice['word']}  ", "   ")
        for hold in step["holds"]:
            block += wrapped(hold, WIDTH, "== ", "   ")
        mark = "(!)" if step["critical"] else "   "
        texts = wrapped(step["text"], WIDTH - len(place) - 2, f"( ) {step['number']:>3} {mark} ", " " * 12)
        block += [_two(texts[0], place), *texts[1:]]
        for reading in step["readings"]:
            judge = f"  {page['in_limits_word']} ___" if reading["judge"] else ""
            block += wrapped(
                f"{reading['name']} ________ {reading['unit']}  {reading['limits']}{judge}".rstrip(),
                WIDTH,
                " " * 12,
                " " * 16,
            )
        for said in [*step["said"], step["second"]]:
            block += wrapped(said, WIDTH, " " * 12, " " * 14) if said else []
        blocks.append([*block, ""])
    for repeat in page["repeats"]:
        blocks.append([*wrapped(repeat, WIDTH, "", "        "), ""])
    if page["page"]:
        blocks.append(list(page["page"]))
    for label, text in page["ends"]:
        blocks.append(wrapped(text, WIDTH, f"{label + ':':<12}", " " * 12))
    if page["sign"]:
        sign = ["", *(f"{label}: ".ljust(34) + "_" * (WIDTH - 34) for label in page["sign"])]
        ends = 1 + len(page["repeats"]) + len(page["ends"])  # no page of signatures alone: the last step goes with them
        last = [line for block in blocks[-ends:] for line in block] + sign
        blocks = [*blocks[:-ends], last] if page["blocks"] and len(last) <= LINES // 2 else [*blocks, sign]
    return blocks


# -- PDF ---


def can_make_pdf() -> bool:
    """Whether typst is installed here."""
    import importlib.util

    return importlib.util.find_spec("typst") is not None


def pdf(title: str, pages: list[Content], printed_s: float) -> bytes:
    """One tagged PDF of these contents, A4, fonts inside. ImportError where typst is missing."""
    import typst

    data = {
        "title": title,
        "language": language(),
        "pages": [{**page, "squares": squares(page["qr"])} for page in pages],
    }
    made: bytes = typst.compile(
        shipped.read("page.typ"),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=int(printed_s),
    )
    return made


def squares(text: str) -> list[str]:
    """The QR code of a text as rows of 0 and 1; none where segno is not installed (the text stands beside it)."""
    try:
        import segno
    except ImportError:
        return []
    return ["".join("1" if dark else "0" for dark in row) for row in segno.make(text, error="m", micro=False).matrix]
