"""The records of a period as cases: one row per vendor-driven job, with what an independent hand found in the part.

The ledger keeps what people wrote, as they wrote it; this is where it is read for the review, and where it is decided
which finding counts, what belongs to one visit, and what is no case at all.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.bias.episodes import DAY_US
from models.bias.parameters import Parameters

CONFIRMED = ("D", "E")
FOUND = ["finding_n", "found_us", "grade", "wear_pct", "inspector_party", "blind_to_alert", "second_reader_grade"]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "vendor_alert": ("alert_id", "vendor", "severity", "active", "horizon"),
    "own_alert": ("alert_id", "active"),
    "decision": ("alert_id", "choice", "randomised"),
    "work_order": ("wo_id", "done", "trigger", "alert_id", "action", "run_hours"),
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
    return frame.sort_values("at_us", kind="stable").reset_index(drop=True)


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


def quantity(text: Any) -> float:
    """The number of a decimal string with unit ("30 %", "1150.00 EUR"); NaN for none.

    >>> quantity("30 %"), quantity(2.5)
    (30.0, 2.5)
    """
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return math.nan
    return float(text) if isinstance(text, int | float) else float(str(text).split()[0])


def _us(text: str) -> int:
    """UTC microseconds of an ISO time; ValueError where it names no zone."""
    moment = pd.Timestamp(text)
    if moment.tz is None:
        raise ValueError(f"{text!r} names no time zone")
    return int(moment.value // 1000)


def started(episodes: pd.DataFrame, period: tuple[int, int]) -> pd.DataFrame:
    """The episodes that began in the period."""
    inside = (episodes["start_us"] >= period[0]) & (episodes["start_us"] < period[1])
    return episodes[inside].reset_index(drop=True)


def counted_findings(findings: pd.DataFrame) -> pd.DataFrame:
    """One finding per job: the last one of an independent hand, else the last one of the vendor's."""
    by_vendor = findings["inspector_party"] == "vendor"
    return pd.concat([findings[by_vendor], findings[~by_vendor]]).drop_duplicates("wo_id", keep="last")


def cases_of(
    work: pd.DataFrame,
    findings: pd.DataFrame,
    alerts: pd.DataFrame,
    own: pd.DataFrame,
    parameters: Parameters,
    period: tuple[int, int],
    contested: Collection[int] = (),
    others: Collection[str] = (),
) -> tuple[pd.DataFrame, int]:
    """Vendor-driven jobs of the period with what was found: the independent finding where there is one.

    Findings whose entry number is among `contested` count as confirmed, whatever their grade. Jobs on one of the alerts
    `others` are another vendor's; a job whose alert nobody recorded is that of the vendor of its asset.
    """
    known = set(work["wo_id"])
    orphans = int((~findings["wo_id"].isin(list(known))).sum())
    jobs = work[(work["trigger"] == "vendor_alert") & (work["at_us"] >= period[0]) & (work["at_us"] < period[1])]
    jobs = jobs[~jobs["alert_id"].isin(list(others))]
    chosen = counted_findings(findings).rename(columns={"n": "finding_n", "at_us": "found_us"})[["wo_id", *FOUND]]
    cases = jobs.merge(chosen, on="wo_id", how="left").reset_index(drop=True)
    severity = alerts.drop_duplicates("alert_id", keep="first").set_index("alert_id")["severity"]
    cases["severity"] = cases["alert_id"].map(severity).astype(object)
    cases["independent"] = cases["grade"].notna() & (cases["inspector_party"] != "vendor")
    cases["confirmed"] = cases["grade"].isin(CONFIRMED) | cases["finding_n"].isin(list(contested))
    cases["wear"] = _wear(cases, contested)
    rates = [parameters.rate(*place) for place in zip(cases["asset"], cases["component"], strict=True)]
    cases["q0"] = np.array(rates, dtype=float)  # NaN: the component is not under review
    cases["cluster"], cases["settled_us"] = _visits(cases, parameters.cluster_days)
    cases["own_standing"] = _standing(cases, own)
    return cases, orphans


def _visits(cases: pd.DataFrame, days: float) -> tuple[list[str], list[int]]:
    """(cluster, when its bets are settled, UTC [us]) of each job: those on one asset within `days` are one visit.

    A visit is closed `days` after its first job, and its bets are settled then, never while it is open: what is found
    first on a visit may be of another kind than what is found last. A finding that comes after that is a cluster of its
    own, settled when it comes; it changes nothing that was settled before.
    """
    begun: dict[str, tuple[int, int]] = {}
    names: list[str] = []
    settled: list[int] = []
    for asset, at, found in zip(cases["asset"], cases["at_us"], cases["found_us"], strict=True):
        number, first = begun.get(asset, (0, -(10**18)))
        if at - first > days * DAY_US:
            number, first = number + 1, at
            begun[asset] = (number, first)
        closed = first + round(days * DAY_US)
        late = found > closed  # False where nothing was found: NaN
        names.append(f"{asset}/{number}, late {len(names)}" if late else f"{asset}/{number}")
        settled.append(int(found) if late else closed)
    return names, settled


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
