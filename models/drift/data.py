"""Do today's inputs still look like those a model was learned on?

References
----------
Siddiqi 2006, Credit Risk Scorecards (PSI and its customary lines 0.1 and 0.25). Yurdakul, Naranjo 2020, Statistical
properties of the population stability index, Journal of Risk Model Validation 14 (its size under no drift).
Massey 1951, The Kolmogorov-Smirnov test for goodness of fit, Journal of the American Statistical Association 46.
"""

import numpy as np
from scipy import stats

from models.drift.result import CANNOT_TELL, PASS, Result, graded

BINS = 10
PSI_LINES = (0.10, 0.25)
KS_LINES = (0.20, 0.40)
KS_P = 0.01


def psi(reference: np.ndarray, current: np.ndarray, lines: tuple[float, float] = PSI_LINES) -> Result:
    """Population stability index over the deciles of the reference; NaN values are left out.

    Half a count is added to each bin so that an empty one gives no infinity. Without drift the index is about
    (bins - 1)(1/n + 1/m); where that alone reaches half of the WARN line there is too little data to tell.

    >>> psi(np.arange(1000.0), np.arange(1000.0)).word
    'PASS'
    """
    reference, current = _finite(reference), _finite(current)
    n = min(len(reference), len(current))
    if not n:
        return Result(CANNOT_TELL, None, lines[0], 0)
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = len(edges) + 1
    expected = np.bincount(np.searchsorted(edges, reference), minlength=bins) + 0.5
    actual = np.bincount(np.searchsorted(edges, current), minlength=bins) + 0.5
    p, q = expected / expected.sum(), actual / actual.sum()
    value = float(((q - p) * np.log(q / p)).sum())
    chance = (bins - 1) * (1 / len(reference) + 1 / len(current))
    word = CANNOT_TELL if chance > lines[0] / 2 else graded(value, *lines)
    return Result(word, value, lines[0], n)


def ks(
    reference: np.ndarray, current: np.ndarray, rows_per_independent: float = 1.0,
    lines: tuple[float, float] = KS_LINES,
) -> Result:  # fmt: skip
    """Largest distance of the two distribution functions; it counts only where p < 0.01 on the independent rows.

    Neighbouring rows of a plant are no independent draws: `rows_per_independent` says how many count as one.
    """
    reference, current = _finite(reference), _finite(current)
    n = int(min(len(reference), len(current)) / rows_per_independent)
    if n < 20:
        return Result(CANNOT_TELL, None, lines[0], n)
    value = float(stats.ks_2samp(reference, current).statistic)
    m, k = len(reference) / rows_per_independent, len(current) / rows_per_independent
    p = float(stats.kstwobign.sf(value * np.sqrt(m * k / (m + k))))
    return Result(graded(value, *lines) if p < KS_P else PASS, value, lines[0], n)


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    return np.asarray(values[np.isfinite(values)])
