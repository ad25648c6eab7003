"""What every section of the comparison report is made from, gathered once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from monitor import review
from monitor.plant import Settings
from monitor.reports.document import Block, Cell, Plot, Table
from monitor.state import State
from monitor.words import local_text

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

    @property
    def years(self) -> float:
        """Length of the period. [year]"""
        return (self.told.result.end_us - self.told.result.start_us) / YEAR_US


def day_text(us: int) -> str:
    """The day in UTC."""
    return local_text(int(us), UTC, "%Y-%m-%d")[:10]


def drawn(
    name: str, svg: str, caption: str, words: str, head: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]
) -> tuple[Block, ...]:
    """A picture, and the numbers that it shows as a table of the CSV folder."""
    return (Plot(name, svg, caption, words), Table(name, head, tuple(rows), about=caption, most=0))
