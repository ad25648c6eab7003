"""Thousands of fleets judged by the pieces that `models.bias.review.review` puts together, on the same cases.

The whole review of a fleet takes half a second, its pieces a few milliseconds. That both say the same is not believed
but checked on fleets of every study: `same_as_review`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.bias.pools import STATION, Pool, parameters
from models.bias.cases import visits
from models.bias.evidence import FLAG, BetPath, bet_path, null_rate
from models.bias.life import excess, leave_one_out_interval
from models.bias.parameters import Parameters
from models.bias.review import CYCLE_US, VALIDATED, YEAR_US, review
from models.bias.status import status_of
from models.bias.unsupported import effective, powered, unsupported
from models.intervals import Interval

Q0 = 0.5
FROZEN = Parameters(assets=())  # the defaults
NULL = null_rate(Q0, FROZEN.sensitivity, FROZEN.specificity)
PROTECTIVE = null_rate(Q0, FROZEN.sensitivity, FROZEN.protective_specificity)
KNOWN = (FROZEN.sensitivity * VALIDATED, (1 - FROZEN.sensitivity) * VALIDATED)
MONTH_US = YEAR_US / 12
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the review says of one fleet."""

    jobs: int
    findings: int
    confirmed: int
    early: bool
    early_us: float  # when; NaN where never [us from the start]
    cycle_ends: tuple[float, ...]  # wealth at the end of each full cycle
    e: float
    e_protective: float
    status: str
    gate: str
    net: Interval  # [1/year]
    unsupported: Interval
    peeked: bool  # a binomial test at 5 % looked at each month would have convicted

    @property
    def standing(self) -> bool:
        return bool(self.cycle_ends) and self.cycle_ends[-1] >= FLAG

    @property
    def ever_standing(self) -> bool:
        """At the end of one full cycle or another: what may have left the house in any year."""
        return any(wealth >= FLAG for wealth in self.cycle_ends)


class Cases:
    """The cases of a pool as arrays, ordered by pump, so that a fleet is put together quickly."""

    def __init__(self, pool: Pool, months: float) -> None:
        self.pool, self.length_us = pool, round(months * MONTH_US)
        cases = pool.frames["cases"]
        cases = cases[cases["at_us"] < pool.start_us + self.length_us]
        place = {asset: n for n, asset in enumerate(pool.assets)}
        pump = cases["asset"].map(place).to_numpy(dtype=np.int64)
        order = np.argsort(pump, kind="stable")
        self.pump = pump[order]
        self.first = np.searchsorted(self.pump, np.arange(len(pool.assets) + 1))
        self.at = cases["at_us"].to_numpy(dtype=np.int64)[order] - pool.start_us
        self.found = cases["independent"].to_numpy(dtype=bool)[order]
        self.graded = cases["grade"].notna().to_numpy()[order]
        self.confirmed = cases["confirmed"].to_numpy(dtype=bool)[order]
        self.own = cases["own_standing"].to_numpy(dtype=bool)[order]
        self.found_us = cases["found_us"].to_numpy(dtype=float)[order] - pool.start_us
        self.given_away = 1 - cases["wear"].to_numpy(dtype=float)[order]

    def fleets(self, rng: np.random.Generator, size: int, count: int) -> Iterator[Counts]:
        """Pump numbers of `count` fleets, drawn with replacement."""
        for _ in range(count):
            yield rng.integers(0, len(self.pool.assets), size)

    def judge(self, fleet: Counts, *, with_share: bool = True) -> Judged:
        """The review of one fleet; U is left out (NaN) without `with_share`: it takes most of the time."""
        size = len(fleet)
        sizes = self.first[fleet + 1] - self.first[fleet]
        rows = np.concatenate([np.arange(self.first[p], self.first[p + 1]) for p in fleet]) if sizes.sum() else []
        rows, seat = np.asarray(rows, dtype=np.int64), np.repeat(np.arange(size), sizes)
        order = np.argsort(self.at[rows], kind="stable")
        rows, seat = rows[order], seat[order]
        found = self.found[rows]
        x, at = self.confirmed[rows[found]], self.at[rows[found]]
        judged = visits(
            seat.tolist(), (seat // STATION).tolist(), self.at[rows].tolist(), self.found_us[rows].tolist(),
            FROZEN.cluster_days, FROZEN.campaign_days,
        )  # fmt: skip
        settled, late = np.array(judged.settled_us, dtype=np.int64)[found], np.array(judged.late, dtype=bool)[found]
        clusters = np.array(judged.names, dtype=object)[found]
        bets = np.argsort(settled, kind="stable")
        bets = bets[settled[bets] < self.length_us]
        path, protective = (
            bet_path(x[bets], clusters[bets], m0, FROZEN.largest_cluster, late[bets]) for m0 in (NULL, PROTECTIVE)
        )
        path_at = settled[bets][path.starts]
        reached = np.flatnonzero(path.e >= FLAG)
        wealth = np.concatenate([[1.0], path.e])
        ends = np.arange(CYCLE_US, self.length_us + 1, CYCLE_US)
        n, confirmed = int(found.sum()), int(x.sum())
        years = self.length_us / YEAR_US
        net = self._net(fleet, rows, seat, found, years)
        graded = self.graded[rows]
        status, _, gate = status_of(
            n, len(set(seat[found].tolist())), len(rows), path.current, protective.current, net.low, True,
            (int(graded.sum()), len(set(seat[graded].tolist()))),
        )  # fmt: skip
        share = Interval(float("nan"), float("nan"), float("nan"), n)
        if with_share:
            names = np.array(judged.names, dtype=object)
            visited, others = list(names[found]), list(names[~found])
            ppi = powered(x, self.own[rows[found]], self.own[rows[~found]], visited, others)
            worth = effective(x, visited) / n if n else 0.0
            counts = ppi.counts if ppi else (worth * confirmed, worth * (n - confirmed))
            share = unsupported(*counts, sensitivity=KNOWN, specificity=KNOWN, n=n)
        return Judged(
            len(rows), n, confirmed, path.highest >= FLAG, float(path_at[reached[0]]) if len(reached) else float("nan"),
            tuple(wealth[np.searchsorted(path_at, ends)].tolist()), path.current, protective.current, status, gate,
            net, share, _peeked(x, at, self.length_us),
        )  # fmt: skip

    def _net(self, fleet: Counts, rows: Counts, seat: Counts, found: NDArray[np.bool_], years: float) -> Interval:
        measured = found & np.isfinite(self.given_away[rows])
        if not measured.any():
            return Interval(float("nan"), float("nan"), float("nan"), 0)
        jobs = np.bincount(seat, minlength=len(fleet))
        seen = np.bincount(seat[measured], minlength=len(fleet))
        given = np.bincount(seat[measured], self.given_away[rows[measured]], minlength=len(fleet))
        enough = int((seen > 0).sum()) > 1
        return leave_one_out_interval(excess(jobs, seen, given) / years, int(measured.sum()), enough)


def same_as_review(cases: Cases, rng: np.random.Generator, size: int) -> None:
    """A fleet of different pumps, judged by its pieces and by the whole review; AssertionError where they differ."""
    pool = cases.pool
    fleet = rng.choice(len(pool.assets), size, replace=False)
    assets = [pool.assets[p] for p in fleet]
    period = (pool.start_us, pool.start_us + cases.length_us)
    whole = review(pool.tables_of(assets), parameters(assets, pool.start_us), period)
    one = cases.judge(fleet)
    said = (whole.interventions, whole.findings, whole.confirmed, whole.early, whole.standing, whole.status, whole.gate)
    pieces = (one.jobs, one.findings, one.confirmed, one.early, one.standing, one.status, one.gate)
    assert said == pieces, (said, pieces)
    figures = [whole.e_calibrated, whole.e_protective]
    ours = [one.e, one.e_protective]
    for theirs, mine in ((whole.life.net, one.net), (whole.unsupported, one.unsupported)):
        figures += [theirs.value, theirs.low, theirs.high]
        ours += [mine.value, mine.low, mine.high]
    assert np.allclose(figures, ours, rtol=1e-9, equal_nan=True), (figures, ours)


def path_of(x: NDArray[np.bool_], clusters: Counts, largest: int = FROZEN.largest_cluster) -> BetPath:
    """The product's wealth at the calibrated null."""
    return bet_path(x, clusters, NULL, largest)


def _peeked(x: NDArray[np.bool_], at: Counts, length_us: int) -> bool:
    """The competitor: a one-sided binomial test at 5 % of all findings so far, looked at at each month's end."""
    ends = np.searchsorted(at, np.arange(1, round(length_us / MONTH_US) + 1) * MONTH_US)
    hits = np.concatenate([[0], np.cumsum(x)])[ends]
    return bool((stats.binom.cdf(hits[ends > 0], ends[ends > 0], NULL) <= 0.05).any())
