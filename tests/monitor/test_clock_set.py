"""The clock is set under a running daemon: said and entered, and nothing is lost, removed or left undone by it."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from monitor.command_socket import ask
from monitor.historian.cold import cold_of, days
from monitor.historian.reader import HotReader
from monitor.ledger import Ledger, entries, verify
from monitor.state import State
from tests.monitor.historian.test_verifying import day
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


REMOVING = "".join(f'[[job]]\nname = "{name}"\ncron = "0 3 * * *"\n' for name in ("purge", "retention"))
RULES = "\n[history]\nkeep_days = 100\nleast_days = 90\n\n[retention]\nfinding = 365\n"
FINDING = {"wo_id": "WO-1", "grade": "A", "inspector_party": "utility", "blind_to_alert": True}


async def test_started_ten_years_ahead_nothing_leaves_and_when_the_clock_is_good_only_what_the_rules_say(
    bench, weather
):
    """The hot file of the last life is lost; the jobs that remove are due at once."""
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    bench.kill()
    await asyncio.to_thread(bench.ended)
    bench.state.hot.unlink()
    state, now_us = bench.state, time.time_ns() // 1000
    (bench.config / "timetable.toml").write_text(REMOVING)
    (bench.config / "site.toml").write_text((bench.config / "site.toml").read_text() + RULES)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    old, young = (today - timedelta(days=age) for age in (200, 10))
    day(state, f"{young:%Y-%m-%d}", round(young.timestamp() * 1000))
    ledger = Ledger(state)
    finding = ledger.append("finding", FINDING, at_us=now_us - 10 * 86_400_000_000, via="cli").n
    ledger.close()

    async def ask_for(job):
        return await asyncio.to_thread(ask, state, "run_job", {"job": job}, 30.0)

    def all_there(*wanted):
        assert set(days(cold_of(state), "G")) >= {f"{one:%Y-%m-%d}" for one in wanted}
        assert [one.n for one in entries(state, ["finding"])] == [finding]
        assert not list(entries(state, ["purge", "erasure"]))

    weather.set_clock(10 * YEAR_S)
    bench.start()
    status = await bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert (status["clock"]["state"], "after the last time" in status["clock"]["note"]) == ("suspect", True)
    for job in ("purge", "retention"):
        assert f"{job}: a run was left out, because the clock is in doubt" in bench.log_text()
        assert "the clock is in doubt" in (await ask_for(job))["error"]
    all_there(young)
    bench.kill()
    await asyncio.to_thread(bench.ended)
    bench.start()  # ten years ahead again, and by the records of ten years ahead
    await bench.until(lambda s: s["clock"]["state"] == "suspect", "a new start ends no doubt")
    weather.set_clock(0.0)
    await bench.until(lambda s: len(list(entries(state, ["clock_step"]))) == 1)
    assert "the clock is in doubt" in (await ask_for("purge"))["error"]
    assert (await asyncio.to_thread(ask, state, "confirm_clock", {}, 20.0))["ok"]
    await bench.until(lambda s: s["clock"]["state"] == "manual")
    day(state, f"{old:%Y-%m-%d}", round(old.timestamp() * 1000))
    for job in ("retention", "purge"):
        assert (await ask_for(job))["ok"]
        await bench.until(lambda s, job=job: s["worker"]["jobs"].get(job, {}).get("ok"), job)
    await bench.until(lambda _s: not {f"{old:%Y-%m-%d}"} & set(days(cold_of(state), "G")))
    assert f"{young:%Y-%m-%d}" in days(cold_of(state), "G")
    assert [one.n for one in entries(state, ["finding"])] == [finding]
