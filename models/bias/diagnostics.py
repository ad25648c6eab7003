"""Why alerts look as they do: a hidden calendar, a step at a contract, what deferral led to, work that harms.

These say why and never flag alone: each has honest explanations, and each is shown with its negative control.

References
----------
Silverman 1986, Density Estimation (kernel estimate, smoothed bootstrap that keeps the variance: section 6.4.1).
Besag, Clifford 1991, Sequential Monte Carlo p-values, Biometrika 78 (a bootstrap that stops when it has seen enough).
Rayleigh 1919; Zar 1999, Biostatistical Analysis, section 27.1 (is there one preferred moment of a cycle).
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
FEWEST = 10  # ages or moments below which nothing is said
MOST = 2_000
BOOTS = 999
ENOUGH = 10  # samples as crowded as the ages: the p is settled


@dataclass(frozen=True, slots=True)
class Spike:
    """D1: the most crowded narrow window of ages. `p` is NaN with fewer than 10 ages."""

    n: int
    p: float
    age: float  # middle of the window, in the unit of the ages
    share: float  # of all ages: excess over what a smooth distribution puts there; biased upward when n is small


@dataclass(frozen=True, slots=True)
class Season:
    """Whether alerts prefer one moment of a cycle of the calendar. `p` is NaN with fewer than 10 visits."""

    name: str  # month, quarter, year
    n: int  # asset-days with an alert, in whole cycles back from the end of the period
    p: float  # Rayleigh
    strength: float  # mean resultant length: 0 spread evenly, 1 all at one moment
    at: float  # the preferred moment, as share of the cycle; 0 is its first instant
    control_n: int  # of our own alerts and the failures
    control_p: float  # the smaller of both, Bonferroni


@dataclass(frozen=True, slots=True)
class Step:
    """D2: vendor alerts after against before one listed date, relative to our own alerts."""

    name: str
    at_us: int
    vendor: tuple[int, int]  # before, after
    own: tuple[int, int]
    ratio: float  # of the ratios; NaN where a count is 0
    p: float  # one-sided, Fisher: the vendor rose more than our own
    beforehand: bool = True  # the date was registered before the parameters were frozen; else it is no test


@dataclass(frozen=True, slots=True)
class Deferral:
    """D3: share that failed within the horizon after an alert was deferred; each Interval has its number."""

    n: int
    failed: int
    rate: Interval  # of all
    by_lot: Interval  # of those chosen by lot: what deferral does
    by_people: Interval  # of those that people chose, which are the better ones
    break_even: float  # C_p / C_f, mean over the deferrals: below it waiting is cheaper; NaN where nothing is priced

    @property
    def randomised(self) -> int:
        """How many were chosen by lot."""
        return self.by_lot.n


@dataclass(frozen=True, slots=True)
class Waddington:
    """D4: failures soon after work over failures at other times, as a ratio of rates."""

    works: int
    soon: int
    later: int
    ratio: Interval
    control: Interval  # the same at a time when the work can have no effect
    window: float  # after work, in the unit of the times


def spike_scan(ages: ArrayLike, *, width: float = 0.06, grain: float = 0.0, boots: int = BOOTS, seed: int = 1) -> Spike:
    """D1: do ages at alert crowd at one value more than a smooth distribution would let them.

    Excess in windows of relative width `width` over a kernel estimate of the log ages whose bandwidth is at least
    twice the window, drawn together so that it is as wide as the ages are (or as the bandwidth, if they are narrower:
    lives that vary by less than 2 `width` cannot be told from a calendar). p by bootstrap from that estimate, fitted
    anew each time with the same bandwidth, stopped when `ENOUGH` samples were as crowded. Free of the unit of time.

    Parameters
    ----------
    ages : array_like
        Time since last service at alert, positive, any unit.
    grain : float
        Ages closer than this are one, in their unit: they are spread over it, as far as a window allows. Where alerts
        go out on Mondays and work is done on Tuesdays, whole weeks are crowded, and that is no calendar of a part.
    """
    given = np.asarray(ages, dtype=float)
    if not (np.isfinite(given) & (given > 0)).all():
        raise ValueError("ages at alert must be positive and finite")
    rng = np.random.default_rng(seed)
    given = np.sort(given)  # no answer depends on the order of the records
    logs = np.log(given + np.minimum(grain, width * given) * rng.uniform(-0.5, 0.5, len(given)))
    if len(logs) > MOST:
        logs = rng.choice(logs, MOST, replace=False)
    n = len(logs)
    if n < FEWEST:
        return Spike(n, math.nan, math.nan, math.nan)
    bandwidth = _bandwidth(logs, width)
    grid = np.linspace(logs.min() - 4 * bandwidth, logs.max() + 4 * bandwidth, GRID)
    kernel = special.ndtr((grid[:, None] - grid[None, :]) / bandwidth)  # one for all samples: they share the grid
    excess, middle, surplus = _largest_excess(logs, width, bandwidth, grid, kernel)
    mean, drawn = logs.mean(), _drawn_together(logs, bandwidth)
    reached = tried = 0
    while tried < boots and reached < ENOUGH:
        sample = mean + drawn * (rng.choice(logs, n) + bandwidth * rng.standard_normal(n) - mean)
        reached += _largest_excess(sample, width, bandwidth, grid, kernel)[0] >= excess
        tried += 1
    p = reached / tried if reached == ENOUGH else (1 + reached) / (tried + 1)
    return Spike(n, p, math.exp(middle), max(0.0, surplus) / n)


def rayleigh(phases: ArrayLike) -> tuple[float, float, float]:
    """(p, mean resultant length, mean phase in [0, 1)) of phases given as shares of a cycle; NaN below 10.

    p by the approximation of Zar 1999, page 617: good to .001 from n = 10 on.

    >>> p, length, at = rayleigh(np.linspace(0, 1, 20, endpoint=False))
    >>> round(p, 3), round(length, 3)
    (1.0, 0.0)
    """
    turned = np.exp(2j * np.pi * np.asarray(phases, dtype=float))
    n = len(turned)
    if n < FEWEST:
        return math.nan, math.nan, math.nan
    mean = complex(turned.mean())
    p = math.exp(math.sqrt(1 + 4 * n + 4 * n**2 * (1 - abs(mean) ** 2)) - (1 + 2 * n))
    return min(1.0, p), abs(mean), float(np.angle(mean) / (2 * np.pi) % 1)


def step_change(
    vendor_us: ArrayLike,
    own_us: ArrayLike,
    events: Sequence[tuple[str, int]],
    start_us: int,
    end_us: int,
    *,
    beforehand: bool = True,
) -> list[Step]:
    """D2: for each listed date, (V_after / V_before) / (O_after / O_before) and Fisher's one-sided p.

    A vendor that lowers its threshold gives one pulse and then a higher plateau; our own alerts also fall when parts
    are replaced earlier, so both series are shown.
    """
    vendor, own = (np.asarray(times, dtype=np.int64) for times in (vendor_us, own_us))
    steps = []
    for name, at in sorted(events, key=lambda event: (event[1], event[0])):
        if not start_us < at < end_us:
            continue
        (vb, va), (ob, oa) = (
            (int(((t >= start_us) & (t < at)).sum()), int(((t >= at) & (t < end_us)).sum())) for t in (vendor, own)
        )
        ratio = va * ob / (vb * oa) if vb and oa else math.nan
        p = float(stats.fisher_exact([[va, vb], [oa, ob]], alternative="greater").pvalue)
        steps.append(Step(name, at, (vb, va), (ob, oa), ratio, p, beforehand))
    return steps


def deferral(
    days: ArrayLike, failed: ArrayLike, horizon_days: float, by_lot: ArrayLike = (), break_even: float = math.nan
) -> Deferral:
    """D3: Kaplan-Meier share failed within `horizon_days` after deferral, 90 % log-log interval.

    Parameters
    ----------
    days : array_like
        From the deferral to failure, to the work that was done after all, or to the end of the period. [d]
    failed : array_like of bool
        Whether it was a failure; the others are censored.
    by_lot : array_like of bool, optional
        Whether the lot chose it; without, people chose all.
    """
    time, event = np.asarray(days, dtype=float), np.asarray(failed, dtype=bool)
    lot = np.asarray(by_lot, dtype=bool) if np.size(by_lot) else np.zeros(len(time), dtype=bool)
    hits = int((event & (time <= horizon_days)).sum())
    every, drawn, chosen = (failed_within(time[one], event[one], horizon_days) for one in (lot | True, lot, ~lot))
    return Deferral(len(time), hits, every, drawn, chosen, break_even)


def failed_within(days: ArrayLike, failed: ArrayLike, horizon_days: float) -> Interval:
    """Share that fails within `horizon_days`, Kaplan-Meier with its 90 % log-log interval; NaN of nothing.

    Where nothing failed the upper bound is that of 0 out of those followed to the horizon; where all did, there is no
    lower one.
    """
    time, event = np.asarray(days, dtype=float), np.asarray(failed, dtype=bool)
    n = len(time)
    if not n:
        return Interval(math.nan, 0.0, 1.0, 0)
    alive, greenwood = 1.0, 0.0
    for moment in np.unique(time[event & (time <= horizon_days)]):
        at_risk, died = int((time >= moment).sum()), int((event & (time == moment)).sum())
        alive *= 1 - died / at_risk
        greenwood += died / (at_risk * (at_risk - died)) if at_risk > died else math.inf
    if 0 < alive < 1:
        half = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(greenwood) / abs(math.log(alive))
        low, high = 1 - alive ** math.exp(-half), 1 - alive ** math.exp(half)
    else:
        followed = at_risk_within(time, event, horizon_days)[1]
        low, high = 0.0, float(stats.beta.ppf(LEVEL, 1, followed)) if alive == 1 and followed else 1.0
    return Interval(1 - alive, low, high, n)


def at_risk_within(days: ArrayLike, failed: ArrayLike, horizon_days: float) -> tuple[int, int]:
    """Failures within `horizon_days`, and how many were at risk at the last of them; where none failed, at its end.

    >>> at_risk_within([10, 10, 10, 30, 90, 90], [False, False, False, True, False, False], 60)
    (1, 3)
    """
    time, event = np.asarray(days, dtype=float), np.asarray(failed, dtype=bool)
    hits = time[event & (time <= horizon_days)]
    return len(hits), int((time >= (hits.max() if len(hits) else horizon_days)).sum())


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
    return Waddington(sum(len(times) for times in works.values()), soon, later, ratio, control, window)


def _bandwidth(logs: NDArray[np.float64], width: float) -> float:
    silverman = 0.9 * min(float(logs.std(ddof=1)), float(stats.iqr(logs)) / 1.34 or math.inf) * len(logs) ** -0.2
    return max(2 * width, float(silverman))


def _drawn_together(logs: NDArray[np.float64], bandwidth: float) -> float:
    """By how much a kernel estimate is drawn together so that it is no wider than what it was made from.

    Without it, lives that vary little look crowded: their estimate is flatter than they are.
    """
    spread = float(logs.var())
    return math.sqrt(max(spread, bandwidth**2) / (spread + bandwidth**2))


def _largest_excess(
    logs: NDArray[np.float64], width: float, bandwidth: float, grid: NDArray[np.float64], kernel: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Largest standardised excess in a window that starts at a datum; its middle and its surplus count.

    The kernel estimate is fitted on counts by cell of the grid, whose cells are far narrower than the bandwidth.
    """
    ordered = np.sort(logs)
    cell = np.clip(np.rint((ordered - grid[0]) / (grid[1] - grid[0])).astype(np.int64), 0, len(grid) - 1)
    cdf = kernel @ np.bincount(cell, minlength=len(grid)) / len(ordered)
    ends = ordered + width
    count = np.searchsorted(ordered, ends, side="right") - np.arange(len(ordered))
    mean, drawn = ordered.mean(), _drawn_together(ordered, bandwidth)
    begin, end = ((edge - mean) / drawn + mean for edge in (ordered, ends))
    expected = len(ordered) * (np.interp(end, grid, cdf) - np.interp(begin, grid, cdf))
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
