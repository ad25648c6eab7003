"""The evidence table: the rows of the method in its order, then what stands beside it and decides nothing.

A row of the method is there also where its figure could not be computed: a missing line is an answer withheld.
"""

import math
from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from monitor.review.answering import Answer
from monitor.words import _, clean, interval_text, lived_text, local_text, number_text, share_text

if TYPE_CHECKING:
    from models.bias.diagnostics import Season
    from models.bias.life import Credit
    from models.bias.result import ReviewResult, SpikeOf
    from models.intervals import Interval

METHOD = (  # the rows of the evidence table, in the order of the method; a row "name.part" belongs to the one before it
    "period", "assets", "alerts", "decisions", "interventions", "with_finding", "confirmed", "unsupported",
    "upper_bound", "q0", "m0", "e", "tipping", "mean_wear", "net", "waste", "cost", "failures", "calendar", "step",
    "deferral", "after_work", "own_auc", "agreement",
)  # fmt: skip


IN_HOUSE = (
    "decisions",
    "deferral",
)  # rows that concern our staff: a count of one names the alert that it was decided on


class Row(NamedTuple):
    """A row of the table, in the reader's language; `name` is one of METHOD, or that of a row beside them."""

    name: str
    label: str
    value: str


def rows(told: Answer) -> list[tuple[str, str]]:
    """The evidence table and what stands beside it, as (row, value) in the reader's language."""
    return [(row.label, row.value) for row in (*table(told), *beside(told))]


def table(told: Answer) -> list[Row]:
    """The evidence table of the method, row by row."""
    return [*_claims(told), *_evidence(told), *_life(told), *_diagnostics(told.result)]


def _claims(told: Answer) -> list[Row]:
    r = told.result
    assets = str(r.assets) if told.narrowed is None else _("{n} of {total}").format(
        n=told.result.assets, total=told.whole)  # fmt: skip
    choices = " / ".join(str(r.decisions.get(c, 0)) for c in ("follow", "defer", "reject", "inspect_first", "none"))
    period = f"{local_text(r.start_us, UTC, '%Y-%m-%d')} - {local_text(r.end_us - 1, UTC, '%Y-%m-%d')}"
    return [
        Row("period", _("period"), period),
        Row("assets", _("assets"), assets),
        Row("alerts", _("vendor alerts (episodes)"), f"{r.alerts} ({r.episodes})"),
        Row("decisions", _("followed / deferred / rejected / inspect first / undecided"), choices),
        Row("interventions", _("interventions N"), _jobs(r)),
        Row("with_finding", _("with an independent finding"), share_text(r.findings, r.interventions)),
        Row("confirmed", _("confirmed (grade D or E)"),
            f"{share_text(r.confirmed, r.findings)}  {counted_text(r.confirmation)}"),
        Row("unsupported", _("U, not supported by findings [90 %]"), counted_text(r.unsupported)),
        Row("upper_bound", _("anytime upper bound of the recorded confirmation rate"),
            _("{bound}; unclustered {closed} (n = {n})").format(
                bound=number_text(r.upper_bound, 2), closed=number_text(r.upper_bound_unclustered, 2), n=r.findings)),
    ]  # fmt: skip


def _jobs(r: "ReviewResult") -> str:
    """N, and how many jobs said to be the vendor's are not among them."""
    left_out = sum(count for _why, count in r.left_out)
    if not left_out:
        return str(r.interventions)
    words = _("{n}; {left_out} more cite an alert that cannot have driven them, and are left out ({reasons})")
    reasons = ", ".join(f"{why_word(why)}: {count}" for why, count in r.left_out)
    return words.format(n=r.interventions, left_out=left_out, reasons=reasons)


def why_word(why: str) -> str:
    """Why no alert can have driven a job that is said to be a vendor's."""
    words = {
        "job_without_alert": _("no such alert is recorded"),
        "job_other_part": _("alert of another part"),
        "job_before_alert": _("done before the alert"),
        "job_after_horizon": _("done after the alert's horizon"),
        "job_served": _("the alert was served already"),
    }
    return words.get(why, clean(why, 40))


def _evidence(told: Answer) -> list[Row]:
    r = told.result
    e = _("{calibrated} / {protective} (n = {n} clusters)").format(
        calibrated=number_text(r.e_calibrated), protective=number_text(r.e_protective), n=len(r.path.e)
    )
    return [
        Row("q0", _("q0, agreed minimum confirmation rate"), _q0_words(told)),
        Row("m0", _("m0 calibrated / protective"), " / ".join(number_text(m, 2) for m in r.m0)),
        Row("e", _("e calibrated / protective"), e),
        Row("tipping",
            _("flag falls if (i) wrong findings; (ii) lowest q0, Se; (iii) confirmed among jobs without finding"),
            _tipping(r)),
    ]  # fmt: skip


def _life(told: Answer) -> list[Row]:
    r, money = told.result, told.currency
    found = [
        Row("mean_wear", _("mean wear at removal, of the agreed limit"), _percent(r.life.mean_wear)),
        Row("net", _("E_net, net excess interventions per year [90 %]"), counted_text(r.life.net)),
        Row("waste", _("E_waste, gross, per year [90 %]"), counted_text(r.life.waste)),
        Row("cost", _("cost of the net excess, {currency} per year [90 %]").format(currency=money), _priced(r)),
        Row("failures", _("failures per asset and year [90 %]"), counted_text(r.failure_rate)),
    ]
    for one in r.credit:
        label = _("failure credit, {currency} per year, against: {reference} ({rate} per asset and year)")
        rate = number_text(one.reference_rate, 2)
        label = label.format(currency=money, reference=reference_word(one.reference), rate=rate)
        value = _("{credit}; source of the rate: {source}").format(
            credit=credit_text(r, one), source=rates_source_word(told.failures_source)
        )
        found.append(Row(f"failures.{one.reference}", label, value))
    return found


def _diagnostics(r: "ReviewResult") -> list[Row]:
    d3, d4 = r.deferral, r.waddington
    how = _("{n} chosen by lot").format(n=d3.randomised)
    if d3.randomised:
        how += f": {interval_text(d3.by_lot.value, d3.by_lot.low, d3.by_lot.high)}"
    return [
        Row("calendar", _("D1 calendar: p; p of the control (own alerts, failures)"),
            f"{number_text(r.spike_p, 2)}; {number_text(r.spike_control_p, 2)}"),
        *(_spike(spike) for spike in r.spikes if not math.isnan(spike.vendor.p)),
        *_steps(r),
        Row("deferral", _("D3 failed within the horizon after deferral [90 %]"),
            _("{failed} of {n} seen to fail, rate {rate}; {how}").format(
                failed=d3.failed, n=d3.n, rate=interval_text(d3.rate.value, d3.rate.low, d3.rate.high), how=how)),
        Row("after_work",
            _("D4 failure rate soon after work by the clock or on good parts, over the rest [90 %]; control"),
            f"{counted_text(d4.ratio)}; {counted_text(d4.control)}"),
        Row("own_auc", _("own model on the same jobs, AUC (descriptive)"), _auc_words(r)),
        Row("agreement", _("vendor only / own only / both, kappa (descriptive)"), _agreement_words(r)),
    ]  # fmt: skip


def _auc_words(r: "ReviewResult") -> str:
    n, yes = r.own_judged
    if not n:
        return _("cannot tell: of none of the jobs with a finding could our own model tell anything")
    return _("{value} (n = {n}: {yes} confirmed, {no} not; no interval)").format(
        value=number_text(r.own_auc, 2), n=n, yes=yes, no=n - yes
    )


def _agreement_words(r: "ReviewResult") -> str:
    if not r.watched:
        return _("cannot tell: on none of the {n} assets could our own model tell anything").format(n=r.assets)
    words = _("{vendor} / {own} / {both} episodes on the {n} assets of which our own model could tell;"
              " kappa {kappa} (n = {cells} cells of part and time; no interval)")  # fmt: skip
    return words.format(
        vendor=r.vendor_only, own=r.own_only, both=r.both, n=len(r.watched), kappa=number_text(r.kappa, 2),
        cells=r.kappa_cells,
    )  # fmt: skip


def _spike(spike: "SpikeOf") -> Row:
    words = _("p {p}, most crowded at {age}, {share} % of {n} alerts in excess").format(
        p=number_text(spike.vendor.p, 2), age=lived_text(spike.vendor.age, spike.unit), n=spike.vendor.n,
        share=number_text(100 * spike.vendor.share, 2),
    )  # fmt: skip
    part = clean(spike.component, 30)
    name = f"calendar.{part}" + (".run_hours" if spike.unit != "d" else "")
    return Row(name, _("D1 of component {component}").format(component=part), words)


def _season(season: "Season") -> Row:
    cycle = {"month": _("month"), "quarter": _("quarter"), "year": _("fiscal year")}.get(season.name, season.name)
    words = _("p {p} (n = {n} days with an alert); control p {control} (n = {m})").format(
        p=number_text(season.p, 2), n=season.n, control=number_text(season.control_p, 2), m=season.control_n
    )
    return Row(f"season.{season.name}", _("alerts at one time of the {cycle}").format(cycle=cycle), words)


def _steps(r: "ReviewResult") -> list[Row]:
    label, found = _("D2 step at a known date: ratio, p"), []
    for number, step in enumerate(r.steps, 1):
        words = _("ratio {ratio}, p {p}; vendor {vb} -> {va}, own {ob} -> {oa}").format(
            ratio=number_text(step.ratio, 2), p=number_text(step.p, 2), vb=step.vendor[0], va=step.vendor[1],
            ob=step.own[0], oa=step.own[1],
        )  # fmt: skip
        if not step.beforehand:
            words += "; " + _("registered after the freeze: no test")
        found.append(Row(f"step.{number}", _("D2 step at {event}").format(event=clean(step.name, 60)), words))
    tested = [step for step in r.steps if step.beforehand and not math.isnan(step.p)]
    if not tested:
        return [Row("step", label, _("no date was listed beforehand")), *found]
    least = min(tested, key=lambda step: step.p)
    told = _("ratio {ratio}, p {p}, the smallest of {n}").format(
        ratio=number_text(least.ratio, 2), p=number_text(least.p, 2), n=len(tested)
    )
    return [Row("step", label, told), *found]


def beside(told: Answer) -> list[Row]:
    """What a reader needs to judge the table, and what is counted without deciding anything."""
    r = told.result
    kinds = r.failure_counts
    found = [
        Row("flags", _("early flag / standing flag"), _flags(r)),
        *(Row(f"cycle.{number}", _("e at the end of 12 months number {number}").format(number=number),
              f"{number_text(e)} ({local_text(at_us, UTC, '%Y-%m-%d')[:10]})")
          for number, (at_us, e) in enumerate(r.cycle_ends, 1)),
        Row("unsettled", _("findings of visits that are still open: in U, not yet in e"), str(r.unsettled)),
        Row("unlabelled", _("jobs without an independent finding; U rests on"), f"{r.unlabelled}; {_u_words(r)}"),
        Row("lead", _("days from the vendor's start to ours where both spoke, median [90 %]"),
            counted_text(r.lead_days)),
        Row("second_readings", _("findings graded twice, of them alike"), share_text(*reversed(r.second_readings))),
        Row("blind", _("findings blind to the alert, of them confirmed"), share_text(*reversed(r.blind))),
        Row("vendor_written", _("findings written by the vendor, confirmed (not used)"),
            share_text(r.vendor_written_confirmed, r.vendor_written)),
        Row("orphans", _("findings without a work order (not used)"), str(r.orphan_findings)),
        Row("not_reviewed", _("jobs on components that are not under review, of them with a finding (not used)"),
            f"{r.not_reviewed[0]}; {r.not_reviewed[1]}"),
        Row("failures_set_aside",
            _("failures; not in the credit: not under review / a shock by its record / vendor alert not followed"),
            f"{r.failures}; {kinds.not_reviewed} / {kinds.shock} / {kinds.not_followed}"),
        Row("failures_counted", _("failures in the credit: without a vendor alert / alert followed, work not done yet"),
            f"{kinds.no_alert} / {kinds.followed}"),
        Row("imported", _("findings that came by import; jobs that did"),
            f"{share_text(told.imported[1], r.findings)}; {share_text(told.imported[0], r.interventions)}"),
        Row("alerts_from", _("alerts received with their message; brought in by the utility"),
            f"{told.alerts_from[0]}; {told.alerts_from[1]}"),
        Row("late", _("findings imported after the freeze, of a time before it (not used)"), str(len(told.late))),
        *_turned(told),
        Row("contested", _("findings that the vendor contests; of them late; contests taken back"),
            f"{len(told.counted)}; {len(told.counted_late)}; {told.contest.withdrawn}"),
    ]  # fmt: skip
    found += [_season(season) for season in r.seasons]
    for one in r.severity:
        severity = clean(one.name, 30) or "-"
        label = _("severity {severity}: alerts, jobs; confirmed [90 %]; failed within the horizon [90 %]")
        failed = _("{rate} ({n} failed, {at_risk} at risk)").format(
            rate=interval_text(one.failed.value, one.failed.low, one.failed.high), n=one.failures, at_risk=one.at_risk
        )
        value = f"{one.alerts}, {one.jobs}; {counted_text(one.confirmed)}; {failed}"
        found.append(Row(f"severity.{severity}", label.format(severity=severity), value))
    for kind, label, groups in (
        ("site", _("site {name}: e, e-BH 10 %"), r.sites),
        ("component", _("component {name}: e, e-BH 10 %"), r.components),
    ):
        for group in groups:
            stands = _("stands") if group.flagged else _("does not stand")
            value = f"{number_text(group.e)}, {stands} (n = {group.findings})"
            found.append(Row(f"{kind}.{group.name}", label.format(name=clean(group.name, 30)), value))
    return found


def _turned(told: Answer) -> tuple[Row, ...]:
    """What was corrected or withdrawn after the freeze: neither side removes a finding unseen."""
    gone = sum(not one.now for one in told.turns)
    less = [one for one in told.turns if one.confirmed == (True, False)]
    more = sum(one.confirmed == (False, True) for one in told.turns)
    held = sum(not one.counts for one in told.turns)
    return (
        Row("changed_late", _("findings corrected after the freeze; withdrawn after it; of both, do not count"),
            f"{len(told.turns) - gone}; {gone}; {held}"),
        Row("turned_late", _("of these from confirmed to not; from not confirmed to confirmed"),
            f"{len(less)}; {more}"),
    )  # fmt: skip


def _u_words(r: "ReviewResult") -> str:
    words = {
        "jeffreys": _("the findings alone"),
        "ppi": _("the findings, and for the other jobs what our own model said (PPI++)"),
    }
    return words[r.unsupported_by]


def rates_source_word(source: str | None) -> str:
    """Where the failure rates come from that a credit is measured against (monitor.review.choosing.failures_source)."""
    if source is None:
        return _("simulated fleets of four-part pumps, docs/bias_method.md; write your own rates into site.toml")
    if source:
        return _("the utility's own, site.toml: {source}").format(source=clean(source, 80))
    return _("the utility's own, site.toml")


def reference_word(name: str) -> str:
    """The policy that failures are measured against."""
    words = {"at_limit": _("parts replaced exactly at the limit"), "honest_vendor": _("an honest vendor")}
    return words.get(name, clean(name, 40))


def credit_text(r: "ReviewResult", one: "Credit") -> str:
    """A failure credit; not told where nobody ever recorded a failure, for that is not known to be none."""
    return counted_text(one.money, 3) if r.failure_counts.recorded else _("not told: no failure was ever recorded")


def counted_text(value: "Interval", digits: int = 2) -> str:
    """An estimate with its interval and the count it rests on: "0.76 [0.65, 0.87] (n = 126)"; "none (n = 0)"."""
    if not value.n and math.isnan(value.value):
        return _("none (n = 0)")
    return f"{interval_text(value.value, value.low, value.high, digits)} (n = {value.n})"


def source_word(source: str) -> str:
    """Where an agreed rate comes from."""
    return {"contract": _("contract"), "costs": _("costs"), "default": _("default, not agreed")}[source]


def _percent(value: "Interval") -> str:
    text = interval_text(100 * value.value, 100 * value.low, 100 * value.high, 2)
    return text if text == "-" else f"{text} % (n = {value.n})"


def _priced(r: "ReviewResult") -> str:
    text = counted_text(r.life.money, 3)
    if not r.life.unpriced:
        return text
    return _("{money}; without price or measured finding: {parts}").format(
        money=text, parts=", ".join(clean(part, 30) for part in r.life.unpriced)
    )


def _flags(r: "ReviewResult") -> str:
    yes, no = _("yes"), _("no")
    standing = (yes if r.standing else no) if r.cycles else _("no full cycle of 12 months yet")
    return f"{yes if r.early else no} / {standing}"


def _tipping(r: "ReviewResult") -> str:
    t = r.tipping
    if t.wrong_findings is None:
        return _("no flag stands")
    wrong, single = (
        "-" if one is None else str(one) for one in (t.wrong_findings, r.tipping_unclustered.wrong_findings)
    )
    among = _("nothing undoes it") if t.missing_confirmed is None else f"{100 * t.missing_confirmed:.0f} %"
    alone = _("unclustered {n}").format(n=single)
    lowest = ", ".join("-" if one is None else number_text(one, 2) for one in (t.lowest_q0, t.lowest_sensitivity))
    return f"(i) {wrong}, {alone}; (ii) {lowest}; (iii) {among}"


def _q0_words(told: Answer) -> str:
    """Each rate in use with its arithmetic and for how many components it holds."""
    counted = Counter((one.q0, one.source, one.words) for one in told.rates)
    return "; ".join(
        f"{number_text(q0, 2)} ({source_word(source)} {clean(words, 60)}; n = {n})"
        for (q0, source, words), n in sorted(counted.items())
    )
