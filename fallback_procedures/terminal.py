"""Anything with a keyboard: lines out, lines in, in the encoding the terminal has, no colour, no cursor movement."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import TextIO

from fallback_procedures.words import _, encodable, wrapped

LINE_LIMIT = 10_000  # characters


class Gone(Exception):
    """The keyboard was closed: the terminal is gone or the input has ended."""


class Terminal:
    """Lines to a person and from a person. `tick` is asked each few seconds for a line that must be told meanwhile."""

    def __init__(self, out: TextIO | None = None, source: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.source = source or sys.stdin
        self.encoding = getattr(self.out, "encoding", None) or "ascii"
        size = shutil.get_terminal_size((80, 24))
        self.width, self.height = max(40, min(size.columns, 100)) - 1, max(10, size.lines)
        self.live = self.out.isatty() and self.source.isatty()
        self._waiting = b""

    def say(self, *lines: str) -> None:
        """Print lines, each wrapped to the width; a long text stops at each screenful on a live terminal."""
        room = self.height - 2
        for line in lines:
            for piece in [line] if len(line) <= self.width else wrapped(line, self.width, "", "    "):
                if room <= 0 and self.live:
                    self.ask(_("-- Enter for more --"))
                    room = self.height - 2
                self._write(piece + "\n")
                room -= 1
        self._flush()

    def ask(self, prompt: str, tick: Callable[[], str] | None = None) -> str:
        """One line from the keyboard, without its end; Gone where there is none any more."""
        *before, prompt = wrapped(prompt, self.width - 2) if len(prompt) > self.width - 2 else [prompt]
        self._write("".join(line + "\n" for line in before) + prompt + " ")
        self._flush()
        return self._line_from_keyboard(prompt, tick).strip() if self.live else self._line_from_file()

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

    def _line_from_file(self) -> str:
        line = self.source.readline(LINE_LIMIT)
        if not line or len(line) == LINE_LIMIT:  # no person types that much: a device, and it has no end
            raise Gone
        self._write("\n")
        return line.strip()

    def _line_from_keyboard(self, prompt: str, tick: Callable[[], str] | None) -> str:
        handle, told = self.source.fileno(), ""
        if os.name != "posix":  # there the keyboard speaks another encoding than its bytes
            return self._line_from_file()
        while b"\n" not in self._waiting:
            if tick is not None and not select.select([handle], [], [], 5)[0]:
                news = tick()
                if news and news != told:
                    told = news
                    self._write(f"\n{news}\n{prompt} ")
                    self._flush()
                continue
            try:
                part = os.read(handle, 4096)
            except OSError as fault:
                raise Gone from fault
            if not part:
                raise Gone
            self._waiting += part
        line, _newline, self._waiting = self._waiting.partition(b"\n")
        return line.decode(getattr(self.source, "encoding", None) or "ascii", "replace")


def table(rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Rows as columns of these widths, the last one free."""
    return ["  ".join(f"{cell[:width]:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
