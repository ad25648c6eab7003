"""`handwheel check`: what an engineer reads before the daemon is started, and the table for the firewall."""

import csv
import io
import os

import pytest

from monitor.check import line_load, request_s
from monitor.cli import main
from monitor.lock import hold_lock
from monitor.settings import load
from monitor.state import State
from tests.monitor.answering import answer_of, answering
from tests.monitor.test_maps import SITE, settings_for

SOURCE = '[source]\nname = "{name}"\ndriver = "{driver}"\nsite = "S"\nevery_s = {every_s}\n{keys}\n'
ROW = '[[source.block]]\nasset = "X"\naddress_base = "wire0"\n'
ROW += 'tags = [{{ at = 3, name = "{tag}", as = "u16", unit = "Hz" }}]\n'
TCP = 'host = "{host}"\nport = 502'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config/sources").mkdir(parents=True)
    (tmp_path / "config/site.toml").write_text(SITE)
    return tmp_path


def source(folder, name, tag="speed", driver="modbus_tcp", keys="", every_s=1):
    keys = keys or TCP.format(host="10.0.0.7")
    text = SOURCE.format(name=name, driver=driver, keys=keys, every_s=every_s) + ROW.format(tag=tag)
    (folder / f"config/sources/{name}.toml").write_text(text)


def checked(folder, capsys, *words):
    code = main(["check", "--config", str(folder / "config"), "--state", str(folder / "state"), *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_a_map_is_named_with_its_file_and_how_sure_it_is_until_it_was_verified(tmp_path, capsys):
    settings_for(tmp_path / "config", "grundfos_cim")
    code, told = checked(tmp_path, capsys)
    assert code == 0
    assert "device 1, X: map grundfos_cim (" in told
    assert "config/maps/grundfos_cim.toml), confidence: secondary" in told
    assert "NOT VERIFIED on this device: run handwheel probe x --device 1 --sanity" in told
    assert "codes and bits shown in words: X.control_mode (14), X.operating_mode (3), X.alarm_code (" in told
    path = tmp_path / "config/sources/x.toml"
    path.write_text(path.read_text() + "verified_on = 2026-11-20\n")
    assert "verified on this device on 2026-11-20" in checked(tmp_path, capsys)[1]


def test_drives_with_a_watchdog_and_devices_with_few_connections_are_told(tmp_path, capsys):
    settings_for(tmp_path / "config", "abb_acs580", more="max_clients = 1\n")
    _, told = checked(tmp_path, capsys)
    assert "WARNING: this device has a communication watchdog; our reads may feed it and hide a dead PLC" in told
    assert "takes 1 connection; while handwheel runs nobody else gets in; after a failure asked again" in told
    assert "status X.fault_code: ABB, " in told


def test_two_sources_at_one_address_are_a_warning_unless_they_know_of_each_other(folder, capsys):
    source(folder, "a")
    source(folder, "b", "frequency")
    assert (
        "WARNING: b asks at the same address; if that is one gateway, write shares_line_with"
        in checked(folder, capsys)[1]
    )
    source(folder, "b", "frequency", keys=TCP.format(host="10.0.0.7") + '\nshares_line_with = ["a"]')
    _, told = checked(folder, capsys)
    assert "WARNING" not in told.partition("VENDOR FEEDS")[0]
    assert "shares its line with b: one question at a time for all" in told


def test_a_serial_line_that_would_be_busy_most_of_the_time_is_a_warning(folder, capsys):
    line = 'line = "/dev/ttyS9"\nsole_master = true\nbaud = 1200'
    source(folder, "slow", driver="modbus_rtu", keys=line, every_s=0.2)
    _, told = checked(folder, capsys)
    assert "slow: modbus_rtu /dev/ttyS9, site S, every 0.2 s" in told
    assert "requests per second: 5" in told
    assert "the line is busy 69 % of the time at 1200 baud" in told
    assert "too much for the line" not in told
    source(folder, "slow", driver="modbus_rtu", keys=line, every_s=0.19)
    assert "WARNING: too much for the line: read less often (every_s), or fewer registers" in checked(folder, capsys)[1]


def test_the_load_of_a_line_is_that_of_all_its_sources(folder, capsys):
    gateway = TCP.format(host="10.0.0.7") + "\n"
    source(folder, "a", driver="modbus_rtu_over_tcp", keys=gateway, every_s=0.1)
    source(folder, "b", "frequency", "modbus_rtu_over_tcp", gateway + 'shares_line_with = ["a"]', 0.1)
    _, told = checked(folder, capsys)
    assert "the line with b is busy 34 % of the time at 9600 baud (assumed; the gateway knows)" in told


def test_a_request_takes_the_time_of_its_bytes():
    assert request_s(80, 9600) == pytest.approx(0.198, abs=0.001)  # 11 bits x (8 + 5 + 160 bytes)


def test_a_network_source_has_no_line_to_be_busy(folder):
    source(folder, "a")
    (spec,) = load(folder / "config").sources
    assert line_load(spec, [(1.0, 2)], []) == ["requests per second: 1"]


def test_codes_are_shown_with_their_words_in_a_live_read(tmp_path, capsys):
    with answering(answer_of("grundfos_cim")) as port:
        settings_for(tmp_path / "config", "grundfos_cim", more=f"port = {port}\n")
        code, told = checked(tmp_path, capsys, "--live")
    assert code == 0
    assert "57 (dry running)" in told


def test_the_only_connection_of_a_device_is_not_taken_from_the_daemon_and_the_others_are_read(tmp_path, capsys):
    with answering(answer_of("grundfos_cim")) as port, hold_lock(State(tmp_path / "state").make()):
        settings_for(tmp_path / "config", "grundfos_cim", more=f"port = {port}\n")
        source(tmp_path, "taken", "frequency", keys='host = "127.0.0.1"\nport = 1\nmax_clients = 1')
        code, told = checked(tmp_path, capsys, "--live")
    assert code == 1
    assert "taken: NOT ASKED: 127.0.0.1:1 takes one connection, and the daemon has it; stop the daemon" in told
    assert "57 (dry running)" in told


def test_what_is_no_matter_of_the_connection_gets_no_advice_about_cables(folder, capsys):
    source(folder, "far", keys='host = "127.0.0.1"\nport = 1')
    master, slave = os.openpty()
    line = os.ttyname(slave)
    source(folder, "line", "frequency", "modbus_rtu", f'line = "{line}"\nsole_master = true')
    try:
        code, told = checked(folder, capsys, "--live")
    finally:
        os.close(master)
        os.close(slave)
    assert code == 1
    answers = {one.split(":")[0].strip(): one for one in told.splitlines() if "NO ANSWER" in one}
    assert answers["line"].endswith(f"{line}: the line refuses 9600 baud 8E1")
    assert answers["far"].endswith("; check address, cable and that the device is on")


MQTT = """
[feed]
name = "m"
kind = "mqtt"
vendor = "Acme"
format = "json"
[feed.mqtt]
host = "broker.example"
topic = "a/#"
"""


@pytest.fixture
def wired(folder):
    """A field device, an OPC UA server, a serial line and a broker."""
    source(folder, "a")
    source(folder, "line", "frequency", "modbus_rtu", 'line = "/dev/ttyS9"\nsole_master = true')
    (folder / "config/sources/u.toml").write_text(
        '[source]\nname = "u"\ndriver = "opcua"\nsite = "S"\nevery_s = 5\nurl = "opc.tcp://[fd00::7]/server"\n'
        '[[source.block]]\nasset = "X"\ntags = [{ node = "nsu=urn:p;s=f", name = "flow", unit = "m3/h" }]\n'
    )
    (folder / "config/sources/m.toml").write_text(MQTT)
    return folder


def test_the_flows_name_each_connection_and_say_that_nothing_listens(wired, capsys):
    code, told = checked(wired, capsys, "--flows")
    assert code == 0
    rows = [line.split() for line in told.splitlines() if line.startswith("handwheel ")]
    assert [(row[1], row[2], row[3]) for row in rows] == [
        ("run", "10.0.0.7", "502"),
        ("run", "fd00::7", "4840"),
        ("intake", "broker.example", "8883"),
    ]
    assert "no network: line on serial line /dev/ttyS9" in told
    assert "Nothing listens on a network." in told
    assert "A firewall cannot tell a Modbus read (function codes 1 to 4, 43/14) from a write" in told


def test_the_flows_as_csv_and_as_rules_that_let_out_just_that(wired, capsys):
    _, text = checked(wired, capsys, "--flows", "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["port"] for row in rows] == ["502", "4840", "8883"]
    assert rows[0]["purpose"] == "reads source a, site S"
    _, rules = checked(wired, capsys, "--flows", "--nft")
    assert 'meta skuid "handwheel" ip daddr 10.0.0.7 tcp dport 502 accept' in rules
    assert 'meta skuid "handwheel" ip6 daddr fd00::7 tcp dport 4840 accept' in rules
    assert 'meta skuid "handwheel-intake" ip daddr broker.example tcp dport 8883 accept' in rules
    assert rules.count("counter reject") == 2
    assert 'meta skuid "handwheel" udp dport 53' not in rules
    assert rules.count("{") == rules.count("}")


def test_the_forms_of_the_flows_belong_to_the_flows(wired, capsys):
    assert checked(wired, capsys, "--csv") == (2, "check: --csv and --nft belong to --flows; add it\n")
    assert checked(wired, capsys, "--flows", "--csv", "--nft")[0] == 2


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('[history]\nurl = "s3://bucket/hw?endpoint_override=store.plant:9000&scheme=http"\n',
         "handwheel run,store.plant,9000,\"S3, NOT encrypted\",out,its worker keeps history"),
        ('[fleet]\nscheduler = "tls://10.0.0.7"\n', "handwheel run,10.0.0.7,8786,Dask over TLS,out,its worker learns"),
    ],
)  # fmt: skip
def test_where_history_is_kept_and_models_are_learned_elsewhere_is_a_flow(wired, capsys, table, expected):
    site = wired / "config/site.toml"
    site.write_text(site.read_text() + table)
    assert expected in checked(wired, capsys, "--flows", "--csv")[1]
    assert checked(wired, capsys, "--flows", "--nft")[0] == 0


def test_a_folder_of_this_machine_is_no_flow(wired, capsys):
    before = checked(wired, capsys, "--flows", "--csv")[1]
    site = wired / "config/site.toml"
    site.write_text(site.read_text() + '[history]\nurl = "file:///srv/history"\n')
    assert checked(wired, capsys, "--flows", "--csv")[1] == before


def test_each_asset_of_a_model_is_named_with_the_window_that_it_learns_from(folder, capsys):
    text = SITE + '[models]\nlearn_days = 20\n[[asset]]\nid = "Y"\nsite = "S"\nname = "y"\nkind = "pump"\n'
    text += "reference = { from = 2026-01-01, to = 2026-01-31 }\n"
    (folder / "config/site.toml").write_text(text)
    source(folder, "x", tag="speed")
    source(folder, "y", tag="speed")
    path = folder / "config/sources/y.toml"
    path.write_text(path.read_text().replace('asset = "X"', 'asset = "Y"'))
    code, told = checked(folder, capsys)
    assert code == 0
    assert "  20 days of minutes before the first run, else 40 days of hours; it waits for them: X" in told
    assert "  2026-01-01 to 2026-01-31: Y" in told
