"""The historian: everything that can be asked of the plant's memory, whether it is hot or long folded into Parquet.

`Historian` says what is asked, `Store` answers for one STATE: the hot file's writer and readers, and history. The
daemon, which must stay light, works with the hot file alone; the worker, reports and audits come here.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from drivers.batch import Batch
from drivers.errors import UserError
from drivers.record import Quality, Reason, Sample
from monitor.historian.buckets import rollup
from monitor.historian.cold import cold_of
from monitor.historian.frames import wide
from monitor.historian.gaps import Gap, gaps
from monitor.historian.health import Health, health
from monitor.historian.proof import Damage, damages
from monitor.historian.query import read
from monitor.historian.reader import HotReader
from monitor.historian.verifying import verify
from monitor.state import State

if TYPE_CHECKING:
    from monitor.historian.hot import HotFile
    from monitor.plant import Settings


class Historian(Protocol):
    """What a historian can be asked. Times are UTC in microseconds unless their name says otherwise."""

    def append(self, batches: Sequence[Batch], t_ms: int) -> int:
        """Keep all batches of one tick, committed at `t_ms` (UTC [ms]); on the disk when this returns its number."""

    def latest(self) -> Mapping[str, Sample]:
        """The newest sample of each configured tag by its name."""

    def read(self, tags: Sequence[str], start_us: int, end_us: int) -> pd.DataFrame:
        """The samples of these tags with start <= receive < end, sorted by tag and time (monitor.historian.query)."""

    def rollup(self, tags: Sequence[str], span_s: int, start_s: int, end_s: int) -> pd.DataFrame:
        """What the samples of each minute or hour of a span (UTC [s]) come to (monitor.historian.buckets)."""

    def frames(self, asset_id: str, start_us: int, end_us: int, every_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(values, share of good) of an asset on a regular grid (monitor.historian.frames)."""

    def gaps(self, tag: str, start_us: int, end_us: int, longer_than_s: float) -> list[Gap]:
        """The spans of more than `longer_than_s` [s] without a sample of our own, or with bad ones only."""

    def verify(self) -> list[Damage]:
        """What is not as it was written; nobody believes it, the rest stays readable."""

    def purge(self, before_ms: int) -> int:
        """Let go of the hot frames committed before `before_ms` (UTC [ms]) that lie in history; returns how many."""

    def health(self) -> Health:
        """How the store is."""


class Store:
    """The historian of one STATE; with `hot`, whose owner holds daemon.lock, it also takes in."""

    def __init__(self, state: State, settings: "Settings", hot: "HotFile | None" = None) -> None:
        self._state, self._settings, self._hot = state, settings, hot

    def append(self, batches: Sequence[Batch], t_ms: int) -> int:
        return self._writer.append(batches, t_ms)

    def latest(self) -> Mapping[str, Sample]:
        hot = HotReader(self._state.hot)
        tags = hot.tags()
        return {tags[number].name: sample for number, sample in hot.latest().items() if number in tags}

    def read(self, tags: Sequence[str], start_us: int, end_us: int) -> pd.DataFrame:
        return read(self._state, tags, start_us, end_us)

    def rollup(self, tags: Sequence[str], span_s: int, start_s: int, end_s: int) -> pd.DataFrame:
        return rollup(self._state, tags, span_s, start_s, end_s)

    def frames(self, asset_id: str, start_us: int, end_us: int, every_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        return wide(self._state, self._settings, asset_id, start_us, end_us, every_s)

    def gaps(self, tag: str, start_us: int, end_us: int, longer_than_s: float) -> list[Gap]:
        found = self.read([tag], start_us, end_us)
        # a look that a person took now and then is no telemetry: it neither ends a gap nor makes one
        own = found[(found["reasons"] & int(Reason.MANUAL)) == 0]
        bad = own["quality"].to_numpy() == Quality.BAD
        return gaps(own["receive_us"].to_numpy(), bad, start_us, end_us, longer_than_s)

    def verify(self) -> list[Damage]:
        cold = cold_of(self._state)
        found = [Damage(cold.shown(fault.name), fault.why) for fault in verify(cold).faults]
        return damages(self._state) + found

    def purge(self, before_ms: int) -> int:
        return self._writer.purge(before_ms)

    def health(self) -> Health:
        return health(self._state)

    @property
    def _writer(self) -> "HotFile":
        if self._hot is None:
            raise UserError(f"{self._state.hot}: is written by the daemon alone; this process only reads")
        return self._hot
