"""The detector with scikit-learn's face: for notebooks, comparisons and pipelines; the product itself uses `walk`.

Fit, levels and scores are those of models.health.detector; nothing is computed twice. Rows stand in time order and
evenly spaced, because each is judged together with the rows before it.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from models.health.detector import (
    BLOCKS,
    COMPONENTS,
    LAGS,
    MISSING_ALLOWED,
    SMOOTH,
    VARIANCE_KEPT,
    fit_detector,
    lagged,
    noise_floors,
    scaled_lags,
    smoothed,
)
from models.health.index import ALERT


class LaggedPCADetector(OutlierMixin, BaseEstimator):
    """T2 + Q on lagged principal components with cross-fitted lines, as a scikit-learn outlier detector.

    A missing value (NaN) takes the one that makes the score smallest, so that it never alarms; so does a row that is
    not there before the first. Where more than a third of a row is missing its score is NaN, unknown, and `predict`
    says 1: not knowing is no alert. A row without any value is a gap, after which smoothing starts anew.

    Parameters
    ----------
    lags : rows judged together, the current one and `lags` - 1 earlier ones
    components : most principal components kept
    variance : share of the variance kept, where that takes fewer components
    smooth : rows of the running median over the score
    alert : alert line, as a multiple of the largest smoothed cross-fitted training score
    floors : noise floor of each column in its own unit; 0 and None stand for the product's default

    Attributes
    ----------
    detector_ : models.health.detector.Detector
    offset_ : the alert line; `decision_function` is `score_samples - offset_`

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> found = LaggedPCADetector().fit(X)
    >>> found.predict(X + 9.0)[-1]
    np.int64(-1)
    """

    def __init__(
        self, *, lags: int = LAGS, components: int = COMPONENTS, variance: float = VARIANCE_KEPT, smooth: int = SMOOTH,
        alert: float = ALERT, floors: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        self.lags = lags
        self.components = components
        self.variance = variance
        self.smooth = smooth
        self.alert = alert
        self.floors = floors

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows in time order; incomplete rows are left out. `y` is ignored.

        ValueError with fewer than `lags` + 5 complete rows in one piece, or floors that do not fit the columns.
        """
        least = self.lags + BLOCKS
        rows = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(rows.shape[1])])
        features = tuple(map(str, names))
        if self.floors is not None and len(self.floors) != len(features):
            raise ValueError(f"floors: {len(self.floors)} given for {len(features)} columns; give one per column")
        complete = ~np.isnan(rows).any(axis=1)
        found = None
        if complete.any():
            floor = noise_floors(rows[complete], features, dict(zip(features, self.floors or (), strict=False)))
            found = fit_detector(
                rows[complete], _stretch(rows)[complete], features, floor, lags=self.lags, components=self.components,
                variance=self.variance, smooth=self.smooth, smooth_least=1, min_rows=BLOCKS,
            )  # fmt: skip
        if found is None:
            raise ValueError(f"{complete.sum()} complete rows: {least} are needed in one piece to learn from")
        self.detector_ = found
        self.offset_ = -self.alert * found.worst
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """The smoothed score of each row, negated (the smaller, the stranger); NaN where it is unknown."""
        rows = self._rows(X)
        score = self.detector_.score(self._lagged(rows))
        score[np.isnan(rows).mean(axis=1) > MISSING_ALLOWED] = np.nan
        return -smoothed(score, _stretch(rows), self.smooth, 1)

    def decision_function(self, X: Any) -> np.ndarray:
        """How far each row is from the alert line: negative past it, NaN where that is unknown."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> np.ndarray:
        """-1 for each row past the alert line, 1 for all others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any) -> np.ndarray:
        """The share of each column in the score of each row (before smoothing) [%]; each row adds up to 100."""
        return self.detector_.shares(self._lagged(self._rows(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False))

    def _lagged(self, rows: np.ndarray) -> np.ndarray:
        before = np.full((self.detector_.lags - 1, rows.shape[1]), np.nan)
        x_rows, _ = lagged(np.vstack([before, rows]), np.zeros(len(before) + len(rows)), self.detector_.lags)
        return scaled_lags(self.detector_, x_rows)


def _stretch(rows: np.ndarray) -> np.ndarray:
    """A number per row that grows at each row without any value."""
    return np.cumsum(np.isnan(rows).all(axis=1))
