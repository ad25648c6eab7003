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

from models.health.laws import MOST_POINTS, drawn


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


SHAPES = {  # what physics lets expect of a curve over flow around its median: % per %, and of the square, with sigma
    "head_n": ((-0.6, 0.4), (-0.5, 0.5)), "power_n": ((0.45, 0.25), (-0.1, 0.3)),
    "efficiency": ((0.0, 0.3), (-0.6, 0.5)), "energy_per_head": ((0.0, 0.3), (0.6, 0.5)),
}  # fmt: skip


def fit_curve(
    x: np.ndarray, y: np.ndarray, shape: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.0, 1.0))
) -> Curve | None:
    """The as-installed curve by Huber's regression drawn to `shape`; None with fewer than 30 points, or none above 0.

    Where the flow hardly varied the shape decides: a level line would call the next season's flow a fault.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, float)[good], np.asarray(y, float)[good]
    if len(x) < 30:
        return None
    low, high = (float(one) for one in np.quantile(x, (0.005, 0.995)))
    thin = slice(None, None, max(1, -(-len(x) // MOST_POINTS)))
    middle, level = float(np.median(x)), float(np.median(y))
    if middle <= 0 or level <= 0:
        return None
    u = x[thin] / middle - 1
    prior = np.array(shape)
    terms = np.column_stack([u, u * u])
    slopes, constant, _ = drawn(terms, y[thin] / level - 1 - terms @ prior[:, 0], prior[:, 1])
    one, two = slopes + prior[:, 0]
    a, b, c = level * (1 + constant - one + two), level * (one - 2 * two) / middle, level * two / middle**2
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
        if name in steady and (curve := fit_curve(steady["flow_n"].to_numpy(), steady[name].to_numpy(), SHAPES[name]))
    }
    medians = {name: float(steady[name].median()) for name in MEDIANS if name in steady and steady[name].count() >= 30}
    return Reference(curves, medians)
