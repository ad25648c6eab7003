"""Sensors that stand still: a value that does not move where this one always moved, while others do.

Each tag has learned the longest time for which it ever gave one and the same value, but for rest: a flow of a pump that
stands is nothing for weeks. It counts as frozen after twice that, and not before STILL_S and STILL_ROWS. Where all tags
stand it is the telemetry.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.health.physics import Columns
from models.health.state import STEADY, row_starts

STILL_S, STILL_ROWS = 7200.0, 12
NEVER_S = 2 * 86_400.0  # a tag that stood as long as this while it was learned is not judged
REST = 0.1  # share of the usual size in running: below it a tag rests, and may do so for long
SAME = 1e-9  # relative: means of equal samples differ in the last bit


def longest_still(
    values: pd.DataFrame, state: np.ndarray, every_s: float, tags: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    """By tag that can be judged: after how long it is frozen [s], and below which size it rests."""
    found = {}
    for tag in tags:
        value = values[tag].to_numpy(float)
        usual = np.abs(value[(state == STEADY) & np.isfinite(value)])
        rest = REST * float(np.median(usual)) if len(usual) else 0.0
        awake = np.abs(value) > rest
        longest = float(_runs(value, awake, np.arange(len(value))).max(initial=0)) * every_s
        if awake.sum() >= 10 * STILL_ROWS and longest <= NEVER_S:
            found[tag] = max(2 * longest, STILL_S, STILL_ROWS * every_s), rest
    return found


def frozen(
    columns: Columns | pd.DataFrame, limits: Mapping[str, tuple[float, float]], every_s: float,
    at: np.ndarray | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Where each tag that ever stands still does so at the rows `at` (places, rising; None: all of them), by tag.

    For many assets at once each limit is an array of shape (assets, 1).
    """
    runs, awake = {}, {}
    for tag in (tag for tag in limits if tag in columns):
        value = np.asarray(columns[tag], float)
        places = np.arange(value.shape[-1]) if at is None else at
        known = np.abs(value) > limits[tag][1]
        awake[tag] = known[..., places]
        runs[tag] = _runs(value, known, places) * every_s
    found = {}
    for tag, run in runs.items():
        others = [one for name, one in runs.items() if name != tag]
        still = (run >= limits[tag][0]) & awake[tag]
        if others:
            still &= np.min(others, axis=0) < run / 2
        if still.any():
            found[tag] = still
    return found


def _runs(value: np.ndarray, where: np.ndarray, at: np.ndarray) -> np.ndarray:
    """For each asked row how many rows `where` until it gave the same value as the last of them; held between them."""
    n = value.shape[-1]
    rows = np.flatnonzero(where & np.isfinite(value))
    asked = row_starts(value.shape) + at
    if not len(rows):
        return np.zeros(asked.shape)
    seen = value.ravel()[rows]
    moved = np.ones(len(rows), bool)
    moved[1:] = (np.abs(np.diff(seen)) > SAME * np.maximum(np.abs(seen[1:]), 1e-12)) | (rows[1:] // n != rows[:-1] // n)
    last = np.searchsorted(rows, asked, side="right") - 1
    since = np.flatnonzero(moved)
    run = last - since[np.searchsorted(since, np.maximum(last, 0), side="right") - 1]
    return np.where((last >= 0) & (rows[last] // n == asked // n), run, 0).astype(float)
