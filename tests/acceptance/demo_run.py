"""The demo's utility and the real daemon and intake, each a process, with a recording proxy before every device."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drivers.sim.devices import DEVICES
from monitor import demo, heartbeat
from monitor.state import State
from tests.acceptance.recording_proxy import RecordingProxy

PATIENCE_S = 90.0


class DemoRun:
    """One run. `proxies` by source; `faults` switches; `until` waits for the status; everything ends with the block."""

    def __init__(self, folder: Path, *, speed: float = 1.0, more: dict[str, str] | None = None) -> None:
        """`more`: further files of the configuration, by path below it."""
        self.folder, self.state = folder, State(folder / "state")
        self.proxies: dict[str, RecordingProxy] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._speed, self._more, self._terminal = speed, more or {}, -1
        self._kinds = {one.source: "rtu" if one.rtu else "tcp" for one in DEVICES} | {"h_opcua": "opcua"}

    async def __aenter__(self) -> "DemoRun":
        demo.make_folder(self.folder)
        self.state.make()
        self.faults()
        self._spawn(
            "simulator", [sys.executable, "-m", "drivers.sim", "--speed", str(self._speed), "--seed", "1",
                          "--drop", str(self.state.root / demo.DROP), "--faults", str(self.folder / "faults.txt")],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        pipe = self.children["simulator"].stdout
        assert pipe is not None
        told = json.loads(await asyncio.to_thread(pipe.readline))
        for source, kind in self._kinds.items():
            proxy = RecordingProxy(kind, told["ports"][source])
            self.proxies[source] = await proxy.__aenter__()
        url = told["opcua"].replace(f":{told['ports']['h_opcua']}/", f":{self.proxies['h_opcua'].port}/")
        demo.configure(self.folder, {name: one.port for name, one in self.proxies.items()}, url, district=False)
        for path, text in self._more.items():
            (self.folder / "config" / path).write_text(text)
        self.start("daemon", "run")
        self.start("intake", "intake")
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self.children.values()):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
        for child in self.children.values():
            try:
                await asyncio.to_thread(child.communicate, timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        if self._terminal >= 0:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
        for proxy in self.proxies.values():
            await proxy.__aexit__()

    def start(self, name: str, verb: str) -> None:
        """Start `handwheel VERB` as a process."""
        places = ["--config", str(self.folder / "config"), "--state", str(self.state.root)]
        self._spawn(name, [*demo.HANDWHEEL, verb, *places])

    def _spawn(self, name: str, command: list[str], stdout: int | None = None) -> None:
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log, start_new_session=True
            )
        self.children[name] = child

    def start_screen(self) -> None:
        """Start the control-room screen on a terminal that nobody looks at."""
        ours, its = pty.openpty()
        self._terminal = ours
        command = [*demo.HANDWHEEL, "screen", "--state", str(self.state.root)]
        self.children["screen"] = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True,
                                                   env={**os.environ, "TERM": "xterm-256color"})  # fmt: skip
        os.close(its)
        asyncio.get_running_loop().add_reader(ours, self._look_away)

    def _look_away(self) -> None:
        try:
            gone = not os.read(self._terminal, 65_536)
        except OSError:
            gone = True
        if gone:
            asyncio.get_running_loop().remove_reader(self._terminal)

    async def kill(self, name: str) -> None:
        """SIGKILL to this process alone."""
        self.children[name].kill()
        await asyncio.to_thread(self.children[name].wait)

    def faults(self, *names: str) -> None:
        """From now on exactly these faults are on."""
        (self.folder / "faults.txt").write_text("".join(f"{name}\n" for name in names))
        os.utime(self.folder / "faults.txt", (time.time(), time.time()))

    @property
    def status(self) -> dict[str, Any] | None:
        """status.json of the daemon that runs now."""
        status = heartbeat.read(self.state)
        return status if status and status["daemon"]["pid"] == self.children["daemon"].pid else None

    async def until(self, condition: Any, what: str = "") -> dict[str, Any]:
        """Wait for a condition of the status; daemon and simulator must live meanwhile."""
        end = time.monotonic() + PATIENCE_S
        while True:
            status = self.status
            if status and condition(status):
                return status
            words = f"{what}\n{json.dumps(status, indent=1)}\n{self.log('daemon')}"
            assert all(child.poll() is None for child in self.children.values()), words
            assert time.monotonic() < end, words
            await asyncio.sleep(0.1)

    def log(self, name: str) -> str:
        """What a process printed."""
        return (self.folder / "log" / f"{name}.log").read_text()


def links(status: dict[str, Any]) -> dict[str, str]:
    """Source -> state of its link."""
    return {one["name"]: one["state"] for one in status["sources"]}
