"""Making room on a disk that fills, by policy: first what lies elsewhere too, last what is old, and nothing in silence.

First frames that are folded and verified leave the hot file (it keeps its size, the next take their place), then
temporary files that a crash left, then raw days older than [history] least_days, oldest first, by the worker. Each is
an entry of the ledger. Reports stay, and so does everything of which the age is told by a clock in doubt.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from monitor.daemon.disk import DiskHealth, disk_health, leftovers
from monitor.daemon.drafts import now_us, own
from monitor.daemon.timetable import TIMEOUT_S
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.heartbeat import Moment
from monitor.historian.reader import HotReader
from monitor.ledger import Draft
from monitor.plant import Settings
from monitor.state import State
from monitor.words import _, clean, utc_text

LOG = logging.getLogger("handwheel.daemon")
AGAIN_S = 3_600.0  # room is made once an hour while the disk stays full
RELIEF = 0.02  # so far below the line a disk must fall to be no longer full


class Room:
    """Looks at the disks every few seconds and makes room when one is full."""

    def __init__(
        self, settings: Settings, state: State, writer: Writer, owe: Callable[[Draft], None],
        run_job: Callable[[str, dict[str, Any]], Awaitable[None]], clock_suspect: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._settings, self._state, self._writer, self._owe = settings, state, writer, owe
        self._run_job, self._clock_suspect = run_job, clock_suspect
        self._disks: tuple[DiskHealth, ...] = ()
        self._made_s = -AGAIN_S  # monotonic: when room was made last
        self.full = False

    @property
    def words(self) -> str:
        """What the alarm says: which disk, how full, and that nothing is left in reserve where nothing is."""
        said = "; ".join(disk.words for disk in self._disks if disk.share >= disk.full_at - RELIEF)
        if self._disks and not self._disks[0].ballast:
            said = _("{disk}; the reserve is used up").format(disk=said)
        return _("disk {disk}: make room").format(disk=said)

    @property
    def cause(self) -> str:
        """The kind of trouble: the alarm's text follows it."""
        return f"reserve {bool(self._disks and self._disks[0].ballast)}"

    def store(self, told: tuple[str, str]) -> tuple[str, str]:
        """The word for the store: what it says itself, or that its disk is full though it can still be written."""
        return ("full", self.words) if self.full and told[0] == "ok" else told

    def to_json(self) -> dict[str, Any] | None:
        """The disk of STATE, and that of the cold part where it is another one, as they stand in status.json."""
        if not self._disks:
            return None
        first, *others = (disk.to_json() for disk in self._disks)
        return first | ({"cold": others[0]} if others else {})

    async def look(self) -> None:
        """How full the disks are now; the ballast is made again where there is room for it. Never raises."""
        try:
            self._disks = await self._writer.do(self._look)
        except OSError as fault:
            LOG.debug("disk: %s", fault)  # the store says it: what cannot be looked at cannot be written
            return
        line = RELIEF if self.full else 0.0
        full = any(disk.share >= disk.full_at - line for disk in self._disks)
        if full != self.full:
            LOG.log(logging.ERROR if full else logging.INFO, self.words if full else "the disk has room again")
        self.full = full

    def _look(self) -> tuple[DiskHealth, ...]:
        disks = disk_health(self._state, self._settings)
        if self._writer.ballast.make(disks[0]):
            return disk_health(self._state, self._settings)
        return disks

    def due(self, now: Moment) -> bool:
        """Whether it is time to make room."""
        return self.full and now.mono_s >= self._made_s + AGAIN_S

    async def make(self, now: Moment) -> None:
        """Make room by policy, each step only while the disk is full after the one before."""
        self._made_s = now.mono_s
        rule = clean(_("disk {share} % full").format(share=int(100 * max(disk.share for disk in self._disks))))
        await self._ask("fold", {})
        for drop in (self._drop_folded,) if self._clock_suspect() else (self._drop_folded, self._drop_leftovers):
            try:
                for draft in await self._writer.do(drop, rule):
                    self._owe(draft)
            except STORE_FAULTS as fault:  # the hot file needs room to let go of a frame: whole files do not
                LOG.error("no room can be made: %s", fault)
                self._made_s = now.mono_s - AGAIN_S + 60.0
        await self.look()
        if self.full and not self._clock_suspect():
            await self._ask("purge", {"rule": rule})
            await self.look()

    async def _ask(self, job: str, args: dict[str, Any]) -> None:
        if job in TIMEOUT_S:
            await self._run_job(job, args)

    def _drop_folded(self, rule: str) -> list[Draft]:
        reader, hot = HotReader(self._state.hot), self._writer.hot
        first_ms, before = reader.oldest_ms(0), hot.free_bytes
        if not hot.purge(2**62):  # of these, by their number: no clock is asked
            return []
        last_ms = reader.oldest_ms(0) or reader.newest_ms() or first_ms
        LOG.warning("%s: frames that lie in history left the hot file", rule)
        return [_purge([self._state.hot.name], first_ms, last_ms, hot.free_bytes - before, rule)]

    def _drop_leftovers(self, rule: str) -> list[Draft]:
        names, size = [], 0
        for path in leftovers(self._state):
            size += path.lstat().st_size
            path.unlink()
            names.append(clean(path.relative_to(self._state.root), 120))
        if not names:
            return []
        LOG.warning("%s: %d temporary files of a crash were removed", rule, len(names))
        return [_purge(names[:100], None, None, size, rule)]


def _purge(files: list[str], first_ms: int | None, last_ms: int | None, size: int, rule: str) -> Draft:
    days = [None if ms is None else utc_text(ms * 1000)[:10] for ms in (first_ms, last_ms)]
    data = {"files": files, "first_day": days[0], "last_day": days[1], "bytes": max(size, 0), "rule": rule}
    return own("purge", data, now_us())
