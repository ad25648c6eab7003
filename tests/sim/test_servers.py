"""The simulated devices on the wire: read back by plain clients, and every fault seen from outside."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio
from asyncua import Client, ua
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType

from drivers.record import Reason
from drivers.registers import decode, length
from drivers.sim.devices import DEVICES, NAMESPACE, OPCUA_QUANTITIES, SOURCES
from drivers.sim.plant import truth
from drivers.sim.servers import Simulation

pytestmark = pytest.mark.asyncio(loop_scope="module")
FUNCTIONS = {"coil": "read_coils", "discrete": "read_discrete_inputs", "holding": "read_holding_registers",
             "input": "read_input_registers"}  # fmt: skip
STEP = {"bit": 0.0, "f32": 1e-6, "f64": 1e-12}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulation(tmp_path_factory):
    """One simulation for all tests of this file; time stands still unless a test moves it."""
    one = Simulation(drop=tmp_path_factory.mktemp("drop"), speed=0.0, start_s=40_000.0)
    await one.start()
    yield one
    await one.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def one(simulation):
    """The simulation without any fault."""
    yield simulation
    for fault in tuple(simulation.faults):
        await simulation.set_fault(fault.name, fault.target, False)


@asynccontextmanager
async def modbus(one, device, timeout=2.0):
    framer = FramerType.RTU if device.rtu else FramerType.SOCKET
    client = AsyncModbusTcpClient("127.0.0.1", port=one.ports[device.source], framer=framer, timeout=timeout, retries=0)
    await client.connect()
    try:
        yield client
    finally:
        client.close()


async def ask(client, register):
    """The raw answer of a plain client to a read of one value."""
    count = length(register)
    return await getattr(client, FUNCTIONS[register.table])(register.address, count=count, device_id=register.device_id)


async def value(client, register):
    answer = await ask(client, register)
    assert not answer.isError(), answer
    words = answer.registers if register.table in ("holding", "input") else [int(answer.bits[0])]
    return decode(words, register)


def device_of(asset):
    for device in DEVICES:
        points = {tag: register for tag, register in device.points if tag.startswith(f"{asset}.")}
        if points:
            return device, points
    raise KeyError(asset)


async def test_every_modbus_value_is_read_back_by_a_plain_client(one):
    exact = truth(one.plant.state) | one.vendor.bits(one.plant.state)
    for device in DEVICES:
        async with modbus(one, device) as client:
            for tag, register in device.points:
                shown, reasons, detail = await value(client, register)
                assert reasons == Reason.OK, (tag, detail)
                # noise of the instrument, and half a step of what the register can tell
                room = 0.25 * abs(exact[tag] - register.offset) + STEP.get(register.kind, register.scale)
                assert shown == pytest.approx(exact[tag], abs=room), tag


async def test_every_opcua_value_is_read_back_by_a_plain_client(one):
    async with Client(one.url) as client:
        space = await client.get_namespace_index(NAMESPACE)
        exact = truth(one.plant.state)
        for asset, quantities in OPCUA_QUANTITIES.items():
            for quantity in quantities:
                node = client.get_node(f"ns={space};s={asset}.{quantity}")
                data = await node.read_data_value()
                assert data.StatusCode.is_good()
                assert float(data.Value.Value) == pytest.approx(exact[f"{asset}.{quantity}"], rel=0.25)


async def test_an_alarm_condition_is_told_to_who_asks_and_to_who_listens(one):
    heard = asyncio.Queue()

    class Listener:
        def event_notification(self, event):
            if hasattr(event, "ConditionName"):
                heard.put_nowait((event.SourceName, getattr(event, "ActiveState/Id")))

    async with Client(one.url) as client:
        subscription = await client.create_subscription(50, Listener())
        kind = client.get_node(ua.ObjectIds.ExclusiveLimitAlarmType)
        await subscription.subscribe_alarms_and_conditions(client.nodes.server, kind)
        number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
        refresh = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
        await client.get_node(ua.ObjectIds.ConditionType).call_method(refresh, number)
        assert await asyncio.wait_for(heard.get(), 20) == ("H-P01", True)
        await one.set_fault("worn_bearing", "H-P02")
        assert await asyncio.wait_for(heard.get(), 20) == ("H-P02", True)
        await one.set_fault("worn_bearing", "H-P02", False)
        assert await asyncio.wait_for(heard.get(), 20) == ("H-P02", False)
        await subscription.delete()


async def test_a_dead_device_refuses_connections_and_comes_back_on_its_port(one):
    device, points = device_of("N-P11")
    await one.set_fault("dead_device", device.source)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", one.ports[device.source]), 5)
    await one.set_fault("dead_device", device.source, False)
    async with modbus(one, device) as client:
        assert (await value(client, points["N-P11.speed"]))[1] == Reason.OK


async def test_a_link_down_takes_every_source_of_the_site_and_no_other(one):
    for site in ("R", "H"):
        await one.set_fault("link_down", site)
    for source, site in SOURCES.items():
        with socket.socket() as probe:
            refused = probe.connect_ex(("127.0.0.1", one.ports[source])) != 0
        assert refused == (site in ("R", "H")), source
    await one.set_fault("link_down", "H", False)
    async with Client(one.url) as client:
        assert await client.get_namespace_index(NAMESPACE)


@pytest.mark.parametrize("target", ["r_line", "r_line/2"])
async def test_a_silent_device_takes_the_question_and_never_answers(one, target):
    device, points = device_of("R-P02")
    await one.set_fault("silent_device", target)
    async with modbus(one, device, timeout=0.3) as client:
        with pytest.raises(Exception, match=r"[Nn]o response"):
            await ask(client, points["R-P02.speed"])
    if "/" in target:
        async with modbus(one, device) as client:
            assert (await value(client, device_of("R-P01")[1]["R-P01.speed"]))[1] == Reason.OK


async def test_a_refused_block_is_refused_and_the_others_are_not(one):
    await one.set_fault("refused_block", "N-P02")
    device, points = device_of("N-P02")
    async with modbus(one, device) as client:
        answer = await ask(client, points["N-P02.flow"])
        assert answer.isError()
        assert answer.exception_code == 2
        assert (await value(client, device_of("N-P01")[1]["N-P01.flow"]))[1] == Reason.OK
        await one.set_fault("refused_block", "N-P02", False)
        assert (await value(client, points["N-P02.flow"]))[1] == Reason.OK


async def test_a_device_that_sends_all_ones_is_never_believed(one):
    for asset in ("N-P11", "N-P01"):
        await one.set_fault("all_ffff", asset)
    for tag, reason in (("N-P11.flow", Reason.SENTINEL), ("N-P01.flow", Reason.SENSOR)):
        device, points = device_of(tag.split(".")[0])
        async with modbus(one, device) as client:
            assert (await ask(client, points[tag])).registers == [0xFFFF] * length(points[tag])
            shown, reasons, _ = await value(client, points[tag])
            assert (shown, reasons) == (None, reason)
            await one.set_fault("all_ffff", tag.split(".")[0], False)
            assert (await value(client, points[tag]))[1] == Reason.OK


@pytest.mark.parametrize(
    ("fault", "status"), [("refused_block", "BadUserAccessDenied"), ("all_ffff", "BadSensorFailure")]
)
async def test_an_opcua_fault_is_a_status_code_and_no_value(one, fault, status):
    async with Client(one.url) as client:
        space = await client.get_namespace_index(NAMESPACE)
        await one.set_fault(fault, "H-P02")
        bad, good = [client.get_node(f"ns={space};s={asset}.flow") for asset in ("H-P02", "H-P01")]
        data = await bad.read_data_value(raise_on_bad_status=False)
        assert data.StatusCode.name == status
        assert (await good.read_data_value()).StatusCode.is_good()


async def test_a_frozen_value_a_drifting_meter_and_a_worn_impeller_are_seen_on_the_wire(one):
    device, points = device_of("N-M02")
    async with modbus(one, device) as client:
        await one.set_fault("frozen_value", "N-M03.pressure")
        await one.set_fault("drifting_meter", "N-M02")
        pressure = next(r for tag, r in device.points if tag == "N-M03.pressure")
        stood = {await value(client, pressure)}
        for _ in range(4):
            await one.tick(900.0)
            stood.add(await value(client, pressure))
        assert len(stood) == 1
        flow = (await value(client, points["N-M02.flow"]))[0]
        assert flow == pytest.approx(1.2 * truth(one.plant.state)["N-M02.flow"], rel=0.03)
    running = next(p for p in ("N-P01", "N-P02", "N-P03") if one.plant.state.pumps[p].running)
    device, points = device_of(running)
    async with modbus(one, device) as client:
        before = (await value(client, points[f"{running}.flow"]))[0]
        await one.set_fault("worn_impeller", running)
        await one.tick(1.0)
        assert (await value(client, points[f"{running}.flow"]))[0] < 0.93 * before


async def test_the_vendor_bit_and_the_vendor_file_come_when_the_seal_falls_due(one):
    pumps = one.plant.state.pumps
    due_soon = replace(pumps["N-P13"], run_hours=15_999.99)
    one.plant.state = replace(one.plant.state, pumps={**pumps, "N-P13": due_soon})
    one.vendor.watch(one.plant.state)
    before = len(list(one.vendor.folder.iterdir()))
    device, points = device_of("N-P13")
    async with modbus(one, device) as client:
        bit = points["N-P13.seal_service"]
        await one.tick(0.0)
        assert (await value(client, bit))[0] == 0
        while one.plant.state.pumps["N-P13"].run_hours < 16_000:
            await one.tick(600.0)
        assert (await value(client, bit))[0] == 1
    assert len(list(one.vendor.folder.iterdir())) == before + 1


async def test_time_runs_and_runs_faster_when_told():
    one = Simulation(speed=600.0, start_s=40_000.0)
    begun = one.plant.state.time_s
    await one.start()
    try:
        async with asyncio.timeout(30):
            while one.plant.state.time_s < begun + 300:
                await asyncio.sleep(0.1)
    finally:
        await one.stop()


async def test_a_request_that_is_no_read_is_refused_and_what_is_no_modbus_is_hung_up_on(one):
    device, _ = device_of("N-P11")
    async with modbus(one, device) as client:
        answer = await client.write_register(1, 7, device_id=1)
        assert answer.exception_code == 1
        assert (await client.read_holding_registers(0, count=1, device_id=9)).exception_code == 0x0B
        assert (await client.read_holding_registers(60_000, count=1, device_id=1)).exception_code == 2
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports[device.source])
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()
