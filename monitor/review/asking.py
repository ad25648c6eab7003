"""Which period a review is of, and how many questions were asked of the same records.

The error rate of a flag holds for one bet that begins at one start, however often and whenever somebody looks at it.
Who may move the start asks again, and so does who picks a part, a vendor or other parameters. So the start is a
parameter that is frozen, the end is now, and each different question is counted.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.ledger import Record, entries
from monitor.plant import Settings
from monitor.review.choosing import moment_us
from monitor.review.narrowing import CAPPED
from monitor.state import State

if TYPE_CHECKING:
    from models.bias.result import ReviewResult

_DAY_US = 86_400_000_000
_DAYS = 730  # two full cycles of 12 months

Question = tuple[str, str | None, str, tuple[str, ...]]  # SHA-256 of the parameters, vendor, start, part


def first_us(now_us: int) -> int:
    """The start where none is fixed: 24 months before, at the start of the day, UTC [us]."""
    return (now_us // _DAY_US - _DAYS) * _DAY_US


def fixed_us(settings: Settings, last: Record | None) -> int | None:
    """The start that is fixed: by [review] since in site.toml, else by the last freeze; None where neither is. [us]"""
    since = settings.review.since
    return moment_us(since.isoformat(), "site.toml: [review] since") if since else frozen_us(last)


def frozen_us(last: Record | None) -> int | None:
    """The start that this freeze holds. [us]"""
    return None if last is None else last.data["parameters"].get("start_us")


def asked(start: str | None, end: str | None, now_us: int, verb: str) -> tuple[int | None, int]:
    """The period as a person gave it: its start (None: the one that is fixed) and its end, UTC [us].

    Raises UserError, for the verb, where there can be no such period.
    """
    end_us = moment_us(end, f"{verb}: --to") if end else now_us
    start_us = moment_us(start, f"{verb}: --from") if start else None
    if start_us is not None and start_us >= min(end_us, now_us):
        late = "--to" if end_us <= now_us else "now"
        raise UserError(f"{verb}: --from lies after {late}; give an earlier first day")
    return start_us, end_us


def only_a_look(part: "ReviewResult") -> "ReviewResult":
    """The result of another period than the frozen one: at WATCH where it would be more."""
    return dataclasses.replace(part, status="WATCH", gate="another_period") if part.status in CAPPED else part


def question_of(told: Mapping[str, Any], names: tuple[str | None, ...]) -> Question | None:
    """What a review entry asked; None where it was of another vendor than the one of these names."""
    vendor = told.get("vendor")
    if not concerns(vendor, names):
        return None
    part = tuple(str(one) for one in told.get("part") or ())
    return str(told.get("parameters_sha256")), names[0] if vendor in names else vendor, str(told.get("start")), part


def concerns(vendor: str | None, names: tuple[str | None, ...]) -> bool:
    """Whether a review of this vendor (None: of all) has seen records of the one of these names."""
    return vendor is None or names[0] is None or vendor in names


def asked_before(state: State, names: tuple[str | None, ...], upto_n: int | None = None) -> list[Question]:
    """Each different question that was asked of these records, in the order in which it was asked first."""
    told = (one for one in entries(state, ["review"], upto_n=upto_n) if not one.erased)
    return list(dict.fromkeys(one for entry in told if (one := question_of(entry.data, names))))
