"""A review as data: one JSON object, or sheets for a spreadsheet."""

import json
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

import pandas as pd

from drivers.errors import UserError
from monitor.plant import Settings
from monitor.reports.document import Cell, Table
from monitor.reports.sheet import render_csv
from monitor.review.answering import Answer
from monitor.review.recording import entry_data
from monitor.review.table import IN_HOUSE, Row, beside, table
from monitor.review.telling import caution_words, contested_rows, first_line, gate_words, house_words, opening
from monitor.state import atomic_write
from monitor.words import _, clean, day_text

CASES = (
    "finding_n", "wo_id", "site", "asset", "component", "alert_id", "severity", "action", "grade", "inspector_party",
    "independent", "confirmed", "wear", "q0", "cluster",
)  # fmt: skip


def as_data(told: Answer, settings: Settings) -> dict[str, Any]:
    """The whole answer for programs: words are those of the language in use, keys and names of rows are not."""
    kept = entry_data(told)
    del kept["rows"]
    return {
        **kept,
        "simulated": settings.simulated,
        "opening": opening(told),
        "table": [row._asdict() for row in table(told)],
        "with_contested": [row._asdict() for row in contested_rows(told)],
        "beside": [row._asdict() for row in beside(told)],
        "cautions": list(caution_words()),
    }


def evidence_sheet(told: Answer, *, by_role: bool = True, simulated: bool = False) -> Table:
    """The evidence table with its first line, the status, and where findings are contested the second value."""
    second = {row.name: row.value for row in contested_rows(told)}
    head = ("name", "row", "value", *(("with_contested",) if told.contested else ()))
    shown = [row for row in table(told) if by_role or row.name not in IN_HOUSE]
    lead = [
        Row("first_line", _("parameters"), first_line(told, by_role=by_role)),
        Row("leaves_the_house", _("may leave the house"), house_words(told)),
        Row("simulated", _("SIMULATED"), _("yes") if simulated else _("no")),
        Row("status", told.result.status, gate_words(told.result)),
    ]
    if told.contested is not None:
        second["status"] = f"{told.contested.status}: {gate_words(told.contested)}"
    rows = [(*row, *((second.get(row.name, row.value),) if told.contested else ())) for row in (*lead, *shown)]
    return Table("evidence", head, tuple(rows))


def path_sheet(told: Answer, zone: tzinfo) -> Table:
    """The e-value after each cluster of findings; days of `zone`."""
    r = told.result
    rows = tuple(
        (number, day_text(int(at_us), zone), float(f"{e:.6g}"))
        for number, (at_us, e) in enumerate(zip(r.path_us, r.path.e, strict=True), 1)
    )
    return Table("e_path", ("cluster", "settled", "e"), rows)


def cases_sheet(told: Answer, zone: tzinfo, columns: Sequence[str] = CASES) -> Table:
    """One row per vendor-driven job of the period, in order of time; days of `zone`."""
    rows = tuple(
        (day_text(int(case["at_us"]), zone), *(_cell(case[name]) for name in columns))
        for case in told.result.cases.to_dict("records")
    )
    return Table("cases", ("day", *columns), rows)


def _cell(value: Any) -> Cell:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return value
    return round(float(value), 6) if isinstance(value, float) else clean(value, 200)


def write(told: Answer, folder: Path, simulated: bool, zone: tzinfo) -> list[Path]:
    """Write evidence.csv, e_path.csv and cases.csv; returns their paths. Raises UserError where it cannot."""
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for sheet in (evidence_sheet(told, simulated=simulated), path_sheet(told, zone), cases_sheet(told, zone)):
            path = folder / f"{sheet.name}.csv"
            atomic_write(path, render_csv(sheet).encode())
            made.append(path)
    except OSError as fault:
        raise UserError(
            f"review run: --csv {clean(folder)}: cannot be written ({fault.strerror}); name a folder"
        ) from fault
    return made
