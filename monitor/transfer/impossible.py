"""Numbers that no sensor can have measured: beyond what its quantity can be, or the marks of other systems for "none".

What the utility itself gives as low and high of a tag goes before both. Such a value comes in as bad, as it stands.
"""

from collections.abc import Mapping

from drivers.record import Reason, Tag
from monitor.plant import QUANTITIES

Bounds = tuple[float | None, float | None]

_BY_QUANTITY: Mapping[str, Bounds] = {"power_factor": (-1.01, 1.01), "run_hours": (0.0, None), "starts": (0.0, None)}
_BY_UNIT: Mapping[str, Bounds] = {  # wide: a zero that drifts and a flow that runs back are measured
    "degC": (-273.15, 1_500.0),
    "bar": (-1.05, 1_000.0),  # a gauge in a vacuum
    "mm/s": (-1.0, 1_000.0),
    "m": (-1_000.0, 10_000.0),
    "Hz": (-1_000.0, 1_000.0),
    "m3/h": (-1e7, 1e7),
    "kW": (-1e6, 1e6),
    "A": (-1e5, 1e5),
    "V": (-1e6, 1e6),
    "mg/l": (-100.0, 1e6),
}
_NO_QUANTITY = 1e30  # the least and the most of a float, however many of its digits a file has
_BELOW = frozenset(
    {-999.0, -999.9, -999.99, -9999.0, -9999.9, -99999.0, -999999.0, -32768.0, -2147483648.0}
)  # fmt: skip
_ABOVE = frozenset(
    {99999.0, 999999.0, 9999999.0, 32767.0, 65535.0, 2147483647.0, 4294967295.0}
)  # a counter may well stand at one of them


def bounds(tag: Tag) -> Bounds:
    """What a value of a tag can be [its unit]: what it was given as limits, else what its quantity allows."""
    low, high = _BY_QUANTITY.get(tag.quantity) or _BY_UNIT.get(tag.unit) or (None, None)
    return (low if tag.low is None else tag.low), (high if tag.high is None else tag.high)


def why_impossible(tag: Tag, value: float, raw: float) -> Reason:
    """Why a value [unit of the tag], which the file has as `raw`, cannot have been measured; OK if it can."""
    low, high = bounds(tag)
    limited = tag.low is not None and tag.high is not None
    kind = QUANTITIES[tag.quantity][1]
    marks = _BELOW | _ABOVE if kind == "analog" else _BELOW if kind == "counter" else frozenset[float]()
    marked = marks & {round(value, 2), round(raw, 2)} or max(abs(value), abs(raw)) >= _NO_QUANTITY
    if not (limited and tag.holds(value)) and marked:
        return Reason.SENTINEL
    inside = (low is None or value >= low) and (high is None or value <= high)
    return Reason.OK if inside else Reason.OUT_OF_RANGE
