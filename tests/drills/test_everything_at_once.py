"""Everything at once: samples and entries come in, the worker folds, screens read, data are given out, the ledger is
verified, the configuration is read anew, a source floods, the disk is slow, worker and daemon are killed.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import psutil
import pytest

from drivers.record import Register
from drivers.sim.modbus_server import Memory, ModbusServer
from monitor.historian.arrays import columns
from monitor.historian.history import read
from monitor.historian.proof import damages
from monitor.historian.reader import HotReader, folded_upto
from monitor.ledger import entries, verify
from monitor.state import State
from tests.drills.disk import compiled
from tests.drills.test_kills import keep_entering
from tests.monitor.plant_bench import COMMAND, Bench, configure

FLOOD = """
[source]
name      = "flood"
driver    = "modbus_tcp"
site      = "G"
every_s   = 0.1
timeout_s = 1.0
host      = "127.0.0.1"
port      = {port}

[[source.block]]
asset        = "pump1"
device_id    = 2
table        = "holding"
address_base = "wire0"
order        = "ABCD"
tags = [
{tags}
]
"""
FLOODED = 120  # tags, twenty times a second
TIMETABLE = '[[job]]\nname = "fold"\nevery_s = 5\n\n[[job]]\nname = "score"\nevery_s = 20\n'


class Flood:
    """A second device: its values change with each read, its alert bit ten times a second."""

    def __init__(self):
        self.memory, self.told = Memory(), 0
        self.memory.put(Register(1, "holding", 0, "u16"), 987)
        self.memory.put(Register(1, "holding", 16, "f32"), 4.2)
        self.count()

    def count(self):
        self.told += 1
        self.memory.put(Register(1, "holding", 1, "u16"), 1 | (self.told % 2) << 7)
        for number in range(FLOODED):
            self.memory.put(Register(2, "holding", number, "u16"), self.told % 60_000)

    async def run(self):
        while True:
            await asyncio.sleep(0.1)
            self.count()


class Race:
    """All that goes on beside the daemon, and how often."""

    def __init__(self, bench, seed):
        self.bench, self.state, self.rng = bench, bench.state, random.Random(seed)
        self.counts = Counter()
        self.seen, self.acknowledged, self.wrong = {}, [], []
        self.most_mb, self.starting = 0.0, asyncio.Event()
        self.starting.set()

    async def command(self, *words):
        """A command of ours as a process; (exit code, what it said)."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, *words, "--config", str(self.bench.config), "--state", str(self.state.root),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            told, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.communicate()
            raise
        return process.returncode, told.decode()

    async def look(self):
        """A reader: whatever it sees once must be there in the end."""
        while True:
            for number, one in (await asyncio.to_thread(HotReader(self.state.hot).latest)).items():
                self.seen[number, one.receive_us] = one.value
            self.counts["looks"] += 1
            await asyncio.sleep(0.3)

    async def watch(self):
        """The daemon's memory."""
        while True:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.most_mb = max(self.most_mb, psutil.Process(self.bench.process.pid).memory_info().rss / 1e6)
            await asyncio.sleep(1.0)

    async def export(self):
        for number in itertools.count():
            out = self.state.root.parent / f"out{number % 2}.csv"
            code, told = await self.command("export", "values", "--last", "1h", "--out", str(out), "--force")
            without_daemon = "the daemon does not answer" in told  # it was killed meanwhile: delivered, not recorded
            self.note("exports", code == 0 or without_daemon, told)
            await asyncio.sleep(5.0)

    async def check(self):
        while True:
            code, told = await self.command("ledger", "verify")
            self.note("verifications", code == 0, told)
            await asyncio.sleep(3.0)

    async def reload(self):
        while True:
            await asyncio.sleep(self.rng.uniform(4.0, 9.0))
            await self.starting.wait()  # before it says that it is ready, SIGHUP is not for it
            if self.bench.process.poll() is None:
                os.kill(self.bench.process.pid, signal.SIGHUP)
                self.counts["reloads"] += 1

    async def kill_workers(self):
        while True:
            await asyncio.sleep(self.rng.uniform(5.0, 15.0))
            pid = (self.bench.status or {}).get("worker", {}).get("pid")
            if pid and psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
                self.counts["worker kills"] += 1

    async def enter(self):
        for turn in itertools.count():
            await keep_entering(self.state, self.acknowledged, turn)
            await asyncio.sleep(0.5)

    def note(self, what, well, told):
        self.counts[what] += 1
        if not well:
            self.wrong.append(f"{what}: {told[-500:]}")


def plain_screen(race):
    command = [sys.executable, "-c", COMMAND, "screen", "--ui", "plain", "--state", str(race.state.root)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)


async def everything_at_once(folder, monkeypatch, seconds, kills, seed, tell=lambda _: None):
    monkeypatch.setenv("LD_PRELOAD", str(compiled(folder, "slow_disk")))
    monkeypatch.setenv("HW_SLOW_MS", "20")
    flood = Flood()
    server = ModbusServer(flood.memory)
    await server.start(0)
    config = configure(folder / "config", server.port, timetable=TIMETABLE, every_s=0.2)
    rows = "\n".join(
        f'  {{ at = {n}, name = "f{n}", as = "u16", unit = "1", quantity = "other" }},' for n in range(FLOODED)
    )
    (config / "sources/flood.toml").write_text(FLOOD.format(port=server.port, tags=rows))
    bench = Bench(config, State(folder / "state")).start()
    race = Race(bench, seed)
    await bench.until(lambda s: sum(one["good"] for one in s["sources"]) >= FLOODED)
    screens = [plain_screen(race) for _ in range(2)]
    works = [race.look, race.watch, race.export, race.check, race.reload, race.kill_workers, race.enter, flood.run]
    tasks = [asyncio.create_task(work()) for work in works]
    ends_s, reloading = time.monotonic() + seconds, tasks[works.index(race.reload)]
    try:
        for number in range(kills + 1):
            await asyncio.sleep((ends_s - time.monotonic()) / (kills + 1 - number))
            assert bench.process.poll() is None, bench.log_text()[-2000:]
            if number < kills:
                bench.kill()
                await asyncio.to_thread(bench.ended)
                race.counts["daemon kills"] += 1
                race.starting.clear()
                bench.start()
                await bench.until(lambda s: s["daemon"]["state"] == "running")
                race.starting.set()
            tell(f"  {dict(race.counts)}, {len(race.seen):,} samples seen, {len(race.acknowledged):,} entries "
                 f"acknowledged, daemon at most {race.most_mb:.0f} MB")  # fmt: skip
        tasks[works.index(race.kill_workers)].cancel()
        hot_id = HotReader(bench.state.hot).meta()["id"]
        await bench.until(lambda _: folded_upto(bench.state.history, hot_id) > 0, "nothing was folded")
        status = bench.status
        reloading.cancel()
        bench.kill(signal.SIGTERM)
        if await asyncio.to_thread(bench.ended) != 0:  # a disk too slow to flush in time: said, and nothing is lost
            assert "not everything could be flushed" in bench.log_text(), bench.log_text()[-3000:]
            race.counts["stops given up"] += 1
        assert [one.poll() for one in screens] == [None, None], "a screen ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in screens:
            one.terminate()
            one.wait()
        bench.end()
        await server.stop()
    judge(race, status)
    tell(f"  seed {seed}, {seconds} s: {dict(race.counts)}; lost: 0, twice: 0")


def judge(race, status):
    """All that was seen and acknowledged is there, once; whatever ran beside it found nothing wrong."""
    assert not race.wrong, race.wrong
    reader = HotReader(race.state.hot)
    names = {number: row.name for number, row in reader.tags(retired=True).items()}
    found = read(race.state, sorted(names.values()), 0, 2**62)
    assert found.attrs["damaged"] == []
    stored = Counter()  # nothing is old enough to leave the hot file: history and hot file together are what it has
    for _n, _t_ms, _crc, blob in reader.frames(0, 2**62):
        one = columns(blob)
        stored.update(zip([names[tag] for tag in one.tag.tolist()], (one.receive_us // 1000 * 1000).tolist(),
                          np.nan_to_num(one.value, nan=-1.0).tolist(), strict=True))  # fmt: skip
    told = Counter(zip(found["tag"], found["receive_us"], found["value"].fillna(-1.0), strict=True))
    assert told == stored, f"missing: {(stored - told).total()}, twice: {(told - stored).total()}"
    lost = [(number, at) for (number, at), value in race.seen.items()
            if isinstance(value, float) and (names[number], at // 1000 * 1000, value) not in told]  # fmt: skip
    assert not lost, f"{len(lost)} of {len(race.seen)} samples that were seen are lost"
    by_name = {one.data["wo_id"]: one.n for one in entries(race.state, ["work_order"])}
    assert [by_name.get(name) for _n, _head, name in race.acknowledged] == [n for n, *_ in race.acknowledged]
    n, head, _name = race.acknowledged[-1]
    assert verify(race.state, f"{n}:{head}").ok
    assert status["store"]["state"] == "ok"
    race.counts["samples there"] = len(found)
    race.counts["entries there"] = verify(race.state).n
    race.counts["samples seen"], race.counts["acknowledged"] = len(race.seen), len(race.acknowledged)
    race.counts["worker restarts"] = status["worker"]["restarts"]
    race.counts["most MB"] = round(race.most_mb)
    assert race.most_mb < 400
    race.counts["frames folded"] = folded_upto(race.state.history, reader.meta()["id"])
    assert damages(race.state) == []


@pytest.mark.drill
async def test_everything_at_once_loses_and_doubles_nothing(tmp_path, monkeypatch, seed, tell):
    await everything_at_once(tmp_path, monkeypatch, 200, 3, seed, tell)
