"""Status bits by which a device itself asks for something, read from the samples that the poller has anyway.

The first sight of a set bit raises an alert: it may have been set while nobody looked, but it stands now. A bad sample
says nothing about the bit, so it changes nothing.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from drivers.batch import Batch
from drivers.record import Alert, Quality
from drivers.source import StatusAlert

FEED = "status_bit"


class StatusBits:
    """The state of each status bit: 0 -> 1 raises an alert, 1 -> 0 takes it back under the same id.

    `standing` are the alerts that were active when the program last ran, so that a bit that is still set is not told
    as a new claim.
    """

    def __init__(self, rows: Sequence[StatusAlert], standing: Iterable[Alert] = ()) -> None:
        self._rows: dict[int, list[StatusAlert]] = {}
        for row in rows:
            self._rows.setdefault(row.tag, []).append(row)
        self._tags = np.array(sorted(self._rows), np.int32)
        known = {(one.asset, one.component, one.failure_mode): one for one in standing if one.feed == FEED}
        self._raised: dict[StatusAlert, Alert] = {
            row: known[key] for row in rows if (key := (row.asset, row.component, row.failure_mode)) in known
        }

    def take(self, batch: Batch) -> list[Alert]:
        """The alerts that this batch raises or takes back; `issued_us` is the device's own time, if it gives one."""
        alerts = []
        for index in np.flatnonzero(np.isin(batch.tag, self._tags) & (batch.quality != Quality.BAD)):
            sample = batch.row(int(index))
            if not isinstance(sample.value, int | float):
                continue
            for row in self._rows[sample.tag]:
                raised = self._raised.get(row)
                if sample.value and raised is None:
                    raised = self._raised[row] = _alert(row, batch, sample.source_us)
                    alerts.append(raised)
                elif not sample.value and raised is not None:
                    del self._raised[row]
                    alerts.append(_alert(row, batch, sample.source_us, raised.alert_id))
        return alerts


def _alert(row: StatusAlert, batch: Batch, source_us: int | None, taken_back: str = "") -> Alert:
    """A new alert, or the end of the one with the id `taken_back`."""
    return Alert(
        alert_id=taken_back or f"{FEED}:{row.asset}:{row.component}:{row.failure_mode}@{batch.receive_us}",
        origin="vendor",
        asset=row.asset,
        component=row.component,
        failure_mode=row.failure_mode,
        severity=row.severity,
        text=row.text,
        received_us=batch.receive_us,
        issued_us=source_us,
        vendor=row.vendor,
        feed=FEED,
        active=not taken_back,
    )
