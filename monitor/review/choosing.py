"""All that decides the answer of a review, from the configuration and from the events and costs of the ledger.

Where a minimum confirmation rate comes from is shown with its arithmetic, for the answer depends on it.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.plant import Asset, Contract, Review, Settings
from monitor.review.pricing import Price, Recorded, prices
from monitor.words import clean, local_text, parse_utc

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Rate:
    """An agreed minimum confirmation rate q0 and where it comes from."""

    asset: str
    component: str
    q0: float
    source: str  # contract, costs or default
    words: str  # the arithmetic, or the contract
    price: Price | None = None  # of this part


_LEAST = 1e-6  # q0 and its distance from 1: beyond that no finding could tell anything
_RATE = (
    "review: site.toml: {asset}, {part}: cost_planned, cost_failure and p_fail make a minimum confirmation rate of"
    " {rate}, which must lie between 0 and 1; give prices above 0, cost_failure above cost_planned, p_fail above 0"
)


def rates(
    settings: Settings, vendor: str | None = None, tables: "Mapping[str, pd.DataFrame] | None" = None
) -> tuple[Rate, ...]:
    """q0 of each component under review: from its contract, else from its costs, else the default of the settings.

    Costs are those of site.toml and, with `tables`, of the ledger, by the rule of monitor.review.pricing.
    """
    found = []
    assets = _under_review(settings, vendor)
    known, _recorded = prices(assets, (tables or {}).get("cost"), settings.currency)
    for asset in assets:
        contract = _contract(settings, asset)
        for part in asset.components:
            price = known.get((asset.id, part.name))
            if contract is not None and contract.min_confirmation is not None:
                rate, source, words = contract.min_confirmation, "contract", f"{contract.id}"
            elif price is not None and price.p_fail is not None and price.failure > 0:
                from models.bias.evidence import cost_q0

                rate = cost_q0(price.planned, price.failure, price.p_fail) if price.planned > 0 else 0.0
                if not _LEAST <= rate <= 1 - _LEAST:
                    raise UserError(_RATE.format(asset=asset.id, part=clean(part.name, 40), rate=f"{rate:g}"))
                source = "costs"
                words = (
                    f"{price.planned:g} / ({price.p_fail:g} x {price.failure:g} + "
                    f"{1 - price.p_fail:g} x {price.planned:g})"
                )
            else:
                rate, source, words = settings.review.min_confirmation, "default", "[review] min_confirmation"
            found.append(Rate(asset.id, part.name, rate, source, words, price))
    return tuple(found)


def recorded_costs(
    settings: Settings, tables: "Mapping[str, pd.DataFrame]", vendor: str | None = None
) -> tuple[Recorded, ...]:
    """What becomes of each cost of the ledger in a review."""
    return prices(_under_review(settings, vendor), tables.get("cost"), settings.currency)[1]


def parameters(
    settings: Settings,
    tables: Mapping[str, "pd.DataFrame"],
    vendor: str | None = None,
    frozen_n: int | None = None,
    start_us: int | None = None,
) -> "Parameters":
    """All that decides the answer, from settings and from the events and costs of the ledger.

    Events of entries after `frozen_n`, the last freeze, are set apart: who picks a date afterwards finds a step. The
    one period that decides begins at `start_us` (UTC [us]).

    Raises UserError where there is nothing to review.
    """
    from models.bias.parameters import Cost, Parameters

    if words := missing(settings, vendor):
        raise UserError(f"review: {words}")
    vendor = called(settings, vendor)[0]
    assets = _under_review(settings, vendor)
    found = rates(settings, vendor, tables)
    rule, (listed, later) = settings.review, _events(tables.get("event"), assets, settings, frozen_n)
    return Parameters(
        assets=tuple((asset.id, asset.site) for asset in assets),
        vendor=vendor,
        start_us=start_us,
        q0={(one.asset, one.component): one.q0 for one in found},
        default_q0=rule.min_confirmation,
        agreed=bool(found) and all(one.source != "default" for one in found),
        limits={(a.id, part.name): part.limit for a in assets for part in a.components if part.limit is not None},
        costs={(one.asset, one.component): Cost(one.price.planned, one.price.failure) for one in found if one.price},
        sensitivity=rule.sensitivity,
        specificity=rule.specificity,
        largest_cluster=n_max(settings, vendor),
        campaign_days=rule.campaign_days,
        match_days=rule.match_days,
        merge_days=rule.merge_days,
        horizon_days=rule.horizon_days,
        events=listed,
        later_events=later,
        failure_references=(("at_limit", rule.failures_at_limit), ("honest_vendor", rule.failures_honest)),
    )


def failures_source(settings: Settings) -> str | None:
    """What the utility says of its own failure rates ("": nothing); None where the rates are those of the study."""
    rule, default = settings.review, Review()
    mine, measured = ((one.failures_at_limit, one.failures_honest) for one in (rule, default))
    return rule.failures_source or (None if mine == measured else "")


def vendors(settings: Settings) -> list[str]:
    """Those whose alerts can be reviewed: they are named at an asset of which the wearing components are."""
    return sorted({str(asset.vendor) for asset in _under_review(settings, None)})


def called(settings: Settings, vendor: str | None) -> tuple[str | None, ...]:
    """How entries of the ledger call a review of this vendor (None: of all); the first is how it is called now.

    Where one vendor is under review, naming it and not naming it ask the same: it is called by its name, and an entry
    without a name counts for it as well.
    """
    known = vendors(settings)
    return (known[0], None) if len(known) == 1 and vendor in (None, known[0]) else (vendor,)


def n_max(settings: Settings, vendor: str | None = None) -> int:
    """Findings of the largest cluster: as site.toml has it, else the largest number of components under review."""
    of_plant = max((len(asset.components) for asset in _under_review(settings, vendor)), default=1)
    return settings.review.largest_cluster or of_plant


def split_visits(settings: Settings, vendor: str | None = None) -> list[str]:
    """Assets with more components than n_max: a visit to all of them would weigh too little, which is not free."""
    most = n_max(settings, vendor)
    return [asset.id for asset in _under_review(settings, vendor) if len(asset.components) > most]


def one_vendor(settings: Settings, vendor: str | None, verb: str) -> str:
    """The vendor that was named, or the only one under review. Raises UserError, for the verb that was asked."""
    known = vendors(settings)
    if vendor is None and len(known) == 1:
        return known[0]
    if vendor is None or vendor not in known:
        told = clean(", ".join(known), 200) or "-"
        raise UserError(f"{verb}: is for one vendor; name one with --vendor: {told}")
    return vendor


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
    told["limits"] = [[asset, part, limit] for (asset, part), limit in sorted(chosen.limits.items())]
    told["costs"] = [[*part, dataclasses.asdict(cost)] for part, cost in sorted(chosen.costs.items())]
    told["events"] = [list(event) for event in chosen.events]
    del told["later_events"]
    told["failure_references"] = [list(one) for one in chosen.failure_references]
    return told


def sha256_of(chosen: "Parameters") -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of the parameters."""
    return sha256_of_json(as_json(chosen))


def sha256_of_json(told: Mapping[str, Any]) -> str:
    """The same over parameters as the ledger keeps them."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(told)).hexdigest()


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


def _events(
    table: "pd.DataFrame | None", assets: Sequence[Asset], settings: Settings, frozen_n: int | None
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """The events that stand, of the utility as a whole or of what is under review: until entry `frozen_n`, and later.

    One that names a day is at the beginning of that day of the utility. What was written down twice, by hand and by
    import, is one date and one test: the same words on the same day.
    """
    if table is None or table.empty:
        return (), ()
    from models.bias.cases import standing

    table = standing(table)
    for column, mine in (("asset", {one.id for one in assets}), ("site", {one.site for one in assets})):
        table = table[table[column].isna() | table[column].isin(["", *mine])]
    zone, seen = ZoneInfo(settings.time_zone), set()
    found: tuple[list[tuple[str, int]], list[tuple[str, int]]] = ([], [])
    for n, kind, day, text in zip(table["n"], table["event_kind"], table["date"], table["text"], strict=True):
        date = str(day)
        at_us = _day_us(date, zone)
        name = f"{clean(kind, 20)}: {clean(text, 60)}"
        meant = local_text(at_us, zone, "%Y-%m-%d")[:10]
        same = (" ".join(name.casefold().split()), meant)
        if same in seen:
            continue
        seen.add(same)
        found[frozen_n is not None and int(n) > frozen_n].append((name, at_us))
    listed, later = (tuple(sorted(many, key=lambda event: (event[1], event[0]))) for many in found)
    return listed, later


def _day_us(text: str, zone: ZoneInfo) -> int:
    """A moment, or the beginning of a day of the utility. UTC [us]"""
    try:
        moment = datetime.fromisoformat(text)
        return round((moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).timestamp() * 1e6)
    except (ValueError, OverflowError):
        raise UserError(f"event: date {clean(text, 40)!r} is not a day; correct it, as 2026-11-23") from None


def moment_us(text: str, option: str) -> int:
    """A day (its start) or a moment with its zone, UTC [us]; `option` is what a person gave it with."""
    try:
        return parse_utc(text if "T" in text else f"{text}T00:00Z")
    except (ValueError, OverflowError):
        told = f"{option} {clean(text, 40)!r} is not a day"
        raise UserError(f"{told}; write it as 2026-11-23 or 2026-11-23T06:00Z") from None
