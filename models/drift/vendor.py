"""Does a vendor speak more often than it did? The number alone says nothing about who is right: findings do.

References
----------
Przyborowski, Wilenski 1940, Homogeneity of results in testing samples from Poisson series, Biometrika 31 (exact rate
ratio). Lucas 1985, Counted data CUSUMs, Technometrics 27.
"""

import math
from collections.abc import Sequence

from scipy import stats

from models.drift.result import CANNOT_TELL, FAIL, PASS, WARN, Result
from models.intervals import LEVEL

LEAST_EVENTS = 10
LINES = (1.0, 1.5)  # of the lower bound of the ratio


def rate_ratio(
    events_before: int, exposure_before: float, events_now: int, exposure_now: float,
    lines: tuple[float, float] = LINES,
) -> Result:  # fmt: skip
    """Rate now over rate before, with the exact conditional interval; exposures in one unit (pump-years).

    Given the total, the events now are binomial with share exposure_now / (exposure_before + exposure_now). WARN where
    the lower bound is past 1, FAIL past 1.5; fewer than 10 events in all: CANNOT TELL.

    >>> found = rate_ratio(10, 6320.0, 6, 2130.0)
    >>> round(found.value, 2), found.word
    (1.78, 'PASS')
    """
    total = events_before + events_now
    if exposure_before <= 0 or exposure_now <= 0 or total < LEAST_EVENTS:
        return Result(CANNOT_TELL, None, lines[0], total)
    odds = exposure_before / exposure_now
    tail = (1 - LEVEL) / 2
    low = 0.0 if events_now == 0 else float(stats.beta.ppf(tail, events_now, events_before + 1))
    high = 1.0 if events_before == 0 else float(stats.beta.ppf(1 - tail, events_now + 1, events_before))
    ratio_low = odds * low / (1 - low)
    ratio_high = odds * high / (1 - high) if high < 1 else math.inf
    value = odds * events_now / events_before if events_before else math.inf
    word = FAIL if ratio_low > lines[1] else WARN if ratio_low > lines[0] else PASS
    return Result(word, value, lines[0], total, ratio_low, ratio_high)


def cusum(counts: Sequence[int], base: float, raised: float, line: float = 4.0) -> tuple[list[float], int | None]:
    """Poisson CUSUM: its path, and the place of the first count past `line`, or None.

    `base` is the expected count per period, `raised` the one to be found; the reference value is
    (raised - base) / (ln raised - ln base). ValueError unless 0 < base < raised.
    """
    if not 0 < base < raised:
        raise ValueError(f"base {base} and raised {raised}: needs 0 < base < raised")
    reference = (raised - base) / (math.log(raised) - math.log(base))
    path: list[float] = []
    level, first = 0.0, None
    for place, count in enumerate(counts):
        level = max(0.0, level + count - reference)
        path.append(level)
        if first is None and level > line:
            first = place
    return path, first
