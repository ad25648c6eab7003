"""Pools of simulated pumps, and fleets drawn from them with replacement.

A pool is one long simulation of many pumps under one vendor. A fleet is so many of its pumps, drawn at random with
replacement: to a fleet the pool is the whole population, so that what is true of the pool is exactly what the fleet's
figures estimate. Fleets of a scenario share their pool and the dates of the period.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.bias.scenarios import Scenario
from drivers.sim.fleet import PARTS, FleetRecords, Truth, district_pumps, simulate
from models.bias.cases import COLUMNS, cases_of, prepared, started
from models.bias.episodes import merge
from models.bias.parameters import Cost, Parameters
from models.bias.review import YEAR_US

Rows = dict[str, dict[str, NDArray[np.int64]]]  # frame -> asset -> rows of it
END_US = 1_795_392_000_000_000
STATION = 5  # pumps of a fleet at one site: jobs there within a few days are judged as one


def tables(fleet: FleetRecords) -> dict[str, pd.DataFrame]:
    """The records as the review gets them."""
    rows = defaultdict(list)
    for one in fleet.records:
        place = {"at_us": one.at_us, "site": one.site, "asset": one.asset, "component": one.component}
        rows[one.kind].append({**place, **one.data})
    return {kind: pd.DataFrame(found) for kind, found in rows.items()}


def parameters(assets: Sequence[str], start_us: int) -> Parameters:
    """What is frozen beforehand: the defaults, q0 = .5 agreed, prices, one date."""
    return Parameters(
        assets=tuple((asset, f"D{seat // STATION}") for seat, asset in enumerate(assets)),
        agreed=True,
        costs={(asset, part.name): Cost(part.cost_planned, part.cost_failure) for asset in assets for part in PARTS},
        events=(("firmware", start_us + round(YEAR_US)),),
    )


@dataclass(frozen=True)
class Pool:
    """One scenario's population: so many pumps over so many months."""

    scenario: Scenario
    assets: tuple[str, ...]
    start_us: int
    end_us: int
    truth: Truth
    tables: dict[str, pd.DataFrame]

    @property
    def excess(self) -> float:
        """True net excess by life accounting. [1/pump/year]"""
        return self.truth.excess_per_year / len(self.assets)

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The records of all pumps as `review` reads them: alerts, work, failure, closings, vendor, own, cases."""
        chosen, period = parameters(self.assets, self.start_us), (self.start_us, self.end_us)
        data = {kind: prepared(self.tables.get(kind), kind, dict(chosen.assets)) for kind in COLUMNS}
        work, failure, alerts = data["work_order"], data["failure"], data["vendor_alert"]
        closings = pd.concat([frame[["at_us", "asset", "component"]] for frame in (work, failure)])
        vendor, own = (
            merge(
                frame, gap_days=chosen.merge_days, horizon_days=chosen.horizon_days, origin=origin, closings=closings,
                now_us=self.end_us,
            )
            for origin, frame in (("vendor", alerts), ("own", data["own_alert"]))
        )  # fmt: skip
        cases, *_ = cases_of(work, data["finding"], alerts, own, chosen, period)
        failure = failure[(failure["at_us"] >= period[0]) & (failure["at_us"] < period[1])]
        return {"alerts": alerts, "work": work, "failure": failure, "closings": closings,
                "vendor": started(vendor, period), "own": started(own, period), "cases": cases}  # fmt: skip

    def frames_of(self, assets: Sequence[str]) -> dict[str, pd.DataFrame]:
        """The same of these pumps only."""
        return _part(self.frames, self._frame_rows, assets)

    def tables_of(self, assets: Sequence[str]) -> dict[str, pd.DataFrame]:
        """The records of these pumps, in order of time."""
        return _part(self.tables, self._table_rows, assets)

    @cached_property
    def _frame_rows(self) -> Rows:
        return _rows(self.frames)

    @cached_property
    def _table_rows(self) -> Rows:
        return _rows(self.tables)


def _rows(frames: Mapping[str, pd.DataFrame]) -> Rows:
    placed = {name: frame for name, frame in frames.items() if frame["asset"].notna().any()}
    return {name: frame.groupby("asset").indices for name, frame in placed.items()}


def _part(frames: Mapping[str, pd.DataFrame], rows: Rows, assets: Sequence[str]) -> dict[str, pd.DataFrame]:
    chosen = {}
    for name, by_asset in rows.items():
        found = [by_asset[asset] for asset in assets if asset in by_asset]
        chosen[name] = frames[name].iloc[np.sort(np.concatenate(found)) if found else []]
    return chosen


def pool_of(scenario: Scenario, seed: int, pumps: int, months: int) -> Pool:
    """The pool of a scenario: its own stream of the study's seed."""
    own_seed = int(np.random.SeedSequence([seed, *scenario.name.encode()]).generate_state(1)[0])
    fleet = simulate(
        own_seed, pumps, months, end_us=END_US, vendor=scenario.vendor, people=scenario.people, wear=scenario.wear,
        telemetry=False,
    )  # fmt: skip
    assets = tuple(pump.id for pump in district_pumps(pumps))
    return Pool(scenario, assets, fleet.start_us, fleet.end_us, fleet.truth, tables(fleet))
