"""What others know of a pump, for its physics lines: the wet well it pumps down, and its share of the duty's hours."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from models.health.features import clean
from models.health.physics import Columns, Rated, arrays
from models.health.state import running_share
from models.health.use import DUTY_DAYS, duty_shares
from monitor.historian.reader import HotReader, TagRow
from monitor.historian.rollup import HOUR_S, read_cells
from monitor.plant import Asset, Settings

DAY_S = 86_400
Pair = tuple[pd.DataFrame, pd.DataFrame]
Frames = Callable[[str], Pair]  # asset -> its values and share of good, on the pump's rows


def well_assets(settings: Settings, asset: Asset) -> list[str]:
    """The other assets whose rows `well_columns` looks at; none for a pump without a wet well."""
    if asset.well is None:
        return []
    others = [one.id for one in settings.assets if one.well == asset.well and one.id != asset.id]
    return [*dict.fromkeys([asset.well, *others, *(name.partition(".")[0] for name in _inflow(settings, asset))])]


def well_columns(settings: Settings, asset: Asset, frames: Frames) -> dict[str, np.ndarray]:
    """What the assets of its well say of a pump (`beside_well`)."""
    return beside_well(settings, asset, lambda one: arrays(clean(*frames(one))))


def beside_well(settings: Settings, asset: Asset, rows: Callable[[str], Columns]) -> dict[str, np.ndarray]:
    """`level`, `others_running` and, where a cross-check names it whole, `inflow` (models.health.lines)."""
    if asset.well is None:
        return {}
    seen = {one: rows(one) for one in well_assets(settings, asset)}
    if "level" not in seen[asset.well]:
        return {}
    found = {"level": seen[asset.well]["level"]}
    shape = found["level"].shape
    others = [running_share(seen[one.id], _power(one), shape) for one in settings.assets
              if one.well == asset.well and one.id != asset.id]  # fmt: skip
    if others:
        found["others_running"] = np.maximum.reduce(others)  # unknown where one of them is
    names = [name.partition(".") for name in _inflow(settings, asset)]
    if names and all(quantity in seen[one] for one, _dot, quantity in names):
        found["inflow"] = np.sum([seen[one][quantity] for one, _dot, quantity in names], axis=0)
    return found


def _power(asset: Asset) -> Rated:
    return Rated(power_kw=asset.rated_power_kw, speed_hz=asset.rated_speed_hz)


def _inflow(settings: Settings, asset: Asset) -> Sequence[str]:
    level = f"{asset.well}.level"
    return next((one.inflow for one in settings.crosschecks if one.level == level), ())


def duty_groups(settings: Settings) -> dict[tuple[str, str], list[Asset]]:
    """The pumps that share the work: of one site and duty, two and more, all of them read."""
    read = {tag.asset for tag in settings.tags}
    groups: dict[tuple[str, str], list[Asset]] = {}
    for asset in settings.assets:
        if asset.kind == "pump" and asset.duty:
            groups.setdefault((asset.site, asset.duty), []).append(asset)
    return {key: pumps for key, pumps in groups.items() if len(pumps) > 1 and all(one.id in read for one in pumps)}


class DutyShares:
    """Each pump's share of its duty's hours [%], from the hours of the hot file, read once a day.

    Each group has its own hour of the day, so that not all are read at once; a new one says the same.
    """

    def __init__(self, settings: Settings, tags: Mapping[int, TagRow]) -> None:
        self._groups = list(duty_groups(settings).values())
        self._tags = {asset.id: _hours_tag(tags, asset.id) for group in self._groups for asset in group}
        self._ends: list[int] = [-1] * len(self._groups)
        self._shares: dict[str, float] = {}

    def take(self, hot: HotReader, now_s: int) -> None:
        """Read the groups whose day is over at `now_s` [s, UTC]."""
        for number, group in enumerate(self._groups):
            own_s = number % 24 * HOUR_S
            end_s = (now_s - own_s) // DAY_S * DAY_S + own_s
            if end_s != self._ends[number]:
                self._ends[number] = end_s
                self._shares |= dict(zip((one.id for one in group), self._read(hot, group, end_s), strict=True))

    def of(self, asset_id: str) -> float | None:
        """The share; NaN where it cannot be told; None for a pump that shares its duty with nobody."""
        return self._shares.get(asset_id)

    def _read(self, hot: HotReader, group: Sequence[Asset], end_s: int) -> Iterator[float]:
        start_s = end_s - (DUTY_DAYS * 24 + 1) * HOUR_S  # one more, before the first difference of a counter
        index = pd.to_datetime(np.arange(start_s, end_s, HOUR_S), unit="s", utc=True)
        hours = pd.DataFrame(np.nan, index, [one.id for one in group])
        for asset in group:
            tag = self._tags[asset.id]
            if tag is None:
                continue
            t_s, _tag, cells, _damaged = read_cells(HOUR_S, hot.rollup_rows([tag.number], HOUR_S, start_s, end_s))
            counted = tag.quantity == "run_hours"
            known = cells["good"] > 0
            value = np.full(len(index), np.nan)
            value[(t_s[known] - start_s) // HOUR_S] = cells["last" if counted else "mean"][known]
            if counted:
                value[1:] = np.diff(value)
                value = np.where((value >= 0) & (value <= 1.01), value, np.nan)  # an exchanged counter tells nothing
            hours[asset.id] = value
        yield from duty_shares(hours.iloc[1:], HOUR_S).iloc[-1].tolist()


def _hours_tag(tags: Mapping[int, TagRow], asset_id: str) -> TagRow | None:
    """The counter of run hours, else the run signal."""
    rows = sorted((row for row in tags.values() if row.asset == asset_id), key=lambda row: (row.estimated, row.number))
    return next((row for name in ("run_hours", "running") for row in rows if row.quantity == name), None)
