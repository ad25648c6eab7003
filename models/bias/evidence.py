"""Evidence that fewer vendor-driven jobs were needed than agreed, as e-values: they may be looked at every day.

A p-value read daily convicts the honest sooner or later. An e-value is the wealth of a bettor who bets against the
vendor's being right often enough: if the vendor is, the wealth reaches 20 with at most 5 % probability, however often
anyone looks (Ville's inequality). Nothing here uses our own model: only what inspectors found.

References
----------
Waudby-Smith, Ramdas 2024, Estimating means of bounded random variables by betting, JRSS B 86 (`bet_path`,
`path_bound`).
Robbins 1970, Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41 (mixtures).
Howard et al. 2021, Time-uniform, nonparametric, nonasymptotic confidence sequences, Ann. Stat. 49 (`upper_bound`).
Rogan, Gladen 1978, Estimating prevalence from the results of a screening test, Am. J. Epidemiology 107 (`null_rate`).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

FLAG = 20.0
WATCH = 5.0
BETS = 20
STAKES = (np.arange(BETS) + 0.5) / BETS  # c: shares of the wealth, evenly over (0, 1)


@dataclass(frozen=True, slots=True)
class BetPath:
    """Wealth after each cluster; `starts` are positions of the clusters' first findings in the input."""

    e: NDArray[np.float64]
    starts: NDArray[np.int64]

    @property
    def current(self) -> float:
        """Wealth now; 1 before the first finding."""
        return float(self.e[-1]) if len(self.e) else 1.0

    @property
    def highest(self) -> float:
        """The most it ever was: for the early flag only, never for e-BH."""
        return max(1.0, float(self.e.max())) if len(self.e) else 1.0


def null_rate(q0: float, sensitivity: float, specificity: float) -> float:
    """Rate at which findings would read "confirmed" if a share `q0` of jobs were needed.

    >>> round(null_rate(0.5, 0.9, 0.9), 3), round(null_rate(0.5, 0.9, 1.0), 3)
    (0.5, 0.45)
    """
    return sensitivity * q0 + (1 - specificity) * (1 - q0)


def cost_q0(cost_planned: float, cost_failure: float, p_fail: float) -> float:
    """Confirmation rate from which acting pays: C_p / (phi C_f + (1 - phi) C_p); a defect left is paid for later too.

    >>> [round(cost_q0(1, r, phi), 2) for r, phi in ((5, 0.5), (5, 0.8), (10, 0.5), (3, 0.5))]
    [0.33, 0.24, 0.18, 0.5]
    """
    dearer = p_fail * cost_failure + (1 - p_fail) * cost_planned
    return cost_planned / dearer if dearer > 0 else math.inf


def log_e(confirmed: int, unconfirmed: int, m0: float) -> float:
    """Natural log of the closed-form e-value: a uniform mixture over rates in (0, m0) against m0.

    For findings that are independent of each other; the default of the review is `bet_path`.

    >>> round(math.exp(log_e(6, 25, 0.5)))
    182
    """
    a, b = confirmed + 1, unconfirmed + 1
    tail = special.betainc(a, b, m0)
    if tail <= 0:
        return -math.inf
    return float(math.log(tail) + special.betaln(a, b) - a * math.log(m0) - unconfirmed * math.log1p(-m0))


def bet_path(
    confirmed: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[object],
    m0: float | Sequence[float] | NDArray[np.float64],
    largest_cluster: int,
) -> BetPath:
    """Wealth of 20 fixed bets against "recorded findings are confirmed at least at rate m0", cluster by cluster.

    On each finding the share c / n_max of the wealth is staked on "not confirmed", at odds that are fair at m0: it wins
    m0 / (1 - m0) or is lost. Findings of one visit belong together, and visits that find more may be of another kind:
    the stakes of a cluster are settled at once, so that it weighs by its size over n_max = `largest_cluster`, which is
    fixed beforehand; larger clusters are split as they came. The wealth is the mean over c of
    prod_j [1 + c sum_i g_i / n_max], g_i = (m0_i - x_i) / (1 - m0_i); for one m0, c = lambda (1 - m0).

    No factor can be negative: g_i >= -1, a block has at most n_max findings, and c < 1. It is a martingale or falls
    where the expected sum of g in a cluster is not above 0, given all in the clusters before it: so clusters are to
    come in the order in which they are closed, and a finding that comes later is one of its own. What happens within a
    cluster is free. (Splitting a cluster gives that freedom up: n_max belongs at the largest usual visit.)

    Parameters
    ----------
    confirmed : sequence of bool
        Findings (within a cluster the order is of no account unless the cluster is split).
    clusters : sequence
        What each finding belongs to; bets are settled in order of first appearance.
    m0 : float or sequence of float
        Null rate, one for all or one for each finding (components differ in cost); at least 0, below 1.
    largest_cluster : int
        n_max, frozen before the review.
    """
    x = np.asarray(confirmed, dtype=float)
    null = np.broadcast_to(np.asarray(m0, dtype=float), x.shape)
    if not len(x):
        return BetPath(np.empty(0), np.empty(0, dtype=np.int64))
    block, starts = blocks(clusters, largest_cluster)
    gains = np.bincount(block, weights=(null - x) / (1 - null)) / largest_cluster
    wealth = np.cumsum(np.log1p(STAKES[:, None] * gains), axis=1)
    return BetPath(np.exp(np.minimum(log_mean(wealth), 700.0)), starts)


def path_bound(
    confirmed: Sequence[bool] | NDArray[np.bool_], clusters: Sequence[object], largest_cluster: int, level: float = FLAG
) -> float:
    """Largest rate not yet refuted by `bet_path`: sup{m: e(m) < level}, valid at any time, for clusters as well.

    A confidence sequence by inversion (Waudby-Smith, Ramdas 2024): e(m) rises with m, for every stake that wins does.
    Where one m0 holds for all, the flag stands exactly where this bound is at or below m0.
    """
    x = np.asarray(confirmed, dtype=float)
    if not len(x) or x.all():
        return 1.0
    block, _starts = blocks(clusters, largest_cluster)
    won, lost = np.bincount(block, weights=1 - x), np.bincount(block, weights=x)

    def above(m: float) -> float:
        gains = (won * m / (1 - m) - lost) / largest_cluster
        return float(log_mean(np.log1p(STAKES[:, None] * gains).sum(axis=1))) - math.log(level)

    nearly = 1 - 1e-9
    return float(optimize.brentq(above, 0.0, nearly)) if above(nearly) > 0 else 1.0


def blocks(clusters: Sequence[object], largest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(block of each finding, in order of first appearance; positions of their first findings)."""
    seen: Counter[object] = Counter()
    number: dict[tuple[object, int], int] = {}
    block, starts = [], []
    for position, cluster in enumerate(clusters):
        piece = (cluster, seen[cluster] // largest)
        seen[cluster] += 1
        if piece not in number:
            number[piece] = len(number)
            starts.append(position)
        block.append(number[piece])
    return np.array(block, dtype=np.int64), np.array(starts, dtype=np.int64)


def log_mean(logs: NDArray[np.float64]) -> Any:
    """Log of the mean over the stakes (first axis) of wealth given as logs."""
    return np.logaddexp.reduce(logs, axis=0) - math.log(BETS)


def upper_bound(confirmed: int, unconfirmed: int, level: float = FLAG) -> float:
    """Largest rate not yet refuted by the closed form: sup{m: e(m) < level}, at any time, for independent findings.

    The confidence sequence that can be checked by hand (Howard et al. 2021); the review's own is `path_bound`.

    >>> round(upper_bound(6, 25), 2)
    0.43
    """
    n = confirmed + unconfirmed
    if not n or not unconfirmed:
        return 1.0
    low, high = max(confirmed / n, 1e-9), 1 - 1e-12
    goal = math.log(level)
    if log_e(confirmed, unconfirmed, high) < goal:
        return 1.0
    return float(optimize.brentq(lambda m: log_e(confirmed, unconfirmed, m) - goal, low, high))
