"""Kills: the daemon at its work, a device again and again. What was acknowledged stays, and all goes on by itself."""

import asyncio
import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.errors import UserError
from drivers.modbus.source import open_source
from drivers.record import Quality, Reason, Register
from drivers.sim.modbus_server import Memory, ModbusServer
from monitor import command_socket
from monitor.daemon.poller import Poller
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.state import State
from tests.drivers.servers import spec, tag
from tests.monitor.plant_bench import Bench, configure

WORK_ORDER = {"asset": "pump1", "component": "seal", "opened": "2026-11-20T08:00:00Z", "trigger": "vendor_alert",
              "action": "inspect"}  # fmt: skip

DEVICE = """
import asyncio, sys
from drivers.record import Register
from drivers.sim.modbus_server import Memory, ModbusServer
async def run(port):
    memory = Memory()
    memory.put(Register(1, "holding", 0, "u16"), 7)
    server = ModbusServer(memory)
    await server.start(port)
    print(server.port, flush=True)
    await asyncio.Event().wait()
asyncio.run(run(int(sys.argv[1])))
"""


def stored(state, since_ms=0):
    """All that the disk has in frames since then: (tag, receive time) -> (value, reasons) of each sample."""
    reader = HotReader(state.hot)
    return {(number, one.receive_us): (one.value, one.reasons)
            for number in reader.tags() for one in reader.series(number, since_ms)}  # fmt: skip


class Counting:
    """The golden pump, whose discharge pressure counts: 1.0000 bar and a ten thousandth more ten times a second."""

    def __init__(self):
        self.memory, self.told = Memory(), -1
        self.memory.put(Register(1, "holding", 0, "u16"), 987)
        self.memory.put(Register(1, "holding", 1, "u16"), 1)
        self.count()

    def count(self):
        self.told += 1
        self.memory.put(Register(1, "holding", 16, "f32"), 1 + self.told / 10_000)

    async def run(self):
        while True:
            await asyncio.sleep(0.1)
            self.count()


async def keep_entering(state, acknowledged, turn):
    """Work orders through the command socket, one after the other; notes those that were acknowledged."""
    for number in itertools.count():
        name = f"WO-{turn}-{number}"
        try:
            reply = await asyncio.to_thread(command_socket.ask, state, "work_order", WORK_ORDER | {"wo_id": name})
        except UserError:
            return  # the daemon is dead: not acknowledged, whether it was written or not
        assert reply["ok"], reply
        acknowledged.append((reply["n"], reply["head"], name))
        await asyncio.sleep(0.02)


async def kill_the_daemon(folder, times, seed, tell=lambda _: None):
    """SIGKILL at a random moment; what a reader had seen on disk and what the socket acknowledged is there after it."""
    rng = random.Random(seed)
    device = Counting()
    server = ModbusServer(device.memory)
    await server.start(0)
    counting = asyncio.create_task(device.run())
    bench = Bench(configure(folder / "config", server.port, every_s=0.2), State(folder / "state"))
    seen, acknowledged, unready = {}, [], 0
    entering = asyncio.create_task(asyncio.sleep(0))
    try:
        for turn in range(times):
            since_ms = time.time_ns() // 1_000_000
            bench.start()
            if rng.random() < 0.2:  # somewhere in its start
                unready += 1
                await asyncio.sleep(rng.uniform(0.0, 1.5))
            else:
                await bench.until(lambda s: s["sources"][0]["good"] == 4)
                entering = asyncio.create_task(keep_entering(bench.state, acknowledged, turn))
                await asyncio.sleep(rng.uniform(0.2, 1.5))
            seen |= stored(bench.state, since_ms)
            bench.kill()
            await asyncio.to_thread(bench.ended)
            await entering
            after = stored(bench.state, since_ms)
            lost = {key for key in seen if key[1] >= since_ms * 1000 and after.get(key) != seen[key]}
            assert not lost, (
                f"turn {turn} (seed {seed}): {len(lost)} samples that a reader had seen are lost or changed"
            )
            if turn % 10 == 9:
                tell(f"  daemon killed {turn + 1} of {times} ({unready} while it started): {len(seen):,} samples seen, "
                     f"{len(acknowledged)} entries acknowledged; lost: 0")  # fmt: skip
        bench.start()
        await bench.until(lambda s: s["sources"][0]["good"] == 4)
        bench.kill(signal.SIGTERM)
        assert await asyncio.to_thread(bench.ended) == 0
    finally:
        bench.end()
        counting.cancel()
        await server.stop()
    whole, reader = stored(bench.state), HotReader(bench.state.hot)
    assert seen.items() <= whole.items(), "an acknowledged sample was lost or changed"
    assert len(seen) >= 4 * (times - unready)
    pressure = next(number for number, row in reader.tags().items() if row.name == "pump1.discharge_pressure")
    counts = [round((one.value - 1) * 10_000) for one in reader.series(pressure, 0) if one.value is not None]
    assert counts == sorted(counts), "a value is not where it was read"
    assert counts[-1] <= device.told
    assert set(counts) <= set(range(device.told + 1))
    assert not reader.damaged
    by_name = {one.data["wo_id"]: one.n for one in entries(bench.state, ["work_order"])}
    assert acknowledged, "no entry was acknowledged"
    assert [by_name.get(name) for _n, _head, name in acknowledged] == [n for n, _head, _name in acknowledged]
    for n, head, _name in (acknowledged[0], acknowledged[-1]):
        assert verify(bench.state, f"{n}:{head}").ok
    tell(f"  seed {seed}: {times + 1} starts, {times} kills ({unready} while it started), {len(seen):,} samples seen, "
         f"{len(acknowledged):,} entries acknowledged; lost: 0 and 0")  # fmt: skip


async def test_a_daemon_killed_in_the_middle_of_its_work_loses_nothing_that_was_acknowledged(tmp_path, seed):
    await kill_the_daemon(tmp_path, 3, f"{seed} short")


@pytest.mark.drill
async def test_a_daemon_killed_a_hundred_times_loses_nothing_that_was_acknowledged(tmp_path, seed, tell):
    await kill_the_daemon(tmp_path, 100, seed, tell)


class Device:
    """A device as a process of its own, so that SIGKILL can end it with its sockets."""

    def __init__(self, port=0):
        command = [sys.executable, "-c", DEVICE, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        self.port = int(self._process.stdout.readline())

    def kill(self):
        self._process.kill()
        self._process.communicate()


async def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)


async def kill_the_device(times, tell=lambda _: None):
    """The link goes down and up each time by itself; down is BAD with a reason, never an old value."""
    one = await asyncio.to_thread(Device)
    port, batches = one.port, []
    tags = [tag(0, every_s=0.05)]
    poller = Poller(open_source(spec(port, tags, timeout_s=1.0, max_backoff_s=1.0)), phase_s=0.0,
                    on_batch=batches.append, on_change=lambda _: None, on_alerts=list)  # fmt: skip
    task = asyncio.create_task(poller.run())
    try:
        for turn in range(times):
            await until(lambda: poller.link.state == "up")
            one.kill()
            await until(lambda: poller.link.state == "down")
            one = await asyncio.to_thread(Device, port)
            if turn % 10 == 9:
                tell(f"  device killed {turn + 1} of {times}, {poller.link.reconnects} times back")
        await until(lambda: poller.link.state == "up")
        assert poller.link.reconnects == times
        values = {(batch.value[0], int(batch.quality[0])) for batch in batches if batch.quality[0] != Quality.BAD}
        assert values == {(7.0, int(Quality.GOOD))}
        assert {int(batch.reasons[0]) for batch in batches if batch.quality[0] == Quality.BAD} == {int(Reason.COMMS)}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        one.kill()


async def test_a_device_killed_three_times_comes_back_each_time():
    await kill_the_device(3)


@pytest.mark.drill
async def test_a_device_killed_a_hundred_times_comes_back_each_time(tell):
    await kill_the_device(100, tell)
