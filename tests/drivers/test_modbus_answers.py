"""Answers that do not fit, come late, twice, bent, unasked or without end: none of them is ever a value."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.blocks import Block
from drivers.errors import SourceDown
from drivers.modbus import answers
from drivers.modbus.answers import sealed
from drivers.modbus.source import ModbusSource
from drivers.record import Reason
from tests.drivers.servers import good_pdu, hostile_server, mbap, one_read, spec, tag


async def refuse_to_fit(request, writer, kind):
    """The bad answers that have been seen on the wire."""
    count = int.from_bytes(request[10:12], "big")
    data = bytes(2 * count)
    pdus = {
        "wrong function code": bytes([4, len(data)]) + data,
        "a write's function code": bytes([6]) + request[8:12],
        "unknown function code": bytes([0x63, 1, 2]),
        "exception of another function": bytes([0x84, 2]),
        "too few": bytes([3, 4]) + data[:4],
        "too many": bytes([3, len(data) + 4]) + data + b"\1\2\3\4",
        "odd byte count": bytes([3, len(data) - 1]) + data[:-1],
        "byte count lies low": bytes([3, len(data) - 2]) + data,
        "byte count lies high": bytes([3, len(data) + 2]) + data,
        "nothing but the code": bytes([3]),
        "empty": b"",
    }
    frames = {
        "other transaction": mbap(request, good_pdu(request), tid=0x7777),
        "transaction 0": mbap(request, good_pdu(request), tid=0),
        "other device": mbap(request, good_pdu(request), unit=9),
        "truncated": mbap(request, good_pdu(request))[:-3],
        "length zero": mbap(request, good_pdu(request), length=0),
        "length huge": mbap(request, good_pdu(request), length=0xFFFF),
        "length lies short": mbap(request, good_pdu(request), length=4),
        "garbage": b"\xde\xad\xbe\xef" * 20,
        "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "flood": b"\0" * 5000,
    }
    writer.write(mbap(request, pdus[kind]) if kind in pdus else frames[kind])


BAD_ANSWERS = [
    "wrong function code", "a write's function code", "unknown function code", "exception of another function",
    "too few", "too many", "odd byte count", "byte count lies low", "byte count lies high", "nothing but the code",
    "empty", "other transaction", "transaction 0", "other device", "truncated", "length zero", "length huge",
    "length lies short", "garbage", "text", "flood",
]  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ANSWERS)
async def test_an_answer_that_does_not_fit_its_question_is_never_a_value(opened, kind, caplog):
    caplog.set_level(logging.WARNING)

    async def respond(request, writer):
        if request[6] == 2:
            writer.write(mbap(request, good_pdu(request, 5)))
        else:
            await refuse_to_fit(request, writer, kind)

    async with hostile_server(respond) as port:
        tags = [tag(n, address=n) for n in range(10)] + [tag(10, device_id=2)]
        source = await opened(port, tags, timeout_s=0.5)
        rows = await one_read(source)
    assert [row.value for row in rows] == [None] * 10 + [5]
    assert {row.reasons for row in rows[:10]} == {Reason.COMMS}
    assert all("device 1, holding 0 to 9" in row.detail and "no answer" not in row.detail for row in rows[:10])
    assert "transaction" not in kind or f"answered with {'transaction 0' if '0' in kind else 'transaction 30583'}" in (
        rows[0].detail
    )
    assert (source.counts.requests, source.counts.unfit, source.counts.timeouts) == (2, 1, 0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_device_that_talks_rubbish_is_hung_up_on_and_left_alone_for_a_while():
    asked, now, honest = [], [0.0], [False]

    async def respond(request, writer):
        asked.append(request[6])
        writer.write(mbap(request, good_pdu(request, 7)) if honest[0] or request[6] == 1 else b"HTTP/1.1 400\r\n\r\n")

    async with hostile_server(respond) as port:
        source = ModbusSource(spec(port, [tag(0), tag(1, device_id=2)]), monotonic=lambda: now[0])
        for _ in range(3):
            rows = await one_read(source)
        assert [row.value for row in rows] == [7, None]
        assert "what is not Modbus TCP: 485454502f312e31" in rows[1].detail
        assert (asked, source.counts.unfit) == ([1, 2, 1, 1], 1)
        now[0], honest[0] = 1.5, True
        assert [row.value for row in await one_read(source)] == [7, 7]
        alone, honest[0] = ModbusSource(spec(port, [tag(1, device_id=2)])), False
        with pytest.raises(SourceDown, match="what is not Modbus TCP"):
            await alone.read(alone.spec.tags)
        assert not alone.line.is_open
        await source.close()


async def test_duplicate_and_dripping_answers_do_no_harm(opened):
    async def respond(request, writer):
        frame = mbap(request, good_pdu(request, 3))
        if request[6] == 1:
            writer.write(frame + frame)
        else:
            for n in range(len(frame)):
                writer.write(frame[n : n + 1])
                await asyncio.sleep(0.001)

    async with hostile_server(respond) as port:
        tags = [tag(n, address=n) for n in range(125)] + [tag(125, device_id=2)]
        source = await opened(port, tags)
        for _ in range(3):
            assert [row.value for row in await one_read(source)] == [*range(3, 128), 3]
        assert source.counts.connects == 1


async def test_a_late_answer_never_serves_the_next_question(opened):
    """The answer to the first question arrives while the second waits; the values would be plausible, and old."""
    asked = []

    async def respond(request, writer):
        asked.append(request)
        number = len(asked)
        if number == 1:
            await asyncio.sleep(0.9)  # the time-out is 0.4 s
        writer.write(mbap(request, bytes([3, 2, 0, number])))

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)], timeout_s=0.4)
        with pytest.raises(SourceDown):
            await source.read(source.spec.tags)
        await source.open()
        for expected in (2, 3, 4):
            assert (await one_read(source))[0].value == expected
            await asyncio.sleep(0.25)
    assert (source.counts.timeouts, source.counts.unfit) == (1, 0)


@pytest.mark.parametrize("words", [1, 2, 40])
async def test_over_rtu_a_late_answer_meets_a_question_that_it_cannot_serve(words):
    """A gateway hands what comes from its line to whoever is connected; the frames carry no number."""
    asked, late_s, now = [], [0.45], [0.0]
    newest = [None]

    async def respond(request, writer):
        newest[0] = writer
        asked.append(request)
        count = int.from_bytes(request[4:6], "big")
        answer = sealed(bytes([1, 3, 2 * count]) + bytes([0, len(asked)]) * count)
        asyncio.get_running_loop().call_later(late_s[0], lambda: newest[0].write(answer))

    async with hostile_server(respond) as port:
        tags = [tag(0, "string" if words > 1 else "u16", words=words)]
        source = ModbusSource(spec(port, tags, driver="modbus_rtu_over_tcp", timeout_s=0.3), monotonic=lambda: now[0])
        for _ in range(3):  # 0.45 s: the answer to one question comes while the next one waits
            with pytest.raises(SourceDown):
                await source.read(source.spec.tags)
            now[0] += 60
        late_s[0] = 0.01
        with suppress(SourceDown):
            await source.read(source.spec.tags)
        await asyncio.sleep(0.6)
        for _ in range(2):
            row = (await one_read(source))[0]
            expected = len(asked)
            assert row.value == (expected if words == 1 else bytes([0, expected]).decode() * words)
        await source.close()


async def test_over_rtu_the_fresh_chance_of_a_device_is_none_for_its_late_answer():
    """A silent line lives again with device 1; what device 2 owes from before comes just then, and fits by its head."""
    asked, owed, alive, now = [], [], [False], [0.0]

    async def respond(request, writer):
        device, count = request[0], int.from_bytes(request[4:6], "big")
        asked.append((device, count))
        if not alive[0]:
            if device == 2:
                owed.append(sealed(bytes([2, 3, 2 * count]) + bytes([0, 66]) * count))
            return
        if device == 2 and owed:
            writer.write(owed.pop())  # its real answer waits behind this one
            await asyncio.sleep(0.05)
        writer.write(sealed(bytes([device, 3, 2 * count]) + bytes([0, 7]) * count))

    async with hostile_server(respond) as port:
        tags = [tag(n, device_id=n) for n in (1, 2)]
        source = ModbusSource(spec(port, tags, driver="modbus_rtu_over_tcp", timeout_s=0.3), monotonic=lambda: now[0])
        with pytest.raises(SourceDown):
            await source.read(source.spec.tags)
        alive[0] = True
        del asked[:]
        with suppress(SourceDown):
            assert 66 not in [row.value for row in await one_read(source)]
        assert asked[0] != (1, 1)  # sounded out first
        assert (2, 1) not in asked[: asked.index((2, 2)) if (2, 2) in asked else None]
        for _ in range(3):
            now[0] += 60
            rows = await one_read(source)
            assert 66 not in [row.value for row in rows]
        assert [row.value for row in rows] == [7, 7]
        await source.close()


async def test_who_speaks_unasked_over_rtu_is_hung_up_on(opened):
    async def respond(request, writer):
        count = int.from_bytes(request[4:6], "big")
        answer = sealed(bytes([1, 3, 2 * count]) + bytes([0, 7]) * count)
        writer.write(answer)
        asyncio.get_running_loop().call_later(0.05, writer.write, answer)

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)], driver="modbus_rtu_over_tcp")
        assert (await one_read(source))[0].value == 7
        await asyncio.sleep(0.3)
        assert not source.line.is_open
        assert source.counts.unfit == 1
        assert (await one_read(source))[0].value == 7


async def test_a_device_that_does_not_stop_talking_is_hung_up_on(opened):
    gone = asyncio.Event()

    async def respond(request, writer):
        writer.write(mbap(request, good_pdu(request, 7)))
        try:
            while True:
                writer.write(b"\0" * 5000)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0)])
        assert (await one_read(source))[0].value == 7
        await asyncio.wait_for(gone.wait(), 20)
        assert not source.line.is_open


@pytest.mark.parametrize("noise", ["00", "ff00", "01", "010300"])
async def test_noise_and_the_echo_of_the_question_before_an_rtu_answer_are_passed_over(opened, noise):
    async def respond(request, writer):
        answer = sealed(bytes([1, 3, 4, 0, 7, 0, 8]))
        writer.write(bytes.fromhex(noise) + (request if noise == "ff00" else b"") + answer)

    async with hostile_server(respond) as port:
        source = await opened(port, [tag(0), tag(1, address=1)], driver="modbus_rtu_over_tcp")
        assert [row.value for row in await one_read(source)] == [7, 8]


def frame_of(framing, block, payload, transaction=b"\0\7"):
    pdu = bytes([answers.FUNCTIONS[block.table], len(payload)]) + payload
    if framing is answers.Rtu:
        return sealed(bytes([block.device_id]) + pdu)
    return transaction + (0).to_bytes(2, "big") + (len(pdu) + 1).to_bytes(2, "big") + bytes([block.device_id]) + pdu


BLOCKS = st.builds(
    lambda device, table, address, count: Block(device, table, address, count, ()),
    st.integers(1, 247), st.sampled_from(["holding", "input", "coil", "discrete"]), st.integers(0, 65_000),
    st.integers(1, 125),
)  # fmt: skip


@given(block=BLOCKS, framing=st.sampled_from([answers.Mbap, answers.Rtu]), data=st.data())
def test_whatever_becomes_of_an_answer_on_its_way_it_is_taken_whole_or_not_at_all(block, framing, data):
    question = answers.question_of(block, framing)
    payload = data.draw(st.binary(min_size=question.size, max_size=question.size))
    frame = frame_of(framing, block, payload)
    assert framing.take(frame, question, b"\0\7") == payload
    cut = data.draw(st.integers(0, len(frame) - 1))
    assert framing.take(frame[:cut], question, b"\0\7") is None
    at, flip = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.integers(1, 255))
    bent = frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :]
    taken = framing.take(bent, question, b"\0\7")
    if framing is answers.Rtu or at < 9:  # TCP's own checksum looks after the payload
        assert not isinstance(taken, bytes)
    late = framing.take(frame_of(framing, block, payload, b"\0\6"), question, b"\0\7")
    assert late is None or framing is answers.Rtu
    neighbour = frame_of(framing, replace(block, device_id=block.device_id % 247 + 1), payload)
    assert not isinstance(framing.take(neighbour, question, b"\0\7"), bytes)
    for length in {len(payload) - 1, len(payload) + 1, 0} - {len(payload)}:
        wrong = framing.take(frame_of(framing, block, bytes(length)), question, b"\0\7")
        assert not isinstance(wrong, bytes)
