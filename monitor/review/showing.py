"""The parameters in words, for a person to check before they are frozen, and what became of them since."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.labels import role_word
from monitor.ledger import Record
from monitor.plant import Settings
from monitor.review.choosing import Rate, failures_source
from monitor.review.freezing import Change, day_text
from monitor.review.table import rates_source_word, reference_word, source_word
from monitor.words import _, clean, figure_text, local_text, number_text, utc_text

if TYPE_CHECKING:
    from models.bias.parameters import Parameters

SHOWN = 12  # assets of a list


def parameter_lines(chosen: "Parameters", found: Sequence[Rate], settings: Settings, sha256: str) -> list[str]:
    """All that decides the answer, in the order in which a person checks it, and its hash."""
    p, money, source = chosen, settings.currency, rates_source_word(failures_source(settings))
    zone = ZoneInfo(settings.time_zone)
    sites = Counter(site for _asset, site in p.assets)
    lines = [
        _("vendor: {vendor}").format(vendor=clean(p.vendor, 40) if p.vendor else _("all")),
        _("assets: {n} ({sites})").format(
            n=len(p.assets), sites=", ".join(f"{clean(site, 24)} {n}" for site, n in sorted(sites.items()))
        ),
        _("period: from {day} until now, whenever it is asked").format(
            day=utc_text(p.start_us)[:10] if p.start_us is not None else "-"
        ),
        *rate_lines(found),
        *_limit_lines(p, found),
        *_price_lines(found, money),
        _("inspectors: sensitivity {se}, specificity {sp} (protective {psp})").format(
            se=number_text(p.sensitivity, 2), sp=number_text(p.specificity, 2),
            psp=number_text(p.protective_specificity, 2),
        ),
        _("n_max, findings of the largest cluster: {n}; one cluster: one asset within {days} d, one site within"
          " {near} d").format(
            n=p.largest_cluster, days=figure_text(p.cluster_days), near=figure_text(p.campaign_days)
        ),
        _("windows: merge {merge} d, match {match} d, horizon {horizon} d, after work {hours} run h").format(
            merge=figure_text(p.merge_days), match=figure_text(p.match_days), horizon=figure_text(p.horizon_days),
            hours=figure_text(p.after_work_hours),
        ),
        _("calendar scan: windows of {width} % of the age").format(width=figure_text(100 * p.spike_width)),
        *(
            _("known date: {day} {event}").format(day=day_text(at_us, zone), event=clean(name, 80))
            for name, at_us in p.events
        ),
        *(
            _("failures per asset and year, {reference}: {rate} ({source})").format(
                reference=reference_word(name), rate=number_text(rate), source=source
            )
            for name, rate in p.failure_references
        ),
    ]  # fmt: skip
    if not p.events:
        lines.append(_("known dates: none is recorded; a step in the alerts (D2) can be tested at listed dates only"))
    return [*lines, f"SHA-256 {sha256}"]


def rate_lines(found: Iterable[Rate]) -> list[str]:
    """Each rate of each component with its arithmetic, and for how many assets it holds."""
    counted = Counter((one.component, one.q0, one.source, one.words) for one in found)
    return [
        _("q0 of {component}: {q0} = {words} ({source}; {n} assets)").format(
            component=clean(component, 30), q0=number_text(q0, 2), words=clean(words), source=source_word(source), n=n
        )
        for (component, q0, source, words), n in sorted(counted.items())
    ]


def _price_lines(found: Sequence[Rate], money: str) -> list[str]:
    counted = Counter((one.component, one.price) for one in found)
    lines = []
    for (component, price), n in sorted(counted.items(), key=lambda one: (one[0][0], -one[1], str(one[0][1]))):
        if price is None:
            words = _("costs of {component}: NONE ({n} assets); write cost_planned and cost_failure at the component,"
                      " or handwheel cost add")  # fmt: skip
            lines.append(words.format(component=clean(component, 30), n=n))
            continue
        words = _("costs of {component}: planned {planned}, after a failure {failure} {currency}, p_fail {p} ({source};"
                  " {n} assets)")  # fmt: skip
        lines.append(words.format(
            component=clean(component, 30), planned=figure_text(price.planned), failure=figure_text(price.failure),
            currency=money, p="-" if price.p_fail is None else number_text(price.p_fail, 2), n=n,
            source=_("entry {n}").format(n=price.n) if price.n else "site.toml",
        ))  # fmt: skip
    return lines


def _limit_lines(p: "Parameters", found: Sequence[Rate]) -> list[str]:
    agreed = Counter((one.component, p.limits.get((one.asset, one.component), "")) for one in found)
    return [
        _("limit of {component}: {limit} ({n} assets)").format(component=clean(part, 30), limit=clean(limit, 40), n=n)
        if limit
        else _('limit of {component}: NONE AGREED ({n} assets); write limit = "7.1 mm/s" at the component').format(
            component=clean(part, 30), n=n
        )
        for (part, limit), n in sorted(agreed.items())
    ]


def remark_lines(chosen: "Parameters", sha256: str, last: Record | None, seen: Iterable[Record]) -> list[str]:
    """What a person must know before freezing: no agreed rate, an earlier freeze, reviews that were made already."""
    lines = []
    if not chosen.agreed:
        lines.append(_("not every rate is agreed by a contract or follows from costs: the review stops at WATCH"))
    if last is not None:
        at, sha = local_text(last.at_us), str(last.data["sha256"])[:16]
        lines.append(_("frozen before on {at}, SHA-256 {sha}").format(at=at, sha=sha))
    others = [one for one in seen if one.data["parameters_sha256"] != sha256]
    if others:
        words = _("a review with other parameters was made on {at}: each review of its time will say so")
        lines.append(words.format(at=local_text(others[-1].at_us)))
    return lines


def split_words(largest: int, assets: Sequence[str]) -> str:
    """That visits to these assets may find more than n_max in the bets, and what to write instead."""
    names = clean(", ".join(assets[:SHOWN]), 200) + (" ..." if len(assets) > SHOWN else "")
    return _(
        "n_max {n} is less than the components of {count} assets: {assets}. A visit to all of them would weigh"
        " too little where large visits find more, and the error rate would not quite hold; leave out [review]"
        " largest_cluster, or raise it"
    ).format(n=largest, count=len(assets), assets=names)


def freeze_lines(made: Sequence[Record], changed: Sequence[Change]) -> list[str]:
    """All freezes, the one in force last and marked, and what is another now."""
    lines = [
        _("{mark} entry {n}, {at}, role {role}, SHA-256 {sha}").format(
            mark="*" if one is made[-1] else " ", n=one.n, at=local_text(one.at_us), role=role_word(one.role or "-"),
            sha=one.data["sha256"],
        )
        for one in made
    ]  # fmt: skip
    lines.append(_("* is in force"))
    return [*lines, *change_lines(changed)]


def change_lines(changed: Sequence[Change]) -> list[str]:
    """Each parameter that is another now: what it was, what it is."""
    if not changed:
        return [_("nothing has changed since")]
    words, nothing = _("since changed: {name}: {before} -> {now}"), _("nothing")
    return [
        words.format(
            name=clean(one.name, 80), before=clean(one.before, 60) or nothing, now=clean(one.now, 60) or nothing
        )
        for one in changed
    ]  # fmt: skip
