"""A utility's samples of a day, made up: the mix on which sizes and speeds of history are measured.

1,000 tags at 1 Hz: 46 % noisy analogue of 12 bit, 19 % slow, 20 % states, 7.5 % counters, 7.5 % setpoints; a sensor in
a hundred is in fault for a while. Twenty sources of fifty tags each; as Modbus (no time of the device) or as OPC UA
(source time and receive time differ).
"""

import argparse
import multiprocessing
import os
import resource
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from drivers.batch import quality_array
from drivers.record import Reason
from monitor.historian.arrays import Columns, pack
from monitor.historian.checks import row_check
from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader, TagRow, folded_upto
from monitor.state import State

DAY_MS = 86_400_000
KINDS = ("noisy", "slow", "state", "counter", "setpoint")
SHARES = (0.46, 0.19, 0.20, 0.075, 0.075)
PER_SOURCE = 50


@dataclass(frozen=True, slots=True)
class Mix:
    """So many tags at 1 Hz; `opcua`: the device gives times of its own."""

    tags: int = 1_000
    opcua: bool = False

    def kind(self, tag: int) -> str:
        """Which of KINDS a tag is; the kinds lie mixed as in a plant."""
        place = (tag * 0.618033988749895) % 1.0
        return KINDS[int(np.searchsorted(np.cumsum(SHARES)[:-1], place, "right"))]

    def rows(self) -> dict[int, TagRow]:
        """The tags as the hot file describes them, all at site G, five for each asset."""
        return {
            n: TagRow(n, f"pump{n // 5:03d}.{self.kind(n)}{n % 5}", "G", f"pump{n // 5:03d}", "flow", "m3/h", 0.0,
                      1000.0, 0, f"{self.kind(n)} of the made-up mix")
            for n in range(self.tags)
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of consecutive seconds. Arrays of shape (n_tags, n_seconds), one of (n_sources, n_seconds)."""

    tick_ms: np.ndarray  # i64, shape (n_seconds,)
    receive_us: np.ndarray  # i64, shape (n_sources, n_seconds)
    source_us: np.ndarray  # i64, -1 where the device gives none
    value: np.ndarray  # f64
    reasons: np.ndarray  # u32


def span(mix: Mix, start_ms: int, seconds: int, seed: int = 0) -> Span:
    """The samples of so many seconds from `start_ms` (UTC [ms]); the same seed gives the same."""
    rng = np.random.default_rng((seed, start_ms // 1000))
    tick = start_ms + 1000 * np.arange(seconds, dtype=np.int64)
    sources = -(-mix.tags // PER_SOURCE)
    receive = tick * 1000 + rng.normal(30_000, 3_000, (sources, seconds)).astype(np.int64)
    value = np.empty((mix.tags, seconds))
    for tag in range(mix.tags):
        value[tag] = _values(mix.kind(tag), tag, tick // 1000, rng)
    source = np.full((mix.tags, seconds), -1, np.int64)
    if mix.opcua:
        source[:] = tick * 1000 + rng.normal(8_000, 2_000, source.shape).astype(np.int64)
    reasons = np.zeros((mix.tags, seconds), np.uint32)
    for tag in range(7, mix.tags, 100):
        reasons[tag, seconds // 3 : seconds // 2] = int(Reason.SENSOR)
    return Span(tick, receive, source, value, reasons)


def _values(kind: str, tag: int, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    phase = 2 * np.pi * (second / 86_400 + tag / 17)
    if kind == "noisy":  # counts of a converter of 12 bit, in engineering units
        return np.rint(np.clip(2048 + 900 * np.sin(3 * phase) + rng.normal(0, 16, len(second)), 0, 4095)) * (10 / 4095)
    if kind == "slow":
        return np.rint(2000 + 400 * np.sin(phase) + np.cumsum(rng.normal(0, 0.02, len(second)))) * (100 / 4095)
    if kind == "state":
        return (np.sin(24 * phase) > np.cos(tag)).astype(float)
    if kind == "counter":
        return np.floor(1e6 + tag * 1000 + second % 10_000_000 * (0.1 + tag % 7 / 10))
    return np.full(len(second), float(tag % 90)) + (np.sin(2 * phase) > 0) * 5.0


def fill(state: State, mix: Mix, start_ms: int, seconds: int) -> Span:
    """Put one frame a second into the hot file at once (not as the daemon does, which syncs each); returns them."""
    HotFile(state.hot).close()
    made = span(mix, start_ms, seconds)
    source = np.arange(mix.tags) // PER_SOURCE
    quality = quality_array(made.reasons.T.ravel()).reshape(seconds, mix.tags)
    with sqlite3.connect(state.hot) as db:
        db.execute("PRAGMA synchronous=OFF")
        _describe(db, mix)
        last = folded_upto(state.history, db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()[0])
        first = 1 + max(last, db.execute("SELECT coalesce(max(n), 0) FROM frame").fetchone()[0])
        for n, tick in enumerate(made.tick_ms.tolist()):
            frame = Columns(
                np.arange(mix.tags), made.receive_us[source, n], made.source_us[:, n], made.value[:, n],
                made.reasons[:, n], quality[n], {}, {},
            )  # fmt: skip
            blob, crc = pack(frame, first + n, tick + 60)
            db.execute("INSERT INTO frame VALUES (?, ?, ?, ?)", (first + n, tick + 60, crc, blob))
            db.execute("INSERT INTO minute VALUES (?, ?)", (first + n, (tick + 60) // 60_000 * 60_000))
    db.close()
    return made


def describe(path: Path, mix: Mix) -> None:
    """Write the table of tags into a hot file."""
    with sqlite3.connect(path) as db:
        _describe(db, mix)
    db.close()


def _describe(db: sqlite3.Connection, mix: Mix) -> None:
    rows = [
        (one.number, one.name, one.site, one.asset, one.quantity, one.unit, one.low, one.high, 0, one.description, 1)
        for one in mix.rows().values()
    ]
    checked = [(*row, row_check(row)) for row in rows]
    db.executemany("INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", checked)


def hours_before(path: Path, end_s: int, hours: int) -> None:
    """So many hourly rollups of each tag up to `end_s` (UTC [s]), as if the file had taken in samples since then."""
    began_s = end_s // 3_600 * 3_600 - 3_600 * hours
    hot = HotFile(path)
    hot.set_meta("since_ms", str(1000 * began_s))
    values = {row.name: np.full(hours, float(number)) for number, row in HotReader(path).tags().items()}
    hot.bring_in(began_s + 3_600 * np.arange(hours), values)
    hot.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fold took of its process."""

    rows: int
    cpu_s: float
    wall_s: float
    rss_mb: float  # the most so far


class Folder:
    """A process that folds when asked, as the worker does: with nice 10 and one thread. Use as a context."""

    def __init__(self, state: State) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_folds, args=(state, theirs))

    def __enter__(self) -> "Folder":
        self._process.start()
        return self

    def __exit__(self, *_fault: object) -> None:
        self._ours.send(None)
        self._process.join()

    def fold(self, upto_ms: int) -> Cost:
        """Fold what was committed before `upto_ms` (UTC [ms])."""
        self._ours.send(upto_ms)
        return self._ours.recv()


def _folds(state: State, asked: Connection) -> None:
    os.nice(10)
    while (upto_ms := asked.recv()) is not None:
        cpu, wall = time.process_time(), time.monotonic()
        found = fold(state, upto_ms=upto_ms)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        asked.send(Cost(found.rows, time.process_time() - cpu, time.monotonic() - wall, most))


def folded_day(state: State, mix: Mix, day_ms: int) -> list[Cost]:
    """A day of the mix made, folded hour by hour, then made one file; what each of the 25 folds took."""
    costs = []
    with Folder(state) as folder:
        for hour in range(24):
            start = day_ms + hour * 3_600_000
            fill(state, mix, start, 3_600)
            costs.append(folder.fold(start + 3_599_999))
            with sqlite3.connect(state.hot) as db:
                db.execute("DELETE FROM frame")
            db.close()
        costs.append(folder.fold(day_ms + DAY_MS + 1))
    return costs


def main() -> int:
    """`python -m benchmarks.rigs.history [--opcua] [--tags N]`: a day's folds, their cost and the size at rest."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--opcua", action="store_true")
    parser.add_argument("--tags", type=int, default=1_000)
    args = parser.parse_args()
    mix = Mix(args.tags, args.opcua)
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder) / "state").make()
        costs = folded_day(state, mix, 1_795_392_000_000)
        size = sum(path.stat().st_size for path in state.history.rglob("*.parquet"))
    rows = sum(cost.rows for cost in costs)
    cpu_s, wall_s, most = sum(c.cpu_s for c in costs), sum(c.wall_s for c in costs), max(c.rss_mb for c in costs)
    print(f"{rows} samples: {size / rows:.3f} B each at rest")
    print(f"CPU {cpu_s:.1f} s, of that the day's merge {costs[-1].cpu_s:.1f} s; wall {wall_s:.1f} s")
    print(f"RSS {most:.0f} MB at most, after one hour {costs[0].rss_mb:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
