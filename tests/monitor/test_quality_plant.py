"""The quality machine over hours of the simulated plant: silent while it is healthy, and finding what is wrong."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.batch import NO_TIME, Batch
from drivers.record import Reason, Register
from drivers.sim.plant import Plant, new_state
from monitor.quality import QualityMachine, machine_of
from monitor.quality.noise import NoiseWatch
from monitor.settings import load

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
UTC = 1_795_440_000_000_000
STEP_S = 5
HOURS = 3.7


@pytest.fixture(scope="module")
def settings():
    return load(EXAMPLE)


@pytest.fixture(scope="module")
def healthy():
    """What the instruments of a healthy plant show over the hours, one dictionary per poll."""
    plant, shown = Plant(new_state(6 * 3600.0, seed=3), 3), []
    before = {name: pump.starts for name, pump in plant.state.pumps.items()}
    for _ in range(round(HOURS * 3600 / STEP_S)):
        plant.advance(STEP_S)
        shown.append(plant.readings())
    assert sum(pump.starts - before[name] for name, pump in plant.state.pumps.items()) > 20
    return shown


def on_the_wire(tag, value):
    """What a device's register makes of a value."""
    where = tag.where
    if not isinstance(where, Register) or where.kind in ("bit", "f64"):
        return value
    if where.kind == "f32":
        return float(np.float32(value / where.scale)) * where.scale
    return round((value - where.offset) / where.scale) * where.scale + where.offset


class Watched:
    """The example plant, polled each 5 s, without wires; `change` may alter what the instruments show."""

    def __init__(self, settings, shown, change=lambda shown, hour: shown):
        self.settings, self.shown, self.change = settings, iter(shown), change
        self.machine: QualityMachine = machine_of(
            replace(settings, sources=tuple(replace(one, every_s=float(STEP_S)) for one in settings.sources)), 0.0
        )
        self.machine.noise = NoiseWatch(self.machine.layout, learn_s=3_600.0)
        self.second = 0
        self.told: Counter[tuple[str, str]] = Counter()
        self.words: dict[tuple[str, str], str] = {}
        self.now: dict[str, Reason] = {}

    def run(self, hours):
        for _ in range(round(hours * 3600 / STEP_S)):
            shown = self.change(next(self.shown), self.second / 3600)
            for source in self.settings.sources:
                self.poll(source, shown)
            self.machine.tick(float(self.second))
            self.machine.overdue(float(self.second), UTC)
            self.second += STEP_S
        return self

    def poll(self, source, shown):
        value = np.array([on_the_wire(tag, shown.get(tag.name, 0.0)) for tag in source.tags])
        n, number = len(value), np.array([tag.number for tag in source.tags], np.int32)
        zeros = np.zeros(n, np.uint32)
        batch = Batch(source.name, UTC + self.second * 1_000_000, number, np.full(n, NO_TIME, np.int64), value,
                      zeros.astype(np.uint8), zeros)  # fmt: skip
        checked = self.machine.check(batch, float(self.second))
        for row in np.flatnonzero(checked.reasons & ~np.uint32(Reason.ESTIMATED)).tolist():
            name = source.tags[row].name
            for word in Reason(int(checked.reasons[row])).words:
                self.told[name, word] += 1
                if row in checked.detail:
                    self.words.setdefault((name, word), checked.detail[row])
        self.now |= {tag.name: Reason(int(bits)) for tag, bits in zip(source.tags, checked.reasons, strict=True)}

    def having(self, reason):
        return {name for name, reasons in self.now.items() if reason in reasons}


def without(told):
    return {key: n for key, n in told.items() if key[1] != "estimated"}


def test_nothing_is_said_of_a_healthy_plant_with_its_starts_and_stops(settings, healthy):
    watched = Watched(settings, healthy).run(HOURS)
    assert without(watched.told) == {}
    assert (watched.machine.noise.seen_s >= 3_600.0).sum() > 60  # and the noise of many a sensor was known


def faulty(switch_on):
    """What the instruments show when the simulator has one of its own faults."""
    plant = Plant(new_state(6 * 3600.0, seed=3), 3)
    switch_on(plant)
    while True:
        plant.advance(STEP_S)
        yield plant.readings()


def altered(**factors):
    """Instruments that show some tags multiplied, once the first half hour is over."""

    def change(shown, hour):
        wrong = {name: shown[name] * factor for name, factor in factors.items()} if hour > 0.5 else {}
        return shown | wrong

    return change


def test_a_drifting_meter_contradicts_its_pumps_and_its_tank(settings):
    watched = Watched(settings, faulty(lambda plant: plant.drifting.update({"N-M01": 0.0}))).run(1.5)
    assert watched.having(Reason.CROSSCHECK) >= {"N-M01.flow", "N-P01.flow", "N-P02.flow", "N-P03.flow"}
    assert "raw water" in watched.words["N-M01.flow", "crosscheck"]
    assert not any(name.startswith(("H-", "R-", "N-P1", "N-M04")) for name, _word in without(watched.told))


def test_a_meter_that_reads_an_eighth_high_is_found_by_its_counter_and_by_its_balance(settings, healthy):
    watched = Watched(settings, healthy, altered(**{"N-M02.flow": 1.125})).run(3.0)
    assert {"N-M02.flow", "N-M02.volume", "N-T01.level", "N-P12.flow"} <= watched.having(Reason.CROSSCHECK)
    assert "volume against flow" in watched.words["N-M02.volume", "crosscheck"]


def test_a_power_above_what_the_current_can_carry_is_found_in_minutes(settings, healthy):
    watched = Watched(settings, healthy, altered(**{"N-M04.power": 3.0})).run(0.7)
    assert watched.having(Reason.CROSSCHECK) == {"N-M04.power", "N-M04.voltage", "N-M04.current"}


def test_flow_through_a_pump_that_stands_is_found_and_forgotten_when_it_runs(settings, healthy):
    def leak(shown, hour):
        return shown | {"H-P02.flow": shown["H-P02.flow"] or 3.0}

    watched = Watched(settings, healthy, leak).run(0.2)
    assert "H-P02.flow" in watched.having(Reason.CROSSCHECK)
    watched.change = lambda shown, hour: shown | {"H-P02.running": 1.0, "H-P02.flow": 60.0}
    watched.run(0.05)
    assert "H-P02.flow" not in watched.having(Reason.CROSSCHECK)


def test_a_value_without_its_noise_is_found_and_taken_back_when_the_noise_is_there_again(settings, healthy):
    held: list[float] = []

    def smooth(shown, hour):
        if not 2.0 < hour < 3.0:
            return shown
        held.append(shown["N-M03.pressure"])
        return shown | {"N-M03.pressure": 4.5 + 1e-5 * len(held)}  # it still moves

    watched = Watched(settings, healthy, smooth).run(3.0)
    assert watched.having(Reason.FROZEN) == {"N-M03.pressure"}
    assert "noise" in watched.words["N-M03.pressure", "frozen"]
    watched.run(0.6)
    assert watched.having(Reason.FROZEN) == set()


def test_a_value_that_stands_still_while_its_pump_runs_is_frozen(settings):
    frozen = faulty(lambda plant: plant.frozen.update({"N-P02.power": None, "N-P02.vibration": None}))
    watched = Watched(settings, frozen).run(1.0)
    assert watched.having(Reason.FROZEN) == {"N-P02.power", "N-P02.vibration"}
    assert watched.words["N-P02.power", "frozen"] == "stands still while the pump runs"
