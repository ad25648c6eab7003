"""The acts of a person on a whole period: each is checked against the state, then kept, and only then counts.

What may not be done now is Refused in words that say what to do instead. Roles are kept, names and initials stay on
paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fallback_procedures.drills import a_year_after, lies_ahead
from fallback_procedures.journal import Journal, Line
from fallback_procedures.limits import asked_at
from fallback_procedures.open_period import UNNAMED, Refused, open_periods
from fallback_procedures.procedure import EVENTS, Procedure
from fallback_procedures.run import where_lost
from fallback_procedures.run_desk import RunDesk, asset_named, checked, role_known
from fallback_procedures.sheet import Sheet, tag_of
from fallback_procedures.words import RELEASERS, _, clean, utc_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now


class Desk(RunDesk):
    """Where a person works: what is said of the whole period, beside the acts on its runs."""

    def declare(self, now: Now, text: str, sites: tuple[str, ...] = (), role: str = "") -> Line:
        """Somebody in that `role` (else: who sits here) judges that control is lost, at first or at more sites.

        Without `sites`: everywhere.
        """
        period = self.join().period()
        new = tuple(site for site in sites if not period.lost_at(site))
        if (sites and not new) or "" in period.lost:
            raise Refused(_("CONTROL LOST is already declared: {where}").format(where=where_lost(period)))
        return self.keep(now, "declared", role=role or self.role, sites=list(new), text=clean(text, 500))

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
        return self.keep(now, "undo", **more, undoes=last["n"], undoes_mark=last.mark)

    def newest(self, run_id: str = "") -> Line | None:
        """The entry that undo would take back; None where there is none."""
        period = self.join().period()
        said = ("declared", "seen", "seen_over", "stable", "paper")
        mine = [line for line in period.entries if line.mark not in period.undone and (
                line.get("run") == run_id and line["kind"] not in ("undo", "started", "note") if run_id
                else line["kind"] in said and (not line.get("run") or line["kind"] == "paper"))]  # fmt: skip
        return mine[-1] if mine else None

    def note(self, now: Now, text: str, run_id: str = "") -> Line:
        """Keep a sentence. Roles, no names."""
        if not clean(text):
            raise Refused(_("a note says something"))
        run = self.join().period().runs.get(run_id)
        more = {"procedure": run.procedure.id, "run": run.id, "step": run.cursor} if run else {}
        return self.keep(now, "note", **more, text=clean(text, 1000))

    def seen(self, now: Now, event: str, site: str = "", text: str = "", since: str = "") -> Line:
        """A person has seen something that a procedure is for, and says so; `since`: said first in a period before."""
        if event not in EVENTS:
            raise Refused(_("{event} is not known; known are {events}").format(event=clean(event, 40),
                          events=", ".join(EVENTS)))  # fmt: skip
        self._open(now)
        return self.keep(now, "seen", event=event, site=clean(site, 40), text=clean(text, 500),
                         **({"since": since} if since else {}))  # fmt: skip

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
        line = self.keep(now, "handed_over", to=role_known(to_role), text=clean(text, 1000))
        self.role = to_role
        return line

    def transcribe(
        self, now: Now, occurred: float, recorded: float, *, run_id: str = "", procedure: Procedure | None = None,
        sheet: Sheet | None = None, step: str = "", name: str = "", value: str = "", unit: str = "", text: str = "",
        asset: str = "",
    ) -> Line:  # fmt: skip
        """Enter a line of a paper log afterwards, with its three times: when it was so, when it was written, now.

        `occurred`, `recorded` since 1970 [s]. With a run, or a procedure and the sheet, a reading of that name is
        checked against its limits, at the `asset` it was taken at.
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
            asset = asset_named(asset, asked_at(procedure.id, found, reading, sheet), sheet) if asset else ""
            (value, within), unit = checked(reading, value, sheet, asset), reading.unit
            tag = tag_of(procedure.id, step, found.readings.index(reading), sheet, asset)
        elif not clean(value) and not clean(text):
            raise Refused(_("a line from paper says something"))
        more = {**({"run": run.id} if run else {}), **({"tag": tag} if tag else {}),
                **({"asset": clean(asset, 20)} if asset else {})}  # fmt: skip
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
        return self.keep(now, "drill_record", station=clean(station, 40), scenario=clean(scenario, 300),
                         procedures=list(content) if procedures is None else procedures,
                         minutes=None if spent is None else round(spent, 1), gaps=kept[:200],
                         next_due=next_due or a_year_after(now.wall_s), content=content,
                         **({"no_step_done": True} if period.idle() else {}))  # fmt: skip

    def hand_back(self, now: Now, text: str = "", second_role: str = "", unmet: list[str] | None = None,
                  role: str = "") -> Line:  # fmt: skip
        """The plant is back in automation, says somebody in that `role` (else: of who sits here): the period ends.

        Conditions that are not met need a reason, and are kept. What was seen and is not over goes on in a round.
        """
        if not self.join().period().declared:
            raise Refused(_("CONTROL LOST was not declared; x leaves"))
        if unmet and not clean(text):
            raise Refused(_("a condition is not met: hand back with a reason only"))
        second = second_role and role_known(second_role, RELEASERS)
        going_on = () if self.drill else self.period().events
        line = self.keep(now, "handed_back", role=role or self.role, text=clean(text, 500), second_role=second,
                         unmet=[clean(one, 300) for one in unmet or []])  # fmt: skip
        self.shown, self.shown_in = None, ""
        for one in going_on:
            self.seen(now, one.event, one.site, one.text, one.since)
        return line

    def close(self, now: Now, text: str = "") -> Line:
        """End a journal that was never a period of CONTROL LOST (a round while blind)."""
        return self.keep(now, "closed", text=clean(text, 500))


def desk(folder: Path | None, now: Now, role: str, drill: bool) -> Desk:
    """The desk of the period (or drill) that is open, or of a new one whose file begins with its first act."""
    found = open_periods(folder, drill)
    return Desk(Journal(folder, found[0].name if found else UNNAMED), role, drill)
