"""The ledger: alerts, decisions, findings, verdicts and audits in one chain in which no change goes unseen.

ledger.sqlite holds (n, digest, prev, hash) with digest = SHA-256(salt + body) and hash = SHA-256(prev + digest). Body
(canonical JSON, RFC 8785) and salt lie in bodies.sqlite, so a body can be erased under a retention rule without
breaking the chain; the erasure is itself an entry, and a body that is gone without one is a fault. The chain cannot
tell that its tail was cut: for that its head is printed on paper, and `verify` compares. Reading needs stdlib only.
"""

import argparse
import base64
import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.sqlite_file import FileDamaged, close_writer, open_writer, reading, transaction
from monitor.state import State
from monitor.words import _, clean, local_text, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings

FORMAT = 1
START = bytes(32)  # prev of the first entry
_SALT = 16
_CHUNK = 2_000
_EMPTY = hashlib.sha256(b"").hexdigest()
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

KINDS: Mapping[str, tuple[str, ...]] = {  # kind -> the fields of `data` without which an entry makes no sense
    "vendor_alert": (
        "alert_id", "vendor", "failure_mode", "severity", "issued_at", "text", "recommended_action", "horizon",
        "raw_sha256", "feed",
    ),
    "own_alert": ("alert_id", "index", "threshold", "text", "active"),
    "decision": ("alert_id", "choice", "reason", "until"),
    "alarm": ("alarm_id", "event", "before", "after"),
    "acknowledge": ("alert_id", "note"),
    "shelve": ("alert_id", "until", "reason"),
    "work_order": ("wo_id", "opened", "action", "trigger"),
    "finding": ("wo_id", "grade", "inspector_party", "blind_to_alert"),
    "failure": ("failure_id", "mode"),
    "event": ("date", "event_kind", "text"),
    "break": ("tag", "text"),  # from here on a tag's number means something else
    "cost": ("planned", "failure"),
    "verdict": ("word", "since", "final", "reason", "vendor_episode", "own_episode"),
    "assessment": ("index", "state", "word"),
    "audit": ("audit_id", "word", "checks"),
    "audit_signed": ("audit_id", "note"),
    "review_freeze": ("parameters", "sha256"),
    "review": ("status", "parameters_sha256"),
    "report": ("report", "files"),
    "probe": ("source", "device", "asked", "file"),
    "restart": ("version",),
    "stop": ("planned",),
    "gap": ("source", "start", "end"),
    "clock_step": ("step",),
    "config": ("sha256",),
    "contract": ("contract_id", "sha256", "terms"),  # as configured from now on; terms None: it was taken out
    "import": ("file", "rows", "kind", "sha256"),
    "export": ("what", "files", "rows", "start", "end"),
    "reading": ("tag", "value", "occurred_at", "recorded_at"),  # what a person took from a gauge, entered afterwards
    "purge": ("files", "first_day", "last_day", "bytes", "rule"),  # raw days of history that left
    "quarantine": ("file", "why", "moved_to"),  # what was damaged and is never read again
    "period": ("sha256", "drill", "start", "end"),
    "erasure": ("entries", "rule"),
    "key": ("public_key", "fingerprint"),  # with which heads are sealed from now on
    "anchor": ("to", "entries", "head"),  # the head was handed to a second party
    "access": ("what", "roles"),  # the security log was read, by two roles together
}  # fmt: skip


ERASABLE = (  # kinds whose body may hold words of vendors or of people
    "vendor_alert", "decision", "acknowledge", "shelve", "work_order", "finding", "failure", "event", "audit_signed",
)  # fmt: skip


class LedgerError(UserError):
    """The ledger cannot be read as it stands; `handwheel ledger verify` says more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an append made: its number and the head as it is printed."""

    n: int
    head: str


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as it is read back; of an erased one only `n` is left and kind is "erased"."""

    n: int
    kind: str
    at_us: int
    role: str | None
    via: str
    site: str | None
    asset: str | None
    component: str | None
    data: Mapping[str, Any]
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be appended."""

    kind: str
    data: Mapping[str, Any]
    at_us: int
    via: str
    role: str | None = None
    site: str | None = None
    asset: str | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`: the number of entries, the first entry that is wrong, and one line in words."""

    ok: bool
    n: int
    first_fault: int | None
    words: str
    erased: int = 0


def body_of(draft: Draft) -> bytes:
    """The canonical bytes of an entry (RFC 8785). ValueError for an unknown kind, a missing field, NaN or 2**53."""
    import rfc8785

    fields = KINDS.get(draft.kind)
    if fields is None:
        raise ValueError(f"ledger: kind {draft.kind!r} is unknown; known: {', '.join(KINDS)}")
    missing = [name for name in fields if name not in draft.data]
    if missing:
        raise ValueError(f"ledger: a {draft.kind} needs {', '.join(missing)}")
    return rfc8785.dumps(
        {
            "format": FORMAT, "kind": draft.kind, "at": utc_text(draft.at_us), "role": draft.role, "via": draft.via,
            "site": draft.site, "asset": draft.asset, "component": draft.component, "data": dict(draft.data),
        }
    )  # fmt: skip


def head_text(digest: bytes) -> str:
    """The first 80 bits as a person copies them from paper: "TBGS-2YVY-D34O-72BO"."""
    letters = base64.b32encode(digest[:10]).decode()
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


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


def entries(
    state: State,
    kinds: Iterable[str] | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    *,
    after_n: int = 0,
) -> Iterator[Record]:
    """The entries in order, also while the daemon writes: of these kinds, start_us <= at < end_us, n > after_n.

    An erased entry is told only where neither kind nor time is asked for. LedgerError at one that cannot be read.
    """
    wanted = None if kinds is None else set(kinds)
    for n, _salt, body in _bodies_after(state, after_n):
        if body is None:
            if wanted is None and start_us is None and end_us is None:
                yield Record(n, "erased", 0, None, "", None, None, None, {}, erased=True)
            continue
        record = _record(n, body)
        in_time = (start_us is None or record.at_us >= start_us) and (end_us is None or record.at_us < end_us)
        if in_time and (wanted is None or record.kind in wanted):
            yield record


def raw_message(state: State, sha256: str) -> bytes | None:
    """A vendor's message as it was kept; None if it never was or was erased."""
    with reading(state.bodies) as db:
        row = db.execute("SELECT bytes FROM raw WHERE sha256 = ?", (sha256,)).fetchone()
    return bytes(row[0]) if row and row[0] else None


def head(state: State) -> tuple[int, str]:
    """The number of entries and the head as printed, read from the file; (0, "") where there is none."""
    try:
        with reading(state.ledger) as db:
            row = db.execute("SELECT n, hash FROM entry ORDER BY n DESC LIMIT 1").fetchone()
    except FileNotFoundError:
        return 0, ""
    return (row[0], head_text(row[1])) if row else (0, "")


def verify(state: State, printed: str | None = None) -> Verification:
    """Check every entry, body and kept message; with `printed` ("12:TBGS-2YVY-D34O-72BO") also against paper.

    Finds the exact entry of a change, a cut in the middle or an insertion. A cut tail, or a past that was rewritten
    from some entry on, is found against paper only, at the printed entry at the latest. When a message was kept
    (kept_at) is not under the chain; the entry that names it has its own time.
    """
    paper = parse_head(printed) if printed else None
    try:
        return _verify(state, paper)
    except FileNotFoundError as fault:
        return Verification(False, 0, None, _("{path}: there is no such file").format(path=fault.args[0]))
    except FileDamaged as fault:
        return Verification(False, 0, None, str(fault))


def parse_head(text: str) -> tuple[int, str]:
    """(n, head) from "N:HEAD" as printed; small letters, missing hyphens and spaces are forgiven. Raises UserError."""
    number, _, letters = text.strip().partition(":")
    plain = "".join(letters.upper().replace("-", "").split())
    alphabet = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    if not number.strip().isdecimal() or int(number) < 1 or len(plain) != 16 or not set(plain) <= alphabet:
        raise UserError(f"--head {clean(text, 40)!r}: write it as printed, for example 12:TBGS-2YVY-D34O-72BO")
    return int(number), "-".join(plain[at : at + 4] for at in range(0, 16, 4))


def _verify(state: State, paper: tuple[int, str] | None) -> Verification:
    damaged_raw, blank_raw = _damaged_raw(state)
    faults: list[tuple[int, str]] = []
    erased: set[int] = set()
    told: set[int] = set()
    expected, last = 0, START
    for n, digest, prev, link, has_body, salt, body in _chain_with_bodies(state):
        expected += 1
        fault = ""
        if n != expected:
            fault = _("is missing: the next one there is {n}").format(n=n)
        elif prev != last:
            fault = _("does not follow from the one before it")
        elif not isinstance(digest, bytes) or link != hashlib.sha256(last + digest).digest():
            fault = _("has another hash than its content makes")
        elif not has_body:
            fault = _("has no body")
        elif salt is None and body is None:
            erased.add(n)
        elif not isinstance(salt, bytes) or not isinstance(body, bytes):
            fault = _("has half a body")
        elif hashlib.sha256(salt + body).digest() != digest:
            fault = _("has a body that was changed")
        if not fault and paper and n == paper[0] and head_text(link) != paper[1]:
            fault = _("has head {found}, the paper says {paper}: the past was rewritten here or earlier").format(
                found=head_text(link), paper=paper[1]
            )
        if not fault and body is not None:
            if b'"kind":"erasure"' in body:
                record = _record(n, body)
                told |= set(record.data["entries"]) if record.kind == "erasure" else set()
                blank_raw -= set(record.data.get("raw", ())) if record.kind == "erasure" else set()
            if any(name.encode() in body for name in damaged_raw):
                fault = _("names a vendor's message that was changed")
        if fault:
            faults.append((expected, fault))
            break
        last = link
    if not faults and paper and paper[0] > expected:
        cut = _("is missing: the tail was cut; the paper says {n} entries").format(n=paper[0])
        faults.append((expected + 1, cut))
    silent = sorted(erased - told)
    # behind the first fault nothing was read, so an erasure told there cannot be known
    if silent and not faults:
        faults.append((silent[0], _("was erased, and no entry tells of it")))
    if faults:
        n, words = min(faults)
        # Translators: {words} goes on with what is wrong, for example "has a body that was changed"
        return Verification(False, expected, n, _("entry {n} {words}").format(n=n, words=words), len(erased))
    if damaged_raw:
        return Verification(
            False, expected, None, _("kept message {name} was changed").format(name=damaged_raw[0]), len(erased)
        )
    if blank_raw:
        words = _("kept message {name} was erased, and no entry tells of it").format(name=min(blank_raw))
        return Verification(False, expected, None, words, len(erased))
    said = [_("{n} entries, each follows from the one before it").format(n=expected)]
    if erased:
        said.append(_("{n} erased under a rule").format(n=len(erased)))
    if expected:
        said.append(_("head {head}").format(head=f"{expected}:{head_text(last)}"))
    told_by_paper = _("agrees with the paper")
    said.append(told_by_paper if paper else _("compare the head with paper: a cut tail shows no other way"))
    return Verification(True, expected, None, "; ".join(said), len(erased))


def _damaged_raw(state: State) -> tuple[list[str], set[str]]:
    """(names of the kept messages that were changed, names of those of which nothing is left)."""
    changed, blank = [], set()
    with reading(state.bodies) as db:
        for name, raw in db.execute("SELECT sha256, bytes FROM raw"):
            if raw == b"" and name != _EMPTY:
                blank.add(str(name))
            elif not isinstance(raw, bytes) or hashlib.sha256(raw).hexdigest() != name:
                changed.append(str(name))
    return changed, blank


def _chain_with_bodies(state: State) -> Iterator[tuple[Any, ...]]:
    """(n, digest, prev, hash, has_body, salt, body) of each entry there is at this moment."""
    after = 0
    with reading(state.ledger) as chain, reading(state.bodies) as bodies:
        # the chain is opened first: each body it can name was committed before, so the later view of bodies has it
        while rows := chain.execute(
            "SELECT n, digest, prev, hash FROM entry WHERE n > ? ORDER BY n LIMIT ?", (after, _CHUNK)
        ).fetchall():
            last = rows[-1][0]
            found = {
                row[0]: row[1:]
                for row in bodies.execute("SELECT n, salt, body FROM body WHERE n > ? AND n <= ?", (after, last))
            }
            for row in rows:
                yield (*row, row[0] in found, *found.get(row[0], (None, None)))
            after = last


def _bodies_after(state: State, after_n: int) -> Iterator[tuple[int, bytes | None, bytes | None]]:
    after = after_n
    while True:
        # a view per chunk, so that a slow reader never keeps the daemon's files from being tidied
        try:
            with reading(state.ledger) as chain:
                last = chain.execute("SELECT coalesce(max(n), 0) FROM entry").fetchone()[0]
            with reading(state.bodies) as bodies:
                rows = bodies.execute(
                    "SELECT n, salt, body FROM body WHERE n > ? AND n <= ? ORDER BY n LIMIT ?", (after, last, _CHUNK)
                ).fetchall()
        except FileNotFoundError:
            return
        yield from rows
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]


def _record(n: int, body: bytes) -> Record:
    try:
        told = json.loads(body)
        return Record(
            n, told["kind"], parse_utc(told["at"]), told["role"], told["via"], told["site"], told["asset"],
            told["component"], told["data"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as fault:
        raise LedgerError(f"ledger entry {n} cannot be read ({fault}); run handwheel ledger verify") from fault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel ledger`."""
    from monitor import erasure

    verbs = parser.add_subparsers(dest="ledger_verb", required=True, metavar="verify | show | erase")
    check = verbs.add_parser("verify", help="check every entry; exit 1 if one was changed, cut or inserted")
    check.add_argument("--head", metavar="N:HEAD", help="the head as printed in the binder, to find a cut tail as well")
    show = verbs.add_parser("show", help="print the last entries")
    show.add_argument("--last", type=int, default=20, metavar="N", help="how many (default 20)")
    show.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind (may be repeated)")
    show.add_argument("--json", action="store_true", help="one JSON object per line")
    erasure.add_arguments(
        verbs.add_parser("erase", help="take a vendor's message or a body out, under a rule; asks first")
    )


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel ledger verify | show | erase`: 0 if all is well, 1 if the ledger does not verify or nobody agreed."""
    if args.ledger_verb == "erase":
        from monitor import erasure

        return erasure.command(args, settings, state)
    if args.ledger_verb == "verify":
        result = verify(state, args.head)
        word = _("OK") if result.ok else _("FAULT")
        print(f"{word}: {result.words}")
        return 0 if result.ok else 1
    shown = list(entries(state, args.kind))[-args.last :] if args.last > 0 else []
    for record in shown:
        print(_line_json(record) if args.json else line(record))
    return 0


def line(record: Record) -> str:
    """One entry as a terminal shows it."""
    where = "/".join(part for part in (record.site, record.asset, record.component) if part)
    data = json.dumps(record.data, ensure_ascii=False)
    at = "-" if record.erased else local_text(record.at_us)
    return f"{record.n:>6}  {at}  {record.kind:<13} {record.role or '-':<13} {clean(where, 40)}  {clean(data, 160)}"


def _line_json(record: Record) -> str:
    return json.dumps(
        {
            "n": record.n, "kind": record.kind, "at": None if record.erased else utc_text(record.at_us),
            "role": record.role, "via": record.via, "site": record.site, "asset": record.asset,
            "component": record.component, "data": record.data, "erased": record.erased,
        }
    )  # fmt: skip


__all__ = [
    "ERASABLE", "KINDS", "Draft", "Entry", "Ledger", "LedgerError", "Record", "Verification", "add_arguments",
    "body_of", "command", "entries", "head", "head_text", "line", "parse_head", "raw_message", "verify",
]  # fmt: skip
