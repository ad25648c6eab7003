"""One open model per asset: `fit` learns it from a reference window; what it says then is in models.health.walk.

Frames in, frozen values out. A model is JSON and plain arrays (never pickle); fitting the stored window again gives the
same bytes. Unknown is a first-class answer: with too little good data, no reference or a duty never learned the index
is None and the reason stands beside it, while the physics lines still say what the instruments alone can say.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import scipy
import sklearn
from threadpoolctl import threadpool_info, threadpool_limits

from models.health import features
from models.health.curves import Curve, Reference
from models.health.detector import (
    BLOCKS,
    LAGS,
    SMOOTH,
    SMOOTH_LEAST,
    VIEWS,
    Detector,
    fit_detector,
    least_rows,
    medians,
    noise_floors,
    window_rows,
)
from models.health.features import Eyes
from models.health.index import ALERT, WARNING
from models.health.laws import Driver, Law
from models.health.lines import Beside, rows_of, well_reference
from models.health.physics import Rated, arrays
from models.health.state import STEADY, UNKNOWN, running_share, seconds, stretches

FORMAT = 2
WINDOWS = 2  # medians over a time are learned from so many times that
AVAILABLE = 0.5  # share of training rows in which a tag must have a value to become a feature


@dataclass(frozen=True)
class HealthModel:
    """A fitted model and its card. Without detectors it still carries the rated values for the physics lines."""

    rated: Rated
    every_s: float
    reference: Reference = field(default_factory=Reference)
    detectors: Mapping[str, Detector] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    eyes: Eyes = field(default_factory=Eyes)

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
            "detectors": scalars, "card": dict(self.card), "eyes": asdict(self.eyes),
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
        rated,
        body["every_s"],
        Reference(curves, body["reference"]["medians"]),
        detectors,
        body["units"],
        body["card"],
        _eyes(body["eyes"]),
    )


P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(learn: Callable[P, R]) -> Callable[P, R]:
    """`learn` with one thread for linear algebra: more take sums in another order, which changes the last bits."""
    limited: Callable[P, R] = threadpool_limits.wrap(limits=1)(learn)
    return limited


@on_one_thread
def fit(
    values: pd.DataFrame, share_good: pd.DataFrame | None, rated: Rated, *, every_s: float = 60.0,
    floors: Mapping[str, float] | None = None, confirmed_by: str = "nobody yet", beside: Beside | None = None,
) -> HealthModel:  # fmt: skip
    """Learn one asset from the rows of its reference window.

    `values` holds one column per quantity (units in `values.attrs["units"]`), NaN where not good, indexed by UTC time
    with one row per `every_s` [s]; `share_good` the share of good samples behind each. `floors` are noise floors per
    quantity in its unit; `beside` is what others know of this pump (models.health.lines). States with too little
    complete data get no detector, and the card says why. The same window gives the same bytes wherever the card's
    libraries are the same.
    """
    values = features.clean(values, share_good)
    frame, state = features.derive(values, rated, every_s)
    eyes = features.learn_eyes(values, state, rated, every_s, floors or {})
    tags = arrays(values)
    share = running_share(tags, rated, (len(values),))
    table = eyes.table(features.columns_with_heat(tags, rated, share, every_s, eyes.heat_min))
    stretch = stretches(seconds(values.index), state != UNKNOWN, every_s)
    detectors: dict[str, Detector] = {}
    notes: list[str] = []
    used: dict[str, int] = {}
    for name, view in VIEWS.items():
        here = np.flatnonzero(state == view.state)
        kept = tuple(
            one for one in sorted(table)
            if features.OF_STATE.get(one, STEADY) == view.state and len(here)
            and np.isfinite(table[one][here]).mean() >= AVAILABLE
        )  # fmt: skip
        rows = np.column_stack([table[one][here] for one in kept]) if kept else np.empty((len(here), 0))
        complete = np.isfinite(rows).all(axis=1) if kept else np.zeros(len(rows), bool)
        used[name] = int(complete.sum())
        found = None
        if used[name] >= max(least_rows(every_s), WINDOWS * window_rows(view, every_s)):
            floor = noise_floors(rows[complete], kept, {**features.FLOORS, **(floors or {})})
            seen, piece = rows[complete], stretch[here][complete]
            seen = medians(seen, piece, window_rows(view, every_s))
            whole = np.isfinite(seen).all(axis=1)
            share = np.array([features.SLOW.get(one, view.floor) if view.over_s else view.floor for one in kept])
            found = fit_detector(seen[whole], piece[whole], kept, share * floor, lags=view.lags,
                                 components=view.components, smooth=view.smooth,
                                 smooth_least=min(SMOOTH_LEAST, view.smooth), quiet=view.quiet)  # fmt: skip
        if found is not None:
            detectors[name] = found
        elif name == STEADY:
            notes.append(f"{name}: {used[name]} complete good rows of {least_rows(every_s)} needed in one piece")
    reference = features.learn_reference(frame, state)
    if beside:
        pumped = well_reference(rows_of(frame, state, rated, reference, None, every_s, beside))
        reference = replace(reference, medians={**reference.medians, **pumped})
    units = {**features.UNITS, **values.attrs.get("units", {})}
    card = {
        "window_start": _time(values, 0), "window_end": _time(values, -1), "rows": len(values),
        "rows_by_state": {word: int((state == word).sum()) for word in sorted(set(state))},
        "rows_used": used, "confirmed_by": confirmed_by, "notes": notes, "lags": LAGS, "smoothing_rows": SMOOTH,
        "blocks": BLOCKS, "warning": WARNING, "alert": ALERT, "data_sha256": data_sha256(values), "seed": None,
        "left_out": sorted(set(map(str, values)) - set(eyes.inputs)),
        "valid_range": {one.name: [law.low[i], law.high[i]] for law in eyes.laws for i, one in enumerate(law.drivers)},
        "libraries": {"numpy": np.__version__, "pandas": pd.__version__, "scipy": scipy.__version__,
                      "scikit-learn": sklearn.__version__, "blas": _blas()},
    }  # fmt: skip
    return HealthModel(rated, every_s, reference, detectors, units, card, eyes)


def _eyes(body: Mapping[str, Any]) -> Eyes:
    still = {name: (one[0], one[1]) for name, one in body["still_s"].items()}
    moves = {name: tuple(one) for name, one in body["moves"].items()}
    laws = tuple(_law(one) for one in body["laws"])
    return Eyes(
        laws, tuple(body["plain"]), body["heat_min"], tuple(body["inputs"]), tuple(body["suspects"]), moves, still
    )


def _law(body: Mapping[str, Any]) -> Law:
    parts: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in body.items()}
    slopes = [tuple((one[0], one[1]) for one in driver["slopes"]) for driver in body["drivers"]]
    drivers = (Driver(**{**one, "slopes": told}) for one, told in zip(body["drivers"], slopes, strict=True))
    return Law(**{**parts, "drivers": tuple(drivers)})


def data_sha256(values: pd.DataFrame) -> str:
    """Digest of a window: times, column names and the bytes of all values, columns in order of their names."""
    digest = hashlib.sha256(np.ascontiguousarray(pd.DatetimeIndex(values.index).as_unit("us").asi8, "<i8").tobytes())
    for name in sorted(map(str, values)):
        digest.update(name.encode() + np.ascontiguousarray(values[name], "<f8").tobytes())
    return digest.hexdigest()


def _blas() -> str:
    """The linear algebra and its kernel: another kernel, on another kind of processor, gives other last bits."""
    found = {f"{one['internal_api']} {one['version']} {one['architecture']}"
             for one in threadpool_info() if one["user_api"] == "blas"}  # fmt: skip
    return ", ".join(sorted(found))


def _time(values: pd.DataFrame, position: int) -> str:
    return pd.DatetimeIndex(values.index)[position].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if len(values) else ""


def _plain(value: Any) -> Any:
    """Lists for tuples and Python numbers for numpy's, so that JSON gives back what it was given."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
