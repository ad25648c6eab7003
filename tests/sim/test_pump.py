"""One pump against the textbook: affinity laws, power, wear, counters."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sim.pump import (
    KW_PER_M3H_M,
    PumpState,
    advanced,
    efficiency,
    flow_at,
    head_m,
    operating_head,
    power_kw,
    speed_for,
    switched,
    vibration_mms,
)
from drivers.sim.stations import PUMPS

pumps = st.sampled_from(PUMPS)
loads = st.floats(0.05, 1.6)
speeds = st.floats(0.6, 1.1)
wears = st.floats(0.0, 1.0)


def test_a_hundred_m3h_lifted_thirty_metres_are_8_17_kw():
    assert pytest.approx(8.17, abs=0.01) == KW_PER_M3H_M * 100 * 30


@given(pumps, loads, speeds, wears)
def test_flow_head_and_power_follow_speed_by_the_affinity_laws(pump, load, speed, wear):
    flow = load * pump.flow_m3h
    assert head_m(pump, flow * speed, speed, wear) == pytest.approx(head_m(pump, flow, 1.0, wear) * speed**2)
    assert power_kw(pump, flow * speed, speed, wear) == pytest.approx(power_kw(pump, flow, 1.0, wear) * speed**3)
    assert efficiency(pump, flow * speed, speed, wear) == pytest.approx(efficiency(pump, flow, 1.0, wear))


@given(pumps, loads, speeds, wears)
def test_power_is_rho_g_q_h_over_eta(pump, load, speed, wear):
    flow = load * speed * pump.flow_m3h
    hydraulic_kw = 1000 * 9.80665 * (flow / 3600) * head_m(pump, flow, speed, wear) / 1000
    assert power_kw(pump, flow, speed, wear) == pytest.approx(hydraulic_kw / efficiency(pump, flow, speed, wear))


@given(pumps, loads, speeds, wears)
def test_the_flow_at_a_head_is_the_inverse_of_the_head_at_a_flow(pump, load, speed, wear):
    flow = load * pump.flow_m3h
    head = head_m(pump, flow, speed, wear)
    assert flow_at(pump, head, speed, wear) == pytest.approx(flow)


@given(pumps, loads, st.floats(0.05, 1.0))
def test_a_worn_impeller_lowers_head_and_raises_specific_energy_per_metre(pump, load, wear):
    flow = load * pump.flow_m3h
    assert head_m(pump, flow, 1.0, wear) < head_m(pump, flow)
    per_metre = [power_kw(pump, flow, 1.0, w) / flow / head_m(pump, flow, 1.0, w) for w in (0.0, wear)]
    assert per_metre[1] > per_metre[0]


@given(pumps, st.floats(0.0, 0.9), st.floats(0.05, 0.1))
def test_vibration_rises_with_bearing_wear(pump, wear, more):
    assert vibration_mms(pump, pump.flow_m3h, 1.0, wear + more) > vibration_mms(pump, pump.flow_m3h, 1.0, wear)


def test_a_check_valve_stays_shut_against_more_than_shut_off_head():
    pump = PUMPS[0]
    assert flow_at(pump, 2 * pump.head_m) == 0.0
    assert operating_head([(pump, 0.0)], 2 * pump.head_m, 0.001) == 2 * pump.head_m
    assert math.isfinite(power_kw(pump, 0.0))


@given(pumps, st.integers(1, 3), wears)
def test_pumps_on_one_main_deliver_what_the_main_takes(pump, count, wear):
    static, friction = 0.7 * pump.head_m, 0.2 * pump.head_m / pump.flow_m3h**2
    group = [(pump, wear * index / 3) for index in range(count)]
    head = operating_head(group, static, friction)
    flow = sum(flow_at(one, head, 1.0, worn) for one, worn in group)
    assert head == pytest.approx(static + friction * flow**2)


@given(pumps, st.floats(0.3, 1.3), wears)
def test_the_common_speed_delivers_the_demand(pump, load, wear):
    group = [(pump, 0.0), (pump, wear)]
    demand = load * 2 * pump.flow_m3h
    speed = speed_for(group, pump.head_m, demand)
    assert sum(flow_at(one, pump.head_m, speed, worn) for one, worn in group) == pytest.approx(demand)


@given(pumps, st.lists(st.tuples(st.booleans(), st.floats(0.1, 600.0), loads), max_size=20))
def test_counters_never_run_backwards_and_stand_still_with_the_pump(pump, moves):
    state = PumpState()
    for running, dt_s, load in moves:
        before = state = switched(state, running, 0.0)
        flow = load * pump.flow_m3h
        state = advanced(pump, state, dt_s, flow_m3h=flow, head=head_m(pump, flow), suction_bar=0.2, ambient_degc=15.0)
        for name in ("run_hours", "starts", "energy_kwh", "volume_m3", "impeller_wear", "bearing_wear"):
            assert getattr(state, name) >= getattr(before, name)
        if running:
            assert state.energy_kwh == pytest.approx(before.energy_kwh + state.power_kw * dt_s / 3600)
            assert state.volume_m3 == pytest.approx(before.volume_m3 + flow * dt_s / 3600)
        else:
            assert (state.run_hours, state.energy_kwh) == (before.run_hours, before.energy_kwh)
    assert state.starts == sum(b and not a for (a, *_), (b, *_) in zip([(False,), *moves], moves, strict=False))


def test_a_bearing_warms_with_thermal_inertia_and_cools_to_the_air():
    pump = PUMPS[0]
    state = switched(PumpState(), True, 0.0)
    duty = {"flow_m3h": pump.flow_m3h, "head": pump.head_m, "suction_bar": 0.0, "ambient_degc": 15.0}
    temperatures = [state.bearing_degc]
    for _ in range(100):
        state = advanced(pump, state, 120.0, **duty)
        temperatures.append(state.bearing_degc)
    assert temperatures == sorted(temperatures)
    assert 30 < temperatures[-1] < 42
    in_one_step = advanced(pump, switched(PumpState(), True, 0.0), 12_000.0, **duty)
    assert in_one_step.bearing_degc == pytest.approx(temperatures[-1])
    assert advanced(pump, switched(state, False, 0.0), 1e6, **duty).bearing_degc == pytest.approx(15.0)
