"""The seven faults of the study, in three sizes that were fixed before anything was tuned.

Small is the warn line of field practice for that indicator, middle its act line, large twice the act line or more.
Each grows over a realistic time from a random start, then holds its size until a nominal failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drivers.sim.year.pump import YearPump
from drivers.sim.year.world import DAY, Floats, World

SIZES = ("small", "middle", "large")
GROWS: Mapping[str, float] = {  # days from start to full size
    "impeller_wear": 60, "bearing_wear": 30, "cavitation": 10, "ragging": 3, "check_valve": 10, "meter_drift": 60,
    "frozen_sensor": 0,
}  # fmt: skip
HOLDS: Mapping[str, float] = {name: 7.0 if name == "ragging" else 60.0 for name in GROWS}  # days at full size
FROZEN_DAYS: Mapping[str, float] = {"small": 0.5, "middle": 2.0, "large": 14.0}
HEAD: Mapping[str, float] = {"small": 0.03, "middle": 0.06, "large": 0.12}  # lost at fixed normalised flow
EFFICIENCY: Mapping[str, float] = {"small": 0.04, "middle": 0.08, "large": 0.16}  # wire to water, lost
BEARING_K: Mapping[str, float] = {"small": 7.0, "middle": 15.0, "large": 25.0}
CAVITATION: Mapping[str, tuple[float, float]] = {"small": (0.015, 1.3), "middle": (0.03, 1.6), "large": (0.06, 2.5)}
RAGGING: Mapping[str, float] = {"small": 0.05, "middle": 0.10, "large": 0.20}  # current up and flow down
LEAK: Mapping[str, float] = {"small": 0.01, "middle": 0.02, "large": 0.05}  # of rated flow, backwards, while stopped
GAIN: Mapping[str, float] = {"small": 0.03, "middle": 0.06, "large": 0.12}
METERS = ("flow", "discharge_pressure", "power")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault from `start_day` on; `tag` is the instrument of a drift or of a frozen sensor."""

    kind: str
    size: str
    start_day: float
    tag: str = ""

    @property
    def full_day(self) -> float:
        return self.start_day + GROWS[self.kind]

    @property
    def end_day(self) -> float:
        """The nominal failure."""
        holds = FROZEN_DAYS[self.size] if self.kind == "frozen_sensor" else HOLDS[self.kind]
        return self.full_day + holds

    def severity(self, minute: Floats) -> Floats:
        """0 before the start and after the end, 1 at full size."""
        day = minute / DAY
        grown = np.clip((day - self.start_day) / max(GROWS[self.kind], 1e-9), 0, 1)
        return np.where(day < self.end_day, grown, 0.0)


@dataclass(slots=True)
class Effects:
    """What a fault does, minute by minute or throughout; without a fault nothing."""

    head_factor: Floats | float = 1.0
    efficiency_lost: Floats | float = 0.0
    vibration_added: Floats | float = 0.0  # [mm/s]
    vibration_factor: Floats | float = 1.0
    unrest: Floats | float = 0.0  # of the vibration, per sample
    bearing_k: Floats | float = 0.0
    current_factor: Floats | float = 1.0
    flow_factor: Floats | float = 1.0
    leak: Floats | float = 0.0
    gain: dict[str, Floats] = field(default_factory=dict)
    frozen: tuple[str, int, int] | None = None  # tag, first and last minute


def tags_of(pump: YearPump, kind: str) -> tuple[str, ...]:
    """The instruments that this fault can befall on this pump; ("",) where it is the machine; () where it cannot be.

    A bearing without a sensor on its housing and a leaking check valve without a flow meter are claims that no
    instrument supports: they are not drawn.
    """
    if kind == "meter_drift":
        return tuple(tag for tag in METERS if tag in pump.analog)
    if kind == "frozen_sensor":
        return pump.analog
    possible = {
        "bearing_wear": pump.housing,
        "ragging": pump.duty == "sewage",
        "check_valve": not pump.estimated_flow,
        "impeller_wear": True,
        "cavitation": pump.duty != "sewage",
    }
    return ("",) if possible[kind] else ()


def moved_by(pump: YearPump, fault: Fault) -> frozenset[str]:
    """The tags that the fault truly moves on this pump."""
    if fault.tag:
        return frozenset((fault.tag,))
    electrical = {"power", "current"} | ({"current_l1", "current_l2", "current_l3"} if pump.phases else set())
    hydraulic = {"flow", "discharge_pressure"} | ({"speed"} if pump.variable else set())
    return frozenset(
        {
            "impeller_wear": hydraulic | electrical,
            "bearing_wear": {"vibration", "bearing_temperature"},
            "cavitation": hydraulic | {"vibration"},
            "ragging": hydraulic | electrical,
            "check_valve": {"flow"},
        }[fault.kind]
    )


def effects_of(pump: YearPump, fault: Fault | None, world: World, suction_m: Floats) -> Effects:
    """The fault's effects minute by minute; a cavitating pump suffers in the lowest two fifths of its suction."""
    if fault is None:
        return Effects()
    grown, size = fault.severity(world.minute), fault.size
    if fault.kind == "impeller_wear":
        return Effects(head_factor=1 - HEAD[size] * grown, efficiency_lost=EFFICIENCY[size] * grown)
    if fault.kind == "bearing_wear":
        _, unlimited, damage = pump.zones
        reached = {"small": pump.vibration_mms + 0.25 * unlimited, "middle": unlimited, "large": damage}[size]
        return Effects(vibration_added=(reached - pump.vibration_mms) * grown, bearing_k=BEARING_K[size] * grown)
    if fault.kind == "cavitation":
        drop, shake = CAVITATION[size]
        during = grown > 0
        low = grown * (suction_m < np.quantile(suction_m[during], 0.4)) if during.any() else grown
        return Effects(head_factor=1 - drop * low, vibration_factor=1 + (shake - 1) * low, unrest=0.25 * low)
    if fault.kind == "ragging":
        return Effects(current_factor=1 + RAGGING[size] * grown, flow_factor=1 - RAGGING[size] * grown)
    if fault.kind == "check_valve":
        return Effects(leak=LEAK[size] * grown)
    if fault.kind == "meter_drift":
        return Effects(gain={fault.tag: 1 + GAIN[size] * grown})
    return Effects(frozen=(fault.tag, round(fault.start_day * DAY), round(fault.end_day * DAY)))
