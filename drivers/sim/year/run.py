"""One pump through a year: the truth minute by minute, then what its instruments show in rows of any cadence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drivers.sim.year.duty import Duty, duty_of, suction_of
from drivers.sim.year.faults import Effects, Fault, effects_of, moved_by
from drivers.sim.year.instruments import averaged, last_of, shown, tag_seen
from drivers.sim.year.pump import (
    KW_PER_M3H_M,
    M_PER_BAR,
    Floats,
    YearPump,
    current_a,
    electrical_kw,
    flow_against,
    flow_estimate,
    head_m,
    pump_of,
    shaft_kw,
    speed_against,
    stream,
)
from drivers.sim.year.world import DAY, FIRST_DAY, World, lagged, seen, wandering, world_of

LEAST_EFFICIENCY = 0.4  # share of its efficiency that a worn impeller keeps in any case: far below rated flow


@dataclass(frozen=True, slots=True)
class Year:
    """What one pump's tags showed: rows of `every_s` from `start_us` (UTC) on, means of the good samples of each row.

    Units are those of monitor.plant.QUANTITIES; NaN where no sample was good. `moved`: the tags that the fault moves.
    """

    pump: YearPump
    start_us: int
    every_s: int
    values: Mapping[str, Floats]
    share_good: Mapping[str, Floats]
    fault: Fault | None
    moved: frozenset[str]

    @property
    def estimated(self) -> tuple[str, ...]:
        """Quantities that the device computes itself."""
        return ("flow",) if self.pump.estimated_flow else ()


def pump_year(
    seed: int, pump_number: int, *, days: int = 365, every_s: int = 600, fault: Fault | None = None
) -> Year:  # fmt: skip
    """Pump `pump_number` of the fleet of this seed for `days`; the same seed gives the same bytes.

    A shorter run is the beginning of a longer one, and a run with a fault is the sound run until the fault begins.
    """
    pump = pump_of(seed, pump_number)
    world = world_of(pump, seed, days)
    truth, effects = true_course(pump, world, seed, fault)
    rows = every_s // 60
    station = seen(pump, seed, len(world.minute))
    values: dict[str, Floats] = {}
    share_good: dict[str, Floats] = {}
    for tag, true in truth.items():
        if tag in ("run_hours", "starts", "energy"):
            values[tag] = last_of(true, station, rows)
            share_good[tag] = averaged(true, station, rows)[1]
        else:
            good = station if tag == "running" else tag_seen(pump, seed, tag, station)
            samples = true if tag == "running" else shown(pump, seed, tag, true, effects)
            values[tag], share_good[tag] = averaged(samples, good, rows)
    start = FIRST_DAY + np.timedelta64(pump.start_day, "D")
    return Year(pump, int(start.astype(np.int64)), every_s, values, share_good, fault,
                moved_by(pump, fault) if fault else frozenset())  # fmt: skip


def true_course(
    pump: YearPump, world: World, seed: int, fault: Fault | None
) -> tuple[dict[str, Floats], Effects]:  # fmt: skip
    """Every tag's true value minute by minute, and the fault's effects, of which instruments still need their part."""
    usual, suction = suction_of(pump, world, seed)
    effects = effects_of(pump, fault, world, suction)
    duty = duty_of(pump, world, usual, suction, effects, seed)
    part = _running_part(pump, duty, seed)
    speed, flow, head, power = _hydraulics(pump, world, duty, effects, seed)
    on = duty.running
    leaking = np.where(on | world.serviced, 0.0, 1.0) * effects.leak
    current = np.where(on, current_a(pump, power / effects.current_factor, world.voltage), 0.0) * part
    current = current * effects.current_factor
    room, bearing = _heat(pump, world, part, speed, power, effects, seed)
    isolated = world.serviced & ~on
    discharge = duty.suction_m + part * head + (1 - part) * np.where(isolated, 0.0, duty.standing_m)
    course = {
        "running": part,
        "flow": flow * part - leaking * pump.flow_m3h * np.sqrt(np.maximum(duty.standing_m, 0) / pump.head_m),
        "suction_pressure": duty.suction_m / M_PER_BAR,
        "discharge_pressure": discharge / M_PER_BAR,
        "power": power * part,
        "current": current,
        "ambient_temperature": room if pump.room_sensor else world.outside_degc,
        "run_hours": 4000 + np.cumsum(part) / 60,
        "starts": 900 + np.cumsum(np.diff(on, prepend=on[:1]) & on).astype(float),
        "energy": 50_000 + np.cumsum(power * part) / 60,
    }
    if pump.estimated_flow:
        course["flow"] = np.where(on, flow_estimate(pump, power, speed), 0.0) * part
    if pump.variable:
        course["speed"] = 50 * speed * part
    if duty.level_m is not None:
        course["level"] = duty.level_m
    if pump.housing:
        course["vibration"] = _vibration(pump, world, part, speed, flow, effects, seed)
        course["bearing_temperature"] = bearing
    if pump.phases:
        rng = stream(seed, pump.number, "phases")
        away = rng.normal(0, 0.008, 3)
        for phase in range(3):
            wander = 0.003 * wandering(rng, 60, 600, len(part))
            course[f"current_l{phase + 1}"] = current * (1 + away[phase] - away.mean() + wander)
    return course, effects


def _running_part(pump: YearPump, duty: Duty, seed: int) -> Floats:
    """Share of each minute in which the pump ran: it starts and stops within minutes, not at their borders."""
    on = duty.running.astype(float)
    inside = stream(seed, pump.number, "switching").uniform(0.2, 1.0, len(on))
    edge = np.diff(on, prepend=on[:1]) > 0
    return np.where(edge, on * inside, on)


def _hydraulics(
    pump: YearPump, world: World, duty: Duty, effects: Effects, seed: int
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Speed [share of rated], flow [m3/h], head [m] and electrical power [kW] of the running minutes, else 0."""
    at = np.flatnonzero(duty.running)
    rng = stream(seed, pump.number, "water")
    cold = -rng.uniform(0.1, 1.0) * world.season[at]  # seasonal viscosity

    def now(effect: Floats | float) -> Floats | float:
        return effect[at] if isinstance(effect, np.ndarray) else effect

    sound = 1 - 0.004 * cold
    factor = sound * now(effects.head_factor)
    if duty.flow is None:
        speed = np.ones(len(at))
        flow = flow_against(pump, factor, duty.static_m[at], duty.friction[at])
    else:
        flow = duty.flow[at]
        speed = speed_against(pump, factor, flow, duty.static_m[at])
    power = electrical_kw(pump, shaft_kw(pump, flow, speed) * (1 + 0.02 * cold))
    head = sound * head_m(pump, flow, speed)
    efficiency = KW_PER_M3H_M * flow * head / power
    head = head * now(effects.head_factor)
    lost = np.broadcast_to(now(effects.efficiency_lost), flow.shape)
    worn = KW_PER_M3H_M * flow * head / np.maximum(efficiency - lost, LEAST_EFFICIENCY * efficiency)
    power = np.where(lost > 0, worn, power) * now(effects.current_factor)
    kept = np.broadcast_to(now(effects.flow_factor), flow.shape)
    flow = flow * kept
    head = np.where(kept < 1, duty.static_m[at] + duty.friction[at] * flow**2, head)  # ragged: meets the main at less
    out = np.zeros((4, len(duty.running)))
    out[:, at] = speed, flow, head, power
    return out[0], out[1], out[2], out[3]


def _heat(
    pump: YearPump, world: World, part: Floats, speed: Floats, power: Floats, effects: Effects, seed: int
) -> tuple[Floats, Floats]:  # fmt: skip
    """Temperature of the pump room and of the bearing housing [degC]; a hump of one to two days after a regreasing."""
    outside = lagged(world.outside_degc, 480, float(world.outside_degc[0]))
    room = np.maximum(0.6 * outside + 9 + 3 * lagged(part, 180, 0.5), 8)
    water = 10.5 + 4 * world.season
    rng = stream(seed, pump.number, "grease")
    hump = np.zeros(len(part))
    for _, last in world.services:
        lasts = int(rng.uniform(24, 48) * 60)
        height, happens = rng.uniform(4, 12), rng.random() < 0.6
        if happens and last < len(hump):
            since = np.arange(min(lasts, len(hump) - last))
            hump[last : last + len(since)] = height * np.exp(-since / (0.4 * lasts))
    load = power / (0.85 * pump.motor_kw)
    rise = pump.bearing_k * (0.4 + 0.6 * load) * speed**1.2 + hump + effects.bearing_k
    target = 0.8 * room + 0.2 * water + part * rise
    return room, lagged(target, pump.bearing_min, float(target[0]))


def _vibration(
    pump: YearPump, world: World, part: Floats, speed: Floats, flow: Floats, effects: Effects, seed: int
) -> Floats:  # fmt: skip
    """Vibration of the housing [mm/s RMS]: by load and speed, a walk of some per cent, a step after each service."""
    rng = stream(seed, pump.number, "vibration")
    count = len(part)
    walk = np.exp(0.04 * wandering(rng, DAY, 40 * DAY, count))
    for _, last in world.services:
        walk[last:] *= np.exp(rng.normal(0, 0.05))
    load = flow / (pump.flow_m3h * np.maximum(speed, 0.1))
    own = pump.vibration_mms * (1 + pump.vibration_shape * (load - 1) ** 2) * speed**1.7
    if pump.variable:
        own = own + 0.25 * pump.vibration_mms * np.exp(-(((speed - pump.resonance) / 0.02) ** 2))
    shake = own * walk * effects.vibration_factor + effects.vibration_added
    noise = stream(seed, pump.number, "cavitation").standard_normal(count)
    shake = shake * np.maximum(1 + effects.unrest * noise, 0.2)
    return part * shake + (1 - part) * 0.12
