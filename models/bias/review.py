"""The review: do a vendor's alerts ask for more maintenance than the as-found findings support.

One confirmatory test (`bet_path` on clusters of independent findings), one pair of headline figures (U and E_net),
four diagnostics that say why and never flag. What the vendor's own people wrote down is counted apart. Our own model
matches and describes; it is not evidence. No word here means intent.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.cases import COLUMNS, CONFIRMED, cases_of, prepared, quantity, started
from models.bias.diagnostics import Deferral, Spike, Step, Waddington, deferral, spike_scan, step_change, waddington
from models.bias.episodes import DAY_US, match, merge
from models.bias.evidence import FLAG, WATCH, BetPath, Tipping, bet_path, null_rate, tipping, tipping_curve, upper_bound
from models.bias.life import Credit, Life, account, failure_credit
from models.bias.multiple import e_bh
from models.bias.parameters import Parameters
from models.bias.unsupported import unsupported
from models.intervals import Interval, rate_interval, share_interval

GATES = ("few_findings", "few_assets", "low_coverage", "below_watch", "below_flag", "not_agreed", "flag", "strong")
STATUSES = ("INSUFFICIENT", "NO EVIDENCE", "WATCH", "FLAG", "STRONG")
YEAR_US = 365.25 * DAY_US
FEWEST_FINDINGS = 20
FEWEST_ASSETS = 5
LEAST_COVERAGE = 0.5
VALIDATED = 50  # inspectors' errors are taken as if known from so many double readings


@dataclass(frozen=True, slots=True)
class SpikeOf:
    """D1 of one component class, with the same scan on what the vendor does not control."""

    component: str
    vendor: Spike
    own: Spike
    failures: Spike


@dataclass(frozen=True, slots=True)
class Group:
    """One site or one component class among several: the current e-value and whether e-BH at 10 % rejects it."""

    name: str
    findings: int
    e: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """The evidence table of one review; every rate with its interval (90 %) or count."""

    status: str
    capped: bool  # would be FLAG or STRONG, but no rate was agreed
    gate: str  # which of GATES decided
    start_us: int
    end_us: int
    assets: int
    alerts: int
    episodes: int
    own_episodes: int
    decisions: Mapping[str, int]
    interventions: int
    findings: int  # independent ones
    found_assets: int  # with such a finding
    confirmed: int
    confirmation: Interval
    vendor_written: int
    vendor_written_confirmed: int
    orphan_findings: int  # without a work order: kept, counted, not used
    unsupported: Interval
    upper_bound: float
    q0: tuple[float, float]  # lowest and highest in use
    m0: tuple[float, float]  # mean: calibrated, protective
    path: BetPath
    path_us: NDArray[np.int64]
    e_calibrated: float
    e_protective: float
    early: bool  # the wealth once reached 20
    standing: bool  # it stands at 20 at the end of the last full cycle of 12 months
    cycles: int
    tipping: Tipping
    tipping_curve: tuple[NDArray[np.float64], NDArray[np.float64]]
    life: Life
    failures: int
    failure_rate: Interval
    credit: tuple[Credit, ...]
    spikes: tuple[SpikeOf, ...]
    spike_p: float  # smallest of the classes, Bonferroni; NaN where there are too few ages
    spike_control_p: float  # the same over our own alerts and the failures
    steps: tuple[Step, ...]
    deferral: Deferral
    waddington: Waddington
    own_auc: float
    vendor_only: int
    own_only: int
    both: int
    kappa: float
    kappa_cells: int  # what kappa rests on
    severity: tuple[tuple[str, int, int], ...]  # (severity, jobs with finding, confirmed)
    sites: tuple[Group, ...]
    components: tuple[Group, ...]
    cases: pd.DataFrame  # one row per vendor-driven intervention
    ages: Mapping[str, NDArray[np.float64]]  # component -> days since last service at the vendor's episodes
    monthly: pd.DataFrame  # month, vendor, own


def review(tables: Mapping[str, pd.DataFrame], parameters: Parameters, period: tuple[int, int]) -> ReviewResult:
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
    """
    start, end = period
    site_of = dict(parameters.assets)
    data = {kind: prepared(tables.get(kind), kind, site_of) for kind in COLUMNS}
    alerts = data["vendor_alert"]
    if parameters.vendor:
        alerts = alerts[alerts["vendor"] == parameters.vendor]
    work, failures = data["work_order"], data["failure"]
    closings = pd.concat([work[["at_us", "asset", "component"]], failures[["at_us", "asset", "component"]]])

    def episodes_of(alerts: pd.DataFrame, origin: str) -> pd.DataFrame:
        return merge(
            alerts[alerts["at_us"] < end], gap_days=parameters.merge_days, horizon_days=parameters.horizon_days,
            origin=origin, closings=closings, now_us=end,
        )  # fmt: skip

    vendor_all, own_all = episodes_of(alerts, "vendor"), episodes_of(data["own_alert"], "own")
    vendor_episodes, own_episodes = started(vendor_all, period), started(own_all, period)

    cases, orphans = cases_of(work, data["finding"], alerts, own_all, parameters, period)
    independent = cases[cases["independent"]].reset_index(drop=True)
    n, confirmed = len(independent), int(independent["confirmed"].sum())
    years = (end - start) / YEAR_US
    prior_se = _beta(parameters.sensitivity)
    prior_sp = _beta(parameters.specificity)

    calibrated = _bets(independent, parameters, parameters.specificity)
    protective = _bets(independent, parameters, parameters.protective_specificity)
    path_us = independent["at_us"].to_numpy(dtype=np.int64)[calibrated.starts]
    cycles = int((end - start) // YEAR_US)
    in_cycles = calibrated.e[path_us < start + cycles * YEAR_US]
    standing = bool(cycles and len(in_cycles) and in_cycles[-1] >= FLAG)

    life = account(
        cases, independent, [asset for asset, _ in parameters.assets], years,
        {name: cost.planned for name, cost in parameters.costs.items()},
    )  # fmt: skip
    status, capped, gate = _status(
        n, int(independent["asset"].nunique()), len(cases), calibrated.current, protective.current, life.net.low,
        parameters.agreed and _all_agreed(independent, parameters),
    )  # fmt: skip
    q0 = independent["q0"].to_numpy(dtype=float) if n else np.array([parameters.default_q0])
    mean_q0 = float(q0.mean())
    written = cases[cases["inspector_party"] == "vendor"]
    in_period = failures[(failures["at_us"] >= start) & (failures["at_us"] < end)]
    asset_years = len(parameters.assets) * years
    extra = [cost.failure - cost.planned for cost in parameters.costs.values()]
    credit = failure_credit(
        len(in_period), asset_years, years, float(np.mean(extra)) if extra else math.nan,
        dict(parameters.failure_references),
    )  # fmt: skip
    spikes, ages = _spikes(vendor_episodes, own_episodes, in_period, closings, parameters)
    pairs = match(vendor_episodes, own_episodes, parameters.match_days)
    both = int((pairs["vendor_id"].notna() & pairs["own_id"].notna()).sum())
    raised = alerts[(alerts["at_us"] >= start) & (alerts["at_us"] < end) & alerts["active"].astype(bool)]
    choices = _choices(data["decision"], raised)
    kappa, kappa_cells = _kappa(vendor_episodes, own_episodes, work, parameters, period)
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
        findings=n,
        found_assets=int(independent["asset"].nunique()),
        confirmed=confirmed,
        confirmation=share_interval(confirmed, n),
        vendor_written=len(written),
        vendor_written_confirmed=int(written["grade"].isin(CONFIRMED).sum()),
        orphan_findings=orphans,
        unsupported=unsupported(confirmed, n - confirmed, sensitivity=prior_se, specificity=prior_sp),
        upper_bound=upper_bound(confirmed, n - confirmed),
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
        standing=standing,
        cycles=cycles,
        tipping=tipping(
            confirmed, n - confirmed, len(cases) - n,
            q0=mean_q0, sensitivity=parameters.sensitivity, specificity=parameters.specificity,
        ),
        tipping_curve=tipping_curve(
            confirmed, n - confirmed, sensitivity=parameters.sensitivity, specificity=parameters.specificity
        ),
        life=life,
        failures=len(in_period),
        failure_rate=rate_interval(len(in_period), asset_years),
        credit=tuple(credit),
        spikes=spikes,
        spike_p=_smallest([s.vendor.p for s in spikes]),
        spike_control_p=_smallest([p for s in spikes for p in (s.own.p, s.failures.p)]),
        steps=tuple(
            step_change(vendor_episodes["start_us"], own_episodes["start_us"], dict(parameters.events), start, end)
        ),
        deferral=_deferred(data["decision"], raised, work, failures, parameters, period),
        waddington=_after_work(work, cases, in_period, parameters, period),
        own_auc=_own_auc(independent),
        vendor_only=len(vendor_episodes) - both,
        own_only=len(own_episodes) - both,
        both=both,
        kappa=kappa,
        kappa_cells=kappa_cells,
        severity=_by_severity(independent),
        sites=_groups(independent, "site", parameters),
        components=_groups(independent, "component", parameters),
        cases=cases,
        ages=ages,
        monthly=_monthly(vendor_episodes, own_episodes, period),
    )  # fmt: skip


def _status(
    n: int, assets: int, jobs: int, e_calibrated: float, e_protective: float, net_low: float, agreed: bool
) -> tuple[str, bool, str]:
    """(status, capped for want of an agreed rate, the gate that decided: a key of GATES)."""
    if n < FEWEST_FINDINGS:
        return "INSUFFICIENT", False, "few_findings"
    if assets < FEWEST_ASSETS:
        return "INSUFFICIENT", False, "few_assets"
    if n < LEAST_COVERAGE * jobs:
        return "INSUFFICIENT", False, "low_coverage"
    if e_calibrated < WATCH:
        return "NO EVIDENCE", False, "below_watch"
    if e_calibrated < FLAG:
        return "WATCH", False, "below_flag"
    if not agreed:
        return "WATCH", True, "not_agreed"
    if e_protective >= FLAG and net_low > 0:
        return "STRONG", False, "strong"
    return "FLAG", False, "flag"


def _bets(found: pd.DataFrame, parameters: Parameters, specificity: float) -> BetPath:
    null = [null_rate(q, parameters.sensitivity, specificity) for q in found["q0"]]
    return bet_path(found["confirmed"].to_numpy(dtype=bool), list(found["cluster"]), null, parameters.largest_cluster)


def _all_agreed(found: pd.DataFrame, parameters: Parameters) -> bool:
    """Whether no finding fell back on the default rate although rates were agreed part by part."""
    parts = zip(found["asset"], found["component"], strict=True)
    return not parameters.q0 or all(part in parameters.q0 for part in parts)


def _groups(found: pd.DataFrame, column: str, parameters: Parameters) -> tuple[Group, ...]:
    groups = [
        (str(name), len(group), _bets(group, parameters, parameters.specificity).current)
        for name, group in found.groupby(column, sort=True)
    ]
    flags = e_bh([e for _, _, e in groups])
    return tuple(Group(*group, bool(flag)) for group, flag in zip(groups, flags, strict=True))


def _beta(rate: float) -> tuple[float, float]:
    return max(rate * VALIDATED, 0.5), max((1 - rate) * VALIDATED, 0.5)


def _choices(decisions: pd.DataFrame, raised: pd.DataFrame) -> dict[str, int]:
    """The last decision on each alert of the period; alerts nobody decided on are "none"."""
    last = dict(zip(decisions["alert_id"], decisions["choice"], strict=True))
    counts = Counter(str(last.get(alert, "none")) for alert in raised["alert_id"])
    return dict(sorted(counts.items()))


def _spikes(
    vendor: pd.DataFrame, own: pd.DataFrame, failures: pd.DataFrame, services: pd.DataFrame, parameters: Parameters
) -> tuple[tuple[SpikeOf, ...], dict[str, NDArray[np.float64]]]:
    """D1 by component class on days since last service."""
    times = {key: np.sort(group["at_us"].to_numpy()) for key, group in services.groupby(["asset", "component"])}
    series = {
        "vendor": _ages(vendor, "start_us", times),
        "own": _ages(own, "start_us", times),
        "failures": _ages(failures, "at_us", times),
    }
    found = []
    for component in sorted(series["vendor"]):
        scans = {
            name: spike_scan(by_part.get(component, []), width=parameters.spike_width)
            for name, by_part in series.items()
        }
        found.append(SpikeOf(component, scans["vendor"], scans["own"], scans["failures"]))
    return tuple(found), {name: np.array(ages) for name, ages in series["vendor"].items()}


def _smallest(p_values: Sequence[float]) -> float:
    """Bonferroni over those that could be computed."""
    usable = [p for p in p_values if not math.isnan(p)]
    return min(1.0, min(usable) * len(usable)) if usable else math.nan


def _ages(frame: pd.DataFrame, column: str, services: Mapping[Any, NDArray[np.int64]]) -> dict[str, list[float]]:
    ages: dict[str, list[float]] = {}
    for asset, part, at in zip(frame["asset"], frame["component"], frame[column], strict=True):
        before = services.get((asset, part), np.empty(0, dtype=np.int64))
        position = int(np.searchsorted(before, at)) - 1
        if position >= 0 and at > before[position]:
            ages.setdefault(part, []).append((at - before[position]) / DAY_US)
    return ages


def _deferred(
    decisions: pd.DataFrame,
    raised: pd.DataFrame,
    work: pd.DataFrame,
    failures: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
) -> Deferral:
    """D3: from each deferral to the failure or the work that came next on the part."""
    deferred = decisions[decisions["choice"].isin(["defer"]) & decisions["alert_id"].isin(list(raised["alert_id"]))]
    days, failed, by_lot = [], [], 0
    for asset, part, at, lot in zip(
        deferred["asset"], deferred["component"], deferred["at_us"], deferred["randomised"], strict=True
    ):
        ends = []
        for frame in (failures, work):
            mine = frame.loc[(frame["asset"] == asset) & (frame["component"] == part) & (frame["at_us"] > at), "at_us"]
            ends.append(min((int(one) for one in mine), default=period[1]))
        last = min(*ends, period[1])
        days.append((last - at) / DAY_US)
        failed.append(ends[0] <= last < period[1])
        by_lot += lot is True
    return deferral(days, failed, parameters.horizon_days, by_lot)


def _after_work(
    work: pd.DataFrame,
    cases: pd.DataFrame,
    failures: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
) -> Waddington:
    """D4: only work that the clock called for, or that found a good part (grade A or B)."""
    idle = cases[cases["grade"].isin(["A", "B"]) & cases["independent"]]
    clock = work[(work["trigger"] == "schedule") & (work["at_us"] >= period[0]) & (work["at_us"] < period[1])]
    done = pd.concat([idle[["asset", "at_us"]], clock[["asset", "at_us"]]])
    works = {str(asset): [float(t) for t in group["at_us"]] for asset, group in done.groupby("asset")}
    broken = {str(asset): [float(t) for t in group["at_us"]] for asset, group in failures.groupby("asset")}
    for asset, _ in parameters.assets:
        works.setdefault(asset, [])
    window = parameters.after_work_hours / _run_hours_per_day(work) * DAY_US
    bounds = (float(period[0]), float(period[1]))
    return waddington(works, broken, bounds, window=window, shift=parameters.horizon_days * DAY_US)


def _run_hours_per_day(work: pd.DataFrame) -> float:
    """Median over assets, from the counter readings on work orders; 24 where they do not tell."""
    read = work.assign(hours=[quantity(one) for one in work["run_hours"]]).dropna(subset=["hours"])
    rates = []
    for _, group in read.groupby("asset"):
        days = (group["at_us"].iloc[-1] - group["at_us"].iloc[0]) / DAY_US
        if days > 30:
            rates.append((group["hours"].iloc[-1] - group["hours"].iloc[0]) / days)
    usable = [rate for rate in rates if 0 < rate <= 24]
    return float(np.median(usable)) if usable else 24.0


def _own_auc(found: pd.DataFrame) -> float:
    """Area under the ROC curve of "an own alert stood" for confirmed findings: (Se + Sp) / 2 of a yes-no judge."""
    yes, no = found[found["confirmed"]], found[~found["confirmed"]]
    if yes.empty or no.empty:
        return math.nan
    return float((yes["own_standing"].mean() + 1 - no["own_standing"].mean()) / 2)


def _kappa(
    vendor: pd.DataFrame, own: pd.DataFrame, work: pd.DataFrame, parameters: Parameters, period: tuple[int, int]
) -> tuple[float, int]:
    """Cohen's kappa over part x window cells, with their number. It says whose threshold is lower, not who is right."""
    width = int(parameters.match_days * DAY_US)
    cells = max(1, math.ceil((period[1] - period[0]) / width))
    parts = sorted(set(work["component"]) | set(vendor["component"]) | set(own["component"]))
    total = len(parameters.assets) * len(parts) * cells
    marked = [
        {(a, c, (t - period[0]) // width) for a, c, t in zip(e["asset"], e["component"], e["start_us"], strict=True)}
        for e in (vendor, own)
    ]
    if not total:
        return math.nan, 0
    both, one, other = len(marked[0] & marked[1]), len(marked[0]), len(marked[1])
    agreed = (both + total - len(marked[0] | marked[1])) / total
    chance = (one * other + (total - one) * (total - other)) / total**2
    return ((agreed - chance) / (1 - chance) if chance < 1 else math.nan), total


def _by_severity(found: pd.DataFrame) -> tuple[tuple[str, int, int], ...]:
    counts = found.groupby("severity", sort=True)["confirmed"].agg(["size", "sum"])
    return tuple((str(name), int(size), int(confirmed)) for name, size, confirmed in counts.itertuples())


def _monthly(vendor: pd.DataFrame, own: pd.DataFrame, period: tuple[int, int]) -> pd.DataFrame:
    first, last = (pd.Timestamp(us, unit="us", tz="UTC") for us in period)
    months = pd.date_range(first.normalize().replace(day=1), last, freq="MS").strftime("%Y-%m")
    columns: dict[str, Sequence[Any]] = {"month": list(months)}
    for name, episodes in (("vendor", vendor), ("own", own)):
        when = pd.to_datetime(episodes["start_us"], unit="us", utc=True).dt.strftime("%Y-%m")
        columns[name] = when.value_counts().reindex(months, fill_value=0).tolist()
    return pd.DataFrame(columns)
