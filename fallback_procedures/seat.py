"""One person at work, at whichever front end."""

from __future__ import annotations

from dataclasses import dataclass, field

from fallback_procedures.board import run_place
from fallback_procedures.desk import Desk
from fallback_procedures.library import Library
from fallback_procedures.open_period import Refused
from fallback_procedures.place import Look, Place, look
from fallback_procedures.run import Run, moved
from fallback_procedures.words import _, language


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
    left: bool = False

    def look(self) -> Look:
        return look(self.place, self.library, self.desk, language())

    def run(self) -> Run:
        """The run at hand; Refused where there is none."""
        run = self.at_hand(self.look())
        if run is None:
            raise Refused(_("this run is not open"))
        return run

    def show(self, seen: Look) -> None:
        """What this person sees now: their next act is meant for that step and that reading."""
        run = self.at_hand(seen)
        self.desk.shown = run.stand if run else None
        self.asking = run.open_readings()[0].name if run and run.open_readings() else ""

    def news(self, seen: Look) -> str:
        """What somebody else has done to the run at hand since this person saw it."""
        run = seen.period.runs.get(self.run_id)
        return moved(self.desk.shown, run) if run else ""

    def resume(self) -> str:
        """Go on with the run that was worked at last, and say so; "" where none is open."""
        runs = self.look().period.open_runs()
        if not runs:
            return ""
        last = max(runs, key=lambda run: run.last_n)
        self.run_id = last.id
        told = _("Resumed: {runs}").format(runs=", ".join(run.id for run in runs))
        return told if len(runs) == 1 else told + "; " + now_at(last)

    def at_hand(self, seen: Look) -> Run | None:
        run = seen.period.runs.get(self.run_id)
        return None if run is None or run.finished else run


def now_at(run: Run) -> str:
    """Which run is at hand now: "now P-05-1 H 2/7"."""
    return _("now {run}").format(run=run_place(run))
