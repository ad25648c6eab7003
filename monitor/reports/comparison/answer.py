"""Page one: the answer with its counts and intervals, what it shows and does not, and what would change it."""

from models.bias.result import ReviewResult
from monitor import review
from monitor.labels import role_word
from monitor.reports.comparison.caveats import caveat
from monitor.reports.comparison.changes import changes
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Numbers, Paragraph, Signatures, Table
from monitor.words import _, clean, number_text, share_text

SIGNERS = ("maintenance", "shift_lead", "auditor")


def answer(look: Look) -> tuple[Block, ...]:
    told, r = look.told, look.told.result
    first, *left_out, house = review.opening(told)
    blocks: list[Block] = [Paragraph(first, "plain" if told.freeze.word == "frozen" else "warning")]
    blocks += [*(Paragraph(words, "warning") for words in left_out), Paragraph(f"{house}.")]
    blocks.append(Paragraph(f"{review.question_words(told)}."))
    vendors = review.vendors(look.settings)
    if told.parameters.vendor is None and len(vendors) > 1:
        names = clean(", ".join(vendors), 100)
        together = _("Alerts of {n} vendors together: {names}. Of one alone: --vendor NAME.")
        blocks.append(Paragraph(together.format(n=len(vendors), names=names), "note"))
    blocks += [
        Numbers(_boxes(look)),
        *(Paragraph(f"{words}.") for words in review.status_words(told)),
        *_both(look),
        Paragraph(_flags(look)),
        Paragraph(pair_text(r)),
        Paragraph(caveat("flag")),
        Paragraph(
            _("What would change this answer:") + " " + " ".join(changes(r, agreed=told.parameters.agreed)), "note"
        ),
        Paragraph(caveat("no_flag")),
        Signatures(tuple(role_word(role) for role in SIGNERS)),
    ]
    return tuple(blocks)


def _both(look: Look) -> tuple[Block, ...]:
    """Where findings are contested: the result as recorded beside that with these counted as confirmed."""
    told = look.told
    if told.contested is None:
        return ()
    results = (told.result, told.contested)
    rows: tuple[tuple[Cell, ...], ...] = (
        (_("status"), *(one.status for one in results)),
        (_("confirmed by inspection"), *(among(one.confirmed, one.findings) for one in results)),
        ("U", *(review.counted_text(one.unsupported) for one in results)),
        ("E_net", *(review.counted_text(one.life.net) for one in results)),
        (_("e calibrated / protective"),
         *(f"{number_text(one.e_calibrated)} / {number_text(one.e_protective)}" for one in results)),
    )  # fmt: skip
    counted = _("{n} contested findings counted as confirmed").format(n=len(told.counted))
    note = _("A contest changes what a finding confirms, not what was measured: E_net and money keep the wear as"
             " recorded.")  # fmt: skip
    return (Table("both_results", ("", _("as recorded"), counted), rows, note),)


def _flags(look: Look) -> str:
    """Whether the flag is early or standing: the word of the status alone does not say so."""
    told = next(row for row in review.beside(look.told) if row.name == "flags")
    return f"{told.label}: {told.value}. " + _(
        "Early: e was once at 20. Standing: it was so at the end of the last full 12 months."
    )


def pair_text(r: ReviewResult) -> str:
    """U and E_net, which are never told one without the other."""
    return _("U and E_net are read as a pair, for an early replacement postpones the next one. U, the share of"
             " vendor-driven jobs that the findings do not support: {u}. E_net, net excess jobs per year by life"
             " accounting (negative: parts ran past their limit): {net}.").format(
        u=review.counted_text(r.unsupported), net=review.counted_text(r.life.net))  # fmt: skip


def _boxes(look: Look) -> tuple[tuple[str, str, str], ...]:
    r, vendor = look.told.result, look.told.parameters.vendor
    watched = _("of the episodes on {n} of {total} assets, those of which our own model could tell").format(
        n=len(r.watched), total=r.assets)  # fmt: skip
    return (
        (_("review"), r.status, clean(vendor, 30) if vendor else _("all vendors")),
        (_("vendor asked"), str(r.episodes), _("{n} alerts merged into episodes").format(n=r.alerts)),
        (_("confirmed by inspection"), among(r.confirmed, r.findings), _("as-found grade D or E, independent hand")),
        (_("data coverage"), among(r.findings, r.interventions),
         _("jobs with an independent finding; we read and assessed {read} of {n} assets in the period").format(
             read=len(look.read()), n=r.assets)),
        (_("both asked"), _of_watched(r, r.both), watched),
        (_("vendor only"), _of_watched(r, r.vendor_only), _("episodes likewise; a description, not evidence")),
        (_("own only"), _of_watched(r, r.own_only), _("episodes likewise; a description, not evidence")),
        ("U / E_net", f"{number_text(r.unsupported.value, 2)} / {number_text(r.life.net.value, 2)}",
         _("share not supported / net excess jobs per year; intervals below")),
    )  # fmt: skip


def _of_watched(r: ReviewResult, count: int) -> str:
    return among(count, r.both + r.vendor_only + r.own_only) if r.watched else _("cannot tell")


def among(count: int, of: int) -> str:
    """A share with its counts and 90 % interval: "11 of 27, 41 %, 27-56 %"."""
    from models.intervals import share_interval

    if not of:
        return share_text(count, of)
    found = share_interval(count, of)
    low, high = 100 * found.low, 100 * found.high
    return _("{count} of {total}, {share} %, {low}-{high} %").format(
        count=count, total=of, share=f"{100 * count / of:.0f}", low=f"{low:.0f}", high=f"{high:.0f}"
    )
