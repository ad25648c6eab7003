"""A period and the runs of procedures in it, told by nothing but the entries of the journal.

What has been done is never held in memory alone: every act is an entry first, and the state is the entries read from
the beginning. That is why a run goes on at the exact step after a kill, a power cut or on another terminal. Entries are
never changed: an undo is a new entry. Roles are kept, names and initials stay on paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallback_procedures.journal import Journal, Line, names
from fallback_procedures.library import content_hash
from fallback_procedures.procedure import Procedure, Reading, Repeat, Step, parse
from fallback_procedures.sheet import Sheet, bounds, missing_safety, used
from fallback_procedures.words import _, clean, decimal_of, role_text, seconds_of, utc_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now


class Refused(Exception):
    """An act that may not be done now; the message says why and what to do instead."""


@dataclass(frozen=True)
class Mark:
    """What became of a step: done or not_applicable."""

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
class Run:
    """One execution of a procedure, as the entries tell it. `cursor` is the step at hand, "" behind the last one."""

    id: str
    procedure: Procedure
    sheet: Sheet
    site: str
    drill: bool
    cursor: str
    marks: dict[str, Mark] = field(default_factory=dict)
    released: tuple[str, ...] = ()  # steps whose HOLD was released in this round
    readings: tuple[Taken, ...] = ()
    timers: dict[str, Line] = field(default_factory=dict)  # step -> the entry that started its timer
    rounds: dict[int, tuple[int, Line]] = field(default_factory=dict)  # repeat -> (rounds done, entry of the last one)
    started: Line = field(default_factory=dict)
    finished: bool = False
    last_n: int = 0
    fresh: tuple[int, ...] = ()  # numbers of the readings taken since the step at hand was reached

    @property
    def step(self) -> Step | None:
        return self.procedure.step(self.cursor)

    def waiting_for(self) -> str | None:
        """The role that must release the step at hand, if it stands behind a HOLD."""
        step = self.step
        if step is None or not step.holds or step.number in self.released:
            return None
        return step.holds[0].role

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
    """Something that falls due in a run: a repeat or a timer. `in_s` is negative when it is late. [s]"""

    run: str
    text: str
    in_s: float
    step: str


@dataclass(frozen=True)
class Period:
    """The time run by hand, or a drill, or a round while blind (not declared)."""

    name: str
    drill: bool
    declared: bool = False
    declared_by: str = ""
    sites: tuple[str, ...] = ()
    since: Line = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    entries: tuple[Line, ...] = ()
    ended: bool = False

    def age_s(self, wall_s: float, mono_s: float, boot_id: str) -> float | None:
        """How long it lasts. [s]"""
        return elapsed(self.since, wall_s, mono_s, boot_id)

    def open_runs(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.finished]

    def due(self, wall_s: float, mono_s: float, boot_id: str) -> list[Due]:
        """What falls due, the most urgent first."""
        found = []
        for run in self.open_runs():
            for index, repeat in enumerate(run.procedure.repeats):
                begun = run.rounds.get(index, (0, None))[1] or _reached(run, repeat)
                since = elapsed(begun, wall_s, mono_s, boot_id) if begun else None
                if since is not None:
                    text = _("steps {first} to {last} again").format(first=repeat.first, last=repeat.last)
                    found.append(Due(run.id, text, repeat.every_s - since, repeat.first))
            for number, line in run.timers.items():
                step, since = run.procedure.step(number), elapsed(line, wall_s, mono_s, boot_id)
                if step is not None and since is not None and number not in run.marks:
                    text = _("timer of step {n}").format(n=number)
                    found.append(Due(run.id, text, step.timer_s - since, number))
        return sorted(found, key=lambda due: due.in_s)


def _reached(run: Run, repeat: Repeat) -> Line | None:
    """The round before the first repeat counts from the start of the run once its first step is marked."""
    return run.started if repeat.first in run.marks else None


def elapsed(line: Line, wall_s: float, mono_s: float, boot_id: str) -> float | None:
    """Seconds since an entry: by the monotonic clock within a boot, else by the wall clock; None where unknown. [s]"""
    mono = line.get("mono_s")
    if boot_id and line.get("boot_id") == boot_id and isinstance(mono, (int, float)):
        return mono_s - mono
    at = seconds_of(line.get("at"))
    return wall_s - at if at is not None and wall_s >= at else None


# -- the entries read from the beginning ---


def replay(name: str, lines: list[Line]) -> Period:
    """The period that these entries tell. An entry of an unknown kind changes nothing and is kept."""
    undone = {line.get("undoes") for line in lines if line["kind"] == "undo"}
    period = Period(name, bool(lines and lines[0].get("drill")), entries=tuple(lines), since=lines[0] if lines else {})
    for line in lines:
        if line["n"] not in undone:
            period = _told(period, line)
    return period


def _told(period: Period, line: Line) -> Period:
    kind = line["kind"]
    if kind == "declared":
        sites = tuple(site for site in line.get("sites", []) if isinstance(site, str))
        return replace(period, declared=True, declared_by=str(line.get("role", "")), sites=sites, since=line)
    if kind in ("handed_back", "closed"):
        return replace(period, ended=True)
    if kind == "started":
        procedure = parse(str(line.get("source", "")))[0]
        if procedure is None:
            return period  # written by another program: the entry stays, the run cannot go on here
        values = line.get("values")
        own = {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
        site = str(line.get("site", ""))
        role = str(line.get("sheet_approved_by", ""))
        sheet = Sheet(site, approved_by=role, values=own)
        begun = Run(str(line.get("run")), procedure, sheet, site, bool(line.get("drill")), procedure.steps[0].number,
                    started=line, last_n=line["n"])  # fmt: skip
        return replace(period, runs={**period.runs, begun.id: begun})
    run = period.runs.get(str(line.get("run")))
    if run is None:
        return period
    return replace(period, runs={**period.runs, run.id: replace(_stepped(run, line), last_n=line["n"])})


def _stepped(run: Run, line: Line) -> Run:
    """The run after one entry of it."""
    kind, number = line["kind"], str(line.get("step", ""))
    if kind in ("done", "not_applicable"):
        mark = Mark(kind, str(line.get("role", "")), str(line.get("at", "")), str(line.get("text", "")))
        marked = replace(run, marks={**run.marks, number: mark}, fresh=())
        return replace(marked, cursor=_after(marked, number))
    if kind == "reading":
        within = line.get("in_limits")
        taken = Taken(str(line.get("name")), str(line.get("value")), str(line.get("unit")),
                      within if isinstance(within, bool) else None, str(line.get("at")), number, line["n"])  # fmt: skip
        return replace(run, readings=(*run.readings, taken), fresh=(*run.fresh, line["n"]))
    if kind == "released":
        return replace(run, released=(*run.released, number))
    if kind == "goto":
        return replace(run, cursor=number, fresh=()) if run.procedure.step(number) else run
    if kind == "timer":
        return replace(run, timers={**run.timers, number: line})
    if kind == "round":
        index = line.get("repeat")
        if not isinstance(index, int) or not 0 <= index < len(run.procedure.repeats):
            return run
        again = _range(run.procedure, run.procedure.repeats[index])
        return replace(
            run, cursor=again[0], fresh=(),
            rounds={**run.rounds, index: (run.rounds.get(index, (0, None))[0] + 1, line)},
            marks={key: mark for key, mark in run.marks.items() if key not in again},
            released=tuple(key for key in run.released if key not in again),
            timers={key: one for key, one in run.timers.items() if key not in again},
        )  # fmt: skip
    return replace(run, finished=True) if kind == "finished" else run


def _after(run: Run, number: str) -> str:
    """The next step that is not marked, in the order of the procedure; "" behind the last one."""
    order = [step.number for step in run.procedure.steps]
    if number not in order:
        return run.cursor
    return next((one for one in order[order.index(number) + 1 :] if one not in run.marks), "")


def _range(procedure: Procedure, repeat: Repeat) -> list[str]:
    order = [step.number for step in procedure.steps]
    return order[order.index(repeat.first) : order.index(repeat.last) + 1]


# -- the acts ---


@dataclass
class Desk:
    """Where a person works: one period, one role, one journal. Every act is kept before it counts."""

    journal: Journal
    role: str = "operator"
    drill: bool = False

    def period(self) -> Period:
        """The state of the period, read anew: another terminal may have added to it."""
        return replay(self.journal.name, self.journal.lines())

    def join(self) -> Desk:
        """Where nothing was kept here yet: sit down at the period that another terminal has begun meanwhile."""
        if not self.journal.lines():
            self.journal = open_journal(self.journal.folder, self.drill) or self.journal
        return self

    def keep(self, now: Now, kind: str, **more: Any) -> Line:
        """Write one entry. A file begins with its first entry and is named after its time."""
        if not self.join().journal.lines():
            self.journal.name = new_name(self.journal.folder, now)
        head = {
            "at": utc_text(now.wall_s),
            "mono_s": round(now.mono_s, 3),
            "boot_id": now.boot_id,
            "kind": kind,
            "role": self.role,
            "drill": self.drill,
        }
        return self.journal.append({**head, **more})

    def declare(self, now: Now, text: str, sites: tuple[str, ...] = ()) -> Line:
        """Somebody judges that control is lost. Without `sites`: everywhere."""
        if self.join().period().declared:
            raise Refused(_("CONTROL LOST is already declared"))
        return self.keep(now, "declared", sites=list(sites), text=clean(text, 500))

    def start(self, now: Now, procedure: Procedure, sheet: Sheet, site: str = "") -> str:
        """Begin a run and return its id. Refused where it would be dangerous outside a drill."""
        period = self.join().period()
        if not self.drill:
            why = cannot_start(procedure, sheet, period)
            if why:
                raise Refused(why)
        count = sum(run.procedure.id == procedure.id for run in period.runs.values()) + 1
        run = f"{procedure.id}-{count}"
        if not period.entries:
            self.keep(now, "opened", text="")
        self.keep(now, "started", procedure=procedure.id, revision=procedure.revision, run=run, site=site,
                  language=procedure.language, sha256=content_hash(procedure, sheet), source=procedure.source,
                  values=used(procedure, sheet), sheet_approved_by=sheet.approved_by)  # fmt: skip
        return run

    def _at(self, run_id: str) -> tuple[Run, Step]:
        run = self.period().runs.get(run_id)
        if run is None or run.finished:
            raise Refused(_("this run is not open"))
        step = run.step
        if step is None:
            raise Refused(_("all steps are marked: f ends the run, r repeats, g goes to a step"))
        role = run.waiting_for()
        if role:
            raise Refused(_("HOLD: {role} must release step {n} first").format(role=role_text(role), n=step.number))
        return run, step

    def done(self, now: Now, run_id: str, reason: str = "") -> Line:
        """Mark the step at hand done; refused while a reading is open, or lies outside its limits without a reason."""
        run, step = self._at(run_id)
        if run.open_readings():
            raise Refused(_("first the reading: {name}").format(name=run.open_readings()[0].name))
        if not run.out_of_limits():
            return self.keep(now, "done", procedure=run.procedure.id, run=run.id, step=step.number)
        if not clean(reason):
            raise Refused(_("OUT OF LIMITS: done with a reason only; g goes to another step"))
        return self.keep(now, "done", procedure=run.procedure.id, run=run.id, step=step.number,
                         text=clean(reason, 500))  # fmt: skip

    def not_applicable(self, now: Now, run_id: str, reason: str) -> Line:
        """Leave the step at hand out, with a reason."""
        run, step = self._at(run_id)
        if not clean(reason):
            raise Refused(_("a step is left out with a reason only"))
        return self.keep(now, "not_applicable", procedure=run.procedure.id, run=run.id, step=step.number,
                         text=clean(reason, 500))  # fmt: skip

    def read(self, now: Now, run_id: str, value: str, name: str = "") -> Taken:
        """Take the next open reading of the step at hand, or that of `name`. Both "2.31" and "2,31" are understood."""
        run, step = self._at(run_id)
        wanted = [one for one in step.readings if one.name == name] if name else list(run.open_readings())
        if not wanted:
            wanted = [one for one in step.readings if not name][-1:]
        if not wanted:
            raise Refused(_("this step has no reading"))
        reading = wanted[0]
        text, within = checked(reading, value, run.sheet)
        band = bounds(reading, run.sheet)
        line = self.keep(now, "reading", procedure=run.procedure.id, run=run.id, step=step.number, name=reading.name,
                         value=text, unit=reading.unit, limits=[band.low or None, band.high or None],
                         limits_from=band.origin if reading.has_band else None, in_limits=within)  # fmt: skip
        return Taken(reading.name, text, reading.unit, within, str(line["at"]), step.number, line["n"])

    def release(self, now: Now, run_id: str, role: str) -> Line:
        """Release the HOLD before the step at hand; only the role it names does so."""
        run = self.period().runs.get(run_id)
        asked = run.waiting_for() if run else None
        if run is None or asked is None:
            raise Refused(_("nothing is held here"))
        if role != asked:
            raise Refused(_("only {role} releases this step").format(role=role_text(asked)))
        return self.keep(now, "released", procedure=run.procedure.id, run=run.id, step=run.cursor, released_by=role)

    def go_to(self, now: Now, run_id: str, number: str) -> Line:
        """Go on at another step, as a GO TO in the text or a person says."""
        run = self.period().runs.get(run_id)
        if run is None or run.finished or run.procedure.step(number) is None:
            raise Refused(_("there is no step {n}").format(n=clean(number, 10)))
        return self.keep(now, "goto", procedure=run.procedure.id, run=run.id, step=number)

    def again(self, now: Now, run_id: str, index: int = 0) -> Line:
        """Begin the next round of a REPEAT."""
        run = self.period().runs.get(run_id)
        if run is None or run.finished or not 0 <= index < len(run.procedure.repeats):
            raise Refused(_("nothing is to be repeated here"))
        repeat = run.procedure.repeats[index]
        return self.keep(now, "round", procedure=run.procedure.id, run=run.id, step=repeat.first, repeat=index)

    def timer(self, now: Now, run_id: str) -> Line:
        """Start the timer of the step at hand."""
        run, step = self._at(run_id)
        if not step.timer_s:
            raise Refused(_("this step has no timer"))
        return self.keep(now, "timer", procedure=run.procedure.id, run=run.id, step=step.number)

    def undo(self, now: Now, run_id: str) -> Line:
        """Take back the newest entry of the run that is not taken back yet, by a new entry."""
        period = self.period()
        gone = {line.get("undoes") for line in period.entries if line["kind"] == "undo"}
        mine = [line for line in period.entries
                if line.get("run") == run_id and line["n"] not in gone
                and line["kind"] not in ("undo", "started", "note")]  # fmt: skip
        if not mine:
            raise Refused(_("there is nothing to undo"))
        last = mine[-1]
        return self.keep(
            now, "undo", procedure=last.get("procedure"), run=run_id, step=last.get("step"), undoes=last["n"]
        )

    def note(self, now: Now, text: str, run_id: str = "") -> Line:
        """Keep a sentence. Roles, no names."""
        if not clean(text):
            raise Refused(_("a note says something"))
        run = self.period().runs.get(run_id)
        more = {"procedure": run.procedure.id, "run": run.id, "step": run.cursor} if run else {}
        return self.keep(now, "note", **more, text=clean(text, 1000))

    def finish(self, now: Now, run_id: str) -> Line:
        """End a run."""
        run = self.period().runs.get(run_id)
        if run is None or run.finished:
            raise Refused(_("this run is not open"))
        left = [step.number for step in run.procedure.steps if step.number not in run.marks]
        return self.keep(now, "finished", procedure=run.procedure.id, run=run.id, left=left)

    def hand_back(self, now: Now, text: str = "") -> Line:
        """The plant is back in automation: the period ends."""
        if not self.period().declared:
            raise Refused(_("CONTROL LOST was not declared; x leaves"))
        return self.keep(now, "handed_back", text=clean(text, 500))

    def close(self, now: Now, text: str = "") -> Line:
        """End a journal that was never a period of CONTROL LOST (a round while blind)."""
        return self.keep(now, "closed", text=clean(text, 500))


def checked(reading: Reading, value: str, sheet: Sheet) -> tuple[str, bool | None]:
    """The value as it is kept (decimal point) and whether it lies within the limits; Refused for what is no value."""
    value = clean(value, 200)
    if reading.unit == "yes/no":
        short = value.lower()[:1]
        if short in ("y", "j", "o"):
            return "yes", None
        if short == "n":
            return "no", None
        raise Refused(_("{name}: answer y or n").format(name=reading.name))
    if reading.unit == "text":
        if not value:
            raise Refused(_("{name}: write something").format(name=reading.name))
        return value, None
    if reading.unit == "HH:MM":
        hour, _colon, minute = value.partition(":")
        if not (hour.isdigit() and minute.isdigit() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
            raise Refused(_("{name}: a time as 14:05").format(name=reading.name))
        return f"{int(hour):02d}:{minute}", None
    number = decimal_of(value)
    if number is None:
        raise Refused(_("{name}: a number in {unit}, as 2.31 or 2,31").format(name=reading.name, unit=reading.unit))
    return value.strip().lstrip("+").replace(",", "."), bounds(reading, sheet).holds(
        number
    ) if reading.limited else None


def cannot_start(procedure: Procedure, sheet: Sheet, period: Period) -> str:
    """Why a real run may not begin; "" if it may. A drill may always begin."""
    if procedure.unreviewed_translation:
        return _("this translation is not yet reviewed: drill only; use --lang en for a real run")
    missing = missing_safety(procedure, sheet)
    if missing:
        return _("SITE VALUE MISSING - DO NOT USE") + f": {', '.join(missing)}. " + _("Without it: drill only.")
    if procedure.moves_the_plant and not period.declared:
        return _("first a person must declare CONTROL LOST (c)")
    return ""


def desk(folder: Path | None, now: Now, role: str, drill: bool) -> Desk:
    """The desk of the period (or drill) that is open, or of a new one whose file begins with its first act."""
    return Desk(open_journal(folder, drill) or Journal(folder, new_name(folder, now)), role, drill)


def open_journal(folder: Path | None, drill: bool) -> Journal | None:
    """The newest journal that has begun and not ended; None where there is none."""
    for name in reversed(names(folder)):
        journal = Journal(folder, name)
        period = replay(name, journal.lines())
        if period.entries and not period.ended and period.drill == drill:
            return journal
    return None


def new_name(folder: Path | None, now: Now) -> str:
    """A file name for a period that begins now; two in one second differ by a letter."""
    stem, taken = utc_text(now.wall_s, 0).replace(":", ""), set(names(folder))
    return next(name for name in [f"{stem}.jsonl", *(f"{stem}-{n}.jsonl" for n in range(2, 1000))] if name not in taken)
