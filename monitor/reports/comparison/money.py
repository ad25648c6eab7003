"""What the jobs cost beyond what wear called for, component by component, and what failures avoided are worth."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.bias.result import ReviewResult
from monitor import review
from monitor.reports.comparison import pictures
from monitor.reports.comparison.ageing import ageing
from monitor.reports.comparison.caveats import caveat
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean, figure_text, number_text

if TYPE_CHECKING:
    import pandas as pd


def money(look: Look) -> tuple[Block, ...]:
    r, unit = look.told.result, _("{currency} per year").format(currency=look.told.currency)
    rows: list[tuple[Cell, ...]] = [(_("net excess, summed per component"), review.counted_text(r.life.money, 3))]
    rows += [
        (
            _("failure credit against: {reference} ({rate} per asset and year)").format(
                reference=review.reference_word(one.reference), rate=number_text(one.reference_rate, 2)
            ),
            review.credit_text(r, one),
        )
        for one in r.credit
    ]
    note = _("Excess: sum over components of C_p (1 - wear) per year. Credit: positive where fewer parts failed than"
             " under the reference, times what a failure costs beyond planned work.")  # fmt: skip
    note += " " + _("Source of these rates: {source}.").format(
        source=review.rates_source_word(look.told.failures_source)
    )
    if r.life.unpriced:
        parts = ", ".join(clean(part, 30) for part in r.life.unpriced)
        note += " " + _("Without price or measured wear: {parts}.").format(parts=parts)
    return (
        Table("money", (_("what"), unit), tuple(rows), note),
        Paragraph(_sign_words(r), "note"),
        Paragraph(_("Assumptions: each part at its own price, planned work as priced, wear at removal as measured; jobs"
                    " without a finding are taken to be like those with one; no price for standstill, none for"
                    " water or energy lost. The range is the 90 % interval; prices are taken as exact.")),
        _per_component(look),
        Paragraph(" ".join(caveat(name) for name in ("linear", "unseen")), "note"),
        *pictures.cost_ratio(look),
        *ageing(look),
    )  # fmt: skip


def _sign_words(r: ReviewResult) -> str:
    """Whether the failure credit changes its sign with what it is measured against."""
    signs = {math.copysign(1, one.money.value) for one in r.credit if not math.isnan(one.money.value)}
    if len(signs) > 1:
        return _("The sign of the failure credit turns with its reference: against one the vendor's early work saved"
                 " money, against the other it did not. Neither stands alone.")  # fmt: skip
    return _("The failure credit can change its sign with its reference, so both stand here; in this period it does"
             " not.")  # fmt: skip


def _per_component(look: Look) -> Table:
    p, cases = look.told.parameters, look.told.result.cases
    rows: list[tuple[Cell, ...]] = []
    for component, jobs in cases.groupby("component", sort=True):
        worn = jobs.loc[jobs["independent"] & jobs["wear"].notna(), "wear"]
        theirs = [p.costs.get((asset, str(component))) for asset in jobs["asset"]]
        prices = jobs.assign(price=[cost.planned if cost else math.nan for cost in theirs])
        found = prices.loc[worn.index].dropna(subset=["price"])
        excess = len(jobs) / look.years * (1 - worn.mean()) if len(worn) else None
        rows.append((
            clean(component, 30), len(jobs), len(worn), None if worn.empty else float(100 * worn.mean()), excess,
            _range([cost.planned for cost in theirs if cost]), _range([cost.failure for cost in theirs if cost]),
            _priced(prices["price"].sum() / look.years, found["price"], 1 - found["wear"]),
        ))  # fmt: skip
    heads = (
        _("component"), _("jobs"), _("with wear"), _("mean wear [% of limit]"), _("net excess [1/year]"),
        "C_p", "C_f", _("{currency} per year").format(currency=look.told.currency),
    )  # fmt: skip
    note = _("C_p planned work, C_f after a failure, of the assets with jobs, lowest to highest; point values, each job"
             " at the price of its own asset.")  # fmt: skip
    return Table("money_by_component", heads, tuple(rows), note)


def _range(prices: Sequence[float]) -> Cell:
    """One price, or the lowest and the highest."""
    if not prices:
        return None
    low, high = min(prices), max(prices)
    return low if low == high else f"{figure_text(low)} - {figure_text(high)}"


def _priced(yearly: float, price: "pd.Series[float]", given_away: "pd.Series[float]") -> float | None:
    """What the jobs gave away in a year, by what those with a finding gave away of each unit of price."""
    return float(yearly * (price * given_away).sum() / price.sum()) if price.sum() > 0 else None
