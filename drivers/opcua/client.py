"""One session with one server: asyncua's client behind the guard, bounded against what a server may send.

Values are read and published in our own decoding (drivers.opcua.wire). asyncua keeps one publish request
outstanding and makes a task of each value, so subscriptions are made without its knowledge, for drivers.opcua.publish.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import struct_from_binary

from drivers import guard
from drivers.opcua import bounds, wire
from drivers.opcua.wire import Told

T = TypeVar("T")
LOST: Final = (OSError, TimeoutError, ua.UaError, *bounds.HOSTILE)
_PORT: Final = 4840  # of an address without one (Part 6, 7.2)
_SESSION_MS: Final = 120_000  # a session that a killed daemon left behind soon makes room for the next
_WAITING_LIMIT: Final = 16_000_000  # bytes of one message that is not complete yet
_TOO_MANY: Final = (0x80100000, 0x80B90000)  # BadTooManyOperations, BadResponseTooLarge
_NAMESPACE_ARRAY: Final = 2255
_LIMITS: Final = {  # operation limits of the server (Part 5, 6.3.11): what one request may name
    "read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "monitor": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "browse": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "translate": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
}
_PLAIN: Final = ("", SecurityPolicyNone.URI, "http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15")
bounds.set_bounds()


class GuardedClient(Client):
    """asyncua's client with the guard between it and the socket."""

    def __init__(self, url: str, timeout_s: float, batch: int = 500) -> None:
        parts = urlsplit(url)
        if parts.port is None:
            url = parts._replace(netloc=f"{parts.netloc}:{_PORT}").geturl()
        super().__init__(url, timeout=timeout_s, watchdog_intervall=max(1.0, timeout_s))
        self.name = self.description = "handwheel"
        self.application_uri = self.product_uri = "urn:handwheel"
        self.session_timeout = _SESSION_MS
        self.batch = dict.fromkeys(_LIMITS, batch)
        self.uris: list[str] = []
        self.namespaces: dict[str, int] = {}  # URI -> index, as the server has them now
        self.pinned: bytes | None = None  # the server's certificate [DER], where one was agreed to
        self._transport: asyncio.Transport | None = None

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
        transport = self._transport = protocol.transport
        protocol.transport = guard.GuardedTransport(transport, watch.check)
        hear, connection = protocol.data_received, protocol._connection

        def bounded(data: bytes) -> None:
            """A server may announce a chunk of 4 GB, or begin a message and never end it."""
            hear(data)
            if len(protocol.receive_buffer or b"") + connection._incoming_size > _WAITING_LIMIT:
                transport.abort()

        protocol.data_received = bounded  # type: ignore[method-assign]

    def hang_up(self) -> None:
        """Let the socket go at once: a peer that is dead takes no farewell."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def leave(self, *, politely: bool) -> None:
        """End session, tasks and socket. Never raises."""
        if not politely:
            self.hang_up()
        try:
            await self.disconnect()
        except LOST:
            self.disconnect_socket()
        self.hang_up()

    async def look_around(self) -> None:
        """Namespace array, and how many nodes one request may name."""
        told = await self.read_structures([ua.NodeId(ua.Int32(_NAMESPACE_ARRAY))])
        uris = told[0].Value.Value if told[0].Value is not None else None
        self.uris = [str(uri) for uri in uris] if isinstance(uris, list) else []
        self.namespaces = {uri: index for index, uri in enumerate(self.uris)}
        limits = await self.told([ua.NodeId(ua.Int32(number)) for number in _LIMITS.values()])
        for name, limit in zip(_LIMITS, limits, strict=True):
            if isinstance(limit.value, int) and limit.value > 0:
                self.batch[name] = min(self.batch[name], limit.value)

    async def read_once(self, nodes: Iterable[ua.NodeId]) -> list[Told]:
        """The values of these nodes, in one Read request."""
        request = ua.ReadRequest()
        request.Parameters = _read_parameters(nodes, ua.AttributeIds.Value)
        answer = await self.uaclient._send_request(request)
        return wire.read_response(bytes(answer), len(request.Parameters.NodesToRead))

    async def read_structures(
        self, nodes: Iterable[ua.NodeId], attribute: ua.AttributeIds = ua.AttributeIds.Value
    ) -> list[ua.DataValue]:
        """One Read request in asyncua's own decoding, which knows arrays and structures."""
        parameters = _read_parameters(nodes, attribute)
        values = await self.uaclient.read(parameters)
        if len(values) != len(parameters.NodesToRead):
            raise ConnectionError(f"{len(values)} values came for {len(parameters.NodesToRead)} nodes")
        return values

    async def told(self, nodes: Sequence[ua.NodeId]) -> list[Told]:
        """The values of these nodes, in as few Read requests as the server allows."""
        return [one for part in await self.in_parts("read", nodes, self.read_once) for one in part]

    async def in_parts(self, limit: str, things: Sequence[T], ask: Any) -> list[Any]:
        """The answers to `ask(part)` for parts no longer than the server takes; smaller ones where it says too many."""
        answers, done = [], 0
        while done < len(things):
            part = things[done : done + self.batch[limit]]
            try:
                answers.append(await ask(part))
            except ua.UaStatusCodeError as error:
                if error.code not in _TOO_MANY or len(part) == 1:
                    raise
                self.batch[limit] = len(part) // 2
                continue
            done += len(part)
        return answers

    async def subscribe(self, params: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """A subscription, of which whoever asks for it hears through drivers.opcua.publish."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = params
        answer = struct_from_binary(ua.CreateSubscriptionResponse, await self.uaclient._send_request(request))
        answer.ResponseHeader.ServiceResult.check()
        result: ua.CreateSubscriptionResult = answer.Parameters
        return result

    async def unsubscribe(self, subscription: int) -> None:
        """Let a subscription go, if the server still has it."""
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [ua.UInt32(subscription)]
        with suppress(ua.UaStatusCodeError):  # it is gone already
            await self.uaclient._send_request(request)

    async def publish(self, acknowledge: Sequence[tuple[int, int]]) -> wire.Notification:
        """One publish request: waits until the server has something to tell."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(SubscriptionId=ua.UInt32(one), SequenceNumber=ua.UInt32(number))
            for one, number in acknowledge
        ]
        return wire.publish_response(bytes(await self.uaclient._send_request(request, 0)))

    async def republish(self, subscription: int, sequence: int) -> wire.Notification:
        """One message that did not arrive, again."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = ua.UInt32(subscription)
        request.Parameters.RetransmitSequenceNumber = ua.UInt32(sequence)
        return wire.republish_response(bytes(await self.uaclient._send_request(request)), subscription)

    def _add_user_auth(self, params: ua.ActivateSessionParameters, username: str | None, password: str | None) -> None:
        """Refuse to send a password that anybody on the way could read, or to a server that is another now."""
        if self.pinned is not None and self.security_policy.peer_certificate != self.pinned:
            raise ua.UaError("the server's certificate is not the pinned one; the password was not sent")
        clear = str(self.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri or "") in _PLAIN
        if password and clear and self.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            raise ua.UaError(
                "the server would take the password in clear; it was not sent. "
                'Write security = "Basic256Sha256,SignAndEncrypt", or let the server encrypt user names'
            )
        super()._add_user_auth(params, username, password)


def _read_parameters(nodes: Iterable[ua.NodeId], attribute: ua.AttributeIds) -> ua.ReadParameters:
    wanted = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in nodes]
    return ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=wanted)
