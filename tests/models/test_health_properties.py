"""What must hold of every model whatever the data: no future, no units, no order, no alert out of nothing."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health import Rated, fit, from_parts, walk
from models.health.features import NO_SIGNAL
from monitor.plant import QUANTITIES

TAGS = ("oil_temperature", "thrust", "torque")  # of no law: seen as they are
quick = settings(max_examples=12, deadline=None)


def asset(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Three tags that follow one load, each with noise of its own, at one row a minute."""
    random = np.random.default_rng(seed)
    load = 1 + 0.2 * np.sin(np.arange(rows) / 25)
    values = load[:, None] * [4.0, 12.0, 25.0] + random.normal(0, [0.02, 0.1, 0.2], (rows, 3))
    times = pd.date_range("2026-01-01", periods=rows, freq="min", tz="UTC")
    return pd.DataFrame(values, times, list(TAGS)).assign(running=1.0)


@pytest.fixture(scope="module")
def model():
    return fit(asset(1200), None, Rated())


def same(one, other, rows=slice(None)):
    """Both walks say the same of these rows, to the last bit of what linear algebra gives."""
    assert one.word[rows].tolist() == other.word[rows].tolist()
    assert one.state[rows].tolist() == other.state[rows].tolist()
    assert one.why[rows].tolist() == other.why[rows].tolist()
    np.testing.assert_allclose(one.score[rows], other.score[rows], rtol=1e-6)
    np.testing.assert_allclose(one.shares[rows], other.shares[rows], rtol=1e-3, atol=1e-3)


@quick
@given(cut=st.integers(1, 199), what=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -5.0, 1e9]), gone=st.booleans())
def test_whatever_comes_later_changes_nothing(model, cut, what, gone):
    seen = asset(200, 1)
    other = seen.iloc[:cut] if gone else seen.copy()
    other.iloc[cut:] = what
    same(walk(model, seen), walk(model, other), slice(cut))


@quick
@given(factors=st.tuples(*[st.floats(1e-4, 1e6)] * 3))
def test_the_unit_of_a_tag_changes_nothing(model, factors):
    scale = dict(zip(TAGS, factors, strict=True))
    seen = asset(200, 1)
    seen.iloc[150:, 1] *= 1.5
    other = fit(asset(1200).assign(**{tag: asset(1200)[tag] * by for tag, by in scale.items()}), None, Rated())
    same(walk(model, seen), walk(other, seen.assign(**{tag: seen[tag] * by for tag, by in scale.items()})))


@quick
@given(order=st.permutations([*TAGS, "running"]))
def test_the_order_of_columns_changes_nothing(model, order):
    assert fit(asset(1200)[order], None, Rated()).sha256 == model.sha256
    same(walk(model, asset(200, 1)), walk(model, asset(200, 1)[order]))


@quick
@given(bad=st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), min_size=4, max_size=4), rows=st.integers(1, 60))
def test_input_that_is_all_bad_is_unknown_and_never_an_alert(model, bad, rows):
    seen = asset(100 + rows, 1)
    seen.iloc[100:] = bad
    words = walk(model, seen).word
    assert not {"alert", "warning"} & set(words)
    assert set(words[115:]) <= {"unknown"}
    assert set(walk(model, seen.iloc[100:]).word) == {"unknown"}


@quick
@given(value=st.sampled_from([0.0, 1e-300, 1e-9, -3.0, 1.0, 1e12]), tag=st.sampled_from(TAGS))
def test_a_constant_tag_never_divides_by_zero(value, tag):
    with np.errstate(divide="raise", invalid="raise"):
        found = walk(fit(asset(400).assign(**{tag: value}), None, Rated()), asset(200, 1).assign(**{tag: value}))
    assert set(found.word[60:]) == {"normal"}
    assert np.isfinite(found.score[60:]).all()


def test_no_status_is_a_signal():
    """Whatever is 0 or 1, or only counts, has no share in any score."""
    kinds = {name for name, (_, kind) in QUANTITIES.items() if kind != "analog"}
    assert kinds <= NO_SIGNAL


@quick
@given(
    flips=st.lists(st.integers(0, 199), max_size=30), name=st.sampled_from(["vendor_flag", "selector", "alarm_code"])
)
def test_a_status_changes_no_score(model, flips, name):
    status = np.zeros(200)
    status[flips] = 1.0
    with_status = fit(asset(1200).assign(**{name: np.arange(1200) % 7 == 0}), None, Rated())
    same(walk(model, asset(200, 1)), walk(with_status, asset(200, 1).assign(**{name: status})))


@quick
@given(start=st.integers(1, 250), rows=st.integers(1, 140), gone=st.booleans())
def test_a_gap_alone_raises_no_alert(model, start, rows, gone):
    seen = asset(400, 1)
    hole = slice(start, start + rows)
    if gone:
        seen = seen.drop(seen.index[hole])
    else:
        seen.iloc[hole] = np.nan
    assert set(walk(model, seen).word) <= {"normal", "unknown"}


@quick
@given(where=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 2)), max_size=40))
def test_infinite_values_are_missing_values(model, where):
    infinite, missing = asset(200, 1), asset(200, 1)
    for n, (row, column) in enumerate(where):
        infinite.iloc[row, column] = np.inf if n % 2 else -np.inf
        missing.iloc[row, column] = np.nan
    same(walk(model, infinite), walk(model, missing))


def test_rows_that_are_doubled_or_out_of_order_are_refused_in_words(model):
    seen = asset(60)
    with pytest.raises(ValueError, match=r"00:09:00.*comes after.*00:10:00.*sort them"):
        walk(model, seen.iloc[[*range(9), 10, 9, *range(11, 60)]])
    with pytest.raises(ValueError, match="keep one row for each time"):
        fit(seen.iloc[[0, 0, *range(1, 60)]], None, Rated())


def test_learning_twice_and_storing_lose_not_one_bit(model):
    file = io.BytesIO()
    np.savez(file, **model.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        stored = from_parts(json.loads(json.dumps(model.to_json())), dict(arrays))
    assert fit(asset(1200), None, Rated()).sha256 == stored.sha256 == model.sha256
    seen = asset(200, 1)
    assert walk(stored, seen).score.tobytes() == walk(model, seen).score.tobytes()


WIDE = """
import numpy as np, pandas as pd
from models.health import Rated, fit
random = np.random.default_rng(0)
load = random.normal(size=(3000, 8)).cumsum(axis=0) / 100
values = load @ random.normal(size=(8, 50)) + random.normal(0, 0.1, (3000, 50))
times = pd.date_range("2026-01-01", periods=3000, freq="min", tz="UTC")
print(fit(pd.DataFrame(values, times).rename(columns="q{}".format).assign(running=1.0), None, Rated()).sha256)
"""


def test_another_process_with_another_number_of_threads_learns_the_same_bytes():
    """Wide enough that without the limit in `fit` the last bits differ between one thread and two."""
    found = []
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", WIDE], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        found.append(done.stdout)
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64
