"""Blackout: a real daemon on a real Modbus device is killed, and everything around the manual breaks, each alone and
all at once. It starts, shows what applies, records, prints, and knows the last values with their age.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from fallback_procedures.journal import Journal, memory_folder, names
from monitor.state import State
from tests.drills.disk import Disk, calls, compiled, recorded_by
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.peers.mounts import Filler, _may_mount, mounted

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "fallback_procedures"
PATIENCE_S = 60
# ends the process at the first thing that reaches beyond this machine, and names every file that is opened to write
WATCH = """
import os, runpy, sys
def watch(event, told):
    if event.startswith(("socket.", "urllib.", "ctypes.", "http.", "smtplib.", "ftplib.")):
        os.write(2, f"REACHED OUT: {event} {told}".encode()); os._exit(97)
    if event == "open" and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR):
        os.write(2, f"WROTE {told[0]}\\n".encode())
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
READ = "k\nP-17\np\n"
LOST = "c\n2\npanel, SCADA and telephone agree\nG\nLOST\n"
WORK = "l pump 1 runs in LOCAL\nq\n"


def store_corrupted(world):
    rng = random.Random(1)
    for path in world.state.rglob("*.sqlite*"):
        path.write_bytes(rng.randbytes(20_000))


def configuration_deleted(world):
    shutil.rmtree(world.config)


def network_down(world):
    allowed = ["unshare", "-n", "true"]
    if shutil.which("unshare") and subprocess.run(allowed, capture_output=True, check=False).returncode == 0:
        world.before = ["unshare", "-n"]


def disk_full(world):
    """STATE on a file system without a byte left."""
    place = world.folder / "full"
    place.mkdir()
    world.left.enter_context(mounted(place, "-t", "tmpfs", "-o", "size=30m", "tmpfs"))
    shutil.copytree(world.state, place / "state")
    world.state = place / "state"
    Filler(place).fill(0)
    world.full = True


def locale_latin(world):
    world.environment |= {"LANG": "de_DE.ISO-8859-1", "LC_ALL": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "iso-8859-1"}
    world.encoding = "iso-8859-1"


def terminal_dumb(world):
    world.environment |= {"TERM": "dumb"}


def nothing_else(world):
    """The daemon is dead; that is all."""


HARMS = [nothing_else, store_corrupted, configuration_deleted, network_down, disk_full, locale_latin, terminal_dumb]


class World:
    """What a killed daemon left, copied, so that each harm has its own."""

    def __init__(self, folder, killed):
        self.folder, self.left, self.full = folder, ExitStack(), False
        self.state = shutil.copytree(killed.state.root, folder / "state", ignore=shutil.ignore_patterns("*.sock"))
        self.config = shutil.copytree(killed.config, folder / "config")
        self.before, self.encoding = [], "utf-8"
        self.environment = {"PATH": "/nowhere", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}

    def ask(self, answers):
        # -B: what Python keeps of a text that it has compiled is no writing of ours
        command = [*self.before, sys.executable, "-B", "-S", "-c", WATCH, str(PROGRAM), "--plain", "--lang", "en",
                   "--state", str(self.state)]  # fmt: skip
        done = subprocess.run(command, input=answers.encode(), capture_output=True, check=False, timeout=PATIENCE_S,
                              env=self.environment | {"PATH": os.environ["PATH"]}, cwd="/")  # fmt: skip
        told = done.stderr.decode("utf-8", "replace")
        assert done.returncode == 0, told + done.stdout.decode("latin-1")
        manual = self.state / "manual"
        wrote = {Path(line[6:]) for line in told.splitlines() if not line[6:].isdecimal()}  # a handle was opened before
        places = (manual / "journal", manual / "now", memory_folder().parent, Path(os.devnull))
        strange = [path for path in wrote if not any(one == path or one in path.parents for one in places)]
        assert [path for path in strange if path.parent != Path(tempfile.gettempdir())] == [], "that tries itself"
        return done.stdout.decode(self.encoding)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A daemon that polled a device and was killed by its number."""
    folder = tmp_path_factory.mktemp("blackout")

    async def live():
        async with modbus_server(device()) as server:
            bench = Bench(configure(folder / "config", server.port), State(folder / "state").make())
            try:
                bench.start()
                await bench.until(lambda s: s["sources"][0]["good"] == 4 and bench.state.last_known.exists())
                await asyncio.sleep(1.5)
                bench.kill(signal.SIGKILL)
                bench.ended()
                await asyncio.sleep(2)  # within which its death is seen
            finally:
                bench.end()
            return bench

    return asyncio.run(live())


def survives(world):
    """All that the manual is for."""
    seen = world.ask(READ + "q\n")
    flat = " ".join(seen.split())
    assert "handwheel is BLIND since" in flat
    assert "automation is probably still running" in flat
    applying = seen.split("PROCEDURES THAT APPLY")[1].split("---")[0].split("to read")[0]
    assert re.findall(r"^ *\d+ (P-\d\d)", applying, re.M) == ["P-17"], "nothing that says HAND before it is declared"
    assert "because handwheel is BLIND since" in applying
    values = re.search(r"pump1.flow +98\.7 m3/h +good +(\d+[sm]) ago", seen)
    assert values, seen
    printed = Path("".join(flat.split("file: ")[1].split(".txt")[0].split()) + ".txt")
    assert "P-17  Manual round" in printed.read_text()

    seen = world.ask(LOST + WORK)
    after = seen.rsplit("PROCEDURES THAT APPLY", 1)[1]
    offered = re.findall(r"^ *\d+ (P-\d\d)", after.split("---")[0], re.M)
    assert offered[0] == "P-01"
    assert {"P-07", "P-17"} <= set(offered)
    assert "P-03" not in offered, "a waterworks is no sewage lift station"
    folder = world.state / "manual" / "journal"
    lines = [line for name in names(folder) for line in Journal(folder, name).lines()]
    assert [line["kind"] for line in lines] == ["declared", "note"]
    assert ("MEMORY ONLY" in seen) == world.full
    assert "MANUAL since" in world.ask("q\n")


@pytest.fixture
def world(killed, tmp_path):
    made = World(tmp_path, killed)
    yield made
    folders = memory_folder(made.state / "manual" / "journal"), memory_folder()
    made.left.close()
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)


@pytest.mark.drill
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_the_manual_survives_each_harm_alone(world, harm):
    harm(world)
    survives(world)


def test_the_manual_survives_all_harms_at_once_and_reaches_out_for_nothing(world):
    for harm in HARMS:
        if harm is not disk_full or _may_mount():
            harm(world)
    survives(world)


@pytest.mark.drill
def test_the_watch_ends_a_program_that_opens_a_socket(tmp_path):
    program = tmp_path / "outward.py"
    program.write_text("import socket; socket.socket().connect(('127.0.0.1', 9))\n")
    done = subprocess.run([sys.executable, "-S", "-c", WATCH, str(program)], capture_output=True, check=False)
    assert done.returncode == 97
    assert b"REACHED OUT: socket" in done.stderr


@pytest.mark.drill
async def test_a_hung_daemon_is_blindness_one_that_goes_on_is_not_and_a_planned_stop_is_calm(tmp_path):
    async with modbus_server(device()) as server:
        bench = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state").make())
        command = [sys.executable, "-S", str(PROGRAM), "--list", "--state", str(bench.state.root)]

        async def told():
            done = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            return (await done.communicate())[0].decode()

        try:
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            assert "handwheel is running" in await told()
            bench.kill(signal.SIGSTOP)
            await asyncio.sleep(5)
            text = await told()
            assert "handwheel is BLIND since" in text
            assert "* P-17" in text
            bench.kill(signal.SIGCONT)
            await asyncio.sleep(2)
            assert "handwheel is running" in await told()
            bench.kill(signal.SIGTERM)
            await asyncio.to_thread(bench.ended)
            text = await told()
            assert "handwheel was stopped by" in text
            assert "BLIND" not in text
            assert not re.findall(r"^\*", text, re.M), "nothing is offered for a minute"
        finally:
            bench.end()


# -- a power cut ---

WRITTEN = re.compile(rb"written (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


def stamp(raw):
    """When last_known.txt says it was written [s]."""
    found = WRITTEN.search(raw)
    return None if found is None else time.mktime(time.strptime(found.group(1).decode(), "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.drill
async def test_after_a_power_cut_the_last_values_of_the_last_minute_are_there_with_an_age_that_is_true(
    tmp_path, seed, tell
):
    library, log = compiled(tmp_path, "recorder"), tmp_path / "log"
    state = State(tmp_path / "state")
    state.root.mkdir()
    async with modbus_server(device()) as server:
        bench = Bench(configure(tmp_path / "config", server.port), state, recorded_by(library, state.root, log))
        try:
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            await asyncio.sleep(150)
            bench.kill(signal.SIGKILL)
            await asyncio.to_thread(bench.ended)
        finally:
            bench.end()
    disk, whole, rng, newest, cuts = Disk(state.root), list(calls(log.read_bytes())), random.Random(seed), None, []
    first = None
    for at, call in enumerate(whole):
        disk.play(call)
        if call.op == "W" and (written := stamp(call.first)):
            first, newest = first or written, written
        if first is None or newest < first + 65 or rng.random() > 20 / len(whole) * 2:
            continue
        place = tmp_path / "after"
        words = disk.cut(place, rng)
        left = stamp((place / "manual" / "last_known_minute.txt").read_bytes())
        assert left is not None, f"cut {at}: what was on the disk is torn ({words})"
        assert newest - left <= 61, f"cut {at}: the last values are {newest - left:.0f} s old ({words})"
        cuts.append(newest - left)
        if len(cuts) % 3 == 1:
            again = World.__new__(World)
            again.state, again.before, again.encoding, again.environment = place, [], "utf-8", {"TERM": "dumb"}
            text = again.ask("k\nq\n")
            shown = re.findall(r"pump1.flow +98\.7 m3/h +good +(\S.*)", text)
            assert shown, text
            assert re.fullmatch(r"(about )?\d+[sm] ago.*|age unknown", shown[0]), shown
        shutil.rmtree(place)
    assert len(cuts) >= 10
    tell(f"  seed {seed}: {len(cuts)} power cuts among {len(whole):,} calls; last values at most {max(cuts):.0f} s old")
