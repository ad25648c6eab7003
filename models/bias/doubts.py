"""What is odd in the records of a review, counted: the data-quality box of its report.

Each question has an honest answer more often than not; none of them drops, mends or weighs a record. Whoever reads the
result shall know what it rests on, and which entries to look at again.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.cases import of_vendor, prepared, standing
from models.bias.driven import driven
from models.bias.grading import contradiction, looks_like_share, quantity

SHOWN = 5  # examples of each doubt
FEWEST = 5  # values or times below which a column is not judged as a whole
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NEAR_US = 300_000_000  # so near to a whole hour is a clock in another zone, and so small a skew is none [us]
COLUMNS: Mapping[str, tuple[str, ...]] = {  # kind -> what is asked of it
    "vendor_alert": ("alert_id", "vendor", "issued_at", "received_at", "severity", "text", "active"),
    "work_order": ("wo_id", "opened", "done", "trigger", "alert_id", "planned_cost", "run_hours"),
    "finding": (
        "wo_id", "grade", "wear_pct", "measured_value", "limit", "inspector_party", "blind_to_alert",
        "photo_sha256", "import",
    ),
    "failure": ("failure_id", "cost"),
    "cost": ("planned", "failure"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is odd in the records: how many it concerns, and the first of them."""

    kind: str  # one of KINDS
    count: int
    examples: tuple[str, ...]  # SHOWN at most: "#17 WO-881" is entry 17; names, where it is of no single entry
    of: int  # how many were asked


@dataclass(frozen=True, slots=True)
class _Records:
    """The records that hold, and what they are held against."""

    vendor_alert: pd.DataFrame
    work_order: pd.DataFrame
    finding: pd.DataFrame
    failure: pd.DataFrame
    cost: pd.DataFrame
    imports: pd.DataFrame
    limits: Mapping[tuple[str, str], str]
    known_us: int  # UTC: what is dated later is future [us]
    vendor: str | None  # under review; None: all
    claimed: pd.DataFrame  # jobs said to be driven by an alert of the vendor, with `why` none can have driven them


_Answer = tuple[list[str], int, int]  # the first that are odd, how many, of how many


def doubts(
    tables: Mapping[str, pd.DataFrame],
    assets: Collection[str],
    end_us: int,
    limits: Mapping[tuple[str, str], str],
    vendor: str | None = None,
    horizon_days: float = 182.0,
) -> tuple[Doubt, ...]:
    """All that is odd in the records of these assets, in the order of KINDS; what is in order is not listed.

    Parameters
    ----------
    tables : mapping
        Records by kind as the ledger has them, also those outside of the period. Missing tables are empty ones.
    assets : collection of str
        Assets under review.
    end_us : int
        End of the period, UTC: what lies after it and after the last entry that has its own date is future. [us]
    limits : mapping
        (asset, component) -> its agreed limit ("7.1 mm/s").
    vendor : str, optional
        The vendor of these assets; None: they are of several, and no alert is another's.
    horizon_days : float
        How long an alert can drive a job, where it says no longer one itself. [d]
    """
    frames = {kind: _prepared(tables.get(kind), kind, assets) for kind in COLUMNS}
    imports = tables.get("import", pd.DataFrame()).reindex(columns=["stage", "kind", "file", "rejected"])
    claimed = _claimed(tables, assets, vendor, horizon_days)
    records = _Records(
        **frames, imports=imports, limits=limits, known_us=_known_us(tables, end_us), vendor=vendor,
        claimed=claimed,
    )  # fmt: skip
    found = [(kind, *ask(records)) for kind, ask in KINDS.items()]
    return tuple(Doubt(kind, count, tuple(told[:SHOWN]), of) for kind, told, count, of in found if count)


def _claimed(
    tables: Mapping[str, pd.DataFrame], assets: Collection[str], vendor: str | None, horizon_days: float
) -> pd.DataFrame:
    """The jobs said to be the vendor's, as `models.bias.driven.driven` tells them."""
    places = dict.fromkeys(assets, "")
    work, alerts = (prepared(tables.get(kind), kind, places) for kind in ("work_order", "vendor_alert"))
    mine, others = of_vendor(alerts, vendor)
    foreign = (work["trigger"] == "vendor_alert") & work["alert_id"].isin(list(others["alert_id"]))
    return driven(work[~foreign], mine, horizon_days)


def _prepared(table: pd.DataFrame | None, kind: str, assets: Collection[str]) -> pd.DataFrame:
    columns = ["n", "at_us", "via", "asset", "component", *COLUMNS[kind]]
    frame = pd.DataFrame() if table is None else standing(table)
    frame = frame.reindex(columns=columns).astype({name: object for name in columns})
    frame["component"] = frame["component"].where(frame["component"].notna(), "")
    return frame if kind == "cost" else frame[frame["asset"].isin(list(assets))]


def _known_us(tables: Mapping[str, pd.DataFrame], end_us: int) -> int:
    latest = end_us
    for table in tables.values():
        if {"via", "at_us"} <= set(table.columns) and len(mine := table[table["via"] != "import"]):
            latest = max(latest, int(mine["at_us"].max()))
    return latest


def _named(frame: pd.DataFrame, column: str, of: int) -> _Answer:
    """The rows of a frame by the number of their entry and their id."""
    few = frame.head(SHOWN)
    numbers = few["n"].astype(float)
    told = [f"{name}" if math.isnan(n) else f"#{n:.0f} {name}" for n, name in zip(numbers, few[column], strict=True)]
    return told, len(frame), of


def _together(answers: Sequence[_Answer]) -> _Answer:
    told = [one for answer in answers for one in answer[0]]
    return told, sum(count for _, count, _ in answers), sum(of for _, _, of in answers)


def _us(times: pd.Series) -> pd.Series:
    """UTC [us] of ISO times; NaN for none and for what is no time."""
    moments = pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    return moments.astype("int64").where(moments.notna()).astype(float)


def _numbers(quantities: pd.Series) -> pd.Series:
    return quantities.map(quantity).astype(float)


def _orphans(all_: _Records) -> _Answer:
    found = all_.finding
    return _named(found[~found["wo_id"].isin(list(all_.work_order["wo_id"]))], "wo_id", len(found))


def _elsewhere(all_: _Records) -> _Answer:
    """Findings on another asset or component than the job of their work order."""
    jobs: dict[str, list[tuple[str, str]]] = {}
    for wo_id, asset, part in zip(*(all_.work_order[name] for name in ("wo_id", "asset", "component")), strict=True):
        jobs.setdefault(wo_id, []).append((asset, part))
    found = all_.finding
    columns = (found["wo_id"], found["asset"], found["component"])
    other = [
        wo_id in jobs and not any(asset == a and (part == p or not part or not p) for a, p in jobs[wo_id])
        for wo_id, asset, part in zip(*columns, strict=True)
    ]
    return _named(found[np.array(other, dtype=bool)], "wo_id", len(found))


def _again(all_: _Records) -> _Answer:
    """Findings on a job and component that had one of an independent hand, or of the same: the first one stands."""
    found = all_.finding.assign(vendor=all_.finding["inspector_party"].eq("vendor"))
    again = found.duplicated(["wo_id", "asset", "component", "vendor"])
    return _named(found[again], "wo_id", len(found))


def _apart(why: str) -> Callable[[_Records], _Answer]:
    """Jobs said to be driven by an alert that for this reason cannot have driven them."""
    return lambda all_: _named(all_.claimed[all_.claimed["why"] == why], "wo_id", len(all_.claimed))


def _alert_changed(all_: _Records) -> _Answer:
    """Alerts that come again under their id with another asset, component, severity or text."""
    said = all_.vendor_alert[~all_.vendor_alert["active"].eq(False)]
    rows = said[["asset", "component", "severity", "text"]].fillna("").astype(str).itertuples(index=False, name=None)
    first: dict[tuple[str, str], object] = {}
    keys = zip(said["vendor"].astype(str), said["alert_id"].astype(str), strict=True)
    other = [first.setdefault(key, what) != what for key, what in zip(keys, rows, strict=True)]
    return _named(said[np.array(other, dtype=bool)], "alert_id", len(said))


def _twice(all_: _Records) -> _Answer:
    """A job or a failure that stands twice."""
    asked = ((all_.work_order, ["wo_id"]), (all_.failure, ["failure_id"]))
    return _together([_named(frame[frame.duplicated(keys)], keys[0], len(frame)) for frame, keys in asked])


def _two_vendors(all_: _Records) -> _Answer:
    by_asset = all_.vendor_alert.dropna(subset=["vendor"]).groupby("asset")["vendor"].unique()
    told = [f"{asset}: {', '.join(sorted(many))}" for asset, many in by_asset.items() if len(many) > 1]
    return told, len(told), len(by_asset)


def _other_vendor(all_: _Records) -> _Answer:
    """Alerts that name another than the vendor of the asset: a second vendor, or the same in another spelling."""
    names = all_.vendor_alert["vendor"].fillna("").astype(str)
    other = names[names != all_.vendor] if all_.vendor else names.iloc[:0]
    told = [f"{name or '-'}: {count}" for name, count in other.value_counts().sort_index().items()]
    return told, len(other), len(names)


def _delays(all_: _Records) -> tuple[pd.DataFrame, pd.Series]:
    """The alerts that tell both times, and how long after it was issued each was received [us]."""
    late_us = _us(all_.vendor_alert["received_at"]) - _us(all_.vendor_alert["issued_at"])
    return all_.vendor_alert[late_us.notna()], late_us.dropna()


def _issued_after(all_: _Records) -> _Answer:
    alerts, late_us = _delays(all_)
    return _named(alerts[late_us < -NEAR_US], "alert_id", len(alerts))


def _vendor_clock(all_: _Records) -> _Answer:
    """Vendors whose messages come whole hours after they were issued: a time zone, more likely than a long way."""
    alerts, late_us = _delays(all_)
    by_vendor = late_us.groupby(alerts["vendor"].astype(str))
    told = [f"{vendor}: {hours:+d} h" for vendor, mine in by_vendor if (hours := whole_hours(mine.to_numpy()))]
    return told, len(told), by_vendor.ngroups


def whole_hours(late_us: NDArray[np.float64]) -> int:
    """The hours other than 0 that at least half of five or more delays [us] are within five minutes of; else 0.

    >>> whole_hours(np.array([7_230e6, 7_205e6, 7_290e6, 7_199e6, 90_000e6]))
    2
    """
    if len(late_us) < FEWEST:
        return 0
    hours = round(float(np.median(late_us)) / HOUR_US)
    return hours if np.mean(np.abs(late_us - hours * HOUR_US) <= NEAR_US) >= 0.5 else 0


def _wear_as_share(all_: _Records) -> _Answer:
    """Findings of one origin (an import, or all that were entered here) whose wear is 1.5 % at most in most of them."""
    found = all_.finding.dropna(subset=["wear_pct"])
    origins = found.groupby(found["import"].fillna("").astype(str), sort=False)
    wears = [(one, _numbers(one["wear_pct"]).tolist()) for _, one in origins]
    return _together([
        _named(one, "wo_id", len(one)) for one, wear in wears if len(wear) >= FEWEST and looks_like_share(wear)
    ])  # fmt: skip


def _against_itself(kind: str) -> Callable[[_Records], _Answer]:
    """Findings whose grade, wear and measured value cannot all be true."""

    def ask(all_: _Records) -> _Answer:
        found = all_.finding
        columns = (found[name] for name in ("grade", "wear_pct", "measured_value", "limit"))
        odd = [contradiction(*one) == kind for one in zip(*columns, strict=True)]
        return _named(found[np.array(odd, dtype=bool)], "wo_id", len(found))

    return ask


def _other_limit(all_: _Records) -> _Answer:
    found = all_.finding.dropna(subset=["limit"])
    agreed = [all_.limits.get(place) for place in zip(found["asset"], found["component"], strict=True)]
    known = np.array([one is not None for one in agreed], dtype=bool)
    pairs = zip(found["limit"], agreed, strict=True)
    other = np.array([one is not None and not _same(str(limit), one) for limit, one in pairs], dtype=bool)
    return _named(found[other], "wo_id", int(known.sum()))


def _same(one: str, other: str) -> bool:
    """Whether two quantities are one: 7.10 mm/s is 7.1 mm/s."""
    return one.split()[1:] == other.split()[1:] and math.isclose(quantity(one), quantity(other), rel_tol=1e-9)


def _before_its_work(all_: _Records) -> _Answer:
    opened = (
        all_.work_order.dropna(subset=["opened"]).drop_duplicates("wo_id", keep="last").set_index("wo_id")["opened"]
    )
    found = all_.finding[all_.finding["wo_id"].isin(list(opened.index))]
    opened_us = _us(found["wo_id"].map(opened)) - DAY_US  # a date alone is the beginning of its day
    return _named(found[found["at_us"].astype(float) < opened_us], "wo_id", len(found))


def _done_before_opened(all_: _Records) -> _Answer:
    work = all_.work_order.dropna(subset=["done"])
    return _named(work[_us(work["done"]) < _us(work["opened"]) - DAY_US], "wo_id", len(work))


def _future(all_: _Records) -> _Answer:
    asked = (
        (all_.vendor_alert, "alert_id", ("issued_at",)), (all_.work_order, "wo_id", ("opened", "done")),
        (all_.finding, "wo_id", ()), (all_.failure, "failure_id", ()),
    )  # fmt: skip
    answers = []
    for frame, name, columns in asked:
        late = frame["at_us"].astype(float) > all_.known_us
        for column in columns:
            late |= _us(frame[column]) > all_.known_us
        answers.append(_named(frame[late], name, len(frame)))
    return _together(answers)


def _run_hours_fall(all_: _Records) -> _Answer:
    """Readings of an asset's run hours that are below the one before."""
    work = all_.work_order.dropna(subset=["run_hours"])
    work = work.assign(hours=_numbers(work["run_hours"]), opened_us=_us(work["opened"]))
    work = work.sort_values("opened_us", kind="stable")
    return _named(work[work.groupby("asset")["hours"].diff() < 0], "wo_id", len(work))


def _currencies(all_: _Records) -> _Answer:
    """All currencies in use, where there are several."""
    columns = (
        all_.work_order["planned_cost"], all_.failure["cost"], all_.cost["planned"], all_.cost["failure"],
    )  # fmt: skip
    said = [str(one).split()[1] for column in columns for one in column.dropna() if len(str(one).split()) == 2]
    known = sorted(set(said))
    return (known, len(known), len(said)) if len(known) > 1 else ([], 0, len(said))


def _no_photo(all_: _Records) -> _Answer:
    found = all_.finding
    return _named(found[found["photo_sha256"].isna() | found["photo_sha256"].eq("")], "wo_id", len(found))


def _not_blind(all_: _Records) -> _Answer:
    found = all_.finding
    return _named(found[~found["blind_to_alert"].eq(True)], "wo_id", len(found))


def _imported(all_: _Records) -> _Answer:
    frames = (all_.work_order, all_.finding)
    return _together([_named(one[one["via"] == "import"], "wo_id", len(one)) for one in frames])


def _rejected(all_: _Records) -> _Answer:
    """Rows of imported records that could not come in: whoever imported them has the list."""
    begun = all_.imports[(all_.imports["stage"] == "begun") & (all_.imports["kind"] != "values")]
    rejected = begun["rejected"].fillna(0).astype("int64")
    told = [f"{file}: {count}" for file, count in zip(begun["file"], rejected, strict=True) if count]
    return told, int(rejected.sum()), len(begun)


KINDS: Mapping[str, Callable[[_Records], _Answer]] = {  # in the order in which they are told
    "orphan_finding": _orphans,
    "finding_elsewhere": _elsewhere,
    "finding_again": _again,
    "job_without_alert": _apart("job_without_alert"),
    "job_other_part": _apart("job_other_part"),
    "job_before_alert": _apart("job_before_alert"),
    "job_after_horizon": _apart("job_after_horizon"),
    "job_served": _apart("job_served"),
    "alert_changed": _alert_changed,
    "id_twice": _twice,
    "two_vendors": _two_vendors,
    "other_vendor": _other_vendor,
    "issued_after_received": _issued_after,
    "vendor_clock": _vendor_clock,
    "wear_as_share": _wear_as_share,
    "grade_against_wear": _against_itself("grade_against_wear"),
    "other_unit": _against_itself("other_unit"),
    "other_limit": _other_limit,
    "before_its_work": _before_its_work,
    "done_before_opened": _done_before_opened,
    "future": _future,
    "run_hours_fall": _run_hours_fall,
    "currencies": _currencies,
    "rejected_rows": _rejected,
    "no_photo": _no_photo,
    "not_blind": _not_blind,
    "imported": _imported,
}
