"""The manual fallback: from the command to the first line and the first picture, and from a death to BLIND.

Each start is a process of its own on a terminal of its own, one after the other in turns, with the bare interpreter
beside them: what the machine is busy with meets all of them. The daemon that is killed and stopped is a real one that
polls a Modbus device; its death is timed on the full screen of the manual, its console and the control room's screen.
"""

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

from benchmarks.figures import Figure, run
from fallback_procedures.stick import program
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device

PROGRAM = Path(__file__).parents[1] / "fallback_procedures"
BARE = [sys.executable, "-I", "-S"]
PATIENCE_S = 60.0
ESCAPES = re.compile(r"\x1b[\[(][0-9;?<=>]*[A-Za-z]|\x1b[=>]")


class Terminal:
    """A program on a terminal of 100 x 30, and what it has shown."""

    def __init__(self, command: Sequence[str], term: str = "xterm-256color") -> None:
        self.begun = time.perf_counter()
        self._here, there = pty.openpty()
        ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        environment = os.environ | {"TERM": term, "LANG": "C.UTF-8", "COLUMNS": "100", "LINES": "30"}
        self._process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
        os.close(there)
        self.seen = ""

    def until(self, *words: str) -> float:
        """The time since the start at which one of the words was shown [s]."""
        end = time.perf_counter() + PATIENCE_S
        while not any(word in ESCAPES.sub("", self.seen) for word in words):
            if time.perf_counter() > end or (self._process.poll() is not None and not self._ready(0)):
                raise AssertionError(f"{words} not shown: {self.seen[-2000:]!r}")
            if self._ready(0.01):
                with contextlib.suppress(OSError):
                    self.seen += os.read(self._here, 65536).decode("utf-8", "replace")
        return time.perf_counter() - self.begun

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._here], [], [], seconds)[0])

    def watch(self, seconds: float) -> None:
        """Read on for so long and forget it; time counts from then."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if self._ready(0.01):
                os.read(self._here, 65536)
        self.seen, self.begun = "", time.perf_counter()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._here)


@contextlib.contextmanager
def shown(command: Sequence[str], term: str = "xterm-256color") -> Iterator[Terminal]:
    terminal = Terminal(command, term)
    try:
        yield terminal
    finally:
        terminal.end()


def first_s(command: Sequence[str], words: str, term: str = "xterm-256color") -> float:
    """From the command to the words [s]."""
    with shown(command, term) as terminal:
        return terminal.until(words)


def ended_s(command: Sequence[str]) -> float:
    """From the command to its end [s]."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begun


def starts(state: Path, folder: Path, times: int) -> Mapping[str, float]:
    """Medians of each kind of start [s]."""
    one_file, own = folder / "handwheel-manual.pyz", ["--state", str(state)]
    one_file.write_bytes(program())
    folder_, packed = [*BARE, str(PROGRAM)], [*BARE, str(one_file)]
    kinds = {
        "bare": lambda: ended_s([*BARE, "-c", "pass"]),
        "screen": lambda: first_s([sys.executable, str(PROGRAM), *own], "PROCEDURES THAT APPLY"),
        "console": lambda: first_s([*folder_, "--plain", *own], "line by line", "dumb"),
        "offers": lambda: first_s([*folder_, "--plain", *own], "PROCEDURES THAT APPLY", "dumb"),
        "list": lambda: ended_s([*folder_, "--list", *own]),
        "show": lambda: ended_s([*folder_, "--show", "P-17", *own]),
        "packed": lambda: first_s([*packed, "--plain", *own], "line by line", "dumb"),
        "packed list": lambda: ended_s([*packed, "--list", *own]),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _turn in range(times):
        for name, measured in kinds.items():
            taken[name].append(measured())
    return {name: statistics.median(values) for name, values in taken.items()}


async def deaths(folder: Path, times: int) -> Mapping[str, list[float]]:
    """From SIGKILL and SIGSTOP of the daemon to BLIND on each screen [s]; each time at another moment of its second."""
    found: dict[str, list[float]] = {}
    async with modbus_server(device()) as server:
        bench = Bench(configure(folder / "config", server.port), State(folder / "state").make())
        own = ["--state", str(bench.state.root)]
        room = [sys.executable, "-m", "monitor.cli", "screen", *own]
        manual = [sys.executable, str(PROGRAM), *own]
        commands = {"manual": manual, "console": [*manual, "--plain"], "control room": room}
        try:
            for turn in range(times):
                for number, word in ((signal.SIGKILL, "killed"), (signal.SIGSTOP, "hung")):
                    bench.start()
                    await bench.until(lambda s: s["sources"][0]["good"] == 4)
                    with contextlib.ExitStack() as left:
                        screens = {name: left.enter_context(shown(one)) for name, one in commands.items()}
                        for screen in screens.values():
                            await asyncio.to_thread(screen.until, "PROCEDURES THAT APPLY", "poll", "AUTO")
                        watched = (asyncio.to_thread(one.watch, 2.0 + turn / times) for one in screens.values())
                        await asyncio.gather(*watched)
                        bench.kill(number)
                        if number == signal.SIGKILL:
                            await asyncio.to_thread(bench.ended)  # a process that nobody has waited for is still there
                        blind = (asyncio.to_thread(one.until, "BLIND") for one in screens.values())
                        for name, seconds in zip(screens, await asyncio.gather(*blind), strict=True):
                            found.setdefault(f"{word}, {name}", []).append(seconds)
                    bench.end()
        finally:
            bench.end()
    return found


def measure(quick: bool) -> list[Figure]:
    """All figures: starts on the STATE that a killed daemon left, then deaths."""
    times, turns = (5, 2) if quick else (15, 6)
    with tempfile.TemporaryDirectory(prefix="hw") as name:
        folder = Path(name)
        gone = asyncio.run(deaths(folder, turns))
        took = starts(folder / "state", folder, times)
        (folder / "usb").mkdir()
        made = ended_s([*BARE, str(PROGRAM), "--state", str(folder / "state"), "--make-stick", str(folder / "usb")])
        looked = ended_s([*BARE, str(PROGRAM), "--check-stick", str(folder / "usb")])
    return [
        Figure("the interpreter alone", took["bare"], "s"),
        Figure("full screen: first picture", took["screen"], "s", 0.8),
        Figure("console: first line", took["console"], "s", 0.3),
        Figure("console: what applies", took["offers"], "s"),
        Figure("--list", took["list"], "s"),
        Figure("--show", took["show"], "s"),
        Figure("one-file program of a stick: first line", took["packed"], "s"),
        Figure("one-file program of a stick: --list", took["packed list"], "s"),
        Figure("one-file program / folder, first line", took["packed"] / took["console"], "times"),
        Figure("full screen / interpreter", took["screen"] / took["bare"], "times"),
        Figure("a stick, text pages, made", made, "s"),
        Figure("a stick looked at", looked, "s"),
        *(
            Figure(f"daemon {word} until BLIND, {name}, worst of {turns}", max(gone[f"{word}, {name}"]), "s", bar)
            for word, bar in (("killed", 2.0), ("hung", 5.0))
            for name in ("manual", "console", "control room")
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(run("fallback", measure))
