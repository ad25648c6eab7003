"""What a poll brought, at once: judged, remembered as the newest of its tags, and kept for the disk.

Here lies what is remembered of the plant while the daemon lives. A new configuration goes on with what did not change.
"""

import logging
import time
from collections.abc import Callable, Sequence

from drivers.batch import Batch
from drivers.record import Alert
from drivers.vendor.status_bits import StatusBits
from monitor.claims import Claims
from monitor.daemon.breaks import Breaks
from monitor.daemon.difference import unchanged
from monitor.daemon.storing import Storing
from monitor.daemon.survey import Survey
from monitor.heartbeat import Moment
from monitor.plant import Settings
from monitor.quality import machine_of
from monitor.state import State, read_plain
from monitor.words import clean

LOG = logging.getLogger("handwheel.daemon")
NOISE_LIMIT = 64_000_000  # bytes; some dozens for each tag


class Judging:
    """Takes batches in; `hear` gets the alerts that status registers tell."""

    def __init__(
        self, settings: Settings, claims: Claims, storing: Storing, hear: Callable[[Sequence[Alert]], None],
        mono_s: float,
    ) -> None:  # fmt: skip
        self._settings, self._claims, self._storing, self._hear = settings, claims, storing, hear
        self._machine = machine_of(settings, mono_s)
        self.survey = Survey(settings, self._machine, mono_s)
        self._breaks = _breaks_of(settings)
        self._bits = StatusBits(())

    def receive(self, batch: Batch) -> None:
        """A batch from a poller: judged at once, stored with the next tick."""
        mono_s = time.monotonic()
        checked = self._machine.check(batch, mono_s)
        self.survey.take(checked, mono_s)
        self._storing.keep(checked)
        self._storing.owe_all(self._breaks.take(checked, mono_s))
        self._hear(self._bits.take(checked))

    def tick(self, now: Moment) -> None:
        """What only time brings: longer looks at quality, and stale tags."""
        self._machine.tick(now.mono_s)
        for batch in self._machine.overdue(now.mono_s, now.utc_us):
            self.survey.take(batch, now.mono_s)
            self._storing.keep(batch)

    def watch_status(self, settings: Settings) -> None:
        """Look at the status registers from now on; what is claimed already, by what is known now, is not told anew."""
        names = {tag.number: tag.name for tag in settings.tags}
        self._bits = StatusBits(settings.status_alerts, self._claims.standing(), names)

    def adopt(self, new: Settings, now: Moment) -> None:
        """Judge by another configuration; what is remembered of unchanged tags stays."""
        old, machine = self._settings, machine_of(new, now.mono_s)
        machine.take_over(self._machine, [tag.number for tag in unchanged(old, new)])
        survey = Survey(new, machine, now.mono_s)
        survey.take_over(self.survey)
        if new.status_alerts != old.status_alerts:
            self.watch_status(new)
        self._settings, self._machine, self.survey, self._breaks = new, machine, survey, _breaks_of(new)

    def learn_noise(self, state: State) -> None:
        """What the last life knew of the noise of each sensor; without it a day passes before anything is said."""
        try:
            self._machine.noise.take_up(read_plain(state.noise, NOISE_LIMIT))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as fault:
            LOG.warning("%s: cannot be used (%s); the usual noise is learned anew", state.noise, clean(fault))

    def saved_noise(self) -> bytes:
        """What the next life is to know of it."""
        return self._machine.noise.saved()


def _breaks_of(settings: Settings) -> Breaks:
    return Breaks(settings.tags, {asset.id: asset.site for asset in settings.assets})
