"""The scikit-learn face of the detector keeps scikit-learn's own contract, and is the product's detector underneath."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.health.detector import fit_detector, noise_floors, prepared, smoothed
from models.health.estimator import LaggedPCADetector

OF_ITS_NATURE = {
    # a row is judged with the rows before it: alone, or in another order, it is another question
    "check_methods_subset_invariance": "a batch of one row has no earlier rows",
    "check_methods_sample_order_invariance": "time order is part of what is judged",
    # the line lies above all of the reference, which a person has confirmed as normal
    "check_outliers_train": "no training row may be called an outlier",
    "check_outliers_fit_predict": "no training row may be called an outlier",
}


@parametrize_with_checks([LaggedPCADetector(lags=1, smooth=1, alert=0.5)])
def test_without_lags_and_with_a_line_inside_the_training_rows_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


@parametrize_with_checks([LaggedPCADetector()], expected_failed_checks=lambda _: OF_ITS_NATURE)
def test_as_the_product_uses_it_all_checks_pass_but_those_against_its_nature(estimator, check):
    check(estimator)


def walk(rows, seed=0):
    random = np.random.default_rng(seed)
    common = np.sin(np.arange(rows) / 9)[:, None] * [1.0, 2.0, -1.0]
    return common + random.normal(0, 0.1, (rows, 3))


def test_its_scores_are_those_of_the_product():
    rows, seen = walk(600), walk(200, 1)
    found = LaggedPCADetector().fit(rows)
    names = ("x0", "x1", "x2")
    own = fit_detector(rows, np.zeros(600), names, noise_floors(rows, names, {}), smooth_least=1)
    x, kept = prepared(own, seen, np.zeros(200))
    assert found.offset_ == -1.5 * own.worst
    product = smoothed(own.score(x), np.zeros(len(x)))
    assert -found.score_samples(seen)[kept][20:] == pytest.approx(product[20:], rel=1e-12)
    assert found.contributions(seen)[kept[7]] == pytest.approx(own.shares(x[7:8])[0])


def test_a_broken_relation_is_an_outlier_and_its_column_is_named():
    found = LaggedPCADetector().fit(walk(600))
    seen = walk(200, 1)
    seen[100:, 2] += 2.0
    said = found.predict(seen)
    assert (said[:100] == 1).all()
    assert (said[120:] == -1).all()
    assert (found.contributions(seen)[120:].argmax(axis=1) == 2).all()


def test_what_is_missing_is_unknown_and_no_outlier():
    found = LaggedPCADetector().fit(walk(600))
    seen = walk(60, 1)
    seen[30:] = np.nan
    assert np.isnan(found.decision_function(seen)[30:]).all()
    assert (found.predict(seen) == 1).all()


def test_floors_and_rows_that_do_not_fit_are_refused_in_words():
    with pytest.raises(ValueError, match="give one per column"):
        LaggedPCADetector(floors=[0.1]).fit(walk(60))
    with pytest.raises(ValueError, match="needed in one piece"):
        LaggedPCADetector().fit(np.full((60, 3), np.nan))


def test_a_noise_floor_quiets_its_column():
    seen = walk(200, 1)
    seen[100:, 2] += 2.0
    assert (LaggedPCADetector(floors=[0, 0, 10.0]).fit(walk(600)).predict(seen) == 1).all()
