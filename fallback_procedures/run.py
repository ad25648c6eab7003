"""A period and the runs of procedures in it, told by nothing but the entries of the journal.

What has been done is never held in memory alone: every act is an entry first, and the state is the entries read from
the beginning. That is why a run goes on at the exact step after a kill, a power cut or on another terminal. Entries are
never changed: an undo is a new entry. Roles are kept, names and initials stay on paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from fallback_procedures.journal import Line
from fallback_procedures.procedure import Procedure, Reading, Repeat, Step, parse
from fallback_procedures.sheet import Sheet, span_s
from fallback_procedures.words import _, hostile, local_text, role_text, seconds_of, steps_text

MOVES = ("done", "not_applicable", "not_met", "goto", "round")  # entries that bring a run to another step
BELIEVED_S = 366 * 86_400.0  # a wall clock further ahead of an entry than this is wrong, not late [s]


@dataclass(frozen=True)
class Mark:
    """What became of a step: done, not_applicable or not_met (its condition)."""

    kind: str
    role: str
    at: str
    reason: str = ""


@dataclass(frozen=True)
class Taken:
    """A reading a person took. `in_limits` is None where the limits are not known."""

    name: str
    value: str
    unit: str
    in_limits: bool | None
    at: str
    step: str
    n: int


@dataclass(frozen=True)
class Stand:
    """Where a run stood when a person saw it: what they say then is meant for this step and for no other.

    `reached` is the entry that brought the run there, `last_n` the newest of the run, `freed` how many HOLDs were
    released.
    """

    run: str
    step: str
    reached: int
    freed: int
    last_n: int


@dataclass(frozen=True)
class Run:
    """One execution of a procedure, as the entries tell it. `cursor` is the step at hand, "" behind the last one."""

    id: str
    procedure: Procedure
    sheet: Sheet
    site: str
    drill: bool
    cursor: str
    marks: dict[str, Mark] = field(default_factory=dict)
    released: tuple[str, ...] = ()  # steps whose HOLD was released since they were reached
    verified: dict[str, str] = field(default_factory=dict)  # step -> role that verified it since it was reached
    readings: tuple[Taken, ...] = ()
    timers: dict[str, Line] = field(default_factory=dict)  # step -> the entry that started its timer
    rounds: dict[int, tuple[int, Line]] = field(default_factory=dict)  # repeat -> (rounds done, entry of the last one)
    over: frozenset[int] = frozenset()  # repeats whose end has come
    entered: dict[int, Line] = field(default_factory=dict)  # repeat -> the entry that first led to one of its steps
    started: Line = field(default_factory=dict)
    finished: bool = False
    last_n: int = 0
    reached: int = 0  # number of the entry that brought it to the step at hand
    fresh: tuple[int, ...] = ()  # numbers of the readings taken since the step at hand was reached

    @property
    def step(self) -> Step | None:
        return self.procedure.step(self.cursor)

    @property
    def stand(self) -> Stand:
        return Stand(self.id, self.cursor, self.reached, self.released.count(self.cursor), self.last_n)

    def left(self) -> list[str]:
        """The steps that are not marked."""
        return [step.number for step in self.procedure.steps if step.number not in self.marks]

    def timer_waits(self) -> bool:
        """Whether the step at hand has a timer that nobody has started."""
        step = self.step
        return bool(step and step.timer and span_s(step.timer, self.sheet) and step.number not in self.timers)

    def condition_open(self) -> bool:
        """Whether the step at hand has an IF and nothing yet says that it is so: no reading but a "no", no timer."""
        step = self.step
        if step is None or step.branch is None or step.branch.word != "IF" or step.number in self.timers:
            return False
        return all(taken.value == "no" for taken in self.readings if taken.n in self.fresh)

    def waiting_for(self) -> str | None:
        """The role that must release the step at hand, if it stands behind a HOLD."""
        step = self.step
        done = self.released.count(self.cursor)  # one entry for each HOLD, in their order
        return None if step is None or done >= len(step.holds) else step.holds[done].role

    def needs_verifying(self) -> bool:
        """Whether a second person must verify the step at hand, alone, before it can be done."""
        step = self.step
        return step is not None and bool(step.second_person) and step.number not in self.verified

    def open_readings(self) -> tuple[Reading, ...]:
        """Readings of the step at hand that have not been taken since it was reached."""
        step = self.step
        if step is None:
            return ()
        have = {taken.name for taken in self.readings if taken.n in self.fresh}
        return tuple(reading for reading in step.readings if reading.name not in have)

    def out_of_limits(self) -> tuple[Taken, ...]:
        """Newest readings of the step at hand that lie outside their limits; none while it waits for something."""
        if self.open_readings() or self.waiting_for():
            return ()
        newest = {taken.name: taken for taken in self.readings if taken.n in self.fresh}
        return tuple(taken for taken in newest.values() if taken.in_limits is False)

    def times_out(self, name: str) -> int:
        """How often in a row the newest readings of that name lay outside the limits."""
        count = 0
        for taken in reversed([one for one in self.readings if one.name == name]):
            if taken.in_limits is not False:
                break
            count += 1
        return count


@dataclass(frozen=True)
class Due:
    """Something that falls due in a run: a repeat or a timer.

    `in_s` is negative when it is late, None where no clock can tell; `missed`: whole rounds that were left out. [s]
    """

    run: str
    text: str
    in_s: float | None
    step: str
    missed: int = 0


@dataclass(frozen=True)
class Event:
    """What a person has seen and said, and nobody has ended yet. `site` "" = not said where."""

    event: str
    site: str
    text: str
    line: Line


@dataclass(frozen=True)
class Period:
    """The time run by hand, or a drill, or a round while blind (not declared)."""

    name: str
    drill: bool
    declared: bool = False
    declared_by: str = ""
    lost: dict[str, Line] = field(default_factory=dict)  # site ("" = all) -> the entry that declared CONTROL LOST there
    since: Line = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    stable: Line = field(default_factory=dict)  # the entry that says: the station is stable by hand
    shift: Line = field(default_factory=dict)  # the entry of the last shift hand-over
    entries: tuple[Line, ...] = ()
    ended: bool = False

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites for which CONTROL LOST is declared; none where it is not, or for all."""
        return () if "" in self.lost else tuple(self.lost)

    def lost_at(self, site: str) -> Line | None:
        """The entry that declared CONTROL LOST at a site ("" = anywhere); None where nobody has."""
        return self.lost.get(site) or self.lost.get("") or (self.since if self.declared and not site else None)

    def age_s(self, wall_s: float, mono_s: float, boot_id: str) -> float | None:
        """How long it lasts. [s]"""
        return elapsed(self.since, wall_s, mono_s, boot_id)

    def minutes_to_stable(self) -> float | None:
        """From the declaration (a drill: from its first entry) until stable by hand; None where it cannot be told.
        [min]"""
        begun = self.entries[0] if self.drill and self.entries else self.since if self.declared else {}
        if not self.stable or not begun:
            return None
        wall, mono = seconds_of(self.stable.get("at")), number_of(self.stable.get("mono_s"))
        spent = elapsed(begun, wall or 0.0, mono or 0.0, str(self.stable.get("boot_id", "")))
        return None if spent is None else spent / 60

    def open_runs(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.finished]

    def due(self, wall_s: float, mono_s: float, boot_id: str) -> list[Due]:
        """What falls due, the most urgent first; what no clock can tell stands before all."""
        found = []
        for run in self.open_runs():
            for index, repeat in enumerate(run.procedure.repeats):
                if index in run.over:
                    continue
                begun = run.rounds.get(index, (0, None))[1] or run.entered.get(index)
                since = elapsed(begun, wall_s, mono_s, boot_id) if begun else None
                begin = elapsed(run.entered.get(index, {}), wall_s, mono_s, boot_id)
                every_s = span_s(repeat.every, run.sheet)
                if repeat.then and since is not None and begin is not None and begin - since >= repeat.for_s:
                    every_s = span_s(repeat.then, run.sheet)  # the last round began behind the time of the first rhythm
                if begun and every_s:
                    in_s = None if since is None else every_s - since
                    missed = int(-in_s // every_s) if in_s is not None and in_s < 0 else 0
                    text = _("{steps} again").format(steps=steps_text(repeat.first, repeat.last))
                    text += " (" + _("{n} missed").format(n=missed) + ")" if missed else ""
                    found.append(Due(run.id, text, in_s, repeat.first, missed))
            for number, line in run.timers.items():
                step, since = run.procedure.step(number), elapsed(line, wall_s, mono_s, boot_id)
                length_s = span_s(step.timer, run.sheet) if step and step.timer else None
                if length_s is not None and number not in run.marks:
                    text = _("timer of step {n}").format(n=number)
                    found.append(Due(run.id, text, None if since is None else length_s - since, number))
        return sorted(found, key=lambda due: (due.in_s is not None, due.in_s or 0.0))


def elapsed(line: Line, wall_s: float, mono_s: float, boot_id: str) -> float | None:
    """Seconds since an entry: by the monotonic clock within a boot, else by the wall clock; None where unknown. [s]

    Across a restart the wall clock is believed unless it stands before the entry or more than a year behind it.
    """
    mono = number_of(line.get("mono_s"))
    if boot_id and line.get("boot_id") == boot_id and mono is not None:
        return mono_s - mono if mono_s >= mono else None
    at = seconds_of(line.get("at"))
    return wall_s - at if at is not None and 0 <= wall_s - at <= BELIEVED_S else None


def number_of(value: object) -> float | None:
    """A finite number of a foreign file; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def word(line: Line, key: str) -> str:
    """A text of an entry, safe to be shown; "" where there is none. A journal is a file that others can write to."""
    return safe(line.get(key, ""))


def safe(value: object) -> str:
    """Foreign text without a character that could move a cursor or hide; blanks stay, as names are compared."""
    return "".join("·" if hostile(one) else one for one in str(value)[:2000])


def where_lost(period: Period) -> str:
    """Where CONTROL LOST is declared; of several times since when each, with the role where it is not the first's."""
    told: dict[int, tuple[Line, list[str]]] = {}
    for site, line in period.lost.items():
        told.setdefault(line["n"], (line, []))[1].append(site or _("all stations"))
    if len(told) == 1:  # since when and by whom stands beside it
        return ", ".join(sites for _line, some in told.values() for sites in some)
    words = []
    for line, sites in told.values():
        at, role = seconds_of(line.get("at")), word(line, "role")
        words.append(f"{', '.join(sites)} {local_text(at, '%H:%M').split()[0] if at is not None else '?'}"
                     + (f" ({role_text(role)})" if role != period.declared_by else ""))  # fmt: skip
    return "; ".join(words)


# -- the entries read from the beginning ---


def replay(name: str, lines: list[Line]) -> Period:
    """The period that these entries tell. An entry of an unknown kind changes nothing and is kept."""
    undone = taken_back(lines)
    period = Period(name, bool(lines and lines[0].get("drill")), entries=tuple(lines), since=lines[0] if lines else {})
    for line in lines:
        if line["n"] not in undone:
            period = _told(period, line)
    return period


def taken_back(lines: list[Line]) -> set[int]:
    """The numbers of the entries that an undo has taken back."""
    return {line["undoes"] for line in lines if line["kind"] == "undo" and type(line.get("undoes")) is int}


def go_on(period: Period, lines: list[Line]) -> Period:
    """The period that these entries tell; what `period` has told of them already is not told again."""
    added = lines[len(period.entries) :]
    if any(line["kind"] == "undo" for line in added) or tuple(lines[: len(period.entries)]) != period.entries:
        return replay(period.name, lines)
    if not period.entries or not added:
        return replay(period.name, lines) if added else period
    period = replace(period, entries=tuple(lines))
    for line in added:
        period = _told(period, line)
    return period


def _told(period: Period, line: Line) -> Period:
    kind = line["kind"]
    if bool(line.get("drill")) != period.drill:  # an entry of a drill among real ones, or the other way round
        return period
    if kind == "declared":
        return _lost(period, line)
    if kind in ("handed_back", "closed"):
        return replace(period, ended=True)
    if kind == "started":
        run = _begun(line)
        return replace(period, runs={**period.runs, run.id: run}) if run else period
    if kind in ("seen", "seen_over"):
        return replace(period, events=_events(period.events, line))
    if kind == "stable":
        return replace(period, stable=period.stable or line)
    if kind == "handed_over":
        return replace(period, shift=line)
    run = period.runs.get(word(line, "run"))
    if run is None:
        return period
    run = replace(_stepped(run, line), last_n=line["n"])
    if kind in MOVES:
        run = replace(run, reached=line["n"], entered={**_entered(run, line), **run.entered})
    return replace(period, runs={**period.runs, run.id: run})


def _entered(run: Run, line: Line) -> dict[int, Line]:
    """The repeats that the step at hand belongs to: their first round counts from the entry that led there."""
    return {index: line for index, one in enumerate(run.procedure.repeats) if run.cursor in _range(run.procedure, one)}


def _lost(period: Period, line: Line) -> Period:
    """CONTROL LOST at one site more; what is said twice keeps its first entry, and without a site it is for all."""
    told = line.get("sites")
    sites = [safe(site) for site in told if isinstance(site, str)] if isinstance(told, list) else []
    lost = {**period.lost, **{site: line for site in sites or [""] if site not in period.lost}}
    if period.declared:
        return replace(period, lost=lost)
    return replace(period, declared=True, declared_by=word(line, "role"), lost=lost, since=line)


def _begun(line: Line) -> Run | None:
    """The run that an entry began; None where another program wrote its text: the entry stays, it cannot go on here."""
    procedure = _parsed(str(line.get("source", "")))
    if procedure is None or not procedure.steps:
        return None
    values: dict[str, str] = {}
    for part in (line.get("values"), line.get("tags")):
        values.update({str(key): safe(value) for key, value in part.items()} if isinstance(part, dict) else {})
    site, role = word(line, "site"), word(line, "sheet_approved_by")
    run = Run(word(line, "run"), procedure, Sheet(site, approved_by=role, values=values), site,
              bool(line.get("drill")), procedure.steps[0].number, started=line, last_n=line["n"],
              reached=line["n"])  # fmt: skip
    return replace(run, entered=_entered(run, line))


@lru_cache(maxsize=64)
def _parsed(source: str) -> Procedure | None:
    return parse(source)[0]


def _events(events: tuple[Event, ...], line: Line) -> tuple[Event, ...]:
    """The open events after one more entry; what is said twice keeps the time of the first."""
    key = (word(line, "event"), word(line, "site"))
    there = any((one.event, one.site) == key for one in events)
    if line["kind"] == "seen_over":
        return tuple(one for one in events if (one.event, one.site) != key)
    return events if there else (*events, Event(*key, word(line, "text"), line))


def _stepped(run: Run, line: Line) -> Run:
    """The run after one entry of it."""
    kind, number = line["kind"], word(line, "step")
    if kind in ("done", "not_applicable", "not_met"):
        mark = Mark(kind, word(line, "role"), word(line, "at"), word(line, "text"))
        marked = replace(run, marks={**run.marks, number: mark})
        goes = word(line, "goto")
        return _gone_to(marked, goes) if goes else _reach(marked, _after(marked, number))
    if kind == "reading":
        within = line.get("in_limits")
        taken = Taken(word(line, "name"), word(line, "value"), word(line, "unit"),
                      within if isinstance(within, bool) else None, word(line, "at"), number, line["n"])  # fmt: skip
        still = {key: role for key, role in run.verified.items() if key != number}
        return replace(run, readings=(*run.readings, taken), fresh=(*run.fresh, line["n"]), verified=still)
    if kind == "released":
        return replace(run, released=(*run.released, number))
    if kind == "verified":
        return replace(run, verified={**run.verified, number: word(line, "verified_by")})
    if kind == "goto":
        return _gone_to(run, number)
    if kind == "timer":
        return replace(run, timers={**run.timers, number: line})
    if kind in ("round", "repeat_over"):
        index = line.get("repeat")
        if not isinstance(index, int) or not 0 <= index < len(run.procedure.repeats):
            return run
        if kind == "repeat_over":
            return replace(run, over=run.over | {index})
        repeat = run.procedure.repeats[index]
        again = _without(run, _range(run.procedure, repeat))
        count = run.rounds.get(index, (0, None))[0] + 1
        rounds = {**run.rounds, index: (count, line)}
        return _reach(replace(again, rounds=rounds, over=run.over - {index}), repeat.first)
    return replace(run, finished=True) if kind == "finished" else run


def _gone_to(run: Run, number: str) -> Run:
    """The run at the step that it was sent to, which is to be done again with all behind it."""
    return _reach(_without(run, _from(run.procedure, number)), number) if run.procedure.step(number) else run


def _reach(run: Run, number: str) -> Run:
    """The run at a step that it comes to now: what was read, released or verified there before counts no more."""
    held = tuple(key for key in run.released if key != number or _held_once(run.procedure, key))
    return replace(run, cursor=number, fresh=(), released=held,
                   verified={key: role for key, role in run.verified.items() if key != number})  # fmt: skip


def _without(run: Run, numbers: list[str]) -> Run:
    """The run with these steps still to be done."""
    return replace(run, marks={key: mark for key, mark in run.marks.items() if key not in numbers},
                   timers={key: line for key, line in run.timers.items() if key not in numbers})  # fmt: skip


def _after(run: Run, number: str) -> str:
    """The next step that is not marked, in the order of the procedure; "" behind the last one."""
    return next((one for one in _from(run.procedure, number)[1:] if one not in run.marks), "")


def _from(procedure: Procedure, number: str) -> list[str]:
    """A step and all that follow; none for a number that there is not."""
    order = [step.number for step in procedure.steps]
    return order[order.index(number) :] if number in order else []


def _held_once(procedure: Procedure, number: str) -> bool:
    step = procedure.step(number)
    return step is not None and all(hold.once for hold in step.holds)


def _range(procedure: Procedure, repeat: Repeat) -> list[str]:
    order = _from(procedure, repeat.first)
    return order[: order.index(repeat.last) + 1]
