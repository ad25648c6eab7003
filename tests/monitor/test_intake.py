"""Vendor files of every kind through the intake: the good are handed over once, the others kept with their reason."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.errors import AlertError
from drivers.record import Alert
from drivers.source import FeedSpec
from monitor.handover import hand_over, handed_over, read_handover, read_limited
from monitor.intake import INBOX_MOST, LOOKED_S, PATIENCE_S, SETTLED_S, STUCK_S, Drop, drop_folder, run
from monitor.settings import load
from monitor.state import State

NOW = 1_795_440_000_000_000
GOOD = (Path(__file__).parents[1] / "golden/vendor_message.json").read_bytes()
FEED = FeedSpec(
    name="smartpump_mail", kind="file_drop", vendor="SmartPump", folder=Path("drop/smartpump"), format="json",
    fields={"alert_id": "id", "asset": "pump", "component": "part", "failure_mode": "mode", "severity": "level",
            "issued_at": "issued", "text": "message", "action": "recommended", "horizon_days": "due_in_days"},
    assets={"SP-0001": "pump1"}, components={"mech. seal": "seal"},
    severities={"info": "note", "warn": "warning", "urgent": "critical"},
)  # fmt: skip


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


@pytest.fixture
def folder(state):
    folder = drop_folder(FEED, state)
    folder.mkdir(parents=True)
    return folder


class Watch:
    """A drop looked at as time is said to pass."""

    def __init__(self, state):
        self.drop, self.mono_s = Drop(FEED, state), 0.0

    def after(self, seconds):
        self.mono_s += seconds
        return self.drop.sweep(self.mono_s, NOW + round(self.mono_s * 1e6))

    def until_settled(self):
        self.after(0)
        return self.after(SETTLED_S)


def message(**changes):
    return json.dumps({**json.loads(GOOD), **changes}).encode()


def reasons(state):
    """What the vendor called it -> why it was rejected."""
    told = [path.read_text() for path in state.rejected.glob("*.reason.txt")]
    return {text.split(" ", 1)[1].partition(":")[0]: text for text in told}


def kept(state, name):
    """The rejected file that the vendor gave this name."""
    (path,) = [path for path in state.rejected.glob("*.reason.txt") if f" {name}: " in path.read_text()]
    return path.with_name(path.name.removesuffix(".reason.txt"))


def test_a_message_is_handed_over_byte_for_byte_with_its_finished_alert(state, folder):
    (folder / "a.json").write_bytes(GOOD)
    assert Watch(state).until_settled().taken == 1
    (path,) = handed_over(state)
    handover, raw = read_handover(path)
    assert raw == GOOD
    assert handover.sha256 == hashlib.sha256(GOOD).hexdigest()
    (alert,) = handover.alerts
    assert (alert.alert_id, alert.asset, alert.component) == ("SP-2026-0042", "pump1", "seal")
    assert alert.received_us == handover.receive_us == NOW
    assert list(folder.iterdir()) == []


def waited(state):
    return [
        alert.extra.get("may_have_waited") for path in handed_over(state) for alert in read_handover(path)[0].alerts
    ]


def test_a_file_that_lay_there_before_we_looked_is_no_proof_of_when_it_came(state, folder):
    (folder / "a.json").write_bytes(GOOD)
    watch = Watch(state)
    watch.until_settled()
    assert waited(state) == ["yes"]


def test_a_file_that_came_between_two_looks_has_its_time(state, folder):
    watch = Watch(state)
    watch.after(0)
    (folder / "a.json").write_bytes(GOOD)
    watch.after(1)
    watch.after(SETTLED_S)
    assert waited(state) == [None]
    (folder / "b.json").write_bytes(message(id="B"))
    watch.after(LOOKED_S + 1)  # a suspended machine
    watch.after(SETTLED_S)
    assert sorted(waited(state), key=str) == [None, "yes"]


def test_while_the_daemon_takes_nothing_messages_stay_in_their_folder(state, folder, config, capsys):
    for number in range(INBOX_MOST):
        (state.inbox / f"{number}.json").touch()
    (folder / "a.json").write_bytes(GOOD)
    assert run(load(config), state, once=True) == 0
    assert (folder / "a.json").read_bytes() == GOOD
    assert "taken in: 0; rejected: 0" in capsys.readouterr().out


def test_a_file_that_still_grows_is_waited_for(state, folder):
    watch, path = Watch(state), folder / "a.json"
    path.write_bytes(GOOD[:40])
    watch.after(0)
    path.write_bytes(GOOD)
    os.utime(path, ns=(1, 1))  # whatever its time says
    assert watch.after(SETTLED_S).waiting == 1
    assert watch.after(SETTLED_S - 0.1).waiting == 1
    assert watch.after(0.2).taken == 1


def test_a_half_written_file_is_waited_for_and_then_rejected_with_a_reason(state, folder):
    watch, path = Watch(state), folder / "half.json"
    path.write_bytes(GOOD[:-30])
    assert watch.after(0).waiting == 1
    assert watch.after(PATIENCE_S - 1).waiting == 1
    assert watch.after(1).rejected == 1
    assert kept(state, "half.json").read_bytes() == GOOD[:-30]
    assert kept(state, "half.json").name == f"smartpump_mail-{hashlib.sha256(GOOD[:-30]).hexdigest()[:16]}.json"
    assert "half written" in reasons(state)["half.json"]
    assert reasons(state)["half.json"].count("\n") == 1


def test_a_half_written_file_that_is_finished_in_time_is_taken(state, folder):
    watch, path = Watch(state), folder / "half.json"
    path.write_bytes(GOOD[:-30])
    watch.after(0)
    assert watch.after(PATIENCE_S - 1).waiting == 1
    path.write_bytes(GOOD)
    watch.after(1)
    assert watch.after(SETTLED_S).taken == 1
    assert reasons(state) == {}


def test_a_file_of_50_mb_is_rejected_unread_and_kept(state, folder):
    with (folder / "huge.json").open("wb") as file:
        file.truncate(50_000_000)
    assert Watch(state).until_settled().rejected == 1
    assert "50,000,000 bytes" in reasons(state)["huge.json"]
    assert kept(state, "huge.json").stat().st_size == 50_000_000


def test_a_link_or_a_device_is_never_followed(state, folder, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(GOOD)
    (folder / "link.json").symlink_to(secret)
    os.mkfifo(folder / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(folder)
        listening.bind("socket.json")
        os.chdir(here)
        assert Watch(state).after(0).rejected == 3
    assert set(reasons(state)) == {"link.json", "pipe.json", "socket.json"}
    assert secret.read_bytes() == GOOD
    assert handed_over(state) == []
    with pytest.raises(OSError, match="symbolic"):
        (folder / "again.json").symlink_to(secret)
        read_limited(folder / "again.json")


def test_names_that_are_hostile_do_no_harm(state, folder):
    for name in ("a\x1b[2J.json", "a\nb.json", "-rf.json", "x" * 200 + ".json", "\u202enosj.txt"):
        (folder / name).write_bytes(b"rubbish")
    watch = Watch(state)
    watch.after(0)
    assert watch.after(PATIENCE_S).rejected == 5
    names = [path.name for path in state.rejected.iterdir()]
    assert len(names) == 10
    assert all(name.isascii() and name.isprintable() and "/" not in name for name in names)


def test_folders_hidden_files_and_unfinished_uploads_are_left_alone(state, folder):
    (folder / "archive").mkdir()
    for name in (".hidden.json", "a.json.part", "b.tmp"):
        (folder / name).write_bytes(GOOD)
    watch = Watch(state)
    watch.after(0)
    swept = watch.after(PATIENCE_S)
    assert (swept.taken, swept.rejected, swept.waiting) == (0, 0, 0)


def test_the_second_rejected_file_of_a_name_does_not_replace_the_first(state, folder):
    watch = Watch(state)
    for text in (b"one", b"two"):
        (folder / "a.json").write_bytes(text)
        watch.after(0)
        watch.after(PATIENCE_S)
    assert sorted(path.read_bytes() for path in state.rejected.glob("*.json")) == [b"one", b"two"]


def test_a_crash_between_handing_over_and_deleting_makes_no_second_alert(state, folder):
    (folder / "a.json").write_bytes(GOOD)
    watch = Watch(state)
    watch.until_settled()
    first = handed_over(state)
    (folder / "a.json").write_bytes(GOOD)  # as if the deletion had been lost
    watch.after(60)
    watch.after(SETTLED_S)
    assert handed_over(state) == first
    assert read_handover(first[0])[0].receive_us == NOW


def test_a_handover_that_somebody_changed_is_refused(state):
    path = hand_over(state, "smartpump_mail", b"raw", [], NOW)
    path.with_suffix(".raw").write_bytes(b"war")
    with pytest.raises(AlertError, match="not a handover"):
        read_handover(path)
    path.write_text('{"format": 1}')
    with pytest.raises(AlertError, match="not a handover"):
        read_handover(path)


@pytest.mark.parametrize(
    "changes",
    [{"origin": "own"}, {"origin": "monitor"}, {"feed": "status_bit"}, {"extra": 5}, {"extra": {"clear_at": 5}}],
)
def test_a_handover_does_not_speak_for_devices_or_for_us(state, changes):
    said = Alert("1", "vendor", "pump1", "seal", "wear", "warning", "", NOW, vendor="V", feed="smartpump_mail")
    read_handover(hand_over(state, "smartpump_mail", b"one", [said], NOW))
    with pytest.raises(AlertError, match="not a handover"):
        read_handover(hand_over(state, "smartpump_mail", b"two", [replace(said, **changes)], NOW))


@pytest.mark.parametrize(
    "change",
    [
        {"receive_us": 10**25}, {"receive_us": float("inf")}, {"receive_us": None}, {"feed": "\ud800"},
        {"alerts": [{"active": []}]}, {"alerts": [{"feed": {}}]}, {"alerts": [{"text": "\ud800"}]},
        {"alerts": [{"issued_us": 10**20}]}, {"alerts": [{"horizon_days": float("nan")}]}, {"alerts": ["x"]},
    ],
)  # fmt: skip
def test_a_handover_that_the_ledger_could_not_take_is_refused(state, folder, change):
    (folder / "a.json").write_bytes(GOOD)
    Watch(state).until_settled()
    (path,) = handed_over(state)
    body = json.loads(path.read_text())
    if isinstance(change.get("alerts", [None])[0], dict):
        change = {"alerts": [body["alerts"][0] | change["alerts"][0]]}
    path.write_text(json.dumps(body | change))
    with pytest.raises(AlertError, match="not a handover"):
        read_handover(path)


def test_a_handover_nested_without_end_is_refused(state):
    path = hand_over(state, "smartpump_mail", b"raw", [], NOW)
    path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(AlertError, match="not a handover"):
        read_handover(path)


def test_a_file_that_cannot_be_taken_for_want_of_room_is_taken_when_there_is_room_again(state, folder):
    (folder / "a.json").write_bytes(GOOD)
    state.inbox.rmdir()
    state.inbox.write_bytes(b"")  # nothing can be written there, whoever tries
    watch = Watch(state)
    assert watch.until_settled().taken == 0
    state.inbox.unlink()
    state.inbox.mkdir()
    assert watch.after(1).taken == 0
    assert watch.after(STUCK_S).taken == 1


def test_a_rejected_file_that_is_named_like_a_reason_is_kept_beside_it(state, folder):
    watch = Watch(state)
    (folder / "a.json.reason.txt").write_bytes(b"of the vendor")
    watch.after(0)
    watch.after(PATIENCE_S)
    (folder / "a.json").write_bytes(b"bad")
    watch.after(0)
    watch.after(PATIENCE_S)
    assert {path.read_bytes() for path in state.rejected.iterdir()} > {b"of the vendor", b"bad"}


def test_a_hundred_files_with_rubbish_among_them_through_the_real_process(state, folder, tmp_path, config):
    rubbish = [
        b"", b"\xff\xfe\x00", b"null", b"[]", b"{" * 5000, b'{"id": NaN}', GOOD[:-3], message(pump="SP-9999"),
        message(level="scream"), message(issued="yesterday"),
    ]  # fmt: skip
    for number in range(90):
        (folder / f"good{number:02}.json").write_bytes(message(id=f"SP-{number}"))
    for number, raw in enumerate(rubbish):
        (folder / f"bad{number:02}.json").write_bytes(raw)
    command = [sys.executable, "-c", ONCE, str(config), str(state.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "taken in: 90; rejected: 10" in done.stdout
    assert list(folder.iterdir()) == []
    ids = {read_handover(path)[0].alerts[0].alert_id for path in handed_over(state)}
    assert ids == {f"SP-{number}" for number in range(90)}
    assert set(reasons(state)) == {f"bad{number:02}.json" for number in range(10)}
    assert all(text.count("\n") == 1 for text in reasons(state).values())


def test_the_process_that_is_told_to_stop_ends_by_itself(state, folder, config):
    command = [sys.executable, "-c", ONCE.replace("True", "False"), str(config), str(state.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        (folder / "a.json").write_bytes(GOOD)
        end = time.monotonic() + 60
        while not handed_over(state):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


ONCE = """
import sys
from pathlib import Path
from monitor.intake import run
from monitor.settings import load
from monitor.state import State
sys.exit(run(load(Path(sys.argv[1])), State(Path(sys.argv[2])).make(), True))
"""


@pytest.fixture
def config(tmp_path):
    """The golden configuration."""
    return Path(__file__).parents[1] / "golden/config"
