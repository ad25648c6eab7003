"""Reading the ledger, also while the daemon writes it. Standard library only.

Bodies are found by kind and time through an index that SQLite itself keeps over what the bodies say (INDEX): nothing is
stored twice, what is erased leaves it too, and SQLite's integrity check, of which `verify` makes use, compares the two.
A body that cannot be read counts as one of every kind, so that nobody overlooks it.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from monitor.ledger.entry import LedgerError, Record, head_text, record_of
from monitor.sqlite_file import reading
from monitor.state import State, read_plain
from monitor.words import utc_text

_CHUNK = 900  # bodies at a time: below the 999 parameters that any SQLite takes
_FACTS_LIMIT = 1_000_000  # bytes
_YEAR_9998_US = 253_339_228_800_000_000
_TEXT = "CAST(body AS TEXT)"
KIND = (
    f"CASE WHEN body IS NULL THEN NULL WHEN json_valid({_TEXT}) THEN coalesce(json_extract({_TEXT}, '$.kind'), '')"
    " ELSE '' END"
)
_AT = f"CASE WHEN json_valid({_TEXT}) THEN json_extract({_TEXT}, '$.at') END"
INDEX = f"CREATE INDEX IF NOT EXISTS body_of_kind ON body({KIND}, {_AT})"
UNREADABLE = f"SELECT min(n) FROM body WHERE {KIND} = '' AND n <= ?"


def entries(
    state: State,
    kinds: Iterable[str] | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    *,
    after_n: int = 0,
    upto_n: int | None = None,
    holding: str = "",
) -> Iterator[Record]:
    """The entries there are when this is asked, in order: of these kinds, start_us <= at < end_us, and after_n < n <=
    upto_n.

    With `holding` only those in which this text stands anywhere; what lacks it is not looked at further, and what
    cannot be read is passed over: `unreadable` tells of it.

    Few of many are found fast where kinds are named. An erased entry is told only where neither kind nor time is asked
    for. LedgerError at one that cannot be read.
    """
    wanted = None if kinds is None else sorted(set(kinds))
    text = json.dumps(holding, ensure_ascii=False)[1:-1].encode()
    for n, body in _bodies(state, wanted, start_us, end_us, after_n, upto_n):
        if body is None:
            if wanted is None and start_us is None and end_us is None:
                yield Record(n, "erased", 0, None, "", None, None, None, {}, erased=True)
            continue
        if text not in body:
            continue
        try:
            record = record_of(n, body)
        except LedgerError:
            if holding:
                continue
            raise
        in_time = (start_us is None or record.at_us >= start_us) and (end_us is None or record.at_us < end_us)
        if in_time and (wanted is None or record.kind in wanted):
            yield record


def head_at(state: State, n: int) -> str:
    """The head as printed after entry `n`; "" where there is none."""
    try:
        with reading(state.ledger) as db:
            row = db.execute("SELECT hash FROM entry WHERE n = ?", (n,)).fetchone()
    except FileNotFoundError:
        return ""
    return head_text(row[0]) if row else ""


def digests(state: State, numbers: Iterable[int]) -> dict[int, bytes]:
    """The digest, SHA-256 over salt and body, by which the chain holds each of these entries."""
    found: dict[int, bytes] = {}
    wanted = iter(numbers)
    while chunk := list(islice(wanted, _CHUNK)):
        with reading(state.ledger) as db:
            marks = ",".join("?" * len(chunk))
            found.update(db.execute(f"SELECT n, digest FROM entry WHERE n IN ({marks})", chunk).fetchall())
    return found


def published_head(state: State) -> tuple[int, str]:
    """The ledger's count and head by the facts that were published last; (0, "") where there are none to be read."""
    try:
        words = read_plain(state.facts / "ledger_head.txt", _FACTS_LIMIT).decode().split()
        return int(words[2]), words[5]
    except (OSError, ValueError, IndexError):
        return 0, ""


def beyond(bodies: sqlite3.Connection, n: int) -> tuple[int, int] | None:
    """The first and last number of the bodies that come after entry `n`, the chain's last; None where there is none."""
    first, final = bodies.execute("SELECT min(n), max(n) FROM body WHERE n > ?", (n,)).fetchone()
    return None if first is None else (first, final)


def cut_tail(bodies: sqlite3.Connection, n: int) -> tuple[int, int] | None:
    """As `beyond`, where it is not the last batch alone.

    Bodies are committed before the chain, so a crash leaves the last batch without its entries, and no more than that.
    Where it begins stands in the file (user_version).
    """
    found = beyond(bodies, n)
    return found if found and bodies.execute("PRAGMA user_version").fetchone()[0] != n + 1 else None


def last(state: State, kind: str) -> Record | None:
    """The newest entry of a kind that was not erased; None where there is none."""
    try:
        with reading(state.bodies) as db:
            row = db.execute(
                f"SELECT n, body FROM body WHERE {KIND} = ? AND n <= ? ORDER BY n DESC LIMIT 1", (kind, head(state)[0])
            ).fetchone()
    except FileNotFoundError:
        return None
    return record_of(*row) if row else None


def unreadable(state: State) -> int | None:
    """The first entry whose body is no entry at all, though it is there; None where each can be read."""
    try:
        with reading(state.bodies) as db:
            row = db.execute(UNREADABLE, (head(state)[0],)).fetchone()
    except FileNotFoundError:
        return None
    return None if row is None or row[0] is None else int(row[0])


def last_at(state: State) -> int | None:
    """When the last entry was made that the daemon dates by its own clock (UTC [us]).

    None where there is none.
    """
    found = (last(state, kind) for kind in ("restart", "stop", "gap", "config", "clock_step"))
    newest = max((one for one in found if one), key=lambda one: one.n, default=None)
    return newest.at_us if newest else None


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


def _bodies(
    state: State,
    kinds: list[str] | None,
    start_us: int | None,
    end_us: int | None,
    after_n: int,
    upto_n: int | None,
) -> Iterator[tuple[int, bytes | None]]:
    """(n, body) of what may be asked for; a view per chunk, so that a slow reader never holds the daemon's files up."""
    try:
        upto = head(state)[0]  # the chain is looked at first: each body it can name was committed before
        upto = upto if upto_n is None else min(upto, upto_n)
        if kinds is None or upto - after_n <= _CHUNK:  # all of them, or the newest few: as they lie
            while rows := _rows(state, "n > ? AND n <= ?", (after_n, upto)):
                yield from rows
                after_n = rows[-1][0]
            return
        numbers = iter(_numbers(state, kinds, start_us, end_us, after_n, upto))
        while chunk := list(islice(numbers, _CHUNK)):
            yield from _rows(state, f"n IN ({','.join('?' * len(chunk))})", chunk)
    except FileNotFoundError:
        return


def _rows(state: State, which: str, values: Sequence[int]) -> list[tuple[int, bytes | None]]:
    with reading(state.bodies) as db:
        return db.execute(f"SELECT n, body FROM body WHERE {which} ORDER BY n LIMIT {_CHUNK}", values).fetchall()


def _numbers(
    state: State, kinds: list[str], start_us: int | None, end_us: int | None, after_n: int, upto: int
) -> list[int]:
    marks = ",".join("?" * (len(kinds) + 1))
    query = f"SELECT n FROM body WHERE {KIND} IN ({marks}) AND n > ? AND n <= ?"
    values: list[object] = ["", *kinds, after_n, upto]
    if start_us is not None or end_us is not None:
        # to the millisecond, as bodies tell it; to the microsecond is the caller's to look
        low = utc_text(min(max(start_us or 0, 0), _YEAR_9998_US))
        high = utc_text(min(max(_YEAR_9998_US if end_us is None else end_us, 0), _YEAR_9998_US))
        query += f" AND ({_AT} IS NULL OR {_AT} BETWEEN ? AND ?)"
        values += [low, high]
    with reading(state.bodies) as db:
        return [n for (n,) in db.execute(f"{query} ORDER BY n", values)]
