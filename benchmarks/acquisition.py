"""Acquisition against its bars: a read and its decoding, 1,000 devices in one process, how few requests a list takes.

Each server is a process of its own. What a client costs is its processor time, taken round by round with the arms in
turn, so that a busy machine weighs on all of them alike; the ratio of two arms is the median over the rounds.
"""

import asyncio
import json
import random
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.figures import Figure, run
from benchmarks.rigs.devices import Devices
from drivers.blocks import plan
from drivers.modbus.source import open_source
from drivers.record import Register, Tag
from drivers.source import SourceSpec

FLOATS = 62  # and one more register make 125, the most that one request may ask for
REGISTERS = 2 * FLOATS + 1
ANSWER_S = 0.005
CLUSTERS, CLUSTER_TAGS, MAX_GAP = 5, 10, 16
SEED = 0x445C138  # the commit that laid down the planner's limits, before any list was drawn

Ask = Callable[[], Awaitable[object]]


class RawClient(asyncio.Protocol):
    """The least that a client can be: one question, its answer in one piece, a time-out."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._answer: asyncio.Future[bytes] | None = None
        self._number = 0

    def data_received(self, data: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    async def read(self, address: int, count: int) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(struct.pack(">HHHBBHH", self._number, 0, 6, 1, 3, address, count))
        async with asyncio.timeout(1.0):
            answer = await self._answer
        return answer[9:]


def tag(number: int, kind: str, address: int) -> Tag:
    return Tag(number, f"d.t{number}", "d", "other", "1", "d", Register(1, "holding", address, kind))


def spec(port: int, tags: list[Tag], **options: object) -> SourceSpec:
    return SourceSpec("d", "modbus_tcp", "S", 1.0, 1.0, tuple(tags), {"host": "127.0.0.1", "port": port, **options})


async def asked(port: int) -> tuple[Mapping[str, Ask], Callable[[], Awaitable[None]]]:
    """The arms: each reads 125 registers and makes 62 floats and an integer of them; and how to let go of all."""
    loop = asyncio.get_running_loop()
    _, raw = await loop.create_connection(RawClient, "127.0.0.1", port)
    form = struct.Struct(f">{FLOATS}fH")

    async def ask_raw() -> object:
        return form.unpack(await raw.read(0, REGISTERS))

    stock = AsyncModbusTcpClient("127.0.0.1", port=port)
    await stock.connect()

    async def ask_stock() -> object:
        answer = await stock.read_holding_registers(0, count=REGISTERS)
        floats = stock.convert_from_registers(answer.registers[: 2 * FLOATS], stock.DATATYPE.FLOAT32)
        return floats, answer.registers[-1]

    tags = [*(tag(number, "f32", 2 * number) for number in range(FLOATS)), tag(FLOATS, "u16", 2 * FLOATS)]
    source = open_source(spec(port, tags))
    await source.open()

    async def ask_ours() -> object:
        return await source.read(source.spec.tags)

    async def let_go() -> None:
        raw.transport.close()
        stock.close()
        await source.close()

    return {"raw": ask_raw, "ours": ask_ours, "stock": ask_stock}, let_go


async def cost_of_a_read(port: int, rounds: int, requests: int) -> list[Figure]:
    """Processor time per request of each arm [us], and the ratios."""
    arms, let_go = await asked(port)
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name, ask in arms.items():
            start_s = time.process_time()
            for _ in range(requests):
                await ask()
            if number:  # the first round warms up
                taken[name].append(1e6 * (time.process_time() - start_s) / requests)
    await let_go()
    to_raw, to_stock = (
        statistics.median(one / other for one, other in zip(taken["ours"], taken[name], strict=True))
        for name in ("raw", "stock")
    )
    said = {"raw": "minimal asyncio client", "ours": "handwheel", "stock": "pymodbus with convert_from_registers"}
    return [
        *(Figure(f"read of 125 registers, {said[name]}", statistics.median(taken[name]), "us CPU") for name in arms),
        Figure("handwheel to the minimal client", to_raw, "times", 1.5),
        Figure("handwheel to pymodbus as it comes", to_stock, "times", 0.5),
    ]


def clustered(seed: int) -> list[Tag]:
    """Fifty tags as instruments lie in a controller: five clusters far apart, small holes between neighbours."""
    draw = random.Random(seed)
    tags: list[Tag] = []
    for cluster in range(CLUSTERS):
        address = 300 * cluster + draw.randrange(100)
        for _ in range(CLUSTER_TAGS):
            kind = draw.choice(("u16", "f32"))
            tags.append(tag(len(tags), kind, address))
            address += (2 if kind == "f32" else 1) + draw.randrange(9)
    return tags


async def cost_of_a_list(port: int, rounds: int) -> list[Figure]:
    """Requests and time for the same fifty tags, planned and one by one, from a device that takes 5 ms to answer."""
    tags = clustered(SEED)
    planned = len(plan(tags, max_gap=MAX_GAP, max_words=125))
    taken: dict[bool, list[float]] = {False: [], True: []}
    sources = {single: open_source(spec(port, tags, workarounds={"one_request_per_tag": single})) for single in taken}
    for _ in range(rounds):
        for single, source in sources.items():
            start_s = time.monotonic()
            await source.read(source.spec.tags)
            taken[single].append(1000 * (time.monotonic() - start_s))
    for source in sources.values():
        await source.close()
    return [
        Figure("50 clustered tags, requests one by one", float(len(tags)), "requests"),
        Figure("50 clustered tags, requests planned", float(planned), "requests"),
        Figure("50 clustered tags, fewer requests", len(tags) / planned, "times", 5.0, "at least"),
        Figure("50 clustered tags, one by one", statistics.median(taken[True]), "ms"),
        Figure("50 clustered tags, planned", statistics.median(taken[False]), "ms"),
    ]


def many_devices(port: int, seconds: float) -> list[Figure]:
    """1,000 devices of 100 tags at 1 Hz, in a process of their own (benchmarks.rigs.plant)."""
    command = [sys.executable, "-m", "benchmarks.rigs.plant", "--port", str(port), "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    told: dict[str, float] = json.loads(done.stdout) if done.returncode == 0 else {}
    name = "1,000 devices"
    return [
        Figure(f"{name}, lateness p50", told.get("late p50"), "ms"),
        Figure(f"{name}, lateness p99", told.get("late p99"), "ms", 50.0),
        Figure(f"{name}, polls left out", told.get("skipped"), "polls", 0.0),
        Figure(f"{name}, samples", told.get("samples per s"), "1/s"),
        *(Figure(f"{name}, {part}", told.get(f"cpu {part}"), "% of a core") for part in (
            "acquisition", "quality", "survey", "hot store")),
        Figure(f"{name}, all of it", told.get("cpu"), "% of a core", 70.0),
        Figure(f"{name}, memory", told.get("memory"), "MB", 300.0),
    ]  # fmt: skip


def measure(quick: bool) -> list[Figure]:
    """All figures; two cores are needed, one for the client and one for its servers."""
    with Devices(0.0) as devices:
        figures = asyncio.run(cost_of_a_read(devices.port, 5 if quick else 15, 1_000 if quick else 2_000))
    with Devices(ANSWER_S) as devices:
        figures += asyncio.run(cost_of_a_list(devices.port, 3 if quick else 10))
        figures += many_devices(devices.port, 10.0 if quick else 60.0)
    return figures


if __name__ == "__main__":
    raise SystemExit(run("acquisition", measure))
