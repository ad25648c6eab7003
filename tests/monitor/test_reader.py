"""The hot file read by others: light, read-only, and never taken in by a damaged frame."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Sample
from monitor.historian.arrays import joined, pack
from monitor.historian.frame import rows_of, unpack
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.lock import hold_lock
from monitor.state import State
from tests.monitor.plants import plant

NOON_MS = 1_795_440_000_000
ROOT = Path(__file__).parents[2]
NOBODY = 65_534


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def fill(state: State, ticks: int = 20) -> HotFile:
    hot = HotFile(state.hot)
    for second in range(ticks):
        batches = [
            batch_of(name, (NOON_MS + 1_000 * second) * 1000, [Sample(number, 0, float(second))])
            for number, name in enumerate(("a", "b"))
        ]
        hot.append(batches, NOON_MS + 1_000 * second)
    return hot


def test_where_there_is_no_file_all_answers_are_empty(state):
    reader = HotReader(state.hot)
    assert (reader.tags(), reader.latest(), reader.series(0, 0), reader.rollup(0, 60, 0)) == ({}, {}, [], [])
    assert (reader.assets(), reader.assessments(), reader.verdicts(), reader.alarms()) == ([], {}, [], [])
    assert reader.newest_ms() is None
    assert not state.hot.exists()


def test_a_file_that_is_no_database_is_told_in_one_line(state):
    state.hot.write_bytes(b"rubbish" * 1_000)
    with pytest.raises(UserError, match="cannot be read"):
        HotReader(state.hot).latest()


def test_one_tag_is_picked_out_of_many_frames_since_a_time(state):
    hot = fill(state)
    reader = HotReader(state.hot)
    assert [sample.value for sample in reader.series(1, NOON_MS + 17_000)] == [17.0, 18.0, 19.0]
    assert reader.newest_ms() == NOON_MS + 19_000
    hot.close()


def test_a_damaged_frame_is_counted_and_skipped_and_never_believed(state):
    fill(state).close()
    with sqlite3.connect(state.hot) as db:
        blob = bytearray(db.execute("SELECT blob FROM frame WHERE n = 20").fetchone()[0])
        blob[60] ^= 0x10
        db.execute("UPDATE frame SET blob = ? WHERE n = 20", (bytes(blob),))
        db.execute("DELETE FROM latest")
    db.close()
    reader = HotReader(state.hot)
    assert reader.latest()[0].value == 18.0
    assert [sample.value for sample in reader.series(0, NOON_MS + 18_000)] == [18.0]
    assert reader.damaged == {20}
    again = HotFile(state.hot)
    assert again.roll(NOON_MS) == 19
    assert [one.n for one in again.set_aside()] == [20]
    again.close()


def test_a_damaged_latest_row_is_made_good_by_the_frames(state):
    fill(state).close()
    with sqlite3.connect(state.hot) as db:
        db.execute("UPDATE latest SET crc = crc + 1")
    db.close()
    reader = HotReader(state.hot)
    assert [sample.value for sample in reader.latest().values()] == [19.0, 19.0]
    assert reader.damaged == {0}


def test_what_the_daemon_publishes_is_read_back(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    hot.set_assessments([{"asset": "pump1", "at_ms": 5, "index": 88.0}, {"asset": "pump2", "at_ms": 5, "index": 70.0}])
    hot.set_assessments([{"asset": "pump1", "at": "2026-11-23T13:22:05.800Z", "index": 87.0}])
    hot.set_verdicts([{"asset": "pump1", "component": "seal", "word": "agree"}, {"asset": "pump2", "word": "own_only"}])
    hot.set_verdicts([{"asset": "pump1", "component": "seal", "word": "vendor_only"}])
    hot.set_verdicts([], assets=["pump2"])
    hot.set_alarms([{"id": "B"}, {"id": "A"}])
    hot.set_alarms([{"id": "C", "text": "ä"}, {"id": "A"}])
    reader = HotReader(state.hot)
    assert [row.name for row in reader.tags().values()][:2] == ["pump1.flow", "pump1.discharge_pressure"]
    assert reader.tags()[1].unit == "bar"
    assert [asset["id"] for asset in reader.assets()] == ["pump1", "pump2"]
    assert reader.assets()[0]["components"][0]["name"] == "seal"
    assert {asset: row["index"] for asset, row in reader.assessments().items()} == {"pump1": 87.0, "pump2": 70.0}
    assert [row["word"] for row in reader.verdicts()] == ["vendor_only"]
    assert [row["id"] for row in reader.alarms()] == ["C", "A"]
    assert reader.meta()["utility"] == "Golden Water"
    hot.close()


def test_a_reader_sees_each_tick_while_the_daemon_writes(state):
    reader = HotReader(state.hot)
    hot = HotFile(state.hot)
    for second in range(10):
        hot.append([batch_of("s", second + 1, [Sample(0, 0, None, Reason.COMMS), Sample(1, 0, second)])], NOON_MS)
        assert reader.latest()[1].value == second
        assert reader.latest()[0].value is None
    hot.close()


READ = """
import os, sys
from pathlib import Path
from monitor.historian.reader import HotReader
os.setgid({user}); os.setuid({user})
print(len(HotReader(Path(sys.argv[1])).series(0, 0)))
"""


def read_as_nobody(state: State) -> str:
    code = READ.format(user=NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", code, str(state.hot)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def open_state() -> Iterator[State]:
    """A STATE whose folder another user may enter and read, but not write."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        state = State(Path(folder) / "state").make()
        state.root.chmod(0o755)
        yield state


def test_another_user_reads_while_the_daemon_runs_and_after_a_clean_stop(open_state):
    with hold_lock(open_state):
        open_state.lock.chmod(0o644)
        hot = fill(open_state)
        assert read_as_nobody(open_state) == "20"
        hot.close()
    assert not list(open_state.root.glob("hot.sqlite-*"))
    assert read_as_nobody(open_state) == "20"


def test_another_user_reads_a_file_left_in_wal_mode_once_nobody_writes(open_state):
    fill(open_state).close()
    db = sqlite3.connect(open_state.hot)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    assert not list(open_state.root.glob("hot.sqlite-*"))
    assert read_as_nobody(open_state) == "20"


LIGHT = """
import sys
import monitor.historian.reader, monitor.ledger, monitor.heartbeat, monitor.command_socket, monitor.historian.frame
heavy = {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "pydantic", "pymodbus", "asyncua", "rfc8785"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
import monitor.historian.hot
heavy = {"pandas", "scipy", "sklearn", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
"""


def test_what_the_screen_loads_is_standard_library_and_the_writer_needs_no_pandas():
    subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, check=True)


tag_numbers = st.integers(0, 2**31 - 1) | st.integers(0, 300)


@given(st.lists(tag_numbers, max_size=30), tag_numbers)
def test_one_tag_picked_out_of_a_frame_is_what_unpacking_all_of_it_gives(tags, wanted):
    samples = [
        Sample(
            number, 0, None if row % 5 == 3 else row + 0.5, Reason(row % 4), row if row % 3 else None, "x" * (row % 2)
        )
        for row, number in enumerate(tags)
    ]
    blob, crc = pack(joined([batch_of("s", 7, samples)]))
    frame = unpack(blob, crc)
    for tag in {wanted, *tags}:
        rows = [row for row, number in enumerate(frame.tag) if number == tag]
        told = rows_of(blob, tag, crc)
        assert [one[:2] + one[3:] for one in told] == [
            (7, frame.source_us[row], frame.reasons[row], None, frame.detail.get(row, "")) for row in rows
        ]
        assert [repr(one[2]) for one in told] == [repr(frame.value[row]) for row in rows]
