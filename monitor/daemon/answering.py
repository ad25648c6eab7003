"""What is asked of the daemon over its command socket, and by whom; each message is also a row of the security log."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivers.errors import UserError
from monitor.command_socket import Request
from monitor.daemon.disk import why
from monitor.daemon.drafts import now_us, own
from monitor.daemon.parts import Parts
from monitor.daemon.reloading import try_to_reload
from monitor.daemon.survey import values_told
from monitor.daemon.writer import STORE_FAULTS
from monitor.words import _

LOG = logging.getLogger("handwheel.daemon")
CHANGES_TOLD = 300  # lines of an answer; the ledger has more
AFTER = {"import": "take_imports", "confirm_baseline": "learn"}  # verb -> the job that its entry asks for


async def carry_out(parts: Parts, request: Request) -> Mapping[str, Any]:
    """One request that its role may make. Raises UserError in one line."""
    if request.verb == "status":
        return {"status": parts.told or {}, "values": values_told(parts.judging.survey.last_known())}
    if request.verb == "security_log":
        return await parts.security_desk.answer(request)
    if request.verb == "reload":
        # a client that gives up must not break it off in the middle
        changes, error = await asyncio.shield(parts.tasks.spawn(try_to_reload(parts, request.role)))
        if error:
            raise UserError(error)
        return {"changes": changes[:CHANGES_TOLD]}
    if request.verb == "confirm_clock":
        return await _confirm_clock(parts, request.role)
    if request.verb != "run_job":
        made = await parts.desk.record(request)
        if follow := AFTER.get(request.verb):
            parts.tasks.spawn(parts.jobs.run_soon(follow, 0.5))
        return made
    name = parts.jobs.check(request.data.get("job"))
    LOG.info("job %s asked for by %s", name, request.role)
    parts.tasks.spawn(parts.jobs.run(name, {"role": request.role}))
    return {"job": name, "words": _("{job}: started; its result goes into the ledger").format(job=name)}


async def _confirm_clock(parts: Parts, role: str) -> Mapping[str, Any]:
    """A person compared the clock: entered as a step of nothing, by role, and believed."""
    data = {"step": "0.000 s", "confirmed": True}
    try:
        (made,) = await parts.writer.enter([replace(own("clock_step", data, now_us()), role=role)])
    except STORE_FAULTS as fault:
        raise UserError(_("confirm_clock: cannot be recorded: {why}").format(why=why(fault))) from fault
    parts.clock.confirm()
    return {"n": made.n, "head": made.head}


def note_access(parts: Parts, uid: int, verb: str, allowed: bool, role: str, refused: str) -> None:
    """Each message, before it is carried out."""
    parts.access["admitted" if allowed else refused] += 1
    parts.security.note(now_us(), uid, verb, "" if allowed else refused, role)
