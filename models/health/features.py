"""What the detector sees of a pump: clean rows, the physics columns, and the residuals beside the curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.health import physics
from models.health.curves import Reference, fit_reference
from models.health.physics import Rated
from models.health.state import STEADY, operating_state, settled

NEVER_A_FEATURE = frozenset(  # states, flags and counters are no signals; ambient temperature enters by subtraction
    ("running", "selector", "vendor_flag", "alarm_code", "energy", "volume", "run_hours", "starts", "other",
     "ambient_temperature", "water_temperature")
)  # fmt: skip
ENOUGH_GOOD = 0.5
DERIVED_UNITS = {"head_residual": "%", "power_residual": "%", "bearing_over_ambient": "K", "head": "m"}


def clean(values: pd.DataFrame, share_good: pd.DataFrame | None) -> pd.DataFrame:
    """Columns in order of their names; infinite values, and those with under half their samples good, as missing.

    ValueError where a row is not later than the one before it: lags and medians would mix times.
    """
    early = np.flatnonzero(np.diff(pd.DatetimeIndex(values.index).asi8) <= 0)
    if len(early):
        before, after = values.index[early[0]], values.index[early[0] + 1]
        raise ValueError(f"rows: {after} comes after {before}; sort them by time and keep one row for each time")
    named = values[sorted(values.columns)].astype(float)
    number = named.to_numpy()
    keep = np.isfinite(number)
    if share_good is not None:
        keep &= share_good.reindex(index=named.index, columns=named.columns).fillna(0.0).to_numpy() >= ENOUGH_GOOD
    frame = pd.DataFrame(np.where(keep, number, np.nan), named.index, named.columns)
    frame.attrs = values.attrs
    return frame


def derive(values: pd.DataFrame, rated: Rated, every_s: float) -> tuple[pd.DataFrame, np.ndarray]:
    """The physics columns and the state of each row; the bearing's heat over ambient only once it could settle."""
    frame = physics.derived(values, rated)
    if "bearing_over_ambient" in frame:
        frame["bearing_over_ambient"] = frame["bearing_over_ambient"].where(settled(frame, rated, every_s))
    return frame, operating_state(frame, rated, every_s).to_numpy(object)


def with_residuals(frame: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Head and power beside the as-installed curve [%], row by row."""
    for column, name in (("head_n", "head_residual"), ("power_n", "power_residual")):
        curve = reference.curves.get(column)
        if curve and column in frame:
            expected = curve.at(frame["flow_n"].to_numpy(float), falling=column == "head_n")
            frame[name] = 100 * (frame[column] / np.where(expected > 0, expected, np.nan) - 1)
    return frame


def learn_reference(frame: pd.DataFrame, state: np.ndarray) -> Reference:
    """The as-installed state, from steady rows."""
    return fit_reference(frame[state == STEADY])


def names_of(values: pd.DataFrame, frame: pd.DataFrame, rated: Rated) -> Sequence[str]:
    """The columns that may become features."""
    left_out = NEVER_A_FEATURE | set(rated.estimated)
    names = {str(name) for name in values} - left_out
    names |= {"head_residual", "power_residual"} & set(frame)
    if "bearing_over_ambient" in frame and not {"bearing_temperature", "ambient_temperature"} & set(rated.estimated):
        names = (names - {"bearing_temperature"}) | {"bearing_over_ambient"}
    return sorted(names)
