"""What one finding says of itself: whether its grade, its wear and its measured value can be true together."""

import math
from typing import Any

AS_SHARE = 1.5  # wear written as a share of the limit is hardly ever more, wear in per cent hardly ever always less
FAR_BEYOND = 3.0  # and no part is found at more than three times its limit
SOUND, WORN = ("A", "B", "C"), ("D", "E")


def quantity(text: Any) -> float:
    """The number of a decimal string with unit ("30 %", "1150.00 EUR"); NaN for none, and for words without a number.

    >>> quantity("30 %"), quantity(2.5)
    (30.0, 2.5)
    """
    try:
        value = float(text if isinstance(text, int | float) else str(text).split()[0])
    except (ValueError, IndexError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def contradiction(grade: Any, wear: Any, measured: Any, limit: Any) -> str:
    """What contradicts itself in a finding: "grade_against_wear", "other_unit", or "" where all can be true together.

    Grades A to C say serviceable, D and E beyond the agreed limit; wear is in per cent of that limit. C to E with a
    wear of 1.5 % at most are a share that was taken for per cent. The measured value is asked only where there is no
    wear: whether a limit is an upper or a lower bound is not known here.

    >>> contradiction("D", "40 %", "12 ml/h", "60 ml/h"), contradiction("C", "0.7 %", None, None)
    ('grade_against_wear', 'grade_against_wear')
    >>> contradiction("B", None, "12 ml/h", "7.1 mm/s"), contradiction("D", "104 %", "62 ml/h", "60 ml/h")
    ('other_unit', '')
    """
    share, found, agreed = quantity(wear) / 100, quantity(measured), quantity(limit)
    if not (math.isnan(found) or math.isnan(agreed)) and str(measured).split()[1:] != str(limit).split()[1:]:
        return "other_unit"
    if math.isnan(share) and agreed > 0 and not math.isnan(found):
        share = found / agreed
    sound_and_beyond = grade in SOUND and share > 1
    worn_and_within = grade in WORN and share < 1
    no_wear = grade in ("C", *WORN) and 0 < share * 100 <= AS_SHARE
    return "grade_against_wear" if sound_and_beyond or worn_and_within or no_wear else ""


def looks_like_share(wear: list[float]) -> bool:
    """Whether wears, as they are written, look like shares of the limit: most are in (0, 1.5], none is above 3.

    >>> looks_like_share([0.3, 0.8, 1.1, 0.0, 1.6]), looks_like_share([30, 0.8, 1.1, 0.0, 0.95])
    (True, False)
    """
    above = [one for one in wear if one > 0]
    return bool(above) and max(above) <= FAR_BEYOND and 2 * sum(one <= AS_SHARE for one in above) > len(above)
