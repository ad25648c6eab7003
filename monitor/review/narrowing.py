"""A look at some of the assets under review: what it may say by itself, since others could have been looked at instead.

Who may choose a site after the fact finds one that looks bad. So the part is judged among all of its kind: only what
e-BH at 10 % lets stand over all sites (or all assets) under review may be a flag, however high its own e-value is.

References
----------
Wang, Ramdas 2022, False discovery rate control with e-values, JRSS B 84.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.words import clean

if TYPE_CHECKING:
    from models.bias.parameters import Parameters
    from models.bias.result import ReviewResult

CAPPED = ("FLAG", "STRONG")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which part of the assets was looked at, and among how many of its kind it is judged."""

    names: tuple[str, ...]  # as asked: sites, or assets
    kind: str  # site, asset
    family: int  # how many sites, or assets, are under review

    @property
    def part(self) -> tuple[str, ...]:
        """The part as a review entry has it: its kind, then its names."""
        return (self.kind, *self.names)


def narrow(
    frozen: "Parameters", sites: Collection[str], assets: Collection[str]
) -> tuple["Parameters", Narrowed | None]:
    """Parameters of the named assets, or of those at the named sites; None where that is all of them.

    Raises UserError where a name is not under review, or both kinds are given.
    """
    if not sites and not assets:
        return frozen, None
    if sites and assets:
        raise UserError("review: --site and --asset together name two families; give one of them")
    kind, position, names = ("site", 1, sites) if sites else ("asset", 0, assets)
    known = {pair[position] for pair in frozen.assets}
    for name in names:
        if name not in known:
            told = ", ".join(sorted(known)[:12])
            raise UserError(f"review: {kind} {clean(name, 40)!r} is not under review; those that are: {told}")
    kept = tuple(pair for pair in frozen.assets if pair[position] in names)
    if len(kept) == len(frozen.assets):
        return frozen, None
    part = dataclasses.replace(frozen, assets=kept)
    return part, Narrowed(tuple(sorted(set(names))), kind, len(known))


def unfrozen(part: "ReviewResult") -> "ReviewResult":
    """The result with parameters that are not those of the last freeze: no more than WATCH, as they can be chosen."""
    return dataclasses.replace(part, status="WATCH", gate="not_frozen") if part.status in CAPPED else part


def held_back(
    part: "ReviewResult", whole: "ReviewResult", frozen: "Parameters", narrowed: Narrowed
) -> "ReviewResult":  # fmt: skip
    """The result of the part, at WATCH where a name that was asked for does not stand by e-BH among all of its kind."""
    if part.status not in CAPPED or set(narrowed.names) <= _standing(whole, frozen, narrowed.kind):
        return part
    return dataclasses.replace(part, status="WATCH", gate="narrowed")


def _standing(whole: "ReviewResult", frozen: "Parameters", kind: str) -> set[str]:
    from models.bias.evidence import bet_path, null_rate
    from models.bias.multiple import e_bh

    cases = whole.cases
    found = cases[cases["independent"] & (cases["settled_us"] < whole.end_us)].sort_values("settled_us", kind="stable")
    family = sorted({pair[1 if kind == "site" else 0] for pair in frozen.assets})
    e = []
    for name in family:
        mine = found[found[kind] == name]
        null = [null_rate(q0, frozen.sensitivity, frozen.specificity) for q0 in mine["q0"]]
        confirmed = mine["confirmed"].to_numpy(dtype=bool)
        e.append(
            bet_path(
                confirmed, list(mine["cluster"]), null, frozen.largest_cluster, mine["late"].to_numpy(dtype=bool)
            ).current
        )
    return {name for name, stands in zip(family, e_bh(e), strict=True) if stands}
