"""When a journal of the fallback has ended, or was added to afterwards: the worker is asked then, and not before."""

import time
from contextlib import suppress
from pathlib import Path

from monitor.periods.folder import Stamp, in_order, stamps
from monitor.state import State, read_plain

FILES = 2_000  # journals that are new or were written to and are looked at in one go; the others the next time
_TAIL = 65_536  # bytes of the end of a file: what ends a period stands there, or a line from paper behind it
_MARKS = tuple(f'"kind":"{kind}"'.encode() for kind in ("handed_back", "closed", "paper", "drill_record"))


class Journals:
    """The folder of journals as it was seen last. The files are another program's: they are looked at, not believed."""

    def __init__(self, state: State) -> None:
        self._folder = state.journal
        self._seen: dict[Path, Stamp] = {}

    def changed(self) -> bool:
        """Whether a journal that looks as if it had ended was written to since this was asked last."""
        there = stamps(in_order(self._folder, time.time_ns() // 1000))
        new = [path for path, stamp in there.items() if self._seen.get(path) != stamp]
        news = False
        for path in new[:FILES]:
            with suppress(OSError):
                news |= any(mark in read_plain(path, _TAIL, tail=True) for mark in _MARKS)
        self._seen = {path: there[path] for path in there.keys() - set(new[FILES:])}
        return news
