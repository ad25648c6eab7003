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
    return fit_pool(fleet(1, 25), list(range(30, 190, 5)), 80.0, seed=2)


def test_bounds_hold_about_as_often_as_they_say(pool):
    rng = np.random.default_rng(3)
    lives = fleet(4, 60)
    cuts = [int(rng.integers(EARLIEST, len(one) - 2)) for one in lives]
    told = left(pool, [one[:cut] for one, cut in zip(lives, cuts, strict=True)])
    rest = [len(one) - cut for one, cut in zip(lives, cuts, strict=True)]
    held = np.mean([one.low <= value <= one.high for one, value in zip(told, rest, strict=True)])
    assert 0.8 <= held <= 0.98
    assert any(math.isinf(one.high) for one in told) and any(math.isfinite(one.high) for one in told)
    assert all(0 <= one.low <= one.value <= one.high for one in told)
    late = [abs(one.value - value) for one, value in zip(told, rest, strict=True) if value < 25]
    assert np.median(late) < 12


def test_fewer_than_ten_lives_teach_nothing_and_the_same_seed_says_the_same(pool):
    assert fit_pool(fleet(1, 9), [50], 80.0) is None
    again = fit_pool(fleet(1, 25), list(range(30, 190, 5)), 80.0, seed=2)
    one = [fleet(7, 1)[0][:60]]
    assert left(again, one) == left(pool, one) and left(pool, []) == ()


def test_signs_rest_on_the_rows_seen_and_find_level_and_slope():
    line = np.column_stack([0.1 * np.arange(400.0)])
    found = signs(line)
    assert 0.25 < found[1] < 0.1 * 5 and found[5] == pytest.approx(0.1 * 40, rel=0.1)  # short spans are shrunk more
    assert signs(line[:100]).tolist() == signs(line[:200][:100]).tolist()
