"""The latest sample of each tag, as columns by tag number: taken from each tick, written each few seconds."""

import numpy as np

from drivers.batch import NO_TIME
from drivers.record import FROM_ELSEWHERE
from monitor.historian.arrays import Columns, columns
from monitor.historian.frame import FrameError
from monitor.historian.reader import HotReader

_NEVER, _EVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Latest:
    """Newest by the time of receipt; of two at the same time the one that came later."""

    def __init__(self) -> None:
        self._received_us = np.empty(0, np.int64)
        self._order_us = np.empty(0, np.int64)  # as received, but for what is dated after a clock that was set back
        self._source_us = np.empty(0, np.int64)
        self._value = np.empty(0)
        self._reasons = np.empty(0, np.uint32)
        self._quality = np.empty(0, np.uint8)
        self._exact: dict[int, str] = {}
        self._detail: dict[int, str] = {}

    @property
    def newest_us(self) -> int | None:
        """When the newest sample of all came (UTC) [us]; None where there is none."""
        newest = int(self._received_us.max(initial=_NEVER))
        return None if newest == _NEVER else newest

    def take(self, tick: Columns, now_us: int = _EVER) -> None:
        """Take in what we read ourselves and is not older than what is kept. What is dated after `now_us` (UTC [us])
        counts as of now: where the clock was set back, what comes next is newer."""
        self._order_us = np.minimum(self._order_us, now_us)
        self._make_room(int(tick.tag.max(initial=-1)) + 1)
        own = (tick.reasons & np.uint32(FROM_ELSEWHERE)) == 0
        rows = np.flatnonzero(own & (tick.receive_us >= self._order_us[tick.tag]))
        if (np.diff(tick.receive_us[rows]) < 0).any():
            rows = rows[np.argsort(tick.receive_us[rows], kind="stable")]
        chosen = np.full(len(self._value), -1)
        chosen[tick.tag[rows]] = rows  # of several rows of a tag the last one stays
        tags = np.flatnonzero(chosen >= 0)
        rows = chosen[tags]
        self._received_us[tags], self._source_us[tags] = tick.receive_us[rows], tick.source_us[rows]
        self._order_us[tags] = np.minimum(tick.receive_us[rows], now_us)
        self._value[tags], self._reasons[tags] = tick.value[rows], tick.reasons[rows]
        self._quality[tags] = tick.quality[rows]
        for kept, texts in ((self._exact, tick.exact), (self._detail, tick.detail)):
            for tag in [tag for tag in kept if chosen[tag] >= 0]:
                del kept[tag]
            kept.update((tag, words) for row, words in texts.items() if chosen[tag := int(tick.tag[row])] == row)

    def keep(self, tags: np.ndarray) -> None:
        """Forget all tags but these."""
        gone = np.ones(len(self._value), bool)
        gone[tags[(tags >= 0) & (tags < len(gone))]] = False
        self._received_us[gone] = self._order_us[gone] = _NEVER
        for kept in (self._exact, self._detail):
            for tag in [tag for tag in kept if gone[tag]]:
                del kept[tag]

    def columns(self) -> Columns:
        """One row per tag that is known, in order of their numbers."""
        tags = np.flatnonzero(self._received_us != _NEVER)
        exact, detail = (
            {int(np.searchsorted(tags, tag)): words for tag, words in kept.items()}
            for kept in (self._exact, self._detail)
        )
        return Columns(
            tags.astype(np.int32), self._received_us[tags], self._source_us[tags], self._value[tags],
            self._reasons[tags], self._quality[tags], exact, detail,
        )  # fmt: skip

    def _make_room(self, size: int) -> None:
        more = size - len(self._value)
        if more <= 0:
            return
        self._received_us = np.append(self._received_us, np.full(more, _NEVER))
        self._order_us = np.append(self._order_us, np.full(more, _NEVER))
        self._source_us = np.append(self._source_us, np.full(more, NO_TIME))
        self._value = np.append(self._value, np.full(more, np.nan))
        self._reasons = np.append(self._reasons, np.zeros(more, np.uint32))
        self._quality = np.append(self._quality, np.zeros(more, np.uint8))


def latest_of(reader: HotReader) -> Latest:
    """The latest samples as the hot file holds them."""
    found = Latest()
    for name, blob in reader.latest_blobs():
        try:
            found.take(columns(blob))
        except FrameError:
            reader.damaged.add(name)
    return found
