"""What a model says of one asset at one time, and how it is put together from a detector's scores and the lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from models.health.detector import LAGS, SMOOTH, SMOOTH_LEAST, Detector
from models.health.index import ALERT
from models.health.judged import Line, finite
from models.health.lines import OF_USE
from models.health.model import HealthModel

NO_GOOD_DATA = "no good data"
TOO_FEW = f"fewer than {LAGS - 1 + SMOOTH_LEAST} good rows in one state since the last gap"
IN_THE_DARK = f"no good data in the last {SMOOTH} rows"


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much of the score one quantity explains [%], its value, and the value that the others let expect."""

    quantity: str
    value: float | None
    expected: float | None
    unit: str
    share: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What our model says of one asset at the end of a window. Index and score are None where it cannot tell."""

    at: str  # UTC time of the last row of the window
    state: str
    index: float | None
    word: str  # normal, warning, alert, unknown
    score: float | None
    threshold: float | None  # alert line of the score
    contributions: tuple[Contribution, ...]  # all, largest first
    lines: tuple[Line, ...]
    good_share: float
    reasons: tuple[str, ...]
    index_at: str | None = None  # row the index rests on: earlier than `at` while the pump changes state
    lines_at: str | None = None  # the last row of steady running, on which the physics lines rest

    @property
    def top(self) -> tuple[Contribution, ...]:
        """The three largest contributions."""
        return self.contributions[:3]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in _OWN}
        lines = [{name: getattr(line, name) for name in _LINE} for line in self.lines]
        top = [{name: getattr(one, name) for name in _CONTRIBUTION} for one in self.top]
        return plain | {"contributions": top, "lines": lines}


_OWN = tuple(one.name for one in fields(Assessment) if one.name not in ("contributions", "lines"))
_LINE = tuple(one.name for one in fields(Line))
_CONTRIBUTION = tuple(one.name for one in fields(Contribution))


def choose(told: Sequence[tuple[np.ndarray, np.ndarray, bool]], ran: np.ndarray) -> np.ndarray:
    """Which detector the index rests on, -1 where unknown; of each its score as share of its warning line, NaN where it
    judged nothing, whether that was since the last telemetry gap, and whether it speaks of running.

    That is the one whose score is nearest to, or farthest past, its alert line: what was found in running stays while
    the pump stands. Once it has run since the last gap (`ran`), one of them must have been judged since then too.
    """
    best, most = np.full(ran.shape, -1), np.full(ran.shape, -1.0)
    any_fresh, running = np.zeros(ran.shape, bool), np.zeros(ran.shape, bool)
    for number, (share, fresh, of_running) in enumerate(told):
        there = np.isfinite(share)
        running |= there & of_running
        any_fresh |= there & fresh
        best, most = np.where(share > most, number, best), np.fmax(share, most)
    return np.where((any_fresh | ~ran) & (running | (most >= ALERT)), best, -1)


def explained(
    d: Detector, x: np.ndarray, shown: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares [%], values and expected values of some lagged rows; `shown` are those of the same rows."""
    n = len(d.features)
    value, expected = (x[:, :n] + d.mean[:n]) * d.scale + d.centre, d.expected(x)
    for i, name in enumerate(d.features):
        if name in shown:
            base, gain = shown[name]
            value[:, i], expected[:, i] = base + gain * value[:, i], base + gain * expected[:, i]
    return d.shares(x), value, expected


def contributions(
    names: Sequence[str], share: np.ndarray, value: np.ndarray, expected: np.ndarray, units: Mapping[str, str]
) -> tuple[Contribution, ...]:
    """Every quantity's share in the score of one lagged row, largest first; the shares add up to 100 %."""
    found = [
        Contribution(name, finite(float(value[i])), finite(float(expected[i])), units.get(name, ""), float(share[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.share, one.quantity)))


def still(tag: str, limits: tuple[float, float]) -> Line:
    """The line of a sensor that stands still."""
    return Line("frozen", None, "h", None, None, None, limits[0] / 3600, "act", f"{tag} has not moved", 0, "instrument")


def worst(word: str, lines: Sequence[Line]) -> str:
    """The index's word, or a worse one that a physics line proves."""
    order = ("unknown", "normal", "warning", "alert")
    told = {"warn": "warning", "act": "alert"}
    proved = (told[line.word] for line in lines if line.word in told and line.name not in OF_USE)
    return max([word, *proved], key=order.index)


def not_learned(model: HealthModel) -> str:
    """Why there is no detector: said before anything about the data, which may be as good as can be."""
    return "; ".join(model.card.get("notes", ())) or "no reference has been learned for this pump"


def outside_words(name: str, low: float, high: float, units: Mapping[str, str]) -> str:
    """Why a model steps back: a driver has left what was learned."""
    return f"{name} is outside the learned {low:.4g} to {high:.4g} {units.get(name, '')}".rstrip()
