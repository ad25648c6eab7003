"""A period and the runs of procedures in it, as the entries of the journal tell them (replay.py reads those).

What has been done is never held in memory alone: every act is an entry first. That is why a run goes on at the exact
step after a kill, a power cut or on another terminal. Roles are kept, names and initials stay on paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fallback_procedures.journal import Line
from fallback_procedures.procedure import Procedure, Reading, Step
from fallback_procedures.sheet import Sheet, span_s
from fallback_procedures.words import _, clock_text, hostile, role_text, seconds_of, steps_text

BELIEVED_S = 366 * 86_400.0  # a wall clock further ahead of an entry than this is wrong, not late [s]


@dataclass(frozen=True)
class Mark:
    """What became of a step: done, not_applicable or not_met (its condition)."""

    kind: str
    role: str
    at: str
    reason: str = ""
    goto: str = ""  # the step to which the page sent from there, as a reading was out of limits


@dataclass(frozen=True)
class Taken:
    """A reading a person took. `in_limits` is None where the limits are not known."""

    name: str
    value: str
    unit: str
    in_limits: bool | None
    at: str
    step: str
    mark: str  # of its entry
    asset: str = ""  # where it was taken; "" = nobody has said


@dataclass(frozen=True)
class Stand:
    """Where a run stood when a person saw it: what they say then is meant for this step and for no other.

    By their marks: `reached` the entry that brought the run there, `last` the newest of the run, `fresh` the readings
    taken there, `begun` the entry that began it (the next period has runs of the same names). `freed`: how many HOLDs
    were released.
    """

    run: str
    step: str
    reached: str
    freed: int
    last: str
    fresh: tuple[str, ...]
    begun: str


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
    started: Line = field(default_factory=Line)
    finished: bool = False
    last: Line = field(default_factory=Line)
    reached: str = ""  # mark of the entry that brought it to the step at hand
    fresh: tuple[str, ...] = ()  # marks of the readings taken since the step at hand was reached
    owed: tuple[str, ...] = ()  # steps whose HOLD a person has passed by: it holds each step behind it
    detours: tuple[Line, ...] = ()  # entries that went on with a reason past what was open

    @property
    def step(self) -> Step | None:
        return self.procedure.step(self.cursor)

    @property
    def stand(self) -> Stand:
        return Stand(self.id, self.cursor, self.reached, len(self.released), self.last.mark, self.fresh,
                     self.started.mark)  # fmt: skip

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
        return all(taken.value == "no" for taken in self.readings if taken.mark in self.fresh)

    def held_at(self) -> str:
        """The step whose HOLD holds the one at hand: one that was passed by, else its own; "" for none."""
        for number in (*self.owed, self.cursor) if self.step else ():
            step = self.procedure.step(number)
            if step and self.released.count(number) < len(step.holds):  # one entry for each HOLD, in their order
                return number
        return ""

    def waiting_for(self) -> str | None:
        """The role that must release the step at hand, if it stands behind a HOLD."""
        number = self.held_at()
        step = self.procedure.step(number)
        return step.holds[self.released.count(number)].role if step else None

    def round_done(self, index: int) -> bool:
        """Whether the steps of a REPEAT have been gone through once: another round was begun, or its last is marked."""
        return index in self.rounds or self.procedure.repeats[index].last in self.marks

    def needs_verifying(self) -> bool:
        """Whether a second person must verify the step at hand, alone, before it can be done."""
        step = self.step
        return step is not None and bool(step.second_person) and step.number not in self.verified

    def open_readings(self) -> tuple[Reading, ...]:
        """Readings of the step at hand that have not been taken since it was reached."""
        step = self.step
        if step is None:
            return ()
        have = {taken.name for taken in self.readings if taken.mark in self.fresh}
        return tuple(reading for reading in step.readings if reading.name not in have)

    def out_of_limits(self) -> tuple[Taken, ...]:
        """Newest readings of the step at hand that lie outside their limits; none while it waits for something."""
        if self.open_readings() or self.waiting_for():
            return ()
        newest = {(taken.name, taken.asset): taken for taken in self.readings if taken.mark in self.fresh}
        return tuple(taken for taken in newest.values() if taken.in_limits is False)

    def times_out(self, taken: Taken) -> int:
        """How often in a row this reading of its step has been outside the limits at its asset.

        A value of which nobody has said where it was taken counts for every asset.
        """
        count = 0
        for one in reversed(self.readings):
            elsewhere = one.asset and taken.asset and one.asset != taken.asset
            if (one.step, one.name) != (taken.step, taken.name) or elsewhere:
                continue
            if one.in_limits is not False:
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

    @property
    def since(self) -> str:
        """When it was said first, in the period before too."""
        return word(self.line, "since") or word(self.line, "at")


@dataclass(frozen=True)
class Period:
    """The time run by hand, or a drill, or a round while blind (not declared)."""

    name: str
    drill: bool
    declared: bool = False
    declared_by: str = ""
    lost: dict[str, Line] = field(default_factory=dict)  # site ("" = all) -> the entry that declared CONTROL LOST there
    since: Line = field(default_factory=Line)
    runs: dict[str, Run] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    stable: Line = field(default_factory=Line)  # the entry that says: the station is stable by hand
    shift: Line = field(default_factory=Line)  # the entry of the last shift hand-over
    entries: tuple[Line, ...] = ()
    undone: frozenset[str] = frozenset()  # marks of the entries that were taken back
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
        begun = self.entries[0] if self.drill and self.entries else self.since if self.declared else Line()
        if not self.stable or not begun:
            return None
        wall, mono = seconds_of(self.stable.get("at")), number_of(self.stable.get("mono_s"))
        spent = elapsed(begun, wall or 0.0, mono or 0.0, str(self.stable.get("boot_id", "")))
        return None if spent is None else spent / 60

    def idle(self) -> bool:
        """Whether no step was marked done, or each such mark was taken back."""
        return not any(line["kind"] == "done" and line.mark not in self.undone for line in self.entries)

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
                begin = elapsed(run.entered.get(index, Line()), wall_s, mono_s, boot_id)
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
                in_s = None if since is None or length_s is None else length_s - since
                mark = run.marks.get(number)
                if length_s is not None and (mark is None or (mark.kind == "done" and in_s is not None and in_s > 0)):
                    text = _("timer of step {n}").format(n=number)
                    found.append(Due(run.id, text, in_s, number))
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
    told: dict[str, tuple[Line, list[str]]] = {}
    for site, line in period.lost.items():
        told.setdefault(line.mark, (line, []))[1].append(site or _("all stations"))
    if len(told) == 1:  # since when and by whom stands beside it
        return ", ".join(sites for _line, some in told.values() for sites in some)
    words = []
    for line, sites in told.values():
        role = word(line, "role")
        by = f" ({role_text(role)})" if role != period.declared_by else ""
        words.append(f"{', '.join(sites)} {clock_text(line.get('at'))}{by}")
    return "; ".join(words)


def moved(saw: Stand | None, run: Run, kind: str = "", name: str = "") -> str:
    """What somebody else has done to a run since a person saw it, in words, where an act of that kind would hit
    something that was not on their screen; "" where it is as they saw it."""
    if saw is None or saw.run != run.id:
        return ""
    if saw.begun != run.started.mark:
        return _("another period has begun; this run is not the one that was shown")
    now = run.stand
    if run.finished and saw.last != now.last:
        return _("somebody else has ended {run}").format(run=run.id)
    if (saw.step, saw.reached) != (now.step, now.reached):
        at = run.cursor or _("behind the last step")
        if saw.step in run.marks:
            return _("somebody else has marked step {n}; the run is at step {at}").format(n=saw.step, at=at)
        return _("somebody else has gone on with the run; it is at step {at}").format(at=at)
    if saw.freed != now.freed:
        return _("somebody else has released step {n}; look again").format(n=saw.step)
    fresh = set(now.fresh) - set(saw.fresh)
    new = [one for one in run.readings if one.mark in fresh and one.name == name]
    if kind == "reading" and new:
        return _("somebody else has read {name}: {value} {unit}").format(name=name, value=new[-1].value,
                                                                        unit=new[-1].unit)  # fmt: skip
    if kind == "undo" and saw.last != now.last:
        return _("somebody else has recorded something in this run; look again")
    return ""
