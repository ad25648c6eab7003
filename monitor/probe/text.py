"""What a probe says: announcement, the table of words in every likely type, suggestions, rows to paste. Pure text."""

from collections.abc import Mapping, Sequence
from datetime import date

from drivers.plausible import Candidate, Ranges, candidates, is_likely, most_frequent, readings, rivals, suggested
from monitor import plant
from monitor.settings import addresses
from monitor.words import clean, number_text

OBJECTS = ("vendor", "product code", "revision", "vendor url", "product name", "model", "application")


def announcement(
    source: str, where: str, device_id: int, plan: Sequence[str], assets: Sequence[plant.Asset]
) -> list[str]:
    """What will be asked of whom, and what that can do."""
    known = ", ".join(f"{asset.id} ({asset.criticality})" for asset in assets) or "none known"
    return [
        f"PROBE of {source}, {where}, device {device_id}",
        *(f"  asks:    {line}" for line in plan),
        f"  assets:  {known}",
        "  beware:  reading can clear registers, and old firmware can hang on an address that it does not know;",
        "           one slow question at a time, nothing is written",
    ]


def object_name(number: int) -> str:
    """What an object of a device identification is (MODBUS Application Protocol 1.1b3, section 6.21)."""
    return OBJECTS[number] if number < len(OBJECTS) else f"object 0x{number:02X}"


def table(
    table_name: str, base: str, reads: Sequence[Mapping[int, int]], refused: Mapping[int, str], ranges: Ranges,
    unit: str, *, asked: range, everything: bool = False,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The words asked, as first read, with what they could mean (or all of it); rows for what can only be one thing.

    `reads` and `refused` may reach beyond the wire addresses asked: what lies beside them are rivals.
    """
    words = {at: word for at, word in reads[0].items() if at in asked}
    refused = {at: why for at, why in refused.items() if at in asked}
    if table_name in ("coil", "discrete"):
        return [f"  {at:>5}  {'on' if word else 'off'}" for at, word in sorted(words.items())] + _refusals(refused), []
    lines = [f"\n{'wire':>6} {base:>7}  hex      u16     i16  and longer, from this register on"]
    longer: dict[int, list[str]] = {}
    for one in readings(reads[0]):
        if one.kind not in ("u16", "i16") and (everything or is_likely(one)):
            value = f"{one.value:.7g}" if one.kind.startswith("f") else f"{one.value}"
            longer.setdefault(one.address, []).append(f"{one.kind} {one.order} {value}")
    for at, word in sorted(words.items()):
        signed = str(word - 65_536) if word & 0x8000 else ""
        printed = addresses.printed(base, table_name, at)
        more = "   ".join(longer.get(at, []))
        lines.append(f"{at:>6} {printed:>7}  {word:04X}  {word:>6}  {signed:>6}  {_text(word)} {more}".rstrip())
    lines += _refusals(refused)
    if not ranges:
        return [*lines, "To be told which one it is, give a magnitude that you know: --expect 48..52 or --unit Hz"], []
    found = [one for one in candidates(reads, ranges) if one.overlaps(asked)]
    chosen = suggested(found, asked)
    lines += ["", f"PLAUSIBLE on {len(reads)} reads ({', '.join(f'{low:g} to {high:g}' for low, high in ranges)})"]
    lines += [_candidate_line(one, one in chosen, rivals(one, found)) for one in found] or [
        "  nothing: another table, or another range"
    ]
    frequent = most_frequent(found)
    if found and not chosen:
        lines.append(
            "  no decoding stands alone, so none is suggested; compare with the device's display, or give --expect "
            "with the exact reading"
        )
    if chosen and (unseen := _unseen(reads[0], asked)):
        lines.append(f"  not seen beside it: wire {unseen}; a value that reaches in from there is not excluded")
    if frequent and frequent[1] > 1:
        lines.append(f"  fits most often: {frequent[0]}, at {frequent[1]} addresses")
    return lines, [_row(one, base, table_name, unit) for one in chosen]


def block(table_name: str, base: str, device_id: int, assets: Sequence[plant.Asset], rows: Sequence[str]) -> str:
    """The rows as a block of a source file."""
    if not rows:
        return "# no decoding stands alone: no rows\n"
    asset = assets[0].id if len(assets) == 1 else "ASSET"
    head = f'[[source.block]]\nasset        = "{asset}"\ndevice_id    = {device_id}\ntable        = "{table_name}"\n'
    return head + f'address_base = "{base}"\ntags = [\n' + "".join(f"  {row},\n" for row in rows) + "]\n"


def verdict(good: bool, devices: Sequence[plant.Device], today: date) -> list[str]:
    """What follows from the sanity readings."""
    if not good:
        return [
            "NOT VERIFIED: what the map promises is not there. Look at device id, table, address base and shift,",
            f"then at type and order with `handwheel probe --from .. --to .. --expect ..`. Map: {devices[0].path}",
        ]
    places = ", ".join(dict.fromkeys(f"{one.asset} (map {one.map})" for one in devices))
    return [
        f"plausible. Compare one value with the device's own display; then write into the block of {places}:",
        f"  verified_on = {today.isoformat()}",
    ]


def _refusals(refused: Mapping[int, str]) -> list[str]:
    return [f"{at:>6}          ----  {why}" for at, why in sorted(refused.items())]


def _text(word: int) -> str:
    pair = bytes([word >> 8, word & 0xFF])
    return f"{pair.decode('ascii')!r}" if all(32 <= byte < 127 for byte in pair) else "    "


def _unseen(words: Mapping[int, int], asked: range) -> str:
    """The registers next to those asked that could not be read; the others beside them matter less."""
    beside = (asked.start - 1, asked.stop)
    return ", ".join(str(at) for at in beside if 0 <= at <= 65_535 and at not in words)


def _candidate_line(one: Candidate, alone: bool, others: Sequence[Candidate]) -> str:
    values = "  ".join(number_text(value, 5) for value in one.values)
    scale = f" scale {one.scale:g}" if one.scale != 1 else ""
    same = f"  (the same: {', '.join(one.same)})" if one.same else ""
    against = [f"{other.address} {other.kind} {other.order} {number_text(other.values[0], 5)}" for other in others[:2]]
    end = "  <- suggested" if alone else f"  overlaps {', '.join(against)}: both fit" if against else ""
    return f"  {one.address:>6}  {one.kind} {one.order}{scale}: {values}{same}{end}"


def _row(one: Candidate, base: str, table_name: str, unit: str) -> str:
    at = addresses.printed(base, table_name, one.address)
    order = "" if len(one.words) == 1 else f', order = "{one.order}"'
    scale = f", scale = {one.scale:g}" if one.scale != 1 else ""
    return (
        f'{{ at = {at}, name = "at_{at}", as = "{one.kind}"{order}, unit = "{clean(unit, 8)}"{scale}, '
        'quantity = "other" }'
    )
