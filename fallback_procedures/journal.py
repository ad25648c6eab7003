"""The journal: one JSON line per entry, appended and forced to disk before the person is told that it is kept.

It is the only file the fallback writes during a period. A full or read-only disk must not stop anybody from working, so
an entry that the disk refuses goes to a memory folder, and where that fails too the person is told to write on paper;
as soon as the disk takes entries again, those of the memory folder are written behind the others. What was read or
written once is held by this process too: a folder that is moved away or deleted takes no period with it. A line is kept
byte for byte as it was written, and is never changed, dropped or numbered anew: two of one number are two entries, in
the order in which they stand on the disk (monitor/periods/journal.py reads the same lines in the same order).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fallback_procedures.words import _, clean

try:
    import fcntl
except ImportError:  # not on every system that a USB stick meets; there one screen at a time must do
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
LOCK_S = 2.0  # an entry takes some milliseconds; who holds the lock for longer is not waited for [s]
N_LIMIT = 1_000_000  # no file of FILE_LIMIT holds more entries: a larger number is no number of ours
HOLE = 10_000  # numbers that lost entries may leave out in a row; what stands behind more is none of ours
FILE_LIMIT = 16_000_000  # bytes: an act each minute for a month; what stands behind them is no journal of ours
LINE_LIMIT = 2_000_000  # bytes; the longest entry of ours holds a whole procedure
_GLANCE = 4096  # bytes at the beginning and at the end of a file
NAME = re.compile(r"....-..-..T......Z.*\.jsonl")
Stamp = tuple[tuple[int, int, int], ...]  # number, size [B] and time of the last change [ns], on disk and in memory


class Line(dict[str, Any]):
    """One entry. `mark` tells it from every other one, also of its number: of its bytes as they stand in the file."""

    mark = ""


def entry_of(told: Mapping[str, Any], raw: bytes = b"") -> tuple[bytes, Line]:
    """An entry with its bytes in the file; without `raw` it is a new one."""
    line = Line(told)
    raw = raw or json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    line.mark = hashlib.sha256(raw).hexdigest()[:16]
    return raw, line


def memory_folder(journal: Path | None = None, roots: tuple[Path, ...] = ()) -> Path:
    """Where entries go that the disk refuses: a folder of this user in memory, else the system's temporary folder.

    Each journal folder has its own, so that the periods of two plants on one machine are never mixed. A folder of that
    name which somebody else has put there is passed by.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    mark = hashlib.sha256(os.fsencode(journal)).hexdigest()[:8] if journal else "none"
    roots = roots or _roots()
    places = [root / f"handwheel-manual-{user}" for root in roots if os.access(root, os.W_OK)] or [roots[-1] / "none"]
    return next((place for place in places if not os.path.lexists(place) or is_ours(place)), places[-1]) / mark


def _roots() -> tuple[Path, ...]:
    with contextlib.suppress(OSError):  # no folder here can be written to: what is tried fails, and that is said
        return Path("/dev/shm"), Path(tempfile.gettempdir())
    return (Path("/dev/shm"),)


def is_ours(folder: Path) -> bool:
    """Whether it is a folder of this user, and no link to another place."""
    try:
        told = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(told.st_mode) and (not hasattr(os, "getuid") or told.st_uid == os.getuid())


@dataclass
class _Read:
    """What was read of a file so far: it only grows, so the next look reads what was added."""

    file: tuple[int, int] = (0, 0)  # device and number
    at: int = 0  # behind the last whole line read
    last: bytes = b""  # the bytes before it, to notice a file that was changed in place
    lines: dict[bytes, Line] = field(default_factory=dict)  # each as it stands there -> the entry
    torn: int = 0


_seen: dict[Path, _Read] = {}


def read_lines(path: Path) -> tuple[list[Line], int]:
    """The whole entries of a file in order, and how many lines were torn (by a power cut) or are no entries.

    Nothing of the file is held.
    """
    with _holding_nothing(path):
        found, torn = _raw_lines(path)
    told = in_order(found)
    return list(told.values()), torn + len(found) - len(told)


@contextlib.contextmanager
def _holding_nothing(*paths: Path) -> Iterator[None]:
    """What is read of these files meanwhile is forgotten, but of those that were held before."""
    new = [path for path in paths if path not in _seen]
    try:
        yield
    finally:
        for path in new:
            _seen.pop(path, None)


def in_order(found: Mapping[bytes, Line]) -> dict[bytes, Line]:
    """Entries as they count: by their numbers, those of one number as they stand. None behind a HOLE in the numbers."""
    told: dict[bytes, Line] = {}
    last = 0
    for raw, line in sorted(found.items(), key=lambda one: one[1]["n"]):
        if line["n"] - last > HOLE:
            break
        told[raw], last = line, line["n"]
    return told


def _raw_lines(path: Path) -> tuple[dict[bytes, Line], int]:
    """The whole entries of a plain file, each with its bytes; none of a link or a pipe, or behind FILE_LIMIT."""
    try:
        handle = os.open(path, _OPEN | os.O_RDONLY)
    except OSError:
        return {}, 0
    told = os.fstat(handle)
    if not stat.S_ISREG(told.st_mode) or path.is_symlink():
        os.close(handle)
        return {}, 0
    with open(handle, "rb") as file:
        read = _seen.get(path, _Read())
        file.seek(max(read.at - len(read.last), 0))
        if read.file != (told.st_dev, told.st_ino) or told.st_size < read.at or file.read(len(read.last)) != read.last:
            read = _Read((told.st_dev, told.st_ino))
            file.seek(0)
        rest = b""
        for raw in iter(lambda: file.readline(min(LINE_LIMIT, max(FILE_LIMIT - file.tell(), 0))), b""):
            rest = (rest + raw)[: LINE_LIMIT + 1]
            if raw.endswith(b"\n"):
                read.at, read.last = file.tell(), raw[-64:]
                read.torn += _take(rest, read.lines)
                rest = b""
    _seen[path] = read
    tail: dict[bytes, Line] = {}
    torn = _take(rest, tail)  # the last line, where a power cut took its end
    return ({**read.lines, **tail} if tail else read.lines), read.torn + torn


def _take(raw: bytes, lines: dict[bytes, Line]) -> int:
    """Add the entry in a line; 1 where there is none in it though it is not empty."""
    raw = raw.strip()
    if not raw:
        return 0
    try:
        line = json.loads(raw.decode(), parse_constant=_no_constant) if len(raw) <= LINE_LIMIT else None
    except (ValueError, RecursionError):
        return 1
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str) or line.get("format", FORMAT) != FORMAT:
        return 1
    if not isinstance(line.get("drill"), bool):  # it says neither that it is an exercise nor that it is real
        return 1
    if type(line.get("n")) is not int or not 0 < line["n"] <= N_LIMIT:
        return 1
    lines[raw] = entry_of(line, raw)[1]
    return 0


def glance(path: Path) -> tuple[Line, Line] | None:
    """The first and the last entry of a file, where the first is number 1, so that it says whether all is a drill, and
    no hole can be before the last; None where these two alone cannot tell: it must be read."""
    try:
        handle = os.open(path, _OPEN | os.O_RDONLY)
    except OSError:
        return None
    with open(handle, "rb", buffering=0) as file:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode) or told.st_size > FILE_LIMIT:
            return None
        head = file.read(_GLANCE)
        file.seek(max(told.st_size - _GLANCE, 0))
        before, _end, tail = file.read(_GLANCE).rstrip().rpartition(b"\n")
    found: dict[bytes, Line] = {}
    if not before or b"\n" not in head or _take(head.split(b"\n")[0], found) or _take(tail, found) or len(found) != 2:
        return None
    first, last = found.values()
    return (first, last) if first["n"] == 1 and last["n"] <= HOLE else None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


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
    held: dict[bytes, Line] = field(default_factory=dict)  # every entry this process has seen, by its bytes
    there: bool = False  # STATE/manual was there once

    def __post_init__(self) -> None:
        if self.memory == Path():
            self.memory = memory_folder(self.folder)
        self.there = self.folder is not None and self.folder.parent.is_dir()

    @property
    def path(self) -> Path:
        return (self.folder or self.memory) / self.name

    def lines(self) -> list[Line]:
        """All entries in order: by number, those of one number as they stand on disk, then in the memory folder, then
        held by this process alone."""
        found: dict[bytes, Line] = {}
        for path in self._both():
            found.update(_raw_lines(path)[0])
        found.update(self.held)
        self.held = in_order(found)
        return list(self.held.values())

    def peek(self) -> list[Line]:
        """All entries in order, of which nothing is held: for one look at a journal that nobody works at here."""
        with _holding_nothing(*self._both()):
            return self.lines()

    def torn(self) -> int:
        """How many lines a power cut has torn."""
        return sum(read_lines(path)[1] for path in self._both())

    def append(self, told: Mapping[str, Any]) -> Line:
        """Keep one entry and return it with its number. Never raises: `safe` and `where` say what became of it."""
        with _lock(self.path if self.path.exists() else self.memory / self.name):
            last = max((one["n"] for one in self.lines()), default=0)
            raw, line = entry_of({"format": FORMAT, "n": min(last + 1, N_LIMIT), **told})
            self.held[raw] = line
            self._keep()
        return line

    def gone(self) -> bool:
        """Whether STATE/manual is not there. It is never made here: one that was moved away may come back as it was."""
        return self.folder is not None and not self.folder.parent.is_dir()

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
        if self.gone():
            why = _("the state folder is gone") if self.there else why
        elif self.folder is not None:
            try:
                self.folder.mkdir(exist_ok=True)
                for one in self._lacking(self.path):
                    _write(self.path, one)
                self.safe, self.where, self.there = True, str(self.path), True
                _forget(self.memory / self.name)
                return
            except OSError as fault:
                why = fault.strerror or str(fault)
        try:
            self.memory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._may_trust_memory():
                raise OSError(f"{self.memory} belongs to somebody else")
            for one in self._lacking(self.memory / self.name):
                _write(self.memory / self.name, one)
            self.safe = False
            self.where = _("MEMORY ONLY ({why}): {path}; lost at power off or log-out, write on paper too").format(
                why=clean(why, 60), path=self.memory / self.name)  # fmt: skip
        except OSError:
            self.safe = False
            self.where = _("NOT SAVED ({why}): WRITE ON PAPER").format(why=clean(why, 60))

    def _lacking(self, path: Path) -> list[bytes]:
        """The entries that a file does not have."""
        kept = _raw_lines(path)[0]
        return [raw for raw in self.held if raw not in kept]

    def _may_trust_memory(self) -> bool:
        return is_ours(self.memory) and is_ours(self.memory.parent)

    def _both(self) -> list[Path]:
        memory = [self.memory / self.name] if self._may_trust_memory() else []
        return memory if self.folder is None else [self.folder / self.name, *memory]


def catch_up(folder: Path | None) -> None:
    """Bring home what lies in the memory folder, also of periods that ended while the disk refused."""
    if folder is not None:
        for name in names(None, memory_folder(folder)):
            Journal(folder, name).tend()


def names(folder: Path | None, memory: Path | None = None) -> list[str]:
    """The files of all periods, oldest first, on disk and in memory."""
    return list(stamps(folder, memory))


def stamps(folder: Path | None, memory: Path | None = None) -> dict[str, Stamp]:
    """The files of all periods, oldest first, on disk and in memory, each with what changes when it is written to."""
    found: dict[str, Stamp] = {}
    shadow = memory or memory_folder(folder)
    for place in (folder, shadow if is_ours(shadow) and is_ours(shadow.parent) else None):
        with contextlib.suppress(OSError):
            for file in os.scandir(place) if place else ():
                if NAME.fullmatch(file.name):
                    with contextlib.suppress(OSError):  # it is gone meanwhile
                        told = file.stat(follow_symlinks=False)
                        place_of = (told.st_ino, told.st_size, told.st_mtime_ns)
                        found[file.name] = (*found.get(file.name, ()), place_of)
    return dict(sorted(found.items()))


_OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _write(path: Path, raw: bytes) -> None:
    """Append one line and force it to disk; what a torn line left behind is closed first.

    What could not be forced to disk is taken away again: it would look kept, and after a power cut be gone.
    """
    blob = raw + b"\n"
    new, folder = not path.exists(), path.parent
    handle = _open(path)
    try:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode):
            raise OSError(errno.EINVAL, "is no plain file", os.fspath(path))
        if told.st_size + len(blob) > FILE_LIMIT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if told.st_size:
            os.lseek(handle, told.st_size - 1, os.SEEK_SET)
            blob = blob if os.read(handle, 1) == b"\n" else b"\n" + blob
        try:
            if os.write(handle, blob) != len(blob):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        except OSError:
            if os.fstat(handle).st_size <= told.st_size + len(blob):
                os.ftruncate(handle, told.st_size)
            raise
    finally:
        os.close(handle)
    if new and os.name == "posix":
        for place in (folder, folder.parent):  # the folder may be as new as its file
            _sync_folder(place)


def _open(path: Path) -> int:
    """A handle to append by. In a sticky folder another's file may be opened, but not with O_CREAT (protected_regular);
    in a folder of the group the file is the group's, whatever the umask of who began it.
    """
    flags = _OPEN | os.O_RDWR | os.O_APPEND
    for _again in range(3):  # another one may make it, or take it away, in between
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o660)
            if path.parent.stat().st_mode & stat.S_ISGID:
                with contextlib.suppress(OSError):
                    os.fchmod(handle, 0o660)
            return handle
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fspath(path))


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def alone(folder: Path | None) -> _lock:
    """While this is held no other manual screen begins a period below that folder."""
    places = [folder] if folder is not None and folder.parent.is_dir() else []
    for place in (*places, memory_folder(folder)):
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o777 if place == folder else 0o700, parents=place != folder, exist_ok=True)
            return _lock(place)
    return _lock(memory_folder(folder))  # is not there: no lock, the work goes on


class _lock:
    """Two manual screens may work on one period: they append one after the other.

    Without a lock the work goes on: who holds it for long, stopped or with bad intent, keeps nobody from writing. Two
    entries of one number are two.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.handle = path, -1

    def __enter__(self) -> None:
        if fcntl is None:
            return
        try:
            self.handle = os.open(self.path, _OPEN | os.O_RDONLY)
        except OSError:
            return
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as fault:
                if fault.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR) or time.monotonic() > until:
                    return
            time.sleep(0.01)

    def __exit__(self, *_exc: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
