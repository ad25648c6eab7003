"""Damage in history: every flipped bit is found, what is damaged is set aside, the rest stays readable and says so."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drivers.record import Reason
from monitor.historian.cold import cold_of, in_folder, note, noted, stored
from monitor.historian.history import add_rows, fold, read, write_day
from monitor.historian.parquet import schema, write_verified
from monitor.historian.verifying import verify
from monitor.state import State
from tests.monitor.historian.test_history import write

MIDNIGHT_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
DAY_MS = 86_400_000
FACTS = {"pump1.flow": {"asset": "pump1", "quantity": "flow", "unit": "m3/h"}}
ALL = (0, 2**62)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def day(state: State, date: str, start_ms: int, **more: list) -> Path:
    rows = {
        "tag": ["pump1.flow"] * 40,
        "receive_ms": start_ms + np.arange(40) * 1000,
        "value": np.sqrt(np.arange(40.0)),
        "quality": np.zeros(40),
        "reasons": np.zeros(40),
    }
    return Path(write_day(state, "G", date, rows | more, FACTS))


def test_every_flipped_bit_of_a_file_is_found_wherever_it_lies(state):
    path, cold = day(state, "2026-11-23", MIDNIGHT_MS), cold_of(state)
    assert verify(cold).words == f"1 files, {path.stat().st_size} bytes: all as they were written"
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        assert [fault.name for fault in verify(cold).faults] == ["site=G/date=2026-11-23/part-0.parquet"], at
    path.write_bytes(whole)
    assert not verify(cold, deep=True).faults


def test_what_is_noted_is_what_anybodys_sha256sum_checks(state):
    path = day(state, "2026-11-23", MIDNIGHT_MS)
    done = subprocess.run(
        ["sha256sum", "-c", f"_{path.name}.sha256"], cwd=path.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done


def test_a_damaged_note_is_mended_and_the_sound_file_stays(state):
    path, cold = day(state, "2026-11-23", MIDNIGHT_MS), cold_of(state)
    beside = path.with_name(f"_{path.name}.sha256")
    sound = beside.read_bytes()
    mended = 0
    for at in range(0, len(sound) // 2, 5):
        beside.write_bytes(sound[:at] + bytes([sound[at] ^ 0x02]) + sound[at + 1 :])
        found = verify(cold, move=True)
        assert not found.faults
        assert path.exists()
        if found.mended:
            mended += 1
            assert beside.read_bytes() == sound
    assert mended


def test_a_damaged_day_is_set_aside_whole_and_the_others_stay_readable(state):
    first, second = (day(state, f"2026-11-2{n}", MIDNIGHT_MS + n * DAY_MS - 3 * DAY_MS) for n in (2, 3))
    blob = bytearray(first.read_bytes())
    blob[len(blob) // 2] ^= 1
    first.write_bytes(blob)
    (fault,) = verify(cold_of(state), move=True).faults
    assert not first.exists()
    assert (state.history / str(fault.moved_to)).read_bytes() == blob
    found = read(state, ["pump1.flow"], *ALL)
    assert len(found) == 40
    (words,) = found.attrs["damaged"]
    assert "date=2026-11-22/part-0.parquet" in words
    only = read(state, ["pump1.flow"], MIDNIGHT_MS * 1000, (MIDNIGHT_MS + DAY_MS) * 1000)
    assert only.attrs["damaged"] == [], "of another day nothing is said"
    assert pq.read_table(state.history).num_rows == 40, "nor does it get into other tools' way"
    assert not verify(cold_of(state)).faults
    assert second.exists()


def test_a_day_with_a_damaged_piece_waits_and_is_merged_without_it_after_it_was_set_aside(state):
    hot = write(state, [(MIDNIGHT_MS + 1_000 * n, {"pump1.flow": float(n)}) for n in range(6)])
    fold(state, upto_ms=MIDNIGHT_MS + 3_000)
    fold(state, upto_ms=MIDNIGHT_MS + 6_000)
    piece = sorted((state.history / "site=G/date=2026-11-23").glob("part-*"))[0]
    blob = bytearray(piece.read_bytes())
    blob[60] ^= 1
    piece.write_bytes(blob)
    waits = fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert len(waits.faults) == 1
    assert "1 days wait for `handwheel history verify`" in waits.words
    assert len(verify(cold_of(state), move=True).faults) == 1
    assert not fold(state, upto_ms=MIDNIGHT_MS + DAY_MS).faults
    assert read(state, ["pump1.flow"], *ALL)["value"].tolist() == [3.0, 4.0, 5.0]
    assert len(in_folder(cold_of(state), "site=G/date=2026-11-23")) == 1
    hot.close()


def test_a_day_file_that_cannot_be_opened_does_not_hide_what_lies_beside_it(state):
    path = day(state, "2026-11-23", MIDNIGHT_MS)
    rows = {
        "tag": ["pump1.flow"], "receive_ms": [MIDNIGHT_MS], "value": [7.0], "reasons": [int(Reason.IMPORTED)],
    }  # fmt: skip
    add_rows(cold_of(state), "G", rows, FACTS, origin={})
    path.write_bytes(path.read_bytes()[:-9])
    found = read(state, ["pump1.flow"], *ALL)
    assert found["value"].tolist() == [7.0]
    assert found.attrs["damaged"] == [str(path)]


LIES = {
    "its rows are not in order": {"receive_ms": MIDNIGHT_MS + np.arange(40)[::-1]},
    "it holds rows of another day": {"receive_ms": MIDNIGHT_MS + DAY_MS + np.arange(40)},
    "a quality is not that of its reasons": {"quality": np.full(40, 2)},
    "it holds tag nobody, of which its metadata say nothing": {"tag": ["nobody"] * 40, "asset": ["pump1"] * 40},
}


@pytest.mark.parametrize("why", LIES)
def test_a_file_of_which_nothing_was_noted_is_read_and_its_lies_are_found(state, why):
    day(state, "2026-11-23", MIDNIGHT_MS)
    (one,) = stored(cold_of(state), "G")
    path = state.history / one.name
    sound = pq.read_table(path, partitioning=None)
    columns = {name: sound[name] for name in sound.column_names}
    for name, column in LIES[why].items():
        columns[name] = pa.array(column, pa.int64()) if name == "receive_ms" else pa.array(column)
    table = pa.table(columns).cast(pa.schema([sound.schema.field(name) for name in columns]))
    form = schema("G", "2026-11-23", FACTS)
    write_verified(cold_of(state), one.name, form, [table])
    assert not verify(cold_of(state)).faults, "it is what was written"
    (fault,) = verify(cold_of(state), deep=True).faults
    assert fault.why == why
    path.with_name(f"_{path.name}.sha256").unlink()
    found = verify(cold_of(state))
    assert [fault.why for fault in found.faults] == [why]
    assert found.unnoted == 1


def test_a_file_that_is_being_replaced_is_no_fault_in_between(state):
    path, cold = day(state, "2026-11-23", MIDNIGHT_MS), cold_of(state)
    (one,) = stored(cold, "G")
    (old, _) = noted(cold, one.name)
    note(cold, one.name, [old, hashlib.sha256(b"the new one").hexdigest()])
    assert not verify(cold).faults
    path.write_bytes(b"the new one")
    assert not verify(cold).faults
