"""The as-installed state: what this pump did on the same instruments when it was known to be sound.

Curves over normalised flow by robust regression, and plain medians; never the catalogue curve.

References
----------
Huber 1964, Robust estimation of a location parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.linear_model import HuberRegressor


@dataclass(frozen=True, slots=True)
class Curve:
    """An as-installed curve y = a + b x + c x^2 on the flows it has seen, and the spread of the points around it."""

    a: float
    b: float
    c: float
    low: float
    high: float
    spread: float
    n: int

    def at(self, x: np.ndarray, falling: bool = False) -> np.ndarray:
        """The curve at x; NaN more than 5 % outside the flows it was fitted on.

        With `falling` (a head curve) the lowest flow seen stands for all below it: there the true curve is higher, so
        that a drop measured against it is never overstated.
        """
        x = np.asarray(x, float)
        inside = (x <= self.high * 1.05) & (falling | (x >= self.low * 0.95))
        x = np.maximum(x, self.low) if falling else x
        return np.where(inside, self.a + self.b * x + self.c * x * x, np.nan)


def fit_curve(x: np.ndarray, y: np.ndarray) -> Curve | None:
    """The as-installed curve by Huber regression on x and x^2; None with fewer than 30 points or without spread in y.

    Where the flow hardly varies (range below 10 % of its median) the curve is a level line: more would be guesswork.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, float)[good], np.asarray(y, float)[good]
    if len(x) < 30:
        return None
    unit_x, unit_y = float(np.median(x)), float(np.median(np.abs(y)))
    if unit_x <= 0 or unit_y <= 0:
        return None
    low, high = (float(one) for one in np.quantile(x, (0.005, 0.995)))
    a, b, c = float(np.median(y)), 0.0, 0.0
    if high - low >= 0.1 * unit_x:
        u = x / unit_x
        found = HuberRegressor(alpha=1e-6, max_iter=1000, tol=1e-8).fit(np.column_stack([u, u * u]), y / unit_y)
        a = float(found.intercept_) * unit_y
        b, c = float(found.coef_[0]) * unit_y / unit_x, float(found.coef_[1]) * unit_y / unit_x**2
    spread = 1.4826 * float(np.median(np.abs(y - (a + b * x + c * x * x))))
    return Curve(a, b, c, low, high, spread, len(x))


CURVES = ("head_n", "power_n", "efficiency", "energy_per_head")
MEDIANS = ("vibration", "bearing_over_ambient")


@dataclass(frozen=True, slots=True)
class Reference:
    """The as-installed state: curves over normalised flow, and plain medians, from steady rows of the reference."""

    curves: Mapping[str, Curve] = field(default_factory=dict)
    medians: Mapping[str, float] = field(default_factory=dict)


def fit_reference(steady: pd.DataFrame) -> Reference:
    """The reference from derived steady rows."""
    curves = {
        name: curve
        for name in CURVES
        if name in steady and (curve := fit_curve(steady["flow_n"].to_numpy(), steady[name].to_numpy()))
    }
    medians = {name: float(steady[name].median()) for name in MEDIANS if name in steady and steady[name].count() >= 30}
    return Reference(curves, medians)
