"""The configuration: the golden tree loads as it stands, and each fault names its file, line, key and remedy."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from drivers.record import Node, Register
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
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
            "max_starts_per_h = 10",
            "max_starts_per_h = 10\nreference = { from = 2026-02-01, to = 2026-01-31 }",
            "site.toml: line 33: asset.0.reference.to: 2026-01-31 is before 2026-02-01, its from",
        ),
        (
            "site.toml",
            "max_starts_per_h = 10",
            'max_starts_per_h = 10\nreference = { from = "2026-02-01" }',
            "site.toml: line 33: asset.0.reference.from: must be a date without quotes, for example 2026-11-27",
        ),
        (
            "site.toml",
            "[review]",
            "[models]\nlearn_days = 0\n[review]",
            "site.toml: line 39: models.learn_days: must be 1 or more",
        ),
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
            "sources/pump1.toml: line 9: source.max_gap: must be a whole number without quotes (found '16')",
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


SOURCE = '[source]\nname = "p"\nsite = "G"\nevery_s = 5\n'
TCP = 'driver = "modbus_tcp"\nhost = "127.0.0.1"\n'
SERIAL = 'driver = "modbus_rtu"\nline = "/dev/ttyUSB0"\n'
BLOCK = '[[source.block]]\nasset = "pump1"\naddress_base = "wire0"\n'
MAP = """
[map]
title = "Small pump"
vendor = "Acme"
models = "all"
document = "manual 7"
source = "read by us"
confidence = "memory"
max_words = 40
max_clients = 2
watchdog = true
codes = { alarm = "acme" }

[[block]]
table = "input"
address_base = "reg1"
tags = [
  { at = 201, name = "mode", as = "u16", unit = "1", quantity = "other", labels = { 0 = "auto", 4 = "min" } },
  { at = 205, name = "alarm", as = "u16", unit = "1", quantity = "alarm_code" },
  { at = 305, name = "speed", as = "u16", unit = "Hz", scale = 0.1 },
]

[[forbidden]]
table = "input"
address_base = "reg1"
first = 901
last = 902

[[sanity]]
tag = "speed"
low = 0
high = 60
"""
CODES = """
[codes]
title = "Alarms"
vendor = "Acme"
kind = "code"
document = "manual 7"
source = "read by us"
confidence = "memory"

[[code]]
code = 57
text = "dry running"
component = "pump"
failure_mode = "dry_running"
severity = "critical"
"""


def one_source(tree, text):
    (tree / "sources/pump1.toml").write_text(text)
    return tree


def rows(*lines):
    return "tags = [\n" + "".join(f"  {line},\n" for line in lines) + "]\n"


@pytest.fixture
def with_map(tree):
    (tree / "maps/codes").mkdir(parents=True)
    (tree / "maps/acme.toml").write_text(MAP)
    (tree / "maps/codes/acme.toml").write_text(CODES)
    return tree


def test_a_4_20_ma_loop_is_scaled_by_its_span(tree):
    row = '{ at = 3, name = "level", as = "u16", unit = "m", ma = 0.001, span = [0.5, 8.5] }'
    where = load(one_source(tree, SOURCE + TCP + BLOCK + rows(row))).tags[0].where
    assert where.ma == 0.001
    assert [4_000 * where.scale + where.offset, 20_000 * where.scale + where.offset] == pytest.approx([0.5, 8.5])
    one_source(tree, SOURCE + TCP + BLOCK + rows(row.replace("ma = 0.001, ", "")))
    assert faults(tree) == [
        "sources/pump1.toml: line 11: source.block.0.tags.0.ma: pump1.level: a 4-20 mA loop needs both ma (what makes "
        "mA of the raw number) and span = [at 4 mA, at 20 mA]"
    ]


def test_an_exponent_is_counted_like_the_value_that_it_belongs_to(tree):
    row = '{ at = 40072, name = "current", as = "i16", unit = "A", exponent_at = 40076 }'
    block = BLOCK.replace("wire0", "4xxxx")
    where = load(one_source(tree, SOURCE + TCP + block + rows(row))).tags[0].where
    assert (where.address, where.exponent_at) == (71, 75)
    one_source(tree, SOURCE + TCP + block + rows(row.replace("40076", "76")))
    assert (
        "exponent_at: pump1.current: address 76 is impossible: 4xxxx counts holding registers from 40001"
        in (faults(tree)[0])
    )


def test_labels_stand_in_a_row_or_in_a_cell(tree):
    row = '{ at = 3, name = "mode", as = "u16", unit = "1", quantity = "other", labels = { 0 = "auto", 0x4 = "min" } }'
    assert load(one_source(tree, SOURCE + TCP + BLOCK + rows(row))).tags[0].labels == ((0, "auto"), (4, "min"))
    csv_source(
        tree,
        "asset,address_base,at,as,name,unit,quantity,labels\npump1,wire0,3,u16,mode,1,other,0=auto|4=min\n",
    )
    assert load(tree).tags[0].labels == ((0, "auto"), (4, "min"))
    one_source(tree, SOURCE + TCP + BLOCK + rows(row.replace("0x4", "four")))
    assert "labels: pump1.mode: 'four' is no whole number" in faults(tree)[0]


@pytest.mark.parametrize(
    ("formula", "par", "wire"),
    [
        ("danfoss_vlt", "16-14", 16_139),
        ("danfoss_vlt", "16-90", 16_899),
        ("abb_100", "01.07", 106),
        ("abb_100_32bit", "01.27", 20_253),
        ("abb_256", "22.80", 5_711),
    ],
)
def test_a_parameter_becomes_a_register_as_the_drive_s_manual_says(tree, formula, par, wire):
    block = BLOCK.replace('address_base = "wire0"', f'parameters = "{formula}"')
    row = f'{{ par = "{par}", name = "speed", as = "u16", unit = "Hz" }}'
    assert load(one_source(tree, SOURCE + TCP + block + rows(row))).tags[0].where.address == wire
    csv_source(tree, f"asset,parameters,par,as,name,unit\npump1,{formula},{par},u16,speed,Hz\n")
    assert load(tree).tags[0].where.address == wire


def test_a_parameter_without_its_formula_and_two_addresses_are_faults(tree):
    row = '{ par = "16-14", name = "current", as = "u16", unit = "A" }'
    one_source(tree, SOURCE + TCP + BLOCK + rows(row))
    assert "par: pump1.current: its block needs parameters, one of danfoss_vlt" in faults(tree)[0]
    one_source(tree, SOURCE + TCP + BLOCK + rows(row.replace("par", "at = 3, par")))
    assert "needs as = TYPE and one of at = ADDRESS and par = PARAMETER" in faults(tree)[0]


def test_a_map_gives_tags_limits_of_the_device_codes_and_what_must_not_be_read(with_map):
    block = '[[source.block]]\nasset = "pump1"\ndevice_id = 3\nmap = "acme"\n'
    settings = load(one_source(with_map, SOURCE + TCP + block))
    assert [tag.name for tag in settings.tags] == ["pump1.mode", "pump1.alarm", "pump1.speed"]
    assert settings.tags[2].where == Register(3, "input", 304, "u16", "ABCD", 0.1)
    assert settings.tags[1].labels == ((0, "none"), (57, "dry running"))
    options = settings.sources[0].options
    assert (options["max_words"], options["max_clients"], options["watchdog"]) == (40, 2, True)
    assert options["max_backoff_s"] == 60
    assert options["forbidden"] == [{"device_id": 3, "table": "input", "first": 900, "last": 901}]
    (alert,) = settings.status_alerts
    assert (alert.tag, alert.vendor, alert.codes_are) == (1, "SmartPump", "code")
    assert alert.codes[57].failure_mode == "dry_running"
    (device,) = settings.devices
    assert device.path == with_map / "maps/acme.toml"
    assert (device.confidence, device.verified_on, device.sanity) == ("memory", None, ((2, 0, 60),))


def test_of_a_map_only_some_tags_may_be_taken_shifted_and_one_s_own_row_wins(with_map):
    block = '[[source.block]]\nasset = "pump1"\nmap = "acme"\nonly = ["mode", "speed"]\nshift = 1000\n'
    own = 'address_base = "wire0"\n' + rows('{ at = 7, name = "speed", as = "u16", unit = "Hz", high = 50 }')
    tags = load(one_source(with_map, SOURCE + TCP + block + own)).tags
    assert [(tag.name, tag.where.address, tag.high) for tag in tags] == [
        ("pump1.speed", 7, 50),
        ("pump1.mode", 1200, None),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("sources/pump1.toml", '"acme"', '"acne"', "line 9: source.block.0.map: 'acne' is not a"),
        ("sources/pump1.toml", '"mode"', '"mood"', "line 10: source.block.0.only: 'mood' is not a"),
        ("maps/acme.toml", 'as = "u16"', 'as = "u17"', "line 18: block.0.tags.0.as: pump1.mode: 'u17' is"),
        ("maps/acme.toml", "at = 305", "at = 0", "line 20: block.0.tags.2.at: pump1.speed: address 0 is"),
        ("maps/acme.toml", "last = 902", "last = 9", "line 26: forbidden.0.first: 901 to 9 is no range"),
        ("maps/acme.toml", 'tag = "speed"', 'tag = "sped"', "line 30: sanity.0.tag: 'sped' is no tag of"),
        ("maps/acme.toml", 'alarm = "acme"', 'alarm = "acne"', "line 12: map.codes.alarm: 'acne' is not"),
        ("maps/codes/acme.toml", "code = 57", "code = -1", "line 11: code.0.code: must be 0 or more (found -1)"),
        ("maps/codes/acme.toml", '"critical"', '"awful"', "line 15: code.0.severity: must be 'note', 'warning'"),
    ],
)
def test_a_fault_in_a_map_or_a_code_table_is_named_like_any_other(with_map, file, old, new, expected):
    block = '[[source.block]]\nasset = "pump1"\nmap = "acme"\nonly = ["mode", "alarm", "speed"]\n'
    one_source(with_map, SOURCE + TCP + block)
    change(with_map, file, old, new)
    assert any(fault.startswith(f"{file}: {expected}") for fault in faults(with_map)), faults(with_map)


def test_a_status_alert_may_name_a_code_table_of_its_own(with_map):
    row = '{ at = 9, name = "alarm", as = "u16", unit = "1", quantity = "alarm_code" }'
    alert = '[[source.status_alert]]\ntag = "pump1.alarm"\ncodes = "acme"\n'
    settings = load(one_source(with_map, SOURCE + TCP + BLOCK + rows(row) + alert))
    assert settings.status_alerts[0].codes[57].severity == "critical"
    assert settings.tags[0].labels == ((0, "none"), (57, "dry running"))
    one_source(with_map, SOURCE + TCP + BLOCK + rows(row) + alert.replace('codes = "acme"\n', ""))
    assert "status_alert.0.text: is missing; say what the status asks for" in faults(with_map)[0]


def test_a_serial_line_is_opened_only_by_its_sole_master(tree):
    row = rows('{ at = 3, name = "speed", as = "u16", unit = "Hz" }')
    one_source(tree, SOURCE + SERIAL + BLOCK + row)
    assert "source.sole_master: an RS-485 line has exactly one master; write sole_master = true" in faults(tree)[0]
    settings = load(one_source(tree, SOURCE + SERIAL + "sole_master = true\nbaud = 19200\n" + BLOCK + row))
    options = settings.sources[0].options
    assert (options["line"], options["baud"], options["parity"], options["stop_bits"]) == (
        "/dev/ttyUSB0",
        19_200,
        "E",
        1,
    )
    (tree / "sources/other.toml").write_text(
        SOURCE.replace('"p"', '"q"') + SERIAL + "sole_master = true\n" + BLOCK + row.replace("speed", "frequency")
    )
    assert "source.line: /dev/ttyUSB0 is opened by q too" in faults(tree)[0]


def test_sources_of_one_line_know_of_each_other_whoever_says_it(tree):
    one_source(tree, SOURCE + TCP + BLOCK + rows('{ at = 3, name = "speed", as = "u16", unit = "Hz" }'))
    other = SOURCE.replace('"p"', '"q"') + TCP + 'shares_line_with = ["p"]\n' + BLOCK
    (tree / "sources/q.toml").write_text(other + rows('{ at = 3, name = "frequency", as = "u16", unit = "Hz" }'))
    assert {one.name: one.options["shares_line_with"] for one in load(tree).sources} == {"p": ["q"], "q": ["p"]}
    change(tree, "sources/q.toml", '["p"]', '["pp"]')
    assert "source.shares_line_with: 'pp' is not a known Modbus source; did you mean p?" in faults(tree)[0]


def test_more_sources_than_a_gateway_takes_clients_are_a_fault(tree):
    one_source(tree, SOURCE + TCP + BLOCK + rows('{ at = 3, name = "speed", as = "u16", unit = "Hz" }'))
    other = SOURCE.replace('"p"', '"q"') + TCP + "max_clients = 1\n" + BLOCK
    (tree / "sources/q.toml").write_text(other + rows('{ at = 3, name = "frequency", as = "u16", unit = "Hz" }'))
    assert "source.max_clients: 127.0.0.1:502 takes 1, but p, q go there; make fewer of them" in faults(tree)[0]
    change(tree, "sources/q.toml", "max_clients = 1", "max_clients = 2")
    assert {one.name: one.options["max_backoff_s"] for one in load(tree).sources} == {"p": 10.0, "q": 60.0}


OPCUA = SOURCE + 'driver = "opcua"\nurl = "opc.tcp://127.0.0.1:4840"\n'
NODE = (
    '[[source.block]]\nasset = "pump1"\ntags = [{ node = "nsu=urn:plant;s=P1.flow", name = "flow", unit = "m3/h" }]\n'
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('user = "hw"\npassword = "1234"\n', "source.password: a secret never stands in a configuration file"),
        ('user = "hw"\n', "source.user: needs password_file"),
        ('password_file = "p"\n', "source.user: is missing"),
        ('user = "hw"\npassword_file = "p"\npassword_credential = "p"\n', "password_file: and password_cred"),
        ('user_certificate = "c"\n', "source.user_certificate: a login by certificate needs"),
        ('security = "Basic256Sha256,SignAndEncrypt"\n', "source.certificate: is missing; Sign & Encrypt needs it"),
        ('[source.assets]\n"P 1" = "pmp1"\n', "source.assets.P 1: 'pmp1' is not a known asset; did you mean pump1?"),
    ],
)
def test_a_secret_stands_in_a_file_or_a_credential_never_here(tree, keys, expected):
    one_source(tree, OPCUA + keys + NODE)
    assert expected in faults(tree)[0]
    assert "1234" not in "".join(faults(tree))


@pytest.mark.parametrize("host", ["a accept; flush ruleset #", "=cmd", "-h", "a:b", "a:70000", "ho\u202est"])
def test_an_address_holds_a_host_and_nothing_that_a_firewall_could_trip_over(tree, host):
    one_source(tree, OPCUA.replace("127.0.0.1:4840", host).replace("127.0.0.1", host) + NODE)
    assert "source.url: names no host" in faults(tree)[0]


def test_silence_is_looked_into_before_a_value_would_be_called_stale(tree):
    one_source(tree, OPCUA + "verify_s = 60\n" + NODE)
    assert "source.verify_s: is more than two and a half periods" in faults(tree)[0]


def test_a_login_in_the_address_is_refused_and_files_are_found_beside_the_configuration(tree):
    one_source(tree, OPCUA.replace("127.0.0.1", "hw:1234@127.0.0.1") + NODE)
    assert "source.url: holds a login" in faults(tree)[0]
    settings = load(one_source(tree, OPCUA + 'user = "hw"\npassword_file = "secrets/hw"\n' + NODE))
    assert settings.sources[0].options["password_file"] == str(tree / "secrets/hw")


def test_a_broker_is_a_feed_whose_secret_stands_elsewhere(tree):
    feed = '[feed]\nname = "m"\nkind = "mqtt"\nvendor = "Acme"\nformat = "json"\n'
    feed += '[feed.mqtt]\nhost = "broker"\ntopic = "a/#"\n'
    (tree / "sources/m.toml").write_text(feed + 'user = "hw"\npassword_credential = "mqtt"\n')
    (spec,) = [one for one in load(tree).feeds if one.kind == "mqtt"]
    assert (spec.options["host"], spec.options["port"], spec.options["tls"]) == ("broker", 8883, True)
    (tree / "sources/m.toml").write_text(feed + 'password = "1234"\n')
    assert "feed.mqtt.password: a secret never stands in a configuration file" in faults(tree)[0]
    (tree / "sources/m.toml").write_text(feed.replace('name = "m"', 'name = "status_bit"'))
    assert "feed.name: 'status_bit' is what devices say themselves" in faults(tree)[0]


def test_the_hash_covers_the_maps_that_were_read(with_map):
    one_source(with_map, SOURCE + TCP + '[[source.block]]\nasset = "pump1"\nmap = "acme"\n')
    before = load(with_map).sha256
    change(with_map, "maps/codes/acme.toml", "dry running", "dry-running")
    assert load(with_map).sha256 != before


def test_a_tag_on_forbidden_registers_or_longer_than_a_request_is_a_fault_of_the_source(tree):
    row = '{ at = 3, name = "energy", as = "f64", unit = "kWh", order = "ABCD" }'
    span = '[[source.forbidden]]\ndevice_id = 1\ntable = "holding"\nfirst = 6\nlast = 9\n'
    one_source(tree, SOURCE + TCP + span + BLOCK + rows(row))
    assert "tag pump1.energy: wire address 3 is declared forbidden" in faults(tree)[0]
    one_source(tree, SOURCE + TCP + "max_words = 2\n" + BLOCK + rows(row))
    assert "tag pump1.energy: 4 registers are more than max_words = 2" in faults(tree)[0]


def test_device_0_of_a_serial_line_and_numbers_that_are_none_are_faults(tree):
    row = rows('{ at = 3, name = "speed", as = "f32", order = "ABCD", unit = "Hz", sentinels = [nan] }')
    block = BLOCK + "device_id = 0\n" + row
    assert load(one_source(tree, SOURCE + TCP + block)).tags[0].where.device_id == 0
    one_source(tree, SOURCE + SERIAL + "sole_master = true\n" + block)
    assert "device_id: 0 calls all devices of a serial line at once" in faults(tree)[0]
    for number in ("inf", "nan", "-inf"):
        one_source(tree, SOURCE.replace("every_s = 5", f"every_s = {number}") + TCP + BLOCK + row)
        assert "source.every_s: must be a number, neither nan nor inf" in faults(tree)[0]


@pytest.mark.parametrize("number", ["0.0001", "0.099", "0", "-1"])
def test_a_device_is_not_asked_more_often_than_it_can_bear(tree, number):
    row = rows('{ at = 3, name = "speed", as = "u16", unit = "Hz", every_s = NUMBER }')
    why = f"every_s: must be 0.1 or more: a device that is asked more often is kept from its own work (found {number})"
    one_source(tree, SOURCE.replace("every_s = 5", f"every_s = {number}") + TCP + BLOCK + row.replace("NUMBER", "0.1"))
    assert f"source.{why}" in faults(tree)[0]
    one_source(tree, SOURCE.replace("every_s = 5", "every_s = 0.1") + TCP + BLOCK + row.replace("NUMBER", number))
    assert why in faults(tree)[0]


@pytest.mark.parametrize("cell", ["auto", "=auto", "0=auto|min", "x=1"])
def test_labels_that_cannot_be_read_from_a_cell_are_a_fault(tree, cell):
    csv_source(tree, f"asset,address_base,at,as,name,unit,quantity,labels\npump1,wire0,3,u16,m,1,other,{cell}\n")
    (fault,) = faults(tree)
    assert fault.startswith("tags/p.csv: line 2: labels: pump1.m:")


def test_a_loop_and_an_exponent_may_stand_in_a_spreadsheet(tree):
    csv_source(
        tree,
        "asset;address_base;at;as;name;unit;ma;span;exponent_at\n"
        "pump1;reg1;3;u16;level;m;0,001;0,5|8,5;\n"
        "pump1;reg1;11;i16;current;A;;;21\n",
    )
    level, current = load(tree).tags
    assert (level.where.ma, level.where.scale) == (0.001, 0.0005)
    assert current.where.exponent_at == 20


def test_what_is_wrong_with_a_block_is_told_once_not_for_each_of_its_rows(with_map):
    one_source(with_map, SOURCE + TCP + '[[source.block]]\nasset = "pumpX"\nmap = "acme"\n')
    assert faults(with_map) == [
        "sources/pump1.toml: line 8: source.block.0.asset: 'pumpX' is not a known asset; did you mean pump1?"
    ]


def test_a_key_that_is_like_no_other_tells_all_that_are_known_and_one_of_the_source_says_where_it_belongs(tree):
    row = rows('{ at = 3, name = "speed", as = "f32", order = "ABCD", unit = "Hz" }')
    one_source(tree, SOURCE + 'driver = "opcua"\nendpoint = "x"\n' + BLOCK + row)
    (told,) = [fault for fault in faults(tree) if "source.endpoint" in fault]
    assert "known: name, driver, site, every_s" in told
    assert ", url, mode," in told
    one_source(tree, SOURCE + TCP + BLOCK + 'tags_csv = "tags/x.csv"\n' + row)
    assert "source.block.0.tags_csv: is unknown here; it belongs to [source] itself" in faults(tree)[0]
    one_source(tree, SOURCE.replace('"p"', '"p 1"') + TCP + BLOCK + row)
    assert "source.name: has a form that is not taken; allowed is ^[A-Za-z0-9_-]{1,40}$" in faults(tree)[0]
    one_source(tree, SOURCE + TCP + "workarounds = 3\n" + BLOCK + row)
    assert "source.workarounds: must be a table, name = value (found 3)" in faults(tree)[0]


KEEPING = """
[history]
keep_days = 730
least_days = 120

[disk]
full_at = 0.85

[fleet]
scheduler = "tcp://10.0.0.7:8786"

[retention]
message = 1095
finding = 3650

[metrics]
port = 9464
"""


def with_tables(tree, text):
    path = tree / "site.toml"
    path.write_text(path.read_text() + text)
    return tree


def test_the_secret_of_an_object_store_lies_beside_the_configuration(tree):
    store = '[history]\nurl = "s3://bucket/plant"\nuser = "me"\npassword_file = "history.secret"\n'
    history = load(with_tables(tree, store)).history
    assert (history.url, history.user) == ("s3://bucket/plant", "me")
    assert history.password_file == str(tree / "history.secret")


def test_how_long_and_where_things_are_kept_has_defaults_and_can_be_said(tree):
    before = load(tree)
    assert (before.history.url, before.history.keep_days, before.disk.full_at) == (None, None, 0.9)
    assert (before.retention, before.metrics_port, before.fleet.scheduler) == ({}, None, None)
    after = load(with_tables(tree, KEEPING))
    assert (after.history.keep_days, after.history.least_days, after.disk.full_at) == (730, 120, 0.85)
    assert (after.retention, after.metrics_port) == ({"message": 1095, "finding": 3650}, 9464)
    assert after.fleet.scheduler == "tcp://10.0.0.7:8786"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[history]\nkeep_days = 30\n", "is less than least_days = 90"),
        ('[history]\nurl = "s3://me:word@bucket/x"\n', "history.url: holds a login"),
        ('[history]\nuser = "me"\npassword_file = "secret"\n', "history.user: belongs to an object store"),
        ('[history]\nurl = "s3://bucket/x"\nuser = "me"\n', "history.user: needs password_file"),
        ("[retention]\nverdict = 30\n", "kind whose words can be erased"),
        ("[metrics]\nport = 80\n", "metrics.port"),
    ],
)
def test_a_rule_that_would_lose_what_must_stay_is_a_fault(tree, text, expected):
    assert any(expected in fault for fault in faults(with_tables(tree, text)))


def test_a_time_to_learn_from_that_an_asset_names_reaches_the_hot_file(tree, tmp_path):
    reference = "reference = { from = 2026-10-18, to = 2026-11-17 }"
    change(tree, "site.toml", "max_starts_per_h = 10", f"max_starts_per_h = 10\n{reference}")
    hot = HotFile(tmp_path / "hot.sqlite")
    hot.publish_tags(load(tree))
    hot.close()
    told = {row["reference"]["start"] for row in HotReader(tmp_path / "hot.sqlite").assets() if row["reference"]}
    assert told == {"2026-10-18"}
