"""A journal is hostile input: what it tells, what of it is doubted, and what the ledger is told of it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.ledger import Draft, body_of
from monitor.periods import journal
from monitor.periods.entries import OWN, UNKNOWN, known_of, rows_of
from monitor.periods.journal import journal_of
from monitor.periods.period import period_of
from monitor.periods.procedure import text_of
from monitor.settings import load
from monitor.words import utc_text
from tests.monitor.journals import BOOT, SOURCE, START_US, Maker, a_night

GOLDEN = Path(__file__).parents[1] / "golden"
LATER_US = START_US + 86_400_000_000
SETTINGS = load(GOLDEN / "config")
NOTHING = known_of(())


def told(made, now_us=LATER_US):
    return period_of(journal_of("night.jsonl", made if isinstance(made, bytes) else made.raw(), now_us))


def words(period):
    return [doubt.word for doubt in period.doubts]


def kinds(period):
    return [one.kind for one in period.deviations]


def rows(period, known=NOTHING, **more):
    asked = {"role": None, "via": "worker", "clock_off": OWN} | more
    made = rows_of(period, known, SETTINGS, LATER_US, **asked)
    for row in made:
        body_of(Draft(**row))
    return made


def test_the_golden_journal_of_the_fallback_is_read_with_every_kind_known():
    raw = (GOLDEN / "journal.jsonl").read_bytes()
    period = told(raw, START_US + 10**13)
    assert period.declared is not None
    assert period.ended is not None
    assert not period.journal.unknown
    assert {one["kind"] for one in map(json.loads, raw.splitlines())} <= journal.KINDS


def test_a_night_is_told_with_its_runs_readings_deviations_and_how_it_ended():
    period = told(a_night())
    assert (period.sort, period.sites, period.since.role) == ("period", ("G",), "shift_lead")
    assert round(period.minutes_to_stable) == 90
    (run,) = period.runs.values()
    assert (run.text.title, run.text.approved, run.text.verified) == ("Sewage lift station by hand", True, {"2"})
    assert run.step_text("2") == "Lock the pump with your own lock."
    assert kinds(period) == [
        "out_of_limits", "done_all_the_same", "not_verified", "out_of_limits", "late", "undone", "not_applicable",
        "steps_left", "unmet",
    ]  # fmt: skip
    assert [one.taken_back for one in period.readings] == [False] * 5 + [True, False]
    ((seen, over),) = period.seen
    assert (seen.text("event"), over.kind) == ("mains_lost", "seen_over")
    assert period.unmet == ("telemetry of G fresh for 5 min",)
    assert [round(span_s / 60) for *_lines, span_s in period.silences] == [40]
    assert not period.doubts
    paper = period.readings[-1]
    assert paper.occurred_us < paper.recorded_us < paper.entered_us


def test_a_drill_and_a_round_while_blind_are_told_as_such():
    drill = told(a_night(drill=True))
    assert (drill.sort, drill.drill, drill.sites) == ("drill", True, ("G",))
    assert [one.change for one in drill.gaps] == ["hang up three locks"]
    blind = Maker().act("opened", text="").start("P-17-1").done("1", "P-17-1").act("closed", text="")
    assert told(blind).sort == "round"


def test_a_drill_without_a_word_of_when_it_was_stable_takes_the_minutes_of_its_record():
    made = (
        Maker(drill=True).act("opened", text="").act("drill_record", station="G", minutes=24.0, gaps=[]).act("closed")
    )
    assert told(made).minutes_to_stable == 24.0
    assert told(Maker().act("declared", sites=["G"])).minutes_to_stable is None


def test_torn_lines_missing_numbers_and_two_entries_of_one_number_are_doubts_and_nothing_is_guessed():
    made = a_night()
    lines = made.raw().splitlines()
    torn = b"\n".join([*lines[:5], lines[5][:40], *lines[7:9], b"\xff\xfe", *lines[9:], lines[3].replace(b"7", b"8")])
    period = told(torn)
    assert {"torn", "missing", "twice"} <= set(words(period))
    assert next(one for one in period.doubts if one.word == "missing").found == "6-7"
    assert period.journal.torn == 2
    assert told(b"\n".join(reversed(made.raw().splitlines()))).readings == told(made).readings


def test_what_a_memory_folder_brought_home_twice_counts_once():
    raw = a_night().raw()
    assert told(raw + raw).readings == told(raw).readings
    assert not told(raw + raw).doubts


def test_an_entry_of_an_unknown_kind_is_kept_and_counted():
    period = told(a_night(ended=False).act("teleported", text="x").act("handed_back"))
    assert period.journal.unknown == 1
    assert any(line.kind == "teleported" for line in period.journal.lines)
    assert "unknown" in words(period)


def test_a_drill_is_never_mixed_with_a_real_period():
    made = a_night(drill=True)
    real = Maker().act("reading", name="x", value="1", unit="m3/h", tag="pump1.flow").lines[0]
    period = told(made.raw() + json.dumps({**real, "n": 900}).encode())
    assert period.drill
    assert "mixed" in words(period)
    assert len(rows(period)) == 1
    made = a_night()
    made.lines[7]["drill"] = True
    period = told(made)
    assert not period.drill
    assert 8 not in {one.n for one in period.readings}
    assert 8 not in {row["data"].get("n") for row in rows(period)}


def test_a_first_entry_that_says_neither_drill_nor_real_brings_no_sample():
    made = a_night()
    for line in made.lines:
        line["drill"] = "maybe"
    assert "no_sort" in words(told(made))
    assert len(rows(told(made))) == 1


@pytest.mark.parametrize(
    ("odd", "word"),
    [
        (lambda made: made.wait(60, wall_s=3_660), "clock_set"),
        (lambda made: made.wait(3_600, wall_s=-7_200), "clock_set"),
        (lambda made: setattr(made, "boot", "other") or made.wait(5, wall_s=-600), "clock_back"),
        (lambda made: made.wait(-500), "mono_back"),
        (lambda made: made.wait(86_400 * 40), "future"),
        (lambda made: setattr(made, "now_us", 10**12), "never_set"),
    ],
)
def test_a_wrong_clock_is_a_doubt_and_each_reading_says_so(odd, word):
    made = Maker().act("declared", sites=["G"]).start()
    odd(made)
    period = told(made.read("80", tag="pump1.flow", unit="m3/h").act("handed_back"))
    assert word in words(period)
    assert all(row["data"]["clock_doubted"] for row in rows(period) if row["kind"] == "reading")


def test_two_boots_are_told_and_spans_within_one_go_by_the_clock_that_nobody_sets():
    made = Maker().act("declared", sites=["G"]).start()
    made.wait(600, wall_s=90_000).act("stable")
    assert round(told(made).minutes_to_stable) == 11
    made = Maker().act("declared", sites=["G"])
    made.boot, made.mono_s = "second", 5.0
    assert "boots" in words(told(made.act("stable", after=60)))


def test_an_entry_that_contradicts_its_own_limits_is_doubted():
    made = Maker().act("declared", sites=["G"]).start().read("9.99", within=True)
    assert "limits" in words(told(made))


def test_a_reading_becomes_an_entry_with_three_times_and_what_has_no_place_does_not():
    made = a_night(tag="pump1.flow")
    made_rows = rows(told(made))
    assert [row["kind"] for row in made_rows] == ["period"] + ["reading"] * 5
    last = made_rows[-1]["data"]
    assert (last["tag"], last["value"], last["paper"]) == ("pump1.flow", "82.75 m3/h", True)
    assert last["occurred_at"] < last["recorded_at"] < last["entered_at"]
    data = made_rows[0]["data"]
    assert (data["unmet"], data["stable_after"], data["second_role"]) == (
        ["telemetry of G fresh for 5 min"], "90 min", "engineer",
    )  # fmt: skip
    assert data["procedures"] == [{"id": "P-03", "revision": "4", "sha256": "ab" * 32, "approved": True}]
    assert not [row for row in rows(told(a_night(tag="nobody.flow"))) if row["kind"] == "reading"]
    (_period, *kept_out) = rows(told(a_night(tag="pump1.flow", unit="l/s")))
    assert {row["data"]["kept_out"] for row in kept_out} == {"the reading is in l/s, the tag is in m3/h"}


def test_the_words_of_people_stay_in_the_journal():
    assert "shift lead agreed" not in json.dumps(rows(told(a_night())))


def test_a_drill_brings_no_reading_ever():
    assert [row["kind"] for row in rows(told(a_night(drill=True)))] == ["period"]


def test_a_clock_of_another_machine_moves_the_readings_or_is_said_to_be_unknown():
    own, ahead, unknown = (rows(told(a_night()), clock_off=off)[1]["data"] for off in (OWN, "3600 s", UNKNOWN))
    assert own["occurred_at"] == "2025-11-23T01:14:20.000Z"
    assert ahead["occurred_at"] == "2025-11-23T00:14:20.000Z"
    assert (unknown["occurred_at"], unknown["clock_doubted"]) == (own["occurred_at"], True)


def test_a_file_that_is_no_journal_or_too_large_or_no_plain_file_is_refused_in_one_line(tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n\n[1, 2]\n{}\nnull\n")
    with pytest.raises(UserError, match="holds no entry of a journal"):
        journal.read(path, LATER_US)
    with pytest.raises(UserError, match="cannot be read"):
        journal.read(tmp_path / "none.jsonl", LATER_US)
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(UserError, match="cannot be read"):
        journal.read(tmp_path / "pipe.jsonl", LATER_US)
    monkeypatch.setattr(journal, "LIMIT", 1_000)
    path.write_bytes(b"x" * 1_001)
    with pytest.raises(UserError, match="larger than a journal can be"):
        journal.read(path, LATER_US)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["at", "mono_s", "boot_id", "role", "drill", "run", "step", "name", "value", "unit", "limits", "in_limits", "tag",
     "sites", "source", "values", "undoes", "repeat", "left", "gaps", "unmet", "event", "occurred", "recorded", "to",
     "minutes", "second_role", "text", "station", "procedure"]
)  # fmt: skip
VALUES = ANYTHING | st.sampled_from([SOURCE, BOOT, "P-03-1", "3", "pump1.flow", 1, 2])
ACT = st.tuples(st.sampled_from(sorted(journal.KINDS)), st.dictionaries(FIELDS, VALUES, max_size=9))


@settings(max_examples=100, deadline=None)
@given(st.lists(ACT, min_size=1, max_size=12), st.binary(max_size=30))
def test_whatever_stands_in_a_journal_it_is_told_or_refused_and_its_entries_fit_the_ledger(acts, noise):
    made = Maker()
    for kind, more in acts:
        made.act(kind)
        made.lines[-1] |= more
    raw = made.raw() + noise
    period = told(raw)
    for off in (OWN, UNKNOWN, "-3600 s"):
        rows(period, clock_off=off)


def test_a_procedures_text_is_looked_up_and_never_a_fault():
    text = text_of(SOURCE, {"round_every": "5 min"})
    assert [(one.first, one.last, one.every_s, one.for_s, one.then_s) for one in text.repeats] == [
        ("3", "4", 300.0, 7_200.0, 3_600.0)
    ]
    assert text_of(SOURCE, {}).repeats[0].every_s == 900.0
    assert text_of("[ ] \x00\x1b[2J" * 5_000, {}).steps == {}


def test_lines_from_paper_alone_are_of_the_time_when_they_were_so():
    made = Maker().act("opened", text="")
    for hour in (5, 3):
        at_us = START_US - hour * 3_600_000_000
        made.act("paper", procedure="P-04", step="1", name="flow", value="80", unit="m3/h", tag="pump1.flow",
                 in_limits=True, occurred=utc_text(at_us), recorded=utc_text(at_us), text="")  # fmt: skip
    period = told(made.act("closed"))
    assert period.sort == "paper"
    assert (period.start_us, period.end_us) == (START_US - 5 * 3_600_000_000, START_US - 3 * 3_600_000_000)
    assert [row["data"]["paper"] for row in rows(period)[1:]] == [True, True]
