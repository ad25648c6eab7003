"""The pollers of a configuration as tasks: started, exchanged where the configuration changed, ended in time.

A poller that is unchanged goes on through a new configuration with its connection, its back-off and its place in the
cadence. Sources behind one line keep it together: where one of them changes, all of them begin anew.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from drivers.batch import Batch
from drivers.record import Alert
from drivers.source import Source, SourceSpec, make_source
from monitor.daemon.poller import LinkChange, Poller, phases, share_lines

LOG = logging.getLogger("handwheel.daemon")
AGAIN_S = 1.0
END_S = 1.5  # a source that does not even close within that is let go of
PATIENCE_S = 30.0  # no poller has to get on more often than that


class Polling:
    """All pollers, by the name of their source."""

    def __init__(
        self, on_batch: Callable[[Batch], None], on_change: Callable[[LinkChange], None],
        on_alerts: Callable[[list[Alert]], None],
    ) -> None:  # fmt: skip
        self._on_batch, self._on_change, self._on_alerts = on_batch, on_change, on_alerts
        self.pollers: dict[str, Poller] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.crashed = 0  # pollers that ended by a fault of ours, and were started anew

    def start(self, specs: Iterable[SourceSpec], made: Mapping[str, Source]) -> None:
        """Poll the sources of `made`; `specs` are all sources there are, for the time at which each begins."""
        phase_s = phases(list(specs))
        for name, source in made.items():
            self.pollers[name] = Poller(
                source, phase_s=phase_s[name], on_batch=self._on_batch, on_change=self._on_change,
                on_alerts=self._on_alerts,
            )  # fmt: skip
        share_lines(list(made.values()))
        for name in made:
            self._run(name)

    def _run(self, name: str) -> None:
        task = asyncio.create_task(self.pollers[name].run(), name=f"poll {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """A poller never ends by itself: that is a bug of ours, said once, and no reason to be blind."""
        if task.cancelled() or self._tasks.get(name) is not task:
            return
        self.crashed += 1
        LOG.error("%s: its polling failed and is begun anew", name, exc_info=task.exception())
        asyncio.get_running_loop().call_later(AGAIN_S, self._run_again, name, task)

    def _run_again(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            self._run(name)

    async def end(self, names: Iterable[str] | None = None) -> None:
        """End these pollers, or all; one that hangs is left behind after 1.5 s."""
        chosen = list(self._tasks) if names is None else list(names)
        tasks = [self._tasks.pop(name) for name in chosen]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_S)

    @property
    def begun(self) -> bool:
        """Whether every source was opened or tried."""
        return all(one.link.polls or not one.spec.tags for one in self.pollers.values())

    def gets_on(self, mono_s: float) -> bool:
        """Whether any poller had its turn lately; a plant without sources gets on by itself. Monotonic [s]."""
        return not self.pollers or any(
            mono_s - one.turned_s <= max(PATIENCE_S, 3 * one.spec.every_s) for one in self.pollers.values()
        )


def make_sources(specs: Iterable[SourceSpec], standing: Iterable[Alert]) -> dict[str, Source]:
    """The sources, not yet connected; `standing`: what OPC UA servers still claim. Raises ConfigError."""
    told = [alert for alert in standing if alert.feed == "opcua"]
    return {
        spec.name: make_source(replace(spec, options={**spec.options, "standing": told} if told else spec.options))
        for spec in specs
    }


def exchanged(old: Iterable[SourceSpec], new: Iterable[SourceSpec]) -> tuple[set[str], set[str]]:
    """(sources that end, sources that begin) when `new` takes the place of `old`; both have what changed."""
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    lines = [_line_of(spec) for spec in (*before.values(), *after.values())]
    while more := {name for line in lines if line & changed for name in line} - changed:
        changed |= more
    return changed & before.keys(), changed & after.keys()


def _line_of(spec: SourceSpec) -> set[str]:
    return {spec.name, *spec.options.get("shares_line_with", ())}
