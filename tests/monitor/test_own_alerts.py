"""The life of own alerts comes from the ledger alone, and is that of models.health.life_cycle."""

import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.health import Assessment, Contribution, episodes
from models.health.judged import Line
from monitor.judge.own_alerts import INDEX, own_alerts
from monitor.ledger import Record
from monitor.plant import Asset, Component
from monitor.standing import Standing, standings

PARTS = tuple(Component(name) for name in ("seal", "bearing", "impeller", "check_valve", "motor"))
PUMP = Asset("pump1", "G", "pump 1", "pump", components=PARTS)
MINUTE_US = 60_000_000
SCORE = {"normal": 1.0, "warning": 2.5, "alert": 3.5, "unknown": None}  # beside an alert line of 3
QUANTITIES = ("vibration", "head_residual", "current")


def said(level, top="head_residual", lines=()):
    """An assessment whose index is at this level."""
    score = SCORE[level]
    index = None if score is None else 100 * 0.5 ** (score / 3)
    weighs = (Contribution(top, 1.0, 2.0, "", 100.0),) if score is not None else ()
    return Assessment("", "steady", index, level, score, None if score is None else 3.0, weighs, tuple(lines), 1.0, ())


def line(name, word):
    return Line(name, 3.0, "x", 1.0, 0.1, 2.0, 2.5, word)


class Plant:
    """One pump that is judged again and again; all that it remembers is its ledger, as JSON."""

    def __init__(self):
        self.texts = []

    def records(self):
        return [Record(n, *json.loads(text)) for n, text in enumerate(self.texts, 1)]

    def enter(self, kind, data, at_us, component=None):
        self.texts.append(json.dumps([kind, at_us, None, "judge", "G", "pump1", component, data]))

    def judge(self, found, at_us):
        known = standings(self.records()).get("pump1", Standing())
        drafts, rows = own_alerts(PUMP, found, known, lambda: {"index": found.index, "threshold": 50.0}, at_us)
        for one in drafts:
            self.enter(one["kind"], one["data"], at_us, one["component"])
        return drafts, rows


rows = st.lists(
    st.tuples(st.sampled_from(list(SCORE)), st.sampled_from(QUANTITIES), st.sampled_from([1, 1, 1, 20, 70])),
    max_size=40,
)


@given(rows)
def test_whatever_the_index_does_the_ledger_tells_the_episodes_of_the_whole(past):
    plant, at_us, times, told = Plant(), 0, [], []
    for level, top, minutes in past:
        at_us += minutes * MINUTE_US
        times.append(at_us)
        told += [(at_us, one["data"]["stage"]) for one in plant.judge(said(level, top), at_us)[0]]
    index = pd.to_datetime(times, unit="us", utc=True)
    whole = episodes(pd.DatetimeIndex(index), np.array([level for level, _, _ in past], object))
    stages = [stage for _, stage in told]
    starts = [at for n, (at, stage) in enumerate(told) if stage == "raised" and (not n or stages[n - 1] == "closed")]
    ends = [at for at, stage in told if stage == "closed"]
    assert [int(one.start.value // 1000) for one in whole] == starts
    assert [int(one.end.value // 1000) for one in whole if one.end is not None] == ends


def test_while_the_index_stands_in_alert_another_largest_contribution_is_no_second_alert():
    plant = Plant()
    plant.judge(said("alert", "vibration"), MINUTE_US)
    drafts, standing = plant.judge(said("alert", "head_residual"), 2 * MINUTE_US)
    assert drafts == []
    assert [one["component"] for one in standing] == ["bearing"]


def test_an_alert_of_the_index_does_not_recover_because_a_line_of_its_part_is_sound():
    plant = Plant()
    plant.judge(said("alert", "vibration"), MINUTE_US)
    sound = [line("vibration", "ok")]
    for minute in range(2, 200, 10):
        _, standing = plant.judge(said("unknown", lines=sound), minute * MINUTE_US)
    assert [one["stage"] for one in standing] == ["raised"]


def test_an_alert_of_a_line_recovers_with_that_line_and_not_with_the_index():
    plant = Plant()
    [one] = plant.judge(said("unknown", lines=[line("leak_back", "act")]), MINUTE_US)[0]
    assert (one["component"], one["data"]["by"]) == ("check_valve", ["leak_back"])
    silent = plant.judge(said("normal", lines=[line("leak_back", "cannot_tell")]), 2 * MINUTE_US)
    assert silent[0] == []
    [one] = plant.judge(said("unknown", lines=[line("leak_back", "ok")]), 3 * MINUTE_US)[0]
    assert one["data"]["stage"] == "recovering"


def test_a_second_cause_of_the_same_part_is_entered_and_both_must_end():
    plant = Plant()
    plant.judge(said("alert", "vibration"), MINUTE_US)
    [one] = plant.judge(said("alert", "vibration", [line("vibration", "act")]), 2 * MINUTE_US)[0]
    assert one["data"]["by"] == [INDEX, "vibration"]
    assert plant.judge(said("normal", "vibration", [line("vibration", "act")]), 3 * MINUTE_US)[0] == []
    [one] = plant.judge(said("normal", "vibration", [line("vibration", "ok")]), 4 * MINUTE_US)[0]
    assert one["data"]["stage"] == "recovering"


def test_how_a_pump_is_used_is_no_sign_of_a_worn_part():
    used = [line(name, "act") for name in ("starts_per_h", "duty_balance", "flow_range", "npsh_margin")]
    assert Plant().judge(said("normal", lines=used), MINUTE_US) == ([], [])


def test_each_new_line_speaks_of_the_part_that_it_is_about():
    parts = {}
    for name in ("leak_back", "pressure_held", "winding_temperature", "current_imbalance", "bearing_over_ambient",
                 "vibration_step", "efficiency", "cavitation", "pump_down"):  # fmt: skip
        [one] = Plant().judge(said("unknown", lines=[line(name, "act")]), MINUTE_US)[0]
        parts[name] = one["component"]
    assert parts == {
        "leak_back": "check_valve", "pressure_held": "check_valve", "winding_temperature": "motor",
        "current_imbalance": "motor", "bearing_over_ambient": "bearing", "vibration_step": "bearing",
        "efficiency": "impeller", "cavitation": "impeller", "pump_down": "impeller",
    }  # fmt: skip


def repaired(plant):
    """An alert of the index stands, and then the pump is overhauled."""
    plant.enter("model", {"sha256": "a", "window_end": "1970-01-01T00:00:00Z", "why": "first run"}, 0)
    plant.enter("assessment", {"word": "alert", "index": 40.0}, MINUTE_US)
    plant.judge(said("alert"), MINUTE_US)
    plant.enter("work_order", {"done": "1970-01-01T00:10:00Z", "action": "replace", "wo_id": "1"}, 11 * MINUTE_US)


def test_work_ends_an_alert_and_the_index_raises_none_before_it_was_normal_again():
    plant = Plant()
    repaired(plant)
    [one] = plant.judge(said("alert"), 12 * MINUTE_US)[0]
    assert (one["data"]["stage"], one["data"]["active"]) == ("closed", False)
    assert one["data"]["ended_by_work_at"] == "1970-01-01T00:10:00.000Z"
    assert plant.judge(said("alert"), 13 * MINUTE_US) == ([], [])
    plant.enter("assessment", {"word": "normal", "index": 80.0}, 14 * MINUTE_US)
    [one] = plant.judge(said("alert"), 15 * MINUTE_US)[0]
    assert one["data"]["stage"] == "raised"


def test_after_work_the_lines_that_need_no_reference_raise_as_ever_and_the_others_wait():
    plant = Plant()
    repaired(plant)
    plant.judge(said("alert"), 12 * MINUTE_US)
    assert plant.judge(said("alert", lines=[line("head_residual", "act")]), 13 * MINUTE_US) == ([], [])
    [one] = plant.judge(said("alert", lines=[line("vibration", "act")]), 13 * MINUTE_US)[0]
    assert one["data"]["by"] == ["vibration"]


def test_a_pump_that_was_sound_before_its_service_and_is_not_afterwards_raises_at_once():
    plant = Plant()
    plant.enter("model", {"sha256": "a", "window_end": "1970-01-01T00:00:00Z", "why": "first run"}, 0)
    plant.enter("assessment", {"word": "normal", "index": 80.0}, MINUTE_US)
    plant.enter("work_order", {"done": "1970-01-01T00:10:00Z", "action": "service", "wo_id": "1"}, 11 * MINUTE_US)
    plant.enter("assessment", {"word": "warning", "index": 60.0}, 12 * MINUTE_US)
    [one] = plant.judge(said("alert"), 13 * MINUTE_US)[0]
    assert one["data"]["stage"] == "raised"


def test_a_model_whose_entry_is_younger_than_the_work_knows_nothing_of_the_asset_after_it():
    plant = Plant()
    plant.enter("work_order", {"done": "1970-01-01T00:10:00Z", "action": "replace", "wo_id": "1"}, 11 * MINUTE_US)
    plant.enter("model", {"sha256": "a", "window_end": "1970-01-01T00:00:00Z", "why": "first run"}, 20 * MINUTE_US)
    assert plant.judge(said("alert"), 21 * MINUTE_US) == ([], [])


def test_the_sentence_of_a_line_with_two_sides_names_the_limit_that_is_past():
    low = Line("vibration_step", 1.0, "mm/s", 3.0, 0.1, 4.0, 4.5, "act")
    [one] = Plant().judge(said("unknown", lines=[low]), MINUTE_US)[0]
    assert one["data"]["text"].endswith("1.00 mm/s is past 1.50 mm/s")
