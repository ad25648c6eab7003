"""Noise collapse: a sensor whose noise is gone is filtered, simulated or read from a cache, though its value moves.

Noise is measured by successive differences (von Neumann, 1941), so that a trend is no noise; over windows of at least
10 min and 30 samples within one state (its pumps run, or none does; the minute after a start or stop is left out). Per
tag and state the median of the last 30 days is followed on a logarithmic scale: a step up or down with each window, so
large that a tenfold change takes 30 days. Said after 3 windows in a row below a tenth of it, taken back after 3 others,
or after 15 days in which nothing is learned, because then the quiet is what is usual. Never said before a day of
windows was seen in this state, nor where the register is too coarse to show a tenth of it, nor where such quiet windows
were usual before. A smaller value may have a smaller noise: the tenth shrinks with it.
"""

import json
from collections.abc import Iterator

import numpy as np

from monitor.quality.layout import Layout
from monitor.quality.sampling import Drawn

WINDOW_S, WINDOW_SAMPLES = 600.0, 30
LEARN_S = 86_400.0
HORIZON_S = 30 * 86_400.0
COLLAPSE = 0.1
IN_A_ROW = 3
SETTLE_S = 60.0  # after a start or stop
USUAL = 0.05  # a larger share of quiet windows than this is how the sensor is
LEAST_STEPS = 3.0  # steps of the register in the median: below that, quiet and coarse look alike
COLLAPSED = "its noise has collapsed: filtered, or repeated by a gateway"
_FIELDS = ("seen_s", "log_noise", "log_size", "quiet")
_OPEN = ("_epoch", "_settled_s", "_hits", "_said", "_said_s", "_n", "_lasted_s", "_sum", "_squares")


class NoiseWatch:
    """Per tag and state (0 at rest, 1 running) one open window, and what is usual."""

    def __init__(self, layout: Layout, *, window_s: float = WINDOW_S, learn_s: float = LEARN_S) -> None:
        self._window_s, self._learn_s = window_s, learn_s
        size = layout.size
        self._layout = layout
        self._analog, self._least, self._single = layout.analog, layout.least, layout.single
        self._epoch, self._settled_s = np.full(size, -1, np.int64), np.zeros(size)
        self._hits, self._said, self._said_s = np.zeros(size, np.int8), np.zeros(size, bool), np.zeros(size, np.float32)
        shape = (size, 2)
        self._n, self._lasted_s = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        self._sum, self._squares = np.zeros(shape), np.zeros(shape)
        self.seen_s = np.zeros(shape, np.float32)
        self.log_noise, self.log_size = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
        self.quiet = np.zeros(shape, np.float32)  # share of windows without noise

    def take(self, drawn: Drawn, moves: np.ndarray, epoch: np.ndarray, mono_s: float) -> Iterator[tuple[int, bool]]:
        """Take in new samples; `moves`, `epoch`: of their pumps. Gives the tags whose verdict changed."""
        turned = self._epoch[drawn.tag] != epoch
        self._epoch[drawn.tag] = epoch
        self._settled_s[drawn.tag[turned]] = mono_s + SETTLE_S
        mine = self._analog[drawn.tag] & np.isfinite(drawn.step) & (mono_s >= self._settled_s[drawn.tag])
        tag = drawn.tag[mine]
        key = (tag, moves[mine].astype(np.int64))
        self._n[key] += 1
        self._lasted_s[key] += drawn.dt_s[mine]
        self._sum[key] += drawn.value[mine]
        self._squares[key] += drawn.step[mine] ** 2
        full = (self._lasted_s[key] >= self._window_s) & (self._n[key] >= WINDOW_SAMPLES)
        return self._close(tag[full], key[1][full]) if full.any() else iter(())

    def _close(self, tag: np.ndarray, state: np.ndarray) -> Iterator[tuple[int, bool]]:
        """Judge full windows by what was usual before them, then let them add to it and begin new ones."""
        key = (tag, state)
        noise = np.sqrt(self._squares[key] / self._n[key] / 2)
        size = np.abs(self._sum[key] / self._n[key])
        usual, usual_size = np.exp(self.log_noise[key], dtype=float), np.exp(self.log_size[key], dtype=float)
        limit = COLLAPSE * usual * np.minimum(1.0, size / np.maximum(usual_size, 1e-300))
        least = np.maximum(self._least[tag], np.where(self._single[tag], np.spacing(size.astype(np.float32)), 0.0))
        quiet = noise < limit
        known = (self.seen_s[key] >= self._learn_s) & (usual >= LEAST_STEPS * least)
        rare = self.quiet[key] < USUAL
        changed = [
            (number, low)
            for number, low, may in zip(tag.tolist(), quiet.tolist(), (known & (rare | ~quiet)).tolist(), strict=True)
            if may and self._turns(number, low)
        ]
        self._said_s[tag] = np.where(self._said[tag], self._said_s[tag] + self._lasted_s[key], 0.0)
        self._learn(key, noise, size, quiet)
        for number in tag[self._said_s[tag] >= HORIZON_S / 2].tolist():  # the median of 30 days turns
            self._said[number], self._said_s[number], self.seen_s[number] = False, 0.0, 0.0
            self.log_noise[number] = np.nan
            changed.append((number, False))
        for one in (self._n, self._lasted_s, self._sum, self._squares):
            one[key] = 0
        return iter(changed)

    def _turns(self, number: int, low: bool) -> bool:
        """Whether this window is the one that changes the verdict."""
        self._hits[number] = 0 if self._said[number] == low else self._hits[number] + 1
        if self._hits[number] < IN_A_ROW:
            return False
        self._said[number], self._hits[number] = low, 0
        return True

    def _learn(
        self, key: tuple[np.ndarray, np.ndarray], noise: np.ndarray, size: np.ndarray, quiet: np.ndarray
    ) -> None:
        lasted_s = self._lasted_s[key]
        first = np.isnan(self.log_noise[key]) & (noise > 0)
        log_noise, log_size = np.log(np.maximum(noise, 1e-300)), np.log(np.maximum(size, 1e-300))
        forget = lasted_s / np.maximum(self.seen_s[key] + lasted_s, lasted_s)  # 1/n at first
        pace = np.maximum(forget, np.log(1 / COLLAPSE) * lasted_s / HORIZON_S) * ~self._said[key[0]]
        for usual, now in ((self.log_noise, log_noise), (self.log_size, log_size)):
            before = usual[key]
            usual[key] = np.where(first, now, before + pace * np.sign(now - before))
        habit = ~self._said[key[0]] & (self._hits[key[0]] == 0)  # a collapse makes no habit of itself
        share = np.maximum(forget, lasted_s / HORIZON_S) * habit
        self.quiet[key] += share * (quiet - self.quiet[key])
        self.seen_s[key] = np.minimum(self.seen_s[key] + lasted_s, HORIZON_S) * ~np.isnan(self.log_noise[key])

    # over a new configuration, and over a restart

    def take_over(self, old: "NoiseWatch", tag: np.ndarray) -> None:
        """Go on where `old` stands with these tags."""
        for name in (*_FIELDS, *_OPEN):
            getattr(self, name)[tag] = getattr(old, name)[tag]

    def _named(self) -> dict[str, int]:
        return {tag.name: tag.number for tag in self._layout.tags if self._analog[tag.number]}

    def saved(self) -> bytes:
        """What was learned: a line of JSON with the names of the tags, then the numbers of each field (f32)."""
        known = {name: number for name, number in self._named().items() if (self.seen_s[number] > 0).any()}
        head = {"format": 1, "fields": _FIELDS, "tags": list(known)}
        numbers = np.array(list(known.values()), np.int64)
        table = np.stack([getattr(self, one)[numbers] for one in _FIELDS]).astype("<f4")
        return json.dumps(head).encode() + b"\n" + table.tobytes()

    def take_up(self, blob: bytes) -> None:
        """What an earlier life had learned, for tags that still exist; ValueError where the file is damaged."""
        line, _, rest = blob.partition(b"\n")
        try:
            head = json.loads(line)
        except RecursionError as fault:
            raise ValueError("not what was saved: nested without end") from fault
        if not isinstance(head, dict) or head.get("format") != 1 or head.get("fields") != list(_FIELDS):
            raise ValueError("not what was saved")
        names = head.get("tags")
        if not isinstance(names, list) or len(rest) != len(_FIELDS) * len(names) * 2 * 4:
            raise ValueError("not what was saved: lengths differ")
        table = np.frombuffer(rest, "<f4").reshape(len(_FIELDS), len(names), 2)
        numbers = self._named()
        rows = [row for row, name in enumerate(names) if isinstance(name, str) and name in numbers]
        tag = np.array([numbers[names[row]] for row in rows], np.int64)
        seen_s, log_noise, log_size, quiet = table[:, rows]
        with np.errstate(invalid="ignore"):  # a damaged file can hold numbers that no arithmetic makes
            sane = np.isfinite(log_noise) & np.isfinite(log_size) & (seen_s >= 0) & (seen_s <= HORIZON_S)
            sane &= (quiet >= 0) & (quiet <= 1)
        for one, values in zip(_FIELDS, table[:, rows], strict=True):
            now = getattr(self, one)
            now[tag] = np.where(sane, values, now[tag])
