"""Where tag rows come from: the tables of a source file, a spreadsheet, or the map of a kind of device."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from monitor.settings.maps import Maps, shifted
from monitor.settings.reader import Reader, explain, known_keys, nearest, one_of
from monitor.settings.shapes import Block, Registers, Source, TagRow

_PLACED_BY_MAP = ("tags", "map", "only", "shift", "verified_on")  # keys of a block that are no columns of a spreadsheet


@dataclass(frozen=True, slots=True)
class Placed:
    """One tag row with the table that says how its registers are counted, and the place where it stands."""

    block: Block  # whose asset and device id it belongs to
    registers: Registers
    row: TagRow
    file: str
    line: int  # of a spreadsheet; 0: `place` says where in a TOML file
    place: tuple[str | int, ...]
    number: int  # of the block in its source

    def fault(self, reader: Reader, key: str, what: str) -> None:
        """Note a fault of this row with its file, line and key."""
        what = f"{self.block.asset}.{self.row.name}: {what}"
        if self.line:
            reader.faults.append(f"{reader.path(self.file)}: line {self.line}: {key}: {what}")
        else:
            reader.fault(self.file, [*self.place, key], what)


def rows(reader: Reader, file: str, source: Source, maps: Maps) -> Iterator[Placed]:
    """Each tag row of a source; from TOML or CSV, never both."""
    if source.tags_csv is not None and source.block:
        reader.fault(file, ["source", "tags_csv"], "and [[source.block]] together; keep one of them")
    elif source.tags_csv is not None:
        yield from _csv_rows(reader, source.tags_csv)
    elif not source.block:
        reader.fault(file, ["source"], "has no tags; add [[source.block]] or tags_csv")
    for number, block in enumerate(source.block):
        place = ("source", "block", number)
        for index, row in enumerate(block.tags):
            yield Placed(block, block, row, file, 0, (*place, "tags", index), number)
        if block.map is not None:
            yield from _map_rows(reader, file, source, block, number, maps)
        else:
            if not block.tags:
                reader.fault(file, [*place], "has no tags; add tags = [...], or map = NAME for a known kind of device")
            for key in ("only", "shift", "verified_on"):
                if getattr(block, key):
                    reader.fault(file, [*place, key], "belongs to a map, and the block names none; add map = NAME")


def _map_rows(reader: Reader, file: str, source: Source, block: Block, number: int, maps: Maps) -> Iterator[Placed]:
    """The rows of the block's map that are wanted; a row of the block's own with the same name replaces the map's."""
    place: tuple[str | int, ...] = ("source", "block", number)
    if source.driver == "opcua":
        reader.fault(file, [*place, "map"], "maps are of registers; for OPC UA write rows: `handwheel browse --rows`")
        return
    if not one_of(reader, file, [*place, "map"], block.map or "", maps.known, "map (maps/NAME.toml)"):
        return
    found = maps.map(block.map or "")
    if found is None:
        return
    for name in block.only:
        one_of(reader, file, [*place, "only"], name, found.rows, f"tag of map {found.name}")
    own = {row.name for row in block.tags}
    for table, registers in enumerate(found.parts.block):
        for index, row in enumerate(registers.tags):
            if row.name not in own and (not block.only or row.name in block.only):
                there = ("block", table, "tags", index)
                yield Placed(block, registers, shifted(row, block.shift), found.file, 0, there, number)


def _csv_rows(reader: Reader, file: str) -> Iterator[Placed]:
    text = reader.text(file)
    if text is None:
        return
    semicolon = text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",")
    columns = [key for model in (Block, TagRow) for key in known_keys(model, []) if key not in _PLACED_BY_MAP]
    table = csv.DictReader(io.StringIO(text), delimiter=";" if semicolon else ",")
    for line, cells in enumerate(table, 2):
        row: dict[str, Any] = {}
        block: dict[str, Any] = {}
        for key, cell in cells.items():
            if key is None or not isinstance(cell, str) or not cell.strip():
                continue
            if key not in columns:
                if line == 2:
                    reader.faults.append(
                        f"{reader.path(file)}: line 1: column {key!r} is unknown{nearest(key, columns)}"
                    )
                continue
            target = row if key == "order" or key not in Block.model_fields else block
            target[key] = _value(key, cell.strip(), semicolon)
        try:
            tag_row = TagRow.model_validate(row)
            whole = Block.model_validate({**block, "tags": [row]})
        except ValidationError as errors:
            for error in errors.errors():
                words = explain(TagRow, error)
                reader.faults.append(f"{reader.path(file)}: line {line}: {error['loc'][-1]}: {words}")
        else:
            yield Placed(whole, whole, tag_row, file, line, (), 0)


def _value(key: str, cell: str, comma: bool) -> Any:
    """What a cell says, by its column: text stays text (a parameter 01.07 is no number)."""
    if key in ("sentinels", "span"):
        return [_cell(part, comma) for part in re.split(r"[|\s]+", cell)]
    if key == "labels":
        pairs = (part.partition("=") for part in cell.split("|"))
        return {code.strip(): words.strip() for code, _, words in pairs}
    field = next(f for m in (TagRow, Block) for name, f in m.model_fields.items() if key in (name, f.alias))
    numbers = any(kind in str(field.annotation) for kind in ("int", "float", "bool"))
    return _cell(cell, comma) if numbers else cell


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
