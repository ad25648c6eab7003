"""What is given out: golden files of each form, cells that trick no spreadsheet, times that are never guessed."""

import csv
import errno
import io
import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.historian.history import write_day
from monitor.ledger import Ledger, entries
from monitor.lock import hold_lock
from monitor.state import State
from monitor.transfer.hashed import Hashed
from monitor.transfer.sheets import EXCEL, PLAIN, number_cells, rows_bytes, text_cells
from monitor.transfer.times import LocalTimeFault, span_of, utc_us
from tests.monitor.transfer_bench import GOLDEN, MIDNIGHT_MS, a_night, configured, handwheel

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def state(tmp_path: Path) -> State:
    configured(tmp_path / "config")
    return a_night(State(tmp_path / "state"))


def export(state: State, *words: str) -> int:
    return handwheel(state.root.parent / "config", state, "export", *words)


def golden(name: str, made: bytes) -> None:
    path = GOLDEN / "export" / name
    assert made == path.read_bytes(), f"{path}: not what is made now"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("values.csv", ()),
        ("values_de.csv", ("--excel", "de")),
        ("values_1h.csv", ("--rollup", "1h")),
        ("values_1h_de.csv", ("--rollup", "1h", "--excel", "de")),
    ],
)
def test_values_leave_as_the_golden_sheets(state, tmp_path, name, words):
    out = tmp_path / name
    assert export(state, "values", "pump1.*", "--from", "2026-10-25", *words, "--out", str(out)) == 0
    golden(name, out.read_bytes())


@pytest.mark.parametrize(
    ("name", "words"), [("findings.csv", ()), ("findings_de.csv", ("--excel", "de")), ("findings.jsonl", ())]
)
def test_findings_leave_as_the_golden_sheets_and_what_was_erased_is_said(state, tmp_path, capsys, name, words):
    out = tmp_path / name
    assert export(state, "findings", *words, "--out", str(out)) == 1
    assert "NOT COMPLETE: 1 entries were erased" in capsys.readouterr().err
    golden(name, out.read_bytes())


def test_the_whole_ledger_tells_of_the_entry_that_was_erased(state, tmp_path):
    out = tmp_path / "ledger.jsonl"
    assert export(state, "ledger", "--out", str(out)) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["kind"], row["erased"]) for row in rows if row["n"] <= 3] == [
        ("finding", False), ("erased", True), ("erasure", False),
    ]  # fmt: skip


def test_parquet_has_the_same_rows_typed_with_unit_and_meaning_of_each_column(state, tmp_path):
    out = tmp_path / "values.parquet"
    assert export(state, "values", "--from", "2026-10-25", "--out", str(out)) == 0
    table = pq.read_table(out)
    sheet = list(csv.DictReader(io.StringIO((GOLDEN / "export/values.csv").read_text())))
    assert table["tag"].to_pylist() == [row["tag"] for row in sheet]
    assert table["value"].to_pylist() == [float(row["value"]) if row["value"] else None for row in sheet]
    assert table["exact"].to_pylist()[3:] == [None, "=1+1", str(-(2**60))]
    assert table.schema.field("value").metadata[b"unit"] == b"as in unit"


def test_each_export_is_an_entry_with_the_digest_of_its_file(state, tmp_path, capsys):
    assert export(state, "values", "--from", "2026-10-25", "--utc", "--out", str(tmp_path / "a.csv")) == 0
    (entry,) = entries(state, ["export"])
    assert (entry.data["what"], entry.data["rows"], entry.role) == ("values", 6, "shift_lead")
    assert re.fullmatch("[0-9a-f]{64}", entry.data["files"]["a.csv"])
    assert entry.data["start"] == "2026-10-25T00:00:00.000Z"


def test_a_german_sheet_has_decimal_commas_in_quantities_too_and_leaves_words_alone(state, tmp_path):
    with hold_lock(state):
        ledger = Ledger(state)
        data = {"wo_id": "WO-3", "grade": "B", "inspector_party": "utility", "blind_to_alert": False,
                "wear_pct": "37.5 %", "limit": "-0.25 mm/s", "cause": "2.5 bar"}  # fmt: skip
        ledger.append("finding", data, at_us=MIDNIGHT_MS * 1000, via="screen", role="maintenance", asset="pump1")
        ledger.close()
    assert export(state, "findings", "--excel", "de", "--out", str(tmp_path / "f.csv")) in (0, 1)
    rows = list(csv.DictReader((tmp_path / "f.csv").read_text("utf-8-sig").splitlines(), delimiter=";"))
    assert (rows[-1]["wear_pct"], rows[-1]["limit"].lstrip("'"), rows[-1]["cause"]) == (
        "37,5 %", "-0,25 mm/s", "2.5 bar",
    )  # fmt: skip
    export(state, "findings", "--out", str(tmp_path / "p.csv"))
    assert "37.5 %" in (tmp_path / "p.csv").read_text()


def test_a_full_disk_is_one_line_and_an_export_that_was_delivered_is_kept(state, tmp_path, capsys, monkeypatch):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Hashed, "write", full)
        assert export(state, "values", "--out", str(tmp_path / "a.csv")) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert f"{tmp_path / 'a.csv'} or " in told
    assert "the disk is full; make room" in told
    assert not list(tmp_path.glob("*.csv*"))
    monkeypatch.setattr(Ledger, "append", full)
    assert export(state, "values", "--out", str(tmp_path / "a.csv")) == 1
    assert "it was delivered, but this export is not in the ledger: export: " in capsys.readouterr().err
    assert (tmp_path / "a.csv").stat().st_size > 0


def test_while_another_process_writes_and_does_not_answer_the_export_is_made_and_said_not_to_be_recorded(
    state, tmp_path, capsys
):
    with hold_lock(state):
        assert export(state, "values", "--out", str(tmp_path / "a.csv")) == 1
    assert "it was delivered, but this export is not in the ledger" in capsys.readouterr().err
    assert (tmp_path / "a.csv").stat().st_size > 500


def test_a_file_that_is_there_is_not_written_over_and_a_failed_one_leaves_nothing(state, tmp_path, capsys):
    out = tmp_path / "a.csv"
    out.write_text("mine")
    assert export(state, "values", "--out", str(out)) == 2
    assert "was not changed" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert export(state, "values", "--out", str(out), "--force") == 0
    assert out.read_text().startswith("site,asset,tag")
    assert export(state, "values", "--out", str(tmp_path / "no/where.csv")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "config", "state"]


def test_what_is_damaged_is_named_last_with_exit_1_and_the_rest_is_delivered(state, tmp_path, capsys):
    rows = {"tag": ["pump1.flow"], "receive_ms": np.array([MIDNIGHT_MS - 86_400_000]), "value": [1.0],
            "quality": np.array([0]), "reasons": np.array([0])}  # fmt: skip
    write_day(state, "G", "2026-10-24", rows, {"pump1.flow": {"asset": "pump1", "unit": "m3/h"}})
    (path,) = (state.history / "site=G/date=2026-10-24").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:40])
    assert export(state, "values", "--out", str(tmp_path / "a.csv")) == 1
    assert f"NOT COMPLETE: {path}" in capsys.readouterr().err.splitlines()[-1]
    assert len((tmp_path / "a.csv").read_text().splitlines()) > 6


def test_a_tag_with_another_unit_since_keeps_the_unit_of_its_time(state, tmp_path):
    rows = {"tag": ["pump1.discharge_pressure"], "receive_ms": np.array([MIDNIGHT_MS - 1]), "value": [42.0],
            "quality": np.array([0]), "reasons": np.array([0])}  # fmt: skip
    write_day(state, "G", "2026-10-24", rows, {"pump1.discharge_pressure": {"asset": "pump1", "unit": "m"}})
    out = tmp_path / "a.csv"
    assert export(state, "values", "*pressure", "--out", str(out)) == 0
    assert [row["unit"] for row in csv.DictReader(io.StringIO(out.read_text()))] == ["m", "bar", "bar", "bar"]


def test_a_mistyped_name_is_answered_with_the_nearest_one(state, capsys):
    assert export(state, "values", "pump1.discharge_presure") == 0
    assert "did you mean pump1.discharge_pressure?" in capsys.readouterr().err


# times


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59+00:00"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00+00:00"),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00+00:00"),
    ],
)
def test_local_times_around_both_changes_of_the_clock(text, utc):
    assert utc_us(datetime.fromisoformat(text), BERLIN) == datetime.fromisoformat(utc).timestamp() * 1e6


@pytest.mark.parametrize("text", ["2026-10-25T02:00:00", "2026-10-25T02:59:59.999", "2026-03-29T02:30:00"])
def test_a_local_time_that_happens_twice_or_never_is_refused_with_what_to_write(text):
    with pytest.raises(LocalTimeFault, match=r"twice.*\+02:00 for the first|does not exist"):
        utc_us(datetime.fromisoformat(text), BERLIN)


def test_a_date_alone_means_its_whole_day_with_its_true_hours():
    start, end = span_of("2026-10-25", "2026-10-25", None, BERLIN, 0, lambda: None)
    assert (end - start) / 3_600_000_000 == 25


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("yesterday", None, None), "--from yesterday: not a time"),
        (("2026-11-02", "2026-11-01", None), "is not before --to"),
        ((None, None, "5 days"), "--last 5 days"),
        (("2026-11-02", None, "5d"), "leave out --from"),
        (("1960-01-01", None, None), "is not between 1970 and 9998"),
    ],
)
def test_a_span_that_cannot_be_is_one_line(words, told):
    with pytest.raises(UserError, match=told):
        span_of(*words, BERLIN, 1_795_440_000_000_000, lambda: None)


# cells


def read_back(raw: bytes, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=separator))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_any_text_is_read_back_by_a_csv_reader_and_never_begins_like_a_formula(texts):
    column = pa.array(texts, pa.string())
    for dialect in (PLAIN, EXCEL["de"]):
        cells = text_cells(column, dialect)
        rows = read_back(rows_bytes([cells, pa.array(["x"] * len(texts))], dialect), dialect.separator)
        for text, (cell, mark) in zip(texts, rows, strict=True):
            assert mark == "x"
            assert cell in (text, "'" + text)
            assert not re.match(r" *[=+@\t\r|-]", cell) or re.fullmatch("-?[0-9]+", cell)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_any_number_is_read_back_as_it_was_negative_ones_too(numbers):
    for dialect in (PLAIN, EXCEL["de"]):
        cells = number_cells(pa.array(numbers, pa.float64()), dialect).to_pylist()
        assert [float(cell.replace(",", ".")) for cell in cells] == numbers
        assert all(not cell.startswith("'") for cell in cells)
