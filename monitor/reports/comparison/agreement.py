"""What both sides said of each asset, and when."""

import pandas as pd

from monitor.reports import plots
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Plot, Table
from monitor.words import _


def agreement(look: Look) -> tuple[Block, ...]:
    settings, told, records = look.settings, look.told, look.records
    r = told.result
    final, open_ = _verdict_counts(records["verdict"])
    rows: list[tuple[Cell, ...]] = []
    alerts, cases = records["vendor_alert"], r.cases
    for asset, _site in told.parameters.assets:
        mine = cases[cases["asset"] == asset]
        found = mine[mine["independent"]]
        counts = [final.get((asset, word), 0) for word in ("agree", "vendor_only", "own_only", "cannot_tell")]
        asked = int((alerts["asset"] == asset).sum())
        if asked or len(mine) or any(counts):
            rows.append(
                (asset, asked, *counts, open_.get(asset, 0), len(mine), len(found), int(found["confirmed"].sum()))
            )
    heads = (
        _("asset"), _("vendor alerts"), _("agree"), _("vendor only"), _("own only"), _("cannot tell"), _("open"),
        _("jobs"), _("found"), _("confirmed"),
    )  # fmt: skip
    note = _(
        "Verdicts are counted when final; open ones stand apart. A verdict is a description, a finding is evidence."
    )
    blocks: list[Block] = [Table("agreement", heads, tuple(rows), note)]
    monthly = r.monthly
    if len(monthly):
        months = [str(one) for one in monthly["month"]]
        events = [str(one)[:7] for one in records["event"]["date"]]
        svg = plots.monthly_bars(months, list(monthly["vendor"]), list(monthly["own"]), (_("vendor"), _("own")), events)
        told_words = _("{vendor} vendor and {own} own episodes in {n} months").format(
            vendor=int(monthly["vendor"].sum()), own=int(monthly["own"].sum()), n=len(months)
        )
        blocks.append(Plot("monthly", svg, _("Episodes per month; dotted lines are known events"), told_words))
    unread = [asset.id for asset in settings.assets if not settings.tags_of(asset.id)]
    if unread:
        words = _("{n} assets are not read by us: for them only records are compared.").format(n=len(unread))
        blocks.append(Paragraph(words, "note"))
    return tuple(blocks)


def _verdict_counts(verdicts: pd.DataFrame) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """(final verdicts by asset and word, open ones by asset): the last entry on each pair of episodes counts."""
    last: dict[tuple[str, str], tuple[str, str, bool]] = {}
    for row in verdicts.to_dict("records"):
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
