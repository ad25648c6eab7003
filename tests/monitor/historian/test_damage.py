"""Damage of the hot file: each flipped bit that changes anything is found, none is believed, and the plant goes on."""

import argparse
import asyncio
import random
import signal
import sqlite3

import pytest

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Sample
from monitor.historian.command import command
from monitor.historian.hot import HotFile
from monitor.historian.opening import open_hot
from monitor.historian.proof import damages
from monitor.historian.query import read
from monitor.historian.reader import HotReader
from monitor.historian.store import Store
from monitor.ledger import entries
from monitor.sqlite_file import FileDamaged
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.monitor.plants import plant

START_MS = 1_795_392_000_000
NAMES = [one.name for one in plant().tags]


@pytest.fixture
def state(tmp_path):
    return filled(State(tmp_path / "state").make())


def filled(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    for second in range(180):
        rows = [Sample(n, 0, float(second + n), Reason.STALE if second == 70 else Reason.OK) for n in range(len(NAMES))]
        hot.append([batch_of("s", (START_MS + 1_000 * second) * 1000, rows)], START_MS + 1_000 * second)
    hot.set_alarms([{"id": "A", "text": "dry running"}])
    hot.set_assessments([{"asset": "pump1", "at_ms": 5, "index": 88.0}])
    hot.set_verdicts([{"asset": "pump1", "component": "seal", "word": "agree"}])
    hot.roll(START_MS + 180_000)
    hot.close()
    return state


def content(path):
    """All that the file says, to whoever believes all of it; None where SQLite itself cannot go on."""
    tables = [
        "frame",
        "minute",
        "latest",
        "rollup",
        "tag",
        "tag_copy",
        "asset",
        "assessment",
        "verdict",
        "alarm",
        "meta",
    ]
    db = sqlite3.connect(path)
    db.text_factory = bytes
    try:
        return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    finally:
        db.close()


def test_each_flipped_bit_that_changes_anything_is_found_and_none_is_believed(state):
    sound, draw = state.hot.read_bytes(), random.Random(20261123)
    before = content(state.hot)
    series = {one.receive_us: one.value for one in HotReader(state.hot).series(0, 0)}
    changed = found = 0
    for _ in range(300):
        broken = bytearray(sound)
        broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        state.hot.write_bytes(broken)
        if content(state.hot) == before:
            continue
        changed += 1
        found += bool(damages(state))
        try:
            reader = HotReader(state.hot)
            assert {one.receive_us: one.value for one in reader.series(0, 0)}.items() <= series.items()
            assert all(row.name in NAMES for row in reader.tags().values())
            assert all(one["text"] == "dry running" for one in reader.alarms())
            assert all(0 <= row.min <= row.max <= 179 + len(NAMES) for row in reader.rollup(0, 60, 0))
        except UserError:
            pass  # said in one line
    assert changed > 100
    assert found == changed


def test_the_command_names_what_is_damaged_in_the_hot_file(state, capsys):
    asked = argparse.Namespace(history_verb="verify", deep=False)
    assert command(asked, plant(), state) == 0
    with sqlite3.connect(state.hot) as db:
        db.execute("UPDATE frame SET crc = crc + 1 WHERE n = 9")
    db.close()
    assert command(asked, plant(), state) == 1
    assert "hot.sqlite: frame 9: the frame's checksum does not agree" in capsys.readouterr().out
    assert [one.what for one in Store(state, plant()).verify()] == ["frame 9"]


def test_a_sound_file_is_found_sound(state):
    assert damages(state) == []
    assert damages(State(state.root / "none")) == []


def test_a_damaged_rollup_is_believed_by_nobody_and_added_up_from_the_samples(state):
    with sqlite3.connect(state.hot) as db:
        (cell,) = db.execute("SELECT cell FROM rollup WHERE span_s = 60 AND tag = 0 ORDER BY t_s LIMIT 1").fetchone()
        broken = bytearray(cell)
        broken[20] ^= 4
        db.execute("UPDATE rollup SET cell = ? WHERE cell = ?", (bytes(broken), cell))
    db.close()
    (one,) = damages(state)
    assert one.what == f"rollup of 60 s at {START_MS // 1000}"
    reader = HotReader(state.hot)
    assert [row.t_s for row in reader.rollup(0, 60, 0)] == [START_MS // 1000 + 60, START_MS // 1000 + 120]
    assert reader.damaged_rows == {"rollup"}
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    hot.append([batch_of("s", START_MS * 1000 + 5_500_000, [Sample(0, 0, 500.0)])], START_MS + 200_000)
    for _ in range(2):
        found = Store(state, plant()).rollup(NAMES[:1], 60, START_MS // 1000, START_MS // 1000 + 180)
        assert found["n"].tolist() == [61, 60, 60]
        assert found["max"].tolist() == [500.0, 119.0, 179.0]
        hot.roll(START_MS + 200_000)
    assert len(damages(state)) == 1  # nothing is put in its place that would lack samples
    hot.close()


def test_a_damaged_frame_is_set_aside_counted_and_told_once(state):
    with sqlite3.connect(state.hot) as db:
        db.execute("UPDATE frame SET t_ms = t_ms + 1 WHERE n = 170")
        db.execute("UPDATE meta SET value = '160' WHERE key LIKE 'rolled_n%'")
    db.close()
    with pytest.raises(FileDamaged, match="rolled_n was lost"):
        HotFile(state.hot)
    with sqlite3.connect(state.hot) as db:
        db.execute("DELETE FROM meta")
    db.close()
    hot = HotFile(state.hot)
    hot.roll(START_MS)
    (one,) = hot.set_aside()
    assert (one.n, hot.set_aside(), HotReader(state.hot).set_aside()) == (170, [], [one])
    assert (state.root / "quarantine").joinpath(one.file).stat().st_size > 50
    assert Store(state, plant()).health().damaged == 1
    assert 170 not in [n for n, *_ in HotReader(state.hot).frames(0, 2**62)]
    hot.close()


def test_a_tag_and_a_fact_whose_row_was_damaged_are_taken_from_their_copies(state):
    with sqlite3.connect(state.hot) as db:
        db.execute("UPDATE tag SET unit = 'l/s' WHERE number = 0")
        db.execute("UPDATE meta SET value = 'x' WHERE key = 'id'")
    db.close()
    assert {one.what for one in damages(state)} == {"a row of tag", "a row of meta"}
    hot = HotFile(state.hot)
    assert HotReader(state.hot).tags()[0].unit == "m3/h"
    hot.publish_tags(plant())
    hot.close()
    assert {one.what for one in damages(state)} == {"a row of meta"}
    assert len(HotReader(state.hot).tags(retired=True)) == len(NAMES)


@pytest.mark.parametrize("table", ["tag", "tag_copy"])
@pytest.mark.parametrize("name", ["another", NAMES[1]])
def test_a_tag_that_is_asked_for_by_a_name_that_was_damaged_in_one_table_is_found_by_the_other(state, table, name):
    db = sqlite3.connect(state.hot)
    db.execute(f"UPDATE {table} SET name = ? WHERE number = 0", (name,))
    db.commit()
    db.close()
    asked = HotReader(state.hot).tags(names=NAMES[:2])
    assert {number: row.name for number, row in asked.items()} == {0: NAMES[0], 1: NAMES[1]}
    assert len(read(state, [NAMES[0]], START_MS * 1000, (START_MS + 180_000) * 1000)) == 180


@pytest.mark.parametrize("how", ["rubbish", "root page", "another format", "empty page"])
def test_a_hot_file_that_cannot_be_opened_is_kept_aside_and_a_new_one_begun(state, how):
    bytes_ = bytearray(state.hot.read_bytes())
    if how == "rubbish":
        bytes_[:] = b"rubbish" * 1_000
    elif how == "root page":
        bytes_[100:200] = b"\xff" * 100
    elif how == "empty page":
        bytes_[4096:] = bytes(len(bytes_) - 4096)
    state.hot.write_bytes(bytes_)
    if how == "another format":
        with sqlite3.connect(state.hot) as db:
            db.execute("UPDATE meta SET value = '1' WHERE key LIKE 'format%'")
        db.close()
    hot, abandoned = open_hot(state, plant(), START_MS * 1000)
    assert abandoned is not None
    assert "hot.sqlite" in abandoned.why
    kept = state.root / "quarantine/2026-11-23T000000.000Z-hot.sqlite"
    assert abandoned.moved_to == str(kept)
    assert how == "another format" or kept.read_bytes()[:4096] == bytes(bytes_[:4096])
    assert hot.append([batch_of("s", 1, [Sample(0, 0, 1.0)])], START_MS) == 1
    hot.close()
    hot, none = open_hot(state, plant(), START_MS * 1000)
    assert none is None
    hot.close()


def test_a_full_disk_or_missing_rights_are_no_damage(state):
    state.hot.unlink()
    state.hot.mkdir()
    with pytest.raises(UserError):
        open_hot(state, plant(), 1)
    assert state.hot.is_dir()


async def test_the_daemon_sees_the_plant_again_though_its_hot_file_was_damaged_while_nobody_ran(tmp_path):
    async with modbus_server(device()) as server:
        bench = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state")).start()
        try:
            await bench.until(lambda s: s["sources"][0]["good"] == 4 and bench.state.hot.exists())
            bench.kill(signal.SIGTERM)
            await asyncio.to_thread(bench.ended)
            bench.state.hot.write_bytes(b"rubbish" * 1_000)
            bench.start()
            status = await bench.until(lambda s: s["sources"][0]["good"] == 4 and s["alarms_top"])
            assert "hot.sqlite" in str(status["alarms_top"])
            (quarantined,) = entries(bench.state, ["quarantine"])
            assert quarantined.data["file"] == "hot.sqlite"
            assert "quarantine" in quarantined.data["moved_to"]
            assert [one.data["source"] for one in entries(bench.state, ["gap"])] == ["all"]
            assert "a new one was begun" in bench.log_text()
        finally:
            bench.end()
