"""The simulated utility over a day: the water balance closes, levels stay in their bands, faults do what they say."""

from dataclasses import replace

import pytest

from drivers.sim.plant import CONDITION, METERS, Plant, new_state, truth
from drivers.sim.pump import M_PER_BAR
from drivers.sim.stations import HEADER_BAR, HIGH_LIFT, PUMPS, TANKS, WET_WELL, pattern, step, wanted

INFLOW = {"N-T01": "raw", "H-T01": "boost", "R-T01": "sewage_in"}
OUTFLOW = {"N-T01": "network", "H-T01": "upper_town", "R-T01": "sewage_out"}


@pytest.fixture(scope="module")
def day():
    """Every quarter of a minute of a day."""
    states = [new_state(0.0)]
    for _ in range(5760):
        state = states[-1]
        for _ in range(3):
            state = step(state, 5.0)
        states.append(state)
    return states


def test_the_water_balance_of_every_tank_closes(day):
    first, last = day[0], day[-1]

    def moved(stream):
        return last.total_m3[stream] - first.total_m3.get(stream, 0.0)

    for tank in TANKS:
        stored = last.volume_m3[tank.id] - first.volume_m3[tank.id]
        balance = moved(INFLOW[tank.id]) - moved(OUTFLOW[tank.id]) - moved(f"overflow {tank.id}")
        assert stored == pytest.approx(balance, abs=1e-6)


def test_pumps_and_meters_count_the_same_water_and_energy(day):
    first, last = day[0], day[-1]
    for stream, duty in (("raw", "borehole"), ("network", "high_lift"), ("boost", "booster"), ("sewage_out", "sewage")):
        pumped = sum(last.pumps[p.id].volume_m3 - first.pumps[p.id].volume_m3 for p in PUMPS if p.duty == duty)
        assert pumped == pytest.approx(last.total_m3[stream] - first.total_m3[stream], rel=1e-9)
    pumps_kwh = sum(last.pumps[p.id].energy_kwh - first.pumps[p.id].energy_kwh for p in PUMPS if p.site == "N")
    hours = (last.time_s - first.time_s) / 3600
    assert last.energy_kwh["N"] - first.energy_kwh["N"] == pytest.approx(pumps_kwh + 1.5 * hours)


def test_levels_stay_in_their_bands_and_nothing_overflows(day):
    for tank in TANKS:
        levels = [state.level_m(tank) for state in day]
        assert 0.5 < min(levels) < max(levels) < tank.full_m
        assert day[-1].total_m3[f"overflow {tank.id}"] == 0.0


def test_every_pump_takes_its_turn_and_none_starts_more_often_than_it_may(day):
    for pump in PUMPS:
        starts = [state.pumps[pump.id].starts for state in day]
        assert day[-1].pumps[pump.id].run_hours > day[0].pumps[pump.id].run_hours + 1
        per_hour = [b - a for a, b in zip(starts, starts[240:], strict=False)]
        assert max(per_hour) <= 15


def test_the_high_lift_station_holds_its_header_pressure(day):
    for state in day[1:]:
        running = [state.pumps[name] for name in HIGH_LIFT if state.pumps[name].running]
        assert running
        assert all(one.discharge_bar == pytest.approx(HEADER_BAR) and one.speed < 1.1 for one in running)


def test_a_pump_stands_still_completely_or_makes_the_head_its_gauges_show(day):
    for state in day[1::100]:
        for one in state.pumps.values():
            if one.running:
                assert (one.discharge_bar - one.suction_bar) * M_PER_BAR == pytest.approx(one.head_m)
            else:
                assert (one.flow_m3h, one.power_kw, one.current_a) == (0.0, 0.0, 0.0)


def test_an_overflowing_tank_counts_what_ran_over():
    state = new_state(0.0)
    full = WET_WELL.full_m * WET_WELL.area_m2
    later = step(replace(state, volume_m3={**state.volume_m3, "R-T01": full + 1.0}), 5.0)
    assert later.volume_m3["R-T01"] <= full
    assert later.total_m3["overflow R-T01"] > 0.0


def test_a_wet_well_starts_its_pumps_on_a_high_level_and_a_tank_on_a_low_one():
    assert [wanted(0, level, WET_WELL, True) for level in (0.5, 1.7, 2.4)] == [0, 1, 2]
    assert [wanted(2, level, WET_WELL, True) for level in (1.7, 1.5, 0.7)] == [2, 1, 0]
    tank = TANKS[0]
    assert [wanted(0, level, tank) for level in (3.5, 3.2, 2.8, 2.0)] == [0, 1, 2, 3]
    assert wanted(3, 3.9, tank) == 0


def test_the_daily_demand_has_its_mean_and_is_never_negative():
    shares = [pattern(30.0 * index) for index in range(2880)]
    assert min(shares) > 0.3
    assert sum(shares) / len(shares) == pytest.approx(1.0, abs=0.01)


def test_the_same_seed_gives_the_same_readings_and_another_seed_others():
    one, same, other = (Plant(new_state(1000.0, seed=seed), seed) for seed in (3, 3, 4))
    for plant in (one, same, other):
        plant.advance(60.0)
    assert one.readings() == same.readings() != other.readings()


def test_noise_is_small_and_counters_have_none():
    plant = Plant(new_state(1000.0))
    exact, shown = truth(plant.state), plant.readings()
    assert shown.keys() == exact.keys()
    for tag, value in exact.items():
        assert shown[tag] == pytest.approx(value, rel=0.25)
        if tag.endswith(("run_hours", "starts", "energy", "volume", "running")):
            assert shown[tag] == value


def test_a_drifting_meter_shows_more_than_flows_and_its_counter_never_runs_back():
    plant = Plant(new_state(30_000.0))
    plant.drifting["N-M02"] = 0.0
    before = plant.readings()["N-M02.volume"]
    plant.advance(3600.0)
    shown, exact = plant.readings(), truth(plant.state)
    assert shown["N-M02.flow"] / exact["N-M02.flow"] == pytest.approx(1.2, rel=0.03)
    counted = shown["N-M02.volume"] - before
    really = exact["N-M02.volume"] - before
    assert counted == pytest.approx(1.1 * really, rel=0.02)
    plant.drifting.clear()
    assert plant.readings()["N-M02.volume"] == pytest.approx(shown["N-M02.volume"])


def test_a_frozen_value_stands_still_and_moves_again_afterwards():
    plant = Plant(new_state(30_000.0))
    plant.frozen["N-T01.level"] = None
    levels = set()
    for _ in range(5):
        plant.advance(30.0)
        levels.add(plant.readings()["N-T01.level"])
    assert len(levels) == 1
    plant.frozen.clear()
    assert plant.readings()["N-T01.level"] not in levels


def test_a_worn_part_shows_in_the_plant_and_the_old_one_comes_back():
    plant = Plant(new_state(30_000.0))
    plant.wear("R-P01", "impeller", True)
    plant.wear("R-P01", "impeller", True)
    assert plant.state.pumps["R-P01"].impeller_wear == 0.8
    plant.wear("R-P01", "impeller", False)
    assert plant.state.pumps["R-P01"].impeller_wear == pytest.approx(CONDITION["R-P01"][0], abs=0.01)
    assert plant.state.pumps["R-P01"].bearing_wear == pytest.approx(CONDITION["R-P01"][1], abs=0.01)


def test_there_are_ten_pumps_and_six_meters_of_four_kinds():
    tags = truth(new_state(0.0))
    assert len(PUMPS) >= 10
    assert len(METERS) >= 5
    assert {"N-M02.flow", "N-M04.energy", "N-T01.level", "N-M03.pressure"} <= tags.keys()
