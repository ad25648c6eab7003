"""The last look at every byte before the socket: only reads may leave.

The protocol libraries can write; this program never does. Their transports are wrapped here, so that whatever a library
or a later mistake asks for, anything but the reads listed below raises WriteRefused and nothing leaves. Standard
library only and independent of the libraries it guards: it parses the bytes itself.

Modbus: function codes 1 to 4 and 43/14 (device identification), exactly one whole frame per write.
OPC UA: the services in SERVICES, and Call for ConditionRefresh alone. A message is looked at in the clear, before the
channel may encrypt it, and the transport then lets out exactly the bytes made from it.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from drivers.errors import WriteRefused

READS: Final = {1: "read coils", 2: "read discrete inputs", 3: "read holding registers", 4: "read input registers"}
_IDENTIFY: Final = b"\x2b\x0e"  # function code 43, type 14

SERVICES: Final = {  # OPC UA Part 6: the number of the request's binary encoding, namespace 0
    428: "GetEndpoints",
    446: "OpenSecureChannel",
    452: "CloseSecureChannel",
    461: "CreateSession",
    467: "ActivateSession",
    473: "CloseSession",
    527: "Browse",
    533: "BrowseNext",
    554: "TranslateBrowsePathsToNodeIds",
    631: "Read",
    751: "CreateMonitoredItems",
    781: "DeleteMonitoredItems",
    787: "CreateSubscription",
    826: "Publish",
    832: "Republish",
    847: "DeleteSubscriptions",
}
_CALL: Final = 712
CONDITION_REFRESH: Final = 3875
_REFRESH_OBJECTS: Final = (2253, 2782)  # the Server object, ConditionType


class GuardedTransport(asyncio.Transport):
    """A transport that lets out only what `check` accepts; `check(data)` raises WriteRefused for anything else."""

    def __init__(self, inner: asyncio.Transport, check: Callable[[bytes], None]) -> None:
        super().__init__()
        self._inner = inner
        self._check = check

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data` if it is an allowed read; WriteRefused otherwise."""
        frozen = bytes(data)
        self._check(frozen)
        self._inner.write(frozen)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send the parts as one, under the same check."""
        self.write(b"".join(bytes(part) for part in list_of_data))

    def close(self) -> None:
        self._inner.close()

    def abort(self) -> None:
        self._inner.abort()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the inner transport says, but never the socket itself: that would be a way around the guard."""
        return default if name == "socket" else self._inner.get_extra_info(name, default)


def check_modbus_tcp(data: bytes) -> None:
    """WriteRefused unless `data` is one whole allowed request with an MBAP header."""
    if len(data) < 9 or data[2:4] != b"\0\0" or int.from_bytes(data[4:6], "big") != len(data) - 6:
        raise WriteRefused(f"not one whole Modbus TCP frame: {data[:16].hex()}; nothing left")
    _check_modbus(data[7:])


def check_modbus_rtu(data: bytes) -> None:
    """WriteRefused unless `data` is one whole allowed request in RTU framing (the CRC is the device's to check)."""
    if len(data) < 6:
        raise WriteRefused(f"not one whole Modbus RTU frame: {data[:16].hex()}; nothing left")
    _check_modbus(data[1:-2])


def _check_modbus(pdu: bytes) -> None:
    if not ((pdu[0] in READS and len(pdu) == 5) or (pdu[:2] == _IDENTIFY and len(pdu) == 4)):
        raise WriteRefused(f"Modbus function code {pdu[0]} with {len(pdu)} bytes is not an allowed read; nothing left")


class OpcUaGuard:
    """The OPC UA guard in two halves: `seal` sees the message in the clear, `check` what then goes to the socket."""

    def __init__(self) -> None:
        self._sealed: bytes | None = None

    def seal(self, message: bytes, make: Callable[[], bytes]) -> bytes:
        """The packet that `make` makes of an encoded request, if its service is allowed; it may leave once."""
        check_service(message)
        self._sealed = make()
        return self._sealed

    def check(self, data: bytes) -> None:
        """WriteRefused unless `data` is a hello or the packet sealed last."""
        sealed, self._sealed = self._sealed, None
        if data[:4] == b"HELF" and int.from_bytes(data[4:8], "little") == len(data):
            return
        if sealed is None or data != sealed:
            raise WriteRefused(f"OPC UA bytes that no allowed service made: {data[:4]!r}; nothing left")


def check_service(message: bytes) -> None:
    """WriteRefused unless this encoded OPC UA request (type id, header, body) is of an allowed service."""
    try:
        reader = _Reader(message)
        namespace, service = reader.node_id()
        if namespace == 0 and service in SERVICES:
            return
        if (namespace, service) == (0, _CALL):
            _check_call(reader)
            return
    except (IndexError, struct.error) as error:
        raise WriteRefused(f"OPC UA request that cannot be read: {error}; nothing left") from None
    raise WriteRefused(f"OPC UA service {service!r} of namespace {namespace} is not an allowed read; nothing left")


def _check_call(reader: "_Reader") -> None:
    reader.request_header()
    count = reader.number("<i")
    target, method = reader.node_id(), reader.node_id()
    if count != 1 or method != (0, CONDITION_REFRESH) or target not in [(0, one) for one in _REFRESH_OBJECTS]:
        raise WriteRefused(
            f"OPC UA Call of {method!r} on {target!r}, {count} in all; only ConditionRefresh may; nothing left"
        )


class _Reader:
    """As much of the OPC UA binary encoding (Part 6, 5.2) as it takes to know what a request asks for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def take(self, size: int) -> bytes:
        """`size` bytes; a length of -1 means null in OPC UA."""
        part = self._data[self._at : self._at + max(size, 0)]
        if len(part) != max(size, 0):
            raise IndexError("the message ends too early")
        self._at += max(size, 0)
        return part

    def node_id(self) -> tuple[int, int | bytes]:
        """(namespace, identifier)."""
        kind = self.number("<B")
        if kind == 0:
            return 0, self.number("<B")
        if kind == 1:
            return self.number("<B"), self.number("<H")
        namespace = self.number("<H")
        if kind == 2:
            return namespace, self.number("<I")
        if kind == 4:
            return namespace, self.take(16)
        if kind in (3, 5):
            return namespace, self.take(self.number("<i"))
        raise IndexError(f"node id of kind {kind}")

    def request_header(self) -> None:
        self.node_id()  # authentication token
        self.take(8 + 4 + 4)  # timestamp, handle, diagnostics
        self.take(self.number("<i"))  # audit entry
        self.take(4)  # time-out hint
        self.node_id()  # additional header
        if self.number("<B"):
            self.take(self.number("<i"))
