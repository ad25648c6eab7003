"""The health index: one number from 0 to 100 that is exactly 50 where the alert line is."""

import math

WARNING, ALERT = 1.0, 1.5  # lines, as multiples of the largest smoothed cross-fitted training score


def health_index(score: float, threshold: float) -> float:
    """100 exp(-ln 2 score / threshold): 100 at score 0, 50 at the alert line, falling for ever; NaN stays NaN.

    >>> health_index(3.0, 3.0)
    50.0
    """
    return 100.0 * math.exp2(-score / threshold) if math.isfinite(score) else math.nan


def index_word(score: float, worst: float) -> str:
    """normal, warning or alert for a smoothed score against the largest training score; unknown for NaN."""
    if not math.isfinite(score):
        return "unknown"
    return "alert" if score >= ALERT * worst else "warning" if score >= WARNING * worst else "normal"
