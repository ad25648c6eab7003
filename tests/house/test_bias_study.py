"""The study of the review judges thousands of fleets by pieces: they must say what the review says."""

import numpy as np
import pytest

from benchmarks.bias.judged import Cases, same_as_review
from benchmarks.bias.pools import pool_of
from benchmarks.bias.scenarios import AT_THE_LINE, COVERED, WRITTEN
from benchmarks.bias.tables import REACHED, Bar


@pytest.mark.parametrize("scenario", [AT_THE_LINE[-1], WRITTEN[1]], ids=lambda one: one.name)
def test_the_pieces_say_of_a_fleet_what_its_review_says(scenario):
    same_as_review(Cases(pool_of(scenario, 1, 40, 12), 12), np.random.default_rng(1), 25)


def test_the_pool_is_the_population_of_its_fleets():
    """A fleet of every pump once has the pool's jobs, and the truth lies in its interval."""
    pool = pool_of(COVERED[2], 2, 60, 12)
    whole = Cases(pool, 12).judge(np.arange(60), with_share=False)
    assert whole.jobs == pool.truth.jobs
    assert whole.net.low < pool.excess * 60 < whole.net.high


def test_a_bar_holds_by_its_share_or_by_the_reach_of_its_interval():
    assert Bar("x", "", 5, 100, ("at most", 0.05)).holds
    assert not Bar("x", "", 6, 100, ("at most", 0.05)).holds
    assert not Bar("x", "", 0, 0, ("at most", 0.05)).holds
    assert Bar("x", "", 95, 100, ("at least", 0.95)).holds
    assert Bar("x", "", 84, 100, REACHED).holds  # .84, but its interval reaches .89
    assert not Bar("x", "", 500, 600, REACHED).holds
