"""A disk that fills: what is said of it, the ballast, the purge, and how all goes on; on small real file systems."""

import errno
import os
import sqlite3

import pytest

from monitor.daemon.disk import Ballast, DiskHealth, disk_health, leftovers, local_folder, look, no_room
from monitor.settings import load
from monitor.state import State
from tests.monitor.plant_bench import GOLDEN


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
    assert list(leftovers(state, 2_000_000)) == [old]


def test_the_cold_part_has_a_disk_of_its_own_only_where_it_is_a_folder_of_this_machine():
    assert local_folder(None) is None
    assert local_folder("s3://bucket/handwheel") is None
    assert str(local_folder("file:///srv/history%20cold")) == "/srv/history cold"
