"""Some tags out of many frames at once: tick for tick a frame holds the same tags in the same places.

Frames that lie alike are laid under one another as one array, of which only the places of the tags are taken; a frame
that lies otherwise than the one before begins another array.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from zlib import crc32

import numpy as np

from drivers.batch import NO_TIME
from monitor.historian.arrays import TYPES, Columns, columns
from monitor.historian.frame import HEAD, NEAR, NONE_NEAR, FrameError, Layout, layout, texts_of

_AT_ONCE = 1_000  # frames of one array
_Frame = tuple[int, int, int, bytes]  # n, t_ms, CRC, blob
_Places = dict[bytes, tuple[np.ndarray, np.ndarray]]  # by what frames say of their tags: rows and numbers of ours


def picked(frames: Iterable[_Frame], tags: np.ndarray, damaged: set[int]) -> Iterator[Columns]:
    """The rows of these tags (numbers) frame by frame, those of many frames together.

    A frame that does not prove itself (checksum, number, time) is named in `damaged` and left out.
    """
    places: _Places = {}
    for _size, group in groupby(_sound(frames, damaged), lambda frame: len(frame[3])):
        waiting, done, at_once = list(group), 0, _AT_ONCE
        while done < len(waiting):
            try:
                rows, count = _picked(waiting[done : done + at_once], tags, places)
            except FrameError:
                damaged.add(waiting[done][0])
                count = 1
            else:
                yield rows
            done += count
            at_once = min(max(2 * count, 4), _AT_ONCE)  # where each lies otherwise, not many are compared for one


def _sound(frames: Iterable[_Frame], damaged: set[int]) -> Iterator[_Frame]:
    for n, t_ms, crc, blob in frames:
        whole = isinstance(blob, bytes) and len(blob) >= HEAD.size and crc32(blob) == crc
        if whole and HEAD.unpack_from(blob)[3:] == (n, t_ms):
            yield n, t_ms, crc, blob
        else:
            damaged.add(n)


def _picked(frames: list[_Frame], tags: np.ndarray, places: "_Places") -> tuple[Columns, int]:
    """The rows of the first frame and of those after it that lie as it does; of how many frames they are."""
    first = frames[0][3]
    found = layout(first)
    if (held := _tag_bytes(first, found)) not in places:
        tag = columns(first).tag
        at = np.flatnonzero(np.isin(tag, tags))
        places[held] = at, tag[at]
    at, mine = places[held]
    cells = np.frombuffer(b"".join(blob for *_, blob in frames), np.uint8).reshape(len(frames), len(first))
    shape = np.concatenate([np.arange(low, high) for low, high in _shape(found)])
    alike = (cells[:, shape] == cells[0, shape]).all(axis=1)
    count = len(frames) if alike.all() else int(np.argmin(alike))
    receive_us, source_us, value, reasons, quality = (
        _column(cells[:count], found, column, at).ravel() for column in range(1, len(TYPES))
    )
    if found.columns[2].runs == NEAR:
        source_us = np.where(source_us == NONE_NEAR, NO_TIME, receive_us + source_us)
    rows = Columns(np.tile(mine, count), receive_us, source_us, value, reasons, quality, {}, {})
    if len(first) == found.texts_at:
        return rows, count
    exact: dict[int, str] = {}
    detail: dict[int, str] = {}
    names = [b'"%d"' % place for place in at.tolist()]
    for n, (*_, blob) in enumerate(frames[:count]):
        if not any(blob.find(name, found.texts_at) > 0 for name in names):
            continue  # none of these rows has words
        for kept, told in zip((exact, detail), texts_of(blob, found), strict=True):
            kept.update((n * len(at) + place, told[row]) for place, row in enumerate(at.tolist()) if row in told)
    return replace(rows, exact=exact, detail=detail), count


def _tag_bytes(blob: bytes, found: Layout) -> bytes:
    """What a frame says of its tags, as it says it."""
    runs, start = found.columns[0]
    return blob[start - 4 : start + (runs * 8 if runs else found.rows * 4)]


def _shape(found: Layout) -> Iterator[tuple[int, int]]:
    """The bytes from .. to that say how a frame lies: its counts, where runs end, and which tags it holds."""
    yield 4, 12
    for (runs, start), kind in zip(found.columns, TYPES, strict=True):
        yield start - 4, start + (0 if runs == NEAR else 4 * runs)
        if kind == TYPES[0]:
            yield start, start + (runs * 8 if runs else found.rows * 4)


def _column(cells: np.ndarray, found: Layout, column: int, at: np.ndarray) -> np.ndarray:
    """A column at the rows `at` of all frames, shape (n_frames, n_rows); the source's time may be near the other."""
    runs, start = found.columns[column]
    kind = np.dtype("<i4" if runs == NEAR else TYPES[column])
    if runs in (0, NEAR):
        return cells[:, start : start + found.rows * kind.itemsize].view(kind)[:, at]
    ends = cells[0, start : start + 4 * runs].view("<u4")
    numbers = cells[:, start + 4 * runs : start + (4 + kind.itemsize) * runs].view(kind)
    return numbers[:, np.searchsorted(ends, at, "right")]
