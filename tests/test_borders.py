"""The shapes that cross rooms, against their golden files: who changes one of these changes a contract."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import batch_of, quality_array
from drivers.record import (
    BAD_REASONS,
    UNCERTAIN_REASONS,
    Quality,
    Reason,
    Sample,
    quality_of,
    reasons_of,
)
from monitor.historian.arrays import joined, pack
from monitor.historian.frame import FrameError, unpack
from monitor.state import State, atomic_write, find_state
from monitor.words import (
    age_text,
    clean,
    interval_text,
    lived_text,
    number_text,
    parse_utc,
    quantity_text,
    utc_text,
)

GOLDEN = Path(__file__).parent / "golden"
VALUE = json.loads((GOLDEN / "value.json").read_text())

reasons = st.integers(0, 2**24 - 1).map(Reason)
samples = st.builds(
    Sample,
    tag=st.integers(0, 2**31 - 1),
    receive_us=st.just(5),
    value=st.one_of(st.floats(allow_nan=False), st.text(max_size=8), st.integers(-(2**62), 2**62)),
    reasons=reasons,
    source_us=st.one_of(st.none(), st.integers(0, 2**60)),
    detail=st.text(max_size=8),
)


def test_the_golden_value_makes_the_golden_frame_and_comes_back_exact():
    batch = batch_of("pump1", VALUE["receive_us"], [Sample(3, VALUE["receive_us"], VALUE["decoded"])])
    blob, crc = pack(joined([batch]))
    assert blob.hex() == VALUE["frame_hex"]
    frame = unpack(blob, crc)
    assert list(frame.rows()) == [(3, VALUE["receive_us"], -1, VALUE["decoded"], 0, 0)]


def test_a_sample_that_could_not_be_decoded_is_none_and_keeps_its_words():
    batch = batch_of(
        "s",
        7,
        [
            Sample(1, 7, None, Reason.COMMS, 6, "timeout after 1.0 s"),
            Sample(2, 7, "OFF"),
        ],
    )
    assert batch.row(0) == Sample(1, 7, None, Reason.COMMS, 6, "timeout after 1.0 s")
    assert batch.row(1).value == "OFF"
    assert list(batch.quality) == [2, 0]


def test_more_reasons_make_quality_worse_and_leave_the_value_alone():
    batch = batch_of("s", 7, [Sample(1, 7, 4.2), Sample(2, 7, 4.2, Reason.ESTIMATED)])
    worse = batch.with_reasons(np.array([Reason.STALE, Reason.SENTINEL]), {1: "0xFFFF"})
    assert list(worse.quality) == [1, 2]
    assert list(worse.value) == [4.2, 4.2]
    assert worse.row(1).reasons == Reason.SENTINEL | Reason.ESTIMATED
    assert worse.detail == {1: "0xFFFF"}


@given(reasons)
def test_quality_follows_from_reasons_and_worst_wins(one):
    expected = Quality.BAD if one & BAD_REASONS else Quality.UNCERTAIN if one & UNCERTAIN_REASONS else Quality.GOOD
    assert quality_of(one) == expected == quality_array(np.array([one], np.uint32))[0]
    assert reasons_of([word for word in one.words if word != "ok"]) == one


@given(st.lists(st.lists(samples, max_size=5), min_size=1, max_size=4))
def test_any_batches_survive_the_frame(parts):
    batches = [batch_of("s", 100 + index, part) for index, part in enumerate(parts)]
    frame = unpack(*pack(joined(batches)))
    row = 0
    for batch in batches:
        for index in range(len(batch)):
            assert frame.tag[row] == batch.tag[index]
            assert frame.receive_us[row] == batch.receive_us
            assert frame.source_us[row] == batch.source_us[index]
            same = frame.value[row] == batch.value[index] or math.isnan(frame.value[row])
            assert same
            assert (frame.reasons[row], frame.quality[row]) == (
                batch.reasons[index],
                batch.quality[index],
            )
            assert frame.exact.get(row) == batch.exact.get(index)
            assert frame.detail.get(row) == batch.detail.get(index)
            row += 1
    assert row == len(frame)


@given(st.data())
def test_a_damaged_frame_is_refused_and_never_believed(data):
    samples = [Sample(1, 1, 2.0), Sample(2, 1, None, Reason.COMMS, None, "no answer")]
    blob, crc = pack(joined([batch_of("s", 1, samples)]))
    at = data.draw(st.integers(0, len(blob) - 1))
    damaged = blob[:at] + bytes([blob[at] ^ data.draw(st.integers(1, 255))]) + blob[at + 1 :]
    with pytest.raises(FrameError):
        unpack(damaged, crc)


@given(st.binary(max_size=200))
def test_rubbish_is_not_a_frame(rubbish):
    with pytest.raises(FrameError):
        unpack(rubbish)


def test_an_atomic_write_leaves_either_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "status.json"
    atomic_write(path, "old")
    with pytest.raises(TypeError):
        atomic_write(path, 42)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    atomic_write(path, b"new", sync=False)
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_state_is_where_the_command_line_says_and_is_made_whole(tmp_path):
    state = find_state(tmp_path / "state", "/elsewhere").make()
    assert state.root == tmp_path / "state"
    assert all(folder.is_dir() for folder in (state.history, state.inbox, state.journal, state.binder))
    assert state.status == tmp_path / "state/manual/status.json"
    with pytest.raises(Exception, match="socket path"):
        _ = State(tmp_path / ("x" * 120)).socket


def test_numbers_are_rounded_on_the_screen_only_and_carry_their_unit():
    assert quantity_text(VALUE["decoded"], "bar") == VALUE["shown"]
    assert quantity_text(None, "bar") == "-"
    assert quantity_text(-1e308, "bar") == "-1.00e+308 bar"
    assert (quantity_text("AUTO", "1"), quantity_text("", "1")) == ("AUTO", "-")
    assert [number_text(x) for x in (214.4, 0.0601, 0.0, -3.14159, 1e9)] == [
        "214",
        "0.0601",
        "0.00",
        "-3.14",
        "1000000000",
    ]
    assert interval_text(0.71, 0.5, 0.88) == "0.71 [0.50, 0.88]"
    assert interval_text(0.71, 0.5, math.inf) == "0.71 [0.50, open]"
    assert (lived_text(124, "run h"), lived_text(124, "d")) == ("124 run h", "124 d")


def test_ages_read_at_a_glance():
    assert [age_text(s) for s in (0.9, 94, 2460, 18_000, 1_900_800, None)] == [
        "0s",
        "94s",
        "41m",
        "5h",
        "22d",
        "?",
    ]


def test_times_are_utc_with_milliseconds_and_a_naive_time_is_refused():
    assert utc_text(VALUE["receive_us"]) == "2026-11-23T13:22:05.800Z"
    assert parse_utc("2026-11-23T14:22:05.800+01:00") == VALUE["receive_us"]
    with pytest.raises(ValueError, match="time zone"):
        parse_utc("2026-11-23T14:22:05")


@given(st.text())
def test_cleaned_text_is_one_line_without_any_control_character(text):
    shown = clean(text)
    assert len(shown) <= 200
    assert all(character.isprintable() for character in shown)


def test_escape_sequences_of_a_vendor_never_reach_the_terminal():
    assert clean("\x1b[2Jbearing\u202e\x07 due\n") == "·[2Jbearing·· due"
