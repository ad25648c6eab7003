"""The main job's speed, on the demo plant: first paint of each screen, cost of daemon and worker, time of a report.

The console and both screens are started on a real pseudo-terminal and timed until their first line of text has arrived.
Daemon and worker are those of a real `handwheel demo`; their processor time and memory are read from the system.
"""

import fcntl
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
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from benchmarks.figures import Figure, run
from monitor.heartbeat import read
from monitor.state import State

PYTHON = sys.executable
LIMIT_S = 20.0


def first_paint_s(command: Sequence[str], text: bytes, keys: bytes) -> float:
    """Seconds from the start of `command` on a 100x30 pseudo-terminal until `text` has arrived on it, else NaN."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
    os.close(slave)
    seen, taken = b"", float("nan")
    try:
        while time.monotonic() - start < LIMIT_S:
            ready, _, _ = select.select([master], [], [], 0.5)
            if not ready:
                continue
            try:
                seen += os.read(master, 65_536)
            except OSError:  # the child has ended and its terminal with it
                break
            if text in seen:
                taken = time.monotonic() - start
                break
        os.write(master, keys)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        os.close(master)
    return taken


def paint_figures(state: Path, runs: int) -> list[Figure]:
    """First paints, each the median of `runs` starts, taken in turn so that load falls on all alike."""
    arms = {
        "fallback first paint": (
            [PYTHON, "-m", "fallback_procedures", "--state", str(state)],
            b"? help  q leave",
            b"q",
            0.8,
        ),
        "fallback console": (
            [PYTHON, "-m", "fallback_procedures", "--plain", "--state", str(state)],
            b"? help  q leave",
            b"q\n",
            0.3,
        ),
        "screen first paint": ([PYTHON, "-m", "monitor.cli", "screen", "--state", str(state)], b"HANDWHEEL", b"q", 1.0),
    }
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(runs):
        for name, (command, text, keys, _) in arms.items():
            taken[name].append(first_paint_s(command, text, keys))
    return [Figure(f"{name} (median of {runs})", statistics.median(taken[name]), "s", arms[name][3]) for name in arms]


def process_figures(state: State, seconds: float) -> list[Figure]:
    """Processor share and peak memory of the daemon, peak memory of its worker, over `seconds`."""
    status = read(state)
    daemon = psutil.Process(status["daemon"]["pid"]) if status else None
    if daemon is None:
        return [Figure("daemon", None, "% of a core", 15.0)]
    before, start = sum(daemon.cpu_times()[:2]), time.monotonic()
    memory, worker_memory = 0, 0
    while time.monotonic() - start < seconds:
        time.sleep(1)
        memory = max(memory, daemon.memory_info().rss)
        for child in daemon.children():
            worker_memory = max(worker_memory, child.memory_info().rss)
    share = 100 * (sum(daemon.cpu_times()[:2]) - before) / (time.monotonic() - start)
    return [
        Figure(f"daemon, mean over {seconds:.0f} s", share, "% of a core", 15.0),
        Figure("daemon memory, peak", memory / 1e6, "MB", 300.0),
        Figure("worker memory, peak", worker_memory / 1e6 or None, "MB", 800.0),
    ]


def report_figure(folder: Path, state: Path) -> Figure:
    """The comparison report over the 24 months of the demo, all formats, from a cold start of the command."""
    end = datetime.now(UTC).date()
    begin = end - timedelta(days=730)
    command = [PYTHON, "-m", "monitor.cli", "report", "comparison", "--from", str(begin), "--to", str(end)]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--config", str(folder / "config"), "--state", str(state)], capture_output=True, check=False
    )
    taken = time.monotonic() - start if done.returncode == 0 else None
    return Figure("comparison report over 24 months", taken, "s", 10.0)


def measure(quick: bool) -> list[Figure]:
    """All figures of the main job on one demo."""
    with tempfile.TemporaryDirectory(prefix="hw") as name:
        folder = Path(name)
        told = folder / "told.txt"
        with told.open("wb") as out:
            demo = subprocess.Popen(
                [PYTHON, "-m", "monitor.cli", "demo", "--dir", str(folder / "demo"), "--headless", "--for", "600"],
                stdout=out,
                start_new_session=True,
            )
        try:
            state = State(folder / "demo/state")
            deadline = time.monotonic() + 60
            while read(state) is None and time.monotonic() < deadline and demo.poll() is None:
                time.sleep(0.2)
            time.sleep(3)
            laid_down = re.search(r"telemetry in ([0-9.]+) s", told.read_text())
            figures = [Figure("24 months of 40 pumps laid down", float(laid_down[1]) if laid_down else None, "s", 20.0)]
            figures += process_figures(state, 12 if quick else 90)
            figures += paint_figures(state.root, 3 if quick else 7)
            figures.append(report_figure(folder / "demo", state.root))
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(30)
    return figures


if __name__ == "__main__":
    raise SystemExit(run("main_job", measure))
