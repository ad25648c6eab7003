"""Who looks at the hot file, and how it comes back to its size: short views, views held for hours, other users."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.batch import NO_TIME, Batch
from monitor.historian.health import health
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.sqlite_file import WAL_BYTES, reading, wal_bytes
from monitor.state import State

START_MS = 1_795_392_000_000
ROOT = Path(__file__).parents[3]
ROWS = 5_000
HOLDER = """
import sys
from pathlib import Path
from monitor.sqlite_file import reading
with reading(Path(sys.argv[1])) as db:
    before = db.execute("SELECT count(*), max(n) FROM frame").fetchone()
    print("holds", flush=True)
    sys.stdin.readline()
    assert db.execute("SELECT count(*), max(n) FROM frame").fetchone() == before
print("let go", flush=True)
"""


def write(hot, ticks, first=0):
    tags, none = np.arange(ROWS, dtype=np.int32), np.full(ROWS, NO_TIME)
    good = np.zeros(ROWS)
    for second in range(first, first + ticks):
        t_ms = START_MS + 1_000 * second
        values = np.arange(ROWS) + float(second)
        hot.append([Batch("s", t_ms * 1000, tags, none, values, good.astype("u1"), good.astype("u4"))], t_ms)


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def test_a_view_that_is_held_grows_the_wal_by_what_is_written_and_no_more_and_is_shown(state):
    hot = HotFile(state.hot)
    hot._db.execute("PRAGMA synchronous=OFF")  # the disk's patience is not what is looked at
    write(hot, 10)
    holder = [sys.executable, "-c", HOLDER, str(state.hot)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "holds\n"
        write(hot, 600, 10)
        held = health(state).wal_bytes
        assert held > WAL_BYTES
        assert held < 600 * (ROWS * 8 + 5 * 4_200)  # each page that a commit touches, once
        began_s = time.monotonic()
        assert hot.shorten_wal() == held  # cannot be helped, and nobody waits for it
        assert time.monotonic() - began_s < 5
        write(hot, 1, 610)
        assert len(HotReader(state.hot).latest()) == ROWS
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "let go\n"
    assert hot.shorten_wal() == 0
    write(hot, 300, 611)
    assert wal_bytes(state.hot) <= WAL_BYTES
    hot.close()


def test_readers_who_come_one_after_the_other_do_not_let_the_wal_grow(state):
    hot = HotFile(state.hot)
    hot._db.execute("PRAGMA synchronous=OFF")
    write(hot, 2)
    stop, looks = threading.Event(), []

    def look():
        while not stop.is_set():
            with reading(state.hot) as db:  # as long as the longest of our own: 500 frames
                looks.append(db.execute("SELECT n, blob FROM frame ORDER BY n DESC LIMIT 500").fetchall()[0][0])

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    most = 0
    for minute in range(8):
        write(hot, 60, 60 * minute + 2)
        most = max(most, wal_bytes(state.hot))
        hot.shorten_wal()
    stop.set()
    for thread in threads:
        thread.join()
    assert len(looks) > 5
    assert most < 2 * WAL_BYTES
    hot.close()


LOOK = """
import os, sys
import encodings.idna, monitor.ledger, monitor.heartbeat
from monitor.historian.reader import HotReader
from monitor.state import State
from pathlib import Path
os.setgroups([])
os.setgid(20_000)
os.setuid(20_002)
state = State(Path(sys.argv[1]))
print(len(HotReader(state.hot).latest()), monitor.ledger.head(state)[0])
"""


@pytest.fixture
def shared():
    """STATE in a folder that others may pass through, of a group."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="handwheel-"))
    folder.chmod(0o755)
    state = State(folder / "state").make()
    yield state
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def as_another_user(state):
    """(tags in latest, entries of the ledger) as a user sees them who may read only."""
    for path in (state.root, *state.root.rglob("*")):
        os.chown(path, 0, 20_000)
        path.chmod(0o750 if path.is_dir() else 0o640)
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(state.root)], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return tuple(map(int, done.stdout.split()))


def test_another_user_reads_while_a_writer_is_in_the_middle_of_a_transaction(shared):
    from monitor.ledger import Ledger

    hot, ledger = HotFile(shared.hot), Ledger(shared)
    write(hot, 3)
    ledger.append("event", {"date": "2026-11-23", "event_kind": "firmware", "text": ""}, at_us=1, via="command")
    hot._db.execute("BEGIN EXCLUSIVE")
    hot._db.execute("INSERT INTO verdict VALUES ('a', '{}', 0)")
    assert as_another_user(shared) == (ROWS, 1)
    hot._db.execute("ROLLBACK")
    hot.close()
    ledger.close()
    assert as_another_user(shared) == (ROWS, 1)


@pytest.mark.parametrize("how", ["clean stop", "killed"])
def test_another_user_reads_a_state_that_is_mounted_read_only(shared, how):
    from monitor.ledger import Ledger

    hot, ledger = HotFile(shared.hot), Ledger(shared)
    write(hot, 3)
    ledger.append("event", {"date": "2026-11-23", "event_kind": "firmware", "text": ""}, at_us=1, via="command")
    if how == "clean stop":
        hot.close()
        ledger.close()
    copy = State(shared.root.with_name("copy"))
    subprocess.run(["cp", "-a", str(shared.root), str(copy.root)], check=True)
    if how == "killed":
        hot.close()
        ledger.close()
    for path in (copy.root, *copy.root.rglob("*")):
        os.chown(path, 0, 20_000)
        path.chmod(0o750 if path.is_dir() else 0o640)
    mounted = subprocess.run(["mount", "--bind", str(copy.root), str(copy.root)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this container may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(copy.root)], check=True)
        with pytest.raises(OSError):
            (copy.root / "x").touch()
        look = [sys.executable, "-c", LOOK, str(copy.root)]
        done = subprocess.run(look, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
        assert done.stdout.split() == [str(ROWS), "1"], done.stderr
    finally:
        subprocess.run(["umount", str(copy.root)], check=True)
