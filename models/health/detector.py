"""The multivariate detector: is this pump, in this state, still the pump that was learned?

A robust baseline per tag (median and MAD with a noise floor), then principal components of the current row and four
earlier ones of the same state, with Hotelling's T2 for unusual size and Q (squared prediction error) for broken
relations. Both are divided by their own 99 % training level and added: one score, x' M x, linear algebra that a reader
can redo. Training scores are cross-fitted over contiguous blocks: no row is scored by a model that has seen it.

Notes
-----
It cannot tell wear from a changed instrument, and it knows only what the reference window showed. A tag without a value
is given the most favourable one it could have had, which never raises the score.

References
----------
Jackson, Mudholkar 1979, Control procedures for residuals associated with principal components, Technometrics 21.
Ku, Storer, Georgakis 1995, Disturbance detection and isolation by dynamic PCA, Chemometrics 30.
Yue, Qin 2001, Reconstruction-based fault identification using a combined index, Ind. Eng. Chem. Res. 40.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.decomposition import PCA


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at the rows of a state: rows with their lags, or the median of each feature over a time."""

    state: str
    over_s: float  # features are medians over so much time in this state; 0: as they are
    lags: int
    components: int
    smooth: int  # rows of the running median of the score
    floor: float  # share of the noise floors that counts
    quiet: float  # share of rows of noise as large as the floors that are below 1


VIEWS: Mapping[str, View] = {
    "steady": View("steady", 0.0, 5, 20, 15, 1.0, 0.99),
    "steady_slow": View("steady", 43_200.0, 1, 0, 1, 0.6, 0.95),
    "off": View("off", 21_600.0, 1, 0, 1, 1.0, 0.95),
}
LAGS = 5  # rows: the current one and four earlier ones
SMOOTH = 15  # rows of the running median
SMOOTH_LEAST = 8
BLOCKS = 5  # contiguous blocks of the cross-fitting
COMPONENTS = 20
VARIANCE_KEPT = 0.95
MIN_ROWS = 60  # fewer complete rows of a state teach nothing
MIN_S = 7200.0  # nor does less time
RELATIVE_FLOOR = 0.005  # default noise floor: share of the size a tag reaches
MISSING_ALLOWED = 1 / 3  # share of tags that may lack a value
MISSING = 2 / 3  # of features: their drivers have left what was learned, or a tag is bad
TINY = 1e-12


@dataclass(frozen=True)
class Detector:
    """One fitted state of one asset. Arrays are float64; lagged columns run over tags first, then lags."""

    features: tuple[str, ...]
    centre: np.ndarray  # median per tag
    scale: np.ndarray  # robust sigma per tag, never below its noise floor
    floor: np.ndarray
    low: np.ndarray  # 0.1 % and 99.9 % training quantiles: winsorising, and the range that was learned
    high: np.ndarray
    mean: np.ndarray  # of the lagged, scaled columns
    loadings: np.ndarray  # components x lagged columns
    variances: np.ndarray
    variance_kept: float
    t2_level: float
    q_level: float
    worst: float  # largest smoothed cross-fitted training score: the warning line
    rows: int

    @property
    def lags(self) -> int:
        """Rows in one lagged row."""
        return len(self.mean) // len(self.features)

    @cached_property
    def metric(self) -> np.ndarray:
        """M of score = x' M x."""
        p = self.loadings
        known = (p.T / self.variances) @ p / self.t2_level
        return np.asarray(known + (np.eye(p.shape[1]) - p.T @ p) / self.q_level)

    def filled(self, x: np.ndarray) -> np.ndarray:
        """Lagged rows in which missing entries hold the value that makes the score smallest."""
        x = x.copy()
        missing = np.isnan(x)
        if not missing.any():
            return x
        m = self.metric
        patterns, which = np.unique(missing, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if not pattern.any():
                continue
            rows, known = np.flatnonzero(which == number), ~pattern
            x[np.ix_(rows, np.flatnonzero(pattern))] = -np.linalg.solve(
                m[np.ix_(pattern, pattern)], m[np.ix_(pattern, known)] @ x[np.ix_(rows, np.flatnonzero(known))].T
            ).T
        return x

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """T2 and Q of complete lagged rows (centred on `mean`)."""
        t = x @ self.loadings.T
        t2 = (t * t / self.variances).sum(axis=1)
        residual = x - t @ self.loadings
        return t2, (residual * residual).sum(axis=1)

    def score(self, x: np.ndarray) -> np.ndarray:
        """The combined score of lagged rows, missing entries allowed."""
        t2, q = self.statistics(self.filled(x))
        return t2 / self.t2_level + q / self.q_level

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Contribution of each tag to the score of lagged rows, in per cent; those of a row add up to 100.

        Complete decomposition: the squares of M^(1/2) x for T2, the squared residual for Q, each summed over lags. A
        tag without a current value has none, and the others share the whole.
        """
        known = ~np.isnan(x[:, : len(self.features)])
        x = self.filled(x)
        t = x @ self.loadings.T
        part = ((t / np.sqrt(self.variances)) @ self.loadings) ** 2 / self.t2_level
        part += (x - t @ self.loadings) ** 2 / self.q_level
        by_tag = part.reshape(len(x), -1, len(self.features)).sum(axis=1) * known
        total = by_tag.sum(axis=1, keepdims=True)
        even = known / np.maximum(known.sum(axis=1, keepdims=True), 1)
        return np.asarray(100 * np.where(total > TINY, by_tag / np.maximum(total, TINY), even))

    def expected(self, x: np.ndarray) -> np.ndarray:
        """For each tag the current value [its unit] that would fit best with all other tags of the same lagged row."""
        x, n = self.filled(x), len(self.features)
        found = x[:, :n] - x @ self.pull + self.mean[:n]
        return np.asarray(found * self.scale + self.centre)

    @cached_property
    def pull(self) -> np.ndarray:
        """Lagged columns x tags: what the score pulls at each current value, all lags of that tag being free."""
        n, m = len(self.features), self.metric
        found = np.zeros((len(m), n))
        for tag in range(n):
            block = np.arange(tag, len(m), n)
            found[block, tag] = np.linalg.solve(m[np.ix_(block, block)], np.eye(len(block))[0])
        return np.asarray(m @ found)


def lagged(rows: np.ndarray, stretch: np.ndarray, lags: int = LAGS) -> tuple[np.ndarray, np.ndarray]:
    """Each row with its `lags` - 1 predecessors of the same stretch, current row first; and the positions kept."""
    n = len(rows)
    if n < lags:
        return np.empty((0, rows.shape[1] * lags)), np.empty(0, int)
    keep = np.flatnonzero(stretch[lags - 1 :] == stretch[: n - lags + 1]) + lags - 1
    return np.hstack([rows[keep - lag] for lag in range(lags)]), keep


def smoothed(score: np.ndarray, stretch: np.ndarray, window: int = SMOOTH, least: int = SMOOTH_LEAST) -> np.ndarray:
    """Running median over the last `window` scores of the same stretch; NaN before `least` of them."""
    series = pd.Series(score)
    return series.groupby(stretch).transform(lambda part: part.rolling(window, least).median()).to_numpy(float)


def window_rows(view: View, every_s: float) -> int:
    """Rows of the median of each feature; 1 where it is taken as it is."""
    return max(1, round(view.over_s / every_s))


def least_rows(every_s: float) -> int:
    """Complete rows of a state that are needed to learn from."""
    return max(MIN_ROWS, round(MIN_S / every_s))


def medians(rows: np.ndarray, stretch: np.ndarray, window: int) -> np.ndarray:
    """Running median of each column over the last `window` rows of the same stretch; NaN before half of them."""
    if window <= 1 or not len(rows):
        return rows
    rolled = pd.DataFrame(rows).groupby(stretch).rolling(window, max(window // 2, 1)).median()
    return rolled.to_numpy(float)


def noise_floors(rows: np.ndarray, features: tuple[str, ...], floors: Mapping[str, float]) -> np.ndarray:
    """The configured noise floor of each tag, else a share of the size it reaches; never 0."""
    size = RELATIVE_FLOOR * np.quantile(np.abs(rows), 0.95, axis=0)
    given = np.array([floors.get(name, 0.0) for name in features])
    return np.where(given > 0, given, np.where(size > 0, size, 1.0))


def fit_detector(
    rows: np.ndarray, stretch: np.ndarray, features: tuple[str, ...], floor: np.ndarray, *,
    lags: int = LAGS, components: int = COMPONENTS, variance: float = VARIANCE_KEPT, smooth: int = SMOOTH,
    smooth_least: int = SMOOTH_LEAST, min_rows: int = MIN_ROWS, quiet: float | None = None,
) -> Detector | None:  # fmt: skip
    """Learn one state from complete rows in time order; None where there are too few of them.

    `stretch` numbers the pieces between telemetry gaps. Training rows are winsorised at their 0.1 % and 99.9 %
    quantiles, so that a few outliers cannot lift the lines. With `quiet` the floors are what instruments can tell, and
    neither component nor level is narrower than noise of that size makes it in this share of rows.
    """
    if len(rows) < min_rows:
        return None
    low, high = np.quantile(rows, (0.001, 0.999), axis=0)
    rows = np.clip(rows, low, high)
    x_rows, keep = lagged(rows, stretch, lags)
    if len(x_rows) < min_rows:
        return None
    block = np.arange(len(keep)) * BLOCKS // len(keep)
    t2, q = np.empty(len(keep)), np.empty(len(keep))
    for one in range(BLOCKS):
        inside = block == one
        part = _fit(x_rows[~inside], features, floor, components, variance, quiet is not None)
        t2[inside], q[inside] = part.statistics(scaled_lags(part, x_rows[inside]))
    final = _fit(x_rows, features, floor, components, variance, quiet is not None)
    least_t2, least_q = (0.0, 0.0) if quiet is None else _noise_levels(final, quiet)
    t2_level = max(float(np.quantile(t2, 0.99)), least_t2, float(lags))
    q_level = max(float(np.quantile(q, 0.99)), least_q, float(lags))
    whole = smoothed(t2 / t2_level + q / q_level, stretch[keep], smooth, smooth_least)
    worst = max(float(np.nanmax(whole, initial=0.0)), 1.0)
    return Detector(
        features, final.centre, final.scale, floor, low, high, final.mean, final.loadings, final.variances,
        final.variance_kept, t2_level, q_level, worst, len(x_rows),
    )  # fmt: skip


def scaled_lags(detector: Detector, x_rows: np.ndarray) -> np.ndarray:
    z = (x_rows - np.tile(detector.centre, detector.lags)) / np.tile(detector.scale, detector.lags)
    return np.asarray(z - detector.mean)


def prepared(
    detector: Detector, rows: np.ndarray, stretch: np.ndarray, missing: float = MISSING_ALLOWED
) -> tuple[np.ndarray, np.ndarray]:
    """Lagged, scaled and centred rows ready for `score`, and their positions; thinly filled rows are left out."""
    usable = np.flatnonzero(np.isnan(rows).mean(axis=1) <= missing)
    x_rows, keep = lagged(rows[usable], stretch[usable], detector.lags)
    return scaled_lags(detector, x_rows), usable[keep]


def _noise_levels(detector: Detector, quantile: float) -> tuple[float, float]:
    """T2 and Q that noise as large as the floors alone would exceed in a share 1 - `quantile` of rows; never 0.

    The levels are never below these: a detector must not see less than the instruments can tell.
    """
    noise = np.tile((detector.floor / detector.scale) ** 2, detector.lags)
    p = detector.loadings
    left = (np.eye(p.shape[1]) - p.T @ p) * noise
    total = float(np.trace(left))
    freedom = total**2 / max(float((left * left.T).sum()), TINY)  # Satterthwaite
    q = total / freedom * float(chi2.ppf(quantile, freedom)) if total > TINY else TINY
    used = np.abs(p).sum(axis=1) > 0
    within = (p**2 @ noise / detector.variances)[used]
    t2 = float(within.mean() * chi2.ppf(quantile, len(within))) if len(within) else TINY
    return max(t2, TINY), max(q, TINY)


def _fit(
    x_rows: np.ndarray, features: tuple[str, ...], floor: np.ndarray, components: int, variance: float, told: bool
) -> Detector:
    """Baseline and components of lagged rows; levels and lines are still open."""
    current = x_rows[:, : len(features)]
    centre = np.median(current, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(current - centre), axis=0), floor)
    lags = x_rows.shape[1] // len(features)
    z = (x_rows - np.tile(centre, lags)) / np.tile(scale, lags)
    total = float(z.var(axis=0, ddof=1).sum())
    most = min(components, z.shape[1] - 1, len(z) - 1)
    if total < TINY or most < 1:  # nothing moved, or one column: there are no components, and all deviation is residual
        mean, loadings, variances, kept = z.mean(axis=0), np.zeros((1, z.shape[1])), np.ones(1), 1.0
    else:
        found = PCA(n_components=most, svd_solver="covariance_eigh").fit(z)
        shares = np.cumsum(found.explained_variance_) / total
        k = min(int(np.searchsorted(shares, variance)) + 1, len(shares))
        mean, loadings, kept = found.mean_, found.components_[:k], float(shares[k - 1])
        least = loadings**2 @ np.tile((floor / scale) ** 2, lags) if told else 0.0
        variances = np.maximum(found.explained_variance_[:k], np.maximum(least, 1e-3))
    return Detector(
        features, centre, scale, floor, floor, floor, mean, loadings, variances, kept, 1.0, 1.0, 1.0, len(z),
    )  # fmt: skip
