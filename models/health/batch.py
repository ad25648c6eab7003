"""What models say of many assets now: those of one kind are judged as one block, so that each formula runs once.

Assets are of one kind where the same formulas apply: the same quantities, features, laws and numbers on the nameplate.
Their rows lie side by side on one time axis, arrays of shape (assets, rows); what differs between them is a column of
shape (assets, 1). `assess` is the block of one. Of the last row it says what a walk (models.health.walk) says of it,
looking only at the rows that this one rests on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from models.health import features
from models.health.assessment import (
    IN_THE_DARK,
    NO_GOOD_DATA,
    TOO_FEW,
    Assessment,
    choose,
    contributions,
    explained,
    not_learned,
    outside_words,
    still,
    worst,
)
from models.health.curves import Curve, Reference
from models.health.detector import LAGS, SMOOTH, VIEWS
from models.health.features import Eyes
from models.health.frozen import frozen
from models.health.index import ALERT, health_index, index_words
from models.health.judged import Line, Rows
from models.health.last import Last, last_judged
from models.health.laws import Law
from models.health.limits import Limits
from models.health.lines import Beside, tracks
from models.health.model import HealthModel
from models.health.physics import Columns, Rated, arrays
from models.health.state import CODE, OFF, STATES, STEADY, UNKNOWN, running_share, stretches

AT_ONCE = 32  # assets whose columns stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Past:
    """The last rows of one asset: their times [us, UTC], rising; by quantity the values, NaN where not good."""

    time_us: np.ndarray
    columns: Columns
    good_share: float  # of the samples behind the last rows


@dataclass(frozen=True, eq=False)
class Question:
    """One asset to be judged at its last row; `beside` is what others know of it (models.health.lines)."""

    model: HealthModel
    past: Past
    limits: Limits
    beside: Beside = field(default_factory=dict)


def assess(
    model: HealthModel, values: pd.DataFrame, share_good: pd.DataFrame | None, limits: Limits | None = None,
    beside: Beside | None = None,
) -> Assessment:  # fmt: skip
    """What the model says at the end of a window of rows (same shape as in `fit`); earlier rows feed lags and medians.

    Nothing later than the last row is used, so a longer window never changes what an earlier end would have said.
    """
    named = features.clean(values, share_good)
    share = values.notna().astype(float) if share_good is None else share_good
    past = Past(pd.DatetimeIndex(named.index).as_unit("us").asi8, arrays(named), good_share_of(share.to_numpy(float).T))
    return assess_all([Question(model, past, limits or Limits(), beside or {})])[0]


def good_share_of(share: np.ndarray) -> float:
    """Mean over all quantities and the last rows; `share` has shape (quantities, rows)."""
    part = np.nan_to_num(share[:, -(SMOOTH + LAGS) :])
    return float(part.mean()) if part.size else 0.0


def assess_all(questions: Sequence[Question]) -> list[Assessment]:
    """The assessment of each, in their order: what `assess` says of it alone."""
    found: list[Assessment | None] = [None] * len(questions)
    kinds: dict[tuple[Any, ...], list[int]] = {}
    known: list[Limits] = []
    for number, one in enumerate(questions):
        if len(one.past.time_us):
            kinds.setdefault(_kind(one, known), []).append(number)
        else:
            why = "no rows in the window" if one.model.detectors else not_learned(one.model)
            found[number] = Assessment("", UNKNOWN, None, "unknown", None, None, (), (), 0.0, (why,))
    for numbers in kinds.values():
        for start in range(0, len(numbers), AT_ONCE):
            part = numbers[start : start + AT_ONCE]
            for number, said in zip(part, _assessed([questions[one] for one in part]), strict=True):
                found[number] = said
    return [one for one in found if one is not None]


def _kind(one: Question, known: list[Limits]) -> tuple[Any, ...]:
    """What must be equal for two assets to be judged as one block."""
    if one.limits not in known:
        known.append(one.limits)
    model, eyes = one.model, one.model.eyes
    return (
        one.past.time_us.tobytes(), model.every_s, tuple(one.past.columns), known.index(one.limits), tuple(one.beside),
        tuple((value is None, bool(value)) if isinstance(value, (float, int, type(None))) else value
              for value in (getattr(model.rated, name) for name in RATED)),
        tuple(model.reference.curves), tuple(model.reference.medians),
        tuple((law.name, law.target, law.percent, law.drivers) for law in eyes.laws), eyes.plain, tuple(eyes.still_s),
        tuple((name, d.features, d.lags) for name, d in model.detectors.items()),
    )  # fmt: skip


RATED = tuple(one.name for one in fields(Rated))


def _column(numbers: Sequence[float]) -> np.ndarray:
    return np.array(numbers, float)[:, None]


def _rated(all_: Sequence[Rated]) -> Rated:
    told = {name: [getattr(one, name) for one in all_] for name in RATED}
    numbers: dict[str, Any] = {
        name: values[0] if isinstance(values[0], (str, tuple, type(None))) else _column(values)
        for name, values in told.items()
    }
    return Rated(**numbers)


def _reference(all_: Sequence[Reference]) -> Reference:
    curves: dict[str, Any] = {}
    for name in all_[0].curves:
        curves[name] = Curve(*(_column([getattr(one.curves[name], part.name) for one in all_])
                               for part in fields(Curve)))  # type: ignore[arg-type]  # fmt: skip
    return Reference(curves, {name: _column([one.medians[name] for one in all_]) for name in all_[0].medians})  # type: ignore[misc]


def _eyes(all_: Sequence[Eyes]) -> Eyes:
    laws = tuple(_law(same) for same in zip(*(one.laws for one in all_), strict=True))
    stays: dict[str, Any] = {
        tag: (_column([one.still_s[tag][0] for one in all_]), _column([one.still_s[tag][1] for one in all_]))
        for tag in all_[0].still_s
    }
    heat: Any = _column([one.heat_min for one in all_])
    return replace(all_[0], laws=laws, heat_min=heat, still_s=stays)


def _law(all_: Sequence[Law]) -> Law:
    several = {
        name: tuple(_column(same) for same in zip(*(getattr(one, name) for one in all_), strict=True))
        for name in ("middle", "low", "high", "slopes", "costs")
    }
    one_each = {name: _column([getattr(one, name) for one in all_]) for name in ("level", "floor")}
    parts: dict[str, Any] = {**several, **one_each}
    return replace(all_[0], **parts)


def _assessed(asked: Sequence[Question]) -> Iterator[Assessment]:
    """The assessments of one block."""
    first, models, time_us = asked[0], [one.model for one in asked], asked[0].past.time_us
    every_s, shape, time_s = first.model.every_s, (len(asked), len(time_us)), time_us / 1e6
    rated, eyes = _rated([one.rated for one in models]), _eyes([one.eyes for one in models])
    tags = {name: np.array([one.past.columns[name] for one in asked], float) for name in first.past.columns}
    ran_share = running_share(tags, rated, shape)
    frame, code = features.derive_columns(tags, rated, ran_share, time_s, every_s)
    seen = features.columns_with_heat(tags, rated, ran_share, every_s, eyes.heat_min)
    table = eyes.table(seen)
    valued = np.zeros(shape, bool)
    for tag in tags.values():
        valued |= np.isfinite(tag)
    known, steady = (code != CODE[UNKNOWN]) & valued, code == CODE[STEADY]
    stretch = stretches(time_s, known, every_s)
    said = [
        last_judged(table, (code == CODE[VIEWS[name].state]) & known, stretch,
                    [one.detectors[name] for one in models], VIEWS[name], every_s)
        for name in first.model.detectors
    ]  # fmt: skip
    each = np.arange(len(asked))
    last_run, last_steady = _last_row(known & steady), _last_row(steady)
    now = stretch[each, _last_row(known)]
    ran = (last_run >= 0) & (stretch[each, last_run] == now)
    lines_of = _lines(asked, Rows(
        frame, time_s, steady, code == CODE[OFF], np.array([shape[1] - 1]), rated,
        _reference([one.reference for one in models]), first.limits, every_s,
        {name: np.array([one.beside[name] for one in asked], float) for name in first.beside},
    ), frozen(tags, eyes.still_s, every_s, np.array([shape[1] - 1])))  # fmt: skip
    best = choose([
        (np.where(last.position >= 0, last.score / last.worst, np.nan), stretch[each, last.position] == now,
         VIEWS[name].state == STEADY)
        for name, last in zip(first.model.detectors, said, strict=True)
    ], ran)  # fmt: skip
    outside = eyes.outside({name: column[each, last_run][:, None] for name, column in seen.items()})
    blind, dark = (np.asarray(~flag[:, -SMOOTH:].any(axis=1)) for flag in (valued, known))
    shown = [
        eyes.shown({name: column[each, last.middle_row][:, None] for name, column in seen.items()})
        if (best == number).any() else {}
        for number, last in enumerate(said)
    ]  # fmt: skip
    for i, one in enumerate(asked):
        at, state, lines = _time(time_us, -1), str(STATES[code[i, -1]]), lines_of[i]
        lines_at = _time(time_us, int(last_steady[i])) if last_steady[i] >= 0 else None
        why = "" if one.model.detectors else not_learned(one.model)
        why = why or (NO_GOOD_DATA if blind[i] else "")
        if best[i] < 0:
            why = why or (_outside(i, outside, one.model.units) if ran[i] else "") or TOO_FEW
        why = why or (IN_THE_DARK if dark[i] else "")
        if why:
            yield Assessment(at, UNKNOWN if why == NO_GOOD_DATA else state, None, worst("unknown", lines), None, None,
                             (), lines, one.past.good_share, (why,), lines_at=lines_at)  # fmt: skip
            continue
        last = said[best[i]]
        row = int(last.position[i])
        index_at, late = _time(time_us, row), row < shape[1] - 1 and code[i, row] != code[i, -1]
        earlier = (f"{state}: the index is that of {index_at}",) if late else ()
        yield _known(one, last, i, shown[best[i]], lines, (at, state, index_at, lines_at), earlier)


def _known(
    one: Question, last: Last, i: int, shown: Mapping[str, tuple[np.ndarray, np.ndarray]], lines: tuple[Line, ...],
    when: tuple[str, str, str, str | None], earlier: tuple[str, ...],
) -> Assessment:  # fmt: skip
    """The assessment of the i-th asset of a block, where its index is known; `when`: row, state, index, lines."""
    at, state, index_at, lines_at = when
    detector, score = last.detectors[i], float(last.score[i])
    reasons = tuple(
        f"{name} has no good value: judged without it"
        for name, value in zip(detector.features, last.newest[i].tolist(), strict=False)
        if value != value
    )
    threshold = ALERT * detector.worst
    word = worst(str(index_words(np.array([score]), detector.worst)[0]), lines)
    of_one = {name: (base[i], gain[i]) for name, (base, gain) in shown.items()}
    share, value, expected = explained(detector, last.middle[i : i + 1], of_one)
    parts = contributions(detector.features, share[0], value[0], expected[0], one.model.units)
    return Assessment(
        at, state, float(health_index(score, threshold)), word, score, threshold, parts, lines, one.past.good_share,
        (*reasons, *earlier), index_at, lines_at,
    )  # fmt: skip


def _lines(asked: Sequence[Question], rows: Rows, standing: Mapping[str, np.ndarray]) -> list[tuple[Line, ...]]:
    """The lines of each asset: those of physics, then of sensors that stand still."""
    found = list(zip(*(one.lines() for one in tracks(rows)), strict=True)) or [()] * len(asked)
    return [
        (*lines, *(still(tag, one.model.eyes.still_s[tag]) for tag, here in standing.items() if here[i, 0]))
        for i, (one, lines) in enumerate(zip(asked, found, strict=True))
    ]


def _outside(i: int, found: Mapping[str, tuple[np.ndarray, Any, Any]], units: Mapping[str, str]) -> str:
    """The first driver of the i-th asset that has left what was learned."""
    return next((outside_words(name, float(low[i, 0]), float(high[i, 0]), units)
                 for name, (where, low, high) in found.items() if where[i, 0]), "")  # fmt: skip


def _last_row(flag: np.ndarray) -> np.ndarray:
    """The last row of each asset in which the flag stood, -1 for none."""
    n = flag.shape[1]
    return np.where(flag.any(axis=1), n - 1 - np.argmax(flag[:, ::-1], axis=1), -1)


def _time(time_us: np.ndarray, row: int) -> str:
    return f"{np.datetime_as_string(time_us[row].astype('M8[us]'), unit='ms')}Z"
