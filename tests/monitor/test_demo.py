"""The demo as a newcomer runs it: it sets itself up, shows a utility and a blackout, and ends what it began."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from drivers.errors import UserError
from monitor import demo, heartbeat, meters
from monitor.children import Children
from monitor.cli import main
from monitor.historian.history import wide
from monitor.ledger import entries, verify
from monitor.settings import load
from monitor.state import State
from monitor.words import use_language

RUN = [sys.executable, "-c", "from monitor.cli import main; raise SystemExit(main())", "demo"]
NOW_US = 1_795_440_000_000_000


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for one in psutil.process_iter(["pid", "cmdline"]):
        if any(str(folder) in word for word in one.info["cmdline"] or []):
            found.append(one.info["pid"])
    return found


def wait_for(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.1)


@pytest.fixture
def english():
    yield
    use_language("en")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "demo"
    demo.make_folder(place)
    return place


def test_the_configuration_of_the_demo_is_the_example_with_its_own_ports_and_the_whole_fleet(folder):
    ports = {source: 20_000 + index for index, source in enumerate(demo.example_ports())}
    url = "opc.tcp://127.0.0.1:23456/handwheel/sim"
    for _ in range(2):  # it is made anew at each start
        demo.configure(folder, ports, url, district=True)
    settings = load(folder / "config")
    assert settings.simulated
    assert settings.state == str(folder / "state")
    assert len([asset for asset in settings.assets if asset.kind == "pump"]) == 40
    for spec in settings.sources:
        if spec.driver == "opcua":
            assert spec.options["url"] == url
        else:
            assert spec.options["port"] == ports[spec.name]
    assert settings.rights[settings.groups[_own_group()]]


def _own_group() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def test_the_past_of_the_fleet_stands_in_ledger_and_history_and_a_second_one_puts_the_first_aside(folder):
    fleet = demo.lay_down(folder, NOW_US, months=3)
    state = State(folder / "state")
    checked = verify(state)
    assert checked.ok
    told = [one for one in entries(state) if one.kind not in ("key", "seal")]
    assert len(told) == len(fleet.records) + 1  # one more: the freeze of the review
    assert checked.sealed == checked.n
    settings = load(folder / "config")
    values, share = wide(state, settings, "N-P12", fleet.start_us, fleet.end_us, 3600)
    assert len(values) >= 24 * 89
    assert share["power"].mean() > 0.99
    moved = [wide(state, settings, f"N-P0{n}", fleet.start_us, fleet.end_us, 3600)[0]["flow"] for n in (1, 2, 3)]
    metered = wide(state, settings, "N-M01", fleet.start_us, fleet.end_us, 3600)[0]["flow"]
    assert metered.sum() == pytest.approx(sum(one.sum() for one in moved), rel=0.01)
    assert set(meters.learn(state, settings, NOW_US).learned) == {"N-M01", "N-M02", "H-M01"}  # from the hot file
    said = {name: one.found.word for name, one in meters.see(state, settings, NOW_US).items()}
    assert (said["N-M01"], said["N-M02"], said["H-M01"]) == ("normal", "normal", "normal")
    assert not (folder / "state.part").exists()
    demo.lay_down(folder, NOW_US + 1_000_000, months=0.1)
    assert len(list(folder.glob("state.before-*"))) == 1


def test_two_demos_never_share_a_folder(folder):
    with demo.only_one(folder), pytest.raises(UserError, match="a demo is running there"), demo.only_one(folder):
        pass
    with demo.only_one(folder):
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fault", "dead:n_drives"], "fault 'dead' is unknown; known: dead_device:SOURCE"),
        (["--fault", "worn_impeller:H-P99"], "'H-P99' is not a pump"),
        (["--speed", "0"], "--speed"),
        (["--dir", "x" * 110], "a socket path may have"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_two(tmp_path, words, said):
    done = subprocess.run(
        [*RUN, "--headless", "--no-history", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_blackout_leaves_the_room_blind_and_the_demo_ends_all_it_began(tmp_path):
    folder = tmp_path / "d"
    words = ["--dir", str(folder), "--headless", "--no-history", "--for", "12", "--blackout", "8"]
    done = subprocess.run(
        [*RUN, *words, "--fault", "dead_device:n_drives"], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert "BLIND" in done.stdout
    assert str(folder / "state") in done.stdout
    assert "dead_device:n_drives" in (folder / "faults.txt").read_text()
    status = heartbeat.read(State(folder / "state"))
    assert status is not None
    assert next(source["state"] for source in status["sources"] if source["name"] == "n_drives") != "up"
    assert processes_of(folder) == []


def test_sigterm_ends_everything_and_a_fault_can_be_switched_while_it_runs(tmp_path):
    folder = tmp_path / "d"
    state = State(folder / "state")
    child = subprocess.Popen(
        [*RUN, "--dir", str(folder), "--headless", "--no-history", "--for", "600"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def seen(source):
        status = heartbeat.read(state) or {"sources": []}
        return next((one["state"] for one in status["sources"] if one["name"] == source), "")

    try:
        wait_for(lambda: seen("r_plc") == "up")
        (folder / "faults.txt").write_text("link_down:R\n")
        wait_for(lambda: seen("r_plc") == "down" and seen("r_line") == "down")
        assert seen("n_drives") == "up"
    finally:
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert re.search(r"state\s+" + re.escape(str(folder / "state")), out)
    assert processes_of(folder) == []


@pytest.mark.usefixtures("english")
def test_the_language_that_was_asked_for_is_that_of_the_screen_and_of_what_the_demo_says(tmp_path, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(demo, "_start", lambda *_: None)
    monkeypatch.setattr(Children, "foreground", lambda _self, command: shown.append(command))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    for words, last in (([], str(tmp_path / "d" / "state")), (["--lang", "de"], "de")):
        assert main(["demo", "--dir", str(tmp_path / "d"), *words]) == 0
        assert shown[-1][-1] == last
    assert "SIMULIERT. Was entstanden ist:" in capsys.readouterr().out
    with demo.only_one(tmp_path / "d"):
        assert main(["demo", "--dir", str(tmp_path / "d"), "--lang", "de"]) == 2
    assert "dort läuft eine Vorführung" in capsys.readouterr().err


LIVES = """
import os, sys, time
until = time.monotonic() + 20
while time.monotonic() < until:
    try:
        os.kill(int(sys.argv[1]), 0)
    except ProcessLookupError:
        open(sys.argv[2], "w").close()
        break
    time.sleep(0.05)
"""


def test_a_process_of_the_demo_that_ended_is_gone_while_the_screen_has_the_terminal(tmp_path):
    with Children(tmp_path) as children:
        ended = children.start("daemon", [sys.executable, "-c", ""])
        children.foreground([sys.executable, "-c", LIVES, str(ended.pid), str(tmp_path / "gone")])
    assert (tmp_path / "gone").exists(), "the manual takes the number of a process that nobody asked for as alive"
