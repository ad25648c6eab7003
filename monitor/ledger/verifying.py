"""Whether the ledger is what was written: each entry, each body and each kept message, the seals, and the head against
what was printed or handed out.

Reads the chain once, from the first entry to the last, in bounded memory; what it cannot notice without paper or a
second party it says in its words.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.ledger.chain import BODIES, CHAIN
from monitor.ledger.entry import BACK_US, CLOCKED, START, head_text
from monitor.ledger.reading import KIND, UNREADABLE, beyond, cut_tail, head, published_head
from monitor.ledger.seals import EVERY, fingerprint, is_signed, public_key, seal_message
from monitor.progress import Tell, Work, silent
from monitor.sqlite_file import FileDamaged, reading
from monitor.state import State
from monitor.words import _, clean, parse_utc

if TYPE_CHECKING:
    from monitor.ledger.anchor import Anchor

_CHUNK = 500
_LEAST = -(2**63)  # an entry with a number below 1 is an insertion too
_EMPTY = hashlib.sha256(b"").hexdigest()
_KIND = b',"kind":"'  # its last place in canonical JSON is the kind of the entry: inside a text the quotes are escaped
_AT = b'"at":"'  # its first place is the time of the entry: only asset is before it, and its quotes are escaped
_IMPORTED = b'"via":"import"}'
_RAW = re.compile(rb'"raw_sha256":"([0-9a-f]{64})"')
_OURS = {"ledger": CHAIN, "bodies": BODIES}
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`: the number of entries, the first entry that is wrong, and one line in words.

    `sealed` is the last entry under a seal, `key` the fingerprint of the key named last.
    """

    ok: bool
    n: int
    first_fault: int | None
    words: str
    erased: int = 0
    sealed: int = 0
    key: str = ""


def verify(
    state: State, printed: str | None = None, *, anchor: "Anchor | None" = None, key: str | None = None,
    copied: bool = False, tell: Tell = silent,
) -> Verification:  # fmt: skip
    """Check every entry, body, kept message and seal; with `printed` ("12:TBGS-2YVY-D34O-72BO") also against paper,
    with `anchor` against what was handed to somebody, with `key` against a fingerprint that was kept elsewhere.
    `copied`: the files are copies taken one after the other, so bodies may go beyond the chain.

    Finds the exact entry of a change, a cut in the middle, an insertion or a seal that is bad, missing or foreign. A
    cut tail is found by the bodies that it leaves and by the head that the daemon published; where those were cut too,
    or the past was rewritten by somebody who has the key, against paper or an anchor only, at the entry named there at
    the latest. When a message was kept (kept_at) is not under the chain; the entry that names it
    has its own time. Raises UserError where `printed` or `key` is not as printed.
    """
    walk = _Walk(parse_head(printed) if printed else None, anchor, parse_fingerprint(key) if key else None)
    walk.published, walk.copied = published_head(state), copied  # read before the chain, which is then as long at least
    try:
        walk.go(state, tell)
    except FileNotFoundError as fault:
        return Verification(False, 0, None, _("{path}: there is no such file").format(path=fault.args[0]))
    except FileDamaged as fault:
        return walk.result(str(fault))
    except UnicodeDecodeError:  # SQLite's own message quotes the damaged bytes
        return walk.result(_("{file} is damaged: {why}").format(file=state.root, why=_("it cannot be read")))
    return walk.result()


def parse_head(text: str) -> tuple[int, str]:
    """(n, head) from "N:HEAD" as printed; small letters, missing hyphens and spaces are forgiven. Raises UserError."""
    number, _, letters = text.strip().partition(":")
    grouped = _groups(letters, 16)
    if not number.strip().isdecimal() or int(number) < 1 or grouped is None:
        raise UserError(f"--head {clean(text, 40)!r}: write it as printed, for example 12:TBGS-2YVY-D34O-72BO")
    return int(number), grouped


def parse_fingerprint(text: str) -> str:
    """A key's fingerprint as printed, as forgiving as parse_head. Raises UserError."""
    grouped = _groups(text, 20)
    if grouped is None:
        raise UserError(f"--key {clean(text, 40)!r}: write it as printed, five groups of four: handwheel ledger key")
    return grouped


def _groups(letters: str, count: int) -> str | None:
    plain = "".join(letters.upper().replace("-", "").split())
    if len(plain) != count or not set(plain) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        return None
    return "-".join(plain[at : at + 4] for at in range(0, count, 4))


@dataclass(slots=True)
class _Named:
    """A key that an entry names; `signed` tells whether the key before it sealed that entry."""

    n: int
    public: bytes
    fingerprint: str
    signed: bool
    seals: int = 0


class _Walk:
    """One walk along the chain, and what it met."""

    def __init__(self, paper: tuple[int, str] | None, anchor: "Anchor | None", trusted: str | None) -> None:
        self.paper, self.anchor, self.trusted = paper, anchor, trusted
        self.n, self.hash = 0, START
        self.faults: list[tuple[int, str]] = []  # (entry, what is wrong with it)
        self.file_fault = ""
        self.erased: set[int] = set()
        self.claimed: set[int] = set()  # entries that an erasure names, by whatever lies in the file
        self.told: set[int] = set()  # the same by what the chain proves
        self.keys: list[_Named] = []
        self.sealed = 0
        self.unsealed = 0  # entries since the last seal or the first key
        self.gaps: list[tuple[int, int]] = []  # too many entries without a seal: the first too many, the seal after it
        self.changed_raw: list[str] = []
        self.blank_raw: set[str] = set()
        self.lacking_raw: dict[str, int] = {}  # a message that is named and not there: by which entry
        self.latest = ""  # the latest time that an entry tells, but for imports
        self.back: list[int] = []  # entries that are dated before an earlier one
        self.anchored = False
        self.published = (0, "")
        self.copied = False
        self.unfinished: tuple[int, int] | None = None  # the bodies of a batch whose entries are not there

    def go(self, state: State, tell: Tell) -> None:
        with reading(state.ledger) as chain, reading(state.bodies) as bodies:
            self.file_fault = _foreign(chain, "ledger") or _foreign(bodies, "bodies")
            if not self.file_fault:
                count = chain.execute("SELECT max(n) FROM entry").fetchone()[0]
                with Work(_("ledger, entries"), count, tell) as work:
                    self._walk(state, chain, bodies, work)

    def _walk(self, state: State, chain: sqlite3.Connection, bodies: sqlite3.Connection, work: Work) -> None:
        self._messages(bodies, work)
        self._claims(bodies)
        for n, digest, prev, link, has_body, salt, body in work.over(_chain_with_bodies(chain, bodies)):
            fault = self._entry(n, digest, prev, link, has_body, salt, body)
            if not fault and body is not None:
                fault = self._says(n, body, prev, bodies)
            if not fault:
                fault = self._handed_out(n, link)
            self.n += 1
            if fault:
                self.faults.append((self.n, fault))
                return
            self.hash = link
        self._at_the_end(chain, bodies)
        if not self.copied:
            self._beyond(bodies, head(state)[0])

    def _entry(
        self, n: int, digest: Any, prev: Any, link: Any, has_body: bool, salt: Any, body: Any
    ) -> str:  # fmt: skip
        """What is wrong with an entry as it lies in the files; nothing for one that follows from the one before it."""
        if n != self.n + 1:
            return _("is missing: the next one there is {n}").format(n=n)
        if prev != self.hash:
            return _("does not follow from the one before it")
        if not isinstance(digest, bytes) or link != hashlib.sha256(self.hash + digest).digest():
            return _("has another hash than its content makes")
        if not has_body:
            return _("has no body")
        if salt is None and body is None:
            if n not in self.claimed:
                return _("was erased, and no entry tells of it")
            self.erased.add(n)
            self._goes_unsealed(n)
            return ""
        if not isinstance(salt, bytes) or not isinstance(body, bytes):
            return _("has half a body")
        if hashlib.sha256(salt + body).digest() != digest:
            return _("has a body that was changed")
        return ""

    def _says(self, n: int, body: bytes, prev: bytes, bodies: sqlite3.Connection) -> str:
        """What is wrong with what the entry says, so far as it is about the ledger itself."""
        at = body.rfind(_KIND) + len(_KIND)
        kind = body[at : body.find(b'"', at)]
        if not body.endswith(_IMPORTED) and kind not in (b"seal", b"key"):
            self._dated(n, body, kind.decode(errors="replace"))
        if kind in (b"seal", b"key", b"erasure"):
            try:
                data = json.loads(body)["data"]
                if kind == b"seal":
                    return self._seal(n, data, prev)
                if kind == b"key":
                    return self._key(n, data)
                self.told |= set(map(int, data["entries"]))
                self.blank_raw -= set(data.get("raw", ()))
                for name in data.get("raw", ()):
                    self.lacking_raw.pop(name, None)
            except (ValueError, KeyError, TypeError, RecursionError):
                return _("cannot be read")
        elif kind == b"vendor_alert":
            found = _RAW.search(body)
            name = found[1].decode() if found else ""
            if any(one in name for one in self.changed_raw):
                return _("names a vendor's message that was changed")
            if name and not bodies.execute("SELECT 1 FROM raw WHERE sha256 = ?", (name,)).fetchone():
                self.lacking_raw.setdefault(name, n)
        if kind != b"seal":
            self._goes_unsealed(n)
        return ""

    def _goes_unsealed(self, n: int) -> None:
        self.unsealed += bool(self.keys)
        if self.unsealed == EVERY + 1:
            self.gaps.append((n, 0))

    def _dated(self, n: int, body: bytes, kind: str) -> None:
        at = body.find(_AT) + len(_AT)
        told = body[at : body.find(b'"', at)].decode(errors="replace")
        if kind in CLOCKED and told < self.latest:
            with suppress(ValueError):
                if parse_utc(told) < parse_utc(self.latest) - BACK_US:
                    self.back.append(n)
        self.latest = max(self.latest, told)

    def _key(self, n: int, data: Any) -> str:
        public = public_key(data["public_key"])
        if public is None or fingerprint(public) != data["fingerprint"]:
            return _("names a key with another fingerprint than its own")
        self.keys.append(_Named(n, public, fingerprint(public), signed=not self.keys))
        self.unsealed = 0
        return ""

    def _seal(self, n: int, data: Any, prev: bytes) -> str:
        active = self.keys[-1] if self.keys else None
        if data["entries"] != n - 1:
            return _("is a seal of another entry than the one before it")
        if active is None:
            return _("is a seal by a key that no entry names")
        hands_over = len(self.keys) > 1 and n == active.n + 1 and data["key"] == self.keys[-2].fingerprint
        signer = self.keys[-2] if hands_over else active
        if data["key"] != signer.fingerprint:
            return _("is a seal by key {found}, where {key} is the one that the ledger names").format(
                found=clean(data["key"], 30), key=active.fingerprint
            )
        if not is_signed(signer.public, seal_message(n - 1, prev), data["signature"]):
            return _("is a seal that key {key} did not make").format(key=signer.fingerprint)
        if hands_over:
            active.signed = True
        signer.seals += 1
        if self.gaps and not self.gaps[-1][1]:
            self.gaps[-1] = (self.gaps[-1][0], n)
        self.sealed, self.unsealed = n, 0
        return ""

    def _handed_out(self, n: int, link: bytes) -> str:
        if self.paper and n == self.paper[0] and head_text(link) != self.paper[1]:
            return _("has head {found}, the paper says {paper}: the past was rewritten here or earlier").format(
                found=head_text(link), paper=self.paper[1]
            )
        if n == self.published[0] and head_text(link) != self.published[1]:
            words = _("has head {found}, the daemon published {told}: another chain was put here, or it was rewritten")
            return words.format(found=head_text(link), told=clean(self.published[1], 30))
        if self.anchor and n == self.anchor.entries:
            self.anchored = True
            if link != self.anchor.hash:
                return _("has hash {found}, the anchor says {told}: the past was rewritten here or earlier").format(
                    found=link.hex()[:16], told=self.anchor.hash.hex()[:16]
                )
            if not self.keys or self.keys[-1].public != self.anchor.public:
                return _("was anchored with key {key}, which the ledger did not name then").format(
                    key=fingerprint(self.anchor.public)
                )
        return ""

    def _messages(self, bodies: sqlite3.Connection, work: Work) -> None:
        """Which kept messages were changed, and of which nothing is left."""
        for name, raw in bodies.execute("SELECT sha256, bytes FROM raw"):
            work.add(0)
            if raw == b"" and name != _EMPTY:
                self.blank_raw.add(str(name))
            elif not isinstance(raw, bytes) or hashlib.sha256(raw).hexdigest() != name:
                self.changed_raw.append(str(name))

    def _claims(self, bodies: sqlite3.Connection) -> None:
        for (body,) in bodies.execute(f"SELECT body FROM body WHERE {KIND} = 'erasure'"):
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                self.claimed |= set(map(int, json.loads(body)["data"]["entries"]))

    def _at_the_end(self, chain: sqlite3.Connection, bodies: sqlite3.Connection) -> None:
        """What only the whole chain tells."""
        told_n = max(self.paper[0] if self.paper else 0, self.anchor.entries if self.anchor else 0)
        if told_n > self.n:
            words = _("is missing: the tail was cut; {n} entries were printed or handed out").format(n=told_n)
            self.faults.append((self.n + 1, words))
        if open_ := [n for n, seal in self.gaps if not self._answered_for(seal)]:
            words = _("lacks a seal: there is none over the {n} entries before it. Where an import of an older"
                      " handwheel left it out, compare those entries with what was brought in, then: handwheel ledger"
                      " new-key")  # fmt: skip
            self.faults.append((open_[0], words.format(n=EVERY)))
        if silent := self.erased - self.told:
            self.faults.append((min(silent), _("was erased, and no entry tells of it")))
        if self.lacking_raw:
            words = _("names a vendor's message that is gone, and no entry tells of it")
            self.faults.append((min(self.lacking_raw.values()), words))
        unreadable = bodies.execute(UNREADABLE, (self.n,)).fetchone()[0]
        if unreadable is not None:
            self.faults.append((unreadable, _("cannot be read")))
        self._succession()
        for name, db in (("ledger.sqlite", chain), ("bodies.sqlite", bodies)):
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok" and not self.faults:
                self.file_fault = _("{file} is damaged: {why}").format(file=name, why=clean(found, 120))
        least = bodies.execute("SELECT min(n) FROM body").fetchone()[0]
        if least is not None and least < 1:
            self.file_fault = _("bodies.sqlite has a body that belongs to no entry")

    def _answered_for(self, seal: int) -> int:
        """The entry by which a gap that ends with this seal was answered for, else 0: a new key that the old sealed.

        Only who has the old key and the right to seal can make it, and it comes after the gap was found.
        """
        return next((one.n for one in self.keys[1:] if seal and one.n >= seal - 1 and one.signed), 0)

    def _beyond(self, bodies: sqlite3.Connection, n: int) -> None:
        """Bodies after the chain's last entry by now (`n`): the last batch after a crash, or just now; else a cut."""
        self.unfinished = beyond(bodies, n)
        if cut := cut_tail(bodies, n):
            words = _("is missing, and bodies {first} to {last} belong to no entry: the tail was cut, or an older copy"
                      " of ledger.sqlite was put back")  # fmt: skip
            self.faults.append((n + 1, words.format(first=cut[0], last=cut[1])))
        elif self.published[0] > n:
            words = _("is missing: the daemon published {n} entries; the tail was cut, or an older copy was put back")
            self.faults.append((n + 1, words.format(n=self.published[0])))

    def _succession(self) -> None:
        """Each key is sealed by the one before it, from the first or from the one that was kept elsewhere on."""
        first = 0
        if self.trusted:
            known = [at for at, one in enumerate(self.keys) if one.fingerprint == self.trusted and one.seals]
            if not known:
                self.file_fault = _("no entry is sealed by key {key}: the ledger names {keys}").format(
                    key=self.trusted, keys=", ".join(one.fingerprint for one in self.keys) or "-"
                )
                return
            first = known[-1]
        for one in self.keys[first + 1 if self.trusted else 0 :]:
            if not one.signed:
                words = _("names key {key}, and the key before it did not seal that: it was lost, or somebody put in"
                          " another; if {key} is yours, say so: --key")  # fmt: skip
                self.faults.append((one.n, words.format(key=one.fingerprint)))

    def result(self, damage: str = "") -> Verification:
        """All of it in one line."""
        if self.faults:
            n, words = min(self.faults)
            # Translators: {words} goes on with what is wrong, for example "has a body that was changed"
            return self._told(False, n, _("entry {n} {words}").format(n=n, words=words))
        if damage or self.file_fault:
            return self._told(False, None, damage or self.file_fault)
        if self.changed_raw:
            return self._told(
                False, None, _("kept message {name} was changed").format(name=clean(self.changed_raw[0], 70))
            )
        if self.blank_raw:
            words = _("kept message {name} was erased, and no entry tells of it")
            return self._told(False, None, words.format(name=clean(min(self.blank_raw), 70)))
        return self._told(True, None, "; ".join(self._said()))

    def _told(self, ok: bool, n: int | None, words: str) -> Verification:
        key = self.keys[-1].fingerprint if self.keys else ""
        return Verification(ok, self.n, n, words, len(self.erased), self.sealed, key)

    def _said(self) -> Iterator[str]:
        yield _("{n} entries, each follows from the one before it").format(n=self.n)
        if self.erased:
            yield _("{n} erased under a rule").format(n=len(self.erased))
        if self.unfinished:
            first, final = self.unfinished
            yield _("bodies {first} to {last} have no entry: those of one batch, which a crash cut off or which is"
                    " being written; the next start sets them aside").format(first=first, last=final)  # fmt: skip
        for n, seal in self.gaps:
            words = _("from entry {n} on seals were left out; the seal of entry {seal} covers them, and with the new"
                      " key of entry {key} somebody answered for them")  # fmt: skip
            yield words.format(n=n, seal=seal, key=self._answered_for(seal))
        if self.back:
            yield _("the clock of the record went back at entry {n}").format(n=self.back[0])
        if self.sealed:
            yield _("sealed up to entry {n} by key {key}").format(n=self.sealed, key=self.keys[-1].fingerprint)
        else:
            yield _("not sealed: no key is named yet")
        if self.n:
            yield _("head {head}").format(head=f"{self.n}:{head_text(self.hash)}")
        if self.paper:
            yield _("agrees with the paper")
        if self.anchored:
            yield _("agrees with the anchor")
        if not (self.paper or self.anchored):
            yield _("compare the head with paper: a cut tail shows no other way")


def _foreign(db: sqlite3.Connection, file: str) -> str:
    """A table, view or trigger that we never made, or made otherwise, could show a reader something else than verify
    sees: two bodies of one entry, for example, where the table was made anew without its key."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_OURS[file])
        ours = set(model.execute(_SCHEMA))
    for row in db.execute(_SCHEMA):
        kind, name, _table, _sql = row
        if row not in ours:
            return _("{file}.sqlite has {name}, which handwheel never made").format(
                file=file, name=f"{clean(kind, 20)} {clean(name, 40)}"
            )
    return ""


def _chain_with_bodies(chain: sqlite3.Connection, bodies: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """(n, digest, prev, hash, has_body, salt, body) of each entry there is at this moment."""
    after = _LEAST
    # the chain is opened first: each body it can name was committed before, so the later view of bodies has it
    while rows := chain.execute(
        "SELECT n, digest, prev, hash FROM entry WHERE n > ? ORDER BY n LIMIT ?", (after, _CHUNK)
    ).fetchall():
        first, final = rows[0][0], rows[-1][0]
        found = {
            row[0]: (True, row[1], row[2])
            for row in bodies.execute("SELECT n, salt, body FROM body WHERE n BETWEEN ? AND ?", (first, final))
        }
        for row in rows:
            yield row + found.get(row[0], (False, None, None))
        after = final
