"""A run of a procedure: its place, its readings, its holds; and that nothing recorded is lost, whatever happens."""

import json
import os
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fallback_procedures import journal as journals
from fallback_procedures.desk import Desk, desk
from fallback_procedures.journal import Line, read_lines
from fallback_procedures.open_period import Refused
from fallback_procedures.procedure import parse
from fallback_procedures.replay import replay
from fallback_procedures.run import Period
from fallback_procedures.run_desk import checked
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.triggers import Now
from fallback_procedures.words import clock_text, seconds_of

from .conftest import GOLDEN, SHEET
from .typist import killed_while_typing, prepare

PERSON, RUN = st.integers(0, 1), st.integers(0, 1)
SAMPLE = parse((GOLDEN / "procedures" / "2_readings_and_branches.txt").read_bytes())[0]
CHECKED = parse(SAMPLE.source.replace("       Expect: amber lamp lit, check valve arm moves.\n",
                                      "       Second person: compares the pump number with the label.\n")
                .replace("=9.5 A}\n", "=9.5 A}\n       Timer: 30 s\n"))[0]  # fmt: skip
RIVERSIDE = read_sheet(SHEET)


def at(seconds: float, boot: str = "boot-1") -> Now:
    return Now(1_795_400_000.0 + seconds, 70_000.0 + seconds, boot)


@pytest.mark.parametrize("text", ["2026-02-31T00:00:00Z", "2026-01-01T24:00:00Z", "9999-12-31T23:59:59.000Z",
                                  "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-23", None, 5])  # fmt: skip
def test_a_time_that_no_clock_says_is_none_and_ends_nothing(text):
    assert seconds_of(text) is None
    assert clock_text(text) == "?"


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


@pytest.fixture
def declared_late(tmp_path):
    """A run whose repeat begins at its second step."""
    text = (GOLDEN / "procedures" / "2_readings_and_branches.txt").read_text().replace("steps 1 to 4", "steps 2 to 4")
    here = desk(tmp_path / "journal", at(0), "operator", False)
    here.declare(at(1), "all agree")
    name = here.start(at(2), parse(text)[0], RIVERSIDE, "R")
    here.read(at(3), name, "1.0")
    return here, name


def test_a_missing_safety_limit_or_an_unreviewed_translation_allows_a_drill_only(tmp_path):
    german = parse((GOLDEN / "procedures" / "4_deutsch.txt").read_bytes())[0]
    here = desk(tmp_path / "journal", at(0), "operator", False)
    here.declare(at(1), "all agree")
    with pytest.raises(Refused, match="DO NOT USE"):
        here.start(at(2), SAMPLE, Sheet("R"), "R")
    with pytest.raises(Refused, match="not yet reviewed"):
        here.start(at(2), german, RIVERSIDE, "R")
    drill = desk(tmp_path / "journal", at(3), "operator", True)
    with pytest.raises(Refused, match="A REAL PERIOD IS OPEN"):
        drill.start(at(4), SAMPLE, Sheet("R"), "R")
    drill.beside = drill.real()
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
    assert run_of(here, name).times_out(run_of(here, name).readings[-1]) == 2
    here.read(at(5), name, "1.0")
    assert run_of(here, name).times_out(run_of(here, name).readings[-1]) == 0


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


def dues(here, now):
    return [(one.run, one.text, None if one.in_s is None else round(one.in_s))
            for one in here.period().due(*vars_of(now))]  # fmt: skip


def test_what_falls_due_in_all_runs_stands_in_one_list_by_urgency(started, tmp_path):
    here, first = started
    second = here.start(at(10), CHECKED, RIVERSIDE, "R")
    for name, begin in ((first, 20), (second, 140)):
        here.read(at(begin), name, "1.0")
        here.done(at(begin), name)
    here.verify(at(150), second, "maintenance")
    here.done(at(151), second)
    here.timer(at(160), second)
    expected = [("P-03-2", "timer of step 3", -10), ("P-03-1", "steps 1 to 4 again", 702),
                ("P-03-2", "steps 1 to 4 again", 710)]  # fmt: skip
    assert dues(here, at(200)) == expected
    crashed = desk(tmp_path / "journal", at(200), "operator", False)
    assert dues(crashed, at(200)) == expected
    rebooted = Now(at(200).wall_s, 5.0, "boot-2")
    assert dues(crashed, rebooted) == expected, "the wall clock tells it across a restart"
    stopped = Now(0.0, 5.0, "boot-2")
    assert {due for _run, _text, due in dues(crashed, stopped)} == {None}
    assert len(dues(crashed, stopped)) == 3, "what no clock can tell is not left out"
    here.undo(at(201), second)
    assert [text for _run, text, _due in dues(here, at(201))] == ["steps 1 to 4 again"] * 2
    here.again(at(300), first)
    assert dues(here, at(300))[-1] == ("P-03-1", "steps 1 to 4 again", 900)
    here.finish(at(301), second)
    assert dues(here, at(301)) == [("P-03-1", "steps 1 to 4 again", 899)]


def test_a_timer_goes_on_while_the_lid_of_the_laptop_is_closed(started):
    here, name = started
    here.read(at(3), name, "1.0")
    here.done(at(4), name)
    woken = Now(at(604).wall_s, at(4).mono_s, "boot-1", slept_s=600.0)
    (due,) = here.period().due(woken.wall_s, woken.up_s, woken.boot_id)
    assert round(due.in_s) == 298
    assert here.note(woken, "lid opened")["mono_s"] == at(604).mono_s


@pytest.mark.parametrize(("late_s", "missed"), [(0, 0), (899, 0), (900, 1), (2750, 3)])
def test_a_round_that_is_late_by_more_than_a_period_says_how_many_were_missed(started, late_s, missed):
    here, name = started
    here.read(at(3), name, "1.0")
    here.done(at(4), name)
    (due,) = here.period().due(*vars_of(at(2 + 900 + late_s)))
    assert due.missed == missed
    assert due.text == "steps 1 to 4 again" + (f" ({missed} missed)" if missed else "")


def test_a_wall_clock_that_is_set_back_or_forward_moves_no_timer_within_one_boot(started):
    here, name = started
    here.read(at(3), name, "1.0")
    here.done(at(4), name)
    right = dues(here, at(600))
    for years in (-30, 5):
        stepped = Now(at(600).wall_s + years * 365 * 86_400, at(600).mono_s, "boot-1")
        assert dues(here, stepped) == right


def vars_of(now):
    return now.wall_s, now.mono_s, now.boot_id


def test_a_repeat_falls_due_although_its_first_step_was_left_by_a_go_to(started):
    here, name = started
    here.read(at(3), name, "9.0")
    here.go_to(at(4), name, "4")
    assert dues(here, at(602)) == [(name, "steps 1 to 4 again", 300)]
    here.undo(at(603), name)
    assert dues(here, at(602)) == [(name, "steps 1 to 4 again", 300)]


def test_a_repeat_counts_from_the_moment_its_range_was_entered_and_not_before(declared_late):
    here, name = declared_late
    assert dues(here, at(60)) == []
    here.done(at(100), name)
    here.go_to(at(110), name, "4")
    assert dues(here, at(200)) == [(name, "steps 2 to 4 again", 800)]


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


def test_kills_in_the_middle_of_typing_lose_no_step_that_the_screen_confirmed(state):
    draw = random.Random(11)
    prepare(state)
    assert sum(killed_while_typing(state, draw, within_s=0.4) for _kill in range(5)) > 0


class Acts(RuleBasedStateMachine):
    """Two people at two desks do anything in any order, are killed, the file is cut: the entries tell all."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = 0.0
        self.kept: list[bytes] = []  # every line that was said to be kept
        self.told: list[Period] = []  # what the first n entries tell
        self.desks = [self.sit_down(), self.sit_down()]
        first = self.desks[0]
        self.runs = [first.start(at(0), CHECKED, RIVERSIDE, "R"), first.start(at(0), SAMPLE, RIVERSIDE, "R")]
        self.begun = dict(first.period().runs)
        self.look()

    def sit_down(self) -> Desk:
        return desk(Path(self.folder.name), at(self.clock), "operator", True)

    def teardown(self) -> None:
        """Taking everything back leads to the start."""
        for name in self.runs:
            while self.act(0, Desk.undo, name):
                pass
            assert replace(self.desks[0].period().runs[name], last=Line()) == replace(self.begun[name], last=Line())
        self.folder.cleanup()

    def act(self, who, what, *more) -> bool:
        self.clock += 30.0
        try:
            what(self.desks[who], at(self.clock), *more)
        except Refused as refused:
            assert str(refused)
            return False
        self.look()
        return True

    def look(self) -> None:
        lines = self.desks[0].journal.path.read_bytes().splitlines()
        assert [line for line in lines if line in set(self.kept)] == self.kept, "no entry is lost or changed"
        for line in lines:
            if line not in self.kept and line.endswith(b"}"):
                self.kept.append(line)
                self.told.append(replay("x", [journals.entry_of(json.loads(one), one)[1] for one in self.kept]))

    @rule(who=PERSON, run=RUN, value=st.sampled_from(["1.0", "9,9", "x"]))
    def read(self, who, run, value):
        self.act(who, Desk.read, self.runs[run], value)

    @rule(who=PERSON, run=RUN)
    def go_on(self, who, run):
        """Whatever the step at hand asks for, until it is done."""
        name = self.runs[run]
        for what in ((Desk.release, "shift_lead"), (Desk.timer,), (Desk.read, "1.0"), (Desk.verify, "operator"),
                     (Desk.done,)):  # fmt: skip
            self.act(who, what[0], name, *what[1:])

    @rule(who=PERSON, run=RUN, reason=st.sampled_from(["", "steady"]))
    def done(self, who, run, reason):
        self.act(who, Desk.done, self.runs[run], reason)

    @rule(who=PERSON, run=RUN, what=st.sampled_from([Desk.not_met, Desk.timer, Desk.again, Desk.undo, Desk.finish]))
    def do(self, who, run, what):
        self.act(who, what, self.runs[run])

    @rule(who=PERSON, run=RUN, what=st.sampled_from([(Desk.not_applicable, "locked"), (Desk.go_to, "1"),
                                                     (Desk.go_to, "4"), (Desk.go_to, "9"), (Desk.note, "seen"),
                                                     (Desk.release, "shift_lead"), (Desk.release, "operator"),
                                                     (Desk.verify, "maintenance")]))  # fmt: skip
    def do_so(self, who, run, what):
        self.act(who, what[0], *((what[1], self.runs[run]) if what[0] is Desk.note else (self.runs[run], what[1])))

    @rule(who=PERSON, what=st.sampled_from([Desk.seen, Desk.over]), event=st.sampled_from(["overflow", "mains_lost"]))
    def see(self, who, what, event):
        self.act(who, what, event, "R")

    @rule(who=PERSON)
    def killed(self, who):
        journals._seen.clear()
        self.desks[who] = self.sit_down()

    @rule(bytes_left=st.floats(0, 1))
    def cut_off(self, bytes_left):
        """The power goes while the last line is written; both come back."""
        path = self.desks[0].journal.path
        last = self.kept[-1]
        if len(self.kept) <= 3 or not path.read_bytes().endswith(last + b"\n"):
            return
        os.truncate(path, path.stat().st_size - len(last) - 1 + int(bytes_left * (len(last) - 1)))
        self.kept.pop()
        self.told.pop()
        journals._seen.clear()
        self.desks = [self.sit_down(), self.sit_down()]

    @rule(bytes_left=st.floats(0, 1))
    def any_cut_tells_what_was_so_then(self, bytes_left):
        raw = self.desks[0].journal.path.read_bytes()
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as copy:
            copy.write(raw[: int(len(raw) * bytes_left)])
            copy.flush()
            lines, _torn = read_lines(Path(copy.name))
        assert not lines or replay("x", lines) == self.told[len(lines) - 1]

    @invariant()
    def both_see_the_same_and_the_entries_tell_it(self):
        first, second = (one.join().period() for one in self.desks)
        assert first == second
        assert replace(first, name="x") == self.told[-1]
        assert [line["n"] for line in first.entries] == list(range(1, len(self.kept) + 1))
        for run in first.runs.values():
            assert run.cursor == "" or run.step is not None
            assert run.cursor == "" or run.cursor not in run.marks or run.procedure.step(run.cursor)


TestActs = Acts.TestCase
TestActs.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
