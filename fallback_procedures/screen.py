"""The manual as a full screen: the same words as the console, with the procedures beside the steps where there is room.

Textual is loaded here and nowhere else. Every line comes from view.py and every act from keys.py, so that what is shown
and asked in the night on a serial line and here are the same.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Generator

from textual.app import App
from textual.binding import Binding
from textual.events import Key, Paste, Resize
from textual.widgets import Static

from fallback_procedures import page_acts, reading_acts
from fallback_procedures.board import (
    due_text,
    kept_line,
    key_lines,
    list_lines,
    margin,
    mode_lines,
    other_line,
    own_line,
    run_lines,
    scrolled,
    unseen,
    value_rows,
    why_line,
)
from fallback_procedures.desk import desk
from fallback_procedures.keys import Act, find, help_lines, key_line, keys, next_act
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused
from fallback_procedures.place import Look, Place, notes_at_start
from fallback_procedures.questions import Ask, Reply, Talk
from fallback_procedures.run import Run
from fallback_procedures.seat import Seat
from fallback_procedures.triggers import LOOK_S, last_known, moment
from fallback_procedures.words import _, clean, encodable, harmless, wrapped

LEFT = 34  # columns of the list where two panes fit
ON_THE_STEP = ("space", " ", "d", "n", "i", "t", "v", "y", "o")  # keys that mean the step itself
SCROLL = {"down": 1, "up": -1, "pagedown": 15, "pageup": -15}


class ManualScreen(App[int]):
    """List of what applies, the run at hand, what falls due. One pane on 80 columns, two from 100."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: #1c1c1c; color: #d0d0d0; overflow: hidden; }
    Static { height: 1; width: 100%; overflow: hidden; text-wrap: nowrap; }
    .banner { background: #e69f00; color: #000000; text-style: bold; }
    """
    BINDINGS = [Binding("ctrl+q", "noop", show=False), Binding("ctrl+c", "noop", show=False)]

    def __init__(self, place: Place, wanted: str, role: str, drill: bool) -> None:
        super().__init__()
        self.seat = Seat(place, load(place.manual, (wanted,)), desk(place.journal, moment(), role, drill))
        self.page: list[str] | None = None  # a text over the body: help, a whole procedure, last known values
        self.top = 0  # the first line shown of it, or of a step that is longer than the screen
        self.scrolls: tuple[object, ...] = ()  # what that line is of: another text or step begins at its first line
        self.own = 0  # the line of the step at hand where it itself begins, behind its warnings
        self.talk: Talk | None = None  # the act that asks now, its question and what is typed
        self.asked = Ask("")
        self.text = ""
        notes = "  ".join(notes_at_start(place, self.seat.library)[:2])
        self.said = notes or self.seat.resume() or _("? helps, q leaves")
        self.charset = sys.stdout.encoding or "ascii"
        self.met: tuple[object, ...] = ()  # the step at hand, once itself and not only its warnings was on the screen
        self.unseen = 0  # lines between what is shown of it and the step itself
        self.told_news = ""  # what somebody else has said or done, as it was told while no question stood
        self.told: list[str] = []  # what each row of the screen shows

    def on_mount(self) -> None:
        self.set_interval(LOOK_S, self.tick)
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signal_number, self.exit, 0)  # the terminal is left as it was found
        self.seat.show(self.draw())

    def tick(self) -> None:
        """Nobody has pressed a key: what somebody else did to the run is said, and the next key is not for its step."""
        if not self.screen_stack:  # it is being left
            return
        news = self.seat.news(self.seat.look())
        if news and not self.talk:
            self.said, self.told_news = f"! {news}", news
        self.draw()

    def on_resize(self, _event: Resize) -> None:
        self.draw()

    def action_noop(self) -> None:
        """The keys that would end the program by accident do nothing."""

    # -- drawing ---

    def draw(self) -> Look:
        """Read everything anew and show it."""
        seen, before = self.seat.look(), margin(self.seat.desk.drill)
        width, height = max(self.size.width - len(before), 20), self.size.height
        self.seat.width = width
        if self.talk and self.asked.anew:
            self.page = list(self.asked.anew())
        head = [*mode_lines(seen, width), *wrapped(_("WHY") + "  " + why_line(seen), width), "-" * width]
        foot = self.foot_lines(seen, width)
        room = max(height - len(head) - len(foot), 3)
        body = self.body_lines(seen, width, room)
        lines = [*head, *body, *[""] * (room - len(body)), *foot][:height]
        if self.too_small:
            lines = [*head, *wrapped(self.too_small, width)][-height:]
        self.tell([encodable(harmless(before + line), self.charset) for line in lines])
        for row, line in enumerate(self.query(Static)):
            line.set_class(row < len(head) - 1 and seen.period.declared and not seen.period.ended, "banner")
        return seen

    @property
    def too_small(self) -> str:
        """What is said in a window in which no step fits: nobody marks what cannot be seen. "" where one fits."""
        if self.size.width >= 80 and self.size.height >= 24:
            return ""
        words = _(
            "This window is too small: {columns} x {rows}. The manual needs 80 x 24; until then no key does anything."
        )
        return words.format(columns=self.size.width, rows=self.size.height)

    def tell(self, lines: list[str]) -> None:
        """Show the rows; one that has not changed is not sent again, because the way may be slow."""
        rows = list(self.query(Static))
        for row, line, old in zip(rows, lines, self.told):
            if line != old:
                row.update(line, layout=False)
        for row in rows[len(lines) :]:
            row.remove()
        if len(lines) > len(rows):
            self.mount(*(Static(line, markup=False) for line in lines[len(rows) :]))
        self.told = lines

    def body_lines(self, seen: Look, width: int, room: int) -> list[str]:
        """What stands between head and foot: a text, or list and run."""
        page = page_acts.opened_lines(self.seat) if self.seat.opened and self.page is None else self.page
        if page is not None:
            self.begin(None)
            page = [piece for line in page for piece in ([line] if len(line) <= width else wrapped(line, width))]
            return self.fitted(page, room)
        run = self.seat.at_hand(seen)
        self.begin(run)
        if self.size.width < 100:
            listed = self.list_lines(seen, width)
            return self.run_lines(run, width, room) if run else self.fitted(listed, room)
        left = self.list_lines(seen, LEFT - 2)
        left = left if run else self.fitted(left, room)
        rest = width - LEFT - 1
        right = self.run_lines(run, rest, room) if run else [_("Open a procedure with its number.")]
        rows = max(len(left), len(right))
        left, right = (part + [""] * (rows - len(part)) for part in (left, right))
        return [f"{a[: LEFT - 2]:<{LEFT - 2}} | {b}" for a, b in list(zip(left, right))[:room]]

    def begin(self, run: Run | None) -> None:
        """Another text, list or step is shown from its first line."""
        scrolls = (self.page is not None, self.seat.opened, run and (run.id, run.cursor, run.reached))
        self.top, self.scrolls = (self.top if scrolls == self.scrolls else 0), scrolls

    def run_lines(self, run: Run, width: int, room: int) -> list[str]:
        """The run at hand; what of its step has been on the screen is remembered."""
        step = (run.id, run.cursor, run.reached)
        self.own = own_line(run, width)
        self.unseen = 0 if step == self.met else unseen(run, width, room, self.top)
        self.met = self.met if self.unseen else step
        return run_lines(run, width, room, self.top)

    def fitted(self, lines: list[str], room: int) -> list[str]:
        """What fits, from where it was scrolled to."""
        self.top = max(0, min(self.top, len(lines) - room + 1))
        return lines if len(lines) <= room else scrolled(lines, room, self.top)

    def list_lines(self, seen: Look, width: int) -> list[str]:
        """Runs, procedures that apply with their reason, and the last known values."""
        lines, self.seat.chosen = list_lines(seen, self.seat.library, width, self.seat.run_id)
        if not self.seat.run_id or width < LEFT:
            rows = last_known(self.seat.place.manual, seen.status, seen.now)
            at_work = {run.site for run in seen.period.open_runs()} | set(seen.period.sites)
            rows.sort(key=lambda row: row[0].partition("-")[0] not in at_work)
            lines += ["", _("LAST KNOWN VALUES - not live")] if rows else []
            for tag, value, _quality, age in value_rows(rows[:8]):
                lines += wrapped(f"{tag} {value} {age}", width, " ", "   ")
            lines += [" " + _("{n} more: k").format(n=len(rows) - 8)] if len(rows) > 8 else []
        return lines

    def foot_lines(self, seen: Look, width: int) -> list[str]:
        """What falls due, the other runs, where entries lie, what was said or is asked, and the keys."""
        run = self.seat.at_hand(seen)
        told = ["-" * width, due_text(seen), other_line(seen, run.id) if run else ""]
        if seen.period.entries:
            told.append(kept_line(self.seat.desk.journal, len(seen.period.entries), width))
        if self.talk:
            told += [*self.asked.note, f"{self.asked.prompt} {self.text}_"]
        else:
            told.append(self.said)
        lines = [piece for line in told if line for piece in wrapped(line, width)]
        return lines + key_lines(self.keys(seen), width)

    def keys(self, seen: Look) -> str:
        """The keys that do something now."""
        if self.talk:
            return _("Type the answer, then Enter; Esc goes back")
        if self.page is not None:
            return _("arrows scroll  Esc back")
        if self.seat.opened:
            return key_line(keys(self.seat, seen), "") + "  " + _("arrows scroll")
        if self.seat.at_hand(seen):
            return key_line(keys(self.seat, seen), _("space next"))
        return key_line(keys(self.seat, seen), _("1-9 open") + (_(", a 10 and more") if self.seat.chosen[9:] else ""))

    # -- keys ---

    def on_key(self, event: Key) -> None:
        event.stop()
        key = event.character if event.is_printable and event.character else event.key
        if self.too_small:
            self.draw()  # a key may be here before the picture of the smaller window
            return
        try:
            if self.talk:
                self.type(self.talk, " " if key == "space" else key)
            else:
                self.press(key)
        except Refused as fault:
            self.said = f"! {fault}"
        if self.seat.left:
            self.exit(0)
        drawn = self.draw()
        if not self.talk:
            missed = self.seat.said_elsewhere(drawn)  # while a question stood
            self.seat.show(drawn)
            if missed and missed != self.told_news:
                self.said = f"{self.said}  ! {missed}".strip()
                self.draw()

    def press(self, key: str) -> None:
        """One key, where it means something."""
        seen = self.seat.look()
        self.seat.desk.here()
        run = self.seat.at_hand(seen)
        on_the_step = key in ON_THE_STEP or key.isdecimal()
        if run and self.unseen and self.page is None and not self.seat.opened and on_the_step:
            self.top, self.said = min(self.own, self.top + 9), _("The step itself was not shown yet: here it is.")
        elif key in SCROLL:
            self.top = max(0, self.top + SCROLL[key])
        elif key in ("?", "f1"):
            self.page, self.top = help_lines(run), 0
        elif self.page is not None:
            if key in ("escape", "x", "q"):
                self.page, self.top = None, 0
            elif key in ("space", " "):
                self.top += SCROLL["pagedown"]
        elif key in ("space", " "):
            if self.seat.opened:
                self.top += SCROLL["pagedown"]
            elif run:
                self.carry_out(next_act(run))
        elif key == "escape":
            self.carry_out(page_acts.to_list)
        elif key.isdecimal() and run and not self.seat.opened:
            if not run.open_readings() or run.waiting_for():
                raise Refused(_("{word} is no key in a run: x opens the list, where a number opens").format(word=key))
            self.carry_out(reading_acts.take)
            self.text = key  # the value begins with it
        elif key.isdecimal():
            self.carry_out(lambda seat, _text: page_acts.choose(seat, int(key)))
        else:
            known = find(keys(self.seat, seen), key) if len(key) == 1 else None
            if known:
                self.carry_out(known.act)

    def type(self, talk: Talk, key: str) -> None:
        """One key of an answer; Enter gives it, Esc goes back. What stands above the question scrolls."""
        if key == "enter":
            self.go_on(talk, self.text.strip())
        elif key == "escape":
            self.end(_("went back; this was not kept"))
        elif key in ("backspace", "delete"):
            self.text = self.text[:-1]
        elif key in SCROLL:
            self.top = max(0, self.top + SCROLL[key])
        elif len(key) == 1 and len(self.text) < 500:
            self.text += key

    def on_paste(self, event: Paste) -> None:
        if self.talk and not self.too_small:
            self.text = (self.text + clean(event.text, 500))[:500]
            self.draw()

    # -- acts ---

    def carry_out(self, act: Act) -> None:
        """Begin an act: it answers at once or asks."""
        self.said = ""
        told = act(self.seat, "")
        if isinstance(told, Generator):
            self.go_on(told, None)
        else:
            self.end(told)

    def go_on(self, talk: Talk, answer: str | None) -> None:
        """Give an answer to the act that asks. Whatever it does then, the question is over."""
        self.end("")
        try:
            self.asked = talk.send(answer)  # type: ignore[arg-type]  # None begins it
        except StopIteration as end:
            self.end(end.value)
            return
        self.talk, self.page = talk, list(self.asked.page) or None
        self.top = 0 if self.page else self.own  # who types a value has the step and its limits before the eyes

    def end(self, told: Reply) -> None:
        """No act asks any more; what it said last is shown: a sentence, or a page."""
        self.talk, self.text = None, ""
        self.page, self.said = (told, "") if isinstance(told, list) else (None, told)
        self.top = 0 if self.page else self.top


def run_screen(place: Place, wanted: str, role: str, drill: bool) -> int:
    """Show the screen until the person leaves; the exit code."""
    app = ManualScreen(place, wanted, role, drill)
    code = app.run(mouse=False)
    if app.return_code:
        raise RuntimeError(_("the screen ended with an error"))
    return code or 0
