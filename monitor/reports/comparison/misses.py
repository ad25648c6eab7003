"""Where our own model was wrong or silent, shown as plainly as the vendor's jobs: the same table for both sides.

Failures by who announced them, and what our own alerts came to where the vendor said nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.reports.comparison.look import Look, Row
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean, share_text

DAY_US = 86_400_000_000
MOST = 150  # rows on the pages
WHO = ("both", "vendor", "own", "nobody", "vendor_untold", "nobody_untold")


def misses(look: Look) -> tuple[Block, ...]:
    """Blocks of section 4: failures by who announced them, own alerts that came to nothing."""
    failures, own = _failures(look), _own_jobs(look)
    counted = Counter(who for who, _row in failures)
    words = {
        "both": _("announced by both"), "vendor": _("only by the vendor: our own model missed it"),
        "own": _("only by our own model"), "nobody": _("by nobody"),
        "vendor_untold": _("by the vendor; our own model could not tell"),
        "nobody_untold": _("by nobody; our own model could not tell"),
    }  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (words[who], counted[who], share_text(counted[who], len(failures))) for who in WHO
    )
    heads = (_("date"), _("asset"), _("component"), _("mode"), _("announced"), _("entry"))
    listed = tuple((*row, words[who], n) for who, (*row, n) in failures if who in ("vendor", "nobody"))
    days = f"{look.told.parameters.horizon_days:g}"
    nothing = sum(1 for row in own if row[4] in ("A", "B", "C"))
    return (
        Paragraph(_("Where our own model was wrong or silent, as plainly. A failure counts as announced by an alert on"
                    " its part in the {days} days before it, since the last work.").format(days=days)),
        Table("failures_announced", (_("failures"), _("count"), _("share")), rows),
        Table("own_misses", heads, listed, _("failures that our own model did not announce"),
              _("failures that our own model did not announce"), MOST),
        Paragraph(_("Jobs on our own alert without one of the vendor's, with a finding: {n}; of them {nothing} found a"
                    " part within its limit.").format(n=len(own), nothing=nothing)),
        Table("own_jobs", (_("date"), _("asset"), _("component"), _("our words"), _("grade"), _("entry")), own,
              about=_("jobs on our own alert alone, with what was found"), most=MOST),
    )  # fmt: skip


def _failures(look: Look) -> list[tuple[str, tuple[Any, ...]]]:
    """(who announced it, row) of each failure of the period."""
    horizon = look.told.parameters.horizon_days * DAY_US
    work = _times(look.past["work_order"])
    said = {kind: _times(_raised(look.past[kind])) for kind in ("vendor_alert", "own_alert")}
    found = []
    for one in look.records["failure"]:
        part, at = (one["asset"], one["component"]), one["at_us"]
        since = max([us for us in work.get(part, ()) if us < at] + [at - horizon])
        vendor, own = (any(since <= us < at for us in said[kind].get(part, ())) for kind in said)
        who = "both" if vendor and own else "vendor" if vendor else "own" if own else "nobody"
        watch = look.watch.get(one["asset"])
        if not own and (watch is None or not watch.within(int(since), at)):
            who += "_untold"
        found.append((who, (look.day(at), *part, clean(one["mode"], 30), int(one["n"]))))
    return found


def _own_jobs(look: Look) -> tuple[tuple[Cell, ...], ...]:
    """Jobs on an own alert that have an independent finding, without a vendor alert on the part since its last work."""
    grades = {row["wo_id"]: row for row in look.past["finding"] if row["inspector_party"] != "vendor"}
    words: Mapping[str, str] = {row["alert_id"]: row["text"] for row in look.past["own_alert"] if row["active"]}
    vendor, work = _times(_raised(look.past["vendor_alert"])), _times(look.past["work_order"])
    rows: list[tuple[Cell, ...]] = []
    for job in look.records["work_order"]:
        part, at = (job["asset"], job["component"]), job["at_us"]
        finding = grades.get(job["wo_id"])
        since = max([us for us in work.get(part, ()) if us < at], default=0)
        if job["trigger"] != "own" or finding is None or any(since <= us < at for us in vendor.get(part, ())):
            continue
        text = clean(words.get(job["alert_id"], "-"), 60)
        rows.append((look.day(at), *part, text, str(finding["grade"]), int(finding["n"])))
    return tuple(rows)


def _raised(alerts: Sequence[Row]) -> list[Row]:
    return [one for one in alerts if one["active"] is not False]


def _times(rows: Sequence[Row]) -> dict[tuple[str, str], list[int]]:
    times: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        times.setdefault((row["asset"], row["component"]), []).append(int(row["at_us"]))
    return times
