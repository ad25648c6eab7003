"""Years of a fleet in seconds: wear, a vendor with known habits, operators, as-found findings, hourly telemetry.

Whether the review tells an honest vendor from a biased one can only be checked where the truth is known. Here it is:
each component wears by a gamma process, the vendor sees it through noise and speaks at a threshold or by the
calendar, people follow or not, inspectors write down what they find with known errors. The same run gives the demo
its past. Records are relative to `end_us`: the same seed and end give the same fleet, byte for byte.

References
----------
van Noortwijk 2009, A survey of the application of gamma processes in maintenance, Reliability Engineering and System
Safety 94 (wear); Waddington 1973, O.R. in World War 2 (failures soon after work).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.sim.past import Duty, past_duty
from drivers.sim.pump import (
    BEARING_RISE_K,
    HEAD_LOSS,
    M_PER_BAR,
    QUIET_MMS,
    SHUT_OFF,
    Pump,
    bearing_target_degc,
    current_a,
    head_m,
    power_kw,
    vibration_mms,
)

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
WEEKS_PER_YEAR = 365.25 / 7
WEEKS_PER_MONTH = 365.25 / 12 / 7
LIMIT = 0.70  # wear at which all agreed that a part is due; it fails at 1
VENDOR_LIMIT = 0.80  # where an honest vendor speaks: early enough to be trusted, late enough to be right
BURN_IN_WEEKS = 156
LIFE_CV = 0.3
SHOCKS_PER_YEAR = 0.03
OWN_LIMIT = 0.75
WEAR_ERROR = 0.10  # of an inspector's wear_pct, as share of the limit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """A component that wears; money in EUR."""

    name: str
    life_months: float
    cost_planned: float
    cost_failure: float
    p_fail: float
    measure: str  # what the inspector measures, its unit and the agreed limit
    unit: str
    limit: float
    sign: str  # the quantity in which our own model sees it


PARTS = (
    Part("seal", 18, 900.0, 2700.0, 0.5, "leakage", "ml/h", 60.0, "bearing_temperature"),
    Part("bearing", 24, 1150.0, 3450.0, 0.5, "vibration", "mm/s", 7.1, "vibration"),
    Part("impeller", 36, 2400.0, 7200.0, 0.5, "clearance", "mm", 1.2, "power"),
    Part("coupling", 48, 650.0, 1950.0, 0.5, "offset", "mm", 0.3, "vibration"),
)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How a vendor behaves. b = 1 and no calendar is honest; b = .7 asks at seven tenths of the wear it should."""

    b: float = 1.0
    calendar: float = 0.0  # share of positions served at half their mean life, whatever their wear
    step_month: float | None = None  # from here on the threshold is that of `b_after`
    b_after: float = 1.0
    induced: float = 0.0  # share of jobs that cause a failure within 8 weeks
    offset: float = 0.04  # sd of what a pump's sensors read too high or too low, for good
    season: float = 0.0  # the threshold is this share lower in the first half of each year, higher in the second
    gather: float | None = None  # with the first part of a pump it asks for all others that it sees at this wear
    gather_share: float = 1.0  # of the pumps where it does
    gather_b: float = 1.0  # b on those pumps
    inflated: float = 0.0  # share of warnings that it calls critical
    repeats: int = 0  # it says it again so many times a week until the job is done
    at_limit: bool = False  # no vendor at all: each part is replaced in the week it passes the agreed limit


@dataclass(frozen=True, slots=True)
class Wear:
    """How parts wear: a hidden life is used up by a gamma process, and what can be measured of it is life ** growth."""

    cv: float = LIFE_CV  # of the life
    growth: float = 1.0  # 4: nothing to see for half a life, then it goes fast, as in bearings


@dataclass(frozen=True, slots=True)
class People:
    """How operators and inspectors behave."""

    follow_agreed: float = 0.90  # alerts followed where our own model agrees
    follow_alone: float = 0.65
    sensitivity: float = 0.9
    specificity: float = 0.9
    missing: float = 0.30  # jobs without a finding
    missing_good: float | None = None  # the same for jobs that found a good part, if it differs
    vendor_written: float = 0.0  # share of findings written by the vendor, who calls every second good part worn
    randomised: float = 0.0  # share of followed alerts deferred by lot
    own_noise: float = 0.10


VENDORS: Mapping[str, Vendor] = {
    "honest": Vendor(),
    "boundary": Vendor(b=0.825),
    "b0.8": Vendor(b=0.8),
    "b0.7": Vendor(b=0.7),
    "b0.6": Vendor(b=0.6),
    "calendar25": Vendor(calendar=0.25),
    "calendar50": Vendor(calendar=0.5),
    "calendar": Vendor(calendar=1.0),
    "step": Vendor(step_month=12.0, b_after=0.7),
    "induced": Vendor(induced=0.08),
    "demo": Vendor(b=0.7, calendar=0.25),
}
DEMO_SEED = 20_260
DEMO_PEOPLE = People(vendor_written=0.10)


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """What the ledger is to take in; `raw` is the vendor's message byte for byte, if there was one."""

    kind: str
    at_us: int
    site: str | None
    asset: str | None
    component: str | None
    role: str | None
    via: str
    data: dict[str, Any]
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened in the period: what a review should find."""

    jobs: int  # vendor-driven interventions
    due: int  # of them beyond the agreed limit
    failures: int
    years: float
    spent_wear: float  # sum over the jobs of wear over limit, capped nowhere
    spent_life: float  # the same of the life used over that at the limit: another figure only where growth is not 1
    calendar: tuple[tuple[str, str], ...]  # (asset, component) served by the calendar

    @property
    def confirmation(self) -> float:
        """Share of vendor-driven jobs that were due."""
        return self.due / self.jobs if self.jobs else math.nan

    @property
    def excess_per_year(self) -> float:
        """Net excess interventions by life accounting, whole fleet. [1/year]"""
        return (self.jobs - self.spent_wear) / self.years


@dataclass(frozen=True, slots=True)
class FleetRecords:
    """One simulated fleet: what the ledger gets, what the history gets, and the truth behind both."""

    records: list[LedgerRecord]
    start_us: int
    end_us: int  # the full hour at or before the asked end
    hours_us: Ints  # UTC, start of each hour
    telemetry: dict[str, dict[str, NDArray[np.float32]]]  # asset -> quantity -> one value per hour
    wear: dict[str, dict[str, float]]  # asset -> component -> wear at the end (1 = failed)
    truth: Truth


@dataclass(slots=True)
class _Book:
    """Collects records; knows where and when, so that the weekly loop need not."""

    pumps: Sequence[Pump]
    parts: Sequence[Part]
    vendor_name: str
    feed: str
    model_sha256: str
    first_us: int  # start of week 0
    start_us: int  # of the period: nothing earlier is written, save the last work on each part
    rng: np.random.Generator
    records: list[LedgerRecord] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    alert_of: dict[tuple[int, int], str] = field(default_factory=dict)
    own_of: dict[tuple[int, int], str] = field(default_factory=dict)

    def at(self, week: int, low_h: float, high_h: float) -> int:
        """A moment of a week between two hours of it. [us]"""
        return self.first_us + week * WEEK_US + int(self.rng.uniform(low_h, high_h) * 3600) * 1_000_000

    def number(self, prefix: str) -> str:
        self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return f"{prefix}-{self.counts[prefix]:05d}"

    def put(
        self, kind: str, at_us: int, place: tuple[int, int], data: dict[str, Any],
        *, role: str | None = None, via: str = "import", raw: bytes | None = None,
    ) -> None:  # fmt: skip
        pump, part = self.pumps[place[0]], self.parts[place[1]]
        self.records.append(LedgerRecord(kind, at_us, pump.site, pump.id, part.name, role, via, data, raw))

    def vendor_alert(
        self, week: int, place: tuple[int, int], seen: float, by_calendar: bool, inflated: float = 0.0
    ) -> tuple[str, int]:
        """The vendor speaks; returns the alert's id and when it arrived. [us]"""
        part = self.parts[place[1]]
        issued = self.at(week, 0, 72)
        received = issued + int(self.rng.lognormal(6.5, 1.0) * 1e6) // 1000 * 1000
        alert_id = self.number("SP")
        severity = "note" if by_calendar else "critical" if seen > 0.85 else "warning"
        if inflated and severity == "warning" and self.rng.random() < inflated:
            severity = "critical"
        days = {"note": 60, "warning": 30, "critical": 14}[severity]
        text = f"replace {part.name} within {days} days"
        message = {"id": alert_id, "pump": self.pumps[place[0]].id, "part": part.name, "mode": "wear",
                   "level": severity, "issued": _utc(issued), "message": text, "recommended": "replace",
                   "due_in_days": days, "simulated": True}  # fmt: skip
        raw = json.dumps(message).encode()
        self.put("vendor_alert", received, place, {
            "alert_id": alert_id, "vendor": self.vendor_name, "failure_mode": "wear", "severity": severity,
            "issued_at": _utc(issued), "received_at": _utc(received), "text": text, "recommended_action": "replace",
            "horizon": f"{days} d", "raw_sha256": hashlib.sha256(raw).hexdigest(), "feed": self.feed,
            "active": True, "simulated": True}, via="intake", raw=raw)  # fmt: skip
        return alert_id, received

    def decision(
        self, at_us: int, place: tuple[int, int], alert_id: str, choice: str, until_us: int | None,
        prob: float | None = None,
    ) -> None:  # fmt: skip
        reason = {
            "follow": "planned with the next visit",
            "defer": "by lot, standby available" if prob else "own index still good; looked at again later",
            "reject": "no sign of it at the pump",
        }[choice]
        role = "shift_lead" if choice == "reject" else "maintenance" if self.rng.random() < 0.4 else "operator"
        self.put("decision", at_us, place, {
            "alert_id": alert_id, "choice": choice, "reason": reason,
            "until": None if until_us is None else _utc(until_us), "randomised": prob is not None,
            "deferral_prob": prob}, role=role, via="screen")  # fmt: skip

    def own_alert(self, week: int, place: tuple[int, int], seen: float) -> None:
        part = self.parts[place[1]]
        alert_id = self.number("OWN")
        self.own_of[place] = alert_id
        self.put("own_alert", self.at(week, 0, 72), place, self._own(alert_id, part, seen, True), via="judge")

    def own_cleared(self, at_us: int, place: tuple[int, int]) -> None:
        if place in self.own_of:
            data = self._own(self.own_of.pop(place), self.parts[place[1]], 0.0, False)
            self.put("own_alert", at_us, place, data, via="judge")

    def _own(self, alert_id: str, part: Part, seen: float, active: bool) -> dict[str, Any]:
        index = round(100 - 50 * seen / OWN_LIMIT, 1)
        text = f"{part.name}: {part.sign} away from its reference" if active else f"{part.name}: back to normal"
        top = [{"quantity": part.sign, "share": 0.7}] if active else []
        return {"alert_id": alert_id, "index": index, "threshold": 50.0, "model_sha256": self.model_sha256,
                "text": text, "top": top, "active": active}  # fmt: skip

    def work(
        self, at_us: int, place: tuple[int, int], trigger: str, alert_id: str | None, opened_us: int, run_hours: float
    ) -> str:
        """A replacement is done; returns the work order's id."""
        part = self.parts[place[1]]
        wo_id = self.number("WO")
        self.put("work_order", at_us, place, {
            "wo_id": wo_id, "opened": _utc(opened_us), "done": _utc(at_us), "trigger": trigger, "alert_id": alert_id,
            "action": "replace", "planned_cost": f"{part.cost_planned:.2f} EUR",
            "downtime": f"{round(float(self.rng.lognormal(1.6, 0.4)), 1)} h", "run_hours": f"{run_hours:.0f} h",
            "party": "vendor" if trigger == "vendor_alert" and self.rng.random() < 0.6 else "utility"},
            role="maintenance")  # fmt: skip
        return wo_id

    def finding(self, at_us: int, place: tuple[int, int], wo_id: str, wear: float, people: People) -> None:
        part = self.parts[place[1]]
        draw = self.rng.random(6)
        by_vendor = draw[0] < people.vendor_written
        specificity = 0.5 if by_vendor else people.specificity
        confirmed = draw[1] < (people.sensitivity if wear >= LIMIT else 1 - specificity)
        share = max(0.0, wear / LIMIT + WEAR_ERROR * float(self.rng.standard_normal()))
        good = "C" if share >= 0.64 else "B" if share >= 0.29 else "A"
        grade = "E" if wear >= 1 else "D" if confirmed else good
        second = grade if draw[4] < 0.9 else ("C" if grade == "D" else "D")
        self.put("finding", at_us, place, {
            "wo_id": wo_id, "grade": grade, "wear_pct": f"{100 * share:.0f} %",
            "measured_value": f"{share * part.limit:.3g} {part.unit}", "limit": f"{part.limit:g} {part.unit}",
            "cause": None, "inspector_party": "vendor" if by_vendor else "third" if draw[2] < 0.1 else "utility",
            "blind_to_alert": bool(draw[3] < 0.3), "second_reader_grade": second if draw[5] < 0.1 else None,
            "photo_sha256": None}, role="maintenance", via="screen")  # fmt: skip

    def failure(self, at_us: int, place: tuple[int, int], mode: str) -> None:
        self.put("failure", at_us, place, {
            "failure_id": self.number("F"), "mode": mode, "cost": f"{self.parts[place[1]].cost_failure:.2f} EUR"},
            role="operator", via="screen")  # fmt: skip


def simulate(
    seed: int,
    pumps: int = 40,
    months: float = 24,
    *,
    end_us: int,
    assets: Sequence[Pump] = (),
    vendor: Vendor | str = "demo",
    people: People = DEMO_PEOPLE,
    wear: Wear = Wear(),
    parts: Sequence[Part] = PARTS,
    vendor_name: str = "SmartPump",
    feed: str = "smartpump_drop",
    telemetry: bool = True,
) -> FleetRecords:
    """A fleet over `months` that end at `end_us`, after three years of burn-in.

    Parameters
    ----------
    pumps : int
        Size of the fleet: `assets` first, the rest are `district_pumps`.
    end_us : int
        "Now", UTC; history ends at the last full hour before it. [us]
    assets : Sequence[Pump]
        Pumps that must be among them, with their nameplates.
    vendor : Vendor or str
        Habits, or a name in VENDORS.
    wear, parts : Wear, sequence of Part
        How parts wear, and which; their names are those of PARTS.
    telemetry : bool
        False leaves the hourly arrays out (studies over many fleets).

    Returns
    -------
    FleetRecords
        Records in order of time. Work orders with `at_us` before `start_us` are the last replacement of each part
        before the period, as a utility's maintenance system would give them.
    """
    habits = VENDORS[vendor] if isinstance(vendor, str) else vendor
    fleet = [*assets, *district_pumps(max(0, pumps - len(assets)))][:pumps]
    hour_end = end_us // HOUR_US * HOUR_US
    hours = round(months * 365.25 / 12 * 24)
    start_us = hour_end - hours * HOUR_US
    weeks = math.ceil(months * WEEKS_PER_MONTH)
    # one stream for the wear and what people did, another for telemetry: leaving the latter out changes no record
    rng, noise = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    duty = np.exp(0.25 * rng.standard_normal(len(fleet)) - 0.25**2 / 2)
    model = hashlib.sha256(f"simulated own model of fleet {seed}".encode()).hexdigest()
    first_us = hour_end - (BURN_IN_WEEKS + weeks) * WEEK_US
    book = _Book(fleet, parts, vendor_name, feed, model, first_us, start_us, rng)
    history, truth = _years(book, habits, people, wear, duty, weeks, hour_end)
    _costs_and_events(book, habits, hour_end)
    records = [r for r in book.records if r.at_us < hour_end]
    records.sort(key=lambda r: r.at_us)
    hours_us = start_us + HOUR_US * np.arange(hours, dtype=np.int64)
    arrays = _telemetry(fleet, history, duty, hours_us, first_us, noise) if telemetry else {}
    last = {p.id: {part.name: float(history[-1, i, j]) for j, part in enumerate(parts)} for i, p in enumerate(fleet)}
    return FleetRecords(records, start_us, hour_end, hours_us, arrays, last, truth)


def district_pumps(count: int) -> list[Pump]:
    """Nameplates of `count` pumps in the district stations (site D), the same every time."""
    sizes = ((60.0, 28.0, 7.5), (110.0, 35.0, 18.5), (160.0, 42.0, 30.0), (240.0, 31.0, 37.0), (90.0, 55.0, 22.0))
    duties = ("high_lift", "sewage", "high_lift", "borehole")
    fleet = []
    for n in range(count):
        flow, head, power = sizes[n % len(sizes)]
        fleet.append(Pump(f"D-P{n + 1:02d}", "D", duties[n % len(duties)], flow, head, power, 0.68))
    return fleet


def _years(
    book: _Book, vendor: Vendor, people: People, law: Wear, duty: Floats, weeks: int, end_us: int
) -> tuple[Floats, Truth]:
    """The weekly loop; returns wear[week, pump, part] of the period, and the truth."""
    rng = book.rng
    shape = (len(book.pumps), len(book.parts))
    life = np.array([part.life_months * WEEKS_PER_MONTH for part in book.parts])
    gamma_shape = np.broadcast_to(1 / (life * law.cv**2), shape) * duty[:, None]
    used = rng.uniform(0, 0.6, shape)  # share of its life
    age = (used * life).astype(np.int64)
    by_calendar = rng.random(shape) < vendor.calendar
    interval = np.broadcast_to(np.rint(life / 2).astype(np.int64), shape)
    offset = vendor.offset * rng.standard_normal((shape[0], 1))
    vendor_noise = 0.05 * rng.standard_normal(shape)
    own_noise = people.own_noise * rng.standard_normal(shape)
    job_week: Ints = np.full(shape, -1, dtype=np.int64)
    quiet_until: Ints = np.zeros(shape, dtype=np.int64)
    early_week: Ints = np.full(shape, -1, dtype=np.int64)  # a failure that work brought with it
    own_raised: Flags = np.zeros(shape, dtype=bool)
    run_hours = rng.uniform(5_000, 30_000, shape[0])
    last_work = np.full(shape, -1, dtype=np.int64)
    opened: dict[tuple[int, int], int] = {}
    history = np.empty((weeks, *shape))
    jobs = due = failures = 0
    spent = spent_life = 0.0
    life_at_limit = LIMIT ** (1 / law.growth)
    gathers = np.zeros((shape[0], 1), dtype=bool)
    if vendor.gather is not None:
        gathers = rng.permutation(shape[0])[:, None] < vendor.gather_share * shape[0]
    step_week = BURN_IN_WEEKS + (10**9 if vendor.step_month is None else vendor.step_month * WEEKS_PER_MONTH)
    phi = 0.8

    def written(week: int) -> bool:
        return week >= BURN_IN_WEEKS and book.first_us + week * WEEK_US >= book.start_us

    for week in range(BURN_IN_WEEKS + weeks):
        run_hours += 7 * 24 * _running_share(duty)
        used += rng.gamma(gamma_shape, law.cv**2)
        wear = used**law.growth
        age += 1
        vendor_noise = phi * vendor_noise + 0.05 * math.sqrt(1 - phi**2) * rng.standard_normal(shape)
        own_noise = phi * own_noise + people.own_noise * math.sqrt(1 - phi**2) * rng.standard_normal(shape)
        shock = np.zeros(shape, dtype=bool)
        hit = rng.random(shape[0]) < SHOCKS_PER_YEAR * 7 / 365.25
        shock[hit, rng.integers(0, shape[1], int(hit.sum()))] = True
        if written(week):
            for i, j in np.argwhere(last_work > -2):  # once, at the start of the period: the work before it
                if last_work[i, j] >= 0:
                    at = book.at(int(last_work[i, j]), 8, 16)
                    before = float(run_hours[i] - (week - last_work[i, j]) * 7 * 24 * _running_share(duty)[i])
                    book.work(at, (int(i), int(j)), "schedule", None, at - DAY_US, before)
            last_work[:] = -2

        failed = (wear >= 1) | shock | (early_week == week)
        for i, j in np.argwhere(failed):
            place = (int(i), int(j))
            if written(week):
                at = book.at(week, 0, 24)
                mode = "worn out" if wear[place] >= 1 else "soon after work" if early_week[place] == week else "shock"
                book.failure(at, place, mode)
                done = book.at(week, 30, 60)
                wo_id = book.work(done, place, "failure", None, at, float(run_hours[i]))
                if rng.random() >= people.missing:
                    book.finding(done + 2 * HOUR_US, place, wo_id, 1.0, people)
                book.own_cleared(done + HOUR_US, place)
                failures += 1
        worked = ((wear >= LIMIT) if vendor.at_limit else (job_week == week)) & ~failed
        for i, j in np.argwhere(worked):
            place = (int(i), int(j))
            if written(week) and vendor.at_limit:
                jobs += 1
            if written(week) and place in opened:
                at = book.at(week, 8, 16)
                wo_id = book.work(at, place, "vendor_alert", book.alert_of[place], opened[place], float(run_hours[i]))
                missing = people.missing
                if people.missing_good is not None and wear[place] < LIMIT:
                    missing = people.missing_good
                if rng.random() >= missing:
                    book.finding(at + 2 * HOUR_US, place, wo_id, float(wear[place]), people)
                book.own_cleared(at + HOUR_US, place)
                if at < end_us:
                    jobs += 1
                    due += int(wear[place] >= LIMIT)
                    spent += float(wear[place]) / LIMIT
                    spent_life += float(used[place]) / life_at_limit
        early_week = np.where(failed | worked, -1, early_week)
        if vendor.induced:
            caused = worked & (rng.random(shape) < vendor.induced)
            early_week = np.where(caused, week + rng.integers(1, 9, shape), early_week)
        renewed = failed | worked
        wear[renewed] = used[renewed] = 0.0
        age[renewed], job_week[renewed], quiet_until[renewed] = 0, -1, week + 1
        own_raised[renewed] = False
        if not written(week):
            last_work[renewed] = week
        for i, j in np.argwhere(renewed):
            opened.pop((int(i), int(j)), None)
            book.own_of.pop((int(i), int(j)), None)

        own_seen = wear + own_noise
        own_new = (own_seen >= OWN_LIMIT) & ~own_raised & ~renewed
        own_raised |= own_new
        if written(week):
            for i, j in np.argwhere(own_new):
                book.own_alert(week, (int(i), int(j)), float(own_seen[i, j]))
        seen = wear + offset + vendor_noise
        b = np.where(gathers, vendor.gather_b, vendor.b_after if week >= step_week else vendor.b)
        first_half = (week - BURN_IN_WEEKS) % WEEKS_PER_YEAR < WEEKS_PER_YEAR / 2
        threshold = VENDOR_LIMIT * b * (1 - vendor.season if first_half else 1 + vendor.season)
        asks = np.where(by_calendar, age >= interval, seen >= threshold)
        free = (job_week < 0) & (week >= quiet_until) & (not vendor.at_limit)
        asks &= free
        if vendor.gather is not None:
            asks |= free & gathers & asks.any(axis=1, keepdims=True) & (seen >= vendor.gather)
        if vendor.repeats and written(week):
            for place in [place for place in opened for _ in range(vendor.repeats)]:
                book.vendor_alert(week, place, float(seen[place]), bool(by_calendar[place]))
        for i, j in np.argwhere(asks):
            place = (int(i), int(j))
            agreed = own_seen[place] >= LIMIT
            draw = rng.random(3)
            follow = draw[0] < (people.follow_agreed if agreed else people.follow_alone)
            by_lot = follow and draw[1] < people.randomised
            deferred = by_lot or draw[2] < 0.75
            wait = int(interval[place]) if by_calendar[place] else 8 if deferred else 16  # a calendar waits its turn
            if follow and not by_lot:
                job_week[place] = week + int(rng.integers(1, 5))
                choice, until = "follow", None
            else:
                quiet_until[place] = week + wait
                choice, until = "defer" if deferred else "reject", book.first_us + (week + wait) * WEEK_US
            if written(week):
                alert_id, received = book.vendor_alert(
                    week, place, float(seen[place]), bool(by_calendar[place]), vendor.inflated
                )
                book.alert_of[place] = alert_id
                decided = received + int(rng.uniform(1, 40) * 3600) * 1_000_000
                until = until if choice == "defer" else None
                book.decision(decided, place, alert_id, choice, until, people.randomised if by_lot else None)
                if choice == "follow":
                    opened[place] = decided
        if week >= BURN_IN_WEEKS:
            history[week - BURN_IN_WEEKS] = wear
    years = (end_us - book.start_us) / (365.25 * DAY_US)
    served = tuple((book.pumps[i].id, book.parts[j].name) for i, j in np.argwhere(by_calendar))
    return history, Truth(jobs, due, failures, years, spent, spent_life, served)


def _costs_and_events(book: _Book, vendor: Vendor, end_us: int) -> None:
    for part in book.parts:
        data = {"planned": f"{part.cost_planned:.2f} EUR", "failure": f"{part.cost_failure:.2f} EUR",
                "p_fail": part.p_fail, "source": "framework agreement and failure records"}  # fmt: skip
        book.records.append(LedgerRecord("cost", book.start_us, None, None, part.name, "engineer", "import", data))
    half = book.start_us + int((vendor.step_month or 12.0) * WEEKS_PER_MONTH * WEEK_US)
    for at, kind, text in (
        (book.start_us + 30 * DAY_US, "contract", "service agreement renewed"),
        (half, "firmware", "controller firmware 4.2"),
    ):
        if at < end_us:
            data = {"date": _utc(at), "event_kind": kind, "text": text}
            book.records.append(LedgerRecord("event", at, None, None, None, "engineer", "import", data))


def _running_share(duty: Floats) -> Floats:
    return np.clip(0.55 * duty, 0.15, 0.95)


def _telemetry(
    pumps: Sequence[Pump], history: Floats, duty: Floats, hours_us: Ints, first_us: int, rng: np.random.Generator
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Hourly values of each pump; flow and power are means of the hour, zero while it stands."""
    week = (hours_us - first_us) // WEEK_US - BURN_IN_WEEKS
    hour = hours_us // HOUR_US
    day = (hour // 24 - hour[0] // 24).astype(np.int64)
    of_day = hour % 24
    season = np.sin(2 * np.pi * (hour / 24 % 365.25 - 110) / 365.25)
    ambient = 12 + 7 * season + 3 * np.sin(2 * np.pi * (of_day - 9) / 24)
    demand = 1 + 0.06 * season + 0.10 * np.sin(2 * np.pi * (of_day - 5) / 24)
    column = {part.name: j for j, part in enumerate(PARTS)}
    share = _running_share(duty)
    out: dict[str, dict[str, NDArray[np.float32]]] = {}
    for i, pump in enumerate(pumps):
        days = int(day[-1]) + 1
        begin = rng.integers(0, 24, days)[day]
        length = np.rint(24 * share[i] + rng.normal(0, 2, days))[day]
        running = (of_day - begin) % 24 < length
        worn = {name: history[week, i, j] for name, j in column.items()}
        duty_now = past_duty(pump, of_day + 0.5, worn["impeller"], rng) or _district_duty(
            pump, demand, season, worn["impeller"], rng
        )
        speed, suction = duty_now.speed, duty_now.suction_bar
        flow = duty_now.flow_m3h * (1 - 0.01 * worn["seal"])
        head = np.asarray(head_m(pump, flow, speed, worn["impeller"]))  # type: ignore[arg-type]
        power = np.asarray(power_kw(pump, flow, speed, worn["impeller"]))  # type: ignore[arg-type]
        shaking = np.sqrt(worn["bearing"] ** 2 + 0.3 * worn["coupling"] ** 2)
        vibration = np.asarray(vibration_mms(pump, flow, speed, shaking))  # type: ignore[arg-type]
        hot = bearing_target_degc(pump, power, worn["bearing"], ambient)  # type: ignore[arg-type]
        hot = hot + 0.25 * BEARING_RISE_K * worn["seal"] ** 2

        def noisy(values: Floats, error: float, running: Flags = running) -> Floats:
            return np.where(running, values * (1 + error * rng.standard_normal(len(running))), 0.0)

        quantities = {
            "running": running.astype(float),
            "speed": np.where(running, speed * pump.speed_hz, 0.0),
            "flow": noisy(flow, 0.005),
            "suction_pressure": suction + 0.002 * rng.standard_normal(len(hour)),
            "discharge_pressure": suction + np.where(running, head, duty_now.standing_m) / M_PER_BAR,
            "head": noisy(head, 0.002),
            "power": noisy(power, 0.005),
            "current": noisy(np.asarray(current_a(pump, power)), 0.005),  # type: ignore[arg-type]
            "vibration": np.where(running, noisy(vibration, 0.05), QUIET_MMS),
            "bearing_temperature": np.where(running, hot, ambient) + 0.3 * rng.standard_normal(len(hour)),
            "ambient_temperature": ambient,
        }
        out[pump.id] = {name: np.asarray(values, dtype=np.float32) for name, values in quantities.items()}
    return out


def _district_duty(pump: Pump, demand: Floats, season: Floats, wear: Floats, rng: np.random.Generator) -> Duty:
    """A pump on a main of its own: at rated speed, new and on an average hour the duty point is the rated one."""
    speed = np.clip(0.88 * demand, 0.7, 1.0) if pump.duty == "booster" else np.ones(len(demand))
    static = 0.6 * (1 + 0.05 * (demand - 1) / 0.1 + 0.01 * rng.standard_normal(len(demand)))
    static = np.where(pump.duty == "booster", static * 0.7, static)
    room = np.maximum(SHUT_OFF * (1 - HEAD_LOSS * wear) * speed**2 - static, 0.01)
    flow = pump.flow_m3h * np.sqrt(room / (SHUT_OFF - 1 + 0.4))  # 0.4: friction share of the rated head
    return Duty(speed, flow, 0.3 + 0.02 * season, static * pump.head_m)


def _utc(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{us // 1000 % 1000:03d}Z"


def with_people(**changes: float) -> People:
    """Independent inspectors with some habits changed: for studies."""
    return replace(People(), **changes)
