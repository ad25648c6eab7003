"""Who is probed, and what must not be: class A, the daemon's only connection, what is forbidden, without a yes."""

import argparse
import ipaddress
import re
import socket
import sys
from dataclasses import dataclass

from drivers.errors import UserError
from drivers.plausible import BESIDE
from drivers.record import Register
from drivers.source import SourceSpec
from monitor import plant
from monitor.settings import addresses
from monitor.state import State
from monitor.words import clean

MOST_WORDS = 500  # of one range
_SINGLE = ("modbus_rtu",)  # what only one process can open


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed: the connection, the device behind it, and what is known of it."""

    spec: SourceSpec
    device_id: int
    assets: tuple[plant.Asset, ...]  # that may be meant: those of the device, else all of the source
    configured: bool

    @property
    def where(self) -> str:
        return _where(self.spec)


def target_of(args: argparse.Namespace, settings: plant.Settings | None) -> Target:
    """The device that the arguments name. Raises UserError in one line."""
    if (args.source is None) == (args.host is None):
        known = ", ".join(spec.name for spec in settings.sources if _is_modbus(spec)) if settings else ""
        raise UserError(f"probe: name a source{f' ({known})' if known else ''} or give --host, not both")
    if args.host is not None:
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", args.host):
            raise UserError(f"--host {clean(args.host, 40)!r}: is no host name or address")
        port = 502 if args.port is None else args.port
        if not 1 <= port <= 65_535:
            raise UserError(f"--port {port}: a port is a number from 1 to 65535")
        spec = _by_address(settings, args.host, port)
        if spec is None:
            driver = "modbus_rtu_over_tcp" if args.rtu_over_tcp else "modbus_tcp"
            spec = SourceSpec(clean(args.host, 40), driver, "", 60.0, 2.0, (), {"host": args.host, "port": port})
            if args.device is None:
                print("no --device given: device 1 is meant")
            return Target(spec, 1 if args.device is None else args.device, (), False)
        print(f"{args.host}:{port} is source {spec.name} of the configuration")
    else:
        found = {spec.name: spec for spec in settings.sources} if settings else {}
        if args.port is not None or args.rtu_over_tcp:
            raise UserError("probe: --port and --rtu-over-tcp belong to --host; those of a source stand in its file")
        if args.source not in found:
            raise UserError(f"source {clean(args.source, 40)!r} is unknown; known: {', '.join(found)}")
        spec = found[args.source]
    if not _is_modbus(spec):
        raise UserError(f"source {spec.name} is {spec.driver}; probe is for Modbus, see `handwheel browse`")
    devices = sorted({tag.where.device_id for tag in spec.tags if isinstance(tag.where, Register)})
    if args.device is None and len(devices) != 1:
        raise UserError(f"source {spec.name} has devices {', '.join(map(str, devices))}; give --device")
    device = devices[0] if args.device is None else args.device
    meant = {t.asset for t in spec.tags if isinstance(t.where, Register) and t.where.device_id == device}
    assets = settings.assets if settings else ()
    known_ids = meant or {tag.asset for tag in spec.tags}  # an unknown device shares its line with all of them
    return Target(spec, device, tuple(asset for asset in assets if asset.id in known_ids), True)


def refuse(args: argparse.Namespace, target: Target, settings: plant.Settings | None, state: State) -> None:
    """Raise UserError for what must not be probed."""
    critical = [asset.id for asset in target.assets if asset.criticality == "A"]
    if critical and not args.force:
        raise UserError(
            f"probe: {', '.join(critical)} is of class A (life, safety, overflow); probe it out of service, "
            "or add --force if you answer for it"
        )
    if target.configured and (taken := taken_by_daemon(target.spec, state)):
        raise UserError(f"probe: {taken}; stop the daemon, probe, start it again")
    if not args.identify and not args.sanity:
        first, last = wire_range(args)
        for low, high in _forbidden(args, target):
            if low <= last and first <= high:
                words = f"probe: {args.table} wire {low} to {high} is forbidden (configuration or map)"
                raise UserError(f"{words}; choose a range without it")


def beside(args: argparse.Namespace, target: Target) -> tuple[range, range]:
    """The wire addresses just before and just after the range that may be read too, up to the first forbidden one."""
    first, last = wire_range(args)
    closed = [range(low, high + 1) for low, high in _forbidden(args, target)]

    def is_open(at: int) -> bool:
        return 0 <= at <= 65_535 and not any(at in one for one in closed)

    before = next((n for n in range(BESIDE) if not is_open(first - 1 - n)), BESIDE)
    after = next((n for n in range(BESIDE) if not is_open(last + 1 + n)), BESIDE)
    return range(first - before, first), range(last + 1, last + 1 + after)


def _forbidden(args: argparse.Namespace, target: Target) -> list[tuple[int, int]]:
    """First and last wire address of what is forbidden in this table.

    Who answers to an id that is not configured may be any of those that are.
    """
    known = {tag.where.device_id for tag in target.spec.tags if isinstance(tag.where, Register)}
    return [
        (row["first"], row["last"])
        for row in target.spec.options.get("forbidden", ())
        if row["table"] == args.table and (row["device_id"] == target.device_id or target.device_id not in known)
    ]


def taken_by_daemon(spec: SourceSpec, state: State) -> str:
    """Why a device must not be asked beside the daemon, in words; "" where it has a connection to give."""
    from monitor.lock import lock_is_free

    few = spec.options.get("max_clients") == 1 or spec.driver in _SINGLE
    if not few or lock_is_free(state) is True:
        return ""
    return f"{_where(spec)} takes one connection, and the daemon has it"


def agreed(args: argparse.Namespace, target: Target) -> bool:
    """Whether a person wants it: y, or for a device that nobody configured its host typed once more."""
    if args.yes and (target.configured or args.force):
        return True
    if args.yes:
        raise UserError(
            f"probe: nobody knows what is at {target.where}: by this address it is in no configuration, and handwheel "
            "cannot know whether this is a configured device by another; add --force too"
        )
    if not sys.stdin.isatty():
        raise UserError("probe: nobody can be asked here; add --yes")
    if target.configured:
        return input("Ask the device now? [y/N] ").strip().lower() in ("y", "yes")
    print(
        "By this address the device is in no configuration; handwheel cannot know whether this is a configured device "
        "by another.\nNobody here knows what it does, who else reads it, what reading clears."
    )
    return (
        input(f"To ask it, type its host ({target.spec.options['host']}): ").strip() == target.where.rpartition(":")[0]
    )


def wire_range(args: argparse.Namespace) -> tuple[int, int]:
    """Wire addresses of the first and last register."""
    if args.first is None or args.last is None:
        raise UserError("probe: say what to ask: --from N --to N (one range), --identify or --sanity")
    first, last = (addresses.wire(args.base, args.table, at) for at in (args.first, args.last))
    lowest, highest = (addresses.printed(args.base, args.table, at) for at in (0, 65_535))
    if args.last < args.first:
        raise UserError(f"--from {args.first} --to {args.last}: the range ends before it begins; exchange the two")
    if not 0 <= first <= last <= 65_535:
        raise UserError(
            f"--from {args.first} --to {args.last}: {args.base} counts {args.table} from {lowest} to {highest}"
        )
    if last - first >= MOST_WORDS:
        raise UserError(f"--from {args.first} --to {args.last}: {MOST_WORDS} registers at most; ask for less at a time")
    return first, last


def _where(spec: SourceSpec) -> str:
    options = spec.options
    return str(options.get("url") or options.get("line") or f"{options.get('host')}:{options.get('port')}")


def _is_modbus(spec: SourceSpec) -> bool:
    return spec.driver.startswith("modbus")


def _by_address(settings: plant.Settings | None, host: str, port: int) -> SourceSpec | None:
    """The source that goes there, under whatever name: what is forbidden or of class A has many."""
    there = [spec for spec in (settings.sources if settings else ()) if spec.options.get("port") == port]
    known = next((spec for spec in there if spec.options.get("host") == host), None)
    if known is None and there and (meant := _addresses(host)):
        known = next((spec for spec in there if meant & _addresses(str(spec.options.get("host")))), None)
    return known


def _addresses(host: str) -> set[str]:
    """Where a name leads, all ways to this very machine as one; nothing where nobody knows."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()
    return {_one_address(text.partition("%")[0]) for text in found}


def _one_address(text: str) -> str:
    """One spelling of an address: IPv4 within IPv6 as IPv4, loopback and "any" as 127.0.0.1."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "127.0.0.1" if address.is_loopback or address.is_unspecified else str(address)
