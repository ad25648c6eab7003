"""Which drawing a terminal gets, and what the terminal is left in: real pseudo-terminals, real signals."""

import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from monitor.screen.terminal import choose, plain
from monitor.state import State
from tests.screen.conftest import PATIENCE_S, ROOT

ALTERNATE, RESTORED = b"\x1b[?1049h", b"\x1b[?1049l"
RUN = (
    "import sys; from pathlib import Path; from monitor.state import State; from monitor.screen.app import run; "
    "from drivers.errors import UserError\n"
    "try: sys.exit(run(State(Path(sys.argv[1])), language='de', ui=None))\n"
    "except UserError as fault: print(fault); sys.exit(2)"
)


@pytest.mark.parametrize(
    ("asked", "tty", "term", "encoding", "size", "drawing"),
    [
        (None, True, "xterm-256color", "utf-8", (100, 30), "full"),
        (None, True, "xterm-256color", "UTF8", (100, 30), "full"),
        (None, True, "linux", "utf-8", (100, 30), "ascii"),
        (None, True, "vt100", "utf-8", (80, 24), "ascii"),
        (None, True, "xterm", "iso-8859-1", (80, 24), "ascii"),
        (None, True, "xterm", None, (80, 24), "ascii"),
        (None, True, "dumb", "utf-8", (80, 24), "plain"),
        (None, True, "", "utf-8", (80, 24), "plain"),
        (None, True, "xterm", "utf-8", (50, 24), "plain"),
        ("full", True, "linux", "ascii", (80, 24), "full"),
        ("full", False, "xterm", "utf-8", (80, 24), "plain"),
    ],
)
def test_the_drawing_follows_the_terminal_unless_it_was_chosen(asked, tty, term, encoding, size, drawing):
    assert choose(asked, tty, term, encoding, size) == drawing


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more}


class Terminal:
    """The program on a pseudo-terminal of 80 x 24."""

    def __init__(self, state: State, **env: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        command = [sys.executable, "-c", RUN, str(state.root)]
        self.child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment(**env), start_new_session=True
        )
        self.seen = b""

    def read_until(self, words: bytes) -> None:
        until = time.monotonic() + PATIENCE_S
        while words not in self.seen:
            assert time.monotonic() < until, (words, self.seen[-2000:])
            self.read(0.2)

    def read(self, wait_s: float) -> None:
        if select.select([self.master], [], [], wait_s)[0]:
            self.seen += os.read(self.master, 65_536)

    def end(self) -> int:
        """Wait for the end while reading what is still written."""
        until = time.monotonic() + PATIENCE_S
        while self.child.poll() is None:
            assert time.monotonic() < until
            self.read(0.1)
        for _more in range(20):
            self.read(0.05)
        return self.child.returncode

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_told: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize("one", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_screen_and_gives_the_terminal_back(state, one):
    with Terminal(state) as terminal:
        terminal.read_until(b"NUR HERST.")
        assert ALTERNATE in terminal.seen
        os.kill(terminal.child.pid, one)
        assert terminal.end() == 0
        assert RESTORED in terminal.seen
        assert termios.tcgetattr(terminal.slave)[3] == terminal.before[3]


@pytest.mark.parametrize("env", [{"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
                                 {"LC_ALL": "C", "PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0"}])  # fmt: skip
def test_another_code_page_gives_a_screen_without_literal_escapes(state, env):
    with Terminal(state, **env) as terminal:
        terminal.read_until(b"NUR HERST.")
        os.kill(terminal.child.pid, signal.SIGTERM)
        terminal.end()
        assert b"\\u" not in terminal.seen
        assert b"\\x" not in terminal.seen


def test_without_a_terminal_it_is_plain_text_without_one_escape(state, tmp_path):
    out = tmp_path / "out.txt"
    with out.open("wb") as file:
        child = subprocess.Popen([sys.executable, "-c", RUN, str(state.root)], stdin=subprocess.DEVNULL, stdout=file,
                                 stderr=subprocess.DEVNULL, env=environment(PYTHONIOENCODING="utf-8"))  # fmt: skip
        until = time.monotonic() + PATIENCE_S
        while b"NUR HERST." not in out.read_bytes():
            assert time.monotonic() < until
            time.sleep(0.1)
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
    text = out.read_text()
    assert "\x1b" not in text
    assert "BLIND" in text
    assert "SIMULIERT" in text


def test_a_terminal_without_stderr_is_refused_in_one_line(state, tmp_path):
    master, slave = pty.openpty()
    try:
        with (tmp_path / "log").open("wb") as log:
            command = [sys.executable, "-c", RUN, str(state.root)]
            env = environment(COLUMNS="80", LINES="24")
            child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=log, env=env)
            assert child.wait(PATIENCE_S) == 2
        told = os.read(master, 65_536)
    finally:
        os.close(master)
        os.close(slave)
    assert told.startswith(b"screen: it is drawn on stderr")
    assert told.count(b"\n") == 1


def test_the_plain_text_ends_quietly_when_its_reader_goes(state):
    class Gone(io.StringIO):
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert plain(state, 80, Gone(), lambda _s: None) == 0


def test_the_blind_daemon_is_seen_on_a_real_terminal(daemon: tuple[State, subprocess.Popen[bytes]]):
    state, child = daemon
    with Terminal(state) as terminal:
        terminal.read_until(b"NUR HERST.")
        os.kill(child.pid, signal.SIGKILL)
        terminal.read_until(b"handwheel ist blind")
        os.write(terminal.master, b"q")
        assert terminal.end() == 0
