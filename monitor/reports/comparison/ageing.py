"""At which age replacing would pay: an age only where a clock drove the removals, elsewhere a bracket."""

import math

from models.bias.replacement import AgeCurve, Replacement
from models.health.hazard import FEWEST_FAILURES
from monitor.reports.comparison.look import Look, drawn
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.reports.drawing import Frame, linear
from monitor.words import _, clean, interval_text, number_text

MOST = 4  # pictures; the CSV has every class


def ageing(look: Look) -> tuple[Block, ...]:
    """The lives of each component class, what they say of replacing by age, and the curve over the cost ratio."""
    found = look.told.result.replacement
    if not found:
        return ()
    rows: tuple[tuple[Cell, ...], ...] = tuple(_row(one, curve) for one in found for curve in one.curves)
    heads = (
        _("component"), _("counted as failure"), _("lives"), _("failures"), _("Weibull shape [90 %]"),
        _("scale [d]"), _("C_f / C_p"), _("best age [d]"), _("may it be read"),
    )  # fmt: skip
    note = _("A part that was taken out because it looked worn says less of how long parts last: an age is given only"
             " where a clock drove the removals; elsewhere two ways of counting stand around the truth.")  # fmt: skip
    pictures = [block for one in [one for one in found if _drawable(one)][:MOST] for block in _picture(one)]
    return (Paragraph(_("Replacing by age:")), Table("replacement", heads, rows, note), *pictures)


def _row(one: Replacement, curve: AgeCurve) -> tuple[Cell, ...]:
    weibull = curve.hazard.weibull if curve.failures >= FEWEST_FAILURES else None
    return (
        clean(one.component, 30),
        _counted(curve),
        one.lives,
        curve.failures,
        "-" if weibull is None else interval_text(weibull.shape.value, weibull.shape.low, weibull.shape.high),
        "-" if weibull is None else number_text(weibull.scale_d.value),
        None if math.isnan(one.cost_ratio) else one.cost_ratio,
        _best(curve),
        _why(one) + (" " + _("no part was seen that old") if curve.extrapolated else ""),
    )


def _counted(curve: AgeCurve) -> str:
    return _("failures") if curve.counted == "failed" else _("failures and parts found worn")


def _best(curve: AgeCurve) -> str:
    if curve.best_age_d is None:
        words = {
            "few_failures": _("too few failures"), "no_price": _("no price"),
            "failure_no_dearer": _("a failure costs no more"), "shape": _("no wear-out shown: never by age"),
            "never_reached": _("no part gets that old"),
        }  # fmt: skip
        return words.get(curve.why_none, "-")
    best = curve.best_age_d
    return interval_text(best.value, best.low, best.high, 3)


def _why(one: Replacement) -> str:
    words = {
        "": _("yes, a clock drove the removals"), "no_removals": _("no removals"),
        "condition": _("as a bracket: condition drove the removals"),
        "calendar_not_sure": _("as a bracket: a clock is not sure"),
    }  # fmt: skip
    return words.get(one.why_not, clean(one.why_not, 30))


def _drawable(one: Replacement) -> bool:
    return any(len(curve.ages_d) and any(math.isfinite(age) for age in curve.ages_d) for curve in one.curves)


def _picture(one: Replacement) -> tuple[Block, ...]:
    part = clean(one.component, 30)
    curves = [curve for curve in one.curves if len(curve.ages_d)]
    finite = [float(age) for curve in curves for age in curve.ages_d if math.isfinite(age)]
    frame = Frame(
        linear(_("cost of a failure over cost of planned work, C_f / C_p"), 1, 20),
        linear(_("best age [d]"), 0, 1.08 * max(finite)), height=190,
    )  # fmt: skip
    kinds = (("line", ""), ("dashed", "7 3"))
    lines = [
        frame.line(
            [(float(x), float(y) if math.isfinite(y) else math.nan) for x, y in zip(one.ratios, c.ages_d, strict=True)],
            dash=dash,
        )
        for (_kind, dash), c in zip(kinds, curves, strict=False)
    ]
    legend = [(kind, _counted(curve)) for (kind, _dash), curve in zip(kinds, curves, strict=False)]
    title = _("Best age over the cost ratio: {component}").format(component=part)
    words = _("{failures} failures in {lives} lives; may it be read: {why}").format(
        failures=one.failures, lives=one.lives, why=_why(one)
    )
    at = [] if math.isnan(one.cost_ratio) or one.cost_ratio > 20 else [frame.upright(one.cost_ratio, _("as priced"))]
    rows = [
        (float(x), *(float(c.ages_d[n]) if math.isfinite(c.ages_d[n]) else None for c in curves))
        for n, x in enumerate(one.ratios)
    ]
    best = _("best age [d]")
    heads = ("C_f / C_p", *(f"{best}, {_counted(curve)}" for curve in curves))
    name = "best_age_" + "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in part)
    return drawn(name, frame.svg(title, words, *lines, *at, legend=legend), title, words, heads, rows)
