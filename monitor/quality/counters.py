"""Counters: what a step from one reading to the next means. The readings stay as they came.

A step that cannot be told has no amount: None is an answer, and no consumption is ever made of it. Sources: practice of
meters as in the manuals (Janitza UMG: values are saved every 5 min, so a power failure loses up to 5 min of counting,
which is no reset); float32 loses resolution as it grows (1 kWh steps at 16,777,216).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drivers.record import Node, Reason, Register

KINDS = ("forward", "wrap", "loss", "reset", "exchange", "impossible")
LATE_S = 3_600.0  # a meter that is itself read once an hour moves by an hour's worth at once
SAVED_EVERY_S = 300.0  # what a meter may lose with its power
ENOUGH_STEPS = 100.0  # a difference of fewer steps of its counter is no measurement
NEAR_ZERO, NEAR_END = 0.01, 0.9  # shares, where nobody knows how fast the counter may run
MODULUS: Mapping[str, float] = {  # raw numbers that a kind can hold
    "u8_high": 2.0**8, "u8_low": 2.0**8, "u16": 2.0**16, "u32": 2.0**32, "u64": 2.0**64,
    "bcd16": 1e4, "bcd32": 1e8, "bcd64": 1e16,
}  # fmt: skip
FLOATS = ("f16", "f32", "f64")
WORDS: Mapping[str, str] = {
    "wrap": "the counter went over its end and began again",
    "loss": "the counter lost a little, as after a power failure of the meter",
    "reset": "the counter was set to zero",
    "exchange": "the counter stands lower than before: exchanged or set anew",
    "impossible": "the counter ran further than it can in this time",
}
REASONS: Mapping[str, Reason] = {  # a wrap is how a counter goes on
    "loss": Reason.SPEC,
    "reset": Reason.SPEC | Reason.BREAK,
    "exchange": Reason.SPEC | Reason.BREAK,
    "impossible": Reason.RATE,
}


@dataclass(frozen=True, slots=True)
class CounterStep:
    """What happened between two readings, and how much was counted; None where that cannot be told."""

    kind: str  # one of KINDS
    delta: float | None


def counter_step(
    previous: float, now: float, where: Register | Node, elapsed_s: float, most_per_h: float | None = None
) -> CounterStep:
    """The step of a counter from `previous` to `now` [its unit], `elapsed_s` after it last moved [s].

    `most_per_h`: the most that it can count in an hour [its unit], where that is known.

    >>> counter_step(65_530.0, 4.0, Register(1, "holding", 0, "u16"), 60.0, 1000.0)
    CounterStep(kind='wrap', delta=10.0)
    >>> counter_step(812.0, 0.0, Register(1, "holding", 0, "u16"), 60.0, 1000.0)
    CounterStep(kind='reset', delta=None)
    """
    if not (math.isfinite(previous) and math.isfinite(now)):
        return CounterStep("impossible", None)
    least = resolution(max(abs(previous), abs(now)), where)
    room = math.inf if most_per_h is None else room_of(elapsed_s, most_per_h, least)
    if now >= previous:
        return CounterStep("forward", now - previous) if now - previous <= room else CounterStep("impossible", None)
    end = modulus(where)
    if end is not None:
        delta = now - previous + end
        known = room if most_per_h is not None else end * (1 - NEAR_END) if previous >= end * NEAR_END else 0.0
        if 0 < delta <= known:
            return CounterStep("wrap", delta if known < end else None)
    lost = 0.0 if most_per_h is None else most_per_h * SAVED_EVERY_S / 3600 + least
    if now > 0 and previous - now <= lost:
        return CounterStep("loss", None)
    near_zero = NEAR_ZERO * previous if most_per_h is None else min(room, previous / 2)
    return CounterStep("reset" if abs(now) <= near_zero else "exchange", None)


def room_of(elapsed_s: float, most_per_h: float, least: float) -> float:
    """The most that a counter can have moved [its unit]."""
    return most_per_h * (elapsed_s + LATE_S) / 3600 + 2 * least


def modulus(where: Register | Node) -> float | None:
    """At how much a counter begins again [its unit]; None where its place does not say."""
    if not isinstance(where, Register) or where.kind not in MODULUS or where.exponent_at is not None or where.offset:
        return None
    return MODULUS[where.kind] * where.scale if where.scale > 0 else None


def resolution(value: float, where: Register | Node) -> float:
    """The smallest step that a value of this size can make [its unit]: of whole numbers the scale, of floats one ULP.

    >>> resolution(1e8, Register(1, "holding", 0, "f32"))
    8.0
    """
    if isinstance(where, Register) and where.exponent_at is None:
        scale = abs(where.scale)
        if where.kind == "f32":
            return float(np.spacing(np.float32(abs(value) / scale))) * scale
        if where.kind == "f16":
            return float(np.spacing(np.float16(min(abs(value) / scale, 65_000.0)))) * scale
        if where.kind not in FLOATS:
            return scale
    return math.ulp(value)


def measurable(delta: float, value: float, where: Register | Node) -> bool:
    """Whether a difference is large enough to make a power or flow of: at least 100 steps of the counter."""
    return delta >= ENOUGH_STEPS * resolution(value, where)
