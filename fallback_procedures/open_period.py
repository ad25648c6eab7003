"""The period that is open at this desk, and the one way by which an entry gets into its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallback_procedures.back import Watch
from fallback_procedures.journal import Journal, Line, Stamp, alone, glance, names, stamps
from fallback_procedures.replay import ENDS, go_on, is_over, replay
from fallback_procedures.run import Period, Run, Stand, moved, word
from fallback_procedures.words import _, clean, clock_text, role_text, utc_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now

ON_A_STEP = ("done", "not_applicable", "not_met", "verified", "reading", "released", "goto", "round", "repeat_over",
             "timer", "undo", "finished")  # entries that mean what stood on the person's screen  # fmt: skip
UNNAMED = "unnamed.jsonl"  # a journal that gets its name with its first entry; no file of that name is ever made


class Refused(Exception):
    """An act that may not be done now; the message says why and what to do instead."""


class Moved(Refused):
    """The run is no longer where the person saw it: somebody else went on with it meanwhile."""


@dataclass(frozen=True)
class Told:
    """What the file of a period told when it was read last; of one that is not open nothing more is held."""

    name: str
    stamp: Stamp
    open: bool
    drill: bool = False
    declared: bool = False
    entries: int = 0
    since: Line = field(default_factory=Line)
    sites: tuple[str, ...] = ()


_told: dict[tuple[Path | None, str], Told] = {}


@dataclass
class OpenPeriod:
    """One period, one role, one journal. Every act is kept before it counts."""

    journal: Journal
    role: str = "operator"
    drill: bool = False
    watch: Watch = field(default_factory=Watch)
    shown: Stand | None = None  # the run as it stands on this person's screen; None: nobody looks (a program)
    shown_in: str = ""  # the period that stands on this person's screen; "": none, or nobody looks
    ended: Line = field(default_factory=Line)  # the entry by which somebody else ended the period that stood here
    own: set[str] = field(default_factory=set)  # marks of the entries that were made here
    beside: str = ""  # the real period beside which a person has said that this drill goes on
    _told: Period = field(default_factory=lambda: Period("", False))  # as it was told last

    def period(self) -> Period:
        """The state of the period, read anew: another terminal may have added to it."""
        known = self._told if self._told.name == self.journal.name else Period(self.journal.name, False)
        self._told = go_on(known, self.journal.lines())
        return self._told

    def join(self) -> OpenPeriod:
        """Where nothing was kept yet, or another terminal has ended it: sit down at the period that is open now.

        So it is where CONTROL LOST is declared in another open journal, and not in this one.
        """
        lines, folder = self.journal.lines(), self.journal.folder
        first = next(iter(open_periods(folder, self.drill)), None)
        if not lines or is_over(lines):
            if lines:
                self.ended = next(line for line in reversed(lines) if line["kind"] in ENDS)
            if lines or first:
                self.journal = Journal(folder, first.name if first else UNNAMED)
        elif first and first.declared and first.name != self.journal.name and not self.period().declared:
            self.journal = Journal(folder, first.name)
        return self

    def here(self) -> OpenPeriod:
        """Joined; Moved where the period on this person's screen has ended, as what they say was not meant for it."""
        self.join()
        if self.left_behind():
            raise Moved(ended_text(self.ended) + " " + _("Nothing was kept."))
        return self

    def left_behind(self) -> bool:
        """Whether the period on this person's screen is not the one that goes on."""
        return self.shown_in not in ("", self.journal.name)

    def others(self) -> list[Told]:
        """The other journals that are open beside this one: two screens would go on in two ways."""
        lines, found = self.journal.lines(), open_periods(self.journal.folder, self.drill)
        return [one for one in found if one.name != self.journal.name] if lines and not is_over(lines) else []

    def end_other(self, now: Now, name: str, text: str, role: str = "") -> Line:
        """End another open journal: somebody in that `role` (else: who sits here) says why, and it is kept there."""
        other = next((one for one in self.others() if one.name == name), None)
        if other is None or not clean(text):
            raise Refused(_("another period is ended with a reason only, and only while it is open"))
        more = {"role": role or self.role, "text": clean(text, 500)}
        return self._append(now, "closed", more, Journal(self.journal.folder, name))

    def real(self) -> str:
        """The real period that is open while this is a drill; "" for none."""
        found = open_periods(self.journal.folder, False) if self.drill else []
        return found[0].name if found else ""

    def keep(self, now: Now, kind: str, **more: Any) -> Line:
        """Write one entry. A file begins with its first entry and is named after its time."""
        if self.drill and kind not in (*ENDS, "drill_record") and self.real() not in ("", self.beside):
            raise Refused(_("A REAL PERIOD IS OPEN: nothing was recorded; q leaves the drill, D says that it goes on"))
        if self.here().journal.lines():
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

    def _append(self, now: Now, kind: str, more: dict[str, Any], journal: Journal | None = None) -> Line:
        head = {
            "at": utc_text(now.wall_s),
            "mono_s": round(now.up_s, 3),
            "boot_id": now.boot_id,
            "kind": kind,
            "role": self.role,
            "drill": self.drill,
        }
        line = (journal or self.journal).append({**head, **more})
        self.own.add(line.mark)
        return line

    def _open(self, now: Now) -> None:
        """The first entry of a period that is not (yet) one of CONTROL LOST."""
        if not self.join().journal.lines():
            self.keep(now, "opened", text="")

    def _run(self, run_id: str, kind: str = "", name: str = "") -> Run:
        """An open run, where the person saw it; Moved where somebody else went on with it meanwhile."""
        run = self.here().period().runs.get(run_id)
        if run is None:
            raise Refused(_("this run is not open"))
        told = moved(self.shown, run, kind, name)
        if told:
            raise Moved(told)
        if run.finished and kind != "undo":  # its end can be taken back
            raise Refused(_("this run is not open"))
        return run


def ended_text(line: Line) -> str:
    """That a period has ended: by whom, and when; without an entry, that another one is at hand now."""
    if not line:
        return _("Another period goes on here now.")
    text = _("The period was ended by {role} at {time}.")
    if line["kind"] == "handed_back":
        text = _("The period was handed back by {role} at {time}.")
    return text.format(role=role_text(word(line, "role")), time=clock_text(line.get("at")))


def put_aside(folder: Path | None, told: Told, now: Now, role: str, text: str) -> Journal:
    """End an open period at which nobody sits here: somebody in that `role` says why. Its journal tells where."""
    sitting = OpenPeriod(Journal(folder, told.name), role, told.drill)
    sitting._append(now, "closed", {"text": clean(text, 500)})
    return sitting.journal


def open_periods(folder: Path | None, drill: bool) -> list[Told]:
    """The journals that have begun and not ended, first the one to go on with: where CONTROL LOST is declared, else the
    oldest."""
    found = []
    for name, stamp in stamps(folder).items():
        told = _told.get((folder, name))
        if told is None or told.stamp != stamp:
            told = _told[folder, name] = _tell(folder, name, stamp)
        if told.open and told.drill == drill:
            found.append(told)
    return sorted(found, key=lambda one: (not one.declared, one.name))


def _tell(folder: Path | None, name: str, stamp: Stamp) -> Told:
    ends = glance(folder / name) if folder else None
    if ends and is_over(ends):
        return Told(name, stamp, False)
    lines = Journal(folder, name).peek()
    if not lines or is_over(lines):
        return Told(name, stamp, False)
    period = replay(name, lines)
    return Told(name, stamp, True, period.drill, period.declared, len(lines), period.since, period.sites)


def new_name(folder: Path | None, now: Now) -> str:
    """A file name for a period that begins now; two in one second differ by a letter."""
    stem, taken = utc_text(now.wall_s, 0).replace(":", ""), set(names(folder))
    return next(name for name in [f"{stem}.jsonl", *(f"{stem}-{n}.jsonl" for n in range(2, 1000))] if name not in taken)
