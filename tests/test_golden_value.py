"""One value, from a register to a page, in the ten steps of the README: the shortest way to understand the whole.

Each step is done by the room that owns it, with what the step before handed over. A real Modbus server answers.
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.blocks import plan
from drivers.record import Quality, Register
from drivers.registers import decode
from drivers.source import make_source
from drivers.vendor.file_drop import parse
from monitor.claims import Claims
from monitor.heartbeat import LastKnown, Moment, last_known_text
from monitor.historian.history import fold, wide
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, Ledger, entries, head
from monitor.quality import QualityMachine
from monitor.reports.comparison import build
from monitor.reports.text import render_text
from monitor.review import answer
from monitor.settings import load
from monitor.state import State
from monitor.verdicts import Sight, judge
from monitor.words import quantity_text
from tests.drivers.servers import modbus_server

GOLDEN = Path(__file__).parent / "golden"
VALUE = json.loads((GOLDEN / "value.json").read_text())
NOW = VALUE["receive_us"]


@pytest.fixture
def settings(tmp_path):
    shutil.copytree(GOLDEN / "config", tmp_path / "config")
    return load(tmp_path / "config")


async def test_one_value_travels_from_a_register_to_a_report_page(settings, tmp_path):
    # 1, 2  a row of the register table became a tag; its reads are planned before anything is read
    tag = next(tag for tag in settings.tags if tag.name == VALUE["tag"])
    assert isinstance(tag.where, Register)
    blocks = plan(settings.sources[0].tags, max_gap=16, max_words=125)
    assert len(blocks) == VALUE["plan"]["requests"]
    # 3  the wire: a real server holds the two words
    words = VALUE["words_at_16"]
    device = SimDevice(1, simdata=[SimData(0, values=[987, 1, *[0] * 14, *words], datatype=DataType.REGISTERS)])
    async with modbus_server(device) as server:
        spec = replace(settings.sources[0], options={**settings.sources[0].options, "port": server.port})
        source = make_source(spec)
        await source.open()
        batch = await source.read(spec.tags)
        await source.close()
    # 4, 5  decoded exactly as it came, and judged
    assert decode(words, tag.where)[0] == VALUE["decoded"]
    batch = replace(batch, receive_us=NOW)
    machine = QualityMachine(settings.tags, {"pump1": 5.0}, {"pump1": "G"}, 0.0)
    checked = machine.check(batch, 1.0)
    row = list(checked.tag).index(tag.number)
    assert checked.row(row).value == VALUE["decoded"]
    assert checked.row(row).quality == Quality.GOOD
    # 6  stored, published, and shown with two decimals but not a digit less on disk
    state = State(tmp_path / "state").make()
    hot = HotFile(state.hot)
    hot.publish_tags(settings)
    hot.append([checked], NOW // 1000)
    hot.write_latest(NOW // 1000)
    hot.close()
    latest = {HotReader(state.hot).tags()[number].name: kept for number, kept in HotReader(state.hot).latest().items()}
    assert latest[VALUE["tag"]].value == VALUE["decoded"]
    shown = LastKnown(tag.name, VALUE["decoded"], tag.unit, "good", NOW)
    assert VALUE["last_known"] in last_known_text(Moment("boot", 1.0, NOW), [shown]).splitlines()
    assert quantity_text(latest[VALUE["tag"]].value, tag.unit) == VALUE["shown"]
    # 7  night: Parquet that any tool reads, then a frame for the models
    fold(state, upto_ms=NOW // 1000 + 1)
    cold = next(state.history.rglob("*.parquet"))
    rows = pq.ParquetFile(cold).read().to_pylist()
    assert VALUE["decoded"] in [one["value"] for one in rows if one["tag"] == VALUE["tag"]]
    values, share = wide(state, settings, "pump1", NOW - 800_000, NOW + 60_000_000 - 800_000, 60.0)
    assert values["discharge_pressure"].iloc[0] == VALUE["decoded"]
    assert share["discharge_pressure"].iloc[0] == 1.0
    assert values.attrs["units"]["discharge_pressure"] == "bar"
    # 8, 9  the vendor asks; nothing of our own says so: vendor only, and why
    message = (GOLDEN / "vendor_message.json").read_bytes()
    (alert,) = parse(message, settings.feeds[0], NOW, "vendor_message.json")
    assert alert.text == VALUE["alert"]
    ledger = Ledger(state)
    draft = Claims(settings).draft(alert, "intake")
    assert draft is not None
    ledger.append_many([draft])
    sight = {"pump1": Sight(88.0, 0.99)}
    shown_verdicts, changed = judge(list(entries(state)), sight, settings.review, NOW + 60_000_000)
    assert [one["word"] for one in shown_verdicts] == [VALUE["verdict"]]
    place = {"asset": "pump1", "component": "seal", "site": "G"}
    ledger.append_many([Draft("verdict", one, NOW + 60_000_000, "daemon", **place) for one in changed])
    ledger.close()
    # 10  a page: what was claimed, what the findings say (nothing yet), and the chain's head to hold it against
    text = render_text(
        build(state, settings, answer(state, settings, NOW - 365 * 86_400_000_000, NOW + 86_400_000_000))
    )
    assert "INSUFFICIENT" in text
    assert re.search(r"^pump1 +1 +0 +0 +0 +0 +1 +0 +0 +0$", text, re.M), "one alert, one open verdict, nothing found"
    assert head(state)[1] in text
