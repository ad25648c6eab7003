"""A disk that fills: old raw days leave by policy, younger ones never, and the daemon goes on; on a real disk."""

import asyncio
import signal
import time

import numpy as np
import pytest

from drivers.batch import Batch
from monitor.historian.cold import cold_of, days
from monitor.historian.history import fold, read
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.historian.verifying import verify as verify_history
from monitor.ledger import entries, verify
from monitor.settings import load
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.peers.mounts import Filler, free_bytes, mounted, needs_mount

HOUR_MS = 3_600_000
SAMPLES = 10_000  # of noise in a frame: Parquet needs 8 bytes for each


def lived_through(bench, hours_ago, now_ms):
    """What a daemon left that ran then: frames, their rollups, and history of all that is older than an hour."""
    hot, rng, good = HotFile(bench.state.make().hot), np.random.default_rng(4), np.zeros(SAMPLES)
    hot.publish_tags(load(bench.config))
    for begin_ms in [now_ms - int(ago * HOUR_MS) for ago in hours_ago]:
        for at_ms in range(begin_ms, begin_ms + 5_000, 1_000):
            value = rng.uniform(90.0, 110.0, SAMPLES)
            hot.append([Batch("pump1", at_ms * 1000, good.astype("i4"), good.astype("i8") - 1, value,
                              good.astype("u1"), good.astype("u4"))], at_ms)  # fmt: skip
    hot.roll(now_ms)
    hot.close()
    fold(bench.state, upto_ms=now_ms - HOUR_MS)


@pytest.fixture
async def bench(tmp_path):
    """A daemon whose STATE is a file system of 40 MB of its own."""
    place = tmp_path / "state"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=40m,mode=2770", "tmpfs"):
        async with modbus_server(device()) as server:
            config = configure(tmp_path / "config", server.port)
            with (config / "site.toml").open("a") as site:
                site.write("\n[disk]\nballast_mb = 4\n\n[history]\nleast_days = 3\n")
            made = Bench(config, State(place))
            yield made
            made.end()


@pytest.mark.parametrize(
    ("room", "more"),
    [
        pytest.param(3_500_000, ["hot.sqlite"], id="at 91 %"),
        pytest.param(0, [], id="without a byte left", marks=pytest.mark.drill),  # nor room to take frames out
    ],
)
@needs_mount
async def test_on_a_disk_that_fills_old_raw_days_leave_by_policy_and_the_ledger_names_them(bench, room, more):
    state, filler, now_ms = bench.state, Filler(bench.state.root), time.time_ns() // 1_000_000
    lived_through(bench, [*range(8 * 24, 0, -24), 0.5], now_ms)
    hot, cold = HotReader(state.hot), cold_of(state)
    dates, hours = days(cold, "G"), hot.rollup(0, 3_600, 0)
    bench.start()
    await bench.until(lambda _: (hot.newest_ms() or 0) > now_ms)
    filler.fill(room)
    while not room and state.ballast.exists():  # whoever fills the disk takes that too
        await asyncio.sleep(0.01)
    filler.fill(room)
    free = free_bytes(state.root)
    status = await bench.until(lambda s: s["alarms_top"])
    assert status["alarms_top"][0]["id"] == "monitor:disk"
    assert status["store"]["state"] == ("full" if room else "failing")

    def left():
        return [file for one in entries(state, ["purge"]) for file in one.data["files"]]

    gone = [f"site=G/date={date}/part-0.parquet" for date in dates[:5]]
    await bench.until(lambda _: len(left()) == len(gone + more))
    assert sorted(left()) == sorted(gone + more)
    assert all(one.data["rule"].endswith(" % full") for one in entries(state, ["purge"]))
    assert days(cold, "G")[: len(dates) - 5] == dates[5:], "these are younger than least_days"
    assert free_bytes(state.root) > free + 1_500_000
    assert hot.rollup(0, 3_600, 0)[: len(hours) - 1] == hours[:-1]
    assert not more or hot.oldest_ms(0) > now_ms - 60_000, "frames that were folded"

    since_ms = time.time_ns() // 1_000_000
    status = await bench.until(lambda s: hot.newest_ms() > since_ms and s["store"]["state"] != "failing")
    assert status["store"]["state"] == ("ok" if room else "full"), "younger days do not leave for any room"
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert verify(state).ok
    assert not verify_history(cold, deep=True).faults
    found = read(state, ["pump1.flow"], 0, 2**62)["receive_us"]
    lived, polled = found[found < now_ms * 1000], found[found > now_ms * 1000]
    assert len(lived) == 4 * 5 * SAMPLES
    assert polled.diff().max() < 3_500_000, "polls stand without a hole"
