"""What was entered about findings after the freeze: which of it counts, and what it turned, so that all of it is seen.

A finding that is brought in after the freeze for a time before it counts for nothing: nobody inspected anew. Where one
that stood at the freeze is corrected or withdrawn later, the change holds if it speaks for the vendor, or for neither
side; where it speaks against the vendor, what stood at the freeze holds, for who holds the pen has seen the answer by
then. It is the same whether the change came by import, by command or from the screen. Later changes of findings that
came after the freeze hold. Each is counted and shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

IMPORTED = "import"  # via of an entry that was brought in afterwards

_Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """A finding that was corrected or withdrawn after the freeze."""

    n: int  # the entry that stood
    by: int  # the last one that stands for it
    at_us: int  # when it was found, as the entry that stood says
    asset: str
    wo_id: str
    before: str  # grade
    now: str  # grade; "" where it was withdrawn
    confirmed: tuple[bool, bool]  # by an independent hand: before and now
    counts: bool


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What came after the freeze, of all assets and times."""

    late: frozenset[int] = frozenset()  # entries of findings from before the freeze that came after it: none counts
    held_back: frozenset[int] = frozenset()  # entries of changes that do not count
    turns: tuple[Turn, ...] = ()


def afterwards(findings: "pd.DataFrame", freeze_n: int, freeze_us: int | None) -> Afterwards:
    """Findings as the ledger has them, held against the last freeze (entry and UTC [us]); nothing without one."""
    if freeze_us is None:
        return Afterwards()
    late: set[int] = set()
    held_back: set[int] = set()
    turns = []
    for chain in _chains(findings):
        numbers = [int(one["n"]) for one in chain]
        held = sum(n <= freeze_n for n in numbers)  # how many of the chain the freeze had seen
        if not held and chain[0]["via"] == IMPORTED and int(chain[0]["at_us"]) < freeze_us:
            late |= set(numbers)
        elif len(chain) > max(held, 1):
            stood, now = chain[max(held, 1) - 1], chain[-1]
            counts = not held or not _against_vendor(stood, now)
            held_back |= set() if counts else set(numbers[held:])
            turns.append(_turn(stood, now, counts))
    return Afterwards(frozenset(late), frozenset(held_back), tuple(turns))


def _chains(findings: "pd.DataFrame") -> Iterator[Sequence[_Row]]:
    """Each finding with the entries that stand for it one after the other."""
    rows = {int(row["n"]): row for row in findings.sort_values("n").to_dict("records")}
    of = {n: None if row["corrects"] != row["corrects"] else row["corrects"] for n, row in rows.items()}
    after = {int(first): n for n, first in of.items() if first is not None}
    for n, first in of.items():
        if first is None or int(first) not in rows:
            chain: list[_Row] = [rows[n]]
            while (n := after.get(n, 0)) in rows:
                chain.append(rows[n])
            yield chain


def _confirmed(row: _Row) -> bool | None:
    """Whether the finding confirms; None where it says nothing: withdrawn, or written by the vendor."""
    from models.bias.cases import CONFIRMED

    if row.get("withdrawn") is True or row["inspector_party"] == "vendor":
        return None
    return row["grade"] in CONFIRMED


def _against_vendor(stood: _Row, now: _Row) -> bool:
    """Whether it confirms less than it did, is of another job, or the part is said to be less worn."""
    from models.bias.grading import quantity

    worth = {False: 0, None: 1, True: 2}
    elsewhere = any(stood[name] != now[name] for name in ("wo_id", "asset", "component"))
    less_worn = quantity(now["wear_pct"]) < quantity(stood["wear_pct"])
    return worth[_confirmed(now)] < worth[_confirmed(stood)] or elsewhere or less_worn


def _turn(stood: _Row, now: _Row, counts: bool) -> Turn:
    grade = "" if now.get("withdrawn") is True else str(now["grade"])
    confirmed = (_confirmed(stood) is True, _confirmed(now) is True)
    return Turn(int(stood["n"]), int(now["n"]), int(stood["at_us"]), str(stood["asset"]), str(stood["wo_id"]),
                str(stood["grade"]), grade, confirmed, counts)  # fmt: skip
