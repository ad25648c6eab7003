"""A meter is judged by its surroundings: known answers by hand, and silence where nothing can be compared."""

import math

import numpy as np
import pandas as pd
import pytest

from models.health.meter import (
    Account,
    MeterLimits,
    daily_ratios,
    fit_meter,
    meter_lines,
    middle,
    night_flows,
    suspects,
    with_storage,
)


def hours(days: int, start: str = "2026-03-02") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=days * 24, freq="h", tz="UTC")


def demand(index: pd.DatetimeIndex, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    day = 100 + 60 * np.sin(2 * np.pi * (index.hour.to_numpy() - 9) / 24)
    return np.asarray(day * (1 + 0.03 * random.standard_normal(len(index))))


def words(lines) -> dict[str, str]:
    return {line.name: line.word for line in lines}


def case(gain: float, days: int = 60, since: int = 45, seed: int = 1):
    """A meter beside a true one; from day `since` on it shows `gain` times what flows."""
    index = hours(days)
    true = demand(index)
    random = np.random.default_rng(seed)
    factor = np.where(np.arange(len(index)) >= since * 24, gain, 1.0)
    shown = true * factor * (1 + 0.01 * random.standard_normal(len(index)))
    other = true * 1.01 * (1 + 0.01 * random.standard_normal(len(index)))  # sound, and 1 % off all its life
    return index, shown, other


def told(gain: float, **more):
    index, shown, other = case(gain, **more)
    frame = pd.DataFrame({"flow": shown}, index=index)
    first = slice(0, 30 * 24)
    reference = fit_meter(frame.iloc[first], [Account("main", shown[first], other[first])])
    return meter_lines(frame, [Account("main", shown, other)], reference)


@pytest.mark.parametrize(
    ("gain", "word"), [(1.0, "ok"), (1.02, "ok"), (1.045, "warn"), (0.955, "warn"), (1.08, "act"), (0.90, "act")]
)
def test_a_drifting_meter_is_found_against_its_neighbour_on_the_same_instruments(gain, word):
    assert words(told(gain))["drift main"] == word


def test_the_numbers_of_a_line_can_be_redone_by_hand():
    """Left 104, right 100 on every hour: 4 % off; two single meters of 2 %: u = 2.83 %, so 5.66 % would be needed."""
    index = hours(10)
    frame = pd.DataFrame(index=index)
    account = Account("x", np.full(240, 104.0), np.full(240, 100.0))
    (balance, drift) = meter_lines(frame, [account], fit_meter(frame, []))
    assert balance.value == pytest.approx(4.0)
    assert balance.uncertainty == pytest.approx(2 * math.sqrt(2))
    assert balance.word == "ok"
    assert (drift.word, drift.note) == ("cannot_tell", "no reference of this account yet")


@pytest.mark.parametrize(("off", "word"), [(5.3, "cannot_tell"), (5.9, "warn"), (10.5, "act"), (-10.5, "act")])
def test_a_balance_fires_only_past_its_uncertainty(off, word):
    account = Account("x", np.full(240, 100.0 + off), np.full(240, 100.0))
    (balance, _) = meter_lines(pd.DataFrame(index=hours(10)), [account], fit_meter(pd.DataFrame(), []))
    assert balance.word == word


def test_meters_that_are_summed_know_their_sum_better():
    one = Account("x", np.full(240, 105.3), np.full(240, 100.0), (1, 4))
    (balance, _) = meter_lines(pd.DataFrame(index=hours(10)), [one], fit_meter(pd.DataFrame(), []))
    assert balance.uncertainty == pytest.approx(math.hypot(2.0, 1.0))
    assert balance.word == "warn"


def test_a_tank_keeps_what_did_not_leave():
    """100 m3/h in, 80 out, 40 m2: the level rises by 0.5 m an hour, and the account is even."""
    rows = 24 * 5
    level = np.tile(np.concatenate([np.arange(12) * 0.5, 6 - np.arange(12) * 0.5]), 5)
    slope = np.gradient(level)
    inflow = 80 + 40 * slope
    right = with_storage(np.full(rows, 80.0), level, 40.0)
    assert daily_ratios(Account("tank", inflow, right)) == pytest.approx(np.ones(5))


def test_the_night_flow_is_the_least_of_the_local_night():
    index = hours(3, "2026-07-01")
    flow = pd.Series(50.0, index=index)
    flow[(index.hour == 0) | (index.hour == 1)] = 7.0  # 02:00 and 03:00 in Berlin in summer
    assert night_flows(flow, "Europe/Berlin").tolist() == [7.0, 7.0, 7.0]
    assert night_flows(flow, "UTC").tolist() == [50.0, 50.0, 50.0]


@pytest.mark.parametrize(("leak", "word"), [(0.0, "ok"), (12.0, "warn"), (40.0, "act")])
def test_a_leak_shows_in_the_night(leak, word):
    index = hours(60)
    flow = demand(index) + leak * (np.arange(len(index)) >= 45 * 24)
    frame = pd.DataFrame({"flow": flow}, index=index)
    line = meter_lines(frame, [], fit_meter(frame.iloc[: 30 * 24], []))[0]
    assert (line.name, line.word) == ("night_flow", word)


def test_what_the_meter_says_of_its_signal():
    index = hours(40)
    gain = np.where(np.arange(len(index)) < 35 * 24, 40.0, 47.0)
    frame = pd.DataFrame({"signal_quality": np.full(len(index), 45.0), "gain": gain}, index=index)
    found = {line.name: line for line in meter_lines(frame, [], fit_meter(frame.iloc[: 30 * 24], []))}
    assert (found["signal_quality"].word, found["signal_quality"].value) == ("act", 45.0)
    assert (found["gain"].word, found["gain"].reference, found["gain"].warn) == ("warn", 40.0, 46.0)


def test_nothing_good_gives_no_word_but_cannot_tell():
    index = hours(30)
    nothing = np.full(len(index), np.nan)
    frame = pd.DataFrame({"flow": nothing, "signal_quality": nothing, "gain": nothing}, index=index)
    account = Account("main", nothing, nothing)
    lines = meter_lines(frame, [account], fit_meter(frame, [account]))
    assert {line.word for line in lines} == {"cannot_tell"}
    assert all(line.note for line in lines)
    assert {line.name for line in lines} == {"balance main", "drift main", "night_flow", "signal_quality", "gain"}


def test_a_standing_meter_divides_by_nothing():
    index = hours(30)
    zero = np.zeros(len(index))
    frame = pd.DataFrame({"flow": zero}, index=index)
    account = Account("main", zero, zero)
    assert {line.word for line in meter_lines(frame, [account], fit_meter(frame, [account]))} == {"cannot_tell"}


def test_another_unit_of_flow_changes_no_word():
    index, shown, other = case(1.045)
    for factor in (1.0, 1 / 3.6):
        frame = pd.DataFrame({"flow": shown * factor}, index=index)
        account = Account("main", shown * factor, other * factor)
        first = slice(0, 30 * 24)
        reference = fit_meter(frame.iloc[first], [Account("main", account.left[first], account.right[first])])
        assert words(meter_lines(frame, [account], reference))["drift main"] == "warn"


def test_of_two_accounts_that_fail_the_meter_in_both_is_suspected():
    members = {"raw": ["M1", "P1", "P2"], "tank": ["M1", "M2"], "net": ["M2", "P3"]}
    assert suspects({"raw": "act", "tank": "warn", "net": "ok"}, members) == ("M1",)
    assert suspects({"raw": "ok", "tank": "ok", "net": "ok"}, members) == ()
    assert suspects({"raw": "cannot_tell", "tank": "act", "net": "cannot_tell"}, members) == ("M1", "M2")


def test_a_median_of_too_few_is_none():
    assert middle(np.array([1.0, 2.0]), 3) is None
    assert MeterLimits().coverage == 2.0
