"""The manual as a full screen: the same words as the console, with the procedures beside the steps where there is room.

Textual is loaded here and nowhere else. Every line comes from view.py, so that what is shown in the night on a serial
line and what is shown here are the same; keys are single letters, the same in all languages.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.events import Key, Paste, Resize
from textual.widgets import Static

from fallback_procedures.desk import Refused, desk
from fallback_procedures.library import load
from fallback_procedures.place import Look, Place, look, no_drill_now, notes_at_start, site_named, sites_to_ask
from fallback_procedures.run import Run
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
from fallback_procedures.words import RELEASERS, ROLES, _, clean, language, role_text, wrapped

Answer = Callable[[str], None]
LEFT = 34  # columns of the list where two panes fit


class Question:
    """One line asked at the foot of the screen, and what to do with the answer."""

    def __init__(self, prompt: str, then: Answer) -> None:
        self.prompt, self.then, self.text = prompt, then, ""


class ManualScreen(App[int]):
    """List of what applies, the run at hand, what falls due. One pane on 80 columns, two from 100."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: #1c1c1c; color: #d0d0d0; layout: vertical; }
    #head { height: auto; text-style: bold; }
    #head.manual { background: #e69f00; color: #000000; }
    #body { height: 1fr; }
    #foot { height: auto; color: #b0b0b0; }
    """
    BINDINGS = [Binding("ctrl+q", "noop", show=False), Binding("ctrl+c", "noop", show=False)]

    def __init__(self, place: Place, wanted: str, role: str, drill: bool) -> None:
        super().__init__()
        self.place, self.desk = place, desk(place.journal, moment(), role, drill)
        self.stock = load(place.manual, (wanted,))
        self.run_id = ""  # the run at hand
        self.page: list[str] | None = None  # a text over the body: help, a whole procedure, last known values
        self.opened: tuple[str, str] | None = None  # the procedure shown, with its site
        self.top = 0
        self.chosen: list[tuple[str, str]] = []
        self.said = "  ".join(notes_at_start(place, self.stock, drill)[:2]) or _("? helps, q leaves")
        self.question: Question | None = None
        self.told: dict[str, str] = {}  # what each part shows
        self.seen = self.look()
        open_runs = self.seen.period.open_runs()
        if open_runs:
            self.run_id = open_runs[-1].id
            self.said = _("Resumed: {runs}").format(runs=", ".join(run.id for run in open_runs))

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="body", markup=False)
        yield Static(id="foot", markup=False)

    def on_mount(self) -> None:
        self.theme = "ansi-dark" if "ansi-dark" in self.available_themes and self.console.no_color else self.theme
        self.set_interval(1.0, self.draw)
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signal_number, self.exit, 0)  # the terminal is left as it was found
        self.draw()

    def on_resize(self, _event: Resize) -> None:
        self.draw()

    def look(self) -> Look:
        return look(self.place, self.stock, self.desk, language())

    def action_noop(self) -> None:
        """The keys that would end the program by accident do nothing."""

    # -- drawing ---

    def draw(self) -> None:
        """Read everything anew and show it."""
        self.seen = self.look()
        width = max(self.size.width, 40)
        head = [*mode_lines(self.seen, width), *wrapped(_("WHY") + "  " + why_line(self.seen), width)]
        foot = self.foot_lines(width)
        room = max(self.size.height - len(head) - len(foot), 3)
        self.query_one("#head", Static).set_class(self.seen.period.declared, "manual")
        self.tell("#head", head)
        self.tell("#body", self.body_lines(width, room))
        self.tell("#foot", foot)

    def tell(self, where: str, lines: list[str]) -> None:
        """Give a part of the screen its lines; what has not changed is not sent down a slow line again."""
        text = "\n".join(lines)
        if self.told.get(where) != text:
            self.told[where] = text
            self.query_one(where, Static).update(text)

    def body_lines(self, width: int, room: int) -> list[str]:
        """What stands between head and foot: a text, or list and run."""
        rule = rule_line(self.seen, width)
        if self.page is not None:
            self.top = max(0, min(self.top, len(self.page) - (room - 1)))
            return [rule, *self.page[self.top : self.top + room - 1]]
        run = self.seen.period.runs.get(self.run_id)
        if width < 100:
            listed = self.list_lines(width)
            return [rule, *(self.run_lines(run, width, room - 1) if run else listed[: room - 1])]
        left = self.list_lines(LEFT - 2)
        right = self.run_lines(run, width - LEFT - 1, room - 1) if run else [_("Open a procedure with its number.")]
        rows = max(len(left), len(right), 1)
        left, right = (part + [""] * (rows - len(part)) for part in (left, right))
        return [rule, *(f"{a[: LEFT - 2]:<{LEFT - 2}} | {b}" for a, b in list(zip(left, right))[: room - 1])]

    def list_lines(self, width: int) -> list[str]:
        """Runs, procedures that apply with their reason, and the last known values."""
        self.chosen = []
        lines = []
        for run in self.seen.period.open_runs():
            self.chosen.append(("run", run.id))
            mark = ">" if run.id == self.run_id else " "
            at = f"{run.cursor or '-'}/{run.procedure.steps[-1].number}"
            lines += [f"{mark}{len(self.chosen)} {run.id} {run.site} {at} {run.procedure.title}"[:width]]
        lines.append(_("PROCEDURES THAT APPLY"))
        for name, site, shown in offer_lines(self.seen, self.stock, language(), width - 3):
            self.chosen.append((name, site))
            lines += [f"{len(self.chosen):>2} {shown[0]}", *("   " + line for line in shown[1:])]
        if not self.seen.offers:
            unknown = self.seen.known.word == "unknown"
            lines += wrapped(_("cannot tell; a lists all, by consequence") if unknown else _("none"), width, " ", " ")
        if not self.run_id or width < LEFT:
            rows = last_known(self.place.manual, self.seen.status, self.seen.now)[:8]
            lines += ["", _("LAST KNOWN VALUES - not live")] if rows else []
            lines += [f" {tag[: width - 24]} {value} {age}"[:width] for tag, value, _quality, age in rows]
        return lines

    def run_lines(self, run: Run | None, width: int, room: int) -> list[str]:
        """The steps of a run, those around the one at hand, so that it is always seen whole."""
        if run is None:
            return []
        head = run_title(run, width)
        blocks = []
        for step in run.procedure.steps:
            here = step.number == run.cursor
            mark = (">" if here else " ") + mark_of(run, step.number)
            whole = step_lines(step, run.sheet, width, mark, run)
            blocks.append((here, whole if here or not run.cursor else whole_or_short(whole, step.number, run, width)))
        at = next((index for index, (here, _lines) in enumerate(blocks) if here), len(blocks) - 1)
        first, left = at, room - len(head) - len(blocks[at][1])
        while first > 0 and at - first < 3 and left - len(blocks[first - 1][1]) >= 0:
            first -= 1
            left -= len(blocks[first][1])
        body = [line for _here, lines in blocks[first:] for line in lines]
        return [*head, *body][:room]

    def foot_lines(self, width: int) -> list[str]:
        """What falls due, where entries lie, what was said last, and the keys."""
        lines = [rule_line(self.seen, width)]
        due = due_text(self.seen)
        lines += wrapped(due, width) if due else []
        if self.seen.period.entries:
            journal = self.desk.journal
            where = journal.where or str(journal.path)
            text = _("kept in {where}").format(where=where) if journal.safe else f"! {where}"
            lines += wrapped(text, width)
        if self.question:
            lines += wrapped(f"{self.question.prompt} {self.question.text}_", width)
        elif self.said:
            lines += wrapped(self.said, width)
        return lines + key_lines(self.keys(), width)

    def keys(self) -> str:
        """The keys that do something now."""
        if self.question:
            return _("Enter keeps, Esc goes back")
        if self.opened:
            start = _("start drill") if self.desk.drill else _("start")
            return f"s {start}  " + _("p print  arrows scroll  Esc back")
        if self.page is not None:
            return _("arrows scroll  Esc back")
        run = self.seen.period.runs.get(self.run_id)
        if run is not None and not run.finished:
            return _(
                "space done  v value  n n/a  g go to  r repeat  t timer  o release  u undo  l note  w whole  p print  "
                "f end  x list  ? help"
            )
        act = _("h HAND BACK") if self.seen.period.declared else _("c CONTROL LOST")
        drill = "" if self.desk.drill or self.seen.period.entries else _("D drill") + "  "
        return f"{act}  {drill}" + _("1-9 open  a all  k last known  l note  b binder  ? help  q leave")

    # -- keys ---

    def on_key(self, event: Key) -> None:
        event.stop()
        key = event.character if event.is_printable and event.character else event.key
        try:
            if self.question:
                self.type(self.question, key)
            else:
                self.press(key)
        except Refused as fault:
            self.said = f"! {fault}"
        self.draw()

    def press(self, key: str) -> None:
        """One key, where it means something."""
        if key in ("?", "f1"):
            self.show(help_lines(self.size.width))
        elif self.page is not None:
            self.page_key(key)
        elif self.run_id and self.seen.period.runs.get(self.run_id):
            self.run_key(key, self.seen.period.runs[self.run_id])
        else:
            self.list_key(key)

    def page_key(self, key: str) -> None:
        steps = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": 15, "pageup": -15, " ": 15, "space": 15}
        if key in steps:
            self.top += steps[key]
        elif key in ("escape", "x", "q"):
            self.page, self.opened, self.top = None, None, 0
        elif key == "s" and self.opened:
            self.start(*self.opened)
        elif key == "p" and self.opened:
            self.print(*self.opened)

    def list_key(self, key: str) -> None:
        if key.isdigit() and 0 < int(key) <= len(self.chosen):
            first, second = self.chosen[int(key) - 1]
            if first == "run":
                self.run_id = second
            else:
                self.open(first, second)
        elif key == "c" and not self.seen.period.declared:
            self.declare()
        elif key == "h":
            self.hand_back()
        elif key == "D":
            self.begin_drill()
        elif key == "a":
            self.show(self.all_lines())
            self.ask(_("id to open:"), self.open_typed)
        elif key == "k":
            rows = last_known(self.place.manual, self.seen.status, self.seen.now)
            lines = [f"{tag:<30} {value:<16} {quality:<12} {age}" for tag, value, quality, age in rows]
            self.show([_("LAST KNOWN VALUES - not live"), *(lines or [_("none")])])
        elif key == "l":
            self.ask(_("note:"), lambda text: self.keep(lambda: self.desk.note(moment(), text)))
        elif key == "b":
            from fallback_procedures.binder import status_lines

            self.show(
                [piece for line in status_lines(self.place, self.stock) for piece in wrapped(line, self.size.width)]
            )
        elif key == "q":
            period = self.seen.period
            if period.entries and not period.declared and not period.open_runs() and not period.ended:
                self.desk.close(moment())
            self.exit(0)

    def run_key(self, key: str, run: Run) -> None:
        here, now = self.desk, moment()
        waiting = run.open_readings()
        if key in ("space", " ", "d"):
            if waiting and not run.waiting_for():
                self.ask_value(run)
            elif out_lines(run):
                prompt = "  ".join([*out_lines(run), _("Why is the step done all the same?")])
                self.ask(prompt, lambda text: self.keep(lambda: here.done(moment(), run.id, text)))
            else:
                self.keep(lambda: here.done(now, run.id))
        elif key == "v":
            self.ask_value(run)
        elif key == "n":
            self.ask(_("reason:"), lambda text: self.keep(lambda: here.not_applicable(now, run.id, text)))
        elif key == "g":
            self.ask(_("step:"), lambda text: self.keep(lambda: here.go_to(now, run.id, text.strip())))
        elif key == "r":
            self.keep(lambda: here.again(now, run.id))
        elif key == "t":
            self.keep(lambda: here.timer(now, run.id))
        elif key == "o":
            self.ask_role(_("Who releases?"), lambda role: here.release(moment(), run.id, role), RELEASERS)
        elif key == "u":
            self.keep(lambda: here.undo(now, run.id))
        elif key == "l":
            self.ask(_("note:"), lambda text: self.keep(lambda: here.note(now, text, run.id)))
        elif key == "w":
            self.show(document_lines(run.procedure, run.sheet, self.size.width, language()))
        elif key == "p":
            self.print(run.procedure.id, run.site)
        elif key == "f":
            self.finish(run)
        elif key in ("x", "escape"):
            self.run_id = ""
        elif key.isdigit() and 0 < int(key) <= len(self.chosen) and self.chosen[int(key) - 1][0] == "run":
            self.run_id = self.chosen[int(key) - 1][1]

    # -- questions ---

    def ask(self, prompt: str, then: Answer) -> None:
        self.question = Question(prompt, then)

    def type(self, question: Question, key: str) -> None:
        """One key of an answer; Enter gives it, Esc goes back."""
        if key == "enter":
            self.question, self.said = None, ""
            question.then(question.text.strip())
        elif key == "escape":
            self.question, self.said = None, _("nothing was done")
        elif key in ("backspace", "delete"):
            question.text = question.text[:-1]
        elif len(key) == 1 and len(question.text) < 500:
            question.text += key

    def on_paste(self, event: Paste) -> None:
        if self.question:
            self.question.text = (self.question.text + clean(event.text, 500))[:500]
            self.draw()

    def keep(self, act: Callable[[], object]) -> None:
        """Do an act; a refusal is said, never raised further."""
        try:
            act()
            self.said = ""
        except Refused as fault:
            self.said = f"! {fault}"

    def ask_value(self, run: Run) -> None:
        waiting = run.open_readings()
        if run.waiting_for() or not (run.step and run.step.readings):
            raise Refused(_("this step has no reading, or is held"))
        reading = waiting[0] if waiting else run.step.readings[-1]

        def take(text: str) -> None:
            taken = self.desk.read(moment(), run.id, text, reading.name)
            self.said = "  ".join(judged(taken, self.desk.period().runs[run.id]))

        self.ask(f"{reading.name} [{unit_text(reading.unit)}]:", take)

    def ask_role(self, prompt: str, act: Callable[[str], object], known: tuple[str, ...] = ROLES) -> None:
        roles = " ".join(f"{index}={role_text(role)}" for index, role in enumerate(known, 1))

        def then(text: str) -> None:
            if not (text.isdigit() and 0 < int(text) <= len(known)) and text not in known:
                raise Refused(_("nothing was done: a role is needed"))
            act(known[int(text) - 1] if text.isdigit() else text)

        self.ask(f"{prompt} {roles}", then)

    # -- acts ---

    def declare(self) -> None:
        told: dict[str, str] = {}

        def confirm(text: str) -> None:
            if text != "LOST":
                raise Refused(_("nothing was declared"))
            self.desk.role = told["role"]
            self.desk.declare(moment(), told["why"], tuple(told["sites"].split()))
            self.said = _("CONTROL LOST is declared.")

        def sites(text: str) -> None:
            told["sites"] = " ".join(site_named(part, self.seen.known) for part in text.split())
            self.ask(_("Write LOST to declare it, anything else goes back:"), confirm)

        def why(text: str) -> None:
            told["why"] = text
            self.ask(_("Sites, with spaces between; Enter for all:"), sites)

        def role(text: str) -> None:
            told["role"] = text
            self.ask(_("Why (one sentence):"), why)

        self.ask_role(_("Who judges that panel, SCADA and telephone agree: control is lost?"), role)

    def hand_back(self) -> None:
        if not self.seen.period.declared:
            raise Refused(_("CONTROL LOST was not declared"))
        lines = [
            piece
            for run in self.seen.period.runs.values()
            for piece in wrapped(f"{run.id}: {spoken(run.procedure.hand_back, run.sheet)}", self.size.width)
        ]
        self.show(lines or [_("No procedure was run in this period.")])

        def confirm(role: str) -> None:
            def done(text: str) -> None:
                if text != "AUTO":
                    raise Refused(_("nothing was handed back"))
                self.desk.role = role
                self.desk.hand_back(moment())
                self.page, self.run_id = None, ""
                self.desk = desk(self.place.journal, moment(), role, self.desk.drill)
                self.said = _("Handed back. The period has ended.")

            self.ask(_("Write AUTO when every asset is back in automatic:"), done)

        self.ask_role(_("Who hands back?"), confirm)

    def begin_drill(self) -> None:
        """From here on an exercise, asked once."""
        no_drill_now(self.seen)

        def confirm(text: str) -> None:
            if text != "DRILL":
                raise Refused(_("nothing was done"))
            no_drill_now(self.look())
            self.desk, self.run_id = desk(self.place.journal, moment(), self.desk.role, True), ""
            self.said = _("DRILL: nothing here is real; q leaves the drill.")

        self.ask(_("Write DRILL to begin an exercise, anything else goes back:"), confirm)

    def open(self, name: str, site: str) -> None:
        entry = self.stock.get(name, language())
        if entry is None:
            raise Refused(_("there is no {id}").format(id=clean(name, 10)))
        if entry.procedure is None:
            faults = ["! " + _("line {n}: {text}").format(n=fault.line, text=fault.text) for fault in entry.faults]
            self.show([_("This file has faults and cannot be run; it is shown as it is:"), *faults,
                       *(clean(line, self.size.width) for line in entry.text.splitlines())])  # fmt: skip
            return
        sites = sites_to_ask(self.stock, self.seen.known, name)
        if not site and len(sites) > 1:
            self.ask(_("Which site ({sites})?").format(sites=" ".join(sites)), lambda text: self.shown(name, text))
            return
        self.shown(name, site or sites[0])

    def open_typed(self, text: str) -> None:
        self.page = None
        if text:
            self.open(text.upper(), "")

    def shown(self, name: str, site: str) -> None:
        entry, site = self.stock.get(name, language()), site_named(site, self.seen.known)
        if entry and entry.procedure:
            self.show(document_lines(entry.procedure, self.stock.sheet(site), self.size.width, language()))
            self.opened = (name, site) if entry.procedure.steps else None

    def start(self, name: str, site: str) -> None:
        entry = self.stock.get(name, language())
        if entry and entry.procedure:
            self.run_id = self.desk.start(moment(), entry.procedure, self.stock.sheet(site), site)
            self.page, self.opened = None, None

    def finish(self, run: Run) -> None:
        def end() -> None:
            self.desk.finish(moment(), run.id)
            self.run_id = ""

        left = [step.number for step in run.procedure.steps if step.number not in run.marks]
        if not left:
            self.keep(end)
            return
        self.ask(
            _("Steps {steps} are not marked. y ends the run all the same:").format(steps=", ".join(left)),
            lambda text: self.keep(end) if text.lower() in ("y", "j", "o") else None,
        )

    def print(self, name: str, site: str) -> None:
        from fallback_procedures.binder import Unprintable, print_one

        try:
            self.said = "  ".join(print_one(self.place, self.stock, name, site, language()))
        except Unprintable as fault:
            self.said = f"! {fault}"

    def show(self, lines: list[str]) -> None:
        self.page, self.top, self.opened = lines, 0, None

    def all_lines(self) -> list[str]:
        lines = []
        for name in [*self.stock.ids(), *self.stock.ids("F")]:
            entry = self.stock.get(name, language())
            if entry:
                state = _("FAULTY") if not entry.procedure else "" if entry.procedure.approved else _("DRAFT")
                lines.append(f"{name:<5} {entry.title[:56]:<56} {state}")
        return lines


def whole_or_short(lines: list[str], number: str, run: Run, width: int) -> list[str]:
    """A step that is not at hand: its warnings and first line, marked steps with their time and role."""
    mark = run.marks.get(number)
    if mark is None:
        return lines
    first = next((line for line in lines if line.lstrip().startswith(mark_of(run, number))), lines[0])
    when = f"{role_text(mark.role)} {mark.at[11:16]}Z"
    return [f"{first[: width - len(when) - 2]:<{width - len(when) - 1}}{when}"]


def help_lines(width: int) -> list[str]:
    """What the keys mean, and what to do without this screen."""
    texts = (
        _("c  a person declares CONTROL LOST. A dark handwheel alone is BLIND: automation is probably still running."),
        _("D  in the list: an exercise (DRILL), while no real period is open; every screen and entry says so."),
        _("space done, v value, n not applicable with a reason, g go to a step, r repeat, t timer, o release a HOLD, "
          "u undo, l note, w whole procedure, p print, f end of the run, x back to the list."),
        _("Every entry is on disk before it is shown. Roles are stored, names are not; initials stay on paper."),
        _("If this screen is dead: another terminal, handwheel-manual --plain; then the printed binder; then F11."),
        _("Without this program: the printed binder. Without it: the text files beside this program (library/)."),
    )  # fmt: skip
    return [piece for text in texts for piece in [*wrapped(text, width), ""]]


def run_screen(place: Place, wanted: str, role: str, drill: bool) -> int:
    """Show the screen until the person leaves; the exit code."""
    app = ManualScreen(place, wanted, role, drill)
    code = app.run(mouse=False)
    if app.return_code:
        raise RuntimeError(_("the screen ended with an error"))
    return code or 0
