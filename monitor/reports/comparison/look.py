"""What every section of the comparison report is made from, gathered once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from models.bias.watched import Watch
from monitor import review
from monitor.plant import Settings
from monitor.reports.document import Block, Cell, Plot, Table
from monitor.state import State
from monitor.words import day_text

YEAR_US = 365.25 * 86_400_000_000
Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """One review with the records of its period, and where both came from."""

    state: State
    settings: Settings
    told: review.Answer
    past: Mapping[str, Sequence[Row]]  # all that holds by the end of the period, by kind: not what was corrected
    records: Mapping[str, Sequence[Row]]  # of that what lies in the period and on the assets looked at
    watch: Mapping[str, Watch]  # asset -> when our own model could tell

    @property
    def years(self) -> float:
        """Length of the period. [year]"""
        return (self.told.result.end_us - self.told.result.start_us) / YEAR_US

    @property
    def zone(self) -> tzinfo:
        """The utility's time zone: a day that a person wrote without an hour is a day of it."""
        return ZoneInfo(self.settings.time_zone)

    def day(self, us: int) -> str:
        """The day at the utility."""
        return day_text(us, self.zone)

    def asked(self) -> Counter[str]:
        """Alerts of the period by asset: their sum is the number that the evidence table has."""
        return Counter(one["asset"] for one in self.records["vendor_alert"] if one["active"] is not False)

    def read(self) -> list[str]:
        """Assets that we read and assessed in the period: their state or their index was known at some time of it."""
        result, told = self.told.result, {}
        for one in self.past["assessment"]:
            known = one["index"] is not None or one["state"] not in (None, "", "unknown")
            if one["at_us"] < result.start_us:
                told[one["asset"]] = known
            else:
                told[one["asset"]] = known or told.get(one["asset"], False)
        return [asset for asset, _site in self.told.parameters.assets if told.get(asset)]


def drawn(
    name: str, svg: str, caption: str, words: str, head: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]
) -> tuple[Block, ...]:
    """A picture, and the numbers that it shows as a table of the CSV folder."""
    return (Plot(name, svg, caption, words), Table(name, head, tuple(rows), about=caption, most=0))
