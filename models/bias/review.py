"""The review: do a vendor's alerts ask for more maintenance than the as-found findings support.

One confirmatory test (`bet_path` on clusters of independent findings), one pair of headline figures (U and E_net),
four diagnostics that say why and never flag. What the vendor's own people wrote down is counted apart. Our own model
matches and describes; it is not evidence. No word here means intent.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.cases import COLUMNS, CONFIRMED, cases_of, of_vendor, prepared, started
from models.bias.causes import (
    after_work,
    deferred,
    kappa_of,
    monthly,
    own_auc,
    replacements,
    seasons,
    severities,
    smallest,
    spikes,
)
from models.bias.diagnostics import step_change
from models.bias.doubts import SHOWN, Doubt, doubts
from models.bias.episodes import DAY_US, match, merge
from models.bias.evidence import (
    FLAG,
    BetPath,
    bet_path,
    null_rate,
    path_bound,
    upper_bound,
)
from models.bias.failures import counts, kinds
from models.bias.life import Credit, account, failure_credit, failure_rate
from models.bias.multiple import e_bh
from models.bias.parameters import Parameters
from models.bias.result import Group, OtherName, ReviewResult
from models.bias.status import status_of
from models.bias.tipping import path_curve, path_tipping, tipping
from models.bias.unsupported import effective, powered, unsupported
from models.bias.watched import watches
from models.intervals import Interval, median_interval, share_interval

YEAR_US = 365.25 * DAY_US

CYCLE_US = 365 * DAY_US  # so that a calendar year is a full cycle

VALIDATED = 50  # inspectors' errors are taken as if known from so many double readings


def review(
    tables: Mapping[str, pd.DataFrame],
    parameters: Parameters,
    period: tuple[int, int],
    contested: Collection[int] = (),
) -> ReviewResult:
    """The whole review of one period.

    Parameters
    ----------
    tables : mapping
        Records by kind, as the ledger has them (texts with units, ISO times), also those before the period: the last
        service of a part may lie there. Missing tables are empty ones.
    parameters : Parameters
        Frozen beforehand; the caller knows whether they were.
    period : (int, int)
        Start and end, UTC. [us]
    contested : collection of int, optional
        Entry numbers of findings that the vendor contests: they count as confirmed.
    """
    start, end = period
    site_of = dict(parameters.assets)
    data = {kind: prepared(tables.get(kind), kind, site_of) for kind in COLUMNS}
    alerts, others = of_vendor(data["vendor_alert"], parameters.vendor)
    work, failures = data["work_order"], data["failure"]
    closings = pd.concat([work[["at_us", "asset", "component"]], failures[["at_us", "asset", "component"]]])

    def episodes_of(alerts: pd.DataFrame, origin: str) -> pd.DataFrame:
        return merge(
            alerts[alerts["at_us"] < end], gap_days=parameters.merge_days, horizon_days=parameters.horizon_days,
            origin=origin, closings=closings, now_us=end,
        )  # fmt: skip

    vendor_all, own_all = episodes_of(alerts, "vendor"), episodes_of(data["own_alert"], "own")
    vendor_episodes, own_episodes = started(vendor_all, period), started(own_all, period)

    cases, apart, orphans = cases_of(
        work, data["finding"], alerts, own_all, parameters, period, contested, set(others["alert_id"])
    )
    elsewhere = cases[cases["q0"].isna()]
    cases = cases[cases["q0"].notna()].reset_index(drop=True)
    watch = watches(tables, site_of)
    watched = tuple(asset for asset in site_of if asset in watch and watch[asset].within(start, end))
    cases["own_known"] = [
        bool(stood) or (asset in watch and watch[asset].at(at))
        for asset, at, stood in zip(cases["asset"], cases["at_us"], cases["own_standing"], strict=True)
    ]
    independent = cases[cases["independent"]].reset_index(drop=True)
    judged = independent[independent["own_known"].astype(bool)]
    n, confirmed = len(independent), int(independent["confirmed"].sum())
    years = (end - start) / YEAR_US
    prior_se = _beta(parameters.sensitivity)
    prior_sp = _beta(parameters.specificity)

    settled = independent[independent["settled_us"] < end].sort_values("settled_us", kind="stable")
    bets = _bets(settled, parameters, parameters.specificity)
    calibrated = bet_path(*bets)
    protective = bet_path(*_bets(settled, parameters, parameters.protective_specificity))
    path_us = settled["settled_us"].to_numpy(dtype=np.int64)[calibrated.starts]
    cycle_ends = _cycle_ends(calibrated, path_us, period)
    rest = cases[~cases["independent"]]
    share = powered(
        independent["confirmed"], independent["own_standing"], rest["own_standing"],
        list(independent["cluster"]), list(rest["cluster"]),
    )  # fmt: skip
    worth = effective(independent["confirmed"], list(independent["cluster"])) / n if n else 0.0

    life = account(
        cases, independent, [asset for asset, _ in parameters.assets], years,
        {part: cost.planned for part, cost in parameters.costs.items()},
    )  # fmt: skip
    status, capped, gate = status_of(
        n, int(independent["asset"].nunique()), len(cases), calibrated.current, protective.current, life.net.low,
        parameters.agreed,
        (int(cases["grade"].notna().sum()), int(cases.loc[cases["grade"].notna(), "asset"].nunique())),
    )  # fmt: skip
    q0 = independent["q0"].to_numpy(dtype=float) if n else np.array([parameters.default_q0])
    mean_q0 = float(q0.mean())
    se, sp = parameters.sensitivity, parameters.specificity
    written = cases[cases["inspector_party"] == "vendor"]
    in_period = failures[(failures["at_us"] >= start) & (failures["at_us"] < end)]
    asset_years = len(parameters.assets) * years
    failed = kinds(in_period, vendor_all, data["decision"], parameters.q0)
    failure_counts = counts(failed, bool((failures["at_us"] < end).any()))
    price = parameters.mean_cost()
    credit = failure_credit(
        failure_counts.counted, asset_years, years, price.failure - price.planned if price else math.nan,
        dict(parameters.failure_references),
    )  # fmt: skip
    parts = {part for _, part in parameters.q0} | set(cases["component"])
    if not failure_counts.recorded:
        unknown = Interval(math.nan, math.nan, math.nan, 0)
        credit = [Credit(one.reference, one.reference_rate, unknown) for one in credit]
    scans, ages = spikes(vendor_episodes, own_episodes, in_period, closings, work, parameters)
    theirs, ours = (one[one["asset"].isin(watched)] for one in (vendor_episodes, own_episodes))
    pairs = match(theirs, ours, parameters.match_days)
    both = int((pairs["vendor_id"].notna() & pairs["own_id"].notna()).sum())
    raised = alerts[(alerts["at_us"] >= start) & (alerts["at_us"] < end) & alerts["active"].astype(bool)]
    choices = _choices(data["decision"], raised)
    kappa, kappa_cells = kappa_of(theirs, ours, work, len(watched), parameters.match_days, period)
    return ReviewResult(
        status=status,
        capped=capped,
        gate=gate,
        start_us=start,
        end_us=end,
        assets=len(parameters.assets),
        alerts=len(raised),
        episodes=len(vendor_episodes),
        own_episodes=len(own_episodes),
        decisions=choices,
        interventions=len(cases),
        left_out=tuple(sorted(Counter(apart["why"]).items())),
        findings=n,
        found_assets=int(independent["asset"].nunique()),
        confirmed=confirmed,
        confirmation=share_interval(confirmed, n),
        vendor_written=len(written),
        vendor_written_confirmed=int(written["grade"].isin(CONFIRMED).sum()),
        orphan_findings=orphans,
        not_reviewed=(len(elsewhere), int(elsewhere["independent"].sum())),
        second_readings=_agreed_twice(independent),
        blind=_blind(independent),
        unsupported=unsupported(
            *(share.counts if share else (worth * confirmed, worth * (n - confirmed))),
            sensitivity=prior_se,
            specificity=prior_sp,
            n=n,
        ),
        unsupported_by="ppi" if share and share.weight else "jeffreys",
        unlabelled=len(rest),
        upper_bound=path_bound(bets.confirmed, bets.clusters, bets.largest, late=bets.late),
        upper_bound_unclustered=upper_bound(confirmed, n - confirmed),
        unsettled=n - len(settled),
        q0=(float(q0.min()), float(q0.max())),
        m0=(
            null_rate(mean_q0, parameters.sensitivity, parameters.specificity),
            null_rate(mean_q0, parameters.sensitivity, parameters.protective_specificity),
        ),
        path=calibrated,
        path_us=path_us,
        e_calibrated=calibrated.current,
        e_protective=protective.current,
        early=calibrated.highest >= FLAG,
        standing=bool(cycle_ends) and cycle_ends[-1][1] >= FLAG,
        cycles=len(cycle_ends),
        cycle_ends=cycle_ends,
        tipping=path_tipping(*bets, without_finding=len(rest), q0=mean_q0, sensitivity=se, specificity=sp),
        tipping_unclustered=tipping(confirmed, n - confirmed, len(rest), q0=mean_q0, sensitivity=se, specificity=sp),
        tipping_curve=path_curve(*bets.alike, sensitivity=se, specificity=sp),
        life=life,
        failures=len(in_period),
        failure_counts=failure_counts,
        failure_rate=failure_rate(failure_counts.counted, asset_years),
        credit=tuple(credit),
        spikes=scans,
        spike_p=smallest([s.vendor.p for s in scans]),
        spike_control_p=smallest([p for s in scans for p in (s.own.p, s.failures.p)]),
        seasons=seasons(vendor_episodes, own_episodes, in_period, period),
        steps=tuple(
            step
            for listed, first in ((parameters.events, True), (parameters.later_events, False))
            for step in step_change(
                vendor_episodes["start_us"], own_episodes["start_us"], listed, start, end, beforehand=first
            )
        ),
        deferral=deferred(data["decision"], raised, work, failures, parameters, period),
        waddington=after_work(work, cases, in_period, parameters, period),
        own_auc=own_auc(judged),
        own_judged=(len(judged), int(judged["confirmed"].sum())),
        watched=watched,
        vendor_only=len(theirs) - both,
        own_only=len(ours) - both,
        both=both,
        lead_days=median_interval(pairs["lead_days"].dropna()),
        kappa=kappa,
        kappa_cells=kappa_cells,
        severity=severities(alerts, vendor_episodes, cases, work, failures, parameters, period),
        replacement=replacements(tables, work, alerts, scans, parameters, period),
        sites=_groups(settled, "site", set(site_of.values()), parameters),
        components=_groups(settled, "component", parts, parameters),
        doubts=(
            *doubts(tables, site_of, end, parameters.limits, parameters.vendor, parameters.horizon_days),
            *_not_reviewed(elsewhere, len(elsewhere) + len(cases)),
        ),
        other_names=_other_names(others, work, period),
        cases=cases,
        ages=ages,
        monthly=monthly(vendor_episodes, own_episodes, period),
    )  # fmt: skip


def _other_names(others: pd.DataFrame, work: pd.DataFrame, period: tuple[int, int]) -> tuple[OtherName, ...]:
    """Each name that is not that of the vendor under review, with the jobs of the period that were left out by it."""
    driven = work[(work["trigger"] == "vendor_alert") & (work["at_us"] >= period[0]) & (work["at_us"] < period[1])]
    names = others["vendor"].where(others["vendor"].notna(), "")
    return tuple(
        OtherName(str(name), len(mine), int(driven["alert_id"].isin(list(mine["alert_id"])).sum()))
        for name, mine in others.groupby(names, sort=True)
    )


class _Bets(NamedTuple):
    """What `bet_path` asks for."""

    confirmed: NDArray[np.bool_]
    clusters: list[str]
    m0: NDArray[np.float64]
    largest: int
    late: NDArray[np.bool_]

    @property
    def alike(self) -> tuple[NDArray[np.bool_], list[str], int, NDArray[np.bool_]]:
        """All but the rates, which another one shall stand for."""
        return self.confirmed, self.clusters, self.largest, self.late


def _bets(settled: pd.DataFrame, parameters: Parameters, specificity: float) -> _Bets:
    m0 = np.array([null_rate(q, parameters.sensitivity, specificity) for q in settled["q0"]], dtype=float)
    confirmed = settled["confirmed"].to_numpy(dtype=bool)
    return _Bets(
        confirmed, list(settled["cluster"]), m0, parameters.largest_cluster, settled["late"].to_numpy(dtype=bool)
    )


def _cycle_ends(path: BetPath, path_us: NDArray[np.int64], period: tuple[int, int]) -> tuple[tuple[int, float], ...]:
    """End of each full cycle of 12 months and the wealth then."""
    ends = range(period[0] + CYCLE_US, period[1] + 1, CYCLE_US)
    wealth = np.concatenate([[1.0], path.e])
    return tuple((end, float(wealth[np.searchsorted(path_us, end)])) for end in ends)


def _agreed_twice(found: pd.DataFrame) -> tuple[int, int]:
    """Findings that a second reader graded too, and of them those that both call confirmed or both do not."""
    twice = found[found["second_reader_grade"].notna()]
    first, second = twice["grade"].isin(CONFIRMED), twice["second_reader_grade"].isin(CONFIRMED)
    return len(twice), int((first == second).sum())


def _blind(found: pd.DataFrame) -> tuple[int, int]:
    """Findings by inspectors who did not know of the alert, and of them those confirmed."""
    blind = found[found["blind_to_alert"].eq(True)]
    return len(blind), int(blind["confirmed"].sum())


def _not_reviewed(jobs: pd.DataFrame, of: int) -> tuple[Doubt, ...]:
    """Jobs on components of which no parameter speaks: whoever names a component shall not decide the answer by it."""
    told = [f"{wo_id} {part}" for wo_id, part in zip(jobs["wo_id"], jobs["component"], strict=True)]
    return (Doubt("not_reviewed", len(jobs), tuple(told[:SHOWN]), of),) if told else ()


def _groups(settled: pd.DataFrame, column: str, names: set[str], parameters: Parameters) -> tuple[Group, ...]:
    """Each of `names`, those without a finding among them: all were asked, and e-BH counts the questions."""
    groups = []
    for name in sorted(names):
        mine = settled[settled[column] == name]
        groups.append((name, len(mine), bet_path(*_bets(mine, parameters, parameters.specificity)).current))
    flags = e_bh([e for _, _, e in groups])
    return tuple(Group(*group, bool(flag)) for group, flag in zip(groups, flags, strict=True))


def _beta(rate: float) -> tuple[float, float]:
    return max(rate * VALIDATED, 0.5), max((1 - rate) * VALIDATED, 0.5)


def _choices(decisions: pd.DataFrame, raised: pd.DataFrame) -> dict[str, int]:
    """The last decision on each alert of the period; alerts nobody decided on are "none"."""
    last = dict(zip(decisions["alert_id"], decisions["choice"], strict=True))
    counts = Counter(str(last.get(alert, "none")) for alert in raised["alert_id"])
    return dict(sorted(counts.items()))
