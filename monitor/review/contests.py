"""What vendors contest, as the ledger has it: which findings, why, and whether they said so in time.

A contested finding counts as confirmed in a second result beside the first, whatever its grade. A later reply can take
a contest back. Where the utility corrects a contested finding, the contest holds for the correction too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.ledger import Record, entries
from monitor.state import State

if TYPE_CHECKING:
    import pandas as pd

DAY_US = 86_400_000_000
ANSWER_DAYS = 30
PACK = "review reply-pack: "  # what of an export entry, followed by the vendor's name


@dataclass(frozen=True, slots=True)
class Contested:
    """Findings that are contested now, by the number of their entry."""

    reasons: Mapping[int, str] = field(default_factory=dict)
    late: frozenset[int] = frozenset()  # of these, contested after the 30 days
    withdrawn: int = 0  # contests that were taken back
    replies: tuple[int, ...] = ()  # the entries in which they came


def contested(state: State, vendor: str | None = None, upto_n: int | None = None) -> Contested:
    """What stands contested by one vendor (None: by any), reply after reply."""
    reasons: dict[int, str] = {}
    late: set[int] = set()
    replies: list[int] = []
    withdrawn = 0
    for entry in entries(state, ["contest"], upto_n=upto_n):
        if entry.erased or vendor not in (None, entry.data["vendor"]):
            continue
        replies.append(entry.n)
        for one in entry.data["findings"]:
            n = int(one["n"])
            if one.get("withdrawn") is True:
                withdrawn += reasons.pop(n, None) is not None
                late.discard(n)
                continue
            reasons[n] = str(one["reason"])
            late = late | {n} if entry.data.get("late") is True else late - {n}
    return Contested(reasons, frozenset(late), withdrawn, tuple(replies))


def followed(numbers: Iterable[int], findings: "pd.DataFrame") -> dict[int, int]:
    """The contested entries and those that corrected them since, each with the entry that was contested."""
    found = {n: n for n in numbers}
    added = set(found)
    while added:
        later = findings[findings["corrects"].isin(list(added)) & ~findings["n"].isin(list(found))]
        found |= {int(n): found[int(first)] for n, first in zip(later["n"], later["corrects"], strict=True)}
        added = {int(n) for n in later["n"]}
    return found


def pack_made(state: State, vendor: str, before_us: int | None = None) -> Record | None:
    """The last reply pack that was made for this vendor."""
    made = [entry for entry in entries(state, ["export"]) if entry.data.get("what") == f"{PACK}{vendor}"]
    made = [entry for entry in made if before_us is None or entry.at_us <= before_us]
    return made[-1] if made else None
