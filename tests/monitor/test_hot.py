"""The hot file: every acknowledged tick is there, rollups count each sample once, nothing leaves before it is safe."""

import fcntl
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Sample
from monitor.historian.hot import HOUR_S, KEEP_S, MINUTE_S, HotFile, note_folded
from monitor.historian.reader import FOLDED, HotReader, folded
from monitor.ledger import entries, verify
from monitor.lock import LockHeld, hold_lock, holder, lock_is_free
from monitor.sqlite_file import damaged
from monitor.state import State
from tests.monitor.plants import plant, tag

NOON_MS = 1_795_440_000_000  # 2026-11-23T13:20:00Z: the start of a minute
ROOT = Path(__file__).parents[2]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def tick(t_ms: int, *values: float | str | None, reasons: Reason = Reason.OK):
    return batch_of("s", t_ms * 1000, [Sample(number, 0, value, reasons) for number, value in enumerate(values)])


def test_a_tick_is_read_back_with_quality_reasons_text_and_source_time(state):
    hot = HotFile(state.hot)
    samples = [
        Sample(0, 0, 4.2, Reason.ESTIMATED, 17, ""),
        Sample(1, 0, None, Reason.COMMS, None, "timeout after 1.0 s"),
        Sample(2, 0, "AUTO"),
    ]
    assert hot.append([batch_of("s", NOON_MS * 1000, samples)], NOON_MS) == 1
    found = HotReader(state.hot).latest()
    assert found == {sample.tag: replace(sample, receive_us=NOON_MS * 1000) for sample in samples}
    hot.close()
    assert HotReader(state.hot).latest() == found


def test_the_latest_sample_of_each_tag_survives_a_restart_and_a_late_one_does_not_replace_it(state):
    hot = HotFile(state.hot)
    hot.append([tick(NOON_MS, 1.0, 2.0)], NOON_MS)
    hot.append([batch_of("s", NOON_MS * 1000 + 9, [Sample(1, 0, 3.0)])], NOON_MS)
    hot.write_latest(NOON_MS)
    hot.append([batch_of("s", NOON_MS * 1000 + 5, [Sample(1, 0, 99.0)])], NOON_MS + 1_000)
    reader = HotReader(state.hot)
    assert {number: sample.value for number, sample in reader.latest().items()} == {0: 1.0, 1: 3.0}
    hot.close()
    again = HotFile(state.hot)
    again.append([batch_of("s", NOON_MS * 1000 + 20, [Sample(0, 0, 7.0)])], NOON_MS + 2_000)
    again.write_latest(NOON_MS)
    assert {number: sample.value for number, sample in reader.latest().items()} == {0: 7.0, 1: 3.0}
    again.close()


def test_an_empty_tick_writes_nothing(state):
    hot = HotFile(state.hot)
    assert hot.append([], NOON_MS) == 0
    assert hot.append([tick(NOON_MS)], NOON_MS) == 0
    assert HotReader(state.hot).newest_ms() is None
    hot.close()


def test_rollups_take_their_figures_from_good_samples_and_count_the_others(state):
    hot = HotFile(state.hot)
    for second, value in enumerate([5.0, 1.0, 3.0]):
        hot.append([tick(NOON_MS + 1_000 * second, value, value)], NOON_MS + 1_000 * second)
    hot.append([tick(NOON_MS + 3_000, 1e9, None, reasons=Reason.SENSOR)], NOON_MS + 3_000)
    assert hot.roll(NOON_MS + 60_000) == 4
    (row,) = HotReader(state.hot).rollup(0, MINUTE_S, 0)
    assert (row.t_s, row.n, row.good, row.min, row.mean, row.max, row.last) == (NOON_MS // 1000, 4, 3, 1, 3, 5, 3)
    assert row.share_good == 0.75
    hot.close()


def test_a_bucket_with_nothing_good_has_no_figures(state):
    hot = HotFile(state.hot)
    hot.append([tick(NOON_MS, 4.0, reasons=Reason.STALE)], NOON_MS)
    hot.append([batch_of("s", NOON_MS * 1000, [Sample(5, 0, "AUTO")])], NOON_MS)
    hot.roll(NOON_MS)
    (row,) = HotReader(state.hot).rollup(0, MINUTE_S, 0)
    assert (row.n, row.good, row.mean, row.last, row.share_good) == (1, 0, None, None, 0.0)
    (text,) = HotReader(state.hot).rollup(5, HOUR_S, 0)
    assert (text.n, text.good, text.mean) == (1, 1, None)
    hot.close()


samples = st.tuples(
    st.integers(0, 400), st.integers(0, 2), st.floats(-1e6, 1e6), st.sampled_from([Reason.OK, Reason.STALE])
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(samples, max_size=6), max_size=8))
def test_late_samples_and_any_order_of_rolling_give_the_same_rollups(tmp_path_factory, minutes):
    hot = HotFile(tmp_path_factory.mktemp("hot") / "hot.sqlite")
    told: dict[tuple[int, int], list] = {}
    for batch in minutes:
        for second, number, value, reasons in batch:
            at_us = (NOON_MS + 1_000 * second) * 1000
            hot.append([batch_of("s", at_us, [Sample(number, 0, value, reasons)])], NOON_MS)
            told.setdefault((number, second // 60), []).append((at_us, value, reasons))
        hot.roll(NOON_MS)
    reader = HotReader(hot._path)
    for number in range(3):
        rows = {(row.t_s - NOON_MS // 1000) // 60: row for row in reader.rollup(number, MINUTE_S, 0)}
        assert set(rows) == {minute for tag_number, minute in told if tag_number == number}
        for minute, row in rows.items():
            mine = told[number, minute]
            good = [(at, value) for at, value, reasons in mine if not reasons]
            assert (row.n, row.good) == (len(mine), len(good))
            if good:
                values = [value for _, value in good]
                assert (row.min, row.max) == (min(values), max(values))
                assert row.mean == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)
                assert row.last in [value for at, value in good if at == max(at for at, _ in good)]
    hot.close()


def test_what_was_not_rolled_at_a_crash_is_rolled_once_at_the_next_start(state):
    hot = HotFile(state.hot)
    hot.append([tick(NOON_MS, 1.0)], NOON_MS)
    hot.roll(NOON_MS)
    hot.append([tick(NOON_MS + 1_000, 3.0)], NOON_MS + 1_000)
    hot.close()
    again = HotFile(state.hot)
    assert [again.roll(NOON_MS), again.roll(NOON_MS)] == [1, 0]
    (row,) = HotReader(state.hot).rollup(0, MINUTE_S, 0)
    assert (row.n, row.mean) == (2, 2.0)
    again.close()


def test_rollups_leave_when_their_time_is_over(state):
    hot = HotFile(state.hot)
    hot.append([tick(NOON_MS, 1.0)], NOON_MS)
    hot.roll(NOON_MS)
    hot.roll(NOON_MS + 1_000 * (KEEP_S[MINUTE_S] + 61))
    reader = HotReader(state.hot)
    assert reader.rollup(0, MINUTE_S, 0) == []
    assert len(reader.rollup(0, HOUR_S, 0)) == 1
    hot.close()


def test_rollups_are_found_from_any_start_and_by_tag(state):
    hot = HotFile(state.hot)
    for minute in range(5):
        at = NOON_MS + 60_000 * minute
        hot.append([tick(at, float(minute), -1.0)], at)
    hot.roll(NOON_MS)
    reader = HotReader(state.hot)
    assert [row.last for row in reader.rollup(0, MINUTE_S, NOON_MS // 1000 + 121)] == [3.0, 4.0]
    assert [row.last for row in reader.rollup(0, MINUTE_S, NOON_MS // 1000 + 120)] == [2.0, 3.0, 4.0]
    assert reader.rollup(7, MINUTE_S, 0) == []
    hot.close()


def test_a_tag_keeps_its_number_and_its_past_when_the_configuration_changes(state):
    hot = HotFile(state.hot)
    flow, pressure = tag(0, "pump1", "flow", "m3/h"), tag(1, "pump1", "discharge_pressure", "bar")
    hot.publish_tags(plant((flow, pressure)))
    hot.append([tick(NOON_MS, 98.7, 4.2)], NOON_MS)
    hot.close()
    again = HotFile(state.hot)
    again.publish_tags(plant((tag(0, "pump2", "flow", "m3/h"), replace(pressure), replace(flow, number=2))))
    again.append([tick(NOON_MS + 1_000, 10.0, 4.3, 98.8)], NOON_MS + 1_000)
    reader = HotReader(state.hot)
    by_name = {row.name: number for number, row in reader.tags().items()}
    assert [sample.value for sample in reader.series(by_name["pump1.flow"], 0)] == [98.7, 98.8]
    assert [sample.value for sample in reader.series(by_name["pump1.discharge_pressure"], 0)] == [4.2, 4.3]
    assert [sample.value for sample in reader.series(by_name["pump2.flow"], 0)] == [10.0]
    again.publish_tags(plant((replace(flow, unit="l/s"),)))
    assert [row.unit for row in reader.tags().values()] == ["l/s"]
    assert len(reader.tags(retired=True)) == 4
    assert reader.tags().keys() & set(by_name.values()) == set()
    again.close()


def test_a_tag_nobody_published_is_a_bug(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    with pytest.raises(ValueError, match="not published"):
        hot.append([batch_of("s", 1, [Sample(99, 0, 1.0)])], NOON_MS)
    hot.close()


def test_nothing_is_purged_that_does_not_lie_in_verified_parquet(state):
    hot = HotFile(state.hot)
    for second in range(5):
        hot.append([tick(NOON_MS + 1_000 * second, 1.0)], NOON_MS + 1_000 * second)
    assert hot.purge(2**60) == 0
    hot.roll(NOON_MS)
    assert hot.purge(2**60) == 0
    note_folded(state.history, "another", 3)
    assert hot.purge(2**60) == 0
    note_folded(state.history, HotReader(state.hot).meta()["id"], 3)
    assert hot.purge(NOON_MS + 2_000) == 2
    assert hot.purge(2**60) == 1
    hot.close()
    again = HotFile(state.hot)
    assert again.append([tick(NOON_MS, 1.0)], NOON_MS) == 6
    again.close()


def _forge(state, name, n):
    upto = {HotReader(state.hot).meta()["id"]: n}
    (state.history / name).write_text(json.dumps({"folded": upto, "crc": crc32(json.dumps(upto).encode())}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("name", FOLDED)
def test_a_note_that_another_user_planted_lets_no_frame_leave_and_is_written_anew_at_the_next_start(state, name):
    hot = HotFile(state.hot)
    assert all((state.history / one).is_file() for one in FOLDED)  # taken from the first start on: nobody can plant one
    for second in range(5):
        hot.append([tick(NOON_MS + 1_000 * second, 1.0)], NOON_MS + 1_000 * second)
    hot.roll(None)
    _forge(state, name, 3)
    os.chown(state.history / name, 65_534, -1)
    assert hot.purge(2**60) == 0
    hot.close()
    again = HotFile(state.hot)
    assert (state.history / name).stat().st_uid == os.geteuid()
    assert folded(state.history) == {}
    assert again.purge(2**60) == 0
    again.close()


@pytest.mark.parametrize("n", [2**63 - 1, 2**80, -5, 6])
def test_a_note_of_frames_that_no_fold_can_have_seen_lets_none_leave_and_stops_nothing(state, n):
    hot = HotFile(state.hot)
    for second in range(5):
        hot.append([tick(NOON_MS + 1_000 * second, 1.0)], NOON_MS + 1_000 * second)
    hot.roll(None)
    for name in FOLDED:
        _forge(state, name, n)
    assert hot.purge(2**60) == 0
    hot.close()
    again = HotFile(state.hot)
    assert again.append([tick(NOON_MS + 9_000, 1.0)], NOON_MS + 9_000) in (6, 7)
    again.close()


def test_a_damaged_file_is_one_line_that_says_what_to_do(state):
    state.hot.write_bytes(b"rubbish" * 1_000)
    with pytest.raises(UserError, match="move it away"):
        HotFile(state.hot)


def test_a_disk_that_fails_or_has_no_room_is_not_taken_for_a_damaged_file(state):
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE  # as a full disk says it where the WAL is to begin
    assert "the disk is full or fails" in str(damaged(state.hot, fault))
    assert "move it away" not in str(damaged(state.hot, fault))


def test_a_second_daemon_is_refused_by_the_pid_of_the_first(state):
    assert lock_is_free(state) is True
    with hold_lock(state):
        assert lock_is_free(state) is False
        assert holder(state).pid == os.getpid()
        with pytest.raises(LockHeld, match=f"held by process {os.getpid()}"), hold_lock(state):
            pass
    assert lock_is_free(state) is True
    with hold_lock(state):
        pass


SHARER = """
import fcntl, os, sys, time
if len(sys.argv) > 3:
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
handle = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(handle, int(sys.argv[2]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
@pytest.mark.parametrize("mode", [fcntl.LOCK_SH, fcntl.LOCK_EX])
@pytest.mark.parametrize("what", ["root", "lock"])
def test_a_lock_that_a_stranger_holds_on_what_he_may_read_keeps_no_daemon_out_and_is_named(what, mode, caplog):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = State(Path(folder) / "state").make()
        with hold_lock(state):
            pass
        state.root.chmod(0o3775)
        state.lock.chmod(0o644)
        command = [sys.executable, "-c", SHARER, str(getattr(state, what)), str(mode), "65534"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "held\n"
            with hold_lock(state):
                assert lock_is_free(state) is False
                with pytest.raises(LockHeld, match=f"held by process {os.getpid()}"), hold_lock(state):
                    pass
            child.kill()
        assert f"process {child.pid} of user 65534 holds a lock on it" in caplog.text
        assert state.own_lock.stat().st_mode & 0o777 == 0o600
        assert lock_is_free(state) is True


def test_a_daemon_of_an_earlier_version_which_knows_one_lock_only_is_still_respected(state):
    with hold_lock(state):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", SHARER, str(state.lock), str(fcntl.LOCK_EX)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=f"held by process {child.pid}"), hold_lock(state):
            pass
        child.kill()


TICKER = """
import sys
from pathlib import Path
from drivers.batch import batch_of
from drivers.record import Sample
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger
from monitor.lock import hold_lock
from monitor.state import State
state = State(Path(sys.argv[1]))
with hold_lock(state):
    hot, ledger, n = HotFile(state.hot), Ledger(state), int(sys.argv[2])
    while True:
        n += 1
        hot.append([batch_of("s", n * 1000, [Sample(0, 0, float(n)), Sample(1, 0, -float(n))])], n)
        ledger.append("event", {"date": str(n), "event_kind": "firmware", "text": ""}, at_us=n * 1000, via="daemon")
        if n % 7 == 0:
            hot.write_latest(n)
            hot.roll(n)
        print(n, flush=True)
"""


def test_every_acknowledged_tick_and_entry_is_there_after_four_kills_at_random_moments(state):
    moments = random.Random(20261123)
    acknowledged = 0
    for _ in range(4):
        command = [sys.executable, "-c", TICKER, str(state.root), str(acknowledged)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            for _ in range(moments.randint(1, 60)):
                line = child.stdout.readline()
                assert line, "the child ended by itself"
                acknowledged = int(line)
            os.kill(child.pid, signal.SIGKILL)
            acknowledged = int((child.stdout.read().splitlines() or [acknowledged])[-1] or acknowledged)
        reader = HotReader(state.hot)
        values = [sample.value for sample in reader.series(0, 0)]
        assert set(range(1, acknowledged + 1)) <= {int(value) for value in values}
        assert reader.latest()[0].value >= acknowledged
        assert not reader.damaged
        dates = {int(record.data["date"]) for record in entries(state)}
        assert set(range(1, acknowledged + 1)) <= dates
        assert verify(state).ok
        with sqlite3.connect(state.hot) as db:
            assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        db.close()
    assert acknowledged > 10
    assert stat.S_ISREG(state.lock.stat().st_mode)


def test_a_past_that_was_brought_in_shows_as_hourly_rollups_and_never_replaces_what_was_measured(tmp_path):
    hot = HotFile(tmp_path / "hot.sqlite")
    hot.publish_tags(plant())
    hours = 1_795_392_000 + 3_600 * np.arange(48)
    flow = np.arange(48, dtype=float)
    flow[3] = np.nan
    assert hot.bring_in(hours, {"pump1.flow": flow}) == 47
    assert hot.bring_in(hours, {"pump1.flow": flow + 1000}) == 0
    hot.close()
    reader = HotReader(tmp_path / "hot.sqlite")
    number = next(number for number, row in reader.tags().items() if row.name == "pump1.flow")
    rows = reader.rollup(number, 3_600, 0)
    assert [row.mean for row in rows] == [value for value in flow.tolist() if value == value]
    assert rows[0].t_s == hours[0]
