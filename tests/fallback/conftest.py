"""A place as the daemon publishes it, with three sites, and the ways to ask the manual something."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from fallback_procedures.triggers import Now
from fallback_procedures.words import use_language, utc_text

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SHEET = """SHEET       site R   Riverside lift station
TYPE        lift_station
APPROVED    engineer  2026-11-01

start_level        = 1.80 m
stop_level         = 0.60 m
alarm_level        = 2.20 m
full_load_current  = 9.5 A
hand_bypasses      = the low-level stop   # staff gauge
phone_shift_lead   = +44 7700 900200
"""


@pytest.fixture(autouse=True)
def english():
    use_language("en")
    yield
    use_language("en")


@pytest.fixture
def memory(tmp_path):
    """A memory folder of this test alone."""
    return tmp_path / "memory"


@dataclass
class State:
    """STATE of a daemon that lived until `age_s` ago."""

    root: Path

    @property
    def manual(self) -> Path:
        return self.root / "manual"

    def publish(self, now: Now, age_s: float = 0.0, pid: int = 1, lost: dict[str, float] | None = None, **more) -> None:
        status = json.loads((GOLDEN / "status.json").read_text())
        status.update(boot_id=now.boot_id, mono_s=now.mono_s - age_s, utc=utc_text(now.wall_s - age_s))
        status["daemon"] = {"pid": pid, "state": "running", "planned_stop": None}
        kinds = {"N": "waterworks", "H": "booster_station", "R": "lift_station"}
        status["sites"] = [{"id": site, "name": site, "type": kind, "state": "fresh", "good": 4, "total": 4,
                            "oldest_s": 1.0, "lost_s": (lost or {}).get(site)}
                           for site, kind in kinds.items()]  # fmt: skip
        status.update(more)
        (self.manual / "status.json").write_text(json.dumps(status))


@pytest.fixture
def state(tmp_path) -> State:
    root = tmp_path / "state"
    (root / "manual" / "sheets").mkdir(parents=True)
    (root / "manual" / "sheets" / "R.txt").write_text(SHEET)
    return State(root)


@pytest.fixture
def manual():
    """Run handwheel-manual from its folder, by a bare Python; returns the finished process."""

    def run(*arguments: str, answers: str = "", encoding: str = "utf-8", bare: bool = True, **environment: str):
        command = [sys.executable, *(["-S"] if bare else []), str(ROOT / "fallback_procedures"), *arguments]
        return subprocess.run(
            command, input=answers.encode(encoding), capture_output=True, timeout=120, check=False, cwd="/",
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "PYTHONIOENCODING": encoding, **environment},
        )  # fmt: skip

    return run


class Screen:
    """A person's terminal: a pty with the program behind it."""

    def __init__(self, *arguments: str, term: str, size: str = "24x80", **more: str):
        rows, columns = size.split("x")
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            environment = {"PATH": os.environ["PATH"], "TERM": term, "LANG": "C.UTF-8", "LINES": rows}
            environment = {**environment, "COLUMNS": columns, **more}
            os.execve(sys.executable, [sys.executable, str(ROOT / "fallback_procedures"), *arguments], environment)
        self.resize(int(rows), int(columns))
        self.raw = b""

    @property
    def seen(self) -> str:
        return self.raw.decode("utf-8", "replace")

    def resize(self, rows: int, columns: int) -> None:
        """Another size of the window; the program is told as a window does it."""
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen[-3000:]
            if select.select([self.handle], [], [], 0.2)[0]:
                try:
                    self.raw += os.read(self.handle, 65536)
                except OSError:
                    break
        assert text in self.seen, self.seen[-3000:]
        return self.seen

    def type(self, text: str | bytes) -> None:
        self.raw = b""
        os.write(self.handle, text if isinstance(text, bytes) else text.encode())

    def answered(self, text: str | bytes, seconds: float = 20) -> bytes:
        """What the console says to a line, up to its next prompt."""
        self.type(text)
        end = time.monotonic() + seconds
        while not (self.raw.endswith(b"> ") and b"? " in self.raw):
            assert time.monotonic() < end, self.seen[-3000:]
            if select.select([self.handle], [], [], 0.2)[0]:
                self.raw += os.read(self.handle, 65536)
            elif self.raw.endswith(b"-- "):
                os.write(self.handle, b"\n")
        return self.raw

    def quiet(self) -> None:
        """Wait until nothing comes for a moment: a picture is complete, and the clock has not ticked yet."""
        while select.select([self.handle], [], [], 0.6)[0]:
            self.raw += os.read(self.handle, 65536)

    def end(self, seconds: float = 60) -> int:
        """Read until the program has ended; its exit code."""
        end = time.monotonic() + seconds
        while True:
            assert time.monotonic() < end, self.seen[-3000:]
            if select.select([self.handle], [], [], 0.2)[0]:
                try:
                    part = os.read(self.handle, 65536)
                except OSError:
                    break
                if not part:
                    break
                self.raw += part
        os.close(self.handle)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def screen():
    opened = []

    def make(*arguments, **more):
        opened.append(Screen(*arguments, **more))
        return opened[-1]

    yield make
    for one in opened:
        try:
            os.kill(one.pid, 9)
            os.waitpid(one.pid, 0)
            os.close(one.handle)
        except OSError:
            pass
