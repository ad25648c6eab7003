"""Noise collapse: found within its rules, silent outside of them, and remembered over a restart."""

import json
import logging
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Node, Reason, Register, Sample, Tag
from monitor.daemon.parts import Parts
from monitor.quality import QualityMachine
from monitor.quality.noise import COLLAPSED
from monitor.state import State
from tests.monitor.plants import plant

UTC = 1_795_440_000_000_000
EVERY_S = 20
DAY_S, HOUR_S = 86_400, 3_600
TAGS = (
    Tag(0, "P.running", "P", "running", "1", "a", Node("nsu=urn:x;s=r")),
    Tag(1, "P.pressure", "P", "pressure", "bar", "a", Node("nsu=urn:x;s=p")),
)


def machine(tags=TAGS, every_s=EVERY_S):
    return QualityMachine(tags, {"a": every_s}, {"P": "N"}, 0.0)


class Story:
    """A pump that runs and a pressure around 4 bar with a noise of its own [bar]."""

    def __init__(self, made=None, every_s=EVERY_S):
        self.machine, self.every_s = made or machine(every_s=every_s), every_s
        self.second, self.random = 0, random.Random(1)
        self.said, self.words = [], []

    def run(self, seconds, noise, mean=lambda _second: 4.0, on=1.0, why=Reason.OK, digits=9):
        end = self.second + int(seconds)
        while self.second < end:
            value = round(mean(self.second) + noise * self.random.gauss(0, 1), digits)
            rows = [Sample(0, 0, on), Sample(1, 0, value, why)]
            checked = self.machine.check(batch_of("a", UTC + self.second * 1_000_000, rows), float(self.second))
            self.machine.tick(float(self.second))
            frozen = bool(int(checked.reasons[1]) & Reason.FROZEN)
            if not self.said or self.said[-1][1] != frozen:
                self.said.append((self.second, frozen))
                self.words += [checked.detail[1]] if 1 in checked.detail else []
            self.second += self.every_s
        return self

    @property
    def frozen(self):
        return self.said[-1][1]


def test_a_noise_that_is_gone_after_a_day_is_said_within_the_hour_and_taken_back_within_the_hour():
    story = Story().run(DAY_S + HOUR_S, 0.02).run(HOUR_S, 0.0005)
    assert story.frozen
    assert story.words == [COLLAPSED]
    assert DAY_S + HOUR_S + 1800 <= story.said[-1][0] <= DAY_S + 2 * HOUR_S
    assert not story.run(HOUR_S, 0.02).frozen


def test_nothing_is_said_before_a_day_was_seen():
    assert not Story().run(20 * HOUR_S, 0.02).run(2 * HOUR_S, 0.0005).frozen


def test_a_noise_of_a_fifth_is_no_collapse():
    assert not Story().run(DAY_S + HOUR_S, 0.02).run(3 * HOUR_S, 0.004).frozen


def test_a_trend_is_no_noise():
    """A pressure that rises all the time and has lost its noise is found all the same."""
    rising = Story().run(DAY_S + HOUR_S, 0.02, lambda second: 4.0 + second * 1e-6)
    assert rising.run(HOUR_S, 0.0005, lambda second: 4.0 + second * 1e-6).frozen


def test_a_collapse_becomes_usual_after_half_a_month_and_not_before():
    story = Story(every_s=300).run(3 * DAY_S, 0.02).run(14 * DAY_S, 0.0015)
    assert story.frozen
    assert not story.run(4 * DAY_S, 0.0015).frozen


def test_a_pump_at_rest_has_a_noise_of_its_own():
    """At rest the pressure is quiet: no collapse, neither at rest nor when it runs again."""
    story = Story()
    for _day in range(4):
        story.run(DAY_S / 2, 0.02).run(DAY_S / 2, 0.0005, on=0.0)
    assert [frozen for _second, frozen in story.said] == [False]
    assert story.run(HOUR_S, 0.0005).frozen  # quiet while it runs


def test_a_sensor_at_zero_is_at_rest_and_not_broken():
    story = Story().run(DAY_S + HOUR_S, 0.02)
    assert not story.run(3 * HOUR_S, 0.0, lambda second: 1e-9 * (second % 60)).frozen


def test_a_smaller_value_may_have_a_smaller_noise():
    story = Story().run(DAY_S + HOUR_S, 0.04)
    assert not story.run(3 * HOUR_S, 0.0036, lambda _second: 0.4).frozen  # 1 % of the value as before


def test_a_register_too_coarse_to_show_a_tenth_is_not_judged():
    coarse = (TAGS[0], Tag(1, "P.pressure", "P", "pressure", "bar", "a", Register(1, "holding", 1, "u16", scale=0.01)))
    story = Story(machine(coarse)).run(DAY_S + HOUR_S, 0.02, digits=2)
    assert not story.run(2 * HOUR_S, 0.0, digits=2).frozen  # bit-identical is another check, of 8 h here


def test_a_value_set_by_hand_is_not_called_collapsed():
    assert not Story().run(DAY_S + HOUR_S, 0.02).run(3 * HOUR_S, 0.0, why=Reason.FORCED).frozen


def test_a_sensor_that_is_often_quiet_is_so():
    story = Story()
    for _ in range(8):
        story.run(4 * HOUR_S, 0.02).run(HOUR_S, 0.0005)
    assert [frozen for _second, frozen in story.said] == [False]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-4, 1e3), min_size=200, max_size=600))
def test_the_median_that_is_followed_is_near_the_true_one(noises):
    """After a day of windows: within a factor of two for any mix whose middle half spans less than that."""
    made = machine()
    middle = sorted(noises)[len(noises) // 4 : 3 * len(noises) // 4]
    if middle[-1] > 1.5 * middle[0]:
        noises = [middle[0] * (1 + 0.3 * math.sin(i)) for i in range(len(noises))]
    watch, at = made.noise, np.array([1])
    key = (at, np.array([1]))
    for noise in random.Random(2).sample(noises, len(noises)):
        watch._lasted_s[key] = 600.0
        watch._learn(key, np.array([noise]), np.array([4.0]), np.array([False]))
    assert float(np.exp(watch.log_noise[1, 1])) == pytest.approx(float(np.median(noises)), rel=1.0)


# over a restart


def test_what_was_learned_survives_a_restart_and_other_tags_do_not_mind():
    first = Story().run(DAY_S + HOUR_S, 0.02)
    blob = first.machine.noise.saved()
    tags = (*TAGS, Tag(2, "P.temperature", "P", "bearing_temperature", "degC", "a", Node("nsu=urn:x;s=t")))
    renumbered = tuple(Tag(2 - one.number, *(getattr(one, name) for name in Tag.__slots__[1:])) for one in tags)
    second = machine(renumbered)
    second.noise.take_up(blob)
    assert np.array_equal(second.noise.log_noise[1], first.machine.noise.log_noise[1], equal_nan=True)
    again = machine()
    again.noise.take_up(blob)
    assert Story(again).run(HOUR_S, 0.0005).frozen


def test_a_tag_that_is_gone_takes_nothing_with_it():
    blob = Story().run(HOUR_S, 0.02).machine.noise.saved()
    other = machine((Tag(0, "Q.pressure", "P", "pressure", "bar", "a", Node("nsu=urn:x;s=q")),))
    other.noise.take_up(blob)
    assert (other.noise.seen_s == 0).all()


@pytest.mark.parametrize(
    "blob", [b"", b"{}\n", b"[]\n", b"\xff\n", b'{"format": 1, "fields": [], "tags": []}\n', b"null\n", b"[" * 100_000]
)
def test_a_damaged_file_is_refused_as_a_whole(blob):
    with pytest.raises(ValueError, match=r"."):
        machine().noise.take_up(blob)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_file_however_damaged_makes_a_number_that_is_none(data):
    made = Story().run(HOUR_S, 0.02).machine if not _BLOBS else None
    if made:
        _BLOBS.append(made.noise.saved())
    blob = bytearray(_BLOBS[0])
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    other = machine()
    try:
        other.noise.take_up(bytes(blob[: data.draw(st.integers(0, len(blob)))]))
    except ValueError:
        return
    learned = other.noise.seen_s > 0
    assert np.isfinite(other.noise.seen_s).all()
    assert np.isfinite(other.noise.log_noise[learned]).all()


def test_a_number_that_no_arithmetic_makes_is_left_out_without_a_warning():
    head, _, _rest = Story().run(HOUR_S, 0.02).machine.noise.saved().partition(b"\n")
    tags = len(json.loads(head)["tags"])
    for odd in ("0000817f", "0000807f", "000080ff"):  # a NaN that signals, the infinities
        table = np.zeros((4, tags, 2), "<f4")
        raw = bytearray(table.tobytes())
        raw[tags * 8 : tags * 8 + 4] = bytes.fromhex(odd)  # the first noise
        raw[tags * 16 : tags * 16 + 4] = bytes.fromhex("000080ff")  # the size that belongs to it
        raw[:4] = np.float32(100.0).tobytes()
        other = machine()
        other.noise.take_up(head + b"\n" + bytes(raw))
        assert (other.noise.seen_s == 0).all()


_BLOBS: list[bytes] = []


def test_the_daemon_says_in_one_line_that_the_file_cannot_be_used(tmp_path, caplog):
    state = State(tmp_path / "state").make()
    state.noise.write_bytes(b"rubbish")
    judging = Parts(plant(()), state).judging
    with caplog.at_level(logging.WARNING, "handwheel.daemon"):
        judging.learn_noise(state)
    assert [record.getMessage().partition("(")[0] for record in caplog.records] == [f"{state.noise}: cannot be used "]
