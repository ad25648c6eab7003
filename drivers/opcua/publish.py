"""Several publish requests outstanding at a time, and each subscription's messages in the order of their numbers.

asyncua waits for one answer before it asks again: of 10,000 values a second from a node-opcua server it was given a
third. Here one request for each subscription and `spare` more are always with the server; with fewer its queues
overflow as soon as the machine is busy (benchmarks/opcua.py). Messages are numbered (Part 4, 5.14.1.1): one that comes
early waits for its predecessors; one that does not come is asked for again, and lost when the server no longer has it.
Whoever loses one is told so.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua

from drivers.opcua.client import LOST, GuardedClient
from drivers.opcua.wire import Notification, WireError
from drivers.source import Counts

_MESSAGES_PER_S: Final = 500  # more than this is a flood; the server waits, not we
_EARLY_LIMIT: Final = 64  # messages of one subscription that wait for a missing one,
_EARLY_VALUES: Final = 100_000  # and values in them
_PATIENCE_S: Final = 0.2  # so long a missing message may be on its way behind a later one
_SLOWEST_S: Final = 3_600.0  # no keep-alive is waited for longer, whatever the server promises
_UNFIT_LIMIT: Final = 10  # unreadable messages in a row, then the session is given up
_NUMBERS: Final = 2**32 - 1  # sequence numbers run from 1 to this, and again
_NO_SUBSCRIPTION, _TOO_MANY_REQUESTS, _TIMEOUT = 0x80790000, 0x80780000, 0x800A0000


@dataclass(slots=True)
class _Order:
    """What one subscription has sent."""

    due: int = 1  # the number of the next message
    heard_s: float = 0.0  # monotonic
    patience_s: float = 0.0
    early: dict[int, Notification] = field(default_factory=dict)
    search: asyncio.Task[None] | None = None


def after(number: int, steps: int = 1) -> int:
    """The sequence number `steps` later; 0 is never used."""
    return (number - 1 + steps) % _NUMBERS + 1


def ahead(number: int, due: int) -> int:
    """How many numbers `number` is beyond `due`; negative for one that was told before."""
    steps = (number - due) % _NUMBERS
    return steps if steps < _NUMBERS // 2 else steps - _NUMBERS


class Publisher:
    """Takes in what the subscriptions of one session publish."""

    def __init__(
        self,
        client: GuardedClient,
        spare: int,
        counts: Counts,
        *,
        on_message: Callable[[Notification], None],
        on_lost: Callable[[int, str], None],
    ) -> None:
        """`on_lost(subscription, why)`: messages are missing for good; subscription 0: all subscriptions are gone."""
        self._client = client
        self._spare = spare
        self._most = _NUMBERS  # requests that the server takes
        self._counts = counts
        self._on_message, self._on_lost = on_message, on_lost
        self._orders: dict[int, _Order] = {}
        self._acknowledge: list[tuple[int, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._recent: deque[float] = deque(maxlen=_MESSAGES_PER_S)
        self._unfit = 0  # messages in a row that could not be read
        self.fault: Exception | None = None  # why publishing ended

    def follow(self, result: ua.CreateSubscriptionResult, wished_s: float) -> int:
        """A subscription was made: take in what it publishes. Gives its id.

        `wished_s` is the time between keep-alives that was asked for; the server says what it makes of it.
        """
        promised_s = result.RevisedPublishingInterval * result.RevisedMaxKeepAliveCount / 1000
        if not 0 < promised_s < _SLOWEST_S:
            promised_s = wished_s
        patience_s = 2 * promised_s + self._client.uaclient._timeout
        self._orders[int(result.SubscriptionId)] = _Order(heard_s=time.monotonic(), patience_s=patience_s)
        while len(self._tasks) < self._wanted:
            task = asyncio.create_task(self._keep_asking())
            self._tasks.add(task)
        return int(result.SubscriptionId)

    @property
    def _wanted(self) -> int:
        return min(self._spare + len(self._orders), self._most)

    def forget(self, subscription: int) -> None:
        """A subscription is gone: what still comes of it is passed over."""
        order = self._orders.pop(subscription, None)
        if order is not None and order.search is not None:
            order.search.cancel()

    def is_overdue(self, subscription: int) -> bool:
        """Whether not even a keep-alive has come of it for more than twice the time that the server promised."""
        order = self._orders.get(subscription)
        return order is not None and time.monotonic() - order.heard_s > order.patience_s

    async def stop(self) -> None:
        """Ask no more."""
        tasks = [*self._tasks, *(order.search for order in self._orders.values() if order.search)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_asking(self) -> None:
        try:
            await self._ask()
        except LOST as error:  # what a message made of whoever was told of it
            self.fault = error
        finally:
            self._tasks.difference_update({asyncio.current_task()})

    async def _ask(self) -> None:
        while self._orders and self.fault is None and len(self._tasks) <= self._wanted:
            await self._brake()
            acknowledge, self._acknowledge = self._acknowledge, []
            try:
                message = await self._client.publish(acknowledge)
            except WireError as error:
                self._unfit += 1
                self._counts.unfit += 1
                if self._unfit >= _UNFIT_LIMIT:
                    self.fault = error
                continue
            except ua.UaStatusCodeError as error:
                if error.code == _TIMEOUT:
                    continue
                if error.code == _TOO_MANY_REQUESTS and len(self._tasks) > 1:
                    self._most = len(self._tasks) - 1
                    return
                if error.code == _NO_SUBSCRIPTION:
                    if self._orders:
                        self._orders.clear()
                        self._on_lost(0, "the server has no subscription of ours any more")
                    return
                self.fault = error
                return
            except LOST as error:
                self.fault = error
                return
            self._unfit = 0
            self._take(message)

    async def _brake(self) -> None:
        if len(self._recent) == _MESSAGES_PER_S and time.monotonic() - self._recent[0] < 1.0:
            await asyncio.sleep(1.0)
        self._recent.append(time.monotonic())

    def _take(self, message: Notification) -> None:
        order = self._orders.get(message.subscription)
        if order is None:
            return
        order.heard_s = time.monotonic()
        steps = ahead(message.sequence, order.due)
        if message.empty:
            if steps > 0:  # the number of the message that will come next: those before it are missing
                self._search(message.subscription, order)
            return
        self._acknowledge.append((message.subscription, message.sequence))
        if steps < 0 or message.sequence in order.early:
            return
        order.early[message.sequence] = message
        self._tell(order)
        if order.early:
            self._search(message.subscription, order)

    def _tell(self, order: _Order) -> None:
        while message := order.early.pop(order.due, None):
            order.due = after(order.due)
            self._on_message(message)

    def _search(self, subscription: int, order: _Order) -> None:
        values = sum(len(message.changes) for message in order.early.values())
        if len(order.early) > _EARLY_LIMIT or values > _EARLY_VALUES:
            self._skip(subscription, order, "too many messages came out of order")
        elif order.search is None or order.search.done():
            order.search = asyncio.create_task(self._find(subscription, order, order.due))

    async def _find(self, subscription: int, order: _Order, missing: int) -> None:
        await asyncio.sleep(_PATIENCE_S)
        while order.due == missing or order.early:
            missing = order.due
            try:
                message = await self._client.republish(subscription, missing)
            except LOST as error:
                self._skip(subscription, order, f"message {missing} did not come: {error}")
                return
            if message.sequence != missing or message.empty:
                self._skip(subscription, order, f"message {missing} did not come")
                return
            self._acknowledge.append((subscription, missing))
            order.early.setdefault(missing, message)
            self._tell(order)

    def _skip(self, subscription: int, order: _Order, why: str) -> None:
        """Go on with the earliest message that is there."""
        if order.early:
            order.due = min(order.early, key=lambda number: ahead(number, order.due))
        else:
            order.due = after(order.due)
        self._on_lost(subscription, why)
        self._tell(order)
        if order.early:
            self._search(subscription, order)
