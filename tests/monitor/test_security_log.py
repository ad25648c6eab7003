"""The security log: kept apart, for 90 days, and shown to two people of different roles together."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.command_socket import ask
from monitor.ledger import entries
from monitor.security_log import KEEP_DAYS, PAGE, TOGETHER_S, SecurityLog, TwoTogether, line
from monitor.state import State
from tests.monitor.plant_bench import Bench, configure

DAY_US = 86_400_000_000
NOW_US = 1_800_000_000_000_000


@pytest.fixture
def log(tmp_path):
    return SecurityLog(tmp_path / "security.sqlite")


def test_only_the_owner_may_read_the_file_or_what_lies_beside_it(log, tmp_path):
    before = os.umask(0)
    try:
        log.note(NOW_US, 0, "decide", "", "operator")
        log.flush(NOW_US)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["security.sqlite"]
    assert (tmp_path / "security.sqlite").stat().st_mode & 0o777 == 0o600


def test_nothing_leaves_by_a_clock_in_doubt(log):
    log.note(NOW_US, 0, "decide", "", "operator")
    log.flush(NOW_US)
    later_us = NOW_US + 70 * 365 * DAY_US
    log.note(later_us, 0, "decide", "", "operator")
    log.flush(later_us, True)
    assert len(log.page()) == 2
    log.flush(later_us + 2 * 3_600_000_000, False)
    assert len(log.page()) == 1


def test_a_planted_link_is_not_followed(log, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "security.sqlite").symlink_to(tmp_path / "elsewhere")
    log.note(NOW_US, 0, "decide", "", "operator")
    with pytest.raises(OSError):
        log.flush(NOW_US)
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_equal_attempts_of_a_quarter_of_an_hour_are_one_row_with_a_count(log):
    for _ in range(500):
        log.note(NOW_US, 0, "decide", "no right", "viewer")
    log.flush(NOW_US)
    log.note(NOW_US + 1_000_000, 0, "decide", "no right", "viewer")
    log.note(NOW_US + 1_000_000, 0, "decide", "", "operator")
    log.flush(NOW_US)
    rows = log.page()
    assert [(row["why"], row["times"]) for row in rows] == [("", 1), ("no right", 501)]
    assert "refused: no right" in line(rows[1]) and "root (0)" in line(rows[1])


def test_what_is_older_than_90_days_goes_also_where_nobody_comes_any_more(log, tmp_path):
    log.note(NOW_US, 0, "erase", "no right", "viewer")
    log.flush(NOW_US)
    log.flush(NOW_US + (KEEP_DAYS - 1) * DAY_US)
    assert len(log.page()) == 1
    log.flush(NOW_US + (KEEP_DAYS + 1) * DAY_US)
    assert log.page() == []
    assert b"erase" not in (tmp_path / "security.sqlite").read_bytes()


def test_what_could_not_be_written_is_written_with_the_next_tick(log, tmp_path):
    (tmp_path / "security.sqlite").mkdir()
    log.note(NOW_US, 0, "decide", "", "operator")
    with pytest.raises(OSError):
        log.flush(NOW_US)
    (tmp_path / "security.sqlite").rmdir()
    log.flush(NOW_US)
    assert [row["times"] for row in log.page()] == [1]


def test_the_log_is_read_page_by_page_from_the_newest(log):
    for uid in range(PAGE + 5):
        log.note(NOW_US, uid, "decide", "", "operator")
    log.flush(NOW_US)
    first = log.page()
    second = log.page(first[-1]["n"])
    assert (len(first), len(second)) == (PAGE, 5)
    assert sorted(row["uid"] for row in first + second) == list(range(PAGE + 5))


def test_no_row_names_an_asset_an_alert_or_an_entry(log, tmp_path):
    log.note(NOW_US, 0, "decide", "", "operator")
    log.flush(NOW_US)
    with closing(sqlite3.connect(tmp_path / "security.sqlite")) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(access)")]
    assert columns == ["n", "quarter", "uid", "user", "verb", "why", "role", "times"]


def test_one_alone_sees_nothing_and_two_of_one_role_see_nothing():
    lock = TwoTogether()
    assert not lock.ask(1, "auditor", 0.0).open
    assert not lock.ask(1, "administrator", 1.0).open  # one user with two roles is one person
    assert not lock.ask(2, "administrator", 2.0).open


def test_two_users_of_two_roles_open_it_for_both_and_for_nobody_else():
    lock = TwoTogether()
    lock.ask(1, "auditor", 0.0)
    asked = lock.ask(2, "administrator", 10.0)
    assert (asked.open, asked.new, asked.roles) == (True, True, ("auditor", "administrator"))
    again = lock.ask(1, "auditor", 20.0)
    assert (again.open, again.new) == (True, False)
    assert not lock.ask(3, "auditor", 21.0).open
    assert not lock.ask(1, "auditor", 10.0 + TOGETHER_S).open  # it closes by itself


def test_who_asked_too_long_ago_does_not_count():
    lock = TwoTogether()
    lock.ask(1, "auditor", 0.0)
    assert not lock.ask(2, "administrator", TOGETHER_S).open


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["auditor", "administrator"]), st.floats(0, 400))))
def test_it_never_opens_without_two_users_of_two_roles_within_the_time(steps):
    lock, now_s, asked, opened = TwoTogether(), 0.0, [], []
    for uid, role, later_s in steps:
        now_s += later_s
        reply = lock.ask(uid, role, now_s)
        asked.append((uid, role, now_s))
        if reply.new:
            others = [one for one in asked if one[0] != uid and one[1] != role and now_s - one[2] < TOGETHER_S]
            assert others
            opened.append(now_s)
        if reply.open:
            assert opened and now_s - opened[-1] < TOGETHER_S


ASK = """
import json, socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
link.connect(sys.argv[1])
link.sendall(sys.argv[2].encode() + b"\\n")
print(link.makefile().readline())
"""
PYTHON = shutil.which("python3", path="/usr/bin:/bin")  # one that another user may start, wherever this tree lies


def ask_as(state, uid, group, verb, data):
    message = json.dumps({"format": 1, "id": "1", "verb": verb, "data": data})
    done = subprocess.run(
        [PYTHON, "-I", "-c", ASK, str(state.socket), message], user=uid, group=group, extra_groups=[], cwd="/",
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture
def open_folder():
    """One that other users may pass through: pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="handwheel-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def bench(open_folder):
    config = configure(open_folder / "config", 1)
    site = config / "site.toml"
    text = site.read_text().replace("[roles.groups]\n", '[roles.groups]\ngames = "auditor"\nmail = "administrator"\n')
    rights = '[roles.rights]\nauditor = ["security"]\nadministrator = ["security"]\n'
    site.write_text(text.replace("[roles.rights]\n", rights))
    made = Bench(config, State(open_folder / "s").make()).start()
    yield made
    made.end()


@pytest.mark.skipif(os.geteuid() != 0 or PYTHON is None, reason="only root can ask as two other users")
async def test_the_daemon_shows_it_to_an_auditor_and_an_administrator_together_and_the_ledger_tells(bench):
    state = bench.state
    await bench.until(lambda _: state.socket.exists())
    state.socket.chmod(0o666)
    state.root.chmod(0o2771)
    auditor, administrator = partial(ask_as, state, 12_301, "games"), partial(ask_as, state, 12_302, "mail")
    assert "no right to decide" in auditor("decide", {})["error"]
    assert [auditor("security_log", {})["open"] for _ in range(2)] == [False, False]
    assert administrator("security_log", {})["open"] and auditor("security_log", {})["open"]
    end, rows = time.monotonic() + 30, []
    while not rows and time.monotonic() < end:  # what came in is written every few seconds
        rows = [row for row in auditor("security_log", {})["rows"] if row["why"] == "no right to decide"]
        await asyncio.sleep(0.2)
    assert [(row["uid"], row["verb"], row["role"], row["times"]) for row in rows] == [(12_301, "decide", "auditor", 1)]
    assert "before" in auditor("security_log", {"before": "1; DROP TABLE access"})["error"]
    bench.kill(signal.SIGTERM)
    assert bench.ended() == 0
    told = [(one.data["what"], one.data["roles"]) for one in entries(state, ["access"])]
    assert told == [("security log", ["auditor", "administrator"])]
    assert b"12301" not in state.bodies.read_bytes() + state.hot.read_bytes() + state.status.read_bytes()
    assert state.security_log.stat().st_mode & 0o777 == 0o600


async def test_a_security_log_that_cannot_be_written_is_said_and_ends_nothing(bench):
    await bench.until(lambda _: bench.state.socket.exists())
    bench.state.security_log.write_bytes(b"no database" * 1_000)
    await asyncio.to_thread(ask, bench.state, "whoami", {})
    await bench.until(lambda status: "security.sqlite" in status["store"]["note"])
    bench.state.security_log.unlink()
    await bench.until(lambda _: bench.state.security_log.exists())  # what was asked meanwhile is not lost
    await bench.until(lambda status: status["store"]["state"] == "ok")
