"""When our own model could tell at all: where it could not, its silence says nothing.

It could from an assessment with a known index on, until one whose index is not known. Own alerts without an assessment
before them (those of another program, or of a simulated fleet) do not say when their model watched: it is taken to have
watched their assets all the time.
"""

import bisect
from collections.abc import Collection, Mapping
from typing import NamedTuple

import pandas as pd


class Watch(NamedTuple):
    """Of one asset: the times (UTC [us]) from which the own model could tell, or could not."""

    times: tuple[int, ...]
    known: tuple[bool, ...]

    def at(self, at_us: int) -> bool:
        """Whether it could tell at a moment."""
        place = bisect.bisect_right(self.times, at_us) - 1
        return place >= 0 and self.known[place]

    def within(self, start_us: int, end_us: int) -> bool:
        """Whether it could tell at any time of a period."""
        return self.at(start_us) or any(
            known for us, known in zip(self.times, self.known, strict=True) if start_us < us < end_us
        )


def watches(tables: Mapping[str, pd.DataFrame], assets: Collection[str]) -> dict[str, Watch]:
    """The watch over each of these assets of which the records (by kind, as the ledger has them) know one."""
    told: dict[str, list[tuple[int, bool]]] = {}
    judged = tables.get("assessment")
    if judged is not None:
        for asset, at_us, index in zip(judged["asset"], judged["at_us"], judged["index"], strict=True):
            if asset in assets:
                told.setdefault(asset, []).append((int(at_us), index is not None and index == index))
    alerts = tables.get("own_alert")
    if alerts is not None and len(alerts):
        for asset, at_us in alerts.groupby("asset")["at_us"].min().items():
            if asset in assets and int(at_us) < min((us for us, _known in told.get(str(asset), ())), default=2**63):
                told.setdefault(str(asset), []).append((0, True))
    return {asset: Watch(*zip(*sorted(changes), strict=True)) for asset, changes in told.items()}
