"""The hot file's writer: one row per commit with all samples of that tick, the latest of each tag, and rollups.

Used by the daemon's writer thread alone. One row per sample keyed by tag would write 7 kB to the disk per sample; a
frame writes about 31 bytes. Rollups of a minute and an hour let the screen draw days without opening history. Nothing
leaves the file before its Parquet file was verified (_folded.json says up to where).
"""

import json
import logging
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from drivers.batch import Batch
from monitor.historian.arrays import Columns, columns, joined, pack
from monitor.historian.checks import is_whole, row_check
from monitor.historian.frame import FrameError, proven
from monitor.historian.latest import latest_of
from monitor.historian.reader import COPY, FOLDED, FORMAT, HotReader, SetAside, facts_of, folded, folded_upto
from monitor.historian.rollup import HOUR_S, KEEP_S, MINUTE_S, Bucket, added_up, merge
from monitor.sqlite_file import FileDamaged, close_writer, damaged, open_writer, shorten_wal, transaction
from monitor.state import atomic_write, is_strangers, sync_folder

if TYPE_CHECKING:
    from monitor.plant import Settings

LOG = logging.getLogger("handwheel.historian")
_PURGE_AT_ONCE = 500  # frames per transaction, so that a purge never holds up a tick for long
_ROLL_AT_ONCE = 120  # frames per transaction: a few minutes' buckets at a time, whatever a long stop left to do
_RUN_MS = 60_000
_KEPT_TWICE = ("format", "id", "rolled_n")  # without them the file could not be used

# rollup is keyed by time before tag: a minute's rows then lie together and cost one page, not one page per tag. Frames
# are found by time through the first of each minute: an index over all of them would cost a page with each commit.
_TAG = (
    "number INTEGER PRIMARY KEY, name TEXT, site TEXT, asset TEXT, quantity TEXT, unit TEXT, low REAL, high REAL,"
    " estimated INTEGER, description TEXT, current INTEGER, crc INTEGER"
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS frame(n INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
    blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS minute(n INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS latest(one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER, t_ms INTEGER, crc INTEGER,
    blob BLOB);
CREATE TABLE IF NOT EXISTS rollup(span_s INTEGER, t_s INTEGER, tag INTEGER, cell BLOB, PRIMARY KEY (span_s, t_s, tag))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag({_TAG});
CREATE TABLE IF NOT EXISTS tag_copy({_TAG});
CREATE TABLE IF NOT EXISTS asset(id TEXT PRIMARY KEY, body TEXT, crc INTEGER);
CREATE TABLE IF NOT EXISTS assessment(asset TEXT PRIMARY KEY, body TEXT, crc INTEGER);
CREATE TABLE IF NOT EXISTS verdict(asset TEXT, body TEXT, crc INTEGER);
CREATE TABLE IF NOT EXISTS alarm(id TEXT PRIMARY KEY, body TEXT, crc INTEGER);
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT, crc INTEGER);
CREATE TABLE IF NOT EXISTS set_aside(n INTEGER PRIMARY KEY, t_ms INTEGER, file TEXT, why TEXT);
"""


class OtherFormat(FileDamaged):
    """A hot file that another version wrote."""


class HotFile:
    """The one writer of hot.sqlite, in the process that holds daemon.lock."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; takes up the latest sample of each tag where the last life left it.

        Raises FileDamaged where it cannot be read, or was written in another format.
        """
        self._path = path
        self._reader = HotReader(path)
        if path.exists() and (found := self._reader.format()) not in (None, FORMAT):
            raise OtherFormat(f"{path}: is of format {found}, this version writes {FORMAT}; move it away")
        self._db = open_writer(path, _SCHEMA)
        self._db.execute("PRAGMA secure_delete=OFF")  # or each frame that leaves is written once more, as zeroes
        try:
            self._take_up()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
            self._db.close()
            raise damaged(path, fault) from fault

    def _take_up(self) -> None:
        with transaction(self._db):
            if not self._db.execute("SELECT 1 FROM meta").fetchone():
                for key, value in (("format", str(FORMAT)), ("id", secrets.token_hex(4)), ("rolled_n", "0")):
                    self.set_meta(key, value)
        _keep_names(self._path.parent / "history")
        # a number is used once: not again after its frame left, nor where an older copy of this file was put back
        self._n = max(
            self._number("SELECT max(n) FROM frame"), self._number("SELECT n FROM latest"),
            self._number("SELECT max(n) FROM set_aside"), self._rolled(),
            folded_upto(self._path.parent / "history", self._meta("id")),
        )  # fmt: skip
        self._run_ms: int | None = None  # the minute of the last frame
        self._file_number: np.ndarray | None = None  # settings' tag number -> the file's
        self._latest = latest_of(self._reader)
        self._news: list[SetAside] = []
        self.damaged = {n for n in self._reader.damaged if n}  # frames that were found damaged and not yet set aside

    def publish_tags(self, settings: "Settings") -> None:
        """Write the tables of tags and assets for who reads the file without the configuration.

        A tag keeps its number in this file for ever, whatever the configuration does to its table, so frames and
        rollups of last week still mean what they meant. A tag whose asset, quantity or unit changed is another tag.
        """
        sites = {asset.id: asset.site for asset in settings.assets}
        rows = {number: (*astuple(row)[1:10], 0) for number, row in self._reader.tags(retired=True).items()}
        known = {row[:5]: number for number, row in rows.items()}
        numbers = np.full(1 + max((tag.number for tag in settings.tags), default=-1), -1, np.int32)
        taken = {number for (number,) in self._db.execute("SELECT number FROM tag UNION SELECT number FROM tag_copy")}
        free = 1 + max([*taken, len(numbers) - 1])
        for tag in settings.tags:
            identity = (tag.name, sites[tag.asset], tag.asset, tag.quantity, tag.unit)
            number = known.get(identity)
            if number is None:
                number = tag.number if tag.number not in taken else free
                free += number == free
                taken.add(number)
            numbers[tag.number] = number
            limits = (None if edge is None else float(edge) + 0.0 for edge in (tag.low, tag.high))
            rows[number] = (*identity, *limits, int(tag.estimated), tag.description, 1)
        facts = {
            "utility": settings.utility, "time_zone": settings.time_zone, "currency": settings.currency,
            "simulated": str(int(settings.simulated)), "config_sha256": settings.sha256,
            "sites": _json([asdict(site) for site in settings.sites]),
            "labels": _json({int(numbers[t.number]): (t.labels, t.bits) for t in settings.tags if t.labels}),
        }  # fmt: skip
        checked = [_checked(number, *row) for number, row in sorted(rows.items())]
        with transaction(self._db):
            for table in ("tag", "tag_copy"):  # whatever bit is flipped in the one, the other says what a number means
                self._db.execute(f"DELETE FROM {table}")
                self._db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * 12)})", checked)
            self._db.execute("DELETE FROM asset")
            for asset in settings.assets:
                self._db.execute("INSERT INTO asset VALUES (?, ?, ?)", _checked(asset.id, _json(asdict(asset))))
            for key, value in facts.items():
                self.set_meta(key, value)
        self._file_number = numbers
        self._latest.keep(numbers)

    def append(self, batches: Sequence[Batch], t_ms: int) -> int:
        """Commit one tick: all batches as one frame at `t_ms` (UTC [ms]); on the disk when this returns its number."""
        batches = [batch for batch in batches if len(batch)]
        if not batches:
            return self._n
        tick, n, run_ms = self._renumbered(joined(batches)), self._n + 1, t_ms // _RUN_MS * _RUN_MS
        blob, crc = pack(tick, n, t_ms)
        frame = ("INSERT INTO frame VALUES (?, ?, ?, ?)", (n, t_ms, crc, blob))
        if run_ms == self._run_ms:
            self._db.execute(*frame)
        else:
            with transaction(self._db):
                self._db.execute("INSERT INTO minute VALUES (?, ?)", (n, run_ms))
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?, ?)", _checked("since_ms", str(t_ms)))
                self._db.execute(*frame)
            self._run_ms = run_ms
        self._n = n
        self._latest.take(tick, t_ms * 1000 + 999)
        return n

    def write_latest(self, t_ms: int) -> None:
        """Write the latest sample of each tag (each 5 s and at stop): readers start here and add newer frames."""
        blob, crc = pack(self._latest.columns(), self._n, t_ms)
        self._db.execute("INSERT OR REPLACE INTO latest VALUES (1, ?, ?, ?, ?)", (self._n, t_ms, crc, blob))

    def roll(self, t_ms: int | None) -> int:
        """Take all frames since the last call into the rollups; returns how many. Each minute.

        Those whose time is over at `t_ms` (UTC [ms]) leave; with None, where the clock is in doubt, all stay.
        """
        taken = 0
        while True:
            with transaction(self._db):
                rolled = self._rolled()
                upto = min(rolled + _ROLL_AT_ONCE, self._n)
                for (span_s, t_s), bucket in sorted(added_up(self._frames(rolled, upto)).items()):
                    merge(self._db, span_s, t_s, bucket)
                self.set_meta("rolled_n", str(upto))
                if t_ms is not None:
                    over = [(span_s, t_ms // 1000 - keep_s) for span_s, keep_s in KEEP_S.items()]
                    self._db.executemany("DELETE FROM rollup WHERE span_s = ? AND t_s < ?", over)
            taken += upto - rolled - sum(rolled < n <= upto for n in self.damaged)
            if upto == self._n:
                self._set_aside()
                return taken

    def _frames(self, after: int, upto: int) -> Iterator[Columns]:
        """The frames with these numbers; what is damaged is noted and left out."""
        chosen = "SELECT n, t_ms, crc, blob FROM frame WHERE n > ? AND n <= ? ORDER BY n"
        for n, t_ms, crc, blob in self._db.execute(chosen, (after, upto)):
            try:
                proven(blob, crc, n, t_ms)
                yield columns(blob)
            except FrameError:
                self.damaged.add(n)

    def bring_in(self, hours_s: np.ndarray, values: Mapping[str, np.ndarray]) -> int:
        """Hourly rollups of a past that came from elsewhere: one good value per hour and published tag, NaN for none.

        `hours_s` (i64, UTC [s], whole hours) and each array have the same length. Hours that are there already stay.
        Returns the number of rollups. Nothing older than the file keeps is taken.
        """
        numbers = {row.name: number for number, row in self._reader.tags(retired=True).items()}
        oldest = int(hours_s[-1]) - KEEP_S[HOUR_S] if len(hours_s) else 0
        tags = np.array([numbers[name] for name in values], np.int64)
        order = np.argsort(tags)
        tags, stacked = tags[order], np.stack([np.asarray(one, float) for one in values.values()])[order]

        def rows() -> Iterator[tuple[int, int, int, bytes]]:
            for at, t_s in enumerate(hours_s.tolist()):
                there = np.flatnonzero(~np.isnan(stacked[:, at]))
                if t_s < oldest or not len(there):
                    continue
                mine, hour = tags[there], Bucket(int(tags[-1]) + 1)
                hour.add(mine, np.full(len(mine), t_s * 1_000_000), stacked[there, at], np.ones(len(mine), bool))
                for tag, cell in zip(mine.tolist(), hour.cells(HOUR_S, t_s, mine), strict=True):
                    yield HOUR_S, t_s, tag, cell.tobytes()

        with transaction(self._db):
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO rollup VALUES (?, ?, ?, ?)", rows())
            return int(self._db.total_changes - before)

    def set_assessments(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put these assessments (each with `asset`) in place of the older ones of the assets."""
        with transaction(self._db):
            for row in rows:
                self._db.execute(
                    "INSERT OR REPLACE INTO assessment VALUES (?, ?, ?)", _checked(row["asset"], _json(row))
                )

    def set_verdicts(self, rows: Iterable[Mapping[str, Any]], assets: Iterable[str] = ()) -> None:
        """Put these verdicts in the place of all verdicts of the assets they name, and of `assets`."""
        chosen = list(rows)
        with transaction(self._db):
            for asset in {*assets, *(row["asset"] for row in chosen)}:
                self._db.execute("DELETE FROM verdict WHERE asset = ?", (asset,))
            for row in chosen:
                self._db.execute("INSERT INTO verdict VALUES (?, ?, ?)", _checked(row["asset"], _json(row)))

    def set_alarms(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the list of alarms (each with `id`), in the order given."""
        with transaction(self._db):
            self._db.execute("DELETE FROM alarm")
            told = [_checked(str(row["id"]), _json(row)) for row in rows]
            self._db.executemany("INSERT INTO alarm VALUES (?, ?, ?)", told)

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact of the daemon's own under `key`; readers find it in `HotReader.meta`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", _checked(key, value))
        if key in _KEPT_TWICE:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", _checked(key + COPY, value))

    def purge(self, before_ms: int) -> int:
        """Remove frames committed before `before_ms` (UTC [ms]) and return how many.

        Only those that are rolled up and lie in verified Parquet: whatever the caller asks, nothing else leaves. What
        is damaged was left out of history: it is set aside instead.
        """
        told = folded_upto(self._path.parent / "history", self._meta("id"))
        upto = min(self._rolled(), told if told <= self._n else 0)  # no fold has seen a frame that is still to come
        chosen = "SELECT n, t_ms, crc, blob FROM frame WHERE n <= ? AND t_ms < ? ORDER BY n LIMIT ?"
        if self._latest.newest_us is not None:  # it may stand in frames only that are about to leave
            self.write_latest(self._latest.newest_us // 1000)
        removed = 0
        while rows := self._db.execute(chosen, (upto, before_ms, _PURGE_AT_ONCE)).fetchall():
            for n, t_ms, crc, blob in rows:
                try:
                    proven(blob, crc, n, t_ms)
                except FrameError:
                    self.damaged.add(n)
            self._set_aside()
            with transaction(self._db):
                removed += self._db.execute(
                    f"DELETE FROM frame WHERE n IN ({', '.join('?' * len(rows))})", [row[0] for row in rows]
                ).rowcount
                self._db.execute(
                    "DELETE FROM minute WHERE n < (SELECT max(n) FROM minute WHERE n <= ?)", (rows[-1][0] + 1,)
                )
        return removed

    def shorten_wal(self) -> int:
        """See sqlite_file.shorten_wal."""
        return shorten_wal(self._db, self._path)

    def set_aside(self) -> list[SetAside]:
        """The damaged frames that were taken out of the file since this was asked last."""
        news, self._news = self._news, []
        return news

    def _set_aside(self) -> None:
        """What was found damaged leaves the file, each frame into a file of STATE/quarantine."""
        for n in sorted(self.damaged):
            row = self._db.execute("SELECT t_ms, CAST(blob AS BLOB) FROM frame WHERE n = ?", (n,)).fetchone()
            if row is not None:
                folder = self._path.parent / "quarantine"
                folder.mkdir(mode=0o2770, parents=True, exist_ok=True)
                sync_folder(folder.parent)
                file = folder / f"hot-frame-{self._meta('id')}-{n}.bin"
                atomic_write(file, row[1])
                one = SetAside(n, row[0], str(file), "its checksum does not agree")
                with transaction(self._db):
                    self._db.execute("INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?)", astuple(one))
                    self._db.execute("DELETE FROM frame WHERE n = ?", (n,))
                self._news.append(one)
            self.damaged.discard(n)

    @property
    def free_bytes(self) -> int:
        """Room inside the file that the next frames take before it grows."""
        pages, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
        return int(pages * size)

    @property
    def connection(self) -> sqlite3.Connection:
        """For who must save what the open file holds: it may have lost its name."""
        return self._db

    def let_go(self) -> None:
        """Close the file as it is: it cannot be used."""
        self._db.close()

    def close(self, *, slow_disk: bool = False) -> None:
        """Write the latest samples and let go of the file; other users can read it afterwards."""
        if self._latest.newest_us is not None:
            self.write_latest(self._latest.newest_us // 1000)
        close_writer(self._db, slow_disk=slow_disk)

    def _renumbered(self, tick: Columns) -> Columns:
        if self._file_number is None:
            return tick
        if tick.tag.min() < 0 or tick.tag.max() >= len(self._file_number):
            raise ValueError("a batch has a tag that was not published")
        tag = self._file_number[tick.tag]
        if tag.min() < 0:
            raise ValueError("a batch has a tag that was not published")
        return replace(tick, tag=tag)

    def _meta(self, key: str) -> str:
        rows = self._db.execute("SELECT key, value, crc FROM meta WHERE key IN (?, ?)", (key, key + COPY))
        try:
            return facts_of(row for row in rows if is_whole(row))[key]
        except KeyError:
            raise sqlite3.DatabaseError(f"its {key} was lost") from None

    def _rolled(self) -> int:
        return int(self._meta("rolled_n"))

    def _number(self, query: str) -> int:
        row = self._db.execute(query).fetchone()
        return int(row[0] or 0) if row else 0


def note_folded(history: Path, hot_id: str, n: int) -> None:
    """From now on the frames of this hot file up to `n` count as folded, and may leave it."""
    upto = folded(history) | {hot_id: n}
    for name in FOLDED:
        atomic_write(history / name, _note(upto))


def _keep_names(history: Path) -> None:
    """Both notes stand there before anything is folded: others of the group may take free names, no taken ones."""
    if not history.is_dir():
        return
    for name in FOLDED:
        try:
            if not is_strangers(history / name):
                continue
            LOG.error("%s: was put there by another user; it is not believed and written anew", history / name)
        except FileNotFoundError:
            pass
        atomic_write(history / name, _note(folded(history)))


def _note(upto: Mapping[str, int]) -> str:
    return json.dumps({"folded": upto, "crc": crc32(json.dumps(upto).encode())})


def _checked(*values: Any) -> tuple[Any, ...]:
    """A row of a small table with its check."""
    return (*values, row_check(values))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=date.isoformat)  # a reference is of days


__all__ = ["HOUR_S", "KEEP_S", "MINUTE_S", "HotFile"]
