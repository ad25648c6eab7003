"""Work beside the tick: jobs, reloads and whatever else takes its time, as tasks that a stop can end in order."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

LOG = logging.getLogger("handwheel.daemon")
T = TypeVar("T")


class Tasks:
    """Those that are under way. A fault of one is said; `failed` gets it where it is the store's."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._under_way: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin it now."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """End all of them, without waiting for it."""
        for task in self._under_way:
            task.cancel()

    async def ended(self, patience_s: float) -> None:
        """Wait for their end, for so long at most."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=patience_s)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            if isinstance(fault, sqlite3.Error):
                self._failed(fault)
            LOG.error("not recorded: %s", fault, exc_info=fault)
