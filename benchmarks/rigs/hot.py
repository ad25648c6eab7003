"""A hot file under the load of a plant: 1,000 tags each second, with all that the daemon does to it besides.

`python -m benchmarks.rigs.hot` prints what is written to the disk per sample, how fast samples are taken in, and how
long the questions take that a screen asks.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from drivers.batch import NO_TIME, Batch, quality_array
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.state import State

START_MS = 1_795_440_000_000
SOURCES = 20


def written_bytes() -> int:
    """What this process had written to the disk so far [bytes]."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def tick(second: int, tags: int, draw: np.random.Generator, *, source_time: bool) -> list[Batch]:
    """One second of a plant: each source answers at a moment of its own; one sample of a thousand is bad."""
    batches = []
    for part in np.array_split(np.arange(tags, dtype=np.int32), SOURCES):
        receive_us = (START_MS + 1_000 * second) * 1_000 + int(draw.integers(0, 900_000))
        reasons = np.where(draw.random(len(part)) < 0.001, 1, 0).astype(np.uint32)
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--folder", help="on the disk that is meant (default: the temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for source_time in (False, True):
            kind = "with source times" if source_time else "without"
            per = written_per_sample(Path(folder, kind), args.seconds, 1_000, source_time=source_time)
            print(f"written per sample, 1,000 tags each second for {args.seconds} s, {kind}: {per:.1f} B")
        print(f"taken in: {taken_in(Path(folder, 'in'), 1_000, 1_000) / 1e6:.2f} M samples/s, each 1,000 synced")
    return 0


if __name__ == "__main__":
    sys.exit(main())
