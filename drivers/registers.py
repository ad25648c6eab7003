"""Words on the wire <-> values: pure, for every kind and every byte order; the plain reference of drivers.decoder.

Byte order is written by letters as in device manuals: A is the most significant byte. ABCD is plain big-endian, CDAB
has the words exchanged, BADC the bytes of each word, DCBA both. For values of one register BADC and DCBA exchange its
two bytes. Text is never word-swapped: its words come in reading order whatever a device does to its numbers.

What means "not available" is never a number: a declared sentinel, a NaN and an infinity become None with a reason,
and the raw pattern stays in the detail.

A 4-20 mA loop is judged by NAMUR NE 43: 3.8 to 20.5 mA measure; 3.6 mA or less and 21.0 mA or more say that the sensor
has failed; what lies between is uncertain. NE 43 lets a receiver wait 4 s before it believes a failure. We do not:
each sample says what the loop carried at its own instant, the value is kept, and waiting belongs to whoever alarms.
"""

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from drivers.record import Reason, Register

ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
TABLES: Final = ("holding", "input", "coil", "discrete")
BIT_TABLES: Final = ("coil", "discrete")
FORMATS: Final[Mapping[str, str]] = {  # of the value's big-endian bytes
    "u8_high": "B",
    "u8_low": "B",
    "i8_high": "b",
    "i8_low": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f16": "e",
    "f32": "f",
    "f64": "d",
    "bits16": "H",
    "bits32": "I",
    "bcd16": "H",  # four digits, one to each half byte
    "bcd32": "I",
    "bcd64": "Q",
}
# registers that a kind covers; text has a length of its own
WORDS: Final[Mapping[str, int]] = {"bit": 1} | {
    kind: max(struct.calcsize(form) // 2, 1) for kind, form in FORMATS.items()
}
KINDS: Final = (*WORDS, "string")
WHOLE: Final = tuple(kind for kind, form in FORMATS.items() if form not in "efd")
_PLAIN: Final = ("bit", "bits16", "bits32", "string")  # no quantities: nothing to scale
EXPONENTS: Final = range(-10, 11)  # SunSpec's scale factors (sunssf)
_NO_EXPONENT: Final = -0x8000  # SunSpec: not implemented
MA_FAILED: Final = (3.6, 21.0)  # NAMUR NE 43 [mA]
MA_MEASURES: Final = (3.8, 20.5)
MA_HAIR: Final = 1e-9  # 3800 * 0.001 is not 3.8 to the last bit

Decoded = tuple[float | int | str | None, Reason, str]


def length(register: Register) -> int:
    """How many registers (or coils) the value itself covers, its exponent aside; only text has a length of its own."""
    return register.words if register.kind == "string" else WORDS[register.kind]


def span(register: Register) -> tuple[int, int]:
    """The wire addresses [first, end) that one request must cover: the value, and its exponent where it has one."""
    start, end = register.address, register.address + length(register)
    if register.exponent_at is None:
        return start, end
    return min(start, register.exponent_at), max(end, register.exponent_at + 1)


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
    for one in register.sentinels:
        if not _can_come(one, register):
            return f"sentinel {one} can never come from {register.kind}"
    return _fault_of_number(register)


def _can_come(one: float, register: Register) -> bool:
    """Whether this sentinel is something that the register can hold at all."""
    if register.kind in ("f16", "f32", "f64"):
        return bool(_float_bytes(one, register))
    bits = 8 * struct.calcsize(FORMATS.get(register.kind, "H"))
    return register.kind != "string" and -(2 ** (bits - 1)) <= one <= 2**bits  # 2**64 is the float nearest to all ones


def _fault_of_number(register: Register) -> str:
    """What cannot be asked of this kind: a power of ten for text, a current made of bits."""
    at = register.exponent_at
    scaled = (register.scale, register.offset) != (1, 0)
    if register.kind in _PLAIN and (scaled or at is not None or register.ma is not None):
        return f"{register.kind} is no quantity: it takes no scale, offset, exponent_at or ma"
    if register.ma is not None and not (math.isfinite(register.ma) and register.ma > 0):
        return f"ma = {register.ma} makes no current"
    if at is None:
        return ""
    if not 0 <= at <= 65_535:
        return f"the exponent's wire address {at} does not lie in 0 to 65535"
    if register.address <= at < register.address + length(register):
        return f"the exponent's wire address {at} lies in the value itself"
    start, end = span(register)
    return f"the exponent lies {end - start} registers away; one request reads 125" if end - start > 125 else ""


def decode(words: Sequence[int], register: Register, exponent: int | None = None) -> Decoded:
    """The value in these registers: (value, reasons, detail).

    `words` are the registers of this value alone, 0 to 65535 each; for coils and discrete inputs a single 0 or 1.
    `exponent` is the register at `exponent_at` as it came, where there is one.
    Integers stay integers, exact beyond 2**53 too, while scale and offset are whole and no power of ten divides; else
    value = raw * 10**exponent * scale + offset.
    """
    if len(words) != length(register):
        return None, Reason.CONFIG, f"{register.kind} needs {length(register)} registers, got {len(words)}"
    if register.table in BIT_TABLES:
        return words[0] & 1, Reason.OK, ""
    data = _bytes(words, register)
    if register.kind == "string":
        return _text(data)
    raw = _raw(data, register)
    if register.sentinels and _is_sentinel(raw, data, register):
        return None, Reason.SENTINEL, f"0x{data.hex().upper()} means not available"
    if raw is None:
        return None, Reason.CONFIG, f"0x{data.hex().upper()} is no BCD number"
    if register.kind == "bit":
        return int(raw) >> (register.bit or 0) & 1, Reason.OK, ""
    if isinstance(raw, float) and not math.isfinite(raw):
        return None, Reason.SENSOR, f"the device sent {raw} (0x{data.hex().upper()})"
    if register.exponent_at is None:
        return _judged(raw, register)
    if exponent is None:
        return None, Reason.CONFIG, f"the exponent at wire address {register.exponent_at} was not read"
    (power,) = struct.unpack("<h" if register.order in ("BADC", "DCBA") else ">h", exponent.to_bytes(2, "big"))
    if power == _NO_EXPONENT:
        return None, Reason.SENTINEL, f"exponent 0x8000 means not available (raw 0x{data.hex().upper()})"
    if power not in EXPONENTS:
        return None, Reason.CONFIG, f"exponent {power} does not lie in -10 to 10 (raw 0x{data.hex().upper()})"
    return _judged(raw * 10**power if power >= 0 else raw / 10**-power, register)


def encode(value: float | int | str | None, register: Register, exponent: int = 0) -> list[int]:
    """The registers that decode to `value`: the inverse of `decode`, for simulators and tests.

    A bit or a byte comes alone in its register: OR those that share one. `exponent` is the power of ten that the device
    keeps at `exponent_at`. None is the first declared sentinel, else NaN for floats. ValueError if the value does not
    fit the kind.
    """
    if register.table in BIT_TABLES:
        return [1 if value else 0]
    if register.kind == "string":
        data = str(value or "").encode().ljust(2 * register.words, b"\0")
        if len(data) != 2 * register.words:
            raise ValueError(f"{value!r} does not fit {register.words} registers")
        return _words(data, register)
    if value is None:
        return _words(_sentinel_bytes(register), register)
    if register.kind == "bit":
        return _words(struct.pack(">H", (1 if value else 0) << (register.bit or 0)), register)
    number = value if isinstance(value, int | float) else float(value)
    return _words(_packed(_unscaled(number, register, exponent), register), register)


def _bytes(words: Sequence[int], register: Register) -> bytes:
    """The value's own bytes, the most significant first, whatever order the device uses."""
    if register.order in ("CDAB", "DCBA") and register.kind != "string":
        words = words[::-1]
    form = "<" if register.order in ("BADC", "DCBA") else ">"
    data = struct.pack(f"{form}{len(words)}H", *words)
    if register.kind.endswith("_high"):
        return data[:1]
    return data[1:] if register.kind.endswith("_low") else data


def _words(data: bytes, register: Register) -> list[int]:
    if len(data) == 1:
        data = data + b"\0" if register.kind.endswith("_high") else b"\0" + data
    form = "<" if register.order in ("BADC", "DCBA") else ">"
    words = list(struct.unpack(f"{form}{len(data) // 2}H", data))
    return words[::-1] if register.order in ("CDAB", "DCBA") and register.kind != "string" else words


def _text(data: bytes) -> Decoded:
    """Text without the zero bytes that fill its registers; foreign text is cleaned where it is shown, not here."""
    try:
        return data.rstrip(b"\0").decode(), Reason.OK, ""
    except UnicodeDecodeError:
        return None, Reason.CONFIG, f"not UTF-8 text: 0x{data[:32].hex().upper()}"


def _raw(data: bytes, register: Register) -> int | float | None:
    """The number that the bytes are; None for BCD with a digit above 9."""
    if register.kind.startswith("bcd"):
        digits = data.hex()
        return int(digits) if digits.isdecimal() else None
    (raw,) = struct.unpack(f">{FORMATS.get(register.kind, 'H')}", data)
    number: int | float = raw
    return number


def _is_sentinel(raw: int | float | None, data: bytes, register: Register) -> bool:
    """Manuals write the sentinel of an i16 as 0x8000 and that of a u16 as -1: the pattern counts, however it is read.

    Digits of BCD are compared as the number they say; only where they say none the pattern counts.
    """
    if isinstance(raw, float):
        return any(
            math.isnan(raw) if math.isnan(one) else _float_bytes(one, register) == data for one in register.sentinels
        )
    pattern = int.from_bytes(data, "big")
    number = pattern if raw is None else raw
    meant = (number,) if register.kind.startswith("bcd") else (number, pattern, pattern - 2 ** (8 * len(data)))
    # an int is compared exactly; a float cannot hold 2**64 - 1, so there the nearest float has to do
    return any(one in (meant if isinstance(one, int) else tuple(map(float, meant))) for one in register.sentinels)


def _sentinel_bytes(register: Register) -> bytes:
    size = struct.calcsize(FORMATS.get(register.kind, "H"))
    floating = register.kind in ("f16", "f32", "f64")
    if not register.sentinels and not floating:
        raise ValueError(f"{register.kind} at {register.address} has no declared sentinel")
    one = register.sentinels[0] if register.sentinels else math.nan
    if floating:
        return _packed(one, register)
    if register.kind.startswith("bcd") and 0 <= one < 10 ** (2 * size):
        return _packed(int(one), register)
    patterns: int = 1 << 8 * size
    # min: the float nearest to 2**64 - 1 is one too many
    return min(int(one) if one >= 0 else int(one) + patterns, patterns - 1).to_bytes(size, "big")


def _float_bytes(one: float, register: Register) -> bytes:
    """A sentinel as the register would hold it; nothing where it is too large for that."""
    try:
        return _packed(one, register)
    except ValueError:
        return b""


def _packed(raw: int | float, register: Register) -> bytes:
    form = FORMATS.get(register.kind, "H")
    if register.kind.startswith("bcd"):
        digits = f"{raw:0{2 * struct.calcsize(form)}d}"
        if not digits.isdecimal() or len(digits) > 2 * struct.calcsize(form):
            raise ValueError(f"{raw!r} does not fit {register.kind}")
        return bytes.fromhex(digits)
    try:
        packed: bytes = struct.pack(f">{form}", raw)
        return packed
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{raw!r} does not fit: {error}") from None


def _judged(raw: int | float, register: Register) -> Decoded:
    """The value in the tag's unit, and what the current says where the register is a loop's."""
    value, reasons, detail = _scaled(raw, register)
    if register.ma is None:
        return value, reasons, detail
    current = raw * register.ma
    failed_low, failed_high = MA_FAILED
    lowest, highest = MA_MEASURES
    if current <= failed_low + MA_HAIR or current >= failed_high - MA_HAIR:
        said = Reason.SENSOR, f"{current:g} mA: the sensor has failed (NAMUR NE 43)"
    elif current < lowest - MA_HAIR or current > highest + MA_HAIR:
        said = Reason.SPEC, f"{current:g} mA: outside {lowest:g} to {highest:g} mA (NAMUR NE 43)"
    else:
        return value, reasons, detail
    return value, reasons | said[0], f"{detail}; {said[1]}" if detail else said[1]


def _scaled(raw: int | float, register: Register) -> Decoded:
    scale, offset = register.scale, register.offset + 0.0  # an offset of -0.0 is none
    if scale == 1 and offset == 0:
        value = raw
    elif isinstance(raw, int) and float(scale).is_integer() and float(offset).is_integer():
        value = raw * int(scale) + int(offset)
    else:
        value = raw * scale + offset
    if not abs(value) <= sys.float_info.max:  # nor a NaN, nor a whole number that no float64 comes near
        return None, Reason.CONFIG, f"{raw!r} times {scale} plus {offset} is no number"
    return value, Reason.OK, ""


def _unscaled(value: int | float, register: Register, exponent: int) -> int | float:
    scale, offset, whole = register.scale, register.offset, register.kind in WHOLE
    if isinstance(value, int) and float(scale).is_integer() and float(offset).is_integer() and whole:
        number = (value - int(offset)) // int(scale)
        return number // int(10**exponent) if exponent >= 0 else number * int(10**-exponent)
    raw = value if scale == 1 and offset == 0 else (value - offset) / scale
    if exponent:
        raw = raw / 10**exponent if exponent > 0 else raw * 10**-exponent
    return round(raw) if whole else raw
