"""History: the door to all that is kept for longer than the hot file. What lies behind it is in four small rooms.

parquet writes files, folding makes them of frames, query reads samples over hot and cold alike, frames puts them on a
grid for models. Only the worker, reports and audits come here: it needs pandas and pyarrow.
"""

from monitor.historian.folding import FoldResult, fold
from monitor.historian.frames import wide
from monitor.historian.parquet import HistoryError, day_folder, write_day, write_grid
from monitor.historian.query import read

__all__ = ["FoldResult", "HistoryError", "day_folder", "fold", "read", "wide", "write_day", "write_grid"]
