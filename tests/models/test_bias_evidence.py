"""Known answers and properties of the e-values, bounds, tipping points and e-BH."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from models.bias.evidence import (
    FLAG,
    STAKES,
    bet_path,
    cost_q0,
    log_e,
    null_rate,
    path_bound,
    upper_bound,
)
from models.bias.multiple import e_bh
from models.bias.tipping import path_curve, path_tipping, tipping, wrong_in_path


@pytest.mark.parametrize(("s", "u", "m0"), [(6, 25, 0.5), (0, 8, 0.45), (3, 3, 0.5), (40, 10, 0.3)])
def test_the_closed_form_is_the_integral_it_stands_for(s, u, m0):
    area, _ = integrate.quad(lambda p: p**s * (1 - p) ** u, 0, m0)
    assert math.exp(log_e(s, u, m0)) == pytest.approx(area / m0 / (m0**s * (1 - m0) ** u), rel=1e-9)


def test_the_worked_example_of_31_findings_with_6_confirmed():
    assert math.exp(log_e(6, 25, 0.5)) == pytest.approx(182, abs=1)
    assert upper_bound(6, 25) == pytest.approx(0.43, abs=0.005)
    assert tipping(6, 25, 0, q0=0.5, sensitivity=0.9, specificity=0.9).wrong_findings == 2


@pytest.mark.parametrize(("specificity", "fewest"), [(0.9, 7), (1.0, 8)])
def test_the_fewest_findings_that_can_ever_flag(specificity, fewest):
    m0 = null_rate(0.5, 0.9, specificity)
    assert log_e(0, fewest, m0) >= math.log(FLAG) > log_e(0, fewest - 1, m0)


@pytest.mark.parametrize(("share", "about"), [(0.1, 15), (0.2, 20), (0.3, 55), (0.4, 245)])
def test_the_findings_needed_at_a_recorded_confirmation_rate(share, about):
    needed = next(n for n in range(1, 400) if log_e(round(share * n), n - round(share * n), 0.5) >= math.log(FLAG))
    assert about * 0.6 <= needed <= about * 1.2


def test_costs_make_the_agreed_rates_of_the_method():
    assert [round(cost_q0(1, ratio, phi), 2) for ratio, phi in ((5, 0.5), (5, 0.8), (10, 0.5), (3, 0.5))] == [
        0.33, 0.24, 0.18, 0.50]  # fmt: skip


def test_betting_by_hand_on_two_single_findings():
    """n_max 1: the mean over lambda of (1 + lambda m0)(1 + lambda (m0 - 1)), lambda in the middle of 20 cells."""
    lambdas = (np.arange(20) + 0.5) / 20 / 0.5
    by_hand = np.mean((1 + lambdas * 0.5) * (1 - lambdas * 0.5))
    path = bet_path([False, True], ["a", "b"], 0.5, 1)
    assert path.e.tolist() == pytest.approx([np.mean(1 + lambdas * 0.5), by_hand])
    assert path.current == path.e[1]
    assert path.highest == path.e[0]


def test_no_findings_are_no_evidence():
    path = bet_path([], [], 0.5, 5)
    assert (path.current, path.highest) == (1.0, 1.0)
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(5, 0) == 1.0
    assert tipping(0, 0, 0, q0=0.5, sensitivity=0.9, specificity=0.9).lowest_q0 is None


def test_a_cluster_above_n_max_wins_as_its_mean_and_loses_in_full_until_the_stake_is_gone():
    one = bet_path([False] * 6, ["a"] * 6, 0.5, 4)
    assert one.e == pytest.approx(bet_path([False] * 4, ["a"] * 4, 0.5, 4).e)  # never more than one stake
    lost = bet_path([True] * 6, ["a"] * 6, 0.5, 4)
    assert lost.e == pytest.approx(bet_path([True] * 4, ["a"] * 4, 0.5, 4).e)
    mixed = bet_path([True] * 4 + [False] * 2, ["a"] * 6, 0.5, 4)
    assert mixed.e == pytest.approx([np.mean(1 - STAKES * 2 / 4)])


def test_what_is_found_late_lowers_the_wealth_and_never_raises_it():
    assert bet_path([False] * 5, range(5), 0.5, 4, [True] * 5).e == pytest.approx([1.0] * 5)
    confirmed = bet_path([True], ["a"], 0.5, 4, [True])
    assert confirmed.e == pytest.approx(bet_path([True], ["a"], 0.5, 4).e)


findings = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


@given(findings)
def test_names_of_assets_do_not_matter(rows):
    x, clusters = zip(*rows, strict=True)
    renamed = [f"pump {c}" for c in clusters]
    assert bet_path(x, clusters, 0.5, 50).e == pytest.approx(bet_path(x, renamed, 0.5, 50).e)


@given(findings, st.randoms(use_true_random=False))
def test_the_order_within_a_visit_does_not_matter(rows, random):
    rows = sorted(rows, key=lambda row: row[1])
    shuffled = sorted(random.sample(rows, len(rows)), key=lambda row: row[1])
    one, other = (bet_path([x for x, _ in r], [c for _, c in r], 0.5, 50).e for r in (rows, shuffled))
    assert one == pytest.approx(other)


def written_down(x, clusters, m0, largest):
    """The wealth as the formula has it, block by block, without an array."""
    blocks: dict[object, list[tuple[bool, float]]] = {}
    for found, cluster, null in zip(x, clusters, m0, strict=True):
        blocks.setdefault(cluster, []).append((found, null))
    wealth = [1.0] * 20
    path = []
    for block in blocks.values():
        for k in range(20):
            won = sum(-1 if found else null / (1 - null) for found, null in block)
            won = won / max(len(block), largest) if won > 0 else max(won / largest, -1)
            wealth[k] *= 1 + (k + 0.5) / 20 * won
        path.append(sum(wealth) / 20)
    return path


@settings(max_examples=60)
@given(findings, st.integers(1, 6), st.data())
def test_the_path_is_the_formula_and_no_stake_can_lose_more_than_it_is(rows, largest, data):
    """Rates differ between the parts of one visit; whatever is found, no factor is at or below 1 - .975."""
    x, clusters = zip(*rows, strict=True)
    m0 = [data.draw(st.floats(0.02, 0.98)) for _ in x]
    path = bet_path(x, clusters, m0, largest)
    assert path.e == pytest.approx(written_down(x, clusters, m0, largest))
    lost = bet_path([True] * len(x), clusters, m0, largest).e
    assert (lost > 0).all()
    assert (lost >= (0.5 / 20) ** np.arange(1, len(lost) + 1)).all()


def test_a_later_finding_of_another_part_changes_nothing_that_was_settled():
    """The stakes of a part do not hang on the rates of the others: what is not yet found cannot be known."""
    before = bet_path([False] * 10, range(10), [0.5] * 10, 3).e
    after = bet_path([False] * 10 + [True], range(11), [0.5] * 10 + [0.05], 3).e
    assert after[:10].tolist() == before.tolist()


@settings(max_examples=60)
@given(findings, st.integers(1, 6))
def test_the_bound_of_the_bets_is_where_their_wealth_is_at_the_line(rows, largest):
    x, clusters = zip(*rows, strict=True)
    bound = path_bound(x, clusters, largest)
    if bound == 1.0:
        assert bet_path(x, clusters, 0.999, largest).current < FLAG or all(x)
    else:
        assert bet_path(x, clusters, bound, largest).current == pytest.approx(FLAG, rel=1e-6)
        assert bet_path(x, clusters, bound - 1e-4, largest).current < FLAG
        assert bet_path(x, clusters, bound + 1e-4, largest).current > FLAG


def test_single_findings_are_bounded_much_as_by_the_closed_form():
    x = ([True] + [False] * 4) * 6 + [False]
    assert path_bound(x, range(31), 1) == pytest.approx(upper_bound(6, 25), abs=0.02)
    assert path_bound(x, range(31), 5) > path_bound(x, range(31), 1)  # stakes for visits of five are cautious
    assert path_bound([], [], 5) == path_bound([True], ["a"], 5) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([False] * 9 + [True]), st.integers(0, 5)), min_size=6, max_size=11))
def test_the_wrong_findings_named_undo_the_flag_and_hardly_fewer_would(rows):
    x, clusters = (list(column) for column in zip(*rows, strict=True))
    undone = wrong_in_path(x, clusters, 0.65, 3)
    no = [i for i, found in enumerate(x) if not found]

    def falls(wrong):
        return bet_path([found or i in wrong for i, found in enumerate(x)], clusters, 0.65, 3).current < FLAG

    fewest = next(k for k in range(len(no) + 1) if any(falls(wrong) for wrong in itertools.combinations(no, k)))
    assert (undone or 0) in (fewest, fewest + 1)
    assert (undone is None) == (fewest == 0)


def test_wrong_findings_of_visits_of_one_are_counted_as_by_trying():
    x = ([True] + [False] * 4) * 6 + [False]
    k = wrong_in_path(x, range(31), 0.5, 1)
    later = [[found or i in np.flatnonzero(~np.array(x))[:j] for i, found in enumerate(x)] for j in (k - 1, k)]
    assert bet_path(later[0], range(31), 0.5, 1).current >= FLAG > bet_path(later[1], range(31), 0.5, 1).current
    assert wrong_in_path([True] * 5, range(5), 0.5, 1) is None


@given(st.integers(0, 30), st.integers(1, 30))
def test_one_more_confirmed_finding_never_adds_evidence(s, u):
    assert log_e(s + 1, u - 1, 0.5) < log_e(s, u, 0.5)
    assert upper_bound(s + 1, u - 1) >= upper_bound(s, u)


@settings(max_examples=50)
@given(st.integers(0, 20), st.integers(5, 60))
def test_the_upper_bound_is_where_the_evidence_is_exactly_at_the_line(s, u):
    bound = upper_bound(s, u)
    assert bound == 1.0 or log_e(s, u, bound) == pytest.approx(math.log(FLAG), abs=1e-6)


def test_tipping_points_stand_where_the_flag_just_stands():
    t = tipping(6, 25, 10, q0=0.5, sensitivity=0.9, specificity=0.9)
    goal = math.log(FLAG)
    assert (
        log_e(6, 25, null_rate(t.lowest_q0, 0.9, 0.9)) >= goal > log_e(6, 25, null_rate(t.lowest_q0 - 0.002, 0.9, 0.9))
    )
    assert log_e(6, 25, null_rate(0.5, t.lowest_sensitivity, 0.9)) >= goal
    k = round(t.missing_confirmed * 10)
    assert log_e(6 + k, 25 + 10 - k, 0.5) < goal <= log_e(6 + k - 1, 25 + 10 - k + 1, 0.5)


def test_the_tipping_points_of_the_bets_stand_where_their_flag_just_stands():
    x, known = ([True] + [False] * 4) * 6 + [False], {"sensitivity": 0.9, "specificity": 0.9}
    clusters = [n // 2 for n in range(31)]
    t = path_tipping(x, clusters, 0.5, 3, without_finding=10, q0=0.5, **known)

    def e(q0=0.5, se=0.9, worn=None):
        more = [] if worn is None else [k < worn for k in range(10)]
        where = [*clusters, *(f"job {k}" for k in range(len(more)))]
        return bet_path([*x, *more], where, null_rate(q0, se, 0.9), 3).current

    assert e(q0=t.lowest_q0 + 1e-6) >= FLAG > e(q0=t.lowest_q0 - 1e-6)
    assert e(se=t.lowest_sensitivity + 1e-6) >= FLAG > e(se=t.lowest_sensitivity - 1e-6)
    k = round(t.missing_confirmed * 10)
    assert e(worn=k - 1) >= FLAG > e(worn=k)
    assert t.wrong_findings == wrong_in_path(x, clusters, 0.5, 3)
    q0, curve = path_curve(x, clusters, 3, **known)
    assert curve[q0 == 0.5] == pytest.approx(e())
    assert (np.diff(curve) > 0).all()
    assert ((curve >= FLAG) == (q0 > t.lowest_q0)).all()
    none = path_tipping(x, clusters, 0.3, 3, without_finding=0, q0=0.3, **known)
    assert (none.wrong_findings, none.lowest_q0, none.missing_confirmed) == (None, None, None)
    assert path_tipping([False] * 20, range(20), 0.5, 1, without_finding=0, q0=0.5, **known).missing_confirmed is None
    coin = path_tipping([False] * 20, range(20), 0.5, 1, without_finding=0, q0=0.5, sensitivity=0.5, specificity=0.5)
    assert coin.lowest_q0 is None
    assert path_curve([], [], 3, **known)[1].tolist() == [1.0] * 91


def test_visits_that_find_more_are_not_turned_against_an_honest_vendor():
    """Single visits 30 % confirmed, visits of five 70 %: the rate of findings (.57 and more) is above q0 = .5.

    Plain cluster means flag in a third of the runs (bias by cluster size); weighted by size the bet is fair.
    """
    rng = np.random.default_rng(11)
    plain = weighted = 0
    runs = 200
    for _ in range(runs):
        x: list[bool] = []
        clusters: list[int] = []
        for visit in range(120):
            size, rate = (5, 0.7) if rng.random() < 0.3 else (1, 0.3)
            x += (rng.random(size) < rate).tolist()
            clusters += [visit] * size
        weighted += bet_path(x, clusters, 0.5, 5).highest >= FLAG
        gains = 0.5 - np.array([np.mean([a for a, c in zip(x, clusters, strict=True) if c == v]) for v in range(120)])
        lambdas = (np.arange(20) + 0.5) / 20 / 0.5
        plain += np.exp(np.cumsum(np.log1p(lambdas[:, None] * gains), axis=1)).mean(axis=0).max() >= FLAG
    assert weighted <= 0.02 * runs
    assert plain >= 0.2 * runs  # what betting on plain cluster means would have done


def test_an_informative_cluster_size_just_at_the_null_is_not_flagged_more_than_promised():
    """Rates by size chosen so that the rate of findings is exactly .5, one visit in two of each size."""
    rng = np.random.default_rng(12)
    high = 0.5 + (0.5 - 0.3) / 5  # 1 x .3 + 5 x .54 = 6 x .5
    ever = naive = 0
    runs = 300
    lambdas = (np.arange(20) + 0.5) / 20 / 0.5
    for _ in range(runs):
        big = rng.random(150) < 0.5
        found = np.where(big, rng.binomial(5, high, 150), rng.binomial(1, 0.3, 150))
        size = np.where(big, 5, 1)
        x = np.concatenate([np.arange(n) < k for n, k in zip(size, found, strict=True)])
        ever += bet_path(x, np.repeat(np.arange(150), size).tolist(), 0.5, 5).highest >= FLAG
        gains = 0.5 - found / size
        naive += np.exp(np.cumsum(np.log1p(lambdas[:, None] * gains), axis=1)).mean(axis=0).max() >= FLAG
    assert ever <= 0.05 * runs
    assert naive > 0.15 * runs


@given(st.lists(st.floats(0, 500), max_size=25), st.randoms(use_true_random=False))
def test_e_bh_knows_no_names_and_more_evidence_never_takes_a_flag_back(e, random):
    flags = e_bh(e)
    order = random.sample(range(len(e)), len(e))
    assert sorted(e_bh([e[i] for i in order])) == sorted(flags)
    assert {e[i] for i in np.flatnonzero(flags)}.isdisjoint({e[i] for i in np.flatnonzero(~flags)}) or not len(e)
    more = [value + random.choice([0, 1, 50]) for value in e]
    assert (e_bh(more)[flags]).all()


def test_e_bh_rejects_what_its_rule_says():
    assert e_bh([]).tolist() == []
    assert e_bh([39.9, 1, 1, 1]).tolist() == [False] * 4
    assert e_bh([40, 1, 1, 1]).tolist() == [True, False, False, False]
    assert e_bh([20, 3, 20, 1]).tolist() == [True, False, True, False]  # K / (0.1 k) = 20 for k = 2
