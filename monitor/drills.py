"""When a station was last run by hand as an exercise, and when that is due again: told by the ledger's drills.

Twelve months are the default (practice, 4.1); the record of a drill may name an earlier day. Standard library only: the
screen says it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.words import _, age_text, clean, day_text, parse_utc

EVERY_US = 366 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """The next drill of a station. `last_us` is None where there never was one, and then it is due now (UTC [us])."""

    site: str
    last_us: int | None
    due_us: int

    def overdue(self, now_us: int) -> bool:
        """Whether it should have been by now."""
        return self.due_us <= now_us

    def words(self, now_us: int) -> str:
        """When it was, and when it is due, in words."""
        if self.last_us is None:
            return _("no drill is on record")
        last, due = day_text(self.last_us), day_text(self.due_us)
        if self.overdue(now_us):
            age = age_text((now_us - self.due_us) / 1e6)
            return _("last drill {last}, due since {due} ({age})").format(last=last, due=due, age=age)
        return _("last drill {last}, next due {due}").format(last=last, due=due)


def due_drills(periods: Iterable[Mapping[str, Any]], sites: Sequence[str]) -> list[Due]:
    """The next drill of each site, the most urgent first; `periods` are the data of ledger entries `period`.

    A drill that names no station counts for the only one that there is, else for none.
    """
    found: dict[str, tuple[int, int]] = {}
    for data in periods:
        start_us = _time_us(data.get("start"))
        if data.get("drill") is not True or start_us is None:
            continue
        named = data.get("sites")
        told = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        asked_us = _time_us(f"{clean(data.get('next_due'), 20)}T00:00:00Z")
        due_us = min(start_us + EVERY_US, asked_us) if asked_us and asked_us > start_us else start_us + EVERY_US
        for site in told or (sites if len(sites) == 1 else ()):
            found[site] = max(found.get(site, (0, 0)), (start_us, due_us))
    rows = [Due(site, found[site][0] if site in found else None, found.get(site, (0, 0))[1]) for site in sites]
    return sorted(rows, key=lambda one: (one.due_us, one.site))


def _time_us(text: object) -> int | None:
    try:
        return parse_utc(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
