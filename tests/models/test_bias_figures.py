"""U, life accounting and the four diagnostics: known answers by hand or against scipy."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.bias.diagnostics import deferral, failed_within, rayleigh, spike_scan, step_change, waddington
from models.bias.life import account, failure_credit
from models.bias.parameters import Cost, Parameters
from models.bias.unsupported import unsupported


def test_u_of_perfect_inspectors_is_the_jeffreys_posterior():
    certain = (1e9, 1e-3)
    u = unsupported(6, 25, sensitivity=certain, specificity=certain)
    posterior = stats.beta(25.5, 6.5)
    assert u.value == pytest.approx(posterior.median(), abs=0.005)
    assert u.low == pytest.approx(posterior.ppf(0.05), abs=0.005)
    assert u.high == pytest.approx(posterior.ppf(0.95), abs=0.005)


def test_u_corrects_for_inspectors_as_rogan_and_gladen_do():
    sharp = (9e5, 1e5)  # .9, known exactly
    u = unsupported(3000, 7000, sensitivity=sharp, specificity=sharp)
    assert u.value == pytest.approx(1 - (0.3 - 0.1) / 0.8, abs=0.005)


def test_u_stays_a_share_and_doubt_about_inspectors_widens_it():
    assert unsupported(0, 40).high == 1.0
    assert unsupported(40, 0).low == 0.0
    assert math.isnan(unsupported(0, 0).value)
    sharp = unsupported(30, 70, sensitivity=(900, 100), specificity=(900, 100))
    vague = unsupported(30, 70, sensitivity=(9, 1), specificity=(9, 1))
    assert vague.high - vague.low > sharp.high - sharp.low


def fleet(n_assets: int, wear: float = 0.6, jobs_each: int = 2) -> tuple[pd.DataFrame, list[str]]:
    assets = [f"P{n}" for n in range(n_assets)]
    jobs = pd.DataFrame({"asset": assets * jobs_each, "component": "seal", "wear": wear})
    return jobs, assets


def priced(assets: list[str], **prices: float) -> dict[tuple[str, str], float]:
    return {(asset, part): price for asset in assets for part, price in prices.items()}


@pytest.mark.parametrize("n_assets", [10, 40])
def test_life_accounting_by_hand(n_assets):
    """Two jobs each at 60 % of the limit in two years: N/T = n, so 0.4 n a year are in excess, at 100 each."""
    jobs, assets = fleet(n_assets)
    life = account(jobs, jobs, assets, 2.0, priced(assets, seal=100.0))
    assert life.net.value == pytest.approx(0.4 * n_assets)
    assert life.waste.value == pytest.approx(0.4 * n_assets)
    assert life.money.value == pytest.approx(40.0 * n_assets)
    assert life.mean_wear.value == pytest.approx(0.6)
    assert life.unpriced == ()


def test_parts_past_their_limit_give_credit_in_net_and_none_in_waste():
    jobs, assets = fleet(40)
    jobs.loc[:39, "wear"] = 1.4
    life = account(jobs, jobs, assets, 2.0, {})
    assert life.net.value == pytest.approx(0.0)
    assert life.waste.value == pytest.approx(8.0)
    assert math.isnan(life.money.value)
    assert life.unpriced == ("seal",)


def test_the_interval_leaves_each_asset_out_once():
    """Three assets, one year: jobs 2, 1, 0, all found, given away 0.6 + 0.2, 0.4, nothing."""
    jobs = pd.DataFrame({"asset": ["A", "A", "B"], "component": "seal", "wear": [0.4, 0.8, 0.6]})
    net = account(jobs, jobs, ["A", "B", "C"], 1.0, {}).net
    assert net.value == pytest.approx(3 * 1.2 / 3)
    without = np.array([1 * 0.4, 2 * 0.4, 3 * 0.4]) * 3 / 2  # A, B, C
    half = stats.t(2).ppf(0.95) * math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    assert [net.low, net.high] == pytest.approx([1.2 - half, 1.2 + half])


def test_findings_from_one_asset_alone_give_a_figure_without_bounds():
    jobs = pd.DataFrame({"asset": ["A", "A", "B"], "component": "seal", "wear": [0.4, 0.8, math.nan]})
    net = account(jobs, jobs, ["A", "B"], 1.0, {}).net
    assert net.value == pytest.approx(3 * 0.4)
    assert math.isnan(net.low)
    assert math.isnan(net.high)


def test_money_counts_a_component_found_once_as_its_one_finding_says():
    jobs = pd.DataFrame({"asset": ["A", "B", "C"], "component": ["seal", "seal", "bearing"], "wear": [0.5, 0.7, 0.2]})
    money = account(jobs, jobs, ["A", "B", "C"], 1.0, priced(["A", "B", "C"], seal=100.0, bearing=1000.0)).money
    assert money.value == pytest.approx(100 * 0.8 + 1000 * 0.8)
    assert money.low < money.value < money.high


def test_money_is_summed_per_component():
    assets = [f"P{n}" for n in range(40)]
    jobs = pd.DataFrame(
        {"asset": assets * 2, "component": ["seal"] * 40 + ["bearing"] * 40, "wear": [0.5] * 40 + [1.0] * 40}
    )
    life = account(jobs, jobs, assets, 1.0, priced(assets, seal=100.0, bearing=1000.0))
    assert life.money.value == pytest.approx(40 * 0.5 * 100)  # nothing was given away of the dear part


def test_each_job_counts_at_the_price_of_its_own_asset():
    """C_p (1 - w) of each: 100 x .5 + 900 x .1 + 1000 x .3 = 440 in two years."""
    jobs = pd.DataFrame({"asset": ["A", "B", "B"], "component": ["seal", "seal", "bearing"], "wear": [0.5, 0.9, 0.7]})
    costs = {("A", "seal"): 100.0, ("B", "seal"): 900.0, ("B", "bearing"): 1000.0}
    assert account(jobs, jobs, ["A", "B"], 2.0, costs).money.value == pytest.approx(220.0)


def test_a_job_without_finding_gives_away_of_each_unit_of_price_what_the_others_of_its_component_do():
    """Found: 100 x .5 + 300 x .1 = 80 of 400; the job of 600 without a finding: as much of it, 120. Together 200."""
    jobs = pd.DataFrame({"asset": ["A", "B", "C"], "component": "seal", "wear": [0.5, 0.9, math.nan]})
    costs = {("A", "seal"): 100.0, ("B", "seal"): 300.0, ("C", "seal"): 600.0}
    life = account(jobs, jobs, ["A", "B", "C"], 1.0, costs)
    assert life.money.value == pytest.approx(200.0)
    del costs["C", "seal"]
    without = account(jobs, jobs, ["A", "B", "C"], 1.0, costs)
    assert without.money.value == pytest.approx(80.0)
    assert (life.unpriced, without.unpriced) == ((), ("seal",))
    assert math.isnan(account(jobs, jobs, ["A", "B", "C"], 1.0, {("C", "seal"): 600.0}).money.value)


def test_the_price_of_failures_is_the_mean_over_the_parts_that_are_there():
    costs = {("A", "seal"): Cost(100, 500), ("A", "bearing"): Cost(200, 1200), ("B", "seal"): Cost(300, 1000)}
    elsewhere = {("Z", "seal"): Cost(1, 1e6)}  # not under review
    chosen = Parameters(assets=(("A", "N"), ("B", "N")), costs=costs | elsewhere)
    assert chosen.mean_cost() == Cost(200, 900)
    assert chosen.mean_cost("seal") == Cost(200, 750)
    assert chosen.mean_cost("impeller") is None


def test_no_measured_findings_give_no_figure_rather_than_zero():
    jobs, assets = fleet(10)
    life = account(jobs, jobs.assign(wear=math.nan), assets, 2.0, priced(assets, seal=1.0))
    assert math.isnan(life.net.value)


@cache
def some_jobs() -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(0)
    jobs = pd.DataFrame({"asset": [f"P{n}" for n in rng.integers(0, 35, 60)], "component": "seal"})
    jobs["wear"] = rng.uniform(0, 1.2, 60)
    return jobs, [f"P{n}" for n in range(35)]


@cache
def their_figures() -> list[float]:
    jobs, assets = some_jobs()
    return figures_of(account(jobs, jobs, assets, 2.0, priced(assets, seal=9.0)))


def figures_of(life) -> list[float]:
    return [x for one in (life.mean_wear, life.net, life.waste, life.money) for x in (one.value, one.low, one.high)]


@given(st.permutations(list(range(35))), st.permutations(list(range(60))))
def test_names_of_assets_and_the_order_of_jobs_change_no_digit_of_interest(names, order):
    jobs, assets = some_jobs()
    renamed = jobs.assign(asset=[f"P{names[int(a[1:])]}" for a in jobs["asset"]]).iloc[order]
    other = account(renamed, renamed, assets, 2.0, priced(assets, seal=9.0))
    assert figures_of(other) == pytest.approx(their_figures())


@given(st.floats(0.1, 1000.0))
def test_a_rate_is_free_of_the_unit_of_time(unit):
    jobs, assets = some_jobs()
    other = figures_of(account(jobs, jobs, assets, 2.0 * unit, priced(assets, seal=9.0)))
    assert other[3:] == pytest.approx([x / unit for x in their_figures()[3:]])
    assert other[:3] == pytest.approx(their_figures()[:3])


def test_the_failure_credit_turns_its_sign_with_the_reference():
    credits = failure_credit(16, 80.0, 2.0, 2000.0, {"at_limit": 0.076, "honest_vendor": 0.284})
    assert [round(c.money.value) for c in credits] == [-9920, 6720]  # (ref - .2) x 40 assets x 2000
    for c in credits:
        assert c.money.low < c.money.value < c.money.high
    assert failure_credit(1, 0.0, 1.0, 1.0, {"x": 1.0}) == []


def test_a_calendar_is_found_and_smooth_ages_are_not():
    rng = np.random.default_rng(3)
    smooth = np.exp(rng.normal(6, 0.35, 60))
    calendar = np.concatenate([smooth[:45], 300 * np.exp(rng.uniform(-0.01, 0.01, 15))])
    found = spike_scan(calendar, boots=99)
    assert found.p <= 0.02
    assert found.age == pytest.approx(300, rel=0.05)
    assert found.share == pytest.approx(0.25, abs=0.12)
    assert sum(spike_scan(np.exp(rng.normal(6, 0.35, 60)), boots=49, seed=n).p <= 0.05 for n in range(20)) <= 4


@pytest.mark.parametrize("spread", [0.12, 0.2, 0.5])
def test_lives_that_vary_little_are_no_calendar(spread):
    """Down to 2 x width: below that a life cannot be told from a clock."""
    found = [spike_scan(np.exp(np.random.default_rng(n).normal(6, spread, 150)), boots=99).p for n in range(30)]
    assert sum(p <= 0.05 for p in found) <= 5


def test_the_rhythm_of_the_week_is_no_calendar():
    def rejected(grain: float) -> int:
        weeks = (np.random.default_rng(n).normal(40, 5, 400) for n in range(12))
        return sum(spike_scan(7 * np.rint(one), grain=grain, boots=59).p <= 0.05 for one in weeks)

    assert rejected(0.0) >= 6
    assert rejected(7.0) <= 3


@pytest.mark.parametrize("turn", [30.0, 274.0])
def test_a_calendar_is_found_through_the_rhythm_of_the_week(turn):
    rng = np.random.default_rng(11)
    ages = np.concatenate([turn + rng.uniform(0, 0.01 * turn, 15), turn * np.exp(rng.normal(0.2, 0.4, 35))])
    assert spike_scan(ages, grain=7.0).p <= 0.02


@pytest.mark.parametrize("spread", [0.04, 0.005, 0.0])
def test_lives_all_alike_are_a_calendar(spread):
    ages = 300 * np.exp(np.random.default_rng(1).normal(0, spread, 40))
    found = spike_scan(ages)
    assert found.p <= 0.01
    assert found.age == pytest.approx(300, rel=0.05)


@given(st.sampled_from([1 / 24, 24.0, 86_400.0]))
def test_the_scan_is_free_of_the_unit_of_time(unit):
    ages = np.exp(np.random.default_rng(5).normal(6, 0.4, 40))
    days, other = spike_scan(ages, boots=19), spike_scan(ages * unit, boots=19)
    assert other.age == pytest.approx(days.age * unit)
    assert other.share == pytest.approx(days.share, abs=1e-6)
    assert other.p == pytest.approx(days.p)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_ages_changes_nothing(shuffler):
    ages = list(np.exp(np.random.default_rng(6).normal(6, 0.4, 25)))
    other = shuffler.sample(ages, len(ages))
    assert spike_scan(other, boots=9) == spike_scan(ages, boots=9)


def series_p(n: int, length: float) -> float:
    """P of the Rayleigh test by the series of Mardia, Jupp 2000, equation 6.3.6."""
    z = n * length**2
    second = (24 * z - 132 * z**2 + 76 * z**3 - 9 * z**4) / (288 * n**2)
    return math.exp(-z) * (1 + (2 * z - z**2) / (4 * n) - second)


@pytest.mark.parametrize(("n", "pull"), [(12, 0.5), (40, 0.3), (300, 0.1)])
def test_the_rayleigh_p_is_that_of_the_series_and_of_chance(n, pull):
    rng = np.random.default_rng(n)
    phases = np.where(rng.random(n) < pull, 0.97 + 0.01 * rng.standard_normal(n), rng.random(n)) % 1
    p, length, at = rayleigh(phases)
    assert p == pytest.approx(series_p(n, length), abs=2e-3)
    chance = np.abs(np.exp(2j * np.pi * rng.random((20_000, n))).mean(axis=1))
    assert p == pytest.approx((chance >= length).mean(), abs=0.006)
    assert min(abs(at - 0.97), 1 - abs(at - 0.97)) < 0.1


def test_the_rayleigh_length_by_hand():
    """Ten at noon and ten a quarter later: the mean of (1, 0) and (0, 1) is (1/2, 1/2), at one eighth."""
    _p, length, at = rayleigh([0.0] * 10 + [0.25] * 10)
    assert (length, at) == (pytest.approx(math.sqrt(0.5)), pytest.approx(0.125))
    assert all(math.isnan(one) for one in rayleigh([0.5] * 9))


@given(st.floats(0, 1), st.integers(0, 100))
def test_where_a_cycle_begins_does_not_change_its_p(turn, seed):
    phases = np.random.default_rng(seed).beta(2, 3, 15)
    one, other = rayleigh(phases), rayleigh((phases + turn) % 1)
    assert other[:2] == pytest.approx(one[:2])
    assert abs((other[2] - one[2] - turn + 0.5) % 1 - 0.5) < 1e-6


def test_too_few_ages_say_nothing_and_impossible_ones_are_refused():
    assert math.isnan(spike_scan([100.0] * 9).p)
    with pytest.raises(ValueError, match="positive"):
        spike_scan([1.0, 0.0])


def test_a_step_is_fishers_exact_test_on_the_four_counts():
    vendor, own = [1] * 5 + [11] * 20, [2] * 10 + [12] * 9
    (step,) = step_change(vendor, own, [("firmware", 10), ("too late", 99)], 0, 20)
    assert (step.vendor, step.own) == ((5, 20), (10, 9))
    assert step.ratio == pytest.approx((20 / 5) / (9 / 10))
    assert step.p == pytest.approx(stats.fisher_exact([[20, 5], [9, 10]], alternative="greater").pvalue)
    assert math.isnan(step_change([], own, [("firmware", 10)], 0, 20)[0].ratio)


@given(st.randoms(use_true_random=False), st.sampled_from([1, 24, 86_400]))
def test_a_step_knows_neither_the_order_of_alerts_nor_the_unit_of_time(shuffler, unit):
    vendor, own = [3, 5, 12, 13, 14, 17], [1, 8, 15]
    (one,) = step_change(vendor, own, [("contract", 10)], 0, 20)
    mixed = [unit * t for t in shuffler.sample(vendor, len(vendor))]
    (other,) = step_change(mixed, [unit * t for t in own], [("contract", unit * 10)], 0, unit * 20)
    assert (other.vendor, other.own, other.p, other.ratio) == (one.vendor, one.own, one.p, one.ratio)


def test_a_date_that_was_registered_later_is_shown_and_marked():
    steps = step_change([1, 11], [2, 12], [("found afterwards", 10)], 0, 20, beforehand=False)
    assert [step.beforehand for step in steps] == [False]
    assert step_change([1, 11], [2, 12], [("listed", 10)], 0, 20)[0].beforehand


def test_deferral_is_the_kaplan_meier_curve():
    days, failed = [10, 20, 30, 40, 50, 60, 200], [True, False, True, True, False, False, False]
    result = deferral(days, failed, 182)
    data = stats.CensoredData(
        uncensored=[d for d, f in zip(days, failed, strict=True) if f],
        right=[d for d, f in zip(days, failed, strict=True) if not f],
    )
    sf = stats.ecdf(data).sf
    assert result.rate.value == pytest.approx(1 - float(sf.evaluate(182)))
    interval = sf.confidence_interval(0.90, method="log-log")
    assert result.rate.low == pytest.approx(1 - float(interval.high.evaluate(182)))
    assert result.rate.high == pytest.approx(1 - float(interval.low.evaluate(182)))
    assert (result.n, result.failed) == (7, 3)


def test_those_chosen_by_lot_stand_apart_from_those_that_people_chose():
    days, failed = [10, 20, 30, 40, 50, 60], [True, False, True, False, True, False]
    lot = [True, True, True, False, False, False]
    result = deferral(days, failed, 182, lot, 0.25)
    assert result.by_lot == failed_within(days[:3], failed[:3], 182)
    assert result.by_people == failed_within(days[3:], failed[3:], 182)
    assert (result.randomised, result.by_people.n, result.break_even) == (3, 3, 0.25)
    assert result.rate == failed_within(days, failed, 182)


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans()), min_size=1, max_size=25), st.sampled_from([24, 1440]))
def test_the_share_that_fails_knows_neither_order_nor_unit(lives, unit):
    days, failed = [d for d, _ in lives], [f for _, f in lives]
    one = failed_within(days, failed, 182)
    other = failed_within([unit * d for d in days[::-1]], failed[::-1], unit * 182)
    assert (other.value, other.low, other.high) == (
        pytest.approx(one.value), pytest.approx(one.low), pytest.approx(one.high)
    )  # fmt: skip
    assert 0 <= one.low <= one.value <= one.high <= 1


def test_deferral_at_its_edges():
    assert math.isnan(deferral([], [], 182).rate.value)
    none = deferral([5, 9, 200, 300], [False] * 4, 182)
    assert (none.rate.value, none.rate.low) == (0.0, 0.0)
    assert none.rate.high == pytest.approx(1 - 0.1**0.5)  # Beta(1, 2): of the two that were followed to the horizon
    assert deferral([5, 9], [False, False], 182).rate.high == 1.0  # nobody was
    assert deferral([5, 9], [True, True], 182).rate.value == 1.0


def test_waddington_is_the_exact_ratio_of_two_rates():
    """One asset, 1000 days, work at 100 and 500, window 50: 4 failures in 100 days, 9 in 900."""
    failures = [110, 120, 510, 540, *range(200, 290, 10)]
    result = waddington({"P": [100, 500]}, {"P": failures}, (0, 1000), window=50, shift=300)
    assert (result.works, result.soon, result.later) == (2, 4, 9)
    assert result.ratio.value == pytest.approx((4 / 100) / (9 / 900))
    low, high = stats.binomtest(4, 13).proportion_ci(0.90)
    assert result.ratio.low == pytest.approx(low / (1 - low) * 9)
    assert result.ratio.high == pytest.approx(high / (1 - high) * 9)
    assert result.control.value == 0.0


def test_overlapping_work_counts_its_time_once():
    one = waddington({"P": [100, 110]}, {"P": [120, 500]}, (0, 1000), window=50, shift=300)
    assert one.ratio.value == pytest.approx((1 / 60) / (1 / 940))
    assert math.isnan(waddington({"P": [1]}, {}, (0, 10), window=1, shift=1).ratio.value)
