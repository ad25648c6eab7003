"""Where the cold part of history lies: a folder of this machine, or any filesystem that pyarrow knows (object storage).

Names are relative to it: site=S/date=D/part-0.parquet. A file comes into being as a whole: it is made on this machine,
then put in place under its name, and never seen half. Beside each lies _NAME.sha256, in the form that `sha256sum -c`
takes; tools that read a whole folder leave out what begins with an underscore.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pyarrow import fs

from drivers.errors import ConfigError, UserError
from drivers.secret import read_secret
from monitor.plant import History
from monitor.state import State, atomic_write, sync_folder

QUARANTINE = "_quarantine"
PART = ".part"  # how the name of a file ends that is not in its place yet
_PROBED_DAYS = 40  # of so many days each folder is asked for by name; of more, the site's folder is listed
_BLOCK = 1 << 20
_NOTE_LIMIT = 4_096
_S3_OPTIONS = ("endpoint_override", "scheme", "region")


class Unreachable(UserError):
    """The place of the cold part does not answer."""


@dataclass(frozen=True, slots=True)
class Cold:
    """The place of the cold part. `scratch` is a folder of this machine for files that are being made."""

    files: fs.FileSystem
    root: str
    scratch: Path
    address: str  # as people write it
    local: bool

    def path(self, name: str) -> str:
        """A name as the filesystem has it."""
        return f"{self.root}/{name}"

    def shown(self, name: str) -> str:
        """A name with the address before it, for people."""
        return f"{self.address}/{name}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the cold part as it lies there now."""

    name: str
    size: int  # [B]
    mtime_ns: int

    @property
    def site(self) -> str:
        return PurePosixPath(self.name).parts[0].removeprefix("site=")

    @property
    def day(self) -> str:
        return PurePosixPath(self.name).parts[1].removeprefix("date=")

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem


def cold_of(state: State) -> Cold:
    """STATE/history, or the place that [history] url names. ConfigError where that cannot be used."""
    if state.elsewhere is None or state.elsewhere.url is None:
        return Cold(fs.LocalFileSystem(), os.fspath(state.history), state.history, os.fspath(state.history), True)
    told = state.elsewhere
    place = urlsplit(str(told.url))
    address = f"{place.scheme}://{place.netloc}{place.path}".rstrip("/")
    if place.scheme == "s3":
        return Cold(_s3(told), f"{place.netloc}{place.path}".rstrip("/"), state.history, address, False)
    try:
        files, root = fs.FileSystem.from_uri(told.url)
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise ConfigError(f"site.toml: history.url {address}: cannot be used ({fault}); see its driver") from fault
    return Cold(files, root.rstrip("/"), state.history, address, isinstance(files, fs.LocalFileSystem))


def _s3(told: History) -> fs.FileSystem:
    options = {key: values[-1] for key, values in parse_qs(urlsplit(str(told.url)).query).items()}
    if unknown := sorted(set(options) - set(_S3_OPTIONS)):
        raise ConfigError(f"site.toml: history.url: {unknown[0]} is unknown; known: {', '.join(_S3_OPTIONS)}")
    if told.user is None:
        who: dict[str, Any] = {"anonymous": True}
    else:
        secret = read_secret("history", file=told.password_file, credential=told.password_credential)
        who = {"access_key": told.user, "secret_key": secret}
    # a store that is away must be said soon, not after minutes of trying
    retry = fs.AwsStandardS3RetryStrategy(max_attempts=2)
    return fs.S3FileSystem(
        **who, **options, connect_timeout=3, request_timeout=20, retry_strategy=retry,
        allow_delayed_open=True,  # a small object is one request
    )  # fmt: skip


@contextmanager
def reaching(cold: Cold) -> Iterator[None]:
    """Whatever the place refuses inside the block becomes one line: Unreachable."""
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except (OSError, pa.ArrowException) as fault:
        if cold.local:
            raise
        words = str(fault).splitlines()[0][:300]
        raise Unreachable(f"history {cold.address}: not reachable ({words}); nothing is lost, look at it") from fault


def sites(cold: Cold) -> list[str]:
    """The sites that have history."""
    return [name.removeprefix("site=") for name in _folders(cold, cold.root) if name.startswith("site=")]


def days(cold: Cold, site: str) -> list[str]:
    """The days (UTC, YYYY-MM-DD) of a site that have a folder, ascending."""
    names = _folders(cold, cold.path(f"site={site}"))
    return [name.removeprefix("date=") for name in names if name.startswith("date=")]


def stored(cold: Cold, site: str, first: str = "", last: str = "9999") -> Iterator[Stored]:
    """The Parquet files of a site from the first to the last day (UTC, YYYY-MM-DD), by day and name.

    Folders of other days are not looked into.
    """
    for day in _days_between(cold, site, first, last):
        yield from in_folder(cold, f"site={site}/date={day}")


def in_folder(cold: Cold, folder: str) -> list[Stored]:
    """The Parquet files of one day's folder by name."""
    found = [
        Stored(f"{folder}/{info.base_name}", info.size, info.mtime_ns)
        for info in _infos(cold, cold.path(folder))
        if info.type == fs.FileType.File and info.base_name.startswith("part-") and info.extension == "parquet"
    ]
    return sorted(found, key=lambda one: one.name)


def put(cold: Cold, part: Path, name: str, *, sync: bool = True) -> None:
    """Bring a file that was made in `scratch` to its place, as a whole; `part` is gone afterwards."""
    if cold.local:
        target = Path(cold.path(name))
        if sync:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(target)
        if sync:
            for place in (target.parent, target.parent.parent, target.parent.parent.parent):
                sync_folder(place)
        return
    folder, _, base = name.rpartition("/")
    with reaching(cold):
        away = cold.path(f"{folder}/_{base}.{secrets.token_hex(4)}{PART}")
        # one write: where it fails, the upload is given up and no object comes into being
        with pa.memory_map(os.fspath(part)) as source, cold.files.open_output_stream(away) as out:
            out.write(source.read_buffer())
        if digest_of(cold, away.removeprefix(f"{cold.root}/")) != digest(part):
            cold.files.delete_file(away)
            raise Unreachable(f"{cold.shown(name)}: does not read back as it was sent; nothing was changed there")
        cold.files.move(away, cold.path(name))
    part.unlink()


def part_for(cold: Cold, name: str) -> Path:
    """A path in which to make the file that will be `name`: beside it, or in `scratch` where it lies elsewhere.

    What a crash left of an earlier try is removed: one process at a time makes the file of a name.
    """
    path = PurePosixPath(name)
    folder = Path(cold.path(os.fspath(path.parent))) if cold.local else cold.scratch
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"_{path.name}.*{PART}"):
        left.unlink(missing_ok=True)
    return folder / f"_{path.name}.{secrets.token_hex(4)}{PART}"


def remove(cold: Cold, name: str) -> None:
    """Remove a file and what is noted of it; it is no fault if it is not there."""
    for one in (_noted_in(name), name):  # a file without a note can be read, a note without its file says nothing
        with reaching(cold), suppress(FileNotFoundError):
            cold.files.delete_file(cold.path(one))


def set_aside(cold: Cold, name: str) -> str:
    """Move a damaged file to where nothing reads it; returns its new name."""
    target = f"{QUARANTINE}/{name}.{secrets.token_hex(4)}"
    with reaching(cold):
        if cold.local:
            Path(cold.path(target)).parent.mkdir(parents=True, exist_ok=True)
        cold.files.move(cold.path(name), cold.path(target))
        if cold.local:
            for place in (*list(Path(cold.path(target)).parents)[:4], Path(cold.path(name)).parent):
                sync_folder(place)  # the new name first: a cut in between leaves two, never none
    with reaching(cold), suppress(FileNotFoundError):
        cold.files.delete_file(cold.path(_noted_in(name)))
    return target


def in_quarantine(cold: Cold, site: str | None, first: str, last: str) -> list[str]:
    """The names of what was set aside of these days (UTC, YYYY-MM-DD)."""
    found = []
    for folder in _folders(cold, cold.path(QUARANTINE)):
        if not folder.startswith("site=") or (site is not None and folder != f"site={site}"):
            continue
        for day in _folders(cold, cold.path(f"{QUARANTINE}/{folder}")):
            if first <= day.removeprefix("date=") <= last:
                names = _infos(cold, cold.path(f"{QUARANTINE}/{folder}/{day}"))
                found += [f"{QUARANTINE}/{folder}/{day}/{info.base_name}" for info in names]
    return sorted(found)


def note(cold: Cold, name: str, digests: Sequence[str]) -> None:
    """Note the SHA-256 of a file beside it: twice the same, or two of which each holds while the file is replaced."""
    base = name.rpartition("/")[2]
    text = "".join(f"{one}  {base}\n" for one in digests).encode()
    if cold.local:
        atomic_write(Path(cold.path(_noted_in(name))), text)
        return
    with reaching(cold), cold.files.open_output_stream(cold.path(_noted_in(name))) as out:
        out.write(text)


def noted(cold: Cold, name: str) -> list[str]:
    """What is noted of a file; empty if nothing is."""
    try:
        with reaching(cold), cold.files.open_input_stream(cold.path(_noted_in(name))) as file:
            lines = file.read(_NOTE_LIMIT).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    return [line.partition(" ")[0] for line in lines]


def _noted_in(name: str) -> str:
    path = PurePosixPath(name)
    return os.fspath(path.with_name(f"_{path.name}.sha256"))


def digest_of(cold: Cold, name: str) -> str:
    """SHA-256 [hex] of a file of the cold part. FileNotFoundError where there is none."""
    made = hashlib.sha256()
    with cold.files.open_input_stream(cold.path(name)) as file:
        while block := file.read_buffer(_BLOCK):
            made.update(block)
    return made.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 [hex] of a file of this machine."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _days_between(cold: Cold, site: str, first: str, last: str) -> list[str]:
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        return [day for day in days(cold, site) if first <= day <= last]
    if (end - start).days > _PROBED_DAYS:
        return [day for day in days(cold, site) if first <= day <= last]
    return [(start + timedelta(n)).isoformat() for n in range((end - start).days + 1)]


def _folders(cold: Cold, path: str) -> list[str]:
    if cold.local:  # names alone: nothing is asked of each folder
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(info.base_name for info in _infos(cold, path) if info.type == fs.FileType.Directory)


def _infos(cold: Cold, path: str) -> list[fs.FileInfo]:
    with reaching(cold):
        found: list[fs.FileInfo] = cold.files.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return found
