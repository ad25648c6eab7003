"""Cross-checks: what contradicts is found on all sides, and nothing else is."""

import math
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.record import Node, Reason, Register, Sample, Tag
from monitor.cli import main
from monitor.plant import Asset, CrossCheck
from monitor.quality import QualityMachine, explain
from monitor.quality.crosscheck import power_agrees, sum_agrees
from monitor.quality.relations import level_rates, relations
from monitor.settings import SettingsError, load
from tests.monitor.plants import plant

GOLDEN = Path(__file__).parents[1] / "golden"
UTC = 1_795_440_000_000_000
PUMP = Asset("P", "G", "pump", "pump", rated_flow_m3h=100.0, rated_power_kw=30.0)


def tag(number, name, unit, kind="f32", source="a", scale=1.0, **more):
    asset, quantity = name.split(".")
    where = Register(1, "holding", number, kind, scale=scale) if kind else Node(f"nsu=urn:x;s={name}")
    counter = quantity in ("energy", "volume")
    return Tag(number, name, asset, quantity, unit, source, where, counter=counter, **more)


class Bench:
    """A machine on its own clock; `poll` gives what the instruments show at a time, each source at its period [s]."""

    def __init__(self, tags, every_s, crosschecks=()):
        assets = [PUMP, *(Asset(name, "G", name, "meter") for name in {one.asset for one in tags} - {"P"})]
        made = plant(tuple(tags), assets=tuple(assets), crosschecks=tuple(crosschecks))
        self.tags, self.every_s = tags, every_s
        sites = {asset.id: "G" for asset in assets}
        self.machine = QualityMachine(
            tags, every_s, sites, 0.0, assets=assets, checks=relations(made), level_rate=level_rates(made)
        )
        self.second, self.now, self.words, self.ever = 0, {}, {}, set()

    def run(self, seconds, shown, step_s=1):
        for _ in range(0, int(seconds), step_s):
            values = shown(self.second)
            for source, every_s in self.every_s.items():
                if self.second % every_s:
                    continue
                mine = [one for one in self.tags if one.source == source and one.name in values]
                rows = [values[one.name] for one in mine]
                rows = [row if isinstance(row, Sample) else Sample(0, 0, row) for row in rows]
                samples = [Sample(one.number, 0, row.value, row.reasons) for one, row in zip(mine, rows, strict=True)]
                batch = self.machine.check(batch_of(source, UTC + self.second * 1_000_000, samples), float(self.second))
                for one, sample in zip(mine, batch.rows(), strict=True):
                    self.now[one.name] = sample.reasons
                    if Reason.CROSSCHECK in sample.reasons:
                        self.ever.add(one.name)
                        self.words.setdefault(one.name, sample.detail)
            self.machine.tick(float(self.second))
            self.second += step_s
        return self

    @property
    def contradicted(self):
        return {name for name, reasons in self.now.items() if Reason.CROSSCHECK in reasons}


# power

METER = [
    tag(0, "E.power", "kW", high=100.0),
    tag(1, "E.voltage", "V"),
    tag(2, "E.current", "A"),
    tag(3, "E.power_factor", "1"),
]


@pytest.mark.parametrize("factor", [1.0, math.sqrt(3), 3.0])  # a sum of currents; between lines; to neutral
@pytest.mark.parametrize(("off", "agrees"), [(1.0, True), (1.04, True), (1.07, False), (0.5, False), (10.0, False)])
def test_power_is_what_voltage_current_and_power_factor_make_it(factor, off, agrees):
    power = factor * 230.0 * 40.0 * 0.85 / 1000 * off
    assert power_agrees((power, 0.0), (230.0, 0.1), (40.0, 0.02), (-0.85, 0.0), 0.05, 1.0) is agrees


@pytest.mark.parametrize(
    ("power", "current", "doubt", "agrees"),
    [
        (20.0, 40.0, 0.0, True),
        (28.5, 40.0, 0.0, True),  # 3 * 230 V * 40 A = 27.6 kVA, 5 % above
        (30.0, 40.0, 0.0, False),
        (30.0, 40.0, 2.0, None),  # a current that nobody knows well
        (0.4, 0.0, 0.0, None),  # below a twentieth of the range nothing is compared
        (20.0, 0.0, 0.0, False),
    ],
)
def test_without_a_power_factor_power_has_only_an_upper_bound(power, current, doubt, agrees):
    assert power_agrees((power, 0.0), (230.0, 0.0), (current, doubt), None, 0.05, 5.0) is agrees


def test_a_power_that_a_gateway_repeats_while_the_current_moves_is_contradicted_and_cleared_again():
    def shown(second, power=None):
        current = 40.0 + 8.0 * (second > 600)
        return {"E.voltage": 230.0, "E.current": current, "E.power_factor": 0.85,
                "E.power": power or 3 * 230 * current * 0.85 / 1000}  # fmt: skip

    bench = Bench(METER, {"a": 1}).run(900, shown)
    assert bench.ever == set()
    frozen = shown(0)["E.power"]
    bench.run(120, lambda second: shown(second, frozen))
    assert bench.ever == set()  # two windows are not enough
    bench.run(120, lambda second: shown(second, frozen))
    assert bench.contradicted == {one.name for one in METER}
    assert bench.words["E.power"] == "contradicted: E: power against voltage and current"
    bench.run(300, shown)
    assert bench.contradicted == set()


def test_a_value_set_by_hand_is_compared_with_nothing():
    def shown(second):
        forced = Sample(0, 0, 99.0, Reason.FORCED)
        return {"E.voltage": 230.0, "E.current": 40.0, "E.power_factor": 0.85, "E.power": forced}

    bench = Bench(METER, {"a": 1}).run(600, shown)
    assert bench.ever == set()
    assert bench.now["E.power"] == Reason.FORCED


# counters


def counted(scale, factor=1.0, update_s=1, kw=24.0, on_s=10**9, off_s=0):
    """A meter that updates its registers each `update_s`, its pump cycling."""
    total = {"kwh": 5000.0, "second": 0, "shown": (5000.0, 0.0)}

    def shown(second):
        while total["second"] <= second:
            running = total["second"] % (on_s + off_s) < on_s
            total["kw"] = kw if running else 0.0
            total["kwh"] += factor * total["kw"] / 3600
            if total["second"] % update_s == 0:
                total["shown"] = (math.floor(total["kwh"] / scale) * scale, total["kw"])
            total["second"] += 1
        energy, power = total["shown"]
        return {"E.energy": energy, "E.power": power}

    return shown


def energy_tags(scale, kind="u32"):
    return [tag(0, "E.power", "kW", high=60.0), tag(1, "E.energy", "kWh", kind, scale=scale)]


def test_a_counter_that_counts_a_tenth_too_little_is_said_after_three_windows():
    bench = Bench(energy_tags(0.01), {"a": 5}).run(6_000, counted(0.01, 0.9), step_s=5)
    assert bench.contradicted == {"E.power", "E.energy"}
    assert bench.words["E.energy"] == "contradicted: E: energy against power"
    # mended, it is believed again
    mended = counted(0.01)
    base = bench.machine.value[1]
    bench.run(9_000, lambda second: {**mended(second), "E.energy": base + mended(second)["E.energy"]}, step_s=5)
    assert bench.contradicted == set()


def test_a_coarse_counter_says_nothing_for_hours_and_then_the_truth():
    bench = Bench(energy_tags(1.0), {"a": 15}).run(4 * 3600, counted(1.0, 0.9), step_s=15)
    assert bench.ever == set()  # 96 steps of 1 kWh
    bench.run(14 * 3600, counted(1.0, 0.9), step_s=15)
    assert bench.contradicted == {"E.power", "E.energy"}


def test_a_counter_that_stood_still_from_the_beginning_waits_for_a_day():
    def shown(_second):
        return {"E.power": 24.0, "E.energy": 5000.0}

    bench = Bench(energy_tags(0.01), {"a": 30}).run(2 * 86_400, shown, step_s=30)
    assert bench.ever == set()
    bench.run(1.2 * 86_400, shown, step_s=30)
    assert bench.contradicted == {"E.power", "E.energy"}


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([0.001, 0.01, 0.1, 1.0]), st.sampled_from([5, 10, 15]), st.sampled_from([1, 30, 60, 900]),
    st.sampled_from([60, 150, 900, 10**9]), st.sampled_from([45, 300, 1800]),
)  # fmt: skip
def test_an_honest_counter_is_never_contradicted(scale, every_s, update_s, on_s, off_s):
    """Whatever its steps, however seldom it is read, however its pump cycles."""
    shown = counted(scale, update_s=update_s, on_s=on_s, off_s=off_s)
    assert Bench(energy_tags(scale), {"a": every_s}).run(4 * 3600, shown, step_s=every_s).ever == set()


def test_a_reset_an_exchange_and_a_hole_begin_the_comparison_anew():
    honest, base = counted(0.01), {"kwh": 0.0}

    def shown(second):
        values = honest(second)
        if second == 1500:
            base["kwh"] = -values["E.energy"]
        if second == 3000:
            base["kwh"] = 70_000.0
        if 4000 < second < 4100:
            return {"E.power": Sample(0, 0, None, Reason.COMMS), "E.energy": Sample(0, 0, None, Reason.COMMS)}
        return values | {"E.energy": values["E.energy"] + base["kwh"]}

    assert Bench(energy_tags(0.01), {"a": 5}).run(10_000, shown, step_s=5).ever == set()


# flows and levels

FLOWS = [
    tag(0, "W.flow", "m3/h", source="slow", high=400.0), tag(1, "A.flow", "m3/h", high=200.0),
    tag(2, "B.flow", "m3/h", high=200.0), tag(3, "T.level", "m", "i16", source="slow", scale=0.001, low=0.0, high=5.0),
    tag(4, "O.flow", "m3/h", high=400.0),
]  # fmt: skip
SUM = CrossCheck("main", "sum", whole="W.flow", parts=("A.flow", "B.flow"))
LEVEL = CrossCheck("tank", "level", level="T.level", area_m2=100.0, inflow=("W.flow",), outflow=("O.flow",))


@pytest.mark.parametrize(
    ("whole", "parts", "agrees"),
    [
        ((100.0, 0.0), [(60.0, 0.0), (40.0, 0.0)], True),
        ((104.0, 0.0), [(60.0, 0.0), (40.0, 0.0)], True),
        ((107.0, 0.0), [(60.0, 0.0), (40.0, 0.0)], False),
        ((107.0, 0.0), [(60.0, 1.0), (40.0, 1.0)], True),  # not sure enough to contradict
        ((107.0, 0.0), [(60.0, 2.0), (40.0, 2.0)], None),
        ((0.4, 0.0), [(0.0, 0.0), (0.0, 0.0)], True),  # next to nothing, whatever the percentage
        ((0.0, 0.0), [(60.0, 0.0), (-60.0, 0.0)], True),
    ],
)
def test_the_whole_is_the_sum_of_its_parts(whole, parts, agrees):
    assert sum_agrees(whole, parts, 0.05, 10.0) is agrees


def town(seed, wrong=1.0, cycle_s=300):
    """Two pumps that start and stop, their main, and a tank that they fill while a town draws from it."""
    noise, state = random.Random(seed), {"level": 2.0, "second": -1}

    def shown(second):
        a = 120.0 if second % cycle_s < 0.6 * cycle_s else 0.0
        b = 80.0 if (second + 77) % (2 * cycle_s) < cycle_s else 0.0
        draw = 100.0 + 30 * math.sin(second / 4000)
        state["level"] += (a + b - draw) * (second - state["second"]) / 3600 / 100
        state["second"] = second
        clean = {"A.flow": a, "B.flow": b, "W.flow": (a + b) * wrong, "O.flow": draw, "T.level": state["level"]}
        return {name: value * noise.gauss(1.0, 0.0008 if name == "T.level" else 0.006) for name, value in clean.items()}

    return shown


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 99), st.sampled_from([20, 60, 300, 1800]), st.sampled_from([1, 5, 15]))
def test_starts_stops_and_unequal_times_make_no_contradiction(seed, cycle_s, slow_s):
    bench = Bench(FLOWS, {"a": 1, "slow": slow_s}, [SUM, LEVEL]).run(3600, town(seed, cycle_s=cycle_s))
    assert bench.ever == set()


def test_a_main_that_shows_a_tenth_too_much_is_contradicted_by_its_pumps_and_by_the_tank():
    bench = Bench(FLOWS, {"a": 5, "slow": 5}, [SUM, LEVEL]).run(4 * 3600, town(1, wrong=1.15), step_s=5)
    assert bench.contradicted == {"W.flow", "A.flow", "B.flow", "T.level", "O.flow"}
    assert "tank" in bench.words["T.level"]


def test_a_source_that_is_gone_is_compared_with_nothing():
    right = town(1)

    def shown(second):
        gone = {"W.flow": Sample(0, 0, None, Reason.COMMS)} if second > 60 else {}
        return right(second) | gone

    assert Bench(FLOWS, {"a": 5, "slow": 5}, [SUM, LEVEL]).run(3600, shown, step_s=5).ever == set()


def test_a_level_that_moves_faster_than_the_largest_flow_can_move_it_is_too_fast():
    bench = Bench(FLOWS, {"a": 1, "slow": 1}, [LEVEL])
    bench.run(30, lambda _second: {"T.level": 2.0})
    bench.run(1, lambda _second: {"T.level": 2.10})  # 400 m3/h in 100 m2: 67 mm a minute, and 50 mm for waves
    assert bench.now["T.level"] == Reason.OK
    bench.run(1, lambda _second: {"T.level": 2.13})
    assert bench.now["T.level"] == Reason.RATE


# a pump that stands

PUMPED = [tag(0, "P.running", "1", "bit"), tag(1, "P.flow", "m3/h", low=-20.0, high=200.0)]


@pytest.mark.parametrize(("flow", "found"), [(0.0, False), (1.5, False), (-1.5, False), (3.0, True), (-8.0, True)])
def test_flow_through_a_pump_that_stands_is_a_leak_or_a_lying_sensor(flow, found):
    bench = Bench(PUMPED, {"a": 1}).run(600, lambda _second: {"P.running": 0.0, "P.flow": flow})
    assert bench.contradicted == ({"P.running", "P.flow"} if found else set())


def test_a_pump_that_starts_and_stops_leaks_nothing():
    def shown(second):
        on = second % 200 < 100
        return {"P.running": float(on), "P.flow": 100.0 if on else 60.0 * math.exp(-(second % 200 - 100) / 10)}

    assert Bench(PUMPED, {"a": 1}).run(3600, shown).ever == set()


# the configuration


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(GOLDEN / "config", tmp_path / "config")
    return tmp_path / "config"


def declare(tree, text):
    path = tree / "site.toml"
    path.write_text(f"{path.read_text()}\n[[crosscheck]]\n{text}\n")
    return tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'name="a"\nkind="sum"\nwhole="pump1.flwo"\nparts=["pump1.power"]',
            "whole: 'pump1.flwo' is not a known tag; did",
        ),
        ('name="a"\nkind="sum"\nwhole="pump1.flow"\nparts=["pump1.discharge_pressure"]', "differ in unit: bar, m3/h"),
        ('name="a"\nkind="sum"\nwhole="pump1.flow"\nparts=["pump1.flow"]', "names a tag twice"),
        ('name="a"\nkind="sum"\nwhole="pump1.flow"', "needs whole and parts"),
        ('name="a"\nkind="level"\nlevel="pump1.flow"\narea_m2=2\nmax_flow_m3h=9', "is in m3/h, not in m"),
        ('name="a"\nkind="level"\nlevel="pump1.flow"\narea_m2=2', "needs inflow and outflow for the balance, or"),
        ('name="a"\nkind="sun"\nwhole="pump1.flow"', "crosscheck.0.kind"),
    ],
)
def test_a_fault_in_a_declared_check_names_its_line_and_its_remedy(tree, text, expected):
    with pytest.raises(SettingsError) as caught:
        load(declare(tree, text))
    assert any(expected in fault and "site.toml: line" in fault for fault in caught.value.faults), caught.value.faults


def test_check_says_which_comparisons_are_made_and_which_want_a_tag(capsys):
    assert main(["check", "--config", str(Path(__file__).parents[2] / "config" / "example")]) == 0
    text = capsys.readouterr().out
    lines = text[text.index("CROSS-CHECKS") :].split("\n\n")[0].splitlines()
    assert "  flow of the whole against its parts: raw water, network, booster main" in lines
    assert "  power against voltage and current, as an upper bound only (no power_factor): N-M04, R-M02" in lines
    assert any(line.startswith("  not made, for want of a voltage beside power: N-P01,") for line in lines)
    assert len(lines) < 12


def test_a_plant_without_any_says_so(tree):
    lines = explain(plant((tag(0, "pump1.level", "m"),)))
    assert lines[0] == "  none"
    assert "no [[crosscheck]]" in lines[-1]


# what the comparisons are made of

drawn = st.tuples(st.sampled_from([1.0, 2.0, 5.0, 40.0]), st.sampled_from([None, 0.0, 3.0, 3.5, 100.0]), st.booleans())


@settings(max_examples=80, deadline=None)
@given(st.lists(drawn, max_size=60))
def test_means_over_time_are_what_a_plain_sum_says(story):
    """One tag, read slowly: a straight line between fit samples, a break where the next one comes too late."""
    bench = Bench([tag(0, "E.power", "kW")], {"a": 5})
    area = fuzz = covered = now_s = 0.0
    last, breaks = None, 0
    for dt_s, value, forced in story:
        now_s += dt_s
        sample = Sample(0, 0, value, Reason.FORCED if forced else Reason.COMMS if value is None else Reason.OK)
        bench.machine.check(batch_of("a", UTC, [sample]), now_s)
        bench.machine.tick(now_s)
        if value is None or forced:
            continue
        if last is None or now_s - last[0] > 15.0:
            breaks += 1
        else:
            area += (value + last[1]) / 2 * (now_s - last[0])
            fuzz += ((value - last[1]) / 2 * (now_s - last[0])) ** 2
            covered += now_s - last[0]
        last = now_s, value
    totals = bench.machine._sampling
    assert [totals.area[0], totals.fuzz[0], totals.covered[0]] == pytest.approx([area, fuzz, covered])
    assert totals.breaks[0] == breaks
