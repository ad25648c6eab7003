"""The raw rows with their entry numbers, what they were made with, and the command that makes the same report again."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version

from monitor.reports.comparison.look import Look, Row
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.why.story import time_us
from monitor.words import _, clean, local_text, utc_text

PAGES = 40  # raw rows of a kind on the pages; the CSV has them all
RAW: dict[str, tuple[str, ...]] = {  # kind -> its fields; of decisions neither role nor hour, which point at a person
    "vendor_alert": ("vendor", "alert_id", "failure_mode", "severity", "issued_at", "text", "horizon", "feed", "active",
                     "raw_sha256"),
    "own_alert": ("alert_id", "index", "threshold", "active", "model_sha256"),
    "decision": ("alert_id", "choice", "randomised"),
    "work_order": ("wo_id", "opened", "done", "trigger", "alert_id", "action", "planned_cost", "downtime", "run_hours",
                   "party"),
    "finding": ("wo_id", "grade", "wear_pct", "measured_value", "limit", "inspector_party", "blind_to_alert",
                "second_reader_grade", "photo_sha256"),
    "failure": ("failure_id", "mode", "cost"),
    "event": ("date", "event_kind", "text"),
    "cost": ("planned", "failure", "p_fail", "source"),
}  # fmt: skip
PAGED: dict[str, tuple[str, ...]] = {  # kind -> the fields that have room on the pages
    "vendor_alert": ("alert_id", "severity", "feed", "raw_sha256"),
    "work_order": ("wo_id", "trigger", "alert_id", "action", "party"),
    "finding": ("wo_id", "grade", "wear_pct", "measured_value", "limit", "inspector_party"),
    "failure": ("failure_id", "mode"),
    "event": ("event_kind", "text"),
}
LOCAL = ("opened", "done", "date")  # moments that people write, often as days
LONG = 120  # characters of a text in a row


def annex(look: Look, again: str) -> tuple[Block, ...]:
    counts: Sequence[tuple[Cell, ...]] = [
        (kind, len(rows), _digest(rows)) for kind, rows in sorted(look.records.items()) if rows
    ]
    made: tuple[tuple[Cell, ...], ...] = (
        ("handwheel", version("handwheel")), (_("configuration, SHA-256"), look.settings.sha256),
        (_("parameters, SHA-256"), look.told.sha256), (_("frozen by entry"), look.told.freeze.n or _("none")),
        (_("ledger read up to entry"), look.told.upto_n), (_("models, SHA-256"), _models(look)),
        (_("made again by"), again),
    )  # fmt: skip
    blocks: list[Block] = [
        Paragraph(_("The raw rows lie as CSV in the folder beside this report, with a MANIFEST of their digests;"
                    " `handwheel ledger verify` proves them against the head above. The same command on the same ledger"
                    " and configuration makes the same report, byte for byte, as long as no entry of it was erased.")),
        Table("made_with", (_("what"), _("value")), made),
        Table("records", (_("kind"), _("entries in the period"), _("SHA-256 of the rows")), tuple(counts)),
    ]  # fmt: skip
    for kind in RAW:
        blocks += [_paged(look, kind)] if kind in PAGED and look.records[kind] else []
        blocks.append(_raw(look, kind))
    return tuple(blocks)


def _raw(look: Look, kind: str) -> Table:
    by_day = kind == "decision"
    fields = RAW[kind]
    rows: list[tuple[Cell, ...]] = []
    for row in look.records[kind]:
        at = () if by_day else (utc_text(int(row["at_us"])),)
        place = (row["asset"] or "", row["component"] or "")
        rows.append((int(row["n"]), _day(look, row), *at, *place, *(_field(look, row, name) for name in fields)))
    heads = ("entry", "day", *(() if by_day else ("at",)), "asset", "component", *fields)
    return Table(f"{kind}s", heads, tuple(rows), about=_("raw rows: {kind}").format(kind=kind),
                 most=0)  # fmt: skip


def _paged(look: Look, kind: str) -> Table:
    """The first raw rows of a kind and of their fields, as far as pages have room."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (int(row["n"]), _day(look, row), row["asset"] or "", row["component"] or "",
         *(_short(_field(look, row, name)) for name in PAGED[kind]))
        for row in look.records[kind]
    )  # fmt: skip
    heads = ("entry", "day", "asset", "component", *PAGED[kind])
    note = _("all rows and fields: {name}.csv").format(name=f"{kind}s")
    return Table("", heads, rows, note, most=PAGES)


def _day(look: Look, row: Row) -> str:
    """The day of a record at the utility; of an event its own, not that of its entry."""
    return look.day(time_us(row.get("date")) or int(row["at_us"]))


def _field(look: Look, row: Row, name: str) -> Cell:
    """A field as it was recorded; a moment of our own people's in the utility's time, where their days are days."""
    moment = time_us(row.get(name)) if name in LOCAL else None
    return _cell(row.get(name)) if moment is None else local_text(moment, look.zone)


def _short(value: object) -> Cell:
    """A value as the pages have room for it: a hash is told by its first digits."""
    told = _cell(value)
    return clean(told, 16 if len(told) == 64 else 40) if isinstance(told, str) else told


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, int | float):
        return None if value is None or value != value else int(value) if isinstance(value, bool) else value
    return clean(value, LONG)


def _digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows as they stand in the ledger."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def _models(look: Look) -> str:
    hashes = sorted({str(one["model_sha256"]) for one in look.records["own_alert"] if one["model_sha256"]})
    more = f" (+{len(hashes) - 8})" if len(hashes) > 8 else ""
    return ", ".join(one[:16] for one in hashes[:8]) + more or _("none")
