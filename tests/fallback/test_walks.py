"""P-03, P-05 and P-06 walked on the simulated plant by people who go where the page sends them, late, by rough gauges.

The plant has lost its level controls; nothing moves but by the acts below. An act knows what the words of its step
mean, and nothing of the order: that is read from the parsed page, with the limits, times and levels of the example's
sheets. A page that is rewritten fails here until somebody has walked it again.
"""

import heapq
import re
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.sim import stations
from drivers.sim.plant import new_state
from drivers.sim.pump import switched
from fallback_procedures.library import load
from fallback_procedures.limits import bounds
from fallback_procedures.sheet import read_sheet, span_s

SHEETS = Path(__file__).parents[2] / "config" / "example" / "sheets"
PAGES = load(None)
STATE = new_state(3 * 3600.0)  # three in the morning: no well runs, the tank falls


class Plant:
    """The simulated plant without its level controls: what is switched here stays so."""

    def __init__(self, monkeypatch, *by_hand):
        staged, flow_at = stations.staged, stations.flow_at
        self.state, self.started, self.stopped, self.levels = STATE, {}, {}, {}
        self.throttled, self.to_waste = {}, set()  # by pump: m3/h that its valve lets through; wells that run to waste

        def as_left(pumps, group, count, time_s):
            return {name: pumps[name] for name in group} if group in by_hand else staged(pumps, group, count, time_s)

        def through_valve(pump, head, speed=1.0, wear=0.0):
            return min(self.throttled.get(pump.id, 1e9), flow_at(pump, head, speed, wear))

        monkeypatch.setattr(stations, "staged", as_left)
        monkeypatch.setattr(stations, "flow_at", through_valve)

    @property
    def now(self):
        return self.state.time_s

    def advance(self, seconds):
        end = self.now + seconds
        while self.now < end - 1e-6:
            self.state = stations.step(self.state, min(5.0, end - self.now))
            wasted = sum(self.state.pumps[name].flow_m3h for name in self.to_waste) * 5.0 / 3600
            volume = {**self.state.volume_m3, "N-T01": self.state.volume_m3["N-T01"] - wasted}
            self.state = replace(self.state, volume_m3=volume)
            for tank in stations.TANKS:
                self.levels.setdefault(tank.id, []).append(self.state.level_m(tank))

    def board(self, tank, division=0.05):
        """What a person reads from the board: whole divisions."""
        return round(round(self.state.level_m(tank) / division) * division, 2)

    def running(self, group):
        return [name for name in group if self.state.pumps[name].running]

    def rested_longest(self, group, out=()):
        free = [name for name in group if name not in out and not self.state.pumps[name].running]
        return min(free, key=lambda name: self.state.pumps[name].changed_s, default=None)

    def switch(self, name, on):
        (self.started if on else self.stopped).setdefault(name, []).append(self.now)
        pumps = {**self.state.pumps, name: switched(self.state.pumps[name], on, self.now)}
        self.state = replace(self.state, pumps=pumps)


def go_to(text, nth=0):
    """The nth step that a part of the page sends to."""
    return re.findall(r"GO TO step (\d+[a-z]?)", text)[nth]


def out(step, sheet, value, nth=0):
    """How a reading lies outside its limits on this site: "low", "high", or "" where it does not."""
    band = bounds(step.readings[nth], sheet)
    assert band.origin != "missing"
    if band.holds(Decimal(str(value))):
        return ""
    return "low" if band.low and Decimal(str(value)) < Decimal(band.low) else "high"


def walk(name, site, acts, visits):
    """One person after the other step of the page, for ever: yields the seconds that each thing takes."""
    page = PAGES.get(name, "en").procedure
    sheet = read_sheet((SHEETS / f"{site}.txt").read_bytes())
    order, repeat = [step.number for step in page.steps], page.repeats[0]
    number, round_began, now = order[0], 0.0, 0.0
    while True:
        step = page.step(number)
        begins, act = acts[number]
        assert step.text.startswith(begins), f"{name} step {number} now says: {step.text}"
        visits.append(number)
        if number == repeat.first:
            round_began = now
        target = None
        for happened in act(step, sheet):  # seconds that pass, or the step that the page sends to
            if isinstance(happened, str):
                target = happened
                break
            now += happened
            yield happened
        if target is None and number == repeat.last:
            wait = max(0.0, round_began + span_s(repeat.every, sheet) - now)
            now += wait
            yield wait + 1.0
            number = repeat.first
        else:
            number = target or order[order.index(number) + 1]


def together(plant, hours, *walks):
    """All these people at work on one plant at the same time."""
    end, order = plant.now + hours * 3600, [(plant.now, number, one) for number, one in enumerate(walks)]
    while order[0][0] < end:
        at, number, one = heapq.heappop(order)
        plant.advance(at - plant.now)
        heapq.heappush(order, (at + next(one), number, one))


def takes(seconds):
    """A step that only takes its time."""

    def act(step, sheet):
        yield seconds

    return act


def level_of(sheet, name):
    return float(sheet.values[name].split()[0])


def lift_station(plant, late_s, out_of_order=(), unreadable=False, power_lost=(), blocked=()):
    """What the words of P-03 mean to somebody who is `late_s` behind the gauge. Returns acts, calls and records.

    `unreadable`: nothing is seen of the gauge, so the ammeter tells when a pump draws air. `power_lost`: from, to [s].
    `blocked`: pumps whose current is high a minute after their start.
    """
    well, pumps, told = (
        stations.WET_WELL,
        stations.SEWAGE,
        {"calls": 0, "overflow": 0, "second": 0, "chosen": "", "failed": []},
    )

    def is_dark():
        return bool(power_lost) and power_lost[0] <= plant.now - STATE.time_s < power_lost[1]

    def level():
        return 9.0 if unreadable else plant.board(well)  # not readable counts as above the alarm

    def read_level(step, sheet):
        yield 5
        if unreadable:
            yield go_to(step.if_not)
        told["before"] = plant.board(well)
        if how := out(step, sheet, told["before"]):
            if how == "low":
                for name in plant.running(pumps):
                    plant.switch(name, False)
            yield go_to(step.if_not)

    def dark(step, sheet):
        if is_dark():
            yield 20
            for name in plant.running(pumps):
                plant.switch(name, False)

    def without_power(step, sheet):
        yield 5
        if is_dark():
            yield go_to(step.text)

    def if_running(step, sheet):
        yield 5
        if plant.running(pumps):
            yield go_to(step.text)

    def select(step, sheet):
        yield 5
        told["chosen"] = plant.rested_longest(pumps, (*out_of_order, *told["failed"]))
        if not told["chosen"]:
            yield go_to(step.if_not)
        rest_s, alarm = level_of(sheet, "rest_time") * 60, level_of(sheet, "alarm_level")
        while plant.now - plant.started.get(told["chosen"], [-1e9])[-1] < rest_s and level() < alarm:
            yield 5

    def start(step, sheet):
        while level() < level_of(sheet, "start_level"):
            yield 5
        yield late_s
        if is_dark():
            yield go_to(step.if_not)
        plant.switch(told["chosen"], True)

    def current(step, sheet):
        yield step.timer.s
        assert not out(step, sheet, round(plant.state.pumps[told["chosen"]].current_a, 1))

    def falls(step, sheet):
        if unreadable:
            yield go_to(step.if_not, 2)
        before = plant.board(well)
        yield step.timer.s
        told["rising"] = plant.board(well) >= before
        if told["rising"] or out(step, sheet, plant.board(well)) == "high":
            yield go_to(step.if_not)
        if plant.board(well) <= level_of(sheet, "hand_stop_level"):
            yield go_to(step.if_not, 1)

    def draws_air():
        return plant.running(pumps) and plant.state.level_m(well) < 0.80

    def at_the_ammeter(seconds):
        end = plant.now + seconds
        while plant.now < end and not draws_air():
            yield 5
        if draws_air():
            yield 10
            for name in plant.running(pumps):
                plant.switch(name, False)

    def ammeter(step, sheet):
        if unreadable:
            yield from at_the_ammeter(step.timer.s)
            for name in set(plant.running(pumps)) & set(blocked):
                plant.switch(name, False)
                told["failed"].append(name)
                yield go_to(step.if_not, 2)
            if not plant.running(pumps):
                yield go_to(step.if_not, 1)

    def none_runs(step, sheet):
        yield 5
        if unreadable or not plant.running(pumps):
            yield go_to(step.text)

    def record(step, sheet):  # the other person stays at the ammeter
        yield from at_the_ammeter(240) if unreadable else takes(15)(step, sheet)

    def second(step, sheet):
        if told.get("rising") and (name := plant.rested_longest(pumps, out_of_order)):
            yield late_s
            plant.switch(name, True)
            told["second"] += 1
        elif told.get("rising"):
            yield go_to(step.if_not, 1)
        yield 5

    def notify(step, sheet):
        yield 5
        if level() > level_of(sheet, "alarm_level") or out_of_order == pumps or is_dark():
            told["calls"] += 1
            yield from at_the_ammeter(60) if unreadable else takes(60)(step, sheet)

    def overflow(step, sheet):
        yield 5
        told["overflow"] += plant.state.level_m(well) >= well.full_m - 0.001

    def stop(step, sheet):
        waited = 0
        while plant.running(pumps) and plant.board(well) > level_of(sheet, "hand_stop_level"):
            yield 5
            waited += 5
            if waited > 900:
                yield go_to(step.if_not)
        yield late_s if plant.running(pumps) else 0
        for name in plant.running(pumps):
            plant.switch(name, False)

    return told, {
        "1": ("Measure the gas", takes(60)), "2": ("Read the station sheet", takes(60)),
        "3": ("Read the wet well level", read_level), "4": ("IF a pump is running", if_running),
        "2a": ("Set each pump that stands still", takes(30)), "3a": ("IF every lamp of the panel is dark", dark),
        "3b": ("IF power is missing", without_power), "8a": ("IF the gauge is unreadable", ammeter),
        "12a": ("IF every pump stands still", none_runs),
        "5": ("Select the free pump", select), "6": ("WHEN the level has reached", start),
        "7": ("Read the motor current", current), "8": ("WHILE a pump runs", falls),
        "9": ("IF the level still rises", second), "10": ("IF the second pump runs", takes(5)),
        "11": ("IF a level left its limits", notify), "12": ("IF sewage flows over", overflow),
        "13": ("WHEN the level has fallen", stop), "14": ("Record start, stop", record),
    }  # fmt: skip


def tank(plant, room):
    """What the words of P-05 mean; the control room of `room` then says how many wells it wants."""
    water, seen = stations.CLEAR_WATER, {"levels": []}

    def first(step, sheet):
        yield 30
        seen["levels"].append((plant.now, plant.board(water)))
        if out(step, sheet, plant.board(water)):
            yield go_to(step.if_not)

    def wait(step, sheet):
        seen["waited"] = span_s(step.timer, sheet)
        yield seen["waited"]

    def again(step, sheet):
        yield 30
        last_hour = [one for one in seen["levels"] if plant.now - one[0] <= 3600]
        at, level = last_hour[-1] if last_hour[-1][1] != plant.board(water) else last_hour[0]
        seen["change"] = (plant.board(water) - level) * 3600 / (plant.now - at)  # [m/h]
        if out(step, sheet, plant.board(water)):
            yield go_to(step.if_not)

    def hours(step, sheet):
        yield 120
        now, change = plant.board(water), seen["change"] or -0.05 * 3600 / seen["waited"]
        limit = level_of(sheet, "level_min") if change < 0 else level_of(sheet, "level_max")
        if out(step, sheet, round(abs(now - limit) / abs(change), 2)):
            yield go_to(step.if_not)

    def tell(step, sheet):
        yield 60
        room["calls"] += 1
        runs = len(plant.running(stations.BOREHOLES))
        if plant.board(water) < 2.0 or (seen.get("change", -1) < 0 and plant.board(water) < 3.3):
            room["wanted"] = min(3, runs + 1)
        elif plant.board(water) > 3.6:
            room["wanted"] = max(0, runs - 1)

    return {
        "1": ("Read the level", first), "2": ("Record level and time", takes(15)),
        "3": ("Wait at the safe place", wait),
        "4": ("Read the level again", again), "5": ("Calculate the hours", hours),
        "6": ("Notify the control room", tell), "6a": ("IF the level is below", takes(10)),
        "7": ("Check the locks", takes(120)),
    }  # fmt: skip


def wells(plant, room, late_s, sandy=(), power_lost=()):
    """What the words of P-06 mean to a pair at panel and well head. The water in a well follows its flow."""
    pumps, at_work = stations.BOREHOLES, {"stop": None, "chosen": None, "failed": set(), "cloudy": set()}
    depth = {name: 19.0 for name in pumps}

    def is_dark():
        return bool(power_lost) and power_lost[0] <= plant.now - STATE.time_s < power_lost[1]

    def dark(step, sheet):
        yield 5
        if is_dark():
            for name in plant.running(pumps):
                plant.switch(name, False)

    def without_power(step, sheet):
        if is_dark():
            yield go_to(step.text)

    def enough(step, sheet):
        yield 10
        if len(plant.running(pumps)) >= room["wanted"]:
            yield go_to(step.text)

    def select(step, sheet):
        yield 60
        at_work["chosen"] = plant.rested_longest(pumps, at_work["failed"])
        if not at_work["chosen"]:
            yield go_to(step.if_not)
        while plant.now - plant.stopped.get(at_work["chosen"], [-1e9])[-1] < level_of(sheet, "well_rest_time") * 60:
            yield 30

    def dip(step, sheet):
        yield 180
        assert not out(step, sheet, depth[at_work["chosen"]])

    def open_waste(step, sheet):
        yield 60
        plant.to_waste.add(at_work["chosen"])

    def start(step, sheet):
        yield late_s
        if is_dark():
            yield go_to(step.if_not)
        plant.throttled[at_work["chosen"]] = 40.0
        plant.switch(at_work["chosen"], True)

    def flow(step, sheet):
        yield step.timer.s
        plant.throttled[at_work["chosen"]] = level_of(sheet, "well_flow_max") - 2
        yield 10
        assert not out(step, sheet, round(plant.state.pumps[at_work["chosen"]].flow_m3h))

    def gauges(step, sheet):
        room["read"].append(plant.now)
        for name in plant.running(pumps):
            yield 120
            if out(step, sheet, round(plant.state.pumps[name].flow_m3h), 2):  # set the valve, read again after 60 s
                plant.throttled[name] = level_of(sheet, "well_flow_max") - 2
                yield 60
            one = plant.state.pumps[name]
            depth[name] = 19.0 + 0.07 * one.flow_m3h
            for nth, value in enumerate((depth[name], round(one.current_a), round(one.flow_m3h))):
                assert not out(step, sheet, value, nth), (name, step.readings[nth].name, value)

    def sample(step, sheet):
        yield 120
        for name in set(sandy) & plant.to_waste:
            if name not in at_work["cloudy"]:
                at_work["cloudy"].add(name)
                yield 600
                yield go_to(step.if_not)
            at_work["stop"] = name
            at_work["failed"].add(name)
            yield go_to(step.if_twice)

    def to_supply(step, sheet):
        yield step.timer.s if plant.to_waste else 0
        plant.to_waste.clear()

    def stop(step, sheet):
        full = plant.board(stations.CLEAR_WATER) >= 3.9
        longest = sorted(plant.running(pumps), key=lambda name: plant.state.pumps[name].changed_s)
        asked = longest if full else longest[: len(longest) > room["wanted"]]
        for name in [at_work["stop"]] if at_work["stop"] else asked:
            yield 60
            plant.switch(name, False)
            plant.to_waste.discard(name)
        at_work["stop"] = None

    return {
        "1": ("Read the station sheet", takes(60)), "2": ("IF every lamp of the panels is dark", dark),
        "2a": ("IF power is missing", without_power), "2b": ("IF the running well pumps are enough", enough),
        "3": ("Select the free well pump", select), "3a": ("Set this pump to off", takes(30)),
        "4": ("Measure the depth", dip),
        "5": ("Check the lamps", takes(60)),
        "6": ("Set the discharge valve", takes(240)), "7": ("IF the well has an outlet", open_waste),
        "7a": ("IF an outlet to waste is missing", takes(5)),
        "8": ("Start the well pump", start), "9": ("Set the flow slowly", flow), "10": ("Wait 5 min", takes(300)),
        "11": ("IF a well pump runs", gauges), "12": ("IF a well pump runs", sample),
        "12a": ("IF a well runs to waste", takes(30)),
        "13": ("IF clear water", to_supply), "14": ("IF a step, a full tank", stop),
        "15": ("Notify the shift lead", takes(60)), "16": ("Record all readings", takes(30)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("late_s", "out_of_order", "inflow"), [(60, (), 1), (20, ("R-P02",), 1), (30, (), 5), (20, stations.SEWAGE, 1)]
)
def test_a_late_hand_holds_the_wet_well_and_two_pumps_out_lead_to_the_call_and_the_record(
    monkeypatch, late_s, out_of_order, inflow
):
    plant = Plant(monkeypatch, stations.SEWAGE)
    monkeypatch.setattr(stations, "SEWAGE_M3H", stations.SEWAGE_M3H * inflow)
    told, acts = lift_station(plant, late_s, out_of_order)
    together(plant, 1.0, walk("P-03", "R", acts, visits := []))
    level = plant.levels["R-T01"]
    if out_of_order == stations.SEWAGE:
        assert told["calls"] >= 2
        assert told["overflow"] >= 1
        assert not plant.started
        return
    assert min(level) > 0.80  # the stop level that HAND bypasses
    assert max(level) < 3.00  # the alarm
    assert len(visits) > 30
    assert (told["second"] > 0) == (inflow > 1)
    for name in plant.started:
        starts = plant.started[name]
        assert all(later - earlier >= 4 * 60 for earlier, later in pairwise(starts))


def test_a_gauge_that_nobody_can_read_neither_drowns_the_station_nor_stops_the_round(monkeypatch):
    plant = Plant(monkeypatch, stations.SEWAGE)
    told, acts = lift_station(plant, 20, unreadable=True)
    together(plant, 2.0, walk("P-03", "R", acts, visits := []))
    assert max(plant.levels["R-T01"]) < 3.00
    assert min(plant.levels["R-T01"]) > 0.60
    assert told["calls"] >= 2
    assert {"8a", "14"} <= set(visits)
    assert not {"9", "13"} & set(visits[visits.index("8a") :]) or told["second"] == 0


def test_where_the_gauge_is_unreadable_another_pump_follows_at_once_the_one_that_is_blocked(monkeypatch):
    plant = Plant(monkeypatch, stations.SEWAGE)
    told, acts = lift_station(plant, 20, unreadable=True, blocked=("R-P01",))
    together(plant, 1.0, walk("P-03", "R", acts, []))
    assert told["failed"] == ["R-P01"]
    assert plant.started["R-P02"][0] - plant.stopped["R-P01"][0] < 60
    assert max(plant.levels["R-T01"]) < 3.00


def test_without_power_every_switch_is_off_before_it_comes_back(monkeypatch):
    plant = Plant(monkeypatch, stations.SEWAGE)
    told, acts = lift_station(plant, 20, power_lost=(600, 2400))
    together(plant, 1.5, walk("P-03", "R", acts, []))
    dark = [at for name in plant.started for at in plant.started[name] if 600 <= at - STATE.time_s < 2400]
    assert not dark
    assert told["calls"] >= 3
    assert len([name for name in plant.started if plant.started[name][-1] - STATE.time_s > 2400]) >= 1


@pytest.mark.parametrize("sandy", [(), ("N-P02", "N-P03")])
def test_the_clear_water_tank_is_held_by_hand_and_running_wells_are_read_even_where_none_is_free(monkeypatch, sandy):
    plant = Plant(monkeypatch, stations.BOREHOLES)
    room = {"wanted": len(plant.running(stations.BOREHOLES)), "calls": 0, "read": []}
    pages = walk("P-05", "N", tank(plant, room), []), walk("P-06", "N", wells(plant, room, 30, sandy), [])
    together(plant, 4.0 if sandy else 2.0, *pages)
    assert min(plant.levels["N-T01"]) > 1.2
    assert max(plant.levels["N-T01"]) < 4.0
    assert room["calls"] >= 2
    assert plant.started
    read = [*room["read"], plant.now]
    assert max(later - earlier for earlier, later in pairwise(read)) < 40 * 60


def test_no_well_is_started_in_the_dark_and_one_runs_again_when_power_is_back(monkeypatch):
    plant = Plant(monkeypatch, stations.BOREHOLES)
    room = {"wanted": 2, "calls": 0, "read": []}
    together(plant, 2.5, walk("P-06", "N", wells(plant, room, 30, power_lost=(900, 4500)), []))
    starts = [at - STATE.time_s for times in plant.started.values() for at in times]
    assert not [at for at in starts if 900 <= at < 4500]
    assert [at for at in starts if at >= 4500]


def test_whoever_finds_a_barrier_dark_passes_the_person_at_the_lamp_switch_before_the_flow_stops():
    page = PAGES.get("P-10", "en").procedure
    order = [step.number for step in page.steps]
    stops = next(step.number for step in page.steps if step.text.startswith("Stop the pumps that push water"))
    for part in (page.step("1").if_not, page.step("1").if_twice):
        assert page.step(go_to(part)).text.startswith("Assign one person to the lamp switch")
        assert order.index(go_to(part)) < order.index(stops)
