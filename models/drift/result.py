"""What every drift test answers: a word, the value behind it with its 90 % interval, the line, and on how much data."""

from dataclasses import dataclass

PASS, WARN, FAIL, CANNOT_TELL = "PASS", "WARN", "FAIL", "CANNOT TELL"
SEVERITY = (PASS, CANNOT_TELL, WARN, FAIL)  # from best to worst: not knowing is never a pass


@dataclass(frozen=True, slots=True)
class Result:
    """`value` lies in [low, high] with 90 %; None where there is none. `threshold` is the line of WARN."""

    word: str
    value: float | None
    threshold: float
    n: int
    low: float | None = None
    high: float | None = None


def worst(words: list[str]) -> str:
    """The worst word; CANNOT TELL where there is none."""
    return max(words, key=SEVERITY.index) if words else CANNOT_TELL


def graded(value: float, warn: float, fail: float) -> str:
    """PASS up to and including `warn`, FAIL past `fail`, WARN between."""
    return FAIL if value > fail else WARN if value > warn else PASS
