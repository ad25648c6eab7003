"""Compiled decoding says bit for bit what the scalar reference says."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.blocks import plan
from drivers.decoder import Group
from drivers.record import Reason, Register, Sample
from drivers.registers import BIT_TABLES, FORMATS, KINDS, ORDERS, decode, encode, fault, length
from tests.drivers.servers import tag

NUMBERS = ("u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64")
SCALES = [(1.0, 0.0)] * 4 + [(0.1, 0.0), (-0.5, -0.0), (10.0, 1.0), (-1.0, 0.0), (0.001, -273.15), (1e300, 0.0)]
SENTINELS = [(), (), (0xFFFF,), (0x8000, -1), (0.0,), (math.nan, 1e37), (float(2**64 - 1), 0x80000000, 7)]


@st.composite
def registers_(draw, at):
    if draw(st.integers(0, 9)) == 0:
        return Register(1, draw(st.sampled_from(BIT_TABLES)), at, "bit")
    kind = draw(st.sampled_from(KINDS))
    more = {"order": draw(st.sampled_from(ORDERS)), "words": 3, "bit": draw(st.integers(0, 15))}
    if kind in FORMATS and not kind.startswith("bits"):
        more["scale"], more["offset"] = draw(st.sampled_from(SCALES))
        more["exponent_at"] = draw(st.sampled_from([None, None, None, at + 5]))
        more["ma"] = draw(st.sampled_from([None, None, 0.001, 0.4]))
    more["sentinels"] = draw(st.sampled_from(SENTINELS))
    where = Register(1, "holding", at, kind, **more)
    if "sentinel" in fault(where):
        where = Register(1, "holding", at, kind, **(more | {"sentinels": ()}))
    assert fault(where) == ""
    return where


# chance alone would hardly ever meet the patterns that matter
WORD = st.sampled_from([0, 0, 1, 0x7FC0, 0x7F80, 0xFF80, 0x8000, 0xFFFF, 0xFFFF, 0x0020, 0x7FF0, 0x1234, 3700, 21000])
WORDS = st.lists(st.one_of(WORD, st.integers(0, 65535)), min_size=240, max_size=240)


def answers(blocks, words):
    """What a device with these registers sends; its coils are the lowest bits of them."""
    for block in blocks:
        here = words[block.address : block.address + block.count]
        if block.table in BIT_TABLES:
            packed = sum((word & 1) << at for at, word in enumerate(here))
            yield block, packed.to_bytes(-(-block.count // 8), "little")
        else:
            yield block, struct.pack(f">{block.count}H", *here)


def by_reference(tags, words):
    samples = []
    for one in tags:
        where = one.where
        exponent = None if where.exponent_at is None else words[where.exponent_at]
        value, reasons, detail = decode(words[where.address : where.address + length(where)], where, exponent)
        samples.append(Sample(one.number, 5, value, reasons | (Reason.ESTIMATED if one.estimated else 0), None, detail))
    return batch_of("line", 5, samples)


def compiled(tags, words, **limits):
    group = Group("line", tags)
    rows = group.begin()
    for block, payload in answers(plan(tags, **{"max_gap": 16, "max_words": 125, **limits}), words):
        group.compile(block).decode(payload, rows)
    return group.batch(rows, 5)


def same(one, other):
    assert one.value.tobytes() == other.value.tobytes()  # to the last bit, signs of zero and NaN too
    for column in ("tag", "source_us", "quality", "reasons"):
        left, right = getattr(one, column), getattr(other, column)
        assert left.dtype == right.dtype
        assert left.tolist() == right.tolist()
    assert (one.source, one.receive_us, one.exact, one.detail) == (
        other.source, other.receive_us, other.exact, other.detail,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data(), words=WORDS)
def test_a_compiled_block_says_what_the_reference_says(data, words):
    wheres = [data.draw(registers_(6 * at)) for at in range(data.draw(st.integers(1, 30)))]
    tags = [
        tag(number, where.kind, where.address, table=where.table, estimated=number % 3 == 0, order=where.order,
            scale=where.scale, offset=where.offset, bit=where.bit, words=where.words, sentinels=where.sentinels,
            exponent_at=where.exponent_at, ma=where.ma)
        for number, where in enumerate(wheres)
    ]  # fmt: skip
    tags = data.draw(st.permutations(tags))
    same(compiled(tags, words), by_reference(tags, words))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", NUMBERS)
def test_a_column_of_one_kind_says_what_the_reference_says(kind, order):
    words = np.random.default_rng(5).integers(0, 65536, 240).tolist()
    width = length(Register(1, "holding", 0, kind))
    tags = [tag(number, kind, number * width, order=order) for number in range(200 // width)]
    same(compiled(tags, words), by_reference(tags, words))


@pytest.mark.parametrize("order", ORDERS)
def test_orders_and_types_against_the_bytes_on_the_wire(order):
    """The case of all four byte orders by integers and floats of every width, each at an address of its own."""
    wanted = {"i16": -12345, "i32": -12345, "i64": -(2**62) - 1, "u64": 2**64 - 2, "f32": 230.5, "f64": 9876543210.5}
    tags = [tag(number, kind, 10 * number, order=order) for number, kind in enumerate(wanted)]
    words = [0] * 240
    for one, value in zip(tags, wanted.values(), strict=True):
        words[one.where.address : one.where.address + length(one.where)] = encode(value, one.where)
    batch = compiled(tags, words)
    assert batch.value.tolist() == [float(value) for value in wanted.values()]
    assert batch.exact == {2: str(-(2**62) - 1), 3: str(2**64 - 2)}
    assert batch.quality.tolist() == [0] * 6


def test_what_a_block_was_refused_for_is_told_for_each_of_its_tags():
    tags = [tag(0, estimated=True), tag(1, address=1), tag(2, address=100)]
    group = Group("line", tags)
    near, far = plan(tags, max_gap=1, max_words=125)
    rows = group.begin()
    group.compile(near).refuse(Reason.EXCEPTION, "exception 2", rows)
    group.compile(far).decode(b"\x00\x07", rows)
    batch = group.batch(rows, 9)
    assert [sample.value for sample in batch.rows()] == [None, None, 7.0]
    assert batch.reasons.tolist() == [Reason.EXCEPTION | Reason.ESTIMATED, Reason.EXCEPTION, 0]
    assert batch.detail == {0: "exception 2", 1: "exception 2"}
    assert batch.quality.tolist() == [2, 2, 0]


def test_two_polls_share_nothing_that_can_change():
    tags = [tag(0, "f32")]
    group, words = Group("line", tags), encode(4.5, Register(1, "holding", 0, "f32"))
    columns, batches = group.compile(plan(tags, max_gap=1, max_words=125)[0]), []
    for _ in range(2):
        rows = group.begin()
        columns.decode(struct.pack(">2H", *words), rows)
        batches.append(group.batch(rows, 1))
    batches[0].value[0] = 9.0
    batches[0].detail[0] = "hot"
    assert (batches[1].value[0], batches[1].detail) == (4.5, {})
    for shared in (batches[0].tag, batches[0].reasons, batches[0].quality, batches[0].source_us):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 1


def test_an_answer_of_another_length_is_never_decoded():
    tags = [tag(0, "f32")]
    group = Group("line", tags)
    with pytest.raises(ValueError, match="no answer"):
        group.compile(plan(tags, max_gap=1, max_words=125)[0]).decode(b"\0" * 6, group.begin())
