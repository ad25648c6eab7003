"""One person at work, at whichever front end."""

from __future__ import annotations

from dataclasses import dataclass, field

from fallback_procedures.board import run_place
from fallback_procedures.desk import Desk
from fallback_procedures.journal import Line
from fallback_procedures.library import Library
from fallback_procedures.open_period import Moved, Refused, ended_text
from fallback_procedures.place import Look, Place, look
from fallback_procedures.run import Run, moved, word
from fallback_procedures.view import entry_text
from fallback_procedures.words import _, language, role_text


@dataclass
class Seat:
    """One person at work: texts, journal, and what is at hand: a run, an opened procedure, else the list."""

    place: Place
    library: Library
    desk: Desk
    width: int = 79
    run_id: str = ""
    opened: tuple[str, str] | None = None  # a procedure that is read, with its site
    chosen: list[tuple[str, str]] = field(default_factory=list)  # what the numbers in the list mean
    asking: str = ""  # the reading that was asked on the screen
    heard: tuple[Line, ...] | None = None  # the entries of which this person has seen what they tell
    foreign: set[str] = field(default_factory=set)  # marks of what others have said or done meanwhile
    left: bool = False

    def look(self) -> Look:
        seen = look(self.place, self.library, self.desk, language())
        if self.desk.left_behind():
            self.run_id = ""  # the next period has runs of the same names
        return seen

    def run(self) -> Run:
        """The run at hand; Refused where there is none."""
        run = self.at_hand(self.look())
        if run is None:
            if self.desk.left_behind():
                raise Moved(ended_text(self.desk.ended) + " " + _("Nothing was kept."))
            raise Refused(_("this run is not open"))
        return run

    def show(self, seen: Look) -> None:
        """What this person sees now: their next act is meant for that step and that reading."""
        run = self.at_hand(seen)
        self.desk.shown = run.stand if run else None
        self.desk.shown_in = seen.period.name if seen.period.entries else ""
        self.foreign |= {line.mark for line in self.unheard(seen)} - self.desk.own
        self.heard = seen.period.entries
        self.asking = run.open_readings()[0].name if run and run.open_readings() else ""

    def news(self, seen: Look) -> str:
        """What somebody else has said or done since this person looked: the end of the period, the run at hand, events,
        CONTROL LOST, and what was taken back of them."""
        if self.desk.left_behind():
            return ended_text(self.desk.ended)
        run = seen.period.runs.get(self.run_id)
        told = moved(self.desk.shown, run) if run else ""
        return told or self.said_elsewhere(seen)

    def said_elsewhere(self, seen: Look) -> str:
        """What was said at other desks since this person looked, or taken back there."""
        texts = [said_text(line, seen) for line in self.unheard(seen) if line.mark not in self.desk.own]
        return "; ".join(text for text in texts if text)

    def unheard(self, seen: Look) -> list[Line]:
        """The entries that came since this person looked."""
        if self.heard is None or len(seen.period.entries) == len(self.heard):
            return []
        known = {line.mark for line in self.heard}
        return [line for line in seen.period.entries if line.mark not in known]

    def resume(self) -> str:
        """Go on with the run that was worked at last, and say so; "" where none is open."""
        runs = self.look().period.open_runs()
        if not runs:
            return ""
        last = max(runs, key=lambda run: int(run.last["n"]))
        self.run_id = last.id
        told = _("Resumed: {runs}").format(runs=", ".join(run.id for run in runs))
        return told if len(runs) == 1 else told + "; " + now_at(last)

    def kept(self) -> str:
        """Where an entry lies that was just made: one word where that is the disk, else what is wrong with it."""
        return _("Kept.") if self.desk.journal.safe else f"! {self.desk.journal.where}"

    def at_hand(self, seen: Look) -> Run | None:
        run = seen.period.runs.get(self.run_id)
        return None if run is None or run.finished else run


def said_text(line: Line, seen: Look) -> str:
    """What an entry says to those at other desks; "" for one that is not for them."""
    role = role_text(word(line, "role"))
    if line["kind"] == "undo":
        gone = next((one for one in seen.period.entries if one.mark == line.get("undoes_mark")), None)
        run = f" ({word(line, 'run')})" if line.get("run") else ""
        return _("{role} has taken back: {what}").format(role=role, what=entry_text(gone) + run) if gone else ""
    if line["kind"] in ("seen", "seen_over", "declared"):
        return _("{role} has said: {what}").format(role=role, what=entry_text(line))
    return ""


def now_at(run: Run) -> str:
    """Which run is at hand now: "now P-05-1 H 2/7"."""
    return _("now {run}").format(run=run_place(run))
