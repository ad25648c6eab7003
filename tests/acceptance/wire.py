"""What crossed the wire, read from the bytes alone: Modbus TCP, RTU over TCP, OPC UA binary with security None.

Written for the proof and independent of drivers.guard and of both protocol libraries, so that their mistakes show.
Whatever cannot be read is an utterance too, and never an allowed one.
Sources: Modbus Application Protocol V1.1b3; Modbus over Serial Line V1.02; OPC UA Part 6, 6.7 (chunks), 5.2 (encoding).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

READABLE = "FC 1", "FC 2", "FC 3", "FC 4"
SERVICES = (  # each only reads, or tends the session and subscription of the one who asks; Part 4
    "HEL", "FindServers", "GetEndpoints", "OpenSecureChannel", "CloseSecureChannel", "CreateSession", "ActivateSession",
    "CloseSession", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds", "Read", "CreateSubscription",
    "ModifySubscription", "SetPublishingMode", "CreateMonitoredItems", "ModifyMonitoredItems", "DeleteMonitoredItems",
    "Publish", "Republish", "DeleteSubscriptions", "Call ConditionRefresh",
)  # fmt: skip
_NAMES: dict[int | bytes, str] = {  # Part 6, A.3: NodeIds.csv, NAME_Encoding_DefaultBinary
    422: "FindServers", 428: "GetEndpoints", 437: "RegisterServer", 446: "OpenSecureChannel",
    452: "CloseSecureChannel", 461: "CreateSession", 467: "ActivateSession", 473: "CloseSession", 479: "Cancel",
    488: "AddNodes", 494: "AddReferences", 500: "DeleteNodes", 506: "DeleteReferences", 527: "Browse",
    533: "BrowseNext", 554: "TranslateBrowsePathsToNodeIds", 560: "RegisterNodes", 566: "UnregisterNodes",
    615: "QueryFirst", 621: "QueryNext", 631: "Read", 664: "HistoryRead", 673: "Write", 700: "HistoryUpdate",
    712: "Call", 751: "CreateMonitoredItems", 763: "ModifyMonitoredItems", 769: "SetMonitoringMode",
    775: "SetTriggering", 781: "DeleteMonitoredItems", 787: "CreateSubscription", 793: "ModifySubscription",
    799: "SetPublishingMode", 826: "Publish", 832: "Republish", 841: "TransferSubscriptions",
    847: "DeleteSubscriptions",
}  # fmt: skip
_REFRESH = (0, 3875)  # ConditionType_ConditionRefresh
_REFRESH_ON = ((0, 2253), (0, 2782))  # Server, ConditionType
_RTU_FIXED = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
_RTU_COUNTED = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}  # where the byte count stands


@dataclass(frozen=True, slots=True)
class Said:
    """One request, or the exception in an answer: "FC 3", "Read", "Call ns=1;i=7", "UNREADABLE ..."."""

    what: str
    detail: str = ""


class Unreadable(Exception):
    """These bytes are nothing that the protocol knows."""


def faults(said: list[Said], allowed: tuple[str, ...]) -> list[Said]:
    """Whatever was said beyond what is allowed."""
    return [one for one in said if one.what not in allowed]


class Listener:
    """Puts one direction of one connection together again, however it was cut, and says what it holds."""

    def __init__(self, kind: str) -> None:
        self._split = {"tcp": _tcp_frames, "rtu": _rtu_frames, "opcua": _opcua_chunks}[kind]
        self._kind = kind
        self._waiting = b""
        self._parts: dict[int, bytes] = {}  # OPC UA: chunks of messages that are not whole yet, by request id
        self._lost = False

    def hear(self, data: bytes) -> list[Said]:
        """The requests that are complete with these bytes."""
        if self._lost:
            return [Said("UNREADABLE", data[:32].hex())]
        self._waiting += data
        said: list[Said] = []
        try:
            for frame in self._split(self._waiting):
                self._waiting = self._waiting[len(frame) :]
                said += self._read(frame)
        except (Unreadable, IndexError) as fault:
            self._lost = True
            said.append(Said("UNREADABLE", f"{fault}: {self._waiting[:32].hex()}"))
        return said

    def end(self) -> list[Said]:
        """What hung in the air when the connection ended."""
        left = self._waiting or b"".join(self._parts.values())
        return [Said("UNREADABLE", f"cut off: {left[:32].hex()}")] if left and not self._lost else []

    def _read(self, frame: bytes) -> list[Said]:
        if self._kind == "tcp":
            return [_modbus(frame[6], frame[7:])]
        if self._kind == "rtu":
            return [_modbus(frame[0], frame[1:-2])]
        return self._opcua(frame)

    def _opcua(self, chunk: bytes) -> list[Said]:
        kind, last = chunk[:3], chunk[3:4]
        if kind == b"HEL":
            return [Said("HEL")]
        at = 12  # type, size, channel
        if kind == b"OPN":
            for _ in range(3):  # policy, certificate, thumbprint
                size = max(_signed(chunk, at), 0)
                if at == 12 and not re.search(rb"#None$", chunk[16 : 16 + size]):
                    raise Unreadable("a channel that is encrypted")
                at += 4 + size
        else:
            at += 4  # token
        request = int.from_bytes(chunk[at + 4 : at + 8], "little")
        self._parts[request] = self._parts.get(request, b"") + chunk[at + 8 :]
        if last == b"A":
            del self._parts[request]
            return [Said("UNREADABLE", "a message that was given up")]
        if last != b"F":
            return []
        return _service(self._parts.pop(request))


def exceptions(kind: str) -> type["_Exceptions"]:
    """A listener for the other direction that hears Modbus exceptions; of OPC UA nothing."""
    return {"tcp": _TcpExceptions, "rtu": _RtuExceptions}.get(kind, _Exceptions)


class _Exceptions:
    def __init__(self) -> None:
        self._waiting = b""

    def hear(self, data: bytes) -> list[Said]:
        """The exceptions among these answers."""
        return []


class _TcpExceptions(_Exceptions):
    def hear(self, data: bytes) -> list[Said]:
        self._waiting += data
        said = []
        for frame in _tcp_frames(self._waiting):
            self._waiting = self._waiting[len(frame) :]
            if frame[7] & 0x80:
                said.append(Said(f"exception {frame[8]}", f"device {frame[6]}"))
        return said


class _RtuExceptions(_Exceptions):
    def hear(self, data: bytes) -> list[Said]:
        whole = len(data) == 5 and data[1] & 0x80 and crc16(data[:-2]) == data[-2:]
        return [Said(f"exception {data[2]}", f"device {data[0]}")] if whole else []


def _tcp_frames(data: bytes) -> Iterator[bytes]:
    while len(data) >= 8:
        size = 6 + int.from_bytes(data[4:6], "big")
        if data[2:4] != b"\0\0" or not 8 <= size <= 260:
            raise Unreadable("no Modbus TCP header")
        if len(data) < size:
            return
        yield data[:size]
        data = data[size:]


def _rtu_frames(data: bytes) -> Iterator[bytes]:
    """RTU has no length of its own: it follows from the function code, and the CRC must agree."""
    while len(data) >= 4:
        if data[1] in _RTU_FIXED:
            size = _RTU_FIXED[data[1]]
        elif data[1] in _RTU_COUNTED:
            place = _RTU_COUNTED[data[1]]
            if len(data) <= place:
                return
            size = place + 3 + data[place]
        else:
            raise Unreadable(f"function code {data[1]}")
        if len(data) < size:
            return
        if crc16(data[: size - 2]) != data[size - 2 : size]:
            raise Unreadable("a wrong CRC")
        yield data[:size]
        data = data[size:]


def crc16(frame: bytes) -> bytes:
    """CRC-16/MODBUS, as it stands at the end of an RTU frame."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 * (value & 1))
    return value.to_bytes(2, "little")


def _modbus(device_id: int, pdu: bytes) -> Said:
    where = f"device {device_id}"
    if pdu[0] in (1, 2, 3, 4) and len(pdu) == 5:
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        return Said(f"FC {pdu[0]}", f"{where}: {count} from {address}")
    return Said(f"FC {pdu[0]}{'' if len(pdu) > 1 and pdu[0] > 4 else ' of odd size'}", f"{where}: {pdu[:16].hex()}")


def _opcua_chunks(data: bytes) -> Iterator[bytes]:
    while len(data) >= 8:
        size = int.from_bytes(data[4:8], "little")
        if data[:3] not in (b"HEL", b"OPN", b"MSG", b"CLO") or data[3:4] not in (b"F", b"C", b"A") or size < 8:
            raise Unreadable("no OPC UA chunk")
        if len(data) < size:
            return
        yield data[:size]
        data = data[size:]


def _service(body: bytes) -> list[Said]:
    service, at = _node_id(body, 0)
    name = _NAMES.get(service[1], str(service)) if service[0] == 0 else str(service)
    if name != "Call":
        return [Said(name)]
    _, at = _node_id(body, at)  # request header: token, time, handle, diagnostics, audit entry, time-out, more
    at += 8 + 4 + 4
    at += 4 + max(_signed(body, at), 0) + 4
    _, at = _node_id(body, at)
    kind, at = body[at], at + 1
    at += 4 + max(_signed(body, at), 0) if kind else 0
    count, at = _signed(body, at), at + 4
    said = []
    for _ in range(count):
        target, at = _node_id(body, at)
        method, at = _node_id(body, at)
        refresh = method == _REFRESH and target in _REFRESH_ON
        said.append(Said("Call ConditionRefresh" if refresh else f"Call {method}", f"on {target}"))
        arguments, at = _signed(body, at), at + 4
        if arguments > 1 or (arguments == 1 and body[at] != 7):  # a UInt32 is all that a refresh takes
            said.append(Said(f"Call {method}", "with arguments that no refresh has"))
            return said
        at += 5 * max(arguments, 0)
    return said or [Said("Call", "of nothing")]


def _node_id(data: bytes, at: int) -> tuple[tuple[int, int | bytes], int]:
    """((namespace, identifier), where it ends)."""
    kind = data[at]
    if kind == 0:
        return (0, data[at + 1]), at + 2
    if kind == 1:
        return (data[at + 1], int.from_bytes(data[at + 2 : at + 4], "little")), at + 4
    space = int.from_bytes(data[at + 1 : at + 3], "little")
    if kind == 2:
        return (space, int.from_bytes(data[at + 3 : at + 7], "little")), at + 7
    if kind == 4:
        return (space, data[at + 3 : at + 19]), at + 19
    if kind in (3, 5):
        size = max(_signed(data, at + 3), 0)
        return (space, data[at + 7 : at + 7 + size]), at + 7 + size
    raise Unreadable(f"a node id of kind {kind}")


def _signed(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise Unreadable("a message that ends too early")
    return int.from_bytes(data[at : at + 4], "little", signed=True)
