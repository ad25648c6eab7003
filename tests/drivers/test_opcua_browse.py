"""Walking through OPC UA servers: patterns, bounds, loops and hostile names."""

import pytest
import pytest_asyncio
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError, SourceDown
from drivers.opcua.browse import Pattern, browse
from drivers.opcua.status import parse_node_id
from drivers.record import Reason
from tests.drivers.servers import hostile_server, opcua_server, opcua_spec

live = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    """Pump/{flow, head, Motor/{current, Motor -> Pump}} and names as nobody should give them."""
    async with opcua_server() as running:
        space = running.space
        flow = await running.pump.add_variable(ua.NodeId("flow", space), "flow", 12.5)
        await flow.add_property(
            ua.NodeId("u", space),
            ua.QualifiedName("EngineeringUnits", 0),
            ua.EUInformation(DisplayName=ua.LocalizedText("m3/h")),
        )
        await flow.add_property(ua.NodeId("r", space), ua.QualifiedName("EURange", 0), ua.Range(Low=0.0, High=500.0))
        head = await running.pump.add_variable(ua.NodeId(7, space), "head", 3, ua.VariantType.Int32)
        await head.set_writable()
        motor = await running.pump.add_object(ua.NodeId("Motor", space), "Motor")
        await motor.add_variable(ua.NodeId("I", space), "current", 4.0)
        await motor.add_reference(running.pump, ua.ObjectIds.Organizes)
        strange = await running.pump.add_object(ua.NodeId("strange", space), "a/b\x1b[31m")
        await strange.add_variable(ua.NodeId("n" * 3000, space), "x" * 5000, [1.0, 2.0])
        yield running


def paths(walk):
    return [one.path for one in walk.found]


@live
async def test_a_variable_is_shown_with_type_unit_value_and_the_node_that_a_tag_row_needs(server):
    walk = await browse(opcua_spec(server.url, {}), patterns=["Pump/*"], pause_s=0)
    flow, head = walk.found
    assert (flow.path, flow.node, flow.kind, flow.value) == ("Pump/flow", "nsu=urn:plant;s=flow", "Double", 12.5)
    assert (flow.unit.words, flow.reasons, flow.writable) == ("m3/h, 0 to 500", Reason.OK, False)
    assert (head.node, head.kind, head.value, head.writable) == ("nsu=urn:plant;i=7", "Int32", 3, True)
    for one in walk.found:
        parse_node_id(one.node)
    assert walk.left_out == ()


@live
async def test_loops_end_and_hostile_names_are_cut_and_stay_in_one_level(server):
    walk = await browse(opcua_spec(server.url, {}), patterns=["Pump/**"], pause_s=0)
    assert paths(walk)[:2] == ["Pump/flow", "Pump/head"]
    assert paths(walk).count("Pump/Motor/current") == 1
    hostile = walk.found[-1]
    assert hostile.path.split("/")[1] == "a%2Fb\x1b[31m"
    assert len(hostile.path) < 300
    assert (hostile.value, hostile.detail) == (None, "an array of Double is neither number nor text")


@live
async def test_bounds_on_depth_and_count_are_told(server):
    spec = opcua_spec(server.url, {})
    walk = await browse(spec, patterns=["Pump/**"], limit=2, pause_s=0)
    assert paths(walk) == ["Pump/flow", "Pump/head"]
    assert walk.left_out == ("more than 2 variables; the first are shown",)
    walk = await browse(spec, patterns=["Pump/**"], depth=2, pause_s=0)
    assert "Pump/Motor/current" not in paths(walk)
    assert "deeper than 2 levels" in walk.left_out[0]
    walk = await browse(spec, start="nsu=urn:plant;s=Motor", pause_s=0)
    assert paths(walk)[:2] == ["current", "Pump/flow"]


@live
async def test_a_start_or_a_server_that_is_not_there_is_said(server):
    with pytest.raises(ConfigError, match="knows no namespace urn:nobody"):
        await browse(opcua_spec(server.url, {}), start="nsu=urn:nobody;s=x")
    with pytest.raises(ConfigError, match="names nothing"):
        await browse(opcua_spec(server.url, {}), patterns=["/"])
    walk = await browse(opcua_spec(server.url, {}), start="nsu=urn:plant;s=none", pause_s=0)
    assert walk.left_out == ("what is below the start: BadNodeIdInvalid",)
    async with hostile_server(None) as port:
        pass
    with pytest.raises(SourceDown):
        await browse(opcua_spec(f"opc.tcp://127.0.0.1:{port}/", {}, timeout_s=1.0))


@pytest.mark.parametrize(
    ("pattern", "path", "fits", "leads"),
    [
        ("**", "a/b/c", True, True),
        ("a/*/c", "a/b/c", True, True),
        ("a/*/c", "a/b", False, True),
        ("a/*/c", "b", False, False),
        ("**/c", "a/b/c", True, True),
        ("a/**/c", "a/c", True, True),
        ("P*[12]/flow", "Pump1/flow", True, True),
        ("P*[12]/flow", "Pump3", False, False),
        ("a", "a/b", False, False),
    ],
)
def test_patterns_fit_paths_and_know_where_nothing_can_follow(pattern, path, fits, leads):
    one = Pattern(pattern)
    positions = one.start()
    for name in path.split("/"):
        positions = one.step(positions, name)
    assert (one.matches(positions), bool(positions)) == (fits, leads)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=8), st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1)
)
def test_patterns_agree_with_a_plain_definition(path, pattern):
    def fits(names, parts):
        if not parts:
            return not names
        if parts[0] == "**":
            return fits(names, parts[1:]) or (bool(names) and fits(names[1:], parts))
        return bool(names) and parts[0] in ("*", names[0]) and fits(names[1:], parts[1:])

    one = Pattern("/".join(pattern))
    positions = one.start()
    for name in path:
        positions = one.step(positions, name)
    assert one.matches(positions) == fits(path, pattern)
