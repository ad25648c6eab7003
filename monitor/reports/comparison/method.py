"""How the answer was found: definitions, gates, limits, the evidence table and its plots."""

import math

from models.bias.evidence import FLAG
from monitor import review
from monitor.reports import plots
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Paragraph, Plot, Table
from monitor.words import _, number_text


def method(look: Look) -> tuple[Block, ...]:
    told = look.told
    p, r = told.parameters, told.result
    rule = _(
        "Vendor alerts of one part with less than {merge} days between them are one episode; an own one within"
        " {match} days of it matches it. A job is confirmed if an inspector who is not the vendor's graded the part"
        " D or E. Findings of one asset within {cluster} days are one cluster; the e-value bets cluster by cluster and"
        " may be looked at daily."
    ).format(merge=f"{p.merge_days:g}", match=f"{p.match_days:g}", cluster=f"{p.cluster_days:g}")
    gates = _(
        "INSUFFICIENT below 20 findings, 5 assets or findings on half of the jobs; WATCH from e = 5; FLAG from e = 20"
        " with an agreed rate; STRONG if it also holds for inspectors who never call a good part worn and E_net is"
        " above zero."
    )
    blocks: list[Block] = [Paragraph(rule), Paragraph(gates)]
    if r.findings < 20:
        blocks.append(
            Paragraph(_("Only {n} findings: too few for any answer but INSUFFICIENT.").format(n=r.findings), "note")
        )
    evidence = tuple((label, value) for label, value in review.rows(told))
    blocks.append(Table("evidence", (_("row"), _("value")), evidence, _("All intervals are 90 %.")))
    blocks += _evidence_plots(told)
    return tuple(blocks)


def _evidence_plots(told: review.Answer) -> list[Block]:
    r = told.result
    blocks: list[Block] = []
    if len(r.path.e):
        words = _("after {n} clusters the e-value stands at {e}; the flag line is 20").format(
            n=len(r.path.e), e=number_text(r.e_calibrated)
        )
        svg = plots.evidence_path(list(r.path.e), (_("clusters of findings"), _("e-value")), FLAG)
        blocks.append(Plot("e_path", svg, _("Evidence against the agreed rate, cluster by cluster"), words))
    wear = [100 * one for one in r.cases["wear"] if not math.isnan(one)]
    if wear:
        past = sum(1 for one in wear if one >= 100)
        words = _("{past} of {n} parts were at or past the agreed limit when they were removed").format(
            past=past, n=len(wear)
        )
        svg = plots.wear_histogram(wear, (_("wear at removal [% of the agreed limit]"), _("findings")))
        blocks.append(Plot("wear", svg, _("As-found wear against the agreed limit"), words))
    q0, e = r.tipping_curve
    if len(q0):
        words = _("how the e-value would stand at another agreed rate; in use {q0}").format(
            q0=number_text(sum(r.q0) / 2, 2)
        )
        svg = plots.tipping_curve(list(q0), list(e), (_("agreed rate q0"), _("e-value")), sum(r.q0) / 2)
        blocks.append(Plot("tipping", svg, _("Where the answer would change"), words))
    return blocks
