"""A Document as plain text of 80 columns: what any printer and any terminal can show."""

import re
import textwrap
from collections.abc import Sequence

from monitor.reports.document import Document, Numbers, Paragraph, Plot, Section, Signatures, Table, shown
from monitor.words import _

WIDTH = 80
NAME = re.compile(r"[\w-]+\.[\w.]+")  # a tag: broken over two lines it cannot be read
READABLE = 12  # letters that a column of words needs: with less, its cells become towers
MARKS = {"plain": "", "note": "! ", "warning": "!! "}


def render_text(document: Document, width: int = WIDTH) -> str:
    """The whole document; no line is longer than `width`. Its mark, if it has one, begins each line."""
    mark = f"{document.mark} " if document.mark else ""
    width -= len(mark)
    lines = ["=" * width, *_wrap(document.title.upper(), width), *_wrap(document.subtitle, width)]
    if document.simulated:
        lines.append(_("SIMULATED - made from simulated data, says nothing about a real plant or vendor"))
    lines += ["=" * width]
    label = max((len(key) for key, _value in document.meta), default=0) + 2
    for key, value in document.meta:
        lines += _wrap(f"{key:{label}}{value}", width, " " * label)
    for section in document.sections:
        lines += ["", "", *_wrap(section.title, width), "-" * width, *_section(section, width)]
    lines += ["", _("fingerprint") + f" {document.sha256[:16]}"]
    return "\n".join((mark + line).rstrip() for line in lines) + "\n"


def _section(section: Section, width: int) -> list[str]:
    lines: list[str] = []
    for block in section.blocks:
        if isinstance(block, Paragraph):
            mark = MARKS[block.kind]
            lines += ["", *_wrap(mark + block.text, width, " " * len(mark))]
        elif isinstance(block, Numbers):
            lines.append("")
            for what, value, rests in block.boxes:
                lines += _wrap(f"  {what}: {value}" + (f"  ({rests})" if rests else ""), width, "    ")
        elif isinstance(block, Table) and block.most != 0:
            lines += ["", *table_lines(block, width)]
        elif isinstance(block, Plot):
            lines += ["", *_wrap(f"[{block.caption}] {block.words}", width, "  ")]
        elif isinstance(block, Signatures):
            lines.append("")
            date = _("date")
            lines += [f"  {role:20} ______________________  {date} ____________" for role in block.roles]
    return lines


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=not NAME.search(text)) or [""]


def table_lines(table: Table, width: int = WIDTH) -> list[str]:
    """A table in columns, whose widest wrap; where there is no room for columns, row by row with the head's words."""
    cells = [[shown(cell) for cell in row] for row in table.seen]
    columns = range(len(table.head))
    names = [max((len(word) for row in cells for word in NAME.findall(row[one])), default=0) for one in columns]
    longest = [max((len(row[one]) for row in cells), default=1) for one in columns]
    if sum(max(min(longest[one], READABLE), names[one]) + 2 for one in columns) - 2 > width:
        return _listed(table, cells, width)
    rows: list[Sequence[str]] = [table.head, *cells]
    widths = [max((len(row[column]) for row in rows), default=1) or 1 for column in range(len(table.head))]
    room = width - 2 * (len(widths) - 1)
    while sum(widths) > room and (wide := [one for one in columns if widths[one] > max(4, names[one])]):
        widths[max(wide, key=widths.__getitem__)] -= 1
    numeric = [
        bool(cells) and all(isinstance(row[column], int | float) or row[column] is None for row in table.seen)
        for column in range(len(widths))
    ]
    lines = [*_row(table.head, widths, numeric), "  ".join("-" * one for one in widths)]
    for row in cells:
        lines += _row(row, widths, numeric)
    if not cells:
        lines.append(_("(none)"))
    if table.notes:
        lines += _wrap(table.notes, width)
    return lines


def _listed(table: Table, cells: Sequence[Sequence[str]], width: int) -> list[str]:
    lines = [*_wrap(" | ".join(table.head), width), "-" * width]
    for row in cells:
        lines += _wrap(" | ".join(row), width, "    ")
    if not cells:
        lines.append(_("(none)"))
    return lines + (_wrap(table.notes, width) if table.notes else [])


def _row(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    parts = [textwrap.wrap(cell, one, break_on_hyphens=not NAME.search(cell)) or [""]
             for cell, one in zip(cells, widths, strict=True)]  # fmt: skip
    lines = []
    for index in range(max(len(part) for part in parts)):
        words = [part[index] if index < len(part) else "" for part in parts]
        lines.append(
            "  ".join(w.rjust(one) if n else w.ljust(one) for w, one, n in zip(words, widths, numeric, strict=True))
        )
    return lines
