"""The simulated vendor says what its known bias makes it say, once, in whole files."""

import json
from dataclasses import replace

from drivers.sim.plant import new_state
from drivers.sim.stations import PUMP
from drivers.sim.vendor import DUE_WEAR, EARLY_WEAR, Vendor, alarm_active, early_bearing


def changed(state, pump, **values):
    return replace(state, pumps={**state.pumps, pump: replace(state.pumps[pump], **values)})


def test_a_seal_falls_due_by_the_calendar_whatever_its_condition(tmp_path):
    state = new_state(0.0)
    vendor = Vendor(tmp_path / "drop")
    vendor.watch(state)
    assert vendor.speak(state, 1_795_440_000_000_000) == []
    assert vendor.bits(state)["N-P12.seal_service"] == 0.0
    later = changed(state, "N-P12", run_hours=8000.0, bearing_wear=0.0, impeller_wear=0.0)
    (path,) = vendor.speak(later, 1_795_440_000_000_000)
    message = json.loads(path.read_text())
    assert (message["pump"], message["part"], message["simulated"]) == ("SP-0112", "mech. seal", True)
    assert message["issued"] == "2026-11-23T13:20:00Z"
    assert vendor.bits(later)["N-P12.seal_service"] == 1.0
    assert vendor.speak(later, 1_795_440_060_000_000) == []
    assert [file.suffix for file in path.parent.iterdir()] == [".json"]


def test_a_bearing_is_asked_for_before_it_is_due(tmp_path):
    assert EARLY_WEAR < DUE_WEAR
    state = new_state(0.0)
    vendor = Vendor(tmp_path)
    vendor.watch(state)
    worn = changed(state, "N-P02", bearing_wear=(EARLY_WEAR + DUE_WEAR) / 2)
    assert [json.loads(path.read_text())["part"] for path in vendor.speak(worn, 0)] == ["bearing unit"]
    assert vendor.bits(state)["R-P01.bearing_service"] == 1.0
    assert vendor.bits(state)["R-P02.bearing_service"] == 0.0


def test_a_worn_impeller_is_never_mentioned(tmp_path):
    state = changed(new_state(0.0), "N-P01", impeller_wear=1.0)
    vendor = Vendor(tmp_path)
    vendor.watch(state)
    assert vendor.speak(state, 0) == []


def test_the_vibration_alarm_is_set_far_below_the_norm():
    state = new_state(0.0)
    assert [alarm_active(PUMP[name], state.pumps[name]) for name in ("H-P01", "H-P02", "H-P03")] == [True, False, False]
    assert not early_bearing(state.pumps["H-P01"])
