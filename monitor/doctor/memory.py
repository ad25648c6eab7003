"""Doctor's looks at what is kept: hot file and history, ledger and anchor, messages that nobody could read."""

import time
from collections.abc import Iterator

from drivers.errors import UserError
from monitor.daemon.disk import size_text
from monitor.doctor.looks import Check
from monitor.historian.health import health
from monitor.historian.proof import damages
from monitor.ledger import verify
from monitor.ledger.anchor import last_anchor
from monitor.plant import Settings
from monitor.progress import on_terminal
from monitor.state import State
from monitor.words import age_text, clean

ANCHOR_OLD_S = 92 * 86_400.0  # a quarter of a year: what is written anew is younger than what others hold
UNFOLDED_S = 6 * 3_600.0  # folding is each hour's work
WAL_LARGE = 256_000_000  # bytes
QUARANTINE = "_quarantine"  # as monitor.historian.cold names it, which loads pyarrow


def look_at_store(settings: Settings, state: State) -> Iterator[Check]:
    """Does history grow, and was anything of it damaged?"""
    if not state.hot.is_file():
        yield Check("history", "CANNOT TELL", "there is none yet; the daemon makes it")
        return
    try:
        found = health(state)
    except UserError as fault:
        yield Check("history", "FAIL", str(fault))
        return
    words = f"{size_text(found.hot_bytes)} hot, {size_text(found.cold_bytes)} in Parquet on this machine"
    since_s = None if found.oldest_ms is None else time.time() - found.oldest_ms / 1000
    late = found.unfolded > 0 and since_s is not None and since_s > UNFOLDED_S
    if late:
        words += f"; the oldest frames are {age_text(since_s)} old and lie nowhere else: see `handwheel jobs`"
    if found.wal_bytes > WAL_LARGE:
        words += f"; {size_text(found.wal_bytes)} wait in the WAL because somebody holds the file open for long"
    if found.damaged:
        words += f"; {found.damaged} damaged frames were set aside in {state.root / 'quarantine'}"
    bad = late or found.wal_bytes > WAL_LARGE or found.damaged
    yield Check("history", "WARN" if bad else "PASS", words)
    wrong = damages(state, on_terminal())
    if wrong:
        words = (
            f"{len(wrong)} parts of {state.hot} are damaged, for example {clean(wrong[0].what)}: {clean(wrong[0].why)}"
        )
        yield Check("history", "FAIL", f"{words}; nobody believes them; look at the disk")
    aside = sorted((state.history / QUARANTINE).rglob("*.parquet"))
    if aside:
        words = f"{len(aside)} damaged files of history were set aside in {state.history / QUARANTINE}"
        yield Check("history", "WARN", f"{words}; put back copies, or remove them when you have seen them")


def look_at_ledger(settings: Settings, state: State) -> Iterator[Check]:
    """Does the chain hold from the first entry to the last?"""
    if not state.ledger.is_file():
        yield Check("ledger", "CANNOT TELL", "there is none yet; the daemon makes it")
        return
    result = verify(state, tell=on_terminal())
    yield Check("ledger", "PASS" if result.ok else "FAIL", result.words)


def look_at_anchor(settings: Settings, state: State) -> Iterator[Check]:
    """Root on this host could write another past and seal it: only a head that somebody else keeps shows that."""
    if not state.ledger.is_file():
        return
    handed = last_anchor(state)
    if handed is None:
        yield Check("anchor", "WARN", "the ledger's head was never handed to a second party; `handwheel ledger anchor`")
        return
    age_s = time.time() - handed.at_us / 1e6
    words = f"the head was handed to {clean(handed.data['to'], 40)} {age_text(age_s)} ago"
    old = not 0 <= age_s <= ANCHOR_OLD_S
    yield Check(
        "anchor", "WARN" if old else "PASS", words + ("; do it again: `handwheel ledger anchor`" if old else "")
    )


def look_at_rejected(settings: Settings, state: State) -> Iterator[Check]:
    """A message that was rejected may be urgent: a person reads it."""
    found = sorted(path.stat().st_mtime for path in state.rejected.glob("*.reason.txt"))
    if found:
        oldest, newest = (age_text(time.time() - at_s) for at_s in (found[0], found[-1]))
        words = f"{len(found)} vendor messages rejected, the oldest {oldest} ago, the newest {newest}"
        yield Check("messages", "WARN", f"{words}; read them, then remove them: {state.rejected}")
    else:
        yield Check("messages", "PASS", "no vendor message was rejected")


LOOKS = (look_at_store, look_at_ledger, look_at_anchor, look_at_rejected)
