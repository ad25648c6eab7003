"""Kills: the daemon at its work, a device again and again. What was acknowledged stays, and all goes on by itself."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.modbus.source import open_source
from drivers.record import Quality, Reason
from monitor.daemon.poller import Poller
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.state import State
from tests.drivers.servers import modbus_server, spec, tag
from tests.monitor.plant_bench import Bench, configure, device

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


def stored(state):
    """All that the disk has: (tag, receive time) -> (value, reasons) of each sample."""
    reader = HotReader(state.hot)
    return {(number, one.receive_us): (one.value, one.reasons)
            for number in reader.tags() for one in reader.series(number, 0)}  # fmt: skip


async def kill_the_daemon(folder, times, seed, tell=lambda _: None):
    """SIGKILL at a random moment of acquisition; what any reader had seen on disk before is there afterwards."""
    rng = random.Random(seed)
    async with modbus_server(device()) as server:
        bench = Bench(configure(folder / "config", server.port), State(folder / "state"))
        try:
            for turn in range(times):
                bench.start()
                # the status tells what was committed: up to its frame all must survive
                await bench.until(lambda s: s["sources"][0]["good"] == 4)
                await asyncio.sleep(rng.uniform(0.0, 1.5))
                before, ledger = stored(bench.state), list(entries(bench.state))
                bench.kill()
                await asyncio.to_thread(bench.ended)
                after = stored(bench.state)
                assert before, "nothing was stored yet"
                assert before.items() <= after.items(), "an acknowledged sample was lost or changed"
                assert [one.n for one in entries(bench.state)][: len(ledger)] == [one.n for one in ledger]
                assert verify(bench.state).ok
                assert len({key for key, (_, reasons) in after.items() if reasons == Reason.OK}) >= 4 * (turn + 1)
                tell(f"  daemon killed {turn + 1} of {times}: {len(after):,} samples on disk")
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            assert [one.kind for one in entries(bench.state)].count("gap") == times
            bench.kill(signal.SIGTERM)
            assert await asyncio.to_thread(bench.ended) == 0
        finally:
            bench.end()


async def test_a_daemon_killed_in_the_middle_of_its_work_loses_nothing_that_was_on_disk(tmp_path, seed):
    await kill_the_daemon(tmp_path, 2, f"{seed} short")


@pytest.mark.drill
async def test_a_daemon_killed_twenty_times_loses_nothing_that_was_on_disk(tmp_path, seed, tell):
    await kill_the_daemon(tmp_path, 20, seed, tell)


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
