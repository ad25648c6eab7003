"""The lines as a whole: now and the past give one answer, no row sees a later one, and bad input is never healthy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health import Rated, curves, physics
from models.health.judged import RECENT_S
from models.health.lines import line_words, physics_lines
from models.health.state import STEADY, operating_state
from tests.models.health_series import pump

FULL = Rated(flow_m3h=100.0, head_m=42.0, power_kw=18.5, npsh_required_m=15.0, well_area_m2=6.0)


def broken(seed, rows=1500):
    """A pump with holes, jumps, odd speeds and every instrument that a line may rest on, and what others know of it."""
    random = np.random.default_rng(seed)
    frame = pump(rows, head_loss=0.05 * (seed % 3), seed=seed)
    frame["running"] = ((np.arange(rows) // random.integers(7, 60)) % 3 != 2).astype(float)
    frame["speed"] = 50.0 * frame["running"] * random.choice([1.0, 0.9, 0.5], rows)
    frame["starts"] = np.cumsum(random.random(rows) < 0.1)
    frame["winding_temperature"] = random.normal(129, 2, rows)
    frame["water_temperature"] = random.normal(12, 1, rows)
    for n, name in enumerate(("current_l1", "current_l2", "current_l3")):
        frame[name] = random.normal(30 + n * (seed % 4), 0.5, rows)
    frame.loc[frame["running"] == 0, "flow"] = random.normal(-1.5, 0.5, int((frame["running"] == 0).sum()))
    frame = frame.mask(random.random(frame.shape) < 0.05)
    for name in random.choice(frame.columns, 4, replace=False):  # instruments that were put in, or taken out, one day
        part = slice(0, int(random.integers(0, rows))) if random.random() < 0.7 else slice(rows // 2, rows)
        frame.iloc[part, frame.columns.get_loc(name)] = np.nan
    gap = int(random.integers(0, rows - 200))
    frame.iloc[gap : gap + int(random.integers(1, 200))] = np.nan
    level = 2 + 0.1 * np.cumsum(np.where(frame["running"].fillna(0) > 0, -1.0, 2.0))
    beside = {"level": np.asarray(level + random.normal(0, 0.01, rows)), "duty_share": random.normal(55, 5, rows),
              "others_running": (random.random(rows) < 0.005).astype(float)}  # fmt: skip
    return frame, beside


def learned(frame):
    rows = physics.derived(frame, FULL)
    state = operating_state(rows, FULL, 60)
    found = curves.fit_reference(rows[(state == STEADY).to_numpy()])
    return curves.Reference(found.curves, {**found.medians, "pump_down": 4.0})


REFERENCE = learned(pump())


def said(frame, beside, every_s=60.0, at=None):
    rows = physics.derived(frame, FULL)
    state = operating_state(rows, FULL, every_s).to_numpy(object)
    return rows, state, FULL, REFERENCE, None, every_s, beside


def cut(beside, part):
    return {name: column[part] for name, column in beside.items()}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 1500))
def test_now_and_the_past_give_the_same_answer_and_no_row_sees_a_later_one(seed, end):
    frame, beside = broken(seed)
    words = line_words(*said(frame, beside))
    lines = physics_lines(*said(frame.iloc[:end], cut(beside, slice(end))))
    told = {line.name: line.word for line in lines}
    assert {name: column[end - 1] for name, column in words.items() if name in told} == told
    missing = {name for name in words if name not in told}
    assert all(words[name][end - 1] == "cannot_tell" for name in missing)


def test_the_broken_pump_of_the_property_makes_every_line_speak():
    words = {}
    for seed in range(10):
        for name, column in line_words(*said(*broken(seed))).items():
            words.setdefault(name, set()).update(column)
    assert len(words) == 21
    assert [name for name, told in words.items() if not told - {"cannot_tell"}] == []


def test_rows_older_than_now_change_nothing_but_the_hours_outside_the_best_flow():
    frame, beside = broken(3)
    part = slice(len(frame) - int(RECENT_S / 60) - 200, None)
    whole, late = (
        {line.name: line for line in physics_lines(*said(frame.iloc[one], cut(beside, one)))}
        for one in (slice(None), part)
    )
    assert {n: one for n, one in whole.items() if n != "flow_range"} == {
        n: one for n, one in late.items() if n != "flow_range"
    }
