"""How long a pump's parts will last: what the utility's own records and the walked index of the pump can carry."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.bias.parameters import Cost
from models.health.economy import CostCurve
from models.health.lives import RUNNING, lives
from models.health.remaining import HAZARD, NOT_ENOUGH, Crossing, Missing, Remaining, remaining_life
from models.health.walk import Walk
from monitor.records import tables
from monitor.state import State
from monitor.words import _, age_text, interval_text, number_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

DAY_S = 86_400
BEFORE = ("work_order", "finding", "import")


@dataclass(frozen=True, slots=True)
class Part:
    """What can be said of one component; "" is the pump as a whole."""

    name: str
    told: Remaining


def parts(state: State, settings: "Settings", asset: "Asset", walked: Walk, now_us: int) -> tuple[Part, ...]:
    """Each component of the pump by its class's lives, and the pump as a whole by the trend of its index.

    The index counts from the last replacement on; stretches between earlier ones are what realised coverage rests on.
    """
    recorded = tables(state) if state.ledger.is_file() else {}
    site_of = {one.id: one.site for one in settings.assets}
    of_all = lives(recorded, site_of, recorded_since(recorded, now_us), now_us)
    stretches = _stretches(walked, recorded, asset.id)
    whole = Part("", remaining_life(stretches[-1], histories=stretches))
    found = []
    for one in asset.components:
        mine = of_all[(of_all["asset"] == asset.id) & (of_all["component"] == one.name) & (of_all["ended"] == RUNNING)]
        age_d = float(mine["exit_d"].iloc[-1]) if len(mine) else None
        known = one.cost_planned is not None and one.cost_failure is not None
        cost = Cost(one.cost_planned, one.cost_failure) if known else None  # type: ignore[arg-type]
        found.append(Part(one.name, remaining_life(None, of_all, one.name, age_d, cost)))
    return (whole, *found)


def recorded_since(recorded: dict[str, pd.DataFrame], now_us: int) -> int:
    """From when on a failure would have been recorded: jobs and findings alone are imported from long before. [us]"""
    first = (frame["at_us"].min() for kind, frame in recorded.items() if kind not in BEFORE and len(frame))
    return int(min(first, default=now_us))


def _stretches(walked: Walk, recorded: dict[str, pd.DataFrame], asset_id: str) -> list[pd.Series]:
    """The walked index cut at each replacement on the pump, oldest first; the last one is the one it is in."""
    index = pd.Series(walked.index, walked.times)
    work = recorded.get("work_order")
    cuts_us = np.empty(0, np.int64)
    if work is not None:
        cuts_us = np.sort(work[(work["asset"] == asset_id) & (work["action"] == "replace")]["at_us"].to_numpy(np.int64))
    places = [0, *np.flatnonzero(np.diff(np.searchsorted(cuts_us, walked.times.as_unit("us").asi8, "right"))) + 1]
    return [index.iloc[a:b] for a, b in pairwise([*places, len(index)])]


def words(part: Part) -> str:
    """The answer in words, in the one of its three forms that the data carry."""
    told = part.told
    if told.form == NOT_ENOUGH:
        missing = [one for one in told.missing if not part.name or one.what == "failures"]  # the index is the pump's
        return _("not enough data: {missing}").format(missing="; ".join(map(_missing, missing)))
    if told.form == HAZARD and told.hazard is not None:
        said = [_("{failures} failures in {lives} lives of this class").format(
            failures=told.hazard.failures, lives=told.hazard.lives)]  # fmt: skip
        said += [
            _("fails within {days} days with probability {p}").format(
                days=f"{days:g}", p=interval_text(p.value, p.low, p.high)
            )
            for days, p in told.risks
        ]
        curve = told.hazard.weibull
        if curve is not None:
            said.append(_("Weibull shape {shape}").format(
                shape=interval_text(curve.shape.value, curve.shape.low, curve.shape.high)))  # fmt: skip
        if "rise_not_shown" in told.hazard.warnings:
            said.append(_("the curve rises, the counts since the first failure do not show it"))
        if "misfit" in told.hazard.warnings:
            said.append(_("the curve does not fit the counts"))
        if told.costs is not None:
            said.append(_cheapest(told.costs))
        return "; ".join(said)
    return _trend(told)


def _cheapest(costs: CostCurve) -> str:
    """The cheapest age to replace, by the curve with its interval and by the counts alone."""

    def days(value: float) -> str:
        return number_text(value, 3) if np.isfinite(value) else _("at failure")

    best = costs.best_d
    said = _("cheapest replacement age in days: {best} ({low} to {high}) by the curve, {counts} by the counts").format(
        best=days(best.value), low=days(best.low), high=days(best.high), counts=days(costs.best_by_counts_d)
    )
    old = _("no part has been that old")
    return f"{said} ({old})" if costs.extrapolated else said


def by_age(part: Part) -> tuple[tuple[str, ...], ...]:
    """Part, age, lives, failures, rate, failures by the curve, failed or found worn: what stands beside any curve."""
    told = part.told
    if told.hazard is None or told.worn is None:
        return ()
    return tuple(
        (
            part.name, f"{band.start_d:.0f}-{band.end_d:.0f} d", str(band.at_risk), str(band.failures),
            interval_text(band.rate.value, band.rate.low, band.rate.high, 2), number_text(band.by_curve, 2),
            str(worn.failures),
        )
        for band, worn in zip(told.hazard.bands, told.worn.bands, strict=True)
    )  # fmt: skip


def _missing(one: Missing) -> str:
    if one.what == "failures":
        return _("{have} failures of this class, {need} are needed").format(have=one.have, need=one.need)
    return _("{have} days with an index, {need} are needed").format(have=one.have, need=one.need)


def _trend(told: Remaining) -> str:
    assert told.trend is not None
    slope = told.trend.slope
    moves = _("the index moves by {slope} in 30 days").format(slope=interval_text(slope.value, slope.low, slope.high))
    return f"{moves}; {_crossing(told.crossing)}"


def _crossing(one: Crossing | None) -> str:
    if one is None or one.low is None:
        return _("the alert line is not expected within 2 years")
    if one.high == 0:
        return _("it is at the alert line already")
    first, last = (None if days is None else age_text(days * DAY_S) for days in (one.low, one.high))
    if last is None:
        return _("at the alert line in {first} at the earliest; when at the latest cannot be said").format(first=first)
    return _("at the alert line in {first} to {last}").format(first=first, last=last)


def realised_words(part: Part) -> str:
    """How often such bounds held in the past: the realised coverage, never the nominal one."""
    past = part.told.realised
    if past is None or not past.coverage.n:
        return _("no earlier bounds are decided yet, so nothing is known of how often they hold")
    return _("earlier bounds held: {share} of {n} stretches ({predictions} predictions; nominal {nominal})").format(
        share=interval_text(past.coverage.value, past.coverage.low, past.coverage.high), n=past.coverage.n,
        predictions=past.predictions, nominal=number_text(past.nominal, 2),
    )  # fmt: skip
