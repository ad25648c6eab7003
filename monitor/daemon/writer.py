"""The one thread that owns hot file and ledger: everything that is stored goes through it, in order."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from monitor.daemon.disk import MB, Ballast, no_room
from monitor.historian.hot import HotFile
from monitor.historian.opening import Abandoned, open_hot
from monitor.ledger import Draft, Entry, Ledger, open_ledger
from monitor.ledger.anchor import hand_over
from monitor.ledger.erasure import carry_out
from monitor.plant import Settings
from monitor.readings import Made, record
from monitor.sqlite_file import FileDamaged
from monitor.state import State

LOG = logging.getLogger("handwheel.daemon")
STORE_FAULTS = (sqlite3.Error, OSError, FileDamaged)  # a full disk, a file taken away: said, waited for, never fatal
HANGS_S = 5.0  # one call that takes longer is not slow any more
T = TypeVar("T")


class Shut(OSError):
    """The ledger is not written: what lies in its place is not what we wrote."""


class ShutLedger:
    """Stands where the ledger stood: refuses every entry in words, and still knows the head."""

    def __init__(self, words: str, head: tuple[int, str]) -> None:
        self._words, self._head = words, head

    def head(self) -> tuple[int, str]:
        """The number of entries and the head that we wrote last."""
        return self._head

    def refuse(self, *_what: Any) -> NoReturn:
        """Raises Shut."""
        raise Shut(self._words)

    append_many = keep_raw = seal = refuse

    def close(self, *, slow_disk: bool = False) -> None:
        """There is nothing to close."""


class Writer:
    """Every call waits for its turn and for the disk. The caller holds daemon.lock."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._settings, self._state = settings, state
        self.ballast = Ballast(state.ballast, settings.disk.ballast_mb * MB)
        self._began_s: float | None = None  # monotonic: of the call that is at the disk now
        self.hot: HotFile
        self.abandoned: Abandoned | None = None  # the hot file of the last life, where it could not be read
        self.ledger: Ledger | ShutLedger
        self.cut: tuple[int, int] | None = None  # see Ledger.cut, at the start
        self.head = (0, "")  # the ledger's count and head as last written

    async def do(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function in the writer thread and return what it returns; all of it is done or nothing."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_room, function, *args)

    @property
    def waits_s(self) -> float:
        """How long the disk has not answered now [s]."""
        began_s = self._began_s
        return 0.0 if began_s is None else time.monotonic() - began_s

    @property
    def hangs(self) -> bool:
        """Whether the disk has not answered for so long that nobody should wait for it."""
        return self.waits_s > HANGS_S

    def _with_room(self, function: Callable[..., T], *args: Any) -> T:
        """Where the disk has no room, once more in that of the ballast."""
        self._began_s = time.monotonic()
        try:
            return function(*args)
        except STORE_FAULTS as fault:
            if not no_room(fault) or not self.ballast.give_up():
                raise
            LOG.error(
                "no room on the disk (%s): the reserve of %d MB was given up", fault, self._settings.disk.ballast_mb
            )
            return function(*args)
        finally:
            self._began_s = None

    async def open(self) -> None:
        """Open both files; a damaged hot file is put aside. Raises UserError where the ledger is damaged."""
        await self.do(self._open)

    def _open(self) -> None:
        self.hot, self.abandoned = open_hot(self._state, self._settings, time.time_ns() // 1000)
        self.ledger = open_ledger(self._state)
        self.head, self.cut = self.ledger.head(), self.ledger.cut

    async def enter(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Append to the ledger, all or none; on the disk when this returns. Raises ValueError or STORE_FAULTS."""
        if not drafts:
            return []
        made = await self.do(self.ledger.append_many, drafts)
        self.head = self.ledger.head()
        return made

    async def take_readings(self, made: Made, now_us: int) -> Entry:
        """Enter what people read and store its samples; returns the last entry. Raises UserError or STORE_FAULTS."""
        entered = await self.do(lambda: record(self._state, self._open_ledger(), self.hot, made, now_us))
        self.head = self.ledger.head()
        return entered[-1]

    async def reconfigure(self, old: Settings, new: Settings, drafts: Sequence[Draft]) -> None:
        """Publish the tags of `new` and enter what changed, both or neither. Raises STORE_FAULTS."""

        def both() -> list[Entry]:
            self.hot.publish_tags(new)
            try:
                return self.ledger.append_many(drafts)
            except BaseException:
                self.hot.publish_tags(old)
                raise

        await self.do(both)
        self.head = self.ledger.head()

    def _open_ledger(self) -> Ledger:
        """The ledger, where it may be written. Raises Shut."""
        return self.ledger if isinstance(self.ledger, Ledger) else self.ledger.refuse()

    async def erase(self, draft: Draft) -> Entry:
        """Erase what a draft of an erasure names, and enter it. Raises UserError or STORE_FAULTS."""
        made = await self.do(
            lambda: carry_out(
                self._open_ledger(), self._state, draft.data, at_us=draft.at_us, role=draft.role, via=draft.via
            )
        )
        self.head = self.ledger.head()
        return made

    async def anchor(self, to: str, *, at_us: int, role: str) -> tuple[Entry, str]:
        """The entry and the signed text of the head for a second party. Raises UserError or STORE_FAULTS."""
        utility = self._settings.utility
        made = await self.do(lambda: hand_over(self._open_ledger(), to, utility, at_us=at_us, role=role, via="screen"))
        self.head = self.ledger.head()
        return made

    async def new_key(self, *, at_us: int, role: str) -> str:
        """Seal with a new key from now on; returns its fingerprint. Raises UserError or STORE_FAULTS."""
        made = await self.do(lambda: self._open_ledger().replace_key(at_us=at_us, role=role))
        self.head = self.ledger.head()
        return made

    async def seal(self, now_us: int) -> None:
        """Seal what was entered since the last seal, and wipe what was erased. Raises STORE_FAULTS."""
        await self.do(self.ledger.seal, now_us)
        self.head = self.ledger.head()

    def wal_bytes(self) -> int:
        """How large the write-ahead logs are; for the writer's thread."""
        sizes = 0
        for path in (self._state.hot, self._state.ledger, self._state.bodies):
            with suppress(OSError):
                sizes += path.with_name(f"{path.name}-wal").stat().st_size
        return sizes

    async def close(self, *, slow_disk: bool = False) -> None:
        """Flush and let go; other users can read the files afterwards."""
        await self.do(self._close, slow_disk)
        self._thread.shutdown()

    def _close(self, slow_disk: bool) -> None:
        for file in (self.hot, self.ledger):
            with suppress(*STORE_FAULTS):
                file.close(slow_disk=slow_disk)
