"""Files of STATE that are deleted, replaced or moved under a running daemon: seen at once, said, nothing lost."""

import asyncio
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from monitor.command_socket import ask
from monitor.historian.reader import HotReader
from monitor.ledger import Ledger, entries, verify
from monitor.sqlite_file import FileDamaged
from monitor.state import State, atomic_write
from tests.monitor.plant_bench import COMMAND, Bench, configure
from tests.peers.seen import fallback, screen_text


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


async def test_pipes_folders_and_links_in_the_place_of_files_make_nobody_wait_and_lead_nowhere(bench, tmp_path):
    state, outside = bench.state, tmp_path / "outside"
    outside.write_text("not ours")
    os.mkfifo(state.manual / "planned_stop.json")
    os.mkfifo(state.journal / "2026-11-27.jsonl")
    os.mkfifo(state.rejected / "a.reason.txt")
    os.mkfifo(state.inbox / "a.json")
    for path in (state.status, state.last_known, state.facts / "ledger_head.txt", next(state.sheets.glob("*.txt"))):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    await bench.until(lambda s: s["sources"][0]["good"] == 4)  # each is a plain file again
    assert "98.7 m3/h" in await asyncio.to_thread(screen_text, state)
    assert (await asyncio.to_thread(fallback, state, "--list", "--json")).returncode == 0
    state.last_known.unlink()
    state.last_known.symlink_to(outside)
    await until(lambda: not state.last_known.is_symlink())
    assert outside.read_text() == "not ours"
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    os.mkfifo(state.binder / "fingerprint.json")
    state.noise.unlink(missing_ok=True)
    state.noise.mkdir()
    bench.start()
    await bench.until(lambda s: s["sources"][0]["good"] == 4)


@pytest.mark.parametrize("name", ["daemon.lock", "hot.sqlite", "ledger.sqlite"])
async def test_a_pipe_or_a_link_in_the_place_of_lock_or_store_is_refused_in_one_line(bench, tmp_path, name):
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    path = bench.state.root / name
    command = [sys.executable, "-c", COMMAND, "run", "--config", str(bench.config), "--state", str(bench.state.root)]
    for plant in (os.mkfifo, lambda path: path.symlink_to(tmp_path / "elsewhere")):
        path.unlink()
        plant(path)
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done.stderr
        assert (name in done.stderr, done.stderr.count("\n")) == (True, 1), done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_another_user_made_a_link_is_not_written_through(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a link to somebody else")
    target, link = tmp_path / "target", tmp_path / "reports"
    target.mkdir()
    link.symlink_to(target)
    atomic_write(link / "ours.txt", "a link that we made is followed")
    os.lchown(link, 65534, 65534)
    with pytest.raises(OSError, match="somebody else made"):
        atomic_write(link / "theirs.txt", "")
    assert [path.name for path in target.iterdir()] == ["ours.txt"]


async def test_another_chain_in_the_place_of_the_ledger_is_said_at_the_next_start_with_the_lost_head(bench):
    state = bench.state
    assert (await order(bench, 1))["ok"]
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    head = bench.status["ledger"]["head"]
    for path in (state.ledger, state.bodies):
        path.unlink()
    ledger = Ledger(state)
    for n in range(60):
        ledger.append("restart", {"version": str(n)}, at_us=n, via="test")
    ledger.close()
    bench.start()
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    (gap,) = [one.data for one in entries(state, ["gap"]) if one.data["source"] == "ledger"]
    assert gap["head_told"] == head
    assert "this is another chain" in bench.log_text()
