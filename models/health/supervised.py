"""A learned risk of failure per component: off until labels exist, and offered only where it beats what is simpler.

One regularised binary gradient boosting on age, event counts and features, always beside a logistic regression on the
same columns and beside age alone (what a calendar knows). All three are judged on assets they have not seen, later
than anything they were learned from. Better means: by more than the interval, against both.

Notes
-----
Failure within a horizon is rare, so average precision is told and not accuracy; calibration is failures seen over
failures expected. Rows whose end is not known (work came first, or the record ends) are left out: work called for by
condition makes what is left look healthier than it was.

References
----------
Friedman 2001, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29.
Davis, Goadrich 2006, The relationship between precision-recall and ROC curves, ICML (average precision).
Bergmeir, Benitez 2012, On the use of cross-validation for time series predictor evaluation, Information Sciences 191.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from models.bias.episodes import DAY_US
from models.health.hazard import between
from models.health.lives import FAILED
from models.health.remaining import Missing
from models.intervals import Interval

FEWEST_EVENTS = 30  # failures, each counted once however many rows lie before it
FEWEST_ASSETS = 10
HORIZON_D = 90.0
EVERY_D = 30.0
PERIODS = 4  # the first only teaches, each later one is predicted from those before it
GROUPS = 3  # of assets
DRAWS = 200
KEYS = ("asset", "at_us", "life", "fails")  # of an example; every other column is a feature
MODEL, LOGISTIC, CALENDAR = "model", "logistic", "calendar"

OFFERED, NOT_BETTER, LOGISTIC_WILL_DO, TOO_FEW = "offered", "not_better", "logistic_will_do", "too_few"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """How one of the three did where it had not looked. Intervals (90 %) resample assets; n counts failures."""

    precision: Interval  # average precision
    calibration: Interval  # failures seen over expected; 1 is right


@dataclass(frozen=True, eq=False)
class Supervised:
    """The answer. `fitted` is there only when it is offered."""

    word: str  # offered, not_better, logistic_will_do (it beats age, boosting does not beat it), too_few
    events: int
    scores: Mapping[str, Score]  # model, logistic, calendar
    gains: Mapping[str, Interval]  # average precision of the model over logistic and over calendar
    columns: tuple[str, ...]
    missing: tuple[Missing, ...] = ()
    fitted: HistGradientBoostingClassifier | None = None

    def risk(self, examples: pd.DataFrame) -> Floats:
        """Chance of failing within the horizon, row by row. ValueError where no model is offered."""
        if self.fitted is None:
            raise ValueError(f"no supervised model is offered: {self.word}")
        return np.asarray(self.fitted.predict_proba(examples[list(self.columns)].to_numpy(float))[:, 1])


def examples(
    lives: pd.DataFrame, features: Mapping[str, pd.DataFrame], end_us: int, events: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per part and 30 days at risk, of one component class.

    Parameters
    ----------
    lives : DataFrame
        As models.health.lives gives them, of one component class.
    features : mapping
        Asset -> frame (daily means, say) by the UTC time at which each row was complete; the last 30 days' mean counts.
    end_us : int
        End of the record, UTC: rows whose 90 days reach beyond it are undecided and left out. [us]
    events : DataFrame, optional
        Columns asset, at_us, kind: counted per kind over the last 90 days.

    Returns
    -------
    DataFrame
        Columns asset, at_us, life (its number), fails (within 90 days), age_d, then features and counts.
    """
    span, horizon = int(EVERY_D * DAY_US), int(HORIZON_D * DAY_US)
    counted = {} if events is None else {str(kind): one for kind, one in events.groupby("kind")}
    rows = []
    columns = (lives[name] for name in ("asset", "entry_d", "exit_d", "ended", "end_us"))
    for life, (asset, entry, exit_, ended, end) in enumerate(zip(*columns, strict=True)):
        first = end - round((exit_ - entry) * DAY_US)
        frame = features.get(asset)
        happened = {kind: np.sort(one.loc[one["asset"] == asset, "at_us"]) for kind, one in counted.items()}
        for at in range(first + span, end, span):
            fails = ended == FAILED and end <= at + horizon
            if at + horizon > (end_us if fails else min(end, end_us)):
                continue
            row: dict[str, Any] = {
                "asset": asset,
                "at_us": at,
                "life": life,
                "fails": fails,
                "age_d": exit_ - (end - at) / DAY_US,
            }
            if frame is not None:
                moment = pd.Timestamp(at, unit="us", tz="UTC")
                mean = frame.loc[moment - pd.Timedelta(days=EVERY_D) : moment].mean()
                row |= {str(name): float(value) for name, value in mean.items()}
            for kind, times in happened.items():
                since, until = np.searchsorted(times, (at - horizon, at), side="right")
                row[f"{kind}_90d"] = int(until - since)
            rows.append(row)
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*KEYS, "age_d"])


def supervised(examples: pd.DataFrame, seed: int = 1) -> Supervised:
    """Judge and, where it is worth it, learn the model of one component class; examples as `examples` gives them."""
    columns = tuple(sorted(str(name) for name in examples.columns if name not in KEYS))
    failing = examples["fails"].to_numpy(bool)
    events = examples.loc[failing, "life"].nunique()
    missing = [
        Missing(what, have, need)
        for what, have, need in (
            ("failures", events, FEWEST_EVENTS), ("assets", examples["asset"].nunique(), FEWEST_ASSETS)
        )
        if have < need
    ]  # fmt: skip
    if missing:
        return Supervised(TOO_FEW, events, {}, {}, columns, tuple(missing))
    x = examples[list(columns)].to_numpy(float)
    told = _forward(examples, x, columns.index("age_d"), seed)
    seen = ~np.isnan(told[MODEL])
    judged = examples.loc[seen, "life"][failing[seen]].nunique()
    if judged < FEWEST_EVENTS / 2:
        return Supervised(TOO_FEW, events, {}, {}, columns, (Missing("later_failures", judged, FEWEST_EVENTS // 2),))
    y, codes = failing[seen], pd.factorize(examples.loc[seen, "asset"])[0]
    told = {name: one[seen] for name, one in told.items()}
    weights = _asset_weights(codes, y, seed)
    precision = {name: average_precision(y, one, weights) for name, one in told.items()}
    calibration = {name: weights @ y / (weights @ one) for name, one in told.items()}

    def interval(draws: Floats) -> Interval:
        return between(float(draws[0]), draws[1:], judged)

    scores = {name: Score(interval(precision[name]), interval(calibration[name])) for name in told}
    gains = {name: interval(precision[MODEL] - precision[name]) for name in (LOGISTIC, CALENDAR)}
    if all(gain.low > 0 for gain in gains.values()):
        return Supervised(OFFERED, events, scores, gains, columns, (), boosting(seed).fit(x, failing))
    simple = interval(precision[LOGISTIC] - precision[CALENDAR]).low > 0
    return Supervised(LOGISTIC_WILL_DO if simple else NOT_BETTER, events, scores, gains, columns)


def boosting(seed: int) -> HistGradientBoostingClassifier:
    """Few shallow trees with large leaves: default settings collapse where failures are few."""
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.05, max_depth=3, min_samples_leaf=30, l2_regularization=10.0, random_state=seed
    )


def logistic() -> Pipeline:
    """Logistic regression with shrinkage on standardised columns, medians where a value is missing."""
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(),
        LogisticRegression(C=0.1, max_iter=1000),
    )  # fmt: skip


def _forward(examples: pd.DataFrame, x: Floats, age: int, seed: int) -> dict[str, Floats]:
    """Predictions of all three, each from other assets and from rows whose outcome was known before; else NaN."""
    at, y = examples["at_us"].to_numpy("int64"), examples["fails"].to_numpy(bool)
    codes, names = pd.factorize(examples["asset"], sort=True)
    group = np.random.default_rng(seed).permutation(len(names))[codes] % GROUPS
    edges = np.quantile(at, np.linspace(0, 1, PERIODS + 1))
    told = {name: np.full(len(x), np.nan) for name in (MODEL, LOGISTIC, CALENDAR)}
    by_age = np.column_stack([x[:, age], np.log1p(x[:, age])])
    for period in range(1, PERIODS):
        start = edges[period]
        inside = (at >= start) & ((at < edges[period + 1]) | (period == PERIODS - 1))
        known = at + HORIZON_D * DAY_US <= start
        for one in range(GROUPS):
            train, test = known & (group != one), inside & (group == one)
            if not test.any() or y[train].sum() < 2 or y[train].all():
                continue
            for name, model, columns in (
                (MODEL, boosting(seed), x), (LOGISTIC, logistic(), x), (CALENDAR, logistic(), by_age)
            ):  # fmt: skip
                told[name][test] = model.fit(columns[train], y[train]).predict_proba(columns[test])[:, 1]
    return told


def _asset_weights(codes: NDArray[np.int64], y: NDArray[np.bool_], seed: int) -> Floats:
    """First every row once, then draws of whole assets (draws x rows); a draw without a failure says nothing."""
    rng, n = np.random.default_rng(seed), int(codes.max()) + 1
    drawn = [np.bincount(rng.integers(0, n, n), minlength=n)[codes].astype(float) for _ in range(DRAWS)]
    return np.array([np.ones(len(codes)), *(weight for weight in drawn if weight[y].any())])


def average_precision(y: NDArray[np.bool_], told: Floats, weights: Floats) -> Floats:
    """Sum of precision times gain of recall over descending predictions, ties together; one value per draw."""
    order = np.argsort(-told, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(told[order]) != 0, True))
    hits = np.cumsum(weights[:, order] * y[order], axis=1)[:, ends]
    every = np.cumsum(weights[:, order], axis=1)[:, ends]
    precision = np.divide(hits, every, out=np.zeros_like(hits), where=every > 0)
    return np.asarray((precision * np.diff(hits, axis=1, prepend=0.0)).sum(axis=1) / hits[:, -1])
