"""The hourly means that an import leaves for the hot file. Needs numpy alone: the daemon's writer reads them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

NAME = "rollups.npz"
_AT_ONCE = 48  # hours, so that no commit of the daemon waits for long


def write_hours(path: Path, hours: Mapping[str, Mapping[int, float]]) -> None:
    """Means by tag and beginning of the hour (UTC [s])."""
    all_hours = np.array(sorted({hour for one in hours.values() for hour in one}), np.int64)
    values = [[one.get(hour, np.nan) for hour in all_hours.tolist()] for _, one in sorted(hours.items())]
    with path.open("wb") as file:
        np.savez(
            file,
            hours_s=all_hours,
            tags=np.array(sorted(hours), np.str_),
            values=np.array(values, np.float64).reshape(len(hours), len(all_hours)),
        )


def bring_hours(folder: Path) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
    """(hours, means by tag) in small parts, as HotFile.bring_in takes them; nothing where there are none."""
    path = folder / NAME
    if not path.is_file():
        return
    with np.load(path, allow_pickle=False) as told:
        hours_s, tags, values = told["hours_s"], told["tags"].tolist(), told["values"]
    for at in range(0, len(hours_s) if tags else 0, _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        yield hours_s[part], {tag: values[row, part] for row, tag in enumerate(tags)}
