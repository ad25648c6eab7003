"""Frames for models: the samples of one asset on a regular grid, and beside each value how much of it was good.

What could not be trusted is absent (NaN), never filled, and the share of good samples tells by how much.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from drivers.record import FROM_ELSEWHERE, Reason
from monitor.historian.parquet import TagFacts
from monitor.historian.query import search
from monitor.plant import QUANTITIES
from monitor.state import State

if TYPE_CHECKING:
    from monitor.plant import Settings

UNTAUGHT = np.uint32(Reason.FORCED | Reason.MAINTENANCE)


def wide(
    state: State, settings: "Settings", asset_id: str, start_us: int, end_us: int, every_s: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(values, share_good) of one asset: a column per quantity, a row per cell [t, t + every_s) from `start_us`.

    A value is the mean of the good samples of its cell; of a state, flag or counter it is the last good one. NaN where
    there is none. Where a cell has samples that we read ourselves, what was brought in or entered by hand is left out;
    what a person entered is uncertain and makes no value anywhere. What was forced or came under maintenance is shown
    to people and never trained on: it counts as not good here. share_good is 0 where there is no sample. The index is
    UTC, the left edge of each cell.

    `values.attrs`: units by quantity; left_out, tags whose unit was another one than today's; damaged, as in `read`.
    Where an asset has several tags for a quantity, the first of the configuration that the device does not merely
    estimate is taken; an asset without tags in the configuration is taken from history as it was written.
    """
    configured = _configured(settings, asset_id)
    chosen: dict[str, str] = {quantity: name for quantity, (name, _) in configured.items()}
    units: dict[str, str] = {quantity: unit for quantity, (_, unit) in configured.items()}
    quantity_of: dict[str, str] = {}
    left_out: set[str] = set()

    def choose(facts: Mapping[str, TagFacts]) -> set[str]:
        names = set()
        for name in sorted(facts):
            one = facts[name]
            quantity = one["quantity"]
            if one["asset"] != asset_id or quantity not in QUANTITIES:
                continue
            if chosen.setdefault(quantity, name) != name:
                continue
            if units.setdefault(quantity, one["unit"]) != one["unit"]:
                left_out.add(f"{name} in {one['unit']}")
                continue
            quantity_of[name] = quantity
            names.add(name)
        return names

    found = search(state, choose, start_us, end_us, site=settings.asset(asset_id).site)
    every_us = round(every_s * 1e6)
    cells = max(0, -(-(end_us - start_us) // every_us))
    index = pd.to_datetime(start_us + np.arange(cells) * every_us, unit="us", utc=True)
    values: dict[str, np.ndarray] = {}
    shares: dict[str, np.ndarray] = {}
    by_tag = dict(list(found.groupby("tag", sort=False)))
    for quantity, name in chosen.items():
        values[quantity], shares[quantity] = _cells(by_tag.get(name), quantity, start_us, every_us, cells)
    frame, share = pd.DataFrame(values, index=index), pd.DataFrame(shares, index=index)
    frame.attrs |= {"units": units, "left_out": sorted(left_out), "damaged": found.attrs["damaged"]}
    return frame, share


def _configured(settings: "Settings", asset_id: str) -> dict[str, tuple[str, str]]:
    """quantity -> (tag name, unit): of several the first that is not estimated, else the first."""
    found: dict[str, tuple[str, str]] = {}
    for tag in sorted(settings.tags_of(asset_id), key=lambda tag: tag.estimated):
        found.setdefault(tag.quantity, (tag.name, tag.unit))
    return found


def _cells(
    rows: pd.DataFrame | None, quantity: str, start_us: int, every_us: int, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """(value, share good) of each cell; f64, shape (cells,)."""
    value, share = np.full(cells, np.nan), np.zeros(cells)
    if rows is None or not len(rows):
        return value, share
    # a start between two ms: its first cell also holds the sample that history cut to that ms
    cell = np.maximum((rows["receive_us"].to_numpy() - start_us) // every_us, 0)
    number = rows["value"].to_numpy()
    reasons = rows["reasons"].to_numpy()
    own = (reasons & np.uint32(FROM_ELSEWHERE)) == 0
    counts = own | (np.bincount(cell[own], minlength=cells) == 0)[cell]
    good = (rows["quality"].to_numpy() == 0) & ((reasons & UNTAUGHT) == 0) & np.isfinite(number) & counts
    total = np.bincount(cell[counts], minlength=cells)
    count = np.bincount(cell[good], minlength=cells)
    np.divide(count, total, out=share, where=total > 0)
    if QUANTITIES[quantity][1] == "analog":
        np.divide(np.bincount(cell[good], number[good], cells), count, out=value, where=count > 0)
    else:
        value[cell[good]] = number[good]  # rows are in time order: the last one stays
    return value, share
