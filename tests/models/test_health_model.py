"""The health model as a whole: quiet on a healthy pump, early on a worn one, honest where it cannot tell."""

import json

import numpy as np
import pandas as pd
import pytest

from models.health import Rated, assess, fit, from_parts
from models.health.index import health_index, index_words
from models.health.life_cycle import CLOSE_AFTER_US, advance
from tests.models.health_series import RATED, pump


@pytest.fixture(scope="module")
def model():
    return fit(pump(), None, RATED, confirmed_by="engineer")


def test_the_index_is_exactly_fifty_at_the_alert_line():
    assert health_index(4.2, 4.2) == 50.0
    assert health_index(0.0, 4.2) == 100.0
    assert index_words(1.5, 1.0) == "alert"
    assert index_words(1.0, 1.0) == "warning"
    assert index_words(np.nan, 1.0) == "unknown"


def test_a_healthy_pump_is_normal_in_every_state(model):
    week = pump(4 * 1440, seed=9, start="2026-01-10")
    found = [assess(model, week.iloc[end - 480 : end], None) for end in range(480, len(week), 97)]
    assert {one.word for one in found} == {"normal"}
    assert {"off", "steady"} <= {one.state for one in found}
    assert min(one.index for one in found) > 63


def test_a_worn_impeller_is_found_and_named(model):
    worn = assess(model, pump(240, head_loss=0.08, seed=3), None)
    assert worn.word == "alert"
    assert worn.index < 50
    assert worn.top[0].quantity == "head_residual"
    assert worn.top[0].value < -4 < worn.top[0].expected
    assert worn.top[0].unit == "%"


def test_a_hot_bearing_is_found_and_named(model):
    hot = assess(model, pump(240, bearing=15.0, seed=3), None)
    assert hot.word == "alert"
    assert hot.top[0].quantity == "bearing_over_ambient"
    assert hot.top[0].value == pytest.approx(hot.top[0].expected + 15, abs=2)


def test_a_pump_that_stands_keeps_the_index_of_its_last_run_and_says_so(model):
    standing = assess(model, pump(900, seed=3).iloc[500:], None)
    assert (standing.state, standing.word) == ("off", "normal")
    assert standing.index_at == "2026-01-01T11:59:00.000Z"
    assert standing.reasons[-1] == "off: the index is that of 2026-01-01T11:59:00.000Z"


def test_a_pump_that_only_stands_is_unknown(model):
    assert assess(model, pump(950, seed=3).iloc[730:], None).index is None


def test_a_bearing_is_not_judged_by_its_heat_before_it_had_time_to_settle(model):
    hot = pump(240, bearing=15.0, seed=3)
    assert assess(model, hot.iloc[:25], None).word == "normal"
    assert assess(model, hot, None).word == "alert"


def test_contributions_add_up_to_one_hundred_per_cent(model):
    for wear in (0.0, 0.03, 0.2):
        shares = [one.share for one in assess(model, pump(240, head_loss=wear, seed=4), None).contributions]
        assert sum(shares) == pytest.approx(100, abs=1e-6)
        assert min(shares) >= 0
        assert shares == sorted(shares, reverse=True)


def test_the_score_of_an_assessment_can_be_redone_from_the_stored_numbers(model):
    detector = model.detectors["steady"]
    x = np.random.default_rng(0).normal(0, 1, (3, len(detector.mean)))
    assert np.einsum("ij,jk,ik->i", x, detector.metric, x) == pytest.approx(detector.score(x))


def test_a_longer_window_never_changes_what_an_earlier_end_said(model):
    frame = pump(600, seed=5)
    frame.iloc[300:] *= 3.0
    until = frame.iloc[:300]
    assert assess(model, until, None) == assess(model, frame.iloc[:301].iloc[:300], None)
    assert assess(model, pump(600, seed=5).iloc[:300], None) == assess(model, until, None)


def test_other_units_change_nothing_but_the_numbers_shown():
    """A pump read in mbar and W is the same pump: compared without the formulas that are written for bar and kW."""
    names = ["running", "discharge_pressure", "suction_pressure", "vibration"]
    one, other = pump()[names], pump()[names]
    seen, seen_other = pump(240, seed=3)[names] * 1.0, pump(240, seed=3)[names] * 1.0
    for frame in (other, seen_other):
        frame[["discharge_pressure", "suction_pressure"]] *= 1000.0
    rated = Rated()
    first = assess(fit(one[["running", "discharge_pressure", "vibration"]], None, rated), seen, None)
    second = assess(fit(other[["running", "discharge_pressure", "vibration"]], None, rated), seen_other, None)
    assert second.index == pytest.approx(first.index, rel=1e-6)
    assert [c.quantity for c in first.contributions] == [c.quantity for c in second.contributions]


def test_the_order_of_columns_changes_nothing(model):
    turned = pump()[list(reversed(pump().columns))]
    turned.attrs = pump().attrs
    again = fit(turned, None, RATED, confirmed_by="engineer")
    assert again.sha256 == model.sha256
    frame = pump(240, seed=3)
    assert assess(model, frame[sorted(frame)], None) == assess(model, frame, None)


def test_learning_again_gives_the_same_bytes_and_storing_loses_nothing(model):
    again = fit(pump(), None, RATED, confirmed_by="engineer")
    assert again.sha256 == model.sha256
    stored = from_parts(json.loads(json.dumps(model.to_json())), model.arrays())
    assert stored.sha256 == model.sha256
    frame = pump(240, head_loss=0.05, seed=3)
    assert assess(stored, frame, None) == assess(model, frame, None)


def test_another_window_is_another_model(model):
    assert fit(pump(seed=2), None, RATED, confirmed_by="engineer").sha256 != model.sha256


def test_a_model_of_another_format_is_refused(model):
    with pytest.raises(ValueError, match="learn it again"):
        from_parts({**model.to_json(), "format": 0}, model.arrays())


def test_all_bad_input_is_unknown_and_never_healthy(model):
    bad = pump(240) * np.nan
    found = assess(model, bad, None)
    assert (found.index, found.word, found.state) == (None, "unknown", "unknown")
    assert "no good data" in found.reasons[0]
    assert assess(model, bad.iloc[:0], None).word == "unknown"


def test_values_behind_which_too_few_samples_were_good_are_not_used(model):
    frame = pump(240)
    share = pd.DataFrame(0.1, frame.index, frame.columns)
    found = assess(model, frame, share)
    assert found.word == "unknown"
    assert found.good_share == pytest.approx(0.1)


def test_after_a_gap_the_lags_start_anew_and_nothing_is_alleged(model):
    frame = pump(240, seed=3)
    frame.iloc[100:231] = np.nan
    found = assess(model, frame, None)
    assert (found.index, found.word) == (None, "unknown")
    assert "since the last gap" in found.reasons[0]


def test_one_dead_sensor_does_not_blind_the_model(model):
    frame = pump(240, seed=3)
    frame["vibration"] = np.nan
    found = assess(model, frame, None)
    assert found.word == "normal"
    assert "vibration has no good value: judged without it" in found.reasons
    assert {c.quantity: c.share for c in found.contributions}["vibration"] == 0
    assert sum(c.share for c in found.contributions) == pytest.approx(100)


def test_half_of_the_sensors_dead_is_unknown(model):
    frame = pump(240, seed=3)
    frame[["flow", "power", "discharge_pressure", "vibration"]] = np.nan
    assert assess(model, frame, None).index is None


def test_a_constant_tag_never_divides_by_zero():
    frame = pump().assign(level=2.0)
    frame.attrs = pump().attrs
    model = fit(frame, None, RATED)
    seen = pump(240, seed=3).assign(level=2.0)
    assert assess(model, seen, None).word == "normal"


def test_nothing_but_constants_is_learned_without_a_fault():
    index = pd.date_range("2026-01-01", periods=500, freq="min", tz="UTC")
    frame = pd.DataFrame({"running": 1.0, "temperature": 4.0, "vibration": 0.0}, index=index)
    found = assess(fit(frame, None, Rated()), frame.iloc[:60], None)
    assert found.index == pytest.approx(100.0)


def test_too_little_data_teaches_nothing_and_says_so():
    model = fit(pump(100), None, RATED)
    assert not model.detectors
    found = assess(model, pump(60), None)
    assert found.index is None
    assert any("needed in one piece" in reason for reason in found.reasons)
    assert {line.name for line in found.lines} >= {"vibration", "bearing_temperature"}


def test_a_speed_never_learned_makes_the_model_step_back():
    def turning(frame, hz):
        frame = frame.copy()
        frame["speed"] = hz + np.random.default_rng(1).normal(0, 0.1, len(frame))
        return frame

    model = fit(turning(pump(), 48.0), None, RATED)
    found = assess(model, turning(pump(240, seed=3), 38.0), None)
    assert found.index is None
    assert "speed" in found.reasons[0]
    assert "outside the learned" in found.reasons[0]


def test_states_and_counters_are_never_signals(model):
    frame = pump().assign(vendor_flag=0.0, starts=np.arange(2880.0), run_hours=np.arange(2880.0), alarm_code=0.0)
    learned = fit(frame, None, RATED).detectors["steady"].features
    assert learned == model.detectors["steady"].features


def test_a_quantity_made_inside_the_device_is_no_signal():
    learned = fit(pump(), None, Rated(power_kw=18.5, estimated=("flow",))).detectors["steady"].features
    assert not {"flow", "head_residual", "power_residual"} & set(learned)


def test_zone_d_is_an_alert_even_where_nothing_was_learned():
    frame = pump(60)
    frame["vibration"] += 9.0
    found = assess(fit(pump(10), None, RATED), frame, None)
    assert (found.index, found.word) == (None, "alert")


def test_the_card_says_what_was_learned(model):
    card = model.card
    assert card["confirmed_by"] == "engineer"
    assert card["window_start"] == "2026-01-01T00:00:00.000Z"
    assert card["rows_used"]["steady"] > 1500
    assert card["left_out"] == ["running"]
    assert len(card["data_sha256"]) == 64


def test_an_alert_rises_recovers_and_closes_only_after_it_stayed_normal():
    assert advance("", 0, "warning", 1) == ""
    assert advance("", 0, "alert", 1) == "raised"
    assert advance("raised", 0, "warning", 1) == "raised"
    assert advance("raised", 0, "unknown", CLOSE_AFTER_US * 9) == "raised"
    assert advance("raised", 0, "normal", 1) == "recovering"
    assert advance("recovering", 0, "normal", CLOSE_AFTER_US - 1) == "recovering"
    assert advance("recovering", 0, "unknown", CLOSE_AFTER_US * 9) == "recovering"
    assert advance("recovering", 0, "alert", 1) == "raised"
    assert advance("recovering", 0, "normal", CLOSE_AFTER_US) == "closed"
