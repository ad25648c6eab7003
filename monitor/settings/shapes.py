"""The shape of each configuration file, as pydantic tables: which keys exist, their types and bounds.

Unknown keys are faults; numbers in quotes are faults; what one file says of another is checked elsewhere.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

SHORTEST_S = 0.1  # between two reads of a thing


def _seldom_enough(period_s: float) -> float:
    if period_s < SHORTEST_S:
        words = "must be {least} or more: a device that is asked more often is kept from its own work"
        raise PydanticCustomError("too_often", words, {"least": SHORTEST_S})
    return period_s


Period = Annotated[float, AfterValidator(_seldom_enough)]  # [s]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True, allow_inf_nan=False)


class Utility(Table):
    name: str = Field(min_length=1)
    language: Literal["en", "fr", "de"] = "en"
    time_zone: str
    currency: str = "EUR"
    simulated: bool = False


class Paths(Table):
    state: str | None = None


class Roles(Table):
    groups: dict[str, str] = Field(default_factory=dict)
    rights: dict[str, list[str]] = Field(default_factory=dict)
    positions: dict[str, int] = Field(default_factory=dict)  # role -> people who hold it


class Site(Table):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")
    name: str
    type: str
    telemetry_lost_after_s: float = Field(60.0, ge=1)
    altitude_m: float = Field(0.0, ge=-500, le=5000)


class Component(Table):
    name: str
    cost_planned: float | None = Field(None, ge=0)
    cost_failure: float | None = Field(None, ge=0)
    p_fail: float | None = Field(None, ge=0, le=1)
    limit: str | None = Field(None, pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})? \S[^\x00-\x1f]{0,15}$")


class Reference(Table):
    start: date = Field(alias="from")
    end: date = Field(alias="to")


class Models(Table):
    learn_days: int = Field(30, ge=1, le=366)
    reference: Reference | None = None


class Asset(Table):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,24}$")
    site: str
    name: str
    kind: str
    criticality: Literal["A", "B", "C"] = "B"
    duty: str = ""
    vendor: str = ""
    model: str = ""
    serial: str = ""
    rated_flow_m3h: float | None = Field(None, gt=0)
    rated_head_m: float | None = Field(None, gt=0)
    rated_power_kw: float | None = Field(None, gt=0)
    rated_speed_hz: float = Field(50.0, gt=0)
    max_starts_per_h: float | None = Field(None, gt=0)
    vibration_category: str = "II"
    gauge_height_m: float = 0.0
    best_flow_m3h: float | None = Field(None, gt=0)
    npsh_required_m: float | None = Field(None, gt=0)
    well: str | None = None
    has_standby: bool = False
    components: list[Component] = Field(default_factory=list)
    reference: Reference | None = None


class Review(Table):
    since: date | None = None
    min_confirmation: float = Field(0.5, ge=1e-6, le=1 - 1e-6)
    sensitivity: float = Field(0.9, ge=0.5, le=1)  # below that an inspector is no better than a coin
    specificity: float = Field(0.9, ge=0.5, le=1)
    match_days: float = Field(56.0, gt=0)
    merge_days: float = Field(14.0, gt=0)
    horizon_days: float = Field(182.0, gt=0)
    largest_cluster: int | None = Field(None, ge=1)
    campaign_days: float = Field(3.0, ge=0, le=60)
    failures_at_limit: float = Field(0.057, ge=0)
    failures_honest: float = Field(0.25, ge=0)
    failures_source: str | None = Field(None, min_length=1, max_length=200)


class CrossCheck(Table):
    name: str = Field(pattern=r"^[^:\x00-\x1f]{1,40}$")
    kind: Literal["sum", "level"]
    tolerance: float = Field(0.05, gt=0, le=1)
    whole: str | None = None
    parts: list[str] = Field(default_factory=list)
    level: str | None = None
    area_m2: float | None = Field(None, gt=0)
    inflow: list[str] = Field(default_factory=list)
    outflow: list[str] = Field(default_factory=list)
    max_flow_m3h: float | None = Field(None, gt=0)


class History(Table):
    url: str | None = Field(None, pattern=r"^[a-z0-9]+://\S+$")
    user: str | None = Field(None, min_length=1)
    password_file: str | None = None
    password_credential: str | None = None
    keep_days: int | None = Field(None, ge=1)
    least_days: int = Field(90, ge=1)


class Disk(Table):
    full_at: float = Field(0.90, ge=0.5, le=0.99)
    ballast_mb: int = Field(64, ge=1, le=10_000)


class Fleet(Table):
    scheduler: str | None = Field(None, pattern=r"^(tcp|tls)://[A-Za-z0-9_.:\[\]-]+$")
    workers: int | None = Field(None, ge=1, le=1_000)


class Metrics(Table):
    port: int = Field(ge=1024, le=65_535)  # of 127.0.0.1


class SiteFile(Table):
    utility: Utility
    paths: Paths = Field(default_factory=Paths)
    history: History = Field(default_factory=History)
    disk: Disk = Field(default_factory=Disk)
    fleet: Fleet = Field(default_factory=Fleet)
    models: Models = Field(default_factory=Models)
    metrics: Metrics | None = None
    retention: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)  # kind or "message" -> days
    roles: Roles = Field(default_factory=Roles)
    site: list[Site] = Field(min_length=1)
    asset: list[Asset] = Field(min_length=1)
    crosscheck: list[CrossCheck] = Field(default_factory=list)
    review: Review = Field(default_factory=Review)


class Contract(Table):
    id: str
    counterparty: str
    kind: Literal["purchase", "lease", "pump_as_a_service", "maintenance", "cloud", "concession"]
    assets: list[str]
    start: date
    end: date | None = None
    value_per_year: float | None = Field(None, ge=0)
    data_access: Literal["public_sole", "joint", "vendor_sole", "none", "unknown"] = "unknown"
    data_control: Literal["public_sole", "joint", "vendor_sole", "unknown"] = "unknown"
    governing_law: str = "unknown"
    hosting_country: list[str] = Field(default_factory=list)
    exit_days: int | None = Field(None, ge=0)
    min_confirmation: float | None = Field(None, ge=1e-6, le=1 - 1e-6)
    evidence: list[str] = Field(default_factory=list)


class ContractFile(Table):
    contract: list[Contract] = Field(default_factory=list)


class Answer(Table):
    asset: str
    question: str
    value: str
    evidence: Literal["doc", "test", "photo", "contract_clause", "statement", "none"] = "none"
    on: date | None = None
    assessor_role: str = ""
    confidence: Literal["tested", "documented", "stated", "assumed"] = "assumed"


class RegisterFile(Table):
    answer: list[Answer] = Field(default_factory=list)


class Job(Table):
    name: str
    every_s: float | None = Field(None, ge=1)
    cron: str | None = None


class TimetableFile(Table):
    job: list[Job] = Field(default_factory=list)


class TagRow(Table):
    """One row of a register table; the same columns in TOML and CSV."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    unit: str
    at: int | None = Field(None, ge=0)
    par: str | None = Field(None, pattern=r"^[0-9]{1,3}[-.][0-9]{1,3}$")  # a drive's parameter: 16-14, 01.07
    kind: str | None = Field(None, alias="as")
    node: str | None = None
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] | None = None
    scale: float = 1.0
    offset: float = 0.0
    bit: int | None = Field(None, ge=0, le=15)
    words: int | None = Field(None, ge=1, le=125)
    sentinels: list[Annotated[float, Field(allow_inf_nan=True)]] = Field(default_factory=list)
    exponent_at: int | None = Field(None, ge=0)  # address of the power of ten that belongs to the value
    ma: float | None = Field(None, gt=0)  # what makes mA of the raw number
    span: list[float] | None = Field(None, min_length=2, max_length=2)  # values at 4 mA and at 20 mA
    labels: dict[str, str] = Field(default_factory=dict)  # code or bit -> words
    low: float | None = None
    high: float | None = None
    quantity: str | None = None
    estimated: bool = False
    description: str = ""
    every_s: Period | None = None


class Registers(Table):
    """A table of registers as a manual prints it; in a source it belongs to an asset, in a map to a kind of device."""

    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    address_base: Literal["wire0", "reg1", "4xxxx", "4xxxxx"] | None = None
    parameters: Literal["danfoss_vlt", "abb_100", "abb_100_32bit", "abb_256"] | None = (
        None  # how par becomes a register
    )
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] | None = None
    tags: list[TagRow] = Field(default_factory=list)


class Block(Registers):
    asset: str
    device_id: int = Field(1, ge=0, le=255)
    map: str | None = Field(None, pattern=r"^[a-z0-9_]{1,40}$")  # config/maps/NAME.toml
    only: list[str] = Field(default_factory=list)  # of the map; empty: all
    shift: int = 0  # added to each address: where the model block of a SunSpec device begins, a second channel
    verified_on: date | None = None  # when the sanity readings of the map held on this very device


class MapHead(Table):
    title: str
    vendor: str
    models: str
    document: str
    source: str  # where the numbers were read
    confidence: Literal["documented", "secondary", "memory"]
    max_words: int = Field(125, ge=1, le=125)
    max_clients: int | None = Field(None, ge=1)
    watchdog: bool = False
    codes: dict[str, str] = Field(default_factory=dict)  # tag -> config/maps/codes/NAME.toml
    notes: str = ""


class MapForbidden(Table):
    table: Literal["holding", "input", "coil", "discrete"]
    address_base: Literal["wire0", "reg1", "4xxxx", "4xxxxx"]
    first: int = Field(ge=0)
    last: int = Field(ge=0)


class Sanity(Table):
    """A reading that any healthy device of the kind gives within these limits: 45-55 Hz, 180-260 V."""

    tag: str
    low: float
    high: float


class MapFile(Table):
    map: MapHead
    block: list[Registers] = Field(min_length=1)
    forbidden: list[MapForbidden] = Field(default_factory=list)
    sanity: list[Sanity] = Field(default_factory=list)


class Codes(Table):
    title: str
    vendor: str
    kind: Literal["code", "bits"]
    document: str
    source: str
    confidence: Literal["documented", "secondary", "memory"]


class CodeRow(Table):
    code: int = Field(ge=0)
    text: str
    component: str = ""
    failure_mode: str
    severity: Literal["note", "warning", "critical"]


class CodesFile(Table):
    codes: Codes
    code: list[CodeRow] = Field(min_length=1)


class StatusAlert(Table):
    tag: str
    component: str = ""
    failure_mode: str = ""
    severity: str = "warning"
    text: str = ""
    codes: str | None = Field(None, pattern=r"^[a-z0-9_]{1,40}$")  # config/maps/codes/NAME.toml


class Source(Table):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    driver: str
    site: str
    every_s: Period
    timeout_s: float = Field(1.0, gt=0)
    max_backoff_s: float | None = Field(None, ge=1)  # None: 10 s, 60 s where max_clients is 4 or fewer
    tags_csv: str | None = None
    block: list[Block] = Field(default_factory=list)
    status_alert: list[StatusAlert] = Field(default_factory=list)


class Forbidden(Table):
    """Registers that must not be read (reading them clears or starts something)."""

    device_id: int = Field(ge=0, le=255)
    table: Literal["holding", "input", "coil", "discrete"]
    first: int = Field(ge=0, le=65_535)
    last: int = Field(ge=0, le=65_535)


class Workarounds(Table):
    """What real devices need to behave; each is named, so that a reader knows why the line is slow."""

    pause_after_connect_s: float = Field(0.0, ge=0, le=60)
    pause_between_requests_s: float = Field(0.0, ge=0, le=60)
    one_request_per_tag: bool = False
    close_after_poll: bool = False


class Modbus(Source):
    """What all Modbus transports share."""

    max_gap: int | None = Field(None, ge=0, le=125)  # None: the driver chooses by the transport
    max_words: int = Field(125, ge=1, le=125)
    shares_line_with: list[str] = Field(default_factory=list)  # sources behind the same serial line or gateway
    workarounds: Workarounds = Field(default_factory=Workarounds)
    forbidden: list[Forbidden] = Field(default_factory=list)
    watchdog: bool = False


class ModbusSource(Modbus):
    host: str = Field(pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$")
    port: int = Field(502, ge=1, le=65_535)
    max_clients: int | None = Field(None, ge=1)  # how many connections the device takes; 1: nobody else may use it


class SerialSource(Modbus):
    line: str = Field(pattern=r"^/dev/[A-Za-z0-9/._:-]+$")  # by-id names survive a restart
    baud: int = Field(9600, ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = "E"
    stop_bits: Literal[1, 2] = 1
    sole_master: bool = False  # an RS-485 line has exactly one master: said by a person, or we do not open it


class OpcUaSource(Source):
    url: str
    mode: Literal["poll", "subscribe"] = "poll"
    sampling_ms: float | None = Field(None, ge=10)  # None: half of every_s
    queue_size: int = Field(2, ge=1, le=1000)  # values the server keeps per item between two publishes
    publish_requests: int = Field(3, ge=1, le=10)  # always with the server, beside one for each subscription
    verify_s: float | None = Field(None, gt=0)  # an item silent for so long is read; None: two periods of its own
    security: Literal["None", "Basic256Sha256,SignAndEncrypt"] = "None"
    certificate: str | None = None
    private_key: str | None = None
    server_certificate: str | None = None
    user: str | None = None
    password_file: str | None = None  # a file that only we can read, or
    password_credential: str | None = None  # the name of a systemd credential; never the password itself
    user_certificate: str | None = None
    user_private_key: str | None = None
    batch: int = Field(500, ge=1)
    alarms: bool = True
    vendor: str = ""
    assets: dict[str, str] = Field(default_factory=dict)  # SourceName of a condition -> asset
    components: dict[str, str] = Field(default_factory=dict)  # ConditionName -> component


class Mqtt(Table):
    """Where a broker is; the connection is ours to the broker, never one that somebody opens to us."""

    host: str = Field(pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$")
    port: int = Field(8883, ge=1, le=65_535)
    topic: str = Field(min_length=1)
    tls: bool = True
    ca_file: str | None = None  # None: the certificate authorities of the system
    user: str | None = None
    password_file: str | None = None
    password_credential: str | None = None


class Feed(Table):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    kind: Literal["file_drop", "mqtt"]
    vendor: str
    folder: str | None = None  # of a file_drop
    mqtt: Mqtt | None = None
    format: Literal["json", "jsonl", "csv", "eml"]
    encoding: Literal["utf-8", "utf-16", "windows-1252", "iso-8859-1"] = "utf-8"
    time_zone: str = "UTC"
    late_after_s: float = Field(86_400.0, gt=0)
    fields: dict[str, str] = Field(default_factory=dict)
    assets: dict[str, str] = Field(default_factory=dict)
    components: dict[str, str] = Field(default_factory=dict)
    severities: dict[str, str] = Field(default_factory=dict)


class SourceFile(Table):
    source: dict[str, Any] | None = None
    feed: Feed | None = None


SOURCES: Mapping[str, type[Source]] = {
    "modbus_tcp": ModbusSource,
    "modbus_rtu": SerialSource,
    "modbus_rtu_over_tcp": ModbusSource,
    "opcua": OpcUaSource,
}
COMMON = set(Source.model_fields)
