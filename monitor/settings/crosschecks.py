"""[[crosscheck]] tables of site.toml: balances that only the utility knows of; each tag looked up, its unit checked."""

from collections.abc import Sequence

from drivers.record import Tag
from monitor import plant
from monitor.settings.reader import Reader, one_of
from monitor.settings.shapes import CrossCheck, SiteFile

FILE = "site.toml"


def read_crosschecks(reader: Reader, site: SiteFile, tags: Sequence[Tag]) -> tuple[plant.CrossCheck, ...]:
    """The declared cross-checks; what is wrong with them is a fault each."""
    by_name = {tag.name: tag for tag in tags}
    found: dict[str, plant.CrossCheck] = {}
    for index, row in enumerate(site.crosscheck):
        place: list[str | int] = ["crosscheck", index]
        if row.name in found:
            reader.fault(FILE, [*place, "name"], f"{row.name!r} is used twice; rename one")
        if not _whole(reader, place, row):
            continue
        named = [("whole", row.whole), *(("parts", one) for one in row.parts), ("level", row.level)]
        named += [("inflow", one) for one in row.inflow] + [("outflow", one) for one in row.outflow]
        good = True
        for key, name in named:
            if name is None:
                continue
            if not one_of(reader, FILE, [*place, key], name, by_name, "tag"):
                good = False
            elif key in ("level", "inflow", "outflow") and by_name[name].unit != ("m" if key == "level" else "m3/h"):
                wanted = "m" if key == "level" else "m3/h"
                reader.fault(FILE, [*place, key], f"{name} is in {by_name[name].unit}, not in {wanted}")
        if good and row.whole and (units := {by_name[one].unit for one in (row.whole, *row.parts)}) and len(units) > 1:
            reader.fault(FILE, [*place, "parts"], f"the whole and its parts differ in unit: {', '.join(sorted(units))}")
        if len({name for _key, name in named}) < len(named):
            reader.fault(FILE, place, f"{row.name!r} names a tag twice; each counts once")
        found[row.name] = plant.CrossCheck(
            row.name, row.kind, row.tolerance, row.whole or "", tuple(row.parts), row.level or "", row.area_m2 or 0.0,
            tuple(row.inflow), tuple(row.outflow), row.max_flow_m3h,
        )  # fmt: skip
    return tuple(found.values())


def _whole(reader: Reader, place: list[str | int], row: CrossCheck) -> bool:
    """Whether the table has what its kind needs, and nothing of the other kind."""
    has_sum, has_level = bool(row.whole and row.parts), bool(row.level and row.area_m2)
    if row.kind == "sum" and (not has_sum or row.level or row.area_m2 or row.inflow or row.outflow or row.max_flow_m3h):
        reader.fault(FILE, place, 'kind = "sum" needs whole and parts, and has nothing of a level')
        return False
    if row.kind == "level" and (not has_level or row.whole or row.parts):
        reader.fault(FILE, place, 'kind = "level" needs level and area_m2, and has neither whole nor parts')
        return False
    if row.kind == "level" and not (row.inflow and row.outflow) and not row.max_flow_m3h:
        words = "needs inflow and outflow for the balance, or max_flow_m3h for how fast the level may move"
        reader.fault(FILE, place, words)
        return False
    return True
