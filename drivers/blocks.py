"""Tags -> block reads: pure, decided once, told by `handwheel check` before anything is asked.

Requests cost time, words hardly any: over TCP a tag list read in blocks takes a tenth of the time of single reads. So
neighbours go into one request while the gap between them is small enough. A value is never split, nor parted from its
exponent; tables and devices never mix; a forbidden address (read-to-clear, or known to upset a device) is never
touched. Where a device refuses a block, `halves` cuts it between values until only what is really refused is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.errors import ConfigError
from drivers.record import Register, Tag
from drivers.registers import BIT_TABLES, span

_BITS_PER_WORD: Final = 16
_MOST_WORDS: Final = 125  # of one request (MODBUS Application Protocol V1.1b3, 6.3)


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (or coils) of one table of one device, and the tags that lie in them."""

    device_id: int
    table: str
    address: int
    count: int
    tags: tuple[Tag, ...]

    @property
    def words(self) -> int:
        """Registers touched; coils count as sixteen to the word."""
        return -(-self.count // _BITS_PER_WORD) if self.table in BIT_TABLES else self.count


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Wire addresses `first` to `last`, inclusive, that are never to be read."""

    device_id: int
    table: str
    first: int
    last: int


def plan(
    tags: Iterable[Tag],
    *,
    max_gap: int,
    max_words: int,
    forbidden: Sequence[Forbidden] = (),
    one_per_tag: bool = False,
) -> list[Block]:
    """The fewest block reads for these tags, in order of device, table and address.

    `max_gap` [registers] is the largest hole worth reading over, `max_words` [registers] the largest request; for coils
    and discrete inputs both count sixteen bits to the register. `one_per_tag`: only tags of the very same registers
    share a request. ConfigError for a tag that lies on a forbidden address or is longer than a request may be.
    """
    blocks: list[Block] = []
    for tag in sorted(tags, key=lambda tag: (*_line(tag), *_span(tag))):
        line, (start, end) = _line(tag), _span(tag)
        unit = _BITS_PER_WORD if line[1] in BIT_TABLES else 1
        if end - start > max_words * unit:
            raise ConfigError(f"tag {tag.name}: {end - start} registers are more than max_words = {max_words}")
        if _touches(forbidden, line, start, end):
            raise ConfigError(f"tag {tag.name}: wire address {start} is declared forbidden; remove one of the two")
        last = blocks[-1] if blocks else None
        if (
            last is not None
            and (last.device_id, last.table) == line
            and (not one_per_tag or (start, end) == (last.address, last.address + last.count))
            and start - (last.address + last.count) <= max_gap * unit
            and max(end, last.address + last.count) - last.address <= max_words * unit
            and not _touches(forbidden, line, last.address + last.count, start)
        ):
            count = max(end, last.address + last.count) - last.address
            blocks[-1] = Block(*line, last.address, count, (*last.tags, tag))
        else:
            blocks.append(Block(*line, start, end - start, (tag,)))
    return blocks


def halves(block: Block) -> tuple[Block, Block] | None:
    """The block cut between its values into two that touch nothing new; None if only one value is left.

    Values that share an exponent overlap: a half may then ask for as much as the whole did, but for fewer tags.
    """
    spans = sorted({_span(tag) for tag in block.tags})
    if len(spans) == 1:
        return None
    first, second = set(spans[: len(spans) // 2]), set(spans[len(spans) // 2 :])
    return _around(block, first), _around(block, second)


def of_other_length(block: Block) -> list[Block]:
    """Reads of the same place, up to one word longer, whose answers differ in length from that to this block."""
    unit = 8 if block.table in BIT_TABLES else 1
    whole = -(-block.count // unit)
    most = min(whole + 1, _MOST_WORDS * (2 if unit == 8 else 1), (65_536 - block.address) // unit)
    lengths = (n for n in range(1, most + 1) if n != whole)
    return [Block(block.device_id, block.table, block.address, n * unit, ()) for n in lengths]


def touches(forbidden: Sequence[Forbidden], block: Block) -> bool:
    """Whether a request for this block would read a forbidden address."""
    return _touches(forbidden, (block.device_id, block.table), block.address, block.address + block.count)


def told(blocks: Sequence[Block]) -> str:
    """What will be done, in words: "2 requests touching 44 words for 9 tags"."""
    tags, words = sum(len(block.tags) for block in blocks), sum(block.words for block in blocks)
    return f"{_count(len(blocks), 'request')} touching {_count(words, 'word')} for {_count(tags, 'tag')}"


def lines(blocks: Sequence[Block]) -> list[str]:
    """One line per request, with the wire addresses that will be used."""
    return [
        f"device {block.device_id}, {block.table}, wire {block.address} to {block.address + block.count - 1}: "
        + ", ".join(f"{tag.name} at {register_of(tag).address}" for tag in block.tags)
        for block in blocks
    ]


def register_of(tag: Tag) -> Register:
    """Where the tag lies; ConfigError if it is not a Modbus tag."""
    if not isinstance(tag.where, Register):
        raise ConfigError(f"tag {tag.name}: source {tag.source} is Modbus, but the tag has no register")
    return tag.where


def _line(tag: Tag) -> tuple[int, str]:
    where = register_of(tag)
    return where.device_id, where.table


def _span(tag: Tag) -> tuple[int, int]:
    return span(register_of(tag))


def _touches(forbidden: Sequence[Forbidden], line: tuple[int, str], start: int, end: int) -> bool:
    return any((one.device_id, one.table) == line and one.first < end and start <= one.last for one in forbidden)


def _around(block: Block, spans: set[tuple[int, int]]) -> Block:
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    tags = tuple(tag for tag in block.tags if _span(tag) in spans)
    return Block(block.device_id, block.table, start, end - start, tags)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
