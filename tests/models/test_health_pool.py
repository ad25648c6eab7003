"""The pool of lives: bounds that hold as often as they say, on lives that were not in it."""

import math

import numpy as np
import pytest

from models.health.pool import EARLIEST, fit_pool, left, signs


def worn(rng, n):
    """A life of n rows: two features leave their reference ever faster, one stays."""
    share = np.arange(n) / n
    return np.column_stack([4 * share**3, -3 * share**2, 0 * share]) + 0.4 * rng.standard_normal((n, 3))


def fleet(seed, count):
    rng = np.random.default_rng(seed)
    return [worn(rng, int(n)) for n in rng.integers(90, 200, count)]


@pytest.fixture(scope="module")
def pool():
    return fit_pool(fleet(1, 25), 80.0, seed=2)


@pytest.mark.parametrize(("least", "most"), [(2, 175), (2, 40), (50, 175)])
def test_bounds_hold_about_as_often_as_they_say_wherever_lives_are_cut_off(pool, least, most):
    rng = np.random.default_rng(3)
    lives = fleet(4, 80)
    rest = [int(rng.integers(least, min(most, len(one) - EARLIEST), endpoint=True)) for one in lives]
    told = left(pool, [one[:-cut] for one, cut in zip(lives, rest, strict=True)])
    held = np.mean([one.low <= value <= one.high for one, value in zip(told, rest, strict=True)])
    assert 0.8 <= held <= 0.99
    assert all(0 <= one.low <= one.value <= one.high for one in told)


def test_early_in_life_the_upper_bound_is_open_and_late_it_is_close(pool):
    lives = fleet(5, 30)
    early, late = left(pool, [one[:30] for one in lives]), left(pool, [one[:-10] for one in lives])
    assert np.mean([math.isinf(one.high) for one in early]) > 0.5
    assert all(one.high < 50 for one in late) and np.median([abs(one.value - 10) for one in late]) < 6


def test_fewer_than_ten_lives_teach_nothing_and_the_same_seed_says_the_same(pool):
    assert fit_pool(fleet(1, 9), 80.0) is None
    again = fit_pool(fleet(1, 25), 80.0, seed=2)
    one = [fleet(7, 1)[0][:60]]
    assert left(again, one) == left(pool, one) and left(pool, []) == ()


def test_signs_rest_on_the_rows_seen_and_find_level_and_slope():
    line = np.column_stack([0.1 * np.arange(400.0)])
    found = signs(line)
    assert 0.25 < found[1] < 0.1 * 5 and found[5] == pytest.approx(0.1 * 40, rel=0.1)  # short spans are shrunk more
    assert signs(line[:100]).tolist() == signs(line[:200][:100]).tolist()
