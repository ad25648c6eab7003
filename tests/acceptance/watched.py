"""The real daemon on one source of the golden plant, and what the disk has of each of its tags."""

import asyncio
import time

from monitor.historian.reader import HotReader
from monitor.settings import load
from monitor.state import State
from tests.monitor.plant_bench import PATIENCE_S, Bench, configure


class Watched:
    """A daemon that reads asset pump1 as `source` (the text of its file) says, until all of its tags are good."""

    def __init__(self, folder, source):
        config = configure(folder / "config", 1)
        (config / "sources" / "pump1.toml").write_text(source)
        self.settings = load(config)
        self.state = State(folder / "state")
        self.bench = Bench(config, self.state)

    async def __aenter__(self):
        self.bench.start()
        try:
            await self.all_good()
        except BaseException:
            self.bench.end()
            raise
        return self

    async def __aexit__(self, *_):
        self.bench.end()

    async def all_good(self):
        return await self.bench.until(lambda s: s["sources"][0]["good"] == s["sources"][0]["total"])

    @property
    def reader(self):
        return HotReader(self.state.hot)

    def number(self, name):
        return next(tag.number for tag in self.settings.tags if tag.name == f"pump1.{name}")

    def stored(self, name, since_us=0):
        """What the disk has of a tag, oldest first."""
        return [one for one in self.reader.series(self.number(name), 0) if one.receive_us > since_us]

    async def newest(self, name, condition):
        """Wait until the newest stored sample of a tag is so; the sample."""
        end = time.monotonic() + PATIENCE_S
        while not (found := self.stored(name)) or not condition(found[-1]):
            assert time.monotonic() < end, found[-3:]
            await asyncio.sleep(0.1)
        return found[-1]
