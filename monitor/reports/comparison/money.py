"""What the jobs cost beyond what wear called for, component by component, and what failures avoided are worth."""

import math

from models.bias.result import ReviewResult
from monitor import review
from monitor.reports.comparison import pictures
from monitor.reports.comparison.ageing import ageing
from monitor.reports.comparison.caveats import caveat
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean, number_text


def money(look: Look) -> tuple[Block, ...]:
    r, unit = look.told.result, _("{currency} per year").format(currency=look.told.currency)
    rows: list[tuple[Cell, ...]] = [(_("net excess, summed per component"), review.counted_text(r.life.money, 3))]
    rows += [
        (
            _("failure credit against: {reference} ({rate} per asset and year)").format(
                reference=review.reference_word(one.reference), rate=number_text(one.reference_rate, 2)
            ),
            review.counted_text(one.money, 3),
        )
        for one in r.credit
    ]
    note = _("Excess: sum over components of C_p (1 - wear) per year. Credit: positive where fewer parts failed than"
             " under the reference, times what a failure costs beyond planned work.")  # fmt: skip
    note += " " + _("Source of these rates: {source}.").format(source=clean(look.told.failures_source, 200))
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
        cost = p.costs.get(str(component))
        excess = len(jobs) / look.years * (1 - worn.mean()) if len(worn) else None
        rows.append((
            clean(component, 30), len(jobs), len(worn), None if worn.empty else float(100 * worn.mean()), excess,
            cost.planned if cost else None, cost.failure if cost else None,
            excess * cost.planned if cost and excess is not None else None,
        ))  # fmt: skip
    heads = (
        _("component"), _("jobs"), _("with wear"), _("mean wear [% of limit]"), _("net excess [1/year]"),
        "C_p", "C_f", _("{currency} per year").format(currency=look.told.currency),
    )  # fmt: skip
    return Table("money_by_component", heads, tuple(rows), _("C_p planned work, C_f after a failure; point values."))
