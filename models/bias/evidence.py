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
    late: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> BetPath:
    """Wealth of 20 fixed bets against "recorded findings are confirmed at least at rate m0", cluster by cluster.

    On each finding the share c / n_max of the wealth is staked on "not confirmed", at odds that are fair at m0: it wins
    m0 / (1 - m0) or is lost. Findings of one visit belong together, and visits that find more may be of another kind:
    the stakes of a cluster are settled at once, so that it weighs by its size over n_max = `largest_cluster`, which is
    fixed beforehand. The wealth is the mean over c of prod_j [1 + c G_j], G = sum_i g_i / n_max,
    g_i = (m0_i - x_i) / (1 - m0_i); for one m0, c = lambda (1 - m0). A cluster larger than n_max is never split, for
    its findings may share one verdict: it wins at most as its mean would at weight 1, and loses in full until the stake
    is gone, G = sum g / n where that is above 0, else max(sum g / n_max, -1).

    No factor can be negative: G >= -1 and c < 1. The wealth is a martingale or falls where the expected G of a cluster
    is not above 0, given all in the clusters before it: so clusters are to come in the order in which they are closed.
    What happens within a cluster is free: its findings may be independent, or one verdict written n times. Of clusters
    up to n_max the size may tell of the kind too. (Above n_max it may not quite: if larger visits find more, their mean
    weighs too little in a vendor's favour. So n_max belongs at the largest usual visit.)

    A finding that comes after its cluster was settled is one of its own, marked `late`: its factor is min(1, 1 + c G).
    A supermartingale times factors of at most 1, whatever they depend on, stays below itself on each path, so it
    reaches 20 no more often. And holding a report back gains nothing: with a >= 0 won in time and b >= 0 lost late,
    (1 + a)(1 - b) <= 1 + a - b, which the cluster would have come to as a whole.

    Parameters
    ----------
    confirmed : sequence of bool
        Findings (within a cluster the order is of no account).
    clusters : sequence
        What each finding belongs to; bets are settled in order of first appearance.
    m0 : float or sequence of float
        Null rate, one for all or one for each finding (components differ in cost); at least 0, below 1.
    largest_cluster : int
        n_max, frozen before the review.
    late : sequence of bool, optional
        Findings that came after their visit was settled. Default: none.
    """
    x = np.asarray(confirmed, dtype=float)
    null = np.broadcast_to(np.asarray(m0, dtype=float), x.shape)
    if not len(x):
        return BetPath(np.empty(0), np.empty(0, dtype=np.int64))
    of = blocks(clusters, largest_cluster, late)
    wealth = np.cumsum(np.log1p(STAKES[:, None] * of.gains((null - x) / (1 - null))), axis=1)
    return BetPath(np.exp(np.minimum(log_mean(wealth), 700.0)), of.starts)


def path_bound(
    confirmed: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[object],
    largest_cluster: int,
    level: float = FLAG,
    late: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> float:
    """Largest rate not yet refuted by `bet_path`: sup{m: e(m) < level}, valid at any time, for clusters as well.

    A confidence sequence by inversion (Waudby-Smith, Ramdas 2024): e(m) rises with m, for every stake that wins does.
    Where one m0 holds for all, the flag stands exactly where this bound is at or below m0.
    """
    x = np.asarray(confirmed, dtype=float)
    if not len(x) or x.all():
        return 1.0
    of = blocks(clusters, largest_cluster, late)

    def above(m: float) -> float:
        gains = of.gains((m - x) / (1 - m))
        return float(log_mean(np.log1p(STAKES[:, None] * gains).sum(axis=1))) - math.log(level)

    nearly = 1 - 1e-9
    return float(optimize.brentq(above, 0.0, nearly)) if above(nearly) > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Blocks:
    """Findings as what is settled at once."""

    block: NDArray[np.int64]  # of each finding, in order of first appearance
    starts: NDArray[np.int64]  # positions of their first findings
    sizes: NDArray[np.int64]
    late: NDArray[np.bool_]  # of each block
    largest: int

    def gains(self, of_findings: NDArray[np.float64]) -> NDArray[np.float64]:
        """G of each block from the g of its findings: see `bet_path`."""
        total = np.bincount(self.block, weights=of_findings)
        gains = np.where(
            total > 0, total / np.maximum(self.sizes, self.largest), np.maximum(total / self.largest, -1.0)
        )
        return np.where(self.late, np.minimum(gains, 0.0), gains)


def blocks(clusters: Sequence[object], largest: int, late: Sequence[bool] | NDArray[np.bool_] | None = None) -> Blocks:
    """The clusters of the findings as numbers, in order of first appearance."""
    number: dict[object, int] = {}
    block, starts = [], []
    for position, cluster in enumerate(clusters):
        if cluster not in number:
            number[cluster] = len(number)
            starts.append(position)
        block.append(number[cluster])
    numbers, first = np.array(block, dtype=np.int64), np.array(starts, dtype=np.int64)
    marked = np.zeros(len(numbers), dtype=bool) if late is None else np.asarray(late, dtype=bool)
    return Blocks(numbers, first, np.bincount(numbers), marked[first], largest)


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
