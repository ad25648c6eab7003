"""Each drift test against a case worked out by hand, and against too little data."""

import math

import numpy as np
import pytest
from scipy import stats

from models.drift import data, meter, vendor
from models.drift.result import graded, worst


def test_not_knowing_is_never_a_pass():
    assert worst(["PASS", "CANNOT TELL"]) == "CANNOT TELL"
    assert worst(["WARN", "CANNOT TELL", "FAIL"]) == "FAIL"
    assert worst([]) == "CANNOT TELL"
    assert [graded(value, 1, 2) for value in (1, 1.5, 2.5)] == ["PASS", "WARN", "FAIL"]


def test_psi_of_two_halves_is_worked_out_by_hand():
    reference = np.repeat([0.0, 1.0], 1000)
    current = np.repeat([0.0, 1.0], [500, 1500])
    p, q = np.array([1000.5, 1000.5]) / 2001, np.array([500.5, 1500.5]) / 2001
    found = data.psi(reference, current)
    assert found.value == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=2e-3)
    assert found.word == "FAIL"


def test_psi_passes_the_same_and_fails_the_shifted():
    random = np.random.default_rng(3)
    reference = random.normal(0, 1, 5000)
    assert data.psi(reference, random.normal(0, 1, 5000)).word == "PASS"
    assert data.psi(reference, random.normal(1, 1, 5000)).word == "FAIL"
    assert data.psi(reference * 1000, random.normal(0, 1000, 5000)).word == "PASS"


def test_psi_with_little_data_or_none_cannot_tell():
    assert data.psi(np.arange(5000.0), np.arange(50.0)).word == "CANNOT TELL"
    assert data.psi(np.array([np.nan]), np.arange(50.0)).word == "CANNOT TELL"


def test_a_constant_reference_divides_by_nothing():
    assert data.psi(np.full(1000, 4.0), np.full(1000, 4.0)).word == "PASS"
    assert data.psi(np.full(1000, 4.0), np.full(1000, 5.0)).word == "FAIL"


def test_ks_counts_only_independent_rows():
    random = np.random.default_rng(3)
    one, other = random.normal(0, 1, 300), random.normal(0.8, 1, 300)
    assert data.ks(one, other).word == "WARN"
    assert data.ks(one, other).value == pytest.approx(stats.ks_2samp(one, other).statistic)
    assert data.ks(one, other, rows_per_independent=60).word == "CANNOT TELL"
    assert data.ks(one, random.normal(0, 1, 300)).word == "PASS"


def test_mass_balance_of_even_flows():
    pumps = np.full(24, 100.0)
    found = meter.mass_balance(pumps, pumps * 1.03)
    assert (found.word, found.n) == ("PASS", 24)
    assert found.value == pytest.approx(3.0)
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))
    assert meter.mass_balance(pumps, pumps * 1.08).word == "WARN"
    assert meter.mass_balance(pumps, pumps * 0.85).word == "FAIL"


def test_mass_balance_inside_the_uncertainty_of_two_meters_accuses_nobody():
    pumps = np.full(24, 100.0)
    assert meter.mass_balance(pumps, pumps * 1.055).word == "PASS"  # 2 sqrt(2) 2 % = 5.66 %


def test_mass_balance_of_scattered_or_missing_flows_cannot_tell():
    random = np.random.default_rng(1)
    pumps = np.full(10, 100.0)
    assert meter.mass_balance(pumps, pumps + random.normal(4, 25, 10)).word == "CANNOT TELL"
    assert meter.mass_balance(np.full(24, np.nan), np.full(24, 100.0)).word == "CANNOT TELL"
    assert meter.mass_balance(np.zeros(24), np.zeros(24)).word == "CANNOT TELL"


def test_rate_ratio_agrees_with_the_exact_binomial_test():
    found = vendor.rate_ratio(10, 6000.0, 24, 6000.0)
    assert found.value == pytest.approx(2.4)
    assert found.word == "WARN"
    share = stats.binomtest(24, 34).proportion_ci(0.9, method="exact")
    assert (found.low, found.high) == pytest.approx((share.low / (1 - share.low), share.high / (1 - share.high)))


def test_rate_ratio_says_so_when_there_are_too_few():
    assert vendor.rate_ratio(2, 10.0, 7, 10.0).word == "CANNOT TELL"
    assert vendor.rate_ratio(20, 0.0, 7, 10.0).word == "CANNOT TELL"
    assert vendor.rate_ratio(0, 10.0, 20, 10.0).value == math.inf
    assert vendor.rate_ratio(20, 10.0, 0, 10.0).word == "PASS"


def test_cusum_finds_a_doubled_rate_and_leaves_a_steady_one():
    path, at = vendor.cusum([2, 2, 2, 2, 5, 5, 5, 5], base=2.0, raised=4.0)
    k = 2 / math.log(2)
    assert path[4] == pytest.approx(5 - k)
    assert at == 5  # 2 (5 - k) = 4.23, past 4
    assert vendor.cusum([2] * 50, 2.0, 4.0)[1] is None
    with pytest.raises(ValueError, match="base"):
        vendor.cusum([1], 2.0, 1.0)
