"""Block reads: what one request may touch, and how a refused one is cut."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.blocks import Block, Forbidden, halves, lines, of_other_length, plan, told
from drivers.errors import ConfigError
from drivers.record import Node, Tag
from drivers.registers import length
from tests.drivers.servers import tag

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "value.json").read_text())["plan"]

PUMP1 = [  # the rows of tests/golden/config/sources/pump1.toml
    tag(0, "u16", 0, scale=0.1, sentinels=(65535.0,)),
    tag(1, "bit", 1, bit=0),
    tag(2, "bit", 1, bit=7),
    tag(3, "f32", 16),
]


def ranges(blocks):
    return [(block.device_id, block.table, block.address, block.count) for block in blocks]


def test_the_golden_source_is_one_request():
    (block,) = plan(PUMP1, max_gap=16, max_words=125)
    assert (block.words, block.address, len(block.tags)) == (GOLDEN["words"], GOLDEN["first"], GOLDEN["tags"])
    assert told([block]) == "1 request touching 18 words for 4 tags"
    assert lines([block]) == ["device 1, holding, wire 0 to 17: p.t0 at 0, p.t1 at 1, p.t2 at 1, p.t3 at 16"]


def test_a_smaller_gap_makes_two_requests():
    assert ranges(plan(PUMP1, max_gap=13, max_words=125)) == [(1, "holding", 0, 2), (1, "holding", 16, 2)]
    assert ranges(plan(PUMP1, max_gap=14, max_words=125)) == [(1, "holding", 0, 18)]


def test_tables_and_devices_never_share_a_request():
    tags = [tag(0), tag(1, table="input"), tag(2, device_id=2), tag(3, "bit", table="coil"), tag(4, address=1)]
    assert ranges(plan(tags, max_gap=16, max_words=125)) == [
        (1, "coil", 0, 1), (1, "holding", 0, 2), (1, "input", 0, 1), (2, "holding", 0, 1),
    ]  # fmt: skip


def test_a_request_ends_before_a_value_that_does_not_fit():
    tags = [tag(0, "u16", 0), tag(1, "f64", 2), tag(2, "u16", 6)]
    assert ranges(plan(tags, max_gap=16, max_words=5)) == [(1, "holding", 0, 1), (1, "holding", 2, 5)]


def test_a_value_and_its_exponent_come_in_one_request():
    apart = [tag(0, address=10, exponent_at=40), tag(1, address=11, exponent_at=40), tag(2, address=80)]
    planned = plan(apart, max_gap=4, max_words=125)
    assert ranges(planned) == [(1, "holding", 10, 31), (1, "holding", 80, 1)]
    assert lines(planned)[0].endswith("p.t0 at 10, p.t1 at 11")
    assert ranges(plan([tag(0, address=10, exponent_at=4)], max_gap=4, max_words=125)) == [(1, "holding", 4, 7)]
    for limits in ({"max_words": 30}, {"max_words": 125, "forbidden": [Forbidden(1, "holding", 20, 20)]}):
        with pytest.raises(ConfigError):
            plan(apart, max_gap=4, **limits)


def test_a_gap_never_crosses_a_forbidden_address():
    tags = [tag(0, address=0), tag(1, address=3), tag(2, address=5)]
    forbidden = [Forbidden(1, "holding", 1, 1), Forbidden(2, "holding", 4, 4), Forbidden(1, "input", 4, 4)]
    assert ranges(plan(tags, max_gap=16, max_words=125, forbidden=forbidden)) == [
        (1, "holding", 0, 1), (1, "holding", 3, 3),
    ]  # fmt: skip


def test_a_tag_on_a_forbidden_address_is_a_contradiction():
    with pytest.raises(ConfigError, match=r"p.t0: wire address 4 is declared forbidden"):
        plan([tag(0, "u32", 4)], max_gap=16, max_words=125, forbidden=[Forbidden(1, "holding", 5, 5)])


def test_a_value_longer_than_a_request_may_be_is_refused():
    with pytest.raises(ConfigError, match="4 registers are more than max_words = 2"):
        plan([tag(0, "f64")], max_gap=0, max_words=2)


def test_a_tag_of_another_protocol_is_refused():
    with pytest.raises(ConfigError, match="has no register"):
        plan([Tag(0, "p.x", "p", "flow", "m3/h", "s", Node("i=1"))], max_gap=0, max_words=125)


def test_coils_count_sixteen_to_the_word():
    tags = [tag(n, "bit", address, table="coil") for n, address in enumerate((0, 40, 700))]
    blocks = plan(tags, max_gap=16, max_words=125)
    assert ranges(blocks) == [(1, "coil", 0, 41), (1, "coil", 700, 1)]
    assert told(blocks) == "2 requests touching 4 words for 3 tags"


def test_bits_of_one_register_are_never_cut_apart():
    assert halves(Block(1, "holding", 1, 1, (PUMP1[1], PUMP1[2]))) is None


TAGS = st.lists(
    st.builds(
        lambda *row: row,
        st.sampled_from(["u16", "i32", "f64", "bit"]), st.integers(0, 400), st.integers(1, 2),
        st.sampled_from(["holding", "input", "coil"]), st.one_of(st.none(), st.integers(-12, 12)),
    ),
    max_size=40,
)  # fmt: skip


def made(rows):
    """Tags from rows; some have an exponent, some registers before or behind them."""
    tags = []
    for n, (kind, address, device_id, table, away) in enumerate(rows):
        if table == "coil":
            kind, away = "bit", None
        exponent_at = None if away is None or kind == "bit" else max(address + away, 0)
        tags.append(tag(n, kind, address, device_id=device_id, table=table, bit=0, exponent_at=exponent_at))
    return tags


def span(one):
    """All that belongs to a value: from the lower of its own and its exponent's addresses to the end of the higher."""
    where = one.where
    first, end = where.address, where.address + length(where)
    if where.exponent_at is not None:
        first, end = min(first, where.exponent_at), max(end, where.exponent_at + 1)
    return first, end


def whole(block, one):
    first, end = span(one)
    inside = block.address <= first and end <= block.address + block.count
    return inside and (one.where.device_id, one.where.table) == (block.device_id, block.table)


@given(
    rows=TAGS,
    max_gap=st.integers(0, 20),
    max_words=st.integers(17, 125),
    hole=st.integers(0, 400),
    single=st.booleans(),
)
def test_whatever_the_tags_every_one_is_read_whole_once_within_the_limits(rows, max_gap, max_words, hole, single):
    forbidden = [Forbidden(1, "holding", hole, hole + 2)]
    tags = [
        one
        for one in made(rows)
        if (one.where.device_id, one.where.table) != (1, "holding") or span(one)[1] <= hole or span(one)[0] > hole + 2
    ]
    blocks = plan(tags, max_gap=max_gap, max_words=max_words, forbidden=forbidden, one_per_tag=single)
    assert sorted(one.number for block in blocks for one in block.tags) == [one.number for one in tags]
    for block in blocks:
        assert block.words <= max_words
        assert all(whole(block, one) for one in block.tags)
        if single:
            assert {span(one) for one in block.tags} == {(block.address, block.address + block.count)}
        if (block.device_id, block.table) == (1, "holding"):
            assert block.address + block.count <= hole or block.address > hole + 2
        used = {address for one in block.tags for address in range(*span(one))}
        idle = 0
        for address in range(block.address, block.address + block.count):
            idle = 0 if address in used else idle + 1
            assert idle <= max_gap * (16 if block.table == "coil" else 1)


@given(count=st.integers(1, 125), address=st.integers(0, 65_411), table=st.sampled_from(["holding", "coil"]))
def test_a_question_of_another_length_lies_at_the_same_place_and_is_answered_in_other_bytes(count, address, table):
    unit = 8 if table == "coil" else 1
    block = Block(1, table, address, count, ())
    others = of_other_length(block)
    assert others or (count == 1 and address == 65_535)
    for other in others:
        assert -(-other.count // unit) != -(-count // unit)
        assert other.address == address
        assert other.count < count + 2 * unit
        assert other.words <= 125


@given(rows=TAGS)
def test_halving_ends_at_single_values_and_touches_nothing_new(rows):
    open_blocks = plan(made(rows), max_gap=16, max_words=125)
    leaves = []
    while open_blocks:
        block = open_blocks.pop()
        parts = halves(block)
        if parts is None:
            leaves.append(block)
            continue
        assert {one.number for part in parts for one in part.tags} == {one.number for one in block.tags}
        for part in parts:
            assert block.address <= part.address
            assert part.address + part.count <= block.address + block.count
            assert len(part.tags) < len(block.tags)
            assert all(whole(part, one) for one in part.tags)
        open_blocks.extend(parts)
    assert len({one.number for leaf in leaves for one in leaf.tags}) == len(rows)
    assert all(len({span(one) for one in leaf.tags}) == 1 for leaf in leaves)
