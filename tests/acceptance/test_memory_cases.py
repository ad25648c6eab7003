"""A memory that survives: each case is a way in which something that was acknowledged could be lost or doubled, or
what is damaged be believed. The long forms, with kills and power cuts, are in tests/drills.
"""

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.batch import batch_of
from drivers.record import Alert, Sample
from monitor.cli import main
from monitor.daemon.alarms import AlarmList
from monitor.daemon.storing import Storing
from monitor.daemon.writer import Writer
from monitor.heartbeat import Moment
from monitor.historian import merging, query
from monitor.historian.buckets import rollup
from monitor.historian.history import fold, read
from monitor.historian.hot import HotFile
from monitor.historian.reader import FOLDED, HotReader, folded_upto
from monitor.lock import LockHeld, hold_lock, lock_is_free
from monitor.settings import load
from monitor.state import State
from tests.monitor.plants import plant

NOON_MS = 1_795_440_000_000  # 2026-11-23T13:20:00Z
ALL = (0, 2**62)
TAG = "pump1.flow"


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def tick(number):
    return batch_of("s", at_ms(number) * 1000, [Sample(0, 0, float(number))])


def at_ms(number):
    return NOON_MS + 1000 * number


def opened(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    return hot


def append(hot, *numbers):
    for number in numbers:
        hot.append([tick(number)], at_ms(number))


def fold_and_purge(state, hot):
    hot.roll(at_ms(0))
    return hot.purge(fold(state).purge_before_ms)


def values(state):
    found = read(state, [TAG], *ALL)
    assert found.attrs["damaged"] == []
    return found["value"].tolist()


def test_a_reader_that_meets_a_file_which_its_writer_has_just_begun_finds_it_empty(state):
    sqlite3.connect(state.hot).execute("PRAGMA journal_mode=WAL").connection.close()
    assert HotReader(state.hot).meta() == {}
    assert HotReader(state.hot).latest() == {}


def test_numbers_of_frames_that_left_are_not_used_again_after_a_kill(state):
    hot = opened(state)
    append(hot, 0)
    hot.write_latest(at_ms(0))
    append(hot, 1, 2, 3)
    assert fold_and_purge(state, hot) == 4
    # killed now: the file has no frame, and the row `latest` is older than what was folded
    again = opened(state)
    append(again, 4, 5)
    assert values(state) == [0, 1, 2, 3, 4, 5]
    assert fold_and_purge(state, again) == 2
    assert values(state) == [0, 1, 2, 3, 4, 5]


def test_a_hot_file_put_back_from_a_copy_neither_hides_nor_doubles_what_comes_after(state):
    hot = opened(state)
    append(hot, 0, 1, 2)
    hot.close()
    shutil.copy(state.hot, state.root / "copy")
    hot = opened(state)
    append(hot, 3, 4, 5)
    fold(state)
    hot.close()
    shutil.copy(state.root / "copy", state.hot)
    again = opened(state)
    append(again, 6, 7)
    assert values(state) == [0, 1, 2, 3, 4, 5, 6, 7]
    fold_and_purge(state, again)
    assert values(state) == [0, 1, 2, 3, 4, 5, 6, 7]


async def test_a_tick_whose_alarms_cannot_be_stored_is_stored_once_all_the_same(state):
    writer = Writer(plant(), state)
    await writer.open()
    alarms = AlarmList()
    storing = Storing(writer, alarms)
    alarms.raise_alert(Alert("a", "monitor", "", "", "a", "note", "text", 0), "G", 0)
    breaking = sqlite3.connect(state.hot, isolation_level=None)
    breaking.execute("CREATE TRIGGER full BEFORE INSERT ON alarm BEGIN SELECT RAISE(ABORT, 'disk'); END")
    storing.keep(tick(0))
    await storing.commit(Moment("b", 0.0, at_ms(0) * 1000), latest=True)
    assert storing.state[0] == "failing"
    breaking.execute("DROP TRIGGER full")
    breaking.close()
    storing.keep(tick(1))
    await storing.commit(Moment("b", 1.0, at_ms(1) * 1000), latest=True)
    assert storing.state[0] == "ok"
    await writer.close()
    assert values(state) == [0, 1]


def test_a_former_hot_file_put_back_is_not_folded_a_second_time(state):
    hot = opened(state)
    append(hot, 0, 1)
    fold(state)
    append(hot, 2)
    hot.close()
    state.hot.rename(state.root / "former")
    another = opened(state)
    append(another, 3, 4)
    fold_and_purge(state, another)
    another.close()
    (state.root / "former").rename(state.hot)
    again = opened(state)
    append(again, 5)
    assert values(state) == [0, 1, 2, 3, 4, 5]
    fold_and_purge(state, again)
    assert values(state) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", FOLDED)
def test_a_bit_flipped_in_the_note_of_what_is_folded_lets_no_frame_leave(state, name):
    hot = opened(state)
    append(hot, 0, 1, 2)
    hot.roll(at_ms(0))
    fold(state)
    append(hot, 3, 4)
    hot.roll(at_ms(0))
    whole = (state.history / name).read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (state.history / name).write_bytes(flipped)
        assert folded_upto(state.history, HotReader(state.hot).meta()["id"]) == 3
    hot.purge(2**60)
    assert values(state) == [0, 1, 2, 3, 4]
    fold_and_purge(state, hot)
    assert values(state) == [0, 1, 2, 3, 4]


def test_a_fold_that_reaches_less_far_than_the_one_that_died_doubles_nothing(state, monkeypatch):
    """It died after its pieces and before its note; then the clock was set back, and fewer frames were old enough."""
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    midnight_ms = 1_795_392_000_000
    at = [midnight_ms - 2_000, midnight_ms - 1_000, midnight_ms + 1_000]
    for number, t_ms in enumerate(at):
        hot.append([batch_of("s", t_ms * 1000, [Sample(0, 0, float(number))])], t_ms)
    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr("monitor.historian.folding.note_folded", interrupted)
        fold(state)
    fold(state, upto_ms=midnight_ms)
    assert values(state) == [0, 1, 2]
    fold(state)
    assert values(state) == [0, 1, 2]


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_reader_overtaken_by_the_merge_of_a_day_looks_again(state, monkeypatch):
    hot = opened(state)
    append(hot, 0, 1)
    fold(state, upto_ms=at_ms(5))
    assert values(state) == [0, 1]
    really = query._read

    def overtaken(cold, files, *rest):
        merging.merge_days(cold, "2026-11-24")
        return really(cold, files, *rest)

    monkeypatch.setattr(query, "_read", overtaken)
    assert values(state) == [0, 1]


@pytest.mark.parametrize(
    ("day", "hours", "of_two"),
    [
        ("2026-10-25", 25, ["2026-10-25T02:30:00.000+02:00", "2026-10-25T02:30:00.000+01:00"]),
        ("2026-03-29", 23, []),
        ("2026-10-24", 24, ["2026-10-24T02:30:00.000+02:00"]),
    ],
)
def test_a_day_has_as_many_hours_as_it_has_and_both_half_past_two_stand_apart(state, day, hours, of_two):
    """6 kW for the first half of each hour and 2 kW for the second: 4 kWh in each hour that the day really has."""
    golden = Path(__file__).parents[1] / "golden/config"
    zone = ZoneInfo("Europe/Berlin")
    begin_s, end_s = (int((datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=n)).timestamp())
                      for n in (0, 1))  # fmt: skip
    assert end_s - begin_s == 3600 * hours
    settings = load(golden)
    hot = HotFile(state.hot)
    hot.publish_tags(settings)
    flow = next(tag.number for tag in settings.tags if tag.name == TAG)
    for hour_s in range(begin_s - 7200, end_s + 7200, 3600):
        rows = [
            batch_of("s", (hour_s + 600 * n) * 1_000_000, [Sample(flow, 0, 6.0 if n < 3 else 2.0)]) for n in range(6)
        ]
        hot.append(rows, hour_s * 1000 + 3_599_000)
    for then in ("hot", "folded"):
        if then == "folded":
            assert fold_and_purge(state, hot) == hours + 4
        hourly = rollup(state, [TAG], 3600, begin_s, end_s)
        assert len(hourly) == hours
        assert hourly["mean"].sum() == 4.0 * hours
        assert hourly["n"].sum() == 6 * hours
        out = state.root / f"{then}.csv"
        words = ["export", "values", TAG, "--from", day, "--to", day, "--out", str(out)]
        assert main([*words, "--config", str(golden), "--state", str(state.root)]) == 0
        rows = [line for line in out.read_text("utf-8-sig").splitlines() if TAG in line]
        assert len(rows) == len(set(rows)) == 6 * hours
        local = [line.split(",")[5] for line in rows]
        assert [told for told in local if told.startswith(f"{day}T02:30")] == of_two
    assert (state.root / "hot.csv").read_text() == (state.root / "folded.csv").read_text()
    hot.close()


def test_a_lock_file_that_was_deleted_lets_no_second_writer_in(state):
    assert lock_is_free(state)
    with hold_lock(state):
        state.lock.unlink()
        assert lock_is_free(state) is False
        with pytest.raises(LockHeld), hold_lock(state):
            pass
    assert lock_is_free(state)
    with hold_lock(state):
        assert lock_is_free(state) is False


def test_a_bit_flipped_in_what_a_killed_daemon_left_takes_what_is_behind_it_and_changes_nothing_before(state, tmp_path):
    hot = opened(state)
    append(hot, *range(40))
    log = state.hot.with_name("hot.sqlite-wal")
    lost = set()
    for turn in range(12):
        copy = State(tmp_path / f"copy{turn}").make()
        shutil.copy(state.hot, copy.hot)
        damaged = bytearray(log.read_bytes())
        damaged[len(damaged) * (turn + 1) // 13] ^= 1 << turn % 8
        (copy.root / log.name).write_bytes(damaged)
        again = HotFile(copy.hot)
        again.publish_tags(plant())
        left = values(copy)
        assert left == list(range(len(left)))
        append(again, 40)
        assert values(copy) == [*left, 40]
        again.close()
        lost.add(40 - len(left))
    assert max(lost) > 10
    hot.close()
