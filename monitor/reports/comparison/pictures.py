"""The pictures of the evidence, each with its numbers: path, wear, ages, tipping curve, months, cost ratio."""

import math
import re

import numpy as np

from models.bias.evidence import FLAG, WATCH, cost_q0
from models.bias.result import ReviewResult, SpikeOf
from monitor.reports.comparison.look import Look, drawn
from monitor.reports.document import Block, Cell
from monitor.reports.drawing import Axis, Frame, counts, days, decades, linear, thinned
from monitor.words import _, clean, lived_text, number_text, unit_word

LEAST_E = 1e-3  # what is smaller is drawn here
RATIOS = np.round(np.arange(1.0, 20.01, 0.25), 2)  # C_f / C_p
MOST_PLOTS = 6  # component classes whose ages are drawn; the CSV has them all
EVENT_ROWS = 4


def evidence_path(look: Look) -> tuple[Block, ...]:
    """The e-value after each visit, with the lines at which the status changes and the ends of full cycles."""
    r = look.told.result
    if not len(r.path.e):
        return ()
    points = [(float(us), max(float(e), LEAST_E)) for us, e in zip(r.path_us, r.path.e, strict=True)]
    frame = Frame(
        days(_("day of the finding, UTC"), r.start_us, r.end_us),
        decades(_("e-value"), min(LEAST_E * 10, *(y for _x, y in points)), max(100.0, *(y for _x, y in points))),
        top=12,
    )
    seen = [points[n] for n in thinned([y for _x, y in points])]
    ends = [
        frame.upright(us, _("12 months: e {e}").format(e=number_text(e)), row=1) for us, e in r.cycle_ends
    ]  # fmt: skip
    title = _("Evidence against the agreed rate, visit by visit")
    words = _("after {n} visits with findings the e-value stands at {e}; the flag begins at 20, watch at 5").format(
        n=len(points), e=number_text(r.e_calibrated)
    )
    marks = (frame.across(FLAG, _("flag: 20")), frame.across(WATCH, _("watch: 5"), dash="2 3"), *ends)
    svg = frame.svg(title, words, *marks, frame.steps([*seen, (float(r.end_us), points[-1][1])]))
    rows = [(n, look.day(int(us)), float(e)) for n, (us, e) in enumerate(zip(r.path_us, r.path.e, strict=True), 1)]
    return drawn("e_path", svg, title, words, (_("visit"), _("date"), _("e-value")), rows)


def wear_at_removal(r: ReviewResult) -> tuple[Block, ...]:
    """As-found wear against the agreed limit, confirmed findings apart."""
    found = r.cases[r.cases["independent"] & r.cases["wear"].notna()]
    if found.empty:
        return ()
    wear, confirmed = 100 * found["wear"].to_numpy(dtype=float), found["confirmed"].to_numpy(dtype=bool)
    edges = np.arange(0.0, 161.0, 10.0)
    bins = np.clip(wear, 0.0, 159.0)
    yes, no = (np.histogram(bins[which], edges)[0] for which in (confirmed, ~confirmed))
    frame = Frame(
        Axis(_("wear at removal [% of the agreed limit]"), 0, 160, tuple((n, str(n)) for n in range(0, 161, 20))),
        counts(_("findings"), int((yes + no).max())),
    )
    bars = [
        frame.bar((left, left + 10), (low, low + height), hatched=hatched)
        for left, a, b in zip(edges, yes, no, strict=False)
        for low, height, hatched in ((0, int(a), False), (int(a), int(b), True))
        if height
    ]
    past = int((wear >= 100).sum())
    title = _("As-found wear against the agreed limit")
    words = _("{past} of {n} parts were at or past the agreed limit when they were removed").format(
        past=past, n=len(wear)
    )
    legend = (("bar", _("confirmed (D, E)")), ("hatched", _("not confirmed (A, B, C)")))
    svg = frame.svg(title, words, *bars, frame.upright(100, _("agreed limit"), dash="6 3"), legend=legend)
    rows: list[tuple[Cell, ...]] = [
        (f"{left:.0f} - {left + 10:.0f}" if left < 150 else _("150 and more"), int(a), int(b))
        for left, a, b in zip(edges, yes, no, strict=False)
    ]
    heads = (_("wear at removal [% of the agreed limit]"), _("confirmed"), _("not confirmed"))
    return drawn("wear", svg, title, words, heads, rows)


def tipping_curve(r: ReviewResult) -> tuple[Block, ...]:
    """The e-value over the rate that could have been agreed instead."""
    q0, e = r.tipping_curve
    if not r.findings or not len(q0):
        return ()
    used = sum(r.q0) / 2
    shown = [(float(q), min(max(float(value), LEAST_E), 1e9)) for q, value in zip(q0, e, strict=True)]
    most = max(100.0, *(value for _q, value in shown))
    frame = Frame(linear(_("agreed rate q0"), 0, 1, 10), decades(_("e-value"), LEAST_E * 10, most), top=12)
    title = _("Where the answer would change")
    words = _("how the e-value would stand at another agreed rate; in use {q0}").format(q0=number_text(used, 2))
    marks = (frame.across(FLAG, _("flag: 20")), frame.upright(used, _("in use")), frame.line(shown))
    rows = [(float(q), float(value)) for q, value in zip(q0, e, strict=True)]
    return drawn("tipping", frame.svg(title, words, *marks), title, words, (_("agreed rate q0"), _("e-value")), rows)


def ages_at_alert(r: ReviewResult) -> tuple[Block, ...]:
    """How old parts were when the vendor asked, with the most crowded age: a crowd is the mark of a calendar."""
    scanned = [
        one for one in r.spikes if not math.isnan(one.vendor.p) and len(r.ages.get((one.component, one.unit), ()))
    ]
    chosen = sorted(scanned, key=lambda one: (one.vendor.p, one.component, one.unit))[:MOST_PLOTS]
    return tuple(block for one in chosen for block in _ages(r, one))


def _ages(r: ReviewResult, spike: SpikeOf) -> tuple[Block, ...]:
    ages = np.sort(np.asarray(r.ages[spike.component, spike.unit], dtype=float))
    top = float(ages[-1])
    width = max(top / 36, 1e-9)
    edges = np.arange(0.0, top + width, width)
    heights = np.histogram(ages, edges)[0]
    part = clean(spike.component, 30)
    unit = unit_word(spike.unit)
    label = _("since the last service when the vendor asked [{unit}]").format(unit=unit)
    frame = Frame(linear(label, 0, float(edges[-1])), counts(_("alerts"), int(heights.max())), height=155, top=12)
    bars = [
        frame.bar((left, left + width), (0, int(n)), hatched=abs(left + width / 2 - spike.vendor.age) < width)
        for left, n in zip(edges, heights, strict=False)
        if n
    ]
    title = _("Age at alert: {component} [{unit}]").format(component=part, unit=unit)
    words = _("{n} alerts, most crowded at {age} (p {p}); control: own alerts {own}, failures {failed}").format(
        n=len(ages), age=lived_text(spike.vendor.age, spike.unit), p=number_text(spike.vendor.p, 2),
        own=number_text(spike.own.p, 2), failed=number_text(spike.failures.p, 2),
    )  # fmt: skip
    svg = frame.svg(title, words, *bars, frame.upright(spike.vendor.age, _("most crowded")))
    rows = [(float(left), float(left + width), int(n)) for left, n in zip(edges, heights, strict=False)]
    name = "ages_" + re.sub(r"[^A-Za-z0-9]", "_", f"{part}_{spike.unit}")
    return drawn(
        name,
        svg,
        title,
        words,
        (_("from [{unit}]").format(unit=unit), _("to [{unit}]").format(unit=unit), _("alerts")),
        rows,
    )


def months(look: Look) -> tuple[Block, ...]:
    """Episodes per month of both origins, with the events that were listed beforehand."""
    r, monthly = look.told.result, look.told.result.monthly
    if not len(monthly):
        return ()
    vendor, own = list(monthly["vendor"]), list(monthly["own"])
    names = [str(one) for one in monthly["month"]]
    every = max(1, math.ceil(len(names) / 9))
    ticks = tuple((n + 0.5, name) for n, name in enumerate(names) if n % every == 0)
    frame = Frame(
        Axis(_("month"), 0, len(names), ticks),
        counts(_("episodes per month"), 1.25 * max(1, *vendor, *own)),
        height=230,
    )
    bars = [
        frame.bar((n + at, n + at + 0.38), (0, count), hatched=hatched)
        for n, pair in enumerate(zip(vendor, own, strict=True))
        for at, count, hatched in ((0.1, pair[0], True), (0.5, pair[1], False))
        if count
    ]
    events = [
        (name, at) for name, at in look.told.parameters.events if r.start_us < at < r.end_us
    ]  # fmt: skip
    span = r.end_us - r.start_us
    lines = [
        frame.upright(len(names) * (at - r.start_us) / span, clean(name, 34), row=n % EVENT_ROWS)
        for n, (name, at) in enumerate(events)
    ]
    title = _("Episodes per month; dotted lines are events that were listed beforehand")
    words = _("{vendor} vendor and {own} own episodes in {n} months").format(
        vendor=sum(vendor), own=sum(own), n=len(names)
    )
    svg = frame.svg(title, words, *bars, *lines, legend=(("hatched", _("vendor")), ("bar", _("own"))))
    rows = [(name, int(a), int(b)) for name, a, b in zip(names, vendor, own, strict=True)]
    return drawn("monthly", svg, title, words, (_("month"), _("vendor"), _("own")), rows)


def cost_ratio(look: Look) -> tuple[Block, ...]:
    """The agreed rate that follows from the ratio of a failure's cost to planned work, for the risks in use."""
    known = {
        (one.component, one.price.p_fail, one.price.failure / one.price.planned)
        for one in look.told.rates
        if one.price is not None and one.price.p_fail is not None and one.price.planned > 0
    }
    risks = sorted({risk for _name, risk, _ratio in known})[:4] or [0.5]
    curves = [[(float(x), cost_q0(1.0, float(x), risk)) for x in RATIOS] for risk in risks]
    frame = Frame(linear(_("cost of a failure over cost of planned work, C_f / C_p"), 1, 20), linear(_("q0"), 0, 1))
    kinds = (("line", ""), ("dashed", "7 3"), ("dotted", "2 3"), ("dotdash", "8 3 2 3"))
    legend = [(kind, f"phi {number_text(risk, 2)}") for (kind, _dash), risk in zip(kinds, risks, strict=False)]
    lines = [frame.line(curve, dash=dash) for (_kind, dash), curve in zip(kinds, curves, strict=False)]
    points = [
        frame.mark(ratio, cost_q0(1.0, ratio, risk), "good") for _name, risk, ratio in sorted(known) if ratio <= 20
    ]
    title = _("The rate at which acting pays, by what a failure costs")
    words = _("q0 = C_p / (phi C_f + (1 - phi) C_p); phi: share of confirmed defects that fail before the next planned"
              " opportunity; rings: components as priced").format()  # fmt: skip
    rows = [(float(x), *(curve[n][1] for curve in curves)) for n, x in enumerate(RATIOS)]
    heads = ("C_f / C_p", *(f"q0, phi {number_text(risk, 2)}" for risk in risks))
    return drawn(
        "q0_over_cost_ratio", frame.svg(title, words, *lines, *points, legend=legend), title, words, heads, rows
    )
