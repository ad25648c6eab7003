"""What a model says: of a whole past row by row (`walk`), or at the end of a window (`assess`).

Both run the same code over the whole frame; an assessment is the last row of a walk, so that the two cannot differ. A
row rests on itself and earlier ones alone, so that later rows never change what was said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.health import features
from models.health.detector import (
    LAGS,
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
from models.health.judged import Line
from models.health.limits import Limits
from models.health.lines import OF_USE, Beside, line_words, physics_lines
from models.health.model import HealthModel
from models.health.state import STEADY, UNKNOWN, stretches

MISSING = 2 / 3  # share of features that may lack a value: their drivers have left what was learned, or a tag is bad


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much of the score one quantity explains [%], its value, and the value that the others let expect."""

    quantity: str
    value: float | None
    expected: float
    unit: str
    share: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What our model says of one asset at the end of a window. Index and score are None where it cannot tell."""

    at: str  # UTC time of the last row of the window
    state: str
    index: float | None
    word: str  # normal, warning, alert, unknown
    score: float | None
    threshold: float | None  # alert line of the score
    contributions: tuple[Contribution, ...]  # all, largest first
    lines: tuple[Line, ...]
    good_share: float
    reasons: tuple[str, ...]
    index_at: str | None = None  # row the index rests on: earlier than `at` while the pump changes state
    lines_at: str | None = None  # the last row of steady running, on which the physics lines rest

    @property
    def top(self) -> tuple[Contribution, ...]:
        """The three largest contributions."""
        return self.contributions[:3]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"contributions": [asdict(one) for one in self.top]}


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

    values: pd.DataFrame
    frame: pd.DataFrame
    state: np.ndarray
    shown: Mapping[str, tuple[np.ndarray, np.ndarray]]  # how features are read as their quantity
    scans: tuple[Scan, ...]
    best: np.ndarray  # which scan the index rests on, -1 where unknown
    reasons: tuple[tuple[np.ndarray, str], ...]  # where and why unknown, first match counts
    columns: Mapping[str, np.ndarray]  # what the laws see: tags at rated speed, heat, speed
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
            for kind, table in zip(tables, _explained(scan, used, rows.shown), strict=True):
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
    return Walk(
        pd.DatetimeIndex(values.index), rows.state, score, threshold, index, word,
        np.where(rows.best < 0, why, ""), names, tables["shares"], tables["value"], tables["expected"],
        instruments, blame,
        line_words(rows.values, rows.frame, rows.state, model.rated, model.reference, limits, model.every_s, beside),
    )  # fmt: skip


def assess(
    model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None, limits: Limits | None = None,
    beside: Beside | None = None,
) -> Assessment:  # fmt: skip
    """What the model says at the end of a window of rows (same shape as in `fit`); earlier rows feed lags and medians.

    Nothing later than the last row is used, so a longer window never changes what an earlier end would have said.
    """
    if not len(values):
        why = "no rows in the window" if model.detectors else _not_learned(model)
        return Assessment("", UNKNOWN, None, "unknown", None, None, (), (), 0.0, (why,))
    rows = judged(model, values, share_good)
    frame, now = rows.frame, str(rows.state[-1])
    steady = frame[rows.state == STEADY]
    lines = physics_lines(rows.values, frame, rows.state, model.rated, model.reference, limits, model.every_s, beside)
    at, lines_at, good_share = _time(frame, -1), _time(steady, -1) or None, _good_share(values, share_good)
    lines += tuple(_still(tag, model.eyes.still_s[tag]) for tag, still in rows.frozen.items() if still[-1])
    if rows.best[-1] < 0:
        why = next(words for where, words in rows.reasons if where[-1])
        blind = why == NO_GOOD_DATA
        return Assessment(at, UNKNOWN if blind else now, None, _worst("unknown", lines), None, None, (), lines,
                          good_share, (why,), lines_at=lines_at)  # fmt: skip
    scan = rows.scans[rows.best[-1]]
    detector, position, score = scan.detector, int(scan.position[-1]), float(scan.score[-1])
    reasons = tuple(
        f"{name} has no good value: judged without it"
        for name, value in zip(detector.features, scan.x[scan.number[-1]], strict=False)
        if not np.isfinite(value)
    )
    if position < len(frame) - 1 and str(rows.state[position]) != now:
        reasons += (f"{now}: the index is that of {_time(frame, position)}",)
    threshold = ALERT * detector.worst
    word = _worst(str(index_words(np.array([score]), detector.worst)[0]), lines)
    share, value, expected = _explained(scan, scan.middle[scan.number[-1:]], rows.shown)
    parts = _contributions(detector.features, share[0], value[0], expected[0], model.units)
    return Assessment(
        at, now, float(health_index(score, threshold)), word, score, threshold, parts,
        lines, good_share, reasons, _time(frame, position), lines_at,
    )  # fmt: skip


NO_GOOD_DATA = "no good data"


def judged(model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None) -> Rows:
    """Every row against every detector, and which of them its index rests on.

    That is the one whose score is nearest to, or farthest past, its alert line: what was found in running stays while
    the pump stands. Once it has run since the last telemetry gap, one of them must have been judged since then too.
    """
    values = features.clean(values, share_good)
    frame, state = features.derive(values, model.rated, model.every_s)
    columns = features.columns_with_heat(values, model.rated, model.every_s, model.eyes.heat_min)
    table = model.eyes.table(columns)
    n = len(frame)
    used = {name for d in model.detectors.values() for name in d.features}
    seen = np.zeros(n, bool)
    for name in used & set(table):
        seen |= np.isfinite(table[name])
    known = (state != UNKNOWN) & np.asarray(values.notna().to_numpy().any(axis=1))
    stretch = stretches(pd.DatetimeIndex(frame.index), known, model.every_s)
    scans = tuple(
        _scan(table, (state == VIEWS[one].state) & known, stretch, d, VIEWS[one], model.every_s)
        for one, d in model.detectors.items()
    )
    row, model_states = np.arange(n), [VIEWS[one].state for one in model.detectors]
    last_known = np.maximum.accumulate(np.where(known, row, -1))
    last_run = np.maximum.accumulate(np.where(known & (state == STEADY), row, -1))
    ran = (last_run >= 0) & (stretch[last_run] == stretch[last_known])  # since the last gap
    best, most, any_fresh, running = np.full(n, -1), np.full(n, -1.0), np.zeros(n, bool), np.zeros(n, bool)
    for number, scan in enumerate(scans):
        there = (scan.position >= 0) & np.isfinite(scan.score)
        running |= there & (model_states[number] == STEADY)
        any_fresh |= there & (stretch[scan.position] == stretch[last_known])
        share = np.where(there, scan.score / scan.detector.worst, -1.0)
        best, most = np.where(share > most, number, best), np.maximum(share, most)
    best = np.where((any_fresh | ~ran) & (running | (most >= ALERT)), best, -1)
    reasons = [
        (np.full(n, not model.detectors), _not_learned(model)),
        (~_any_of_last(np.asarray(values.notna().to_numpy().any(axis=1)), SMOOTH), NO_GOOD_DATA),
    ]
    for name, (where, low, high) in model.eyes.outside(columns).items():
        words = f"{name} is outside the learned {low:.4g} to {high:.4g} {model.units.get(name, '')}".rstrip()
        reasons.append(((best < 0) & ran & where[last_run], words))
    reasons += [
        (best < 0, f"fewer than {LAGS - 1 + SMOOTH_LEAST} good rows in one state since the last gap"),
        (~_any_of_last(known, SMOOTH), f"no good data in the last {SMOOTH} rows"),
    ]
    for where, _words in reasons:
        best = np.where(where, -1, best)
    return Rows(values, frame, state, model.eyes.shown(columns), scans, best, tuple(reasons), columns,
                 frozen(values, model.eyes.still_s, model.every_s))  # fmt: skip


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


def _contributions(
    names: Sequence[str], share: np.ndarray, value: np.ndarray, expected: np.ndarray, units: Mapping[str, str]
) -> tuple[Contribution, ...]:
    """Every quantity's share in the score of one lagged row, largest first; the shares add up to 100 %."""
    found = [
        Contribution(name, float(value[i]) if np.isfinite(value[i]) else None, float(expected[i]),
                     units.get(name, ""), float(share[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.share, one.quantity)))


def _explained(
    scan: Scan, which: np.ndarray, shown: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares [%], values and expected values of some lagged rows."""
    d, x = scan.detector, scan.x[which]
    n = len(d.features)
    value, expected = (x[:, :n] + d.mean[:n]) * d.scale + d.centre, d.expected(x)
    for i, name in enumerate(d.features):
        if name in shown:
            base, gain = (one[scan.at[which]] for one in shown[name])
            value[:, i], expected[:, i] = base + gain * value[:, i], base + gain * expected[:, i]
    return d.shares(x), value, expected


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


def _still(tag: str, limits: tuple[float, float]) -> Line:
    """The line of a sensor that stands still."""
    return Line("frozen", None, "h", None, None, None, limits[0] / 3600, "act", f"{tag} has not moved", 0, "instrument")


def _any_of_last(flag: np.ndarray, rows: int) -> np.ndarray:
    """Whether the flag stood in any of the last `rows` rows."""
    total = np.concatenate([np.zeros(rows, int), np.cumsum(flag)])
    return np.asarray(total[rows:] - total[:-rows] > 0)


def _worst(word: str, lines: Sequence[Line]) -> str:
    """The index's word, or a worse one that a physics line proves."""
    order = ("unknown", "normal", "warning", "alert")
    told = {"warn": "warning", "act": "alert"}
    proved = (told[line.word] for line in lines if line.word in told and line.name not in OF_USE)
    return max([word, *proved], key=order.index)


def _not_learned(model: HealthModel) -> str:
    """Why there is no detector: said before anything about the data, which may be as good as can be."""
    return "; ".join(model.card.get("notes", ())) or "no reference has been learned for this pump"


def _good_share(values: pd.DataFrame, share_good: pd.DataFrame | None) -> float:
    part = (share_good if share_good is not None else values.notna().astype(float)).iloc[-(SMOOTH + LAGS) :]
    return float(np.nan_to_num(part.to_numpy(float)).mean()) if part.size else 0.0


def _time(frame: pd.DataFrame, position: int) -> str:
    index = pd.DatetimeIndex(frame.index)
    return index[position].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if len(frame) else ""
