"""A million Modbus answers that went wrong: none is taken for a value that it is not."""

import faulthandler
import gc
import random
import struct
import time
import tracemalloc

import pytest

from drivers.blocks import Block
from drivers.errors import SourceDown
from drivers.modbus.answers import Failure, question_of
from drivers.modbus.line import FRAMINGS
from drivers.modbus.source import ModbusSource
from tests.drills.conftest import rss_mb
from tests.drills.modbus_replies import KINDS, Bench, Tally, honest, mutate, perfect, run, truth
from tests.drivers.servers import hostile_server, spec, tag

MILLION, PART = 1_000_000, 25_000
# seen by nobody: other data in a perfect TCP frame. In RTU a checksum must fit by chance.
DATA_MAY_CHANGE = {"TCP " + kind for kind in (
    "one to three bits", "data bits", "bytes at random", "bytes lost", "bytes added", "bytes exchanged",
    "other question",
)}  # fmt: skip


def assert_true(tally):
    assert not tally.wrong, tally.wrong[:3]
    for kind, n in tally.unseen.items():
        if kind == "RTU other question":
            continue  # perfect, only not ours: RTU names neither question nor address, so a line is kept clean instead
        if kind.startswith("RTU"):
            assert n <= 1 + tally.asked[kind] / 2_000, f"{kind}: {n} checksums fit by chance"
        else:
            assert kind in DATA_MAY_CHANGE, kind
    for framing in ("TCP", "RTU"):
        assert tally.taken[f"{framing} untouched"] == tally.asked[f"{framing} untouched"] > 0
        for kind in ("echo", "rubbish", "text", "flood", "nothing", "other function", "too few", "too many",
                     "count lies", "an exception", "exception of another", "cut short", "other device"):  # fmt: skip
            assert tally.taken[f"{framing} {kind}"] == 0, kind
    assert tally.taken["TCP other transaction"] == 0


async def test_six_thousand_mutated_answers_bring_no_wrong_value(seed):
    tally = await run(f"{seed} short", 6_000)
    assert sum(tally.asked.values()) == 6_000
    assert_true(tally)


async def test_mutated_answers_leave_nothing_behind_in_memory():
    await run("warm", 200)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for part in range(3):
        await run(f"slice {part}", 100)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000, f"{grown} bytes stayed"


@pytest.mark.drill
async def test_a_million_mutated_answers_bring_no_wrong_value_and_no_growth(seed, parts, tell):
    done = parts("modbus_replies", part=PART)
    begun, before = time.monotonic(), 0.0
    for number in range(MILLION // PART):
        if str(number) in done.done:
            continue
        faulthandler.dump_traceback_later(600, exit=True)  # a hang ends the drill and says where
        done.add(number, (await run(f"{seed} {number}", PART)).plain())
        faulthandler.cancel_dump_traceback_later()
        gc.collect()
        before = before or rss_mb()
        tell(f"  modbus answers: {(number + 1) * PART:>9,} of {MILLION:,}  {time.monotonic() - begun:6.0f} s  "
             f"{rss_mb():6.1f} MB")  # fmt: skip
    whole = Tally()
    for one in done.done.values():
        whole.add(Tally.of(one))
    for line in whole.lines():
        tell(line)
    assert sum(whole.asked.values()) == MILLION
    assert_true(whole)
    if before:  # 40 bytes kept of each answer would be 40 MB; what other drills left in this process moves by 20
        assert rss_mb() - before < 40, f"{before:.1f} MB grew to {rss_mb():.1f} MB"
    done.end()


async def over_sockets(seed, count):
    """Through a real socket and the whole source: polls whose answers went wrong, and what their values were."""
    rng, tally, taken, refused = random.Random(seed), Tally(), 0, 0
    unseen = [False]

    async def respond(request, writer):
        if len(request) != 12:
            writer.close()
            return
        kind = rng.choice(KINDS)
        data = mutate(kind, rng, request, False)
        right = honest(request, False)[9:]
        unseen[0] |= any(payload != right for payload in perfect(data, request, False))
        writer.write(data)
        if data != honest(request, False):
            writer.close()  # so that nobody has to wait for what does not come

    async with hostile_server(respond) as port:
        tags = [tag(n, address=7 * n, device_id=1 + n % 3) for n in range(9)]
        now = [0.0]
        source = ModbusSource(spec(port, tags, timeout_s=0.3, max_gap=0), monotonic=lambda: now[0])
        for _ in range(count):
            now[0] += 400.0  # whoever answered badly has had its rest
            unseen[0] = False
            try:
                batch = await source.read(tags)
            except SourceDown:
                refused += len(tags)
                continue
            for row, one in zip(batch.rows(), tags, strict=True):
                if row.value is None:
                    assert row.reasons
                    refused += 1
                    continue
                taken += 1
                (right,) = struct.unpack(">H", truth(one.where.device_id, 3, one.where.address, 1))
                if row.value != right and not unseen[0]:
                    tally.wrong.append([one.name, row.value, right])
        await source.close()
    assert not tally.wrong, tally.wrong[:3]
    assert taken > count / 20
    assert refused > count / 20
    return taken, refused


async def test_fifty_polls_of_mutated_answers_over_a_socket_bring_no_wrong_value(seed):
    await over_sockets(f"{seed} socket", 50)


@pytest.mark.drill
async def test_ten_thousand_polls_of_mutated_answers_over_a_socket_bring_no_wrong_value(seed, tell):
    before = rss_mb()
    for part in range(10):
        taken, refused = await over_sockets(f"{seed} socket {part}", 1_000)
        tell(f"  over a socket: part {part + 1} of 10, {taken:,} values taken, {refused:,} refused, {rss_mb():.1f} MB")
    assert rss_mb() - before < 20


@pytest.mark.parametrize("driver", ["modbus_tcp", "modbus_rtu_over_tcp"])
async def test_the_echo_of_a_question_that_looks_like_its_answer_is_no_answer(driver):
    """17 to 24 coils from 0x03xx on: the request itself is then a perfect answer of three bytes. Found by the drill."""
    bench, rng = Bench(driver), random.Random(0)
    question = question_of(Block(7, "coil", 0x0345, 20, ()), FRAMINGS[driver])
    for kind in ("echo", "after an echo"):
        outcome, request, arrived = await bench.ask(question, kind, rng)
        assert perfect(arrived, request, bench.rtu)
        right = honest(request, bench.rtu)[3:-2] if bench.rtu else honest(request, bench.rtu)[9:]
        assert outcome == right if kind == "after an echo" and bench.rtu else isinstance(outcome, Failure), kind
