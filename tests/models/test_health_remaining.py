"""Remaining life: known answers of each form, and no form is said where the data do not carry it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sim import fleet
from models.bias.parameters import Cost
from models.health.economy import best_age, cost_curve, overhaul_interval
from models.health.hazard import YEAR_D, fails_within, hazard, nelson_aalen, weibull_fit
from models.health.lives import lives
from models.health.remaining import Crossing, crossing, realised, remaining_life
from models.health.trend import trend

DAY_US = 86_400_000_000
# weeks of remission under 6-MP, Freireich et al. 1963; the plus sign (still in remission) is False
SIX_MP = [
    (6, True), (6, True), (6, True), (6, False), (7, True), (9, False), (10, True), (10, False), (11, False),
    (13, True), (16, True), (17, False), (19, False), (20, False), (22, True), (23, True), (25, False), (32, False),
    (32, False), (34, False), (35, False),
]  # fmt: skip
TIMES, EVENTS = np.array([t for t, _ in SIX_MP], float), np.array([e for _, e in SIX_MP])


def a_class(exits, failed, entries=0.0, component="seal"):
    ended = np.where(failed, "failed", "running")
    assets = [f"P{i}" for i in range(len(ended))]
    return pd.DataFrame(
        {
            "asset": assets,
            "component": component,
            "entry_d": entries,
            "exit_d": np.asarray(exits, float),
            "ended": ended,
        }
    )


def drawn(seed, shape, scale, n=80, until=1500.0):
    rng = np.random.default_rng(seed)
    life, seen = scale * rng.weibull(shape, n), rng.uniform(200, until, n)
    return a_class(np.minimum(life, seen), life < seen)


def falling(n, slope, level=90.0, noise=0.0, seed=1):
    values = level - slope * np.arange(n) + noise * np.random.default_rng(seed).standard_normal(n)
    return pd.Series(values, pd.date_range("2024-01-01", periods=n, freq="24h", tz="UTC"))


def test_nelson_aalen_of_five_units_by_hand():
    # ages 1+, 2, 3 (entered at 2.5), 4, 5+: at risk at 2: 3 (the third is not there yet), at 3: 3, at 4: 2
    entry, exits = np.array([0, 0, 2.5, 0, 0]), np.array([1.0, 2, 3, 4, 5])
    steps = nelson_aalen(entry, exits, np.array([False, True, True, True, False]))
    assert steps.at_risk.tolist() == [3, 3, 2]
    assert steps.hazard.tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3 + 1 / 2])
    assert steps.high[0] == pytest.approx(1 / 3 * math.exp(1.644854 * (1 / 3) / (1 / 3)), rel=1e-5)


def test_nelson_aalen_of_a_published_sample():
    steps = nelson_aalen(np.zeros(21), TIMES, EVENTS)  # Klein, Moeschberger 2003, table 4.2
    assert steps.ages_d.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert steps.hazard.tolist() == pytest.approx([0.1428, 0.2017, 0.2683, 0.3517, 0.4426, 0.5854, 0.7521], abs=2e-4)


def test_weibull_of_a_published_sample():
    shape, scale = weibull_fit(np.zeros(21), TIMES, EVENTS, np.ones(21))
    assert (shape, scale) == (pytest.approx(1.354, abs=1e-3), pytest.approx(33.77, abs=0.02))


def test_where_the_rate_is_one_number_it_is_failures_over_time():
    lives_ = a_class([YEAR_D] * 20, [True] * 10 + [False] * 10)
    found = hazard(lives_)
    assert found.years == pytest.approx(20) and found.failures == 10
    assert sum(band.failures for band in found.bands) == 10
    assert sum(band.rate.value * band.at_risk for band in found.bands) / 100 == pytest.approx(10 / 20)
    rng = np.random.default_rng(3)
    flat = a_class(rng.exponential(500, 200), [True] * 200)
    curve = hazard(flat).weibull
    assert curve.shape.low < 1 < curve.shape.high
    mean = flat["exit_d"].mean()  # the closed form of the exponential: total time over failures
    assert curve.scale_d.low < mean < curve.scale_d.high


def test_the_maximum_with_late_entries_is_one():
    rng = np.random.default_rng(4)
    life = 900 * rng.weibull(2.5, 400)
    entry = rng.uniform(0, 800, 400)
    seen = life > entry
    entry, exits = entry[seen], np.minimum(life[seen], entry[seen] + 500)
    event = life[seen] <= entry + 500
    shape, scale = weibull_fit(entry, exits, event, np.ones(len(entry)))
    assert shape == pytest.approx(2.5, rel=0.15) and scale == pytest.approx(900, rel=0.1)
    ignoring, _ = weibull_fit(np.zeros(len(entry)), exits, event, np.ones(len(entry)))
    assert ignoring > shape + 0.3  # who forgets that the dead of earlier were never seen finds too much wear


@settings(max_examples=20)
@given(st.floats(0.001, 1000), st.integers(0, 1000))
def test_another_unit_of_time_scales_ages_and_leaves_the_shape(factor, seed):
    one = drawn(seed, 2.0, 600.0)
    a = weibull_fit(np.zeros(80), one["exit_d"].to_numpy(), (one["ended"] == "failed").to_numpy(), np.ones(80))
    b = weibull_fit(np.zeros(80), factor * one["exit_d"].to_numpy(), (one["ended"] == "failed").to_numpy(), np.ones(80))
    assert b[0] == pytest.approx(a[0], rel=1e-5) and b[1] == pytest.approx(factor * a[1], rel=1e-5)
    assert best_age(2.0, factor, 1.0, 3.0) == pytest.approx(factor * best_age(2.0, 1.0, 1.0, 3.0))


def test_lives_of_which_none_failed_give_a_bound_and_no_curve():
    found = hazard(a_class(np.full(30, 400.0), np.zeros(30, bool)))
    assert found.weibull is None and found.failures == 0 and cost_curve(found, 1, 3) is None
    assert all(band.rate.value == 0 and band.rate.high > 0 for band in found.bands)
    risk = fails_within(found, 100, 90)
    assert risk.value == 0 and 0 < risk.high < 0.1
    told = remaining_life(lives=a_class(np.full(30, 400.0), np.zeros(30, bool)), component="seal", age_d=100)
    assert told.form == "not_enough" and told.hazard is None and told.missing[0].have == 0


def test_a_shape_that_hides_a_quiet_start_and_a_flat_rate_is_told():
    rng = np.random.default_rng(3)
    life, seen = 400 + rng.exponential(500, 60), rng.uniform(300, 1500, 60)
    found = hazard(a_class(np.minimum(life, seen), life < seen))
    assert found.weibull.shape.low > 1.9  # what the curve alone would say
    assert found.bands[0].failures == 0 and found.bands[0].by_curve > 0.5
    assert found.late_over_early.low < 1 < found.late_over_early.high
    assert "rise_not_shown" in found.warnings


def test_real_wear_is_no_cause_for_that_warning():
    found = hazard(drawn(7, 4.0, 700.0, n=150))
    assert found.warnings == () and found.late_over_early.low > 1
    assert found.weibull.shape.low < 4 < found.weibull.shape.high


def test_how_often_the_bootstrap_interval_holds_the_true_shape():
    held = [
        (curve := hazard(drawn(seed, 2.0, 600.0, n=40), seed=seed).weibull).shape.low <= 2 <= curve.shape.high
        for seed in range(12)
    ]
    assert np.mean(held) >= 0.7


def test_the_cheapest_age_by_hand():
    # shape 2, scale 1, T = 1: h M - F = 2 * 0.746824 - 0.632121 = 0.861528; so C_f = C_p (1 + 1 / 0.861528)
    assert best_age(2.0, 1.0, 1.0, 1 + 1 / 0.861528) == pytest.approx(1.0, abs=1e-4)
    assert best_age(1.0, 1.0, 1.0, 9.0) == math.inf  # a flat rate: a new part is no better than an old one
    assert best_age(3.0, 1.0, 1.0, 1.0) == math.inf  # a failure that costs no more is waited for


def test_the_cost_curve_is_lowest_where_the_formula_says_and_names_what_nobody_has_seen():
    found = hazard(drawn(7, 4.0, 700.0, n=150))
    costs = cost_curve(found, 900.0, 2700.0)
    assert costs.ages_d[costs.by_curve.argmin()] == pytest.approx(costs.best_d.value, abs=found.oldest_d / 60)
    assert costs.best_d.low < costs.best_d.value < costs.best_d.high and not costs.extrapolated
    assert ((costs.low <= costs.by_curve) & (costs.by_curve <= costs.high)).all()
    assert costs.best_by_counts_d == pytest.approx(costs.best_d.value, rel=0.4)
    early = hazard(drawn(7, 4.0, 2000.0, n=400, until=900.0))
    assert cost_curve(early, 900.0, 1000.0).extrapolated
    flat = cost_curve(hazard(drawn(2, 0.8, 500.0)), 900.0, 2700.0)
    assert flat.best_d.value == math.inf and flat.best_by_counts_d == math.inf


def test_overhaul_interval_of_a_wear_cost_that_grows():
    assert overhaul_interval(8000, 6) == pytest.approx(51.6, abs=0.05)
    assert overhaul_interval(8000, 0) == math.inf


def test_the_chance_of_failing_counts_steps_and_says_nothing_beyond_what_was_seen():
    found = hazard(a_class([100, 200, 300, 400], [True, True, False, False]))
    assert fails_within(found, 50, 200).value == pytest.approx(1 - math.exp(-(1 / 4 + 1 / 3)))
    assert fails_within(found, 150, 100).value == pytest.approx(1 - math.exp(-1 / 3))
    assert math.isnan(fails_within(found, 350, 100).value)


def records(*rows):
    kinds = {}
    for kind, day, extra in rows:
        kinds.setdefault(kind, []).append({"at_us": day * DAY_US, "asset": "P1", "component": "seal", **extra})
    return {kind: pd.DataFrame(one) for kind, one in kinds.items()}


def job(day, number, trigger="vendor_alert", action="replace"):
    done = pd.Timestamp(day * DAY_US, unit="us", tz="UTC").isoformat()
    return ("work_order", day, {"wo_id": number, "done": done, "trigger": trigger, "action": action})


def test_lives_begin_with_a_replacement_and_end_in_what_the_ledger_says():
    tables = records(
        job(100, "W1"), job(150, "W2", action="inspect"), ("failure", 300, {"failure_id": "F1"}),
        job(303, "W3", "failure"), job(503, "W4"), job(703, "W5"),
        ("finding", 504, {"wo_id": "W4", "grade": "D", "inspector_party": "utility"}),
        ("finding", 704, {"wo_id": "W5", "grade": "D", "inspector_party": "vendor"}),
    )  # fmt: skip
    found = lives(tables, {"P1": "north"}, 200 * DAY_US, 800 * DAY_US)
    assert found["ended"].tolist() == ["failed", "worn", "removed", "running"]
    assert found["exit_d"].tolist() == [200, 200, 200, 97]
    assert found["entry_d"].tolist() == [100, 0, 0, 0]  # the first was 100 days old when records began
    assert lives(tables, {"P2": "north"}, 0, 800 * DAY_US).empty
    assert lives({}, {"P1": "north"}, 0, 800 * DAY_US).empty


def test_a_failure_that_only_its_work_order_tells_counts_and_later_records_change_nothing():
    tables = records(job(100, "W1"), job(300, "W2", "failure"), ("failure", 900, {"failure_id": "F1"}))
    assert lives(tables, {"P1": "n"}, 0, 500 * DAY_US)["ended"].tolist() == ["failed", "running"]


def test_lives_of_a_simulated_fleet_come_near_to_what_wears_there():
    run = fleet.simulate(4, 40, 48, end_us=1_800_000_000_000_000, telemetry=False, vendor="honest")
    rows = {}
    for one in run.records:
        place = {"at_us": one.at_us, "site": one.site, "asset": one.asset, "component": one.component}
        rows.setdefault(one.kind, []).append(place | one.data)
    tables = {kind: pd.DataFrame(found) for kind, found in rows.items()}
    found = lives(tables, dict.fromkeys(tables["work_order"]["asset"], "site"), run.start_us, run.end_us)
    assert (found["exit_d"] > found["entry_d"]).all()
    seal = remaining_life(lives=found, component="seal", age_d=200.0, cost=Cost(900.0, 2700.0))
    assert seal.form == "hazard" and seal.hazard.failures >= 10 and seal.costs is not None
    assert seal.worn.failures > seal.hazard.failures  # the bracket: weak parts were taken out before they failed
    assert seal.worn.weibull.scale_d.value < 18 * 30.4 * 1.5 < seal.hazard.weibull.scale_d.value * 1.5
    assert [days for days, _ in seal.risks] == [90.0, 365.0]


def test_the_line_crosses_where_arithmetic_says():
    told = crossing(trend(falling(60, 0.25)))  # 90 - 0.25 * 59 = 75.25; 25.25 / 0.25 = 101 days more
    assert told.days == pytest.approx(101, abs=0.3) and told.low <= told.days <= told.high


def test_not_within_two_years_is_an_answer_and_so_is_an_open_bound():
    assert crossing(trend(falling(60, 0.0))) == Crossing(None, None, None)
    level = crossing(trend(falling(60, 0.03, noise=3.0)))
    assert level.high is None
    steep = crossing(trend(falling(90, 0.3, noise=2.0)))
    assert None not in (steep.days, steep.low, steep.high)
    assert steep.low < steep.days < steep.high
    past = crossing(trend(falling(60, 0.25, level=55)))
    assert past.days == 0


def test_the_forms_follow_the_data():
    index = falling(90, 0.2, noise=1.0)
    assert remaining_life().form == "not_enough"
    assert [one.what for one in remaining_life(component="seal").missing] == ["failures", "days_with_index"]
    assert remaining_life(index.iloc[:5]).missing[0].have == 5
    by_trend = remaining_life(index, drawn(1, 2.0, 600).iloc[:0], "seal")
    assert by_trend.form == "trend" and by_trend.crossing.days is not None and by_trend.hazard is None
    both = remaining_life(index, drawn(1, 2.0, 600), "seal", 100.0)
    assert both.form == "hazard" and both.crossing == by_trend.crossing
    assert remaining_life(None, drawn(1, 2.0, 600), "bearing").form == "not_enough"


def test_the_answer_is_the_same_each_time():
    a, b = (remaining_life(lives=drawn(1, 2.0, 600), component="seal", cost=Cost(1, 3), seed=4) for _ in range(2))
    assert a.hazard.weibull.shape == b.hazard.weibull.shape and a.costs.best_d == b.costs.best_d


def test_realised_coverage_counts_what_happened_and_lives_not_predictions():
    straight = [falling(500, 0.2 + 0.01 * i, noise=2.0, seed=i) for i in range(6)]
    told = realised(straight)
    assert told.coverage.n == 6 and told.predictions > 6 and told.coverage.value > 0.75
    bent = []
    for i in range(6):  # quiet, then a fall that no line could foresee
        one = falling(500, 0.02, noise=1.0, seed=i)
        one.iloc[200:] -= 0.02 * np.arange(300) ** 1.8
        bent.append(one)
    assert realised(bent).coverage.value < 0.6 and realised(bent).coverage.high < 0.9
    assert realised([]).coverage.n == 0


def test_a_prediction_is_decided_by_its_bounds_and_not_by_its_outcome():
    steady = falling(400, 0.0, noise=1.0)  # nothing within 2 years, and the record is shorter than that
    told = realised([steady])
    assert told.predictions == 0 and told.open > 0
