"""Which cross-checks a configuration allows, and which it lacks a tag for; `handwheel check` says both."""

from collections.abc import Iterable, Mapping, Sequence

from drivers.record import Tag
from monitor.plant import CrossCheck, Settings
from monitor.quality.crosscheck import Check

POWER_SHARE, COUNT_SHARE, LEAK_SHARE = 0.05, 0.02, 0.02
NAMES_SHOWN = 6
_WORDS: Mapping[str, str] = {
    "power": "power against voltage, current and power factor",
    "bound": "power against voltage and current, as an upper bound only (no power_factor)",
    "energy": "energy counter against the integral of power",
    "volume": "volume counter against the integral of flow",
    "leak": "flow of a pump that stands",
    "sum": "flow of the whole against its parts",
    "level": "level against inflow and outflow",
}


def relations(settings: Settings) -> tuple[Check, ...]:
    """Every cross-check that the tags allow, and those that site.toml declares."""
    return tuple(check for _kind, check in _found(settings))


def level_rates(settings: Settings) -> dict[int, float]:
    """How fast a level can move at most [m/min], by tag number: the largest flow over the area."""
    tags = {tag.name: tag for tag in settings.tags}
    rates: dict[int, float] = {}
    for one in settings.crosschecks:
        if one.kind == "level" and one.area_m2:
            ways = [[tags[name].high for name in way] for way in (one.inflow, one.outflow)]
            known = [sum(high for high in way if high is not None) for way in ways if way and None not in way]
            most = one.max_flow_m3h or (max(known) if len(known) == len([way for way in ways if way]) and known else 0)
            if most:
                rates[tags[one.level].number] = most / one.area_m2 / 60
    return rates


def explain(settings: Settings) -> list[str]:
    """The cross-checks in force and those that cannot be made, as lines."""
    found: dict[str, list[str]] = {}
    for kind, check in _found(settings):
        found.setdefault(kind, []).append(check.name.partition(":")[0])
    lines = [f"  {_WORDS[kind]}: {_some(names)}" for kind, names in found.items()] or ["  none"]
    lines += [f"  not made, for want of {want}: {_some(names)}" for want, names in _wanting(settings).items()]
    if not settings.crosschecks:
        lines.append("  no [[crosscheck]] in site.toml: no balance of flows, and no level against flows, is watched")
    return lines


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _single(tags: Iterable[Tag]) -> dict[str, Tag]:
    """The tags by quantity, where there is just one of it: of three phases nobody knows which one is meant."""
    found: dict[str, list[Tag]] = {}
    for tag in tags:
        found.setdefault(tag.quantity, []).append(tag)
    return {quantity: rows[0] for quantity, rows in found.items() if len(rows) == 1}


def _found(settings: Settings) -> list[tuple[str, Check]]:
    found: list[tuple[str, Check]] = []
    for asset in settings.assets:
        one = _single(settings.tags_of(asset.id))
        if {"power", "voltage", "current"} <= one.keys():
            parts = [one[name].number for name in ("voltage", "current", "power_factor") if name in one]
            kind = "power" if "power_factor" in one else "bound"
            size = one["power"].high or asset.rated_power_kw or 0.0
            name = f"{asset.id}: power against voltage and current"
            found.append((kind, Check("power", name, POWER_SHARE, one["power"].number, tuple(parts), size=size)))
        for counter, rate in (("energy", "power"), ("volume", "flow")):
            if counter in one and rate in one:
                name = f"{asset.id}: {counter} against {rate}"
                found.append((counter, Check("count", name, COUNT_SHARE, one[counter].number, (one[rate].number,))))
        if "running" in one and "flow" in one and asset.rated_flow_m3h:
            name = f"{asset.id}: flow while the pump stands"
            found.append(
                ("leak", Check("leak", name, LEAK_SHARE, one["flow"].number, (one["running"].number,),
                               size=asset.rated_flow_m3h))
            )  # fmt: skip
    numbers = {tag.name: tag for tag in settings.tags}
    found += [(one.kind, check) for one in settings.crosschecks if (check := _declared(one, numbers)) is not None]
    return sorted(found, key=lambda pair: tuple(_WORDS).index(pair[0]))


def _declared(one: CrossCheck, tags: Mapping[str, Tag]) -> Check | None:
    if one.kind == "sum":
        parts = [tags[name] for name in one.parts]
        size = tags[one.whole].high or sum(part.high or 0.0 for part in parts)
        return Check("sum", one.name, one.tolerance, tags[one.whole].number, tuple(part.number for part in parts),
                     size=size)  # fmt: skip
    if not (one.inflow and one.outflow):
        return None  # only how fast the level may move is known
    flows = [tags[name].number for name in (*one.inflow, *one.outflow)]
    signs = (1.0,) * len(one.inflow) + (-1.0,) * len(one.outflow)
    return Check("level", one.name, one.tolerance, tags[one.level].number, tuple(flows), signs, one.area_m2)


def _wanting(settings: Settings) -> dict[str, list[str]]:
    """What keeps a cross-check from being made, and where."""
    wanting: dict[str, list[str]] = {}
    for asset in settings.assets:
        tags = settings.tags_of(asset.id)
        have = {tag.quantity for tag in tags}
        single = _single(tags).keys()
        for whole, needed in (("power", ("voltage", "current")), ("energy", ("power",)), ("volume", ("flow",))):
            for missing in (name for name in needed if whole in have and name not in single):
                want = f"one {missing} (there are several)" if missing in have else f"a {missing}"
                wanting.setdefault(f"{want} beside {whole}", []).append(asset.id)
        if {"running", "flow"} <= single and not asset.rated_flow_m3h:
            wanting.setdefault("rated_flow_m3h beside flow and running", []).append(asset.id)
    return wanting
