"""Each formula against a figure worked out by hand, and each line at, below and inside its uncertainty."""

import math

import numpy as np
import pandas as pd
import pytest

from models.health import Limits, Rated, curves, judged, lines, physics
from models.health.limits import starts_limit, vibration_lines, vibration_zone
from models.health.state import operating_state
from tests.models.health_series import RATED, pump


def test_hydraulic_power_of_100_m3_per_hour_lifted_30_m():
    assert physics.hydraulic_power_kw(100, 30) == pytest.approx(8.175)
    assert pytest.approx(8.175) == 1000 * 9.81 * (100 / 3600) * 30 / 1000


def test_head_from_gauges_counts_gauge_height_and_velocity_head():
    assert physics.head_m(1.0, 5.0) == pytest.approx(40.8)
    assert physics.head_m(1.0, 5.0, 0.5) == pytest.approx(41.3)
    assert physics.head_m(1.0, 5.0, 0.5, 1.0, 3.0) == pytest.approx(41.3 + 8 / 19.62)
    assert physics.head_m(0.0, 1.0, specific_gravity=1.02) == pytest.approx(10.0)


@pytest.mark.parametrize(("head", "eta", "energy"), [(30, 0.65, 0.126), (50, 0.70, 0.195), (10, 0.45, 0.061)])
def test_specific_energy(head, eta, energy):
    assert physics.specific_energy(head, eta) == pytest.approx(energy, abs=0.0005)


def test_energy_per_head_is_the_reciprocal_of_efficiency():
    eta = physics.efficiency(100, 30, 12.0)
    assert eta == pytest.approx(8.175 / 12)
    assert physics.energy_per_head(100, 30, 12.0) == pytest.approx(0.002725 / eta)


def test_nothing_running_divides_by_nothing():
    assert math.isnan(physics.efficiency(0, 0, 0))
    assert math.isnan(physics.energy_per_head(0, 30, 5))
    assert math.isnan(physics.imbalance_percent((0, 0, 0)))


def test_combined_uncertainty_of_flow_head_and_power():
    assert physics.combined_uncertainty(2.0, 1.0, 1.5) == pytest.approx(2.69, abs=0.01)


def test_current_imbalance():
    assert physics.imbalance_percent((10.0, 10.0, 11.5)) == pytest.approx(9.52, abs=0.01)


@pytest.mark.parametrize(("kw", "starts"), [(7.5, 15), (7.6, 10), (30, 10), (75, 6), (200, 4), (201, 2)])
def test_starts_allowed_by_power(kw, starts):
    assert starts_limit(Rated(power_kw=kw)) == starts
    assert starts_limit(Rated(power_kw=kw, max_starts_per_h=3)) == 3


def test_starts_limit_is_unknown_where_the_nameplate_is():
    assert starts_limit(Rated()) is None


@pytest.mark.parametrize(
    ("category", "kw", "value", "zone"),
    [("I", 100, 2.5, "A"), ("I", 100, 2.6, "B"), ("I", 250, 5.1, "C"), ("II", 100, 5.0, "B"), ("II", 250, 9.6, "D")],
)
def test_vibration_zones(category, kw, value, zone):
    rated = Rated(power_kw=kw, vibration_category=category)
    assert vibration_zone(value, vibration_lines(rated, Limits())) == zone


def test_affinity_laws_bring_a_slower_pump_back_to_rated_speed():
    slow = pd.DataFrame({"flow": [80.0], "head": [64.0], "power": [51.2], "speed": [40.0]})
    row = physics.derived(slow, Rated(speed_hz=50.0)).iloc[0]
    assert row[["flow_n", "head_n", "power_n"]].tolist() == pytest.approx([100.0, 100.0, 100.0])


def test_below_sixty_per_cent_speed_nothing_is_normalised():
    slow = pd.DataFrame({"flow": [50.0], "head": [20.0], "power": [8.0], "speed": [29.0]})
    assert physics.derived(slow, Rated(speed_hz=50.0))[["flow_n", "head_n", "efficiency"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("excess", "uncertainty", "word"),
    [(3.0, 1.0, "ok"), (3.1, 1.0, "warn"), (6.1, 1.0, "act"), (3.1, 2.0, "cannot_tell"), (6.1, 4.0, "cannot_tell"),
     (6.1, 2.0, "act"), (math.nan, 1.0, "cannot_tell")],
)  # fmt: skip
def test_a_line_fires_only_past_its_uncertainty(excess, uncertainty, word):
    codes = judged.word_codes(*(np.array([one]) for one in (excess, 3.0, 6.0, uncertainty)), 2.0)
    assert judged.WORDS[codes].tolist() == [word]


def test_the_curve_is_found_again_through_outliers():
    flow = np.linspace(60, 120, 400)
    head = 58.8 - 0.00168 * flow**2
    head[::20] += 15.0
    curve = curves.fit_curve(flow, head)
    assert curve.at(np.array([100.0]))[0] == pytest.approx(42.0, abs=0.2)
    assert np.isnan(curve.at(np.array([200.0]))[0])
    assert np.isnan(curve.at(np.array([40.0]))[0])
    assert curve.at(np.array([40.0]), falling=True)[0] == pytest.approx(58.8 - 0.00168 * 60**2, abs=0.5)


def test_few_points_make_no_curve():
    assert curves.fit_curve(np.arange(29.0), np.arange(29.0)) is None


def lines_of(frame, rated=RATED, reference=None):
    rows = physics.derived(frame, rated)
    state = operating_state(rows, rated, 60).to_numpy(object)
    found = lines.physics_lines(rows, state, rated, reference or curves.Reference(), None, 60)
    return {line.name: line for line in found}


def as_installed(frame):
    rows = physics.derived(frame, RATED)
    return curves.fit_reference(rows[rows["running"] > 0.5])


def test_a_new_pump_has_vibration_and_temperature_lines_from_its_first_day():
    lines = lines_of(pump(30))
    assert lines["vibration"].word == lines["bearing_temperature"].word == "ok"
    assert lines["vibration"].note == "zone A"
    assert lines["efficiency"].word == "cannot_tell"
    assert lines["efficiency"].note == "no reference of this pump yet"


def test_a_healthy_pump_holds_all_its_lines():
    reference = as_installed(pump())
    words = {name: line.word for name, line in lines_of(pump(1200, seed=2), reference=reference).items()}
    information = {"hydraulic_power", "specific_energy", "flow_range", "pressure_held"}
    assert {name for name, word in words.items() if word == "info"} == information
    assert {word for name, word in words.items() if name not in information} == {"ok"}, words


def test_a_worn_impeller_lowers_head_at_the_same_flow():
    lines = lines_of(pump(200, head_loss=0.15, seed=2), reference=as_installed(pump()))
    assert lines["head_residual"].word == "act"
    assert lines["head_residual"].value < -6
    assert lines["head_residual"].act == -6


def test_a_flow_made_inside_the_device_supports_no_efficiency():
    rated = Rated(flow_m3h=100.0, head_m=42.0, power_kw=18.5, estimated=("flow",))
    lines = lines_of(pump(200, head_loss=0.2), rated)
    assert {lines[name].word for name in ("efficiency", "energy_per_head", "head_residual")} == {"cannot_tell"}
    assert "computed inside the device" in lines["efficiency"].note


def test_four_steady_values_are_too_few():
    line = lines_of(pump(5))["vibration"]
    assert (line.word, line.value, line.note) == ("cannot_tell", None, "needs 5 good steady values, has 4")


def test_current_imbalance_has_a_line_where_the_phases_are_measured():
    frame = pump(30).assign(current_l1=10.0, current_l2=10.0, current_l3=11.5)
    assert lines_of(frame)["current_imbalance"].word == "warn"


def test_starts_are_counted_over_the_last_hour():
    frame = pump(61)
    frame["running"] = [float(minute % 4 < 2) for minute in range(61)]
    assert lines_of(frame)["starts_per_h"].value == pytest.approx(15, abs=0.5)
    assert lines_of(frame)["starts_per_h"].word == "warn"
    assert lines_of(frame.iloc[:40])["starts_per_h"].word == "cannot_tell"
