"""What happens around a pump in a year, minute by minute: weather, demand, rain, voltage, work, lost telemetry."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.sim.year.pump import Floats, YearPump, stream

DAY = 1440  # minutes
DAYS = 366  # of every random course; a shorter run is the beginning of a longer one
FIRST_DAY = np.datetime64("2025-01-01", "us")
HOLIDAYS = (0, 5, 87, 90, 120, 128, 139, 226, 275, 304, 358, 359)  # days of the year
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class World:
    """Courses over the minutes of a run."""

    minute: Floats
    outside_degc: Floats
    demand: Floats  # of the network, share of its yearly mean
    inflow: Floats  # of sewage, likewise
    season: Floats  # -1 in winter, 1 in summer
    hour: Floats  # of the day
    voltage: Floats
    serviced: Flags  # out of service, isolated
    services: tuple[tuple[int, int], ...]  # first and last minute of each service


def wandering(rng: np.random.Generator, step_min: float, memory_min: float, count: int) -> Floats:
    """An Ornstein-Uhlenbeck course of unit variance over `count` minutes, laid on a grid of `step_min`."""
    points = int(DAYS * DAY / step_min) + 2
    keep = float(np.exp(-step_min / memory_min))
    value, course = float(rng.standard_normal()), []
    for push in (np.sqrt(1 - keep * keep) * rng.standard_normal(points)).tolist():
        course.append(value)
        value = keep * value + push
    return np.interp(np.arange(count), step_min * np.arange(points), course)


def lagged(target: Floats, memory_min: float, start: float) -> Floats:
    """First-order answer to `target` with this time constant."""
    keep = float(np.exp(-1 / memory_min))
    block = max(1, min(len(target), int(20 * memory_min)))
    decay = keep ** np.arange(1, block + 1)
    out, value = np.empty(len(target)), start
    for first in range(0, len(target), block):
        part = target[first : first + block]
        fade = decay[: len(part)]
        out[first : first + block] = fade * (value + (1 - keep) * np.cumsum(part / fade))
        value = out[first + len(part) - 1]
    return out


def world_of(pump: YearPump, seed: int, days: int) -> World:
    """The surroundings of one pump; pumps of one fleet share nothing but the calendar."""
    count = days * DAY

    def rng(name: str) -> np.random.Generator:
        return stream(seed, pump.number, name)

    minute = np.arange(count, dtype=float)
    day = pump.start_day + minute / DAY
    hour = minute / 60 % 24
    season = -np.cos(2 * np.pi * (day - 20) / 365.25)
    weather = wandering(rng("weather"), 60, 3 * DAY, count)
    outside = 10.5 + 8.5 * season + 3.2 * weather - (2.5 + 2 * season) * np.cos(2 * np.pi * (hour - 3.5) / 24)
    services = _services(pump, seed)
    serviced = np.zeros(count, bool)
    for first, last in services:
        serviced[first:last] = True
    return World(
        minute, outside, _demand(pump, rng("demand"), day, hour, outside), _inflow(rng("inflow"), count, hour, season),
        season, hour, 400 * (1 + 0.008 * wandering(rng("voltage"), 30, 300, count) - 0.006 * np.cos(np.pi * hour / 12)),
        serviced, services,
    )  # fmt: skip


def _demand(pump: YearPump, rng: np.random.Generator, day: Floats, hour: Floats, outside: Floats) -> Floats:
    """Two peaks a day; weekends and holidays later and flatter; hot days water gardens; trends, unrest."""
    late, size, hot, weekend = (
        rng.normal(0, 0.6),
        rng.uniform(0.8, 1.15),
        rng.uniform(0.1, 0.3),
        rng.uniform(0.92, 1.06),
    )
    number = day.astype(np.int64)
    of_week = (number + 2) % 7  # 1 January 2025 is a Wednesday
    free = (of_week >= 5) | np.isin(number % 365, HOLIDAYS)
    clock = hour - late - 1.5 * free
    course = 1 + size * np.where(free, 0.85, 1.0) * (
        0.30 * np.cos(2 * np.pi * (clock - 14.5) / 24) + 0.20 * np.cos(2 * np.pi * (clock - 7.5) / 12)
    )
    warm = lagged(outside, 2 * DAY, float(outside[0]))
    garden = hot * np.clip((warm - 15) / 9, 0, 1.3) * (1 + 0.6 * np.cos(2 * np.pi * (hour - 20) / 24))
    unrest = 0.04 * wandering(rng, 20, 180, len(day)) + 0.03 * wandering(rng, DAY, 20 * DAY, len(day))
    return np.maximum(course * np.where(free, weekend, 1.0) * (1 + unrest) + garden, 0.15)


def _inflow(rng: np.random.Generator, count: int, hour: Floats, season: Floats) -> Floats:
    """Sewage in dry weather, infiltration in wet months, and rain."""
    rain = np.where(rng.random(DAYS * 24) < 0.035, rng.gamma(0.8, 1.6, DAYS * 24), 0.0)
    storm = lagged(np.repeat(rain, 60)[:count], 240, 0.0)
    dry = 1 + 0.38 * np.cos(2 * np.pi * (hour - 13.5) / 24) + 0.18 * np.cos(2 * np.pi * (hour - 8.5) / 12)
    return dry * (1 + 0.05 * wandering(rng, 20, 120, count)) - 0.12 * season + np.minimum(storm, 2.5)


def _services(pump: YearPump, seed: int) -> tuple[tuple[int, int], ...]:
    """When it is taken out of service: some hours or days some times a year, and for weeks on three pumps in ten."""
    rng = stream(seed, pump.number, "service")
    found = []
    for _ in range(1 + int(rng.poisson(2.5))):
        first = int(rng.uniform(5 * DAY, DAYS * DAY))
        found.append((first, first + int(60 * np.clip(rng.lognormal(2.2, 0.9), 2, 96))))
    if rng.random() < 0.3:
        first = int(rng.uniform(40 * DAY, 330 * DAY))
        found.append((first, first + int(rng.uniform(14, 35) * DAY)))
    return tuple(sorted(found))


def seen(pump: YearPump, seed: int, count: int) -> Flags:
    """The minutes whose samples reached us: about 1 % is lost to gaps of minutes to three days."""
    rng = stream(seed, pump.number, "gaps")
    good = np.ones(DAYS * DAY, bool)
    for _ in range(int(rng.poisson(22))):
        first = int(rng.uniform(0, DAYS * DAY))
        good[first : first + int(np.clip(rng.lognormal(np.log(40), 1.9), 3, 3 * DAY))] = False
    thin = np.flatnonzero(rng.random(DAYS * DAY // 10) < 0.004)  # ten minutes of which only some arrive
    for block, lost in zip(thin, rng.integers(2, 10, len(thin)), strict=True):
        good[10 * block : 10 * block + lost] = False
    return good[:count]
