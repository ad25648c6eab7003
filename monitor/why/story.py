"""The story of one alert: what the ledger's entries say of it, put beside each other. Pure; nothing is guessed.

Entries may be corrected or withdrawn by later ones (`corrects`, `withdrawn`), a job is named by its number and a later
entry of the same number stands for it. All of them stay in the story; it says which hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.delays import Arrival, arrivals
from monitor.ledger import Record
from monitor.words import parse_utc, utc_text

DAY_US = 86_400_000_000
CONFIRMED = ("D", "E")
OF_ALERT = ("vendor_alert", "own_alert")
KINDS = (
    *OF_ALERT, "decision", "acknowledge", "verdict", "assessment", "model", "work_order", "finding", "failure",
)  # fmt: skip
OF_ALL = ("clock_step", "contest", "erasure", "review_freeze")  # kinds that name no asset


@dataclass(frozen=True, slots=True)
class Job:
    """One work order: the entry that holds (None: it was withdrawn), all its entries, and the findings on it."""

    wo_id: str
    order: Record | None
    entries: tuple[Record, ...]
    findings: tuple[Record, ...] = ()  # all, also those that hold no longer
    holding: frozenset[int] = frozenset()  # the findings that hold, by number
    counted: Record | None = None  # the last of an independent hand, else the vendor's last

    @property
    def done_us(self) -> int | None:
        """When the work was done (UTC [us]); None while it is open."""
        return time_us(self.order.data.get("done")) if self.order else None


@dataclass(frozen=True, slots=True)
class Contest:
    """A vendor's reply to one finding."""

    entry: Record
    finding: int
    reason: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything of one alert. Records are in the order of the ledger; times are UTC [us]."""

    alert_id: str
    origin: str  # vendor, own; "" where nothing of what it said is left
    asset: str
    component: str
    now_us: int
    said: tuple[Record, ...]  # the entries of the alert itself
    others: tuple[Record, ...]  # first entries of the other alerts in the same pair of episodes
    pairs: tuple[Record, ...]  # the verdicts on it
    arrival: Arrival | None  # the message beside the device's own status bit
    model: Record | None  # that judged then
    assessment: Record | None  # the last before it
    own: tuple[Record, ...]  # the last word before it on each own alert of the asset that stood then
    decisions: tuple[Record, ...]
    seen: tuple[Record, ...]  # acknowledged
    jobs: tuple[Job, ...]  # that name the alert, or one of its episode
    beside: tuple[Job, ...]  # on the same part within the horizon, naming another alert or none
    contests: tuple[Contest, ...]
    failures: tuple[Record, ...]  # of the part, within the horizon
    replaced: Mapping[int, Record]  # entry -> the later one that corrects or withdraws it
    erasures: tuple[Record, ...]  # that may have taken something of this story
    horizon_days: float

    @property
    def first(self) -> Record | None:
        """Where the alert was entered first."""
        return self.said[0] if self.said else None

    @property
    def at_us(self) -> int | None:
        """When it came: what was known then is told of this time."""
        return self.said[0].at_us if self.said else self.named_us

    @property
    def named_us(self) -> int | None:
        """When the ledger names it first, though what it said may be gone."""
        return min((one.at_us for one in (*self.said, *self.pairs, *self.decisions)), default=None)

    @property
    def end_us(self) -> int | None:
        """When the horizon ends."""
        return None if self.at_us is None else self.at_us + round(self.horizon_days * DAY_US)

    @property
    def findings(self) -> tuple[Record, ...]:
        """The findings that count, one of each job that has one."""
        return tuple(job.counted for job in self.jobs if job.counted)

    @property
    def confirmed(self) -> bool | None:
        """Whether an independent hand found a defect; None where none has looked."""
        grades = [one.data.get("grade") for one in self.findings if one.data.get("inspector_party") != "vendor"]
        return any(grade in CONFIRMED for grade in grades) if grades else None


def story(records: Sequence[Record], alert_id: str, asset: str, horizon_days: float, now_us: int) -> Story:
    """What `records` (entries of KINDS on the asset, and of OF_ALL, in order) say of an alert."""
    records = [one for one in records if one.at_us <= now_us or one.kind in OF_ALL]
    mine = [one for one in records if one.asset == asset]
    said = tuple(one for one in mine if one.kind in OF_ALERT and one.data.get("alert_id") == alert_id)
    pairs = tuple(one for one in mine if one.kind == "verdict" and alert_id in alerts_of(one))
    family = {alert_id, *(alert for one in pairs[-1:] for alert in alerts_of(one))}
    origin = {"vendor_alert": "vendor", "own_alert": "own"}[said[0].kind] if said else ""
    decisions = tuple(one for one in mine if one.kind == "decision" and one.data.get("alert_id") in family)
    sources = (*said, *pairs, *decisions)
    component = next((one.component for one in sources if one.component), "") or ""
    start_us = said[0].at_us if said else min((one.at_us for one in sources), default=0)
    end_us = start_us + round(horizon_days * DAY_US)
    replaced = replacing(mine)
    jobs = jobs_of(mine, replaced)
    named = tuple(job for job in jobs if any(one.data.get("alert_id") in family for one in job.entries))
    beside = tuple(job for job in jobs if job not in named and job.order is not None and _on(job.order, component)
                   and start_us <= (job.done_us or job.order.at_us) <= end_us)  # fmt: skip
    found = {one.n for job in named for one in job.findings}
    before = [one for one in mine if one.at_us <= start_us]
    judged = sorted((one for one in mine if one.kind == "assessment"), key=lambda one: one.at_us)
    return Story(
        alert_id=alert_id,
        origin=origin,
        asset=asset,
        component=component,
        now_us=now_us,
        said=said,
        others=_others(mine, family - {alert_id}),
        pairs=pairs,
        arrival=_arrival(records, alert_id, origin),
        model=next((one for one in reversed(before) if one.kind == "model"), None),
        assessment=next((one for one in reversed(judged) if one.at_us <= start_us), None),
        own=_standing(before, alert_id),
        decisions=decisions,
        seen=tuple(one for one in mine if one.kind == "acknowledge" and one.data.get("alert_id") in family),
        jobs=named,
        beside=beside,
        contests=tuple(one for one in contests_of(records) if one.finding in found),
        failures=tuple(one for one in mine if one.kind == "failure" and one.n not in replaced
                       and one.data.get("withdrawn") is not True and _on(one, component)
                       and start_us <= one.at_us <= end_us),
        replaced=replaced,
        erasures=tuple(one for one in records if one.kind == "erasure"),
        horizon_days=horizon_days,
    )  # fmt: skip


def jobs_of(records: Iterable[Record], replaced: Mapping[int, Record]) -> list[Job]:
    """The work orders among these entries with the findings on them, in the order in which they were opened."""
    orders: dict[str, list[Record]] = {}
    findings: dict[str, list[Record]] = {}
    for one in records:
        if one.kind in ("work_order", "finding"):
            chosen = orders if one.kind == "work_order" else findings
            chosen.setdefault(str(one.data.get("wo_id")), []).append(one)
    return [_job(name, entries, findings.get(name, ()), replaced) for name, entries in orders.items()]


def _job(name: str, entries: Sequence[Record], findings: Sequence[Record], replaced: Mapping[int, Record]) -> Job:
    valid = [one for one in entries if holds(one, replaced)]
    holding = [one for one in findings if holds(one, replaced)]
    independent = [one for one in holding if one.data.get("inspector_party") != "vendor"]
    counted = next(reversed(independent or holding), None)
    return Job(name, valid[-1] if valid else None, tuple(entries), tuple(findings),
               frozenset(one.n for one in holding), counted)  # fmt: skip


def replacing(records: Iterable[Record]) -> dict[int, Record]:
    """By the number of an entry the last one that corrects or withdraws it."""
    return {one.data["corrects"]: one for one in records if isinstance(one.data.get("corrects"), int)}


def holds(one: Record, replaced: Mapping[int, Record]) -> bool:
    """Whether a record stands: nothing corrects it, and it does not only take another one back."""
    return one.n not in replaced and one.data.get("withdrawn") is not True


def alerts_of(verdict: Record) -> list[str]:
    """The alerts of both episodes of a verdict."""
    found: list[str] = []
    for side in ("vendor_episode", "own_episode"):
        episode = verdict.data.get(side)
        if isinstance(episode, Mapping):
            found += [str(one) for one in episode.get("alerts") or ()]
    return found


def contests_of(records: Iterable[Record]) -> list[Contest]:
    """What vendors contest, finding by finding."""
    return [
        Contest(one, told["n"], str(told.get("reason") or ""))
        for one in records if one.kind == "contest"
        for told in one.data.get("findings") or ()
        if isinstance(told, Mapping) and isinstance(told.get("n"), int)
    ]  # fmt: skip


def standing_alerts(records: Iterable[Record]) -> list[Record]:
    """The last word on each alert of an asset that nobody took back and no verdict calls ended, the newest last."""
    last: dict[str, Record] = {}
    ended: dict[str, bool] = {}
    for one in records:
        if one.kind in OF_ALERT:
            name = str(one.data.get("alert_id"))
            last.pop(name, None)
            last[name] = one
        elif one.kind == "verdict":
            for side in ("vendor_episode", "own_episode"):
                episode = one.data.get(side)
                if isinstance(episode, Mapping):
                    ended |= dict.fromkeys(map(str, episode.get("alerts") or ()), episode.get("end") is not None)
    return [one for name, one in last.items() if one.data.get("active") is not False and not ended.get(name)]


def time_us(value: object) -> int | None:
    """UTC microseconds of a recorded time; None where there is none to be read."""
    try:
        return parse_utc(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _arrival(records: Sequence[Record], alert_id: str, origin: str) -> Arrival | None:
    if origin != "vendor":
        return None
    told = [one for one in records if one.kind in ("vendor_alert", "clock_step")]
    return next((one for one in arrivals(told) if one.alert_id == alert_id), None)


def _others(records: Sequence[Record], family: set[str]) -> tuple[Record, ...]:
    found: dict[str, Record] = {}
    for one in records:
        if one.kind in OF_ALERT and str(one.data.get("alert_id")) in family:
            found.setdefault(str(one.data["alert_id"]), one)
    return tuple(found.values())


def _standing(before: Sequence[Record], alert_id: str) -> tuple[Record, ...]:
    own = [one for one in before if one.kind in ("own_alert", "verdict") and one.data.get("alert_id") != alert_id]
    return tuple(standing_alerts(own))


def _on(one: Record, component: str) -> bool:
    """Whether an entry may speak of the part: of the same one, or of the whole asset."""
    return not component or not one.component or one.component == component


def to_json(told: Story) -> dict[str, Any]:
    """The same in plain values: each entry whole, as it was recorded."""
    jobs = [
        {"wo_id": job.wo_id, "entries": _plain(job.entries), "holds": job.order.n if job.order else None,
         "findings": _plain(job.findings), "counted": job.counted.n if job.counted else None,
         "names_the_alert": job in told.jobs}
        for job in (*told.jobs, *told.beside)
    ]  # fmt: skip
    arrival = told.arrival and {
        "bit_seen_at": utc_text(told.arrival.bit_us), "message_at": utc_text(told.arrival.message_us),
        "message_after_bit_s": [told.arrival.delay.low_s, told.arrival.delay.high_s], "word": told.arrival.delay.word,
        "why": told.arrival.delay.why,
    }  # fmt: skip
    return {
        "alert_id": told.alert_id, "origin": told.origin or None, "asset": told.asset, "component": told.component,
        "said": _plain(told.said), "others_of_the_pair": _plain(told.others), "told_first": arrival,
        "model_then": _plain([told.model] if told.model else ()),
        "assessment_then": _plain([told.assessment] if told.assessment else ()),
        "own_alerts_then": _plain(told.own), "verdicts": _plain(told.pairs), "decisions": _plain(told.decisions),
        "acknowledged": _plain(told.seen), "jobs": jobs, "confirmed": told.confirmed,
        "contests": [{"n": one.entry.n, "finding": one.finding, "reason": one.reason} for one in told.contests],
        "failures": _plain(told.failures), "horizon_days": told.horizon_days,
        "replaced_by": {str(n): one.n for n, one in told.replaced.items()},
    }  # fmt: skip


def _plain(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [{"n": one.n, "kind": one.kind, "at": utc_text(one.at_us), "role": one.role, "via": one.via,
             "component": one.component, "data": dict(one.data)} for one in records]  # fmt: skip
