"""How a command changes the ledger: through the daemon where one runs, for it alone writes; else under the lock."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor import command_socket
from monitor.ledger.chain import Ledger, open_ledger
from monitor.lock import hold_lock, lock_is_free
from monitor.state import State
from monitor.words import clean

if TYPE_CHECKING:
    from monitor.plant import Settings

TIMEOUT_S = 30.0  # an erasure waits for the disk more than once


def allowed_role(verb: str, settings: "Settings") -> str:
    """The role in whose name this user may do it. Raises UserError where there is none."""
    caller = command_socket.caller_of(os.geteuid(), os.getegid(), settings.groups, settings.rights)
    right = command_socket.VERBS[verb]
    role = caller.role_for(right) if right else caller.role if caller.rights else None
    if role is None:
        words = f"role {caller.role} has no right to {right or 'do this'}; see [roles] in site.toml"
        raise UserError(f"ledger {verb.replace('_', '-')}: {words}")
    return role


def through_daemon(
    state: State,
    settings: "Settings",
    verb: str,
    data: Mapping[str, Any],
    here: Callable[[Ledger, str], Mapping[str, Any]],
) -> Mapping[str, Any]:
    """What the daemon answers to `verb`, or what `here` (ledger, role) makes where none runs. Raises UserError."""
    role = allowed_role(verb, settings)
    if lock_is_free(state) is False:
        reply = command_socket.ask(state, verb, data, timeout_s=TIMEOUT_S)
        if not reply.get("ok"):
            raise UserError(clean(reply.get("error", f"{verb}: refused"), 300))
        return reply
    state.make()
    with hold_lock(state):
        ledger = open_ledger(state)
        try:
            return here(ledger, role)
        finally:
            ledger.close()
