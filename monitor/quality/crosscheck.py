"""Cross-checks: values that physics ties together, held against each other. What contradicts is uncertain, both sides.

    kind    compares                                                         default tolerance
    power   active power with voltage, current and power factor              5 %
    count   what a kWh or m3 counter counted with the integral of kW, m3/h   2 %
    leak    the flow of a pump that stands, with nothing                     2 % of rated flow
    sum     the flow of the whole with those of its parts                    5 %
    level   the change of a level times its area with what flows in and out  5 %

Each comparison carries its own doubt: the steps of coarse registers, readings taken at different moments, starts and
stops within the window. It speaks only where the doubt is below half of the tolerance, and a contradiction is one only
beyond tolerance plus doubt; three windows in a row must say the same before anything is said or taken back. A value
that is not there, stale or bad is compared with nothing: "cannot tell" leaves the last verdict as it stands.
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.quality.counters import ENOUGH_STEPS, counter_step, resolution, room_of
from monitor.quality.layout import Layout
from monitor.quality.sampling import Drawn, Sampling

WINDOW_S, LONGEST_S = 60.0, 86_400.0
WINDOW_POLLS = 4.0  # a window has at least so many polls of its slowest tag
IN_A_ROW = 3
MINUTES = 61  # a level is watched for so many windows at most
FLOOR = 0.1  # of the upper limit: below that share a tolerance in percent means nothing
LEAST_LOAD = 0.05  # of the upper limit of a power
# What a map calls voltage and current: of one line and its conductor, between lines, to neutral, or a sum of currents.
FACTORS = (1.0, math.sqrt(3.0), 3.0)
Known = tuple[float, float]  # a mean and its doubt


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison. `whole` and `parts` are tag numbers; what they mean is a matter of the kind."""

    kind: str  # power, count, leak, sum, level
    name: str  # what a person calls it
    tolerance: float  # share
    whole: int  # power, counter, flow, the whole, level
    parts: tuple[int, ...]  # voltage, current, power factor; rate; running; the parts; inflow and outflow
    signs: tuple[float, ...] = ()  # of a level: +1 inflow, -1 outflow
    size: float = 0.0  # upper limit of the power or sum [its unit]; rated flow [m3/h]; area [m2]

    @property
    def tags(self) -> tuple[int, ...]:
        return (self.whole, *self.parts)


def power_agrees(
    power: Known, voltage: Known, current: Known, factor: Known | None, tolerance: float, least: float
) -> bool | None:
    """Active power [kW] against U I cos phi times 1, sqrt 3 or 3, the nearest of them; without cos phi: not above."""
    if max(voltage[0], current[0]) <= 0 and power[0] == 0:
        return None
    cos = 1.0 if factor is None else abs(factor[0])
    apparent = voltage[0] * current[0] / 1000 * cos
    share: float = sum(
        known[1] / max(abs(known[0]), 1e-12) for known in (voltage, current, *((factor,) if factor else ()))
    )
    value = abs(power[0])
    nearest: float = min((one * apparent for one in FACTORS), key=lambda expected: abs(expected - value))
    if factor is None:
        nearest = FACTORS[-1] * apparent
    size = max(value, nearest)
    doubt = power[1] + nearest * share
    if size < least or doubt > tolerance * size / 2:
        return None
    over = value - nearest
    return (over if factor is None else abs(over)) <= tolerance * size + doubt


def sum_agrees(whole: Known, parts: Sequence[Known], tolerance: float, floor: float) -> bool | None:
    """The whole against the sum of its parts [same unit]."""
    total = sum(part[0] for part in parts)
    size = max(abs(whole[0]), sum(abs(part[0]) for part in parts), floor)
    doubt = whole[1] + sum(part[1] for part in parts)
    if doubt > tolerance * size / 2:
        return None
    return abs(whole[0] - total) <= tolerance * size + doubt


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the running totals of a tag stood."""

    value: float
    area: float
    fuzz: float
    covered: float
    breaks: int


@dataclass(frozen=True, slots=True)
class _Minute:
    """One window of a level: its mean, inflow less outflow, the larger of both, and their doubt [m3/h]."""

    level: Known
    net: float
    gross: float
    doubt: float


@dataclass(slots=True)
class _Watch:
    """One check at work."""

    check: Check
    every_s: float
    from_s: float
    marks: list[_Mark] = field(default_factory=list)  # of each tag when the window began
    said: bool = False
    hits: int = 0
    minutes: list[_Minute] = field(default_factory=list)
    counted: float = 0.0  # counter: total when the window began
    lost: int = 0
    step_before: float = 0.0  # largest step of the counter in the window before


class CrossWatch:
    """All checks of a configuration, each once per window of its own, spread over it."""

    def __init__(self, layout: Layout, checks: Sequence[Check], sampling: Sampling, mono_s: float) -> None:
        self._layout, self._sampling = layout, sampling
        size = layout.size
        self._counts = np.zeros(size, bool)
        self._counts[[check.whole for check in checks if check.kind == "count"]] = True
        self._counted, self._step = np.zeros(size), np.zeros(size)
        self._lost = np.zeros(size, np.int64)
        self._failing: dict[int, dict[str, None]] = {}  # tag -> names of the checks that contradict it
        self._watches = []
        self._due: list[tuple[float, int]] = []  # a heap: when [s], which
        for index, check in enumerate(checks):
            every_s = max(WINDOW_S, WINDOW_POLLS * max(float(layout.every_s[tag]) for tag in check.tags))
            self._due.append((mono_s + every_s * (1 + index / len(checks)), index))
            self._watches.append(_Watch(check, every_s, mono_s))
            self._open(self._watches[-1], mono_s)
        heapq.heapify(self._due)

    def take_over(self, old: "CrossWatch", tag: np.ndarray) -> np.ndarray:
        """Go on where `old` stands with these tags and the checks between them; gives the tags contradicted now."""
        for name in ("_counted", "_step", "_lost"):
            getattr(self, name)[tag] = getattr(old, name)[tag]
        known, kept = {watch.check: at for at, watch in enumerate(old._watches)}, set(tag.tolist())
        due, theirs = {at: due_s for due_s, at in self._due}, {at: due_s for due_s, at in old._due}
        for index, watch in enumerate(self._watches):
            before = known.get(watch.check)
            if before is not None and kept.issuperset(watch.check.tags):
                self._watches[index], due[index] = old._watches[before], theirs[before]
                if self._watches[index].said:
                    for one in watch.check.tags:
                        self._failing.setdefault(one, {})[watch.check.name] = None
        self._due = [(due_s, at) for at, due_s in due.items()]
        heapq.heapify(self._due)
        return np.array(list(self._failing), np.int64)

    def words(self, tag: int) -> str:
        """Which comparisons a tag fails."""
        return "contradicted: " + ", ".join(self._failing.get(tag, {}))

    def take(self, drawn: Drawn, mono_s: float) -> Iterator[tuple[int, bool]]:
        """Take in new samples and judge the windows that are full. Gives the tags whose verdict changed."""
        if self._watches:
            self._count(drawn)
        while self._due and self._due[0][0] <= mono_s:
            due_s, index = self._due[0]
            watch = self._watches[index]
            heapq.heapreplace(self._due, (max(due_s, mono_s - watch.every_s / 2) + watch.every_s, index))
            yield from self._close(watch, mono_s)

    def _count(self, drawn: Drawn) -> None:
        """Add up the counters; a step that cannot be told is a loss."""
        mine = self._counts[drawn.tag] & np.isfinite(drawn.step)
        tag, step, dt_s = drawn.tag[mine], drawn.step[mine].copy(), drawn.dt_s[mine]
        for row in np.flatnonzero((step < 0) | (step > room_of(dt_s, self._layout.most_per_h[tag], 0.0))).tolist():
            number, now, most = int(tag[row]), float(drawn.value[mine][row]), float(self._layout.most_per_h[tag[row]])
            known = None if math.isinf(most) else most
            told = counter_step(now - step[row], now, self._layout.tag(number).where, float(dt_s[row]), known)
            self._lost[number] += told.delta is None
            step[row] = told.delta or 0.0
        self._counted[tag] += step
        self._step[tag] = np.maximum(self._step[tag], step)

    def _close(self, watch: _Watch, mono_s: float) -> Iterator[tuple[int, bool]]:
        check = watch.check
        if check.kind == "count":
            verdict = self._count_agrees(watch, mono_s)
        else:
            known = self._means(watch, mono_s)
            self._open(watch, mono_s)
            if check.kind == "leak" and known and known[1][0] > 0:  # it runs: whatever leaked back does so no more
                watch.hits, watch.said = 0, False
                yield from self._tell(watch)
                return
            verdict = self._agrees(watch, known)
        if verdict is None:
            return
        watch.hits = 0 if watch.said != verdict else watch.hits + 1
        if watch.hits >= IN_A_ROW:
            watch.hits, watch.said = 0, not verdict
            yield from self._tell(watch)

    def _tell(self, watch: _Watch) -> Iterator[tuple[int, bool]]:
        """Enter a verdict with its tags; a tag is free when no check contradicts it."""
        for tag in watch.check.tags:
            failing = self._failing.setdefault(tag, {})
            before = bool(failing)
            if watch.said:
                failing[watch.check.name] = None
            else:
                failing.pop(watch.check.name, None)
            if before != bool(failing):
                yield tag, bool(failing)

    def _open(self, watch: _Watch, mono_s: float) -> None:
        watch.from_s = mono_s
        watch.marks = [self._mark(tag) for tag in watch.check.tags]

    def _mark(self, tag: int) -> _Mark:
        one = self._sampling
        return _Mark(float(one.value[tag]), float(one.area[tag]), float(one.fuzz[tag]), float(one.covered[tag]),
                     int(one.breaks[tag]))  # fmt: skip

    def _means(self, watch: _Watch, mono_s: float) -> list[Known] | None:
        """Mean and doubt of each tag over the window; None unless all of them are there all the time."""
        means = []
        for tag, mark in zip(watch.check.tags, watch.marks, strict=True):
            now = self._mark(tag)
            lasted_s = now.covered - mark.covered
            if now.breaks != mark.breaks or lasted_s < (mono_s - watch.from_s) / 2:
                return None
            # what changed within the window, the others may have seen one poll earlier or later
            apart = abs(now.value - mark.value) * float(self._layout.every_s[tag])
            doubt = (2 * math.sqrt(now.fuzz - mark.fuzz) + apart) / lasted_s + float(self._layout.least[tag]) / 2
            means.append(((now.area - mark.area) / lasted_s, doubt))
        return means

    def _agrees(self, watch: _Watch, known: list[Known] | None) -> bool | None:
        check = watch.check
        if known is None:
            watch.minutes.clear()
            return None
        first, rest = known[0], known[1:]
        if check.kind == "power":
            factor = rest[2] if len(rest) > 2 else None
            return power_agrees(first, rest[0], rest[1], factor, check.tolerance, LEAST_LOAD * check.size)
        if check.kind == "sum":
            return sum_agrees(first, rest, check.tolerance, FLOOR * check.size)
        if check.kind == "leak":
            return abs(first[0]) <= check.tolerance * check.size + first[1]
        return self._level_agrees(watch, first, rest)

    def _level_agrees(self, watch: _Watch, level: Known, flows: Sequence[Known]) -> bool | None:
        """What the level says flowed, against what flowed, over as many windows as it takes to know. Flows in m3/h."""
        check, layout, hours = watch.check, self._layout, watch.every_s / 3600
        net = sum(sign * flow[0] for sign, flow in zip(check.signs, flows, strict=True))
        ways = [sum(flow[0] for sign, flow in zip(check.signs, flows, strict=True) if sign == way) for way in (1, -1)]
        del watch.minutes[: 1 - MINUTES]
        watch.minutes.append(_Minute(level, net, max(ways), math.hypot(*(flow[1] for flow in flows))))
        if len(watch.minutes) < 3:
            return None
        start, end, hours_between = watch.minutes[0], watch.minutes[-1], hours * (len(watch.minutes) - 1)
        flowed = hours * (sum(one.net for one in watch.minutes) - (start.net + end.net) / 2)
        gross = hours * (sum(one.gross for one in watch.minutes) - (start.gross + end.gross) / 2)
        doubt = hours * math.hypot(*(one.doubt for one in watch.minutes))
        doubt += check.size * (start.level[1] + end.level[1])
        limits = max(float(np.nan_to_num(layout.high[tag])) for tag in check.parts)
        size = max(gross, FLOOR * limits * hours_between)
        if doubt > check.tolerance * size / 2:
            return None
        del watch.minutes[:-1]
        return bool(abs(check.size * (end.level[0] - start.level[0]) - flowed) <= check.tolerance * size + doubt)

    def _count_agrees(self, watch: _Watch, mono_s: float) -> bool | None:
        """A counter against the integral of its rate, over as long as a hundred of its steps take, at most a day."""
        check, layout = watch.check, self._layout
        counter, rate = check.tags
        (reading, flow), (reading_before, before) = [self._mark(tag) for tag in check.tags], watch.marks
        broken = reading.breaks != reading_before.breaks or flow.breaks != before.breaks
        if broken or watch.lost != int(self._lost[counter]) or flow.value < 0:
            self._reopen(watch, mono_s)
            return None
        length_s = mono_s - watch.from_s
        if length_s - (flow.covered - before.covered) > 2 * float(layout.every_s[rate]) + 2.0:
            return None
        expected = (flow.area - before.area) / 3600
        counted = float(self._counted[counter]) - watch.counted
        step = max(float(self._step[counter]), watch.step_before)
        size = max(counted, expected)
        apart_s = max(float(layout.every_s[counter]), float(layout.every_s[rate])) + 1.0
        fastest = max(flow.value, before.value, expected * 3600 / length_s)
        doubt = 2 * (math.sqrt(flow.fuzz - before.fuzz) + fastest * apart_s) / 3600 + step
        fine = resolution(reading.value, layout.tag(counter).where)
        enough = size >= ENOUGH_STEPS * max(step, fine) and doubt <= check.tolerance * size / 2
        if not enough or (step == 0 and length_s < LONGEST_S):
            if length_s >= LONGEST_S:
                self._reopen(watch, mono_s)
            return None
        self._reopen(watch, mono_s)
        return abs(counted - expected) <= check.tolerance * size + doubt

    def _reopen(self, watch: _Watch, mono_s: float) -> None:
        counter = watch.check.whole
        watch.step_before, self._step[counter] = float(self._step[counter]), 0.0
        watch.counted, watch.lost = float(self._counted[counter]), int(self._lost[counter])
        self._open(watch, mono_s)
