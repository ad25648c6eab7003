"""limits.toml: where the lines warn and act, for all pumps, those of a duty or model, all meters, or one asset."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from monitor import plant
from monitor.settings.reader import Reader, one_of
from monitor.settings.shapes import SiteFile, Table

FILE = "limits.toml"
BY = ("duty", "model", "asset")  # what a row may be for


def _in_order(pair: list[float]) -> list[float]:
    if not 0 < pair[0] < pair[1]:
        raise PydanticCustomError("not_in_order", "must be two numbers, the smaller one first, both above 0")
    return pair


def _falling(pair: list[float]) -> list[float]:
    if not pair[0] > pair[1] > 0:
        raise PydanticCustomError("not_in_order", "must be two numbers, the larger one first: less is worse")
    return pair


def _zones(lines: list[float]) -> list[float]:
    if not 0 < lines[0] < lines[1] < lines[2]:
        raise PydanticCustomError("not_in_order", "must be three rising numbers: A/B, B/C and C/D in mm/s RMS")
    return lines


_Two = Annotated[list[float], Field(min_length=2, max_length=2)]
Pair = Annotated[_Two, AfterValidator(_in_order)]  # warn, act
Share = Annotated[float, Field(gt=0, le=100)]
Sure = Annotated[float, Field(ge=0, le=100)]


class Limits(Table):
    """The names are those of models.health.Limits; what is not given stays as it is there."""

    efficiency_points: Pair | None = None
    energy_percent: Pair | None = None
    head_percent: Pair | None = None
    power_percent: Pair | None = None
    bearing_degc: Pair | None = None
    bearing_rise_k: Pair | None = None
    winding_degc: Pair | None = None
    imbalance_percent: Pair | None = None
    vibration_step_percent: Share | None = None
    npsh_margin: Annotated[_Two, AfterValidator(_falling)] | None = None
    leak_percent: Pair | None = None
    pump_down_percent: Pair | None = None
    duty_share_percent: Annotated[float, Field(gt=50, lt=100)] | None = None
    flow_range_percent: Pair | None = None
    flow_far_percent: Pair | None = None
    u_flow: Sure | None = None
    u_zero_flow: Sure | None = None
    u_head: Sure | None = None
    u_power: Sure | None = None
    u_vibration: Sure | None = None
    u_temperature_k: Sure | None = None
    u_current: Sure | None = None
    u_suction_m: Sure | None = None
    u_level_m: Sure | None = None
    coverage: Annotated[float, Field(ge=1, le=5)] | None = None


class Meters(Table):
    """The names are those of models.health.MeterLimits; what is not given stays as it is there."""

    balance_percent: Pair | None = None
    drift_percent: Pair | None = None
    night_percent: Pair | None = None
    signal_percent: Annotated[_Two, AfterValidator(_falling)] | None = None
    gain_db: Pair | None = None
    u_flow: Sure | None = None
    u_repeat: Sure | None = None
    u_signal: Sure | None = None
    u_gain: Sure | None = None
    coverage: Annotated[float, Field(ge=1, le=5)] | None = None


class For(Meters, Limits):
    """A row for the pumps of one duty or model, for one pump, or for one meter."""

    duty: str | None = None
    model: str | None = None
    asset: str | None = None


class Vibration(Table):
    """The lines of one class of machines, up to a power or for all."""

    name: str = Field(alias="class", pattern=r"^[A-Za-z0-9_]{1,16}$")
    up_to_kw: float | None = Field(None, gt=0)
    lines: Annotated[list[float], Field(min_length=3, max_length=3), AfterValidator(_zones)]


class LimitsFile(Table):
    """limits.toml as a whole."""

    everywhere: Limits = Field(default_factory=Limits, alias="all")
    meters: Meters = Field(default_factory=Meters)
    only: list[For] = Field(default_factory=list, alias="for")
    vibration: list[Vibration] = Field(default_factory=list)


def read_limits(reader: Reader, site: SiteFile) -> tuple[tuple[plant.Limits, ...], Mapping[str, plant.Zones]]:
    """(rows in the order in which they count, vibration lines by class); what is wrong with them is a fault each."""
    file = reader.table(LimitsFile, reader.toml(FILE, needed=False) or {}, FILE)
    if file is None:
        return (), {}
    known: dict[str, set[str]] = {
        "asset": {one.id for one in site.asset},
        "duty": {one.duty for one in site.asset if one.duty},
        "model": {one.model for one in site.asset if one.model},
    }
    kinds = {one.id: one.kind for one in site.asset}
    found = [plant.Limits("all", "", _given(file.everywhere)), plant.Limits("meters", "", _given(file.meters))]
    for index, row in enumerate(file.only):
        named = [(by, getattr(row, by)) for by in BY if getattr(row, by) is not None]
        if len(named) != 1:
            reader.fault(FILE, ["for", index], f"needs exactly one of {', '.join(BY)}: whom the row is for")
            continue
        by, name = named[0]
        one_of(reader, FILE, ["for", index, by], name, known[by], by)
        if not _given(row):
            reader.fault(FILE, ["for", index], "says nothing; give a limit or remove the row")
        of, words = (Meters, "a meter") if kinds.get(name) == "meter" and by == "asset" else (Limits, "pumps")
        for key in _given(row).keys() - of.model_fields:
            reader.fault(FILE, ["for", index, key], f"is no limit of {words}")
        found.append(plant.Limits(by, name, _given(row)))
    zones = _classes(reader, file.vibration)
    for index, asset in enumerate(site.asset):
        classes = {*plant.VIBRATION_CLASSES, *zones}
        place: list[str | int] = ["asset", index, "vibration_category"]
        one_of(reader, "site.toml", place, asset.vibration_category, classes, "class of vibration limits")
    return tuple(one for one in found if one.values), zones


def _given(row: Limits | Meters) -> dict[str, Any]:
    told = row.model_dump(exclude_none=True, exclude=set(BY))
    return {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}


def _classes(reader: Reader, rows: list[Vibration]) -> dict[str, plant.Zones]:
    """The rows of each class by rising power; the last one has no end."""
    found: dict[str, plant.Zones] = {}
    for index, row in enumerate(rows):
        before = found.get(row.name, ())
        up_to = math.inf if row.up_to_kw is None else row.up_to_kw
        if before and before[-1][0] >= up_to:
            reader.fault(
                FILE, ["vibration", index], f"class {row.name}: write its rows by rising up_to_kw, the last without"
            )
        a, b, c = row.lines
        found[row.name] = (*before, (up_to, (a, b, c)))
    for name, zones in found.items():
        if zones[-1][0] != math.inf:
            last = max(index for index, row in enumerate(rows) if row.name == name)
            words = f"class {name}: nothing is said above {zones[-1][0]:g} kW; add a row without up_to_kw"
            reader.fault(FILE, ["vibration", last], words)
    return found
