"""Plain files, in folders into which others may write: none is reached by a link, and nothing else than a file is read.

Whoever may write to a folder can lay a link there, and lead who reads or writes to files that are not meant. So a path
below a folder is walked step by step, and a file is replaced by one that did not exist before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fallback_procedures.procedure import SIZE_LIMIT
from fallback_procedures.words import _

_BINARY, _NO_LINK = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY  # a pipe could make us wait for ever
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
DEEP = 8  # folders in each other that are looked into
FILES = 5_000  # of a folder that are read: a library in three languages has 90


def read_plain(path: Path, limit: int, below: Path | None = None) -> bytes:
    """At most `limit` bytes of a plain file; OSError for a pipe, a device, and a link `below` that folder."""
    with open_plain(path, below) as file:
        return file.read(limit)


def open_plain(path: Path, below: Path | None = None) -> BinaryIO:
    """A plain file, open for reading; OSError for anything else, and where a link leads to it `below` that folder."""
    handle = _open_below(path, below) if below else os.open(path, _READ)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(errno.EINVAL, _("is no plain file"), os.fspath(path))


def _open_below(path: Path, below: Path) -> int:
    """A handle of what lies there; each folder on the way is opened from the one before, so none becomes a link."""
    parts = path.relative_to(below).parts
    if ".." in parts or not parts:
        raise OSError(errno.EINVAL, _("is no plain file"), os.fspath(path))
    if os.open not in os.supports_dir_fd:
        refuse_links(path, below)
        return os.open(path, _READ)
    folder = os.open(below, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _READ | _NO_LINK, dir_fd=folder)
    except OSError as fault:
        if fault.errno in (errno.ELOOP, errno.ENOTDIR):
            refuse_links(path, below)
        fault.filename = os.fspath(path)
        raise
    finally:
        os.close(folder)


def refuse_links(path: Path, below: Path) -> None:
    """OSError where a path below a folder goes by a link."""
    for one in (path, *path.parents):
        if one == below:
            return
        if one.is_symlink():
            raise OSError(errno.ELOOP, _("is a link, which is not followed"), os.fspath(one))


def plain_files(
    folder: Path, left_out: list[str], parts: tuple[str, ...] = (), every: bool = False
) -> Iterator[tuple[Path, list[str]]]:
    """The plain files below a folder with the parts of their names; links, pipes and devices are left out, and said.

    What is being written (.name.part) is none of them, but for `every`.
    """
    try:
        rows = sorted(os.scandir(folder), key=lambda row: row.name)
    except FileNotFoundError:
        return
    except OSError as fault:
        left_out.append(f"{folder}: {fault.strerror}")
        return
    for row in rows:
        if not every and row.name.startswith("."):
            continue
        if row.is_dir(follow_symlinks=False) and len(parts) < DEEP:
            yield from plain_files(Path(row.path), left_out, (*parts, row.name), every)
        elif row.is_file(follow_symlinks=False):
            yield Path(row.path), [*parts, row.name]
        elif row.is_symlink():
            left_out.append(_("{path}: is a link, which is not followed").format(path=row.path))
        else:
            left_out.append(_("{path}: is no plain file").format(path=row.path))


def own_texts(folder: Path, manual: Path, notes: list[str]) -> list[Path]:
    """The .txt (or .TXT) files of a site below a folder of STATE/manual; links are among them, and are said."""
    try:
        refuse_links(folder, manual)
        every = list(folder.rglob("*"))
        notes += [f"{path}: is a link, which is not followed" for path in every if path.is_symlink()]
        texts = [path for path in every if path.suffix.lower() == ".txt"]
        found = sorted(path for path in texts if path.is_symlink() or path.is_file())
        if len(found) > FILES:
            notes.append(f"{folder}: {len(found)} files; only the first {FILES} are read, take out what is not needed")
        return found[:FILES]
    except OSError as fault:
        notes.append(f"{folder}: cannot be listed ({fault.strerror})")
        return []


def own_bytes(path: Path, below: Path | None) -> bytes | None:
    """What lies there, of a sane size or a little more; None where it cannot be read, or a link leads to it."""
    try:
        return read_plain(path, SIZE_LIMIT + 1, below)
    except OSError:
        return None


def replace_file(path: Path, blob: bytes, mode: int = 0o666) -> None:
    """Replace a file as a whole, on the disk before it counts. Where a link has its name, the link is replaced."""
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY, mode)
    try:
        with open(handle, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink()
        raise
