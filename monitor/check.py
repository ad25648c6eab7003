"""`handwheel check`: what will be done, in words, before it is done; with --live one read of every source.

A utility's engineer reads this page before the daemon is ever started: who is asked, how often, for how many registers,
what may disturb a device, which vendor messages are expected, and who may do what.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from drivers.errors import SourceDown
from drivers.record import Quality
from drivers.source import FeedSpec, SourceSpec, make_source
from monitor.flows import address_of
from monitor.labels import code_text
from monitor.plant import MODELLED, RIGHTS, Settings
from monitor.probe.target import taken_by_daemon
from monitor.quality import OLD_S, STALE_PERIODS, QualityMachine, explain, machine_of
from monitor.settings.load import JOBS
from monitor.state import TEXTS, State
from monitor.words import age_text, clean, quantity_text

SERIAL = ("modbus_rtu", "modbus_rtu_over_tcp")
ASSUMED_BAUD = 9600  # behind a gateway that tells us nothing
LIMITED = ("pump", "blower", "meter")  # kinds of asset that have lines
MOST_LOAD = 0.7  # of a line's time: what is left is for answers that come late, and for repeats


@runtime_checkable
class Loads(Protocol):
    """A source that can say how much it will ask: (cadence [s], registers) of each request."""

    def load(self) -> list[tuple[float, int]]:
        """One pair per request."""


def run(settings: Settings, state: State, *, live: bool) -> int:
    """Print the plan; with `live` read each source once. Exit code 1 if a source gave no answer or a tag is bad."""
    for line in plan(settings, state):
        print(line)
    if not live:
        return 0
    lines, failed = asyncio.run(_read_all(settings, state))
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
        lines += _source_lines(spec, settings)
    lines += ["", "CROSS-CHECKS (what they contradict becomes uncertain)", *explain(settings)]
    lines += [
        "",
        "LIMITS OF PHYSICS LINES (limits.toml; all others are the defaults of docs/physics_lines.md, docs/model.md)",
    ]
    lines += _limit_lines(settings)
    lines += [
        "",
        "MODELS (what each pump and meter learns from; the daemon learns once, then only by confirm_baseline)",
    ]
    lines += _reference_lines(settings)
    lines += ["", "VENDOR FEEDS (taken in by `handwheel intake`)"]
    for feed in settings.feeds:
        lines.append(f"  {feed.name}: {feed.vendor}, {_ways(feed, state)}, late after {feed.late_after_s:g} s")
        if feed.kind == "mqtt" and not feed.options.get("tls", True):
            lines.append("    WARNING: not encrypted: whoever is on the network can read and forge messages")
    for alert in settings.status_alerts:
        asks = f"{len(alert.codes)} {alert.codes_are.rstrip('s')}s known" if alert.codes_are else alert.text
        lines.append(f"  status {settings.tags[alert.tag].name}: {alert.vendor or 'vendor not named'}, {clean(asks)}")
    if not settings.feeds and not settings.status_alerts:
        lines.append("  none: vendor alerts will not be seen")
    lines += _review_lines(settings)
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
    lines += ["", "BY HAND (published for handwheel-manual)", *_hand_lines(settings)]
    lines += ["", "TIMETABLE (UTC)"]
    lines += [f"  {job.name}: {f'every {job.every_s:g} s' if job.every_s else job.cron}" for job in settings.jobs]
    missing = missing_jobs(settings)
    if missing:
        lines.append(f"  WARNING: nobody does {', '.join(missing)}; copy the rows from the example's timetable.toml")
    return lines


def _hand_lines(settings: Settings) -> list[str]:
    """The site's own procedures, sheets and setpoint masters; one that is named after no site is used by nobody."""
    sites, lines = {site.id for site in settings.sites}, []
    for folder in ("procedures", "sheets", "setpoints"):
        place = settings.folder / folder
        names = sorted(one.relative_to(place) for one in place.rglob(TEXTS) if one.stem != "README")
        lines.append(f"  {folder}/: {', '.join(map(str, names[:12])) or 'none'}{' ...' if len(names) > 12 else ''}")
        strange = [str(one) for one in names if folder != "procedures" and one.stem not in sites]
        if strange:
            lines.append(
                f"    WARNING: named after no site: {', '.join(strange[:8])}; the sites are {', '.join(sites)}"
            )
    missing = sorted(sites - {path.stem for path in (settings.folder / "sheets").glob(TEXTS)})
    if missing:
        words = "safety limits are missing there, and no real run can begin; handwheel-manual --check says which"
        lines.append(f"    WARNING: no sheet of {', '.join(missing)}: {words}")
    return lines


def _review_lines(settings: Settings) -> list[str]:
    """What a review will ask of which vendor, and what of site.toml would spoil it."""
    from monitor import review

    lines = ["", "REVIEW (handwheel review: do the vendor's alerts ask for more than findings support)"]
    if words := review.missing(settings):
        return [*lines, f"  none: {words}"]
    vendors = review.vendors(settings)
    lines.append(f"  of {clean(', '.join(vendors), 200)}; n_max {review.n_max(settings)}")
    if split := review.split_visits(settings):
        lines.append(f"  WARNING: {review.split_words(review.n_max(settings), split)}")
    named = {asset.vendor for asset in settings.assets}
    lines += [
        f"  WARNING: feed {feed.name} names {clean(feed.vendor, 40)}, which no asset has as its vendor: a review of"
        " another name leaves its alerts out"
        for feed in settings.feeds
        if feed.vendor not in named
    ]
    return lines


def _limit_lines(settings: Settings) -> list[str]:
    """The limits in force that are no defaults, once for all assets that share them."""
    groups: dict[str, list[str]] = {}
    for asset in settings.assets:
        told = settings.limits_of(asset.id) if asset.kind in LIMITED else {}
        words = [f"{name} = {_number(value)}" for name, value in told.items()]
        if words:
            groups.setdefault(", ".join(words), []).append(asset.id)
    lines = [f"  {', '.join(assets)}: {words}" for words, assets in groups.items()]
    for name, zones in settings.vibration.items():
        for up_to, bounds in zones:
            power = "" if math.isinf(up_to) else f" up to {up_to:g} kW"
            lines.append(f"  vibration class {name}{power}: {_number(bounds)} mm/s RMS")
    return lines or ["  none: the defaults everywhere"]


def _reference_lines(settings: Settings) -> list[str]:
    """Each reference window, once for all assets that share it."""
    groups: dict[str, list[str]] = {}
    for asset in settings.assets:
        if asset.kind in MODELLED and settings.tags_of(asset.id):
            told = asset.reference or settings.models.reference
            days = settings.models.learn_days
            own = f"{days} days of minutes before the first run, else {2 * days} days of hours; it waits for them"
            groups.setdefault(f"{told.start} to {told.end}" if told else own, []).append(asset.id)
    return [f"  {words}: {', '.join(assets)}" for words, assets in groups.items()] or [
        "  none: no pump or meter is read"
    ]


def _number(value: float | tuple[float, ...]) -> str:
    return f"{value:g}" if isinstance(value, float | int) else f"[{', '.join(f'{one:g}' for one in value)}]"


def _ways(feed: FeedSpec, state: State) -> str:
    if feed.kind == "mqtt":
        return f"{feed.format} from {feed.options['host']}:{feed.options['port']}, topic {clean(feed.options['topic'])}"
    return f"{feed.format} files in {feed.folder if feed.folder.is_absolute() else state.root / feed.folder}"


def missing_jobs(settings: Settings) -> list[str]:
    """The jobs that a control room needs and the timetable does not have."""
    planned = {job.name for job in settings.jobs}
    needed = [name for name in JOBS if name != "retention" or settings.retention]  # without a rule it has no work
    return [name for name in needed if name not in planned]


def _source_lines(spec: SourceSpec, settings: Settings) -> list[str]:
    options = spec.options
    where = options.get("url") or options.get("line") or f"{options.get('host')}:{options.get('port')}"
    lines = [f"  {spec.name}: {spec.driver} {where}, site {spec.site}, every {spec.every_s:g} s"]
    if spec.timeout_s > spec.every_s:
        lines.append(
            f"    WARNING: a time-out of {spec.timeout_s:g} s is longer than the {spec.every_s:g} s between polls"
        )
    source = make_source(spec)
    lines += [f"    {line}" for line in source.explain()]
    if isinstance(source, Loads):
        lines += [f"    {line}" for line in line_load(spec, source.load(), _on_one_line(spec, settings))]
    lines += [f"    {line}" for line in _manners(spec, settings)]
    lines += [f"    {line}" for line in _map_lines(spec, settings)]
    told = [f"{tag.name} ({len(tag.labels)})" for tag in spec.tags if tag.labels]
    return [*lines, f"    codes and bits shown in words: {', '.join(told)}"] if told else lines


def line_load(spec: SourceSpec, asked: Sequence[tuple[float, int]], others: Sequence[SourceSpec]) -> list[str]:
    """Requests per second, and on a serial line the share of its time that they and those of `others` take."""
    lines = [f"requests per second: {sum(1 / every_s for every_s, _ in asked):.2g}"]
    if spec.driver not in SERIAL:
        return lines
    baud = int(spec.options.get("baud", ASSUMED_BAUD))
    every = [*asked, *(one for other in others if isinstance(it := make_source(other), Loads) for one in it.load())]
    share = sum(request_s(words, baud) / every_s for every_s, words in every)
    known = f"{baud} baud" if "baud" in spec.options else f"{baud} baud (assumed; the gateway knows)"
    also = f" with {', '.join(other.name for other in others)}" if others else ""
    lines.append(f"the line{also} is busy {100 * share:.0f} % of the time at {known}, the devices' own delay aside")
    if share > MOST_LOAD:
        lines.append("WARNING: too much for the line: read less often (every_s), or fewer registers")
    return lines


def request_s(words: int, baud: int) -> float:
    """How long a question for `words` registers and its answer occupy a serial line. [s]

    Eight bytes there, five and two per register back, eleven bits each (MODBUS over Serial Line V1.02, 2.5.1).
    """
    return 11 * (13 + 2 * words) / baud


def _manners(spec: SourceSpec, settings: Settings) -> list[str]:
    """What may disturb the device or those who work with it."""
    options, lines = spec.options, []
    slots = options.get("max_clients")
    if slots is not None:
        takes = "takes 1 connection; while handwheel runs nobody else gets in"
        takes = takes if slots == 1 else f"takes {slots} connections"
        lines.append(f"{takes}; after a failure asked again within {options['max_backoff_s']:g} s")
    if options.get("shares_line_with"):
        lines.append(f"shares its line with {', '.join(options['shares_line_with'])}: one question at a time for all")
    same = [
        other.name
        for other in settings.sources
        if other.name != spec.name and "host" in options and address_of(other) == address_of(spec)
        and other.name not in options.get("shares_line_with", ())
    ]  # fmt: skip
    if same:
        lines.append(
            f"WARNING: {', '.join(same)} asks at the same address; if that is one gateway, write shares_line_with"
        )
    if options.get("watchdog"):
        lines.append("WARNING: this device has a communication watchdog; our reads may feed it and hide a dead PLC")
    return lines


def _map_lines(spec: SourceSpec, settings: Settings) -> list[str]:
    """Which file says what each device has, how sure that is, and whether it was verified on this one."""
    lines = []
    for one in (one for one in settings.devices if one.source == spec.name):
        which = f"device {one.device_id}, {one.asset}"
        lines.append(f"{which}: map {one.map} ({one.path}), confidence: {one.confidence}")
        probe = f"handwheel probe {spec.name} --device {one.device_id} --sanity"
        verified = f"verified on this device on {one.verified_on}"
        lines.append(f"  {verified if one.verified_on else f'NOT VERIFIED on this device: run {probe}'}")
    return lines


def _on_one_line(spec: SourceSpec, settings: Settings) -> list[SourceSpec]:
    return [other for other in settings.sources if other.name in spec.options.get("shares_line_with", ())]


async def _read_all(settings: Settings, state: State) -> tuple[list[str], int]:
    machine = machine_of(settings, 0.0)  # the daemon's own checks: what it will call bad is called bad here
    results = await asyncio.gather(*(_read_one(spec, machine, state) for spec in settings.sources))
    return [line for lines, _ in results for line in lines], sum(failed for _, failed in results)


async def _read_one(spec: SourceSpec, machine: QualityMachine, state: State) -> tuple[list[str], int]:
    if taken := taken_by_daemon(spec, state):
        return [f"  {spec.name}: NOT ASKED: {taken}; stop the daemon, check, start it again"], 1
    source = make_source(spec)
    try:
        await source.open()
        batch = machine.check(await source.read(spec.tags), 1.0)
    except SourceDown as down:
        check = "; check address, cable and that the device is on" if down.unreachable else ""
        return [f"  {spec.name}: NO ANSWER: {clean(down.detail, 400)}{check}"], 1
    finally:
        await source.close()
    lines, bad = [f"  {spec.name}:"], 0
    newest = {sample.tag: sample for sample in batch.rows()}  # a subscription may tell several values of a tag
    for tag in spec.tags:
        sample = newest[tag.number]
        value = sample.value if isinstance(sample.value, str) else None if sample.value is None else float(sample.value)
        words = ", ".join(sample.reasons.words)
        detail = f"  {clean(sample.detail)}" if sample.detail else ""
        old_s = (sample.receive_us - sample.source_us) / 1e6 if sample.source_us is not None else 0.0
        if old_s > max(OLD_S, STALE_PERIODS * (tag.every_s or spec.every_s)):
            detail += f"  source time {age_text(old_s)} old"
        quality = sample.quality.name.lower()
        bad += sample.quality == Quality.BAD
        shown = quantity_text(value, tag.unit)
        if tag.labels and isinstance(value, float) and math.isfinite(value):
            shown = code_text(value, dict(tag.labels), bits=tag.bits)
        lines.append(f"    {tag.name:32} {shown:>16}  {quality} ({words}){detail}")
    if bad:
        lines.append(f"    {bad} of {len(spec.tags)} tags are bad: look at their addresses, types and limits")
    return lines, int(bad > 0)
