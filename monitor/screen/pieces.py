"""The small parts every page is made of: a line with marked stretches, columns, bars, wrapping, the width budget.

Pure and standard library only, because the same lines are painted by the screen, printed by the plain mode and the
demo, and compared by tests. A page is a list of lines; no line is ever wider than the terminal, in any language.
Marks are characters first and colours second: a page read aloud or printed in black loses nothing.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEVELS = "_.-=*#"  # of a trend, lowest first: characters every font and every terminal has
CUT = "~"  # the last character of what did not fit


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page. `kind` names the look of the whole line, `marks` that of stretches: (start, end, kind)."""

    text: str = ""
    kind: str = ""
    marks: tuple[tuple[int, int, str], ...] = ()

    def __str__(self) -> str:
        return self.text

    def within(self, width: int) -> "Line":
        """The same line, not wider than `width` cells."""
        return Line(fit(self.text, width).rstrip(), self.kind, self.marks) if cells(self.text) > width else self


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table row: its text, width in cells, alignment (< or >) and look."""

    text: str
    width: int
    align: str = "<"
    kind: str = ""


def cells(text: str) -> int:
    """How many terminal cells a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def fit(text: str, width: int, align: str = "<") -> str:
    """Exactly `width` cells: padded, or cut with a visible mark at its end."""
    taken = cells(text)
    if taken > width:
        kept = ""
        for one in text:
            if cells(kept + one) > width - 1:
                break
            kept += one
        text = kept.rstrip() + CUT if width > 0 else ""
        taken = cells(text)
    space = " " * max(width - taken, 0)
    return space + text if align == ">" else text + space


def row(parts: Sequence[Cell], *, gap: str = " ", kind: str = "", start: str = "") -> Line:
    """Cells beside each other; each cell with a kind becomes a mark of the line."""
    text = start
    marks = []
    for number, part in enumerate(parts):
        text += gap if number else ""
        filled = fit(part.text, part.width, part.align)
        if part.kind and part.text:
            at = len(text) + len(filled) - len(filled.lstrip())
            marks.append((at, at + len(filled.strip()), part.kind))
        text += filled
    return Line(text.rstrip(), kind, tuple(marks))


def rule(width: int, title: str = "") -> Line:
    """A line across the page, with a title in it or without."""
    head = f"-- {title} " if title else ""
    return Line(fit(head + "-" * max(width - cells(head), 0), width).rstrip(), "rule")


def budget(parts: Iterable[tuple[int, str]], width: int, end: str = "", gap: str = "  ") -> str:
    """The parts that fit, in their order, with `end` at the right edge.

    Each part stands with its weight; while the line is too wide, the part with the smallest weight goes (of equal ones
    the last). What is abnormal is given a larger weight than what is as usual, so that trouble is never cut off.
    """
    kept = [(weight, text) for weight, text in parts if text]
    room = width - (cells(end) + len(gap) if end else 0)
    while len(kept) > 1 and cells(gap.join(text for _, text in kept)) > room:
        least = min(range(len(kept)), key=lambda number: (kept[number][0], -number))
        del kept[least]
    text = gap.join(text for _, text in kept)
    return fit(text, width).rstrip() if not end else fit(text, room) + gap + end


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """A sentence in lines of at most `width` cells; later lines begin with `indent`; a longer word is cut."""
    if cells(text) <= width:
        return [text] if text else []
    lines: list[str] = []
    line = ""
    for word in text.split():
        start = indent if lines else ""
        if line and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else start + word
        line = fit(line, width).rstrip() if cells(line) > width else line
    return [*lines, line] if line else lines


def range_bar(value: float | None, low: float | None, high: float | None, width: int) -> str:
    """Where a value lies between its limits: "|....o...|"; "<" or ">" at the edge when it lies outside.

    Without a value or without limits the bar holds no "o": nothing is guessed.
    """
    inner = max(width - 2, 1)
    if low is None or high is None or not high > low:
        return "|" + " " * inner + "|"
    if value is None or not math.isfinite(value):
        return "|" + "." * inner + "|"
    if value < low:
        return "<" + "." * inner + "|"
    if value > high:
        return "|" + "." * inner + ">"
    at = min(int((value - low) / (high - low) * inner), inner - 1)
    return "|" + "." * at + "o" + "." * (inner - at - 1) + "|"


def trend_bar(values: Sequence[float | None], width: int) -> str:
    """A row of values as one line of characters, lowest "_" to highest "#"; a blank where nothing is known.

    `values` are means of equal stretches of time, oldest first; they are grouped to `width` columns. A spread below one
    per cent of the level is drawn flat, because it would be noise made large.
    """
    columns: list[float | None] = []
    for column in range(width):
        start, end = column * len(values) // width, (column + 1) * len(values) // width
        group = [one for one in values[start : max(end, start + 1)] if one is not None and math.isfinite(one)]
        columns.append(sum(group) / len(group) if group else None)
    known = [one for one in columns if one is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    half = high / 2 - low / 2  # of the spread, which itself may be more than a float holds
    if half <= 0.005 * max(abs(low), abs(high)):
        return "".join(" " if one is None else "-" for one in columns)
    top = len(LEVELS) - 1
    return "".join(" " if one is None else LEVELS[round((one / 2 - low / 2) / half * top)] for one in columns)


def window(count: int, selected: int, lines: int) -> int:
    """The first row to show of `count` rows in `lines` lines, so that the selected one is in sight."""
    return max(0, min(selected - lines // 2, count - lines))


def page(lines: Sequence[Line], foot: Sequence[Line], width: int, height: int) -> list[Line]:
    """Lines from the top, foot at the bottom, exactly `height` lines; the middle gives way, the foot stays."""
    body = list(lines)[: max(height - len(foot), 0)]
    body += [Line()] * (height - len(foot) - len(body))
    return [line.within(width) for line in [*body, *foot]][:height]
