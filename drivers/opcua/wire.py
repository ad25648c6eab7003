"""Values out of the bytes of Read and Publish responses (OPC UA Part 6, 5.2), and nothing more.

asyncua decodes any structure, at some 10 us a value, and believes every count. Here a value costs a fifth of that, a
count that the message cannot hold is a WireError before anything is built, and what is no single number or text comes
out as `Other`, which says what it was. Standard library only; pure.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

_FILETIME_1970: Final = 116_444_736_000_000_000  # 100 ns ticks from 1601 to 1970
_COUNT_LIMIT: Final = 100_000  # of anything in one message
_DEPTH_LIMIT: Final = 20  # of values in values


class WireError(ValueError):
    """The bytes are not what the standard says."""


class Other(str):
    """What came instead of a single number or text, in words: "an array of Double"."""

    __slots__ = ()


class Told(NamedTuple):
    """One DataValue."""

    value: "bool | int | float | str | Other | None"
    status: int
    source_us: int | None  # UTC [us]; None where the source gives no time


@dataclass(frozen=True, slots=True)
class Notification:
    """One publish response. `changes` are (client handle, value); `events` and `statuses` are rare and kept apart."""

    subscription: int
    sequence: int
    available: tuple[int, ...]  # sequence numbers that the server would send again
    changes: tuple[tuple[int, Told], ...]
    events: tuple[bytes, ...]  # bodies of EventNotificationList
    statuses: tuple[int, ...]  # the subscription itself: why it ended
    empty: bool  # a keep-alive: its sequence number belongs to the message that comes next


_NAMES: Final = (
    "Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double",
    "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode",
    "QualifiedName", "LocalizedText", "ExtensionObject", "DataValue", "Variant", "DiagnosticInfo",
)  # fmt: skip
_SCALARS: Final = {
    1: struct.Struct("<?"), 2: struct.Struct("<b"), 3: struct.Struct("<B"), 4: struct.Struct("<h"),
    5: struct.Struct("<H"), 6: struct.Struct("<i"), 7: struct.Struct("<I"), 8: struct.Struct("<q"),
    9: struct.Struct("<Q"), 10: struct.Struct("<f"), 11: struct.Struct("<d"),
}  # fmt: skip
_FIXED: Final = {kind: form.size for kind, form in _SCALARS.items()} | {13: 8, 14: 16, 19: 4}
_I32: Final = struct.Struct("<i")
_U32: Final = struct.Struct("<I")
_I64: Final = struct.Struct("<q")
_DATA_CHANGE, _STATUS_CHANGE, _EVENTS = 811, 820, 916  # binary encodings of the notifications


class Cursor:
    """A place in a message. Every step checks that the message goes on that far."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def u8(self) -> int:
        value: int = self.data[self.at]
        self.at += 1
        return value

    def u32(self) -> int:
        value: int = _U32.unpack_from(self.data, self.at)[0]
        self.at += 4
        return value

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise WireError("a length that goes beyond the message")
        self.at += max(size, 0)  # -1 is null

    def count(self, least: int = 1) -> int:
        """How many elements follow, of at least `least` bytes each; null is 0."""
        value: int = _I32.unpack_from(self.data, self.at)[0]
        self.at += 4
        if value > _COUNT_LIMIT or value * least > len(self.data) - self.at:
            raise WireError(f"{value} elements cannot be in this message")
        return max(value, 0)

    def text(self) -> str | None:
        """A string; bytes that are no UTF-8 become lone surrogates, which `status.decode` refuses by name."""
        (size,) = _I32.unpack_from(self.data, self.at)
        self.at += 4
        if size < 0:
            return None
        start = self.at
        self.skip(size)
        return self.data[start : self.at].decode("utf-8", "surrogateescape")

    def skip_text(self) -> None:
        (size,) = _I32.unpack_from(self.data, self.at)
        self.at += 4
        self.skip(size)

    def node_id(self, *, expanded: bool = False) -> tuple[int, int | None]:
        """(namespace, number or None) of a node id."""
        kind = self.u8()
        form, namespace, number = kind & 0x3F, 0, None
        if form == 0:
            number = self.u8()
        elif form == 1:
            namespace, number = struct.unpack_from("<BH", self.data, self.at)
            self.at += 3
        elif form in (2, 3, 4, 5):
            (namespace,) = struct.unpack_from("<H", self.data, self.at)
            self.at += 2
            if form == 2:
                number = self.u32()
            elif form == 4:
                self.skip(16)
            else:
                self.skip_text()
        else:
            raise WireError(f"node id of kind {form}")
        if expanded and kind & 0x80:
            self.skip_text()
        if expanded and kind & 0x40:
            self.skip(4)
        return namespace, number

    def extension(self) -> tuple[int | None, bytes]:
        """(number of the encoding if it is the standard's own, body) of an extension object."""
        namespace, number = self.node_id()
        if self.u8() == 0:
            return number if namespace == 0 else None, b""
        (size,) = _I32.unpack_from(self.data, self.at)
        self.at += 4
        start = self.at
        self.skip(size)
        return number if namespace == 0 else None, self.data[start : self.at]

    def skip_diagnostics(self, depth: int = 0) -> None:
        mask = self.u8()
        self.skip(4 * (mask & 0x0F).bit_count())
        if mask & 0x10:
            self.skip_text()
        if mask & 0x20:
            self.skip(4)
        if mask & 0x40:
            _deeper(depth)
            self.skip_diagnostics(depth + 1)

    def value(self, depth: int = 0) -> "bool | int | float | str | Other | None":
        """A variant."""
        mask = self.u8()
        kind = mask & 0x3F
        if not mask & 0xC0:
            form = _SCALARS.get(kind)
            if form is not None:
                (number,) = form.unpack_from(self.data, self.at)
                self.at += form.size
                return number  # type: ignore[no-any-return]
            if kind == 0:
                return None
            if kind == 12:
                return self.text()
        if kind >= len(_NAMES):
            raise WireError(f"a value of unknown type {kind}")
        _deeper(depth)
        if mask & 0x80:
            count = self.count(_FIXED.get(kind, 1))
            if kind in _FIXED:
                self.skip(count * _FIXED[kind])
            for _ in range(count if kind not in (0, *_FIXED) else 0):  # nulls take no room: any number fits
                self._skip(kind, depth)
            if mask & 0x40:
                self.skip(4 * self.count(4))
            return Other(f"an array of {_NAMES[kind]}")
        if kind == 21:
            return self._localized()
        self._skip(kind, depth)
        return Other(f"{'an' if _NAMES[kind][0] in 'AEIOU' else 'a'} {_NAMES[kind]}")

    def _localized(self) -> str | None:
        mask = self.u8()
        if mask & 1:
            self.skip_text()
        return self.text() if mask & 2 else None

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _FIXED:
            self.skip(_FIXED[kind])
        elif kind in (12, 15, 16):
            self.skip_text()
        elif kind in (17, 18):
            self.node_id(expanded=kind == 18)
        elif kind == 20:
            self.skip(2)
            self.skip_text()
        elif kind == 21:
            self._localized()
        elif kind == 22:
            self.extension()
        elif kind == 23:
            self.told(depth + 1)
        elif kind == 24:
            self.value(depth + 1)
        elif kind == 25:
            self.skip_diagnostics(depth + 1)

    def told(self, depth: int = 0) -> Told:
        """A DataValue. The server's own time is passed over: it never stands in for the time of the source."""
        mask = self.u8()
        value = self.value(depth) if mask & 0x01 else None
        status, source_us = 0, None
        if mask & 0x02:
            (status,) = _U32.unpack_from(self.data, self.at)
            self.at += 4
        if mask & 0x04:
            (ticks,) = _I64.unpack_from(self.data, self.at)
            self.at += 8
            source_us = micros_of(ticks)
        self.skip((2 if mask & 0x10 else 0) + (8 if mask & 0x08 else 0) + (2 if mask & 0x20 else 0))
        return Told(value, status, source_us)


def _deeper(depth: int) -> None:
    if depth >= _DEPTH_LIMIT:
        raise WireError("values within values without end")


_YEAR_9999: Final = 253_402_300_799_000_000  # [us]


def micros_of(ticks: int) -> int | None:
    """UTC [us] of 100 ns ticks since 1601; None for no time at all (before 1970) and for one beyond 9999."""
    since_1970 = (ticks - _FILETIME_1970) // 10
    return since_1970 if 0 <= since_1970 < _YEAR_9999 else None


def _after_header(cursor: Cursor) -> None:
    """Pass over the type id and the response header."""
    cursor.node_id()
    cursor.skip(8 + 4)
    if (result := cursor.u32()) >> 30:
        raise WireError(f"the server answered with status 0x{result:08X}")
    cursor.skip_diagnostics()
    for _ in range(cursor.count(4)):
        cursor.skip_text()
    cursor.extension()


def read_response(data: bytes, asked: int) -> list[Told]:
    """The values of a Read response; WireError unless there are as many as were asked for."""
    try:
        cursor = Cursor(data)
        _after_header(cursor)
        count = cursor.count()
        if count != asked:
            raise WireError(f"{count} values came for {asked} nodes")
        return [cursor.told() for _ in range(count)]
    except (IndexError, struct.error) as error:
        raise WireError(f"the answer ends too early: {error}") from None


def publish_response(data: bytes) -> Notification:
    """What a Publish response tells; notifications of unknown kinds are passed over."""
    try:
        cursor = Cursor(data)
        _after_header(cursor)
        subscription = cursor.u32()
        available = tuple(cursor.u32() for _ in range(cursor.count(4)))
        cursor.skip(1)  # more notifications: we always ask again
        return notification_message(cursor, subscription, available)
    except (IndexError, struct.error) as error:
        raise WireError(f"the notification ends too early: {error}") from None


def republish_response(data: bytes, subscription: int) -> Notification:
    """What a Republish response tells."""
    try:
        cursor = Cursor(data)
        _after_header(cursor)
        return notification_message(cursor, subscription, ())
    except (IndexError, struct.error) as error:
        raise WireError(f"the notification ends too early: {error}") from None


def notification_message(cursor: Cursor, subscription: int, available: tuple[int, ...]) -> Notification:
    """A NotificationMessage at the cursor."""
    sequence = cursor.u32()
    cursor.skip(8)
    changes: list[tuple[int, Told]] = []
    events: list[bytes] = []
    statuses: list[int] = []
    parts = cursor.count(3)
    for _ in range(parts):
        number, body = cursor.extension()
        inner = Cursor(body)
        if number == _DATA_CHANGE:
            count = inner.count(5)
            if len(changes) + count > _COUNT_LIMIT:
                raise WireError(f"{len(changes) + count} values in one message")
            changes.extend((inner.u32(), inner.told()) for _ in range(count))
        elif number == _EVENTS:
            events.append(body)
        elif number == _STATUS_CHANGE:
            statuses.append(inner.u32())
    return Notification(subscription, sequence, available, tuple(changes), tuple(events), tuple(statuses), not parts)
