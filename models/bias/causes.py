"""Why alerts look as they do, read off the records: the diagnostics D1 to D4, severities, ages of replacement.

None of these flags anybody: each has honest explanations.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.ages import Part, ages_at, counters, next_after, times_of
from models.bias.diagnostics import (
    Deferral,
    Season,
    Waddington,
    at_risk_within,
    deferral,
    failed_within,
    rayleigh,
    spike_scan,
    waddington,
)
from models.bias.episodes import DAY_US
from models.bias.grading import quantity
from models.bias.parameters import Parameters
from models.bias.replacement import Replacement, replacement
from models.bias.result import Severity, SpikeOf
from models.health.lives import lives
from models.intervals import share_interval

FOUND = 0.05  # p at which a calendar counts as found
GRAINS = {"d": 7.0, "run h": 0.0}  # alerts and work keep the rhythm of the week, which run hours do not
QUIET = 0.05  # and above which its control counts as quiet
CYCLES = {"month": 1, "quarter": 3, "year": 12}  # [months]
FEWEST_CYCLES = 2  # what came once has not come back
NEARLY = 0.05  # of a cycle may be missing at the start of the first: a year is not 365.25 days


def spikes(
    vendor: pd.DataFrame,
    own: pd.DataFrame,
    failures: pd.DataFrame,
    services: pd.DataFrame,
    work: pd.DataFrame,
    parameters: Parameters,
) -> tuple[tuple[SpikeOf, ...], dict[tuple[str, str], NDArray[np.float64]]]:
    """D1 by component class on days and on run hours since last service; and the ages of the vendor's alerts."""
    times, read = times_of(services), counters(work)
    series = [
        ages_at(frame, column, times, read)
        for frame, column in ((vendor, "start_us"), (own, "start_us"), (failures, "at_us"))
    ]
    found = []
    for component in sorted(series[0]["d"]):
        for unit, grain in GRAINS.items():
            theirs, ours, broken = (
                spike_scan(one[unit].get(component, []), width=parameters.spike_width, grain=grain) for one in series
            )
            found.append(SpikeOf(component, theirs, ours, broken, unit))
    ages = {(name, unit): np.array(each) for unit, by_part in series[0].items() for name, each in by_part.items()}
    return tuple(found), ages


def smallest(p_values: Sequence[float]) -> float:
    """Bonferroni over those that could be computed."""
    usable = [p for p in p_values if not math.isnan(p)]
    return min(1.0, min(usable) * len(usable)) if usable else math.nan


def seasons(
    vendor: pd.DataFrame, own: pd.DataFrame, failures: pd.DataFrame, period: tuple[int, int]
) -> tuple[Season, ...]:
    """D1 on the calendar (UTC): do visits asked for prefer one moment of the month, the quarter or the year.

    Only these three, for who looks at every cycle finds one. An asset counts once a day; cycles are whole ones back
    from the end of the period. The year is also that of weather and load: its control says so.
    """
    found = []
    for name, months in CYCLES.items():
        told, *controls = (
            _phases(frame, column, months, period)
            for frame, column in ((vendor, "start_us"), (own, "start_us"), (failures, "at_us"))
        )
        p, strength, at = rayleigh(told)
        quiet = smallest([rayleigh(one)[0] for one in controls])
        found.append(Season(name, len(told), p, strength, at, sum(map(len, controls)), quiet))
    return tuple(found)


def _phases(frame: pd.DataFrame, column: str, months: int, period: tuple[int, int]) -> NDArray[np.float64]:
    days = (frame[column] // DAY_US).astype("int64")
    visits = frame.loc[~pd.DataFrame({"asset": frame["asset"], "day": days}).duplicated(), column]
    start, end = _cycles(np.array(period), months)
    whole = math.floor(end - start + NEARLY)
    if whole < FEWEST_CYCLES:
        return np.empty(0)
    at = _cycles(visits.to_numpy(dtype=np.int64), months)
    return np.asarray(at[(at >= end - whole) & (at < end)] % 1)


def _cycles(at_us: NDArray[np.int64], months: int) -> NDArray[np.float64]:
    """Cycles since 1970 with their fraction: n + .5 is the middle of one."""
    at = at_us.astype("datetime64[us]")
    number = at.astype("datetime64[M]").astype(np.int64) // months
    begin, end = ((number + one) * months for one in (0, 1))
    first, last = (edge.astype("datetime64[M]").astype("datetime64[us]") for edge in (begin, end))
    return np.asarray(number + (at - first) / (last - first))


def deferred(
    decisions: pd.DataFrame,
    raised: pd.DataFrame,
    work: pd.DataFrame,
    failures: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
) -> Deferral:
    """D3: from each deferral to the failure or the work that came next on the part."""
    chosen = decisions[decisions["choice"].isin(["defer"]) & decisions["alert_id"].isin(list(raised["alert_id"]))]
    parts = list(zip(chosen["asset"], chosen["component"], chosen["at_us"], strict=True))
    days, failed = _fates(parts, times_of(work), times_of(failures), period[1])
    prices = [parameters.costs[asset, part] for asset, part, _ in parts if (asset, part) in parameters.costs]
    ratios = [cost.planned / cost.failure for cost in prices if cost.failure > 0]
    even = float(np.mean(ratios)) if ratios else math.nan
    return deferral(days, failed, parameters.horizon_days, [lot is True for lot in chosen["randomised"]], even)


def _fates(
    claims: Sequence[tuple[str, str, int]],
    work: Mapping[Part, NDArray[np.int64]],
    failures: Mapping[Part, NDArray[np.int64]],
    end_us: int,
) -> tuple[list[float], list[bool]]:
    """From each moment: days until the part failed, was worked on, or the period was over; and whether it failed."""
    days, failed = [], []
    for asset, part, at in claims:
        failure, served = (next_after(times, (asset, part), at) or end_us for times in (failures, work))
        days.append((min(failure, served, end_us) - at) / DAY_US)
        failed.append(failure <= served and failure < end_us)
    return days, failed


def severities(
    alerts: pd.DataFrame,
    episodes: pd.DataFrame,
    cases: pd.DataFrame,
    work: pd.DataFrame,
    failures: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
) -> tuple[Severity, ...]:
    """What each severity was followed by: findings where served, failures where not.

    An episode counts once under each severity that was said in it, from the moment it was. Confirmed shares alone do
    not show a vendor that calls everything critical; how many fail without service does.
    """
    said: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    active = alerts[alerts["active"].astype(bool)]
    columns = (active["alert_id"], active["asset"], active["component"], active["at_us"], active["severity"])
    for alert, asset, part, at, name in zip(*columns, strict=True):
        said.setdefault((alert, asset, part), []).append((int(at), name if isinstance(name, str) else ""))
    claims: dict[str, list[tuple[str, str, int]]] = {}
    spans = (episodes[name] for name in ("asset", "component", "alerts", "start_us", "end_us"))
    for asset, part, ids, begin, end in zip(*spans, strict=True):
        first: dict[str, int] = {}
        for at, name in sorted(one for alert in set(ids) for one in said.get((alert, asset, part), [])):
            if begin <= at and not at > end:  # end: NaN while it stands
                first.setdefault(name, at)
        for name, at in first.items():
            claims.setdefault(name, []).append((asset, part, at))
    served, broken = times_of(work), times_of(failures)
    on_jobs = cases["severity"].fillna("").astype(str)
    found = []
    for name in sorted(claims.keys() | set(on_jobs)):
        jobs = cases[on_jobs == name]
        seen = jobs[jobs["independent"].astype(bool)]
        told = claims.get(name, [])
        confirmed = share_interval(int(seen["confirmed"].sum()), len(seen))
        fates = _fates(told, served, broken, period[1])
        failed = failed_within(*fates, parameters.horizon_days)
        rests_on = at_risk_within(*fates, parameters.horizon_days)
        found.append(Severity(name, len(told), len(jobs), len(seen), confirmed, failed, *rests_on))
    return tuple(found)


def replacements(
    tables: Mapping[str, pd.DataFrame],
    work: pd.DataFrame,
    alerts: pd.DataFrame,
    scans: Sequence[SpikeOf],
    parameters: Parameters,
    period: tuple[int, int],
) -> tuple[Replacement, ...]:
    """Age replacement by component class; a removal was the clock's where it was scheduled or at a found calendar."""
    every = lives(tables, dict(parameters.assets), *period)
    if every.empty:
        return ()
    told_at = dict(zip(alerts["alert_id"], alerts["at_us"], strict=True))
    orders = {
        (asset, part, at): (why, told_at.get(alert, at))
        for asset, part, at, why, alert in zip(
            work["asset"], work["component"], work["at_us"], work["trigger"], work["alert_id"], strict=True
        )
    }
    found = []
    for component, of_class in every.groupby("component", sort=True):
        calendar, ages = _calendar(scans, str(component))
        by_clock = 0
        for asset, end, days, ended in zip(
            of_class["asset"], of_class["end_us"], of_class["exit_d"], of_class["ended"], strict=True
        ):
            why, told = orders.get((asset, component, end), ("", end))
            age = days - (end - told) / DAY_US
            turns = any(abs(math.log(age / one)) <= parameters.spike_width for one in ages) if age > 0 else False
            by_clock += ended in ("worn", "removed") and (why == "schedule" or (why == "vendor_alert" and turns))
        cost = parameters.mean_cost(str(component))
        found.append(replacement(str(component), of_class, by_clock, calendar, cost))
    return tuple(found)


def _calendar(scans: Sequence[SpikeOf], component: str) -> tuple[str, tuple[float, ...]]:
    """Whether D1 found a calendar of a class on days with a quiet control, and the ages it calls at: one or two turns.

    Who is put off is asked again at the next turn.
    """
    classes = sum(not math.isnan(one.vendor.p) for one in scans)
    for one in scans:
        if one.component == component and one.unit == "d" and one.vendor.p * classes <= FOUND:
            if smallest([one.own.p, one.failures.p]) > QUIET:
                return "found", (one.vendor.age, 2 * one.vendor.age)
            return "not_sure", ()
    return "none", ()


def after_work(
    work: pd.DataFrame,
    cases: pd.DataFrame,
    failures: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
) -> Waddington:
    """D4: only work that the clock called for, or that found a good part (grade A or B). Times in days."""
    idle = cases[cases["grade"].isin(["A", "B"]) & cases["independent"]]
    clock = work[(work["trigger"] == "schedule") & (work["at_us"] >= period[0]) & (work["at_us"] < period[1])]
    done = pd.concat([idle[["asset", "at_us"]], clock[["asset", "at_us"]]])
    works, broken = _days(done), _days(failures)
    for asset, _ in parameters.assets:
        works.setdefault(asset, [])
    window = parameters.after_work_hours / _run_hours_per_day(work)
    bounds = (period[0] / DAY_US, period[1] / DAY_US)
    return waddington(works, broken, bounds, window=window, shift=parameters.horizon_days)


def _days(frame: pd.DataFrame) -> dict[str, list[float]]:
    return {str(asset): [t / DAY_US for t in group] for asset, group in frame.groupby("asset")["at_us"]}


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


def own_auc(found: pd.DataFrame) -> float:
    """Area under the ROC curve of "an own alert stood" for confirmed findings: (Se + Sp) / 2 of a yes-no judge."""
    yes, no = found[found["confirmed"]], found[~found["confirmed"]]
    if yes.empty or no.empty:
        return math.nan
    return float((yes["own_standing"].mean() + 1 - no["own_standing"].mean()) / 2)


def kappa_of(
    vendor: pd.DataFrame, own: pd.DataFrame, work: pd.DataFrame, assets: int, window_days: float,
    period: tuple[int, int],
) -> tuple[float, int]:  # fmt: skip
    """Cohen's kappa over part x window cells of so many assets, with their number.

    It says whose threshold is lower, not who is right.
    """
    width = int(window_days * DAY_US)
    cells = max(1, math.ceil((period[1] - period[0]) / width))
    parts = sorted(set(work["component"]) | set(vendor["component"]) | set(own["component"]))
    total = assets * len(parts) * cells
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


def monthly(vendor: pd.DataFrame, own: pd.DataFrame, period: tuple[int, int]) -> pd.DataFrame:
    first, last = (pd.Timestamp(us, unit="us", tz="UTC") for us in period)
    months = pd.date_range(first.normalize().replace(day=1), last, freq="MS").strftime("%Y-%m")
    columns: dict[str, Sequence[Any]] = {"month": list(months)}
    for name, episodes in (("vendor", vendor), ("own", own)):
        when = pd.to_datetime(episodes["start_us"], unit="us", utc=True).dt.strftime("%Y-%m")
        columns[name] = when.value_counts().reindex(months, fill_value=0).tolist()
    return pd.DataFrame(columns)
