"""The daemon as a process on a real Modbus server: what it stores, says, survives, and how it ends."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from drivers.record import Alert, Reason
from drivers.vendor import file_drop
from monitor.claims import Claims, alert_of
from monitor.command_socket import ask
from monitor.daemon.alarms import AlarmList
from monitor.daemon.dispatch import Dispatch
from monitor.daemon.parts import Parts
from monitor.daemon.supervisor import JobLost
from monitor.daemon.taking_up import without_alarm
from monitor.daemon.writer import Writer
from monitor.handover import hand_over
from monitor.historian.checks import row_check
from monitor.historian.reader import HotReader
from monitor.ledger import entries, head, raw_message, verify
from monitor.ledger.anchor import parse_anchor
from monitor.ledger.entry import Record
from monitor.settings import load
from monitor.state import State
from tests.drivers.servers import good_pdu, hostile_server, mbap, modbus_server
from tests.monitor.plant_bench import COMMAND, GOLDEN, Bench, configure, device

MESSAGE = (GOLDEN / "vendor_message.json").read_bytes()


def source(status):
    return status["sources"][0]


def kinds(state):
    return [one.kind for one in entries(state)]


async def asked(bench, verb, data):
    return await asyncio.to_thread(ask, bench.state, verb, data, 20.0)


def drop(bench, raw):
    """What intake would hand over for this message."""
    feed = load(bench.config).feeds[0]
    now = time.time_ns() // 1000
    return hand_over(bench.state, feed.name, raw, file_drop.parse(raw, feed, now, "m.json"), now)


async def test_it_reads_stores_and_publishes_and_ends_as_planned(bench):
    status = await bench.until(lambda s: source(s)["good"] == 4)
    assert source(status)["state"] == "up"
    assert source(status)["counts"]["requests"] >= 1
    assert source(status)["counts"]["refused"] == 0
    assert status["sites"][0]["state"] == "fresh"
    assert status["store"]["state"] == "ok"
    assert bench.liveness().word == "running"
    text = bench.state.last_known.read_text()
    assert "pump1.discharge_pressure       4.20 bar       good" in text
    assert (bench.state.sheets / "G.txt").read_bytes() == (bench.config / "sheets/G.txt").read_bytes()
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert bench.liveness().word == "stopped"
    assert bench.status["daemon"]["state"] == "stopped"
    latest = {
        HotReader(bench.state.hot).tags()[tag].name: one for tag, one in HotReader(bench.state.hot).latest().items()
    }
    assert latest["pump1.discharge_pressure"].value == pytest.approx(4.2)
    assert latest["pump1.flow"].reasons == Reason.OK
    assert kinds(bench.state) == ["key", "seal", "restart", "config", "contract", "stop", "seal"]
    assert verify(bench.state).ok
    assert bench.status["ledger"]["head"] in (bench.state.facts / "ledger_head.txt").read_text()


async def test_a_second_daemon_is_kept_out_in_one_line(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    command = [sys.executable, "-c", COMMAND, "run", "--config", str(bench.config), "--state", str(bench.state.root)]
    other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert other.returncode == 2
    assert str(bench.process.pid) in other.stderr
    assert other.stderr.count("\n") == 1


async def test_killed_it_leaves_everything_readable_and_the_next_life_says_the_gap(bench):
    # the status is ahead of the disk by one commit: what counts after a kill is what the disk has
    await bench.until(lambda s: source(s)["good"] == 4 and len(HotReader(bench.state.hot).latest()) == 4)
    bench.kill()
    await asyncio.to_thread(bench.ended)
    assert bench.liveness().word == "blind"
    assert len(HotReader(bench.state.hot).latest()) == 4
    assert verify(bench.state).ok
    bench.start()
    await bench.until(lambda s: source(s)["good"] == 4)
    assert bench.liveness().word == "running"
    found = list(entries(bench.state))
    assert [one.kind for one in found] == ["key", "seal", "restart", "config", "contract", "restart", "gap"]
    assert found[-1].data["source"] == "all"


async def test_a_daemon_that_stands_still_is_said_to_hang_and_goes_on_when_it_may(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    bench.kill(signal.SIGSTOP)
    try:
        end = time.monotonic() + 60
        while bench.liveness().word != "hung":
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    finally:
        bench.kill(signal.SIGCONT)
    await bench.until(lambda s: bench.liveness().word == "running")


async def test_a_device_that_dies_is_bad_and_said_and_comes_back_by_itself(bench, server):
    await bench.until(lambda s: source(s)["good"] == 4)
    await server.shutdown()
    status = await bench.until(lambda s: source(s)["state"] == "down" and source(s)["good"] == 0)
    assert source(status)["note"]
    status = await bench.until(lambda s: any(one["id"] == "monitor:link:pump1" for one in s["alarms_top"]))
    assert status["daemon"]["state"] == "running"
    assert "pump1.discharge_pressure       4.20 bar       was good" in bench.state.last_known.read_text()
    async with modbus_server(device(flow=500), port=server.port):
        await bench.until(lambda s: source(s)["good"] == 4)
        await bench.until(lambda s: s["alarms_top"][0]["state"] == "RTNUN")
        await bench.until(lambda s: "gap" in kinds(bench.state))
    flow = next(tag for tag, row in HotReader(bench.state.hot).tags().items() if row.name == "pump1.flow")
    seen = [sample.reasons for sample in HotReader(bench.state.hot).series(flow, 0)]
    assert Reason.COMMS in seen


SECOND = """
[[source.block]]
asset        = "pump2"
device_id    = 2
address_base = "wire0"
tags = [{ at = 0, name = "flow", as = "u16", unit = "m3/h" }]
"""


async def test_a_device_that_dies_behind_a_living_gateway_is_an_alarm_that_names_it_and_its_present_cause(tmp_path):
    dead = [""]

    async def respond(request, writer):
        if request[6] == 1 or not dead[0]:
            writer.write(mbap(request, good_pdu(request, 0)))
        elif dead[0] == "other":
            writer.write(mbap(request, bytes([4, 2, 0, 0])))

    async with hostile_server(respond) as port:
        folder = configure(tmp_path / "config", port)
        pump1 = folder / "sources/pump1.toml"
        block, status = pump1.read_text().split("[[source.status_alert]]")
        pump1.write_text(block + SECOND + "\n[[source.status_alert]]" + status)
        site = folder / "site.toml"
        asset = site.read_text().split("[[asset]]")[1].split("\n[")[0]
        site.write_text(site.read_text() + "\n[[asset]]" + asset.replace("pump1", "pump2"))
        bench = Bench(folder, State(tmp_path / "state")).start()

        def link(status):
            return next((one for one in status["alarms_top"] if one["id"] == "monitor:link:pump1"), {"text": ""})

        try:
            await bench.until(lambda s: source(s)["state"] == "up")
            dead[0] = "silent"
            status = await bench.until(lambda s: link(s).get("state") == "UNACK")
            assert source(status)["state"] == "degraded"
            assert link(status)["text"] == "pump1: nothing from device 2 (pump2): no answer from device 2 within 0.5 s"
            dead[0] = "other"
            await bench.until(lambda s: "device 2, holding 0 to 0: answered with function code 4" in link(s)["text"])
            assert "still degraded, but now: 1 of 5 tags without an answer: device 2, holding" in bench.log_text()
            dead[0] = ""
            await bench.until(lambda s: link(s)["state"] == "RTNUN")
            events = [one.data["event"] for one in entries(bench.state, ["alarm"])]
            assert events == ["alarm", "return"]
        finally:
            bench.end()


async def test_telemetry_of_a_site_is_lost_after_its_own_time(tmp_path, server):
    bench = Bench(configure(tmp_path / "config", server.port, lost_after_s=2), State(tmp_path / "state")).start()
    try:
        await bench.until(lambda s: s["sites"][0]["state"] == "fresh")
        await server.shutdown()
        status = await bench.until(lambda s: s["sites"][0]["state"] == "lost")
        assert status["sites"][0]["lost_s"] >= 2
        assert any(one["id"] == "monitor:telemetry:G" for one in status["alarms_top"])
    finally:
        bench.end()


async def test_a_finished_message_is_entered_once_whatever_happens_in_between(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    drop(bench, MESSAGE)
    status = await bench.until(lambda s: s["alarms_top"])
    assert status["alarms_top"][0]["text"] == "replace seals within 14 days"
    assert status["alarms_top"][0]["state"] == "UNACK"
    await bench.until(lambda s: not list(bench.state.inbox.iterdir()))
    drop(bench, MESSAGE)  # as if the deletion had been lost in a crash
    await bench.until(lambda s: not list(bench.state.inbox.iterdir()))
    bench.kill()
    await asyncio.to_thread(bench.ended)
    drop(bench, MESSAGE)
    bench.start()
    status = await bench.until(lambda s: not list(bench.state.inbox.iterdir()))
    assert [one["state"] for one in status["alarms_top"]] == ["UNACK"]
    (alert,) = entries(bench.state, ["vendor_alert"])
    assert (alert.asset, alert.component, alert.site) == ("pump1", "seal", "G")
    assert alert.data["horizon"] == "14 d"
    assert alert.data["issued_at"] == "2026-11-20T07:10:00.000Z"
    assert alert.data["received_at"] > alert.data["issued_at"]


@pytest.mark.parametrize("lost", ["the alarm of the last second", "the hot file"])
async def test_a_claim_that_stands_by_the_ledger_has_its_alarm_in_the_next_life(bench, lost):
    await bench.until(lambda s: source(s)["good"] == 4)
    drop(bench, MESSAGE)
    await bench.until(lambda s: s["alarms_top"])
    bench.kill()
    await asyncio.to_thread(bench.ended)
    if lost == "the hot file":
        bench.state.hot.with_name("hot.sqlite-wal").unlink(missing_ok=True)
        bench.state.hot.write_bytes(b"rubbish" * 1_000)
    else:
        with sqlite3.connect(bench.state.hot) as db:
            db.execute("DELETE FROM alarm")
        db.close()
    bench.start()
    status = await bench.until(lambda s: s["alarms_top"])
    assert [(one["text"], one["state"]) for one in status["alarms_top"] if one["origin"] == "vendor"] == [
        ("replace seals within 14 days", "UNACK")
    ]
    assert len(list(entries(bench.state, ["vendor_alert"]))) == 1


def test_only_what_a_daemon_took_in_and_nothing_ended_since_gets_its_alarm_back():
    records = []

    def enter(kind, component=None, via="intake", **data):
        n = len(records) + 1
        records.append(Record(n, kind, n, None, via, "G", "pump1", component, data))

    def claimed(component, **more):
        enter("vendor_alert", component, **{"vendor": "V", "alert_id": component, "text": component} | more)

    claimed("before the first start")
    enter("restart", via="daemon")
    claimed("imported", via="import")
    claimed("taken back")
    claimed("taken back", active=False)
    claimed("looked at")
    enter("alarm", "looked at", "daemon", alarm_id="vendor:V:pump1:looked at", event="return")
    claimed("said again")
    enter("alarm", "said again", "daemon", alarm_id="vendor:V:pump1:said again", event="return")
    claimed("said again")
    claimed("stands")
    enter("own_alert", "seal", "judge", alert_id="OWN-1", active=True, stage="raised")
    for name in ("OWN-1", "OWN-0"):  # that of the second was raised before the first start
        enter("own_alert", "seal", "judge", alert_id=name, active=True, stage="recovering")

    def without(alarms):
        return [one.alert_id for one in without_alarm(records, alarms)]

    assert without(AlarmList()) == ["said again", "stands", "OWN-1"]
    alarms = AlarmList()
    for number in range(30):  # more than are named behind one alarm
        alarms.raise_alert(alert_of({"vendor": "V", "alert_id": f"{number}"}, "pump1", "stands", "vendor", 1), "G", 99)
    assert without(alarms) == ["said again", "OWN-1"]


async def test_a_message_of_thousands_of_alerts_is_entered_at_once(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    one = json.loads(MESSAGE)
    drop(bench, json.dumps([one | {"id": f"SP-{number}"} for number in range(3_000)]).encode())
    await bench.until(lambda s: not list(bench.state.inbox.iterdir()))
    numbers = [one.n for one in entries(bench.state, ["vendor_alert"])]
    assert len(numbers) == 3_000
    assert numbers[-1] - numbers[0] == 3_000 - 1 + 30  # a seal after each hundred
    assert verify(bench.state).ok


def test_an_alarm_ends_when_the_last_claim_behind_it_does_and_by_nobody_else_s_word(tmp_path):
    parts = Parts(load(GOLDEN / "config"), State(tmp_path).make())
    said = Alert("one", "vendor", "pump1", "seal", "wear", "warning", "", 1, vendor="SmartPump", feed="mail")

    def told(alert_id, **changes):
        alert = replace(said, alert_id=alert_id, **changes)
        parts.claims.entered(alert)
        parts.hearing.to_alarms(alert)
        return {one.id: one.active for one in parts.alarms}

    (alarm,) = told("one").keys()
    told("two")
    assert told("two", active=False) == {alarm: True}
    for name in (alarm, "one"):  # by its name, and by its claim's
        assert told(name, active=False, vendor="Another") == {alarm: True}
    assert told("one", active=False) == {alarm: False}


def test_an_alarm_says_the_claim_issued_last_of_those_that_stand_and_their_number(tmp_path):
    parts = Parts(load(GOLDEN / "config"), State(tmp_path).make())
    said = Alert("", "vendor", "pump1", "seal", "wear", "warning", "", 1, vendor="SmartPump", feed="mail")

    def told(alert_id, issued_us, active=True, severity="warning"):
        alert = replace(said, alert_id=alert_id, text=f"text of {alert_id}", issued_us=issued_us, active=active,
                        severity=severity)  # fmt: skip
        parts.claims.entered(alert)
        parts.hearing.to_alarms(alert)
        (alarm,) = parts.alarms
        return alarm.text, alarm.claims, alarm.alert_ids[-1], alarm.priority, alarm.active

    assert told("b", 20) == ("text of b", 1, "b", 2, True)
    assert told("c", 30, severity="note") == ("text of c", 2, "c", 2, True)
    assert told("a", 10) == ("text of c", 3, "c", 2, True)  # the oldest comes last
    assert told("c", 40, active=False) == ("text of b", 2, "b", 2, True)
    assert told("b", 40, active=False) == ("text of a", 1, "a", 2, True)
    assert told("a", 40, active=False)[-1] is False


async def test_a_job_asked_for_often_runs_once_after_its_rest(tmp_path):
    class Counted:
        runs = 0

        async def ask(self, *_what):
            self.runs += 1
            raise JobLost("counted")

    settings, state, worker = load(GOLDEN / "config"), State(tmp_path).make(), Counted()
    writer = Writer(settings, state)
    await writer.open()
    jobs = Dispatch(worker, writer, Claims(settings), lambda alert: None, lambda draft: None)
    await jobs.run_soon("score", 2.0)
    assert worker.runs == 1  # nothing ran before: at once
    asked = [asyncio.create_task(jobs.run_soon("score", 2.0)) for _ in range(5)]
    _done, waiting = await asyncio.wait(asked, timeout=0.1)
    assert (worker.runs, len(waiting)) == (1, 1)
    await asyncio.gather(*asked)
    assert worker.runs == 2
    await writer.close()


async def test_what_cannot_be_used_at_the_start_is_said_in_one_line(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    command = [sys.executable, "-c", COMMAND, "run", "--config", str(bench.config), "--state", str(bench.state.root)]

    async def refused():
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    bench.state.socket.mkdir()
    assert "command.sock: cannot be opened" in await refused()
    bench.state.socket.rmdir()
    with sqlite3.connect(bench.state.hot) as db:
        db.execute("INSERT INTO alarm VALUES ('x', '{}', ?)", [row_check(["x", "{}"])])
    assert "hot.sqlite: cannot be read or written" in await refused()


async def test_a_ledger_that_lost_its_tail_while_nobody_ran_is_said_in_the_ledger(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    bench.state.ledger.unlink()
    bench.start()
    await bench.until(lambda s: source(s)["good"] == 4)
    (gap,) = [one for one in entries(bench.state, ["gap"]) if one.data["source"] == "ledger"]
    assert gap.data["entries_told"] == 7
    assert "its tail is gone" in bench.log_text()


async def test_an_older_ledger_that_was_put_back_is_an_alarm_until_a_person_acknowledged_it(bench, tmp_path):
    state = bench.state
    await bench.until(lambda s: source(s)["good"] == 4)
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    shutil.copy(state.ledger, tmp_path / "older.sqlite")
    bench.start()
    await bench.until(lambda s: source(s)["good"] == 4 and not s["ledger_lost"])
    bench.kill(signal.SIGTERM)
    await asyncio.to_thread(bench.ended)
    newer = head(state)[0]
    with sqlite3.connect(state.bodies) as db:
        written = {body for (body,) in db.execute("SELECT body FROM body")}
    db.close()
    shutil.copy(tmp_path / "older.sqlite", state.ledger)
    older = head(state)[0]
    assert f"bodies {older + 1} to {newer} belong to no entry" in verify(state).words
    for _life in range(2):  # it stands over a new start
        bench.start()
        status = await bench.until(lambda s: s["ledger_lost"])
        (alarm,) = [one for one in status["alarms_top"] if one["id"] == "monitor:ledger"]
        assert f"it has {older} entries, {newer} were published; bodies {older + 1} to {newer}" in alarm["text"]
        bench.kill(signal.SIGTERM)
        await asyncio.to_thread(bench.ended)
    bench.start()
    await bench.until(lambda s: s["ledger_lost"])
    with sqlite3.connect(state.bodies) as db:
        there = {body for (body,) in db.execute("SELECT body FROM body UNION SELECT body FROM orphan")}
    db.close()
    assert written <= there
    told = await asked(bench, "acknowledge", {"alert_id": "ledger", "note": "copy of the backup"})
    assert told["ok"], told
    await bench.until(lambda s: not s["ledger_lost"])
    assert [one.data["source"] for one in entries(state, ["gap"])].count("ledger") == 1


async def test_rubbish_in_the_inbox_goes_to_rejected_and_the_rest_goes_on(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    (bench.state.inbox / "bad.json").write_text("{")
    drop(bench, MESSAGE)
    await bench.until(lambda s: s["alarms_top"] and not list(bench.state.inbox.iterdir()))
    assert "not a handover" in (bench.state.rejected / "bad.json.reason.txt").read_text()


async def test_people_decide_over_the_socket_and_the_ledger_has_it(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    drop(bench, MESSAGE)
    await bench.until(lambda s: s["alarms_top"])
    alert = {"alert_id": "SP-2026-0042"}
    unknown = await asked(bench, "decide", {"alert_id": "SP-1", "choice": "follow", "reason": "x"})
    assert "alert_id: SP-1 is not known" in unknown["error"]
    late = await asked(bench, "decide", {**alert, "choice": "defer", "reason": "standby pump is out"})
    assert "decide: until: is missing" in late["error"]
    long = await asked(bench, "shelve", {**alert, "reason": "noise", "until": "2999-01-01T00:00:00Z"})
    assert "8 h at most" in long["error"]
    done = await asked(bench, "decide", {**alert, "choice": "reject", "reason": "seal is dry"})
    assert done["ok"], done
    await bench.until(lambda s: s["alarms_top"][0]["state"] == "ACKED")
    again = await asked(bench, "acknowledge", {**alert, "note": ""})
    assert "already acknowledged" in again["error"]
    found = {"wo_id": "WO-1", "asset": "pump1", "component": "seal", "grade": "B", "inspector_party": "utility"}
    assert (await asked(bench, "finding", found))["ok"]
    await bench.until(lambda s: not s["alarms_top"])
    records = {one.kind: one for one in entries(bench.state)}
    assert records["decision"].role == "administrator"
    assert (records["decision"].asset, records["decision"].component) == ("pump1", "seal")
    assert records["finding"].data["grade"] == "B"
    assert "acknowledge" not in records
    events = [one.data["event"] for one in entries(bench.state, ["alarm"])]
    assert events == ["alarm", "acknowledge", "return"]


async def test_a_message_is_erased_over_the_socket_while_the_daemon_runs(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    drop(bench, MESSAGE)
    await bench.until(lambda s: s["alarms_top"])
    (alert,) = entries(bench.state, ["vendor_alert"])
    unknown = await asked(bench, "erase", {"raw": ["0" * 64], "rule": "two years"})
    assert "no such message is kept" in unknown["error"]
    done = await asked(bench, "erase", {"raw": [alert.data["raw_sha256"]], "rule": "two years"})
    assert done["ok"], done
    await bench.until(lambda s: s["ledger"]["n"] >= done["n"])
    assert raw_message(bench.state, alert.data["raw_sha256"]) is None
    assert [one.n for one in entries(bench.state, ["erasure"])] == [done["n"]]
    assert verify(bench.state).ok


async def test_the_head_is_handed_out_and_the_key_replaced_over_the_socket_while_the_daemon_runs(bench):
    await bench.until(lambda s: source(s)["good"] == 4)
    refused = await asked(bench, "anchor", {"to": "Lieselotte"})
    assert "is no party" in refused["error"]
    handed = await asked(bench, "anchor", {"to": "union"})
    anchor = parse_anchor(handed["text"])
    assert verify(bench.state, anchor=anchor).ok
    replaced = await asked(bench, "new_key", {})
    assert replaced["ok"], replaced
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    result = verify(bench.state, anchor=anchor)
    assert (result.ok, result.key) == (True, replaced["fingerprint"])
    assert [one.role for one in entries(bench.state, ["anchor", "key"])] == [None, "administrator", "administrator"]


async def test_a_status_bit_is_an_alert_with_the_time_at_which_we_saw_it(bench, tmp_path, server):
    await bench.until(lambda s: source(s)["good"] == 4)
    await server.shutdown()
    async with modbus_server(device(bits=0b1000_0001), port=server.port):
        status = await bench.until(lambda s: any(one["origin"] == "vendor" for one in s["alarms_top"]))
        assert {one["feed"] for one in status["vendor"]} == {"smartpump_mail", "status_bit"}
        bench.kill()
        await asyncio.to_thread(bench.ended)
        bench.start()
        await bench.until(lambda s: source(s)["good"] == 4)
    (alert,) = entries(bench.state, ["vendor_alert"])
    assert alert.data["feed"] == "status_bit"
    assert alert.data["active"] is True


async def test_a_killed_worker_is_started_anew_and_its_job_said_to_be_lost(tmp_path, server):
    timetable = '[[job]]\nname = "binder"\nevery_s = 86400\n'
    config = configure(tmp_path / "config", server.port, timetable=timetable)
    bench = Bench(config, State(tmp_path / "state")).start()
    try:
        status = await bench.until(lambda s: s["worker"]["pid"] and s["worker"]["job"] == "binder")
        os.kill(status["worker"]["pid"], signal.SIGKILL)
        status = await bench.until(lambda s: "binder" in s["worker"]["jobs"])
        assert status["worker"]["lost"] == 1
        assert "the worker died (signal 9, SIGKILL)" in status["worker"]["jobs"]["binder"]["words"]
        assert source(status)["state"] == "up"
    finally:
        bench.end()
