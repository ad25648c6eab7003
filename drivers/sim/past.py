"""At which duty the live pumps ran hour by hour before the demo began: the stations' physics for whole years at once.

fleet.py lays down years in seconds, so it cannot step through the plant. This is the same hydraulics, solved for arrays
of hours with pumps of equal wear in parallel, so that what a model learns from the past fits what it sees live.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.sim.pump import M_PER_BAR, SHUT_OFF, Pump, head_m
from drivers.sim.stations import (
    BOOSTER_FRICTION,
    BOOSTER_STATIC_M,
    BOOSTER_SUCTION_BAR,
    HEADER_BAR,
    LOWER_TOWN_M3H,
    PUMPS,
    SEWER_FRICTION,
    SEWER_STATIC_M,
    SUBMERGENCE_M,
    UPPER_TOWN_M3H,
    WELL_FRICTION,
    WELL_STATIC_M,
)

Floats = NDArray[np.float64]
CLEAR_WATER_M, RESERVOIR_M, WET_WELL_M = (1.8, 3.8), (3.3, 4.5), (0.8, 1.6)  # levels seen on an ordinary day


@dataclass(frozen=True, slots=True)
class Duty:
    """Where a pump runs in each hour, if it runs; arrays of the shape of the hours."""

    speed: Floats  # share of rated
    flow_m3h: Floats
    suction_bar: Floats
    standing_m: Floats  # head that the gauges show while it stands


def past_duty(pump: Pump, hour: NDArray[np.floating[Any]], wear: Floats, rng: np.random.Generator) -> Duty | None:
    """The duty of a live pump at these hours of the day with this impeller wear; None for a pump of no live station."""
    if pump not in PUMPS:
        return None
    day = 0.34 * np.cos(2 * np.pi * (hour - 14.5) / 24) + 0.22 * np.cos(2 * np.pi * (hour - 7.5) / 12)
    share = (1 + day) * (1 + 0.04 * rng.standard_normal(len(hour)))
    chance = rng.random(len(hour))
    full = np.ones(len(hour))
    if pump.duty == "high_lift":
        level = _level(CLEAR_WATER_M, rng, len(hour))
        demand = LOWER_TOWN_M3H * share + pump.flow_m3h * 0.5 * (1 + (chance < 0.3))
        count = np.clip(np.ceil(demand / pump.flow_m3h / 1.12), 1, 3)
        head, flow = HEADER_BAR * M_PER_BAR - level, demand / count
        room = head / pump.head_m + (SHUT_OFF - 1) * (flow / pump.flow_m3h) ** 2
        shut_off = head_m(pump, 0.0, 1.0, wear) / pump.head_m  # type: ignore[arg-type]
        return Duty(np.sqrt(room / shut_off), flow, level / M_PER_BAR, head)
    if pump.duty == "borehole":
        count = np.clip(np.rint((LOWER_TOWN_M3H + UPPER_TOWN_M3H) * share / pump.flow_m3h + chance - 0.5), 1, 3)
        static, friction = WELL_STATIC_M + _level(CLEAR_WATER_M, rng, len(hour)), WELL_FRICTION
        suction = SUBMERGENCE_M / M_PER_BAR * full
    elif pump.duty == "booster":
        count = 1.0 + (chance < 0.3 * share)
        static, friction = BOOSTER_STATIC_M + _level(RESERVOIR_M, rng, len(hour)), BOOSTER_FRICTION
        suction = BOOSTER_SUCTION_BAR * full
    else:
        level = _level(WET_WELL_M, rng, len(hour))
        count, static, friction, suction = full, SEWER_STATIC_M - level, SEWER_FRICTION, level / M_PER_BAR
    bend = (SHUT_OFF - 1) * pump.head_m / pump.flow_m3h**2 + friction * count**2
    lift = np.asarray(head_m(pump, 0.0, 1.0, wear)) - static  # type: ignore[arg-type]
    return Duty(full, np.sqrt(np.maximum(lift, 0.0) / bend), suction, static)


def _level(between: tuple[float, float], rng: np.random.Generator, hours: int) -> Floats:
    """Levels as the controls let them wander. [m]"""
    low, high = between
    return low + (high - low) * rng.random(hours)
