"""U and its PPI++ estimate: known answers, coverage and what the own model's word is worth, on simulated jobs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.bias.unsupported import effective, powered, unsupported

KNOWN = {"sensitivity": (1e9, 1e-3), "specificity": (1e9, 1e-3)}  # inspectors who never err


def jobs(rng, n, more, rate=0.3, right=0.9):
    """Whether each of n + more jobs was needed, and the word of a model that is right in `right` of them."""
    x = rng.random(n + more) < rate
    f = np.where(rng.random(n + more) < right, x, ~x)
    return x[:n], f[:n], f[n:]


def test_the_formulas_of_the_paper_by_hand():
    """Of 40 jobs 10 confirmed and called so, 5 confirmed only, 5 called only; of 60 others 30 called."""
    x = [1] * 10 + [1] * 5 + [0] * 5 + [0] * 20
    f = [1] * 10 + [0] * 5 + [1] * 5 + [0] * 20
    got = powered(x, f, [1] * 30 + [0] * 30)
    cov = 10 / 40 - (15 / 40) ** 2
    weight = cov / ((1 + 40 / 60) * 0.45 * 0.55)
    rate = 15 / 40 + weight * (30 / 60 - 15 / 40)
    variance = (15 / 40 * 25 / 40 * (1 + weight**2) - 2 * weight * cov) / 40 + weight**2 * 0.25 / 60
    assert (got.weight, got.rate, got.error) == pytest.approx((weight, rate, math.sqrt(variance)))


def test_without_weight_it_is_the_plain_estimate_to_the_digit():
    silent = powered([1] * 12 + [0] * 40, [0] * 52, [0] * 50)
    assert silent.weight == 0
    assert silent.counts == pytest.approx((12, 40))
    same, plain = unsupported(*silent.counts, n=52), unsupported(12, 40)
    assert (same.value, same.low, same.high, same.n) == pytest.approx((plain.value, plain.low, plain.high, plain.n))
    liar = powered([1] * 12 + [0] * 40, [0] * 12 + [1] * 40, [1] * 50)  # says the contrary: not followed
    assert liar.weight == 0


def test_too_few_jobs_of_either_kind_or_findings_that_are_all_alike_leave_the_findings_alone():
    x, f = [1, 0] * 20, [1, 0] * 20
    assert powered(x, f, [1] * 40) is not None
    assert powered(x[:39], f[:39], [1] * 40) is None
    assert powered(x, f, [1] * 39) is None
    assert powered([0] * 60, [1, 0] * 30, [1] * 60) is None


@pytest.mark.parametrize("right", [0.5, 0.75, 0.95])
def test_its_interval_covers_the_share_of_needed_jobs_and_a_good_model_narrows_it(right):
    rng = np.random.default_rng(31)
    runs, covered, narrower = 600, 0, []
    for _ in range(runs):
        x, f, rest = jobs(rng, 60, 240, right=right)
        estimate = powered(x, f, rest)
        a, b = estimate.counts
        low, high = stats.beta.ppf([0.05, 0.95], a + 0.5, b + 0.5)
        covered += low <= 0.3 <= high
        plain = stats.beta.ppf([0.05, 0.95], x.sum() + 0.5, (~x).sum() + 0.5)
        narrower.append((high - low) / (plain[1] - plain[0]))
        assert estimate.error <= math.sqrt(x.var() / 60) + 1e-12
    assert stats.binomtest(covered, runs).proportion_ci(0.99).high >= 0.90  # what 90 % promises lies within
    said = np.cov(*jobs(rng, 100_000, 0, right=right)[:2])
    expected = math.sqrt(1 - said[0, 1] ** 2 / (said[0, 0] * said[1, 1]) / (1 + 60 / 240))  # of the best lambda
    assert np.mean(narrower) == pytest.approx(max(expected, math.sqrt(0.5)), abs=0.04)


def test_a_model_that_forty_findings_never_saw_err_is_not_believed_to_be_right_always():
    """It errs in one job of thirty, which four thousand jobs without a finding would have made into certainty."""
    rng = np.random.default_rng(33)
    covered, estimates = 0, [powered(*jobs(rng, 40, 4000, rate=0.1, right=0.97)) for _ in range(400)]
    known = [one for one in estimates if one is not None]  # None: nothing was confirmed
    for one in known:
        a, b = one.counts
        low, high = stats.beta.ppf([0.05, 0.95], a + 0.5, b + 0.5)
        covered += low <= 0.1 <= high
        assert a + b <= 80 + 1e-9
    assert covered >= 0.88 * len(known)
    assert powered([1, 0] * 20, [1, 0] * 20, [1] * 3999 + [0]).error > 0


def test_findings_that_are_missing_where_the_part_was_good_are_partly_put_right():
    """Good parts are written down half as often: the findings read .46, the own model's word brings it nearer .3."""
    rng = np.random.default_rng(32)
    plain, helped = [], []
    for _ in range(200):
        x, f, _rest = jobs(rng, 300, 0)
        written = rng.random(300) < np.where(x, 0.8, 0.4)
        plain.append(x[written].mean())
        helped.append(powered(x[written], f[written], f[~written]).rate)
    assert 0.3 < np.mean(helped) < np.mean(plain) - 0.05


@settings(max_examples=50)
@given(st.integers(0, 60), st.integers(1, 60))
def test_u_is_one_minus_the_rate_for_inspectors_who_never_err(s, u):
    got = unsupported(s, u, **KNOWN)
    low, middle, high = stats.beta.ppf([0.05, 0.5, 0.95], u + 0.5, s + 0.5)
    assert (got.low, got.value, got.high) == pytest.approx((low, middle, high), abs=0.012)
    assert got.n == s + u


def test_u_by_the_correction_of_rogan_and_gladen():
    """36 of 120 confirmed by inspectors right in nine of ten: (0.3 - 0.1) / 0.8 = 1/4 were needed."""
    got = unsupported(36_000, 84_000, sensitivity=(9e6, 1e6), specificity=(9e6, 1e6))
    assert got.value == pytest.approx(0.75, abs=0.002)
    assert unsupported(0, 50).high == 1.0
    assert unsupported(50, 0).low == 0.0
    assert math.isnan(unsupported(0, 0).value)
    assert math.isnan(unsupported(5, 5, sensitivity=(1, 900), specificity=(1, 900)).value)  # worse than a coin


def test_findings_of_one_verdict_count_as_one_and_those_that_stand_alone_in_full():
    """40 visits of two parts that agree: variance 1/160 of the share, t(39)/t(79) for the few visits; by hand 38.1."""
    visits = [n // 2 for n in range(80)]
    few = (stats.t.ppf(0.95, 39) / stats.t.ppf(0.95, 79)) ** 2
    assert effective([1, 1, 0, 0] * 20, visits) == pytest.approx(40 * 39 / 40 / few)
    assert effective([1, 0] * 40, list(range(80))) == pytest.approx(80)
    assert effective([1, 0] * 40, visits) == pytest.approx(80)  # visits that disagree within: never more than all
    assert effective([0] * 80, visits) == 40  # all alike: nothing tells whether visits agree
    assert effective([1, 0, 1], ["one"] * 3) == 1


@pytest.mark.parametrize(("agree", "least", "most"), [(0.0, 0.88, 0.99), (0.6, 0.86, 0.98), (1.0, 0.86, 0.97)])
def test_the_interval_of_u_holds_where_the_findings_of_a_visit_agree(agree, least, most):
    """15 visits of four parts, half needed, inspectors right in nine of ten; taken as 60 alone it held .69 to .78."""
    rng, held, runs = np.random.default_rng(34), 0, 250
    visits = [n // 4 for n in range(60)]
    for _ in range(runs):
        together = rng.random((15, 1)) < agree
        needed = np.where(together, rng.random((15, 1)) < 0.5, rng.random((15, 4)) < 0.5)
        found = np.where(needed, rng.random((15, 4)) < 0.9, rng.random((15, 4)) < 0.1).ravel()
        worth = effective(found, visits) / 60
        u = unsupported(worth * found.sum(), worth * (~found).sum(), n=60)
        held += u.low <= 0.5 <= u.high
    assert least <= held / runs <= most


def test_our_own_word_narrows_nothing_more_where_findings_are_of_few_visits():
    rng = np.random.default_rng(35)
    x, f, rest = jobs(rng, 60, 240)
    pairs, more = np.repeat(x[:30], 2), np.repeat(rest[:120], 2)
    alone = powered(pairs, np.repeat(f[:30], 2), more)
    visits, others = [n // 2 for n in range(60)], [f"u{n // 2}" for n in range(240)]
    together = powered(pairs, np.repeat(f[:30], 2), more, visits, others)
    assert together.error == pytest.approx(alone.error * math.sqrt(2), rel=0.06)
    assert sum(together.counts) < 0.6 * sum(alone.counts)


def test_findings_that_all_read_alike_are_never_certainty():
    for interval, bound in ((unsupported(0, 30), 0), (unsupported(30, 0), 1)):
        high = stats.beta.ppf(0.95, 0.5, 30.5)
        assert interval.value == 1 - bound
        assert (interval.low, interval.high) == pytest.approx((1 - high, 1) if not bound else (0, high), abs=0.01)
