"""The acts of a person on a run: each is checked against the state, then kept, and only then counts.

What may not be done now is Refused in words that say what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fallback_procedures.ahead import Passed, passed, waits
from fallback_procedures.journal import Line, alone
from fallback_procedures.judging import ways_out
from fallback_procedures.library import content_hash
from fallback_procedures.limits import asked_at, assets, bounds, missing_safety
from fallback_procedures.open_period import OpenPeriod, Refused
from fallback_procedures.procedure import Procedure, Reading, Step
from fallback_procedures.run import Period, Run, Taken, where_lost
from fallback_procedures.sheet import OTHER, Sheet, labels, others, span_s, tag_of, used
from fallback_procedures.view import value_text
from fallback_procedures.words import RELEASERS, ROLES, _, clean, decimal_of, role_text

if TYPE_CHECKING:
    from fallback_procedures.triggers import Now

STANDS_IN = {"shift_lead": "duty_manager"}  # who releases where the role that a HOLD names cannot be reached

# units whose zero is agreed on or that have a direction: warmth, heights, gauge pressure, flow, potential, power
BELOW_ZERO = ("°C", "°F", "m", "cm", "mm", "km", "ft", "bar", "mbar", "kPa", "Pa", "psi", "m3/h", "m3/d", "l/s",
              "l/min", "l/h", "gpm", "MGD", "m/s", "m/s2", "mV", "kW", "MW", "kvar", "PF", "dB", "dB(A)")  # fmt: skip


class RunDesk(OpenPeriod):
    """Where a person works at runs: start, readings, marks, releases, repeats, end."""

    def start(self, now: Now, procedure: Procedure, sheet: Sheet, site: str = "") -> str:
        """Begin a run and return its id. Refused where it would be dangerous outside a drill."""
        why = "" if self.drill else cannot_start(procedure, sheet, self.join().period(), site)
        if why:
            raise Refused(why)
        self._open(now)
        with alone(self.journal.folder):  # two that begin one procedure at the same moment have a run each
            runs = self.period().runs
            run = next(name for n in range(1, len(runs) + 2) for name in [f"{procedure.id}-{n}"] if name not in runs)
            self.keep(now, "started", procedure=procedure.id, revision=procedure.revision, run=run, site=site,
                      language=procedure.language, status=procedure.status, source=procedure.source,
                      sha256=content_hash(procedure, sheet), values=used(procedure, sheet),
                      tags=_tags(procedure, sheet), sheet_approved_by=sheet.approved_by)  # fmt: skip
        return run

    def _at(self, run_id: str) -> tuple[Run, Step]:
        run = self._run(run_id)
        step = run.step
        if step is None:
            raise Refused(_("behind the last step: f ends the run, r repeats, g goes to a step"))
        role = run.waiting_for()
        if role:
            raise Refused(_("HOLD: {role} must release step {n} first").format(role=role_text(role), n=run.held_at()))
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

        Refused while a reading is open; where one lies outside its limits, or the timer has not run out, without a
        reason; none is needed where the page sends to `goto` because of that reading.
        """
        run = self.ready(run_id)
        more: dict[str, Any] = {"goto": goto} if goto else {}
        if goto in ways_out(run):
            return self.keep(now, "done", procedure=run.procedure.id, run=run.id, step=run.cursor, **more,
                             out_of_limits=True)  # fmt: skip
        wait = waits(run, now)
        if (run.out_of_limits() or wait) and not clean(reason):
            why = _("OUT OF LIMITS: done with a reason only; g goes to another step")
            raise Refused(why if run.out_of_limits() else wait + "; " + _("done with a reason only"))
        if run.out_of_limits():
            more["text"] = clean(reason, 500)
        if wait:
            more["early"] = clean(reason, 500)
        return self.keep(now, "done", procedure=run.procedure.id, run=run.id, step=run.cursor, **more)

    def not_applicable(self, now: Now, run_id: str, reason: str) -> Line:
        """Leave the step at hand out, with a reason."""
        run, step = self._at(run_id)
        if not clean(reason):
            raise Refused(_("a step is left out with a reason only"))
        return self.keep(now, "not_applicable", procedure=run.procedure.id, run=run.id, step=step.number,
                         text=clean(reason, 500))  # fmt: skip

    def not_met(self, now: Now, run_id: str, all_the_same: bool = False) -> Line:
        """The condition of a step with IF is not met: go on. What a HOLD holds is then not done, so it stays held.

        Refused where something was read at this step since it was reached, unless a person says it `all_the_same`.
        """
        run = self._run(run_id)
        step = run.step
        if step is None or step.branch is None or step.branch.word != "IF":
            raise Refused(_("this step has no IF"))
        if taken_here(run) and not all_the_same:
            raise Refused(_("read at this step: {readings}; u takes it back").format(readings=taken_here(run)))
        return self.keep(now, "not_met", procedure=run.procedure.id, run=run.id, step=step.number)

    def verify(self, now: Now, run_id: str, role: str) -> Line:
        """A second person, of any role, has verified the step at hand alone: after its readings, before it is done."""
        run, step = self._at(run_id)
        if not run.needs_verifying():
            raise Refused(_("there is nothing to verify here"))
        if run.open_readings():
            raise Refused(_("first the reading: {name}").format(name=run.open_readings()[0].name))
        return self.keep(now, "verified", procedure=run.procedure.id, run=run.id, step=step.number,
                         verified_by=role_known(role, RELEASERS))  # fmt: skip

    def read(self, now: Now, run_id: str, value: str, name: str = "", asset: str = "") -> Taken:
        """Take the next open reading of the step at hand, or that of `name`. Both "2.31" and "2,31" are understood.

        `asset`: where it was taken. Without it, where the limits of several differ, the tightest hold.
        """
        run, step = self._at(run_id)
        self._run(run_id, "reading", name)
        wanted = [one for one in step.readings if one.name == name] if name else list(run.open_readings())
        if not wanted:
            wanted = [one for one in step.readings if not name][-1:]
        if not wanted:
            raise Refused(_("this step has no reading"))
        reading = wanted[0]
        asset = asset_named(asset, asked_at(run.procedure.id, step, reading, run.sheet), run.sheet) if asset else ""
        text, within = checked(reading, value, run.sheet, asset)
        band = bounds(reading, run.sheet, asset)
        tag = tag_of(run.procedure.id, step.number, step.readings.index(reading), run.sheet, asset)
        more = {**({"tag": tag} if tag else {}), **({"asset": asset} if asset else {})}
        origin = "tightest" if assets(reading, run.sheet) and not asset else band.origin
        line = self.keep(now, "reading", procedure=run.procedure.id, run=run.id, step=step.number, name=reading.name,
                         value=text, unit=reading.unit, limits=[band.low or None, band.high or None],
                         limits_from=origin if reading.has_band else None, in_limits=within,
                         **more)  # fmt: skip
        return Taken(reading.name, text, reading.unit, within, str(line["at"]), step.number, line.mark, asset)

    def release(self, now: Now, run_id: str, role: str) -> Line:
        """Release the HOLD before the step at hand; the role it names does so, or who stands in for that role."""
        run = self._run(run_id)
        asked = run.waiting_for()
        if asked is None:
            raise Refused(_("nothing is held here"))
        if role not in (asked, STANDS_IN.get(asked)):
            raise Refused(_("only {role} releases this step").format(role=role_text(asked)))
        return self.keep(now, "released", procedure=run.procedure.id, run=run.id, step=run.held_at(), released_by=role)

    def passed_by(self, now: Now, run_id: str, number: str) -> list[Passed]:
        """What a person would pass by who goes on at that step; Refused where there is none."""
        run = self._run(run_id)
        if run.procedure.step(number) is None:
            raise Refused(_("there is no step {n}").format(n=clean(number, 10)))
        return passed(run, number, now)

    def go_to(self, now: Now, run_id: str, number: str, reason: str = "") -> Line:
        """Go on at another step, as a GO TO in the text or a person says.

        Ahead past an open HOLD, second person, limit or timer that the page itself does not send past: with a reason.
        """
        open_ones, run = self.passed_by(now, run_id, number), self._run(run_id)
        more: dict[str, Any] = {}
        if open_ones:
            if not clean(reason):
                told = "; ".join(one.text for one in open_ones)
                raise Refused(_("past this only with a reason: {what}").format(what=told))
            more = {"text": clean(reason, 500), "from": run.cursor,
                    "passed": [{"what": one.what, "step": one.step} for one in open_ones]}  # fmt: skip
        return self.keep(now, "goto", procedure=run.procedure.id, run=run.id, step=number, **more)

    def again(self, now: Now, run_id: str, index: int = 0) -> Line:
        """Begin the next round of a REPEAT."""
        return self._repeat(now, "round", run_id, index)

    def until_met(self, now: Now, run_id: str, index: int = 0, reason: str = "") -> Line:
        """What ends a REPEAT has come: it falls due no more, until another round of it is begun.

        Refused before its first round is done, without a reason.
        """
        run = self._run(run_id)
        if not 0 <= index < len(run.procedure.repeats) or run.round_done(index):
            return self._repeat(now, "repeat_over", run_id, index)
        if not clean(reason):
            raise Refused(_("no round of it is done yet: ended with a reason only"))
        first = run.procedure.repeats[index].first
        return self._repeat(now, "repeat_over", run_id, index, text=clean(reason, 500),
                            passed=[{"what": "first_round", "step": first}])  # fmt: skip

    def _repeat(self, now: Now, kind: str, run_id: str, index: int, **more: object) -> Line:
        run = self._run(run_id)
        if not 0 <= index < len(run.procedure.repeats):
            raise Refused(_("nothing is to be repeated here"))
        repeat = run.procedure.repeats[index]
        open_ones = passed(run, repeat.first, now) if kind == "round" else []
        if open_ones:
            told = "; ".join(one.text for one in open_ones)
            raise Refused(_("past this only with a reason (g): {what}").format(what=told))
        return self.keep(now, kind, procedure=run.procedure.id, run=run.id, step=repeat.first, repeat=index,
                         **more)  # fmt: skip

    def timer(self, now: Now, run_id: str) -> Line:
        """Start the timer of the step at hand."""
        run, step = self._at(run_id)
        if not step.timer or span_s(step.timer, run.sheet) is None:
            raise Refused(_("this step has no timer, or its time is a site value that is missing"))
        return self.keep(now, "timer", procedure=run.procedure.id, run=run.id, step=step.number)

    def finish(self, now: Now, run_id: str) -> Line:
        """End a run."""
        run = self._run(run_id)
        return self.keep(now, "finished", procedure=run.procedure.id, run=run.id, left=run.left())


def role_known(role: str, known: tuple[str, ...] = ROLES) -> str:
    """A role that there is; Refused for another one."""
    if role not in known:
        raise Refused(_("nothing was done: a role is needed"))
    return role


def taken_here(run: Run) -> str:
    """What was read at the step at hand since it was reached, but for a "no"; "" for nothing."""
    newest = {(one.name, one.asset): one for one in run.readings if one.mark in run.fresh and one.value != "no"}
    return ", ".join(f"{one.name} {value_text(one)}" for one in newest.values())


def _tags(procedure: Procedure, sheet: Sheet) -> dict[str, str]:
    """The rows of a sheet that name the tags of this procedure's readings."""
    start = f"tag_{procedure.id.replace('-', '').lower()}_"
    return {name: value for name, value in sheet.values.items() if name.startswith(start)}


def asset_named(text: str, known: Sequence[str], sheet: Sheet) -> str:
    """The asset that a person means: one of `known` by its number or name, OTHER by 0, or a label of the plant.

    Where none is known any short name is taken; Refused for what could be a slip of the hand.
    """
    typed = clean(text, 20)
    if known and typed.casefold() in ("0", OTHER) and others(known, sheet):
        return OTHER
    if typed.isdecimal() and 0 < int(typed) <= len(known):
        return known[int(typed) - 1]
    for one in (*known, *labels(sheet)):
        if one.casefold() == typed.casefold():
            return one
    if known or not re.fullmatch(r"\w[\w./-]*", typed):
        raise Refused(_("{asset} is not known here; known are {known}").format(
            asset=typed or "?", known=", ".join(known) or "-"))  # fmt: skip
    return typed.upper()


def checked(reading: Reading, value: str, sheet: Sheet, asset: str = "") -> tuple[str, bool | None]:
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
        if not (hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
            raise Refused(_("{name}: a time as 14:05").format(name=reading.name))
        return f"{int(hour):02d}:{minute}", None
    number = decimal_of(value)
    if number is None:
        raise Refused(_("{name}: a number in {unit}, as 2.31 or 2,31").format(name=reading.name, unit=reading.unit))
    within = bounds(reading, sheet, asset).holds(number) if reading.limited else None
    within = False if reading.has_band and below_zero(reading, number, sheet, asset) else within
    return value.strip().lstrip("+").replace(",", "."), within


def below_zero(reading: Reading, number: Decimal, sheet: Sheet, asset: str = "") -> bool:
    """Whether a value is negative where nothing is: no limit of it is, and its unit knows nothing below zero."""
    band = bounds(reading, sheet, asset)
    ends = [decimal_of(end) for end in (band.low, band.high)]
    return number < 0 and reading.unit not in BELOW_ZERO and not any(end is not None and end < 0 for end in ends)


def cannot_start(procedure: Procedure, sheet: Sheet, period: Period, site: str = "") -> str:
    """Why a real run may not begin; "" if it may. A drill may always begin."""
    if procedure.unreviewed_translation and procedure.doubt:
        return _("no real run: {why}; L changes the language").format(why=procedure.doubt)
    if procedure.unreviewed_translation:
        return _("this translation is not yet reviewed: drill only; L changes to English for a real run")
    missing = missing_safety(procedure, sheet)
    if missing:
        told = _("SITE VALUE MISSING - DO NOT USE") + f": {', '.join(missing)}. " + _("Without it: drill only.")
        return f"{told} {sheet.doubt}".strip()
    if not procedure.moves_the_plant:
        return ""
    if not period.declared:
        return _("first a person must declare CONTROL LOST (c)")
    somewhere = not site and any(one.site or one.site_type for one in procedure.applies)
    if not period.lost_at(site) or (somewhere and period.sites):
        return _("CONTROL LOST is declared for {where} only, not for {site}: automation may still run there. First a "
                 "person must declare it there (c)").format(where=where_lost(period), site=site or "?")  # fmt: skip
    return ""
