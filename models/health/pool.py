"""What was left to others of a class when they looked like this one: remaining life from lives recorded to their end.

Only for a class with at least ten lives whose whole course was recorded. A forest learns the rest of life from how far
each quantity stands from its reference and how fast it moves. Its bounds turn the question round: for each rest of life
it is known what the forest says of lives it has not seen, and those rests are within the bounds for which this answer
is no surprise. So they hold whatever the age at which somebody asks; bounds read from past errors hold only where lives
are cut off as they were for the errors (C-MAPSS: 0.79 at nominal 0.90, first evaluation in docs/model_evidence.md).

References
----------
Geurts, Ernst, Wehenkel 2006, Extremely randomized trees, Machine Learning 63.
Wang, Yu, Siegel, Lee 2008, A similarity-based prognostics approach, PHM 2008 (lives of a class as the model).
Neyman 1937, Outline of a theory of statistical estimation, Phil. Trans. R. Soc. A 236 (bounds by inversion).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from models.intervals import LEVEL, Interval

FEWEST_LIVES = 10
SPANS = (5, 15, 40)  # rows over which level and slope are taken, weights exp(-age / span)
EARLIEST = 25  # rows after which a life may be asked about
EVERY = 4  # rows between two points of one life
TREES = 150
LEAF = 5
FOLDS = 5
NEAR = 0.1  # answers at rests of life that differ by this share, or by NEAR_ROWS, stand for one another
NEAR_ROWS = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """A forest of one class, and between which answers 90 % of lives with so much left were."""

    forest: ExtraTreesRegressor
    rest: Floats  # 1, 2 ... cap - 1 [rows]
    low: Floats  # of the answers at each rest
    high: Floats
    open_from: float  # answers from here on are no surprise where the cap or more is left
    cap: float  # "so much or more": what is left early in life shows in nothing
    lives: int


def fit_pool(lives: Sequence[Floats], cap: float, seed: int = 1, level: float = LEVEL) -> Pool | None:
    """Learn from whole lives; None with fewer than ten.

    Parameters
    ----------
    lives : sequence of arrays (rows x features)
        Deviation from the reference in units of its spread, row by row until failure; rows are evenly spaced.
    cap : float
        What is left is learned up to here. [rows]
    """
    if len(lives) < FEWEST_LIVES:
        return None
    points = [(number, end) for number, life in enumerate(lives) for end in range(EARLIEST, len(life), EVERY)]
    x = np.array([signs(lives[number][:end]) for number, end in points])
    left_over = np.array([min(cap, len(lives[number]) - end) for number, end in points], float)
    groups = np.array([number for number, _ in points])
    told = np.empty(len(x))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(x, groups=groups):
        told[test] = _forest(seed).fit(x[train], left_over[train]).predict(x[test])
    tail = (1 - level) / 2
    rest = np.arange(1.0, cap)
    near = [told[np.abs(left_over - one) <= max(NEAR_ROWS, NEAR * one)] for one in rest]
    low, high = (
        IsotonicRegression().fit(rest, [np.quantile(some, q) for some in near]).predict(rest) for q in (tail, 1 - tail)
    )
    early = told[left_over >= cap]
    open_from = float(np.quantile(early, 2 * tail)) if len(early) else math.inf
    return Pool(_forest(seed).fit(x, left_over), rest, low, high, open_from, cap, len(lives))


def left(pool: Pool, lives: Sequence[Floats]) -> tuple[Interval, ...]:
    """What is left of each life seen so far [rows]: all rests of life for which the forest's answer is no surprise.

    `high` is infinite where the cap or more may be left. `n` is the number of lives learned from.
    """
    if not lives:
        return ()
    found = []
    for value in pool.forest.predict(np.array([signs(life) for life in lives])).tolist():
        inside = pool.rest[(pool.low <= value) & (value <= pool.high)]
        if not len(inside):  # between two steps of the curves: the nearest rest
            inside = pool.rest[[int(np.argmin(np.minimum(np.abs(pool.low - value), np.abs(pool.high - value))))]]
        low, high = float(inside[0]), float(inside[-1])
        if value >= pool.open_from:
            high = math.inf
        found.append(Interval(min(max(value, low), high), low, high, pool.lives))
    return tuple(found)


def signs(life: Floats) -> Floats:
    """Level and change of each feature at the end of the rows, over each of SPANS: weighted lines, shrunk to level."""
    told = []
    for span in SPANS:
        rows = life[-3 * span :]
        age = np.arange(len(rows)) - len(rows) + 1.0
        weight = np.exp(age / span)
        weight /= weight.sum()
        level, apart = weight @ rows, age - weight @ age
        slope = (weight * apart) @ rows / ((weight * apart) @ apart + span)
        told += [level, slope * span]
    return np.concatenate(told)


def _forest(seed: int) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=seed)
