"""The past that the fleet lays down for the live pumps is the same hydraulics as the plant that runs today."""

import numpy as np
import pytest

from drivers.sim.past import past_duty
from drivers.sim.plant import new_state, truth
from drivers.sim.pump import M_PER_BAR, Pump, head_m, power_kw
from drivers.sim.stations import PUMPS, step

NEW = {pump.id: (0.1, 0.1, 1000.0) for pump in PUMPS}


@pytest.fixture(scope="module")
def live():
    """Every five minutes of a day, all pumps in the same condition."""
    state, seen = new_state(0.0, NEW), []
    for index in range(8_640):
        state = step(state, 10.0)
        if index % 30 == 0:
            seen.append((state, truth(state)))
    return seen


@pytest.mark.parametrize("pump", PUMPS, ids=lambda pump: pump.id)
def test_what_a_pump_did_in_the_past_is_what_it_does_live(pump, live):
    rng = np.random.default_rng(1)
    hour = np.tile(np.arange(24) + 0.5, 60)
    past = past_duty(pump, hour, np.full(len(hour), 0.1), rng)
    assert past is not None
    head = head_m(pump, past.flow_m3h, past.speed, 0.1)
    before = {
        "speed": past.speed * 50,
        "flow": past.flow_m3h,
        "suction_pressure": past.suction_bar,
        "discharge_pressure": past.suction_bar + head / M_PER_BAR,
        "power": power_kw(pump, past.flow_m3h, past.speed, 0.1),
    }
    for quantity, values in before.items():
        now = [shown[f"{pump.id}.{quantity}"] for state, shown in live if state.pumps[pump.id].running]
        low, high = np.percentile(values, [0.5, 99.5])
        room = 0.03 * np.median(values)
        if quantity != "suction_pressure":
            assert np.median(now) == pytest.approx(np.median(values), rel=0.25), quantity
        outside = [one for one in now if not low - room - 0.02 <= one <= high + room + 0.02]
        assert len(outside) <= 0.1 * len(now), (quantity, low, high, min(now), max(now))


def test_a_pump_of_no_live_station_has_no_such_past():
    other = Pump("D-P01", "D", "booster", 60.0, 30.0, 9.0, 0.7)
    assert past_duty(other, np.zeros(3), np.zeros(3), np.random.default_rng(0)) is None
