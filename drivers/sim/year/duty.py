"""What a station asks of one of its pumps, minute by minute: level control of a tank or wet well, or constant pressure.

The other pumps of the station are sound and alike; which of them leads changes with each start or by the clock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.sim.year.faults import Effects
from drivers.sim.year.pump import Floats, YearPump, flow_against, stream
from drivers.sim.year.world import DAY, Flags, World, lagged, wandering

SHARED = 0.7  # of the friction lies in the main that all pumps share
WELL_M, TANK_M = 1.2, 3.5  # level between start and stop


@dataclass(frozen=True, slots=True)
class Duty:
    """One pump's part: when it runs, beside how many, against what."""

    running: Flags
    beside: Floats  # other pumps that run
    suction_m: Floats
    static_m: Floats
    friction: Floats  # m per (m3/h)^2 of this pump's flow, those beside it included
    standing_m: Floats  # what the gauges of the stopped pump show as head
    flow: Floats | None = None  # asked by the network, of a pump with variable speed
    level_m: Floats | None = None


def suction_of(pump: YearPump, world: World, seed: int) -> tuple[float, Floats]:
    """Suction head [m]: usual, and its course before this station draws it down. A sewage pump's follows its well."""
    rng = stream(seed, pump.number, "suction")
    count = len(world.minute)
    if pump.duty == "high_lift":
        day = 2 * np.pi * (world.hour - rng.uniform(3, 8)) / 24
        return 3.0, 3.0 + 0.6 * np.cos(day) + 0.25 * wandering(rng, 30, 600, count)
    usual = rng.uniform(14, 25)
    if pump.duty == "booster":
        return usual, usual - 3.0 * (world.demand - 1) + 0.5 * wandering(rng, 20, 240, count)
    ground = rng.uniform(0.5, 3) * world.season + 0.5 * wandering(rng, DAY, 10 * DAY, count)
    return usual, usual - ground


def duty_of(
    pump: YearPump, world: World, usual_m: float, suction_m: Floats, effects: Effects, seed: int
) -> Duty:  # fmt: skip
    """The duty of a pump for this run."""
    if pump.variable:
        return _pressure(pump, world, usual_m, suction_m, seed)
    return _level(pump, world, usual_m, suction_m, effects, seed)


def _pressure(pump: YearPump, world: World, usual_m: float, suction_m: Floats, seed: int) -> Duty:
    """As many pumps as the demand needs, at a speed that holds the pressure; lower at night in half the stations."""
    rng = stream(seed, pump.number, "duty")
    count = len(world.minute)
    total = pump.flow_m3h * pump.pumps * rng.uniform(0.45, 0.62) * world.demand
    total = total * (1 + 0.015 * stream(seed, pump.number, "taps").standard_normal(count))
    wanted = np.repeat(_staged(total[::30] / pump.flow_m3h, pump.pumps), 30)[:count]
    lead = (world.minute // (60 * pump.rotation_h)).astype(np.int64) % pump.pumps
    running = ((-lead) % pump.pumps < wanted) & ~world.serviced
    flow = np.minimum(total / wanted, 1.3 * pump.flow_m3h)
    night = rng.uniform(0.04, 0.10) * (rng.random() < 0.5) * ((world.hour >= 23) | (world.hour < 5))
    outlet = pump.head_m * (rng.uniform(0.76, 0.88) + 0.08 * flow / pump.flow_m3h - night)
    outlet = outlet * (1 + 0.004 * stream(seed, pump.number, "control").standard_normal(count))
    head = outlet - (suction_m - usual_m)
    beside = wanted - running
    return Duty(running, beside, suction_m, head, np.zeros(count), head, flow)


def _staged(load: Floats, pumps: int) -> Floats:
    """How many pumps run for a demand in multiples of one pump's rated flow, with hysteresis."""
    now, course = 1, []
    for one in load.tolist():
        if one > 1.08 * now and now < pumps:
            now += 1
        elif one < 0.82 * (now - 1) and now > 1:
            now -= 1
        course.append(now)
    return np.array(course, float)


def _level(
    pump: YearPump, world: World, usual_m: float, suction_m: Floats, effects: Effects, seed: int
) -> Duty:  # fmt: skip
    """Pumps that fill a tank or empty a wet well between two levels."""
    rng = stream(seed, pump.number, "duty")
    count, sewage = len(world.minute), pump.duty == "sewage"
    static = pump.static * pump.head_m
    usual = (pump.head_m - static) / pump.flow_m3h**2 * rng.uniform(0.8, 1.15)
    course = 0.03 * wandering(rng, DAY, 20 * DAY, count) + 0.02 * world.season
    single = usual * (1 + course)

    def hourly(effect: Floats | float) -> Floats | float:
        return effect[::60] if isinstance(effect, np.ndarray) else effect

    def delivered(pumps: int) -> Floats:
        friction = single[::60] * (1 - SHARED + SHARED * pumps**2)
        flow = flow_against(pump, hourly(effects.head_factor), static, friction) * hourly(effects.flow_factor)
        return np.repeat(flow, 60)[:count]

    one, two = delivered(1), delivered(2)
    if sewage:
        through = one[0] * rng.uniform(0.25, 0.5) * world.inflow
        area = one[0] * rng.uniform(0.2, 0.8) / 0.8
    else:
        through = one[0] * rng.uniform(0.35, 0.7) * world.demand
        area = one[0] * rng.uniform(0.8, 4)
    level, on, lead = _switched(
        np.minimum(through, 1.9 * two), one, two, area, -1.0 if sewage else 1.0, 0.4 if sewage else 0.5,
        pump.pumps, 0 if sewage else round(60 * pump.rotation_h),
    )  # fmt: skip
    mine = (on > 0) & ~world.serviced & ((lead == 0) | ((on == 2) & (lead == pump.pumps - 1)))
    beside = on - mine
    middle = WELL_M if sewage else TANK_M
    unrest = 0.004 * pump.head_m * wandering(stream(seed, pump.number, "unrest"), 5, 10, count)
    if sewage:
        suction = level + middle
        head = static - level + unrest
    else:
        drawdown = rng.uniform(1.5, 4.0) * lagged(on, 60, 1.0) if pump.duty == "borehole" else np.zeros(count)
        head = static + level - (suction_m - drawdown - usual_m) + unrest
        suction = suction_m - drawdown
    friction = single * (1 - SHARED + SHARED * (1 + beside) ** 2)
    standing = head + SHARED * single * (beside * one) ** 2
    has_level = pump.duty in ("sewage", "borehole")
    return Duty(mine, beside, suction, head, friction, standing, None, level + middle if has_level else None)


def _switched(
    through: Floats, one: Floats, two: Floats, area: float, sign: float, half: float, pumps: int, rotation: int
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Level around the middle [m], how many pumps run, and which leads; `sign` 1 where pumps fill, -1 where they empty.

    `rotation` in minutes; 0 where the lead changes with each start.
    """
    changes = [np.cumsum(sign * (pumped - through)) / (60 * area) for pumped in (0 * one, one, 2 * two)]
    count = len(through)
    level, ons, leads = np.empty(count), np.empty(count), np.empty(count, np.int64)
    at, now, on, lead = 0, 0.0, 0, 0
    while at < count:
        part = slice(at, min(at + 360, count))
        course = now + changes[on][part] - (changes[on][at - 1] if at else 0.0)
        need = -sign * course  # grows as pumps are needed
        more = need >= (half, 1.6 * half, np.inf)[on]
        less = (need <= -half) & (on > 0)
        hits = np.flatnonzero(more | less)
        last = int(hits[0]) if len(hits) else len(course) - 1
        here = slice(at, at + last + 1)
        level[here], ons[here], leads[here] = course[: last + 1], on, lead
        now, at = float(course[last]), at + last + 1
        if len(hits) and less[last]:
            on = 0
        elif len(hits):
            on += 1
            if on == 1:
                lead = (at // rotation if rotation else lead + 1) % pumps
    return level, ons, leads
