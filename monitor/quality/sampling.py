"""Once a second, the newest fit sample of every tag: its mean over time, and how well that mean is known.

Running totals per tag that only grow: whoever wants a window takes the difference of two moments. Between two samples
a value is taken as a straight line; half of its change over that time is how wrong that can be, now too much and now
too little, so that these errors add up by their squares. Samples that are bad, forced or otherwise no measurement are
left out; a hole longer than the stale limit of the tag is a break.
"""

from dataclasses import dataclass

import numpy as np

from drivers.record import BAD_REASONS, Reason
from monitor.quality.layout import Layout

UNFIT = np.uint32(
    BAD_REASONS | Reason.STALE | Reason.SPIKE | Reason.SUBSTITUTE | Reason.INITIAL | Reason.MANUAL
    | Reason.CHECK_FUNCTION | Reason.FORCED | Reason.MAINTENANCE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """The fit samples that are new since the last tick; a step over a break is NaN."""

    tag: np.ndarray
    value: np.ndarray
    step: np.ndarray
    dt_s: np.ndarray  # since the sample before


class Sampling:
    """`area` [unit s], `fuzz` [unit2 s2], `covered` [s] and `breaks` by tag number, since the beginning."""

    def __init__(self, layout: Layout, mono_s: float) -> None:
        size = layout.size
        self._stale_after = layout.stale_after
        self._looked_s = np.full(size, mono_s)
        self._at_s, self.value = np.full(size, mono_s), np.full(size, np.nan)  # of the last fit sample
        self.area, self.fuzz, self.covered = np.zeros(size), np.zeros(size), np.zeros(size)
        self.breaks = np.zeros(size, np.int64)

    def take_over(self, old: "Sampling", tag: np.ndarray) -> None:
        """Go on where `old` stands with these tags."""
        for name in ("_looked_s", "_at_s", "value", "area", "fuzz", "covered", "breaks"):
            getattr(self, name)[tag] = getattr(old, name)[tag]

    def take(self, value: np.ndarray, seen_s: np.ndarray, reasons: np.ndarray) -> Drawn:
        """Take in what the machine knows now; arrays by tag number."""
        tag = np.flatnonzero((seen_s != self._looked_s) & ((reasons & UNFIT) == 0) & np.isfinite(value))
        self._looked_s[tag] = seen_s[tag]
        now_s, now, before = seen_s[tag], value[tag], self.value[tag]
        dt_s = now_s - self._at_s[tag]
        step = now - before
        whole = np.isfinite(step) & (dt_s <= self._stale_after[tag])
        broken = tag[~whole]
        self.breaks[broken] += 1
        step[~whole] = np.nan
        if not len(broken):
            self._add(tag, now + before, step, dt_s)
        else:
            self._add(tag[whole], (now + before)[whole], step[whole], dt_s[whole])
        self._at_s[tag], self.value[tag] = now_s, now
        return Drawn(tag, now, step, dt_s)

    def _add(self, tag: np.ndarray, both: np.ndarray, step: np.ndarray, dt_s: np.ndarray) -> None:
        self.area[tag] += both * dt_s / 2
        self.fuzz[tag] += (step * dt_s / 2) ** 2
        self.covered[tag] += dt_s
