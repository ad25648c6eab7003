"""One open model per asset: `fit` learns it from a reference window, `assess` says what it says of an asset now.

Frames in, frozen values out. A model is JSON and plain arrays (never pickle); fitting the stored window again gives the
same bytes. Unknown is a first-class answer: with too little good data, no reference or a duty never learned the index
is None and the reason stands beside it, while the physics lines still say what the instruments alone can say.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn

from models.health import physics
from models.health.curves import Curve, Reference, fit_reference
from models.health.detector import (
    BLOCKS,
    LAGS,
    MIN_ROWS,
    SMOOTH,
    SMOOTH_LEAST,
    Detector,
    fit_detector,
    noise_floors,
    prepared,
    smoothed,
)
from models.health.index import ALERT, WARNING, health_index, index_word
from models.health.lines import Limits, Line, physics_lines
from models.health.physics import Rated
from models.health.state import STEADY, UNKNOWN, operating_state, settled, stretches

FORMAT = 1
LEARNED = (STEADY,)  # transitions are masked, and a pump that stands says nothing about its health
NEVER_A_FEATURE = frozenset(  # states, flags and counters are no signals; ambient temperature enters by subtraction
    ("running", "selector", "vendor_flag", "alarm_code", "energy", "volume", "run_hours", "starts", "other",
     "ambient_temperature")
)  # fmt: skip
OUTSIDE = ("speed", "frequency", "level")  # set from outside the pump: beyond what was learned the model steps back
ENOUGH_GOOD = 0.5
AVAILABLE = 0.5  # share of training rows in which a tag must have a value to become a feature
DERIVED_UNITS = {"head_residual": "%", "power_residual": "%", "bearing_over_ambient": "K", "head": "m"}


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much of the score one quantity explains [%], its value, and the value that the others let expect."""

    quantity: str
    value: float | None
    expected: float
    unit: str
    share: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What our model says of one asset at the end of a window. Index and score are None where it cannot tell."""

    at: str  # UTC time of the last row of the window
    state: str
    index: float | None
    word: str  # normal, warning, alert, unknown
    score: float | None
    threshold: float | None  # alert line of the score
    contributions: tuple[Contribution, ...]  # all, largest first
    lines: tuple[Line, ...]
    good_share: float
    reasons: tuple[str, ...]
    index_at: str | None = None  # row the index rests on: earlier than `at` while the pump changes state
    lines_at: str | None = None  # the last row of steady running, on which the physics lines rest

    @property
    def top(self) -> tuple[Contribution, ...]:
        """The three largest contributions."""
        return self.contributions[:3]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"contributions": [asdict(one) for one in self.top]}


@dataclass(frozen=True)
class HealthModel:
    """A fitted model and its card. Without detectors it still carries the rated values for the physics lines."""

    rated: Rated
    every_s: float
    reference: Reference = field(default_factory=Reference)
    detectors: Mapping[str, Detector] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All but the arrays, as plain values."""
        scalars = {
            state: {one.name: getattr(d, one.name) for one in fields(d) if one.name not in ARRAYS}
            for state, d in self.detectors.items()
        }
        body: dict[str, Any] = _plain({
            "format": FORMAT, "rated": asdict(self.rated), "every_s": self.every_s, "units": dict(self.units),
            "reference": {"curves": {name: asdict(c) for name, c in self.reference.curves.items()},
                          "medians": dict(self.reference.medians)},
            "detectors": scalars, "card": dict(self.card),
        })  # fmt: skip
        return body

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by "state.name", for an npz file."""
        return {f"{state}.{name}": getattr(d, name) for state, d in self.detectors.items() for name in ARRAYS}

    @cached_property
    def sha256(self) -> str:
        """Over the canonical JSON and the bytes of all arrays: the same window gives the same digest."""
        digest = hashlib.sha256(_canonical(self.to_json()))
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array, "<f8").tobytes())
        return digest.hexdigest()


ARRAYS = ("centre", "scale", "floor", "low", "high", "mean", "loadings", "variances")


def from_parts(body: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> HealthModel:
    """The model that `to_json` and `arrays` came from; ValueError for another format, KeyError for a missing part."""
    if body["format"] != FORMAT:
        raise ValueError(f"model format {body['format']!r} is not {FORMAT}; learn it again")
    rated = Rated(**{**body["rated"], "estimated": tuple(body["rated"]["estimated"])})
    curves = {name: Curve(**one) for name, one in body["reference"]["curves"].items()}
    detectors = {}
    for state, one in body["detectors"].items():
        parts: dict[str, Any] = {**one, "features": tuple(one["features"])}
        parts |= {name: np.asarray(arrays[f"{state}.{name}"], float) for name in ARRAYS}
        detectors[state] = Detector(**parts)
    return HealthModel(
        rated, body["every_s"], Reference(curves, body["reference"]["medians"]), detectors, body["units"], body["card"]
    )


def fit(
    values: pd.DataFrame, share_good: pd.DataFrame | None, rated: Rated, *, every_s: float = 60.0,
    floors: Mapping[str, float] | None = None, confirmed_by: str = "nobody yet",
) -> HealthModel:  # fmt: skip
    """Learn one asset from the rows of its reference window.

    `values` holds one column per quantity (units in `values.attrs["units"]`), NaN where not good, indexed by UTC time
    with one row per `every_s` [s]; `share_good` the share of good samples behind each. `floors` are noise floors per
    quantity in its unit. States with too little complete data get no detector, and the card says why.
    """
    values = _sorted(_well_sampled(values, share_good))
    frame, state, reference = _reference(values, rated, every_s)
    frame = _residuals(frame, reference)
    names = _features(values, frame, rated)
    detectors: dict[str, Detector] = {}
    notes: list[str] = []
    used: dict[str, int] = {}
    known = (state != UNKNOWN).to_numpy()
    stretch = stretches(_index(frame), known, every_s)
    for one in LEARNED:
        here = (state == one).to_numpy()
        part = frame.loc[here, names]
        kept = tuple(name for name in names if here.any() and part[name].notna().mean() >= AVAILABLE)
        rows = part[list(kept)].to_numpy(float)
        complete = ~np.isnan(rows).any(axis=1) if kept else np.zeros(len(rows), bool)
        used[one] = int(complete.sum())
        found = None
        if kept and used[one] >= MIN_ROWS:
            sizes = frame[list(kept)].dropna().to_numpy(float)
            floor = noise_floors(sizes, kept, floors or {})
            found = fit_detector(rows[complete], stretch[here][complete], kept, floor)
        if found is None:
            notes.append(f"{one}: {used[one]} complete good rows of {MIN_ROWS} needed in one piece")
        else:
            detectors[one] = found
    units = {**DERIVED_UNITS, **values.attrs.get("units", {})}
    card = {
        "window_start": _time(values, 0), "window_end": _time(values, -1), "rows": len(values),
        "rows_by_state": {str(word): int(n) for word, n in state.value_counts().sort_index().items()},
        "rows_used": used, "confirmed_by": confirmed_by, "notes": notes, "lags": LAGS, "smoothing_rows": SMOOTH,
        "blocks": BLOCKS, "warning": WARNING, "alert": ALERT, "data_sha256": data_sha256(values), "seed": None,
        "left_out": sorted(set(map(str, values)) - {name for d in detectors.values() for name in d.features}),
        "valid_range": _valid_range(detectors.get(STEADY)),
        "libraries": {"numpy": np.__version__, "pandas": pd.__version__, "scipy": scipy.__version__,
                      "scikit-learn": sklearn.__version__},
    }  # fmt: skip
    return HealthModel(rated, every_s, reference, detectors, units, card)


def assess(
    model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None, limits: Limits | None = None
) -> Assessment:
    """What the model says at the end of a window of rows (same shape as in `fit`); earlier rows feed lags and medians.

    Nothing later than the last row is used, so a longer window never changes what an earlier end would have said.
    """
    if not len(values):
        return _unknown("", (), 0.0, "no rows in the window" if model.detectors else _not_learned(model))
    good_share = _good_share(values, share_good)
    values = _sorted(_well_sampled(values, share_good))
    frame = _derived(values, model.rated, model.every_s)
    state = operating_state(frame, model.rated, model.every_s)
    now = str(state.iloc[-1])
    steady = frame[(state == STEADY).to_numpy()]
    lines = physics_lines(values, steady, model.rated, model.reference, limits)
    at, lines_at = _time(values, -1), _time(steady, -1) or None
    frame = _residuals(frame, model.reference)
    features = {name for d in model.detectors.values() for name in d.features}
    seen = frame[[name for name in frame if name in features]].notna().any(axis=1).to_numpy()
    known = (state != UNKNOWN).to_numpy() & seen
    if not model.detectors:
        return _unknown(at, lines, good_share, _not_learned(model), state=now, lines_at=lines_at)
    if not values.notna().to_numpy()[-SMOOTH:].any():
        return _unknown(at, lines, good_share, "no good data", lines_at=lines_at)
    stretch = stretches(_index(frame), known, model.every_s)
    best: tuple[int, float, Detector, np.ndarray] | None = None
    for one, detector in model.detectors.items():
        where = np.flatnonzero((state == one).to_numpy() & known)
        rows = frame.reindex(columns=list(detector.features)).to_numpy(float)[where]
        x, kept = prepared(detector, rows, stretch[where])
        if not len(x):
            continue
        scores = detector.score(x)
        smooth = smoothed(scores, stretch[where][kept])
        position = int(where[kept[-1]])
        if np.isfinite(smooth[-1]) and (best is None or position > best[0]):
            recent = np.flatnonzero(stretch[where][kept] == stretch[position])[-SMOOTH:]
            middle = recent[np.argmin(np.abs(scores[recent] - smooth[-1]))]
            best = (position, float(smooth[-1]), detector, x[middle])
    last_known = np.flatnonzero(known)
    if best is None or stretch[best[0]] != stretch[last_known[-1]]:
        return _unknown(at, lines, good_share, f"fewer than {LAGS - 1 + SMOOTH_LEAST} good rows in one state since the "
                        "last gap", state=now, lines_at=lines_at)  # fmt: skip
    if not known[-min(len(known), SMOOTH) :].any():
        words = f"no good data in the last {SMOOTH} rows"
        return _unknown(at, lines, good_share, words, state=now, lines_at=lines_at)
    position, score, detector, x = best
    reasons = _outside(detector, frame.iloc[position], model.units)
    if reasons:
        return _unknown(at, lines, good_share, *reasons, state=now, lines_at=lines_at)
    reasons = tuple(
        f"{name} has no good value: judged without it"
        for name in detector.features
        if name not in frame or not np.isfinite(frame[name].iloc[position])
    )
    if position < len(frame) - 1 and str(state.iloc[position]) != now:
        reasons += (f"{now}: the index is that of {_time(values, position)}",)
    threshold = ALERT * detector.worst
    word = _worst(index_word(score, detector.worst), lines)
    return Assessment(
        at, now, health_index(score, threshold), word, score, threshold, contributions(detector, x, model.units), lines,
        good_share, reasons, _time(values, position), lines_at,
    )  # fmt: skip


def contributions(detector: Detector, x: np.ndarray, units: Mapping[str, str]) -> tuple[Contribution, ...]:
    """Every quantity's share in the score of one lagged row, largest first; the shares add up to 100 %."""
    n = len(detector.features)
    value = (x[:n] + detector.mean[:n]) * detector.scale + detector.centre
    shares, expected = detector.shares(x), detector.expected(x)
    found = [
        Contribution(name, float(value[i]) if np.isfinite(value[i]) else None, float(expected[i]),
                     units.get(name, ""), float(shares[i]))
        for i, name in enumerate(detector.features)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.share, one.quantity)))


def data_sha256(values: pd.DataFrame) -> str:
    """Digest of a window: times, column names and the bytes of all values, columns in order of their names."""
    digest = hashlib.sha256(np.ascontiguousarray(_index(values).as_unit("us").asi8, "<i8").tobytes())
    for name in sorted(map(str, values)):
        digest.update(name.encode() + np.ascontiguousarray(values[name], "<f8").tobytes())
    return digest.hexdigest()


def _reference(values: pd.DataFrame, rated: Rated, every_s: float) -> tuple[pd.DataFrame, pd.Series, Reference]:
    frame = _derived(values, rated, every_s)
    state = operating_state(frame, rated, every_s)
    return frame, state, fit_reference(frame[(state == STEADY).to_numpy()])


def _derived(values: pd.DataFrame, rated: Rated, every_s: float) -> pd.DataFrame:
    """The physics columns; the bearing's heat over ambient only after it has had time to settle."""
    frame = physics.derived(values, rated)
    if "bearing_over_ambient" in frame:
        frame["bearing_over_ambient"] = frame["bearing_over_ambient"].where(settled(frame, rated, every_s))
    return frame


def _residuals(frame: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Head and power beside the as-installed curve [%], row by row."""
    for column, name in (("head_n", "head_residual"), ("power_n", "power_residual")):
        curve = reference.curves.get(column)
        if curve and column in frame:
            expected = curve.at(frame["flow_n"].to_numpy(float), falling=column == "head_n")
            frame[name] = 100 * (frame[column] / np.where(expected > 0, expected, np.nan) - 1)
    return frame


def _features(values: pd.DataFrame, frame: pd.DataFrame, rated: Rated) -> list[str]:
    left_out = NEVER_A_FEATURE | set(rated.estimated)
    names = {str(name) for name in values} - left_out
    names |= {"head_residual", "power_residual"} & set(frame)
    if "bearing_over_ambient" in frame and not {"bearing_temperature", "ambient_temperature"} & set(rated.estimated):
        names = (names - {"bearing_temperature"}) | {"bearing_over_ambient"}
    return sorted(names)


def _valid_range(detector: Detector | None) -> dict[str, list[float]]:
    if detector is None:
        return {}
    ends = zip(detector.features, detector.low, detector.high, strict=True)
    return {name: [float(low), float(high)] for name, low, high in ends if name in OUTSIDE}


def _outside(detector: Detector, row: pd.Series, units: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    for i, name in enumerate(detector.features):
        low, high = detector.low[i], detector.high[i]
        margin = 0.1 * (high - low) + 5 * detector.scale[i]
        if name in OUTSIDE and np.isfinite(row.get(name, np.nan)) and not low - margin <= row[name] <= high + margin:
            found.append(f"{name} {row[name]:.4g} {units.get(name, '')} is outside the learned {low:.4g} to {high:.4g}")
    return tuple(found)


def _worst(word: str, lines: Sequence[Line]) -> str:
    """The index's word, or a worse one that a physics line proves."""
    order = ("unknown", "normal", "warning", "alert")
    told = {"warn": "warning", "act": "alert"}
    return max([word, *(told[line.word] for line in lines if line.word in told)], key=order.index)


def _unknown(
    at: str, lines: tuple[Line, ...], good: float, *reasons: str, state: str = UNKNOWN, lines_at: str | None = None
) -> Assessment:
    return Assessment(
        at, state, None, _worst("unknown", lines), None, None, (), lines, good, reasons, lines_at=lines_at
    )


def _not_learned(model: HealthModel) -> str:
    """Why there is no detector: said before anything about the data, which may be as good as can be."""
    return "; ".join(model.card.get("notes", ())) or "no reference has been learned for this pump"


def _well_sampled(values: pd.DataFrame, share_good: pd.DataFrame | None) -> pd.DataFrame:
    """Values behind which fewer than half of the samples were good count as missing."""
    if share_good is None:
        return values
    enough = share_good.reindex(index=values.index, columns=values.columns).fillna(0.0) >= ENOUGH_GOOD
    thin = values.where(enough)
    thin.attrs = values.attrs
    return thin


def _good_share(values: pd.DataFrame, share_good: pd.DataFrame | None) -> float:
    part = (share_good if share_good is not None else values.notna().astype(float)).iloc[-(SMOOTH + LAGS) :]
    return float(np.nan_to_num(part.to_numpy(float)).mean()) if part.size else 0.0


def _sorted(values: pd.DataFrame) -> pd.DataFrame:
    """Columns in order of their names and infinite values as missing: the order of columns changes nothing."""
    clean = values[sorted(values.columns)].astype(float).replace([np.inf, -np.inf], np.nan)
    clean.attrs = values.attrs
    return clean


def _index(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(frame.index)


def _time(values: pd.DataFrame, position: int) -> str:
    return _index(values)[position].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if len(values) else ""


def _plain(value: Any) -> Any:
    """Lists for tuples and Python numbers for numpy's, so that JSON gives back what it was given."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
