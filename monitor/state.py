"""STATE: the one folder in which a running handwheel keeps its files, and the one way in which it writes a whole file.

Standard library only: the screen, the command line and the daemon all find each other through it.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from drivers.errors import UserError

if TYPE_CHECKING:
    from monitor.plant import History

SOCKET_LIMIT = 100  # a Unix socket's path must fit into 108 bytes on Linux, less elsewhere
DEFAULT = Path("/var/lib/handwheel")
TEXTS = "*.[tT][xX][tT]"  # procedures, sheets and setpoints, also as Windows names them


@dataclass(frozen=True, slots=True)
class State:
    """Where things lie below STATE (house.md: section 10)."""

    root: Path
    elsewhere: "History | None" = None  # set where the cold part of history lies in another place than `history`

    @property
    def hot(self) -> Path:
        return self.root / "hot.sqlite"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def bodies(self) -> Path:
        return self.root / "bodies.sqlite"

    @property
    def keys(self) -> Path:
        """The private key that seals the ledger; readable by the daemon's user alone, and part of no export."""
        return self.root / "keys"

    @property
    def history(self) -> Path:
        return self.root / "history"

    @property
    def models(self) -> Path:
        """Fitted models, one JSON card and one npz per asset."""
        return self.root / "models"

    @property
    def noise(self) -> Path:
        """How much noise each sensor usually has, for the quality machine."""
        return self.root / "noise.bin"

    @property
    def program(self) -> Path:
        """The files of the program, with their hashes, as the daemon found them at its last start."""
        return self.root / "program.json"

    @property
    def security_log(self) -> Path:
        """Who was let in or refused, by operating-system user; kept apart, and read by two roles together."""
        return self.root / "security.sqlite"

    @property
    def ballast(self) -> Path:
        """Room held in reserve, given up when nothing can be written any more."""
        return self.root / "ballast"

    @property
    def inbox(self) -> Path:
        """Finished alerts that intake hands to the daemon."""
        return self.root / "inbox"

    @property
    def imports(self) -> Path:
        """Imports that are decoded and wait to be taken in, a folder each."""
        return self.root / "imports"

    @property
    def periods(self) -> Path:
        """The journals that were taken in, each as it was then, named after its SHA-256."""
        return self.root / "periods"

    @property
    def rejected(self) -> Path:
        return self.root / "rejected"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def lock(self) -> Path:
        """The daemon holds an exclusive flock on it while it lives."""
        return self.root / "daemon.lock"

    @property
    def own_lock(self) -> Path:
        """The same once more, on a file that nobody else may open (0600)."""
        return self.root / "daemon.own.lock"

    @property
    def socket(self) -> Path:
        path = self.root / "command.sock"
        if len(os.fsencode(path)) > SOCKET_LIMIT:
            raise UserError(f"{path}: a socket path may have {SOCKET_LIMIT} bytes at most; choose a shorter --state")
        return path

    @property
    def manual(self) -> Path:
        """All that the fallback reads, published by the daemon; the fallback alone writes manual/journal/."""
        return self.root / "manual"

    @property
    def status(self) -> Path:
        return self.manual / "status.json"

    @property
    def last_known(self) -> Path:
        return self.manual / "last_known.txt"

    @property
    def last_known_minute(self) -> Path:
        """The same as it was within the last minute, forced to the disk: what a power cut leaves for certain."""
        return self.manual / "last_known_minute.txt"

    @property
    def procedures(self) -> Path:
        return self.manual / "procedures"

    @property
    def sheets(self) -> Path:
        return self.manual / "sheets"

    @property
    def setpoints(self) -> Path:
        """The setpoint masters of the sites, approved by a role."""
        return self.manual / "setpoints"

    @property
    def binder(self) -> Path:
        return self.manual / "binder"

    @property
    def printed(self) -> Path:
        """What a person has said to have printed and filed."""
        return self.manual / "printed"

    @property
    def facts(self) -> Path:
        return self.manual / "facts"

    @property
    def journal(self) -> Path:
        return self.manual / "journal"

    def with_history(self, history: "History") -> "State":
        """The same with the cold part of history where [history] says."""
        return replace(self, elsewhere=history if history.url else None)

    def make(self) -> "State":
        """Create the folders that are missing (mode 2770); raises UserError where the place cannot be written.

        The root, history, the journals and the pages printed in haste are 3770: who may put files there may not take
        away those of others. What the fallback believes (procedures, sheets, setpoints, facts, the binder, the status)
        is written by the daemon alone: 2750.
        """
        believed = (self.manual, self.procedures, self.sheets, self.setpoints, self.binder, self.facts)
        in_haste = self.manual / "now"
        sticky = (self.root, self.history, self.journal, in_haste)
        modes = {**dict.fromkeys(believed, 0o2750), **dict.fromkeys(sticky, 0o3770)}
        folders = (self.root, self.history, self.models, self.inbox, self.rejected, self.reports, *believed, in_haste,
                   self.printed, self.journal)  # fmt: skip
        for folder in folders:
            try:
                if not folder.is_dir():
                    folder.mkdir(parents=True)
                    folder.chmod(modes.get(folder, 0o2770))
                    sync_folder(folder.parent)
                owned = not folder.is_symlink() and folder.stat().st_uid == os.geteuid()
                if owned and self.manual in (folder, folder.parent):
                    folder.chmod(modes.get(folder, 0o2770))
            except OSError as fault:
                why = fault.strerror or fault
                raise UserError(
                    f"{folder}: cannot be made ({why}); choose another --state or mend its rights"
                ) from fault
        return self


def find_state(explicit: str | os.PathLike[str] | None, configured: str | None = None) -> State:
    """STATE = --state, else [paths] state, else /var/lib/handwheel if it is there, else ./state."""
    for choice in (explicit, configured):
        if choice:
            return State(Path(choice).expanduser().absolute())
    return State(DEFAULT if DEFAULT.is_dir() else Path("state").absolute())


def atomic_write(path: Path, data: bytes | str, *, sync: bool = True, mode: int = 0o640) -> None:
    """Replace `path` as a whole: a reader sees the old file or the new one, also after a crash.

    `sync=False` leaves out the fsync for files that are written each second and worth nothing a second later.
    """
    with replaced(path, sync=sync, mode=mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replaced(path: Path, *, sync: bool = True, mode: int = 0o640) -> Iterator[BinaryIO]:
    """As `atomic_write`, for what is too large to be held at once: the file to be written while the block runs.

    Where the block fails, the old file stays and nothing is left of the new one.
    """
    _refuse_planted(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def _refuse_planted(path: Path) -> None:
    """Links to folders are followed where root or we made them: anybody else of the group could lead us elsewhere."""
    for folder in path.parents:
        told = folder.lstat()
        if stat.S_ISLNK(told.st_mode) and told.st_uid not in (0, os.geteuid()):
            raise OSError(errno.ELOOP, "is a link that somebody else made; remove it", os.fspath(folder))


def read_plain(path: Path, limit: int, *, tail: bool = False) -> bytes:
    """At most `limit` bytes of a plain file, with `tail` of its end.

    OSError for a pipe, a device, a folder or a link: nobody is waited for.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "is no plain file; remove it", os.fspath(path))
        if tail:
            file.seek(max(0, os.fstat(handle).st_size - limit))
        return file.read(limit)


def is_strangers(path: Path) -> bool:
    """Whether a file in a sticky folder of ours belongs to neither root, nor the folder's owner, nor ourselves.

    Raises FileNotFoundError where there is none.
    """
    return path.lstat().st_uid not in {0, os.geteuid(), path.parent.stat().st_uid}


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
