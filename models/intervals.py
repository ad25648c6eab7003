"""Intervals for rates, so that no rate stands without one. All are 90 % and two-sided unless another level is given.

References
----------
Brown, Cai, DasGupta 2001, Interval estimation for a binomial proportion, Statistical Science 16 (Jeffreys interval).
Garwood 1936, Fiducial limits for the Poisson distribution, Biometrika 28 (exact interval of a rate).
Hahn, Meeker 1991, Statistical Intervals, section 5.2 (distribution-free interval of a median by order statistics).
Przyborowski, Wilenski 1940, Homogeneity of results in testing samples from Poisson series, Biometrika 31 (two rates).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds; `n` is the count it rests on. NaN where there is nothing to estimate."""

    value: float
    low: float
    high: float
    n: int


def share_interval(count: int, of: int, level: float = LEVEL) -> Interval:
    """Share `count` / `of` with the Jeffreys interval Beta(count + 1/2, of - count + 1/2).

    >>> i = share_interval(11, 27)
    >>> round(i.value, 3), round(i.low, 3), round(i.high, 3), i.n
    (0.407, 0.264, 0.565, 27)
    """
    if of <= 0:
        return Interval(float("nan"), 0.0, 1.0, 0)
    tail = (1 - level) / 2
    posterior = stats.beta(count + 0.5, of - count + 0.5)
    low = 0.0 if count == 0 else float(posterior.ppf(tail))
    high = 1.0 if count == of else float(posterior.ppf(1 - tail))
    return Interval(count / of, low, high, of)


def rate_interval(events: int, exposure: float, level: float = LEVEL) -> Interval:
    """Rate `events` / `exposure` with Garwood's exact Poisson interval; the unit is one over that of `exposure`."""
    if exposure <= 0:
        return Interval(float("nan"), 0.0, float("inf"), events)
    tail = (1 - level) / 2
    low = 0.0 if events == 0 else float(stats.chi2.ppf(tail, 2 * events)) / 2
    high = float(stats.chi2.ppf(1 - tail, 2 * events + 2)) / 2
    return Interval(events / exposure, low / exposure, high / exposure, events)


def median_interval(values: Iterable[float], level: float = LEVEL) -> Interval:
    """Median with the distribution-free interval between two of the values; unbounded where they are too few.

    >>> i = median_interval(range(1, 11))
    >>> i.value, i.low, i.high, i.n
    (5.5, 2.0, 9.0, 10)
    """
    ordered = np.sort(np.array(list(values), dtype=float))
    n = len(ordered)
    if not n:
        return Interval(math.nan, -math.inf, math.inf, 0)
    below = int(stats.binom.ppf((1 - level) / 2, n, 0.5))  # P(fewer than `below` lie under the median) < tail
    low, high = (float(ordered[below - 1]), float(ordered[n - below])) if below else (-math.inf, math.inf)
    return Interval(float(np.median(ordered)), low, high, n)


def ratio_interval(events: int, exposure: float, others: int, rest: float, level: float = LEVEL) -> Interval:
    """Ratio of the rates `events` / `exposure` and `others` / `rest`, exact given the sum of both counts.

    >>> i = ratio_interval(6, 1.0, 3, 1.0)
    >>> round(i.value, 9), i.low < 1 < i.high, i.n
    (2.0, True, 9)
    """
    n = events + others
    if not n or exposure <= 0 or rest <= 0:
        return Interval(math.nan, 0.0, math.inf, n)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, events, others + 1)) if events else 0.0
    high = float(stats.beta.ppf(1 - tail, events + 1, others)) if others else 1.0
    odds = [p / (1 - p) if p < 1 else math.inf for p in (events / n, low, high)]
    value, below, above = (o * rest / exposure for o in odds)
    return Interval(value, below, above, n)
