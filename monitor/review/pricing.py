"""What a part costs, planned and after a failure, and what of the recorded costs is not used, with the reason.

The rule: where site.toml has both prices of a component of an asset, they are the agreement and count; elsewhere the
newest standing cost of the ledger for this asset and component counts, else the newest for the component of all assets.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.plant import Asset
from monitor.words import _, clean, figure_text

if TYPE_CHECKING:
    import pandas as pd

Part = tuple[str, str]  # asset, component
SHOWN = 6  # assets of a list


@dataclass(frozen=True, slots=True)
class Price:
    """C_p and C_f of a part in the currency of the utility, and p_fail where it is known."""

    planned: float
    failure: float
    p_fail: float | None
    n: int = 0  # the entry of the ledger; 0: site.toml


@dataclass(frozen=True, slots=True)
class Recorded:
    """A standing cost of the ledger: for which parts it counts, and for which another does (0: site.toml)."""

    n: int
    asset: str  # "": all
    component: str
    at_us: int
    price: Price | None
    why: str  # it cannot be used at all: in words
    used: tuple[Part, ...] = ()
    instead: tuple[tuple[Part, int], ...] = ()


def prices(
    assets: Sequence[Asset], costs: "pd.DataFrame | None", currency: str
) -> tuple[dict[Part, Price], tuple[Recorded, ...]]:
    """The price of each part that has one, and what became of each standing cost of the ledger."""
    recorded = _recorded(costs, currency)
    usable = sorted((one for one in recorded if one.price), key=lambda one: (bool(one.asset), one.at_us, one.n))
    found: dict[Part, Price] = {}
    used: dict[int, list[Part]] = {one.n: [] for one in recorded}
    instead: dict[int, list[tuple[Part, int]]] = {one.n: [] for one in recorded}
    for asset in assets:
        for component in asset.components:
            part = (asset.id, component.name)
            theirs = [one for one in usable if one.component == component.name and one.asset in ("", asset.id)]
            if component.cost_planned is not None and component.cost_failure is not None:
                found[part] = Price(component.cost_planned, component.cost_failure, component.p_fail)
            elif theirs and theirs[-1].price:
                found[part] = theirs[-1].price
                used[theirs.pop().n].append(part)
            for one in theirs:
                instead[one.n].append((part, found[part].n))
    return found, tuple(
        Recorded(one.n, one.asset, one.component, one.at_us, one.price, one.why, tuple(used[one.n]),
                 tuple(instead[one.n]))
        for one in recorded
    )  # fmt: skip


def _recorded(costs: "pd.DataFrame | None", currency: str) -> list[Recorded]:
    if costs is None or costs.empty:
        return []
    from models.bias.cases import standing

    return [_one(row, currency) for row in standing(costs).to_dict("records")]


def _one(row: Mapping[Any, Any], currency: str) -> Recorded:
    from models.bias.grading import quantity

    numbers, why = [math.nan, math.nan], ""
    for at, name in enumerate(("planned", "failure")):
        text = row[name]
        try:
            numbers[at] = quantity(text)
        except ValueError:
            why = _("{text} is no price").format(text=clean(text, 30))
        if isinstance(text, str) and not text.endswith(f" {currency}"):
            why = _("{text} is not in {currency}").format(text=clean(text, 30), currency=currency)
    p_fail = row.get("p_fail")
    why = why or odd(numbers[0], numbers[1], p_fail)
    return Recorded(
        int(row["n"]), row["asset"] or "", row["component"] or "", int(row["at_us"]),
        None if why else Price(numbers[0], numbers[1], p_fail, int(row["n"])), why,
    )  # fmt: skip


def odd(planned: float, failure: float, p_fail: float | None) -> str:
    """Why these cannot be the price of a part; "" where they can."""
    if not 0 <= planned <= failure < math.inf:
        return _("planned work for {planned} costs more than after a failure, {failure}").format(
            planned=figure_text(planned), failure=figure_text(failure)
        )
    if p_fail is not None and not 0 <= p_fail <= 1:
        return _("p_fail {p} is not from 0 to 1").format(p=f"{p_fail:g}")
    return ""


def cost_lines(recorded: Iterable[Recorded], currency: str) -> list[str]:
    """Each recorded cost: for which parts a review uses it, for which not, and why."""
    return [_cost_line(one, currency) for one in recorded]


def _cost_line(one: Recorded, currency: str) -> str:
    told = _("entry {n}, {component} of {asset}").format(
        n=one.n, component=clean(one.component, 30) or "-", asset=clean(one.asset, 30) or _("all assets")
    )
    if one.price is None:
        return f"{told}: " + _("NOT USED: {why}; correct it with --corrects {n}").format(why=one.why, n=one.n)
    told += ", " + _("planned {planned}, after a failure {failure} {currency}").format(
        planned=figure_text(one.price.planned), failure=figure_text(one.price.failure), currency=currency
    )
    if not one.used and not one.instead:
        return f"{told}: " + _("NOT USED: no asset under review has this component in site.toml")
    words = [_("used for {assets}").format(assets=_assets(one.used))] if one.used else []
    agreed = [part for part, n in one.instead if not n]
    if agreed:
        words.append(_("NOT USED for {assets}: site.toml has their prices, which count").format(assets=_assets(agreed)))
    for n in sorted({n for _part, n in one.instead if n}):
        parts = [part for part, other in one.instead if other == n]
        words.append(_("NOT USED for {assets}: entry {n} counts, which is newer or the asset's own").format(
            assets=_assets(parts), n=n))  # fmt: skip
    return f"{told}: {'; '.join(words)}"


def _assets(parts: Sequence[Part]) -> str:
    names = ", ".join(clean(asset, 30) for asset, _component in parts[:SHOWN])
    return names if len(parts) <= SHOWN else _("{names} and {n} more").format(names=names, n=len(parts) - SHOWN)
