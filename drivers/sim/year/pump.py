"""The fifty pumps of the simulated fleet year: what each is, and the physics by which it truly runs.

Deliberately not the model's formulas: the head curve has an odd exponent and may droop at low flow, the power curve is
a cubic, so that efficiency is no parabola; head and power do not follow the affinity laws exactly; the motor loses by
its own law. Nothing here may be fitted without error by the curves of models/health.

References: Gulich, Centrifugal Pumps, sections 4.1 and 3.10 (curve shapes, efficiency by speed); IEC 60034-2-1 (motor
losses: constant, and growing with the square of the load).
"""

import math
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KW_PER_M3H_M = 1000.0 * 9.80665 / 3.6e6
M_PER_BAR = 1e5 / (1000.0 * 9.80665)
DUTIES = ("borehole", "high_lift", "booster", "sewage")
HEADS = {"borehole": (40, 130), "high_lift": (35, 80), "booster": (18, 50), "sewage": (7, 24)}  # [m]
SIZES_KW = (5.5, 7.5, 11, 15, 18.5, 22, 30, 37, 45, 55, 75, 90, 110, 132, 160, 200, 250)
LEAST_KW, MOST_KW = 5.0, 180.0  # shaft power at the best efficiency point
ZONES = ((4.2, 6.1, 9.5), (3.2, 5.1, 8.5))  # vibration lines A/B, B/C, C/D, above 200 kW and up to it [mm/s]


@dataclass(frozen=True, slots=True)
class YearPump:
    """One pump, its motor, its place in the station and its instruments, all true values."""

    number: int
    duty: str
    variable: bool  # speed follows the pressure
    flow_m3h: float  # at the best efficiency point and rated speed
    head_m: float
    best: float  # hydraulic efficiency there
    motor_kw: float
    motor_best: float
    shut_off: float  # head at no flow over head at the best efficiency point
    droop: float
    bend: float  # exponent of the head curve
    idle: float  # shaft power at no flow, share of that at the best efficiency point
    head_power: float  # H ~ n^head_power
    shaft_power: float  # P ~ n^shaft_power
    pumps: int  # in the station, this one among them
    rotation_h: float  # the lead changes after so many hours
    static: float  # share of the rated head that is static
    vibration_mms: float  # of the sound pump at its best point
    bearing_k: float  # over its surroundings at full load
    bearing_min: float  # time constant
    vibration_shape: float  # how much it shakes beside its best point
    resonance: float  # share of speed at which something answers
    housing: bool  # sensors of vibration and temperature on the bearing housing
    room_sensor: bool  # ambient temperature is taken in the pump room, else outside
    estimated_flow: bool  # the device computes its flow from power and speed
    phases: bool  # a current per phase
    start_day: int  # day of the year on which the data begin

    @property
    def zones(self) -> tuple[float, float, float]:
        """Vibration lines A/B, B/C and C/D. [mm/s]"""
        return ZONES[self.motor_kw <= 200]

    @property
    def analog(self) -> tuple[str, ...]:
        """The analog tags that are instruments of their own."""
        tags = ["suction_pressure", "discharge_pressure", "power", "current"]
        tags += [] if self.estimated_flow else ["flow"]
        tags += ["vibration", "bearing_temperature"] if self.housing else []
        tags += ["speed"] if self.variable else []
        return tuple(sorted(tags))


def stream(seed: int, number: int, name: str) -> np.random.Generator:
    """The random numbers of one cause of one pump: no cause moves another's, and a shorter run is a beginning."""
    return np.random.default_rng([seed, number, crc32(name.encode())])


def pump_of(seed: int, number: int) -> YearPump:
    """Pump `number` of the fleet of this seed; every third has a flow that its device estimates."""
    rng = stream(seed, number, "nameplate")
    duty = DUTIES[number % 4]
    shaft = LEAST_KW * (MOST_KW / LEAST_KW) ** rng.random()
    head = float(rng.uniform(*HEADS[duty]))
    best = float(np.clip(0.60 + 0.04 * math.log(shaft) + rng.normal(0, 0.02), 0.55, 0.85))
    variable = duty == "high_lift" or (duty == "booster" and rng.random() < 0.5)
    housing = rng.random() < (0.5 if duty in ("borehole", "sewage") else 1.0)  # submersibles have no housing sensor
    return YearPump(
        number=number, duty=duty, variable=variable, flow_m3h=shaft * best / (KW_PER_M3H_M * head), head_m=head,
        best=best, motor_kw=next(size for size in SIZES_KW if size >= 1.1 * shaft),
        motor_best=float(0.88 + 0.014 * math.log(shaft) + rng.normal(0, 0.004)),
        shut_off=float(rng.uniform(1.15, 1.45)), droop=float(rng.uniform(-0.06, 0.06)),
        bend=float(rng.uniform(1.8, 2.8)), idle=float(rng.uniform(0.38, 0.6)),
        head_power=float(rng.uniform(1.97, 2.05)), shaft_power=float(rng.uniform(2.80, 2.97)),
        pumps=int(rng.integers(2, 4)), rotation_h=float(rng.choice((24, 24, 72, 168))),
        static=float(rng.uniform(0.75, 0.9) if duty == "borehole" else rng.uniform(0.5, 0.8)),
        vibration_mms=float(rng.uniform(0.9, 2.2)), bearing_k=float(rng.uniform(15, 32)),
        bearing_min=float(rng.uniform(20, 35) * (1 + shaft / 200)), vibration_shape=float(rng.uniform(0.4, 1.6)),
        resonance=float(rng.uniform(0.6, 1.1)), housing=housing, room_sensor=rng.random() < 2 / 3,
        estimated_flow=number % 3 == 2, phases=rng.random() < 1 / 3, start_day=int(rng.integers(0, 365)),
    )  # fmt: skip


def head_m(pump: YearPump, flow: Any, speed: Any = 1.0) -> Any:
    """Head of the sound pump [m] at a flow [m3/h] and speed [share of rated]."""
    load = flow / (pump.flow_m3h * speed)
    shape = pump.shut_off + pump.droop * load - (pump.shut_off + pump.droop - 1) * load**pump.bend
    return pump.head_m * speed**pump.head_power * shape


def head_slope(pump: YearPump, flow: Any, speed: Any = 1.0) -> Any:
    """Change of head with flow. [m per m3/h]"""
    load = flow / (pump.flow_m3h * speed)
    slope = pump.droop - pump.bend * (pump.shut_off + pump.droop - 1) * load ** (pump.bend - 1)
    return pump.head_m * speed ** (pump.head_power - 1) * slope / pump.flow_m3h


def shaft_kw(pump: YearPump, flow: Any, speed: Any = 1.0) -> Any:
    """Shaft power of the sound pump [kW]: a cubic whose efficiency is best near rated flow."""
    load = flow / (pump.flow_m3h * speed)
    rise = 1 + pump.droop - pump.bend * (pump.shut_off + pump.droop - 1)  # so that d(eta)/d(load) = 0 at load 1
    cubic = (1 - pump.idle - rise) / 2
    shape = pump.idle + (1 - pump.idle + cubic) * load - cubic * load**3
    rated = KW_PER_M3H_M * pump.flow_m3h * pump.head_m / pump.best
    return rated * speed**pump.shaft_power * shape


def electrical_kw(pump: YearPump, shaft: Any) -> Any:
    """Power from the mains [kW]: the motor's losses, a constant and a square part, and those of a converter."""
    load = shaft / pump.motor_kw
    motor = shaft + pump.motor_kw * (1 / pump.motor_best - 1) * (0.4 + 0.1 * load + 0.5 * load**2)
    return motor / 0.97 + 0.008 * pump.motor_kw if pump.variable else motor


def current_a(pump: YearPump, power: Any, voltage: Any = 400.0) -> Any:
    """Motor current [A]; without a converter the power factor falls with load."""
    load = power / pump.motor_kw
    factor = 0.95 if pump.variable else 0.87 * (1 - 0.55 * np.exp(-2.6 * load)) / (1 - 0.55 * math.exp(-2.6))
    return power * 1000 / (math.sqrt(3) * voltage * factor)


def flow_against(pump: YearPump, factor: Any, static: Any, friction: Any) -> Floats:
    """Flow [m3/h] at which factor x H(Q) = static + friction Q^2, at rated speed; a trickle where it cannot lift."""
    flow = np.full(np.broadcast(factor, static, friction).shape, 1.3 * pump.flow_m3h)
    for _ in range(7):
        miss = factor * head_m(pump, flow) - static - friction * flow**2
        slope = factor * head_slope(pump, flow) - 2 * friction * flow
        flow = np.clip(flow - miss / np.minimum(slope, -1e-6), 0.02 * pump.flow_m3h, 2 * pump.flow_m3h)
    return np.asarray(flow)


def speed_against(pump: YearPump, factor: Any, flow: Floats, head: Floats) -> Floats:
    """Speed [share] at which factor x H(Q, n) = head, within what the converter allows."""
    speed = np.full(flow.shape, 0.95)
    for _ in range(7):
        now = factor * head_m(pump, flow, speed)
        slope = pump.head_power * now / speed - factor * head_slope(pump, flow, speed) * flow / speed
        speed = np.clip(speed - (now - head) / slope, 0.5, 1.3)
    return np.asarray(np.clip(speed, 0.55, 1.0))


def flow_estimate(pump: YearPump, power: Floats, speed: Floats) -> Floats:
    """What a device computes as flow [m3/h] from its power and speed by the works curve, without losses by speed."""
    load = np.linspace(0.0, 1.8, 200)
    curve = np.maximum.accumulate(electrical_kw(pump, shaft_kw(pump, load * pump.flow_m3h))) + 1e-9 * load
    known = np.maximum(speed, 0.1)
    return np.asarray(np.interp(power / known**3, curve, load, left=0.0) * pump.flow_m3h * known)
