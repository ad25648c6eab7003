"""U: the share of vendor interventions that the as-found evidence does not support.

Inspectors err both ways, and how often they err is known only roughly. U is corrected for that and carries the doubt.
"Unsupported" is not "excess": an early replacement postpones the next one (see life.py); the two are printed as a pair.

References
----------
Rogan, Gladen 1978, Am. J. Epidemiology 107 (correction for sensitivity and specificity).
Brown, Cai, DasGupta 2001, Statistical Science 16 (Jeffreys posterior of a rate).
Angelopoulos, Duchi, Zrnic 2023, PPI++: Efficient prediction-powered inference, arXiv 2311.01453 (`powered`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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


def powered(confirmed: ArrayLike, judged: ArrayLike, judged_unlabelled: ArrayLike) -> Powered | None:
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
    plain = float(x.var()) / n
    spread = float(np.concatenate([f, rest]).var())
    slope = float(np.cov(x, f, ddof=0)[0, 1]) / ((1 + n / more) * spread) if spread else 0.0
    weight = min(max(slope, 0.0), 1.0)
    variance = float((x - weight * f).var()) / n + weight**2 * float(rest.var()) / more
    rate = float(x.mean() + weight * (rest.mean() - f.mean()))
    variance = max(variance, rate * (1 - rate) / (MOST * n))
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

    Parameters
    ----------
    confirmed, unconfirmed : float
        Independent findings with grade D or E, and the others; or counts of equal weight (`Powered.counts`).
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
    return Interval(float(middle), float(low), float(high), n)
