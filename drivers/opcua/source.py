"""The OPC UA Source: one session that polls or subscribes, and hears conditions."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from drivers.batch import Batch, batch_of
from drivers.errors import ConfigError, SourceDown
from drivers.opcua import security, units
from drivers.opcua.client import LOST, GuardedClient
from drivers.opcua.publish import Publisher
from drivers.opcua.status import node_id, node_of, parse_node_id, sample_of, words_of
from drivers.opcua.subscribe import ITEMS_PER_SUBSCRIPTION, Subscriptions, remarked, unknown_namespace, wishes_of
from drivers.opcua.wire import Notification
from drivers.record import Alert, Reason, Sample, Tag
from drivers.source import Counts, SourceSpec
from drivers.vendor.conditions import Conditions, event_filter

LOG = logging.getLogger(__name__)
_REFRESH_IN_PROGRESS: Final = 0x80970000
_REFRESH: Final = ua.NodeId(ua.Int32(ua.ObjectIds.ConditionType_ConditionRefresh))
_CONDITION_TYPE: Final = ua.NodeId(ua.Int32(ua.ObjectIds.ConditionType))
_SERVER: Final = ua.NodeId(ua.Int32(ua.ObjectIds.Server))
_NAMESPACES_AGAIN_S: Final = 30.0  # a namespace that was unknown may have come


class OpcUaSource:
    """A Source (drivers.source) over one OPC UA session."""

    def __init__(self, spec: SourceSpec, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self.spec = spec
        self.counts = Counts()
        self._clock_us = clock_us
        self._url = str(spec.options["url"])
        self._mode = str(spec.options.get("mode", "poll"))
        if self._mode not in ("poll", "subscribe"):
            raise ConfigError(f'source {spec.name}: mode {self._mode!r} is unknown; write "poll" or "subscribe"')
        self._security = security.Security.of(spec)
        self._batch = int(spec.options.get("batch", 500))
        self._parsed = {tag.number: parse_node_id(node_of(tag)) for tag in spec.tags}
        self._wishes = {tag.number: wishes_of(tag, spec.every_s, spec.options) for tag in spec.tags}
        self._conditions = Conditions(spec)
        self._events: int | None = None  # the subscription of the conditions
        self._events_lost = False
        self._looked_s = 0.0
        self._publisher: Publisher | None = None
        self._subscriptions: Subscriptions | None = None
        self.client: GuardedClient | None = None

    async def open(self) -> None:
        """Connect, resolve namespaces, subscribe; SourceDown says why not."""
        await self.close()
        client = GuardedClient(self._url, self.spec.timeout_s, self._batch)
        try:
            await self._security.apply(client)
            self.client = client  # from here on `close` lets go of it, whatever happens
            await client.connect()
            await client.look_around()
            self._looked_s = time.monotonic()
            self._publisher = Publisher(
                client,
                int(self.spec.options.get("publish_requests", 3)),
                self.counts,
                on_message=self._hear,
                on_lost=self._lose,
            )
            if self._mode == "subscribe":
                tags = [(tag, self._parsed[tag.number], self._wishes[tag.number]) for tag in self.spec.tags]
                self._subscriptions = Subscriptions(client, self._publisher, self.counts, tags)
                await self._subscriptions.start()
            if self.spec.options.get("alarms", True):
                await self._subscribe_events(client, self._publisher)
        except (*LOST, ConfigError) as error:
            if other := await self._security.why_refused(self._url, self.spec.timeout_s):
                raise await self._down(error, other, unreachable=False) from None
            raise await self._down(error, words_of(error)) from None
        self.counts.connects += 1

    async def read(self, tags: Sequence[Tag]) -> Batch:
        """Read these tags once, or take what came for them. SourceDown if the server as a whole does not answer."""
        client = self.client
        if client is None:
            raise SourceDown(self.spec.name, f"{self._url}: not connected")
        try:
            if self._subscriptions is not None:
                samples = await self._subscriptions.take(tags, self._clock_us())
            else:
                samples = await self._poll(client, tags)
            samples = await self._with_units(client, samples)
        except LOST as error:
            raise await self._down(error, words_of(error)) from None
        return batch_of(self.spec.name, self._clock_us(), samples)

    async def alerts(self) -> list[Alert]:
        """The conditions that became active or inactive since the last call; renews a subscription that was lost."""
        client, publisher = self.client, self._publisher
        if publisher is not None and publisher.fault is not None:  # no event can come any more, while reading goes on
            raise await self._down(publisher.fault, words_of(publisher.fault))
        if client is not None and publisher is not None and self._events is not None:
            self._events_lost |= publisher.is_overdue(self._events)
        self._events_lost |= self._conditions.overdue(self._clock_us())
        if self._events_lost and client is not None and publisher is not None:
            try:
                await self._subscribe_events(client, publisher)
            except LOST as error:
                raise await self._down(error, words_of(error)) from None
        return self._conditions.take()

    async def close(self) -> None:
        """Let go of session and socket. Never raises."""
        await self._leave(politely=True)

    def explain(self) -> list[str]:
        """What will be asked, by cadence."""
        told = []
        for every_s in sorted({tag.every_s or self.spec.every_s for tag in self.spec.tags}):
            count = sum((tag.every_s or self.spec.every_s) == every_s for tag in self.spec.tags)
            tags = f"{count} tag{'s' * (count != 1)}"
            if self._mode == "subscribe":
                wishes = next(one for one in self._wishes.values() if one.every_s == every_s)
                parts = -(-count // ITEMS_PER_SUBSCRIPTION)
                told.append(
                    f"{tags} in {parts} subscription{'s' * (parts != 1)}: sampled every {wishes.sampling_ms:g} ms, "
                    f"queue of {wishes.queue_size}; what is silent for {wishes.verify_s:g} s is read"
                )
            else:
                requests = -(-count // self._batch)
                told.append(f"every {every_s:g} s: {requests} request{'s' * (requests != 1)} for {tags}")
        told.append(self._security.explain())
        told.extend(f"  {tag.name}: {node_of(tag)}" for tag in self.spec.tags)
        if self.spec.options.get("alarms", True):
            told.append("alarms & conditions of the server: subscribed, refreshed at each connect")
        return told

    async def _down(self, error: Exception, words: str, *, unreachable: bool = True) -> SourceDown:
        """The session is lost: let go of it, politely where the server is still there."""
        self.counts.timeouts += isinstance(error, TimeoutError)
        self.counts.lost += self._subscriptions.untaken if self._subscriptions is not None else 0
        nobody = isinstance(error, OSError | TimeoutError)
        await self._leave(politely=not nobody)
        return SourceDown(self.spec.name, f"{self._url}: {words}", unreachable=unreachable and nobody)

    async def _leave(self, *, politely: bool) -> None:
        client, self.client = self.client, None
        publisher, self._publisher = self._publisher, None
        self._subscriptions, self._events = None, None
        if client is not None:
            if publisher is not None:
                await publisher.stop()
            await client.leave(politely=politely)

    async def _poll(self, client: GuardedClient, tags: Sequence[Tag]) -> list[Sample]:
        nodes = {tag.number: node_id(self._parsed[tag.number], client.namespaces) for tag in tags}
        if None in nodes.values() and time.monotonic() - self._looked_s > _NAMESPACES_AGAIN_S:
            await client.look_around()
            self._looked_s = time.monotonic()
        known = [(number, node) for number, node in nodes.items() if node is not None]
        told = await client.told([node for _, node in known])
        self.counts.requests += -(-len(known) // client.batch["read"])
        answers = {number: one for (number, _), one in zip(known, told, strict=True)}
        now = self._clock_us()
        return [
            sample_of(tag, now, answers[tag.number])
            if tag.number in answers
            else unknown_namespace(tag, self._parsed[tag.number], now)
            for tag in tags
        ]

    async def _with_units(self, client: GuardedClient, samples: list[Sample]) -> list[Sample]:
        """Where the server says that unit or scale changed, what it says they are now."""
        rows = [row for row, one in enumerate(samples) if one.reasons & Reason.BREAK]
        rows = rows[-units.AT_ONCE :]
        nodes = {row: node_id(self._parsed[samples[row].tag], client.namespaces) for row in rows}
        known = {row: node for row, node in nodes.items() if node is not None}
        for row, unit in zip(known, await units.units_of(client, list(known.values())), strict=True):
            if unit.words:
                samples[row] = remarked(samples[row], f"the server now says {unit.words}")
        return samples

    def _hear(self, message: Notification) -> None:
        if self._subscriptions is not None and self._subscriptions.hear(message):
            return
        if message.subscription != self._events:
            return
        self._events_lost |= bool(message.statuses)
        names = ["/".join(part.Name for part in one.BrowsePath) or "NodeId" for one in event_filter().SelectClauses]
        for body in message.events:
            try:
                events = struct_from_binary(ua.EventNotificationList, Buffer(body)).Events
            except LOST:
                self.counts.unfit += 1
                continue
            for event in events:
                fields = dict(zip(names, (one.Value for one in event.EventFields), strict=False))
                # true: the server asks for a refresh, because events were dropped
                self._events_lost |= self._conditions.hear(fields, self._clock_us())

    def _lose(self, subscription: int, why: str) -> None:
        self._events_lost |= subscription in (0, self._events)
        if self._subscriptions is not None and subscription != self._events:
            self._subscriptions.lost(subscription, why)

    async def _subscribe_events(self, client: GuardedClient, publisher: Publisher) -> None:
        """Subscribe to the server's events and ask which conditions are active; a server without events has none."""
        self._events_lost = False
        old, self._events = self._events, None
        try:
            if old is not None:
                publisher.forget(old)
                await client.unsubscribe(old)
            result = await client.subscribe(
                ua.CreateSubscriptionParameters(
                    RequestedPublishingInterval=500.0,
                    RequestedLifetimeCount=ua.UInt32(240),
                    RequestedMaxKeepAliveCount=ua.UInt32(4),
                    MaxNotificationsPerPublish=ua.UInt32(1000),
                    PublishingEnabled=True,
                )
            )
            self._events = publisher.follow(result, 2.0)
            await client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=result.SubscriptionId,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=[_event_item()],
                )
            )
            self._conditions.asked(self._clock_us())
            await self._refresh(client, self._events)
        except ua.UaStatusCodeError as error:
            self._conditions.refused()
            LOG.info("%s: no alarms & conditions: %s", self.spec.name, words_of(error))

    async def _refresh(self, client: GuardedClient, subscription: int) -> None:
        call = ua.CallMethodRequest(
            ObjectId=_CONDITION_TYPE,
            MethodId=_REFRESH,
            InputArguments=[ua.Variant(subscription, ua.VariantType.UInt32)],
        )
        for last in (False, True):
            (result,) = await client.uaclient.call([call])
            if last or result.StatusCode.value != _REFRESH_IN_PROGRESS:
                result.StatusCode.check()
                return
            await asyncio.sleep(1.0)


def _event_item() -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=_SERVER, AttributeId=ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=ua.UInt32(1), SamplingInterval=0.0, Filter=event_filter(), QueueSize=ua.UInt32(1000),
            DiscardOldest=True,
        ),
    )  # fmt: skip
