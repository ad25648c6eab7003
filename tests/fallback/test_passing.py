"""Nobody goes round what a page holds back: a HOLD, a second person, a limit, a clock - but with a reason that stays.

The page is one of six steps with each of them; the desk is a real one with its journal.
"""

import pytest

from fallback_procedures.ahead import passed
from fallback_procedures.desk import desk
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused
from fallback_procedures.place import Place, look
from fallback_procedures.replay import replay
from fallback_procedures.shift import page_lines
from fallback_procedures.triggers import Now, moment

from .test_two_desks import RIVERSIDE, console, kept, kinds

PAGE = """PROCEDURE  P-03  Dosing by hand
REVISION   7   2026-09-02
STATUS     APPROVED by engineer on 2026-09-02
OWNER      operations
REVIEW BY  2027-09-02
PURPOSE    Keeps the dose in its limits.
WHEN       Dosing control is lost.
APPLIES    control_lost site_type=lift_station
NEEDS      Two persons.

[ ] 1  Measure the gas at the door.
       Reading: hydrogen sulphide ________ ppm   safety limits - to 5
       If not: GO TO step 6.
[ ] 2  Open the valve of the tank.
       Second person: reads its label.
HOLD       shift_lead   Releases the dosing. Not released: GO TO step 5.
[ ] 3  Start the dosing pump.
[ ] 4  Wait until the water has come to the tap.
       Timer: 25 min
[ ] 5  IF a pump is running THEN read its motor current.
       Reading: motor current ________ A   limits - to 9.5
[ ] 6  Read the water temperature.
       Reading: temperature ________ °C   limits - to 25
REPEAT     steps 4 to 5 every 15 min until P-18 is started.

HAND BACK  The analyser agrees.
END        P-03
"""


def later(seconds):
    now = moment()
    return Now(now.wall_s + seconds, now.up_s + seconds, now.boot_id)


@pytest.fixture
def running(state):
    (state.manual / "procedures").mkdir()
    (state.manual / "procedures" / "P-03.txt").write_text(PAGE)
    state.publish(moment(), age_s=190)
    here = desk(state.manual / "journal", moment(), "operator", False)
    here.declare(moment(), "all agree", ("R",))
    here.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    return here


def run_of(here):
    return here.period().runs["P-03-1"]


def at_the_hold(here):
    here.read(moment(), "P-03-1", "0")
    here.done(moment(), "P-03-1")
    here.verify(moment(), "P-03-1", "maintenance")
    here.done(moment(), "P-03-1")
    assert run_of(here).waiting_for() == "shift_lead"


def test_ahead_past_what_is_open_it_goes_with_a_reason_only_and_back_freely(running):
    running.read(moment(), "P-03-1", "9")
    assert [(one.what, one.step) for one in passed(run_of(running), "4", moment())] == [
        ("out_of_limits", "1"), ("second_person", "2"), ("hold", "3")]  # fmt: skip
    with pytest.raises(Refused, match=r"past this only with a reason: hydrogen sulphide 9 ppm OUT OF LIMITS; step 2: "
                                      r"no second person has verified it; HOLD of step 3: shift lead"):  # fmt: skip
        running.go_to(moment(), "P-03-1", "4")
    with pytest.raises(Refused, match="past this only with a reason"):
        running.again(moment(), "P-03-1")
    running.go_to(moment(), "P-03-1", "6")  # as step 1 says itself
    running.go_to(moment(), "P-03-1", "1")
    running.read(moment(), "P-03-1", "0")
    running.done(moment(), "P-03-1")
    with pytest.raises(Refused, match="no second person"):
        running.go_to(moment(), "P-03-1", "3")


def test_a_hold_that_was_passed_by_holds_each_step_behind_it_until_its_role_releases_it(running, state):
    at_the_hold(running)
    running.go_to(moment(), "P-03-1", "4", "the telephone is dead")
    assert run_of(running).waiting_for() == "shift_lead"
    for act in (running.done, running.timer):
        with pytest.raises(Refused, match="HOLD: shift lead must release step 3 first"):
            act(moment(), "P-03-1")
    shown = console(state, "d", "x", "q")
    assert "HOLD of step 3, passed by (needs shift lead): Releases the dosing." in shown
    assert "! HOLD: shift lead must release step 3 first" in shown
    assert running.release(moment(), "P-03-1", "shift_lead")["step"] == "3"
    running.timer(moment(), "P-03-1")
    running.go_to(moment(), "P-03-1", "3")
    assert run_of(running).waiting_for() == "shift_lead"


def test_a_page_that_sends_past_its_own_hold_is_followed_and_what_was_passed_is_told_everywhere(running, state):
    at_the_hold(running)
    running.go_to(moment(), "P-03-1", "5")
    assert run_of(running).waiting_for() is None
    running.go_to(moment(), "P-03-1", "3")
    told = console(state, "g 4", "1", "nobody answers", "w", "x", "q")
    assert "HOLD of step 3: shift lead has not released it" in told
    assert "The page does not send to step 4 from here. Why past this all the same?" in told
    assert told.count("! a reason in words is needed") == 1
    assert "DEVIATION  HOLD of step 3 passed by: operator" in told
    line = kept(state)[-1]
    assert (line["kind"], line["from"], line["passed"], line["text"]) == (
        "goto", "3", [{"what": "hold", "step": "3"}], "nobody answers")  # fmt: skip
    library = load(state.manual)
    page = "\n".join(page_lines(look(Place(state.manual), library, running, "en"), library))
    assert "P-03-1: HOLD of step 3 passed by: operator" in page
    assert "nobody answers" in page


def test_a_step_before_its_clock_has_run_out_is_done_with_a_reason_only_and_the_clock_stays(running, state):
    at_the_hold(running)
    running.release(moment(), "P-03-1", "shift_lead")
    running.done(moment(), "P-03-1")
    with pytest.raises(Refused, match="the timer of step 4 was not started: 25m; done with a reason only"):
        running.done(moment(), "P-03-1")
    running.timer(moment(), "P-03-1")
    with pytest.raises(Refused, match=r"the timer of step 4 runs: 24m left; done with a reason only"):
        running.done(later(1), "P-03-1")
    with pytest.raises(Refused, match="past this only with a reason: the timer of step 4 runs"):
        running.go_to(later(1), "P-03-1", "5")
    told = console(state, "d", "y", "it smells at the tap", "x", "q")
    assert "the timer of step 4 runs: 24m left" in told or "the timer of step 4 runs: 25m left" in told
    assert "timer of step 4 in 24m" in told.rsplit("smells", 1)[-1] or "timer of step 4 in 24m" in told[-2500:]
    assert kept(state)[-1]["early"] == "it smells at the tap"
    due = [one.step for one in running.period().due(later(60).wall_s, later(60).up_s, moment().boot_id)]
    assert "4" in due
    assert [one.text for one in running.period().due(later(1600).wall_s, later(1600).up_s, moment().boot_id)
            if one.text.startswith("timer")] == []  # fmt: skip
    running.go_to(moment(), "P-03-1", "4")
    running.timer(moment(), "P-03-1")
    running.done(later(1500), "P-03-1")
    assert "early" not in kept(state)[-1]


def test_a_value_below_zero_is_asked_again_and_out_of_limits_where_nothing_of_its_unit_is(running, state):
    told = console(state, "-50", "n", "-0,5", "y", "x", "q")
    assert "-50 ppm is below zero: really? y keeps it:" in told
    assert "-0.5 ppm OUT OF LIMITS: below zero, read it again" in told
    assert [(line["value"], line["in_limits"]) for line in kept(state) if line["kind"] == "reading"] == [
        ("-0.5", False)
    ]
    running.go_to(moment(), "P-03-1", "6")
    assert "below zero" not in console(state, "-3", "x", "q")
    assert kept(state)[-1]["in_limits"] is True


def test_what_another_desk_has_read_at_a_step_is_told_before_its_condition_is_not_met(running, state):
    running.go_to(moment(), "P-03-1", "5", "looked at from outside")
    running.release(moment(), "P-03-1", "shift_lead")

    def elsewhere():
        running.read(moment(), "P-03-1", "11")

    told = console(state, "d", elsewhere, "n", "n", "x", "q")
    assert "Read at this step: motor current 11 A OUT OF LIMITS. Is the condition not met all the same? y/n:" in told
    assert kinds(state)[-1] == "reading"
    with pytest.raises(Refused, match="read at this step: motor current 11 A OUT"):
        running.not_met(moment(), "P-03-1")
    running.not_met(moment(), "P-03-1", all_the_same=True)
    assert replay("x", kept(state)).runs["P-03-1"].marks["5"].kind == "not_met"


WARNED = PAGE.replace("[ ] 1  Measure", "".join(f"DANGER     Spot {n}: nobody stands here, as what falls there kills "
                      "who stands below, by day and by night.\n" for n in range(9)) + "[ ] 1  Measure")  # fmt: skip


async def test_a_step_below_the_edge_of_the_screen_is_shown_before_it_is_marked(running, state):
    screen = pytest.importorskip("fallback_procedures.screen")
    (state.manual / "procedures" / "P-03.txt").write_text(WARNED)
    running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("d", "n", "0"):
            app.top, app.met = 0, ()
            app.draw()
            assert "Measure the gas" not in " ".join(app.told)
            await pilot.press(key)
            assert "The step itself was not shown yet: here it is." in " ".join(app.told)
            assert "Measure the gas at the door." in " ".join(app.told)
            assert app.talk is None
        await pilot.press("up", "up", "0", "enter", "d")
    assert kinds(state)[-2:] == ["reading", "done"]


def test_a_command_that_ends_the_text_before_its_step_was_told_marks_nothing(running, state, screen):
    (state.manual / "procedures" / "P-03.txt").write_text(WARNED)
    running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    terminal = screen("--state", str(state.root), "--plain", term="dumb", size="14x80")
    terminal.until("-- Enter: the rest of the step, before a value --")
    assert "Measure the gas" not in terminal.seen
    before, rest = terminal.seen, ""
    terminal.type("0\n")  # nobody has read the step: what is left of it comes, and never again what was told
    for _page in range(9):
        terminal.quiet()
        rest += terminal.seen
        assert "Spot 0" in before and "Spot 0" not in rest
        assert kinds(state)[-1] == "started"
        if not terminal.seen.endswith("-- "):
            break
        terminal.type("0\n")
    assert "Measure the gas" in rest
    rows = terminal.seen.replace("\r", "").split("\n")
    assert rows[-2] == "! 0 was not taken: the step is told whole only now. Once more, then Enter"
    assert rows[-1] == "hydrogen sulphide [ppm] > "
    terminal.type("0\n")
    terminal.until("0 ppm in limits")
    assert kinds(state)[-1] == "reading"


def test_where_only_what_falls_due_is_behind_the_edge_the_step_takes_its_value(running, state, screen):
    text = PAGE.replace("       If not: GO TO step 6.", "       Expect: nothing.\n       If not: GO TO step 6.")
    (state.manual / "procedures" / "P-03.txt").write_text(text)
    running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    terminal = screen("--state", str(state.root), "--plain", term="dumb", size="10x80")
    terminal.until("-- Enter for more, or a command --")  # all of the step was told
    assert "If not:" in terminal.seen and "entries kept" not in terminal.seen
    terminal.type("0\n")
    terminal.until("0 ppm in limits")
    assert kinds(state)[-1] == "reading"


def test_the_rounds_end_with_a_question_and_before_the_first_is_done_with_a_reason_only(running, state):
    with pytest.raises(Refused, match="no round of it is done yet: ended with a reason only"):
        running.until_met(moment(), "P-03-1")
    told = console(state, "m", "n", "m", "y", "", "m", "y", "the town has no water", "w", "u", "x", "q")
    asks = 'Ends the rounds "steps 4 to 5 every 15 min until P-18 is started": is it so? y/n:'
    assert told.count(asks) == 3
    assert "! nothing was done" in told and "! went back; this was not kept" in told
    assert 'Ended: "steps 4 to 5 every 15 min until P-18 is started". It falls due no more; u takes that back.' in told
    assert "DEVIATION  rounds from step 4 ended before the first was done: operator" in told
    assert kinds(state) == ["repeat_over", "undo"]
    assert not run_of(running).over
    running.go_to(moment(), "P-03-1", "5", "as told")
    running.release(moment(), "P-03-1", "shift_lead")
    running.not_met(moment(), "P-03-1")
    assert "No round of it" not in console(state, "m", "y", "x", "q")
    assert kinds(state)[-1] == "repeat_over"
    assert "text" not in kept(state)[-1]


@pytest.mark.parametrize(("language", "asked"), [
    ("de", 'Beendet die Runden "Schritte 4 bis 5 alle 15 min, bis P-18 is started": ist es so? y/n:'),
    ("fr", 'Met fin aux rondes "étapes 4 à 5, intervalle 15 min, jusqu'),
])  # fmt: skip
def test_what_ends_a_repeat_is_quoted_in_every_language(running, manual, state, language, asked):
    told = manual("--state", str(state.root), "--plain", "--lang", language, answers="m\n\nx\nq\n").stdout.decode()
    assert asked in " ".join(told.split())
    assert ".." not in told.replace("...", "")


def test_out_of_limits_enter_goes_where_the_page_sends_and_the_step_is_marked_so(running, state):
    told = console(state, "9", "d", "x", "d", "", "w", "x", "q")
    asks = "Enter: GO TO step 6, as the page says; x: back; a reason in words: done all the same:"
    assert told.count(asks) == 2
    assert "! went back; this was not kept" in told
    line = kept(state)[-1]
    assert (line["kind"], line["step"], line["goto"], line["out_of_limits"]) == ("done", "1", "6", True)
    run = run_of(running)
    assert (run.cursor, "1" in run.left()) == ("6", False)
    assert "[>]   1  Measure the gas" in told
    assert "out of limits, gone to step 6" in told
    assert run.waiting_for() is None  # the page itself sends past the HOLD


def test_who_types_the_step_that_the_page_names_has_marked_it_too_and_a_reason_goes_on_as_before(running, state):
    console(state, "9", "g 6", "x", "q")
    assert [kept(state)[-1].get(key) for key in ("kind", "step", "goto")] == ["done", "1", "6"]
    running.undo(moment(), "P-03-1")
    console(state, "d", "the meter is broken", "x", "q")
    assert [kept(state)[-1].get(key) for key in ("kind", "step", "goto", "text")] == [
        "done", "1", None, "the meter is broken"]  # fmt: skip
    assert run_of(running).cursor == "2"


def test_where_the_page_names_two_ways_its_number_goes_there_and_enter_goes_back(running, state):
    text = PAGE.replace("If not: GO TO step 6.", "If not: high: GO TO step 6. Low: GO TO step 2.")
    (state.manual / "procedures" / "P-03.txt").write_text(text)
    running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    told = console(state, "9", "d", "", "d", "5", "2", "x", "q")
    assert "Number: GO TO step 6 / 2, as the page says; Enter: back; a reason in words: done all the same:" in told
    assert "! went back; this was not kept" in told
    assert "! a reason in words is needed" in told  # 5 is no way of this page
    assert [kept(state)[-1].get(key) for key in ("step", "goto")] == ["1", "2"]


def test_a_step_whose_if_may_not_be_so_holds_nobody_up_for_its_second_person(running, state):
    text = PAGE.replace("[ ] 2  Open the valve", "[ ] 2  IF it is shut THEN open the valve").replace(
        "HOLD ", "NOTE ", 1
    )
    text = text.replace("NOTE       shift_lead   ", "NOTE       ").replace("GO TO step 6", "wait")
    (state.manual / "procedures" / "P-03.txt").write_text(text)
    run = running.start(moment(), load(state.manual).get("P-03", "en").procedure, RIVERSIDE, "R")
    assert passed(running.period().runs[run], "3", moment()) == []
    running.read(moment(), run, "0")
    running.done(moment(), run)
    assert passed(running.period().runs[run], "3", moment()) == []


def test_a_line_that_nobody_can_have_meant_ends_nothing_and_answers_nothing(state, manual):
    state.publish(moment(), age_s=190)
    answers = "c\n2\nall agree\n" + "x" * 30_000 + "\nR\nLOST\nq\n"
    text = manual("--state", str(state.root), answers=answers).stdout.decode()
    assert "so much came at once that nobody can have meant it: thrown away" in text
    assert [line["sites"] for line in kept(state)] == [["R"]]
