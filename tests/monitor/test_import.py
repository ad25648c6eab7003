"""What comes in from elsewhere: nothing is guessed, no good line is lost, nothing is doubled, ledger and data agree."""

import csv
import errno
import io
import json
import re
import resource
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UserError
from drivers.record import Reason
from monitor.historian.history import fold, read
from monitor.historian.hot import HotFile
from monitor.historian.parquet import TIME
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, Ledger, entries, verify
from monitor.lock import hold_lock
from monitor.settings import load
from monitor.settings.reader import SettingsError
from monitor.state import State
from monitor.transfer import arrival, staging
from monitor.transfer.decoding import Clock, number_reader
from monitor.transfer.foreign import Foreign
from monitor.transfer.hours import bring_hours
from monitor.transfer.impossible import why_impossible
from monitor.transfer.mapping import FileTable, Times, load_records, load_values
from monitor.transfer.records import FIELDS
from monitor.transfer.staging import ROWS
from tests.monitor.transfer_bench import GOLDEN, a_night, configured, handwheel

SETTINGS = load(GOLDEN / "config")
BERLIN = ZoneInfo("Europe/Berlin")
NOW_US = 1_795_440_000_000_000
EVER = (0, 2**62)
PRESSURE, RUNNING = "pump1.discharge_pressure", "pump1.running"
GERMAN = """\
[file]
encoding  = "cp1252"
separator = ";"
decimal   = ","
skip_lines = 1
[time]
columns = ["Datum", "Uhrzeit"]
form    = "%d.%m.%Y %H:%M"
zone    = "Europe/Berlin"
twice   = "in_order"
[missing]
none = ["", "-"]
bad  = ["#NV"]
[[tag]]
from   = "Druck [mbar]"
to     = "pump1.discharge_pressure"
unit   = "mbar"
factor = 0.001
[[tag]]
from = "Betrieb"
to   = "pump1.running"
unit = "1"
"""
GERMAN_CSV = """\
Leitsystem Grünwald
Datum;Uhrzeit;Druck [mbar];Betrieb;Bemerkung
25.10.2025;23:30;4200,5;1;
26.10.2025;02:30;4000;1;
26.10.2025;02:30;3900;1;
26.10.2025;03:30;#NV;-;
26.10.2025;04:30;1.234,5;1;
31.02.2026;04:30;1;1;
01.06.2026;04:30;4300;0;"=cmd|x"
01.06.2026;05:30;43
""".replace("\n", "\r\n").encode("cp1252")
LONG = """\
[file]
separator = ","
decimal   = "."
[time]
column = "t"
form   = "iso"
[long]
tag = "name"
value = "v"
quality = "q"
[quality]
opc = true
words = { "ok" = "good", "worn" = "uncertain", "dead" = "sensor" }
[[tag]]
from = "P1"
to   = "pump1.discharge_pressure"
unit = "bar"
[[tag]]
from = "R1"
to   = "pump1.running"
unit = "1"
text = true
"""


class Plant:
    """A plant on the disk, and the files that are to come in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.state = folder, configured(folder / "config"), State(folder / "state").make()

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *words: str) -> int:
        return handwheel(self.config, self.state, "import", *words, "--rejects", str(self.folder / "no.csv"))

    def values(self, told: str, content: str | bytes, *words: str) -> int:
        path = self.file("in.csv", content)
        return self.run("values", str(path), "--map", str(self.file("map.toml", told)), *(words or ("--yes",)))

    def rows(self, tag: str = PRESSURE) -> list[tuple[str, float | None, str]]:
        found = read(self.state, [tag], *EVER)
        return [
            (
                f"{datetime.fromtimestamp(us / 1e6, UTC):%m-%dT%H:%M}",
                None if np.isnan(value) else value,
                " ".join(Reason(why).words),
            )
            for us, value, why in zip(found["receive_us"], found["value"], found["reasons"].tolist(), strict=True)
        ]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_a_german_sheet_comes_in_and_each_line_that_cannot_is_listed_with_its_reason(plant, capsys):
    assert plant.values(GERMAN, GERMAN_CSV) == 1
    assert plant.rows() == [
        ("10-25T21:30", pytest.approx(4.2005), "imported"),
        ("10-26T00:30", 4.0, "imported"),
        ("10-26T01:30", 3.9, "imported"),
        ("10-26T02:30", None, "gap imported"),
        ("06-01T02:30", 4.3, "imported"),
    ]
    assert [value for _, value, _ in plant.rows(RUNNING)] == [1, 1, 1, 1, 0]
    rejected = list(csv.DictReader(io.StringIO((plant.folder / "no.csv").read_text())))
    assert [row["line"] for row in rejected] == ["7", "8", "10"]
    assert "no number with decimal mark" in rejected[0]["why"]
    assert "columns that the mapping does not name: Bemerkung" in capsys.readouterr().out


def test_check_shows_and_keeps_nothing(plant, capsys):
    assert plant.values(GERMAN, GERMAN_CSV, "--check") == 1
    told = capsys.readouterr().out
    assert "in.csv: 10 lines: 2 before the data; 5 come in whole, 1 in part, 2 not at all" in told
    assert "10 samples can come in: 9 good, 1 bad" in told
    assert f"{PRESSURE} 2025-10-25 23:30:00 +02:00 4.20050 bar good" in told
    assert "longest gap" in told
    assert plant.rows() == []
    assert list(entries(plant.state)) == []


def test_nobody_to_ask_and_no_yes_brings_nothing_in(plant, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    path, told = plant.file("in.csv", GERMAN_CSV), plant.file("map.toml", GERMAN)
    assert plant.run("values", str(path), "--map", str(told)) == 2
    assert "add --yes" in capsys.readouterr().err
    assert list(entries(plant.state)) == []
    assert list(plant.state.imports.iterdir()) == []


def test_the_same_file_twice_and_a_longer_one_add_only_what_is_new(plant):
    plant.values(GERMAN, GERMAN_CSV)
    before = plant.rows()
    plant.values(GERMAN, GERMAN_CSV)
    assert plant.rows() == before
    fold(plant.state)  # pieces become days meanwhile
    plant.values(GERMAN, GERMAN_CSV + b"02.06.2026;00:00;5000;1;\r\n")
    assert plant.rows() == [*before, ("06-01T22:00", 5.0, "imported")]
    done = [one.data for one in entries(plant.state, ["import"]) if one.data["stage"] == "done"]
    assert [(one["added"], one["there"]) for one in done] == [(10, 0), (0, 10), (2, 10)]


def test_measured_samples_are_neither_replaced_nor_moved(plant):
    state = a_night(plant.state)
    before = read(state, [PRESSURE], *EVER)
    at = b"25.10.2026;02:30;9000;1;\r\n25.10.2026;02:30;9001;1;\r\n"
    plant.values(GERMAN, b"x\r\nDatum;Uhrzeit;Druck [mbar];Betrieb;Bemerkung\r\n" + at)
    after = read(state, [PRESSURE], *EVER)
    own = after[after["reasons"] & int(Reason.IMPORTED) == 0].reset_index(drop=True)
    assert own["value"].tolist() == pytest.approx(before["value"].tolist(), nan_ok=True)
    assert own["receive_us"].tolist() == before["receive_us"].tolist()
    assert len(after) == len(before) + 2


def test_the_entry_names_file_mapping_and_rows_before_and_after_and_the_chain_holds(plant):
    plant.values(GERMAN, GERMAN_CSV)
    begun, done = entries(plant.state, ["import"])
    assert (begun.data["stage"], begun.data["rows"], begun.data["rejected"], begun.role) == (
        "begun",
        10,
        3,
        "shift_lead",
    )
    assert (begun.data["start"], begun.data["end"]) == ("2025-10-25T21:30:00.000Z", "2026-06-01T02:30:00.000Z")
    assert (done.data["stage"], done.data["id"], done.role, done.via) == (
        "done",
        begun.data["id"],
        "shift_lead",
        "import",
    )
    assert verify(plant.state).ok
    (path,) = (plant.state.history / "site=G/date=2026-06-01").glob("*.parquet")
    assert json.loads(pq.read_schema(path).metadata[b"handwheel.origins"])[path.name]["entry"] == str(begun.n)


def test_the_past_is_on_the_screen_as_hours(plant):
    plant.values(GERMAN, GERMAN_CSV)
    hot = HotReader(plant.state.hot)
    (number,) = (number for number, row in hot.tags().items() if row.name == PRESSURE)
    assert [(row.t_s, row.mean) for row in hot.rollup(number, 3_600, 0)][-1] == (1_780_279_200, 4.3)


def test_who_has_no_right_to_it_is_told_before_the_work(tmp_path, capsys):
    plant = Plant(tmp_path)
    site = plant.config / "site.toml"
    site.write_text(site.read_text().replace(' = "shift_lead"', ' = "auditor"', 1))
    assert plant.values(GERMAN, GERMAN_CSV) == 2
    assert "has no right" in capsys.readouterr().err


# whatever dies in between


def begun(plant: Plant) -> Path:
    """An import of which the entry is made and no row is added yet; its folder waits."""
    kept = plant.folder / "kept"
    original = arrival.take_all

    def keep(state: State, *_more: object) -> arrival.Arrival:
        for folder in state.imports.iterdir():
            if (folder / "facts.json").is_file() and not folder.name.startswith("handwheel"):
                shutil.copytree(folder, kept)
        raise KeyboardInterrupt

    arrival.take_all = keep  # type: ignore[assignment]
    try:
        assert plant.values(GERMAN, GERMAN_CSV) == 130
    finally:
        arrival.take_all = original
    assert kept.is_dir()
    (folder,) = (one for one in plant.state.imports.iterdir() if (one / "facts.json").is_file())
    return folder


def end(plant: Plant) -> arrival.Arrival:
    """What the worker does, and then its daemon."""
    made = arrival.take_all(plant.state, load(plant.config), NOW_US)
    with hold_lock(plant.state):
        ledger = Ledger(plant.state)
        ledger.append_many(Draft(**row) for row in made.ledger)
        ledger.close()
    for folder in made.folders:
        shutil.rmtree(folder)
    return made


def stages(plant: Plant) -> list[object]:
    return [one.data["stage"] for one in entries(plant.state, ["import"])]


def test_an_import_that_died_after_its_entry_is_seen_and_ended_by_the_next_run(plant, capsys):
    begun(plant)
    assert plant.rows() == []
    capsys.readouterr()
    assert handwheel(plant.config, plant.state, "import", "list") == 1
    assert "NOT ENDED" in capsys.readouterr().out
    end(plant)
    assert (stages(plant), len(plant.rows())) == (["begun", "done"], 5)
    assert handwheel(plant.config, plant.state, "import", "list") == 0


def test_an_import_that_died_between_two_days_is_ended_without_doubling_a_row(plant):
    folder = begun(plant)
    arrival.take_all(plant.state, load(plant.config), NOW_US)  # all rows are added, and then it dies before its entry
    (plant.state.history / "site=G/date=2026-06-01").rename(plant.folder / "lost")  # or before the last day
    made = end(plant)
    assert len(plant.rows()) == 5
    assert made.ledger[-1]["data"]["added"] == 2
    assert (stages(plant), folder.exists()) == (["begun", "done"], False)


def test_an_import_that_died_after_its_last_entry_only_leaves_its_hours_to_be_brought_in(plant):
    folder = begun(plant)
    made = arrival.take_all(plant.state, load(plant.config), NOW_US)
    with hold_lock(plant.state):
        ledger = Ledger(plant.state)
        ledger.append_many(Draft(**row) for row in made.ledger)
        ledger.close()
    again = arrival.take_all(plant.state, load(plant.config), NOW_US)
    assert (again.ledger, again.folders) == ([], [folder])
    assert sum(len(hours) for hours, _ in bring_hours(folder)) == 5


def test_rows_that_were_changed_after_they_were_recorded_never_come_in(plant):
    folder = begun(plant)
    path = folder / "rows.parquet"
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    end(plant)
    assert stages(plant) == ["begun", "refused"]
    assert plant.rows() == []


MARKED = int(Reason.IMPORTED)


@pytest.mark.parametrize(
    ("reasons", "days", "columns"),
    [
        (0, {"2026-11-01": 1}, ROWS.names),  # as if we had measured it ourselves
        (int(Reason.MANUAL), {"2026-11-01": 1}, ROWS.names),
        (MARKED, {"2025-01-01": 1}, ROWS.names),  # so that the row would be passed over
        (MARKED, {"../../x": 1}, ROWS.names),
        (MARKED, {"2026-11-01": "x"}, ROWS.names),
        (MARKED, {"2026-11-01": 1}, list("abcdef")),
    ],
)
def test_an_import_that_was_made_by_hand_is_refused_and_holds_up_no_other(plant, reasons, days, columns):
    begun(plant)
    values = [[PRESSURE], [1_793_491_200_000], [1.0], [None], [reasons], [None]]
    kinds = [pa.int64() if form.type == TIME else form.type for form in ROWS]
    forged = pa.table([pa.array(one, kind) for one, kind in zip(values, kinds, strict=True)], names=columns)
    record_by_hand(plant, "values", days, forged)
    end(plant)
    assert sorted(stages(plant)) == ["begun", "begun", "done", "refused"]


@pytest.mark.parametrize("line", ["{", "[1]", "{}", '{"wo_id": ' + "[" * 20_000, "future"])
def test_records_that_were_made_by_hand_are_refused_and_hold_up_no_other(plant, line):
    begun(plant)
    finding = {"wo_id": "W", "asset": "pump1", "occurred": "2090-01-01T00:00:00Z", "grade": "A",
               "inspector_party": "utility", "blind_to_alert": True}  # fmt: skip
    record_by_hand(plant, "findings", {}, json.dumps(finding) if line == "future" else line)
    end(plant)
    assert sorted(stages(plant)) == ["begun", "begun", "done", "refused"]
    assert not list(entries(plant.state, ["finding"]))


def record_by_hand(plant: Plant, kind: str, days: dict, content: pa.Table | str) -> None:
    """What somebody with the right to bring in can do without our command."""
    folder = plant.state.imports / staging.new_id()
    folder.mkdir()
    if isinstance(content, str):
        path = folder / "entries.jsonl"
        path.write_text(content + "\n")
    else:
        path = folder / "rows.parquet"
        pq.write_table(content, path)
    facts = staging.Facts(folder.name, kind, "x", "0" * 64, "0" * 64, 1, 0, staging.digest(path), None, None, days)
    staging.write_facts(folder, facts)
    ledger = Ledger(plant.state)
    ledger.append("import", {**facts.entry(), "stage": "begun"}, at_us=NOW_US, via="screen", role="operator")
    ledger.close()


def test_a_folder_that_nobody_recorded_or_that_is_half_is_not_taken_in(plant):
    folder = begun(plant)
    shutil.copytree(folder, plant.state.imports / "0123456789abcdef")
    (plant.state.imports / "half").mkdir()
    end(plant)
    assert stages(plant) == ["begun", "done"]


# forms


@pytest.mark.parametrize(
    ("rows", "value", "words"),
    [
        ("2026-01-01T00:00:00Z,P1,1.5,ok", 1.5, "imported"),
        ("2026-01-01T00:00:00+02:00,P1,-1.5e-3,0", -0.0015, "out_of_range imported"),
        ("2026-01-01T00:00:00Z,P1,1.5,0x80000000", 1.5, "exception imported"),
        ("2026-01-01T00:00:00Z,P1,1.5,0x40900000", 1.5, "stale imported"),
        ("2026-01-01T00:00:00Z,P1,1.5,worn", 1.5, "spec imported"),
        ("2026-01-01T00:00:00Z,P1,,dead", None, "sensor gap imported"),
        ("2026-01-01T00:00:00Z,R1,open,ok", None, "imported"),
        ("2026-01-01T00:00:00Z,R1,9007199254740993,ok", 9007199254740992.0, "imported"),
    ],
)
def test_a_row_per_sample_with_its_quality(plant, rows, value, words):
    assert plant.values(LONG, f"t,name,v,q\n{rows}\n") == 0
    tag = RUNNING if "R1" in rows else PRESSURE
    ((_, found, why),) = plant.rows(tag)
    assert (found, why) == (value, words)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2026-01-01T00:00:00,P1,1,ok", "names no zone"),
        ("2026-01-01T00:00:00Z,P1,1,strange", "no status code"),
        ("2026-01-01T00:00:00Z,P1,1.2.3,ok", "no number"),
        ("2026-01-01T00:00:00Z,P1,nan,ok", "no number"),
        ("2026-01-01T00:00:00Z,P1,1", "has 3 columns"),
        ("2036-01-01T00:00:00Z,P1,1,ok", "lies in the future"),
        ("1036-01-01T00:00:00Z,P1,1,ok", "not between 1970"),
        ("2026-01-01T00:00:00Z,P1,1\0,ok", "NUL"),
        ('2026-01-01T00:00:00Z,P1,"1,ok', "a quote must end on its line"),
        ("2026-01-01T00:00:00Z,P1," + "9" * 1_200_000 + ",ok", "longer than 1000000"),
    ],
)
def test_a_row_that_could_mean_two_things_or_nothing_is_rejected_and_its_neighbours_come_in(plant, row, why):
    good = "2026-01-01T00:0{}:00Z,P1,1,ok"
    assert plant.values(LONG, f"t,name,v,q\n{good.format(1)}\n{row}\n{good.format(2)}\n") == 1
    assert len(plant.rows()) == 2
    assert why in (plant.folder / "no.csv").read_text()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso-8859-15", "utf-16"])
def test_encodings(plant, encoding):
    told = LONG.replace("[file]", f'[file]\nencoding = "{encoding.removesuffix("-sig")}"').replace('"P1"', '"Zufluß"')
    assert plant.values(told, "t,name,v,q\n2026-01-01T00:00:00Z,Zufluß,2,ok\n".encode(encoding)) == 0
    assert len(plant.rows()) == 1


def test_lines_in_another_encoding_than_was_said_are_rejected_not_garbled(plant):
    content = "t,name,v,q\n2026-01-01T00:00:00Z,P1,2,ok\n2026-01-01T00:01:00Z,P1,2,grün\n".encode("cp1252")
    assert plant.values(LONG, content) == 1
    assert "is not utf-8" in (plant.folder / "no.csv").read_text()


def test_names_that_the_mapping_does_not_have_are_counted(plant, capsys):
    plant.values(LONG, "t,name,v,q\n" + "2026-01-01T00:00:00Z,P9,2,ok\n" * 3)
    assert "P9 (3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "zone"), [(pa.timestamp("us", "UTC"), None), (pa.timestamp("ns"), "UTC"), (pa.int64(), None)]
)
def test_parquet_wide_with_typed_times(plant, typed, zone):
    ms = np.array([1_767_225_600_000, 1_767_229_200_000])
    times = pa.array(ms) if typed == pa.int64() else pa.array(ms).cast(pa.timestamp("ms", "UTC")).cast(
        typed if typed.tz else pa.timestamp("ns", "UTC")).cast(typed)  # fmt: skip
    path = plant.folder / "in.parquet"
    pq.write_table(pa.table({"when": times, "P1": [1.5, None], "odd": [[1], [2]]}), path)
    form = "epoch_ms" if typed == pa.int64() else "iso"
    told = plant.file("map.toml", f"""\
[file]
format = "parquet"
[time]
column = "when"
form = "{form}"
{f'zone = "{zone}"' if zone else ""}
[[tag]]
from = "P1"
to = "pump1.discharge_pressure"
unit = "bar"
""")  # fmt: skip
    assert plant.run("values", str(path), "--map", str(told), "--yes") == 0
    assert plant.rows() == [("01-01T00:00", 1.5, "imported")]


@given(st.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 1)))  # noqa: DTZ001
def test_a_local_time_is_either_its_one_moment_or_refused(moment):
    clock = Clock(Times(("t",), "iso", BERLIN, "refuse"), NOW_US)
    both = {moment.replace(tzinfo=BERLIN, fold=fold).timestamp() for fold in (0, 1)}
    try:
        assert [pytest.approx(clock.us((moment.isoformat(),), "") / 1e6)] == list(both)
    except ValueError as fault:
        assert len(both) == 2
        assert "twice" in str(fault) or "does not exist" in str(fault)


@pytest.mark.parametrize(
    ("twice", "minutes", "offsets"),
    [
        ("first", [130, 150, 170, 130], [2, 2, 2, 2]),
        ("second", [130, 150, 170], [1, 1, 1]),
        ("in_order", [110, 130, 150, 170, 130, 150, 170, 190], [2, 2, 2, 2, 1, 1, 1, 1]),
        ("in_order", [120, 120, 180], [2, 1, 1]),
    ],
)
def test_the_doubled_hour_as_the_mapping_says(twice, minutes, offsets):
    clock = Clock(Times(("t",), "iso", BERLIN, twice), NOW_US)
    for minute, offset in zip(minutes, offsets, strict=True):
        text = f"2025-10-26T{minute // 60:02d}:{minute % 60:02d}:00"
        expected = datetime.fromisoformat(f"{text}+{offset:02d}:00").timestamp()
        assert clock.us((text,), "P1") == expected * 1e6


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_are_written_in_both_notations(number):
    assert number_reader(".", "")(repr(number)) == number
    assert number_reader(",", "")(repr(number).replace(".", ",")) == number


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "value"),
    [
        ("1.234,5", ",", ".", 1234.5),
        ("1 234.5", ".", " ", 1234.5),
        ("1.234,5", ",", "", None),
        ("12.34,5", ",", ".", None),
        ("1,234", ".", "", None),
        ("٣", ".", "", None),
        ("1_0", ".", "", None),
        ("", ".", "", None),
    ],
)
def test_a_number_in_another_form_is_no_number(text, decimal, thousands, value):
    if value is None:
        with pytest.raises(ValueError, match="is no number"):
            number_reader(decimal, thousands)(text)
    else:
        assert number_reader(decimal, thousands)(text) == value


# what a file as a whole gives away


def many(*rows: str) -> str:
    return "t,name,v,q\n" + "".join(f"{row}\n" for row in rows)


def test_a_value_outside_the_limits_of_its_tag_comes_in_as_bad_with_its_value_and_is_counted(plant, capsys):
    rows = [f"2026-01-01T00:{minute:02d}:00Z,P1,{value},ok" for minute, value in enumerate((5, 555, 6, -1, 10))]
    assert plant.values(LONG, many(*rows)) == 0
    assert [(value, why) for _, value, why in plant.rows()] == [
        (5, "imported"), (555, "out_of_range imported"), (6, "imported"), (-1, "out_of_range imported"),
        (10, "imported"),
    ]  # fmt: skip
    told = capsys.readouterr().out
    assert f"2 of 5 outside the limits of {PRESSURE} (0 to 10 bar): they come in as bad" in told
    assert "5 samples can come in: 3 good, 2 bad" in told
    assert "wrong unit" not in told
    assert f"2 outside the limits of {PRESSURE}" in told.splitlines()[-1]


def test_a_column_that_is_mostly_outside_is_a_loud_sign_of_a_wrong_unit(plant, capsys):
    rows = [f"2026-01-01T00:{minute:02d}:00Z,P1,{value},ok" for minute, value in enumerate((5, 555, 600, 700))]
    assert plant.values(LONG, many(*rows), "--check") == 0
    told = capsys.readouterr().out
    assert f"!! 3 of 4 outside the limits of {PRESSURE} (0 to 10 bar)" in told
    assert "most of them: a wrong unit?" in told


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "raw", "why"),
    [
        ("bearing_temperature", "degC", -999.0, -999.0, Reason.SENTINEL),
        ("bearing_temperature", "degC", -280.0, -280.0, Reason.OUT_OF_RANGE),
        ("power", "kW", -999.0, -999.0, Reason.SENTINEL),
        ("power", "kW", -12.0, -12.0, Reason.OK),  # it feeds back
        ("discharge_pressure", "bar", 5300.0, 5300.0, Reason.OUT_OF_RANGE),
        ("suction_pressure", "bar", -0.9, -0.9, Reason.OK),
        ("suction_pressure", "bar", -1.2, -1.2, Reason.OUT_OF_RANGE),
        ("vibration", "mm/s", 99999.0, 99999.0, Reason.SENTINEL),
        ("vibration", "mm/s", 5000.0, 5000.0, Reason.OUT_OF_RANGE),
        ("flow", "m3/h", 6553.5, 65535.0, Reason.SENTINEL),
        ("volume", "m3", 65535.0, 65535.0, Reason.OK),  # a counter comes by
        ("running", "1", 65535.0, 65535.0, Reason.OK),
        ("bearing_temperature", "degC", -3.40282e38, -3.40282e38, Reason.SENTINEL),  # of six digits
        ("volume", "m3", 3.4028235e38, 3.4028235e38, Reason.SENTINEL),
    ],
)
def test_what_no_sensor_can_have_measured_is_told_from_what_is_only_rare(quantity, unit, value, raw, why):
    tag = replace(SETTINGS.tags[0], quantity=quantity, unit=unit, low=None, high=None)
    assert why_impossible(tag, value, raw) == why
    assert why_impossible(replace(tag, low=value - 1, high=value + 1), value, raw) == Reason.OK, "as it was given"


def test_impossible_values_of_a_tag_without_limits_come_in_as_bad_and_are_named_loudly(plant, capsys):
    tags = plant.config / "sources/pump1.toml"
    tags.write_text(tags.read_text().replace('unit = "bar", low = 0, high = 10 }', 'unit = "bar" }'))
    rows = [f"2026-01-01T00:{minute:02d}:00Z,P1,{value},ok" for minute, value in enumerate((5, 5300, 5400, -999))]
    assert plant.values(LONG, many(*rows)) == 0
    assert [(value, why) for _, value, why in plant.rows()] == [
        (5, "imported"), (5300, "out_of_range imported"), (5400, "out_of_range imported"), (-999, "sentinel imported"),
    ]  # fmt: skip
    (told,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!!")]
    assert f"2 of 4 outside the limits of {PRESSURE} (-1.05 to 1000 bar)" in told
    assert f"1 of 4 of {PRESSURE} are numbers that stand for none" in told
    assert "from -999 to 5400" in told
    assert "wrong unit?" in told


@pytest.mark.parametrize(
    ("heading", "unit", "factor", "words"),
    [
        ("Druck [mbar]", "bar", 1.0, "the heading says mbar, the mapping bar"),
        ("Druck (kPa)", "bar", 1.0, "the heading says kPa, the mapping bar"),
        ("Druck [mbar]", "mbar", 0.01, "1 mbar is 0.001 bar, the mapping makes 0.01 of it"),
        ("Druck [mbar]", "mbar", 0.001, ""),
        ("Druck [roh]", "bar", 1.0, ""),
        ("Druck", "bar", 2.0, "the mapping has bar as the tag has it, and changes its numbers"),
    ],
)
def test_a_unit_that_cannot_be_is_remarked(plant, capsys, heading, unit, factor, words):
    told = GERMAN.replace("Druck [mbar]", heading).replace('"mbar"', f'"{unit}"').replace("0.001", str(factor))
    content = f"x\nDatum;Uhrzeit;{heading};Betrieb\n25.10.2025;23:30;4;1\n"
    plant.values(told, content, "--check")
    shown = capsys.readouterr().out
    assert words in shown
    assert ("!!" in shown) == bool(words)


def test_two_values_of_one_tag_at_one_time_are_counted_and_named(plant, capsys):
    rows = ["2026-01-01T00:00:00Z,P1,5,ok", "2026-01-01T00:00:00Z,P1,6,ok", "2026-01-01T00:00:00Z,P1,6,ok",
            "2026-01-01T00:01:00Z,P1,6,ok", "2026-01-01T00:01:00Z,P1,6,ok"]  # fmt: skip
    assert plant.values(LONG, many(*rows), "--check") == 0
    told = capsys.readouterr().out
    assert f"!! {PRESSURE}: several values at one time, 1 times, the first 2026-01-01 01:00 +01:00" in told
    assert "the time zone" in told


def local_as_utc(days: str, *, doubled: bool) -> list[str]:
    """Each quarter of an hour of a night in local time that somebody gives out as UTC."""
    minutes = list(range(0, 300, 15))
    minutes = [*minutes[:12], *minutes[8:]] if doubled else [one for one in minutes if not 120 <= one < 180]
    return [f"{days}T{one // 60:02d}:{one % 60:02d}:00Z,P1,{at / 10},ok" for at, one in enumerate(minutes)]


def test_local_time_that_is_read_as_utc_is_hinted_at(plant, capsys):
    rows = [*local_as_utc("2025-03-30", doubled=False), *local_as_utc("2025-10-26", doubled=True)]
    plant.values(LONG, many(*rows), "--check")
    told = capsys.readouterr().out
    assert "an hour is missing where Europe/Berlin sets its clock forward (2025-03-30)" in told
    assert "an hour is there twice where Europe/Berlin sets its clock back (2025-10-26)" in told
    assert "local time that is read as UTC?" in told
    true_utc = [f"2025-03-30T{at // 4:02d}:{at % 4 * 15:02d}:00Z,P1,5,ok" for at in range(40) if at not in (20, 21)]
    plant.values(LONG, many(*true_utc), "--check")
    assert "read as UTC" not in capsys.readouterr().out


def test_each_line_of_a_file_is_in_one_count_and_what_did_not_come_in_is_listed_with_its_reason(plant, capsys):
    content = many(
        "2026-01-01T00:00:00Z,P1,5,ok", "2026-01-01T00:01:00Z,P9,5,ok", "2026-01-01T00:02:00Z,P1,,ok", "",
        "2026-01-01T00:03:00Z,P1,5,worn", "2026-01-01T00:04:00Z,P1,x,ok", "2026-01-01T00:05:00Z,P1,,dead",
    )  # fmt: skip
    assert plant.values(LONG, content, "--check") == 1
    told = capsys.readouterr().out
    assert (
        "in.csv: 8 lines: 1 before the data, 1 blank; 3 come in whole, 1 not at all, 1 without a value,"
        " 1 of names that the mapping does not have" in told
    )
    assert "3 samples can come in: 1 good, 1 uncertain, 1 bad" in told
    rejected = list(csv.DictReader(io.StringIO((plant.folder / "no.csv").read_text())))
    assert [(row["line"], row["why"].split(";")[0]) for row in rejected] == [
        ("3", "'P9' is not in the mapping"), ("4", "no value stands there"),
        ("7", f"{PRESSURE}: 'x' is no number with decimal mark '.'"),
    ]  # fmt: skip


# a disk without room


def full(*_args: object, **_more: object) -> None:
    raise OSError(errno.ENOSPC, "Error writing bytes")  # as pyarrow says it: without a name


def test_a_full_disk_while_it_is_decoded_is_one_line_that_names_the_place(plant, capsys, monkeypatch):
    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    assert plant.values(GERMAN, GERMAN_CSV) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert f"import: {plant.state.imports}: cannot be written: the disk is full; nothing was brought in" in told
    assert not list(plant.state.imports.iterdir())


def test_a_full_disk_while_it_is_taken_in_is_one_line_and_the_next_run_ends_it(plant, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("monitor.transfer.taking.add_rows", full)
        assert plant.values(GERMAN, GERMAN_CSV) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "the disk is full; make room; handwheel import list says whether" in told
    end(plant)
    assert (stages(plant), len(plant.rows())) == (["begun", "done"], 5)


def test_an_import_that_could_not_even_be_begun_leaves_no_folder(plant, capsys, monkeypatch):
    monkeypatch.setattr(Ledger, "append", full)
    assert plant.values(GERMAN, GERMAN_CSV) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not list(plant.state.imports.iterdir())


# mappings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('decimal   = ","', ""), "decimal is missing: 1,234 may be 1.234 or 1234"),
        (('separator = ";"', ""), "separator is missing"),
        (('zone    = "Europe/Berlin"', ""), "zone is missing"),
        (("Europe/Berlin", "Europe/Bonn"), "'Europe/Bonn' is unknown"),
        (("%d.%m.%Y", "%d.%m.%y"), "two digits"),
        (("%d.%m.%Y %H:%M", "german"), "say .iso"),
        (("factor = 0.001", ""), "the file has 'mbar'"),
        (("pump1.running", "pump1.runing"), "did you mean pump1.running"),
        (("[missing]", "[mising]"), "did you mean missing"),
        (("cp1252", "utf-7"), "'utf-7' is unknown"),
        (("cp1252", "utf\\u00008"), "unknown"),
        (('decimal   = ","', 'decimal = ","\nthousands = ","'), "is the decimal mark too"),
        (("unit   =", "unitt   ="), "did you mean unit"),
        (("0.001", "0.0"), "other than 0"),
    ],
)
def test_a_mapping_that_leaves_something_to_guess_is_a_fault_with_its_line(tmp_path, change, words):
    path = tmp_path / "map.toml"
    path.write_text(GERMAN.replace(*change))
    with pytest.raises(SettingsError, match=f"line [0-9]+: .*{words}"):
        load_values(path, SETTINGS)


# hostile files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"\x1f\x8b" + bytes(100), "a gzip archive"),
        (b"PAR1" + bytes(100), "is not csv"),
        (b"", "no headings"),
        (b"x" * 3_000_000, "the headings cannot be read"),
        (b"x\n" + b"a," * 400_000 + b"\n", "the headings cannot be read"),
        (b"x\n\0\0\0\n", "the headings cannot be read"),
        (b"x\nDatum;Uhrzeit;Druck;Betrieb\n", r"has no column 'Druck \[mbar\]'"),
        (b"x\nDatum;Datum;Uhrzeit;Druck [mbar];Betrieb\n", "has several columns 'Datum'"),
    ],
)
def test_a_file_that_is_none_is_one_line_and_exit_2(plant, capsys, content, words):
    assert plant.values(GERMAN, content) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert len(told) < 2_000
    assert re.search(words, told)
    assert not list(plant.state.imports.iterdir())


@pytest.mark.parametrize("cut", [4, 60, 200])
def test_parquet_that_is_cut_or_lies_is_one_line(plant, capsys, cut):
    path = plant.folder / "in.parquet"
    pq.write_table(pa.table({"when": [1], "P1": [1.0]}), path)
    path.write_bytes(path.read_bytes()[:cut])
    told = plant.file("map.toml", GERMAN.replace("[file]", '[file]\nformat = "parquet"'))
    assert plant.run("values", str(path), "--map", str(told), "--yes") == 2
    assert "is not Parquet that can be read" in capsys.readouterr().err


def test_a_line_of_ten_megabytes_takes_no_memory(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"a,b\n1,2\n" + b"9" * 60_000_000 + b"\n3,4\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = list(Foreign(path, FileTable(separator=",", decimal=".")).rows())
    assert [(row.line, list(row.cells)) for row in rows if not row.fault] == [(2, ["1", "2"]), (4, ["3", "4"])]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


# records


FINDINGS = """\
[file]
separator = ";"
decimal   = ","
[time]
form = "%d.%m.%Y"
zone = "Europe/Berlin"
[columns]
wo_id = "Auftrag"
asset = "Anlage"
component = "Bauteil"
occurred = "Datum"
grade = "Note"
wear_pct = "Verschleiss"
cause = "Ursache"
[fixed]
inspector_party = "utility"
blind_to_alert = false
[words.grade]
"1" = "A"
"5" = "E"
[words.asset]
"Pumpe 1" = "pump1"
[units]
wear_pct = "%"
"""
FINDINGS_CSV = """\
Auftrag;Anlage;Bauteil;Datum;Note;Verschleiss;Ursache
A-1;Pumpe 1;seal;03.02.2024;5;97,5;Sand
A-2;Pumpe 1;seal;04.05.2025;1;;
A-3;Pumpe 7;seal;04.05.2025;1;;
A-4;Pumpe 1;seal;04.05.2025;9;;
A-2;Pumpe 1;seal;04.05.2025;1;;
"""


def test_findings_come_in_at_their_own_dates_and_say_that_they_were_brought_in(plant):
    path, told = plant.file("f.csv", FINDINGS_CSV), plant.file("map.toml", FINDINGS)
    words = ("findings", str(path), "--map", str(told), "--yes")
    assert plant.run(*words) == 1
    found = list(entries(plant.state, ["finding"]))
    assert [(one.data["wo_id"], one.data["grade"], one.via, one.role) for one in found] == [
        ("A-1", "E", "import", "shift_lead"), ("A-2", "A", "import", "shift_lead"),
    ]  # fmt: skip
    assert found[0].at_us == datetime(2024, 2, 2, 23, tzinfo=UTC).timestamp() * 1e6
    assert (found[0].data["wear_pct"], found[0].data["cause"], found[0].asset) == ("97.5 %", "Sand", "pump1")
    whys = [row["why"] for row in csv.DictReader(io.StringIO((plant.folder / "no.csv").read_text()))]
    assert [why.split(":")[0] for why in whys] == ["asset", "grade", "wo_id"]
    assert plant.run(*words) == 1
    assert len(list(entries(plant.state, ["finding"]))) == 2
    done = [one.data for one in entries(plant.state, ["import"]) if one.data["stage"] == "done"]
    assert [(one["added"], one["there"]) for one in done] == [(2, 0), (0, 2)]


def test_what_is_brought_in_without_a_daemon_is_sealed_too(plant):
    rows = "".join(f"A-{n};Pumpe 1;seal;03.02.2024;1;;\n" for n in range(250))
    path, told = plant.file("f.csv", FINDINGS_CSV.splitlines()[0] + "\n" + rows), plant.file("map.toml", FINDINGS)
    assert plant.run("findings", str(path), "--map", str(told), "--yes") == 0
    result = verify(plant.state)
    assert result.ok, result.words
    assert (
        result.sealed == result.n == 2 + 1 + 250 + 1 + 3
    )  # key and seal, begun, rows, done; two seals between, the last


def test_work_orders_and_alerts_come_in_too(plant):
    told = """\
[file]
separator = ","
decimal = "."
[time]
form = "iso"
"""
    orders = (
        told
        + """\
[columns]
wo_id = "id"
asset = "asset"
opened = "opened"
done = "done"
planned_cost = "cost"
[fixed]
trigger = "vendor_alert"
action = "replace"
[units]
planned_cost = "EUR"
"""
    )
    path = plant.file("o.csv", "id,asset,opened,done,cost\nW1,pump1,2024-01-01T00:00Z,2024-01-02T00:00Z,900.50\n")
    assert plant.run("work_orders", str(path), "--map", str(plant.file("o.toml", orders)), "--yes") == 0
    (order,) = entries(plant.state, ["work_order"])
    assert (order.data["planned_cost"], order.data["done"]) == ("900.50 EUR", "2024-01-02T00:00:00.000Z")
    alerts = (
        told
        + """\
[columns]
alert_id = "id"
issued = "at"
text = "text"
[fixed]
asset = "pump1"
vendor = "SmartPump"
severity = "warning"
"""
    )
    path = plant.file("a.csv", "id,at,text\nV1,2024-01-01T00:00Z,=replace the seal\n")
    assert plant.run("alerts", str(path), "--map", str(plant.file("a.toml", alerts)), "--yes") == 0
    (alert,) = entries(plant.state, ["vendor_alert"])
    assert (alert.via, alert.data["issued_at"], alert.data["feed"]) == ("import", "2024-01-01T00:00:00.000Z", "import")


def test_a_mapping_of_records_names_what_is_missing_and_what_is_unknown(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(FINDINGS.replace('grade = "Note"', 'grad = "Note"'))
    with pytest.raises(SettingsError, match=r"did you mean grade[\s\S]*grade is missing"):
        load_records(path, FIELDS["findings"])


def test_hours_of_a_tag_that_is_gone_do_not_stop_the_others(plant):
    plant.values(GERMAN, GERMAN_CSV)
    hot = HotFile(plant.state.hot)
    with pytest.raises(KeyError):
        hot.bring_in(np.array([3600]), {"gone": np.array([1.0])})
    hot.close()


def test_an_id_that_leads_out_of_the_folder_is_refused():
    from monitor.daemon.deeds import Deed, bring_in

    data = {"id": "../../../etc/ab", "file": "x", "kind": "values", "rows": 1, "rejected": 0,
            **{name: "0" * 64 for name in ("sha256", "mapping_sha256", "rows_sha256")}}  # fmt: skip
    with pytest.raises(UserError, match="id: 16 hexadecimal"):
        bring_in(Deed("import", data))
