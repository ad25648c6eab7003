"""How a life of the daemon begins with a hot file that cannot be read: it is kept aside, and a new one is begun.

The plant must be seen again. History and ledger stay as they are; what only the damaged file held - the frames that
were not folded yet, the rollups - is in quarantine, not lost. A file that cannot be written, a full disk or missing
rights are no damage: they are told as what they are.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.historian.hot import HotFile, OtherFormat
from monitor.sqlite_file import FileDamaged, damaged
from monitor.state import State, sync_folder
from monitor.words import utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A hot file that was put aside: where it lies now, why, and when it was last written (UTC) [us]."""

    moved_to: str
    why: str
    last_us: int


def open_hot(state: State, settings: "Settings", now_us: int) -> tuple[HotFile, Abandoned | None]:
    """The hot file with its tags published; where it is damaged a new one, and what became of the old one.

    The caller holds daemon.lock. Raises UserError where it is not damaged, and cannot be used all the same.
    """
    if not state.hot.exists():  # what lies beside it is of another one, whose moving away was broken off
        _put_aside(state, "", now_us)
    try:
        return _opened(state, settings), None
    except FileDamaged as fault:
        if not _is_damage(fault):
            raise
        abandoned = _put_aside(state, str(fault), now_us)
    return _opened(state, settings), abandoned


def _opened(state: State, settings: "Settings") -> HotFile:
    hot = HotFile(state.hot)
    try:
        hot.publish_tags(settings)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
        hot.let_go()
        raise damaged(state.hot, fault) from fault
    return hot


def _is_damage(fault: FileDamaged) -> bool:
    """Whether the bytes are wrong, and not the disk, the rights or a lock."""
    cause = fault.__cause__
    wrong_bytes = isinstance(cause, sqlite3.DatabaseError | UnicodeDecodeError)
    return isinstance(fault, OtherFormat) or (wrong_bytes and not isinstance(cause, sqlite3.OperationalError))


def _put_aside(state: State, why: str, now_us: int) -> Abandoned:
    folder = state.root / "quarantine"
    stamp = utc_text(now_us).replace(":", "")
    there = [file for end in ("", "-wal", "-shm") if (file := Path(f"{state.hot}{end}")).exists()]
    last_us = max((file.stat().st_mtime_ns for file in there), default=0) // 1000
    if there:
        folder.mkdir(mode=0o2770, exist_ok=True)
    for file in there:
        file.rename(folder / f"{stamp}-{file.name}")
    for place in (folder, state.root) if there else ():
        sync_folder(place)
    return Abandoned(str(folder / f"{stamp}-{state.hot.name}"), why, last_us)
