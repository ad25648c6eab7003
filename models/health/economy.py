"""When to replace, in the utility's own money: what a policy costs a year, never what a vendor's calendar says.

References
----------
Barlow, Proschan 1965, Mathematical Theory of Reliability (age replacement).
Beebe 2004, Predictive Maintenance of Pumps Using Condition Monitoring (wear cost that grows by the month).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.health.hazard import YEAR_D, Hazard, Weibull, between
from models.intervals import Interval

POINTS = 60

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Cost of replacing at an age or at failure, whichever is first: (C_p S + C_f F) / mean time in service.

    By the Weibull curve with its bootstrap, and by the counts alone (Nelson-Aalen steps). A `best` of infinity is "run
    it to failure". Ages end at the oldest age seen: of a policy beyond that nothing is known.
    """

    ages_d: Floats
    by_curve: Floats  # [currency/year]
    low: Floats
    high: Floats
    by_counts: Floats
    best_d: Interval  # cheapest age by the curve
    extrapolated: bool  # that age was not reached by any part: nobody has seen what happens there
    best_by_counts_d: float  # cheapest age by the counts; infinite where none is cheaper than the oldest age seen


def cost_curve(found: Hazard, planned: float, failure: float) -> CostCurve | None:
    """The age replacement curve for C_p = `planned` and C_f = `failure` [currency]; None without failures."""
    if found.weibull is None:
        return None
    curve = found.weibull
    ages = found.oldest_d * np.arange(1, POINTS + 1) / POINTS
    draws = np.array([_weibull_cost(ages, k, scale, planned, failure) for k, scale in _drawn(curve)])
    low, high = np.quantile(draws, (0.05, 0.95), axis=0)
    best = best_age(curve.shape.value, curve.scale_d.value, planned, failure)
    bests = np.array([best_age(k, scale, planned, failure) for k, scale in _drawn(curve)])
    counted = _counted_cost(found, ages, planned, failure)
    at = int(counted.argmin())
    best_counted = float(ages[at]) if at < len(ages) - 1 else math.inf
    return CostCurve(
        ages, _weibull_cost(ages, curve.shape.value, curve.scale_d.value, planned, failure), low, high, counted,
        between(best, bests, found.failures), found.oldest_d < best < math.inf, best_counted,
    )  # fmt: skip


def best_age(shape: float, scale: float, planned: float, failure: float) -> float:
    """The age at which replacing is cheapest, in the unit of `scale`; infinite where waiting is never dearer.

    Where h(T) M(T) - F(T) = C_p / (C_f - C_p), h the rate and M the mean time in service up to T; the left side grows
    with T when the shape is above 1, up to shape-dependent bounds, so it is met once or never.
    """
    if shape <= 1 or failure <= planned:
        return math.inf
    goal = planned / (failure - planned)
    t = np.geomspace(1e-4, 20.0, 4000)  # in units of the scale
    left = shape * t ** (shape - 1) * _mean_time(t, shape) - (1 - np.exp(-(t**shape)))
    over = np.flatnonzero(left >= goal)
    if not len(over) or over[0] == 0:
        return math.inf
    i = over[0]
    return scale * float(t[i - 1] + (goal - left[i - 1]) / (left[i] - left[i - 1]) * (t[i] - t[i - 1]))


def overhaul_interval(cost: float, growth: float) -> float:
    """Months between overhauls at least cost, sqrt(2 O / c): O [currency] each, c [currency/month per month] of wear.

    >>> round(overhaul_interval(8000, 6), 1)
    51.6
    """
    return math.sqrt(2 * cost / growth) if growth > 0 else math.inf


def _drawn(curve: Weibull) -> Floats:
    return curve.draws[~np.isnan(curve.draws[:, 0])]


def _mean_time(t: Floats, shape: float) -> Floats:
    """Integral of exp(-u^shape) from 0 to t, by the incomplete gamma function."""
    return np.asarray(special.gamma(1 + 1 / shape) * special.gammainc(1 / shape, t**shape))


def _weibull_cost(ages: Floats, shape: float, scale: float, planned: float, failure: float) -> Floats:
    t = ages / scale
    failed = 1 - np.exp(-(t**shape))
    return np.asarray((planned * (1 - failed) + failure * failed) / (scale * _mean_time(t, shape)) * YEAR_D)


def _counted_cost(found: Hazard, ages: Floats, planned: float, failure: float) -> Floats:
    """The same from the steps: S = exp(-H), level between failures."""
    edges = np.unique(np.concatenate([[0.0], found.steps.ages_d, ages]))
    step = np.searchsorted(found.steps.ages_d, edges, side="right")
    alive = np.exp(-np.concatenate([[0.0], found.steps.hazard])[step])
    served = np.concatenate([[0.0], np.cumsum(alive[:-1] * np.diff(edges))])
    at = np.searchsorted(edges, ages)
    return np.asarray((planned * alive[at] + failure * (1 - alive[at])) / served[at] * YEAR_D)
