"""Anything with a keyboard: lines out, lines in, in the characters the terminal has, no colour, no cursor movement."""

from __future__ import annotations

import io
import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import Callable, TextIO

from fallback_procedures.triggers import LOOK_S
from fallback_procedures.words import _, encodable, harmless, hostile, wrapped

AT_ONCE = 1000  # bytes; nobody types so much ahead, a paste does
LINE = 2000  # characters of one answer
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[PX^_\]][^\x07\x1b]*(?:\x07|\x1b\\)|[^\x1b])?", re.DOTALL)

LINE_LIMIT = 10_000  # characters; a longer line is no answer
END_LIMIT = 1_000_000  # characters without an end of line: a device, and it has no end


class Gone(Exception):
    """The keyboard was closed: the terminal is gone or the input has ended."""


def typed(text: str) -> str:
    """What a person meant by a line: arrow keys and other control characters are no text, backspace takes one back."""
    kept: list[str] = []
    for character in _ESCAPE.sub("", text[: LINE * 4]):
        if character in "\b\x7f":
            del kept[-1:]
        elif character == "\t" or not hostile(character):
            kept.append(" " if character == "\t" else character)
    return "".join(kept)[:LINE].strip()


class Terminal:
    """Lines to a person and from a person. `margin` stands before each line."""

    def __init__(self, out: TextIO | None = None, source: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.source = source or sys.stdin
        if isinstance(self.source, io.TextIOWrapper) and self.source.errors != "replace":  # once, before the first line
            self.source.reconfigure(errors="replace")
        self.encoding = getattr(self.out, "encoding", None) or "ascii"
        self.live = self.out.isatty() and self.source.isatty()
        self.margin = ""
        self._waiting = b""

    @property
    def width(self) -> int:
        """Columns for a line, without the margin; they are asked anew because a window may change."""
        return max(40, min(shutil.get_terminal_size((80, 24)).columns, 100)) - 1 - len(self.margin)

    def say(self, *lines: str, step: int = 0) -> int:
        """Print lines, each wrapped to the width; a long text stops at each screenful on a live terminal.

        A command typed there ends the text and is the answer to the next question. Up to the line `step` it is a step
        at hand, which must be told to its end before it is marked. Returns how many lines were told.
        """
        screenful = max(10, shutil.get_terminal_size((80, 24)).lines) - 2
        pieces = list(self._pieces(lines))
        for count, (piece, told) in enumerate(pieces, 1):
            self._write(f"{self.margin}{piece}".rstrip() + "\n")
            if self.live and count % screenful == 0 and count < len(pieces):
                more, rest = (
                    _("-- Enter for more, or a command --"),
                    _("-- Enter: the rest of the step, before a value --"),
                )
                command = self.ask(rest if told < step else more)
                if command:
                    self._waiting = f"{command}\n".encode(self.encoding, "replace") + self._waiting
                    self._flush()
                    return told
        self._flush()
        return len(lines)

    def _pieces(self, lines: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """Each row, and how many lines are told with it to their end."""
        width = self.width
        for at, line in enumerate(map(harmless, lines)):
            rows = [line] if len(line) <= width else wrapped(line, width, "", "    ")
            yield from ((row, at + (number == len(rows))) for number, row in enumerate(rows, 1))

    def ask(self, prompt: str, tick: Callable[[], str] | None = None) -> str:
        """One line from the keyboard, as it was meant; Gone where there is none any more.

        `tick` is asked each few seconds for a line that must be told meanwhile, "" for none. Only here may Ctrl-C
        interrupt a person at work: never between an entry and its place on disk.
        """
        prompt = harmless(prompt)
        *before, prompt = wrapped(prompt, self.width - 2) if len(prompt) > self.width - 2 else [prompt]
        if self.live:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            while True:
                self._write("".join(f"{self.margin}{line}\n" for line in before) + f"{self.margin}{prompt} ")
                self._flush()
                line = self._line_from_keyboard(prompt, tick) if self.live else self._line_from_file()
                if line is not None:
                    return typed(line)
                self._write(
                    f"{self.margin}! " + _("so much came at once that nobody can have meant it: thrown away") + "\n"
                )
        finally:
            if self.live:
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _write(self, text: str) -> None:
        try:
            self.out.write(encodable(text, self.encoding))
        except (OSError, ValueError) as fault:
            raise Gone from fault

    def _flush(self) -> None:
        try:
            self.out.flush()
        except (OSError, ValueError) as fault:
            raise Gone from fault

    def _line_from_file(self) -> str | None:
        """A line; None for one that is so long that nobody can have meant it."""
        line = self.source.readline(END_LIMIT)
        if not line or len(line) == END_LIMIT:
            raise Gone
        self._write("\n")
        return line if len(line) < LINE_LIMIT else None

    def _line_from_keyboard(self, prompt: str, tick: Callable[[], str] | None) -> str | None:
        """A line; None where so much came at once that nobody can have meant it."""
        if os.name != "posix":  # there the keyboard speaks another encoding than its bytes
            return self._line_from_file()
        while b"\n" not in self._waiting:
            if tick is not None and not self._comes(LOOK_S):
                news = tick()
                if news:
                    self._write(f"\n{self.margin}{harmless(news)}\n{self.margin}{prompt} ")
                    self._flush()
                continue
            self._waiting += self._read()
            while b"\n" in self._waiting and self._comes(0):
                self._waiting += self._read()
            if len(self._waiting) > AT_ONCE and self._waiting.count(b"\n") > 1:
                self._throw_away()
                return None
        line, _newline, self._waiting = self._waiting.partition(b"\n")
        return line.decode(self.encoding, "replace")

    def _throw_away(self) -> None:
        """A paste is no answer: nobody has read the questions."""
        while self._comes(0.3):
            self._read()
        self._waiting = b""

    def _comes(self, seconds: float) -> bool:
        return bool(select.select([self.source.fileno()], [], [], seconds)[0])

    def _read(self) -> bytes:
        try:
            part = os.read(self.source.fileno(), 4096)
        except OSError as fault:
            raise Gone from fault
        if not part:
            raise Gone
        return part
