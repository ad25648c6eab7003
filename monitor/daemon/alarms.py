"""The life of an alarm as ISA-18.2 draws it: orthogonal flags, and the letter derived from them. Pure; time handed in.

    letter  state   when
    I       OOSRV   out of service under a work order
    H       DSUPR   suppressed by a rule of the plant's state
    G       SHLVD   shelved by a role, for a limited time
    B       UNACK   active, not acknowledged: annunciated
    C       ACKED   active, acknowledged
    E       LATUN   gone, latched, not acknowledged
    F       LATAK   gone, latched, acknowledged; waits for reset
    D       RTNUN   gone before it was acknowledged
    A       NORM    normal

The flags go on living under suppression; leaving it while active always annunciates anew. Each event that is allowed
gives exactly one Change, which becomes one ledger entry; what is not allowed is refused in words and changes nothing.

What a vendor's or our own model claims is advice: priority 2 or 3 of three, however loudly it was sent. Priority 1 is
for alarms that were rationalised: each with a cause, a consequence, an action and a time to respond.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from drivers.errors import UserError
from drivers.record import Alert
from monitor.words import _

SHELVE_LIMIT_S: Mapping[int, float] = {1: 3_600.0, 2: 28_800.0, 3: 28_800.0}
STATES: Mapping[str, str] = {
    "A": "NORM", "B": "UNACK", "C": "ACKED", "D": "RTNUN", "E": "LATUN",
    "F": "LATAK", "G": "SHLVD", "H": "DSUPR", "I": "OOSRV",
}  # fmt: skip
EVENTS = (
    "alarm",
    "return",
    "acknowledge",
    "reset",
    "shelve",
    "unshelve",
    "suppress",
    "unsuppress",
    "remove",
    "restore",
)
ALERTS_KEPT = 20  # alerts named behind one alarm; the ledger has them all
_SUPPRESSED = "GHI"
_ADVICE = {"critical": 2, "warning": 2, "note": 3}


class Refused(UserError):
    """An event that the life cycle does not allow now; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm with its flags. `shelved_until_us` is UTC [us]."""

    id: str
    asset: str
    component: str
    origin: str  # vendor, own, plc, monitor
    priority: int  # 1 highest .. 3
    text: str
    since_us: int  # when it last became active
    site: str = ""
    alert_ids: tuple[str, ...] = ()  # the alerts behind it; what people decide on is the last
    claims: int = 1  # how many of them stand
    active: bool = False
    acked: bool = True
    latched: bool = False  # as configured
    latch_set: bool = False
    shelved_until_us: int | None = None
    shelve_reason: str = ""
    suppressed_by: str | None = None
    out_of_service: str | None = None  # the work order

    @property
    def letter(self) -> str:
        """A .. I, derived from the flags."""
        if self.out_of_service:
            return "I"
        if self.suppressed_by:
            return "H"
        if self.shelved_until_us is not None:
            return "G"
        if self.active:
            return "C" if self.acked else "B"
        if self.latch_set:
            return "F" if self.acked else "E"
        return "A" if self.acked else "D"

    @property
    def state(self) -> str:
        """NORM .. OOSRV."""
        return STATES[self.letter]

    @property
    def annunciated(self) -> bool:
        """True while somebody must be told: B, D and E."""
        return self.letter in "BDE"

    @property
    def over(self) -> bool:
        """True when nothing is left to show: normal and not suppressed."""
        return self.letter == "A"


@dataclass(frozen=True, slots=True)
class Change:
    """One transition: what happened, and the alarm after it."""

    event: str
    before: str  # letter
    after: str
    alarm: Alarm
    at_us: int
    note: str = ""

    def data(self) -> dict[str, Any]:
        """The ledger's data for this change."""
        return {
            "alarm_id": self.alarm.id, "event": self.event, "before": STATES[self.before], "after": STATES[self.after],
            "origin": self.alarm.origin, "priority": self.alarm.priority, "text": self.alarm.text, "note": self.note,
        }  # fmt: skip


def step(alarm: Alarm, event: str, at_us: int, *, note: str = "", until_us: int | None = None) -> Change:
    """Apply one of EVENTS. `note` is the reason, rule or work order that the event needs. Raises Refused."""
    if why := _why_not(alarm, event, at_us, note, until_us):
        raise Refused(_("{event} {alarm}: {why}").format(event=event, alarm=alarm.id, why=why))
    after = _after(alarm, event, at_us, note, until_us)
    if alarm.letter in _SUPPRESSED and after.letter not in _SUPPRESSED:
        after = replace(after, acked=not (after.active or after.latch_set))
    return Change(event, alarm.letter, after.letter, after, at_us, note)


def expired(alarm: Alarm, now_us: int, *, clock_valid: bool = True) -> bool:
    """True when a shelf must be left: its time is over, or the clock that would tell is not to be trusted."""
    return alarm.shelved_until_us is not None and (not clock_valid or now_us >= alarm.shelved_until_us)


def priority_of(alert: Alert, rationalised: int | None = None) -> int:
    """1 .. 3. Advice of a vendor or model is never above 2, unless the alarm was rationalised with a priority."""
    return rationalised if rationalised in (1, 2, 3) else _ADVICE.get(alert.severity, 2)


def alarm_of(alert: Alert, site: str, at_us: int, rationalised: int | None = None) -> Alarm:
    """The (not yet active) alarm of an alert: one per origin, vendor, asset, component and failure mode."""
    parts = (alert.origin, alert.vendor, alert.asset, alert.component, alert.failure_mode)
    return Alarm(
        id=":".join(part for part in parts if part),
        asset=alert.asset,
        component=alert.component,
        origin=alert.origin,
        priority=priority_of(alert, rationalised),
        text=alert.text,
        since_us=at_us,
        site=site,
    )


def to_row(alarm: Alarm) -> dict[str, Any]:
    """The alarm as a JSON row: every flag, and the state that follows from them."""
    return {**asdict(alarm), "alert_ids": list(alarm.alert_ids), "letter": alarm.letter, "state": alarm.state}


def from_row(row: Mapping[str, Any]) -> Alarm:
    """The alarm of a JSON row; KeyError or TypeError if it is none."""
    fields = {name: row[name] for name in Alarm.__dataclass_fields__ if name in row}
    return Alarm(**{**fields, "alert_ids": tuple(row.get("alert_ids", ()))})


def ranked(alarms: list[Alarm]) -> list[Alarm]:
    """As an operator reads them: what must be told first, then by priority, newest first."""
    return sorted(alarms, key=lambda one: (not one.annunciated, not one.active, one.priority, -one.since_us))


class AlarmList:
    """The alarms there are now. Every change it makes is returned, to be written into the ledger by the caller."""

    def __init__(self, alarms: Iterable[Alarm] = ()) -> None:
        self._alarms = {alarm.id: alarm for alarm in alarms}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(ranked(list(self._alarms.values())))

    def take_up(self, alarms: Iterable[Alarm]) -> None:
        """Go on with these, as the last life left them."""
        self._alarms |= {alarm.id: alarm for alarm in alarms}

    def get(self, name: str) -> Alarm | None:
        """The alarm with this id, or the one that an alert of this id stands behind."""
        found = self._alarms.get(name)
        return found or next((one for one in self._alarms.values() if name in one.alert_ids), None)

    def behind(self, alert: Alert) -> Alarm | None:
        """The alarm of an alert with this id from the same origin and vendor; nobody takes back what another said."""
        mine = ":".join(part for part in (alert.origin, alert.vendor) if part) + ":"
        alarms = self._alarms.values()
        return next((one for one in alarms if alert.alert_id in one.alert_ids and one.id.startswith(mine)), None)

    def raise_alert(self, alert: Alert, site: str, at_us: int, rationalised: int | None = None) -> Change:
        """Make (or make again) the alarm of an alert active."""
        new = alarm_of(alert, site, at_us, rationalised)
        old = self._alarms.get(new.id, new)
        ids = (*(one for one in old.alert_ids if one != alert.alert_id), alert.alert_id)[-ALERTS_KEPT:]
        return self._put(step(replace(old, text=new.text, priority=new.priority, alert_ids=ids), "alarm", at_us))

    def restate(self, alarm: Alarm, standing: Sequence[Alert]) -> None:
        """Let the alarm say what the last of the claims that stand behind it says, as urgent as the most urgent."""
        newest = standing[-1]
        ids = (*(one for one in alarm.alert_ids if one != newest.alert_id), newest.alert_id)
        urgency = min(priority_of(one) for one in standing)
        self._alarms[alarm.id] = replace(alarm, text=newest.text, priority=urgency, alert_ids=ids, claims=len(standing))

    def apply(self, name: str, event: str, at_us: int, *, note: str = "", until_us: int | None = None) -> Change:
        """One event on the alarm `name` (its id or that of an alert). Raises Refused, also where there is none."""
        alarm = self.get(name)
        if alarm is None:
            raise Refused(
                _("{event} {alarm}: no such alarm is open; look at the list again").format(event=event, alarm=name)
            )
        return self._put(step(alarm, event, at_us, note=note, until_us=until_us))

    def reword(self, name: str, text: str) -> None:
        """Other words for an alarm whose cause is another one by now; its life goes on as it was."""
        self._alarms[name] = replace(self._alarms[name], text=text)

    def expire(self, now_us: int, *, clock_valid: bool = True) -> list[Change]:
        """Leave the shelves whose time is over."""
        over = [one.id for one in self._alarms.values() if expired(one, now_us, clock_valid=clock_valid)]
        why = _("time over") if clock_valid else _("the clock was set: the end of a shelf cannot be trusted")
        return [self.apply(name, "unshelve", now_us, note=why) for name in over]

    def _put(self, change: Change) -> Change:
        if change.alarm.over:
            self._alarms.pop(change.alarm.id, None)
        else:
            self._alarms[change.alarm.id] = change.alarm
        return change


def _after(alarm: Alarm, event: str, at_us: int, note: str, until_us: int | None) -> Alarm:
    """The flags after an allowed event."""
    match event:
        case "alarm":
            return replace(alarm, active=True, acked=False, latch_set=alarm.latched or alarm.latch_set, since_us=at_us)
        case "return":
            return replace(alarm, active=False)
        case "acknowledge":
            return replace(alarm, acked=True)
        case "reset":
            return replace(alarm, latch_set=False)
        case "shelve":
            return replace(alarm, shelved_until_us=until_us, shelve_reason=note)
        case "unshelve":
            return replace(alarm, shelved_until_us=None, shelve_reason="")
        case "suppress":
            return replace(alarm, suppressed_by=note)
        case "unsuppress":
            return replace(alarm, suppressed_by=None)
        case "remove":
            return replace(alarm, out_of_service=note)
        case _:
            return replace(alarm, out_of_service=None)


def _why_not(alarm: Alarm, event: str, at_us: int, note: str, until_us: int | None) -> str:
    """Why an event is refused, in words; "" when it is allowed."""
    if event not in EVENTS:
        return _("unknown event; known: {events}").format(events=", ".join(EVENTS))
    if event in ("acknowledge", "reset") and alarm.letter in _SUPPRESSED:
        return _("it is {state}; end that first").format(state=alarm.state)
    refusals: Mapping[str, tuple[tuple[bool, str], ...]] = {
        "return": ((not alarm.active, _("it is not active")),),
        "acknowledge": ((alarm.acked, _("it is already acknowledged")),),
        "reset": (
            (alarm.active, _("it is still active; mend the cause first")),
            (not alarm.latch_set, _("it is not latched")),
            (not alarm.acked, _("acknowledge it first")),
        ),
        "unshelve": ((alarm.shelved_until_us is None, _("it is not shelved")),),
        "suppress": (
            (bool(alarm.suppressed_by), _("it is already suppressed by {rule}").format(rule=alarm.suppressed_by)),
            (not note.strip(), _("name the rule")),
        ),
        "unsuppress": (
            (not alarm.suppressed_by, _("it is not suppressed")),
            (not note.strip(), _("say why the rule no longer holds")),
        ),
        "remove": (
            (
                bool(alarm.out_of_service),
                _("it is already out of service under {order}").format(order=alarm.out_of_service),
            ),
            (not note.strip(), _("name the work order")),
        ),
        "restore": ((not alarm.out_of_service, _("it is in service")),),
    }
    if event == "shelve":
        return _no_shelf(alarm.priority, at_us, note, until_us)
    return next((words for holds, words in refusals.get(event, ()) if holds), "")


def _no_shelf(priority: int, at_us: int, note: str, until_us: int | None) -> str:
    limit_s = SHELVE_LIMIT_S[priority]
    if not note.strip():
        return _("write a reason")
    if until_us is None or until_us <= at_us:
        return _("say until when; the time must lie ahead")
    if until_us - at_us > limit_s * 1e6:
        return _("priority {n} may be shelved for {hours} h at most; choose an earlier time").format(
            n=priority, hours=f"{limit_s / 3600:g}"
        )
    return ""
