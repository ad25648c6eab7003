"""Which alert drove a job: a job counts in a vendor's review only through an alert that can have called for it.

That an alert is cited proves nothing: it may be of another pump, may have come after the job, may have been served long
ago. What does not fit is no case of this vendor; it is counted, named, and shown beside N.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from models.bias.episodes import DAY_US

REASONS = ("job_without_alert", "job_other_part", "job_before_alert", "job_after_horizon", "job_served")


class _Said(NamedTuple):
    """One statement of an alert."""

    at_us: int
    row: int
    part: str
    until_us: float


def driven(work: pd.DataFrame, alerts: pd.DataFrame, horizon_days: float) -> pd.DataFrame:
    """The jobs said to be a vendor's, each with the alert that drove it, or why none can have.

    An alert can have driven a job of the same asset and the same component (one that names no component may be any of
    its asset), if it was known before the job was done and not longer ago than its horizon or the frozen one, whichever
    is longer. It drives one job per component, the first that was done; and none after the part was served or replaced
    by other work since. A job whose alert nobody recorded is driven by the one that stood on its part, if one did.
    A date alone is the beginning of its day: an alert of up to a day later counts as known.

    Parameters
    ----------
    work : DataFrame
        Jobs done, as `models.bias.cases.prepared` gives them; those that cite another vendor's alert are left out.
    alerts : DataFrame
        The vendor's alerts, prepared likewise.
    horizon_days : float
        The frozen horizon. [d]

    Returns
    -------
    DataFrame
        The rows of `work` with trigger vendor_alert, with columns driver (row of `alerts` by position, -1: none) and
        why (one of REASONS, "" where an alert drove it); the order of entry of either table changes nothing.
    """
    by_id, by_asset = _statements(alerts, horizon_days)
    served: dict[tuple[str, str], int] = {}  # (asset, component) -> when work on it was done last
    used: dict[int, set[str]] = {}  # row of an alert -> the components of the jobs that it drove
    found: dict[int, tuple[int, str]] = {}
    columns = [work[name] for name in ("at_us", "wo_id", "asset", "component", "trigger", "alert_id", "action")]
    ordered = sorted(enumerate(zip(*columns, strict=True)), key=lambda one: (one[1][0], str(one[1][1])))
    for position, (done, _, asset, part, trigger, alert_id, action) in ordered:
        row, other_work = -1, trigger != "vendor_alert"
        if not other_work:
            cited = by_id.get(alert_id)
            row, why = _driver(cited or by_asset.get(asset, []), asset, part, int(done), served, used)
            found[position] = (row, "job_without_alert" if why and cited is None else why)
            if row >= 0:
                used.setdefault(row, set()).add(part)
        if row >= 0 or (other_work and part and action != "inspect"):
            served[asset, part] = int(done)
    rows = sorted(found)
    return work.iloc[rows].assign(driver=[found[row][0] for row in rows], why=[found[row][1] for row in rows])


def _statements(
    alerts: pd.DataFrame, horizon_days: float
) -> tuple[Mapping[Any, list[tuple[str, _Said]]], Mapping[Any, list[tuple[str, _Said]]]]:
    """What the vendor said, (asset, statement) by alert and by asset, in order of time; what takes one back is none."""
    by_id: dict[Any, list[tuple[str, _Said]]] = {}
    by_asset: dict[Any, list[tuple[str, _Said]]] = {}
    columns = [alerts[name] for name in ("at_us", "alert_id", "asset", "component", "active", "horizon_days")]
    for row, (at, alert_id, asset, part, active, own_days) in enumerate(zip(*columns, strict=True)):
        if active:
            days = horizon_days if math.isnan(own_days) else max(own_days, horizon_days)
            said = (asset, _Said(int(at), row, part, at + days * DAY_US))
            by_id.setdefault(alert_id, []).append(said)
            by_asset.setdefault(asset, []).append(said)
    for many in (*by_id.values(), *by_asset.values()):
        many.sort(key=lambda one: one[1].at_us)
    return by_id, by_asset


def _driver(
    candidates: Sequence[tuple[str, _Said]], asset: str, part: str, done: int,
    served: Mapping[tuple[str, str], int], used: Mapping[int, set[str]],
) -> tuple[int, str]:  # fmt: skip
    """(row of the statement that drove the job, "") or (-1, why none did)."""
    same = [said for where, said in candidates if where == asset and (said.part == part or not said.part or not part)]
    if not same:
        return -1, "job_other_part"
    known = [said for said in same if said.at_us <= done + DAY_US]
    if not known:
        return -1, "job_before_alert"
    in_time = [said for said in known if done <= said.until_us]
    if not in_time:
        return -1, "job_after_horizon"
    for said in reversed([one for one in in_time if one.at_us <= done] or in_time[:1]):
        last = max(served.get((asset, one), -1) for one in {part or said.part, ""})
        parts = used.get(said.row, set())
        if said.at_us >= last and not (part in parts or "" in parts or (not part and parts)):
            return said.row, ""
    return -1, "job_served"
