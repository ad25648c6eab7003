"""The ledger as tables: one pandas frame per kind of entry, for the review, the reports and the audits.

A table is there, with its columns, also where nothing was recorded yet: "no findings" is an answer, not a missing file.
Values stay as they were recorded; quantities are texts with their unit, times ISO texts in UTC.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from monitor.ledger import KINDS, Record, entries
from monitor.progress import Tell, Work, silent
from monitor.state import State
from monitor.words import _

ENTRY = ("n", "at_us", "role", "via", "site", "asset", "component")
_ORIGIN = ("import", "line", "file_sha256")  # of an entry that was brought in
_MORE: Mapping[str, tuple[str, ...]] = {  # fields that an entry of a kind may have beside those it must have
    "vendor_alert": ("received_at", "late_by", "active", "simulated"),
    "own_alert": ("model_sha256", "top"),
    "decision": ("randomised", "deferral_prob"),
    "work_order": (
        "done", "alert_id", "planned_cost", "downtime", "run_hours", "party", "corrects", "withdrawn", *_ORIGIN,
    ),
    "finding": (
        "wear_pct", "measured_value", "limit", "cause", "second_reader_grade", "photo_sha256",
        "limit_version", "corrects", "withdrawn", *_ORIGIN,
    ),
    "failure": ("cost", "corrects", "withdrawn", *_ORIGIN),
    "cost": ("p_fail", "source", "corrects", "withdrawn", *_ORIGIN),
    "event": ("corrects", "withdrawn", *_ORIGIN),
    "assessment": ("model_sha256",),
    "audit": ("files",),
    "report": ("sha256", "period"),
    "reading": (
        "entered_at", "outside_limits", "in_limits", "period", "procedure", "step", "paper", "clock_doubted",
        "kept_out",
    ),
    "period": (
        "sort", "sites", "declared_by", "stable_after", "unmet", "counts", "deviations", "doubts", "clock_off",
        "changes",
    ),
    "gap": ("tag", "why", "period"),
    "restart": ("config_sha256",),
    "config": ("words",),
}  # fmt: skip


def tables(
    state: State,
    start_us: int | None = None,
    end_us: int | None = None,
    *,
    upto_n: int | None = None,
    tell: Tell = silent,
) -> dict[str, pd.DataFrame]:
    """A frame per kind of monitor.ledger.KINDS with start_us <= at < end_us (UTC [us]), in the order of the ledger.

    Columns: n, at_us, role, via, site, asset, component, then the fields of the kind's data; what an entry does not
    have is None. Erased entries are not among them, nor those after entry `upto_n`. Raises LedgerError where the ledger
    cannot be read.
    """
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    with Work(_("ledger, entries"), None, tell) as work:
        for record in work.over(entries(state, KINDS, start_us, end_us, upto_n=upto_n)):
            rows[record.kind].append(_row(record))
    return {kind: _frame(kind, found) for kind, found in rows.items()}


def _row(record: Record) -> dict[str, Any]:
    head = {name: getattr(record, name) for name in ENTRY}
    told = {name: value for name, value in head.items() if value is not None}
    return head | dict(record.data) | told


def _frame(kind: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = list(dict.fromkeys([*ENTRY, *KINDS[kind], *_MORE.get(kind, ()), *(name for row in rows for name in row)]))
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
    return frame.astype({"n": "int64", "at_us": "int64"})
