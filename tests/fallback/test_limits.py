"""Limits that differ from pump to pump: the larger one's never stands for the smaller one, on paper nor at the desk."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallback_procedures.board import at_hand_lines
from fallback_procedures.console import Console
from fallback_procedures.desk import desk
from fallback_procedures.hypertext import set_document
from fallback_procedures.journal import entry_of
from fallback_procedures.judging import judged
from fallback_procedures.library import content_hash, load
from fallback_procedures.limits import assets, bounds, limits_text, missing_safety
from fallback_procedures.open_period import Refused
from fallback_procedures.paper import content
from fallback_procedures.place import Place
from fallback_procedures.procedure import parse
from fallback_procedures.replay import replay
from fallback_procedures.run_desk import asset_named
from fallback_procedures.screen import ManualScreen
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import filled, missing, own_rows, read_sheet, span_s, tag_of, used
from fallback_procedures.sheet_lint import disagreements
from fallback_procedures.textpage import strip, text_pages
from fallback_procedures.triggers import moment
from fallback_procedures.words import LANGUAGES, use_language

from .conftest import ROOT, SHEET
from .test_two_desks import Typed

BAND = """       Reading: inflow of the well ________ m3/h
                limits {well_flow_min} to {well_flow_max}
"""
TEXT = """PROCEDURE  P-40  Transfer pumps by hand
REVISION   1   2026-11-20
STATUS     APPROVED by engineer on 2026-11-20
OWNER      operations
REVIEW BY  2027-11-20
PURPOSE    Keeps the tank in its band.
WHEN       CONTROL LOST is declared.
APPLIES    control_lost site_type=lift_station
NEEDS      Station sheet.

[ ] 1  Read the current of each pump; it stays below {pump_current}.
       Reading: motor current ________ A
                safety limits - to {pump_current}
       If not: stop this pump.
       If twice: stop the station.
[ ] 2  Read the current of each pump again.
       Reading: motor current ________ A
                safety limits - to {pump_current}
       Reading: well level ________ m   limits - to -
       If not: stop this pump.
[ ] 3  Read the well.
BAND       If not: GO TO step 1.
       Timer: {rest_time=10 min}

HAND BACK  When automation is back: GO TO P-18.
FORMS      F1
END        P-40
""".replace("BAND", BAND)
P40, faults = parse(TEXT)
assert P40, faults
ROWS = """pump_current      = 28.0 A
pump_current [P2] = 22.0 A    # the small one
well_flow_min = 40 m3/h
well_flow_max = 120 m3/h
well_flow_max [W 2] = 90 m3/h
tag_p40_1 [P1] = R-P01.current
tag_p40_1 [P2] = R-P02.current
"""
UNEQUAL = read_sheet(SHEET + ROWS)
CURRENT, FLOW = P40.steps[0].readings[0], P40.steps[2].readings[0]


def rows(text: str):
    return read_sheet(SHEET + text)


# -- the sheet ---


def test_the_plain_row_is_for_all_that_have_none_of_their_own():
    assert UNEQUAL.faults == ()
    assert [bounds(CURRENT, UNEQUAL, one).high for one in ("P1", "P2", "other", "")] == ["28.0", "22.0", "28.0", "22.0"]
    assert (bounds(FLOW, UNEQUAL, "W 2").low, bounds(FLOW, UNEQUAL, "W 2").high) == ("40", "90")
    assert limits_text(CURRENT, UNEQUAL) == "safety limits up to 28.0 A; P2: up to 22.0 A"
    assert limits_text(FLOW, UNEQUAL) == "limits 40 .. 120 m3/h; W 2: 40 .. 90 m3/h"
    assert filled("below {pump_current}.", UNEQUAL) == "below 28.0 A (P2: 22.0 A)."
    use_language("de")
    assert limits_text(CURRENT, UNEQUAL) == "Sicherheitsgrenzen bis 28,0 A; P2: bis 22,0 A"


def test_equal_limits_are_told_once():
    same = rows(ROWS.replace("[P2] = 22.0", "[P2] = 22.0 A\npump_current [P3] = 22.0 A\npump_current [P4] = 28.0"))
    assert limits_text(CURRENT, same) == "safety limits up to 28.0 A; P2, P3: up to 22.0 A"
    assert filled("below {pump_current}", same) == "below 28.0 A (P2, P3: 22.0 A)"


def test_without_a_plain_row_the_other_assets_have_no_limit_unless_the_labels_know_of_none():
    alone = "pump_current [P1] = 28.0 A\npump_current [P2] = 22.0 A\n"
    for labels in ("", "labels = P1, P2, P3\n", "labels = P1, P2, Q1\n"):
        sheet = rows(alone + labels)
        assert missing_safety(P40, sheet) == ("pump_current",)
        assert "pump_current" in missing(P40, sheet)
        assert limits_text(CURRENT, sheet) == (
            "safety limits up to ____ A; P1: up to 28.0 A; P2: up to 22.0 A SITE VALUE MISSING - DO NOT USE: "
            "pump_current")  # fmt: skip
    known = rows(alone + "labels = p1, P2\n")
    assert missing_safety(P40, known) == ()
    assert "pump_current" not in missing(P40, known)
    assert limits_text(CURRENT, known) == "safety limits P1: up to 28.0 A; P2: up to 22.0 A"
    assert filled("{pump_current}", known) == "P1: 28.0 A; P2: 22.0 A"


@pytest.mark.parametrize(
    "row",
    [
        "pump_current [P2] = 21.0 A",
        "pump_current [p2] = 22.0 A",
        "pump_current [P3] = 22,0 A",
        "pump_current [P3] 22.0 A",
        "pump_current P3] = 22.0 A",
        "pump_current [] = 22.0 A",
        "pump_current [3] = 22.0 A",
        "pump_current [Other] = 22.0 A",
        "pump_current [P3] = about twenty",
        "pump_current [P3\u202e] = 22.0 A",
        "pump_current = 27.0 A",
    ],
)
def test_a_row_that_cannot_be_believed_takes_the_whole_value_with_it(row):
    """What holds for that asset is not known, and the limit of the others is not for it."""
    sheet = rows(ROWS + row + "\n")
    assert [fault.line for fault in sheet.faults] == [18]
    assert not [key for key in sheet.values if key.startswith("pump_current")]
    assert missing_safety(P40, sheet) == ("pump_current",)
    assert filled("{pump_current}", sheet) == "____ (SITE VALUE MISSING: pump_current)"


def test_another_unit_or_limits_turned_round_of_one_asset_count_as_missing():
    watt = rows(ROWS.replace("[P2] = 22.0 A", "[P2] = 11 kW"))
    assert missing_safety(P40, watt) == ("pump_current [P2]",)
    assert bounds(CURRENT, watt, "P1").high == "28.0"
    turned = rows(ROWS + "well_flow_min [W 3] = 130 m3/h\n")
    assert bounds(FLOW, turned, "W 3").origin == "missing"
    assert "SITE VALUE MISSING: well_flow_min [W 3], well_flow_max" in limits_text(FLOW, turned)
    assert [fault.text for fault in disagreements(turned, [P40])] == [
        "well_flow_min [W 3]: it is above well_flow_max; both are limits of P-40 step 3"]  # fmt: skip
    unapproved = replace(UNEQUAL, approved_by="")
    assert missing_safety(P40, unapproved) == ("pump_current", "pump_current [P2]")


def test_check_finds_rows_of_assets_and_values_that_there_are_not():
    assert disagreements(UNEQUAL, [P40]) == []
    labelled = rows(
        ROWS + "labels = P1, W 2, S1\npump_curent [P1] = 9 A\nrest_time [P1] = 5 min\ntag_p40_9 [P1] = X.y\n"
    )
    assert [(fault.line, fault.text) for fault in disagreements(labelled, [P40])] == [
        (12, "pump_current [P2]: the row labels of this site names no P2"),
        (17, "tag_p40_1 [P2]: the row labels of this site names no P2"),
        (19, "pump_curent [P1]: no procedure has the value pump_curent"),
        (20, "rest_time [P1]: a time is the same for all assets; P-40 uses none of these rows"),
        (21, "tag_p40_9 [P1]: there is no such reading in P-40"),
    ]  # fmt: skip
    assert span_s(P40.steps[2].timer, UNEQUAL) == 600
    assert span_s(P40.steps[2].timer, labelled) is None  # which of them is meant nobody knows: no timer runs


def test_a_tag_is_of_one_asset_and_of_none_where_nobody_has_said_which():
    told = [tag_of("P-40", "1", 0, UNEQUAL, asset) for asset in ("P1", "P2", "P3", "")]
    assert told == ["R-P01.current", "R-P02.current", "", ""]
    plain = rows("tag_p40_1 = R-P01.current\n")
    assert [tag_of("P-40", "1", 0, plain, asset) for asset in ("", "P2")] == ["R-P01.current", ""]


def test_a_page_changes_with_each_row_and_the_journal_keeps_what_it_needs():
    assert content_hash(P40, UNEQUAL) != content_hash(P40, rows(ROWS.replace("22.0", "21.0")))
    known = rows("pump_current [P1] = 28.0 A\npump_current [P2] = 22.0 A\nlabels = P1, P2\n")
    assert used(P40, known) == {"pump_current [P1]": "28.0 A", "pump_current [P2]": "22.0 A", "labels": "P1, P2"}


names = st.from_regex(r"[A-Z][A-Z0-9-]{0,5}", fullmatch=True)
numbers = st.integers(1, 999).map(lambda tenth: f"{tenth / 10:.1f}")


@given(own=st.dictionaries(names, numbers, max_size=6), plain=numbers, value=numbers.map(Decimal))
@settings(max_examples=150, deadline=None)
def test_every_asset_has_its_own_limit_and_nobody_named_has_the_tightest(own, plain, value):
    text = f"pump_current = {plain} A\n" + "".join(f"pump_current [{one}] = {high} A\n" for one, high in own.items())
    sheet = rows(text)
    assert sheet.faults == ()
    for asset in (*own, "other"):
        assert bounds(CURRENT, sheet, asset).holds(value) == (value <= Decimal(own.get(asset, plain)))
    assert bounds(CURRENT, sheet).holds(value) == all(value <= Decimal(one) for one in (plain, *own.values()))
    first, *more = limits_text(CURRENT, sheet).removeprefix("safety limits ").split("; ")
    assert first == f"up to {plain} A"
    told = {asset: high for part in more for some, high in [part.split(": ")] for asset in some.split(", ")}
    assert told == {asset: f"up to {high} A" for asset, high in own.items() if high != plain}


@given(
    at=st.integers(0, 25),
    what=st.sampled_from(["drop", "put", "turn"]),
    sign=st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="#"),
)
@settings(max_examples=300, deadline=None)
def test_a_character_lost_put_or_turned_in_a_row_never_gives_the_small_pump_the_large_limit_unseen(at, what, sign):
    row = "pump_current [P2] = 22.0 A"
    changed = row[:at] + {"drop": "", "put": sign + row[at], "turn": sign}[what] + row[at + 1 :]
    # no one sign makes 31.5 of its figure or another label of its name: nobody could see that
    sheet = rows(f"pump_current = 31.5 A\n{changed}\nlabels = P2, QUAY\n")
    assert disagreements(rows(f"pump_current = 31.5 A\n{row}\nlabels = P2, QUAY\n"), [P40]) == []
    small = bounds(CURRENT, sheet, asset_named("P2", assets(CURRENT, sheet), sheet))
    if small.high == "31.5":  # read as a row of another name, or of none: whoever starts or checks is told
        assert sheet.faults or disagreements(sheet, [P40])
    else:
        assert small.high != "" or (small.origin == "missing" and missing_safety(P40, sheet))


# -- paper ---


def longest(pages):
    return max(len(line) for page in pages for line in page.splitlines())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_prints_every_limit_and_fits(language):
    use_language(language)
    many = rows(ROWS + "".join(f"pump_current [R-PUMP {n}] = {20 + n}.5 A\n" for n in range(3, 9)))
    page = content(P40, many, 1_795_400_000.0)
    pages = text_pages(page)
    assert longest(pages) <= 80
    assert longest([strip(page, 42)]) <= 42
    text = " ".join(" ".join(pages).split())
    for high in ("28.0", "22.0", *(f"{20 + n}.5" for n in range(3, 9))):
        assert text.count((high if language == "en" else high.replace(".", ",")) + " A") >= 2
    assert all(limit in set_document([page]) for limit in ("P2:", "R-PUMP 8:"))


def test_a_page_without_a_limit_of_one_asset_is_not_to_be_used():
    page = content(P40, rows(ROWS.replace("[P2] = 22.0 A", "[P2] = 11 kW")), 1_795_400_000.0)
    assert "*** SITE VALUE MISSING - DO NOT USE ***" in text_pages(page)[0]
    assert "pump_current [P2]" in text_pages(page)[0]


def test_a_borehole_pump_of_the_example_is_not_judged_by_the_nameplate_of_the_high_lift_pumps():
    sheet = read_sheet((ROOT / "config" / "example" / "sheets" / "N.txt").read_text())
    steps = load(None).get("P-15", "en").procedure.steps
    current = next(one for step in steps for one in step.readings if one.unit == "A")
    assert [bounds(current, sheet, one).high for one in ("N-P02", "N-P12", "")] == ["68.0", "55.0", "55.0"]
    assert limits_text(current, sheet) == "safety limits up to 55.0 A; N-P01, N-P02, N-P03: up to 68.0 A"


def test_a_sheet_of_thousands_of_rows_is_read_and_used():
    """200,000 bytes are the most; what is looked up must not grow with the square of that."""
    huge = rows("".join(f"pump_current [A{n}] = {n}.5 A\n" for n in range(5_000)))
    assert bounds(CURRENT, huge, "A4999").high == "4999.5"
    assert all(own_rows("pump_current", huge)["A7"] == "7.5 A" for _again in range(20_000))


# -- the desk ---


@pytest.fixture
def place(state):
    (state.manual / "sheets" / "R.txt").write_text(SHEET + ROWS)
    (state.manual / "procedures").mkdir()
    (state.manual / "procedures" / "P-40.txt").write_text(TEXT)
    state.publish(moment())
    return Place(state.manual)


@pytest.fixture
def here(place):
    made = desk(place.journal, moment(), "operator", False)
    made.declare(moment(), "all agree", ("R",))
    made.start(moment(), P40, UNEQUAL, "R")
    return made


def run_of(made):
    return made.period().runs["P-40-1"]


def read(made, value, asset="", name=""):
    taken = made.read(moment(), "P-40-1", value, name, asset)
    return judged(taken, run_of(made))


def test_the_same_value_is_good_at_the_large_pump_and_too_high_at_the_small_one(here):
    assert read(here, "25", "P1") == ["25 A in limits (P1)"]
    assert read(here, "25", "p2")[0] == "25 A OUT OF LIMITS (P2): high by 3.0 A"
    kept = here.journal.lines()[-2:]
    assert [(one["asset"], one["limits"], one["limits_from"], one["tag"], one["in_limits"]) for one in kept] == [
        ("P1", [None, "28.0"], "site", "R-P01.current", True),
        ("P2", [None, "22.0"], "site", "R-P02.current", False)]  # fmt: skip
    assert "motor current: 25 A in limits (P1); 25 A OUT OF LIMITS (P2)" in " ".join(
        " ".join(at_hand_lines(run_of(here), 79)).split())  # fmt: skip
    with pytest.raises(Refused, match="OUT OF LIMITS: done with a reason only"):
        here.done(moment(), "P-40-1")


def test_without_an_answer_the_tightest_limit_holds_and_says_so(here):
    told = read(here, "25")
    assert told[:2] == ["25 A OUT OF LIMITS: high by 3.0 A",
                        "nobody has said which one: the tightest limit of all is taken, up to 22.0 A"]  # fmt: skip
    line = here.journal.lines()[-1]
    assert (line["limits"], line["limits_from"]) == ([None, "22.0"], "tightest")
    assert "asset" not in line and "tag" not in line
    assert read(here, "9")[-1].startswith("nobody has said which one")


def test_twice_in_a_row_is_counted_for_each_step_and_asset(here):
    assert read(here, "30", "P1")[-1] == "If not: stop this pump."
    assert read(here, "30", "P2")[-1] == "If not: stop this pump."  # the first time at this one
    assert read(here, "30", "P1")[-1] == "If twice: stop the station."
    read(here, "20", "P1")
    assert read(here, "30", "P1")[-1] == "If not: stop this pump."
    assert read(here, "30", "P2")[-1] == "If twice: stop the station."  # a good value of the other one is none of it
    here.go_to(moment(), "P-40-1", "2", "the station is stopped")
    assert read(here, "30", "P2", "motor current")[-1] == "If not: stop this pump."  # another step


def test_a_value_of_which_nobody_has_said_where_counts_for_every_asset(here):
    read(here, "30", "P1")
    assert read(here, "30")[-1] == "If twice: stop the station."
    assert read(here, "30", "P2")[-1] == "If twice: stop the station."


def test_only_a_known_asset_is_taken_where_limits_differ_and_any_short_name_where_they_do_not(here):
    with pytest.raises(Refused, match="P22 is not known here; known are P2, P1"):
        read(here, "25", "P22")
    assert read(here, "25", "0") == ["25 A in limits (another one)"]
    here.go_to(moment(), "P-40-1", "2")
    assert read(here, "2.1", "w7", "well level") == ["2.1 m (W7)"]
    with pytest.raises(Refused, match="is not known here"):
        read(here, "2.1", "the one on the left", "well level")


def test_the_journal_alone_tells_it_all_again_and_a_foreign_one_hurts_nobody(here):
    read(here, "30", "P2")
    lines = here.journal.lines()
    again = replay("x", lines).runs["P-40-1"]
    assert again == run_of(here)
    assert bounds(CURRENT, again.sheet, "P2").high == "22.0"
    odd = [{**line, "asset": ["P2\x1b[2J"], "value": "thirty"} if line["kind"] == "reading" else line for line in lines]
    odd[1] = {**odd[1], "values": {"pump_current [\x1b[2J]": "1 A", "pump_current": "x"}}
    run = replay("x", [entry_of(line)[1] for line in odd]).runs["P-40-1"]
    assert "\x1b" not in "".join([*judged(run.readings[-1], run), *at_hand_lines(run, 79), str(run.sheet.values)])


def typed(place, *lines):
    terminal = Typed(*lines)
    seat = Seat(place, load(place.manual, ("en",)), desk(place.journal, moment(), "operator", False))
    Console(seat, terminal).work()
    return "\n".join(terminal.said)


def taken(here):
    return [
        (one["name"], one["value"], one.get("asset", "")) for one in here.journal.lines() if one["kind"] == "reading"
    ]


WHICH = "Which one (1=P2 2=P1 0=another one)? Enter alone: cannot be said, the tightest limit holds:"


def test_the_console_asks_which_one_and_takes_it_behind_the_value_too(place, here):
    told = typed(place, "25", "9", "2", "v", "21 @p2", "v 30@1", "v", "25", "", "x", "q")
    assert WHICH in told
    assert "! 9 is not known here; known are P2, P1" in told
    assert taken(here) == [("motor current", *one) for one in (("25", "P1"), ("21", "P2"), ("30", "P2"), ("25", ""))]
    assert "Taken back by a new entry: motor current 25 A." in typed(place, "u", "x", "q")
    assert "Taken back by a new entry: motor current 30 A (P2)." in typed(place, "u", "x", "q")


def test_a_step_with_several_readings_asks_which_one_is_taken_again(place, here):
    here.go_to(moment(), "P-40-1", "2")
    told = typed(place, "20", "1", "2.1", "v", "3", "1", "27", "0", "x", "q")
    assert "Which reading again (1=motor current 2=well level)?" in told
    assert "! a number from 1 to 2" in told
    assert taken(here) == [("motor current", "20", "P2"), ("well level", "2.1", ""), ("motor current", "27", "other")]


async def test_the_screen_asks_the_same(place, here):
    app = ManualScreen(place, "en", "operator", False)
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("2", "5", "enter")
        assert "Which one (1=P2 2=P1 0=another one)?" in " ".join(app.told)
        await pilot.press("1", "enter")
        assert "25 A OUT OF LIMITS (P2): high by 3.0 A" in " ".join(app.told)
    assert taken(here) == [("motor current", "25", "P2")]


def test_a_line_from_paper_says_where_it_was_read(place, here):
    typed(
        place, "E", "P-40-1", "1", "25", "1", "00:00", "y", "", "E", "P-40-1", "1", "24 @0", "00:00", "y", "", "x", "q"
    )
    lines = [one for one in here.journal.lines() if one["kind"] == "paper"]
    assert [(one["asset"], one["in_limits"], one.get("tag")) for one in lines] == [
        ("P2", False, "R-P02.current"), ("other", True, None)]  # fmt: skip


def test_the_hand_over_page_tells_each_asset(place, here):
    read(here, "30", "P2")
    read(here, "25", "P1")
    told = typed(place, "H", "p", "2", "", "x", "q")
    assert re.search(r"motor current: 30 A \(P2\) \([^)]*\) OUT OF LIMITS", told)
    assert re.search(r"motor current: 25 A \(P1\) \([^)]*\)\n", told)
