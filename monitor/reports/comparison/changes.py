"""What would change the answer, in plain sentences: a result that nothing could change would be worth little."""

import math

from models.bias.evidence import FLAG, log_e
from models.bias.result import ReviewResult
from models.bias.status import FEWEST_ASSETS, FEWEST_FINDINGS, LEAST_COVERAGE
from monitor.words import _, number_text

MOST = 2_000  # findings; further nobody plans


def changes(r: ReviewResult, *, agreed: bool) -> list[str]:
    """Sentences for the status as it stands."""
    if r.status == "INSUFFICIENT":
        return _more(r)
    return _fewer(r) if r.tipping.wrong_findings is None else _falls(r, agreed=agreed)


def _falls(r: ReviewResult, *, agreed: bool) -> list[str]:
    """Where findings and rate do not fit: one thing at a time that would undo it."""
    t, unconfirmed, jobs = r.tipping, r.findings - r.confirmed, r.interventions - r.findings
    told = []
    told.append(_("if {k} of the {n} findings that did not confirm were wrong").format(
        k=t.wrong_findings, n=unconfirmed))  # fmt: skip
    if t.lowest_q0 is not None:
        told.append(_("if the agreed rate were below {q0} (in use {now})").format(
            q0=number_text(t.lowest_q0, 2), now=_between(r.q0)))  # fmt: skip
    if t.lowest_sensitivity is not None and t.lowest_sensitivity > 0.01:
        told.append(_("if inspectors saw less than {share} % of the parts that are beyond their limit").format(
            share=number_text(100 * t.lowest_sensitivity, 2)))  # fmt: skip
    if t.missing_confirmed is not None:
        if t.missing_confirmed >= 1:
            words = _("if all {n} jobs without a finding had been confirmed")
        else:
            words = _("if {share} % or more of the {n} jobs without a finding had been confirmed")
        told.append(words.format(share=number_text(100 * t.missing_confirmed, 2), n=jobs))
    lead = _("The flag falls, one thing at a time: {things}.") if r.status in ("FLAG", "STRONG") else _(
        "What speaks against the agreed rate falls away, one thing at a time: {things}."
    )  # fmt: skip
    sentences = [lead.format(things="; ".join(told)) + " " + _(
        "All of it is reckoned visit by visit, as the status is.")]  # fmt: skip
    if t.lowest_q0 is not None and t.missing_confirmed is None and jobs:
        sentences.append(_("Whatever the {n} jobs without a finding would have shown, it stands.").format(n=jobs))
    if not agreed:
        sentences.append(_("It can be no more than WATCH until a contract or agreed costs fix the rate."))
    if r.status == "STRONG":
        sentences.append(_("It would be a FLAG and no longer STRONG if E_net might be zero; its lower bound is {low}"
                           " per year.").format(low=number_text(r.life.net.low, 2)))  # fmt: skip
    return sentences


def _fewer(r: ReviewResult) -> list[str]:
    """Where findings fit the rate: how many would have to be otherwise, and which agreed rate would not fit."""
    goal = math.log(FLAG)
    m0, s, u = r.m0[0], r.confirmed, r.findings - r.confirmed
    wrong = next((k for k in range(1, s + 1) if log_e(s - k, u + k, m0) >= goal), None)
    told = []
    if wrong is not None:
        told.append(_("The flag would rise if {k} of the {n} confirmed findings were wrong.").format(k=wrong, n=s))
    q0, e = r.tipping_curve
    above = [float(q) for q, value in zip(q0, e, strict=True) if value >= FLAG]
    if above:
        told.append(_("It would rise if the agreed rate were {q0} or more (in use {now}).").format(
            q0=number_text(above[0], 2), now=_between(r.q0)))  # fmt: skip
    needed = _needed(r)
    if needed is not None and needed > r.findings:
        told.append(_("At the share confirmed so far, {n} findings would raise it; there are {now}.").format(
            n=needed, now=r.findings))  # fmt: skip
    elif needed is None:
        told.append(_("At the share confirmed so far no number of findings would raise it."))
    return [*told, _alone()] if wrong is not None or needed is not None else told


def _more(r: ReviewResult) -> list[str]:
    """Where there is too little: what is missing, and from whom."""
    told = []
    if r.findings < FEWEST_FINDINGS:
        told.append(_("{n} more findings are needed, by the utility or a third party: the vendor's own do not"
                      " count.").format(n=FEWEST_FINDINGS - r.findings))  # fmt: skip
    if r.found_assets < FEWEST_ASSETS:
        told.append(_("They must come from {n} more assets.").format(n=FEWEST_ASSETS - r.found_assets))
    short = math.ceil(LEAST_COVERAGE * r.interventions) - r.findings
    if short > 0:
        told.append(_("Half of the {jobs} jobs must have one: {n} are missing.").format(jobs=r.interventions, n=short))
    if r.vendor_written:
        told.append(_("{n} findings were written by the vendor and do not count; the same parts, kept and looked at by"
                      " somebody else, would.").format(n=r.vendor_written))  # fmt: skip
    needed = _needed(r) if r.findings else None
    if needed is not None:
        told += [_("At the share confirmed so far, a flag would need {n} findings.").format(n=needed), _alone()]
    return told


def _alone() -> str:
    return _("These numbers are reckoned as if each finding stood alone; visit by visit it takes more.")


def _needed(r: ReviewResult) -> int | None:
    """Findings at which the share confirmed so far would reach a flag; None where it never would."""
    if not r.findings or r.confirmed / r.findings >= r.m0[0]:
        return None
    share, goal = r.confirmed / r.findings, math.log(FLAG)
    return next((n for n in range(1, MOST) if log_e(round(share * n), n - round(share * n), r.m0[0]) >= goal), None)


def _between(rates: tuple[float, float]) -> str:
    low, high = (number_text(one, 2) for one in rates)
    return low if low == high else _("{low} to {high}").format(low=low, high=high)
