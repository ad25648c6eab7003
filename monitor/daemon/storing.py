"""What waits for the disk, and its way there: each second one frame, and the entries that the daemon owes the ledger.

A store that cannot be written is said once, tried again each second, and never ends the polling: what was judged and
what is owed waits in memory meanwhile, up to a bound; what falls over it is counted and said.
"""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from drivers.batch import Batch
from monitor.daemon.alarms import Alarm, AlarmList, to_row
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.heartbeat import Moment
from monitor.ledger import Draft
from monitor.words import clean

LOG = logging.getLogger("handwheel.daemon")
BACKLOG = 3_600  # batches kept in memory while the store cannot be written


class Storing:
    """What was judged and what is owed, until the disk has it."""

    def __init__(self, writer: Writer, alarms: AlarmList) -> None:
        self._writer, self._alarms = writer, alarms
        self._alarms_told: list[Alarm] = list(alarms)  # as they stand in the hot file
        self._pending: list[Batch] = []  # judged, not yet stored
        self._owed: deque[Draft] = deque()  # entries of our own, not yet in the ledger
        self._polls_lost = 0  # because the store could not be written for longer than the backlog lasts
        self.state = ("ok", "")

    def keep(self, batch: Batch) -> None:
        """A judged batch, to be stored with the next tick."""
        self._pending.append(batch)

    def owe(self, draft: Draft) -> None:
        """An entry, to be written with the next tick."""
        self._owed.append(draft)

    def owe_all(self, drafts: Iterable[Draft]) -> None:
        """Entries, to be written with the next tick."""
        self._owed.extend(drafts)

    async def pay(self) -> None:
        """Write what is owed. Raises STORE_FAULTS; it stays owed then."""
        owed = list(self._owed)
        await self._writer.enter(owed)
        for _done in owed:
            self._owed.popleft()

    async def commit(self, now: Moment, *, latest: bool) -> None:
        """Store what came in as one frame; what cannot be stored waits for the next try."""
        batches, self._pending = list(self._pending), []
        alarms = list(self._alarms)  # each is a value: what changed is another one
        changed = [to_row(one) for one in alarms] if alarms != self._alarms_told else None
        try:
            await self._writer.do(self._store, batches, changed, now.utc_us // 1000, latest)
        except STORE_FAULTS as fault:
            kept = [*batches, *self._pending]
            self._polls_lost += max(len(kept) - BACKLOG, 0)
            self._pending = kept[-BACKLOG:]
            self.failed(fault)
            return
        if self.state[0] != "ok" and not self._owed:
            LOG.warning("the store can be written again; %d polls were lost", self._polls_lost)
            self.state, self._polls_lost = ("ok", ""), 0
        self._alarms_told = alarms

    def _store(self, batches: Sequence[Batch], alarms: list[dict[str, Any]] | None, t_ms: int, latest: bool) -> None:
        hot = self._writer.hot
        if alarms is not None:
            hot.set_alarms(alarms)
        if latest:
            hot.write_latest(t_ms)
        hot.append(batches, t_ms)  # last: where anything fails, nothing of it is stored, and the next try doubles none

    def failed(self, fault: Exception) -> None:
        """The store cannot be written: said once, until it can."""
        if self.state[0] == "ok":
            LOG.error("the store cannot be written: %s", fault)
        self.state = ("failing", clean(fault))
