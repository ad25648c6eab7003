"""Child processes that end with whoever started them, and whose last words are kept.

Used by the demo, which starts what a plant would start by its service manager; `end_with` by every child of ours.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from monitor.words import clean

START_S = 30.0
STOP_S = 10.0
REAP_S = 0.2  # so often the others are looked at while one has the terminal
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def end_with(parent: int) -> None:
    """From now on this process ends with its parent, of that process id, however the parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died while this process started


class Children:
    """The processes of the demo: each in a group of its own, with its log; all end with the block."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave orphans
        try:
            for name in reversed(self._running):
                self._end(self._running[name])
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(self, name: str, command: Sequence[str], stdout: int | None = None) -> "subprocess.Popen[bytes]":
        """Start a process; its output goes to log/NAME.log."""
        with (self._log / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log, start_new_session=True
            )
        self._running[name] = child
        return child

    def start_and_listen(self, name: str, command: Sequence[str]) -> dict[str, Any]:
        """Start a process and wait for the one JSON line with which it says that it is ready."""
        child = self.start(name, command, subprocess.PIPE)
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], START_S)
        line = child.stdout.readline() if ready else b""
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError as fault:
            raise UserError(f"demo: the {name} did not start: {self.last_words(name)}") from fault
        return told

    def lives(self, name: str) -> bool:
        """It was started and has not ended."""
        return name in self._running and self._running[name].poll() is None

    def watch(self, seconds: float) -> None:
        """Wait so long; a process other than the daemon that ends by itself is told."""
        until, told = time.monotonic() + seconds, set[str]()
        while time.monotonic() < until:
            for name, child in self._running.items():
                if child.poll() is not None and name not in told:
                    told.add(name)
                    print(f"demo: the {name} has ended ({child.returncode})", flush=True)
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))

    def foreground(self, command: Sequence[str]) -> None:
        """Give the terminal to a process until it ends."""
        child = subprocess.Popen(command)
        try:
            while child.poll() is None:
                for one in self._running.values():
                    one.poll()  # a process that ended and is not asked for stays in the system's list, as if it lived
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(REAP_S)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(STOP_S)

    def last_words(self, name: str) -> str:
        """The last line of a process's log."""
        lines = (self._log / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
        return clean(lines[-1]) if lines else f"it said nothing; see {self._log}"

    def _end(self, child: "subprocess.Popen[bytes]") -> None:
        """SIGTERM to the process, then SIGKILL to whatever is left of its group."""
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
