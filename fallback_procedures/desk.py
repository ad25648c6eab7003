"""The acts of a person on a period and its runs: each is checked against the state, then kept, and only then counts.

What may not be done now is Refused in words that say what to do instead. Roles are kept, names and initials stay on
paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallback_procedures.back import Watch
from fallback_procedures.drills import a_year_after, lies_ahead
from fallback_procedures.journal import Journal, Line, alone, names
from fallback_procedures.library import content_hash
from fallback_procedures.procedure import EVENTS, Procedure, Reading, Step
from fallback_procedures.run import Period, Run, Stand, Taken, go_on, taken_back, where_lost
from fallback_procedures.sheet import Sheet, bounds, missing_safety, span_s, tag_of, used
from fallback_procedures.words import RELEASERS, ROLES, _, clean, decimal_of, role_text, utc_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now


ENDS = ("handed_back", "closed")  # entries that end a period
STANDS_IN = {"shift_lead": "duty_manager"}  # who releases where the role that a HOLD names cannot be reached
ON_A_STEP = ("done", "not_applicable", "not_met", "verified", "reading", "released", "goto", "round", "repeat_over",
             "timer", "undo", "finished")  # entries that mean what stood on the person's screen  # fmt: skip
UNNAMED = "unnamed.jsonl"  # a journal that gets its name with its first entry; no file of that name is ever made


class Refused(Exception):
    """An act that may not be done now; the message says why and what to do instead."""


class Moved(Refused):
    """The run is no longer where the person saw it: somebody else went on with it meanwhile."""


@dataclass
class Desk:
    """Where a person works: one period, one role, one journal. Every act is kept before it counts."""

    journal: Journal
    role: str = "operator"
    drill: bool = False
    watch: Watch = field(default_factory=Watch)
    shown: Stand | None = None  # the run as it stands on this person's screen; None: nobody looks (a program)
    beside: str = ""  # the real period beside which a person has said that this drill goes on
    _told: Period = field(default_factory=lambda: Period("", False))  # as it was told last

    def period(self) -> Period:
        """The state of the period, read anew: another terminal may have added to it."""
        known = self._told if self._told.name == self.journal.name else Period(self.journal.name, False)
        self._told = go_on(known, self.journal.lines())
        return self._told

    def join(self) -> Desk:
        """Where nothing was kept yet, or another terminal has ended it: sit down at the period that is open now."""
        lines = self.journal.lines()
        if not lines or any(line["kind"] in ENDS for line in lines):
            folder = self.journal.folder
            self.journal = open_journal(folder, self.drill) or (Journal(folder, UNNAMED) if lines else self.journal)
        return self

    def real(self) -> str:
        """The real period that is open while this is a drill; "" for none."""
        found = open_journal(self.journal.folder, False) if self.drill else None
        return found.name if found else ""

    def keep(self, now: Now, kind: str, **more: Any) -> Line:
        """Write one entry. A file begins with its first entry and is named after its time."""
        if self.drill and kind not in (*ENDS, "drill_record") and self.real() not in ("", self.beside):
            raise Refused(_("A REAL PERIOD IS OPEN: nothing was recorded; q leaves the drill, D says that it goes on"))
        if self.join().journal.lines():
            if self.shown is None or kind not in ON_A_STEP or more.get("run") != self.shown.run:
                return self._append(now, kind, more)
            with alone(self.journal.folder):  # of two that mark one step at the same moment one is told
                self._run(self.shown.run, kind, str(more.get("name", "")))
                line = self._append(now, kind, more)
                self.shown = self.period().runs[self.shown.run].stand
                return line
        with alone(self.journal.folder):  # two that begin at the same moment begin one period
            if not self.join().journal.lines():
                self.journal.name = new_name(self.journal.folder, now)
            return self._append(now, kind, more)

    def _append(self, now: Now, kind: str, more: dict[str, Any]) -> Line:
        head = {
            "at": utc_text(now.wall_s),
            "mono_s": round(now.up_s, 3),
            "boot_id": now.boot_id,
            "kind": kind,
            "role": self.role,
            "drill": self.drill,
        }
        return self.journal.append({**head, **more})

    def declare(self, now: Now, text: str, sites: tuple[str, ...] = (), role: str = "") -> Line:
        """Somebody in that `role` (else: who sits here) judges that control is lost, at first or at more sites.

        Without `sites`: everywhere.
        """
        period = self.join().period()
        new = tuple(site for site in sites if not period.lost_at(site))
        if (sites and not new) or "" in period.lost:
            raise Refused(_("CONTROL LOST is already declared: {where}").format(where=where_lost(period)))
        return self.keep(now, "declared", role=role or self.role, sites=list(new), text=clean(text, 500))

    def start(self, now: Now, procedure: Procedure, sheet: Sheet, site: str = "") -> str:
        """Begin a run and return its id. Refused where it would be dangerous outside a drill."""
        period = self.join().period()
        if not self.drill:
            why = cannot_start(procedure, sheet, period, site)
            if why:
                raise Refused(why)
        count = sum(run.procedure.id == procedure.id for run in period.runs.values()) + 1
        run = f"{procedure.id}-{count}"
        self._open(now)
        self.keep(now, "started", procedure=procedure.id, revision=procedure.revision, run=run, site=site,
                  language=procedure.language, status=procedure.status, source=procedure.source,
                  sha256=content_hash(procedure, sheet), values=used(procedure, sheet), tags=_tags(procedure, sheet),
                  sheet_approved_by=sheet.approved_by)  # fmt: skip
        return run

    def _open(self, now: Now) -> None:
        """The first entry of a period that is not (yet) one of CONTROL LOST."""
        if not self.join().journal.lines():
            self.keep(now, "opened", text="")

    def _run(self, run_id: str, kind: str = "", name: str = "") -> Run:
        """An open run, where the person saw it; Moved where somebody else went on with it meanwhile."""
        run = self.join().period().runs.get(run_id)
        if run is None:
            raise Refused(_("this run is not open"))
        told = moved(self.shown, run, kind, name)
        if told:
            raise Moved(told)
        if run.finished and kind != "undo":  # its end can be taken back
            raise Refused(_("this run is not open"))
        return run

    def _at(self, run_id: str) -> tuple[Run, Step]:
        run = self._run(run_id)
        step = run.step
        if step is None:
            raise Refused(_("behind the last step: f ends the run, r repeats, g goes to a step"))
        role = run.waiting_for()
        if role:
            raise Refused(_("HOLD: {role} must release step {n} first").format(role=role_text(role), n=step.number))
        return run, step

    def ready(self, run_id: str) -> Run:
        """The run whose step at hand can be marked done; Refused where a reading or a second person is waited for."""
        run, step = self._at(run_id)
        if run.open_readings():
            raise Refused(_("first the reading: {name}").format(name=run.open_readings()[0].name))
        if run.needs_verifying():
            raise Refused(_("a second person must verify step {n} first (y)").format(n=step.number))
        return run

    def done(self, now: Now, run_id: str, reason: str = "", goto: str = "") -> Line:
        """Mark the step at hand done, and go on at `goto` where its action is a GO TO.

        Refused while a reading is open, or lies outside its limits without a reason.
        """
        run = self.ready(run_id)
        more = {"goto": goto} if goto else {}
        if run.out_of_limits():
            if not clean(reason):
                raise Refused(_("OUT OF LIMITS: done with a reason only; g goes to another step"))
            more["text"] = clean(reason, 500)
        return self.keep(now, "done", procedure=run.procedure.id, run=run.id, step=run.cursor, **more)

    def not_applicable(self, now: Now, run_id: str, reason: str) -> Line:
        """Leave the step at hand out, with a reason."""
        run, step = self._at(run_id)
        if not clean(reason):
            raise Refused(_("a step is left out with a reason only"))
        return self.keep(now, "not_applicable", procedure=run.procedure.id, run=run.id, step=step.number,
                         text=clean(reason, 500))  # fmt: skip

    def not_met(self, now: Now, run_id: str) -> Line:
        """The condition of a step with IF is not met: go on. What a HOLD holds is then not done, so it stays held."""
        run = self._run(run_id)
        step = run.step
        if step is None or step.branch is None or step.branch.word != "IF":
            raise Refused(_("this step has no IF"))
        return self.keep(now, "not_met", procedure=run.procedure.id, run=run.id, step=step.number)

    def verify(self, now: Now, run_id: str, role: str) -> Line:
        """A second person, of any role, has verified the step at hand alone: after its readings, before it is done."""
        run, step = self._at(run_id)
        if not run.needs_verifying():
            raise Refused(_("there is nothing to verify here"))
        if run.open_readings():
            raise Refused(_("first the reading: {name}").format(name=run.open_readings()[0].name))
        return self.keep(now, "verified", procedure=run.procedure.id, run=run.id, step=step.number,
                         verified_by=_role(role, RELEASERS))  # fmt: skip

    def read(self, now: Now, run_id: str, value: str, name: str = "") -> Taken:
        """Take the next open reading of the step at hand, or that of `name`. Both "2.31" and "2,31" are understood."""
        run, step = self._at(run_id)
        self._run(run_id, "reading", name)
        wanted = [one for one in step.readings if one.name == name] if name else list(run.open_readings())
        if not wanted:
            wanted = [one for one in step.readings if not name][-1:]
        if not wanted:
            raise Refused(_("this step has no reading"))
        reading = wanted[0]
        text, within = checked(reading, value, run.sheet)
        band = bounds(reading, run.sheet)
        tag = tag_of(run.procedure.id, step.number, step.readings.index(reading), run.sheet)
        more = {"tag": tag} if tag else {}
        line = self.keep(now, "reading", procedure=run.procedure.id, run=run.id, step=step.number, name=reading.name,
                         value=text, unit=reading.unit, limits=[band.low or None, band.high or None],
                         limits_from=band.origin if reading.has_band else None, in_limits=within,
                         **more)  # fmt: skip
        return Taken(reading.name, text, reading.unit, within, str(line["at"]), step.number, line["n"])

    def release(self, now: Now, run_id: str, role: str) -> Line:
        """Release the HOLD before the step at hand; the role it names does so, or who stands in for that role."""
        run = self._run(run_id)
        asked = run.waiting_for()
        if asked is None:
            raise Refused(_("nothing is held here"))
        if role not in (asked, STANDS_IN.get(asked)):
            raise Refused(_("only {role} releases this step").format(role=role_text(asked)))
        return self.keep(now, "released", procedure=run.procedure.id, run=run.id, step=run.cursor, released_by=role)

    def go_to(self, now: Now, run_id: str, number: str) -> Line:
        """Go on at another step, as a GO TO in the text or a person says."""
        run = self._run(run_id)
        if run.procedure.step(number) is None:
            raise Refused(_("there is no step {n}").format(n=clean(number, 10)))
        return self.keep(now, "goto", procedure=run.procedure.id, run=run.id, step=number)

    def again(self, now: Now, run_id: str, index: int = 0) -> Line:
        """Begin the next round of a REPEAT."""
        return self._repeat(now, "round", run_id, index)

    def until_met(self, now: Now, run_id: str, index: int = 0) -> Line:
        """What ends a REPEAT has come: it falls due no more, until another round of it is begun."""
        return self._repeat(now, "repeat_over", run_id, index)

    def _repeat(self, now: Now, kind: str, run_id: str, index: int) -> Line:
        run = self._run(run_id)
        if not 0 <= index < len(run.procedure.repeats):
            raise Refused(_("nothing is to be repeated here"))
        repeat = run.procedure.repeats[index]
        return self.keep(now, kind, procedure=run.procedure.id, run=run.id, step=repeat.first, repeat=index)

    def timer(self, now: Now, run_id: str) -> Line:
        """Start the timer of the step at hand."""
        run, step = self._at(run_id)
        if not step.timer or span_s(step.timer, run.sheet) is None:
            raise Refused(_("this step has no timer, or its time is a site value that is missing"))
        return self.keep(now, "timer", procedure=run.procedure.id, run=run.id, step=step.number)

    def undo(self, now: Now, run_id: str = "") -> Line:
        """Take back the newest entry of a run that is not taken back yet, by a new entry.

        Without a run: the newest of what belongs to none (CONTROL LOST at a site, an event, its end, "stable", a line
        from paper).
        """
        if run_id:
            self._run(run_id, "undo")
        last = self.newest(run_id)
        if last is None:
            raise Refused(_("there is nothing to undo"))
        more = {"procedure": last.get("procedure"), "run": run_id, "step": last.get("step")} if run_id else {}
        return self.keep(now, "undo", **more, undoes=last["n"])

    def newest(self, run_id: str = "") -> Line | None:
        """The entry that undo would take back; None where there is none."""
        period = self.join().period()
        gone = taken_back(list(period.entries))
        said = ("declared", "seen", "seen_over", "stable", "paper")
        mine = [line for line in period.entries if line["n"] not in gone and (
                line.get("run") == run_id and line["kind"] not in ("undo", "started", "note") if run_id
                else not line.get("run") and line["kind"] in said)]  # fmt: skip
        return mine[-1] if mine else None

    def note(self, now: Now, text: str, run_id: str = "") -> Line:
        """Keep a sentence. Roles, no names."""
        if not clean(text):
            raise Refused(_("a note says something"))
        run = self.join().period().runs.get(run_id)
        more = {"procedure": run.procedure.id, "run": run.id, "step": run.cursor} if run else {}
        return self.keep(now, "note", **more, text=clean(text, 1000))

    def finish(self, now: Now, run_id: str) -> Line:
        """End a run."""
        run = self._run(run_id)
        return self.keep(now, "finished", procedure=run.procedure.id, run=run.id, left=run.left())

    def seen(self, now: Now, event: str, site: str = "", text: str = "") -> Line:
        """A person has seen something that a procedure is for, and says so."""
        if event not in EVENTS:
            raise Refused(_("{event} is not known; known are {events}").format(event=clean(event, 40),
                          events=", ".join(EVENTS)))  # fmt: skip
        self._open(now)
        return self.keep(now, "seen", event=event, site=clean(site, 40), text=clean(text, 500))

    def over(self, now: Now, event: str, site: str = "") -> Line:
        """What a person had seen is over."""
        if not any((one.event, one.site) == (event, site) for one in self.join().period().events):
            raise Refused(_("nobody has said that it is so"))
        return self.keep(now, "seen_over", event=event, site=site)

    def stable(self, now: Now, text: str = "") -> Line:
        """The station is stable by hand: once per period, by a person's judgement."""
        period = self.join().period()
        if not (period.declared or period.drill):
            raise Refused(_("CONTROL LOST was not declared"))
        if period.stable:
            raise Refused(_("the station was said to be stable by hand already"))
        return self.keep(now, "stable", text=clean(text, 500))

    def hand_over(self, now: Now, to_role: str, text: str = "") -> Line:
        """The shift ends: whoever takes over goes on at this desk. Its page is shift.page_lines."""
        if not self.join().period().entries:
            raise Refused(_("nothing was recorded here that could be handed over"))
        line = self.keep(now, "handed_over", to=_role(to_role), text=clean(text, 1000))
        self.role = to_role
        return line

    def transcribe(
        self, now: Now, occurred: float, recorded: float, *, run_id: str = "", procedure: Procedure | None = None,
        sheet: Sheet | None = None, step: str = "", name: str = "", value: str = "", unit: str = "", text: str = "",
    ) -> Line:  # fmt: skip
        """Enter a line of a paper log afterwards, with its three times: when it was so, when it was written, now.

        `occurred`, `recorded` since 1970 [s]. With a run, or a procedure and the sheet, a reading of that name is
        checked against its limits.
        """
        if not 0 <= occurred <= recorded <= now.wall_s:
            raise Refused(_("the order is: it was so, it was written down, it is entered now"))
        run = self.join().period().runs.get(run_id)
        if run_id and run is None:
            raise Refused(_("this run is not open"))
        procedure, sheet = (run.procedure, run.sheet) if run else (procedure, sheet)
        found = procedure.step(step) if procedure else None
        reading = next((one for one in found.readings if one.name == name), None) if found else None
        within, tag = None, ""
        if procedure and found and reading:
            sheet = sheet or Sheet()
            (value, within), unit = checked(reading, value, sheet), reading.unit
            tag = tag_of(procedure.id, step, found.readings.index(reading), sheet)
        elif not clean(value) and not clean(text):
            raise Refused(_("a line from paper says something"))
        more = {**({"run": run.id} if run else {}), **({"tag": tag} if tag else {})}
        self._open(now)
        return self.keep(now, "paper", occurred=utc_text(occurred), recorded=utc_text(recorded), **more,
                         procedure=procedure.id if procedure else "", step=clean(step, 10), name=clean(name, 100),
                         value=clean(value), unit=clean(unit, 20), in_limits=within, text=clean(text, 500))  # fmt: skip

    def record_drill(
        self, now: Now, station: str, scenario: str, gaps: list[dict[str, str]], *, next_due: str = "",
        procedures: list[str] | None = None, minutes: float | None = None,
    ) -> Line:  # fmt: skip
        """What a drill has shown (form F7), before it ends. `gaps`: where, gap, change, role; `next_due` a date.

        Without `procedures` and `minutes`: those of the runs, and from the start until stable by hand. [min]
        """
        period = self.join().period()
        if not (period.drill and period.entries):
            raise Refused(_("only a drill has a drill record"))
        if not clean(station):
            raise Refused(_("which station was it?"))
        if next_due and not lies_ahead(next_due, now.wall_s):
            raise Refused(_("the next drill lies ahead: a date as 2027-11-23, tomorrow to five years on"))
        spent = period.minutes_to_stable() if minutes is None else minutes
        kept = [{key: clean(gap.get(key, ""), 300) for key in ("where", "gap", "change", "role")} for gap in gaps]
        content = {run.procedure.id: str(run.started.get("sha256", "")) for run in period.runs.values()}
        gone = {line.get("undoes") for line in period.entries if line["kind"] == "undo"}
        idle = not any(line["kind"] == "done" and line["n"] not in gone for line in period.entries)
        return self.keep(now, "drill_record", station=clean(station, 40), scenario=clean(scenario, 300),
                         procedures=list(content) if procedures is None else procedures,
                         minutes=None if spent is None else round(spent, 1), gaps=kept[:200],
                         next_due=next_due or a_year_after(now.wall_s), content=content,
                         **({"no_step_done": True} if idle else {}))  # fmt: skip

    def hand_back(self, now: Now, text: str = "", second_role: str = "", unmet: list[str] | None = None,
                  role: str = "") -> Line:  # fmt: skip
        """The plant is back in automation, says somebody in that `role` (else: of who sits here): the period ends.

        Conditions that are not met need a reason, and are kept.
        """
        if not self.join().period().declared:
            raise Refused(_("CONTROL LOST was not declared; x leaves"))
        if unmet and not clean(text):
            raise Refused(_("a condition is not met: hand back with a reason only"))
        second = second_role and _role(second_role, RELEASERS)
        return self.keep(now, "handed_back", role=role or self.role, text=clean(text, 500), second_role=second,
                         unmet=[clean(one, 300) for one in unmet or []])  # fmt: skip

    def close(self, now: Now, text: str = "") -> Line:
        """End a journal that was never a period of CONTROL LOST (a round while blind)."""
        return self.keep(now, "closed", text=clean(text, 500))


def moved(saw: Stand | None, run: Run, kind: str = "", name: str = "") -> str:
    """What somebody else has done to a run since a person saw it, in words, where an act of that kind would hit
    something that was not on their screen; "" where it is as they saw it."""
    if saw is None or saw.run != run.id:
        return ""
    now = run.stand
    if run.finished and saw.last_n != now.last_n:
        return _("somebody else has ended {run}").format(run=run.id)
    if (saw.step, saw.reached) != (now.step, now.reached):
        at = run.cursor or _("behind the last step")
        if saw.step in run.marks:
            return _("somebody else has marked step {n}; the run is at step {at}").format(n=saw.step, at=at)
        return _("somebody else has gone on with the run; it is at step {at}").format(at=at)
    if saw.freed != now.freed:
        return _("somebody else has released step {n}; look again").format(n=saw.step)
    new = [one for one in run.readings if one.n > saw.last_n and one.n in run.fresh and one.name == name]
    if kind == "reading" and new:
        return _("somebody else has read {name}: {value} {unit}").format(name=name, value=new[-1].value,
                                                                        unit=new[-1].unit)  # fmt: skip
    if kind == "undo" and saw.last_n != now.last_n:
        return _("somebody else has recorded something in this run; look again")
    return ""


def _role(role: str, known: tuple[str, ...] = ROLES) -> str:
    """A role that there is; Refused for another one."""
    if role not in known:
        raise Refused(_("nothing was done: a role is needed"))
    return role


def _tags(procedure: Procedure, sheet: Sheet) -> dict[str, str]:
    """The rows of a sheet that name the tags of this procedure's readings."""
    start = f"tag_{procedure.id.replace('-', '').lower()}_"
    return {name: value for name, value in sheet.values.items() if name.startswith(start)}


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


def cannot_start(procedure: Procedure, sheet: Sheet, period: Period, site: str = "") -> str:
    """Why a real run may not begin; "" if it may. A drill may always begin."""
    if procedure.unreviewed_translation:
        return _("this translation is not yet reviewed: drill only; L changes to English for a real run")
    missing = missing_safety(procedure, sheet)
    if missing:
        return _("SITE VALUE MISSING - DO NOT USE") + f": {', '.join(missing)}. " + _("Without it: drill only.")
    if not procedure.moves_the_plant:
        return ""
    if not period.declared:
        return _("first a person must declare CONTROL LOST (c)")
    somewhere = not site and any(one.site or one.site_type for one in procedure.applies)
    if not period.lost_at(site) or (somewhere and period.sites):
        return _("CONTROL LOST is declared for {where} only, not for {site}: automation may still run there. First a "
                 "person must declare it there (c)").format(where=where_lost(period), site=site or "?")  # fmt: skip
    return ""


def desk(folder: Path | None, now: Now, role: str, drill: bool) -> Desk:
    """The desk of the period (or drill) that is open, or of a new one whose file begins with its first act."""
    return Desk(open_journal(folder, drill) or Journal(folder, UNNAMED), role, drill)


def open_journal(folder: Path | None, drill: bool) -> Journal | None:
    """The newest journal that has begun and not ended; None where there is none."""
    for name in reversed(names(folder)):
        journal = Journal(folder, name)
        lines = journal.lines()
        if not lines or lines[0]["drill"] != drill:
            continue
        if not any(line["kind"] in ENDS and line["drill"] == drill for line in lines):
            return journal
    return None


def new_name(folder: Path | None, now: Now) -> str:
    """A file name for a period that begins now; two in one second differ by a letter."""
    stem, taken = utc_text(now.wall_s, 0).replace(":", ""), set(names(folder))
    return next(name for name in [f"{stem}.jsonl", *(f"{stem}-{n}.jsonl" for n in range(2, 1000))] if name not in taken)
