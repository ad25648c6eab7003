"""A STATE with or without a living daemon, and the language put back after each test."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor import heartbeat
from monitor.lock import hold_lock
from monitor.state import State
from monitor.words import use_language
from tests.screen.small_daemon import SmallDaemon

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language("en")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Everything a daemon has written, made once."""
    made = State(tmp_path_factory.mktemp("written")).make()
    with hold_lock(made):
        daemon = SmallDaemon(made, history_hours=48)
        daemon.tick()
        daemon.close()
    return made


@pytest.fixture
def state(written: State, tmp_path: Path) -> State:
    """A copy of everything a daemon has written, and no daemon."""
    shutil.copytree(written.root, tmp_path / "s")
    return State(tmp_path / "s")


def start_daemon(state: State, *arguments: str) -> subprocess.Popen[bytes]:
    """A real process that holds the lock, publishes each second and answers on the socket."""
    child = subprocess.Popen([sys.executable, "-m", "tests.screen.small_daemon", str(state.root), *arguments], cwd=ROOT)
    wait_for(lambda: state.socket.exists() and heartbeat.read(state) is not None)
    return child


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tuple[State, subprocess.Popen[bytes]]]:
    made = State(tmp_path / "s").make()
    child = start_daemon(made)
    yield made, child
    end(child)


@pytest.fixture
def daemon_for_viewers(tmp_path: Path) -> Iterator[State]:
    """A daemon for which whoever runs the test is a viewer."""
    made = State(tmp_path / "s").make()
    child = start_daemon(made, "--role", "viewer")
    yield made
    end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.kill(child.pid, signal.SIGCONT)
        child.kill()
    child.wait()


def wait_for(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
