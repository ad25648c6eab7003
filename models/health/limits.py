"""The limits of the physics lines: where a warning and where an alert begins, and how sure each instrument is.

Field practice by default; a site edits them in config/limits.toml. Nothing here is a law of nature.

References
----------
ISO 10816-7:2009 (rotodynamic pumps, categories I critical and II general). ISO 20816-3:2022 (machines above 15 kW,
group 1 above 300 kW and group 2 up to 300 kW, on rigid or flexible supports). Both as published in field literature;
the standards themselves rule. ISO 9906 (uncertainty of acceptance tests). ANSI/HI 9.6.1 (NPSH margin), 9.6.3
(allowed operating region). NEMA MG 1 (unbalance, class F windings).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from models.health.physics import Rated

Zones = tuple[tuple[float, tuple[float, float, float]], ...]  # (up to kW, lines A/B, B/C, C/D [mm/s RMS]), rising

VIBRATION_ZONES: Mapping[str, Zones] = {
    "I": ((200.0, (2.5, 4.0, 6.6)), (math.inf, (3.5, 5.0, 7.6))),
    "II": ((200.0, (3.2, 5.1, 8.5)), (math.inf, (4.2, 6.1, 9.5))),
    "1_rigid": ((math.inf, (2.3, 4.5, 7.1)),),
    "1_flexible": ((math.inf, (3.5, 7.1, 11.0)),),
    "2_rigid": ((math.inf, (1.4, 2.8, 4.5)),),
    "2_flexible": ((math.inf, (2.3, 4.5, 7.1)),),
}
STARTS_PER_H = ((7.5, 15.0), (30.0, 10.0), (75.0, 6.0), (200.0, 4.0), (math.inf, 2.0))  # up to kW: starts


@dataclass(frozen=True, slots=True)
class Limits:
    """Warn and act lines, and the measurement uncertainty (k = 1) of each instrument. Editable, per asset."""

    efficiency_points: tuple[float, float] = (5.0, 10.0)  # drop against the reference at the same flow [%-points]
    energy_percent: tuple[float, float] = (5.0, 10.0)  # rise of SE/H [%]
    head_percent: tuple[float, float] = (3.0, 6.0)  # drop of head at the same normalised flow [%]
    power_percent: tuple[float, float] = (5.0, 10.0)  # power at the same normalised flow, either direction [%]
    bearing_degc: tuple[float, float] = (82.0, 95.0)  # housing [degC]
    bearing_rise_k: tuple[float, float] = (15.0, 20.0)  # over-ambient temperature above its reference [K]
    winding_degc: tuple[float, float] = (130.0, 155.0)  # motor winding, class F [degC]
    imbalance_percent: tuple[float, float] = (5.0, 10.0)  # of the three phase currents [%]
    vibration_step_percent: float = 25.0  # change against the reference, as a share of the line B/C [%]
    npsh_margin: tuple[float, float] = (1.1, 1.0)  # NPSH available over NPSH required
    leak_percent: tuple[float, float] = (1.0, 2.0)  # reverse flow while stopped, of the rated flow [%]
    pump_down_percent: tuple[float, float] = (15.0, 30.0)  # longer inflow-normalised pump-down time [%]
    duty_share_percent: float = 60.0  # run hours beside the mean of the group; 100 less this below
    flow_range_percent: tuple[float, float] = (70.0, 120.0)  # preferred, of the flow at best efficiency [%]
    flow_far_percent: tuple[float, float] = (50.0, 125.0)  # outside of it wear is quick [%]
    vibration: Mapping[str, Zones] = field(default_factory=lambda: VIBRATION_ZONES)
    u_flow: float = 2.0  # [%]
    u_zero_flow: float = 0.25  # drift of the meter's zero, of the rated flow [%]
    u_head: float = 1.0  # [%]
    u_power: float = 1.5  # [%]
    u_vibration: float = 5.0  # [%]
    u_temperature_k: float = 1.0
    u_current: float = 0.5  # of the imbalance [%-points]
    u_suction_m: float = 0.2  # of the head at the inlet, gauge and its height [m]
    u_level_m: float = 0.01  # of a change of level [m]
    coverage: float = 2.0  # a line fires past this multiple of its uncertainty


def starts_limit(rated: Rated) -> float | None:
    """Starts per hour that the nameplate allows, else the usual limit for the power; None if both are unknown."""
    if rated.max_starts_per_h is not None:
        return rated.max_starts_per_h
    if rated.power_kw is None:
        return None
    up_to, starts = np.array(STARTS_PER_H).T
    return starts[np.searchsorted(up_to, rated.power_kw)]  # type: ignore[no-any-return]


def vibration_lines(rated: Rated, limits: Limits) -> tuple[float, float, float]:
    """The lines A/B, B/C and C/D [mm/s RMS] for this pump; KeyError for a class that the limits do not know."""
    zones = limits.vibration[rated.vibration_category]
    power = 0.0 if rated.power_kw is None else rated.power_kw
    ab, bc, cd = np.array([lines for _up_to, lines in zones]).T[:, np.searchsorted([one for one, _ in zones], power)]
    return ab, bc, cd  # arrays for many assets


def vibration_zone(value_mms: ArrayLike, boundaries: tuple[float, float, float]) -> np.ndarray:
    """Zone A (as new), B (unlimited), C (limited time) or D (damage) of each value.

    >>> vibration_zone([4.8, 9.0], (3.2, 5.1, 8.5)).tolist()
    ['B', 'D']
    """
    value = np.asarray(value_mms, float)
    return np.array([*"ABCD"], object)[sum((value > boundary).astype(int) for boundary in boundaries)]  # type: ignore[no-any-return]
