"""Guessing at registers: the right reading is always among those shown, and one is suggested only if it is alone."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.plausible import (
    BESIDE,
    KINDS,
    MAGNITUDES,
    RARE,
    candidates,
    is_likely,
    most_frequent,
    readings,
    rivals,
    suggested,
)
from drivers.record import Register
from drivers.registers import ORDERS, WORDS, encode

WORD = st.integers(0, 0xFFFF)


def words_at(address, value, kind, order):
    register = Register(1, "holding", address, kind, order)
    return {address + n: word for n, word in enumerate(encode(value, register))}


@given(
    value=st.floats(45, 55, width=32), order=st.sampled_from(ORDERS), address=st.integers(0, 65_000),
    noise=st.lists(WORD, min_size=4, max_size=4),
)  # fmt: skip
def test_the_right_reading_is_always_among_the_candidates(value, order, address, noise):
    words = dict(enumerate(noise, address + 2)) | words_at(address, value, "f32", order)
    found = candidates([words] * 3, MAGNITUDES["Hz"])
    assert any((one.address, one.kind, one.order, one.values[0]) == (address, "f32", order, value) for one in found)


@given(reads=st.lists(st.dictionaries(st.integers(0, 9), WORD, max_size=10), min_size=1, max_size=3))
def test_any_registers_can_be_looked_at_and_a_suggestion_fits_on_every_read_and_stands_alone(reads):
    for words in reads:
        for one in readings(words):
            assert not math.isnan(one.value)
            assert isinstance(is_likely(one), bool)
    found = candidates(reads, [(45, 55)])
    chosen = suggested(found, range(10))
    for one in chosen:
        assert all(45 <= value <= 55 for value in one.values)
        assert len(one.values) == len(reads)
        others = [other for other in found if other is not one and set(one.words) & set(other.words)]
        assert all(other.scale != 1 and one.scale == 1 for other in others)


@given(words=st.dictionaries(st.integers(0, 9), WORD, max_size=10))
def test_each_register_is_read_in_each_type_and_order_that_has_room(words):
    seen = [(one.address, one.kind, one.order) for one in readings(words)]
    assert len(seen) == len(set(seen))
    assert all(address + n in words for address, kind, _ in seen for n in range(WORDS[kind]))
    assert {kind for _, kind, _ in seen} <= {*KINDS, *RARE}
    assert {(address, "u16", "ABCD") for address in words} <= set(seen)


def test_the_order_of_words_is_told_by_a_voltage():
    words = {0: 0x8000, 1: 0x4366}  # 230.5 with exchanged words
    (one,) = suggested(candidates([words] * 3, MAGNITUDES["V"]), range(2))
    assert (one.address, one.kind, one.order, one.values) == (0, "f32", "CDAB", (230.5, 230.5, 230.5))


def test_between_neighbours_whose_halves_fit_too_none_is_suggested_but_the_most_frequent_is_told():
    words = {0: 0x8000, 1: 0x4366, 2: 0, 3: 0x4367}  # two voltages; the halves that meet in the middle are one as well
    found = candidates([words] * 3, MAGNITUDES["V"])
    assert [(one.address, one.order) for one in found] == [(0, "CDAB"), (1, "ABCD"), (2, "CDAB")]
    assert suggested(found, range(12)) == []
    assert most_frequent(found) == ("f32 CDAB", 2)


def test_two_readings_that_both_fit_are_shown_and_neither_is_suggested():
    words = {10: 0, 11: 4998}  # u32 of 49.98, or a u16 of the same behind an empty register
    found = candidates([words] * 3, MAGNITUDES["Hz"])
    assert {(one.address, one.kind) for one in found} >= {(10, "u32"), (11, "u16")}
    assert suggested(found, range(12)) == []


def test_a_value_that_leaves_the_range_on_one_read_is_no_candidate():
    reads = [{0: 4998}, {0: 5001}, {0: 9000}]
    assert candidates(reads, MAGNITUDES["Hz"]) == []
    (one,) = suggested(candidates(reads[:2], MAGNITUDES["Hz"]), range(1))
    assert (one.kind, one.scale, one.same) == ("u16", 0.01, ("i16 ABCD",))


def seen_of(words, asked):
    return {at: word for at, word in words.items() if asked.start - BESIDE <= at < asked.stop + BESIDE}


def test_a_range_one_register_off_suggests_nothing_and_names_the_rival():
    words = {}
    for n, volts in enumerate((231.4, 229.9, 230.6)):
        words |= words_at(70 + 2 * n, volts, "f32", "CDAB")
    off = range(71, 73)
    found = candidates([seen_of(words, off)] * 3, MAGNITUDES["V"])
    assert suggested(found, off) == []
    (wrong,) = (one for one in found if (one.address, one.order) == (71, "ABCD"))
    told = [(one.address, one.order, round(one.values[0], 2)) for one in rivals(wrong, found)]
    assert told[0] == (70, "CDAB", 231.4)
    exact = candidates([seen_of(words, off)] * 3, [(231.35, 231.45)])
    assert [(one.address, one.order) for one in exact] == [(70, "CDAB")]
    (right,) = suggested(exact, range(70, 72))
    assert right.order == "CDAB"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "count"), [("f32", 60), ("f64", 12)])
def test_between_neighbours_no_wrong_decoding_is_ever_suggested(kind, count, order):
    chance = random.Random(f"{kind} {order}")
    length, first = WORDS[kind], chance.randint(0, 60_000)
    volts = [chance.uniform(181, 259) for _ in range(count)]
    reads = []
    for _ in range(3):
        words = {}
        for n, value in enumerate(volts):
            words |= words_at(first + length * n, value + chance.uniform(-0.1, 0.1), kind, order)
        reads.append(words)
    true = 0
    for start in range(first, first + (count - 1) * length):
        asked = range(start, start + chance.randint(1, 5))
        near = volts[(start - first) // length]
        for sought in (MAGNITUDES["V"], [(near - 0.1, near + 0.1)]):  # what any mains has, and what the display shows
            for one in suggested(candidates([seen_of(words, asked) for words in reads], sought), asked):
                true += 1
                assert (one.kind, one.order, (one.address - first) % length) == (kind, order, 0), (one, asked)
    assert true


@given(
    volts=st.lists(st.floats(181, 259, width=32), min_size=1, max_size=5), order=st.sampled_from(ORDERS),
    start=st.integers(0, 9), size=st.integers(1, 8), noise=st.lists(WORD, min_size=8, max_size=8),
)  # fmt: skip
def test_whatever_lies_around_a_suggestion_over_true_values_is_true(volts, order, start, size, noise):
    words = dict(enumerate(noise[:4], 96)) | dict(enumerate(noise[4:], 100 + 2 * len(volts)))
    for n, value in enumerate(volts):
        words |= words_at(100 + 2 * n, value, "f32", order)
    first = 100 + start % (2 * len(volts))
    asked = range(first, min(first + size, 100 + 2 * len(volts)))
    for one in suggested(candidates([seen_of(words, asked)], MAGNITUDES["V"]), asked):
        assert (one.kind, one.order, one.address % 2) == ("f32", order, 0)


def test_what_fits_as_it_stands_beats_what_needs_a_scale_even_beside_it():
    found = candidates([{0: 230, 1: 41, 2: 7}] * 3, MAGNITUDES["V"])
    assert (1, "u32", 0.001) in {(one.address, one.kind, one.scale) for one in found}
    assert [(one.address, one.kind, one.scale) for one in suggested(found, range(3))] == [(0, "u16", 1.0)]


def test_one_register_with_a_scale_beats_two_with_one():
    found = candidates([{0: 2301, 1: 41, 2: 7}] * 3, MAGNITUDES["V"])
    assert [(one.address, one.kind, one.scale) for one in suggested(found, range(3))] == [(0, "u16", 0.1)]


def test_the_same_value_in_two_orders_or_two_lengths_is_not_one_thing():
    both = candidates([{0: 0x4367, 1: 0x4367}] * 3, MAGNITUDES["V"])
    assert suggested(both, range(2)) == []
    empty_beside = candidates([{0: 230, 1: 0}] * 3, MAGNITUDES["V"])
    assert suggested(empty_beside, range(2)) == []
