"""SQLite files that somebody moves, deletes or replaces under the daemon: seen within seconds, by their inodes.

SQLite goes on writing into a file that has no name any more, and all of it is gone with the process. What we hold open
is the truth: the hot file is written again from it under its name, and so is a ledger that is simply gone. A file that
somebody else put there is kept in quarantine; where it is a ledger, nothing is overwritten and nothing entered until a
person has decided, for a chain must never fork in silence. Used by the writer's thread alone.
"""

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from monitor.daemon.drafts import now_us, own
from monitor.daemon.writer import STORE_FAULTS, Shut, ShutLedger, Writer
from monitor.historian.hot import HotFile
from monitor.ledger import Draft, Ledger, verify
from monitor.ledger.chain import open_ledger
from monitor.plant import Settings
from monitor.state import State, sync_folder
from monitor.words import _, clean, utc_text

LOG = logging.getLogger("handwheel.daemon")
_BESIDE = ("-wal", "-shm")
Identity = tuple[int, int] | None  # device and inode; None: there is no such file


class Files:
    """Whether the files that the writer holds open are still the ones that have their names."""

    def __init__(self, settings: Settings, state: State, writer: Writer) -> None:
        """`writer` has just opened them."""
        self._settings, self._state, self._writer = settings, state, writer
        self._root, self._quarantine = identity(state.root), state.root / "quarantine"
        self._hot, self._ledger = _seen((state.hot,)), _seen((state.ledger, state.bodies))
        self._rescued: list[Path] = []  # our own ledger and bodies, in quarantine while a stranger lies in their place
        self.news = ""  # what was mended since somebody took it
        self.words = ""  # the trouble that a person must end; "" where there is none

    def look(self) -> list[Draft]:
        """Compare, and mend what can be mended; returns the entries that tell of it. Raises STORE_FAULTS."""
        if identity(self._state.root) != self._root:
            self._say(_("{path}: was moved away; put it back").format(path=self._state.root))
            return []
        drafts = []
        if (hot := _seen((self._state.hot,))) != self._hot:
            drafts += self._mend_hot(hot)
        if self._rescued:
            drafts += self._open_again()
        elif (ledger := _seen((self._state.ledger, self._state.bodies))) != self._ledger:
            drafts += self._mend_ledger(ledger)
        if not self._rescued:
            self._say("")
        return drafts

    def _say(self, words: str) -> None:
        if words and words != self.words:
            LOG.error("%s", words)
        self.words = words

    def _mend_hot(self, now: dict[Path, Identity]) -> list[Draft]:
        """A file under its own name again, with all that the open one has."""
        path, db = self._state.hot, self._writer.hot.connection
        moved = [self._set_aside(one) for one in now if now[one] and now[one] != self._hot[one]]
        why = "replaced while the daemon ran" if moved else "deleted while the daemon ran"
        try:
            _write_again(path, db, now[path] == self._hot[path])
        except STORE_FAULTS as fault:
            LOG.error("%s: what it held cannot be written again (%s); a new one is begun", path, fault)
            why = f"{why}; what was not yet in history is lost"
            db.close()
        self._writer.hot = HotFile(path)
        self._writer.hot.publish_tags(self._settings)
        self._hot = _seen((path,))
        self.news = f"{path}: was {why}"
        LOG.error("%s; it has its name again", self.news)
        return [_entry(path, why, moved)]

    def _mend_ledger(self, now: dict[Path, Identity]) -> list[Draft]:
        """Put back what is gone; where a stranger lies, keep ours aside and shut the ledger."""
        ledger = self._writer.ledger
        assert isinstance(ledger, Ledger)  # it is not shut: nothing was rescued
        head, open_files = ledger.head(), ledger.connections
        if any(now[path] and now[path] != self._ledger[path] for path in open_files):
            self._rescued = [self._copy_aside(path, db) for path, db in open_files.items()]
            for path, db in open_files.items():
                _close_without_a_trace(path, db)
            words = _("{path}: was replaced; ours with {n} entries, head {head}, lies in {folder}: put it back,"
                      " or start the daemon anew to go on with what lies there")  # fmt: skip
            words = words.format(path=self._state.ledger, n=head[0], head=head[1], folder=self._quarantine)
            self._writer.ledger = ShutLedger(words, head)
            self._say(words)
            return []
        for path, db in open_files.items():
            for one in (path.with_name(path.name + end) for end in _BESIDE):
                if now[one] and now[one] != self._ledger[one]:
                    self._set_aside(one)
            _write_again(path, db, now[path] == self._ledger[path])
        self._writer.ledger = open_ledger(self._state)
        self._ledger = _seen(open_files)
        if self._writer.ledger.head() != head:  # another process wrote in between
            self._writer.ledger.close()
            raise Shut(_("{path}: is not the chain that we wrote").format(path=self._state.ledger))
        self.news = f"{self._state.ledger}: was deleted while the daemon ran; it was written again"
        LOG.error("%s, head %d:%s", self.news, *head)
        return [_entry(self._state.ledger, "deleted while the daemon ran; written again from the open file", [])]

    def _open_again(self) -> list[Draft]:
        """Go on as soon as our own chain lies in its place, put there by a person, or by us where the place is free."""
        n, head = self._writer.ledger.head()
        for path, ours in zip((self._state.ledger, self._state.bodies), self._rescued, strict=True):
            if not path.exists():
                part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
                _copy(ours, part)
                os.replace(part, path)
        if n and not verify(self._state, f"{n}:{head}").ok:
            return []
        self._writer.ledger = ledger = open_ledger(self._state)
        if ledger.head()[0] != n:
            self._writer.ledger = ShutLedger(self.words, (n, head))
            ledger.close()
            return []
        self._ledger, kept, self._rescued = _seen((self._state.ledger, self._state.bodies)), self._rescued, []
        for path in kept:
            path.unlink(missing_ok=True)
        LOG.warning("%s: is our own again, head %d:%s; entries are made again", self._state.ledger, n, head)
        return [_entry(self._state.ledger, "replaced while the daemon ran; our own was put back", [])]

    def _set_aside(self, path: Path) -> str:
        """A stranger's file, into quarantine; returns where it lies."""
        to = self._aside(path)
        os.replace(path, to)
        LOG.error("%s: is not what we wrote; it was moved to %s", path, to)
        return os.fspath(to.relative_to(self._state.root))

    def _copy_aside(self, path: Path, db: sqlite3.Connection) -> Path:
        to = self._aside(path)
        _backup(db, to)
        return to

    def _aside(self, path: Path) -> Path:
        folder = self._quarantine
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o2770)
            sync_folder(folder.parent)
        stamp = utc_text(now_us())[:19].replace(":", "")
        return folder / f"{stamp}-{secrets.token_hex(2)}-{path.name}"


def identity(path: Path) -> Identity:
    """Device and inode of what has this name."""
    try:
        told = path.lstat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


def _seen(paths: Iterable[Path]) -> dict[Path, Identity]:
    """Of each file and of what SQLite keeps beside it."""
    return {
        one: identity(one) for path in paths for one in (path, *(path.with_name(path.name + end) for end in _BESIDE))
    }


def _write_again(path: Path, db: sqlite3.Connection, same: bool) -> None:
    """All that `db` has, under its name, and closed. `same`: only what lay beside the file is gone."""
    if same:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _backup(db, part)
        db.close()
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _backup(db: sqlite3.Connection, to: Path) -> None:
    copy = sqlite3.connect(to)
    try:
        db.backup(copy)
    finally:
        copy.close()
    handle = os.open(to, os.O_RDWR)
    try:
        os.fchmod(handle, 0o640)
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: Path, to: Path) -> None:
    db = sqlite3.connect(source)
    try:
        _backup(db, to)
    finally:
        db.close()


def _close_without_a_trace(path: Path, db: sqlite3.Connection) -> None:
    """Close a file that lost its name; SQLite would remove by name what lies beside the stranger's."""
    kept = [(one, one.with_name(f".{one.name}.kept")) for one in (path.with_name(path.name + end) for end in _BESIDE)]
    for one, hidden in kept:
        with suppress(FileNotFoundError):
            os.replace(one, hidden)
    db.close()
    for one, hidden in kept:
        with suppress(FileNotFoundError):
            os.replace(hidden, one)


def _entry(path: Path, why: str, moved: Sequence[str]) -> Draft:
    data = {"file": path.name, "why": clean(why), "moved_to": ", ".join(moved) or None}
    return own("quarantine", data, now_us())
