"""Where people's deeds are recorded: first all of it must be allowed, then the ledger has it, then it acts.

A refusal records nothing. What the ledger has cannot fail any more: if an alarm changed in between, the deed stands.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from drivers.errors import UserError
from monitor.claims import Claims
from monitor.command_socket import VERBS, Request
from monitor.daemon import deeds
from monitor.daemon.alarms import AlarmList, Change, Refused
from monitor.daemon.disk import why
from monitor.daemon.writer import STORE_FAULTS, Writer
from monitor.ledger import Draft, entries
from monitor.ledger.correcting import prove
from monitor.plant import Settings
from monitor.readings import began_us, made_of
from monitor.standing import open_alert_words
from monitor.state import State
from monitor.words import _, clean, parse_utc, utc_text

OF_THE_LEDGER = ("anchor", "new_key")
READING = "reading"


class Desk:
    """Carries out the recording verbs of the command socket, one after the other."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        writer: Writer,
        claims: Claims,
        alarms: AlarmList,
        owe: Callable[[Change], None],
    ) -> None:
        """`owe` takes each change of an alarm, to be entered with the next tick."""
        self._settings, self._state, self._writer = settings, state, writer
        self._claims, self._alarms, self._owe = claims, alarms, owe
        self._turn = asyncio.Lock()

    def configure(self, settings: Settings) -> None:
        """From now on deeds are about the assets of these settings."""
        self._settings = settings

    async def record(self, request: Request) -> dict[str, Any]:
        """Record what a role asked for; returns number and head of its entry. Raises UserError in one line."""
        if request.verb not in (*deeds.RECORDED, *OF_THE_LEDGER, READING):
            raise UserError(_("{verb}: nothing waits for this here; see handwheel --help").format(verb=request.verb))
        if self._writer.hangs:
            words = _("{verb}: cannot be recorded: {why}").format(verb=request.verb, why=why(TimeoutError()))
            raise UserError(words)
        async with self._turn:
            if request.verb in OF_THE_LEDGER:
                return await self._of_the_ledger(request)
            if request.verb == READING:
                return await self._take_readings(request)
            single = deeds.SINGLE.get(str(request.data.get("kind"))) if request.verb == "import" else None
            if single and VERBS[single] not in request.rights:
                words = _("import: role {role} has no right to {right}; see [roles] in site.toml")
                raise UserError(words.format(role=request.role, right=VERBS[single]))
            now_us = time.time_ns() // 1000
            place = self._claims.place if request.verb == "decide" else self._place
            draft = deeds.draft_of(request.verb, request.data, request.role, now_us, self._settings, place)
            steps = self._steps(draft)
            if draft.kind in ("acknowledge", "shelve"):  # the alarm is what is asked for: refused, nothing is recorded
                trial = AlarmList(self._alarms)
                for name, event, note, until_us in steps:
                    trial.apply(name, event, now_us, note=note, until_us=until_us)
            if draft.kind in deeds.CORRECTED:
                await self._writer.do(prove, self._state, draft)
            if draft.kind == "audit_signed":
                await self._writer.do(self._known_audit, str(draft.data["audit_id"]))
            if draft.kind == "baseline":
                await self._writer.do(self._no_own_alert, draft.asset or "")
            try:
                reply = await self._enter(draft)
            except (ValueError, *STORE_FAULTS) as fault:
                words = _("{verb}: cannot be recorded: {why}").format(verb=request.verb, why=why(fault))
                raise UserError(words) from fault
            for name, event, note, until_us in steps:
                with suppress(Refused):
                    self._owe(self._alarms.apply(name, event, now_us, note=note, until_us=until_us))
        return reply

    async def _take_readings(self, request: Request) -> dict[str, Any]:
        """What people read from gauges: each an entry, and a sample at the time it was read."""
        now_us = time.time_ns() // 1000
        made = made_of(request.data.get("rows"), request.role, "screen", now_us, self._settings,
                       began_us(self._state.hot))  # fmt: skip
        try:
            entry = await self._writer.take_readings(made, now_us)
        except STORE_FAULTS as fault:
            words = _("{verb}: cannot be recorded: {why}").format(verb=request.verb, why=why(fault))
            raise UserError(words) from fault
        return {"n": entry.n, "head": entry.head}

    async def _of_the_ledger(self, request: Request) -> dict[str, Any]:
        """What only the writer of the ledger can make: a signed head for a second party, a new key."""
        now_us = time.time_ns() // 1000
        try:
            if request.verb == "anchor":
                to = clean(request.data.get("to", ""), 40)
                entry, text = await self._writer.anchor(to, at_us=now_us, role=request.role)
                return {"n": entry.n, "head": entry.head, "text": text}
            fingerprint = await self._writer.new_key(at_us=now_us, role=request.role)
        except STORE_FAULTS as fault:
            words = _("{verb}: cannot be recorded: {why}").format(verb=request.verb, why=clean(fault))
            raise UserError(words) from fault
        n, head = self._writer.head
        return {"n": n, "head": head, "fingerprint": fingerprint}

    async def _enter(self, draft: Draft) -> dict[str, Any]:
        """Number and head of the entry."""
        if draft.kind == "erasure":
            entry = await self._writer.erase(draft)
        else:
            (entry,) = await self._writer.enter([draft])
        return {"n": entry.n, "head": entry.head}

    def _place(self, alert_id: str) -> tuple[str, str] | None:
        """(asset, component) of a known alert, or of an alarm about ourselves: that is acknowledged as any other."""
        alarm = self._alarms.get(alert_id)
        ours = (alarm.asset, alarm.component) if alarm and alarm.origin == "monitor" else None
        return self._claims.place(alert_id) or ours

    def _steps(self, draft: Draft) -> list[tuple[str, str, str, int | None]]:
        """What a deed does to the list of alarms: (alarm, event, note, until)."""
        data = draft.data
        name = str(data.get("alert_id", ""))
        if draft.kind == "acknowledge":
            return [(name, "acknowledge", str(data["note"]), None)]
        if draft.kind == "shelve":
            return [(name, "shelve", str(data["reason"]), parse_utc(str(data["until"])))]
        if draft.kind == "decision":  # who decides has seen it
            alarm = self._alarms.get(name)
            return [(alarm.id, "acknowledge", "decided", None)] if alarm and not alarm.acked else []
        if draft.kind == "finding" and draft.via != "import" and not data.get("withdrawn"):  # it has been looked at
            place = (draft.asset, draft.component or "")
            return [
                (one.id, "return", str(data["wo_id"]), None)
                for one in self._alarms
                if one.active and one.origin in ("vendor", "own") and (one.asset, one.component) == place
            ]
        return []

    def _no_own_alert(self, asset: str) -> None:
        if words := open_alert_words(entries(self._state, ("own_alert",)), asset):
            raise UserError(words)

    def _known_audit(self, audit_id: str) -> None:
        if not any(audit_id in (one.data["audit_id"], utc_text(one.at_us)) for one in entries(self._state, ("audit",))):
            raise UserError(
                _("sign_audit: audit {name} is not in the ledger; see handwheel audit list").format(
                    name=clean(audit_id, 60)
                )
            )
