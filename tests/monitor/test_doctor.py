"""The self-check: what it says of the connections."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.batch import batch_of
from drivers.record import Sample
from drivers.source import Counts, SourceSpec
from monitor import heartbeat
from monitor.doctor.looks import (
    look_at_binder,
    look_at_clock,
    look_at_daemon,
    look_at_disk,
    look_at_readiness,
    look_at_sockets,
    look_at_timetable,
)
from monitor.doctor.memory import look_at_anchor, look_at_store
from monitor.heartbeat import Moment, SourceStatus, build_status
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger
from monitor.lock import boot_id, hold_lock
from monitor.plant import Job
from monitor.settings import load
from monitor.settings.load import JOBS
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.journals import a_night

GOLDEN = Path(__file__).parents[1] / "golden" / "config"


def test_an_address_without_a_port_is_looked_for_at_the_standard_one(tmp_path):
    state = State(tmp_path)
    state.manual.mkdir()
    settings = load(GOLDEN)
    server = SourceSpec("server", "opcua", "G", 1.0, 1.0, (), {"url": "opc.tcp://plc/path"})
    heartbeat.publish(state, build_status(Moment(boot_id(), 1.0, 1), simulated=False, pid=os.getpid()), None)
    checks = look_at_sockets(replace(settings, sources=(*settings.sources, server)), state)
    assert checks
    assert "CANNOT TELL" not in {check.word for check in checks}


def test_a_connection_to_another_host_on_a_configured_port_is_strange(tmp_path):
    state = State(tmp_path)
    state.manual.mkdir()
    heartbeat.publish(state, build_status(Moment(boot_id(), 1.0, 1), simulated=False, pid=os.getpid()), None)
    with socket.create_server(("127.0.0.2", 0)) as server, socket.create_connection(server.getsockname()):
        port, strange = server.getsockname()[1], {}
        for host in ("127.0.0.1", "127.0.0.2"):
            source = SourceSpec("plc", "modbus_tcp", "G", 1.0, 1.0, (), {"host": host, "port": port})
            checks = look_at_sockets(replace(load(GOLDEN), sources=(source,)), state)
            strange[host] = [check.word for check in checks if f"127.0.0.2:{port} that is in no source" in check.text]
    assert strange == {"127.0.0.1": ["FAIL"], "127.0.0.2": []}


def publish(state, **told):
    """As a daemon that lives: the caller holds the lock."""
    more = {key: told.pop(key) for key in ("overload", "worker") if key in told}
    status = build_status(heartbeat.present(), simulated=False, pid=os.getpid(), **told)
    heartbeat.publish(state, status | more, None)


def test_each_link_is_told_with_what_was_lost_and_refused_on_it(tmp_path):
    state = State(tmp_path).make()
    seen = Counts(requests=900, timeouts=2, unfit=1, exceptions=4, refused=3, lost=7, connects=5)
    rows = [
        SourceStatus("good", "G", "up", 1.0, 4, 4, "", Counts(requests=10, connects=1)),
        SourceStatus("poor\x1b[2J", "G", "degraded", 1.0, 1, 4, "3 of 4 tags without an answer: exception 2", seen),
        SourceStatus("gone", "G", "down", None, 0, 4, "no answer", Counts()),
    ]
    with hold_lock(state):
        publish(state, sources=rows)
        good, poor, gone = [check for check in look_at_daemon(load(GOLDEN), state) if check.name == "link"]
    assert (good.word, good.text) == ("PASS", "good: up; 10 requests, 1 connections")
    assert (poor.word, gone.word) == ("WARN", "FAIL")
    assert poor.text.endswith(
        "degraded; 3 of 4 tags without an answer: exception 2; 900 requests, 5 connections, "
        "2 without an answer in time, 1 answers that did not fit and were refused, 4 times the device said no, "
        "3 tags refused by the device, 7 values lost in a queue"
    )
    assert "\x1b" not in poor.text


def test_a_dead_daemon_is_a_failure_and_nothing_is_known_of_its_links(tmp_path):
    state = State(tmp_path).make()
    with hold_lock(state):
        publish(state, sources=[SourceStatus("pump1", "G", "up", 1.0, 4, 4)])
    found = {check.name: (check.word, check.text) for check in look_at_daemon(load(GOLDEN), state)}
    assert found["daemon"][0] == "FAIL" and found["daemon"][1].startswith("blind")
    assert found["link"] == ("CANNOT TELL", "pump1: was up when the daemon ended")
    heartbeat.mark_planned_stop(state, "administrator", heartbeat.present())
    assert next(look_at_daemon(load(GOLDEN), state)).word == "WARN"
    assert next(look_at_daemon(load(GOLDEN), State(tmp_path / "none"))).word == "FAIL"


def test_a_store_that_fails_and_what_was_lost_by_too_much_are_told(tmp_path):
    state = State(tmp_path).make()
    with hold_lock(state):
        publish(state, store=("failing", "disk full"), overload={"at": None, "polls_lost": 3, "alerts_lost": 0})
        found = {check.name: check for check in look_at_daemon(load(GOLDEN), state)}
    assert (found["store"].word, found["store"].text) == ("FAIL", "failing: disk full")
    assert (found["overload"].word, found["overload"].text) == ("WARN", "since the daemon started: polls lost 3")


def test_a_job_that_failed_last_is_named_with_its_words_and_one_that_stands_still_too(tmp_path):
    state = State(tmp_path).make()
    settings = replace(load(GOLDEN), jobs=tuple(Job(name, every_s=60) for name in JOBS))
    assert [check.word for check in look_at_timetable(settings, state)] == ["CANNOT TELL"]
    run = {"started": "2026-11-27T10:00:00.000Z", "ended": "2026-11-27T10:00:01.000Z", "ok": True, "words": "well"}
    runs = {name: run for name in JOBS} | {"fold": run | {"ok": False, "words": "no room on the disk"}}
    hot = HotFile(state.hot)
    hot.set_meta("last_runs", json.dumps(runs))
    hot.close()
    [check] = look_at_timetable(settings, state)
    assert check.word == "WARN" and "fold FAILED last: no room on the disk" in check.text
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        with hold_lock(state):
            publish(state, worker={"pid": child.pid, "job": "fold"})
            told = [check.text for check in look_at_timetable(settings, state)]
    finally:
        child.kill()
        child.wait()
    assert f"fold is at work, and its process {child.pid} stands still" in told


def test_bits_that_flipped_in_the_hot_file_and_files_that_were_set_aside_are_told(tmp_path):
    state, settings = State(tmp_path).make(), load(GOLDEN)
    hot = HotFile(state.hot)
    at_us = time.time_ns() // 1000
    hot.append([batch_of("pump1", at_us, [Sample(0, at_us, 123.456)])], at_us // 1000)
    hot.close()
    blob = state.hot.read_bytes()
    state.hot.write_bytes(blob.replace(struct.pack("<d", 123.456), struct.pack("<d", 123.457)))
    aside = state.history / "_quarantine" / "site=G" / "date=2026-11-20"
    aside.mkdir(parents=True)
    (aside / "part-0.parquet").write_bytes(b"")
    assert [check.word for check in look_at_store(settings, state)] == ["PASS", "FAIL", "WARN"]


def test_before_the_first_start_nothing_is_told_that_never_was(tmp_path):
    state = State(tmp_path)
    state.manual.mkdir()
    settings = load(GOLDEN)
    assert "no sign of life since this machine started" in next(look_at_daemon(settings, state)).text
    status = build_status(Moment(boot_id(), 1.0, 1), simulated=False, pid=os.getpid())
    status["binder"] = {"current": "abc", "printed": None}
    heartbeat.publish(state, status, None)
    assert "was never printed" in next(look_at_binder(settings, state)).text


@pytest.mark.parametrize(
    ("printed", "at", "word", "expected"),
    [
        ("abc", "2020-01-01T00:00:00.000Z", "WARN", "grow old"),
        ("abc", None, "WARN", "printed at an unknown time"),
        ("old", None, "FAIL", "not the current one"),
        ("abc", "now", "PASS", "printed 0s ago; current: abc"),
        ("abc", "2999-01-01T00:00:00.000Z", "WARN", "printed ? ago"),
    ],
)
def test_paper_is_told_with_its_age(tmp_path, printed, at, word, expected):
    state = State(tmp_path).make()
    status = build_status(Moment(boot_id(), 1.0, 1), simulated=False, pid=os.getpid())
    status["binder"] = {"current": "abc", "printed": printed}
    heartbeat.publish(state, status, None)
    if at is not None:
        moment = utc_text(time.time_ns() // 1000) if at == "now" else at
        (state.printed / "printed.json").write_text(json.dumps({"fingerprint": printed, "at": moment}))
    [check] = look_at_binder(load(GOLDEN), state)
    assert check.word == word and expected in check.text


@pytest.mark.parametrize(
    ("told", "word"), [("synced", "PASS"), ("holdover", "WARN"), ("suspect", "FAIL"), ("unknown", "CANNOT TELL")]
)
def test_the_clock_is_what_the_daemon_who_watches_it_says(tmp_path, told, word):
    state = State(tmp_path).make()
    with hold_lock(state):
        now = heartbeat.present()
        status = build_status(now, simulated=False, pid=os.getpid(), clock={"state": told, "note": "because of this"})
        heartbeat.publish(state, status, None)
        [check] = look_at_clock(load(GOLDEN), state)
    assert check.word == word
    assert check.text.startswith(f"{told}; because of this")
    assert ("not compared" in check.text) == (told in ("suspect", "unknown"))


def test_the_disk_fails_from_the_share_that_was_configured(tmp_path):
    state, settings = State(tmp_path).make(), load(GOLDEN)
    for full_at, word in ((0.0001, "FAIL"), (0.9999999, "PASS")):
        checks = look_at_disk(replace(settings, disk=replace(settings.disk, full_at=full_at)), state)
        assert next(checks).word == word
    assert [one.word for one in look_at_disk(settings, State(tmp_path / "none"))] == ["CANNOT TELL"]


@pytest.mark.parametrize(("days", "word"), [(None, "WARN"), (1, "PASS"), (100, "WARN"), (-3, "WARN")])
def test_a_head_that_nobody_else_holds_or_held_too_long_ago_is_a_warning(tmp_path, days, word):
    state = State(tmp_path).make()
    assert list(look_at_anchor(load(GOLDEN), state)) == []
    ledger = Ledger(state)
    at_us = time.time_ns() // 1000 - (days or 0) * 86_400_000_000
    ledger.append("restart", {"version": "1"}, at_us=at_us, via="daemon")
    if days is not None:
        ledger.append(
            "anchor", {"to": "union", "entries": 1, "head": "1:X"}, at_us=at_us, via="command", role="auditor"
        )
    ledger.close()
    [check] = look_at_anchor(load(GOLDEN), state)
    assert check.word == word
    assert ("union" in check.text) == (days is not None)


def test_a_listener_passes_only_where_it_was_configured_and_so_does_who_reads_from_it(tmp_path):
    state, settings = State(tmp_path).make(), load(GOLDEN)
    heartbeat.publish(state, build_status(Moment(boot_id(), 1.0, 1), simulated=False, pid=os.getpid()), None)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        reader, _ = server.accept()
        port = server.getsockname()[1]
        told = {}
        for configured in (None, port):
            checks = look_at_sockets(replace(settings, metrics_port=configured), state)
            told[configured] = [
                check.text for check in checks if check.word == "FAIL" and f"127.0.0.1:{port}" in check.text
            ]
        reader.close()
    assert len(told[None]) == 2  # that it listens, and the reader's own end, which this test has open as well
    assert [text for text in told[port] if "listens" in text] == []


def test_damage_and_what_was_not_folded_for_long_is_a_warning_and_a_file_that_is_none_a_failure(tmp_path):
    state, settings = State(tmp_path).make(), load(GOLDEN)
    assert [check.word for check in look_at_store(settings, state)] == ["CANNOT TELL"]
    for hours, word in ((0, "PASS"), (7, "WARN")):
        hot = HotFile(state.hot)
        at_us = time.time_ns() // 1000 - hours * 3_600_000_000
        hot.append([batch_of("pump1", at_us, [Sample(0, at_us, 1.0)])], at_us // 1000)
        hot.close()
        [check] = look_at_store(settings, state)
        assert check.word == word
        state.hot.unlink()
    assert "jobs" in check.text
    state.hot.write_bytes(b"no database" * 100)
    assert [check.word for check in look_at_store(settings, state)] == ["FAIL"]


def test_drills_that_are_due_and_journals_that_wait_are_said(tmp_path):
    state = State(tmp_path).make()
    found = {check.name: check for check in look_at_readiness(load(GOLDEN), state)}
    assert found["drill"].word == "WARN"
    assert found["drill"].text == "G: no drill is on record"
    a_night(drill=True).write(state.journal)
    waiting = {check.name: check for check in look_at_readiness(load(GOLDEN), state)}["periods"]
    assert waiting.word == "WARN"
    assert "1 journals that have ended are not in the ledger" in waiting.text
