"""The whole past row by row: the same rows give the same answer, and what comes later changes nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health import assess, episodes, fit, walk
from tests.models.health_series import RATED, pump

HOUR = pd.Timedelta("1h")


@pytest.fixture(scope="module")
def model():
    return fit(pump(), None, RATED)


def troubled(seed):
    """Three days with wear from the second on, a gap of hours, a dead sensor, and single values lost."""
    frame = pump(3 * 1440, seed=seed)
    frame.iloc[2 * 1440 :] = pump(3 * 1440, seed=seed, head_loss=0.1).iloc[2 * 1440 :]
    frame.iloc[1000:1200] = np.nan
    frame.iloc[1600:2000, frame.columns.get_loc("vibration")] = np.nan
    random = np.random.default_rng(seed)
    frame = frame.mask(random.random(frame.shape) < 0.01)
    frame.attrs = pump(1).attrs
    return frame


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 2), end=st.integers(2500, 3 * 1440))
def test_an_assessment_is_the_last_row_of_a_walk(model, seed, end):
    frame = troubled(seed)
    whole = _walked(model, seed)
    found = assess(model, frame.iloc[end - 2500 : end], None)
    assert found.state == whole.state[end - 1]
    assert (found.index is None) == bool(np.isnan(whole.index[end - 1]))
    if found.index is not None:
        assert found.index == pytest.approx(whole.index[end - 1], rel=1e-9)
        shares = {
            name: one for name, one in zip(whole.features, whole.shares[end - 1], strict=True) if np.isfinite(one)
        }
        assert {one.quantity: one.share for one in found.contributions} == pytest.approx(shares, abs=1e-3)
    else:
        assert whole.why[end - 1] == found.reasons[0]


_KEPT = {}


def _walked(model, seed):
    if seed not in _KEPT:
        _KEPT[seed] = walk(model, troubled(seed))
    return _KEPT[seed]


@settings(max_examples=3, deadline=None)
@given(cut=st.integers(1, 3 * 1440 - 1))
def test_later_rows_never_change_earlier_ones(model, cut):
    part, whole = walk(model, troubled(1).iloc[:cut]), _walked(model, 1)
    for name in ("state", "word", "why"):
        assert getattr(part, name).tolist() == getattr(whole, name)[:cut].tolist()
    for name in ("score", "index", "shares", "value", "expected"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[:cut], rtol=1e-6, atol=1e-9, err_msg=name)


def test_wear_is_one_episode_that_names_the_curve_and_stands(model):
    found = _walked(model, 1)
    alerts = episodes(found.times, found.word, found.features, found.shares)
    assert len(alerts) == 1
    assert alerts[0].end is None
    assert alerts[0].start - found.times[2 * 1440] < 2 * HOUR
    assert alerts[0].top[0] in ("head_residual", "power_residual")


def test_an_empty_past_has_no_rows(model):
    assert len(walk(model, pump(10).iloc[:0]).index) == 0


def told(*words):
    return episodes(pd.date_range("2026-01-01", periods=len(words), freq="30min", tz="UTC"), np.array(words, object))


def test_an_episode_closes_only_after_a_day_of_normal():
    (one,) = told("normal", "alert", "warning", *["normal"] * 49)
    assert one.end - one.start == pd.Timedelta("25h")
    assert len(told("alert", *["normal"] * 40, "alert", *["normal"] * 49, "alert")) == 2


def test_unknown_neither_raises_nor_closes():
    assert told("unknown", "unknown") == ()
    (one,) = told("alert", "unknown", "unknown", "unknown", "unknown", "normal")
    assert one.end is None
