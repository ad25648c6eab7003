"""Lines of hydraulics and energy: against the as-installed curve of the same pump on the same instruments.

A flow that the device computes itself supports none of them.

References
----------
ISO 9906 (head, efficiency). ANSI/HI 9.6.3 (allowed operating region, as shares of the flow at best efficiency).
"""

from collections.abc import Iterator

import numpy as np

from models.health.judged import Rows, Track, information, root_sum, silent, track
from models.health.physics import KWH_PER_M3M, given

DAYS_OF_USE = 30
OUTSIDE = "outside the flows of this pump's reference"
ESTIMATED = "flow is computed inside the device: it cannot show wear"
OF_FLOW = (
    ("hydraulic_power", "kW", "energy"), ("efficiency", "%", "energy"), ("specific_energy", "kWh/m3", "energy"),
    ("energy_per_head", "kWh/(m3 m)", "energy"), ("head_residual", "%", "curve"), ("flow_range", "%", "use"),
)  # fmt: skip


def curve_lines(rows: Rows) -> Iterator[Track]:
    """Hydraulic power, efficiency, energy, head and power at the same normalised flow, and time outside best flow."""
    if "flow" in rows and "flow" in rows.rated.estimated:
        yield from (silent(rows, name, unit, indicator, ESTIMATED) for name, unit, indicator in OF_FLOW)
        return
    if "flow_n" not in rows:
        return
    limits = rows.limits
    u_eta = root_sum(limits.u_flow, limits.u_head, limits.u_power)
    recent = rows.recent(rows.steady, rows["flow"], rows["head"])
    hydraulic = KWH_PER_M3M * rows["flow"] * rows["head"]
    value = recent.median(hydraulic)
    yield information("hydraulic_power", "kW", "energy", value, recent.n,
                      value * root_sum(limits.u_flow, limits.u_head) / 100)  # fmt: skip
    if "efficiency" in rows:
        yield _against(rows, "efficiency", "efficiency", "%", limits.efficiency_points, float(u_eta))
        sound = np.where(rows["flow"] > 0, rows["flow"], np.nan)
        recent = rows.recent(rows.steady, sound, rows["power"])
        value = recent.median(rows["power"] / sound)
        yield information("specific_energy", "kWh/m3", "energy", value, recent.n,
                          value * root_sum(limits.u_flow, limits.u_power) / 100, notes="moves with head")  # fmt: skip
        yield _against(rows, "energy_per_head", "energy_per_head", "kWh/(m3 m)", limits.energy_percent, float(u_eta))
    yield _against(rows, "head_n", "head_residual", "%", limits.head_percent, limits.u_head)
    if "power_n" in rows:
        yield _against(rows, "power_n", "power_residual", "%", limits.power_percent, limits.u_power)
    yield from _flow_range(rows)


def _against(rows: Rows, column: str, name: str, unit: str, steps: tuple[float, float], own: float) -> Track:
    """One column against its curve; `own` is the systematic uncertainty of the column itself [%].

    Head and power are given as deviation [%], whose uncertainty also holds that of the flow at the slope of the curve.
    """
    curve = rows.reference.curves.get(column)
    recent = rows.recent(rows.steady, rows["flow_n"], rows[column])
    flow, value = recent.median(rows["flow_n"]), recent.median(rows[column])
    falling = column == "head_n"
    none = np.full(value.shape, np.nan)
    known = np.asarray(curve.at(flow, falling), float) if curve else none
    known = np.where(known > 0, known, np.nan)
    scatter = none if curve is None else recent.error(rows[column] - curve.at(rows["flow_n"], falling))
    random = 100 * np.nan_to_num(scatter) / np.abs(value)  # [%]; where no row lies on the curve nothing is judged
    more: dict[str, object] = {"unknown": OUTSIDE} if curve else {}
    if column in ("efficiency", "energy_per_head"):
        worse = -1 if column == "efficiency" else 1
        at = steps if worse < 0 else (steps[0] * known / 100, steps[1] * known / 100)
        return track(name, unit, "energy", value, recent.n, known, value * root_sum(own, random) / 100, at,
                     worse * (value - known), rows.limits.coverage, side=worse, **more)  # fmt: skip
    percent = 100 * (value / known - 1)
    slope = np.abs((curve.b + 2 * curve.c * flow) * flow / known) if curve else none
    u = root_sum(own, slope * rows.limits.u_flow, random)
    excess = -percent if falling else np.abs(percent)
    return track(name, unit, "curve" if falling else "energy", percent, recent.n, 0.0 * known, u, steps, excess,
                 rows.limits.coverage, side=-1 if falling else 1, **more)  # fmt: skip


def _flow_range(rows: Rows) -> Iterator[Track]:
    """Share of the run time outside the preferred flows, in the last 30 days: a cause of wear, no sign of it."""
    rated = rows.rated
    best = rated.best_flow_m3h if given(rated.best_flow_m3h) else rated.flow_m3h
    if best is None or not given(best):
        return
    share = 100 * rows["flow_n"] / best
    seen = rows.steady & np.isfinite(share)
    (low, high), (very_low, very_high) = rows.limits.flow_range_percent, rows.limits.flow_far_percent
    since = rows.since(DAYS_OF_USE * 86400.0)

    def rows_with(these: np.ndarray) -> np.ndarray:
        total = np.zeros((*rows.shape[:-1], rows.shape[-1] + 1), int)
        np.cumsum(these, axis=-1, out=total[..., 1:])
        return np.asarray(total[..., rows.at + 1] - total[..., since])

    n = rows_with(seen)
    outside, far = (
        rows_with(seen & ((share < low) | (share > high))),
        rows_with(seen & ((share < very_low) | (share > very_high))),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        value, very = 100 * outside / n, 100 * far / n
    notes = np.array([f"{low:g} to {high:g} % of best flow; beyond {very_low:g} and {very_high:g} %: {one:.0f} % of "
                      f"{hours:.0f} h" if hours else "no hour of steady running" for one, hours in
                      zip(very.ravel(), n.ravel() * rows.every_s / 3600, strict=True)], object)  # fmt: skip
    yield information("flow_range", "%", "use", value, n, notes=notes.reshape(value.shape))
