"""The physics lines: what a pump's own instruments say by textbook formulas, before any statistics.

`lines` compares the recent steady rows with the limits and with the as-installed reference of the same pump on the same
instruments. A line fires only past its own measurement uncertainty; a flow that the device computes itself supports no
efficiency.

References
----------
ISO 10816-7:2009 (vibration zones of rotodynamic pumps). ISO 9906 (uncertainty of acceptance tests).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.health.curves import Reference
from models.health.physics import Rated, combined_uncertainty, imbalance_percent

MIN_ROWS = 5  # fewer steady rows support no line
RECENT_ROWS = 15


# ISO 10816-7, mm/s RMS on the bearing housing: category, above 200 kW -> lines A/B, B/C, C/D. A site may edit them.
VIBRATION_LINES: Mapping[tuple[str, bool], tuple[float, float, float]] = {
    ("I", False): (2.5, 4.0, 6.6),
    ("I", True): (3.5, 5.0, 7.6),
    ("II", False): (3.2, 5.1, 8.5),
    ("II", True): (4.2, 6.1, 9.5),
}
STARTS_PER_H = ((7.5, 15.0), (30.0, 10.0), (75.0, 6.0), (200.0, 4.0), (math.inf, 2.0))  # up to kW: starts


@dataclass(frozen=True, slots=True)
class Limits:
    """Warn and act lines, and the measurement uncertainty (k = 1) behind each. Editable; field practice by default."""

    efficiency_points: tuple[float, float] = (5.0, 10.0)  # drop against the reference at the same flow [%-points]
    energy_percent: tuple[float, float] = (5.0, 10.0)  # rise of SE/H [%]
    head_percent: tuple[float, float] = (3.0, 6.0)  # drop of head at the same normalised flow [%]
    power_percent: tuple[float, float] = (5.0, 10.0)  # power at the same normalised flow, either direction [%]
    bearing_degc: tuple[float, float] = (82.0, 95.0)  # housing [degC]
    bearing_rise_k: tuple[float, float] = (15.0, 20.0)  # over-ambient temperature above its reference [K]
    imbalance_percent: tuple[float, float] = (5.0, 10.0)  # of the three phase currents [%]
    vibration: Mapping[tuple[str, bool], tuple[float, float, float]] = field(default_factory=lambda: VIBRATION_LINES)
    u_flow: float = 2.0  # [%]
    u_head: float = 1.0  # [%]
    u_power: float = 1.5  # [%]
    u_vibration: float = 5.0  # [%]
    u_temperature_k: float = 1.0
    coverage: float = 2.0  # a line fires past this multiple of its uncertainty


@dataclass(frozen=True, slots=True)
class Line:
    """One physical statement: a value beside its reference, its uncertainty (k = 1, same unit) and a word.

    `warn` and `act` are the lines in the unit of the value; None where there is no such line or no reference yet.
    """

    name: str
    value: float | None
    unit: str
    reference: float | None
    uncertainty: float | None
    warn: float | None
    act: float | None
    word: str  # ok, warn, act, cannot_tell
    note: str = ""
    n: int = 0
    indicator: str = ""  # lines that share instruments share this word: together they are one indicator


def starts_limit(rated: Rated) -> float | None:
    """Starts per hour that the nameplate allows, else the usual limit for the power; None if both are unknown."""
    if rated.max_starts_per_h is not None:
        return rated.max_starts_per_h
    if rated.power_kw is None:
        return None
    return next(starts for up_to, starts in STARTS_PER_H if rated.power_kw <= up_to)


def vibration_lines(rated: Rated, limits: Limits) -> tuple[float, float, float]:
    """The lines A/B, B/C and C/D [mm/s RMS] for this pump."""
    return limits.vibration[rated.vibration_category, (rated.power_kw or 0) > 200]


def vibration_zone(value_mms: float, boundaries: tuple[float, float, float]) -> str:
    """Zone A (as new), B (unlimited), C (limited time) or D (damage)."""
    return "ABCD"[sum(value_mms > boundary for boundary in boundaries)]


def word_for(excess: float, warn: float, act: float | None, uncertainty: float, coverage: float) -> str:
    """The word of a line that is `excess` past its reference: act, warn, ok, or cannot_tell inside the uncertainty."""
    if not math.isfinite(excess):
        return "cannot_tell"
    if excess <= warn:
        return "ok"
    if excess <= coverage * uncertainty:
        return "cannot_tell"
    return "act" if act is not None and excess > act else "warn"


def _median(rows: pd.DataFrame, name: str) -> tuple[float, int]:
    part = rows[name].dropna().iloc[-RECENT_ROWS:] if name in rows else pd.Series(dtype=float)
    return (float(part.median()) if len(part) >= MIN_ROWS else math.nan), len(part)


def _line(
    name: str, value: float, unit: str, reference: float | None, uncertainty: float, at: tuple[float, float | None],
    excess: float, limits: Limits, n: int, indicator: str, note: str = "", side: int = 1,
) -> Line:  # fmt: skip
    """A line whose `excess` over the reference is judged at two steps; `side` -1 where a fall is the bad direction."""
    word = word_for(excess, at[0], at[1], uncertainty, limits.coverage)
    if n < MIN_ROWS:
        note = f"needs {MIN_ROWS} good steady values, has {n}"
    elif reference is None:
        note = "no reference of this pump yet"
    elif not math.isfinite(reference):
        note = "outside the flows of this pump's reference"
    elif word == "cannot_tell" and not note:
        note = "past the line, but inside the measurement uncertainty"
    base = _finite(reference)
    warn, act = (None if base is None or step is None else base + side * step for step in at)
    return Line(name, _finite(value), unit, base, _finite(uncertainty), warn, act, word, note, n, indicator)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _curve_lines(steady: pd.DataFrame, reference: Reference, limits: Limits) -> Iterable[Line]:
    """Efficiency, SE/H, and head and power at the same normalised flow, each against the as-installed curve."""
    u_eta = combined_uncertainty(limits.u_flow, limits.u_head, limits.u_power)
    names = {"efficiency": "efficiency", "energy_per_head": "energy_per_head",
             "head_n": "head_residual", "power_n": "power_residual"}  # fmt: skip
    for column, name in names.items():
        if column not in steady:
            continue
        curve = reference.curves.get(column)
        rows = steady[["flow_n", column]].dropna().iloc[-RECENT_ROWS:]
        n = len(rows)
        flow, value = (float(rows[one].median()) if n >= MIN_ROWS else math.nan for one in ("flow_n", column))
        falling = column == "head_n"
        expected = float(curve.at(np.array([flow]), falling)[0]) if curve and n >= MIN_ROWS else None
        known = expected if expected is not None else math.nan
        percent = 100 * (value / known - 1) if known else math.nan
        slope = abs((curve.b + 2 * curve.c * flow) * flow / known) if curve and known else 0.0
        if column == "efficiency":
            yield _line(name, value, "%", expected, value * u_eta / 100, limits.efficiency_points, known - value,
                        limits, n, "energy", side=-1)  # fmt: skip
        elif column == "energy_per_head":
            yield _line(name, value, "kWh/(m3 m)", expected, value * u_eta / 100,
                        _of(limits.energy_percent, known), value - known, limits, n, "energy")  # fmt: skip
        else:
            base = limits.u_head if falling else limits.u_power
            u = combined_uncertainty(base, slope * limits.u_flow if math.isfinite(slope) else 0.0)
            excess = -percent if falling else abs(percent)
            reference_value = 0.0 if math.isfinite(known) else expected
            yield _line(name, percent, "%", reference_value, u,
                        limits.head_percent if falling else limits.power_percent, excess, limits, n,
                        "curve" if falling else "energy", side=-1 if falling else 1)  # fmt: skip


def _of(percent: tuple[float, float], base: float) -> tuple[float, float]:
    return (percent[0] * base / 100, percent[1] * base / 100)


def _bearing_lines(steady: pd.DataFrame, reference: Reference, limits: Limits) -> Iterable[Line]:
    if "bearing_temperature" in steady:
        value, n = _median(steady, "bearing_temperature")
        warn = limits.bearing_degc[0]
        yield _line("bearing_temperature", value, "degC", warn, limits.u_temperature_k,
                    (0.0, limits.bearing_degc[1] - warn), value - warn, limits, n, "temperature")  # fmt: skip
    if "bearing_over_ambient" in steady:
        value, n = _median(steady, "bearing_over_ambient")
        base = reference.medians.get("bearing_over_ambient")
        excess = value - base if base is not None else math.nan
        u = limits.u_temperature_k * math.sqrt(2)
        yield _line("bearing_over_ambient", value, "K", base, u, limits.bearing_rise_k, excess, limits, n,
                    "temperature")  # fmt: skip


def _vibration_lines(steady: pd.DataFrame, rated: Rated, reference: Reference, limits: Limits) -> Iterable[Line]:
    if "vibration" not in steady:
        return
    value, n = _median(steady, "vibration")
    bounds = vibration_lines(rated, limits)
    u = bounds[1] * limits.u_vibration / 100
    zone = f"zone {vibration_zone(value, bounds)}" if math.isfinite(value) else ""
    yield _line("vibration", value, "mm/s", bounds[1], u, (0.0, bounds[2] - bounds[1]), value - bounds[1], limits, n,
                "vibration", zone)  # fmt: skip
    base = reference.medians.get("vibration")
    step = abs(value - base) if base is not None else math.nan
    yield _line("vibration_step", value, "mm/s", base, u, (0.25 * bounds[1], None), step, limits, n, "vibration")


def starts_per_hour(values: pd.DataFrame) -> tuple[float, int]:
    """Starts in the last hour [1/h] and the rows they rest on, from the counter, else from the run signal.

    NaN with less than 50 minutes of good data. The run signal misses starts between two rows: then it is a lower bound.
    """
    for name in ("starts", "running"):
        if name not in values:
            continue
        part = values[name].dropna()
        part = part[part.index > part.index[-1] - pd.Timedelta(hours=1)] if len(part) else part
        hours = (part.index[-1] - part.index[0]).total_seconds() / 3600 if len(part) > 1 else 0.0
        if hours < 50 / 60:
            continue
        if name == "starts":
            return max(float(part.iloc[-1] - part.iloc[0]), 0.0) / hours, len(part)
        on = part.to_numpy() > 0.5
        return float((on[1:] & ~on[:-1]).sum()) / hours, len(part)
    return math.nan, 0


def physics_lines(
    values: pd.DataFrame, steady: pd.DataFrame, rated: Rated, reference: Reference, limits: Limits | None = None
) -> tuple[Line, ...]:
    """Every physical statement that this pump's instruments support.

    `values` are the rows of the window by quantity (units of monitor.plant), `steady` the derived rows in steady
    operation among them. Lines whose instruments are missing are not there at all; lines that cannot be judged say
    cannot_tell with the reason.
    """
    limits = limits or Limits()
    found = list(_curve_lines(steady, reference, limits))
    if "flow" in rated.estimated and "flow" in values:
        found += [Line(name, None, unit, None, None, None, None, "cannot_tell",
                       "flow is computed inside the device: it cannot show wear", 0, indicator)
                  for name, unit, indicator in (("efficiency", "%", "energy"),
                                                ("energy_per_head", "kWh/(m3 m)", "energy"),
                                                ("head_residual", "%", "curve"))]  # fmt: skip
    found += _bearing_lines(steady, reference, limits)
    found += _vibration_lines(steady, rated, reference, limits)
    phases = [name for name in ("current_l1", "current_l2", "current_l3") if name in steady]
    if len(phases) == 3:
        rows = steady[phases].dropna().iloc[-RECENT_ROWS:]
        shares = [imbalance_percent(tuple(row)) for row in rows.to_numpy()]
        value = float(np.median(shares)) if len(shares) >= MIN_ROWS else math.nan
        found.append(_line("current_imbalance", value, "%", 0.0, 0.5, limits.imbalance_percent, value, limits,
                           len(rows), "current"))  # fmt: skip
    allowed = starts_limit(rated)
    if allowed is not None and {"starts", "running"} & set(values):
        value, n = starts_per_hour(values)
        note = "" if math.isfinite(value) else "needs 50 minutes of good data"
        word = "cannot_tell" if note else "warn" if value > allowed else "ok"
        found.append(Line("starts_per_h", _finite(value), "1/h", allowed, 0.0, allowed, None, word, note, n, "starts"))
    return tuple(found)
