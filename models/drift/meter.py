"""Do the meters agree with each other? Water that enters a station leaves it.

Reference
---------
JCGM 100:2008 (GUM), Guide to the expression of uncertainty in measurement.
"""

import math

import numpy as np
from scipy import stats

from models.drift.result import CANNOT_TELL, FAIL, PASS, WARN, Result
from models.intervals import LEVEL

LINES = (5.0, 10.0)  # deviation [%]
METER_UNCERTAINTY = 2.0  # of one flow meter, k = 1 [%]
LEAST_BLOCKS = 8


def mass_balance(
    inflow: np.ndarray, outflow: np.ndarray, lines: tuple[float, float] = LINES,
    uncertainty: float = METER_UNCERTAINTY,
) -> Result:  # fmt: skip
    """Deviation of the outlet meter from the sum of the pumps [%], from paired means per block of time.

    Blocks with a missing value on either side are left out. The interval comes from their spread (Student t).
    A deviation counts only where the whole interval lies past the line and the value is past twice the combined
    uncertainty of both meters; WARN also where the interval merely reaches the FAIL line.

    >>> even = np.full(24, 100.0)
    >>> mass_balance(even, even * 1.2).word
    'FAIL'
    """
    inflow, outflow = np.asarray(inflow, float), np.asarray(outflow, float)
    both = np.isfinite(inflow) & np.isfinite(outflow)
    n = int(both.sum())
    total = float(inflow[both].sum())
    if n < LEAST_BLOCKS or total <= 0:
        return Result(CANNOT_TELL, None, lines[0], n)
    value = 100 * (float(outflow[both].sum()) / total - 1)
    rest = outflow[both] - inflow[both] * (1 + value / 100)  # ratio estimator: blocks weigh by their volume
    error = 100 * float(np.sqrt((rest**2).sum() / (n - 1) / n)) / (total / n)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    nearest, farthest = max(abs(value) - half, 0.0), abs(value) + half
    proved = abs(value) > 2 * math.sqrt(2) * uncertainty
    if proved and nearest > lines[1]:
        word = FAIL
    elif proved and nearest > lines[0]:
        word = WARN
    elif farthest > lines[1]:
        word = CANNOT_TELL
    else:
        word = PASS
    return Result(word, value, lines[0], n, value - half, value + half)
