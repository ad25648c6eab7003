"""What the model in force calls a window that is to be learned: what it calls sick must not become the normal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from models.health import HealthModel, Limits
from models.health.lines import OF_USE
from models.health.walk import Walk, walk
from monitor.beside import well_columns
from monitor.historian.frames import wide
from monitor.labels import health_word, quantity_word
from monitor.state import State
from monitor.words import _, clean, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

HOUR_US = 3_600_000_000
BEFORE_US = 24 * HOUR_US  # of rows ahead of the window: its first ones rest on them
PAST = ("warning", "alert")


@dataclass(frozen=True, slots=True)
class Called:
    """The longest time in a window that the model before called warning or alert. UTC text"""

    word: str  # the worse of both that stands in it
    start: str
    end: str
    by: str  # the feature that contributed most, or the physics line

    @property
    def words(self) -> str:
        """In one clause."""
        told = _("{word} from {start} to {end}, mostly by {by}")
        start, end = (one[:16] for one in (self.start, self.end))
        return told.format(word=health_word(self.word), start=start, end=end, by=quantity_word(self.by))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def called(
    state: State, settings: "Settings", asset: "Asset", model: HealthModel, limits: Limits, span_us: tuple[int, int]
) -> Called | None:  # fmt: skip
    """What `model`, with the nameplate of today, calls [start, end) [us, UTC]; None for nothing of more than an hour.

    Rows that are unknown neither end nor lengthen such a time.
    """
    step_us = round(model.every_s * 1e6)
    start_us, end_us = (at // step_us * step_us for at in span_us)
    frames = partial(wide, state, settings, start_us=start_us - BEFORE_US // step_us * step_us, end_us=end_us,
                     every_s=model.every_s)  # fmt: skip
    values, share = frames(asset.id)
    walked = walk(model, values, share, limits, well_columns(settings, asset, frames))
    words, at_us = words_of(walked), walked.times.as_unit("us").asi8
    told = np.flatnonzero((words != "unknown") & (at_us >= start_us))
    rows = longest(words, told)
    if len(rows) * step_us <= HOUR_US:
        return None
    word = "alert" if (words[rows] == "alert").any() else "warning"
    return Called(word, utc_text(int(at_us[rows[0]])), utc_text(int(at_us[rows[-1]]) + step_us), _mostly(walked, rows))


def longest(words: np.ndarray, told: np.ndarray) -> np.ndarray:
    """The longest run of rows, of those `told` (rising), that are past a line."""
    past = np.isin(words[told], PAST)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], past, [False]]).astype(int)))
    runs = [told[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return max(runs, key=len, default=told[:0])


def from_json(told: object) -> Called | None:
    """What a ledger entry says of it; None where it says nothing."""
    if not isinstance(told, Mapping):
        return None
    return Called(**{name: clean(told.get(name, "-"), 40) for name in Called.__slots__})


def words_of(walked: Walk) -> np.ndarray:
    """The word of each row: that of the index, or a worse one that a physics line says."""
    words = walked.word.copy()
    for name, line in walked.lines.items():
        if name in OF_USE:  # a cause of wear is no sign of it
            continue
        words[(line == "warn") & (words != "alert")] = "warning"
        words[line == "act"] = "alert"
    return words


def _mostly(walked: Walk, rows: np.ndarray) -> str:
    """By what: the largest mean contribution where the index says so, else the line that says so most often."""
    indexed = rows[np.isin(walked.word[rows], PAST)]
    if 2 * len(indexed) >= len(rows):
        sums = np.nansum(walked.shares[indexed].astype(float), axis=0)
        return walked.features[int(np.argmax(sums))] if len(sums) else "-"
    loud = {name: int(np.isin(line[rows], ("warn", "act")).sum()) for name, line in walked.lines.items()
            if name not in OF_USE}  # fmt: skip
    return max(loud, key=lambda name: loud[name])
