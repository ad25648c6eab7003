"""Ages at alert: days and run hours since the part was last served.

Days are told by the records. Run hours are told by the counter readings on the work orders of the asset, between two
of which the counter is taken to have run evenly; before the first, after the last, and across a counter that went back
or ran faster than time (exchanged, or a slip of the pen) nothing is told, and the age is absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.episodes import DAY_US
from models.bias.grading import quantity

HOUR_US = DAY_US / 24
SLACK_H = 48.0  # a reading may be noted a day off the day of the work, and so may the next

Part = tuple[str, str]  # asset, component


@dataclass(frozen=True, slots=True)
class Counter:
    """Readings of one run-hours counter in order of time; those of one stretch count on from each other."""

    at_us: NDArray[np.int64]
    hours: NDArray[np.float64]
    stretch: NDArray[np.int64]

    def between(self, begin_us: int, end_us: int) -> float | None:
        """Run hours from one moment to a later one; None where the readings do not tell."""
        first = int(np.searchsorted(self.at_us, begin_us, side="right")) - 1
        last = int(np.searchsorted(self.at_us, end_us, side="left"))
        if first < 0 or last == len(self.at_us) or self.stretch[first] != self.stretch[last]:
            return None
        begin, end = np.interp([begin_us, end_us], self.at_us[first : last + 1], self.hours[first : last + 1])
        return float(end - begin)


def counters(work: pd.DataFrame) -> dict[str, Counter]:
    """The counters by asset, from work orders with columns asset, at_us, run_hours ("12345 h")."""
    read = work.assign(hours=[quantity(one) for one in work["run_hours"]]).dropna(subset=["hours"])
    found = {}
    for asset, group in read.sort_values(["at_us", "hours"]).groupby("asset"):
        at, hours = group["at_us"].to_numpy(dtype=np.int64), group["hours"].to_numpy(dtype=float)
        more, elapsed = np.diff(hours), np.diff(at) / HOUR_US
        breaks = (more < 0) | (more > elapsed + SLACK_H)
        found[str(asset)] = Counter(at, hours, np.concatenate([[0], np.cumsum(breaks)]).astype(np.int64))
    return found


def times_of(frame: pd.DataFrame) -> dict[Part, NDArray[np.int64]]:
    """Part -> its `at_us` in order."""
    parts = frame.groupby(["asset", "component"], sort=False)["at_us"]
    return {(str(asset), str(part)): np.sort(times.to_numpy(dtype=np.int64)) for (asset, part), times in parts}


def next_after(times: Mapping[Part, NDArray[np.int64]], part: Part, at_us: int) -> int | None:
    """The first of a part's times later than `at_us`."""
    of_part = times.get(part)
    if of_part is None:
        return None
    position = int(np.searchsorted(of_part, at_us, side="right"))
    return int(of_part[position]) if position < len(of_part) else None


def last_before(times: Mapping[Part, NDArray[np.int64]], part: Part, at_us: int) -> int | None:
    """The last of a part's times earlier than `at_us`."""
    of_part = times.get(part)
    position = -1 if of_part is None else int(np.searchsorted(of_part, at_us, side="left")) - 1
    return int(of_part[position]) if of_part is not None and position >= 0 else None


def ages_at(
    frame: pd.DataFrame, column: str, services: Mapping[Part, NDArray[np.int64]], read: Mapping[str, Counter]
) -> dict[str, dict[str, list[float]]]:
    """Unit ("d", "run h") -> component -> ages at the times of `column`; what was never served has none."""
    ages: dict[str, dict[str, list[float]]] = {"d": {}, "run h": {}}
    for asset, part, at in zip(frame["asset"], frame["component"], frame[column], strict=True):
        served = last_before(services, (asset, part), at)
        if served is None:
            continue
        ages["d"].setdefault(part, []).append((at - served) / DAY_US)
        hours = read[asset].between(served, at) if asset in read else None
        if hours is not None and hours > 0:  # a pump that stood has no age in run hours
            ages["run h"].setdefault(part, []).append(hours)
    return ages
