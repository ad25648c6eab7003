"""Which tags stand on which side of a meter's accounts, and the hours of them as the hot file has them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.health.meter import Account, with_storage
from monitor.historian.reader import HotReader
from monitor.plant import Asset, CrossCheck, Settings
from monitor.state import State

HOUR_S = 3600
WHOLE_HOUR = 0.9  # share of good samples from which an hour counts
SPOKEN = ("flow", "signal_quality", "gain")  # quantities of a meter that have a line of their own

Hourly = Callable[[str], np.ndarray]  # tag name -> hourly means, NaN where the hour was not good


@dataclass(frozen=True, slots=True)
class Sides:
    """An account by the names of its tags: what stands on the meter's side and on the other one."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    level: str = ""
    area_m2: float = 0.0  # negative where the meter measures what leaves the tank

    @property
    def tags(self) -> tuple[str, ...]:
        return (*self.left, *self.right, *((self.level,) if self.level else ()))


@dataclass(frozen=True, eq=False)
class Hours:
    """The hours of one meter: a column of `values` per quantity of its own, `by_tag` all that its accounts need."""

    values: pd.DataFrame
    by_tag: Mapping[str, np.ndarray]
    sides: tuple[Sides, ...]

    @property
    def accounts(self) -> list[Account]:
        return [self._account(one) for one in self.sides]

    def stored(self, one: Sides) -> np.ndarray:
        """What the tank of an account kept in each hour, as it stands on the right side [m3/h]; 0 without a tank."""
        rows = len(self.values)
        return with_storage(np.zeros(rows), self.by_tag[one.level], one.area_m2) if one.level else np.zeros(rows)

    def part(self, first: int, end: int) -> "Hours":
        """The rows first <= row < end: nothing of them knows of the others."""
        by_tag = {name: column[first:end] for name, column in self.by_tag.items()}
        return replace(self, values=self.values.iloc[first:end], by_tag=by_tag)

    @property
    def read(self) -> np.ndarray:
        """In which hours anything was read that can be learned or judged."""
        columns = [*self.values.to_numpy(float).T, *(one.left + one.right for one in self.accounts)]
        return np.asarray(np.isfinite(np.array(columns)).any(axis=0))

    @property
    def data_sha256(self) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(self.values.to_numpy(float), "<f8").tobytes())
        for one in self.accounts:
            digest.update(one.name.encode() + np.ascontiguousarray([one.left, one.right], "<f8").tobytes())
        return digest.hexdigest()

    def _account(self, one: Sides) -> Account:
        left, right = (np.sum([self.by_tag[name] for name in side], axis=0) for side in (one.left, one.right))
        if one.level:
            right = with_storage(right, self.by_tag[one.level], one.area_m2)
        return Account(one.name, left, right, (len(one.left), len(one.right)))


def meters(settings: Settings) -> list[Asset]:
    """The meters of which anything can be said."""
    return [
        one for one in settings.assets if one.kind == "meter" and (spoken(settings, one) or sides_of(settings, one))
    ]


def sides_of(settings: Settings, meter: Asset) -> list[Sides]:
    """The accounts in which a tag of this meter stands; without those on values that devices compute themselves."""
    return [one for one in _all_sides(settings, meter) if not estimated_in(settings, one)]


def left_out(settings: Settings, meter: Asset) -> list[Sides]:
    """The accounts of this meter that say nothing, because a device computes one of their values itself."""
    return [one for one in _all_sides(settings, meter) if estimated_in(settings, one)]


def estimated_in(settings: Settings, one: Sides) -> list[str]:
    """The tags of an account that devices compute themselves."""
    return [tag.name for tag in settings.tags if tag.estimated and tag.name in one.tags]


def spoken(settings: Settings, meter: Asset) -> dict[str, str]:
    """quantity -> tag of this meter that has a line of its own; what the device computes itself is no evidence.

    The flow of a meter with a duty is that of pumps: its nights show how they were switched, no leak.
    """
    own = {tag.quantity: tag.name for tag in settings.tags_of(meter.id) if not tag.estimated}
    return {name: own[name] for name in SPOKEN if name in own and not (name == "flow" and meter.duty)}


def hours(state: State, settings: Settings, meter: Asset, start_s: int, end_s: int) -> Hours:
    """The hours of a meter that begin at `start_s` or later and before `end_s`. [s, UTC]"""
    hourly = _hourly(HotReader(state.hot), start_s, end_s)
    index = pd.to_datetime(np.arange(start_s, end_s, HOUR_S), unit="s", utc=True)
    values = pd.DataFrame({quantity: hourly(name) for quantity, name in spoken(settings, meter).items()}, index=index)
    sides = tuple(sides_of(settings, meter))
    return Hours(values, {name: hourly(name) for one in sides for name in one.tags}, sides)


def _hourly(hot: HotReader, start_s: int, end_s: int) -> Hourly:
    number_of = {row.name: number for number, row in hot.tags().items()}
    cells = (end_s - start_s) // HOUR_S
    found: dict[str, np.ndarray] = {}

    def hourly(name: str) -> np.ndarray:
        if name not in found:
            column = np.full(cells, np.nan)
            rows = hot.rollup(number_of[name], HOUR_S, start_s) if name in number_of else []
            for row in rows:
                if row.t_s < end_s and row.mean is not None and row.share_good >= WHOLE_HOUR:
                    column[(row.t_s - start_s) // HOUR_S] = row.mean
            found[name] = column
        return found[name]

    return hourly


def _all_sides(settings: Settings, meter: Asset) -> list[Sides]:
    mine = {tag.name for tag in settings.tags_of(meter.id)}
    found: list[Sides] = []
    for check in settings.crosschecks:
        found += [one for one in _both_ways(check) if mine & set(one.left)][:1]
    return found


def _both_ways(check: CrossCheck) -> Sequence[Sides]:
    if check.kind == "sum":
        return [Sides(check.name, (check.whole,), check.parts), Sides(check.name, check.parts, (check.whole,))]
    if not (check.inflow and check.outflow):
        return []
    return [Sides(check.name, check.inflow, check.outflow, check.level, check.area_m2),
            Sides(check.name, check.outflow, check.inflow, check.level, -check.area_m2)]  # fmt: skip
