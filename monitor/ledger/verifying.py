"""Whether the ledger is what was written: each entry, each body and each kept message, and the head against paper."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.errors import UserError
from monitor.ledger.entry import START, head_text, record_of
from monitor.sqlite_file import FileDamaged, reading
from monitor.state import State
from monitor.words import _, clean

_CHUNK = 2_000
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`: the number of entries, the first entry that is wrong, and one line in words."""

    ok: bool
    n: int
    first_fault: int | None
    words: str
    erased: int = 0


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
                record = record_of(n, body)
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
