"""Status bits, alarm words and alarm codes by which a device itself asks for something, read from the samples that the
poller has anyway.

The first sight of a claim raises an alert: it may have been set while nobody looked, but it stands now. A bad sample, a
substitute and a value that was never measured say nothing, so they change nothing. A number that the vendor's table
does not know is told with its number: silence would be a lie.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from drivers.batch import Batch
from drivers.record import CLEAR, Alert, Quality, Reason, Sample
from drivers.source import Code, StatusAlert

FEED = "status_bit"
_NOT_SAID = Reason.SUBSTITUTE | Reason.INITIAL | Reason.MANUAL  # not the device's own word of now
_WORD = 64  # bits of the longest alarm word


class StatusBits:
    """What each status register claims now: a new claim raises an alert, one that is gone is taken back under its id.

    A code that changes from A to B ends A and raises B; each bit of an alarm word is an alert of its own. `standing`
    are the alerts that were active when the program last ran, so that what is still claimed is not told as new;
    `names` (tag number -> name) make them known again when the numbers of the tags have changed.
    """

    def __init__(
        self, rows: Sequence[StatusAlert], standing: Iterable[Alert] = (), names: Mapping[int, str] | None = None
    ) -> None:
        self._names = names or {}
        self._rows: dict[int, list[tuple[str, StatusAlert]]] = {}
        for row in rows:
            register = f"{FEED}:{self._names.get(row.tag, row.tag)}"
            self._rows.setdefault(row.tag, []).append((register, row))
        self._watched = np.zeros(2 + max(self._rows, default=-1), bool)  # by tag number; the last stands for all beyond
        self._watched[list(self._rows)] = True
        self._read_us: dict[str, int] = {}  # register -> when it last said something, or a little before
        self._raised: dict[str, dict[str, Alert]] = {}  # by register, then by the key of the claim
        for one in standing:
            key = one.alert_id.rpartition("@")[0]
            if one.feed == FEED:
                self._raised.setdefault(key.partition("#")[0], {})[key] = one

    def take(self, batch: Batch) -> list[Alert]:
        """The alerts that this batch takes back and raises; `issued_us` is the device's own time, if it gives one."""
        alerts: list[Alert] = []
        watched = self._watched[np.minimum(batch.tag, len(self._watched) - 1)]
        for index in np.flatnonzero(watched & (batch.quality != Quality.BAD)) if watched.any() else ():
            sample = batch.row(int(index))
            value = sample.value
            if isinstance(value, str) and value.isdecimal() and value.isascii():
                value = int(value)  # a word of 64 bits
            if not isinstance(value, int | float) or sample.reasons & _NOT_SAID:
                continue
            for register, row in self._rows[sample.tag]:
                alerts += self._changes(register, _claims(register, row, value), row, sample)
                # on a slow line the poll may have ended seconds after this register was read
                self._read_us[register] = batch.receive_us if batch.began_us is None else batch.began_us
        return alerts

    def _changes(self, register: str, claims: Mapping[str, Code], row: StatusAlert, sample: Sample) -> Iterator[Alert]:
        raised = self._raised.setdefault(register, {})
        for key in [key for key in raised if key not in claims]:
            old = raised.pop(key)
            code = Code(old.text, old.component, old.failure_mode, old.severity)
            yield replace(_alert(row, code, sample, old.alert_id), active=False)
        for key, code in claims.items():
            if key not in raised:
                raised[key] = _alert(row, code, sample, f"{key}@{sample.receive_us}", self._read_us.get(register))
                yield raised[key]


def _claims(register: str, row: StatusAlert, value: float) -> dict[str, Code]:
    """What a value asks for, by the key under which each claim stands; a word with no bit set, or code 0, is none."""
    if not value:
        return {}
    if not row.codes_are:
        return {register: Code(row.text, row.component, row.failure_mode, row.severity)}
    number = int(value)
    if row.codes_are == "code" or number != value or not 0 < number < 1 << _WORD:
        word, numbers = "code", [number if number == value else value]
    else:
        word, numbers = "bit", [bit for bit in range(_WORD) if number >> bit & 1]
    return {f"{register}#{one}": _code(row, word, one) for one in numbers}


def _code(row: StatusAlert, word: str, number: float) -> Code:
    known = row.codes.get(number) if isinstance(number, int) else None
    name = f"{word} {number}"
    if isinstance(number, int) and 0xFFF < number < 1 << _WORD:
        name += f" = 0x{number:X}"  # manuals and panels print long codes so
    if known is None:
        table = f"the table {row.text}" if row.text else "the vendor's table"
        return Code(f"{name}, not in {table}", row.component, row.failure_mode or f"{word} {number}", row.severity)
    return Code(f"{known.text} ({name})", known.component or row.component, known.failure_mode, known.severity)


def _alert(row: StatusAlert, code: Code, sample: Sample, alert_id: str, clear_us: int | None = None) -> Alert:
    return Alert(
        alert_id=alert_id,
        origin="vendor",
        asset=row.asset,
        component=code.component,
        failure_mode=code.failure_mode,
        severity=code.severity,
        text=code.text,
        received_us=sample.receive_us,
        issued_us=sample.source_us,
        vendor=row.vendor,
        feed=FEED,
        extra={} if clear_us is None else {CLEAR: str(clear_us)},
    )
