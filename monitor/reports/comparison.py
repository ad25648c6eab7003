"""The comparison report: what the vendor asked, what the own model saw, what was decided, what inspections found.

Answer first, with counts and 90 % intervals; then method and limits, agreement per asset, the cases one by one (our own
misses as plainly as the vendor's), money and contract, decision rights, and an annex with the raw rows. It never says
intent: it says what the findings support, and what would change the answer.
"""

import math
from collections.abc import Sequence
from datetime import UTC

import pandas as pd

from models.bias.evidence import FLAG
from monitor import delays, review
from monitor.labels import choice_word, role_word
from monitor.ledger import entries
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.records import tables
from monitor.reports import plots
from monitor.reports.document import (
    Block,
    Cell,
    Document,
    Numbers,
    Paragraph,
    Plot,
    Section,
    Signatures,
    Table,
    command_text,
    ledger_text,
)
from monitor.state import State
from monitor.words import _, age_text, clean, interval_text, language, local_text, number_text, share_text, utc_text

DEFAULT_DAYS = 730
MOST_CASES = 400  # on the pages; the CSV has them all
DAY = "%Y-%m-%d"


def period_until(now_us: int) -> tuple[int, int]:
    """The period of a report for which nobody asked another: 24 months of whole days until now, UTC [us].

    It ends at a moment and not with the day: what is recorded later today belongs to no report that was made before.
    """
    day_us = 86_400_000_000
    return (-(-now_us // day_us) - DEFAULT_DAYS) * day_us, now_us // 1000 * 1000


def build(state: State, settings: Settings, told: review.Answer, tell: Tell = silent) -> Document:
    """The report on one review from the ledger as it stands."""
    start_us, end_us, vendor = told.result.start_us, told.result.end_us, told.parameters.vendor
    records = tables(state, start_us, end_us, tell=tell)
    period = f"{local_text(start_us, UTC, DAY)[:10]} - {local_text(end_us - 1, UTC, DAY)[:10]}"
    return Document(
        title=_("Vendor comparison"),
        subtitle=_("{utility}: does the vendor ask for more maintenance than the findings support?").format(
            utility=settings.utility
        ),
        meta=(
            (_("period"), period),
            (_("vendor"), clean(vendor, 40) if vendor else _("all")),
            (_("assets"), str(told.result.assets)),
            (_("ledger"), ledger_text(state) + erased_words(state)),
            (_("configuration"), settings.sha256[:16]),
            (_("parameters"), told.sha256[:16]),
            (_("made again by"), _again(state, settings, told)),
        ),
        sections=(
            Section(_("1 Answer"), _answer(told)),
            Section(_("2 Method and limits"), _method(told), new_page=True),
            Section(_("3 Agreement per asset and over time"), _agreement(settings, told, records)),
            Section(_("4 Cases"), _cases(told, records)),
            Section(_("5 Money, contract, data access"), _money(state, settings, told, start_us, end_us)),
            Section(_("6 Decision rights and people"), _rights(settings, told)),
            Section(_("7 Annex: raw rows"), _annex(records)),
        ),
        simulated=settings.simulated,
        language=language(),
    )


def _again(state: State, settings: Settings, told: review.Answer) -> str:
    """The command that makes this very report again, from the same configuration and ledger."""
    vendor = told.parameters.vendor
    asked = ["--from", _moment(told.result.start_us), "--to", _moment(told.result.end_us)]
    asked += ["--vendor", clean(vendor, 80)] if vendor else []
    return command_text(settings, state, "report", "comparison", *asked)


def _moment(us: int) -> str:
    """A day where it is the start of one, else the moment."""
    text = utc_text(us)
    return text.removesuffix("T00:00:00.000Z")


def erased_words(state: State) -> str:
    """What no count of this report can hold any more."""
    erasures = list(entries(state, ["erasure"]))
    gone = {n for entry in erasures for n in entry.data["entries"]}
    held = gone & {n for entry in erasures for n in entry.data.get("held", ()) if isinstance(n, int)}
    words = "; " + _("{n} erased under a rule").format(n=len(gone)) if gone else ""
    return words + (", " + _("{n} of them although held as evidence").format(n=len(held)) if held else "")


def _answer(told: review.Answer) -> tuple[Block, ...]:
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


def _method(told: review.Answer) -> tuple[Block, ...]:
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


def _agreement(settings: Settings, told: review.Answer, records: dict[str, pd.DataFrame]) -> tuple[Block, ...]:
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


def _cases(told: review.Answer, records: dict[str, pd.DataFrame]) -> tuple[Block, ...]:
    cases = told.result.cases
    alerts = records["vendor_alert"].drop_duplicates("alert_id").set_index("alert_id")
    decisions = records["decision"].drop_duplicates("alert_id", keep="last").set_index("alert_id")
    rows: list[tuple[Cell, ...]] = []
    for case in cases.to_dict("records"):
        alert = alerts.loc[case["alert_id"]] if case["alert_id"] in alerts.index else None
        decision = decisions.loc[case["alert_id"]] if case["alert_id"] in decisions.index else None
        wear = case["wear"]
        rows.append(
            (
                local_text(int(case["at_us"]), UTC, DAY)[:10],
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
        (int(one["n"]), local_text(int(one["at_us"]), UTC, DAY)[:10], one["asset"], one["component"],
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
            rows.append((local_text(failure["at_us"], UTC, DAY)[:10], failure["asset"], failure["component"],
                         _("failed without an own alert in the 26 weeks before")))  # fmt: skip
    for job in records["work_order"].to_dict("records"):
        grade = found.loc[job["wo_id"]]["grade"] if job["wo_id"] in found.index else None
        if job["trigger"] == "own" and grade in ("A", "B", "C"):
            words = _("job on our own alert, found grade {grade}").format(grade=grade)
            rows.append((local_text(job["at_us"], UTC, DAY)[:10], job["asset"], job["component"], words))
    return tuple(sorted(rows, key=lambda row: str(row[0])))


def _money(state: State, settings: Settings, told: review.Answer, start_us: int, end_us: int) -> tuple[Block, ...]:
    r = told.result
    unit = _("{currency} per year").format(currency=told.currency)
    rows: list[tuple[Cell, ...]] = [
        (
            _("net excess, summed per component"),
            review.counted_text(r.life.money, 3),
        ),
    ]
    rows += [
        (
            _("failure credit against: {reference}").format(reference=review.reference_word(one.reference)),
            review.counted_text(one.money, 3),
        )
        for one in r.credit
    ]
    note = _("The credit's sign can turn with its reference, so both stand here. Prices are those of site.toml.")
    if r.life.unpriced:
        note += " " + _("Without price or measured wear: {parts}.").format(parts=", ".join(r.life.unpriced))
    blocks: list[Block] = [Table("money", (_("what"), unit), tuple(rows), note)]
    contracts: tuple[tuple[Cell, ...], ...] = tuple(
        (one.id, clean(one.counterparty, 40), one.kind, one.data_access, one.data_control, len(one.assets))
        for one in settings.contracts
    )
    heads = (_("contract"), _("counterparty"), _("kind"), _("access"), _("control"), _("assets"))
    blocks.append(Table("contracts", heads, contracts))
    told_first = delays.summary(delays.arrivals(entries(state, ["vendor_alert", "clock_step"], start_us, end_us)))
    if told_first is None:
        words = _("Who was told first: cannot tell; no vendor message could be paired with a status bit of the device.")
    else:
        words = _(
            "Who was told first: of {n} messages of the vendor that could be paired with the device's own status bit,"
            " which we read ourselves, {after} came after the bit, {before} before it, and of {unclear} it cannot be"
            " told."
        ).format(n=told_first.pairs, after=told_first.after, before=told_first.before, unclear=told_first.unclear)
        if told_first.after:
            words += " " + _("After the bit by at least {median} (median; {least} to {most}).").format(
                median=age_text(told_first.median_s), least=age_text(told_first.least_s),
                most=age_text(told_first.most_s),
            )  # fmt: skip
    blocks.append(Paragraph(words))
    return tuple(blocks)


def _rights(settings: Settings, told: review.Answer) -> tuple[Block, ...]:
    choices = told.result.decisions
    total = sum(choices.values())
    decided: tuple[tuple[Cell, ...], ...] = tuple(
        (choice_word(choice) if choice != "none" else _("undecided"), share_text(count, total))
        for choice, count in choices.items()
    )
    rights: tuple[tuple[Cell, ...], ...] = tuple(
        (role_word(role), ", ".join(may)) for role, may in settings.rights.items()
    )
    words = _(
        "Roles decide and are recorded, we record no person. What a vendor writes may name somebody and can be erased:"
        " handwheel ledger erase. No response times, no counts per role or team: with fewer than five positions behind"
        " it a count points at a person. No individual performance data is kept."
    )
    return (
        Table("decisions", (_("decision on a vendor alert"), _("count")), decided),
        Table("rights", (_("role"), _("may")), rights),
        Paragraph(words),
    )


def _annex(records: dict[str, pd.DataFrame]) -> tuple[Block, ...]:
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
