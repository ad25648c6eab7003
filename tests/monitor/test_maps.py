"""The shipped device maps: each loads, says where it comes from, and reads the answer of its device as expected."""

import re
import tomllib
from pathlib import Path

import pytest

from drivers import registers
from drivers.record import Reason, quality_of
from monitor.settings import load
from monitor.shipped import shipped_folder
from tests.monitor.answering import DEVICES, answer_of

MAPS = sorted(path.stem for path in (shipped_folder() / "maps").glob("*.toml"))
SITE = """
[utility]
name = "Test"
time_zone = "Europe/Berlin"
[[site]]
id = "S"
name = "Site"
type = "waterworks"
[[asset]]
id = "X"
site = "S"
name = "the device"
kind = "pump"
"""


def settings_for(folder, name, shift=0, more=""):
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(SITE)
    (folder / "sources/x.toml").write_text(
        '[source]\nname = "x"\ndriver = "modbus_tcp"\nsite = "S"\nevery_s = 5\nhost = "127.0.0.1"\n'
        f'{more}[[source.block]]\nasset = "X"\nmap = "{name}"\nshift = {shift}\n'
    )
    return load(folder)


def read(tag, words):
    where = tag.where
    found = [words[where.table, where.address + n] for n in range(registers.length(where))]
    exponent = None if where.exponent_at is None else words[where.table, where.exponent_at]
    return registers.decode(found, where, exponent)


@pytest.mark.parametrize("name", MAPS)
def test_the_answer_of_each_device_reads_as_its_documents_say(tmp_path, name):
    expected = tomllib.loads((DEVICES / name / "expected.toml").read_text())
    settings = settings_for(tmp_path, name, expected.get("shift", 0))
    words = answer_of(name)
    found = {tag.name.removeprefix("X."): read(tag, words) for tag in settings.tags}
    assert set(expected["values"]) <= set(found)
    for tag, value in expected["values"].items():
        assert found[tag][0] == pytest.approx(value, rel=1e-6), tag
    (device,) = settings.devices
    for number, low, high in device.sanity:
        assert low <= read(settings.tags[number], words)[0] <= high, settings.tags[number].name


@pytest.mark.parametrize("name", MAPS)
def test_each_map_names_its_document_its_source_and_something_to_verify_it_by(tmp_path, name):
    head = tomllib.loads((shipped_folder() / "maps" / f"{name}.toml").read_text())["map"]
    assert head["document"]
    assert head["source"]
    (device,) = settings_for(tmp_path, name).devices
    assert device.confidence in ("documented", "secondary", "memory")
    assert device.verified_on is None
    assert device.sanity


def test_what_a_pump_does_not_fill_is_bad_and_never_a_number(tmp_path):
    words = answer_of("grundfos_cim") | {("input", n): 0xFFFF for n in range(200, 360)}
    for tag in settings_for(tmp_path, "grundfos_cim").tags:
        value, reasons, _ = read(tag, words)
        assert value is None
        assert Reason.SENTINEL in reasons
        assert quality_of(reasons).name == "BAD"


def test_what_the_device_computes_is_estimated_and_what_it_asks_for_is_an_alert(tmp_path):
    settings = settings_for(tmp_path, "grundfos_cim")
    assert {tag.name for tag in settings.tags if tag.estimated} == {
        "X.flow", "X.volume", "X.head_pressure", "X.specific_energy"
    }  # fmt: skip
    codes = {settings.tags[alert.tag].name: alert for alert in settings.status_alerts}
    assert codes["X.warning_code"].codes[57].text == "dry running"
    assert dict(settings.tags[codes["X.alarm_code"].tag].labels)[57] == "dry running"
    danfoss = settings_for(tmp_path / "d", "danfoss_vlt")
    assert [alert.codes_are for alert in danfoss.status_alerts] == ["bits", "bits", "bits"]
    assert danfoss.sources[0].options["max_words"] == 2


def test_a_map_of_the_site_s_own_wins_over_the_shipped_one(tmp_path):
    (tmp_path / "maps").mkdir()
    text = (shipped_folder() / "maps/eastron_sdm630.toml").read_text()
    (tmp_path / "maps/eastron_sdm630.toml").write_text(
        text.replace("30071", "30079").replace("secondary", "documented")
    )
    settings = settings_for(tmp_path, "eastron_sdm630")
    (device,) = settings.devices
    assert (device.path, device.confidence) == (tmp_path / "maps/eastron_sdm630.toml", "documented")
    assert next(tag for tag in settings.tags if tag.quantity == "frequency").where.address == 78


def test_the_guide_lists_each_map_with_its_confidence_and_its_example_can_be_loaded(tmp_path):
    guide = (Path(__file__).parents[2] / "docs/devices.md").read_text()
    for name in MAPS:
        head = tomllib.loads((shipped_folder() / "maps" / f"{name}.toml").read_text())["map"]
        (row,) = [line for line in guide.splitlines() if line.startswith("| `") and f"`{name}`" in line]
        assert head["confidence"] in row
    settings_for(tmp_path, "generic_pump")
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.S)
    source = tmp_path / "sources/x.toml"
    head = source.read_text().partition("[[source.block]]")[0]
    source.write_text(head + example.replace("S-P01", "X"))
    frequency, level, mode, current = load(tmp_path).tags
    assert (frequency.where.address, current.where.exponent_at) == (70, 123)
    assert (level.where.ma, mode.labels) == (0.001, ((0, "auto"), (4, "min")))
