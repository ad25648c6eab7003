"""What every section of the comparison report is made from, gathered once."""

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from monitor import review
from monitor.plant import Settings
from monitor.state import State
from monitor.words import local_text

if TYPE_CHECKING:
    import pandas as pd

MOST_CASES = 400  # on the pages; the CSV has them all


@dataclass(frozen=True, slots=True)
class Look:
    """One review with the records of its period, and where both came from."""

    state: State
    settings: Settings
    told: review.Answer
    records: "dict[str, pd.DataFrame]"  # of the period, by kind


def day_text(us: int) -> str:
    """The day in UTC."""
    return local_text(int(us), UTC, "%Y-%m-%d")[:10]
