"""The timetable: cron as cron means it, and what was missed is done once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from monitor.daemon.timetable import Timetable, trigger_of, weekdays
from monitor.plant import Job

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
