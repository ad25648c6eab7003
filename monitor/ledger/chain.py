"""The writer of the chain: each entry follows from the one before it, and is on the disk when the call returns.

ledger.sqlite holds (n, digest, prev, hash) with digest = SHA-256(salt + body) and hash = SHA-256(prev + digest). Body
and salt lie in bodies.sqlite, so a body can be erased under a retention rule without breaking the chain; the erasure is
itself an entry, and a body that is gone without one is a fault.
"""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.ledger.entry import ERASABLE, START, Draft, body_of, head_text
from monitor.sqlite_file import close_writer, open_writer, transaction
from monitor.state import State
from monitor.words import utc_text

_SALT = 16
_CHAIN = """
CREATE TABLE IF NOT EXISTS entry(n INTEGER PRIMARY KEY, digest BLOB NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
CREATE TRIGGER IF NOT EXISTS no_removal BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries stay'); END;
"""
_BODIES = """
CREATE TABLE IF NOT EXISTS body(n INTEGER PRIMARY KEY, salt BLOB, body BLOB);
CREATE TABLE IF NOT EXISTS orphan(n INTEGER, salt BLOB, body BLOB);
CREATE TABLE IF NOT EXISTS raw(sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL, kept_at TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an append made: its number and the head as it is printed."""

    n: int
    head: str


class Ledger:
    """The writer. One per STATE, in the process that holds daemon.lock."""

    def __init__(self, state: State) -> None:
        """Open or make both files. `orphans` counts bodies whose entry never came (a crash between the two commits):
        they are set aside in the table orphan, never taken as entries, and never thrown away."""
        self._chain = open_writer(state.ledger, _CHAIN)
        self._bodies = open_writer(state.bodies, _BODIES)
        self._bodies.execute("PRAGMA secure_delete=ON")  # what is erased leaves nothing in unused pages
        self._n, self._hash = 0, START
        self.orphans = 0
        self._settle()

    def _settle(self) -> None:
        """Take up the chain as it lies on the disk and set aside bodies without an entry."""
        row = self._chain.execute("SELECT n, hash FROM entry ORDER BY n DESC LIMIT 1").fetchone()
        self._n, self._hash = (int(row[0]), bytes(row[1])) if row else (0, START)
        with transaction(self._bodies):
            self._bodies.execute("INSERT INTO orphan SELECT n, salt, body FROM body WHERE n > ?", (self._n,))
            self.orphans += self._bodies.execute("DELETE FROM body WHERE n > ?", (self._n,)).rowcount

    def append(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        at_us: int,
        via: str,
        role: str | None = None,
        site: str | None = None,
        asset: str | None = None,
        component: str | None = None,
    ) -> Entry:
        """Append one entry; it is on the disk when this returns. `at_us` is UTC [us], `via` says by which way it came.

        Raises ValueError for an unknown kind or a missing field: the caller's bug.
        """
        return self.append_many([Draft(kind, data, at_us, via, role, site, asset, component)])[0]

    def append_many(self, drafts: Iterable[Draft | Mapping[str, Any]], salts: Iterable[bytes] = ()) -> list[Entry]:
        """Append entries in order, all or none. Mappings have the fields of Draft; `salts` are for known answers."""
        given = iter(salts)
        n, last = self._n, self._hash
        bodies: list[tuple[int, bytes, bytes]] = []
        links: list[tuple[int, bytes, bytes, bytes]] = []
        for draft in drafts:
            body = body_of(draft if isinstance(draft, Draft) else Draft(**draft))
            salt = next(given, None) or secrets.token_bytes(_SALT)
            n += 1
            digest = hashlib.sha256(salt + body).digest()
            link = hashlib.sha256(last + digest).digest()
            bodies.append((n, salt, body))
            links.append((n, digest, last, link))
            last = link
        # bodies first: a crash in between leaves bodies without entries, which the next start sets aside
        try:
            with transaction(self._bodies):
                self._bodies.executemany("INSERT INTO body VALUES (?, ?, ?)", bodies)
            with transaction(self._chain):
                self._chain.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", links)
        except sqlite3.Error:
            self._settle()  # a full disk: what the file holds counts, not what we meant to write
            raise
        self._n, self._hash = n, last
        return [Entry(link[0], head_text(link[3])) for link in links]

    def keep_raw(self, raw: bytes, at_us: int | None = None) -> str:
        """Keep a vendor's message byte for byte; returns its SHA-256 [hex], by which an entry names it."""
        at_us = time.time_ns() // 1000 if at_us is None else at_us
        name = hashlib.sha256(raw).hexdigest()
        with transaction(self._bodies):
            self._bodies.execute("INSERT OR IGNORE INTO raw VALUES (?, ?, ?)", (name, raw, utc_text(at_us)))
        return name

    def erase(self, entries: Sequence[int], rule: str, *, at_us: int, role: str, via: str) -> Entry:
        """Erase the bodies of `entries` under a retention rule; says so in an entry of its own, which comes first.

        Raises ValueError for one that is not there, is erased already, or is of a kind that stays.
        """
        chosen = sorted(set(entries))
        if not chosen or chosen[0] < 1 or chosen[-1] > self._n:
            raise ValueError(f"ledger: entries 1 to {self._n} can be erased, not {chosen}")
        for n in chosen:
            row = self._bodies.execute("SELECT body FROM body WHERE n = ?", (n,)).fetchone()
            kind = json.loads(row[0])["kind"] if row and row[0] is not None else "erased"
            if kind not in ERASABLE:
                raise ValueError(f"ledger: entry {n} is of kind {kind} and stays; erasable: {', '.join(ERASABLE)}")
        entry = self.append("erasure", {"entries": chosen, "rule": rule}, at_us=at_us, role=role, via=via)
        with transaction(self._bodies):
            self._bodies.executemany("UPDATE body SET salt = NULL, body = NULL WHERE n = ?", [(n,) for n in chosen])
        self._bodies.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor in the pages that were written before
        return entry

    def erase_raw(self, names: Sequence[str], rule: str, *, at_us: int, role: str, via: str) -> Entry:
        """Erase vendors' messages by their SHA-256 under a retention rule; says so in an entry, which comes first.

        Their digests stay in the entries that name them, and the same message is not kept a second time.
        """
        chosen = sorted(set(names))
        kept = {name for (name,) in self._bodies.execute("SELECT sha256 FROM raw WHERE length(bytes) > 0")}
        if not chosen or not kept.issuperset(chosen):
            raise ValueError(f"ledger: no such message is kept: {sorted(set(chosen) - kept)[:3]}")
        data = {"entries": [], "raw": chosen, "rule": rule}
        entry = self.append("erasure", data, at_us=at_us, role=role, via=via)
        with transaction(self._bodies):
            self._bodies.executemany("UPDATE raw SET bytes = x'' WHERE sha256 = ?", [(name,) for name in chosen])
        self._bodies.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor in the pages that were written before
        return entry

    def head(self) -> tuple[int, str]:
        """The number of entries and the head as printed."""
        return self._n, head_text(self._hash)

    def close(self) -> None:
        """Let go of both files; other users can read them afterwards."""
        close_writer(self._chain)
        close_writer(self._bodies)
