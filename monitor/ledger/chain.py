"""The writer of the chain: each entry follows from the one before it, and is on the disk when the call returns.

ledger.sqlite holds (n, digest, prev, hash) with digest = SHA-256(salt + body) and hash = SHA-256(prev + digest). Body
and salt lie in bodies.sqlite, so a body can be erased under a retention rule without breaking the chain; the erasure is
itself an entry, and a body that is gone without one is a fault.
"""

import hashlib
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from drivers.errors import UserError
from monitor.ledger.entry import ERASABLE, START, Draft, body_of, head_text
from monitor.ledger.reading import INDEX, cut_tail, last
from monitor.ledger.seals import EVERY, Key, find_keys, install, is_credential, make_key, public_key
from monitor.sqlite_file import close_writer, open_writer, transaction
from monitor.state import State
from monitor.words import utc_text

LOG = logging.getLogger("handwheel.ledger")
_SALT = 16
T = TypeVar("T")
CHAIN = """
CREATE TABLE IF NOT EXISTS entry(n INTEGER PRIMARY KEY, digest BLOB NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
CREATE TRIGGER IF NOT EXISTS no_removal BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries stay'); END;
"""
BODIES = f"""
CREATE TABLE IF NOT EXISTS body(n INTEGER PRIMARY KEY, salt BLOB, body BLOB);
CREATE TABLE IF NOT EXISTS orphan(n INTEGER, salt BLOB, body BLOB);
CREATE TABLE IF NOT EXISTS raw(sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL, kept_at TEXT NOT NULL);
{INDEX};
"""
ORPHANS = (  # what cannot be read has no time, and is old
    "CASE WHEN json_valid(CAST(body AS TEXT)) THEN coalesce(json_extract(CAST(body AS TEXT), '$.at'), '') ELSE '' END"
    " < ?"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What an append made: its number and the head as it is printed."""

    n: int
    head: str


class Ledger:
    """The writer. One per STATE, in the process that holds daemon.lock."""

    def __init__(self, state: State) -> None:
        """Open or make both files; where the ledger names a key, it is taken up, so nobody appends without seals.

        Raises UserError where the key cannot be used. `orphans` counts bodies whose entry never came (a crash between
        the two commits): they are set aside in the table orphan, never taken as entries, and never thrown away. `cut`:
        the first and last number of such bodies where no crash explains them: the chain lost its tail, or is an older
        copy.
        """
        self._state = state
        self._chain = open_writer(state.ledger, CHAIN)
        self._bodies = open_writer(state.bodies, BODIES)
        self._bodies.execute("PRAGMA secure_delete=ON")  # what is erased leaves nothing in unused pages
        self._n, self._hash = 0, START
        self._key: Key | None = None
        self._sealed = 0  # the last entry under a seal, with the seal itself
        self._to_wipe = False
        self.orphans = 0
        self.cut: tuple[int, int] | None = None
        try:
            self._settle()
            if last(state, "key") is not None:
                self.take_key()
        except BaseException:
            self._let_go()
            raise

    def _settle(self) -> None:
        """Take up the chain as it lies on the disk and set aside bodies without an entry."""
        row = self._chain.execute("SELECT n, hash FROM entry ORDER BY n DESC LIMIT 1").fetchone()
        self._n, self._hash = (int(row[0]), bytes(row[1])) if row else (0, START)
        self.cut = cut_tail(self._bodies, self._n) or self.cut
        with transaction(self._bodies):
            self._bodies.execute("INSERT INTO orphan SELECT n, salt, body FROM body WHERE n > ?", (self._n,))
            self.orphans += self._bodies.execute("DELETE FROM body WHERE n > ?", (self._n,)).rowcount
        if self.cut:
            LOG.error("%s: its tail is gone, or an older copy was put back: bodies %d to %d have no entry; they are"
                      " kept in bodies.sqlite, table orphan", self._state.ledger, *self.cut)  # fmt: skip
        seal = last(self._state, "seal")
        self._sealed = seal.n if seal else 0

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
        """Append entries in order, all or none. Mappings have the fields of Draft; `salts` are for known answers.

        Where a key is at hand, a seal comes after each seals.EVERY entries. A draft that corrects another one of the
        same batch names it by how far back it is: corrects -1 is the one before it.
        """
        batch, given, sealed = _Batch(self._n, self._hash), iter(salts), self._sealed
        made: list[Entry] = []
        for draft in drafts:
            draft = draft if isinstance(draft, Draft) else Draft(**draft)
            back = draft.data.get("corrects")
            if type(back) is int and back < 0:
                draft = replace(draft, data={**draft.data, "corrects": made[back].n})
            made.append(batch.add(draft, next(given, None)))
            if self._key and batch.n - sealed >= EVERY:
                sealed = batch.add(_seal(self._key, batch, draft.at_us)).n
        self._write(batch)
        self._sealed = sealed
        return made

    def take_key(self) -> None:
        """Seal with the key of STATE from now on, made where there is none. Raises UserError where it is unusable."""
        named = last(self._state, "key")
        key, old = find_keys(self._state, public_key(named.data["public_key"]) if named else None)
        self.seal_with(key, old, at_us=time.time_ns() // 1000)

    def seal_with(self, key: Key, old: Key | None = None, *, at_us: int, role: str | None = None) -> None:
        """Seal with this key from now on. Where the ledger names another one, an entry says so, sealed by `old`."""
        named = last(self._state, "key")
        if named is not None and named.data["fingerprint"] == key.fingerprint:
            self._key = key
            return
        if named is not None and old is None:
            LOG.error("the ledger was sealed by key %s, which is not here; from now on by %s: verify will say so",
                      named.data["fingerprint"], key.fingerprint)  # fmt: skip
        batch = _Batch(self._n, self._hash)
        batch.add(Draft("key", key.told(), at_us, "ledger", role))
        if old is not None:
            batch.add(_seal(old, batch, at_us))
        sealed = batch.add(_seal(key, batch, at_us)).n
        self._write(batch)
        self._key, self._sealed = key, sealed

    def replace_key(self, *, at_us: int, role: str | None) -> str:
        """Make a new key, have the old one seal the entry about it, and return its fingerprint. Raises UserError."""
        if is_credential():
            raise UserError("ledger new-key: the key is a credential of systemd; put another file in its place, and"
                            " the old key into STATE/keys/ledger.key, so that it can sign the change")  # fmt: skip
        old, new = self._key, make_key(self._state)
        self.seal_with(new, old, at_us=at_us, role=role)
        install(self._state)
        return new.fingerprint

    def sign_head(self, make: Callable[[Key, int, bytes], T]) -> T:
        """What `make` makes of the key, the number of entries and the whole hash. UserError where there is no key."""
        if self._key is None:
            raise UserError("ledger: there is no key here, so nothing can be signed; start the daemon once")
        return make(self._key, self._n, self._hash)

    def seal(self, at_us: int) -> None:
        """Seal what was appended since the last seal: each hour, and at a planned stop."""
        if self._key is not None and self._n > self._sealed:
            batch = _Batch(self._n, self._hash)
            sealed = batch.add(_seal(self._key, batch, at_us)).n
            self._write(batch)
            self._sealed = sealed
        if self._to_wipe:
            self._wipe()

    def _write(self, batch: "_Batch") -> None:
        # bodies first: a crash in between leaves bodies without entries, which the next start sets aside
        try:
            with transaction(self._bodies):
                self._bodies.executemany("INSERT INTO body VALUES (?, ?, ?)", batch.bodies)
                if batch.bodies:  # where the last batch begins: see reading.cut_tail
                    self._bodies.execute(f"PRAGMA user_version={batch.bodies[0][0]}")
            with transaction(self._chain):
                self._chain.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", batch.links)
        except sqlite3.Error:
            self._settle()  # a full disk: what the file holds counts, not what we meant to write
            raise
        self._n, self._hash = batch.n, batch.hash

    def keep_raw(self, raw: bytes, at_us: int | None = None) -> str:
        """Keep a vendor's message byte for byte; returns its SHA-256 [hex], by which an entry names it."""
        at_us = time.time_ns() // 1000 if at_us is None else at_us
        name = hashlib.sha256(raw).hexdigest()
        with transaction(self._bodies):
            self._bodies.execute("INSERT OR IGNORE INTO raw VALUES (?, ?, ?)", (name, raw, utc_text(at_us)))
        return name

    def erase(
        self,
        entries: Sequence[int],
        rule: str,
        *,
        raw: Sequence[str] = (),
        orphans_before_us: int | None = None,
        held: Sequence[int | str] = (),
        at_us: int,
        role: str | None,
        via: str,
    ) -> Entry:
        """Erase bodies of entries and messages (`raw`, by SHA-256) under a retention rule; says so in one entry of its
        own, which comes first. Digests stay, and an erased message is not kept a second time.

        `held` names those of them that were still needed as evidence, for whoever counts later.
        With `orphans_before_us`, bodies whose entry never came and that are older go too. Raises ValueError for one
        that is not there, is erased already, or is of a kind that stays.
        """
        chosen, names = sorted(set(entries)), sorted(set(raw))
        orphans = 0
        if orphans_before_us is not None:
            before = utc_text(orphans_before_us)
            orphans = self._bodies.execute(f"SELECT count(*) FROM orphan WHERE {ORPHANS}", (before,)).fetchone()[0]
        if not names and not orphans and (not chosen or chosen[0] < 1 or chosen[-1] > self._n):
            raise ValueError(f"ledger: entries 1 to {self._n} can be erased, not {chosen}")
        kinds: dict[str, int] = {}
        for n in chosen:
            row = self._bodies.execute("SELECT body FROM body WHERE n = ?", (n,)).fetchone()
            kind = json.loads(row[0])["kind"] if row and row[0] is not None else "erased"
            if kind not in ERASABLE:
                raise ValueError(f"ledger: entry {n} is of kind {kind} and stays; erasable: {', '.join(ERASABLE)}")
            kinds[kind] = kinds.get(kind, 0) + 1
        for name in names:
            if not self._bodies.execute("SELECT 1 FROM raw WHERE sha256 = ? AND length(bytes) > 0", (name,)).fetchone():
                raise ValueError(f"ledger: no such message is kept: {name}")
        told = {"kinds": kinds, "raw": names, "orphans": orphans, "held": sorted(held, key=str)}
        data = {"entries": chosen, "rule": rule} | {name: value for name, value in told.items() if value}
        entry = self.append("erasure", data, at_us=at_us, role=role, via=via)
        with transaction(self._bodies):
            self._bodies.executemany("UPDATE body SET salt = NULL, body = NULL WHERE n = ?", [(n,) for n in chosen])
            self._bodies.executemany("UPDATE raw SET bytes = x'' WHERE sha256 = ?", [(name,) for name in names])
            if orphans:
                self._bodies.execute(f"DELETE FROM orphan WHERE {ORPHANS}", (before,))
        self._wipe()
        return entry

    def _wipe(self) -> None:
        """Leave nothing of what was erased in the pages written before; while somebody reads them, later."""
        self._to_wipe = bool(self._bodies.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    def head(self) -> tuple[int, str]:
        """The number of entries and the head as printed."""
        return self._n, head_text(self._hash)

    @property
    def connections(self) -> dict[Path, sqlite3.Connection]:
        """For who must save what the open files hold: they may have lost their names."""
        return {self._state.ledger: self._chain, self._state.bodies: self._bodies}

    def close(self, *, slow_disk: bool = False) -> None:
        """Seal, and let go of both files; other users can read them afterwards."""
        with suppress(sqlite3.Error):  # a full disk: the next life seals
            self.seal(time.time_ns() // 1000)
        self._let_go(slow_disk=slow_disk)

    def _let_go(self, *, slow_disk: bool = False) -> None:
        close_writer(self._chain, slow_disk=slow_disk)
        close_writer(self._bodies, slow_disk=slow_disk)


def open_ledger(state: State) -> Ledger:
    """The writer with the key that seals, made at the first start. Raises UserError where files or key cannot be used.

    The caller holds daemon.lock.
    """
    ledger = Ledger(state)
    try:
        if last(state, "key") is None:
            ledger.take_key()
    except BaseException:
        ledger.close()
        raise
    return ledger


class _Batch:
    """Entries that will be written together, linked one to the other from (n, hash) on."""

    def __init__(self, n: int, link: bytes) -> None:
        self.n, self.hash = n, link
        self.bodies: list[tuple[int, bytes, bytes]] = []
        self.links: list[tuple[int, bytes, bytes, bytes]] = []

    def add(self, draft: Draft, salt: bytes | None = None) -> Entry:
        body, salt = body_of(draft), salt or secrets.token_bytes(_SALT)
        digest = hashlib.sha256(salt + body).digest()
        link = hashlib.sha256(self.hash + digest).digest()
        self.n += 1
        self.bodies.append((self.n, salt, body))
        self.links.append((self.n, digest, self.hash, link))
        self.hash = link
        return Entry(self.n, head_text(link))


def _seal(key: Key, batch: _Batch, at_us: int) -> Draft:
    return Draft("seal", key.seal(batch.n, batch.hash), at_us, "ledger")
