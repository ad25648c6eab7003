"""The whole configuration: reads the files, checks what one says of another, and freezes the result."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from drivers.record import SEVERITIES
from drivers.source import DRIVERS, FeedSpec
from monitor import plant, sovereignty
from monitor.claims import DEVICE_FEEDS
from monitor.ledger import ERASABLE
from monitor.settings.crosschecks import read_crosschecks
from monitor.settings.limits import read_limits
from monitor.settings.reader import Reader, SettingsError, nearest, one_of, unique
from monitor.settings.shapes import (
    SOURCES,
    Component,
    ContractFile,
    Feed,
    Reference,
    RegisterFile,
    SiteFile,
    Source,
    SourceFile,
    TimetableFile,
)
from monitor.settings.sources import login, read_sources
from monitor.words import LANGUAGES

JOBS = (
    "learn", "score", "fold", "verify", "purge", "drift_audit", "comparison_report", "sovereignty_report", "retention",
    "binder",
)  # fmt: skip
T = TypeVar("T")


def load(folder: Path) -> plant.Settings:
    """Read the configuration in `folder`. Raises SettingsError with every fault that was found."""
    if not folder.is_dir():
        raise SettingsError([f"{folder}: no such folder; give --config DIR or make one with `handwheel init {folder}`"])
    reader = Reader(folder)
    site_file = reader.table(SiteFile, reader.toml("site.toml"), "site.toml")
    contracts = reader.table(ContractFile, reader.toml("contracts.toml", needed=False) or {}, "contracts.toml")
    answers = reader.table(RegisterFile, reader.toml("register.toml", needed=False) or {}, "register.toml")
    timetable = reader.table(TimetableFile, reader.toml("timetable.toml", needed=False) or {}, "timetable.toml")
    sources: list[tuple[str, Source]] = []
    feeds: list[tuple[str, Feed]] = []
    for path in sorted((folder / "sources").glob("*.toml")):
        _read_source(reader, f"sources/{path.name}", sources, feeds)
    if not (site_file and contracts and answers and timetable):
        raise SettingsError(reader.faults)
    _check_site(reader, site_file)
    _check_rest(reader, site_file, contracts, answers, timetable)
    limits, vibration = read_limits(reader, site_file)
    read = read_sources(reader, site_file, sources)
    crosschecks = read_crosschecks(reader, site_file, read.tags)
    feed_specs = tuple(_feed(reader, file, feed, site_file) for file, feed in feeds)
    if reader.faults:
        raise SettingsError(reader.faults)
    return plant.Settings(
        folder=folder,
        utility=site_file.utility.name,
        language=site_file.utility.language,
        time_zone=site_file.utility.time_zone,
        currency=site_file.utility.currency,
        simulated=site_file.utility.simulated,
        state=site_file.paths.state,
        groups=dict(site_file.roles.groups),
        rights={role: tuple(rights) for role, rights in site_file.roles.rights.items()},
        positions=dict(site_file.roles.positions),
        sites=tuple(_frozen(plant.Site, row) for row in site_file.site),
        assets=tuple(_frozen(plant.Asset, row) for row in site_file.asset),
        tags=tuple(read.tags),
        sources=tuple(read.specs),
        devices=tuple(read.devices),
        status_alerts=tuple(read.alerts),
        feeds=feed_specs,
        contracts=tuple(_frozen(plant.Contract, row) for row in contracts.contract),
        answers=tuple(_frozen(plant.Answer, row) for row in answers.answer),
        jobs=tuple(_frozen(plant.Job, row) for row in timetable.job),
        review=_frozen(plant.Review, site_file.review),
        sha256=reader.hash.hexdigest(),
        files=reader.files,
        crosschecks=crosschecks,
        limits=limits,
        vibration=vibration,
        history=_history(folder, site_file),
        disk=_frozen(plant.Disk, site_file.disk),
        fleet=_frozen(plant.Fleet, site_file.fleet),
        models=_frozen(plant.Learning, site_file.models),
        retention=dict(site_file.retention),
        metrics_port=site_file.metrics.port if site_file.metrics else None,
    )


def _history(folder: Path, file: SiteFile) -> plant.History:
    history = _frozen(plant.History, file.history)
    secret = history.password_file
    return history if secret is None else replace(history, password_file=str(folder / secret))


def _frozen(kind: type[T], row: BaseModel) -> T:
    """A validated row as the frozen dataclass of the plant; lists become tuples."""
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = getattr(row, field.name)
        if isinstance(value, list):
            value = tuple(_frozen(plant.Component, v) if isinstance(v, Component) else v for v in value)
        values[field.name] = _frozen(plant.Reference, value) if isinstance(value, Reference) else value
    return kind(**values)


def _read_source(reader: Reader, file: str, sources: list[tuple[str, Source]], feeds: list[tuple[str, Feed]]) -> None:
    shell = reader.table(SourceFile, reader.toml(file), file)
    if shell is None:
        return
    if (shell.source is None) == (shell.feed is None):
        reader.fault(file, [], "needs exactly one table, [source] or [feed]")
    elif shell.feed is not None:
        feeds.append((file, shell.feed))
    elif shell.source is not None:
        driver = shell.source.get("driver")
        model = SOURCES.get(driver) if isinstance(driver, str) else None
        if model is None:
            words = "is missing; add it" if driver is None else f"{driver!r} is unknown{nearest(str(driver), DRIVERS)}"
            reader.fault(file, ["source", "driver"], words)
            return
        source = reader.table(model, shell.source, file, ["source"])
        if source is not None:
            sources.append((file, source))


def _check_site(reader: Reader, file: SiteFile) -> None:
    name = "site.toml"
    try:
        ZoneInfo(file.utility.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        reader.fault(
            name, ["utility", "time_zone"], f"{file.utility.time_zone!r} is not a time zone; for example Europe/Berlin"
        )
    one_of(reader, name, ["utility", "language"], file.utility.language, LANGUAGES, "language")
    unique(reader, name, "site", (site.id for site in file.site))
    unique(reader, name, "asset", (asset.id for asset in file.asset))
    sites = {site.id for site in file.site}
    for index, site in enumerate(file.site):
        one_of(reader, name, ["site", index, "type"], site.type, plant.SITE_TYPES, "site type")
    for index, asset in enumerate(file.asset):
        one_of(reader, name, ["asset", index, "site"], asset.site, sites, "site")
        one_of(reader, name, ["asset", index, "kind"], asset.kind, plant.ASSET_KINDS, "kind of asset")
        if asset.well is not None:
            one_of(reader, name, ["asset", index, "well"], asset.well, [one.id for one in file.asset], "asset")
        if asset.reference and asset.kind not in plant.MODELLED:
            reader.fault(name, ["asset", index, "reference"], f"a {asset.kind} has no model of ours; take the line out")
        _check_reference(reader, name, ["asset", index, "reference"], asset.reference)
    _check_reference(reader, name, ["models", "reference"], file.models.reference)
    for group, role in file.roles.groups.items():
        one_of(reader, name, ["roles", "groups", group], role, plant.ROLES, "role")
    for role in file.roles.positions:
        one_of(reader, name, ["roles", "positions", role], role, plant.ROLES, "role")
    for kind in file.retention:
        one_of(reader, name, ["retention", kind], kind, (*ERASABLE, "message"), "kind whose words can be erased")
    history = file.history
    login(reader, name, ["history"], history.user, history.password_file, history.password_credential)
    if history.url is not None and "@" in history.url:
        reader.fault(name, ["history", "url"], "holds a login; write user = ... and password_file = ... instead")
    if history.user is not None and not (history.url or "").startswith("s3://"):
        reader.fault(name, ["history", "user"], 'belongs to an object store; write url = "s3://..."')
    if history.keep_days is not None and history.keep_days < history.least_days:
        words = f"{history.keep_days} is less than least_days = {history.least_days}, which are never removed"
        reader.fault(name, ["history", "keep_days"], words)
    for role, rights in file.roles.rights.items():
        one_of(reader, name, ["roles", "rights", role], role, plant.ROLES, "role")
        for right in rights:
            one_of(reader, name, ["roles", "rights", role], right, plant.RIGHTS, "right")


def _check_reference(reader: Reader, name: str, place: list[str | int], told: Reference | None) -> None:
    if told and told.end < told.start:
        reader.fault(name, [*place, "to"], f"{told.end} is before {told.start}, its from")


def _check_rest(
    reader: Reader, site: SiteFile, contracts: ContractFile, answers: RegisterFile, timetable: TimetableFile
) -> None:
    assets = {asset.id for asset in site.asset}
    unique(reader, "contracts.toml", "contract", (contract.id for contract in contracts.contract))
    for index, contract in enumerate(contracts.contract):
        for asset in contract.assets:
            one_of(reader, "contracts.toml", ["contract", index, "assets"], asset, assets, "asset")
        if contract.end and contract.end < contract.start:
            reader.fault("contracts.toml", ["contract", index, "end"], f"{contract.end} is before the start")
    for index, answer in enumerate(answers.answer):
        one_of(reader, "register.toml", ["answer", index, "asset"], answer.asset, assets, "asset")
        if one_of(
            reader, "register.toml", ["answer", index, "question"], answer.question, sovereignty.QUESTIONS, "question"
        ):
            what = sovereignty.fault_of(answer.question, answer.value)
            if what:
                reader.fault("register.toml", ["answer", index, "value"], what)
    for index, job in enumerate(timetable.job):
        one_of(reader, "timetable.toml", ["job", index, "name"], job.name, JOBS, "job")
        if (job.every_s is None) == (job.cron is None):
            reader.fault("timetable.toml", ["job", index], "needs exactly one of every_s and cron")
        if job.cron is not None and len(job.cron.split()) != 5:
            words = f"{job.cron!r} is not a cron expression of five fields (UTC), for example 0 6 * * 1"
            reader.fault("timetable.toml", ["job", index, "cron"], words)


def _feed(reader: Reader, file: str, feed: Feed, site: SiteFile) -> FeedSpec:
    assets = {asset.id for asset in site.asset}
    if feed.name in DEVICE_FEEDS:
        reader.fault(file, ["feed", "name"], f"{feed.name!r} is what devices say themselves; choose another name")
    for theirs, ours in feed.assets.items():
        one_of(reader, file, ["feed", "assets", theirs], ours, assets, "asset")
    for theirs, ours in feed.severities.items():
        one_of(reader, file, ["feed", "severities", theirs], ours, SEVERITIES, "severity")
    try:
        ZoneInfo(feed.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        reader.fault(file, ["feed", "time_zone"], f"{feed.time_zone!r} is not a time zone; for example UTC")
    if (feed.kind == "file_drop") != (feed.folder is not None) or (feed.kind == "mqtt") != (feed.mqtt is not None):
        words = "a file_drop has a folder and no [feed.mqtt]; an mqtt feed has [feed.mqtt] and no folder"
        reader.fault(file, ["feed", "kind"], words)
    options: dict[str, Any] = {}
    if feed.mqtt is not None:
        mqtt = feed.mqtt
        login(reader, file, ["feed", "mqtt"], mqtt.user, mqtt.password_file, mqtt.password_credential)
        options = mqtt.model_dump(exclude_none=True)
        options |= {key: str(reader.folder / options[key]) for key in ("ca_file", "password_file") if key in options}
    return FeedSpec(feed.name, feed.kind, feed.vendor, Path(feed.folder or ""), feed.format, feed.fields, feed.assets,
                    feed.components, feed.severities, feed.time_zone, feed.late_after_s, feed.encoding,
                    options)  # fmt: skip
