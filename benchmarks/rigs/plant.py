"""`python -m benchmarks.rigs.plant --port P --seconds S`: what the daemon does with 1,000 devices, in one process.

1,000 sources of 100 tags each, polled each second by the daemon's own parts: one Poller task per connection, quality
machine, survey and status bits for each batch, one writer thread that commits a frame each second, the latest values
each 5 s and the rollups of a minute once in the middle. Prints one JSON object.
"""

import argparse
import asyncio
import json
import logging
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import psutil

from drivers.batch import Batch
from drivers.record import Register, Tag
from drivers.source import Source, SourceSpec, make_source
from drivers.vendor.status_bits import StatusBits
from monitor.daemon.poller import Poller, phases
from monitor.daemon.survey import Survey
from monitor.daemon.writer import Writer
from monitor.plant import QUANTITIES, Asset, Review, Settings, Site
from monitor.quality import machine_of
from monitor.state import State

DEVICES, TAGS, EVERY_S = 1_000, 100, 1.0
MEASURED = (
    "flow", "suction_pressure", "discharge_pressure", "pressure", "level", "power", "current", "voltage", "frequency",
    "vibration", "bearing_temperature", "ambient_temperature", "energy", "volume", "run_hours", "residual_chlorine",
)  # fmt: skip


def settings_of(port: int, devices: int = DEVICES, tags: int = TAGS) -> Settings:
    """A utility of `devices` pumps, each a device with `tags` 32-bit floats, limits and all."""
    assets, sources, all_tags = [], [], []
    for number in range(devices):
        asset = Asset(f"P{number}", "S", f"Pump {number}", "pump")
        own = []
        for at in range(tags):
            quantity = "running" if at == 0 else MEASURED[at % len(MEASURED)]
            unit, kind = QUANTITIES[quantity]
            where = Register(1, "holding", 2 * at, "f32")
            limits = (None, None) if kind == "counter" else (0.0, 1000.0)
            tag = Tag(
                number * tags + at, f"{asset.id}.t{at}", asset.id, quantity, unit, f"d{number}", where, *limits,
                counter=kind == "counter",
            )  # fmt: skip
            own.append(tag)
        options = {"host": "127.0.0.1", "port": port, "max_words": 100}
        sources.append(SourceSpec(f"d{number}", "modbus_tcp", "S", EVERY_S, 1.0, tuple(own), options))
        assets.append(asset)
        all_tags += own
    return Settings(
        folder=Path(), utility="benchmark", language="en", time_zone="UTC", currency="EUR", simulated=True, state=None,
        groups={}, rights={}, sites=(Site("S", "Site", "pumping_station"),), assets=tuple(assets), tags=tuple(all_tags),
        sources=tuple(sources), status_alerts=(), feeds=(), contracts=(), answers=(), jobs=(), review=Review(),
        sha256="",
    )  # fmt: skip


class Timed:
    """A source that notes how late it is asked; its first poll is due at `due_s`, monotonic [s]."""

    def __init__(self, source: Source, late_s: "array[float]") -> None:
        self.spec, self.counts, self._source, self._late_s = source.spec, source.counts, source, late_s
        self.open, self.alerts, self.close, self.explain = source.open, source.alerts, source.close, source.explain
        self.due_s = 0.0

    async def read(self, tags: Sequence[Tag]) -> Batch:
        self._late_s.append((time.monotonic() - self.due_s) % EVERY_S)
        return await self._source.read(tags)


class Room:
    """The daemon's path from a batch to the disk."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._machine = machine_of(settings, time.monotonic())
        self._survey = Survey(settings, self._machine, time.monotonic())
        self._bits = StatusBits(())
        self.writer = Writer(settings, state)
        self.pending: list[Batch] = []
        self.good = self.samples = 0
        self.spent_s = dict.fromkeys(("quality", "survey", "hot store"), 0.0)  # processor time

    def receive(self, batch: Batch) -> None:
        start_s = time.thread_time()
        mono_s = time.monotonic()
        checked = self._machine.check(batch, mono_s)
        between_s = time.thread_time()
        self._survey.take(checked, mono_s)
        self.pending.append(checked)
        self._bits.take(checked)
        self.spent_s["survey"] += time.thread_time() - between_s
        self.spent_s["quality"] += between_s - start_s
        self.samples += len(checked)
        self.good += int((checked.quality == 0).sum())

    def store(self, batches: list[Batch], latest: bool, minute: bool) -> None:
        start_s, t_ms = time.thread_time(), time.time_ns() // 1_000_000
        self.writer.hot.append(batches, t_ms)
        if latest:
            self.writer.hot.write_latest(t_ms)
        if minute:
            self.writer.hot.roll(t_ms)
        self.spent_s["hot store"] += time.thread_time() - start_s

    async def tick(self, until_s: float, minute_s: float) -> None:
        due_s, number = time.monotonic(), 0
        while time.monotonic() < until_s:
            start_s = time.thread_time()
            self._machine.tick(time.monotonic())
            self.spent_s["quality"] += time.thread_time() - start_s
            batches, self.pending = self.pending, []
            minute = minute_s <= time.monotonic()
            minute_s = float("inf") if minute else minute_s
            await self.writer.do(self.store, batches, number % 5 == 4, minute)
            number += 1
            due_s = max(due_s + 1.0, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())


async def measure(port: int, seconds: float, devices: int) -> dict[str, float]:
    """Run for a warm-up of 5 s and then `seconds`; a minute's rollup falls into the middle of them."""
    settings = settings_of(port, devices)
    with tempfile.TemporaryDirectory(prefix="hw") as folder:
        room = Room(settings, State(Path(folder)))
        await room.writer.open()
        late_s = array("d")
        phase_s = phases(settings.sources)
        pollers = [
            Poller(
                Timed(make_source(spec), late_s),
                phase_s=phase_s[spec.name],
                on_batch=room.receive,
                on_change=lambda change: None,
                on_alerts=lambda alerts: None,
            )
            for spec in settings.sources
        ]

        async def polled(poller: Poller) -> None:
            assert isinstance(poller.source, Timed)
            poller.source.due_s = time.monotonic() + phase_s[poller.spec.name]
            await poller.run()

        tasks = [asyncio.create_task(polled(poller)) for poller in pollers]
        begin_s = time.monotonic() + 5.0
        ticking = asyncio.create_task(room.tick(begin_s + seconds, begin_s + seconds / 2))
        await asyncio.sleep(5.0)
        me = psutil.Process()
        del late_s[:]
        before_s, spent_s = time.process_time(), dict(room.spent_s)
        skipped, samples, good = sum(one.link.skipped for one in pollers), room.samples, room.good
        memory = []
        while time.monotonic() < begin_s + seconds:
            await asyncio.sleep(1.0)
            memory.append(me.memory_info().rss)
        taken_s = time.monotonic() - begin_s
        used_s = time.process_time() - before_s
        result = {f"cpu {name}": 100 * (room.spent_s[name] - spent_s[name]) / taken_s for name in spent_s}
        result |= {
            "cpu": 100 * used_s / taken_s,
            "cpu acquisition": 100 * used_s / taken_s - sum(result.values()),
            "skipped": sum(one.link.skipped for one in pollers) - skipped,
            "failures": sum(one.link.failures for one in pollers),
            "samples per s": (room.samples - samples) / taken_s,
            "good": (room.good - good) / max(room.samples - samples, 1),
            "memory": max(memory) / 1e6,
        }
        late = sorted(late_s)
        late += [EVERY_S] * int(result["skipped"])  # a poll that was left out is later than any
        result["late p50"], result["late p99"] = (1000 * late[int(share * (len(late) - 1))] for share in (0.5, 0.99))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await ticking
        await room.writer.close()
        return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--devices", type=int, default=DEVICES)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(options.port, options.seconds, options.devices))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
