"""The parser: what it understands, what it refuses and where; that it never takes half a procedure for a whole one."""

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallback_procedures.desk import desk
from fallback_procedures.judging import judged
from fallback_procedures.library import load
from fallback_procedures.lint import findings, known
from fallback_procedures.open_period import Refused
from fallback_procedures.paper import content
from fallback_procedures.procedure import CONDITIONS, EVENTS, KEYWORDS, PARTS, SIZE_LIMIT, Span, parse
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.sheet_lint import disagreements
from fallback_procedures.textpage import text_pages
from fallback_procedures.triggers import Now
from fallback_procedures.words import RELEASERS

from .mutations import accounted_for, mutated

GOLDEN = Path(__file__).parents[1] / "golden" / "procedures"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
WHOLE = [name for name, told in EXPECTED.items() if not told["faults"]]
LIBRARY = sorted((Path(__file__).parents[2] / "fallback_procedures" / "library").rglob("*.txt"))


def changed(text: str, old: str, new: str) -> list[tuple[int, str]]:
    assert old in text
    procedure, faults = parse(text.replace(old, new, 1))
    assert procedure is None
    return [(fault.line, fault.text) for fault in faults]


@pytest.fixture
def branches() -> str:
    return (GOLDEN / "2_readings_and_branches.txt").read_text()


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_samples_say_what_they_are_or_where_they_are_wrong(name):
    procedure, faults = parse((GOLDEN / name).read_bytes())
    told = EXPECTED[name]
    assert [fault.line for fault in faults] == told["faults"]
    if procedure:
        assert {
            "id": procedure.id, "title": procedure.title, "revision": procedure.revision,
            "effective": procedure.effective, "approved": procedure.approved,
            "applies": [one.text for one in procedure.applies], "steps": [step.number for step in procedure.steps],
            "forms": list(procedure.forms), "faults": [],
        } == told  # fmt: skip


def test_readings_limits_holds_repeats_and_branches_are_understood(branches):
    procedure = parse(branches)[0]
    level, start, current, second = procedure.steps
    assert (level.readings[0].unit, level.readings[0].safety, level.readings[0].low.value) == ("m", True, "stop_level")
    assert [notice.kind for notice in level.notices] == ["DANGER", "CAUTION"]
    assert level.targets[0].step == "4"
    assert start.expect.startswith("amber lamp")
    assert current.readings[0].high.default == "9.5 A"
    assert second.holds[0].role == "shift_lead"
    assert second.branch.condition == "the level still rises"
    assert (procedure.repeats[0].first, procedure.repeats[0].every.s) == ("1", 900)
    assert procedure.moves_the_plant


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[ ] 2  Start", "[ ] 5  Start", 18),
        ("Reading: wet well level ________ m", "Readng: wet well level ________ m", 16),
        ("safety limits {stop_level}", "safety limits {stop level}", 16),
        ("{full_load_current=9.5 A}", "{full_load_current=9.5 V}", 22),
        ("{full_load_current=9.5 A}", "{full_load_current=nine A}", 22),
        ("GO TO step 4.", "GO TO step four.", 17),
        ("IF the level", "If the level", 24),
        ("HOLD       shift_lead", "HOLD       boss", 23),
        ("every 15 min", "every now and then", 25),
        ("for 60 s", "for a while", 10),
        ("site_type=lift_station for", "site_type=lift_statoin for", 10),
        ("REVIEW BY  2027-09-02", "REVIEW BY  2027-02-30", 5),
        ("STATUS     APPROVED by engineer on", "STATUS     APPROVED by engineer", 3),
        ("DANGER     The", "DANGFR     The", 13),
        ("\nEND        P-03", "", 29),
        ("END        P-03", "END        P-04", 30),
        ("FORMS      F1, F3", "FORMS      F1 F3", 29),
        ("when level control is lost.", "when level\x1b[2J control is lost.", 7),
        ("when level control is lost.", "when level\u202e control is lost.", 7),
    ],
)  # fmt: skip
def test_each_fault_names_its_line(branches, old, new, line):
    assert line in [at for at, _text in changed(branches, old, new)]


def test_two_lines_run_together_are_not_taken_for_one(branches):
    assert changed(branches, "panel.\n       Expect:", "panel.       Expect:")
    assert changed(branches, "alarm stands.\nAPPLIES", "alarm stands.  APPLIES")


def test_a_file_cut_short_anywhere_is_refused(branches):
    last = branches.index("END        P-03") + len("END        P-03")
    for length in range(last):
        assert parse(branches[:length])[0] is None


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(branches):
    assert parse("\ufeff".encode() + branches.replace("\n", "\r\n").encode())[0] == parse(branches)[0]


def test_a_file_that_is_no_text_or_too_long_names_the_line():
    assert [fault.line for fault in parse(b"PROCEDURE  P-01  x\nOWNER \xff\n")[1]] == [2]
    assert "200000" in parse(b"a" * (SIZE_LIMIT + 1))[1][0].text


def test_a_form_has_page_lines_and_no_steps():
    text = "FORM       F1  Log\nREVISION   1   2026-11-01\nSTATUS     DRAFT\nOWNER      operations\n" \
           "REVIEW BY  2027-11-01\nPURPOSE    To write on.\n\n| time | value\n|\nEND        F1\n"  # fmt: skip
    form = parse(text)[0]
    assert (form.kind, form.page) == ("form", ("time | value", ""))
    assert changed(text, "|\nEND", "[ ] 1  Stop the pump.\nEND") == [(9, "[ ] does not stand in a FORM")]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_nothing_makes_the_parser_crash(source):
    procedure, faults = parse(source)
    assert (procedure is None) == bool(faults)


LINES = sorted({line for path in LIBRARY for line in path.read_text().split("\n")})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=60)), max_size=40))
def test_lines_of_many_procedures_thrown_together_are_never_half_understood(lines):
    accounted_for("\n".join(lines).encode("utf-8", "surrogatepass"))


def test_five_hundred_damaged_files_are_refused_or_every_item_of_them_is_accounted_for():
    draw = random.Random(7)
    for path in LIBRARY:
        assert accounted_for(path.read_bytes())
    for turn in range(500):
        accounted_for(mutated(LIBRARY[turn % len(LIBRARY)].read_bytes(), draw))


EXTENDED = """PROCEDURE  P-07  Dosing by hand
REVISION   1   2026-11-23
STATUS     DRAFT
OWNER      operations
REVIEW BY  2027-11-23
PURPOSE    Keeps the residual in its band.
WHEN       CONTROL LOST is declared, or somebody sees that a barrier is lost.
APPLIES    control_lost site_type=waterworks
APPLIES    seen barrier_lost site_type=waterworks
NEEDS      Two persons.

[ ] 1  Wait for the water to reach the tap.
       Timer: {transport_time=30 min}
HOLD       water_quality once  Releases the rounds.
[ ] 2  Read the residual.
       Reading: free chlorine ________ mg/l   safety limits {residual_min} to {residual_max}
       If not: change the feed by one step. GO TO step 1.
       If twice: stop dosing, call water quality. GO TO step 3.
REPEAT     step 2 every {round_every=15 min} for 2 h, then every 60 min until P-18 has ended.
[ ] 3  Record the round on form F1.

HAND BACK  GO TO P-18.
FORMS      F1
END        P-07
"""


def test_site_times_second_rhythms_second_times_out_and_other_releasers_are_understood():
    procedure, faults = parse(EXTENDED)
    assert faults == ()
    wait, read, _record = procedure.steps
    assert wait.timer == Span(0, "transport_time", "30 min")
    assert read.if_twice == "stop dosing, call water quality. GO TO step 3."
    assert [target.step for target in read.targets] == ["1", "3"]
    assert (read.holds[0].role, read.holds[0].once, read.holds[0].text) == (
        "water_quality", True, "Releases the rounds.")  # fmt: skip
    repeat = procedure.repeats[0]
    assert (repeat.first, repeat.last) == ("2", "2")
    assert (repeat.every, repeat.for_s, repeat.then) == (Span(0, "round_every", "15 min"), 7200, Span(3600))
    assert [(one.condition, one.event, one.site_type) for one in procedure.applies] == [
        ("control_lost", "", "waterworks"), ("seen", "barrier_lost", "waterworks")]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("seen barrier_lost", "seen barrier_gone", 9),
        ("seen barrier_lost", "seen", 9),
        ("seen barrier_lost site_type=waterworks", "seen barrier_lost for 60 s", 9),
        ("{transport_time=30 min}", "{transport_time=30 m}", 13),
        ("{transport_time=30 min}", "0 s", 13),
        ("Timer: {transport_time=30 min}", "Timer: soon", 13),
        ("water_quality once", "water_qality once", 14),
        ("GO TO step 3.", "GO TO step 7.", 18),
        ("Releases the rounds.", "Releases the rounds, else GO TO step 9.", 14),
        ("call water quality.", "go to water quality.", 18),
        ("REPEAT     step 2 every", "REPEAT     steps 2 to 2 to 3 every", 19),
        ("REPEAT     step 2 every", "REPEAT     steps 2 every", 19),
        ("REPEAT     step 2 every", "REPEAT     steps 3 to 2 every", 19),
        ("for 2 h, then every 60 min until", "for 2 h until", 19),
        ("15 min} for 2 h, then", "15 min} then", 19),
        ("every {round_every=15 min} for 2 h", "every 30 min for 10 min", 19),
    ],
)
def test_each_fault_of_the_newer_parts_names_its_line(old, new, line):
    assert line in [at for at, _text in changed(EXTENDED, old, new)]


NORTHGATE = read_sheet("SHEET  site N  Northgate\nTYPE  waterworks\nAPPROVED  engineer  2026-11-01\n"
                       "residual_min = 0.2 mg/l\nresidual_max = 0.6 mg/l\ntransport_time = 25 min\n")  # fmt: skip


def at(seconds: float) -> Now:
    return Now(1_795_400_000.0 + seconds, 70_000.0 + seconds, "boot")


def test_on_the_page_a_repeat_is_told_where_it_begins_and_site_times_say_whose_they_are():
    page = content(parse(EXTENDED)[0], NORTHGATE, 1_795_400_000.0)
    text = " ".join("\n".join(text_pages(page)).split())
    told = "REPEAT step 2 every 15 min (DEFAULT, NOT YOUR SITE) for 2 h, then every 1 h"
    assert text.count(told) == 2
    assert text.index(told) < text.index("( ) 2 ") < text.rindex(told)
    for said in ("Timer: 25 min from __:__ to __:__", "If twice: stop dosing", "HOLD (water quality, once per run)"):
        assert said in text
    assert "Timer: 30 min (DEFAULT, NOT YOUR SITE)" in "\n".join(text_pages(content(parse(EXTENDED)[0], Sheet(), 0.0)))
    bare = parse(EXTENDED.replace("{transport_time=30 min}", "{transport_time}"))[0]
    assert "Timer: ____ (SITE VALUE MISSING: transport_time)" in "\n".join(text_pages(content(bare, Sheet(), 0.0)))


def clocks(now):
    return now.wall_s, now.up_s, now.boot_id


def test_the_second_rhythm_and_a_hold_once_hold_over_the_rounds(tmp_path):
    here = desk(tmp_path, at(0), "operator", False)
    here.declare(at(0), "all agree")
    run = here.start(at(0), parse(EXTENDED)[0], NORTHGATE, "N")
    here.timer(at(0), run)
    assert [(one.step, one.in_s) for one in here.period().due(*clocks(at(10)))] == [("1", 1490)]
    here.done(at(1500), run)
    here.release(at(1500), run, "water_quality")
    here.read(at(1500), run, "0.3")
    here.done(at(1500), run)
    for second, every_s in ((2400, 900), (8600, 900), (8700, 3600), (12_300, 3600)):
        here.again(at(second), run)
        assert here.period().runs[run].waiting_for() is None
        due = here.period().due(*clocks(at(second)))
        assert [(one.text, one.in_s) for one in due] == [("step 2 again", every_s)]


def test_a_reading_out_of_limits_twice_shows_if_twice_in_place_of_the_general_order(tmp_path):
    here = desk(tmp_path, at(0), "operator", True)
    run = here.start(at(0), parse(EXTENDED)[0], NORTHGATE, "N")
    here.done(at(1), run, "the water stands at the tap")
    here.release(at(2), run, "water_quality")
    first = here.read(at(3), run, "0.1")
    assert judged(first, here.period().runs[run])[1:] == ["If not: change the feed by one step. GO TO step 1."]
    second = here.read(at(4), run, "0.1", "free chlorine")
    assert judged(second, here.period().runs[run])[1:] == [
        "If twice: stop dosing, call water quality. GO TO step 3."]  # fmt: skip


def test_a_site_time_that_is_missing_runs_no_timer(tmp_path):
    here = desk(tmp_path, at(0), "operator", True)
    run = here.start(at(0), parse(EXTENDED.replace("=30 min}", "}"))[0], Sheet("N"), "N")
    with pytest.raises(Refused, match="missing"):
        here.timer(at(1), run)


DANGEROUS = [
    ("a lost limit", "   safety limits {residual_min} to {residual_max}", "", 16),
    ("a lost unit", "________ mg/l ", "________ ", 16),
    ("another unit", "________ mg/l ", "________ mg/1 ", 16),
    ("a lost If not:", "       If not: change the feed by one step. GO TO step 1.\n", "", 15),
    ("a part with its name misspelt", "If twice: stop dosing", "If twise: stop dosing", 18),
    ("a decimal comma", "{residual_min} to {residual_max}", "0,2 to 0.6", 16),
    ("limits that are turned round", "{residual_min} to {residual_max}", "5 to 1", 16),
    ("defaults that are turned round", "safety limits {residual_min} to {residual_max}",
     "limits {a=5 mg/l} to {b=1 mg/l}", 16),
    ("the same limit twice", "{residual_max}", "{residual_min}", 16),
    ("a number with a zero before it", "{residual_min} to", "02 to", 16),
    ("a huge number", "{residual_min} to", "1234567890123 to", 16),
    ("two limits run into one", "{residual_min} to {residual_max}", "0.2to 0.6", 16),
    ("limits before the blank", "free chlorine ________ mg/l", "free chlorine limits 0 to 9 ________ mg/l", 16),
    ("two blanks", "free chlorine ________ mg/l", "free ________ chlorine ________ mg/l", 16),
    ("a step number typed twice", "[ ] 2  Read", "[ ] 2 2  Read", 15),
    ("a step counted twice", "[ ] 2  Read", "[ ] 1  Read", 15),
    ("a lost step line, its readings under the step before", "[ ] 2  Read the residual.\n", "", 15),
    ("a lost last step", "[ ] 3  Record the round on form F1.\n", "HOLD       operator   Releases it.\n", 20),
    ("a sentence cut short", "change the feed by one step. GO TO step 1.", "change the feed by", 17),
    ("GO TO cut short", "GO TO step 3.", "GO TO step", 18),
    ("GO TO with a space lost", "GO TO step 3.", "GOTO step 3.", 18),
    ("GO TO with another O", "GO TO step 3.", "G\u041e TO step 3.", 18),
    ("GO TO with a nought", "GO TO step 3.", "G0 TO step 99.", 18),
    ("GO TO with a nought at its end", "GO TO step 1.", "GO T0 step 99.", 17),
    ("GO TO with a hard space", "GO TO step 3.", "GO\u00a0TO step 3.", 18),
    ("a repeat of another step", "REPEAT     step 2 every", "REPEAT     step 4 every", 19),
    ("a repeat typed twice", "[ ] 3  Record", "REPEAT     step 2 every 5 min until P-18 has ended.\n[ ] 3  Record", 19),
    ("a release of nobody", "HOLD       water_quality once", "HOLD       once", 14),
    ("a hold typed twice", "[ ] 2  Read", "HOLD       water_quality   Releases the rounds.\n[ ] 2  Read", 15),
    ("a second hold", "[ ] 2  Read", "HOLD       safety   Has measured the air.\n[ ] 2  Read", 15),
    ("a condition without its end", "[ ] 3  Record", "[ ] 3  WHEN it is over record", 20),
    ("a condition in the middle", "[ ] 3  Record the round", "[ ] 3  Record IF it is over THEN the round", 20),
    ("two conditions", "[ ] 3  Record", "[ ] 3  IF one THEN IF two THEN record", 20),
    ("a condition with another way", "[ ] 3  Record the round", "[ ] 3  IF one THEN record ELSE stop the round", 20),
    ("a value with two defaults", "If twice: stop", "If twice: wait {transport_time=5 min}, stop", 18),
    ("a row for the program as a value", "{residual_min} to", "{tag_p07_2} to", 16),
    ("an APPLIES typed twice", "APPLIES    seen", "APPLIES    control_lost site_type=waterworks\nAPPLIES    seen", 9),
    ("approved before it was changed", "STATUS     DRAFT", "STATUS     APPROVED by engineer on 2026-11-22", 3),
    ("a review that was due before", "REVIEW BY  2027-11-23", "REVIEW BY  2025-11-23", 5),
    ("a language that does not say who reviewed it", "PURPOSE ", "LANGUAGE   de\nPURPOSE ", 6),
    ("a review of a translation that is misspelt", "PURPOSE ",
     "LANGUAGE   de   translation not yet reviewd\nPURPOSE ", 6),
    ("a form named twice", "FORMS      F1", "FORMS      F1, F1", 23),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "old", "new", "line"), DANGEROUS, ids=[row[0] for row in DANGEROUS])
def test_a_dangerous_edit_is_a_fault_and_never_half_a_procedure(edit, old, new, line):
    faults = changed(EXTENDED, old, new)
    assert line in [at for at, _text in faults], faults


def test_a_warning_whose_first_line_was_lost_is_not_read_as_the_end_of_the_part_above():
    found = joined = 0
    for path in LIBRARY:
        rows = path.read_text().split("\n")
        for at, row in enumerate(rows[:-1]):
            under_a_step = rows[at - 1].startswith(("[", "       ")) and not rows[at - 1].startswith(" " * 11)
            if row.startswith(("DANGER", "CAUTION", "NOTE", "HOLD")) and rows[at + 1].startswith(" "):
                procedure = parse("\n".join(rows[:at] + rows[at + 1 :]))[0]
                assert not (procedure and under_a_step), (path, at)
                found, joined = found + 1, joined + bool(procedure)
    assert joined < found / 10


def test_a_long_text_and_a_long_item_are_refused_in_a_moment():
    assert "200000" in parse("PROCEDURE  P-01  x\n" * 20_000)[1][0].text
    blanks = (
        "PROCEDURE  P-01  x\n[ ] 1  Read it.\n       Reading: a\n" + "         ____ m limits a ____ m limits\n" * 4_000
    )
    assert "2000 are allowed" in " ".join(fault.text for fault in parse(blanks)[1])


def test_the_page_of_the_format_shows_a_whole_procedure_and_its_sheet():
    told = (Path(__file__).parents[2] / "docs" / "procedures_format.md").read_text()
    text, site, pumps = re.findall(r"```text\n(.*?)```", told, re.DOTALL)
    procedure, faults = parse(text)
    assert faults == ()
    assert findings(procedure, known(load(None))) == []
    sheet = read_sheet(site)
    assert (sheet.faults, disagreements(sheet, [procedure])) == ((), [])
    unequal = read_sheet(site.replace("S1, Q1", "S1, Q1, P1, P2") + pumps)
    assert (unequal.faults, disagreements(unequal, [procedure])) == ((), [])
    for word in (*KEYWORDS, *PARTS, *EVENTS, *RELEASERS, *CONDITIONS):
        assert word in told
