"""P-14 walked on the simulated plant: both sewage pumps are out, a mobile pump is driven as the page says.

One person drives the pump, one stands at the staff gauge and calls out. The order, the levels and where a call leads
to are read from the parsed page and the example's sheet.
"""

import re
from dataclasses import replace

import pytest

from drivers.sim import stations
from drivers.sim.plant import new_state
from fallback_procedures.library import load
from fallback_procedures.sheet import read_sheet, span_s

from .test_walks import SHEETS, Plant, go_to, level_of, out, takes, together, walk

PAGE = load(None).get("P-14", "en").procedure
SHEET = read_sheet((SHEETS / "R.txt").read_bytes())
AT_STOP, AT_START = re.findall(r"brings step (\d+)", PAGE.step("2").notices[0].text)  # where the two calls lead to
HAND_STOP_M = level_of(SHEET, "hand_stop_level")
RATED_M3H = level_of(SHEET, "peak_inflow") * 3.6
SPEEDS = (0.4, 0.6, 0.8, 1.0)  # of the rated flow


class Station(Plant):
    """The lift station with its pumps locked, and a mobile pump beside it."""

    def __init__(self, monkeypatch, hour):
        super().__init__(monkeypatch, stations.SEWAGE)
        well = stations.WET_WELL
        self.state = new_state(hour * 3600.0)
        for name in self.running(stations.SEWAGE):
            self.switch(name, False)
        self.state = replace(self.state, volume_m3={**self.state.volume_m3, well.id: 0.9 * well.area_m2})
        self.speed, self.runs, self.dies_s, self.called, self.over_m3 = 0, False, float("inf"), "", 0.0
        self.leaks, self.out, self.calls = [], False, []  # times at which its hose leaked; out until mended

    def advance(self, seconds):
        end = self.now + seconds
        while self.now < end - 1e-6:
            piece = min(5.0, end - self.now)
            super().advance(piece)
            if self.now >= self.dies_s:
                self.runs, self.dies_s = False, float("inf")
            lifted = RATED_M3H * SPEEDS[self.speed] * piece / 3600 if self.runs else 0.0
            well = stations.WET_WELL.id
            left = max(0.0, self.state.volume_m3[well] - lifted)
            self.state = replace(self.state, volume_m3={**self.state.volume_m3, well: left})
            self.over_m3 += self.state.flow_m3h[f"overflow {well}"] * piece / 3600


def at_the_gauge(plant):
    """Looks every 20 s, and calls out as the page says."""
    while True:
        level = plant.board(stations.WET_WELL, 0.01)
        if plant.runs and level <= HAND_STOP_M:
            plant.called = AT_STOP
        elif not plant.runs and level >= level_of(SHEET, "start_level"):
            plant.called = AT_START
        yield 20


def driver(plant, gauge, leaking=False):
    """The acts of the person at the pump, who hears a call at the end of a round. Without `gauge` there is none."""
    began = [0.0]

    def level(step, sheet):
        began[0] = plant.now
        yield 20
        side = out(step, sheet, plant.board(stations.WET_WELL, 0.01))
        if side:
            yield go_to(step.if_not, 0 if side == "low" else 1)

    def running(step, sheet):
        yield 5
        if plant.runs:
            yield go_to(step.text)

    def prime(step, sheet):
        while plant.board(stations.WET_WELL, 0.01) < level_of(sheet, "start_level"):
            yield 20  # WHEN the level has reached it
        yield 20

    def ready(step, sheet):
        yield 5
        if plant.out:
            yield go_to(step.text)

    def start(step, sheet):
        plant.runs, plant.speed = True, 0
        yield 20
        if leaking:
            plant.runs, plant.out = False, bool(plant.leaks)
            plant.leaks.append(plant.now)
            yield go_to(step.if_not, 1 if plant.out else 0)

    def faster(step, sheet):
        before = plant.state.level_m(stations.WET_WELL)
        yield span_s(step.timer, sheet)
        if plant.runs and plant.state.level_m(stations.WET_WELL) > before:
            plant.speed = min(plant.speed + 1, len(SPEEDS) - 1)

    def stop(step, sheet):
        yield 5
        if plant.board(stations.WET_WELL, 0.01) <= HAND_STOP_M:
            plant.runs = False
        plant.called = ""

    def notify(step, sheet):
        yield 5
        if plant.out:
            plant.calls.append(plant.now)

    def until_the_next_round(step, sheet):
        due = began[0] + span_s(PAGE.repeats[0].every, sheet)
        while plant.now < due:
            yield 10
            if gauge and plant.called:
                target, plant.called = plant.called, ""
                yield target

    return {
        "1": ("Measure the gas", takes(30)), "2": ("Assign one person", takes(10)), "3": ("Read the rated", takes(10)),
        "4": ("Set the pump", takes(10)), "5": ("Set the suction", takes(10)), "6": ("Set the discharge", takes(10)),
        "7": ("Set ramps", takes(10)), "8": ("Check the whole line", takes(10)), "9": ("Notify", takes(10)),
        "10": ("Read the wet well level", level), "11": ("IF the mobile pump is running", running),
        "11a": ("IF this pump is out", ready),
        "12": ("WHEN the level has reached", prime), "13": ("Open the valve", takes(30)),
        "14": ("Start the mobile pump", start), "15": ("Check the discharge", takes(10)),
        "16": ("WHILE the level rises", faster), "17": ("Read the instruments", takes(20)),
        "18": ("IF the level has fallen to", stop), "19": ("IF the mobile pump stands", takes(30)),
        "20": ("IF the level is above", notify), "21": ("IF sewage flows over", takes(5)),
        "22": ("Record level", until_the_next_round),
    }  # fmt: skip


def walked(monkeypatch, hour, gauge=True, dies_s=float("inf")):
    """The levels of three hours. `dies_s`: after this time the engine stops by itself, once. [s]"""
    plant = Station(monkeypatch, hour)
    plant.dies_s = plant.now + dies_s
    people = [walk("P-14", "R", driver(plant, gauge), [])] + ([at_the_gauge(plant)] if gauge else [])
    together(plant, 3, *people)
    assert plant.over_m3 == 0
    return plant.levels[stations.WET_WELL.id]


@pytest.mark.parametrize("hour", [3, 20])
def test_with_a_person_at_the_gauge_the_mobile_pump_holds_the_well_between_its_levels(monkeypatch, hour):
    levels = walked(monkeypatch, hour)
    assert level_of(SHEET, "stop_level") < min(levels)
    assert max(levels) < level_of(SHEET, "alarm_level")


def test_an_engine_that_dies_at_the_evening_peak_is_heard_and_started_again(monkeypatch):
    levels = walked(monkeypatch, 20, dies_s=2400.0)
    assert max(levels) < level_of(SHEET, "alarm_level")


def test_rounds_alone_would_draw_the_well_below_its_stop_level(monkeypatch):
    assert min(walked(monkeypatch, 20, gauge=False)) < level_of(SHEET, "stop_level")


def test_a_hose_that_leaks_twice_is_not_opened_again_and_each_round_tells_the_shift_lead(monkeypatch):
    plant = Station(monkeypatch, 20)
    together(plant, 1, walk("P-14", "R", driver(plant, True, leaking=True), []), at_the_gauge(plant))
    assert len(plant.leaks) == 2
    assert len(plant.calls) >= 5
