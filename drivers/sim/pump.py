"""One centrifugal pump: curve, affinity laws, power, heat, vibration, wear, counters.

Physics as formulas, so that a test can hold them against the textbook: `head_m`, `efficiency` and `power_kw` are plain
arithmetic and work on numbers and on numpy arrays alike; `advanced` moves one pump through one step of time.
Sources: affinity laws and P = rho g Q H / eta, any pump textbook (Karassik, Pump Handbook, section 2); the quadratic
head curve and parabolic efficiency are the usual two-parameter fit through shut-off and best efficiency point.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

DENSITY_KGM3 = 1000.0
GRAVITY_MS2 = 9.80665
KW_PER_M3H_M = DENSITY_KGM3 * GRAVITY_MS2 / 3.6e6  # hydraulic power of 1 m3/h lifted by 1 m [kW]
M_PER_BAR = 1e5 / (DENSITY_KGM3 * GRAVITY_MS2)

SHUT_OFF = 1.4  # head at no flow over head at the best efficiency point
HEAD_LOSS = 0.15  # share of shut-off head lost by a wholly worn impeller
EFFICIENCY_LOSS = 0.20  # share of efficiency lost by a wholly worn impeller
VOLTAGE_V = 400.0
WARM_UP_S = 1500.0  # time constant of the bearing housing
BEARING_RISE_K = 24.0  # over ambient at rated power, new bearing
WORN_BEARING_RISE_K = 26.0  # on top of it, bearing at the end of its life
QUIET_MMS = 0.12  # what the sensor reads beside a stopped pump
IMPELLER_WEAR_PER_H = 1 / 30_000
BEARING_WEAR_PER_H = 1 / 25_000


@dataclass(frozen=True, slots=True)
class Pump:
    """What the nameplate and the works test say. Efficiency is wire to water at the best efficiency point."""

    id: str
    site: str
    duty: str
    flow_m3h: float
    head_m: float
    power_kw: float
    efficiency: float
    speed_hz: float = 50.0


@dataclass(frozen=True, slots=True)
class PumpState:
    """One pump at one moment. Speed is a share of rated speed; wear runs from 0 (new) to 1 (end of life)."""

    running: bool = False
    speed: float = 0.0
    flow_m3h: float = 0.0
    head_m: float = 0.0
    suction_bar: float = 0.0
    discharge_bar: float = 0.0
    power_kw: float = 0.0
    current_a: float = 0.0
    bearing_degc: float = 14.0
    vibration_mms: float = QUIET_MMS
    impeller_wear: float = 0.0
    bearing_wear: float = 0.0
    run_hours: float = 0.0
    starts: int = 0
    energy_kwh: float = 0.0
    volume_m3: float = 0.0
    changed_s: float = 0.0  # when it last started or stopped


def head_m(pump: Pump, flow_m3h: float, speed: float = 1.0, wear: float = 0.0) -> float:
    """Total head [m] at a flow [m3/h] and speed [share of rated]; H ~ n^2 along Q ~ n."""
    shut_off = SHUT_OFF * (1 - HEAD_LOSS * wear)
    return pump.head_m * (shut_off * speed**2 - (SHUT_OFF - 1) * (flow_m3h / pump.flow_m3h) ** 2)


def flow_at(pump: Pump, head: float, speed: float = 1.0, wear: float = 0.0) -> float:
    """Flow [m3/h] against a head [m]; 0 where the check valve stays shut."""
    room = SHUT_OFF * (1 - HEAD_LOSS * wear) * speed**2 - head / pump.head_m
    return pump.flow_m3h * math.sqrt(room / (SHUT_OFF - 1)) if room > 0 else 0.0


def efficiency(pump: Pump, flow_m3h: float, speed: float = 1.0, wear: float = 0.0) -> float:
    """Wire-to-water efficiency [share]; constant along Q ~ n, 0 at no flow."""
    load = flow_m3h / (pump.flow_m3h * speed)
    return pump.efficiency * (1 - EFFICIENCY_LOSS * wear) * load * (2 - load)


def power_kw(pump: Pump, flow_m3h: float, speed: float = 1.0, wear: float = 0.0) -> float:
    """Electrical power [kW] = rho g Q H / eta, written so that it stays finite at no flow (shut-off power)."""
    load = flow_m3h / (pump.flow_m3h * speed)
    best = pump.efficiency * (1 - EFFICIENCY_LOSS * wear)
    return KW_PER_M3H_M * pump.flow_m3h * speed * head_m(pump, flow_m3h, speed, wear) / (best * (2 - load))


def current_a(pump: Pump, power: float) -> float:
    """Motor current [A] at 400 V, three phases; the power factor falls with load."""
    factor = 0.87 * (0.55 + 0.45 * power / pump.power_kw)
    return power * 1000 / (math.sqrt(3) * VOLTAGE_V * factor)


def vibration_mms(pump: Pump, flow_m3h: float, speed: float = 1.0, bearing_wear: float = 0.0) -> float:
    """Vibration of the bearing housing [mm/s RMS]: grows with wear and away from the best efficiency point."""
    load = flow_m3h / (pump.flow_m3h * speed)
    return (1.3 + 5.5 * bearing_wear**2 + 1.2 * (load - 1) ** 2) * speed**2


def bearing_target_degc(pump: Pump, power: float, bearing_wear: float, ambient_degc: float) -> float:
    """Where the bearing temperature settles [degC]."""
    return ambient_degc + BEARING_RISE_K * power / pump.power_kw + WORN_BEARING_RISE_K * bearing_wear**2


def operating_head(pumps: Sequence[tuple[Pump, float]], static_m: float, friction: float) -> float:
    """Head [m] at which pumps (with their impeller wear) at full speed meet one main: H = static + friction Q^2.

    `friction` in m per (m3/h)^2. If no pump reaches the static head the check valves stay shut: the static head.
    """
    low, high = static_m, max(head_m(pump, 0.0, 1.0, wear) for pump, wear in pumps)
    if high <= low:
        return static_m
    for _ in range(50):
        middle = (low + high) / 2
        delivered = sum(flow_at(pump, middle, 1.0, wear) for pump, wear in pumps)
        low, high = (middle, high) if delivered > math.sqrt((middle - static_m) / friction) else (low, middle)
    return (low + high) / 2


def speed_for(pumps: Sequence[tuple[Pump, float]], head: float, flow_m3h: float) -> float:
    """Common speed [share] at which pumps in parallel deliver a flow [m3/h] against a head [m]; may exceed 1."""
    low, high = 0.2, 3.0
    for _ in range(50):
        middle = (low + high) / 2
        delivered = sum(flow_at(pump, head, middle, wear) for pump, wear in pumps)
        low, high = (middle, high) if delivered < flow_m3h else (low, middle)
    return (low + high) / 2


def switched(state: PumpState, running: bool, time_s: float) -> PumpState:
    """The pump started or stopped at this time; unchanged if it already was so."""
    if state.running == running:
        return state
    return replace(state, running=running, starts=state.starts + running, changed_s=time_s)


def advanced(
    pump: Pump, state: PumpState, dt_s: float, *,
    flow_m3h: float, head: float, suction_bar: float, ambient_degc: float, speed: float = 1.0,
) -> PumpState:  # fmt: skip
    """The pump after `dt_s` seconds at this duty; a stopped pump cools and holds its counters."""
    hours = dt_s / 3600
    running = state.running
    power = power_kw(pump, flow_m3h, speed, state.impeller_wear) if running else 0.0
    target = bearing_target_degc(pump, power, state.bearing_wear, ambient_degc) if running else ambient_degc
    return replace(
        state,
        speed=speed if running else 0.0,
        flow_m3h=flow_m3h if running else 0.0,
        head_m=head if running else 0.0,
        suction_bar=suction_bar,
        discharge_bar=suction_bar + head / M_PER_BAR,  # a stopped pump's gauge shows the main behind the check valve
        power_kw=power,
        current_a=current_a(pump, power) if running else 0.0,
        bearing_degc=state.bearing_degc + (target - state.bearing_degc) * -math.expm1(-dt_s / WARM_UP_S),
        vibration_mms=vibration_mms(pump, flow_m3h, speed, state.bearing_wear) if running else QUIET_MMS,
        impeller_wear=min(1.0, state.impeller_wear + running * hours * IMPELLER_WEAR_PER_H),
        bearing_wear=min(1.0, state.bearing_wear + running * hours * BEARING_WEAR_PER_H),
        run_hours=state.run_hours + running * hours,
        energy_kwh=state.energy_kwh + power * hours,
        volume_m3=state.volume_m3 + running * flow_m3h * hours,
    )
