"""`handwheel check --flows`: who talks to whom, for whoever keeps the firewall. Nothing of ours listens on a network.

As a table, as CSV, or as a rule set of nftables that lets out just that. No firewall knows a Modbus read from a Modbus
write: that is what the guard in our own driver and a device's own write protection are for.
"""

import csv
import io
import ipaddress
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from urllib.parse import parse_qsl, urlsplit

from drivers.errors import UserError
from drivers.source import FeedSpec, SourceSpec
from monitor.plant import Settings
from monitor.state import State
from monitor.words import clean

USERS = {"handwheel run": "handwheel", "handwheel intake": "handwheel-intake"}  # process -> system user it runs as
PROTOCOLS = {"modbus_tcp": "Modbus TCP", "modbus_rtu_over_tcp": "Modbus RTU over TCP", "opcua": "OPC UA binary"}
_OPCUA_PORT = 4840


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that we open, on loopback alone."""

    process: str
    host: str
    port: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection that we open; none is ever opened to us from another machine."""

    process: str
    host: str
    port: int
    protocol: str
    direction: str
    purpose: str


def run(settings: Settings, state: State, *, as_csv: bool = False, as_nft: bool = False) -> int:
    """Print the flows."""
    if as_csv and as_nft:
        raise UserError("check --flows: --csv or --nft, not both")
    found = flows(settings)
    print(csv_text(found) if as_csv else nft_text(found) if as_nft else table_text(found, settings, state), end="")
    return 0


def flows(settings: Settings) -> list[Flow]:
    """All connections over the network that this configuration makes."""
    sources = [_of_source(spec) for spec in settings.sources if spec.driver != "modbus_rtu"]
    feeds = [_of_feed(feed) for feed in settings.feeds if feed.kind == "mqtt"]
    return [*sources, *feeds, *_of_history(settings.history.url), *_of_fleet(settings.fleet.scheduler)]


def listeners(settings: Settings) -> list[Listener]:
    """All ports that this configuration opens."""
    if settings.metrics_port is None:
        return []
    return [Listener("handwheel run", "127.0.0.1", settings.metrics_port, "metrics for Prometheus, GET /metrics")]


def table_text(found: Sequence[Flow], settings: Settings, state: State) -> str:
    """The table with what else there is to know about ways in and out."""
    heads = ("process", "to host", "port", "protocol", "direction", "purpose")
    rows = [heads, *(tuple(map(str, astuple(flow))) for flow in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    listening = [f"{one.process} listens on {one.host}:{one.port}, {one.purpose}" for one in listeners(settings)]
    serial = [spec for spec in settings.sources if spec.driver == "modbus_rtu"]
    lines += [f"\nno network: {spec.name} on serial line {spec.options['line']}" for spec in serial]
    lines += [f"\non loopback only: {words}" for words in listening]
    lines += [
        "\nNothing listens on a network. Decisions come in by the Unix socket command.sock, by file rights and groups:",
        f"  {state.root}/command.sock",
        "`handwheel intake` needs no way to a field device, `handwheel run` none to a broker: keep them apart.",
        "A firewall cannot tell a Modbus read (function codes 1 to 4, 43/14) from a write: use a device's write lock.",
        "As CSV: --csv. As rules for nftables: --nft.",
    ]
    return "\n".join(lines) + "\n"


def csv_text(found: Sequence[Flow]) -> str:
    """One line per flow under the names of its fields."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Flow)])
    writer.writerows(astuple(flow) for flow in found)
    return out.getvalue()


def nft_text(found: Sequence[Flow]) -> str:
    """A table for `nft -f` that lets our system users open these connections and no others."""
    lines = [
        "# handwheel check --flows --nft: what the two services may open. Read it before you load it: nft -f FILE",
        "# nftables sees ports, not function codes: it cannot keep a Modbus write from a Modbus read.",
        "# Put in the users that the services run as here. A host given by name is looked up once, when the rules are",
        "# loaded, and its service may ask a name server.",
        "table inet handwheel {",
        "  chain output {",
        "    type filter hook output priority filter; policy accept;",
    ]
    for process, user in USERS.items():
        mine = [flow for flow in found if flow.process == process]
        who = f'    meta skuid "{user}"'
        lines += [f'    # {process}, as system user "{user}"', f"{who} ct state established,related accept"]
        if not all(_is_address(flow.host) for flow in mine):
            lines.append(f"{who} udp dport 53 accept")
        for flow in mine:
            lines.append(f"{who} {_family(flow.host)} daddr {flow.host} tcp dport {flow.port} accept  # {flow.purpose}")
        lines.append(f"{who} counter reject")
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _of_source(spec: SourceSpec) -> Flow:
    host, port = address_of(spec)
    safe = spec.driver == "opcua" and spec.options.get("security", "None") != "None"
    protocol = PROTOCOLS.get(spec.driver, spec.driver) + (", signed and encrypted" if safe else "")
    return Flow("handwheel run", host, port, protocol, "out", f"reads source {spec.name}, site {spec.site}")


def _of_feed(feed: FeedSpec) -> Flow:
    options = feed.options
    protocol = "MQTT over TLS" if options.get("tls", True) else "MQTT, not encrypted"
    purpose = f"takes in messages of {clean(feed.vendor, 30)} ({feed.name})"
    return Flow("handwheel intake", str(options["host"]), int(options["port"]), protocol, "out", purpose)


def _of_history(url: str | None) -> list[Flow]:
    """To where the cold part is kept, unless that is a folder of this machine."""
    place = urlsplit(url or "")
    if not place.scheme or place.scheme == "file":
        return []
    options = dict(parse_qsl(place.query))
    secure = options.get("scheme", "https") == "https"
    protocol = place.scheme
    if place.scheme == "s3":
        region = options.get("region", "us-east-1")
        protocol = "S3, encrypted" if secure else "S3, NOT encrypted"
        place = urlsplit(f"s3://{options.get('endpoint_override') or f's3.{region}.amazonaws.com'}")
    port = place.port or (443 if secure else 80)
    return [Flow("handwheel run", place.hostname or "", port, protocol, "out", "its worker keeps history")]


def _of_fleet(scheduler: str | None) -> list[Flow]:
    place = urlsplit(scheduler or "")
    if not place.hostname:
        return []
    protocol = "Dask over TLS" if place.scheme == "tls" else "Dask, NOT encrypted"
    return [Flow("handwheel run", place.hostname, place.port or 8786, protocol, "out", "its worker learns and audits")]


def address_of(spec: SourceSpec) -> tuple[str, int]:
    """Host and port of a source on the network."""
    if "url" not in spec.options:
        return str(spec.options.get("host")), int(spec.options.get("port", 0))
    address = str(spec.options["url"]).partition("://")[2].split("/")[0]
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return address.strip("[]"), _OPCUA_PORT
    return host.strip("[]"), int(port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _family(host: str) -> str:
    return "ip6" if _is_address(host) and ":" in host else "ip"
