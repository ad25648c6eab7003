"""What a device says of itself: read device identification, function code 43 / 14, only when a person asks.

Objects 0 to 2 (vendor, product code, revision) are basic, 3 to 6 regular, from 128 on the vendor's own. All of it is
hostile input: lengths are checked, the number of answers is bounded, an object that is told twice is refused, and the
bytes stay bytes until they are shown. Numbers from MODBUS Application Protocol V1.1b3, 6.21.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.modbus.answers import IDENTIFY, Mbap, Question, Rtu

BASIC, REGULAR, EXTENDED = 1, 2, 3
NAMES: Final = {
    0: "vendor",
    1: "product code",
    2: "revision",
    3: "vendor address",
    4: "product",
    5: "model",
    6: "application",
}
MOST_ANSWERS: Final = 64  # a device that goes on telling longer than this is not believed
_MORE: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Part:
    """One answer: the objects in it, and the object to ask for next; None if there is no more."""

    objects: Mapping[int, bytes]
    conformity: int  # the highest level that the device has, 1 to 3
    following: int | None


def question(device_id: int, level: int, first: int, framing: type[Mbap | Rtu]) -> Question:
    """Ask for the objects of a level (BASIC, REGULAR, EXTENDED) from object `first` on."""
    return framing.question(
        device_id, bytes([IDENTIFY, 14, level, first]), -1, f"device {device_id}, identification level {level}"
    )


def parsed(payload: bytes, level: int, first: int) -> Part | str:
    """An answer (without its function code) taken apart, or what is wrong with it; pure."""
    if len(payload) < 6 or payload[:2] != bytes([14, level]):
        return f"no answer to identification level {level}: {payload[:8].hex()}"
    conformity, more, following, count = payload[2:6]
    if more not in (0, _MORE):
        return f"neither the end nor more to follow: {more}"
    objects: dict[int, bytes] = {}
    at = 6
    for _ in range(count):
        if len(payload) < at + 2 or len(payload) < at + 2 + payload[at + 1]:
            return f"object {len(objects) + 1} of {count} is longer than the answer"
        number, size = payload[at], payload[at + 1]
        if number in objects or number < first:
            return f"object {number} was not asked for, or is told twice"
        objects[number] = payload[at + 2 : at + 2 + size]
        at += 2 + size
    if at != len(payload):
        return f"{len(payload) - at} bytes more than its objects have"
    if more and following <= max(objects, default=first):
        return f"it goes back to object {following}"
    return Part(objects, conformity & 0x7F, following if more else None)
