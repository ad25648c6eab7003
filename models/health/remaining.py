"""How long it will last: said only in the form that the data carry, and never as a bare number.

With ten failures of a component class or more, what the class's lives say (`hazard`). Else when the straight line
through this asset's index crosses the alert line, between two bounds (`trend`). Else that there is not enough, and what
is missing (`not_enough`). How often such bounds held in the past stands beside them: the realised coverage, not the
nominal one.

References
----------
Draper, Smith 1998, Applied Regression Analysis, section 3.2 (inverse prediction: where a band meets a level).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.bias.parameters import Cost
from models.health.economy import CostCurve, cost_curve
from models.health.hazard import FEWEST_FAILURES, Hazard, fails_within, hazard
from models.health.lives import FAILED, WORN
from models.health.trend import FEWEST, PER_D, WINDOW_D, Trend, trend, z_value
from models.intervals import LEVEL, Interval, share_interval

ALERT_INDEX = 50.0
HORIZON_D = 730.0  # what is later is "not within 2 years"
PER_DAY = 4  # the band is looked at in steps of 6 hours
RISK_DAYS = (90.0, 365.0)
BACK_EVERY_D = 30.0  # a prediction of the back-test

HAZARD, TREND, NOT_ENOUGH = "hazard", "trend", "not_enough"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Days from the end of the series until its index is first at the alert line; None: not within 2 years.

    `low` is where the lower edge of the 90 % prediction band arrives, `high` the upper. With `low` None nothing is
    expected within 2 years; with `high` None the band stays open.
    """

    days: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Realised:
    """What became of earlier predictions. Several of one life weigh together as one: they share its fate."""

    coverage: Interval  # share whose bounds held; n is the number of lives
    nominal: float
    predictions: int  # decided ones
    open: int  # not decided: the record ends before their bounds do


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not there yet: failures (of the component class) or days_with_index (of the asset's last 90)."""

    what: str
    have: int
    need: int


@dataclass(frozen=True, slots=True)
class Remaining:
    """The answer as data. `form` names the strongest part that could be given; a weaker one may stand beside it."""

    form: str  # hazard, trend, not_enough
    component: str | None
    hazard: Hazard | None = None  # of the class, failures alone
    worn: Hazard | None = None  # the same, parts found past their limit counted as failed: the other end of the truth
    risks: tuple[tuple[float, Interval], ...] = ()  # (days, probability that this part fails within them)
    costs: CostCurve | None = None
    trend: Trend | None = None
    crossing: Crossing | None = None
    realised: Realised | None = None
    missing: tuple[Missing, ...] = ()


def remaining_life(
    index: pd.Series | None = None,
    lives: pd.DataFrame | None = None,
    component: str | None = None,
    age_d: float | None = None,
    cost: Cost | None = None,
    histories: Sequence[pd.Series] = (),
    seed: int = 1,
) -> Remaining:
    """What can be said of how long one part, or one asset, will last.

    Parameters
    ----------
    index : Series, optional
        Health index of the asset by UTC time since its last repair or confirmed baseline, NaN where unknown: a
        `Walk`'s index, or any regular thinning of it.
    lives : DataFrame, optional
        All lives of the fleet (models.health.lives.lives); those of `component` are used.
    component : str, optional
        The part asked about; without it the lives say nothing.
    age_d : float, optional
        Age of the part. [d]
    cost : Cost, optional
        Planned and failure cost of the part: the replacement-age cost curve.
    histories : sequence of Series
        Earlier stretches of the index between two repairs, of this asset or of its class (this one may be among them):
        what the realised coverage is counted on.
    """
    found, missing = None, []
    if component is not None:
        of_class = None if lives is None else lives[lives["component"] == component]
        failures = 0 if of_class is None else int((of_class["ended"] == FAILED).sum())
        if of_class is not None and failures >= FEWEST_FAILURES:
            found = of_class
        else:
            missing.append(Missing("failures", failures, FEWEST_FAILURES))
    slope = None if index is None else trend(index)
    if slope is None or slope.word == "unknown":
        missing.append(Missing("days_with_index", slope.slope.n if slope else 0, FEWEST))
    ahead = None if slope is None or slope.word == "unknown" else crossing(slope)
    past = realised(histories) if histories else None
    if found is None:
        form = TREND if ahead else NOT_ENOUGH
        return Remaining(
            form, component, trend=slope, crossing=ahead, realised=past, missing=() if ahead else tuple(missing)
        )
    by_class = hazard(found, (FAILED,), seed)
    risks = () if age_d is None else tuple((days, fails_within(by_class, age_d, days)) for days in RISK_DAYS)
    curve = None if cost is None else cost_curve(by_class, cost.planned, cost.failure)
    worn = hazard(found, (FAILED, WORN), seed)
    return Remaining(HAZARD, component, by_class, worn, risks, curve, slope, ahead, past)


def crossing(line: Trend, at: float = ALERT_INDEX, horizon_d: float = HORIZON_D) -> Crossing:
    """When a falling line, and the band of single days around it, first reach `at`.

    The band is level + slope t -+ z sqrt(spread^2 (1 + 1 / effective) + slope_error^2 (t + reach)^2).
    """
    t = np.arange(round(horizon_d * PER_DAY) + 1) / PER_DAY
    middle = line.level + line.slope.value / PER_D * t
    if math.isfinite(line.slope_error):
        variance = line.spread**2 * (1 + 1 / line.effective) + (line.slope_error * (t + line.reach_d)) ** 2
        half = z_value() * np.sqrt(variance)
    else:
        half = np.full(len(t), math.inf)

    def first(reached: np.ndarray) -> float | None:
        return float(t[reached.argmax()]) if reached.any() else None

    return Crossing(first(middle <= at), first(middle - half <= at), first(middle + half <= at))


def realised(histories: Sequence[pd.Series], days: float = WINDOW_D, every_d: float = BACK_EVERY_D) -> Realised:
    """How often the bounds of `crossing` held, predicted every `every_d` [d] along each history as it was then.

    A prediction is decided where the record goes on beyond its bounds, whatever happened: to count those that came
    true early, and not those still open, would flatter or blame by the choice alone. A history that reached the alert
    line is known up to the end of the whole record; another only to its own end, where a repair may have cut it.
    """
    known = [series.dropna() for series in histories]
    known = [series for series in known if len(series)]
    shares: list[float] = []
    decided = undecided = 0
    record_end = max([series.index[-1] for series in known], default=pd.Timestamp(0, tz="UTC"))
    for series in known:
        by_day = series.resample("24h", origin="start").median().dropna()
        down = by_day.index[by_day.to_numpy() <= ALERT_INDEX]
        crossed = down[0] if len(down) else None
        end = series.index[-1] if crossed is None else record_end
        stop = series.index[-1] if crossed is None else crossed
        held = []
        for at in pd.date_range(series.index[0], stop, freq=pd.Timedelta(days=every_d), inclusive="right"):
            line = trend(series, days, at)
            if line.word == "unknown" or at == crossed:
                continue
            told = crossing(line)
            bound = told.high if told.high is not None else told.low if told.low is not None else HORIZON_D
            if at + pd.Timedelta(days=bound) > end:
                undecided += 1
                continue
            took = math.inf if crossed is None else (crossed - at) / pd.Timedelta(days=1)
            low = HORIZON_D if told.low is None else told.low
            held.append(took >= low and (told.high is None or took <= told.high))
        decided += len(held)
        if held:
            shares.append(float(np.mean(held)))
    return Realised(_of_lives(shares), LEVEL, decided, undecided)


def _of_lives(shares: Sequence[float]) -> Interval:
    """The mean share over lives, with the interval of as many independent trials."""
    n = len(shares)
    value = sum(shares) / n if n else math.nan
    near = share_interval(round(sum(shares)), n)
    return Interval(value, min(near.low, value), max(near.high, value), n) if n else near
