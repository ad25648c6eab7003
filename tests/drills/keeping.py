"""A program that keeps samples, entries and files through the real store and says what is safe, to be cut or killed.

`python -m tests.drills.keeping STATE SEED TURNS` appends what it has kept to STATE/said, each only after the store said
that it is on the disk. What a sample holds follows from its number and its tag, so that whatever is read back can be
judged by itself. Time runs at a third of an hour per tick, so that days end, are merged and leave the hot file.
"""

import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from drivers.batch import Batch
from drivers.record import Quality
from monitor.historian.history import fold, read
from monitor.historian.hot import HotFile
from monitor.ledger import Draft, entries, open_ledger, raw_message, verify
from monitor.plant import Settings
from monitor.state import State, atomic_write
from tests.monitor.plants import plant, tag

TAGS = 150
NAMES = tuple(f"pump{1 + number % 2}.q{number}" for number in range(TAGS))
EVERYTHING = (0, 2**62)


def settings_of() -> Settings:
    """The small plant with many tags."""
    return plant(tuple(tag(number, name.partition(".")[0], f"q{number}", "1") for number, name in enumerate(NAMES)))


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks at a steady pace: what each holds, and whether what is read back is that, once."""

    begin_ms: int
    step_ms: int

    def at_ms(self, tick: int) -> int:
        """When a tick was received (UTC) [ms]."""
        return self.begin_ms + tick * self.step_ms

    def batch(self, tick: int) -> Batch:
        """All tags once, each with a value that says which tick and tag it is."""
        numbers = np.arange(TAGS, dtype=np.int32)
        good = np.full(TAGS, Quality.GOOD, np.uint8)
        return Batch("s", self.at_ms(tick) * 1000, numbers, np.full(TAGS, -1, np.int64), tick + numbers / 1024, good,
                     np.zeros(TAGS, np.uint32))  # fmt: skip

    def each_once(self, state: State, ticks: int, more: int = 0) -> int:
        """All samples of so many ticks are there once, as they were, and of at most `more` after them. How many."""
        found = read(state, NAMES, *EVERYTHING)
        assert found.attrs["damaged"] == [], f"damaged: {found.attrs['damaged']}"
        counts = np.bincount(self.as_written(found), minlength=ticks * TAGS)
        missing, twice = np.flatnonzero(counts == 0), np.flatnonzero(counts > 1)
        assert not len(missing), f"{len(missing)} samples are missing, first of tick {missing[0] // TAGS} of {ticks}"
        assert not len(twice), f"{len(twice)} samples are there twice, first of tick {twice[0] // TAGS} of {ticks}"
        assert ticks * TAGS <= len(counts) <= (ticks + more) * TAGS, "ticks that nobody wrote"
        return len(counts)

    def as_written(self, found: pd.DataFrame) -> np.ndarray:
        """tick * TAGS + tag of each sample that was read; each has the value that was written."""
        at = ((found["receive_us"] // 1000 - self.begin_ms) // self.step_ms).to_numpy(np.int64)
        number = found["tag"].map({name: one for one, name in enumerate(NAMES)}).to_numpy(np.int64)
        assert (found["receive_us"].to_numpy(np.int64) == 1000 * (self.begin_ms + at * self.step_ms)).all()
        assert (found["value"].to_numpy() == at + number / 1024).all(), "a sample was changed"
        return np.asarray(at * TAGS + number)


TICKS = Ticks(1_795_392_000_000, 1_200_000)  # from 2026-11-23T00:00:00Z


def note(number: int) -> bytes:
    """A vendor's message."""
    return f"message {number} ".encode() * 200


def main(place: str, seed: str, turns: int) -> None:
    rng = random.Random(seed)
    state = State(Path(place)).make()
    said = os.open(state.root / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(words: str) -> None:
        os.write(said, f"{words}\n".encode())

    hot, ledger = HotFile(state.hot), open_ledger(state)
    hot.publish_tags(settings_of())
    for tick in range(turns):
        hot.append([TICKS.batch(tick)], TICKS.at_ms(tick))
        say(f"tick {tick}")
        todo = rng.random()
        if todo < 0.25:
            events = [Draft("event", {"date": "d", "event_kind": "k", "text": f"{tick} {one}"}, tick, "test")
                      for one in range(rng.randint(1, 4))]  # fmt: skip
            made = ledger.append_many(events)[-1]
            say(f"entry {made.n}:{made.head}")
        elif todo < 0.35:
            say(f"raw {tick} {ledger.keep_raw(note(tick), tick)}")
        elif todo < 0.45:
            hot.write_latest(TICKS.at_ms(tick))
        elif todo < 0.55:
            hot.roll(TICKS.at_ms(tick))
        elif todo < 0.65:
            hot.set_alarms([{"id": f"a{one}", "tick": tick} for one in range(rng.randint(0, 20))])
        elif todo < 0.75:
            atomic_write(state.facts / "tick", f"{tick} " * 500)
            say(f"file {tick}")
        elif todo < 0.79:
            hot.roll(TICKS.at_ms(tick))
            done = fold(state, upto_ms=TICKS.at_ms(tick - rng.randint(0, 5)))
            hot.purge(done.purge_before_ms - TICKS.step_ms * rng.randint(0, 40))
        elif todo < 0.81:
            hot.close()
            ledger.close()
            hot, ledger = HotFile(state.hot), open_ledger(state)
            hot.publish_tags(settings_of())
    hot.close()
    ledger.close()


def kept(state: State, said: Iterable[str], *, more: int = 1) -> tuple[int, int]:
    """Judge what a cut left: all that was said to be safe is there, once, as it was. Returns ticks and entries.

    At most `more` ticks that were not said are there as well: those that were on their way.
    """
    told: dict[str, list[str]] = {"tick": [], "entry": [], "raw": [], "file": []}
    for line in said:
        kind, _, words = line.partition(" ")
        told[kind].append(words)
    ticks = 1 + int(told["tick"][-1]) if told["tick"] else 0
    found = TICKS.each_once(state, ticks, more)
    if told["entry"]:
        result = verify(state, told["entry"][-1])
        assert result.ok, result.words
        assert len(list(entries(state))) == result.n
    for words in told["raw"]:
        tick, name = words.split()
        assert raw_message(state, name) == note(int(tick)), f"message {tick} is lost"
    if told["file"]:
        tick, *same = (state.facts / "tick").read_text().split()
        assert int(tick) >= int(told["file"][-1]) and same == [tick] * 499, "a whole file was lost or torn"
    return found // TAGS, int(told["entry"][-1].partition(":")[0]) if told["entry"] else 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
