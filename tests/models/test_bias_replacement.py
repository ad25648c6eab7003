"""Age replacement: known answers, published lives, and for which parts nothing may be said."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from models.bias.parameters import Cost
from models.bias.replacement import RATIOS, WHY_NONE, WHY_NOT, best_ages, replacement
from models.health.economy import best_age
from models.health.hazard import YEAR_D, weibull_fit

PRICE = Cost(900.0, 2700.0)


def frame(ages, ended, assets=20) -> pd.DataFrame:
    names = [f"P{n % assets}" for n in range(len(ages))]
    return pd.DataFrame({"asset": names, "entry_d": 0.0, "exit_d": np.asarray(ages, dtype=float), "ended": ended})


def by_the_clock(shape: float, scale: float, n: int = 200, every: float = 800.0, seed: int = 1) -> pd.DataFrame:
    """Parts that are taken out at a fixed age, whatever they look like."""
    ages = scale * np.random.default_rng(seed).weibull(shape, n)
    return frame(np.minimum(ages, every), np.where(ages < every, "failed", "removed"))


@pytest.mark.parametrize("shape", [1.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("ratio", [1.5, 3.0, 10.0, 20.0])
def test_the_best_age_is_where_the_cost_rate_is_least(shape, ratio):
    life = stats.weibull_min(shape)

    def cost_rate(age: float) -> float:
        return (life.sf(age) + ratio * life.cdf(age)) / integrate.quad(life.sf, 0, age)[0]

    oldest = life.isf(1e-3)
    least = optimize.minimize_scalar(cost_rate, bounds=(0.01, oldest), method="bounded", options={"xatol": 1e-9})
    (found,) = best_ages(np.array([shape]), np.array([ratio]))[0]
    if math.isinf(found):
        assert least.x > 0.999 * oldest
    else:
        assert found == pytest.approx(least.x, rel=2e-3)
        assert found == pytest.approx(best_age(shape, 1.0, 1.0, ratio), rel=2e-3)


def test_exponential_lives_are_never_replaced_by_age():
    assert np.isinf(best_ages(np.array([1.0, 0.6]), RATIOS)).all()
    lives = by_the_clock(0.8, 600.0)
    found = replacement("seal", lives, int((lives["ended"] == "removed").sum()), "none", PRICE)
    (curve,) = found.curves
    assert found.clock_driven
    assert (curve.best_age_d, curve.why_none) == (None, "shape")
    assert np.isinf(curve.ages_d).all()


def test_a_failure_that_costs_no_more_is_waited_for_and_nobody_gets_old_enough_for_some_ages():
    assert np.isinf(best_ages(np.array([3.0]), np.array([1.0, 0.5]))).all()
    assert math.isnan(best_ages(np.array([3.0]), np.array([math.nan]))[0, 0])
    assert math.isinf(best_ages(np.array([1.05]), np.array([1.5]))[0, 0])
    lives = by_the_clock(3.0, 700.0)
    for cost, why in ((Cost(900.0, 900.0), "failure_no_dearer"), (None, "no_price"), (Cost(0.0, 9.0), "no_price")):
        (curve,) = replacement("seal", lives, 200, "none", cost).curves
        assert (curve.best_age_d, curve.why_none) == (None, why)
        assert np.isfinite(curve.ages_d).all()  # the curve over the ratio needs no price


BALL_BEARINGS = [17.88, 28.92, 33.00, 41.52, 42.12, 45.60, 48.48, 51.84, 51.96, 54.12, 55.56, 67.80, 68.64, 68.64,
                 68.88, 84.12, 93.12, 98.64, 105.12, 105.84, 127.92, 128.04, 173.40]  # fmt: skip
CAGES = [  # hours, units, failed: Meeker, Escobar 1998, table C.5, 1703 bearing cages
    (50, 288, 0), (150, 148, 0), (230, 1, 1), (250, 124, 0), (334, 1, 1), (350, 111, 0), (423, 1, 1), (450, 106, 0),
    (550, 99, 0), (650, 110, 0), (750, 114, 0), (850, 119, 0), (950, 127, 0), (990, 1, 1), (1009, 1, 1), (1050, 123, 0),
    (1150, 93, 0), (1250, 47, 0), (1350, 41, 0), (1450, 27, 0), (1510, 1, 1), (1550, 11, 0), (1650, 6, 0), (1850, 1, 0),
    (2050, 2, 0),
]  # fmt: skip


def test_the_published_ball_bearings():
    """Lieblein, Zelen 1956; maximum likelihood 2.102 and 81.88 million revolutions in Lawless 2003, section 5.2."""
    ages, ones = np.array(BALL_BEARINGS), np.ones(23)
    shape, scale = weibull_fit(np.zeros(23), ages, ones.astype(bool), ones)
    assert (shape, scale) == (pytest.approx(2.102, abs=1e-3), pytest.approx(81.88, abs=0.02))


def test_the_published_bearing_cages_of_which_six_in_1703_failed():
    """Meeker, Escobar 1998, example 8.16: shape 2.035."""
    ages, units, failed = (np.array(column) for column in zip(*CAGES, strict=True))
    shape, scale = weibull_fit(np.zeros(25), ages.astype(float), failed.astype(bool), units.astype(float))
    assert shape == pytest.approx(2.035, abs=1e-3)
    assert scale == pytest.approx(11_792, rel=1e-3)


def test_the_fit_is_that_of_scipy_on_censored_lives():
    lives = by_the_clock(2.4, 700.0, n=120)
    ages, failed = lives["exit_d"].to_numpy(), (lives["ended"] == "failed").to_numpy()
    shape, _, scale = stats.weibull_min.fit(stats.CensoredData(ages[failed], right=ages[~failed]), floc=0)
    (curve,) = replacement("seal", lives, 120, "none", PRICE).curves
    assert curve.hazard.weibull.shape.value == pytest.approx(shape, rel=1e-3)
    assert curve.hazard.weibull.scale_d.value == pytest.approx(scale, rel=1e-3)


def test_a_clock_leaves_one_curve_with_the_true_age_in_its_interval():
    lives = by_the_clock(3.0, 700.0, n=300)
    removed = int((lives["ended"] == "removed").sum())
    found = replacement("seal", lives, removed, "none", PRICE)
    assert (found.clock_driven, found.why_not, found.removals, found.by_clock) == (True, "", removed, removed)
    assert found.cost_ratio == 3.0
    (curve,) = found.curves
    best = curve.best_age_d
    assert best.low < best_age(3.0, 700.0, 900.0, 2700.0) < best.high
    assert best.n == curve.failures == found.failures
    assert not curve.extrapolated
    at_three = int(np.flatnonzero(RATIOS == 3.0)[0])
    assert curve.ages_d[at_three] == pytest.approx(best.value, rel=1e-6)
    assert (curve.low_d[at_three], curve.high_d[at_three]) == (best.low, best.high)
    assert (np.diff(curve.ages_d) < 0).all()  # the dearer a failure, the earlier
    bands = curve.hazard.bands
    assert sum(band.failures for band in bands) == found.failures
    exposed = sum(band.failures / band.rate.value for band in bands if band.failures)
    assert exposed == pytest.approx(lives["exit_d"].sum() / YEAR_D, rel=0.05)


def test_work_called_for_by_condition_leaves_a_bracket_around_the_truth():
    """Seven parts in ten are taken out at nine tenths of their life, because they look bad."""
    rng = np.random.default_rng(5)
    ages = 700 * rng.weibull(3.0, 600)
    seen = rng.random(600) < 0.7
    lives = frame(np.where(seen, 0.9 * ages, ages), np.where(seen, "worn", "failed"), assets=60)
    found = replacement("seal", lives, 0, "none", PRICE)
    assert (found.clock_driven, found.why_not) == (False, "condition")
    short, long = found.curves
    assert (short.counted, long.counted) == ("failed_or_worn", "failed")
    truth = best_age(3.0, 700.0, 900.0, 2700.0)
    assert short.best_age_d.value < truth < long.best_age_d.low  # as if censoring told nothing, lives look long


@pytest.mark.parametrize(("by_clock", "driven"), [(17, False), (18, True), (20, True)])
def test_nine_removals_in_ten_must_be_the_clocks(by_clock, driven):
    lives = frame([400.0] * 20 + [300.0] * 12, ["removed"] * 20 + ["failed"] * 12)
    found = replacement("seal", lives, by_clock, "none", PRICE)
    assert (found.clock_driven, len(found.curves)) == (driven, 1 if driven else 2)
    assert found.why_not == ("" if driven else "condition")
    assert replacement("seal", lives, 0, "not_sure", PRICE).why_not == "calendar_not_sure"


def test_parts_that_only_failed_have_one_curve_and_no_clock():
    found = replacement("seal", frame(range(100, 1300, 100), ["failed"] * 12), 0, "none", PRICE)
    assert (found.clock_driven, found.why_not, len(found.curves)) == (False, "no_removals", 1)
    assert found.curves[0].best_age_d is not None


def test_few_failures_give_counts_and_no_age():
    found = replacement("seal", frame([400.0] * 30, ["removed"] * 25 + ["failed"] * 5), 25, "none", PRICE)
    (curve,) = found.curves
    assert (curve.failures, curve.best_age_d, curve.why_none, len(curve.ages_d)) == (5, None, "few_failures", 0)
    assert sum(band.failures for band in curve.hazard.bands) == 5
    assert curve.why_none in WHY_NONE
    assert found.why_not in WHY_NOT


def test_an_age_that_no_part_was_seen_at_is_told():
    lives = by_the_clock(3.0, 1500.0, n=400, every=500.0)
    (curve,) = replacement("seal", lives, 400, "none", Cost(900.0, 1000.0)).curves
    assert curve.extrapolated
    assert curve.best_age_d.value > 500


@settings(max_examples=3)
@given(st.permutations(range(20)), st.randoms(use_true_random=False), st.sampled_from([1 / 7, 24.0]))
def test_names_order_and_unit_of_time_change_no_estimate(names, shuffler, unit):
    lives = by_the_clock(2.5, 700.0, n=80)
    other = lives.iloc[shuffler.sample(range(80), 80)].assign(
        asset=lambda one: [f"X{names[int(a[1:])]}" for a in one["asset"]],
        exit_d=lambda one: unit * one["exit_d"],
    )
    (a,), (b,) = (replacement("seal", one, 80, "none", PRICE).curves for one in (lives, other))
    assert b.best_age_d.value == pytest.approx(unit * a.best_age_d.value, rel=1e-4)
    assert b.hazard.weibull.shape.value == pytest.approx(a.hazard.weibull.shape.value, rel=1e-4)
    assert b.best_age_d.high == pytest.approx(unit * a.best_age_d.high, rel=0.1)  # other assets are drawn
