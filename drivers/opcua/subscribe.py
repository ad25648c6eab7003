"""Monitored items: what the server tells of its own accord, and a look at those of which it tells nothing.

A subscription tells changes only, so silence has three meanings: the value does not change, the item or the whole
subscription died while the session lives, or the server is gone. An item that was silent for `verify_s` is read; an
equal value is a row like any other, a different one that the subscription does not tell within a period either is
counted as lost and the item made anew. A subscription that the server has dropped is made anew too, and its tags get
a row that says GAP, because what they were in between is not known.
"""

import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua

from drivers.opcua.client import GuardedClient
from drivers.opcua.publish import Publisher
from drivers.opcua.status import name_of, node_id, node_of, overflowed, sample_of
from drivers.opcua.wire import Notification, Told
from drivers.record import Reason, Sample, Tag
from drivers.source import Counts

ITEMS_PER_SUBSCRIPTION: Final = 1_000
_SERVER_STATE: Final = ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerStatus_State))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What we ask of the server for the tags of one period."""

    every_s: float
    sampling_ms: float
    queue_size: int
    verify_s: float

    @property
    def keep_alive_count(self) -> int:
        """So many publishing intervals make two periods, at least 2 s."""
        return max(1, round(max(2_000.0 * self.every_s, 2_000.0) / self.sampling_ms))

    @property
    def room(self) -> int:
        """How many values of one tag we keep between two reads: four times what should come."""
        return 16 + math.ceil(4_000.0 * self.every_s / self.sampling_ms)


@dataclass(slots=True)
class _Item:
    """One tag at the server."""

    tag: Tag
    wishes: Wishes
    parsed: tuple[str | None, str, str]
    rows: "deque[Told | str]" = field(default_factory=deque)  # not yet taken; a text stands for a gap, and says why
    subscription: int = 0
    number: int = 0  # of the monitored item; 0: the server monitors it not
    told: Told | None = None  # by the subscription, last
    heard_s: float = -math.inf  # when its last row was given (monotonic)
    doubt_s: float | None = None  # since when reading says something else than the subscription
    retry_s: float = 0.0  # when a refused item is asked for again
    refused: str = ""
    dropped: int = 0  # from our own queue since the last row
    remark: str = ""


class Subscriptions:
    """The monitored items of one session."""

    def __init__(
        self,
        client: GuardedClient,
        publisher: Publisher,
        counts: Counts,
        tags: Iterable[tuple[Tag, tuple[str | None, str, str], Wishes]],
    ) -> None:
        self._client, self._publisher, self._counts = client, publisher, counts
        self._items = {tag.number: _Item(tag, wishes, parsed) for tag, parsed, wishes in tags}
        self._ids: set[int] = set()  # of the subscriptions
        self._gone: dict[int, str] = {}  # subscription -> why

    async def start(self) -> None:
        """Make all subscriptions."""
        await self._monitor(list(self._items.values()))

    def hear(self, message: Notification) -> bool:
        """Take in one message; false if it is of no subscription of ours."""
        if message.subscription not in self._ids:
            return False
        for handle, told in message.changes:
            item = self._items.get(handle)
            if item is None:
                self._counts.unfit += 1
                continue
            if len(item.rows) >= item.wishes.room:
                item.rows.popleft()
                item.dropped += 1
                self._counts.lost += 1
            item.rows.append(told)
            item.told, item.doubt_s, item.refused = told, None, ""
            self._counts.lost += overflowed(told.status)
        for status in message.statuses:
            if status:
                self._gone[message.subscription] = f"the server ended the subscription: {name_of(status)}"
        return True

    @property
    def untaken(self) -> int:
        """Values that came and were not taken: lost with the session."""
        return sum(isinstance(told, Told) for item in self._items.values() for told in item.rows)

    def lost(self, subscription: int, why: str) -> None:
        """Messages of a subscription (0: of all, which are gone with them) are missing for good."""
        self._counts.lost += 1
        if subscription == 0:
            self._gone |= dict.fromkeys(self._ids, why)
        else:
            self._mark_gap(subscription, why)

    async def take(self, tags: Sequence[Tag], now_us: int) -> list[Sample]:
        """What came for these tags since the last call; raises what the session raises when it is lost."""
        if self._publisher.fault is not None:
            raise self._publisher.fault
        await self._renew()
        now_s = time.monotonic()
        items = [self._items[tag.number] for tag in tags]
        await self._ask_again([item for item in items if not item.number and now_s >= item.retry_s])
        given: dict[int, list[Sample]] = {}
        silent: list[tuple[_Item, ua.NodeId]] = []
        for item in items:
            if item.rows:
                item.heard_s = now_s
                given[item.tag.number] = self._drain(item, now_us)
            elif not item.number or now_s - item.heard_s > item.wishes.verify_s - item.wishes.every_s / 2:
                node = self._node(item)
                if node is None:
                    given[item.tag.number] = [unknown_namespace(item.tag, item.parsed, now_us)]
                else:
                    silent.append((item, node))
        self._counts.refused = sum(not item.number for item in self._items.values())
        if silent:
            given |= await self._look_at(silent, now_s, now_us)
        else:
            await self._client.read_once([_SERVER_STATE])  # a server that went silent is known within a period
        return [sample for tag in tags for sample in given.get(tag.number, ())]

    async def _look_at(
        self, silent: Sequence[tuple[_Item, ua.NodeId]], now_s: float, now_us: int
    ) -> dict[int, list[Sample]]:
        """Read what was silent: one row each, and those anew of which the subscription should have told."""
        read = await self._client.told([node for _, node in silent])
        frozen = [item for (item, _), told in zip(silent, read, strict=True) if self._is_frozen(item, told, now_s)]
        given = {}
        for (item, _), told in zip(silent, read, strict=True):
            item.heard_s = now_s if item.doubt_s is None else -math.inf
            given[item.tag.number] = [remarked(sample_of(item.tag, now_us, told), item.remark or item.refused)]
            item.remark = ""
        await self._make_anew(frozen)
        return given

    def _drain(self, item: _Item, now_us: int) -> list[Sample]:
        samples = []
        while item.rows:
            told = item.rows.popleft()
            if isinstance(told, str):
                samples.append(Sample(item.tag.number, now_us, None, Reason.GAP, None, told))
                continue
            sample = sample_of(item.tag, now_us, told)
            if item.dropped:
                sample = remarked(sample, f"{item.dropped} values before this one were lost in our own queue")
                item.dropped = 0
            samples.append(sample)
        return samples

    def _is_frozen(self, item: _Item, read: Told, now_s: float) -> bool:
        """Whether reading has told something else than the subscription for longer than a change may be on its way."""
        if not item.number or item.rows:
            return False
        if item.told is not None and _same(read, item.told):
            item.doubt_s = None
            return False
        if item.doubt_s is None:
            item.doubt_s = now_s
            return False
        if now_s - item.doubt_s < 1.8 * item.wishes.sampling_ms / 1000:  # sampled, then published
            return False
        self._counts.lost += 1
        item.remark = "session alive, but the subscription did not tell this value; monitored anew"
        return True

    async def _make_anew(self, frozen: Sequence[_Item]) -> None:
        """The items, or their whole subscription where an item has told nothing since it was made."""
        for one in {item.subscription for item in frozen if item.told is None}:
            self._gone.setdefault(one, "session alive, subscription silent")
        kept = [item for item in frozen if item.subscription not in self._gone]
        for one in {item.subscription for item in kept}:
            numbers = [ua.UInt32(item.number) for item in kept if item.subscription == one]
            await self._client.uaclient.delete_monitored_items(
                ua.DeleteMonitoredItemsParameters(SubscriptionId=ua.UInt32(one), MonitoredItemIds=numbers)
            )
        for item in kept:
            item.number, item.told, item.doubt_s = 0, None, None
        await self._add(kept)

    async def _renew(self) -> None:
        """Make the subscriptions anew that the server has dropped, and mark the gap."""
        for one in self._ids:
            if self._publisher.is_overdue(one):
                self._gone.setdefault(one, "no keep-alive came of the subscription")
        gone, self._gone = self._gone, {}
        for one, why in gone.items():
            self._mark_gap(one, why)
            self._publisher.forget(one)
            self._ids.discard(one)
            await self._client.unsubscribe(one)
            items = [item for item in self._items.values() if item.subscription == one]
            for item in items:
                item.subscription, item.number, item.told, item.doubt_s = 0, 0, None, None
            await self._monitor(items)

    def _mark_gap(self, subscription: int, why: str) -> None:
        for item in self._items.values():
            if item.subscription == subscription and not (item.rows and isinstance(item.rows[-1], str)):
                item.rows.append(f"values may be missing before this: {why}")

    async def _ask_again(self, items: Sequence[_Item]) -> None:
        """Ask again for items that the server refused, and for namespaces that it did not know."""
        if items:
            if any(self._node(item) is None for item in items):
                await self._client.look_around()
            await self._add([item for item in items if item.subscription])

    async def _monitor(self, items: Sequence[_Item]) -> None:
        """Subscriptions for these items, of those with the same period together."""
        kinds: dict[Wishes, list[_Item]] = {}
        for item in items:
            kinds.setdefault(item.wishes, []).append(item)
        for wishes, group in kinds.items():
            for start in range(0, len(group), ITEMS_PER_SUBSCRIPTION):
                part = group[start : start + ITEMS_PER_SUBSCRIPTION]
                subscription = await self._subscribe(wishes, len(part))
                for item in part:
                    item.subscription = subscription
                await self._add(part)

    async def _subscribe(self, wishes: Wishes, count: int) -> int:
        keep = wishes.keep_alive_count
        result = await self._client.subscribe(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=ua.Double(wishes.sampling_ms),
                RequestedLifetimeCount=ua.UInt32(max(3 * keep, math.ceil(10_000 / wishes.sampling_ms))),
                RequestedMaxKeepAliveCount=ua.UInt32(keep),
                MaxNotificationsPerPublish=ua.UInt32(count * wishes.queue_size),
                PublishingEnabled=True,
            )
        )
        subscription = self._publisher.follow(result, keep * wishes.sampling_ms / 1000)
        self._ids.add(subscription)
        return subscription

    async def _add(self, items: Sequence[_Item]) -> None:
        """Monitored items for these tags; what the server refuses is kept with its reason and read instead."""
        now_s = time.monotonic()
        asked: dict[int, list[tuple[_Item, ua.NodeId]]] = {}
        for item in items:
            item.retry_s = now_s + max(10.0, 10 * item.wishes.every_s)
            if (node := self._node(item)) is not None:
                asked.setdefault(item.subscription, []).append((item, node))
        for subscription, pairs in asked.items():

            async def create(part: Sequence[tuple[_Item, ua.NodeId]], one: int = subscription) -> None:
                results = await self._client.uaclient.create_monitored_items(
                    ua.CreateMonitoredItemsParameters(
                        SubscriptionId=ua.UInt32(one),
                        TimestampsToReturn=ua.TimestampsToReturn.Both,
                        ItemsToCreate=[_request(item, node) for item, node in part],
                    )
                )
                if len(results) != len(part):
                    raise ConnectionError(f"{len(results)} results came for {len(part)} items")
                for (item, _), result in zip(part, results, strict=True):
                    status = int(result.StatusCode.value)
                    item.number = 0 if status >> 30 else int(result.MonitoredItemId)
                    item.refused = f"not monitored ({name_of(status)}), read instead" if status >> 30 else ""

            await self._client.in_parts("monitor", pairs, create)

    def _node(self, item: _Item) -> ua.NodeId | None:
        return node_id(item.parsed, self._client.namespaces)


def _request(item: _Item, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=ua.UInt32(item.tag.number),
            SamplingInterval=ua.Double(item.wishes.sampling_ms),
            QueueSize=ua.UInt32(item.wishes.queue_size),
            DiscardOldest=True,
        ),
    )


def _same(one: Told, other: Told) -> bool:
    """The same value with the same status; NaN is like NaN."""
    if one.status & 0xFFFF0000 != other.status & 0xFFFF0000:
        return False
    return one.value == other.value or (one.value != one.value and other.value != other.value)


def remarked(sample: Sample, words: str) -> Sample:
    """The sample with more words."""
    if not words:
        return sample
    detail = f"{sample.detail}; {words}" if sample.detail else words
    return Sample(sample.tag, sample.receive_us, sample.value, sample.reasons, sample.source_us, detail)


def unknown_namespace(tag: Tag, parsed: tuple[str | None, str, str], now_us: int) -> Sample:
    """The sample of a tag whose namespace the server does not know."""
    words = f"{node_of(tag)}: the server knows no namespace {parsed[0]}"
    return Sample(tag.number, now_us, None, Reason.CONFIG, None, words)


def wishes_of(tag: Tag, every_s: float, options: Mapping[str, object]) -> Wishes:
    """How a tag is to be monitored: its own period or that of the source, and what the source says beside it."""
    period_s = tag.every_s or every_s
    sampling = options.get("sampling_ms")
    verify = options.get("verify_s")
    return Wishes(
        every_s=period_s,
        sampling_ms=float(str(sampling)) if sampling is not None else 500.0 * period_s,
        queue_size=int(str(options.get("queue_size", 2))),
        verify_s=float(str(verify)) if verify is not None else 2 * period_s,
    )
