"""What the utility owns and signed: Site, Asset, Component, Contract, and the words for what is measured.

Frozen data only. settings.py makes these from config/*.toml; everything behind the border works with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from drivers.record import Tag
from drivers.source import FeedSpec, SourceSpec, StatusAlert

QUANTITIES: Mapping[str, tuple[str, str]] = {
    # quantity: (unit that models expect, kind: analog, state, counter or flag)
    "running": ("1", "state"),
    "speed": ("Hz", "analog"),
    "flow": ("m3/h", "analog"),
    "suction_pressure": ("bar", "analog"),
    "discharge_pressure": ("bar", "analog"),
    "pressure": ("bar", "analog"),
    "head": ("m", "analog"),
    "level": ("m", "analog"),
    "power": ("kW", "analog"),
    "current": ("A", "analog"),
    "current_l1": ("A", "analog"),  # the phases, where all three are measured
    "current_l2": ("A", "analog"),
    "current_l3": ("A", "analog"),
    "voltage": ("V", "analog"),
    "power_factor": ("1", "analog"),
    "frequency": ("Hz", "analog"),
    "vibration": ("mm/s", "analog"),
    "bearing_temperature": ("degC", "analog"),
    "winding_temperature": ("degC", "analog"),  # of the motor
    "ambient_temperature": ("degC", "analog"),
    "water_temperature": ("degC", "analog"),  # at the inlet
    "energy": ("kWh", "counter"),
    "volume": ("m3", "counter"),
    "run_hours": ("h", "counter"),
    "starts": ("1", "counter"),
    "residual_chlorine": ("mg/l", "analog"),
    "signal_quality": ("%", "analog"),  # what a meter says of its own signal
    "gain": ("dB", "analog"),  # by how much a meter amplifies it
    "vendor_flag": (
        "1",
        "flag",
    ),  # a status bit by which the device itself asks for something
    "alarm_code": ("1", "flag"),
    "selector": ("1", "state"),  # 1 = AUTO, 0 = HAND
    "other": ("", "analog"),  # kept and shown, not used by any model
}
UNITS = (
    "1",
    "Hz",
    "m3/h",
    "l/s",
    "bar",
    "m",
    "kW",
    "W",
    "A",
    "V",
    "mm/s",
    "degC",
    "K",
    "kWh",
    "Wh",
    "MWh",
    "m3",
    "h",
    "s",
    "mg/l",
    "%",
    "FNU",
    "rpm",
    "kVA",
    "kvar",
    "mA",
    "Wh/m3",
    "dB",
)
SITE_TYPES = (
    "waterworks",
    "booster_station",
    "lift_station",
    "reservoir",
    "treatment_plant",
    "power_plant",
)
ASSET_KINDS = ("pump", "meter", "tank", "blower", "dosing", "generator")
VIBRATION_CLASSES = ("I", "II", "1_rigid", "1_flexible", "2_rigid", "2_flexible")  # ISO 10816-7, ISO 20816-3
MODELLED = ("pump", "meter")
ROLES = (
    "viewer",
    "operator",
    "shift_lead",
    "maintenance",
    "engineer",
    "auditor",
    "administrator",
)
RIGHTS = (
    "acknowledge", "decide", "finding", "confirm_baseline", "freeze", "sign", "erase", "seal", "security", "configure",
)  # fmt: skip
CHOICES = ("follow", "defer", "reject", "inspect_first")
VERDICTS = ("agree", "vendor_only", "own_only", "cannot_tell")


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    name: str
    type: str  # one of SITE_TYPES
    telemetry_lost_after_s: float = 60.0
    altitude_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Component:
    """A part that wears and is replaced on its own; money in the currency of the utility."""

    name: str  # bearing, seal, impeller, ...
    cost_planned: float | None = None  # C_p: a planned replacement
    cost_failure: float | None = None  # C_f: the same after it failed
    p_fail: float | None = None  # phi: share of confirmed defects that fail before the next planned opportunity
    limit: str | None = None  # beyond which the part is due, as agreed with the vendor: "7.1 mm/s"


@dataclass(frozen=True, slots=True)
class Reference:
    """The time in which an asset was sound, and from which its model learns: days of the utility, both included."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Learning:
    """From what models learn where the asset itself says nothing."""

    learn_days: int = 30  # of minutes up to the first run, else twice as many of hours
    reference: Reference | None = None  # a time instead, for all


@dataclass(frozen=True, slots=True)
class Asset:
    id: str
    site: str
    name: str
    kind: str  # one of ASSET_KINDS
    criticality: str = "B"  # A life, safety, overflow; B service; C comfort
    duty: str = ""  # borehole, high_lift, booster, sewage, ...
    vendor: str = ""
    model: str = ""
    serial: str = ""
    rated_flow_m3h: float | None = None
    rated_head_m: float | None = None
    rated_power_kw: float | None = None
    rated_speed_hz: float = 50.0
    max_starts_per_h: float | None = None
    vibration_category: str = "II"  # one of VIBRATION_CLASSES, or a class of limits.toml
    gauge_height_m: float = 0.0  # discharge gauge above suction gauge
    best_flow_m3h: float | None = None  # at best efficiency; None: the rated flow
    npsh_required_m: float | None = None  # at rated flow and speed
    well: str | None = None  # the asset whose level this pump pumps down
    has_standby: bool = False
    components: tuple[Component, ...] = ()
    reference: Reference | None = None  # of pumps and meters


@dataclass(frozen=True, slots=True)
class Device:
    """What answers on the wire, where a map says what it has: how sure the map is, and whether it held on this one."""

    source: str
    device_id: int
    asset: str
    map: str
    path: Path  # the file that was read: the site's own or the shipped one
    title: str
    confidence: str  # documented, secondary, memory
    verified_on: date | None  # when its sanity readings held on this very device
    sanity: tuple[tuple[int, float, float], ...]  # tag number, plausible from, to


@dataclass(frozen=True, slots=True)
class Contract:
    id: str
    counterparty: str
    kind: str  # purchase, lease, pump_as_a_service, maintenance, cloud, concession
    assets: tuple[str, ...]
    start: date
    end: date | None = None
    value_per_year: float | None = None
    data_access: str = "unknown"  # public_sole, joint, vendor_sole, none, unknown
    data_control: str = "unknown"  # public_sole, joint, vendor_sole, unknown
    governing_law: str = "unknown"
    hosting_country: tuple[str, ...] = ()
    exit_days: int | None = None
    min_confirmation: float | None = None  # contractual precision of alerts (q0), if one was agreed
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the sovereignty register: who says so, on what evidence, how sure."""

    asset: str
    question: str  # Q1 .. Q17
    value: str  # "unknown" is an answer
    evidence: str = "none"  # doc, test, photo, contract_clause, statement, none
    on: date | None = None
    assessor_role: str = ""
    confidence: str = "assumed"  # tested, documented, stated, assumed


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """A balance that only the utility knows of. Tags by name."""

    name: str
    kind: str  # sum, level
    tolerance: float = 0.05  # share
    whole: str = ""  # of a sum
    parts: tuple[str, ...] = ()
    level: str = ""  # of a level; without inflow or outflow only how fast it may move is checked
    area_m2: float = 0.0
    inflow: tuple[str, ...] = ()
    outflow: tuple[str, ...] = ()
    max_flow_m3h: float | None = None  # None: the upper limits of inflow and outflow


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits.toml says for all pumps, for some, or for meters; names and units are those of models.health.

    Limits and MeterLimits.
    """

    by: str  # all, duty, model, asset, meters
    name: str  # which of them
    values: Mapping[str, float | tuple[float, ...]]


Zones = tuple[tuple[float, tuple[float, float, float]], ...]  # (up to kW, vibration lines A/B, B/C, C/D [mm/s RMS])


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the timetable: every N seconds, or a cron expression in UTC."""

    name: str  # score, fold, verify, purge, drift_audit, comparison_report, sovereignty_report, retention, binder
    every_s: float | None = None
    cron: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """Parameters of the review, to be frozen before it is run (bias.md section 6)."""

    since: date | None = None  # first day (UTC) of the one period that decides; None: as frozen, else 24 months before
    min_confirmation: float = 0.50  # q0, where neither a contract nor costs give one
    sensitivity: float = 0.9
    specificity: float = 0.9
    match_days: float = 56.0
    merge_days: float = 14.0
    horizon_days: float = 182.0
    largest_cluster: int | None = None  # None: the largest number of components of an asset under review
    campaign_days: float = 3.0  # jobs at one site within so many days are judged as one
    failures_at_limit: float = 0.057  # per asset and year, where parts are replaced exactly at the limit
    failures_honest: float = 0.25  # per asset and year, with an honest vendor
    failures_source: str | None = None  # where the utility's own two come from; None: see monitor.review.choosing


@dataclass(frozen=True, slots=True)
class History:
    """Where the cold part of history lies, and how long raw days stay."""

    url: str | None = None  # a folder of pyarrow's filesystems (s3://bucket/handwheel); None: STATE/history
    user: str | None = None  # of an object store: the access key's id; None: asked without a name
    password_file: str | None = None
    password_credential: str | None = None
    keep_days: int | None = None  # raw days older than this leave; None: they stay for ever
    least_days: int = 90  # younger ones never leave, also where the disk is full


@dataclass(frozen=True, slots=True)
class Disk:
    """When a disk counts as full, and what is kept in reserve so that room can be made again."""

    full_at: float = 0.90  # share of the disk
    ballast_mb: int = 64  # a file that is given up where nothing can be written any more


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where learning and audits run: in processes of this machine, or on a Dask cluster."""

    scheduler: str | None = None  # tcp://host:8786
    workers: int | None = None  # processes of this machine; None: as many as it has cores


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, validated and frozen."""

    folder: Path
    utility: str
    language: str
    time_zone: str
    currency: str
    simulated: bool  # true only for the demo: every screen and page then says SIMULATED
    state: str | None
    groups: Mapping[str, str]  # operating-system group -> role
    rights: Mapping[str, tuple[str, ...]]  # role -> rights
    sites: tuple[Site, ...]
    assets: tuple[Asset, ...]
    tags: tuple[Tag, ...]
    sources: tuple[SourceSpec, ...]
    status_alerts: tuple[StatusAlert, ...]
    feeds: tuple[FeedSpec, ...]
    contracts: tuple[Contract, ...]
    answers: tuple[Answer, ...]
    jobs: tuple[Job, ...]
    review: Review
    sha256: str  # over the bytes of all files read, in order of their names
    files: Mapping[str, str] = field(default_factory=dict)  # each file that was read -> SHA-256 of its bytes
    devices: tuple[Device, ...] = ()
    crosschecks: tuple[CrossCheck, ...] = ()
    history: History = History()
    disk: Disk = Disk()
    fleet: Fleet = Fleet()
    models: Learning = Learning()
    retention: Mapping[str, int] = field(default_factory=dict)  # kind of entry, or "message" -> days its words stay
    limits: tuple[Limits, ...] = ()  # of the physics lines; a later row counts before an earlier one
    vibration: Mapping[str, Zones] = field(default_factory=dict)  # lines of the classes that limits.toml names
    positions: Mapping[str, int] = field(default_factory=dict)  # role -> how many people hold it, where that is told
    metrics_port: int | None = None  # of 127.0.0.1, for Prometheus; None: not served

    def asset(self, asset_id: str) -> Asset:
        """The asset with this id; KeyError if there is none."""
        for asset in self.assets:
            if asset.id == asset_id:
                return asset
        raise KeyError(asset_id)

    def site(self, site_id: str) -> Site:
        """The site with this id; KeyError if there is none."""
        for site in self.sites:
            if site.id == site_id:
                return site
        raise KeyError(site_id)

    def limits_of(self, asset_id: str) -> dict[str, float | tuple[float, ...]]:
        """What limits.toml says of the lines of one asset; all others are the defaults."""
        asset, found = self.asset(asset_id), dict[str, float | tuple[float, ...]]()
        pump = {"all": "", "asset": asset.id, "duty": asset.duty, "model": asset.model}
        mine = {"meters": "", "asset": asset.id} if asset.kind == "meter" else pump
        for row in self.limits:
            if row.by in mine and row.name == mine[row.by]:
                found |= row.values
        return found

    def well_area_m2(self, asset_id: str) -> float | None:
        """The area of the wet well that a pump pumps down, from the cross-check of its level; None if unknown."""
        level = f"{self.asset(asset_id).well}.level"
        return next((one.area_m2 for one in self.crosschecks if one.level == level), None)

    def tags_of(self, asset_id: str) -> tuple[Tag, ...]:
        """The tags of one asset in the order of the table."""
        return tuple(tag for tag in self.tags if tag.asset == asset_id)
