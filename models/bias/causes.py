"""Why alerts look as they do, read off the records: the diagnostics D1 to D4, and what both sides said.

None of these flags anybody: each has honest explanations.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.cases import quantity
from models.bias.diagnostics import Deferral, Waddington, deferral, spike_scan, waddington
from models.bias.episodes import DAY_US
from models.bias.parameters import Parameters
from models.bias.result import SpikeOf


def spikes(
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


def smallest(p_values: Sequence[float]) -> float:
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


def deferred(
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


def after_work(
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


def own_auc(found: pd.DataFrame) -> float:
    """Area under the ROC curve of "an own alert stood" for confirmed findings: (Se + Sp) / 2 of a yes-no judge."""
    yes, no = found[found["confirmed"]], found[~found["confirmed"]]
    if yes.empty or no.empty:
        return math.nan
    return float((yes["own_standing"].mean() + 1 - no["own_standing"].mean()) / 2)


def kappa_of(
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


def by_severity(found: pd.DataFrame) -> tuple[tuple[str, int, int], ...]:
    counts = found.groupby("severity", sort=True)["confirmed"].agg(["size", "sum"])
    return tuple((str(name), int(size), int(confirmed)) for name, size, confirmed in counts.itertuples())


def monthly(vendor: pd.DataFrame, own: pd.DataFrame, period: tuple[int, int]) -> pd.DataFrame:
    first, last = (pd.Timestamp(us, unit="us", tz="UTC") for us in period)
    months = pd.date_range(first.normalize().replace(day=1), last, freq="MS").strftime("%Y-%m")
    columns: dict[str, Sequence[Any]] = {"month": list(months)}
    for name, episodes in (("vendor", vendor), ("own", own)):
        when = pd.to_datetime(episodes["start_us"], unit="us", utc=True).dt.strftime("%Y-%m")
        columns[name] = when.value_counts().reindex(months, fill_value=0).tolist()
    return pd.DataFrame(columns)
