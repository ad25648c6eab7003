"""How a command changes the ledger: through the daemon where one runs, for it alone writes; else under the lock."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.command_socket import VERBS, Caller, caller_of, obtain
from monitor.daemon.disk import why
from monitor.ledger.chain import Ledger, open_ledger
from monitor.lock import hold_lock, lock_is_free
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.plant import Settings

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
TIMEOUT_S = 30.0  # an erasure waits for the disk more than once


def this_user(settings: "Settings") -> Caller:
    """Who runs this command, as the daemon would see it."""
    return caller_of(os.geteuid(), os.getegid(), settings.groups, settings.rights)


def allowed_role(verb: str, settings: "Settings") -> str:
    """The role in whose name this user may use the verb. Raises UserError where there is none."""
    caller = this_user(settings)
    role = caller.role_to(verb)
    if role is None:
        words = f"role {caller.role} has no right to {VERBS[verb] or 'do this'}; see [roles] in site.toml"
        raise UserError(f"{verb}: {words}")
    return role


def through_daemon(
    state: State,
    settings: "Settings",
    verb: str,
    data: Mapping[str, Any],
    here: Callable[[Ledger, str], Mapping[str, Any]],
) -> Mapping[str, Any]:
    """What the daemon answers to `verb`, or what `here` (ledger, role) makes where none runs. Raises UserError.

    A disk that is full or fails under the lock is such an error too, in one line.
    """
    if not lock_is_free(state):
        return obtain(state, verb, data, TIMEOUT_S)
    role = allowed_role(verb, settings)
    with storing(verb, state.root):
        state.make()
        with hold_lock(state):
            ledger = open_ledger(state)
            try:
                return here(ledger, role)
            finally:
                ledger.close()


@contextmanager
def storing(what: str, place: Path, then: str = "") -> Iterator[None]:
    """A disk that takes nothing more below `place` becomes one line; `then`: what is so afterwards, what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno not in _DISK:
            raise
        where = getattr(fault, "filename", None) or place
        mend = then or _("make room or mend the disk, then do it again")
        words = _("{what}: {where}: cannot be written: {why}; {mend}")
        raise UserError(words.format(what=what, where=clean(where), why=why(fault), mend=mend)) from fault


def enter(
    state: State, settings: "Settings", verb: str, data: Mapping[str, Any], at_us: int, *, kind: str = "",
    asset: str = "",
) -> None:  # fmt: skip
    """Enter `data` at `at_us` (UTC [us]); `kind` where it has another name than the verb. Raises UserError, OSError."""
    site = next((one.site for one in settings.assets if one.id == asset), None)

    def here(ledger: Ledger, role: str) -> Mapping[str, Any]:
        ledger.append(kind or verb, data, at_us=at_us, via="command", role=role, site=site, asset=asset or None)
        return {}

    through_daemon(state, settings, verb, {**data, "asset": asset} if asset else data, here)
