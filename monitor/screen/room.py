"""RoomState: everything the screen knows at one moment, as one frozen value.

Made by pure functions from what was read (status.json, liveness, hot file, ledger, journal), so that every page can be
tested without a terminal, and so that a page never mixes two moments. Nothing here reads a file or a clock. What is
missing stays missing: no data is never healthy, and what is old carries its age.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from types import MappingProxyType
from typing import Any

from drivers.errors import UserError
from monitor.periods.journal import journal_of
from monitor.periods.period import ENDS, taken_back
from monitor.words import parse_utc

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
ALERT_LINE = 50.0  # health index below which our own model asks for attention
VERDICT_ORDER = ("vendor_only", "own_only", "agree", "cannot_tell")  # where two sides differ comes first
QUIET = ("SHLVD", "DSUPR", "OOSRV", "NORM")  # states in which an alarm is not put before a person
NOTHING: Mapping[str, Any] = MappingProxyType({})

# What a person looks at first, per kind of asset.
FIRST_QUANTITY = {
    "pump": ("flow", "power", "current", "discharge_pressure", "pressure", "running", "speed"),
    "meter": ("flow", "power", "level", "pressure", "residual_chlorine", "volume", "energy"),
    "tank": ("level", "pressure"),
    "blower": ("flow", "pressure", "power", "current"),
    "dosing": ("flow", "residual_chlorine", "running"),
    "generator": ("power", "frequency", "voltage", "running"),
}


@dataclass(frozen=True, slots=True)
class Life:
    """Whether the daemon lives, as monitor.heartbeat tells it.

    running; stopped: as planned, less than a minute ago; blind: dead; hung; never: no data since this computer started;
    and unread: this screen cannot read it, whatever the daemon does.
    """

    word: str = "never"
    age_s: float | None = None  # of status.json; for `stopped` of the stop
    role: str = ""  # who stopped it
    at_us: int | None = None  # when it was stopped


@dataclass(frozen=True, slots=True)
class Point:
    """The newest sample of one tag, with what is needed to show it."""

    tag: int
    name: str
    quantity: str
    unit: str
    low: float | None = None
    high: float | None = None
    description: str = ""
    labels: tuple[tuple[int, str], ...] = ()  # what its codes or bits mean
    bits: bool = False
    value: float | None = None
    exact: str = ""
    quality: int = 2  # 0 good, 1 uncertain, 2 bad
    reasons: int = 0
    receive_us: int | None = None
    source_us: int | None = None  # as the device tells it


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm or alert as the hot file's list or status.json tells it."""

    id: str
    alert_id: str  # the newest alert behind it: what acknowledgements and decisions refer to
    at_us: int | None
    asset: str
    component: str
    origin: str  # vendor, own, plc, monitor
    priority: int  # 1 act now, 2 act this shift, 3 note
    text: str
    state: str
    active: bool = True
    until_us: int | None = None  # shelved until
    why: str = ""  # the reason it was shelved for
    claims: int = 1  # how many alerts that were not taken back stand behind it

    @property
    def says(self) -> str:
        """The newest claim, after the number of claims where there are more."""
        return f"x{self.claims} {self.text}" if self.claims > 1 else self.text

    @property
    def unacknowledged(self) -> bool:
        return self.state in ("UNACK", "RTNUN", "LATUN")


@dataclass(frozen=True, slots=True)
class Trend:
    """What the asset page draws: means of equal stretches of time of one tag, oldest first."""

    tag: int
    span: str  # 24h, 30d, 1y
    start_us: int
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the screen needs of one ledger entry."""

    n: int
    kind: str
    at_us: int
    role: str
    asset: str
    component: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over 365 days; the review's answer only if a review stands in the ledger."""

    asked: int = 0
    done: int = 0
    inspected: int = 0
    confirmed: int = 0
    choices: Mapping[str, int] = field(default_factory=dict)
    review: Mapping[str, Any] | None = None
    review_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger tells: tally, the entries of each asset, and what can be listed on the reports page."""

    tally: Tally = field(default_factory=Tally)
    by_asset: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    audits: tuple[Entry, ...] = ()
    signed: frozenset[str] = frozenset()
    periods: tuple[Entry, ...] = ()
    head: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One report in STATE/reports: the files that share a stem."""

    stem: str
    kind: str
    made_us: int
    files: tuple[str, ...] = ()  # paths


@dataclass(frozen=True, slots=True)
class Rejected:
    """One vendor message in STATE/rejected of which no alert could be made."""

    name: str
    at_us: int
    reason: str
    path: str  # of the reason


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure as `handwheel-manual --list --json` tells it."""

    id: str
    title: str
    revision: str = ""
    because: str = ""  # "" where no trigger holds
    applies: bool = False
    by_hand: bool = False  # it moves the plant: offered only after a person has declared control lost
    form: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The open manual period of the fallback's journal."""

    since_us: int
    role: str
    drill: bool
    sites: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class RoomState:
    """One moment of the control room."""

    now_us: int
    life: Life = field(default_factory=Life)
    status: Mapping[str, Any] = field(default_factory=dict)
    known_tags: bool = False  # whether the hot file could be read, so that "no tags" is knowledge
    points: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)  # by asset
    trends: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)  # by tag: 30 d, oldest first
    assets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # as configured
    assessments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    alarms: tuple[Alarm, ...] | None = None  # None: the hot file was not read
    focus: Trend | None = None
    past: Past = field(default_factory=Past)
    reports: tuple[Report, ...] = ()
    rejected: tuple[Rejected, ...] = ()  # the newest
    procedures: tuple[Procedure, ...] | None = None  # None: not asked yet or no answer
    period: Period | None = None
    role: str = ""
    rights: frozenset[str] = frozenset()
    trouble: str = ""  # "UI error ..." for line 1
    store_word: str = ""  # why the hot file or the ledger could not be read
    zone: tzinfo | None = None

    @property
    def simulated(self) -> bool:
        return bool(self.status.get("simulated"))

    @property
    def blind(self) -> bool:
        """Dead, hung or never seen. A planned stop is not, for a minute."""
        return self.life.word in ("blind", "hung", "never", "unread")

    @property
    def quiet(self) -> bool:
        """A planned stop less than a minute ago: said as such, and nothing is offered."""
        return self.life.word == "stopped"

    @property
    def live(self) -> bool:
        return self.life.word == "running"

    @property
    def lost_sites(self) -> tuple[Mapping[str, Any], ...]:
        """Sites whose telemetry the running daemon calls lost."""
        return tuple(site for site in rows(self.status, "sites") if site.get("state") == "lost") if self.live else ()


def rows(status: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects in status.json; anything else in its place is none."""
    found = status.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def part(status: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object in status.json; anything else in its place is an empty one."""
    found = status.get(key)
    return found if isinstance(found, Mapping) else NOTHING


def from_status(status: Mapping[str, Any] | None, now_us: int | None = None) -> RoomState:
    """The room as status.json alone tells it, as of the moment it was written: for the demo's text and for tests."""
    if not status:
        return RoomState(now_us or 0)
    at = time_us(status.get("utc"))
    now = now_us if now_us is not None else at or 0
    word = "running" if part(status, "daemon").get("state") == "running" else "stopped"
    age = (now - at) / 1e6 if at is not None else None
    return RoomState(now, Life(word, age), status)


def time_us(text: object) -> int | None:
    """Microseconds of a stored time; None where there is none or it is no time."""
    try:
        return parse_utc(text) if isinstance(text, str) else None
    except ValueError:
        return None


def main_point(kind: str, points: Sequence[Point]) -> Point | None:
    """The one value that the overview shows of an asset."""
    for quantity in FIRST_QUANTITY.get(kind, ()):
        for point in points:
            if point.quantity == quantity:
                return point
    return points[0] if points else None


def history_only(room: RoomState, asset: Mapping[str, Any]) -> bool:
    """Whether an asset has no source at all, so that only its history is known."""
    if asset.get("state") == "history":
        return True
    return room.known_tags and not room.points.get(str(asset.get("id")))


def buckets(
    rows: Iterable[tuple[float, float | None, int]], start_s: float, end_s: float, count: int
) -> tuple[float | None, ...]:
    """Means of `count` equal stretches of time from rows of (time [s], mean, good samples); None: nothing good."""
    sums, weights = [0.0] * count, [0] * count
    for time_s, mean, good in rows:
        at = int((time_s - start_s) / (end_s - start_s) * count)
        if mean is not None and good and 0 <= at < count:
            sums[at] += mean * good
            weights[at] += good
    return tuple(total / weight if weight else None for total, weight in zip(sums, weights, strict=True))


def severity(room: RoomState, asset: Mapping[str, Any]) -> int:
    """How far up an asset stands: its worst open alarm, whether the two sides differ, then its worst quality."""
    ranks = [one.priority for one in open_alarms(room) if one.asset == asset.get("id") and one.state not in QUIET]
    word, quality = asset.get("verdict"), asset.get("worst")
    place = VERDICT_ORDER.index(word) if word in VERDICT_ORDER else len(VERDICT_ORDER)
    return min(ranks, default=4) * 100 + place * 10 - (quality if isinstance(quality, int) else 0)


def sorted_assets(room: RoomState, site: str = "", needle: str = "") -> list[Mapping[str, Any]]:
    """Assets as the overview lists them: by site, worst first; those without any source last of all."""
    order = {str(one.get("id")): number for number, one in enumerate(rows(room.status, "sites"))}
    wanted = needle.casefold()

    def matches(asset: Mapping[str, Any]) -> bool:
        words = f"{asset.get('id')} {asset.get('name')} {asset.get('verdict')} {asset.get('note')}".casefold()
        return (not site or asset.get("site") == site) and wanted in words

    def place(asset: Mapping[str, Any]) -> tuple[bool, int, int, str]:
        where = order.get(str(asset.get("site")), len(order))
        return history_only(room, asset), where, severity(room, asset), str(asset.get("id"))

    return sorted((one for one in rows(room.status, "assets") if matches(one)), key=place)


def alarm(told: Mapping[str, Any]) -> Alarm:
    """One row of the list of alarms; what is missing or of another kind than expected is left empty."""
    ids = told.get("alert_ids")
    name = str(told.get("id") or "")
    since, until, rank = told.get("since_us"), told.get("shelved_until_us"), told.get("priority")
    claims = told.get("claims")
    return Alarm(
        id=name,
        alert_id=str(ids[-1]) if isinstance(ids, list | tuple) and ids else str(told.get("alert_id") or name),
        at_us=since if isinstance(since, int) else time_us(told.get("at")),
        asset=str(told.get("asset") or ""),
        component=str(told.get("component") or ""),
        origin=str(told.get("origin") or ""),
        priority=rank if isinstance(rank, int) and 1 <= rank <= 3 else 3,
        text=str(told.get("text") or ""),
        state=str(told.get("state") or ""),
        active=told.get("active", True) is not False,
        until_us=until if isinstance(until, int) else None,
        why=str(told.get("shelve_reason") or ""),
        claims=claims if isinstance(claims, int) else 1,
    )


def open_alarms(room: RoomState) -> tuple[Alarm, ...]:
    """All alarms and alerts: from the hot file, or, where that was not read, the few at the top of status.json."""
    if room.alarms is not None:
        return room.alarms
    return tuple(alarm(one) for one in rows(room.status, "alarms_top"))


def vendor_asks(room: RoomState, asset_id: str, verdict: object) -> bool:
    """Whether the vendor asks for something on this asset now, whatever our own model can say of it.

    The word of the verdict is asked only where the verdicts themselves are not known.
    """
    if any(one.active and one.origin == "vendor" for one in open_claims(room, asset_id)):
        return True
    return asset_id not in room.verdicts and verdict in ("vendor_only", "agree")


def open_claims(room: RoomState, asset_id: str, origin: str = "") -> list[Alarm]:
    """What is claimed of an asset, vendor's first, newest first: its alarms, and what stands without one."""
    listed = open_alarms(room)
    origins = (origin,) if origin else ("vendor", "own")
    found = [one for one in listed if one.asset == asset_id and (not origin or one.origin == origin)]
    found += [claim for each in origins for claim in unlisted(room, asset_id, listed, each)]
    return sorted(found, key=lambda one: (one.origin != "vendor", not one.active, -(one.at_us or 0)))


def unlisted(room: RoomState, asset_id: str, listed: Iterable[Alarm], origin: str) -> list[Alarm]:
    """Claims of an origin that were judged and stand, but have no active alarm in the list; their state is "".

    Such are those of an imported past, and those whose alarm ended because a person had looked at the part.
    """
    alarms = [one for one in listed if one.active and one.asset == asset_id and one.origin == origin]
    told = room.past.by_asset.get(asset_id, ())
    last = {str(one.data.get("alert_id")): one for one in told if one.kind == f"{origin}_alert"}
    found = []
    for verdict in room.verdicts.get(asset_id, ()):
        component, episode = str(verdict.get("component") or ""), part(verdict, f"{origin}_episode")
        ids = [str(one) for one in episode.get("alerts") or ()]
        standing = [one for one in ids if one not in last or last[one].data.get("active") is not False]
        shown = any(one.alert_id in ids or one.component == component for one in alarms)
        if standing and not shown and episode.get("end") is None:
            name = standing[-1]
            at_us, text = time_us(episode.get("start")), str(verdict.get("reason") or "")
            if name in last:
                at_us, text = last[name].at_us, str(last[name].data.get("text") or "")
            found.append(Alarm(name, name, at_us, asset_id, component, origin, 3, text, ""))
    return found


def verdict_shown(room: RoomState, asset: Mapping[str, Any]) -> str | None:
    """The asset's verdict, or "unjudged" while a claim stands that came after the last judgement; None: no claim."""
    word = str(asset["verdict"]) if asset.get("verdict") else None
    return (
        "unjudged"
        if any(unjudged(room, one, word) for one in open_alarms(room) if one.asset == asset.get("id"))
        else word
    )


def unjudged(room: RoomState, alarm: Alarm, verdict: str | None) -> bool:
    """Whether a claim stands that was not there when its asset was judged last; our own come with their judgement."""
    if not alarm.active or alarm.origin not in (("vendor",) if verdict else ("vendor", "own")):
        return False
    judged_ms = room.assessments.get(alarm.asset, NOTHING).get("at_ms")
    if not isinstance(judged_ms, int | float):
        return verdict is None
    return (alarm.at_us or 0) > judged_ms * 1000


def standing_verdicts(room: RoomState, asset_id: str) -> list[Mapping[str, Any]]:
    """The verdicts on an asset of which a claim still stands."""

    def stands(verdict: Mapping[str, Any]) -> bool:
        sides = [part(verdict, side) for side in ("vendor_episode", "own_episode") if verdict.get(side)]
        return not sides or any(side.get("end") is None for side in sides)

    return [one for one in room.verdicts.get(asset_id, ()) if stands(one)]


def own_asks(room: RoomState, asset: Mapping[str, Any]) -> bool:
    """Whether our own model asks for something on this asset now."""
    index = asset.get("index")
    return asset.get("verdict") in ("own_only", "agree") or (isinstance(index, int | float) and index < ALERT_LINE)


def sound_since(room: RoomState, asset_id: str) -> int:
    """From when on an asset may be sound: the minute after the last work on it was done, else now. [us]"""
    orders = [one for one in room.past.by_asset.get(asset_id, ()) if one.kind == "work_order"]
    done = [us for us in (time_us(one.data.get("done")) for one in orders if one.data.get("action") != "inspect") if us]
    after = -(-max(done, default=room.now_us) // MINUTE_US) * MINUTE_US
    return min(after, room.now_us // MINUTE_US * MINUTE_US)


def tally(entries: Iterable[Entry], since_us: int) -> Tally:
    """Counts since a time: alerts asked, work done on them, inspected as found, confirmed (grade D or E)."""
    asked: set[str] = set()
    done: set[str] = set()
    grades: dict[str, str] = {}
    choices: dict[str, int] = {}
    review: Entry | None = None
    for entry in entries:
        data = entry.data
        if entry.kind == "review" and not data.get("narrowed") and not data.get("another"):
            review = entry
        if entry.at_us < since_us:
            continue
        if entry.kind == "vendor_alert" and data.get("active") is not False:
            asked.add(str(data.get("alert_id")))
        elif entry.kind == "work_order" and data.get("trigger") == "vendor_alert" and data.get("done"):
            done.add(str(data.get("wo_id")))
        elif entry.kind == "finding":
            grades[str(data.get("wo_id"))] = str(data.get("grade"))
        elif entry.kind == "decision":
            choice = str(data.get("choice"))
            choices[choice] = choices.get(choice, 0) + 1
    found = [grades[order] for order in done if order in grades]
    return Tally(
        asked=len(asked),
        done=len(done),
        inspected=len(found),
        confirmed=sum(grade in ("D", "E") for grade in found),
        choices=choices,
        review=review.data if review else None,
        review_at_us=review.at_us if review else None,
    )


def past(entries: Sequence[Entry], now_us: int, head: str = "") -> Past:
    """The ledger as the pages need it."""
    by_asset: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.asset and entry.kind in ("vendor_alert", "own_alert", "decision", "work_order", "finding", "failure"):
            by_asset.setdefault(entry.asset, []).append(entry)
    return Past(
        tally=tally(entries, now_us - 365 * DAY_US),
        by_asset={asset: tuple(found) for asset, found in by_asset.items()},
        audits=tuple(one for one in entries if one.kind == "audit"),
        signed=frozenset(str(one.data.get("audit_id")) for one in entries if one.kind == "audit_signed"),
        periods=tuple(one for one in entries if one.kind == "period"),
        head=head,
    )


def open_period(name: str, raw: bytes, now_us: int) -> Period | None:
    """The manual period of a journal's file that was declared and has not ended; None where there is none in it."""
    try:
        journal = journal_of(name, raw, now_us)
    except UserError:
        return None
    undone = taken_back(journal.lines)
    standing = [line for line in journal.lines if line.mark not in undone]
    declared = [line for line in standing if line.kind == "declared"]
    if not declared or declared[0].at_us is None or any(line.kind in ENDS for line in standing):
        return None
    sites = [line.texts("sites") for line in declared]
    where = tuple(dict.fromkeys(site for some in sites for site in some)) if all(sites) else ()  # one for all sites
    return Period(declared[0].at_us, declared[0].role, journal.drill, where, declared[0].text("text"))


def procedures(text: str) -> tuple[Procedure, ...]:
    """The answer of `handwheel-manual --list --json`; ValueError where it is none."""
    answer = json.loads(text)
    found = answer.get("procedures") if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        raise ValueError("the list of procedures is no list")
    offered = []
    for one in found:
        because = one.get("because") or ""
        words = "; ".join(str(line) for line in because) if isinstance(because, list) else str(because)
        applies = bool(one.get("applies")) if isinstance(one.get("applies"), bool) else bool(words)
        offered.append(
            Procedure(
                str(one["id"]), str(one.get("title", "")), str(one.get("revision", "")), words, applies,
                by_hand=one.get("by_hand") is True, form=one.get("kind") == "form",
            )
        )  # fmt: skip
    return tuple(offered)
