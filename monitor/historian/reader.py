"""The hot file read by anybody: the screen, the worker, a command. Read-only and standard library only.

Each call opens the file, takes one unchanging view and lets go again (0.3 ms), so no reader holds up the daemon and
none looks at a file that was replaced. A frame whose checksum does not agree is counted in `damaged`, never believed.
"""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from drivers.record import FROM_ELSEWHERE, Reason, Sample
from monitor.historian.checks import CELL, cell_is_whole, is_whole
from monitor.historian.frame import Frame, FrameError, proven, rows_of, unpack
from monitor.sqlite_file import damaged, reading
from monitor.state import is_strangers, read_plain

FORMAT = 2
NO_TIME = -1
FOLDED = ("_folded.json", "_folded.copy.json")  # tools that read the whole folder leave such names out
FRAMES_END = 2**48  # one a second for nine million years
COPY = ".copy"
_LAST = 2**62
_FRAMES = "SELECT n, t_ms, crc, CAST(blob AS BLOB) FROM frame"
_LAST_FRAMES = 900  # where the row `latest` is damaged, that many frames stand in for it
_NAMES_AT_ONCE = 500  # in one question


@dataclass(frozen=True, slots=True)
class TagRow:
    """A tag as the hot file describes it; `number` is the file's own and never changes its meaning."""

    number: int
    name: str
    site: str
    asset: str
    quantity: str
    unit: str
    low: float | None
    high: float | None
    estimated: int  # 1: computed inside the device, never independent evidence
    description: str
    labels: tuple[tuple[int, str], ...] = ()  # what its codes or bits mean
    bits: bool = False  # a field of bits


@dataclass(frozen=True, slots=True)
class RollupRow:
    """One bucket: `n` samples, `good` of them good; min, mean, max, last of the good ones, None if there are none."""

    t_s: int
    n: int
    good: int
    min: float | None
    mean: float | None
    max: float | None
    last: float | None

    @property
    def share_good(self) -> float:
        return self.good / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class SetAside:
    """A damaged frame that was taken out of the hot file, and where its bytes lie now."""

    n: int
    t_ms: int
    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Rollups as they stand, and what they do not hold yet."""

    rows: list[tuple[int, int, bytes]]  # t_s, tag, cell
    frames: list[tuple[int, int, int, bytes]]  # n, t_ms, crc, blob: not rolled up yet
    since_ms: int | None  # when this file took in its first tick (UTC)


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where the frames go; 0 and None where there is none."""

    first_n: int
    last_n: int
    oldest_ms: int | None
    newest_ms: int | None


class HotReader:
    """What the hot file holds. Where there is no file yet, all answers are empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged: set[int] = set()  # numbers of the frames that were refused; 0 stands for the row `latest`
        self.damaged_rows: set[str] = set()  # the same of other rows: what they are of

    def format(self) -> int | None:
        """In which format the file is written; None where it is empty."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
            return None
        rows = self._rows("SELECT value FROM meta WHERE key = 'format'")
        return int(rows[0][0]) if rows and str(rows[0][0]).isdecimal() else None

    def meta(self) -> dict[str, str]:
        """Facts by key: id, format, utility, time_zone, currency, simulated, config_sha256, sites and labels (JSON)."""
        return facts_of(self._whole("fact", "SELECT key, value, crc FROM meta"))

    def tags(self, *, retired: bool = False, names: Collection[str] | None = None) -> dict[int, TagRow]:
        """The tags by their number; with `retired` also those that are no longer configured; of some `names` alone.

        By name both copies of the table are asked: a name that was damaged in one of them is not found there.
        """
        chosen = (
            "SELECT number, name, site, asset, quantity, unit, low, high, estimated, description, current, crc FROM {}"
        )
        some = sorted(names) if names is not None and len(names) <= _NAMES_AT_ONCE else None
        if some is not None:
            chosen += f" WHERE name IN ({', '.join('?' * len(some))})"
        rows = {row[0]: row for row in self._whole("tag", chosen.format("tag"), some or ())}
        if some is not None or "tag" in self.damaged_rows:
            copies = self._whole("copy of a tag", chosen.format("tag_copy"), some or ())
            rows = {row[0]: row for row in copies} | rows
        told = json.loads(self.meta().get("labels", "{}"))
        labels = {
            int(number): (tuple((code, words) for code, words in pairs), bits) for number, (pairs, bits) in told.items()
        }
        return {
            number: TagRow(*row[:10], *labels.get(number, ()))
            for number, row in sorted(rows.items())
            if row[10] or retired
        }

    def latest(self) -> dict[int, Sample]:
        """The latest sample of each tag, by tag number."""
        found: dict[int, Sample] = {}
        for name, blob in self.latest_blobs():
            try:
                self._add(found, unpack(blob))
            except FrameError:
                self.damaged.add(name)
        return found

    def latest_blobs(self) -> Iterator[tuple[int, bytes]]:
        """Proven frames, each with its number, that together hold the latest sample of each tag: the row `latest`,
        whose number is 0, and what came after it."""
        try:
            with reading(self._path) as db:
                kept = db.execute("SELECT n, t_ms, crc, CAST(blob AS BLOB) FROM latest").fetchone()
                newest = db.execute("SELECT coalesce(max(n), 0) FROM frame").fetchone()[0]
                after = newest - _LAST_FRAMES
                if kept and self._is_proven(0, *kept):
                    yield 0, kept[3]
                    after = kept[0]
                for row in db.execute(f"{_FRAMES} WHERE n > ? ORDER BY n", (after,)):
                    if self._is_proven(row[0], *row):
                        yield row[0], row[3]
        except FileNotFoundError:
            return

    def newest_ms(self) -> int | None:
        """When the newest frame was committed (UTC [ms]); None where there is none."""
        rows = self._rows("SELECT t_ms FROM frame ORDER BY n DESC LIMIT 1")
        return int(rows[0][0]) if rows else None

    def newest_own_ms(self) -> int | None:
        """The same of frames with samples that we read ourselves: what a person enters afterwards is not our reading.

        Where all frames left, by the newest of the latest samples.
        """
        before = _LAST
        while rows := self._rows(f"{_FRAMES} WHERE n < ? ORDER BY n DESC LIMIT 100", (before,)):
            for n, t_ms, crc, blob in rows:
                try:
                    proven(blob, crc, n, t_ms)
                    if not all(reasons & FROM_ELSEWHERE for reasons in unpack(blob).reasons):
                        return int(t_ms)
                except FrameError:
                    self.damaged.add(n)
            before = rows[-1][0]
        return max((one.receive_us // 1000 for one in self.latest().values()), default=None)

    def series(self, tag: int, since_ms: int) -> list[Sample]:
        """The samples of one tag in frames committed since `since_ms` (UTC [ms]), in time order."""
        samples: list[Sample] = []
        for n, t_ms, crc, blob in self.frames(self.before(since_ms), _LAST):
            try:
                found = proven(blob, crc, n, t_ms)
                if t_ms >= since_ms:
                    samples += [_sample(tag, *row) for row in rows_of(blob, tag, found=found)]
            except FrameError:
                self.damaged.add(n)
        return sorted(samples, key=lambda sample: sample.receive_us)

    def rollup(self, tag: int, span_s: int, since_s: int) -> list[RollupRow]:
        """The buckets of one tag of 60 s or 3600 s that start at `since_s` (UTC [s]) or later, in time order."""
        return [
            RollupRow(t_s, *_figures(cell))
            for t_s, _, cell in self.rollup_rows([tag], span_s, since_s)
            if self._cell_whole(span_s, t_s, tag, cell)
        ]

    def rollups(self, span_s: int, since_s: int) -> dict[int, list[RollupRow]]:
        """As `rollup`, for all tags in one pass, by tag number: what scoring reads each minute."""
        found: dict[int, list[RollupRow]] = {}
        for t_s, tag, cell in self._rows(
            "SELECT t_s, tag, CAST(cell AS BLOB) FROM rollup WHERE span_s = ? AND t_s >= ? ORDER BY t_s",
            (span_s, since_s),
        ):
            if self._cell_whole(span_s, t_s, tag, cell):
                found.setdefault(tag, []).append(RollupRow(t_s, *_figures(cell)))
        return found

    def rollup_rows(
        self, tags: Sequence[int], span_s: int, since_s: int, until_s: int = _LAST
    ) -> list[tuple[int, int, bytes]]:
        """(t_s, tag, cell) of these tags' buckets with since <= t_s < until, by time; not checked yet."""
        return self._rows(*_rollup_query(tags, span_s, since_s, until_s))

    def assets(self) -> list[dict[str, Any]]:
        """The assets, each with the fields of monitor.plant.Asset."""
        return [json.loads(row[1]) for row in self._whole("asset", "SELECT id, body, crc FROM asset ORDER BY rowid")]

    def assessments(self) -> dict[str, dict[str, Any]]:
        """The latest assessment of each asset, by asset id."""
        return {
            row[0]: json.loads(row[1]) for row in self._whole("assessment", "SELECT asset, body, crc FROM assessment")
        }

    def verdicts(self) -> list[dict[str, Any]]:
        """The verdicts there are now (tests/golden/verdict.json)."""
        rows = self._whole("verdict", "SELECT asset, body, crc FROM verdict ORDER BY rowid")
        return [json.loads(row[1]) for row in rows]

    def alarms(self) -> list[dict[str, Any]]:
        """The alarms there are now, in the daemon's order."""
        return [json.loads(row[1]) for row in self._whole("alarm", "SELECT id, body, crc FROM alarm ORDER BY rowid")]

    def set_aside(self) -> list[SetAside]:
        """The damaged frames that were taken out of the file, in order."""
        return [SetAside(*row) for row in self._rows("SELECT n, t_ms, file, why FROM set_aside ORDER BY n")]

    def pending(self, tags: Sequence[int], span_s: int, since_s: int, until_s: int) -> Pending:
        """Rollups with the frames that are not in them yet, in one view of the file."""
        try:
            with reading(self._path) as db:
                meta = facts_of(row for row in db.execute("SELECT key, value, crc FROM meta") if is_whole(row))
                rolled = int(meta.get("rolled_n", 0))
                rows = db.execute(*_rollup_query(tags, span_s, since_s, until_s)).fetchall()
                frames = db.execute(f"{_FRAMES} WHERE n > ? ORDER BY n", (rolled,)).fetchall()
        except FileNotFoundError:
            return Pending([], [], None)
        return Pending(rows, frames, int(meta["since_ms"]) if "since_ms" in meta else None)

    def extent(self) -> Extent:
        """From where to where the frames go."""
        rows = self._rows(
            "SELECT (SELECT min(n) FROM frame), (SELECT max(n) FROM frame),"
            " (SELECT t_ms FROM frame ORDER BY n LIMIT 1), (SELECT t_ms FROM frame ORDER BY n DESC LIMIT 1)"
        )
        return Extent(rows[0][0] or 0, rows[0][1] or 0, *rows[0][2:]) if rows else Extent(0, 0, None, None)

    def rollup_extent(self) -> dict[int, tuple[int, int]]:
        """First and last beginning (UTC) [s] of the rollups, by span [s]."""
        found = {}
        for span_s in (60, 3_600):
            rows = self._rows(
                "SELECT (SELECT min(t_s) FROM rollup WHERE span_s = :span),"
                " (SELECT max(t_s) FROM rollup WHERE span_s = :span)",
                {"span": span_s},
            )
            if rows and rows[0][0] is not None:
                found[span_s] = (rows[0][0], rows[0][1])
        return found

    def before(self, t_ms: int) -> int:
        """The number of a frame after which all frames lie that were committed at `t_ms` (UTC [ms]) or later.

        Some that come after it may have been committed before: the clock may have been set back.
        """
        rows = self._rows(
            "SELECT coalesce((SELECT min(n) FROM minute WHERE t_ms > :t - 60000), (SELECT max(n) + 1 FROM frame), 1)",
            {"t": t_ms},
        )
        return int(rows[0][0]) - 1 if rows else 0

    def frames(self, after_n: int, upto_n: int, limit: int = 500) -> Iterator[tuple[int, int, int, bytes]]:
        """(n, t_ms, crc, blob) of the frames after_n < n <= upto_n in order; the checksum is the caller's to check."""
        while rows := self._rows(f"{_FRAMES} WHERE n > ? AND n <= ? ORDER BY n LIMIT ?", (after_n, upto_n, limit)):
            yield from rows
            if rows[-1][0] <= after_n:
                raise damaged(self._path, ValueError("frames are out of order"))
            after_n = rows[-1][0]

    def oldest_ms(self, after_n: int) -> int | None:
        """The minute of the oldest of the frames n > after_n (UTC [ms]); None where there is none."""
        found = self._rows(
            "SELECT min(t_ms) FROM minute WHERE EXISTS (SELECT 1 FROM frame WHERE n > :after)"
            " AND n >= coalesce((SELECT max(n) FROM minute WHERE n <= :after + 1), 0)",
            {"after": after_n},
        )
        return found[0][0] if found else None

    def last_before(self, t_ms: int) -> int:
        """The highest number of a frame committed before `t_ms` (UTC [ms]); 0 if there is none."""
        rows = self._rows("SELECT n FROM frame WHERE t_ms < ? ORDER BY n DESC LIMIT 1", (t_ms,))
        return int(rows[0][0]) if rows else 0

    def _rows(self, query: str, values: Any = ()) -> list[Any]:
        try:
            with reading(self._path) as db:
                return db.execute(query, values).fetchall()
        except FileNotFoundError:
            return []

    def _whole(self, what: str, query: str, values: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """The rows of a small table, each with its check last; what is damaged is noted and left out."""
        for row in self._rows(query, values):
            if is_whole(row):
                yield row
            else:
                self.damaged_rows.add(what)

    def _cell_whole(self, span_s: int, t_s: int, tag: int, cell: bytes) -> bool:
        if cell_is_whole(span_s, t_s, tag, cell):
            return True
        self.damaged_rows.add("rollup")
        return False

    def _is_proven(self, name: int, n: int, t_ms: int, crc: int, blob: bytes) -> bool:
        try:
            proven(blob, crc, n, t_ms)
        except FrameError:
            self.damaged.add(name)
            return False
        return True

    def _add(self, found: dict[int, Sample], frame: Frame) -> None:
        for row, (tag, receive_us, source_us, value, reasons, _) in enumerate(frame.rows()):
            older = found.get(tag)
            if (older is None or older.receive_us <= receive_us) and not reasons & FROM_ELSEWHERE:
                texts = frame.exact.get(row), frame.detail.get(row, "")
                found[tag] = _sample(tag, receive_us, source_us, value, reasons, *texts)


def facts_of(rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    """Facts by key; what is kept twice (COPY) is taken from its copy where the first was damaged."""
    found = {row[0]: row[1] for row in rows}
    copies = {key.removesuffix(COPY): value for key, value in found.items() if key.endswith(COPY)}
    return copies | {key: value for key, value in found.items() if not key.endswith(COPY)}


def _rollup_query(tags: Sequence[int], span_s: int, since_s: int, until_s: int) -> tuple[str, dict[str, int]]:
    # the table is ordered by time, so each bucket's time is looked up by itself instead of reading all tags; the least
    # and the greatest are asked for apart, or SQLite reads the whole span for them
    query = (
        "WITH RECURSIVE ends(lo, hi) AS (SELECT max(:since, (SELECT min(t_s) FROM rollup WHERE span_s = :span)),"
        " min(:until - 1, (SELECT max(t_s) FROM rollup WHERE span_s = :span))),"
        " slot(t) AS (SELECT (lo + :span - 1) / :span * :span FROM ends WHERE lo IS NOT NULL"
        " UNION ALL SELECT t + :span FROM slot, ends WHERE t + :span <= hi)"
        " SELECT r.t_s, r.tag, r.cell FROM slot CROSS JOIN rollup r ON r.span_s = :span AND r.t_s = slot.t"
        f" AND r.tag IN ({', '.join(str(int(tag)) for tag in tags)}) WHERE slot.t < :until"
    )
    return query, {"since": since_s, "until": until_s, "span": span_s}


def _figures(cell: bytes) -> tuple[Any, ...]:
    """n, good, min, mean, max, last of a cell."""
    n, good, numbers, _, *figures = CELL.unpack(cell)
    return (n, good, *(figures[:4] if numbers else (None,) * 4))


def folded_upto(history: Path, hot_id: str) -> int:
    """The last frame of the hot file `hot_id` that lies in verified Parquet; 0 if none does."""
    return folded(history).get(hot_id, 0)


def folded(history: Path) -> dict[str, int]:
    """How far each hot file that there ever was here lies in Parquet, by its id.

    It is kept twice, each with a checksum: by a flipped digit frames would leave that were never folded. A note that
    another user of the group put there is none, nor is a number that no file reaches.
    """
    found: dict[str, int] = {}
    for name in FOLDED:
        try:
            if is_strangers(history / name):
                continue
            told = json.loads(read_plain(history / name, 1_000_000))
            if told["crc"] == crc32(json.dumps(told["folded"]).encode()):
                upto = {str(hot): int(n) for hot, n in told["folded"].items() if 0 <= int(n) < FRAMES_END}
                found |= {hot: max(n, found.get(hot, 0)) for hot, n in upto.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
    return found


def _sample(
    tag: int, receive_us: int, source_us: int, value: float, reasons: int, exact: str | None, detail: str
) -> Sample:
    shown: float | str | None = value
    if exact is not None:
        shown = exact
    elif math.isnan(value) and reasons:
        shown = None
    return Sample(tag, receive_us, shown, Reason(reasons), None if source_us == NO_TIME else source_us, detail)
