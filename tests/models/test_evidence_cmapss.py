"""The study of C-MAPSS FD001 on twenty engines: the same code, no label behind the index."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import cmapss
from models.intervals import Interval

DATA = os.environ.get("HANDWHEEL_DATA")
needs_data = pytest.mark.skipif(
    not DATA or not (Path(DATA) / "cmapss").is_dir(), reason="HANDWHEEL_DATA with cmapss/ is not set"
)


@pytest.fixture(scope="module")
def engines():
    return {unit: rows for unit, rows in cmapss.load(Path(DATA) / "cmapss", "train").items() if unit <= 20}


@needs_data
def test_the_index_falls_before_engines_fail_and_not_in_the_first_third(engines):
    found = cmapss.courses(engines, 0.5)
    alerted, rank, early = cmapss.index_figures(found)
    assert alerted.value >= 19 and rank.value >= 0.85 and early.value <= 1


@needs_data
def test_an_engine_cut_short_has_the_same_index_up_to_there(engines):
    detector = cmapss.learned(list(engines.values()), 0.5)
    whole, part = (cmapss.course(detector, engines[1][:end]).index for end in (None, 120))
    np.testing.assert_array_equal(whole[:120], part)


def test_figures_of_one_course_by_hand():
    one = cmapss.Course(np.array([100.0, 95, 90, 80, 70, 60, 49, 40, 30]))
    assert one.lead == 2 and not one.early and one.rank == pytest.approx(1)
    assert cmapss.Course(np.array([40.0, 60, 70])).early


def test_coverage_and_error_by_hand():
    told = (Interval(10, 5, 15, 1), Interval(100, 80, np.inf, 1))
    assert cmapss.holds(told, [12, 200]).value == 1 and cmapss.holds(told, [16, 79]).value == 0
    assert cmapss.rmse(told, [10, 300]) == pytest.approx((25**2 / 2) ** 0.5)


def test_without_data_the_study_says_what_to_set(monkeypatch, capsys):
    monkeypatch.delenv("HANDWHEEL_DATA", raising=False)
    assert cmapss.main([]) == 2 and "HANDWHEEL_DATA" in capsys.readouterr().err
