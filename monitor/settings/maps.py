"""Devices as data: maps of registers and tables of codes, as TOML. CONFIG/maps/NAME.toml wins over the shipped file.

A map says what a kind of device has where, how sure that is and where it was read; a source says which device it is.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drivers.source import Code
from monitor.settings import addresses
from monitor.settings.reader import Reader, nearest
from monitor.settings.shapes import CodesFile, MapFile, TagRow

BIT_CODES = 64  # the widest alarm word


@dataclass(frozen=True)
class DeviceMap:
    """One map with the file it was read from."""

    name: str
    file: str  # as the reader names it
    path: Path
    parts: MapFile

    @cached_property
    def rows(self) -> dict[str, TagRow]:
        """Its tags by name."""
        return {row.name: row for block in self.parts.block for row in block.tags}


@dataclass(frozen=True)
class CodeTable:
    """One table of codes: `kind` says whether a value is looked up whole ("code") or bit by bit ("bits")."""

    kind: str
    codes: dict[int, Code]

    @property
    def labels(self) -> dict[int, str]:
        """What the codes mean, for whoever shows the value; as a whole 0 is none."""
        none = {0: "none"} if self.kind == "code" else {}
        return none | {number: code.text for number, code in self.codes.items()}


class Maps:
    """The maps and tables that a configuration uses, each read once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._maps: dict[str, DeviceMap | None] = {}
        self._tables: dict[str, CodeTable | None] = {}
        self.known = reader.names("maps")
        self.tables = reader.names("maps/codes")

    def map(self, name: str) -> DeviceMap | None:
        """The map of this name; None after a fault."""
        if name not in self._maps:
            self._maps[name] = self._read_map(name)
        return self._maps[name]

    def table(self, name: str) -> CodeTable | None:
        """The code table of this name; None after a fault."""
        if name not in self._tables:
            self._tables[name] = self._read_table(name)
        return self._tables[name]

    def _read_map(self, name: str) -> DeviceMap | None:
        reader, file = self._reader, f"maps/{name}.toml"
        parts = reader.table(MapFile, reader.toml(file), file)
        if parts is None:
            return None
        before = len(reader.faults)
        found = DeviceMap(name, file, reader.path(file), parts)
        seen: set[str] = set()
        for number, block in enumerate(parts.block):
            for index, row in enumerate(block.tags):
                if row.name in seen:
                    reader.fault(file, ["block", number, "tags", index, "name"], f"{row.name!r} stands here twice")
                seen.add(row.name)
        for tag in parts.map.codes:
            if tag not in found.rows:
                reader.fault(file, ["map", "codes", tag], f"{tag!r} is no tag of this map{nearest(tag, found.rows)}")
        for index, sanity in enumerate(parts.sanity):
            if sanity.tag not in found.rows:
                words = f"{sanity.tag!r} is no tag of this map{nearest(sanity.tag, found.rows)}"
                reader.fault(file, ["sanity", index, "tag"], words)
            if sanity.low >= sanity.high:
                reader.fault(file, ["sanity", index, "low"], f"low {sanity.low:g} is not below high {sanity.high:g}")
        for index, span in enumerate(parts.forbidden):
            first = addresses.BASES[span.address_base][span.table]
            if not first <= span.first <= span.last < first + 65_536:
                words = f"{span.first} to {span.last} is no range; {span.address_base} counts {span.table} from {first}"
                reader.fault(file, ["forbidden", index, "first"], words)
        return found if len(reader.faults) == before else None

    def _read_table(self, name: str) -> CodeTable | None:
        reader, file = self._reader, f"maps/codes/{name}.toml"
        parts = reader.table(CodesFile, reader.toml(file), file)
        if parts is None:
            return None
        codes: dict[int, Code] = {}
        for index, row in enumerate(parts.code):
            if row.code in codes:
                reader.fault(file, ["code", index, "code"], f"{row.code} stands here twice; remove one")
            if parts.codes.kind == "bits" and row.code >= BIT_CODES:
                reader.fault(file, ["code", index, "code"], f"bit {row.code} is not one of 0 to {BIT_CODES - 1}")
            codes[row.code] = Code(row.text, row.component, row.failure_mode, row.severity)
        return CodeTable(parts.codes.kind, codes)


def shifted(row: TagRow, shift: int) -> TagRow:
    """The row with `shift` added to each of its addresses."""
    moved = {key: value + shift for key in ("at", "exponent_at") if (value := getattr(row, key)) is not None}
    return row.model_copy(update=moved)
