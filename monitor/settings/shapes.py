"""The shape of each configuration file, as pydantic tables: which keys exist, their types and bounds.

Unknown keys are faults; numbers in quotes are faults; what one file says of another is checked elsewhere.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


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


class Site(Table):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")
    name: str
    type: str
    telemetry_lost_after_s: float = Field(60.0, ge=1)


class Component(Table):
    name: str
    cost_planned: float | None = Field(None, ge=0)
    cost_failure: float | None = Field(None, ge=0)
    p_fail: float | None = Field(None, ge=0, le=1)


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
    vibration_category: Literal["I", "II"] = "II"
    gauge_height_m: float = 0.0
    has_standby: bool = False
    components: list[Component] = Field(default_factory=list)


class Review(Table):
    min_confirmation: float = Field(0.5, gt=0, lt=1)
    sensitivity: float = Field(0.9, gt=0, le=1)
    specificity: float = Field(0.9, gt=0, le=1)
    match_days: float = Field(56.0, gt=0)
    merge_days: float = Field(14.0, gt=0)
    horizon_days: float = Field(182.0, gt=0)
    largest_cluster: int = Field(5, ge=1)


class SiteFile(Table):
    utility: Utility
    paths: Paths = Field(default_factory=Paths)
    roles: Roles = Field(default_factory=Roles)
    site: list[Site] = Field(min_length=1)
    asset: list[Asset] = Field(min_length=1)
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
    min_confirmation: float | None = Field(None, gt=0, lt=1)
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
    kind: str | None = Field(None, alias="as")
    node: str | None = None
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] | None = None
    scale: float = 1.0
    offset: float = 0.0
    bit: int | None = Field(None, ge=0, le=15)
    words: int | None = Field(None, ge=1, le=125)
    sentinels: list[float] = Field(default_factory=list)
    low: float | None = None
    high: float | None = None
    quantity: str | None = None
    estimated: bool = False
    description: str = ""
    every_s: float | None = Field(None, gt=0)


class Block(Table):
    asset: str
    device_id: int = Field(1, ge=0, le=255)
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    address_base: Literal["wire0", "reg1", "4xxxx", "4xxxxx"] | None = None
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] | None = None
    tags: list[TagRow] = Field(min_length=1)


class StatusAlert(Table):
    tag: str
    component: str
    failure_mode: str
    severity: str
    text: str


class Source(Table):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    driver: str
    site: str
    every_s: float = Field(gt=0)
    timeout_s: float = Field(1.0, gt=0)
    max_backoff_s: float = Field(10.0, ge=1)
    tags_csv: str | None = None
    block: list[Block] = Field(default_factory=list)
    status_alert: list[StatusAlert] = Field(default_factory=list)


class Forbidden(Table):
    """Registers that must not be read (reading them clears or starts something)."""

    device_id: int = Field(ge=0, le=255)
    table: Literal["holding", "input", "coil", "discrete"]
    first: int = Field(ge=0, le=65_535)
    last: int = Field(ge=0, le=65_535)


class ModbusSource(Source):
    host: str = Field(pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$")
    port: int = Field(502, ge=1, le=65_535)
    max_gap: int | None = Field(None, ge=0, le=125)  # None: the driver chooses by the transport
    max_words: int = Field(125, ge=1, le=125)
    max_clients: int | None = Field(None, ge=1)
    pause_s: float = Field(0.0, ge=0)
    forbidden: list[Forbidden] = Field(default_factory=list)
    watchdog: bool = False


class OpcUaSource(Source):
    url: str
    security: Literal["None", "Basic256Sha256,SignAndEncrypt"] = "None"
    certificate: str | None = None
    private_key: str | None = None
    server_certificate: str | None = None
    batch: int = Field(500, ge=1)
    alarms: bool = True
    vendor: str = ""
    assets: dict[str, str] = Field(default_factory=dict)  # SourceName of a condition -> asset
    components: dict[str, str] = Field(default_factory=dict)  # ConditionName -> component


class Feed(Table):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    kind: Literal["file_drop"]
    vendor: str
    folder: str
    format: Literal["json", "jsonl", "csv", "eml"]
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
    "modbus_rtu_over_tcp": ModbusSource,
    "opcua": OpcUaSource,
}
COMMON = set(Source.model_fields)
