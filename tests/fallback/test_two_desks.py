"""Two people at one run: what each says is meant for what stood on their own screen, and is refused where it has moved.

Beside it what a person at one desk can no longer do by accident: a digit, an IF, a timer, a role, a value.
"""

import re

import pytest

from fallback_procedures import journal as journals
from fallback_procedures.board import mode_lines
from fallback_procedures.console import Console
from fallback_procedures.desk import Desk, desk
from fallback_procedures.journal import Journal, entry_of, names, read_lines
from fallback_procedures.library import load
from fallback_procedures.open_period import Moved, Refused, open_periods
from fallback_procedures.place import Place, look
from fallback_procedures.procedure import Limit, Reading
from fallback_procedures.replay import replay
from fallback_procedures.run_desk import checked
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import read_sheet
from fallback_procedures.terminal import Gone
from fallback_procedures.triggers import moment
from fallback_procedures.words import local_text, use_language

from .conftest import SHEET

OWN = """PROCEDURE  P-03  Sewage lift station by hand
REVISION   7   2026-09-02
STATUS     APPROVED by engineer on 2026-09-02
OWNER      operations
REVIEW BY  2027-09-02
PURPOSE    Keeps the wet well in its limits.
WHEN       Level control is lost.
APPLIES    control_lost site_type=lift_station
NEEDS      Two persons.

[ ] 1  Read the wet well level on the staff gauge.
       Reading: wet well level ________ m   safety limits {stop_level} to {alarm_level}
       If not: GO TO step 5.
[ ] 2  IF a pump is running THEN GO TO step 4.
[ ] 3  Start pump 1 at its panel.
[ ] 4  Read the motor current after 30 s.
       Reading: motor current ________ A   limits 2.0 to 9.5
       Timer: 30 s
[ ] 5  IF the level rises THEN notify the shift lead.
       Second person: hears the call.
REPEAT     steps 1 to 5 every 15 min until P-18 is started.

HAND BACK  Level sensor equals manual reading.
END        P-03
"""
RIVERSIDE = read_sheet(SHEET)


@pytest.fixture
def running(state):
    """A declared period with a run at R; the desk that began it."""
    (state.manual / "procedures").mkdir()
    (state.manual / "procedures" / "P-03.txt").write_text(OWN)
    state.publish(moment(), age_s=190)
    here = desk(state.manual / "journal", moment(), "operator", False)
    here.declare(moment(), "all agree", ("R",))
    here.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    return here


class Typed:
    """A console whose lines come from a list; a function in it is what somebody else does meanwhile."""

    live, width, margin = False, 79, ""

    def __init__(self, *lines):
        self.lines, self.said = list(lines), []

    def say(self, *lines, step=0):
        self.said += lines
        return len(lines)

    def ask(self, prompt, tick=None):
        self.said.append(prompt)
        while self.lines:
            line = self.lines.pop(0)
            if not callable(line):
                return line
            line()
            if tick:
                self.said.append(tick())
        raise Gone


def console(state, *lines, drill=False):
    """All that the console says to these lines."""
    place, terminal = Place(state.manual), Typed(*lines)
    seat = Seat(place, load(state.manual, ("en",)), desk(place.journal, moment(), "operator", drill))
    Console(seat, terminal).work()
    return "\n".join(terminal.said)


def kept(state):
    (path,) = (state.manual / "journal").glob("*.jsonl")
    return read_lines(path)[0]


def kinds(state):
    return [line["kind"] for line in kept(state)][2:]


def at_step(here, number):
    here.go_to(moment(), "P-03-1", number)


def test_an_act_on_a_step_that_somebody_else_has_marked_is_refused_and_says_where_the_run_is(state, running):
    at_step(running, "3")
    other = desk(state.manual / "journal", moment(), "operator", False)
    other.shown = running.period().runs["P-03-1"].stand
    running.done(moment(), "P-03-1")
    for act in (lambda: other.done(moment(), "P-03-1"), lambda: other.not_applicable(moment(), "P-03-1", "wet"),
                lambda: other.timer(moment(), "P-03-1"), lambda: other.read(moment(), "P-03-1", "3"),
                lambda: other.undo(moment(), "P-03-1"), lambda: other.go_to(moment(), "P-03-1", "1"),
                lambda: other.finish(moment(), "P-03-1"), lambda: other.again(moment(), "P-03-1")):  # fmt: skip
        with pytest.raises(Moved, match="somebody else has marked step 3; the run is at step 4"):
            act()
    other.shown = running.period().runs["P-03-1"].stand
    running.again(moment(), "P-03-1")
    running.go_to(moment(), "P-03-1", "4")
    with pytest.raises(Moved, match="gone on with the run"):
        other.read(moment(), "P-03-1", "3")
    assert kinds(state) == ["goto", "done", "round", "goto"]


def test_of_two_that_mark_one_step_at_the_same_moment_one_is_told(state, running, monkeypatch):
    at_step(running, "3")
    other = desk(state.manual / "journal", moment(), "operator", False)
    other.shown = running.period().runs["P-03-1"].stand
    ready = other.ready

    def meanwhile(run_id):
        found = ready(run_id)
        running.done(moment(), run_id)  # between the look of the other and its entry
        return found

    monkeypatch.setattr(other, "ready", meanwhile)
    with pytest.raises(Moved, match="somebody else has marked step 3"):
        other.done(moment(), "P-03-1")
    assert kinds(state) == ["goto", "done"]


def test_two_that_begin_one_procedure_at_the_same_moment_have_a_run_each(state, running, monkeypatch):
    other = desk(state.manual / "journal", moment(), "operator", False)
    procedure, begin = load(state.manual).get("P-03", "en").procedure, other._open

    def meanwhile(now):
        running.start(now, procedure, RIVERSIDE, "R")  # between the look of the other and its entry
        begin(now)

    monkeypatch.setattr(other, "_open", meanwhile)
    assert other.start(moment(), procedure, RIVERSIDE, "R") == "P-03-3"
    assert list(running.period().runs) == ["P-03-1", "P-03-2", "P-03-3"]


def test_a_value_is_kept_under_the_reading_that_was_asked_or_not_at_all(state, running):
    other = desk(state.manual / "journal", moment(), "operator", False)
    other.shown = running.period().runs["P-03-1"].stand
    running.read(moment(), "P-03-1", "1.5")
    with pytest.raises(Moved, match=r"somebody else has read wet well level: 1.5 m"):
        other.read(moment(), "P-03-1", "1.6", "wet well level")


def test_a_value_of_somebody_else_is_told_also_where_it_has_the_number_of_an_entry_that_was_seen(state, running):
    seen = running.note(moment(), "the gauge is wet", "P-03-1")
    running.shown = running.period().runs["P-03-1"].stand
    other = {**seen, "kind": "reading", "name": "wet well level", "value": "1.5", "unit": "m"}
    with running.journal.path.open("ab") as file:
        file.write(entry_of(other)[0] + b"\n")  # without a lock
    with pytest.raises(Moved, match=r"somebody else has read wet well level: 1.5 m"):
        running.read(moment(), "P-03-1", "1.6", "wet well level")


def test_on_the_console_a_tick_and_a_value_meant_for_another_step_are_refused_and_the_new_step_is_shown(state, running):
    def marked():
        running.read(moment(), "P-03-1", "1.5")
        running.done(moment(), "P-03-1")
        running.not_met(moment(), "P-03-1")
        running.done(moment(), "P-03-1")

    told = console(state, marked, "1,6", "x", "q")
    assert "! somebody else has marked step 1; the run is at step 4" in told
    assert told.count("! somebody else has marked step 1") == 2, "while it waits, and when the value comes"
    assert "step 4 of 5" in told.rsplit("! somebody else", 1)[1]
    assert kinds(state) == ["reading", "done", "not_met", "done"]


async def test_on_the_full_screen_a_key_meant_for_another_step_is_refused_and_the_new_step_is_shown(state, running):
    screen = pytest.importorskip("fallback_procedures.screen")
    at_step(running, "2")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(80, 30)) as pilot:
        assert "step 2 of 5" in " ".join(app.told)
        running.not_met(moment(), "P-03-1")
        app.tick()
        assert "! somebody else has marked step 2; the run is at step 3" in " ".join(app.told)
        await pilot.press("d")
        assert "! somebody else has marked step 2; the run is at step 3" in " ".join(app.told)
        assert kinds(state) == ["goto", "not_met"]
        await pilot.press("d")
        assert kinds(state) == ["goto", "not_met", "done"]
        assert "step 4 of 5" in " ".join(app.told)
        running.timer(moment(), "P-03-1")
        await pilot.press("3")
        assert app.talk
        running.read(moment(), "P-03-1", "3.5")
        await pilot.press(".", "6", "enter")
        assert "! somebody else has read motor current: 3.5 A" in " ".join(app.told)
    assert kinds(state)[-2:] == ["timer", "reading"]


def test_a_digit_in_a_run_is_a_value_or_nothing_and_never_another_run(state, running):
    running.start(moment(), load(state.manual).get("P-17", "en").procedure, RIVERSIDE)
    at_step(running, "3")
    told = console(state, "2", "x", "1", "q", "q")
    assert "! 2 is no key in a run: x opens the list, where a number opens" in told
    assert "OTHER  P-17-1 1/10  (x, then its number)" in told
    assert "now P-03-1 R 3/5" in told


@pytest.mark.parametrize("key", ["²", "①"])
async def test_the_key_beside_the_1_of_a_french_keyboard_is_no_digit_and_ends_nothing(state, running, key):
    told = console(state, key, "x", key, f"{key} R", "R", key, "3", "r", "e", key, "e", f"{key} R", "a", key, "q", "q")
    assert f"{key}: not known; ? helps" in told
    assert "you: maintenance" in told
    screen = pytest.importorskip("fallback_procedures.screen")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press(key, "x", key)
        assert app.is_running
        await pilot.press("3")
    with pytest.raises(Refused, match="a time as 14:05"):
        checked(Reading("call", "HH:MM", Limit(), Limit(), False, False, 1), f"{key}:00", RIVERSIDE)


async def test_a_digit_on_the_full_screen_begins_the_value_that_is_asked(state, running):
    screen = pytest.importorskip("fallback_procedures.screen")
    running.start(moment(), load(state.manual).get("P-17", "en").procedure, RIVERSIDE)
    running.note(moment(), "back here", "P-03-1")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("1", ".", "5", "enter")
        assert kept(state)[-1]["value"] == "1.5"
        await pilot.press("space")
        await pilot.press("2")
        assert "2 is no key in a run" in " ".join(app.told)
        assert app.seat.run_id == "P-03-1"
    running.note(moment(), "the gauge is wet", "P-03-1")
    app.told = []
    app.tick()
    assert app.told == [], "a look that comes while the screen is left draws nothing, and ends nothing"


def test_an_if_is_asked_and_a_go_to_that_is_met_is_followed(state, running):
    at_step(running, "2")
    told = console(state, "d", "perhaps", "y", "u", "d", "n", "x", "q")
    assert "IF a pump is running: is it so now? y: GO TO step 4; n: not met:" in told
    assert "! answer y or n" in told
    assert "Step 2 is marked. GO TO step 4." in told
    assert "Taken back by a new entry: step 2 done." in told
    assert "Step 2: condition not met." in told
    lines = kept(state)[2:]
    assert [line["kind"] for line in lines] == ["goto", "done", "undo", "not_met"]
    assert lines[1]["goto"] == "4"
    assert replay("x", kept(state)[:4]).runs["P-03-1"].cursor == "4"
    assert replay("x", kept(state)).runs["P-03-1"].cursor == "3"


async def test_space_asks_the_if_starts_the_timer_and_then_the_value(state, running):
    screen = pytest.importorskip("fallback_procedures.screen")
    at_step(running, "2")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("space", "y", "enter", "space")
        assert "The timer runs: 30 s." in " ".join(app.told)
        await pilot.press("space")
        assert re.search("(30|2[0-9])s left", " ".join(app.told))
        await pilot.press("3", "enter", "space")
        assert "Why is the step done all the same?" in " ".join(app.told)
        app.text = "it settled at onc"
        await pilot.press("e", "enter", "space", "y", "enter", "2", "enter")
    assert kinds(state) == ["goto", "done", "timer", "reading", "done", "verified", "done"]
    assert [line.get("early") for line in kept(state) if line["kind"] == "done"] == [None, "it settled at once", None]


def test_a_value_before_the_timer_was_started_is_asked_with_that_word(state, running):
    at_step(running, "4")
    assert "motor current [A], timer not started (t) >" in console(state, "x", "q")


def test_a_value_ten_times_outside_is_asked_again_and_one_of_the_round_before_says_so(state, running):
    told = console(state, "175", "n", "v", "175", "n", "1.75", "d", "r", "x", "q")
    assert told.count("175 m, and safety limits 0.60 .. 2.20 m: really m? y keeps it:") == 2
    assert [line["value"] for line in kept(state) if line["kind"] == "reading"] == ["1.75"]
    shown = " ".join(told.rsplit("step 1 of 5", 1)[1].split())
    assert "wet well level: ________ m safety limits 0.60 .. 2.20 m (before, at " in shown
    assert "1.75 m in limits)" in shown


def test_behind_the_last_step_what_is_not_marked_is_named(state, running):
    at_step(running, "5")
    told = console(state, "n nobody there", "x", "q")
    assert "not marked: 1 2 3 4" in told
    assert "All steps are marked" not in told


def test_the_role_of_a_declaration_is_that_of_the_entry_and_the_person_stays_who_they_are(state):
    state.publish(moment(), age_s=190)
    told = console(state, "c", "2", "all agree", "R", "lost", "LOST", "l level looked at", "R", "3", "l gate shut", "q")
    assert [(line["kind"], line["role"]) for line in kept(state)] == [
        ("declared", "shift_lead"), ("note", "operator"), ("note", "maintenance")]  # fmt: skip
    assert "CONTROL LOST at R. Write LOST to declare it, Enter alone goes back:" in told
    assert "! not LOST; Enter alone goes back" not in told.split("Write LOST")[0]
    assert "you: maintenance" in told


def test_declaring_everywhere_says_so_before_the_word(state):
    state.publish(moment(), age_s=190)
    assert "CONTROL LOST at ALL sites: N H R. Write LOST" in console(state, "c", "2", "all agree", "", "", "q")


def test_a_question_stays_open_after_a_wrong_answer(state, running):
    told = console(state, "g", "66", "4", "x", "a", "P-99", "P-17", "x", "q")
    assert "there is no step 66" in told
    assert kinds(state) == ["goto"]


def test_danger_to_life_is_named_with_its_number_and_stands_before_the_runs(state, running):
    told = console(state, "x", "e", "1 N", "", "q")
    assert "Kept. chlorine gas: alarm, smell or burning eyes (N). For it, in the list (x): 1 P-08 N." in told
    listed = told.rsplit("Kept.", 1)[1]
    assert listed.index("P-08 N") < listed.index("P-03-1 R")


def test_a_drill_under_which_a_real_period_opens_says_so_and_records_nothing_until_that_is_confirmed(state):
    state.publish(moment(), age_s=190)
    real = desk(state.manual / "journal", moment(), "operator", False)

    def happens():
        real.declare(moment(), "all agree", ("R",))

    told = console(state, "l first", happens, "l second", "D", "DRILL", "l third", "q", "", "q", drill=True)
    assert told.count("! A REAL PERIOD IS OPEN: leave the drill") >= 2
    assert "! A REAL PERIOD IS OPEN: nothing was recorded" in told
    drilled = [line for path in (state.manual / "journal").glob("*.jsonl") for line in read_lines(path)[0]
               if line["drill"]]  # fmt: skip
    assert [line["text"] for line in drilled if line["kind"] == "note"] == ["first", "third"]


def test_a_real_period_and_a_drill_that_were_opened_in_the_same_second_have_a_file_each(state):
    now = moment()
    real, drill = (desk(state.manual / "journal", now, "operator", what) for what in (False, True))
    drill.note(now, "drill")
    real.declare(now, "all agree")
    files = [read_lines(path)[0] for path in sorted((state.manual / "journal").glob("*.jsonl"))]
    assert sorted({line["drill"] for line in lines} for lines in files) == [{False}, {True}]


def test_a_second_person_is_asked_before_the_reason(state, running):
    other = desk(state.manual / "journal", moment(), "operator", False)
    at_step(other, "5")
    with pytest.raises(Refused, match="a second person must verify step 5 first"):
        other.ready("P-03-1")


# two periods that are open at once


def laid(folder, name, line):
    """A journal with one entry, as a clock ahead, a second machine or a memory disk that came home leaves it."""
    (folder / name).write_bytes(entry_of(line)[0] + b"\n")


@pytest.mark.parametrize("name", ["2019-01-01T000000Z.jsonl", "2999-01-01T000000Z.jsonl"])
def test_another_open_journal_hides_no_declared_period_and_is_said_and_ended_by_role(state, name):
    first = desk(state.manual / "journal", moment(), "shift_lead", False)
    told = first.declare(moment(), "all agree", ("R",))
    laid(state.manual / "journal", name, {**told, "kind": "note", "text": "x", "role": "operator"})
    shown = console(state, "Z", "1", "2", "", "", "Z", "1", "2", "not of this plant", "END", "l still here", "q")
    assert "MANUAL since" in shown
    assert "2 PERIODS ARE OPEN. This is " + first.journal.name.partition(".")[0] in " ".join(shown.split())
    assert f"{name} has ended." in shown
    kept = read_lines(state.manual / "journal" / name)[0]
    assert [(line["kind"], line["role"], line["text"]) for line in kept[1:]] == [
        ("closed", "shift_lead", "not of this plant")]  # fmt: skip
    assert [line["kind"] for line in first.period().entries] == ["declared", "note"]
    assert not first.others()


def test_whoever_sits_at_a_round_goes_over_to_the_period_in_which_control_is_declared(state):
    folder = state.manual / "journal"
    blind = desk(folder, moment(), "operator", False)
    told = blind.seen(moment(), "overflow", "R")
    laid(folder, "2999-01-01T000000Z.jsonl", {**told, "n": 1, "kind": "declared", "sites": ["R"]})
    assert blind.join().period().declared
    assert [one.name for one in blind.others()] == [name for name in names(folder) if "2999" not in name]
    blind.hand_back(moment(), "all in automatic")
    assert [one.event for one in blind.join().period().events] == ["overflow"]
    assert not blind.others()


def test_of_two_declared_periods_a_new_desk_goes_on_in_the_older_one_and_each_names_the_other(state):
    folder = state.manual / "journal"
    folder.mkdir()
    for name in ("2026-11-23T020000Z.jsonl", "2026-11-23T010000Z.jsonl"):
        laid(folder, name, {"n": 1, "drill": False, "kind": "declared", "role": "shift_lead", "sites": ["R"], "at": ""})
    here = desk(folder, moment(), "operator", False)
    assert here.journal.name == "2026-11-23T010000Z.jsonl"
    there = Desk(Journal(folder, "2026-11-23T020000Z.jsonl"), "operator", False)
    assert there.join().journal.name == "2026-11-23T020000Z.jsonl", "nobody is moved out of a declared period"
    assert [[one.name for one in each.others()] for each in (here, there)] == [
        [there.journal.name],
        [here.journal.name],
    ]
    with pytest.raises(Refused):
        here.end_other(moment(), there.journal.name, "")
    drill = desk(folder, moment(), "operator", True)
    drill.beside = drill.real()
    drill.note(moment(), "no drill is another real period")
    assert not drill.others()


def test_of_thousands_of_old_journals_nothing_is_held_and_each_is_read_once(state, monkeypatch):
    folder = state.manual / "journal"
    folder.mkdir()
    for number in range(300):
        lines = [{"n": n, "drill": False, "kind": kind, "text": "x" * (10 if number % 2 else 5_000)}
                 for n, kind in enumerate(("opened", "note", "closed"), 1)]  # fmt: skip
        (folder / f"2024-01-01T{number:06d}Z.jsonl").write_bytes(b"".join(entry_of(one)[0] + b"\n" for one in lines))
    read = []
    take = journals._take
    monkeypatch.setattr(journals, "_take", lambda raw, lines: read.extend([raw] if raw else []) or take(raw, lines))
    here = desk(folder, moment(), "operator", False)
    assert len(read) <= 150 * 2 + 150 * (3 + 1), "the first and the last line, or each of them once, and its end"
    here.note(moment(), "mine")
    read.clear()
    for _look in range(3):
        assert len(here.join().period().entries) == 1
        assert desk(folder, moment(), "operator", True).journal.lines() == []
    assert len(read) <= 6, "but for the one that is open"
    assert [path.name for path in journals._seen if path.parent == folder] == [here.journal.name]
    closed = folder / "2024-01-01T000007Z.jsonl"
    closed.write_bytes(closed.read_bytes().replace(b"closed", b"noted!"))
    assert [one.name for one in here.others()] == [closed.name], "one that was changed is read again"


@pytest.mark.parametrize("lines", [
    ["opened", "note", ("closed", {"drill": True})], ["opened", ("closed", {"n": 20_000})],
    [("note", {"n": 2}), ("opened", {"drill": True, "n": 1}), "closed"],
])  # fmt: skip
def test_a_file_whose_last_line_ends_nothing_is_open(state, lines):
    folder = state.manual / "journal"
    folder.mkdir()
    told = []
    for n, one in enumerate(lines, 1):
        kind, more = (one, {}) if isinstance(one, str) else one
        told.append(entry_of({"format": 1, "n": n, "drill": False, "kind": kind, **more})[0])
    (folder / "2026-01-01T000000Z.jsonl").write_bytes(b"\n".join(told) + b"\n")
    assert [one.name for drill in (False, True) for one in open_periods(folder, drill)] == ["2026-01-01T000000Z.jsonl"]


def handed_back_and_declared_anew(state, running):
    def happens():
        running.role = "shift_lead"
        running.seen(moment(), "chlorine_gas", "R")
        running.hand_back(moment(), "all in automatic again")
        running.declare(moment(), "all agree", ("N",))
        running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "N")

    return happens


def test_a_value_typed_on_a_console_that_shows_an_ended_period_is_in_no_journal(state, running):
    told = console(state, handed_back_and_declared_anew(state, running), "1.5", "q")
    ended = "! The period was handed back by shift lead at "
    assert told.count(ended) >= 2, "while it waits, and when the value comes"
    assert "Nothing was kept." in told
    assert "MANUAL since" in told.rsplit("Nothing was kept.", 1)[1], "the new state is shown"
    lines = [line for path in (state.manual / "journal").glob("*.jsonl") for line in read_lines(path)[0]]
    assert "reading" not in [line["kind"] for line in lines]


def test_a_note_and_an_event_meant_for_an_ended_period_are_refused_and_the_run_is_not_taken_for_another(state, running):
    other = desk(state.manual / "journal", moment(), "operator", False)
    seat = Seat(Place(state.manual), load(state.manual), other, run_id="P-03-1")
    seat.show(seat.look())
    handed_back_and_declared_anew(state, running)()
    for act in (lambda: other.note(moment(), "level falls"), lambda: other.seen(moment(), "overflow", "R"),
                lambda: other.read(moment(), "P-03-1", "1.5"), seat.run):  # fmt: skip
        with pytest.raises(Moved, match="The period was handed back by shift lead at"):
            act()
    seen = seat.look()
    assert (seat.run_id, seat.at_hand(seen)) == ("", None)
    assert "! The period was handed back by shift lead" in "\n".join(mode_lines(seen, 79))
    seat.show(seen)
    other.note(moment(), "level falls")
    assert other.period().sites == ("N",)


def test_what_was_seen_and_is_not_over_goes_on_in_a_round_behind_a_hand_back(state, running):
    running.seen(moment(), "chlorine_gas", "N")
    running.seen(moment(), "overflow", "R")
    said = running.period().events[0].line["at"]
    running.over(moment(), "overflow", "R")
    running.hand_back(moment(), "all in automatic again")
    files = [
        read_lines(path)[0] for path in sorted((state.manual / "journal").glob("*.jsonl"), key=lambda path: path.stem)
    ]
    assert [line["kind"] for line in files[1]] == ["opened", "seen"]
    assert (files[1][1]["event"], files[1][1]["site"], files[1][1]["since"]) == ("chlorine_gas", "N", said)
    assert "P-08 N" in console(state, "q")


def test_an_undo_in_the_list_asks_first_and_names_whose_word_it_takes_back(state, running):
    running.role = "shift_lead"
    told = console(state, "x", lambda: running.seen(moment(), "chlorine_gas", "R"), "u", "u", "n", "u", "y", "q")
    assert "! shift lead has said: chlorine gas: alarm, smell or burning eyes (R)" in told
    assert "! shift lead has just said: chlorine gas: alarm, smell or burning eyes (R); nothing was taken back" in told
    assert re.search(r"y takes back: chlorine gas: .*burning eyes \(R\), said by shift lead \d+s ago:", told)
    assert kinds(state) == ["seen", "undo"]


def test_what_is_taken_back_is_heard_at_the_other_desks(state, running):
    running.seen(moment(), "chlorine_gas", "R")
    told = console(state, "x", lambda: running.undo(moment()), "", "q")
    assert "! operator has taken back: chlorine gas: alarm, smell or burning eyes (R)" in told


def test_what_is_taken_back_while_a_question_stands_is_heard_behind_it(state, running):
    told = console(state, "x", "e 1", "R", "e", lambda: running.undo(moment()), "", "q")
    assert told.count("! operator has taken back: chlorine gas: alarm, smell or burning eyes (R)") == 1
    assert "operator has said: chlorine gas" not in told  # nobody is told their own word


def test_what_another_has_entered_in_a_run_is_told_before_u_takes_it_back_and_they_hear_it(state, running):
    def elsewhere():
        running.read(moment(), "P-03-1", "2.0")

    told = console(state, elsewhere, "", "u", "n", "u", "y", "1.5", "u", "x", "q")
    assert told.count("y takes back: wet well level 2.0 m, said by operator") == 2
    assert told.count("Taken back by a new entry") == 2  # one's own word without a question
    assert kinds(state) == ["reading", "undo", "reading", "undo"]
    seat = Seat(Place(state.manual), load(state.manual, ("en",)), running)
    seat.run_id = "P-03-1"
    other = desk(state.manual / "journal", moment(), "maintenance", False)
    other.read(moment(), "P-03-1", "1.7")
    seat.show(seat.look())
    other.undo(moment(), "P-03-1")
    assert "maintenance has taken back: wet well level 1.7 m (P-03-1)" in seat.said_elsewhere(seat.look())


async def test_on_the_screen_too_what_is_taken_back_while_a_question_stands_is_heard_behind_it(state, running):
    screen = pytest.importorskip("fallback_procedures.screen")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("x", "e", "1", "enter", "R", "enter", "l")
        running.undo(moment())
        await pilot.press("escape")
        assert "operator has taken back: chlorine gas: alarm, smell or burning eyes (R)" in " ".join(app.told)
        await pilot.press("b")
        assert "has taken back" not in " ".join(app.told)


def test_where_there_are_several_sites_an_event_says_where_it_is_and_all_must_be_said(state, running):
    told = console(state, "x", "e 4", "Z", "all", "e 5", "N", "e", "", "q")
    assert "where is it (N H R)? At all of them: all:" in told
    assert "there is no site Z" in told
    assert [(line["event"], line["site"]) for line in kept(state) if line["kind"] == "seen"] == [
        ("mains_lost", ""), ("overflow", "N")]  # fmt: skip
    assert "(said: all stations " in told
    answer = " ".join(told.split("Kept.")[2].split("\n>")[0].split())
    assert "P-12" not in answer.split("MANUAL since")[0], "what an event before it is for is not told again"


def test_a_time_of_day_that_is_still_to_come_is_asked_before_it_is_of_yesterday_and_the_last_line_is_taken_back(
    state, running
):
    look(Place(state.manual), load(state.manual), running, "en")  # the time zone is that of the plant
    now = moment().wall_s
    ahead, before = local_text(now + 3600, "%H:%M").split()[0], local_text(now - 7200, "%Y-%m-%d %H:%M")[:16]
    told = console(state, "E P-03-1", "1", "1.75", "0001-01-01 00:00", ahead, "n", before, "y", "",
                   "E P-03-1", "1", "1.9", before, "y", "", "x", "u", "y", "q")  # fmt: skip
    assert told.count("! a time as 14:05, or 2026-11-23 14:05, that has been") == 1
    assert "That was " in told and "h ago, before this run began: is that meant? y/n:" in told
    assert f"Entered from paper: wet well level 1.75 m, so at {before}" in told
    assert re.search(r"y takes back: wet well level 1.9 m, said by operator \d+s ago:", told)
    lines = [line for line in kept(state) if line["kind"] == "paper"]
    assert [line["value"] for line in lines] == ["1.75", "1.9"]
    assert kept(state)[-1]["undoes"] == lines[1]["n"]


async def test_last_known_values_are_told_in_the_words_of_the_reader(state):
    screen = pytest.importorskip("fallback_procedures.screen")
    state.publish(moment(), age_s=190)
    rows = [f"{row}  2026-11-23T13:22:07.000Z\n" for row in ("R-M01.p  2.21 bar  good", "R-P01.t  41.5 degC  bad")]
    (state.manual / "last_known.txt").write_text("".join(rows))
    app = screen.ManualScreen(Place(state.manual), "de", "operator", False)
    use_language("de")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("k")
        told = " ".join(" ".join(app.told).split())
    assert "2,21 bar gut" in told and "41,5 °C schlecht" in told
