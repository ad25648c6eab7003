"""The review as a person starts it: parameters from the configuration, frozen before anybody looks, and one table.

Where a minimum confirmation rate comes from is shown with its arithmetic, for the answer depends on it. The review
never says intent: recorded findings are, or are not, compatible with the rate that was agreed. A parameter that was
not frozen, or changed since, is the first thing the reader is told.
"""

import argparse
import dataclasses
import hashlib
import math
import textwrap
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.plant import Asset, Contract, Settings
from monitor.progress import Tell, on_terminal, silent
from monitor.state import State
from monitor.words import _, clean, interval_text, local_text, number_text, share_text, utc_text

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.parameters import Parameters
    from models.bias.review import ReviewResult
    from models.intervals import Interval

DAY_US = 86_400_000_000
IMPORTED = "import"  # via of an entry that was brought in afterwards
MONTHS = 24
# failures per pump and year of two policies, four wearing components each, from simulated fleets: a utility that knows
# its own rates puts them beside these
REFERENCES = (("at_limit", 0.076), ("honest_vendor", 0.284))


@dataclass(frozen=True, slots=True)
class Rate:
    """An agreed minimum confirmation rate q0 and where it comes from."""

    asset: str
    component: str
    q0: float
    source: str  # contract, costs or default
    words: str  # the arithmetic, or the contract


@dataclass(frozen=True, slots=True)
class Freeze:
    """Whether the parameters in use were frozen: the last freeze of the same vendor, if there is one."""

    word: str  # frozen, changed, unfrozen
    at_us: int | None = None
    role: str | None = None
    sha256: str = ""
    changed: tuple[str, ...] = ()  # names of the parameters that differ
    n: int = 0  # the entry


@dataclass(frozen=True, slots=True)
class Answer:
    """A review with all that a reader needs to judge it."""

    result: "ReviewResult"
    parameters: "Parameters"
    rates: tuple[Rate, ...]
    freeze: Freeze
    sha256: str  # of the parameters in use
    currency: str
    imported: tuple[int, int]  # of the jobs and of the findings that count, how many came by import
    late: "pd.DataFrame"  # findings imported after the freeze for a time before it: they do not count


def rates(settings: Settings, vendor: str | None = None) -> tuple[Rate, ...]:
    """q0 of each component under review: from its contract, else from its costs, else the default of the settings."""
    found = []
    for asset in _under_review(settings, vendor):
        contract = _contract(settings, asset)
        for part in asset.components:
            if contract is not None and contract.min_confirmation is not None:
                rate, source, words = contract.min_confirmation, "contract", f"{contract.id}"
            elif part.cost_planned is not None and part.cost_failure is not None and part.p_fail is not None:
                from models.bias.evidence import cost_q0

                rate = cost_q0(part.cost_planned, part.cost_failure, part.p_fail)
                source = "costs"
                words = (
                    f"{part.cost_planned:g} / ({part.p_fail:g} x {part.cost_failure:g} + "
                    f"{1 - part.p_fail:g} x {part.cost_planned:g})"
                )
            else:
                rate, source, words = settings.review.min_confirmation, "default", "[review] min_confirmation"
            found.append(Rate(asset.id, part.name, rate, source, words))
    return tuple(found)


def parameters(settings: Settings, tables: Mapping[str, "pd.DataFrame"], vendor: str | None = None) -> "Parameters":
    """All that decides the answer, from settings and from the events and costs of the ledger.

    Raises UserError where there is nothing to review.
    """
    from models.bias.cases import quantity
    from models.bias.parameters import Cost, Parameters

    if words := missing(settings, vendor):
        raise UserError(f"review: {words}")
    assets = _under_review(settings, vendor)
    found = rates(settings, vendor)
    prices: dict[str, list[Cost]] = {}
    for asset in assets:
        for part in asset.components:
            if part.cost_planned is not None and part.cost_failure is not None:
                prices.setdefault(part.name, []).append(Cost(part.cost_planned, part.cost_failure))
    costs = {
        name: Cost(sum(c.planned for c in many) / len(many), sum(c.failure for c in many) / len(many))
        for name, many in prices.items()
    }
    recorded = tables.get("cost")
    if recorded is not None:  # the ledger's prices where the configuration has none
        for part_name, planned, failure in zip(
            recorded["component"], recorded["planned"], recorded["failure"], strict=True
        ):
            if part_name and part_name not in prices:
                costs[part_name] = Cost(quantity(planned), quantity(failure))
    rule = settings.review
    return Parameters(
        assets=tuple((asset.id, asset.site) for asset in assets),
        vendor=vendor,
        q0={(one.asset, one.component): one.q0 for one in found},
        default_q0=rule.min_confirmation,
        agreed=bool(found) and all(one.source != "default" for one in found),
        costs=costs,
        sensitivity=rule.sensitivity,
        specificity=rule.specificity,
        largest_cluster=rule.largest_cluster,
        match_days=rule.match_days,
        merge_days=rule.merge_days,
        horizon_days=rule.horizon_days,
        events=_events(tables.get("event")),
        failure_references=REFERENCES,
    )


def missing(settings: Settings, vendor: str | None = None) -> str:
    """What site.toml lacks for a review, and where to write it; "" where nothing is missing."""
    if _under_review(settings, vendor):
        return ""
    named = [asset.id for asset in settings.assets if asset.vendor and vendor in (None, asset.vendor)]
    if named:
        return f"no components in site.toml; write what wears into components = [...] at {clean(', '.join(named), 100)}"
    if vendor:
        return f"no asset of {clean(vendor, 40)} in site.toml; name it with vendor = at the asset, or ask another"
    return "no asset in site.toml names its vendor; write vendor = and components = at those to be reviewed"


def as_json(chosen: "Parameters") -> dict[str, Any]:
    """Parameters as the ledger keeps them."""
    told = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(chosen)}
    told["assets"] = [list(pair) for pair in chosen.assets]
    told["q0"] = [[asset, part, rate] for (asset, part), rate in sorted(chosen.q0.items())]
    told["costs"] = {name: dataclasses.asdict(cost) for name, cost in sorted(chosen.costs.items())}
    told["events"] = [list(event) for event in chosen.events]
    told["failure_references"] = [list(one) for one in chosen.failure_references]
    return told


def sha256_of(chosen: "Parameters") -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of the parameters."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(as_json(chosen))).hexdigest()


def freeze_data(chosen: "Parameters") -> dict[str, Any]:
    """What a review_freeze entry of the ledger holds."""
    return {"parameters": as_json(chosen), "sha256": sha256_of(chosen)}


def freeze(state: State, settings: Settings, *, now_us: int, vendor: str | None = None) -> str:
    """Write the parameters and their hash to the ledger; returns the hash.

    Through the daemon's socket when it runs, else under the lock; either way the caller needs the right to freeze.
    """
    from monitor.ledger.through import enter
    from monitor.records import tables

    data = freeze_data(parameters(settings, tables(state), vendor))
    enter(state, settings, "freeze", data, now_us, kind="review_freeze")
    return str(data["sha256"])


def frozen(state: State, chosen: "Parameters") -> Freeze:
    """How the parameters in use compare with the last freeze for the same vendor."""
    from monitor.ledger import entries

    mine = as_json(chosen)
    last = None
    for entry in entries(state, ["review_freeze"]):
        if not entry.erased and entry.data["parameters"].get("vendor") == chosen.vendor:
            last = entry
    if last is None:
        return Freeze("unfrozen")
    then = last.data["parameters"]
    changed = tuple(sorted(name for name in mine.keys() | then.keys() if mine.get(name) != then.get(name)))
    word = "changed" if changed else "frozen"
    return Freeze(word, last.at_us, last.role, str(last.data["sha256"]), changed, last.n)


def answer(
    state: State, settings: Settings, start_us: int, end_us: int, vendor: str | None = None, *, tell: Tell = silent
) -> Answer:
    """Run the review over [start_us, end_us) on what the ledger holds, with the parameters as configured now."""
    from models.bias.review import review
    from monitor.records import tables

    recorded = tables(state, tell=tell)
    chosen = parameters(settings, recorded, vendor)
    freeze_, found = frozen(state, chosen), recorded["finding"]
    is_late = (found["via"] == IMPORTED) & (found["n"] > freeze_.n) & (found["at_us"] < (freeze_.at_us or 0))
    recorded["finding"] = found[~is_late]
    result = review(recorded, chosen, (start_us, end_us))
    late = found[is_late & (found["at_us"] >= start_us) & (found["at_us"] < end_us)]
    return Answer(
        result, chosen, rates(settings, vendor), freeze_, sha256_of(chosen), settings.currency,
        _imported(result.cases, recorded), late,
    )  # fmt: skip


def _imported(cases: "pd.DataFrame", recorded: Mapping[str, "pd.DataFrame"]) -> tuple[int, int]:
    """How many of the jobs, and of the independent findings on them, came by import and not from an inspection here."""
    found = recorded["finding"]
    found = found[found["inspector_party"] != "vendor"]
    jobs, findings = (
        set(last.loc[last["via"] == IMPORTED, "wo_id"])
        for last in (one.drop_duplicates("wo_id", keep="last") for one in (recorded["work_order"], found))
    )
    return int(cases["wo_id"].isin(jobs).sum()), int(cases.loc[cases["independent"], "wo_id"].isin(findings).sum())


def run(state: State, settings: Settings, start_us: int, end_us: int, vendor: str | None = None) -> "ReviewResult":
    """The figures alone; `answer` has the parameters and the freeze beside them."""
    return answer(state, settings, start_us, end_us, vendor).result


def entry_data(told: Answer) -> dict[str, Any]:
    """What a review entry of the ledger holds: the status and the figures that the overview shows."""
    r = told.result
    return {
        "status": r.status,
        "parameters_sha256": told.sha256,
        "frozen": told.freeze.word == "frozen",
        "start": utc_text(r.start_us),
        "end": utc_text(r.end_us),
        "evidence": {
            "interventions": r.interventions,
            "findings": r.findings,
            "confirmed": r.confirmed,
            "imported": told.imported[1],
            "e": _finite(r.e_calibrated),
            "unsupported": _bounds(r.unsupported),
            "net_per_year": _bounds(r.life.net),
        },
    }


def _bounds(value: "Interval") -> dict[str, float | None]:
    return {"value": _finite(value.value), "low": _finite(value.low), "high": _finite(value.high)}


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


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
            words = _("p {p}, most crowded at {age} d, {share} % of {n} alerts in excess").format(
                p=number_text(spike.vendor.p, 2), age=number_text(spike.vendor.age), n=spike.vendor.n,
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
    for name, n, confirmed in r.severity:
        table.append((_("confirmed of severity {severity}").format(severity=name), share_text(confirmed, n)))
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel review`."""
    verbs = parser.add_subparsers(dest="review_verb", required=True, metavar="freeze | run")
    fix = verbs.add_parser("freeze", help="write the parameters and their hash to the ledger, before looking")
    go = verbs.add_parser("run", help="print the evidence table of a period")
    for one in (fix, go):
        one.add_argument("--vendor", metavar="NAME", help="only this vendor (default: all)")
    go.add_argument(
        "--from", dest="start", metavar="DATE", help="first day, UTC, as 2024-11-01 (default: 24 months ago)"
    )
    go.add_argument("--to", dest="end", metavar="DATE", help="day after the last one, UTC (default: now)")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """`handwheel review freeze | run`; 0 when it could be done, whatever the answer."""
    now_us = time.time_ns() // 1000
    if args.review_verb == "freeze":
        sha256 = freeze(state, settings, now_us=now_us, vendor=args.vendor)
        for one in sorted({(rate.component, rate.q0, rate.words) for rate in rates(settings, args.vendor)}):
            print(_("q0 of {component}: {q0} = {words}").format(
                component=clean(one[0], 30), q0=number_text(one[1], 2), words=clean(one[2])))  # fmt: skip
        print(_("frozen; SHA-256 {sha}").format(sha=sha256))
        return 0
    end_us = _day_us(args.end, "--to") if args.end else now_us
    start_us = _day_us(args.start, "--from") if args.start else end_us - round(MONTHS * 365.25 / 12 * DAY_US)
    if start_us >= end_us:
        raise UserError("review run: --from lies after --to; give the earlier day first")
    told = answer(state, settings, start_us, end_us, args.vendor, tell=on_terminal())
    mark = _("SIMULATED")
    print(f"{mark}: {as_text(told)}" if settings.simulated else as_text(told))
    return 0


def _under_review(settings: Settings, vendor: str | None) -> list[Asset]:
    return [
        asset
        for asset in settings.assets
        if asset.vendor and asset.components and (vendor is None or asset.vendor == vendor)
    ]


def _contract(settings: Settings, asset: Asset) -> Contract | None:
    """The contract of the asset that agrees a rate, with the asset's vendor if there are several."""
    agreed = [c for c in settings.contracts if asset.id in c.assets and c.min_confirmation is not None]
    return next((c for c in agreed if c.counterparty == asset.vendor), agreed[0] if agreed else None)


def _events(table: "pd.DataFrame | None") -> tuple[tuple[str, int], ...]:
    from monitor.words import parse_utc

    if table is None or table.empty:
        return ()
    listed = []
    for kind, date, text in zip(table["event_kind"], table["date"], table["text"], strict=True):
        try:
            at_us = parse_utc(str(date))
        except ValueError:
            at_us = _day_us(str(date), "event")
        listed.append((f"{clean(kind, 20)}: {clean(text, 60)}", at_us))
    return tuple(sorted(listed, key=lambda event: (event[1], event[0])))


def _day_us(text: str, option: str) -> int:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UserError(f"{option}: {clean(text, 30)} is no day; write it as 2026-11-23") from None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


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
