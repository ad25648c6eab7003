"""The security log: which operating-system user was let in by the command socket, or refused.

Everything else of this house knows roles. Who guards the host has to know users: so there is this one file with names,
for 90 days, to the quarter of an hour, without what was decided or of which asset; no reader of the plant's records
opens it.
STATE/security.sqlite belongs to the daemon alone (mode 0600). It is shown to two people together, of different roles
that both have the right `security`; that it was shown is an entry in the ledger. Whoever administers the host can read
the file all the same: that needs an agreement, not a program.

What comes in waits in memory and is written with the next tick: equal attempts of a quarter of an hour are one row with
a count, and only known words are kept, so that nobody can wash the log out by a flood.
"""

import argparse
import os
import pwd
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.sqlite_file import close_writer, open_writer, transaction
from monitor.state import State
from monitor.words import _, clean, local_text

if TYPE_CHECKING:
    from monitor.plant import Settings

KEEP_DAYS = 90
TOGETHER_S = 900.0  # how long the first waits for the second, and the second for the first to read it too
PAGE = 200  # rows of one answer
MOST = 1_000_000  # rows
_QUARTER_US, _HOUR_US = 900_000_000, 3_600_000_000
_DAY_QUARTERS = 96
_SCHEMA = """
CREATE TABLE IF NOT EXISTS access(n INTEGER PRIMARY KEY, quarter INTEGER NOT NULL, uid INTEGER NOT NULL,
    user TEXT NOT NULL, verb TEXT NOT NULL, why TEXT NOT NULL, role TEXT NOT NULL, times INTEGER NOT NULL,
    UNIQUE (quarter, uid, verb, why, role));
"""
_COLUMNS = ("n", "quarter", "uid", "user", "verb", "why", "role", "times")

Attempt = tuple[int, int, str, str, str]  # quarter, uid, verb, why, role


class SecurityLog:
    """The writer, in the process that holds daemon.lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[Attempt, int] = {}
        self._swept_us = 0

    def note(self, at_us: int, uid: int, verb: str, why: str, role: str) -> None:
        """Take in one attempt at `at_us` (UTC [us]); `why` is "" where it was let in, else a few known words."""
        attempt = (at_us // _QUARTER_US, uid, verb, why, role)
        self._waiting[attempt] = self._waiting.get(attempt, 0) + 1

    def flush(self, now_us: int, clock_suspect: bool = False) -> None:
        """Write what waits, each hour also remove what is older than 90 days, unless the clock is in doubt.

        Raises sqlite3.Error, OSError, or FileDamaged where something else lies in its place.
        """
        sweep = abs(now_us - self._swept_us) >= _HOUR_US and self._path.exists()
        if not self._waiting and not sweep:
            return
        waiting, self._waiting = self._waiting, {}
        try:
            self._write(waiting, now_us, not clock_suspect)
        except BaseException:
            for attempt, times in waiting.items():  # tried again with the next tick
                self._waiting[attempt] = self._waiting.get(attempt, 0) + times
            raise
        self._swept_us = now_us

    def _write(self, waiting: Mapping[Attempt, int], now_us: int, remove: bool) -> None:
        rows = [(quarter, uid, _user(uid), *rest, times) for (quarter, uid, *rest), times in waiting.items()]
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        db = open_writer(self._path, _SCHEMA)
        try:
            db.execute("PRAGMA secure_delete=ON")
            with transaction(db):
                db.executemany(
                    "INSERT INTO access VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (quarter, uid, verb, why, role) DO UPDATE SET times = times + excluded.times",
                    rows,
                )
                oldest = now_us // _QUARTER_US - KEEP_DAYS * _DAY_QUARTERS
                if remove:
                    db.execute("DELETE FROM access WHERE quarter < ?", (oldest,))
                db.execute("DELETE FROM access WHERE n <= (SELECT max(n) FROM access) - ?", (MOST,))
        finally:
            close_writer(db)

    def page(self, before_n: int | None = None) -> list[dict[str, Any]]:
        """The newest rows, at most PAGE, older than row `before_n` where one is given; newest first."""
        if not self._path.exists():
            return []
        with closing(sqlite3.connect(self._path)) as db:
            query = f"SELECT {', '.join(_COLUMNS)} FROM access WHERE n < ? ORDER BY n DESC LIMIT ?"
            rows = db.execute(query, (2**62 if before_n is None else before_n, PAGE)).fetchall()
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one asking: open or not yet, and by which roles or for whom it waits."""

    open: bool
    roles: tuple[str, ...]
    new: bool = False  # opened just now: the ledger is to be told


class TwoTogether:
    """The lock with two keys: open for both, once two users of different roles asked within TOGETHER_S."""

    def __init__(self) -> None:
        self._asked: Mapping[int, tuple[str, float]] = {}
        self._pair: Mapping[int, str] = {}
        self._until_s = 0.0

    def ask(self, uid: int, role: str, now_s: float) -> Asked:
        """A user with the right asks at `now_s` (monotonic [s])."""
        if now_s >= self._until_s:
            self._pair = {}
        if uid in self._pair:
            return Asked(True, tuple(self._pair.values()))
        self._asked = {one: told for one, told in self._asked.items() if now_s - told[1] < TOGETHER_S}
        for other, (their_role, _at_s) in self._asked.items():
            if other != uid and their_role != role and not self._pair:
                self._pair, self._until_s = {other: their_role, uid: role}, now_s + TOGETHER_S
                self._asked = {}
                return Asked(True, (their_role, role), new=True)
        self._asked = {**self._asked, uid: (role, now_s)}
        return Asked(False, (role,))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel security-log`."""
    parser.add_argument("--all", action="store_true", help="all of it; without, the newest page")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Ask the daemon for the log; 1 while the second role is awaited."""
    from monitor.command_socket import obtain

    before: int | None = None
    while True:
        reply = obtain(state, "security_log", {"before": before})
        if not reply.get("open"):
            print(_("asked for; within {n} minutes somebody of another role with this right has to ask as well, then"
                    " both can read").format(n=int(TOGETHER_S // 60)))  # fmt: skip
            return 1
        rows = reply.get("rows", [])
        for row in rows:
            print(line(row))
        if not args.all or len(rows) < PAGE:
            return 0
        before = int(rows[-1]["n"])


def line(row: Mapping[str, Any]) -> str:
    """One row as a terminal shows it: the quarter of an hour, user, what was asked, by which role, what came of it."""
    at = local_text(int(row["quarter"]) * _QUARTER_US)
    word = _("refused: {why}").format(why=clean(row["why"], 40)) if row["why"] else _("let in")
    user = f"{clean(row['user'], 32) or '?'} ({row['uid']})"
    return f"{at}  {user:<24} {clean(row['verb'], 20):<16} {clean(row['role'], 16):<14} {row['times']:>6} x  {word}"
