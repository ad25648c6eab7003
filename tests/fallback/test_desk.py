"""What a person does at the desk beside the steps of a run: seeing, verifying, handing over, entering from paper."""

import json
from dataclasses import replace

import pytest

from fallback_procedures.board import run_title
from fallback_procedures.desk import desk
from fallback_procedures.journal import entry_of, read_lines
from fallback_procedures.open_period import Refused
from fallback_procedures.procedure import parse
from fallback_procedures.replay import replay
from fallback_procedures.sheet import read_sheet
from fallback_procedures.triggers import Now

from .conftest import GOLDEN, SHEET

BOOT = "5f4c2a52-6f0e-4c7e-9d35-0d7b3a1c9e11"
RIVERSIDE = read_sheet(SHEET + "tag_p03_1 = R-WW.level\n")
UNEQUAL = read_sheet(SHEET + "tag_p03_1 = R-WW.level\nfull_load_current [P2] = 8.0 A\n")
P03 = parse((GOLDEN / "procedures" / "2_readings_and_branches.txt").read_bytes())[0]
TEXT = (GOLDEN / "procedures" / "2_readings_and_branches.txt").read_text()
CHECKED = parse(TEXT.replace("       Expect: amber lamp lit, check valve arm moves.\n",
                             "       Second person: compares the pump number with the label.\n")
                .replace("=9.5 A}\n", "=9.5 A}\n       Timer: 30 s\n"))[0]  # fmt: skip


def at(seconds: float, boot: str = BOOT) -> Now:
    return Now(1_795_396_300.0 + seconds, 70_000.0 + seconds, boot)


@pytest.fixture
def here(tmp_path):
    return desk(tmp_path / "journal", at(0), "operator", False)


@pytest.fixture
def declared(here):
    here.declare(at(1), "all agree", ("R",))
    return here


def a_night(here):
    """A real period in which every kind of entry occurs that a real period can have."""
    here.seen(at(0), "overflow", "R", "water at the hatch")
    here.role = "shift_lead"
    here.declare(at(60), "panel, SCADA and telephone agree: control lost", ("R",))
    here.role = "operator"
    run = here.start(at(142), CHECKED, UNEQUAL, "R")
    here.read(at(180), run, "2,31")
    here.done(at(190), run, "second reading follows")
    here.verify(at(230), run, "maintenance")
    here.done(at(240), run)
    here.timer(at(241), run)
    here.read(at(280), run, "8.7", asset="p2")
    here.undo(at(282), run)
    here.read(at(284), run, "7.8", asset="1")
    here.done(at(290), run)
    here.not_met(at(300), run)
    here.again(at(960), run)
    here.read(at(970), run, "1.44")
    here.done(at(975), run)
    here.not_applicable(at(980), run, "already running")
    here.go_to(at(990), run, "4")
    here.release(at(1000), run, "shift_lead")
    here.done(at(1010), run)
    here.note(at(1020), "gauge glass cleaned", run)
    here.stable(at(1500), "level falls")
    here.over(at(1600), "overflow", "R")
    here.hand_over(at(14_400), "operator", "pump 2 stays locked")
    here.until_met(at(14_990), run)
    here.finish(at(15_000), run)
    here.transcribe(at(15_100), at(300).wall_s, at(310).wall_s, run_id=run, step="1", name="wet well level",
                    value="2,05", text="from form F1, sheet 1")  # fmt: skip
    here.role = "shift_lead"
    here.hand_back(at(15_800), "the daemon has been started anew", "operator", ["handwheel has answered for 5 min"])
    return here


def a_drill(here):
    """A drill from its first entry to its record."""
    run = here.start(at(0), P03, RIVERSIDE, "R")
    here.read(at(60), run, "1.2")
    here.done(at(70), run)
    here.stable(at(720))
    gap = {"where": "P-03 step 2", "gap": "key 14 was not in its place", "change": "key board", "role": "maintenance"}
    here.record_drill(at(900), "R", "level control lost", [gap])
    here.close(at(910))
    return here


@pytest.mark.parametrize(("acts", "drill", "name"), [(a_night, False, "journal.jsonl"),
                                                     (a_drill, True, "journal_drill.jsonl")])  # fmt: skip
def test_the_golden_journals_are_what_is_written_byte_by_byte(tmp_path, acts, drill, name):
    here = desk(tmp_path / "journal", at(0), "operator", drill)
    acts(here)
    assert here.journal.path.read_text() == (GOLDEN / name).read_text()


def test_the_golden_journals_hold_every_kind_of_entry():
    kinds = [line["kind"] for name in ("journal.jsonl", "journal_drill.jsonl") for line in read_lines(GOLDEN / name)[0]]
    assert set(kinds) == {
        "opened", "declared", "started", "reading", "done", "not_applicable", "not_met", "verified", "timer", "undo",
        "round", "repeat_over", "goto", "released", "note", "stable", "seen", "seen_over", "handed_over", "finished",
        "paper", "handed_back", "closed", "drill_record"}  # fmt: skip
    night = replay("golden", read_lines(GOLDEN / "journal.jsonl")[0])
    assert (night.declared, night.ended, night.sites, night.events) == (True, True, ("R",), ())
    assert night.minutes_to_stable() == 24.0


def test_what_a_person_has_seen_stands_until_it_is_over(here):
    here.seen(at(1), "chlorine_gas", "N", "smell at the door")
    here.seen(at(9), "chlorine_gas", "N", "stronger")
    here.seen(at(10), "mains_lost")
    events = here.period().events
    assert [(one.event, one.site, one.line["n"]) for one in events] == [("chlorine_gas", "N", 2), ("mains_lost", "", 4)]
    with pytest.raises(Refused, match="nobody has said"):
        here.over(at(11), "chlorine_gas", "R")
    here.over(at(12), "chlorine_gas", "N")
    assert [one.event for one in here.period().events] == ["mains_lost"]
    here.undo(at(13))
    assert [one.event for one in here.period().events] == ["chlorine_gas", "mains_lost"]


def test_a_second_person_verifies_after_the_reading_and_before_done_and_anew_each_time(declared):
    run = declared.start(at(2), CHECKED, RIVERSIDE, "R")
    with pytest.raises(Refused, match="nothing to verify"):
        declared.verify(at(3), run, "maintenance")
    declared.read(at(4), run, "1.0")
    declared.done(at(5), run)
    with pytest.raises(Refused, match="second person must verify step 2"):
        declared.done(at(6), run)
    with pytest.raises(Refused, match="a role is needed"):
        declared.verify(at(6), run, "somebody")
    declared.verify(at(7), run, "operator")
    declared.done(at(8), run)
    declared.go_to(at(9), run, "2")
    with pytest.raises(Refused, match="second person must verify step 2"):
        declared.done(at(10), run)


def test_a_reading_taken_again_must_be_verified_again(declared):
    both = TEXT.replace("GO TO step 4.\n[ ] 2", "GO TO step 4.\n       Second person: reads it too.\n[ ] 2")
    run = declared.start(at(2), parse(both)[0], RIVERSIDE, "R")
    with pytest.raises(Refused, match="first the reading"):
        declared.verify(at(3), run, "maintenance")
    declared.read(at(4), run, "1.0")
    declared.verify(at(5), run, "maintenance")
    declared.read(at(6), run, "1.9")
    assert declared.period().runs[run].needs_verifying()


def test_a_condition_that_is_not_met_needs_neither_reason_nor_release(declared):
    run = declared.start(at(2), P03, RIVERSIDE, "R")
    with pytest.raises(Refused, match="no IF"):
        declared.not_met(at(3), run)
    declared.go_to(at(4), run, "4")
    assert declared.period().runs[run].waiting_for() == "shift_lead"
    declared.not_met(at(5), run)
    after = declared.period().runs[run]
    assert (after.marks["4"].kind, after.cursor) == ("not_met", "")


def test_the_duty_manager_stands_in_for_a_shift_lead_who_does_not_answer(declared):
    run = declared.start(at(2), P03, RIVERSIDE, "R")
    declared.go_to(at(3), run, "4")
    for other in ("operator", "electrician", "security"):
        with pytest.raises(Refused, match="only shift lead"):
            declared.release(at(4), run, other)
    assert declared.release(at(5), run, "duty_manager")["released_by"] == "duty_manager"
    assert declared.period().runs[run].waiting_for() is None


def test_going_back_brings_every_step_from_there_on_again_and_its_hold_too(declared):
    run = declared.start(at(2), P03, RIVERSIDE, "R")
    declared.read(at(3), run, "1.0")
    declared.done(at(4), run)
    declared.done(at(5), run)
    declared.go_to(at(6), run, "4")
    declared.release(at(7), run, "shift_lead")
    declared.done(at(8), run)
    declared.go_to(at(9), run, "2")
    assert set(declared.period().runs[run].marks) == {"1"}
    declared.done(at(10), run)
    declared.read(at(11), run, "5")
    declared.done(at(12), run)
    assert declared.period().runs[run].waiting_for() == "shift_lead"


def test_stable_is_said_once_and_counted_from_the_declaration_or_the_start_of_the_drill(here, tmp_path):
    with pytest.raises(Refused, match="not declared"):
        here.stable(at(1))
    here.note(at(2), "first look")
    here.declare(at(100), "all agree")
    assert here.period().minutes_to_stable() is None
    here.stable(at(700))
    assert here.period().minutes_to_stable() == 10.0
    with pytest.raises(Refused, match="already"):
        here.stable(at(800))
    drill = desk(tmp_path / "drill", at(0), "operator", True)
    drill.note(at(40), "begin")
    drill.declare(at(100), "all agree")
    drill.stable(at(700))
    assert drill.period().minutes_to_stable() == 11.0


def test_the_role_that_takes_over_goes_on_at_the_desk(declared):
    declared.hand_over(at(2), "maintenance", "pump 2 stays locked")
    assert declared.note(at(3), "taken")["role"] == "maintenance"
    assert declared.period().shift["to"] == "maintenance"


def test_a_line_from_paper_keeps_three_times_in_their_order(declared):
    run = declared.start(at(2), P03, RIVERSIDE, "R")
    more = {"run_id": run, "step": "1", "name": "wet well level", "value": "2,31"}
    for occurred, recorded in ((50, 40), (40, 90), (-1e10, 40)):
        with pytest.raises(Refused, match="the order is"):
            declared.transcribe(at(60), at(occurred).wall_s, at(recorded).wall_s, **more)
    line = declared.transcribe(at(60), at(40).wall_s, at(50).wall_s, **more)
    assert (line["value"], line["unit"], line["in_limits"], line["procedure"]) == ("2.31", "m", False, "P-03")
    assert line["occurred"] < line["recorded"] < line["at"]
    assert declared.period().runs[run].readings == ()
    with pytest.raises(Refused, match="number"):
        declared.transcribe(at(60), at(40).wall_s, at(50).wall_s, **{**more, "value": "two"})
    with pytest.raises(Refused, match="says something"):
        declared.transcribe(at(60), at(40).wall_s, at(50).wall_s)


def test_a_drill_record_is_for_drills_and_names_the_next_date(declared, tmp_path):
    with pytest.raises(Refused, match="only a drill"):
        declared.record_drill(at(5), "R", "x", [])
    a_drill(desk(tmp_path / "other", at(0), "operator", True))
    record = next(line for path in (tmp_path / "other").iterdir() for line in read_lines(path)[0]
                  if line["kind"] == "drill_record")  # fmt: skip
    assert (record["minutes"], record["procedures"], record["next_due"]) == (12.0, ["P-03"], "2027-11-23")


def test_conditions_that_are_not_met_are_kept_with_the_reason(declared):
    with pytest.raises(Refused, match="with a reason only"):
        declared.hand_back(at(5), "", "operator", ["telemetry is fresh"])
    line = declared.hand_back(at(6), "visited the site", "operator", ["telemetry is fresh"])
    assert (line["unmet"], line["text"], line["second_role"]) == (
        ["telemetry is fresh"],
        "visited the site",
        "operator",
    )


def test_after_another_terminal_has_handed_back_this_one_writes_nothing_into_the_ended_period(declared, tmp_path):
    run = declared.start(at(2), P03, RIVERSIDE, "R")
    other = desk(tmp_path / "journal", at(3), "operator", False)
    other.hand_back(at(4))
    with pytest.raises(Refused, match="not open"):
        declared.finish(at(5), run)
    ended = other.journal.path.read_bytes()
    declared.note(at(6), "a new period")
    assert other.journal.path.read_bytes() == ended
    assert [line["n"] for line in declared.period().entries] == [1]


def test_an_entry_of_an_unknown_kind_or_with_wrong_types_breaks_no_reader():
    lines = read_lines(GOLDEN / "journal.jsonl")[0]
    wrong = {"run": "P-03-1", "sites": 7, "undoes": [1], "values": [], "tags": 3, "repeat": "x", "step": {"a": 1},
             "in_limits": "no", "mono_s": "late", "at": None}  # fmt: skip
    kinds = [*sorted({line["kind"] for line in lines} - {"handed_back"}), "future"]
    strange = [entry_of({"kind": kind, "n": 1000 + count, **wrong})[1] for count, kind in enumerate(kinds)]
    period = replay("strange", [*lines, *strange])
    assert len(period.entries) == len(lines) + len(strange)
    assert json.loads(json.dumps(period.entries[-1])) == strange[-1]
    assert period.due(*(1.0, 1.0, "x")) == []


def test_a_draft_can_be_run_and_its_state_is_kept_with_the_run_and_said_at_each_step(declared):
    draft = parse(TEXT.replace("APPROVED by engineer on 2026-09-02", "DRAFT"))[0]
    run = declared.start(at(2), draft, RIVERSIDE, "R")
    assert declared.period().entries[-1]["status"] == "DRAFT"
    said = "DRAFT: a plant expert must approve it before use"
    assert said in run_title(declared.period().runs[run], 80)


@pytest.mark.parametrize("drill", [False, True])
def test_only_a_drill_runs_what_is_not_reviewed_or_lacks_a_safety_value(tmp_path, drill):
    here = desk(tmp_path, at(0), "operator", drill)
    here.declare(at(1), "all agree")
    german = parse((GOLDEN / "procedures" / "4_deutsch.txt").read_bytes())[0]
    for procedure, sheet, why in ((german, RIVERSIDE, "not yet reviewed"), (P03, read_sheet(""), "DO NOT USE")):
        if drill:
            here.start(at(2), procedure, sheet, "R")
            assert here.period().entries[-1]["drill"] is True
        else:
            with pytest.raises(Refused, match=why):
                here.start(at(2), procedure, sheet, "R")


def test_escapes_in_a_journal_reach_no_screen():
    evil = "\x1b[2J\u202e"
    lines = [{"format": 1, "n": 1, "kind": "declared", "role": evil, "sites": [evil], "at": evil},
             {"format": 1, "n": 2, "kind": "seen", "role": evil, "event": evil, "site": evil, "text": evil},
             {"format": 1, "n": 3, "kind": "started", "run": evil, "site": evil, "source": TEXT, "values": {"a": evil}},
             {"format": 1, "n": 4, "kind": "reading", "run": evil, "name": evil, "value": evil, "unit": evil},
             {"format": 1, "n": 5, "kind": "done", "run": evil, "step": "1", "role": evil, "text": evil}]  # fmt: skip
    lines = [entry_of(line)[1] for line in lines]
    told = replace(replay("x", lines), entries=(), since={}, events=(), lost={})
    assert replay("x", lines).sites == ("·[2J·",)
    assert replay("x", lines).events[0].site == "·[2J·"
    told = replace(told, runs={key: replace(run, started={}, entered={}, last={}) for key, run in told.runs.items()})
    assert "\x1b" not in repr(told) and "\\x1b" not in repr(told) and "202e" not in repr(told)


def test_a_repeat_whose_end_has_come_falls_due_no_more_until_a_round_of_it_is_begun_or_it_is_taken_back(declared):
    run = declared.start(at(10), CHECKED, RIVERSIDE, "R")
    declared.again(at(20), run)

    def due(seconds):
        return [one.step for one in declared.period().due(at(seconds).wall_s, at(seconds).up_s, BOOT)]

    assert "1" in due(30)
    declared.until_met(at(40), run)
    assert "1" not in due(50)
    declared.undo(at(60), run)
    assert "1" in due(70)
    declared.until_met(at(80), run)
    declared.again(at(90), run)
    assert "1" in due(100)
    with pytest.raises(Refused):
        declared.until_met(at(110), run, 7)
