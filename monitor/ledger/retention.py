"""Retention: which words of people and vendors have lain here long enough, by the days that [retention] gives per kind.

A rule erases the body of an entry, or a vendor's message (`message`); the digest stays in the chain, and one entry per
run names the rule, the kinds and the numbers. Held back is what is still needed as evidence:

- of a work order that is open (neither done nor with a finding): its own entries, and the alert behind it with all that
  was decided on it;
- of a review that is open (parameters frozen, and no review made with them since): what it will count, from 730 days
  before the freeze on, which is the period that a review looks at.

The worker decides by this module, the daemon erases. Nothing is decided about kinds without a rule: they stay.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitor.ledger.entry import ERASABLE, Record
from monitor.ledger.reading import entries
from monitor.sqlite_file import reading
from monitor.state import State
from monitor.words import _, local_text, parse_utc

if TYPE_CHECKING:
    from monitor.plant import Settings

MESSAGE = "message"
MOST = 5_000  # entries and messages erased in one run; the rest goes the next day
REVIEW_DAYS = 730
REPLY_DAYS = 30  # in which the vendor may contest what a review counted
COUNTED = ("vendor_alert", "decision", "work_order", "finding", "failure", "event")  # by a review
_DAY_US = 86_400_000_000
_OF_ALERT = ("vendor_alert", "decision", "acknowledge", "shelve")


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule says today: what goes (numbers of entries, or SHA-256 of messages), what is held, when the next."""

    kind: str
    days: int
    goes: tuple[int | str, ...]
    held: tuple[int | str, ...]
    next_us: int | None  # when the next one falls due, UTC [us]; None where there is none

    @property
    def rule(self) -> str:
        """As site.toml has it."""
        return f"{self.kind} = {self.days}"


def due(
    records: Iterable[Record], messages: Mapping[str, int], rules: Mapping[str, int], now_us: int
) -> list[Due]:  # fmt: skip
    """What each rule says at `now_us` (UTC [us]); `messages`: SHA-256 -> when it was kept.

    `records` are all entries of ERASABLE, review_freeze and review that are not erased, in order.
    """
    told = list(records)
    held, held_names = _held_of(told, now_us)
    named: dict[str, int] = {}  # a message is as old as the first entry that names it: that time is under the chain
    for one in told:
        if one.kind == "vendor_alert" and one.data["raw_sha256"]:
            named.setdefault(str(one.data["raw_sha256"]), one.at_us)
    found = []
    for kind, days in rules.items():
        at_us: dict[int | str, int] = (
            {name: named.get(name, kept_us) for name, kept_us in messages.items()}
            if kind == MESSAGE
            else {one.n: one.at_us for one in told if one.kind == kind}
        )
        stays: set[int] | set[str] = held_names if kind == MESSAGE else held
        old = [name for name, us in at_us.items() if us + days * _DAY_US <= now_us]
        later = [us + days * _DAY_US for us in at_us.values() if us + days * _DAY_US > now_us]
        goes, kept = tuple(one for one in old if one not in stays), tuple(one for one in old if one in stays)
        found.append(Due(kind, days, goes, kept, min(later, default=None)))
    return found


def held(state: State, now_us: int) -> tuple[set[int], set[str]]:
    """What open work orders and open reviews still need: numbers of entries, and SHA-256 of messages."""
    return _held_of(list(entries(state, (*ERASABLE, "review_freeze", "review"))), now_us)


def _held_of(told: list[Record], now_us: int) -> tuple[set[int], set[str]]:
    numbers = set(_held(told, now_us))
    return numbers, {
        str(one.data["raw_sha256"])
        for one in told
        if one.n in numbers and one.kind == "vendor_alert" and one.data["raw_sha256"]
    }


def _held(told: list[Record], now_us: int) -> Iterator[int]:
    """The numbers of the entries that an open work order or an open review still needs."""
    inspected = {one.data["wo_id"] for one in told if one.kind == "finding"}
    orders = {one.data["wo_id"]: one for one in told if one.kind == "work_order"}  # the last word on each
    open_orders = {name for name, one in orders.items() if not one.data.get("done") and name not in inspected}
    alerts = {orders[name].data.get("alert_id") for name in open_orders} - {None, ""}
    frozen: dict[str, tuple[str, int]] = {}  # vendor -> (hash of the parameters, start of its period)
    for one in told:
        if one.kind == "review_freeze":
            of = one.data["parameters"]
            start_us = min(of.get("start_us") or one.at_us, one.at_us - REVIEW_DAYS * _DAY_US)
            frozen[str(of.get("vendor"))] = (str(one.data["sha256"]), start_us)
        elif one.kind == "review" and one.via == "worker" and one.at_us + REPLY_DAYS * _DAY_US <= now_us:
            done = one.data["parameters_sha256"]
            frozen = {vendor: last for vendor, last in frozen.items() if last[0] != done}
    since_us = min((start_us for _sha256, start_us in frozen.values()), default=now_us + _DAY_US)
    for one in told:
        of_order = one.kind == "work_order" and one.data["wo_id"] in open_orders
        of_alert = one.kind in _OF_ALERT and one.data["alert_id"] in alerts
        of_review = bool(frozen) and one.kind in COUNTED and one.at_us >= since_us
        if of_order or of_alert or of_review:
            yield one.n


def look(state: State, settings: "Settings", now_us: int) -> list[Due]:
    """What the rules of the configuration say of this ledger at `now_us`."""
    if not settings.retention or not state.ledger.is_file():
        return []
    told = entries(state, (*ERASABLE, "review_freeze", "review"))
    return due(told, dict(_messages(state)), settings.retention, now_us)


def _messages(state: State) -> Iterator[tuple[str, int]]:
    with reading(state.bodies) as db:
        for name, kept_at in db.execute("SELECT sha256, kept_at FROM raw WHERE length(bytes) > 0"):
            try:
                yield str(name), parse_utc(str(kept_at))
            except ValueError:
                continue  # no time that can be read: it stays until an entry that names it is old enough


def erasure(found: Iterable[Due], now_us: int) -> dict[str, Any] | None:
    """The draft of the one erasure of this run, MOST at a time; None where nothing is due."""
    found = [one for one in found if one.goes]
    if not found:
        return None
    room, numbers, names, rules = MOST, [], [], []
    for one in found:
        goes = one.goes[:room]
        room -= len(goes)
        numbers += [n for n in goes if isinstance(n, int)]
        names += [name for name in goes if isinstance(name, str)]
        rules += [one.rule] if goes else []
    before_us = now_us - min(one.days for one in found) * _DAY_US
    data = {"entries": sorted(numbers), "raw": sorted(names), "rule": f"[retention] {', '.join(rules)}",
            "orphans_before_us": before_us}  # fmt: skip
    return {"kind": "erasure", "data": data, "at_us": now_us, "via": "retention"}


def command(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    """`handwheel ledger retention`: what would go, when, by which rule; erases nothing."""
    if not settings.retention:
        print(_("no rule: nothing is ever erased by itself; see [retention] in site.toml"))
        return 0
    rule, now, held, later = _("rule (days)"), _("due now"), _("held"), _("the next falls due")
    print(f"{rule:<24} {now:>8} {held:>8}  {later}")
    for one in look(state, settings, now_us):
        after = local_text(one.next_us, ZoneInfo(settings.time_zone)) if one.next_us is not None else "-"
        print(f"{one.rule:<24} {len(one.goes):>8} {len(one.held):>8}  {after}")
    print(_("held: an open work order or an open review still needs it; the daemon's job retention erases what is due"))
    return 0
