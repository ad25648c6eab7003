"""Source files -> SourceSpecs with their tags, the devices behind them, and what makes a status an alert."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.blocks import Forbidden, plan
from drivers.errors import ConfigError
from drivers.record import SEVERITIES, Register, Tag
from drivers.source import SourceSpec, StatusAlert
from monitor import plant
from monitor.settings import addresses
from monitor.settings.maps import DeviceMap, Maps
from monitor.settings.reader import Reader, one_of
from monitor.settings.rows import Placed, rows
from monitor.settings.shapes import COMMON, Block, Modbus, ModbusSource, OpcUaSource, SerialSource, SiteFile, Source
from monitor.settings.tags import cut_across, neighbours, tag_of

Place = Sequence[str | int]
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", re.ASCII)
FEW_SLOTS = 4  # a device with so few connections is asked again seldom, and its slot is freed in between
FILES = ("certificate", "private_key", "server_certificate", "password_file", "user_certificate", "user_private_key")


@dataclass
class Sources:
    """What all source files together come to."""

    tags: list[Tag] = field(default_factory=list)
    specs: list[SourceSpec] = field(default_factory=list)
    alerts: list[StatusAlert] = field(default_factory=list)
    devices: list[plant.Device] = field(default_factory=list)


def read_sources(reader: Reader, site: SiteFile, files: Sequence[tuple[str, Source]]) -> Sources:
    """All sources with their tags; every fault is noted with the reader."""
    assets = {asset.id: asset for asset in site.asset}
    sites = {one.id for one in site.site}
    maps, result = Maps(reader), Sources()
    names: dict[str, str] = {}
    places: dict[str, str] = {}
    lines = _lines(reader, files)
    for file, source in files:
        if source.name in names:
            reader.fault(file, ["source", "name"], f"{source.name!r} is used twice (also in {names[source.name]})")
        names[source.name] = file
        one_of(reader, file, ["source", "site"], source.site, sites, "site")
        _check(reader, file, source, assets)
        own: list[Tag] = []
        by_map: list[tuple[Placed, Tag]] = []
        taken: dict[tuple[int, str, int], list[Tag]] = {}
        for placed in rows(reader, file, source, maps):
            asset_place: Place = [] if placed.line else ["source", "block", placed.number, "asset"]
            if not one_of(reader, file if not placed.line else placed.file, asset_place, placed.block.asset, assets,
                          "asset"):  # fmt: skip
                continue
            tag = tag_of(reader, source, placed, len(result.tags), _labels(source, placed, maps))
            if tag is None:
                continue
            if tag.name in places:
                placed.fault(reader, "name", f"{tag.name!r} is defined twice (also in {places[tag.name]})")
                continue
            for other in neighbours(tag, taken):
                if cut_across(other.where, tag.where):
                    words = f"{tag.name!r} lies across the registers of {other.name!r}; mend the address or type of one"
                    placed.fault(reader, "at", words)
            places[tag.name] = placed.file
            result.tags.append(tag)
            own.append(tag)
            if placed.registers is not placed.block:
                by_map.append((placed, tag))
        result.alerts += _alerts(reader, file, source, own, by_map, maps, assets)
        used = [(block, found) for block in source.block if block.map and (found := maps.map(block.map))]
        result.devices += [_device(source, block, found, own) for block, found in used]
        options = _options(reader, source, used, lines.get(source.name, ()))
        if isinstance(source, Modbus):
            _check_plan(reader, file, own, options)
        result.specs.append(
            SourceSpec(source.name, source.driver, source.site, source.every_s, source.timeout_s, tuple(own), options)
        )
    _check_slots(reader, names, result.specs)
    return result


def _check_slots(reader: Reader, files: Mapping[str, str], specs: Sequence[SourceSpec]) -> None:
    """No device or gateway is asked for more connections than it has: the last one would lock somebody out."""
    for spec in specs:
        slots, place = spec.options.get("max_clients"), (spec.options.get("host"), spec.options.get("port"))
        there = [one.name for one in specs if (one.options.get("host"), one.options.get("port")) == place]
        if slots is not None and len(there) > slots:
            words = f"{place[0]}:{place[1]} takes {slots}, but {', '.join(there)} go there; make fewer of them"
            reader.fault(files[spec.name], ["source", "max_clients"], words)


def _check(reader: Reader, file: str, source: Source, assets: Mapping[str, object]) -> None:
    """What the keys of one source say of each other."""
    if isinstance(source, SerialSource) and not source.sole_master:
        words = (
            f"an RS-485 line has exactly one master; write sole_master = true when nothing else asks on {source.line}, "
            "else read through the PLC or a gateway"
        )
        reader.fault(file, ["source", "sole_master"], words)
    for number, block in enumerate(source.block):
        if block.device_id == 0 and source.driver in ("modbus_rtu", "modbus_rtu_over_tcp"):
            words = "0 calls all devices of a serial line at once, and none answers; give the device's own"
            reader.fault(file, ["source", "block", number, "device_id"], words)
    if isinstance(source, OpcUaSource):
        _check_opcua(reader, file, source)
        for theirs, ours in source.assets.items():
            one_of(reader, file, ["source", "assets", theirs], ours, assets, "asset")


def _check_opcua(reader: Reader, file: str, source: OpcUaSource) -> None:
    login(reader, file, ["source"], source.user, source.password_file, source.password_credential)
    if (source.user_certificate is None) != (source.user_private_key is None):
        words = "a login by certificate needs user_certificate and user_private_key"
        reader.fault(file, ["source", "user_certificate"], words)
    if source.user is not None and source.user_certificate is not None:
        reader.fault(file, ["source", "user"], "and user_certificate together; keep one way to log in")
    for key in ("certificate", "private_key", "server_certificate"):
        if source.security != "None" and getattr(source, key) is None:
            words = f"is missing; Sign & Encrypt needs it (`handwheel trust {source.name}` makes the file)"
            reader.fault(file, ["source", key], words)
    periods = [row.every_s or source.every_s for block in source.block for row in block.tags]
    most_s = 2.5 * max(min(periods, default=source.every_s), 1.0)
    if source.verify_s is not None and source.verify_s > most_s:
        words = (
            f"is more than two and a half periods ({most_s:g} s): a value that does not change would be called stale"
        )
        reader.fault(file, ["source", "verify_s"], words)
    address = source.url.partition("://")[2].split("/")[0]
    if not source.url.startswith("opc.tcp://") or not address:
        reader.fault(file, ["source", "url"], "is no OPC UA address; write opc.tcp://HOST:PORT/PATH")
    elif "@" in address:
        reader.fault(file, ["source", "url"], "holds a login; write user = ... and password_file = ... instead")
    elif not (found := _ADDRESS.fullmatch(address)) or int(found[1] or 1) not in range(1, 65_536):
        reader.fault(file, ["source", "url"], "names no host; write opc.tcp://HOST:PORT/PATH")


def _check_plan(reader: Reader, file: str, own: Sequence[Tag], options: Mapping[str, Any]) -> None:
    """Each tag must fit into a request, and none may lie on what is forbidden."""
    forbidden = [Forbidden(**row) for row in options["forbidden"]]
    for tag in own:
        try:
            plan([tag], max_gap=0, max_words=options["max_words"], forbidden=forbidden)
        except ConfigError as fault:
            reader.fault(file, ["source"], str(fault))


def login(reader: Reader, file: str, place: Place, user: str | None, path: str | None, credential: str | None) -> None:
    """A user name goes with exactly one place for its password, and a password with a user name."""
    if path is not None and credential is not None:
        reader.fault(file, [*place, "password_file"], "and password_credential together; keep one of them")
    elif user is None and (path or credential):
        reader.fault(file, [*place, "user"], "is missing; a password needs the user name that it belongs to")
    elif user is not None and not (path or credential):
        words = "needs password_file (a file that only the service can read) or password_credential (systemd)"
        reader.fault(file, [*place, "user"], words)


def _lines(reader: Reader, files: Sequence[tuple[str, Source]]) -> Mapping[str, tuple[str, ...]]:
    """For each Modbus source the others on its serial line or gateway: said by one of two, it holds for both."""
    known = {source.name for _, source in files if isinstance(source, Modbus)}
    groups: dict[str, set[str]] = {name: {name} for name in known}
    opened: dict[str, str] = {}
    for file, source in files:
        if isinstance(source, SerialSource):
            if source.line in opened:
                words = f"{source.line} is opened by {opened[source.line]} too; put all its devices into one source"
                reader.fault(file, ["source", "line"], words)
            opened[source.line] = source.name
        for name in source.shares_line_with if isinstance(source, Modbus) else ():
            if name == source.name:
                reader.fault(file, ["source", "shares_line_with"], f"{name!r} is this source itself; name the others")
            elif one_of(reader, file, ["source", "shares_line_with"], name, known, "Modbus source"):
                merged = groups[source.name] | groups[name]
                groups.update(dict.fromkeys(merged, merged))
    return {name: tuple(sorted(group - {name})) for name, group in groups.items()}


def _labels(source: Source, placed: Placed, maps: Maps) -> Mapping[int, str]:
    """The words of the code table that a tag is looked up in, if it is."""
    name = next((a.codes for a in source.status_alert if a.tag == f"{placed.block.asset}.{placed.row.name}"), None)
    if name is None and placed.block.map and placed.registers is not placed.block:
        found = maps.map(placed.block.map)
        name = found.parts.map.codes.get(placed.row.name) if found else None
    table = maps.table(name) if name and name in maps.tables else None
    return table.labels if table else {}


def _alerts(
    reader: Reader, file: str, source: Source, own: Sequence[Tag], by_map: Sequence[tuple[Placed, Tag]], maps: Maps,
    assets: Mapping[str, Any],
) -> list[StatusAlert]:  # fmt: skip
    """The statuses of a source that ask for something: by its own rows, else by the codes of its maps."""
    by_name, alerts = {tag.name: tag for tag in own}, []
    for index, row in enumerate(source.status_alert):
        place: Place = ["source", "status_alert", index]
        if not one_of(reader, file, [*place, "tag"], row.tag, by_name, "tag of this source"):
            continue
        one_of(reader, file, [*place, "severity"], row.severity, SEVERITIES, "severity")
        tag = by_name[row.tag]
        vendor = assets[tag.asset].vendor
        alert = StatusAlert(tag.number, tag.asset, row.component, row.failure_mode, row.severity, row.text, vendor)
        if row.codes is None:
            if not row.text:
                reader.fault(file, [*place, "text"], "is missing; say what the status asks for, or name a table: codes")
            alerts.append(alert)
        elif one_of(reader, file, [*place, "codes"], row.codes, maps.tables, "code table (maps/codes/NAME.toml)"):
            alerts += _looked_up(reader, file, [*place, "codes"], alert, row.codes, maps, tag)
    told = {alert.tag for alert in alerts}
    for placed, tag in by_map:
        found = maps.map(placed.block.map or "")
        name = found.parts.map.codes.get(placed.row.name) if found else None
        if found is None or name is None or tag.number in told:
            continue
        if one_of(reader, found.file, ["map", "codes", placed.row.name], name, maps.tables, "code table"):
            vendor = assets[tag.asset].vendor or found.parts.map.vendor
            alert = StatusAlert(tag.number, tag.asset, "", "", "warning", "", vendor)
            alerts += _looked_up(reader, found.file, ["map", "codes", placed.row.name], alert, name, maps, tag)
    return alerts


def _looked_up(
    reader: Reader, file: str, place: Place, alert: StatusAlert, name: str, maps: Maps, tag: Tag
) -> list[StatusAlert]:
    table = maps.table(name)
    if table is None:
        return []
    if table.kind == "bits" and isinstance(tag.where, Register) and not tag.bits:
        reader.fault(file, place, f'table {name!r} is of bits, and {tag.name} is {tag.where.kind}; write as = "bits32"')
    return [StatusAlert(alert.tag, alert.asset, alert.component, alert.failure_mode, alert.severity, alert.text or name,
                        alert.vendor, table.kind, table.codes)]  # fmt: skip


def _device(source: Source, block: Block, found: DeviceMap, own: Sequence[Tag]) -> plant.Device:
    numbers = {tag.name: tag.number for tag in own}
    sanity = tuple(
        (numbers[name], row.low, row.high)
        for row in found.parts.sanity
        if (name := f"{block.asset}.{row.tag}") in numbers
    )
    return plant.Device(source.name, block.device_id, block.asset, found.name, found.path, found.parts.map.title,
                        found.parts.map.confidence, block.verified_on, sanity)  # fmt: skip


def _options(
    reader: Reader, source: Source, used: Sequence[tuple[Block, DeviceMap]], shares: tuple[str, ...]
) -> dict[str, Any]:
    """The driver's own table: the keys of the file, and what the maps of its devices add."""
    options = source.model_dump(exclude=COMMON, exclude_none=True)
    heads = [found.parts.map for _, found in used]
    if isinstance(source, Modbus):
        options["shares_line_with"] = list(shares)
        options["max_words"] = min([source.max_words, *(head.max_words for head in heads)])
        options["watchdog"] = source.watchdog or any(head.watchdog for head in heads)
        options["forbidden"] += [row for block, found in used for row in _forbidden(block, found)]
    slots = [head.max_clients for head in heads if head.max_clients is not None]
    if isinstance(source, ModbusSource) and source.driver == "modbus_tcp" and source.max_clients is None and slots:
        options["max_clients"] = min(slots)
    few = (options.get("max_clients") or FEW_SLOTS + 1) <= FEW_SLOTS
    options["max_backoff_s"] = source.max_backoff_s or (60.0 if few else 10.0)
    return options | {key: str(reader.folder / options[key]) for key in FILES if key in options}


def _forbidden(block: Block, found: DeviceMap) -> list[dict[str, Any]]:
    """The read-to-clear ranges of a map as wire addresses of this device."""
    return [
        {
            "device_id": block.device_id,
            "table": row.table,
            "first": addresses.wire(row.address_base, row.table, row.first) + block.shift,
            "last": addresses.wire(row.address_base, row.table, row.last) + block.shift,
        }
        for row in found.parts.forbidden
    ]
