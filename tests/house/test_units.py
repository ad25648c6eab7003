"""The systemd units: what each process may do and reach is said in its unit, and systemd itself can read it."""

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "config/systemd"
PROGRAM = "/opt/handwheel/.venv/bin/handwheel"
DOCUMENT = (ROOT / "docs/daemon.md").read_text("utf-8")
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


def test_the_program_is_started_from_where_the_document_puts_it():
    for name, verb in zip(NAMES, ("run", "intake"), strict=True):
        assert service(name)["ExecStart"] == f"{PROGRAM} {verb}"  # systemd looks into no virtual environment
    part = DOCUMENT.partition("## Install")[2].partition("\n## ")[0]
    said = [line.partition("   #")[0].rstrip() for block in re.findall(r"```\n(.*?)```", part, re.S)
            for line in block.splitlines()]  # fmt: skip
    assert {f"make -C {PROGRAM.removesuffix('/.venv/bin/handwheel')} setup", "systemctl daemon-reload",
            f"{PROGRAM} check --config /etc/handwheel"} <= set(said)  # fmt: skip
    users = {re.search(r"(\S+)$", line)[1] for line in said if line.startswith("useradd")}
    assert users == {service(name)["User"] for name in NAMES}
    copied = {line.split()[3] for line in said if line.endswith("/etc/systemd/system/")}
    assert copied == {f"/opt/handwheel/config/systemd/{name}" for name in NAMES}
    told = [line.removeprefix("#   ") for line in (UNITS / NAMES[0]).read_text().splitlines() if line[:4] == "#   "]
    assert told == [line for line in said if line in told], "the unit says the same, in the same order"
    assert told[-1] == "systemctl enable --now handwheel handwheel-intake"


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
def test_systemd_can_read_it_and_finds_it_closed(name, most, tmp_path):
    unit = tmp_path / name  # systemd asks whether the program is there
    unit.write_text((UNITS / name).read_text().replace(f"ExecStart={PROGRAM}", f"ExecStart={sys.executable}"))

    def analyze(*args):
        return subprocess.run([ANALYZE, *args, unit], capture_output=True, text=True, timeout=60, check=False)

    checked = analyze("verify")
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = analyze("security", "--offline=true", "--no-pager")
    found = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    if found is None:
        pytest.skip("this systemd-analyze cannot rate a unit offline")
    assert float(found[1]) <= most
