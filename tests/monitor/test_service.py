"""The daemon under a service manager, and how it ends: a real process, a real notify socket, a disk that hangs."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from monitor.command_socket import ask
from monitor.daemon.notify import ServiceManager
from monitor.state import State
from tests.drivers.servers import hostile_server
from tests.monitor.plant_bench import COMMAND, Bench, configure

STOP_S = 20.0  # a stop that hangs takes the service manager's 90 s; the machine may do other things too
SLOW_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void wait_for_the_disk(void) {
    const char *flag = getenv("DISK_FLAG"), *each = getenv("DISK_MS");
    while (flag && !access(flag, F_OK)) usleep(each ? 1000 * atoi(each) : 20000), each ? flag = 0 : 0;
}
int fsync(int fd) { wait_for_the_disk(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { wait_for_the_disk(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


class Manager:
    """A service manager's end of the notify socket."""

    def __init__(self, address):
        self.address, self.heard = address, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def listen(self):
        """All lines that came until now."""
        while True:
            try:
                told = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.heard
            self.heard += [(time.monotonic(), line) for line in told.splitlines()]

    def lines(self):
        return [line for _, line in self.listen()]

    async def until(self, line, after=0):
        end = time.monotonic() + 60
        while line not in self.lines()[after:]:
            assert time.monotonic() < end, self.heard
            await asyncio.sleep(0.05)


@pytest.fixture
def manager(tmp_path):
    made = Manager(f"@handwheel-test-{os.getpid()}-{time.monotonic_ns()}")
    yield made
    made.socket.close()


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory):
    """A library by which fsync hangs while a file lies there, or takes its time."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed: the disk cannot be made to hang")
    folder = tmp_path_factory.mktemp("disk")
    (folder / "disk.c").write_text(SLOW_DISK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "disk.so", folder / "disk.c", "-ldl"], check=True)
    return folder / "disk.so"


@pytest.fixture
def benches():
    made = []
    yield made
    for one in made:
        one.end()


def start(benches, tmp_path, port, environ=None, **how):
    config = configure(tmp_path / "config", port, **how)
    bench = Bench(config, State(tmp_path / "state"), environ)
    benches.append(bench)
    return bench.start()


async def stop(bench, number=signal.SIGTERM):
    """Its exit code; in good time, and without a traceback."""
    begun = time.monotonic()
    bench.kill(number)
    code = await asyncio.to_thread(bench.ended)
    took = time.monotonic() - begun
    log = bench.log_text()
    assert took < STOP_S, f"{took:.1f} s\n{log}"
    assert "Traceback" not in log, log
    return code


async def test_the_service_manager_hears_ready_after_the_first_polls_and_then_the_watchdog_and_the_end(
    tmp_path, server, manager, benches
):
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4000000"}
    bench = start(benches, tmp_path, server.port, environ)
    await manager.until("READY=1")
    await bench.until(lambda s: s["sources"][0]["counts"]["requests"] >= 1)
    for _ in range(3):
        await manager.until("WATCHDOG=1", after=len(manager.lines()))
    fed = [at for at, line in manager.listen() if line == "WATCHDOG=1"]
    assert all(late - early < 4 for early, late in pairwise(fed))
    assert "STATUS=1 of 1 sources answer, 4 tags" in manager.lines()
    assert await stop(bench) == 0
    lines = manager.lines()
    assert lines.index("STOPPING=1") > lines.index("READY=1")
    assert lines.count("READY=1") == 1


async def test_a_disk_that_hangs_silences_the_watchdog_and_does_not_keep_the_daemon_from_ending(
    tmp_path, server, manager, benches, slow_disk
):
    flag = tmp_path / "hangs"
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000", "LD_PRELOAD": str(slow_disk),
               "DISK_FLAG": str(flag)}  # fmt: skip
    bench = start(benches, tmp_path, server.port, environ)
    await manager.until("WATCHDOG=1")
    flag.touch()
    end = time.monotonic() + 60
    while "the disk does not answer" not in bench.log_text():
        assert time.monotonic() < end, bench.log_text()
        await asyncio.sleep(0.1)
    before = manager.lines().count("WATCHDOG=1")
    await asyncio.sleep(2.5)
    assert manager.lines().count("WATCHDOG=1") == before
    assert await stop(bench) == 1
    assert "the disk does not answer" in bench.log_text()


async def test_a_slow_disk_is_waited_for_and_everything_is_flushed(tmp_path, server, benches, slow_disk):
    flag = tmp_path / "slow"
    flag.touch()
    environ = {"LD_PRELOAD": str(slow_disk), "DISK_FLAG": str(flag), "DISK_MS": "150"}
    bench = start(benches, tmp_path, server.port, environ)
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert await stop(bench) == 0
    assert bench.liveness().word == "stopped"
    assert "stopped as planned" in bench.log_text()


async def test_it_ends_in_time_whatever_hangs_just_then(tmp_path, server, benches):
    """A source that never answers, a worker that stands still in a job, a client on the socket, a second SIGTERM."""

    async def silent(_request, _writer):
        await asyncio.sleep(600)

    timetable = '[[job]]\nname = "binder"\nevery_s = 86400\n[[job]]\nname = "score"\nevery_s = 60\n'
    async with hostile_server(silent) as port:
        bench = start(benches, tmp_path, port, timetable=timetable)
        status = await bench.until(lambda s: s["worker"]["job"] and s["worker"]["pid"])
        os.kill(status["worker"]["pid"], signal.SIGSTOP)
        _reader, writer = await asyncio.open_unix_connection(str(bench.state.socket))
        writer.write(b'{"format":1,')
        begun = time.monotonic()
        bench.kill(signal.SIGTERM)
        await asyncio.sleep(0.3)
        if bench.process.poll() is None:
            bench.kill(signal.SIGTERM)
        assert await asyncio.to_thread(bench.ended) == 0
        assert time.monotonic() - begun < STOP_S
        writer.close()
    assert "Traceback" not in bench.log_text()
    assert bench.liveness().word == "stopped"
    assert not Path(f"/proc/{status['worker']['pid']}").exists()


@pytest.mark.parametrize("wait_s", [0.0, 0.4])
async def test_it_ends_without_a_traceback_while_the_first_jobs_are_starting(tmp_path, server, benches, wait_s):
    timetable = "".join(f'[[job]]\nname = "{name}"\nevery_s = 60\n' for name in ("binder", "learn", "score", "fold"))
    bench = start(benches, tmp_path, server.port, timetable=timetable)
    await bench.until(lambda s: True)
    await asyncio.sleep(wait_s)
    assert await stop(bench, signal.SIGINT) == 0


async def test_of_two_started_at_the_same_moment_one_lives_and_one_says_so_in_one_line(tmp_path, server, benches):
    config, state = configure(tmp_path / "config", server.port), State(tmp_path / "state")
    command = [sys.executable, "-c", COMMAND, "run", "--config", str(config), "--state", str(state.root)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        end = time.monotonic() + 60
        while all(one.poll() is None for one in both):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        (loser,) = [one for one in both if one.poll() is not None]
        (winner,) = [one for one in both if one is not loser]
        error = await asyncio.to_thread(loser.stderr.read)
        assert loser.returncode == 2
        assert str(winner.pid) in error
        assert error.count("\n") == 1
        bench = Bench(config, state)
        bench.process = winner
        benches.append(bench)
        await asyncio.sleep(0.1)
        while not (bench.status and bench.status["sources"][0]["good"] == 4):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        winner.kill()
        await asyncio.to_thread(winner.wait)
        bench.start()
        await bench.until(lambda s: s["sources"][0]["good"] == 4)
        assert (await asyncio.to_thread(ask, state, "whoami", {}, 20.0))["ok"]
    finally:
        for one in both:
            one.kill()
            one.wait()
            one.stderr.close()


def test_outside_of_a_service_manager_nothing_is_sent_and_no_child_inherits_its_address(manager):
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1", "HOME": "/"}
    mine = ServiceManager(environ)
    assert environ == {"HOME": "/"}
    assert mine.watchdog_s is None  # another process is watched
    mine.ready("one\nline")
    assert manager.lines() == ["READY=1", "STATUS=one line"]
    none = ServiceManager({"WATCHDOG_USEC": "2000000"})
    none.ready("")
    none.alive(1e9)
    gone = ServiceManager({"NOTIFY_SOCKET": "/nowhere/at/all"})
    gone.ready("")
