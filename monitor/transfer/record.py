"""How a transfer gets into the ledger: through the daemon where it runs, else under the lock, by role."""

import os
import time
from collections.abc import Mapping
from typing import Any

from drivers.errors import UserError
from monitor import command_socket
from monitor.ledger import open_ledger
from monitor.lock import hold_lock, lock_is_free
from monitor.plant import Settings
from monitor.state import State
from monitor.words import clean


def record(settings: Settings, state: State, verb: str, data: Mapping[str, Any]) -> str:
    """Enter `data` under the kind that has the name of the verb; returns number and head in one text.

    Raises UserError or OSError where it could not be recorded.
    """
    if not lock_is_free(state):
        reply = command_socket.ask(state, verb, data)
        if not reply.get("ok"):
            raise UserError(clean(reply.get("error", f"{verb}: refused"), 300))
        return f"{reply['n']}:{reply['head']}"
    role = role_for(settings, verb)
    with hold_lock(state):
        ledger = open_ledger(state)
        try:
            entry = ledger.append(verb, data, at_us=time.time_ns() // 1000, via="command", role=role)
        finally:
            ledger.close()
    return f"{entry.n}:{entry.head}"


def role_for(settings: Settings, verb: str) -> str:
    """The role in whose name this user may use the verb. Raises UserError where there is none."""
    caller = command_socket.caller_of(os.geteuid(), os.getegid(), settings.groups, settings.rights)
    right = command_socket.VERBS[verb]
    role = caller.role_for(right) if right else caller.role if caller.rights else None
    if role is None:
        raise UserError(f"{verb}: role {caller.role} has no right to this; see [roles] in site.toml")
    return role
