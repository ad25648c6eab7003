"""Words on the wire <-> values: pure, for every kind and every byte order.

Byte order is written by letters as in device manuals: A is the most significant byte. ABCD is plain big-endian, CDAB
has the words exchanged, BADC the bytes of each word, DCBA both. For values of one register BADC and DCBA exchange its
two bytes. Text is never word-swapped: its words come in reading order whatever a device does to its numbers.

What means "not available" is never a number: a declared sentinel, a NaN and an infinity become None with a reason,
and the raw pattern stays in the detail.
"""

import math
import struct
from collections.abc import Sequence
from typing import Final

from drivers.record import Reason, Register

ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
TABLES: Final = ("holding", "input", "coil", "discrete")
BIT_TABLES: Final = ("coil", "discrete")
_FORMATS: Final = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}
KINDS: Final = ("bit", *_FORMATS, "string")

Decoded = tuple[float | int | str | None, Reason, str]


def length(register: Register) -> int:
    """How many registers (or coils) the value covers; only text has a length of its own."""
    if register.kind == "string":
        return register.words
    return 1 if register.kind == "bit" else struct.calcsize(_FORMATS[register.kind]) // 2


def fault(register: Register) -> str:
    """What makes this register impossible to read, in words, or "" if nothing does."""
    if register.table not in TABLES:
        return f"table {register.table!r} is unknown; known: {', '.join(TABLES)}"
    if register.kind not in KINDS:
        return f"kind {register.kind!r} is unknown; known: {', '.join(KINDS)}"
    if register.order not in ORDERS:
        return f"order {register.order!r} is unknown; known: {', '.join(ORDERS)}"
    if register.table in BIT_TABLES and register.kind != "bit":
        return f'table {register.table} holds single bits, not {register.kind}; write as = "bit"'
    if register.kind == "bit" and register.table not in BIT_TABLES and register.bit not in range(16):
        return f"bit {register.bit} is not one of 0 to 15"
    if not 1 <= length(register) <= 125:
        return f"a length of {length(register)} registers cannot be read; 1 to 125 can"
    if register.address < 0 or register.address + length(register) > 65_536:
        return f"wire address {register.address} does not lie in 0 to 65535"
    if not 0 <= register.device_id <= 255:
        return f"device id {register.device_id} does not lie in 0 to 255"
    if not (math.isfinite(register.scale) and register.scale != 0 and math.isfinite(register.offset)):
        return f"scale {register.scale} with offset {register.offset} makes no number"
    return ""


def decode(words: Sequence[int], register: Register) -> Decoded:
    """The value in these registers: (value, reasons, detail).

    `words` are the registers of this value alone, 0 to 65535 each; for coils and discrete inputs a single 0 or 1.
    Integers stay integers, exact beyond 2**53 too, while scale and offset are whole; else value = raw * scale + offset.
    """
    if len(words) != length(register):
        return None, Reason.CONFIG, f"{register.kind} needs {length(register)} registers, got {len(words)}"
    if register.table in BIT_TABLES:
        return words[0] & 1, Reason.OK, ""
    data = _bytes(words, register)
    if register.kind == "string":
        return _text(data)
    if register.kind == "bit":
        raw: int | float = int.from_bytes(data, "big")
    else:
        (raw,) = struct.unpack(_FORMATS[register.kind], data)
    if register.sentinels and _is_sentinel(raw, data, register):
        return None, Reason.SENTINEL, f"0x{data.hex().upper()} means not available"
    if register.kind == "bit":
        return int(raw) >> (register.bit or 0) & 1, Reason.OK, ""
    if isinstance(raw, float) and not math.isfinite(raw):
        return None, Reason.SENSOR, f"the device sent {raw} (0x{data.hex().upper()})"
    return _scaled(raw, register)


def encode(value: float | int | str | None, register: Register) -> list[int]:
    """The registers that decode to `value`: the inverse of `decode`, for simulators and tests.

    A bit comes alone in its register: OR the bits that share one. None is the first declared sentinel, else NaN for
    floats. ValueError if the value does not fit the kind.
    """
    if register.table in BIT_TABLES:
        return [1 if value else 0]
    if register.kind == "string":
        data = str(value or "").encode().ljust(2 * register.words, b"\0")
        if len(data) != 2 * register.words:
            raise ValueError(f"{value!r} does not fit {register.words} registers")
        return _words(data, register)
    form = _FORMATS.get(register.kind, ">H")
    if value is None:
        return _words(_sentinel_bytes(form, register), register)
    if register.kind == "bit":
        return _words(struct.pack(form, (1 if value else 0) << (register.bit or 0)), register)
    number = value if isinstance(value, int | float) else float(value)
    return _words(_packed(form, _unscaled(number, register, whole=form[1] not in "fd")), register)


def _bytes(words: Sequence[int], register: Register) -> bytes:
    """The registers as big-endian bytes, whatever order the device uses."""
    if register.order in ("CDAB", "DCBA") and register.kind != "string":
        words = words[::-1]
    form = "<" if register.order in ("BADC", "DCBA") else ">"
    return struct.pack(f"{form}{len(words)}H", *words)


def _words(data: bytes, register: Register) -> list[int]:
    form = "<" if register.order in ("BADC", "DCBA") else ">"
    words = list(struct.unpack(f"{form}{len(data) // 2}H", data))
    return words[::-1] if register.order in ("CDAB", "DCBA") and register.kind != "string" else words


def _text(data: bytes) -> Decoded:
    """Text without the zero bytes that fill its registers; foreign text is cleaned where it is shown, not here."""
    try:
        return data.rstrip(b"\0").decode(), Reason.OK, ""
    except UnicodeDecodeError:
        return None, Reason.CONFIG, f"not UTF-8 text: 0x{data[:32].hex().upper()}"


def _is_sentinel(raw: int | float, data: bytes, register: Register) -> bool:
    """Manuals write the sentinel of an i16 as 0x8000, so a pattern counts as well as the number it stands for."""
    if isinstance(raw, float):
        return any(
            math.isnan(raw) if math.isnan(one) else _packed(_FORMATS[register.kind], one) == data
            for one in register.sentinels
        )
    pattern = int.from_bytes(data, "big")
    # an int is compared exactly; a float cannot hold 2**64 - 1, so there the nearest float has to do
    return any(
        one in (raw, pattern) if isinstance(one, int) else one in (float(raw), float(pattern))
        for one in register.sentinels
    )


def _sentinel_bytes(form: str, register: Register) -> bytes:
    if not register.sentinels:
        if form[1] not in "fd":
            raise ValueError(f"{register.kind} at {register.address} has no declared sentinel")
        return struct.pack(form, math.nan)
    one = register.sentinels[0]
    if form[1] in "fd":
        return _packed(form, one)
    size = struct.calcsize(form)
    patterns = 1 << 8 * size
    # min: the float nearest to 2**64 - 1 is one too many
    return min(int(one) if one >= 0 else int(one) + patterns, patterns - 1).to_bytes(size, "big")


def _packed(form: str, raw: int | float) -> bytes:
    try:
        packed: bytes = struct.pack(form, raw)
        return packed
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{raw!r} does not fit: {error}") from None


def _scaled(raw: int | float, register: Register) -> Decoded:
    scale, offset = register.scale, register.offset
    if scale == 1 and offset == 0:
        return raw, Reason.OK, ""
    if isinstance(raw, int) and float(scale).is_integer() and float(offset).is_integer():
        return raw * int(scale) + int(offset), Reason.OK, ""
    value = raw * scale + offset
    if not math.isfinite(value):
        return None, Reason.CONFIG, f"{raw!r} times {scale} plus {offset} is no number"
    return value, Reason.OK, ""


def _unscaled(value: int | float, register: Register, *, whole: bool) -> int | float:
    scale, offset = register.scale, register.offset
    if isinstance(value, int) and float(scale).is_integer() and float(offset).is_integer() and whole:
        raw: int | float = (value - int(offset)) // int(scale)
    else:
        raw = value if scale == 1 and offset == 0 else (value - offset) / scale
    return round(raw) if whole else raw
