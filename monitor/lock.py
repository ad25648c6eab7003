"""STATE/daemon.lock: how one daemon keeps a second one out, and how everybody else sees at once that it has died.

The operating system lets go of a flock when the process that holds it ends, however it ends: a killed daemon cannot
leave it behind. The file's text says who took it and when, for people and for the heartbeat. Standard library only.

Whoever may read a file may take a flock on it, so that of a reader keeps nobody out: a second file, which only the
daemon's user may open, decides, and /proc/locks says who holds the first.
"""

import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UserError
from monitor.state import State, is_strangers, read_plain

LOG = logging.getLogger("handwheel.store")
_PATIENCE_S = 1.0  # a reader that asks whether the lock is free holds it for microseconds


class LockHeld(UserError):
    """Another process writes this STATE."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who took the lock: process id, boot and monotonic time [s] of the moment."""

    pid: int
    boot_id: str
    mono_s: float


def boot_id() -> str:
    """The identity of this boot of the machine: monotonic times of two boots cannot be compared."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class _Flock:
    """A flock that a process holds: shared, or exclusive, as a writer takes it."""

    pid: int
    uid: int
    writes: bool


@contextmanager
def hold_lock(state: State) -> Iterator[None]:
    """Hold STATE/daemon.lock while the block runs; raises LockHeld (one line with the pid) if another process has it.

    Whoever writes hot file or ledger holds it: the daemon, or a command while no daemon runs.
    """
    folder, own, handle = os.open(state.root, os.O_RDONLY | os.O_DIRECTORY), -1, -1
    try:
        own = _open_own(state)
        if not _took(own):
            raise _refusal(state, _holders(os.fstat(own)))
        _take(folder, state)  # the file can be deleted under its holder, and a second one would take a new file
        handle = _open(state)
        _take(handle, state)
        text = json.dumps({"pid": os.getpid(), "boot_id": boot_id(), "mono_s": time.monotonic()})
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
        yield
    finally:
        for one in (handle, own, folder):
            if one >= 0:
                os.close(one)


def _open(state: State) -> int:
    return _opened(state.lock, 0o640)


def _open_own(state: State) -> int:
    """The file that only the daemon's user may open; what a stranger put there is removed."""
    with suppress(OSError):
        if is_strangers(state.own_lock) and not state.own_lock.is_dir():
            LOG.warning("%s: was put there by another user; removed", state.own_lock)
            state.own_lock.unlink()
    handle = _opened(state.own_lock, 0o600)
    if os.geteuid() == 0:  # a command of root's must not lock the daemon's user out
        os.fchown(handle, state.root.stat().st_uid, -1)
    os.fchmod(handle, 0o600)
    return handle


def _opened(path: Path, mode: int) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as fault:
        raise UserError(f"{path}: cannot be opened ({fault.strerror}); mend the disk or its rights") from fault
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path}: is no plain file; remove it")
    return handle


def lock_is_free(state: State) -> bool | None:
    """Whether nobody holds the lock; None where this user may not look."""
    with suppress(OSError):
        if not is_strangers(state.own_lock) and any(one.writes for one in _holders(state.own_lock.stat())):
            return False
    try:
        handle = os.open(state.lock if state.lock.exists() else state.root, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def holder(state: State) -> Holder | None:
    """Who took the lock last, as far as its text can be read."""
    try:
        told = json.loads(read_plain(state.lock, 1_000))
        return Holder(int(told["pid"]), str(told["boot_id"]), float(told["mono_s"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _take(handle: int, state: State) -> None:
    """The lock on what others may read; where only a stranger or a reader holds it, the file of our own is enough.

    One of our own users that writes is a daemon of an earlier version, which knows no other lock.
    """
    if _took(handle):
        return
    held = _holders(os.fstat(handle))
    ours = {0, os.geteuid(), state.root.stat().st_uid}
    writers = [one for one in held if one.writes and one.uid in ours]
    if writers or not held:
        raise _refusal(state, writers)
    names = ", ".join(f"process {one.pid} of user {one.uid}" for one in held)
    LOG.warning("%s: %s holds a lock on it, and writes nothing here; end it", state.lock, names)


def _took(handle: int) -> bool:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)


def _refusal(state: State, held: Sequence[_Flock]) -> LockHeld:
    told = holder(state)
    pid = held[0].pid if held else told.pid if told else None
    who = "another process" if pid is None else f"process {pid}"
    return LockHeld(f"{state.lock}: held by {who}, which writes here already; stop it first, or choose another --state")


def _holders(of: os.stat_result) -> list[_Flock]:
    """Who holds a flock on this file now, as far as the kernel tells us; it does not of another container."""
    found, elsewhere = list[_Flock](), list[_Flock]()
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            _number, kind, *rest = line.split()
            if kind != "FLOCK" or len(rest) < 4:  # "->" is one that waits
                continue
            major, minor, inode = rest[3].split(":")
            if int(inode) != of.st_ino:
                continue
            try:
                uid = Path(f"/proc/{rest[2]}").stat().st_uid
            except OSError:
                uid = 0  # it ended, or is hidden: not to be taken for a stranger
            one = _Flock(int(rest[2]), uid, rest[1] == "WRITE")
            same = os.makedev(int(major, 16), int(minor, 16)) == of.st_dev
            (found if same else elsewhere).append(one)
    return found or elsewhere  # some file systems name another device than stat does
