"""Why alerts look as they do: a hidden calendar, a step at a contract, what deferral led to, work that harms.

These say why and never flag alone: each has honest explanations, and each is shown with its negative control.

References
----------
Silverman 1986, Density Estimation (kernel estimate); Efron, Tibshirani 1993, An Introduction to the Bootstrap.
Fisher 1935 (exact test); Przyborowski, Wilenski 1940, Biometrika 31 (conditional test of two Poisson rates).
Kaplan, Meier 1958, JASA 53; Kalbfleisch, Prentice 2002 (log-log interval). Waddington 1973, O.R. in World War 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from models.intervals import LEVEL, Interval, ratio_interval

GRID = 256
FEWEST = 10
MOST = 2_000


@dataclass(frozen=True, slots=True)
class Spike:
    """D1: the most crowded narrow window of ages. `p` is NaN with fewer than 10 ages."""

    n: int
    p: float
    age: float  # middle of the window, in the unit of the ages
    share: float  # of all ages: excess over what a smooth distribution puts there; biased upward when n is small


@dataclass(frozen=True, slots=True)
class Step:
    """D2: vendor alerts after against before one listed date, relative to our own alerts."""

    name: str
    at_us: int
    vendor: tuple[int, int]  # before, after
    own: tuple[int, int]
    ratio: float  # of the ratios; NaN where a count is 0
    p: float  # one-sided, Fisher: the vendor rose more than our own


@dataclass(frozen=True, slots=True)
class Deferral:
    """D3: share that failed within the horizon after an alert was deferred."""

    n: int
    failed: int
    rate: Interval
    randomised: int  # of n: chosen by lot; the others were chosen by people, and are the better ones


@dataclass(frozen=True, slots=True)
class Waddington:
    """D4: failures soon after work over failures at other times, as a ratio of rates."""

    works: int
    soon: int
    later: int
    ratio: Interval
    control: Interval  # the same at a time when the work can have no effect


def spike_scan(ages: ArrayLike, *, width: float = 0.06, boots: int = 199, seed: int = 1) -> Spike:
    """D1: do ages at alert crowd at one value more than a smooth distribution would let them.

    Excess in windows of relative width `width` over a kernel estimate of the log ages whose bandwidth is at least
    twice the window; p by parametric bootstrap from that estimate, fitted anew each time with the same bandwidth.
    Free of the unit of time.

    Parameters
    ----------
    ages : array_like
        Time since last service at alert, positive, any unit.
    """
    given = np.asarray(ages, dtype=float)
    if not (np.isfinite(given) & (given > 0)).all():
        raise ValueError("ages at alert must be positive and finite")
    logs = np.log(given)
    rng = np.random.default_rng(seed)
    if len(logs) > MOST:
        logs = rng.choice(logs, MOST, replace=False)
    n = len(logs)
    if n < FEWEST or np.ptp(logs) < width:
        return Spike(n, math.nan, math.nan, math.nan)
    bandwidth = _bandwidth(logs, width)
    grid = np.linspace(logs.min() - 4 * bandwidth, logs.max() + 4 * bandwidth, GRID)
    kernel = special.ndtr((grid[:, None] - grid[None, :]) / bandwidth)  # one for all samples: they share the grid
    excess, middle, surplus = _largest_excess(logs, width, grid, kernel)
    reached = 0
    for _ in range(boots):
        sample = rng.choice(logs, n) + bandwidth * rng.standard_normal(n)
        reached += _largest_excess(sample, width, grid, kernel)[0] >= excess
    return Spike(n, (1 + reached) / (boots + 1), math.exp(middle), max(0.0, surplus) / n)


def step_change(
    vendor_us: ArrayLike, own_us: ArrayLike, events: Mapping[str, int], start_us: int, end_us: int
) -> list[Step]:
    """D2: for each date listed beforehand, (V_after / V_before) / (O_after / O_before) and Fisher's one-sided p.

    A vendor that lowers its threshold gives one pulse and then a higher plateau; our own alerts also fall when parts
    are replaced earlier, so both series are shown.
    """
    vendor, own = (np.asarray(times, dtype=np.int64) for times in (vendor_us, own_us))
    steps = []
    for name, at in sorted(events.items(), key=lambda item: (item[1], item[0])):
        if not start_us < at < end_us:
            continue
        (vb, va), (ob, oa) = (
            (int(((t >= start_us) & (t < at)).sum()), int(((t >= at) & (t < end_us)).sum())) for t in (vendor, own)
        )
        ratio = va * ob / (vb * oa) if vb and oa else math.nan
        p = float(stats.fisher_exact([[va, vb], [oa, ob]], alternative="greater").pvalue)
        steps.append(Step(name, at, (vb, va), (ob, oa), ratio, p))
    return steps


def deferral(days: ArrayLike, failed: ArrayLike, horizon_days: float, randomised: int = 0) -> Deferral:
    """D3: Kaplan-Meier share failed within `horizon_days` after deferral, 90 % log-log interval.

    Parameters
    ----------
    days : array_like
        From the deferral to failure, to the work that was done after all, or to the end of the period. [d]
    failed : array_like of bool
        Whether it was a failure; the others are censored.
    """
    time, event = np.asarray(days, dtype=float), np.asarray(failed, dtype=bool)
    n = len(time)
    if not n:
        return Deferral(0, 0, Interval(math.nan, 0.0, 1.0, 0), randomised)
    alive, greenwood = 1.0, 0.0
    for moment in np.unique(time[event & (time <= horizon_days)]):
        at_risk, died = int((time >= moment).sum()), int((event & (time == moment)).sum())
        alive *= 1 - died / at_risk
        greenwood += died / (at_risk * (at_risk - died)) if at_risk > died else math.inf
    hits = int((event & (time <= horizon_days)).sum())
    if 0 < alive < 1:
        half = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(greenwood) / abs(math.log(alive))
        low, high = 1 - alive ** math.exp(-half), 1 - alive ** math.exp(half)
    else:
        low, high = (0.0, float(stats.beta.ppf(LEVEL, 1, n))) if alive == 1 else (0.0, 1.0)
    return Deferral(n, hits, Interval(1 - alive, low, high, n), randomised)


def waddington(
    works: Mapping[str, Sequence[float]],
    failures: Mapping[str, Sequence[float]],
    period: tuple[float, float],
    *,
    window: float,
    shift: float,
) -> Waddington:
    """D4: are failures more frequent within `window` after work that nothing called for.

    Only clock-triggered work, or work that found a good part, belongs into `works`: sick pumps attract work. The
    control looks at the same windows moved by `shift`, where the work can have no effect.

    Parameters
    ----------
    works, failures : mapping
        Asset -> times; any unit, the same everywhere.
    period : (float, float)
        Start and end.
    """
    ratio, soon, later = _rate_ratio(works, failures, period, window)
    moved = {asset: [t + shift for t in times] for asset, times in works.items()}
    control, _, _ = _rate_ratio(moved, failures, period, window)
    return Waddington(sum(len(times) for times in works.values()), soon, later, ratio, control)


def _bandwidth(logs: NDArray[np.float64], width: float) -> float:
    silverman = 0.9 * min(float(logs.std(ddof=1)), float(stats.iqr(logs)) / 1.34 or math.inf) * len(logs) ** -0.2
    return max(2 * width, float(silverman))


def _largest_excess(
    logs: NDArray[np.float64], width: float, grid: NDArray[np.float64], kernel: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Largest standardised excess in a window that starts at a datum; its middle and its surplus count.

    The kernel estimate is fitted on counts by cell of the grid, whose cells are far narrower than the bandwidth.
    """
    ordered = np.sort(logs)
    cell = np.clip(np.rint((ordered - grid[0]) / (grid[1] - grid[0])).astype(np.int64), 0, len(grid) - 1)
    cdf = kernel @ np.bincount(cell, minlength=len(grid)) / len(ordered)
    ends = ordered + width
    count = np.searchsorted(ordered, ends, side="right") - np.arange(len(ordered))
    expected = len(ordered) * (np.interp(ends, grid, cdf) - np.interp(ordered, grid, cdf))
    excess = (count - expected) / np.sqrt(expected + 1)
    best = int(excess.argmax())
    return float(excess[best]), float(ordered[best] + width / 2), float(count[best] - expected[best])


def _rate_ratio(
    works: Mapping[str, Sequence[float]],
    failures: Mapping[str, Sequence[float]],
    period: tuple[float, float],
    window: float,
) -> tuple[Interval, int, int]:
    start, end = period
    soon = later = 0
    exposed = free = 0.0
    for asset in works.keys() | failures.keys():
        spans = _united([(max(t, start), min(t + window, end)) for t in works.get(asset, ())])
        inside = sum(b - a for a, b in spans)
        exposed += inside
        free += end - start - inside
        for failure in failures.get(asset, ()):
            if start <= failure < end:
                hit = any(a < failure <= b for a, b in spans)
                soon, later = soon + hit, later + (not hit)
    return ratio_interval(soon, exposed, later, free), soon, later


def _united(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for a, b in sorted(span for span in spans if span[0] < span[1]):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], b))
        else:
            merged.append((a, b))
    return merged
