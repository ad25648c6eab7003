"""What the detector sees of a pump: figures from which what drives them has been taken out.

Head and power at rated speed beside this pump's own curves, current beside power, vibration beside speed and load, the
bearing beside the air and the heat of the last hours; while it stands, the flow that ought to be none. Pressures and
levels drive a pump and say nothing of its health. What physics does not name is seen as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.health import physics
from models.health.curves import Reference, fit_reference
from models.health.frozen import longest_still
from models.health.laws import Driver, Law, fit_law
from models.health.physics import SPEED_RANGE, Columns, Rated, arrays, given
from models.health.state import OFF, STATES, STEADY, running_share, seconds, settled, state_codes

ENOUGH_GOOD = 0.5
DRIVERS = frozenset(  # set from outside the pump
    ("speed", "frequency", "voltage", "suction_pressure", "discharge_pressure", "pressure", "head", "level", "flow",
     "power", "ambient_temperature", "residual_chlorine", "power_factor", "water_temperature", "winding_temperature")
)  # fmt: skip
NO_SIGNAL = frozenset(  # states, flags and counters
    ("running", "selector", "vendor_flag", "alarm_code", "energy", "volume", "run_hours", "starts", "other")
)
PHASES = ("current_l1", "current_l2", "current_l3")
BY_LAW = frozenset(("current", *PHASES, "vibration", "bearing_temperature"))
SUSPECTS = ("flow", "discharge_pressure", "head", "power", "current", *PHASES, "vibration", "bearing_temperature")
UNITS = {
    "head_residual": "%", "power_residual": "%", "power_at_head": "%", "bearing_over_ambient": "K", "head": "m",
    "current_imbalance": "%", "leak_back": "%",
}  # fmt: skip
FLOORS = {  # what a reading of these can tell apart from sound: instruments, their drift, and what no law holds
    "head_residual": 1.4, "power_residual": 2.3, "power_at_head": 2.5, "current": 2.4, "vibration": 20.0,
    "bearing_over_ambient": 4.0, "current_imbalance": 1.0, "leak_back": 0.5,
}  # fmt: skip
SLOW = {  # share of the floor that a median over hours leaves, where it is not that of the view: these truly wander
    "vibration": 1.5, "bearing_over_ambient": 0.8,  # service, seating; a regreased bearing is warm for two days
}  # fmt: skip
AS_QUANTITY = frozenset(("current", "vibration", "bearing_over_ambient"))
OF_STATE = {"leak_back": OFF}  # all other features speak in steady running
HEAT_MIN = (10.0, 20.0, 30.0, 45.0, 60.0)  # time constants of a bearing housing that are tried [min]
HEAT_MEMORY = 3.0  # of them are looked back


def clean(values: pd.DataFrame, share_good: pd.DataFrame | None) -> pd.DataFrame:
    """Columns in order of their names; infinite values, and those with under half their samples good, as missing.

    ValueError where a row is not later than the one before it: lags and medians would mix times.
    """
    early = np.flatnonzero(np.diff(pd.DatetimeIndex(values.index).asi8) <= 0)
    if len(early):
        before, after = values.index[early[0]], values.index[early[0] + 1]
        raise ValueError(f"rows: {after} comes after {before}; sort them by time and keep one row for each time")
    named = values[sorted(values.columns)].astype(float)
    share = 1.0 if share_good is None else share_good.reindex(index=named.index, columns=named.columns).to_numpy(float)
    frame = pd.DataFrame(only_good(named.to_numpy(), share), named.index, named.columns)
    frame.attrs = values.attrs
    return frame


def only_good(values: np.ndarray, share_good: np.ndarray | float) -> np.ndarray:
    """Infinite values, and those with under half their samples good, as missing."""
    return np.where(np.isfinite(values) & (share_good >= ENOUGH_GOOD), values, np.nan)


def derive(values: pd.DataFrame, rated: Rated, every_s: float) -> tuple[pd.DataFrame, np.ndarray]:
    """The physics columns and the state of each row (`derive_columns`)."""
    columns = arrays(values)
    share = running_share(columns, rated, (len(values),))
    found, codes = derive_columns(columns, rated, share, seconds(values.index), every_s)
    return pd.DataFrame(found, values.index), STATES[codes]


def derive_columns(
    columns: Columns, rated: Rated, share: np.ndarray, time_s: np.ndarray, every_s: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The physics columns and the state of each row, as its place in STATES; `share` of the time in which it ran.

    The bearing's heat over ambient is there only once it could settle.
    """
    found = physics.derived_columns(columns, rated)
    if "bearing_over_ambient" in found:
        found["bearing_over_ambient"] = np.where(settled(share, time_s, every_s), found["bearing_over_ambient"], np.nan)
    return found, state_codes(share, time_s, every_s)


def learn_reference(frame: pd.DataFrame, state: np.ndarray) -> Reference:
    """The as-installed state, from steady rows."""
    return fit_reference(frame[state == STEADY])


def columns_of(columns: Columns, rated: Rated, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The clean tags with head, and head, power, flow and vibration at rated speed, row by row."""
    found = {name: one for name, one in columns.items() if name not in NO_SIGNAL}
    independent = {name for name in found if name not in rated.estimated}
    share = found["speed"] / rated.speed_hz if "speed" in found else np.ones(shape)
    share = np.where((share >= SPEED_RANGE[0]) & (share <= SPEED_RANGE[1]), share, np.nan)
    found["speed_share"] = share
    if "head" not in independent and {"suction_pressure", "discharge_pressure"} <= independent:
        found["head"] = physics.head_m(found["suction_pressure"], found["discharge_pressure"], rated.gauge_height_m)  # type: ignore[assignment, arg-type]
        independent.add("head")
    for name, power in (("flow", 1), ("head", 2), ("power", 3), ("vibration", 2)):
        if name in independent:
            level = found[name] / share**power
            found[name + "_n"] = np.where(level > 0, level, np.nan)
    if set(PHASES) <= independent:
        found["current_imbalance"], mean = imbalance([found[name] for name in PHASES])
        if "current" not in independent:
            found["current"] = mean
    if "flow" in independent and given(rated.flow_m3h):
        found["leak_back"] = 100 * found["flow"] / rated.flow_m3h
    made = independent | {"speed_share", "current", "current_imbalance", "leak_back"}
    return {name: one for name, one in found.items() if name in made or name.endswith("_n")}


def imbalance(phases: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The largest deviation of a phase from the mean of all, as share of it [%], and that mean; NaN where it is 0."""
    table = np.stack(phases, axis=-1)
    mean = table.mean(axis=-1)
    mean = np.where(mean > 0, mean, np.nan)
    return 100 * np.abs(table - mean[..., None]).max(axis=-1) / mean, mean


def _remembered(value: np.ndarray, rows: float) -> np.ndarray:
    """Exponentially weighted mean over the last HEAT_MEMORY time constants; NaN where over a fifth of it is unknown."""
    if not len(value):
        return value
    weight = np.exp(-np.arange(max(1, round(HEAT_MEMORY * rows))) / max(rows, 1e-9))
    weight /= weight.sum()
    known = np.isfinite(value)
    total = np.convolve(np.where(known, value, 0.0), weight)[: len(value)]
    seen = np.convolve(known.astype(float), weight)[: len(value)]
    return np.where(seen >= 0.8, total / np.maximum(seen, 1e-9), np.nan)


@dataclass(frozen=True, slots=True)
class Eyes:
    """How the features of one pump are made from its tags: its laws, and the tags that are seen as they are."""

    laws: tuple[Law, ...] = ()
    plain: tuple[str, ...] = ()
    heat_min: float = HEAT_MIN[0]  # time constant of the bearing housing [min]
    inputs: tuple[str, ...] = ()  # tags on which the features rest, drivers included
    suspects: tuple[str, ...] = ()  # instruments that one feature or more rest on
    moves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # feature: its change by 5 % of each suspect
    still_s: Mapping[str, tuple[float, float]] = field(
        default_factory=dict
    )  # a tag is frozen after (models.health.frozen)

    def table(self, columns: Columns) -> dict[str, np.ndarray]:
        """Every feature row by row."""
        found = {name: columns[name] for name in self.plain if name in columns}
        return found | {law.name: law.residual(columns)[1] for law in self.laws if law.known(columns)}

    def shown(self, columns: Columns) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For features that are shown as their quantity: it is the first plus the second times the residual."""
        found = {}
        for law in self.laws:
            if law.name in AS_QUANTITY and law.known(columns):
                expected = law.expected(columns)
                if law.percent:
                    expected = expected * (columns["speed_share"] ** 2 if law.target.endswith("_n") else 1.0)
                    found[law.name] = expected, expected / 100
                else:
                    found[law.name] = expected - columns["ambient_temperature"], np.ones(len(expected))
        return found

    def outside(self, columns: Columns) -> dict[str, tuple[np.ndarray, float, float]]:
        """Drivers that have left the range in which every law is trusted: where, and what was learned."""
        found: dict[str, tuple[np.ndarray, float, float]] = {}
        for law in self.laws:
            if law.known(columns):
                for i, way in enumerate(law.outside(columns)):
                    driver = law.drivers[i]
                    where = way > driver.reach
                    if driver.name in found:
                        where = where | found[driver.name][0]
                    found[driver.name] = where, law.low[i], law.high[i]
        return found


def columns_with_heat(
    columns: Columns, rated: Rated, share: np.ndarray, every_s: float, tau_min: float | np.ndarray
) -> dict[str, np.ndarray]:
    """`columns_of`, and heat: the mean power and running of the last hours, weighted by the housing's memory.

    `share` of the time in which it ran; `tau_min` for many assets is an array of shape (assets, 1).
    """
    found = columns_of(columns, rated, share.shape)
    return found | _heat(found, share, every_s, tau_min)


def _heat(columns: Columns, running: np.ndarray, every_s: float, tau_min: float | np.ndarray) -> dict[str, np.ndarray]:
    power = np.where(running <= 0.05, 0.0, columns.get("power", running))
    rows = np.ravel(tau_min) * 60 / every_s

    def each(table: np.ndarray) -> np.ndarray:
        by_asset = table.reshape(len(rows), -1)
        return np.stack([_remembered(one, n) for one, n in zip(by_asset, rows, strict=True)]).reshape(table.shape)

    return {"heat": each(power), "warm": each(running)}


def learn_eyes(
    values: pd.DataFrame, state: np.ndarray, rated: Rated, every_s: float, floors: Mapping[str, float]
) -> Eyes:
    """The laws of this pump from its steady rows, and which of its tags move which feature."""
    table, shape = arrays(values), (len(values),)
    columns = columns_of(table, rated, shape)
    running, steady = running_share(table, rated, shape), state == STEADY
    best, heat_min = None, HEAT_MIN[0]
    if {"bearing_temperature", "ambient_temperature"} <= set(columns):
        for tau in HEAT_MIN:
            law = _bearing(columns | _heat(columns, running, every_s, tau), steady, floors)
            if law and (best is None or law.spread < best.spread):
                best, heat_min = law, tau
    laws = [law for law in (*_laws(columns, steady, floors), best) if law]
    plain = tuple(sorted(
        name for name in map(str, values) if name in columns and name not in DRIVERS | NO_SIGNAL | BY_LAW
    ))  # fmt: skip
    plain += tuple(name for name in ("current_imbalance", "leak_back") if name in columns)
    eyes = Eyes(tuple(laws), plain, heat_min)
    watched = tuple(name for name in map(str, values) if name not in NO_SIGNAL | set(rated.estimated))
    moved = _moves(eyes, values[steady], rated, watched)
    suspects = tuple(tag for tag in moved if tag in SUSPECTS or tag in plain)
    moves = {name: tuple(moved[tag][name] for tag in suspects) for name in (*(law.name for law in laws), *plain)}
    still = longest_still(values, state, every_s, watched)
    return Eyes(eyes.laws, eyes.plain, heat_min, tuple(moved), suspects, moves, still)


def _laws(columns: dict[str, np.ndarray], steady: np.ndarray, floors: Mapping[str, float]) -> list[Law | None]:
    """The laws that this pump's instruments allow."""
    speed = Driver("speed_share", (), 0.2, 0.1)
    turning = Driver("speed_share", ((-0.2, 0.5),) if "speed" in columns else (), 0.2, 1.0)

    def law(name: str, target: str, *drivers: Driver) -> Law | None:
        if target not in columns or any(one.name not in columns for one in drivers):
            return None
        return fit_law(name, target, drivers, columns, steady, floors.get(name, FLOORS[name]))

    head_by_flow = Driver("flow_n", ((-0.6, 0.4), (-0.5, 0.5)), 0.3)
    power_by_flow = Driver("flow_n", ((0.45, 0.25), (-0.1, 0.3)), 0.3)
    load = "flow_n" if "flow_n" in columns else "head_n" if "head_n" in columns else "power_n"
    found = [
        law("head_residual", "head_n", head_by_flow, speed),
        law("power_residual", "power_n", power_by_flow, speed),
    ]
    if "flow_n" not in columns:
        found.append(law("power_at_head", "power_n", Driver("head_n", ((-0.8, 0.6), (-0.5, 1.0)), 0.2), speed))
    found.append(law("current", "current", Driver("power", ((0.85, 0.15), (0.1, 0.2)), 0.5, 0.05)))
    shaking = law("vibration", "vibration_n", Driver(load, ((0.0, 0.5), (0.5, 1.0)), 0.3, 0.3), turning)
    return [*found, shaking or law("vibration", "vibration_n", turning)]


def _bearing(columns: dict[str, np.ndarray], steady: np.ndarray, floors: Mapping[str, float]) -> Law | None:
    """Bearing temperature beside ambient temperature, the heat of the last hours, and how long it ran in them."""
    drivers = (
        Driver("ambient_temperature", ((0.75, 0.15),), 30.0, 0.1, True),
        Driver("heat", ((10.0, 8.0),), 0.6, 3.0),
        Driver("warm", ((8.0, 8.0),), 1.0, 3.0, True),
    )
    name = "bearing_over_ambient"
    return fit_law(name, "bearing_temperature", drivers, columns, steady, floors.get(name, FLOORS[name]), percent=False)


def _moves(eyes: Eyes, steady: pd.DataFrame, rated: Rated, tags: Sequence[str]) -> dict[str, dict[str, float]]:
    """What 5 % more on each of the tags alone does to each feature of the usual steady row; those that do anything."""
    usual = steady.median().to_frame().T

    def seen(frame: pd.DataFrame) -> dict[str, float]:
        columns = columns_of(arrays(frame), rated, (1,))
        columns |= {"heat": columns.get("power", np.ones(1)), "warm": np.ones(1)}
        told = {law.name: law.residual(columns)[0] for law in eyes.laws}
        return {name: float(one[0]) for name, one in (told | {name: columns[name] for name in eyes.plain}).items()}

    before = seen(usual) if len(steady) else {}
    changes = {}
    for tag in tags if before else ():
        value = usual[tag].iloc[0]
        after = seen(usual.assign(**{tag: 1.05 * value if value else 1.0}))
        changes[tag] = {name: float(np.nan_to_num(after[name] - before[name])) for name in before}
    return {tag: one for tag, one in changes.items() if max(map(abs, one.values())) > 1e-9}
