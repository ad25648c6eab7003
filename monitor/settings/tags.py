"""Tag rows -> Tags; each row checked. Units, byte order and address base are explicit.

A unit that the models do not expect is a fault, not a conversion. Lengths and possible kinds are those of
drivers.registers, the one table of them.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from drivers import registers
from drivers.record import Node, Register, Tag
from monitor import plant
from monitor.settings import addresses
from monitor.settings.reader import Reader, nearest
from monitor.settings.rows import Placed
from monitor.settings.shapes import Source, TagRow

Fault = Callable[[str, str], None]


def tag_of(reader: Reader, source: Source, placed: Placed, number: int, labels: Mapping[int, str]) -> Tag | None:
    """One Tag from one row; None after a fault. `labels` are those of its code table, if it has one."""
    row, before = placed.row, len(reader.faults)

    def fault(key: str, what: str) -> None:
        placed.fault(reader, key, what)

    quantity = _quantity(row, fault)
    if row.low is not None and row.high is not None and row.low >= row.high:
        fault("low", f"low {row.low:g} is not below high {row.high:g}")
    if row.scale == 0:
        fault("scale", "scale = 0 makes every value the same; leave it out or give the factor")
    where = _node(row, fault) if source.driver == "opcua" else _register(placed, fault)
    words = _labels(row, fault) or labels
    if len(reader.faults) > before or where is None:
        return None
    counter = quantity in plant.QUANTITIES and plant.QUANTITIES[quantity][1] == "counter"
    asset = placed.block.asset
    return Tag(number, f"{asset}.{row.name}", asset, quantity, row.unit, source.name, where, row.low, row.high,
               row.estimated, counter, row.description, row.every_s, tuple(sorted(words.items())))  # fmt: skip


def cut_across(one: Register | Node, other: Register | Node) -> bool:
    """Whether two values share some registers of a device but not all: one of the two addresses or types is wrong."""
    if not isinstance(one, Register) or not isinstance(other, Register):
        return False
    if (one.device_id, one.table) != (other.device_id, other.table) or one.table in registers.BIT_TABLES:
        return False
    first, last = max(one.address, other.address), min(one.address + one.words, other.address + other.words)
    return first < last and (one.address, one.words) != (other.address, other.words) and min(one.words, other.words) > 1


def neighbours(tag: Tag, taken: dict[tuple[int, str, int], list[Tag]]) -> list[Tag]:
    """The tags so far that share a register with this one; `taken` (device, table, register) learns of it."""
    where, found = tag.where, dict[int, Tag]()
    if isinstance(where, Register):
        for address in range(where.address, where.address + where.words):
            there = taken.setdefault((where.device_id, where.table, address), [])
            found |= {other.number: other for other in there}
            there.append(tag)
    return list(found.values())


def _quantity(row: TagRow, fault: Fault) -> str:
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
    return quantity


def _labels(row: TagRow, fault: Fault) -> dict[int, str]:
    labels: dict[int, str] = {}
    for key, words in row.labels.items():
        try:
            labels[int(key, 0)] = words
        except ValueError:
            fault("labels", f'{key!r} is no whole number; write labels = {{ 0 = "auto", 4 = "min" }}')
    return labels


def _node(row: TagRow, fault: Fault) -> Node | None:
    if row.node is None or not re.match(r"^nsu=[^;]+;[sigb]=.+$", row.node):
        fault("node", "needs an OPC UA node as nsu=URI;s=NAME (a namespace index may change when the server restarts)")
        return None
    for key, value in (("at", row.at), ("par", row.par), ("exponent_at", row.exponent_at), ("ma", row.ma)):
        if value is not None:
            fault(key, "belongs to Modbus; an OPC UA server gives the value at its node")
    return Node(row.node)


def _register(placed: Placed, fault: Fault) -> Register | None:
    row, table = placed.row, placed.registers.table
    if row.kind is None or (row.at is None) == (row.par is None):
        fault("at", "a Modbus tag needs as = TYPE and one of at = ADDRESS and par = PARAMETER")
        return None
    if row.kind not in registers.KINDS:
        fault("as", f"{row.kind!r} is unknown{nearest(row.kind, registers.KINDS)}")
        return None
    if row.kind == "string" and row.words is None:
        fault("words", "a string needs words = LENGTH in registers")
        return None
    if row.kind == "bit" and table not in registers.BIT_TABLES and row.bit is None:
        fault("bit", "a bit in a register needs bit = 0..15 (0 is the lowest)")
        return None
    drawn = Register(placed.block.device_id, table, 0, row.kind, words=row.words or 1, bit=row.bit)
    if what := registers.fault(drawn):
        fault("as", what)
        return None
    words, order = registers.length(drawn), row.order or placed.registers.order
    if order is None and words > 1 and row.kind != "string":
        fault("order", f"a value of several registers needs order, one of {', '.join(registers.ORDERS)}")
        return None
    address, exponent_at = _address(placed, words, fault), None
    if row.exponent_at is not None:
        if row.par is not None:
            fault("exponent_at", "goes with at, not with par; give both as addresses")
        elif placed.registers.address_base is not None:
            exponent_at = addresses.wire(placed.registers.address_base, table, row.exponent_at)
            if not 0 <= exponent_at < 65_536:
                fault("exponent_at", _impossible(placed, row.exponent_at, 1))
    scale, offset = _loop(row, fault)
    if address is None:
        return None
    register = replace(drawn, address=address, order=order or "ABCD", scale=scale, offset=offset, words=words,
                       sentinels=tuple(row.sentinels), exponent_at=exponent_at, ma=row.ma)  # fmt: skip
    if what := registers.fault(register):
        fault("as", what)
    return register


def _address(placed: Placed, words: int, fault: Fault) -> int | None:
    """The wire address of the row's first register; None after a fault."""
    row, counted = placed.row, placed.registers
    if row.par is not None:
        if counted.parameters is None:
            known = ", ".join(addresses.FORMULAS)
            fault("par", f"its block needs parameters, one of {known}: how a parameter becomes a register")
            return None
        address = addresses.wire_of_parameter(counted.parameters, row.par) + placed.block.shift
        if not 0 <= address <= 65_536 - words:
            fault("par", f"parameter {row.par} would lie at wire address {address}, which no device has")
            return None
        return address
    if row.at is None:
        return None
    if counted.address_base is None:
        fault("at", f"its block needs address_base, one of {', '.join(addresses.BASES)}: how the manual counts")
        return None
    address = addresses.wire(counted.address_base, counted.table, row.at)
    if not 0 <= address <= 65_536 - words:
        fault("at", _impossible(placed, row.at, words))
        return None
    return address


def _impossible(placed: Placed, at: int, words: int) -> str:
    base, table = placed.registers.address_base or "wire0", placed.registers.table
    first, last = addresses.printed(base, table, 0), addresses.printed(base, table, 65_536 - words)
    return f"address {at} is impossible: {base} counts {table} registers from {first} to {last} for a value of {words}"


def _loop(row: TagRow, fault: Fault) -> tuple[float, float]:
    """Scale and offset of the raw number; those of a 4-20 mA loop follow from its span."""
    if row.ma is None and row.span is None:
        return row.scale, row.offset
    if row.ma is None or row.span is None:
        fault("ma", "a 4-20 mA loop needs both ma (what makes mA of the raw number) and span = [at 4 mA, at 20 mA]")
        return 1.0, 0.0
    low, high = row.span
    if low == high:
        fault("span", "the values at 4 mA and at 20 mA are the same")
    if (row.scale, row.offset) != (1.0, 0.0):
        fault("scale", "a 4-20 mA loop is scaled by ma and span alone; leave out scale and offset")
    return row.ma * (high - low) / 16, low - (high - low) / 4
