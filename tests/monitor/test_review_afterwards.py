"""Findings that are changed after the freeze: what counts, by whichever way the change came, and that all is seen."""

import csv
import io
import json

import pytest

from monitor import review
from monitor.daemon.deeds import draft_of
from monitor.ledger import Draft, Ledger, entries
from monitor.records import tables
from monitor.reports import comparison
from monitor.reports.text import render_text
from monitor.review.afterwards import afterwards
from monitor.review.belonging import references
from monitor.review.packing import pack_files
from monitor.settings import load
from tests.monitor.test_recording import FOUND, Office
from tests.monitor.test_review_names import DAY_US, END_US, START_US, job

PERIOD = ("--from", "2024-11-23", "--to", "2026-11-23")
FREEZE_US = END_US - DAY_US


def kept(office: Office, *grades: str) -> list[int]:
    """The entries of findings with these grades, each on a job of its own, and a freeze after them."""
    ledger = Ledger(office.state)
    for n, grade in enumerate(grades):
        alert, work, found = job(n)
        ledger.append_many([alert, work])
        data = {**found.data, "grade": grade, "wear_pct": "80 %"}
        ledger.append_many(
            [Draft("finding", data, START_US + (n + 1) * DAY_US, "screen", "shift_lead", "G", "pump1", "seal")]
        )
    ledger.close()
    review.freeze(office.state, load(office.config), now_us=FREEZE_US)
    return [one.n for one in entries(office.state, ["finding"])]


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path, "freeze")


def on_screen(office, n, **more):
    """As the screen's form has it entered by the daemon: now, and not at the time of what is corrected."""
    (old,) = (one for one in entries(office.state, ["finding"]) if one.n == n)
    data = {**old.data, "asset": old.asset, "component": old.component, "corrects": n, **more}
    ledger = Ledger(office.state)
    ledger.append_many([draft_of("finding", data, "shift_lead", END_US - 1, load(office.config), lambda _alert: None)])
    ledger.close()


def by_command(office, n, grade):
    assert office.run("finding", "add", "--corrects", n, "--grade", grade) == 0


def at_a_time(office, n, grade):
    assert office.run("finding", "add", "--corrects", n, "--grade", grade, "--at", "2026-11-22T18:00:00Z") == 0


def by_import(office, n, grade):
    (old,) = (one for one in entries(office.state, ["finding"]) if one.n == n)
    out = io.StringIO()
    row = {"occurred": "2025-03-01T00:00:00Z", "asset": "pump1", "component": "seal", "wo_id": old.data["wo_id"],
           "grade": grade, "wear_pct": "80 %", "inspector_party": "utility",
           "blind_to_alert": "false", "corrects": n}  # fmt: skip
    writer = csv.DictWriter(out, list(row))
    writer.writeheader()
    writer.writerow(row)
    assert office.bring("findings", out.getvalue()) == 0


WAYS = [by_command, at_a_time, by_import, lambda office, n, grade: on_screen(office, n, grade=grade)]


def told_of(office, capsys):
    capsys.readouterr()
    assert office.run("review", "run", *PERIOD, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    beside = {row["name"]: row["value"] for row in data["beside"]}
    return data["evidence"]["findings"], data["evidence"]["confirmed"], beside["changed_late"], beside["turned_late"]


@pytest.mark.parametrize("way", WAYS, ids=["command", "command --at", "import", "screen"])
def test_a_change_against_the_vendor_is_seen_and_what_stood_at_the_freeze_holds_one_for_it_counts(office, capsys, way):
    confirmed, not_confirmed, _other = kept(office, "D", "B", "B")
    way(office, confirmed, "B")
    assert told_of(office, capsys) == (3, 1, "1; 0; 1", "1; 0")
    way(office, not_confirmed, "E")
    assert told_of(office, capsys) == (3, 2, "2; 0; 1", "1; 1")


def test_a_withdrawal_of_a_confirmed_finding_does_not_count_one_of_another_does_and_both_are_seen(office, capsys):
    confirmed, not_confirmed, _other = kept(office, "D", "B", "B")
    assert office.run("finding", "add", "--withdraw", confirmed) == 0
    assert told_of(office, capsys) == (3, 1, "0; 1; 1", "1; 0")
    assert office.run("finding", "add", "--withdraw", not_confirmed) == 0
    assert told_of(office, capsys) == (2, 1, "0; 2; 1", "1; 0")


def test_the_report_and_the_pack_show_each_change_and_the_finding_that_holds(office, capsys):
    confirmed, *_rest = kept(office, "D", "B")
    on_screen(office, confirmed, grade="A")
    on_screen(office, confirmed + 3, grade="D")  # of the other one
    settings = load(office.config)
    told = review.answer(office.state, settings, START_US, END_US)
    words = " ".join(render_text(comparison.build(office.state, settings, told), 2_000).split())
    assert "finding corrected or withdrawn after the freeze" in words
    assert "W0 D -> A" in words
    assert "a change against the vendor does not count" in words
    files = pack_files(told, tables(office.state), office.state, settings, "SmartPump")
    entry_of = {text: n for n, text in references(office.state, tables(office.state)["finding"]["n"]).items()}
    rows = {
        entry_of[row["reference"]]: row["counts_as"]
        for row in csv.DictReader(io.StringIO(files["findings.csv"].decode("utf-8-sig")))
    }
    assert rows[confirmed] == "confirmed"
    late, other = sorted(rows)[-2:]
    assert rows[late] == "not_used: changed after the freeze; what stood then counts"
    assert rows[other] == "confirmed"


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({"wear_pct": "20 %"}, True),  # less worn: more life given away
        ({"wear_pct": "95 %"}, False),
        ({"wo_id": "W1"}, True),  # moved to another job
        ({"inspector_party": "vendor"}, True),  # no longer independent: the confirmation is gone
        ({"grade": "E"}, False),
        ({"cause": "dry run"}, False),
    ],
)
def test_what_speaks_against_the_vendor_is_more_than_a_grade(office, change, held):
    confirmed, other = kept(office, "D", "B")
    on_screen(office, confirmed, **change)
    told = afterwards(tables(office.state)["finding"], other + 1, FREEZE_US)
    assert bool(told.held_back) == held
    assert [one.counts for one in told.turns] == [not held]


def test_a_finding_of_before_that_is_entered_after_the_freeze_does_not_count_and_its_correction_does_not_either(
    office, capsys
):
    kept(office, "D")
    alert, work, _found = job(5)
    ledger = Ledger(office.state)
    ledger.append_many([alert, work])
    ledger.close()
    add = ("finding", "add", "--grade", "B")
    assert office.run(*add, "--wo", "W5", "--asset", "pump1", "--component", "seal", "--at", "2025-06-02") == 0
    assert told_of(office, capsys) == (1, 1, "0; 0; 0", "0; 0")
    by_command(office, [one.n for one in entries(office.state, ["finding"])][-1], "A")
    assert told_of(office, capsys) == (1, 1, "0; 0; 0", "0; 0")


def test_what_came_after_the_freeze_may_be_corrected_and_is_seen(office, capsys):
    kept(office, "D")
    alert, work, found = job(5)
    ledger = Ledger(office.state)
    ledger.append_many([alert, work, Draft("finding", {**FOUND, **found.data, "grade": "D"}, FREEZE_US + 1, "screen",
                                           "shift_lead", "G", "pump1", "seal")])  # fmt: skip
    ledger.close()
    assert told_of(office, capsys) == (2, 2, "0; 0; 0", "0; 0")
    on_screen(office, [one.n for one in entries(office.state, ["finding"])][-1], grade="B")
    assert told_of(office, capsys) == (2, 1, "1; 0; 0", "1; 0")
