"""The simulated plant as its instruments show it: physics moved forward, noise, wear, faults of plant and meter.

The physics (stations.py) knows the truth; this module is what a sensor makes of it. Everything follows from the seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from drivers.sim.pump import M_PER_BAR, VOLTAGE_V, PumpState, switched
from drivers.sim.stations import (
    CLEAR_WATER,
    HEADER_BAR,
    HIGH_LIFT,
    PUMPS,
    RESERVOIR,
    SEWAGE,
    TANKS,
    WET_WELL,
    PlantState,
    ambient_degc,
    step,
)

MAX_STEP_S = 5.0
WARM_UP_S = 2 * 3600.0  # the plant has been running for a while when anyone first looks
DRIFT_PER_H = 0.20  # what the fault drifting_meter adds to a meter's gain
WORN = 0.8

# The condition in which the live pumps are found: impeller wear, bearing wear, run hours. Each has its part:
# N-P12 is sound but its seal is about to fall due by the vendor's calendar (vendor only); R-P01 has a worn bearing that
# its vendor's bit reports too (agree); H-P03 has a worn impeller that nobody reports (own only); H-P01 is in
# the middle of its life, but the vendor set its vibration alarm low (vendor only).
CONDITION: Mapping[str, tuple[float, float, float]] = {
    "N-P01": (0.10, 0.12, 21_400.0), "N-P02": (0.15, 0.18, 20_950.0), "N-P03": (0.08, 0.10, 9_310.0),
    "N-P11": (0.12, 0.16, 17_120.0), "N-P12": (0.06, 0.08, 7_999.995), "N-P13": (0.10, 0.14, 12_480.0),
    "H-P01": (0.08, 0.40, 6_230.0), "H-P02": (0.10, 0.12, 6_870.0), "H-P03": (0.75, 0.15, 18_060.0),
    "R-P01": (0.15, 0.80, 15_940.0), "R-P02": (0.12, 0.10, 4_120.0),
}  # fmt: skip
METERS: Mapping[str, str] = {
    "N-M01": "raw",
    "N-M02": "network",
    "H-M01": "boost",
    "H-M02": "upper_town",
    "R-M01": "sewage_out",
}
ENERGY_METERS: Mapping[str, str] = {"N-M04": "N", "R-M02": "R"}
LEVELS = (CLEAR_WATER, RESERVOIR, WET_WELL)
HIGH_LEVEL_M = 3.0  # float switch of the wet well
NOISE: Mapping[str, float] = {  # standard deviation as a share of the value
    "flow": 0.006, "suction_pressure": 0.002, "discharge_pressure": 0.002, "pressure": 0.002, "power": 0.005,
    "current": 0.005, "vibration": 0.04, "bearing_temperature": 0.003, "ambient_temperature": 0.004, "speed": 0.0005,
    "level": 0.0008, "voltage": 0.003, "frequency": 0.0003, "residual_chlorine": 0.02,
}  # fmt: skip


def new_state(
    start_s: float, condition: Mapping[str, tuple[float, float, float]] = CONDITION, seed: int = 0
) -> PlantState:
    """The plant at `start_s` after midnight [s], run in for some hours, with the pumps in this condition."""
    rng = np.random.default_rng(seed)
    pumps: dict[str, PumpState] = {}
    for pump in PUMPS:
        impeller, bearing, hours = condition[pump.id]
        starts = hours * (5.0 if pump.duty == "sewage" else 0.25)
        pumps[pump.id] = PumpState(
            impeller_wear=impeller, bearing_wear=bearing, run_hours=hours, starts=round(starts),
            energy_kwh=round(0.8 * pump.power_kw * hours), volume_m3=round(pump.flow_m3h * hours),
            changed_s=start_s - WARM_UP_S - float(rng.uniform(600, 6000)),
        )  # fmt: skip
    volume = {tank.id: tank.area_m2 * (tank.start[0] + tank.stop[0]) / 2 for tank in TANKS}
    total = {stream: 250_000.0 for stream in METERS.values()}
    state = PlantState(start_s - WARM_UP_S, pumps, volume, {}, total, {"N": 310_000.0, "H": 0.0, "R": 84_000.0})
    while state.time_s < start_s - 1e-9:
        state = step(state, min(MAX_STEP_S, start_s - state.time_s), seed)
    pumps = {name: replace(one, run_hours=condition[name][2]) for name, one in state.pumps.items()}
    # who looks for a minute shall see something happen: the wet well is about to reach its start level, R-P01 is next,
    # and N-P12, whose seal is about to fall due, is on duty
    pumps |= {name: switched(pumps[name], False, start_s - 900) for name in SEWAGE}
    pumps["R-P01"] = replace(pumps["R-P01"], changed_s=start_s - 1200)
    on_duty = next(name for name in HIGH_LIFT if pumps[name].running)
    if not pumps["N-P12"].running:
        pumps[on_duty] = switched(pumps[on_duty], False, start_s - 60)
        pumps["N-P12"] = switched(pumps["N-P12"], True, start_s - 60)
    well = WET_WELL.area_m2 * (WET_WELL.start[0] - 0.05)
    return replace(state, pumps=pumps, volume_m3={**state.volume_m3, WET_WELL.id: well})


@dataclass(slots=True)
class Plant:
    """The running plant. `worn`, `drifting` and `frozen` are the faults of plant and instruments that are on now."""

    state: PlantState
    seed: int = 0
    worn: dict[tuple[str, str], float] = field(default_factory=dict)  # (pump, part) with a fault -> wear before it
    drifting: dict[str, float] = field(default_factory=dict)  # meter -> seconds for which it has drifted
    frozen: dict[str, float | None] = field(default_factory=dict)  # tag -> value it stands at; None until next read
    excess_m3: dict[str, float] = field(default_factory=dict)  # what a drifting meter counted too much
    noise: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.noise = np.random.default_rng([self.seed, 1])

    def advance(self, dt_s: float) -> None:
        """Move the plant `dt_s` seconds on."""
        left = dt_s
        while left > 1e-9:
            piece = min(left, MAX_STEP_S)
            self.state = step(self.state, piece, self.seed)
            for meter in self.drifting:
                self.drifting[meter] += piece
                over = (self.gain(meter) - 1) * self.state.flow_m3h[METERS[meter]] * piece / 3600
                self.excess_m3[meter] = self.excess_m3.get(meter, 0.0) + over
            left -= piece

    def gain(self, meter: str) -> float:
        """What the meter shows over what flows through it."""
        return 1 + DRIFT_PER_H * self.drifting.get(meter, 0.0) / 3600

    def wear(self, pump: str, part: str, on: bool) -> None:
        """The impeller or the bearing is near the end of its life; off puts the old one back."""
        now = self.state.pumps[pump]
        before = now.impeller_wear if part == "impeller" else now.bearing_wear
        if on:
            self.worn.setdefault((pump, part), before)
        value = WORN if on else self.worn.pop((pump, part), before)
        changed = replace(now, impeller_wear=value) if part == "impeller" else replace(now, bearing_wear=value)
        self.state = replace(self.state, pumps={**self.state.pumps, pump: changed})

    def readings(self) -> dict[str, float]:
        """What every instrument shows now, by tag name, in the units of monitor.plant.QUANTITIES."""
        shown: dict[str, float] = {}
        for tag, value in truth(self.state).items():
            asset, quantity = tag.split(".")
            if quantity == "flow":
                value *= self.gain(asset)
            elif quantity == "volume":
                value += self.excess_m3.get(asset, 0.0)
            sigma = NOISE.get(quantity, 0.0)
            shown[tag] = value * (1 + sigma * float(self.noise.standard_normal())) if sigma else value
        for tag, value_or_none in self.frozen.items():
            if value_or_none is None:
                self.frozen[tag] = shown[tag]
            shown[tag] = self.frozen[tag] or 0.0
        return shown


def truth(state: PlantState) -> dict[str, float]:
    """Every measured quantity without noise, by tag name."""
    air = ambient_degc(state.time_s)
    values: dict[str, float] = {}
    for pump in PUMPS:
        one = state.pumps[pump.id]
        quantities = {
            "running": float(one.running), "selector": 1.0, "speed": one.speed * pump.speed_hz, "flow": one.flow_m3h,
            "suction_pressure": one.suction_bar, "discharge_pressure": one.discharge_bar, "power": one.power_kw,
            "current": one.current_a, "vibration": one.vibration_mms, "bearing_temperature": one.bearing_degc,
            "ambient_temperature": air, "run_hours": one.run_hours, "starts": float(one.starts),
            "energy": one.energy_kwh, "volume": one.volume_m3,
        }  # fmt: skip
        values |= {f"{pump.id}.{name}": value for name, value in quantities.items()}
    for meter, stream in METERS.items():
        values[f"{meter}.flow"] = state.flow_m3h[stream]
        values[f"{meter}.volume"] = state.total_m3[stream]
    for meter, site in ENERGY_METERS.items():
        power = sum(state.pumps[pump.id].power_kw for pump in PUMPS if pump.site == site) + 1.5  # light and controls
        values |= {
            f"{meter}.power": power, f"{meter}.energy": state.energy_kwh[site], f"{meter}.voltage": VOLTAGE_V,
            f"{meter}.current": power * 1000 / (1.732 * VOLTAGE_V * 0.85), f"{meter}.frequency": 50.0,
        }  # fmt: skip
    for tank in LEVELS:
        values[f"{tank.id}.level"] = state.level_m(tank)
    values["R-T01.high_level"] = float(state.level_m(WET_WELL) > HIGH_LEVEL_M)
    values["N-M03.pressure"] = HEADER_BAR
    values["H-M03.pressure"] = (30.0 + state.level_m(RESERVOIR)) / M_PER_BAR
    values["N-M05.residual_chlorine"] = 0.45
    return values
