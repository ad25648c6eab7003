"""The folder of journals: the one order in which daemon, import and screen look at its files, and how one stands."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from monitor.words import utc_text

_NAMED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z(-[0-9]+)?\.jsonl")  # as the fallback names them
_AHEAD_US = 86_400_000_000  # the clock of another machine may be so much ahead
Stamp = tuple[int, int, int]  # number, size [B] and time of the last change [ns] of a file


def in_order(folder: Path, now_us: int) -> list[Path]:
    """Its files: those named as the fallback names them, the newest first; then those named after a day to come; then
    all others. None where the folder cannot be read. `now_us`: UTC [us]"""
    day = utc_text(now_us + _AHEAD_US)[:19].replace(":", "")

    def rank(path: Path) -> tuple[int, str]:
        named = _NAMED.fullmatch(path.name) is not None
        return named + (named and path.name[: len(day)] <= day), path.name

    with suppress(OSError):
        return sorted(folder.glob("*.jsonl"), key=rank, reverse=True)
    return []


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """How each file stands now, in the same order; what is gone meanwhile is left out."""
    found: dict[Path, Stamp] = {}
    for path in paths:
        with suppress(OSError):
            told = path.lstat()
            found[path] = (told.st_ino, told.st_size, told.st_mtime_ns)
    return found
