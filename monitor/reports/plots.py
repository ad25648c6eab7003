"""The plots of the reports as SVG: matplotlib with a fixed hash salt and no date, so that equal data make equal bytes.

No text from a vendor goes into a plot. Colours are the Okabe-Ito set; each series also differs by its mark or line.
"""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

mpl.use("svg")
_STYLE: Any = {
    "svg.hashsalt": "handwheel",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#606060"
LINES = 1_500  # points that an eye can tell apart on a page


def _figure(height: float = 2.6) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


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


def evidence_path(e_values: Sequence[float], labels: tuple[str, str], line: float = 20.0) -> str:
    """The e-value after each cluster of findings on a logarithmic axis, with the line at which a flag is raised."""
    figure, axes = _figure()
    at = thinned(e_values)
    axes.step([i + 1 for i in at], [max(e_values[i], 1e-4) for i in at], where="post", color=BLUE)
    axes.axhline(line, color=RED, linestyle="--", linewidth=1)
    axes.set_yscale("log")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return _svg(figure)


def wear_histogram(wear_pct: Sequence[float], labels: tuple[str, str]) -> str:
    """As-found wear at removal against the agreed limit (100 %)."""
    figure, axes = _figure()
    axes.hist(wear_pct, bins=[float(edge) for edge in range(0, 161, 10)], color=BLUE, edgecolor="white")
    axes.axvline(100, color=RED, linestyle="--", linewidth=1)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return _svg(figure)


def monthly_bars(
    months: Sequence[str],
    vendor: Sequence[int],
    own: Sequence[int],
    labels: tuple[str, str],
    events: Sequence[str] = (),
) -> str:
    """Alerts per month of both origins, with lines at the months of known events."""
    figure, axes = _figure()
    places = list(range(len(months)))
    axes.bar([p - 0.2 for p in places], vendor, 0.4, color=ORANGE, label=labels[0], hatch="//", edgecolor="white")
    axes.bar([p + 0.2 for p in places], own, 0.4, color=BLUE, label=labels[1])
    for month in events:
        if month in months:
            axes.axvline(months.index(month), color=GREY, linestyle=":", linewidth=1)
    every = max(1, len(months) // 8)
    axes.set_xticks(places[::every], months[::every])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, ncols=2)
    return _svg(figure)


def tipping_curve(q0: Sequence[float], e_values: Sequence[float], labels: tuple[str, str], chosen: float) -> str:
    """The e-value against the agreed minimum confirmation rate q0: where would the answer change?"""
    figure, axes = _figure()
    axes.plot(q0, [max(e, 1e-4) for e in e_values], color=BLUE)
    axes.axhline(20, color=RED, linestyle="--", linewidth=1)
    axes.axvline(chosen, color=GREY, linestyle=":", linewidth=1)
    axes.set_yscale("log")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return _svg(figure)
