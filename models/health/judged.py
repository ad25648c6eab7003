"""How a line is judged: the last good rows, their median, the uncertainty behind it, and the word that follows.

All lines are judged at the rows that are asked for: at the last one for "now", at every row for the past. It is the
same code, so both give the same answer, and a row never sees a later one. Arrays have shape (rows,) and (asked,), or
(assets, rows) and (assets, asked) on one time axis.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from models.health.curves import Reference
from models.health.limits import Limits
from models.health.physics import Columns, Rated
from models.health.state import row_starts

MIN_ROWS = 5  # fewer good rows support no line
RECENT_ROWS = 15
RECENT_S, RECENT_SPAN = 8 * 3600.0, 96  # rows older than this, and than so many rows, are no "now"
MEDIAN_ERROR, MAD_SIGMA = 1.2533, 1.4826  # standard error of a median over that of a mean; MAD to standard deviation
WORDS = np.array(["cannot_tell", "ok", "warn", "act", "info"], object)
_BACK = np.arange(RECENT_ROWS)
NEEDS = f"needs {MIN_ROWS} good steady values, has {{n}}"
INSIDE = "past the line, but inside the measurement uncertainty"
NO_REFERENCE = "no reference of this pump yet"


@dataclass(frozen=True, slots=True)
class Line:
    """One physical statement: a value beside its reference, its uncertainty (k = 1, same unit) and a word.

    `warn` and `act` are the lines in the unit of the value; None where there is no such line or no reference yet.
    """

    name: str
    value: float | None
    unit: str
    reference: float | None
    uncertainty: float | None
    warn: float | None
    act: float | None
    word: str  # ok, warn, act, cannot_tell, info: a figure without a line
    note: str = ""
    n: int = 0
    indicator: str = ""  # lines that share instruments share this word: together they are one indicator


@dataclass(frozen=True, slots=True)
class Recent:
    """The last rows before each asked row, oldest first, (..., asked, RECENT_ROWS): their places, -1 for none.

    A place counts through the rows of all assets.
    """

    places: np.ndarray
    n: np.ndarray

    def of(self, x: np.ndarray) -> np.ndarray:
        """The values of `x` at these rows, NaN where there is no row."""
        return np.where(self.places >= 0, x.ravel()[self.places], np.nan)

    def median(self, x: np.ndarray) -> np.ndarray:
        """The median of `x` over these rows; NaN with fewer than MIN_ROWS of them."""
        return self._middle(self.of(x))

    def error(self, x: np.ndarray) -> np.ndarray:
        """Standard error of that median from the scatter of these rows: it falls with the root of their number.

        0 with fewer than MIN_ROWS: then there is no median either.
        """
        part = self.of(x)
        scatter = MAD_SIGMA * self._middle(np.abs(part - self._middle(part)[..., None]))
        return np.where(np.isnan(scatter), 0.0, MEDIAN_ERROR * scatter / np.sqrt(np.maximum(self.n, 1)))

    def _middle(self, part: np.ndarray) -> np.ndarray:
        n = np.maximum(self.n, 1)[..., None]
        halves = np.take_along_axis(np.sort(part, axis=-1), np.concatenate([(n - 1) // 2, n // 2], axis=-1), axis=-1)
        middle = (halves[..., 0] + halves[..., 1]) / 2
        return np.asarray(np.where(self.n >= MIN_ROWS, middle, np.nan))


@dataclass(frozen=True)
class Rows:
    """One pump's rows, and those of them (`at`, rising) at which an answer is wanted.

    `columns` are the measured quantities and what was derived from them, `time_s` the times of the rows [s], `steady`
    and `off` where it runs steadily and where it stands, `beside` what others know of it (`models.health.lines`). For
    many pumps at once the numbers of `rated` and `reference` are arrays of shape (assets, 1).
    """

    columns: Columns
    time_s: np.ndarray
    steady: np.ndarray
    off: np.ndarray
    at: np.ndarray
    rated: Rated
    reference: Reference
    limits: Limits
    every_s: float
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a column."""
        return self.steady.shape

    @property
    def asked(self) -> tuple[int, ...]:
        """The shape of an answer."""
        return (*self.shape[:-1], len(self.at))

    @cached_property
    def _oldest(self) -> np.ndarray:
        return self.since(max(RECENT_S, RECENT_SPAN * self.every_s))

    def since(self, span_s: float) -> np.ndarray:
        """The first row that lies less than `span_s` [s] before each asked row."""
        return np.asarray(np.searchsorted(self.time_s, self.time_s[self.at] - span_s, side="right"))

    def recent(self, use: np.ndarray, *columns: np.ndarray) -> Recent:
        """The last rows in which `use` holds and all `columns` have a value, none older than is "now"."""
        for column in columns:
            use = use & np.isfinite(column)
        where, first = np.flatnonzero(use), row_starts(self.shape)
        last = np.searchsorted(where, first + self.at, side="right")
        oldest = np.searchsorted(where, first + self._oldest)
        n = np.minimum(np.maximum(last - oldest, 0), RECENT_ROWS)
        padded = np.concatenate([np.full(RECENT_ROWS, -1), where])
        places = padded[last[..., None] + _BACK]
        return Recent(np.where(RECENT_ROWS - n[..., None] <= _BACK, places, -1), n)


@dataclass(frozen=True, slots=True)
class Track:
    """A line at every asked row. `steps` are warn and act as distances from the reference on the bad side."""

    name: str
    unit: str
    indicator: str
    value: np.ndarray
    n: np.ndarray
    reference: np.ndarray
    uncertainty: np.ndarray
    steps: tuple[np.ndarray, np.ndarray]  # NaN where there is no such line
    excess: np.ndarray  # past the reference, on the bad side; NaN where it cannot be judged
    code: np.ndarray  # places in WORDS
    side: int = 1  # -1 where a fall is the bad direction
    needs: str = NEEDS
    unknown: str = NO_REFERENCE  # why there is no reference
    notes: np.ndarray | str = ""  # of all rows, or of each asked one

    @property
    def words(self) -> np.ndarray:
        """The word at each asked row."""
        return np.asarray(WORDS[self.code])

    def lines(self) -> list[Line]:
        """The statement at each asked row, of one asset after the other."""
        columns = (self.value, self.reference, self.n, self.code, self.uncertainty, self.excess, *self.steps)
        notes = [self.notes] * self.value.size if isinstance(self.notes, str) else self.notes.ravel().tolist()
        return [self._line(*row) for row in zip(*(one.ravel().tolist() for one in columns), notes, strict=True)]

    def _line(
        self, value: float, base: float, n: int, code: int, u: float, excess: float, warn: float, act: float, note: str
    ) -> Line:
        word = str(WORDS[code])
        if not math.isfinite(value) and (n < MIN_ROWS or math.isfinite(base)):
            note = note or self.needs.format(n=n)
        elif word == "cannot_tell" and not math.isfinite(base):
            note = note or self.unknown.format(n=n)
        elif word == "cannot_tell" and math.isfinite(excess):
            note = f"{note}; {INSIDE}" if note else INSIDE
        return Line(self.name, finite(value), self.unit, finite(base), finite(u), finite(base + self.side * warn),
                    finite(base + self.side * act), word, note, n, self.indicator)  # fmt: skip


def track(
    name: str, unit: str, indicator: str, value: np.ndarray, n: np.ndarray, reference: np.ndarray | float,
    uncertainty: np.ndarray | float, steps: tuple[np.ndarray | float | None, np.ndarray | float | None],
    excess: np.ndarray, coverage: float, *, side: int = 1, **more: object,
) -> Track:  # fmt: skip
    """A line whose `excess` past the reference is judged at two steps, and only past its uncertainty."""
    warn, act = (_all(math.nan if step is None else step, value) for step in steps)
    u = _all(uncertainty, value)
    code = word_codes(excess, warn, act, u, coverage)
    return Track(name, unit, indicator, value, n, _all(reference, value), u, (warn, act), excess, code, side, **more)  # type: ignore[arg-type]


def information(
    name: str, unit: str, indicator: str, value: np.ndarray, n: np.ndarray, uncertainty: np.ndarray | float = math.nan,
    **more: object,
) -> Track:  # fmt: skip
    """A figure without a line."""
    more.setdefault("unknown", more.get("needs", NEEDS))
    none = np.full(value.shape, math.nan)
    code = np.where(np.isfinite(value), 4, 0)
    return Track(name, unit, indicator, value, n, none, _all(uncertainty, value), (none, none), none, code, **more)  # type: ignore[arg-type]


def silent(rows: Rows, name: str, unit: str, indicator: str, note: str) -> Track:
    """A line that cannot be judged at any row, and why."""
    none, zero = np.full(rows.asked, math.nan), np.zeros(rows.asked, int)
    return Track(name, unit, indicator, none, zero, none, none, (none, none), none, zero, notes=note)


def word_codes(
    excess: np.ndarray, warn: np.ndarray, act: np.ndarray, uncertainty: np.ndarray, coverage: float
) -> np.ndarray:
    """Places in WORDS: act, warn, ok, or cannot_tell where `excess` is unknown or inside `coverage` uncertainties.

    Without a warn line (NaN) nothing can be told.
    """
    proven = excess > coverage * uncertainty
    past = np.where(proven, np.where(excess > act, 3, 2), 0)
    return np.asarray(np.where(excess <= warn, 1, np.where(excess > warn, past, 0)))


def word_for(excess: float, warn: float, act: float | None, uncertainty: float, coverage: float) -> str:
    """The word of one line that is `excess` past its reference."""
    steps = np.array([warn]), np.array([math.nan if act is None else act])
    return str(WORDS[word_codes(np.array([excess]), *steps, np.array([uncertainty]), coverage)[0]])


def finite(number: float) -> float | None:
    """The number, or None for NaN and infinity."""
    return number if math.isfinite(number) else None


def root_sum(*parts: np.ndarray | float) -> np.ndarray:
    """Root of the sum of squares of independent uncertainties."""
    return np.asarray(np.sqrt(sum(np.square(part) for part in parts)))


def _all(number: np.ndarray | float, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(number, float), like.shape)
