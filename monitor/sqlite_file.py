"""How an SQLite file of STATE is opened by its one writer, read by anybody, and left behind.

One writer per file (the holder of daemon.lock) in WAL mode with synchronous=FULL: a commit that returned survives a
kill and a power cut. Readers open it read-only. A WAL file that was closed cleanly cannot be opened read-only by a user
without write rights, so the writer ends in journal_mode=DELETE where nobody reads just then. Standard library only.
"""

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from drivers.errors import UserError
from monitor.lock import lock_is_free
from monitor.state import State, is_strangers

LOG = logging.getLogger("handwheel.store")
WAL_BYTES = 16_000_000  # what is not yet in the file proper; more only while somebody holds one view of it for long
_BUSY_S = 5.0
_PATIENCE_MS = 200
_BESIDE = ("-wal", "-shm", "-journal")


class FileDamaged(UserError):
    """A file of STATE cannot be read as what it should be."""


def open_writer(path: Path, schema: str) -> sqlite3.Connection:
    """The writer's connection; the tables of `schema` are made where missing. The caller holds daemon.lock.

    Raises FileDamaged for a file that belongs to a stranger; a stranger's log beside it is set aside.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise damaged(path, OSError("is no plain file"))
    _keep_strangers_out(path)
    try:
        db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        db.text_factory = _text
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        db.executescript(f"BEGIN; {schema} COMMIT;")  # all tables or none, also after a power cut
    except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
        raise damaged(path, fault) from fault
    return db


def _keep_strangers_out(path: Path) -> None:
    """Only root, the owner of the folder and ourselves write here, but others of the group can put files into it.

    SQLite would write a log (-wal, -journal) that somebody planted beside a file into it, page by page.
    """
    for one in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        try:
            if not is_strangers(one):
                continue
        except FileNotFoundError:
            continue
        if one == path:
            raise FileDamaged(f"{path}: belongs to another user, who could have written anything; put back your own")
        aside = one.with_name(f".{one.name}.{secrets.token_hex(4)}.stranger")
        os.replace(one, aside)
        LOG.error("%s: was put there by another user; it was not read and lies in %s", one, aside)


def damaged(path: Path, fault: Exception) -> FileDamaged:
    """One line: which file, why, what to do."""
    advice = "move it away or put back a copy"
    if "full" in str(fault):
        advice = "make room on the disk"
    elif getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:  # also where it cannot begin its WAL
        advice = "the disk is full or fails: make room or mend it; the file itself may be sound, do not move it"
    return FileDamaged(f"{path}: cannot be read or written ({fault}); {advice}")


def wal_bytes(path: Path) -> int:
    """How much was written that does not lie in the file proper yet, or lay there last."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def shorten_wal(db: sqlite3.Connection, path: Path) -> int:
    """Begin the WAL anew where it has grown beyond WAL_BYTES; returns how long it is then.

    Many short views can hinder that, each for a moment: they are waited for a little. One that is held for long cannot
    be ended from here; the writer goes on behind it.
    """
    if wal_bytes(path) > WAL_BYTES:
        db.execute(f"PRAGMA busy_timeout={_PATIENCE_MS}")
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.execute(f"PRAGMA busy_timeout={round(_BUSY_S * 1000)}")
    return wal_bytes(path)


def close_writer(db: sqlite3.Connection, *, slow_disk: bool = False) -> None:
    """Close so that other users can read the file afterwards.

    On a slow disk without the last steps of that: its readers then take the file as it stands while nobody writes.
    """
    try:
        if slow_disk:
            db.close()
            return
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        pass  # somebody reads just now: -wal and -shm then stay beside the file, which serves as well
    db.close()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection with one unchanging view of the file, closed at the end of the block.

    Raises FileNotFoundError where there is no file yet and FileDamaged where it is no database.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    if not path.is_file():  # SQLite would wait for whoever writes into a pipe
        raise damaged(path, OSError("is no plain file"))
    try:
        db = _open_reader(path)
        try:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                raise FileNotFoundError(path)  # its writer has just begun with it
            yield db
        finally:
            db.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
        raise damaged(path, fault) from fault


def _open_reader(path: Path) -> sqlite3.Connection:
    where = f"file:{quote(str(path.absolute()))}"
    try:
        return _begin(f"{where}?mode=ro")
    except sqlite3.OperationalError:
        # a folder that cannot be written, a file left in WAL mode: safe to take as it stands while nobody writes
        if not lock_is_free(State(path.parent)):
            raise
        return _begin(f"{where}?immutable=1")


def _begin(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
    db.text_factory = _text
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        db.close()
        raise
    except UnicodeDecodeError as fault:  # SQLite's own message quotes the damaged bytes
        db.close()
        raise sqlite3.DatabaseError("its schema is damaged") from fault
    return db


def _text(raw: bytes) -> str:
    """A text with a flipped bit is still read: its row's check tells, not a fault in the middle of a table."""
    return raw.decode(errors="replace")
