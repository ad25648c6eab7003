"""The memory against its bars, and beside it what else samples could be kept in: rows in SQLite, DuckDB, PostgreSQL,
InfluxDB.

Each engine does the same work in one run: ticks of 1,000 samples, each on the disk before the next begins; then one set
of 30 days in the fastest way it has, and three questions. Which engines are here is said; DuckDB comes from the folder
that HANDWHEEL_BENCH_WITH names, the servers are started in temporary folders and end with the run. Times of questions
are medians, with everything in the page cache. Ours reads hourly means that were added up beforehand; that row says so.
"""

import multiprocessing
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, run
from benchmarks.rigs.devices import Devices
from benchmarks.rigs.engines import ENGINES, Engine, Skip, folder_size, written
from benchmarks.rigs.history import DAY_MS, PER_SOURCE, Folder, Mix, Span, describe, fill, hours_before, span
from benchmarks.rigs.running import Running, configure, lateness_ms, lay_down_ledger, lay_down_year, publish
from drivers.batch import Batch, quality_array
from monitor.historian.buckets import rollup
from monitor.historian.history import read, write_grid
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.ledger import verify
from monitor.state import State

# laid down before any measured run
SEED = 4
START_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
TAGS = 1_000
COMMON_TAGS, COMMON_DAYS, COMMON_EVERY_S, COMMON_END_S = 50, 30, 60, 600
ASKED = 5  # times that a question is asked
WRITTEN_BAR, INGEST_BAR = 60.0, 1e6  # B per sample; samples/s
MODBUS_BAR, OPCUA_BAR = 2.5, 4.5  # B per sample at rest
DAY_BAR, HOURLY_BAR, LATEST_BAR = 50.0, 100.0, 5.0  # ms
FOLD_BAR, LATE_BAR = 180.0, 50.0  # s for a day; ms
START_BAR = 2.0  # s
WAL_BAR = 64.0  # MB beside readers that read all there is, again and again


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    ticks: int  # of 1,000 samples
    fold_hours: int  # of the day of Modbus samples
    opcua_hours: int
    year_days: int
    entries: int  # of the ledger
    reader_ticks: int


FULL = Size(600, 24, 3, 365, 20_000, 3_000)
QUICK = Size(60, 2, 1, 30, 2_000, 600)


def ticks(count: int) -> Iterator[tuple[int, list[Batch]]]:
    """(time [ms], twenty batches of fifty samples) of consecutive seconds."""
    mix = Mix(TAGS)
    for start in range(0, count, 60):
        made = span(mix, START_MS + 1000 * start, min(60, count - start), SEED)
        for n, t_ms in enumerate(made.tick_ms.tolist()):
            yield t_ms, [_of_source(made, source, n) for source in range(TAGS // PER_SOURCE)]


def _of_source(made: Span, source: int, n: int) -> Batch:
    first = source * PER_SOURCE
    own = slice(first, first + PER_SOURCE)
    reasons = made.reasons[own, n]
    return Batch(f"s{source}", int(made.receive_us[source, n]), np.arange(first, own.stop, dtype=np.int32),
                 made.source_us[own, n], made.value[own, n], quality_array(reasons), reasons)  # fmt: skip


def ingest_ours(folder: Path, size: Size) -> list[Figure]:
    """As the daemon does it: a frame a tick, the latest values each fifth, rollups each sixtieth."""
    made = list(ticks(size.ticks))
    hot = HotFile(folder / "hot.sqlite")
    before, taken, rolled_s, cpu_s = written([os.getpid()]), [], 0.0, 0.0
    for n, (t_ms, batches) in enumerate(made, 1):
        start_s, busy_s = time.perf_counter(), time.process_time()
        hot.append(batches, t_ms)
        if n % 5 == 0:
            hot.write_latest(t_ms)
        taken.append(time.perf_counter() - start_s)
        cpu_s += time.process_time() - busy_s
        if n % 60 == 0:
            start_s = time.perf_counter()
            hot.roll(t_ms)
            rolled_s += time.perf_counter() - start_s
    hot.close()
    samples = TAGS * len(made)
    gave = (written([os.getpid()]) - before) / samples
    return [
        Figure("ours: written per sample, frames, latest, rollups", gave, "B", WRITTEN_BAR),
        Figure("ours: ingest, each tick synced", samples / sum(taken), "samples/s", INGEST_BAR, "at least"),
        Figure("ours: commit of a tick, processor, mean", 1000 * cpu_s / len(made), "ms"),
        Figure("ours: commit of a tick, median", 1000 * statistics.median(taken), "ms"),
        Figure("ours: commit of a tick, p99", 1000 * float(np.percentile(taken, 99)), "ms"),
        Figure("ours: a minute's rollups, with their rests", 1000 * rolled_s / max(len(made) // 60, 1), "ms"),
    ]


def ingest_theirs(engine: Engine, size: Size) -> tuple[float, float]:
    """(samples/s, bytes written per sample) of the same ticks; the load of the tables' beginning is not counted."""
    flat = [
        tuple(np.concatenate([getattr(one, name) for one in batches]) for name in ("tag", "value", "quality"))
        for _t, batches in ticks(size.ticks)
    ]
    pids = engine.pids()
    before, start_s = written(pids), time.perf_counter()
    for n, (tag, value, quality) in enumerate(flat):
        engine.tick(tag, np.full(len(tag), START_MS + 1000 * n), value, quality)
    taken_s = time.perf_counter() - start_s
    samples = TAGS * len(flat)
    return samples / taken_s, (written(engine.pids()) - before) / samples


@dataclass(frozen=True, slots=True)
class Common:
    """The set that every engine holds: 50 tags each minute for 30 days, then all tags each second for a while."""

    tag: np.ndarray
    t_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray
    end_ms: int

    @property
    def start_ms(self) -> int:
        return self.end_ms - COMMON_DAYS * DAY_MS


def common() -> Common:
    """Converter counts of twelve bit in engineering units, as most of a plant's tags are."""
    random = np.random.default_rng(SEED)
    end_ms = START_MS + COMMON_DAYS * DAY_MS
    long_ms = end_ms - 1000 * COMMON_EVERY_S * np.arange(COMMON_DAYS * 86_400 // COMMON_EVERY_S, 0, -1)
    long_ms = long_ms[long_ms < end_ms - 1000 * COMMON_END_S]
    late_ms = end_ms - 1000 * np.arange(COMMON_END_S, 0, -1)
    tag = np.concatenate([np.repeat(np.arange(COMMON_TAGS), len(long_ms)), np.repeat(np.arange(TAGS), len(late_ms))])
    t_ms = np.concatenate([np.tile(long_ms, COMMON_TAGS), np.tile(late_ms, TAGS)])
    phase = 2 * np.pi * (t_ms / DAY_MS + tag / 17)
    value = np.rint(2048 + 900 * np.sin(phase) + random.normal(0, 16, len(tag))) * (10 / 4095)
    return Common(tag, t_ms, value, np.zeros(len(tag), np.uint8), end_ms)


def median_ms(ask: Callable[[], int], expected: int | None = None) -> float:
    """The median time of a question; NaN where the answer is not as long as it must be."""
    taken = []
    for _ in range(ASKED):
        start_s = time.perf_counter()
        found = ask()
        taken.append(time.perf_counter() - start_s)
        if expected is not None and found != expected:
            print(f"an answer of {found} rows, not {expected}", file=sys.stderr)
            return float("nan")
    return 1000 * statistics.median(taken)


@dataclass(frozen=True, slots=True)
class Side:
    """One engine on the common set."""

    name: str
    ingest: float  # samples/s
    gave: float  # B written per sample
    load: float  # samples/s
    rest: float  # B per sample
    latest_ms: float
    day_ms: float
    hourly_ms: float

    def figures(self, ours: "Side | None") -> list[Figure]:
        told = [
            Figure(f"{self.name}: ingest, each tick synced", self.ingest, "samples/s"),
            Figure(f"{self.name}: written per sample", self.gave, "B"),
            Figure(f"{self.name}: loading 30 days", self.load, "samples/s"),
            Figure(f"{self.name}: at rest", self.rest, "B per sample"),
            Figure(f"{self.name}: latest of {TAGS} tags", self.latest_ms, "ms"),
            Figure(f"{self.name}: 24 h of one tag", self.day_ms, "ms"),
            Figure(f"{self.name}: 30 days hourly x {COMMON_TAGS}", self.hourly_ms, "ms"),
        ]
        if ours is None:
            return told
        against = [
            ("ingest", ours.ingest / self.ingest), ("less written", self.gave / ours.gave),
            ("smaller at rest", self.rest / ours.rest), ("latest", self.latest_ms / ours.latest_ms),
            ("24 h of one tag", self.day_ms / ours.day_ms), ("30 days hourly", self.hourly_ms / ours.hourly_ms),
        ]  # fmt: skip
        return told + [Figure(f"ours to {self.name}: {what}", ratio, "times") for what, ratio in against]


def ours_on(data: Common, folder: Path, size: Size) -> Side:
    """Ours on the common set: whole days in Parquet, the last day hot, hourly means as an import adds them up."""
    state = State(folder / "ours").make()
    ingest = {one.name: one.value or 0.0 for one in ingest_ours(folder / "ours", size)}
    (folder / "ours" / "hot.sqlite").unlink()
    rows = Mix(TAGS).rows()
    facts = {one.name: {"asset": one.asset, "quantity": one.quantity, "unit": one.unit} for one in rows.values()}
    split = data.end_ms - 1000 * COMMON_END_S
    start_s = time.perf_counter()
    old = data.t_ms < split
    times = data.t_ms[old & (data.tag == 0)]
    values = {rows[tag].name: data.value[old & (data.tag == tag)] for tag in range(COMMON_TAGS)}
    write_grid(state, "G", times, values, facts)
    load = int(old.sum()) / (time.perf_counter() - start_s)
    rest = folder_size(state.history) / int(old.sum())
    hot = HotFile(state.hot)
    describe(state.hot, Mix(TAGS))
    hot.set_meta("since_ms", str(data.start_ms))  # as if it had taken in all of it
    now = data.value[~old].reshape(TAGS, COMMON_END_S)
    for n, t_ms in enumerate(range(split, data.end_ms, 1000)):
        hot.append([_batch(t_ms, now[:, n])], t_ms)
    hours = np.arange(data.start_ms, data.end_ms, 3_600_000)
    means = {
        name: np.bincount((times - data.start_ms) // 3_600_000, one, len(hours)) / (3600 / COMMON_EVERY_S)
        for name, one in values.items()
    }
    hot.bring_in(hours // 1000, means)
    hot.roll(data.end_ms)
    hot.close()
    some, tag, end_us = [rows[n].name for n in range(COMMON_TAGS)], rows[3].name, data.end_ms * 1000
    expected = int(((data.tag == 3) & (data.t_ms >= data.end_ms - DAY_MS)).sum())
    return Side(
        "ours", ingest["ours: ingest, each tick synced"],
        ingest["ours: written per sample, frames, latest, rollups"], load, rest,
        median_ms(lambda: len(HotReader(state.hot).latest()), TAGS),
        median_ms(lambda: len(read(state, [tag], end_us - DAY_MS * 1000, end_us)), expected),
        median_ms(lambda: len(rollup(state, some, 3_600, data.start_ms // 1000, data.end_ms // 1000)),
                  COMMON_TAGS * len(hours)),
    )  # fmt: skip


def _batch(t_ms: int, value: np.ndarray) -> Batch:
    count = len(value)
    return Batch("s", t_ms * 1000, np.arange(count, dtype=np.int32), np.full(count, -1), value,
                 np.zeros(count, np.uint8), np.zeros(count, np.uint32))  # fmt: skip


def side_of(engine: Engine, data: Common, size: Size) -> Side:
    """Another engine on the common set; its ticks lie a year before it."""
    ingest, gave = ingest_theirs(engine, size)
    empty, start_s = engine.size(), time.perf_counter()
    engine.load(data.tag, data.t_ms + 365 * DAY_MS, data.value, data.quality)
    load = len(data.tag) / (time.perf_counter() - start_s)
    end_ms = data.end_ms + 365 * DAY_MS
    expected = int(((data.tag == 3) & (data.t_ms >= data.end_ms - DAY_MS)).sum())
    return Side(
        engine.name, ingest, gave, load, (engine.size() - empty) / len(data.tag),
        median_ms(engine.latest, TAGS),
        median_ms(lambda: engine.one_tag(3, end_ms - DAY_MS, end_ms), expected),
        median_ms(lambda: engine.hourly(COMMON_TAGS, end_ms - COMMON_DAYS * DAY_MS, end_ms),
                  COMMON_TAGS * COMMON_DAYS * 24),
    )  # fmt: skip


def side_by_side(folder: Path, size: Size) -> list[Figure]:
    """Every engine that is here, one after the other, and ours beside each."""
    data = common()
    ours = ours_on(data, folder, size)
    figures = ours.figures(None)
    for name, make in ENGINES.items():
        try:
            engine = make(folder / name)
        except Skip as why:
            figures.append(Figure(f"{name}: not measured ({why})", None, ""))
            continue
        try:
            figures += side_of(engine, data, size).figures(ours)
        finally:
            engine.close()
    return figures


def day_of_modbus(folder: Path, size: Size) -> list[Figure]:
    """A day of 1,000 tags at 1 Hz folded while a real daemon polls as many; then the questions about it."""
    state, mix, day_ms = State(folder / "day").make(), Mix(TAGS), START_MS
    costs, spans = [], []
    live = State(folder / "live")
    with Devices(0.005) as devices:
        config = configure(folder / "config", devices.port)
        with Running(config, live) as daemon, Folder(state) as worker:
            daemon.first_poll_s()
            time.sleep(5.0)
            for hour in range(size.fold_hours + 1):
                if hour < size.fold_hours:
                    fill(state, mix, day_ms + 3_600_000 * hour, 3_600)
                upto_ms = day_ms + 3_600_000 * hour + 3_599_999 if hour < size.fold_hours else day_ms + DAY_MS + 1
                began_us = time.time_ns() // 1000
                costs.append(worker.fold(upto_ms))
                spans.append((began_us, time.time_ns() // 1000))
                _no_frames(state.hot)
    late = lateness_ms(live, spans)
    rows = sum(cost.rows for cost in costs)
    scale = 86_400 * TAGS / rows
    figures = [
        Figure(_scaled("a day's fold", size), scale * sum(cost.wall_s for cost in costs), "s", FOLD_BAR),
        Figure(_scaled("a day's fold, processor", size), scale * sum(cost.cpu_s for cost in costs), "s"),
        Figure("fold: memory, most", max(cost.rss_mb for cost in costs), "MB"),
        Figure(f"polls while folding: lateness p50 of {len(late)}", _percentile(late, 50), "ms"),
        Figure("polls while folding: lateness p99", _percentile(late, 99), "ms", LATE_BAR),
        Figure("Modbus at rest, quality and reasons included", folder_size(state.history) / rows, "B", MODBUS_BAR),
    ]
    return figures + questions(state, mix, day_ms, size)


def questions(state: State, mix: Mix, day_ms: int, size: Size) -> list[Figure]:
    """24 h of one tag up to an hour that is still hot, hourly means of 30 days, the latest values: at full size."""
    hour_ms = day_ms + DAY_MS
    fill(state, mix, hour_ms, 3_600)
    hours_before(state.hot, hour_ms // 1000, 30 * 24)
    hot = HotFile(state.hot)
    hot.roll(hour_ms + 3_600_000)  # the daemon does it each minute
    hot.close()
    rows = mix.rows()
    end_us, since_s = (hour_ms + 3_600_000) * 1000, hour_ms // 1000 - 30 * 86_400
    some = [rows[n].name for n in range(COMMON_TAGS)]
    whole = 3_600 * size.fold_hours  # the first hour of the day lies before the window, the hot one in it
    sample = median_ms(lambda: len(read(state, [rows[3].name], end_us - DAY_MS * 1000, end_us, site="G")), whole)
    return [
        Figure(_scaled("24 h of one of 1,000 tags, current hour included", size), sample, "ms", DAY_BAR),
        Figure("30 days hourly x 50 of 1,000 tags (added up beforehand)",
               median_ms(lambda: len(rollup(state, some, 3_600, since_s, hour_ms // 1000)), 50 * 30 * 24), "ms",
               HOURLY_BAR),
        Figure("latest of 1,000 tags", median_ms(lambda: len(HotReader(state.hot).latest()), TAGS), "ms", LATEST_BAR),
    ]  # fmt: skip


def _scaled(what: str, size: Size) -> str:
    return what if size.fold_hours == 24 else f"{what} (of {size.fold_hours} h)"


def _percentile(values: np.ndarray, share: float) -> float:
    return float(np.percentile(values, share)) if len(values) else float("nan")


def _no_frames(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM frame")
    db.close()


def opcua_at_rest(folder: Path, size: Size) -> list[Figure]:
    """Hours of the same mix with both times, folded and made one file."""
    state, mix = State(folder / "opcua").make(), replace(Mix(TAGS), opcua=True)
    rows = 0
    with Folder(state) as worker:
        for hour in range(size.opcua_hours):
            fill(state, mix, START_MS + 3_600_000 * hour, 3_600)
            rows += worker.fold(START_MS + 3_600_000 * hour + 3_599_999).rows
            _no_frames(state.hot)
        worker.fold(START_MS + DAY_MS + 1)
    name = f"OPC UA at rest, both times ({size.opcua_hours} h)"
    return [Figure(name, folder_size(state.history) / rows, "B", OPCUA_BAR)]


def start_again(folder: Path, size: Size) -> list[Figure]:
    """From the start of `handwheel run` to its first answer in the hot file, with so long a past in STATE."""
    state = State(folder / "past")
    with Devices(0.005) as devices:
        config = configure(folder / "past-config", devices.port)
        publish(state, config)
        lay_down_year(state, int(time.time()), size.year_days, SEED)
        lay_down_ledger(state, size.entries, SEED)
        taken = []
        for _ in range(3):
            with Running(config, state) as daemon:
                taken.append(daemon.first_poll_s())
    name = f"restart to first poll, {size.year_days} days of history"
    begun_s = time.perf_counter()
    told = verify(state)
    rate = told.n / (time.perf_counter() - begun_s) if told.ok else None
    return [
        Figure(f"{name} (median of 3)", statistics.median(taken), "s", START_BAR),
        Figure(f"ledger verify, {told.n} entries with bodies and seals", rate, "entries/s"),
    ]


def long_readers(folder: Path, size: Size) -> list[Figure]:
    """How far the write-ahead log grows beside readers of ours that read all frames, and beside one that never ends."""
    told = []
    for words, target, bar in (
        ("beside readers of ours", _reads_all, WAL_BAR), ("beside a view that is held open", _holds, None),
    ):  # fmt: skip
        path = folder / f"wal{bar}" / "hot.sqlite"
        path.parent.mkdir()
        hot = HotFile(path)
        describe(path, Mix(TAGS))
        most, wal = 0, path.with_name(path.name + "-wal")
        with reading_beside(target, path):
            for n, (t_ms, batches) in enumerate(ticks(size.reader_ticks)):
                hot.append(batches, t_ms)
                if n % 20 == 0:
                    most = max(most, wal.stat().st_size)
        hot.close()
        told.append(Figure(f"write-ahead log {words}, {size.reader_ticks} ticks", most / 1e6, "MB", bar))
    return told


@contextmanager
def reading_beside(target: Callable[[Path], None], path: Path) -> Iterator[None]:
    """Two processes that read this way for as long as the block lasts."""
    spawn = multiprocessing.get_context("spawn")
    readers = [spawn.Process(target=target, args=(path,), daemon=True) for _ in range(2)]
    for one in readers:
        one.start()
    time.sleep(2.0)
    try:
        yield
    finally:
        for one in readers:
            one.kill()
            one.join()


def _reads_all(path: Path) -> None:
    while True:
        HotReader(path).series(3, 0)


def _holds(path: Path) -> None:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM frame").fetchone()
    time.sleep(3_600)


def measure(quick: bool) -> Sequence[Figure]:
    """All figures; they go through some GB of temporary files."""
    size = QUICK if quick else FULL
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="hw") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a server that runs as another user comes through
        (folder / "ingest").mkdir()
        for words, part in (
            ("ingest", lambda: ingest_ours(folder / "ingest", size)),
            ("a day folded beside a daemon", lambda: day_of_modbus(folder, size)),
            ("OPC UA", lambda: opcua_at_rest(folder, size)),
            ("restart", lambda: start_again(folder, size)),
            ("long readers", lambda: long_readers(folder, size)),
            ("side by side", lambda: side_by_side(folder, size)),
        ):
            begun_s = time.monotonic()
            figures += part()
            print(f"  {words}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    raise SystemExit(run("historian", measure))
