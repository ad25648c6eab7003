"""The records that cross from the wire into the house: Tag, Sample, Quality, Reason, Alert.

Standard library only, because everything imports this file: the daemon, the screen, tests. A value never travels
without its quality and the reasons for it; an error is a value and is kept, counted and shown like any other.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag


class Quality(IntEnum):
    """How far a sample may be trusted. Worst wins. (OPC UA Part 8: Good, Uncertain, Bad.)"""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reason(IntFlag):
    """Why a sample has its quality: a bit set, because reasons add up. The numbers are stored: never renumber.

    Bits 0-7 make a sample bad, bits 8-18 uncertain, bits 19-23 leave it good but are told all the same.
    """

    OK = 0
    # bad
    COMMS = 1 << 0  # no answer, link down
    DEVICE = 1 << 1  # the device says that it has failed
    EXCEPTION = 1 << 2  # the device refused the request
    SENSOR = 1 << 3  # the device says that the sensor has failed
    SENTINEL = 1 << 4  # the declared "not available" value
    CONFIG = 1 << 5  # the tag cannot be read as configured
    OUT_OF_RANGE = 1 << 6  # outside the hard limits of the sensor
    GAP = 1 << 7  # nothing was recorded for a time
    # uncertain
    STALE = 1 << 8
    FROZEN = 1 << 9
    RATE = 1 << 10
    SPIKE = 1 << 11
    SPEC = 1 << 12
    CROSSCHECK = 1 << 13
    SUBSTITUTE = 1 << 14
    INITIAL = 1 << 15
    MANUAL = 1 << 16
    CLOCK = 1 << 17
    CHECK_FUNCTION = 1 << 18
    # good
    FORCED = 1 << 19  # set by hand at the device: shown, never trained on
    MAINTENANCE = 1 << 20
    ESTIMATED = 1 << 21  # computed inside the device: never independent evidence
    BREAK = 1 << 22  # from here on the number means something else (unit, scale, another meter): trends begin anew
    IMPORTED = 1 << 23  # brought in afterwards from elsewhere, at the time that its origin gives; we did not read it

    @property
    def words(self) -> tuple[str, ...]:
        """The reasons as the lower-case words of the house, in order of their bits; ("ok",) when there are none."""
        return tuple(one.name.lower() for one in Reason if one in self and one.name) or ("ok",)


BAD_REASONS = Reason(0xFF)
UNCERTAIN_REASONS = Reason(0x7FF00)
FROM_ELSEWHERE = (
    Reason.IMPORTED | Reason.MANUAL
)  # we did not read it ourselves: beside what we read, never in its place


def quality_of(reasons: Reason) -> Quality:
    """The quality that a set of reasons makes: the worst of them."""
    if reasons & BAD_REASONS:
        return Quality.BAD
    return Quality.UNCERTAIN if reasons & UNCERTAIN_REASONS else Quality.GOOD


def reasons_of(words: tuple[str, ...] | list[str]) -> Reason:
    """The bit set for words of the house; KeyError names an unknown one."""
    reasons = Reason.OK
    for word in words:
        reasons |= Reason[word.upper()]
    return reasons


@dataclass(frozen=True, slots=True)
class Register:
    """Where a value lies in a Modbus device. `address` is the wire address (first = 0), whatever the manual prints."""

    device_id: int
    table: str  # holding, input, coil, discrete
    address: int
    kind: str  # one of drivers.registers.KINDS
    order: str = "ABCD"  # ABCD, CDAB, BADC, DCBA
    scale: float = 1.0
    offset: float = 0.0
    bit: int | None = None  # bit 0 is the lowest of the register
    words: int = 1  # length in registers; for coils and discrete inputs 1
    sentinels: tuple[float, ...] = ()  # raw values that mean "not available"
    # wire address of an i16 in the same table: value = raw * 10**it * scale + offset (SunSpec scale factor, mantissa
    # and exponent); always read in the same request as the value
    exponent_at: int | None = None
    ma: float | None = None  # a 4-20 mA loop: raw * ma is the current [mA], judged by NAMUR NE 43


@dataclass(frozen=True, slots=True)
class Node:
    """Where a value lies in an OPC UA server: `nsu=URI;s=...`, never by index, which may change at a restart."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Tag:
    """One measured point of an asset.

    `quantity` is the field's word for what is measured (monitor.plant.QUANTITIES); models find their inputs by it.
    `low` and `high` are the hard limits of the sensor in `unit`: outside them a value is bad, kept and shown.
    """

    number: int  # index in the tag table of this configuration; Batch.tag refers to it
    name: str  # "N-P01.flow": asset id, a point, quantity or a site's own word
    asset: str
    quantity: str
    unit: str
    source: str
    where: Register | Node
    low: float | None = None
    high: float | None = None
    estimated: bool = False
    counter: bool = False
    description: str = ""
    every_s: float | None = None  # own cadence, else that of the source
    labels: tuple[tuple[int, str], ...] = ()  # what the codes of an enumeration, or the bits of a bit field, mean

    @property
    def bits(self) -> bool:
        """Whether the value is a field of bits, each with a meaning of its own."""
        return isinstance(self.where, Register) and self.where.kind.startswith("bits")

    def holds(self, value: float) -> bool:
        """Whether a value in the tag's unit is within the hard limits of the sensor."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a tag at one time. `value` is None only if nothing could be decoded."""

    tag: int
    receive_us: int  # UTC, microseconds
    value: float | int | str | None
    reasons: Reason = Reason.OK
    source_us: int | None = None  # UTC, microseconds; None where the device gives no time
    detail: str = ""

    @property
    def quality(self) -> Quality:
        return quality_of(self.reasons)


ORIGINS = ("vendor", "own", "plc", "monitor")
SEVERITIES = ("note", "warning", "critical")
CLEAR = "clear_us"  # key of Alert.extra: when the device was last seen without the claim, UTC [us]; absent if never


@dataclass(frozen=True, slots=True)
class Alert:
    """A claim that something needs attention. The raw message is kept byte for byte beside it, by its SHA-256."""

    alert_id: str
    origin: str  # one of ORIGINS
    asset: str
    component: str  # "" where the message names none
    failure_mode: str
    severity: str  # one of SEVERITIES
    text: str  # as sent but for addresses and telephone numbers: hostile input, cleaned where it is shown
    received_us: int
    issued_us: int | None = None
    vendor: str = ""
    feed: str = ""
    action: str = ""
    horizon_days: float | None = None
    raw_sha256: str = ""
    active: bool = True  # False: the origin took the claim back
    raw: bytes = b""  # the message as it came, for whoever keeps it; may be shared by several alerts of one file
    extra: dict[str, str] = field(default_factory=dict)
