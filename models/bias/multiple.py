"""Many sites and classes at once: which flags stand when all were asked the same question.

References
----------
Wang, Ramdas 2022, False discovery rate control with e-values, JRSS B 84, arXiv 2009.02824. Use current e-values, not
their running maxima: on suprema the rule does not hold (arXiv 2501.19360).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def e_bh(e_values: Sequence[float], rate: float = 0.10) -> NDArray[np.bool_]:
    """Which hypotheses e-BH rejects at false discovery rate `rate`, under any dependence.

    The largest k such that the k-th largest e-value is at least K / (rate k).

    >>> e_bh([100.0, 1.0, 16.0, 0.5], rate=0.10).tolist()
    [True, False, False, False]
    """
    e = np.asarray(e_values, dtype=float)
    flagged = np.zeros(len(e), dtype=bool)
    if not len(e):
        return flagged
    order = np.argsort(-e, kind="stable")
    enough = np.flatnonzero(e[order] >= len(e) / (rate * np.arange(1, len(e) + 1)))
    if len(enough):
        flagged[order[: enough[-1] + 1]] = True
    return flagged
