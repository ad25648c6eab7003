"""The plots of model cards as SVG: matplotlib with a fixed hash salt and no date, so that equal data make equal bytes.

No text from a vendor goes into a plot. Colours are the Okabe-Ito set; each series also differs by its mark or line.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monitor.reports.drawing import LINES, thinned

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


def _figure(height: float = 2.6) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _dated(axes: Axes, days: np.ndarray) -> None:
    """Days since 1970 [d] as UTC dates in figures, which every language reads."""
    axes.xaxis_date()
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=7))
    short = len(days) > 0 and days[-1] - days[0] < 4
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%m-%d %H:%M" if short else "%Y-%m-%d"))


def _broken(days: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thinned points of a series, with a gap wherever values are missing: no line is drawn over what nobody knows."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > LINES:
        known = known[thinned(values[known].tolist())]
    if not len(known):
        return days[:0], values[:0]
    missing = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    step = np.diff(missing[known], prepend=missing[known[0]])
    return np.insert(days[known], np.flatnonzero(step), days[known][step > 0]), np.insert(
        values[known], np.flatnonzero(step), np.nan
    )


def index_trend(
    days: np.ndarray, index: np.ndarray, unknown: Sequence[tuple[float, float]], learned: tuple[float, float],
    lines: tuple[float, float], labels: tuple[str, str, str, str, str],
) -> str:  # fmt: skip
    """A health index over time with its alert and warning line; shaded: what was learned from, what is not known.

    `days` since 1970 [d]; `labels`: index, unknown, alert, warning, learned.
    """
    figure, axes = _figure()
    if len(days) and learned[0] < days[-1] and learned[1] > days[0]:
        shown = (max(learned[0], days[0]), min(learned[1], days[-1]))
        axes.axvspan(*shown, facecolor="#dceaf4", linewidth=0, label=labels[4])
    for n, (start, end) in enumerate(unknown):
        axes.axvspan(start, end, color="#d8d8d8", linewidth=0, label=labels[1] if not n else None)
    axes.plot(*_broken(days, index), color=BLUE, linewidth=1, label=labels[0])
    axes.axhline(lines[0], color=RED, linestyle="--", linewidth=1.2, label=f"{labels[2]} {lines[0]:.0f}")
    axes.axhline(lines[1], color=ORANGE, linestyle="-.", linewidth=1.2, label=f"{labels[3]} {lines[1]:.0f}")
    axes.set_ylim(0, 100)
    axes.set_ylabel(labels[0])
    _dated(axes, days)
    axes.legend(frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def trends(days: np.ndarray, series: Mapping[str, np.ndarray], label: str) -> str:
    """Residuals over time, each in a strip of its own with its zero. `days` since 1970 [d]."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.6 + 1.3 * len(series)), layout="constrained")
        strips = figure.subplots(len(series), sharex=True, squeeze=False)[:, 0]
        for axes, (word, values) in zip(strips, series.items(), strict=True):
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.plot(*_broken(days, values), color=BLUE, linewidth=0.8)
            axes.set_ylabel(word)
        _dated(strips[-1], days)
        figure.supylabel(label)
    return _svg(figure)


def stacked(days: np.ndarray, series: Mapping[str, np.ndarray], label: str) -> str:
    """Shares that add up to 100 over time, as bars on each other; nothing where nothing is known."""
    figure, axes = _figure()
    colours = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#b0b0b0")
    marks = ("", "//", "..", "xx", "--", "")
    width = float(np.min(np.diff(days))) if len(days) > 1 else 1.0
    below = np.zeros(len(days))
    for n, (word, values) in enumerate(series.items()):
        height = np.nan_to_num(values)
        axes.bar(days, height, width, bottom=below, align="edge", color=colours[n % 6], hatch=marks[n % 6],
                 edgecolor="white", linewidth=0, label=word)  # fmt: skip
        below += height
    axes.set_ylim(0, 100)
    axes.set_ylabel(label)
    _dated(axes, days)
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def scatter_on_curve(
    points: tuple[np.ndarray, np.ndarray, np.ndarray], curve: tuple[np.ndarray, np.ndarray, np.ndarray],
    labels: tuple[str, str, str, str, str, str],
) -> str:  # fmt: skip
    """Points (x, y, age from 0 to 1) beside a curve (x, y, half width of its band).

    `labels`: x axis, y axis, curve, band, oldest, newest.
    """
    figure, axes = _figure(3.4)
    x, y, half = curve
    axes.fill_between(x, y - half, y + half, color="#d8d8d8", linewidth=0, label=labels[3])
    old = points[2] < 0.5
    axes.scatter(points[0][old], points[1][old], s=9, marker="o", color="#56B4E9", linewidth=0, label=labels[4])
    axes.scatter(points[0][~old], points[1][~old], s=12, marker="^", color=RED, linewidth=0, label=labels[5])
    axes.plot(x, y, color="black", linewidth=1.5, label=labels[2])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)
