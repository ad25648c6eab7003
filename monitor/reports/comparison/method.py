"""How the answer was found: definitions, gates, limits, what is odd in the records, the evidence table."""

from collections.abc import Sequence

from models.bias.status import FEWEST_FINDINGS
from monitor import review
from monitor.reports.comparison import pictures
from monitor.reports.comparison.caveats import caveat
from monitor.reports.comparison.look import Look, Row
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean, number_text, share_text

PHYSICS = ("flow", "discharge_pressure", "power", "vibration", "bearing_temperature")


def method(look: Look) -> tuple[Block, ...]:
    r = look.told.result
    blocks: list[Block] = [Paragraph(words) for words in _rules(look)]
    if r.findings < FEWEST_FINDINGS:
        few = _("Only {n} findings: too few for any answer but INSUFFICIENT.").format(n=r.findings)
        blocks.append(Paragraph(few, "note"))
    for names in (("writer", "missing"), ("small", "executed", "simulated")):
        blocks.append(Paragraph(" ".join(caveat(name) for name in names), "note"))
    blocks += [*_doubts(look), _coverage(look)]
    return tuple(blocks)


def evidence(look: Look) -> tuple[Block, ...]:
    """The evidence table with its exact rows, and the pictures of it."""
    r = look.told.result
    table = Table(
        "evidence", (_("row"), _("value")), _pairs(review.table(look.told)),
        _("All intervals are 90 %. That of U takes each finding as if it stood alone: where the findings of a visit are"
          " alike, it is too narrow."),
        about=_("the evidence table of the review"),
    )  # fmt: skip
    more = [Table("evidence_beside", (_("beside the table"), _("value")), _pairs(review.beside(look.told)))]
    if look.told.contested is not None:
        heads = (_("with contested findings counted as confirmed"), _("value"))
        more.append(Table("evidence_contested", heads, _pairs(review.contested_rows(look.told))))
    pair = (*pictures.evidence_path(look), *pictures.wear_at_removal(r), *pictures.tipping_curve(r))
    return (table, *more, *pair, Paragraph(caveat("choice"), "note"), *pictures.ages_at_alert(r))


def _pairs(rows: Sequence[review.Row]) -> tuple[tuple[Cell, ...], ...]:
    return tuple((row.label, row.value) for row in rows)


def _rules(look: Look) -> tuple[str, ...]:
    p = look.told.parameters
    return (
        _("Vendor alerts of one part with less than {merge} days between them are one episode, which stands until work,"
          " failure, the vendor's own withdrawal or its horizon ({horizon} days, where the vendor says none). Own"
          " alerts are merged alike; one within {match} days of a vendor's matches it.").format(
            merge=f"{p.merge_days:g}", match=f"{p.match_days:g}", horizon=f"{p.horizon_days:g}"),
        _("The only ground truth is what an inspector finds in the opened part: A as new, B light, C worn but"
          " serviceable to the next planned opportunity, D beyond the agreed limit, E failed. A job is confirmed if an"
          " inspector who is not the vendor's graded D or E. Findings of one asset within {cluster} days, and of one"
          " site within {campaign}, are one visit; the e-value bets visit by visit, weighted by size up to {largest},"
          " and may be looked at daily. A finding that comes after its visit was settled can only lower it.").format(
            cluster=f"{p.cluster_days:g}", campaign=f"{p.campaign_days:g}", largest=p.largest_cluster),
        _("INSUFFICIENT below 20 findings, 5 assets or findings on half of the jobs; WATCH from e = 5; FLAG from e = 20"
          " with an agreed rate; STRONG if it also holds for inspectors who never call a good part worn and E_net is"
          " above zero. Inspectors are taken to see {se} % of bad parts and to pass {sp} % of good ones.").format(
            se=number_text(100 * p.sensitivity, 2), sp=number_text(100 * p.specificity, 2)),
        _own_words(look),
    )  # fmt: skip


def _own_words(look: Look) -> str:
    """Our own threshold and the models that were in use: they match and describe, and accuse nobody."""
    own = look.records["own_alert"]
    lines = sorted({f"{float(one['threshold']):g}" for one in own})
    hashes = sorted({str(one["model_sha256"])[:12] for one in own if one["model_sha256"]})
    assets = [asset for asset, _site in look.told.parameters.assets]
    seen = {tag.quantity for asset in assets for tag in look.settings.tags_of(asset)}
    unseen = [quantity for quantity in PHYSICS if quantity not in seen]
    told = _("Our own model only matches and describes; it never confirms. It alerts below a health index of {lines}"
             " ({n} alerts in the period); models in use: {hashes}.").format(
        lines=", ".join(lines) or "-", n=len(own), hashes=", ".join(hashes[:6]) or _("none") )  # fmt: skip
    r = look.told.result
    if len(r.watched) < r.assets:
        told += " " + _("Of {n} of the {total} assets it could tell nothing in the period: where it could not, this"
                        " report says so and does not call it silent.").format(
            n=r.assets - len(r.watched), total=r.assets)  # fmt: skip
    if len(hashes) > 6:
        told += " " + _("And {n} more, in own_alerts.csv.").format(n=len(hashes) - 6)
    if unseen:
        from monitor.labels import quantity_word

        names = ", ".join(quantity_word(one) for one in unseen)
        told += " " + _("Blind spots: not measured on any of these assets: {names}; a seal is seen by none.").format(
            names=names
        )
    return told


def _doubts(look: Look) -> list[Block]:
    """What is odd in the records, counted; nothing was dropped by it."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (doubt_word(one.kind), one.count, one.of, "; ".join(clean(example, 60) for example in one.examples))
        for one in look.told.result.doubts
    )
    if turns := look.told.turns:
        first = "; ".join(f"#{one.by} {clean(one.wo_id, 40)} {one.before} -> {one.now or '-'}" for one in turns[:5])
        words = _("finding corrected or withdrawn after the freeze")
        rows += ((words, len(turns), look.told.result.findings, first),)
    heads = (_("what is odd in the records"), _("count"), _("of"), _("the first of them"))
    note = _(
        "Counted, not mended. What is left out or not used is marked so; all else was used as it is. #17 is entry 17"
        " of the ledger."
    )
    return [
        Paragraph(_("Data quality:")),
        Table("data_quality", heads, rows, note, about=_("what is odd in the records")),
    ]


def doubt_word(kind: str) -> str:
    """A kind of doubt as a reader knows it."""
    words = {
        "orphan_finding": _("finding without its work order"),
        "job_without_alert": _("vendor-driven job whose alert is not recorded (left out)"),
        "finding_elsewhere": _("finding on another part than its work order's job"),
        "finding_again": _("later finding on a job that has one (not used)"),
        "job_other_part": _("job cites an alert of another part (left out)"),
        "job_before_alert": _("job done before the alert that it cites (left out)"),
        "job_after_horizon": _("job done after the horizon of the alert that it cites (left out)"),
        "job_served": _("job cites an alert that was served already (left out)"),
        "alert_changed": _("alert id that came again with another asset, part, severity or text"),
        "other_unit": _("measured in another unit than the limit"),
        "id_twice": _("one id used twice"),
        "two_vendors": _("alerts of two vendors on one asset"),
        "other_vendor": _("alert that names another than the asset's vendor"),
        "issued_after_received": _("alert issued after it was received"),
        "vendor_clock": _("vendor's clock off by whole hours"),
        "wear_as_share": _("wear that looks like a share, not per cent"),
        "grade_against_wear": _("grade and wear contradict each other"),
        "other_limit": _("measured against another limit than agreed"),
        "before_its_work": _("finding before its work"),
        "done_before_opened": _("work done before it was opened"),
        "future": _("date in the future"),
        "run_hours_fall": _("run hours that fall"),
        "currencies": _("several currencies"),
        "rejected_rows": _("rows rejected at import"),
        "no_photo": _("finding without a photograph"),
        "not_blind": _("inspector knew of the alert"),
        "imported": _("came by import"),
        "not_reviewed": _("job on a component that is not under review"),
    }
    return words.get(kind, clean(kind.replace("_", " "), 40))


def _coverage(look: Look) -> Table:
    """What is known of each asset: whether we read it, how long our model could tell, how many jobs have a finding."""
    cases, asked = look.told.result.cases, look.asked()
    done = cases["asset"].value_counts()
    found = cases.loc[cases["independent"], "asset"].value_counts()
    told = _told_share(look)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (asset, site, len(look.settings.tags_of(asset)), told.get(asset), int(asked.get(asset, 0)),
         int(done.get(asset, 0)), share_text(int(found.get(asset, 0)), int(done.get(asset, 0))))
        for asset, site in look.told.parameters.assets
    )  # fmt: skip
    heads = (
        _("asset"), _("site"), _("tags configured"), _("own model knew [%]"), _("vendor alerts"),
        _("jobs"), _("with independent finding"),
    )  # fmt: skip
    return Table("coverage", heads, rows, about=_("what is known of each asset"), most=60)


def _told_share(look: Look) -> dict[str, float]:
    """Of each asset with assessments: the share of the period in which the own model's index was known. [%]"""
    r, found = look.told.result, look.records["assessment"]
    shares: dict[str, float] = {}
    by_asset: dict[str, list[Row]] = {}
    for one in found:
        by_asset.setdefault(one["asset"], []).append(one)
    for asset, mine in by_asset.items():
        ends = [*(int(one["at_us"]) for one in mine[1:]), r.end_us]
        known = sum(end - one["at_us"] for one, end in zip(mine, ends, strict=True) if one["index"] is not None)
        shares[asset] = round(100 * known / (r.end_us - r.start_us), 1)
    return shares
