"""What a meter's surroundings say of it: the balance of what flows in and out, its neighbours, the night, its signal.

A meter cannot be judged from its own value alone. What can be said: do two sides of an account agree (mass balance),
do they still agree as they did in the reference time on the same instruments (drift), does the least flow of the night
stay what it was (a leak, or a meter whose zero moved), and what does the meter say of its own signal. Each statement
fires only past its measurement uncertainty. A meter has no index: unknown is the answer where nothing can be compared.

References
----------
JCGM 100:2008 (GUM), combined standard uncertainty. OIML R 49-1:2013, 4.2 (class 2: 2 % in the upper flow range).
IWA Performance Indicators for Water Supply Services (minimum night flow, 02:00 to 04:00).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.health.judged import Line, word_for

DAY_H = 24
LEAST_HOURS = 18  # paired hours that make a day of an account
RECENT_DAYS = 7
LEAST_DAYS = 3
REFERENCE_LEAST_DAYS = 7
NIGHT = (2, 4)  # local hours, the second one not included


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """Warn and act lines and uncertainties (k = 1); field practice, to be replaced by the utility's own."""

    balance_percent: tuple[float, float] = (5.0, 10.0)  # both sides of an account, either direction
    drift_percent: tuple[float, float] = (3.0, 6.0)  # the same against the reference time
    night_percent: tuple[float, float] = (20.0, 50.0)  # least flow of the night against the reference time
    signal_percent: tuple[float, float] = (70.0, 50.0)  # what the meter says of its signal; falling is bad
    gain_db: tuple[float, float] = (6.0, 12.0)  # amplification above the reference: deposits, gas, a worn transducer
    u_flow: float = 2.0  # [%] of one meter
    u_repeat: float = 0.5  # [%] with which the same instruments agree with themselves after months
    u_signal: float = 1.0  # [%]
    u_gain: float = 0.5  # [dB]
    coverage: float = 2.0


@dataclass(frozen=True, slots=True)
class Account:
    """Two sides that should agree, as hourly means in one unit; NaN where a side is not wholly good."""

    name: str
    left: np.ndarray
    right: np.ndarray
    meters: tuple[int, int] = (1, 1)  # meters summed on each side: their errors partly cancel


@dataclass(frozen=True, slots=True)
class DaySums:
    """Both sides of an account and the number of paired hours by day, oldest first; `last` is a day's last row."""

    left: np.ndarray
    right: np.ndarray
    hours: np.ndarray
    last: np.ndarray


@dataclass(frozen=True, slots=True)
class Middle:
    """A median, the standard error that its scatter gives it, and the number of days or nights behind it."""

    value: float
    error: float
    n: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The numbers behind the two lines of an account; u is a standard uncertainty [%], NaN where there is none."""

    now: Middle | None  # of the last days' ratios
    off: float  # the balance: how far the sides are apart [%]
    random: float  # standard error of `now` [%]
    sides: float  # what the meters of both sides leave uncertain [%]
    u_balance: float
    moved: float  # the drift: how far the ratio is from that of the reference [%]
    u_drift: float


@dataclass(frozen=True, slots=True)
class MeterReference:
    """What was learned of a meter: the ratio of each account, the least night flow [m3/h], the gain [dB]."""

    ratios: Mapping[str, Middle] = field(default_factory=dict)
    night: Middle | None = None
    gain: float | None = None


def with_storage(outflow: np.ndarray, level_m: np.ndarray, area_m2: float) -> np.ndarray:
    """What leaves a tank and what stays in it [m3/h], by the hour, from hourly mean levels [m] and its area [m2].

    >>> with_storage(np.array([10.0, 10.0, 10.0]), np.array([1.0, 1.1, 1.2]), 50.0).round(6).tolist()
    [15.0, 15.0, 15.0]
    """
    if len(level_m) < 2:
        return np.full(len(level_m), np.nan)
    return np.asarray(outflow + area_m2 * np.gradient(level_m))


def daily_sums(account: Account) -> DaySums:
    """The days of an account, counted back from its last row, in which enough hours were paired and anything flowed."""
    both = np.isfinite(account.left) & np.isfinite(account.right)
    days = len(both) // DAY_H
    first = len(both) - days * DAY_H

    def summed(column: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(both, column, 0.0)[first:].reshape(days, DAY_H).sum(axis=1))

    left, right, hours = summed(account.left), summed(account.right), summed(np.ones(len(both)))
    use = (hours >= LEAST_HOURS) & (left > 0) & (right > 0)
    return DaySums(left[use], right[use], hours[use], (first + DAY_H * np.arange(1, days + 1) - 1)[use])


def daily_ratios(account: Account) -> np.ndarray:
    """Left over right [1] of these days: a ratio of sums, so hours weigh by what flowed in them."""
    sums = daily_sums(account)
    return np.asarray(sums.left / sums.right)


def night_flows(flow: pd.Series, zone: str = "UTC") -> np.ndarray:
    """The least hourly flow of each night [unit of the flow]; nights without a whole look are left out."""
    return np.asarray(least_by_night(flow, zone), float)


def least_by_night(flow: pd.Series, zone: str = "UTC") -> pd.Series:
    """The same by the local date of the night."""
    flow = flow.dropna()
    local = pd.DatetimeIndex(flow.index).tz_convert(zone)
    night = (local.hour >= NIGHT[0]) & (local.hour < NIGHT[1])
    found = flow[night].groupby(local[night].date).agg(["min", "size"])
    return found["min"][found["size"] >= NIGHT[1] - NIGHT[0]]


def middle(values: np.ndarray, least: int) -> Middle | None:
    """The median with its standard error 1.2533 s / sqrt(n), s from the median absolute deviation; None below `least`.

    >>> middle(np.array([1.0, 1.1, 0.9]), 3).value
    1.0
    """
    if len(values) < least:
        return None
    value = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - value)))
    return Middle(value, 1.2533 * spread / math.sqrt(len(values)), len(values))


def fit_meter(values: pd.DataFrame, accounts: Sequence[Account], zone: str = "UTC") -> MeterReference:
    """Learn a meter from the hourly rows of its reference time."""
    ratios = {
        one.name: found for one in accounts if (found := middle(daily_ratios(one), REFERENCE_LEAST_DAYS)) is not None
    }
    night = middle(night_flows(values["flow"], zone), REFERENCE_LEAST_DAYS) if "flow" in values else None
    gain = values["gain"].dropna() if "gain" in values else pd.Series(dtype=float)
    enough = len(gain) >= REFERENCE_LEAST_DAYS * LEAST_HOURS
    return MeterReference(ratios, night, float(gain.median()) if enough else None)


def meter_lines(
    values: pd.DataFrame, accounts: Sequence[Account], reference: MeterReference, limits: MeterLimits | None = None,
    zone: str = "UTC",
) -> tuple[Line, ...]:  # fmt: skip
    """Every statement that can be made of a meter at the end of its hourly rows.

    `values` has one column per quantity of the meter, `accounts` the same hours. What cannot be judged says so.
    """
    limits = limits or MeterLimits()
    found: list[Line] = []
    for one in accounts:
        found += _account_lines(one, reference.ratios.get(one.name), limits)
    if "flow" in values:
        found.append(_night_line(values["flow"], reference.night, limits, zone))
    if "signal_quality" in values:
        value, n = _last_day(values["signal_quality"])
        warn, act = limits.signal_percent
        word = word_for(warn - value, 0.0, warn - act, limits.u_signal, limits.coverage)
        found.append(_line("signal_quality", value, "%", None, limits.u_signal, (warn, act), word, n, _few_hours(n),
                           "signal"))  # fmt: skip
    if "gain" in values:
        value, n = _last_day(values["gain"])
        base = reference.gain
        rise = value - base if base is not None else math.nan
        u = limits.u_gain * math.sqrt(2)
        word = word_for(rise, *limits.gain_db, u, limits.coverage)
        lines = (None, None) if base is None else (base + limits.gain_db[0], base + limits.gain_db[1])
        note = _few_hours(n) or ("no reference of this meter yet" if base is None else "")
        found.append(_line("gain", value, "dB", base, u, lines, word, n, note, "signal"))
    return tuple(found)


def suspects(words: Mapping[str, str], members: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Meters that stand in every failing account of their neighbourhood and in none that holds: there the error most
    likely lies.

    `words` has the word of each account, `members` the meters in it. Failing accounts without a common meter are
    neighbours of nobody: each neighbourhood is looked at by itself.

    >>> suspects({"a": "act", "b": "act", "c": "ok"}, {"a": ["M1", "M2"], "b": ["M2", "M3"], "c": ["M3"]})
    ('M2',)
    >>> suspects({"a": "act", "far": "warn"}, {"a": ["M1"], "far": ["M9"]})
    ('M1', 'M9')
    """
    holding = {one for name, word in words.items() if word == "ok" for one in members[name]}
    near: list[list[set[str]]] = []  # failing accounts that hang together
    for mine in (set(members[name]) for name, word in words.items() if word in ("warn", "act")):
        touching = [group for group in near if any(mine & other for other in group)]
        near = [group for group in near if group not in touching] + [
            [mine, *(one for group in touching for one in group)]
        ]
    return tuple(sorted({one for group in near for one in set.intersection(*group) - holding}))


def compared(account: Account, reference: Middle | None, limits: MeterLimits) -> Compared:
    """The two comparisons of an account at the end of its rows: of its sides, and with the reference."""
    now = middle(daily_ratios(account)[-RECENT_DAYS:], LEAST_DAYS)
    off = 100 * (now.value - 1) if now else math.nan
    random = 100 * now.error / now.value if now else math.nan
    sides = math.hypot(*(limits.u_flow / math.sqrt(k) for k in account.meters))
    moved = 100 * (now.value / reference.value - 1) if now and reference else math.nan
    u = math.hypot(random, 100 * reference.error / reference.value, limits.u_repeat) if reference else math.nan
    return Compared(now, off, random, sides, math.hypot(sides, random), moved, u)


def _account_lines(account: Account, reference: Middle | None, limits: MeterLimits) -> list[Line]:
    told = compared(account, reference, limits)
    n = told.now.n if told.now else 0
    few = "" if told.now else f"needs {LEAST_DAYS} days on which both sides were measured"
    word = word_for(abs(told.off), *limits.balance_percent, told.u_balance, limits.coverage)
    found = [_line(f"balance {account.name}", told.off, "%", 0.0, told.u_balance,
                   _either(told.off, limits.balance_percent), word, n, few, "balance")]  # fmt: skip
    word = word_for(abs(told.moved), *limits.drift_percent, told.u_drift, limits.coverage)
    note = few or ("no reference of this account yet" if reference is None else "")
    found.append(_line(f"drift {account.name}", told.moved, "%", 0.0 if reference else None, told.u_drift,
                       _either(told.moved, limits.drift_percent), word, n, note, "balance"))  # fmt: skip
    return found


def _night_line(flow: pd.Series, reference: Middle | None, limits: MeterLimits, zone: str) -> Line:
    now = middle(night_flows(flow, zone)[-RECENT_DAYS:], LEAST_DAYS)
    note = "" if now else f"needs {LEAST_DAYS} nights"
    known = reference is not None and reference.value > 0
    note = note or ("" if known else "no night flow in the reference of this meter")
    if now is None or reference is None or not known:
        return _line("night_flow", now.value if now else math.nan, "m3/h", None, math.nan, (None, None), "cannot_tell",
                     now.n if now else 0, note, "night")  # fmt: skip
    change = 100 * (now.value / reference.value - 1)
    u = math.hypot(100 * now.error / reference.value, 100 * reference.error / reference.value, limits.u_repeat)
    word = word_for(abs(change), *limits.night_percent, u, limits.coverage)
    side = math.copysign(1.0, change)
    lines = tuple(reference.value * (1 + side * step / 100) for step in limits.night_percent)
    return _line("night_flow", now.value, "m3/h", reference.value, u * reference.value / 100, (lines[0], lines[1]),
                 word, now.n, "", "night")  # fmt: skip


def _last_day(column: pd.Series) -> tuple[float, int]:
    part = column.iloc[-DAY_H:].dropna()
    return (float(part.median()) if len(part) >= LEAST_HOURS else math.nan), len(part)


def _few_hours(n: int) -> str:
    return f"needs {LEAST_HOURS} good hours of the last {DAY_H}, has {n}" if n < LEAST_HOURS else ""


def _either(value: float, steps: tuple[float, float]) -> tuple[float, float]:
    side = math.copysign(1.0, value) if math.isfinite(value) else 1.0
    return (side * steps[0], side * steps[1])


def _line(
    name: str, value: float, unit: str, reference: float | None, uncertainty: float,
    steps: tuple[float | None, float | None], word: str, n: int, note: str, indicator: str,
) -> Line:  # fmt: skip
    if word == "cannot_tell" and not note:
        note = "past the line, but inside the measurement uncertainty"
    return Line(name, _finite(value), unit, reference, _finite(uncertainty), *steps, word, note, n, indicator)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
