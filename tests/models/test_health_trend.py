"""A trend is told with its interval, autocorrelation widens it, and no trend is an answer."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health.trend import FEWEST, straight, trend


def days(values, start="2026-01-01"):
    return pd.Series(np.asarray(values, float), pd.date_range(start, periods=len(values), freq="24h", tz="UTC"))


def wandering(rng, n, lasting):
    noise = rng.standard_normal(n + 100)
    for i in range(1, len(noise)):
        noise[i] += lasting * noise[i - 1]
    return noise[100:]


def test_a_straight_line_is_found_exactly_and_told_per_30_days():
    found = trend(days(90 - 0.5 * np.arange(60)))
    assert found.word == "falling"
    assert found.slope.value == pytest.approx(-15) and found.slope.n == 60
    assert found.level == pytest.approx(90 - 0.5 * 59) and found.spread == pytest.approx(0, abs=1e-9)


def test_one_wrong_day_leaves_the_slope_where_it_is():
    value = np.array([0, 1, 2, 30, 4, *range(5, 15)], float)
    assert straight(np.arange(15), value, 14.0).slope.value == pytest.approx(30)


def test_noise_without_a_line_is_no_trend():
    found = trend(days(80 + np.random.default_rng(1).standard_normal(60)))
    assert found.word == "none" and found.slope.low < 0 < found.slope.high


@pytest.mark.parametrize(("lasting", "least"), [(0.0, 0.85), (0.6, 0.85), (0.9, 0.83)])
def test_the_interval_covers_the_true_slope_about_as_often_as_it_says(lasting, least):
    rng = np.random.default_rng(5)
    x = np.arange(60.0)
    told = [straight(x, 0.1 * x + wandering(rng, 60, lasting), 60).slope for _ in range(120)]
    covered = np.mean([one.low <= 3 <= one.high for one in told])
    assert least <= covered <= 0.99
    if not lasting:
        assert all(math.isfinite(one.low) for one in told)


def test_autocorrelation_widens_the_interval_of_the_same_spread():
    rng = np.random.default_rng(2)
    free, lasting = rng.standard_normal(90), wandering(rng, 90, 0.8)
    a, b = (straight(np.arange(90), one / one.std(), 90) for one in (free, lasting))
    assert b.effective < 0.5 * a.effective
    assert b.slope.high - b.slope.low > 1.5 * (a.slope.high - a.slope.low)


def test_unknown_rows_and_gaps_are_missing_and_too_few_days_are_unknown():
    whole = days(90 - 0.5 * np.arange(60))
    thin = whole.copy()
    thin.iloc[10:30] = np.nan
    assert trend(thin).slope.value == pytest.approx(-15) and trend(thin).slope.n == 40
    assert trend(thin.drop(thin.index[12:20])).slope.value == pytest.approx(-15)
    few = whole.iloc[: FEWEST - 1]
    assert trend(few).word == "unknown" and math.isnan(trend(few).slope.value)
    assert trend(whole * np.nan).word == "unknown" and trend(whole.iloc[:0]).word == "unknown"


def test_many_rows_of_a_day_count_as_one():
    hourly = pd.Series(
        np.repeat(90 - 0.5 * np.arange(30), 24), pd.date_range("2026-01-01", periods=720, freq="h", tz="UTC")
    )
    assert trend(hourly).slope.n == 30 and trend(hourly).slope.value == pytest.approx(-15)


@settings(max_examples=25)
@given(st.integers(20, 60), st.integers(0, 10_000))
def test_later_rows_never_change_an_earlier_trend(n, seed):
    series = days(np.random.default_rng(seed).standard_normal(80))
    end = series.index[n - 1]
    assert trend(series, end=end) == trend(series.iloc[:n])


@settings(max_examples=25)
@given(st.floats(0.01, 100), st.floats(0.01, 100), st.integers(0, 10_000))
def test_other_units_of_time_and_value_scale_the_answer(time, unit, seed):
    x, y = np.arange(30.0), np.random.default_rng(seed).standard_normal(30)
    a, b = straight(x, y, 30), straight(time * x, unit * y, 30 * time)
    assert b.slope.value == pytest.approx(a.slope.value * unit / time, rel=1e-6, abs=1e-9)
    assert b.level == pytest.approx(unit * a.level, rel=1e-6, abs=1e-9) and b.word == a.word
