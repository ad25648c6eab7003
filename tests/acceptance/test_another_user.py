"""Readers as another user of the group: while the daemon runs and writes, after SIGKILL, after a planned stop."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitor.historian.reader import HotReader
from monitor.ledger import head
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device

USER, GROUP, STRANGER = 20_002, 20_000, 20_003
ROOT = Path(__file__).parents[2]
# everything is loaded before the rights are dropped: the interpreter itself may lie where only root reads
DROP = """
import json, os, sys
import encodings.idna, monitor.ledger, monitor.screen.app, monitor.screen.terminal
from monitor.historian.reader import HotReader
from monitor.state import State
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[2]))
"""
LOOK = (
    DROP
    + """
state = State(__import__("pathlib").Path(sys.argv[3]))
reader = HotReader(state.hot)
latest = {number: [one.receive_us, one.value] for number, one in reader.latest().items()}
told = monitor.ledger.verify(state)
print(json.dumps([sorted(reader.tags()), latest, reader.newest_ms(), told.ok, told.n, monitor.ledger.head(state)]))
"""
)
SCREEN = DROP + "sys.exit(monitor.screen.app.run(State(__import__('pathlib').Path(sys.argv[3])), ui='plain'))"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def started(script, *words, user=USER, group=GROUP):
    """A script run as another user."""
    command = [sys.executable, "-c", script, str(group), str(user), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def screen(state):
    """What the plain screen prints first."""
    with started(SCREEN, state.root) as process:
        lines = list(itertools.takewhile(str.strip, process.stdout))
        process.terminate()
    return "".join(lines)


def seen(state):
    """What a reader sees: (tags, latest, newest, ledger is well, entries, head)."""
    process = started(LOOK, state.root)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    tags, latest, *rest = json.loads(told)
    return tags, {int(number): tuple(one) for number, one in latest.items()}, *rest


def really(state):
    """The same as root sees it, which can always read."""
    reader = HotReader(state.hot)
    return (sorted(reader.tags()), {number: (one.receive_us, one.value) for number, one in reader.latest().items()},
            reader.newest_ms(), True, head(state)[0], list(head(state)))  # fmt: skip


@pytest.fixture
def place():
    """A folder that others may pass through, with a STATE that belongs to the group."""
    folder = Path(tempfile.mkdtemp(prefix="handwheel-"))
    folder.chmod(0o755)
    before = os.umask(0o007)  # as the unit has it
    state = folder / "state"
    state.mkdir()
    os.chown(state, -1, GROUP)
    state.chmod(0o2770)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


async def test_a_reader_of_the_group_sees_everything_while_the_daemon_runs_after_a_kill_and_after_a_stop(place):
    async with modbus_server(device()) as server:
        bench = Bench(configure(place / "config", server.port), State(place / "state")).start()
        with contextlib.ExitStack() as at_the_end:
            at_the_end.callback(bench.end)
            await bench.until(lambda s: s["sources"][0]["good"] == 4 and len(HotReader(bench.state.hot).latest()) == 4)
            told = await asyncio.to_thread(screen, bench.state)
            assert "BLIND" not in told
            assert "high-lift pump 1" in told or "pump1" in told, told
            tags, latest, newest_ms, ok, *_ = await asyncio.to_thread(seen, bench.state)
            assert len(tags) == len(latest) == 4
            assert newest_ms and ok

            bench.kill()
            await asyncio.to_thread(bench.ended)
            assert bench.state.hot.with_name("hot.sqlite-wal").stat().st_size > 0
            assert await asyncio.to_thread(seen, bench.state) == really(bench.state)
            told = await asyncio.to_thread(screen, bench.state)
            assert "BLIND" in told
            bench.state.hot.with_name("hot.sqlite-shm").unlink()  # as after a power cut, or in a copy
            assert (await asyncio.to_thread(seen, bench.state))[:3] == really(bench.state)[:3]

            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            bench.kill(signal.SIGTERM)
            assert await asyncio.to_thread(bench.ended) == 0
            assert await asyncio.to_thread(seen, bench.state) == really(bench.state)
            told = await asyncio.to_thread(screen, bench.state)
            assert "HANDWHEEL STOPPED" in told, told


def test_a_stranger_reads_nothing(place):
    state = State(place / "state").make()
    (state.root / "hot.sqlite").write_bytes(b"")
    process = started(LOOK, state.root, user=STRANGER, group=STRANGER)
    told, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Permission denied" in told or "unable to open" in told
