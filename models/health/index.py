"""The health index: one number from 0 to 100 that is exactly 50 where the alert line is."""

import numpy as np
from numpy.typing import ArrayLike

WARNING, ALERT = 1.0, 1.5  # lines, as multiples of the largest smoothed cross-fitted training score


def health_index(score: ArrayLike, threshold: ArrayLike) -> np.ndarray:
    """100 exp(-ln 2 score / threshold): 100 at score 0, 50 at the alert line, falling for ever; NaN stays NaN.

    >>> float(health_index(3.0, 3.0))
    50.0
    """
    return np.asarray(100.0 * np.exp2(-np.asarray(score, float) / np.asarray(threshold, float)))


def index_words(score: ArrayLike, worst: ArrayLike) -> np.ndarray:
    """normal, warning or alert for smoothed scores against the largest training score; unknown for NaN."""
    score, worst = np.broadcast_arrays(np.asarray(score, float), np.asarray(worst, float))
    word = np.full(score.shape, "normal", object)
    word[score >= WARNING * worst] = "warning"
    word[score >= ALERT * worst] = "alert"
    word[~np.isfinite(score)] = "unknown"
    return word
