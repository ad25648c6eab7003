"""The hot file read by anybody: the screen, the worker, a command. Read-only and standard library only.

Each call opens the file, takes one unchanging view and lets go again (0.3 ms), so no reader holds up the daemon and
none looks at a file that was replaced. A frame whose checksum does not agree is counted in `damaged`, never believed.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from drivers.record import Reason, Sample
from monitor.historian.frame import FrameError, rows_of, unpack
from monitor.sqlite_file import reading

FORMAT = 1
NO_TIME = -1
FOLDED = ("folded.json", "folded.copy.json")
_LAST_FRAMES = 900  # where the row `latest` is damaged, that many frames stand in for it


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


class HotReader:
    """What the hot file holds. Where there is no file yet, all answers are empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged: set[int] = set()  # numbers of the frames that were refused; 0 stands for the row `latest`

    def meta(self) -> dict[str, str]:
        """Facts by key: id, format, utility, time_zone, currency, simulated, config_sha256, sites and labels (JSON)."""
        return dict(self._rows("SELECT key, value FROM meta"))

    def tags(self, *, retired: bool = False) -> dict[int, TagRow]:
        """The tags by their number; with `retired` also those that are no longer configured."""
        rows = self._rows(
            "SELECT number, name, site, asset, quantity, unit, low, high, estimated, description FROM tag"
            " WHERE current OR ? ORDER BY number",
            (retired,),
        )
        told = json.loads(self.meta().get("labels", "{}"))
        labels = {
            int(number): (tuple((code, words) for code, words in pairs), bits) for number, (pairs, bits) in told.items()
        }
        return {row[0]: TagRow(*row, *labels.get(row[0], ())) for row in rows}

    def latest(self) -> dict[int, Sample]:
        """The latest sample of each tag, by tag number."""
        found: dict[int, Sample] = {}
        try:
            with reading(self._path) as db:
                kept = db.execute("SELECT n, crc, blob FROM latest").fetchone()
                newest = db.execute("SELECT coalesce(max(n), 0) FROM frame").fetchone()[0]
                after = newest - _LAST_FRAMES
                if kept and self._add(found, 0, kept[1], kept[2]):
                    after = kept[0]
                for n, crc, blob in db.execute("SELECT n, crc, blob FROM frame WHERE n > ? ORDER BY n", (after,)):
                    self._add(found, n, crc, blob)
        except FileNotFoundError:
            return {}
        return found

    def newest_ms(self) -> int | None:
        """When the newest frame was committed (UTC [ms]); None where there is none."""
        rows = self._rows("SELECT t_ms FROM frame ORDER BY n DESC LIMIT 1")
        return int(rows[0][0]) if rows else None

    def series(self, tag: int, since_ms: int) -> list[Sample]:
        """The samples of one tag in frames committed since `since_ms` (UTC [ms]), in time order."""
        samples = []
        for n, crc, blob in self._rows("SELECT n, crc, blob FROM frame WHERE t_ms >= ? ORDER BY n", (since_ms,)):
            try:
                for receive_us, source_us, value, reasons, exact, detail in rows_of(blob, tag, crc):
                    samples.append(_sample(tag, receive_us, source_us, value, reasons, exact, detail))
            except FrameError:
                self.damaged.add(n)
        return sorted(samples, key=lambda sample: sample.receive_us)

    def rollup(self, tag: int, span_s: int, since_s: int) -> list[RollupRow]:
        """The buckets of one tag of 60 s or 3600 s that start at `since_s` (UTC [s]) or later, in time order."""
        # the table is ordered by time, so each bucket's time is looked up by itself instead of reading all tags; the
        # least and the greatest are asked for apart, or SQLite reads the whole span for them
        rows = self._rows(
            "WITH RECURSIVE ends(lo, hi) AS (SELECT max(:since, (SELECT min(t_s) FROM rollup WHERE span_s = :span)),"
            " (SELECT max(t_s) FROM rollup WHERE span_s = :span)),"
            " slot(t) AS (SELECT (lo + :span - 1) / :span * :span FROM ends WHERE lo IS NOT NULL"
            " UNION ALL SELECT t + :span FROM slot, ends WHERE t + :span <= hi)"
            " SELECT r.t_s, r.n, r.good, r.min, r.mean, r.max, r.last FROM slot"
            " CROSS JOIN rollup r ON r.span_s = :span AND r.t_s = slot.t AND r.tag = :tag",
            {"since": since_s, "span": span_s, "tag": tag},
        )
        return [RollupRow(*row) for row in rows]

    def rollups(self, span_s: int, since_s: int) -> dict[int, list[RollupRow]]:
        """As `rollup`, for all tags in one pass, by tag number: what scoring reads each minute."""
        found: dict[int, list[RollupRow]] = {}
        for tag, *row in self._rows(
            "SELECT tag, t_s, n, good, min, mean, max, last FROM rollup WHERE span_s = ? AND t_s >= ? ORDER BY t_s",
            (span_s, since_s),
        ):
            found.setdefault(tag, []).append(RollupRow(*row))
        return found

    def assets(self) -> list[dict[str, Any]]:
        """The assets, each with the fields of monitor.plant.Asset."""
        return [json.loads(body) for (body,) in self._rows("SELECT body FROM asset ORDER BY rowid")]

    def assessments(self) -> dict[str, dict[str, Any]]:
        """The latest assessment of each asset, by asset id."""
        return {asset: json.loads(body) for asset, body in self._rows("SELECT asset, body FROM assessment")}

    def verdicts(self) -> list[dict[str, Any]]:
        """The verdicts there are now (tests/golden/verdict.json)."""
        return [json.loads(body) for (body,) in self._rows("SELECT body FROM verdict ORDER BY rowid")]

    def alarms(self) -> list[dict[str, Any]]:
        """The alarms there are now, in the daemon's order."""
        return [json.loads(body) for (body,) in self._rows("SELECT body FROM alarm ORDER BY rowid")]

    def frames(self, after_n: int, upto_n: int, limit: int = 500) -> Iterator[tuple[int, int, int, bytes]]:
        """(n, t_ms, crc, blob) of the frames after_n < n <= upto_n in order; the checksum is the caller's to check."""
        while rows := self._rows(
            "SELECT n, t_ms, crc, blob FROM frame WHERE n > ? AND n <= ? ORDER BY n LIMIT ?", (after_n, upto_n, limit)
        ):
            yield from rows
            after_n = rows[-1][0]

    def oldest_ms(self, after_n: int) -> int | None:
        """When the oldest of the frames n > after_n was committed (UTC [ms]); None where there is none."""
        found = self._rows("SELECT min(t_ms) FROM frame WHERE n > ?", (after_n,))
        return found[0][0] if found else None

    def last_before(self, t_ms: int) -> int:
        """The highest number of a frame committed before `t_ms` (UTC [ms]); 0 if there is none."""
        rows = self._rows("SELECT coalesce(max(n), 0) FROM frame WHERE t_ms < ?", (t_ms,))
        return int(rows[0][0]) if rows else 0

    def _rows(self, query: str, values: Any = ()) -> list[Any]:
        try:
            with reading(self._path) as db:
                return db.execute(query, values).fetchall()
        except FileNotFoundError:
            return []

    def _add(self, found: dict[int, Sample], n: int, crc: int, blob: bytes) -> bool:
        try:
            frame = unpack(blob, crc)
        except FrameError:
            self.damaged.add(n)
            return False
        for row, (tag, receive_us, source_us, value, reasons, _) in enumerate(frame.rows()):
            older = found.get(tag)
            if older is None or older.receive_us <= receive_us:
                texts = frame.exact.get(row), frame.detail.get(row, "")
                found[tag] = _sample(tag, receive_us, source_us, value, reasons, *texts)
        return True


def folded_upto(history: Path, hot_id: str) -> int:
    """The last frame of the hot file `hot_id` that lies in verified Parquet; 0 if none does."""
    return folded(history).get(hot_id, 0)


def folded(history: Path) -> dict[str, int]:
    """How far each hot file that there ever was here lies in Parquet, by its id.

    It is kept twice, each with a checksum: by a flipped digit frames would leave that were never folded.
    """
    found: dict[str, int] = {}
    for name in FOLDED:
        try:
            told = json.loads((history / name).read_bytes())
            if told["crc"] == crc32(json.dumps(told["folded"]).encode()):
                found |= {hot: max(int(n), found.get(hot, 0)) for hot, n in told["folded"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
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
