"""The hot file's writer: one row per commit with all samples of that tick, the latest of each tag, and rollups.

Used by the daemon's writer thread alone. One row per sample keyed by tag would write 7 kB to the disk per sample; a
frame writes about 31 bytes. Rollups of a minute and an hour let the screen draw days without opening history. Nothing
leaves the file before its Parquet file was verified (monitor.historian.history says up to where).
"""

import json
import math
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.batch import Batch, batch_of
from drivers.record import Sample
from monitor.historian.arrays import Columns, columns, joined, pack
from monitor.historian.frame import FrameError
from monitor.historian.latest import Latest
from monitor.historian.reader import FORMAT, HotReader, folded_upto
from monitor.historian.rollup import HOUR_S, KEEP_S, MINUTE_S, added_up, merge
from monitor.sqlite_file import close_writer, open_writer, transaction
from monitor.words import parse_utc

if TYPE_CHECKING:
    from monitor.plant import Settings

_PURGE_AT_ONCE = 2_000  # frames per transaction, so that a purge never holds up a tick for long
_ROLL_AT_ONCE = 120  # frames per transaction: a few minutes' buckets at a time, whatever a long stop left to do

# rollup is keyed by time before tag: a minute's rows then lie together and cost one page, not one page per tag
_SCHEMA = """
CREATE TABLE IF NOT EXISTS frame(n INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
    blob BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS frame_time ON frame(t_ms);
CREATE TABLE IF NOT EXISTS latest(one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER, t_ms INTEGER, crc INTEGER,
    blob BLOB);
CREATE TABLE IF NOT EXISTS rollup(span_s INTEGER, t_s INTEGER, tag INTEGER, n INTEGER, good INTEGER, min REAL,
    mean REAL, max REAL, last REAL, last_us INTEGER, PRIMARY KEY (span_s, t_s, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag(number INTEGER PRIMARY KEY, name TEXT, site TEXT, asset TEXT, quantity TEXT, unit TEXT,
    low REAL, high REAL, estimated INTEGER, description TEXT, current INTEGER);
CREATE TABLE IF NOT EXISTS asset(id TEXT PRIMARY KEY, site TEXT, name TEXT, kind TEXT, criticality TEXT, vendor TEXT,
    body TEXT);
CREATE TABLE IF NOT EXISTS assessment(asset TEXT PRIMARY KEY, at_ms INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS verdict(asset TEXT, component TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS alarm(id TEXT PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT);
"""


class HotFile:
    """The one writer of hot.sqlite, in the process that holds daemon.lock."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; takes up the latest sample of each tag where the last life left it."""
        self._path = path
        self._db = open_writer(path, _SCHEMA)
        with transaction(self._db):
            for key, value in (("format", str(FORMAT)), ("id", secrets.token_hex(4)), ("rolled_n", "0")):
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
        row = self._db.execute("SELECT (SELECT max(n) FROM frame), (SELECT n FROM latest)").fetchone()
        # a number is used once: not again after its frame left, nor where an older copy of this file was put back
        taken = int(self._meta("rolled_n")), folded_upto(path.parent / "history", self._meta("id"))
        self._n = max(int(row[0] or 0), int(row[1] or 0), *taken)
        self._number: np.ndarray | None = None  # settings' tag number -> the file's
        reader = HotReader(path)
        self._latest = Latest()
        by_time: dict[int, list[Sample]] = {}
        for sample in reader.latest().values():
            by_time.setdefault(sample.receive_us, []).append(sample)
        if by_time:
            self._latest.take(joined([batch_of("", receive_us, samples) for receive_us, samples in by_time.items()]))
        self.damaged = reader.damaged  # frames that were found damaged so far

    def publish_tags(self, settings: "Settings") -> None:
        """Write the tables of tags and assets for who reads the file without the configuration.

        A tag keeps its number in this file for ever, whatever the configuration does to its table, so frames and
        rollups of last week still mean what they meant. A tag whose asset, quantity or unit changed is another tag.
        """
        sites = {asset.id: asset.site for asset in settings.assets}
        with transaction(self._db):
            known = {
                tuple(row[1:]): row[0]
                for row in self._db.execute("SELECT number, name, site, asset, quantity, unit FROM tag")
            }
            self._db.execute("UPDATE tag SET current = 0")
            self._db.execute("DELETE FROM asset")
            numbers = np.full(1 + max((tag.number for tag in settings.tags), default=-1), -1, np.int32)
            taken = set(known.values())
            free = 1 + max([*taken, len(numbers) - 1])
            for tag in settings.tags:
                identity = (tag.name, sites[tag.asset], tag.asset, tag.quantity, tag.unit)
                number = known.get(identity)
                if number is None:
                    number = tag.number if tag.number not in taken else free
                    free += number == free
                    taken.add(number)
                numbers[tag.number] = number
                self._db.execute(
                    "INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                    (number, *identity, tag.low, tag.high, tag.estimated, tag.description),
                )
            for asset in settings.assets:
                self._db.execute(
                    "INSERT INTO asset VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        asset.id,
                        asset.site,
                        asset.name,
                        asset.kind,
                        asset.criticality,
                        asset.vendor,
                        _json(asdict(asset)),
                    ),
                )
            facts = {
                "utility": settings.utility, "time_zone": settings.time_zone, "currency": settings.currency,
                "simulated": str(int(settings.simulated)), "config_sha256": settings.sha256,
                "sites": _json([asdict(site) for site in settings.sites]),
                "labels": _json({int(numbers[t.number]): (t.labels, t.bits) for t in settings.tags if t.labels}),
            }  # fmt: skip
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())
        self._number = numbers
        self._latest.keep(numbers)

    def append(self, batches: Sequence[Batch], t_ms: int) -> int:
        """Commit one tick: all batches as one frame at `t_ms` (UTC [ms]); on the disk when this returns its number."""
        batches = [batch for batch in batches if len(batch)]
        if not batches:
            return self._n
        tick = self._renumbered(joined(batches))
        blob, crc = pack(tick)
        self._db.execute("INSERT INTO frame VALUES (?, ?, ?, ?)", (self._n + 1, t_ms, crc, blob))
        self._n += 1
        self._latest.take(tick, t_ms * 1000 + 999)
        return self._n

    def write_latest(self, t_ms: int) -> None:
        """Write the latest sample of each tag (each 5 s and at stop): readers start here and add newer frames."""
        blob, crc = pack(self._latest.columns())
        self._db.execute("INSERT OR REPLACE INTO latest VALUES (1, ?, ?, ?, ?)", (self._n, t_ms, crc, blob))

    def roll(self, t_ms: int | None) -> int:
        """Take all frames since the last call into the rollups; returns how many. Each minute.

        Those whose time is over at `t_ms` (UTC [ms]) leave; with None, where the clock is in doubt, all stay.
        """
        taken = 0
        while True:
            with transaction(self._db):
                rolled = int(self._meta("rolled_n"))
                upto = min(rolled + _ROLL_AT_ONCE, self._n)
                buckets = added_up(self._frames(rolled, upto))
                merge(
                    self._db, (row for (span_s, t_s), one in sorted(buckets.items()) for row in one.rows(span_s, t_s))
                )
                self._db.execute("UPDATE meta SET value = ? WHERE key = 'rolled_n'", (str(upto),))
                if t_ms is not None:
                    over = [(span_s, t_ms // 1000 - keep_s) for span_s, keep_s in KEEP_S.items()]
                    self._db.executemany("DELETE FROM rollup WHERE span_s = ? AND t_s < ?", over)
            taken += upto - rolled - sum(rolled < n <= upto for n in self.damaged)
            if upto == self._n:
                return taken

    def _frames(self, after: int, upto: int) -> Iterator[Columns]:
        """The frames with these numbers; what is damaged is noted and left out."""
        chosen = "SELECT n, crc, blob FROM frame WHERE n > ? AND n <= ? ORDER BY n"
        for n, crc, blob in self._db.execute(chosen, (after, upto)):
            try:
                yield columns(blob, crc)
            except FrameError:
                self.damaged.add(n)

    def bring_in(self, hours_s: np.ndarray, values: Mapping[str, np.ndarray]) -> int:
        """Hourly rollups of a past that came from elsewhere: one good value per hour and published tag, NaN for none.

        `hours_s` (i64, UTC [s], whole hours) and each array have the same length. Hours that are there already stay.
        Returns the number of rollups. Nothing older than the file keeps is taken.
        """
        numbers = {name: int(number) for number, name in self._db.execute("SELECT number, name FROM tag")}
        oldest = int(hours_s[-1]) - KEEP_S[HOUR_S] if len(hours_s) else 0
        columns_ = [(numbers[name], column.tolist()) for name, column in values.items()]
        rows = (
            (HOUR_S, t_s, number, 1, 1, column[at], column[at], column[at], column[at], t_s * 1_000_000)
            for at, t_s in enumerate(hours_s.tolist())
            if t_s >= oldest
            for number, column in columns_
            if not math.isnan(column[at])
        )
        with transaction(self._db):
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            return int(self._db.total_changes - before)

    def set_assessments(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put these assessments (each with `asset` and `at_ms` or `at`) in place of the older ones of the assets."""
        with transaction(self._db):
            for row in rows:
                at_ms = row["at_ms"] if "at_ms" in row else parse_utc(row["at"]) // 1000
                self._db.execute(
                    "INSERT OR REPLACE INTO assessment VALUES (?, ?, ?)", (row["asset"], at_ms, _json(row))
                )

    def set_verdicts(self, rows: Iterable[Mapping[str, Any]], assets: Iterable[str] = ()) -> None:
        """Put these verdicts in the place of all verdicts of the assets they name, and of `assets`."""
        chosen = list(rows)
        with transaction(self._db):
            for asset in {*assets, *(row["asset"] for row in chosen)}:
                self._db.execute("DELETE FROM verdict WHERE asset = ?", (asset,))
            for row in chosen:
                values = (row["asset"], row.get("component"), _json(row))
                self._db.execute("INSERT INTO verdict VALUES (?, ?, ?)", values)

    def set_alarms(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the list of alarms (each with `id`), in the order given."""
        with transaction(self._db):
            self._db.execute("DELETE FROM alarm")
            self._db.executemany("INSERT INTO alarm VALUES (?, ?)", [(str(row["id"]), _json(row)) for row in rows])

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact of the daemon's own under `key`; readers find it in `HotReader.meta`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def purge(self, before_ms: int) -> int:
        """Remove frames committed before `before_ms` (UTC [ms]) and return how many.

        Only those that are rolled up and lie in verified Parquet: whatever the caller asks, nothing else leaves.
        """
        upto = min(int(self._meta("rolled_n")), folded_upto(self._path.parent / "history", self._meta("id")))
        removed = 0
        while True:
            gone = self._db.execute(
                "DELETE FROM frame WHERE n IN (SELECT n FROM frame WHERE n <= ? AND t_ms < ? ORDER BY n LIMIT ?)",
                (upto, before_ms, _PURGE_AT_ONCE),
            ).rowcount
            removed += gone
            if gone < _PURGE_AT_ONCE:
                return removed

    @property
    def free_bytes(self) -> int:
        """Room inside the file that the next frames take before it grows."""
        pages, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
        return int(pages * size)

    def close(self) -> None:
        """Write the latest samples and let go of the file; other users can read it afterwards."""
        if self._latest.newest_us is not None:
            self.write_latest(self._latest.newest_us // 1000)
        close_writer(self._db)

    def _renumbered(self, tick: Columns) -> Columns:
        if self._number is None:
            return tick
        if tick.tag.min() < 0 or tick.tag.max() >= len(self._number):
            raise ValueError("a batch has a tag that was not published")
        tag = self._number[tick.tag]
        if tag.min() < 0:
            raise ValueError("a batch has a tag that was not published")
        return replace(tick, tag=tag)

    def _meta(self, key: str) -> str:
        return str(self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


__all__ = ["HOUR_S", "KEEP_S", "MINUTE_S", "HotFile"]
