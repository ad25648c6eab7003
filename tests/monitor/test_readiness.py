"""Could the plant be run by hand tonight: binder per station, drills, and journals that are home."""

import json
from dataclasses import asdict

import pytest

from fallback_procedures import drills as by_hand
from fallback_procedures.desk import desk
from monitor import readiness
from monitor.drills import due_drills
from monitor.ledger import Draft, Ledger, entries
from monitor.lock import hold_lock
from monitor.periods.entries import OWN, known_of, rows_of
from monitor.periods.journal import journal_of
from monitor.periods.period import period_of
from monitor.periods.taking import publish_drills
from monitor.settings import load
from monitor.state import State
from monitor.words import parse_utc, utc_text
from tests.fallback.test_desk import P03, RIVERSIDE, at
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
    (state.printed / "printed.json").write_text(json.dumps({"format": 2, "sets": {"en/any": filed}}))
    (look,) = readiness.stations(readiness.binder_status(state))
    assert look.subject == "any"
    assert look.n == len(readiness.binder_status(state)["reprint"]) > 20


def test_a_drill_counts_for_its_station_until_a_year_is_over(tmp_path):
    state = State(tmp_path).make()
    start = utc_text(START_US)
    data = {"sha256": "ab", "drill": True, "start": start, "end": start, "drilled": ["G"]}
    with hold_lock(state):
        ledger = Ledger(state)
        ledger.append_many([Draft("period", data, START_US, "worker")])
        ledger.close()
    records = list(entries(state, ("period",)))
    (soon,) = readiness.drills(records, SETTINGS, START_US + 30 * DAY_US)
    (late,) = readiness.drills(records, SETTINGS, START_US + 400 * DAY_US)
    assert (soon.word, late.word) == ("PASS", "WARN")
    assert "last drill 2025-11-23, due since 2026-11-23 (35d)" in late.words


def test_a_journal_that_has_ended_and_is_not_in_the_ledger_is_said(tmp_path):
    state = State(tmp_path).make()
    assert not list(readiness.brought_home(state, []))
    a_night(ended=False).write(state.journal, "open.jsonl")
    assert not list(readiness.brought_home(state, []))
    a_night().write(state.journal, "night.jsonl")
    (look,) = readiness.brought_home(state, [])
    assert (look.word, look.n) == ("WARN", 1)
    assert "night.jsonl" in look.words


def test_a_drill_of_this_morning_counts_also_where_the_day_has_not_come_in_utc():
    one = {"station": "G", "last": "2026-11-24", "due": "2027-11-24", "word": "ok", "aside": "", "why": ""}
    now_us = parse_utc("2026-11-23T23:30:00Z")  # half past midnight in Berlin
    (look,) = readiness.drills([], SETTINGS, now_us, {"drills": [one]})
    assert (look.word, look.words) == ("PASS", "last drill 2026-11-23, next due 2027-11-24")
    (look,) = readiness.drills([], SETTINGS, now_us, {"drills": [one | {"last": "soon"}]})
    assert (look.word, look.words) == ("WARN", "no drill is on record")


COUNTS = ("2026-11-23", "2027-11-23")


@pytest.mark.parametrize(("stations", "site", "steps", "lasts", "now", "next_due", "expected", "why"), [
    ("G", "G", 1, 900, 1000, "", COUNTS, ""), ("G", "", 1, 900, 1000, "", COUNTS, ""),
    ("G", "G", 1, 900, 1000, "2030-02-01", ("2026-11-23", "2030-02-01"), ""), ("xG", "G", 1, 900, 1000, "", COUNTS, ""),
    ("G", "G", 0, 900, 1000, "", ("", ""), "idle"), ("x", "G", 1, 900, 1000, "", ("", ""), None),
    ("Gx", "", 1, 900, 1000, "", ("", ""), "replaced"), ("G", "N", 1, 900, 1000, "", ("", ""), "elsewhere"),
    ("G", "G", 1, 72, 1000, "", ("", ""), "short"), ("G", "G", 1, 900, -86_400, "", ("", ""), "ahead")])  # fmt: skip
def test_the_fallback_the_ledger_and_both_together_say_the_same_of_a_drill(
    tmp_path, stations, site, steps, lasts, now, next_due, expected, why
):
    state = State(tmp_path).make()
    here = desk(state.journal, at(20), "operator", True)
    run = here.start(at(20), P03, RIVERSIDE, site)
    if steps:
        here.read(at(60), run, "1.2")
        here.done(at(70), run)
    for station in stations:
        here.record_drill(at(lasts), station, "level control lost", [], next_due=next_due)
    here.close(at(910))
    now_us = int(at(now).wall_s * 1e6)
    (row,) = by_hand.due(by_hand.history(state.journal), ["G"], now_us / 1e6)
    assert (row.last, row.due) == expected
    assert row.why == (why or "")
    assert row.aside == ("2026-11-23" if why else "")
    raw = here.journal.path.read_bytes()
    period = period_of(journal_of("x.jsonl", raw, now_us))
    data = rows_of(period, known_of([]), SETTINGS, frozenset(), now_us, role=None, via="worker", clock_off=OWN,
                   altered=False)[0]["data"]  # fmt: skip
    told = {"drills": [asdict(row)]}
    with hold_lock(state):
        ledger = Ledger(state)
        ledger.append_many([Draft("period", data, now_us, "worker")])
        ledger.close()
    records = list(entries(state, ("period",)))
    here.journal.path.unlink()  # as where it was on another machine, and was brought in
    publish_drills(state, records)
    (there,) = by_hand.due(by_hand.history(state.journal, state.manual), ["G"], now_us / 1e6)
    assert (there.last, there.due) == expected
    answers = {look.words for from_ledger in (records, []) for from_journal in (told, {})
               for look in readiness.drills(from_ledger, SETTINGS, now_us, from_journal)
               if from_ledger or from_journal}  # fmt: skip
    words = f"last drill {row.last}, next due {row.due}" if row.last else "no drill is on record"
    if why:
        words += f"; the drill of 2026-11-23 does not count: {by_hand.why_words(why)}"
    assert answers == {words}


def test_a_drill_of_a_wrong_clock_is_not_believed_before_its_day_has_come():
    data = {"drill": True, "start": "2090-11-28T03:00:00.000Z", "drilled": ["R"], "next_due": "2095-11-28"}
    (due,) = due_drills([data], ["R"], START_US)
    assert (due.last_us, due.overdue(START_US)) == (None, True)
    assert due.words(START_US) == (
        "no drill is on record; the drill of 2090-11-28 does not count: it lies in the future"
    )
    assert due_drills([data], ["R"], parse_utc("2091-01-01T00:00:00.000Z"))[0].last_us
