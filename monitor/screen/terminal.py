"""Which way of drawing a terminal can take, and the way for those that can take none: plain text every five seconds.

Textual draws on stderr and sends colours, alternate screen and mouse codes even to a terminal that says "dumb", so the
choice is made here before it starts.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO

from monitor.screen.reading import take
from monitor.screen.text import encodable, overview
from monitor.state import State

PLAIN_EVERY_S = 5.0
PLAIN_TERMS = ("", "dumb", "unknown")
SIMPLE_TERMS = ("linux", "vt", "ansi", "cons25")  # no true colour, few glyphs


def choose(asked: str | None, tty: bool, term: str, encoding: str | None, size: tuple[int, int]) -> str:
    """full, ascii or plain (interface.md's rule): what was asked for, unless there is no terminal at all."""
    if not tty:
        return "plain"
    if asked in ("full", "ascii", "plain"):
        return asked
    if term in PLAIN_TERMS or size[0] < 60 or size[1] < 15:
        return "plain"
    utf8 = (encoding or "").lower().replace("-", "").replace("_", "") == "utf8"
    return "full" if utf8 and not term.startswith(SIMPLE_TERMS) else "ascii"


class Ended(Exception):
    """Somebody asked the plain text to end."""


def plain(state: State, width: int, out: TextIO, wait: Callable[[float], None] = time.sleep) -> int:
    """Print the overview every five seconds, without one escape, until somebody ends it. Returns the exit code."""

    def end(_signal: int, _frame: object) -> None:
        raise Ended

    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, end)
    with contextlib.suppress(Ended, KeyboardInterrupt, BrokenPipeError):
        while True:
            text = encodable(overview(take(state), width), out.encoding)
            out.write(text + "\n\n")
            out.flush()
            wait(PLAIN_EVERY_S)
    with contextlib.suppress(BrokenPipeError):
        out.flush()
        return 0
    sys.stdout = None  # the reader has gone: nothing is left to flush at exit
    return 0
