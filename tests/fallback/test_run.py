"""A run of a procedure: its place, its readings, its holds; and that nothing recorded is lost, whatever happens."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fallback_procedures.desk import Refused, checked, desk
from fallback_procedures.procedure import parse
from fallback_procedures.run import replay
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.triggers import Now

from .conftest import GOLDEN, ROOT, SHEET

SAMPLE = parse((GOLDEN / "procedures" / "2_readings_and_branches.txt").read_bytes())[0]
RIVERSIDE = read_sheet(SHEET)


def at(seconds: float, boot: str = "boot-1") -> Now:
    return Now(1_795_400_000.0 + seconds, 70_000.0 + seconds, boot)


@pytest.fixture
def started(tmp_path):
    """A desk in a declared period, with one run of P-03 begun."""
    here = desk(tmp_path / "journal", at(0), "operator", False)
    here.declare(at(1), "all agree", ("R",))
    return here, here.start(at(2), SAMPLE, RIVERSIDE, "R")


def run_of(here, name):
    return here.period().runs[name]


def test_a_hand_procedure_starts_only_after_control_lost_was_declared(tmp_path):
    here = desk(tmp_path / "journal", at(0), "operator", False)
    with pytest.raises(Refused, match="CONTROL LOST"):
        here.start(at(1), SAMPLE, RIVERSIDE, "R")
    here.declare(at(2), "all agree")
    with pytest.raises(Refused, match="already"):
        here.declare(at(3), "again")
    assert here.start(at(4), SAMPLE, RIVERSIDE, "R") == "P-03-1"


def test_a_missing_safety_limit_or_an_unreviewed_translation_allows_a_drill_only(tmp_path):
    german = parse((GOLDEN / "procedures" / "4_deutsch.txt").read_bytes())[0]
    here = desk(tmp_path / "journal", at(0), "operator", False)
    here.declare(at(1), "all agree")
    with pytest.raises(Refused, match="DO NOT USE"):
        here.start(at(2), SAMPLE, Sheet("R"), "R")
    with pytest.raises(Refused, match="not yet reviewed"):
        here.start(at(2), german, RIVERSIDE, "R")
    drill = desk(tmp_path / "journal", at(3), "operator", True)
    drill.start(at(4), SAMPLE, Sheet("R"), "R")
    assert [line["drill"] for line in drill.period().entries] == [True, True]
    assert here.period().runs == {}


def test_the_place_is_kept_through_readings_holds_and_branches(started):
    here, name = started
    with pytest.raises(Refused, match="wet well level"):
        here.done(at(3), name)
    taken = here.read(at(4), name, "1,44")
    assert (taken.value, taken.in_limits) == ("1.44", True)
    here.done(at(5), name)
    assert run_of(here, name).cursor == "2"
    here.not_applicable(at(6), name, "already running")
    assert here.read(at(7), name, "9.6").in_limits is False
    with pytest.raises(Refused, match="with a reason only"):
        here.done(at(8), name)
    here.done(at(8), name, "current is steady")
    assert run_of(here, name).marks["2"].reason == "already running"
    assert run_of(here, name).marks["3"].reason == "current is steady"
    with pytest.raises(Refused, match="HOLD"):
        here.done(at(9), name)
    with pytest.raises(Refused, match="only shift lead"):
        here.release(at(9), name, "operator")
    here.release(at(10), name, "shift_lead")
    here.done(at(11), name)
    assert run_of(here, name).cursor == ""
    here.finish(at(12), name)
    assert run_of(here, name).finished


def test_a_reading_keeps_its_limits_and_where_they_came_from(started):
    here, name = started
    here.read(at(3), name, "2,31")
    line = here.period().entries[-1]
    assert (line["value"], line["unit"], line["limits"], line["limits_from"]) == ("2.31", "m", ["0.60", "2.20"], "site")
    assert line["in_limits"] is False


def test_the_golden_journal_has_the_shape_that_is_written(started):
    here, name = started
    here.read(at(3), name, "2.31")
    golden = {
        json.loads(line)["kind"]: json.loads(line) for line in (GOLDEN / "journal.jsonl").read_text().splitlines()
    }
    written = {line["kind"]: line for line in here.period().entries}
    for kind in ("declared", "started", "reading"):
        assert set(golden[kind]) <= set(written[kind])
    period = replay("golden", [golden[kind] for kind in golden])
    assert (period.declared, period.ended, period.sites) == (True, True, ("R",))


@pytest.mark.parametrize("typed", ["", "two", "1.000,5", "1 2", "nan", "1e3", "--1", "٣", "2.31 m"])
def test_what_is_no_number_is_not_kept(started, typed):
    here, name = started
    before = len(here.period().entries)
    with pytest.raises(Refused, match="number"):
        here.read(at(3), name, typed)
    assert len(here.period().entries) == before


def test_times_answers_and_words_are_kept_as_such():
    form = (GOLDEN / "procedures" / "1_minimal.txt").read_text()
    step = "       Reading: a ________ HH:MM\n       Reading: b ________ yes/no\n       Reading: c ________ text\n"
    clock, answer, words = parse(form.replace("form F1.\n\n", "form F1.\n" + step + "\n"))[0].steps[0].readings
    assert checked(clock, "7:05", Sheet()) == ("07:05", None)
    assert [checked(answer, typed, Sheet())[0] for typed in ("y", "ja", "oui", "no", "N")] == [
        "yes",
        "yes",
        "yes",
        "no",
        "no",
    ]
    assert checked(words, "two \x1b[31mgauges", Sheet())[0] == "two ·[31mgauges"
    for reading, typed in ((clock, "24:00"), (clock, "7.05"), (answer, "perhaps"), (words, " ")):
        with pytest.raises(Refused):
            checked(reading, typed, Sheet())


def test_undo_is_a_new_entry_and_takes_back_one_act_at_a_time(started):
    here, name = started
    here.read(at(3), name, "1.44")
    here.done(at(4), name)
    here.undo(at(5), name)
    assert run_of(here, name).cursor == "1"
    assert run_of(here, name).open_readings() == ()
    here.undo(at(6), name)
    assert len(run_of(here, name).open_readings()) == 1
    with pytest.raises(Refused, match="nothing to undo"):
        here.undo(at(7), name)
    assert [line["kind"] for line in here.period().entries] == [
        "declared",
        "started",
        "reading",
        "done",
        "undo",
        "undo",
    ]


def test_two_readings_in_a_row_outside_the_limits_are_counted(started):
    here, name = started
    here.read(at(3), name, "3.0")
    here.read(at(4), name, "3.1")
    assert run_of(here, name).times_out("wet well level") == 2
    here.read(at(5), name, "1.0")
    assert run_of(here, name).times_out("wet well level") == 0


def test_repeats_and_timers_fall_due_across_runs_and_restarts_of_the_machine(started):
    here, name = started
    here.read(at(3), name, "1.0")
    here.done(at(4), name)
    due = here.period().due(*vars_of(at(602)))
    assert [(one.run, one.step, round(one.in_s)) for one in due] == [("P-03-1", "1", 300)]
    rebooted = Now(at(1002).wall_s, 12.0, "boot-2")
    assert round(here.period().due(*vars_of(rebooted))[0].in_s) == -100
    here.again(at(910), name)
    run = run_of(here, name)
    assert (run.cursor, run.marks, run.rounds[0][0]) == ("1", {}, 1)
    assert len(run.open_readings()) == 1
    assert round(here.period().due(*vars_of(at(910)))[0].in_s) == 900


def vars_of(now):
    return now.wall_s, now.mono_s, now.boot_id


def test_several_procedures_run_in_one_period_and_a_second_terminal_sees_them(started, tmp_path):
    here, name = started
    other = desk(tmp_path / "journal", at(5), "maintenance", False)
    second = other.start(at(6), SAMPLE, RIVERSIDE, "R")
    assert second == "P-03-2"
    here.read(at(7), name, "1.0")
    other.read(at(8), second, "1.1")
    assert [line["n"] for line in here.period().entries] == [1, 2, 3, 4, 5]
    assert here.period().entries == other.period().entries


def test_a_terminal_that_was_open_before_joins_the_period_another_one_declares(tmp_path):
    first, second = (desk(tmp_path / "journal", at(0), "operator", False) for _ in range(2))
    first.declare(at(5), "all agree")
    with pytest.raises(Refused, match="already"):
        second.declare(at(6), "all agree")
    assert second.journal.name == first.journal.name


def test_handing_back_ends_the_period_and_the_next_one_has_its_own_file(started, tmp_path):
    here, _name = started
    here.hand_back(at(60))
    assert here.period().ended
    after = desk(tmp_path / "journal", at(61), "operator", False)
    assert after.period().entries == ()
    with pytest.raises(Refused, match="not declared"):
        after.hand_back(at(62))


def test_a_run_goes_on_when_library_sheets_and_configuration_are_gone(started, tmp_path):
    _here, name = started
    other = desk(tmp_path / "journal", at(100, "boot-2"), "operator", False)
    assert other.read(at(101, "boot-2"), name, "2,3").in_limits is False
    assert run_of(other, name).procedure == SAMPLE


WRITER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from fallback_procedures.desk import desk
from fallback_procedures.triggers import moment
here = desk(Path(sys.argv[1]), moment(), "operator", False)
name = next(iter(here.period().runs))
for count in range(100000):
    run = here.period().runs[name]
    if run.open_readings():
        line = here.read(moment(), name, "1.2").n
    elif run.waiting_for():
        line = here.release(moment(), name, "shift_lead")["n"]
    elif run.step is None:
        line = here.again(moment(), name)["n"]
    else:
        line = here.done(moment(), name)["n"]
    print(line, here.period().runs[name].cursor, flush=True)
"""


def test_a_kill_at_any_moment_loses_no_step_that_was_shown_as_recorded(started, tmp_path):
    here, name = started
    draw = random.Random(11)
    for _kill in range(8):
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", WRITER, str(tmp_path / "journal")],
                                 stdout=subprocess.PIPE, text=True)  # fmt: skip
        told = [child.stdout.readline()]
        time.sleep(draw.random() * 0.15)
        os.kill(child.pid, 9)
        told += child.stdout.readlines()
        child.stdout.close()
        child.wait()
        last, *cursor = [line for line in told if line.endswith("\n")][-1].split()
        kept = here.period().entries
        assert [line["n"] for line in kept] == list(range(1, len(kept) + 1))
        assert len(kept) in (int(last), int(last) + 1)
        if len(kept) == int(last):
            assert run_of(here, name).cursor == (cursor[0] if cursor else "")


class Acts(RuleBasedStateMachine):
    """Whatever is done in whatever order, the entries alone tell the same state again."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.clock = 0.0
        self.desk = desk(Path(self.folder.name), at(0), "operator", True)
        self.name = self.desk.start(at(0), SAMPLE, RIVERSIDE, "R")

    def teardown(self) -> None:
        self.folder.cleanup()

    def act(self, what, *more) -> None:
        self.clock += 1.0
        try:
            what(at(self.clock), self.name, *more)
        except Refused as refused:
            assert str(refused)

    @rule(value=st.sampled_from(["1.0", "9,9", "x"]))
    def read(self, value):
        self.act(self.desk.read, value)

    @rule()
    def done(self):
        self.act(self.desk.done)

    @rule(reason=st.sampled_from(["", "out of order"]))
    def leave_out(self, reason):
        self.act(self.desk.not_applicable, reason)

    @rule(step=st.sampled_from(["1", "3", "4", "9"]))
    def go(self, step):
        self.act(self.desk.go_to, step)

    @rule(role=st.sampled_from(["operator", "shift_lead"]))
    def release(self, role):
        self.act(self.desk.release, role)

    @rule()
    def again(self):
        self.act(self.desk.again)

    @rule()
    def undo(self):
        self.act(self.desk.undo)

    @invariant()
    def the_entries_tell_the_state(self):
        period = self.desk.period()
        run = period.runs[self.name]
        assert [line["n"] for line in period.entries] == list(range(1, len(period.entries) + 1))
        assert run.cursor == "" or run.step is not None
        assert set(run.marks) <= {step.number for step in SAMPLE.steps}
        assert replay(period.name, json.loads(json.dumps(period.entries))).runs[self.name] == run


TestActs = Acts.TestCase
TestActs.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
