"""History: the golden Parquet row, folding that loses and doubles nothing, reading over hot and cold alike."""

import json
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Reason, Sample, quality_of
from monitor.historian import folding, merging
from monitor.historian.history import HistoryError, cold_of, fold, read, wide, write_day, write_grid
from monitor.historian.hot import HotFile
from monitor.historian.parquet import FIELDS, schema, write_verified
from monitor.historian.reader import FOLDED, HotReader
from monitor.state import State
from tests.monitor.plants import plant, tag

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/parquet_row.json").read_text())
TAGS = {"pump1.discharge_pressure": {"asset": "pump1", "quantity": "discharge_pressure", "unit": "bar"}}
DAY_MS = 86_400_000
MIDNIGHT_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
ALL = (0, 2**62)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def one_row(**more) -> dict:
    row = GOLDEN["row"] | more
    columns = {name: [value] for name, value in row.items() if value is not None}
    return columns | {"receive_ms": np.array([row["receive_ms"]])}


def write(state: State, ticks: list[tuple[int, dict[str, float | None]]], reasons: Reason = Reason.OK) -> HotFile:
    """A hot file of the small plant with one frame per tick: (receive time [ms], value by tag name)."""
    hot = HotFile(state.hot)
    tags = {one.name: one.number for one in plant().tags}
    hot.publish_tags(plant())
    for t_ms, values in ticks:
        rows = [
            Sample(tags[name], 0, value, reasons if value is not None else Reason.COMMS)
            for name, value in values.items()
        ]
        hot.append([batch_of("s", t_ms * 1000 + 300, rows)], t_ms)
    return hot


def test_the_golden_row_is_written_to_the_golden_place_and_read_by_plain_pyarrow(state):
    path = Path(write_day(state, "G", "2026-11-23", one_row(), TAGS))
    assert path == state.root / GOLDEN["path"]
    table = pq.read_table(path)
    assert [[field.name, str(field.type), field.nullable] for field in table.schema] == GOLDEN["columns"]
    assert {key.decode(): value.decode() for key, value in table.schema.metadata.items()} == GOLDEN["metadata"]
    (row,) = table.to_pylist()
    assert row.pop("receive_ms").timestamp() * 1000 == GOLDEN["row"]["receive_ms"]
    assert row == {name: value for name, value in GOLDEN["row"].items() if name != "receive_ms"}


def test_a_file_is_sorted_compressed_and_its_pages_carry_checksums(state):
    rows = {
        "tag": ["b", "a", "b", "a"],
        "receive_ms": np.array([4, 3, 2, 1]) + MIDNIGHT_MS,
        "value": [1.0, 2.0, float("nan"), 4.0],
        "quality": np.array([0, 0, 2, 0]),
        "reasons": np.array([0, 0, 1, 0]),
    }
    facts = {name: {"asset": "pump1", "quantity": "flow", "unit": "m3/h"} for name in "ab"}
    path = write_day(state, "G", "2026-11-23", rows, facts)
    table = pq.read_table(path)
    assert table["tag"].to_pylist() == ["a", "a", "b", "b"]
    assert table["value"].to_pylist() == [4.0, 2.0, None, 1.0]
    column = pq.read_metadata(path).row_group(0).column(3)
    assert (column.path_in_schema, column.compression) == ("receive_ms", "ZSTD")
    assert "DELTA_BINARY_PACKED" in column.encodings


def test_a_changed_byte_of_any_page_is_found_or_changes_nothing(state):
    hours = MIDNIGHT_MS + 3_600_000 * np.arange(24)
    (place,) = write_grid(state, "G", hours, {"pump1.discharge_pressure": np.sqrt(np.arange(24.0))}, TAGS)
    path = Path(place)
    whole, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
    before = read(state, list(TAGS), *ALL)
    found = 0
    for number in range(group.num_columns):
        column = group.column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        for at in range(start, start + column.total_compressed_size, 5):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
            after = read(state, list(TAGS), *ALL)
            if after.attrs["damaged"]:
                assert after.attrs["damaged"] == [str(path)]
                assert len(after) == 0
                found += 1
            else:
                pd.testing.assert_frame_equal(after, before)
    assert found > 10


def test_a_file_that_does_not_read_back_the_same_never_gets_its_name(state):
    form = schema("G", "2026-11-23", TAGS)
    written = pa.table(one_row_table(1.0), schema=form)
    place = state.history / "part-0.parquet"

    def tables(at: int):
        yield written
        (part,) = state.history.glob("_part-0.parquet.*.part")
        blob = bytearray(part.read_bytes())
        blob[at % len(blob)] ^= 0x10
        part.write_bytes(blob)

    refused = 0
    for at in range(4, 700, 9):
        try:
            write_verified(cold_of(state), place.name, form, tables(at))
        except HistoryError as fault:
            assert "does not read back" in str(fault)
            assert list(state.history.iterdir()) == []
            refused += 1
        else:
            assert pq.read_table(place).equals(written), "what passed was harmless"
            for path in state.history.iterdir():
                path.unlink()
    assert refused > 20


def one_row_table(value: float) -> list[pa.Array]:
    row = GOLDEN["row"] | {"value": value}
    return [pa.array([row[field.name]], field.type) for field in FIELDS]


@pytest.mark.parametrize(("site", "day"), [("", "2026-11-23"), ("../G", "2026-11-23"), ("G", "2026-11-3")])
def test_a_site_or_day_that_would_lie_elsewhere_is_a_bug(state, site, day):
    with pytest.raises(ValueError):
        write_day(state, site, day, one_row(), TAGS)


def test_a_grid_of_months_becomes_one_file_per_day_and_a_hole_is_a_gap_not_good(state):
    hours = MIDNIGHT_MS + 3_600_000 * np.arange(24 * 40)
    flow = np.arange(len(hours), dtype=float)
    flow[30] = np.nan
    facts = {"P.flow": {"asset": "P", "quantity": "flow", "unit": "m3/h"}}
    facts["P.level"] = {"asset": "P", "quantity": "level", "unit": "m"}
    stale = np.where(np.arange(len(hours)) == 5, Reason.STALE, 0)
    paths = write_grid(
        state, "D", hours, {"P.level": -flow, "P.flow": flow}, facts, reasons={"P.level": stale}, sync=False
    )
    assert [Path(path).parent.name for path in paths] == [
        f"date={date(2026, 11, 23) + timedelta(n)}" for n in range(40)
    ]
    found = read(state, ["P.flow", "P.level"], *ALL)
    assert len(found) == 2 * len(hours)
    mine = found[found["tag"] == "P.flow"].reset_index(drop=True)
    np.testing.assert_array_equal(mine["value"], flow)
    assert (mine["quality"][30], mine["reasons"][30]) == (2, Reason.GAP)
    assert mine["quality"].drop(30).eq(0).all()
    assert found[found["tag"] == "P.level"]["quality"].iloc[5] == 1
    assert len(read(state, ["P.flow"], hours[24] * 1000, hours[48] * 1000, site="D")) == 24
    assert len(read(state, ["P.flow"], *ALL, site="G")) == 0
    whole = pq.read_table(state.history)  # as anybody's tool reads a folder
    assert whole.num_rows == 2 * len(hours)
    assert set(whole["site"].to_pylist()) == {"D"}


def test_folding_moves_frames_to_parquet_and_the_answer_stays_the_same(state):
    late = MIDNIGHT_MS - 30_000
    ticks = [(late + 1_000 * n, {"pump1.flow": 98.7 + n, "pump2.flow": None, "pump2.running": 1.0}) for n in range(60)]
    hot = write(state, ticks)
    names = ["pump1.flow", "pump2.flow", "pump2.running"]
    before = read(state, names, *ALL)
    assert len(before) == 180
    assert before.dtypes.astype(str).to_dict() == {
        "tag": "str", "receive_us": "int64", "source_us": "int64", "value": "float64", "quality": "uint8",
        "reasons": "uint32", "exact": "object", "detail": "object",
    }  # fmt: skip
    for upto in (late + 20_000, late + 45_000, MIDNIGHT_MS + DAY_MS):
        result = fold(state, upto_ms=upto)
        assert result.purge_before_ms == upto
        assert not result.damaged
        pd.testing.assert_frame_equal(read(state, names, *ALL), before)
        hot.roll(upto)
        hot.purge(result.purge_before_ms)
        pd.testing.assert_frame_equal(read(state, names, *ALL), before)
    assert HotReader(state.hot).newest_ms() is None
    folders = sorted(str(path.relative_to(state.history)) for path in state.history.glob("*/*/*.parquet"))
    assert folders == [f"site={s}/date=2026-11-{d}/part-0.parquet" for s in "GR" for d in (22, 23)]
    again = fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert (again.frames, again.rows, again.files) == (0, 0, ())
    hot.close()


def test_texts_details_and_source_times_are_kept_in_history(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    receive_us = MIDNIGHT_MS * 1000
    rows = [
        Sample(0, 0, None, Reason.COMMS, None, "timeout after 1.0 s"),
        Sample(1, 0, 4.5, Reason.OK, receive_us - 1_500_000),
        Sample(2, 0, "AUTO", Reason.OK, receive_us + 400),
        Sample(3, 0, 2**60 + 1),
    ]
    hot.append([batch_of("s", receive_us, rows)], MIDNIGHT_MS)
    hot.close()
    (path,) = fold(state, upto_ms=MIDNIGHT_MS + 1).files
    found = {row["tag"]: row for row in pq.read_table(path).to_pylist()}
    assert found["pump1.flow"]["detail"] == "timeout after 1.0 s"
    assert found["pump1.flow"]["value"] is None
    assert found["pump1.discharge_pressure"]["source_ms"].timestamp() * 1000 == MIDNIGHT_MS - 1_500
    assert found["pump1.running"]["exact"] == "AUTO"
    assert found["pump1.running"]["source_ms"] is None
    assert found["pump1.run_hours"]["exact"] == str(2**60 + 1)


def test_a_crash_between_parquet_and_its_note_doubles_nothing(state):
    hot = write(state, [(MIDNIGHT_MS + 1_000 * n, {"pump1.flow": float(n)}) for n in range(10)])
    fold(state, upto_ms=MIDNIGHT_MS + 4_000)
    notes = {name: (state.history / name).read_bytes() for name in FOLDED}
    fold(state, upto_ms=MIDNIGHT_MS + 7_000)
    for name, note in notes.items():
        (state.history / name).write_bytes(note)
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [float(n) for n in range(10)]
    fold(state, upto_ms=MIDNIGHT_MS + 10_000)
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [float(n) for n in range(10)]
    hot.close()


def test_a_crash_between_a_days_file_and_its_pieces_doubles_nothing(state):
    hot = write(state, [(MIDNIGHT_MS + 1_000 * n, {"pump1.flow": float(n)}) for n in range(10)])
    fold(state, upto_ms=MIDNIGHT_MS + 5_000)
    (piece,) = state.history.glob("site=G/*/part-*.parquet")
    kept = piece.read_bytes()
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    piece.write_bytes(kept)
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [float(n) for n in range(10)]
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert not piece.exists()
    hot.close()


def test_a_sample_that_comes_late_joins_the_file_of_its_day(state):
    hot = write(state, [(MIDNIGHT_MS + 1_000, {"pump1.flow": 1.0})])
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    hot.append([batch_of("s", (MIDNIGHT_MS + 500) * 1000, [Sample(0, 0, 0.5)])], MIDNIGHT_MS + DAY_MS + 5)
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS + 10)
    (path,) = state.history.glob("site=G/*/*.parquet")
    assert pq.read_table(path)["value"].to_pylist() == [0.5, 1.0]
    hot.close()


def test_a_new_hot_file_begins_again_and_history_stays(state):
    write(state, [(MIDNIGHT_MS, {"pump1.flow": 1.0})]).close()
    fold(state, upto_ms=MIDNIGHT_MS + 1)
    state.hot.unlink()
    write(state, [(MIDNIGHT_MS + 1_000, {"pump1.flow": 2.0})]).close()
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [1.0, 2.0]
    assert fold(state, upto_ms=MIDNIGHT_MS + DAY_MS).frames == 1
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [1.0, 2.0]


def test_a_damaged_frame_is_left_out_and_said(state):
    hot = write(state, [(MIDNIGHT_MS + 1_000 * n, {"pump1.flow": float(n)}) for n in range(3)])
    hot._db.execute("UPDATE frame SET crc = crc + 1 WHERE n = 2")
    assert read(state, ["pump1.flow"], *ALL).attrs["damaged"] == ["hot frame 2"]
    result = fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert result.damaged == (2,)
    assert "1 damaged frames left out: 2" in result.words
    assert list(read(state, ["pump1.flow"], *ALL)["value"]) == [0.0, 2.0]
    hot.close()


def test_a_day_larger_than_one_row_group_is_merged_group_by_group(state, monkeypatch):
    monkeypatch.setattr(merging, "GROUP_ROWS", 25)
    monkeypatch.setattr(folding, "_PIECE_FRAMES", 3)
    names = [one.name for one in plant().tags]
    ticks = [(MIDNIGHT_MS + 1_000 * n, {name: n + 0.25 * k for k, name in enumerate(names)}) for n in range(10)]
    hot = write(state, ticks)
    before = read(state, names, *ALL)
    result = fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert (result.frames, result.rows) == (10, 80)
    pd.testing.assert_frame_equal(read(state, names, *ALL), before)
    whole = pq.ParquetFile(next(state.history.glob("site=G/*/part-0.parquet")))
    assert whole.num_row_groups == 2
    whole.close()
    hot.close()


cells = st.tuples(st.integers(0, 7), st.integers(0, 200), st.one_of(st.none(), st.floats(-1e9, 1e9)))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(cells, max_size=5), max_size=6), st.data())
def test_any_samples_in_any_order_are_the_same_before_and_after_any_folds(tmp_path_factory, ticks, data):
    state = State(tmp_path_factory.mktemp("history") / "s").make()
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    end = MIDNIGHT_MS
    for rows in ticks:
        end += 7 * 3_600_000
        for number, minutes, value in rows:
            sample = Sample(number, 0, value, Reason.OK if value is not None else Reason.SENSOR)
            hot.append([batch_of("s", (end - 60_000 * minutes) * 1000 + 7, [sample])], end)
    names = [one.name for one in plant().tags]
    by_all = ["tag", "receive_us", "value", "quality"]
    before = read(state, names, *ALL).sort_values(by_all, ignore_index=True)
    for upto in sorted(data.draw(st.lists(st.integers(MIDNIGHT_MS, end + DAY_MS), max_size=3))):
        result = fold(state, upto_ms=upto)
        hot.roll(upto)
        hot.purge(result.purge_before_ms)
        after = read(state, names, *ALL).sort_values(by_all, ignore_index=True)
        pd.testing.assert_frame_equal(after, before)
    hot.close()


def test_a_model_gets_means_of_good_samples_the_last_state_and_the_share_of_good(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    said = [  # second, tag, value, reasons
        (0, 0, 10.0, Reason.OK), (10, 0, 20.0, Reason.OK), (20, 0, 1e6, Reason.SENSOR), (30, 0, 1e6, Reason.STALE),
        (40, 0, 999.0, Reason.FORCED), (45, 0, 999.0, Reason.MAINTENANCE), (61, 0, 5.0, Reason.COMMS),
        (5, 2, 0.0, Reason.OK), (50, 2, 1.0, Reason.OK), (55, 2, 7.0, Reason.STALE),
        (70, 1, 4.2, Reason.ESTIMATED),
    ]  # fmt: skip
    for second, number, value, reasons in said:
        at_ms = MIDNIGHT_MS + 1_000 * second
        hot.append([batch_of("s", at_ms * 1000, [Sample(number, 0, value, reasons)])], at_ms)
    hot.close()
    start = MIDNIGHT_MS * 1000
    for _ in range(2):
        values, share = wide(state, plant(), "pump1", start, start + 180_000_000, 60)
        assert list(values.columns) == ["flow", "discharge_pressure", "running", "run_hours"]
        assert values.index[1] == pd.Timestamp("2026-11-23T00:01:00Z")
        assert values["flow"].fillna(-1).tolist() == [15.0, -1.0, -1.0]
        assert share["flow"].tolist() == [2 / 6, 0.0, 0.0]
        assert values["running"].fillna(-1).tolist() == [1.0, -1.0, -1.0]
        assert values["discharge_pressure"].fillna(-1).tolist() == [-1.0, 4.2, -1.0]
        assert values["run_hours"].isna().all()
        assert values.attrs["units"]["flow"] == "m3/h"
        fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)


def test_values_in_another_unit_are_left_out_and_named(state):
    hot = HotFile(state.hot)
    litres = tag(0, "pump1", "flow", "l/s")
    hot.publish_tags(plant((litres,)))
    hot.append([batch_of("s", MIDNIGHT_MS * 1000, [Sample(0, 0, 27.0)])], MIDNIGHT_MS)
    hot.publish_tags(plant())
    hot.append([batch_of("s", MIDNIGHT_MS * 1000 + 1_000_000, [Sample(0, 0, 98.0)])], MIDNIGHT_MS + 1_000)
    hot.close()
    values, _ = wide(state, plant(), "pump1", MIDNIGHT_MS * 1000, (MIDNIGHT_MS + 60_000) * 1000, 60)
    assert values["flow"].tolist() == [98.0]
    assert values.attrs["left_out"] == ["pump1.flow in l/s"]


def test_of_two_tags_for_a_quantity_the_measured_one_is_taken(state):
    tags = (tag(0, "pump1", "flow", "m3/h", estimated=True), tag(1, "pump1", "level", "m"))
    measured = tag(2, "pump1", "flow", "m3/h")
    tags = (*tags, type(measured)(2, "pump1.meter", "pump1", "flow", "m3/h", "s", measured.where))
    hot = HotFile(state.hot)
    hot.publish_tags(plant(tags))
    hot.append([batch_of("s", MIDNIGHT_MS * 1000, [Sample(0, 0, 1.0), Sample(2, 0, 2.0)])], MIDNIGHT_MS)
    hot.close()
    values, _ = wide(state, plant(tags), "pump1", MIDNIGHT_MS * 1000, (MIDNIGHT_MS + 60_000) * 1000, 60)
    assert values["flow"].tolist() == [2.0]


def test_an_asset_that_history_alone_knows_is_read_from_what_the_files_say(state):
    hours = MIDNIGHT_MS + 3_600_000 * np.arange(48)
    facts = {"X.q": {"asset": "pump2", "quantity": "power", "unit": "kW"}}
    write_grid(state, "R", hours, {"X.q": np.full(48, 3.0)}, facts)
    bare = plant(())
    values, share = wide(state, bare, "pump2", MIDNIGHT_MS * 1000, (MIDNIGHT_MS + 2 * DAY_MS) * 1000, 86_400)
    assert values["power"].tolist() == [3.0, 3.0]
    assert share["power"].tolist() == [1.0, 1.0]
    assert values.attrs["units"] == {"power": "kW"}
    empty, _ = wide(state, bare, "pump1", MIDNIGHT_MS * 1000, (MIDNIGHT_MS + DAY_MS) * 1000, 3_600)
    assert empty.shape == (24, 0)


def test_the_quality_of_a_row_is_that_of_its_reasons(state):
    hot = write(state, [(MIDNIGHT_MS, {"pump1.flow": 1.0})], reasons=Reason.STALE | Reason.ESTIMATED)
    found = read(state, ["pump1.flow"], *ALL)
    assert found["quality"].tolist() == [quality_of(Reason.STALE)]
    assert found["reasons"].tolist() == [Reason.STALE | Reason.ESTIMATED]
    hot.close()


def test_nothing_recorded_is_an_empty_frame_with_all_columns(state):
    found = read(state, ["pump1.flow"], *ALL)
    assert list(found.columns) == ["tag", "receive_us", "source_us", "value", "quality", "reasons", "exact", "detail"]
    assert len(found) == 0
    assert fold(state).frames == 0
    assert os.listdir(state.history) == []
