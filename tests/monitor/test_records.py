"""The ledger as tables: every kind is there, also where nothing was recorded."""

from pathlib import Path

import pytest

from monitor.ledger import KINDS, Ledger
from monitor.records import tables
from monitor.state import State

AT = 1_795_440_125_800_000


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def test_a_place_without_a_ledger_gives_empty_tables_with_their_columns(state):
    found = tables(state)
    assert set(found) == set(KINDS)
    assert all(len(frame) == 0 for frame in found.values())
    assert {"n", "at_us", "asset", "grade", "wear_pct", "blind_to_alert"} <= set(found["finding"].columns)


def test_entries_become_rows_of_their_kind_with_what_was_recorded(state):
    ledger = Ledger(state)
    finding = {
        "wo_id": "WO-881",
        "grade": "B",
        "wear_pct": "30 %",
        "inspector_party": "utility",
        "blind_to_alert": False,
    }
    ledger.append(
        "finding", finding, at_us=AT, via="screen", role="maintenance", site="G", asset="pump1", component="seal"
    )
    ledger.append("finding", finding | {"cause": "grit"}, at_us=AT + 1_000_000, via="screen", asset="pump1")
    verdict = {"asset": "pump1", "component": "seal", "word": "vendor_only", "since": "", "final": False, "reason": ""}
    ledger.append("verdict", verdict | {"vendor_episode": None, "own_episode": None}, at_us=AT, via="worker")
    ledger.erase([1], "rule", at_us=AT, role="administrator", via="cli")
    frame = tables(state)["finding"]
    assert frame["n"].tolist() == [2]
    assert frame["blind_to_alert"].tolist() == [False]
    assert frame["cause"].tolist() == ["grit"]
    assert frame["component"].tolist() == [None]
    assert frame["at_us"].dtype == "int64"
    assert tables(state)["verdict"][["asset", "component", "word"]].to_numpy().tolist() == [
        ["pump1", "seal", "vendor_only"]
    ]
    assert len(tables(state, AT + 1)["finding"]) == 1
    assert len(tables(state, end_us=AT + 1)["finding"]) == 0
    ledger.close()
