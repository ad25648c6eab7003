"""Benchmarks have one form, and what was not measured never counts as held."""

import json

import pytest

from benchmarks.figures import Figure, run, table


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("first paint", 0.4, "s", 0.8), True),
        (Figure("first paint", 0.9, "s", 0.8), False),
        (Figure("samples", 900.0, "1/s", 500.0, "at least"), True),
        (Figure("samples", 400.0, "1/s", 500.0, "at least"), False),
        (Figure("first paint", None, "s", 0.8), False),
        (Figure("first paint", float("nan"), "s", 0.8), False),
        (Figure("plain csv, for comparison", 3.0, "s"), True),
    ],
)
def test_a_figure_holds_when_its_measured_value_clears_the_bar(figure, holds):
    assert figure.holds is holds


def test_one_figure_that_falls_short_is_exit_code_1_in_both_forms(capsys):
    figures = [Figure("report", 4.0, "s", 10.0), Figure("worker memory", 900.0, "MB", 800.0)]
    assert run("main_job", lambda quick: figures, ["--json", "--quick"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["benchmark"] == "main_job"
    assert [figure["holds"] for figure in said["figures"]] == [True, False]
    assert run("main_job", lambda quick: figures, []) == 1
    assert "worker memory  900    MB    at most 800  NO" in capsys.readouterr().out


def test_a_benchmark_is_told_whether_it_must_be_quick():
    told = []

    def measure(quick):
        told.append(quick)
        return [Figure("nothing", 1.0, "1", 1.0)]

    assert run("any", measure, ["--quick"]) == run("any", measure, []) == 0
    assert told == [True, False]


def test_a_benchmark_that_measured_nothing_falls_short():
    assert run("empty", lambda quick: [], []) == 1


def test_the_table_is_aligned_plain_text():
    assert (
        table([("a", "1"), ("long name", "22")], ("figure", "value")) == "figure     value\na          1\nlong name  22"
    )
