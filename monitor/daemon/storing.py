"""What waits for the disk, and its way there: each second one frame, and the entries that the daemon owes the ledger.

A store that cannot be written is said once, tried again each second, and never ends the polling: what was judged and
what is owed waits in memory meanwhile, up to a bound. What falls over it, the oldest first, is counted, said, and a gap
in the ledger as soon as there is one again. A disk that does not answer at all is not waited for, and not
asked a second thing before it has answered the first.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any

from drivers.batch import Batch
from monitor.daemon.alarms import Alarm, AlarmList, to_row
from monitor.daemon.disk import why
from monitor.daemon.drafts import gap, now_us
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.heartbeat import Moment
from monitor.ledger import Draft

LOG = logging.getLogger("handwheel.daemon")
BACKLOG_BYTES = 256 * 1024 * 1024  # of samples kept in memory while the store cannot be written
ENTRIES_OWED, ENTRIES_AT_ONCE = 20_000, 2_000  # kept for the ledger; written in one tick
PATIENCE_S = 0.7  # of a tick's second, so that what is published is never old
_BATCH_BYTES, _TEXT_BYTES = 1_000, 100  # of an object with its arrays' heads; of a text, beside its length


class Storing:
    """What was judged and what is owed, until the disk has it."""

    def __init__(self, writer: Writer, alarms: AlarmList, room: int = BACKLOG_BYTES) -> None:
        """`room`: how much may wait [bytes]."""
        self._writer, self._alarms, self._room = writer, alarms, room
        self._alarms_told: list[Alarm] = list(alarms)  # as they stand in the hot file
        self._pending: deque[Batch] = deque()  # judged, not yet stored
        self._owed: deque[Draft] = deque()  # entries of our own, not yet in the ledger
        self._under_way = 0  # bytes of what is being written
        self._bytes = 0  # of what waits
        self._kept, self._kept_since_us = 0, now_us()  # bytes since the start, for how much comes in a second
        self.lost: Counter[str] = Counter()  # polls, samples and entries that fell over the bound, since the start
        self.lost_us = 0  # and when last, UTC [us]
        self._untold: Counter[str] = Counter()  # of them, what the ledger has not been told yet
        self._untold_us: tuple[int, int] | None = None  # and of what time it was
        self.wal_bytes = 0
        self._work: asyncio.Task[None] | None = None  # that is at the disk
        self.state = ("ok", "")

    async def in_time(self, work: Callable[[], Coroutine[Any, Any, None]], patience_s: float = PATIENCE_S) -> None:
        """Begin `work` at the disk unless an earlier one is still at it, and wait a moment for it to end."""
        if self._work is None:
            self._work = asyncio.create_task(work())
        done, _waiting = await asyncio.wait([self._work], timeout=patience_s)
        if done:
            self._work = None
            done.pop().result()
        elif self._writer.hangs:
            self.failed(TimeoutError())

    async def settle(self, patience_s: float) -> None:
        """Wait until nothing is at the disk any more. Raises TimeoutError where it does not answer."""
        if self._work is not None:
            await asyncio.wait_for(asyncio.shield(self._work), patience_s)
            self._work = None

    def keep(self, batch: Batch) -> None:
        """A judged batch, to be stored with the next tick."""
        size = size_of(batch)
        self._pending.append(batch)
        self._bytes += size
        self._kept += size
        self._trim()

    def _trim(self) -> None:
        """Let go of the oldest that no longer fits."""
        while self._bytes + self._under_way > self._room and len(self._pending) > 1:
            batch = self._pending.popleft()
            self._bytes -= size_of(batch)
            if not self._untold["polls"]:
                LOG.error("more polls wait for the disk than fit into memory; the oldest are lost")
            self._lose(batch.receive_us, polls=1, samples=len(batch))

    def owe(self, draft: Draft) -> None:
        """An entry, to be written with the next tick."""
        if len(self._owed) < ENTRIES_OWED:
            self._owed.append(draft)
            return
        if not self._untold["entries"]:
            LOG.error("more entries wait for the ledger than are kept; those over %d are lost", ENTRIES_OWED)
        self._lose(draft.at_us, entries=1)

    def owe_all(self, drafts: Iterable[Draft]) -> None:
        """Entries, to be written with the next tick."""
        for draft in drafts:
            self.owe(draft)

    def _lose(self, of_us: int, **counts: int) -> None:
        self.lost.update(counts)
        self._untold.update(counts)
        self.lost_us = now_us()
        since_us, until_us = self._untold_us or (of_us, of_us)
        self._untold_us = (min(of_us, since_us), max(of_us, until_us))

    async def pay(self) -> None:
        """Write what is owed. Raises STORE_FAULTS; it stays owed then."""
        owed = list(islice(self._owed, ENTRIES_AT_ONCE))
        await self._writer.enter(owed)
        for _done in owed:
            self._owed.popleft()

    @property
    def backlog(self) -> dict[str, Any]:
        """What waits, and for how long more would fit at the rate at which it comes [s]."""
        per_s = self._kept / max((now_us() - self._kept_since_us) / 1e6, 1.0)
        return {"polls": len(self._pending), "bytes": self._bytes + self._under_way, "room": self._room,
                "entries": len(self._owed), "fits_s": round(self._room / per_s) if per_s else None}  # fmt: skip

    async def commit(self, now: Moment, *, latest: bool) -> None:
        """Store what came in as one frame; what cannot be stored waits for the next try."""
        batches, self._pending = list(self._pending), deque()
        self._under_way, self._bytes = self._bytes, 0
        alarms = list(self._alarms)  # each is a value: what changed is another one
        changed = [to_row(one) for one in alarms] if alarms != self._alarms_told else None
        try:
            await self._writer.do(self._store, batches, changed, now.utc_us // 1000, latest)
        except STORE_FAULTS as fault:
            self._pending.extendleft(reversed(batches))
            self._bytes, self._under_way = self._bytes + self._under_way, 0
            self._trim()
            self.failed(fault)
            return
        self._under_way = 0
        self._alarms_told = alarms
        self._tell_loss()
        if self.state[0] != "ok" and not self._owed:
            LOG.warning("the store can be written again; %d polls were lost until now", self.lost["polls"])
            self.state = ("ok", "")

    def _tell_loss(self) -> None:
        """What was lost is a gap in the ledger."""
        if self._untold_us:
            counts = {f"{what}_lost": n for what, n in self._untold.items()}
            self._owed.append(gap("memory", *self._untold_us, counts=counts))
            self._untold.clear()
            self._untold_us = None

    def _store(self, batches: Sequence[Batch], alarms: list[dict[str, Any]] | None, t_ms: int, latest: bool) -> None:
        hot = self._writer.hot
        if alarms is not None:
            hot.set_alarms(alarms)
        if latest:
            hot.write_latest(t_ms)
        self.wal_bytes = self._writer.wal_bytes()
        hot.append(batches, t_ms)  # last: where anything fails, nothing of it is stored, and the next try doubles none

    def failed(self, fault: Exception) -> None:
        """The store cannot be written: said once for each kind of trouble, until it can."""
        words = why(fault)
        if self.state != ("failing", words):
            LOG.error("the store cannot be written: %s", words)
        self.state = ("failing", words)


def size_of(batch: Batch) -> int:
    """How much memory a batch takes, as near as it matters [bytes]."""
    texts = sum(_TEXT_BYTES + len(text) for part in (batch.exact, batch.detail) for text in part.values())
    arrays = (batch.tag, batch.source_us, batch.value, batch.quality, batch.reasons)
    return _BATCH_BYTES + texts + sum(one.nbytes for one in arrays)
