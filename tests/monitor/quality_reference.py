"""The quality machine read slowly: the table of monitor.quality, one tag and one row at a time, scalars and dicts.

Slow on purpose and written apart from the machine: what both say of the same story is what the table says.
"""

import math

import numpy as np

from drivers.batch import NO_TIME
from drivers.record import BAD_REASONS, Quality, Reason, Register
from monitor.quality.counters import counter_step
from monitor.quality.layout import FOLLOWS, NEVER_FROZEN

GAP = BAD_REASONS | Reason.STALE
BY_HAND = Reason.FORCED | Reason.SUBSTITUTE | Reason.MANUAL | Reason.CHECK_FUNCTION


class PlainMachine:
    def __init__(self, tags, every_s, sites, mono_s):
        self.tags = {one.number: one for one in tags}
        self.every_s, self.sites = every_s, sites
        self.own = {one.asset for one in tags if one.quantity == "running"}
        self.state = {n: self.blank(mono_s) for n in self.tags}
        self.running = {one.number: False for one in tags if one.quantity == "running"}
        self.ran = {}
        self.epoch = {}
        self.clock = mono_s

    @staticmethod
    def blank(mono_s):
        return {"seen": mono_s, "reasons": Reason.INITIAL, "src": NO_TIME, "last": None, "ran": 0.0, "anchor": None,
                "anchor_s": 0.0, "window": [], "epoch": 0, "count": None, "count_s": 0.0, "odd": None,
                "value": math.nan, "late": False}  # fmt: skip

    # what belongs together

    def of_site(self, one):
        return one.asset not in self.own or one.quantity == "level"

    def group(self, one):
        return ("site", self.sites[one.asset]) if self.of_site(one) else ("asset", one.asset)

    def groups_of(self, number):
        asset = self.tags[number].asset
        return ("asset", asset), ("site", self.sites[asset])

    def turn(self, number, on):
        if self.running[number] != on:
            self.running[number] = on
            for group in self.groups_of(number):
                self.epoch[group] = self.epoch.get(group, 0) + 1

    def told_elsewhere(self, one):
        """Whether a pump that moves this tag is read over another source."""
        return any(
            self.group(one) in self.groups_of(number) and self.tags[number].source != one.source
            for number in self.running
        )

    # time

    def pass_time(self, mono_s):
        step = max(mono_s - self.clock, 0.0)
        for group in {group for number, on in self.running.items() if on for group in self.groups_of(number)}:
            self.ran[group] = self.ran.get(group, 0.0) + step
        self.clock = max(self.clock, mono_s)

    def overdue(self, mono_s):
        self.pass_time(mono_s)
        late = {}
        for number, state in self.state.items():
            one = self.tags[number]
            limit = max(3 * (one.every_s or self.every_s[one.source]), 3.0)
            if not state["reasons"] & GAP and mono_s - state["seen"] > limit:
                state["reasons"] |= Reason.STALE
                late[number] = state["reasons"]
        for number in late:
            if number in self.running:
                self.turn(number, False)
        return late

    # rows

    def check(self, batch, mono_s):
        """The reasons of each row, in the order of the rows."""
        self.pass_time(mono_s)
        rows = [batch.row(i) for i in range(len(batch))]
        told, waiting = {}, list(range(len(rows)))
        while waiting:  # the first row of each tag, then the second ...
            layer = {}
            for index in waiting:
                layer.setdefault(rows[index].tag, index)
            for index in layer.values():
                if rows[index].tag in self.running:
                    self.turn(rows[index].tag, self.live(rows[index]) and rows[index].value > 0.5)
            for index in layer.values():
                told[index] = self.judge(rows[index], mono_s)
                self.state[rows[index].tag]["value"] = float(batch.value[index])
            waiting = [index for index in waiting if index not in layer.values()]
        return [told[index] for index in range(len(rows))]

    def live(self, row):
        one = self.tags[row.tag]
        if row.quality == Quality.BAD or isinstance(row.value, str) or row.value is None:
            return False
        if not math.isfinite(row.value):
            return False
        return (one.low is None or row.value >= one.low) and (one.high is None or row.value <= one.high)

    def judge(self, row, mono_s):
        one, state, live = self.tags[row.tag], self.state[row.tag], self.live(row)
        extra = Reason.ESTIMATED if one.estimated else Reason.OK
        if row.quality != Quality.BAD and not isinstance(row.value, str) and not live:
            finite = row.value is not None and math.isfinite(row.value)
            extra |= Reason.OUT_OF_RANGE if finite else Reason.SENTINEL
        if row.source_us is not None:
            ahead = row.source_us > row.receive_us + 5_000_000
            back = state["src"] != NO_TIME and row.source_us < state["src"] - 2_000_000
            late = self.dated_back(one, state, row)
            extra |= Reason.CLOCK if ahead or back or late else Reason.OK
        gap = live and bool(state["reasons"] & GAP or row.reasons & Reason.BREAK)
        epoch = self.epoch.get(("site", self.sites[one.asset]), 0)
        if gap:
            state["last"] = None
        if gap or state["epoch"] != epoch:
            state["anchor"], state["window"] = None, []
        state["epoch"] = epoch
        if live:
            extra |= self.frozen(one, state, row) | self.too_fast(one, state, row.value, mono_s)
            extra |= self.spike(one, state, row.value) | self.counted(one, state, row.value, mono_s)
        state.update(seen=mono_s, reasons=row.reasons | extra, src=NO_TIME if row.source_us is None else row.source_us)
        return state["reasons"]

    def dated_back(self, one, state, row):
        """Whether a changed value, or one after it, is said to be older than it can be."""
        usable = row.quality != Quality.BAD and not isinstance(row.value, str)
        age_s = (row.receive_us - row.source_us) / 1e6
        numbers = usable and row.value is not None and math.isfinite(row.value) and math.isfinite(state["value"])
        new = numbers and row.value != state["value"] and state["src"] not in (NO_TIME, row.source_us)
        new = new and not state["reasons"] & GAP
        limit_s = max(60.0, 3 * (one.every_s or self.every_s[one.source]))
        state["late"] = usable and age_s > limit_s and (state["late"] or new)
        return state["late"]

    def frozen_after(self, one, value):
        kind = one.where.kind if isinstance(one.where, Register) else None
        whole = kind not in (None, "f16", "f32", "f64", "string")
        if one.counter:
            if self.of_site(one):
                return math.inf
            step = one.where.scale if whole else float(np.spacing(np.float32(abs(value)))) if kind == "f32" else 0.0
            return 600 * max(1.0, 1.5 * step)
        if one.quantity in (*NEVER_FROZEN, "running", "alarm_code", "selector", "vendor_flag"):
            return math.inf
        return (3600 if self.of_site(one) else 1800) * (4 if whole else 1)

    def frozen(self, one, state, row):
        ran = self.ran.get(self.group(one), 0.0)
        if row.value != state["last"]:
            state["last"], state["ran"] = row.value, ran
            return Reason.OK
        honest_zero = self.of_site(one) and not one.counter and row.value == 0
        if honest_zero or row.reasons & BY_HAND or ran - state["ran"] < self.frozen_after(one, row.value):
            return Reason.OK
        return Reason.FROZEN

    def too_fast(self, one, state, value, mono_s):
        if state["anchor"] is None:
            state["anchor"], state["anchor_s"] = value, mono_s
        moved, age = abs(value - state["anchor"]), mono_s - state["anchor_s"]
        if age >= 60.0:
            state["anchor"], state["anchor_s"] = value, mono_s
        limit = 5.0 if one.quantity in ("bearing_temperature", "ambient_temperature") else math.inf
        return Reason.RATE if moved > limit * max(age, 60.0) / 60.0 else Reason.OK

    def spike(self, one, state, value):
        if one.low is None or one.high is None or (one.quantity in FOLLOWS and self.told_elsewhere(one)):
            return Reason.OK
        state["window"] = [*state["window"], value][-11:]
        if len(state["window"]) < 11:
            return Reason.OK
        median = sorted(state["window"])[5]
        mad = sorted(abs(v - median) for v in state["window"])[5]
        far = abs(value - median) > max(3 * 1.4826 * mad, 0.05 * (one.high - one.low))
        return Reason.SPIKE if far else Reason.OK

    def counted(self, one, state, value, mono_s):
        if not one.counter:
            return Reason.OK
        if state["count"] is None:
            state["count"], state["count_s"] = value, mono_s
            return Reason.OK
        flow = [other.high for other in self.tags.values() if other.asset == one.asset and other.quantity == "flow"]
        most = flow[0] if one.quantity == "volume" and flow else None
        kind = counter_step(state["count"], value, one.where, mono_s - state["count_s"], most).kind
        believed = kind in ("forward", "wrap")
        if not believed and state["odd"] is not None:
            before, since = state["odd"]
            believed = counter_step(before, value, one.where, mono_s - since, most).kind == "forward"
        if believed:
            state["odd"] = None
            if value != state["count"]:
                state["count"], state["count_s"] = value, mono_s
            return Reason.OK
        state["odd"] = value, mono_s
        if kind == "impossible":
            return Reason.RATE
        return Reason.SPEC if kind == "loss" else Reason.SPEC | Reason.BREAK
