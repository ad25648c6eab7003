"""Each vendor-driven job with what was found; and where our own model was wrong, as plainly."""

import math

import pandas as pd

from monitor.labels import choice_word
from monitor.reports.comparison.look import MOST_CASES, Look, day_text
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean


def cases(look: Look) -> tuple[Block, ...]:
    told, records = look.told, look.records
    done = told.result.cases
    alerts = records["vendor_alert"].drop_duplicates("alert_id").set_index("alert_id")
    decisions = records["decision"].drop_duplicates("alert_id", keep="last").set_index("alert_id")
    rows: list[tuple[Cell, ...]] = []
    for case in done.to_dict("records"):
        alert = alerts.loc[case["alert_id"]] if case["alert_id"] in alerts.index else None
        decision = decisions.loc[case["alert_id"]] if case["alert_id"] in decisions.index else None
        wear = case["wear"]
        rows.append(
            (
                day_text(case["at_us"]),
                case["asset"],
                case["component"],
                "-" if alert is None else clean(alert["text"], 60),
                _("own alert stood") if case["own_standing"] else _("own silent"),
                "-" if decision is None else choice_word(decision["choice"]),
                case["grade"] if isinstance(case["grade"], str) else _("no finding"),
                None if math.isnan(wear) else f"{100 * wear:.0f} %",
                case["inspector_party"] if isinstance(case["inspector_party"], str) else "-",
            )
        )
    heads = (
        _("date"), _("asset"), _("component"), _("vendor's claim"), _("own model"), _("decision"), _("grade"),
        _("wear"), _("inspector"),
    )  # fmt: skip
    misses = _misses(records)
    note = "" if len(rows) <= MOST_CASES else _("the last {n} of {total}").format(n=MOST_CASES, total=len(rows))
    blocks: tuple[Block, ...] = (
        Paragraph(_("Every vendor-driven job of the period. Grades: A as new, B light, C worn but serviceable, D beyond"
                    " the agreed limit, E failed.")),
        Table("cases", heads, tuple(rows[-MOST_CASES:]), note),
        Paragraph(_("Where our own model was wrong or silent, as plainly:")),
        Table("own_misses", (_("date"), _("asset"), _("component"), _("what happened")), misses),
    )  # fmt: skip
    late: tuple[tuple[Cell, ...], ...] = tuple(
        (int(one["n"]), day_text(one["at_us"]), one["asset"], one["component"],
         clean(one["wo_id"], 40), one["grade"])
        for one in told.late.to_dict("records")
    )  # fmt: skip
    if late:
        names = (_("entry"), _("date"), _("asset"), _("component"), _("work order"), _("grade"))
        words = _("Findings that were imported after the parameters were frozen, of a time before that; none counts:")
        blocks += (Paragraph(words, "warning"), Table("late_findings", names, late[-MOST_CASES:]))
    return blocks


def _misses(records: dict[str, pd.DataFrame]) -> tuple[tuple[Cell, ...], ...]:
    """Failures without an own alert in the 26 weeks before, and own-driven jobs that found nothing."""
    own = records["own_alert"]
    found = records["finding"].drop_duplicates("wo_id", keep="last").set_index("wo_id")
    rows: list[tuple[Cell, ...]] = []
    for failure in records["failure"].to_dict("records"):
        window = failure["at_us"] - 182 * 86_400_000_000
        mine = own[(own["asset"] == failure["asset"]) & (own["component"] == failure["component"])]
        if not ((mine["at_us"] >= window) & (mine["at_us"] <= failure["at_us"])).any():
            rows.append((day_text(failure["at_us"]), failure["asset"], failure["component"],
                         _("failed without an own alert in the 26 weeks before")))  # fmt: skip
    for job in records["work_order"].to_dict("records"):
        grade = found.loc[job["wo_id"]]["grade"] if job["wo_id"] in found.index else None
        if job["trigger"] == "own" and grade in ("A", "B", "C"):
            words = _("job on our own alert, found grade {grade}").format(grade=grade)
            rows.append((day_text(job["at_us"]), job["asset"], job["component"], words))
    return tuple(sorted(rows, key=lambda row: str(row[0])))
