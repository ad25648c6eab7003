"""Plots as SVG by hand: no library, the same bytes for the same numbers, legible in black and white.

A series differs by its mark, dash or hatch, never by colour alone. Each picture carries its title and a description in
words. No text from a vendor belongs into a picture but as `Axis` label or `words`, where it is escaped.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from xml.sax.saxutils import escape

from monitor.words import figure_text, number_text

DARK, MIDDLE, LIGHT, ORANGE = "#0a3d62", "#606060", "#d0d0d0", "#b34700"
DAY_US = 86_400_000_000
LINES = 1_500  # points that an eye can tell apart on a page
_FONT = "font-family=\"'Libertinus Serif', 'Liberation Serif', 'Times New Roman', serif\""
_HATCH = (
    '<defs><pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="5" height="5" fill="white"/><rect width="2" height="5" fill="{ORANGE}"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale with its label and ticks (value, text); logarithmic where `log`."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1; beyond the ends at the ends."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return min(1.0, max(0.0, (at - low) / (high - low)))


def linear(label: str, low: float, high: float, ticks: int = 6) -> Axis:
    """An axis with round ticks."""
    high = high if high > low else low + 1
    raw = (high - low) / ticks
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * one for one in (1, 2, 5, 10) if size * one >= raw)
    first = math.ceil(low / step - 1e-9)
    marks = [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(label, low, high, tuple((mark, figure_text(round(mark, 9) + 0.0)) for mark in marks))


def counts(label: str, most: float) -> Axis:
    """An axis of counts from 0: whole numbers, with room above the largest."""
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10**5) if most / n <= 6)
    top = max(1, math.ceil(most / step)) * step
    return Axis(label, 0, top, tuple((n, str(n)) for n in range(0, top + 1, step)))


def decades(label: str, low: float, high: float) -> Axis:
    """A logarithmic axis over whole powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / 6))
    ticks = tuple((10.0**n, number_text(10.0**n, 1) if -4 < n < 5 else f"1e{n}") for n in range(first, last + 1, every))
    return Axis(label, 10.0**first, 10.0**last, ticks, log=True)


def days(label: str, start_us: int, end_us: int, most: int = 7) -> Axis:
    """A time axis, UTC [us], with the first days of months as ticks."""
    first, last = (datetime.fromtimestamp(us / 1e6, UTC) for us in (start_us, end_us))
    months = [(year, month) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    begins = [round(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000 for year, month in months]
    inside = [us for us in begins if start_us <= us <= end_us]
    every = next((n for n in (1, 2, 3, 6, 12) if len(inside) / n <= most), 24)
    chosen = [us for us in inside if datetime.fromtimestamp(us / 1e6, UTC).month % every == 1 % every]
    ticks = tuple((us, f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m}") for us in chosen)
    return Axis(label, start_us, max(end_us, start_us + DAY_US), ticks)


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes and the room between them; its methods draw into that room and return SVG."""

    x: Axis
    y: Axis
    height: int = 250
    left: int = 62
    top: int = 26
    width: int = 700
    right: int = 14
    bottom: int = 42

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The point of a pair of values. [px]"""
        across, down = self.width - self.left - self.right, self.height - self.top - self.bottom
        return self.left + across * self.x.share(x), self.height - self.bottom - down * self.y.share(y)

    def line(
        self, points: Iterable[tuple[float, float]], *, dash: str = "", colour: str = DARK, size: float = 1.6
    ) -> str:
        """A line through points; a NaN breaks it."""
        parts, move = [], True
        for x, y in points:
            if math.isnan(y) or math.isnan(x):
                move = True
                continue
            across, down = self.at(x, y)
            parts.append(f"{'M' if move else 'L'}{across:.1f} {down:.1f}")
            move = False
        return f'<path d="{"".join(parts)}" fill="none" stroke="{colour}" stroke-width="{size}"{_dash(dash)}/>'

    def steps(self, points: Sequence[tuple[float, float]]) -> str:
        """A line that holds each value until the next."""
        walked = [point for (x, y), after in pairwise(points) for point in ((x, y), (after[0], y))]
        return self.line([*walked, *points[-1:]])

    def across(self, y: float, words: str = "", *, dash: str = "6 3") -> str:
        """A level line with words above its right end."""
        low, high = self.at(self.x.low, y), self.at(self.x.high, y)
        label = _text(high[0] - 2, high[1] - 4, words, anchor="end", colour=ORANGE) if words else ""
        return _segment(*low, *high, dash, ORANGE) + label

    def upright(self, x: float, words: str = "", *, dash: str = "2 3", row: int = 0) -> str:
        """An upright line with words beside its top; `row` moves them down where several stand close together."""
        low, high = self.at(x, self.y.low), self.at(x, self.y.high)
        far = self.x.share(x) > 0.7
        place = (high[0] + (-4 if far else 4), high[1] + 9 + 12 * row)
        label = _text(*place, words, anchor="end" if far else "start", colour=MIDDLE) if words else ""
        return _segment(*low, *high, dash, MIDDLE) + label

    def bar(self, x: tuple[float, float], y: tuple[float, float], *, hatched: bool = False) -> str:
        """A bar between two values of each axis, filled or hatched."""
        (left, bottom), (right, top) = self.at(x[0], y[0]), self.at(x[1], y[1])
        fill = "url(#h)" if hatched else DARK
        size = f'width="{max(right - left - 0.8, 0.6):.1f}" height="{bottom - top:.1f}"'
        return f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{fill}" stroke="{DARK}" stroke-width=".5"/>'

    def mark(self, x: float, y: float, kind: str) -> str:
        """One of: asked (triangle), confirmed (disc), good (ring), unknown (small square), failed (cross)."""
        return symbol(kind, *self.at(x, y))

    def words(self, x: float, y: float, words: str, *, anchor: str = "start", size: float = 9) -> str:
        """Words at a pair of values."""
        across, down = self.at(x, y)
        return _text(across, down, words, anchor=anchor, size=size)

    def svg(self, title: str, desc: str, *marks: str, legend: Sequence[tuple[str, str]] = (), grid: bool = True) -> str:
        """The picture: axes with labels, what was drawn, and a legend of (kind of mark, words)."""
        corner, far = self.at(self.x.low, self.y.low), self.at(self.x.high, self.y.high)
        parts = [_segment(corner[0], corner[1], far[0], corner[1]), _segment(corner[0], corner[1], corner[0], far[1])]
        for value, words in self.x.ticks:
            across, down = self.at(value, self.y.low)
            parts += [_segment(across, down, across, down + 4), _text(across, down + 15, words, anchor="middle")]
        for value, words in self.y.ticks:
            across, down = self.at(self.x.low, value)
            if grid and down < corner[1] - 1:
                parts.append(_segment(across, down, far[0], down, "", LIGHT, 0.5))
            parts.append(_text(across - 5, down + 3.2, words, anchor="end"))
        middle = (corner[1] + far[1]) / 2
        parts.append(_text((corner[0] + far[0]) / 2, self.height - 6, self.x.label, anchor="middle", size=10.5))
        if self.y.label:
            turned = f'<g transform="translate(12 {middle:.1f}) rotate(-90)">{{}}</g>'
            parts.append(turned.format(_text(0, 0, self.y.label, anchor="middle", size=10.5)))
        return _svg(self.width, self.height, title, desc, [*parts, *marks, *_legend(legend, self.left)])


def thinned(values: Sequence[float], most: int = LINES) -> list[int]:
    """The indices to draw: all of them, or first, last, and the least and greatest of each stretch."""
    if len(values) <= most:
        return list(range(len(values)))
    step = -(-len(values) // (most // 2))
    keep = {0, len(values) - 1}
    for start in range(0, len(values), step):
        stretch = range(start, min(start + step, len(values)))
        keep.add(min(stretch, key=values.__getitem__))
        keep.add(max(stretch, key=values.__getitem__))
    return sorted(keep)


def symbol(kind: str, x: float, y: float) -> str:
    """A mark of `Frame.mark` at a point. [px]"""
    pen = f'stroke="{DARK}" stroke-width="1.3"'
    shapes = {
        "asked": f'<path d="M{x - 4:.1f} {y - 3.5:.1f}h8l-4 7z" fill="{ORANGE}" stroke="{ORANGE}"/>',
        "confirmed": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{DARK}" {pen}/>',
        "good": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="white" {pen}/>',
        "unknown": f'<rect x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5" fill="white" {pen}/>',
        "failed": f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{ORANGE}" stroke-width="2.2"/>',
        "bar": f'<rect x="{x - 6:.1f}" y="{y - 4:.1f}" width="12" height="8" fill="{DARK}"/>',
        "hatched": f'<rect x="{x - 6:.1f}" y="{y - 4:.1f}" width="12" height="8" fill="url(#h)" stroke="{DARK}"/>',
        "line": _segment(x - 9, y, x + 9, y, "", DARK, 1.6),
        "dashed": _segment(x - 9, y, x + 9, y, "7 3", DARK, 1.6),
        "dotted": _segment(x - 9, y, x + 9, y, "2 3", DARK, 1.6),
        "dotdash": _segment(x - 9, y, x + 9, y, "8 3 2 3", DARK, 1.6),
    }
    return shapes[kind]


def _legend(legend: Sequence[tuple[str, str]], left: int) -> list[str]:
    parts, at = [], float(left + 6)
    for kind, words in legend:
        parts += [symbol(kind, at, 10), _text(at + 12, 13.5, words, size=10)]
        at += 30 + 5.4 * len(words)
    return parts


def _dash(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ""


def _segment(
    x1: float, y1: float, x2: float, y2: float, dash: str = "", colour: str = "black", size: float = 1.0
) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{size}"{_dash(dash)}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = "black", size: float = 9.5) -> str:
    look = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(words)}</text>'


def _svg(width: int, height: int, title: str, desc: str, parts: Sequence[str]) -> str:
    room = f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d" {_FONT}'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {room}>'
    told = f'<title id="t">{escape(title)}</title><desc id="d">{escape(desc)}</desc>'
    paper = f'<rect width="{width}" height="{height}" fill="white"/>'
    return head + told + _HATCH + paper + "".join(parts) + "</svg>"
