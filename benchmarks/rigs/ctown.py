"""C-Town as relations that are learned: what its structure says must hold between its tags, and what is left over.

The pump curve of each station at its statuses, the balance of each tank over the hour, the levels seen while each
actuator was open or closed, and each pressure beside all other tags. Statuses choose the relation; they are never
signals. What is left over is told in units of its own spread, which is never below the noise floor.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from models.health.detector import RELATIVE_FLOOR

RESOLUTION = 2  # decimals that dataset04 is printed with; dataset03 is learned at the same resolution
STATIONS = {  # suction and discharge node, pumps: [PUMPS] of CTOWN.INP
    "PU1-3": ("P_J280", "P_J269", ("PU1", "PU2", "PU3")),
    "PU4-5": ("P_J300", "P_J256", ("PU4", "PU5")),
    "PU6-7": ("P_J289", "P_J415", ("PU6", "PU7")),
    "PU8-9": ("P_J302", "P_J306", ("PU8", "PU9")),
    "PU10-11": ("P_J307", "P_J317", ("PU10", "PU11")),
}
TANKS = {  # actuators that a tank's level switches: [CONTROLS] of CTOWN.INP
    "L_T1": ("PU1", "PU2"), "L_T2": ("V2",), "L_T3": ("PU4", "PU5"), "L_T4": ("PU6", "PU7"), "L_T5": ("PU8",),
    "L_T6": (), "L_T7": ("PU10", "PU11"),
}  # fmt: skip
ENOUGH = 100  # rows of a status before anything is learned of it


@dataclass(frozen=True)
class Plant:
    """One data set: levels [m], flows [L/s] and pressures [m] by tag, statuses, and whether one just changed."""

    values: pd.DataFrame
    status: pd.DataFrame
    switching: np.ndarray

    def rows(self, part: np.ndarray) -> "Plant":
        return Plant(self.values[part], self.status[part], self.switching[part])


class Curves:
    """Flow of each pump station against its head gain, a parabola for each combination of running pumps."""

    def fit(self, plant: Plant) -> "Curves":
        self.of: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}
        for name, (_, _, pumps) in STATIONS.items():
            gain, flow = self._both(plant, name)
            for key, rows in plant.status.groupby(list(pumps)).indices.items():
                if len(rows) < ENOUGH:
                    continue
                x, y = gain[rows], flow[rows]
                self.of[name, key] = np.zeros(3) if not any(key) else np.polyfit(x, y, 2)
        return self

    def left_over(self, plant: Plant) -> dict[str, np.ndarray]:
        found = {}
        for name, (_, _, pumps) in STATIONS.items():
            gain, flow = self._both(plant, name)
            rest = np.full(len(gain), np.nan)
            for key, rows in plant.status.groupby(list(pumps)).indices.items():
                if (name, key) in self.of:
                    rest[rows] = flow[rows] - np.polyval(self.of[name, key], gain[rows])
            found[f"curve {name}"] = rest
        return found

    @staticmethod
    def _both(plant: Plant, name: str) -> tuple[np.ndarray, np.ndarray]:
        suction, discharge, pumps = STATIONS[name]
        gain = (plant.values[discharge] - plant.values[suction]).to_numpy()
        return gain, plant.values[[f"F_{pump}" for pump in pumps]].sum(axis=1).to_numpy()


class Ranges:
    """How far each level lies outside what was seen while each of its actuators was on or off: the control rule."""

    def fit(self, plant: Plant) -> "Ranges":
        self.of = {}
        for tank, actuators in TANKS.items():
            level = plant.values[tank].to_numpy()
            self.of[tank, "", 0] = (level.min(), level.max())
            for one in actuators:
                for status, rows in plant.status.groupby(one).indices.items():
                    if len(rows) >= ENOUGH:
                        self.of[tank, one, status] = (level[rows].min(), level[rows].max())
        return self

    def left_over(self, plant: Plant) -> dict[str, np.ndarray]:
        found = {f"range {tank}": np.zeros(len(plant.values)) for tank in TANKS}
        for (tank, actuator, status), (low, high) in self.of.items():
            level = plant.values[tank].to_numpy()
            here = plant.status[actuator].to_numpy() == status if actuator else True
            outside = np.where(here, np.clip(level - high, 0, None) - np.clip(low - level, 0, None), 0.0)
            worse = np.abs(outside) > np.abs(found[f"range {tank}"])
            found[f"range {tank}"] = np.where(worse, outside, found[f"range {tank}"])
        return found


class Balances:
    """The change of each level over the hour, from flows, pressures, statuses and the other levels at both its ends."""

    def fit(self, plant: Plant) -> "Balances":
        self.of = {}
        for tank in TANKS:
            x, change = self._both(plant, tank)
            known = np.isfinite(change)
            self.of[tank] = HistGradientBoostingRegressor(
                max_iter=120, max_leaf_nodes=15, max_bins=127, early_stopping=False, random_state=0
            ).fit(x[known], change[known])
        return self

    def left_over(self, plant: Plant) -> dict[str, np.ndarray]:
        found = {}
        for tank, model in self.of.items():
            x, change = self._both(plant, tank)
            found[f"balance {tank}"] = change - model.predict(x)
        return found

    @staticmethod
    def _both(plant: Plant, tank: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and target; NaN where the hour before is not there."""
        now = plant.values.drop(columns=tank).join(plant.status.add_prefix("S_"))
        before = plant.values.join(plant.status.add_prefix("S_")).shift(1)
        change = plant.values[tank].diff()
        change[plant.values.index.to_series().diff() != pd.Timedelta("1h")] = np.nan
        return np.hstack([now.to_numpy(float), before.to_numpy(float)]), change.to_numpy()


class Pressures:
    """Each pressure from all other tags, linear and square, with a slope of its own for each status."""

    def fit(self, plant: Plant) -> "Pressures":
        values = plant.values
        self.centre, self.scale = values.mean(), values.std().clip(lower=10.0**-RESOLUTION)
        self.low, self.high = values.min(), values.max()
        self.of = {}
        for name in values.filter(regex="^P_"):
            self.of[name] = Ridge(alpha=1.0).fit(self._row(plant, name), values[name])
        return self

    def left_over(self, plant: Plant) -> dict[str, np.ndarray]:
        return {
            f"pressure {name}": plant.values[name].to_numpy() - model.predict(self._row(plant, name))
            for name, model in self.of.items()
        }

    def _row(self, plant: Plant, name: str) -> np.ndarray:
        """Clipped to the learned range: a square is no guess about what lies outside."""
        inside = plant.values.clip(self.low, self.high, axis=1)
        z = ((inside - self.centre) / self.scale).drop(columns=name).to_numpy()
        status = plant.status.to_numpy(float)
        return np.hstack([z, z**2, status, *(z * status[:, [one]] for one in range(status.shape[1]))])


Relations = tuple[Curves, Ranges, Balances, Pressures]


def learn(plant: Plant) -> Relations:
    return Curves().fit(plant), Ranges().fit(plant), Balances().fit(plant), Pressures().fit(plant)


def left_over(relations: Relations, plant: Plant) -> pd.DataFrame:
    columns = {name: rest for one in relations for name, rest in one.left_over(plant).items()}
    return pd.DataFrame(columns, index=plant.values.index)


def floors(plant: Plant) -> pd.Series:
    """The noise floor of each relation in its own unit: the product's default share of the size its tags reach."""
    size = RELATIVE_FLOOR * plant.values.abs().quantile(0.95)
    found = {f"pressure {name}": size[name] for name in size.index if name.startswith("P_")}
    found |= {f"{kind} {tank}": size[tank] for kind in ("balance", "range") for tank in TANKS}
    for name, (suction, discharge, pumps) in STATIONS.items():
        gain = (plant.values[discharge] - plant.values[suction]).to_numpy()
        flow = plant.values[[f"F_{pump}" for pump in pumps]].sum(axis=1).to_numpy()
        running = flow > 0
        slope = np.polyfit(gain[running], flow[running], 1)[0]
        found[f"curve {name}"] = np.hypot(RELATIVE_FLOOR * flow.max(), slope * np.hypot(size[suction], size[discharge]))
    return pd.Series(found)


@dataclass(frozen=True)
class Spread:
    """The robust spread of what each relation leaves over, while statuses stand and while they switch."""

    steady: pd.Series
    switching: pd.Series

    def units(self, rest: pd.DataFrame, switching: np.ndarray) -> np.ndarray:
        scale = np.where(switching[:, None], self.switching[rest.columns], self.steady[rest.columns])
        return np.asarray(rest / scale)


def spread_of(rest: pd.DataFrame, switching: np.ndarray, floor: pd.Series) -> Spread:
    def robust(part: pd.DataFrame) -> pd.Series:
        return np.maximum(1.4826 * part.abs().median(), floor[part.columns])

    return Spread(robust(rest[~switching]), robust(rest[switching]))
