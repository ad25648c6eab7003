"""The clock is set under a running daemon: said and entered, and nothing is lost, removed or left undone by it."""

import asyncio
import signal
import time

import pytest

from monitor.command_socket import ask
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.state import State
from tests.monitor.plant_bench import Bench, configure
from tests.peers.weather import needs_weather

pytestmark = needs_weather
HOUR_S, YEAR_S = 3_600.0, 365 * 86_400.0
JOBS = '[[job]]\nname = "fold"\nevery_s = 2\n'


@pytest.fixture
def bench(tmp_path, server, weather):
    made = Bench(configure(tmp_path / "config", server.port, timetable=JOBS), State(tmp_path / "state"), weather.env)
    yield made.start()
    made.end()


def stored(state):
    reader = HotReader(state.hot)
    return {(number, one.receive_us): one.value for number in reader.tags() for one in reader.series(number, 0)}


async def fresh(bench, after_us):
    """Until the latest sample of each tag is one that came after a time."""
    end = time.monotonic() + 60
    while not (latest := HotReader(bench.state.hot).latest()) or not all(
        after_us <= one.receive_us < after_us + 60e6 for one in latest.values()
    ):
        assert time.monotonic() < end, latest
        await asyncio.sleep(0.1)


async def folds(bench):
    """How the job's last start moves on."""
    began = (await bench.until(lambda s: "fold" in s["worker"]["jobs"]))["worker"]["jobs"]["fold"]["started"]
    await bench.until(lambda s: s["worker"]["jobs"]["fold"]["started"] != began)


async def test_an_hour_ahead_and_back_is_entered_and_nothing_is_lost_and_jobs_go_on(bench, weather):
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert bench.status["clock"]["state"] in ("unknown", "synced")
    await folds(bench)
    before = stored(bench.state)
    weather.set_clock(HOUR_S)
    await bench.until(lambda s: s["clock"]["state"] == "suspect")
    ahead_us = round((time.time() + HOUR_S) * 1e6)
    await fresh(bench, ahead_us)
    weather.set_clock(0.0)  # a job that was planned an hour ahead must not wait for it
    await bench.until(lambda s: len(list(entries(bench.state, ["clock_step"]))) == 2)
    await fresh(bench, time.time_ns() // 1000 - 2_000_000)
    await folds(bench)
    steps = [float(one.data["step"].split()[0]) for one in entries(bench.state, ["clock_step"])]
    assert steps == [pytest.approx(HOUR_S, abs=1.0), pytest.approx(-HOUR_S, abs=1.0)]
    assert bench.status["clock"]["state"] == "suspect"
    assert (await asyncio.to_thread(ask, bench.state, "confirm_clock", {}, 20.0))["ok"]
    await bench.until(lambda s: s["clock"]["state"] == "manual")
    assert [one.role for one in entries(bench.state, ["clock_step"])] == [None, None, "administrator"]
    after = stored(bench.state)
    assert before.items() <= after.items()
    assert any(abs(at_us - ahead_us) < 60e6 for _tag, at_us in after), "what came in that hour is still readable"
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert verify(bench.state).ok


async def test_a_year_ahead_no_rollup_leaves_and_after_a_restart_neither(bench, weather):
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    kept = HotReader(bench.state.hot).rollups(3_600, 0)
    assert kept
    weather.set_clock(3 * YEAR_S)
    bench.start()
    status = await bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert (status["clock"]["state"], "after the last time" in status["clock"]["note"]) == ("suspect", True)
    bench.kill(signal.SIGTERM)  # the stop rolls up as each minute does
    await asyncio.to_thread(bench.ended)
    now = HotReader(bench.state.hot).rollups(3_600, 0)
    assert all(set(rows) <= set(now[tag]) for tag, rows in kept.items())
    weather.set_clock(-57 * YEAR_S)  # a flat battery, a power cut
    bench.start()
    status = await bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert status["clock"]["note"] == "before the day this program was made; set it"
    await fresh(bench, round((time.time() - 57 * YEAR_S - 5) * 1e6))
