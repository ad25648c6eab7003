"""The small parts of a page: widths in cells, bars, wrapping, the budget of line 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.screen.pieces import Cell, Line, budget, cells, fit, page, range_bar, row, trend_bar, window, wrap


@given(st.text(max_size=60), st.integers(0, 40), st.sampled_from("<>"))
def test_fit_gives_exactly_the_width_asked_for(text, width, align):
    assert cells(fit(text, width, align)) == width


@given(st.text(max_size=200), st.integers(1, 60))
def test_no_wrapped_line_is_wider_than_asked(text, width):
    assert all(cells(line) <= width for line in wrap(text, width))


def test_what_is_cut_says_so():
    assert fit("reservoir", 6) == "reser~"


@pytest.mark.parametrize(
    ("value", "bar"),
    [(0.0, "|o....|"), (5.0, "|..o..|"), (10.0, "|....o|"), (-1.0, "<.....|"), (11.0, "|.....>"), (None, "|.....|"),
     (float("nan"), "|.....|")],
)  # fmt: skip
def test_the_range_bar_shows_where_a_value_lies(value, bar):
    assert range_bar(value, 0.0, 10.0, 7) == bar


def test_without_limits_no_place_is_guessed():
    assert range_bar(5.0, None, 10.0, 7) == "|     |"


def test_a_trend_shows_what_is_unknown_as_blank_and_noise_as_flat():
    assert trend_bar([1.0, None, 2.0, 3.0], 4) == "_ -#"
    assert trend_bar([100.0, 100.2, 100.1, 100.3], 4) == "----"
    assert trend_bar([], 4) == "    "


@given(st.lists(st.none() | st.floats(), max_size=50), st.integers(0, 30))
def test_a_trend_has_its_width_whatever_the_values(values, width):
    assert len(trend_bar(values, width)) == width


def test_the_budget_drops_the_least_weighty_part_first():
    parts = [(9, "HANDWHEEL"), (1, "clock OK"), (5, "vendor LATE")]
    assert budget(parts, 40) == "HANDWHEEL  clock OK  vendor LATE"
    assert budget(parts, 25) == "HANDWHEEL  vendor LATE"
    assert budget(parts, 30, "14:22") == "HANDWHEEL  vendor LATE   14:22"


def test_a_row_marks_its_cells_where_their_text_stands():
    line = row([Cell("a", 3), Cell("<2>", 6, ">", "p2")])
    assert line.text == "a      <2>"
    assert line.marks == ((7, 10, "p2"),)


def test_the_foot_stays_when_the_page_is_too_long():
    shown = page([Line(str(n)) for n in range(50)], [Line("keys")], 10, 5)
    assert [line.text for line in shown] == ["0", "1", "2", "3", "keys"]


def test_the_selected_row_is_in_the_window():
    for selected in range(30):
        start = window(30, selected, 7)
        assert start <= selected < start + 7
