"""Status codes and values of OPC UA -> values and reasons of the house; node ids as configuration writes them. Pure."""

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from asyncua import ua
from asyncua.ua.status_codes import get_name_and_doc

from drivers.errors import ConfigError
from drivers.opcua.wire import Other, Told
from drivers.record import Node, Reason, Sample, Tag

_NODE_ID: Final = re.compile(r"(?:nsu=([^;]+);)?([isgb])=(.+)", re.DOTALL)
_KINDS: Final = {
    "i": ua.NodeIdType.Numeric, "s": ua.NodeIdType.String, "g": ua.NodeIdType.Guid, "b": ua.NodeIdType.ByteString,
}  # fmt: skip
_TEXT_LIMIT: Final = 1_000  # characters of a value that is text

_STATUS: Final = {  # sub-code -> reasons; whatever is not listed falls back by severity
    0x00960000: Reason.FORCED,  # GoodLocalOverride
    0x408F0000: Reason.STALE,  # UncertainNoCommunicationLastUsableValue
    0x40900000: Reason.STALE,  # UncertainLastUsableValue
    0x40910000: Reason.SUBSTITUTE,
    0x40920000: Reason.INITIAL,
    0x800A0000: Reason.COMMS,  # BadTimeout
    0x80310000: Reason.COMMS,  # BadNoCommunication
    0x80320000: Reason.COMMS | Reason.INITIAL,  # BadWaitingForInitialData
    0x808A0000: Reason.COMMS,  # BadNotConnected
    0x80AE0000: Reason.COMMS,  # BadConnectionClosed
    0x80050000: Reason.COMMS,  # BadCommunicationError
    0x808B0000: Reason.DEVICE,  # BadDeviceFailure
    0x808D0000: Reason.DEVICE,  # BadOutOfService
    0x808C0000: Reason.SENSOR,  # BadSensorFailure
    0x80890000: Reason.CONFIG,  # BadConfigurationError
    0x80330000: Reason.CONFIG,  # BadNodeIdInvalid
    0x80340000: Reason.CONFIG,  # BadNodeIdUnknown
    0x80350000: Reason.CONFIG,  # BadAttributeIdInvalid
    0x803A0000: Reason.CONFIG,  # BadNotReadable
    0x801F0000: Reason.CONFIG,  # BadUserAccessDenied
}
_BY_SEVERITY: Final = (Reason.OK, Reason.SPEC, Reason.EXCEPTION, Reason.EXCEPTION)
SEMANTICS_CHANGED: Final = 1 << 14  # scale or unit is not what it was
_OVERFLOW: Final = 1 << 10 | 1 << 7  # info type "data value", and its overflow bit


def reasons_of_status(code: int) -> Reason:
    """The reasons that an OPC UA status code stands for; severity is read from its top bits, never by equality."""
    reasons = _STATUS.get(code & 0xFFFF0000, _BY_SEVERITY[code >> 30])
    return reasons | Reason.SPEC | Reason.BREAK if code & SEMANTICS_CHANGED else reasons


def overflowed(code: int) -> bool:
    """Whether the server's queue had to drop values before this one (Part 4, 7.39)."""
    return code & _OVERFLOW == _OVERFLOW


@lru_cache(maxsize=1024)
def _said(code: int) -> tuple[Reason, str]:
    words = [f"{name_of(code)} 0x{code:08X}" if code & ~_OVERFLOW else ""]
    words.append("unit or scale changed" if code & SEMANTICS_CHANGED else "")
    words.append("values before this one were lost in the server's queue" if overflowed(code) else "")
    return reasons_of_status(code), ", ".join(filter(None, words))


def name_of(code: int) -> str:
    """The standard's name of a status code, without its flags."""
    return str(get_name_and_doc(code & 0xFFFF0000)[0])


def decode(told: Told) -> tuple[float | int | str | None, Reason, str]:
    """(value, reasons, detail) of what a server told; nothing that is no number or text becomes one."""
    raw, code, _ = told
    reasons, detail = (Reason.OK, "") if code == 0 else _said(code)
    if isinstance(raw, bool):
        return int(raw), reasons, detail
    if isinstance(raw, int | float):
        if math.isfinite(raw):
            return raw, reasons, detail
        return None, reasons | Reason.SENSOR, f"the server sent {raw}"
    if raw is None:
        return None, reasons | (Reason.OK if code >> 30 else Reason.INITIAL), detail or "no value"
    fault = f"{raw} is neither number nor text" if isinstance(raw, Other) else _fault_of_text(raw)
    return (None, reasons | Reason.CONFIG, fault) if fault else (raw, reasons, detail)


def sample_of(tag: Tag, now_us: int, told: Told) -> Sample:
    """What a server told of a tag as a sample; a text where a number is expected is kept but bad."""
    value, reasons, detail = decode(told)
    if isinstance(value, str) and tag.unit not in ("", "1"):
        reasons, detail = reasons | Reason.CONFIG, f"a text, where a number in {tag.unit} is expected"
    if reasons & Reason.CONFIG:
        detail = f"{node_of(tag)}: {detail}"
    return Sample(tag.number, now_us, value, reasons | (Reason.ESTIMATED if tag.estimated else Reason.OK),
                  told.source_us, detail)  # fmt: skip


def _fault_of_text(text: str) -> str:
    """Why a text cannot be kept as a value; "" if it can."""
    if len(text) > _TEXT_LIMIT:
        return f"a text of {len(text):,} characters, at most {_TEXT_LIMIT:,} are taken"
    if any("\ud800" <= character <= "\udfff" for character in text):  # how bytes that are no UTF-8 are shown
        return "a text that is not UTF-8"
    return ""


def parse_node_id(text: str) -> tuple[str | None, str, str]:
    """(namespace URI or None for the standard's own, kind, identifier) of "nsu=URI;s=..."; ConfigError otherwise."""
    match = _NODE_ID.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        _identifier(match[2], match[3])
    except ValueError:
        words = f"node {text!r} is not of the form nsu=URI;s=NAME, i=NUMBER, g=GUID or b=BASE64; an index may change"
        raise ConfigError(words) from None
    return match[1], match[2], match[3]


def _identifier(kind: str, text: str) -> Any:
    if kind == "s":
        return ua.String(text)
    if kind == "g":
        return UUID(text)
    if kind == "b":
        return b64decode(text, validate=True)
    if not (text.isascii() and text.isdecimal() and int(text) < 2**32):
        raise ValueError(text)
    return ua.Int32(int(text))


def node_id(parsed: tuple[str | None, str, str], namespaces: Mapping[str, int]) -> ua.NodeId | None:
    """A parsed node id as the server knows it now; None where it knows no such namespace."""
    uri, kind, text = parsed
    index = 0 if uri is None else namespaces.get(uri)
    return None if index is None else ua.NodeId(_identifier(kind, text), ua.Int16(index), _KINDS[kind])


def text_of(node: ua.NodeId, uris: Sequence[str]) -> str:
    """A node id of the server as configuration writes it; "" where its namespace has no URI."""
    kind = next((short for short, kind in _KINDS.items() if node.NodeIdType.value == kind.value), "i")
    raw = node.Identifier
    identifier = b64encode(raw).decode() if isinstance(raw, bytes) else str(raw)
    if node.NamespaceIndex == 0:
        return f"{kind}={identifier}"
    return f"nsu={uris[node.NamespaceIndex]};{kind}={identifier}" if node.NamespaceIndex < len(uris) else ""


def node_of(tag: Tag) -> str:
    """The node of a tag as configured; ConfigError for a tag that has none."""
    if not isinstance(tag.where, Node):
        raise ConfigError(f"tag {tag.name}: source {tag.source} is OPC UA, but the tag has no node")
    return tag.where.node_id


def words_of(error: Exception) -> str:
    """What went wrong, in words."""
    if isinstance(error, ua.UaStatusCodeError):
        return f"{name_of(error.code)} 0x{error.code:08X}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
