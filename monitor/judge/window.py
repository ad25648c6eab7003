"""The last hours of all that the models read, by the minute: read once, and then only what is new.

Minutes come from the hot file's rollups. What is late by more than LATE_S does not change the past any more; the next
life of the process sees it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.health import Past
from models.health.batch import good_share_of
from models.health.features import only_good
from monitor.historian.reader import HotReader, TagRow
from monitor.historian.rollup import MINUTE_S, read_cells
from monitor.plant import QUANTITIES

ROWS = 1440  # a day: the slow view of a model is a median over half a day of running
LATE_S = 180
SLACK = 60
ROWS_AT_ONCE = 60


@dataclass(frozen=True, eq=False)
class Minutes:
    """One asset: `values` and `share_good` by quantity and minute, the last one ends at `end_s` [s, UTC]."""

    quantities: tuple[str, ...]
    units: Mapping[str, str]
    values: np.ndarray  # quantities x ROWS, float32, NaN where nothing was good
    share_good: np.ndarray
    end_s: int

    @property
    def rows(self) -> int:
        """Minutes from the first that has a sample of any quantity."""
        for part in (slice(0, 1), slice(None)):  # most windows are full
            seen = (self.share_good[:, part] > 0).any(axis=0) | np.isfinite(self.values[:, part]).any(axis=0)
            if seen.any():
                return int(ROWS - np.argmax(seen))
        return 0

    @property
    def seen(self) -> np.ndarray:
        """In which minutes there was a good sample of any quantity."""
        return np.asarray((self.share_good > 0).any(axis=0))

    @property
    def last_good_s(self) -> int | None:
        """When the last minute with a good sample of any quantity ends [s, UTC]; None for none."""
        good = np.flatnonzero(self.seen)
        return self.end_s - (ROWS - 1 - int(good[-1])) * MINUTE_S if len(good) else None

    @property
    def times_s(self) -> np.ndarray:
        """When each minute begins. [s, UTC]"""
        return np.arange(self.end_s - ROWS * MINUTE_S, self.end_s, MINUTE_S)

    def past(self) -> Past:
        """What is good of it, as models judge it in a block."""
        good = only_good(self.values, self.share_good)
        columns = {name: good[row] for name, row in sorted(zip(self.quantities, range(len(good)), strict=True))}
        return Past(self.times_s * 1_000_000, columns, good_share_of(self.share_good))

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(values, share_good) as models take them."""
        index = pd.to_datetime(self.times_s, unit="s", utc=True)
        values, share = (
            pd.DataFrame(table.T.astype(float), index=index, columns=list(self.quantities))
            for table in (self.values, self.share_good)
        )
        values.attrs["units"] = dict(self.units)
        return values, share


class Window:
    """The minutes of these assets. `take` reads what is new."""

    def __init__(self, tags: Mapping[int, TagRow], assets: Sequence[str]) -> None:
        """Of several tags for one quantity the first is taken that the device does not merely estimate."""
        self.damaged = 0
        wanted = set(assets)
        chosen: dict[str, dict[str, TagRow]] = {asset: {} for asset in assets}
        for row in sorted(tags.values(), key=lambda row: (row.estimated, row.number)):
            if row.asset in wanted and row.quantity in QUANTITIES:
                chosen[row.asset].setdefault(row.quantity, row)
        self._chosen = chosen
        rows = [row for asset in assets for row in chosen[asset].values()]
        self._numbers = [row.number for row in rows]
        self._place = np.full(max(self._numbers, default=-1) + 1, -1)
        self._place[self._numbers] = np.arange(len(rows))
        self._last = np.array([QUANTITIES[row.quantity][1] != "analog" for row in rows], bool)
        self._values = np.full((len(rows), ROWS + SLACK), np.nan, np.float32)
        self._share = np.zeros((len(rows), ROWS + SLACK), np.float32)
        self._first = 0  # column of the oldest minute
        ends = np.cumsum([len(chosen[asset]) for asset in assets])
        self._part = {
            asset: slice(int(end) - len(chosen[asset]), int(end)) for asset, end in zip(assets, ends, strict=True)
        }
        self._end_s: int | None = None

    def take(self, hot: HotReader, end_s: int) -> None:
        """Go on to the minute that ends at `end_s` [s, UTC]."""
        start_s = end_s - ROWS * MINUTE_S
        since_s = start_s
        if self._end_s is not None and start_s < self._end_s <= end_s:
            self._go_on((end_s - self._end_s) // MINUTE_S)
            since_s = max(start_s, self._end_s - LATE_S)
        elif self._end_s is not None:
            self._values[:], self._share[:] = np.nan, 0.0
        self._end_s = end_s
        for first_s in range(since_s, end_s, ROWS_AT_ONCE * MINUTE_S):
            until_s = min(first_s + ROWS_AT_ONCE * MINUTE_S, end_s)
            rows = hot.rollup_rows(self._numbers, MINUTE_S, first_s, until_s) if self._numbers else []
            t_s, tag, cells, damaged = read_cells(MINUTE_S, rows)
            self.damaged += damaged
            column, row = self._first + (t_s - start_s) // MINUTE_S, self._place[tag]
            self._values[row, column] = np.where(self._last[row], cells["last"], cells["mean"])
            self._share[row, column] = cells["good"] / np.maximum(cells["n"], 1)

    def _go_on(self, minutes: int) -> None:
        """Let the oldest minutes go; what stays is moved once an hour only."""
        first, until = self._first + minutes, self._first + ROWS
        if first > SLACK:
            for table in (self._values, self._share):
                table[:, : until - first] = table[:, first:until]
            first, until = 0, until - first
        for table, empty in ((self._values, np.nan), (self._share, 0.0)):
            table[:, until : first + ROWS] = empty
        self._first = first

    def of(self, asset: str) -> Minutes:
        """The minutes of one asset, as views."""
        part, chosen, rows = self._part[asset], self._chosen[asset], slice(self._first, self._first + ROWS)
        return Minutes(tuple(chosen), {name: row.unit for name, row in chosen.items()}, self._values[part, rows],
                       self._share[part, rows], self._end_s or 0)  # fmt: skip
