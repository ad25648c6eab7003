"""At which age to replace a part before it fails, and for which parts the records can say so at all.

A part that was taken out because it looked bad says less about how long parts last than one that a clock took out: it
is counted as "lasted at least so long" when it was about to fail. That makes lives look longer and a vendor's early
calls more needless than they are. So an age is given only for a component class whose removals were driven by the
clock; for the others the truth lies between two curves, one that counts a part found worn as failed at its removal, one
that does not.

References
----------
Barlow, Proschan 1965, Mathematical Theory of Reliability, section 4.2 (age replacement).
Klein, Moeschberger 2003, Survival Analysis, section 3.2 (independent and informative censoring).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from models.bias.parameters import Cost
from models.health.hazard import FEWEST_FAILURES, Hazard, between, hazard
from models.health.lives import FAILED, REMOVED, WORN
from models.intervals import Interval

CLOCK_SHARE = 0.9  # of the removals that the clock must have driven
RATIOS = np.arange(1.5, 20.01, 0.5)  # C_f / C_p of the curve
RAREST = 1e-3  # share of parts that must reach an age for it to be one
POINTS = 600

Floats = NDArray[np.float64]

WHY_NOT = ("", "no_removals", "condition", "calendar_not_sure")
WHY_NONE = ("", "few_failures", "no_price", "failure_no_dearer", "shape", "never_reached")


@dataclass(frozen=True, slots=True)
class AgeCurve:
    """The best age under one way of counting. Ages are infinite where replacing by age never pays."""

    counted: str  # "failed": failures alone; "failed_or_worn": parts found worn count as failed at their removal
    failures: int
    hazard: Hazard  # Weibull beside the piecewise rate
    best_age_d: Interval | None  # at the component's own costs; a bound is infinite where draws say never
    why_none: str  # one of WHY_NONE: why there is no best age; "" where there is one
    extrapolated: bool  # no part was seen so old as the best age: nobody knows what happens there
    ages_d: Floats  # best age for each of RATIOS; empty with few failures
    low_d: Floats
    high_d: Floats


@dataclass(frozen=True, slots=True)
class Replacement:
    """What the lives of one component class say about replacing by age."""

    component: str
    clock_driven: bool  # else the curves are a bracket
    why_not: str  # one of WHY_NOT: why it is not clock-driven; "" where it is
    lives: int
    failures: int
    removals: int
    by_clock: int  # removals that a clock drove
    cost_ratio: float  # C_f / C_p; NaN where nothing is priced
    ratios: Floats
    curves: tuple[AgeCurve, ...]  # one where clock-driven, else two


def replacement(
    component: str, lives: pd.DataFrame, by_clock: int, calendar: str, cost: Cost | None, seed: int = 1
) -> Replacement:
    """Age replacement of one component class.

    Parameters
    ----------
    lives : DataFrame
        Of this class: columns asset, entry_d, exit_d, ended (models.health.lives.lives).
    by_clock : int
        How many of its removals a clock drove.
    calendar : str
        "found", "not_sure" (the negative control shows one too, or could not be looked at) or "none".
    cost : Cost, optional
        Planned and failure cost.
    """
    removals = int(lives["ended"].isin([WORN, REMOVED]).sum())
    clock_driven = removals > 0 and by_clock >= CLOCK_SHARE * removals
    why_not = ""
    if not clock_driven:
        why_not = "no_removals" if not removals else "calendar_not_sure" if calendar == "not_sure" else "condition"
    counts = ((FAILED,),) if clock_driven or not removals else ((FAILED, WORN), (FAILED,))
    return Replacement(
        component,
        clock_driven,
        why_not,
        len(lives),
        int((lives["ended"] == FAILED).sum()),
        removals,
        by_clock,
        math.nan if cost is None or cost.planned <= 0 else cost.failure / cost.planned,
        RATIOS,
        tuple(_curve(lives, ended, cost, seed) for ended in counts),
    )


def _curve(lives: pd.DataFrame, ended: tuple[str, ...], cost: Cost | None, seed: int) -> AgeCurve:
    found = hazard(lives, ended, seed)
    counted = "failed" if ended == (FAILED,) else "failed_or_worn"
    if found.failures < FEWEST_FAILURES or found.weibull is None:
        nothing = np.empty(0)
        return AgeCurve(counted, found.failures, found, None, "few_failures", False, nothing, nothing, nothing)
    shape, scale = found.weibull.shape.value, found.weibull.scale_d.value
    ratio = cost.failure / cost.planned if cost is not None and cost.planned > 0 else math.nan
    ratios = np.append(RATIOS, ratio)
    ages = scale * best_ages(np.array([shape]), ratios)[0]
    usable = found.weibull.draws[~np.isnan(found.weibull.draws[:, 0])]
    drawn = usable[:, 1:] * best_ages(usable[:, 0], ratios)
    low, high = np.quantile(drawn[:, :-1], (0.05, 0.95), axis=0, method="closest_observation")
    own = float(ages[-1])
    why = "" if math.isfinite(own) else _why_none(shape, ratio)
    best = None if why else between(own, drawn[:, -1], found.failures)
    return AgeCurve(counted, found.failures, found, best, why, not why and own > found.oldest_d, ages[:-1], low, high)


def _why_none(shape: float, ratio: float) -> str:
    if math.isnan(ratio):
        return "no_price"
    return "failure_no_dearer" if ratio <= 1 else "shape" if shape <= 1 else "never_reached"


def best_ages(shapes: Floats, ratios: Floats) -> Floats:
    """Best age in units of the Weibull scale, for each shape (rows) and each C_f / C_p (columns).

    The T at which C(T) = [C_p S(T) + C_f F(T)] / integral of S from 0 to T is least: h(T) M(T) - F(T) =
    C_p / (C_f - C_p), h the rate and M the integral. Infinite where it never pays: shape <= 1 (a new part is no
    better), a failure that costs no more than planned work, an age that fewer than one part in a thousand reaches.
    NaN where the ratio is.

    >>> float(best_ages(np.array([2.0]), np.array([1 + 1 / 0.861528]))[0, 0].round(3))
    1.0
    """
    y = np.geomspace(1e-7, -math.log(RAREST), POINTS)  # (T / scale)^shape, the cumulative hazard
    found = np.full((len(shapes), len(ratios)), math.inf)
    found[:, np.isnan(ratios)] = math.nan
    pays = ratios > 1
    goal = 1 / (ratios[pays] - 1)
    for row, k in enumerate(shapes):
        if k > 1:
            mean = special.gamma(1 + 1 / k) * special.gammainc(1 / k, y)
            left = k * y ** (1 - 1 / k) * mean + np.expm1(-y)  # grows with y
            found[row, pays] = np.interp(goal, left, y ** (1 / k), right=math.inf)
    return found
