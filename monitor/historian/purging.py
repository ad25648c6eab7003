"""Whole days of raw samples leave: by age, or because the disk is full. Never a young one, never what is not verified.

Rollups of an hour stay in the hot file for years; the ledger says what left, by which rule.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from monitor.historian.cold import Cold, Stored, Unreachable, days, digest_of, in_folder, noted, remove, sites
from monitor.historian.merging import WHOLE


@dataclass(frozen=True, slots=True)
class Purged:
    """What left: files with their SHA-256, the days from first to last (UTC), and how many bytes are free by it."""

    files: dict[str, str]
    first_day: str | None
    last_day: str | None
    bytes: int
    rule: str
    kept: tuple[str, ...]  # days that would have left and stay: their file is not what was written, or cannot be moved

    @property
    def data(self) -> dict[str, Any]:
        """The body of a ledger entry of kind purge."""
        return {
            "files": list(self.files), "sha256": list(self.files.values()), "first_day": self.first_day,
            "last_day": self.last_day, "bytes": self.bytes, "rule": self.rule,
        }  # fmt: skip


def purge_days(
    cold: Cold, today: str, least_days: int, rule: str, *, keep_days: int | None = None, bytes_wanted: int | None = None
) -> Purged:
    """Remove days that are older than `keep_days`, or the oldest until `bytes_wanted` are free; never younger ones than
    `least_days` before `today` (UTC, YYYY-MM-DD).

    `rule` says why, for the ledger. A day leaves only as one whole file, with no piece beside it, whose SHA-256 is the
    one noted when it was verified. One that cannot be read or removed stays, and holds up no other.
    """
    if (keep_days is None) == (bytes_wanted is None):
        raise ValueError("history: days are purged by their age or for room, by one of the two")
    age = least_days if keep_days is None else max(keep_days, least_days)
    before = (date.fromisoformat(today) - timedelta(days=age)).isoformat()
    files: dict[str, str] = {}
    kept: list[str] = []
    gone: list[str] = []
    free = 0
    for day, one in list(_whole_days(cold, before)):  # all are listed before one leaves: what left must be told
        if bytes_wanted is not None and free >= bytes_wanted:
            break
        try:
            found = digest_of(cold, one.name)
            if found not in noted(cold, one.name):
                kept.append(f"{one.site} {day}")
                continue
            remove(cold, one.name)
        except (OSError, Unreachable) as fault:
            kept.append(f"{one.site} {day} ({fault})")
            continue
        free += one.size
        if cold.local:
            with suppress(OSError):  # something else lies there: it is not ours to remove
                Path(cold.path(one.name)).parent.rmdir()
        files[one.name] = found
        gone.append(day)
    return Purged(files, min(gone, default=None), max(gone, default=None), free, rule, tuple(kept))


def bytes_too_many(cold: Cold, share: float) -> int:
    """How many bytes must leave until only this share of the disk is used; 0 where history lies on no disk of ours."""
    if not cold.local:
        return 0
    disk = shutil.disk_usage(cold.root)
    return max(0, int(disk.total - disk.free - share * disk.total))


def _whole_days(cold: Cold, before: str) -> Iterator[tuple[str, Stored]]:
    """The days of all sites before `before` that lie in one whole file, the oldest first."""
    candidates = sorted((day, site) for site in sites(cold) for day in days(cold, site) if day < before)
    for day, site in candidates:
        found = in_folder(cold, f"site={site}/date={day}")
        if [one.name.rpartition("/")[2] for one in found] == [WHOLE]:
            yield day, found[0]
