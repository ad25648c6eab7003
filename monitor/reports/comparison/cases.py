"""Each vendor-driven job with what was said, decided and found; and where our own model was wrong, as plainly."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from models.bias.grading import quantity
from monitor.labels import choice_word, quantity_word, role_word
from monitor.reports.comparison.look import Look, Row
from monitor.reports.comparison.misses import misses
from monitor.reports.comparison.people import shown_roles
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, clean

MOST_ALONE = 1_000  # rows on the pages of vendor-only jobs with a finding; the CSV has them all
MOST_OTHERS = 120
TEXT = 70  # characters of a vendor's text in a row


@dataclass(frozen=True, slots=True)
class _Records:
    """What belongs to a job, by the id it is asked for."""

    alerts: Mapping[str, Row]
    work: Mapping[str, Row]
    findings: Mapping[int, Row]
    decisions: Mapping[str, Row]
    own: Mapping[tuple[str, str], list[Row]]  # own alerts and verdicts of a part in order of time
    roles: frozenset[str]  # those that may be shown apart
    day: Callable[[int], str]


def cases(look: Look) -> tuple[Block, ...]:
    told, done = look.told, look.told.result.cases
    known = _gathered(look)
    listed = [(case, _line(case, known)) for case in done.to_dict("records")]
    alone = tuple(line for case, line in listed if _alone(case))
    others = tuple(line for case, line in listed if not _alone(case))
    note = _("entries: numbers in the ledger of alert, job and finding; reason given: the vendor's message names a"
             " failure mode; finding: by the utility where no other hand is named")  # fmt: skip
    blocks: list[Block] = [
        Paragraph(_("Every vendor-driven job of the period. First those where our own model was silent and somebody"
                    " looked: {alone} of {n}.").format(alone=len(alone), n=len(listed))),
        Table("cases_vendor_only", _heads(), alone, note, _("jobs where our own model was silent, with a finding"),
              MOST_ALONE),
        Paragraph(_("The others: our own alert stood too, our own model could not tell, or nobody wrote down what was"
                    " found.")),
        Table("cases_others", _heads(), others, "", _("the other vendor-driven jobs"), MOST_OTHERS),
        _numbers(done, known),
    ]  # fmt: skip
    late: tuple[tuple[Cell, ...], ...] = tuple(
        (int(one["n"]), look.day(one["at_us"]), one["asset"], one["component"], clean(one["wo_id"], 40), one["grade"])
        for one in told.late.to_dict("records")
    )
    if late:
        names = (_("entry"), _("date"), _("asset"), _("component"), _("work order"), _("grade"))
        words = _("Findings that were imported after the parameters were frozen, of a time before that; none counts:")
        blocks += [Paragraph(words, "warning"), Table("late_findings", names, late, most=MOST_OTHERS)]
    blocks += _turned(look)
    if told.counted:
        blocks += [Paragraph(_("Findings that the vendor contests:")), _contested(look, known)]
    return (*blocks, *misses(look))


def _turned(look: Look) -> list[Block]:
    """Findings that were changed after the freeze, each with whether that counts."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.n, one.by, look.day(one.at_us), one.asset, clean(one.wo_id, 40), one.before, one.now or _("withdrawn"),
         _("yes") if one.counts else _("no"))
        for one in look.told.turns
    )  # fmt: skip
    if not rows:
        return []
    heads = (_("entry"), _("changed by"), _("date"), _("asset"), _("work order"), _("grade"), _("grade now"),
             _("counts"))  # fmt: skip
    words = _("Findings that were corrected or withdrawn after the parameters were frozen. Where the finding is older"
              " than that, a change against the vendor does not count:")  # fmt: skip
    return [Paragraph(words, "warning"), Table("changed_findings", heads, rows, most=MOST_OTHERS)]


def _alone(case: Row) -> bool:
    """Whether our own model could tell and was silent, and somebody looked."""
    return bool(case["own_known"]) and not case["own_standing"] and isinstance(case["grade"], str)


def _contested(look: Look, known: _Records) -> Table:
    """Each contested finding with the vendor's reason, and whether it came after the 30 days."""
    contest = look.told.contest
    rows: list[tuple[Cell, ...]] = []
    for n in sorted(look.told.counted):
        finding = known.findings[n]
        told = n if n in contest.reasons else int(finding.get("corrects") or 0)  # it holds for the correction too
        late = _("yes") if told in contest.late else _("no")
        reason = clean(contest.reasons.get(told, "-"), 200)
        rows.append(
            (n, look.day(finding["at_us"]), finding["asset"], finding["component"], finding["grade"], reason, late)
        )
    heads = (_("entry"), _("date"), _("asset"), _("component"), _("grade"), _("vendor's reason"), _("late"))
    return Table("contested", heads, tuple(rows), most=MOST_OTHERS)


def _heads() -> tuple[str, ...]:
    return (
        _("date"), _("part"), _("vendor's text"), _("reason given"), _("own model and physics then"), _("decision"),
        _("finding"), _("hours"), _("cost"), _("entries"),
    )  # fmt: skip


def _line(case: Row, known: _Records) -> tuple[Cell, ...]:
    alert, job = known.alerts.get(case["alert_id"]), known.work.get(case["wo_id"])
    finding = known.findings.get(case["finding_n"])
    numbers = [str(one["n"]) if one else "-" for one in (alert, job, finding)]
    return (
        known.day(case["at_us"]),
        clean(f"{case['asset']} {case['component']}", 40),
        "-" if alert is None else clean(alert["text"], TEXT),
        "-" if alert is None else _("yes") if alert["failure_mode"] else _("no"),
        _own(case, known),
        _decision(known.decisions.get(case["alert_id"]), known.roles),
        _finding(case),
        _number(job, "downtime"),
        _number(job, "planned_cost"),
        " ".join(numbers),
    )


def _own(case: Row, known: _Records) -> str:
    """What our side said of the part when the job was done: the last own alert, or the last verdict's reason."""
    said = [one for one in known.own.get((case["asset"], case["component"]), ()) if one["at_us"] <= case["at_us"]]
    last = said[-1] if said else None
    if not case["own_standing"]:
        reason = next((one["reason"] for one in reversed(said) if one.get("reason")), "")
        word = _("silent") if case["own_known"] else _("cannot tell")
        return word + (f": {clean(reason, TEXT)}" if reason else "")
    alert = next((one for one in reversed(said) if one.get("active")), last)
    if alert is None:
        return _("own alert stood")
    top = [quantity_word(str(one["quantity"])) for one in alert.get("top") or () if isinstance(one, dict)][:2]
    return clean("; ".join([str(alert["text"]), *top]), TEXT)


def _decision(decision: Row | None, roles: frozenset[str]) -> str:
    if decision is None:
        return "-"
    role = decision["role"]
    return choice_word(decision["choice"]) + (f" ({role_word(role)})" if role in roles else "")


def _finding(case: Row) -> str:
    if not isinstance(case["grade"], str):
        return _("no finding")
    wear = "" if math.isnan(case["wear"]) else f", {100 * case['wear']:.0f} %"
    hand = {"utility": "", "vendor": ", " + _("vendor"), "third": ", " + _("third party")}
    return f"{case['grade']}{wear}{hand.get(case['inspector_party'], ', ' + clean(case['inspector_party'], 12))}"


def _number(row: Row | None, name: str) -> float | None:
    value = quantity(row[name]) if row else math.nan
    return None if math.isnan(value) else value


def _numbers(done: pd.DataFrame, known: _Records) -> Table:
    """Each job as a row of plain values, to reckon with; in the CSV folder only."""
    rows: list[tuple[Cell, ...]] = []
    for case in done.to_dict("records"):
        alert, job = known.alerts.get(case["alert_id"]), known.work.get(case["wo_id"])
        finding = known.findings.get(case["finding_n"]) or {}
        graded = isinstance(case["grade"], str)
        rows.append((
            known.day(case["at_us"]), case["asset"], case["component"], case["alert_id"], case["wo_id"],
            int(alert["n"]) if alert else None, int(job["n"]) if job else None,
            int(finding["n"]) if finding else None,
            case["grade"] if graded else None, None if math.isnan(case["wear"]) else round(100 * case["wear"], 3),
            finding.get("measured_value"), finding.get("limit"), case["inspector_party"] if graded else None,
            int(bool(case["independent"])), int(bool(case["confirmed"])),
            int(bool(case["own_standing"])) if case["own_known"] else None,
            float(case["q0"]), str(case["cluster"]), _number(job, "downtime"), _number(job, "planned_cost"),
        ))  # fmt: skip
    heads = (
        "done", "asset", "component", "alert_id", "wo_id", "alert_entry", "job_entry", "finding_entry", "grade",
        "wear_pct", "measured_value", "limit", "inspector_party", "independent", "confirmed", "own_alert_stood", "q0",
        "visit", "downtime_h", "planned_cost",
    )  # fmt: skip
    return Table("jobs", heads, tuple(rows), about=_("each vendor-driven job as numbers"), most=0)


def _gathered(look: Look) -> _Records:
    past = look.past
    own: dict[tuple[str, str], list[Row]] = {}
    for kind in ("own_alert", "verdict"):
        for row in past[kind]:
            own.setdefault((row["asset"], row["component"]), []).append(row)
    for said in own.values():
        said.sort(key=lambda row: (row["at_us"], row["n"]))
    return _Records(
        {row["alert_id"]: row for row in reversed(past["vendor_alert"])},
        {row["wo_id"]: row for row in past["work_order"]},
        {row["n"]: row for row in past["finding"]},
        {row["alert_id"]: row for row in past["decision"]},
        own,
        shown_roles(look),
        look.day,
    )
