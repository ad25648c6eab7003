"""What would change the answer: wrong findings, another agreed rate, what was not inspected.

No flag is handed to anybody without the least that would undo it. All but `tipping` ask the bets that decide; that
one asks the closed form, which a hand calculator can follow.

References
----------
Tipping points in place of the E-value of VanderWeele, Ding 2017, Annals of Internal Medicine 167: the bets are inverted
(Waudby-Smith, Ramdas 2024, JRSS B 86) in one thing at a time; the closed form is Robbins 1970, Ann. Math. Stat. 41.
"""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bias.evidence import FLAG, STAKES, bet_path, blocks, log_e, log_mean, null_rate, path_bound


@dataclass(frozen=True, slots=True)
class Tipping:
    """What would have to be wrong for a flag to fall; None where it does not stand or nothing undoes it."""

    wrong_findings: int | None  # "not confirmed" findings that would have to be wrong
    lowest_q0: float | None
    lowest_sensitivity: float | None
    missing_confirmed: float | None  # share confirmed needed among the jobs without a finding


def path_tipping(
    confirmed: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[object],
    m0: float | Sequence[float] | NDArray[np.float64],
    largest_cluster: int,
    late: Sequence[bool] | NDArray[np.bool_] | None = None,
    *,
    without_finding: int,
    q0: float,
    sensitivity: float,
    specificity: float,
) -> Tipping:
    """What would have to be wrong for the flag of `bet_path` to fall, one thing at a time.

    The lowest rate and the lowest sensitivity hold as if one agreed rate `q0` held for all parts; each job without a
    finding counts as a cluster of its own.
    """
    x = np.asarray(confirmed, dtype=bool)
    null = np.broadcast_to(np.asarray(m0, dtype=float), x.shape)
    if bet_path(x, clusters, null, largest_cluster, late).current < FLAG:
        return Tipping(None, None, None, None)
    bound, tells = path_bound(x, clusters, largest_cluster, late=late), sensitivity + specificity - 1
    all_clusters = [(1, one) for one in clusters] + [(2, one) for one in range(without_finding)]
    all_late = np.concatenate([np.zeros(len(x), bool) if late is None else late, np.zeros(without_finding, bool)])
    all_null = np.concatenate([null, np.full(without_finding, null_rate(q0, sensitivity, specificity))])

    def stands(worn: int) -> bool:
        more = np.concatenate([x, np.arange(without_finding) < worn])
        return bet_path(more, all_clusters, all_null, largest_cluster, all_late).current >= FLAG

    needed = bisect.bisect_left(range(without_finding + 1), True, key=lambda k: not stands(k))
    return Tipping(
        wrong_findings=wrong_in_path(x, clusters, null, largest_cluster, late),
        lowest_q0=max(0.0, (bound - (1 - specificity)) / tells) if tells > 0 else None,
        lowest_sensitivity=max(0.0, (bound - (1 - specificity) * (1 - q0)) / q0),
        missing_confirmed=needed / without_finding if without_finding and needed <= without_finding else None,
    )


def wrong_in_path(
    confirmed: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[object],
    m0: float | Sequence[float] | NDArray[np.float64],
    largest_cluster: int,
    late: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> int | None:
    """How few "not confirmed" findings would have to be wrong for the flag of `bet_path` to fall; None: none stands.

    Those are taken first whose loss hurts most: whole blocks, the one with the largest fall per finding before others.
    """
    x = np.array(confirmed, dtype=bool)
    if bet_path(x, clusters, m0, largest_cluster, late).current < FLAG:
        return None
    null = np.broadcast_to(np.asarray(m0, dtype=float), x.shape)
    of = blocks(clusters, largest_cluster, late)
    block, now, then = of.block, of.gains((null - x) / (1 - null)), of.gains(np.full(len(x), -1.0))
    fall = np.log1p(STAKES[-1] * now) - np.log1p(STAKES[-1] * then)
    # a block above n_max is lost before all of it is: so many are enough
    won, each = (
        np.bincount(block, weights=(null - x) / (1 - null)),
        np.bincount(block, weights=1 / (1 - null)) / of.sizes,
    )
    enough = np.clip(np.ceil((won + largest_cluster) / each), 1, np.maximum(np.bincount(block, weights=~x), 1))
    enough = np.where(of.sizes > largest_cluster, enough, np.maximum(np.bincount(block, weights=~x), 1))
    rank = np.zeros(len(x), dtype=np.int64)
    for one in range(len(of.sizes)):
        mine = np.flatnonzero((block == one) & ~x)
        rank[mine] = np.arange(len(mine))
    per_finding = np.where(rank < enough[block], (fall / enough)[block], 0.0)
    order = [i for i in np.lexsort((block, -per_finding)) if not x[i]]

    def stands(flipped: int) -> bool:
        other = x.copy()
        other[order[:flipped]] = True
        return bet_path(other, clusters, m0, largest_cluster, late).current >= FLAG

    return bisect.bisect_left(range(len(order) + 1), True, lo=1, key=lambda k: not stands(k))


def path_curve(
    confirmed: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[object],
    largest_cluster: int,
    late: Sequence[bool] | NDArray[np.bool_] | None = None,
    *,
    sensitivity: float,
    specificity: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The current e-value of `bet_path` over agreed rates q0 from .05 to .95: which agreement led to which answer."""
    q0 = np.round(np.arange(0.05, 0.951, 0.01), 2)
    x = np.asarray(confirmed, dtype=float)
    if not len(x):
        return q0, np.ones(len(q0))
    of = blocks(clusters, largest_cluster, late)
    logs = [
        log_mean(np.log1p(STAKES[:, None] * of.gains((m - x) / (1 - m))).sum(axis=1))
        for m in (null_rate(float(q), sensitivity, specificity) for q in q0)
    ]
    return q0, np.exp(np.minimum(np.array(logs, dtype=float), 700.0))


def tipping(
    confirmed: int, unconfirmed: int, without_finding: int, *, q0: float, sensitivity: float, specificity: float
) -> Tipping:
    """What would have to be wrong for the closed-form flag to fall, one thing at a time.

    Tipping points for findings independent of each other (`log_e`); that of the bets is `path_tipping`.

    >>> tipping(6, 25, 10, q0=0.5, sensitivity=0.9, specificity=0.9).wrong_findings
    2
    """
    goal = math.log(FLAG)
    m0 = null_rate(q0, sensitivity, specificity)

    def stands(s: int, u: int, m: float = m0) -> bool:
        return log_e(s, u, m) >= goal

    if not stands(confirmed, unconfirmed):
        return Tipping(None, None, None, None)
    wrong = next((k for k in range(1, unconfirmed + 1) if not stands(confirmed + k, unconfirmed - k)), None)
    needed = next(
        (k for k in range(without_finding + 1) if not stands(confirmed + k, unconfirmed + without_finding - k)), None
    )

    def lowest(rate_of: Callable[[float], float]) -> float:
        grid = np.linspace(0.001, 0.999, 999)
        return float(next((g for g in grid if stands(confirmed, unconfirmed, rate_of(float(g)))), math.nan))

    return Tipping(
        wrong_findings=wrong,
        lowest_q0=lowest(lambda q: null_rate(q, sensitivity, specificity)),
        lowest_sensitivity=lowest(lambda se: null_rate(q0, se, specificity)),
        missing_confirmed=needed / without_finding if needed is not None and without_finding else None,
    )
