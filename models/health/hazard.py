"""How the failure rate of a component class moves with age, from lives that ended in every way.

Counts first: what was seen per band of age, the cumulative hazard step by step, and only beside them the Weibull curve
that a vendor would show. A curve with a rising shape can hide a rate that was zero at first and flat ever after, and
then justifies work that nothing calls for; so the class says by itself whether the rate still rises once failures have
begun, and how many failures the curve would have put into each band.

References
----------
Nelson 1972, Theory and applications of hazard plotting for censored failure data, Technometrics 14; Aalen 1978,
Nonparametric inference for a family of counting processes, Annals of Statistics 6 (cumulative hazard, its variance).
Klein, Moeschberger 2003, Survival Analysis, sections 4.3 and 4.6 (log interval, left truncation).
Efron 1981, Censored data and the bootstrap, JASA 76 (lives resampled, here asset by asset).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from models.health.trend import z_value
from models.intervals import LEVEL, Interval, rate_interval, ratio_interval

FEWEST_FAILURES = 10
BANDS = 5
DRAWS = 300
YEAR_D = 365.25
SHAPES = (0.1, 20.0)  # outside of these the likelihood of real lives has no maximum
FITS = 0.05  # p of the chi-square below which counts and curve do not fit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """Failures and time at risk between two ages. [d]"""

    start_d: float
    end_d: float
    at_risk: int  # lives seen in it
    failures: int
    rate: Interval  # [1/year]
    by_curve: float  # failures that the Weibull curve puts here


@dataclass(frozen=True, slots=True)
class Steps:
    """The Nelson-Aalen estimate: cumulative hazard after each age at which something failed, with interval."""

    ages_d: Floats
    failures: NDArray[np.int64]
    at_risk: NDArray[np.int64]
    hazard: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Weibull:
    """H(t) = (t / scale)^shape, and `draws` of both from the bootstrap (draws x 2: shape, scale [d])."""

    shape: Interval
    scale_d: Interval
    draws: Floats


@dataclass(frozen=True, slots=True)
class Hazard:
    """What the lives of one component class say. `weibull` is None without failures."""

    lives: int
    failures: int
    years: float  # at risk
    oldest_d: float  # nothing is known beyond this age
    steps: Steps
    bands: tuple[Band, ...]
    weibull: Weibull | None
    late_over_early: Interval  # rate in the later half of the time since failures began over that in the earlier half
    fit_p: float  # of counts against curve; NaN without a curve
    spans_d: Floats  # lives x 2: age at entry and at exit

    @property
    def warnings(self) -> tuple[str, ...]:
        """rise_not_shown: the shape says wear, the counts since the first failure do not. misfit: see `fit_p`."""
        said = []
        if self.weibull and self.weibull.shape.low > 1 and not self.late_over_early.low > 1:
            said.append("rise_not_shown")
        if self.fit_p < FITS:
            said.append("misfit")
        return tuple(said)


def hazard(lives: pd.DataFrame, failed: Sequence[str] = ("failed",), seed: int = 1) -> Hazard:
    """The hazard of one component class.

    `lives` as models.health.lives gives them (asset, entry_d, exit_d, ended); `failed` names the endings that count as
    a failure: with ("failed", "worn") a part that was found past its limit counts as one at removal. Work that was
    called for by the part's condition censors it when it was weak, which makes lives look longer; the truth lies
    between both answers.
    """
    entry, exit_ = lives["entry_d"].to_numpy(float), lives["exit_d"].to_numpy(float)
    event = lives["ended"].isin(list(failed)).to_numpy(bool)
    oldest = float(exit_.max(initial=0.0))
    curve = weibull(entry, exit_, event, lives["asset"].to_numpy(), seed) if event.any() else None
    edges = np.linspace(0.0, oldest, BANDS + 1)
    bands = tuple(_band(entry, exit_, event, a, b, curve) for a, b in itertools.pairwise(edges))
    return Hazard(
        len(lives), int(event.sum()), float((exit_ - entry).sum()) / YEAR_D, oldest, nelson_aalen(entry, exit_, event),
        bands, curve, _late_over_early(entry, exit_, event), _fit_p(bands) if curve else math.nan,
        np.column_stack([entry, exit_]),
    )  # fmt: skip


def nelson_aalen(entry: Floats, exit_: Floats, event: NDArray[np.bool_]) -> Steps:
    """H(t) = sum of d / n over the ages at failure, n = lives with entry < age <= exit; 90 % log interval.

    >>> s = nelson_aalen(np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    >>> [round(float(h), 4) for h in s.hazard]
    [0.3333, 1.3333]
    """
    ages, failures = np.unique(exit_[event], return_counts=True)
    at_risk = np.array([((entry < age) & (exit_ >= age)).sum() for age in ages], dtype=np.int64)
    total, variance = np.cumsum(failures / at_risk), np.cumsum(failures / at_risk**2)
    reach = np.exp(z_value() * np.sqrt(variance) / total)
    return Steps(ages, failures.astype(np.int64), at_risk, total, total / reach, total * reach)


def weibull(entry: Floats, exit_: Floats, event: NDArray[np.bool_], groups: NDArray[np.object_], seed: int) -> Weibull:
    """Greatest likelihood with right censoring and left truncation; the interval resamples whole groups (assets)."""
    shape, scale = weibull_fit(entry, exit_, event, np.ones(len(entry)))
    codes, names = pd.factorize(groups)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)).astype(float)[codes]
        if weight[event].any():  # a draw without a failure has a life without end
            drawn.append(weibull_fit(entry, exit_, event, weight))
        else:
            drawn.append((math.nan, math.inf))
    draws = np.array(drawn)
    n = int(event.sum())
    return Weibull(between(shape, draws[:, 0], n), between(scale, draws[:, 1], n), draws)


def weibull_fit(entry: Floats, exit_: Floats, event: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Shape and scale of greatest likelihood; the unit of the scale is that of the ages.

    For a given shape k the scale has a closed form, scale^k = sum(exit^k - entry^k) / failures; so one number is
    sought. Ages are divided by the largest before: powers then stay in range.
    """
    used = weight > 0
    entry, exit_, event, weight = entry[used], exit_[used], event[used], weight[used]
    unit = float(exit_.max())
    start, end = entry / unit, exit_ / unit
    failures = float(weight[event].sum())
    logs = float(weight[event] @ np.log(end[event]))

    def spent(k: float) -> float:
        return float(weight @ (end**k - start**k))

    def loss(log_k: float) -> float:
        k = math.exp(log_k)
        return -(failures * (log_k - math.log(spent(k) / failures)) + (k - 1) * logs)

    found = optimize.minimize_scalar(
        loss, bounds=(math.log(SHAPES[0]), math.log(SHAPES[1])), method="bounded", options={"xatol": 1e-6}
    )
    k = math.exp(float(found.x))
    return k, unit * (spent(k) / failures) ** (1 / k)


def between(value: float, draws: Floats, n: int) -> Interval:
    """A bootstrap interval; draws that are NaN are left out, infinite ones are not."""
    usable = draws[~np.isnan(draws)]
    if not len(usable):
        return Interval(value, -math.inf, math.inf, n)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(usable, (tail, 1 - tail), method="closest_observation")
    return Interval(value, float(low), float(high), n)


def fails_within(found: Hazard, age_d: float, days: float) -> Interval:
    """Probability that a part of this age fails within `days`, from the steps alone; NaN beyond the oldest age seen."""
    s, end = found.steps, age_d + days
    if end > found.oldest_d:
        return Interval(math.nan, 0.0, 1.0, found.failures)
    inside = (s.ages_d > age_d) & (s.ages_d <= end)
    failures = int(s.failures[inside].sum())
    if not failures:
        exposed = float(_seen(found.spans_d[:, 0], found.spans_d[:, 1], age_d, end).sum())
        return Interval(0.0, 0.0, 1 - math.exp(-rate_interval(0, exposed).high * days), 0)
    risk = float((s.failures[inside] / s.at_risk[inside]).sum())
    reach = math.exp(z_value() * math.sqrt(float((s.failures[inside] / s.at_risk[inside] ** 2).sum())) / risk)
    value, low, high = (1 - math.exp(-h) for h in (risk, risk / reach, risk * reach))
    return Interval(value, low, high, failures)


def _seen(entry: Floats, exit_: Floats, start: float, end: float) -> Floats:
    """Time of each life between two ages."""
    return np.asarray(np.maximum(np.minimum(exit_, end) - np.maximum(entry, start), 0.0))


def _band(
    entry: Floats, exit_: Floats, event: NDArray[np.bool_], start: float, end: float, curve: Weibull | None
) -> Band:
    seen = _seen(entry, exit_, start, end)
    failures = int((event & (exit_ > start) & (exit_ <= end)).sum())
    by_curve = math.nan
    if curve:
        a, b = np.clip(entry, start, end), np.clip(exit_, start, end)
        powers = (b / curve.scale_d.value) ** curve.shape.value - (a / curve.scale_d.value) ** curve.shape.value
        by_curve = float(powers[seen > 0].sum())
    return Band(
        float(start), float(end), int((seen > 0).sum()), failures,
        rate_interval(failures, float(seen.sum()) / YEAR_D), by_curve,
    )  # fmt: skip


def _late_over_early(entry: Floats, exit_: Floats, event: NDArray[np.bool_]) -> Interval:
    """The time at risk after the first failure, cut where half of it is over."""
    if event.sum() < FEWEST_FAILURES:
        return Interval(math.nan, 0.0, math.inf, 0)
    ages = np.sort(exit_[event])
    first, last = float(ages[0]), float(exit_.max())
    after = float(_seen(entry, exit_, first, last).sum())
    if after <= 0:
        return Interval(math.nan, 0.0, math.inf, 0)
    cut = optimize.brentq(lambda age: _seen(entry, exit_, first, age).sum() - after / 2, first, last)
    early, late = int(((ages > first) & (ages <= cut)).sum()), int((ages > cut).sum())
    return ratio_interval(late, after / 2, early, after / 2)


def _fit_p(bands: Sequence[Band]) -> float:
    """Chi-square of counts against the curve, neighbouring bands joined until the curve puts 5 failures into each."""
    joined: list[list[float]] = [[0.0, 0.0]]
    for band in bands:
        joined[-1][0] += band.failures
        joined[-1][1] += band.by_curve
        if joined[-1][1] >= 5:
            joined.append([0.0, 0.0])
    rest = joined.pop()
    if joined:
        joined[-1] = [joined[-1][0] + rest[0], joined[-1][1] + rest[1]]
    free = len(joined) - 2
    if free < 1:
        return math.nan
    return float(stats.chi2.sf(sum((seen - by) ** 2 / by for seen, by in joined), free))
