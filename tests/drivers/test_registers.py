"""Words to values and back, against the vectors of field practice and against chance."""

import json
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.record import Reason, Register
from drivers.registers import KINDS, ORDERS, decode, encode, fault, length, span

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "value.json").read_text())


def register(kind, order="ABCD", **more):
    return Register(1, more.pop("table", "holding"), more.pop("address", 0), kind, order, **more)


VECTORS = [
    (230.5, "f32", "4366 8000", "8000 4366", "6643 0080", "0080 6643"),
    (123456789, "u32", "075B CD15", "CD15 075B", "5B07 15CD", "15CD 5B07"),
    (-12345, "i32", "FFFF CFC7", "CFC7 FFFF", "FFFF C7CF", "C7CF FFFF"),
    (
        9876543210.5, "f64",
        "4202 6580 B754 0000", "0000 B754 6580 4202", "0242 8065 54B7 0000", "0000 54B7 8065 0242",
    ),
]  # fmt: skip
CASES = [
    pytest.param(value, kind, order, [int(word, 16) for word in text.split()], id=f"{kind}-{order}")
    for value, kind, *texts in VECTORS
    for order, text in zip(ORDERS, texts, strict=True)
]


@pytest.mark.parametrize(("value", "kind", "order", "words"), CASES)
def test_the_known_vectors_decode_and_encode(value, kind, order, words):
    assert decode(words, register(kind, order)) == (value, Reason.OK, "")
    assert encode(value, register(kind, order)) == words


def test_the_golden_value_decodes_as_written():
    assert decode(GOLDEN["words_at_16"], register("f32", address=16)) == (GOLDEN["decoded"], Reason.OK, "")
    assert GOLDEN["words_at_16"] == [0x4086, 0x6666]


LIMITS = {f"{sign}{bits}": (bits, sign) for bits in (16, 32, 64) for sign in "ui"}
BYTES = {f"{sign}8_{half}": (8, sign) for sign in "ui" for half in ("high", "low")}
FIELDS = {"bits16": (16, "u"), "bits32": (32, "u")}
FLOATS = {"f16": 16, "f32": 32, "f64": 64}


def values_of(kind):
    if kind == "bit":
        return st.integers(0, 1)
    if kind == "string":
        return st.text(max_size=6).filter(lambda text: len(text.encode()) <= 12 and not text.endswith("\0"))
    if kind in FLOATS:
        return st.floats(allow_nan=False, allow_infinity=False, width=FLOATS[kind])
    if kind.startswith("bcd"):
        return st.integers(0, 10 ** (int(kind[3:]) // 4) - 1)
    bits, sign = {**LIMITS, **BYTES, **FIELDS}[kind]
    return st.integers(0, 2**bits - 1) if sign == "u" else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_kind_survives_every_order(kind, order, data):
    where = register(kind, order, words=6, bit=data.draw(st.integers(0, 15)) if kind == "bit" else None)
    value = data.draw(values_of(kind))
    words = encode(value, where)
    assert len(words) == length(where)
    assert decode(words, where) == (value, Reason.OK, "")
    assert type(decode(words, where)[0]) is type(value)


@pytest.mark.parametrize("kind", sorted(LIMITS))
@given(
    data=st.data(), scale=st.sampled_from([0.1, 0.001, -0.5, 10.0, 3.7]), offset=st.sampled_from([0.0, -273.15, 4.0])
)
def test_a_scaled_integer_comes_back_to_the_same_raw_words(kind, data, scale, offset):
    raw = data.draw(st.integers(-30_000, 30_000) if kind[0] == "i" else st.integers(0, 60_000))
    where = register(kind, scale=scale, offset=offset)
    words = encode(raw, register(kind))
    value, reasons, _ = decode(words, where)
    assert reasons == Reason.OK
    assert value == pytest.approx(raw * scale + offset)
    assert encode(value, where) == words


def test_integers_beyond_2_to_the_53_stay_exact():
    big = 2**63 + 1
    words = encode(big, register("u64"))
    assert decode(words, register("u64"))[0] == big
    assert decode(words, register("u64", scale=10.0, offset=1.0))[0] == big * 10 + 1


@pytest.mark.parametrize(
    ("kind", "words", "sentinel", "pattern"),
    [
        ("u16", [0xFFFF], 0xFFFF, "0xFFFF"),
        ("u16", [0xFFFF], 65535.0, "0xFFFF"),
        ("i16", [0x8000], 0x8000, "0x8000"),
        ("i16", [0x8000], -32768.0, "0x8000"),
        ("u32", [0xFFFF, 0xFFFF], 0xFFFFFFFF, "0xFFFFFFFF"),
        ("i32", [0x8000, 0], 0x80000000, "0x80000000"),
        ("u64", [0xFFFF] * 4, 0xFFFFFFFFFFFFFFFF, "0xFFFFFFFFFFFFFFFF"),
        ("u64", [0xFFFF] * 4, float(0xFFFFFFFFFFFFFFFF), "0xFFFFFFFFFFFFFFFF"),
        ("i64", [0x8000, 0, 0, 0], float(-(2**63)), "0x8000000000000000"),
        ("u16", [0xFFFF], -1.0, "0xFFFF"),
        ("u32", [0xFFFF, 0xFFFF], -1, "0xFFFFFFFF"),
        ("u64", [0xFFFF] * 4, -1, "0xFFFFFFFFFFFFFFFF"),
        ("f32", [0x7FC0, 0], math.nan, "0x7FC00000"),
        ("f32", [0x7CF0, 0xBDC2], 1e37, "0x7CF0BDC2"),
        ("bit", [0xFFFF], 0xFFFF, "0xFFFF"),
    ],
)
def test_a_declared_sentinel_is_never_a_number(kind, words, sentinel, pattern):
    where = register(kind, sentinels=(sentinel,), bit=3 if kind == "bit" else None)
    assert decode(words, where) == (None, Reason.SENTINEL, f"{pattern} means not available")


@pytest.mark.parametrize("kind", ["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bit"])
def test_none_encodes_to_the_declared_sentinel(kind):
    size = struct.calcsize({"16": "H", "32": "I", "64": "Q", "it": "H"}[kind[-2:]]) * 8
    sentinel = math.nan if kind[0] == "f" else float(2**size - 1) if kind[0] in "ub" else -(2.0 ** (size - 1))
    where = register(kind, sentinels=(sentinel,), bit=0 if kind == "bit" else None)
    assert decode(encode(None, where), where)[1] == Reason.SENTINEL


def test_a_byte_shares_its_register_with_another():
    halves = {kind: decode([0xFE03], register(kind))[0] for kind in BYTES}
    assert halves == {"u8_high": 0xFE, "u8_low": 3, "i8_high": -2, "i8_low": 3}
    assert decode([0x03FE], register("i8_high", "BADC"))[0] == -2
    assert decode([0x00FF], register("u8_low", sentinels=(0xFF,))) == (
        None,
        Reason.SENTINEL,
        "0xFF means not available",
    )


def test_bcd_is_read_digit_by_digit():
    assert decode([0x0042], register("bcd16"))[0] == 42
    assert decode([0x1234, 0x5678], register("bcd32", scale=0.1))[0] == 12345678 * 0.1
    assert decode([0x5678, 0x1234], register("bcd32", "CDAB"))[0] == 12345678
    assert decode([0x9999] * 4, register("bcd64"))[0] == 9_999_999_999_999_999


def test_what_is_no_digit_makes_no_number_and_the_pattern_is_kept():
    assert decode([0x12A4], register("bcd16")) == (None, Reason.CONFIG, "0x12A4 is no BCD number")
    assert decode([0xFFFF], register("bcd16", sentinels=(0xFFFF,)))[1] == Reason.SENTINEL
    assert decode([0x9999], register("bcd16", sentinels=(9999,)))[1] == Reason.SENTINEL
    assert decode([0x1234], register("bcd16", sentinels=(0x1234,)))[0] == 1234  # the digits are what the manual means


def test_a_bit_field_is_its_whole_unsigned_number():
    assert decode([0x8001], register("bits16")) == (0x8001, Reason.OK, "")
    assert decode([0x0001, 0x8000], register("bits32", "CDAB"))[0] == 0x80000001


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        (0, Reason.SENSOR), (3600, Reason.SENSOR), (3601, Reason.SPEC), (3799, Reason.SPEC), (3800, Reason.OK),
        (4000, Reason.OK), (20500, Reason.OK), (20501, Reason.SPEC), (20999, Reason.SPEC), (21000, Reason.SENSOR),
        (22000, Reason.SENSOR),
    ],
)  # fmt: skip
def test_a_loop_is_judged_by_its_current_and_keeps_its_value(raw, reasons):
    where = register("u16", ma=0.001, scale=0.001 * 10 / 16, offset=-2.5)  # 0 to 10 bar over 4 to 20 mA
    value, found, detail = decode([raw], where)
    assert (value, found) == (raw * where.scale + where.offset, reasons)
    assert (f"{raw / 1000:g} mA" in detail and "NE 43" in detail) == (reasons != Reason.OK)


def scaled(exponent, raw=2305, kind="u16", **more):
    return decode(encode(raw, register(kind)), register(kind, exponent_at=9, **more), exponent & 0xFFFF)


@pytest.mark.parametrize(
    ("exponent", "value"), [(0, 2305), (1, 23050), (-1, 230.5), (-10, 2305e-10), (10, 23_050_000_000_000)]
)
def test_a_scale_factor_moves_the_decimal_point_and_nothing_else(exponent, value):
    assert scaled(exponent) == (value, Reason.OK, "")
    assert type(scaled(exponent)[0]) is type(value)


def test_mantissa_exponent_scale_and_offset_are_taken_in_this_order():
    assert scaled(-1, scale=2.0, offset=1.0)[0] == 462.0
    assert scaled(2, raw=2**62 + 1, kind="u64")[0] == (2**62 + 1) * 100


def test_an_exponent_that_is_not_there_or_absurd_makes_no_number():
    assert scaled(-0x8000) == (None, Reason.SENTINEL, "exponent 0x8000 means not available (raw 0x0901)")
    for exponent in (11, -11, 32767):
        assert scaled(exponent)[:2] == (None, Reason.CONFIG)
    value, reasons, detail = decode([1], register("u16", exponent_at=9))
    assert (value, reasons) == (None, Reason.CONFIG)
    assert "wire address 9 was not read" in detail
    assert scaled(-1, raw=0xFFFF, sentinels=(0xFFFF,))[1] == Reason.SENTINEL


def test_an_exponent_comes_in_the_byte_order_of_its_device():
    where = register("u16", "BADC", exponent_at=9)
    assert decode([0x0109], where, 0xFFFF)[0] == 0x0901 / 10
    assert decode([0x0109], where, 0x0100)[0] == 0x0901 * 10


@given(exponent=st.integers(-10, 10), data=st.data())
def test_a_number_with_an_exponent_comes_back_to_its_raw_words(exponent, data):
    kind = data.draw(st.sampled_from(["u16", "i16", "u32", "i32"]))
    raw = data.draw(values_of(kind))
    where = register(kind, exponent_at=9)
    value, _, _ = decode(encode(raw, register(kind)), where, exponent & 0xFFFF)
    assert encode(value, where, exponent) == encode(raw, register(kind))


def test_one_request_covers_the_value_and_its_exponent():
    assert span(register("u32", address=10)) == (10, 12)
    assert span(register("u32", address=10, exponent_at=20)) == (10, 21)
    assert span(register("u32", address=10, exponent_at=4)) == (4, 12)


def test_all_ones_is_a_number_where_nothing_else_was_declared():
    assert decode([0xFFFF], register("u16")) == (65535, Reason.OK, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [([0x7FC0, 0], "nan"), ([0x7F80, 0], "inf"), ([0xFF80, 0], "-inf")],
)
def test_what_is_no_number_is_bad_and_says_what_was_sent(words, said):
    value, reasons, detail = decode(words, register("f32"))
    assert (value, reasons) == (None, Reason.SENSOR)
    assert said in detail


def test_a_scale_that_overflows_is_a_fault_of_the_configuration():
    assert decode(encode(1e308, register("f64")), register("f64", scale=1e10))[:2] == (None, Reason.CONFIG)


def test_each_bit_of_a_register_is_read_from_its_own_place():
    assert [decode([0x0081], register("bit", bit=n))[0] for n in range(16)] == [1, 0, 0, 0, 0, 0, 0, 1] + [0] * 8
    assert decode([0x8000], register("bit", "BADC", bit=7))[0] == 1


def test_coils_are_single_bits():
    assert decode([1], register("bit", table="coil"))[0] == 1
    assert decode([0], register("bit", table="discrete"))[0] == 0


def test_text_loses_its_padding_and_nothing_else():
    words = [0x5031, 0x2000, 0]
    assert decode(words, register("string", words=3)) == ("P1 ", Reason.OK, "")
    assert decode(words, register("string", "CDAB", words=3))[0] == "P1 "
    assert decode([0x3150], register("string", "DCBA", words=1))[0] == "P1"
    assert decode([0xFFFF], register("string", words=1))[:2] == (None, Reason.CONFIG)


def test_too_few_registers_are_told_not_guessed():
    value, reasons, detail = decode([0x4086], register("f32"))
    assert (value, reasons) == (None, Reason.CONFIG)
    assert "needs 2 registers, got 1" in detail


@given(
    words=st.lists(st.integers(0, 65535), max_size=5), kind=st.sampled_from(KINDS), order=st.sampled_from(ORDERS),
    exponent=st.none() | st.integers(0, 65535), ma=st.sampled_from([None, 0.001]),
)  # fmt: skip
def test_no_words_whatever_raise_or_become_nan(words, kind, order, exponent, ma):
    where = register(kind, order, words=3, bit=1, exponent_at=exponent and 9, ma=ma, sentinels=(1e39, 7))
    value, reasons, detail = decode(words, where, exponent)
    assert value is not None or (reasons and detail)
    assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (register("f128"), "kind 'f128' is unknown"),
        (register("bits16", scale=0.1), "is no quantity"),
        (register("string", ma=0.001, words=2), "is no quantity"),
        (register("u16", ma=0.0), "makes no current"),
        (register("u32", address=8, exponent_at=9), "lies in the value itself"),
        (register("u16", exponent_at=65536), "wire address 65536"),
        (register("u16", exponent_at=125), "126 registers away"),
        (register("f16", sentinels=(1e9,)), "sentinel 1000000000.0"),
        (register("u16", sentinels=(70_000,)), "sentinel 70000"),
        (register("u16", "ACBD"), "order 'ACBD' is unknown"),
        (register("u16", table="coils"), "table 'coils' is unknown"),
        (register("u16", table="coil"), "single bits"),
        (register("bit"), "bit None is not one of 0 to 15"),
        (register("string", words=126), "126 registers"),
        (register("u32", address=65535), "65535"),
        (register("u16", address=-1), "-1"),
        (register("u16", scale=0.0), "makes no number"),
        (Register(256, "holding", 0, "u16"), "device id 256"),
    ],
)
def test_an_impossible_register_is_named(where, said):
    assert said in fault(where)


def test_a_possible_register_has_no_fault():
    assert fault(register("bit", bit=15)) == fault(register("string", words=8)) == ""
    assert fault(register("f32", sentinels=(math.nan, 1e37))) == fault(register("i16", sentinels=(0x8000, -1))) == ""
    assert fault(register("u16", exponent_at=124)) == fault(register("u64", sentinels=(float(2**64 - 1),))) == ""


@pytest.mark.parametrize(
    ("value", "kind"), [(70_000, "u16"), (-1, "u32"), (1e39, "f32"), (None, "u16"), (10_000, "bcd16"), (-1, "bcd16")]
)
def test_a_value_that_does_not_fit_is_refused_by_the_encoder(value, kind):
    with pytest.raises(ValueError):
        encode(value, register(kind))


def test_text_that_does_not_fit_is_refused_by_the_encoder():
    with pytest.raises(ValueError):
        encode("too long", register("string", words=2))
