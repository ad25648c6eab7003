"""The daemon's side of the security log: shown to two people of different roles together, and the ledger is told."""

import time
from typing import Any

from drivers.errors import UserError
from monitor.command_socket import Request
from monitor.daemon.writer import Writer
from monitor.ledger import Draft
from monitor.security_log import PAGE, SecurityLog, TwoTogether


class SecurityDesk:
    """Answers the verb security_log, whose callers have the right `security`."""

    def __init__(self, log: SecurityLog, writer: Writer) -> None:
        self._log, self._writer, self._lock = log, writer, TwoTogether()

    async def answer(self, request: Request) -> dict[str, Any]:
        """Whether it is open for this user, and if so a page of rows older than row `before`."""
        before = request.data.get("before")
        if before is not None and (type(before) is not int or not 0 < before < 2**62):
            raise UserError("security_log: before: the number of a row is expected")
        asked = self._lock.ask(request.uid, request.role, time.monotonic())
        if asked.new:
            now_us = time.time_ns() // 1000
            data = {"what": "security log", "roles": list(asked.roles)}
            await self._writer.enter([Draft("access", data, now_us, "screen")])
        if not asked.open:
            return {"open": False}
        return {"open": True, "rows": await self._writer.do(self._log.page, before), "page": PAGE}
