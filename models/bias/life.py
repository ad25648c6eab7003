"""Life accounting: how many interventions a year were in excess, and what they cost, given what was left in each part.

A part replaced at 60 % of its agreed life gave away 40 % of one intervention; one that ran past its limit gives the
vendor credit. Counting every unsupported job as excess would be three times too much, and unfair. Failures that early
work avoided are money on the vendor's side; what they are measured against decides the sign, so both are printed.

References
----------
Rubin 1981, The Bayesian bootstrap, Annals of Statistics 9.
The 2.5-97.5 % quantiles under 30 assets, printed as 90 %: coverage seen in simulation of fleets of 10 to 200 pumps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.intervals import LEVEL, Interval, rate_interval

DRAWS = 4_000
MANY_ASSETS = 30


@dataclass(frozen=True, slots=True)
class Life:
    """Excess per year of the whole fleet. `net` may be negative: parts then ran past their limit."""

    mean_wear: Interval  # of the agreed limit, at removal
    net: Interval  # [1/year]
    waste: Interval  # gross: parts past the limit give no credit [1/year]
    money: Interval  # net, priced per component [currency/year]
    unpriced: tuple[str, ...]  # components with jobs but no price or no measured finding: in `net`, not in `money`


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
    costs: Mapping[str, float],
    seed: int = 1,
) -> Life:
    """E_net = (N / T) mean(1 - w), E_waste = (N / T) mean(max(0, 1 - w)), money summed per component.

    From 30 assets on, the interval is a Bayesian bootstrap over assets (those without jobs among them); below, a
    gamma for the number of jobs times a bootstrap mean, with wider quantiles.

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
        component -> C_p, planned cost. [currency]
    """
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    found = findings.dropna(subset=["wear"])
    jobs = jobs[jobs["asset"].isin(list(assets))]
    found = found[found["asset"].isin(list(assets))]
    if found.empty or years <= 0:
        return Life(nothing, nothing, nothing, nothing, tuple(sorted(set(jobs["component"]))))
    every = pd.Index(list(assets))
    given_away = 1 - found["wear"].to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    weights = _asset_weights(rng, len(assets)) if len(assets) >= MANY_ASSETS else None

    def yearly(values: NDArray[np.float64], job_assets: pd.Series, found_assets: pd.Series) -> NDArray[np.float64]:
        """First the estimate, then draws of N/T times the mean value."""
        estimate = len(job_assets) / years * values.mean()
        if weights is None:
            mean = rng.dirichlet(np.ones(len(values)), DRAWS) @ values
            return np.concatenate(([estimate], rng.gamma(len(job_assets) + 0.5, 1 / years, DRAWS) * mean))
        n_jobs = job_assets.value_counts().reindex(every, fill_value=0).to_numpy(dtype=float)
        n_found = found_assets.value_counts().reindex(every, fill_value=0).to_numpy(dtype=float)
        sums = pd.Series(values).groupby(found_assets.to_numpy()).sum().reindex(every, fill_value=0.0).to_numpy()
        mean = (weights @ sums) / (weights @ n_found)
        return np.concatenate(([estimate], weights @ n_jobs * len(assets) / years * mean))

    net = yearly(given_away, jobs["asset"], found["asset"])
    waste = yearly(np.maximum(0.0, given_away), jobs["asset"], found["asset"])
    money = np.zeros(DRAWS + 1)
    unpriced = []
    for component, of_component in jobs.groupby("component", sort=True):
        seen = (found["component"] == component).to_numpy()
        price = costs.get(str(component))
        if price is None or not seen.any():
            unpriced.append(str(component))
            continue
        money += price * yearly(given_away[seen], of_component["asset"], found["asset"][seen])
    wear = _wear_interval(found, rng)
    n, few = len(found), weights is None
    priced = _interval(money, n, few) if len(unpriced) < jobs["component"].nunique() else nothing
    return Life(wear, _interval(net, n, few), _interval(waste, n, few), priced, tuple(unpriced))


def failure_credit(
    failures: int, asset_years: float, years: float, extra_cost: float, references: Mapping[str, float]
) -> list[Credit]:
    """What the difference in failures against each reference policy is worth a year.

    Parameters
    ----------
    failures : int
        In the period.
    asset_years, years : float
        Exposure, and length of the period. [year]
    extra_cost : float
        C_f - C_p, mean over the components. [currency]
    references : mapping
        Name of a policy -> its failures per asset and year.
    """
    if asset_years <= 0 or years <= 0:
        return []
    observed = rate_interval(failures, asset_years)
    scale = extra_cost * asset_years / years
    credits = []
    for name, rate in references.items():
        value, low, high = ((rate - seen) * scale for seen in (observed.value, observed.high, observed.low))
        credits.append(Credit(name, rate, Interval(value, low, high, failures)))
    return credits


def _asset_weights(rng: np.random.Generator, assets: int) -> NDArray[np.float64]:
    return rng.dirichlet(np.ones(assets), DRAWS)


def _wear_interval(found: pd.DataFrame, rng: np.random.Generator) -> Interval:
    """Mean wear at removal, bootstrap over assets that have findings."""
    by_asset = found.groupby("asset")["wear"].agg(["sum", "count"]).to_numpy(dtype=float)
    weights = rng.dirichlet(np.ones(len(by_asset)), DRAWS)
    draws = (weights @ by_asset[:, 0]) / (weights @ by_asset[:, 1])
    return _interval(np.concatenate(([found["wear"].mean()], draws)), len(found), few=False)


def _interval(draws: NDArray[np.float64], n: int, few: bool) -> Interval:
    tail = 2.5 if few else 50 * (1 - LEVEL)
    usable = draws[1:][np.isfinite(draws[1:])]
    low, high = np.percentile(usable, [tail, 100 - tail]) if len(usable) else (float("nan"), float("nan"))
    return Interval(float(draws[0]), float(low), float(high), n)
