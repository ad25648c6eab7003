"""What the ledger is told of a period: one entry of it, and one for each reading that a tag measures. Pure.

Words of people stay in the journal, of which a copy is kept by its SHA-256: the ledger has counts, roles and times. The
same journal is entered once. One to which lines from paper were added since, or with which another machine went on, is
entered anew, refers to its earlier entry, and brings only what is new. A drill brings no reading, ever. Who vouches for
a reading is who brings it in: the role that the journal names is told as what the journal says.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drivers.record import Tag
from monitor.ledger import Record
from monitor.periods.drilled import drilled
from monitor.periods.journal import AHEAD_US, Doubt
from monitor.periods.named import Named
from monitor.periods.period import Deviation, Period, Reading
from monitor.plant import Settings
from monitor.readings import states_of
from monitor.words import clean, number_text, utc_text

UNKNOWN = "unknown"  # how far the clock of another machine was off, where nobody could say
OWN = "0 s"  # a journal of this machine
HALF_DAY_S = 43_200.0
_YEAR_US = 366 * 86_400_000_000
_PROCEDURES = 100  # that are named in an entry
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger has already: periods by SHA-256 and by key, readings by entry of a journal and by their words.

    An entry of a journal is (key of the period, number) -> the marks of its entries of that number.
    """

    shas: Mapping[str, Record]
    keys: Mapping[str, Sequence[Record]]
    marks: Mapping[tuple[str, int], frozenset[str]]
    readings: frozenset[tuple[str, str, str]]

    def has(self, period: Period, one: Reading) -> bool:
        """Whether this very entry was taken in before."""
        return one.line.mark in self.marks.get((period.journal.key, one.n), ())

    def before(self, period: Period, raw: bytes) -> tuple[Record | None, bool]:
        """The entry of this period as it was before, and whether that stands no more as it stood (altered).

        A journal is only ever added to, by one machine.
        """
        earlier = self.keys.get(period.journal.key, ())
        for one in reversed(earlier):
            size = one.data.get("bytes")
            if type(size) is int and hashlib.sha256(raw[:size]).hexdigest() == one.data["sha256"]:
                return one, False
        return (earlier[-1], True) if earlier else (None, False)


def known_of(records: Iterable[Record]) -> Known:
    """From the entries `period` and `reading` of the ledger."""
    shas, keys = dict[str, Record](), dict[str, list[Record]]()
    marks, readings = dict[tuple[str, int], set[str]](), set[tuple[str, str, str]]()
    for one in records:
        if one.kind == "period":
            shas[str(one.data["sha256"])] = one
            keys.setdefault(str(one.data.get("key")), []).append(one)
        elif one.kind == "reading":
            readings.add(_identity(one.data))
            if one.data.get("period"):
                place = (str(one.data["period"]), int(one.data.get("n") or 0))
                marks.setdefault(place, set()).add(str(one.data.get("mark")))
    return Known(shas, keys, {place: frozenset(some) for place, some in marks.items()}, frozenset(readings))


def _identity(data: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(data["tag"]), str(data["value"]), str(data["occurred_at"])


def rows_of(
    period: Period, known: Known, settings: Settings, named: Named, now_us: int, *, role: str | None, via: str,
    clock_off: str, before: Record | None = None, altered: bool = False, origin: str = "",
) -> list[Row]:  # fmt: skip
    """The rows of monitor.ledger.Draft for a period that the ledger does not have; the first one is the period's own.

    `named`: the tags that the sheets name. `clock_off`: how far the clock that wrote it was ahead ("12 s"), or UNKNOWN;
    readings are moved by it, nothing else.
    """
    readings = [] if period.drill else list(_readings(period, known, settings, now_us, clock_off, named))
    data = _told(period, readings, clock_off, before, altered, origin)
    head = {"at_us": now_us, "via": via}
    site = period.sites[0] if len(period.sites) == 1 and period.sites[0] in {one.id for one in settings.sites} else None
    rows: list[Row] = [{"kind": "period", "data": data, "role": role, "site": site, **head}]
    site_of = {asset.id: asset.site for asset in settings.assets}
    for _one, tag, told in readings:
        rows.append({"kind": "reading", "data": told, "role": role, "site": site_of.get(tag.asset),
                     "asset": tag.asset, **head})  # fmt: skip
    return rows


def _told(
    period: Period, readings: Sequence[tuple[Reading, Tag, Row]], clock_off: str, before: Record | None, altered: bool,
    origin: str,
) -> Row:  # fmt: skip
    """The data of the entry of a period."""
    journal, end, stable = period.journal, period.ended, period.minutes_to_stable
    taken = [one for one in period.readings if not one.taken_back]
    counts = {
        "entries": len(journal.lines), "runs": len(period.runs), "readings": len(taken),
        "out_of_limits": sum(one.in_limits is False for one in taken),
        "with_tag": sum(bool(one.tag) for one in taken), "entered": len(readings),
        "paper": sum(one.paper for one in taken), "deviations": len(period.deviations), "torn": journal.torn,
        "unknown": journal.unknown, "aside": len(journal.aside),
    }  # fmt: skip
    stations = drilled(period)
    doubts = [*period.doubts, *([Doubt("clock_unknown")] if clock_off == UNKNOWN else [])]
    doubts += [Doubt("altered")] if altered else []
    return {
        "sha256": journal.sha256, "drill": period.drill, "start": _text(period.start_us), "end": _text(period.end_us),
        "sort": period.sort, "key": journal.key, "bytes": journal.size, "journal": journal.name,
        "sites": list(period.sites), "declared_by": period.declared.role if period.declared else None,
        "procedures": _procedures(period), "counts": counts, "deviations": dict(_kinds(period.deviations)),
        "stable_after": None if stable is None else f"{stable:.0f} min",
        "handed_back_by": end.role if end and end.kind == "handed_back" else None,
        "second_role": (end.text("second_role", 24) or None) if end else None, "unmet": list(period.unmet),
        "doubts": sorted({doubt.word for doubt in doubts}),
        "drilled": [station for station, why in stations.items() if not why],
        "not_drilled": {station: why for station, why in stations.items() if why},
        "next_due": next((due for one in period.records if (due := one.text("next_due", 10))), None),
        "clock_off": clock_off,
        "changes": before.n if before else None, "origin": origin or None, "report": report_stem(period),
    }  # fmt: skip


def _kinds(deviations: Iterable[Deviation]) -> Counter[str]:
    return Counter(one.kind for one in deviations)


def _procedures(period: Period) -> list[Row]:
    """Which procedures were used, each revision once, and whether it was approved."""
    found = {(run.procedure, run.revision, run.sha256): run.text.approved for run in period.runs.values()}
    return [{"id": one, "revision": revision, "sha256": sha256 or None, "approved": approved}
            for (one, revision, sha256), approved in list(found.items())[:_PROCEDURES]]  # fmt: skip


def report_stem(period: Period) -> str:
    """The name of the debrief's files: when it began, what it was, and which journal."""
    at = period.start_us or 0
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%dT%H%M}_debrief_{period.sort}_{period.journal.sha256[:8]}"


def _text(us: int | None) -> str | None:
    return None if us is None else utc_text(us)


def off_us(clock_off: str) -> int:
    """Microseconds by which the clock that wrote a journal was ahead; 0 where that is not known."""
    return 0 if clock_off == UNKNOWN else round(off_s(clock_off.removesuffix(" s")) * 1e6)


def off_s(text: str) -> float:
    """So many seconds as a clock can be off. ValueError for what is no number, or more than ten years."""
    found = float(text)
    if not abs(found) < 10 * _YEAR_US / 1e6:
        raise ValueError(f"{text} s are more than ten years")
    return found


def foreign(period: Period, one: Reading, site: str, named: Named) -> str:
    """Why a journal may not speak for a tag of that site; "" where it may.

    The tag is of the site that was run, and the sheet of that site names it for the step: a journal is a file that
    others can write to.
    """
    run = period.runs.get(one.run)
    if run is None and (one.run or not one.paper):
        return "it is of no run"
    if run is not None and run.site != site:
        return f"the tag is of site {clean(site, 20)}, the run is of {clean(run.site, 20) or 'no site'}"
    if run is None and not period.everywhere and period.sites and site not in period.sites:
        return f"the tag is of site {clean(site, 20)}, which was not run by hand"
    procedure = run.procedure if run else one.procedure
    if (site, procedure, one.step, one.asset, one.tag) not in named:
        where = f"{clean(procedure, 20)} step {clean(one.step, 10)}" + (f" at {one.asset}" if one.asset else "")
        return f"no sheet of site {clean(site, 20)} names the tag for {where}"
    return ""


def early_s(period: Period, one: Reading) -> float | None:
    """How long before its run, or half a day before its period, a line from paper was so; None where it was not. [s]

    A time of day that was mistyped becomes yesterday's.
    """
    run = period.runs.get(one.run)
    begun_us = run.started.at_us if run else period.since.at_us
    if not one.paper or period.sort == "paper" or one.occurred_us is None or begun_us is None:
        return None
    before_s = (begun_us - one.occurred_us) / 1e6
    return before_s if before_s > (AHEAD_US / 1e6 if run else HALF_DAY_S) else None


def tag_doubts(period: Period, settings: Settings, named: Named) -> list[Doubt]:
    """Readings of tags for which their journal may not speak, and those of a time before; a drill speaks for none."""
    if period.drill:
        return []
    sites = {asset.id: asset.site for asset in settings.assets}
    site_of = {tag.name: sites.get(tag.asset, "") for tag in settings.tags}
    found = [Doubt("tag", one.n, f"{one.tag}: {why}") for one in period.readings if one.tag in site_of
             and not one.taken_back and (why := foreign(period, one, site_of[one.tag], named))]  # fmt: skip
    early = ((one, early_s(period, one)) for one in period.readings if not one.taken_back)
    return found + [Doubt("early", one.n, f"{before_s:.0f}") for one, before_s in early if before_s is not None]


def _readings(
    period: Period, known: Known, settings: Settings, now_us: int, clock_off: str, named: Named
) -> Iterable[tuple[Reading, Tag, Row]]:
    """The readings that name a tag of this plant and are not entered yet, each with what its entry says."""
    tags, off = {tag.name: tag for tag in settings.tags}, off_us(clock_off)
    sites = {asset.id: asset.site for asset in settings.assets}
    key, seen = period.journal.key, set(known.readings)
    shared = Counter(line.n for line in period.journal.lines)
    doubted = period.clock_doubted or clock_off == UNKNOWN
    for one in period.readings:
        tag = tags.get(one.tag)
        if tag is None or one.taken_back or one.number is None or known.has(period, one):
            continue
        if one.occurred_us is None or one.recorded_us is None or one.entered_us is None:
            continue
        occurred_us = one.occurred_us - off
        told: Row = {
            "tag": tag.name, "value": f"{one.value} {one.unit}", "occurred_at": utc_text(occurred_us),
            "recorded_at": utc_text(one.recorded_us - off), "entered_at": utc_text(one.entered_us - off),
            "outside_limits": not tag.holds(one.number), "in_limits": one.in_limits, "period": key, "n": one.n,
            "mark": one.line.mark, "procedure": one.procedure, "step": one.step, "paper": one.paper,
            "clock_doubted": doubted, "role_in_journal": one.line.role or None,
            "asset_in_journal": one.asset or None,
        }  # fmt: skip
        if shared[one.n] > 1 or (key, one.n) in known.marks:
            told["doubt"] = "twice"
        elif early_s(period, one) is not None:
            told["doubt"] = "early"
        why = foreign(period, one, sites.get(tag.asset, ""), named)
        if kept_out := why or _kept_out(one, tag, occurred_us, now_us):
            told["kept_out"] = kept_out
        if _identity(told) not in seen:
            seen.add(_identity(told))
            yield one, tag, told


def _kept_out(one: Reading, tag: Tag, occurred_us: int, now_us: int) -> str:
    """Why a reading has an entry and no sample; "" where it has one."""
    states = states_of(tag)
    if one.unit != tag.unit:
        return f"the reading is in {clean(one.unit, 20)}, the tag is in {tag.unit}"
    if occurred_us > now_us + AHEAD_US:
        return "its time lies in the future"
    if occurred_us < now_us - 10 * _YEAR_US:
        return "its time is ten years ago"
    if states is not None and one.number not in states:
        return f"{number_text(one.number)} is no state of the tag"
    return ""
