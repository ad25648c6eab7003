"""A disk that fills: what is said of it, the ballast, the purge, and how all goes on; on small real file systems."""

import asyncio
import errno
import itertools
import json
import os
import signal
import sqlite3

import pytest

from monitor.command_socket import ask
from monitor.daemon.disk import Ballast, DiskHealth, disk_health, leftovers, local_folder, look, no_room
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.settings import load
from monitor.state import State
from tests.monitor.plant_bench import GOLDEN, Bench, configure
from tests.peers.mounts import Filler, free_bytes, mounted, needs_mount
from tests.peers.seen import fallback, screen_text


def test_how_full_a_disk_is_can_be_asked_without_a_daemon(tmp_path):
    (disk,) = disk_health(State(tmp_path), load(GOLDEN / "config"))
    told = os.statvfs(tmp_path)
    assert disk.total == told.f_blocks * told.f_frsize
    assert 0 < disk.share <= 1
    assert str(tmp_path) in disk.words


def test_the_ballast_is_really_taken_and_is_made_only_where_it_does_not_fill_the_disk(tmp_path):
    path = tmp_path / "ballast"
    ballast = Ballast(path, 300_000)
    assert ballast.make(look(tmp_path, 1.0, path))
    assert path.stat().st_blocks * 512 >= 300_000
    assert look(tmp_path, 1.0, path).ballast == 300_000
    assert not ballast.make(look(tmp_path, 1.0, path))
    assert ballast.give_up()
    assert not ballast.give_up()
    assert not ballast.make(DiskHealth(tmp_path, 10_000_000, 1_200_000, 0.88, 0.9, 0))
    assert not list(tmp_path.iterdir())


def test_only_a_full_disk_or_quota_is_no_room(tmp_path):
    assert no_room(OSError(errno.ENOSPC, ""))
    assert no_room(OSError(errno.EDQUOT, ""))
    assert not no_room(OSError(errno.EROFS, ""))
    db = sqlite3.connect(tmp_path / "small.sqlite", isolation_level=None)
    db.execute("CREATE TABLE t(x)")
    db.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as fault:
        db.executemany("INSERT INTO t VALUES (zeroblob(4000))", [()] * 9)
    assert no_room(fault.value)
    db.close()


def test_leftovers_are_our_temporary_files_that_nobody_touched_lately(tmp_path):
    state = State(tmp_path / "state").make()
    old = state.reports / ".report.pdf.0a1b2c3d.part"
    for path in (old, state.reports / "report.part", state.manual / ".status.json.00000000.part"):
        path.write_text("x")
    os.utime(old, (1, 1))
    os.utime(state.reports / "report.part", (1, 1))
    state.lock.touch()
    assert list(leftovers(state)) == [old]


def test_the_cold_part_has_a_disk_of_its_own_only_where_it_is_a_folder_of_this_machine():
    assert local_folder(None) is None
    assert local_folder("s3://bucket/handwheel") is None
    assert str(local_folder("file:///srv/history%20cold")) == "/srv/history cold"


@pytest.fixture
def small(tmp_path, server):
    """A daemon whose STATE is a file system of 40 MB of its own."""
    place = tmp_path / "state"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=40m,mode=2770", "tmpfs"):
        config = configure(tmp_path / "config", server.port)
        with (config / "site.toml").open("a") as site:
            site.write("\n[disk]\nballast_mb = 4\n")
        bench = Bench(config, State(place))
        yield bench
        bench.end()


def received(state):
    """When each sample of one tag was received [s]."""
    return [one.receive_us / 1e6 for one in HotReader(state.hot).series(0, 0)]


@needs_mount
async def test_a_disk_that_fills_is_said_and_survived_and_nothing_acknowledged_is_lost(small):
    state, filler, told = small.state, Filler(small.state.root), []

    async def order(number):
        data = {"wo_id": f"WO-{number}", "asset": "pump1", "opened": "2026-11-20T07:00:00Z", "trigger": "own",
                "action": "inspect"}  # fmt: skip
        answer = await asyncio.to_thread(ask, state, "work_order", data, 20.0)
        if answer["ok"]:
            told.append(answer["n"])
        return answer

    state.make()
    left = state.reports / ".report.pdf.0a1b2c3d.part"
    left.write_bytes(bytes(1_000_000))
    os.utime(left, (1, 1))
    report = state.reports / "2026-11-01_comparison.txt"
    report.write_text("a report stays")
    small.start()
    status = await small.until(lambda s: (s["disk"] or {}).get("ballast") == 4_000_000)
    assert status["store"]["state"] == "ok"
    assert (await order(1))["ok"]

    filler.fill(3_500_000)
    status = await small.until(lambda s: s["store"]["state"] == "full" and s["alarms_top"])
    assert status["alarms_top"][0]["id"] == "monitor:disk"
    assert "make room" in status["alarms_top"][0]["text"]
    assert status["disk"]["share"] >= 0.9
    assert (await order(2))["ok"]
    await small.until(lambda _: any("reports/.report" in str(one.data) for one in entries(state, ["purge"])))
    assert not left.exists()
    assert report.exists()

    filler.fill(0)  # the ballast goes when a write finds no room
    end = asyncio.get_running_loop().time() + 60
    while state.ballast.exists():
        assert asyncio.get_running_loop().time() < end
        await order(3)
    assert "the reserve of 4 MB was given up" in small.log_text()
    status = await small.until(lambda s: s["disk"]["ballast"] == 0)
    assert "the reserve is used up" in status["store"]["note"]

    filler.fill(0)  # and now that of the ballast is taken too
    number = 4
    while (answer := await order(number))["ok"]:
        number += 1
        filler.fill(0)
        assert number < 400
    assert "cannot be recorded: the disk is full" in answer["error"]
    before = state.last_known.read_text()
    status = await small.until(lambda s: s["store"]["state"] == "failing")
    await small.until(lambda _: state.last_known.read_text() != before)
    assert "4.20 bar" in state.last_known.read_text()
    assert small.liveness().word == "running"
    assert free_bytes(state.root) < 4096
    shown = await asyncio.to_thread(screen_text, state)
    assert "store FAILING" in shown
    assert "98.7 m3/h" in shown
    manual = await asyncio.to_thread(fallback, state, "--list", "--json")
    assert manual.returncode == 0
    assert json.loads(manual.stdout)

    filler.remove()
    await small.until(lambda s: s["store"]["state"] == "ok" and s["disk"]["ballast"] == 4_000_000)
    assert "the store can be written again; 0 polls were lost until now" in small.log_text()
    assert (await order(999))["ok"]
    status = await small.until(lambda s: not any(one["state"] == "UNACK" for one in s["alarms_top"]))
    small.kill(signal.SIGTERM)
    assert await asyncio.to_thread(small.ended) == 0
    assert verify(state).ok
    orders = {one.n for one in entries(state, ["work_order"])}
    assert set(told) <= orders
    times = received(state)
    assert max(late - early for early, late in itertools.pairwise(times)) < 3.5, "polls stand without a hole"
