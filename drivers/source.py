"""The Source protocol: what every driver can do, and the table of known drivers.

There is no write. A driver is found by its dotted name: the daemon loads only the protocols that are configured.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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


@dataclass(slots=True)
class Counts:
    """What a connection has seen since the program began: nothing that was refused or lost goes untold."""

    requests: int = 0
    timeouts: int = 0  # no answer in time
    unfit: int = 0  # answers that did not fit their question, and were refused
    exceptions: int = 0  # the device or server said no
    refused: int = 0  # tags that the device refuses to give, as it stands now
    lost: int = 0  # values that a queue at the server, or ours, dropped
    connects: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a vendor's table of alarm or warning codes, or one bit of an alarm word."""

    text: str
    component: str
    failure_mode: str
    severity: str


@dataclass(frozen=True, slots=True)
class StatusAlert:
    """A status by which the device itself asks for something: read by us, so we know when it was set.

    Without `codes` any value but 0 asks, in the words of the row. With them the value is looked up: as a whole
    (`codes_are` "code"; 0 is none) or bit by bit ("bits"); one that the table does not know asks all the same.
    """

    tag: int
    asset: str
    component: str
    failure_mode: str
    severity: str
    text: str
    vendor: str
    codes_are: str = ""  # "", code, bits
    codes: Mapping[int, Code] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A way in which a vendor's alerts reach us as messages (drop folder, MQTT)."""

    name: str
    kind: str  # file_drop, mqtt
    vendor: str
    folder: Path
    format: str  # json, jsonl, csv, eml
    fields: Mapping[str, str] = field(default_factory=dict)  # our field -> theirs
    assets: Mapping[str, str] = field(default_factory=dict)  # their asset name -> our asset id
    components: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, str] = field(default_factory=dict)
    time_zone: str = "UTC"
    late_after_s: float = 86_400.0
    encoding: str = "utf-8"  # of text in files and mails: utf-8, utf-16, windows-1252, iso-8859-1
    options: Mapping[str, Any] = field(default_factory=dict)  # of MQTT: host, port, topic, ...


class Source(Protocol):
    """One live connection to one device, gateway or server.

    `open` and `read` raise SourceDown when the source fails as a whole; one tag that fails is a BAD sample.
    All time-outs belong to the driver: no call may last longer than `timeout_s` times the number of its requests.
    """

    spec: SourceSpec
    counts: Counts

    async def open(self) -> None:
        """Connect. Called again after every SourceDown."""

    async def read(self, tags: Sequence[Tag]) -> "Batch":
        """Read these tags once; one row per tag, in the order of `tags`.

        A subscription gives what has come for them since the last call instead: a tag may have no row, or several in
        the order in which they came, and has one at least every `verify_s`.
        """

    async def alerts(self) -> list[Alert]:
        """Alerts that the device itself raised since the last call (status bits, OPC UA conditions)."""

    async def close(self) -> None:
        """Let go of the connection. Never raises."""

    def explain(self) -> list[str]:
        """What will be done, in lines for `handwheel check`: "2 requests touching 44 words for 9 tags"."""


class Turn(asyncio.Lock):
    """Whose question it is on a line, and when the last one was over (monotonic) [s]."""

    last_s = float("-inf")


@runtime_checkable
class TakesTurns(Protocol):
    """A source whose line others may share: it holds `turn` for each question, not for a poll."""

    spec: SourceSpec
    turn: Turn


DRIVERS: Mapping[str, str] = {
    "modbus_tcp": "drivers.modbus.source:open_source",
    "modbus_rtu": "drivers.modbus.source:open_source",
    "modbus_rtu_over_tcp": "drivers.modbus.source:open_source",
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
