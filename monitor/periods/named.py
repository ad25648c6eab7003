"""Which tag a reading of a step measures: as the sheets of the configuration say, or once said.

A journal is a file that others can write to, and what it says of its own sheet proves nothing. The daemon keeps each
row that it ever published beside the facts, where it alone writes: a journal may come home after its sheet has changed.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from monitor.plant import Settings
from monitor.state import TEXTS, State, atomic_write, read_plain

LIMIT = 1_000_000  # bytes of a sheet, as it is published
KEPT_LIMIT = 16_000_000  # bytes
_HEAD = re.compile(r"(?m)^[ \t]*SHEET +site +(\S{1,40}) ")
_ROW = re.compile(r"(?m)^[ \t]*tag_p([0-9]{2})_([0-9]{1,2}[a-z]?)(?:_[2-9])?(?: *\[([^\]\n]{1,20})\])? *= *(\S{1,200})")
Row = tuple[str, str, str, str, str]  # site, procedure, step, asset ("" where the row names none), tag
Named = frozenset[Row]


def named_tags(settings: Settings, state: State) -> Named:
    """What the sheets name now, and what was kept of those that were published. Of a step all readings are one."""
    return _of_sheets(settings.folder / "sheets") | _kept(_path(state))


def keep_named(settings: Settings, state: State) -> None:
    """Add what the sheets name now to what is kept."""
    before = _kept(_path(state))
    if more := _of_sheets(settings.folder / "sheets") - before:
        atomic_write(_path(state), json.dumps(sorted(before | more), ensure_ascii=False, indent=0))


def _path(state: State) -> Path:
    return state.facts / "named_tags.json"


def _of_sheets(folder: Path) -> Named:
    return frozenset(row for path in folder.rglob(TEXTS) for row in _rows(path))


def _rows(path: Path) -> Iterator[Row]:
    try:
        text = read_plain(path, LIMIT).decode("utf-8-sig", "replace").replace("\r\n", "\n")
    except OSError:
        return
    if head := _HEAD.search(text):
        for number, step, asset, tag in _ROW.findall(text):
            yield head[1], f"P-{number}", step, asset, tag


def _kept(path: Path) -> Named:
    try:
        told = json.loads(read_plain(path, KEPT_LIMIT))
    except (OSError, ValueError, RecursionError):
        return frozenset()
    rows = told if isinstance(told, list) else []
    whole = (row for row in rows if isinstance(row, list) and len(row) == 5)
    return frozenset((str(site), str(procedure), str(step), str(asset), str(tag))
                     for site, procedure, step, asset, tag in whole)  # fmt: skip
