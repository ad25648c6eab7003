"""One assessment with every number of it, as a Document whose text alone is enough to redo the arithmetic.

Figures have seven digits. What is too long for a page, the loadings and M of score = x' M x, goes into a CSV.
"""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.health.explain import Explanation, explain
from models.health.state import OFF
from monitor.labels import health_word, operating_word
from monitor.model.made_of import law_rows, made_of, unit_of
from monitor.model.physics_told import line_tables
from monitor.model.scoring import Seen
from monitor.reasons import reason_text
from monitor.reports.document import Block, Cell, Document, Paragraph, Section, Table, ledger_text
from monitor.state import State, atomic_write
from monitor.words import _, figure_text, language, local_text

if TYPE_CHECKING:
    from models.health import HealthModel, Limits
    from monitor.plant import Settings

WIDTH = 124  # columns of the text
DIGITS = 7
OF_ROW = {"flow_n": "m3/h", "warm": "1", "head_n": "m", "power_n": "kW", "speed_share": "1"}


def build(state: State, settings: "Settings", seen: Seen, limits: "Limits") -> tuple[Document, Explanation | None]:
    """The document, and the numbers behind it; None where the assessment is unknown."""
    zone = ZoneInfo(settings.time_zone)
    known = seen.found.index is not None
    told = explain(seen.model, seen.values, seen.share_good) if known else None
    sections = [Section(_("Result"), _result(seen))]
    if told:
        sections += [
            Section(_("1 The rows"), _rows(seen, told)),
            Section(_("2 From tags to features"), _derived(seen, told)),
            Section(_("3 From features to x"), _scaled(told)),
            Section(_("4 The score of this row: T2 and Q"), _score(told)),
            Section(_("5 The median of the last scores"), _median(told)),
            Section(_("6 The index"), _index(told)),
            Section(_("7 Contributions"), _contributions(seen, told)),
        ]
    sections.append(Section(_("8 Physics lines"), line_tables(seen, limits)))
    document = Document(
        title=_("Assessment of {asset}, number by number").format(asset=seen.asset.id),
        subtitle=settings.utility,
        meta=(
            (_("as of"), local_text(seen.at_us, zone)),
            (_("model"), seen.digest or "-"),
            (_("configuration"), settings.sha256[:16]),
            (_("ledger"), ledger_text(state)),
        ),
        sections=tuple(sections),
        simulated=settings.simulated,
        language=language(),
    )
    return document, told


def numbers_csv(told: Explanation) -> str:
    """x, M and the loadings, one row per lagged column, with all their digits."""
    d = told.detector
    n = len(d.features)
    columns = [f"{name}@{lag}" for lag in range(len(told.x) // n) for name in d.features]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    loadings = [f"loading_{k + 1}" for k in range(len(d.loadings))]
    writer.writerow(["column", "value", "centre", "scale", "mean", "x", *loadings, *(f"M:{one}" for one in columns)])
    for i, name in enumerate(columns):
        value = told.lag_values.ravel()[i]
        given = [None if np.isnan(value) else float(value), d.centre[i % n], d.scale[i % n], d.mean[i], told.filled[i]]
        writer.writerow([name, *given, *d.loadings[:, i], *d.metric[i]])
    return out.getvalue()


def write_numbers(path: Path, told: Explanation) -> None:
    """Put the CSV where it was asked for."""
    atomic_write(path, numbers_csv(told))


def _f(value: float | None) -> str:
    return figure_text(None if value is None else float(value), DIGITS)


def _table(name: str, heads: tuple[str, ...], rows: list[tuple[Cell, ...]], note: str = "") -> Table:
    return Table(name, heads, tuple(rows), note)


def _result(seen: Seen) -> tuple[Block, ...]:
    found = seen.found
    rows: list[tuple[Cell, ...]] = [
        (_("last row"), found.at),
        (_("one row each"), f"{seen.model.every_s:g} s"),
        (_("state"), operating_word(found.state)),
        (_("index"), _f(found.index)),
        (_("word"), health_word(found.word)),
        (_("index of the row"), found.index_at or "-"),
        (_("good samples, last rows"), f"{100 * found.good_share:.4g} %"),
        *((_("reason"), reason_text(one)) for one in found.reasons),
        *((_("beside"), one) for one in seen.beside()),
    ]
    return (_table("result", (_("what"), _("value")), rows),)


def _rows(seen: Seen, told: Explanation) -> tuple[Block, ...]:
    lags = tuple(_lag(i) for i in range(len(told.lag_times)))
    times: list[tuple[Cell, ...]] = [(lag, _time(at)) for lag, at in zip(lags, told.lag_times, strict=True)]
    values: list[tuple[Cell, ...]] = [
        (name, unit_of(name, seen.model), *(_f(one) for one in told.lag_values[:, i]))
        for i, name in enumerate(told.detector.features)
    ]
    blocks: list[Block] = [
        Paragraph(_("State {state}. The detector sees a row together with {n} earlier ones of the same state.").format(
            state=operating_word(told.state), n=len(lags) - 1)),
        _table("times", (_("row"), _("begins at (UTC)")), times),
        _table("values", (_("feature"), _("unit"), *lags), values),
    ]  # fmt: skip
    if told.lag_good is not None:
        good: list[tuple[Cell, ...]] = [
            (name, *("-" if np.isnan(one) else f"{100 * one:.4g}" for one in told.lag_good[:, i]))
            for i, name in enumerate(told.detector.features)
        ]
        note = _("A value with less than 50 % good samples counts as missing. -: computed, see 2.")
        blocks.append(_table("good", (_("feature, good samples [%]"), *lags), good, note))
    return tuple(blocks)


def _derived(seen: Seen, told: Explanation) -> tuple[Block, ...]:
    """The computed features of the current row, with the numbers that went in."""
    row = told.row
    units = {**seen.model.units, **OF_ROW, "heat": "kW" if "power" in row else "1"}
    rows: list[tuple[Cell, ...]] = [(name, made_of(name, seen.model), _f(row[name])) for name in told.detector.features]
    inputs: list[tuple[Cell, ...]] = [
        (str(name), _f(float(row[name])), units.get(str(name), ""))
        for name in row.index
        if name not in told.detector.features and np.isfinite(row[name])
        and (name != "leak_back" or told.state == OFF)
    ]  # fmt: skip
    curves: list[tuple[Cell, ...]] = []
    for name, curve in seen.model.reference.curves.items():
        x = float(row.get("flow_n", np.nan))
        at = float(curve.at(np.array([x]), falling=name == "head_n")[0])
        curves.append((name, _f(curve.a), _f(curve.b), _f(curve.c), _f(x), _f(at)))
    blocks: list[Block] = []
    if rows:
        blocks.append(_table("derived", (_("feature"), _("made of"), _("value")), rows))
    if seen.model.eyes.laws:
        blocks.append(laws_table(seen.model))
    if curves:
        note = _("a + b x + c x^2; below the lowest flow that was learned, a head curve stays level")
        blocks.append(_table("curves", (_("curve"), "a", "b", "c", _("x = flow_n"), _("at x")), curves, note))
    blocks.append(_table("inputs", (_("further values of row 0"), _("value"), _("unit")), inputs))
    return tuple(blocks)


def laws_table(model: "HealthModel") -> Table:
    """What the features' laws let expect, in numbers."""
    heads = (_("term"), _("coefficient"), _("median of the driver"), _("learned from"), _("to"))
    note = _("E = level (1 + sum of coefficient x (driver / median - 1)^power) where the feature is in %, else"
             " E = level + sum of coefficient x (driver - median)^power; past the learned range a residual counts for"
             " less.")  # fmt: skip
    return Table("laws", heads, law_rows(model), note)


def _scaled(told: Explanation) -> tuple[Block, ...]:
    d = told.detector
    n = len(d.features)
    lags = tuple(_lag(i) for i in range(len(told.lag_times)))
    mean, x = d.mean.reshape(-1, n), told.filled.reshape(-1, n)
    missing = np.isnan(told.x)
    baseline: list[tuple[Cell, ...]] = [
        (name, _f(d.centre[i]), _f(d.scale[i]), _f(d.floor[i])) for i, name in enumerate(d.features)
    ]
    means: list[tuple[Cell, ...]] = [(name, *(_f(one) for one in mean[:, i])) for i, name in enumerate(d.features)]
    scaled: list[tuple[Cell, ...]] = [(name, *(_f(one) for one in x[:, i])) for i, name in enumerate(d.features)]
    note = _("x = (value - centre) / scale - mean.")
    if missing.any():
        note += " " + _("A missing value is given the x that makes the score smallest.")
    return (
        _table("baseline", (_("feature"), _("centre"), _("scale"), _("noise floor")), baseline),
        _table("mean", (_("mean"), *lags), means),
        _table("x", ("x", *lags), scaled, note),
    )


def _score(told: Explanation) -> tuple[Block, ...]:
    d = told.detector
    n = len(d.features)
    lags = tuple(_lag(i) for i in range(len(told.lag_times)))
    components: list[tuple[Cell, ...]] = [
        (str(k + 1), _f(t), _f(v), _f(t * t / v))
        for k, (t, v) in enumerate(zip(told.components, d.variances, strict=True))
    ]
    e = told.residual.reshape(-1, n)
    rest: list[tuple[Cell, ...]] = [(name, *(_f(one) for one in e[:, i])) for i, name in enumerate(d.features)]
    score = told.t2 / d.t2_level + told.q / d.q_level
    sums: list[tuple[Cell, ...]] = [
        (_("T2 = sum of t^2 / variance"), _f(told.t2)),
        (_("Q = sum of e^2"), _f(told.q)),
        (_("T2 level"), _f(d.t2_level)),
        (_("Q level"), _f(d.q_level)),
        (_("score of the row = T2 / T2 level + Q / Q level"), _f(score)),
    ]
    note = _("t = loadings times x; the loadings are in the CSV (--csv), which also gives score = x' M x")
    return (
        _table("components", (_("component"), "t", _("variance"), "t^2 / " + _("variance")), components, note),
        _table("e", ("e", *lags), rest, _("e = x less what the components explain of it")),
        _table("score", (_("what"), _("value")), sums),
    )


def _median(told: Explanation) -> tuple[Block, ...]:
    rows: list[tuple[Cell, ...]] = [(_time(at), _f(score)) for at, score in told.recent]
    words = _("Median of the {n} scores: {score}. Row 0 above is the one of them whose score is nearest to it.").format(
        n=len(rows), score=_f(told.score)
    )
    return (_table("scores", (_("row begins at (UTC)"), _("score")), rows), Paragraph(words))


def _index(told: Explanation) -> tuple[Block, ...]:
    d, threshold = told.detector, told.threshold
    rows: list[tuple[Cell, ...]] = [
        (_("largest training score (warning line)"), _f(d.worst)),
        (_("alert line"), _f(threshold)),
        (_("score"), _f(told.score)),
        (_("index = 100 x 0.5^(score / alert line)"), _f(100 * 0.5 ** (told.score / threshold))),
    ]
    return (_table("index", (_("what"), _("value")), rows),)


def _contributions(seen: Seen, told: Explanation) -> tuple[Block, ...]:
    d = told.detector
    order = sorted(range(len(d.features)), key=lambda i: (-told.shares[i], d.features[i]))
    rows: list[tuple[Cell, ...]] = [
        (d.features[i], _f(told.t2_by_feature[i]), _f(told.q_by_feature[i]), _f(told.shares[i]),
         _f(told.lag_values[0, i]), _f(told.expected[i]), _f(told.lag_values[0, i] - told.expected[i]),
         unit_of(d.features[i], seen.model))
        for i in order
    ]  # fmt: skip
    heads = (_("feature"), _("of T2"), _("of Q"), _("share [%]"), _("value"), _("expected"), _("residual"), _("unit"))
    note = _("Share = 100 (of T2 / T2 level + of Q / Q level) / their sum over all features. Expected: the value with"
             " which the score would be smallest, all other features as they are.")  # fmt: skip
    return (_table("contributions", heads, rows, note),)


def _lag(i: int) -> str:
    return _("row 0") if i == 0 else _("row {n}").format(n=-i)


def _time(at: pd.Timestamp) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
