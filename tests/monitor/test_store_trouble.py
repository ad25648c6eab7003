"""The disk turns read-only, reports errors or hangs under a running daemon: it polls on, says so, goes on after it."""

import asyncio
import itertools
import signal
import subprocess
import sys
import time

import pytest

from monitor.command_socket import ask
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.state import State
from tests.monitor.plant_bench import COMMAND, Bench, configure
from tests.peers.mounts import ext4, needs_mount
from tests.peers.seen import fallback, screen_text
from tests.peers.weather import needs_weather

ORDER = {"wo_id": "WO-1", "asset": "pump1", "opened": "2026-11-20T07:00:00Z", "trigger": "own", "action": "inspect"}


@pytest.fixture
def bench(tmp_path, server, weather):
    made = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state"), weather.env)
    yield made.start()
    made.end()


async def shown(state, *words):
    """Until the screen shows these words."""
    end = time.monotonic() + 30
    while True:
        text = await asyncio.to_thread(screen_text, state)
        if all(word in text for word in words):
            return text
        assert time.monotonic() < end, text
        await asyncio.sleep(0.2)


async def order(bench, number):
    return await asyncio.to_thread(ask, bench.state, "work_order", {**ORDER, "wo_id": f"WO-{number}"}, 20.0)


async def well_again(bench):
    """All is stored again, and nothing is missing or there twice."""
    since, since_s = time.monotonic(), time.time()
    await bench.until(lambda s: s["mono_s"] > since and s["store"]["state"] == "ok" and s["sources"][0]["good"] == 4)
    assert "0 polls were lost until now" in bench.log_text()
    assert (await order(bench, 9))["ok"]
    assert verify(bench.state).ok
    assert {one.data["wo_id"] for one in entries(bench.state, ["work_order"])} >= {"WO-9"}
    await bench.until(lambda _: (HotReader(bench.state.hot).newest_ms() or 0) > since_s * 1000 + 1500)
    times = [one.receive_us / 1e6 for one in HotReader(bench.state.hot).series(0, 0)]
    assert times[-1] > since_s
    assert len(times) == len(set(times)), "no poll is stored twice"
    assert max(late - early for early, late in itertools.pairwise(times)) < 3.5, "polls stand without a hole"


@needs_weather
@pytest.mark.parametrize("name", ["EROFS", "EIO"])
async def test_a_disk_that_cannot_be_written_is_said_within_seconds_and_polling_goes_on(bench, weather, name):
    await bench.until(lambda s: s["sources"][0]["good"] == 4 and HotReader(bench.state.hot).latest())
    weather.fail(name)
    text = await shown(bench.state, "daemon OK", "store FAILING")
    assert "98.7 m3/h" in text
    assert "poll 1/1" in text
    answer = await order(bench, 1)
    assert "work_order: cannot be recorded" in answer["error"]
    assert "the disk fails or is read-only" in answer["error"]
    assert (await asyncio.to_thread(fallback, bench.state, "--list")).returncode == 0
    await asyncio.sleep(2)
    assert bench.process.poll() is None
    weather.clear()
    await well_again(bench)
    assert "WO-1" not in {one.data["wo_id"] for one in entries(bench.state, ["work_order"])}


@needs_weather
async def test_a_disk_that_hangs_is_said_and_nothing_is_stored_twice_when_it_wakes(bench, weather):
    await bench.until(lambda s: s["sources"][0]["good"] == 4 and HotReader(bench.state.hot).latest())
    weather.hang()
    text = await shown(bench.state, "daemon OK", "store FAILING")
    assert "98.7 m3/h" in text
    answer = await order(bench, 1)
    assert answer["error"] == "work_order: cannot be recorded: the disk does not answer"
    assert "the store cannot be written: the disk does not answer" in bench.log_text()
    weather.clear()
    await well_again(bench)
    assert "WO-1" not in {one.data["wo_id"] for one in entries(bench.state, ["work_order"])}


@needs_mount
async def test_a_real_file_system_that_turns_read_only_is_said_and_a_start_on_it_is_one_line(tmp_path, server):
    place, image = tmp_path / "state", tmp_path / "disk.img"
    place.mkdir()
    bench = Bench(configure(tmp_path / "config", server.port), State(place))
    try:
        with ext4(image, place) as fail:
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4 and HotReader(bench.state.hot).latest())
            assert (await order(bench, 1))["ok"]
            fail()
            text = await shown(bench.state, "daemon OK", "store FAILING")
            assert "98.7 m3/h" in text
            assert "cannot be recorded" in (await order(bench, 2))["error"]
            bench.kill(signal.SIGTERM)
            await asyncio.to_thread(bench.ended)
            command = [sys.executable, "-c", COMMAND, "run", "--config", str(bench.config), "--state", str(place)]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 2, done.stderr
            assert "read-only" in done.stderr.lower()
            assert done.stderr.count("\n") == 1, done.stderr
        with ext4(image, place):
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            assert verify(bench.state).ok
            assert [one.data["wo_id"] for one in entries(bench.state, ["work_order"])] == ["WO-1"]
            bench.end()
    finally:
        bench.end()
