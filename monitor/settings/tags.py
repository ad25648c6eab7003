"""Register tables (TOML rows or CSV) -> Tags, sources and status alerts; each row checked.

Units, byte order and address base are explicit. A unit that the models do not expect is a fault, not a conversion.
"""

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from drivers.record import SEVERITIES, Node, Register, Tag
from drivers.source import SourceSpec, StatusAlert
from monitor import plant
from monitor.settings.reader import Reader, explain, known_keys, nearest, one_of
from monitor.settings.shapes import COMMON, Block, SiteFile, Source, TagRow

BASES: Mapping[str, Mapping[str, int]] = {
    # address base -> table -> what the first register is called in the manual
    "wire0": {"holding": 0, "input": 0, "coil": 0, "discrete": 0},
    "reg1": {"holding": 1, "input": 1, "coil": 1, "discrete": 1},
    "4xxxx": {"holding": 40_001, "input": 30_001, "coil": 1, "discrete": 10_001},
    "4xxxxx": {"holding": 400_001, "input": 300_001, "coil": 1, "discrete": 100_001},
}
FEW_SLOTS = 4  # a device with so few connections is asked again seldom, and its slot is freed in between
WORDS: Mapping[str, int] = {"bit": 1, "u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}


def read_tags(
    reader: Reader, site: SiteFile, sources: Sequence[tuple[str, Source]]
) -> tuple[tuple[Tag, ...], tuple[SourceSpec, ...], tuple[StatusAlert, ...]]:
    assets = {asset.id: asset for asset in site.asset}
    sites = {one.id for one in site.site}
    tags: list[Tag] = []
    places: dict[str, str] = {}
    specs: list[SourceSpec] = []
    alerts: list[StatusAlert] = []
    names: dict[str, str] = {}
    for file, source in sources:
        if source.name in names:
            reader.fault(file, ["source", "name"], f"{source.name!r} is used twice (also in {names[source.name]})")
        names[source.name] = file
        one_of(reader, file, ["source", "site"], source.site, sites, "site")
        own: list[Tag] = []
        for block, row, where, place in _rows(reader, file, source):
            if not one_of(reader, where, [*place[:-2], "asset"] if place else [], block.asset, assets, "asset"):
                continue
            tag = _tag(reader, where, place, source, block, row, len(tags))
            if tag is None:
                continue
            if tag.name in places:
                reader.fault(where, [*place, "name"], f"{tag.name!r} is defined twice (also in {places[tag.name]})")
                continue
            for other in own:
                if _cut_across(other.where, tag.where):
                    words = f"{tag.name!r} lies across the registers of {other.name!r}; mend the address or type of one"
                    reader.fault(where, [*place, "at"], words)
            places[tag.name] = where
            tags.append(tag)
            own.append(tag)
        by_name = {tag.name: tag for tag in own}
        for index, alert in enumerate(source.status_alert):
            place = ["source", "status_alert", index]
            if not one_of(reader, file, [*place, "tag"], alert.tag, by_name, "tag of this source"):
                continue
            one_of(reader, file, [*place, "severity"], alert.severity, SEVERITIES, "severity")
            tag = by_name[alert.tag]
            alerts.append(
                StatusAlert(tag.number, tag.asset, alert.component, alert.failure_mode, alert.severity, alert.text,
                            assets[tag.asset].vendor)
            )  # fmt: skip
        options = source.model_dump(exclude=COMMON, exclude_none=True)
        few = (options.get("max_clients") or FEW_SLOTS + 1) <= FEW_SLOTS
        options["max_backoff_s"] = source.max_backoff_s or (60.0 if few else 10.0)
        specs.append(
            SourceSpec(source.name, source.driver, source.site, source.every_s, source.timeout_s, tuple(own), options)
        )
    return tuple(tags), tuple(specs), tuple(alerts)


def _rows(reader: Reader, file: str, source: Source) -> Iterator[tuple[Block, TagRow, str, list[str | int]]]:
    """Each tag row with its block, the file it stands in and its place there; from TOML or CSV, never both."""
    if source.tags_csv is not None and source.block:
        reader.fault(file, ["source", "tags_csv"], "and [[source.block]] together; keep one of them")
    elif source.tags_csv is not None:
        yield from _csv_rows(reader, source.tags_csv)
    elif not source.block:
        reader.fault(file, ["source"], "has no tags; add [[source.block]] or tags_csv")
    for number, block in enumerate(source.block):
        for index, row in enumerate(block.tags):
            yield block, row, file, ["source", "block", number, "tags", index]


def _csv_rows(reader: Reader, file: str) -> Iterator[tuple[Block, TagRow, str, list[str | int]]]:
    text = reader.text(file)
    if text is None:
        return
    semicolon = text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",")
    known = [*known_keys(Block, []), *known_keys(TagRow, [])]
    for line, cells in enumerate(csv.DictReader(io.StringIO(text), delimiter=";" if semicolon else ","), 2):
        row: dict[str, Any] = {}
        block: dict[str, Any] = {}
        for key, cell in cells.items():
            if key is None or not (cell or "").strip():
                continue
            if key not in known or key == "tags":
                if line == 2:
                    reader.faults.append(
                        f"{reader.folder / file}: line 1: column {key!r} is unknown{nearest(key, known)}"
                    )
                continue
            value: Any = _cell(cell.strip(), semicolon)
            if key in (
                "name",
                "unit",
                "asset",
                "as",
                "node",
                "quantity",
                "description",
                "order",
                "table",
                "address_base",
            ):
                value = cell.strip()
            if key == "sentinels":
                value = [_cell(part, semicolon) for part in re.split(r"[|\s]+", cell.strip())]
            if key == "order" or key not in Block.model_fields:
                row[key] = value
            else:
                block[key] = value
        try:
            tag_row = TagRow.model_validate(row)
            yield Block.model_validate({**block, "tags": [row]}), tag_row, file, []
        except ValidationError as errors:
            for error in errors.errors():
                key = str(error["loc"][-1])
                reader.faults.append(f"{reader.folder / file}: line {line}: {key}: {explain(TagRow, error)}")


def _cell(text: str, comma: bool) -> float | int | bool | str:
    """A spreadsheet's cell as the value it shows."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError:
        try:
            return float(text.replace(",", ".") if comma else text)
        except ValueError:
            return text


def _tag(
    reader: Reader, file: str, place: Sequence[str | int], source: Source, block: Block, row: TagRow, number: int
) -> Tag | None:
    """One Tag from one row; None after a fault."""
    before = len(reader.faults)
    label = f"{block.asset}.{row.name}"

    def fault(key: str, what: str) -> None:
        if place:
            reader.fault(file, [*place, key], f"{label}: {what}")
        else:
            line = next((n for n, text in enumerate(reader.texts[file].splitlines(), 1) if row.name in text), 1)
            reader.faults.append(f"{reader.folder / file}: line {line}: {key}: {label}: {what}")

    quantity = row.quantity or (row.name if row.name in plant.QUANTITIES else "other")
    if row.quantity is None and quantity == "other":
        close = difflib.get_close_matches(row.name, list(plant.QUANTITIES), 1, 0.75)
        hint = (
            f'; did you mean {close[0]}? else write quantity = "other"'
            if close
            else '; write quantity = "..." or "other"'
        )
        fault("name", f"is not a known quantity{hint}")
    elif quantity != "other" and quantity not in plant.QUANTITIES:
        fault("quantity", f"{quantity!r} is unknown{nearest(quantity, plant.QUANTITIES)}")
    elif quantity != "other" and row.unit != plant.QUANTITIES[quantity][0]:
        wanted = plant.QUANTITIES[quantity][0]
        fault("unit", f"{quantity} is kept in {wanted}, not {row.unit}; give the scale that makes {wanted} of it")
    elif row.unit not in plant.UNITS:
        fault("unit", f"{row.unit!r} is not a known unit{nearest(row.unit, plant.UNITS)}")
    if row.low is not None and row.high is not None and row.low >= row.high:
        fault("low", f"low {row.low:g} is not below high {row.high:g}")
    where = _node(row, fault) if source.driver == "opcua" else _register(block, row, fault)
    if row.scale == 0:
        fault("scale", "scale = 0 makes every value the same; leave it out or give the factor")
    if len(reader.faults) > before or where is None:
        return None
    counter = quantity in plant.QUANTITIES and plant.QUANTITIES[quantity][1] == "counter"
    return Tag(number, label, block.asset, quantity, row.unit, source.name, where, row.low, row.high,
               row.estimated, counter, row.description, row.every_s)  # fmt: skip


def _cut_across(one: Register | Node, other: Register | Node) -> bool:
    """Whether two values share some registers of a device but not all: one of the two addresses or types is wrong."""
    if not isinstance(one, Register) or not isinstance(other, Register):
        return False
    if (one.device_id, one.table) != (other.device_id, other.table) or one.table in ("coil", "discrete"):
        return False
    first, last = max(one.address, other.address), min(one.address + one.words, other.address + other.words)
    return first < last and (one.address, one.words) != (other.address, other.words) and min(one.words, other.words) > 1


def _node(row: TagRow, fault: Callable[[str, str], None]) -> Node | None:
    if row.node is None or not re.match(r"^nsu=[^;]+;[sigb]=.+$", row.node):
        fault("node", "needs an OPC UA node as nsu=URI;s=NAME (a namespace index may change when the server restarts)")
        return None
    return Node(row.node)


def _register(block: Block, row: TagRow, fault: Callable[[str, str], None]) -> Register | None:
    if row.at is None or row.kind is None:
        fault("at", "a Modbus tag needs at = ADDRESS and as = TYPE")
        return None
    if block.address_base is None:
        fault("at", f"its block needs address_base, one of {', '.join(BASES)}: how the manual counts")
        return None
    if row.kind != "string" and row.kind not in WORDS:
        fault("as", f"{row.kind!r} is unknown{nearest(row.kind, [*WORDS, 'string'])}")
        return None
    if row.kind == "string" and row.words is None:
        fault("words", "a string needs words = LENGTH in registers")
        return None
    words = row.words if row.kind == "string" and row.words else WORDS[row.kind]
    order = row.order or block.order
    if order is None and words > 1 and row.kind != "string":
        fault("order", "a value of several registers needs order, one of ABCD, CDAB, BADC, DCBA")
        return None
    first = BASES[block.address_base][block.table]
    address = row.at - first
    if not 0 <= address <= 65_536 - words:
        last = first + 65_536 - words
        fault(
            "at",
            f"address {row.at} is impossible: {block.address_base} counts {block.table} registers from {first}"
            f" to {last} for a value of {words}",
        )
        return None
    if row.kind == "bit" and block.table in ("holding", "input") and row.bit is None:
        fault("bit", "a bit in a register needs bit = 0..15 (0 is the lowest)")
        return None
    return Register(block.device_id, block.table, address, row.kind, order or "ABCD", row.scale, row.offset,
                    row.bit, words, tuple(row.sentinels))  # fmt: skip
