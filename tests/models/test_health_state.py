"""Which state a row is in, from the row and earlier ones alone."""

import numpy as np
import pandas as pd

from models.health import Rated
from models.health.state import operating_state, seconds, stretches

RATED = Rated(power_kw=10.0)


def minutes(**columns):
    length = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range("2026-01-01", periods=length, freq="min", tz="UTC"), dtype=float)


def test_a_start_and_a_stop_are_masked_and_steady_rows_are_not():
    states = operating_state(minutes(running=[0, 0, 0.4, 1, 1, 1, 0.5, 0, 0]), RATED, 60)
    assert states.tolist() == ["stopping", "off", "starting", "starting", "steady", "steady", "stopping", "stopping",
                               "off"]  # fmt: skip


def test_speed_and_power_tell_where_no_run_signal_is():
    assert operating_state(minutes(speed=[0, 0, 50, 50]), RATED, 60).tolist()[1::2] == ["off", "steady"]
    assert operating_state(minutes(power=[0, 0, 8, 8]), RATED, 60).tolist()[1::2] == ["off", "steady"]


def test_a_row_without_any_of_them_is_unknown():
    nan = np.nan
    assert operating_state(minutes(running=[1, 1, nan], power=[9, 9, nan]), RATED, 60).tolist()[2] == "unknown"
    assert operating_state(minutes(flow=[1, 1]), RATED, 60).tolist() == ["unknown", "unknown"]


def test_the_past_does_not_change_when_the_future_comes():
    frame = minutes(running=np.random.default_rng(5).integers(0, 2, 200))
    whole = operating_state(frame, RATED, 60)
    for end in range(1, 200, 7):
        assert operating_state(frame.iloc[:end], RATED, 60).tolist() == whole.tolist()[:end]


def test_hourly_rows_are_not_masked_for_a_minute():
    frame = minutes(running=[0, 1, 1])
    frame.index = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    assert operating_state(frame, RATED, 3600).tolist() == ["off", "steady", "steady"]


def test_no_rows_give_no_states():
    assert len(operating_state(minutes(running=[]), RATED, 60)) == 0


def test_a_telemetry_gap_parts_the_stretches_and_a_short_dropout_does_not():
    frame = minutes(running=np.ones(20))
    known = np.ones(20, bool)
    known[3:6] = False
    known[10:17] = False
    assert stretches(seconds(frame.index), known, 60)[[2, 6, 9, 17, 19]].tolist() == [0, 0, 0, 1, 1]
