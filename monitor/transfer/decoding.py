"""One row of a foreign file -> samples, or the reason why not. Pure; nothing is guessed and nothing is mended."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from drivers.record import Quality, Reason, quality_of
from monitor.transfer.dates import ANY, any_moment
from monitor.transfer.foreign import Foreign, Row, Utc
from monitor.transfer.impossible import why_impossible
from monitor.transfer.mapping import Target, Times, ValueMapping
from monitor.transfer.times import HOUR_US, LocalTimeFault, utc_us
from monitor.words import clean, utc_text

_EXACT = 2**53
_TEXT_LIMIT = 1_000  # characters of a value that is text
_MOST_BACK = timedelta(hours=3)  # times that lie farther apart are not of the same doubled hour


@dataclass(frozen=True, slots=True)
class Decoded:
    """A sample as it would come in."""

    target: Target
    at_us: int
    value: float | None
    exact: str | None
    reasons: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A cell that cannot come in, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Strange:
    """A sample of a name that the mapping does not have."""

    name: str


class Clock:
    """Times of a file. In an hour that happens twice the order of the rows may tell which it is, for each series."""

    def __init__(self, times: Times, now_us: int) -> None:
        self._times, self._now_us = times, now_us
        self._last: dict[str, datetime] = {}
        self._parse = lru_cache(maxsize=65_536)(self._parsed)

    def us(self, cells: tuple[Any, ...], series: str, *, ahead: bool = False) -> int:
        """UTC [us]; ValueError in words. `ahead`: it may lie in the future."""
        told = self._parse(cells)
        if isinstance(told, datetime):
            told = self._local(told, series)
        if not ahead and told > self._now_us + HOUR_US:
            raise ValueError("lies in the future")
        return told

    def day(self, at_us: int) -> str:
        """The day that begins at this moment where its times are written, as 2026-11-23; another moment in UTC."""
        moment = datetime.fromtimestamp(at_us / 1e6, self._times.zone or UTC)
        return utc_text(at_us) if any((moment.hour, moment.minute, moment.second)) else f"{moment:%Y-%m-%d}"

    def _parsed(self, cells: tuple[Any, ...]) -> int | datetime:
        """UTC [us], or a local time of the zone."""
        one = cells[0] if len(cells) == 1 else " ".join(str(cell).strip() for cell in cells)
        form = self._times.form
        if isinstance(one, Utc):
            return utc_us(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one.us), UTC)
        if isinstance(one, datetime):
            return self._zoned(one)
        if form in ("epoch_s", "epoch_ms"):
            number = float(one)
            if not math.isfinite(number):
                raise ValueError("not a number")
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number if form == "epoch_s" else number / 1e3)
            return utc_us(moment, UTC)
        text = str(one).strip()
        if form.startswith(ANY):
            return self._zoned(any_moment(text, form.removeprefix(ANY).strip()))
        moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        return self._zoned(moment)

    def _zoned(self, moment: datetime) -> int | datetime:
        if moment.tzinfo is not None:
            return utc_us(moment, UTC)
        if self._times.zone is None:
            raise ValueError("names no zone; give time.zone in the mapping")
        try:
            return utc_us(moment, self._times.zone)
        except LocalTimeFault:
            if self._times.twice == "refuse" or "twice" not in _fault(moment, self._times.zone):
                raise
            return moment

    def _local(self, moment: datetime, series: str) -> int:
        zone = self._times.zone
        assert zone is not None
        fold = 1 if self._times.twice == "second" else 0
        if self._times.twice == "in_order":
            last = self._last.get(series)
            near = last is not None and abs(moment - last) < _MOST_BACK
            fold = int(near and last is not None and (last.fold == 1 or moment <= last))
            self._last[series] = moment.replace(fold=fold)
        return utc_us(moment.replace(tzinfo=zone, fold=fold).astimezone(UTC), UTC)


def _fault(moment: datetime, zone: ZoneInfo) -> str:
    try:
        utc_us(moment, zone)
    except LocalTimeFault as fault:
        return str(fault)
    return ""


def number_reader(decimal: str, thousands: str) -> Callable[[str], float]:
    """A function from text to a number with this decimal mark; ValueError where the text has another form."""
    mark = re.escape(decimal)
    form = re.compile(
        rf"[+-]?([0-9]+|[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+)({mark}[0-9]*)?([eE][+-]?[0-9]{{1,3}})?"
        if thousands
        else rf"[+-]?([0-9]+({mark}[0-9]*)?|{mark}[0-9]+)([eE][+-]?[0-9]{{1,3}})?"
    )

    def read(text: str) -> float:
        if not form.fullmatch(text):
            raise ValueError(f"{clean(text, 40)!r} is no number with decimal mark {decimal!r}")
        plain = text.replace(thousands, "") if thousands else text
        return float(plain.replace(decimal, "."))

    return read


class Decoder:
    """The rows of one file by one mapping."""

    def __init__(self, file: Foreign, told: ValueMapping, now_us: int) -> None:
        self._told, self._clock = told, Clock(told.times, now_us)
        self._times = [file.column(name, "time.column") for name in told.times.columns]
        self._number = number_reader(told.file.decimal or ".", told.file.thousands)
        self._quality = lru_cache(maxsize=4_096)(self._quality_of)
        self.strange: list[str] = []  # headings that nothing maps
        if told.long:
            self._tag = file.column(told.long.tag, "long.tag")
            self._value = file.column(told.long.value, "long.value")
            self._state = file.column(told.long.quality, "long.quality") if told.long.quality else None
            self._detail = file.column(told.long.detail, "long.detail") if told.long.detail else None
        else:
            self._wide = [(file.column(name, "tag.from"), target) for name, target in told.targets.items()]
            taken = {*self._times, *(at for at, _ in self._wide)}
            self.strange = [name for at, name in enumerate(file.head) if at not in taken]

    def decode(self, row: Row) -> Iterator[Decoded | Refused | Strange]:
        """What a row holds; nothing for a cell that says that there is no sample."""
        if row.fault:
            yield Refused(row.fault)
        elif self._told.long:
            yield from self._long(row)
        else:
            try:
                at_us = self._clock.us(tuple(row.cells[at] for at in self._times), "")
            except (ValueError, OverflowError, TypeError) as fault:
                yield Refused(f"time: {clean(fault, 160)}")
                return
            for place, target in self._wide:
                yield from self._sample(target, at_us, row.cells[place], Reason.OK, "")

    def _long(self, row: Row) -> Iterator[Decoded | Refused | Strange]:
        name = str(row.cells[self._tag]).strip()
        target = self._told.targets.get(name)
        if target is None:
            yield Strange(name)
            return
        try:
            at_us = self._clock.us(tuple(row.cells[at] for at in self._times), name)
            reasons, detail = (Reason.OK, "") if self._state is None else self._quality(row.cells[self._state])
        except (ValueError, OverflowError, TypeError) as fault:
            yield Refused(clean(fault, 200))
            return
        if self._detail is not None and row.cells[self._detail] is not None:
            detail = clean(row.cells[self._detail], 160)
        yield from self._sample(target, at_us, row.cells[self._value], reasons, detail)

    def _sample(
        self, target: Target, at_us: int, cell: Any, reasons: Reason, detail: str
    ) -> Iterator[Decoded | Refused]:
        reasons |= Reason.IMPORTED
        if cell is None or (isinstance(cell, str) and cell.strip() in self._told.missing):
            if reasons & ~Reason.IMPORTED:  # the origin says why there is none
                yield Decoded(target, at_us, None, None, reasons | Reason.GAP, detail)
            return
        if isinstance(cell, str) and cell.strip() in self._told.lost:
            yield Decoded(target, at_us, None, None, reasons | Reason.GAP, detail or clean(cell, 40))
            return
        try:
            value, exact = self._value_of(target, cell)
        except (ValueError, OverflowError) as fault:
            yield Refused(f"{target.tag.name}: {clean(fault, 160)}")
            return
        if value is not None and quality_of(reasons) < Quality.BAD:
            reasons |= why_impossible(target.tag, value, (value - target.offset) / target.factor)
        yield Decoded(target, at_us, value, exact, reasons, detail)

    def _value_of(self, target: Target, cell: Any) -> tuple[float | None, str | None]:
        if isinstance(cell, bool):
            return float(cell), None
        if isinstance(cell, int | float):
            number = float(cell)
            text = str(cell)
        elif isinstance(cell, str):
            text = cell.strip()
            try:
                number = self._number(text)
            except ValueError:
                if not target.text:
                    raise
                if len(text) > _TEXT_LIMIT:
                    raise ValueError(f"a text of more than {_TEXT_LIMIT} characters") from None
                return None, text
        else:
            raise ValueError(f"{type(cell).__name__} is neither number nor text")
        if not math.isfinite(number):
            raise ValueError(f"{clean(cell, 40)!r} is no number; name it in [missing] if it stands for none")
        if (target.factor, target.offset) == (1.0, 0.0):
            whole = re.fullmatch(r"[+-]?[0-9]+", text)
            return number, str(int(text)) if whole and abs(int(text)) > _EXACT else None
        scaled = number * target.factor + target.offset
        if not math.isfinite(scaled):
            raise ValueError(f"{clean(cell, 40)!r} is no number any more with factor and offset")
        return scaled, None

    def _quality_of(self, cell: Any) -> tuple[Reason, str]:
        """(reasons, detail) of a quality cell; ValueError for a word that the mapping does not have."""
        word = "" if cell is None else str(cell).strip()
        if word in self._told.qualities:
            reasons = self._told.qualities[word]
            return reasons, clean(word, 60) if reasons else ""
        if self._told.opc:
            from drivers.opcua.status import reasons_of_status

            try:
                code = int(word, 16 if word.lower().startswith("0x") else 10)
            except ValueError:
                raise ValueError(f"quality {clean(word, 40)!r} is no status code") from None
            if not 0 <= code < 2**32:
                raise ValueError(f"quality {clean(word, 40)!r} is no status code")
            reasons = reasons_of_status(code)
            return reasons, f"0x{code:08X}" if code else ""
        if not self._told.qualities:
            raise ValueError("quality: the mapping has no [quality]; say what its words mean")
        raise ValueError(f"quality {clean(word, 40)!r} is not in the mapping; add it to [quality.words]")


def counted(strange: Mapping[str, int], limit: int = 10) -> str:
    """The names that nothing maps, the most frequent first."""
    order = sorted(strange.items(), key=lambda one: -one[1])
    more = f" and {len(order) - limit} more" if len(order) > limit else ""
    return ", ".join(f"{clean(name, 40)} ({count})" for name, count in order[:limit]) + more
