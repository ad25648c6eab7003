"""The simulated fleet year: physics a textbook accepts, faults of the size they claim, the same bytes from one seed."""

import numpy as np
import pytest

from drivers.sim.year import SIZES, Fault, pump_of, pump_year, tags_of
from drivers.sim.year.duty import suction_of
from drivers.sim.year.faults import EFFICIENCY, GAIN, GROWS, HEAD, LEAK, RAGGING
from drivers.sim.year.pump import DUTIES, KW_PER_M3H_M, M_PER_BAR, electrical_kw, flow_against, head_m, shaft_kw
from drivers.sim.year.run import true_course
from drivers.sim.year.world import DAY, DAYS, seen, world_of
from monitor.plant import QUANTITIES

SEED = 1
FLEET = [pump_of(SEED, number) for number in range(50)]
BY_DUTY = {duty: next(p for p in FLEET if p.duty == duty and p.housing and not p.estimated_flow) for duty in DUTIES}


def truth(pump, days, fault=None):
    return true_course(pump, world_of(pump, SEED, days), SEED, fault)[0]


def same(one, other, rows):
    return all(np.array_equal(one.values[tag][:rows], other.values[tag][:rows], equal_nan=True) for tag in one.values)


def test_the_same_seed_gives_the_same_bytes_and_another_pump_others():
    one, again, other = pump_year(SEED, 5, days=20), pump_year(SEED, 5, days=20), pump_year(SEED, 9, days=20)
    assert all(one.values[tag].tobytes() == again.values[tag].tobytes() for tag in one.values)
    assert not np.array_equal(one.values["power"], other.values["power"], equal_nan=True)


@pytest.mark.parametrize("number", range(4), ids=DUTIES)
def test_a_shorter_run_is_the_beginning_of_a_longer_one(number):
    assert same(pump_year(SEED, number, days=10), pump_year(SEED, number, days=30), 10 * 144)


@pytest.mark.parametrize("kind", GROWS)
def test_until_its_fault_begins_a_pump_is_the_sound_pump(kind):
    pump = next(p for p in FLEET if tags_of(p, kind))
    fault = Fault(kind, "large", 8.0, tags_of(pump, kind)[0])
    sick = pump_year(SEED, pump.number, days=14, fault=fault)
    sound = pump_year(SEED, pump.number, days=14)
    assert same(sick, sound, 8 * 144)
    assert not same(sick, sound, 14 * 144)
    assert sick.moved & set(sick.values)


def test_rows_of_ten_minutes_are_the_means_of_the_minutes():
    minutes, tens = pump_year(SEED, 2, days=5, every_s=60), pump_year(SEED, 2, days=5)
    whole = tens.share_good["power"] == 1
    mean = minutes.values["power"].reshape(-1, 10).mean(axis=1)
    assert whole.mean() > 0.5
    np.testing.assert_allclose(mean[whole], tens.values["power"][whole])


def test_every_tag_is_a_quantity_that_a_plant_can_have():
    for number in range(12):
        year = pump_year(SEED, number, days=1)
        assert {tag.replace("current_l1", "current") for tag in year.values} - {"current_l2", "current_l3"} <= set(
            QUANTITIES
        )


@pytest.mark.parametrize("pump", FLEET[:12], ids=lambda p: f"{p.duty}-{p.number}")
def test_no_pump_gives_more_than_it_takes(pump):
    course = truth(pump, 40)
    on = course["running"] == 1
    head = (course["discharge_pressure"] - course["suction_pressure"])[on] * M_PER_BAR
    assert course["power"].min() >= 0
    assert course["power"][~(course["running"] > 0)].max() == 0
    assert course["power"][on].max() < 1.3 * pump.motor_kw
    if not pump.estimated_flow:
        efficiency = KW_PER_M3H_M * course["flow"][on] * head / course["power"][on]
        assert efficiency.min() > 0.1
        assert np.median(efficiency) > 0.35
        assert efficiency.max() < 0.82
    assert 0.05 < course["running"].mean() < 0.99
    np.testing.assert_allclose(course["energy"][-1] - course["energy"][0], course["power"][1:].sum() / 60, rtol=1e-9)


def test_the_affinity_laws_hold_nearly_and_not_exactly():
    for pump in FLEET:
        head = head_m(pump, 0.8 * pump.flow_m3h, 0.8) / head_m(pump, pump.flow_m3h)
        power = shaft_kw(pump, 0.8 * pump.flow_m3h, 0.8) / shaft_kw(pump, pump.flow_m3h)
        assert head == pytest.approx(0.64, rel=0.015)
        assert 1.005 < power / 0.512 < 1.06  # a slower pump is a little less efficient


def test_efficiency_is_best_near_rated_flow_and_no_parabola():
    for pump in FLEET:
        load = np.linspace(0.3, 1.5, 121)
        flow = load * pump.flow_m3h
        efficiency = KW_PER_M3H_M * flow * head_m(pump, flow) / electrical_kw(pump, shaft_kw(pump, flow))
        assert 0.9 < load[np.argmax(efficiency)] < 1.15
        assert 0.4 < efficiency.max() < 0.82
        parabola = np.polyval(np.polyfit(load, efficiency, 2), load)
        assert np.abs(parabola - efficiency).max() > 0.002


def test_flow_is_where_the_curve_meets_the_main():
    pump = BY_DUTY["sewage"]
    flow = flow_against(pump, 0.97, np.array([0.5 * pump.head_m]), np.array([0.4 * pump.head_m / pump.flow_m3h**2]))
    asked = 0.5 * pump.head_m + 0.4 * pump.head_m * (flow / pump.flow_m3h) ** 2
    np.testing.assert_allclose(0.97 * head_m(pump, flow), asked, rtol=1e-9)


def test_about_one_per_cent_of_the_time_is_lost():
    lost = np.mean([1 - seen(pump, SEED, 365 * DAY).mean() for pump in FLEET])
    assert 0.005 < lost < 0.02


def test_a_fleet_has_all_duties_sizes_and_devices_that_estimate():
    assert {pump.duty for pump in FLEET} == set(DUTIES)
    assert sum(pump.estimated_flow for pump in FLEET) == pytest.approx(50 / 3, abs=1)
    power = sorted(pump.motor_kw for pump in FLEET)
    assert power[0] <= 11
    assert power[-1] >= 110


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("duty", ["high_lift", "borehole"])
def test_a_worn_impeller_loses_what_its_size_says(duty, size):
    pump = BY_DUTY[duty]
    fault = Fault("impeller_wear", size, -GROWS["impeller_wear"])  # full from the first minute on
    sick = truth(pump, 3, fault)
    on = (sick["running"] == 1) & (sick["speed"] < 49.9 if pump.variable else True)
    speed = sick["speed"][on] / 50 if pump.variable else 1.0
    head = (sick["discharge_pressure"] - sick["suction_pressure"])[on] * M_PER_BAR
    sound = head_m(pump, sick["flow"][on], speed)
    np.testing.assert_allclose(head / sound, 1 - HEAD[size], atol=0.005)  # cold or warm water: up to 0.4 %
    before = KW_PER_M3H_M * sick["flow"][on] * sound / electrical_kw(pump, shaft_kw(pump, sick["flow"][on], speed))
    after = KW_PER_M3H_M * sick["flow"][on] * head / sick["power"][on]
    np.testing.assert_allclose(before - after, EFFICIENCY[size], atol=0.02)


@pytest.mark.parametrize(("size", "kelvin"), [("small", 7), ("middle", 15), ("large", 25)])
def test_a_worn_bearing_shakes_up_to_its_line_and_heats(size, kelvin):
    pump = BY_DUTY["high_lift"]
    sound, sick = truth(pump, 5), truth(pump, 5, Fault("bearing_wear", size, -GROWS["bearing_wear"]))
    on = sound["running"] == 1
    added = np.median((sick["vibration"] - sound["vibration"])[on])
    line = {"small": pump.vibration_mms + 0.25 * pump.zones[1], "middle": pump.zones[1], "large": pump.zones[2]}[size]
    assert added == pytest.approx(line - pump.vibration_mms)
    warmer = (sick["bearing_temperature"] - sound["bearing_temperature"])[on]
    assert np.max(warmer) == pytest.approx(kelvin, rel=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_a_ragged_pump_draws_more_and_gives_less(size):
    pump = BY_DUTY["sewage"]
    ragged = truth(pump, 3, Fault("ragging", size, -GROWS["ragging"]))
    sound = truth(pump, 3)
    at, usual = ragged["running"] == 1, sound["running"] == 1
    assert np.median(ragged["flow"][at]) / np.median(sound["flow"][usual]) == pytest.approx(1 - RAGGING[size], abs=0.01)
    drawn = np.median(ragged["current"][at]) / np.median(sound["current"][usual])
    assert drawn == pytest.approx(1 + RAGGING[size], abs=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_a_leaking_check_valve_flows_back_while_the_pump_stands(size):
    pump = BY_DUTY["high_lift"]
    course = truth(pump, 10, Fault("check_valve", size, -GROWS["check_valve"]))
    back = -course["flow"][course["running"] == 0] / pump.flow_m3h
    assert np.median(back[back > 0]) == pytest.approx(LEAK[size], rel=0.1)
    assert course["flow"][course["running"] == 1].min() > 0


@pytest.mark.parametrize("size", SIZES)
def test_a_cavitating_pump_loses_head_only_while_its_suction_is_low(size):
    pump = BY_DUTY["booster"]
    fault = Fault("cavitation", size, -GROWS["cavitation"])
    world = world_of(pump, SEED, 5)
    course, effects = true_course(pump, world, SEED, fault)
    low = suction_of(pump, world, SEED)[1] < np.quantile(suction_of(pump, world, SEED)[1], 0.4)
    assert np.all((effects.head_factor < 1) == low)
    on = (course["running"] == 1) & low
    assert on.any()
    assert np.std(course["vibration"][on]) > np.std(truth(pump, 5)["vibration"][on])


@pytest.mark.parametrize("size", SIZES)
def test_a_drifting_meter_gains_what_its_size_says_and_nothing_else_moves(size):
    number = BY_DUTY["high_lift"].number
    sound = pump_year(SEED, number, days=3)
    sick = pump_year(SEED, number, days=3, fault=Fault("meter_drift", size, -GROWS["meter_drift"], "power"))
    on = sound.values["running"] == 1
    gain = np.nanmedian(sick.values["power"][on] / sound.values["power"][on])
    assert gain == pytest.approx(1 + GAIN[size], abs=0.005)
    others = set(sound.values) - {"power"}
    assert all(np.array_equal(sick.values[tag], sound.values[tag], equal_nan=True) for tag in others)


def test_a_frozen_sensor_stands_still_for_its_time_and_then_lives_again():
    number = BY_DUTY["high_lift"].number
    year = pump_year(
        SEED, number, days=8, every_s=60, fault=Fault("frozen_sensor", "middle", 3.0, "discharge_pressure")
    )
    shown = year.values["discharge_pressure"]
    assert len(set(shown[3 * DAY : 5 * DAY][~np.isnan(shown[3 * DAY : 5 * DAY])])) == 1
    assert len(set(shown[5 * DAY : 6 * DAY])) > 10


def test_no_instrument_no_claim():
    for pump in FLEET:
        assert pump.housing or not tags_of(pump, "bearing_wear")
        assert not (pump.estimated_flow and tags_of(pump, "check_valve"))
        assert "flow" not in tags_of(pump, "meter_drift") or not pump.estimated_flow
        assert bool(tags_of(pump, "ragging")) == (pump.duty == "sewage")
    assert DAYS >= 365
