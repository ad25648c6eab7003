"""Read-only, shown: what crossed the wire of a whole plant, sound and in faults; and what the judge would catch."""

import asyncio
import struct
from contextlib import suppress

import psutil
import pytest
import pytest_asyncio
from asyncua import Client, ua
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.simulator import DataType, SimData, SimDevice

from monitor.historian.reader import HotReader
from monitor.ledger import entries
from tests.acceptance.demo_run import DemoRun, links
from tests.acceptance.recording_proxy import RecordingProxy
from tests.acceptance.wire import READABLE, SERVICES, Listener, Said, crc16, faults
from tests.drivers.servers import modbus_server, opcua_server

plant = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory):
    """The demo's plant, fast enough for pumps to start and stop, with recorders before all of its devices."""
    async with DemoRun(tmp_path_factory.mktemp("d") / "d", speed=20.0) as running:
        await running.until(lambda s: set(links(s).values()) == {"up"}, "a sound plant")
        yield running


def requests(run):
    return {source: dict(proxy.record.counts) for source, proxy in run.proxies.items()}


def assert_reads_only(run):
    for source, proxy in run.proxies.items():
        beyond = faults(proxy.record.requests, SERVICES if proxy.kind == "opcua" else READABLE)
        assert not beyond, f"{source}: {beyond[:5]}"


@plant
async def test_a_sound_plant_is_read_and_nothing_else_crosses_the_wire(run):
    before = requests(run)
    await run.until(
        lambda _: all(
            sum(now.values()) >= sum(before[source].values()) + 4 for source, now in requests(run).items()
        ), "four more requests to every source",
    )  # fmt: skip
    seen = requests(run)
    assert set(seen) == {"n_boreholes", "n_drives", "n_meters", "r_line", "r_plc", "h_opcua"}
    assert {"FC 2", "FC 3", "FC 4"} <= {kind for counts in seen.values() for kind in counts}
    assert {"HEL", "OpenSecureChannel", "CreateSession", "ActivateSession", "Read"} <= set(seen["h_opcua"])
    assert seen["h_opcua"]["Call ConditionRefresh"] >= 1
    assert all(proxy.record.received > proxy.record.sent / 4 > 0 for proxy in run.proxies.values())
    assert_reads_only(run)


@plant
async def test_only_configured_endpoints_are_connected_and_nobody_listens(run):
    """The daemon with its worker, intake and a screen that reads: psutil's view of their sockets, many times."""
    run.start_screen()
    configured = {("127.0.0.1", proxy.port) for proxy in run.proxies.values()}
    seen, looks = set(), 0
    for _ in range(30):
        family = [psutil.Process(run.children[name].pid) for name in ("daemon", "intake", "screen")]
        family += [child for one in family for child in one.children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                for end in one.net_connections("inet"):
                    looks += 1
                    assert end.status != psutil.CONN_LISTEN, end
                    assert end.raddr, f"a socket without a peer: {end}"
                    seen.add(tuple(end.raddr))
        await asyncio.sleep(0.1)
    assert looks > 30
    assert seen == configured


@plant
async def test_through_faults_restarts_and_conditions_nothing_but_reads_crosses_the_wire(run):
    """Dead, silent and refusing devices, a worn bearing whose server raises a condition, the daemon killed twice."""
    before = requests(run)
    connections = {source: proxy.record.connections for source, proxy in run.proxies.items()}
    run.faults("dead_device:n_drives", "silent_device:r_line/2", "refused_block:N-P02", "worn_bearing:H-P03",
               "all_ffff:R-T01")  # fmt: skip
    await run.until(lambda s: links(s)["n_drives"] == "down" and links(s)["r_line"] == "degraded"
                    and links(s)["n_boreholes"] == "degraded", "the faults")  # fmt: skip
    await run.until(lambda _: any(one.data["feed"] == "opcua" for one in entries(run.state, ["vendor_alert"])),
                    "the server's condition")  # fmt: skip
    for _ in range(2):
        await run.kill("daemon")
        run.start("daemon", "run")
        await run.until(lambda s: links(s)["h_opcua"] == "up", "back after a kill")
    run.faults("link_down:R", "link_down:H")
    await run.until(lambda s: {links(s)[one] for one in ("r_line", "r_plc", "h_opcua")} == {"down"}
                    and links(s)["n_drives"] == "up", "two sites gone")  # fmt: skip
    run.faults()
    # what a device refused is asked for again after minutes only: until then its link is degraded, and says so
    await run.until(lambda s: {state for one, state in links(s).items() if one != "n_boreholes"} == {"up"}
                    and links(s)["n_boreholes"] in ("up", "degraded"), "all back by themselves")  # fmt: skip
    seen = requests(run)
    assert run.proxies["n_boreholes"].record.refusals["exception 2"] >= 3
    for source in seen:
        assert sum(seen[source].values()) >= sum(before[source].values()) + 4, source
        assert run.proxies[source].record.connections > connections[source], source
    assert seen["h_opcua"]["Call ConditionRefresh"] >= 4
    assert_reads_only(run)
    assert any(one.data["feed"] == "opcua" for one in entries(run.state, ["vendor_alert"]))
    assert HotReader(run.state.hot).latest()


WRITES = {  # by name of the method: arguments, and what the judge must call it
    "write_coil": ((0, True), "FC 5"),
    "write_register": ((0, 7), "FC 6"),
    "write_coils": ((0, [True, True]), "FC 15"),
    "write_registers": ((0, [7, 7]), "FC 16"),
    "mask_write_register": ((), "FC 22"),
    "diag_restart_communication": ((True,), "FC 8"),
    "report_device_id": ((), "FC 17"),
    "read_device_information": ((), "FC 43"),
    "read_fifo_queue": ((), "FC 24"),
}


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
async def test_the_judge_catches_each_write_of_a_careless_modbus_client(kind):
    device = SimDevice(1, simdata=[SimData(0, values=[1] * 8, datatype=DataType.REGISTERS)])
    framer = FramerType.SOCKET if kind == "tcp" else FramerType.RTU
    async with modbus_server(device, framer) as server, RecordingProxy(kind, server.port) as proxy:
        for name, (arguments, _) in WRITES.items():
            client = AsyncModbusTcpClient("127.0.0.1", port=proxy.port, framer=framer, timeout=0.3, retries=0)
            await client.connect()
            await client.read_holding_registers(0, count=2, device_id=1)
            with suppress(ModbusException):
                await getattr(client, name)(*arguments, device_id=1)
            client.close()
    caught = faults(proxy.record.requests, READABLE)
    # RTU has no length: a function code that the standard gives none is unreadable, which is caught as well
    words = [one.what if one.what != "UNREADABLE" else one.detail for one in caught]
    for name, (_, what) in WRITES.items():
        assert any(what in one or f"function code {what[3:]}:" in one for one in words), (name, words)
    assert len(caught) == len(WRITES)
    assert proxy.record.counts["FC 3"] == len(WRITES)


async def test_the_judge_catches_writes_and_calls_of_a_careless_opc_ua_client():
    async with opcua_server() as server:
        node = await server.pump.add_variable(ua.NodeId("Pump.speed", server.space), "speed", 50.0)
        await node.set_writable()
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
        async with RecordingProxy("opcua", port) as proxy, Client(f"opc.tcp://127.0.0.1:{proxy.port}/") as client:
            theirs = client.get_node(node.nodeid)
            await theirs.write_value(0.0)
            acknowledge = ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge)
            refresh = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
            for target, method in ((client.nodes.server, acknowledge), (theirs, refresh)):
                with suppress(ua.UaError):
                    await target.call_method(method)
            with suppress(ua.UaError):  # two calls of which one is allowed
                await client.uaclient.session.call([
                    ua.CallMethodRequest(ObjectId=ua.NodeId(ua.ObjectIds.ConditionType), MethodId=refresh),
                    ua.CallMethodRequest(ObjectId=theirs.nodeid, MethodId=ua.NodeId("Stop", 2)),
                ])  # fmt: skip
            with suppress(ua.UaError):
                await client.delete_nodes([theirs])
            long = [theirs.nodeid] * 20_000  # a request of many chunks
            with suppress(ua.UaError):
                await client.uaclient.session.register_nodes(long)
    caught = [one.what for one in faults(proxy.record.requests, SERVICES)]
    assert caught[:4] == ["Write", "Call (0, 9111)", "Call (0, 3875)", "Call (2, b'Stop')"]
    assert {"DeleteNodes", "RegisterNodes"} <= set(caught)
    assert proxy.record.counts["Call ConditionRefresh"] == 1


def test_what_the_judge_cannot_read_is_never_allowed():
    read = b"\0\1\0\0\0\6\1\3\0\0\0\1"
    for kind, stream in [
        ("tcp", b"GET / HTTP/1.1\r\n\r\n"),
        ("tcp", read[:9]),
        ("tcp", read.replace(b"\0\6", b"\0\7") + b"\0"),
        ("rtu", b"\1\3\0\0\0\1\0\0"),
        ("rtu", b"\1\x64\0\0\0\1\0\0"),
        ("opcua", b"MSGF\x05\0\0\0"),
        ("opcua", b"\xff" * 30),
        ("opcua", b"OPNF" + struct.pack("<III", 60, 0, 40) + b"http://x#Basic256Sha256".ljust(44)),
    ]:
        listener = Listener(kind)
        said = listener.hear(stream) + listener.end()
        assert faults(said, READABLE + SERVICES), (kind, stream)


frames = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6]), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), max_size=6
)


@given(frames, st.sampled_from(["tcp", "rtu"]), st.lists(st.integers(1, 30), max_size=40))
def test_however_a_stream_is_cut_the_judge_hears_the_same(wanted, kind, cuts):
    stream = b""
    for code, address, count in wanted:
        pdu = struct.pack(">BHH", code, address, count)
        body = b"\1" + pdu
        stream += body + crc16(body) if kind == "rtu" else b"\0\1\0\0\0\6" + body
    listener, said = Listener(kind), []
    for cut in [*cuts, len(stream)]:
        said += listener.hear(stream[:cut])
        stream = stream[cut:]
    said += listener.end()
    assert [one.what for one in said] == [f"FC {code}" for code, _, _ in wanted]
    assert Said("x") not in said
