"""The timetable: cron as cron means it, and what was missed is done once."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from monitor import heartbeat
from monitor.claims import Claims
from monitor.daemon.dispatch import Dispatch, last_runs
from monitor.daemon.supervisor import JobLost
from monitor.daemon.timetable import Timetable, trigger_of, weekdays
from monitor.daemon.writer import ShutLedger, Writer
from monitor.heartbeat import build_status
from monitor.historian.reader import HotReader
from monitor.joblist import at_work, command, lines
from monitor.ledger import entries
from monitor.lock import hold_lock
from monitor.plant import Job
from monitor.state import State
from tests.monitor.plants import plant

SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@pytest.mark.parametrize(("field", "day"), [("0", 6), ("7", 6), ("1", 0), ("mon", 0), ("5", 4), ("sat", 5)])
def test_weekdays_are_those_of_cron(field, day):
    fires = trigger_of(Job("audit", cron=f"0 6 * * {field}")).get_next_fire_time(None, SUNDAY)
    assert (fires.weekday(), fires.hour) == (day, 6)


@given(st.integers(0, 6), st.integers(0, 7), st.integers(1, 7))
def test_ranges_and_steps_of_weekdays(first, last, step):
    if last >= first:
        found = weekdays(f"{first}-{last}/{step}").split(",")
        assert found == [DAYS[n] for n in sorted({n % 7 for n in range(first, last + 1, step)})]
    else:
        with pytest.raises(ValueError, match="backwards"):
            weekdays(f"{first}-{last}/{step}")


@pytest.mark.parametrize("cron", ["0 6 * * 8", "61 6 * * *", "0 6 * *", "a b c d e"])
def test_a_cron_line_that_cannot_be_used_is_one_line_to_mend(cron):
    with pytest.raises(ConfigError, match=r"timetable.toml: job audit: .*0 6 \* \* 1"):
        trigger_of(Job("audit", cron=cron))


def table(last_runs, call=None):
    jobs = (Job("score", every_s=60), Job("drift_audit", cron="0 6 * * 1"), Job("binder", cron="0 4 * * *"))
    return Timetable(jobs, last_runs, call)


def test_what_never_ran_and_what_was_missed_is_due_and_the_rest_is_not():
    now = SUNDAY
    ran = {"score": now - timedelta(seconds=59), "drift_audit": now - timedelta(days=6), "binder": now}
    assert table(ran).missed(now) == []
    assert table({**ran, "score": now - timedelta(seconds=61)}).missed(now) == ["score"]
    assert table({**ran, "drift_audit": now - timedelta(days=8)}).missed(now) == ["drift_audit"]
    assert table({}).missed(now) == ["binder", "score", "drift_audit"]


async def test_missed_jobs_run_once_and_others_wait_for_their_time():
    done = []

    async def call(name):
        done.append(name)

    now = datetime.now(UTC)
    made = table({"score": now, "binder": now, "drift_audit": now - timedelta(days=30)}, call)
    assert made.start(now) == ["drift_audit"]
    for _ in range(2000):
        if done:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    made.stop()
    assert done == ["drift_audit"]


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=365), timedelta(hours=-1), timedelta(days=-365)])
async def test_a_clock_that_was_set_makes_no_job_run_many_times_or_wait_for_a_time_left_behind(step):
    done = []

    async def call(name):
        done.append(name)

    now = datetime.now(UTC)
    made = table({"score": now, "binder": now, "drift_audit": now}, call)
    made.start(now)
    made.clock_set(now + step)
    planned = {job.id: job.next_run_time for job in made._scheduler.get_jobs()}
    assert min(planned.values()) >= now + step
    assert planned["drift_audit"] <= now + step + timedelta(days=7)
    assert planned["binder"] <= now + step + timedelta(days=1)
    made.stop()


@pytest.mark.parametrize("changes", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("job", [Job("binder", cron="30 2 * * *"), Job("drift", cron="0 1 * * *"), Job("fold", 1_800)])
def test_where_summer_time_begins_or_ends_each_run_is_done_once(changes, job, monkeypatch):
    """Local 02:30 comes twice or never that day; UTC has it once."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        trigger = trigger_of(job)
        now = start = datetime.fromisoformat(f"{changes}T00:00:00+00:00") - timedelta(days=1)
        fired = [trigger.get_next_fire_time(start, start + timedelta(microseconds=1))]
        while now < start + timedelta(days=3):
            now += timedelta(seconds=60)  # the injected clock: a daemon that looks once a minute
            if fired[-1] <= now:
                fired.append(trigger.get_next_fire_time(fired[-1], now))
        apart = {(later - earlier) for earlier, later in pairwise(fired)}
        assert apart == {timedelta(days=1) if job.cron else timedelta(seconds=1_800)}
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_run_that_is_due_while_the_last_one_is_at_work_is_left_out_counted_and_said_once(tmp_path, caplog):
    answer = asyncio.Event()

    class Slow:
        async def ask(self, *_what):
            await answer.wait()
            raise JobLost("score: the worker died")

    settings, state = plant(), State(tmp_path).make()
    writer = Writer(settings, state)
    await writer.open()
    jobs = Dispatch(Slow(), writer, Claims(settings), lambda alert: None, lambda draft: None)
    first = asyncio.create_task(jobs.run("score"))
    await asyncio.sleep(0)
    assert set(jobs.last_starts()) == {"score"}  # a timetable made now does not take it for missed
    for _ in range(3):
        await jobs.run("score")
    answer.set()
    await first
    assert sum("a run was left out, because it is still" in record.message for record in caplog.records) == 1
    assert [record.message for record in caplog.records][-1] == "score: the worker died"  # its name once
    run = last_runs(HotReader(state.hot))["score"]
    assert (run["left_out"], run["ok"], run["succeeded"], run["words"]) == (3, False, None, "score: the worker died")
    await writer.close()
    next_life = Dispatch(Slow(), writer, Claims(settings), lambda alert: None, lambda draft: None)
    next_life.take_up(HotReader(state.hot))
    assert next_life.last_runs["score"]["left_out"] == 3


def test_jobs_are_listed_with_how_they_went_and_when_they_are_due():
    zone, now = ZoneInfo("Europe/Berlin"), datetime(2026, 11, 27, 12, tzinfo=UTC)
    run = {"started": "2026-11-27T04:00:00.000Z", "ended": "2026-11-27T04:00:09.000Z", "ok": True, "words": "12 pages",
           "succeeded": "2026-11-27T04:00:09.000Z", "left_out": 0}  # fmt: skip
    binder = Job("binder", cron="0 4 * * *")
    assert lines(binder, run, None, zone, now, lives=False) == [
        "binder  (cron 0 4 * * * UTC)",
        "  last: 2026-11-27 05:00 +01:00 to 2026-11-27 05:00 +01:00, went well: 12 pages",
        "  next: 2026-11-28 05:00 +01:00, if the daemon runs then",
    ]  # fmt: skip
    failed = {**run, "ok": False, "words": "no room\x1b[2J", "left_out": 3}
    shown = lines(Job("score", every_s=60), failed, "2026-11-27T12:00:30+00:00", zone, now, lives=True)
    assert "FAILED: no room" in shown[1]
    assert "\x1b" not in shown[1]
    assert shown[2:] == [
        "  went well last: 2026-11-27 05:00 +01:00", "  left out: 3 runs, because it was late or still at work",
        "  next: 2026-11-27 13:00 +01:00",
    ]  # fmt: skip
    assert lines(binder, None, None, zone, now, lives=False)[1:] == [
        "  never ran",
        "  next: as soon as the daemon runs",
    ]
    score = Job("score", every_s=60)
    assert lines(score, run, None, zone, now, lives=False)[-1] == "  next: as soon as the daemon runs"


def test_jobs_says_whether_a_daemon_is_there_to_start_them_and_what_it_is_at(tmp_path, capsys):
    state, settings = State(tmp_path).make(), replace(plant(), jobs=(Job("score", every_s=60),))
    command(None, settings, state)
    assert capsys.readouterr().out.startswith("no daemon runs, so no job is started: ")
    worker = {"job": "take_imports", "since": "2026-11-27T11:58:00.000Z"}
    with hold_lock(state):
        command(None, settings, state)
        assert capsys.readouterr().out.startswith("the daemon has not spoken lately: it starts, or it hangs")
        status = build_status(heartbeat.present(), simulated=False, pid=os.getpid())
        heartbeat.publish(state, status | {"worker": worker, "timetable": {"score": "2026-11-27T12:00:00+00:00"}}, None)
        command(None, settings, state)
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["score  (every 60 s)", "  never ran", "  next: 2026-11-27 13:00 +01:00"]
    assert told[3] == "take_imports", "what is at work stands here though it is on no timetable"
    assert told[4].startswith("  at work since 2026-11-27 12:58 +01:00, for ")


def test_a_job_at_work_says_since_when_and_beyond_its_time_whether_it_is_stuck():
    zone, worker = ZoneInfo("Europe/Berlin"), {"job": "score", "since": "2026-11-27T11:58:00.000Z"}
    told = at_work(worker, zone, datetime(2026, 11, 27, 12, tzinfo=UTC))
    assert told == "  at work since 2026-11-27 12:58 +01:00, for 2m"
    later = at_work(worker, zone, datetime(2026, 11, 27, 12, 4, tzinfo=UTC))
    assert later.endswith("; stuck? It may take 5m")


async def test_what_a_job_found_old_is_not_erased_where_the_clock_came_into_doubt_meanwhile(tmp_path):
    settings, state, doubt = plant(), State(tmp_path).make(), []

    class Found:
        async def ask(self, *_what):
            doubt.append("the clock was set")
            erasure = {"kind": "erasure", "data": {"entries": [1], "rule": "r"}, "at_us": 0, "via": "retention"}
            return {"ledger": [erasure], "assessments": [], "brought_in": [], "purge_before_ms": 2**62, "ok": True,
                    "words": ""}  # fmt: skip

    writer = Writer(settings, state)
    await writer.open()
    jobs = Dispatch(Found(), writer, Claims(settings), lambda alert: None, lambda draft: None, lambda: bool(doubt))
    await jobs.run("retention")
    assert "the clock came into doubt" in jobs.last_runs["retention"]["words"]
    assert not list(entries(state, ["erasure"]))
    await writer.close()


async def test_what_left_already_is_owed_to_the_ledger_where_that_cannot_be_written_now(tmp_path):
    settings, state, owed = plant(), State(tmp_path).make(), []
    data = {"files": ["site=G/date=2024-01-01/part-0.parquet"], "first_day": "2024-01-01", "last_day": "2024-01-01",
            "bytes": 1, "rule": "disk 100 % full"}  # fmt: skip

    class Gone:
        async def ask(self, *_what):
            return {"ledger": [{"kind": "purge", "data": data, "at_us": 0, "via": "worker"}], "ok": True, "words": ""}

    writer = Writer(settings, state)
    await writer.open()
    ledger, writer.ledger = writer.ledger, ShutLedger("the ledger is not written", (0, ""))
    jobs = Dispatch(Gone(), writer, Claims(settings), lambda alert: None, owed.append)
    await jobs.run("purge")
    assert "could not be taken in" in jobs.last_runs["purge"]["words"]
    assert [draft.data for draft in owed] == [data]
    ledger.close()
    await writer.close()


def test_a_run_that_stands_in_the_future_was_made_by_a_wrong_clock_and_counts_as_none():
    ran = {"score": SUNDAY, "drift_audit": SUNDAY + timedelta(days=3_650), "binder": SUNDAY}
    assert table(ran).missed(SUNDAY) == ["drift_audit"]
