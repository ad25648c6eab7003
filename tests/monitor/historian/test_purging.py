"""Raw days leave by a rule: the oldest first, never a young one, never what is not verified, and the ledger says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor import plant as nouns
from monitor.historian.cold import cold_of, days
from monitor.historian.history import add_rows, read
from monitor.historian.purging import purge_days
from monitor.jobs import JOBS
from monitor.ledger.entry import KINDS
from monitor.progress import silent
from monitor.state import State
from tests.monitor.historian.test_added import rows
from tests.monitor.historian.test_verifying import DAY_MS, FACTS, MIDNIGHT_MS, day
from tests.monitor.plants import plant
from tests.peers.mounts import mounted, needs_mount

TODAY = "2026-11-23"


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state").make()
    for n in range(10, 23):
        day(state, f"2026-11-{n}", MIDNIGHT_MS - (23 - n) * DAY_MS)
    return state


def test_days_older_than_the_rule_says_leave_and_younger_ones_stay(state):
    cold = cold_of(state)
    gone = purge_days(cold, TODAY, 3, "keep_days = 10", keep_days=10)
    assert (gone.first_day, gone.last_day, len(gone.files)) == ("2026-11-10", "2026-11-12", 3)
    assert days(cold, "G") == [f"2026-11-{n}" for n in range(13, 23)]
    assert not (state.history / "site=G/date=2026-11-10").exists()
    assert set(KINDS["purge"]) <= set(gone.data)
    assert len(read(state, ["pump1.flow"], 0, 2**62)) == 400
    assert purge_days(cold, TODAY, 3, "", keep_days=10).files == {}


def test_for_room_the_oldest_leave_first_and_only_as_many_as_are_needed(state):
    cold = cold_of(state)
    size = (state.history / "site=G/date=2026-11-10/part-0.parquet").stat().st_size
    gone = purge_days(cold, TODAY, 3, "disk 93 % full", bytes_wanted=size + 1)
    assert (gone.first_day, gone.last_day, gone.rule) == ("2026-11-10", "2026-11-11", "disk 93 % full")
    assert gone.bytes >= size + 1


def test_what_is_younger_than_least_days_never_leaves_whoever_asks(state):
    cold = cold_of(state)
    assert purge_days(cold, TODAY, 5, "", keep_days=1).last_day == "2026-11-17"
    assert purge_days(cold, TODAY, 5, "", bytes_wanted=2**60).files == {}
    assert days(cold, "G") == [f"2026-11-{n}" for n in range(18, 23)]


def test_a_day_that_is_damaged_or_still_in_pieces_stays(state):
    cold = cold_of(state)
    (state.history / "site=G/date=2026-11-10/part-0.parquet").write_bytes(b"something else")
    (state.history / "site=G/date=2026-11-11/_part-0.parquet.sha256").unlink()
    add_rows(cold, "G", rows([MIDNIGHT_MS - 11 * DAY_MS], [1.0]), FACTS, origin={})
    gone = purge_days(cold, TODAY, 3, "", keep_days=10)
    assert gone.files == {}
    assert gone.kept == ("G 2026-11-10", "G 2026-11-11")


@needs_mount
def test_a_day_that_cannot_be_removed_stays_and_the_others_leave_and_are_told(state):
    held = state.history / "site=G/date=2026-11-10"
    with mounted(held, "--bind", "-o", "ro", held):
        gone = purge_days(cold_of(state), TODAY, 3, "", keep_days=10)
    assert [Path(file).parent.name for file in gone.files] == ["date=2026-11-11", "date=2026-11-12"]
    assert gone.kept[0].startswith("G 2026-11-10 (")
    assert len(list(held.iterdir())) == 2


def test_the_job_keeps_all_unless_a_rule_is_configured_and_enters_what_left(state):
    settings, now_us = plant(), (MIDNIGHT_MS + 3_600_000) * 1000
    assert "nothing leaves" in JOBS["purge"](state, settings, now_us, {}, silent).words
    short = replace(settings, history=nouns.History(keep_days=10, least_days=3))
    done = JOBS["purge"](state, short, now_us, {}, silent)
    (entry,) = done.ledger
    assert (entry["kind"], entry["data"]["rule"]) == ("purge", "[history] keep_days = 10")
    full = JOBS["purge"](state, replace(short, disk=nouns.Disk(full_at=0.0)), now_us, {"rule": "disk full"}, silent)
    assert full.ledger[0]["data"]["last_day"] == "2026-11-19"


def test_the_job_verify_sets_aside_what_is_damaged_and_enters_it(state):
    (state.history / "site=G/date=2026-11-10/part-0.parquet").write_bytes(b"something else")
    done = JOBS["verify"](state, plant(), MIDNIGHT_MS * 1000, {}, silent)
    (entry,) = done.ledger
    assert entry["kind"] == "quarantine"
    assert (state.history / entry["data"]["moved_to"]).read_bytes() == b"something else"
    assert "1 damaged" in done.words
