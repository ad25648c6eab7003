"""A block of detectors says of each asset what its own detector says."""

import numpy as np
import pytest

from benchmarks.rigs.block import padded, score, stack
from models.health.detector import LAGS, fit_detector


def detector(features, seed):
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((400, features)) @ draw.standard_normal((features, features))
    names = tuple(f"f{n}" for n in range(features))
    return fit_detector(rows, np.zeros(400, int), names, np.full(features, 0.05))


def test_scores_and_contributions_of_a_block_are_those_of_each_detector():
    detectors = [detector(features, seed) for seed, features in enumerate((3, 7, 1, 5) * 40)]  # more than one turn
    draw = np.random.default_rng(99)
    rows = [draw.standard_normal(LAGS * len(one.features)) for one in detectors]
    block = stack(detectors)
    scores, parts = score(block, padded(block, rows))
    for number, (one, row) in enumerate(zip(detectors, rows, strict=True)):
        n = len(one.features)
        assert scores[number] == pytest.approx(one.score(row[None, :])[0], rel=1e-4)
        assert 100 * parts[number, :n] / scores[number] == pytest.approx(one.shares(row[None, :])[0], abs=0.01)
        assert (parts[number, n:] == 0).all()
    assert parts.sum(axis=1) == pytest.approx(scores, rel=1e-5)


def test_a_block_of_nothing_scores_nothing():
    block = stack([])
    scores, parts = score(block, padded(block, []))
    assert (scores.shape, parts.shape) == ((0,), (0, 0))
