"""`handwheel browse`: the variables of an OPC UA server with value, type, unit and status, and rows ready to paste."""

import argparse
import asyncio
import re
from collections.abc import Sequence

from drivers.errors import SourceDown, UserError
from drivers.opcua import quiet
from drivers.opcua.browse import OBJECTS, Found, browse
from drivers.record import Reason
from drivers.source import SourceSpec
from monitor import plant
from monitor.probe.command import write_rows
from monitor.state import State
from monitor.words import clean, quantity_text

UNITS = {  # as servers write them -> as we do; what is not here and not ours already needs a scale: a person decides
    "m³/h": "m3/h", "m^3/h": "m3/h", "m³": "m3", "m^3": "m3", "L/s": "l/s", "°C": "degC", "℃": "degC", "mg/L": "mg/l",
    "1/min": "rpm", "r/min": "rpm", "U/min": "rpm", "kW·h": "kWh", "kW h": "kWh", "W·h": "Wh", "MW·h": "MWh",
    "kV·A": "kVA", "kVAr": "kvar",
}  # fmt: skip
UNECE = {  # common codes of UNECE Recommendation 20 -> our unit
    "HTZ": "Hz", "MQH": "m3/h", "G51": "l/s", "BAR": "bar", "MTR": "m", "KWT": "kW", "WTT": "W", "AMP": "A", "4K": "mA",
    "VLT": "V", "C16": "mm/s", "CEL": "degC", "KEL": "K", "KWH": "kWh", "WHR": "Wh", "MWH": "MWh", "MTQ": "m3",
    "HUR": "h", "SEC": "s", "M1": "mg/l", "P1": "%", "RPM": "rpm", "KVA": "kVA", "KVR": "kvar",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `handwheel browse`."""
    parser.add_argument("source", help="an OPC UA source of the configuration, or opc.tcp://HOST:PORT/PATH")
    parser.add_argument(
        "pattern", nargs="*", help="paths that are wanted: names with * and ?, ** for any depth (default: all)"
    )
    parser.add_argument("--start", default=OBJECTS, metavar="NODE", help="where to begin (default: the Objects folder)")
    parser.add_argument("--depth", type=int, default=10, help="levels below the start (default: 10)")
    parser.add_argument("--limit", type=int, default=500, help="variables that are shown (default: 500)")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between requests (default: 0.05)")
    parser.add_argument("--rows", nargs="?", const="-", metavar="FILE", help="write tag rows as TOML")


def stands_alone(args: argparse.Namespace) -> bool:
    """Whether this is about a server that needs no configuration."""
    return "://" in args.source


def command(args: argparse.Namespace, settings: plant.Settings | None, state: State) -> int:
    """Walk and show. Exit code 1 if the server gives no answer."""
    for name, value, low, high in (("--depth", args.depth, 1, 50), ("--limit", args.limit, 1, 20_000),
                                   ("--pause", args.pause, 0, 10)):  # fmt: skip
        if not low <= value <= high:
            raise UserError(f"{name} {value}: from {low} to {high}")
    spec = spec_of(args.source, settings)
    quiet()
    try:
        walk = asyncio.run(
            browse(
                spec,
                start=args.start,
                patterns=args.pattern or ["**"],
                depth=args.depth,
                limit=args.limit,
                pause_s=args.pause,
            )
        )
    except SourceDown as down:
        print(f"NO ANSWER: {clean(down.detail, 400)}; check address, certificate and login")
        return 1
    for line in [line for one in walk.found for line in _lines(one)]:
        print(line)
    print(f"{len(walk.found)} variables")
    for words in walk.left_out:
        print(f"left out: {clean(words)}")
    if args.rows is not None:
        write_rows(args.rows, rows(walk.found, "ASSET"))
    return 0


def spec_of(source: str, settings: plant.Settings | None) -> SourceSpec:
    """The configured source of this name, or one for the address."""
    if "://" in source:
        address = source.partition("://")[2].split("/")[0]
        if not source.startswith("opc.tcp://") or not address:
            raise UserError(f"{clean(source, 80)!r} is no OPC UA address; write opc.tcp://HOST:PORT/PATH")
        if "@" in address:
            raise UserError("a login does not belong on a command line; configure a source with user and password_file")
        return SourceSpec("server", "opcua", "", 60.0, 5.0, (), {"url": source})
    known = [spec for spec in settings.sources if spec.driver == "opcua"] if settings else []
    found = next((spec for spec in known if spec.name == source), None)
    if found is None:
        names = ", ".join(spec.name for spec in known) or "none is configured"
        raise UserError(f"{clean(source, 40)!r} is no OPC UA source ({names}); name one or give opc.tcp://HOST:PORT")
    return found


def rows(found: Sequence[Found], asset: str) -> str:
    """The variables with numbers as a block of a source file; others as comments."""
    lines, names = [f'[[source.block]]\nasset = "{asset}"\ntags = ['], set[str]()
    for one in found:
        unit = _unit(one)
        told = f" [{one.unit.name[:20]}]" if unit not in ("", *plant.UNITS) else ""
        keys = {
            "node": _text(one.node),
            "name": _text(_tag_name(one.path, names)),
            "unit": _text(unit if unit in plant.UNITS else "1"),
            "quantity": '"other"',
            "description": _text(one.path[-60:] + told),
        }
        low, high = one.unit.low, one.unit.high
        if low is not None and high is not None and low < high:
            keys |= {"low": f"{low:g}", "high": f"{high:g}"}
        number = isinstance(one.value, int | float) or (one.value is None and Reason.CONFIG not in one.reasons)
        usable = number and clean(one.node, 400) == one.node
        row = ", ".join(f"{key} = {value}" for key, value in keys.items())
        lines.append(f"  {'' if usable else '# '}{{ {row} }},")
    return "\n".join([*lines, "]"]) + "\n"


def _unit(one: Found) -> str:
    """Our name for its unit, else the server's."""
    name = one.unit.name.strip()
    return UNECE.get(one.unit.code) or UNITS.get(name, name)


def _lines(one: Found) -> list[str]:
    value = one.value if isinstance(one.value, str | None) else float(one.value)
    unit = f"  [{clean(one.unit.words, 40)}]" if one.unit.words else ""
    status = ", ".join(one.reasons.words) + (f" {clean(one.detail, 60)}" if one.detail else "")
    return [
        f"{clean(one.path, 100)}",
        f"    {quantity_text(value, '1', 6):>16}  {clean(one.kind, 30)}{unit}  {status}"
        f"{'  WRITABLE for this login' if one.writable else ''}",
        f"    {clean(one.node, 200)}",
    ]


def _tag_name(path: str, names: set[str]) -> str:
    """A tag name made of the last name of a path, its own in the list."""
    words = re.sub(r"[^a-z0-9]+", "_", path.rpartition("/")[2].lower()).strip("_")[:32] or "tag"
    name = next(name for n in range(1, len(names) + 3) if (name := words if n == 1 else f"{words}_{n}") not in names)
    names.add(name)
    return name


def _text(text: str) -> str:
    """A TOML string of foreign text."""
    return '"' + clean(text, 400).replace("\\", "\\\\").replace('"', '\\"') + '"'
