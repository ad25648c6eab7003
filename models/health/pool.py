"""What was left to others of a class when they looked like this one: remaining life from lives recorded to their end.

Only for a class with at least ten lives whose whole course was recorded. A forest learns the rest of life from how far
each quantity stands from its reference and how fast it moves; its bounds are what really was left at such predictions,
in lives the forest had not seen, cut off as the lives in question are cut off. (Cut off elsewhere they promise too
much: a nominal 0.80 came true 0.69 times.)

References
----------
Geurts, Ernst, Wehenkel 2006, Extremely randomized trees, Machine Learning 63.
Wang, Yu, Siegel, Lee 2008, A similarity-based prognostics approach, PHM 2008 (lives of a class as the model).
Lei, G'Sell, Rinaldo, Tibshirani, Wasserman 2018, Distribution-free predictive inference for regression, JASA 113.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold

from models.intervals import LEVEL, Interval

FEWEST_LIVES = 10
SPANS = (5, 15, 40)  # rows over which level and slope are taken, weights exp(-age / span)
EARLIEST = 25  # rows after which a life may be asked about
EVERY = 4  # rows between two training points of one life
TREES = 150
LEAF = 5
FOLDS = 5
CUTS = 9  # cuts of each life for the bounds
NEAR = 1 / 6  # share of the cuts, those with the most similar prediction, of which the bounds are read

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """A forest of one class, and what was left (`left`) where lives it had not seen were `told` so much."""

    forest: ExtraTreesRegressor
    told: Floats
    left: Floats
    cap: float  # "so much or more": what is left early in life shows in nothing
    lives: int


def fit_pool(lives: Sequence[Floats], cuts: Sequence[int], cap: float, seed: int = 1) -> Pool | None:
    """Learn from whole lives; None with fewer than ten.

    Parameters
    ----------
    lives : sequence of arrays (rows x features)
        Deviation from the reference in units of its spread, row by row until failure; rows are evenly spaced.
    cuts : sequence of int
        How many rows have been seen of the lives that will be asked about: the bounds are calibrated on such cuts.
    cap : float
        What is left is learned up to here. [rows]
    """
    if len(lives) < FEWEST_LIVES:
        return None
    rng = np.random.default_rng(seed)
    x, y, group, at, rest, owner = [], [], [], [], [], []
    for number, life in enumerate(lives):
        for end in range(EARLIEST, len(life), EVERY):
            x.append(signs(life[:end]))
            y.append(min(cap, len(life) - end))
            group.append(number)
        fitting = [cut for cut in cuts if cut < len(life)] or [len(life) // 2]
        for cut in rng.choice(fitting, CUTS):
            at.append(signs(life[:cut]))
            rest.append(min(cap, len(life) - cut))
            owner.append(number)
    rows, target, groups = np.array(x), np.array(y, float), np.array(group)
    told, cut_rows, owners = np.empty(len(at)), np.array(at), np.array(owner)
    for train, _ in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, groups=groups):
        held = ~np.isin(owners, groups[train])
        told[held] = _forest(seed).fit(rows[train], target[train]).predict(cut_rows[held])
    return Pool(_forest(seed).fit(rows, target), told, np.array(rest, float), cap, len(lives))


def left(pool: Pool, lives: Sequence[Floats], level: float = LEVEL) -> tuple[Interval, ...]:
    """What is left of each life seen so far [rows], between what was left at the most similar predictions.

    `high` is infinite where the cap was reached: "so much or more", one-sided. `n` is the number of lives learned from.
    """
    if not lives:
        return ()
    tail = (1 - level) / 2
    found = []
    for value in pool.forest.predict(np.array([signs(life) for life in lives])).tolist():
        near = np.argsort(np.abs(pool.told - value), kind="stable")[: max(FEWEST_LIVES, round(NEAR * len(pool.told)))]
        ends = value + pool.left[near] - pool.told[near]
        ends = np.where(pool.left[near] >= pool.cap, np.maximum(ends, pool.cap), ends)
        low, high = np.quantile(ends, (tail, 1 - tail)).tolist()
        if high >= pool.cap:  # open above: all that may be missed lies below
            low, high = float(np.quantile(ends, 2 * tail)), math.inf
        low = max(low, 0.0)
        found.append(Interval(max(value, low), low, max(high, low), pool.lives))
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
