"""The pictures of a model card: what the model said over time, and the efficiency beside the as-installed curve.

Drawn by matplotlib from a walked past, thinned to what an eye can tell apart; equal data make equal bytes.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from models.health import HealthModel, Limits
from models.health.index import ALERT, WARNING, health_index
from models.health.state import STEADY
from models.health.walk import Walk
from monitor.labels import quantity_word
from monitor.reports import plots
from monitor.reports.document import Block, Plot
from monitor.words import _, number_text

STEPS = 120  # bars of the contributions over time
SHOWN = 5  # quantities with a colour of their own
POINTS = 1_500
RESIDUALS = ("head_residual", "power_residual", "bearing_over_ambient")
DAY_US = 86_400_000_000


def pictures(
    model: HealthModel, walked: Walk, derived: pd.DataFrame, limits: Limits, learned_us: tuple[int, int]
) -> tuple[Block, ...]:
    """All that the data allow; `derived` holds the columns of models.health.physics.derived, row by row as `walked`."""
    blocks = [
        _index(walked, learned_us),
        *_residuals(walked),
        *_contributions(walked),
        *_efficiency(model, walked, derived, limits),
    ]
    return tuple(blocks)


def _index(walked: Walk, learned_us: tuple[int, int]) -> Plot:
    known = np.isfinite(walked.index)
    warning = float(health_index(WARNING, ALERT))
    times = _days(walked.times)
    unknown = _stretches(times, ~known)
    learned = (learned_us[0] / DAY_US, learned_us[1] / DAY_US)
    svg = plots.index_trend(times, walked.index, unknown, learned, (50.0, warning),
                            (_("index"), _("unknown"), _("alert"), _("warning"), _("learned from")))  # fmt: skip
    words = _("index from {low} to {high}, unknown in {unknown} % of the rows; alert line 50, warning line {warning}")
    low, high = (np.nanmin(walked.index), np.nanmax(walked.index)) if known.any() else (np.nan, np.nan)
    told = words.format(low=number_text(low), high=number_text(high), warning=number_text(warning),
                        unknown=number_text(100 * float((~known).mean()), 2))  # fmt: skip
    return Plot("index", svg, _("Health index over time"), told)


def _residuals(walked: Walk) -> list[Plot]:
    """The residual against the curve where there is one, else of the quantity that contributed most."""
    names: list[str] = [one for one in RESIDUALS if one in walked.features]
    if not names and walked.features:
        names = [walked.features[int(np.nanargmax(np.nan_to_num(walked.shares).sum(axis=0)))]]
    apart = walked.value - walked.expected
    series = {quantity_word(name): apart[:, walked.features.index(name)] for name in names}
    series = {word: one for word, one in series.items() if np.isfinite(one).any()}
    if not series:
        return []
    svg = plots.trends(_days(walked.times), series, _("value less expected"))
    told = "; ".join(
        _("{quantity}: median {middle}, last {last}").format(
            quantity=word, middle=number_text(float(np.nanmedian(one))),
            last=number_text(float(one[np.isfinite(one)][-1])),
        )
        for word, one in series.items()
    )  # fmt: skip
    return [Plot("residuals", svg, _("Residuals: each value less what the others let expect"), told)]


def _contributions(walked: Walk) -> list[Plot]:
    known = np.isfinite(walked.shares).any(axis=1)
    if not known.any():
        return []
    edges = np.linspace(0, len(known), min(STEPS, len(known)) + 1).astype(int)
    weight = np.nan_to_num(walked.shares)
    means = np.array([
        weight[a:b][known[a:b]].mean(axis=0) if known[a:b].any() else np.full(weight.shape[1], np.nan)
        for a, b in pairwise(edges)
    ])  # fmt: skip
    order = np.argsort(-np.nan_to_num(means).mean(axis=0), kind="stable")
    first = order[:SHOWN]
    series = {quantity_word(walked.features[i]): means[:, i] for i in first}
    if len(order) > SHOWN:
        series[_("others")] = means[:, order[SHOWN:]].sum(axis=1)
    svg = plots.stacked(_days(walked.times)[edges[:-1]], series, _("share of the score [%]"))
    told = ", ".join(f"{word} {number_text(float(np.nanmean(one)), 2)} %" for word, one in series.items())
    return [Plot("contributions", svg, _("Which quantity the score came from"), told)]


def _efficiency(model: HealthModel, walked: Walk, derived: pd.DataFrame, limits: Limits) -> list[Plot]:
    curve = model.reference.curves.get("efficiency")
    if curve is None or "efficiency" not in derived:
        return []
    here = (walked.state == STEADY) & derived[["flow_n", "efficiency"]].notna().all(axis=1).to_numpy()
    at = np.flatnonzero(here)
    if not len(at):
        return []
    at = at[np.unique(np.linspace(0, len(at) - 1, min(POINTS, len(at))).astype(int))]
    flow, eta = (derived[name].to_numpy(float)[at] for name in ("flow_n", "efficiency"))
    x = np.linspace(curve.low, curve.high, 60)
    y = curve.at(x)
    u = limits.coverage * y * float(np.sqrt(limits.u_flow**2 + limits.u_head**2 + limits.u_power**2)) / 100
    age = np.linspace(0.0, 1.0, len(at))
    svg = plots.scatter_on_curve((flow, eta, age), (x, y, u),
                                 (_("flow at rated speed [m3/h]"), _("efficiency [%]"), _("as installed"),
                                  _("measurement uncertainty"), _("first half"), _("second half")))  # fmt: skip
    below = float((eta < curve.at(flow) - limits.efficiency_points[0]).mean())
    told = _("{n} points; {share} % of them more than {points} points below the curve").format(
        n=len(at), share=number_text(100 * below, 2), points=number_text(limits.efficiency_points[0]))  # fmt: skip
    return [Plot("efficiency", svg, _("Efficiency beside the as-installed curve"), told)]


def _days(times: pd.DatetimeIndex) -> np.ndarray:
    """Days since 1970, as matplotlib counts them."""
    return np.asarray(times.as_unit("us").asi8 / DAY_US)


def _stretches(times: np.ndarray, flag: np.ndarray) -> Sequence[tuple[float, float]]:
    """Begin and end of each stretch of rows that are flagged; the shortest are joined with their neighbours."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flag.astype(int), [0]])))
    step = float(times[1] - times[0]) if len(times) > 1 else 0.0
    found: list[tuple[float, float]] = []
    least = (times[-1] - times[0]) / 400 if len(times) else 0.0
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        start, end = float(times[a]), float(times[b - 1]) + step
        if found and start - found[-1][1] < least:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
