"""Could the plant be run by hand tonight: binder per station, drills, and journals that are home."""

import json

import pytest

from monitor import readiness
from monitor.ledger import Draft, Ledger, entries
from monitor.lock import hold_lock
from monitor.settings import load
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.journals import START_US, a_night
from tests.monitor.plant_bench import GOLDEN

SETTINGS = load(GOLDEN / "config")
DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("printed", "current", "word"),
    [("9f2c", "9f2c", "PASS"), ("9f2c", "aaaa", "FAIL"), (None, "aaaa", "WARN"), (None, None, "CANNOT TELL")],
)
def test_the_binder_on_the_shelf_is_the_current_one_or_not(printed, current, word):
    assert readiness.judged_binder({"printed": printed, "current": current}).word == word


def test_what_changed_since_it_was_printed_is_told_station_by_station():
    told = {"printed": "a", "current": "b", "reprint": ["en/R/P-03", "de/R/P-03", "en/R/P-05", "en/N/P-03", 5, "x"]}
    assert [(one.subject, one.n, one.words) for one in readiness.stations(told)] == [
        ("N", 1, "changed since it was printed: P-03"), ("R", 2, "changed since it was printed: P-03, P-05"),
    ]  # fmt: skip
    assert not list(readiness.stations(told | {"printed": None}))
    assert not list(readiness.stations(told | {"reprint": "R"}))


def test_the_fallback_itself_is_asked_and_its_pages_are_understood(tmp_path):
    state = State(tmp_path).make()
    told = readiness.binder_status(state)
    assert told["current"]
    assert not list(readiness.stations(told))
    filed = {"mark": "1a2b3c4d", "sections": {"en/any/P-00": "another"}}
    (state.binder / "printed.json").write_text(json.dumps({"format": 2, "sets": {"en/any": filed}}))
    (look,) = readiness.stations(readiness.binder_status(state))
    assert look.subject == "any"
    assert look.n == len(readiness.binder_status(state)["reprint"]) > 20


def test_a_drill_counts_for_its_station_until_a_year_is_over(tmp_path):
    state = State(tmp_path).make()
    start = utc_text(START_US)
    data = {"sha256": "ab", "drill": True, "start": start, "end": start, "sites": ["G"]}
    with hold_lock(state):
        ledger = Ledger(state)
        ledger.append_many([Draft("period", data, START_US, "worker")])
        ledger.close()
    records = list(entries(state, ("period",)))
    (soon,) = readiness.drills(records, SETTINGS, START_US + 30 * DAY_US)
    (late,) = readiness.drills(records, SETTINGS, START_US + 400 * DAY_US)
    assert (soon.word, late.word) == ("PASS", "WARN")
    assert "last drill 2025-11-23, due since 2026-11-24 (34d)" in late.words


def test_a_journal_that_has_ended_and_is_not_in_the_ledger_is_said(tmp_path):
    state = State(tmp_path).make()
    assert not list(readiness.brought_home(state, []))
    a_night(ended=False).write(state.journal, "open.jsonl")
    assert not list(readiness.brought_home(state, []))
    a_night().write(state.journal, "night.jsonl")
    (look,) = readiness.brought_home(state, [])
    assert (look.word, look.n) == ("WARN", 1)
    assert "night.jsonl" in look.words
