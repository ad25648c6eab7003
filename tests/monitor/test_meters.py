"""Meters are judged by their accounts with each other, by the hour, from the hot file as it lies on the disk."""

import json
from dataclasses import replace

import numpy as np
import pytest

from drivers.record import Node, Tag
from drivers.source import SourceSpec
from monitor import judge, meters
from monitor.historian.hot import HotFile
from monitor.plant import Asset, CrossCheck, Learning
from monitor.state import State
from tests.monitor import judged_plant

END_S = 1_775_001_600  # 2026-04-01T00:00:00Z
DAYS = 60
NAMES = ("M1", "M2", "P1", "P2", "P3")


def plant():
    """Two pumps feed meter M1, M1 fills a tank, M2 measures what leaves it, P3 moves it on."""
    base = replace(judged_plant.settings(()), models=Learning())
    rows = [(asset, "flow", "m3/h") for asset in NAMES] + [("T1", "level", "m")]
    tags = tuple(
        Tag(n, f"{asset}.{quantity}", asset, quantity, unit, "plc", Node(f"nsu=urn:x;s={n}"))
        for n, (asset, quantity, unit) in enumerate(rows)
    )
    kinds = {"M": "meter", "P": "pump", "T": "tank"}
    assets = tuple(Asset(asset, "G", asset, kinds[asset[0]]) for asset in (*NAMES, "T1"))
    checks = (
        CrossCheck("raw", "sum", whole="M1.flow", parts=("P1.flow", "P2.flow")),
        CrossCheck("tank", "level", level="T1.level", area_m2=100.0, inflow=("M1.flow",), outflow=("M2.flow",)),
        CrossCheck("net", "sum", whole="M2.flow", parts=("P3.flow",)),
    )
    sources = (SourceSpec("plc", "opcua", "G", 60.0, 1.0, tags),)
    return replace(base, assets=assets, tags=tags, sources=sources, crosschecks=checks)


def lay_down(state: State, settings, gain: float, since_day: int = 45) -> None:
    """Hours of the plant in the hot file; from `since_day` on M1 shows `gain` times what flows."""
    random = np.random.default_rng(4)
    hours = END_S + 3600 * np.arange(-DAYS * 24, 0)
    hour = np.arange(len(hours)) % 24
    out = 100 + 50 * np.sin(2 * np.pi * (hour - 9) / 24)
    inflow = np.full(len(hours), 100.0)
    level = 2 + np.cumsum((inflow - out) / 100)
    drift = np.where(np.arange(len(hours)) >= since_day * 24, gain, 1.0)

    def noisy(value):
        return value * (1 + 0.005 * random.standard_normal(len(hours)))

    values = {
        "P1.flow": noisy(0.6 * inflow), "P2.flow": noisy(0.4 * inflow), "M1.flow": noisy(inflow) * drift,
        "M2.flow": noisy(out), "P3.flow": noisy(out), "T1.level": level,
    }  # fmt: skip
    hot = HotFile(state.hot)
    hot.publish_tags(settings)
    hot.bring_in(hours, values)
    hot.close()


@pytest.fixture
def state(tmp_path):
    return State(tmp_path)


def words(found, asset_id):
    return {line.name: line.word for line in found[asset_id][0].lines}


def test_sound_meters_are_normal_and_have_no_index(state):
    settings = plant()
    lay_down(state, settings, 1.0)
    learned = meters.learn(state, settings, (END_S - 20 * 86_400) * 10**6).learned
    assert set(learned) == {"M1", "M2"}
    found = meters.assess(state, settings, END_S * 10**6)
    assert {asset_id: (one.word, one.index) for asset_id, (one, _digest, _rows) in found.items()} == {
        "M1": ("normal", None), "M2": ("normal", None)
    }  # fmt: skip
    assert words(found, "M1") == {
        "balance raw": "ok", "drift raw": "ok", "balance tank": "ok", "drift tank": "ok", "night_flow": "ok",
    }  # fmt: skip
    assert found["M1"][1] == learned["M1"]


def test_of_the_meters_in_a_failing_account_the_one_is_named_that_the_holding_ones_leave(state):
    settings = plant()
    lay_down(state, settings, 1.12)
    meters.learn(state, settings, (END_S - 20 * 86_400) * 10**6)
    found = meters.assess(state, settings, END_S * 10**6)
    assert (found["M1"][0].word, words(found, "M1")["drift raw"], words(found, "M1")["drift tank"]) == (
        "alert", "act", "act"
    )  # fmt: skip
    drift = next(line for line in found["M1"][0].lines if line.name == "drift raw")
    assert drift.value == pytest.approx(12.0, abs=0.5)
    assert (found["M2"][0].word, words(found, "M2")["drift tank"]) == ("normal", "cannot_tell")
    told = judge.score(state, settings, END_S * 10**6)
    (alert,) = [one for one in told.own_alerts if one["asset"] == "M1"]
    assert alert["component"] == ""
    assert alert["text"] == "meter: balance raw 11.9 % is past 10.0 %"
    assert not [one for one in told.own_alerts if one["asset"] == "M2"]
    row = next(one for one in told.assessments if one["asset"] == "M1")
    assert (row["index"], row["word"], row["model_sha256"]) == (None, "alert", found["M1"][1])


def test_before_anything_is_learned_a_balance_speaks_and_a_drift_says_what_is_missing(state):
    settings = plant()
    lay_down(state, settings, 1.12)
    found = meters.assess(state, settings, END_S * 10**6)
    assert (words(found, "M1")["balance raw"], words(found, "M1")["drift raw"]) == ("act", "cannot_tell")
    drift = next(line for line in found["M1"][0].lines if line.name == "drift raw")
    assert "no reference" in drift.note


def test_a_flow_that_a_device_computes_itself_is_in_no_account(state):
    settings = plant()
    tags = tuple(replace(tag, estimated=True) if tag.name == "P2.flow" else tag for tag in settings.tags)
    settings = replace(settings, tags=tags)
    assert [one.name for one in meters.sides_of(settings, settings.asset("M1"))] == ["tank"]


def test_an_empty_store_gives_unknown_with_the_reason(state):
    found = meters.assess(state, plant(), END_S * 10**6)
    assert {one.word for one, _digest, _rows in found.values()} == {"unknown"}
    assert all(one.reasons for one, _digest, _rows in found.values())
    assert meters.learn(state, plant(), END_S * 10**6).learned == {}


def test_a_reference_that_was_changed_by_hand_is_not_believed(state):
    settings = plant()
    lay_down(state, settings, 1.0)
    meters.learn(state, settings, END_S * 10**6)
    path = state.models / "M1.json"
    body = json.loads(path.read_text())
    body["reference"]["ratios"]["raw"]["value"] = 1.1
    path.write_text(json.dumps(body))
    found = meters.assess(state, settings, END_S * 10**6)
    assert words(found, "M1")["drift raw"] == "cannot_tell"
    assert any("digest" in reason for reason in found["M1"][0].reasons)


def test_the_same_hours_teach_the_same_bytes(state, tmp_path):
    settings = plant()
    lay_down(state, settings, 1.0)
    other = State(tmp_path / "other")
    other.root.mkdir()
    lay_down(other, settings, 1.0)
    assert meters.learn(state, settings, END_S * 10**6) == meters.learn(other, settings, END_S * 10**6)
