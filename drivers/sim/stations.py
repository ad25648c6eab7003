"""The three stations of the simulated utility: who pumps what against which head, and where the water goes.

State in, state out. Northgate (N) lifts ground water into a clear-water tank and from there into the lower town and to
Hillside; Hillside (H) lifts it on into a reservoir that feeds the upper town; Riverside (R) lifts sewage out of a wet
well. Level controls stage the pumps, longest rest first; the balance of each tank closes to rounding.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.sim.pump import M_PER_BAR, Pump, PumpState, advanced, flow_at, operating_head, speed_for, switched

PUMPS: tuple[Pump, ...] = (
    Pump("N-P01", "N", "borehole", 120.0, 60.0, 37.0, 0.66),
    Pump("N-P02", "N", "borehole", 120.0, 60.0, 37.0, 0.66),
    Pump("N-P03", "N", "borehole", 120.0, 60.0, 37.0, 0.66),
    Pump("N-P11", "N", "high_lift", 150.0, 45.0, 30.0, 0.70),
    Pump("N-P12", "N", "high_lift", 150.0, 45.0, 30.0, 0.70),
    Pump("N-P13", "N", "high_lift", 150.0, 45.0, 30.0, 0.70),
    Pump("H-P01", "H", "booster", 70.0, 38.0, 15.0, 0.67),
    Pump("H-P02", "H", "booster", 70.0, 38.0, 15.0, 0.67),
    Pump("H-P03", "H", "booster", 70.0, 38.0, 15.0, 0.67),
    Pump("R-P01", "R", "sewage", 110.0, 14.0, 11.0, 0.52),
    Pump("R-P02", "R", "sewage", 110.0, 14.0, 11.0, 0.52),
)
PUMP = {pump.id: pump for pump in PUMPS}
BOREHOLES = ("N-P01", "N-P02", "N-P03")
HIGH_LIFT = ("N-P11", "N-P12", "N-P13")
BOOSTERS = ("H-P01", "H-P02", "H-P03")
SEWAGE = ("R-P01", "R-P02")


@dataclass(frozen=True, slots=True)
class Tank:
    """A vessel with upright walls; `start` and `stop` are the levels [m] at which the nth pump is switched."""

    id: str
    area_m2: float
    full_m: float
    start: tuple[float, ...]
    stop: tuple[float, ...]


CLEAR_WATER = Tank("N-T01", 200.0, 4.0, (3.3, 2.9, 2.4), (3.8, 3.5, 3.1))
RESERVOIR = Tank("H-T01", 250.0, 5.0, (3.9, 3.4, 2.6), (4.5, 4.2, 3.6))
WET_WELL = Tank("R-T01", 6.0, 3.6, (1.60, 2.30), (0.80, 1.60))
TANKS = (CLEAR_WATER, RESERVOIR, WET_WELL)

HEADER_BAR = 4.5  # what the high-lift station holds at its outlet
WELL_STATIC_M, WELL_FRICTION = 50.0, 8.0 / 300.0**2
SUBMERGENCE_M = 18.0  # ground water over a borehole pump
BOOSTER_SUCTION_BAR = 2.2
BOOSTER_STATIC_M, BOOSTER_FRICTION = 28.5, 5.0 / 140.0**2
SEWER_STATIC_M, SEWER_FRICTION = 10.5, 4.5 / 130.0**2
LOWER_TOWN_M3H, UPPER_TOWN_M3H, SEWAGE_M3H = 190.0, 75.0, 62.0  # means over a day
MIN_STAGE_S = 120.0  # the high-lift station changes the number of its pumps no faster


@dataclass(frozen=True, slots=True)
class PlantState:
    """Everything that the plant remembers. Tank volumes and totals in m3; flows of the last step in m3/h."""

    time_s: float  # since midnight of the first day
    pumps: Mapping[str, PumpState]
    volume_m3: Mapping[str, float]
    flow_m3h: Mapping[str, float] = field(default_factory=dict)  # by stream: raw, network, boost, upper_town, ...
    total_m3: Mapping[str, float] = field(default_factory=dict)
    energy_kwh: Mapping[str, float] = field(default_factory=dict)  # by site

    def level_m(self, tank: Tank) -> float:
        """Water level [m]."""
        return self.volume_m3[tank.id] / tank.area_m2


def pattern(time_s: float, seed: int = 0) -> float:
    """Share of the daily mean drawn at this time of day: two peaks, a quiet night, a little unrest. Always positive."""
    hour = time_s / 3600
    day = 0.34 * math.cos(math.tau * (hour - 14.5) / 24) + 0.22 * math.cos(math.tau * (hour - 7.5) / 12)
    unrest = 0.03 * math.sin(time_s / 211 + seed) + 0.02 * math.sin(time_s / 67 + 1.7 * seed)
    return 1 + day + unrest


def ambient_degc(time_s: float) -> float:
    """Air in the pump hall [degC]: coldest at four in the morning."""
    return 15.0 - 4.0 * math.cos(math.tau * (time_s / 3600 - 4) / 24)


def wanted(running: int, level_m: float, tank: Tank, emptying: bool = False) -> int:
    """How many pumps a two-point control wants; `emptying` for a wet well, where pumps start on a high level."""
    count = running
    sign = -1 if emptying else 1
    while count < len(tank.start) and sign * level_m < sign * tank.start[count]:
        count += 1
    while count > 0 and sign * level_m > sign * tank.stop[count - 1]:
        count -= 1
    return count


def staged(pumps: Mapping[str, PumpState], group: Sequence[str], count: int, time_s: float) -> dict[str, PumpState]:
    """The group with `count` pumps running: who rested longest starts first, who ran longest stops first."""
    chosen = {name: pumps[name] for name in group}
    order = sorted(group, key=lambda name: (chosen[name].changed_s, name))
    running = [name for name in order if chosen[name].running]
    resting = [name for name in order if not chosen[name].running]
    for name in running[: max(0, len(running) - count)]:
        chosen[name] = switched(chosen[name], False, time_s)
    for name in resting[: max(0, count - len(running))]:
        chosen[name] = switched(chosen[name], True, time_s)
    return chosen


def step(state: PlantState, dt_s: float, seed: int = 0) -> PlantState:
    """The plant `dt_s` seconds later. Steps of 5 s or less keep the level controls honest."""
    time_s, hours = state.time_s, dt_s / 3600
    pumps = dict(state.pumps)
    level = {tank.id: state.level_m(tank) for tank in TANKS}
    pumps |= staged(pumps, BOREHOLES, wanted(_running(pumps, BOREHOLES), level["N-T01"], CLEAR_WATER), time_s)
    pumps |= staged(pumps, BOOSTERS, wanted(_running(pumps, BOOSTERS), level["H-T01"], RESERVOIR), time_s)
    pumps |= staged(pumps, SEWAGE, wanted(_running(pumps, SEWAGE), level["R-T01"], WET_WELL, True), time_s)

    air = ambient_degc(time_s)
    boost = _at_full_speed(
        pumps, BOOSTERS, BOOSTER_STATIC_M + level["H-T01"], BOOSTER_FRICTION, BOOSTER_SUCTION_BAR, dt_s, air
    )
    raw = _at_full_speed(
        pumps, BOREHOLES, WELL_STATIC_M + level["N-T01"], WELL_FRICTION, SUBMERGENCE_M / M_PER_BAR, dt_s, air
    )
    sewage = _at_full_speed(
        pumps, SEWAGE, SEWER_STATIC_M - level["R-T01"], SEWER_FRICTION, level["R-T01"] / M_PER_BAR, dt_s, air
    )
    network = LOWER_TOWN_M3H * pattern(time_s, seed) + boost
    _high_lift(pumps, network, level["N-T01"] / M_PER_BAR, dt_s, time_s, air)
    flows = {
        "raw": raw,
        "network": network,
        "boost": boost,
        "upper_town": UPPER_TOWN_M3H * pattern(time_s - 1800, seed + 1),
        "sewage_in": SEWAGE_M3H * pattern(time_s - 3600, seed + 2),
        "sewage_out": sewage,
    }
    volume = dict(state.volume_m3)
    volume["N-T01"] += (raw - network) * hours
    volume["H-T01"] += (boost - flows["upper_town"]) * hours
    volume["R-T01"] += (flows["sewage_in"] - sewage) * hours
    for tank in TANKS:  # what does not fit runs over, and is counted
        over = max(0.0, volume[tank.id] - tank.full_m * tank.area_m2)
        volume[tank.id] -= over
        flows[f"overflow {tank.id}"] = over / hours
    site_kw = {site: sum(pumps[p.id].power_kw for p in PUMPS if p.site == site) + 1.5 for site in ("N", "H", "R")}
    return PlantState(
        time_s=time_s + dt_s,
        pumps=pumps,
        volume_m3=volume,
        flow_m3h=flows,
        total_m3={name: state.total_m3.get(name, 0.0) + flow * hours for name, flow in flows.items()},
        energy_kwh={site: state.energy_kwh.get(site, 0.0) + kw * hours for site, kw in site_kw.items()},
    )


def _running(pumps: Mapping[str, PumpState], group: Sequence[str]) -> int:
    return sum(pumps[name].running for name in group)


def _at_full_speed(
    pumps: dict[str, PumpState], group: Sequence[str], static_m: float, friction: float, suction_bar: float,
    dt_s: float, air_degc: float,
) -> float:  # fmt: skip
    """Move pumps on one main forward by `dt_s`; returns what they deliver together [m3/h]."""
    on = [(PUMP[name], pumps[name].impeller_wear) for name in group if pumps[name].running]
    head = operating_head(on, static_m, friction) if on else static_m
    delivered = 0.0
    for name in group:
        state = pumps[name]
        flow = flow_at(PUMP[name], head, 1.0, state.impeller_wear) if state.running else 0.0
        pumps[name] = advanced(
            PUMP[name], state, dt_s, flow_m3h=flow, head=head, suction_bar=suction_bar, ambient_degc=air_degc
        )
        delivered += flow
    return delivered


def _high_lift(
    pumps: dict[str, PumpState], demand_m3h: float, suction_bar: float, dt_s: float, time_s: float, air_degc: float
) -> None:
    """Move the high-lift pumps forward: one common speed that holds the header pressure at this demand."""
    head = HEADER_BAR * M_PER_BAR - suction_bar * M_PER_BAR
    count = max(1, _running(pumps, HIGH_LIFT))
    if time_s - max(pumps[name].changed_s for name in HIGH_LIFT) >= MIN_STAGE_S:
        per_pump = demand_m3h / PUMP[HIGH_LIFT[0]].flow_m3h / count
        if per_pump > 1.12 and count < len(HIGH_LIFT):
            count += 1
        elif count > 1 and per_pump * count / (count - 1) < 0.95:
            count -= 1
    pumps |= staged(pumps, HIGH_LIFT, count, time_s)
    on = [(PUMP[name], pumps[name].impeller_wear) for name in HIGH_LIFT if pumps[name].running]
    speed = speed_for(on, head, demand_m3h)
    for name in HIGH_LIFT:
        state = pumps[name]
        flow = flow_at(PUMP[name], head, speed, state.impeller_wear) if state.running else 0.0
        pumps[name] = advanced(
            PUMP[name], state, dt_s,
            flow_m3h=flow, head=head, suction_bar=suction_bar, ambient_degc=air_degc, speed=speed,
        )  # fmt: skip
