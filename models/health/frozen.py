"""Sensors that stand still: a value that does not move where this one always moved, while others do.

Each tag has learned the longest time for which it ever gave one and the same value, but for rest: a flow of a pump that
stands is nothing for weeks. It counts as frozen after twice that, and not before STILL_S and STILL_ROWS. Where all tags
stand it is the telemetry.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.health.state import STEADY

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
        longest = float(_runs(value, awake).max(initial=0)) * every_s
        if awake.sum() >= 10 * STILL_ROWS and longest <= NEVER_S:
            found[tag] = max(2 * longest, STILL_S, STILL_ROWS * every_s), rest
    return found


def frozen(values: pd.DataFrame, limits: Mapping[str, tuple[float, float]], every_s: float) -> dict[str, np.ndarray]:
    """Where each tag that ever stands still does so, by tag."""
    runs, awake = {}, {}
    for tag in (tag for tag in limits if tag in values):
        value = values[tag].to_numpy(float)
        awake[tag] = np.abs(value) > limits[tag][1]
        runs[tag] = _runs(value, awake[tag]) * every_s
    found = {}
    for tag, run in runs.items():
        others = [one for name, one in runs.items() if name != tag]
        still = (run >= limits[tag][0]) & awake[tag]
        if others:
            still &= np.min(others, axis=0) < run / 2
        if still.any():
            found[tag] = still
    return found


def _runs(value: np.ndarray, where: np.ndarray) -> np.ndarray:
    """For each row how many rows `where` before it gave the same value as the last of them; held between them."""
    rows = np.flatnonzero(where & np.isfinite(value))
    length = np.zeros(len(value))
    if not len(rows):
        return length
    seen = value[rows]
    moved = np.ones(len(rows), bool)
    moved[1:] = np.abs(np.diff(seen)) > SAME * np.maximum(np.abs(seen[1:]), 1e-12)
    number = np.arange(len(rows))
    since = number - np.maximum.accumulate(np.where(moved, number, 0))
    place = np.maximum.accumulate(np.where(where & np.isfinite(value), np.cumsum(where & np.isfinite(value)) - 1, -1))
    return np.where(place >= 0, since[np.maximum(place, 0)], 0.0)
