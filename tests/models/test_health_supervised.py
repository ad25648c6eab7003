"""The supervised layer is off until labels exist, and on only where it beats what is simpler beyond the interval."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from drivers.sim import fleet
from models.health.lives import lives
from models.health.supervised import CALENDAR, LOGISTIC, MODEL, average_precision, examples, supervised

END_US = 1_800_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def run():
    """Forty pumps for four years that nobody serves before they fail."""
    return fleet.simulate(3, 40, 48, end_us=END_US, vendor=fleet.Vendor(b=2.0))


@pytest.fixture(scope="module")
def bearings(run):
    rows = {}
    for one in run.records:
        place = {"at_us": one.at_us, "site": one.site, "asset": one.asset, "component": one.component}
        rows.setdefault(one.kind, []).append(place | one.data)
    tables = {kind: pd.DataFrame(found) for kind, found in rows.items()}
    found = lives(tables, dict.fromkeys(run.telemetry, "site"), run.start_us, run.end_us)
    return found[found["component"] == "bearing"].reset_index(drop=True)


@pytest.fixture(scope="module")
def signals(run):
    """Daily vibration and bearing heat of each pump, at the time when the day was over."""
    index = pd.to_datetime(run.hours_us, unit="us", utc=True)
    found = {}
    for asset, quantities in run.telemetry.items():
        heat = quantities["bearing_temperature"] - quantities["ambient_temperature"]
        frame = pd.DataFrame({"vibration": quantities["vibration"], "heat": heat}, index)
        found[asset] = frame[quantities["running"] > 0].resample("24h", label="right").mean()
    return found


@pytest.fixture(scope="module")
def table(bearings, signals):
    return examples(bearings, signals, END_US)


def test_examples_are_decided_and_know_nothing_later(bearings, signals, table):
    assert set(table) == {"asset", "at_us", "life", "fails", "age_d", "vibration", "heat"}
    assert (table["at_us"] + 90 * DAY_US <= END_US).all() and 0.05 < table["fails"].mean() < 0.3
    cut = END_US - 400 * DAY_US
    moment = pd.Timestamp(cut, unit="us", tz="UTC")
    spoilt = {asset: frame.mask(np.column_stack([frame.index > moment] * 2), 99.0) for asset, frame in signals.items()}
    early = table["at_us"] <= cut
    pd.testing.assert_frame_equal(examples(bearings, spoilt, END_US)[early], table[early])


def test_events_are_counted_by_kind_over_the_last_90_days(bearings, table):
    at, asset = int(table["at_us"].iloc[3]), table["asset"].iloc[3]
    events = pd.DataFrame(
        {
            "asset": asset,
            "at_us": [at, at - DAY_US, at - 91 * DAY_US, at + 1],
            "kind": ["trip", "start", "trip", "trip"],
        }
    )
    row = examples(bearings, {}, END_US, events).iloc[3]
    assert (row["trip_90d"], row["start_90d"]) == (1, 1)


def test_without_enough_failures_it_is_off_and_says_what_is_missing(bearings, signals, table):
    found = supervised(examples(bearings.iloc[:8], signals, END_US))
    assert found.word == "too_few" and found.fitted is None and found.scores == {}
    assert {one.what for one in found.missing} == {"failures", "assets"}
    with pytest.raises(ValueError, match="too_few"):
        found.risk(table)
    assert supervised(examples(bearings.iloc[:0], {}, END_US)).word == "too_few"


def test_where_age_is_all_there_is_it_stays_off(table):
    found = supervised(table.drop(columns=["vibration", "heat"]))
    assert found.word == "not_better" and found.fitted is None
    assert set(found.scores) == {MODEL, LOGISTIC, CALENDAR} and found.gains[CALENDAR].low < 0


def test_where_a_straight_line_says_as_much_the_simpler_one_will_do(table):
    found = supervised(table)
    assert found.word == "logistic_will_do" and found.gains[CALENDAR].low > 0 > found.gains[LOGISTIC].low


def test_where_wear_shows_both_ways_it_is_on_and_the_same_each_time(table):
    # the same wear, but on every second pump the instruments fall instead of rising
    sign = np.where(pd.factorize(table["asset"], sort=True)[0] % 2, 1, -1)
    both = table.assign(vibration=sign * (table["vibration"] - 2), heat=sign * (table["heat"] - 10))
    found, again = (supervised(both, seed=5) for _ in range(2))
    assert found.word == "offered" and found.gains[LOGISTIC].low > 0 and found.gains[CALENDAR].low > 0
    assert 0.5 < found.scores[MODEL].calibration.value < 2
    assert found.scores == again.scores
    risk = found.risk(both)
    np.testing.assert_array_equal(risk, again.risk(both))
    assert risk[both["fails"]].mean() > 2 * risk[~both["fails"]].mean()


def test_average_precision_is_that_of_scikit_learn_ties_and_weights_too():
    rng = np.random.default_rng(1)
    told, y, weights = rng.integers(0, 9, 80) / 9, rng.random(80) < 0.2, rng.integers(0, 3, (4, 80)).astype(float)
    expected = [average_precision_score(y, told, sample_weight=one) for one in weights]
    assert average_precision(y, told, weights).tolist() == pytest.approx(expected)
