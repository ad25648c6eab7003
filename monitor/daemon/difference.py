"""What one configuration has that another has not, in words for the ledger and for whoever asked for it.

`renumbered` gives the tags of a new configuration the numbers under which a running daemon knows them, so that whatever
did not change goes on as it was: a poller, what is remembered of a sensor, a row on its way to the disk.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from drivers.record import Tag
from monitor.plant import Settings
from monitor.words import clean

_VALUE_LIMIT = 80  # characters of one value
_GENERAL = ("utility", "language", "time_zone", "currency", "simulated", "history", "disk", "fleet", "models",
            "review", "retention", "metrics_port")  # fmt: skip


def difference(old: Settings, new: Settings) -> list[str]:
    """One line for each thing that was added, removed or changed; empty where nothing was that we act upon."""
    lines = [f"{name}: {_text(getattr(old, name))} -> {_text(getattr(new, name))}"
             for name in _GENERAL if getattr(old, name) != getattr(new, name)]  # fmt: skip
    lines += _rows("group", old.groups, new.groups)
    lines += _rows("rights of", old.rights, new.rights)
    lines += _rows("limits of", _limits(old), _limits(new))
    lines += _rows("vibration lines of class", old.vibration, new.vibration)
    by_id: Callable[[Any], str] = lambda one: one.id  # noqa: E731
    by_name: Callable[[Any], str] = lambda one: one.name  # noqa: E731
    for what, part, key in (
        ("site", "sites", by_id),
        ("asset", "assets", by_id),
        ("source", "sources", by_name),
        ("tag", "tags", by_name),
        ("status alert", "status_alerts", lambda one: f"{one.asset} {one.component} {one.text}"),
        ("device", "devices", lambda one: f"{one.source} {one.device_id} {one.asset}"),
        ("cross-check", "crosschecks", by_name),
        ("feed", "feeds", by_name),
        ("contract", "contracts", by_id),
        ("answer", "answers", lambda one: f"{one.asset} {one.question}"),
        ("job", "jobs", by_name),
    ):
        lines += _rows(what, _by(getattr(old, part), key), _by(getattr(new, part), key))
    return lines


def renumbered(old: Settings, new: Settings) -> Settings:
    """`new` with the numbers of `old` for the tags that both name; others get numbers that `old` does not use."""
    known = {tag.name: tag.number for tag in old.tags}
    free = max(known.values(), default=-1) + 1
    numbers: dict[int, int] = {}
    for tag in new.tags:
        numbers[tag.number] = known.get(tag.name, free)
        free += tag.name not in known
    tags = {tag.number: replace(tag, number=numbers[tag.number]) for tag in new.tags}
    return replace(
        new,
        tags=tuple(tags.values()),
        sources=tuple(replace(one, tags=tuple(tags[tag.number] for tag in one.tags)) for one in new.sources),
        status_alerts=tuple(replace(one, tag=numbers[one.tag]) for one in new.status_alerts),
        devices=tuple(
            replace(one, sanity=tuple((numbers[number], low, high) for number, low, high in one.sanity))
            for one in new.devices
        ),
    )


def unchanged(old: Settings, new: Settings) -> list[Tag]:
    """The tags that are the same in both, number and all, and read as often."""
    every_s = {one.name: one.every_s for one in old.sources}
    same = {one.name for one in new.sources if every_s.get(one.name) == one.every_s}
    before = {tag.number: tag for tag in old.tags}
    return [tag for tag in new.tags if before.get(tag.number) == tag and tag.source in same]


def _limits(settings: Settings) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for row in settings.limits:
        name = f"{row.by} {row.name}".rstrip()
        found[name] = {**found.get(name, {}), **row.values}
    return found


def _by(rows: Iterable[Any], key: Callable[[Any], str]) -> dict[str, Mapping[str, Any]]:
    return {key(row): _facts(row) for row in rows}


def _facts(row: Any) -> Mapping[str, Any]:
    """The fields of a row that a person configured, as flat as they can be."""
    facts: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in ("number", "tag", "tags", "sanity"):  # numbers are ours; tags are told one by one
            continue
        if field.name in ("where", "options") and value is not None:
            facts |= asdict(value) if is_dataclass(value) and not isinstance(value, type) else dict(value)
        else:
            facts[field.name] = value
    return facts


def _rows(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    lines = [f"{what} {clean(name, _VALUE_LIMIT)}: removed" for name in old if name not in new]
    for name, now in new.items():
        who = f"{what} {clean(name, _VALUE_LIMIT)}"
        before = old.get(name)
        if name not in old:
            lines.append(f"{who}: added" if isinstance(now, Mapping) else f"{who}: added, {_text(now)}")
        elif before != now and not (isinstance(before, Mapping) and isinstance(now, Mapping)):
            lines.append(f"{who}: {_text(before)} -> {_text(now)}")
        elif before != now and before is not None:
            changed = [key for key in dict.fromkeys([*before, *now]) if before.get(key) != now.get(key)]
            told = (f"{key} {_text(before.get(key))} -> {_text(now.get(key))}" for key in changed)
            lines.append(f"{who}: {', '.join(told)}")
    return lines


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, tuple | list):
        value = ", ".join(_text(one) for one in value)
    return clean(str(value), _VALUE_LIMIT) or "nothing"
