"""Every line of docs/physics_lines.md by pocket calculator: the page's arithmetic, and the program on its numbers."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.health import Limits, Rated, features, lines
from models.health.curves import Curve, Reference
from models.health.limits import STARTS_PER_H, VIBRATION_ZONES
from models.health.use import duty_shares, hours_run

PAGE = (Path(__file__).parents[2] / "docs/physics_lines.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`.*?\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
RATED = Rated(flow_m3h=100.0, head_m=30.0, power_kw=15.0, max_starts_per_h=10.0, npsh_required_m=6.5, well_area_m2=6.0)
PUMP = {"running": 1.0, "flow": 100.0, "head": 30.0, "power": 12.0}
ROWS = 120


def level(value):
    return Curve(value, 0.0, 0.0, 1.0, 1000.0, 0.0, 100)


def reference(**known):
    curves = {name: level(value) for name, value in known.items() if name.endswith("_n") or name[0] == "e"}
    return Reference(curves, {name: value for name, value in known.items() if name not in curves})


def judged(columns, known=None, limits=None, rated=RATED, beside=None, every_s=60.0, rows=ROWS):
    index = pd.date_range("2026-03-01", periods=rows, freq=f"{every_s:g}s", tz="UTC")
    values = features.clean(pd.DataFrame(columns, index=index, dtype=float), None)
    frame, state = features.derive(values, rated, every_s)
    told = lines.physics_lines(
        frame, state, rated, reference(**(known or {})), limits and replace(Limits(), **limits), every_s, beside
    )
    return {one.name: one for one in told}


def stands(**columns):
    return {**PUMP, "running": 0.0, "power": 0.0, **columns}


def warm(housing, air=12.0):
    return {**PUMP, "bearing_temperature": housing, "ambient_temperature": air}


def phases(*three):
    return {**PUMP, **{f"current_l{n}": one for n, one in enumerate(three, 1)}}


def inlet(bar, **more):
    return {**PUMP, "suction_pressure": bar, "water_temperature": 20.0, **more}


def well(down_min=6, up_min=12):
    """A well that fills by 1 m in `up_min` and is pumped down by 1 m in `down_min`, seen each minute."""
    phase = np.arange(ROWS) % (down_min + up_min)
    filling = phase < up_min
    height = np.where(filling, 1 + phase / up_min, 2 - (phase - up_min) / down_min)
    return {**PUMP, "running": (~filling).astype(float)}, {"level": height}


KNOWN = [  # line, columns, reference, limits -> value, word
    ("hydraulic_power", PUMP, {}, {}, 8.175, "info"),
    ("efficiency", PUMP, {"efficiency": 73.0}, {}, 68.125, "ok"),
    ("efficiency", PUMP, {"efficiency": 74.0}, {}, 68.125, "warn"),
    ("efficiency", PUMP, {"efficiency": 78.2}, {}, 68.125, "act"),
    ("efficiency", PUMP, {"efficiency": 74.0}, {"u_flow": 5.0}, 68.125, "cannot_tell"),
    ("efficiency", PUMP, {}, {}, 68.125, "cannot_tell"),
    ("specific_energy", PUMP, {}, {}, 0.12, "info"),
    ("energy_per_head", PUMP, {"energy_per_head": 0.00382}, {}, 0.004, "ok"),
    ("energy_per_head", PUMP, {"energy_per_head": 0.0038}, {}, 0.004, "cannot_tell"),
    ("energy_per_head", PUMP, {"energy_per_head": 0.0037}, {}, 0.004, "warn"),
    ("energy_per_head", PUMP, {"energy_per_head": 0.0036}, {}, 0.004, "act"),
    ("head_residual", PUMP, {"head_n": 30.9}, {}, -2.91, "ok"),
    ("head_residual", PUMP, {"head_n": 31.2}, {}, -3.85, "warn"),
    ("head_residual", PUMP, {"head_n": 32.0}, {}, -6.25, "act"),
    ("head_residual", PUMP, {"head_n": 31.2}, {"u_head": 2.0}, -3.85, "cannot_tell"),
    ("head_residual", PUMP, {"head_n": 28.0}, {}, 7.14, "ok"),
    ("power_residual", PUMP, {"power_n": 11.5}, {}, 4.35, "ok"),
    ("power_residual", PUMP, {"power_n": 11.3}, {}, 6.19, "warn"),
    ("power_residual", PUMP, {"power_n": 12.9}, {}, -6.98, "warn"),
    ("power_residual", PUMP, {"power_n": 10.8}, {}, 11.11, "act"),
    ("power_residual", PUMP, {"power_n": 11.3}, {"u_power": 4.0}, 6.19, "cannot_tell"),
    ("flow_range", {**PUMP, "flow": np.where(np.arange(ROWS) % 2, 60.0, 100.0)}, {}, {}, 50.42, "info"),
    ("vibration", {**PUMP, "vibration": 5.0}, {}, {}, 5.0, "ok"),
    ("vibration", {**PUMP, "vibration": 5.4}, {}, {}, 5.4, "cannot_tell"),
    ("vibration", {**PUMP, "vibration": 5.7}, {}, {}, 5.7, "warn"),
    ("vibration", {**PUMP, "vibration": 8.6}, {}, {}, 8.6, "act"),
    ("vibration_step", {**PUMP, "vibration": 2.7}, {"vibration": 1.5}, {}, 2.7, "ok"),
    ("vibration_step", {**PUMP, "vibration": 2.9}, {"vibration": 1.5}, {}, 2.9, "warn"),
    ("vibration_step", {**PUMP, "vibration": 0.1}, {"vibration": 1.5}, {}, 0.1, "warn"),
    ("vibration_step", {**PUMP, "vibration": 2.9}, {"vibration": 1.5}, {"u_vibration": 20.0}, 2.9, "cannot_tell"),
    ("vibration_step", {**PUMP, "vibration": 2.9}, {}, {}, 2.9, "cannot_tell"),
    ("bearing_temperature", warm(81.0), {}, {}, 81.0, "ok"),
    ("bearing_temperature", warm(83.0), {}, {}, 83.0, "cannot_tell"),
    ("bearing_temperature", warm(85.0), {}, {}, 85.0, "warn"),
    ("bearing_temperature", warm(95.5), {}, {}, 95.5, "act"),
    ("bearing_over_ambient", warm(48.0), {"bearing_over_ambient": 22.0}, {}, 36.0, "ok"),
    ("bearing_over_ambient", warm(50.0), {"bearing_over_ambient": 22.0}, {}, 38.0, "warn"),
    ("bearing_over_ambient", warm(54.5), {"bearing_over_ambient": 22.0}, {}, 42.5, "act"),
    ("bearing_over_ambient", warm(50.0), {"bearing_over_ambient": 22.0}, {"u_temperature_k": 6.0}, 38.0, "cannot_tell"),
    ("winding_temperature", {**PUMP, "winding_temperature": 129.0}, {}, {}, 129.0, "ok"),
    ("winding_temperature", {**PUMP, "winding_temperature": 131.0}, {}, {}, 131.0, "cannot_tell"),
    ("winding_temperature", {**PUMP, "winding_temperature": 133.0}, {}, {}, 133.0, "warn"),
    ("winding_temperature", {**PUMP, "winding_temperature": 156.0}, {}, {}, 156.0, "act"),
    ("current_imbalance", phases(10.0, 10.0, 10.7), {}, {}, 4.56, "ok"),
    ("current_imbalance", phases(10.0, 10.0, 11.5), {}, {}, 9.52, "warn"),
    ("current_imbalance", phases(10.0, 10.0, 11.8), {}, {}, 11.32, "act"),
    ("current_imbalance", phases(10.0, 10.0, 10.85), {}, {"u_current": 3.0}, 5.51, "cannot_tell"),
    ("npsh_margin", inlet(0.5), {}, {}, 2.34, "ok"),
    ("npsh_margin", inlet(-0.30), {}, {}, 1.08, "cannot_tell"),
    ("npsh_margin", inlet(-0.35), {}, {}, 1.00, "warn"),
    ("npsh_margin", inlet(-0.40), {}, {}, 0.925, "act"),
    ("cavitation", inlet(-0.35, vibration=2.9), {"vibration": 1.5}, {}, 2.9, "warn"),
    ("cavitation", inlet(0.5, vibration=2.9), {"vibration": 1.5}, {}, 2.9, "ok"),
    ("cavitation", inlet(-0.35, vibration=2.6), {"vibration": 1.5}, {}, 2.6, "ok"),
    ("cavitation", inlet(-0.30, vibration=2.9), {"vibration": 1.5}, {}, 2.9, "cannot_tell"),
    ("starts_per_h", {**PUMP, "starts": np.arange(ROWS) // 6}, {}, {}, 10.0, "ok"),
    ("starts_per_h", {**PUMP, "starts": np.arange(ROWS) // 5}, {}, {}, 12.0, "warn"),
    ("leak_back", stands(flow=-0.9), {}, {}, 0.9, "ok"),
    ("leak_back", stands(flow=-1.5), {}, {}, 1.5, "warn"),
    ("leak_back", stands(flow=-2.1), {}, {}, 2.1, "act"),
    ("leak_back", stands(flow=-1.5), {}, {"u_zero_flow": 1.0}, 1.5, "cannot_tell"),
    ("leak_back", stands(flow=3.0), {}, {}, -3.0, "ok"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "columns", "known", "limits", "value", "word"), KNOWN)
def test_a_line_on_one_side_of_its_limit_on_the_other_and_inside_its_uncertainty(
    name, columns, known, limits, value, word
):
    line = judged(columns, known, limits)[name]
    assert (line.value, line.word) == (
        pytest.approx(value, abs=0.005 * max(1, abs(value)) if value > 1 else 0.0051),
        word,
    )
    if word == "cannot_tell":
        assert "uncertainty" in line.note or "no reference" in line.note


@pytest.mark.parametrize(("known", "word"), [(3.55, "ok"), (3.4, "warn"), (3.0, "act")])
def test_a_well_that_is_pumped_down_more_slowly_than_as_installed(known, word):
    columns, beside = well()
    line = judged(columns, {"pump_down": known}, beside=beside)["pump_down"]
    assert (line.value, line.word) == (pytest.approx(4.0), word)
    assert judged(columns, beside=beside)["well_flow"].value == pytest.approx(90.0)


def test_a_pump_down_inside_the_uncertainty_of_the_level_cannot_tell():
    columns, beside = well()
    line = judged(columns, {"pump_down": 3.45}, {"u_level_m": 0.065}, beside=beside)["pump_down"]
    assert (line.word, line.note) == ("cannot_tell", "past the line, but inside the measurement uncertainty")


def test_of_several_pumps_on_one_well_only_cycles_with_this_one_alone_count():
    columns, beside = well()
    helped = {**beside, "others_running": columns["running"]}
    line = judged(columns, {"pump_down": 3.0}, beside=helped)["pump_down"]
    assert (line.word, line.value) == ("cannot_tell", None)
    assert line.note == "needs 5 pump-downs with this pump alone, each of 3 rows and more, has 0"


def test_a_well_that_rises_faster_than_it_is_fed_shows_what_leaks_back():
    height = {"level": 1 + np.arange(ROWS) / 60 * 5.0, "inflow": np.full(ROWS, 28.5)}
    columns = {"running": 0.0}
    line = judged(columns, limits={"u_level_m": 0.001}, beside=height)["leak_back"]
    assert (line.value, line.word) == (pytest.approx(1.5), "warn")  # 6 m2 x 5 m/h - 28.5 m3/h, of 100
    unsure = judged(columns, limits={"u_level_m": 0.001, "u_flow": 3.0}, beside=height)["leak_back"]
    assert (unsure.word, unsure.note) == ("cannot_tell", "past the line, but inside the measurement uncertainty")


def test_the_share_of_a_duty_is_told_by_the_hours_of_thirty_days():
    index = pd.date_range("2026-01-01", periods=40 * 24, freq="h", tz="UTC")
    hour = np.arange(len(index)) % 10
    hours = pd.DataFrame({"a": (hour < 7).astype(float), "b": (hour >= 7).astype(float)}, index)
    shares = duty_shares(hours, 3600.0)
    assert shares["a"].iloc[-1] == pytest.approx(70.0)
    assert shares["b"].iloc[-1] == pytest.approx(30.0)
    assert shares.iloc[: 19 * 24].isna().all(axis=None)
    for name, word in (("a", "warn"), ("b", "warn")):
        beside = {"duty_share": shares[name].to_numpy()[-ROWS:]}
        assert judged(PUMP, beside=beside)["duty_balance"].word == word
    assert judged(PUMP, beside={"duty_share": np.full(ROWS, 59.0)})["duty_balance"].word == "ok"
    unknown = judged(PUMP, beside={"duty_share": np.full(ROWS, np.nan)})["duty_balance"]
    assert (unknown.word, unknown.note[:30]) == ("cannot_tell", "needs 20 known days of 30 of e")


def test_three_pumps_share_evenly_at_fifty_and_a_pump_alone_has_no_balance():
    index = pd.date_range("2026-01-01", periods=30 * 24, freq="h", tz="UTC")
    hours = pd.DataFrame(1.0, index, ["a", "b", "c"])
    assert duty_shares(hours, 3600.0).iloc[-1].tolist() == [50.0] * 3
    assert duty_shares(hours[["a"]], 3600.0).isna().all(axis=None)
    assert duty_shares(hours * 0, 3600.0).isna().all(axis=None)


def test_hours_run_come_from_the_counter_and_an_exchanged_counter_tells_nothing():
    values = pd.DataFrame({"run_hours": [10.0, 11.0, np.nan, 12.5, 3.0]}, pd.date_range("2026", periods=5, freq="h"))
    assert hours_run(values, RATED, 3600).fillna(-1).tolist() == [-1, 1.0, -1, 1.5, -1]
    running = pd.DataFrame({"running": [1.0, 0.5, 0.0]}, values.index[:3])
    assert hours_run(running, RATED, 3600).tolist() == [1.0, 0.5, 0.0]


def test_rows_of_ten_minutes_cannot_show_that_a_pump_starts_too_often():
    columns = {"running": np.arange(ROWS) % 2}
    line = judged(columns, every_s=600.0)["starts_per_h"]
    assert (line.word, line.value) == ("cannot_tell", pytest.approx(3.0))
    assert line.note == "rows of 600 s show at most 3 starts per hour; needs the counter of starts"
    assert judged({**columns, "starts": np.arange(ROWS) * 2}, every_s=600.0)["starts_per_h"].word == "warn"


def test_the_outlet_that_falls_to_the_inlet_after_a_stop_is_a_hint_and_no_more():
    on = np.arange(ROWS) < 60
    line = judged({"running": on, "suction_pressure": 1.0, "discharge_pressure": np.where(on, 4.0, 1.1)})[
        "pressure_held"
    ]
    assert (line.word, line.value) == ("info", pytest.approx(100 * 0.1 / 3.0))
    assert "check valve" in line.note
    held = judged({"running": on, "suction_pressure": 1.0, "discharge_pressure": np.where(on, 4.0, 3.5)})[
        "pressure_held"
    ]
    assert (held.word, held.note) == ("info", "")


def test_the_random_part_of_an_uncertainty_falls_with_the_number_of_rows_and_the_systematic_part_stays():
    noise = np.random.default_rng(4).normal(4.0, 0.3, ROWS)
    many = judged({**PUMP, "vibration": noise})["vibration"].uncertainty
    few = judged({**PUMP, "vibration": np.where(np.arange(ROWS) < ROWS - 6, np.nan, noise)})["vibration"].uncertainty
    assert 0.05 * 5.1 < many < few
    scatter = 1.4826 * np.median(np.abs(noise[-15:] - np.median(noise[-15:])))
    assert many == pytest.approx(math.hypot(0.255, 1.2533 * scatter / math.sqrt(15)))


def test_a_pump_of_one_day_without_any_reference_is_judged_by_everything_that_needs_none():
    columns = {**warm(60.0), **phases(10.0, 10.0, 10.1), "vibration": 2.0, "winding_temperature": 90.0,
               "suction_pressure": 0.5, "starts": np.arange(1440) // 720,
               "running": np.abs(np.arange(1440) - 1150) > 50}  # fmt: skip
    columns["flow"] = np.where(columns["running"], 100.0, 0.0)
    told = judged(columns, rows=1440, beside={"duty_share": np.full(1440, 52.0)})
    for name in ("vibration", "bearing_temperature", "winding_temperature", "current_imbalance", "starts_per_h",
                 "npsh_margin", "duty_balance", "leak_back"):  # fmt: skip
        assert told[name].word == "ok", told[name]
    for name in ("efficiency", "energy_per_head", "head_residual", "power_residual", "vibration_step", "cavitation",
                 "bearing_over_ambient"):  # fmt: skip
        assert (told[name].word, told[name].note) == ("cannot_tell", "no reference of this pump yet"), told[name]


def test_a_line_whose_instrument_is_missing_is_not_there_and_one_whose_nameplate_is_says_so():
    assert set(judged({"running": 1.0, "vibration": 2.0})) == {"vibration", "vibration_step", "starts_per_h"}
    bare = judged(stands(flow=-5.0), rated=Rated())
    assert (bare["leak_back"].word, bare["leak_back"].note) == ("cannot_tell", "needs the rated flow of this pump")
    assert not {"npsh_margin", "starts_per_h", "flow_range"} & set(bare)


ALL = {**inlet(0.5), **warm(50.0), **phases(10.0, 10.0, 10.5), "vibration": 2.0, "winding_temperature": 90.0,
       "discharge_pressure": 3.0, "starts": 3.0, "speed": 50.0}  # fmt: skip
FULL = {"level": np.full(ROWS, 2.0), "duty_share": np.full(ROWS, 50.0), "inflow": np.zeros(ROWS)}


def test_all_bad_input_cannot_tell_and_is_never_healthy():
    dark = judged({name: np.nan for name in ALL}, beside={name: one * np.nan for name, one in FULL.items()})
    assert len(dark) > 18
    assert {(one.word, one.value) for one in dark.values()} == {("cannot_tell", None)}
    assert all(one.note for one in dark.values())


@pytest.mark.parametrize("constant", [0.0, 1.0, -1.0, 1e12])
@pytest.mark.filterwarnings("error")
def test_a_tag_that_never_moves_never_divides_by_zero(constant):
    for running in (0.0, 1.0):
        told = judged({**{name: constant for name in ALL}, "running": running}, beside=FULL)
        for one in told.values():
            assert all(
                number is None or math.isfinite(number) for number in (one.value, one.uncertainty, one.reference)
            )


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_a_pump_of_another_size_has_the_same_words(scale):
    """Flow and power times the same number, reference and nameplate too: only the numbers shown differ."""
    for _name, columns, known, limits, _value, _word in KNOWN:
        if "starts" in columns or "vibration" in columns:
            continue
        other = {**columns, "flow": columns["flow"] * scale, "power": columns["power"] * scale}
        bigger = {name: one * scale if name == "power_n" else one for name, one in known.items()}
        rated = replace(RATED, flow_m3h=100.0 * scale)
        one, two = judged(columns, known, limits), judged(other, bigger, limits, rated)
        assert {name: line.word for name, line in one.items()} == {name: line.word for name, line in two.items()}


def test_each_line_has_its_section_on_the_page_and_none_is_missing():
    columns, beside = well()
    told = set(judged({**ALL, "running": columns["running"]}, beside={**FULL, **beside}))
    assert told == set(SECTIONS)


@pytest.mark.parametrize(
    ("name", "told"), [(n, t) for n, s in SECTIONS.items() for t in re.findall(r"By hand: (.+)", s)]
)
def test_the_arithmetic_of_the_page_is_right(name, told):
    for part in told.rstrip(".").split(";"):
        left, right = part.split("=")
        result = re.match(r"\s*(-?\d+(?:\.\d+)?)", right)[1]
        for sign, python in (("×", "*"), ("−", "-"), ("²", "**2"), ("³", "**3"), ("√", "math.sqrt"), ("^", "**")):
            left = left.replace(sign, python)
        assert re.fullmatch(r"[\d\s.+*/()\-]*(math\.sqrt[\d\s.+*/()\-]*)*", left), left
        digits = len(result.partition(".")[2])
        assert round(eval(left), digits) == pytest.approx(float(result), abs=1.01 * 10**-digits), (name, part)


@pytest.mark.parametrize("name", sorted(set(SECTIONS) - {"duty_balance", "pressure_held", "pump_down", "well_flow"}))
def test_the_program_says_of_the_page_s_numbers_what_the_page_says(name):
    value = float(re.search(r"By hand: .*?= (-?\d+(?:\.\d+)?)", SECTIONS[name])[1])
    found = [known for known in KNOWN if known[0] == name and known[4] == pytest.approx(value, rel=0.01, abs=0.005)]
    assert found, f"the page's example of {name} is none of the known answers"


def test_the_limits_of_the_page_are_those_of_the_program():
    told = {name: value for name, value in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.M)}
    defaults = {name: getattr(Limits(), name) for name in Limits.__dataclass_fields__ if name != "vibration"}
    assert {name: tuple(float(one) for one in value.split("/")) for name, value in told.items()} == {
        name: value if isinstance(value, tuple) else (value,) for name, value in defaults.items()
    }
    zones = re.findall(r"^\| (\w+) \| ([^|]+) \| ([\d.]+) / ([\d.]+) / ([\d.]+) \|", PAGE, re.M)
    expected = [(name, up_to, lines_) for name, rows in VIBRATION_ZONES.items() for up_to, lines_ in rows]
    assert [(n, math.inf if "to" not in p else float(p.split()[-2]), (float(a), float(b), float(c)))
            for n, p, a, b, c in zones] == expected  # fmt: skip
    starts = re.search(r"Up to kW: starts: (.+)\.", PAGE)[1]
    assert starts == "; ".join(f"{'above' if math.isinf(kw) else f'{kw:g}'}: {n:g}" for kw, n in STARTS_PER_H)
