"""How each kind of line or mark looks: Okabe-Ito colours on grey, chosen to differ in brightness as well as in hue.

Saturated colour is for what is abnormal. There is no green for "in order" and nothing blinks. Every mark is text first
("[1]", "VENDOR ONLY"), so that NO_COLOR, a black-and-white printer and any kind of colour vision lose nothing.
"""

from collections.abc import Iterable, Sequence

from textual.content import Content, Span
from textual.theme import Theme

from monitor.screen.pieces import Line, fit
from monitor.screen.text import encodable

BACKGROUND, TEXT, DIM = "#1c1c1c", "#d0d0d0", "#8f8f8f"

THEME = Theme(
    name="handwheel",
    primary=TEXT,
    secondary=DIM,
    accent=TEXT,
    warning="#E69F00",
    error="#D55E00",
    success=TEXT,
    foreground=TEXT,
    background=BACKGROUND,
    surface=BACKGROUND,
    panel="#303030",
    dark=True,
)

FULL = {
    "p1": "bold #000000 on #D55E00",
    "p2": "#000000 on #E69F00",
    "p3": "#000000 on #F0E442",
    "banner": "bold #000000 on #D55E00",
    "manual": "bold #000000 on #E69F00",
    "head": "bold #e8e8e8 on #303030",
    "title": DIM,
    "rule": DIM,
    "dim": DIM,
    "keys": DIM,
    "strong": "bold #ffffff",
    "selected": "#000000 on #d0d0d0",
    "notice": "bold #ffffff on #303030",
}
PLAIN = {  # sixteen colours or none: weight and reversal only
    "p1": "bold reverse",
    "p2": "reverse",
    "p3": "bold",
    "banner": "bold reverse",
    "manual": "bold reverse",
    "head": "bold",
    "strong": "bold",
    "selected": "reverse",
    "notice": "bold",
}
WHOLE = ("banner", "manual", "head", "selected", "notice")  # kinds that fill the line to its end


def content(lines: Iterable[Line], width: int, full: bool, encoding: str | None) -> Content:
    """The lines of a page as one piece of content for a widget."""
    styles = FULL if full else PLAIN
    texts: list[str] = []
    spans: list[Span] = []
    at = 0
    for line in lines:
        text = fit(encodable(line.text, encoding), width).rstrip()
        if line.kind in WHOLE:
            text = fit(text, width)
        if style := styles.get(line.kind):
            spans.append(Span(at, at + len(text), style))
        spans += marks_of(line.marks, styles, at, len(text), line.kind)
        texts.append(text)
        at += len(text) + 1
    return Content("\n".join(texts), spans)


def marks_of(
    marks: Sequence[tuple[int, int, str]], styles: dict[str, str], at: int, length: int, kind: str
) -> list[Span]:
    """The marks of one line, as far as they lie within it. In a selected line the mark keeps its own colours."""
    found = []
    for start, end, mark in marks:
        style = styles.get(mark)
        if style and start < length and not (kind == "selected" and mark in ("dim", "strong")):
            found.append(Span(at + start, at + min(end, length), style))
    return found
