"""Whether the hot file is as it was written: each frame, rollup and row proves itself, SQLite its pages.

A flipped bit in a part of the file that holds nothing just now is no damage and is not looked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.historian.checks import is_whole
from monitor.historian.frame import FrameError, proven
from monitor.historian.reader import HotReader
from monitor.historian.rollup import KEEP_S, read_cells
from monitor.progress import Tell, Work, silent
from monitor.sqlite_file import FileDamaged, reading
from monitor.state import State
from monitor.words import _

_SMALL = ("tag", "tag_copy", "asset", "assessment", "verdict", "alarm", "meta")
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written; nobody believes it."""

    what: str  # "frame 17", "latest", "rollup of 60 s at 1795440000", "a row of tag", "file"
    why: str


def damages(state: State, tell: Tell = silent) -> list[Damage]:
    """What is damaged in the hot file; empty where all of it is sound, or where there is none.

    In short views, so that nobody waits for it. A year of a thousand tags takes some seconds.
    """
    if not state.hot.exists():
        return []
    found: list[Damage] = []
    with Work(_("hot.sqlite, rows"), None, tell) as work:
        for look in (_small_tables, _latest, _frames, _rollups, _pages):
            try:
                found += look(state, work)
            except FileDamaged as fault:
                found.append(Damage("file", str(fault)))
    return found


def _pages(state: State, work: Work) -> Iterator[Damage]:
    work.add(0)  # SQLite does not tell how far it is: what was shown before stays
    with reading(state.hot) as db:
        for (words,) in db.execute("PRAGMA integrity_check(5)"):
            if words != "ok":
                yield Damage("file", str(words))


def _small_tables(state: State, work: Work) -> Iterator[Damage]:
    with reading(state.hot) as db:
        for table in _SMALL:
            for row in work.over(db.execute(f"SELECT * FROM {table}")):
                if not is_whole(row):
                    yield Damage(f"a row of {table}", f"its check does not agree: {str(row[0])[:40]!r}")


def _latest(state: State, work: Work) -> Iterator[Damage]:
    with reading(state.hot) as db:
        rows = db.execute("SELECT n, t_ms, crc, CAST(blob AS BLOB) FROM latest").fetchall()
    for row in work.over(rows):
        yield from _of_blob("latest", *row)


def _frames(state: State, work: Work) -> Iterator[Damage]:
    """Each frame, and the first of each minute, by which frames are found."""
    with reading(state.hot) as db:
        firsts = dict(db.execute("SELECT n, t_ms FROM minute"))
    before: int | None = None
    for n, t_ms, crc, blob in work.over(HotReader(state.hot).frames(0, 2**62)):
        yield from _of_blob(f"frame {n}", n, t_ms, crc, blob)
        minute = t_ms // 60_000 * 60_000 if isinstance(t_ms, int) else 0
        if firsts.get(n, minute) != minute or (before not in (None, minute) and n not in firsts):
            yield Damage(f"the minute of frame {n}", "is not that of its frame")
        before = minute


def _of_blob(what: str, n: int, t_ms: int, crc: int, blob: bytes) -> Iterator[Damage]:
    try:
        proven(blob, crc, n, t_ms)
    except FrameError as fault:
        yield Damage(what, str(fault))


def _rollups(state: State, work: Work) -> Iterator[Damage]:
    for span_s in KEEP_S:
        at: tuple[int, int] = (-1, -1)
        while True:
            with reading(state.hot) as db:
                rows = db.execute(
                    "SELECT t_s, tag, CAST(cell AS BLOB) FROM rollup WHERE span_s = ? AND (t_s, tag) > (?, ?)"
                    " ORDER BY t_s, tag LIMIT ?",
                    (span_s, *at, _AT_ONCE),
                ).fetchall()
            if not rows:
                break
            work.add(len(rows))
            t_s, tag, _cells, damaged = read_cells(span_s, rows)
            if damaged:
                whole = set(zip(t_s.tolist(), tag.tolist(), strict=True))
                for row in rows:
                    if row[:2] not in whole:
                        yield Damage(f"rollup of {span_s} s at {row[0]}", f"its sum does not agree: tag {row[1]}")
            if rows[-1][:2] <= at:
                yield Damage("file", "rollups are out of order")
                break
            at = rows[-1][:2]
