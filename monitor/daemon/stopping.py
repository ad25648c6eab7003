"""The stop that somebody asks for: once, marked as planned for whoever looks later, and never without end."""

import asyncio
import logging
import os
import sys
import time
from contextlib import suppress
from typing import NoReturn

from monitor import heartbeat
from monitor.heartbeat import Moment
from monitor.state import State

LOG = logging.getLogger("handwheel.daemon")
STOP_S = 4.5  # a stop that takes longer is given up
STOP_SOON_S = 1.0  # and after so long whatever can be left out is: the disk is slow
STOP_ROLE = "administrator"  # only somebody with rights over the process can send it a signal


class Stop:
    """Whether one was asked for, and since when."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._asked_s = float("inf")  # monotonic [s]

    @property
    def asked(self) -> bool:
        """Whether the daemon is to end as planned."""
        return self._event.is_set()

    @property
    def slow(self) -> bool:
        """Whether it takes so long by now that whatever can be left out is."""
        return time.monotonic() - self._asked_s > STOP_SOON_S

    def ask(self) -> None:
        """SIGTERM and Ctrl-C; a second one changes nothing."""
        if not self.asked:
            self._event.set()
            self._asked_s = time.monotonic()
            asyncio.get_running_loop().call_later(STOP_S, _give_up)

    async def wait(self, patience_s: float) -> None:
        """Until it is asked for, or for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), patience_s)


def mark(state: State, now: Moment) -> None:
    """What comes now is planned, for screen and fallback."""
    try:
        heartbeat.mark_planned_stop(state, STOP_ROLE, now)
    except OSError as fault:
        LOG.error("the stop cannot be marked: %s", fault)


def leave(code: int) -> NoReturn:
    """End the process now: a name that no server resolves, or a disk, may keep a library's thread for minutes."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _give_up() -> None:
    """Something does not let us end in order: better an end without than a process that nobody can end."""
    LOG.error("stopped, but not everything could be flushed within %g s: the disk does not answer", STOP_S)
    leave(1)
