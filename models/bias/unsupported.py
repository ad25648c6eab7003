"""U: the share of vendor interventions that the as-found evidence does not support.

Inspectors err both ways, and how often they err is known only roughly. U is corrected for that and carries the doubt.
"Unsupported" is not "excess": an early replacement postpones the next one (see life.py); the two are printed as a pair.

References
----------
Rogan, Gladen 1978, Am. J. Epidemiology 107 (correction for sensitivity and specificity).
Brown, Cai, DasGupta 2001, Statistical Science 16 (Jeffreys posterior of a rate).
Angelopoulos, Duchi, Zrnic 2023, PPI++: Efficient prediction-powered inference, arXiv 2311.01453 (`powered`).
Korn, Graubard 1998, Confidence intervals for proportions with small expected number of positive counts estimated from
survey data, Survey Methodology 24 (`effective`: as many findings as say as much, and Student's t for few visits).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from models.intervals import LEVEL, Interval

DRAWS = 20_000
ENOUGH = 40  # labelled and unlabelled jobs from which the own model may help
MOST = 2  # it makes n findings worth at most this many times n


@dataclass(frozen=True, slots=True)
class Powered:
    """A share as PPI++ estimates it; with weight 0 it is the plain share of the findings."""

    rate: float
    error: float  # standard error
    weight: float  # lambda: how far the own model is followed, 0 to 1

    @property
    def counts(self) -> tuple[float, float]:
        """Confirmed and unconfirmed of a plain sample with this rate and error: plain counts where the weight is 0."""
        size = self.rate * (1 - self.rate) / self.error**2
        return self.rate * size, (1 - self.rate) * size


def effective(confirmed: ArrayLike, visits: Sequence[object]) -> float:
    """How many findings that stand alone would say as much of the share confirmed as these do, from 1 to their number.

    What one visit finds in several parts may be one verdict. The variance of the share is taken between visits, where
    that is more than between findings. Where all findings read alike nothing tells whether visits agree within
    themselves, and each visit counts as one.

    Parameters
    ----------
    confirmed : array-like
        Of each finding, whether it is grade D or E; at least one.
    visits : sequence
        Of each finding, what it was judged together with.

    >>> round(effective([1, 1, 0, 0] * 20, [n // 2 for n in range(80)]), 1), effective([0] * 8, [1, 1, 2, 2] * 2)
    (38.1, 2.0)
    """
    x = np.asarray(confirmed, dtype=float)
    share, groups = float(x.mean()), len(set(visits))
    if not 0 < share < 1 or groups < 2:
        return float(groups)
    return share * (1 - share) / _variance((x - share) / len(x), visits)


def _variance(parts: NDArray[np.float64], visits: Sequence[object]) -> float:
    """Variance of a mean from what each job adds to it (with sum 0): by job, or by visit where that is more."""
    alone = float((parts**2).sum())
    number = {name: n for n, name in enumerate(dict.fromkeys(visits))}
    jobs, groups = len(parts), len(number)
    if not 1 < groups < jobs:
        return alone
    sums = np.bincount([number[one] for one in visits], weights=parts)
    few = float(stats.t.ppf((1 + LEVEL) / 2, groups - 1) / stats.t.ppf((1 + LEVEL) / 2, jobs - 1)) ** 2
    return max(alone, float((sums**2).sum()) * groups / (groups - 1) * few)


def powered(
    confirmed: ArrayLike,
    judged: ArrayLike,
    judged_unlabelled: ArrayLike,
    visits: Sequence[object] | None = None,
    visits_unlabelled: Sequence[object] | None = None,
) -> Powered | None:
    """Share confirmed over all jobs by PPI++: what the own model said of jobs without a finding narrows the interval.

    theta = mean(x) + lambda (mean f over the unlabelled - mean f over the labelled), with the power-tuned
    lambda = cov(x, f) / ((1 + n/N) var f) clipped to [0, 1]. The own model is no witness: a wrong one only gets a
    small lambda, for its error is measured on the labelled jobs and taken off. Any f = a + b judged with b > 0 gives
    the same, so "an alert of ours stood" (1 or 0) is as good as a calibrated probability. f must not have been
    learned from these findings. Where lambda would widen the interval it is 0. A model that few findings never saw err
    is not thereby right: the paper's interval, good for many labels, held .72 to .91 of 90 % at 40 to 60 findings in
    simulation; where n findings are worth at most 2 n it held .88 to .99.

    Parameters
    ----------
    confirmed, judged : array-like
        Of the n jobs with an independent finding: whether it is grade D or E, and f, what our own model said before.
    judged_unlabelled : array-like
        f of the N jobs without one.
    visits, visits_unlabelled : sequence, optional
        Of the one and the other, what each was judged together with; the error is taken as in `effective`. Default:
        each stands alone.

    Returns
    -------
    Powered or None
        None where fewer than 40 jobs of either kind are known, or all findings read alike: use the plain counts.

    >>> one = powered([1, 0] * 30, [1, 0] * 30, [1, 0, 0] * 40)
    >>> round(one.rate, 3), round(one.weight, 3)
    (0.383, 0.701)
    """
    x, f, rest = (np.asarray(one, dtype=float) for one in (confirmed, judged, judged_unlabelled))
    n, more = len(x), len(rest)
    if min(n, more) < ENOUGH or not 0 < x.mean() < 1:
        return None
    of = list(range(n)) if visits is None else list(visits)
    of_rest = [("alone", one) for one in range(more)] if visits_unlabelled is None else list(visits_unlabelled)
    plain = _variance((x - x.mean()) / n, of)
    spread = float(np.concatenate([f, rest]).var())
    slope = float(np.cov(x, f, ddof=0)[0, 1]) / ((1 + n / more) * spread) if spread else 0.0
    weight = min(max(slope, 0.0), 1.0)
    left = x - weight * f
    variance = _variance(
        np.concatenate([(left - left.mean()) / n, weight * (rest - rest.mean()) / more]), [*of, *of_rest]
    )
    rate = float(x.mean() + weight * (rest.mean() - f.mean()))
    variance = max(variance, plain / float(x.var()) * rate * (1 - rate) / MOST)
    if variance >= plain or not 0 < rate < 1:
        return Powered(float(x.mean()), math.sqrt(plain), 0.0)
    return Powered(rate, math.sqrt(variance), weight)


def unsupported(
    confirmed: float,
    unconfirmed: float,
    *,
    sensitivity: tuple[float, float] = (45, 5),
    specificity: tuple[float, float] = (45, 5),
    n: int | None = None,
    seed: int = 1,
) -> Interval:
    """U = 1 - (theta - (1 - Sp)) / (Se + Sp - 1) with its 90 % interval, median as the value; within [0, 1].

    Where the correction puts all of the interval at 0 or at 1, it reaches from there as far as that of 1 - theta does
    (Jeffreys): findings that all read alike are never certainty.

    Parameters
    ----------
    confirmed, unconfirmed : float
        Independent findings with grade D or E, and the others; or counts of equal weight (`effective`,
        `Powered.counts`).
    sensitivity, specificity : (float, float)
        Beta parameters of what is known about the inspectors: confirmed and missed in a validation. (45, 5) is .9
        as if seen in 50.
    n : int, optional
        Findings that the counts stand for; default: their sum.
    seed : int
        Of the Monte Carlo draws: the same findings give the same digits.
    """
    n = round(confirmed + unconfirmed) if n is None else n
    if not confirmed + unconfirmed:
        return Interval(float("nan"), 0.0, 1.0, 0)
    rng = np.random.default_rng(seed)
    theta = rng.beta(confirmed + 0.5, unconfirmed + 0.5, DRAWS)
    se, sp = rng.beta(*sensitivity, DRAWS), rng.beta(*specificity, DRAWS)
    useful = se + sp > 1  # an inspector no better than a coin says nothing
    if not useful.any():
        return Interval(float("nan"), 0.0, 1.0, n)
    share = 1 - (theta[useful] - (1 - sp[useful])) / (se[useful] + sp[useful] - 1)
    tail = 50 * (1 - LEVEL)
    low, middle, high = np.clip(np.percentile(share, [tail, 50, 100 - tail]), 0.0, 1.0)
    least, most = np.percentile(1 - theta, [tail, 100 - tail])
    low, high = min(low, least) if low == 1 else low, max(high, most) if high == 0 else high
    return Interval(float(middle), float(low), float(high), n)
