"""Journals that have ended are taken in, each once, by the worker or by a command with the lock.

The order makes ledger, history and paper agree whatever dies in between. First the bytes of the journal are kept under
their SHA-256 and the ledger gets the period with its readings. All the rest is made from the ledger: samples for those
readings that have none yet, the gaps that telemetry had meanwhile, and the debrief, whose entry is the last one. What
has no such entry is gone on with at the next run: nothing is there twice, and nothing is lost.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from drivers.record import Reason
from monitor.ledger import Record, entries
from monitor.periods.entries import OWN, UNKNOWN, Known, known_of, off_us, rows_of, tag_doubts
from monitor.periods.folder import Stamp, in_order, stamps
from monitor.periods.journal import Doubt, journal_of, raw_of
from monitor.periods.named import named_tags
from monitor.periods.period import Period, period_of
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.state import State, atomic_write
from monitor.words import _, clean, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.historian.gaps import Gap
    from monitor.ledger import Ledger
    from monitor.transfer.staging import Facts
    from monitor.transfer.taking import Taken

FILES = 2_000  # journals that are new or were written to and are looked at in one go
DRILLS, PERIODS = "drills.json", "periods.json"  # below STATE/manual/facts
FAULTS = 5  # files that are no journals, of which each is named
GAPS = 200  # entries of gaps of one period: the longest
JOURNAL, CLOCK_OFF = "journal.jsonl", "clock_off="  # of a staged import: its file, and what was asked about it
SAME_S = 60.0  # a gap of telemetry that is shorter is none
# what has nothing to take in as it stands: at home, not ended, or no journal (and why)
_settled: dict[Path, tuple[Stamp, str]] = {}


@dataclass(slots=True)
class Brought:
    """What was made: entries for the ledger, in this order, and files; `more` where a run after that has work."""

    words: str = ""
    ledger: list[dict[str, Any]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    more: bool = False


def take_waiting(state: State, settings: Settings, now_us: int, tell: Tell = silent) -> Brought:
    """Go on with what the ledger knows and is not finished, then enter each ended journal that it does not know."""
    records = list(entries(state, ("period", "reading", "report")))
    publish_drills(state, records)
    made, words = Brought(), list[str]()
    for record in unfinished(records):
        words.append(finish(state, settings, record, records, now_us, made, tell))
    known = known_of(records)
    there = stamps(in_order(state.journal, now_us))
    for path in _settled.keys() - there.keys():
        del _settled[path]
    waiting = [path for path, stamp in there.items() if (told := _settled.get(path)) is None or told[0] != stamp]
    for path in waiting[:FILES]:
        why = ""
        try:
            raw = raw_of(path)
            if hashlib.sha256(raw).hexdigest() not in known.shas:
                period = period_of(journal_of(path.name, raw, now_us))
                if period.ended is not None:
                    made.ledger += enter(state, settings, period, raw, known, now_us, role=None, via="worker",
                                         clock_off=OWN)  # fmt: skip
                    made.more = True
                    words.append(_("{journal}: taken in").format(journal=period.journal.name))
                    break  # one after the other: what the next one brings depends on this one
        except UserError as fault:
            why = str(fault)
        _settled[path] = (there[path], why)
    made.more |= len(waiting) > FILES
    faults = [_settled[path][1] for path in there if path in _settled and _settled[path][1]]
    words += faults[:FAULTS]
    if len(faults) > FAULTS:
        words.append(_("{n} more files there are no journals").format(n=len(faults) - FAULTS))
    made.words = "; ".join(one for one in words if one) or _("no journal waits")
    return made


def publish_drills(state: State, records: Iterable[Record]) -> None:
    """Tell the fallback of the drills that the ledger knows: of one on another machine it has no journal itself.

    And of all journals that are at home, by their SHA-256: who looks at a stick asks which are.
    """
    records = [one for one in records if one.kind == "period"]
    told = [one.data for one in records if one.data.get("drill") is True]
    rows = [{"station": station, "at": data["start"], "next_due": data.get("next_due"), "why": why}
            for data in told for station, why in {
                **dict.fromkeys(data.get("drilled") or (), ""), **(data.get("not_drilled") or {})}.items()]  # fmt: skip
    with suppress(OSError, UserError):  # a folder that is not there, or not of this user: the daemon's next run does it
        atomic_write(state.facts / DRILLS, json.dumps({"format": 1, "drills": rows[-FILES:]}))
        known = [str(one.data["sha256"]) for one in records[-FILES:]]
        atomic_write(state.facts / PERIODS, json.dumps({"format": 1, "sha256": known}))


def unfinished(records: Iterable[Record]) -> list[Record]:
    """The periods of which no debrief was entered yet."""
    rows = list(records)
    done = {str(one.data.get("period")) for one in rows if one.kind == "report" and one.data.get("period")}
    return [one for one in rows if one.kind == "period" and "key" in one.data and str(one.data["sha256"]) not in done]


def enter(
    state: State, settings: Settings, period: Period, raw: bytes, known: Known, now_us: int, *, role: str | None,
    via: str, clock_off: str, origin: str = "",
) -> list[dict[str, Any]]:  # fmt: skip
    """Keep the bytes of a journal, and make the entries of its period."""
    before, altered = known.before(period, raw)
    rows = rows_of(doubted(state, settings, period), known, settings, named_tags(settings, state), now_us, role=role,
                   via=via, clock_off=clock_off, before=before, altered=altered, origin=origin)  # fmt: skip
    keep(state, raw)
    return rows


def doubted(state: State, settings: Settings, period: Period) -> Period:
    """The period with what speaks against it beside the journal itself: foreign tags, and what was real meanwhile."""
    more = [*tag_doubts(period, settings, named_tags(settings, state))[:50], *_meanwhile(state, period)]
    return replace(period, doubts=(*period.doubts, *more))


def _meanwhile(state: State, period: Period) -> Iterator[Doubt]:
    """A drill while the plant was really run by hand, or handwheel itself was blind: it may have been no exercise."""
    for one in entries(state, ("period", "gap")) if state.ledger.is_file() else ():
        if one.data.get("key") == period.journal.key or not _overlap(period, one.data):
            continue
        if one.kind == "gap" and period.drill and one.data.get("source") == "all":
            yield Doubt("blind_meanwhile", None, f"{one.data['start']} - {one.data['end']}")
        elif one.kind == "period" and one.data["drill"] is not period.drill and one.data.get("sort") != "paper":
            yield Doubt("real_meanwhile" if period.drill else "drill_meanwhile", None, str(one.n))


def _overlap(period: Period, data: Mapping[str, Any]) -> bool:
    """Whether a period and what an entry tells were at one time; also where one of them lasted no time at all."""
    try:
        start_us, end_us = (parse_utc(str(data[edge])) for edge in ("start", "end"))
    except (ValueError, OverflowError):
        return False
    if period.sort == "paper" or period.start_us is None or period.end_us is None:
        return False
    return start_us <= period.end_us and end_us >= period.start_us


def keep(state: State, raw: bytes) -> Path:
    """A copy of a journal, named after its SHA-256."""
    state.periods.mkdir(mode=0o2770, exist_ok=True)
    path = state.periods / f"{hashlib.sha256(raw).hexdigest()}.jsonl"
    if not path.is_file():
        atomic_write(path, raw)
    return path


def kept(state: State, record: Record, now_us: int) -> Period:
    """The period of an entry, from the copy of its journal. UserError where that is gone or is another one."""
    path = state.periods / f"{record.data['sha256']}.jsonl"
    raw = raw_of(path)
    if hashlib.sha256(raw).hexdigest() != record.data["sha256"]:
        words = _("{file}: is not the journal that entry {n} names; bring it in again with handwheel import period")
        raise UserError(words.format(file=clean(path), n=record.n))
    return period_of(journal_of(str(record.data.get("journal") or path.name), raw, now_us))


def finish(
    state: State, settings: Settings, record: Record, records: Iterable[Record], now_us: int, made: Brought,
    tell: Tell = silent,
) -> str:  # fmt: skip
    """Samples, gaps and debrief of a period that the ledger has; returns how it went, in words."""
    from monitor.reports import debrief
    from monitor.reports.document import write_report

    try:
        period = kept(state, record, now_us)
    except UserError as fault:
        return str(fault)
    added = 0
    gaps: list[dict[str, Any]] = []
    if not period.drill:
        mine = [one for one in records if one.kind == "reading" and one.data.get("period") == record.data["key"]]
        added = add_samples(state, settings, record, mine)
        gaps = list(_gaps(state, settings, record, {str(one.data["tag"]) for one in mine}, now_us, tell))
    document = debrief.build(doubted(state, settings, period), settings, record, [*gap_records(state, period), *gaps])
    files = write_report(document, state.reports, str(record.data["report"]))
    digests = {path.relative_to(state.reports).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
               for path in files.values()}  # fmt: skip
    told = {"report": "debrief", "files": digests, "sha256": document.sha256, "period": record.data["sha256"]}
    rows = [{"kind": "gap", "data": one, "at_us": now_us, "via": "worker"} for one in gaps]
    made.ledger += [*rows, {"kind": "report", "data": told, "at_us": now_us, "via": "worker"}]
    made.files += files.values()
    return _("{journal}: {n} samples added, debrief written").format(journal=period.journal.name, n=added)


def add_samples(state: State, settings: Settings, record: Record, readings: Iterable[Record]) -> int:
    """Add a sample, flagged manual, for each reading that is entered and has none yet; returns how many were new."""
    import pyarrow as pa

    from monitor.historian.added import add_rows
    from monitor.historian.cold import cold_of
    from monitor.historian.parquet import DAY_MS, TIME, day_of
    from monitor.transfer.staging import ROWS
    from monitor.transfer.taking import fresh_of

    tags = {tag.name: tag for tag in settings.tags}
    sites = {asset.id: asset.site for asset in settings.assets}
    facts = {tag.name: {"asset": tag.asset, "quantity": tag.quantity, "unit": tag.unit, "description": tag.description}
             for tag in settings.tags}  # fmt: skip
    origin = {"period": str(record.data["key"]), "entry": str(record.n), "file": str(record.data.get("journal")),
              "sha256": str(record.data["sha256"]), "at": utc_text(record.at_us)}  # fmt: skip
    by_site: dict[str, list[tuple[Any, ...]]] = {}
    for one in readings:
        tag = tags.get(str(one.data["tag"]))
        if tag is not None and not one.data.get("kept_out"):
            by_site.setdefault(sites[tag.asset], []).append(_sample(one))
    added = 0
    for site, rows in by_site.items():
        columns = list(zip(*sorted(rows), strict=True))
        arrays = [pa.array(cells, pa.int64()).cast(TIME) if form.type == TIME else pa.array(cells, form.type)
                  for cells, form in zip(columns, ROWS, strict=True)]  # fmt: skip
        first, last = (day_of(us // DAY_MS * DAY_MS) for us in (min(columns[1]), max(columns[1])))
        fresh = fresh_of(state, site, pa.table(arrays, schema=ROWS), first, last)
        if len(fresh):
            add_rows(cold_of(state), site, fresh, facts, origin=origin)
            added += len(fresh)
    return added


def _sample(one: Record) -> tuple[Any, ...]:
    """tag, time [ms], value, exact, reasons, detail: of the entry alone, so that it is the same whenever it is made."""
    data = one.data
    reasons = Reason.MANUAL | Reason.IMPORTED
    reasons |= Reason.OUT_OF_RANGE if data.get("outside_limits") else Reason.OK
    reasons |= Reason.CLOCK if data.get("clock_doubted") else Reason.OK
    where = " ".join(
        part for part in (data.get("procedure"), "step" if data.get("step") else "", data.get("step")) if part
    )
    words = "from paper" if data.get("paper") else "read by a person"
    words += {"twice": ", another entry has its number",
              "early": ", from before its run or period"}.get(str(data.get("doubt")), "")  # fmt: skip
    detail = (f"{words}, {clean(where, 40)}, recorded {data['recorded_at']}, entered {data.get('entered_at')}, "
              f"ledger entry {one.n}")  # fmt: skip
    value = float(str(data["value"]).split(" ", maxsplit=1)[0])
    return str(data["tag"]), parse_utc(str(data["occurred_at"])) // 1000, value, None, int(reasons), detail


def gap_records(state: State, period: Period) -> list[dict[str, Any]]:
    """The gaps that the daemon itself has entered and that reach into a period."""
    start_us, end_us = period.start_us, period.end_us
    if start_us is None or end_us is None or period.drill:
        return []
    found = []
    for one in entries(state, ("gap",)):
        try:
            since_us, until_us = parse_utc(str(one.data["start"])), parse_utc(str(one.data["end"]))
        except (ValueError, OverflowError):
            continue
        if since_us < end_us and until_us > start_us and "period" not in one.data and until_us > since_us:
            found.append(dict(one.data))
    return found[:GAPS]


def of_period(state: State, record: Record) -> list[dict[str, Any]]:
    """The gaps that were entered for a period when it was finished."""
    return [dict(one.data) for one in entries(state, ("gap",), after_n=record.n)
            if one.data.get("period") == record.data.get("key")]  # fmt: skip


def _gaps(
    state: State, settings: Settings, record: Record, names: set[str], now_us: int, tell: Tell
) -> Iterator[dict[str, Any]]:
    """When nothing usable was measured of the tags that people read meanwhile, as entries say it: the longest."""
    from monitor.periods.missing import gaps_of

    off = off_us(str(record.data.get("clock_off") or UNKNOWN))
    try:
        start_us, end_us = (parse_utc(str(record.data[edge])) - off for edge in ("start", "end"))
    except (ValueError, OverflowError):
        return
    every = {tag.name: tag.every_s or source.every_s for source in settings.sources for tag in source.tags}
    source_of = {tag.name: tag.source for tag in settings.tags}
    wanted = {name: max(3 * every.get(name, SAME_S), SAME_S) for name in sorted(names) if name in source_of}
    found: list[tuple[str, Gap]] = []
    if wanted and start_us < end_us <= now_us:
        with tempfile.TemporaryDirectory(prefix=".gaps-", dir=state.root) as spill:
            found = gaps_of(state, wanted, start_us, end_us, Path(spill), tell)
    longest = sorted(found, key=lambda one: one[1].start_us - one[1].end_us)[:GAPS]
    for name, gap in sorted(longest, key=lambda one: (one[1].start_us, one[0])):
        yield {"source": source_of[name], "tag": name, "start": utc_text(gap.start_us), "end": utc_text(gap.end_us),
               "why": gap.why, "period": record.data["key"]}  # fmt: skip


def take_staged(
    state: State, settings: Settings, folder: Path, facts: "Facts", entry: Record, now_us: int
) -> tuple["Taken", list[dict[str, Any]]]:
    """What the entry `import` of a journal from elsewhere brings. Raises Unfit where it is not the one it names."""
    from monitor.transfer.staging import Unfit, prove
    from monitor.transfer.taking import Taken

    path = folder / JOURNAL
    prove(path, facts.rows_sha256)
    try:
        raw = raw_of(path)
        period = period_of(journal_of(facts.file, raw, now_us))
    except UserError as fault:
        raise Unfit(str(fault)) from fault
    known = known_of(entries(state, ("period", "reading")))
    there = sum(known.has(period, one) for one in period.readings)
    if period.journal.sha256 in known.shas:
        return Taken(0, there), []
    clock_off = facts.answers.removeprefix(CLOCK_OFF) if facts.answers.startswith(CLOCK_OFF) else UNKNOWN
    rows = enter(state, settings, period, raw, known, now_us, role=entry.role, via="import", clock_off=clock_off,
                 origin=facts.id)  # fmt: skip
    return Taken(len(rows) - 1, there), rows


def settle(state: State, settings: Settings, ledger: "Ledger", now_us: int, tell: Tell = silent) -> list[str]:
    """Take in all that waits, by a command that holds the lock; how it went, in words."""
    from monitor.ledger import Draft

    told: list[str] = []
    while True:
        made = take_waiting(state, settings, now_us, tell)
        told.append(made.words)
        if not made.more and not made.ledger:
            return told
        ledger.append_many(Draft(**row) for row in made.ledger)
