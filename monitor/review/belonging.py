"""Which records are a vendor's, and the references by which it knows them.

Two vendors may number their alerts alike, so an alert is known by its vendor and its id. A job names an id alone: the
alert of that id on the job's own asset tells whose it is; where there is none there, the asset's vendor does.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from monitor.ledger import digests
from monitor.state import State

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 12  # of the entry's digest: 48 bits


def of_vendor(
    recorded: Mapping[str, "pd.DataFrame"], assets: Collection[str], vendor: str
) -> dict[str, "pd.DataFrame"]:
    """The vendor's alerts, and the jobs, findings and failures on these assets but for those that another asked for."""
    theirs = _jobs_of_others(recorded["vendor_alert"], recorded["work_order"], set(assets), vendor)
    kept = {kind: recorded[kind] for kind in ("vendor_alert", "work_order", "finding", "failure")}
    kept = {kind: frame[frame["asset"].isin(list(assets))] for kind, frame in kept.items()}
    kept["vendor_alert"] = kept["vendor_alert"][kept["vendor_alert"]["vendor"] == vendor]
    for kind in ("work_order", "finding"):
        kept[kind] = kept[kind][~kept[kind]["wo_id"].isin(list(theirs))]
    return kept


def _jobs_of_others(alerts: "pd.DataFrame", jobs: "pd.DataFrame", assets: set[str], vendor: str) -> set[str]:
    told: dict[tuple[object, object], set[str]] = {}  # alert id and asset -> who bears it there
    for alert_id, asset, name in zip(alerts["alert_id"], alerts["asset"], alerts["vendor"], strict=True):
        told.setdefault((alert_id, asset), set()).add(name)
    ours: set[str] = set()
    theirs: set[str] = set()
    for wo_id, alert_id, asset in zip(jobs["wo_id"], jobs["alert_id"], jobs["asset"], strict=True):
        names = told.get((alert_id, asset))
        is_ours = vendor in names if names else asset in assets
        (ours if is_ours else theirs).add(wo_id)
    return theirs - ours


def references(state: State, numbers: Collection[int]) -> dict[int, str]:
    """By what those outside the house know each of these entries: the first 12 hex digits of its digest in the chain.

    Unlike its number it tells neither when an entry was made nor how many lie between two. The letter before it keeps a
    spreadsheet from taking it for a number. Who is shown salt and body later can prove it.
    """
    return {n: f"r{digest.hex()[:_DIGITS]}" for n, digest in digests(state, sorted(numbers)).items()}


def is_received(via: str, raw_sha256: object) -> bool:
    """Whether an alert came by a feed and its message was kept; else the utility brought it in."""
    return via != "import" and is_sha256(raw_sha256)


def is_sha256(text: object) -> bool:
    """Whether this is a SHA-256 as 64 hex digits."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")
