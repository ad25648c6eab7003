"""What others know of a pump: the wet well it pumps down and its share of the hours, from history and hot file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from drivers.batch import batch_of
from drivers.record import Node, Sample, Tag
from monitor import judge, learning
from monitor.beside import DutyShares, duty_groups, well_assets, well_columns
from monitor.historian.history import write_grid
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.ledger import Ledger
from monitor.plant import QUANTITIES, Asset, CrossCheck
from monitor.state import State
from tests.monitor import judged_plant

HOUR_US = 3_600_000_000
NOW_US = judged_plant.NOW_US


def lift_station(*wanted, well="well"):
    """Two sewage pumps and their wet well."""
    base = judged_plant.settings()
    assets = tuple(Asset(one, "G", one, "pump", duty="sewage", well=well, rated_flow_m3h=90.0, rated_power_kw=10.0)
                   for one in ("one", "two"))  # fmt: skip
    assets += (Asset("well", "G", "wet well", "tank"), Asset("inlet", "G", "inlet meter", "meter"))
    tags = tuple(
        Tag(n, name, name.partition(".")[0], name.partition(".")[2], QUANTITIES[name.partition(".")[2]][0], "plc",
            Node(f"nsu=urn:x;s={n}"))
        for n, name in enumerate(wanted)
    )  # fmt: skip
    source = replace(base.sources[0], tags=tags)
    check = CrossCheck("wet well", "level", level="well.level", area_m2=6.0, inflow=("inlet.flow",), max_flow_m3h=400.0)
    return replace(base, assets=assets, tags=tags, sources=(source,), crosschecks=(check,))


NAMES = ("one.running", "two.running", "well.level", "inlet.flow")
CYCLE = 18  # minutes: 12 of filling by 1 m, 6 of pumping


def lay_down(state, plant, minutes, slow=1.0, end_us=NOW_US):
    """Pump one in cycles, pump two at rest; `slow` stretches the pump-down."""
    down = round(6 * slow)
    phase = np.arange(minutes) % (12 + down)
    filling = phase < 12
    level = np.where(filling, 1 + phase / 12, 2 - (phase - 12) / down)
    columns = {"one.running": (~filling).astype(float), "two.running": np.zeros(minutes), "well.level": level,
               "inlet.flow": np.full(minutes, 30.0)}  # fmt: skip
    times_ms = end_us // 1000 - 60_000 * np.arange(minutes, 0, -1)
    facts = {t.name: {"asset": t.asset, "quantity": t.quantity, "unit": t.unit, "description": ""} for t in plant.tags}
    write_grid(state, "G", times_ms, {n: columns[n] for n in facts}, facts, sync=False)


def line(state, plant, name, asset="one", now_us=NOW_US):
    row = next(one for one in judge.score(state, plant, now_us).assessments if one["asset"] == asset)
    return next((one for one in row["lines"] if one["name"] == name), None)


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path).make()
    Ledger(made).close()
    return made


def test_a_pump_in_a_wet_well_is_judged_by_the_time_it_takes_to_pump_it_down(state):
    plant = lift_station(*NAMES)
    lay_down(state, plant, 480)
    assert line(state, plant, "well_flow")["value"] == pytest.approx(90.0)
    told = line(state, plant, "pump_down")
    assert (told["value"], told["word"], told["note"]) == (
        pytest.approx(4.0),
        "cannot_tell",
        "no reference of this pump yet",
    )
    assert line(state, plant, "leak_back")["word"] == "ok"  # 6 m2 x 5 m/h is what flows in


def test_the_reference_of_a_pump_down_is_learned_and_a_slower_one_warns(state):
    plant = lift_station(*NAMES)
    lay_down(state, plant, 30 * 60)
    end_us = NOW_US // 60_000_000 * 60_000_000
    only = learning.task(state, plant, plant.asset("one"), end_us, "engineer").args[1]
    assert {one.id for one in only.assets} == {"one", "two", "well", "inlet"}
    seen = []

    def frames(asset):
        seen.append(asset)
        return learning.wide(state, only, asset, end_us - 30 * HOUR_US, end_us, 60)

    beside = well_columns(only, only.asset("one"), frames)
    assert seen == well_assets(only, only.asset("one")) == ["well", "two", "inlet"]
    assert set(beside) == {"level", "others_running", "inflow"}
    model = learning.fit(*frames("one"), learning.rated(only, only.asset("one")), beside=beside)
    assert model.reference.medians["pump_down"] == pytest.approx(4.0)
    learning.store(state, "one", model)
    later = NOW_US + 10 * HOUR_US
    lay_down(state, plant, 480, slow=1.5, end_us=later)  # fell 1 m in 9 minutes: 60 / (1/0.15 + 5) = 5.14
    told = line(state, plant, "pump_down", now_us=later)
    assert (told["value"], told["word"]) == (pytest.approx(5.14, abs=0.01), "warn")


def test_without_level_or_well_there_is_no_such_line(state):
    plant = lift_station("one.running", "two.running")
    lay_down(state, plant, 100)
    assert line(state, plant, "pump_down") is None
    without = lift_station(*NAMES, well=None)
    assert well_assets(without, without.asset("one")) == []
    assert line(state, without, "pump_down") is None


@pytest.mark.parametrize("quantity", ["running", "run_hours"])
def test_the_share_of_the_duty_is_counted_from_the_hours_of_the_hot_file(state, quantity):
    plant = lift_station(f"one.{quantity}", f"two.{quantity}")
    hot = HotFile(state.hot)
    hot.publish_tags(plant)
    on = np.arange(31 * 24) % 10 < 7
    total = {0: np.cumsum(on), 1: np.cumsum(~on)} if quantity == "run_hours" else {0: on, 1: ~on}
    start_us = (NOW_US // HOUR_US - len(on)) * HOUR_US
    times_us = start_us + np.arange(len(on)) * HOUR_US + 60_000_000
    hot.append([batch_of("plc", int(at), [Sample(n, int(at), float(total[n][hour])) for n in (0, 1)])
                for hour, at in enumerate(times_us)], NOW_US // 1000)  # fmt: skip
    hot.roll(NOW_US // 1000)
    hot.close()
    assert list(duty_groups(plant)) == [("G", "sewage")]
    shares = DutyShares(plant, HotReader(state.hot).tags())
    shares.take(HotReader(state.hot), NOW_US // 1_000_000)
    assert shares.of("one") == pytest.approx(70.0, abs=0.2)
    assert shares.of("two") == pytest.approx(30.0, abs=0.2)
    assert shares.of("well") is None
    told = line(state, plant, "duty_balance")
    assert (told["word"], told["value"]) == ("warn", pytest.approx(70.0, abs=0.2))
    row = next(one for one in judge.score(state, plant, NOW_US).assessments if one["asset"] == "one")
    assert row["word"] == "unknown"  # how the work is shared is no sign of wear


def test_a_share_that_is_not_known_is_said_and_a_duty_of_one_pump_has_none(state):
    plant = lift_station("one.running", "two.running")
    lay_down(state, plant, 100)
    hot = HotFile(state.hot)
    hot.publish_tags(plant)
    hot.close()
    told = line(state, plant, "duty_balance")
    assert (told["word"], told["note"][:20]) == ("cannot_tell", "needs 20 known days ")
    alone = replace(plant, assets=plant.assets[:1], tags=plant.tags[:1])
    assert duty_groups(alone) == {}
    assert duty_groups(replace(plant, tags=plant.tags[:1])) == {}


def test_an_unread_second_pump_is_never_taken_for_one_that_stands():
    plant = lift_station(*NAMES)
    index = pd.date_range("2026-01-01", periods=3, freq="min", tz="UTC")
    rows = {"well": {"level": 1.0}, "two": {"running": [0.0, np.nan, 1.0]}, "inlet": {"flow": 30.0}}

    def frames(asset):
        frame = pd.DataFrame(rows[asset], index=index)
        return frame, frame.notna().astype(float)

    assert np.array_equal(
        well_columns(plant, plant.asset("one"), frames)["others_running"], [0.0, np.nan, 1.0], equal_nan=True
    )
