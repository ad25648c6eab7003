"""What was judged before the present run of a pump is not shown as what it is now."""

import shutil
from dataclasses import replace
from datetime import UTC

import numpy as np
import pytest

from drivers.batch import batch_of
from drivers.record import Sample
from models.health import Assessment
from models.health.assessment import TOO_FEW
from models.health.judged import Line
from monitor import judge, learning
from monitor.historian.history import write_grid
from monitor.historian.hot import HotFile
from monitor.judge.freshness import Judged, of_now, unseen_s, while_learning
from monitor.ledger import Ledger
from monitor.model.scoring import see
from monitor.plant import Learning
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.judged_plant import MINUTE_US, NOW_US, minutes, settings

PLANT = replace(settings(), models=Learning(learn_days=20))
VIBRATION = Line("vibration", 2.0, "mm/s", None, 0.1, 4.0, 7.0, "ok")


def judged(minutes_ago, state, index=98.0, lines_ago=None):
    """An assessment that rests on a row so many minutes before NOW_US."""
    at = utc_text(NOW_US - minutes_ago * MINUTE_US)
    lines_at = None if lines_ago is None else utc_text(NOW_US - lines_ago * MINUTE_US)
    return Assessment(at, state, index, "normal" if index else "unknown", 1.0, 3.0, (), (VIBRATION,), 1.0,
                      () if index else (TOO_FEW,), at if index else None, lines_at)  # fmt: skip


@pytest.mark.parametrize(
    ("now", "told", "live", "known"),
    [
        (judged(1, "steady", None), (judged(96, "steady"), 3600), True, False),
        (judged(1, "off", None), (judged(96, "steady"), 3600), True, False),
        (judged(1, "steady", None), (judged(96, "off"), 3600), True, False),
        (judged(1, "off", None, lines_ago=30), (judged(96, "off"), 3600), True, False),
        (judged(1, "off", None), (judged(96, "off"), 3600), True, True),
        (judged(1, "steady", None), (judged(14, "steady"), 60), True, True),
        (judged(1, "steady", None), (judged(119, "steady"), 3600), False, True),
        (judged(1, "steady", None), (judged(121, "steady"), 3600), False, False),
    ],
)
def test_a_row_from_before_the_present_run_judges_nothing(now, told, live, known):
    found, every_s, _hole_s = of_now(Judged(now, 60), Judged(*told), live, NOW_US, UTC)
    assert (found.index is not None, found.word) == (known, "normal" if known else "unknown")
    if not known:
        assert found.reasons[0].startswith("last judged at 2") and "since then too few rows" in found.reasons[0]
        assert every_s == (60 if live else 3600)
        assert live or [line.word for line in found.lines] == ["cannot_tell"]


def test_a_pump_of_which_only_rows_of_before_are_known_is_old_once_it_runs_and_not_while_it_stands():
    for state, lines_ago, known in (("steady", 96, False), ("off", 96, True), ("off", 90, True), ("off", 70, False)):
        same = Judged(judged(96, state, lines_ago=lines_ago), 60.0)
        assert (of_now(same, same, True, NOW_US, UTC).found.index is not None) == known


def test_a_line_of_now_speaks_although_the_index_is_of_before():
    loud = replace(VIBRATION, value=9.0, word="act")
    for lines_ago, word in ((1, "alert"), (95, "unknown")):
        one = replace(judged(96, "steady", lines_ago=lines_ago), lines=(loud,), word="alert")
        same = Judged(one, 60.0)
        found = of_now(same, same, True, NOW_US, UTC).found
        assert (found.index, found.word) == (None, word)


def test_a_sensor_that_stands_still_is_said_of_the_last_row_of_all():
    frozen = Line("frozen", None, "h", None, None, None, 2.0, "act", "flow has not moved", 0, "instrument")
    one = replace(judged(96, "steady"), lines=(frozen, VIBRATION))
    found = of_now(Judged(one, 60.0), Judged(one, 60.0), True, NOW_US, UTC).found
    assert ([line.word for line in found.lines], found.word) == (["act", "cannot_tell"], "alert")


def test_a_pump_that_stands_and_was_out_of_sight_for_long_may_have_run():
    for hole_s, known in ((7200.0, True), (7260.0, False)):
        one = Judged(judged(600, "off"), 60.0, hole_s)
        found = of_now(one, one, True, NOW_US, UTC).found
        assert (found.index is not None) == known
    assert found.reasons[0] == "last judged at 14:00 +00:00; since then unseen for 2h: it may have run"
    seen = np.array([1, 1, 0, 0, 1, 0], bool)
    times = np.arange(6) * MINUTE_US
    assert [unseen_s(seen, times, row * MINUTE_US, 60.0) for row in (0, 2, 3, 5)] == [120.0, 60.0, 60.0, 0.0]


@pytest.fixture(scope="module")
def of_hours(tmp_path_factory):
    """A pump that was learned from fifty days of hours, up to NOW_US."""
    state = State(tmp_path_factory.mktemp("hours")).make()
    Ledger(state).close()
    hours = minutes(60 * 24 * 50).iloc[::60]
    times_ms = [NOW_US // 1000 - 3_600_000 * n for n in range(len(hours), 0, -1)]
    facts = {t.name: {"asset": "pump1", "quantity": t.quantity, "unit": t.unit, "description": ""} for t in PLANT.tags}
    write_grid(state, "G", times_ms, {f"pump1.{n}": hours[n].to_numpy() for n in hours}, facts, sync=False)
    assert learning.learn(state, PLANT, NOW_US).learned
    return state


@pytest.fixture
def state(of_hours, tmp_path):
    shutil.copytree(of_hours.root, tmp_path / "state")
    return State(tmp_path / "state")


def live(state, from_us, rows, every_us=MINUTE_US, standing=False):
    """So many samples of each tag in the hot file, the first at `from_us`."""
    frame = minutes(rows, start="2026-01-05", head_loss=0.2)
    if standing:
        frame[["running", "flow", "power", "vibration"]] = 0.0
    hot = HotFile(state.hot)
    hot.publish_tags(PLANT)
    for row in range(rows):
        at_us = from_us + row * every_us
        samples = [Sample(tag.number, at_us, float(frame[tag.quantity].iloc[row])) for tag in PLANT.tags]
        hot.append([batch_of("plc", at_us, samples)], at_us // 1000)
    hot.roll((from_us + rows * every_us) // 1000)
    hot.close()


def test_after_a_start_of_the_daemon_the_hours_before_are_not_shown_as_now(state):
    assert judge.score(state, PLANT, NOW_US).assessments[0]["word"] == "normal"
    live(state, NOW_US + 30 * MINUTE_US, 4)
    row = judge.score(state, PLANT, NOW_US + 34 * MINUTE_US).assessments[0]
    assert (row["index"], row["word"]) == (None, "unknown")
    assert row["reasons"][0] == "learning what is now: 4 of 5 minutes"
    assert row["reasons"][1].endswith(":00 +00:00; since then too few rows")


def test_the_command_says_unknown_as_the_daemon_does_while_values_newer_than_its_start_come_in(state):
    now_us = NOW_US + 30 * MINUTE_US + 40_000_000
    live(state, now_us - 20_000_000, 6, every_us=5_000_000)  # the last one after the command has begun
    (row,) = judge.score(state, PLANT, now_us).assessments
    (told,) = see(state, PLANT, [PLANT.asset("pump1")], now_us, now=True)
    assert (told.found.index, told.found.word) == (row["index"], row["word"]) == (None, "unknown")
    assert told.found.reasons == row["reasons"]


def test_a_word_of_the_daemon_from_a_minute_ago_is_not_called_a_difference(state):
    live(state, NOW_US + 30 * MINUTE_US, 6)
    hot = HotFile(state.hot)
    for minute, word in ((34, "unknown"), (36, "alert")):
        now_us = NOW_US + minute * MINUTE_US
        said = judge.score(state, PLANT, now_us).assessments
        hot.set_assessments(said)
        later_us = now_us + 50_000_000 if word == "alert" else NOW_US + 36 * MINUTE_US
        (told,) = see(state, PLANT, [PLANT.asset("pump1")], later_us, now=True)
        assert not told.differs
    hot.set_assessments([{**said[0], "word": "normal", "index": 98.0}])
    (told,) = see(state, PLANT, [PLANT.asset("pump1")], now_us + 50_000_000, now=True)
    hot.close()
    assert told.differs and told.beside()[-1].startswith("DIFFERS: the daemon said normal")


def test_a_past_time_at_which_nothing_was_read_any_more_is_unknown(state):
    live(state, NOW_US + 30 * MINUTE_US, 40)
    for after, word in ((0, "alert"), (10, "unknown")):
        at_us = NOW_US + (70 + after) * MINUTE_US
        (told,) = see(state, PLANT, [PLANT.asset("pump1")], at_us, now=False)
        assert told.found.word == word
    assert told.found.reasons[0] == "no good value for more than 120 s"


def test_after_days_without_the_daemon_a_pump_that_stands_is_not_called_what_it_was_before(state):
    from_us = NOW_US + 3 * 86_400_000_000
    live(state, from_us, 125, standing=True)
    (row,) = judge.score(state, PLANT, from_us + 125 * MINUTE_US).assessments
    assert (row["index"], row["word"]) == (None, "unknown")
    assert "since then unseen for 3d" in row["reasons"][0]


def test_how_long_an_asset_is_still_unknown_after_a_start_is_said():
    few = judged(1, "steady", None)
    for minutes_seen, every_s, words in (
        (0, 15.0, "0 of 5"),
        (4, 15.0, "4 of 5"),
        (5, 15.0, ""),
        (13, 60.0, "13 of 14"),
    ):
        seen = np.zeros(60, bool)
        seen[:20] = True  # before a gap
        seen[60 - minutes_seen :] = True
        found = while_learning(few, seen, every_s)
        assert found.reasons == ((f"learning what is now: {words} minutes",) if words else (TOO_FEW,))
    other = replace(few, reasons=("flow_n is outside the learned 90 to 100 m3/h",))
    assert while_learning(other, np.zeros(60, bool), 15.0) is other
