"""The whole study: which units there are, and all they came to."""

import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.bias.cells import Causal, Cell, Diagnosed, Sites, causal, cells, diagnosed, many_sites, nulls
from benchmarks.bias.scenarios import (
    AT_THE_LINE,
    CALENDARS,
    CHANGES,
    COVERED,
    FLAGGED,
    HONEST,
    INCUBATION,
    SITES,
    SPOILED,
    UNFAIR,
    WRITTEN,
    Plan,
    Scenario,
)
from drivers.sim.fleet import Wear

WEARS = (("evenly", Wear()), ("late", INCUBATION))
PARTS = 4  # shares of the calendar vendor's fleets, each with its own pool


@dataclass(frozen=True, slots=True)
class Unit:
    """Work for one process, and the part of the results that it gives."""

    part: str
    function: Callable[..., Any]
    given: tuple[Any, ...]

    @property
    def name(self) -> str:
        named = [one.name for one in self.given if isinstance(one, Scenario)]
        return " ".join([self.part.replace("_", " "), *named])


@dataclass(slots=True)
class Results:
    """What the units gave; a part that was not asked for is empty."""

    year: list[Cell] = field(default_factory=list)  # 12 months
    two_years: list[Cell] = field(default_factory=list)
    diagnosed: list[Diagnosed] = field(default_factory=list)
    nulls: list[tuple[str, int, int, int]] = field(default_factory=list)
    sites: list[Sites] = field(default_factory=list)
    causal: dict[str, list[Causal]] = field(default_factory=dict)  # how parts wear -> vendors
    left_out: list[str] = field(default_factory=list)  # units for which there was no time

    def cell(self, scenario: str, size: int, months: int) -> Cell | None:
        every = self.year if months == 12 else self.two_years
        return next((one for one in every if (one.scenario, one.size) == (scenario, size)), None)


def units(seed: int, plan: Plan, quick: bool) -> list[Unit]:
    """All that there is to do, what has a bar first."""
    few = replace(plan, pumps=plan.pumps // 2, fleets=plan.fleets // 2)
    calendar, *calendars = CALENDARS
    todo = [Unit("year", cells, (one, seed, plan, 12, True)) for one in (COVERED[:3] if quick else COVERED)]
    for one in (HONEST[0], AT_THE_LINE[0], AT_THE_LINE[-1]) if quick else (*AT_THE_LINE, *HONEST):
        todo.append(Unit("two_years", cells, (one, seed, plan, 24, False)))
    todo += [Unit("diagnosed", diagnosed, (calendar, seed, plan, 12, part)) for part in range(1 if quick else PARTS)]
    todo += [Unit("year", cells, (one, seed, few, 12, True)) for one in (WRITTEN[:1] if quick else WRITTEN)]
    todo.append(Unit("nulls", nulls, (seed, plan)))
    todo += [Unit(f"causal {name}", causal, (wear, seed, few)) for name, wear in WEARS]
    todo += [Unit("two_years", cells, (one, seed, few, 24, False)) for one in (() if quick else (*UNFAIR, *FLAGGED))]
    todo += [Unit("year", cells, (one, seed, few, 12, True)) for one in (() if quick else SPOILED)]
    for one in (CHANGES[0], CHANGES[3]) if quick else CHANGES:
        todo.append(Unit("diagnosed", diagnosed, (one, seed, plan, 24)))
    todo += [Unit("diagnosed", diagnosed, (one, seed, plan, 12)) for one in (calendars[1:2] if quick else calendars)]
    todo += [Unit("sites", many_sites, (seed, few, others)) for others in SITES[1:]]
    return todo


def run(seed: int, plan: Plan, processes: int, *, quick: bool, minutes: float = math.inf) -> Results:
    """All units, in so many processes; progress goes to stderr. Those not begun after `minutes` are left out."""
    results, todo = Results(), units(seed, plan, quick)
    until = time.monotonic() + 60 * minutes
    done: dict[int, Any] = {}
    with ProcessPoolExecutor(processes) as pool:
        futures = {pool.submit(unit.function, *unit.given): n for n, unit in enumerate(todo)}
        for future in as_completed(futures):
            if future.cancelled():
                continue
            done[futures[future]] = future.result()
            print(f"\rreview study: {len(done)} of {len(todo)} units", end="", file=sys.stderr, flush=True)
            if time.monotonic() > until:
                for other in futures:
                    other.cancel()
    print(file=sys.stderr)
    for n, unit in enumerate(todo):  # in their order, whichever came first
        if n not in done:
            results.left_out.append(unit.name)
        elif unit.part.startswith("causal"):
            results.causal[unit.part.removeprefix("causal ")] = done[n]
        elif isinstance(done[n], list):
            getattr(results, unit.part).extend(done[n])
        else:
            getattr(results, unit.part).append(done[n])
    results.diagnosed = _joined(results.diagnosed)
    return results


def _joined(parts: list[Diagnosed]) -> list[Diagnosed]:
    """Shares of one scenario as one: counts are added; medians and means are of the first share."""
    joined: dict[tuple[str, int], Diagnosed] = {}
    for one in parts:
        key = (one.scenario, one.months)
        joined[key] = joined[key].plus(one) if key in joined else one
    return list(joined.values())
