"""The register: unknowns stay visible, bands are honest, red gates hold, and told-first is measured, not believed."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import sovereignty as sv
from monitor.plant import Answer
from monitor.settings import load

SETTINGS = load(Path(__file__).parents[1] / "golden" / "config")
TODAY = date(2026, 11, 23)
ALL_BEST = {name: max(question.scores, key=question.scores.__getitem__) for name, question in sv.QUESTIONS.items()}


def with_answers(answers, criticality="B", confidence="documented"):
    asset = replace(SETTINGS.assets[0], criticality=criticality)
    rows = tuple(Answer("pump1", q, v, "doc", TODAY, "engineer", confidence) for q, v in answers.items())
    return sv.standing(replace(SETTINGS, assets=(asset,), answers=rows), asset, TODAY)


def test_an_asset_of_which_nothing_is_known_spans_the_whole_band():
    standing = with_answers({})
    assert (standing.pessimistic, standing.optimistic, standing.coverage) == (0, 100, 0)
    assert standing.red == ()


def test_the_best_answers_score_100_and_only_proven_ones_count_as_covered():
    assert with_answers(ALL_BEST).pessimistic == pytest.approx(100)
    assert with_answers(ALL_BEST).coverage == pytest.approx(100)
    stated = with_answers(ALL_BEST, confidence="stated")
    assert stated.pessimistic == pytest.approx(100)
    assert stated.coverage == 0


def test_one_known_answer_by_hand():
    standing = with_answers({"Q1": "vendor_then_us"})
    total = 4 * (3 * 6 + 2 * 4 + 1 * 7)
    assert standing.pessimistic == pytest.approx(100 * 3 / total)
    assert standing.optimistic == pytest.approx(100 * (total - 9) / total)


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(sv.known_values(name)) for name in sv.QUESTIONS}))
def test_the_band_is_ordered_and_unknown_opens_it(answers):
    standing = with_answers(answers)
    assert 0 <= standing.pessimistic <= standing.optimistic <= 100 + 1e-9
    for name in answers:
        wider = with_answers({**answers, name: sv.UNKNOWN})
        assert wider.pessimistic <= standing.pessimistic + 1e-9
        assert wider.optimistic >= standing.optimistic - 1e-9


def test_a_gate_makes_red_whatever_the_score_and_some_only_where_life_depends_on_it():
    assert with_answers(ALL_BEST | {"Q2": "device_self_acts"}).red == ("Q2",)
    assert with_answers(ALL_BEST | {"Q11": "none"}, "B").red == ()
    assert with_answers(ALL_BEST | {"Q11": "none"}, "A").red == ("Q11",)


@pytest.mark.parametrize(("on", "score"), [("2026-04-14", 4), ("2025-06-18", 2), ("2020-01-01", 1), ("never", 0)])
def test_a_drill_loses_its_worth_with_time(on, score):
    assert sv.score_of("Q12", Answer("pump1", "Q12", on), TODAY) == score


def test_an_answer_outside_the_list_is_refused_with_the_known_ones():
    assert sv.fault_of("Q12", "2026-04-14") is None
    assert "control_room, simultaneous" in (sv.fault_of("Q1", "us") or "")


def test_the_matrix_of_contracts_never_drops_the_unknown():
    contracts = (
        SETTINGS.contracts[0],
        replace(SETTINGS.contracts[0], id="C-2", data_access="unknown", value_per_year=None),
    )
    rows = sv.matrix(contracts, {asset.id: replace(asset, criticality="A") for asset in SETTINGS.assets})
    assert rows == [("unknown", "vendor_sole", 1, 0.0, 1), ("vendor_sole", "vendor_sole", 1, 12_000.0, 1)]
