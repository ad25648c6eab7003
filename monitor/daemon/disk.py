"""What happens when the disk fills: said at 90 %, and a ballast held for when nothing can be written any more.

SQLite cannot purge its way out of a full disk: deleting and checkpointing need room themselves. So a file of a few
megabytes is kept in reserve, really allocated, and given up when a write finds no room; it is made again when there is
room. Standard library only: doctor asks `disk_health` without a daemon.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from monitor.heartbeat import NO_ROOM
from monitor.state import State
from monitor.words import _, clean, size_text

if TYPE_CHECKING:
    from monitor.plant import Settings

MB = 1_000_000
LEFT_S = 60.0  # a temporary file this much older than the daemon's start belongs to nobody


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """One disk that we write to: how full it is, by room or by number of files, and what is held in reserve."""

    path: Path
    total: int  # bytes
    free: int  # bytes that we may still write
    share: float  # that is taken
    full_at: float
    ballast: int  # bytes of the ballast on it; 0: given up, or held on another disk

    @property
    def full(self) -> bool:
        """Whether it is said to be full: early enough to make room."""
        return self.share >= self.full_at

    @property
    def words(self) -> str:
        """One line: "93 % full, 1.2 GB free at /var/lib/handwheel"."""
        return _("{share} % full, {free} free at {path}").format(
            share=int(100 * self.share), free=size_text(self.free), path=self.path
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in status.json."""
        return {"share": round(self.share, 4), "free": self.free, "ballast": self.ballast, "path": os.fspath(self.path)}


def disk_health(state: State, settings: "Settings") -> tuple[DiskHealth, ...]:
    """The disk of STATE, and that of the cold part where it is another one of this machine. OSError if unreadable."""
    found = [look(state.root, settings.disk.full_at, state.ballast)]
    cold = local_folder(settings.history.url)
    if cold is not None and cold.is_dir() and cold.stat().st_dev != state.root.stat().st_dev:
        found.append(look(cold, settings.disk.full_at))
    return tuple(found)


def look(path: Path, full_at: float, ballast: Path | None = None) -> DiskHealth:
    """How full the disk of `path` is, as df counts: what is reserved for root is not free."""
    told = os.statvfs(path)
    used = told.f_blocks - told.f_bfree
    share = used / (used + told.f_bavail) if used + told.f_bavail else 1.0
    if told.f_files:  # a disk without room for another file is as full
        share = max(share, 1 - told.f_favail / told.f_files)
    held = 0
    if ballast is not None:
        with suppress(OSError):
            held = ballast.lstat().st_size
    return DiskHealth(path, told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize, share, full_at, held)


def local_folder(url: str | None) -> Path | None:
    """The folder of a cold part on this machine; None for STATE/history and for object storage."""
    if url is None:
        return None
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def no_room(fault: BaseException) -> bool:
    """Whether a write failed because the disk, or the quota on it, is full."""
    if isinstance(fault, OSError):
        return fault.errno in NO_ROOM
    return getattr(fault, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def why(fault: BaseException) -> str:
    """What a failed write says of the disk, in one line."""
    code, errno_ = getattr(fault, "sqlite_errorcode", 0) & 0xFF, getattr(fault, "errno", None)
    if no_room(fault):
        return _("the disk is full")
    if isinstance(fault, TimeoutError):
        return _("the disk does not answer")
    if code == sqlite3.SQLITE_READONLY or errno_ == errno.EROFS:
        words = _("the disk is read-only")
    elif code == sqlite3.SQLITE_IOERR or errno_ == errno.EIO:
        words = _("the disk fails or is read-only")  # SQLite does not tell which
    else:
        return clean(fault)
    return f"{words} ({clean(fault, 120)})"


class Ballast:
    """STATE/ballast, `size` bytes that are really taken."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    def make(self, disk: DiskHealth) -> bool:
        """Make it where it is missing and there is room for it below the line at which the disk counts as full."""
        if disk.ballast == self._size or disk.share + self._size / max(disk.total, 1) >= disk.full_at:
            return False
        part = self._path.with_name(f".{self._path.name}.part")
        part.unlink(missing_ok=True)
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            try:
                os.posix_fallocate(handle, 0, self._size)
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(part, self._path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return True

    def give_up(self) -> bool:
        """Let it go; says whether that made room."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def leftovers(state: State) -> Iterator[Path]:
    """Temporary files that a crash left below STATE: hidden, ending in .part, older than our own start by LEFT_S.

    Their age is that by the file system's own clock, so that a clock that was set makes no file old.
    """
    with suppress(OSError):
        now_s = state.lock.stat().st_mtime
        for folder, _folders, names in os.walk(state.root):
            for name in names:
                path = Path(folder, name)
                if name.startswith(".") and name.endswith(".part") and path.lstat().st_mtime < now_s - LEFT_S:
                    yield path
