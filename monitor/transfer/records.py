"""Findings, work orders and vendors' alerts of a past that another program kept: CSV -> entries at their own dates.

Each entry says via "import" and carries the role that brought it in; none looks as if it had been inspected today. A
row must stand up to what the screen asks of the same deed. An id that the ledger has already is left alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from drivers.record import SEVERITIES
from monitor.daemon.deeds import Deed, draft_of
from monitor.ledger import Draft, entries
from monitor.plant import Settings
from monitor.state import State
from monitor.transfer.decoding import Clock, number_reader
from monitor.transfer.foreign import Foreign, Row
from monitor.transfer.mapping import RecordMapping
from monitor.transfer.staging import Facts, Found, Rejects, Span, Unfit, prove
from monitor.transfer.taking import Taken
from monitor.words import clean, utc_text

FIELDS: Mapping[str, Mapping[str, bool]] = {  # what is imported -> field -> whether it is needed
    "findings": {
        "wo_id": True, "asset": True, "component": False, "occurred": True, "grade": True, "wear_pct": False,
        "measured_value": False, "limit": False, "cause": False, "inspector_party": True, "blind_to_alert": True,
        "second_reader_grade": False,
    },
    "work_orders": {
        "wo_id": True, "asset": True, "component": False, "opened": True, "done": False, "trigger": True,
        "alert_id": False, "action": True, "planned_cost": False, "downtime": False, "run_hours": False, "party": False,
    },
    "alerts": {
        "alert_id": True, "asset": True, "component": False, "issued": True, "vendor": True, "failure_mode": False,
        "severity": True, "text": False, "recommended_action": False, "horizon": False,
    },
}  # fmt: skip
_TIMES = ("occurred", "opened", "done", "issued")
_KIND = {"findings": "finding", "work_orders": "work_order", "alerts": "vendor_alert"}
_ID = {"findings": "wo_id", "work_orders": "wo_id", "alerts": "alert_id"}
_AT = {"findings": "occurred", "work_orders": "opened", "alerts": "issued"}
_MOST = 20_000  # entries of one import
_SHOWN = 5


def stage(
    path: Path, what: str, told: RecordMapping, folder: Path, settings: Settings, state: State, now_us: int
) -> Found:
    """Decode a file into `folder`/entries.jsonl, each row proved as the deed that it would be. Raises UserError."""
    file = Foreign(path, told.file)
    places = {name: file.column(heading, f"columns.{name}") for name, heading in told.columns.items()}
    cells_of = _reader(told, places, Clock(told.times, now_us))
    found, rejects = Found(), Rejects(folder / "rejects.csv")
    taken = {*places.values()}
    found.unmapped = [name for at, name in enumerate(file.head) if at not in taken]
    seen: set[str] = set()
    with (folder / "entries.jsonl").open("w", encoding="utf-8") as out:
        try:
            for row in file.rows():
                try:
                    if row.fault:
                        raise UserError(row.fault)
                    data = cells_of(row)
                    draft = _draft(what, data, "", settings)
                    name = str(data[_ID[what]])
                    if name in seen:
                        raise UserError(f"{_ID[what]}: {clean(name, 60)} stands twice in this file")
                except (UserError, ValueError, OverflowError) as fault:
                    rejects.add(row, clean(fault, 200))
                    found.refused += 1
                    if len(found.faults) < _SHOWN:
                        found.faults.append(f"line {row.line}: {fault}")
                    continue
                seen.add(name)
                found.rows += 1
                found.whole += 1
                if found.rows > _MOST:
                    raise UserError(f"{clean(path)}: has more than {_MOST} rows; split it")
                found.spans.setdefault(draft.asset or "-", Span()).add(draft.at_us)
                if len(found.shown) < _SHOWN:
                    found.shown.append(f"line {row.line}: {json.dumps(data, ensure_ascii=False)}")
                out.write(json.dumps(data, ensure_ascii=False) + "\n")
        finally:
            rejects.close()
    found.rejected, found.before, found.blank = rejects.count, file.before, file.blank
    return found


def take(
    state: State, settings: Settings, folder: Path, facts: Facts, role: str, now_us: int
) -> tuple[Taken, list[dict[str, Any]]]:  # fmt: skip
    """The entries of a staged import that the ledger does not have yet, as rows of ledger.Draft. Raises Unfit."""
    path = folder / "entries.jsonl"
    prove(path, facts.rows_sha256)
    name = _ID[facts.kind]
    known = {str(one.data.get(name)) for one in entries(state, [_KIND[facts.kind]])}
    rows: list[dict[str, Any]] = []
    there = 0
    for data in _lines(path):
        if str(data[name]) in known:
            there += 1
            continue
        try:
            draft = _draft(facts.kind, data, role, settings)
        except UserError as fault:
            raise Unfit(f"{clean(data[name], 60)}: {fault}; nothing was brought in") from fault
        if draft.at_us > now_us:
            raise Unfit(f"{clean(data[name], 60)}: lies in the future; nothing was brought in")
        rows.append(
            {
                "kind": draft.kind, "data": {**draft.data, "import": facts.id}, "at_us": draft.at_us, "via": "import",
                "role": role or None, "site": draft.site, "asset": draft.asset, "component": draft.component,
            }
        )  # fmt: skip
    return Taken(len(rows), there), rows


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _reader(told: RecordMapping, places: Mapping[str, int], clock: Clock) -> Callable[[Row], dict[str, Any]]:
    number = number_reader(told.file.decimal or ".", told.file.thousands)

    def cells_of(row: Row) -> dict[str, Any]:
        data: dict[str, Any] = dict(told.fixed)
        for field, place in places.items():
            cell = row.cells[place]
            text = "" if cell is None else str(cell).strip()
            if field in told.words:
                if text not in told.words[field]:
                    raise UserError(f"{field}: {clean(text, 40)!r} is not in the mapping; add it to [words.{field}]")
                data[field] = told.words[field][text]
            elif not text:
                continue
            elif field in _TIMES:
                try:
                    data[field] = utc_text(clock.us((cell,), ""))
                except (ValueError, OverflowError, TypeError) as fault:
                    raise UserError(f"{field}: {clean(fault, 160)}") from fault
            elif field in told.units:
                data[field] = f"{number(text):.6f}".rstrip("0").rstrip(".") + f" {told.units[field]}"
            else:
                data[field] = text
        return data

    return cells_of


def _draft(what: str, data: Mapping[str, Any], role: str, settings: Settings) -> Draft:
    deed = Deed(_KIND[what], data)
    at_us = deed.time_us(_AT[what], needed=True)
    assert at_us is not None
    if what != "alerts":
        return replace(draft_of(_KIND[what], data, role, at_us, settings, lambda _: None), via="import")
    place = {asset.id: asset.site for asset in settings.assets}
    asset = deed.word("asset", tuple(place))
    body = {
        "alert_id": deed.text("alert_id", needed=True), "vendor": deed.text("vendor", needed=True),
        "failure_mode": deed.text("failure_mode"), "severity": deed.word("severity", SEVERITIES),
        "issued_at": utc_text(at_us), "text": deed.text("text"),
        "recommended_action": deed.text("recommended_action"), "horizon": deed.quantity("horizon"),
        "raw_sha256": "", "feed": "import",
    }  # fmt: skip
    return Draft("vendor_alert", body, at_us, "import", role, place[asset], asset, deed.text("component") or None)
