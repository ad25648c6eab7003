"""What devices and messages claim: into the ledger first, then onto the list of alarms, then nobody is told twice.

Devices speak while they are polled; messages come finished from intake, as files in STATE/inbox. Both wait here while
the ledger cannot be written. A flood that no ledger could follow is cut, counted and said.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from drivers.errors import AlertError
from drivers.record import Alert
from monitor.claims import Claims, taken_in
from monitor.daemon.alarms import AlarmList
from monitor.daemon.drafts import gap, now_us, of_alarm
from monitor.daemon.writer import Writer
from monitor.handover import handed_over, read_handover, refuse
from monitor.ledger import Draft
from monitor.state import State
from monitor.words import _, clean

LOG = logging.getLogger("handwheel.daemon")
INBOX_S = 0.5  # how long a tick takes messages in, so that a thousand at once do not hold up the heartbeat
ALERTS_PER_TICK = 100  # of devices
ALERTS_WAITING = 10_000  # a device that tells more than can be written is cut off here


class Hearing:
    """Alerts on their way in."""

    def __init__(
        self, state: State, writer: Writer, claims: Claims, alarms: AlarmList, owe: Callable[[Draft], None],
        on_news: Callable[[], None],
    ) -> None:  # fmt: skip
        """`owe` takes entries for the next tick; `on_news` is called when the ledger has a claim that it had not."""
        self._state, self._writer, self._claims, self._alarms = state, writer, claims, alarms
        self._owe, self._on_news = owe, on_news
        self._heard: deque[Alert] = deque()  # what devices said, not yet in the ledger
        self._lost, self._lost_us = 0, 0  # how many were cut off since, and since when (UTC) [us]
        self.lost, self.lost_us = 0, 0  # alerts cut off since the start, and when last (UTC) [us]
        self._refused: set[Path] = set()  # of the inbox: neither to be taken nor to be moved away

    @property
    def waiting(self) -> int:
        """How many alerts of devices the ledger has not got yet."""
        return len(self._heard)

    def hear(self, alerts: Sequence[Alert]) -> None:
        """What devices said."""
        room = max(ALERTS_WAITING - len(self._heard), 0)
        self._heard.extend(alerts[:room])
        lost = len(alerts) - room
        if lost > 0:
            if not self._lost:
                self._lost_us = now_us()
                LOG.error("more alerts come from devices than can be entered; those over %d are lost", ALERTS_WAITING)
            self._lost += lost
            self.lost += lost
            self.lost_us = now_us()

    async def take(self) -> None:
        """Enter what devices said and what lies in the inbox. Raises STORE_FAULTS; nothing is lost then."""
        await self._take_heard()
        await self._read_inbox(time.monotonic() + INBOX_S)

    async def take_all(self) -> None:
        """Enter all that devices said. Raises STORE_FAULTS; nothing is lost then."""
        while self._heard:
            await self._take_heard()

    async def _take_heard(self) -> None:
        """A batch ends where an alert comes a second time: what the first did must be known by then."""
        room = ALERTS_PER_TICK
        while self._heard and room:
            batch: dict[str, Alert] = {}
            for alert in islice(self._heard, room):
                if alert.alert_id in batch:
                    break
                batch[alert.alert_id] = alert
            await self._enter(list(batch.values()), "device")
            for _done in batch:
                self._heard.popleft()
            room -= len(batch)
        if self._lost and not self._heard:
            self._owe(gap("alerts of devices", self._lost_us, now_us(), counts={"alerts_lost": self._lost}))
            self._lost = 0

    async def _enter(self, alerts: Sequence[Alert], via: str, taken_us: int | None = None) -> None:
        """Into the ledger, with their messages, then onto the list of alarms; what is known already changes nothing."""
        new = [(alert, draft) for alert in alerts if (draft := self._claims.draft(alert, via, taken_us)) is not None]
        for raw, at_us in {alert.raw: alert.received_us for alert, _draft in new if alert.raw}.items():
            await self._writer.do(self._writer.ledger.keep_raw, raw, at_us)
        await self._writer.enter([draft for _alert, draft in new])
        for alert, _draft in new:
            self._claims.entered(alert)
            self.to_alarms(alert)
        if new:
            self._on_news()

    def to_alarms(self, alert: Alert) -> None:
        """A claim raises its alarm; the alarm says what still stands behind it, and ends with the last of that."""
        at_us = now_us()
        if alert.active:
            self._owe(of_alarm(self._alarms.raise_alert(alert, self._claims.site(alert.asset), at_us)))
        alarm = self._alarms.behind(alert)
        if alarm is None:
            return
        standing = self._claims.standing_of(alert.vendor, alarm.alert_ids)
        if standing:
            self._alarms.restate(alarm, standing)
        elif alarm.active and not alert.active:
            self._owe(of_alarm(self._alarms.apply(alarm.id, "return", at_us)))

    def own_alert(self, alert: Alert, recovering: bool = False) -> None:
        """Our own model's alert: raised once, returned when it is closed; a change of its stage is no new alarm.

        An alarm whose alert recovers says so; one that is not there is not made by that.
        """
        alarm = self._alarms.behind(alert)
        stands = alarm is not None and alarm.active
        if alarm is not None and stands and alert.active:
            text = _("recovering: {text}").format(text=alert.text) if recovering else alert.text
            self._alarms.reword(alarm.id, text)
        elif not recovering:
            self.to_alarms(alert)

    async def _read_inbox(self, until_s: float) -> None:
        """Take finished messages over: ledger first, then delete; a crash in between is recognised the next time."""
        for path in await self._writer.do(handed_over, self._state):
            if path in self._refused:
                continue
            if time.monotonic() >= until_s:
                return
            try:
                handover, raw = await self._writer.do(read_handover, path)
            except AlertError as fault:
                self._refuse(path, str(fault))
                continue
            taken_us = now_us()
            await self._writer.do(self._writer.ledger.keep_raw, raw, taken_us)
            await self._enter([taken_in(alert, taken_us) for alert in handover.alerts], "intake", taken_us)
            try:
                handover.json.unlink()
                handover.raw.unlink(missing_ok=True)
            except OSError as fault:
                self._refused.add(path)
                LOG.error("%s: taken, but cannot be removed (%s)", clean(path), fault.strerror)

    def _refuse(self, path: Path, why: str) -> None:
        for one in (path.with_suffix(".raw"), path):
            try:
                refuse(one, why, self._state)
            except FileNotFoundError:
                continue
            except OSError as fault:
                self._refused.add(path)
                LOG.error("%s: cannot be moved away (%s)", clean(one), fault.strerror)
