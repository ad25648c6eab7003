"""A journal is hostile input: what it tells, what of it is doubted, and what the ledger is told of it."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import UserError
from fallback_procedures import journal as theirs_journal
from fallback_procedures.journal import Journal, read_lines
from fallback_procedures.replay import replay
from monitor.ledger import Draft, Record, body_of
from monitor.periods import journal
from monitor.periods.entries import OWN, UNKNOWN, known_of, rows_of, tag_doubts
from monitor.periods.journal import journal_of
from monitor.periods.named import keep_named, named_tags
from monitor.periods.period import period_of
from monitor.periods.procedure import text_of
from monitor.settings import load
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.journals import BOOT, NAMED, NAMED_TAGS, SOURCE, START_US, Maker, a_night
from tests.monitor.transfer_bench import configured

GOLDEN = Path(__file__).parents[1] / "golden"
LATER_US = START_US + 86_400_000_000
SETTINGS = load(GOLDEN / "config")
NOTHING = known_of(())
FLOW = "pump1.flow"


def told(made, now_us=LATER_US):
    return period_of(journal_of("night.jsonl", made if isinstance(made, bytes) else made.raw(), now_us))


def words(period):
    return [doubt.word for doubt in period.doubts]


def kinds(period):
    return [one.kind for one in period.deviations]


def rows(period, known=NOTHING, named=NAMED_TAGS, **more):
    asked = {"role": None, "via": "worker", "clock_off": OWN} | more
    made = rows_of(period, known, SETTINGS, named, LATER_US, **asked)
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
        "out_of_limits", "done_all_the_same", "not_verified", "out_of_limits", "late", "not_applicable", "steps_left",
        "unmet",
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


def test_a_line_that_says_neither_drill_nor_real_is_no_entry():
    made = a_night()
    made.lines[3]["drill"] = None
    assert 4 not in {line.n for line in told(made).journal.lines}
    assert "torn" in words(told(made))
    for line in made.lines:
        line["drill"] = "maybe"
    with pytest.raises(UserError, match="holds no entry"):
        told(made)


# two entries of one number; two machines with one journal


def numbered(*numbers, ended=True):
    """A period whose readings have these numbers, as two writers without a lock give them."""
    made = Maker().act("declared", sites=["G"]).start()
    for at, n in enumerate(numbers):
        made.read(f"8{at}.5", tag="pump1.flow", unit="m3/h")
        made.lines[-1]["n"] = n
    if ended:
        made.act("handed_back")
        made.lines[-1]["n"] = max(numbers)
    return made


def test_two_entries_of_one_number_are_two_in_the_order_of_the_file_and_the_second_may_end_the_period():
    period = told(numbered(3, 3, 4))
    assert [(one.n, one.value) for one in period.readings] == [(3, "80.5"), (3, "81.5"), (4, "82.5")]
    assert period.ended is not None
    assert [(one.n, one.found) for one in period.doubts if one.word == "twice"] == [(3, "2"), (4, "2")]
    made = rows(period)[1:]
    assert [row["data"]["value"] for row in made] == ["80.5 m3/h", "81.5 m3/h", "82.5 m3/h"]
    assert [row["data"].get("doubt") for row in made] == ["twice"] * 3


def known_from(period):
    """What the ledger knows once a period is in it."""
    return known_of(
        Record(n, row["kind"], row["at_us"], row["role"], row["via"], row["site"], row.get("asset"), None, row["data"])
        for n, row in enumerate(rows(period), 1)
    )


@given(noise=st.binary(max_size=40), flip=st.integers(0, 2_000))
@settings(max_examples=60, deadline=None)
def test_a_journal_that_somebody_damaged_brings_nothing_twice(noise, flip):
    raw = a_night().raw()
    known = known_from(told(raw))
    torn = raw[:flip] + noise + raw[flip:]
    if torn.startswith(raw.split(b"\n")[0]):
        marks = {one.line.mark for one in told(raw).readings}
        new = [row for row in rows(told(torn), known)[1:] if row["data"]["mark"] in marks]
        assert not new


# what a journal says of roles and tags is believed to be said, and no more


def test_the_role_of_an_entry_is_who_brings_it_in_and_that_of_the_journal_is_what_it_says():
    made = Maker(role="administrator").act("declared", sites=["G"]).start().read("80", tag="pump1.flow", unit="m3/h")
    by_worker, by_role = (rows(told(made), role=role)[1] for role in (None, "shift_lead"))
    assert (by_worker["role"], by_role["role"]) == (None, "shift_lead")
    assert by_worker["data"]["role_in_journal"] == "administrator"


def test_where_a_reading_was_taken_goes_with_it_and_each_pump_keeps_its_own_limit():
    made = Maker().act("declared", sites=["G"]).start()
    made.read("80", tag="pump1.flow", unit="m3/h", asset="P1", limits=(None, "90"))
    made.read("80", unit="m3/h", asset="P2", limits=(None, "70"), within=False).act("handed_back")
    period = told(made)
    assert [(one.place, one.high, one.in_limits) for one in period.readings] == [
        ("wet well level (P1)", "90", True), ("wet well level (P2)", "70", False)]  # fmt: skip
    (data,) = [row["data"] for row in rows(period, named=frozenset({("G", "P-03", "3", "P1", FLOW)}))[1:]]
    assert (data["asset_in_journal"], "kept_out" in data) == ("P1", False)
    (data,) = [row["data"] for row in rows(period)[1:]]
    assert data["kept_out"] == "no sheet of site G names the tag for P-03 step 3 at P1"
    assert [one.text for one in period.deviations if one.kind == "out_of_limits"] == ["wet well level (P2) 80 m3/h"]


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        ({"procedure": "P-05"}, "no sheet of site G names the tag for P-05 step 3"),
        ({"site": "N"}, "the tag is of site G, the run is of N"),
        ({"site": ""}, "the tag is of site G, the run is of no site"),
        ({"run": "P-04-1"}, "it is of no run"),
    ],
)
def test_a_tag_that_no_sheet_of_the_run_named_or_of_another_site_gets_no_sample_and_is_doubted(begun, why):
    made = Maker().act("declared", sites=["G"]).start(**begun).read("80", tag="pump1.flow", unit="m3/h")
    period = told(made.act("handed_back"))
    assert [row["data"]["kept_out"] for row in rows(period)[1:]] == [why]
    assert [(one.word, one.found) for one in tag_doubts(period, SETTINGS, NAMED_TAGS)] == [
        ("tag", f"pump1.flow: {why}")
    ]
    drill = told(Maker(drill=True).act("opened").start(**begun).read("80", tag="pump1.flow", unit="m3/h"))
    assert not tag_doubts(drill, SETTINGS, NAMED_TAGS)


def test_a_line_from_paper_outside_of_a_run_speaks_for_a_site_that_was_run_by_hand():
    not_by_hand = "the tag is of site G, which was not run by hand"
    for sites, kept_out in (([["G"]], None), ([["N"]], not_by_hand), ([[]], None), ([["N"], []], None)):
        at, made = utc_text(START_US), Maker()
        for some in sites:  # without a site it is for all, also where only one had a run
            made.act("declared", sites=some)
        made.start(site="N").act("paper", procedure="P-03", step="3", name="flow", value="80", unit="m3/h", tag=FLOW,
                                 occurred=at, recorded=at)  # fmt: skip
        assert rows(told(made))[1]["data"].get("kept_out") == kept_out


def test_what_a_journal_says_of_its_own_sheet_proves_nothing():
    made = Maker().act("declared", sites=["G"]).start(tags={"tag_p03_4": FLOW}).read("0.01", step="4", tag=FLOW)
    at = utc_text(START_US)
    made.act("paper", procedure="P-03", step="4", name="x", value="1", unit="m3/h", tag=FLOW, occurred=at, recorded=at)
    made.act("paper", name="x", value="2", unit="m3/h", tag=FLOW, occurred=at, recorded=at)
    why = "no sheet of site G names the tag for P-03 step 4"
    assert [row["data"]["kept_out"] for row in rows(told(made))[1:]] == [why, why, why.replace("P-03 step 4", " step ")]
    assert [one.word for one in tag_doubts(told(made), SETTINGS, NAMED_TAGS)] == ["tag"] * 3


def test_a_sheet_that_was_published_once_still_names_its_tags_and_what_is_no_sheet_names_none(tmp_path):
    settings = load(configured(tmp_path / "config"))
    state = State(tmp_path / "state").make()
    sheet = settings.folder / "sheets" / "G.txt"
    sheet.write_bytes((sheet.read_text() + NAMED).replace("\n", "\r\n").encode())
    (sheet.parent / "x.txt").write_text("tag_p09_1 = pump1.flow\n")
    keep_named(settings, state)
    sheet.write_text("SHEET  site G  Golden\ntag_p03_8_2 [P 1] = pump1.flow  # the second one\n")
    assert named_tags(settings, state) == NAMED_TAGS | {("G", "P-03", "8", "P 1", FLOW)}
    (state.facts / "named_tags.json").write_text('[1, [2], ["a", "b", "c", "d", "e"], null]')
    assert named_tags(settings, state) == {("G", "P-03", "8", "P 1", FLOW), ("a", "b", "c", "d", "e")}
    (state.facts / "named_tags.json").write_text("[" * 5_000)
    assert named_tags(settings, state) == {("G", "P-03", "8", "P 1", FLOW)}


# what differs from a procedure, and what does not


def test_what_was_taken_back_a_hold_that_was_released_and_a_condition_that_was_not_met_are_no_deviations():
    source = SOURCE.replace("[ ] 4  Start the pump.", "[ ] 4  IF the level rises THEN start the pump.")
    made = Maker().act("declared", sites=["G"]).start(source=source).read("9.99", within=False, limits=("1", "2"))
    made.act("undo", run="P-03-1", undoes=3).act("released", run="P-03-1", step="1", released_by="shift_lead")
    made.done("4", kind="not_met").done("4", kind="not_applicable", text="no").act("finished", run="P-03-1", left=[])
    period = told(made.act("handed_back"))
    assert kinds(period) == []
    assert [gone.text("value") for _undo, gone in period.undone] == ["9.99"]


@pytest.mark.parametrize(("waits_s", "kind"), [(890, "timer_short"), (899.5, None), (1_200, None), (None, "no_timer")])
def test_a_timer_that_was_not_kept_is_a_deviation_of_the_step(waits_s, kind):
    source = SOURCE.replace("[ ] 4  Start the pump.", "[ ] 4  Wait.\n       Timer: {transport_time=15 min}")
    made = Maker().act("declared", sites=["G"]).start(source=source)
    if waits_s is not None:
        made.act("timer", run="P-03-1", step="4")
    made.done("4", after=waits_s or 20).act("finished", run="P-03-1", left=[])
    period = told(made.act("handed_back"))
    assert [(one.kind, one.text) for one in period.deviations] == ([(kind, "15 min")] if kind else [])
    made.lines[-3]["kind"] = "not_met"
    assert kinds(told(made)) == []


HELD = SOURCE.replace(
    "REPEAT",
    "HOLD       shift_lead once  Releases the pump after\n           two results. Refused: GO TO step 4.\nREPEAT",
)


@pytest.mark.parametrize(("acts", "expected"), [
    ([("goto", "4"), ("done", "4")], [("hold_passed", "4", "3")]),
    ([("goto", "4"), ("goto", "3"), ("released", "3"), ("done", "3"), ("done", "4")], []),
    ([("goto", "4"), ("released", "3"), ("done", "4")], []),
    ([("goto", "4")], []), ([("done", "3")], [("not_released", "3", "")]),
    ([("released", "3"), ("done", "3"), ("done", "4"), ("goto", "3"), ("done", "3")], [])])  # fmt: skip
def test_a_hold_that_was_walked_round_is_a_deviation(acts, expected):
    made = Maker().act("declared", sites=["G"]).start(source=HELD.replace(" Refused: GO TO step 4.", ""))
    made.done("1").act("verified", run="P-03-1", step="2", verified_by="maintenance").done("2")
    for kind, step in acts:
        made.done(step, kind=kind)
    period = told(made.act("finished", run="P-03-1", left=[]).act("handed_back"))
    assert [(one.kind, one.step, one.text) for one in period.deviations] == expected


def test_what_a_person_went_past_with_a_reason_is_a_deviation_also_when_its_hold_was_released_then():
    made = Maker().act("declared", sites=["G"]).start(source=HELD.replace(" Refused: GO TO step 4.", "")).done("1")
    made.act("verified", run="P-03-1", step="2", verified_by="maintenance").done("2")
    rows = [{"what": "hold", "step": "3"}, {"what": "timer", "step": "3"}, 5]
    made.done("4", kind="goto", text="telephone dead", passed=rows)
    made.act("released", run="P-03-1", step="3", released_by="shift_lead").done("4")
    period = told(made.act("finished", run="P-03-1", left=[]).act("handed_back"))
    assert [(one.kind, one.text) for one in period.deviations] == [("went_past", "3: telephone dead")]


def test_a_second_person_that_was_gone_past_with_a_reason_is_told_once():
    rows = [{"what": "second_person", "step": "2"}, {"what": "second_person", "step": [3]}]
    made = Maker().act("declared", sites=["G"]).start().done("1").done("3", kind="goto", text="alone", passed=rows)
    assert kinds(told(made.done("3").act("finished", run="P-03-1", left=[]).act("handed_back"))) == ["went_past"]
    del made.lines[3]["passed"]
    assert kinds(told(made)) == ["verifying_passed"]


def test_a_concentration_below_zero_that_counts_as_out_of_limits_contradicts_nothing():
    made = Maker().act("declared", sites=["G"]).start()
    period = told(made.read("-50", name="H2S", unit="ppm", limits=(None, "5"), within=False))
    assert not period.doubts


def test_where_the_text_itself_sends_past_a_hold_nothing_is_gone_past_and_each_round_needs_its_release():
    made = Maker().act("declared", sites=["G"]).start(source=HELD).done("1").act("verified", run="P-03-1", step="2")
    assert kinds(told(made.done("2").done("4", kind="goto").done("4").act("finished", run="P-03-1", left=[]))) == []
    made = Maker().act("declared", sites=["G"]).start(source=HELD.replace(" once ", " ")).done("1")
    made.act("verified", run="P-03-1", step="2").done("2").act("released", run="P-03-1", step="3").done("3").done("4")
    made.act("round", run="P-03-1", repeat=0).done("3").act("finished", run="P-03-1", left=[])
    assert kinds(told(made)) == ["not_released"]


def test_a_second_person_that_was_gone_past_is_a_deviation():
    made = Maker().act("declared", sites=["G"]).start().done("1").done("3", kind="goto").done("3")
    period = told(made.act("finished", run="P-03-1", left=[]).act("handed_back"))
    assert [(one.kind, one.text) for one in period.deviations] == [("verifying_passed", "2")]


@pytest.mark.parametrize("walked", [False, True])
def test_a_first_round_that_came_late_and_rounds_that_never_came_are_deviations(walked):
    source = SOURCE.replace("{round_every=15 min} for 2 h, then every\n           60 min", "5 min")
    made = Maker().act("declared", sites=["G"]).start(source=source)
    made.done("1").act("verified", run="P-03-1", step="2", verified_by="maintenance").done("2")
    if walked:
        made.done("3").done("4")
    made.wait(200 * 60).act("round", run="P-03-1", repeat=0).wait(6 * 3_600)
    period = told(made.act("finished", run="P-03-1", left=[]).act("handed_back"))
    assert [(one.kind, one.step, one.text) for one in period.deviations] == [
        ("late", "3", "196" if walked else "195"), ("missed", "3", "71")]  # fmt: skip


def test_rounds_are_missed_until_the_end_of_the_period_and_not_once_they_are_over_or_the_rhythm_is_slower():
    made = Maker().act("declared", sites=["G"]).start().done("1").act("verified", run="P-03-1", step="2").done("2")
    made.wait(6 * 3_600).act("handed_back")
    assert [(one.kind, one.text) for one in told(made).deviations if one.kind != "not_ended"] == [("missed", "11")]
    made = Maker().act("declared", sites=["G"]).start().done("1").act("verified", run="P-03-1", step="2").done("2")
    made.act("repeat_over", run="P-03-1", repeat=0).wait(6 * 3_600).act("finished", run="P-03-1", left=[])
    assert kinds(told(made.act("handed_back"))) == []


HOLDING = SOURCE.replace(
    "[ ] 4  Start the pump.", "HOLD       shift_lead   Releases the start.\n[ ] 4  Start the pump."
)


def freed(made, by="shift_lead"):
    return made.act("released", procedure="P-03", run="P-03-1", step="4", released_by=by)


@pytest.mark.parametrize(("acts", "n"), [
    (lambda made: freed(made).done("4"), None),
    (lambda made: freed(made, "duty_manager").done("4"), None),
    (lambda made: made.done("4", kind="not_met"), None),
    (lambda made: made.done("4"), 3),
    (lambda made: freed(made, "operator").done("4"), 3),
], ids=["released", "by the stand-in", "not met", "never", "by another role"])  # fmt: skip
def test_what_was_done_at_a_hold_that_its_role_had_not_released_is_doubted(acts, n):
    period = told(acts(Maker().act("declared", sites=["G"]).start(source=HOLDING)).act("handed_back"))
    assert [one.n for one in period.doubts if one.word == "held"] == ([n] if n else [])
    assert ("held" in rows(period)[0]["data"]["doubts"]) is bool(n)


def test_what_the_fallback_itself_has_written_has_kept_its_holds():
    raw = (GOLDEN / "journal.jsonl").read_bytes()
    assert b'"kind":"released"' in raw
    assert "held" not in words(told(raw))
    assert "held" in words(told(raw.replace(b'"released_by":"shift_lead"', b'"released_by":"operator"')))


# the fallback and the import read one journal alike

WALKED = next(json.loads(line)["source"] for line in (GOLDEN / "journal.jsonl").read_text().splitlines()
              if '"source"' in line)  # fmt: skip


def undone(lines, line, **more):
    """Two readings of one number, and an undo of it."""
    first, begun, one, two, _note, end = lines
    return [first, begun, one, two | {"n": 3}, line | {"n": 5, "kind": "undo", "undoes": 3, **more}, end]


def mark(line):
    return hashlib.sha256(json.dumps(line).encode()).hexdigest()[:16]


ODD = {
    "drill is null": lambda lines: [line | {"drill": None} for line in lines],
    "drill is a number": lambda lines: [line | {"drill": 0} for line in lines],
    "one line is of a drill": lambda lines: [*lines[:2], lines[2] | {"drill": True}, *lines[3:]],
    "the end is of a drill": lambda lines: [*lines[:-1], lines[-1] | {"drill": True}],
    "true is taken back": lambda lines: [*lines[:-1], lines[-2] | {"kind": "undo", "undoes": True}],
    "the declaration is taken back": lambda lines: [*lines[:-1], lines[-2] | {"kind": "undo", "undoes": 1, "n": 50}],
    "a list is taken back": lambda lines: [*lines[:-1], lines[-2] | {"kind": "undo", "undoes": [1]}],
    "of another format": lambda lines: [line | {"format": 2} for line in lines],
    "one line of another format": lambda lines: [*lines[:-1], lines[-1] | {"format": 2}],
    "a number that is too large": lambda lines: [*lines[:-1], lines[-1] | {"n": 1_000_001}],
    "the largest number": lambda lines: [*lines[:-1], lines[-1] | {"n": 1_000_000}],
    "a number that is true": lambda lines: [*lines[:-1], lines[-1] | {"n": True}],
    "a kind with a blank": lambda lines: [*lines[:-1], lines[-1] | {"kind": "handed_back "}],
    "a kind that is long": lambda lines: [*lines[:-1], lines[-1] | {"kind": "x" * 60}],
    "one number twice": lambda lines: [*lines[:-1], lines[-1] | {"n": 4}],
    "one line twice": lambda lines: [*lines, lines[1]],
    "not a number": lambda lines: [*lines[:-1], lines[-1] | {"mono_s": float("nan")}],
    "a line that is too long": lambda lines: [*lines[:-1], lines[-1] | {"text": "x" * 2_000_001}],
    "a line that is long": lambda lines: [*lines[:-1], lines[-1] | {"text": "x" * 1_500_000}],
    "an undo of two of one number": lambda lines: undone(lines, lines[2], undoes_mark=mark(lines[2])),
    "an undo without a mark, of two of one number": lambda lines: undone(lines, lines[2]),
    "an undo of no entry": lambda lines: undone(lines, lines[2], undoes_mark="0123456789abcdef"),
    "an undo whose mark is a list": lambda lines: undone(lines, lines[2], undoes_mark=[mark(lines[2])]),
    "an undo whose mark is null": lambda lines: undone(lines, lines[2], undoes_mark=None),
    "an undo of another run": lambda lines: undone(lines, lines[2], run="P-04-1"),
    "an undo of a drill": lambda lines: undone(lines, lines[2], drill=True),
    "an undo before what it takes back": lambda lines: undone(lines, lines[2], n=2),
    "an undo of the end": lambda lines: [*lines, lines[-1] | {"n": 7, "kind": "undo", "undoes": 6}],
    "an undo of an undo": lambda lines: [*undone(lines, lines[2]), lines[2] | {"n": 9, "kind": "undo", "undoes": 5}],
    "a number behind a hole": lambda lines: [*lines[:-1], lines[-1] | {"n": 10_006}],
    "a number before a hole": lambda lines: [*lines[:-1], lines[-1] | {"n": 10_005}],
    "another end": lambda lines: [*lines[:-2], lines[-1] | {"kind": "closed", "n": 3}, *lines[-2:]],
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_the_fallback_and_the_import_read_one_journal_alike(odd, tmp_path):
    made = Maker().act("declared", sites=["G"]).start(source=WALKED).read("1.2", name="level", step="1")
    made.read("1.3", name="level", step="1").act("note", text="x").act("handed_back")
    raw = b"".join(json.dumps(line).encode() + b"\n" for line in ODD[odd](made.lines))
    (tmp_path / "x.jsonl").write_bytes(raw)
    theirs = replay("x", lines := Journal(tmp_path, "x.jsonl", tmp_path / "none").lines())
    try:
        ours = told(raw)
    except UserError:
        assert not lines
        return
    assert sorted(line.n for line in (*ours.journal.lines, *ours.journal.aside)) == [line["n"] for line in lines]
    assert (ours.drill, bool(ours.declared), bool(ours.ended)) == (theirs.drill, theirs.declared, theirs.ended)
    taken = [reading.value for run in theirs.runs.values() for reading in run.readings]
    assert [one.value for one in ours.readings if not one.taken_back] == taken
    assert ours.journal.torn == read_lines(tmp_path / "x.jsonl")[1]


def test_both_have_the_same_limits():
    names = ("FORMAT", "N_LIMIT", "LINE_LIMIT", "HOLE")
    assert [getattr(journal, name) for name in names] == [getattr(theirs_journal, name) for name in names]
    assert journal.LIMIT == theirs_journal.FILE_LIMIT


def test_what_nobody_reads_of_an_entry_is_not_held():
    made = a_night()
    made.lines[1] |= {"z": [{}] * 50_000, "text": "x" * 9_000, "sites": ["y"] * 9_000, "values": {"a": {"b": {"c": 1}}}}
    held = told(made).journal.lines[1].data
    assert "z" not in held
    assert (len(held["text"]), len(held["sites"]), held["values"]) == (2_000, 400, {"a": {"b": None}})
    many = b"".join(b'{"n":%d,"kind":"note","drill":false}\n' % n for n in range(1, journal.ENTRIES + 2))
    with pytest.raises(UserError, match="has more entries than a journal can have"):
        told(many)


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
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
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
    try:
        period = told(raw)
    except UserError:  # every line says something else than drill or not
        assert all(not isinstance(line["drill"], bool) for line in made.lines)
        return
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
