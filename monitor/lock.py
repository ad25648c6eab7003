"""STATE/daemon.lock: how one daemon keeps a second one out, and how everybody else sees at once that it has died.

The operating system lets go of a flock when the process that holds it ends, however it ends: a killed daemon cannot
leave it behind. The file's text says who took it and when, for people and for the heartbeat. Standard library only.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UserError
from monitor.state import State, read_plain

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


@contextmanager
def hold_lock(state: State) -> Iterator[None]:
    """Hold STATE/daemon.lock while the block runs; raises LockHeld (one line with the pid) if another process has it.

    Whoever writes hot file or ledger holds it: the daemon, or a command while no daemon runs.
    """
    folder, handle = os.open(state.root, os.O_RDONLY | os.O_DIRECTORY), -1
    try:
        _take(folder, state)  # the file can be deleted under its holder, and a second one would take a new file
        handle = _open(state)
        _take(handle, state)
        text = json.dumps({"pid": os.getpid(), "boot_id": boot_id(), "mono_s": time.monotonic()})
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
        yield
    finally:
        for one in (handle, folder):
            if one >= 0:
                os.close(one)


def _open(state: State) -> int:
    try:
        handle = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
    except OSError as fault:
        raise UserError(f"{state.lock}: cannot be opened ({fault.strerror}); mend the disk or its rights") from fault
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{state.lock}: is no plain file; remove it")
    return handle


def lock_is_free(state: State) -> bool | None:
    """Whether nobody holds the lock; None where this user may not look."""
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
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                other = holder(state)
                who = f"process {other.pid}" if other else "another process"
                raise LockHeld(
                    f"{state.lock}: held by {who}, which writes here already; stop it first, or choose another --state"
                ) from None
            time.sleep(0.02)
