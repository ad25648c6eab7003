"""Life accounting: how many interventions a year were in excess, and what they cost, given what was left in each part.

A part replaced at 60 % of its agreed life gave away 40 % of one intervention; one that ran past its limit gives the
vendor credit. Counting every unsupported job as excess would be three times too much, and unfair. Failures that early
work avoided are money on the vendor's side; what they are measured against decides the sign, so both are printed.

The interval leaves each asset out once: how far the figure moves when one pump is not there, jobs and findings
together, says how far it could lie from that of other pumps of the kind, and Student's t takes few pumps for what they
are. It needs no draws, and the same records in any order and under any names give the same digits. Its coverage is in
docs/bias_method.md.

References
----------
Tukey 1958, Bias and confidence in not-quite large samples, Ann. Math. Stat. 29 (leave one out, t with A - 1 degrees).
Efron, Stein 1981, The jackknife estimate of variance, Annals of Statistics 9 (it errs on the wide side).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from models.intervals import LEVEL, Interval, rate_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Life:
    """Excess per year of the whole fleet. `net` may be negative: parts then ran past their limit."""

    mean_wear: Interval  # of the agreed limit, at removal
    net: Interval  # [1/year]
    waste: Interval  # gross: parts past the limit give no credit [1/year]
    money: Interval  # net, each job at the price of its own part [currency/year]
    unpriced: tuple[str, ...]  # components of which some job has no price or no measured finding: not all is in `money`


@dataclass(frozen=True, slots=True)
class Credit:
    """Failures against a reference policy: positive money is what the vendor's early work saved."""

    reference: str
    reference_rate: float  # [1/asset/year]
    money: Interval  # [currency/year]


def account(
    jobs: pd.DataFrame,
    findings: pd.DataFrame,
    assets: Sequence[str],
    years: float,
    costs: Mapping[tuple[str, str], float],
) -> Life:
    """E_net = (N / T) mean(1 - w), E_waste = (N / T) mean(max(0, 1 - w)), money = sum_i C_p,i (1 - w_i) / T.

    Jobs without a measured finding count as the others do on average; in money as those of their component do on each
    unit of price: sum of C_p over its jobs times sum of C_p (1 - w) over sum of C_p of those with a finding. Assets
    without jobs count for the interval.

    Parameters
    ----------
    jobs : DataFrame
        Vendor-driven interventions; columns asset, component.
    findings : DataFrame
        Those of them with a measured finding; columns asset, component, wear (share of the agreed limit at removal;
        0 for a visit that restored nothing).
    assets : sequence of str
        All assets under review.
    years : float
        Length of the period. [year]
    costs : mapping
        (asset, component) -> C_p, planned cost. [currency]
    """
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    found = findings.dropna(subset=["wear"])
    jobs = jobs[jobs["asset"].isin(list(assets))]
    found = found[found["asset"].isin(list(assets))]
    if found.empty or years <= 0:
        return Life(nothing, nothing, nothing, nothing, tuple(sorted(set(jobs["component"]))))
    place = {asset: n for n, asset in enumerate(assets)}
    job_at, found_at = (frame["asset"].map(place).to_numpy(dtype=np.int64) for frame in (jobs, found))
    given_away = 1 - found["wear"].to_numpy(dtype=float)

    def yearly(values: Floats, of_jobs: Floats, of_found: Floats) -> Floats:
        """The jobs, weighed, times the weighed mean value, over T: of all assets, then of all but one."""
        jobs_, seen, sums = (
            np.bincount(at, weights, minlength=len(assets)).astype(np.float64)
            for at, weights in ((job_at, of_jobs), (found_at, of_found), (found_at, of_found * values))
        )
        return excess(jobs_, seen, sums) / years

    net = yearly(given_away, np.ones(len(jobs)), np.ones(len(found)))
    waste = yearly(np.maximum(0.0, given_away), np.ones(len(jobs)), np.ones(len(found)))
    money, unpriced, priced = np.zeros(len(assets) + 1), set[str](), False
    job_price, found_price = (
        np.array(
            [costs.get(part, np.nan) for part in zip(frame["asset"], frame["component"], strict=True)], dtype=float
        )
        for frame in (jobs, found)
    )
    for component in sorted(set(jobs["component"])):
        of_jobs, of_found = (
            np.where(frame["component"] == component, np.nan_to_num(price), 0.0)
            for frame, price in ((jobs, job_price), (found, found_price))
        )
        if np.isnan(job_price[(jobs["component"] == component).to_numpy()]).any() or not of_found.any():
            unpriced.add(str(component))
        if of_found.any():
            money, priced = money + yearly(given_away, of_jobs, of_found), True
    n, enough = len(found), len(set(found_at)) > 1
    intervals = [leave_one_out_interval(values, n, enough) for values in (net, waste, money)]
    return Life(
        _wear_interval(found), intervals[0], intervals[1], intervals[2] if priced else nothing, tuple(sorted(unpriced))
    )


def excess(jobs: Floats, found: Floats, given_away: Floats) -> Floats:
    """Jobs times what was given away per finding: of all assets, then without the first, the second, ...

    The totals without an asset are raised by A / (A - 1), to be those of a fleet as large. Where nothing was found
    without it, the mean of all stands in.

    Parameters
    ----------
    jobs, found, given_away : ndarray, shape (assets,)
        By asset: interventions, measured findings, sum of (1 - wear) over them, each counted once or by its price; at
        least one finding in all.

    >>> excess(np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.array([0.5, 0.1])).round(3).tolist()
    [0.6, 0.2, 1.0]
    """
    n, seen, total = jobs.sum(), found.sum(), given_away.sum()
    others = seen - found
    mean = np.where(others > 0, (total - given_away) / np.where(others > 0, others, 1.0), total / seen)
    assets = len(jobs)
    return np.concatenate(([n * total / seen], (n - jobs) * mean * assets / max(assets - 1, 1)))


def leave_one_out_interval(values: Floats, n: int, enough: bool = True) -> Interval:
    """The first of `values`, with the jackknife interval from the others; without bounds (NaN) from one asset alone.

    >>> i = leave_one_out_interval(np.array([0.6, 0.2, 1.0]), 2)
    >>> round(i.high - i.value, 3) == round(6.3138 * 0.4, 3)  # t(1) times sqrt((0.4^2 + 0.4^2) / 2)
    True
    """
    value, others = float(values[0]), values[1:]
    if not enough or len(others) < 2:
        return Interval(value, float("nan"), float("nan"), n)
    spread = float(np.sqrt((len(others) - 1) / len(others) * ((others - others.mean()) ** 2).sum()))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(others) - 1)) * spread
    return Interval(value, value - half, value + half, n)


def failure_credit(
    failures: int, asset_years: float, years: float, extra_cost: float, references: Mapping[str, float]
) -> list[Credit]:
    """What the difference in failures against each reference policy is worth a year.

    Parameters
    ----------
    failures : int
        In the period, of those that the vendor's way of asking can have to do with (models.bias.failures).
    asset_years, years : float
        Exposure, and length of the period. [year]
    extra_cost : float
        C_f - C_p, mean over the parts that are there (exposure), one price for both sides of the difference. Not over
        the parts that failed: those are few, early work chose which they are, and where none failed there is no price.
        [currency]
    references : mapping
        Name of a policy -> its failures per asset and year.
    """
    if asset_years <= 0 or years <= 0:
        return []
    observed = failure_rate(failures, asset_years)
    scale = extra_cost * asset_years / years
    credits = []
    for name, rate in references.items():
        value, low, high = ((rate - seen) * scale for seen in (observed.value, observed.high, observed.low))
        credits.append(Credit(name, rate, Interval(value, low, high, failures)))
    return credits


def failure_rate(failures: int, asset_years: float) -> Interval:
    """Failures per asset and year with the exact Poisson interval.

    Where there were none the value is the rate at which none is as likely as any, ln 2 / T: 0 would be its own bound.

    >>> i = failure_rate(0, 10.0)
    >>> round(i.value, 4), i.low, round(i.high, 4)
    (0.0693, 0.0, 0.2996)
    """
    exact = rate_interval(failures, asset_years)
    if failures or asset_years <= 0:
        return exact
    return Interval(math.log(2) / asset_years, exact.low, exact.high, 0)


def _wear_interval(found: pd.DataFrame) -> Interval:
    """Mean wear at removal over the assets that have findings."""
    by_asset = found.groupby("asset")["wear"].agg(["sum", "count"]).to_numpy(dtype=float)
    total, count = by_asset.sum(axis=0)
    with_one_less = (total - by_asset[:, 0]) / np.maximum(count - by_asset[:, 1], 1)
    return leave_one_out_interval(np.concatenate(([total / count], with_one_less)), len(found), len(by_asset) > 1)
