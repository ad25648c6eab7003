"""The journal: one JSON line per entry, appended and forced to disk before the person is told that it is kept.

It is the only file the fallback writes during a period. A full or read-only disk must not stop anybody from working, so
an entry that the disk refuses goes to a memory folder, and where that fails too the person is told to write on paper;
as soon as the disk takes entries again, those of the memory folder are written behind the others. What was read or
written once is held by this process too: a folder that is moved away or deleted takes no period with it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fallback_procedures.words import _, clean

try:
    import fcntl
except ImportError:  # not on every system that a USB stick meets; there one screen at a time must do
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
FILE_LIMIT = 50_000_000  # bytes
Line = dict[str, Any]


def memory_folder(journal: Path | None = None) -> Path:
    """Where entries go that the disk refuses: a folder of this user in memory, else the system's temporary folder.

    Each journal folder has its own, so that the periods of two plants on one machine are never mixed.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    root = Path("/dev/shm")
    if not (root.is_dir() and os.access(root, os.W_OK)):
        with contextlib.suppress(OSError):  # no folder here can be written to: what is tried fails, and that is said
            root = Path(tempfile.gettempdir())
    mark = hashlib.sha256(os.fsencode(journal)).hexdigest()[:8] if journal else "none"
    return root / f"handwheel-manual-{user}" / mark


def read_plain(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a plain file; OSError for a pipe or a device, which could make us wait for ever."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no plain file", os.fspath(path))
    with path.open("rb") as file:
        return file.read(limit)


def read_lines(path: Path) -> tuple[list[Line], int]:
    """The whole entries of a file in order, and how many lines were torn (by a power cut) or are no entries."""
    try:
        raw = read_plain(path, FILE_LIMIT)
    except OSError:
        return [], 0
    lines, torn = [], 0
    for part in raw.split(b"\n"):
        if not part.strip():
            continue
        try:
            line = json.loads(part.decode())
        except (ValueError, RecursionError):
            torn += 1
            continue
        if isinstance(line, dict) and isinstance(line.get("n"), int) and isinstance(line.get("kind"), str):
            lines.append(line)
        else:
            torn += 1
    return lines, torn


@dataclass
class Journal:
    """The file of one period: on disk below `folder` (None: there is no state folder), beside it one in memory.

    `where` says in words where the last entry lies; `safe` is False when that is not the disk.
    """

    folder: Path | None
    name: str
    memory: Path = field(default=Path())
    safe: bool = True
    where: str = ""
    held: dict[int, Line] = field(default_factory=dict)  # every entry this process has seen, by number
    there: bool = False  # STATE/manual was there once

    def __post_init__(self) -> None:
        if self.memory == Path():
            self.memory = memory_folder(self.folder)
        self.there = self.folder is not None and self.folder.parent.is_dir()

    @property
    def path(self) -> Path:
        return (self.folder or self.memory) / self.name

    def lines(self) -> list[Line]:
        """All entries, each number once: as on disk, else as in the memory folder, else as this process holds them."""
        found: dict[int, Line] = {}
        for path in self._both():
            for line in read_lines(path)[0]:
                found.setdefault(line["n"], line)
        self.held = {**self.held, **found}
        return [self.held[n] for n in sorted(self.held)]

    def torn(self) -> int:
        """How many lines a power cut has torn."""
        return sum(read_lines(path)[1] for path in self._both())

    def append(self, line: Line) -> Line:
        """Keep one entry and return it with its number. Never raises: `safe` and `where` say what became of it."""
        with _lock(self.path if self.path.exists() else self.memory / self.name):
            line = {"format": FORMAT, "n": max((one["n"] for one in self.lines()), default=0) + 1, **line}
            self.held[line["n"]] = line
            self._keep()
        return line

    def gone(self) -> bool:
        """Whether the folder that STATE had is there no more. It is never made anew: it may come back as it was."""
        if self.folder is None or self.folder.parent.is_dir():
            return False
        return self.there or not self.folder.parent.parent.is_dir()

    def tend(self) -> str:
        """Look after the entries: catch up on a disk that is back. What a person must know of it, "" if nothing."""
        if self.folder is None:
            return ""
        if self.lines() and (self._lacking(self.memory / self.name) if self.gone() else self._lacking(self.path)):
            with _lock(self.path if self.path.exists() else self.memory / self.name):
                self._keep()
        if not self.gone() or not (self.there or self.held):
            return ""
        if self.held and self._lacking(self.memory / self.name):
            return _("STATE FOLDER IS GONE: {path}. What was recorded still counts here. WRITE ON PAPER").format(
                path=clean(self.folder.parent))  # fmt: skip
        return _("STATE FOLDER IS GONE: {path}. What was recorded still counts; entries are kept in memory only, "
                 "write on paper too").format(path=clean(self.folder.parent))  # fmt: skip

    def _keep(self) -> None:
        """Write what the disk lacks, else what the memory folder lacks."""
        why = _("there is no state folder")
        if self.folder is not None and self.gone():
            why = _("the state folder is gone")
        elif self.folder is not None:
            try:
                for one in self._lacking(self.path):
                    _write(self.path, one)
                self.safe, self.where, self.there = True, str(self.path), True
                _forget(self.memory / self.name)
                return
            except OSError as fault:
                why = fault.strerror or str(fault)
        try:
            self.memory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for place in (self.memory.parent, self.memory):
                if place.is_symlink() or (hasattr(os, "getuid") and place.stat().st_uid != os.getuid()):
                    raise OSError(f"{place} belongs to somebody else")
            for one in self._lacking(self.memory / self.name):
                _write(self.memory / self.name, one)
            self.safe = False
            self.where = _("MEMORY ONLY ({why}): {path}; lost at power off, write on paper too").format(
                why=clean(why, 60), path=self.memory / self.name)  # fmt: skip
        except OSError:
            self.safe = False
            self.where = _("NOT SAVED ({why}): WRITE ON PAPER").format(why=clean(why, 60))

    def _lacking(self, path: Path) -> list[Line]:
        """The entries that a file does not have."""
        kept = {line["n"] for line in read_lines(path)[0]}
        return [self.held[n] for n in sorted(self.held) if n not in kept]

    def _both(self) -> list[Path]:
        memory = self.memory / self.name
        return [memory] if self.folder is None else [self.folder / self.name, memory]


def catch_up(folder: Path | None) -> None:
    """Bring home what lies in the memory folder, also of periods that ended while the disk refused."""
    if folder is not None:
        for name in names(None, memory_folder(folder)):
            Journal(folder, name).tend()


def names(folder: Path | None, memory: Path | None = None) -> list[str]:
    """The files of all periods, oldest first, on disk and in memory."""
    found = set()
    for place in (folder, memory or memory_folder(folder)):
        try:
            found |= {path.name for path in place.glob("????-??-??T??????Z*.jsonl")} if place else set()
        except OSError:
            continue
    return sorted(found)


def _write(path: Path, line: Line) -> None:
    """Append one line and force it to disk; what a torn line left behind is closed first."""
    blob = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    new = not path.exists()
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o660)
    try:
        size = os.fstat(handle).st_size
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)  # pread is not on every system; what is written goes to the end
            blob = blob if os.read(handle, 1) == b"\n" else b"\n" + blob
        if os.write(handle, blob) != len(blob):
            raise OSError(28, "the disk is full")
        os.fsync(handle)
    finally:
        os.close(handle)
    if new and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def alone(folder: Path | None) -> _lock:
    """While this is held no other manual screen begins a period below that folder."""
    places = [folder] if folder is not None and folder.parent.is_dir() else []
    for place in (*places, memory_folder(folder)):
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o777 if place == folder else 0o700, parents=True, exist_ok=True)
            return _lock(place)
    return _lock(memory_folder(folder))  # is not there: no lock, the work goes on


class _lock:
    """Two manual screens may work on one period: they append one after the other. Without a lock the work goes on."""

    def __init__(self, path: Path) -> None:
        self.path, self.handle = path, -1

    def __enter__(self) -> None:
        if fcntl is None:
            return
        try:
            self.handle = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self.handle, fcntl.LOCK_EX)
        except OSError:
            pass

    def __exit__(self, *_exc: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
