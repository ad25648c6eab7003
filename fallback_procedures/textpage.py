"""Pages as plain text: 80 columns and 60 lines for a line printer, or a narrow strip for a thermal one.

The floor under everything else: it needs the standard library alone. A warning never parts from its step, no page ends
with the signatures alone, and a value has a line's height of room above it to be written (two lines are 8.5 mm).
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

from fallback_procedures.words import _, wrapped

WIDTH = 80
ENCODINGS = ("ascii", "cp437", "cp850", "cp858", "cp1252", "latin-1", "utf-8")  # of line printers
PAPERS = {"a4": "A4", "letter": "Letter"}
LINES = 60  # of a page, header and footer included: fits A4 and Letter at 6 lines per inch
NARROW = 76  # below this many columns a form's grid is told row by row [columns]
_RULE = re.compile(r"[-+=]{3,}")
Content = dict[str, Any]


def text_pages(page: Content, width: int = WIDTH, lines: int = LINES) -> list[str]:
    """The pages as text, each of at most `width` columns and `lines` lines; `lines` 0: one strip without an end."""
    mark = page["drill"]
    inner = width - len(mark) - 1 if mark else width
    head, foot = _head(page, inner, "00", "00"), _foot(page, inner)
    room = max(lines - len(head) - len(foot), 5) if lines else 100_000
    pages: list[list[str]] = [[]]
    for block in _blocks(page, inner, room):
        while len(block) > room:  # a block longer than a page is a form's grid: it may be cut
            pages.append(block[:room])
            block = block[room:]
        if len(pages[-1]) + len(_trimmed(block)) > room:
            pages.append([])
        pages[-1] += block
    pages = [_trimmed(part)[:room] for part in pages if any(part)]
    made = []
    for number, part in enumerate(pages, 1):
        whole = [*_head(page, inner, str(number), str(len(pages))), *part, *foot]
        made.append("".join(f"{line:<{inner}} {mark}\n" if mark else f"{line}\n" for line in whole))
    return made


def _trimmed(block: list[str]) -> list[str]:
    end = len(block)
    while end and not block[end - 1]:
        end -= 1
    return block[:end]


def _head(page: Content, width: int, number: str, last: str) -> list[str]:
    count = f"{page['page_word']} {number} {page['of_word']} {last}"
    station = f"{page['simulated']}  {page['station']}".strip()
    return [
        *_two(station, count, width),
        *wrapped(f"{page['id']}  {page['title']}".strip(), width),
        *_two(f"{page['header']}  {page['draft']}".strip(), page["qr"], width),
        *_two(f"{page['printed_word']} {page['printed']}", page["hash"][:8], width),
        *(line for one in page["stamps"] for line in wrapped(f"*** {one['text']} ***", width)),
        "=" * width,
    ]


def _foot(page: Content, width: int) -> list[str]:
    return ["-" * width, *_two(page["expires"], page["ledger"], width)]


def _two(left: str, right: str, width: int) -> list[str]:
    """Two texts on one line where they fit, else below each other."""
    if len(left) + len(right) + 2 <= width:
        return [f"{left:<{width - len(right)}}{right}".rstrip()]
    return [*wrapped(left, width), *(line.rjust(width) for line in wrapped(right, width))]


def _labelled(label: str, text: str, width: int) -> list[str]:
    if width < 48:
        return wrapped(f"{label}: {text}", width, "", "  ")
    return wrapped(text, width, f"{label + ': ':<12}", " " * 12)


def _blocks(page: Content, width: int, room: int) -> list[list[str]]:
    blocks: list[list[str]] = []
    for warning in page["warnings"]:
        blocks.append(wrapped(f"! {warning}", width, "", "  "))
    for label, text in page["facts"]:
        blocks.append(_labelled(label, text, width))
    if page["blocks"]:
        blocks.append(["-" * width])
    for step in page["blocks"]:
        blocks.append([*_step(page, step, width), ""])
    for table in page["tables"]:
        blocks += _table(table, width)
    if page["page"]:
        blocks.append(list(page["page"]) if width >= NARROW or (page["drill"] and width >= 74) else
                      _narrow(page["page"], width))  # fmt: skip
    for label, text in page["ends"]:
        blocks.append(_labelled(label, text, width))
    if page["sign"]:
        sign = ["", *(line for label in page["sign"] for line in ("", _line(f"{label}: ", width)))]
        # no page of signatures alone: the last step goes with them, or the last rows of a table
        ends = 1 + len(page["ends"]) + (2 if page["tables"] else 0)
        last = [line for block in blocks[-ends:] for line in block] + sign
        blocks = (
            [*blocks[:-ends], last]
            if (page["blocks"] or page["tables"]) and len(last) <= room // 2
            else [*blocks, sign]
        )
    return blocks


def _line(label: str, width: int) -> str:
    label = label[: width - 8].ljust(34 if width >= 64 else 0)
    return label + "_" * (width - len(label))


def _step(page: Content, step: Content, width: int) -> list[str]:
    wide = width >= 64
    under = " " * (12 if wide else 4)
    block = [line for said in step["repeats"] for line in wrapped(said, width, "", "  ")]
    for notice in step["notices"]:
        block += wrapped(notice["text"], width, f"** {notice['word']}  ", "   ")
    for hold in step["holds"]:
        block += wrapped("   ".join(hold), width, "== ", "   ")
    place = f"__:__ {page['initials_word']} ____"
    mark = "(!)" if step["critical"] else "   "
    if wide:
        texts = wrapped(step["text"], width - len(place) - 2, f"( ) {step['number']:>3} {mark} ", under)
        block += [f"{texts[0]:<{width - len(place)}}{place}", *texts[1:]]
    else:
        block += [*wrapped(step["text"], width, f"( ) {step['number']} {mark.strip()} ".replace("  ", " "), under),
                  "", place.rjust(width)]  # fmt: skip
    for reading in step["readings"]:
        judge = f"  {page['in_limits_word']} ___" if reading["judge"] else ""
        told = f"{reading['name']} ________ {reading['unit']}  {reading['limits']}{judge}".rstrip()
        block += ["", *wrapped(told, width, under, under + "    " if wide else under)]
    for word, text in step["said"]:
        block += wrapped(f"{word}: {text}", width, under, under + "  ")
    if step["second"]:
        block += ["", *wrapped("   ".join(step["second"]), width, under, under + "  ")]
    for said in step["again"]:
        block += wrapped(said, width, "", "  ")
    return block


def _table(table: Content, width: int) -> list[list[str]]:
    """A table as columns, each cell wrapped in its own; row by row where the page is too narrow for columns."""
    head, rows = table["head"], table["rows"]
    blocks = [[*wrapped(table["title"], width)]] if table["title"] else []
    if width < 60:
        for row in rows:
            told = [f"{name}: {cell}" for name, cell in zip(head, row) if cell]
            blocks.append([*(line for one in told for line in wrapped(one, width, "", "  ")), ""])
        return [*blocks, [""]]
    share = table["columns"]
    free = width - 2 * (len(share) - 1)
    widths = [max(free * part // sum(share), 4) for part in share]
    widths[0] += free - sum(widths)
    for number, row in enumerate([head, *rows] if any(head) else rows):
        cells = [_cell(cell, size) for cell, size in zip(row, widths)]
        height = max(len(cell) for cell in cells)
        lines = [
            "  ".join((cell[n] if n < len(cell) else "").ljust(size) for cell, size in zip(cells, widths)).rstrip()
            for n in range(height)
        ]
        blocks.append([*lines, "-" * width] if number == 0 and any(head) else [*lines, ""] if table["airy"] else lines)
    return [*blocks, [""]]


def _cell(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _narrow(lines: list[str], width: int) -> list[str]:
    """A form on a narrow strip: sentences wrapped, the rows of a grid told one after the other as lines to fill in."""
    told: list[str] = []
    names: list[str] = []
    row = 0
    for line in lines:
        if _RULE.search(line) and not re.search(r"\w", line.replace("_", "")):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3 and not names:
            told += wrapped(" ".join(re.sub("_{4,}", "________", line).split()), width) if line.strip() else [""]
        elif len(cells) >= 3 and any(cells):
            names, row = cells, 0
        elif len(cells) >= 3:
            row += 1
            told.append(f"-- {row} ".ljust(width, "-"))
            told += [line for name in names if name for line in ("", _line(f"{name} ", width))]
        else:
            names = []
            told += wrapped(" ".join(re.sub("_{4,}", "________", line).split()), width) if line.strip() else [""]
    return told


def strip(page: Content, width: int) -> str:
    """One page as an endless strip for a printer of `width` columns, with a word that thermal paper fades."""
    return text_pages(page, width, 0)[0].rstrip("\n") + "\n" + "\n".join(
        wrapped(_("Thermal paper fades: copy what was written."), width)) + "\n"  # fmt: skip
