"""The records of a period as cases: one row per vendor-driven job, with what an independent hand found in the part.

The ledger keeps what people wrote, as they wrote it; this is where it is read for the review, and where it is decided
which finding counts, what belongs to one visit, and what is no case at all.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.bias.driven import driven
from models.bias.episodes import DAY_US
from models.bias.grading import quantity
from models.bias.parameters import Parameters

CONFIRMED = ("D", "E")
FOUND = ["finding_n", "found_us", "grade", "wear_pct", "inspector_party", "blind_to_alert", "second_reader_grade"]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "vendor_alert": ("alert_id", "vendor", "severity", "active", "horizon"),
    "own_alert": ("alert_id", "active"),
    "decision": ("alert_id", "choice", "randomised"),
    "work_order": ("n", "wo_id", "done", "trigger", "alert_id", "action", "run_hours"),
    "finding": ("n", "wo_id", "grade", "wear_pct", "inspector_party", "blind_to_alert", "second_reader_grade"),
    "failure": ("failure_id", "mode"),
}


def prepared(table: pd.DataFrame | None, kind: str, site_of: Mapping[str, str]) -> pd.DataFrame:
    """The columns needed, one row per record, of the assets under review, in order of time."""
    columns = ["at_us", "site", "asset", "component", *COLUMNS[kind]]
    frame = pd.DataFrame(columns=columns) if table is None else standing(table).reindex(columns=columns)
    frame = frame.astype({name: object for name in columns if name != "at_us"})
    frame["component"] = frame["component"].where(frame["component"].notna(), "")
    frame = frame[frame["asset"].isin(list(site_of))]
    frame = frame.assign(at_us=frame["at_us"].astype("int64"), site=frame["asset"].map(site_of))
    if kind in ("vendor_alert", "own_alert"):
        frame["active"] = [one is not False for one in frame["active"]]
    if kind == "vendor_alert":
        frame["horizon_days"] = [quantity(one) for one in frame["horizon"]]
    if kind == "work_order":
        frame = frame.drop_duplicates("wo_id", keep="last")  # a correction is a later entry
        frame = frame[frame["done"].notna()].copy()  # what is open still was not done
        frame["at_us"] = np.array([_us(one) for one in frame["done"]], dtype="int64")
    return frame.sort_values(["at_us", "asset", "component"], kind="stable").reset_index(drop=True)


def standing(records: pd.DataFrame) -> pd.DataFrame:
    """The records that hold: without those that a later one corrects, and without those that only take one back.

    Parameters
    ----------
    records : DataFrame
        Columns n (number of the entry), corrects (that of the entry it stands for, or None) and withdrawn (True: that
        entry was none); without them all hold.
    """
    if not {"n", "corrects"} <= set(records.columns):
        return records
    replaced = records["n"].isin(list(records["corrects"].dropna()))
    taken_back = records["withdrawn"].eq(True) if "withdrawn" in records else False
    return records[~(replaced | taken_back)]


def _us(text: str) -> int:
    """UTC microseconds of an ISO time; ValueError where it names no zone."""
    moment = pd.Timestamp(text)
    if moment.tz is None:
        raise ValueError(f"{text!r} names no time zone")
    return int(moment.value // 1000)


def of_vendor(alerts: pd.DataFrame, vendor: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The alerts of the vendor (None: of all), and those of others on the same assets whose ids it did not use."""
    if vendor is None:
        return alerts, alerts.iloc[:0]
    mine = alerts["vendor"] == vendor
    return alerts[mine], alerts[~mine & ~alerts["alert_id"].isin(list(alerts.loc[mine, "alert_id"]))]


def started(episodes: pd.DataFrame, period: tuple[int, int]) -> pd.DataFrame:
    """The episodes that began in the period."""
    inside = (episodes["start_us"] >= period[0]) & (episodes["start_us"] < period[1])
    return episodes[inside].reset_index(drop=True)


def counted_findings(findings: pd.DataFrame) -> pd.DataFrame:
    """One finding per work order, asset and component: the first entered of an independent hand, else of the vendor's.

    The first stands, whatever anybody enters after it: who knows a finding shall not be able to outvote it. It is
    mended by an entry that corrects it, which says so (`standing`).
    """
    by_vendor = (findings["inspector_party"] == "vendor").to_numpy()
    entered = findings["n"].astype(float).fillna(np.inf).to_numpy()  # without numbers: as they come
    ordered = findings.iloc[np.lexsort((np.arange(len(findings)), entered, by_vendor))]
    return ordered.drop_duplicates(["wo_id", "asset", "component"], keep="first")


def with_findings(jobs: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """The jobs, each with the finding that counts for it (columns FOUND, NaN where there is none).

    A finding belongs to the job of its work order, asset and component. What was found on another component is nothing
    of this job; a finding that names no component is of the job's. Of a job that names none, the worst part found
    counts: the job was needed if one part was. An independent finding goes before one of the vendor's.
    """
    chosen = counted_findings(findings).rename(columns={"n": "finding_n", "at_us": "found_us"}).reset_index(drop=True)
    by_vendor = chosen["inspector_party"] == "vendor"
    exact: dict[tuple[object, ...], int] = {}
    worst: dict[tuple[object, ...], int] = {}
    grades = chosen["grade"].astype(str).tolist()
    columns = (by_vendor, chosen["wo_id"], chosen["asset"], chosen["component"])
    for row, (hand, wo_id, asset, part) in enumerate(zip(*columns, strict=True)):
        exact[hand, wo_id, asset, part] = row
        other = worst.setdefault((hand, wo_id, asset), row)
        if (grades[row], part) > (grades[other], chosen["component"].iloc[other]):
            worst[hand, wo_id, asset] = row
    rows = []
    for wo_id, asset, part in zip(jobs["wo_id"], jobs["asset"], jobs["component"], strict=True):
        keys = [(one, wo_id, asset) for one in (False, True)]
        if part:
            tried = [exact.get((*key, name)) for key in keys for name in (part, "")]
        else:
            tried = [worst.get(key) for key in keys]
        rows.append(next((row for row in tried if row is not None), -1))
    found = chosen.reindex(rows)[FOUND]
    return pd.concat([jobs.reset_index(drop=True), found.reset_index(drop=True)], axis=1)


def cases_of(
    work: pd.DataFrame,
    findings: pd.DataFrame,
    alerts: pd.DataFrame,
    own: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
    contested: Collection[int] = (),
    others: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """(Vendor-driven jobs of the period with what was found, jobs said to be driven that are not, orphan findings).

    Findings whose entry number is among `contested` count as confirmed, whatever their grade. Jobs on one of the alerts
    `others` are another vendor's. What is said to be driven by an alert that cannot have driven it is no case: those
    jobs come with `why`, one of models.bias.driven.REASONS.
    """
    known = set(work["wo_id"])
    orphans = int((~findings["wo_id"].isin(list(known))).sum())
    foreign = (work["trigger"] == "vendor_alert") & work["alert_id"].isin(list(others))
    claimed = driven(work[~foreign], alerts, parameters.horizon_days)
    claimed = claimed[(claimed["at_us"] >= period[0]) & (claimed["at_us"] < period[1])]
    jobs, apart = claimed[claimed["driver"] >= 0], claimed[claimed["driver"] < 0]
    drove = alerts.iloc[jobs["driver"].to_numpy(dtype=np.int64)]
    jobs = jobs.assign(alert_id=drove["alert_id"].to_numpy(), severity=drove["severity"].to_numpy())
    cases = with_findings(jobs.drop(columns=["driver", "why"]), findings)
    cases["independent"] = cases["grade"].notna() & (cases["inspector_party"] != "vendor")
    cases["confirmed"] = cases["grade"].isin(CONFIRMED) | cases["finding_n"].isin(list(contested))
    cases["wear"] = _wear(cases, contested)
    rates = [parameters.rate(*place) for place in zip(cases["asset"], cases["component"], strict=True)]
    cases["q0"] = np.array(rates, dtype=float)  # NaN: the component is not under review
    clusters = visits(
        cases["asset"], cases["site"], cases["at_us"], cases["found_us"], parameters.cluster_days,
        parameters.campaign_days,
    )  # fmt: skip
    cases["cluster"], cases["settled_us"], cases["late"] = clusters.names, clusters.settled_us, clusters.late
    cases["own_standing"] = _standing(cases, own)
    return cases, apart, orphans


class Visits(NamedTuple):
    """Of each job: what it is judged together with, when the bets on that are settled, whether it was found later."""

    names: list[str]
    settled_us: list[int]
    late: list[bool]


def visits(
    assets: Iterable[Hashable], sites: Iterable[Hashable], at_us: Iterable[int], found_us: Iterable[float],
    cluster_days: float, campaign_days: float,
) -> Visits:  # fmt: skip
    """Jobs in order of time as clusters: what one hand may have judged in one go stands or falls together.

    A job on an asset belongs to the cluster in which the asset was first worked on at most `cluster_days` ago; else to
    the one that its site began at most `campaign_days` ago; else it begins one. A cluster is closed when no job can
    come to it any more, `campaign_days` and `cluster_days` after its first, and its bets are settled then, never while
    it is open: what is found first may be of another kind than what is found last. A finding that comes after that is
    a cluster of its own, settled when it comes, and marked late: it may lower the wealth and never raise it.
    """
    of_asset: dict[Hashable, tuple[int, int]] = {}  # asset -> (its cluster, when it was first worked on in it)
    of_site: dict[Hashable, int] = {}  # site -> the cluster that was begun last
    begun: list[int] = []
    names: list[str] = []
    settled: list[int] = []
    late: list[bool] = []
    for asset, site, at, found in zip(assets, sites, at_us, found_us, strict=True):
        number, first = of_asset.get(asset, (-1, 0))
        if number < 0 or at - first > cluster_days * DAY_US:
            number = of_site.get(site, -1)
            if number < 0 or at - begun[number] > campaign_days * DAY_US:
                number = of_site[site] = len(begun)
                begun.append(at)
            of_asset[asset] = (number, at)
        closed = begun[number] + round((campaign_days + cluster_days) * DAY_US)
        too_late = found > closed  # False where nothing was found: NaN
        names.append(f"{number + 1}, late {len(names)}" if too_late else f"{number + 1}")
        settled.append(int(found) if too_late else closed)
        late.append(bool(too_late))
    return Visits(names, settled, late)


def _wear(cases: pd.DataFrame, contested: Collection[int]) -> "pd.Series[float]":
    """Wear at removal, a share of the agreed limit; NaN where it was not measured.

    A visit that restored nothing gave all away, unless it found the part beyond its limit: then it was called for, and
    counts as measured, or as 1. A finding that counts as confirmed because it is contested was at its limit at least.
    """
    wear = pd.Series([quantity(one) / 100 for one in cases["wear_pct"]], index=cases.index, dtype=float)
    inspected, beyond = cases["action"] == "inspect", cases["grade"].isin(CONFIRMED)
    wear = wear.where(~inspected | beyond, 0.0).where(~(inspected & beyond & wear.isna()), 1.0)
    return wear.where(~cases["finding_n"].isin(list(contested)), np.fmax(wear, 1.0))


def _standing(cases: pd.DataFrame, own: pd.DataFrame) -> list[bool]:
    """Whether an own episode of the part stood when the job was done (the job itself closes it)."""
    spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for asset, part, begin, end in zip(own["asset"], own["component"], own["start_us"], own["end_us"], strict=True):
        spans.setdefault((asset, part), []).append((begin, math.inf if math.isnan(end) else end))
    return [
        any(begin <= at <= end for begin, end in spans.get((asset, part), []))
        for asset, part, at in zip(cases["asset"], cases["component"], cases["at_us"], strict=True)
    ]
