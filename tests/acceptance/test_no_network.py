"""Started where platform, vendor, name service and internet are gone: reading, alarms, procedures and printing work."""

import json
import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def alone():
    """The command that runs another one where only the loopback is; skips where the system does not allow it."""
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"no network: {program} is not installed")
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network: a namespace of our own is not allowed here ({tried.stderr.strip()})")
    return command


def test_case_8_with_nothing_but_the_loopback_all_works_and_what_cannot_be_reached_is_named(alone, tmp_path):
    done = subprocess.run(
        [*alone, sys.executable, "-m", "tests.acceptance.no_network", str(tmp_path / "d")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert "gateway.platform.invalid" in found["cloud_said"]
    assert {"monitor:link:n_drives", "monitor:link:cloud"} <= set(found["alarms"])
    assert found["ledger"] == 1
    assert found["intake"]
    assert "N-P01" in found["overview"]
    assert found["list"][0] == 0, found["list"]
    assert found["print"][0] in (0, 1), found["print"]  # 1 where lp is here and no printer: not printed
    assert "P-03" in found["print"][1]
    assert "P-03" in found["list"][1]
    assert {".txt", ".pdf"} <= set(found["binder"])
