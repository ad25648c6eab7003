"""Reading the ledger, also while the daemon writes it. Standard library only."""

from collections.abc import Iterable, Iterator

from monitor.ledger.entry import Record, head_text, record_of
from monitor.sqlite_file import reading
from monitor.state import State

_CHUNK = 2_000


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
        record = record_of(n, body)
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
