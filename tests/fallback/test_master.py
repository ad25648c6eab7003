"""The setpoint master list: approved values on their own, what was last seen beside them, and never the other way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallback_procedures.master import compared, master_page, read_master
from fallback_procedures.sheet import Sheet
from fallback_procedures.textpage import text_pages

from .conftest import ROOT

TEXT = """SETPOINTS   site R   Riverside lift station
APPROVED    shift_lead  2026-10-05

-           start of pump 1  = 1.60 m      # level in the wet well
R-M.press   held pressure    = 4.50 bar +- 0.20
R-P01.mode  selector         = AUTO
R-T01.high  high float       = 0
"""
KNOWN = [
    ("R-M.press", "4.62 bar", "good", "3s ago"),
    ("R-P01.mode", "HAND", "good", "3s ago"),
    ("R-T01.high", "0.00", "good", "3s ago"),
]


def page(text: str, known=KNOWN) -> str:
    return " ".join(" ".join(text_pages(master_page(read_master(text), known, Sheet("R"), 1_795_400_000.0))).split())


def test_a_list_is_read_as_it_is_written():
    master = read_master(TEXT)
    assert master.faults == ()
    assert (master.site, master.approved_by, master.approved_on) == ("R", "shift_lead", "2026-10-05")
    assert [(row.tag, row.what, row.shown) for row in master.rows] == [
        ("", "start of pump 1", "1.60 m"),
        ("R-M.press", "held pressure", "4.50 bar +- 0.20"),
        ("R-P01.mode", "selector", "AUTO"),
        ("R-T01.high", "high float", "0"),
    ]


def test_a_difference_is_marked_and_what_cannot_be_compared_is_not():
    assert [row.differs for row in compared(read_master(TEXT), KNOWN)] == [None, False, True, False]
    for live, quality, differs in (
        ("4.71 bar", "good", True),
        ("4.70 bar", "good", False),
        ("4.20 bar", "good", True),
        ("4.50 bar", "uncertain stale", None),
        ("4.50 m", "good", None),
        ("4,50 bar", "good", None),
        ("-", "bad comms", None),
    ):
        row = compared(read_master(TEXT), [("R-M.press", live, quality, "1h ago")])[1]
        shown = live if quality == "good" else f"{live} ({quality})"
        assert (row.live, row.age, row.differs) == (shown, "1h ago", differs)


def test_the_page_says_what_is_approved_what_was_seen_and_how_old_it_is():
    told = page(TEXT)
    assert "held pressure 4.50 bar +- 4.62 bar 3s ago 0.20 agrees" in told
    assert "HAND DIFFERS" in told
    assert "3s ago" in told
    assert "approved by shift lead on 2026-10-05" in told
    assert "NOT A MASTER" not in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT.replace("APPROVED    shift_lead  2026-10-05\n", ""), "nobody has approved these values"),
        (TEXT.replace("shift_lead", "vendor"), "APPROVED names a role"),
        (TEXT + "-  start of pump 1 = 1.90 m\n", "line 8: start of pump 1 stands twice"),
        (TEXT + "-  start of  PUMP 1 = 1.90 m\n", "line 8: start of PUMP 1 stands twice"),
        (TEXT + "-  stop of pump 1 = 0,60 m\n", "line 8: stop of pump 1: write the number with a decimal point"),
        (TEXT + "-  stop of pump 1 = \uff13.0 m\n", "line 8: over 200 characters, or one that has no place here"),
        (TEXT.replace("2026-10-05", "2019-13-45"), "line 2: there is no such day as 2019-13-45"),
        (TEXT + "what is this\n", "line 8: a list has SETPOINTS, APPROVED"),
        (TEXT + "-  hidden \u202e = 1 m\n", "line 8: over 200 characters, or one that has no place here"),
    ],
)
def test_a_list_that_nobody_approved_or_that_has_a_fault_is_no_master(text, why):
    told = page(text)
    assert "NOT A MASTER" in told
    assert why in told
    assert not read_master(text).approved


def test_the_mark_of_a_list_is_that_of_what_was_approved_and_of_nothing_live():
    master = read_master(TEXT)
    pages = [master_page(master, known, Sheet("R"), 1_795_400_000.0) for known in (KNOWN, [])]
    assert pages[0]["hash"] == pages[1]["hash"]
    for changed in (TEXT.replace("1.60", "1.61"), TEXT.replace("10-05", "10-06"), TEXT.replace("0.20", "0.21")):
        assert read_master(changed).sha256 != master.sha256


@given(st.binary(max_size=400) | st.text(max_size=400))
def test_no_file_breaks_the_reader(source):
    master = read_master(source)
    assert not master.approved or master.rows is not None
    assert page("SETPOINTS site R  x\n" + (source if isinstance(source, str) else ""), [])


def test_the_lists_of_the_example_plant_are_approved_and_name_tags_that_exist():
    from monitor.settings import load as load_settings

    tags = {tag.name for tag in load_settings(ROOT / "config" / "example").tags}
    for path in sorted((ROOT / "config" / "example" / "setpoints").glob("*.txt")):
        master = read_master(path.read_bytes())
        assert master.faults == ()
        assert (master.site, master.approved) == (path.stem, True)
        assert {row.tag for row in master.rows} - {""} <= tags
