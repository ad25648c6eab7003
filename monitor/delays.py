"""What can be said of delays: from the device's own status bit to the vendor's message, and from sending to receiving.

Two times of one clock make a delay; two times of two clocks make a delay mixed with the skew between them, which no
subtraction takes apart (practice.md section 6). So "told first" compares what we saw ourselves, with what we could not
have seen as an interval, and the vendor's own time is compared only where the skew is known from NTP or an exchange.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.vendor.file_drop import AHEAD
from monitor.claims import DEVICE_FEEDS, LATE, WAITED
from monitor.ledger import Record
from monitor.words import _, age_text, parse_utc

PAIR_DAYS = 7  # a message belongs to a status bit of the same part if it came within this time of it
NOTICED_S = 3.0  # a message is noticed at most so long after it came, while we listen [s]
STEP_S = 1.0  # a step of our clock that makes a difference of two of its times worthless [s]


@dataclass(frozen=True, slots=True)
class Delay:
    """A delay lies between `low_s` and `high_s` [s]; None where nothing bounds it. `why` says what is missing."""

    low_s: float | None
    high_s: float | None
    why: str = ""

    @property
    def word(self) -> str:
        """after, before, cannot_tell."""
        if self.low_s is not None and self.low_s >= 0:
            return "after"
        return "before" if self.high_s is not None and self.high_s <= 0 else "cannot_tell"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One vendor message beside the device's own status bit, which we read ourselves."""

    asset: str
    component: str
    alert_id: str
    bit_us: int  # when we first saw the bit set
    message_us: int  # when we had the message
    delay: Delay  # of the message after the bit
    sent: Delay  # of receiving after sending, by the vendor's own time


@dataclass(frozen=True, slots=True)
class Summary:
    """Pairs counted by what they tell, and by how much at least the message came after the bit, where it did [s]."""

    after: int
    before: int
    unclear: int
    median_s: float = 0.0
    least_s: float = 0.0
    most_s: float = 0.0

    @property
    def pairs(self) -> int:
        return self.after + self.before + self.unclear


@dataclass(slots=True)
class _Bit:
    """A status bit from its raise to its end."""

    told: Record
    seen_us: int
    end_us: int | None = None


def transit(
    issued_us: int | None,
    received_us: int,
    *,
    basis: str = "",
    waited: bool = False,
    clock: str = "unknown",
    skew_s: tuple[float, float] | None = None,
) -> Delay:
    """What can be said of the time from sending to receiving a message.

    `basis` says why the vendor's time is no point in time ("" if it is one), `waited` that the message may have lain
    here before we looked, `clock` is the state of our clock, `skew_s` bounds how far the vendor's clock is ahead of
    ours [s], from NTP on both sides or an exchange; without it only a contradiction can be seen.
    """
    if issued_us is None:
        return Delay(0.0, None, _("the message has no time of its own"))
    if basis == AHEAD:
        return Delay(0.0, None, _("the vendor's time is not believable: more than a day after the message came"))
    if basis:
        return Delay(0.0, None, _("the vendor's time has no zone or is no point in time"))
    if clock == "suspect":
        return Delay(0.0, None, _("our clock was suspect"))
    seconds = (received_us - issued_us) / 1e6
    if skew_s is None:
        if seconds < 0:
            return Delay(0.0, None, _("the vendor's clock is ahead of ours by at least {age}").format(
                age=age_text(-seconds)))  # fmt: skip
        return Delay(0.0, None, _("the skew between the two clocks is not known"))
    low, high = seconds + skew_s[0], seconds + skew_s[1]
    if high < 0:
        return Delay(0.0, None, _("the times contradict what is known of the clocks"))
    return Delay(0.0 if waited else max(low, 0.0), high)


def arrivals(records: Iterable[Record]) -> tuple[Arrival, ...]:
    """Vendor messages paired with the device's own status bit of the same part, at most PAIR_DAYS apart.

    `records` are vendor_alert and clock_step entries in the order of the ledger. A bit pairs once: with the first
    message that came while it was set, else with the nearest. Where the bit stood when we first looked, where the
    message may have waited for us, or where our clock was set in between, the delay is open on one side or both.
    """
    bits: list[_Bit] = []
    raised: dict[str, _Bit] = {}
    messages: list[Record] = []
    steps: list[int] = []
    for record in records:
        data = record.data
        if record.kind == "clock_step":
            if abs(float(str(data["step"]).split()[0])) > STEP_S:
                steps.append(record.n)
        elif data.get("feed") == "status_bit":
            name = str(data["alert_id"])
            if data.get("active", True):
                raised[name] = _Bit(record, _received(record))
                bits.append(raised[name])
            elif name in raised:
                raised.pop(name).end_us = _received(record)
        elif data.get("feed") not in DEVICE_FEEDS and data.get("active", True):
            messages.append(record)
    pairs: dict[int, _Bit] = {}
    for standing in (True, False):
        for message in messages:
            if message.n not in pairs and (bit := _bit_of(message, bits, standing)):
                pairs[message.n] = bit
                bits.remove(bit)
    return tuple(_arrival(message, pairs[message.n], steps) for message in messages if message.n in pairs)


def _bit_of(message: Record, bits: Sequence[_Bit], standing: bool) -> _Bit | None:
    """The bit that a message belongs to: one that was set when it came, or the nearest."""
    at_us = _received(message)
    near = [bit for bit in bits if abs(at_us - bit.seen_us) <= PAIR_DAYS * 86_400e6 and _same_part(message, bit.told)]
    if standing:
        near = [bit for bit in near if bit.seen_us <= at_us and (bit.end_us is None or at_us <= bit.end_us)]
    return min(near, key=lambda bit: abs(at_us - bit.seen_us), default=None)


def _same_part(message: Record, bit: Record) -> bool:
    if message.asset != bit.asset:
        return False
    if message.component and bit.component:
        return message.component == bit.component
    return bool(message.data.get("failure_mode")) and message.data["failure_mode"] == bit.data.get("failure_mode")


def _arrival(message: Record, bit: _Bit, steps: Sequence[int]) -> Arrival:
    at_us, data = _received(message), message.data
    waited = WAITED in data or LATE in data
    first, last = sorted((message.n, bit.told.n))
    stepped = any(first < step < last for step in steps)
    clear = bit.told.data.get("clear_at")
    low = (at_us - bit.seen_us) / 1e6 - NOTICED_S
    high = (at_us - parse_utc(clear)) / 1e6 if isinstance(clear, str) else None
    if stepped:
        delay = Delay(None, None, _("our clock was set in between"))
    elif waited:
        delay = Delay(None, high, _("the message may have waited while we did not listen"))
    else:
        delay = Delay(low, high, "" if high is not None else _("the bit was set when we first looked"))
    issued = data.get("issued_at")
    sent = transit(
        parse_utc(issued) if isinstance(issued, str) else None, at_us, basis=str(data.get("issued_basis", "")),
        waited=waited, clock="suspect" if stepped else "unknown",
    )  # fmt: skip
    return Arrival(message.asset or "", message.component or "", str(data["alert_id"]), bit.seen_us, at_us, delay, sent)


def summary(found: Sequence[Arrival]) -> Summary | None:
    """The pairs counted; None where there are none."""
    if not found:
        return None
    words = [one.delay.word for one in found]
    after = [one.delay.low_s for one in found if one.delay.word == "after" and one.delay.low_s is not None]
    counts = (len(after), words.count("before"), words.count("cannot_tell"))
    return Summary(*counts, statistics.median(after), min(after), max(after)) if after else Summary(*counts)


def _received(alert: Record) -> int:
    """When it reached us; the entry's own time where the message does not say, or is not believed."""
    received = alert.data.get("received_at")
    return parse_utc(received) if isinstance(received, str) and LATE not in alert.data else alert.at_us
