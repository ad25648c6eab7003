"""History: the door to all that is kept for longer than the hot file.

Only the worker, reports, audits and commands come here: it needs pandas and pyarrow.
"""

from monitor.historian.added import add_rows
from monitor.historian.cold import Cold, Unreachable, cold_of
from monitor.historian.folding import FoldResult, fold
from monitor.historian.frames import wide
from monitor.historian.parquet import HistoryError, day_folder, write_day, write_grid
from monitor.historian.query import read

__all__ = [
    "Cold", "FoldResult", "HistoryError", "Unreachable", "add_rows", "cold_of", "day_folder", "fold", "read", "wide",
    "write_day", "write_grid",
]  # fmt: skip
