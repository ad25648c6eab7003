"""What it costs, what was signed, who holds the data and who was told first."""

from monitor import delays, review
from monitor.ledger import entries
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, age_text, clean


def money(look: Look) -> tuple[Block, ...]:
    state, settings, told = look.state, look.settings, look.told
    r = told.result
    unit = _("{currency} per year").format(currency=told.currency)
    rows: list[tuple[Cell, ...]] = [
        (
            _("net excess, summed per component"),
            review.counted_text(r.life.money, 3),
        ),
    ]
    rows += [
        (
            _("failure credit against: {reference}").format(reference=review.reference_word(one.reference)),
            review.counted_text(one.money, 3),
        )
        for one in r.credit
    ]
    note = _("The credit's sign can turn with its reference, so both stand here. Prices are those of site.toml.")
    if r.life.unpriced:
        note += " " + _("Without price or measured wear: {parts}.").format(parts=", ".join(r.life.unpriced))
    blocks: list[Block] = [Table("money", (_("what"), unit), tuple(rows), note)]
    contracts: tuple[tuple[Cell, ...], ...] = tuple(
        (one.id, clean(one.counterparty, 40), one.kind, one.data_access, one.data_control, len(one.assets))
        for one in settings.contracts
    )
    heads = (_("contract"), _("counterparty"), _("kind"), _("access"), _("control"), _("assets"))
    blocks.append(Table("contracts", heads, contracts))
    told_first = delays.summary(
        delays.arrivals(entries(state, ["vendor_alert", "clock_step"], r.start_us, r.end_us, upto_n=told.upto_n))
    )
    if told_first is None:
        words = _("Who was told first: cannot tell; no vendor message could be paired with a status bit of the device.")
    else:
        words = _(
            "Who was told first: of {n} messages of the vendor that could be paired with the device's own status bit,"
            " which we read ourselves, {after} came after the bit, {before} before it, and of {unclear} it cannot be"
            " told."
        ).format(n=told_first.pairs, after=told_first.after, before=told_first.before, unclear=told_first.unclear)
        if told_first.after:
            words += " " + _("After the bit by at least {median} (median; {least} to {most}).").format(
                median=age_text(told_first.median_s), least=age_text(told_first.least_s),
                most=age_text(told_first.most_s),
            )  # fmt: skip
    blocks.append(Paragraph(words))
    return tuple(blocks)
