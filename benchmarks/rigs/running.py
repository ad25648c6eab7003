"""A real daemon on fast simulated devices: how late its polls are, and how soon after a start it polls again.

The configuration is written as a utility would write it: ten connections of a hundred 32-bit floats each, read every
second. What is measured is what lies in its hot file afterwards: the times at which answers came, source by source.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.rigs.history import PER_SOURCE, hours_before
from monitor.historian.arrays import columns
from monitor.historian.hot import HotFile
from monitor.historian.parquet import write_grid
from monitor.historian.reader import HotReader
from monitor.ledger import Draft, open_ledger
from monitor.state import State

SOURCES, TAGS = 10, 100
DAY_MS, HOUR_S = 86_400_000, 3_600
START_S = 60.0

SITE = """
[utility]
name = "Benchmark"
language = "en"
time_zone = "UTC"
currency = "EUR"
[[site]]
id = "S"
name = "Station"
type = "waterworks"
"""
ASSET = """
[[asset]]
id = "P{n}"
site = "S"
name = "Meter {n}"
kind = "meter"
"""
SOURCE = """
[source]
name = "d{n}"
driver = "modbus_tcp"
site = "S"
every_s = 1
timeout_s = 0.9
host = "127.0.0.1"
port = {port}
[[source.block]]
asset = "P{n}"
device_id = 1
table = "holding"
address_base = "wire0"
order = "ABCD"
tags = [
{rows}
]
"""
ROW = '  {{ at = {at}, name = "t{n}", as = "f32", unit = "m3/h", quantity = "flow" }},'


def configure(folder: Path, port: int) -> Path:
    """A configuration folder for the devices on `port`."""
    (folder / "sources").mkdir(parents=True)
    (folder / "site.toml").write_text(SITE + "".join(ASSET.format(n=n) for n in range(SOURCES)))
    rows = "\n".join(ROW.format(at=2 * n, n=n) for n in range(TAGS))
    for n in range(SOURCES):
        (folder / f"sources/d{n}.toml").write_text(SOURCE.format(n=n, port=port, rows=rows))
    return folder


class Running:
    """`handwheel run` for as long as the block lasts."""

    def __init__(self, config: Path, state: State) -> None:
        self._command = [
            sys.executable, "-m", "monitor.cli", "run", "--config", str(config), "--state", str(state.root)
        ]  # fmt: skip
        self._state = state

    def __enter__(self) -> Self:
        self.began_us = time.time_ns() // 1000
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *_fault: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def first_poll_s(self) -> float:
        """Seconds from the start of the process to the first answer that reached the hot file; NaN if none came."""
        hot, before = HotReader(self._state.hot), self.began_us // 1000
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self._process.poll() is None:
            if (hot.newest_ms() or 0) > before:
                n = hot.last_before(before)
                times = [int(columns(blob).receive_us.min()) for _n, _t, _crc, blob in hot.frames(n, n + 1)]
                return (min(times) - self.began_us) / 1e6
            time.sleep(0.02)
        return float("nan")


def lateness_ms(state: State, spans_us: Sequence[tuple[int, int]]) -> np.ndarray:
    """How late each poll of these spans (UTC [us]) was, with its answer; a poll that was left out counts as 1,000 ms.

    Against the earliest of the same source in its rhythm of one second.
    """
    came: dict[int, list[int]] = {}
    for _n, _t, crc, blob in HotReader(state.hot).frames(0, 2**62):
        one = columns(blob, crc)
        for source in np.unique(one.tag // TAGS).tolist():
            came.setdefault(source, []).append(int(one.receive_us[one.tag // TAGS == source][0]))
    late: list[float] = []
    for times in came.values():
        at = np.array(sorted(times))
        turn = np.round((at - at[0]) / 1e6).astype(int)
        over = (at - at[0]) / 1000 - 1000.0 * turn
        over -= over.min()
        for begin, end in spans_us:
            within = (at >= begin) & (at < end)
            late += over[within].tolist()
            if within.any():
                late += [1000.0] * int(turn[within][-1] - turn[within][0] + 1 - within.sum())
    return np.array(late)


def lay_down_year(state: State, end_s: int, days: int, seed: int) -> None:
    """A past for a STATE whose tags are published: hourly rollups and Parquet of so many days, and a ledger."""
    random = np.random.default_rng(seed)
    hours = end_s // HOUR_S * HOUR_S - HOUR_S * np.arange(24 * days, 0, -1)
    hours_before(state.hot, end_s, 24 * days)
    rows = HotReader(state.hot).tags()
    numbers = sorted(rows)
    some = [rows[number] for number in numbers[:PER_SOURCE]]
    facts = {row.name: {"asset": row.asset, "quantity": row.quantity, "unit": row.unit} for row in some}
    values = {row.name: random.normal(100, 5, len(hours)).round(1) for row in some}
    write_grid(state, "S", hours * 1000, values, facts, sync=False)


def lay_down_ledger(state: State, entries: int, seed: int) -> None:
    """So many entries of the kind that a year brings most: assessments."""
    random = np.random.default_rng(seed)
    ledger = open_ledger(state)
    try:
        for start in range(0, entries, 1_000):
            ledger.append_many([
                Draft("assessment", {"index": float(one), "state": "steady", "word": "normal", "model_sha256": "0" * 64,
                                     "reasons": []}, 1_795_392_000_000_000 + start, "judge", None, "S", "P1")
                for one in random.uniform(50, 100, min(1_000, entries - start)).round(1)
            ])  # fmt: skip
    finally:
        ledger.close()


def publish(state: State, config: Path) -> None:
    """The tags of a configuration into a new hot file."""
    from monitor.settings import load

    hot = HotFile(state.make().hot)
    hot.publish_tags(load(config))
    hot.close()
