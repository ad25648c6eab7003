"""Laws of one pump: what a quantity ought to be, given what drives it, by robust regression in a physical form.

What physics names as a driver (flow, head, power, speed, ambient temperature) is taken out of a quantity before the
detector sees it, so that season and demand are no faults. Each law has few terms, learned on steady rows by Huber's
regression drawn towards what physics lets expect: a pump that ran at one flow for thirty days has not shown its slope.
A driver outside what was learned makes the residual count for less, by what is not known of the slope; one far outside
makes it missing, not wrong.

References
----------
Huber 1964, Robust estimation of a location parameter. Karassik et al., Pump Handbook (affinity laws).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import HuberRegressor

from models.health.physics import Columns

MIN_POINTS = 60
MOST_POINTS = 2000  # neighbouring rows say the same: more of them make no better law
CORRELATED = 20  # rows that together say as much as one


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver of a law and what physics lets expect of it, before any data.

    `slopes` are (expected, standard deviation) of the first and second power: % per % around the median, or units of
    the target per unit (`absolute`). Without slopes it only bounds where the law holds, at `cost` per step outside.
    """

    name: str
    slopes: tuple[tuple[float, float], ...]
    reach: float  # beyond the learned range it is trusted: share of the median, or in the unit itself where `absolute`
    cost: float = 0.1  # least uncertainty per step outside
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Law:
    """target = level x (1 + sum of slopes x powers of (driver / median - 1)), or the same in units of the target.

    For many assets at once each number is an array of shape (assets, 1) (models.health.batch).
    """

    name: str
    target: str
    percent: bool
    drivers: tuple[Driver, ...]
    middle: tuple[float, ...]  # median of each driver
    low: tuple[float, ...]  # learned range of each driver: 0.5 % and 99.5 % quantiles
    high: tuple[float, ...]
    level: float
    slopes: tuple[float, ...]  # the powers of each driver in order
    costs: tuple[float, ...]  # uncertainty [% or unit] per % or unit outside the learned range, by driver
    spread: float  # robust sigma of the residuals [% or unit]
    floor: float  # what the instruments behind it can tell [% or unit]
    n: int

    def known(self, columns: Columns) -> bool:
        """Whether the target and all drivers are there."""
        return self.target in columns and all(one.name in columns for one in self.drivers)

    def expected(self, columns: Columns) -> np.ndarray:
        """The target by this law; NaN where a driver is missing."""
        drivers = [columns[one.name] for one in self.drivers]
        sum_ = np.zeros(drivers[0].shape)
        for slope, term in zip(self.slopes, _terms(drivers, self.drivers, self.middle), strict=True):
            sum_ += slope * term
        return np.asarray(self.level * (1 + sum_) if self.percent else self.level + sum_)

    def residual(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Residual [% of the expected, or the target's unit] and what remains of it past the learned range.

        The second is the residual times floor / sqrt(floor^2 + u^2), u the cost of the way outside; NaN past the reach.
        """
        expected = self.expected(columns)
        found = columns[self.target] - expected
        if self.percent:
            found = 100 * found / np.where(expected > 0, expected, np.nan)
        extra = np.zeros(found.shape)
        for one, cost, way in zip(self.drivers, self.costs, self.outside(columns), strict=True):
            extra += (cost * way * (100 if self.percent and not one.absolute else 1)) ** 2
            extra[way > one.reach] = np.nan
        return found, found * self.floor / np.sqrt(self.floor**2 + extra)

    def outside(self, columns: Columns) -> list[np.ndarray]:
        """How far each driver is outside of what was learned, as share of its median or in its unit."""
        ways = []
        for one, mid, low, high in zip(self.drivers, self.middle, self.low, self.high, strict=True):
            value = columns[one.name]
            way = np.maximum(np.maximum(low - value, value - high), 0.0)
            ways.append(way if one.absolute else way / abs(mid))
        return ways


def fit_law(
    name: str, target: str, drivers: Sequence[Driver], columns: Columns, rows: np.ndarray, floor: float,
    percent: bool = True,
) -> Law | None:  # fmt: skip
    """A law learned on these rows; None with fewer than MIN_POINTS complete ones.

    A driver that hardly varies has no slope of its own.
    """
    table = np.column_stack([columns[target], *(columns[one.name] for one in drivers)])[rows]
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < MIN_POINTS:
        return None
    table = table[:: max(1, -(-len(table) // MOST_POINTS))]
    y, x = table[:, 0], table[:, 1:]
    middle = np.median(x, axis=0)
    middle = np.where(np.abs(middle) > 0, middle, 1.0)
    low, high = np.quantile(x, (0.005, 0.995), axis=0)
    level = float(np.median(y))
    if percent and level <= 0:
        return None
    told = _terms(list(x.T), drivers, middle)
    terms = np.column_stack(told) if told else np.zeros((len(x), 0))
    prior = np.array([slope for one in drivers for slope in one.slopes]).reshape(-1, 2)
    goal = (y / level - 1 if percent else y - level) - terms @ prior[:, 0]
    slopes, constant, unsure = drawn(terms, goal, prior[:, 1]) if len(prior) else (np.zeros(0), 0.0, np.zeros(0))
    if len(prior):
        slopes = slopes + prior[:, 0]
        level = level * (1 + constant) if percent else level + constant
        slopes = slopes / (1 + constant) if percent else slopes
    sum_ = terms @ slopes
    expected = level * (1 + sum_) if percent else level + sum_
    left = 100 * (y - expected) / np.where(expected > 0, expected, np.nan) if percent else y - expected
    spread = 1.4826 * float(np.nanmedian(np.abs(left - np.nanmedian(left))))
    first = np.cumsum([0, *(len(one.slopes) for one in drivers)])[:-1]
    costs = tuple(
        max(one.cost, float(unsure[at])) if one.slopes else one.cost for one, at in zip(drivers, first, strict=True)
    )
    return Law(
        name, target, percent, tuple(drivers), tuple(map(float, middle)), tuple(map(float, low)),
        tuple(map(float, high)), float(level), tuple(map(float, slopes)), costs, spread, float(floor), len(table),
    )  # fmt: skip


def drawn(terms: np.ndarray, goal: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Slopes by Huber's regression drawn to 0 with these standard deviations, the constant, and what stays unsure.

    The penalty is that of a normal prior: alpha = sigma x CORRELATED for slopes in units of their standard deviation.
    """
    scaled = terms * expected
    sigma = max(1.4826 * float(np.median(np.abs(goal - np.median(goal)))), 1e-6)
    for _ in range(2):
        found = HuberRegressor(alpha=sigma * CORRELATED, max_iter=500, tol=1e-6).fit(scaled, goal)
        left = goal - found.predict(scaled)
        sigma = max(1.4826 * float(np.median(np.abs(left - np.median(left)))), 1e-6)
    centred = scaled - scaled.mean(axis=0)
    known = centred.T @ centred / (CORRELATED * sigma**2) + np.eye(terms.shape[1])
    unsure = np.sqrt(np.diag(np.linalg.inv(known))) * expected
    return found.coef_ * expected, float(found.intercept_), unsure


def _terms(
    drivers: Sequence[np.ndarray], kinds: Sequence[Driver], middle: Sequence[float] | np.ndarray
) -> list[np.ndarray]:
    """(driver / median - 1), or driver - median where it is absolute, to the powers of each law."""
    found = []
    for x, one, mid in zip(drivers, kinds, middle, strict=True):
        step = x - mid if one.absolute else x / mid - 1
        found += [step ** (power + 1) for power in range(len(one.slopes))]
    return found
