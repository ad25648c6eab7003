"""Starts the peers as processes, talks to them line by line, ends them; a missing peer is a skip with its reason."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = "HANDWHEEL_NODE_MODULES"
START_S = 60.0


class Peer:
    """A running peer: `port` is where it listens, `tell` gives it one line and returns what it said before its "ok"."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str] | None = None) -> None:
        self._errors = folder / f"{Path(command[0]).name}.{time.monotonic_ns()}.log"
        with self._errors.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env, cwd=folder
            )
        ready = self._line()
        assert ready.startswith("ready "), f"{command}: {ready!r} {self._errors.read_text()}"
        self.port = int(ready.split()[1])

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> list[str]:
        """Give one line; the lines that came back before "ok"."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        said = []
        while (answer := self._line()) != "ok":
            assert answer and not answer.startswith("not understood"), f"{line}: {answer!r} {self._errors.read_text()}"
            said.append(answer)
        return said

    def kill(self) -> None:
        """SIGKILL: nobody can say goodbye."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> None:
        """Ends with its stdin, or is killed."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")


@cache
def _compiled() -> tuple[Path | None, str]:
    """(program, why not) of the libmodbus server, compiled once per test process."""
    if shutil.which("gcc") is None:
        return None, "gcc is not installed"
    folder = TemporaryDirectory(prefix="handwheel-libmodbus-")
    _KEPT.append(folder)
    program = Path(folder.name) / "libmodbus_server"
    source = str(HERE / "libmodbus_server.c")
    includes = next((f"-I{place}" for place in ("/usr/include/modbus", "/usr/local/include/modbus")
                     if Path(place, "modbus.h").is_file()), "-I.")  # fmt: skip
    made = subprocess.run(["gcc", "-O1", includes, "-o", str(program), source, "-lmodbus"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    return (program, "") if made.returncode == 0 else (None, "libmodbus with its headers is not installed")


_KEPT: list[TemporaryDirectory[str]] = []  # until the test process ends


@contextmanager
def libmodbus(folder: Path, *words: str) -> Iterator[Peer]:
    """The libmodbus server; `words` as it takes them, `tcp 0` by default. Skips where it cannot be built."""
    program, why = _compiled()
    if program is None:
        pytest.skip(f"libmodbus peer: {why}")
    peer = Peer([str(program), *(words or ("tcp", "0"))], folder)
    try:
        yield peer
    finally:
        peer.end()


def node_modules() -> Path:
    """The folder that holds node-opcua; skips with the reason where there is none."""
    place = os.environ.get(MODULES, "")
    if shutil.which("node") is None:
        pytest.skip("node-opcua peer: node is not installed")
    if not place or not Path(place, "node-opcua", "package.json").is_file():
        pytest.skip(f"node-opcua peer: {MODULES} names no folder with node-opcua in it")
    return Path(place)


@contextmanager
def node_opcua(folder: Path, **options: Any) -> Iterator[Peer]:
    """The node-opcua server; `options` stand in node_opcua_server.cjs. `peer.tell(json)` obeys, `peer.url` is below."""
    modules = node_modules()
    program = [shutil.which("node") or "node", str(HERE / "node_opcua_server.cjs"), json.dumps(options)]
    peer = Peer(program, folder, {**os.environ, "NODE_PATH": str(modules), "HOME": str(folder)})
    try:
        yield peer
    finally:
        peer.end()


def url_of(peer: Peer) -> str:
    """Where the node-opcua server answers."""
    return f"opc.tcp://127.0.0.1:{peer.port}/"
