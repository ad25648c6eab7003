"""The clock: what is said of it, from the kernel's word, the steps that were seen, and what the last life kept."""

import json
from dataclasses import replace

import pytest

from monitor.daemon.clock import DRIFT, MADE_US, Clock, Kernel, clock_health, read_kernel
from monitor.heartbeat import Moment

DAY_S = 86_400.0
SYNCED, LOST = Kernel(True, 0.001, 0.02), Kernel(False, 0.0, 16.0)
START = Moment("boot-1", 100.0, MADE_US + 30 * 86_400_000_000)


class Time:
    """Three clocks that go on together, or not."""

    def __init__(self, kept="", start=START, boot_s=100.0):
        self.now, self.boot_s = start, boot_s
        self.clock = Clock(start, boot_s, kept)

    def pass_(self, seconds=1.0, *, step_s=0.0, asleep_s=0.0, kernel=LOST):
        self.boot_s += seconds + asleep_s
        us = round((seconds + asleep_s + step_s) * 1e6)
        self.now = replace(self.now, mono_s=self.now.mono_s + seconds, utc_us=self.now.utc_us + us)
        return self.clock.look(self.now, self.boot_s, kernel, [])

    @property
    def word(self):
        return self.clock.health.state

    def next_life(self, boot="boot-1", later_s=5.0):
        """The daemon starts again: in the same boot, or after a power cut with whatever the clock says then."""
        at = replace(self.now, boot_id=boot, utc_us=self.now.utc_us + round(later_s * 1e6))
        if boot != self.now.boot_id:
            return Time(self.clock.saved(), replace(at, mono_s=3.0), 3.0)
        return Time(self.clock.saved(), replace(at, mono_s=at.mono_s + later_s), self.boot_s + later_s)


def test_what_the_kernel_says_can_be_asked_here_without_a_daemon():
    assert clock_health().state in ("synced", "unknown", "suspect")
    assert read_kernel() is None or read_kernel().error_s >= 0


def test_a_clock_that_is_kept_is_synced_and_a_lost_time_service_makes_its_error_grow():
    time = Time()
    time.pass_(kernel=SYNCED)
    assert (time.word, time.clock.health.uncertainty_s) == ("synced", pytest.approx(0.021))
    time.pass_(3_600.0)
    assert time.word == "holdover"
    assert time.clock.health.uncertainty_s == pytest.approx(0.021 + 3_600 * DRIFT)
    for _day in range(7):
        time.pass_(DAY_S)
    assert time.word == "suspect"
    assert "no time service for 7d" in time.clock.health.note
    time.pass_(kernel=SYNCED)
    assert time.word == "synced"


@pytest.mark.parametrize("kernel", [None, LOST, Kernel(True, 0.2, 0.02), Kernel(True, 0.0, 3.0)])
def test_what_nobody_vouches_for_within_its_bounds_is_unknown(kernel):
    time = Time()
    time.pass_(kernel=kernel)
    assert time.word == "unknown"
    assert time.clock.health.note


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0])
def test_a_step_of_an_hour_is_seen_as_it_is_and_makes_the_clock_suspect_for_an_hour(step_s):
    time = Time()
    time.pass_(kernel=SYNCED)
    seen = time.pass_(step_s=step_s, kernel=SYNCED)
    assert (seen.step_s, seen.slept_s) == (pytest.approx(step_s), None)
    assert time.word == "suspect"
    assert time.pass_(kernel=SYNCED).step_s is None
    time.pass_(3_600.0, kernel=SYNCED)
    assert time.word == "synced"


def test_a_late_tick_and_a_slewed_clock_are_no_steps():
    time = Time()
    for seconds, step_s in ((30.0, 0.0), (1.0, 0.4), (1.0, -0.4)):
        assert time.pass_(seconds, step_s=step_s).step_s is None


def test_a_year_ahead_is_in_doubt_until_somebody_confirms_it_or_takes_it_back():
    time = Time()
    time.pass_(step_s=365 * DAY_S)
    time.pass_(3 * 3_600.0)
    assert (time.word, time.clock.health.note) == ("suspect", "set by +365d without a time service")
    again = time.next_life()
    again.pass_()
    assert again.word == "suspect"
    time.pass_(step_s=-365 * DAY_S)
    time.pass_(3_601.0)
    assert time.word == "unknown"
    again.clock.confirm()
    again.pass_()
    assert again.word == "manual"
    assert again.clock.health.uncertainty_s >= 60
    again.pass_(kernel=SYNCED)
    assert again.word == "synced"


def test_a_machine_that_slept_was_not_set():
    time = Time()
    seen = time.pass_(asleep_s=7_200.0)
    assert seen.step_s is None
    assert seen.slept_s == pytest.approx(7_200.0)
    assert time.word == "unknown"


@pytest.mark.parametrize(
    ("later_s", "note"),
    [
        (-40 * DAY_S, "before the day this program was made"),
        (-3_600.0, "before the last time recorded here"),
        (3 * 365 * DAY_S, "after the last time recorded here"),
    ],
)
def test_after_a_power_cut_a_clock_that_nobody_vouches_for_is_suspect_if_it_went_back_or_years_ahead(later_s, note):
    time = Time()
    time.pass_()
    again = time.next_life("boot-2", later_s)
    again.pass_()
    assert again.word == "suspect"
    assert note in again.clock.health.note
    again.pass_(2 * 3_600.0)
    assert again.word == "suspect"
    if "made" not in note:
        again.pass_(kernel=SYNCED)
        assert again.word == ("suspect" if later_s > 0 else "synced")  # time services were wrong by decades before
        again.clock.confirm()
        again.pass_(kernel=SYNCED)
        assert again.word == "synced"


@pytest.mark.parametrize("start_s", [10 * 365 * DAY_S, 20 * DAY_S, -3_600.0])
def test_no_small_step_and_no_new_start_ends_the_doubt_of_a_start(start_s):
    time = Time()
    time.pass_()
    again = time.next_life("boot-2", start_s)
    again.pass_(step_s=0.7)
    assert again.word == "suspect"
    third = again.next_life()
    third.pass_()
    third.pass_(step_s=0.7)
    assert third.word == "suspect"
    third.pass_(step_s=-start_s)
    third.pass_(3_601.0)
    assert third.word == "unknown"


@pytest.mark.parametrize(("ahead_s", "word"), [(60.0, "unknown"), (10 * 365 * DAY_S, "suspect"), (-60.0, "suspect")])
def test_where_the_last_life_kept_nothing_its_records_say_until_when_it_was(ahead_s, word):
    clock = Clock(START, 100.0, "", START.utc_us - round(ahead_s * 1e6))
    clock.look(replace(START, mono_s=101.0, utc_us=START.utc_us + 1_000_000), 101.0, LOST, [])
    assert clock.health.state == word


def test_a_step_is_seen_between_two_looks():
    time = Time()
    time.pass_()
    assert not time.clock.stepped_since(replace(time.now, utc_us=time.now.utc_us + 900_000), time.boot_s + 0.9)
    assert time.clock.stepped_since(replace(time.now, utc_us=time.now.utc_us + 86_400_000_000), time.boot_s + 0.9)


def test_holdover_goes_on_over_a_restart_and_over_a_boot():
    time = Time()
    time.pass_(kernel=SYNCED)
    for boot in ("boot-1", "boot-2"):
        again = time.next_life(boot, 7_200.0)
        again.pass_()
        assert again.word == "holdover"
        assert again.clock.health.uncertainty_s == pytest.approx(0.021 + 7_201 * DRIFT)


@pytest.mark.parametrize("kept", ["", "{", "[]", "null", '{"utc": 3}', '{"utc": "2026-11-25"}', "[" * 99_999])
def test_what_was_kept_and_cannot_be_read_counts_as_nothing(kept):
    time = Time(kept)
    time.pass_()
    assert time.word == "unknown"


def test_status_has_it_in_words_and_numbers():
    time = Time()
    time.pass_(kernel=SYNCED)
    told = json.loads(json.dumps(time.clock.health.to_json()))
    assert told == {
        "state": "synced", "note": "within 0.021 s", "offset_s": 0.001, "uncertainty_s": 0.021,
        "since": "2026-12-01T00:00:01.000Z",
    }  # fmt: skip
