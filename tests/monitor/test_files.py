"""Files of STATE that are deleted, replaced or moved under a running daemon: seen at once, said, nothing lost."""

import asyncio
import itertools
import os
import shutil
import signal
import sqlite3
import time

import pytest

from monitor.command_socket import ask
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.sqlite_file import FileDamaged
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device


@pytest.fixture
async def server():
    async with modbus_server(device()) as running:
        yield running


@pytest.fixture
async def bench(tmp_path, server):
    made = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state")).start()
    await made.until(lambda s: s["sources"][0]["good"] == 4 and len(HotReader(made.state.hot).series(0, 0)) > 2)
    yield made
    made.end()


async def order(bench, number):
    data = {"wo_id": f"WO-{number}", "asset": "pump1", "opened": "2026-11-20T07:00:00Z", "trigger": "own",
            "action": "inspect"}  # fmt: skip
    return await asyncio.to_thread(ask, bench.state, "work_order", data, 20.0)


async def until(condition, what=lambda: ""):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what()
        await asyncio.sleep(0.1)


def times(state):
    return [one.receive_us / 1e6 for one in HotReader(state.hot).series(0, 0)]


def told(bench, file):
    try:
        return [one.data for one in entries(bench.state, ["quarantine"]) if one.data["file"] == file]
    except FileDamaged:  # as long as one of its files is not there
        return []


async def whole(bench, before):
    """What was acknowledged before is there, what comes is stored, and the chain holds over a clean stop."""
    since_s = time.time()
    await until(lambda: times(bench.state)[-1:] > [since_s], bench.log_text)
    now = times(bench.state)
    assert now[: len(before)] == before
    assert max(late - early for early, late in itertools.pairwise(now)) < 3.5, "no poll is missing"
    await bench.until(lambda s: s["store"]["state"] == "ok")
    assert (await order(bench, 9))["ok"]
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert verify(bench.state).ok


@pytest.mark.parametrize("names", [["hot.sqlite", "hot.sqlite-wal", "hot.sqlite-shm"], ["hot.sqlite-wal"]])
async def test_a_hot_file_that_is_deleted_is_written_again_with_all_that_it_held(bench, names):
    before = times(bench.state)
    for name in names:
        (bench.state.root / name).unlink()
    await until(lambda: told(bench, "hot.sqlite"), bench.log_text)
    (entry,) = told(bench, "hot.sqlite")
    assert entry == {"file": "hot.sqlite", "why": "deleted while the daemon ran", "moved_to": None}
    await bench.until(lambda s: any(one["id"] == "monitor:files" for one in s["alarms_top"]))
    await whole(bench, before)


async def test_a_hot_file_that_is_replaced_goes_on_and_the_stranger_s_lies_in_quarantine(bench):
    before = times(bench.state)
    stranger = bench.state.root / "stranger"
    with sqlite3.connect(stranger) as db:
        db.execute("CREATE TABLE theirs(x)")
    db.close()
    os.replace(stranger, bench.state.hot)
    await until(lambda: told(bench, "hot.sqlite"), bench.log_text)
    (entry,) = told(bench, "hot.sqlite")
    with sqlite3.connect(bench.state.root / entry["moved_to"]) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    db.close()
    await whole(bench, before)


@pytest.mark.parametrize("name", ["ledger.sqlite", "bodies.sqlite", "ledger.sqlite-wal", "bodies.sqlite-shm"])
async def test_a_ledger_that_is_deleted_is_written_again_and_the_chain_goes_on(bench, name):
    before, (acknowledged, n) = times(bench.state), ((one := await order(bench, 1))["ok"], one["n"])
    assert acknowledged
    (bench.state.root / name).unlink()
    await until(lambda: told(bench, "ledger.sqlite"), bench.log_text)
    assert "WO-1" in [one.data["wo_id"] for one in entries(bench.state, ["work_order"]) if one.n == n]
    await whole(bench, before)


async def test_a_ledger_replaced_by_an_older_copy_is_not_written_until_ours_is_put_back(bench, tmp_path):
    state, before = bench.state, times(bench.state)
    older = tmp_path / "older"
    older.mkdir()
    for name in ("ledger.sqlite", "bodies.sqlite"):
        db = sqlite3.connect(f"file:{state.root / name}?mode=ro", uri=True)
        with sqlite3.connect(older / name) as copy:
            db.backup(copy)
        copy.close()
        db.close()
    head = (await order(bench, 1))["head"]
    for name in ("ledger.sqlite", "bodies.sqlite"):
        for end in ("-wal", "-shm"):
            (state.root / f"{name}{end}").unlink()
        os.replace(older / name, state.root / name)
    status = await bench.until(lambda s: any(one["id"] == "monitor:files" for one in s["alarms_top"]))
    (alarm,) = [one for one in status["alarms_top"] if one["id"] == "monitor:files"]
    assert f"head {head}" in bench.log_text()
    assert "was replaced; ours with" in alarm["text"]
    await bench.until(lambda s: s["store"]["state"] == "failing")
    refused = await order(bench, 2)
    assert "was replaced; ours with" in refused["error"]
    polled = times(state)
    await until(lambda: len(times(state)) > len(polled), bench.log_text)  # samples go on
    ours = {name: next((state.root / "quarantine").glob(f"*-{name}")) for name in ("ledger.sqlite", "bodies.sqlite")}
    for name, path in ours.items():
        shutil.copy(path, state.root / name)
    await bench.until(lambda s: s["store"]["state"] == "ok")
    assert [one.data["wo_id"] for one in entries(state, ["work_order"])] == ["WO-1"]
    await whole(bench, before)


async def test_a_state_folder_that_was_moved_is_said_and_goes_on_when_it_is_back(bench, tmp_path):
    before = times(bench.state)
    os.rename(bench.state.root, tmp_path / "moved")
    await until(lambda: "was moved away; put it back" in bench.log_text(), bench.log_text)
    assert bench.liveness().word in ("never", "blind")
    await asyncio.sleep(2)
    assert bench.process.poll() is None
    os.rename(tmp_path / "moved", bench.state.root)
    await whole(bench, before)
