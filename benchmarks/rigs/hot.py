"""A hot file under the load of a plant: 1,000 tags each second, with all that the daemon does to it besides.

`python -m benchmarks.rigs.hot` prints what is written to the disk per sample, how fast samples are taken in, and how
long the questions take that a screen asks.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drivers.batch import NO_TIME, Batch, quality_array
from drivers.record import Register, Tag
from monitor.historian.health import health
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.historian.rollup import read_cells
from monitor.plant import Asset, Review, Settings, Site
from monitor.state import State

START_MS = 1_795_438_800_000  # 2026-11-23T13:00:00Z: the start of an hour
SOURCES = 20


def written_bytes() -> int:
    """What this process had written to the disk so far [bytes]."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def tick(second: int, tags: int, draw: np.random.Generator, *, source_time: bool) -> list[Batch]:
    """One second of a plant: each source answers at a moment of its own; a sensor in a thousand is dead."""
    batches = []
    for part in np.array_split(np.arange(tags, dtype=np.int32), SOURCES):
        receive_us = (START_MS + 1_000 * second) * 1_000 + int(draw.integers(0, 900_000))
        reasons = np.where(part % 997 == 17, 1, 0).astype(np.uint32)
        stamps = receive_us - draw.integers(1_000, 900_000, len(part)) if source_time else np.full(len(part), NO_TIME)
        value = np.where(reasons > 0, np.nan, draw.normal(50.0, 1.0, len(part)))
        detail = {int(row): "timeout after 1.0 s" for row in np.flatnonzero(reasons)}
        batches.append(Batch(f"s{part[0]}", receive_us, part, stamps.astype(np.int64), value, quality_array(reasons),
                             reasons, {}, detail))  # fmt: skip
    return batches


def written_per_sample(folder: Path, seconds: int, tags: int, *, source_time: bool) -> float:
    """Bytes written per sample over `seconds` with latest each 5 s, rollups each minute and a purge after each fold."""
    state = State(folder).make()
    hot = HotFile(state.hot)
    draw = np.random.default_rng(1)
    ticks = [tick(second, tags, draw, source_time=source_time) for second in range(seconds)]
    before = written_bytes()
    for second, batches in enumerate(ticks):
        t_ms = START_MS + 1_000 * second
        n = hot.append(batches, t_ms)
        if second % 5 == 4:
            hot.write_latest(t_ms)
        if second % 60 == 59:
            hot.roll(t_ms)
        if second % 300 == 299:
            (state.history / "folded.json").write_text(json.dumps({"hot": HotReader(state.hot).meta()["id"], "n": n}))
            hot.purge(t_ms - 120_000)
    hot.close()
    return (written_bytes() - before) / (seconds * tags)


def taken_in(folder: Path, tags: int, ticks: int) -> float:
    """Samples per second that `append` commits, synced."""
    state = State(folder).make()
    hot = HotFile(state.hot)
    draw = np.random.default_rng(2)
    batches = [tick(second, tags, draw, source_time=False) for second in range(50)]
    start_s = time.perf_counter()
    for second in range(ticks):
        hot.append(batches[second % 50], START_MS + 1_000 * second)
    took_s = time.perf_counter() - start_s
    hot.close()
    return ticks * tags / took_s


def a_year(folder: Path, tags: int, days: int) -> State:
    """A hot file with hourly rollups of `days` days and an hour of frames."""
    state = State(folder).make()
    hot = HotFile(state.hot)
    hot.publish_tags(settings_of(tags))
    hours = START_MS // 1000 - 3_600 * np.arange(24 * days, 0, -1)
    draw = np.random.default_rng(3)
    hot._db.execute("PRAGMA synchronous=OFF")  # only the making of it is not measured
    level = draw.normal(50.0, 1.0, (tags, 1))
    for part in np.array_split(hours, max(days // 10, 1)):
        hot.bring_in(
            part, {f"P{n // 5}.t{n}": row for n, row in enumerate(level + draw.normal(0, 1, (tags, len(part))))}
        )
    for second in range(3_600):
        hot.append(tick(second, tags, draw, source_time=False), START_MS + 1_000 * second)
    hot.roll(START_MS + 3_600_000)
    hot.close()
    return state


def settings_of(tags: int) -> Settings:
    """A utility of `tags` tags, five to each pump."""
    assets = tuple(Asset(f"P{n}", "S", f"Pump {n}", "pump") for n in range(-(-tags // 5)))
    where = Register(1, "holding", 0, "f32")
    made = tuple(Tag(n, f"P{n // 5}.t{n}", f"P{n // 5}", "flow", "m3/h", "d", where) for n in range(tags))
    return Settings(
        folder=Path(), utility="benchmark", language="en", time_zone="UTC", currency="EUR", simulated=True, state=None,
        groups={}, rights={}, sites=(Site("S", "Site", "pumping_station"),), assets=assets, tags=made, sources=(),
        status_alerts=(), feeds=(), contracts=(), answers=(), jobs=(), review=Review(), sha256="0" * 64,
    )  # fmt: skip


def median_ms(question: Callable[[], object], times: int = 9) -> float:
    """What a question takes in the middle of several times [ms]."""
    took = []
    for _ in range(times):
        start_s = time.perf_counter()
        question()
        took.append(1_000 * (time.perf_counter() - start_s))
    return statistics.median(took)


def asked(folder: Path, tags: int, days: int) -> dict[str, float]:
    """How long the questions take that a screen and a start ask of a hot file with a year of rollups [ms]."""
    state = a_year(folder, tags, days)
    settings, hot = settings_of(tags), HotReader(state.hot)
    chosen = np.random.default_rng(4).choice(tags, 50, replace=False).tolist()
    since_s = START_MS // 1000 - 30 * 86_400

    def opened() -> None:
        HotFile(state.hot).let_go()

    def published() -> None:
        file = HotFile(state.hot)
        file.publish_tags(settings)
        file.let_go()

    return {
        "the latest of all tags": median_ms(hot.latest),
        "30 days hourly of 50 tags, as arrays": median_ms(
            lambda: read_cells(3_600, hot.rollup_rows(chosen, 3_600, since_s, START_MS // 1000))
        ),
        "one tag out of an hour of frames": median_ms(lambda: hot.series(chosen[0], START_MS), 3),
        f"opening with {days} days of rollups": median_ms(opened, 3),
        "the same with its tags published": median_ms(published, 3),
        "health": median_ms(lambda: health(state), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--days", type=int, default=400, help="of hourly rollups")
    parser.add_argument("--folder", help="on the disk that is meant (default: the temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for source_time in (False, True):
            kind = "with source times" if source_time else "without"
            per = written_per_sample(Path(folder, kind), args.seconds, 1_000, source_time=source_time)
            print(f"written per sample, 1,000 tags each second for {args.seconds} s, {kind}: {per:.1f} B")
        for what, took_ms in asked(Path(folder, "year"), 1_000, args.days).items():
            print(f"{what}: {took_ms:.1f} ms")
        print(f"taken in: {taken_in(Path(folder, 'in'), 1_000, 1_000) / 1e6:.2f} M samples/s, each 1,000 synced")
    return 0


if __name__ == "__main__":
    sys.exit(main())
