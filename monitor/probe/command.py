"""`handwheel probe`: one slow question at a time to a Modbus device, and what the answers could mean.

A probe has side effects: some registers are cleared by reading, old firmware hangs on addresses it does not know. So it
says first what it will ask, waits for a yes, keeps to the range given, leaves a record, never touches what the
configuration forbids, and leaves assets of class A alone unless it is told to.
"""

import argparse
import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from drivers.batch import Batch
from drivers.errors import SourceDown, UserError
from drivers.plausible import MAGNITUDES, Ranges
from drivers.record import Quality, Register, Sample, Tag
from drivers.source import Source, SourceSpec, make_source
from monitor import plant
from monitor.probe import text
from monitor.probe.record import ProbeRecord
from monitor.probe.target import Target, agreed, beside, refuse, target_of, wire_range
from monitor.settings import addresses
from monitor.state import State
from monitor.words import clean, number_text

TABLES = ("input", "holding", "coil", "discrete")
BIT_TABLES = ("coil", "discrete")
READS = 3  # a decoding is only suggested if it holds on so many
_RANGE = re.compile(r"(-?[0-9.]+)\.\.(-?[0-9.]+)")


class Identifies(Source, Protocol):
    """A Modbus source, which can also ask a device who it is."""

    async def identify(self, device_id: int) -> Any:
        """Objects by number, or a failure with its detail."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `handwheel probe`."""
    parser.add_argument("source", nargs="?", help="a Modbus source of the configuration; or give --host")
    parser.add_argument("--host", help="a device that is in no configuration")
    parser.add_argument("--port", type=int, help="port of --host (default: 502)")
    parser.add_argument(
        "--rtu-over-tcp", action="store_true", help="behind --host is a gateway that passes RTU frames through"
    )
    parser.add_argument("--device", type=int, help="device id (unit, slave id; with --host 1 if not given)")
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
    for line in text.announcement(target.spec.name, target.where, target.device_id, plan, target.assets):
        print(line)
    if not agreed(args, target):
        print("nothing was asked")
        return 2
    record = ProbeRecord.begin(settings, state, target.spec.name, target.device_id, target.assets, plan)
    print(f"recorded in {record.path}{'' if settings else '; without a configuration there is no entry in the ledger'}")
    spec = gentle(target.spec, args.pause, args.timeout)
    return asyncio.run(_connected(spec, record, lambda source: job(source, target, record)))


def gentle(spec: SourceSpec, pause_s: float, timeout_s: float | None) -> SourceSpec:
    """The same connection with a pause before each question, reading nothing that was not asked for."""
    workarounds = {**spec.options.get("workarounds", {})}
    workarounds["pause_between_requests_s"] = max(pause_s, workarounds.get("pause_between_requests_s", 0.0))
    options = {**spec.options, "workarounds": workarounds, "max_gap": 0}
    return replace(spec, options=options, timeout_s=timeout_s or spec.timeout_s)


Job = Callable[[Source, Target, ProbeRecord], Awaitable[int]]


async def _connected(spec: SourceSpec, record: ProbeRecord, job: Callable[[Source], Awaitable[int]]) -> int:
    source, whole = make_source(spec), False
    try:
        await source.open()
        code = await job(source)
        whole = True
        return code
    except SourceDown as down:
        record.note("no answer", clean(down.detail))
        check = "; check address, device id, cable and that the device is on" if down.unreachable else ""
        print(f"NO ANSWER: {clean(down.detail, 400)}{check}")
        return 1
    finally:
        await source.close()
        record.end(whole=whole)


def _range(args: argparse.Namespace, target: Target) -> tuple[list[str], Job]:
    first, last = wire_range(args)
    ranges, bits = _expected(args), args.table in BIT_TABLES
    per_question = min(args.words, int(target.spec.options.get("max_words", 125)))
    looks = bool(ranges) and not bits  # for a decoding, which may reach in from beside
    before, after = beside(args, target) if looks else (range(0), range(0))
    parts = [
        _words(args, target, run[at : at + per_question])
        for run in (before, range(first, last + 1), after)
        for at in range(0, len(run), per_question)
    ]
    times = READS if looks else 1
    count = f"{len(parts)} question{'' if len(parts) == 1 else 's'}"
    once = "once" if times == 1 else f"{times} times"
    sides = " and ".join(f"{run[0]} to {run[-1]}" for run in (before, after) if run)
    with_sides = f" with {sides} beside it" if sides else ""
    plan = [f"{args.table}, wire {first} to {last}{with_sides}, {count}, {args.pause:g} s apart, {once}"]

    async def job(source: Source, target: Target, record: ProbeRecord) -> int:
        reads: list[dict[int, int]] = []
        refused: dict[int, str] = {}
        for _ in range(times):
            words: dict[int, int] = {}
            for part in parts:
                places = [tag.where.address for tag in part if isinstance(tag.where, Register)]
                asked = f"{args.table} {places[0]} to {places[-1]}"
                record.asking(asked)
                for address, sample in zip(places, _rows(await source.read(part)), strict=True):
                    if isinstance(sample.value, int | float):
                        words[address] = int(sample.value)
                    else:
                        refused[address] = clean(sample.detail)
                record.note(asked, {str(at): f"{words[at]:04X}" if at in words else refused[at] for at in places})
            reads.append(words)
        lines, rows = text.table(
            args.table, args.base, reads, refused, ranges, args.unit or "1", asked=range(first, last + 1),
            everything=args.all,
        )  # fmt: skip
        print("\n".join(lines))
        if args.rows is not None:
            write_rows(args.rows, text.block(args.table, args.base, target.device_id, target.assets, rows))
        return 0 if any(at in reads[0] for at in range(first, last + 1)) else 1

    return plan, job


def _words(args: argparse.Namespace, target: Target, places: range) -> list[Tag]:
    kind = "bit" if args.table in BIT_TABLES else "u16"
    return [
        Tag(n, f"{args.table}.{at}", "", "other", "1", target.spec.name,
            Register(target.device_id, args.table, at, kind))
        for n, at in enumerate(places)
    ]  # fmt: skip


async def _identify(source: Source, target: Target, record: ProbeRecord) -> int:
    asking: Identifies = source  # type: ignore[assignment]
    answer = await asking.identify(target.device_id)
    if not isinstance(answer, Mapping):
        record.note("identify", clean(answer.detail))
        print(f"  no identification: {clean(answer.detail)}")
        return 1
    named = {text.object_name(number): clean(blob.decode("utf-8", "replace")) for number, blob in answer.items()}
    record.note("identify", named)
    for name, words in named.items():
        print(f"  {name:24} {words}")
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
        reads = []
        for _ in range(READS):
            record.asking(names)
            reads.append(_rows(await source.read(tags)))
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
        print("\n".join(text.verdict(good, found, datetime.now(UTC).date())))
        return 0 if good else 1

    return plan, job


def _rows(batch: Batch) -> list[Sample]:
    return list(batch.rows())


def write_rows(target: str, block: str) -> None:
    """Rows to stdout ("-") or into a new file; UserError where there is one already."""
    if target == "-":
        print(block, end="")
        return
    try:
        with Path(target).open("x", encoding="utf-8") as file:
            file.write(block)
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


def _bounds(args: argparse.Namespace) -> None:
    for name, value, low, high in (
        ("--device", args.device, 0, 255), ("--words", args.words, 1, 125), ("--pause", args.pause, 0.1, 60),
        ("--timeout", args.timeout, 0.1, 60),
    ):  # fmt: skip
        if value is not None and not low <= value <= high:
            raise UserError(f"{name} {value}: from {low} to {high}")
    if args.rows not in (None, "-") and Path(args.rows).exists():
        raise UserError(f"{args.rows}: is there already; name a new file, nothing was changed")
