"""Nothing but reads leaves: every write of both libraries is tried through the guard, and nothing arrives."""

import inspect

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerType
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.file_message import FileRecord
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers import guard
from drivers.errors import WriteRefused
from drivers.modbus.source import open_source as open_modbus
from drivers.opcua import open_source as open_opcua
from drivers.opcua.client import GuardedClient
from tests.drivers.servers import modbus_server, opcua_server, opcua_spec, spec, tag

ARGUMENTS = {  # what each method of pymodbus's client needs beside device_id
    "write_coil": (0, True),
    "write_register": (0, 7),
    "write_coils": (0, [True, True]),
    "write_registers": (0, [7, 7]),
    "write_file_record": ([FileRecord(1, 0, b"ab")],),
    "read_file_record": ([FileRecord(1, 0, record_length=2)],),
    "diag_query_data": (b"\0\0",),
    "diag_restart_communication": (True,),
}
NAMED = {"readwrite_registers": {"read_count": 1, "values": [7]}}
READS = {"read_coils", "read_discrete_inputs", "read_holding_registers", "read_input_registers"}


def all_other_methods(client):
    names = [name for name, _ in inspect.getmembers(type(client), inspect.isfunction)]
    start = ("read", "write", "diag", "mask", "report", "readwrite")
    return [name for name in names if name.startswith(start) and name not in READS | {"read_device_information"}]


@pytest.mark.parametrize("framer", [FramerType.SOCKET, FramerType.RTU])
async def test_no_modbus_request_but_a_read_ever_arrives(framer):
    arrived = []

    async def watch(function, *_args):
        arrived.append(function)

    device = SimDevice(1, simdata=[SimData(0, values=[1] * 8, datatype=DataType.REGISTERS)], action=watch)
    driver = "modbus_tcp" if framer == FramerType.SOCKET else "modbus_rtu_over_tcp"
    heard = []
    async with modbus_server(device, framer) as server:
        server.trace_packet = lambda sending, data: (None if sending else heard.append(data)) or data
        source = open_modbus(spec(server.port, [tag(0)], driver=driver, timeout_s=2.0))
        await source.open()
        client = source.line.client
        tried = all_other_methods(client)
        for name in tried:
            with pytest.raises(WriteRefused, match="nothing left"):
                await getattr(client, name)(*ARGUMENTS.get(name, ()), **NAMED.get(name, {}), device_id=1)
        for raw in (b"\1\6\0\0\0\7\0\0", b"\0\1\0\0\0\6\1\6\0\0\0\7"):
            with pytest.raises(WriteRefused):
                client.ctx.send(raw)
            with pytest.raises(WriteRefused):
                client.ctx.transport.writelines([raw[:4], raw[4:]])
        assert client.ctx.transport.get_extra_info("socket") is None
        client.close()
        await source.open()
        assert (await source.read(source.spec.tags)).row(0).value == 1
        await source.close()
    assert set(arrived) == {3}
    assert {data[7 if framer == FramerType.SOCKET else 1] for data in heard} == {3}
    assert len(tried) >= 25
    assert {"write_register", "write_coils", "mask_write_register", "readwrite_registers"} <= set(tried)


@given(code=st.integers(0, 255), rest=st.binary(max_size=20))
def test_of_all_function_codes_only_five_pass(code, rest):
    pdu = bytes([code]) + rest
    allowed = (code in (1, 2, 3, 4) and len(rest) == 4) or (code == 43 and rest[:1] == b"\x0e" and len(rest) == 3)
    frames = [
        (guard.check_modbus_tcp, b"\0\1\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\1" + pdu),
        (guard.check_modbus_rtu, b"\1" + pdu + b"\0\0"),
    ]
    for check, frame in frames:
        if allowed:
            check(frame)
        else:
            with pytest.raises(WriteRefused):
                check(frame)


def test_two_frames_in_one_piece_do_not_pass():
    read = b"\0\1\0\0\0\6\1\3\0\0\0\1"
    guard.check_modbus_tcp(read)
    for pair in (read + read.replace(b"\1\3", b"\1\6"), b"", read[:7], read[:-1]):
        with pytest.raises(WriteRefused):
            guard.check_modbus_tcp(pair)


def test_the_guard_knows_every_function_code_that_pymodbus_can_send():
    codes = DecodePDU(True).list_function_codes()
    assert {5, 6, 15, 16, 22, 23} <= set(codes)
    assert set(guard.READS) <= set(codes)


async def test_no_opc_ua_service_but_a_read_ever_arrives():
    async with opcua_server() as server:
        node = await server.pump.add_variable(ua.NodeId("Pump.speed", server.space), "speed", 50.0)
        await node.set_writable()
        called = []

        async def stop_pump(_parent):
            called.append(1)
            return []

        stop = await server.pump.add_method(ua.NodeId("Pump.Stop", server.space), "Stop", stop_pump)
        source = open_opcua(opcua_spec(server.url, {"speed": "nsu=urn:plant;s=Pump.speed"}))
        await source.open()
        client = source.client
        theirs = client.get_node(node.nodeid)
        pump = client.get_node(server.pump.nodeid)
        refresh = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
        session = client.uaclient.session
        attempts = [
            lambda: theirs.write_value(0.0),
            lambda: client.write_values([theirs], [0.0]),
            lambda: theirs.set_writable(False),
            lambda: pump.call_method(stop.nodeid),
            lambda: pump.call_method(refresh, ua.Variant(1, ua.VariantType.UInt32)),
            lambda: client.nodes.server.call_method(ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge)),
            lambda: session.call(
                [
                    ua.CallMethodRequest(ObjectId=ua.NodeId(ua.ObjectIds.ConditionType), MethodId=refresh),
                    ua.CallMethodRequest(ObjectId=server.pump.nodeid, MethodId=stop.nodeid),
                ]
            ),
            lambda: client.delete_nodes([theirs]),
            lambda: client.register_namespace("urn:new"),
            lambda: pump.add_variable(ua.NodeId("Pump.new", server.space), "new", 1.0),
            lambda: pump.delete_reference(theirs, ua.ObjectIds.HasComponent),
            lambda: session.add_references([ua.AddReferencesItem()]),
            lambda: session.history_update(ua.HistoryUpdateParameters()),
            lambda: session.register_nodes([node.nodeid]),
            lambda: session.transfer_subscriptions(ua.TransferSubscriptionsParameters()),
            lambda: client.uaclient.register_server(ua.RegisteredServer()),
            lambda: client.uaclient.register_server2(ua.RegisterServer2Parameters()),
        ]
        for attempt in attempts:
            with pytest.raises(WriteRefused):
                await attempt()
        for raw in (b"MSGF" + b"\0" * 40, b"HELF\x08\0\0\0MSGF"):
            with pytest.raises(WriteRefused):
                client.uaclient.protocol.transport.write(raw)
        assert (await source.read(source.spec.tags)).row(0).value == 50.0  # the channel still works
        assert await node.read_value() == 50.0
        await source.close()
    assert not called


async def test_the_guard_also_stands_before_an_encrypted_channel(tmp_path):
    from asyncua import Server
    from asyncua.crypto.cert_gen import setup_self_signed_certificate
    from cryptography.x509.oid import ExtendedKeyUsageOID

    async def certificate(name, uri, usage):
        key, cert = tmp_path / f"{name}.pem", tmp_path / f"{name}.der"
        await setup_self_signed_certificate(key, cert, uri, "localhost", [usage], {})
        key.chmod(0o600)
        return str(key), str(cert)

    server_key, server_cert = await certificate("server", "urn:plant:server", ExtendedKeyUsageOID.SERVER_AUTH)
    probe = GuardedClient("opc.tcp://127.0.0.1:1/", 1.0)
    own_key, own_cert = await certificate("own", probe.application_uri, ExtendedKeyUsageOID.CLIENT_AUTH)
    server = Server()
    await server.init()
    await server.set_application_uri("urn:plant:server")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(server_cert)
    await server.load_private_key(server_key)
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    space = await server.register_namespace("urn:plant")
    node = await server.nodes.objects.add_variable(ua.NodeId("speed", space), "speed", 50.0)
    await node.set_writable()
    await server.start()
    try:
        port = server.bserver._server.sockets[0].getsockname()[1]
        source = open_opcua(
            opcua_spec(
                f"opc.tcp://127.0.0.1:{port}/",
                {"speed": "nsu=urn:plant;s=speed"},
                security="Basic256Sha256,SignAndEncrypt",
                certificate=own_cert,
                private_key=own_key,
                server_certificate=server_cert,
            )
        )
        await source.open()
        assert (await source.read(source.spec.tags)).row(0).value == 50.0
        with pytest.raises(WriteRefused):
            await source.client.get_node(node.nodeid).write_value(0.0)
        assert (await source.read(source.spec.tags)).row(0).value == 50.0
        assert await node.read_value() == 50.0
        await source.close()
    finally:
        await server.stop()


def test_the_numbers_of_the_services_are_those_of_the_standard():
    for number, name in guard.SERVICES.items():
        assert getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary") == number
    assert ua.ObjectIds.ConditionType_ConditionRefresh == guard.CONDITION_REFRESH


@given(st.binary(max_size=80))
def test_any_bytes_are_judged_without_another_error(message):
    try:
        guard.check_service(message)
    except WriteRefused:
        return
    assert int.from_bytes(message[2:4], "little") in guard.SERVICES or message[0] in (0, 2)


def test_a_hello_passes_and_a_sealed_packet_leaves_once():
    watch = guard.OpcUaGuard()
    watch.check(b"HELF\x0a\0\0\0ab")
    read = b"\x01\0" + (631).to_bytes(2, "little") + b"rest"
    packet = watch.seal(read, lambda: b"packet")
    watch.check(packet)
    with pytest.raises(WriteRefused):
        watch.check(packet)
    with pytest.raises(WriteRefused):
        watch.seal(b"\x01\0" + (673).to_bytes(2, "little"), lambda: b"packet")
