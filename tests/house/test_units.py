"""The systemd units: what each process may do and reach is said in its unit, and systemd itself can read it."""

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "config/systemd"
NAMES = ("handwheel.service", "handwheel-intake.service")
ANALYZE = shutil.which("systemd-analyze")


def service(name):
    unit = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    unit.optionxform = str
    unit.read(UNITS / name)
    return dict(unit["Service"])


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_gives_no_more_rights_than_it_needs(name):
    said = service(name)
    wanted = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "ProtectHome": "yes",
              "Restart": "always", "SystemCallErrorNumber": "EPERM"}  # fmt: skip
    assert {key: said.get(key) for key in wanted} == wanted
    assert said["User"] not in ("root", "")
    assert said["Group"] == "handwheel"
    assert ("WatchdogSec" in said) == (said["Type"] == "notify") == (name == "handwheel.service")  # who would answer it


def test_the_intake_has_no_network_and_another_user_than_the_daemon():
    daemon, intake = map(service, NAMES)
    assert intake["PrivateNetwork"] == "yes"
    assert intake["IPAddressDeny"] == "any"
    assert intake["RestrictAddressFamilies"] == "AF_UNIX"
    assert intake["User"] != daemon["User"]
    assert set(intake["StateDirectory"].split()) == {"handwheel/inbox", "handwheel/rejected", "handwheel/drop"}


def test_no_unit_holds_a_secret():
    for name in NAMES:
        assert not re.search(r"(?i)^\s*(Environment|SetCredential)", (UNITS / name).read_text(), re.M)


def test_the_units_are_packaged_with_the_configuration():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["shared-data"]["config"] == "share/handwheel/config"
    assert {path.name for path in UNITS.iterdir()} == set(NAMES)


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
@pytest.mark.parametrize(("name", "most"), [("handwheel.service", 2.5), ("handwheel-intake.service", 1.0)])
def test_systemd_can_read_it_and_finds_it_closed(name, most):
    def analyze(*args):
        return subprocess.run([ANALYZE, *args, UNITS / name], capture_output=True, text=True, timeout=60, check=False)

    checked = analyze("verify")
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = analyze("security", "--offline=true", "--no-pager")
    found = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    if found is None:
        pytest.skip("this systemd-analyze cannot rate a unit offline")
    assert float(found[1]) <= most
