"""`python -m benchmarks.rigs.devices [--delay S]`: Modbus TCP devices that answer fast, so that the client is measured.

One process is any number of devices: each connection is one. Its registers are 32-bit floats: the first is 1 (it runs),
three in sixteen count up, the others move about a level, anew each second. It says its port on the first line and ends
when its standard input is closed.
"""

import argparse
import asyncio
import random
import struct
import sys
import time
from subprocess import PIPE, Popen
from typing import Self

FLOATS, VARIANTS = 128, 8
PERIOD, COUNTERS = 16, (12, 13, 14)  # of sixteen floats these count
LEVEL, MOVES, PER_S = 20.0, 2.0, 1 / 3600


def registers(second: int) -> list[bytes]:
    """What some devices hold in this second."""
    draw = random.Random(second)
    return [
        struct.pack(f">{FLOATS}f", 1.0, *(
            1000.0 + second * PER_S if at % PERIOD in COUNTERS else LEVEL + MOVES * draw.random()
            for at in range(1, FLOATS)
        ))
        for _ in range(VARIANTS)
    ]  # fmt: skip


class Device(asyncio.Protocol):
    """Answers each read of holding registers, `delay_s` after it came."""

    def __init__(self, held: list[bytes], delay_s: float) -> None:
        self._held, self._delay_s = held, delay_s
        self._number = random.randrange(VARIANTS)
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        heard = self._heard + data
        while len(heard) >= 12:
            self._ask(heard[:12])
            heard = heard[12:]
        self._heard = heard

    def _ask(self, request: bytes) -> None:
        address, count = struct.unpack_from(">HH", request, 8)
        start = 2 * address % (4 * FLOATS)  # beyond its registers a device repeats itself
        payload = (2 * self._held[self._number])[start : start + 2 * count]
        answer = request[:4] + struct.pack(">HBBB", 3 + len(payload), request[6], request[7], len(payload)) + payload
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answer)
        else:
            self._transport.write(answer)


class Devices:
    """The devices in a process of their own, for as long as the block lasts."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __spec__.name, "--delay", str(self._delay_s)]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


async def _serve(delay_s: float) -> None:
    loop, held, start_s = asyncio.get_running_loop(), registers(0), time.monotonic()
    server = await loop.create_server(lambda: Device(held, delay_s), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        held[:] = registers(int(time.monotonic() - start_s))
        await asyncio.wait([ended], timeout=1.0)
    server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, metavar="S")
    asyncio.run(_serve(parser.parse_args().delay))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
