"""Is it getting worse, and how fast: the trend of the health index, of a residual or of a line, with its interval.

A slope through neighbouring values looks far surer than it is, because yesterday's deviation is still there today. So
rows become medians of days, the slope is the median of all slopes between two days (Theil-Sen: a third of the days may
be wrong), and its interval is widened by the number of days that the autocorrelation of the residuals leaves. "No
trend" is an answer: the interval then contains 0.

Notes
-----
The interval (90 %) holds for a straight line in noise of first-order autocorrelation; tests/models/test_health_trend.py
measures its coverage. It knows nothing of a bend to come, nor of a repair inside the window: begin the series after it.

References
----------
Sen 1968, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (slope and interval).
Hamed, Rao 1998, A modified Mann-Kendall trend test for autocorrelated data, Journal of Hydrology 204 (effective size).
Marriott, Pope 1954, Bias in the estimation of autocorrelations, Biometrika 41.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from models.intervals import LEVEL, Interval

FEWEST = 14  # days with a value
WINDOW_D = 90.0
PER_D = 30.0  # slopes are told per 30 days
MOST_LASTING = 0.98  # an estimated autocorrelation beyond this leaves no independent day at all


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through the days of a window. All is NaN and `word` is unknown with fewer than 14 days."""

    word: str  # rising, falling, none (the interval contains 0), unknown
    slope: Interval  # per 30 days; n is the number of days with a value
    level: float  # of the line at the end of the window
    spread: float  # robust standard deviation of the days around the line
    effective: float  # number of independent days that are as good as those n
    reach_d: float  # from the middle of the days to the end of the window [d]
    days: float  # from the first day with a value to the end of the window [d]

    @property
    def slope_error(self) -> float:
        """Standard error of the slope, from its interval. [1/d]"""
        return (self.slope.high - self.slope.low) / (2 * z_value() * PER_D)


def z_value(level: float = LEVEL) -> float:
    """How many standard errors a two-sided interval of `level` reaches to each side."""
    return float(stats.norm.ppf((1 + level) / 2))


def trend(series: pd.Series, days: float = WINDOW_D, end: pd.Timestamp | None = None) -> Trend:
    """The trend of the last `days` [d] of a series up to and with `end` (default: its last row).

    `series` is indexed by UTC time, NaN where unknown; gaps are allowed and rows after `end` are not looked at.
    """
    times = pd.DatetimeIndex(series.index)
    if not len(times):
        return straight(np.empty(0), np.empty(0), 0.0)
    last = times[-1] if end is None else end
    ages = np.asarray((last - times) / pd.Timedelta(days=1), float)
    inside = (ages >= 0) & (ages < days)
    ages, values = ages[inside], series.to_numpy(float)[inside]
    by_day = pd.Series(values).groupby(np.floor(ages)).median().dropna()
    at = -pd.Series(ages).groupby(np.floor(ages)).mean().reindex(by_day.index)
    return straight(at.to_numpy()[::-1], by_day.to_numpy()[::-1], 0.0)


def straight(x: ArrayLike, y: ArrayLike, end: float) -> Trend:
    """The line through values `y` at ascending times `x` [d] that are about equally spaced but for gaps."""
    at, value = np.asarray(x, float), np.asarray(y, float)
    known = np.isfinite(value)
    at, value = at[known], value[known]
    n = len(at)
    nothing = Interval(math.nan, -math.inf, math.inf, n)
    if n < FEWEST:
        return Trend("unknown", nothing, math.nan, math.nan, 0.0, math.nan, end - at[0] if n else 0.0)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((value[second] - value[first]) / (at[second] - at[first]))
    slope = float(np.median(slopes))
    above = value - slope * at
    residual = above - np.median(above)
    spread = 1.4826 * float(np.median(np.abs(residual)))
    effective = n * _independent(at, residual)
    # Kendall's S has variance n(n-1)(2n+5)/18; the effective size widens it
    reach = z_value() * math.sqrt(n * (n - 1) * (2 * n + 5) / 18 * n / effective)
    low_rank, high_rank = round((len(slopes) - reach) / 2), round((len(slopes) + reach) / 2)
    sure = low_rank >= 0 and high_rank < len(slopes)
    low, high = (float(slopes[low_rank]), float(slopes[high_rank])) if sure else (-math.inf, math.inf)
    word = "falling" if high < 0 else "rising" if low > 0 else "none"
    told = Interval(PER_D * slope, PER_D * low, PER_D * high, n)
    return Trend(
        word, told, float(np.median(above)) + slope * end, spread, effective, end - float(at.mean()), end - float(at[0])
    )


def _independent(at: np.ndarray, residual: np.ndarray) -> float:
    """Share of the values that counts as independent: (1 - r) / (1 + r), r from neighbours, unbiased for a line."""
    step = float(np.median(np.diff(at)))
    near = np.diff(at) <= 1.5 * step
    power = float(residual @ residual) / len(residual)
    if power <= 0 or not near.any():
        return 1.0
    r = float((residual[1:] * residual[:-1])[near].mean()) / power
    r += (2 + 4 * r) / len(residual)
    r = min(max(r, 0.0), MOST_LASTING)
    return (1 - r) / (1 + r)
