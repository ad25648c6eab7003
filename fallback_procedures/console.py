"""The manual line by line, for anything that has a keyboard: a dumb terminal, a serial line, a broken screen.

It says one thing after the other and never moves the cursor; every key is a letter and Enter, the same in all
languages."""

from __future__ import annotations

from dataclasses import dataclass

from fallback_procedures.desk import Desk, Refused, desk
from fallback_procedures.library import Library
from fallback_procedures.place import Look, Place, look, no_drill_now, notes_at_start, site_named, sites_to_ask
from fallback_procedures.run import Run
from fallback_procedures.sheet import missing_safety
from fallback_procedures.terminal import Gone, Terminal, table
from fallback_procedures.triggers import last_known, moment
from fallback_procedures.view import (
    document_lines,
    due_text,
    judged,
    key_lines,
    mark_of,
    mode_lines,
    offer_lines,
    out_lines,
    rule_line,
    run_title,
    spoken,
    step_lines,
    unit_text,
    why_line,
)
from fallback_procedures.words import RELEASERS, ROLES, _, clean, decimal_of, language, role_text


@dataclass
class Console:
    """One person at one terminal."""

    place: Place
    library: Library
    desk: Desk
    terminal: Terminal

    def look(self) -> Look:
        return look(self.place, self.library, self.desk, language())

    def work(self) -> int:
        """Until the person leaves or the terminal is gone; what was recorded stays recorded either way."""
        say = self.terminal.say
        say(_("handwheel manual - line by line. ? helps, q leaves."))
        for note in notes_at_start(self.place, self.library, self.desk.drill):
            say(f"! {note}")
        try:
            runs = self.look().period.open_runs()
            if runs:
                say(_("Resumed: {runs}").format(runs=", ".join(run.id for run in runs)))
            while self.overview():
                pass
        except Gone:
            return 0
        return 0

    # -- the list ---

    def overview(self) -> bool:
        """The situation and what applies; one command. False when the person leaves."""
        seen, width = self.look(), self.terminal.width
        lines = ["", *mode_lines(seen, width), why_line(seen), rule_line(seen, width)]
        chosen: list[tuple[str, str]] = []
        for run in seen.period.open_runs():
            chosen.append(("run", run.id))
            lines += [f"{len(chosen):>2} " + line for line in run_title(run, width - 3)[:1]]
        lines.append(_("PROCEDURES THAT APPLY"))
        for name, site, shown in offer_lines(seen, self.library, language(), width - 3):
            chosen.append((name, site))
            lines += [f"{len(chosen):>2} {shown[0]}", *("   " + line for line in shown[1:])]
        if not seen.offers:
            lines.append(
                "   "
                + (
                    _("cannot tell; all procedures follow, by consequence")
                    if seen.known.word == "unknown"
                    else _("none")
                )
            )
        if seen.known.word == "unknown" and not seen.period.declared:
            for name in self.library.ids():
                entry = self.library.get(name, language())
                if entry:
                    chosen.append((name, ""))
                    lines.append(f"{len(chosen):>2} {name}  {entry.title}")
        due = due_text(seen)
        lines += [rule_line(seen, width)] + ([due] if due else []) + ([self.saved()] if seen.period.entries else [])
        self.terminal.say(*lines)
        declare = "" if seen.period.declared else _("c CONTROL LOST") + "  "
        back = _("h HAND BACK") + "  " if seen.period.declared else ""
        drill = "" if self.desk.drill or seen.period.entries else _("D drill") + "  "
        keys = _("number or id opens  a all  k last known  l note  b binder  ? help  q leave")
        self.terminal.say(*key_lines(f"{declare}{back}{drill}{keys}", width))
        answer = self.terminal.ask(_("DRILL") + " >" if self.desk.drill else ">", lambda: due_text(self.look()))
        return self.obey(answer, chosen, seen)

    def obey(self, answer: str, chosen: list[tuple[str, str]], seen: Look) -> bool:
        word, _space, rest = answer.partition(" ")
        low = word.lower()
        try:
            if low == "q":
                return self.leave(seen)
            if low == "c":
                self.declare(rest)
            elif low == "h":
                self.hand_back(seen)
            elif low == "d":
                self.begin_drill()
            elif low == "a":
                self.all()
            elif low == "k":
                self.show_last_known(seen)
            elif low == "l":
                self.desk.note(moment(), rest or self.terminal.ask(_("note:")))
            elif low == "b":
                self.show_binder()
            elif low == "?":
                self.help()
            elif low.isdigit() and 0 < int(low) <= len(chosen):
                first, second = chosen[int(low) - 1]
                if first == "run":
                    self.run(second)
                else:
                    self.open(first, second)
            elif word.upper() in seen.period.runs:
                self.run(word.upper())
            elif word.upper() in {key[0] for key in self.library.entries}:
                self.open(word.upper(), rest.strip())
            elif word:
                self.terminal.say(_("{word}: not known; ? helps").format(word=clean(word, 20)))
        except Refused as fault:
            self.terminal.say(f"! {fault}")
        return True

    def leave(self, seen: Look) -> bool:
        if seen.period.declared and not seen.period.ended:
            self.terminal.say(_("The period stays open; start handwheel-manual again to go on."))
        elif seen.period.entries and not seen.period.open_runs() and not seen.period.ended:
            self.desk.close(moment())
        return False

    def saved(self) -> str:
        journal = self.desk.journal
        where = journal.where or str(journal.path)
        return _("kept in {where}").format(where=where) if journal.safe else f"! {where}"

    def all(self) -> None:
        rows = []
        for name in [*self.library.ids(), *self.library.ids("F")]:
            entry = self.library.get(name, language())
            if entry is None:
                continue
            revision = entry.procedure.revision if entry.procedure else _("FAULTY")
            state = "" if entry.procedure and entry.procedure.approved else _("DRAFT")
            rows.append(
                (name, revision, entry.title + ("" if entry.language == language() else f" [{entry.language}]"), state)
            )
        self.terminal.say(*table(rows, (4, 7, 50, 8)))

    def show_last_known(self, seen: Look) -> None:
        self.terminal.say(_("LAST KNOWN VALUES - not live"), seen.known.text)
        rows = last_known(self.place.manual, seen.status, seen.now)
        self.terminal.say(*table(rows, (28, 16, 10, 24)) or [_("none")])

    def show_binder(self) -> None:
        from fallback_procedures.binder import status_lines

        self.terminal.say(*status_lines(self.place, self.library))

    def help(self) -> None:
        self.terminal.say(
            _(
                "c  a person declares CONTROL LOST. A dark handwheel alone is BLIND: "
                "automation is probably still running."
            ),
            _("D  in the list: an exercise (DRILL), while no real period is open; every screen and entry says so."),
            _(
                "In a run: d done, v VALUE reading, n REASON not applicable, g STEP go to, r repeat, t timer, "
                "o release a HOLD,"
            ),
            _("u undo, l TEXT note, w whole procedure, p print, f end the run, x back to the list."),
            _("Every entry is on disk before it is shown. Roles are stored, names are not; initials stay on paper."),
            _("Without this program: the printed binder. Without it: the text files beside this program (library/)."),
        )

    # -- acts ---

    def role(self, question: str, known: tuple[str, ...] = ROLES) -> str:
        roles = " ".join(f"{index}={role_text(role)}" for index, role in enumerate(known, 1))
        answer = self.terminal.ask(f"{question} {roles}:")
        if answer.isdigit() and 0 < int(answer) <= len(known):
            return known[int(answer) - 1]
        if answer in known:
            return answer
        raise Refused(_("nothing was done: a role is needed"))

    def declare(self, reason: str) -> None:
        say, ask = self.terminal.say, self.terminal.ask
        say(_("CONTROL LOST means: panel, SCADA and telephone agree that automation does not control the plant."))
        self.desk.role = self.role(_("Who judges so?"))
        reason = reason or ask(_("Why (one sentence):"))
        typed = ask(_("Sites, with spaces between; Enter for all:")).split()
        sites = tuple(site_named(part, self.look().known) for part in typed)
        if ask(_("Write LOST to declare it, anything else goes back:")) != "LOST":
            raise Refused(_("nothing was declared"))
        self.desk.declare(moment(), reason, sites)
        say(_("CONTROL LOST is declared."), self.saved())

    def hand_back(self, seen: Look) -> None:
        for run in seen.period.runs.values():
            self.terminal.say(f"{run.id}: {spoken(run.procedure.hand_back, run.sheet)}")
        role = self.role(_("Who hands back?"))
        if self.terminal.ask(_("Write AUTO when every asset is back in automatic:")) != "AUTO":
            raise Refused(_("nothing was handed back"))
        self.desk.role = role
        self.desk.hand_back(moment())
        self.terminal.say(_("Handed back. The period has ended."), self.saved())
        self.desk = desk(self.place.journal, moment(), role, self.desk.drill)

    def begin_drill(self) -> None:
        """From here on an exercise, asked once."""
        no_drill_now(self.look())
        if self.terminal.ask(_("Write DRILL to begin an exercise, anything else goes back:")) != "DRILL":
            raise Refused(_("nothing was done"))
        no_drill_now(self.look())
        self.desk = desk(self.place.journal, moment(), self.desk.role, True)
        self.terminal.say(_("DRILL: nothing here is real; q leaves the drill."))

    def open(self, name: str, site: str) -> None:
        """Show a procedure or form; start or print it."""
        entry = self.library.get(name, language())
        if entry is None:
            raise Refused(_("there is no {id}").format(id=name))
        if entry.procedure is None:
            faults = ["! " + _("line {n}: {text}").format(n=fault.line, text=fault.text) for fault in entry.faults[:5]]
            self.terminal.say(_("This file has faults and cannot be run; it is shown as it is:"), *faults)
            self.terminal.say(*(clean(line, 100) for line in entry.text.splitlines()[:300]))
            return
        sites = sites_to_ask(self.library, self.look().known, name)
        if not site and len(sites) == 1:
            site = sites[0]
        elif not site:
            site = self.terminal.ask(_("Which site ({sites})?").format(sites=" ".join(sites)))
        site = site_named(site, self.look().known)
        sheet = self.library.sheet(site)
        self.terminal.say(*document_lines(entry.procedure, sheet, self.terminal.width, language()))
        start = "s " + (_("start drill") if self.desk.drill else _("start")) + "  " if entry.procedure.steps else ""
        answer = self.terminal.ask(start + _("p print  Enter back") + " >").lower()
        if answer == "p":
            self.print(name, site)
        elif answer == "s" and entry.procedure.steps:
            missing = missing_safety(entry.procedure, sheet)
            if missing and self.desk.drill:
                self.terminal.say("! " + _("SITE VALUE MISSING - DO NOT USE") + " - " + _("DRILL"))
            self.run(self.desk.start(moment(), entry.procedure, sheet, site))

    def print(self, name: str, site: str) -> None:
        from fallback_procedures.binder import print_one

        self.terminal.say(*print_one(self.place, self.library, name, site, language()))

    # -- a run ---

    def run(self, run_id: str) -> None:
        """Step by step, until the person goes back to the list or the run ends."""
        while True:
            seen = self.look()
            run = seen.period.runs.get(run_id)
            if run is None or run.finished:
                return
            self.terminal.say("", *mode_lines(seen, self.terminal.width), *run_title(run, self.terminal.width))
            step = run.step
            if step is not None:
                self.terminal.say(*step_lines(step, run.sheet, self.terminal.width, ">[ ]", run))
            else:
                self.terminal.say(_("All steps are marked. f ends the run, r repeats."))
            due = due_text(seen)
            self.terminal.say(*([due] if due else []), self.saved())
            try:
                answer = self.terminal.ask(self.prompt(run), lambda: due_text(self.look()))
                if not self.step_command(run, answer):
                    return
            except Refused as fault:
                self.terminal.say(f"! {fault}")

    def prompt(self, run: Run) -> str:
        """The keys that do something now are told; what stands before the cursor is what is asked."""
        if run.waiting_for():
            keys, asked = _("o release  g step  u undo  l note  w whole  x list  ? help"), ""
        elif run.open_readings():
            reading = run.open_readings()[0]
            keys, asked = (
                _("value, or n REASON  g STEP  u undo  l note  w whole  x list  ? help"),
                f"{reading.name} [{unit_text(reading.unit)}]",
            )
        else:
            keys, asked = (
                _("d done  n not applicable  g step  u undo  r repeat  l note  w whole  f end  x list  ? help"),
                "",
            )
        self.terminal.say(*key_lines(keys, self.terminal.width))
        drill = _("DRILL") if self.desk.drill else ""
        return f"{drill} {asked} >".strip()

    def step_command(self, run: Run, answer: str) -> bool:
        """One command in a run; False goes back to the list."""
        word, _space, rest = answer.partition(" ")
        rest, low, now, here = rest.strip(), word.lower(), moment(), self.desk
        waiting = run.open_readings()
        answers = ("y", "j", "o", "n", "yes", "ja", "oui", "no", "nein", "non") if not run.waiting_for() else ()
        asked = waiting[0].unit if waiting else ""
        if asked and (
            decimal_of(answer) is not None or ":" in word or (asked == "yes/no" and answer.lower() in answers)
        ):
            low, rest = "v", answer
        if low == "v":
            value = rest or self.terminal.ask(_("value:"))
            taken = here.read(now, run.id, value)
            after = here.period().runs[run.id]
            self.terminal.say(*judged(taken, after))
        elif low == "d":
            lines = out_lines(run)
            self.terminal.say(*lines)
            if lines and not rest:
                rest = self.terminal.ask(_("Why is the step done all the same?"))
            here.done(now, run.id, rest)
        elif low == "n":
            here.not_applicable(now, run.id, rest or self.terminal.ask(_("reason:")))
        elif low == "g":
            here.go_to(now, run.id, rest or self.terminal.ask(_("step:")))
        elif low == "r":
            here.again(now, run.id, self.which_repeat(run))
        elif low == "t":
            here.timer(now, run.id)
        elif low == "o":
            here.release(now, run.id, self.role(_("Who releases?"), RELEASERS))
        elif low == "u":
            here.undo(now, run.id)
        elif low == "l":
            here.note(now, rest or self.terminal.ask(_("note:")), run.id)
        elif low == "w":
            for step in run.procedure.steps:
                self.terminal.say(*step_lines(step, run.sheet, self.terminal.width, mark_of(run, step.number), run))
        elif low == "p":
            self.print(run.procedure.id, run.site)
        elif low == "f":
            return self.finish(run)
        elif low == "?":
            self.help()
        elif low in ("x", "q"):
            return False
        elif word:
            self.terminal.say(_("{word}: not known; ? helps").format(word=clean(word, 20)))
        return True

    def which_repeat(self, run: Run) -> int:
        if len(run.procedure.repeats) < 2:
            return 0
        answer = self.terminal.ask(_("which repeat (1 to {n})?").format(n=len(run.procedure.repeats)))
        return int(answer) - 1 if answer.isdigit() else -1

    def finish(self, run: Run) -> bool:
        left = [step.number for step in run.procedure.steps if step.number not in run.marks]
        if left and self.terminal.ask(
            _("Steps {steps} are not marked. y ends the run all the same:").format(steps=", ".join(left))
        ).lower() not in ("y", "j", "o"):
            return True
        self.desk.finish(moment(), run.id)
        return False
