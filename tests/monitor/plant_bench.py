"""A small plant for tests of the daemon: the golden configuration on a real Modbus server, the daemon as a process."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from pymodbus.simulator import DataType, SimData, SimDevice

from monitor import heartbeat
from monitor.heartbeat import Moment
from monitor.lock import boot_id
from monitor.state import State

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "import sys; from monitor.cli import main; sys.exit(main(sys.argv[1:]))"
PATIENCE_S = 60.0


def device(flow=987, bits=0b1):
    """The golden pump: flow 98.7 m3/h, running, discharge pressure 4.2 bar."""
    words = {0: [flow, bits], 2: [0] * 14, 16: [0x4086, 0x6666]}
    simdata = [SimData(at, values=values, datatype=DataType.REGISTERS) for at, values in words.items()]
    return SimDevice(1, simdata=simdata)


def configure(folder, port, *, timetable="", every_s=1, lost_after_s=60):
    """The golden configuration with this port and timetable."""
    shutil.copytree(GOLDEN / "config", folder)
    source = folder / "sources/pump1.toml"
    text = source.read_text().replace("port      = 1502", f"port      = {port}")
    source.write_text(text.replace("every_s   = 5", f"every_s   = {every_s}").replace("= 1.0\nhost", "= 0.5\nhost"))
    site = folder / "site.toml"
    text = site.read_text().replace("lost_after_s = 60", f"lost_after_s = {lost_after_s}")
    groups = ('hw-operators = "operator"\n', 'hw-shift     = "shift_lead"\n')  # none: who runs the daemon may do all
    site.write_text(text.replace(groups[0], "").replace(groups[1], ""))
    (folder / "timetable.toml").write_text(timetable)
    return folder


class Bench:
    """The daemon as a process of its own, and what it published."""

    def __init__(self, config, state: State, environ=None):
        """`environ`: what its environment has besides ours."""
        self.config, self.state, self.process = config, state, None
        self._environ = os.environ | (environ or {})

    def start(self):
        command = [sys.executable, "-c", COMMAND, "run", "--config", str(self.config), "--state", str(self.state.root)]
        with (self.state.root.parent / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environ)
        return self

    def kill(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)

    def ended(self):
        return self.process.wait(PATIENCE_S)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def status(self):
        return heartbeat.read(self.state)

    def liveness(self):
        moment = Moment(boot_id(), time.monotonic(), time.time_ns() // 1000)
        return heartbeat.liveness(self.state, self.status, moment)

    def log_text(self):
        return (self.state.root.parent / "daemon.log").read_text()

    async def until(self, condition, what=""):
        """Wait for a condition of the status; the daemon must live meanwhile."""
        end = time.monotonic() + PATIENCE_S
        while True:
            status = self.status
            if status and status["daemon"]["pid"] == self.process.pid and condition(status):
                return status
            words = f"{what}\n{json.dumps(status, indent=1)}\n{self.log_text()}"
            assert self.process.poll() is None, words
            assert time.monotonic() < end, words
            await asyncio.sleep(0.05)
