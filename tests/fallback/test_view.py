"""What a person reads: no line is wider than its place, none of the step at hand is hidden, nothing moves a cursor."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallback_procedures import keys
from fallback_procedures.board import at_hand_lines, key_lines, list_lines, run_lines, scrolled, short_line
from fallback_procedures.desk import desk
from fallback_procedures.judging import judged
from fallback_procedures.library import SHIPPED, load
from fallback_procedures.place import Place, look
from fallback_procedures.procedure import parse
from fallback_procedures.reading_acts import reading_prompt
from fallback_procedures.run import Mark, Run, Taken
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.triggers import moment
from fallback_procedures.view import document_lines, spoken, value_text
from fallback_procedures.words import LANGUAGES, harmless, moment_typed, use_language

from .conftest import SHEET

LIBRARY = load(None, LANGUAGES)
TEXTS = [entry.procedure for _key, entry in sorted(LIBRARY.entries.items()) if entry.procedure]
SHEETS = [Sheet(), read_sheet(SHEET)]


def test_the_shipped_library_is_what_is_tested():
    assert len(TEXTS) >= 90, SHIPPED


@settings(max_examples=150)
@given(procedure=st.sampled_from(TEXTS), sheet=st.sampled_from(SHEETS), width=st.integers(40, 120))
def test_no_line_of_any_page_is_wider_than_its_place(procedure, sheet, width):
    use_language(procedure.language)
    lines = document_lines(procedure, sheet, width, procedure.language)
    assert [line for line in lines if len(line) > width] == []


@settings(max_examples=150)
@given(
    procedure=st.sampled_from([one for one in TEXTS if one.steps]),
    width=st.integers(40, 120),
    room=st.integers(5, 60),
    part=st.floats(0, 1),
)
def test_the_step_at_hand_is_always_seen_or_can_be_scrolled_to(procedure, width, room, part):
    use_language(procedure.language)
    order = [step.number for step in procedure.steps]
    at = min(int(part * (len(order) + 1)), len(order))
    mark = Mark("done", "shift_lead", "2026-11-23T02:13:00.000Z", "why")
    run = Run("P-03-1", procedure, read_sheet(SHEET), "R", True, order[at] if at < len(order) else "",
              {number: mark for number in order[:at]})  # fmt: skip
    now = at_hand_lines(run, width)
    seen = []
    for top in range(0, len(now), room - 2):  # below a head of one line, and above that which says how many are left
        lines = run_lines(run, width, room, top)
        assert [line for line in lines if len(line) > width] == []
        assert len(lines) <= room
        seen += lines
    assert set(now) <= set(seen)
    assert all(len(short_line(run, number, width)) <= width for number in order)


def test_a_longer_text_says_how_much_of_it_is_left():
    lines = [str(n) for n in range(10)]
    assert scrolled(lines, 4, 0) == ["0", "1", "2", "-- 7 more lines: arrow down --"]
    assert scrolled(lines, 4, 99) == ["7", "8", "9", "-- end; arrow up goes back --"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [40, 60, 79])
def test_keys_and_help_fit_and_are_the_same_letters_in_all_languages(state, language, width):
    use_language(language)
    seat = Seat(Place(state.manual), LIBRARY, desk(None, moment(), "operator", True), width)
    told = keys.key_line(keys.keys(seat, seat.look()), "1-9")
    assert all(len(line) <= width for line in key_lines(told, width))
    letters = [key.letter for key in [*keys.everywhere(), *keys.list_keys(), *keys.page_keys(), *keys.run_keys()]]
    assert letters == list("cheSHEaklbRLDuqspxovdyitngurmlwpfx")


def test_the_letters_of_one_place_are_all_different():
    for group in (keys.run_keys(), [*keys.everywhere(), *keys.list_keys()], keys.page_keys()):
        assert len({key.letter for key in group}) == len(group)


@settings(max_examples=60)
@given(text=st.text(max_size=300), width=st.integers(40, 120))
def test_what_stands_in_a_journal_can_bring_no_escape_and_no_wider_line(text, width):
    procedure = next(one for one in TEXTS if one.id == "P-03")
    step = procedure.step("3")
    run = Run(text or "x", procedure, Sheet(text), text, True, step.number, {"1": Mark("done", text, text, text)},
              readings=(Taken(step.readings[0].name, text, text, None, text, "3", "1"),))  # fmt: skip
    lines = [harmless(line) for line in run_lines(run, width, 40)]
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for line in lines for letter in line)
    assert [line for line in lines if len(line) > width] == []
    assert text.strip() in value_text(run.readings[0])
    assert judged(run.readings[0], run)


def test_if_twice_takes_the_place_of_the_general_order():
    procedure = next(one for one in TEXTS if one.id == "P-03" and one.language == "en")
    step = replace(procedure.steps[0], if_twice="stay away")
    run = Run("P-03-1", replace(procedure, steps=(step, *procedure.steps[1:])), read_sheet(SHEET), "R", True, "1")
    high = Taken("hydrogen sulphide", "9", "ppm", False, "", "1", "1")
    twice = replace(run, readings=(high, replace(high, mark="2")))
    assert judged(high, twice)[-1] == "If twice: stay away"
    assert "high by 4 ppm" in judged(high, twice)[0]


def test_a_list_gives_each_reason_once_and_a_number_to_each_line(state):
    state.publish(moment(), age_s=190)
    here = desk(state.manual / "journal", moment(), "shift_lead", False)
    here.declare(moment(), "lost", ("R",))
    seen = look(Place(state.manual), load(state.manual), here, "en")
    lines, chosen = list_lines(seen, LIBRARY, 79)
    assert ("P-03", "R") in chosen
    assert sum("because CONTROL LOST" in line for line in lines) <= 2
    assert f"{chosen.index(('P-03', 'R')) + 1:>3} P-03 R" in "\n".join(lines)


@pytest.mark.parametrize(
    ("typed", "hours"), [("00:00", 0), ("2026-11-23 01:30", None), ("24:00", None), ("nine", None)]
)
def test_a_time_a_person_wrote_is_the_last_time_it_was_so(typed, hours):
    now = 1_795_430_000.0
    at = moment_typed(typed, now)
    if hours is not None:
        assert at is not None
        assert 0 <= now - at < 86_400
    elif typed.startswith("2026"):
        assert at is not None
    else:
        assert at is None


def test_a_reading_of_words_asks_without_empty_brackets():
    procedure = next(one for one in TEXTS if any(part.unit == "text" for step in one.steps for part in step.readings))
    step = next(step for step in procedure.steps if any(part.unit == "text" for part in step.readings))
    run = Run("x", procedure, Sheet(), "", True, step.number, released=(step.number,))
    taken = tuple(Taken(one.name, "1", one.unit, None, "", step.number, one.name) for one in step.readings
                  if one.unit != "text")  # fmt: skip
    run = replace(run, readings=taken, fresh=tuple(one.mark for one in taken))
    assert "[" not in reading_prompt(run)
    assert reading_prompt(run)
    assert parse(procedure.source)[0] is not None


@pytest.mark.parametrize(
    ("language", "told"), [("en", "P-10 step 2a."), ("de", "P-10 Schritt 2a."), ("fr", "P-10 étape 2a.")]
)
def test_a_step_of_another_page_is_named_in_the_language_of_the_page(language, told):
    use_language(language)
    for verb in ("GO TO", "REFER TO"):
        assert spoken(f"{verb} P-10 step 2a.", Sheet()).endswith(told)
