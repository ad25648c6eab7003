"""The heartbeat: the golden files exactly, and the table of what is said when the daemon dies, hangs or is stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.source import Counts
from monitor.heartbeat import (
    HUNG_AFTER_S,
    STARTING_FOR_S,
    STOPPED_FOR_S,
    AlarmStatus,
    AssetStatus,
    FeedStatus,
    LastKnown,
    Moment,
    RejectedStatus,
    SiteStatus,
    SourceStatus,
    build_status,
    clear_planned_stop,
    last_known_text,
    liveness,
    mark_planned_stop,
    publish,
    read,
)
from monitor.lock import boot_id, hold_lock, holder
from monitor.state import State
from monitor.words import parse_utc, use_language

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[2]
NOW = Moment("5f4c2a52-6f0e-4c7e-9d35-0d7b3a1c9e11", 81234.5, parse_utc("2026-11-23T13:22:07Z"))


def golden_status() -> dict:
    return build_status(
        NOW,
        simulated=False,
        pid=4711,
        sources=[SourceStatus("pump1", "G", "up", 1.2, 4, 4, counts=Counts(7201, timeouts=2, unfit=1, connects=4))],
        sites=[SiteStatus("G", "Golden waterworks", "waterworks", "fresh", 4, 4, 1.2)],
        assets=[
            AssetStatus(
                "pump1", "G", "high-lift pump 1", "pump", "vendor_only", "2026-11-20T07:10:00.000Z", 88.0, "steady", 0,
                "seal: vendor asks, own model sees no need",
            )
        ],
        alarms_top=[
            AlarmStatus(
                "A-12", "2026-11-20T07:10:00.000Z", "pump1", "vendor", 2, "replace seals within 14 days", "UNACK"
            )
        ],
        vendor=[FeedStatus("smartpump_mail", 281527.0, True)],
        rejected=RejectedStatus(1, "SP-2026-0041.json", 90.0),
        time_zone="Europe/Berlin",
        binder=("9f2c41d0", None, "9f2c41d0"),
        ledger=(12, "TBGS-2YVY-D34O-72BO"),
    )  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


@pytest.fixture
def live(state: State):
    """The lock is held here, as by a daemon; gives the moment at which it was taken."""
    with hold_lock(state):
        taken = holder(state)
        assert taken is not None
        yield Moment(taken.boot_id, taken.mono_s, NOW.utc_us)


def later(moment: Moment, seconds: float) -> Moment:
    return Moment(moment.boot_id, moment.mono_s + seconds, moment.utc_us + round(seconds * 1e6))


def status_at(moment: Moment) -> dict:
    return build_status(moment, simulated=False, pid=os.getpid())


def test_the_status_is_the_golden_one_key_by_key():
    golden = json.loads((GOLDEN / "status.json").read_text())
    status = golden_status()
    assert status == golden
    assert json.dumps(status) == json.dumps(golden)


def test_the_last_known_values_are_the_golden_page():
    rows = [
        LastKnown("pump1.flow", 98.7, "m3/h", "good", parse_utc("2026-11-23T13:22:05.8Z")),
        LastKnown("pump1.discharge_pressure", 4.199999809265137, "bar", "good", parse_utc("2026-11-23T13:22:05.8Z")),
    ]
    assert last_known_text(NOW, rows, ZoneInfo("Europe/Berlin")) == (GOLDEN / "last_known.txt").read_text()


def test_a_value_that_is_none_or_hostile_leaves_one_line():
    rows = [
        LastKnown("a" * 40, None, "bar", "bad", None),
        LastKnown("b", "\x1b[2J\nOPEN", "1", "uncertain", NOW.utc_us),
    ]
    lines = last_known_text(NOW, rows).splitlines()
    assert len(lines) == 6
    assert lines[4].split() == ["a" * 40, "-", "bad", "-"]
    assert "\x1b" not in lines[5]


def test_the_page_speaks_the_language_of_the_plant():
    use_language("de")
    try:
        text = last_known_text(NOW, [LastKnown("a", 1.5, "bar", "bad", None)], ZoneInfo("Europe/Berlin"))
    finally:
        use_language("en")
    assert "1,50 bar" in text
    assert "LAST KNOWN" not in text


@pytest.mark.parametrize("mono_s", [-(10**400), 10**400, -1, "1", None, float("nan"), float("-inf")])
def test_a_status_of_an_impossible_time_is_no_sign_of_life(state, live, mono_s):
    status = status_at(live) | {"mono_s": mono_s}
    assert liveness(state, status, later(live, 60)).word == "hung"


@pytest.mark.parametrize(
    "marker", ['{"boot_id": BOOT, "mono_s": 1e999}', '{"boot_id": BOOT, "mono_s": -1' + "0" * 400 + "}", "[" * 100_000]
)
def test_a_marker_of_a_planned_stop_that_is_nonsense_means_blind(state, marker):
    (state.manual / "planned_stop.json").write_text(marker.replace("BOOT", json.dumps(NOW.boot_id)))
    assert liveness(state, status_at(NOW), NOW).word == "blind"


def test_what_is_published_is_read_back_and_nothing_else_is_taken_for_it(state):
    assert read(state) is None
    publish(state, golden_status(), lambda: "text", sync=True)
    assert read(state) == golden_status()
    assert state.last_known.read_text() == "text"
    publish(state, golden_status(), lambda: "a second later")
    assert state.last_known.read_text() == "a second later"
    assert state.last_known_minute.read_text() == "text"
    for rubbish in (b"", b"{", b'{"format": 2}', b"[]", b"\xff", b"[" * 100_000):
        state.status.write_bytes(rubbish)
        assert read(state) is None


def test_a_place_where_nothing_ever_ran_says_never(state):
    assert liveness(state, None, NOW).word == "never"


def test_a_daemon_that_publishes_is_running_and_one_that_stands_still_is_hung(state, live):
    status = status_at(later(live, 0.5))
    assert liveness(state, status, later(live, 1.0)).word == "running"
    assert liveness(state, status, later(live, 0.5 + HUNG_AFTER_S)).word == "running"
    said = liveness(state, status, later(live, 4.0))
    assert (said.word, said.age_s) == ("hung", pytest.approx(3.5))


def test_a_status_of_another_boot_has_no_age_and_is_not_believed(state, live):
    status = status_at(later(live, 0.5)) | {"boot_id": "another"}
    said = liveness(state, status, later(live, 1.0))
    assert (said.word, said.age_s) == ("blind", None)
    assert liveness(state, status, later(live, STARTING_FOR_S + 1)).word == "hung"


@pytest.mark.parametrize("mono_s", ["soon", None, 1e12, float("nan")])
def test_a_status_with_an_impossible_time_is_never_running(state, live, mono_s):
    assert liveness(state, status_at(live) | {"mono_s": mono_s}, later(live, 1.0)).word in ("blind", "hung")


def test_a_daemon_that_starts_is_not_yet_running(state, live):
    old = status_at(later(live, -500))
    assert liveness(state, None, later(live, 1)).word == "never"
    assert liveness(state, old, later(live, 1)).word == "blind"
    assert liveness(state, old, later(live, STARTING_FOR_S + 1)).word == "hung"


def test_a_planned_stop_is_told_with_its_role_for_a_minute_and_then_it_is_blindness(state):
    status = status_at(NOW)
    mark_planned_stop(state, "shift_lead", NOW)
    said = liveness(state, status, later(NOW, 2))
    assert (said.word, said.age_s, said.role, said.at) == ("stopped", 2, "shift_lead", "2026-11-23T13:22:07.000Z")
    assert liveness(state, status, later(NOW, STOPPED_FOR_S)).word == "stopped"
    assert liveness(state, status, later(NOW, STOPPED_FOR_S + 1)).word == "blind"
    assert liveness(state, status, Moment("another boot", 1.0, NOW.utc_us)).word == "blind"
    clear_planned_stop(state)
    clear_planned_stop(state)
    assert liveness(state, status, later(NOW, 2)).word == "blind"


@pytest.mark.parametrize("slept_s", [28_800.0, 0.0], ids=["a laptop that slept", "a virtual machine that was paused"])
def test_what_a_dead_daemon_left_is_as_old_as_the_clock_says_that_did_not_stand_still(state, slept_s):
    status = status_at(NOW)
    woken = Moment(NOW.boot_id, NOW.mono_s + 180, NOW.utc_us + (28_800 + 180) * 1_000_000, slept_s)
    assert (liveness(state, status, woken).word, liveness(state, status, woken).age_s) == ("blind", 28_980)
    mark_planned_stop(state, "shift_lead", NOW)
    just_woken = Moment(NOW.boot_id, NOW.mono_s + 5, NOW.utc_us + 28_805_000_000, slept_s)
    assert liveness(state, status, just_woken).word == "blind"


def test_a_daemon_that_has_just_woken_up_with_its_machine_has_not_failed(state, live):
    woken = Moment(live.boot_id, live.mono_s + 1, live.utc_us + 28_801_000_000, 28_800.0)
    assert liveness(state, status_at(live), woken).word == "running"


@pytest.mark.parametrize("years", [-20, 5, 70])
def test_a_wall_clock_that_cannot_be_right_ages_nothing(state, years):
    set_wrong = Moment(NOW.boot_id, NOW.mono_s + 180, NOW.utc_us + years * 365 * 86_400_000_000)
    assert liveness(state, status_at(NOW), set_wrong).age_s == 180


def test_a_marker_that_cannot_be_read_hides_no_death(state):
    for rubbish in ("", "{}", "[]", '{"role": "x", "at": "yesterday", "boot_id": "", "mono_s": 1}'):
        (state.manual / "planned_stop.json").write_text(rubbish)
        assert liveness(state, status_at(NOW), later(NOW, 1)).word == "blind"


HOLD = """
import sys, time
from pathlib import Path
from monitor.lock import hold_lock
from monitor.state import State
with hold_lock(State(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_moment_a_daemon_is_killed_it_is_blind(state):
    command = [sys.executable, "-c", HOLD, str(state.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout.readline() == "held\n"
        taken = holder(state)
        assert taken.pid == child.pid
        now = Moment(boot_id(), taken.mono_s, NOW.utc_us)
        status = status_at(later(now, 0.2))
        assert liveness(state, status, later(now, 0.5)).word == "running"
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        assert liveness(state, status, later(now, 0.6)).word == "blind"
