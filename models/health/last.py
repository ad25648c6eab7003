"""One view of many assets at their last rows: what each detector judged last, from no more rows than that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.health.detector import MISSING, SMOOTH_LEAST, Detector, View, window_rows
from models.health.physics import Columns
from models.health.state import row_starts


@dataclass(frozen=True, eq=False)
class Last:
    """What the detectors of one view say of each asset: arrays have one entry per asset."""

    detectors: Sequence[Detector]
    worst: np.ndarray  # largest training score of each
    position: np.ndarray  # the last row that could be judged, -1 for none
    score: np.ndarray  # smoothed, at that row; NaN where too few rows were judged until then
    newest: np.ndarray  # the lagged row judged there
    middle: np.ndarray  # the lagged row whose score is nearest to the smoothed one
    middle_row: np.ndarray


def last_judged(
    table: Columns, here: np.ndarray, stretch: np.ndarray, detectors: Sequence[Detector], view: View, every_s: float
) -> Last:
    """The rows of a view stand `here`; the detectors have the same features and lags. Shapes (assets, rows)."""
    first, (count, n) = detectors[0], here.shape
    lags, width = first.lags, len(first.features)
    where = np.flatnonzero(here)
    piece = (stretch + row_starts(stretch.shape)).ravel()[where]
    blank = np.full(len(where), np.nan)
    columns = [table[name].ravel()[where] if name in table else blank for name in first.features]
    window = window_rows(view, every_s)
    least = max(window // 2, 1)
    oldest = _oldest(piece, window)
    lacking = np.zeros(len(where), int)
    for column in columns:
        lacking += _count(np.isfinite(column), oldest) < least
    usable = np.flatnonzero(lacking / width <= MISSING)
    pieces = piece[usable]
    same = pieces[lags - 1 :] == pieces[: max(len(pieces) - lags + 1, 0)]
    kept = np.flatnonzero(same) + lags - 1
    worst = np.array([one.worst for one in detectors])
    if not len(kept):
        nothing, none = np.full(count, -1), np.full((count, lags * width), np.nan)
        return Last(detectors, worst, nothing, np.full(count, np.nan), none, none, nothing)
    owner = where[usable[kept]] // n
    begin, end = (np.searchsorted(owner, np.arange(count), side) for side in ("left", "right"))
    slot = end[:, None] - np.arange(view.smooth, 0, -1)  # oldest first
    inside = slot >= begin[:, None]
    slot = np.clip(slot, 0, len(kept) - 1)
    inside &= pieces[kept[slot]] == pieces[kept[slot[:, -1:]]]
    place = usable[np.maximum(kept[slot][..., None] - np.arange(lags), 0)]  # (assets, smooth, lags)
    rows = np.stack([_medians(column, place, oldest, window, least) for column in columns], axis=-1)
    x = _scaled(rows.reshape(count, view.smooth, lags * width), detectors, lags)
    scores = np.full(inside.shape, np.nan)
    for i, one in enumerate(detectors):
        if inside[i, -1]:
            scores[i, inside[i]] = one.score(x[i, inside[i]])
    seen = inside.sum(axis=1)
    score = _middle(scores[:, None, :], seen[:, None])[:, 0]
    score = np.where(seen >= min(view.smooth, SMOOTH_LEAST), score, np.nan)
    apart = np.abs(scores - score[:, None]).round(9)  # of two as near, the earlier
    middle = np.argmin(np.where(np.isfinite(apart), apart, np.inf), axis=1) if view.smooth > 1 else np.zeros(count, int)
    row = where[place[..., 0]] % n
    each = np.arange(count)
    return Last(detectors, worst, np.where(inside[:, -1], row[:, -1], -1), score, x[:, -1], x[each, middle],
                row[each, middle])  # fmt: skip


def _oldest(piece: np.ndarray, window: int) -> np.ndarray:
    """The first of the last `window` rows of the same piece."""
    number = np.arange(len(piece))
    begins = np.ones(len(piece), bool)
    begins[1:] = piece[1:] != piece[:-1]
    return np.maximum(number - window + 1, np.maximum.accumulate(np.where(begins, number, 0)))


def _count(flag: np.ndarray, oldest: np.ndarray) -> np.ndarray:
    """How often the flag stood from the oldest row to each row."""
    total = np.concatenate([[0], np.cumsum(flag)])
    return np.asarray(total[1:] - total[oldest])


def _medians(column: np.ndarray, place: np.ndarray, oldest: np.ndarray, window: int, least: int) -> np.ndarray:
    """The running median at these places, as models.health.detector.medians takes it."""
    if window <= 1:
        return np.asarray(column[place])
    back = place[..., None] - np.arange(window)
    part = np.where(back >= oldest[place][..., None], column[np.maximum(back, 0)], np.nan)
    seen = np.isfinite(part).sum(axis=-1)
    return np.where(seen >= least, _middle(part, seen), np.nan)


def _middle(part: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The median along the last axis of the `seen` values that are not NaN."""
    ordered = np.sort(part, axis=-1)
    at = np.maximum(seen, 1)[..., None]
    halves = np.take_along_axis(ordered, np.concatenate([(at - 1) // 2, at // 2], axis=-1), axis=-1)
    return np.asarray((halves[..., 0] + halves[..., 1]) / 2)


def _scaled(rows: np.ndarray, detectors: Sequence[Detector], lags: int) -> np.ndarray:
    """As models.health.detector.scaled_lags, each asset by its own detector."""
    centre, scale = (np.tile([getattr(one, name) for one in detectors], lags)[:, None] for name in ("centre", "scale"))
    return np.asarray((rows - centre) / scale - np.array([one.mean for one in detectors])[:, None])
