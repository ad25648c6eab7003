"""Rows from elsewhere: each finds its day, the same rows brought twice add nothing, and none replaces what we read."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from monitor.historian.history import HistoryError, add_rows, cold_of, fold, read
from monitor.historian.hot import HotFile
from monitor.state import State
from tests.monitor.plants import plant

MIDNIGHT_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
DAY_MS = 86_400_000
FACTS = {"pump1.flow": {"asset": "pump1", "quantity": "flow", "unit": "m3/h"}}
ALL = (0, 2**62)


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def rows(times_ms: list[int], values: list[float], reason: Reason = Reason.IMPORTED) -> dict:
    return {
        "tag": ["pump1.flow"] * len(times_ms),
        "receive_ms": np.array(times_ms),
        "value": values,
        "reasons": np.full(len(times_ms), int(reason)),
    }


def test_rows_of_several_days_lie_each_in_its_own_and_the_same_rows_again_add_nothing(state):
    cold = cold_of(state)
    given = rows([MIDNIGHT_MS + DAY_MS, MIDNIGHT_MS - 1, MIDNIGHT_MS], [3.0, 1.0, float("nan")])
    files = add_rows(cold, "G", given, FACTS, origin={"file": "old.csv", "at": "2026-11-25T08:00:00Z"})
    assert [file.split("/")[-2] for file in files] == [f"date=2026-11-2{n}" for n in (2, 3, 4)]
    backwards = {name: np.asarray(column)[::-1] for name, column in given.items()}
    assert add_rows(cold, "G", backwards, FACTS, origin={"file": "copy.csv"}) == []
    found = read(state, ["pump1.flow"], *ALL)
    assert found["value"].fillna(-1).tolist() == [1.0, -1.0, 3.0]
    assert set(found["reasons"]) == {int(Reason.IMPORTED)}
    assert found["quality"].eq(0).all()

    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert [path.name for path in sorted(state.history.glob("*/*/*.parquet"))][:2] == ["part-0.parquet"] * 2
    told = json.loads(pq.read_metadata(state.history / "site=G/date=2026-11-22/part-0.parquet").metadata[
        b"handwheel.origins"])  # fmt: skip
    assert list(told.values()) == [{"file": "old.csv", "at": "2026-11-25T08:00:00Z"}]
    assert add_rows(cold, "G", given, FACTS, origin={}) == [], "also after the day became one file"
    assert len(read(state, ["pump1.flow"], *ALL)) == 3


def test_two_rows_of_one_tag_and_ms_both_stay_also_beside_a_measured_one(state):
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    hot.append([batch_of("s", MIDNIGHT_MS * 1000, [Sample(0, 0, 9.0)])], MIDNIGHT_MS)
    hot.close()
    add_rows(cold_of(state), "G", rows([MIDNIGHT_MS] * 2, [7.0, 7.0], Reason.MANUAL), FACTS, origin={})
    for _ in range(2):
        found = read(state, ["pump1.flow"], *ALL)
        assert sorted(found["value"]) == [7.0, 7.0, 9.0]
        assert sorted(found["quality"]) == [0, 1, 1]
        fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    add_rows(cold_of(state), "G", rows([MIDNIGHT_MS + 5], [8.0]), FACTS, origin={})
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert len(list(state.history.glob("*/*/*.parquet"))) == 1
    assert sorted(read(state, ["pump1.flow"], *ALL)["value"]) == [7.0, 7.0, 8.0, 9.0]


def test_rows_that_could_be_taken_for_measured_ones_are_a_bug(state):
    with pytest.raises(ValueError, match="carry the reason imported or manual"):
        add_rows(cold_of(state), "G", rows([MIDNIGHT_MS], [1.0], Reason.OK), FACTS, origin={})


def test_a_time_in_the_wrong_unit_or_a_tag_without_facts_is_refused_and_nothing_is_written(state):
    with pytest.raises(HistoryError, match="outside the years"):
        add_rows(cold_of(state), "G", rows([MIDNIGHT_MS, MIDNIGHT_MS * 1000], [1.0, 2.0]), FACTS, origin={})
    with pytest.raises(HistoryError, match="no facts were given of tag"):
        add_rows(cold_of(state), "G", rows([MIDNIGHT_MS], [1.0]), {}, origin={})
    assert list(state.history.iterdir()) == []
