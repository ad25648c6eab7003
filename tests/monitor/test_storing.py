"""What waits for the disk has a bound; what falls over it is counted, said, and a gap in the ledger."""

import sqlite3
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from drivers.batch import NO_TIME, Batch
from drivers.record import Alert
from monitor.claims import Claims
from monitor.daemon.alarms import AlarmList
from monitor.daemon.drafts import now_us, own
from monitor.daemon.hearing import ALERTS_WAITING, Hearing
from monitor.daemon.storing import ENTRIES_AT_ONCE, ENTRIES_OWED, Storing, size_of
from monitor.daemon.writer import Writer
from monitor.handover import hand_over
from monitor.heartbeat import Moment
from monitor.historian.reader import HotReader
from monitor.ledger import entries
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.plants import plant

SECOND = 1_000_000


def batch(second, n=8):
    zeros = np.zeros(n, np.uint32)
    return Batch("pump1", second * SECOND, np.arange(n, dtype=np.int32), np.full(n, NO_TIME, np.int64),
                 np.full(n, float(second)), zeros.astype(np.uint8), zeros)  # fmt: skip


def moment(second):
    return Moment("boot", float(second), second * SECOND)


@pytest.fixture
async def writer(tmp_path):
    made = Writer(plant(), State(tmp_path / "state").make())
    await made.open()
    yield made
    await made.close()


async def test_a_store_that_fails_keeps_the_newest_within_the_bound_and_says_the_gap_when_it_works_again(
    writer, tmp_path, caplog
):
    state = State(tmp_path / "state")
    storing = Storing(writer, AlarmList(), room=100 * size_of(batch(1)))
    with sqlite3.connect(state.hot, timeout=0) as other:
        writer.hot._db.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        for second in range(1, 251):
            storing.keep(batch(second))
            if second % 10 == 0:
                await storing.commit(moment(second), latest=False)
        assert storing.state[0] == "failing"
        assert storing.backlog["polls"] == 100
        assert storing.backlog["bytes"] <= storing.backlog["room"]
        other.rollback()
    await storing.commit(moment(251), latest=False)
    await storing.pay()
    await storing.commit(moment(252), latest=False)
    assert storing.state == ("ok", "")
    assert (storing.lost["polls"], storing.lost["samples"]) == (150, 1200)
    assert [sample.value for sample in HotReader(state.hot).series(0, 0)] == [float(one) for one in range(151, 251)]
    (gap,) = entries(state, ["gap"])
    assert (gap.data["source"], gap.data["polls_lost"], gap.data["samples_lost"]) == ("memory", 150, 1200)
    assert (gap.data["start"], gap.data["end"]) == ("1970-01-01T00:00:01.000Z", "1970-01-01T00:02:30.000Z")
    said = [record.message for record in caplog.records if "the oldest are lost" in record.message]
    assert len(said) == 1


async def test_the_bound_holds_while_a_write_hangs(writer):
    """The disk took nothing for a day: a thousand devices' polls keep no more than the room for them."""
    storing = Storing(writer, AlarmList(), room=1_000_000)
    tracemalloc.start()
    try:
        for second in range(20_000):
            storing.keep(batch(second, 100))
        used, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert storing.backlog["bytes"] <= 1_000_000
    assert used < 3_000_000
    assert storing.lost["polls"] + storing.backlog["polls"] == 20_000


async def test_entries_that_are_owed_have_a_bound_and_are_written_in_pieces(writer, tmp_path, caplog):
    storing = Storing(writer, AlarmList())
    for number in range(ENTRIES_OWED + 50):
        storing.owe(own("clock_step", {"step": f"{number} s"}, number * SECOND))
    assert storing.lost["entries"] == 50
    await storing.pay()
    assert storing.backlog["entries"] == ENTRIES_OWED - ENTRIES_AT_ONCE
    await storing.commit(moment(1), latest=False)
    while storing.backlog["entries"]:
        await storing.pay()
    found = list(entries(State(tmp_path / "state")))
    steps = [one.at_us // SECOND for one in found if one.kind == "clock_step"]
    assert steps == list(range(ENTRIES_OWED))
    assert [one.data["entries_lost"] for one in found if one.kind == "gap"] == [50]
    assert sum("are lost" in record.message for record in caplog.records) == 1


def test_an_own_alert_that_recovers_makes_no_alarm_and_one_that_is_there_says_so(tmp_path):
    alarms, text = AlarmList(), "vibration away from its reference"
    hearing = Hearing(State(tmp_path / "state"), None, Claims(plant()), alarms, lambda draft: None, lambda: None)
    told = Alert("OWN-1", "own", "pump1", "seal", "health", "warning", text, now_us())
    hearing.own_alert(told, recovering=True)
    assert not list(alarms)
    hearing.own_alert(told)
    hearing.own_alert(told, recovering=True)
    assert [(one.text, one.active) for one in alarms] == [(f"recovering: {text}", True)]
    hearing.own_alert(told)
    assert [one.text for one in alarms] == [text]
    hearing.own_alert(replace(told, active=False))
    assert [one.active for one in alarms] == [False]


async def test_what_is_handed_over_is_dated_by_our_own_clock_and_a_time_that_is_none_of_ours_is_marked(
    writer, tmp_path
):
    """Whoever may put a file into the inbox may write any time into it: of last year, of next year, of now."""
    state, claims, alarms = State(tmp_path / "state"), Claims(plant()), AlarmList()
    hearing = Hearing(state, writer, claims, alarms, lambda draft: None, lambda: None)
    begin_us, year_us = now_us(), 365 * 86_400 * SECOND
    for name, us in (("past", begin_us - year_us), ("next", begin_us + year_us), ("now", begin_us)):
        told = Alert(name, "vendor", "pump1", "seal", "wear", "critical", name, us, us, vendor="V", feed="mail",
                     extra={"late_by": "0 s", "claimed_us": "x"})  # fmt: skip
        hand_over(state, "mail", name.encode(), [told], us)
    await hearing.take()
    found = {one.data["alert_id"]: one for one in entries(state, ["vendor_alert"])}
    assert all(begin_us // 1000 * 1000 <= one.at_us <= now_us() for one in found.values())
    assert found["past"].data["received_at"] == utc_text(begin_us - year_us)
    assert found["past"].data["late_by"].startswith("315")
    assert found["next"].data["late_by"].startswith("-315")
    assert "late_by" not in found["now"].data
    assert begin_us <= claims.heard_us["mail"] <= now_us()
    again = Claims(plant())
    again.learn(entries(state, ["vendor_alert"]))
    assert again.heard_us["mail"] <= now_us()


async def test_alerts_that_no_ledger_could_follow_are_cut_counted_and_a_gap(writer, tmp_path, caplog):
    owed, alarms, state = [], AlarmList(), State(tmp_path / "state")
    hearing = Hearing(state, writer, Claims(plant()), alarms, owed.append, lambda: None)
    told = Alert("", "vendor", "pump1", "seal", "wear", "warning", "", 1, vendor="SmartPump", feed="status_bit")
    for number in range(3):
        hearing.hear([replace(told, alert_id=f"{number}-{at}") for at in range(ALERTS_WAITING // 2 + 10)])
    assert (hearing.waiting, hearing.lost) == (ALERTS_WAITING, ALERTS_WAITING // 2 + 30)
    await hearing.take()
    assert hearing.waiting == ALERTS_WAITING - 100  # the tick goes on, the rest waits for the next
    hearing._heard.clear()
    await hearing.take()
    (gap,) = [draft for draft in owed if draft.kind == "gap"]
    assert gap.data["alerts_lost"] == ALERTS_WAITING // 2 + 30
    assert sum("are lost" in record.message for record in caplog.records) == 1
