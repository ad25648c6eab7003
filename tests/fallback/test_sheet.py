"""Site values: what is the site's own, what is a default, what is missing, and that each says so."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallback_procedures.library import load
from fallback_procedures.limits import bounds, limits_text, missing_safety
from fallback_procedures.procedure import Span, parse
from fallback_procedures.sheet import filled, labels, read_sheet, span_s, tag_of, used
from fallback_procedures.sheet_lint import disagreements
from fallback_procedures.words import use_language

from .conftest import GOLDEN, SHEET

SAMPLE = parse((GOLDEN / "procedures" / "2_readings_and_branches.txt").read_bytes())[0]
LEVEL, CURRENT = SAMPLE.steps[0].readings[0], SAMPLE.steps[2].readings[0]


def test_a_sheet_gives_the_limits_of_its_site():
    sheet = read_sheet(SHEET)
    assert (sheet.site, sheet.site_type, sheet.approved_by, sheet.faults) == ("R", "lift_station", "engineer", ())
    band = bounds(LEVEL, sheet)
    assert (band.low, band.high, band.origin) == ("0.60", "2.20", "site")
    assert [band.holds(Decimal(value)) for value in ("0.59", "0.60", "2.20", "2.21")] == [False, True, True, False]
    assert missing_safety(SAMPLE, sheet) == ()
    assert filled("HAND bypasses {hand_bypasses}.", sheet) == "HAND bypasses the low-level stop."


def test_the_golden_sheet_is_read_without_faults():
    sheet = read_sheet((GOLDEN / "config" / "sheets" / "G.txt").read_bytes())
    assert sheet.faults == ()
    assert sheet.values["pressure_min"] == "3.5 bar"


def test_a_safety_limit_without_a_site_value_is_missing_and_judges_nothing():
    nothing = read_sheet("SHEET       site R   Riverside\n")
    assert missing_safety(SAMPLE, nothing) == ("stop_level", "alarm_level")
    assert bounds(LEVEL, nothing).holds(Decimal(1)) is None
    assert "DO NOT USE" in limits_text(LEVEL, nothing)


def test_a_default_is_never_a_safety_limit():
    text = SAMPLE.source.replace("{stop_level}", "{stop_level=0.5 m}")
    reading = parse(text)[0].steps[0].readings[0]
    shown = limits_text(reading, read_sheet("SHEET  site R  x"))
    assert "DEFAULT, NOT YOUR SITE" in shown
    assert "DO NOT USE" in shown
    assert bounds(reading, read_sheet("SHEET  site R  x")).origin == "missing"


def test_a_default_of_another_limit_is_used_and_says_what_it_is():
    band = bounds(CURRENT, read_sheet("SHEET  site R  x"))
    assert (band.high, band.origin) == ("9.5", "default")
    assert "DEFAULT, NOT YOUR SITE" in limits_text(CURRENT, read_sheet("SHEET  site R  x"))


def test_an_unapproved_sheet_or_a_wrong_unit_counts_as_missing_for_safety():
    unapproved = read_sheet(SHEET.replace("APPROVED    engineer  2026-11-01\n", ""))
    assert bounds(LEVEL, unapproved).missing == ("stop_level", "alarm_level")
    feet = read_sheet(SHEET.replace("0.60 m", "2.0 ft"))
    assert bounds(LEVEL, feet).missing == ("stop_level",)


def test_each_fault_of_a_sheet_names_its_line_and_the_rest_is_read():
    sheet = read_sheet(SHEET + "phone_manager = 0,5 m\nSTOP LEVEL 3\n")
    assert [fault.line for fault in sheet.faults] == [11, 12]
    assert sheet.values["stop_level"] == "0.60 m"


def test_of_a_value_that_stands_twice_neither_is_used_and_a_unit_in_words_is_no_other_one():
    sheet = read_sheet(SHEET + "stop_level = 9.99 m\n")
    assert "neither value is used" in sheet.faults[0].text
    assert missing_safety(SAMPLE, sheet) == ("stop_level",)
    metres = replace(LEVEL, unit="metres")
    feet = read_sheet(SHEET.replace("0.60 m", "2.6 feet").replace("2.20 m", "9.8 feet"))
    assert bounds(metres, feet).origin == "missing"
    lamps = replace(LEVEL, unit="Lampen")
    assert bounds(lamps, read_sheet(SHEET.replace("0.60 m", "6 lamps").replace("2.20 m", "8 lamps"))).origin == "site"


def test_numbers_are_shown_with_the_decimal_comma_of_the_reader():
    use_language("de")
    assert "0,60 .. 2,20 m" in limits_text(LEVEL, read_sheet(SHEET))


def test_a_length_of_time_is_the_sites_own_else_a_default_else_missing():
    own = read_sheet(SHEET + "transport_time = 25 min\nodd_time = half an hour\n")
    assert span_s(Span(30), own) == 30
    assert span_s(Span(0, "transport_time", "30 min"), own) == 1500
    assert span_s(Span(0, "other_time", "30 min"), own) == 1800
    assert span_s(Span(0, "other_time"), own) is None
    assert span_s(Span(0, "odd_time", "30 min"), own) is None  # what the site wrote is never replaced in silence


def test_a_sheet_names_the_tag_of_a_reading_and_the_labels_of_the_plant():
    own = read_sheet(SHEET + "tag_p03_3 = R-WW.level\ntag_p03_3_2 = R-WW.level2\nlabels = S1, S2, Q1\n")
    assert own.faults == ()
    assert tag_of("P-03", "3", 0, own) == "R-WW.level"
    assert tag_of("P-03", "3", 1, own) == "R-WW.level2"
    assert tag_of("P-03", "4", 0, own) == ""
    assert labels(own) == ("S1", "S2", "Q1")
    assert used(SAMPLE, own) == used(SAMPLE, read_sheet(SHEET))  # a page does not change with them


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stop_level = 0,60 m", "decimal point"),
        ("APPROVED    engineer  2026-11-02", "APPROVED stands twice"),
        ("TYPE        reservoir", "TYPE stands twice"),
        ("STOP LEVEL 3", "a sheet has SHEET"),
        ("x" * 201, "over 200 characters"),
        ("phone = 22\x1b[2J00", "no place here"),
        ("phone = 22\u202e00", "no place here"),
        ("tag_3_p03 = R-WW.level", "tag_p03_3"),
        ("= 5 m", "a sheet has SHEET"),
    ],
)
def test_a_line_at_fault_is_named_and_gives_no_value_nor_does_a_good_one_beside_it(line, told):
    before = {name: value for name, value in read_sheet(SHEET).values.items() if name != line.split()[0]}
    sheet = read_sheet(SHEET + line + "\n")
    assert [fault.line for fault in sheet.faults] == [11]
    assert told in sheet.faults[0].text
    assert sheet.values == before


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("lift_station", "lift_statoin", 2),
        ("engineer  2026-11-01", "boss  2026-11-01", 3),
        ("engineer  2026-11-01", "engineer  2026-02-30", 3),
        ("SHEET       site R", "SHEET       R", 1),
    ],
)
def test_a_head_at_fault_is_named_and_never_half_believed(old, new, line):
    sheet = read_sheet(SHEET.replace(old, new, 1))
    assert line in [fault.line for fault in sheet.faults]
    assert not (sheet.site and sheet.approved_by and sheet.site_type)


def test_a_count_is_a_count_in_every_language_and_a_unit_is_not():
    english = "PROCEDURE" + SAMPLE.source.split("PROCEDURE", 1)[1].replace("full_load_current=9.5 A", "lamps_min")
    for unit, sheet_unit, origin in (("Lampen", "lamps", "site"), ("lamps", "lamps", "site"), ("A", "lamps", "missing"),
                                     ("Lampen", "A", "missing"), ("mA", "A", "missing")):  # fmt: skip
        reading = parse(english.replace("motor current ________ A", f"it ________ {unit}"))[0].steps[2].readings[0]
        assert bounds(reading, read_sheet(SHEET + f"lamps_min = 6 {sheet_unit}\n")).origin == origin


def test_limits_that_are_turned_round_on_a_sheet_count_as_missing():
    sheet = read_sheet(SHEET.replace("0.60 m", "2.60 m"))
    band = bounds(LEVEL, sheet)
    assert (band.low, band.high, band.origin, band.missing) == ("", "", "missing", ("stop_level", "alarm_level"))
    assert missing_safety(SAMPLE, sheet) == ("stop_level", "alarm_level")
    assert "DO NOT USE" in limits_text(LEVEL, sheet)


@pytest.mark.parametrize(
    ("row", "line", "told"),
    [
        ("", 0, ""),
        ("tag_p03_1 = R-WW.level", 0, ""),
        ("tag_p03_1_2 = R-WW.level", 11, "no such reading in P-03"),
        ("tag_p03_9 = R-WW.level", 11, "no such reading in P-03"),
        ("tag_p44_1 = R-WW.level", 11, "no such reading in P-44"),
    ],
)
def test_a_row_that_names_a_reading_that_is_not_there_is_found(row, line, told):
    found = disagreements(read_sheet(SHEET + row + "\n"), [SAMPLE])
    assert [fault.line for fault in found] == ([line] if line else [])
    assert told in " ".join(fault.text for fault in found)


def test_a_value_in_another_unit_or_no_number_or_no_time_is_found_by_its_line():
    feet = disagreements(read_sheet(SHEET.replace("0.60 m", "2.0 ft")), [SAMPLE])
    assert [(one.line, one.text) for one in feet] == [
        (6, "stop_level: '2.0 ft' is no number in m, as P-03 step 1 needs it")]  # fmt: skip
    turned = disagreements(read_sheet(SHEET.replace("0.60 m", "2.60 m")), [SAMPLE])
    assert [(one.line, one.text) for one in turned] == [
        (6, "stop_level: it is above alarm_level; both are limits of P-03 step 1")]  # fmt: skip
    timed = parse(SAMPLE.source.replace("every 15 min", "every {round_every=15 min}"))[0]
    slow = disagreements(read_sheet(SHEET + "round_every = a quarter\n"), [timed])
    assert [one.line for one in slow] == [11]
    elsewhere = read_sheet(SHEET.replace("lift_station", "reservoir").replace("0.60 m", "2.0 ft"))
    assert disagreements(elsewhere, [SAMPLE]) == []


def test_the_sheets_of_the_example_fit_the_library():
    english = [entry.procedure for key, entry in load(None, ("en",)).entries.items() if key[1] == "en"]
    for path in sorted((GOLDEN.parents[1] / "config" / "example" / "sheets").glob("*.txt")):
        sheet = read_sheet(path.read_bytes())
        assert sheet.faults == ()
        assert disagreements(sheet, english) == []


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_nothing_makes_the_reader_of_sheets_crash(source):
    sheet = read_sheet(source)
    assert sheet.site or sheet.faults


TWO_TONGUES = """\
SHEET       site R   Riverside
APPROVED    engineer  2026-11-01
hand_bypasses    = low-level stop at 0.60 m
hand_bypasses_de = Trockenlaufschutz bei 0.60 m
stop_level       = 0.60 m
stop_level_de    = 0.90 m
gate_fr          = porte nord
"""


def test_a_page_takes_the_words_of_a_sheet_in_its_language_and_figures_are_those_of_the_row_itself():
    sheet = read_sheet(TWO_TONGUES)
    assert [(fault.line, fault.text.split(";")[0]) for fault in sheet.faults] == [
        (6, "stop_level_de: stop_level is the same in all languages"),
        (7, "gate_fr has no row gate"),
    ]
    library = load(None, ("de",))
    for language, said in (("en", "low-level stop at 0.60 m"), ("de", "Trockenlaufschutz bei 0.60 m")):
        own = used(library.get("P-03", language).procedure, sheet)
        assert (own["hand_bypasses"], own["stop_level"]) == (said, "0.60 m")


@pytest.mark.parametrize(("row", "own", "used_"), [
    ("stop_level_x = 0.60 m", "stop_level_x_de = -0.60 m", False),
    ("stop_level_x = 0.60 m", "stop_level_x_de = 60.0 m", False),
    ("stop_level_x = 0.60 m", "stop_level_x_de = 0,60 m tief", False),
    ("stop_level_x = 0.60 m", "stop_level_x_fr = 0.60 cm", False),
    ("rest_time = 4 min", "rest_time_de = 4 s", False),
    ("rest_time = 4 min", "rest_time_de = 4 min", False),
    ("full_load_x = 22.0 A", "full_load_x_de = 0.22 A", False),
    ("phone_manager = +44 7700 900201", "phone_manager_de = +44 7700 900102", False),
    ("labels = S1, S2", "labels_de = S2, S1", False),
    ("rest = stop at 0.60 m, start at 1.80 m", "rest_de = Stopp bei 1.80 m, Start bei 0.60 m", False),
    ("rest = stop at 0.60 m", "rest_de = Stopp bei -0.60 m", False),
    ("rest = stop at 0.60 m", "rest_de = Stopp bei 0.60 cm", False),
    ("rest = after 4 min", "rest_de = nach 4 s", False),
    ("rest = stop at 0.60 m", "rest_de = Stopp bei 0,60 m", True),
    ("rest = alarm at 10 %LEL", "rest_fr = alarme à 10 %LIE", True),
    ("spare = 3 lamps", "spare_de = 3 Lampen", True),
    ("spare = 3 lamps", "spare_de = 4 Lampen", False),
    ("plug = plug RA-3 of Q1 and V-B2", "plug_de = Stecker RA-3 von Q1 und V-B2", True),
    ("plug = none", "plug_de = hier keine", True),
])  # fmt: skip
def test_only_words_have_a_language_and_their_figures_signs_and_units_are_those_of_the_row_itself(row, own, used_):
    sheet = read_sheet(SHEET + f"{row}\n{own}\n")
    name = own.split(" = ")[0]
    assert (name in sheet.values) == used_
    assert [fault.line for fault in sheet.faults] == ([] if used_ else [12])
    assert used_ or sheet.faults[0].text.endswith(("it is not used", "take this row out"))
    assert sheet.in_language(name[-2:]).values[name[:-3]] == (own if used_ else row).split(" = ")[1]


def test_the_type_of_a_site_is_known_in_other_letters():
    for written in ("Lift_Station", "lift station", "LIFT-STATION"):
        sheet = read_sheet(SHEET.replace("lift_station", written))
        assert (sheet.site_type, sheet.faults) == ("lift_station", ())
    assert read_sheet(SHEET.replace("lift_station", "sewage pit")).faults[0].text.startswith("TYPE is one of")


def test_a_number_that_only_the_plant_can_dial_has_another_beside_it():
    inside = SHEET + "phone_manager = 2201\n"
    assert ["phone_manager_mobile" in fault.text for fault in disagreements(read_sheet(inside), [])] == [True]
    assert disagreements(read_sheet(inside + "phone_manager_mobile = +44 7700 900201\n"), []) == []
