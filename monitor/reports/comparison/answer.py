"""Page one: the answer with its counts and intervals, what it shows and what it does not."""

from monitor import review
from monitor.labels import role_word
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Numbers, Paragraph, Signatures
from monitor.words import _, interval_text, share_text


def answer(look: Look) -> tuple[Block, ...]:
    told = look.told
    r = told.result
    status = f"{r.status} - {review.gate_words(r)}"
    boxes = (
        (_("review"), r.status, review.gate_words(r)),
        (_("vendor asked"), str(r.episodes), _("{n} alerts merged into episodes").format(n=r.alerts)),
        (
            _("confirmed by inspection"),
            share_text(r.confirmed, r.findings),
            _("of {n} jobs; 90 %: {interval}").format(
                n=r.interventions,
                interval=interval_text(r.confirmation.value, r.confirmation.low, r.confirmation.high),
            ),
        ),
        (
            _("vendor only / own only / both"),
            f"{r.vendor_only} / {r.own_only} / {r.both}",
            _("episodes; description, not evidence"),
        ),
    )
    pair = (
        (
            "U",
            review.counted_text(r.unsupported),
            _("share of vendor-driven jobs that the findings do not support"),
        ),
        (
            "E_net",
            review.counted_text(r.life.net),
            _("net excess jobs per year by life accounting; negative: parts ran past their limit"),
        ),
    )
    words = _(
        "What this shows: whether recorded as-found findings fit the confirmation rate that was agreed. What it does"
        " not show: intent. Miscalibration, a sensor fault or a stricter safety policy explain a flag equally. An early"
        " replacement postpones the next one, so U and E_net are read as a pair."
    )
    return (
        Paragraph(review.first_line(told), "plain" if told.freeze.word == "frozen" else "warning"),
        Numbers(boxes),
        Paragraph(_("Headline pair, with 90 % intervals:")),
        Numbers(pair),
        Paragraph(_("Status: {status}").format(status=status)),
        Paragraph(words, "note"),
        Signatures(tuple(role_word(role) for role in ("maintenance", "shift_lead", "auditor"))),
    )
