"""Drills: what their records tell, when the next one is due, and that nothing of them looks real."""

import json

import pytest

from fallback_procedures.desk import desk
from fallback_procedures.drills import due, due_lines, history
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused
from fallback_procedures.period_acts import drill_record
from fallback_procedures.place import Place
from fallback_procedures.seat import Seat
from fallback_procedures.triggers import moment
from fallback_procedures.words import seconds_of

from .test_desk import P03, RIVERSIDE, a_drill, a_night, at

NOVEMBER = seconds_of("2026-11-24T00:00:00Z")


def test_records_are_read_from_every_journal_the_oldest_first(tmp_path):
    folder = tmp_path / "journal"
    a_night(desk(folder, at(0), "operator", False))
    a_drill(desk(folder, at(90_000), "operator", True))
    second = desk(folder, at(100_000), "operator", True)
    second.start(at(100_000), P03, RIVERSIDE, "R")
    second.record_drill(at(100_100), "N", "blackout", [], next_due="2027-01-31", minutes=7.25)
    found = history(folder)
    assert [(one.station, one.minutes, one.procedures) for one in found] == [
        ("R", 12.0, ("P-03",)), ("N", 7.2, ("P-03",))]  # fmt: skip
    assert found[0].gaps[0]["where"] == "P-03 step 2"
    assert set(found[0].content) == {"P-03"}


def test_twelve_months_after_the_last_one_it_is_due_and_a_station_without_one_is_said(tmp_path):
    a_drill(desk(tmp_path, at(0), "operator", True))
    drills = history(tmp_path)
    rows = due(drills, ["R", "N"], NOVEMBER)
    assert [(row.station, row.word, row.last, row.due) for row in rows] == [
        ("N", "never", "", ""), ("R", "ok", "2026-11-23", "2027-11-23")]  # fmt: skip
    assert [due(drills, ["R"], NOVEMBER + days * 86_400.0)[0].word for days in (300, 340, 370)] == [
        "ok",
        "soon",
        "late",
    ]
    assert due_lines(rows) == ["N: no drill was recorded",
                               "R: in order; last drill 2026-11-23, next due 2027-11-23"]  # fmt: skip


def test_a_changed_procedure_is_said(tmp_path, state):
    a_drill(desk(tmp_path, at(0), "operator", True))
    library = load(state.manual)
    assert due(history(tmp_path), ["R"], NOVEMBER, library)[0].changed, "the shipped P-03 is not the drilled one"
    folder = state.manual / "procedures"
    folder.mkdir()
    (folder / "P-03.txt").write_text(P03.source)
    assert not due(history(tmp_path), ["R"], NOVEMBER, load(state.manual))[0].changed


@pytest.mark.parametrize("wrong", [
    {"station": 7}, {"at": "yesterday"}, {"gaps": [1, "x"], "procedures": 3, "minutes": "long", "next_due": "soon",
                                           "content": []}, {"next_due": "2027-99-99"}])  # fmt: skip
def test_a_record_that_lies_breaks_no_reader(tmp_path, wrong):
    a_drill(desk(tmp_path, at(0), "operator", True))
    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [{**line, **wrong} if line["kind"] == "drill_record" else line for line in lines]
    (tmp_path / "2027-01-01T000000Z.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(history(tmp_path)) in (1, 2)
    assert due(history(tmp_path), ["R"], NOVEMBER)


def test_reading_the_history_writes_nothing(tmp_path):
    a_drill(desk(tmp_path, at(0), "operator", True))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    history(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert history(tmp_path / "nowhere") == []
    assert history(None) == []


def test_every_entry_of_a_drill_says_so(tmp_path):
    here = a_drill(desk(tmp_path, at(0), "operator", True))
    assert [line["drill"] for line in here.period().entries] == [True] * len(here.period().entries)


def test_the_state_of_the_binder_says_which_drills_are_due(state, manual):
    a_drill(desk(state.manual / "journal", at(0), "operator", True))
    text = manual("--state", str(state.root), "--binder-status", "--lang", "en").stdout.decode()
    assert (
        "DRILLS\n  R: in order; last drill 2026-11-23, next due 2027-11-23; the procedures have changed since" in text
    )


def test_a_drill_without_a_step_done_is_said_and_does_not_count(tmp_path):
    a_drill(desk(tmp_path, at(0), "operator", True))
    here = desk(tmp_path, at(200 * 86_400), "operator", True)
    here.start(at(200 * 86_400), P03, RIVERSIDE, "R")
    assert here.record_drill(at(200 * 86_400 + 60), "R", "begun and left", [])["no_step_done"] is True
    (row,) = due(history(tmp_path), ["R"], NOVEMBER + 201 * 86_400.0)
    assert (row.last, row.due, row.aside, row.why) == ("2026-11-23", "2027-11-23", "2027-06-11", "idle")
    assert due_lines([row])[0].endswith("the drill of 2027-06-11 does not count: no step was done in it")


def test_a_drill_at_a_station_where_no_step_was_done_or_of_seconds_or_ahead_does_not_count_and_that_is_said(tmp_path):
    here = desk(tmp_path, at(0), "operator", True)
    run = here.start(at(0), P03, RIVERSIDE, "R")
    here.read(at(2), run, "1.2")
    here.done(at(3), run)
    here.record_drill(at(4), "R", "in a hurry", [])
    here.record_drill(at(900), "H", "nobody was there", [])
    here.record_drill(at(900), "N", "nobody was there", [])
    rows = {row.station: row for row in due(history(tmp_path), ["R", "H", "N"], NOVEMBER)}
    assert {site: (row.word, row.why) for site, row in rows.items()} == {
        "R": ("never", "replaced"), "H": ("never", "replaced"), "N": ("never", "elsewhere")}  # fmt: skip
    here.record_drill(at(901), "R", "all of it", [])
    assert [row.word for row in due(history(tmp_path), ["R", "N"], NOVEMBER)] == ["never", "ok"]
    (row,) = due(history(tmp_path), ["R"], NOVEMBER - 400 * 86_400.0)
    assert (row.word, row.why) == ("never", "ahead")
    assert due_lines([row]) == [
        "R: no drill was recorded; the drill of 2026-11-23 does not count: it lies in the future"
    ]


def test_a_drill_of_seconds_does_not_count(tmp_path):
    here = desk(tmp_path, at(0), "operator", True)
    run = here.start(at(0), P03, RIVERSIDE, "R")
    here.read(at(2), run, "1.2")
    here.done(at(3), run)
    here.record_drill(at(59), "R", "in a hurry", [])
    assert [(row.word, row.why) for row in due(history(tmp_path), ["R"], NOVEMBER)] == [("never", "short")]


def test_the_next_drill_lies_ahead_and_not_further_than_five_years(tmp_path):
    here = desk(tmp_path, at(0), "operator", True)
    here.start(at(0), P03, RIVERSIDE, "R")
    for day in ("2020-01-01", "2026-11-23", "2031-11-24", "2027-02-30", "soon"):
        with pytest.raises(Refused, match="lies ahead"):
            here.record_drill(at(60), "R", "level control lost", [], next_due=day)
    here.record_drill(at(60), "R", "level control lost", [], next_due="2026-11-24")


def test_the_station_of_a_drill_is_one_that_there_is(state):
    here = desk(state.manual / "journal", moment(), "operator", True)
    here.start(moment(), P03, RIVERSIDE, "R")
    seat = Seat(Place(state.manual), load(state.manual), here)
    talk = drill_record(seat)
    ask = next(talk)
    assert "does not count" in ask.note[0]
    assert "there is no site x" in talk.send("x").note[0]
    assert "What was played" in talk.send("r").prompt


def test_the_state_of_the_binder_knows_each_station_that_the_daemon_names(state, manual):
    rows = [{"id": "R", "type": "lift_station"}, {"id": "D", "name": "District", "type": "booster_station"}]
    (state.manual / "status.json").write_text(json.dumps({"format": 1, "sites": rows}))
    told = json.loads(manual("--state", str(state.root), "--binder-status", "--json").stdout)
    assert {"R", "D"} == {row["station"] for row in told["drills"]}
