"""Whatever settings allow has an answer: no rate and no inspector that site.toml takes ends in a traceback."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.bias.evidence import bet_path, log_e, null_rate, path_bound
from models.bias.review import _beta
from models.bias.tipping import path_curve, path_tipping, tipping
from models.bias.unsupported import unsupported
from monitor.settings.shapes import Review

SHARE = st.floats(0.5, 1)
RATE = st.floats(1e-6, 1 - 1e-6)


@given(q0=RATE, sensitivity=SHARE, specificity=SHARE, worn=st.integers(0, 12), sound=st.integers(0, 12))
@example(q0=1 - 1e-6, sensitivity=1.0, specificity=1.0, worn=0, sound=12)
@example(q0=1e-6, sensitivity=1.0, specificity=1.0, worn=12, sound=12)
@example(q0=1 - 1e-6, sensitivity=0.5, specificity=0.5, worn=0, sound=12)
@settings(max_examples=25, deadline=None)
def test_each_allowed_rate_and_inspector_has_an_answer(q0, sensitivity, specificity, worn, sound):
    Review(min_confirmation=q0, sensitivity=sensitivity, specificity=specificity)
    x, m0 = [True] * worn + [False] * sound, null_rate(q0, sensitivity, specificity)
    judged = {"q0": q0, "sensitivity": sensitivity, "specificity": specificity}
    visits = list(range(len(x)))
    assert bet_path(x, visits, m0, 4).current >= 0
    assert 0 <= path_bound(x, visits, 4) <= 1
    assert not math.isnan(log_e(worn, sound, m0))
    path_tipping(x, visits, m0, 4, without_finding=3, **judged)
    tipping(worn, sound, 3, **judged)
    path_curve(x, visits, 4, sensitivity=sensitivity, specificity=specificity)
    unsupported(worn, sound, sensitivity=_beta(sensitivity), specificity=_beta(specificity))
