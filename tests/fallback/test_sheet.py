"""Site values: what is the site's own, what is a default, what is missing, and that each says so."""

from decimal import Decimal

from fallback_procedures.procedure import parse
from fallback_procedures.sheet import bounds, filled, limits_text, missing_safety, read_sheet
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
    sheet = read_sheet(SHEET + "stop_level = 9.99 m\nSTOP LEVEL 3\n")
    assert [fault.line for fault in sheet.faults] == [11, 12]
    assert sheet.values["stop_level"] == "0.60 m"


def test_numbers_are_shown_with_the_decimal_comma_of_the_reader():
    use_language("de")
    assert "0,60 .. 2,20 m" in limits_text(LEVEL, read_sheet(SHEET))
