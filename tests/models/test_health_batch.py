"""A fleet judged at once: each asset is told what it would be told alone, whatever it is, lacks, or does just then."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health import HealthModel, Limits, Past, Question, Rated, assess, assess_all, fit, walk
from models.health.batch import good_share_of
from models.health.features import clean
from models.health.physics import arrays
from tests.models.health_series import RATED, pump

ROWS = 1000
FULL = replace(RATED, npsh_required_m=6.0, well_area_m2=6.0, gauge_height_m=0.4)


def rich(rows, seed=1, **faults):
    """A pump with every instrument that a law or line may rest on."""
    frame = pump(rows, seed=seed, **faults)
    frame["speed"] = 49.0 * frame["running"]
    frame["current"] = 1.7 * frame["power"]
    for n, name in enumerate(("current_l1", "current_l2", "current_l3")):
        frame[name] = 30.0 + 0.1 * n + np.random.default_rng(seed + n).normal(0, 0.1, rows)
    frame["starts"] = np.cumsum(frame["running"].diff().clip(lower=0).fillna(0))
    return frame


@cache
def fleet():
    """Models of six kinds, some of the same kind with other numbers."""
    full = fit(rich(2 * 1440), None, FULL)
    other = fit(rich(2 * 1440, seed=2), None, replace(FULL, flow_m3h=110.0, power_kw=30.0, gauge_height_m=0.0))
    plain = fit(pump(), None, RATED)
    estimated = fit(pump(), None, replace(RATED, estimated=("flow",)))
    few = fit(pump()[["running", "vibration", "bearing_temperature", "ambient_temperature"]], None, Rated())
    return full, other, plain, estimated, few, HealthModel(RATED, 60.0)


ENDS = {"running": 700, "off": 900, "starting": 961, "late": 1000, "settling": 724}


def seen_by(model, seed, what):
    """The rows of one pump until something happens, with single values lost."""
    make = rich if "speed" in model.eyes.inputs else pump
    frame = make(ROWS, seed=seed, head_loss=0.1 if what == "worn" else 0.0).iloc[: ENDS.get(what, 700)]
    frame = frame.iloc[len(frame) - 660 :].copy()
    random = np.random.default_rng(seed)
    frame = frame.mask(random.random(frame.shape) < 0.02 * random.integers(0, 3))
    if what == "gap":
        frame.iloc[-150:-5] = np.nan
    elif what == "dead":
        frame.iloc[-100:] = np.nan
    elif what == "frozen":
        frame.iloc[-400:, frame.columns.get_loc("bearing_temperature")] = 31.0
    elif what == "hole":
        start, tag = int(random.integers(0, 600)), random.choice(frame.columns)
        frame.iloc[start : start + int(random.integers(1, 400)), frame.columns.get_loc(tag)] = np.nan
    elif what == "beyond":
        frame = frame * [3.0 if name in ("flow", "power") else 1.0 for name in frame]
        frame["ambient_temperature"] += 80.0
    kept = [name for name in frame if name in {*model.eyes.inputs, "running", "starts"}] or list(frame)
    return frame[kept]


def beside_of(kind, rows, seed):
    random = np.random.default_rng(seed)
    level = {"level": 2 + np.abs(np.arange(rows) % 18 - 9) / 9.0, "others_running": np.zeros(rows)}
    return {0: {}, 1: {"duty_share": random.normal(55, 5, rows)}, 2: level}[kind]


HAPPENS = (*ENDS, "worn", "gap", "dead", "frozen", "hole", "beyond")
ASSETS = st.tuples(st.integers(0, 5), st.integers(1, 99), st.sampled_from(HAPPENS), st.integers(0, 2), st.booleans())


def told(assessments):
    """Every number to its last digit; NaN is NaN."""
    return [*map(repr, assessments)]


def questions(assets):
    for which, seed, what, other, strict in assets:
        model = fleet()[which]
        frame = seen_by(model, seed, what)
        share = frame.notna().astype(float) * np.random.default_rng(seed).choice(
            [0.3, 0.9, 1.0], frame.shape, p=[0.01, 0.19, 0.8]
        )
        limits = Limits(head_percent=(0.1, 0.2)) if strict else Limits()
        beside = beside_of(other, len(frame), seed)
        named = clean(frame, share)
        times_us = pd.DatetimeIndex(frame.index).as_unit("us").asi8
        past = Past(times_us, arrays(named), good_share_of(share.to_numpy().T))
        yield Question(model, past, limits, beside), (model, frame, share, limits, beside)


@settings(max_examples=10, deadline=None)
@given(st.lists(ASSETS, min_size=1, max_size=12))
def test_a_fleet_judged_at_once_is_told_what_each_asset_is_told_alone(assets):
    asked, alone = zip(*questions(assets), strict=True)
    assert told(assess_all(asked)) == told(assess(*one) for one in alone)


@settings(max_examples=15, deadline=None)
@given(ASSETS)
def test_an_assessment_is_the_last_row_of_a_walk_whatever_happens(asset):
    ((_asked, (model, frame, share, limits, beside)),) = questions([asset])
    found, past = assess(model, frame, share, limits, beside), walk(model, frame, share, limits, beside)
    assert found.state == ("unknown" if found.reasons == ("no good data",) else past.state[-1])
    assert (found.index is None) == bool(np.isnan(past.index[-1]))
    assert {line.name: line.word for line in found.lines if line.name != "frozen"} == {
        name: words[-1] for name, words in past.lines.items()
    }
    if found.index is None:
        assert found.reasons == (past.why[-1],)
        return
    assert found.index == pytest.approx(past.index[-1], rel=1e-9)
    for name, column in (("share", past.shares), ("value", past.value), ("expected", past.expected)):
        now = [(one.quantity, getattr(one, name)) for one in found.contributions]
        walked = [float(column[-1, past.features.index(quantity)]) for quantity, _ in now]
        assert [np.nan if one is None else one for _, one in now] == pytest.approx(
            walked, rel=1e-4, abs=1e-3, nan_ok=True
        )


def test_all_that_can_be_said_is_said_in_these_fleets():
    """The properties above meet alerts, unknowns, frozen sensors, models that step back, and full blocks."""
    assets = [(which, seed, what, seed % 3, False) for seed in range(2) for what in HAPPENS for which in range(6)]
    asked, alone = zip(*questions(assets), strict=True)
    assert len(asked) > 6 * 2 * 10
    said = assess_all(asked)
    assert told(said[::29]) == told(assess(*one) for one in alone[::29])
    for one in said:
        json.dumps(one.to_dict(), allow_nan=False)
    assert {one.word for one in said} >= {"normal", "alert", "unknown"}
    assert {one.state for one in said} >= {"steady", "off", "starting", "unknown"}
    reasons = " ".join(reason for one in said for reason in one.reasons)
    for words in ("no good data", "outside the learned", "the index is that of", "judged without it", "no reference",
                  "fewer than"):  # fmt: skip
        assert words in reasons, words
    assert any(line.name == "frozen" for one in said for line in one.lines)
    assert len({line.name for one in said for line in one.lines}) >= 19


def test_what_goes_to_the_screen_has_plain_values_and_the_three_largest_contributions():
    found = assess(fleet()[0], rich(300), None)
    told = found.to_dict()
    assert [one["quantity"] for one in told["contributions"]] == [one.quantity for one in found.top]
    assert told["lines"][0]["name"] == found.lines[0].name
    assert told["index"] == found.index and "top" not in told


def test_nobody_asked_nothing_said():
    assert assess_all([]) == []
