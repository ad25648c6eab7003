"""U: the share of vendor interventions that the as-found evidence does not support.

Inspectors err both ways, and how often they err is known only roughly. U is corrected for that and carries the doubt.
"Unsupported" is not "excess": an early replacement postpones the next one (see life.py); the two are printed as a pair.

References
----------
Rogan, Gladen 1978, Am. J. Epidemiology 107 (correction for sensitivity and specificity).
Brown, Cai, DasGupta 2001, Statistical Science 16 (Jeffreys posterior of a rate).
"""

import numpy as np

from models.intervals import LEVEL, Interval

DRAWS = 20_000


def unsupported(
    confirmed: int,
    unconfirmed: int,
    *,
    sensitivity: tuple[float, float] = (45, 5),
    specificity: tuple[float, float] = (45, 5),
    seed: int = 1,
) -> Interval:
    """U = 1 - (theta - (1 - Sp)) / (Se + Sp - 1) with its 90 % interval, median as the value; within [0, 1].

    Parameters
    ----------
    confirmed, unconfirmed : int
        Independent findings with grade D or E, and the others.
    sensitivity, specificity : (float, float)
        Beta parameters of what is known about the inspectors: confirmed and missed in a validation. (45, 5) is .9
        as if seen in 50.
    seed : int
        Of the Monte Carlo draws: the same findings give the same digits.
    """
    n = confirmed + unconfirmed
    if not n:
        return Interval(float("nan"), 0.0, 1.0, 0)
    rng = np.random.default_rng(seed)
    theta = rng.beta(confirmed + 0.5, unconfirmed + 0.5, DRAWS)
    se, sp = rng.beta(*sensitivity, DRAWS), rng.beta(*specificity, DRAWS)
    useful = se + sp > 1  # an inspector no better than a coin says nothing
    share = 1 - (theta[useful] - (1 - sp[useful])) / (se[useful] + sp[useful] - 1)
    tail = 50 * (1 - LEVEL)
    low, middle, high = np.clip(np.percentile(share, [tail, 50, 100 - tail]), 0.0, 1.0)
    return Interval(float(middle), float(low), float(high), n)
