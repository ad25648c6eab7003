"""The full screen, driven by keys: two panes and one, and the same journal as the console."""

import pytest

from fallback_procedures.journal import read_lines
from fallback_procedures.place import Place
from fallback_procedures.triggers import moment
from fallback_procedures.words import use_language

screen = pytest.importorskip("fallback_procedures.screen")


def shown(app) -> list[str]:
    """The lines on the screen."""
    return app.told


async def typed(pilot, text: str) -> None:
    """An answer; all but its last letter is put there at once, because each key waits for a picture."""
    pilot.app.text = text[:-1]
    await pilot.press(*["space" if letter == " " else letter for letter in text[-1:]], "enter")


async def begun(pilot) -> None:
    """A drill: control declared lost at R, and P-03 begun there."""
    await pilot.press("c")
    for answer in ("2", "all agree", "R", "LOST"):
        await typed(pilot, answer)
    names = [name for name, _site in pilot.app.seat.chosen]
    await pilot.press(str(names.index("P-03") + 1), "s")


async def told(pilot) -> None:
    """Where a step stands below its warnings and the edge of the screen, the first key shows it."""
    if pilot.app.unseen:
        await pilot.press("space")


@pytest.mark.parametrize(("size", "language"), [((100, 30), "de"), ((80, 24), "en")])
async def test_a_drill_is_declared_run_and_handed_back_by_keys(state, size, language):
    use_language(language)
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), language, "operator", True)
    async with app.run_test(size=size) as pilot:
        await pilot.press("c")
        await typed(pilot, "2")
        await typed(pilot, "all agree")
        await typed(pilot, "R")
        await typed(pilot, "LOST")
        at = next(index for index, (name, _site) in enumerate(app.seat.chosen, 1) if name == "P-03")
        await pilot.press(str(at), "s")
        await told(pilot)
        await pilot.press("space")
        await typed(pilot, "7,5")
        assert any(word in " ".join(shown(app)) for word in ("high by 2.5", "zu hoch um 2,5", "trop haut de 2,5"))
        await pilot.press("v")
        await typed(pilot, "20.9")
        await typed(pilot, "0")
        await pilot.press("space")
        await typed(pilot, "pumped out first")
        await pilot.press("u")
        await told(pilot)
        await pilot.press("space")
        await typed(pilot, "pumped out first")
        await pilot.press("n")
        await typed(pilot, "y")
        await typed(pilot, "sheet is wet")
        lines = shown(app)
        assert len(lines) <= size[1]
        assert max(map(len, lines)) <= size[0]
        assert app.seat.run_id == "P-03-1"
        await pilot.press("w", "down", "escape", "x", "?", "escape", "k", "escape", "b", "escape", "a")
        await typed(pilot, "F11")
        await typed(pilot, "R")
        assert "F11" in " ".join(shown(app))
        await pilot.press("escape", "h")
        for answer in ("2", "3", "looked at it", "AUTO", "", "mains lost", "no torch", "P-03 step 1", "buy one", "2",
                       "", "2027-02-30x", "2027-06-01"):  # fmt: skip
            await typed(pilot, answer)
        await pilot.press("q")
    files = sorted((state.manual / "journal").glob("*.jsonl"))
    kinds = [line["kind"] for line in read_lines(files[0])[0]]
    assert kinds == [
        "declared",
        "started",
        "reading",
        "reading",
        "reading",
        "done",
        "undo",
        "done",
        "not_applicable",
        "drill_record",
        "handed_back",
    ]
    record = read_lines(files[0])[0][-2]
    assert (record["station"], record["procedures"], record["next_due"]) == ("R", ["P-03"], "2027-06-01")
    assert [gap["role"] for gap in record["gaps"]] == ["shift_lead"]


async def test_last_known_values_begin_with_the_site_at_work_have_whole_names_and_say_how_many_more(state):
    state.publish(moment(), age_s=190)
    rows = [
        f"{site}-P0{n}.running_hours  {n}.5 h  good  2026-11-23T13:22:07.000Z" for site in "HR" for n in range(1, 7)
    ]
    (state.manual / "last_known.txt").write_text("\n".join(rows) + "\n")
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("c")
        for answer in ("2", "all agree", "R", "LOST"):
            await typed(pilot, answer)
        told = "\n".join(shown(app))
    assert "R-P06.running_hours 6.5 h" in told
    assert told.index("R-P06") < told.index("H-P01.running_hours")
    assert "4 more: k" in told


async def test_an_answer_taken_back_changes_nothing_and_a_refusal_is_said(state):
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c", "2", "escape")
        assert "this was not kept" in " ".join(shown(app))
        await pilot.press("a")
        await typed(pilot, "P-03")
        await pilot.press("s")
        assert "first a person must declare CONTROL LOST" in " ".join(shown(app))
    assert not (state.manual / "journal").exists()


async def test_the_next_start_resumes_where_the_last_one_was(state):
    state.publish(moment(), age_s=190)
    first = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with first.run_test(size=(100, 30)) as pilot:
        await pilot.press("1")
        await typed(pilot, "R")
        await pilot.press("s", "space")
        await typed(pilot, "14:05")
        await pilot.press("space")
    second = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    async with second.run_test(size=(100, 30)):
        assert "Resumed: P-17-1" in " ".join(shown(second))
        assert "step 2 of 10" in " ".join(shown(second))


async def test_a_state_folder_that_vanishes_never_undeclares(state):
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), "en", "operator", False)
    away = state.root.with_name("away")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await typed(pilot, "2")
        await typed(pilot, "all agree")
        await typed(pilot, "R")
        await typed(pilot, "LOST")
        state.root.rename(away)
        await pilot.press("l")
        await typed(pilot, "still here")
        text = " ".join(shown(app))
        assert "CONTROL LOST declared by shift lead" in text
        assert "STATE FOLDER IS GONE" in text
        assert "MEMORY ONLY" in text
        away.rename(state.root)
        await pilot.press("l")
        await typed(pilot, "back")
        assert "STATE FOLDER IS GONE" not in " ".join(shown(app))
    (file,) = (state.manual / "journal").glob("*.jsonl")
    assert [line["kind"] for line in read_lines(file)[0]] == ["declared", "note", "note"]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
async def test_a_drill_begins_by_a_key_and_a_reading_out_of_limits_needs_a_reason(state, language):
    use_language(language)
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), language, "operator", False)
    async with app.run_test(size=(80, 24)) as pilot:
        assert max(map(len, shown(app))) <= 80
        assert "D drill" in " ".join(shown(app)) or language != "en"
        await pilot.press("?", "escape", "D")
        await typed(pilot, "DRILL")
        assert app.seat.desk.drill
        await pilot.press("a")
        await typed(pilot, "P-03")
        if app.talk:
            await typed(pilot, "R")
        await pilot.press("s")
        await told(pilot)
        await pilot.press("v")
        await typed(pilot, "7.5")
        await pilot.press("space")
        for value in ("20.9", "0"):
            await typed(pilot, value)
        await pilot.press("space")
        assert max(map(len, shown(app))) <= 80
        assert app.talk
        await typed(pilot, "ventilated again")
        assert app.talk is None
    (file,) = (state.manual / "journal").glob("*.jsonl")
    lines = read_lines(file)[0]
    assert all(line["drill"] for line in lines)
    assert (lines[-1]["kind"], lines[-1]["text"]) == ("done", "ventilated again")


async def test_what_is_seen_handed_over_and_taken_back_by_keys_leaves_no_question_open(state):
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), "en", "operator", True)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("e")
        await typed(pilot, "99")
        assert "a number from 1 to" in " ".join(shown(app))
        await typed(pilot, "1 n")
        assert "P-08 N" in " ".join(shown(app))
        await pilot.press("e")
        await typed(pilot, "1 N")
        await typed(pilot, "y")
        await pilot.press("u")
        await typed(pilot, "y")
        await pilot.press("S")
        await typed(pilot, "y")
        assert "Why is it stable all the same" in " ".join(shown(app)), "the gas is not over"
        await typed(pilot, "nobody is inside")
        await pilot.press("S")
        assert app.talk is None
        assert "stable by hand already" in " ".join(shown(app))
        await pilot.press("H")
        await typed(pilot, "3")
        await typed(pilot, "quiet")
        await pilot.press("L")
        assert "Français" in " ".join(shown(app))
        await pilot.press("h")
        assert app.talk is None
        assert all(line.startswith("EXERCICE ") for line in shown(app))
    (file,) = (state.manual / "journal").glob("*.jsonl")
    kinds = [line["kind"] for line in read_lines(file)[0]]
    assert kinds == ["opened", "seen", "seen_over", "undo", "stable", "handed_over"]


async def test_who_types_a_value_has_the_step_and_its_limits_before_the_eyes_whatever_warnings_stand_above(state):
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), "de", "operator", True)
    async with app.run_test(size=(80, 24)) as pilot:
        await begun(pilot)
        seen = " ".join(shown(app))
        while app.unseen:  # nothing between the warnings and the step is jumped over
            await pilot.press("space")
            seen += " ".join(shown(app))
        for notice in app.seat.run().step.notices:
            assert notice.text.split()[-1] in seen
        await pilot.press("space")
        for value in ("1", "20.9"):
            text = " ".join(shown(app))
            assert "[ ]   1  " in text
            assert "5 ppm" in text
            await typed(pilot, value)
        assert "LEL" in " ".join(shown(app)[-6:]) or "UEG" in " ".join(shown(app)[-6:])


async def test_in_a_window_where_no_step_fits_no_key_marks_one_and_what_was_typed_is_there_when_it_is_large_again(
    state,
):
    state.publish(moment(), age_s=190)
    app = screen.ManualScreen(Place(state.manual), "en", "operator", True)
    async with app.run_test(size=(80, 24)) as pilot:
        await begun(pilot)
        await told(pilot)
        await pilot.press("space", "1")
        before = app.seat.run().marks, app.text
        await pilot.resize_terminal(40, 12)
        await pilot.press("enter", "d", "n", "space")
        assert "too small: 40 x 12" in " ".join(shown(app))
        assert (app.seat.run().marks, app.text) == before
        assert not app.seat.run().readings
        await pilot.resize_terminal(80, 24)
        await pilot.press("enter")
        assert [one.value for one in app.seat.run().readings] == ["1"]
