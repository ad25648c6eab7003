"""`handwheel browse` on a real server: what it shows, the rows that it writes, and how it says no."""

import asyncio
import threading
import tomllib

import pytest
from asyncua import ua

from drivers.opcua.browse import Found
from drivers.opcua.units import UNECE, Unit, _unit
from drivers.record import Node, Reason
from monitor.browse import rows
from monitor.cli import main
from monitor.settings import load
from tests.drivers.servers import opcua_server
from tests.monitor.test_maps import SITE


@pytest.fixture(scope="module")
def url():
    """asyncua's own server in a thread: Pump/{flow [m3/h, 0 to 500], mode, state}, a name with an escape sequence."""
    ready, stop, urls = threading.Event(), threading.Event(), []

    async def serve():
        async with opcua_server() as server:
            space = server.space
            flow = await server.pump.add_variable(ua.NodeId("flow", space), "flow", 12.5)
            unit = ua.EUInformation(DisplayName=ua.LocalizedText("m³/h"))
            await flow.add_property(ua.NodeId("u", space), ua.QualifiedName("EngineeringUnits", 0), unit)
            await flow.add_property(
                ua.NodeId("r", space), ua.QualifiedName("EURange", 0), ua.Range(Low=0.0, High=500.0)
            )
            mode = await server.pump.add_variable(ua.NodeId("mode", space), "mode", 4, ua.VariantType.Int32)
            await mode.set_writable()
            await server.pump.add_variable(ua.NodeId("state", space), 'sta"te\x1b[31m', "AUTO")
            urls.append(server.url)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield urls[0]
    stop.set()
    thread.join(20)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no configuration here
    return tmp_path


def test_variables_are_shown_with_value_type_unit_status_and_node_and_strange_names_are_harmless(
    url, elsewhere, capsys
):
    assert main(["browse", url, "Pump/**", "--pause", "0"]) == 0
    told = capsys.readouterr().out
    assert "Pump/flow\n             12.5000  Double  [m3/h, 0 to 500]  ok\n    nsu=urn:plant;s=flow" in told.replace(
        "³", "3"
    )
    assert "Int32  ok  WRITABLE for this login" in told
    assert "\x1b" not in told
    assert "5 variables" in told


def test_the_rows_are_a_block_that_can_be_loaded(url, elsewhere, capsys):
    target = elsewhere / "rows.toml"
    assert main(["browse", url, "Pump/**", "--rows", str(target)]) == 0
    folder = elsewhere / "mine"
    (folder / "sources").mkdir(parents=True)
    (folder / "site.toml").write_text(SITE)
    head = f'[source]\nname = "u"\ndriver = "opcua"\nsite = "S"\nevery_s = 5\nurl = "{url}"\n'
    (folder / "sources/u.toml").write_text(head + target.read_text().replace("ASSET", "X"))
    tags = load(folder).tags
    assert [tag.name for tag in tags] == ["X.flow", "X.mode"]  # text and structures are left as comments
    assert (tags[0].where, tags[0].unit, tags[0].high) == (Node("nsu=urn:plant;s=flow"), "m3/h", 500)
    state = ["--config", str(folder), "--state", str(elsewhere / "state")]
    assert main(["browse", "u", "*/flow", *state]) == 0
    assert main(["check", "--live", *state]) == 0
    assert main(["browse", url, "Pump/**", "--rows", str(target)]) == 2
    assert "nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unit", "ours", "described"),
    [
        (Unit("bar", code="BAR"), "bar", "Pump/x"),
        (Unit("cubic metre per hour", code="MQH"), "m3/h", "Pump/x"),
        (Unit("kPa", code="KPA"), "1", "Pump/x [kPa]"),
        (Unit("°C"), "degC", "Pump/x"),
        (Unit(""), "1", "Pump/x"),
    ],
)
def test_a_unit_of_the_server_is_written_as_ours_or_told_in_the_description(unit, ours, described):
    text = rows([Found("Pump/x", "nsu=urn:x;s=x", "Double", 1.0, Reason.OK, "", None, unit, False)], "A")
    (row,) = tomllib.loads(text)["source"]["block"][0]["tags"]
    assert (row["unit"], row["description"]) == (ours, described)


def test_a_code_of_unece_is_read_from_the_number_that_packs_it():
    packed = int.from_bytes(b"MQH", "big")
    told = ua.EUInformation(NamespaceUri=UNECE, UnitId=ua.Int32(packed), DisplayName=ua.LocalizedText("Kubikmeter"))
    assert _unit(told, None).code == "MQH"
    assert _unit(ua.EUInformation(NamespaceUri="urn:own", UnitId=ua.Int32(packed)), None).code == ""
    assert _unit(ua.EUInformation(NamespaceUri=UNECE, UnitId=ua.Int32(-1)), None).code == ""


def test_rows_of_hostile_names_stay_rows():
    found = Found('a/"\n[[source.block]]\n', "nsu=urn:x;s=\x1b", "Double", 1.0, Reason.OK, "", None, Unit("\x00"), True)
    text = rows([found] * 2, "A")
    assert text.count("[[source.block]]\n") == 1
    assert text.count("\n  # {") == 2  # a node that cannot be written as it is: a comment
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["http://x"], "is no OPC UA address"),
        (["opc.tcp://"], "is no OPC UA address"),
        (["opc.tcp://me:secret@h:1"], "a login does not belong on a command line"),
        (["opc.tcp://127.0.0.1:1", "--depth", "0"], "--depth 0: from 1 to 50"),
        (["opc.tcp://127.0.0.1:1", "--start", "ns=2;s=x"], "is not of the form nsu=URI"),
        (["opc.tcp://127.0.0.1:1", "/"], "names nothing"),
        (["nobody"], "no configuration found"),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(elsewhere, capsys, words, expected):
    assert main(["browse", *words]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("without a configuration")]
    assert len(told) == 1
    assert expected in told[0]
    assert "secret" not in told[0]


def test_a_server_that_is_not_there_is_told_and_exit_1(elsewhere, capsys):
    assert main(["browse", "opc.tcp://127.0.0.1:1"]) == 1
    assert "NO ANSWER" in capsys.readouterr().out
