"""The manual line by line, for anything that has a keyboard: a dumb terminal, a serial line, a broken screen.

It says one thing after the other and never moves the cursor; every key is a letter and Enter, the same in all
languages. What a key does stands in keys.py and the acts it names, which the full screen uses too."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from fallback_procedures import page_acts, reading_acts
from fallback_procedures.board import (
    at_hand_lines,
    due_text,
    kept_line,
    key_lines,
    late,
    list_lines,
    margin,
    mode_lines,
    other_line,
    real_text,
    run_title,
    why_line,
)
from fallback_procedures.keys import Act, find, help_lines, key_line, keys
from fallback_procedures.open_period import Moved, Refused
from fallback_procedures.place import Look, notes_at_start
from fallback_procedures.procedure import Reading
from fallback_procedures.questions import NO, YES, Ask
from fallback_procedures.seat import Seat, now_at
from fallback_procedures.terminal import Gone, Terminal
from fallback_procedures.words import _, clean, decimal_of, language

TAKES_WORDS = ("v", "n", "g", "l")  # keys behind which a text stands even where words are asked

TAKES_THE_STEP = ("d", "n", "i", "t", "v", "y", "o")  # keys that mean the step at hand


@dataclass
class Console:
    """One person at one terminal."""

    seat: Seat
    terminal: Terminal
    told_late: set[tuple[str, str]] = field(default_factory=set)  # what was told to be late already
    shown: tuple[object, ...] = ()  # where the person was, as it was shown last
    rest: list[str] = field(default_factory=list)  # of the step at hand: a command ended the text before it was told
    notes: list[str] = field(default_factory=list)  # what stands right above the next question
    told_moved: str = ""  # what somebody else has done to the run at hand, as it was told
    told_real: str = ""  # the real period of which it was told in a drill
    told_word: str = ""  # what was told of handwheel: running, blind, ...

    def work(self) -> int:
        """Until the person leaves or the terminal is gone; what was recorded stays recorded either way."""
        self.terminal.margin = margin(self.seat.desk.drill)
        for note in notes_at_start(self.seat.place, self.seat.library):
            self.terminal.say(f"! {note}")
        resumed = self.seat.resume()
        if resumed:
            self.terminal.say(resumed)
        interrupted = False
        while not self.seat.left:
            try:
                self.turn()
                interrupted = False
            except Refused as fault:
                self.terminal.say(f"! {fault}")
                if isinstance(fault, Moved):
                    self.shown = ()  # the step that the run is at now is told
            except KeyboardInterrupt:
                if interrupted:
                    return 0
                interrupted = True
                self.terminal.say("", _("! nothing was done; q leaves, or Ctrl-C once more"))
            except Gone:
                return 0
        return 0

    def turn(self) -> None:
        """Show what has changed since the last turn and obey one command."""
        seen = self.look()
        run = self.seat.at_hand(seen)
        acts = [entry["n"] for entry in seen.period.entries if entry["kind"] not in ("reading", "note")]
        others = [one.name for one in seen.others]
        now = (self.seat.run_id, self.seat.opened, acts, others, seen.period.drill, seen.real, language())
        if now != self.shown:
            self.shown = now
            lines, step = self.lines(seen)
            self.rest = lines[self.terminal.say(*lines, step=step) : step]
        elif seen.real:
            self.terminal.say(f"! {real_text(seen)}")
        elif not self.seat.desk.journal.safe:
            self.terminal.say(kept_line(self.seat.desk.journal, len(seen.period.entries), self.terminal.width))
        missed = self.seat.said_elsewhere(seen)  # while a question stood, or a page
        if missed and missed != self.told_moved:
            self.notes.append(f"! {missed}")
        self.seat.show(seen)
        digits = "" if self.seat.run_id or self.seat.opened else _("number or id opens")
        self.terminal.say(*key_lines(key_line(keys(self.seat, seen), digits), self.terminal.width))
        self.terminal.say(*self.notes)
        self.notes, prompt = [], reading_acts.reading_prompt(run) if run else ""
        answer = self.terminal.ask(f"{prompt} >".strip(), self.news)
        self.seat.desk.here()
        if not answer:
            self.seat.opened, self.shown = None, ()
        elif self.obey(answer, seen) and run:
            self.shown = ()

    def look(self) -> Look:
        self.terminal.margin = margin(self.seat.desk.drill)
        self.seat.width = self.terminal.width
        return self.seat.look()

    def news(self) -> str:
        """What has become late since it was told last; before it, that handwheel has died or is back."""
        seen = self.look()
        moved = self.seat.news(seen)
        if moved != self.told_moved:
            self.told_moved = moved
            return f"! {moved}" if moved else ""
        if seen.real and not self.told_real:
            self.told_real = seen.real
            return f"! {real_text(seen)}"
        if seen.known.word != self.told_word:
            self.told_word = seen.known.word
            return why_line(seen)
        fresh = [due for due in late(seen) if due not in self.told_late]
        self.told_late = set(late(seen))
        return due_text(seen) if fresh else ""

    def lines(self, seen: Look) -> tuple[list[str], int]:
        """Where the person is: an opened procedure, a run at its step, or the list; and how many of the lines it takes
        to the end of that step, 0 where none is at hand."""
        width, run, step = self.terminal.width, self.seat.at_hand(seen), 0
        self.told_late, self.told_word = set(late(seen)), seen.known.word
        if self.seat.opened:
            return ["", *page_acts.opened_lines(self.seat)], 0
        lines = ["", *mode_lines(seen, width)]
        if run:
            lines += [*run_title(run, width), *at_hand_lines(run, width)]
            step = len(lines)
        else:
            listed, self.seat.chosen = list_lines(seen, self.seat.library, width)
            lines += [why_line(seen), "-" * width, *listed, "-" * width]
        kept = kept_line(self.seat.desk.journal, len(seen.period.entries), width) if seen.period.entries else ""
        return lines + [line for line in (due_text(seen), other_line(seen, run.id) if run else "", kept) if line], step

    def obey(self, answer: str, seen: Look) -> bool:
        """One command: a value where a reading is asked, a number or id, a letter with or without a text behind it.

        Returns whether it printed a page, behind which the step at hand must be told again.
        """
        word, _space, rest = answer.partition(" ")
        run = self.seat.at_hand(seen)
        waiting = run.open_readings() if run and not run.waiting_for() else ()
        key = find(keys(self.seat, seen), word) if len(word) == 1 else None
        if self.rest and run and (word.lower() in TAKES_THE_STEP or (waiting and is_value(waiting[0], answer))):
            self.rest = self.rest[self.terminal.say(*self.rest, step=len(self.rest)) :]
            told = _("{word} was not taken: the step is told whole only now. Once more, then Enter")
            self.notes += [] if self.rest else ["! " + told.format(word=clean(word, 20))]
            return False
        if waiting and is_value(waiting[0], answer):
            return self.carry_out(reading_acts.take, answer)
        if word.isdecimal() and run and not self.seat.opened:
            raise Refused(_("{word} is no key in a run: x opens the list, where a number opens").format(word=word[:4]))
        if word.isdecimal() and not rest:
            return self.carry_out(lambda seat, text: page_acts.choose(seat, int(text)), word[:4])
        if word == "?":
            self.terminal.say(*help_lines(run))
            return True
        if key and (not rest or key.takes):
            return self.carry_out(key.act, rest.strip())
        if word.upper() in seen.period.runs:
            self.seat.run_id, self.seat.opened = word.upper(), None
            self.terminal.say(now_at(seen.period.runs[word.upper()]))
        elif word.upper() in {name for name, _language in self.seat.library.entries}:
            return self.carry_out(page_acts.open_typed, answer)
        elif waiting:
            return self.carry_out(reading_acts.take, answer)  # what it asks for is told with the refusal
        else:
            self.terminal.say(_("{word}: not known; ? helps").format(word=clean(word, 20)))
        return False

    def carry_out(self, act: Act, given: str) -> bool:
        """An act from its first question to its last; a refusal ends it. Returns whether it ended in a page."""
        talk = act(self.seat, given)
        if isinstance(talk, Generator):
            try:
                ask = next(talk)
                while True:
                    self.terminal.say(*ask.page, *ask.note)
                    ask = talk.send(self.terminal.ask(ask.prompt, changes(ask)))
            except StopIteration as end:
                talk = end.value
        self.terminal.say(*(talk if isinstance(talk, list) else [talk] if talk else []))
        return isinstance(talk, list)


def changes(ask: Ask) -> Callable[[], str] | None:
    """What tells the lines of a page that have changed while its question stands; None for a page that stays."""
    anew = ask.anew
    shown = {line.split(" (")[0] for line in ask.page}  # what stands in brackets is an age, it changes all the time

    def told() -> str:
        now = {line.split(" (")[0]: line for line in (anew() if anew else ())}
        fresh = [line for key, line in now.items() if key not in shown]
        shown.clear()
        shown.update(now)
        return "  ".join(fresh)

    return told if anew else None


def is_value(reading: Reading, answer: str) -> bool:
    """Whether a line answers the reading that is asked. Words are one too, but for a key with or without a text."""
    word, _space, rest = answer.partition(" ")
    if reading.unit == "text":
        return len(word) > 1 or (bool(rest) and word not in TAKES_WORDS)
    if reading.unit == "yes/no":
        return answer.lower() in (*YES, *NO)
    return decimal_of(answer.partition("@")[0]) is not None or (reading.unit == "HH:MM" and ":" in answer)
