"""How the lines of a meter would have done on the utility's own past: judged day by day, each day by what came before.

All meters are walked together, since the accounts together say which one they point to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from monitor import meters
from monitor.labels import line_word, quantity_word
from monitor.meters.accounts import HOUR_S
from monitor.meters.judging import JUDGED_DAYS, Seen
from monitor.model.backtest import Backtest, Learned, Past, compare, horizon_us, told_of
from monitor.progress import Work
from monitor.state import State
from monitor.words import parse_utc

if TYPE_CHECKING:
    from monitor.plant import Settings

DAY_S = 86_400
DAY_H = 24
DAY_US = DAY_S * 1_000_000


@dataclass(frozen=True, slots=True)
class ByLine:
    """On how many days outside the learned window a line of a meter said what."""

    name: str
    ok: int
    warn: int
    act: int
    cannot_tell: int


@dataclass(frozen=True, slots=True)
class MeterPast:
    """What came of one meter's past."""

    whole: Backtest
    lines: tuple[ByLine, ...]

    @property
    def words(self) -> str:
        """The answer in one sentence."""
        return self.whole.words

    def rows(self, zone: tzinfo) -> Iterator[tuple[str, str]]:
        """All of it, one thing a row."""
        yield from self.whole.rows(zone)
        for one in self.lines:
            counts = ((one.ok, "ok"), (one.warn, "warn"), (one.act, "act"), (one.cannot_tell, "cannot_tell"))
            yield quantity_word(one.name), ", ".join(f"{n} d {line_word(word)}" for n, word in counts if n)

    def to_json(self) -> dict[str, Any]:
        """Plain values; times as UTC text."""
        lines = {one.name: {"ok": one.ok, "warn": one.warn, "act": one.act, "cannot_tell": one.cannot_tell}
                 for one in self.lines}  # fmt: skip
        return {**self.whole.to_json(), "lines": lines}


def days_of(start_us: int, end_us: int) -> range:
    """The ends of the days of a past [s, UTC]: what is judged."""
    first = start_us // 1_000_000 // HOUR_S * HOUR_S
    return range(first + DAY_S, end_us // 1_000_000 + 1, DAY_S)


def walk(
    state: State, settings: "Settings", models: Mapping[str, meters.MeterModel], span_us: tuple[int, int], work: Work
) -> list[dict[str, Seen]]:  # fmt: skip
    """What was said of each meter at the end of each day in [start, end) [us, UTC]; each day adds 1 to `work`."""
    days = days_of(*span_us)
    if not days:
        return []
    first_s = days[0] - JUDGED_DAYS * DAY_S
    read = {meter.id: meters.hours(state, settings, meter, first_s, days[-1]) for meter in meters.meters(settings)}
    known = {name: models.get(name, meters.MeterModel()) for name in read}

    def at(end_s: int) -> dict[str, Seen]:
        row = (end_s - first_s) // HOUR_S
        parts = {name: one.part(row - JUDGED_DAYS * DAY_H, row) for name, one in read.items()}
        return meters.at_hour(settings, parts, known, end_s)

    return [at(end_s) for end_s in work.over(days)]


def judged(state: State, settings: "Settings", walked: list[dict[str, Seen]], asset: str) -> MeterPast | None:
    """One meter's part of a walked past held against the ledger; None where nothing was read of it."""
    said = [one[asset] for one in walked]
    good = np.array([one.hours.part(-DAY_H, len(one.hours.values)).read.any() for one in said], bool)
    if not good.any():
        return None
    first = int(good.argmax())
    said, good = said[first:], good[first:]
    model = said[0].model
    window = (parse_utc(model.facts["window_start"]), parse_utc(model.facts["window_end"])) if model.sha256 else (0, 0)
    times = pd.DatetimeIndex([one.found.at for one in said]).as_unit("us")
    words = np.array([one.found.word for one in said], object)
    names = tuple(dict.fromkeys(line.name for one in said for line in one.found.lines))
    told = np.array([[{line.name: line.word for line in one.found.lines}.get(name, "cannot_tell") for name in names]
                     for one in said], object)  # fmt: skip
    shares = (told == "act").astype(float)
    past = Past(times, words, names, shares, good, words == "unknown", np.zeros(len(said), bool))
    learned = Learned(asset, model.sha256 or "", float(DAY_S), window, "meter")
    truth = told_of(state, asset, int(times.asi8[0]), int(times.asi8[-1]))
    outside = good & ((times.asi8 < window[0]) | (times.asi8 >= window[1]))
    lines = tuple(
        ByLine(name, *(int((told[outside, i] == word).sum()) for word in ("ok", "warn", "act", "cannot_tell")))
        for i, name in enumerate(names)
    )
    found = compare(learned, past, truth, horizon_us(settings))
    return MeterPast(replace(found, start_us=found.start_us - DAY_US, end_us=found.end_us - DAY_US), lines)
