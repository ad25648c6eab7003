"""What the simulated devices are: their tables, their frames, the faults that can befall them, and config/example."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UserError
from drivers.record import Node, Register
from drivers.sim.devices import DEVICES, NAMESPACE, OPCUA_SOURCE, SOURCES, TAGS
from drivers.sim.faults import FAULTS, Fault, checked, read_faults
from drivers.sim.modbus_server import Memory, crc
from drivers.sim.stations import PUMPS
from drivers.sim.vendor import SERIALS
from monitor.settings import load

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def test_the_example_configuration_says_of_every_tag_what_the_device_does():
    settings = load(EXAMPLE)
    assert {tag.name for tag in settings.tags} == set(TAGS)
    registers = {tag: register for device in DEVICES for tag, register in device.points}
    for tag in settings.tags:
        if isinstance(tag.where, Node):
            assert (tag.source, tag.where.node_id) == (OPCUA_SOURCE, f"nsu={NAMESPACE};s={tag.name}")
            continue
        told, real = (replace(one, sentinels=(), words=1) for one in (tag.where, registers[tag.name]))
        if real.kind in ("bit", "u16", "i16") and real.order == "ABCD":
            told = replace(told, order="ABCD")
        assert told == real, tag.name


def test_the_example_names_the_same_sources_pumps_and_serial_numbers():
    settings = load(EXAMPLE)
    assert settings.simulated
    assert {spec.name: spec.site for spec in settings.sources} == dict(SOURCES)
    for pump in PUMPS:
        asset = settings.asset(pump.id)
        assert (asset.site, asset.duty, asset.serial) == (pump.site, pump.duty, SERIALS[pump.id])
        rated = (asset.rated_flow_m3h, asset.rated_head_m, asset.rated_power_kw)
        assert rated == (pump.flow_m3h, pump.head_m, pump.power_kw)
    (feed,) = settings.feeds
    assert dict(feed.assets) == {serial: pump for pump, serial in SERIALS.items()}


@given(st.integers(0, 255), st.binary(min_size=1, max_size=20))
def test_any_request_gets_an_answer_or_an_exception_and_never_a_crash(device_id, request):
    memory = Memory()
    memory.put(Register(1, "holding", 5, "u16"), 7)
    memory.put(Register(1, "coil", 0, "bit"), 1)
    answer = memory.answer(device_id, request)
    assert answer is not None
    assert answer[0] in (request[0], request[0] | 0x80)


def test_the_crc_is_that_of_the_standard():
    assert crc(bytes.fromhex("010300000001")) == bytes.fromhex("840A")


def test_an_unknown_fault_or_target_is_one_line_that_says_what_there_is():
    with pytest.raises(UserError, match="fault 'dead' is unknown; known: dead_device:SOURCE"):
        checked("dead", "n_drives")
    for name in FAULTS:
        with pytest.raises(UserError, match=f"fault {name}: 'nothing' is not a"):
            checked(name, "nothing")


def test_faults_stand_in_a_file_and_a_wrong_line_stops_nothing(tmp_path, capsys):
    path = tmp_path / "faults.txt"
    assert read_faults(path) == set()
    path.write_text("# what is on\ndead_device:n_drives\nlink_down: R\nnonsense\n")
    assert read_faults(path) == {Fault("dead_device", "n_drives"), Fault("link_down", "R")}
    assert "line 4: fault 'nonsense' is unknown" in capsys.readouterr().err


def test_orders_bases_and_sentinels_differ_from_device_to_device():
    orders = {r.order for d in DEVICES for _, r in d.points if r.kind not in ("bit", "u16", "i16")}
    assert orders == {"ABCD", "CDAB", "BADC", "DCBA"}
    line = next(d for d in DEVICES if d.rtu)
    assert {r.device_id for _, r in line.points} == {1, 2, 3}
    assert {s for d in DEVICES for _, r in d.points for s in r.sentinels} == {0xFFFF, -0x8000}
    assert all(math.isfinite(r.scale) for d in DEVICES for _, r in d.points)
