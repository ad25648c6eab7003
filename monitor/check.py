"""`handwheel check`: what will be done, in words, before it is done; with --live one read of every source.

A utility's engineer reads this page before the daemon is ever started: who is asked, how often, for how many registers,
what may disturb a device, which vendor messages are expected, and who may do what.
"""

import asyncio
import math

from drivers.errors import SourceDown
from drivers.record import Quality
from drivers.source import SourceSpec, make_source
from monitor.labels import code_text
from monitor.plant import RIGHTS, Settings
from monitor.quality import QualityMachine, explain, machine_of
from monitor.settings.load import JOBS
from monitor.state import State
from monitor.words import clean, quantity_text


def run(settings: Settings, state: State, *, live: bool) -> int:
    """Print the plan; with `live` read each source once. Exit code 1 if a source gave no answer or a tag is bad."""
    for line in plan(settings, state):
        print(line)
    if not live:
        return 0
    lines, failed = asyncio.run(_read_all(settings))
    print("\nLIVE (one read of each source)")
    for line in lines:
        print(line)
    return 1 if failed else 0


def plan(settings: Settings, state: State) -> list[str]:
    """What the daemon will do with these settings, as lines."""
    simulated = "   SIMULATED" if settings.simulated else ""
    lines = [
        f"{settings.folder}: valid. {settings.utility}: {len(settings.sites)} sites, {len(settings.assets)} assets, "
        f"{len(settings.tags)} tags, {len(settings.sources)} sources, {len(settings.feeds)} vendor feeds{simulated}",
        f"state: {state.root}   language {settings.language}   time zone {settings.time_zone}",
        "",
        "SOURCES (read only: no driver can write)",
    ]
    for spec in settings.sources:
        lines += _source_lines(spec)
    lines += ["", "CROSS-CHECKS (what they contradict becomes uncertain)", *explain(settings)]
    lines += ["", "VENDOR FEEDS (taken in by `handwheel intake`)"]
    for feed in settings.feeds:
        folder = feed.folder if feed.folder.is_absolute() else state.root / feed.folder
        lines.append(
            f"  {feed.name}: {feed.vendor}, {feed.format} files in {folder}, late after {feed.late_after_s:g} s"
        )
    lines += [f"  status bit {settings.tags[bit.tag].name}: {bit.vendor}, {bit.text}" for bit in settings.status_alerts]
    if not settings.feeds and not settings.status_alerts:
        lines.append("  none: vendor alerts will not be seen")
    lines += ["", "RIGHTS (by operating-system group; others are viewer)"]
    for group, role in settings.groups.items():
        rights = settings.rights.get(role, ())
        lines.append(f"  group {group} -> {role}: {', '.join(r for r in RIGHTS if r in rights) or 'look only'}")
    if not settings.groups:
        lines.append("  none configured: only the user who runs the daemon may decide, all others look")
    without = [asset.id for asset in settings.assets if not settings.tags_of(asset.id)]
    if without:
        lines += ["", f"NOT READ: {len(without)} assets have no tags: {', '.join(without[:12])}"]
        lines[-1] += " ..." if len(without) > 12 else ""
    lines += ["", "TIMETABLE (UTC)"]
    lines += [f"  {job.name}: {f'every {job.every_s:g} s' if job.every_s else job.cron}" for job in settings.jobs]
    missing = missing_jobs(settings)
    if missing:
        lines.append(f"  WARNING: nobody does {', '.join(missing)}; copy the rows from the example's timetable.toml")
    return lines


def missing_jobs(settings: Settings) -> list[str]:
    """The jobs that a control room needs and the timetable does not have."""
    planned = {job.name for job in settings.jobs}
    return [name for name in JOBS if name not in planned]


def _source_lines(spec: SourceSpec) -> list[str]:
    where = (
        spec.options.get("url") or spec.options.get("line") or f"{spec.options.get('host')}:{spec.options.get('port')}"
    )
    lines = [f"  {spec.name}: {spec.driver} {where}, site {spec.site}, every {spec.every_s:g} s"]
    if spec.timeout_s > spec.every_s:
        lines.append(
            f"    WARNING: a time-out of {spec.timeout_s:g} s is longer than the {spec.every_s:g} s between polls"
        )
    lines += [f"    {line}" for line in make_source(spec).explain()]
    if spec.options.get("watchdog"):
        lines.append("    WARNING: this device has a communication watchdog; our reads may feed it and hide a dead PLC")
    return lines


async def _read_all(settings: Settings) -> tuple[list[str], int]:
    machine = machine_of(settings, 0.0)  # the daemon's own checks: what it will call bad is called bad here
    results = await asyncio.gather(*(_read_one(spec, machine) for spec in settings.sources))
    return [line for lines, _ in results for line in lines], sum(failed for _, failed in results)


async def _read_one(spec: SourceSpec, machine: QualityMachine) -> tuple[list[str], int]:
    source = make_source(spec)
    try:
        await source.open()
        batch = machine.check(await source.read(spec.tags), 1.0)
    except SourceDown as down:
        return [f"  {spec.name}: NO ANSWER: {clean(down.detail)}; check address, cable and that the device is on"], 1
    finally:
        await source.close()
    lines, bad = [f"  {spec.name}:"], 0
    for tag, sample in zip(spec.tags, batch.rows(), strict=True):
        value = sample.value if isinstance(sample.value, str) else None if sample.value is None else float(sample.value)
        words = ", ".join(sample.reasons.words)
        detail = f"  {clean(sample.detail)}" if sample.detail else ""
        quality = sample.quality.name.lower()
        bad += sample.quality == Quality.BAD
        shown = quantity_text(value, tag.unit)
        if tag.labels and isinstance(value, float) and math.isfinite(value):
            shown = code_text(value, dict(tag.labels), bits=tag.bits)
        lines.append(f"    {tag.name:32} {shown:>16}  {quality} ({words}){detail}")
    if bad:
        lines.append(f"    {bad} of {len(spec.tags)} tags are bad: look at their addresses, types and limits")
    return lines, int(bad > 0)
