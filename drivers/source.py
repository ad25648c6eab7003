"""The Source protocol: what every driver can do, and the table of known drivers.

There is no write. A driver is found by its dotted name: the daemon loads only the protocols that are configured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drivers.errors import ConfigError
from drivers.record import Alert, Tag

if TYPE_CHECKING:
    from drivers.batch import Batch


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A configured connection: everything a driver needs to know, already validated."""

    name: str
    driver: str  # key of DRIVERS
    site: str
    every_s: float
    timeout_s: float
    tags: tuple[Tag, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # host, port, url, max_gap, ... : the driver's own table


@dataclass(frozen=True, slots=True)
class StatusAlert:
    """A status bit by which the device itself asks for something: read by us, so we know when it was set."""

    tag: int
    asset: str
    component: str
    failure_mode: str
    severity: str
    text: str
    vendor: str


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A way in which a vendor's alerts reach us as messages (drop folder)."""

    name: str
    kind: str  # file_drop
    vendor: str
    folder: Path
    format: str  # json, jsonl, csv, eml
    fields: Mapping[str, str] = field(default_factory=dict)  # our field -> theirs
    assets: Mapping[str, str] = field(default_factory=dict)  # their asset name -> our asset id
    components: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, str] = field(default_factory=dict)
    time_zone: str = "UTC"
    late_after_s: float = 86_400.0


class Source(Protocol):
    """One live connection to one device, gateway or server.

    `open` and `read` raise SourceDown when the source fails as a whole; one tag that fails is a BAD sample.
    All time-outs belong to the driver: no call may last longer than `timeout_s` times the number of its requests.
    """

    spec: SourceSpec

    async def open(self) -> None:
        """Connect. Called again after every SourceDown."""

    async def read(self, tags: Sequence[Tag]) -> "Batch":
        """Read these tags once; one row per tag, in the order of `tags`."""

    async def alerts(self) -> list[Alert]:
        """Alerts that the device itself raised since the last call (status bits, OPC UA conditions)."""

    async def close(self) -> None:
        """Let go of the connection. Never raises."""

    def explain(self) -> list[str]:
        """What will be done, in lines for `handwheel check`: "2 requests touching 44 words for 9 tags"."""


DRIVERS: Mapping[str, str] = {
    "modbus_tcp": "drivers.modbus:open_source",
    "modbus_rtu_over_tcp": "drivers.modbus:open_source",
    "opcua": "drivers.opcua:open_source",
}


def make_source(spec: SourceSpec) -> Source:
    """The Source object for a spec, not yet connected; ConfigError if the driver is unknown."""
    dotted = DRIVERS.get(spec.driver)
    if dotted is None:
        raise ConfigError(f"source {spec.name}: driver {spec.driver!r} is unknown; known: {', '.join(sorted(DRIVERS))}")
    module, function = dotted.split(":")
    source: Source = getattr(import_module(module), function)(spec)
    return source
