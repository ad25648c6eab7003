"""Many detectors at once: the newest lagged row of each asset scored with all contributions in two passes of one block.

What the arithmetic costs at the least: one detector after the other, as the minute's cycle asks them, costs a call for
each; here a thousand assets are one multiplication, in float32. The program does not use it: its scores are the same to
the last digit wherever they are made, and these have six.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.health.detector import Detector

AT_ONCE = 64  # assets whose loadings stay in the cache between the two passes


@dataclass(frozen=True, eq=False)
class Stack:
    """Detectors as one block, padded with zeros to the widest: A assets, k components, F features, L lags.

    `loadings` A x k x (L F); `known` A x k, one over the root of variance times T2 level; `rest` A, one over the Q
    level.
    """

    loadings: np.ndarray
    known: np.ndarray
    rest: np.ndarray
    lags: int
    features: int


def stack(detectors: Sequence[Detector]) -> Stack:
    """The block of these detectors, in their order; all must have the same number of lags."""
    features = max((len(one.features) for one in detectors), default=0)
    components = max((len(one.loadings) for one in detectors), default=0)
    lags = len(detectors[0].mean) // len(detectors[0].features) if detectors else 1
    loadings = np.zeros((len(detectors), components, lags, features), np.float32)
    known = np.zeros((len(detectors), components), np.float32)
    for number, one in enumerate(detectors):
        k, f = len(one.loadings), len(one.features)
        loadings[number, :k, :, :f] = one.loadings.reshape(k, lags, f)
        known[number, :k] = 1 / np.sqrt(one.variances * one.t2_level)
    rest = np.array([1 / one.q_level for one in detectors], np.float32)
    return Stack(loadings.reshape(len(detectors), components, lags * features), known, rest, lags, features)


def padded(block: Stack, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Lagged rows of the detectors, each in its own width, as one block; float32, A x (L F)."""
    wide = np.zeros((len(rows), block.lags, block.features), np.float32)
    for number, row in enumerate(rows):
        part = row.reshape(block.lags, -1)
        wide[number, :, : part.shape[1]] = part
    return wide.reshape(len(rows), block.lags * block.features)


def score(block: Stack, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(score, parts of it by feature) of one complete lagged row per asset: shapes (A,) and (A, F); parts add up to it.

    The same complete decomposition as Detector.shares, not yet in per cent.
    """
    by_feature = np.empty((len(x), block.features), np.float32)
    for start in range(0, len(x), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        loadings, row = block.loadings[part], x[part]
        t = np.matmul(loadings, row[:, :, None])
        both = np.concatenate([t, t * block.known[part, :, None]], axis=2).transpose(0, 2, 1)
        back = np.matmul(both, loadings)
        squares = (row - back[:, 0]) ** 2 * block.rest[part, None] + back[:, 1] ** 2
        by_feature[part] = squares.reshape(len(row), block.lags, block.features).sum(axis=1)
    return by_feature.sum(axis=1), by_feature
