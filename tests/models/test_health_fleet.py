"""A corner of the fleet year, small enough for every day: sound pumps stay quiet, a bad bearing is called by name."""

import pytest

from benchmarks.evidence.fleet_year import LEARNED_DAYS, case_of, frames, learned, told
from drivers.sim.year import Fault, pump_year
from models.health.walk import walk

SEED, DAYS = 1, 90
PUMPS = (1, 6, 17)


@pytest.fixture(scope="module", params=PUMPS)
def pump(request):
    year = pump_year(SEED, request.param, days=DAYS)
    return request.param, year, learned(year)


def test_a_sound_pump_raises_no_alert(pump):
    _, year, model = pump
    values, share = frames(year)
    first = LEARNED_DAYS * 144
    assert told(walk(model, values.iloc[first:], share.iloc[first:]))["either"] == ()


def test_a_bearing_at_its_damage_line_is_found_early_and_by_its_name(pump):
    number, _, model = pump
    case = case_of(model, SEED, number, Fault("bearing_wear", "large", 40.0), {"either": []})
    assert case.lead["index"] is not None
    assert case.lead["index"] > 30
    assert case.top[0] in ("vibration", "bearing_temperature", "bearing_over_ambient")
