"""OPC UA, read only, through asyncua: values by polling with their status codes, alarms & conditions by subscription.

Nodes are named by namespace URI and resolved through the server's namespace array at every open, because the index may
change when a server restarts. One node that vanished is one bad sample by name; the others go on. Source timestamps are
kept; the server's own timestamp never stands in for one. Connections are made anew after each loss by whoever calls
`open`, and ConditionRefresh then tells which conditions are still active. What happened in between is not replayed.
"""

import asyncio
import logging
import math
import re
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from asyncua import Client, ua
from asyncua.ua.status_codes import get_name_and_doc

from drivers import guard
from drivers.batch import Batch, batch_of
from drivers.errors import ConfigError, SourceDown
from drivers.record import Alert, Node, Reason, Sample, Tag
from drivers.source import Counts, SourceSpec
from drivers.vendor.conditions import Conditions, event_filter, micros

_NODE_ID: Final = re.compile(r"(?:nsu=([^;]+);)?([isgb])=(.+)", re.DOTALL)
_KINDS: Final = {"i": ua.NodeIdType.Numeric, "s": ua.NodeIdType.String}
_NAMESPACE_ARRAY: Final = ua.NodeId(ua.Int32(2255))
_MAX_NODES_PER_READ: Final = ua.NodeId(ua.Int32(11705))
_TOO_MANY_OPERATIONS: Final = 0x80100000
_REFRESH_IN_PROGRESS: Final = 0x80970000
_TEXT_LIMIT: Final = 1_000  # characters of a value that is text
_WAITING_LIMIT: Final = 16_000_000  # bytes of one message that is not complete yet
_LOST: Final = (OSError, TimeoutError, ua.UaError, ValueError, LookupError, struct.error)  # the last: hostile bytes

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
_SEMANTICS_CHANGED: Final = 1 << 14  # scale or unit is not what it was


def reasons_of_status(code: int) -> Reason:
    """The reasons that an OPC UA status code stands for; severity is read from its top bits, never by equality."""
    reasons = _STATUS.get(code & 0xFFFF0000, _BY_SEVERITY[code >> 30])
    return reasons | Reason.SPEC if code & _SEMANTICS_CHANGED else reasons


def decode(data: ua.DataValue) -> tuple[float | int | str | None, Reason, int | None, str]:
    """(value, reasons, source time [us], detail) of a DataValue; nothing that is no number or text becomes one."""
    code = int(data.StatusCode.value) if data.StatusCode is not None else 0
    reasons = reasons_of_status(code)
    detail = f"{get_name_and_doc(code & 0xFFFF0000)[0]} 0x{code:08X}" if code else ""
    if code & _SEMANTICS_CHANGED:
        detail += ", unit or scale changed"
    raw = data.Value.Value if data.Value is not None else None
    value: float | int | str | None = None
    if isinstance(raw, bool):
        value = int(raw)
    elif isinstance(raw, int | float) and math.isfinite(raw):
        value = raw
    elif isinstance(raw, str):
        fault = _fault_of_text(raw)
        if fault:
            reasons, detail = reasons | Reason.CONFIG, fault
        else:
            value = raw
    elif raw is None:
        reasons |= Reason.OK if code >> 30 else Reason.INITIAL
        detail = detail or "no value"
    elif isinstance(raw, float):
        reasons, detail = reasons | Reason.SENSOR, f"the server sent {raw}"
    else:
        reasons, detail = reasons | Reason.CONFIG, f"a {type(raw).__name__} is neither number nor text"
    return value, reasons, micros(data.SourceTimestamp), detail


def _fault_of_text(text: str) -> str:
    """Why a text cannot be kept as a value; "" if it can."""
    if len(text) > _TEXT_LIMIT:
        return f"a text of {len(text):,} characters, at most {_TEXT_LIMIT:,} are taken"
    if any("\ud800" <= character <= "\udfff" for character in text):  # how asyncua shows bytes that are no UTF-8
        return "a text that is not UTF-8"
    return ""


def parse_node_id(text: str) -> tuple[str | None, str, str]:
    """(namespace URI or None for the standard's own, kind, identifier) of "nsu=URI;s=..."; ConfigError otherwise."""
    match = _NODE_ID.fullmatch(text)
    if match is None or match[2] not in _KINDS or (match[2] == "i" and not match[3].isdecimal()):
        raise ConfigError(f"node {text!r} is not of the form nsu=URI;s=NAME or nsu=URI;i=NUMBER; an index may change")
    return match[1], match[2], match[3]


class GuardedClient(Client):
    """asyncua's client with the guard between it and the socket."""

    async def connect_socket(self) -> None:
        """Connect and put the guard in place before the first byte leaves."""
        await super().connect_socket()
        protocol = self.uaclient.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionError("the other side hung up")
        watch = guard.OpcUaGuard()
        make = protocol._connection.message_to_binary

        def guarded(message: bytes, *args: Any, **kwargs: Any) -> bytes:
            return watch.seal(message, lambda: make(message, *args, **kwargs))

        protocol._connection.message_to_binary = guarded  # type: ignore[method-assign]
        transport = protocol.transport
        protocol.transport = guard.GuardedTransport(transport, watch.check)
        hear, connection = protocol.data_received, protocol._connection

        def bounded(data: bytes) -> None:
            """A server may announce a chunk of 4 GB, or begin a message and never end it."""
            hear(data)
            if len(protocol.receive_buffer or b"") + connection._incoming_size > _WAITING_LIMIT:
                transport.abort()

        protocol.data_received = bounded  # type: ignore[method-assign]


class OpcUaSource:
    """A Source (drivers.source) over one OPC UA session."""

    def __init__(self, spec: SourceSpec, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self.spec = spec
        self._clock_us = clock_us
        self._url = str(spec.options["url"])
        if spec.options.get("mode", "poll") != "poll":
            raise ConfigError(f'source {spec.name}: mode {spec.options["mode"]!r} is unknown; write mode = "poll"')
        self._security = _security_string(spec)
        self._batch = int(spec.options.get("batch", 500))
        self._parsed = {tag.number: parse_node_id(_node_of(tag)) for tag in spec.tags}
        self._namespaces: dict[str, int] = {}
        self._conditions = Conditions(spec)
        self._lost_subscription = False
        self._subscription: int | None = None
        self.client: GuardedClient | None = None
        self.counts = Counts()

    async def open(self) -> None:
        """Connect, resolve namespaces, subscribe to conditions; SourceDown says why not."""
        await self.close()
        client = GuardedClient(self._url, timeout=self.spec.timeout_s, watchdog_intervall=max(1.0, self.spec.timeout_s))
        try:
            if self._security:
                await client.set_security_string(self._security)
            await client.connect()
            self.client = client
            await self._look_around(client)
            if self.spec.options.get("alarms", True):
                await self._subscribe(client)
        except _LOST as error:
            self.client = client
            await self.close()
            raise SourceDown(self.spec.name, f"{self._url}: {_words(error)}") from None

    async def read(self, tags: Sequence[Tag]) -> Batch:
        """Read these tags once. SourceDown if the server as a whole does not answer."""
        client = self.client
        if client is None:
            raise SourceDown(self.spec.name, f"{self._url}: not connected")
        asked = [(tag, node) for tag in tags if (node := self._node(tag)) is not None]
        answers: dict[int, ua.DataValue] = {}
        try:
            while len(answers) < len(asked):
                part = asked[len(answers) : len(answers) + self._batch]
                try:
                    values = await client.uaclient.read(_read_parameters(node for _, node in part))
                except ua.UaStatusCodeError as error:
                    if error.code != _TOO_MANY_OPERATIONS or self._batch == 1:
                        raise
                    self._batch = max(1, min(self._batch, len(part)) // 2)
                    continue
                if len(values) != len(part):
                    raise ConnectionError(f"{len(values)} values came for {len(part)} nodes")
                answers.update((tag.number, value) for (tag, _), value in zip(part, values, strict=True))
        except _LOST as error:
            await self.close()
            raise SourceDown(self.spec.name, f"{self._url}: {_words(error)}") from None
        now = self._clock_us()
        return batch_of(self.spec.name, now, [self._sample(tag, answers.get(tag.number), now) for tag in tags])

    async def alerts(self) -> list[Alert]:
        """The conditions that became active or inactive since the last call; renews a subscription that was lost."""
        if self._lost_subscription and self.client is not None:
            try:
                await self._subscribe(self.client)
            except _LOST as error:
                await self.close()
                raise SourceDown(self.spec.name, f"{self._url}: {_words(error)}") from None
        return self._conditions.take()

    async def close(self) -> None:
        """Let go of session and socket. Never raises."""
        client, self.client = self.client, None
        self._subscription = None
        if client is None:
            return
        # the publish loop outlives a lost connection and would complain each second
        publishing = client.uaclient.session._publish_task
        try:
            await client.disconnect()
        except _LOST:
            client.disconnect_socket()
        if publishing is not None:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    def explain(self) -> list[str]:
        """What will be asked, by cadence."""
        told = []
        for every_s in sorted({tag.every_s or self.spec.every_s for tag in self.spec.tags}):
            count = sum((tag.every_s or self.spec.every_s) == every_s for tag in self.spec.tags)
            requests = -(-count // self._batch)
            told.append(
                f"every {every_s:g} s: {requests} request{'s' * (requests != 1)} for {count} tag{'s' * (count != 1)}"
            )
        told.extend(f"  {tag.name}: {_node_of(tag)}" for tag in self.spec.tags)
        if self.spec.options.get("alarms", True):
            told.append("alarms & conditions of the server: subscribed, refreshed at each connect")
        return told

    async def _look_around(self, client: GuardedClient) -> None:
        """Namespace array, and how many nodes one read may name."""
        values = await client.uaclient.read(_read_parameters([_NAMESPACE_ARRAY, _MAX_NODES_PER_READ]))
        uris = values[0].Value.Value if values[0].Value is not None else None
        self._namespaces = {str(uri): index for index, uri in enumerate(uris or [])}
        most = values[1].Value.Value if len(values) > 1 and values[1].Value is not None else None
        if isinstance(most, int) and most > 0:
            self._batch = min(self._batch, most)

    def _node(self, tag: Tag) -> ua.NodeId | None:
        uri, kind, identifier = self._parsed[tag.number]
        index = 0 if uri is None else self._namespaces.get(uri)
        if index is None:
            return None
        name = ua.Int32(int(identifier)) if kind == "i" else ua.String(identifier)
        return ua.NodeId(name, ua.Int16(index), _KINDS[kind])

    def _sample(self, tag: Tag, answer: ua.DataValue | None, now: int) -> Sample:
        if answer is None:
            uri = self._parsed[tag.number][0]
            return Sample(tag.number, now, None, Reason.CONFIG, None, f"the server knows no namespace {uri}")
        value, reasons, source_us, detail = decode(answer)
        if isinstance(value, str) and tag.unit not in ("", "1"):
            reasons, detail = reasons | Reason.CONFIG, f"a text, where a number in {tag.unit} is expected"
        if reasons & Reason.CONFIG:
            detail = f"{_node_of(tag)}: {detail}"
        return Sample(
            tag.number, now, value, reasons | (Reason.ESTIMATED if tag.estimated else Reason.OK), source_us, detail
        )

    async def _subscribe(self, client: GuardedClient) -> None:
        """Subscribe to the server's events and ask which conditions are active; a server without events has none."""
        self._lost_subscription = False
        old, self._subscription = self._subscription, None
        try:
            if old is not None:
                await client.delete_subscriptions([old])
            subscription = await client.create_subscription(500, self)
            self._subscription = subscription.subscription_id
            await subscription.subscribe_events(evfilter=event_filter(), queuesize=1000)
            await self._refresh(client, subscription.subscription_id)
        except ua.UaStatusCodeError as error:
            logging.getLogger(__name__).info("%s: no alarms & conditions: %s", self.spec.name, _words(error))

    async def _refresh(self, client: GuardedClient, subscription_id: int | None) -> None:
        method = ua.NodeId(ua.Int32(ua.ObjectIds.ConditionType_ConditionRefresh))
        condition_type = client.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.ConditionType)))
        argument = ua.Variant(subscription_id, ua.VariantType.UInt32)
        try:
            await condition_type.call_method(method, argument)
        except ua.UaStatusCodeError as error:
            if error.code != _REFRESH_IN_PROGRESS:
                raise
            await asyncio.sleep(1.0)
            await condition_type.call_method(method, argument)

    def event_notification(self, event: Any) -> None:
        """Called by asyncua for each event."""
        if self._conditions.hear(vars(event), self._clock_us()):
            self._lost_subscription = True  # the server asks for a refresh: events were dropped

    def status_change_notification(self, status: Any) -> None:
        """Called by asyncua when the server ends the subscription while the session lives."""
        self._lost_subscription = True


def _read_parameters(nodes: Iterable[ua.NodeId]) -> ua.ReadParameters:
    wanted = [ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes]
    return ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=wanted)


def _node_of(tag: Tag) -> str:
    if not isinstance(tag.where, Node):
        raise ConfigError(f"tag {tag.name}: source {tag.source} is OPC UA, but the tag has no node")
    return tag.where.node_id


def _security_string(spec: SourceSpec) -> str:
    """ "" for none; else policy, mode, and the certificates, of which the server's is pinned."""
    security = str(spec.options.get("security", "None"))
    if security == "None":
        return ""
    files = [str(spec.options.get(key, "")) for key in ("certificate", "private_key", "server_certificate")]
    if not all(files):
        raise ConfigError(
            f"source {spec.name}: security {security!r} needs certificate, private_key and server_certificate"
        )
    return ",".join([security, *files])


def _words(error: Exception) -> str:
    if isinstance(error, ua.UaStatusCodeError):
        return f"{get_name_and_doc(error.code)[0]} 0x{error.code:08X}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def open_source(spec: SourceSpec) -> OpcUaSource:
    """The Source for a spec, not yet connected; ConfigError if it cannot be used as configured."""
    # each lost connection is a traceback a second there; we tell it once, as a change of state
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    return OpcUaSource(spec)
