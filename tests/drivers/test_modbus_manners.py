"""Do not disturb: what real devices need to behave, and sources that take turns on one line."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from drivers.errors import SourceDown
from drivers.modbus.source import open_source
from drivers.record import Reason
from monitor.daemon.poller import share_lines
from tests.drivers.servers import good_pdu, hostile_server, mbap, spec, tag

TAGS = [tag(0), tag(1, address=1), tag(2, "bit", 2, bit=0), tag(3, "bit", 2, bit=9), tag(4, "u32", 3)]


async def read_with(port, tags=TAGS, polls=2, **workarounds):
    """What a source with these workarounds gets in its last poll."""
    source = open_source(spec(port, tags, timeout_s=0.3, workarounds=workarounds))
    try:
        await source.open()
        for _ in range(polls):
            batch = await source.read(source.spec.tags)
        return [row.value for row in batch.rows()], source
    finally:
        await source.close()


GOOD = [0, 1, 0, 0, 3 * 65_536 + 4]


@asynccontextmanager
async def slow_to_wake():
    """Deaf for a while after each connection, as gateways are that open the serial port first."""

    async def serve(reader, writer):
        connected = time.monotonic()
        try:
            while request := await reader.read(300):
                if time.monotonic() - connected > 0.2:
                    writer.write(mbap(request, good_pdu(request)))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_a_device_that_is_deaf_after_connecting_is_given_time():
    async with slow_to_wake() as port:
        with pytest.raises(SourceDown, match="no answer"):
            await read_with(port)
        values, source = await read_with(port, pause_after_connect_s=0.3)
    assert values == GOOD
    assert source.counts.connects == 1


async def test_a_device_that_needs_a_pause_between_requests_is_given_it():
    last = [0.0]

    async def respond(request, writer):
        rested = time.monotonic() - last[0] > 0.1
        if rested:
            writer.write(mbap(request, good_pdu(request)))
        last[0] = time.monotonic()

    tags = [*TAGS, tag(5, address=100)]
    async with hostile_server(respond) as port:
        with pytest.raises(SourceDown, match="no answer"):
            await read_with(port, tags)
        values, source = await read_with(port, tags, pause_between_requests_s=0.15)
    assert values == [*GOOD, 100]
    assert source.counts.timeouts == 0


async def test_a_device_that_answers_for_one_value_at_a_time_is_asked_so():
    asked = []

    async def respond(request, writer):
        asked.append((int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")))
        if asked[-1] in [(0, 1), (1, 1), (2, 1), (3, 2)]:
            writer.write(mbap(request, good_pdu(request)))

    async with hostile_server(respond) as port:
        with pytest.raises(SourceDown):
            await read_with(port, polls=1)
        del asked[:]
        values, source = await read_with(port, polls=1, one_request_per_tag=True)
    assert values == GOOD
    assert asked == [(0, 1), (1, 1), (2, 1), (3, 2)]
    assert source.explain()[:2] == [
        "workarounds: one_request_per_tag",
        "every 5 s: 4 requests touching 5 words for 5 tags",
    ]


async def test_a_device_with_one_slot_is_free_for_others_between_two_polls():
    open_now, worst = [0], [0]

    async def serve(reader, writer):
        open_now[0] += 1
        worst[0] = max(worst[0], open_now[0])
        try:
            while request := await reader.read(300):
                writer.write(mbap(request, good_pdu(request)))
        finally:
            open_now[0] -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def others_may():
        for _ in range(100):
            if not open_now[0]:
                return True
            await asyncio.sleep(0.01)
        return False

    kept, freed = open_source(spec(port, TAGS)), open_source(spec(port, TAGS, workarounds={"close_after_poll": True}))
    await kept.read(kept.spec.tags)
    assert not await others_may()
    await kept.close()
    for _ in range(3):
        assert [row.value for row in (await freed.read(freed.spec.tags)).rows()] == GOOD
        assert await others_may()
    assert (worst[0], freed.counts.connects) == (1, 3)
    server.close()
    await server.wait_closed()


def sharing(port, name, others, tags, **options):
    made = spec(port, tags, timeout_s=0.4, shares_line_with=others, **options)
    return open_source(type(made)(name, *[getattr(made, key) for key in made.__slots__[1:]]))


async def test_sources_behind_one_line_never_ask_at_the_same_time_and_wait_for_one_time_out_at_most():
    busy, clashes, order = [0], [0], []

    async def respond(request, writer):
        """A gateway that mixes up what comes while its line is busy."""
        clashes[0] += busy[0]
        busy[0] += 1
        order.append(request[6])
        await asyncio.sleep(0.01)
        if request[6] < 8:
            writer.write(mbap(request, good_pdu(request)))
        busy[0] -= 1

    async with hostile_server(respond) as port:
        live = [tag(0), tag(1, address=300), tag(2, address=600), tag(3, address=900)]
        dying = [tag(0, device_id=8), tag(1, device_id=9), tag(2, device_id=1)]
        first, second = sharing(port, "a", ["b"], live), sharing(port, "b", ["a"], dying)
        share_lines([first, second])
        assert first.turn is second.turn
        batch, other = await asyncio.gather(first.read(first.spec.tags), second.read(second.spec.tags))
        assert [row.value for row in batch.rows()] == [0, 300, 600, 900]
        assert [row.reasons for row in other.rows()] == [Reason.COMMS, Reason.COMMS, Reason.OK]
        assert clashes == [0]
        assert order == [1, 1, 1, 8, 1, 9, 1]  # question by question
        await first.close()
        await second.close()


def test_who_shares_nothing_waits_for_nobody():
    one, other = sharing(1, "a", [], TAGS), sharing(1, "b", [], TAGS)
    share_lines([one, other])
    assert one.turn is not other.turn
