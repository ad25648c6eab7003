"""What the program came with: files in its folder, or inside the one-file program of a stick (a zip that Python runs).

Nothing is ever unpacked: a rescue laptop may have no disk to write to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.path.abspath(__file__)).parent


def archive() -> Path | None:
    """The one-file program that runs; None where the program is a folder."""
    outer = FOLDER.parent
    return outer if outer.is_file() else None


def home() -> Path:
    """The folder in which the program lies, links followed: what is beside it is looked for there."""
    try:
        return FOLDER.parent.resolve().parent if archive() else FOLDER.resolve().parent
    except (OSError, RuntimeError):
        return FOLDER.parent


def read(*parts: str) -> bytes:
    """A file of the program. Raises OSError where there is none."""
    loader: Any = __spec__.loader  # of this file: it reads its neighbours too, on a disk as in a zip
    # in a zip under the name by which it was started: "../stick/x.pyz" is another path to it than the one without dots
    return bytes(loader.get_data(os.path.join(os.path.dirname(__file__) if archive() else FOLDER, *parts)))


def names(*parts: str) -> list[str]:
    """The names in a folder of the program, sorted; none where there is no such folder."""
    outer = archive()
    if outer is None:
        try:
            return sorted(os.listdir(FOLDER.joinpath(*parts)))
        except OSError:
            return []
    start = "/".join((FOLDER.name, *parts)) + "/"
    return sorted({name[len(start) :].split("/")[0] for name in _packed(outer) if name.startswith(start)})


def _packed(outer: Path) -> list[str]:
    import zipfile  # only here: a program in a folder does without

    with zipfile.ZipFile(outer) as packed:
        return packed.namelist()
