"""What a model says of a whole past row by row.

A row rests on itself and earlier ones alone, so that later rows never change what was said; `assess`
(models.health.batch) says of the last row what a walk says of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.health import features
from models.health.assessment import IN_THE_DARK, NO_GOOD_DATA, TOO_FEW, choose, explained, not_learned, outside_words
from models.health.detector import (
    MISSING,
    SMOOTH,
    SMOOTH_LEAST,
    VIEWS,
    Detector,
    View,
    medians,
    prepared,
    smoothed,
    window_rows,
)  # fmt: skip
from models.health.frozen import frozen
from models.health.index import ALERT, health_index, index_words
from models.health.judged import Rows as LineRows
from models.health.limits import Limits
from models.health.lines import Beside, tracks
from models.health.model import HealthModel
from models.health.physics import Columns, arrays
from models.health.state import OFF, STATES, STEADY, UNKNOWN, running_share, seconds, stretches


@dataclass(frozen=True, eq=False)
class Walk:
    """A past assessed row by row. Arrays have one entry per row; NaN and "unknown" where the model cannot tell."""

    times: pd.DatetimeIndex
    state: np.ndarray
    score: np.ndarray
    threshold: np.ndarray  # alert line of the score
    index: np.ndarray
    word: np.ndarray  # of the index, alert also where a sensor stands still: normal, warning, alert, unknown
    why: np.ndarray  # the reason of an unknown, else ""
    features: tuple[str, ...]
    shares: np.ndarray  # rows x features: contributions [%], NaN where unknown
    value: np.ndarray  # rows x features
    expected: np.ndarray  # rows x features
    instruments: tuple[str, ...]
    blame: np.ndarray  # rows x instruments: share of the score [%] that would vanish were its reading alone corrected
    lines: Mapping[str, np.ndarray] = field(default_factory=dict)  # words of the physics lines


@dataclass(frozen=True, eq=False)
class Scan:
    """One detector over all rows: for each row the last one that it could judge until then."""

    detector: Detector
    position: np.ndarray  # of the judged row, -1 before the first
    score: np.ndarray  # smoothed, at that position
    x: np.ndarray  # the lagged rows judged
    at: np.ndarray  # the row of the frame of each
    number: np.ndarray  # which of them was the last, by row of the frame
    middle: np.ndarray  # which of them stands for the median that ends with it
    scores: np.ndarray  # of each of them
    stretch: np.ndarray  # in which each of them lies
    table: np.ndarray  # the features as this detector sees them, rows of its state x features
    where: np.ndarray  # the row of the frame of each of these


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a window with all that was derived from them, and who judges each."""

    frame: Columns
    state: np.ndarray
    shown: Mapping[str, tuple[np.ndarray, np.ndarray]]  # how features are read as their quantity
    scans: tuple[Scan, ...]
    best: np.ndarray  # which scan the index rests on, -1 where unknown
    reasons: tuple[tuple[np.ndarray, str], ...]  # where and why unknown, first match counts
    columns: Columns  # what the laws see: tags at rated speed, heat, speed
    frozen: Mapping[str, np.ndarray]  # where a sensor stands still, of those that ever do


def walk(
    model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None = None, limits: Limits | None = None,
    beside: Beside | None = None,
) -> Walk:  # fmt: skip
    """Every row of a past as `assess` would have seen it then; the frames are those of `fit`.

    `beside` is what others know of this pump, one value per row (models.health.lines).
    """
    rows = judged(model, values, share_good)
    n = len(values)
    names = tuple(sorted({name for one in rows.scans for name in one.detector.features}))
    score, threshold = np.full(n, np.nan), np.full(n, np.nan)
    tables = {kind: np.full((n, len(names)), np.nan, np.float32) for kind in ("shares", "value", "expected")}
    instruments = tuple(dict.fromkeys((*model.eyes.suspects, *rows.frozen)))
    blame = np.full((n, len(instruments)), np.nan, np.float32)
    for number, scan in enumerate(rows.scans):
        here = np.flatnonzero(rows.best == number)
        score[here], threshold[here] = scan.score[here], ALERT * scan.detector.worst
        if len(here):
            used, back = np.unique(scan.middle[scan.number[here]], return_inverse=True)
            columns = np.array([names.index(name) for name in scan.detector.features])
            shown = {name: (base[scan.at[used]], gain[scan.at[used]]) for name, (base, gain) in rows.shown.items()}
            for kind, table in zip(tables, explained(scan.detector, scan.x[used], shown), strict=True):
                tables[kind][np.ix_(here, columns)] = table[back]
            blame[here, : len(model.eyes.suspects)] = _blamed(model, scan.detector, scan.x[used])[back]
    why = np.full(n, "", object)
    for where, words in reversed(rows.reasons):
        why[where] = words
    index = health_index(score, threshold)
    word = index_words(score, threshold / ALERT)
    for tag, still in rows.frozen.items():
        blame[still, instruments.index(tag)] = 100.0
        word[still] = "alert"
    lines = LineRows(rows.frame, seconds(values.index), rows.state == STEADY, rows.state == OFF, np.arange(n),
                     model.rated, model.reference, limits or Limits(), model.every_s, beside or {})  # fmt: skip
    return Walk(
        pd.DatetimeIndex(values.index), rows.state, score, threshold, index, word,
        np.where(rows.best < 0, why, ""), names, tables["shares"], tables["value"], tables["expected"],
        instruments, blame,
        {one.name: one.words for one in tracks(lines)},
    )  # fmt: skip


def judged(model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None) -> Rows:
    """Every row against every detector, and which of them its index rests on (models.health.assessment.choose)."""
    values = features.clean(values, share_good)
    tags, time_s, n = arrays(values), seconds(values.index), len(values)
    ran_share = running_share(tags, model.rated, (n,))
    frame, codes = features.derive_columns(tags, model.rated, ran_share, time_s, model.every_s)
    columns = features.columns_with_heat(tags, model.rated, ran_share, model.every_s, model.eyes.heat_min)
    table, state = model.eyes.table(columns), STATES[codes]
    valued = np.asarray(values.notna().to_numpy().any(axis=1))
    known = (state != UNKNOWN) & valued
    stretch = stretches(time_s, known, model.every_s)
    scans = tuple(
        _scan(table, (state == VIEWS[one].state) & known, stretch, d, VIEWS[one], model.every_s)
        for one, d in model.detectors.items()
    )
    row, model_states = np.arange(n), [VIEWS[one].state for one in model.detectors]
    last_known = np.maximum.accumulate(np.where(known, row, -1))
    last_run = np.maximum.accumulate(np.where(known & (state == STEADY), row, -1))
    ran = (last_run >= 0) & (stretch[last_run] == stretch[last_known])  # since the last gap
    told = [
        (
            np.where(scan.position >= 0, scan.score / scan.detector.worst, np.nan),
            stretch[scan.position] == stretch[last_known],
            of == STEADY,
        )
        for scan, of in zip(scans, model_states, strict=True)
    ]
    best = choose(told, ran)
    reasons = [(np.full(n, not model.detectors), not_learned(model)), (~_any_of_last(valued, SMOOTH), NO_GOOD_DATA)]
    for name, (where, low, high) in model.eyes.outside(columns).items():
        reasons.append(((best < 0) & ran & where[last_run], outside_words(name, low, high, model.units)))
    reasons += [
        (best < 0, TOO_FEW),
        (~_any_of_last(known, SMOOTH), IN_THE_DARK),
    ]
    for where, _words in reasons:
        best = np.where(where, -1, best)
    return Rows(frame, state, model.eyes.shown(columns), scans, best, tuple(reasons), columns,
                frozen(tags, model.eyes.still_s, model.every_s))  # fmt: skip


def _scan(
    table: Mapping[str, np.ndarray],
    here: np.ndarray,
    stretch: np.ndarray,
    detector: Detector,
    view: View,
    every_s: float,
) -> Scan:
    n, where = len(here), np.flatnonzero(here)
    blank = np.full(n, np.nan)
    rows = np.column_stack([table.get(name, blank)[where] for name in detector.features])
    piece = stretch[where]
    rows = medians(rows, piece, window_rows(view, every_s))
    x, kept = prepared(detector, rows, piece, MISSING)
    at = where[kept]
    score = detector.score(x)
    smooth = smoothed(score, stretch[at], view.smooth, min(view.smooth, SMOOTH_LEAST))
    number = np.full(n, -1)
    number[at] = np.arange(len(at))
    number = np.maximum.accumulate(number)
    if not len(at):
        return Scan(detector, number, blank, x, at, number, at, score, piece, rows, where)
    middle = _middle(score, smooth, stretch[at]) if view.smooth > 1 else np.arange(len(at))
    position, held = np.where(number < 0, -1, at[number]), np.where(number < 0, np.nan, smooth[number])
    return Scan(detector, position, held, x, at, number, middle, score, stretch[at], rows, where)


def _middle(score: np.ndarray, smooth: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """For each row the one of the last SMOOTH rows of its stretch whose score is nearest to the smoothed score."""
    back = np.arange(len(score))[:, None] - np.arange(SMOOTH - 1, -1, -1)
    inside = (back >= 0) & (stretch[np.maximum(back, 0)] == stretch[:, None])
    apart = np.abs(score[np.maximum(back, 0)] - smooth[:, None]).round(9)  # of two as near, the earlier
    apart = np.where(inside & np.isfinite(apart), apart, np.inf)
    return np.asarray(back[np.arange(len(score)), np.argmin(apart, axis=1)])


def _blamed(model: HealthModel, detector: Detector, x: np.ndarray) -> np.ndarray:
    """For each instrument the share of the score [%] that would vanish if its reading alone were corrected.

    Reconstruction (Yue, Qin 2001) along what the instrument moves: (D'Mx)' (D'MD)^-1 (D'Mx), D one column per lag. They
    do not add up: several instruments may explain the same.
    """
    x, m = detector.filled(x), detector.metric
    pull, whole = x @ m, np.maximum(np.einsum("ij,jk,ik->i", x, m, x, optimize=True), 1e-12)
    found = np.zeros((len(x), len(model.eyes.suspects)))
    for i in range(len(model.eyes.suspects)):
        one = np.array([model.eyes.moves[name][i] for name in detector.features]) / detector.scale
        if np.abs(one).max() > 1e-9:
            d = np.kron(np.eye(detector.lags), (one / np.linalg.norm(one))[:, None])
            b = pull @ d
            found[:, i] = (b * np.linalg.solve(d.T @ m @ d, b.T).T).sum(axis=1)
    return np.asarray(100 * found / whole[:, None])


def _any_of_last(flag: np.ndarray, rows: int) -> np.ndarray:
    """Whether the flag stood in any of the last `rows` rows."""
    total = np.concatenate([np.zeros(rows, int), np.cumsum(flag)])
    return np.asarray(total[rows:] - total[:-rows] > 0)
