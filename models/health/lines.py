"""The physics lines: what a pump's own instruments say by textbook formulas, before any statistics.

`physics_lines` says it of the last row, `line_words` of every row; both are `tracks`. A line fires only past its own
measurement uncertainty; else it says cannot_tell with the reason. A line whose instruments are missing is not there.

`beside` are columns, one value per row of the frame, of what others know of this pump: `duty_share` [%] (from
`duty_shares`); for a pump in a wet well `level` [m], `others_running` (share of the row in which any other pump of the
well ran; without it the pump is alone) and `inflow` [m3/h].

    limits         where a warning and an alert begin, per asset
    judged         recent rows, medians, uncertainty, words
    against_curve  hydraulic power, efficiency, energy, head and power, flows far from the best
    machine        vibration, bearing and winding, phase currents
    suction        NPSH margin, hint of cavitation
    use            starts per hour, duty balance
    stopped        leak-back, pressure held, wet well
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.health.against_curve import curve_lines
from models.health.curves import Reference
from models.health.judged import Line, Rows, Track
from models.health.limits import Limits
from models.health.machine import machine_lines
from models.health.physics import Rated, arrays
from models.health.state import OFF, STEADY, seconds
from models.health.stopped import pump_downs, stopped_lines
from models.health.suction import suction_lines
from models.health.use import use_lines

OF_USE = frozenset(("starts_per_h", "duty_balance", "npsh_margin"))  # causes of wear: no sign that a part is worn
LEAST_CYCLES = 30  # pump-downs of the reference window that make a reference
Beside = Mapping[str, np.ndarray]


def physics_lines(
    frame: pd.DataFrame, state: np.ndarray, rated: Rated, reference: Reference,
    limits: Limits | None, every_s: float, beside: Beside | None = None,
) -> tuple[Line, ...]:  # fmt: skip
    """Every physical statement that this pump's instruments support at the last row; () without rows.

    `frame` are the rows of the window by quantity (units of monitor.plant) with the derived columns, `state` the
    operating state of each, one row per `every_s` [s].
    """
    if not len(frame):
        return ()
    last = np.array([len(frame) - 1])
    rows = rows_of(frame, state, rated, reference, limits, every_s, beside, last)
    return tuple(line for one in tracks(rows) for line in one.lines())


def line_words(
    frame: pd.DataFrame, state: np.ndarray, rated: Rated, reference: Reference,
    limits: Limits | None, every_s: float, beside: Beside | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The word of each line at every row: what `physics_lines` says of the rows up to there."""
    return {one.name: one.words for one in tracks(
        rows_of(frame, state, rated, reference, limits, every_s, beside)
    )}  # fmt: skip


def tracks(rows: Rows) -> tuple[Track, ...]:
    """Each line at the asked rows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (*curve_lines(rows), *machine_lines(rows), *suction_lines(rows), *use_lines(rows), *stopped_lines(rows))


def rows_of(
    frame: pd.DataFrame, state: np.ndarray, rated: Rated, reference: Reference,
    limits: Limits | None, every_s: float, beside: Beside | None = None, at: np.ndarray | None = None,
) -> Rows:  # fmt: skip
    """The rows as the lines judge them, at the rows `at` (places, rising; None: all of them)."""
    return Rows(arrays(frame), seconds(frame.index), state == STEADY, state == OFF,
                np.arange(len(frame)) if at is None else at, rated, reference, limits or Limits(), every_s,
                beside or {})  # fmt: skip


def well_reference(rows: Rows) -> dict[str, float]:
    """The pump-down time of a reference window, as a median of `Reference`; {} with fewer than LEAST_CYCLES of them."""
    times = pump_downs(rows)[0] if "level" in rows.beside else np.array([])
    return {"pump_down": float(np.nanmedian(times))} if np.isfinite(times).sum() >= LEAST_CYCLES else {}
