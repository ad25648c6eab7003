"""Cases in which other programs were seen to lie, on the real daemon with a real Modbus device: it does not."""

import asyncio
import signal
import time
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from drivers.record import Quality, Reason
from drivers.sim.modbus_server import Memory, ModbusServer
from monitor.historian.history import wide
from monitor.historian.hot import HotFile
from monitor.screen.reading import take
from monitor.screen.text import overview
from tests.acceptance.watched import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERY_S, TIMEOUT_S = 1.0, 0.5

SOURCE = """\
[source]
name      = "pump1"
driver    = "modbus_tcp"
site      = "G"
every_s   = {every_s}
timeout_s = {timeout_s}
host      = "127.0.0.1"
port      = {port}

[[source.block]]
asset        = "pump1"
address_base = "wire0"
order        = "ABCD"
tags = [
  {{ at =   0, name = "flow",                as = "u16", unit = "m3/h", scale = 0.1, sentinels = [65535] }},
  {{ at =   1, name = "running",             as = "bit", unit = "1", bit = 0 }},
  {{ at =   1, name = "bearing_service",     as = "bit", unit = "1", bit = 7, quantity = "vendor_flag" }},
  {{ at =   2, name = "suction_pressure",    as = "i16", unit = "bar", scale = 0.001, sentinels = [-32768] }},
  {{ at =   4, name = "discharge_pressure",  as = "f32", unit = "bar" }},
  {{ at =   6, name = "volume",              as = "u32", unit = "m3", sentinels = [4294967295] }},
  {{ at = 100, name = "bearing_temperature", as = "u16", unit = "degC", scale = 0.1 }},
  {{ at = 101, name = "ambient_temperature", as = "u16", unit = "degC", scale = 0.1 }},
]
"""
SOUND = {0: 987, 1: 1, 2: 1500, 3: 0, 4: 0x4086, 5: 0x6666, 6: 1, 7: 0, 100: 480, 101: 150}
DECODED = {"flow": 98.7, "running": 1.0, "suction_pressure": 1.5, "discharge_pressure": 4.199999809265137,
           "volume": 65536.0, "bearing_temperature": 48.0, "ambient_temperature": 15.0}  # fmt: skip


class Device:
    """A Modbus device that can misbehave."""

    def __init__(self):
        self.memory = Memory()
        self.words = self.memory.words.setdefault((1, "holding"), {})
        self.words.update(SOUND)
        self.server = ModbusServer(self.memory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    device = Device()
    await device.server.start()
    source = SOURCE.format(every_s=EVERY_S, timeout_s=TIMEOUT_S, port=device.server.port)
    try:
        async with Watched(tmp_path_factory.mktemp("plant"), source) as watched:
            watched.device = device
            yield watched
    finally:
        await device.server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def plant(running):
    """The plant, its device sound before and after each test."""
    yield running
    running.device.words.clear()
    running.device.words.update(SOUND)
    running.device.memory.refused.clear()
    running.device.server.silent = False
    await running.bench.until(lambda s: s["sources"][0]["state"] in ("up", "degraded"))


async def test_case_2_what_means_not_available_is_bad_and_reaches_neither_totals_nor_models(plant):
    """0xFFFF, 0x8000, NaN and 0xFFFFFFFF, as devices send them instead of a value."""
    begun_us = time.time_ns() // 1000
    names = ("flow", "suction_pressure", "discharge_pressure", "volume")
    plant.device.words.update({0: 0xFFFF, 2: 0x8000, 4: 0x7FC0, 5: 0, 6: 0xFFFF, 7: 0xFFFF})
    for name in names:
        seen = await plant.newest(name, lambda one: one.quality == Quality.BAD)
        assert seen.value is None
        assert seen.reasons & (Reason.SENTINEL | Reason.SENSOR), (name, seen)
    status = await plant.bench.until(lambda s: s["sources"][0]["good"] == 4)
    assert status["sources"][0]["state"] == "up"  # the device answers; it is the values that are not there
    plant.device.words.update(SOUND)
    for name in names:
        await plant.newest(name, lambda one: one.quality == Quality.GOOD)
    end_us = time.time_ns() // 1000
    plant.bench.kill(signal.SIGTERM)
    await asyncio.to_thread(plant.bench.ended)
    hot = HotFile(plant.state.hot)
    hot.roll(end_us // 1000)  # what the daemon does each minute
    hot.close()
    for name in names:
        values = {one.value for one in plant.stored(name, begun_us)}
        assert values == {None, DECODED[name]}, name
        minutes = plant.reader.rollup(plant.number(name), 60, 0)
        assert {row.max for row in minutes} | {row.min for row in minutes} <= {DECODED[name], None}, name
        assert min(row.share_good for row in minutes) < 1.0, name
    frame, share = wide(plant.state, plant.settings, "pump1", begun_us, end_us, 0.5)
    for name in names:
        seen = frame[name].dropna()
        assert set(seen) == {DECODED[name]}, name
        assert len(seen) < len(frame), name
        assert share[name].min() == 0.0, name
    assert set(frame["bearing_temperature"].dropna()) == {48.0}
    plant.bench.start()


async def test_case_3_a_silent_device_is_known_within_three_periods_in_words_and_its_alarm_stays(plant):
    good_us = (await plant.newest("flow", lambda one: one.quality == Quality.GOOD)).receive_us
    plant.device.server.silent = True
    bad = await plant.newest("flow", lambda one: one.quality == Quality.BAD)
    first = next(one for one in plant.stored("flow", good_us) if one.quality != Quality.GOOD)
    last_good_us = max(one.receive_us for one in plant.stored("flow") if one.receive_us < first.receive_us)
    assert first.receive_us - last_good_us <= 3 * EVERY_S * 1e6 + 2 * TIMEOUT_S * 1e6, "three periods, and the time-out"
    assert (bad.value, bad.reasons) == (None, Reason.COMMS)
    status = await plant.bench.until(lambda s: s["sources"][0]["good"] == 0 and s["alarms_top"])
    assert status["sources"][0]["state"] == "down"
    assert f"no answer from device 1 within {TIMEOUT_S} s" in status["sources"][0]["note"]
    alarm = next(one for one in status["alarms_top"] if one["id"] == "monitor:link:pump1")
    assert alarm["state"] == "UNACK"
    page = overview(take(plant.state), 120, 40)
    assert "pump1" in page
    assert "no answer" in page or "down" in page.lower(), page
    words = plant.state.last_known.read_text()
    assert "98.70 m3/h" in words.replace("  ", " ") or "98.7" in words  # the last good value, with its own old time
    plant.device.server.silent = False
    status = await plant.bench.until(lambda s: s["sources"][0]["good"] == 8)
    alarm = next(one for one in status["alarms_top"] if one["id"] == "monitor:link:pump1")
    assert alarm["state"] == "RTNUN", "latched: it returned to normal and nobody has acknowledged it"


async def test_case_1_a_refused_block_is_bad_with_its_old_time_and_the_other_block_stays_good(plant):
    before = await plant.newest("bearing_temperature", lambda one: one.quality == Quality.GOOD)
    plant.device.memory.refused[1, "holding"] = {100, 101}
    status = await plant.bench.until(lambda s: s["sources"][0]["good"] == 6)
    assert status["sources"][0]["state"] == "degraded"
    assert "exception 2 (illegal data address)" in status["sources"][0]["note"]
    for name in ("bearing_temperature", "ambient_temperature"):
        seen = await plant.newest(name, lambda one: one.quality == Quality.BAD)
        assert (seen.value, seen.reasons) == (None, Reason.EXCEPTION)
        assert not [one for one in plant.stored(name, seen.receive_us - 1) if one.value is not None], "repeated"
    good = [one for one in plant.stored("bearing_temperature") if one.quality == Quality.GOOD]
    assert good[-1].receive_us >= before.receive_us
    at = datetime.fromtimestamp(good[-1].receive_us / 1e6, UTC).strftime("%H:%M:%S")
    line = next(row for row in plant.state.last_known.read_text().splitlines() if "pump1.bearing_temperature" in row)
    assert "48" in line
    assert at[-5:] in line, f"{line!r} has not the time of the last good value, {at}"
    flow = await plant.newest("flow", lambda one: one.receive_us > good[-1].receive_us + 3e6)
    assert (flow.value, flow.quality) == (98.7, Quality.GOOD)
