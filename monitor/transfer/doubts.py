"""What a mapping and the samples of a file give away together: units that cannot be, times that may be of another zone.

Nothing is mended by it; it is said before anything is kept.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitor.transfer.mapping import Target
from monitor.transfer.staging import Found
from monitor.transfer.taking import between, spans
from monitor.transfer.times import DAY_US, HOUR_US
from monitor.words import _, clean, local_text

_UNITS: Mapping[str, tuple[str, float]] = {  # unit -> (what it measures, how much of the first one of its kind it is)
    "bar": ("pressure", 1.0), "mbar": ("pressure", 1e-3), "Pa": ("pressure", 1e-5), "hPa": ("pressure", 1e-3),
    "kPa": ("pressure", 1e-2), "MPa": ("pressure", 10.0),
    "m3/h": ("flow", 1.0), "l/s": ("flow", 3.6), "l/min": ("flow", 0.06), "l/h": ("flow", 1e-3),
    "m3/s": ("flow", 3600.0),
    "m": ("length", 1.0), "cm": ("length", 1e-2), "mm": ("length", 1e-3), "km": ("length", 1e3),
    "kW": ("power", 1.0), "W": ("power", 1e-3), "MW": ("power", 1e3),
    "kWh": ("energy", 1.0), "Wh": ("energy", 1e-3), "MWh": ("energy", 1e3),
    "A": ("current", 1.0), "mA": ("current", 1e-3), "V": ("voltage", 1.0), "mV": ("voltage", 1e-3),
    "kV": ("voltage", 1e3),
    "h": ("time", 1.0), "min": ("time", 1 / 60), "s": ("time", 1 / 3600), "d": ("time", 24.0),
    "m3": ("volume", 1.0), "l": ("volume", 1e-3), "mm/s": ("speed", 1.0), "m/s": ("speed", 1e3),
    "Hz": ("frequency", 1.0), "rpm": ("frequency", 1 / 60), "mg/l": ("content", 1.0), "g/l": ("content", 1e3),
}  # fmt: skip
_IN_HEADING = re.compile(r"[\[(]([^\])]{1,12})[\])]\s*$")
_NEAR = 1e-3  # share by which a factor may differ from the one between two units
_SHOWN = 5


def of_units(targets: Mapping[str, Target]) -> list[str]:
    """Units of the mapping that do not fit the heading, the tag or the factor."""
    told = []
    for name, one in targets.items():
        ours, shown = one.tag.unit, clean(name, 60)
        heading = _IN_HEADING.search(name)
        said = _plain(heading[1]) if heading else ""
        if said in _UNITS and said != _plain(one.unit):
            told.append(
                _("{column}: the heading says {said}, the mapping {unit}").format(
                    column=shown, said=said, unit=clean(one.unit, 20)
                )
            )
        if one.unit == ours and (one.factor, one.offset) != (1.0, 0.0):
            told.append(
                _("{column}: the mapping has {unit} as the tag has it, and changes its numbers").format(
                    column=shown, unit=clean(one.unit, 20)
                )
            )
            continue
        theirs, own = _UNITS.get(_plain(one.unit)), _UNITS.get(_plain(ours))
        if theirs and own and theirs[0] == own[0]:
            right = theirs[1] / own[1]
            if one.offset or abs(one.factor / right - 1) > _NEAR:
                told.append(
                    _("{column}: 1 {theirs} is {right} {ours}, the mapping makes {factor} of it").format(
                        column=shown, theirs=one.unit, right=f"{right:.6g}", ours=ours,
                        factor=f"{one.factor:.6g}" + (f" + {one.offset:.6g}" if one.offset else ""),
                    )
                )  # fmt: skip
        elif theirs and own:
            told.append(
                _("{column}: {theirs} is no unit of what {tag} measures, in {ours}").format(
                    column=shown, theirs=one.unit, tag=one.tag.name, ours=ours
                )
            )
    return told


def of_times(rows: Path, found: Found, zone: ZoneInfo) -> list[str]:
    """Times with several values of a tag, and an hour that is missing or doubled where `zone` changes its clock."""
    several = _several(rows, found)
    told = []
    for name, times in sorted(several.items())[:_SHOWN]:
        words = _("{tag}: several values at one time, {n} times, the first {at}; all are kept: is the time zone right?")
        told.append(words.format(tag=clean(name, 60), n=len(times), at=local_text(min(times) * 1000, zone)))
    if len(several) > _SHOWN:
        told.append(_("and {n} more tags with several values at one time").format(n=len(several) - _SHOWN))
    holes = {hole for span in found.spans.values() for hole in span.holes}
    if not found.spans or not (holes or several):
        return told
    first_us = min(span.first_us for span in found.spans.values())
    last_us = max(span.last_us for span in found.spans.values())
    doubled = {ms * 1000 for times in several.values() for ms in times}
    missing_days, doubled_days = [], []
    for start_us, forward in _changes(zone, first_us, last_us):
        end_us, day = start_us + HOUR_US, f"{datetime.fromtimestamp(start_us / 1e6, UTC):%Y-%m-%d}"
        if forward and any(before < start_us and after >= end_us for before, after in holes):
            missing_days.append(day)
        elif not forward and any(start_us <= at < end_us for at in doubled):
            doubled_days.append(day)
    clues = []
    if missing_days:
        clues.append(_("an hour is missing where {zone} sets its clock forward ({days})").format(
            zone=zone.key, days=", ".join(missing_days[:_SHOWN])))  # fmt: skip
    if doubled_days:
        clues.append(_("an hour is there twice where {zone} sets its clock back ({days})").format(
            zone=zone.key, days=", ".join(doubled_days[:_SHOWN])))  # fmt: skip
    if clues:
        told.append(", ".join(clues) + _(": local time that is read as UTC? look at [time] in the mapping"))
    return told


def _several(rows: Path, found: Found) -> dict[str, list[int]]:
    """Tag -> times [ms] at which the file has different values of it; some days at a time."""
    told: dict[str, list[int]] = {}
    with pq.ParquetFile(rows) as file:
        for first, last in spans(found.days):
            table = between(file, first, last).select(["tag", "receive_ms", "value", "exact"])
            at = ["tag", "receive_ms"]
            single = table.group_by([*at, "value", "exact"]).aggregate([]).group_by(at).aggregate([([], "count_all")])
            for row in single.filter(pc.greater(single["count_all"], 1)).cast(_COUNTED).to_pylist():
                told.setdefault(row["tag"], []).append(row["receive_ms"])
    return told


_COUNTED = pa.schema([("tag", pa.string()), ("receive_ms", pa.int64()), ("count_all", pa.int64())])


def _changes(zone: ZoneInfo, first_us: int, last_us: int) -> Iterator[tuple[int, bool]]:
    """(start of the hour, whether the clock is set forward) of each change by an hour, as the clock on the wall has it.

    The hour is given as if the wall's clock showed UTC [us]: the one that is left out, or the one that comes twice.
    """
    day = first_us // DAY_US * DAY_US - DAY_US
    while day <= last_us + DAY_US:
        before, after = _offset_us(zone, day), _offset_us(zone, day + DAY_US)
        if abs(after - before) == HOUR_US:
            low, high = day, day + DAY_US
            while high - low > 60_000_000:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset_us(zone, middle) == before else (low, middle)
            yield round(high / 60e6) * 60_000_000 + min(before, after), after > before
        day += DAY_US


def _offset_us(zone: ZoneInfo, us: int) -> int:
    offset = datetime.fromtimestamp(us / 1e6, zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


def _plain(unit: str) -> str:
    return unit.strip().replace("\u00b3", "3")
