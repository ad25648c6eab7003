"""The studies on public data: their measures by known answers, their rules on the data where it is there."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import batadal, nab
from benchmarks.rigs.ctown import Curves, Ranges
from models.health.life_cycle import episodes
from models.health.state import OFF

DATA = os.environ.get("HANDWHEEL_DATA")


def needs(folder):
    return pytest.mark.skipif(
        not DATA or not (Path(DATA) / folder).is_dir(), reason=f"HANDWHEEL_DATA with {folder}/ is not set"
    )


ATTACK = np.array([0, 1, 1, 1, 1, 0, 0, 1, 1, 0]).astype(bool)


def test_contiguous_hours_are_one_attack():
    assert batadal.stretches(ATTACK) == [slice(1, 5), slice(7, 9)]
    assert batadal.stretches(np.ones(3, bool)) == [slice(0, 3)]
    assert batadal.stretches(np.zeros(3, bool)) == []


def test_the_official_score_by_hand():
    assert batadal.official_score(ATTACK, ATTACK) == 1.0
    assert batadal.official_score(np.zeros(10, bool), ATTACK) == 0.25
    assert batadal.official_score(np.ones(10, bool), ATTACK) == 0.75
    late = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0, 1]).astype(bool)
    # found after 1 of 4 h and not at all: mean share of time 0.375; 3 of 6 hours hit, 3 of 4 quiet hours quiet
    assert batadal.official_score(late, ATTACK) == pytest.approx(0.5 * 0.375 + 0.25 * (0.5 + 0.75))
    assert batadal.found_in(late, ATTACK) == [1, None]


def test_alarms_that_never_end_find_all_by_chance():
    assert batadal.by_chance(np.ones(10, bool), ATTACK) == 2.0
    assert batadal.by_chance(np.zeros(10, bool), ATTACK) == 0.0


def test_a_study_without_its_data_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.delenv("HANDWHEEL_DATA", raising=False)
    assert (batadal.main([]), nab.main([])) == (2, 2)
    assert capsys.readouterr().err.count("HANDWHEEL_DATA is not set; name the folder") == 2


@needs("batadal")
def test_the_published_attacks_lie_in_the_second_data_set():
    plant, flag = batadal.read(4)
    attack = batadal.attacked(plant.values.index)
    assert (attack.sum(), len(batadal.stretches(attack))) == (492, 7)
    assert attack[flag == 1].all()


@needs("batadal")
def test_pump_curves_and_control_levels_hold_over_the_months_they_were_not_learned_from():
    plant, _ = batadal.read(3)
    first = np.arange(len(plant.values)) < 6000
    curves = Curves().fit(plant.rows(first)).left_over(plant.rows(~first))
    assert max(np.nanquantile(np.abs(rest), 0.99) for rest in curves.values()) < 0.1
    ranges = Ranges().fit(plant.rows(first)).left_over(plant.rows(~first))
    assert np.mean([np.abs(rest) > 0.05 for rest in ranges.values()]) < 0.002


@needs("nab")
def test_a_planned_stop_of_a_real_machine_is_a_state_and_no_failure():
    temperature, windows = nab.read()
    seen = nab.walked(temperature[: windows[1][1]])
    assert not [one for one in episodes(seen.times, seen.word) if one.start >= windows[1][0]]
    stop = (seen.times >= windows[1][0]) & (seen.state == OFF)
    assert stop.sum() > 24
    assert not (seen.state[seen.times < windows[0][0]] == OFF).any()
