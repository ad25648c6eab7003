"""A sensor that stands still is found by its own habit; what rests, and what stands with all others, is not."""

import numpy as np
import pandas as pd

from models.health.frozen import frozen, longest_still

N = 600


def frame(seed=0):
    random = np.random.default_rng(seed)
    running = (np.arange(N) // 100) % 2 == 0
    table = pd.DataFrame(
        {
            "flow": np.where(running, 100 + random.normal(0, 1, N), 0.0),
            "pressure": 4 + random.normal(0, 0.1, N).round(1),
            "set": 7.0,
        },
        pd.date_range("2026-01-01", periods=N, freq="10min", tz="UTC"),
    )
    return table, np.where(running, "steady", "off").astype(object)


def found(table, state):
    limits = longest_still(*frame(), 600, ("flow", "pressure", "set"))
    return {tag: np.flatnonzero(rows) for tag, rows in frozen(table, limits, 600).items()}


def test_a_sound_year_has_no_frozen_sensor_though_the_pump_rests():
    table, state = frame(1)
    assert found(table, state) == {}
    table.iloc[100:], state[100:] = table.iloc[100:] * [0.0, 1.0, 1.0], "off"
    assert found(table, state) == {}


def test_a_flow_that_stands_at_its_last_value_is_frozen_after_two_hours():
    table, state = frame(1)
    table.iloc[220:, 0] = table.iloc[220, 0]
    assert found(table, state)["flow"][0] == 232


def test_a_tag_that_never_moved_is_not_judged():
    assert "set" not in longest_still(*frame(), 600, ("set",))


def test_where_everything_stands_it_is_the_telemetry():
    table, state = frame(1)
    table.iloc[220:300] = table.iloc[220].to_numpy()
    assert found(table, state) == {}
