"""Records of a past that another program or a clerk kept: CSV -> entries of the ledger at their own dates.

Each entry says via "import" and carries the role that brought it in, the import, the line and the digest of its file;
none looks as if it had been inspected today. A row must stand up to what the screen asks of the same deed. What the
ledger has already is left alone; an id that it has with other values is a fault, until the row says what it corrects.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from drivers.record import SEVERITIES
from monitor.daemon.deeds import Deed, draft_of
from monitor.ledger import Draft, Record, entries
from monitor.ledger.correcting import JOB, Correctable, key_of, standing
from monitor.plant import ROLES, Settings
from monitor.state import State
from monitor.transfer import cells, dates, own
from monitor.transfer.columns import RECORDS, Recorded
from monitor.transfer.decoding import Clock
from monitor.transfer.foreign import Foreign, Row
from monitor.transfer.mapping import RecordMapping, Times
from monitor.transfer.staging import Facts, Found, Rejects, Span, Unfit, prove
from monitor.transfer.suspicion import Suspicion, asks_for_wear
from monitor.transfer.taking import Taken
from monitor.transfer.times import HOUR_US
from monitor.words import clean, parse_utc, utc_text

FIELDS: Mapping[str, Mapping[str, bool]] = {what: one.fields for what, one in RECORDS.items()}
MOST = 20_000  # entries of one import
_SHOWN = 5


def stage(
    path: Path, what: str, told: RecordMapping, folder: Path, settings: Settings, state: State, now_us: int,
    answers: Mapping[str, str],
) -> Found:  # fmt: skip
    """Decode a file into `folder`/entries.jsonl, each row proved as the deed that it would be. Raises UserError.

    `answers` are what a person said of what could be read in two ways: "dates" (dmy, mdy), "wear" (fraction, percent).
    """
    of = RECORDS[what]
    file = Foreign(path, told.file)
    places = _places(file, told)
    rows, empty = _rows(file, told)
    clocks = _clocks(path, told, of, places, rows, settings, now_us, answers.get("dates", ""))
    told = replace(told, units=asks_for_wear(path, told, places, rows, answers.get("wear", "")))
    columns = {one.name: one for one in of.columns}
    cells_of = cells.reader(told, columns, places, clocks, settings.currency)
    number = file.head.index(told.number) if told.number else None
    ledger = Known(state, of.kind)
    suspicion = Suspicion(what, settings, state)
    found, rejects = Found(), Rejects(folder / "rejects.csv")
    found.columns = _meanings(file, told, of, places)
    found.unmapped = own.strange(file.head, [file.head[at] for at in places.values()])
    seen: dict[tuple[str, ...], int] = {}
    lines: dict[int, tuple[int, Mapping[str, Any]]] = {}  # number in the ledger it comes from -> line, data
    replaced: dict[int, int] = {}
    with (folder / "entries.jsonl").open("w", encoding="utf-8") as out:
        try:
            for row in rows:
                try:
                    if row.fault:
                        raise UserError(row.fault)
                    data = cells_of(row)
                    draft = _draft(what, data, "", settings)
                    if draft.at_us > now_us + HOUR_US:
                        raise UserError("lies in the future")
                    if (n := draft.data.get("corrects")) is not None:
                        data["corrects_line"] = (
                            _corrected(n, lines, replaced, row, draft) if number is not None else None
                        )
                        if data["corrects_line"] is None and (why := ledger.why_not(draft, n)):
                            raise UserError(why)
                    elif mine := ledger.key(draft):
                        _is_new(of, mine, seen, ledger, draft, row)
                    if number is not None and str(row.cells[number]).strip().isdecimal():
                        lines[int(row.cells[number])] = (row.line, draft.data)
                except (UserError, ValueError, OverflowError) as fault:
                    rejects.add(row, clean(fault, 200))
                    found.refused += 1
                    if len(found.faults) < _SHOWN:
                        found.faults.append(f"line {row.line}: {fault}")
                    continue
                suspicion.look(row.line, draft)
                found.rows += 1
                found.whole += 1
                found.spans.setdefault(draft.asset or "-", Span()).add(draft.at_us)
                if len(found.shown) < _SHOWN:
                    shown = {name: value for name, value in data.items() if name in places}
                    found.shown.append(f"line {row.line}: {json.dumps(shown, ensure_ascii=False)}")
                out.write(json.dumps({**data, "line": row.line}, ensure_ascii=False) + "\n")
        finally:
            rejects.close()
    found.remarks = suspicion.remarks()
    found.rejected, found.before = rejects.count, file.before
    found.blank = file.blank + empty
    return found


def _rows(file: Foreign, told: RecordMapping) -> tuple[list[Row], int]:
    """The rows that hold something, and how many lines are empty or comments. Raises UserError where they are many."""
    rows: list[Row] = []
    empty = 0
    for row in file.rows():
        held = row.fault or any(str(cell or "").strip() for cell in row.cells)
        if not held or (told.own and own.is_comment(row.raw)):
            empty += 1
        elif len(rows) < MOST:
            rows.append(row)
        else:
            words = f"is row {MOST + 1}; at most {MOST} come in at once: split the file"
            raise UserError(f"{clean(file.path)}: line {row.line}: {words}")
    return rows, empty


class Known:
    """What the ledger has of one kind."""

    def __init__(self, state: State, kind: str) -> None:
        self.kind = kind
        known = list(entries(state, [kind])) if state.ledger.is_file() else []
        self.content = {_content(one.at_us, one.asset, one.component, one.data): one.n for one in known}
        self._holds = {self.key(one): one for one in standing(known)}
        self._correctable = Correctable(known)

    def key(self, one: Draft | Record) -> tuple[str, ...]:
        """What no two entries of the kind have in common that hold."""
        if self.kind in JOB:
            return key_of(self.kind, one.component, one.data)
        if self.kind == "vendor_alert":  # raised, taken back and raised anew under one id
            return tuple(str(one.data.get(name, True)) for name in ("vendor", "alert_id", "issued_at", "active"))
        return _content(one.at_us, one.asset, one.component, one.data)

    def twin(self, draft: Draft) -> Record | None:
        """The entry that holds and has the same id."""
        return self._holds.get(self.key(draft))

    def why_not(self, draft: Draft, n: int) -> str:
        """Why entry `n` cannot be corrected by this draft; "" where it can, or is by an entry that says the same."""
        if _content(draft.at_us, draft.asset, draft.component, draft.data) in self.content:
            return ""
        return self._correctable.why_not(self.kind, draft.data, n)


def _content(at_us: int, asset: str | None, component: str | None, data: Mapping[str, Any]) -> tuple[str, ...]:
    """All that an entry says, but for where it comes from."""
    left_out = (*own.PROVENANCE, "feed", "raw_sha256")
    said = {name: value for name, value in data.items() if value not in (None, "") and name not in left_out}
    return (str(at_us // 1000), asset or "", component or "", json.dumps(said, sort_keys=True, ensure_ascii=False))


def _is_new(
    of: Recorded, mine: tuple[str, ...], seen: dict[tuple[str, ...], int], ledger: Known, draft: Draft, row: Row
) -> None:
    shown = f"{of.name}: {clean(draft.data.get(of.name) or draft.component or '', 60)}"
    if (first := seen.setdefault(mine, row.line)) != row.line:
        raise UserError(f"{shown} stands twice in this file, first in line {first}")
    twin = ledger.twin(draft)
    if twin is not None and _content(draft.at_us, draft.asset, draft.component, draft.data) not in ledger.content:
        words = f"is entry {twin.n} of the ledger with other values; a row that corrects it has corrects = {twin.n}"
        raise UserError(f"{shown} {words}")


def _corrected(
    n: int, lines: Mapping[int, tuple[int, Mapping[str, Any]]], replaced: dict[int, int], row: Row, draft: Draft
) -> int:
    """The line of the file whose entry this one stands for, where the file brings its numbers with it."""
    if n not in lines:
        raise UserError(f"corrects: no row above has the number {n}")
    if (first := replaced.setdefault(n, row.line)) != row.line:
        raise UserError(f"corrects: {n} is corrected by line {first}; correct that one")
    line, data = lines[n]
    for name in JOB.get(draft.kind, ()):
        if data.get(name) != draft.data.get(name):
            raise UserError(f"corrects: line {line} is of another {name}")
    return line


def take(
    state: State, settings: Settings, folder: Path, facts: Facts, role: str, now_us: int
) -> tuple[Taken, list[dict[str, Any]]]:  # fmt: skip
    """The entries of a staged import that the ledger does not have yet, as rows of ledger.Draft. Raises Unfit.

    A row that corrects another row of its file names it by how far back it is: see Ledger.append_many.
    """
    path = folder / "entries.jsonl"
    prove(path, facts.rows_sha256)
    known = Known(state, RECORDS[facts.kind].kind)
    rows: list[dict[str, Any]] = []
    place: dict[int, int] = {}  # line -> number of the entry, or -1 - place among the rows
    for data in _lines(path):
        line, of_line = data.pop("line", 0), data.pop("corrects_line", None)
        try:
            draft = _draft(facts.kind, data, role, settings)
        except UserError as fault:
            raise Unfit(f"line {line}: {fault}; nothing was brought in") from fault
        if draft.at_us > now_us:
            raise Unfit(f"line {line}: lies in the future; nothing was brought in")
        body = dict(draft.data)
        if of_line is not None:
            if (there := place.get(of_line)) is None:
                raise Unfit(f"line {line}: corrects line {of_line}, which is not in it; nothing was brought in")
            body["corrects"] = there if there >= 0 else -1 - there - len(rows)
        there = known.content.get(_content(draft.at_us, draft.asset, draft.component, body))
        if there is None and "corrects" not in body and (twin := known.twin(draft)) is not None:
            there = twin.n
        place[line] = -1 - len(rows) if there is None else there
        if there is not None:
            continue
        if (n := body.get("corrects")) is not None and n >= 0 and (why := known.why_not(draft, n)):
            raise Unfit(f"line {line}: {why}; nothing was brought in")
        where = {"import": facts.id, "line": line, "file_sha256": facts.sha256}
        rows.append(
            {
                "kind": draft.kind, "data": {**body, **where}, "at_us": draft.at_us, "via": "import",
                "role": draft.role or role or None, "site": draft.site, "asset": draft.asset,
                "component": draft.component,
            }
        )  # fmt: skip
    return Taken(len(rows), len(place) - len(rows)), rows


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _places(file: Foreign, told: RecordMapping) -> dict[str, int]:
    """Field -> its column. Raises UserError where a heading is missing, or a file has several of one field."""
    places = {}
    for field, headings in told.columns.items():
        there = [one for one in headings if one in file.head]
        if not there and field in told.optional:
            continue
        if len(there) > 1:
            shown = ", ".join(clean(one, 40) for one in there)
            raise UserError(f"{clean(file.path)}: has several columns for {field}: {shown}; keep one in the mapping")
        places[field] = file.column(there[0] if there else headings[0], f"columns.{field}")
    return places


def _clocks(
    path: Path, told: RecordMapping, of: Recorded, places: Mapping[str, int], rows: list[Row], settings: Settings,
    now_us: int, asked: str,
) -> dict[str, Clock]:  # fmt: skip
    """How times are read, by field; "": those of all others. Day and month are told apart column by column."""
    now = datetime.fromtimestamp(now_us / 1e6, told.times.zone or ZoneInfo(settings.time_zone)).replace(tzinfo=None)
    clocks = {"": Clock(told.times, now_us)}
    form = told.times.form
    for field in own.times_of(of):
        if field not in places or not (form == dates.ANY or "%" in form):
            continue
        at = places[field]
        written = [(row.line, str(row.cells[at] or "").strip()) for row in rows if not row.fault]
        said = dates.order_of(form)
        try:
            order = dates.settle(field, written, said, asked, now)  # type: ignore[arg-type]
        except UserError as fault:
            raise UserError(f"{clean(path)}: {fault}") from fault
        mine = f"{form} {order}".strip() if form == dates.ANY else dates.swapped(form) if order != said else form
        zone = ZoneInfo("UTC") if field in told.utc else told.times.zone
        clocks[field] = Clock(Times((), mine, zone, told.times.twice), now_us)
    return clocks


def _meanings(file: Foreign, told: RecordMapping, of: Recorded, places: Mapping[str, int]) -> list[str]:
    """What each column was taken for, with its unit."""
    shown = []
    for field, at in places.items():
        column = of.column(field)
        unit = told.units.get(field) or column.unit or ("" if column.form == "text" else column.form)
        shown.append(f"{clean(file.head[at], 40)} -> {field}{f' [{unit}]' if unit else ''}: {column.meaning}")
    return shown + [f"({clean(value, 40)} -> {field}, in each row)" for field, value in told.fixed.items()]


def _draft(what: str, data: Mapping[str, Any], role: str, settings: Settings) -> Draft:
    """The entry that a row would be, at its own date. Raises UserError in one line."""
    of = RECORDS[what]
    deed = Deed(of.kind, data)
    column = next((name for name in of.at if data.get(name)), of.at[-1])
    at_us = _day_us(data["date"], settings) if column == "date" else deed.time_us(column, needed=True)
    assert at_us is not None
    place = {asset.id: asset.site for asset in settings.assets}
    if what in ("alerts", "own_alerts"):
        asset = deed.word("asset", tuple(place))
        body = _vendor_alert(deed) if what == "alerts" else _own_alert(deed)
        return Draft(of.kind, body, at_us, "import", role, place[asset], asset, deed.text("component") or None)
    if what == "decisions":
        asset, role = deed.word("asset", tuple(place)), deed.word("role", ROLES)
        draft = draft_of("decide", data, role, at_us, settings, lambda _: (asset, deed.text("component")))
        return replace(draft, via="import")
    draft = replace(draft_of(of.kind, data, role, at_us, settings, lambda _: None), via="import")
    _prove_order(deed, draft)
    return draft


def _day_us(text: str, settings: Settings) -> int:
    """The beginning of a day of the utility, UTC [us]; a moment as it is."""
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(settings.time_zone))
    return parse_utc(moment.isoformat())


def _prove_order(deed: Deed, draft: Draft) -> None:
    """A job is not done before the day on which it was opened."""
    done, opened = draft.data.get("done"), draft.data.get("opened")
    if done and opened and parse_utc(done) < parse_utc(opened) - 86_400_000_000:
        raise deed.fault("done", f"{done} is before it was opened, {opened}")


def _vendor_alert(deed: Deed) -> dict[str, Any]:
    issued_us = deed.time_us("issued", needed=True)
    told = {name: text for name in ("issued_basis", "late_by") if (text := deed.text(name))}
    received = deed.time("received")
    return {
        "alert_id": deed.text("alert_id", needed=True), "vendor": deed.text("vendor", needed=True),
        "failure_mode": deed.text("failure_mode"), "severity": deed.word("severity", SEVERITIES),
        "issued_at": utc_text(issued_us), "text": deed.text("text"),
        "recommended_action": deed.text("recommended_action"), "horizon": deed.quantity("horizon"),
        "raw_sha256": "", "feed": "import", **({"received_at": received} if received else {}),
        **{name: deed.flag(name) for name in ("active", "simulated") if deed.data.get(name) is not None}, **told,
    }  # fmt: skip


def _own_alert(deed: Deed) -> dict[str, Any]:
    told = {name: deed.data[name] for name in ("model_sha256", "top") if deed.data.get(name) is not None}
    numbers = {name: deed.data.get(name) for name in ("index", "threshold")}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise deed.fault(name, "a number is expected")
    return {
        "alert_id": deed.text("alert_id", needed=True), **numbers, "text": deed.text("text"),
        "active": deed.flag("active"), **told,
    }  # fmt: skip
