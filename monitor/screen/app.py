"""The control-room screen: keeps one RoomState up to date, switches pages, passes on what a person decides.

A process of its own that reads STATE and never writes it. It loads neither numbers nor protocols, and it goes on when
the daemon, the store or a single reading of its own fails: then line 1 says so.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from textual.app import App, SuspendNotSupported
from textual.binding import Binding
from textual.content import Content

from drivers.errors import UserError
from monitor.command_socket import ask
from monitor.labels import role_word
from monitor.screen.decide import (
    Command,
    Dialog,
    Question,
    acknowledgement,
    baseline,
    decision,
    shelf,
    signature,
    utc_now,
)
from monitor.screen.finding import form_of
from monitor.screen.form import FindingForm
from monitor.screen.page import (
    AlertsPage,
    OverviewPage,
    Page,
    ProceduresPage,
    ReportsPage,
    ReviewPage,
    TextPage,
    WhyPage,
)
from monitor.screen.palette import THEME, content
from monitor.screen.pieces import Line
from monitor.screen.reading import Parts, Reading, manual_command, text_of
from monitor.screen.room import Alarm, Life, Procedure, RoomState, sound_since
from monitor.screen.terminal import choose, plain
from monitor.screen.text import View, banners, head
from monitor.state import State
from monitor.words import LANGUAGES, _, clean, language, use_language

QUICK_EVERY_S = 0.5
SLOW_EVERY_S = 2.0
ROLE_EVERY_S = 15.0
ANSWER_S = 12.0  # a little longer than the daemon's own limit for one message


class ControlRoom(App[int]):
    """The application. `full` chooses colours; without it weight and reversal alone are used."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "handwheel"
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #page { width: 100%; height: 1fr; text-wrap: nowrap; text-overflow: clip; }
    #filter { width: 100%; height: 1; border: none; padding: 0 1; }
    Dialog { background: $background; }
    #alive { width: 100%; height: auto; text-wrap: nowrap; text-overflow: clip; }
    #middle { width: 100%; height: 1fr; align: center middle; }
    #dialog { width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: ascii $foreground; }
    #dialog Input { width: 100%; height: 1; border: none; padding: 0; }
    FindingForm { background: $background; }
    #form { width: 100%; height: 1fr; padding: 0 1; }
    #slots { width: 100%; height: 1fr; scrollbar-size: 0 0; }
    .row { width: 100%; height: 1; }
    .row Static { width: 20; }
    .row Input { width: 1fr; height: 1; border: none; padding: 0; }
    .listed { text-wrap: nowrap; text-overflow: ellipsis; }
    #hint { width: 100%; height: 3; color: $secondary; }
    .title { text-style: bold; }
    .label { color: $secondary; }
    #fault { text-style: bold; height: auto; }
    """
    BINDINGS = [
        Binding("a", "go('alerts')", show=False),
        Binding("p", "go('procedures')", show=False),
        Binding("r", "go('reports')", show=False),
        Binding("v", "go('review')", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("m", "manual", show=False),
        Binding("L", "language", show=False),
        Binding("C", "drawing", show=False),
        Binding("q,ctrl+c", "quit_screen", show=False),
    ]
    PAGES = {"alerts": AlertsPage, "procedures": ProceduresPage, "reports": ReportsPage, "review": ReviewPage}

    def __init__(self, state: State, *, full: bool = True, encoding: str | None = "utf-8") -> None:
        super().__init__()
        self.state = state
        self.full = full
        self.encoding = encoding
        self.reading = Reading(state)
        self.room = RoomState(0)
        self.faults: dict[str, str] = {}

    def on_mount(self) -> None:
        self.register_theme(THEME)
        self.dress()
        for one in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(one, self.exit, 0)
        self.room = replace(self.room, **self.reading.heartbeat())
        self.push_screen(OverviewPage())
        self.keep("quick", self.reading.quick, QUICK_EVERY_S)
        self.keep("slow", self.reading.slow, SLOW_EVERY_S)
        self.keep("role", self.reading.role, ROLE_EVERY_S)
        self.keep("procedures", self.offers, QUICK_EVERY_S)

    def dress(self) -> None:
        self.theme = THEME.name if self.full else "ansi-dark"

    # what is read

    def keep(self, name: str, read: Callable[[], Parts], every_s: float) -> None:
        """Read again and again in a thread; what goes wrong is a word on line 1, never the end of the screen."""

        async def reading() -> None:
            while True:
                try:
                    parts = await asyncio.to_thread(read)
                    self.faults.pop(name, None)
                except Exception as fault:  # noqa: BLE001 - what cannot be read is a word on line 1
                    self.faults[name] = f"{type(fault).__name__}: {fault}"
                    # what cannot be read is never shown as live
                    parts = {"life": Life("unread")} if name == "quick" else {}
                with contextlib.suppress(Exception):  # drawing has its own guard; the next reading tries again
                    self.take(parts)
                await asyncio.sleep(every_s)

        self.run_worker(reading(), group=name, exit_on_error=False)

    def offers(self) -> Parts:
        """What the fallback offers: asked often while something is wrong, else seldom."""
        trouble = bool(self.room.blind or self.room.lost_sites or self.room.period)
        return self.reading.offers(trouble)

    def take(self, parts: Parts) -> None:
        """Put what was read into the room and show it."""
        trouble = _("UI error") + " " + clean(next(iter(self.faults.values())), 60) if self.faults else ""
        self.room = replace(self.room, **parts, trouble=trouble)
        if isinstance(self.screen, Page | Dialog | FindingForm):
            self.screen.show()

    def alive(self) -> Content:
        """Line 1 and what is wrong, for a dialog: as on the page that it covers, and as new."""
        width, height = self.size
        view = View(width, height)
        lines = self.drawn(lambda: [head(self.room, view), *banners(self.room, view, brief=True)])
        return content(lines, width, self.full, self.encoding)

    def drawn(self, draw: Callable[[], list[Line]]) -> list[Line]:
        """The lines of a page; where drawing them fails, a page that says so and where to go on."""
        try:
            lines = draw()
        except Exception as fault:  # noqa: BLE001 - a page that cannot be drawn says so
            self.faults["page"] = f"{type(fault).__name__}: {fault}"
            words = _("UI error") + " " + clean(self.faults["page"], 60)
            return [Line(words, "banner"), Line(_("Esc back; handwheel-manual in another terminal needs none of this"))]
        self.faults.pop("page", None)
        return lines

    def look_at(self, tag: int, span: str) -> None:
        """Read the trend that the asset page wants to draw."""

        async def read() -> None:
            try:
                self.take({"focus": await asyncio.to_thread(self.reading.trend, tag, span)})
            except UserError as fault:
                self.say(str(fault))

        self.run_worker(read(), exclusive=True, group="trend", exit_on_error=False)

    # pages

    @property
    def current(self) -> Page | None:
        return self.screen if isinstance(self.screen, Page) else None

    def say(self, notice: str) -> None:
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Page):
                screen.say(notice)
                return

    def back(self) -> None:
        if len(self.screen_stack) > 2:
            self.pop_screen()

    async def action_go(self, name: str) -> None:
        """To one of the pages of the whole plant: always one Esc away from the overview."""
        page = self.PAGES[name]
        if isinstance(self.screen, page):
            return
        while len(self.screen_stack) > 2:
            await self.pop_screen()
        await self.push_screen(page())

    def action_help(self) -> None:
        if not (isinstance(self.screen, TextPage) and self.screen.text is None):
            self.push_screen(TextPage())

    def action_language(self) -> None:
        """The next language, at once and everywhere."""
        use_language(LANGUAGES[(LANGUAGES.index(language()) + 1) % len(LANGUAGES)])
        self.run_worker(self.once(lambda: self.reading.offers(True, at_once=True)), exit_on_error=False)
        self.take({})

    def action_drawing(self) -> None:
        self.full = not self.full
        self.dress()
        self.take({})

    def action_quit_screen(self) -> None:
        self.exit(0)

    async def once(self, read: Callable[[], Parts]) -> None:
        self.take(await asyncio.to_thread(read))

    def read_file(self, title: str, path: str) -> None:
        try:
            self.push_screen(TextPage(title, text_of(path)))
        except OSError as fault:
            self.say(f"{path}: {fault.strerror}")

    def read_procedure(self, procedure: Procedure) -> None:
        async def read() -> None:
            try:
                text = await asyncio.to_thread(self.reading.procedure_text, procedure.id)
                self.push_screen(TextPage(f"{procedure.id} {procedure.title}", text))
            except (OSError, subprocess.SubprocessError):
                self.say(_("the fallback does not answer; use handwheel-manual in another terminal, or the paper"))

        self.run_worker(read(), exclusive=True, group="procedure", exit_on_error=False)

    # the manual screen

    def action_manual(self) -> None:
        """Hand the terminal to the manual screen, and take it back when it ends."""
        try:
            with self.suspend():
                code = run_child(manual_command(self.state))
        except SuspendNotSupported:
            self.say(_("this terminal cannot be handed over; use handwheel-manual in another one"))
            return
        if code == -signal.SIGTERM:
            self.exit(0)
        elif code != 0:
            self.say(_("the manual screen ended with code {code}; use handwheel-manual in another terminal").format(
                code=code))  # fmt: skip

    # why

    def why(self, name: str, asset_id: str) -> None:
        """Read all that is known of an alert, or of an asset's, and show it."""

        async def read() -> None:
            try:
                answer = await asyncio.to_thread(self.reading.why, name, asset_id)
                await self.push_screen(WhyPage(name, asset_id, answer))
            except UserError as fault:
                self.say(str(fault))

        self.run_worker(read(), exclusive=True, group="why", exit_on_error=False)

    def ask_why(self, page: WhyPage) -> None:
        """Read it again for a page that shows it."""

        async def read() -> None:
            with contextlib.suppress(UserError):  # what was read before stands
                page.answer = await asyncio.to_thread(self.reading.why, page.name_asked, page.asset_id)
                page.show(anew=True)

        self.run_worker(read(), exclusive=True, group="why", exit_on_error=False)

    # what a person decides

    def finding(self, asset_id: str, component: str = "", alert_id: str = "", wo_id: str = "") -> None:
        """The finding form; who may not record, or where nobody takes it, is told before it is filled in."""
        if not self.room.role:
            self.say(_("the daemon does not answer: nothing can be recorded now; write it down and enter it later"))
            return
        if "finding" not in self.room.rights:
            words = _("the role {role} has no right to record findings; see [roles] in site.toml")
            self.say(words.format(role=role_word(self.room.role)))
            return

        def ask_daemon(verb: str, data: dict[str, Any]) -> dict[str, Any]:
            return dict(ask(self.state, verb, data, ANSWER_S))

        def answered(words: str | None) -> None:
            if words:
                self.say(words)

        form = form_of(self.room, asset_id, component, alert_id, wo_id)
        self.push_screen(FindingForm(form, self.room, ask_daemon, self.encoding, self.alive), answered)

    def decide(self, alarm: Alarm, choice: str) -> None:
        self.put(decision(alarm, choice, self.room.zone, utc_now))

    def acknowledge(self, alarm: Alarm) -> None:
        self.put(acknowledgement(alarm))

    def shelve(self, alarm: Alarm) -> None:
        self.put(shelf(alarm, utc_now))

    def sign(self, audit_id: str) -> None:
        self.put(signature(audit_id))

    def confirm(self, asset_id: str) -> None:
        self.put(baseline(asset_id, self.room.zone, sound_since(self.room, asset_id)))

    def put(self, question: Question) -> None:
        """Ask a person, then the daemon; its answer, or its refusal in its own words, stands above the keys."""

        def answered(command: Command | None) -> None:
            if command is not None:
                self.say(_("asking the daemon ..."))
                self.run_worker(self.send(*command), exit_on_error=False)

        self.push_screen(Dialog(question, self.encoding, self.alive), answered)

    async def send(self, verb: str, data: dict[str, Any]) -> None:
        try:
            told = await asyncio.to_thread(ask, self.state, verb, data, ANSWER_S)
        except UserError as fault:
            self.say(str(fault))
            return
        if told.get("ok"):
            self.say(_("recorded: ledger entry {n}").format(n=clean(told.get("n", "?"), 12)))
        else:
            self.say(clean(told.get("error") or "?", 300))


def run_child(command: list[str]) -> int:
    """Run a program in this terminal and wait for it. Ctrl-C is its own affair; SIGTERM to us ends it too.

    However it ended, the terminal is then as it was: one that was killed leaves it raw, and its own screen standing.
    """
    mode = terminal_mode()
    child = subprocess.Popen(command)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, lambda *_told: None)
        signal.signal(signal.SIGTERM, lambda *_told: child.terminate())
        return child.wait()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        put_back(mode)


def terminal_mode() -> Any:
    """How the terminal reads keys now; None where there is none."""
    with contextlib.suppress(termios.error, OSError, ValueError):
        return termios.tcgetattr(sys.stdin.fileno())
    return None


def put_back(mode: Any) -> None:
    """The terminal as it was before a child had it: its mode, its screen, a cursor, and no mouse."""
    if mode is None or sys.__stderr__ is None:
        return
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, mode)
        sys.__stderr__.write("\x1b[?1049l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m")
        sys.__stderr__.flush()


def run(state: State, *, language: str | None = None, ui: str | None = None) -> int:
    """Show the screen until somebody leaves it; returns the exit code.

    `language` en, fr or de (default: the environment's), `ui` full, ascii or plain (default: by the terminal).
    Raises UserError where the terminal cannot carry a screen.
    """
    use_language(language or (os.environ.get("LC_ALL") or os.environ.get("LANG") or "en")[:2])
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    size = shutil.get_terminal_size((100, 30))
    encoding = getattr(sys.__stderr__, "encoding", None)
    drawing = choose(ui, tty, os.environ.get("TERM", ""), encoding, (size.columns, size.lines))
    if drawing == "plain":
        return plain(state, max(size.columns, 80) if tty else 100, sys.stdout)
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        raise UserError("screen: it is drawn on stderr, which is no terminal here; leave out 2> or use --ui plain")
    if drawing == "ascii":
        sys.__stderr__.reconfigure(errors="replace")
    application = ControlRoom(state, full=drawing == "full", encoding=encoding)
    return application.run(mouse=False) or 0
