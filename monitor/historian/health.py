"""How the store is: what lies where, how far history has come, and what was found damaged. Standard library only, so
that the doctor, the daemon's figures and a test can ask it alike.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.historian.reader import HotReader, folded_upto
from monitor.sqlite_file import wal_bytes
from monitor.state import State


@dataclass(frozen=True, slots=True)
class Health:
    """Sizes in bytes, times in UTC [ms]; None where there is nothing yet."""

    hot_bytes: int
    wal_bytes: int  # written, not yet in the hot file; grows while somebody holds one view of it for long
    cold_bytes: int  # of history on this machine
    frames: int  # in the hot file
    oldest_ms: int | None  # of the frames in the hot file
    newest_ms: int | None
    folded_n: int  # the last frame that lies in verified Parquet
    unfolded: int  # frames that lie nowhere else yet
    damaged: int  # frames that were refused and set aside
    rollups: Mapping[int, tuple[int, int]]  # by span [s]: first and last beginning (UTC) [s]


def health(state: State) -> Health:
    """How hot file and history are just now. Raises FileDamaged where the hot file cannot be read."""
    hot = HotReader(state.hot)
    there = hot.extent()
    first, last = there.first_n, there.last_n
    folded = folded_upto(state.history, hot.meta().get("id", ""))
    return Health(
        hot_bytes=_size(state.hot),
        wal_bytes=wal_bytes(state.hot),
        cold_bytes=_tree_size(state.history),
        frames=last - first + 1 if last else 0,
        oldest_ms=there.oldest_ms,
        newest_ms=there.newest_ms,
        folded_n=folded,
        unfolded=max(last - max(folded, first - 1), 0) if last else 0,
        damaged=len(hot.set_aside()),
        rollups=hot.rollup_extent(),
    )


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _tree_size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        total += sum(_size(Path(root, name)) for name in names)
    return total
