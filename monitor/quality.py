"""What the house itself thinks of the samples that a driver brought: a state machine, array in, array out.

A driver knows what the wire said; only somebody who remembers can see that a value stopped moving, jumped, left the
sensor's range or grew old. This machine adds reasons and never takes one away; it leaves every value as it came.
It covers all tags of a configuration at once, because what moves (a pump that runs) is often read over another source.

    check      reason         when
    number     sentinel       the decoded value is not a finite number and the driver gave no reason
    range      out_of_range   outside the hard limits of the sensor
    stale      stale          no sample for 3 poll periods and at least 3 s; stored once per change (`overdue`)
    frozen     frozen         bit-identical for 30 min of running of its own pump (level or no own pump: 60 min of any
                              pump of the site and not at zero); registers of whole numbers: four times as long
    counter    frozen         a counter stands still for 10 min of running, or 1.5 of its own steps if that is longer
    rate       rate           more than the physical maximum (temperatures: 5 K within a minute)
    spike      spike          Hampel: further than 3 * 1.4826 * MAD from the median of 11, and 5 % of the sensor's span
    clock      clock          source time more than 5 s ahead of ours, or running backwards by more than 2 s
    estimated  estimated      the device computed it (Tag.estimated)

After a gap, frozen, rate and spike begin to remember anew, because what happened in between is unknown; after a pump
started or stopped rate and spike do, because a step is no spike. An OPC UA server may repeat the time of the last
change, so a source time that grows old is no sign of anything.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from drivers.batch import NO_TIME, Batch, quality_array
from drivers.record import BAD_REASONS, Quality, Reason, Register, Tag
from monitor.plant import QUANTITIES, Settings

STALE_PERIODS, STALE_LEAST_S = 3.0, 3.0
FROZEN_S, FROZEN_SITE_S, COUNTER_S = 1_800.0, 3_600.0, 600.0  # seconds of running
WHOLE_NUMBER_FACTOR = 4.0  # a register of whole numbers shows small movements late
RATE_PER_MIN = {"bearing_temperature": 5.0, "ambient_temperature": 5.0}  # K per min
RATE_WINDOW_S = 60.0  # one step of a coarse register within one poll is no rate
SPIKE_WINDOW, SPIKE_SIGMA, SPIKE_LEAST_SHARE = 11, 3 * 1.4826, 0.05
AHEAD_US, BACKWARDS_US = 5_000_000, 2_000_000
_GAP = np.uint32(BAD_REASONS | Reason.STALE)
_WHOLE = ("u16", "i16", "u32", "i32", "u64", "i64")
_COUNTED = {"kWh": 1.0, "Wh": 0.001, "MWh": 1000.0, "m3": 1.0, "h": 6.0}  # one step of the unit, in ten minutes
_NEVER_FROZEN = ("speed", "frequency", "voltage")  # setpoints and the grid may stand still honestly


def _where(mask: np.ndarray, reason: Reason) -> np.ndarray:
    """The reason (u32) where the mask holds, else 0."""
    return np.where(mask, np.uint32(reason), np.uint32(0))


class QualityMachine:
    """Remembers per tag what the checks need. `mono_s` is a monotonic clock, handed in [s]."""

    def __init__(
        self, tags: Sequence[Tag], every_s: Mapping[str, float], sites: Mapping[str, str], mono_s: float
    ) -> None:
        """`every_s`: poll period by source [s]; `sites`: site by asset; `mono_s`: the time at which waiting begins."""
        self.tags = tuple(tags)
        size = max((tag.number for tag in tags), default=-1) + 1
        self._low, self._high = np.full(size, np.nan), np.full(size, np.nan)
        self._estimated = np.zeros(size, bool)
        self._stale_after = np.full(size, np.inf)
        self._frozen_after = np.full(size, np.inf)
        self._rate = np.full(size, np.inf)
        self._span = np.full(size, np.nan)
        self._zero_moves = np.ones(size, bool)  # False: standing at zero may be honest
        self._float_step = np.zeros(size)  # counters in 32-bit floats: time for one unit, in ten minutes
        self._runs = np.zeros(size, bool)
        self._group = np.zeros(size, np.int64)  # 0: nothing related; else an asset's or a site's pumps
        groups = self._lay_out(every_s, sites)
        # what is remembered per tag
        self.seen_s = np.full(size, mono_s)
        self.reasons = np.full(size, int(Reason.INITIAL), np.uint32)
        self.value = np.full(size, np.nan)
        self.source_us = np.full(size, NO_TIME, np.int64)
        self._received_us = np.full(size, NO_TIME, np.int64)
        self._last = np.full(size, np.nan)
        self._ran_at_change = np.zeros(size)
        self._anchor, self._anchor_s = np.full(size, np.nan), np.zeros(size)
        self._window = np.full((size, SPIKE_WINDOW), np.nan)
        self._epoch_seen = np.zeros(size, np.int64)
        # and per group
        self._running = np.zeros(size, bool)
        self._moves = np.zeros(groups, bool)
        self._ran_s = np.zeros(groups)
        self._epoch = np.zeros(groups, np.int64)
        self._clock_s = mono_s

    def _lay_out(self, every_s: Mapping[str, float], sites: Mapping[str, str]) -> int:
        """Work out once what each tag is checked for; returns the number of groups, the empty group 0 among them."""
        own = {tag.asset for tag in self.tags if tag.quantity == "running"}
        names: dict[str, int] = {}
        self._members: list[tuple[int, list[int]]] = []  # tag number of a running signal, its groups
        for tag in self.tags:
            at, kind = tag.number, QUANTITIES.get(tag.quantity, ("", "analog"))[1]
            site = f"site {sites.get(tag.asset, tag.asset)}"
            of_site = tag.asset not in own or tag.quantity == "level"
            group = names.setdefault(site if of_site else f"asset {tag.asset}", len(names) + 1)
            self._group[at] = group
            self._low[at] = np.nan if tag.low is None else tag.low
            self._high[at] = np.nan if tag.high is None else tag.high
            self._estimated[at] = tag.estimated
            self._stale_after[at] = max(STALE_PERIODS * (tag.every_s or every_s[tag.source]), STALE_LEAST_S)
            self._rate[at] = RATE_PER_MIN.get(tag.quantity, np.inf)
            self._runs[at] = tag.quantity == "running"
            if self._runs[at]:
                self._members.append((at, [group, names.setdefault(site, len(names) + 1)]))
            register = tag.where if isinstance(tag.where, Register) else None
            whole = register is not None and register.kind in _WHOLE
            if kind == "counter" or tag.counter:
                if not of_site and tag.unit in _COUNTED:
                    step = abs(register.scale) if register and whole else 0.0
                    self._frozen_after[at] = COUNTER_S * max(1.0, 1.5 * step * _COUNTED[tag.unit])
                    if register and register.kind == "f32":
                        self._float_step[at] = abs(register.scale) * _COUNTED[tag.unit]
            elif kind == "analog":
                self._span[at] = self._high[at] - self._low[at]
                if tag.quantity not in _NEVER_FROZEN:
                    window = FROZEN_SITE_S if of_site else FROZEN_S
                    self._frozen_after[at] = window * (WHOLE_NUMBER_FACTOR if whole else 1.0)
                    self._zero_moves[at] = not of_site
        return len(names) + 1

    def check(self, batch: Batch, mono_s: float) -> Batch:
        """The batch with the reasons of this house added; values untouched."""
        tag, value = batch.tag, batch.value
        extra = _where(self._estimated[tag], Reason.ESTIMATED)
        number = np.isfinite(value)
        usable = batch.quality < Quality.BAD
        if batch.exact:
            usable[list(batch.exact)] = False
        with np.errstate(invalid="ignore"):
            outside = usable & number & ((value < self._low[tag]) | (value > self._high[tag]))
        extra |= _where(usable & ~number, Reason.SENTINEL) | _where(outside, Reason.OUT_OF_RANGE) | self._clock(batch)
        live = usable & number & ~outside
        self._advance(tag, value, live, mono_s)
        self._forget(tag, live)
        if live.any():
            extra |= self._frozen(tag, value, live)
            extra |= self._too_fast(tag, value, live, mono_s)
            extra |= self._spike(tag, value, live)
        news = extra & ~self.reasons[tag]
        detail = {int(row): words for row in np.flatnonzero(news) if (words := self._words(int(tag[row]), news[row]))}
        checked = batch.with_reasons(extra, detail)
        self.seen_s[tag] = mono_s
        self.reasons[tag] = checked.reasons
        self.value[tag] = value
        self.source_us[tag] = batch.source_us
        self._received_us[tag] = batch.receive_us
        return checked

    def overdue(self, mono_s: float, now_us: int) -> list[Batch]:
        """STALE rows for tags that have just grown too old: the last value as it was, with its own old time.

        A tag whose last sample is bad stays bad for that reason and is not made stale: bad says more.
        """
        quiet = (self.reasons & _GAP) == 0
        stale = np.flatnonzero(quiet & (mono_s - self.seen_s > self._stale_after))
        if not len(stale):
            return []
        self.reasons[stale] |= np.uint32(Reason.STALE)
        unknown = stale[self._runs[stale]]
        self._turn(unknown, np.zeros(len(unknown), bool))
        by_source: dict[str, list[int]] = {}
        late = set(stale.tolist())
        for tag in self.tags:
            if tag.number in late:
                by_source.setdefault(tag.source, []).append(tag.number)
        return [self._stale_batch(source, np.array(numbers, np.int32), now_us) for source, numbers in by_source.items()]

    def _stale_batch(self, source: str, tag: np.ndarray, now_us: int) -> Batch:
        taken = np.where(self.source_us[tag] == NO_TIME, self._received_us[tag], self.source_us[tag])
        reasons = self.reasons[tag]
        return Batch(source, now_us, tag, taken, self.value[tag], quality_array(reasons), reasons)

    def _clock(self, batch: Batch) -> np.ndarray:
        """CLOCK where the source's time is ahead of ours or ran backwards."""
        last = self.source_us[batch.tag]
        has = batch.source_us != NO_TIME
        ahead = has & (batch.source_us > batch.receive_us + AHEAD_US)
        backwards = has & (last != NO_TIME) & (batch.source_us < last - BACKWARDS_US)
        return _where(ahead | backwards, Reason.CLOCK)

    def _advance(self, tag: np.ndarray, value: np.ndarray, live: np.ndarray, mono_s: float) -> None:
        """Count how long each group's pumps have run, then take in what this batch says of them."""
        self._ran_s[self._moves] += max(mono_s - self._clock_s, 0.0)
        self._clock_s = max(mono_s, self._clock_s)
        rows = self._runs[tag]
        if rows.any():
            self._turn(tag[rows], live[rows] & (value[rows] > 0.5))

    def _turn(self, tag: np.ndarray, running: np.ndarray) -> None:
        """Take in which pumps run; an unknown state counts as not running, so that nothing is called frozen by it."""
        changed = running != self._running[tag]
        if not changed.any():
            return
        self._running[tag] = running
        turned = set(tag[changed].tolist())
        self._moves[:] = False
        for at, groups in self._members:
            if self._running[at]:
                self._moves[groups] = True
            if at in turned:
                self._epoch[groups] += 1

    def _forget(self, tag: np.ndarray, live: np.ndarray) -> None:
        """Begin anew after a gap (all), and after a start or stop (rate and spike only)."""
        epoch = self._epoch[self._group[tag]]
        gap = live & ((self.reasons[tag] & _GAP) != 0)
        anew = tag[gap | (self._epoch_seen[tag] != epoch)]
        self._last[tag[gap]] = np.nan
        self._anchor[anew] = np.nan
        self._window[anew] = np.nan
        self._epoch_seen[tag] = epoch

    def _frozen(self, tag: np.ndarray, value: np.ndarray, live: np.ndarray) -> np.ndarray:
        """FROZEN where a value (or counter) has not moved by one bit while its pumps ran long enough."""
        ran = self._ran_s[self._group[tag]]
        same = live & (value == self._last[tag])
        moved = live & ~same
        self._last[tag[moved]] = value[moved]
        self._ran_at_change[tag[moved]] = ran[moved]
        stood_s = ran - self._ran_at_change[tag]
        frozen = same & (stood_s >= self._frozen_after[tag]) & (self._zero_moves[tag] | (value != 0.0))
        for row in np.flatnonzero(frozen & (self._float_step[tag] > 0)):  # a large f32 counter moves in coarse steps
            step = float(np.spacing(np.float32(abs(value[row])))) * self._float_step[tag[row]]
            frozen[row] = stood_s[row] >= COUNTER_S * max(1.0, 1.5 * step)
        return _where(frozen, Reason.FROZEN)

    def _too_fast(self, tag: np.ndarray, value: np.ndarray, live: np.ndarray, mono_s: float) -> np.ndarray:
        """RATE where a value moved further within the window than its physics allows."""
        fresh = live & np.isnan(self._anchor[tag])
        self._anchor[tag[fresh]], self._anchor_s[tag[fresh]] = value[fresh], mono_s
        age_s = mono_s - self._anchor_s[tag]
        fast = live & (np.abs(value - self._anchor[tag]) > self._rate[tag] * np.maximum(age_s, RATE_WINDOW_S) / 60.0)
        renew = live & (age_s >= RATE_WINDOW_S)
        self._anchor[tag[renew]], self._anchor_s[tag[renew]] = value[renew], mono_s
        return _where(fast, Reason.RATE)

    def _spike(self, tag: np.ndarray, value: np.ndarray, live: np.ndarray) -> np.ndarray:
        """SPIKE by Hampel's rule over the last 11 values, this one among them; needs the sensor's span."""
        extra = np.zeros(len(tag), np.uint32)
        rows = np.flatnonzero(live & np.isfinite(self._span[tag]))
        if not len(rows):
            return extra
        at = tag[rows]
        window = np.concatenate([self._window[at, 1:], value[rows, None]], axis=1)
        self._window[at] = window
        window.sort(axis=1)  # NaN last: a window that is not full ends in NaN
        middle = SPIKE_WINDOW // 2
        median = window[:, middle]
        mad = np.sort(np.abs(window - median[:, None]), axis=1)[:, middle]
        limit = np.maximum(SPIKE_SIGMA * mad, SPIKE_LEAST_SHARE * self._span[at])
        full = np.isfinite(window[:, -1])
        extra[rows[full & (np.abs(value[rows] - median) > limit)]] = Reason.SPIKE
        return extra

    def _words(self, number: int, news: np.uint32) -> str:
        """What a person needs to understand a reason that has just appeared."""
        new, words = Reason(int(news)), []
        if Reason.SENTINEL in new:
            words.append("not a finite number")
        if Reason.OUT_OF_RANGE in new:
            low, high = self._low[number], self._high[number]
            words.append(f"outside {low:g} .. {high:g}".replace("nan", "-"))
        if Reason.FROZEN in new:
            words.append("stands still while the pump runs")
        if Reason.CLOCK in new:
            words.append("source time ahead of ours or running backwards")
        return "; ".join(words)


def machine_of(settings: Settings, mono_s: float) -> QualityMachine:
    """The machine for a whole configuration."""
    every_s = {source.name: source.every_s for source in settings.sources}
    return QualityMachine(settings.tags, every_s, {asset.id: asset.site for asset in settings.assets}, mono_s)


def down_batch(source: str, tags: Sequence[Tag], now_us: int, detail: str = "") -> Batch:
    """BAD(comms) without a value for each of these tags: their source gave no answer at `now_us` (UTC) [us].

    The last known values are not repeated: they stay where they are, with their own old time.
    """
    n = len(tags)
    return Batch(
        source=source,
        receive_us=now_us,
        tag=np.array([tag.number for tag in tags], np.int32),
        source_us=np.full(n, NO_TIME, np.int64),
        value=np.full(n, np.nan),
        quality=np.full(n, Quality.BAD, np.uint8),
        reasons=np.full(n, int(Reason.COMMS), np.uint32),
        detail=dict.fromkeys(range(n), detail) if detail else {},
    )
