"""The configuration: the golden tree loads as it stands, and each fault names its file, line, key and remedy."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from drivers.record import Node, Register
from monitor.settings import SettingsError, load

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(GOLDEN / "config", tmp_path / "config")
    return tmp_path / "config"


def change(tree, file, old, new):
    path = tree / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def faults(tree):
    with pytest.raises(SettingsError) as caught:
        load(tree)
    return [fault.removeprefix(f"{tree}/") for fault in caught.value.faults]


def test_the_golden_tree_becomes_the_golden_settings():
    settings = load(GOLDEN / "config")
    found = {
        "tags": [{**asdict(tag), "where": asdict(tag.where)} for tag in settings.tags],
        "assets": [asdict(asset) for asset in settings.assets],
        "contracts": [asdict(contract) for contract in settings.contracts],
        "answers": [asdict(answer) for answer in settings.answers],
        "jobs": [asdict(job) for job in settings.jobs],
        "feeds": [asdict(feed) for feed in settings.feeds],
        "status_alerts": [asdict(alert) for alert in settings.status_alerts],
        "rights": settings.rights,
        "groups": settings.groups,
    }
    assert json.loads(json.dumps(found, default=str)) == json.loads((GOLDEN / "config.json").read_text())


def test_the_hash_of_the_settings_changes_with_any_byte(tree):
    before = load(tree).sha256
    change(tree, "contracts.toml", "exit_days       = 90", "exit_days       = 91")
    assert load(tree).sha256 != before


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "site.toml",
            "rated_power_kw",
            "rated_pwer_kw",
            "site.toml: line 31: asset.0.rated_pwer_kw: is unknown; did you mean rated_power_kw?",
        ),
        (
            "sources/pump1.toml",
            "timeout_s",
            "timeuot_s",
            "sources/pump1.toml: line 6: source.timeuot_s: is unknown; did you mean timeout_s?",
        ),
        (
            "sources/pump1.toml",
            "max_gap   = 16",
            'max_gap   = "16"',
            "sources/pump1.toml: line 9: source.max_gap: input should be a valid integer (found '16')",
        ),
        (
            "sources/pump1.toml",
            "at = 16,",
            "at = 65535,",
            "sources/pump1.toml: line 21: source.block.0.tags.3.at: pump1.discharge_pressure: address 65535 is "
            "impossible: wire0 counts holding registers from 0 to 65534 for a value of 2",
        ),
        (
            "sources/pump1.toml",
            'as = "f32", unit = "bar"',
            'as = "f32", unit = "psi"',
            "sources/pump1.toml: line 21: source.block.0.tags.3.unit: pump1.discharge_pressure: discharge_pressure is "
            "kept in bar, not psi; give the scale that makes bar of it",
        ),
        (
            "sources/pump1.toml",
            'name = "running",  ',
            'name = "flow",     ',
            "sources/pump1.toml: line 19: source.block.0.tags.1.unit: pump1.flow: flow is kept in m3/h, not 1; give "
            "the scale that makes m3/h of it",
        ),
        (
            "sources/pump1.toml",
            'driver    = "modbus_tcp"',
            'driver    = "modbus_tpc"',
            "sources/pump1.toml: line 3: source.driver: 'modbus_tpc' is unknown; did you mean modbus_tcp?",
        ),
        (
            "sources/pump1.toml",
            'asset        = "pump1"',
            'asset        = "pump2"',
            "sources/pump1.toml: line 12: source.block.0.asset: 'pump2' is not a known asset; did you mean pump1?",
        ),
        (
            "site.toml",
            'time_zone = "Europe/Berlin"',
            'time_zone = "Europe/Berlim"',
            "site.toml: line 4: utility.time_zone: 'Europe/Berlim' is not a time zone; for example Europe/Berlin",
        ),
        (
            "site.toml",
            'type = "waterworks"',
            'type = "waterwork"',
            "site.toml: line 18: site.0.type: 'waterwork' is not a",
        ),
        (
            "timetable.toml",
            'cron = "0 6 * * 1"',
            'cron = "monday"',
            "timetable.toml: line 7: job.1.cron: 'monday' is not a cron expression of five fields (UTC)",
        ),
        ("contracts.toml", '["pump1"]', '["pmp1"]', "contracts.toml: line 5: contract.0.assets: 'pmp1' is not a known"),
        ("site.toml", "[utility]", "[utility", "site.toml: line 1: not TOML"),
    ],
)
def test_a_fault_names_file_line_key_and_what_to_do(tree, file, old, new, expected):
    change(tree, file, old, new)
    assert any(fault.startswith(expected) for fault in faults(tree)), faults(tree)


def test_two_values_that_cut_across_each_other_s_registers_are_a_fault(tree):
    path = tree / "sources/pump1.toml"
    row = '  { at = 17, name = "suction_pressure", as = "f32", unit = "bar" },\n'
    path.write_text(path.read_text().replace("]\n\n[[source.status_alert]]", row + "]\n\n[[source.status_alert]]"))
    assert "'pump1.suction_pressure' lies across the registers of 'pump1.discharge_pressure'" in faults(tree)[0]


def test_a_host_that_can_be_none_and_a_scale_of_zero_are_faults(tree):
    change(tree, "sources/pump1.toml", '"127.0.0.1"', '"not a host"')
    assert faults(tree)[0].startswith("sources/pump1.toml: line 7: source.host:")
    change(tree, "sources/pump1.toml", '"not a host"', '"plc-1.plant.example"')
    change(tree, "sources/pump1.toml", "scale = 0.1", "scale = 0")
    assert "scale = 0 makes every value the same" in faults(tree)[0]


def test_a_tag_that_is_defined_twice_is_named_with_both_places(tree):
    shutil.copy(tree / "sources/pump1.toml", tree / "sources/pump1b.toml")
    found = faults(tree)
    assert any("'pump1.flow' is defined twice (also in sources/pump1.toml)" in fault for fault in found)
    assert any("source.name: 'pump1' is used twice" in fault for fault in found)


def test_all_faults_are_told_at_once(tree):
    change(tree, "site.toml", 'kind           = "pump"', 'kind           = "pmup"')
    change(tree, "sources/pump1.toml", "low = 0, high = 10", "low = 10, high = 0")
    assert len(faults(tree)) == 2


def test_a_missing_folder_and_a_missing_file_say_what_to_do(tree, tmp_path):
    with pytest.raises(SettingsError, match="handwheel init"):
        load(tmp_path / "nowhere")
    (tree / "site.toml").unlink()
    assert "handwheel init DIR" in faults(tree)[0]


def test_a_file_that_is_not_utf8_is_named_with_the_line(tree):
    (tree / "contracts.toml").write_bytes(b"# first line\n# M\xfcller\n")
    assert faults(tree)[0].startswith("contracts.toml: line 2: not UTF-8")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000 + "]" * 5000])
def test_toml_that_the_parser_gives_up_on_is_a_fault_like_any_other(tree, value):
    (tree / "timetable.toml").write_text(f"x = {value}\n")
    (fault,) = [one for one in faults(tree) if "timetable.toml" in one]
    assert "not TOML that can be read" in fault


def test_each_address_base_gives_the_same_wire_address(tree):
    for base, at in (("wire0", 16), ("reg1", 17), ("4xxxx", 40017), ("4xxxxx", 400017)):
        change(tree, "sources/pump1.toml", 'address_base = "', f'address_base = "{base}" # "')
        text = (tree / "sources/pump1.toml").read_text()
        rows = [line for line in text.splitlines() if line.startswith("  {") and "discharge_pressure" not in line]
        for row in rows:
            text = text.replace(row + "\n", "")
        head, tail = text.split("[[source.status_alert]]")
        (tree / "sources/pump1.toml").write_text(head.replace("at = 16", f"at = {at}"))
        settings = load(tree)
        where = settings.tags[0].where
        assert isinstance(where, Register)
        assert (where.address, where.words, where.order) == (16, 2, "ABCD")
        shutil.copy(GOLDEN / "config/sources/pump1.toml", tree / "sources/pump1.toml")
        assert tail


def csv_source(tree, text, driver_lines='driver = "modbus_tcp"\nhost = "127.0.0.1"'):
    (tree / "sources/pump1.toml").write_text(
        f'[source]\nname = "p"\nsite = "G"\nevery_s = 5\n{driver_lines}\ntags_csv = "tags/p.csv"\n'
    )
    (tree / "tags").mkdir(exist_ok=True)
    (tree / "tags/p.csv").write_text(text)


def test_a_tag_list_may_be_a_spreadsheet_with_semicolons_and_decimal_commas(tree):
    csv_source(
        tree,
        "asset;table;address_base;at;as;order;name;unit;scale;low;high;sentinels\n"
        "pump1;input;4xxxx;30101;u16;;flow;m3/h;0,1;0;200;65535|65534\n"
        "pump1;input;4xxxx;30103;f32;CDAB;discharge_pressure;bar;;0;10;\n",
    )
    tags = load(tree).tags
    assert [tag.name for tag in tags] == ["pump1.flow", "pump1.discharge_pressure"]
    assert tags[0].where == Register(1, "input", 100, "u16", "ABCD", 0.1, 0.0, None, 1, (65535.0, 65534.0))
    assert tags[1].where == Register(1, "input", 102, "f32", "CDAB", 1.0, 0.0, None, 2, ())


def test_a_fault_in_a_spreadsheet_names_its_line(tree):
    csv_source(tree, "asset,table,address_base,at,as,name,unit\npump1,input,wire0,-3,u16,flow,m3/h\n")
    assert faults(tree)[0].startswith("tags/p.csv: line 2: at:")
    csv_source(tree, "asset,table,address_base,at,as,name,unti\npump1,input,wire0,3,u16,flow,m3/h\n")
    assert faults(tree)[0] == "tags/p.csv: line 1: column 'unti' is unknown; did you mean unit?"


def test_opcua_nodes_are_named_by_namespace_uri_never_by_index(tree):
    source = '[source]\nname = "u"\ndriver = "opcua"\nsite = "G"\nevery_s = 2\nurl = "opc.tcp://127.0.0.1:4840"\n'
    block = '[[source.block]]\nasset = "pump1"\ntags = [{ node = "%s", name = "flow", unit = "m3/h" }]\n'
    path = tree / "sources/pump1.toml"
    path.write_text(source + block % "nsu=urn:plant;s=P1.flow")
    assert load(tree).tags[0].where == Node("nsu=urn:plant;s=P1.flow")
    path.write_text(source + block % "ns=2;s=P1.flow")
    assert "nsu=URI" in faults(tree)[0]
