"""What each tag is checked for: worked out once from the tag table, held as arrays by tag number."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from drivers.record import Reason, Register, Tag
from monitor.plant import QUANTITIES, Asset
from monitor.quality.counters import FLOATS, resolution

STALE_PERIODS, STALE_LEAST_S = 3.0, 3.0
FROZEN_S, FROZEN_SITE_S, COUNTER_S = 1_800.0, 3_600.0, 600.0  # seconds of running
WHOLE_NUMBER_FACTOR = 4.0  # a register of whole numbers shows small movements late
RATE_PER_MIN = {"bearing_temperature": 5.0, "ambient_temperature": 5.0}  # K per min
LEVEL_UNREST = 0.01  # of the sensor's span: waves and noise are no rate
# setpoints and the grid may stand still honestly, and of what has no known quantity (modes, limits) nobody knows
NEVER_FROZEN = ("speed", "frequency", "voltage", "power_factor", "other")
FOLLOWS = ("flow", "pressure", "suction_pressure", "discharge_pressure", "head", "power", "current", "vibration")
_COUNTED = {"kWh": 1.0, "Wh": 0.001, "MWh": 1000.0, "m3": 1.0, "h": 6.0}  # one step of the unit, in ten minutes
_IDLING = 0.05  # of the most that a counter can count: a pump that does less for its size hardly runs
_MOST = np.finfo(float).max
_RATED = {"energy": ("power", "rated_power_kw", 2.0), "volume": ("flow", "rated_flow_m3h", 2.5)}


class Layout:
    """Per tag number: limits, windows, the group whose pumps it depends on. `groups` counts the empty group 0 too."""

    def __init__(
        self, tags: Sequence[Tag], every_s: Mapping[str, float], sites: Mapping[str, str],
        assets: Sequence[Asset] = (), level_rate: Mapping[int, float] | None = None,
    ) -> None:  # fmt: skip
        """`level_rate`: by tag number, how fast a level can move at most [m/min]."""
        self.size = size = max((tag.number for tag in tags), default=-1) + 1
        self.tags = tuple(sorted(tags, key=lambda tag: tag.number))
        self._numbers = [tag.number for tag in self.tags]
        self.low, self.high = np.full(size, np.nan), np.full(size, np.nan)
        self.floor, self.ceiling = np.full(size, -_MOST), np.full(size, _MOST)  # the same where there are limits
        self.estimated = np.zeros(size, np.uint32)  # the reason, where it holds
        self.every_s = np.ones(size)
        self.stale_after = np.full(size, np.inf)
        self.frozen_after = np.full(size, np.inf)
        self.rate, self.unrest = np.full(size, np.inf), np.zeros(size)
        self.span = np.full(size, np.nan)
        self.zero_moves = np.ones(size, bool)  # False: standing at zero may be honest
        self.float_step = np.zeros(size)  # counters in 32-bit floats: time for one unit, in ten minutes
        self.runs = np.zeros(size, bool)
        self.counts = np.zeros(size, bool)
        self.analog = np.zeros(size, bool)  # has a noise of its own
        self.most_per_h = np.full(size, np.inf)  # of a counter
        self.least = np.zeros(size)  # the smallest step that is known whatever the value
        self.single = np.zeros(size, bool)  # a 32-bit float
        self.group = np.zeros(size, np.int64)  # 0: nothing related; else an asset's or a site's pumps
        self.site = np.zeros(size, np.int64)  # the group of all pumps of its site
        self.members: dict[int, tuple[int, int]] = {}  # tag number of a running signal -> groups: asset, site
        own = {tag.asset for tag in tags if tag.quantity == "running"}
        names: dict[str, int] = {}
        most = most_counted(tags, assets)
        for tag in tags:
            at, kind = tag.number, QUANTITIES.get(tag.quantity, ("", "analog"))[1]
            site = f"site {sites.get(tag.asset, tag.asset)}"
            of_site = tag.asset not in own or tag.quantity == "level"
            group = names.setdefault(site if of_site else f"asset {tag.asset}", len(names) + 1)
            self.group[at] = group
            self.site[at] = names.setdefault(site, len(names) + 1)
            self.low[at] = np.nan if tag.low is None else tag.low
            self.high[at] = np.nan if tag.high is None else tag.high
            self.floor[at], self.ceiling[at] = np.fmax(self.low[at], -_MOST), np.fmin(self.high[at], _MOST)
            self.estimated[at] = Reason.ESTIMATED if tag.estimated else 0
            self.every_s[at] = tag.every_s or every_s[tag.source]
            self.stale_after[at] = max(STALE_PERIODS * self.every_s[at], STALE_LEAST_S)
            self.rate[at] = RATE_PER_MIN.get(tag.quantity, np.inf)
            if tag.quantity == "running":
                self.runs[at] = True
                self.members[at] = (group, int(self.site[at]))
            register = tag.where if isinstance(tag.where, Register) else None
            whole = register is not None and register.kind not in (*FLOATS, "string")
            self.least[at] = resolution(0.0, tag.where) if whole else 0.0
            self.single[at] = register is not None and register.kind == "f32"
            if kind == "counter" or tag.counter:
                self.counts[at] = register is None or register.kind != "string"
                self.most_per_h[at] = most.get(at, np.inf)
                if not of_site and tag.unit in _COUNTED:
                    step = abs(register.scale) if register and whole else 0.0
                    slowest_s = 3600 * step / (_IDLING * most[at]) if at in most and tag.quantity in _RATED else 0.0
                    self.frozen_after[at] = max(COUNTER_S * max(1.0, 1.5 * step * _COUNTED[tag.unit]), 1.5 * slowest_s)
                    if register and register.kind == "f32":
                        self.float_step[at] = abs(register.scale) * _COUNTED[tag.unit]
            elif kind == "analog":
                self.span[at] = self.high[at] - self.low[at]
                if tag.quantity not in NEVER_FROZEN:
                    self.analog[at] = True
                    window = FROZEN_SITE_S if of_site else FROZEN_S
                    self.frozen_after[at] = window * (WHOLE_NUMBER_FACTOR if whole else 1.0)
                    self.zero_moves[at] = not of_site
            if level_rate and at in level_rate:
                self.rate[at] = level_rate[at]
                self.unrest[at] = LEVEL_UNREST * np.nan_to_num(self.span[at])
        self.group_names = names
        self.groups = len(names) + 1
        told_by: dict[int, set[str]] = {}
        for at, groups in self.members.items():
            for group in groups:
                told_by.setdefault(group, set()).add(self.tag(at).source)
        for tag in tags:
            if tag.quantity in FOLLOWS and told_by.get(int(self.group[tag.number]), set()) - {tag.source}:
                self.span[tag.number] = np.nan

    def tag(self, number: int) -> Tag:
        """The tag with this number."""
        return self.tags[bisect_left(self._numbers, number)]


def most_counted(tags: Sequence[Tag], assets: Sequence[Asset]) -> dict[int, float]:
    """By number of a counter the most that it can count in an hour [its unit]: from a sibling's limit or a rating."""
    rated = {asset.id: asset for asset in assets}
    high: dict[tuple[str, str], float] = {}
    for tag in tags:
        if tag.quantity in ("power", "flow") and tag.high is not None and tag.high > 0:
            key = (tag.asset, tag.quantity)
            high[key] = max(high.get(key, 0.0), tag.high)
    most: dict[int, float] = {}
    for tag in tags:
        if tag.quantity == "run_hours":
            most[tag.number] = 1.01  # clocks differ
        elif tag.quantity in _RATED:
            sibling, rating, factor = _RATED[tag.quantity]
            rate = high.get((tag.asset, sibling))
            if rate is None and tag.asset in rated and (nominal := getattr(rated[tag.asset], rating)):
                rate = factor * nominal
            if rate is not None:
                most[tag.number] = rate
    return most
