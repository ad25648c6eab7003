"""The raw rows with their entry numbers, and how to make the same report again."""

from collections.abc import Sequence

from monitor.reports.comparison.look import MOST_CASES, Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean, utc_text


def annex(look: Look) -> tuple[Block, ...]:
    records = look.records
    alerts = records["vendor_alert"]
    rows: list[tuple[Cell, ...]] = [
        (
            int(row["n"]),
            utc_text(int(row["at_us"])),
            row["asset"],
            row["component"],
            clean(row["alert_id"], 40),
            row["severity"],
            clean(row["feed"], 20),
            str(row["raw_sha256"])[:16],
        )
        for row in alerts.to_dict("records")
    ]
    heads = (
        _("entry"), _("received"), _("asset"), _("component"), _("alert"), _("severity"), _("feed"), _("raw SHA-256"),
    )  # fmt: skip
    counts: Sequence[tuple[Cell, ...]] = [(kind, len(frame)) for kind, frame in sorted(records.items()) if len(frame)]
    return (
        Paragraph(_("The raw rows lie as CSV beside this report; `handwheel ledger verify` proves them against the head"
                    " above.")),
        Table("records", (_("kind"), _("entries in the period")), tuple(counts)),
        Table("vendor_alerts", heads, tuple(rows[-MOST_CASES:]),
              "" if len(rows) <= MOST_CASES else _("the last {n} of {total}").format(n=MOST_CASES, total=len(rows))),
    )  # fmt: skip
