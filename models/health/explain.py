"""Every number of one assessment, so that a reader can redo it with a pocket calculator and a spreadsheet.

Nothing is computed twice here: the rows, the scores and the words are those of `models.health.walk`; this file opens
them up.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.health.detector import MISSING, VIEWS, Detector
from models.health.index import ALERT
from models.health.model import HealthModel
from models.health.walk import Rows, judged


@dataclass(frozen=True, eq=False)
class Explanation:
    """How the index of the last row of a window came about.

    The score is that of the `middle` row: the one of those smoothed over whose score is nearest to their median. Arrays
    per lag have the current row first, shape (lags, features); NaN where a tag had no good value.
    """

    state: str
    detector: Detector
    recent: tuple[tuple[pd.Timestamp, float], ...]  # the scores that the median is of, oldest first
    score: float  # their median: what the index rests on
    threshold: float  # alert line
    lag_times: tuple[pd.Timestamp, ...]
    lag_values: np.ndarray
    lag_good: np.ndarray | None  # share of good samples behind each value, NaN for what was computed
    x: np.ndarray  # lagged, scaled, centred; shape (lags x features,)
    filled: np.ndarray  # the same, with the most favourable value where none was
    components: np.ndarray  # t = loadings x
    residual: np.ndarray  # e = x - loadings' t, shape (lags x features,)
    t2: float
    q: float
    t2_by_feature: np.ndarray
    q_by_feature: np.ndarray
    shares: np.ndarray  # contributions [%]
    expected: np.ndarray  # in the unit of each feature
    row: pd.Series  # the middle row with all derived columns


def explain(model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None) -> Explanation | None:
    """The explanation of the last row of a window (as `assess` takes it); None where that says unknown."""
    if not len(values):
        return None
    rows = judged(model, values, share_good)
    number = int(rows.best[-1])
    if number < 0:
        return None
    scan, state = rows.scans[number], list(model.detectors)[number]
    detector, position = scan.detector, int(scan.position[-1])
    n = len(detector.features)
    last = int(np.searchsorted(scan.at, position))
    recent = [
        i for i in range(max(0, last - VIEWS[state].smooth + 1), last + 1) if scan.stretch[i] == scan.stretch[last]
    ]
    middle = int(scan.middle[last])
    lags = detector.lags
    usable = np.flatnonzero(np.isnan(scan.table).mean(axis=1) <= MISSING)
    usable = usable[np.searchsorted(scan.where[usable], scan.at[middle]) - np.arange(lags)]
    places = scan.where[usable]
    x = scan.x[middle]
    filled = detector.filled(x[None, :])[0]
    t = detector.loadings @ filled
    e = filled - detector.loadings.T @ t
    known = ~np.isnan(x[:n])
    part_t2 = ((detector.loadings.T @ (t / np.sqrt(detector.variances))) ** 2).reshape(lags, n).sum(axis=0)
    part_q = (e * e).reshape(lags, n).sum(axis=0)
    times = pd.DatetimeIndex(values.index)
    t2, q = detector.statistics(filled[None, :])
    return Explanation(
        state, detector, tuple((times[scan.at[i]], float(scan.scores[i])) for i in recent),
        float(scan.score[-1]), ALERT * detector.worst, tuple(times[place] for place in places),
        scan.table[usable],
        _good(share_good, detector, places), x, filled, t, e, float(t2[0]), float(q[0]), part_t2 * known,
        part_q * known, detector.shares(x[None, :])[0], detector.expected(x[None, :])[0],
        _row(rows, model, int(places[0])),
    )  # fmt: skip


def _row(rows: Rows, model: HealthModel, place: int) -> pd.Series:
    """One row with its tags, what the laws see, and the features."""
    at = {name: one[place : place + 1] for name, one in rows.columns.items()}
    seen = {name: float(one[0]) for name, one in {**at, **model.eyes.table(at)}.items()}
    told = {name: float(one[place]) for name, one in rows.frame.items()}
    return pd.Series(told | seen, dtype=float)


def _good(share_good: pd.DataFrame | None, detector: Detector, places: np.ndarray) -> np.ndarray | None:
    if share_good is None:
        return None
    return np.asarray(share_good.reindex(columns=list(detector.features)).to_numpy(float)[places])
