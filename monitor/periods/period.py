"""What the entries of a journal tell: a period run by hand, a drill, or a round while blind. Pure, and never changed.

The fallback has its own replay, which says where a run stands. This one says what was done, what was left out and what
differs from the procedure, for a ledger and a debrief. Roles only: nothing here measures how fast anybody worked.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from monitor.periods.journal import CLOCK_DOUBTS, Doubt, Journal, Line, elapsed_s, is_number, number_of, time_us
from monitor.periods.procedure import Text, text_of
from monitor.periods.walk import MARKS, of_holds, of_rounds
from monitor.words import clean

ENDS = ("handed_back", "closed")
SILENT_S = 1_800.0  # people who run a plant by hand speak to each other every half hour (practice, P-01)
CLOCK_S = 1.0  # a timer that a person sees end on the screen may be this short between two entries
STANDS_IN = {"shift_lead": "duty_manager"}  # as the fallback has it: who releases where a role cannot be reached
AFTER_END = ("paper", "undo", "note", "drill_record")


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a step."""

    step: str
    kind: str
    line: Line

    @property
    def text(self) -> str:
        return self.line.text("text")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a procedure, with all its marks in order: a round of a repeat marks its steps again."""

    id: str
    procedure: str
    revision: str
    sha256: str
    site: str
    language: str
    text: Text
    started: Line
    marks: tuple[Mark, ...] = ()
    finished: Line | None = None

    def step_text(self, number: str) -> str:
        """The words of a step, "" where the journal does not have them."""
        return self.text.steps.get(number, "")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a person took: into the journal, or from a paper log, with its three times (UTC [us])."""

    line: Line
    run: str
    procedure: str
    step: str
    name: str
    value: str
    unit: str
    low: str
    high: str
    limits_from: str
    in_limits: bool | None
    tag: str
    asset: str  # where it was taken, as the sheet or the plant calls it; "" = nobody has said
    occurred_us: int | None
    recorded_us: int | None
    entered_us: int | None
    paper: bool = False
    taken_back: bool = False
    text: str = ""

    @property
    def n(self) -> int:
        return self.line.n

    @property
    def place(self) -> str:
        """Its name, with the asset where that was said: "motor current (P2)"."""
        return f"{self.name} ({self.asset})" if self.asset else self.name

    @property
    def number(self) -> float | None:
        return number_of(self.value)


@dataclass(frozen=True, slots=True)
class Deviation:
    """What differs from the procedure as it stands; `line` is the entry that tells of it."""

    kind: str
    line: Line
    procedure: str = ""
    run: str = ""
    step: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a drill has shown to be wrong, as its record says (form F7)."""

    where: str
    gap: str
    change: str
    role: str


@dataclass(frozen=True)
class Period:
    """The time run by hand as its journal tells it; times are UTC [us] by the clock that wrote them."""

    journal: Journal
    declared: Line | None
    first: Line
    last: Line
    ended: Line | None
    sites: tuple[str, ...]
    runs: Mapping[str, Run]
    readings: tuple[Reading, ...]
    seen: tuple[tuple[Line, Line | None], ...]  # an event that a person saw, and the entry that says it is over
    hand_overs: tuple[Line, ...]
    notes: tuple[Line, ...]
    holds: tuple[Line, ...]
    stable: Line | None
    records: tuple[Line, ...]  # of a drill
    undone: tuple[tuple[Line, Line], ...]  # the undo, what it took back
    deviations: tuple[Deviation, ...]
    silences: tuple[tuple[Line, Line, float], ...]  # nothing was recorded between them [s]
    doubts: tuple[Doubt, ...] = ()
    everywhere: bool = False  # CONTROL LOST was declared without a site: for all

    @property
    def drill(self) -> bool:
        return self.journal.drill

    @property
    def sort(self) -> str:
        """drill, period, paper (lines entered afterwards), or round: of somebody who was blind and declared nothing."""
        if self.drill or self.declared:
            return "drill" if self.drill else "period"
        return "paper" if self.readings and not self.runs and all(one.paper for one in self.readings) else "round"

    @property
    def since(self) -> Line:
        """The entry from which the period counts."""
        return self.declared or self.first

    @property
    def start_us(self) -> int | None:
        """When it began; of lines from paper when the first of them was so."""
        return min(self._occurred, default=None) if self.sort == "paper" else self.since.at_us

    @property
    def end_us(self) -> int | None:
        """When it ended, or how far it goes."""
        return max(self._occurred, default=None) if self.sort == "paper" else (self.ended or self.last).at_us

    @property
    def _occurred(self) -> list[int]:
        return [one.occurred_us for one in self.readings if one.occurred_us is not None]

    @property
    def clock_doubted(self) -> bool:
        return any(doubt.word in CLOCK_DOUBTS for doubt in self.doubts)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The conditions of hand-back that were not met when it was handed back all the same."""
        return self.ended.texts("unmet") if self.ended and self.ended.kind == "handed_back" else ()

    @property
    def minutes_to_stable(self) -> float | None:
        """From the declaration, or the beginning of a drill, until somebody judged the station stable by hand. [min]"""
        span_s = elapsed_s(self.since, self.stable) if self.stable else None
        if span_s is not None:
            return span_s / 60
        told = [one.data.get("minutes") for one in self.records]
        return next((float(one) for one in told if is_number(one) and 0 <= one < 1e6), None)

    @property
    def first_step(self) -> Line | None:
        """The first step that was done."""
        marks = [mark.line for run in self.runs.values() for mark in run.marks if mark.kind == "done"]
        return min(marks, key=lambda line: line.n, default=None)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the record of a drill says is missing or wrong."""
        found = []
        for one in self.records:
            rows = one.data.get("gaps")
            for row in rows[:200] if isinstance(rows, list) else ():
                if isinstance(row, dict):
                    words = (clean(row.get(name) or "", 300) for name in ("where", "gap", "change", "role"))
                    found.append(Gap(*words))
        return tuple(found)


def period_of(journal: Journal) -> Period:
    """What the entries of a journal tell."""
    lines = journal.lines
    undos = taken_back(lines)
    standing = [line for line in lines if line.mark not in undos]
    declared = next((line for line in standing if line.kind == "declared"), None)
    ended = next((line for line in standing if line.kind in ENDS), None)
    runs = _runs(standing)
    readings = tuple(_reading(line, line.mark in undos) for line in lines if line.kind in ("reading", "paper"))
    sites = _sites(standing)
    undone = tuple((undos[line.mark], line) for line in lines if line.mark in undos)
    lies = [Doubt("limits", one.n, one.name) for one in readings if _contradicts(one)]
    strays = [line for line in standing if line.text("run") and line.text("run") not in runs]
    strange = [Doubt("stray", strays[0].n, str(len(strays)))] if strays else []
    after = [] if ended is None else standing[standing.index(ended) + 1 :]
    after = [line for line in after if line.kind not in (*AFTER_END, *ENDS)]
    strange += [Doubt("after_end", after[0].n, str(len(after)))] if after else []
    found = Period(
        journal, declared, lines[0], standing[-1] if standing else lines[-1], ended, sites, runs, readings,
        _seen(standing), _of(standing, "handed_over"), _of(standing, "note"), _of(standing, "released"),
        next((line for line in standing if line.kind == "stable"), None), _of(standing, "drill_record"), undone, (),
        tuple(_silences(standing, ended)), (*journal.doubts, *lies[:50], *strange),
        any(line.kind == "declared" and not line.texts("sites") for line in standing),
    )  # fmt: skip
    found = replace(found, deviations=tuple(_deviations(found, standing)))
    return replace(found, doubts=(*found.doubts, *list(_held(found))[:50]))


def _held(period: Period) -> Iterator[Doubt]:
    """What no fallback writes: done at a HOLD that was not released, or released by a role that it does not name."""
    for one in period.deviations:
        if one.kind == "not_released":
            yield Doubt("held", one.line.n, f"{one.procedure} {one.step}")
    for line in period.holds:
        run, step = period.runs.get(line.text("run", 40)), line.text("step", 10)
        hold, who = run.text.holds.get(step) if run else None, line.text("released_by", 24)
        if run and hold and who not in (hold.role, STANDS_IN.get(hold.role)):
            yield Doubt("held", line.n, f"{run.procedure} {step}: {hold.role}, {who or '-'}")


def taken_back(lines: Iterable[Line]) -> dict[str, Line]:
    """The marks of the entries that were taken back, each with the last undo of it.

    Each undo takes back one entry that stands before it, and one only: that of the number and mark that it names; one
    without a mark, of an older journal, takes back the newest of that number and its own run. An end stays.
    """
    there: dict[tuple[object, ...], str] = {}  # by number and mark, and by number and run (the newest) -> mark
    found: dict[str, Line] = {}
    for line in lines:
        run, data = line.data.get("run"), line.data
        run = run if isinstance(run, str) else ""
        if line.kind == "undo" and type(data.get("undoes")) is int:
            how = ("mark", str(data["undoes_mark"])) if "undoes_mark" in data else ("run", run)
            if mark := there.get((data["undoes"], *how)):
                found[mark] = line
        elif line.kind not in ("undo", *ENDS):
            there[line.n, "mark", line.mark] = there[line.n, "run", run] = line.mark
    return found


def _of(lines: list[Line], kind: str) -> tuple[Line, ...]:
    return tuple(line for line in lines if line.kind == kind)


def _sites(lines: list[Line]) -> tuple[str, ...]:
    """The sites that were declared, one after the other; else those of the runs and of the drill's record."""
    told = [line.texts("sites") for line in lines if line.kind == "declared"]
    if told and all(told):  # one that names no site is for all
        return tuple(dict.fromkeys(site for sites in told for site in sites))
    named = [line.text("site", 40) for line in lines if line.kind in ("started", "seen")]
    named += [line.text("station", 40) for line in lines if line.kind == "drill_record"]
    return tuple(dict.fromkeys(site for site in named if site))


def _runs(lines: list[Line]) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    marks: dict[str, list[Mark]] = {}
    ends: dict[str, Line] = {}
    for line in lines:
        name = line.text("run", 40)
        if line.kind == "started" and name and name not in runs:
            values = line.data.get("values")
            own = {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
            source = line.data.get("source")
            text = text_of(source, own) if isinstance(source, str) else Text()
            runs[name] = Run(name, line.text("procedure", 20), line.text("revision", 20), line.text("sha256", 64),
                             line.text("site", 40), line.text("language", 8), text, line)  # fmt: skip
        elif name in runs and line.kind in MARKS:
            marks.setdefault(name, []).append(Mark(line.text("step", 10), line.kind, line))
        elif name in runs and line.kind == "finished":
            ends.setdefault(name, line)
    return {name: replace(run, marks=tuple(marks.get(name, ())), finished=ends.get(name)) for name, run in runs.items()}


def _reading(line: Line, taken_back: bool) -> Reading:
    paper = line.kind == "paper"
    limits = line.data.get("limits")
    low, high = limits if isinstance(limits, list) and len(limits) == 2 else (None, None)
    within = line.data.get("in_limits")
    occurred, recorded = (line.data.get(name) for name in ("occurred", "recorded"))
    return Reading(
        line, line.text("run", 40), line.text("procedure", 20), line.text("step", 10),
        line.text("name", 100), line.text("value", 200), line.text("unit", 20),
        clean(low, 20) if isinstance(low, str) else "", clean(high, 20) if isinstance(high, str) else "",
        line.text("limits_from", 40), within if isinstance(within, bool) else None, line.text("tag", 100),
        line.text("asset", 20),
        time_us(occurred) if paper else line.at_us, time_us(recorded) if paper else line.at_us, line.at_us, paper,
        taken_back, line.text("text"),
    )  # fmt: skip


def _contradicts(one: Reading) -> bool:
    """Whether an entry says in limits, or out, and its own limits say the other."""
    value, low, high = one.number, number_of(one.low), number_of(one.high)
    if one.in_limits is None or value is None or (low is None and high is None):
        return False
    inside = (low is None or value >= low) and (high is None or value <= high)
    if value < 0 and low is None:  # the fallback takes no concentration below zero for one within its limits
        return False
    return inside != one.in_limits


def _seen(lines: list[Line]) -> tuple[tuple[Line, Line | None], ...]:
    open_: dict[tuple[str, str], list[int]] = {}
    found: list[tuple[Line, Line | None]] = []
    for line in lines:
        what = (line.text("event", 40), line.text("site", 40))
        if line.kind == "seen":
            open_.setdefault(what, []).append(len(found))
            found.append((line, None))
        elif line.kind == "seen_over":
            for at in open_.pop(what, ()):
                found[at] = (found[at][0], line)
    return tuple(found)


def _silences(lines: list[Line], ended: Line | None) -> Iterator[tuple[Line, Line, float]]:
    """Neighbouring entries of the period between which nothing was recorded for long."""
    during = lines if ended is None else lines[: lines.index(ended) + 1]
    for before, after in pairwise(during):
        if (span_s := elapsed_s(before, after)) is not None and span_s > SILENT_S:
            yield before, after, span_s


def _deviations(period: Period, lines: list[Line]) -> Iterator[Deviation]:
    """What differs from the procedures, in the order of the entries.

    Not what was taken back, nor a HOLD that its role released, nor a step whose condition was not met: so it is meant.
    """
    found = [*_of_steps(period, lines), *_of_timers(period, lines), *_of_walks(period, lines)]
    found += [_deviation("out_of_limits", one.line, f"{one.place} {one.value} {one.unit}") for one in period.readings
              if one.in_limits is False and not one.taken_back]  # fmt: skip
    end = period.ended
    for run in period.runs.values():
        if run.finished is None:
            found.append(_deviation("not_ended", run.started))
        elif left := run.finished.texts("left"):
            found.append(_deviation("steps_left", run.finished, ", ".join(left)))
    if end is not None:
        why = end.text("text")
        found += [_deviation("unmet", end, f"{one}: {why}" if why else one) for one in period.unmet]
    yield from sorted(found, key=lambda one: one.line.n)


def _deviation(kind: str, line: Line, text: str = "") -> Deviation:
    return Deviation(kind, line, line.text("procedure", 20), line.text("run", 40), line.text("step", 10), text)


def _of_steps(period: Period, lines: list[Line]) -> Iterator[Deviation]:
    """Steps left out, done although a reading was out of limits, or done before a second person had verified them."""
    verified: dict[tuple[str, str], int] = {}
    for line in lines:
        run = period.runs.get(line.text("run", 40))
        place = (line.text("run", 40), line.text("step", 10))
        if line.kind == "verified":
            verified[place] = line.n
        elif run is not None and line.kind in ("goto", "repeat_over") and isinstance(line.data.get("passed"), list):
            rows = [one for one in line.data["passed"] if isinstance(one, dict)]
            steps = dict.fromkeys(clean(one.get("step") or "", 10) for one in rows)
            yield _deviation("went_past", line, f"{', '.join(steps)}: {line.text('text')}")
        elif run is None or line.kind not in MARKS:
            continue
        elif line.kind == "not_applicable" and place[1] not in run.text.asks:
            yield _deviation("not_applicable", line, line.text("text"))
        elif line.kind == "done":
            if reason := line.text("text"):
                yield _deviation("done_all_the_same", line, reason)
            if place[1] in run.text.verified and verified.pop(place, None) is None:
                yield _deviation("not_verified", line)


def _of_walks(period: Period, lines: list[Line]) -> Iterator[Deviation]:
    """HOLDs and second persons that a run went past, and rounds that came late or never."""
    by: dict[str, list[Line]] = {}
    for line in lines:
        by.setdefault(line.text("run", 40), []).append(line)
    for run in period.runs.values():
        mine, end = by[run.id], period.ended or lines[-1]
        for kind, line, step, text in (*of_holds(run.text, mine), *of_rounds(run.text, mine, end)):
            yield Deviation(kind, line, run.procedure, run.id, step, text)


def _of_timers(period: Period, lines: list[Line]) -> Iterator[Deviation]:
    """Steps that were marked done before their timer had run, or without it."""
    begun: dict[tuple[str, str], Line] = {}
    for line in lines:
        place, run = (line.text("run", 40), line.text("step", 10)), period.runs.get(line.text("run", 40))
        if line.kind == "timer":
            begun[place] = line
        elif line.kind in MARKS and run is not None and (length_s := run.text.timers.get(place[1])):
            first = begun.pop(place, None)
            ran_s = elapsed_s(first, line) if first else 0.0
            by_page = (
                line.data.get("out_of_limits") is True
            )  # a reading was out of limits, and the page sends on at once
            if line.kind == "done" and not by_page and ran_s is not None and ran_s < length_s - CLOCK_S:
                length = f"{length_s / 60:g} min" if length_s >= 120 else f"{length_s:g} s"
                yield _deviation("timer_short" if first else "no_timer", line, length)


def what_followed(period: Period) -> dict[str, Line]:
    """After each entry of a run (by its mark) the next act in it: what was done when a reading was out of limits."""
    acts = (*MARKS, "goto", "reading", "note", "round", "finished", "undo")
    found: dict[str, Line] = {}
    after: dict[str, Line] = {}
    for line in reversed(period.journal.lines):
        if run := line.text("run", 40):
            if run in after:
                found[line.mark] = after[run]
            if line.kind in acts:
                after[run] = line
    return found
