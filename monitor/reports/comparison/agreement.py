"""What both sides said of each asset, and when."""

from collections.abc import Sequence
from typing import Any

from monitor.reports.comparison import pictures
from monitor.reports.comparison.look import Look, Row
from monitor.reports.comparison.timeline import timeline
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, interval_text

MOST = 80  # assets on the pages


def agreement(look: Look) -> tuple[Block, ...]:
    told, records, r = look.told, look.records, look.told.result
    both: tuple[tuple[Cell, ...], ...] = (
        (_("own model asked"), r.both, r.own_only), (_("own model silent"), r.vendor_only, None),
        (_("own model could not tell"), r.episodes - r.both - r.vendor_only, None),
    )  # fmt: skip
    two = Table(
        "two_by_two", (_("episodes of one part within the window"), _("vendor asked"), _("vendor silent")), both,
        _("Episodes are made anew from all alerts of the period; our own model could tell of {n} of the {total} assets."
          " The verdicts further below are what the program noted while it ran, so the two need not be equal. What"
          " neither side said is no episode and cannot be counted. Who has the lower threshold is not who is right:"
          " agreement describes, findings decide.").format(n=len(r.watched), total=r.assets),
    )  # fmt: skip
    lead = r.lead_days
    if lead.n:
        words = _("Lead time where both asked, own start minus vendor start (positive: the vendor was first): median"
                  " {lead} days, n = {n}.").format(
            lead=interval_text(round(lead.value, 1) + 0.0, round(lead.low, 1) + 0.0, round(lead.high, 1) + 0.0),
            n=lead.n)  # fmt: skip
    else:
        words = _("Lead time where both asked: none, no episode was both sides' (n = 0).")
    final, open_ = _verdict_counts(records["verdict"])
    rows: list[tuple[Cell, ...]] = []
    asked_of, cases = look.asked(), r.cases
    done, found = cases["asset"].value_counts(), cases.loc[cases["independent"], "asset"].value_counts()
    confirmed = cases.loc[cases["independent"] & cases["confirmed"], "asset"].value_counts()
    by: tuple[Any, ...] = (asked_of, done, found, confirmed)  # each from asset to its count
    for asset, _site in told.parameters.assets:
        counts = [final.get((asset, word), 0) for word in ("agree", "vendor_only", "own_only", "cannot_tell")]
        numbers = [int(one.get(asset, 0)) for one in by]
        if any(numbers) or any(counts) or open_.get(asset):
            rows.append((asset, numbers[0], *counts, open_.get(asset, 0), *numbers[1:]))
    heads = (
        _("asset"), _("vendor alerts"), _("verdict: agree"), _("verdict: vendor only"), _("verdict: own only"),
        _("verdict: cannot tell"), _("verdict still open"),
        _("jobs"), _("found"), _("confirmed"),
    )  # fmt: skip
    note = _("Verdicts are those that the program noted while it ran, counted when final; open ones stand apart. They"
             " are another notion than the episodes above and need not be as many. A verdict is a description, a"
             " finding is evidence.")  # fmt: skip
    blocks: list[Block] = [
        two, Paragraph(words), Table("agreement", heads, tuple(rows), note, most=MOST), *pictures.months(look),
        *timeline(look),
    ]  # fmt: skip
    unread = r.assets - len(look.read())
    if unread:
        words = _("{n} of {total} assets were not read and assessed by us in the period: for them only records are"
                  " compared.").format(n=unread, total=r.assets)  # fmt: skip
        blocks.append(Paragraph(words, "note"))
    return tuple(blocks)


def _verdict_counts(verdicts: Sequence[Row]) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """(final verdicts by asset and word, open ones by asset): the last entry on each pair of episodes counts."""
    last: dict[tuple[str, str], tuple[str, str, bool]] = {}
    for row in verdicts:
        pair = tuple(str((row[side] or {}).get("id")) for side in ("vendor_episode", "own_episode"))
        last[(pair[0], pair[1]) if pair[0] != "None" else ("None", pair[1])] = (row["asset"], row["word"], row["final"])
    final: dict[tuple[str, str], int] = {}
    open_: dict[str, int] = {}
    for asset, word, is_final in last.values():
        if is_final:
            final[asset, word] = final.get((asset, word), 0) + 1
        else:
            open_[asset] = open_.get(asset, 0) + 1
    return final, open_
