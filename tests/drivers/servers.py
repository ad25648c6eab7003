"""Real servers on loopback for the driver tests, and one that answers Modbus as badly as devices have been seen to."""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from asyncua import Server, ua
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.record import Node, Register, Tag
from drivers.source import SourceSpec


def tag(number: int, kind: str = "u16", address: int = 0, *, device_id: int = 1, table: str = "holding", **more) -> Tag:
    """A Modbus tag named after its number."""
    own = {key: more.pop(key) for key in ("estimated", "every_s") if key in more}
    where = Register(device_id, table, address, kind, **more)
    return Tag(number, f"p.t{number}", "p", f"t{number}", "1", "line", where, **own)


def spec(port: int, tags, *, driver: str = "modbus_tcp", timeout_s: float = 1.0, **options) -> SourceSpec:
    return SourceSpec("line", driver, "G", 5.0, timeout_s, tuple(tags), {"host": "127.0.0.1", "port": port, **options})


def registers(values: dict[int, list[int]]) -> list[SimData]:
    return [SimData(address, values=words, datatype=DataType.REGISTERS) for address, words in values.items()]


def memory(values: dict[int, list[int]], device_id: int = 1, action=None) -> SimDevice:
    """A device of pymodbus's server with these holding registers."""
    return SimDevice(device_id, simdata=registers(values), action=action)


async def one_read(source, tags=None):
    batch = await source.read(source.spec.tags if tags is None else tags)
    return list(batch.rows())


@asynccontextmanager
async def modbus_server(
    devices: SimDevice | list[SimDevice], framer: FramerType = FramerType.SOCKET, port: int = 0, **more
) -> AsyncIterator[ModbusTcpServer]:
    """pymodbus's own server; `.port` is where it listens."""
    server = ModbusTcpServer(devices, framer=framer, address=("127.0.0.1", port), **more)
    await server.serve_forever(background=True)
    server.port = server.transport.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await server.shutdown()
        await asyncio.sleep(0)


Answer = Callable[[bytes], bytes | None]


@asynccontextmanager
async def hostile_server(respond: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that hands each request, as it came in one piece, to `respond`. Yields its port."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while request := await reader.read(300):
                await respond(request, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()
        await asyncio.sleep(0)


def mbap(
    request: bytes, pdu: bytes, *, tid: int | None = None, unit: int | None = None, length: int | None = None
) -> bytes:
    """An answer frame to `request` that carries `pdu`; the keywords make it lie."""
    own_tid = int.from_bytes(request[:2], "big")
    return (
        struct.pack(
            ">HHHB",
            own_tid if tid is None else tid,
            0,
            len(pdu) + 1 if length is None else length,
            request[6] if unit is None else unit,
        )
        + pdu
    )


def good_pdu(request: bytes, first: int = 0) -> bytes:
    """What an honest device says: register n holds first + n."""
    address, count = struct.unpack(">HH", request[8:12])
    return bytes([request[7], 2 * count]) + struct.pack(f">{count}H", *(first + address + n for n in range(count)))


@asynccontextmanager
async def opcua_server(port: int = 0, extra_namespaces: tuple[str, ...] = ()) -> AsyncIterator[Server]:
    """asyncua's own server with an object "Pump" in the namespace urn:plant; `.url` is where it listens."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    server = Server()
    server.iserver.bind_condition_methods = True
    await server.init()
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    for uri in extra_namespaces:
        await server.register_namespace(uri)
    server.space = await server.register_namespace("urn:plant")
    server.pump = await server.nodes.objects.add_object(ua.NodeId("Pump", server.space), "Pump")
    await server.start()
    port = server.bserver._server.sockets[0].getsockname()[1]
    server.url = f"opc.tcp://127.0.0.1:{port}/"
    try:
        yield server
    finally:
        await server.stop()


def opcua_spec(url: str, nodes: dict[str, str], *, timeout_s: float = 5.0, **options) -> SourceSpec:
    """A source with one tag per name, of asset "p"."""
    tags = tuple(
        Tag(n, f"p.{name}", "p", name, "1", "server", Node(node)) for n, (name, node) in enumerate(nodes.items())
    )
    return SourceSpec("server", "opcua", "G", 5.0, timeout_s, tags, {"url": url, **options})


async def variables(server: Server, **values: object) -> None:
    """Variables of the object "Pump", by name."""
    for name, value in values.items():
        await server.pump.add_variable(ua.NodeId(f"Pump.{name}", server.space), name, value)


async def put(server: Server, name: str, value: object, status: int = 0, moment: datetime | None = None) -> None:
    """Write a value with its status code and source time into the server."""
    node = server.get_node(ua.NodeId(f"Pump.{name}", server.space))
    await node.write_value(
        ua.DataValue(ua.Variant(value), ua.StatusCode(status), SourceTimestamp=moment or datetime.now(UTC))
    )


def nodes(*names: str, space: str = "urn:plant", prefix: str = "Pump.") -> dict[str, str]:
    """The node ids of these variables, by name."""
    return {name: f"nsu={space};s={prefix}{name}" for name in names}
