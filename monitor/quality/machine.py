"""The machine: remembers per tag what the checks need, and adds reasons to each batch.

What a batch of just these tags in this order needs is worked out once (`_Poll`) and found again by the bytes of its tag
array: a full poll of a source is a slice of every array, and no check looks at tags that it does not concern.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivers.batch import NO_TIME, Batch, quality_array
from drivers.record import BAD_REASONS, Quality, Reason, Tag
from monitor.plant import Asset
from monitor.quality.counters import LATE_S, REASONS, WORDS, counter_step
from monitor.quality.crosscheck import Check, CrossWatch
from monitor.quality.layout import Layout
from monitor.quality.noise import COLLAPSED, NoiseWatch
from monitor.quality.sampling import Sampling

RATE_WINDOW_S = 60.0  # one step of a coarse register within one poll is no rate
SPIKE_WINDOW, SPIKE_SIGMA, SPIKE_LEAST_SHARE = 11, 3 * 1.4826, 0.05
AHEAD_US, BACKWARDS_US = 5_000_000, 2_000_000
OLD_S = 60.0  # so old, and older than three periods, a source time is not that of a value which has just changed
POLLS_KEPT = 8  # per source: each of its cadences, and what a subscription brings again and again
_GAP = np.uint32(BAD_REASONS | Reason.STALE)
_BREAK = np.uint32(Reason.BREAK)
_BY_HAND = np.uint32(Reason.FORCED | Reason.SUBSTITUTE | Reason.MANUAL | Reason.CHECK_FUNCTION)
_BAD_ROWS = np.uint32(BAD_REASONS)
_FROZEN, _CROSSCHECK = np.uint32(Reason.FROZEN), np.uint32(Reason.CROSSCHECK)
_REMEMBERED = (  # per tag, from one configuration to the next
    "seen_s", "reasons", "value", "source_us", "_received_us", "_late", "_standing", "_last", "_ran_at_change",
    "_anchor", "_anchor_s", "_epoch_seen", "_count", "_count_s", "_running",
)  # fmt: skip
Rows = np.ndarray | slice


def _where(mask: np.ndarray, reason: Reason) -> np.ndarray:
    """The reason (u32) where the mask holds, else 0."""
    return np.where(mask, np.uint32(reason), np.uint32(0))


def _slice(numbers: np.ndarray) -> Rows:
    """The same places as a slice, where they follow one another."""
    if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1 and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


@dataclass(slots=True)
class _Part:
    """The rows of a batch that one check concerns, and their tags."""

    rows: Rows
    tag: Rows
    index: np.ndarray  # the rows as numbers
    numbers: np.ndarray  # the tags as numbers
    group: np.ndarray


@dataclass(slots=True)
class _Poll:
    """What a batch with these tags in this order needs. A tag that comes again goes into a further layer."""

    tag: np.ndarray
    at: Rows
    layers: tuple[np.ndarray, ...]  # rows; empty where no tag comes twice
    runs: _Part | None = None
    frozen: _Part | None = None
    rate: _Part | None = None
    spike: _Part | None = None
    count: _Part | None = None
    turns: int = field(default=-1)  # how many starts and stops there had been when it was last seen


class QualityMachine:
    """Judges batches. `mono_s` is a monotonic clock, handed in [s]."""

    def __init__(
        self, tags: Sequence[Tag], every_s: Mapping[str, float], sites: Mapping[str, str], mono_s: float,
        *, assets: Sequence[Asset] = (), checks: Sequence[Check] = (), level_rate: Mapping[int, float] | None = None,
    ) -> None:  # fmt: skip
        """`every_s`: poll period by source [s]; `sites`: site by asset; `mono_s`: the time at which waiting begins.

        `level_rate`: by tag number, how fast a level can move at most [m/min].
        """
        self.layout = layout = Layout(tags, every_s, sites, assets, level_rate)
        size = layout.size
        self._polls: dict[str, dict[bytes, _Poll]] = {}
        # what is remembered per tag
        self.seen_s = np.full(size, mono_s)
        self.reasons = np.full(size, int(Reason.INITIAL), np.uint32)
        self.value = np.full(size, np.nan)
        self.source_us = np.full(size, NO_TIME, np.int64)
        self._received_us = np.full(size, NO_TIME, np.int64)
        self._old_after_us = 1e6 * np.maximum(layout.stale_after, OLD_S)
        self._late = np.zeros(size, bool)  # its source dates changes back
        self._standing = np.zeros(size, np.uint32)  # what the slow checks say of it until they say otherwise
        self._last = np.full(size, np.nan)
        self._ran_at_change = np.zeros(size)
        self._anchor, self._anchor_s = np.full(size, np.nan), np.zeros(size)
        self._window_of = np.cumsum(np.isfinite(layout.span)) - 1  # only tags with a span have a window
        self._window = np.full((int(np.isfinite(layout.span).sum()), SPIKE_WINDOW), np.nan)
        self._epoch_seen = np.zeros(size, np.int64)
        self._count, self._count_s = np.full(size, np.nan), np.zeros(size)  # the last counter reading believed
        self._odd: dict[int, tuple[float, float]] = {}  # counter reading not yet believed, and when it came
        # and per group
        self._running = np.zeros(size, bool)
        self._on = np.zeros(layout.groups, np.int64)  # how many of its pumps run
        self._ran_s, self._since_s = np.zeros(layout.groups), np.zeros(layout.groups)
        self._epoch = np.zeros(layout.groups, np.int64)
        self._turns = 0
        self._clock_s = mono_s
        # slow checks, once per tick
        self._sampling = Sampling(layout, mono_s)
        self.noise = NoiseWatch(layout)
        self._cross = CrossWatch(layout, checks, self._sampling, mono_s)

    def take_over(self, old: "QualityMachine", numbers: Sequence[int]) -> None:
        """Go on with what `old` remembers of these tags, which are the same in both configurations."""
        tag, now, before = np.array(numbers, np.int64), self.layout, old.layout
        for name in _REMEMBERED:
            getattr(self, name)[tag] = getattr(old, name)[tag]
        spiky = tag[np.isfinite(now.span[tag]) & np.isfinite(before.span[tag])]
        self._window[self._window_of[spiky]] = old._window[old._window_of[spiky]]
        self._odd = {number: odd for number, odd in old._odd.items() if number in set(numbers)}
        self._turns, self._clock_s = old._turns, old._clock_s
        for number in np.flatnonzero(self._running).tolist():
            for group in dict.fromkeys(now.members[number]):
                self._on[group] += 1
        for name, group in now.group_names.items():
            if (was := before.group_names.get(name)) is not None:
                self._epoch[group], self._since_s[group] = old._epoch[was], old._since_s[was]
                self._ran_s[group] = old._ran_s[was]
                if old._on[was] and not self._on[group]:
                    self._ran_s[group] += self._clock_s - old._since_s[was]
        theirs = {group: name for name, group in before.group_names.items()}
        ours = {group: name for name, group in now.group_names.items()}
        moved = [at for at in numbers if theirs[int(before.group[at])] != ours[int(now.group[at])]]
        self._last[moved] = np.nan  # it follows other pumps now: how long it stood while they ran is not known
        self._sampling.take_over(old._sampling, tag)
        self.noise.take_over(old.noise, tag)
        self._standing &= ~_CROSSCHECK
        self._standing[self._cross.take_over(old._cross, tag)] |= _CROSSCHECK

    def check(self, batch: Batch, mono_s: float) -> Batch:
        """The batch with the reasons of this house added; values untouched."""
        if not len(batch):
            return batch
        if batch.exact:
            batch = self._beyond(batch)
        self._clock_s = max(mono_s, self._clock_s)
        usable = (batch.reasons & _BAD_ROWS) == 0
        usable &= batch.quality < Quality.BAD
        if batch.exact:
            usable[list(batch.exact)] = False
        poll = self._poll(batch.source, batch.tag)
        if not poll.layers:
            extra, told = self._judge(
                poll, batch.value, batch.source_us, batch.reasons, usable, batch.receive_us, mono_s
            )
        else:
            extra, told = np.zeros(len(batch), np.uint32), {}
            for rows in poll.layers:
                part, words = self._judge(
                    self._poll(batch.source, batch.tag[rows]), batch.value[rows], batch.source_us[rows],
                    batch.reasons[rows], usable[rows], batch.receive_us, mono_s,
                )  # fmt: skip
                extra[rows] = part
                told |= {int(rows[row]): one for row, one in words.items()}
        return batch.with_reasons(extra, told) if told or extra.any() else batch

    def _beyond(self, batch: Batch) -> Batch:
        """Whole numbers that no float64 holds are measured against the limits alone; text (NaN) against nothing."""
        rows = np.fromiter(batch.exact, np.int64, len(batch.exact))
        tag, value = batch.tag[rows], batch.value[rows]
        out = (batch.quality[rows] < Quality.BAD) & (
            (value < self.layout.floor[tag]) | (value > self.layout.ceiling[tag])
        )
        if not out.any():
            return batch
        extra = np.zeros(len(batch), np.uint32)
        extra[rows[out]] = np.uint32(Reason.OUT_OF_RANGE)
        news = rows[out & ((self.reasons[tag] & np.uint32(Reason.OUT_OF_RANGE)) == 0)].tolist()
        return batch.with_reasons(extra, {row: self._words(int(batch.tag[row]), Reason.OUT_OF_RANGE) for row in news})

    def tick(self, mono_s: float) -> None:
        """The checks that need a longer look: noise and cross-checks. Once a second; `check` says what they find."""
        drawn = self._sampling.take(self.value, self.seen_s, self.reasons)
        moves = self._on[self.layout.group[drawn.tag]] > 0
        for tag, quiet in self.noise.take(drawn, moves, self._epoch[self.layout.site[drawn.tag]], mono_s):
            self._stand(tag, _FROZEN, quiet)
        for tag, contradicted in self._cross.take(drawn, mono_s):
            self._stand(tag, _CROSSCHECK, contradicted)

    def _stand(self, tag: int, reason: np.uint32, on: bool) -> None:
        self._standing[tag] = self._standing[tag] | reason if on else self._standing[tag] & ~reason

    def overdue(self, mono_s: float, now_us: int) -> list[Batch]:
        """STALE rows for tags that have just grown too old: the last value as it was, with its own old time.

        A tag whose last sample is bad stays bad for that reason and is not made stale: bad says more.
        """
        self._clock_s = max(mono_s, self._clock_s)
        quiet = (self.reasons & _GAP) == 0
        stale = np.flatnonzero(quiet & (mono_s - self.seen_s > self.layout.stale_after))
        if not len(stale):
            return []
        self.reasons[stale] |= np.uint32(Reason.STALE)
        unknown = stale[self.layout.runs[stale]]
        self._turn(unknown, np.zeros(len(unknown), bool))
        by_source: dict[str, list[int]] = {}
        for number in stale.tolist():
            by_source.setdefault(self.layout.tag(number).source, []).append(number)
        return [self._stale_batch(source, np.array(numbers, np.int32), now_us) for source, numbers in by_source.items()]

    def _stale_batch(self, source: str, tag: np.ndarray, now_us: int) -> Batch:
        taken = np.where(self.source_us[tag] == NO_TIME, self._received_us[tag], self.source_us[tag])
        reasons = self.reasons[tag]
        return Batch(source, now_us, tag, taken, self.value[tag], quality_array(reasons), reasons)

    # what a batch needs

    def _poll(self, source: str, tag: np.ndarray) -> _Poll:
        kept = self._polls.setdefault(source, {})
        key = tag.tobytes()
        if (poll := kept.get(key)) is None:
            poll = kept[key] = self._plan(tag.copy())
            if len(kept) > POLLS_KEPT:
                del kept[next(iter(kept))]
        return poll

    def _plan(self, tag: np.ndarray) -> _Poll:
        if len(np.unique(tag)) < len(tag):
            seen: Counter[int] = Counter()
            layers: list[list[int]] = []
            for row, number in enumerate(tag.tolist()):
                if seen[number] == len(layers):
                    layers.append([])
                layers[seen[number]].append(row)
                seen[number] += 1
            return _Poll(tag, tag, tuple(np.array(rows) for rows in layers))
        layout = self.layout

        def part(mask: np.ndarray) -> _Part | None:
            rows = np.flatnonzero(mask[tag])
            if not len(rows):
                return None
            return _Part(_slice(rows), _slice(tag[rows]), rows, tag[rows], layout.group[tag[rows]])

        return _Poll(
            tag, _slice(tag), (), runs=part(layout.runs), frozen=part(np.isfinite(layout.frozen_after)),
            rate=part(np.isfinite(layout.rate)), spike=part(np.isfinite(layout.span)), count=part(layout.counts),
        )  # fmt: skip

    # the checks

    def _judge(
        self, poll: _Poll, value: np.ndarray, source_us: np.ndarray, given: np.ndarray, usable: np.ndarray,
        receive_us: int, mono_s: float,
    ) -> tuple[np.ndarray, dict[int, str]]:  # fmt: skip
        """Reasons to add to each row, and the words of those that are news; no tag comes twice."""
        at, layout = poll.at, self.layout
        live = usable & (value >= layout.floor[at]) & (value <= layout.ceiling[at])
        before = self.reasons[at]
        extra = layout.estimated[at] | self._standing[at]
        if not live.all():
            extra = np.where(live, extra, layout.estimated[at])
            number = np.isfinite(value)
            extra |= _where(usable & ~number, Reason.SENTINEL)
            extra |= _where(usable & number & ~live, Reason.OUT_OF_RANGE)
        told: dict[int, str] = {}
        if source_us.max() != NO_TIME:
            extra |= self._clock(source_us, self.source_us[at], receive_us)
            extra |= self._dated_back(poll, value, source_us, usable, before, receive_us, told)
        dated_back = frozenset(told)
        if poll.runs is not None:
            rows = poll.runs.rows
            self._turn(poll.runs.numbers, live[rows] & (value[rows] > 0.5))
        self._forget(poll, live, before, given)
        by_hand = (given & _BY_HAND) != 0 if given.any() else None
        if poll.frozen is not None:
            self._frozen(poll.frozen, value, live, by_hand, extra)
        if poll.rate is not None:
            self._too_fast(poll.rate, value, live, mono_s, extra)
        if poll.spike is not None:
            self._spike(poll.spike, value, live, extra)
        if poll.count is not None:
            self._counters(poll.count, value, live, mono_s, extra, told)
        reasons = given | extra
        news = extra & ~before
        if news.any():
            for row in np.flatnonzero(news).tolist():
                new = Reason(int(news[row]))
                words = self._words(int(poll.tag[row]), new & ~Reason.CLOCK if row in dated_back else new)
                if words:
                    told[row] = f"{words}; {told[row]}" if row in told else words
        self.seen_s[at], self.reasons[at], self.value[at] = mono_s, reasons, value
        self.source_us[at], self._received_us[at] = source_us, receive_us
        return extra, told

    @staticmethod
    def _clock(source_us: np.ndarray, last: np.ndarray, receive_us: int) -> np.ndarray:
        """CLOCK where the source's time is ahead of ours or ran backwards."""
        has = source_us != NO_TIME
        ahead = has & (source_us > receive_us + AHEAD_US)
        backwards = has & (last != NO_TIME) & (source_us < last - BACKWARDS_US)
        return _where(ahead | backwards, Reason.CLOCK)

    def _dated_back(
        self, poll: _Poll, value: np.ndarray, source_us: np.ndarray, usable: np.ndarray, before: np.ndarray,
        receive_us: int, told: dict[int, str],
    ) -> np.ndarray:  # fmt: skip
        """CLOCK where a value that has just changed is said to be old; an unchanged one may keep its time for ever.

        The first value, and the first after a gap, may have changed while nobody looked.
        """
        at = poll.at
        last, last_us, was = self.value[at], self.source_us[at], self._late[at]
        has = source_us != NO_TIME
        changed = (value != last) & np.isfinite(value) & np.isfinite(last)
        changed &= (source_us != last_us) & (last_us != NO_TIME) & ((before & _GAP) == 0)
        late = has & usable & (was | changed) & (receive_us - source_us > self._old_after_us[at])
        self._late[at] = late | (was & ~has)
        for row in np.flatnonzero(late & ((before & np.uint32(Reason.CLOCK)) == 0)).tolist():
            told[row] = f"source time is {(receive_us - int(source_us[row])) / 60e6:.0f} min old"
        return _where(late, Reason.CLOCK)

    def _ran(self, group: np.ndarray) -> np.ndarray:
        """How long the pumps of each of these groups have run [s]."""
        ran: np.ndarray = self._ran_s[group]
        return ran + np.where(self._on[group] > 0, self._clock_s - self._since_s[group], 0.0)

    def _turn(self, tag: np.ndarray, running: np.ndarray) -> None:
        """Take in which pumps run; an unknown state counts as not running, so that nothing is called frozen by it."""
        changed = running != self._running[tag]
        if not changed.any():
            return
        self._running[tag] = running
        for number, on in zip(tag[changed].tolist(), running[changed].tolist(), strict=True):
            self._turns += 1
            for group in dict.fromkeys(self.layout.members[number]):
                self._epoch[group] += 1
                if on and not self._on[group]:
                    self._since_s[group] = self._clock_s
                self._on[group] += 1 if on else -1
                if not on and not self._on[group]:
                    self._ran_s[group] += self._clock_s - self._since_s[group]

    def _forget(self, poll: _Poll, live: np.ndarray, before: np.ndarray, given: np.ndarray) -> None:
        """Begin anew after a gap and at a break (all), and after a start or stop at the site (rate and spike only)."""
        at = poll.at
        gap = (before & _GAP | given & _BREAK) != 0
        if gap.any() and (gap := gap & live).any():
            self._last[poll.tag[gap]] = np.nan
        elif poll.turns == self._turns:
            return
        poll.turns = self._turns
        epoch = self._epoch[self.layout.site[at]]
        anew = poll.tag[gap | (self._epoch_seen[at] != epoch)]
        self._anchor[anew] = np.nan
        self._window[self._window_of[anew[np.isfinite(self.layout.span[anew])]]] = np.nan
        self._epoch_seen[at] = epoch

    def _frozen(
        self, part: _Part, value: np.ndarray, live: np.ndarray, by_hand: np.ndarray | None, extra: np.ndarray
    ) -> None:
        """FROZEN where a value (or counter) has not moved by one bit while its pumps ran long enough."""
        tag, value, live = part.tag, value[part.rows], live[part.rows]
        ran = self._ran(part.group)
        last = self._last[tag]
        moved = live & (value != last)
        changed_at = np.where(moved, ran, self._ran_at_change[tag])
        self._last[tag], self._ran_at_change[tag] = np.where(moved, value, last), changed_at
        stood_s = ran - changed_at
        frozen = live & ~moved & (stood_s >= self.layout.frozen_after[tag])
        if not frozen.any():
            return
        frozen &= self.layout.zero_moves[tag] | (value != 0.0)
        if by_hand is not None:
            frozen &= ~by_hand[part.rows]
        steps = self.layout.float_step[tag]
        for row in np.flatnonzero(frozen & (steps > 0)):  # a large f32 counter moves in coarse steps
            step = float(np.spacing(np.float32(abs(value[row])))) * steps[row]
            frozen[row] = stood_s[row] >= self.layout.frozen_after[tag][row] * max(1.0, 1.5 * step)
        extra[part.index[frozen]] |= _FROZEN

    def _too_fast(self, part: _Part, value: np.ndarray, live: np.ndarray, mono_s: float, extra: np.ndarray) -> None:
        """RATE where a value moved further within the window than its physics allows."""
        tag, value, live = part.tag, value[part.rows], live[part.rows]
        anchor, since_s = self._anchor[tag], self._anchor_s[tag]
        age_s = mono_s - since_s
        room = self.layout.rate[tag] * np.maximum(age_s, RATE_WINDOW_S) / 60.0 + self.layout.unrest[tag]
        fast = live & (np.abs(value - anchor) > room)  # NaN: nothing to measure from yet
        if fast.any():
            extra[part.index[fast]] |= np.uint32(Reason.RATE)
        begins = live & ((age_s >= RATE_WINDOW_S) | np.isnan(anchor))
        if begins.any():
            self._anchor[part.numbers[begins]], self._anchor_s[part.numbers[begins]] = value[begins], mono_s

    def _spike(self, part: _Part, value: np.ndarray, live: np.ndarray, extra: np.ndarray) -> None:
        """SPIKE by Hampel's rule over the last 11 values, this one among them; needs the sensor's span."""
        value, live = value[part.rows], live[part.rows]
        place = self._window_of[part.tag]
        old = self._window[place]
        window = np.concatenate([old[:, 1:], value[:, None]], axis=1)
        if not live.all():
            window[~live] = old[~live]
        self._window[place] = window
        least = SPIKE_LEAST_SHARE * self.layout.span[part.tag]
        wide = live & (window.max(axis=1) - window.min(axis=1) > least)  # NaN: not yet full
        if not wide.any():
            return
        wide = np.flatnonzero(wide)
        window = np.sort(window[wide], axis=1)
        middle = SPIKE_WINDOW // 2
        median = window[:, middle]
        mad = np.sort(np.abs(window - median[:, None]), axis=1)[:, middle]
        far = np.abs(value[wide] - median) > np.maximum(SPIKE_SIGMA * mad, least[wide])
        extra[part.index[wide[far]]] |= np.uint32(Reason.SPIKE)

    def _counters(
        self, part: _Part, value: np.ndarray, live: np.ndarray, mono_s: float, extra: np.ndarray, told: dict[int, str]
    ) -> None:
        """SPEC where a counter went back, RATE where it ran further than it can; with words on that very row."""
        tag, value, live = part.tag, value[part.rows], live[part.rows]
        last, since_s = self._count[tag], self._count_s[tag]
        step = value - last
        room = self.layout.most_per_h[tag] * (mono_s - since_s + LATE_S) / 3600 + 2 * self.layout.least[tag]
        odd = live & ((step < 0) | (step > room))
        moved = live & ~odd & (step != 0)  # NaN != 0: the first reading is believed
        self._count[tag] = np.where(moved, value, last)
        self._count_s[tag] = np.where(moved, mono_s, since_s)
        for number in part.numbers[live & ~odd].tolist() if self._odd else ():
            self._odd.pop(number, None)  # it came back: the odd one stood alone
        for at in np.flatnonzero(odd).tolist():
            kind, row = self._odd_step(int(part.numbers[at]), float(value[at]), mono_s), int(part.index[at])
            if kind:
                told[row] = f"{told[row]}; {WORDS[kind]}" if row in told else WORDS[kind]
            if kind in REASONS:
                extra[row] |= np.uint32(REASONS[kind])

    def _odd_step(self, number: int, now: float, mono_s: float) -> str:
        """What a step is that is not simply forward; "" once a second reading confirms the first odd one."""
        where, most = self.layout.tag(number).where, float(self.layout.most_per_h[number])
        known = None if np.isinf(most) else most
        if number in self._odd:
            before, since_s = self._odd[number]
            if counter_step(before, now, where, mono_s - since_s, known).kind == "forward":
                del self._odd[number]
                self._count[number], self._count_s[number] = now, mono_s
                return ""
        kind = counter_step(self._count[number], now, where, mono_s - self._count_s[number], known).kind
        if kind in ("forward", "wrap"):
            self._odd.pop(number, None)
            self._count[number], self._count_s[number] = now, mono_s
        else:
            self._odd[number] = (now, mono_s)
        return "" if kind == "forward" else kind

    def _words(self, number: int, new: Reason) -> str:
        """What a person needs to understand a reason that has just appeared."""
        words = []
        if Reason.SENTINEL in new:
            words.append("not a finite number")
        if Reason.OUT_OF_RANGE in new:
            low, high = self.layout.low[number], self.layout.high[number]
            words.append(f"outside {low:g} .. {high:g}".replace("nan", "-"))
        if Reason.FROZEN in new:
            collapsed = self._standing[number] & _FROZEN
            words.append(COLLAPSED if collapsed else "stands still while the pump runs")
        if Reason.CROSSCHECK in new:
            words.append(self._cross.words(number))
        if Reason.CLOCK in new:
            words.append("source time ahead of ours or running backwards")
        return "; ".join(words)
