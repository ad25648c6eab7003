"""The order of published messages, whatever a server does with their numbers."""

import asyncio

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.publish import Publisher, after, ahead
from drivers.opcua.wire import Notification, Told, WireError
from drivers.source import Counts

NUMBERS = 2**32 - 1


def message(number, *, subscription=1, empty=False, values=1):
    changes = () if empty else tuple((n, Told(float(number), 0, None)) for n in range(values))
    return Notification(subscription, number, (), changes, (), (), empty)


class Server:
    """Answers publish requests with a script; a request beyond its end waits."""

    def __init__(self, script, kept=()):
        self.script = list(script)
        self.kept = {one.sequence: one for one in kept}
        self.waiting = self.most = 0
        self.acknowledged = []
        self.asked_again = []
        self.uaclient = type("", (), {"_timeout": 1.0})()

    async def publish(self, acknowledge):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        self.acknowledged += acknowledge
        await asyncio.sleep(0)
        if not self.script:
            await asyncio.Event().wait()
        self.waiting -= 1
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def republish(self, subscription, number):
        self.asked_again.append(number)
        if number not in self.kept:
            raise ua.UaStatusCodeError(0x807B0000)  # BadMessageNotAvailable
        return self.kept[number]


async def heard(server, *, spare=2, first=1, wait_s=0.05):
    """What the publisher made of the server's script: numbers in order, what was lost, the publisher."""
    told, lost = [], []
    counts = Counts()
    publisher = Publisher(server, spare, counts, on_message=lambda one: told.append(one.sequence),
                          on_lost=lambda one, why: lost.append((one, why)))  # fmt: skip
    publisher.follow(ua.CreateSubscriptionResult(1, 100.0, 10, 10), 1.0)
    publisher._orders[1].due = first
    await asyncio.sleep(wait_s)
    await publisher.stop()
    return told, lost, publisher


async def test_several_requests_are_outstanding_and_each_message_is_told_once_and_acknowledged():
    server = Server([message(1), message(2), message(2), message(3), message(1)])
    told, lost, publisher = await heard(server)
    assert (told, lost) == ([1, 2, 3], [])
    assert server.most == 3
    assert {(1, number) for number in (1, 2, 3)} <= set(server.acknowledged)
    assert publisher.fault is None


async def test_messages_out_of_order_wait_for_their_predecessors_without_asking_again():
    server = Server([message(3), message(2), message(1), message(4)])
    assert (await heard(server))[:2] == ([1, 2, 3, 4], [])
    assert server.asked_again == []


async def test_a_missing_message_is_asked_for_again():
    server = Server([message(1), message(4), message(5)], kept=[message(2), message(3)])
    assert (await heard(server, wait_s=0.4))[:2] == ([1, 2, 3, 4, 5], [])
    assert server.asked_again == [2, 3]


async def test_a_message_that_the_server_no_longer_has_is_told_as_lost_and_the_rest_goes_on():
    server = Server([message(1), message(3), message(4)])
    told, lost, _ = await heard(server, wait_s=0.4)
    assert told == [1, 3, 4]
    assert [one for one, _ in lost] == [1]
    assert "message 2 did not come" in lost[0][1]


async def test_a_keep_alive_shows_that_the_message_before_it_is_missing():
    server = Server([message(1), message(3, empty=True)], kept=[message(2)])
    assert (await heard(server, wait_s=0.4))[:2] == ([1, 2], [])
    server = Server([message(1, empty=True), message(1, empty=True), message(1)])
    assert (await heard(server))[:2] == ([1], [])


async def test_numbers_begin_again_after_the_last_one():
    server = Server([message(NUMBERS - 1), message(NUMBERS), message(1), message(2)])
    assert (await heard(server, first=NUMBERS - 1))[:2] == ([NUMBERS - 1, NUMBERS, 1, 2], [])


async def test_a_server_that_skips_numbers_for_ever_fills_no_memory():
    server = Server([message(number, values=3) for number in range(2, 400, 2)])
    told, lost, publisher = await heard(server, wait_s=0.1)
    assert told
    assert lost
    assert len(publisher._orders[1].early) <= 65


async def test_all_subscriptions_gone_is_told_once():
    gone = ua.UaStatusCodeError(0x80790000)
    _, lost, publisher = await heard(Server([message(1), gone, gone, gone]))
    assert [one for one, _ in lost] == [0]
    assert publisher.fault is None


async def test_too_many_requests_are_fewer_from_then_on():
    server = Server([ua.UaStatusCodeError(0x80780000), *(message(number) for number in range(1, 9))])
    told, _, publisher = await heard(server)
    assert told == list(range(1, 9))
    assert publisher._most == 2


@pytest.mark.parametrize("fault", [ConnectionError("gone"), ua.UaStatusCodeError(0x80250000)])
async def test_a_lost_session_ends_publishing(fault):
    _, _, publisher = await heard(Server([message(1), fault]))
    assert publisher.fault is fault


async def test_messages_that_cannot_be_read_are_counted_and_end_a_session_that_sends_nothing_else():
    _, _, publisher = await heard(Server([WireError("x"), message(1), WireError("x")]))
    assert (publisher._counts.unfit, publisher.fault) == (2, None)
    _, _, publisher = await heard(Server([WireError("x")] * 50))
    assert isinstance(publisher.fault, WireError)


async def test_a_flood_is_braked():
    server = Server([message(number) for number in range(1, 5_000)])
    told, _, _ = await heard(server, wait_s=0.3)
    assert len(told) <= 510


@given(st.integers(1, NUMBERS), st.integers(-1_000_000, 1_000_000))
def test_sequence_numbers_are_a_ring_without_zero(number, steps):
    later = after(number, steps)
    assert 1 <= later <= NUMBERS
    assert ahead(later, number) == steps


@given(st.permutations(range(1, 12)))
def test_any_order_of_arrival_is_told_in_order(numbers):
    told, lost, _ = asyncio.run(heard(Server([message(number) for number in numbers]), wait_s=0.01))
    assert told == list(range(1, 12))
    assert lost == []
