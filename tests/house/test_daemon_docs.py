"""docs/daemon.md: what it says of backup and restore is done as it stands, and nothing is lost by it."""

import re
import subprocess
from pathlib import Path

import pytest

from monitor.ledger import Draft, Ledger, entries, verify
from monitor.state import State
from tests.monitor.test_ledger import AT, COMMANDS
from tests.monitor.transfer_bench import a_night, configured, handwheel

TEXT = (Path(__file__).parents[2] / "docs/daemon.md").read_text("utf-8").partition("## Backup and restore")[2]
BLOCKS = re.findall(r"```\n(.*?)```", TEXT, re.S)


@pytest.fixture
def places(tmp_path):
    """Where the document's folders lie in this test."""
    (tmp_path / "safe").mkdir()
    (tmp_path / "backup").mkdir()
    config = configured(tmp_path / "config")
    state = a_night(State(tmp_path / "state"))
    return tmp_path, config, state


def done(block, folder):
    """Run the lines of a block but for those that only root and systemd can do."""
    told = block.replace("/var/lib/handwheel", f"{folder}/state").replace("/mnt", str(folder))
    lines = [line for line in told.splitlines() if not line.startswith(("systemctl", "chown", "handwheel"))]
    script = "\n".join(lines).replace(" -o handwheel -g handwheel", "")
    subprocess.run(["bash", "-euc", script], check=True, timeout=60)


def values(places):
    folder, config, state = places
    out = folder / "values.csv"
    words = ("export", "values", "*", "--from", "2026-10-24", "--to", "2026-10-26", "--out", str(out), "--force")
    assert handwheel(config, state, *words) == 0
    return out.read_text()


def test_a_bundle_is_put_back_with_every_sample_and_entry(places):
    folder, config, state = places
    before = values(places)
    assert before.count("pump1.running") == 3
    handwheel(config, state, "export", "everything", str(folder / "backup/2026-11-27"))
    (folder / "safe/keys").mkdir(exist_ok=True)
    done(BLOCKS[3], folder)
    found = verify(state)
    assert found.ok
    later = [one.kind for one in entries(State(folder / "state.old")) if one.n > found.n]
    assert later == ["export", "seal"], "what came after the copy is all that is not there"
    assert values(places) == before


def test_state_copied_after_a_stop_is_the_same(places):
    folder, config, state = places
    before, n = values(places), verify(state).n
    (state.root / "keys").mkdir(exist_ok=True)
    done(BLOCKS[1], folder)
    assert (folder / "safe/keys").is_dir()
    assert not (folder / "backup/state/keys").exists()
    copied = State(folder / "backup/state")
    assert (verify(copied).ok, verify(copied).n) == (True, n)
    assert values((folder, config, copied)) == before


def test_one_file_of_a_running_daemon_is_copied_with_what_lies_in_its_wal(places):
    folder, _config, state = places
    ledger = Ledger(state)
    ledger.append_many([Draft("acknowledge", COMMANDS, AT, "cli")])
    done(BLOCKS[2], folder)
    done(BLOCKS[2].replace("ledger.sqlite", "bodies.sqlite"), folder)
    assert (folder / "state/ledger.sqlite-wal").stat().st_size > 0
    copied = verify(State(folder / "backup"))
    assert (copied.ok, copied.n) == (True, ledger.head()[0])
    ledger.close()
