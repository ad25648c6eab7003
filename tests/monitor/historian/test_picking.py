"""Some tags out of many frames: the same as frame by frame, however the frames lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.historian.arrays import Columns, columns, pack
from monitor.historian.picking import picked

NAMES = ("tag", "receive_us", "source_us", "value", "reasons", "quality")


def frame(n: int, tags: list[int], seed: int, texts: bool) -> tuple[int, int, int, bytes]:
    rng = np.random.default_rng(seed)
    rows, receive_us = len(tags), np.sort(rng.integers(10**15, 10**15 + 4, len(tags)))
    source_us = rng.choice([-1, 10**15 - 5, 10**15 - 10**12], rows) if seed % 3 else np.full(rows, -1)
    told = {row: f"text {n} {row}" for row in range(0, rows, 2)} if texts else {}
    one = Columns(
        np.array(tags), receive_us, source_us, rng.choice([1.5, np.nan, -0.0, 7.0], rows),
        rng.integers(0, 3, rows), rng.integers(0, 2, rows), told, {row: word.upper() for row, word in told.items()},
    )  # fmt: skip
    blob, crc = pack(one, n, n * 1000)
    return n, n * 1000, crc, blob


shapes = st.tuples(
    st.sampled_from([[0, 1, 2, 3], [0, 1, 2, 3, 7, 8], [3, 1, 1], [5], []]), st.integers(0, 3), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(shapes, max_size=12), st.sets(st.integers(0, 9)))
def test_what_is_picked_is_what_each_frame_holds_in_their_order(given_shapes, wanted):
    frames = [frame(n, tags, seed, texts) for n, (tags, seed, texts) in enumerate(given_shapes, 1)]
    tags, damaged = np.array(sorted(wanted), np.int64), set[int]()
    got = list(picked(frames, tags, damaged))
    assert not damaged
    rows = [
        (*(getattr(one, name)[row].item() for name in NAMES), one.exact.get(row), one.detail.get(row))
        for one in got
        for row in range(len(one.tag))
    ]
    expected = []
    for _, _, crc, blob in frames:
        one = columns(blob, crc)
        for row in np.flatnonzero(np.isin(one.tag, tags)).tolist():
            told = (getattr(one, name)[row].item() for name in NAMES)
            expected.append((*told, one.exact.get(row), one.detail.get(row)))
    assert list(map(repr, rows)) == list(map(repr, expected))


@pytest.mark.parametrize("at", [0, 4, 30, -1])
def test_a_frame_that_was_changed_is_named_and_the_others_are_picked(at):
    frames = [frame(n, [0, 1, 2, 3], 2, False) for n in range(1, 5)]
    n, t_ms, crc, blob = frames[1]
    changed = bytearray(blob)
    changed[at] ^= 4
    frames[1] = (n, t_ms, crc, bytes(changed))
    damaged = set[int]()
    got = list(picked(frames, np.array([2]), damaged))
    assert damaged == {2}
    assert sum(len(one.tag) for one in got) == 3
