"""A review in words: whether the parameters were frozen, why the status is what it is, and the evidence table.

No word here means intent: recorded findings are, or are not, compatible with the rate that was agreed.
"""

import math
import textwrap
from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING

from monitor.review.answering import Answer
from monitor.words import _, clean, interval_text, local_text, number_text, share_text

if TYPE_CHECKING:
    from models.bias.result import ReviewResult
    from models.intervals import Interval


def first_line(told: Answer) -> str:
    """Whether the parameters were fixed beforehand: what a reader must know before any figure."""
    freeze_ = told.freeze
    if freeze_.word == "unfrozen":
        return _("PARAMETERS NOT FROZEN: they could have been chosen after looking; fix them: handwheel review freeze")
    at = local_text(freeze_.at_us)
    if freeze_.word == "changed":
        names = ", ".join(freeze_.changed)
        return _("PARAMETERS CHANGED since they were frozen on {at}: {names}").format(at=at, names=names)
    late = freeze_.at_us is not None and freeze_.at_us > told.result.start_us
    when = _("after the period had begun") if late else _("before the period")
    return _("Parameters frozen on {at} by role {role}, {when}; SHA-256 {sha}").format(
        at=at, role=freeze_.role or "-", when=when, sha=freeze_.sha256[:16]
    )


def gate_words(result: "ReviewResult") -> str:
    """Why the status is what it is, in one sentence."""
    e = number_text(result.e_calibrated)
    return {
        "vendor_written": _(
            "{n} independent findings; the vendor's own {own} are not counted: whoever asks for work does not grade it"
        ).format(n=result.findings, own=result.vendor_written),
        "few_findings": _("{n} independent findings; 20 are needed").format(n=result.findings),
        "few_assets": _("independent findings on {n} assets; 5 are needed").format(n=result.found_assets),
        "low_coverage": _("independent findings on {share} of the jobs; half are needed").format(
            share=share_text(result.findings, result.interventions)
        ),
        "below_watch": _("the findings do not speak against the agreed rate: e {e}, WATCH begins at 5").format(e=e),
        "below_flag": _("e {e}: above 5, below 20").format(e=e),
        "not_agreed": _("e {e}, but neither a contract nor costs fix the rate: no more than WATCH").format(e=e),
        "flag": _("recorded findings are incompatible with the agreed confirmation rate: e {e}").format(e=e),
        "strong": _("also with inspectors who never call a good part worn (e {e}), and life was given away").format(
            e=number_text(result.e_protective)
        ),
    }[result.gate]


def reference_word(name: str) -> str:
    """The policy that failures are measured against."""
    words = {"at_limit": _("parts replaced exactly at the limit"), "honest_vendor": _("an honest vendor")}
    return words.get(name, clean(name, 40))


def rows(told: Answer) -> list[tuple[str, str]]:
    """The evidence table, as (row, value) in the reader's language."""
    r, money = told.result, told.currency
    lead = [
        (_("period"), f"{local_text(r.start_us, UTC, '%Y-%m-%d')} - {local_text(r.end_us - 1, UTC, '%Y-%m-%d')}"),
        (_("assets"), str(r.assets)),
        (_("vendor alerts (episodes)"), f"{r.alerts} ({r.episodes})"),
        (_("followed / deferred / rejected / inspect first / undecided"),
         " / ".join(str(r.decisions.get(c, 0)) for c in ("follow", "defer", "reject", "inspect_first", "none"))),
        (_("interventions N"), str(r.interventions)),
        (_("with an independent finding"), share_text(r.findings, r.interventions)),
        (_("confirmed (grade D or E)"), f"{share_text(r.confirmed, r.findings)}  {counted_text(r.confirmation)}"),
        (_("findings written by the vendor, confirmed (not used)"),
         share_text(r.vendor_written_confirmed, r.vendor_written)),
        (_("findings without a work order (not used)"), str(r.orphan_findings)),
        (_("findings that came by import; jobs that did"),
         f"{share_text(told.imported[1], r.findings)}; {share_text(told.imported[0], r.interventions)}"),
        (_("findings imported after the freeze, of a time before it (not used)"), str(len(told.late))),
        (_("U, not supported by findings [90 %]"), counted_text(r.unsupported)),
        (_("anytime upper bound of the recorded confirmation rate"), _counted(r.upper_bound, r.findings)),
        (_("q0, agreed minimum confirmation rate"), _q0_words(told)),
        (_("m0 calibrated / protective"), " / ".join(number_text(m, 2) for m in r.m0)),
        (_("e calibrated / protective"),
         _("{calibrated} / {protective} (n = {n} clusters)").format(
             calibrated=number_text(r.e_calibrated), protective=number_text(r.e_protective), n=len(r.path.e))),
        (_("early flag / standing flag"), _flags(r)),
        (_("flag falls if (i) wrong findings; (ii) lowest q0, Se; (iii) confirmed among jobs without finding"),
         _tipping(r)),
    ]  # fmt: skip
    life = [
        (_("mean wear at removal, of the agreed limit"), _percent(r.life.mean_wear)),
        (_("E_net, net excess interventions per year [90 %]"), counted_text(r.life.net)),
        (_("E_waste, gross, per year [90 %]"), counted_text(r.life.waste)),
        (_("cost of the net excess, {currency} per year [90 %]").format(currency=money), _priced(r)),
        (_("failures per asset and year [90 %]"), counted_text(r.failure_rate)),
    ]
    for one in r.credit:
        label = _("failure credit, {currency} per year, against: {reference} ({rate} per asset and year)")
        rate = number_text(one.reference_rate, 2)
        label = label.format(currency=money, reference=reference_word(one.reference), rate=rate)
        life.append((label, counted_text(one.money, 3)))
    return lead + life + _diagnostics(r)


def _diagnostics(r: "ReviewResult") -> list[tuple[str, str]]:
    table = [(_("D1 calendar: p; p of the control (own alerts, failures)"),
              f"{number_text(r.spike_p, 2)}; {number_text(r.spike_control_p, 2)}")]  # fmt: skip
    for spike in r.spikes:
        if not math.isnan(spike.vendor.p):
            words = _("p {p}, most crowded at {age} {unit}, {share} % of {n} alerts in excess").format(
                p=number_text(spike.vendor.p, 2), age=number_text(spike.vendor.age), unit=spike.unit, n=spike.vendor.n,
                share=number_text(100 * spike.vendor.share, 2),
            )  # fmt: skip
            table.append((_("D1 of component {component}").format(component=clean(spike.component, 30)), words))
    for step in r.steps:
        words = _("ratio {ratio}, p {p}; vendor {vb} -> {va}, own {ob} -> {oa}").format(
            ratio=number_text(step.ratio, 2), p=number_text(step.p, 2), vb=step.vendor[0], va=step.vendor[1],
            ob=step.own[0], oa=step.own[1],
        )  # fmt: skip
        table.append((_("D2 step at {event}").format(event=clean(step.name, 60)), words))
    d3, d4 = r.deferral, r.waddington
    how = _("{n} chosen by lot").format(n=d3.randomised)
    table += [
        (_("D3 failed within the horizon after deferral [90 %]"),
         _("{failed} of {n} seen to fail, rate {rate}; {how}").format(
             failed=d3.failed, n=d3.n, rate=interval_text(d3.rate.value, d3.rate.low, d3.rate.high), how=how)),
        (_("D4 failure rate soon after uncalled-for work over the rest [90 %]; control"),
         f"{counted_text(d4.ratio)}; {counted_text(d4.control)}"),
        (_("own model on the same jobs, AUC (descriptive)"),
         _("{value} (n = {n}: {yes} confirmed, {no} not; no interval)").format(
             value=number_text(r.own_auc, 2), n=r.findings, yes=r.confirmed, no=r.findings - r.confirmed)),
        (_("vendor only / own only / both, kappa (descriptive)"),
         _("{vendor} / {own} / {both} episodes; kappa {kappa} (n = {n} cells of part and time; no interval)").format(
             vendor=r.vendor_only, own=r.own_only, both=r.both, kappa=number_text(r.kappa, 2), n=r.kappa_cells)),
    ]  # fmt: skip
    for one in r.severity:
        label = _("confirmed of severity {severity}").format(severity=clean(one.name, 30))
        table.append((label, counted_text(one.confirmed)))
    for label, groups in (
        (_("site {name}: e, e-BH 10 %"), r.sites),
        (_("component {name}: e, e-BH 10 %"), r.components),
    ):
        for group in groups:
            stands = _("stands") if group.flagged else _("does not stand")
            value = f"{number_text(group.e)}, {stands} (n = {group.findings})"
            table.append((label.format(name=clean(group.name, 30)), value))
    return table


def as_text(told: Answer) -> str:
    """The whole answer as a terminal or paper shows it."""
    table = rows(told)
    width = min(64, max(len(label) for label, _value in table))
    status = _("Status")
    lines = [
        first_line(told),
        "",
        *textwrap.wrap(f"{status}: {told.result.status}: {gate_words(told.result)}", 120),
        "",
    ]
    for label, value in table:
        if len(label) > width:
            lines.append(label)
            label = ""
        first, *more = textwrap.wrap(value, 120 - width - 2) or [""]
        lines.append(f"{label:<{width}}  {first}".rstrip())
        lines += [" " * (width + 2) + line for line in more]
    notes = (
        _(
            "A flag says that findings and agreed rate do not fit; miscalibration, a sensor fault or a stricter safety "
            "policy explain it as well. No flag is no clean bill: see the upper bound."
        ),
        _("An early replacement postpones the next one: U and E_net are read as a pair."),
    )
    for note in notes:
        lines += ["", *textwrap.wrap(note, 120)]
    return "\n".join(lines)


def counted_text(value: "Interval", digits: int = 2) -> str:
    """An estimate with its interval and the count it rests on: "0.76 [0.65, 0.87] (n = 126)"."""
    return f"{interval_text(value.value, value.low, value.high, digits)} (n = {value.n})"


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


def _counted(value: float, n: int) -> str:
    return f"{number_text(value, 2)} (n = {n})"


def _flags(r: "ReviewResult") -> str:
    yes, no = _("yes"), _("no")
    standing = (yes if r.standing else no) if r.cycles else _("no full cycle of 12 months yet")
    return f"{yes if r.early else no} / {standing}"


def _tipping(r: "ReviewResult") -> str:
    t = r.tipping
    if t.lowest_q0 is None:
        return _("the unclustered flag does not stand")
    among = _("nothing undoes it") if t.missing_confirmed is None else f"{100 * t.missing_confirmed:.0f} %"
    wrong = "-" if t.wrong_findings is None else str(t.wrong_findings)
    return f"(i) {wrong}; (ii) {number_text(t.lowest_q0, 2)}, {number_text(t.lowest_sensitivity, 2)}; (iii) {among}"


def _q0_words(told: Answer) -> str:
    """Each rate in use with its arithmetic and for how many components it holds."""
    counted = Counter((one.q0, one.source, one.words) for one in told.rates)
    sources = {"contract": _("contract"), "costs": _("costs"), "default": _("default, not agreed")}
    return "; ".join(
        f"{number_text(q0, 2)} ({sources[source]} {clean(words, 60)}; n = {n})"
        for (q0, source, words), n in sorted(counted.items())
    )
