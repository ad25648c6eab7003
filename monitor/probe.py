"""`handwheel probe`: one slow question at a time to a Modbus device, and what the answers could mean.

A probe has side effects: some registers are cleared by reading, old firmware hangs on addresses it does not know. So it
says first what it will ask, waits for a yes, keeps to the range given, leaves a record, never touches what the
configuration forbids, and leaves assets of class A alone unless it is told to.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from drivers.batch import Batch
from drivers.errors import SourceDown, UserError
from drivers.plausible import MAGNITUDES, Ranges
from drivers.record import Quality, Register, Sample, Tag
from drivers.source import Source, SourceSpec, make_source
from monitor import plant, probe_text
from monitor.probe_record import ProbeRecord
from monitor.settings import addresses
from monitor.state import State
from monitor.words import clean, number_text

MOST_WORDS = 500  # of one range
TABLES = ("input", "holding", "coil", "discrete")
BIT_TABLES = ("coil", "discrete")
READS = 3  # a decoding is only suggested if it holds on so many
_SINGLE = ("modbus_rtu",)  # what only one process can open
_RANGE = re.compile(r"(-?[0-9.]+)\.\.(-?[0-9.]+)")


class Identifies(Source, Protocol):
    """A Modbus source, which can also ask a device who it is."""

    async def identify(self, device_id: int) -> Any:
        """Objects by number, or a failure with its detail."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed: the connection, the device behind it, and what is known of it."""

    spec: SourceSpec
    device_id: int
    assets: tuple[plant.Asset, ...]  # that may be meant: those of the device, else all of the source
    configured: bool

    @property
    def where(self) -> str:
        options = self.spec.options
        return str(options.get("line") or f"{options.get('host')}:{options.get('port')}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `handwheel probe`."""
    parser.add_argument("source", nargs="?", help="a Modbus source of the configuration; or give --host")
    parser.add_argument("--host", help="a device that is in no configuration")
    parser.add_argument("--port", type=int, default=502, help="its port (default: 502)")
    parser.add_argument(
        "--rtu-over-tcp", action="store_true", help="behind --host is a gateway that passes RTU frames through"
    )
    parser.add_argument("--device", type=int, help="device id (unit, slave id); needed where a source has several")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--identify", action="store_true", help="ask the device who it is (function code 43/14)")
    what.add_argument("--sanity", action="store_true", help="read what the device's map says any healthy one shows")
    parser.add_argument("--table", choices=TABLES, default="holding", help="table of a range (default: holding)")
    parser.add_argument("--from", dest="first", type=int, help="first register of a range")
    parser.add_argument("--to", dest="last", type=int, help="last register of the range")
    parser.add_argument(
        "--base", choices=tuple(addresses.BASES), default="wire0", help="how --from and --to count (default: wire0)"
    )
    parser.add_argument("--expect", metavar="LOW..HIGH", help="magnitude that is known, for example 48..52")
    parser.add_argument("--unit", choices=tuple(MAGNITUDES), help="or the unit of it: mains frequency, a voltage")
    parser.add_argument("--all", action="store_true", help="show each type and order, however unlikely")
    parser.add_argument("--rows", nargs="?", const="-", metavar="FILE", help="write the suggested tag rows as TOML")
    parser.add_argument("--words", type=int, default=16, help="registers per question (default: 16)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between questions (default: 0.5)")
    parser.add_argument("--timeout", type=float, help="seconds to wait for an answer (default: that of the source)")
    parser.add_argument("--yes", action="store_true", help="ask the device without asking you")
    parser.add_argument("--force", action="store_true", help="also an asset of class A, or a device nobody configured")


def stands_alone(args: argparse.Namespace) -> bool:
    """Whether this is about a device that needs no configuration."""
    return args.host is not None


def command(args: argparse.Namespace, settings: plant.Settings | None, state: State) -> int:
    """Probe as the arguments say. Exit code 1 if nothing answered or the sanity readings did not hold."""
    target = target_of(args, settings)
    _bounds(args)
    if args.sanity:
        plan, job = _sanity(args, target, settings)
    elif args.identify:
        plan, job = [f"who device {target.device_id} is (function code 43/14)"], _identify
    else:
        plan, job = _range(args, target)
    refuse(args, target, settings, state)
    for line in probe_text.announcement(target.spec.name, target.where, target.device_id, plan, target.assets):
        print(line)
    if not agreed(args, target):
        print("nothing was asked")
        return 2
    record = ProbeRecord.begin(settings, state, target.spec.name, target.device_id, target.assets, plan)
    print(f"recorded in {record.path}")
    spec = gentle(target.spec, args.pause, args.timeout)
    return asyncio.run(_connected(spec, record, lambda source: job(source, target, record)))


def target_of(args: argparse.Namespace, settings: plant.Settings | None) -> Target:
    """The device that the arguments name. Raises UserError in one line."""
    if (args.source is None) == (args.host is None):
        known = ", ".join(spec.name for spec in settings.sources if _is_modbus(spec)) if settings else ""
        raise UserError(f"probe: name a source{f' ({known})' if known else ''} or give --host, not both")
    if args.host is not None:
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", args.host):
            raise UserError(f"--host {clean(args.host, 40)!r}: is no host name or address")
        if not 1 <= args.port <= 65_535:
            raise UserError(f"--port {args.port}: a port is a number from 1 to 65535")
        spec = _by_address(settings, args.host, args.port)
        if spec is None:
            driver = "modbus_rtu_over_tcp" if args.rtu_over_tcp else "modbus_tcp"
            spec = SourceSpec(clean(args.host, 40), driver, "", 60.0, 2.0, (), {"host": args.host, "port": args.port})
            return Target(spec, 1 if args.device is None else args.device, (), False)
        print(f"{args.host}:{args.port} is source {spec.name} of the configuration")
    else:
        found = {spec.name: spec for spec in settings.sources} if settings else {}
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
    from monitor.lock import lock_is_free

    critical = [asset.id for asset in target.assets if asset.criticality == "A"]
    if critical and not args.force:
        raise UserError(
            f"probe: {', '.join(critical)} is of class A (life, safety, overflow); probe it out of service, "
            "or add --force if you answer for it"
        )
    few = target.spec.options.get("max_clients") == 1 or target.spec.driver in _SINGLE
    if target.configured and few and lock_is_free(state) is not True:
        raise UserError(
            f"probe: {target.where} takes one connection, and the daemon has it; stop the daemon, probe, start it again"
        )
    if not args.identify and not args.sanity:
        first, last = _wire_range(args)
        for row in target.spec.options.get("forbidden", ()):
            if (row["device_id"], row["table"]) == (target.device_id, args.table) and (
                row["first"] <= last and first <= row["last"]
            ):
                words = f"probe: {args.table} wire {row['first']} to {row['last']} is forbidden (configuration or map)"
                raise UserError(f"{words}; choose a range without it")


def agreed(args: argparse.Namespace, target: Target) -> bool:
    """Whether a person wants it: y, or for a device that nobody configured its host typed once more."""
    if args.yes and (target.configured or args.force):
        return True
    if args.yes:
        raise UserError(f"probe: {target.where} is in no configuration: nobody knows what it does; add --force too")
    if not sys.stdin.isatty():
        raise UserError("probe: nobody can be asked here; add --yes")
    if target.configured:
        return input("Ask the device now? [y/N] ").strip().lower() in ("y", "yes")
    print("This device is in no configuration: nobody here knows what it does, who else reads it, what reading clears.")
    return (
        input(f"To ask it, type its host ({target.spec.options['host']}): ").strip() == target.where.rpartition(":")[0]
    )


def gentle(spec: SourceSpec, pause_s: float, timeout_s: float | None) -> SourceSpec:
    """The same connection with a pause before each question, reading nothing that was not asked for."""
    workarounds = {**spec.options.get("workarounds", {})}
    workarounds["pause_between_requests_s"] = max(pause_s, workarounds.get("pause_between_requests_s", 0.0))
    options = {**spec.options, "workarounds": workarounds, "max_gap": 0}
    return replace(spec, options=options, timeout_s=timeout_s or spec.timeout_s)


Job = Callable[[Source, Target, ProbeRecord], Awaitable[int]]


async def _connected(spec: SourceSpec, record: ProbeRecord, job: Callable[[Source], Awaitable[int]]) -> int:
    source = make_source(spec)
    try:
        await source.open()
        return await job(source)
    except SourceDown as down:
        record.note("no answer", clean(down.detail))
        print(f"NO ANSWER: {clean(down.detail)}; check address, device id, cable and that the device is on")
        return 1
    finally:
        await source.close()
        record.end()


def _range(args: argparse.Namespace, target: Target) -> tuple[list[str], Job]:
    first, last = _wire_range(args)
    ranges, bits = _expected(args), args.table in BIT_TABLES
    per_question = min(args.words, int(target.spec.options.get("max_words", 125)))
    tags = [
        Tag(n, f"{args.table}.{address}", "", "other", "1", target.spec.name,
            Register(target.device_id, args.table, address, "bit" if bits else "u16"))
        for n, address in enumerate(range(first, last + 1))
    ]  # fmt: skip
    parts = [tags[at : at + per_question] for at in range(0, len(tags), per_question)]
    times = READS if ranges and not bits else 1
    count = f"{len(parts)} question{'' if len(parts) == 1 else 's'}"
    once = "once" if times == 1 else f"{times} times"
    plan = [f"{args.table}, wire {first} to {last}, {count}, {args.pause:g} s apart, {once}"]

    async def job(source: Source, target: Target, record: ProbeRecord) -> int:
        reads: list[dict[int, int]] = []
        refused: dict[int, str] = {}
        for _ in range(times):
            words: dict[int, int] = {}
            for part in parts:
                for tag, sample in zip(part, _rows(await source.read(part)), strict=True):
                    address = tag.where.address if isinstance(tag.where, Register) else 0
                    if isinstance(sample.value, int | float):
                        words[address] = int(sample.value)
                    else:
                        refused[address] = clean(sample.detail)
            record.note(f"{args.table} {first} to {last}", {str(at): f"{word:04X}" for at, word in words.items()})
            reads.append(words)
        for address, why in refused.items():
            record.note(f"{args.table} {address}", why)
        lines, rows = probe_text.table(
            args.table, args.base, reads, refused, ranges, args.unit or "1", everything=args.all
        )
        print("\n".join(lines))
        if args.rows is not None:
            write_rows(args.rows, probe_text.block(args.table, args.base, target.device_id, target.assets, rows))
        return 0 if reads[0] else 1

    return plan, job


async def _identify(source: Source, target: Target, record: ProbeRecord) -> int:
    asking: Identifies = source  # type: ignore[assignment]
    answer = await asking.identify(target.device_id)
    if not isinstance(answer, Mapping):
        record.note("identify", clean(answer.detail))
        print(f"  no identification: {clean(answer.detail)}")
        return 1
    named = {probe_text.object_name(number): clean(blob.decode("utf-8", "replace")) for number, blob in answer.items()}
    record.note("identify", named)
    for name, text in named.items():
        print(f"  {name:24} {text}")
    if not named:
        print("  the device answered, and said nothing of itself")
    return 0


def _sanity(args: argparse.Namespace, target: Target, settings: plant.Settings | None) -> tuple[list[str], Job]:
    found = [
        device
        for device in (settings.devices if settings else ())
        if (device.source, device.device_id) == (target.spec.name, target.device_id)
    ]
    if not found:
        raise UserError(
            f"probe: device {target.device_id} of {target.spec.name} is read by no map; map = NAME in its block, or "
            "probe a range with --expect"
        )
    by_number = {tag.number: tag for tag in target.spec.tags}
    wanted = [(by_number[number], low, high) for device in found for number, low, high in device.sanity]
    if not wanted:
        raise UserError(f"probe: none of the sanity tags of map {found[0].map} is read; add them to only")
    names = ", ".join(tag.name for tag, _, _ in wanted)
    plan = [f"{names}, {READS} times ({found[0].title}, confidence: {found[0].confidence})"]

    async def job(source: Source, target: Target, record: ProbeRecord) -> int:
        tags = [tag for tag, _, _ in wanted]
        reads = [_rows(await source.read(tags)) for _ in range(READS)]
        good = True
        for (tag, low, high), samples in zip(wanted, zip(*reads, strict=True), strict=True):
            values = [float(s.value) for s in samples if isinstance(s.value, int | float) and s.quality != Quality.BAD]
            held = len(values) == READS and all(low <= value <= high for value in values)
            good = good and held
            why = next((f"  {clean(s.detail)}" for s in samples if s.detail), "")
            shown = "  ".join(number_text(value, 4) for value in values) or "nothing that can be used"
            word = "plausible" if held else "NOT PLAUSIBLE"
            print(f"  {tag.name:32} {shown} {tag.unit}  {word} ({low:g} to {high:g}){why}")
            record.note(tag.name, {"values": values, "plausible": held})
        print("\n".join(probe_text.verdict(good, found, datetime.now(UTC).date())))
        return 0 if good else 1

    return plan, job


def _rows(batch: Batch) -> list[Sample]:
    return list(batch.rows())


def write_rows(target: str, text: str) -> None:
    """Rows to stdout ("-") or into a new file; UserError where there is one already."""
    if target == "-":
        print(text, end="")
        return
    try:
        with Path(target).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{target}: is there already; name a new file, nothing was changed") from None
    except OSError as fault:
        raise UserError(f"{target}: cannot be written ({fault.strerror}); name another file") from None
    print(f"{target}: written; put it into a file of sources/ and say what each row is")


def _expected(args: argparse.Namespace) -> Ranges:
    if args.expect is None:
        return MAGNITUDES[args.unit] if args.unit else ()
    match = _RANGE.fullmatch(args.expect)
    try:
        low, high = (float(part) for part in match.groups()) if match else (1.0, 0.0)
    except ValueError:
        low, high = 1.0, 0.0
    if low >= high:
        raise UserError(f"--expect {clean(args.expect, 40)!r}: write LOW..HIGH, for example --expect 48..52")
    return ((low, high),)


def _wire_range(args: argparse.Namespace) -> tuple[int, int]:
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


def _bounds(args: argparse.Namespace) -> None:
    for name, value, low, high in (
        ("--device", args.device, 0, 255), ("--words", args.words, 1, 125), ("--pause", args.pause, 0.1, 60),
        ("--timeout", args.timeout, 0.1, 60),
    ):  # fmt: skip
        if value is not None and not low <= value <= high:
            raise UserError(f"{name} {value}: from {low} to {high}")


def _is_modbus(spec: SourceSpec) -> bool:
    return spec.driver.startswith("modbus")


def _by_address(settings: plant.Settings | None, host: str, port: int) -> SourceSpec | None:
    options = ((spec, spec.options) for spec in (settings.sources if settings else ()))
    return next((spec for spec, one in options if (one.get("host"), one.get("port")) == (host, port)), None)
