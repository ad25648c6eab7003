"""A device that answers as tests/devices/NAME/answer.txt says: pymodbus's own server, in a thread of its own.

By hand: python -m tests.monitor.answering grundfos_cim 15020
"""

import asyncio
import itertools
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

DEVICES = Path(__file__).parents[1] / "devices"


def answer_of(name: str) -> dict[tuple[str, int], int]:
    """The registers of tests/devices/NAME/answer.txt: (table, wire address) -> word."""
    words = {}
    for line in (DEVICES / name / "answer.txt").read_text().splitlines():
        if not line.startswith("#"):
            head, _, data = line.partition(":")
            table, address = head.split()
            words |= {(table, int(address) + n): int(word, 16) for n, word in enumerate(data.split())}
    return words


def device(words: Mapping[tuple[str, int], int], device_id: int = 1) -> SimDevice:
    """pymodbus's device with these registers and no others."""

    def runs(table: str) -> list[SimData]:
        addresses = sorted(address for name, address in words if name == table)
        found = []
        for _, run in itertools.groupby(enumerate(addresses), lambda pair: pair[1] - pair[0]):
            one = [address for _, address in run]
            values = [words[table, address] for address in one]
            found.append(SimData(one[0], values=values, datatype=DataType.REGISTERS))
        return found or [SimData(65_535, values=[0], datatype=DataType.REGISTERS)]

    bits = [SimData(0, values=[True, False, True], datatype=DataType.BITS)]
    return SimDevice(device_id, simdata=(bits, bits, runs("holding"), runs("input")))


@contextmanager
def answering(words: Mapping[tuple[str, int], int], port: int = 0) -> Iterator[int]:
    """Serve these registers on loopback while the block runs; gives the port."""
    ready, stop = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        known = ModbusDeviceIdentification(info_name={"VendorName": "Acme\x1b[31m", "ProductCode": "CIM 500"})
        server = ModbusTcpServer(device(words), identity=known, address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        ports.append(server.transport.sockets[0].getsockname()[1])
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await server.shutdown()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join(10)


if __name__ == "__main__":
    with answering(answer_of(sys.argv[1]), int(sys.argv[2])) as where:
        print(f"{sys.argv[1]} answers on port {where}; Ctrl-C ends it")
        threading.Event().wait()
